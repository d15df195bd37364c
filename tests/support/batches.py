"""Pictures by the dozen, and whole processes that work on them."""

import subprocess
import sys

import numpy as np
import PIL.Image

CONVCLI = (sys.executable, "-m", "convcli")


def make_pictures(folder, count, rng, side=48, suffix=".png"):
    """Small pictures of noise, each different."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:03}{suffix}" for i in range(count)]
    for path in paths:
        PIL.Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)
    return paths


def contents(folder):
    """What a folder holds, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def convcli(*words, **options):
    """Run to the end; standard error as text."""
    command = [*CONVCLI, *map(str, words)]
    return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 120, "check": False, **options})
