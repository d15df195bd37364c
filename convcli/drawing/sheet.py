"""Sheets: tiles in a grid with their captions and legends."""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError
from ..images.image import Array
from .canvas import Canvas, PixelCanvas
from .captions import caption_height, lines_of, sizes_for, texts_on, values_of_parameters
from .colouring import Colouring, Counts, colourings_of, counts_of, notice_of_faint
from .layout import CAPTION_WIDTH, Box, GroupBoxes, GroupSize, Layout, arrange, block_grid, tile_size
from .legend import Item, items_of
from .options import SheetOptions
from .scale import Scale
from .text import cut, drawable, height_of, ink_on, width_of
from .tile import Tile, drawn_size, reduced

MAX_PIXELS = 100_000_000
"""Pixels of a sheet, at most."""

FRAME = (176, 176, 176)
LEAST_CELL = 8
"""Pixels of a weight from which on lines are drawn between weights."""

HEADING = 15
"""Size of the font of headings."""


class Cell(Struct, frozen=True, eq=False):
    """A tile, or a block of several; and the kernels that are drawn beside its caption."""

    tiles: tuple[Tile, ...]
    kernels: tuple[Tile, ...] = ()


class Group(Struct, frozen=True, eq=False):
    """Cells with a common heading and legend, and the longest side of their tiles. A cell that is None stays empty.

    ``factor`` is that of --scale.
    """

    cells: tuple[Cell | None, ...]
    side: int
    heading: str = ""
    factor: int | None = None

    @property
    def tiles(self) -> list[Tile]:
        """All tiles."""
        return [tile for cell in self.cells if cell for tile in (*cell.tiles, *cell.kernels)]


class TileFacts(Struct, frozen=True):
    """What a tile shows, and its scale: None of a picture, and where nothing is finite."""

    group: str
    name: str
    kind: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float
    scale: Scale | None = None
    colormap: str | None = None
    counts: Counts = Counts()


class Sheet(Struct, frozen=True, eq=False):
    """A sheet: its pixels (H, W, 3) uint8, where its parts are, what its tiles show, and notices."""

    pixels: Array
    layout: Layout
    tiles: tuple[TileFacts, ...]
    notices: tuple[str, ...] = ()


