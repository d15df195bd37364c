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


def compression_of(picture: PIL.Image.Image, file: BinaryIO, is_transposed: bool = False) -> Compression | None:
    """Return how an open picture is compressed; None if no output can be. Keeps the position in the file.

    ``is_transposed`` is whether its rows become columns when it is made upright.
    """
    if isinstance(picture, PIL.JpegImagePlugin.JpegImageFile) and picture.quantization:
        return Compression("jpeg", _options_of_jpeg(picture, is_transposed))
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


def _options_of_jpeg(picture: PIL.JpegImagePlugin.JpegImageFile, is_transposed: bool) -> dict[str, Any]:
    """Return the tables of each of up to three components, the subsampling and the order of scans."""
    tables = [list(picture.quantization[component[3]]) for component in picture.layer[:3]]
    while len(tables) > 1 and tables[-1] == tables[-2]:  # Pillow uses the last table for the other components
        tables.pop()
    columns, rows = _subsampling_of(picture)
    subsampling = (rows, columns) if is_transposed else (columns, rows)
    return {"qtables": tables, "subsampling": subsampling, "progressive": bool(picture.info.get("progressive"))}


def _subsampling_of(picture: PIL.JpegImagePlugin.JpegImageFile) -> tuple[int, int]:
    """Return the columns and rows of luminance that have one sample of each colour difference: (4, 1) is 4:1:1.

    It is (1, 1) where there are other components, or these differ, or have more samples than luminance.
    """
    (_, columns, rows, _), *others = picture.layer
    factors = {(x, y) for _, x, y, _ in others}
    if len(others) != 2 or len(factors) != 1:
        return 1, 1
    x, y = factors.pop()
    return (columns // x, rows // y) if columns % x == rows % y == 0 else (1, 1)


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
