"""The boxes of an AVIF file, for what Pillow does not report (https://aomediacodec.github.io/av1-avif/)."""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from .boxes import boxes_in
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


def unkept_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe what of the file is not carried over."""
    size = file.seek(0, os.SEEK_END)
    boxes = list(boxes_in(file, size))
    yield from (f"its box {name.decode('latin-1')}" for name, _, end in boxes if name not in KNOWN_BOXES and end <= size)
    last_end = max((end for name, _, end in boxes if end <= size), default=0)
    if last_end < size and any(name == b"mdat" for name, _, end in boxes if end <= size):
        yield f"{size - last_end} bytes after its end"
    headers = _headers(file)
    yield from (description for name, description in ITEM_DESCRIPTIONS.items() if name in headers)
    primaries, transfer = _colour_codes(headers)
    if primaries not in USUAL_PRIMARIES or transfer not in USUAL_TRANSFERS:
        yield "its colour space"


def cicp_of(file: BinaryIO) -> tuple[int, int, int, int] | None:
    """Return the codes of a colour space whose curve is not that of sRGB, as of RGB of full range; else None."""
    primaries, transfer = _colour_codes(_headers(file))
    return None if transfer in USUAL_TRANSFERS else (primaries, transfer, 0, 1)


def _colour_codes(headers: bytes) -> tuple[int, int]:
    """Return the codes of primaries and transfer characteristics, those of sRGB where there are none, or a profile."""
    position = headers.find(COLOUR_CODES)
    if position < 0 or any(profile in headers for profile in PROFILE_TYPES):
        return USUAL_PRIMARIES[0], USUAL_TRANSFERS[-1]
    primaries, transfer = struct.unpack_from(">HH", headers[position + len(COLOUR_CODES) :].ljust(4, b"\0"))
    return primaries, transfer


def bits_of(file: BinaryIO) -> int:
    """Return the bits of a sample: 8, 10 or 12, the most of any AV1 configuration."""
    headers = _headers(file)
    flags = 0
    position = headers.find(b"av1C")
    while position >= 0:
        flags |= headers[position + 6] if position + 6 < len(headers) else 0
        position = headers.find(b"av1C", position + 4)
    return (12 if flags & TWELVE_BITS else 10) if flags & HIGH_BIT_DEPTH else 8


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
    for name, begin, end in boxes_in(file, size):
        if name in (b"meta", b"moov"):
            file.seek(begin)
            headers += file.read(min(end - begin, MAX_HEADER_BYTES - len(headers)))
    return headers
