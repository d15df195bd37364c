"""The request of ``slide``. Imports no NumPy, so that start-up is fast."""

import hashlib
import math
import os
import re
from typing import Any

from msgspec import Struct

from ..errors import ArgumentError, nearest_name
from ..geometry.borders import Border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from ..images.formats import MAX_PIXELS, format_named
from ..kernels.kernel import Kernel, Matrix
from ..kernels.syntax import Inline, parse_kernel
from .frame_slice import FrameSlice, parse_frames
from .inputs import Input

MAX_SIDE = 32
"""Rows and columns of an input, at most."""

MAX_POSITIONS = 1024
"""Positions of the window, at most."""

FASTEST = 50.0
"""Frames per second: browsers show GIFs that are faster at 10."""

CHANNELS = ("gray", "sum", "red", "green", "blue")
"""What is shown of a picture in colour: its grey, three windows with one sum, or a channel."""

FORMATS = {"gif": "gif", "webp": "webp", "apng": "png", "png": "png", "html": "webp"}
"""Formats of slides, and of the pictures in them. "png" is one picture, "html" a page with lossless pictures."""

SUFFIXES = {**{f".{name}": name for name in FORMATS}, ".htm": "html"}


GRID = r"(?ais)(?=.*\d)(?:[\d.,;:/*()+\-\s\[\]x]|sqrt|pi|e)+"
"""Characters of a matrix of numbers. Other texts are names of files."""

NOT_FINITE = r"(?ai)\b(?:nan|inf(?:inity)?)\b"


class Crop(Struct, frozen=True):
    """A part of a picture: its upper left pixel, and its size."""

    x: int
    y: int
    width: int
    height: int


class Pool(Struct, frozen=True):
    """A pooling window: "max" or "avg", and its (rows, columns)."""

    name: str
    size: Sides


class SlideRequest(Struct, frozen=True):
    """What ``slide`` was asked for: a kernel that slides, or that is transposed; or a pooling window.

    ``grid`` are the numbers of a text that takes the place of a picture. ``stride`` None is that of the operation.
    """

    input: Input
    kernel: Kernel | None
    grid: Matrix | None = None
    pool: Pool | None = None
    transposed: bool = False
    stride: Sides | None = None
    padding: Padding = "same"
    border: Border = "reflect"
    dilation: Sides = (1, 1)
    flip: bool = False
    channels: str | None = None
    crop: Crop | None = None
    resize: Sides | int | None = None
    format: str = "gif"
    frames: FrameSlice | None = None
    fps: float = 2.0
    cell: int | None = None
    max_pixels: int = MAX_PIXELS
    axes: str | None = None
    allow_truncated: bool = False

    @property
    def digest(self) -> str:
        """What the bytes of the output depend on apart from the picture: 32 hexadecimal digits."""
        from ..drawing.slide import SLIDE_VERSION  # imports NumPy

        own = {name: getattr(self, name) for name in self.__struct_fields__ if name not in ("input", "kernel", "max_pixels")}
        kernel = None if self.kernel is None else (self.kernel.name, self.kernel.matrix, self.kernel.offset, self.kernel.anchor)
        return hashlib.sha256(repr((SLIDE_VERSION, kernel, own)).encode()).hexdigest()[:32]


def read_grid(text: str) -> Matrix | None:
    """Return the numbers of a text in the syntax of kernels; None for a name of a file.

    Raises KernelError, and ArgumentError for rows of numbers with NaN or infinities.

    >>> read_grid("0 1; 1/2 0"), read_grid("photo.jpg"), read_grid("2026/7.png")
    (((0.0, 1.0), (0.5, 0.0)), None, None)
    """
    if os.path.lexists(text):
        return None
    if re.search(r"[\s;,]", text) and re.search(NOT_FINITE, text) and re.fullmatch(GRID, re.sub(NOT_FINITE, "0", text)):
        raise ArgumentError(f"the numbers of the input must be finite, got {text!r}; a .npy array may hold NaN and infinities")
    if not re.fullmatch(GRID, text):
        return None
    parsed = parse_kernel(text)
    assert isinstance(parsed, Inline)
    return parsed.matrix


