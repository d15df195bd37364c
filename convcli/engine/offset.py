"""What is subtracted from every sample before it is summed, so that rounding is relative to the extent of a picture.

A kernel of sum s slid over samples x gives the sum of w * (x - offset), plus offset * s: the second term is one number for the
whole map, known in float64. Rounding of the first is at most a part of ``sum |w| * max |x - offset|``, and that is at most the
extent of the picture, max - min, whatever level it lies at. A picture of 1e6 +- 1 is then summed as exactly as one of +- 1.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .simd.reference import Array

BOUND = 1e-5
"""Error of a response at most, against float64, as a part of the sum of the absolute weights times the extent of the picture:
max - min of its samples, and of the number that stands beyond its border, or 0 where that fades.
"""

FARTHEST = 1.2
"""Extents of the picture that its samples may lie away from 0 where no offset is taken from them."""

BESIDES = 3
"""Roundings of a sample less the offset, of a weight, and of sums that are added with compensation."""

LARGEST = float(np.finfo(np.float32).max) * 2.0**-26
"""An offset at most: the largest numbers less a larger one would be infinite."""

FEW = 256
"""Samples that are looked at, which are far apart: each is a wait for memory."""


@dataclass(frozen=True)
class Offset:
    """What is subtracted from the samples of planes (P, H, numbers): a number near their mean, from a few of them.

    It lies between the least and the largest sample, which is all that the bound asks. That of integers is a whole number,
    and that of floats is one of them: sums of whole numbers stay whole.
    """

    planes: Array

    @cached_property
    def few(self) -> Array:
        """Samples on a grid, the same for any rows that are asked for. NaN and infinities do not count."""
        side = math.isqrt(max(FEW // max(len(self.planes), 1), 1))
        steps = [max(-(-size // side), 1) for size in self.planes.shape[1:]]
        few = self.planes[:, :: steps[0], :: steps[1]].reshape(-1)
        return few if few.dtype.kind == "u" else few[np.isfinite(few)]

    @cached_property
    def needed(self) -> bool:
        """Whether the samples are so far from 0, beside their extent, that sums of them without it could miss the bound.

        >>> Offset(np.array([[[7, 7]]], np.uint8)).needed, Offset(np.array([[[0.0, 2.0, 4.0]]])).needed
        (True, False)
        """
        if self.few.size == 0:
            return False
        least, most = float(self.few.min()), float(self.few.max())
        return max(least, -most) > (FARTHEST - 1) * (most - least) and self.mean != 0

    @cached_property
    def mean(self) -> float:
        """The offset.

        >>> Offset(np.array([[[7, 8, 8]]], np.uint8)).mean, Offset(np.array([[[0.5, 2.0, 4.0]]])).mean
        (8.0, 2.0)
        """
        if self.few.size == 0:
            return 0.0
        middle = float((self.few / self.few.size).sum(dtype=np.float64))
        mean = round(middle) if self.few.dtype.kind == "u" else float(self.few[np.abs(self.few - middle).argmin()])
        return 0.0 if abs(mean) > LARGEST else float(mean)

    @cached_property
    def deviation(self) -> float:
        """The mean distance of the samples from it."""
        return float(np.abs(self.few - self.mean).mean(dtype=np.float64)) if self.few.size else 0.0


def error_of(roundings: float, real: np.dtype) -> float:
    """What so many roundings one after the other give, each by half of ``real``'s eps, as a part of what BOUND is a part of.

    >>> bool(error_of(64, np.dtype(np.float32)) < BOUND)
    True
    """
    return (roundings + BESIDES) * float(np.finfo(real).eps) / 2 * FARTHEST


def totals_of(weights: Array, real: np.dtype) -> Array:
    """What the weights (maps, ...) of each map sum to, float64: what the offset is multiplied by at the end.

    Rounded once where the response is float64: the terms of a sum near 0 are much larger than itself, and so is the offset.
    """
    if real == np.float64 and np.isfinite(np.abs(weights).sum()):
        return np.array([math.fsum(one.flat) for one in weights])
    totals: Array = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.float64)
    return totals


def can_be_shifted(weights: Array, totals: Array) -> bool:
    """Whether weights, and what those of each map sum to, are finite: the offset times that is added to every sum."""
    return bool(np.isfinite(weights).all() and np.isfinite(totals.astype(weights.dtype)).all())
