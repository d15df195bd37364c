"""The boxes of a JPEG 2000 file and the header of its codestream (ISO/IEC 15444-1, annexes I and A).

OpenJPEG is given codestreams alone: what the boxes state about colours and channels is read here.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from msgspec import Struct

from ..errors import ImageError
from .boxes import Box, boxes_in, contents_of
from .file_parts import XMP

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM, END_OF_CODESTREAM = b"\xff\x4f\xff\x51", b"\xff\xd9"
EXIF_ID = b"JpgTiffExif->JP2"
XMP_ID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
KNOWN_BOXES = (b"jP  ", b"ftyp", b"rreq", b"jp2h", b"jp2c", b"free")
KNOWN_HEADER_BOXES = (b"ihdr", b"bpcc", b"colr", b"cdef", b"res ")
SIZ_END, SMALLEST_TILE_PART = 42, 14
"""Bytes of a codestream up to the first component of its size (SIZ); bytes of a tile without pixels."""

START_OF_TILE, CODING_STYLE = 0xFF90, 0xFF52
SRGB, GREY, PROFILES = 16, 17, (2, 3)
"""Colour spaces by number; methods of a colour box that has an ICC profile."""

COLOUR, ALPHA, WHOLE_PICTURE = 0, 1, 0
METRES_PER_INCH = Fraction(254, 10_000)
MAX_BITS = 16
HEADER_BYTES = 8192
"""Bytes of a codestream that are read for the kind of its wavelet."""

MAX_SPARSE_PIXELS, MAX_PIXELS_PER_BYTE = 10_000_000, 2000
"""Pixels that any number of bytes may state: a page of A4 with 300 dots per inch, a second's work. A page of text that is lossy
has 80 to 260 pixels for each byte, a blank one 30,000 and more."""


class Codestream(Struct, frozen=True):
    """What a codestream states: its size, the bits of each sample, the number of tiles, and if its wavelet is reversible."""

    width: int
    height: int
    samples: int
    bits: int
    tiles: int
    is_reversible: bool


class Jp2File(Struct, frozen=True):
    """The boxes of a file. ``order`` has the components of the colours, then that of alpha; None where no box states them."""

    codestream: bytes
    colour_space: int | None = None
    icc: bytes | None = None
    order: tuple[int, ...] | None = None
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    lost: tuple[str, ...] = ()
    pictures: int = 1


def header_of_codestream(data: bytes) -> Codestream:
    """Return the header of a codestream. Raises ImageError for kinds that are not read, ValueError for damaged ones."""
    if len(data) < SIZ_END or not data.startswith(CODESTREAM):
        raise ValueError("its codestream has no header")
    x1, y1, x0, y0, tile_width, tile_height, tile_x, tile_y, count = struct.unpack_from(">8IH", data, 8)
    components = [tuple(data[begin : begin + 3]) for begin in range(SIZ_END, SIZ_END + 3 * count, 3)]
    if not components or len(components[-1]) < 3 or x1 <= x0 or y1 <= y0 or 0 in (tile_width, tile_height):
        raise ValueError("its size is not valid")
    tiles = -(-(x1 - tile_x) // tile_width) * -(-(y1 - tile_y) // tile_height)
    if len(set(components)) > 1 or components[0][1:] != (1, 1):
        raise ImageError("is JPEG 2000 with components of different sizes or depths; convert it to RGB without subsampling")
    depth = components[0][0]
    if depth >= MAX_BITS:  # the highest bit is that of a sign
        kind = "signed samples" if depth & 0x80 else f"{depth + 1} bits"
        raise ImageError(f"is JPEG 2000 with {kind}; read are 1 to {MAX_BITS} bits without a sign; convert it to TIFF")
    return Codestream(x1 - x0, y1 - y0, count, depth + 1, tiles, is_reversible(data))


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker and the position of each segment before the first tile, and of the start of each part of a tile."""
    position = 2
    while position + 12 <= len(data):
        marker, size = struct.unpack_from(">HH", data, position)
        yield marker, position
        if marker == START_OF_TILE:
            size = int.from_bytes(data[position + 6 : position + 10], "big")
            if size < SMALLEST_TILE_PART:  # 0: up to the end of the codestream
                return
            position += size
        else:
            position += 2 + size


def is_reversible(data: bytes) -> bool:
    """Return whether the wavelet of a codestream is reversible, from its first bytes."""
    styles = [position for marker, position in _segments(data) if marker == CODING_STYLE]
    return bool(styles) and data[styles[0] + 13 : styles[0] + 14] == b"\1"


def check_tiles(data: bytes, tiles: int) -> None:
    """Raise ValueError for a codestream without some of its tiles, or without its end: OpenJPEG would leave pixels black."""
    starts = [position for marker, position in _segments(data) if marker == START_OF_TILE]
    found = {int.from_bytes(data[position + 4 : position + 6], "big") for position in starts}
    if len(found) < tiles or not data.rstrip(b"\0").endswith(END_OF_CODESTREAM):
        raise ValueError(f"it has {len(found)} of {tiles} tiles" if len(found) < tiles else "it ends before its last tile")


