"""ICO: icons of Windows in several sizes, each a PNG or a BMP, read with Pillow."""

import io
from typing import BinaryIO

import PIL.IcoImagePlugin
import PIL.Image

from ...errors import ImageError
from ..chunks import PNG_SIGNATURE
from ..frames import Frames, Series
from ..image import REMEDY, Admit, Header, Image, Metadata, check_pixels
from .pillow import pillow_settings, to_image
from .png import PngCodec

CHANNELS = 4


class IcoCodec(PngCodec):
    """ICO. The largest icon is the first."""

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the icons. Raises ImageError for a file without any, and whatever Pillow raises on damaged data."""
        file.seek(0)
        icons = PIL.IcoImagePlugin.IcoFile(file)
        if not icons.entry:
            raise ImageError(f"holds no icons; {REMEDY}")

        def read(index: int, admit: Admit) -> Image:
            entry = icons.entry[index]
            file.seek(entry.offset)
            data = file.read(entry.size)
            if data.startswith(PNG_SIGNATURE):
                return self.read_picture(io.BytesIO(data), max_pixels, admit)
            width, height = (int.from_bytes(data[start : start + 4], "little") for start in (4, 8))
            height //= 2  # the rows of a mask of transparent pixels follow those of the icon
            check_pixels(width, height, max_pixels)
            admit(Header(height, width, CHANNELS, 1, 8 * width * height + 2 * len(data)))
            with pillow_settings:
                picture = icons.frame(index)
                picture.load()
                picture.format = "ICO"
                return to_image(picture, Metadata())

        return Frames(Series(len(icons.entry), are_alternates=True), read)
