"""TIFF: reads it with tifffile, writes levels itself, and the float stacks that ImageJ reads with tifffile."""

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from ..exif_block import ASCII, Block, BrokenExif, Field, append, write_at
from ..exif_tiff import NO_BLOCK, check_values, start_tiff
from ..formats import Encoding, Format
from ..image import Admit, Array, Image, Metadata
from ..metadata import DESCRIPTION, NO_UNIT, XMP_TAG
from ..provenance import SOFTWARE, Provenance, find_provenance
from .codec import Codec
from .pillow import pillow_settings
from .tiff_reader import ICC_PROFILE, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, read_first_page

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings become one line of ours

UNASSOCIATED, STRIP_OFFSETS, STRIP_BYTE_COUNTS = 2, 273, 279
BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
STRUCT_CODES = {SHORT: "H", LONG: "I"}
MINISBLACK, RGB = 1, 2
PHOTOMETRIC, BITS_PER_SAMPLE, PREDICTOR = 262, 258, 317
DIFFERENCES = 2
NUMBERS = {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}
"""The names of compressions, and their numbers in the tag Compression."""

STRIP_BYTES = 1 << 17
"""Size of the samples in a compressed strip."""

MAX_LONG = (1 << 32) - 1
MAX_BYTES = (1 << 32) - (1 << 24)
"""Largest size of samples; the positions in a file have 32 bits."""


