"""Pictures in the escape sequences of terminals: Kitty's, iTerm2's, and Sixel.

Kitty: https://sw.kovidgoyal.net/kitty/graphics-protocol/; iTerm2: https://iterm2.com/documentation-images.html; Sixel:
https://vt100.net/docs/vt3xx-gp/chapter14.html.
"""

import base64

import numpy as np

from ..images.image import Array
from ..images.palette import indexed

KITTY_CHUNK = 4096
"""Characters of a part of a picture, at most."""

BAND = 6
"""Rows of pixels in a line of Sixel."""

LEAST_RUN = 4
"""Equal characters from which their number is written instead of them."""


def kitty(png: bytes, columns: int | None) -> str:
    """Return a PNG file as Kitty shows it, over so many columns of text, or in its own size.

    The terminal is asked for no answer, which the next program would read as keys.
    """
    data = base64.b64encode(png).decode()
    parts = [data[begin : begin + KITTY_CHUNK] for begin in range(0, len(data), KITTY_CHUNK)]
    first = "a=T,f=100,q=2," + (f"c={columns}," if columns else "")
    sequences = []
    for index, part in enumerate(parts):
        keys = f"{first if index == 0 else 'q=2,'}m={int(index < len(parts) - 1)}"
        sequences.append(f"\x1b_G{keys};{part}\x1b\\")
    return "".join(sequences)


def iterm2(png: bytes, columns: int | None) -> str:
    """Return a PNG file as iTerm2 shows it, over so many columns of text, or in its own size."""
    width = f"width={columns};" if columns else ""
    data = base64.b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};{width}preserveAspectRatio=1:{data}\x07"


def sixel(pixels: Array) -> str:
    """Return pixels (H, W, 3) uint8 as Sixel, in at most 256 colours, each in steps of a hundredth."""
    height, width = pixels.shape[:2]
    reduced = indexed(pixels, None, keeps_index=False)
    percent = np.rint(reduced.palette.astype(np.float64) * (100 / 255)).astype(int)
    palette = "".join(f"#{index};2;{red};{green};{blue}" for index, (red, green, blue) in enumerate(percent.tolist()))
    bands = [_band(reduced.indices[top : top + BAND]) for top in range(0, height, BAND)]
    return f'\x1bP0;0;0q"1;1;{width};{height}{palette}{"-".join(bands)}\x1b\\'


def _band(indices: Array) -> str:
    """Return up to six rows of indices (h, W): for each colour a line of characters, whose bits are the rows that have it."""
    width = indices.shape[1]
    colours, places = np.unique(indices, return_inverse=True)
    bits = np.zeros((len(colours), width), np.uint8)
    for row, line in enumerate(places.reshape(indices.shape)):
        bits[line, np.arange(width)] |= 1 << row
    changes = np.ones(bits.shape, bool)
    changes[:, 1:] = bits[:, 1:] != bits[:, :-1]
    begins = np.flatnonzero(changes)
    lengths, values = np.diff(begins, append=bits.size), bits.ravel()[begins]
    is_needed = (values > 0) | ((begins + lengths) % width > 0)  # nothing need follow the last pixel of a colour
    lines: list[list[str]] = [[f"#{colour}"] for colour in colours.tolist()]
    runs = zip((begins // width)[is_needed].tolist(), lengths[is_needed].tolist(), values[is_needed].tolist(), strict=True)
    for line, length, value in runs:
        character = chr(63 + value)
        lines[line].append(f"!{length}{character}" if length >= LEAST_RUN else character * length)
    return "$".join(map("".join, lines))
