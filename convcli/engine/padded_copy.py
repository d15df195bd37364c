"""Copies of an image with its padding: of all of it, of some rows, or of the window under a kernel.

The compiled loops read padding through index tables, without a copy. Copies are for borders whose padding holds values that no
pixel has, for samples that are computed row by row, and for ``convcli at``. The gains of a border are applied here alone, in
``pad`` and ``padded_window``.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..geometry.axes import Axis
from ..geometry.borders import CONSTANT, BorderMode
from .dtypes import real_of
from .layout import Layout, gain_table, source_table
from .simd.reference import Array

ReadLines: TypeAlias = Callable[[Array, Array], None]
"""``read(sources, out)`` writes lines of an image to out; a source of -1, the constant of the border, may be any line."""

LINES_PER_CHUNK = 64
"""Lines that are read at a time, which bounds temporary memory."""


def padded_copy(planes: Array, layout: Layout, border: BorderMode, begin: int = 0, end: int | None = None) -> Array:
    """Return padded rows begin .. end of planes (..., H, samples): (..., end - begin, padded samples), float32 or float64.

    The result is real, so that the border is not rounded to integers.

    >>> from ..geometry.axes import make_axes
    >>> from ..geometry.borders import check_border
    >>> layout = Layout(*make_axes((1, 2), (1, 1), 1, ((0, 0), (2, 4)), 1), pixel=1, depth=1)
    >>> padded_copy(np.array([[4, 8]], np.uint8), layout, check_border("linear-ramp")).tolist()
    [[0.0, 2.0, 4.0, 8.0, 6.0, 4.0, 2.0, 0.0]]
    """
    rows, columns = layout.rows, layout.columns
    count = len(range(rows.padded)[begin:end])
    pixels = planes.reshape(*planes.shape[:-1], columns.size, layout.pixel)
    out = np.empty((*planes.shape[:-2], count, columns.padded, layout.pixel), real_of(planes.dtype))
    inside = out[..., columns.before : columns.before + columns.size, :]
    pad(lines_of(pixels), rows, border, slice(begin, end), inside)
    turned, turned_inside = out.swapaxes(-3, -2), inside.swapaxes(-3, -2)
    for side in (slice(columns.before), slice(columns.before + columns.size, None)):
        pad(lines_of(turned_inside), columns, border, side, turned[..., side, :, :])
    return out.reshape(*out.shape[:-2], columns.padded * layout.pixel)


def padded_window(read: Callable[[Any], Array], rows: Axis, columns: Axis, border: BorderMode, at: tuple[int, int]) -> Array:
    """Return what lies under each tap of a kernel at output ``at`` (row, column): (kh, kw, C) float64.

    ``read(index)`` returns the pixels of an image at an index of rows and columns (``numpy.ix_``).

    >>> from ..geometry.axes import make_axes
    >>> from ..geometry.borders import check_border
    >>> axes = make_axes((1, 2), (1, 3), 1, "same", 1)
    >>> padded_window(np.array([[[4], [8]]]).__getitem__, *axes, check_border("edge"), (0, 1)).ravel().tolist()
    [4.0, 8.0, 8.0]
    """
    sources, gains = [], []
    for output, axis in zip(at, (rows, columns), strict=True):
        part = slice(output * axis.stride, output * axis.stride + axis.extent, axis.dilation)
        sources.append(source_table(axis, border)[part])
        gains.append(gain_table(axis, border)[part])
    window = read(np.ix_(*sources)).astype(np.float64)
    window[np.logical_or.outer(*(source == CONSTANT for source in sources))] = border.constant
    if border.needs_copy:
        with np.errstate(invalid="ignore"):
            window *= np.outer(*gains)[:, :, None]
    return window


def pad(read: ReadLines, axis: Axis, border: BorderMode, part: slice, out: Array) -> None:
    """Write padded lines ``part`` along an axis to ``out`` (..., n, pixels, samples)."""
    source, gain = source_table(axis, border)[part], gain_table(axis, border)[part]
    for first in range(0, source.size, LINES_PER_CHUNK):
        read(source[first : first + LINES_PER_CHUNK], out[..., first : first + LINES_PER_CHUNK, :, :])
    out[..., source == CONSTANT, :, :] = border.constant
    faded = np.flatnonzero(gain != 1)
    with np.errstate(invalid="ignore"):  # an infinite pixel becomes NaN where it fades to 0, as in NumPy
        out[..., faded, :, :] *= gain[faded, None, None]


def lines_of(pixels: Array) -> ReadLines:
    """Return a function that copies lines of pixels (..., n, pixels, samples)."""

    def read(sources: Array, out: Array) -> None:
        out[:] = pixels[..., sources, :, :]

    return read
