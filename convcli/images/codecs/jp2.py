"""JPEG 2000: the boxes of .jp2 and .jpx files here, their codestreams with imagecodecs (OpenJPEG).

ISO/IEC 15444-1: annex A describes the markers of a codestream, annex I the boxes. OpenJPEG is given codestreams alone: colour
and channels are those that the boxes state, and what they state is not its concern.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import ImageError
from ..boxes import Box, box_of, boxes_in, contents_of
from ..compression import Compression
from ..exif_block import PREFIX
from ..file_parts import XMP
from ..formats import DEFAULT_QUALITY, Encoding, Format
from ..image import REMEDY, Admit, Array, Header, Image, Metadata, check_pixels, scaled_levels
from ..metadata import FileMetadata, metadata_of_blocks, orientation_of
from ..orientation import upright
from ..provenance import Provenance
from .codec import Codec, provenance_in_exif

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
BYTES_PER_SAMPLE = 8
"""Memory of a sample while it is read, in addition to the image: OpenJPEG's integers, and their tiles."""


@dataclass(frozen=True)
class Codestream:
    """What the header of a codestream states: its size, the bits of each sample, and whether its wavelet is reversible."""

    width: int
    height: int
    samples: int
    bits: int
    is_reversible: bool


@dataclass(frozen=True)
class Jp2File:
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


class Jp2Codec(Codec):
    """JPEG 2000, as files of boxes and as codestreams."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first picture. Raises ImageError, and whatever imagecodecs raises on damaged data."""
        import imagecodecs

        parts = _parts_of(file)
        stream = header_of_codestream(parts.codestream)
        check_pixels(stream.width, stream.height, max_pixels)
        colours = _colours_of(parts, stream)
        if not parts.codestream.rstrip(b"\0").endswith(END_OF_CODESTREAM):
            raise ValueError("it ends before its last tile")
        itemsize = 1 if stream.bits <= 8 else 2
        pixels = stream.width * stream.height
        reading = len(parts.codestream) + pixels * stream.samples * (BYTES_PER_SAMPLE + itemsize)
        admit(Header(stream.height, stream.width, stream.samples, itemsize, reading))
        samples = np.atleast_3d(np.asarray(imagecodecs.jpeg2k_decode(parts.codestream)))
        if samples.shape != (stream.height, stream.width, stream.samples):
            raise ValueError(f"its pixels have shape {samples.shape}")
        orientation = orientation_of(parts.exif)
        levels = upright(scaled_levels(samples, 2**stream.bits - 1), orientation)
        order = parts.order or tuple(range(stream.samples))
        alpha = np.ascontiguousarray(levels[:, :, order[colours]]) if stream.samples > colours else None
        chosen = levels if alpha is None and order == tuple(range(colours)) else levels[:, :, list(order[:colours])]
        metadata = metadata_of_blocks(
            parts.exif, parts.xmp, parts.lost, is_turned=orientation != 1, icc=parts.icc, dpi=_turned(parts.dpi, orientation)
        )
        return _image_of(np.ascontiguousarray(chosen), alpha, metadata, stream, parts.pictures)

    def encode(self, levels: Array, has_alpha: bool, file_format: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Encode levels. Raises whatever imagecodecs raises.

        Quality 100 is lossless; below, the ratio of white to the noise is 20 + quality / 4 decibels.
        """
        import imagecodecs

        quality = encoding.quality or DEFAULT_QUALITY
        is_lossless = bool(encoding.inherited) or quality == 100
        codestream = imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels),
            level=0 if is_lossless else 20 + quality / 4,
            reversible=is_lossless,
            codecformat="j2k",
        )
        return b"".join(
            (
                box_of(b"jP  ", SIGNATURE[8:]),
                box_of(b"ftyp", b"jp2 " + bytes(4) + b"jp2 "),
                box_of(b"jp2h", b"".join(_header_boxes(levels, has_alpha, metadata))),
                box_of(b"uuid", EXIF_ID + metadata.exif.removeprefix(PREFIX)) if metadata.exif else b"",
                box_of(b"uuid", XMP_ID + metadata.xmp) if metadata.xmp else b"",
                box_of(b"jp2c", codestream),
            )
        )

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the EXIF of a picture. Raises OSError, ValueError and more on damaged data."""
        with path.open("rb") as file:
            boxes = list(boxes_in(file, file.seek(0, 2)))
            blocks = (contents_of(file, box) for box in boxes if box[0] == b"uuid")
            exif = next((block.removeprefix(EXIF_ID) for block in blocks if block.startswith(EXIF_ID)), None)
        return provenance_in_exif(exif)


def header_of_codestream(data: bytes) -> Codestream:
    """Return the header of a codestream. Raises ImageError for kinds that are not read, ValueError for damaged ones."""
    if len(data) < SIZ_END or not data.startswith(CODESTREAM):
        raise ValueError("its codestream has no header")
    x1, y1, x0, y0, tile_width, tile_height, tile_x, tile_y, count = struct.unpack_from(">8IH", data, 8)
    components = [tuple(data[begin : begin + 3]) for begin in range(SIZ_END, SIZ_END + 3 * count, 3)]
    if not components or len(components[-1]) < 3 or x1 <= x0 or y1 <= y0 or 0 in (tile_width, tile_height):
        raise ValueError("its size is not valid")
    tiles = -(-(x1 - tile_x) // tile_width) * -(-(y1 - tile_y) // tile_height)
    if tiles * SMALLEST_TILE_PART > len(data):
        raise ValueError(f"it has no room for its {tiles} tiles")
    if len(set(components)) > 1 or components[0][1:] != (1, 1):
        raise ImageError("is JPEG 2000 with components of different sizes or depths; convert it to RGB without subsampling")
    depth = components[0][0]
    if depth & 0x80 or depth >= MAX_BITS:
        kind = "signed samples" if depth & 0x80 else f"{depth + 1} bits"
        raise ImageError(f"is JPEG 2000 with {kind}; read are 1 to {MAX_BITS} bits without a sign; convert it to TIFF")
    return Codestream(x1 - x0, y1 - y0, count, depth + 1, is_reversible(data))


def is_reversible(data: bytes) -> bool:
    """Return whether the wavelet of a codestream is reversible, from its first bytes."""
    position = 2
    while position + 4 <= len(data):
        marker, size = struct.unpack_from(">HH", data, position)
        if marker == CODING_STYLE:
            return data[position + 13 : position + 14] == b"\1"
        if marker == START_OF_TILE or size < 2:
            return False
        position += 2 + size
    return False


def _parts_of(file: BinaryIO) -> Jp2File:
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) == CODESTREAM:
        file.seek(0)
        return Jp2File(file.read())
    boxes = list(boxes_in(file, size))
    headers = [box for box in boxes if box[0] == b"jp2h"]
    streams = [box for box in boxes if box[0] == b"jp2c"]
    if not headers or not streams:
        raise ValueError("it has no picture")
    header = {name: (name, *ends) for name, *ends in reversed(list(boxes_in(file, headers[0][2], headers[0][1])))}
    inner = {name: contents_of(file, (name, begin, end)) for name, begin, end in header.values()}  # type: ignore[misc]
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
        tuple(_lost(boxes, header.values(), identified, size)),
        len(streams),
    )


