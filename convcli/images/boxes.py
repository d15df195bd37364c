"""The boxes of which the files of AVIF, HEIC, JPEG 2000 and JPEG XL consist (ISO/IEC 14496-12, 15444-1, 18181-2).

A box is a size of 32 bits, a name of four letters, and contents. Size 1 means that a size of 64 bits follows the name; size 0,
that the box reaches to the end of the file.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

Box = tuple[bytes, int, int]
"""A name, the begin of the contents, and their end."""


def boxes_in(file: BinaryIO, end: int, position: int = 0) -> Iterator[Box]:
    """Yield the boxes between two positions. The last one may end beyond them."""
    while position + 8 <= end:
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        begin = position + 8
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
            begin += 8
        box_end = position + length if length else end
        if box_end < begin:
            return
        yield name, begin, box_end
        position = box_end


def ends_with_box(path: Path) -> bool:
    """Return whether the file ends where its last box does."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        ends = [end for _, _, end in boxes_in(file, size)]
    return bool(ends) and ends[-1] == size


def contents_of(file: BinaryIO, box: Box) -> bytes:
    """Return the contents of a box. Raises ValueError where the file ends before them."""
    name, begin, end = box
    if end > file.seek(0, os.SEEK_END):  # before memory is taken for what a damaged file announces
        raise ValueError(f"it ends in its box {name.decode('latin-1')!r}")
    file.seek(begin)
    return file.read(end - begin)


def box_of(name: bytes, contents: bytes) -> bytes:
    """Return a box."""
    if len(contents) + 8 < 1 << 32:
        return struct.pack(">I4s", len(contents) + 8, name) + contents
    return struct.pack(">I4sQ", 1, name, len(contents) + 16) + contents
