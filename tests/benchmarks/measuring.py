"""What the benchmarks share: whole processes that are timed, pictures that are compared, results as JSON."""

import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile
from machine import ROOT, describe, lines_of

SAMPLES = ROOT / "samples"
SCRIPT = Path(sys.executable).with_name("convcli")
CONVCLI = [str(SCRIPT)] if SCRIPT.is_file() else [sys.executable, "-m", "convcli"]

WATCH = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""
"""A process of its own, because the peak memory of children is that of all so far. Linux counts what the process had before it
became another program: below the 11 MB of this one nothing is seen."""


def watch(command, **environment):
    """Run a command. Return the seconds, and the peak memory of its largest process in bytes.

    Python may keep its bytecode, as in an installed package: a short run of convcli takes 0.28 s in place of 0.56 s.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | environment
    watched = [sys.executable, "-S", "-c", WATCH, *map(str, command)]
    start = time.perf_counter()
    result = subprocess.run(watched, capture_output=True, env=environment, check=False)
    if result.returncode:
        sys.exit(f"{command} failed:\n{result.stderr.decode()}")
    seconds, memory = json.loads(result.stdout)
    assert seconds <= time.perf_counter() - start
    return seconds, memory


def alternate(calls, rounds):
    """Call functions in turn, each ``rounds`` times. Return the lists of their results, by name."""
    results = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            results[name].append(call())
    return results


def summary(runs):
    """The least and the median seconds, and the most memory, of runs of a command."""
    seconds, memory = zip(*runs, strict=True)
    return {"least": min(seconds), "median": statistics.median(seconds), "memory": max(memory)}


def ratio_summary(cells):
    """The number of cells with a ratio, its geometric mean, and how many are slower."""
    ratios = [cell["ratio"] for cell in cells if cell["ratio"]]
    mean, slower = statistics.geometric_mean(ratios or [np.nan]), sum(ratio < 1 for ratio in ratios)
    return f"{len(ratios)} cells, geometric mean {mean:.2f}, {slower} of them slower than the fastest peer"


def crops(count, width, height):
    """Yield different crops of the sample pictures, scaled to a little more than that size."""
    scaled = []
    for name in ("astronaut.png", "chelsea.png"):
        with PIL.Image.open(SAMPLES / name) as picture:
            scaled.append(picture.convert("RGB").resize((width + 64, height + 64)))
    for i in range(count):
        left, above = i % 64, i // 64 % 64
        yield scaled[i % 2].crop((left, above, left + width, above + height))


def save_picture(picture, path):
    """Write a JPEG of quality 92 without chroma subsampling, a PNG, or a TIFF of 16 bits without compression."""
    if path.suffix == ".tif":
        noise = np.random.default_rng(0).integers(0, 256, (picture.height, picture.width, 3), dtype=np.uint16)
        tifffile.imwrite(path, np.asarray(picture, np.uint16) * 256 + noise, photometric="rgb")
    else:
        picture.save(path, **({"quality": 92, "subsampling": 0} if path.suffix == ".jpg" else {}))


def levels(path):
    """Read the samples of a picture as floats from 0 to 255."""
    if path.suffix == ".tif":
        pixels = tifffile.imread(path)
        assert pixels.dtype == np.uint16, f"{path} has {pixels.dtype}"
        return pixels / 257
    with PIL.Image.open(path) as picture:
        return np.asarray(picture).astype(float)


def require_same(name, result, expected):
    """Exit if pictures differ by more than a level on average."""
    difference = np.abs(result - expected).mean() if result.shape == expected.shape else np.inf
    if difference > 1:
        sys.exit(f"{name}: the results differ by {difference:.2f} levels")


def print_machine():
    """Print the description of the machine."""
    sys.stdout.write("\n".join(lines_of(describe())) + "\n\n")


def save_rows(path, rows, **facts):
    """Write what was measured as JSON, with the machine, the date, and facts about all rows. Without a path, do nothing."""
    if path:
        today = datetime.datetime.now().astimezone().date().isoformat()
        document = {"machine": describe(), "date": today, **facts, "rows": rows}
        Path(path).write_text(json.dumps(document, indent=1))
