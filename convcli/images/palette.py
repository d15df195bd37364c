"""Reduces the colours of a picture to a palette, for GIF."""

import numpy as np
import PIL.Image
from msgspec import Struct

from .image import Array

MAX_COLOURS = 256
OPAQUE_FROM = 128
"""Alpha from which a pixel is visible where it is either that or not."""

SMALL = 1 << 16
"""Pixels up to which sorting is faster than a table of all colours."""

RAMP = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)


class Indexed(Struct, frozen=True):
    """Indices (H, W) uint8 into a palette (n, 3) uint8, and that of transparent pixels, one behind its end."""

    indices: Array
    palette: Array
    transparent: int | None


def is_hidden(alpha: Array) -> Array:
    """Return whether each pixel becomes transparent, from its alpha of 8 bits."""
    hidden: Array = alpha < OPAQUE_FROM
    return hidden


def colours_of(pixels: Array, hidden: Array | None = None) -> Array:
    """Return the different colours of the visible pixels (H, W, 1 or 3) uint8, as numbers R * 65536 + G * 256 + B, in order."""
    packed = _packed(pixels)
    visible = packed if hidden is None else packed[~hidden]
    if visible.size < SMALL:
        return np.unique(visible)
    seen = np.zeros(1 << 24, bool)
    seen[visible] = True
    return np.flatnonzero(seen)


def indexed(pixels: Array, hidden: Array | None, keeps_index: bool) -> Indexed:
    """Return pixels (H, W, 1 or 3) uint8 with a palette: exactly where they have few enough colours, else by median cut.

    ``keeps_index`` leaves an index for transparent pixels even where there are none.
    """
    if hidden is None and not keeps_index and pixels.shape[2] == 1:
        return Indexed(pixels[:, :, 0], RAMP, None)
    limit = MAX_COLOURS - (hidden is not None or keeps_index)
    colours = colours_of(pixels, hidden)
    if len(colours) <= limit:
        indices = _positions(_packed(pixels), colours)
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
    else:
        visible = pixels if hidden is None else np.where(hidden[:, :, None], np.uint8(0), pixels)
        picture = PIL.Image.fromarray(np.ascontiguousarray(np.broadcast_to(visible, (*visible.shape[:2], 3))))
        reduced = picture.quantize(limit, PIL.Image.Quantize.MEDIANCUT, dither=PIL.Image.Dither.NONE)
        indices = np.array(reduced)
        palette = np.asarray(reduced.getpalette(), np.uint8).reshape(-1, 3)[:limit]
    if limit == MAX_COLOURS:
        return Indexed(indices, palette, None)
    if hidden is not None:
        indices[hidden] = len(palette)
    return Indexed(indices, palette, len(palette))


def _packed(pixels: Array) -> Array:
    """Return the numbers of colours: (H, W) uint32."""
    packed = np.zeros(pixels.shape[:2], np.uint32)
    for channel in range(3):
        packed <<= 8
        packed |= pixels[:, :, channel % pixels.shape[2]]
    return packed


def _positions(packed: Array, colours: Array) -> Array:
    """Return the position of each number in a sorted list of them, uint8; any where it is not there."""
    if packed.size < SMALL:
        return np.searchsorted(colours, packed).astype(np.uint8)
    table = np.zeros(1 << 24, np.uint8)
    table[colours] = np.arange(len(colours))
    return table[packed]
