"""Folders of pictures, and runs of convcli in a process of their own."""

import subprocess
import sys

import numpy as np
import PIL.Image

CONVCLI = (sys.executable, "-m", "convcli")


def make_pictures(folder, count, rng, side=48, suffix=".png"):
    """Write small pictures of noise, each different."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:03}{suffix}" for i in range(count)]
    for path in paths:
        PIL.Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    return paths


def contents(folder):
    """The bytes of each file in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def convcli(*arguments, **options):
    """Run convcli in a new process and wait for it; standard error is text."""
    command = [*CONVCLI, *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 120, "check": False, **options})
