"""GIF: frames of at most 256 colours, read with Pillow and written one by one."""

import io
import itertools
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.GifImagePlugin
import PIL.Image

from ..frames import LevelsOfFrame, Series
from ..gif_blocks import APPLICATION, GRAPHIC_CONTROL, LOOP, Extension, Frame, block_of_xmp, is_grey_ramp, read_blocks
from ..image import Array, Image, Metadata
from ..palette import indexed, is_hidden
from ..provenance import Provenance, find_provenance
from ..storage import Storage
from .animation import Box, Levels, box_of, changed_box, changed_pixels, of_one_size, timing_of
from .pillow import pillow_settings
from .pillow_frames import AnimationCodec, AnimationFacts

KEEP, CLEAR = 1, 2
"""Disposals: a frame remains under the next; its rectangle becomes transparent."""

MAX_FIELD = 65535


class GifCodec(AnimationCodec):
    """GIF."""

    def read_facts(self, file: BinaryIO) -> AnimationFacts | None:
        """Return what the blocks of a file say. One that ends early has the frames that begin in it."""
        durations: list[float] = []
        duration, loop, flags, is_grey, width, height = 0.0, 1, 0, True, 0, 0
        is_first_transparent = is_transparent = clears = False
        for block in read_blocks(file):
            if isinstance(block, Extension):
                if block.label == GRAPHIC_CONTROL and len(block.first) >= 4:
                    duration = 10.0 * int.from_bytes(block.first[1:3], "little")
                    flags = block.first[0]
                elif block.label == APPLICATION and block.first == LOOP and len(block.second) >= 3:
                    repeats = int.from_bytes(block.second[1:3], "little")
                    loop = repeats + 1 if repeats else 0
                continue
            is_grey &= is_grey_ramp(block.palette)
            if isinstance(block, Frame):
                width, height = max(width, block.right), max(height, block.bottom)
                is_first_transparent |= bool(flags & 1) and not durations
                is_transparent |= bool(flags & 1)
                clears |= flags >> 2 & 7 == CLEAR
                durations.append(duration)
                duration, flags = 0.0, 0
            else:
                width, height = block.width, block.height
        # Transparent pixels of later frames show the frame below, unless that is cleared.
        has_alpha = is_first_transparent or (is_transparent and clears)
        series = Series(len(durations), durations=tuple(durations), loop=loop)
        return AnimationFacts(series, width, height, has_alpha, is_grey)

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the comment. Raises whatever Pillow raises on damaged data."""
        with pillow_settings, PIL.Image.open(path, formats=("GIF",)) as picture:
            return find_provenance(bytes(picture.info.get("comment", b"")).decode("latin-1"))

    def frame_of(self, picture: PIL.Image.Image, facts: AnimationFacts, metadata: Metadata) -> Image:
        """Return a frame with the channels that all frames of the file have. Those of Pillow have several modes."""
        levels = np.asarray(picture.convert("RGBA" if facts.has_alpha else "RGB"))
        alpha = levels[:, :, 3] if facts.has_alpha else None
        return Image(levels[:, :, : 1 if facts.is_grey else 3], 255, alpha, "GIF", metadata)

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels (H, W, C), uint8, as a GIF of one frame."""
        file = io.BytesIO()
        self.write_frames(file, [LevelsOfFrame(levels, has_alpha)], Series(durations=(0.0,), loop=1), storage)
        return file.getvalue()

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write frames, each with a palette. Of each, the part that differs from the one before is stored.

        A frame before one with transparent pixels is cleared, so that it is not seen through them.
        """
        durations, loop = timing_of(series)
        before: Levels | None = None  # what is seen under the next frame; None where nothing is
        pairs = itertools.pairwise(itertools.chain(of_one_size(frames, "gif"), [None]))
        for index, ((frame, following), duration) in enumerate(zip(pairs, durations, strict=True)):
            assert frame is not None
            clears = following is not None and _hidden(following) is not None
            height, width = frame[0].shape[:2]
            keeps = None
            if storage.encoding.only_changes and before is not None and not clears and not frame[1]:
                changed = changed_pixels(before[0], frame[0])
                box, keeps = box_of(changed), ~changed
            else:
                box = (0, 0, width, height) if clears else changed_box(before, frame)
            if index == 0:
                file.write(_header(width, height, loop, storage.metadata))
            file.write(_frame(frame, box, round(duration / 10), clears, keeps, storage.encoding.only_changes))
            before = None if clears else frame
        file.write(b";")


def _hidden(frame: Levels) -> Array | None:
    """Return which pixels of a frame become transparent; None where none does."""
    levels, has_alpha = frame
    hidden = is_hidden(levels[:, :, -1]) if has_alpha else None
    return hidden if hidden is not None and hidden.any() else None


def _header(width: int, height: int, loop: int, metadata: Metadata) -> bytes:
    """Return the start of a file. How often it is shown is stored as repetitions, 0 for ever, and left out for once."""
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0x70, 0, 0)]
    if loop != 1:
        parts.append(b"!\xff\x0b" + LOOP + b"\x03\x01" + struct.pack("<H", min(loop - 1, MAX_FIELD) if loop else 0) + b"\0")
    if metadata.xmp:
        parts.append(block_of_xmp(metadata.xmp))
    if comment := metadata.comment:
        blocks = [comment[max(end - 255, 0) : end] for end in range(len(comment), 0, -255)][::-1]  # its end, undivided
        parts.append(b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")
    return b"".join(parts)


def _frame(
    frame: Levels, box: Box, hundredths: int, clears: bool, keeps: Array | None = None, is_drawing: bool = False
) -> bytes:
    """Return the blocks of a frame, with its palette. One that is cleared names a transparent colour, as Pillow asks.

    ``keeps`` (H, W) bool are pixels that are transparent, so that those of the frame before are seen.
    """
    left, top, right, bottom = box
    levels, has_alpha = frame
    part = levels[top:bottom, left:right], has_alpha
    hidden = _hidden(part) if keeps is None else keeps[top:bottom, left:right]
    stored = indexed(part[0][:, :, : levels.shape[2] - has_alpha], hidden, clears, is_drawing)
    picture = PIL.Image.fromarray(np.ascontiguousarray(stored.indices))
    picture.putpalette(stored.palette.tobytes())
    options = {"transparency": stored.transparent} if stored.transparent is not None else {}
    blocks = PIL.GifImagePlugin.getdata(
        picture,
        (left, top),
        duration=10 * min(hundredths, MAX_FIELD),
        disposal=CLEAR if clears else KEEP,
        include_color_table=True,
        **options,
    )
    return b"".join(blocks)
