"""Tiles as pictures in data URIs, of a bounded number of bytes."""

import base64
import math

import numpy as np
from msgspec import Struct

from ..images.encoding import Encoding
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.write import fit
from .svg import png_uri
from .tile import reduced

PAGE_BYTES = 16_000_000
"""Bytes of all pictures of a page, at most."""

ILLUSTRATED = 1000
"""Pictures of a batch that a page shows, at most; further ones are named."""

LARGEST_SHARE = 2_000_000
"""Bytes of one picture with its maps, at most."""

TEXT_BYTES = 1500
"""About the bytes of the texts and the histogram of a map."""

LEAST_FIGURE = 4500
"""Bytes of a map from which on further maps are shown, too."""

BYTES_PER_PIXEL = 0.35
"""About those of WebP for a photo at the first of QUALITIES."""

SIDES = (48, 156, 240)
"""The smallest side of a tile, the largest where there are several rows of them, and the largest."""

FEW = 7
"""Maps that stand with their input in two rows, at most."""

QUALITIES = (85, 60, 35, 10)
EXACT_SAMPLES = 48 * 48
"""Samples up to which a tile is stored without loss, and enlarged when it is shown."""


class Detail(Struct, frozen=True):
    """How many maps of a picture are shown, the longest side of tiles in pixels, and the bytes of each, at most."""

    maps: int
    side: int
    tile_bytes: int


def detail_for(pictures: int, maps: int) -> Detail:
    """Return the detail in which each of a number of pictures with so many maps is shown, so that all fit into PAGE_BYTES."""
    share = min(PAGE_BYTES // min(max(pictures, 1), ILLUSTRATED), LARGEST_SHARE)
    shown = max(min(maps, share // LEAST_FIGURE - 1), 1)
    tile_bytes = (share // (shown + 1) - TEXT_BYTES) * 3 // 4  # base64 takes four bytes for three
    side = min(max(math.isqrt(int(tile_bytes / BYTES_PER_PIXEL)), SIDES[0]), SIDES[2] if shown <= FEW else SIDES[1])
    return Detail(shown, side, tile_bytes)


def thumbnail_uri(pixels: Array, most_bytes: int) -> str:
    """Return pixels (h, w, 3) uint8 as a file of at most ``most_bytes`` bytes in a data URI: PNG where they are few, else WebP.

    The quality is lowered, and then the picture made smaller, until they fit.
    """
    if pixels.shape[0] * pixels.shape[1] <= EXACT_SAMPLES:
        return png_uri(pixels)
    while True:
        for quality in QUALITIES:
            picture = Image(np.ascontiguousarray(pixels), 255)
            data = fit(picture, format_named("webp"), Encoding(quality=quality)).encode(picture)
            if len(data) <= most_bytes:
                return "data:image/webp;base64," + base64.b64encode(data).decode()
        height, width = pixels.shape[:2]
        pixels = reduced(pixels, (max(height // 2, 1), max(width // 2, 1)))
        if pixels.shape[0] * pixels.shape[1] <= EXACT_SAMPLES // 4:
            return png_uri(pixels)
