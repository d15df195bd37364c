"""AVIF: pictures and sequences, with Pillow."""

from collections.abc import Iterable
from typing import BinaryIO

import PIL.Image

from .. import avif_boxes
from ..formats import DECODERS, Encoding, Format
from ..frames import Series
from ..image import Metadata
from .animation import Levels, alike, timing_of
from .pillow import picture_of, pillow_settings
from .pillow_frames import AnimationCodec, AnimationFacts


class AvifCodec(AnimationCodec):
    """AVIF."""

    def read_facts(self, file: BinaryIO) -> AnimationFacts | None:
        """Return what the boxes of a file say; None for one without a sequence."""
        durations = avif_boxes.durations(file)
        if len(durations) < 2:
            return None
        file.seek(0)
        with pillow_settings, PIL.Image.open(file, formats=DECODERS) as picture:
            width, height = picture.size
            count = getattr(picture, "n_frames", 1)
        file.seek(0)
        if count != len(durations):
            durations = ()
        return AnimationFacts(Series(count, durations=durations), width, height)

    def write_frames(
        self,
        file: BinaryIO,
        frames: Iterable[Levels],
        series: Series,
        file_format: Format,
        encoding: Encoding,
        metadata: Metadata,
    ) -> None:
        """Write a sequence. Pillow takes all frames at once. A sequence is shown once, or for ever, as a viewer likes."""
        durations, _ = timing_of(series)
        first, *others = [picture_of(levels) for levels, _ in alike(frames, "avif")]
        options = self.save_options(file_format, encoding, metadata, len(first.getbands()))
        first.save(
            file, "AVIF", save_all=True, append_images=others, duration=[round(duration) for duration in durations], **options
        )
