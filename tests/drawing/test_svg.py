"""Sheets as SVG and as HTML: drawn from the layout of the pixels."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_array_equal

from convcli.drawing.canvas import PixelCanvas
from convcli.drawing.html import html_page
from convcli.drawing.options import SheetOptions
from convcli.drawing.sheet import Cell, Group, arrange_sheet, draw_on
from convcli.drawing.svg import svg_file
from convcli.drawing.text import height_of, width_of
from convcli.drawing.tile import drawn_size, tile_of
from convcli.images.provenance import Provenance

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert(1)</script>\"'&amp;\x00\x1b[31m"


def sheet_of(names, rng, side=90, heading="", options=None):
    """A sheet of maps of 9 x 7, one for each name."""
    cells = []
    for name in names:
        array = rng.normal(size=(9, 7, 1))
        tile = tile_of(name, "map", array, drawn_size(array.shape, side), (array.min(), array.max()))
        cells.append(Cell((tile,)))
    return arrange_sheet([Group(tuple(cells), side, heading)], 2, options or SheetOptions())


def pixels_of(sheet):
    """The sheet as pixels."""
    canvas = PixelCanvas(sheet.layout.height, sheet.layout.width)
    draw_on(canvas, sheet)
    return canvas.pixels


def box_of(element):
    """x, y, width and height of an element."""
    return [int(element.get(name)) for name in ("x", "y", "width", "height")]


def picture_of(element):
    """The pixels of an embedded picture."""
    kind, data = element.get("href").split(",")
    assert kind == "data:image/png;base64"
    with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        return np.asarray(picture)


def test_pictures_lie_where_the_pixels_have_them(rng):
    """Each enlarged to its box, as a browser does, is the part of the sheet of pixels."""
    sheet = sheet_of(["a", "b", "c"], rng)
    pixels = pixels_of(sheet)
    root = ET.fromstring(svg_file(sheet, None))
    images = root.findall(f"{SVG}image")
    assert len(images) == 3 + 1  # the bar of the legend
    for element in images:
        x, y, width, height = box_of(element)
        samples = picture_of(element)
        enlarged = samples.repeat(height // samples.shape[0], 0).repeat(width // samples.shape[1], 1)
        assert_array_equal(enlarged, pixels[y : y + height, x : x + width])
        assert "pixelated" in element.get("style")
    tiles = [cell.tile for cell in sheet.layout.groups[0].cells]
    inside = [box_of(element)[:2] for element in images[:3]]
    assert all(tile.x <= x and tile.y <= y for tile, (x, y) in zip(tiles, inside, strict=True))
    assert [int(root.get(name)) for name in ("width", "height")] == [sheet.layout.width, sheet.layout.height]


def test_text_is_text_in_the_boxes_of_the_layout(rng):
    """As wide as its length is stated, below its tile."""
    sheet = sheet_of(["sobel-x", "long name " * 9], rng, heading="maps: 2")
    texts = ET.fromstring(svg_file(sheet, None)).findall(f"{SVG}text")
    assert [text.text for text in texts][:2] == ["maps: 2", "sobel-x"]
    group = sheet.layout.groups[0]
    boxes = [group.heading, *(cell.caption for cell in group.cells), *group.legend]
    for text in texts:
        x, y, size, width = (int(text.get(name)) for name in ("x", "y", "font-size", "textLength"))
        assert width == width_of(text.text, size)
        inside = [box for box in boxes if box.x <= x and box.y <= y <= box.y + box.height and x + width <= box.x + box.width]
        assert len(inside) == 1
        assert y >= inside[0].y + size * 0.8
        assert y <= inside[0].y + inside[0].height - (height_of(size) - size) // 3


@pytest.mark.parametrize("provenance", [None, Provenance("0" * 32, "f" * 32)])
def test_hostile_names_are_text(rng, provenance):
    """In both formats; nothing is loaded, no script is there, and the provenance is."""
    sheet = sheet_of([HOSTILE, "漢字 σ"], rng, heading=HOSTILE)
    svg, page = svg_file(sheet, provenance), html_page(sheet, HOSTILE, provenance)
    root = ET.fromstring(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {"svg", "rect", "image", "title", "text", "metadata"}
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert titles[0].startswith("</title><script>alert(1)</script>")
    assert titles[1] == "漢字 σ"
    assert "<script" not in page
    assert "<script" not in svg
    for text in (svg, page):
        assert (str(provenance) in text) == (provenance is not None)
        assert re.findall(r'(?:href|src)="(?!data:image/png;base64,)', text) == []
        assert "url(" not in text
        assert "@import" not in text
        text.encode()


def test_surrogates_are_replaced(rng):
    """A byte of a name that is not UTF-8 is one. They cannot be printed, so that their numbers are compared."""
    sheet = sheet_of(["a\udcff", "b"], rng, heading="\ud800")
    for text in (svg_file(sheet, None), html_page(sheet, "\udcff", None)):
        assert [ord(character) for character in text if 0xD800 <= ord(character) < 0xE000] == []
        assert "\N{REPLACEMENT CHARACTER}" in text


def test_a_page_lists_what_its_tiles_show(rng):
    """A row for each, with its range and scale."""
    page = html_page(sheet_of(["a", "b"], rng, options=SheetOptions(percentile=90)), "t", None)
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows[1:]]
    assert [row[:3] for row in cells] == [["a", "map", "7 x 9"], ["b", "map", "7 x 9"]]
    assert all(float(row[3]) < 0 < float(row[4]) for row in cells)
    assert cells[0][5] == cells[1][5]
    assert int(cells[0][7] or 0) + int(cells[1][7] or 0) == round(2 * 63 * 0.1)


def test_without_labels_only_the_legend_has_text(rng):
    """As in pixels."""
    sheet = sheet_of(["a"], rng, heading="h", options=SheetOptions(labels=False))
    texts = [text.text for text in ET.fromstring(svg_file(sheet, None)).findall(f"{SVG}text")]
    assert texts[0] == "maps"
    assert "0" in texts
    assert len(texts) == 4
