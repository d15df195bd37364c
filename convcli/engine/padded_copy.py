"""A copy of an image with its border, for borders whose padding holds values that no pixel has."""

import numpy as np

from ..geometry.borders import BorderMode
from .dtypes import real_of
from .layout import Layout, gain_table, source_table
from .simd.reference import Array

ROWS_PER_CHUNK = 64
"""Rows that are gathered at a time, which bounds temporary memory."""


def padded_copy(planes: Array, layout: Layout, border: BorderMode, begin: int = 0, end: int | None = None) -> Array:
    """Return padded rows begin .. end of planes (..., H, samples): (..., end - begin, padded samples), float32 or float64.

    The result is real, so that the border is not rounded to integers.

    >>> from ..geometry.axes import make_axes
    >>> from ..geometry.borders import check_border
    >>> layout = Layout(*make_axes((1, 2), (1, 1), 1, ((0, 0), (2, 4)), 1), pixel=1, depth=1)
    >>> padded_copy(np.array([[4, 8]], np.uint8), layout, check_border("linear-ramp")).tolist()
    [[0.0, 2.0, 4.0, 8.0, 6.0, 4.0, 2.0, 0.0]]
    """
    left, right = layout.columns.before, layout.columns.before + layout.columns.size
    rows, columns = source_table(layout.rows, border)[begin:end], source_table(layout.columns, border)
    pixels = planes.reshape(*planes.shape[:-1], layout.columns.size, layout.pixel)
    out = np.empty((*planes.shape[:-2], rows.size, columns.size, layout.pixel), real_of(planes))
    inside = out[..., left:right, :]
    for first in range(0, rows.size, ROWS_PER_CHUNK):
        inside[..., first : first + ROWS_PER_CHUNK, :, :] = pixels[..., rows[first : first + ROWS_PER_CHUNK], :, :]
    for side in (slice(left), slice(right, None)):
        out[..., side, :] = inside[..., columns[side], :]
    fade(out.swapaxes(-3, -2), gain_table(layout.columns, border))
    fade(out, gain_table(layout.rows, border)[begin:end])
    return out.reshape(*out.shape[:-2], columns.size * layout.pixel)


def fade(lines: Array, gain: Array) -> None:
    """Multiply lines (..., n, pixels, samples) by gains (n,), in place."""
    faded = np.flatnonzero(gain != 1)
    with np.errstate(invalid="ignore"):  # an infinite pixel becomes NaN where it fades to 0, as in NumPy
        lines[..., faded, :, :] *= gain[faded, None, None]
