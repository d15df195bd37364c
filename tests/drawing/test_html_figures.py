"""Tiles, histograms and legends as HTML, decoded again; arrays that are reduced some rows at a time."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from convcli.drawing.colouring import colourings_of
from convcli.drawing.html_figures import histogram_svg, legend, picture
from convcli.drawing.html_page import head_of, table, text
from convcli.drawing.options import SheetOptions
from convcli.drawing.reduction import Reduction
from convcli.drawing.sheet import legend_of
from convcli.drawing.thumbnail import ILLUSTRATED, PAGE_BYTES, detail_for, thumbnail_uri
from convcli.drawing.tile import drawn_size, tile_of
from convcli.images.histogram import Histogram
from pages import Page, bars_of, picture_of

HOSTILE = "</title><script>alert(1)</script>\"'&amp;\x00\x1b[31m\ud800"


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(1, 20),
    st.lists(st.integers(1, 39), max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_rows_in_parts_give_the_means_of_the_whole(height, width, channels, side, cuts, seed):
    """Each mean is that of whole samples, whatever the parts are; rows that come again are left out."""
    array = np.random.default_rng(seed).normal(size=(height, width, channels)).astype(np.float32)
    size = min(side, height), min(side, width)
    reduction = Reduction(height, size)
    ends = sorted({0, height, *(cut for cut in cuts if cut < height)})
    for begin, end in zip(ends[:-1], ends[1:], strict=True):
        assert not reduction.is_complete
        assert reduction.add(begin, array[begin:end])
        assert not reduction.add(begin, array[begin:end])
    assert reduction.is_complete
    filled = array if channels in (1, 3) else array.mean(axis=2, keepdims=True)
    rows, columns = (np.arange(count) * length // count for count, length in zip(size, (height, width), strict=True))
    pieces = [
        [block.mean(axis=(0, 1)) for block in np.split(rows_, columns[1:], axis=1)] for rows_ in np.split(filled, rows[1:])
    ]
    assert_allclose(reduction.means(), np.array(pieces), rtol=1e-5, atol=1e-5)


def test_small_tiles_are_exact_and_large_ones_bounded():
    """PNG up to 48 x 48, JPEG above, of noise too; always the whole picture, if need be smaller."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert_array_equal(picture_of({"src": thumbnail_uri(small, 9000)}), small)
    noise = rng.integers(0, 256, (240, 200, 3), dtype=np.uint8)
    for most in (60_000, 20_000, 5_000, 1_500):
        uri = thumbnail_uri(noise, most)
        assert len(uri) < most * 4 / 3 + 40
        shape = picture_of({"src": uri}).shape
        assert shape[0] / shape[1] == pytest.approx(1.2, rel=0.05)
    smooth = np.asarray(PIL.Image.fromarray(noise).resize((4, 4)).resize((200, 240), PIL.Image.Resampling.BICUBIC))
    assert np.abs(picture_of({"src": thumbnail_uri(smooth, 20_000)}).astype(int) - smooth).max() < 16


@pytest.mark.parametrize("pictures", [1, 2, 20, 300, 1000, 100_000])
@pytest.mark.parametrize("maps", [1, 8, 512])
def test_all_pictures_have_room_on_a_page(pictures, maps):
    """With the bytes of their tiles in base64, of those that are shown."""
    detail = detail_for(pictures, maps)
    assert 1 <= detail.maps <= maps
    assert detail.side >= 48
    assert min(pictures, ILLUSTRATED) * (detail.maps + 1) * detail.tile_bytes * 4 / 3 < PAGE_BYTES
    assert (pictures, maps, detail.maps < maps) != (1, 8, True)


def test_a_tile_is_drawn_in_the_colours_of_its_scale():
    """The number of pixels of each sample is a whole one."""
    array = np.array([[-1.0, 0, 2], [np.nan, 1, -2]], np.float32)[:, :, None]
    tile = tile_of("<b>", "map", array, drawn_size(array.shape, 120), (-2.0, 2.0))
    colourings = colourings_of([tile], SheetOptions())
    page = Page(picture(tile, colourings[tile], 120, 9000))
    img = page.one("img")
    assert (img["width"], img["height"], img["alt"]) == ("120", "80", "map <b>")
    pixels = picture_of(img)
    assert pixels.shape == (2, 3, 3)
    assert tuple(pixels[1, 0]) == (255, 0, 220)
    assert pixels[0, 2, 0] > pixels[0, 2, 2]  # red above 0, blue below
    assert pixels[1, 2, 0] < pixels[1, 2, 2]
    shown = Page(legend(legend_of(colourings)))
    assert [span["text"] for span in shown.all("span", shown.one("div", class_="ends"))] == ["-2", "0", "2"]
    assert shown.text.endswith("NaN")


def test_bars_are_square_roots_and_clipped_ones_have_a_class():
    """The dashed line is at 0; the ends are those of the bins. A bin that begins at the end of the range holds kept values."""
    histogram = Histogram(2.0, -1, (1, 0, 100, 25, 4))
    page = Page(histogram_svg(histogram, 0.0, 6.0))
    assert bars_of(page.one("svg"), page) == ({0: 10, 2: 100, 3: 50, 4: 20}, {0})
    assert page.one("path", class_="zero")["d"] == "M1 0v100"
    assert [span["text"] for span in page.all("span")] == ["-2", "8"]
    assert histogram_svg(Histogram(0.0, 0, ())) == ""
    constant = Page(histogram_svg(Histogram(0.0, 0, (7,), 3.5)))
    assert [span["text"] for span in constant.all("span")] == ["3.5"]


def test_texts_are_escaped():
    """In titles, cells and attributes."""
    page = Page(head_of(HOSTILE, "", HOSTILE) + table([HOSTILE], [[HOSTILE, 1]], 1) + "</body></html>")
    assert not page.all("script")
    assert page.one("title")["text"] == page.one("th")["text"] == "</title><script>alert(1)</script>\"'&amp;�" + "�[31m�"
    assert text('"') == "&quot;"


def test_names_with_quotes_stay_in_their_attribute():
    """The text for who does not see the picture has the whole name, and the title of a legend is text."""
    array = np.eye(3, dtype=np.float32)[:, :, None]
    tile = tile_of('a"onload=x y="<b>', "map", array, drawn_size((3, 3), 48), (0.0, 1.0))
    colouring = colourings_of([tile], SheetOptions())[tile]
    image = Page(picture(tile, colouring, 48, 4500)).one("img")
    assert image["alt"] == 'map a"onload=x y="<b>'
    assert set(image) - {"tag", "text"} >= {"src", "width", "height", "alt"}
    assert "onload" not in image