def format_of_slide(output: str, name: str | None) -> str:
    """Return the format of an output by its suffix, or the one that is named. Raises ArgumentError."""
    if name is not None:
        return name
    if output == "-":
        raise ArgumentError("writing to standard output needs --format, such as --format gif")
    suffix = re.search(r"\.[^./\\]*$", output)
    if suffix is None or suffix[0].lower() not in SUFFIXES:
        raise ArgumentError(f"output {output!r}: a slide is written as {', '.join(SUFFIXES)}; or give --format")
    return SUFFIXES[suffix[0].lower()]


def picture_format(name: str) -> Any:
    """Return the format of the pictures of a slide."""
    return format_named(FORMATS[name])


def read_crop(text: str) -> Crop:
    """Parse X,Y,WxH. Raises ArgumentError.

    >>> read_crop("100,80,16x12")
    Crop(x=100, y=80, width=16, height=12)
    """
    match = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9})x(\d{1,9})", text, re.ASCII | re.IGNORECASE)
    crop = Crop(*map(int, match.groups())) if match else None
    if crop is None or not (crop.width and crop.height):
        raise ArgumentError(f"crop must be X,Y,WxH, the upper left pixel and the size, such as 100,80,16x16, got {text!r}")
    return crop


def read_resize(text: str) -> Sides | int:
    """Parse WxH as (rows, columns), or N, the longer side. Raises ArgumentError.

    >>> read_resize("16x12"), read_resize("16")
    ((12, 16), 16)
    """
    match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text, re.ASCII | re.IGNORECASE)
    numbers = [int(number) for number in match.groups() if number] if match else []
    if not numbers or not all(1 <= number <= MAX_SIDE for number in numbers):
        raise ArgumentError(
            f"resize must be N, the longer side, or WxH, from 1 to {MAX_SIDE}, such as 16 or 16x12, got {text!r}"
        )
    return (numbers[1], numbers[0]) if len(numbers) == 2 else numbers[0]


def read_pool(text: str) -> Pool:
    """Parse max:2 or avg:3x2, the size in rows and columns. Raises ArgumentError.

    >>> read_pool("max:2"), read_pool("avg:3x2")
    (Pool(name='max', size=(2, 2)), Pool(name='avg', size=(3, 2)))
    """
    name, _, size = text.partition(":")
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", size, re.ASCII | re.IGNORECASE)
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if name not in ("max", "avg") or not all(sides):
        is_name = name in ("max", "avg")
        near, example = ("", f"{name}:2") if is_name else (nearest_name(name, ("max", "avg")), "max:2")
        raise ArgumentError(f"pool must be max:N or avg:N, with N or ROWSxCOLUMNS, such as {example}, got {text!r}{near}")
    return Pool(name, sides)


def read_fps(text: str) -> float:
    """Parse frames per second. Raises ArgumentError."""
    value = float(text) if re.fullmatch(r"\d{1,3}(?:\.\d{1,6})?|\.\d{1,6}", text, re.ASCII) else math.nan
    if not 0.1 <= value <= FASTEST:
        raise ArgumentError(f"fps must be a number of frames per second from 0.1 to {FASTEST:g}, got {text!r}")
    return value


def read_slide_frames(text: str) -> FrameSlice:
    """Parse first:N and last:N, and what ``parse_frames`` does. Raises ArgumentError.

    >>> read_slide_frames("first:9").text, read_slide_frames("last:9").text, read_slide_frames("last").text
    (':9', '-9:', '-1')
    """
    match = re.fullmatch(r"(first|last):([0-9]{1,9})", text)
    if match is not None and int(match[2]):
        return FrameSlice(f":{match[2]}" if match[1] == "first" else f"-{match[2]}:")
    if text == "last":
        return FrameSlice("-1")
    try:
        return parse_frames(text)
    except ArgumentError:
        raise ArgumentError(
            f"frames must be all, first, last, first:N, last:N, a number such as 3, or A:B[:STEP] such as 0:10:2, got {text!r}"
        ) from None
