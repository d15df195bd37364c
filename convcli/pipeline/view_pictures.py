"""Pictures, and the frames of animations and stacks, as parts of a sheet."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from ..drawing.tile import Tile
from ..errors import ConvcliError
from ..images.frames import Frames, Series
from ..images.image import Header, Image
from ..images.read import open_frames, open_input
from .frame_slice import ALL, FIRST, FrameSlice
from .network_input import prepared as prepare_image
from .prepare_digit import SIDE
from .viewed import MAX_PARTS, DrawnIn, Part, Viewed, tiles_of_image, without_alpha


class _Seen(ConvcliError):
    """Raised to stop reading once the header is known."""

    def __init__(self, header: Header) -> None:
        self.header = header


def view_frames(
    name: str,
    file: BinaryIO,
    source: Path | None,
    asked: FrameSlice | None,
    max_pixels: int,
    stays_open: bool,
    prepared: str = "",
) -> Viewed:
    """Return the selected frames of an open file, by default all, or the first of several versions of one picture.

    With ``prepared``, the ``invert`` of ``prepare_digit``, the digit that a network gets of each is beside it.
    The file is opened again for a single frame, and for each of several where it does not stay open. Raises ImageError.
    """
    frames = open_frames(file, max_pixels)
    series = frames.series
    indices = (asked or (FIRST if series.are_alternates else ALL)).indices(series.count)
    size, is_alone = _size_of(frames, indices[0]), len(indices) == 1
    read = functools.partial(_read, frames)
    if source is not None and (is_alone or not stays_open):
        read = functools.partial(_read_alone, source, max_pixels)
    if series.tiff is not None and series.tiff.are_channels and not _colour_name(series, indices[0]):
        planes = _parts_of_channels(name, read, series, indices, size)
        return Viewed(name, tuple(planes[:MAX_PARTS]), len(indices) * size[2], "maps", "")
    size = without_alpha(size)
    if is_alone and source is not None:
        alone = _parts_of(name, None, size, functools.partial(read, indices[0]), prepared)
        return Viewed(name, tuple(alone), len(alone), "frames", "")
    parts: list[Part] = []
    for index in indices[:MAX_PARTS]:
        labels = series.labels_of([index]) if series.labels else ()
        own = labels[0] if len(labels) == 1 else _colour_name(series, index)
        label = own or (name if is_alone else f"frame {index}")
        parts += _parts_of(label, index, size, functools.partial(read, index), prepared)
    return Viewed(name, tuple(parts[:MAX_PARTS]), len(indices) * (2 if prepared else 1), "frames", "")


def _parts_of(
    label: str, index: int | None, size: tuple[int, int, int], read: "functools.partial[Image]", prepared: str
) -> list[Part]:
    """Return the part of a picture, and that of the digit that a network gets of it where ``prepared`` is not empty."""
    parts = [Part(label, size, functools.partial(_tiles, label, index, read))]
    if prepared:
        name, digit = f"{label} prepared", functools.partial(_read_digit, read, prepared)
        parts.append(Part(name, (SIDE, SIDE, 1), functools.partial(_tiles, name, None, digit)))
    return parts


def _read_digit(read: "functools.partial[Image]", invert: str) -> Image:
    """Read a picture, and return it as a digit. Raises ArgumentError where there is none in it."""
    return Image(np.rint(255 * prepare_image(read(), invert).digit).astype(np.uint8)[:, :, None], 255)


def _colour_name(series: Series, index: int) -> str:
    """Return the name of a map in colour, whose planes are named NAME R, NAME G and NAME B; an empty text for others."""
    labels = series.labels_of([index]) if series.labels else ()
    name = labels[0].removesuffix(" R") if labels else ""
    return name if labels == tuple(f"{name} {colour}" for colour in "RGB") else ""


def _parts_of_channels(
    name: str, read_frame: Callable[[int], Image], series: Series, indices: range, size: tuple[int, int, int]
) -> list[Part]:
    """Return the channels of frames as parts: they are planes of their own in the file, such as the maps of several kernels.

    They are named by their labels, or by the names of the channels, or by their numbers. The last frame that was read is kept.
    """
    height, width, channels = size
    read = functools.lru_cache(maxsize=1)(read_frame)
    parts: list[Part] = []
    for index in indices[: -(-MAX_PARTS // channels)]:
        labels = series.labels_of([index]) if series.labels else ()
        known = labels if len(labels) == channels else series.channels if len(series.channels) == channels else ()
        for channel in range(channels):
            label = (known[channel] if known else "") or f"channel {channel}"
            if len(indices) > 1:
                label = f"frame {index} {label}"
            reader = functools.partial(_read_channel, read, index, channel)
            parts.append(Part(label, (height, width, 1), functools.partial(_tiles, label, len(parts), reader)))
    return parts


def _read_channel(read: Callable[[int], Image], index: int, channel: int) -> Image:
    image = read(index)
    return replace(image, pixels=image.pixels[:, :, [channel]], alpha=None)


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
