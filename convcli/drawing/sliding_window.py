"""What a slide shows: a window that slides over an input, and the map that grows, as values."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from msgspec import Struct

from ..images.image import Array
from ..kernels.fractions import common_denominator
from .scale import Scale

PIXEL, PADDING, BETWEEN = 0, 1, 2
"""What a cell of an input is: a pixel; padding; or a zero between pixels, which a transposed convolution spreads out."""


Cell: TypeAlias = tuple[int, int]


class Step(Struct, frozen=True, eq=False):
    """One position of the window: the values under it and their products, (C, kh, kw) float64, and how its value is computed.

    ``products`` are None where nothing is multiplied. ``lines`` lead to the value of the map; their number is always the same.
    ``winner`` is the row and column in the window of the value that is taken.
    """

    window: Array
    products: Array | None
    lines: tuple[str, ...]
    winner: Cell | None = None


Explain = Callable[[Array], Step]
"""Returns what is computed from the values under a window."""


class SlidingWindow(Struct, frozen=True, eq=False):
    """A window over the channels of an input, at each position of a map.

    Parameters
    ----------
    title, facts
        What is computed, and with which options.
    planes
        (C, H, W) float64: the channels with their padding, spread out where the convolution is transposed.
    sources
        (H, W) uint8: PIXEL, PADDING or BETWEEN.
    names
        A name for each channel; empty texts where there is one.
    headings
        Those of the input and of the map.
    weights, written
        (C, kh, kw) float64, as the kernel slides, and as it is written where that is rotated. None for pooling.
    map
        (H', W') float: the results.
    input_scale
        From black to white, where it is known.
    keeps_levels
        Whether the map has the scale of the input.
    first, stride, dilation, size
        (rows, columns): the cell of the input under the first tap at the first position, the steps of the window, the distance
        of its taps, and their number.
    explain
        Returns what is computed from the values under the window.
    """

    title: str
    facts: str
    planes: Array
    sources: Array
    names: tuple[str, ...]
    headings: tuple[str, str]
    weights: Array | None
    written: Array | None
    map: Array
    input_scale: Scale | None
    keeps_levels: bool
    first: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    size: tuple[int, int]
    explain: Explain

    @property
    def positions(self) -> int:
        """Number of positions of the window."""
        return int(self.map.size)

    @property
    def denominator(self) -> int:
        """The number by which the weights are multiplied to be drawn, so that they are integers; 1 where there is none."""
        return 1 if self.weights is None else common_denominator(self.weights.ravel().tolist())

    def position(self, index: int) -> tuple[int, int]:
        """Return row and column of the map at a position, which are counted row by row."""
        return divmod(index, int(self.map.shape[1]))

    def taps(self, index: int) -> tuple[list[int], list[int]]:
        """Return the rows and the columns of the input under the taps at a position."""
        rows, columns = (
            [first + place * stride + tap * dilation for tap in range(size)]
            for first, place, stride, dilation, size in zip(
                self.first, self.position(index), self.stride, self.dilation, self.size, strict=True
            )
        )
        return rows, columns

    def step(self, index: int) -> Step:
        """Return what happens at a position."""
        rows, columns = np.ix_(*self.taps(index))
        return self.explain(self.planes[:, rows, columns])
