"""Grids of cells with numbers, as textbooks draw arrays: painted, hatched, outlined."""

import numpy as np
from msgspec import Struct

from ..images.image import Array
from .captions import NumberFit, number
from .layout import Box
from .text import height_of, ink_on, width_of, write

LINE = (168, 168, 168)
OUTLINE = (224, 72, 0)
"""Colour of what the window is on: far from grey, and from both ends of the diverging colour map."""

BLACK, WHITE = (0, 0, 0), (255, 255, 255)

HATCH = 6
"""Pixels from one line of a hatching to the next."""

HATCH_SHARE = 0.7
"""Share of the colour of the cell in its lines. The rest is black on light cells, white on dark ones."""


class NumberGrid(Struct, frozen=True, eq=False):
    """An array as cells: colours (h, w, 3) uint8, and the numbers (h, w) that are written on them where ``fit`` is not None.

    ``hatched`` (h, w) bool are cells that hold no pixel.
    """

    colours: Array
    numbers: Array
    fit: NumberFit | None
    hatched: Array | None = None


def size_in_pixels(shape: tuple[int, int], cell: int) -> tuple[int, int]:
    """Return height and width of a grid of square cells, with the lines around them."""
    return shape[0] * cell + 1, shape[1] * cell + 1


def cell_box(grid: Box, cell: int, row: int, column: int, rows: int = 1, columns: int = 1) -> Box:
    """Return the box of some cells of a grid, with the lines around them."""
    return Box(grid.x + column * cell, grid.y + row * cell, columns * cell + 1, rows * cell + 1)


def draw_grid(canvas: Array, box: Box, cell: int, grid: NumberGrid) -> None:
    """Draw a grid of square cells with its upper left corner in that of a box."""
    height, width = grid.colours.shape[:2]
    part = canvas[box.y : box.y + height * cell + 1, box.x : box.x + width * cell + 1]
    part[:] = LINE
    painted = np.repeat(np.repeat(grid.colours, cell, axis=0), cell, axis=1)
    hatched = np.zeros((height, width), bool) if grid.hatched is None else grid.hatched
    inside = np.repeat(np.repeat(hatched, cell, axis=0), cell, axis=1)
    rows, columns = np.ogrid[: height * cell, : width * cell]
    inside &= (rows + columns) % HATCH == 0
    lines_on = np.repeat(np.repeat(_hatching_on(grid.colours), cell, axis=0), cell, axis=1)
    painted[inside] = lines_on[inside]
    lines = (rows % cell == 0) | (columns % cell == 0)
    part[:-1, :-1] = np.where(lines[:, :, None], np.array(LINE, np.uint8), painted)
    if grid.fit is None:
        return
    for row in range(height):
        for column in range(width):
            text = number(float(grid.numbers[row, column]), grid.fit.digits)
            colour = grid.colours[row, column]
            _write_centred(canvas, cell_box(box, cell, row, column), text, grid.fit.size, colour, hatched[row, column])


def _hatching_on(colours: Array) -> Array:
    """Return the colours of the lines of a hatching on cells of these colours."""
    ink = np.where(ink_on(colours), 0, 255)[:, :, None]
    mixed: Array = np.rint(colours * HATCH_SHARE + ink * (1 - HATCH_SHARE)).astype(np.uint8)
    return mixed


def _write_centred(canvas: Array, box: Box, text: str, size: int, colour: Array, clears: bool) -> None:
    """Write a text in the middle of a cell; its background is cleared of hatching first, where ``clears``."""
    height, width = height_of(size), width_of(text, size)
    x, y = box.x + (box.width - width) // 2, box.y + (box.height - height) // 2
    if clears:
        canvas[y + 2 : y + height - 1, x - 1 : x + width + 1] = colour
    write(canvas, (x, y), text, size, BLACK if ink_on(colour) else WHITE)


def write_in_corner(canvas: Array, box: Box, text: str, size: int, colour: Array) -> None:
    """Write a text in the lower right corner of a cell, on the colour of the cell."""
    height, width = height_of(size), width_of(text, size)
    x, y = box.x + box.width - width - 3, box.y + box.height - height - 1
    canvas[y + 1 : y + height - 1, x - 1 : x + width + 1] = colour
    write(canvas, (x, y), text, size, BLACK if ink_on(colour) else WHITE)


def outline(canvas: Array, box: Box, thickness: int = 3) -> None:
    """Draw a rectangle whose lines are one pixel outside of a box, and else inside."""
    top, left = box.y - 1, box.x - 1
    bottom, right = box.y + box.height + 1, box.x + box.width + 1
    for rows, columns in (
        (slice(top, top + thickness), slice(left, right)),
        (slice(bottom - thickness, bottom), slice(left, right)),
        (slice(top, bottom), slice(left, left + thickness)),
        (slice(top, bottom), slice(right - thickness, right)),
    ):
        canvas[rows, columns] = OUTLINE
