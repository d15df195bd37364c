"""Tiles: arrays in the size in which they are drawn."""

import math
from typing import Any

import numpy as np
from msgspec import Struct

from ..images.image import Array
from .scale import Scale

LEAST_SIDE = 8
"""Pixels of the shorter side of a tile, at least: a vector is a strip, not a line."""

CHUNK = 1 << 17
"""Samples that are summed at a time: NumPy copies them to float64 first."""

MAX_NUMBERED = 16
"""Rows and columns up to which a tile can have its numbers written on it."""


class Drawn(Struct, frozen=True):
    """The size in which an array is drawn: (rows, columns) of samples, and the pixels (high, wide) of each of them."""

    samples: tuple[int, int]
    factors: tuple[int, int] = (1, 1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.samples[0] * self.factors[0], self.samples[1] * self.factors[1]


def drawn_size(shape: tuple[int, ...], side: int, factor: int | None = None) -> Drawn:
    """Return the size in which an array (H, W, ...) is drawn in a square of ``side`` pixels.

    A larger one is reduced, a smaller one enlarged by a whole factor, or by ``factor`` in any case.
    """
    height, width = shape[:2]
    longest = max(height, width)
    if factor is None and longest > side:
        samples = max(1, round(height * side / longest)), max(1, round(width * side / longest))
        factors = 1, 1
    else:
        samples, factors = (height, width), (factor or side // longest,) * 2
    high, wide = (max(least, math.ceil(min(LEAST_SIDE, side) / count)) for least, count in zip(factors, samples, strict=True))
    return Drawn(samples, (high, wide))


class Tile(Struct, frozen=True, eq=False):
    """An array as it is drawn, and what it is: "input", "picture", "kernel" or "map".

    ``samples`` (h, w, C) are what is painted, C = 1 or 3; uint8 are colours already. ``shape`` (H, W, C) and the finite
    extremes, NaN where there are none, are those of the whole array. ``numbers`` (h, w) are written on it. ``signed`` is
    whether 0 is in the middle of its scale, ``are_levels`` whether values are levels of a picture; ``scale`` is given where it
    is not that of the values. ``further`` says more for the caption. ``index`` is that of a map, or of a kernel,
    whose channels may be tiles of their own. ``shares_scale`` is whether a kernel has the scale of the others, as maps have.
    ``channel`` is the number of the channel that the tile shows of several. ``file`` is the one whose maps share a scale, where
    a group shows several.
    """

    name: str
    kind: str
    samples: Array
    shape: tuple[int, ...]
    minimum: float
    maximum: float
    signed: bool = False
    are_levels: bool = False
    scale: Scale | None = None
    numbers: Array | None = None
    further: str = ""
    index: int | None = None
    shares_scale: bool = False
    channel: int | None = None
    file: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether its samples are colours."""
        return bool(self.samples.dtype == np.uint8)

    @property
    def is_rgb(self) -> bool:
        """Whether its samples are red, green and blue."""
        return bool(self.samples.shape[2] == 3)


def can_be_numbered(shape: tuple[int, ...]) -> bool:
    """Return whether an array has at most MAX_NUMBERED rows and columns, and one channel."""
    return max(shape[:2]) <= MAX_NUMBERED and (len(shape) == 2 or shape[2] == 1)


def of_channels(count: int) -> str:
    """Return what is drawn of an array of so many channels, where that is their mean; else an empty text."""
    return "" if count in (1, 3) else f"mean of {count} channels"


def tile_of(name: str, kind: str, array: Array, drawn: Drawn, extremes: tuple[float, float] | None, **facts: Any) -> Tile:
    """Return the tile of an array (H, W, C) whose finite extremes are known. ``facts`` are further fields."""
    low, high = extremes or (math.nan, math.nan)
    further = facts.pop("further", "") or of_channels(array.shape[2])
    samples = array.mean(axis=2, keepdims=True, dtype=np.float64) if of_channels(array.shape[2]) else array
    numbers = array[:, :, 0] if can_be_numbered(array.shape) else None
    facts = {"signed": low < 0, "numbers": numbers, **facts}
    return Tile(name, kind, reduced(samples, drawn.samples), array.shape, low, high, further=further, **facts)


def reduced(array: Array, size: tuple[int, int]) -> Array:
    """Return the means (h, w, C) of consecutive rows and columns of an array (H, W, C), in its float dtype; uint8 rounded.

    Each mean is that of whole samples: row i that of the rows from floor(i H / h) on. A NaN spreads to its mean.
    """
    if array.shape[:2] == size:
        return array
    rows, heights = windows(array.shape[0], size[0])
    ends, step = rows + heights, max(CHUNK * size[0] // max(array.size, 1), 1)
    with np.errstate(invalid="ignore", over="ignore"):
        parts = []
        for begin in range(0, size[0], step):
            part = slice(begin, min(begin + step, size[0]))
            lines = array[rows[begin] : ends[part.stop - 1]]
            means = window_sums(lines, rows[part] - rows[begin]) / heights[part, None, None]
            parts.append(window_means(means, size[1]))
        means = np.concatenate(parts)
        return np.rint(means).astype(array.dtype) if array.dtype.kind == "u" else means.astype(array.dtype)


def windows(length: int, count: int) -> tuple[Array, Array]:
    """Return where windows over an axis begin, and their lengths."""
    firsts = np.arange(count) * length // count
    return firsts, np.diff(firsts, append=length)


def window_sums(rows: Array, firsts: Array) -> Array:
    """Return the sums (h, W, C) of consecutive rows of an array (H, W, C), float64; ``firsts`` (h) is where each begins.

    It adds whole rows, first to last: a third of the time of ``numpy.add.reduceat``, which casts in small pieces.
    """
    lengths = np.diff(firsts, append=len(rows))
    sums: Array = rows[firsts].astype(np.float64)
    for offset in range(1, lengths.max()):
        longer = lengths > offset
        if longer.all():
            sums += rows[firsts + offset]
        else:
            sums[longer] += rows[firsts[longer] + offset]
    return sums


def window_means(rows: Array, count: int) -> Array:
    """Return the means (h, count, C) of consecutive columns of rows (h, W, C) of float64."""
    columns, widths = windows(rows.shape[1], count)
    means: Array = np.add.reduceat(rows, columns, axis=1) / widths[:, None]
    return means


def enlarged(pixels: Array, factors: tuple[int, int]) -> Array:
    """Return pixels (H, W, 3), each repeated (high, wide) times."""
    return np.repeat(np.repeat(pixels, factors[0], axis=0), factors[1], axis=1)
