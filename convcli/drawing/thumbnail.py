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

BYTES_PER_PIXEL = 0.5
"""About those of a photo at the second of QUALITIES."""

SIDES = (48, 156, 240)
"""The smallest side of a tile, the largest where there are several rows of them, and the largest."""

FEW = 7
"""Maps that stand with their input in two rows, at most."""

MOST_ROWS, FEW_ROWS, MANY_PICTURES = 12, 3, 100
"""Rows of a table of outputs or methods, at most, and on pages of more than MANY_PICTURES."""

QUALITIES = (92, 80, 55, 25, 5)
"""Qualities of JPEG, which is ten times as fast as WebP; the first keeps colours at full resolution."""

EXACT_SAMPLES = 48 * 48
"""Samples up to which a tile is stored without loss, and enlarged when it is shown."""


LEAST_SAMPLES = 24 * 24
"""Samples up to which a tile is not made smaller, whatever its bytes are."""


class Detail(Struct, frozen=True):
    """How many maps of a picture are shown, the longest side of tiles in pixels, and the bytes of each, at most.

    ``rows`` is how many rows each table has, at most.
    """

    maps: int
    side: int
    tile_bytes: int
    rows: int


def detail_for(pictures: int, maps: int) -> Detail:
    """Return the detail in which each of a number of pictures with so many maps is shown, so that all fit into PAGE_BYTES."""
    share = min(PAGE_BYTES // min(max(pictures, 1), ILLUSTRATED), LARGEST_SHARE)
    shown = max(min(maps, share // LEAST_FIGURE - 1), 1)
    tile_bytes = (share // (shown + 1) - TEXT_BYTES) * 3 // 4  # base64 takes four bytes for three
    side = min(max(math.isqrt(int(tile_bytes / BYTES_PER_PIXEL)), SIDES[0]), SIDES[2] if shown <= FEW else SIDES[1])
    return Detail(shown, side, tile_bytes, FEW_ROWS if pictures > MANY_PICTURES else MOST_ROWS)


def thumbnail_uri(pixels: Array, most_bytes: int) -> str:
    """Return pixels (h, w, 3) uint8 as a file of at most ``most_bytes`` bytes in a data URI: PNG where they are few, else JPEG.

    The quality is lowered, and then the picture made smaller, until they fit.
    """
    while True:
        height, width = pixels.shape[:2]
        if height * width <= EXACT_SAMPLES:
            exact = png_uri(pixels)
            if len(exact) * 3 // 4 <= most_bytes or height * width <= LEAST_SAMPLES:
                return exact
        for quality in QUALITIES:
            picture = Image(np.ascontiguousarray(pixels), 255)
            data = fit(picture, format_named("jpeg"), Encoding(quality=quality)).encode(picture)
            if len(data) <= most_bytes:
                return "data:image/jpeg;base64," + base64.b64encode(data).decode()
        pixels = reduced(pixels, (max(height // 2, 1), max(width // 2, 1)))
