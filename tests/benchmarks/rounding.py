"""Measures the error of filter2d against sums in float64: random pictures and kernels from 3 x 3 to 63 x 63, every method.

    python tests/benchmarks/rounding.py [--cases 3000] [--seed 0] [--integers]

An error is relative to the sum of the absolute weights times the range of the picture; a unit in the last place of the response
is not counted. The limit is 0.00001. Prints for each method, and for the method that the planner chooses, the number of cases,
the largest error, and its case. Pictures, kernels and the sums in float64 (SciPy's) are those of ``tests/support/rounding.py``.
"""

import argparse
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import convcli
from convcli.ops.filter import explain_filter2d

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import rounding

METHODS = ("direct", "separable", "box", "fft")


@dataclass
class Worst:
    """The largest error of a method so far."""

    count: int = 0
    error: float = 0.0
    case: str = ""

    def add(self, error, case):
        """Record an error."""
        self.count += 1
        if error > self.error:
            self.error, self.case = error, case


def main():
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--integers", action="store_true", help="pictures of integers only")
    arguments = parser.parse_args()
    worst = {}
    for number in range(arguments.cases):
        rng = np.random.default_rng((arguments.seed, number))
        picture, kernel, border, case = random_case(rng, arguments.integers)
        for method in (None, *METHODS):
            with contextlib.suppress(convcli.ArgumentError):
                response = convcli.filter2d(picture, kernel, border=border, method=method)
                chosen = method or f"chosen: {explain_filter2d(picture, kernel, border=border)[1].method}"
                error = rounding.error_of(response, picture, kernel, border)
                worst.setdefault(chosen, Worst()).add(error, f"case {number}: {case}")
    sys.stdout.write(f"{'method':20}{'cases':>6}  largest error\n")
    for method, entry in sorted(worst.items()):
        sys.stdout.write(f"{method:20}{entry.count:6}  {entry.error:.2g}  {entry.case}\n")
    return int(max(entry.error for entry in worst.values()) > 1e-5)


def random_case(rng, integers):
    """A picture, a kernel, a border, and a description of them."""
    picture, kernel, scale = (str(rng.choice(list(names))) for names in (rounding.PICTURES, rounding.KERNELS, rounding.SCALES))
    size, shape = int(rng.integers(3, 64)), tuple(rng.integers(20, 200, 2))
    border = ["edge", "wrap", 0, 5][rng.integers(4)]
    pixels = rounding.PICTURES[picture](rng, shape)
    if integers and pixels.dtype.kind == "f":
        return random_case(rng, integers)
    weights = rounding.SCALES[scale](rounding.KERNELS[kernel](rng, size))
    return pixels, weights, border, f"{picture}, {kernel} {size} x {size}, {scale}, border {border}"


if __name__ == "__main__":
    sys.exit(main())
