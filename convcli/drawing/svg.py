"""Sheets as SVG: text as text, and the samples of tiles as pictures of their own size, enlarged when they are shown."""

import base64
from xml.sax.saxutils import escape

import numpy as np

from ..images.encoding import Encoding
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.provenance import Provenance
from ..images.write import fit
from . import text as letters
from .canvas import INK, Colour
from .layout import Box
from .sheet import ArrangedSheet, draw_on
from .tile import enlarged

PNG = Encoding(png_level=9)

DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that change the direction of the text after them, by which one name can look like another."""

FORBIDDEN = dict.fromkeys((*range(32), 127, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000), *DIRECTIONS), "\N{REPLACEMENT CHARACTER}")
"""Characters that XML does not hold, and those that would not be seen."""


class SvgCanvas:
    """The elements of an SVG picture."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def fill(self, box: Box, colour: Colour) -> None:
        """Add a rectangle."""
        self.elements.append(f'<rect {_place(box)} fill="{_hex(colour)}"/>')

    def paint(self, box: Box, pixels: Array, factors: tuple[int, int], title: str = "") -> None:
        """Add a picture, with a title that is shown when it is pointed at."""
        if (pixels.shape[0] * factors[0], pixels.shape[1] * factors[1]) != (box.height, box.width):
            pixels = enlarged(pixels, factors)[: box.height, : box.width]
        inner = f"<title>{escape(printable(title))}</title>" if title else ""
        self.elements.append(
            f'<image {_place(box)} preserveAspectRatio="none" style="image-rendering:pixelated" href="{png_uri(pixels)}">'
            f"{inner}</image>"
        )

    def write(self, at: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
        """Add a text, as wide as it is in pixels, whatever the font is."""
        if not text.strip():
            return
        x, y = at
        place = f'x="{x}" y="{y + letters.ascent_of(size)}" font-size="{size}" textLength="{letters.width_of(text, size)}"'
        self.elements.append(
            f'<text {place} lengthAdjust="spacingAndGlyphs" fill="{_hex(colour)}">{escape(printable(text))}</text>'
        )


def svg_file(sheet: ArrangedSheet, provenance: Provenance | None) -> str:
    """Return a sheet as the text of an SVG file."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + svg_element(sheet, provenance) + "\n"


def svg_element(sheet: ArrangedSheet, provenance: Provenance | None = None) -> str:
    """Return a sheet as an element ``svg``, which can stand in a page."""
    canvas = SvgCanvas()
    draw_on(canvas, sheet)
    width, height = sheet.layout.width, sheet.layout.height
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    font = 'font-family="Aileron, Helvetica, Arial, sans-serif" xml:space="preserve"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>']
    if provenance is not None:
        lines.append(f"<metadata>{provenance}</metadata>")
    lines.append(f'<rect width="{width}" height="{height}" fill="#ffffff"/>')
    return "\n".join([*lines, *canvas.elements, "</svg>"])


def png_file(pixels: Array) -> bytes:
    """Return pixels (h, w, 3) uint8 as a PNG file."""
    picture = Image(np.ascontiguousarray(pixels), 255)
    return fit(picture, format_named("png"), PNG).encode(picture)


def png_uri(pixels: Array) -> str:
    """Return pixels (h, w, 3) uint8 as a PNG file in a data URI."""
    return "data:image/png;base64," + base64.b64encode(png_file(pixels)).decode()


def printable(text: str) -> str:
    """Return a text without characters that XML does not hold."""
    return text.translate(FORBIDDEN)


def _place(box: Box) -> str:
    return f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()
