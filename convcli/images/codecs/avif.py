"""AVIF: with Pillow, but 10 and 12 bits, which it would cut to 8, with imagecodecs (libavif)."""

import io
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
import PIL.Image
from msgspec.structs import replace

from ...errors import ImageError
from .. import avif_boxes
from ..avif_items import check_coded_sizes
from ..exif_block import ORIENTATION
from ..formats import BY_NAME, DECODERS
from ..frames import Frames, LevelsOfFrame, Series
from ..image import Admit, Header, Image, check_pixels, image_of_samples, scaled_levels
from ..metadata import metadata_of
from ..orientation import upright
from ..storage import Storage
from .animation import of_one_size, timing_of
from .pillow import header_of, picture_of, pillow_settings
from .pillow_frames import AnimationCodec, AnimationFacts

BYTES_PER_SAMPLE = 9
"""Memory of a sample while it is read, in addition to the image: planes of libavif, and its RGB."""


class AvifCodec(AnimationCodec):
    """AVIF of all depths, written with 8 bits."""

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames. Raises ImageError, and whatever Pillow raises on damaged data."""
        beyond = check_coded_sizes(file, max_pixels)
        frames = super().open_frames(file, max_pixels, axes)

        def read(index: int, admit: Admit) -> Image:
            def admit_all(header: Header) -> None:
                admit(replace(header, reading=header.reading + beyond * header.channels * BYTES_PER_SAMPLE))

            return frames.read(index, admit_all)

        return replace(frames, read=read)

    def read_picture(self, file: BinaryIO, max_pixels: int, admit: Admit) -> Image:
        """Read a picture. Raises ImageError, and whatever Pillow and imagecodecs raise on damaged data."""
        file.seek(0)
        bits = avif_boxes.bits_of(file)
        file.seek(0)
        return super().read_picture(file, max_pixels, admit) if bits == 8 else _read_deep(file, bits, max_pixels, admit)

    def read_facts(self, file: BinaryIO) -> AnimationFacts | None:
        """Return what the boxes of a file say; None for one without a sequence."""
        durations = avif_boxes.durations(file)
        file.seek(0)
        if len(durations) < 2 or avif_boxes.bits_of(file) > 8:
            return None
        file.seek(0)
        with pillow_settings, PIL.Image.open(file, formats=DECODERS) as picture:
            width, height = picture.size
            count = getattr(picture, "n_frames", 1)
        file.seek(0)
        if count != len(durations):
            durations = ()
        return AnimationFacts(Series(count, durations=durations), width, height)

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write a sequence. Pillow takes all frames at once. A sequence is shown once, or for ever, as a viewer likes."""
        durations, _ = timing_of(series)
        first, *others = [picture_of(levels) for levels, _ in of_one_size(frames, "avif")]
        options = self.save_options(storage, len(first.getbands()))
        first.save(
            file, "AVIF", save_all=True, append_images=others, duration=[round(duration) for duration in durations], **options
        )


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
    return file_metadata.add_to(image_of_samples(levels, 65535, "AVIF", file_metadata.metadata))