class ArrangedSheet(Struct, frozen=True, eq=False):
    """A sheet before it is drawn: its groups, each with the colourings of its tiles and its legend, and where all parts are."""

    groups: tuple[Group, ...]
    colourings: tuple[dict[Tile, Colouring], ...]
    legends: tuple[list[Item], ...]
    layout: Layout
    options: SheetOptions

    @property
    def tiles(self) -> tuple[TileFacts, ...]:
        """What the tiles show."""
        pairs = zip(self.groups, self.colourings, strict=True)
        return tuple(_facts(group, tile, found.get(tile)) for group, found in pairs for tile in group.tiles)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is hard to see on it."""
        pairs = zip(self.groups, map(notice_of_faint, self.colourings), strict=True)
        return tuple(": ".join(filter(None, (group.heading, text))) for group, text in pairs if text)


def arrange_sheet(groups: Sequence[Group], columns: int, options: SheetOptions) -> ArrangedSheet:
    """Return where groups of tiles are, one below the other, and in which colours they are drawn.

    Raises ArgumentError for a sheet without tiles, and for one of more than MAX_PIXELS.
    """
    groups = tuple(group for group in groups if group.tiles)
    if not groups:
        raise ArgumentError("there is nothing to draw: no map and no kernel")
    colourings = tuple(colourings_of(group.tiles, options) for group in groups)
    legends = tuple([*legend_of(found), *_note_of(found)] for found in colourings)
    sizes = [_group_size(group, legend, options) for group, legend in zip(groups, legends, strict=True)]
    layout = arrange(sizes, columns)
    check_pixels(layout.width * layout.height)
    return ArrangedSheet(groups, colourings, legends, layout, options)


def legend_of(colourings: dict[Tile, Colouring]) -> list[Item]:
    """Return the parts of the legend of a group."""
    return items_of(list(colourings.values()), [counts_of(tile, found.scale) for tile, found in colourings.items()])


def _note_of(colourings: dict[Tile, Colouring]) -> list[Item]:
    text = notice_of_faint(colourings)
    return [Item(text, np.empty((0, 3), np.uint8))] if text else []


def draw_on(canvas: Canvas, sheet: ArrangedSheet) -> None:
    """Draw a sheet on a white canvas of its size."""
    parts = zip(sheet.groups, sheet.layout.groups, sheet.colourings, sheet.legends, strict=True)
    for group, boxes, found, legend in parts:
        _draw_group(canvas, group, boxes, found, sheet.options)
        for item, box in zip(legend, boxes.legend, strict=True):
            item.draw(canvas, box)


def draw_sheet(groups: Sequence[Group], columns: int, options: SheetOptions) -> Sheet:
    """Draw groups of tiles as pixels. Raises ArgumentError as ``arrange_sheet`` does."""
    arranged = arrange_sheet(groups, columns, options)
    canvas = PixelCanvas(arranged.layout.height, arranged.layout.width)
    draw_on(canvas, arranged)
    return Sheet(canvas.pixels, arranged.layout, arranged.tiles, arranged.notices)


def check_pixels(count: int) -> None:
    """Raise ArgumentError for a sheet of more than MAX_PIXELS pixels."""
    if count > MAX_PIXELS:
        raise ArgumentError(
            f"the sheet would have {count} pixels, and the limit is {MAX_PIXELS}; "
            "give a smaller --tile or --scale, or fewer maps"
        )


def _facts(group: Group, tile: Tile, colouring: Colouring | None) -> TileFacts:
    name = tile.name if tile.channel is None else f"{tile.name} channel {tile.channel}"
    facts = TileFacts(group.heading, name, tile.kind, tile.shape, tile.minimum, tile.maximum)
    if colouring is None:
        return facts
    return replace(facts, scale=colouring.scale, colormap=colouring.colormap, counts=counts_of(tile, colouring.scale))


def _group_size(group: Group, legend: Sequence[Item], options: SheetOptions) -> GroupSize:
    used = [cell for cell in group.cells if cell]
    shapes = {tile.samples.shape for cell in used for tile in cell.tiles if len(cell.tiles) == 1}
    tile = tile_size(shapes, group.side, group.factor) if shapes else (group.side, group.side)
    caption = caption_height(group.side) if options.labels else 0
    side = inset_side(group.side)
    insets = (0, side, max(side, min(2 * side, tile[1] // 2)))  # for no, one and several kernels
    cells = tuple(None if cell is None else insets[min(len(cell.kernels), 2)] for cell in group.cells)
    width = max(tile[1], min(group.side, CAPTION_WIDTH)) if caption else tile[1]
    heading = height_of(HEADING) if group.heading and options.labels else 0
    sizes = tuple(item.size for item in legend)
    return GroupSize(cells, tile, width, caption, side if any(cells) else 0, heading, sizes)


def inset_side(side: int) -> int:
    """Return the side of a kernel that is drawn beside the caption of a tile."""
    return max(16, min(84, side // 4))


def _draw_group(
    canvas: Canvas, group: Group, boxes: GroupBoxes, colourings: dict[Tile, Colouring], options: SheetOptions
) -> None:
    labels, parameters = _labels_of(group, boxes)
    if boxes.heading.height:
        heading = ": ".join(filter(None, (group.heading, parameters)))
        text = cut(drawable(heading), HEADING, boxes.heading.width)
        canvas.write((boxes.heading.x, boxes.heading.y), text, HEADING)
    for cell, places in zip(group.cells, boxes.cells, strict=True):
        if cell is None or places is None:
            continue
        for tile, box in (*_blocks(cell.tiles, places.tile), *_blocks(cell.kernels, places.inset)):
            factor = group.factor if tile.kind != "kernel" else None
            _draw_tile(canvas, tile, box, colourings.get(tile), factor, options.numbers)
        if not places.caption.height:
            continue
        top = places.caption.y
        for text, size in lines_of(cell.tiles, cell.kernels, group.side, places.caption.width, labels.get(cell)):
            canvas.write((places.caption.x, top), text, size)
            top += height_of(size)


def _labels_of(group: Group, boxes: GroupBoxes) -> tuple[dict[Cell, str], str]:
    """Return what stands in place of names that are alike where they are cut, and what it is, for the heading.

    That are the values of parameters, which the heading names, where all have the same; else indices, or numbers.
    """
    if _names_fit(group, boxes):
        return {}, ""
    named = [cell for cell in group.cells if cell and len(cell.tiles) == 1 and cell.tiles[0].index is not None]
    names = [cell.tiles[0].name for cell in named]
    values = values_of_parameters(names) if boxes.heading.height else None
    if values is not None and len({*values}) == len(values):
        return dict(zip(named, values[1:], strict=True)), values[0]
    if len({cell.tiles[0].index for cell in named}) == len(named):
        return {cell: str(cell.tiles[0].index) for cell in named}, ""
    return {cell: f"{number}. {name}" for number, (cell, name) in enumerate(zip(named, names, strict=True), 1)}, ""


def _names_fit(group: Group, boxes: GroupBoxes) -> bool:
    """Return whether the names of maps and kernels differ also where they are cut, so that they can stand below tiles."""
    sizes = sizes_for(group.side)
    pairs = zip(group.cells, boxes.cells, strict=True)
    named = [(cell.tiles[0], places.caption.width) for cell, places in pairs if cell and places]
    named = [(tile, width) for tile, width in named if tile.index is not None]
    cuts = {(tile.kind, cut(drawable(tile.name), sizes[0], width)) for tile, width in named} if sizes else set()
    return len(cuts) == len(named) and all(text for _, text in cuts)


def _blocks(tiles: Sequence[Tile], box: Box) -> Iterator[tuple[Tile, Box]]:
    """Yield tiles with their boxes in a box: one fills it, several are squares."""
    if len(tiles) == 1:
        yield tiles[0], box
        return
    if tiles:
        rows, columns, side = block_grid(len(tiles), (box.height, box.width))
        top = box.y + (box.height - rows * (side + 2) + 2) // 2
        for index, tile in enumerate(tiles):
            row, column = divmod(index, columns)
            yield tile, Box(box.x + column * (side + 2), top + row * (side + 2), side, side)


def _draw_tile(
    canvas: Canvas, tile: Tile, box: Box, colouring: Colouring | None, factor: int | None, with_numbers: bool
) -> None:
    """Draw a tile at the left end of a box, where its caption begins, with a frame around it."""
    drawn = drawn_size(tile.samples.shape, max(box.width, box.height), factor)
    if drawn.size[0] > box.height or drawn.size[1] > box.width:
        drawn = drawn_size(tile.samples.shape, min(box.width, box.height))
    painted = painted_tile(tile, colouring, drawn.samples)
    height, width = min(drawn.size[0], box.height), min(drawn.size[1], box.width)
    inner = Box(box.x, box.y + (box.height - height) // 2, width, height)
    canvas.fill(Box(inner.x - 1, inner.y - 1, width + 2, height + 2), FRAME)
    canvas.paint(inner, painted, drawn.factors, tile.name)
    if tile.kind == "kernel" and min(drawn.factors) >= LEAST_CELL:
        _draw_cell_lines(canvas, inner, drawn.factors)
    if with_numbers and tile.numbers is not None and tile.numbers.shape == drawn.samples:
        _write_numbers(canvas, (inner.x, inner.y), tile, painted, drawn.factors)


def _draw_cell_lines(canvas: Canvas, box: Box, factors: tuple[int, int]) -> None:
    """Draw the lines between the weights of a kernel, so that equal neighbours are seen as several."""
    high, wide = factors
    for top in range(high, box.height, high):
        canvas.fill(Box(box.x, box.y + top, box.width, 1), FRAME)
    for left in range(wide, box.width, wide):
        canvas.fill(Box(box.x + left, box.y, 1, box.height), FRAME)


def painted_tile(tile: Tile, colouring: Colouring | None, size: tuple[int, int]) -> Array:
    """Return the colours (h, w, 3) uint8 of a tile that is reduced to a size. Without a colouring, its samples are colours."""
    samples = reduced(tile.samples, size)
    return np.broadcast_to(samples, (*size, 3)) if colouring is None else colouring.painted(samples)


def _write_numbers(canvas: Canvas, at: tuple[int, int], tile: Tile, painted: Array, cell: tuple[int, int]) -> None:
    """Write the number of each sample into its cell, dark on light colours, light on dark ones, where all fit."""
    high, wide = cell
    fitted = texts_on(tile, wide, high)
    if fitted is None:
        return
    texts, size = fitted
    is_black = ink_on(painted)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            x = at[0] + column * wide + (wide - width_of(text, size)) // 2
            y = at[1] + row * high + (high - height_of(size)) // 2
            canvas.write((x, y), text, size, (0, 0, 0) if is_black[row, column] else (255, 255, 255))
