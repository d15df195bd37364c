"""HEIC with pillow_heif (libheif), an optional dependency. 10 and 12 bits become 16."""

import io
from typing import Any, BinaryIO

import numpy as np

from ...errors import ImageError
from ..file_parts import DEPTH_MAP, FURTHER_PICTURES, XMP
from ..image import Admit, Array, Header, Image, check_pixels, image_of_samples, scaled_levels
from ..metadata import metadata_of_blocks
from .codec import Codec

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
BYTES_PER_SAMPLE = {1: 2, 2: 12}
"""Memory of a sample of one and of two bytes while it is read, in addition to the image: planes of libheif, and its RGB."""


class HeicCodec(Codec):
    """HEIC, which is only read."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the primary picture. Raises ImageError, and whatever pillow_heif raises on damaged data.

        libheif turns the picture as its boxes say, and an orientation in EXIF repeats this.
        """
        try:
            import pillow_heif
        except ImportError:
            raise ImageError("is HEIC, which needs a further package: pip install 'convcli[heic]'") from None
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        container: Any = pillow_heif.open_heif(io.BytesIO(file.read()), convert_hdr_to_8bit=False)
        index = container.primary_index
        picture = container[index]
        mode, (width, height), bits = picture.mode.partition(";")[0], picture.size, picture.info["bit_depth"]
        check_pixels(width, height, max_pixels)
        channels, itemsize = CHANNELS[mode], 1 if bits <= 8 else 2
        admit(Header(height, width, channels, itemsize, size + width * height * channels * BYTES_PER_SAMPLE[itemsize]))
        stored = np.asarray(picture)
        levels = np.atleast_3d(stored if bits <= 8 else scaled_levels(stored >> (16 - bits), 2**bits - 1))
        if levels.shape != (height, width, channels):
            raise ValueError(f"its pixels have shape {levels.shape}")
        return _image_of(levels, picture.info, len(container), _lost(file, size, picture.info))


def _image_of(levels: Array, info: dict[str, Any], pictures: int, lost: list[str]) -> Image:
    exif = info.get("exif") or None
    metadata = metadata_of_blocks(exif, info.get("xmp"), lost, is_turned=False, icc=info.get("icc_profile"))
    white = 255 if levels.itemsize == 1 else 65535
    return metadata.add_to(image_of_samples(levels, white, "HEIC", metadata.metadata)).with_first_used(1, pictures, "frames")


def _lost(file: BinaryIO, size: int, info: dict[str, Any]) -> list[str]:
    """Describe what is not carried over."""
    lost = [DEPTH_MAP] if info.get("depth_images") else []
    lost += [FURTHER_PICTURES] if info.get("aux") else []
    lost += [XMP] if info.get("xmp") else []
    return lost
