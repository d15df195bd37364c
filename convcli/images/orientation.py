"""The orientation of EXIF and TIFF."""

from collections.abc import Callable

import numpy as np

from .image import Array

TURNS: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""Functions that make pixels (row, column, ...) of each orientation upright."""


def upright(pixels: Array, orientation: int) -> Array:
    """Return pixels (row, column, ...) of an orientation as they are shown. Unknown orientations are upright."""
    turn = TURNS.get(orientation)
    return np.ascontiguousarray(turn(pixels)) if turn else pixels
