"""TIFF: reads it with tifffile, writes levels itself, and the float stacks that ImageJ reads with tifffile."""

import io
import logging
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..exif_block import Block, BrokenExif
from ..exif_tiff import NO_BLOCK, check_values, start_tiff
from ..formats import Encoding, Format
from ..frames import Frames, Series
from ..image import Admit, Array, Image, Metadata
from ..metadata import XMP_TAG
from ..provenance import SOFTWARE, Provenance, find_provenance
from .codec import Codec
from .tiff_reader import ICC_PROFILE, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, codes_of, open_tiff_frames
from .tiff_series import ends_chain
from .tiff_stack import encode_planes, labels_of_maps, write_map_stack, write_stack

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings become one line of ours

UNASSOCIATED, STRIP_OFFSETS = 2, 273
BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
STRUCT_CODES = {SHORT: "H", LONG: "I"}
MINISBLACK, RGB = 1, 2
PHOTOMETRIC, BITS_PER_SAMPLE = 262, 258


class TiffCodec(Codec):
    """TIFF, BigTIFF, and stacks of float maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first frame. Raises ImageError, and whatever tifffile and imagecodecs raise on damaged data."""
        frames = open_tiff_frames(file, max_pixels)
        return frames.read(0, admit).with_first_used(1, frames.series.count, "frames")

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames of a file: see ``tiff_series``."""
        return open_tiff_frames(file, max_pixels)

    def encode(self, levels: Array, has_alpha: bool, file_format: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Encode levels uncompressed in one strip, after their metadata.

        Pillow cannot encode 16-bit colour, and would write EXIF anew. The strip is written last: a file in memory that grows
        after it would be copied. Pictures of other than 1 or 3 channels are stored in planes.
        """
        if levels.shape[2] - has_alpha not in (1, 3):
            return encode_planes(levels, has_alpha, encoding, metadata)
        order = "<" if b"II" in (metadata.exif or NO_BLOCK)[:8] else ">"
        data = np.ascontiguousarray(levels, levels.dtype.newbyteorder(order)).data.cast("B")
        file = start_tiff(metadata.exif or NO_BLOCK, _pixel_fields(levels, has_alpha, metadata, order))
        begin = file.seek(0, io.SEEK_END)
        block = Block.of(file)
        (strip,) = (entry for entry in block.directory(block.first_directory) if entry.tag == STRIP_OFFSETS)
        file.seek(strip.value_position)
        file.write(struct.pack(f"{order}I", begin + begin % 2))
        file.seek(begin)
        file.write(bytes(begin % 2))
        file.write(data)
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
        axes, planes = ("CYX", planes[:, 0]) if channels == 1 else ("ZCYX", planes)
        description = {"axes": axes, "Labels": list(labels_of_maps(names, channels)), "mode": "grayscale"}
        tifffile.imwrite(file, planes, imagej=True, metadata=description, software=str(provenance or ""))

    def write_frames(
        self,
        file: BinaryIO,
        frames: Iterable[tuple[Array, bool]],
        series: Series,
        file_format: Format,
        encoding: Encoding,
        metadata: Metadata,
    ) -> None:
        """Write frames as an ImageJ hyperstack, as OME-TIFF or as pages: see ``tiff_stack``."""
        write_stack(file, frames, series, encoding, metadata)

    def write_frame_maps(
        self,
        file: BinaryIO,
        frames: Iterable[Sequence[Array]],
        series: Series,
        names: Sequence[str],
        provenance: Provenance | None,
    ) -> None:
        """Write the float maps of frames as a hyperstack or as OME-TIFF: see ``tiff_stack``."""
        write_map_stack(file, frames, series, names, str(provenance or ""))

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the tag Software. Raises whatever tifffile raises on damaged data."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            return find_provenance(getattr(file.pages.first.tags.get(SOFTWARE), "value", ""))

    def is_complete(self, path: Path, file_format: Format) -> bool:
        """Return whether all data that the directories refer to lies in the file, and each plane of a stack has a directory."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            if len(file.pages) < (file.imagej_metadata or {}).get("images", 1):
                return False
            if not ends_chain(file):
                return False
            ends = [0]
            for tiff_page in file.pages:
                page: Any = tiff_page
                if not {tag.code for tag in page.tags}.issuperset(codes_of(page)):  # tifffile leaves out what it cannot read
                    return False
                ends.append(page.offset + 12 * len(page.tags) + 6)  # a count, 12 bytes per tag, a pointer
                ends += (tag.valueoffset + tag.valuebytecount for tag in page.tags)
                ends += map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
            return max(ends) <= file.filehandle.size


def _pixel_fields(levels: Array, has_alpha: bool, metadata: Metadata, order: str) -> list[tuple[int, int, bytes]]:
    """Return the fields of a directory for levels (H, W, C) in one strip, whose position is 0 until it is known."""
    height, width, samples = levels.shape
    photometric = RGB if samples - has_alpha == 3 else MINISBLACK
    sizes = ((256, width), (257, height), (STRIP_OFFSETS, 0), (278, height), (279, levels.nbytes))
    fields = [
        *((tag, LONG, (value,)) for tag, value in sizes),
        *((tag, SHORT, (value,)) for tag, value in ((259, 1), (PHOTOMETRIC, photometric), (277, samples), (284, 1))),
        (BITS_PER_SAMPLE, SHORT, (8 * levels.itemsize,) * samples),
        *([(338, SHORT, (UNASSOCIATED,))] if has_alpha else []),
    ]
    packed = [(tag, kind, struct.pack(f"{order}{len(values)}{STRUCT_CODES[kind]}", *values)) for tag, kind, values in fields]
    if metadata.dpi:
        per_inch = [Fraction(round(value * 400), 400).as_integer_ratio() for value in metadata.dpi]  # 1e7 * 400 has 32 bits
        ratios = zip((X_RESOLUTION, Y_RESOLUTION), per_inch, strict=True)
        packed += [(tag, RATIONAL, struct.pack(f"{order}II", *ratio)) for tag, ratio in ratios]
        packed.append((RESOLUTION_UNIT, SHORT, struct.pack(f"{order}H", 2)))
    if metadata.icc:
        packed.append((ICC_PROFILE, UNDEFINED, metadata.icc))
    if metadata.xmp:
        packed.append((XMP_TAG, BYTE, metadata.xmp))
    return packed
