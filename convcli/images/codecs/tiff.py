"""TIFF: reads it with tifffile, writes pictures itself, and stacks of several float maps, which ImageJ reads, with tifffile."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..exif_block import BrokenExif
from ..exif_tiff import check_values
from ..file_format import Format
from ..frames import Frames, LevelsOfFrame, Series
from ..image import Admit, Array, Image
from ..provenance import SOFTWARE, Provenance, find_provenance
from ..storage import MapStorage, Storage
from .codec import Codec
from .tiff_directories import codes_of, ends_chain
from .tiff_reader import open_tiff_frames
from .tiff_series import planes_per_directory
from .tiff_stack import encode_planes, write_map_stack, write_stack
from .tiff_writer import encode_pages


class TiffCodec(Codec):
    """TIFF, BigTIFF, and stacks of float maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first frame. Raises ImageError, and whatever tifffile and imagecodecs raise on damaged data."""
        frames = open_tiff_frames(file, max_pixels)
        return frames.read(0, admit).with_first_used(1, frames.series.count, "frames")

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames of a file: see ``tiff_series``."""
        return open_tiff_frames(file, max_pixels)

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels or float32, as ``encode_pages`` does; pictures of other than 1 or 3 channels as planes."""
        if levels.shape[2] - has_alpha not in (1, 3):
            return encode_planes(levels, has_alpha, storage)
        return encode_pages(levels, has_alpha, storage)

    def exif_error(self, exif: bytes) -> str:
        """Return what is wrong with a block whose directories become those of the file, or an empty string."""
        try:
            check_values(exif)
        except BrokenExif as error:
            return str(error)
        return ""

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write frames as an ImageJ hyperstack, as OME-TIFF or as pages: see ``tiff_stack``."""
        write_stack(file, frames, series, storage)

    def write_maps(self, file: BinaryIO, frames: Iterable[Sequence[Array]], storage: MapStorage) -> None:
        """Write float maps as a hyperstack or as OME-TIFF: see ``tiff_stack``."""
        write_map_stack(file, frames, storage)

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
