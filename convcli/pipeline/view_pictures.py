"""Pictures, and the frames of animations and stacks, as parts of a sheet."""

import functools
from pathlib import Path
from typing import BinaryIO

from ..drawing.tile import Tile
from ..errors import ConvcliError
from ..images.frames import Frames
from ..images.image import Header, Image
from ..images.read import open_frames, open_input
from .frame_slice import ALL, FIRST, FrameSlice
from .viewed import MAX_PARTS, DrawnIn, Part, Viewed, tiles_of_image


class _Seen(ConvcliError):
    """Raised to stop reading once the header is known."""

    def __init__(self, header: Header) -> None:
        self.header = header


def view_frames(name: str, file: BinaryIO, source: Path | None, asked: FrameSlice | None, max_pixels: int) -> Viewed:
    """Return the selected frames of an open file, by default all, or the first of several versions of one picture.

    The file of several frames stays open until they are drawn; that of one is opened again. Raises ImageError.
    """
    frames = open_frames(file, max_pixels)
    series = frames.series
    indices = (asked or (FIRST if series.are_alternates else ALL)).indices(series.count)
    height, width, channels = _size_of(frames, indices[0])
    is_alone = len(indices) == 1
    if is_alone and source is not None:
        reader = functools.partial(_read_alone, source, max_pixels, indices[0])
        parts = [Part(name, (height, width, channels), functools.partial(_tiles, name, None, reader))]
    else:
        parts = []
        for index in indices[:MAX_PARTS]:
            labels = series.labels_of([index]) if series.labels else ()
            label = name if is_alone else labels[0] if len(labels) == 1 and labels[0] else f"frame {index}"
            reader = functools.partial(_read, frames, index)
            parts.append(Part(label, (height, width, channels), functools.partial(_tiles, label, index, reader)))
    return Viewed(name, tuple(parts), len(indices), "frames", "")


def _size_of(frames: Frames, index: int) -> tuple[int, int, int]:
    """Return (H, W, C) of a frame, from its header."""

    def see(header: Header) -> None:
        raise _Seen(header)

    try:
        return frames.read(index, see).size
    except _Seen as seen:
        return seen.header.height, seen.header.width, seen.header.channels


def _read(frames: Frames, index: int) -> Image:
    return frames.read(index, lambda header: None)


def _read_alone(source: Path, max_pixels: int, index: int) -> Image:
    with open_input(source) as file:
        return _read(open_frames(file, max_pixels), index)


def _tiles(label: str, index: int | None, read: "functools.partial[Image]", drawn_in: DrawnIn) -> tuple[Tile, ...]:
    return tiles_of_image(label, read(), drawn_in, index)
