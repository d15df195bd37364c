"""How an output is compressed: what the command line asks for, and the options of encoders.

Imports nothing that is slow to import, as the command line imports it at start-up.
"""

from typing import Any

from msgspec import Struct

TIFF_COMPRESSIONS = ("none", "deflate", "lzw", "zstd")

DEFAULT_QUALITY = 92
"""Quality where none is given and none is inherited from the input."""


class Encoding(Struct, frozen=True):
    """Compression settings: PNG's level 0..9, the quality 1..100 of formats that lose some, and the name of TIFF's compression.

    At quality 90 and above JPEG and AVIF keep colours at full resolution; quality 100 makes WebP lossless.

    ``only_changes`` makes those pixels of a GIF transparent that do not change from one frame to the next. Frames of a drawing
    are then small, and each has a palette for its new pixels alone. Lossless WebP, which says with its quality how long it
    searches, then takes a sixth of the time; the file of a drawing is 4 % larger.

    ``quality`` None is ``DEFAULT_QUALITY``, unless ``inherited`` has the options of Pillow's ``save`` that compress as the file
    of the image is compressed. So is ``compression`` None that of the image, else deflate (see ``codecs.tiff``).
    """

    png_level: int = 1
    quality: int | None = None
    compression: str | None = None
    inherited: dict[str, Any] | None = None
    only_changes: bool = False


def options_of_jpeg(encoding: Encoding, samples: int) -> dict[str, Any]:
    """Return the options of JPEG for Pillow's ``save``. The subsampling is columns and rows, as in ``compression``."""
    quality = encoding.quality or DEFAULT_QUALITY
    return {"quality": quality, "subsampling": (1, 1) if quality >= 90 else (2, 2)}


def options_of_webp(encoding: Encoding, samples: int) -> dict[str, Any]:
    """Return the options of WebP for Pillow's ``save``."""
    if encoding.only_changes and encoding.quality == 100:
        return {"quality": 50, "method": 2, "lossless": True}
    return {"quality": encoding.quality or DEFAULT_QUALITY, "lossless": encoding.quality == 100}


def options_of_avif(encoding: Encoding, samples: int) -> dict[str, Any]:
    """Return the options of AVIF for Pillow's ``save``.

    At speed 9 a photograph of half a megapixel takes 0.26 s and 186 kB, at Pillow's default, 6, it takes 2.6 s and 178 kB. Up
    to speed 8 the bytes depend on the number of threads (libavif 1.4.2).
    """
    quality = encoding.quality or DEFAULT_QUALITY
    colour = {"subsampling": "4:4:4" if quality >= 90 else "4:2:0"} if samples > 1 else {}
    return {"quality": quality, **colour, "speed": 9}
