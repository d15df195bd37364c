"""The boxes of an AVIF file: what in them Pillow does not show (ISO/IEC 14496-12, and https://aomediacodec.github.io/av1-avif/).

A box is its size in 32 bits, a name of four letters, and what it holds. Size 1 stands before a size of 64 bits, and size 0
for a box up to the end of the file.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .file_parts import SOME_PICTURES, XMP, Info

KNOWN_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip")
MOST_HEADERS = 1 << 24
"""Bytes of the boxes before the pixels that are read at most: they are a few hundred, and more only with a colour profile."""

PARTS = {
    b"application/rdf+xml": XMP,
    b"tmap": SOME_PICTURES,
    b"urn:com:photo:aux:hdrgainmap": SOME_PICTURES,
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth": "its map of depths",
    b"clap": "its crop",
}
"""Words for types and properties of items."""

PROFILES = (b"colrprof", b"colrrICC")
COLOURS = b"colrnclx"
USUAL_PRIMARIES, USUAL_TRANSFERS = (1, 2), (1, 2, 6, 13)
"""Of ITU-T H.273: BT.709 or unknown; BT.709, unknown, BT.601 or sRGB, all of which viewers show as sRGB."""


def has_whole_boxes(path: Path) -> bool:
    """Whether the file ends where its last box does."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        ends = [end for _, _, end in _boxes(file, size)]
    return bool(ends) and ends[-1] == size


def unkept_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Words for what the file holds that is not carried over."""
    size = file.seek(0, os.SEEK_END)
    boxes = list(_boxes(file, size))
    yield from (f"its box {name.decode('latin-1')}" for name, _, end in boxes if name not in KNOWN_BOXES and end <= size)
    whole = max((end for name, _, end in boxes if end <= size), default=0)
    if whole < size and any(name == b"mdat" for name, _, end in boxes if end <= size):
        yield f"{size - whole} bytes behind its end"
    headers = _headers(file)
    yield from (word for name, word in PARTS.items() if name in headers)
    at = headers.find(COLOURS)
    if at >= 0 and not any(profile in headers for profile in PROFILES):
        primaries, transfer = struct.unpack_from(">HH", headers[at + len(COLOURS) :].ljust(4, b"\0"))
        if primaries not in USUAL_PRIMARIES or transfer not in USUAL_TRANSFERS:
            yield "its colour space"


def deep_kind(file: BinaryIO) -> str:
    """Which samples of more than 8 bits the file holds, in words, by the settings of its AV1 decoders."""
    headers = _headers(file)
    flags = 0
    at = headers.find(b"av1C")
    while at >= 0:
        flags |= headers[at + 6] if at + 6 < len(headers) else 0
        at = headers.find(b"av1C", at + 4)
    return f"{12 if flags & 0x20 else 10}-bit colour" if flags & 0x40 else ""


def _headers(file: BinaryIO) -> bytes:
    """What all boxes but those of the pixels hold."""
    size = file.seek(0, os.SEEK_END)
    held = b""
    for name, begin, end in _boxes(file, size):
        if name in (b"meta", b"moov"):
            file.seek(begin)
            held += file.read(min(end - begin, MOST_HEADERS - len(held)))
    return held


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin of what it holds, and end, of each box of the file; the last one may end beyond it."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        begin = at + 8
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
            begin += 8
        end = at + length if length else size
        if end < begin:
            return
        yield name, begin, end
        at = end
