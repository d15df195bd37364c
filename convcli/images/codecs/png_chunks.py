"""The chunks of PNG: https://www.w3.org/TR/png-3/."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import PIL.Image

from ..exif_block import ORIENTATION
from ..formats import BY_NAME
from ..metadata import FileMetadata, metadata_of
from .pillow import pillow_settings

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = 33
"""Position after the signature and the chunk IHDR."""

PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"IEND")
"""Chunks that are not metadata. A palette of a picture in colour is only a suggestion."""


@dataclass(frozen=True)
class Chunk:
    """A chunk: its name, its data, and all its bytes, with length and checksum."""

    name: bytes
    data: bytes
    raw: bytes


def read_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a file after its signature. Raises ValueError for one that is cut off, unknown or damaged."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        raw = data[position : position + size + 12]
        if len(raw) < size + 12:
            raise ValueError(f"it ends in its chunk {name.decode('latin-1')!r}")
        is_critical = not name[0] & 0x20
        if is_critical and zlib.crc32(raw[4:-4]) != int.from_bytes(raw[-4:], "big"):
            raise ValueError(f"the checksum of its chunk {name.decode('latin-1')!r} is wrong")
        if is_critical and name not in PIXEL_CHUNKS:
            raise ValueError(f"its chunk {name.decode('latin-1')!r} is unknown, and no picture can be shown without it")
        yield Chunk(name, raw[8:-4], raw)
        position += size + 12
        if name == b"IEND":
            return


def packed(name: bytes, data: bytes) -> bytes:
    """Return the bytes of a chunk, with its length and checksum."""
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))))


def file_metadata_of(file: BinaryIO, chunks: Iterable[Chunk]) -> tuple[FileMetadata, int]:
    """Return the metadata of a file with these chunks, and its orientation. Its pixels are not decoded."""
    with pillow_settings, PIL.Image.open(io.BytesIO(_one_pixel(chunks)), formats=("PNG",)) as picture:
        picture.load()
        return metadata_of(picture, file, BY_NAME["png"]), picture.getexif().get(ORIENTATION, 1)


def _one_pixel(chunks: Iterable[Chunk]) -> bytes:
    """Return a PNG file of one pixel with the metadata of these chunks, in their order."""
    parts = [SIGNATURE, packed(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    has_pixel = False
    for chunk in chunks:
        if chunk.name == b"IDAT" and not has_pixel:
            parts.append(packed(b"IDAT", zlib.compress(bytes(2))))
            has_pixel = True
        if chunk.name not in PIXEL_CHUNKS:
            parts.append(chunk.raw)
    if not has_pixel:
        raise ValueError("it has no pixels")
    return b"".join((*parts, packed(b"IEND", b"")))
