"""TIFF: reads it with tifffile, writes pictures itself, and stacks of several float maps, which ImageJ reads, with tifffile."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from ..exif_block import BrokenExif
from ..exif_tiff import check_values
from ..formats import Encoding, Format
from ..image import Admit, Array, Image, Metadata
from ..provenance import SOFTWARE, Provenance, find_provenance
from .codec import Codec
from .pillow import pillow_settings
from .tiff_reader import read_first_page
from .tiff_writer import FLOAT_DIFFERENCES, NUMBERS, encode_pages

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings become one line of ours


class TiffCodec(Codec):
    """TIFF, BigTIFF, and stacks of float maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first page. Raises ImageError, and whatever tifffile and imagecodecs raise on damaged data."""
        return read_first_page(file, max_pixels, admit)

    def encode(self, levels: Array, has_alpha: bool, file_format: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Encode levels or float32, as ``encode_pages`` does."""
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
        if channels == 1:
            labels, axes, planes = list(names), "CYX", planes[:, 0]
        else:
            letters = "RGB" if channels == 3 else [str(c) for c in range(channels)]
            labels, axes = [f"{name} {letter}" for name in names for letter in letters], "ZCYX"
        description = {"axes": axes, "Labels": labels, "mode": "grayscale"}
        number = NUMBERS[encoding.compression or "none"]
        options: dict[str, Any] = {} if number == 1 else {"compression": number, "predictor": FLOAT_DIFFERENCES}
        tifffile.imwrite(file, planes, imagej=True, metadata=description, software=str(provenance or ""), **options)

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
