"""The offset that is subtracted from every sample before summing, so that rounding is relative to the extent of an image.

A response is sum(w * x) = sum(w * (x - offset)) + offset * sum(w). The second term is one number for the whole map, known in
float64. The rounding error of the first is a fraction of ``sum |w| * max |x - offset|``, which is at most sum |w| times the
extent of the image, max - min, at any level. An image of 1e6 +- 1 is summed as exactly as one of +- 1.
"""

import math
from functools import cached_property

import numpy as np
from msgspec import Struct

from .jit.run import run_loop
from .loops.offset import MAX_DISTANCE, probe
from .simd.reference import Array

BOUND = 1e-5
"""Largest error of a response, against float64, as a fraction of the sum of the absolute weights times the extent of the image.

The extent is max - min of its samples and of the constant of the border, or 0 where the border fades.
"""

EXTRA_ROUNDINGS = 3
"""Roundings of a sample minus the offset, of a weight, and of compensated sums."""


class Offset(Struct, frozen=True, dict=True):
    """The offset of planes (P, H, samples): a number near their mean, from a few of them. See ``loops.offset``."""

    planes: Array

    @cached_property
    def _found(self) -> tuple[float, float, float]:
        result = np.empty(3)
        run_loop(probe, self.planes, result)
        needed, mean, deviation = result.tolist()
        return needed, mean, deviation

    @property
    def needed(self) -> bool:
        """Whether the samples lie so far from 0, relative to their extent, that sums without an offset could exceed BOUND.

        >>> Offset(np.array([[[7, 7]]], np.uint8)).needed, Offset(np.array([[[0.0, 2.0, 4.0]]])).needed
        (True, False)
        """
        return bool(self._found[0])

    @property
    def mean(self) -> float:
        """The offset.

        >>> Offset(np.array([[[7, 8, 8]]], np.uint8)).mean, Offset(np.array([[[0.5, 2.0, 4.0]]])).mean
        (8.0, 2.0)
        """
        return self._found[1]

    @property
    def deviation(self) -> float:
        """Mean distance of the samples from the offset."""
        return self._found[2]


def error_of(roundings: float, real: np.dtype) -> float:
    """Return the error of successive roundings, each by half the eps of ``real``, as a fraction as in BOUND.

    >>> bool(error_of(64, np.dtype(np.float32)) < BOUND)
    True
    """
    return (roundings + EXTRA_ROUNDINGS) * float(np.finfo(real).eps) / 2 * MAX_DISTANCE


def totals_of(weights: Array, real: np.dtype) -> Array:
    """Return the sum of the weights (maps, ...) of each map, float64: the factor of the offset at the end.

    For float64 responses it is rounded once (``fsum``): a sum near 0 is much smaller than its terms, and the offset is large.
    """
    if real == np.float64 and np.isfinite(np.abs(weights).sum()):
        return np.array([math.fsum(kernel.flat) for kernel in weights])
    totals: Array = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.float64)
    return totals


def without_offset(planes: Array, offset: float, real: np.dtype) -> Array:
    """Return the samples minus the offset in the dtype ``real``, in C order: the planes themselves where they are that."""
    if offset == 0:
        return np.ascontiguousarray(planes, real)
    shifted: Array = np.subtract(planes, real.type(offset), dtype=real, order="C")
    return shifted


def can_be_shifted(weights: Array, totals: Array) -> bool:
    """Whether the weights and their sums are finite, so that the offset times a sum can be added to every response."""
    return bool(np.isfinite(weights).all() and np.isfinite(totals.astype(weights.dtype)).all())
