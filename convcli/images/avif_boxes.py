"""The boxes of an AVIF file, for what Pillow does not report (ISO/IEC 14496-12, and https://aomediacodec.github.io/av1-avif/).

A box is a size of 32 bits, a name of four letters, and contents. Size 1 means that a size of 64 bits follows the name; size 0,
that the box reaches to the end of the file.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .file_parts import CROP, DEPTH_MAP, FURTHER_PICTURES, XMP, Info

KNOWN_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip")
MAX_HEADER_BYTES = 1 << 24
"""At most this many header bytes are read. Headers take a few hundred bytes, unless they hold a colour profile."""

MAX_FRAMES = 1_000_000

ITEM_DESCRIPTIONS = {
    b"application/rdf+xml": XMP,
    b"tmap": FURTHER_PICTURES,
    b"urn:com:photo:aux:hdrgainmap": FURTHER_PICTURES,
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth": DEPTH_MAP,
    b"clap": CROP,
}
"""Descriptions of item types and properties that are not carried over."""

PROFILE_TYPES = (b"colrprof", b"colrrICC")
COLOUR_CODES = b"colrnclx"
USUAL_PRIMARIES, USUAL_TRANSFERS = (1, 2), (1, 2, 6, 13)
"""Codes of ITU-T H.273. Primaries: BT.709, unknown. Transfer: BT.709, unknown, BT.601, sRGB. Viewers show all as sRGB."""

HIGH_BIT_DEPTH, TWELVE_BITS = 0x40, 0x20
"""Flags in the third byte of a decoder configuration (av1C)."""


def ends_with_box(path: Path) -> bool:
    """Return whether the file ends where its last box does."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        ends = [end for _, _, end in _boxes(file, size)]
    return bool(ends) and ends[-1] == size


def unkept_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe what of the file is not carried over."""
    size = file.seek(0, os.SEEK_END)
    boxes = list(_boxes(file, size))
    yield from (f"its box {name.decode('latin-1')}" for name, _, end in boxes if name not in KNOWN_BOXES and end <= size)
    last_end = max((end for name, _, end in boxes if end <= size), default=0)
    if last_end < size and any(name == b"mdat" for name, _, end in boxes if end <= size):
        yield f"{size - last_end} bytes after its end"
    headers = _headers(file)
    yield from (description for name, description in ITEM_DESCRIPTIONS.items() if name in headers)
    position = headers.find(COLOUR_CODES)
    if position >= 0 and not any(profile in headers for profile in PROFILE_TYPES):
        primaries, transfer = struct.unpack_from(">HH", headers[position + len(COLOUR_CODES) :].ljust(4, b"\0"))
        if primaries not in USUAL_PRIMARIES or transfer not in USUAL_TRANSFERS:
            yield "its colour space"


def deep_kind(file: BinaryIO) -> str:
    """Return the kind of samples of more than 8 bits, from the AV1 configuration; empty if there are none."""
    headers = _headers(file)
    flags = 0
    position = headers.find(b"av1C")
    while position >= 0:
        flags |= headers[position + 6] if position + 6 < len(headers) else 0
        position = headers.find(b"av1C", position + 4)
    return f"{12 if flags & TWELVE_BITS else 10}-bit colour" if flags & HIGH_BIT_DEPTH else ""


def durations(file: BinaryIO) -> tuple[float, ...]:
    """Return the duration of each frame of a sequence in milliseconds; empty for a file without a sequence.

    They are those of the first track, in its box stts: counts of frames, and their durations in units of its box mdhd.
    """
    headers = _headers(file)
    media, times = (headers.find(name) for name in (b"mdhd", b"stts"))
    if min(media, times) < 0:
        return ()
    try:
        (scale,) = struct.unpack_from(">I", headers, media + (24 if headers[media + 4] == 1 else 16))
        (runs,) = struct.unpack_from(">I", headers, times + 8)
        pairs = [struct.unpack_from(">II", headers, times + 12 + 8 * run) for run in range(min(runs, MAX_FRAMES))]
    except struct.error:
        return ()
    if not scale or sum(count for count, _ in pairs) > MAX_FRAMES:
        return ()
    return tuple(1000 * duration / scale for count, duration in pairs for _ in range(count))


def _headers(file: BinaryIO) -> bytes:
    """Return the contents of the boxes without pixels."""
    size = file.seek(0, os.SEEK_END)
    headers = b""
    for name, begin, end in _boxes(file, size):
        if name in (b"meta", b"moov"):
            file.seek(begin)
            headers += file.read(min(end - begin, MAX_HEADER_BYTES - len(headers)))
    return headers


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, begin of the contents, end) of each box. The last box may end beyond the file."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        length, name = struct.unpack(">I4s", file.read(8))
        begin = position + 8
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
            begin += 8
        end = position + length if length else size
        if end < begin:
            return
        yield name, begin, end
        position = end
