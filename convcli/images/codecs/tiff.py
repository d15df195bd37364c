"""TIFF: reads it with tifffile, writes pictures itself, and stacks of several float maps, which ImageJ reads, with tifffile."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..encoding import Encoding
from ..exif_block import BrokenExif
from ..exif_tiff import check_values
from ..formats import Format
from ..frames import Frames, LevelsOfFrame, Series
from ..image import Admit, Array, Image, Metadata
from ..provenance import SOFTWARE, Provenance, find_provenance
from .codec import Codec
from .tiff_reader import codes_of, open_tiff_frames
from .tiff_series import ends_chain, planes_per_directory
from .tiff_stack import encode_planes, labels_of_maps, write_map_stack, write_stack
from .tiff_writer import compression_of_floats, encode_pages


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
        """Encode levels or float32, as ``encode_pages`` does; pictures of other than 1 or 3 channels as planes."""
        if levels.shape[2] - has_alpha not in (1, 3):
            return encode_planes(levels, has_alpha, encoding, metadata)
        return encode_pages(levels, has_alpha, encoding, metadata)

    def exif_error(self, exif: bytes) -> str:
        """Return what is wrong with a block whose directories become those of the file, or an empty string."""
        try:
            check_values(exif)
        except BrokenExif as error:
            return str(error)
        return ""

    def write_maps(
        self,
        file: BinaryIO,
        maps: Sequence[Array],
        names: Sequence[str],
        provenance: Provenance | None,
        encoding: Encoding,
    ) -> None:
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
        options = compression_of_floats(encoding)
        tifffile.imwrite(file, planes, imagej=True, metadata=description, software=str(provenance or ""), **options)

    def write_frames(
        self,
        file: BinaryIO,
        frames: Iterable[LevelsOfFrame],
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
        encoding: Encoding,
    ) -> None:
        """Write the float maps of frames as a hyperstack or as OME-TIFF: see ``tiff_stack``."""
        write_map_stack(file, frames, series, names, str(provenance or ""), encoding)

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the tag Software. Raises whatever tifffile raises on damaged data."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            return find_provenance(getattr(file.pages.first.tags.get(SOFTWARE), "value", ""))

    def is_complete(self, path: Path, file_format: Format) -> bool:
        """Return whether all data that the directories refer to lies in the file, and all planes of a stack."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            directories, planes = len(file.pages), (file.imagej_metadata or {}).get("images", 1)
            if directories < planes and not planes_per_directory(file, directories, planes):
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
