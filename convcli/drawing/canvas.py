"""What sheets are drawn on: pixels, or the elements of an SVG file (``svg``)."""

from typing import Protocol, TypeAlias

import numpy as np

from ..images.image import Array
from . import text as letters
from .layout import Box
from .tile import enlarged

Colour: TypeAlias = tuple[int, int, int]

INK = (32, 32, 32)


class Canvas(Protocol):
    """Something on which boxes, pixels and text are drawn."""

    def fill(self, box: Box, colour: Colour) -> None:
        """Fill a box with a colour."""

    def paint(self, box: Box, pixels: Array, factors: tuple[int, int], title: str = "") -> None:
        """Fill a box with pixels (h, w, 3) uint8, each as large as the factors (high, wide); what lies outside is cut off.

        ``title`` is the whole name of what is shown.
        """

    def write(self, at: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
        """Write a drawable text with its upper left corner at (x, y)."""


class PixelCanvas:
    """Pixels (H, W, 3) uint8, white at first."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels = np.full((height, width, 3), 255, np.uint8)

    def fill(self, box: Box, colour: Colour) -> None:
        """Fill a box with a colour."""
        self._part(box)[:] = colour

    def paint(self, box: Box, pixels: Array, factors: tuple[int, int], title: str = "") -> None:
        """Fill a box with enlarged pixels."""
        self._part(box)[:] = enlarged(pixels, factors)[: box.height, : box.width]

    def write(self, at: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
        """Write a text."""
        letters.write(self.pixels, at, text, size, colour)

    def _part(self, box: Box) -> Array:
        return self.pixels[box.y : box.y + box.height, box.x : box.x + box.width]
