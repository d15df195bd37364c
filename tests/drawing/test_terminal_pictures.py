"""Pictures as terminals get them: each protocol, decoded again."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.drawing import character_cells, terminal_graphics
from convcli.drawing.character_cells import columns_of, cut_to, drawn_in_cells, half_blocks, nearest_of_256, padded
from convcli.drawing.colouring import colourings_of
from convcli.drawing.options import SheetOptions
from convcli.drawing.tile import drawn_size, tile_of
from terminals import colour_of_256, iterm2_pictures, kitty_pictures, pixels_of_half_blocks, sixel_pixels


@pytest.mark.parametrize("shape", [(4, 5), (7, 3), (1, 1), (60, 200)])
def test_half_blocks_have_the_colours_of_their_pixels(rng, shape):
    """Two rows in a line; the lower half of the last of an odd number has no colour."""
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    picture = half_blocks(pixels, has_true_colour=True)
    decoded = pixels_of_half_blocks(picture.lines)
    assert (picture.width, len(picture.lines)) == (shape[1], -(-shape[0] // 2))
    assert_array_equal(decoded[: shape[0]], pixels)
    assert (decoded[shape[0] :] == -1).all()


def test_256_colours_are_the_nearest(rng):
    """By the squared distance to each of the colours 16 to 255."""
    colours = np.array([colour_of_256(index) for index in range(16, 256)])
    pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    found = colours[nearest_of_256(pixels) - 16]
    best = ((pixels[:, :, None].astype(int) - colours) ** 2).sum(axis=3).min(axis=2)
    assert_array_equal(((found - pixels) ** 2).sum(axis=2), best)
    assert_array_equal(pixels_of_half_blocks(half_blocks(pixels, has_true_colour=False).lines), found)


def test_equal_colours_are_not_repeated():
    """A line of one colour has one escape sequence, and one that ends it."""
    (line,) = half_blocks(np.full((2, 90, 3), 7, np.uint8), has_true_colour=True).lines
    assert line.count("\x1b") == 2


@pytest.mark.parametrize(
    ("shape", "side", "aspect", "height", "width"),
    [
        ((512, 512), 40, 1.0, 40, 40),
        ((512, 512), 40, 2.0, 20, 40),
        ((427, 640), 80, 1.0, 53, 80),
        ((640, 427), 80, 2.0, 40, 53),
        ((3, 3), 20, 1.0, 18, 18),
        ((3, 3), 20, 2.0, 9, 18),
        ((3, 3), 3, 2.0, 2, 3),
        ((1, 1), 1, 1.0, 1, 1),
        ((1, 1000), 20, 1.0, 1, 20),
        ((1000, 1), 20, 2.0, 10, 1),
    ],
)
def test_arrays_keep_their_proportions(shape, side, aspect, height, width):
    """In pixels that are ``aspect`` times as high as wide."""
    assert drawn_in_cells(shape, side, aspect).size == (height, width)


def test_a_scale_is_taken_where_it_fits():
    """Else the largest that does."""
    assert drawn_in_cells((4, 4), 40, 1.0, factor=5).factors == (5, 5)
    assert drawn_in_cells((4, 4), 10, 1.0, factor=5).factors == (2, 2)


@pytest.mark.parametrize("columns", [None, 33])
def test_kitty_and_iterm2_get_the_bytes_of_the_file(rng, columns):
    """In parts of at most 4096 characters; the width is given where it is not that of the picture."""
    data = rng.bytes(10_000)
    ((png, keys),) = kitty_pictures(terminal_graphics.kitty(data, columns))
    assert (png, keys["f"], keys["a"], keys["q"], keys.get("c")) == (data, "100", "T", "2", columns and "33")
    ((png, keys),) = iterm2_pictures(terminal_graphics.iterm2(data, columns))
    assert (png, keys["size"], keys["inline"], keys.get("width")) == (data, "10000", "1", columns and "33")


@pytest.mark.parametrize("shape", [(1, 1), (6, 4), (7, 9), (100, 131)])
def test_sixel_has_every_pixel_once(rng, shape):
    """In colours that differ from the true ones by the rounding to hundredths."""
    colours = rng.integers(0, 256, (200, 3), dtype=np.uint8)
    pixels = colours[rng.integers(0, 200, shape)]
    decoded = sixel_pixels(terminal_graphics.sixel(pixels))
    assert decoded.shape == pixels.shape
    assert np.abs(decoded - pixels.astype(int)).max() <= 2


def test_sixel_of_many_colours_is_reduced(rng):
    """To 256 colours, which are near."""
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(99)), axis=2)
    decoded = sixel_pixels(terminal_graphics.sixel(pixels))
    assert len(np.unique(decoded.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(decoded - pixels.astype(int)).mean() < 8


def characters_of(values, **options):
    """A map as lines of characters."""
    array = np.asarray(values, np.float64)[:, :, None]
    finite = array[np.isfinite(array)]
    extremes = (finite.min(), finite.max()) if finite.size else None
    tile = tile_of("m", "map", array, drawn_size(array.shape, 64), extremes)
    colouring = colourings_of([tile], SheetOptions(**options))[tile]
    characters = character_cells.characters_of(tile, colouring, array.shape[:2])
    return ["".join(row) for row in characters.tolist()]


def test_characters_tell_negative_from_positive_values():
    """And what is on no scale; the ends of a scale are the ends of its ramp."""
    assert characters_of([[-4, -3, -2, -1, 0, 1, 2, 3, 4]]) == ["M=~-.:+*#"]
    assert characters_of([[0, 1, 2, 3, 4, 5, 6, 7, 8]]) == [".:-=+*#%@"]
    assert characters_of([[0, np.nan, np.inf, -np.inf, 9]]) == [".?><@"]
    assert characters_of([[np.nan, np.inf]]) == ["?>"]


def test_maps_of_zeros_are_seen():
    """Their extent too: no character of a scale is a space."""
    assert characters_of(np.zeros((2, 3))) == ["...", "..."]
    assert " " not in "".join(characters_of(np.arange(-50, 50).reshape(10, 10)))


def test_wide_characters_are_counted_and_cut():
    """A CJK character takes two columns, an accent that combines none."""
    assert [columns_of(text) for text in ("漢字", "é", "e\u0301", "")] == [4, 1, 1, 0]
    for text in ("漢字の長い名前", "sobel-x", "e\u0301" * 9):
        for columns in range(12):
            assert columns_of(cut_to(text, columns)) <= columns
            assert columns_of(padded(text, columns)) == columns
