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

SPREAD = 64
"""Places of the palette of a drawing for rare colours."""

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


def indexed(pixels: Array, hidden: Array | None, keeps_index: bool, is_drawing: bool = False) -> Indexed:
    """Return pixels (H, W, 1 or 3) uint8 with a palette: exactly where they have few enough colours, else by median cut.

    ``keeps_index`` leaves an index for transparent pixels even where there are none. Of a drawing with too many colours the
    most frequent are kept, and the others, shades at the edges of letters, become the nearest: faster, and areas keep theirs.
    """
    if hidden is not None:
        visible = indexed(pixels[~hidden][None], None, True, is_drawing)
        indices = np.full(hidden.shape, len(visible.palette), np.uint8)
        indices[~hidden] = visible.indices[0]
        return Indexed(indices, visible.palette, visible.transparent)
    if not keeps_index and pixels.shape[2] == 1:
        return Indexed(pixels[:, :, 0], RAMP, None)
    limit = MAX_COLOURS - keeps_index
    if is_drawing:
        indices, palette = _most_frequent(pixels, limit)
        return Indexed(indices, palette, len(palette) if keeps_index else None)
    colours = colours_of(pixels)
    if len(colours) <= limit:
        indices = _positions(_packed(pixels), colours)
        palette = _levels_of(colours).astype(np.uint8)
    else:
        picture = PIL.Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))))
        reduced = picture.quantize(limit, PIL.Image.Quantize.MEDIANCUT, dither=PIL.Image.Dither.NONE)
        indices = np.array(reduced)
        palette = np.asarray(reduced.getpalette(), np.uint8).reshape(-1, 3)[:limit]
    return Indexed(indices, palette, len(palette) if keeps_index else None)


def _most_frequent(pixels: Array, limit: int) -> tuple[Array, Array]:
    """Return indices (H, W) into a palette (n, 3) uint8 of the most frequent colours, and the nearest of them for the others.

    The last SPREAD places of a full palette have the colours that are farthest from it, so that none is changed much.
    """
    colours, inverse, counts = np.unique(_packed(pixels), return_inverse=True, return_counts=True)
    levels = _levels_of(colours).astype(np.float32)  # in which squares of distances, below 2 ** 24, are exact
    if len(colours) <= limit:
        return inverse.reshape(pixels.shape[:2]).astype(np.uint8), levels.astype(np.uint8)
    kept = np.argsort(-counts, kind="stable")[: limit - SPREAD]
    squares = (levels**2).sum(axis=1)
    distances = squares[:, None] + squares[kept] - 2 * levels @ levels[kept].T
    nearest, least = distances.argmin(axis=1), distances.min(axis=1)
    palette = [*levels[kept]]
    while len(palette) < limit:
        palette.append(levels[least.argmax()])
        distance = ((levels - palette[-1]) ** 2).sum(axis=1)
        nearest[distance < least] = len(palette) - 1
        least = np.minimum(least, distance)
    return nearest.astype(np.uint8)[inverse.reshape(pixels.shape[:2])], np.array(palette, np.uint8)


def _levels_of(colours: Array) -> Array:
    """Return the levels (n, 3) of packed colours."""
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)


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
