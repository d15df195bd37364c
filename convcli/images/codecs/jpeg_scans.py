"""Tells whether the scans of a JPEG hold all their data.

libjpeg decodes a scan that ends early as grey, and warns; Pillow does not pass the warning on. But libjpeg waits for more data
where no marker follows. So it is given one scan at a time, with padding in place of the marker. A decoder that has all data of
the scan skips the padding, while it looks for the next marker; one that has not waits, and leaves the last bytes unread.
Bytes between a scan and its marker, which some cameras write, are skipped too.
"""

import io
import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import PIL.Image
import PIL.ImageFile
import PIL.JpegImagePlugin
from msgspec import Struct

from ..file_parts import END_OF_IMAGE, START_OF_SCAN, jpeg_segments_in

PROGRESSIVE = 0xC2
HUFFMAN_FRAMES, RESTART_INTERVAL = (0xC0, 0xC1, PROGRESSIVE), 0xDD
"""Frames whose decoder can wait for data: arithmetic coding cannot. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1."""

OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
RESTART = rb"\xff[\xd0-\xd7]"
PADDING, SKIPPED = 8 * b"\xff\0", b"\0"
"""What libjpeg reads ahead, 64 bits of 1, which are no code (F.1.2.1.2), so that they hardly stand for data that are missing;
and a byte after them.
"""

BLOCK, MARKER_OF_END = 8, b"\xff\xd9"


class Scans(Struct, frozen=True):
    """The ends of the scans of a picture and its own, and whether its markers show that something is missing.

    That is a restart marker, or the lowest bits of coefficients that a progressive picture began with the others.
    """

    ends: tuple[int, ...]
    end: int
    lacks_markers: bool


def is_whole(data: bytes, tables: bytes | None = None) -> bool:
    """Return whether the data of a strip or tile of TIFF are whole, whose tables may lie apart.

    The picture is decoded at an eighth of its size, which takes half the time. Otherwise as ``load_whole``.
    """
    joined = tables.removesuffix(MARKER_OF_END) + data[2:] if tables else data
    try:
        picture = PIL.JpegImagePlugin.JpegImageFile(io.BytesIO(joined))
    except SyntaxError:
        return True
    with picture:
        picture.draft("L" if picture.mode in ("L", "RGB") else picture.mode, (1, 1))
        scans = _scans(joined)
        return scans is None or (not scans.lacks_markers and _load(picture, joined, scans))


def load_whole(picture: PIL.ImageFile.ImageFile, data: bytes) -> bool:
    """Decode the pixels of a picture that Pillow has opened, and return whether the data of its file are whole.

    Up to eight missing bytes are not found. Raises OSError on damaged data.
    """
    scans = _scans(data)
    if scans is None:  # its scans cannot be decoded one by one
        picture.load()
        return True
    if scans.lacks_markers:
        return False
    if len(scans.ends) == 1:
        return _load(picture, data, scans)
    if not is_whole(data):
        return False
    picture.load()  # damaged bits of a scan would be read with the padding otherwise, and differ from what others read
    return True


def _load(picture: PIL.ImageFile.ImageFile, data: bytes, scans: Scans) -> bool:
    [(name, extents, _, args)] = picture.tile
    picture.load_prepare()
    decoder = PIL.Image._getdecoder(picture.mode, name, args, picture.decoderconfig)
    decoder.setimage(picture.im, extents)
    try:
        whole = _decode(decoder, data, scans)
    finally:
        decoder.cleanup()
    if whole:
        picture.tile = []  # nothing is left to decode
        picture.load_end()
    return whole


def _decode(decoder: Any, data: bytes, scans: Scans) -> bool:
    """Return whether a decoder finds all data of the scans."""
    start, unread = 0, b""
    for end in scans.ends:
        for part in (data[start:end] + PADDING + SKIPPED, SKIPPED):
            unread += part
            used, error = decoder.decode(unread)
            if error < 0:
                raise OSError("broken data stream when reading image file")
            if used < 0:  # all rows are decoded
                return True
            unread = unread[used:]
            if unread:
                return False
        start = end
    used, error = decoder.decode(data[start : scans.end])
    return bool(used < 0 <= error)


def _scans(data: bytes) -> Scans | None:
    """Return the scans of a file, None if they cannot be decoded one by one or have no end."""
    ends: list[int] = []
    low_bits: dict[tuple[int, int], int] = {}
    frame, is_progressive, interval, lacks_restarts = b"", False, 0, False
    for marker, begin, end in jpeg_segments_in(data):
        if marker in OTHER_FRAMES:
            return None
        if marker in HUFFMAN_FRAMES:
            frame, is_progressive = data[begin:end], marker == PROGRESSIVE
        elif marker == RESTART_INTERVAL:
            interval = int.from_bytes(data[begin : begin + 2], "big")
        elif marker == START_OF_SCAN and begin < end:
            ends.append(end)
            last = begin + 1 + 2 * data[begin]
            components, spectrum = data[begin + 1 : last : 2], data[last : last + 3]
            if is_progressive and len(spectrum) == 3:  # others may hold anything
                coefficients = range(spectrum[0], spectrum[1] + 1)
                low_bits |= dict.fromkeys(itertools.product(components, coefficients), spectrum[2] & 15)
            if interval:
                restarts = sum(1 for _ in re.compile(RESTART).finditer(data, begin, end))
                lacks_restarts |= restarts < -(-_coded_units(frame, components) // interval) - 1
        elif marker == END_OF_IMAGE and ends:
            return Scans(tuple(ends), end, lacks_restarts or any(low_bits.values()))
    return None


def _coded_units(frame: bytes, components: bytes) -> int:
    """Return the number of units (MCU) of a scan with these components, by the header of its frame (A.2.2 and A.2.3)."""
    size = (int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big"))
    factors = {name: (byte >> 4, byte & 15) for name, byte in _components(frame)}
    if not components or not {*components} <= {*factors} or any(0 in pair for pair in factors.values()):
        return 0  # libjpeg refuses it
    largest = tuple(max(pair[axis] for pair in factors.values()) for axis in (0, 1))
    if len(components) > 1:
        return math.prod(-(-size[axis] // (BLOCK * largest[axis])) for axis in (0, 1))
    own = factors[components[0]]
    samples = (-(-size[axis] * own[axis] // largest[axis]) for axis in (0, 1))
    return math.prod(-(-length // BLOCK) for length in samples)


def _components(frame: bytes) -> Iterator[tuple[int, int]]:
    """Yield the name and the sampling factors of each component of a frame."""
    for position in range(6, len(frame) - 2, 3):
        yield frame[position], frame[position + 1]
