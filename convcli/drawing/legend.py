"""The legend of a group: a bar for each scale, a square for each colour of samples that are on none."""

from collections import Counter
from pathlib import PurePath

import numpy as np
from msgspec import Struct

from ..images.image import Array
from . import colormaps
from .canvas import Canvas
from .captions import number
from .colouring import Colouring, Counts
from .layout import PAD, Box
from .text import cut, drawable, height_of, width_of

BAR = (12, 180)
"""Height and width of a bar."""
SIZE = 11
"""Size of the font."""

MOST_FILES = 4
"""Files up to which each has a scale in a legend."""

KINDS = {"map": "maps", "kernel": "kernels", "input": "input"}


class Item(Struct, frozen=True, eq=False):
    """A part of a legend: a title above the colours, and texts below them at the left end, in the middle and at the right end.

    A square has its title beside it, and no texts; a note has no colours and is its title. ``signed`` is whether 0 is in the
    middle, ``is_rgb`` whether the colours are the levels of red, green and blue.
    """

    title: str
    colours: Array  # (n, 3), from left to right
    ends: tuple[str, str, str] = ("", "", "")
    signed: bool = False
    is_rgb: bool = False

    @property
    def is_square(self) -> bool:
        """Whether it stands for one colour."""
        return len(self.colours) == 1

    @property
    def is_note(self) -> bool:
        """Whether it is text alone."""
        return not len(self.colours)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        title = width_of(self.title, SIZE)
        if self.is_note:
            return height_of(SIZE), title
        if self.is_square:
            return max(BAR[0], height_of(SIZE)), BAR[0] + PAD + title
        ends = sum(width_of(end, SIZE) + 2 * PAD for end in self.ends)
        return 2 * height_of(SIZE) + BAR[0] + 4, max(BAR[1], title, ends)

    def draw(self, canvas: Canvas, box: Box) -> None:
        """Draw it in a box of its size."""
        if self.is_note:
            canvas.write((box.x, box.y), cut(self.title, SIZE, box.width), SIZE)
            return
        if self.is_square:
            square = Box(box.x, box.y + (box.height - BAR[0]) // 2, BAR[0], BAR[0])
            canvas.paint(square, self.colours[None], (BAR[0], BAR[0]))
            canvas.write((box.x + BAR[0] + PAD, box.y), self.title, SIZE)
            return
        canvas.write((box.x, box.y), self.title, SIZE)
        top = box.y + height_of(SIZE) + 2
        canvas.paint(Box(box.x, top, box.width, BAR[0]), self.colours_for(box.width)[None], (BAR[0], 1))
        for end, share in zip(self.ends, (0, 0.5, 1), strict=True):
            left = box.x + round((box.width - width_of(end, SIZE)) * share)
            canvas.write((left, top + BAR[0] + 2), end, SIZE)

    def colours_for(self, width: int) -> Array:
        """Return the colours (width, 3) of a bar of so many pixels."""
        return spread(self.colours, width)


def spread(values: Array, count: int) -> Array:
    """Return so many of values at equal distances, from the first to the last.

    >>> spread(np.array([0, 1, 2, 3, 4]), 3).tolist(), spread(np.array([0, 1]), 4).tolist()
    ([0, 2, 4], [0, 0, 1, 1])
    """
    chosen: Array = values[np.rint(np.linspace(0, len(values) - 1, count)).astype(np.intp)]
    return chosen


def items_of(colourings: list[Colouring], counts: list[Counts]) -> list[Item]:
    """Return the parts of the legend of a group: of each scale once, then of what is on no scale, where it occurs.

    Red, green and blue are black or white in their channel where they are below or above the scale.
    """
    groups = dict.fromkeys(colouring.group for colouring in colourings)
    alike = Counter((group.kind, group.is_rgb) for group in groups)
    files = {group.file for group in groups}
    bars: dict[object, Item] = {}
    for colouring in colourings:
        group = colouring.group
        stands_alone = group.owner is None or group.kind == "input" or alike[group.kind, group.is_rgb] == 1
        has_ends = stands_alone and (len(files) <= MOST_FILES or not group.file)
        if colouring.scale is None and has_ends:
            continue
        item = Item(
            _title(colouring, stands_alone, files),
            colormaps.colormap(colouring.colormap),
            _ends(colouring) if has_ends else (("-max", "0", "max") if group.signed else ("min", "", "max")),
            group.signed,
            group.is_rgb,
        )
        bars.setdefault(group if has_ends else (group.kind, group.is_rgb, group.signed, group.are_levels), item)
    grey = [count for colouring, count in zip(colourings, counts, strict=True) if not colouring.group.is_rgb]
    total = [sum(count.unknown for count in counts), sum(count.below for count in grey), sum(count.above for count in grey)]
    shared = {
        (scale.low, scale.high) for colouring in colourings if colouring.group.owner is None and (scale := colouring.scale)
    }
    low, high = (f" {number(end)}" for end in shared.pop()) if len(shared) == 1 else ("", "")
    titles = ("NaN", f"below{low or ' the scale'}", f"above{high or ' the scale'}")
    if total[1] + total[2] == sum(count.infinite for count in grey):
        titles = ("NaN", "-inf", "inf")
    colours = (colormaps.UNKNOWN, colormaps.BELOW, colormaps.ABOVE)
    squares = [
        Item(title, np.array([colour], np.uint8)) for title, colour, count in zip(titles, colours, total, strict=True) if count
    ]
    return [*bars.values(), *squares]


def _title(colouring: Colouring, stands_alone: bool, files: set[str]) -> str:
    """Return what has a scale: all tiles of a kind, those of a file, a single one, or each of several."""
    group = colouring.group
    name = "levels of maps" if group.are_levels else KINDS[group.kind]
    if group.owner is not None and group.kind != "input":
        name = f"{'' if stands_alone else 'each '}{KINDS[group.kind][:-1]}"
    elif group.file and len(files) > MOST_FILES:
        name = f"{name} of each file"
    elif group.file and len(files) > 1:
        name = f"{name} of {drawable(PurePath(group.file).name)}"
    means = ", each pixel a mean of samples" if colouring.of_means else ""
    return f"{name}{means}{': red, green, blue' if group.is_rgb else ''}"


def _ends(colouring: Colouring) -> tuple[str, str, str]:
    assert colouring.scale is not None
    low, high = colouring.scale.low, colouring.scale.high
    return number(low), "0" if colouring.group.signed else "", number(high)
