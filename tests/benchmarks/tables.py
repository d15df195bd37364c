"""Measures everything, and writes the tables of README.md and of the manual: hours, on a machine that does nothing else.

    python -m pip install -e '.[dev,bench]'
    apt-get install imagemagick
    python tests/benchmarks/tables.py [--results FOLDER] [--quick | --all] [--list]

Each step is a process of its own, whose figures go to a JSON file in FOLDER. A run that was stopped goes on when it is started
again: only steps are measured whose file is missing, or was made by another command. --quick measures little, and writes the
texts into FOLDER instead: it shows that the programs work. --all measures filter2d in every combination, and all batches with
ImageMagick too, which takes many hours.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

from grid_cells import AXES, list_variants
from machine import ROOT
from measuring import ratio_summary
from table_text import cells_of, manual_lines, readme_lines, replace_between

FOLDER = Path(__file__).parent
TEXTS = {"speed": ROOT / "README.md", "measured": ROOT / "convcli" / "manual" / "performance.md"}
"""The names of the markers, and the files with them."""

MEMORY = Path("/dev/shm")
FEW_KERNELS = {"kinds": "random,gaussian", "sizes": "3,9,31"}
"""12 megapixels, of which some peers take 20 seconds."""


def arguments_of(script, **options):
    """The command line of a step, without the file of its figures."""
    return [f"{script}.py", *(f"--{name}={value}" for name, value in options.items())]


def list_steps(options):
    """The command lines of all steps, by name."""
    quick, steps = options.quick, {}
    for variant in list_variants(AXES, options.all):
        kernels = FEW_KERNELS if variant["side"] == "4000x3000" and not options.all else {}
        kernels = {"kinds": "random,box", "sizes": "3,9", "types": "u8-u8,f32-f32"} if quick else kernels
        axes = {f"{name}s": value for name, value in variant.items()}
        steps["-".join(map(str, ("filter2d", *variant.values())))] = arguments_of("grid", **axes, **kernels)
    steps["process"] = arguments_of("process", runs=2 if quick else 7)
    places = {"disk": options.results.resolve(), **({"memory": MEMORY} if MEMORY.is_dir() else {})}
    for suffix, place, jobs in itertools.product((".jpg", ".png", ".tif"), places, (1, 2)):
        usual = (suffix, place, jobs) == (".jpg", "disk", 2)
        peers = "OpenCV,ImageMagick" if options.all or usual else "OpenCV"
        shared = {"suffix": suffix, "jobs": jobs, "peers": peers, "folder": places[place]}
        counts = {"count": 10, "runs": 2} if quick else {}
        steps[f"batch{suffix}-{place}-{jobs}"] = arguments_of("batch", **shared, **counts)
    steps |= {f"layers-{threads}": arguments_of("layers", threads=threads) for threads in (1, 2)}
    return steps | {"networks": arguments_of("networks", **({"networks": "lenet-5", "runs": 3} if quick else {}))}


def figures_in(path, arguments):
    """The figures of a step that are there and were measured by this command, or None."""
    document = json.loads(path.read_text()) if path.is_file() else {}
    return document if document.get("command") == arguments else None


def measure(path, arguments):
    """Measure a step. Return its figures, which are kept in the file with the command."""
    sys.stdout.write(f"\n{path.stem}: {' '.join(arguments)}\n")
    sys.stdout.flush()
    new = path.with_suffix(".new")
    script, *rest = arguments
    subprocess.run([sys.executable, FOLDER / script, *rest, f"--json={new}"], check=True)
    document = {"command": arguments} | json.loads(new.read_text())
    new.write_text(json.dumps(document, indent=1))
    new.replace(path)
    return document


def main():
    """Run the steps that are missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=FOLDER / "results", help="where the JSON files are")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="few cells and files; the texts go into the folder too")
    extent.add_argument("--all", action="store_true", help="all axes at once: hours")
    parser.add_argument("--list", action="store_true", help="only list the steps, and whether there are figures")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    steps = {options.results / f"{name}.json": arguments for name, arguments in list_steps(options).items()}
    if options.list:
        for path, arguments in steps.items():
            sys.stdout.write(f"{'there' if figures_in(path, arguments) else 'missing':<8} {path.stem}: {' '.join(arguments)}\n")
        return
    results = {path.stem: figures_in(path, arguments) or measure(path, arguments) for path, arguments in steps.items()}
    for (name, path), lines in zip(TEXTS.items(), (readme_lines(cells_of(results)), manual_lines(results)), strict=True):
        target = options.results / path.name if options.quick else path
        target.write_text(replace_between(path.read_text("utf-8"), name, lines), "utf-8")
        sys.stdout.write(f"{target}\n")
    sys.stdout.write(f"filter2d in all: {ratio_summary(cells_of(results))}\n")


if __name__ == "__main__":
    main()
