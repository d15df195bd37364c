"""The blocks of a GIF file (https://www.w3.org/Graphics/GIF/spec-gif89a.txt)."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from .file_parts import XMP, Info

END, EXTENSION, FRAME = b";", b"!", b","
PLAIN_TEXT, GRAPHIC_CONTROL, COMMENT, APPLICATION = 0x01, 0xF9, 0xFE, 0xFF
LOOP, ANIMATION, XMP_NAME, PROFILE = b"NETSCAPE2.0", b"ANIMEXTS1.0", b"XMP DataXMP", b"ICCRGBG1012"
XMP_END = bytes([1, *range(255, -1, -1), 0])
"""What follows XMP: whichever of its bytes a reader takes for the size of a block, the last block ends with the last byte
(XMP Specification, part 3, 1.1.2).
"""
RAMP = bytes(level for level in range(256) for _ in range(3))


class Extension(Struct, frozen=True):
    """An extension: its label, its first two blocks of data, and where all blocks but the first begin and end in the file."""

    label: int
    first: bytes
    second: bytes
    begin: int
    end: int


class Frame(Struct, frozen=True):
    """The right and the bottom end of a frame, and its palette, empty where it has none of its own."""

    right: int
    bottom: int
    palette: bytes


class Screen(Struct, frozen=True):
    """The size of the picture, and its palette, which frames without their own have."""

    width: int
    height: int
    palette: bytes


def read_blocks(file: BinaryIO) -> Iterator[Screen | Extension | Frame]:
    """Yield the blocks of a file, to its end mark or to its end. Pixels are skipped."""
    file.seek(0)
    header = file.read(13).ljust(13, b"\0")
    width, height = struct.unpack_from("<HH", header, 6)
    yield Screen(width, height, _palette(file, header[10]))
    while (kind := file.read(1)) not in (b"", END):
        if kind == EXTENSION:
            label, first = file.read(1), _block(file)
            begin = file.tell()
            second = _block(file) if first else b""
            if second:
                _skip_blocks(file)
            yield Extension(label[0] if label else 0, first, second, begin, file.tell())
        elif kind == FRAME:
            x, y, width, height, flags = struct.unpack("<HHHHB", file.read(9).ljust(9, b"\0"))
            palette = _palette(file, flags)
            file.seek(1, 1)
            _skip_blocks(file)
            yield Frame(x + width, y + height, palette)


def unkept_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe the blocks of a GIF file that are not carried over, and bytes after its end."""
    comments = 0
    for block in read_blocks(file):
        if not isinstance(block, Extension):
            continue
        comments += block.label == COMMENT
        if block.label == PLAIN_TEXT:
            yield "its text over frames"
        elif block.label == APPLICATION and block.first not in (LOOP, ANIMATION):
            name = block.first.decode("latin-1")
            yield {XMP_NAME: XMP, PROFILE: "its colour profile"}.get(block.first, f"its extension {name}")
    yield "all comments but one" if comments > 1 else ""
    rest = file.read()
    yield f"{len(rest)} bytes after its end" if rest.strip(b"\0") else ""


def xmp_of(file: BinaryIO) -> bytes | None:
    """Return the XMP of a file; None without it, or where it does not end as it must."""
    places = [
        (block.begin, block.end) for block in read_blocks(file) if isinstance(block, Extension) and block.first == XMP_NAME
    ]
    if len(places) != 1:
        return None
    begin, end = places[0]
    file.seek(begin)
    packet = file.read(end - begin)
    return packet.removesuffix(XMP_END) if packet.endswith(XMP_END) else None


def block_of_xmp(xmp: bytes) -> bytes:
    """Return the extension that holds XMP, which has no byte 0: that would end it for readers of blocks."""
    return EXTENSION + bytes([APPLICATION, len(XMP_NAME)]) + XMP_NAME + xmp + XMP_END


def is_complete(path: Path) -> bool:
    """Return whether the blocks of a file reach its end, with the end of a frame and the end mark as its last two bytes."""
    with path.open("rb") as file:
        for _ in read_blocks(file):
            pass
        end = file.tell()
        file.seek(-2, os.SEEK_END)
        return file.read() == b"\0" + END and file.tell() == end


def is_grey_ramp(palette: bytes) -> bool:
    """Return whether a palette holds the levels of grey, in order."""
    return palette == RAMP[: len(palette)]


def _palette(file: BinaryIO, flags: int) -> bytes:
    return file.read(3 << (flags & 7) + 1) if flags & 0x80 else b""


def _block(file: BinaryIO) -> bytes:
    size = file.read(1)
    return file.read(size[0]) if size else b""


def _skip_blocks(file: BinaryIO) -> None:
    while size := file.read(1):
        if size == b"\0":
            return
        file.seek(size[0], 1)
