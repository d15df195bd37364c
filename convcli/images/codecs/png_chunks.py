"""The chunks of PNG with their data, and the metadata in them."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import PIL.Image
from msgspec import Struct

from ..chunks import CHECKSUM_SIZE, PNG_SIGNATURE, png_chunk, png_chunks_in
from ..exif_block import ORIENTATION
from ..formats import BY_NAME
from ..metadata import FileMetadata, metadata_of
from .pillow import pillow_settings

PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"IEND")
"""Chunks that are not metadata. A palette of a picture in colour is only a suggestion."""

TYPES_WITH_ALPHA = (4, 6)
"""Colour types: grey with alpha, and RGBA."""


class Chunk(Struct, frozen=True):
    """A chunk: its name, its data, and all its bytes, with length and checksum."""

    name: bytes
    data: bytes
    raw: bytes


def read_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a file. Raises ValueError for one that is cut off, unknown or damaged."""
    for name, begin, end in png_chunks_in(io.BytesIO(data)):
        raw = data[begin - 8 : end + CHECKSUM_SIZE]
        if len(raw) < int.from_bytes(raw[:4], "big") + 12:
            raise ValueError(f"it ends in its chunk {name.decode('latin-1')!r}")
        is_critical = not name[0] & 0x20
        if is_critical and zlib.crc32(raw[4:-4]) != int.from_bytes(raw[-4:], "big"):
            raise ValueError(f"the checksum of its chunk {name.decode('latin-1')!r} is wrong")
        if is_critical and name not in PIXEL_CHUNKS:
            raise ValueError(f"its chunk {name.decode('latin-1')!r} is unknown, and no picture can be shown without it")
        yield Chunk(name, raw[8:-4], raw)


def file_metadata_of(file: BinaryIO, chunks: Iterable[Chunk]) -> tuple[FileMetadata, int]:
    """Return the metadata of a file with these chunks, and its orientation. Its pixels are not decoded."""
    with pillow_settings, PIL.Image.open(io.BytesIO(_one_pixel(chunks)), formats=("PNG",)) as picture:
        picture.load()
        return metadata_of(picture, file, BY_NAME["png"]), picture.getexif().get(ORIENTATION, 1)


def _one_pixel(chunks: Iterable[Chunk]) -> bytes:
    """Return a PNG file of one pixel with the metadata of these chunks, in their order."""
    parts = [PNG_SIGNATURE, png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    has_pixel = False
    for chunk in chunks:
        if chunk.name == b"IDAT" and not has_pixel:
            parts.append(png_chunk(b"IDAT", zlib.compress(bytes(2))))
            has_pixel = True
        if chunk.name not in PIXEL_CHUNKS:
            parts.append(chunk.raw)
    if not has_pixel:
        raise ValueError("it has no pixels")
    return b"".join((*parts, png_chunk(b"IEND", b"")))
