"""Reads the frames of animations that Pillow decodes: GIF, WebP, AVIF. Each is read as it is shown, laid on those before it."""

import functools
import io
from typing import BinaryIO, cast

import PIL.Image
from msgspec import Struct
from msgspec.structs import replace

from ..compression import Compression, compression_of
from ..exif_block import ORIENTATION
from ..formats import BY_PILLOW_NAME, DECODERS
from ..frames import Frames, Series
from ..image import Admit, Header, Image, Metadata, check_pixels
from ..metadata import FileMetadata, metadata_of
from ..orientation import upright
from .pillow import PillowCodec, WatchedFile, pillow_settings, to_image

HELD_BYTES = 12
"""Bytes per pixel of the canvases of decoders: the frame that is shown, and what lies under the next."""


class AnimationFacts(Struct, frozen=True):
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


class _Opened(Struct, frozen=True):
    """A picture of Pillow, and what its file says about all frames."""

    picture: PIL.Image.Image
    metadata: FileMetadata
    orientation: int
    compression: Compression | None


class _Reader:
    """Reads frames from a picture of Pillow. In order, each is decoded once; an earlier one starts again."""

    def __init__(self, codec: AnimationCodec, file: BinaryIO, facts: AnimationFacts, max_pixels: int) -> None:
        self.codec = codec
        self.file = file
        self.facts = facts
        self.max_pixels = max_pixels
        self.watched = WatchedFile(file)

    def read(self, index: int, admit: Admit) -> Image:
        """Return a frame. Raises ImageError, and whatever Pillow raises on damaged data."""
        with pillow_settings:
            opened = self._opened
            picture = opened.picture
            picture.seek(index)
            check_pixels(*picture.size, self.max_pixels)
            pixels, compressed = picture.width * picture.height, self.file.seek(0, io.SEEK_END)
            held = HELD_BYTES * pixels + compressed
            admit(Header(picture.height, picture.width, 4 if self.facts.has_alpha else 3, 1, 8 * pixels + held, held))
            self.watched.was_read_at_end = False
            picture.load()
            image = self.codec.frame_of(picture, self.facts, opened.metadata.metadata)
            alpha = None if image.alpha is None else upright(image.alpha, opened.orientation)
            pixels_upright = upright(image.pixels, opened.orientation)
            image = replace(image, pixels=pixels_upright, alpha=alpha, compression=opened.compression)
            return self.watched.add_to(opened.metadata.add_to(image))

    @functools.cached_property
    def _opened(self) -> _Opened:
        self.file.seek(0)
        picture = PIL.Image.open(cast(BinaryIO, self.watched), formats=DECODERS)
        check_pixels(*picture.size, self.max_pixels)
        metadata = metadata_of(picture, self.file, BY_PILLOW_NAME[str(picture.format)])
        return _Opened(picture, metadata, picture.getexif().get(ORIENTATION, 1), compression_of(picture, self.file))
