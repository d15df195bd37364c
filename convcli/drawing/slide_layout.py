"""Where the parts of a slide are: boxes, computed from sizes alone.

title
facts
input      map               of one channel
window x kernel = products   result

input      input     map     of several channels
x kernel = products  result
"""

from collections.abc import Iterator

from msgspec import Struct

from .layout import MARGIN, Box
from .number_grid import size_in_pixels
from .text import height_of, width_of

TITLE, FACTS, HEADING = 20, 13, 13
"""Sizes of fonts."""

GAP = 28
"""Pixels between panels, in which a sign has room."""

ABOVE_LEGEND = 10
"""Pixels between the map and its legend."""

PAD_OF_SIGN = 6
"""Pixels on both sides of a sign, at least."""

LARGEST_CELL, SMALLEST_CELL = 64, 6
READABLE_CELL = 26
"""Cells of a small window in a calculation have this size at least, with room for most numbers, although a slide is wider."""

WIDTH, WIDTH_OF_SEVERAL = 1000, 1600
"""Pixels from left to right of a slide of one channel, and of several, whose numbers would be too small otherwise."""

HEIGHT = 460
"""Pixels that the cells of the input and of the map may take from top to bottom."""

RESULT_WIDTH = 200

SIGNS = {"window": "", "kernel": "x", "products": "=", "written": ""}
"""The parts of a calculation, and the sign before each of them."""


class Panel(Struct, frozen=True):
    """A grid with its heading above it, and a sign before it, whose box has no pixels where there is none."""

    text: str
    heading: Box
    grid: Box
    sign: str = ""
    sign_box: Box = Box(0, 0, 0, 0)


class SlideSizes(Struct, frozen=True):
    """What has to be placed: for each channel the heading of its input; the shapes of input, map and window; the parts.

    ``parts`` are names of SIGNS, each with its heading. ``cell`` is the side of cells that is asked for. ``factor`` stands
    before the weights and the products. ``legend`` is the height and width of what stands below the map, where numbers have no
    room.
    """

    inputs: tuple[str, ...]
    map_heading: str
    input_shape: tuple[int, int]
    map_shape: tuple[int, int]
    window: tuple[int, int]
    parts: tuple[tuple[str, str], ...]
    lines: int
    texts: tuple[str, str]
    cell: int | None = None
    factor: str = ""
    legend: tuple[int, int] = (0, 0)

    @property
    def width(self) -> int:
        """The width of the slide, at most, unless its cells need more."""
        return WIDTH if len(self.inputs) == 1 else WIDTH_OF_SEVERAL

    def signs(self) -> tuple[tuple[str, int], ...]:
        """Return the sign before each part, and the pixels from the part before it, in which the sign has room."""
        found = []
        for index, (name, _) in enumerate(self.parts):
            sign = f"{SIGNS[name]} {self.factor}".strip() if SIGNS[name] else ""
            least = GAP if index else GAP - 8
            found.append((sign, max(least, width_of(sign, TITLE) + 2 * PAD_OF_SIGN) if sign else GAP if index else 0))
        return tuple(found)


class SlideLayout(Struct, frozen=True):
    """The size of a slide, the side of the cells of input and map and of the calculation, and the boxes of all parts."""

    width: int
    height: int
    cell: int
    small_cell: int
    title: Box
    facts: Box
    inputs: tuple[Panel, ...]
    map: Panel
    legend: Box
    parts: tuple[dict[str, Panel], ...]
    result: Box

    @property
    def boxes(self) -> Iterator[Box]:
        """All boxes that have pixels."""
        panels = (*self.inputs, self.map, *(panel for parts in self.parts for panel in parts.values()))
        boxes = (
            self.title,
            self.facts,
            self.legend,
            self.result,
            *(box for p in panels for box in (p.heading, p.grid, p.sign_box)),
        )
        return (box for box in boxes if box.width and box.height)


def result_height(lines: int) -> int:
    """Return the height of the lines that lead to a value, of the value, and of its position."""
    return lines * height_of(FACTS) + height_of(TITLE) + 6 + 2 * height_of(FACTS)


