"""Tells how far filter2d is from sums in float64: random pictures under random kernels from 3 x 3 to 63 x 63, every method.

    python tests/benchmarks/rounding.py [--cases 3000] [--seed 0] [--integers]

An error is a part of the sum of the absolute weights times the extent of the picture, beside a unit in the last place of the
response; none may be above 0.00001. Prints, for each method and for the one that is chosen, how many cases it took, its largest
error, and where that was. Pictures, kernels and the sums in float64 (SciPy's) are those of ``tests/support/rounding.py``.
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
        """Another error."""
        self.count += 1
        if error > self.error:
            self.error, self.case = error, case


def main():
    """All cases, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--integers", action="store_true", help="pictures of integers only")
    asked = parser.parse_args()
    worst = {}
    for number in range(asked.cases):
        rng = np.random.default_rng((asked.seed, number))
        picture, kernel, border, case = random_case(rng, asked.integers)
        for method in (None, *METHODS):
            with contextlib.suppress(convcli.ArgumentError):
                response = convcli.filter2d(picture, kernel, border=border, method=method)
                chosen = method or f"chosen: {explain_filter2d(picture, kernel, border=border)[1].method}"
                error = rounding.error_of(response, picture, kernel, border)
                worst.setdefault(chosen, Worst()).add(error, f"case {number}: {case}")
    sys.stdout.write(f"{'method':20}{'cases':>6}  largest error\n")
    for method, one in sorted(worst.items()):
        sys.stdout.write(f"{method:20}{one.count:6}  {one.error:.2g}  {one.case}\n")
    return int(max(one.error for one in worst.values()) > 1e-5)


def random_case(rng, integers):
    """A picture, a kernel, a border, and words for them."""
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
