"""Slides: pictures of a window that slides over an input, one for each of its positions."""

import math
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from ..errors import ArgumentError
from ..images.image import Array
from .canvas import PixelCanvas
from .captions import NumberFit, fit_of, number
from .colormaps import colormap
from .colouring import Colouring
from .layout import Box
from .legend import Item
from .number_grid import NumberGrid, cell_box, draw_grid, outline, write_in_corner
from .scale import Scale
from .sheet import MAX_PIXELS
from .slide_colours import colours_of, input_colours, painted, products_of
from .slide_layout import FACTS, HEADING, TITLE, Panel, SlideLayout, SlideSizes, arrange_slide
from .sliding_window import PIXEL, Cell, SlidingWindow, Step
from .text import cut, drawable, height_of, width_of, write

SLIDE_VERSION = 3
"""Increased when the same options give another slide."""

UNFILLED = 255
"""Level of cells of the map that have no value yet. They are hatched, as maps may be white too."""

MAX_FRAME = 16_000_000
"""Pixels of a frame, at most."""

ROOM_OF_VALUE = 0.72
"""Share of the height of a cell that its value takes, above the weight in the corner."""

CORNER_SIZES = (18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8)
"""Sizes of the font of weights in corners."""


class PartFacts(Struct, frozen=True):
    """A part of a slide: its name, the shape of its array, its scale, None where nothing is finite, and its colour map."""

    name: str
    shape: tuple[int, ...]
    scale: Scale | None
    colormap: str


class _Fits(NamedTuple):
    """How the numbers of the parts are written; None where they do not fit."""

    input: NumberFit | None
    map: NumberFit | None
    window: NumberFit | None
    kernel: NumberFit | None
    products: NumberFit | None


