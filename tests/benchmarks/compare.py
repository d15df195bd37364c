"""Compares the speed of two commits of convcli, or of HEAD and the files as they are here.

    python tests/benchmarks/compare.py [COMMIT [COMMIT]] [--rounds 5] [--cells WORD] [--json FILE]

Each commit is checked out into a temporary folder, and has its own cache of compiled code. In each round, one process for each
of both calls filter2d and conv2d, then each runs command lines, alternately, after a first round that is not counted. Both
have the dependencies that are installed here. Prints the least times, and that of the first divided by that of the second:
above 1, the second is faster.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import ROOT
from measuring import crops, print_machine, save_picture, save_rows, watch

WORKER = Path(__file__).with_name("compare_worker.py")
COMMANDS = {
    "convcli --help": ["--help"],
    "apply, JPEG 512": ["apply", "{folder}/512.jpg", "-k", "unsharp", "-q", "--overwrite", "-o", "{folder}/out.jpg"],
    "apply, JPEG 2048": ["apply", "{folder}/2048.jpg", "-k", "gaussian:sigma=2", "-q", "--overwrite", "-o", "{folder}/out.jpg"],
    "apply, 30 JPEG 512": ["apply", "{folder}/many", "-k", "unsharp", "-q", "--overwrite", "--no-sync", "-o", "{folder}/maps/"],
    "run, edge-energy": ["run", "edge-energy", "{folder}/512.jpg", "-q", "--overwrite", "-o", "{folder}/out.npz"],
}
"""Command lines; {folder} has the pictures."""


@contextlib.contextmanager
def trees_of(commits, folder):
    """Check out the commits. Yield the folder of each; that of None is this one."""
    trees = [ROOT if commit is None else folder / f"tree-{number}" for number, commit in enumerate(commits)]
    added = [(commit, tree) for commit, tree in zip(commits, trees, strict=True) if commit is not None]
    try:
        for commit, tree in added:
            subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT, check=True)
        yield trees
    finally:
        for _, tree in added:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=False, capture_output=True)


def make_pictures(folder):
    """Write the pictures of the command lines."""
    (folder / "many").mkdir()
    for side in (512, 2048):
        (picture,) = crops(1, side, side)
        save_picture(picture, folder / f"{side}.jpg")
    for i, picture in enumerate(crops(30, 512, 512)):
        save_picture(picture, folder / "many" / f"{i}.jpg")


def time_calls(tree, cache, word):
    """Milliseconds of calls in a process that imports the package of this tree, by name."""
    environment = os.environ | {"PYTHONPATH": str(tree), "CONVCLI_CACHE_DIR": str(cache)}
    result = subprocess.run([sys.executable, WORKER, word], env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{tree} failed:\n{result.stderr}")
    document = json.loads(result.stdout)
    assert Path(document["package"]).is_relative_to(tree), document["package"]
    return document["times"]


def time_command(tree, cache, arguments, folder):
    """Milliseconds of a command line with the package of this tree."""
    arguments = [argument.format(folder=folder) for argument in arguments]
    command = [sys.executable, "-m", "convcli", *arguments]
    return 1000 * watch(command, PYTHONPATH=str(tree), CONVCLI_CACHE_DIR=str(cache))[0]


def measure(trees, folder, rounds, word):
    """The least milliseconds of each cell for each tree, by name."""
    times, caches = {}, [folder / f"cache-{number}" for number in range(2)]
    pairs = list(zip(trees, caches, strict=True))
    commands = {name: arguments for name, arguments in COMMANDS.items() if word in name}
    for round_number in range(rounds + 1):
        measured = [time_calls(*pair, word) for pair in pairs]
        for name, arguments in commands.items():
            for pair, calls in zip(pairs, measured, strict=True):
                calls[name] = time_command(*pair, arguments, folder)
        for number, calls in enumerate(measured):
            for name, milliseconds in calls.items():
                if round_number:  # the first compiles
                    least = times.setdefault(name, [float("inf"), float("inf")])
                    least[number] = min(least[number], milliseconds)
    return times


def main():
    """Print a line for each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="HEAD; the second: the files as they are here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", default="", metavar="WORD", help="only those whose names contain it")
    parser.add_argument("--json", help="where the figures go")
    options = parser.parse_args()
    if len(options.commits) > 2:
        parser.error("two commits can be compared")
    commits = [*(options.commits or ["HEAD"]), None][:2]
    first, second = (commit or "files here" for commit in commits)
    print_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder)
        with trees_of(commits, folder) as trees:
            times = measure(trees, folder, options.rounds, options.cells)
    sys.stdout.write(f"{'least milliseconds':<48} {first[:12]:>12} {second[:12]:>12} {'first / second':>15}\n")
    for cell, (before, after) in times.items():
        sys.stdout.write(f"{cell:<48} {before:12.3f} {after:12.3f} {before / after:15.2f}\n")
    rows = [{"cell": cell, "first": before, "second": after} for cell, (before, after) in times.items()]
    save_rows(options.json, rows, first=first, second=second)


if __name__ == "__main__":
    main()