def _lost(boxes: list[Box], inner: Any, identified: list[bytes], size: int) -> Iterator[str]:
    """Describe the boxes that are not carried over, and bytes after the last one."""
    unknown = [name for name, _, _ in boxes if name not in (*KNOWN_BOXES, b"uuid")]
    unknown += [name for name, *_ in inner if name not in KNOWN_HEADER_BOXES]
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


def _colours_of(parts: Jp2File, stream: Codestream) -> int:
    """Return the number of colours. Raises ImageError for a colour space or channels that are not read."""
    colours = {1: 1, 2: 1, 3: 3, 4: 3}.get(stream.samples)
    if colours is None or parts.colour_space not in (None, SRGB, GREY):
        what = f"{stream.samples} channels" if colours is None else f"the colour space {parts.colour_space}"
        raise ImageError(f"is JPEG 2000 with {what}; read are grey and RGB, with and without alpha; convert it to RGB")
    if parts.order is not None and len(parts.order) != stream.samples:
        raise ValueError("its channels are not its components")
    return colours


def _image_of(pixels: Array, alpha: Array | None, metadata: FileMetadata, stream: Codestream, pictures: int) -> Image:
    compression = Compression("jp2", {"lossless": True}) if stream.is_reversible else None
    image = Image(pixels, 255 if pixels.itemsize == 1 else 65535, alpha, "JP2", metadata.metadata, compression=compression)
    return metadata.add_to(image).with_first_used(1, pictures, "frames")


def _header_boxes(levels: Array, has_alpha: bool, metadata: Metadata) -> Iterator[bytes]:
    height, width, samples = levels.shape
    colours = samples - has_alpha
    yield box_of(b"ihdr", struct.pack(">IIHBBBB", height, width, samples, 8 * levels.itemsize - 1, 7, 0, 0))
    space = struct.pack(">BBB", 2, 0, 0) + metadata.icc if metadata.icc else struct.pack(
        ">BBBI", 1, 0, 0, GREY if colours == 1 else SRGB
    )
    yield box_of(b"colr", space)
    if has_alpha:
        channels = [(index, COLOUR, index + 1) for index in range(colours)] + [(colours, ALPHA, WHOLE_PICTURE)]
        yield box_of(b"cdef", struct.pack(">H", samples) + b"".join(struct.pack(">HHH", *channel) for channel in channels))
    if metadata.dpi:
        horizontal, vertical = (_ratio(Fraction(value) / METRES_PER_INCH) for value in metadata.dpi)
        ratios = struct.pack(">HHHHbb", *vertical[:2], *horizontal[:2], vertical[2], horizontal[2])
        yield box_of(b"res ", box_of(b"resc", ratios))


def _ratio(value: Fraction) -> tuple[int, int, int]:
    """Return numerator, denominator and exponent of ten of a number, the first two of 16 bits."""
    exponent = 0
    while value >= 100:
        value, exponent = value / 10, exponent + 1
    while value < 1:
        value, exponent = value * 10, exponent - 1
    nearest = value.limit_denominator(600)
    return nearest.numerator, nearest.denominator, exponent


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


def _turned(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    return dpi[::-1] if dpi and orientation >= 5 else dpi
