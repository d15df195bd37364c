"""The chunks of which PNG (https://www.w3.org/TR/png-3/) and WebP consist, whose form is that of RIFF.

A chunk of PNG is the size of its data in 32 bits, a name of four letters, the data, and a checksum. One of RIFF is a name, the
size, the data, and a byte that makes their number even (https://developers.google.com/speed/webp/docs/riff_container).
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from .boxes import Box

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER_END = 33
"""Position after the signature and the chunk IHDR."""

CHECKSUM_SIZE = 4
RIFF_START = 12
"""Position of the first chunk: after RIFF, a size and WEBP."""

FRAME_CHUNK, FRAME_HEADER_SIZE = b"ANMF", 16
"""A frame of a WebP animation: its position and duration, then chunks."""


def png_chunks_in(file: BinaryIO) -> Iterator[Box]:
    """Yield the chunks of a PNG file up to IEND. The last one may end beyond the file."""
    position = len(PNG_SIGNATURE)
    while len(start := _read_at(file, position, 8)) == 8:
        length, name = struct.unpack(">I4s", start)
        yield name, position + 8, position + 8 + length
        if name == b"IEND":
            return
        position += 8 + length + CHECKSUM_SIZE


def riff_end(file: BinaryIO) -> int:
    """Return where a RIFF file ends by its header."""
    return int.from_bytes(_read_at(file, 4, 4), "little") + 8


def riff_chunks_in(file: BinaryIO, end: int | None = None, position: int = RIFF_START) -> Iterator[Box]:
    """Yield the chunks of a RIFF file, or those between two positions, such as in a frame. The last one may end beyond."""
    end = riff_end(file) if end is None else end
    while position + 8 <= end and len(start := _read_at(file, position, 8)) == 8:
        name, length = struct.unpack("<4sI", start)
        yield name, position + 8, position + 8 + length
        position += 8 + length + length % 2


def data_of(file: BinaryIO, chunk: Box, limit: int | None = None) -> bytes:
    """Return the data of a chunk, or their first bytes, as far as the file goes."""
    _, begin, end = chunk
    length = min(end, file.seek(0, os.SEEK_END)) - begin  # before memory is taken for what a damaged file announces
    return _read_at(file, begin, max(length if limit is None else min(length, limit), 0))


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of PNG, with its length and checksum."""
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))))


def riff_chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of RIFF."""
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