class Slide:
    """Draws the frames of a window over an input. Each call of ``frame`` draws one of them.

    Raises ArgumentError where a frame has more than MAX_FRAME pixels.
    """

    def __init__(self, window: SlidingWindow, cell: int | None = None) -> None:
        self.window = window
        self.products = products_of(window)
        self.colours = colours_of(window, self.products)
        self.denominator = window.denominator
        self.legend: Item | None = None
        self.layout = self._arrange(cell)
        if self.layout.width * self.layout.height > MAX_FRAME:
            size = f"{self.layout.width} x {self.layout.height}"
            raise ArgumentError(f"frames of {size} have more than {MAX_FRAME} pixels; give a smaller --cell")
        self.fits = self._fits()
        if self.fits.map is None:
            self.legend = _legend_of(self.colours.map)
            self.layout = self._arrange(cell)
        self.corner = self._corner_texts()
        self.map_grid = NumberGrid(painted(self.colours.map, window.map), window.map, self.fits.map)
        self.input_colours = [self._input_colours(plane) for plane in window.planes]
        self.background, self.whole_map = self._draw_background()

    def _arrange(self, cell: int | None) -> SlideLayout:
        window = self.window
        count, of_input, of_map = len(window.planes), *window.headings
        factor = f"1/{self.denominator} x" if self.denominator > 1 else ""
        parts: list[tuple[str, str]] = []
        weights_fit = cell is not None or count == 1 or max(window.planes.shape[1:]) <= 12
        if window.weights is None or count == 1 or not weights_fit:
            parts.append(("window", "window"))
        if window.weights is not None:
            turned = ", rotated" if window.written is not None else ""
            above = f"1/{self.denominator} " if factor and count > 1 else ""  # three windows leave no room before the grids
            parts += [("kernel", f"{above}kernel{turned}"), ("products", f"{above}products")]
            if window.written is not None and count == 1:
                parts.append(("written", f"{factor} kernel as written".strip()))
        names = tuple(f"{name}: {of_input}" if name else of_input for name in window.names)
        lines = len(window.step(0).lines)
        shape = window.planes.shape[1:]
        sizes = SlideSizes(
            names,
            of_map,
            (shape[0], shape[1]),
            window.map.shape,
            window.size,
            tuple(parts),
            lines,
            (drawable(window.title), window.facts),
            cell,
            factor if count == 1 else "",
            self.legend.size if self.legend else (0, 0),
        )
        return arrange_slide(sizes)

    def _fits(self) -> _Fits:
        window, layout = self.window, self.layout
        value_height = int(layout.cell * ROOM_OF_VALUE)
        small = layout.small_cell
        kernel = None if window.weights is None else window.weights * self.denominator
        planes = window.planes.ravel().tolist()
        return _Fits(
            fit_of(set(planes), layout.cell, value_height),
            fit_of(set(window.map.ravel().tolist()), layout.cell, layout.cell),
            fit_of(set(planes), small, small),
            None if kernel is None else fit_of(set(kernel.ravel().tolist()), small, small),
            fit_of(self._without_factor(np.array(self.products)).tolist(), small, small),
        )

    def _corner_texts(self) -> tuple[list[list[list[str]]], int] | None:
        """Return a text for each weight, which stands in the corner of its cell, and its size; None where it does not fit."""
        weights = self.window.weights
        if weights is None or self.fits.input is None:
            return None
        texts = [[[self._weight_text(weight) for weight in row] for row in plane] for plane in weights.tolist()]
        height = math.ceil(self.layout.cell * (1 - ROOM_OF_VALUE)) + 3
        longest = max((text for plane in texts for row in plane for text in row), key=lambda text: width_of(text, 12))
        sizes = (size for size in CORNER_SIZES if height_of(size) <= height)
        size = next((size for size in sizes if width_of(longest, size) <= self.layout.cell - 6), None)
        return None if size is None else (texts, size)

    def _weight_text(self, weight: float) -> str:
        if self.denominator > 1 and weight:
            return f"x{round(weight * self.denominator)}/{self.denominator}"
        return f"x{number(weight, 3)}"

    def _draw_background(self) -> tuple[Array, Array]:
        """Return what all frames share, with an empty map; and the grid of the whole map."""
        window, layout = self.window, self.layout
        canvas = np.full((layout.height, layout.width, 3), 255, np.uint8)
        title = cut(drawable(window.title), TITLE, layout.title.width)
        write(canvas, (layout.title.x, layout.title.y), title, TITLE)
        write(canvas, (layout.facts.x, layout.facts.y), cut(window.facts, FACTS, layout.facts.width), FACTS, (96, 96, 96))
        for plane, colours, panel in zip(window.planes, self.input_colours, layout.inputs, strict=True):
            _write_heading(canvas, panel)
            grid = NumberGrid(colours, plane, self.fits.input, window.sources != PIXEL)
            draw_grid(canvas, panel.grid, layout.cell, grid)
        _write_heading(canvas, layout.map)
        draw_grid(canvas, layout.map.grid, layout.cell, self.map_grid)
        box = layout.map.grid
        whole_map = canvas[box.y : box.y + box.height, box.x : box.x + box.width].copy()
        blank = NumberGrid(np.full_like(self.map_grid.colours, UNFILLED), window.map, None, np.ones(window.map.shape, bool))
        draw_grid(canvas, box, layout.cell, blank)
        if self.legend is not None:
            place = layout.legend
            legend = PixelCanvas(place.height, place.width)
            self.legend.draw(legend, Box(0, 0, place.width, place.height))
            canvas[place.y : place.y + place.height, place.x : place.x + place.width] = legend.pixels
        for index, parts in enumerate(layout.parts):
            for name, panel in parts.items():
                _write_heading(canvas, panel)
                if name in ("kernel", "written"):
                    self._draw_kernel(canvas, panel, window.weights if name == "kernel" else window.written, index)
        return canvas, whole_map

    def _draw_kernel(self, canvas: Array, panel: Panel, weights: Array | None, index: int) -> None:
        assert weights is not None
        assert self.colours.kernel is not None
        plane = weights[index]
        grid = NumberGrid(painted(self.colours.kernel, plane), plane * self.denominator, self.fits.kernel)
        draw_grid(canvas, panel.grid, self.layout.small_cell, grid)

    def _input_colours(self, values: Array) -> Array:
        return input_colours(self.colours.input, values, self.window.input_scale is not None)

    def frame(self, index: int) -> Array:
        """Return the frame at a position: (H, W, 3) uint8."""
        window, layout = self.window, self.layout
        canvas = self.background.copy()
        row, column = window.position(index)
        step = window.step(index)
        rows, columns = window.taps(index)
        sources = window.sources[np.ix_(rows, columns)]
        for channel, panel in enumerate(layout.inputs):
            self._mark_window(canvas, panel.grid, rows, columns, channel, step.winner)
        self._draw_map(canvas, row, column)
        for channel, parts in enumerate(layout.parts):
            if "window" in parts:
                values = step.window[channel]
                grid = NumberGrid(self._input_colours(values), values, self.fits.window, sources != PIXEL)
                draw_grid(canvas, parts["window"].grid, layout.small_cell, grid)
                if step.winner is not None:
                    outline(canvas, cell_box(parts["window"].grid, layout.small_cell, *step.winner))
            if step.products is not None:
                assert self.colours.products is not None
                values = step.products[channel]
                colours = painted(self.colours.products, values)
                grid = NumberGrid(colours, self._without_factor(values), self.fits.products)
                draw_grid(canvas, parts["products"].grid, layout.small_cell, grid)
        self._write_result(canvas, index, step)
        return canvas

    def _without_factor(self, products: Array) -> Array:
        """Return products as they are drawn behind the common factor of the kernel: integers without the error of rounding."""
        if self.denominator == 1:
            return products
        multiplied = products * self.denominator
        whole = np.rint(multiplied)
        finite = np.abs(multiplied[np.isfinite(multiplied)])
        tolerance = 1e-12 * float(finite.max(initial=0.0))
        return np.where(np.isclose(multiplied, whole, rtol=1e-12, atol=tolerance), whole, multiplied)

    def _mark_window(
        self, canvas: Array, grid: Box, rows: list[int], columns: list[int], channel: int, winner: Cell | None
    ) -> None:
        """Write the weights into the corners of the cells under the window; outline it, and the cell that is its result."""
        cell, window = self.layout.cell, self.window
        if self.corner is not None:
            texts, size = self.corner
            colours = self.input_colours[channel]
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    box = cell_box(grid, cell, row, column)
                    write_in_corner(canvas, box, texts[channel][i][j], size, colours[row, column])
        thickness = 3 if cell >= 16 else 2
        if winner is not None:
            outline(canvas, cell_box(grid, cell, rows[winner[0]], columns[winner[1]]), thickness)
        if max(window.dilation) > 1:
            for row in rows:
                for column in columns:
                    outline(canvas, cell_box(grid, cell, row, column), thickness)
            thickness = 1
        outline(canvas, self.window_box(grid, rows, columns), thickness)

    def window_box(self, grid: Box, rows: list[int], columns: list[int]) -> Box:
        """Return the box of the cells from the first tap to the last."""
        extent = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        return cell_box(grid, self.layout.cell, rows[0], columns[0], *extent)

    def _draw_map(self, canvas: Array, row: int, column: int) -> None:
        """Draw the map up to a position, and outline that."""
        box, cell = self.layout.map.grid, self.layout.cell
        for down, across in ((row * cell, box.width), (row * cell + cell + 1, column * cell + cell + 1)):
            canvas[box.y : box.y + down, box.x : box.x + across] = self.whole_map[:down, :across]
        outline(canvas, cell_box(box, cell, row, column), 3 if cell >= 16 else 2)

    def _write_result(self, canvas: Array, index: int, step: Step) -> None:
        box = self.layout.result
        top = box.y
        row, column = self.window.position(index)
        place = (f"position {index} of 0 to {self.window.positions - 1}", f"row {row}, column {column} of the map")
        value = f"= {number(float(self.window.map[row, column]), 6)}"
        lines = [*((line, FACTS) for line in step.lines), (value, TITLE), *((line, FACTS) for line in place)]
        for text, size in lines:
            ink = (96, 96, 96) if text in place else (32, 32, 32)
            write(canvas, (box.x, top), cut(text, size, box.width), size, ink)
            top += height_of(size) + (6 if size == TITLE else 0)

    def caption(self, index: int) -> str:
        """Return what happens at a position, as a sentence."""
        row, column = self.window.position(index)
        value = number(float(self.window.map[row, column]), 6)
        lines = "; ".join(self.window.step(index).lines).replace("; =", " =")
        return f"position {index} of 0 to {self.window.positions - 1}, row {row}, column {column} of the map: {lines} = {value}"

    @property
    def parts(self) -> tuple[PartFacts, ...]:
        """The parts that are painted, with their scales."""
        window = self.window
        shapes = {
            "input": window.planes.shape,
            "map": window.map.shape,
            "kernel": window.weights.shape if window.weights is not None else (),
            "products": window.weights.shape if window.weights is not None else (),
        }
        colourings = zip(self.colours._fields, self.colours, strict=True)
        return tuple(PartFacts(name, shapes[name], found.scale, found.colormap) for name, found in colourings if found)


