"""Text, in the font that Pillow contains: Aileron Regular, by Sora Sagano, https://dotcolon.net/fonts/aileron, under CC0.

It has the letters of ASCII, and few others. ``drawable`` replaces what it lacks, so that no text depends on the fonts of a
machine.
"""

import functools
import math
import unicodedata

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ..images.image import Array

ELLIPSIS = "…"
FURTHER = {"×": "x", "÷": "/", "−": "-", "–": "-", "—": "-", "°": " deg", "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE"}  # noqa: RUF001
"""What stands for characters that have no decomposition."""


DARK = 0.179
"""Luminance up to which white text has more contrast than black text: where (L + 0.05)^2 = 0.05 x 1.05, by WCAG 2."""

Ink = tuple[int, int, int]


def ink_on(colours: Array) -> Array:
    """Return whether the text on each of some colours (..., 3) is black; on the others it is white."""
    dark_ink: Array = (colours / 255.0) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722]) > DARK
    return dark_ink


@functools.cache
def _font(size: int) -> PIL.ImageFont.FreeTypeFont:
    """Return the font in a size. Another layout engine, where it is installed, would place letters elsewhere."""
    font = PIL.ImageFont.load_default(size)
    assert isinstance(font, PIL.ImageFont.FreeTypeFont)
    return font.font_variant(layout_engine=PIL.ImageFont.Layout.BASIC)


@functools.cache
def _has_glyph(character: str) -> bool:
    font = _font(16)
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def drawable(text: str) -> str:
    """Return a text in letters that the font has: accents are left out, Greek letters are named, others are code points.

    >>> drawable("σ=2, Gauß, 漢")
    'sigma=2, Gauss, U+6F22'
    """
    return "".join(_spelled(character) for character in unicodedata.normalize("NFC", text))


@functools.cache
def _spelled(character: str) -> str:
    if character == " " or (character.isprintable() and _has_glyph(character)):
        return character
    if character in FURTHER:
        return FURTHER[character]
    kept = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    if kept and kept != character:
        return "".join(map(_spelled, kept))
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        name = words[words.index("LETTER") + 1].lower()
        return name.capitalize() if "CAPITAL" in words else name
    return "" if unicodedata.combining(character) else f"U+{ord(character):04X}"


def width_of(text: str, size: int) -> int:
    """Return the width in pixels of a drawable text."""
    words = text.split(" ")
    return sum(_word_width(word, size) for word in words) + (len(words) - 1) * _space(size)


def _space(size: int) -> int:
    """Return the width of a space. That of the font is kerned away beside some digits."""
    return max(2, round(size * 0.3))


@functools.lru_cache(4096)
def _word_width(word: str, size: int) -> int:
    left, _, right, _ = _font(size).getbbox(word)
    return math.ceil(max(right, _font(size).getlength(word))) - math.floor(min(left, 0))


@functools.cache
def height_of(size: int) -> int:
    """Return the height of a line of text, from the top of the highest letter to the bottom of the lowest."""
    return sum(_font(size).getmetrics())


def ascent_of(size: int) -> int:
    """Return the distance from the top of a line of text to its base line."""
    return _font(size).getmetrics()[0]


def cut(text: str, size: int, width: int) -> str:
    """Return a text, or its beginning with an ellipsis, that is at most ``width`` wide; empty where not one letter fits."""
    if width_of(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle].rstrip() + ELLIPSIS, size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS if text[:low].strip() else ""


def write(canvas: Array, at: tuple[int, int], text: str, size: int, colour: Ink = (32, 32, 32)) -> None:
    """Write a drawable text on a canvas (H, W, 3) uint8, with its upper left corner at (x, y)."""
    if not text:
        return
    x, y = at
    mask = _mask(text, size)
    part = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    cover = mask[: part.shape[0], : part.shape[1], None]
    part[:] = (part * (255 - cover) + np.array(colour, np.uint16) * cover + 127) // 255


@functools.lru_cache(1024)
def _mask(text: str, size: int) -> Array:
    """Return how far the letters of a text cover each pixel, 0..255: (H, W) uint16, read-only."""
    width, height = width_of(text, size), height_of(size)
    mask = PIL.Image.new("L", (width, height))
    pen, place = PIL.ImageDraw.Draw(mask), 0
    for word in text.split(" "):
        left = math.floor(min(_font(size).getbbox(word)[0], 0))
        pen.text((place - left, 0), word, fill=255, font=_font(size))
        place += _word_width(word, size) + _space(size)
    cover = np.asarray(mask, np.uint16)
    cover.flags.writeable = False
    return cover