def arrange_slide(sizes: SlideSizes) -> SlideLayout:
    """Return the boxes of a slide. It is at most ``sizes.width`` wide, unless its cells need more."""
    cell, small_cell = _cells(sizes)
    top = MARGIN + height_of(TITLE) + height_of(FACTS) + 12
    inputs, places, x = [], [], MARGIN
    input_size = size_in_pixels(sizes.input_shape, cell)
    for heading in sizes.inputs:
        inputs.append(_panel(heading, x, top, input_size))
        places.append(x)
        x += max(input_size[1], inputs[-1].heading.width, _calculation_width(sizes, small_cell) if len(sizes.inputs) > 1 else 0)
        x += GAP
    map_panel = _panel(sizes.map_heading, x, top, size_in_pixels(sizes.map_shape, cell))
    legend = Box(x, _bottom(map_panel.grid) + (ABOVE_LEGEND if sizes.legend[0] else 0), *sizes.legend[::-1])
    below = max(_bottom(legend), *(_bottom(panel.grid) for panel in inputs)) + GAP
    parts = [_arrange_parts(sizes, left, below, small_cell) for left in places]
    high = result_height(sizes.lines)
    if len(inputs) == 1:
        right = max(_right(panel) for panel in parts[0].values())
        result = Box(right + GAP, below, RESULT_WIDTH, high)
    else:
        result = Box(map_panel.grid.x, _bottom(legend) + GAP // 2, RESULT_WIDTH, high)
    panels = (*inputs, map_panel, *(panel for each in parts for panel in each.values()))
    texts = max(width_of(text, size) for text, size in zip(sizes.texts, (TITLE, FACTS), strict=True))
    right = max(min(MARGIN + texts, sizes.width - MARGIN), *map(_right, panels))
    right = max(right, result.x + result.width, legend.x + legend.width)
    bottom = max(_bottom(result), *(_bottom(panel.grid) for panel in panels))
    title = Box(MARGIN, MARGIN, right - MARGIN, height_of(TITLE))
    facts = Box(MARGIN, _bottom(title), right - MARGIN, height_of(FACTS))
    return SlideLayout(
        right + MARGIN, bottom + MARGIN, cell, small_cell, title, facts, tuple(inputs), map_panel, legend, tuple(parts), result
    )


def _cells(sizes: SlideSizes) -> tuple[int, int]:
    """Return the largest sides of the cells of input and map, and of the calculation, with which a slide has its size."""
    count, grids, gaps = len(sizes.inputs), len(sizes.parts), sum(gap for _, gap in sizes.signs())
    available = sizes.width - 2 * MARGIN - count * GAP
    across = count * sizes.input_shape[1] + sizes.map_shape[1]
    down = max(sizes.input_shape[0], sizes.map_shape[0])
    fitting = available // across
    if count > 1:  # the result stands below the map
        fitting = min(fitting, (available - RESULT_WIDTH) // (count * sizes.input_shape[1]))
    cell = sizes.cell or max(SMALLEST_CELL, min(LARGEST_CELL, fitting, HEIGHT // down))
    if count == 1:
        room = sizes.width - 2 * MARGIN - gaps - grids - GAP - RESULT_WIDTH
    else:
        room = (available - max(sizes.map_shape[1] * cell, RESULT_WIDTH)) // count - gaps - PAD_OF_SIGN - grids
    small = min(LARGEST_CELL, room // (grids * sizes.window[1]), 300 // sizes.window[0])
    readable = min(READABLE_CELL, 3 * READABLE_CELL // sizes.window[1])  # a window of 3 columns has its numbers in any case
    return cell, max(SMALLEST_CELL, sizes.cell or 0, small, readable)


def _calculation_width(sizes: SlideSizes, cell: int) -> int:
    panels = _arrange_parts(sizes, 0, 0, cell).values()
    return max(map(_right, panels))


def _arrange_parts(sizes: SlideSizes, x: int, y: int, cell: int) -> dict[str, Panel]:
    """Return the panels of a calculation, from left to right."""
    panels: dict[str, Panel] = {}
    for (name, heading), (sign, gap) in zip(sizes.parts, sizes.signs(), strict=True):
        x += gap
        panel = _panel(heading, x, y, size_in_pixels(sizes.window, cell))
        if sign:
            wide, high = width_of(sign, TITLE), height_of(TITLE)
            place = Box(x - gap + PAD_OF_SIGN, panel.grid.y + (panel.grid.height - high) // 2, wide, high)
            panel = Panel(heading, panel.heading, panel.grid, sign, place)
        panels[name] = panel
        x = _right(panel)
    return panels


def _panel(heading: str, x: int, y: int, size: tuple[int, int]) -> Panel:
    box = Box(x, y, width_of(heading, HEADING) if heading else 0, height_of(HEADING))
    return Panel(heading, box, Box(x, y + box.height + 4, size[1], size[0]))


def _right(panel: Panel) -> int:
    return max(panel.grid.x + panel.grid.width, panel.heading.x + panel.heading.width)


def _bottom(box: Box) -> int:
    return box.y + box.height