def figure_of(slide: Slide, indices: range) -> Array:
    """Return frames as one picture (H, W, 3), in rows, about 4:3. Raises ArgumentError for more than MAX_PIXELS pixels."""
    high, wide = slide.layout.height, slide.layout.width
    columns = max(1, min(len(indices), round(math.sqrt(len(indices) * high * 4 / (wide * 3)))))
    rows = math.ceil(len(indices) / columns)
    if rows * high * columns * wide > MAX_PIXELS:
        raise ArgumentError(
            f"{len(indices)} frames of {wide} x {high} in one picture have more than {MAX_PIXELS} pixels; "
            "take fewer with --frames"
        )
    canvas = np.full((rows * high, columns * wide, 3), 255, np.uint8)
    for place, frame in enumerate(map(slide.frame, indices)):
        row, column = divmod(place, columns)
        canvas[row * high : row * high + high, column * wide : column * wide + wide] = frame
    return canvas


def _legend_of(colouring: Colouring) -> Item | None:
    """Return the scale of the map; None where nothing is finite."""
    scale = colouring.scale
    if scale is None:
        return None
    ends = (number(scale.low), "0" if scale.signed else "", number(scale.high))
    return Item("scale of the map", colormap(colouring.colormap), ends)


def _write_heading(canvas: Array, panel: Panel) -> None:
    write(canvas, (panel.heading.x, panel.heading.y), panel.text, HEADING)
    if panel.sign:
        write(canvas, (panel.sign_box.x, panel.sign_box.y), panel.sign, TITLE)
