"""AVIF: 10 and 12 bits with imagecodecs (libavif), which Pillow would cut to 8; the rest, and all metadata, with Pillow."""

import io
from typing import BinaryIO

import numpy as np
import PIL.Image

from ...errors import ImageError
from ..avif_boxes import bits_of
from ..exif_block import ORIENTATION
from ..formats import BY_NAME
from ..image import Admit, Header, Image, check_pixels, scaled_levels
from ..metadata import metadata_of
from ..orientation import upright
from .pillow import PillowCodec, header_of, pillow_settings

BYTES_PER_SAMPLE = 9
"""Memory of a sample while it is read, in addition to the image: planes of libavif, and its RGB."""


class AvifCodec(PillowCodec):
    """AVIF of all depths, written with 8 bits."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read a picture. Raises ImageError, and whatever Pillow and imagecodecs raise on damaged data."""
        file.seek(0)
        bits = bits_of(file)
        file.seek(0)
        return super().decode(file, max_pixels, admit, axes) if bits == 8 else _read_deep(file, bits, max_pixels, admit)


def _read_deep(file: BinaryIO, bits: int, max_pixels: int, admit: Admit) -> Image:
    """Return a picture of 10 or 12 bits. Its first plane decides about them, and Pillow has applied no orientation."""
    import imagecodecs

    with pillow_settings, PIL.Image.open(file, formats=("AVIF",)) as picture:
        check_pixels(*picture.size, max_pixels)
        if getattr(picture, "n_frames", 1) > 1:  # imagecodecs writes beyond its memory if one frame of several is asked for
            raise ImageError(f"is AVIF of {bits} bits with several frames, which are not read; convert it to PNG")
        estimate = header_of(picture)
        samples = estimate.channels * picture.width * picture.height
        size = file.seek(0, io.SEEK_END)
        admit(Header(picture.height, picture.width, estimate.channels, 2, size + samples * BYTES_PER_SAMPLE))
        file_metadata = metadata_of(picture, file, BY_NAME["avif"])
        orientation, (width, height) = picture.getexif().get(ORIENTATION, 1), picture.size
    file.seek(0)
    levels = np.atleast_3d(np.asarray(imagecodecs.avif_decode(file.read())))
    if levels.shape[:2] != (height, width) or levels.dtype != np.uint16 or int(levels.max()) >> bits:
        raise ValueError(f"its pixels have shape {levels.shape} and dtype {levels.dtype}")
    levels = upright(scaled_levels(levels, 2**bits - 1), orientation)
    colours = 1 if levels.shape[2] < 3 else 3
    alpha = np.ascontiguousarray(levels[:, :, colours]) if levels.shape[2] > colours else None
    image = Image(np.ascontiguousarray(levels[:, :, :colours]), 65535, alpha, "AVIF", file_metadata.metadata)
    return file_metadata.add_to(image)
