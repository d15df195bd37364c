"""Reads the frames of animations that Pillow decodes: GIF, WebP, AVIF. Each is read as it is shown, laid on those before it."""

import io
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import PIL.Image

from ..compression import compression_of
from ..exif_block import ORIENTATION
from ..formats import BY_PILLOW_NAME, DECODERS
from ..frames import Frames, Series
from ..image import Admit, Header, Image, Metadata, check_pixels
from ..metadata import metadata_of
from ..orientation import upright
from .pillow import PillowCodec, WatchedFile, pillow_settings, to_image

HELD_BYTES = 12
"""Bytes per pixel of the canvases of decoders: the frame that is shown, and what lies under the next."""


@dataclass(frozen=True)
class AnimationFacts:
    """What is known of an animation before a frame is decoded. ``width`` and ``height`` are the largest that it asks for.

    ``has_alpha`` and ``is_grey`` are those of all frames of a GIF.
    """

    series: Series
    width: int
    height: int
    has_alpha: bool = False
    is_grey: bool = False


class AnimationCodec(PillowCodec):
    """A format with frames. Files of one frame are read as pictures."""

    def read_facts(self, file: BinaryIO) -> AnimationFacts | None:
        """Return what a file says about its frames, which are skipped; None for one without an animation."""
        raise NotImplementedError

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames. Raises ImageError, and whatever Pillow raises on damaged data."""
        file.seek(0)
        facts = self.read_facts(file)
        if facts is None or facts.series.count < 2:
            return super().open_frames(file, max_pixels, axes)
        check_pixels(facts.width, facts.height, max_pixels)
        return Frames(facts.series, _Reader(self, file, facts, max_pixels).read)

    def frame_of(self, picture: PIL.Image.Image, facts: AnimationFacts, metadata: Metadata) -> Image:
        """Return a frame that is decoded, as it is stored."""
        return to_image(picture, metadata)


class _Reader:
    """Reads frames from a picture of Pillow. In order, each is decoded once."""

    def __init__(self, codec: AnimationCodec, file: BinaryIO, facts: AnimationFacts, max_pixels: int) -> None:
        self.codec = codec
        self.file = file
        self.facts = facts
        self.max_pixels = max_pixels
        self.watched = WatchedFile(file)
        self.picture: PIL.Image.Image | None = None

    def read(self, index: int, admit: Admit) -> Image:
        """Return a frame. Raises ImageError, and whatever Pillow raises on damaged data."""
        with pillow_settings:
            if self.picture is None:
                self._open()
            picture = self.picture
            assert picture is not None
            picture.seek(index)
            check_pixels(*picture.size, self.max_pixels)
            pixels, compressed = picture.width * picture.height, self.file.seek(0, io.SEEK_END)
            held = HELD_BYTES * pixels + compressed
            admit(Header(picture.height, picture.width, 4 if self.facts.has_alpha else 3, 1, 8 * pixels + held, held))
            self.watched.was_read_at_end = False
            picture.load()
            image = self.codec.frame_of(picture, self.facts, self.file_metadata.metadata)
            alpha = None if image.alpha is None else upright(image.alpha, self.orientation)
            image = replace(image, pixels=upright(image.pixels, self.orientation), alpha=alpha, compression=self.compression)
            return self.watched.add_to(self.file_metadata.add_to(image))

    def _open(self) -> None:
        self.file.seek(0)
        picture = PIL.Image.open(cast(BinaryIO, self.watched), formats=DECODERS)
        check_pixels(*picture.size, self.max_pixels)
        file_format = BY_PILLOW_NAME[str(picture.format)]
        self.file_metadata = metadata_of(picture, self.file, file_format)
        self.orientation = picture.getexif().get(ORIENTATION, 1)
        self.compression = compression_of(picture, self.file)
        self.picture = picture
