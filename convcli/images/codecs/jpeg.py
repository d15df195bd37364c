"""JPEG: pictures, and files with several of them (MPO, CIPA DC-007): stereo pairs, gain maps, previews."""

import io
from typing import Any, BinaryIO

import PIL.ImageFile
import PIL.JpegImagePlugin

from ..file_parts import FURTHER_PICTURES
from ..frames import Frames, Series
from ..image import Admit, Array, Image
from ..storage import Storage
from .jpeg_scans import load_whole
from .pillow import PillowCodec, WatchedFile, picture_of, pillow_settings, saved, truncated_is_allowed

GAIN_MAP = "its gain map, which makes it HDR,"
PILLOW_SUBSAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
"""Pillow's numbers of those that it writes."""

INDEX, ENTRIES = b"MPF\0", 0xB002
GAIN_MAPS = (b"http://ns.adobe.com/hdr-gain-map/", b"urn:iso:std:iso:ts:21496:-1")
"""What a picture with one states: Ultra HDR (https://developer.android.com/media/platform/hdr-image-format) and ISO 21496-1."""


class JpegCodec(PillowCodec):
    """JPEG."""

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the pictures of a file, which are versions of the first."""
        file.seek(0)
        data = file.read()
        places = _places(file) if INDEX in data else []  # Pillow takes half a millisecond to open a file
        has_gain_map = any(mark in data for mark in GAIN_MAPS)
        del data
        if places is None:
            lost = FURTHER_PICTURES

            def read_first(index: int, admit: Admit) -> Image:
                return self.read_picture(file, max_pixels, admit).with_notices(f"{lost} not kept").with_losses(lost)

            return Frames(Series(), read_first)
        if len(places) < 2:
            return super().open_frames(file, max_pixels, axes)

        def read(index: int, admit: Admit) -> Image:
            if index == 0:
                image = self.read_picture(file, max_pixels, admit)
                return image.with_unkept(GAIN_MAP) if has_gain_map else image
            position, size = places[index]
            file.seek(position)
            return self.read_picture(io.BytesIO(file.read(size)), max_pixels, admit)

        return Frames(Series(len(places), are_alternates=True), read)

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels. Raises as the codec of Pillow does."""
        options, is_grey = self.save_options(storage, levels.shape[2]), levels.shape[2] == 1
        ratio = options.pop("subsampling")
        if ratio in PILLOW_SUBSAMPLINGS or is_grey:
            return saved(picture_of(levels), storage.file_format, options | {"subsampling": PILLOW_SUBSAMPLINGS.get(ratio, 0)})
        from .jpeg_subsampling import encode_subsampled  # here, as it is rare

        return encode_subsampled(picture_of(levels), ratio, options)

    def load(self, picture: PIL.ImageFile.ImageFile, watched: WatchedFile) -> None:
        """Decode the pixels. Raises OSError for a picture whose data end early, unless truncated pictures are allowed."""
        watched.seek(0)
        if load_whole(picture, watched.file.read()):
            return
        if not truncated_is_allowed():
            raise OSError("image file is truncated")
        watched.was_read_at_end = True
        picture.load()


def _places(file: BinaryIO) -> list[tuple[int, int]] | None:
    """Return the positions and sizes of the pictures of a file with an index; none without one, None if it is broken."""
    file.seek(0)
    picture: Any = None
    try:
        with pillow_settings:
            picture = PIL.JpegImagePlugin.JpegImageFile(file)
            entries = picture._getmp()[ENTRIES] if "mp" in picture.info else []
            start = picture.info.get("mpoffset", 0)
            return [(entry["DataOffset"] + start if index else 0, entry["Size"]) for index, entry in enumerate(entries)]
    except Exception:  # the first picture may be fine
        return None if picture is not None else []
