"""Pictures in the character cells of a terminal: two pixels in each, as half blocks in colour, or one as a character."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from ..images.image import Array
from .colouring import Colouring
from .scale import positions
from .tile import Drawn, Tile, reduced

UPPER_HALF = "\N{UPPER HALF BLOCK}"
RESET = "\x1b[0m"

RAMP = " .:-=+*#%@"
"""Characters of colours from dark to light, as on a dark terminal."""
SCALE_RAMP = ".:-=+*#%@"
"""Characters from the low to the high end of a scale: none is a space, so that the extent of a constant map is seen."""
SIGNED_RAMP = "M=~-.:+*#"
"""Characters from the low end of a signed scale over 0, a dot, to its high end."""
UNKNOWN, BELOW, ABOVE = "?<>"
"""Characters of NaN, and of samples below and above the scale."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])

CUBE = np.array([0, 95, 135, 175, 215, 255])
GREYS = 8 + 10 * np.arange(24)
"""Levels of the colours 16 to 231 of a terminal with 256, a cube, and of its greys, 232 to 255."""


class CharacterPicture(Struct, frozen=True):
    """Lines that are all as wide, in columns."""

    lines: tuple[str, ...] = ()
    width: int = 0


def drawn_in_cells(shape: tuple[int, ...], side: int, aspect: float, factor: int | None = None) -> Drawn:
    """Return the size in which an array (H, W, ...) is drawn in a square as wide as ``side`` pixels.

    ``aspect`` is the height of a pixel divided by its width. A larger array is reduced, a smaller one enlarged by a whole
    factor, ``factor`` where it is given and fits.

    >>> drawn_in_cells((512, 512), 40, 2.0), drawn_in_cells((3, 3), 20, 1.0)
    (Drawn(samples=(20, 40), factors=(1, 1)), Drawn(samples=(3, 3), factors=(6, 6)))
    """
    height, width = shape[:2]
    longest = max(height, width)
    if longest > side:
        rows = round(height * side / longest / aspect)
        return Drawn((min(max(1, rows), height), max(1, round(width * side / longest))))
    enlargement = min(factor or side // longest, side // longest)
    if enlargement < aspect:  # a row of pixels is higher than the samples of a row
        rows = max(1, round(height * enlargement / aspect))
        return Drawn((min(rows, height), width), (1, enlargement))
    return Drawn((height, width), (round(enlargement / aspect), enlargement))


def half_blocks(pixels: Array, has_true_colour: bool) -> CharacterPicture:
    """Return pixels (H, W, 3) uint8 as lines of half blocks, two rows in each, in true colour or in 256 colours.

    The lower half of the last line of an odd number of rows has the colour of the terminal.
    """
    codes = _codes(pixels, has_true_colour)
    lines = []
    for upper in range(0, len(codes), 2):
        lower = codes[upper + 1] if upper + 1 < len(codes) else [""] * len(codes[upper])
        line, before = [], ("", "")
        for above, below in zip(codes[upper], lower, strict=True):
            if (above, below) != before:
                line.append(f"\x1b[38;{above}{';48;' + below if below else ''}m")
                before = above, below
            line.append(UPPER_HALF)
        lines.append("".join(line) + RESET)
    return CharacterPicture(tuple(lines), pixels.shape[1])


def on_colour(text: str, colour: Sequence[int], is_black: bool, has_true_colour: bool) -> str:
    """Return black or white text on a colour."""
    (((code,),),) = (_codes(np.array([[colour]], np.uint8), has_true_colour),)
    return f"\x1b[{30 if is_black else 97};48;{code}m{text}{RESET}"


def _codes(pixels: Array, has_true_colour: bool) -> list[list[str]]:
    """Return the parameters of a colour in an escape sequence for each pixel."""
    if has_true_colour:
        return [[f"2;{red};{green};{blue}" for red, green, blue in row] for row in pixels.tolist()]
    return [[f"5;{index}" for index in row] for row in nearest_of_256(pixels).tolist()]


def nearest_of_256(pixels: Array) -> Array:
    """Return the index of the nearest of a terminal's 256 colours for pixels (..., 3) uint8.

    The first 16 are left out, as every terminal has others.
    """
    levels = pixels.astype(np.int64)
    steps = np.abs(levels[..., None] - CUBE).argmin(axis=-1)
    greys = np.abs(levels.mean(axis=-1)[..., None] - GREYS).argmin(axis=-1)
    to_cube = ((CUBE[steps] - levels) ** 2).sum(axis=-1)
    to_grey = ((GREYS[greys][..., None] - levels) ** 2).sum(axis=-1)
    indices: Array = np.where(to_grey < to_cube, 232 + greys, 16 + steps @ np.array([36, 6, 1]))
    return indices


def characters_of(tile: Tile, colouring: Colouring | None, size: tuple[int, int]) -> Array:
    """Return a tile that is reduced to a size as characters (h, w)."""
    samples = reduced(tile.samples, size)
    if colouring is None or tile.is_rgb:
        colours = np.broadcast_to(samples, (*size, 3)) if colouring is None else colouring.painted(samples)
        return _on_ramp(colours @ LUMINANCE / 255, RAMP)
    places = positions(samples[:, :, 0], colouring.scale)
    is_signed = colouring.scale is not None and colouring.scale.signed
    characters = _on_ramp(np.clip(np.nan_to_num(places), 0, 1), ramp_for(is_signed))
    characters[places < 0], characters[places > 1], characters[np.isnan(places)] = BELOW, ABOVE, UNKNOWN
    return characters


def ramp_for(signed: bool) -> str:
    """Return the characters of a scale, from low to high."""
    return SIGNED_RAMP if signed else SCALE_RAMP


def _on_ramp(shares: Array, ramp: str) -> Array:
    indices = np.minimum((shares * len(ramp)).astype(np.intp), len(ramp) - 1)
    characters: Array = np.array(list(ramp))[indices]
    return characters


def character_lines(characters: Array) -> CharacterPicture:
    """Return characters (h, w) as lines."""
    return CharacterPicture(tuple("".join(row) for row in characters.tolist()), characters.shape[1])


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for wide characters, none for those that combine.

    >>> columns_of("ab"), columns_of("\\u6f22")
    (2, 2)
    """
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def cut_to(text: str, columns: int) -> str:
    """Return a text, or its beginning with three dots, that takes at most so many columns."""
    if columns_of(text) <= columns:
        return text
    dots = "..."[: max(columns, 0)]
    while text and columns_of(text) > columns - len(dots):
        text = text[:-1]
    return text + dots


def padded(text: str, columns: int) -> str:
    """Return a text, cut or filled with spaces to so many columns."""
    text = cut_to(text, columns)
    return text + " " * (columns - columns_of(text))