def check_pixels_per_byte(width: int, height: int, size: int) -> None:
    """Raise ImageError for a codestream of ``size`` bytes that are too few for its pixels, unless the picture is blank.

    OpenJPEG decodes whatever size a codestream states: 18 kB of 96 x 64 pixels that state 13,000 x 13,000 took 18 s and 2.5 GB.
    """
    if width * height > max(MAX_SPARSE_PIXELS, MAX_PIXELS_PER_BYTE * size):
        raise ImageError(
            f"has {size} bytes of JPEG 2000 for {width} x {height} pixels, which only a blank or a damaged picture has; "
            "--allow-truncated decodes it"
        )


def is_lossless_jp2(file: BinaryIO) -> bool:
    """Return whether the first picture of a file has a reversible wavelet, as one that is lossless has."""
    size = file.seek(0, 2)
    streams = [begin for name, begin, _ in boxes_in(file, size) if name == b"jp2c"] if not _is_bare(file) else [0]
    file.seek(streams[0] if streams else size)
    return is_reversible(file.read(HEADER_BYTES))


def _is_bare(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) == CODESTREAM


def parts_of(file: BinaryIO) -> Jp2File:
    """Read the boxes of a file. Raises ImageError and ValueError."""
    size = file.seek(0, 2)
    if _is_bare(file):
        file.seek(0)
        return Jp2File(file.read())
    boxes = [box for box in boxes_in(file, size) if box[2] <= size]
    headers = [box for box in boxes if box[0] == b"jp2h"]
    streams = [box for box in boxes if box[0] == b"jp2c"]
    if not headers or not streams:
        raise ValueError("it has no whole picture")
    header = list(boxes_in(file, headers[0][2], headers[0][1]))
    inner = {box[0]: contents_of(file, box) for box in reversed(header)}  # the first of a name counts
    identified = [contents_of(file, box) for box in boxes if box[0] == b"uuid"]
    blocks = {block[:16]: block[16:] for block in reversed(identified)}
    if b"pclr" in inner:
        raise ImageError("is JPEG 2000 with a palette, which is not read; convert it to RGB")
    method, _, _, space = struct.unpack(">BBBI", inner.get(b"colr", b"").ljust(7, b"\0")[:7])
    return Jp2File(
        contents_of(file, streams[0]),
        space if method == 1 else None,
        inner[b"colr"][3:] if method in PROFILES else None,
        _order_of(inner[b"cdef"]) if b"cdef" in inner else None,
        _dpi_of(inner.get(b"res ", b"")),
        blocks.get(EXIF_ID),
        blocks.get(XMP_ID),
        tuple(_lost(boxes, header, identified, size)),
        len(streams),
    )


def _lost(boxes: list[Box], inner: list[Box], identified: list[bytes], size: int) -> Iterator[str]:
    """Describe the boxes that are not carried over, and bytes after the last one."""
    unknown = [name for name, _, _ in boxes if name not in (*KNOWN_BOXES, b"uuid")]
    unknown += [name for name, _, _ in inner if name not in KNOWN_HEADER_BOXES]
    yield from dict.fromkeys(f"its box {name.decode('latin-1')}" for name in unknown)
    if any(block.startswith(XMP_ID) for block in identified):
        yield XMP
    if any(block[:16] not in (EXIF_ID, XMP_ID) for block in identified):
        yield "its box uuid"
    if boxes[-1][2] < size:
        yield f"{size - boxes[-1][2]} bytes after its end"


def _order_of(definitions: bytes) -> tuple[int, ...]:
    """Return the components of the colours, then that of alpha, from a box cdef. Raises ImageError for other channels."""
    (count,) = struct.unpack_from(">H", definitions.ljust(2, b"\0"))
    channels = list(struct.iter_unpack(">HHH", definitions[2 : 2 + 6 * count]))
    colours = {association: component for component, kind, association in channels if kind == COLOUR}
    alphas = [component for component, kind, association in channels if kind == ALPHA and association == WHOLE_PICTURE]
    if sorted(colours) != list(range(1, len(colours) + 1)) or len(alphas) > 1 or len(colours) + len(alphas) != count:
        raise ImageError("is JPEG 2000 with channels that are neither colours nor alpha of its own; convert it to RGB")
    order = (*(colours[index] for index in sorted(colours)), *alphas)
    if sorted(order) != list(range(count)):
        raise ValueError("its channels are not its components")
    return order


def _dpi_of(resolutions: bytes) -> tuple[float, float] | None:
    """Return dots per inch from a box of resolutions, (x, y); that of capture if it states one."""
    for name in (b"resc", b"resd"):
        begin = resolutions.find(name) + 4
        if begin >= 4 and len(resolutions) >= begin + 10:
            rows, row_unit, columns, column_unit, row_power, column_power = struct.unpack_from(">HHHHbb", resolutions, begin)
            if row_unit and column_unit:
                x = Fraction(columns, column_unit) * Fraction(10) ** column_power * METRES_PER_INCH
                y = Fraction(rows, row_unit) * Fraction(10) ** row_power * METRES_PER_INCH
                return float(x), float(y)
    return None
