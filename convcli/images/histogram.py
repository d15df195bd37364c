"""Histograms that are counted part by part, without knowing the range of the whole.

Bins are powers of two wide, and begin at multiples of their width. Where a further part needs too many bins, neighbours are
merged until they fit, so that each count is exact.

    width 1:  -1..0  0..1  1..2  2..3
    width 2:  -2 .. 0   0 .. 2   2 .. 4
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from .image import Array

BINS = 64
"""Bins of a histogram, at most."""

CHUNK = 1 << 18
"""Samples that are counted at a time."""

LEAST_EXPONENT = -1000
"""The least width of a bin is two to this power, so that quotients by it are finite."""


class Histogram(Struct, frozen=True, eq=False):
    """Counts of finite samples: ``counts[i]`` are those from (first + i) * width up to, not including, the next bin.

    ``width`` is a power of two; 0 where all samples have one ``value``, whose number is the only count. Without any finite
    sample, there are no counts.
    """

    width: float
    first: int
    counts: tuple[int, ...]
    value: float = 0.0

    @property
    def edges(self) -> tuple[float, ...]:
        """The ends of the bins, one more than there are bins."""
        return tuple((self.first + index) * self.width for index in range(len(self.counts) + 1))

    @property
    def count(self) -> int:
        """The number of samples."""
        return sum(self.counts)


EMPTY = Histogram(0.0, 0, ())


def histogram_of(samples: Array) -> Histogram:
    """Return the histogram of the finite samples of a float array of any shape."""
    flat = samples.reshape(-1)
    return combine_histograms([_of_chunk(flat[begin : begin + CHUNK]) for begin in range(0, flat.size, CHUNK)])


def _of_chunk(values: Array) -> Histogram:
    low, high = (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)
    if not (math.isfinite(low) and math.isfinite(high)):
        values = values[np.isfinite(values)]
        if not values.size:
            return EMPTY
        low, high = float(values.min()), float(values.max())
    if low == high:
        return Histogram(0.0, 0, (values.size,), low)
    width = _width_for(low, high)
    first = math.floor(low / width)
    places = np.floor(values.astype(np.float64) / width)
    counts = np.bincount((places - first).astype(np.intp))
    return Histogram(width, first, tuple(counts.tolist()))


def _width_for(low: float, high: float) -> float:
    """Return the least power of two with which the samples from low to high need at most BINS bins."""
    exponent = max(math.frexp(high / BINS - low / BINS)[1] - 1, LEAST_EXPONENT)
    while math.floor(high / 2.0**exponent) - math.floor(low / 2.0**exponent) >= BINS:
        exponent += 1
    return 2.0**exponent


def combine_histograms(parts: Sequence[Histogram]) -> Histogram:
    """Return the histogram of a whole from those of its parts."""
    parts = [part for part in parts if part.counts]
    if not parts:
        return EMPTY
    lows = [part.first * part.width if part.width else part.value for part in parts]
    highs = [(part.first + len(part.counts) - 1) * part.width if part.width else part.value for part in parts]
    low, high = min(lows), max(highs)
    if not any(part.width for part in parts) and low == high:
        return Histogram(0.0, 0, (sum(part.count for part in parts),), low)
    width = max(_width_for(low, high), *(part.width for part in parts))
    first = math.floor(low / width)
    counts = [0] * (math.floor(high / width) - first + 1)
    for part in parts:
        shift = math.frexp(width)[1] - math.frexp(part.width)[1] if part.width else 0  # both are powers of two
        for index, count in enumerate(part.counts):
            place = (part.first + index) >> shift if part.width else math.floor(part.value / width)
            counts[place - first] += count
    return Histogram(width, first, tuple(counts))
