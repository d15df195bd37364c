"""Where the parts of a sheet are: boxes, computed from sizes alone.

margin
heading of a group
tile     tile     tile       a cell: its tile, below it an inset (the kernel) and the caption beside that
[k] name [k] name [k] name
tile     ...
legend   legend
heading of the next group ...
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from .options import SheetOptions
from .tile import drawn_size

WIDTH = 1000
"""Pixels of a sheet without --columns, --tile and --scale, at most."""

ASPECT = 4 / 3
MARGIN = 14
SMALLEST_TILE, LARGEST_TILE = 40, 320
THREE_TILES = 314  # three of them, with gaps, are WIDTH wide
"""Longest sides of tiles that are chosen for their number: of many maps, each is still seen."""
MOST_COLUMNS = 22
"""Columns of a sheet of WIDTH whose tiles have SMALLEST_TILE, at most."""
CAPTION_WIDTH = 110
"""Pixels up to which a caption is as wide as the side of its tile, where the tile is narrower."""
PAD = 5
"""Pixels between a tile and its caption, and between parts of a legend."""


class Box(Struct, frozen=True):
    """A rectangle of pixels: its upper left corner, width and height."""

    x: int
    y: int
    width: int
    height: int


class GroupSize(Struct, frozen=True):
    """The sizes (height, width) of the parts of a group.

    Each cell is the width of its inset, 0 without one; a cell that is None stays empty. ``inset``, ``caption`` and ``heading``
    are heights.
    """

    cells: tuple[int | None, ...]
    tile: tuple[int, int]
    cell_width: int
    caption: int = 0
    inset: int = 0
    heading: int = 0
    legend: tuple[tuple[int, int], ...] = ()


class CellBoxes(Struct, frozen=True):
    """The boxes of a cell. An inset or a caption without pixels is not drawn."""

    tile: Box
    inset: Box
    caption: Box


class GroupBoxes(Struct, frozen=True):
    """The boxes of a group, None for empty cells."""

    heading: Box
    cells: tuple[CellBoxes | None, ...]
    legend: tuple[Box, ...]


class Layout(Struct, frozen=True):
    """The size of a sheet, and the boxes of its groups."""

    width: int
    height: int
    groups: tuple[GroupBoxes, ...]


def gap_for(columns: int) -> int:
    """Return the pixels between tiles."""
    return 14 if columns <= 6 else 8 if columns <= 12 else 4


def arrange(groups: Sequence[GroupSize], columns: int) -> Layout:
    """Return the boxes of groups, one below the other, each in rows of at most so many cells."""
    gap = gap_for(columns)
    width = 2 * MARGIN + max((_row_width(group, columns, gap) for group in groups), default=0)
    top, placed = MARGIN, []
    for group in groups:
        boxes, top = _arrange_group(group, columns, gap, top, width - 2 * MARGIN)
        placed.append(boxes)
    right, bottom = (max(ends, default=0) for ends in zip(*map(_end, _all_boxes(placed)), strict=True))
    return Layout(max(width, right + MARGIN), bottom + MARGIN, tuple(placed))


def _all_boxes(groups: Sequence[GroupBoxes]) -> Iterator[Box]:
    for group in groups:
        cells = (cell for cell in group.cells if cell)
        yield from (group.heading, *group.legend, *(box for cell in cells for box in (cell.tile, cell.inset, cell.caption)))


def _end(box: Box) -> tuple[int, int]:
    return box.x + box.width, box.y + box.height


def _row_width(group: GroupSize, columns: int, gap: int) -> int:
    count = min(columns, len(group.cells))
    return count * group.cell_width + max(count - 1, 0) * gap


def _arrange_group(group: GroupSize, columns: int, gap: int, top: int, width: int) -> tuple[GroupBoxes, int]:
    """Return the boxes of a group whose upper end is ``top``, and where the next group begins."""
    heading = Box(MARGIN, top, width, group.heading)
    top += group.heading + (PAD if group.heading else 0)
    below = max(group.caption, group.inset)
    pitch = group.tile[0] + (below + PAD if below else 0) + gap
    cells: list[CellBoxes | None] = []
    for index, wide in enumerate(group.cells):
        row, column = divmod(index, columns)
        x, y = MARGIN + column * (group.cell_width + gap), top + row * pitch
        under = y + group.tile[0] + PAD
        inset = Box(x, under, wide or 0, group.inset if wide else 0)
        beside = inset.width + PAD if wide else 0
        caption = Box(x + beside, under, group.cell_width - beside, group.caption)
        boxes = CellBoxes(Box(x, y, group.tile[1], group.tile[0]), inset, caption)
        cells.append(None if wide is None else boxes)
    top += math.ceil(len(cells) / columns) * pitch
    legend = tuple(_flow(group.legend, top + PAD, width))
    if legend:
        top = max(box.y + box.height for box in legend) + gap
    return GroupBoxes(heading, tuple(cells), legend), top + (gap if group.heading else 0)


def _flow(sizes: Iterable[tuple[int, int]], top: int, width: int) -> Iterable[Box]:
    """Yield boxes side by side, in as many rows as they need."""
    x, y, row = MARGIN, top, 0
    for height, wide in sizes:
        if x > MARGIN and x + wide > MARGIN + width:
            x, y, row = MARGIN, y + row + PAD, 0
        yield Box(x, y, wide, height)
        x, row = x + wide + 4 * PAD, max(row, height)


class Grid(Struct, frozen=True):
    """How many columns a sheet has, and the longest side of its tiles in pixels."""

    columns: int
    side: int


def grid_for(
    counts: Sequence[int],
    shapes: Sequence[tuple[int, ...]],
    options: SheetOptions,
    columns: int | None = None,
    further: int = 0,
    width: int | None = None,
) -> Grid:
    """Return the grid for groups of so many cells whose arrays have these shapes.

    ``columns`` are those of a fixed arrangement, ``further`` is the height of the rest of the sheet.

    The columns are chosen so that width to height is about ASPECT, on at most ``width`` pixels. Where ``width`` is None, tiles
    of a given size take as much as they need, and others WIDTH.
    """
    is_limited, width = width is not None, width or WIDTH
    fixed = options.columns or columns
    longest = max((max(shape[:2]) for shape in shapes), default=1)
    given = longest * options.scale if options.scale else options.tile
    ratio = max((shape[1] / max(shape[:2]) for shape in shapes), default=1.0)
    most = max(1, min(max(counts, default=1), (width - 2 * MARGIN) // (SMALLEST_TILE + gap_for(99))))
    candidates = [fixed] if fixed else range(1, max(counts, default=1) + 1 if given else most + 1)
    best, best_score = Grid(1, 1), math.inf
    for count in candidates:
        available = (width - 2 * MARGIN - (count - 1) * gap_for(count)) // count
        side = given or max(1, min(LARGEST_TILE, int(available / max(ratio, 0.4))))
        if not given and options.labels and available < CAPTION_WIDTH:
            side = min(side, available)  # captions are as wide as the side, where tiles are narrower
        high, wide = tile_size(shapes, side, options.scale)  # less than the side, where tiles are enlarged by a whole factor
        cell = max(wide, min(side, CAPTION_WIDTH)) if options.labels else wide
        across = 2 * MARGIN + count * (cell + gap_for(count)) - gap_for(count)
        if given and not fixed and count > 1 and is_limited and across > width:
            break
        rows = sum(math.ceil(cells / count) for cells in counts)
        down = rows * (high + gap_for(count) + caption_room(side) * options.labels) + further
        score = abs(math.log(across / down / ASPECT)) * (2 if across < down * ASPECT else 1)
        score += 4 * (rows * count - sum(counts)) / (rows * count)  # the share of cells that stay empty
        score += max(cell - wide, 0) / cell  # the share of a cell that its tile leaves free
        if score < best_score:
            best, best_score = Grid(count, side), score
    return best


def columns_of_grid(names: Sequence[str]) -> int | None:
    """Return the values of the last parameter of kernels at the points of a grid, by their names; None where they are no grid.

    >>> columns_of_grid(["k:theta=0,sigma=1", "k:theta=0,sigma=2", "k:theta=45,sigma=1", "k:theta=45,sigma=2"])
    2
    """
    if not all("=" in name and "," in name for name in names):
        return None
    rows = [[name.rpartition(",")[2] for name in row] for _, row in groupby(names, lambda name: name.rpartition(",")[0])]
    is_grid = len(rows) > 1 and len(rows[0]) > 1 and all(row == rows[0] for row in rows)
    return len(rows[0]) if is_grid and len(rows[0]) <= MOST_COLUMNS else None


def caption_room(side: int) -> int:
    """Return about how high the caption of a tile is."""
    return 50 if side >= 150 else 30 if side >= 90 else 15 if side >= 30 else 0


def block_grid(count: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Return rows, columns and the side of ``count`` squares with gaps of 2 that fill a box (height, width) best."""
    height, width = size
    sides = [
        (min((height + 2) // math.ceil(count / columns), (width + 2) // columns) - 2, -columns)
        for columns in range(1, count + 1)
    ]
    side, columns = max(sides)
    return math.ceil(count / -columns), -columns, max(side, 1)


def tile_size(shapes: Iterable[tuple[int, ...]], side: int, factor: int | None) -> tuple[int, int]:
    """Return the size (height, width) that holds the tiles of all these shapes."""
    sizes = [drawn_size(shape, side, factor).size for shape in set(shapes)]
    return max((size[0] for size in sizes), default=1), max((size[1] for size in sizes), default=1)
