"""JPEG 2000: codestreams with imagecodecs (OpenJPEG), their boxes without it."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from msgspec.structs import replace

from ...errors import ImageError
from ..boxes import box_of, boxes_in, contents_of
from ..compression import Compression
from ..encoding import DEFAULT_QUALITY
from ..exif import orientation_of, text_in
from ..exif_block import PREFIX
from ..image import Admit, Array, Header, Image, Metadata, check_pixels, image_of_samples, scaled_levels
from ..jp2_boxes import (
    ALPHA,
    COLOUR,
    EXIF_ID,
    GREY,
    METRES_PER_INCH,
    SIGNATURE,
    SRGB,
    WHOLE_PICTURE,
    XMP_ID,
    Codestream,
    Jp2File,
    check_pixels_per_byte,
    check_tiles,
    header_of_codestream,
    parts_of,
)
from ..metadata import metadata_of_blocks
from ..orientation import upright
from ..provenance import SOFTWARE, Provenance, find_provenance
from ..storage import Storage
from .codec import Codec
from .pillow import truncated_is_allowed

MAX_SAMPLES = 4
"""Samples per pixel of RGB with alpha."""

BYTES_PER_SAMPLE = 4
"""Memory of a sample while it is read, in addition to the image: OpenJPEG's integers, and their tiles."""


class Jp2Codec(Codec):
    """JPEG 2000, as files of boxes and as codestreams."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first picture. Raises ImageError, and whatever imagecodecs raises on damaged data."""
        import imagecodecs

        parts = parts_of(file)
        stream = header_of_codestream(parts.codestream)
        check_pixels(stream.width, stream.height, max_pixels)
        _check_colours(parts, stream)
        check_tiles(parts.codestream, stream.tiles)
        if not truncated_is_allowed():
            check_pixels_per_byte(stream.width, stream.height, len(parts.codestream))
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
        levels = levels if order == tuple(range(stream.samples)) else levels[:, :, list(order)]
        metadata = metadata_of_blocks(
            parts.exif, parts.xmp, parts.lost, is_turned=orientation != 1, icc=parts.icc, dpi=_turned(parts.dpi, orientation)
        )
        image = image_of_samples(levels, 65535 if itemsize == 2 else 255, "JP2", metadata.metadata)
        compression = Compression("jp2", {"lossless": True}) if stream.is_reversible else None
        return metadata.add_to(replace(image, compression=compression)).with_first_used(1, parts.pictures, "frames")

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels. Raises whatever imagecodecs raises.

        Quality 100 is lossless; below, the ratio of white to the noise is 20 + quality / 4 decibels.
        """
        import imagecodecs

        metadata, quality = storage.metadata, storage.encoding.quality or DEFAULT_QUALITY
        is_lossless = bool(storage.encoding.inherited) or quality == 100
        level: Any = 0 if is_lossless else 20 + quality / 4  # a float, whatever the stub says
        codestream = imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels),
            level=level,
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
                box_of(b"jp2c", bytes(codestream)),
            )
        )

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the EXIF of a picture. Raises OSError, ValueError and more on damaged data."""
        with path.open("rb") as file:
            boxes = list(boxes_in(file, file.seek(0, 2)))
            blocks = (contents_of(file, box) for box in boxes if box[0] == b"uuid")
            exif = next((block.removeprefix(EXIF_ID) for block in blocks if block.startswith(EXIF_ID)), None)
        return find_provenance(text_in(exif, SOFTWARE)) if exif else None


def _check_colours(parts: Jp2File, stream: Codestream) -> None:
    """Raise ImageError for a colour space or channels that are not read."""
    if stream.samples > MAX_SAMPLES or parts.colour_space not in (None, SRGB, GREY):
        what = f"{stream.samples} channels" if stream.samples > MAX_SAMPLES else f"the colour space {parts.colour_space}"
        raise ImageError(f"is JPEG 2000 with {what}; read are grey and RGB, with and without alpha; convert it to RGB")
    if parts.order is not None and len(parts.order) != stream.samples:
        raise ValueError("its channels are not its components")


def _header_boxes(levels: Array, has_alpha: bool, metadata: Metadata) -> Iterator[bytes]:
    height, width, samples = levels.shape
    colours = samples - has_alpha
    yield box_of(b"ihdr", struct.pack(">IIHBBBB", height, width, samples, 8 * levels.itemsize - 1, 7, 0, 0))
    space = (
        struct.pack(">BBB", 2, 0, 0) + metadata.icc
        if metadata.icc
        else struct.pack(">BBBI", 1, 0, 0, GREY if colours == 1 else SRGB)
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


def _turned(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    return dpi[::-1] if dpi and orientation >= 5 else dpi