class TiffCodec(Codec):
    """TIFF, BigTIFF, and stacks of float maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first page. Raises ImageError, and whatever tifffile and imagecodecs raise on damaged data."""
        return read_first_page(file, max_pixels, admit)

    def encode(self, levels: Array, has_alpha: bool, file_format: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Encode levels in strips, after their metadata.

        Pillow cannot encode 16-bit colour, and would write EXIF anew. The strips are written last: a file in memory that grows
        after them would be copied.

        Three photographs of 0.63 megapixel together, their edges, the photographs with noise in 16 bits, and blurred in
        floats take, with differences in strips of 128 KB:

                            8 bits, 1.90 MB    edges, 1.90 MB    16 bits, 3.81 MB    floats, 7.61 MB
            deflate, 1        17 ms 1.01 MB     17 ms 1.47 MB       38 ms 3.15 MB      60 ms 5.17 MB
            deflate, 6        33 ms 0.99 MB     30 ms 1.46 MB       60 ms 3.20 MB     107 ms 5.14 MB
            lzw               25 ms 1.11 MB     25 ms 1.86 MB       50 ms 4.08 MB     107 ms 6.67 MB
            zstd, 1            8 ms 0.99 MB      7 ms 1.47 MB        8 ms 3.14 MB      34 ms 5.16 MB
            without differences, deflate, 1:
                              17 ms 1.30 MB     15 ms 1.35 MB       36 ms 3.64 MB      65 ms 6.36 MB

        A black and white picture of 3.2 megapixels, 4 KB in CCITT group 4, takes 29 KB with deflate and 15 KB with zstd.
        Strips of 8 KB are 1 to 30 % larger, those of a megabyte no more than 1 % smaller. zstd is younger: TIFF 6.0 and ImageJ
        do not have it.
        """
        compression = encoding.compression or (encoding.inherited or {}).get("compression", "deflate")
        order = "<" if b"II" in (metadata.exif or NO_BLOCK)[:8] else ">"
        layout = Layout.of(levels, compression)
        file = start_tiff(
            metadata.exif or NO_BLOCK, [*_pixel_fields(levels, has_alpha, layout, order), *_metadata_fields(metadata, order)]
        )
        block = Block.of(file)
        _write_strips(block, block.first_directory, levels, layout)
        return file.getvalue()

    def exif_error(self, exif: bytes) -> str:
        """Return what is wrong with a block whose directories become those of the file, or an empty string."""
        try:
            check_values(exif)
        except BrokenExif as error:
            return str(error)
        return ""

    def write_maps(self, file: BinaryIO, maps: Sequence[Array], names: Sequence[str], provenance: Provenance | None) -> None:
        """Write maps as float32 pages that ImageJ opens as a hyperstack with the names as labels.

        N maps of one channel are N channels (axes CYX); N maps of C channels are N slices of C channels (ZCYX).
        """
        import tifffile  # 10 ms, needed for stacks only

        height, width, channels = maps[0].shape
        planes = np.empty((len(maps), channels, height, width), np.float32)
        for plane, map_ in zip(planes, maps, strict=True):
            plane[...] = np.moveaxis(map_, 2, 0)
        if channels == 1:
            labels, axes, planes = list(names), "CYX", planes[:, 0]
        else:
            letters = "RGB" if channels == 3 else [str(c) for c in range(channels)]
            labels, axes = [f"{name} {letter}" for name in names for letter in letters], "ZCYX"
        description = {"axes": axes, "Labels": labels, "mode": "grayscale"}
        tifffile.imwrite(file, planes, imagej=True, metadata=description, software=str(provenance or ""))

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the tag Software. Raises whatever Pillow raises on damaged data."""
        with pillow_settings, PIL.Image.open(path, formats=("TIFF",)) as picture:
            return find_provenance(picture.getexif().get(SOFTWARE))

    def is_complete(self, path: Path, file_format: Format) -> bool:
        """Return whether all data that the directories refer to lies in the file, and each plane of a stack has a directory."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            if len(file.pages) < (file.imagej_metadata or {}).get("images", 1):
                return False
            ends = [0]
            for tiff_page in file.pages:
                page: Any = tiff_page
                ends.append(page.offset + 12 * len(page.tags) + 6)  # a count, 12 bytes per tag, a pointer
                ends += (tag.valueoffset + tag.valuebytecount for tag in page.tags)
                ends += map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
            return max(ends) <= file.filehandle.size


@dataclass(frozen=True)
class Layout:
    """How samples are stored: the name of the compression, the rows of a strip, and the number of strips.

    Compressed levels are differences of neighbours in a row (TIFF 6.0, section 14).
    """

    compression: str
    rows: int
    strips: int

    @classmethod
    def of(cls, samples: Array, compression: str) -> "Layout":
        """Return the layout of samples (H, W, C). Raises ValueError where a file cannot hold them."""
        height = len(samples)
        if samples.nbytes > MAX_BYTES:
            raise ValueError(f"{samples.nbytes} bytes of pixels; TIFF holds at most {MAX_BYTES}; write .png")
        rows = height if compression == "none" else max(STRIP_BYTES * height // samples.nbytes, 1)
        return cls(compression, rows, -(-height // rows))

    def encode(self, samples: Array, order: str) -> "bytes | memoryview":
        """Return the bytes of a strip of samples (H, W, C) in a byte order."""
        if self.compression == "none":
            return np.ascontiguousarray(samples, samples.dtype.newbyteorder(order)).data.cast("B")
        import imagecodecs  # 15 ms, with the decoders of two compressions

        differences = imagecodecs.delta_encode(np.ascontiguousarray(samples), axis=1)
        data = differences.astype(samples.dtype.newbyteorder(order), copy=False).tobytes()
        if self.compression == "lzw":
            return bytes(imagecodecs.lzw_encode(data))
        return bytes(imagecodecs.zstd_encode(data, 1) if self.compression == "zstd" else imagecodecs.deflate_encode(data, 1))


def _write_strips(block: Block, directory: int, samples: Array, layout: Layout) -> None:
    """Write the strips of samples (H, W, C) at the end of a file, and their positions and sizes to a directory."""
    positions, sizes = [], []
    for begin in range(0, len(samples), layout.rows):
        strip = layout.encode(samples[begin : begin + layout.rows], block.byte_order)
        positions.append(append(block.file, strip))
        sizes.append(len(strip))
    for entry in block.directory(directory):
        numbers = {STRIP_OFFSETS: positions, STRIP_BYTE_COUNTS: sizes}.get(entry.tag)
        if numbers:
            write_at(block.file, entry.value_position, struct.pack(f"{block.byte_order}{len(numbers)}I", *numbers))


def _pixel_fields(samples: Array, has_alpha: bool, layout: Layout, order: str) -> list[Field]:
    """Return the fields of a directory for samples (H, W, C). Those about strips are 0 until they are known."""
    height, width, count = samples.shape
    photometric = RGB if count - has_alpha == 3 else MINISBLACK
    numbers = ((259, NUMBERS[layout.compression]), (PHOTOMETRIC, photometric), (277, count), (284, 1))
    fields = [
        *((tag, LONG, (value,)) for tag, value in ((256, width), (257, height), (278, layout.rows))),
        *((tag, LONG, (0,) * layout.strips) for tag in (STRIP_OFFSETS, STRIP_BYTE_COUNTS)),
        *((tag, SHORT, (value,)) for tag, value in numbers),
        (BITS_PER_SAMPLE, SHORT, (8 * samples.itemsize,) * count),
        *([(PREDICTOR, SHORT, (DIFFERENCES,))] if layout.compression != "none" else []),
        *([(338, SHORT, (UNASSOCIATED,))] if has_alpha else []),
    ]
    return [(tag, kind, struct.pack(f"{order}{len(values)}{STRUCT_CODES[kind]}", *values)) for tag, kind, values in fields]


def _rational(number: Fraction) -> tuple[int, int]:
    """Return the nearest fraction of two 32-bit numbers."""
    return number.limit_denominator(max(int(MAX_LONG / max(number, Fraction(1))), 1)).as_integer_ratio()


def _imagej_description(words: Sequence[tuple[str, str]]) -> list[Field]:
    """Return ImageJ's description of the size of pixels; none where there is nothing to say. It writes Unicode as \\u00b5."""
    text = "".join(f"{key}={value}\n" for key, value in (("ImageJ", "1.11a"), *words))
    escaped = "".join(letter if letter.isascii() else f"\\u{ord(letter):04x}" for letter in text)
    return [(DESCRIPTION, ASCII, escaped.encode() + b"\0")] if words else []


def _metadata_fields(metadata: Metadata, order: str) -> list[Field]:
    """Return the fields of metadata that EXIF does not have."""
    packed: list[Field] = []
    if metadata.dpi:
        per_inch = [Fraction(round(value * 400), 400).as_integer_ratio() for value in metadata.dpi]  # 1e7 * 400 has 32 bits
        ratios = zip((X_RESOLUTION, Y_RESOLUTION), per_inch, strict=True)
        packed += [(tag, RATIONAL, struct.pack(f"{order}II", *ratio)) for tag, ratio in ratios]
        packed.append((RESOLUTION_UNIT, SHORT, struct.pack(f"{order}H", 2)))
    elif metadata.calibration:
        ratios = zip((X_RESOLUTION, Y_RESOLUTION), map(_rational, metadata.calibration.per_unit), strict=True)
        packed += [(tag, RATIONAL, struct.pack(f"{order}II", *ratio)) for tag, ratio in ratios]
        packed.append((RESOLUTION_UNIT, SHORT, struct.pack(f"{order}H", NO_UNIT)))
        packed += _imagej_description(metadata.calibration.words)
    if metadata.icc:
        packed.append((ICC_PROFILE, UNDEFINED, metadata.icc))
    if metadata.xmp:
        packed.append((XMP_TAG, BYTE, metadata.xmp))
    return packed
