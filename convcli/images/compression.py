"""How the levels of a file are compressed, so that an output of the same format can be compressed alike.

Without ``--quality``, a JPEG file that is made from a JPEG file has its quantization tables, its chroma subsampling and its
order of scans; the tables are its quality, whichever program chose them. A WebP, JPEG 2000 or JPEG XL file that is made from a
lossless one of its format is lossless. Without ``--compression``, a TIFF file that is made from a TIFF file is compressed as
that one.
"""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import PIL.Image
import PIL.JpegImagePlugin
from msgspec import Struct
from msgspec.structs import replace

from ..errors import ImageError
from .chunks import FRAME_CHUNK, FRAME_HEADER_SIZE, riff_chunks_in
from .formats import BY_NAME

TILE = "tile"
"""The name of the option of rows and columns of a tile."""

LOSSLESS_CHUNK = b"VP8L"
PILLOW_SUBSAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}


class Compression(Struct, frozen=True):
    """``format`` is the name of a ``Format``, ``options`` are those of its encoder that compress alike: those of Pillow's
    ``save``, or the name of TIFF's compression and the size of its tiles.
    """

    format: str
    options: dict[str, Any]

    def without_codec(self) -> "Compression":
        """Return the size of the tiles alone, which suits any compression."""
        return replace(self, options={name: value for name, value in self.options.items() if name == TILE})


TIFF_NAMES = {1: "none", 5: "lzw", 8: "deflate", 32946: "deflate", 50000: "zstd"}
"""The compressions of TIFF that are written, by their numbers in the tag Compression."""


def compression_of_tiff(number: int, tile: tuple[int, int] | None = None) -> Compression:
    """Return the compression of outputs from its number in the tag Compression, and from rows and columns of tiles.

    Others, which are lossy (JPEG) or for other samples (CCITT, which has one bit), become deflate, which loses nothing.
    """
    return Compression("tiff", {"compression": TIFF_NAMES.get(number, "deflate")} | ({TILE: tile} if tile else {}))


def compression_of(picture: PIL.Image.Image, file: BinaryIO) -> Compression | None:
    """Return how an open picture is compressed; None if no output can be. Keeps the position in the file."""
    if isinstance(picture, PIL.JpegImagePlugin.JpegImageFile) and picture.quantization:
        return Compression("jpeg", _options_of_jpeg(picture))
    if inherits_compression(file, "webp"):
        return Compression("webp", {"lossless": True, "quality": 100})
    return None


def inherits_compression(file: BinaryIO, name: str) -> bool:
    """Return whether an output of the named format is compressed as this file is, from its first bytes. Keeps the position."""
    position = file.tell()
    file.seek(0)
    start = file.read(12)
    if name == "jpeg":
        inherits = start.startswith(b"\xff\xd8\xff")
    elif name == "webp":
        inherits = start[:4] == b"RIFF" and start[8:] == b"WEBP" and _is_lossless_webp(file)
    else:
        inherits = name in ("jp2", "jxl") and _is_lossless_codestream(file, name, start)
    file.seek(position)
    return inherits


def _options_of_jpeg(picture: PIL.JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    """Return the tables of each of up to three components, the subsampling and the order of scans."""
    tables = [list(picture.quantization[component[3]]) for component in picture.layer[:3]]
    while len(tables) > 1 and tables[-1] == tables[-2]:  # Pillow uses the last table for the other components
        tables.pop()
    return {"qtables": tables, "subsampling": _subsampling_of(picture), "progressive": bool(picture.info.get("progressive"))}


def _subsampling_of(picture: PIL.JpegImagePlugin.JpegImageFile) -> int | tuple[int, int]:
    """Return the subsampling of a picture as Pillow's number, or where it has none, as columns and rows.

    These are the columns and rows of luminance that have one sample of each colour difference: (4, 1) is 4:1:1.
    """
    (_, columns, rows, _), *others = picture.layer
    ratios = {(columns // x, rows // y) for _, x, y, _ in others if columns % x == rows % y == 0}
    ratio = ratios.pop() if len(others) == 2 and len(ratios) == 1 else (1, 1)
    return PILLOW_SUBSAMPLINGS.get(ratio, ratio)


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Return whether the first picture of a WebP file is lossless."""
    return next((name == LOSSLESS_CHUNK for name in _webp_chunks(file) if name in (b"VP8 ", LOSSLESS_CHUNK)), False)


def _is_lossless_codestream(file: BinaryIO, name: str, start: bytes) -> bool:
    """Return whether a file of JPEG 2000 has a reversible wavelet, or one of JPEG XL colours that are not XYB."""
    if not re.match(BY_NAME[name].magic, start, re.DOTALL):
        return False
    from .jp2_boxes import is_lossless_jp2  # imported for these formats alone: every start would take longer
    from .jxl_header import is_lossless_jxl

    try:
        return is_lossless_jp2(file) if name == "jp2" else is_lossless_jxl(file)
    except (ImageError, ValueError):  # reported when the file is read
        return False


def _webp_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the names of the chunks, those in a frame of an animation too."""
    for name, begin, end in riff_chunks_in(file):
        yield name
        if name == FRAME_CHUNK:
            yield from (inner for inner, _, _ in riff_chunks_in(file, end, begin + FRAME_HEADER_SIZE))
