"""Text: what the font has, and how large it is."""

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from convcli.drawing.text import ELLIPSIS, cut, drawable, height_of, width_of, write

NAMES = [
    "sobel-x",
    "gabor:theta=22.5,wavelength=6",
    "σ=2, Ωμέγα",
    "漢字フィルタ",
    "Ünïcödé",
    "",
    " ",
    "a\tb\x1b[31m",
    "🙂",
    "j" * 300,
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sobel-x@90", "sobel-x@90"),
        ("Größe é", "Grosse e"),
        ("σ, Σ", "sigma, Sigma"),
        ("漢字", "U+6F22U+5B57"),
        ("3 × 3", "3 x 3"),  # noqa: RUF001
        ("\x1b", "U+001B"),
    ],
)
def test_letters_that_the_font_lacks_are_spelled(text, expected):
    """So that two names never become one row of equal boxes."""
    assert drawable(text) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [9, 11, 13, 22])
def test_ink_stays_in_its_box(name, size):
    """The box that ``width_of`` and ``height_of`` measure, with nothing to its left, right, above or below."""
    text = drawable(name)
    width, height = width_of(text, size), height_of(size)
    canvas = np.full((height + 40, width + 40, 3), 255, np.uint8)
    write(canvas, (20, 20), text, size)
    inked = np.argwhere((canvas != 255).any(axis=2))
    assert bool(len(inked)) == bool(text.strip())
    if len(inked):
        (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0)
        assert top >= 20
        assert left >= 20
        assert bottom < 20 + height
        assert right < 20 + width


@pytest.mark.parametrize("letter", [chr(code) for code in range(33, 127)])
def test_no_ink_is_cut_off(letter):
    """A letter is as dark as Pillow draws it on a large picture."""
    for size in (9, 13, 22):
        canvas = np.full((60, 60, 3), 255, np.uint8)
        write(canvas, (20, 20), letter, size)
        picture = PIL.Image.new("L", (60, 60), 255)
        font = PIL.ImageFont.load_default(size).font_variant(layout_engine=PIL.ImageFont.Layout.BASIC)
        PIL.ImageDraw.Draw(picture).text((20, 20), letter, fill=32, font=font)
        assert abs((255 - canvas[..., 0].astype(int)).sum() - (255 - np.asarray(picture, int)).sum()) <= 60


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [0, 3, 17, 50, 120])
def test_cut_text_fits(name, width):
    """It is the text, its beginning with an ellipsis, or nothing."""
    text = drawable(name)
    short = cut(text, 11, width)
    assert short in ("", text) or (short.endswith(ELLIPSIS) and text.startswith(short[:-1]))
    assert width_of(short, 11) <= width or short == ""


def test_text_at_the_edge_of_a_canvas_is_cut_off():
    """No pixel is written on the other side."""
    canvas = np.full((14, 20, 3), 255, np.uint8)
    write(canvas, (14, 2), "mmmm", 13)
    assert (canvas[:2] == 255).all()
    assert (canvas[:, :14] == 255).all()
    assert (canvas != 255).any()
