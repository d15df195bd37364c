"""Prints sections of what is viewed on a terminal: pictures in pixels, or tiles in character cells with captions as text."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from ..drawing import terminal_graphics
from ..drawing.canvas import PixelCanvas
from ..drawing.captions import count_of, denominator_of, name_of, number, range_of, size_of
from ..drawing.character_cells import (
    ABOVE,
    BELOW,
    RAMP,
    UNKNOWN,
    CharacterPicture,
    character_lines,
    characters_of,
    columns_of,
    cut_to,
    drawn_in_cells,
    half_blocks,
    on_colour,
    padded,
    ramp_for,
)
from ..drawing.colouring import Colouring, colourings_of, notice_of_faint
from ..drawing.layout import block_grid
from ..drawing.legend import Item, spread
from ..drawing.options import SheetOptions
from ..drawing.sheet import FRAME, ArrangedSheet, Cell, Group, draw_on, legend_of, painted_tile
from ..drawing.text import ink_on
from ..drawing.tile import Tile, can_be_numbered, enlarged, reduced
from ..errors import ArgumentError
from ..images.encoding import Encoding
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.write import fit
from ..pipeline.sheet_groups import refuse_without_room
from ..pipeline.view_sheet import Section, side_of_block
from .output import escaped
from .terminal import Terminal

GAP = 2
"""Columns between tiles."""

TARGETS = ((12, 24), (64, 16))
"""Up to how many tiles a row is chosen so that each has about so many columns; more have FURTHER_TARGET."""

FURTHER_TARGET = 10

LEAST_TILE = 3
"""Columns of a tile, at least."""

NUMBER_COLUMNS = 7
"""Columns of a sample with its number, mostly: five characters fit."""

LEAST_RANGE = 14
"""Columns from which sizes and ranges stand below names."""

SPARE_LINES = 6
"""Lines of a terminal that a tile leaves for its caption, the legend and the prompt."""

BAR, LEAST_BAR = 24, 12
"""Columns of a bar of a legend, at most, and at least where its ends or its title stand beside it."""

LARGE_CELL = 32
"""Height of a cell in pixels from which sheets are drawn half as large, and shown twice as large."""


class TileGrid(Struct, frozen=True):
    """How many tiles stand side by side, and the columns of each."""

    count: int
    width: int


def sheet_width(terminal: Terminal) -> int:
    """Return the width in pixels in which a sheet is drawn for a terminal that shows pixels."""
    return max(terminal.width // _zoom(terminal), 60)


def _zoom(terminal: Terminal) -> int:
    return 2 if terminal.cell[1] >= LARGE_CELL else 1


def picture_of(sheet: ArrangedSheet, terminal: Terminal) -> str:
    """Return a sheet as a terminal shows it that shows pixels: in its own size, or as wide as the terminal."""
    canvas = PixelCanvas(sheet.layout.height, sheet.layout.width)
    draw_on(canvas, sheet)
    pixels, zoom = canvas.pixels, _zoom(terminal)
    wide = pixels.shape[1] * zoom
    columns = min(-(-wide // terminal.cell[0]), terminal.columns) if zoom > 1 or wide > terminal.width else None
    if terminal.protocol == "sixel":
        pixels = enlarged(pixels, (zoom, zoom))
        return terminal_graphics.sixel(_narrowed(pixels, terminal.width))
    picture = Image(pixels, 255)
    png = fit(picture, format_named("png"), Encoding(png_level=6)).encode(picture)
    return (terminal_graphics.kitty if terminal.protocol == "kitty" else terminal_graphics.iterm2)(png, columns)


def _narrowed(pixels: Array, width: int) -> Array:
    height, wide = pixels.shape[:2]
    return pixels if wide <= width else reduced(pixels, (max(1, round(height * width / wide)), width))


def tile_grid(sections: Sequence[Section], options: SheetOptions, terminal: Terminal, notices: list[str]) -> TileGrid:
    """Return how the tiles of sections stand in rows of a terminal. Adds notices.

    Raises ArgumentError for more columns than there is room for, and where --numbers can write into no tile.
    """
    counts = [len(section.parts) for section in sections]
    shapes = [part.shape for section in sections for part in section.parts]
    if options.numbers:
        refuse_without_room(shapes, notices)
    needed = max(side_of_block(shape, 1) for shape in shapes)
    if options.numbers:
        needed = max(needed, *(NUMBER_COLUMNS * shape[1] for shape in shapes if can_be_numbered(shape)), 0)
    needed = min(needed, terminal.columns)
    total, room = max(counts, default=1), terminal.columns + GAP
    aspect = terminal.cell[1] / terminal.cell[0]
    if options.columns is not None:
        count = min(options.columns, total)
    elif options.tile is not None:
        count = max(1, min(total, room // (min(options.tile, terminal.columns) + GAP)))
    else:
        target = next((columns for most, columns in TARGETS if total <= most), FURTHER_TARGET)
        count = max(1, min(total, room // (max(target, needed) + GAP)))
    width = room // count - GAP
    if width < LEAST_TILE and count > 1:
        most = max(1, room // (LEAST_TILE + GAP))
        raise ArgumentError(
            f"--columns {count} does not fit into a terminal of {terminal.columns} columns; give at most {most}"
        )
    highest = max(8, needed, int((terminal.lines - SPARE_LINES) * aspect))
    return TileGrid(count, max(1, min(width, options.tile or highest)))


class CellPrinter:
    """Makes the lines of groups in character cells."""

    def __init__(self, terminal: Terminal, grid: TileGrid, options: SheetOptions) -> None:
        self.terminal = terminal
        self.grid = grid
        self.options = options
        self.notices: list[str] = []
        self.in_characters = terminal.protocol == "ascii"
        cell_width, cell_height = terminal.cell
        self.aspect = cell_height / cell_width / (1 if self.in_characters else 2)

    def lines(self, groups: Sequence[Group]) -> Iterator[str]:
        """Yield the lines of all groups."""
        for group in groups:
            cells = [cell for cell in group.cells if cell]
            if not cells:
                continue
            colourings = colourings_of(group.tiles, self.options)
            if group.heading and self.options.labels:
                yield self._cut(group.heading)
            for begin in range(0, len(cells), self.grid.count):
                yield from self._row(cells[begin : begin + self.grid.count], colourings, bool(group.heading))
            yield from self._legend(colourings)
            if faint := notice_of_faint(colourings):
                self.notices.append(faint)

    def _cut(self, text: str) -> str:
        return cut_to(escaped(text), self.terminal.columns)

    def _row(self, cells: Sequence[Cell], colourings: dict[Tile, Colouring], has_heading: bool) -> Iterator[str]:
        pictures = [self._picture(cell.tiles, colourings) for cell in cells]
        captions = [self._caption(cell.tiles, has_heading) if self.options.labels else [] for cell in cells]
        widths = [max(picture.width, self.grid.width if self.options.labels else 0) for picture in pictures]
        for index in range(max(len(picture.lines) for picture in pictures)):
            parts = []
            for picture, width in zip(pictures, widths, strict=True):
                line = picture.lines[index] if index < len(picture.lines) else " " * picture.width
                parts.append(line + " " * (width - picture.width))
            yield (" " * GAP).join(parts).rstrip(" ")
        for index in range(max(map(len, captions))):
            texts = [lines[index] if index < len(lines) else "" for lines in captions]
            yield (" " * GAP).join(padded(text, width) for text, width in zip(texts, widths, strict=True)).rstrip()
        if self.options.labels:
            yield ""

    def _caption(self, tiles: tuple[Tile, ...], has_heading: bool) -> list[str]:
        """Return the lines below a tile: its name, its size where no heading has it, its range."""
        lines = [escaped(name_of(tiles))]
        if self.grid.width < LEAST_RANGE:
            return lines
        size = f"{size_of(tiles[0])} {tiles[0].further}".rstrip()
        if len(tiles) > 1:
            size = f"{count_of(tiles)} {size}"
        return [*lines, *([] if has_heading else [size]), range_of(*tiles)]

    def _picture(self, tiles: tuple[Tile, ...], colourings: dict[Tile, Colouring]) -> CharacterPicture:
        if len(tiles) > 1:
            return self._block(tiles, colourings)
        (tile,) = tiles
        if self.options.numbers and tile.numbers is not None:
            with_numbers = self._numbers(tile, colourings.get(tile))
            if with_numbers.width <= self.grid.width:
                return with_numbers
            self.notices.append(f"--numbers needs {with_numbers.width} columns for each tile, and there are {self.grid.width}")
        return self._shown(self._pixels(tile, colourings.get(tile), self.grid.width))

    def _shown(self, pixels: Array) -> CharacterPicture:
        return character_lines(pixels) if self.in_characters else half_blocks(pixels, self.terminal.has_true_colour)

    def _pixels(self, tile: Tile, colouring: Colouring | None, side: int) -> Array:
        """Return the characters (h, w) or the colours (h, w, 3) of a tile."""
        drawn = drawn_in_cells(tile.samples.shape, side, self.aspect, self.options.scale)
        if self.in_characters:
            return characters_of(tile, colouring, drawn.samples).repeat(drawn.factors[0], 0).repeat(drawn.factors[1], 1)
        return enlarged(painted_tile(tile, colouring, drawn.samples), drawn.factors)

    def _block(self, tiles: tuple[Tile, ...], colourings: dict[Tile, Colouring]) -> CharacterPicture:
        """Return tiles side by side in a square, with a pixel between them; in few columns, one pixel of each in more rows."""
        room = self.grid.width
        _, columns, side = block_grid(len(tiles), (room - 1, room - 1))  # for gaps of two pixels
        if columns * (side + 2) - 1 > room:
            columns, side = (room + 1) // 2, 0
        rows = math.ceil(len(tiles) / columns)
        parts = [self._pixels(tile, colourings.get(tile), side + 1) for tile in tiles]
        high, wide = max(part.shape[0] for part in parts), max(part.shape[1] for part in parts)
        shape = rows * (high + 1) - 1, columns * (wide + 1) - 1
        empty: Any = np.full(shape, " ") if self.in_characters else np.full((*shape, 3), FRAME[0], np.uint8)
        for index, part in enumerate(parts):
            row, column = divmod(index, columns)
            y, x = row * (high + 1), column * (wide + 1)
            empty[y : y + part.shape[0], x : x + part.shape[1]] = part
        return self._shown(empty)

    def _numbers(self, tile: Tile, colouring: Colouring | None) -> CharacterPicture:
        """Return the numbers of a tile in a grid, each on its colour."""
        assert tile.numbers is not None
        shape, aspect = tile.numbers.shape, self.terminal.cell[1] / self.terminal.cell[0]
        high, wide = drawn_in_cells(shape, self.grid.width, aspect, self.options.scale or 1).factors
        denominator = denominator_of(tile)
        texts = [[f"{number(value, 3, denominator)} " for value in row] for row in tile.numbers.tolist()]
        width = max(wide, max(len(text) for row in texts for text in row) + 1)
        painted = painted_tile(tile, colouring, shape)
        is_black, depth = ink_on(painted), self.terminal.has_true_colour
        lines = []
        for y, line in itertools.product(range(shape[0]), range(high)):
            cells = [f"{text if line == high // 2 else '':>{width}}" for text in texts[y]]
            if not self.in_characters:
                cells = [on_colour(cell, painted[y, x], is_black[y, x], depth) for x, cell in enumerate(cells)]
            lines.append("".join(cells))
        return CharacterPicture(tuple(lines), width * len(texts[0]))

    def _legend(self, colourings: dict[Tile, Colouring]) -> Iterator[str]:
        """Yield the lines of each scale, and those of the colours of what is on none."""
        items = legend_of(colourings)
        for item in items:
            if not item.is_square:
                yield from self._bar(item)
        yield from self._squares([item for item in items if item.is_square])

    def _bar(self, item: Item) -> Iterator[str]:
        """Yield a scale in a line, else with its title above, else with its ends below, too."""
        low, _, high = item.ends
        title, columns = self._cut(item.title), self.terminal.columns
        below = columns - len(low) - len(high) - 2
        beside = below - columns_of(title) - GAP
        if beside >= LEAST_BAR:
            yield f"{title}{' ' * GAP}{low} {self._colours(item, beside)} {high}"
            return
        yield title
        if below >= LEAST_BAR:
            yield f"{low} {self._colours(item, below)} {high}"
        else:
            yield self._colours(item, columns)
            yield self._cut(f"{low} to {high}")

    def _colours(self, item: Item, columns: int) -> str:
        """Return the colours of a scale in at most so many columns, or the characters that stand for them."""
        if self.in_characters:
            ramp = RAMP if item.is_rgb else ramp_for(item.signed)
            return "".join(spread(np.array(list(ramp)), min(columns, len(ramp))))
        width = min(columns, BAR)
        pixels = np.broadcast_to(item.colours_for(width), (2, width, 3))
        return half_blocks(pixels, self.terminal.has_true_colour).lines[0]

    def _squares(self, items: Sequence[Item]) -> Iterator[str]:
        """Yield colours with their titles, as many in a line as there is room for."""
        columns = self.terminal.columns
        wide = min(1 if self.in_characters else 2, columns)
        line, end = "", 0
        for item in items:
            title = cut_to(f" {item.title}", columns - wide)
            if line and end + GAP + wide + columns_of(title) > columns:
                yield line
                line, end = "", 0
            gap = " " * GAP if line else ""
            line += f"{gap}{self._square(item, wide)}{title}"
            end += len(gap) + wide + columns_of(title)
        if line:
            yield line

    def _square(self, item: Item, columns: int) -> str:
        if self.in_characters:
            return {"N": UNKNOWN, "b": BELOW, "a": ABOVE}[item.title[0]]
        return on_colour(" " * columns, item.colours[0], True, self.terminal.has_true_colour)
