"""An image in memory: what every reader makes and every writer takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ..errors import ImageError

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels beside their levels."""

    icc: bytes | None = None
    exif: bytes | None = None  # without the orientation, which is applied on reading
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()  # PNG's keywords and texts
    comment: bytes | None = None  # of JPEG and GIF


@dataclass(frozen=True)
class Image:
    """Pixels (H, W, C) with C = 1 for grey, 3 for colour, or any number from an array file; never with alpha in it.

    ``white`` is the level of white: 255 for uint8, 65535 for uint16, None for real numbers whose scale nobody knows.
    ``alpha`` is (H, W) in the type of the pixels, opaque at white, or at 1 where white is None. ``notices`` are sentences
    for the user about what reading changed, and ``lost`` words for what of the file is in no picture that is made from this.
    """

    pixels: Array
    white: int | None
    alpha: Array | None = None
    format: str = ""
    metadata: Metadata = Metadata()
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int, int]:
        """(H, W, C), without alpha."""
        height, width, channels = self.pixels.shape
        return height, width, channels

    @property
    def opaque(self) -> float:
        """Level of alpha that hides everything behind."""
        return 1.0 if self.white is None else float(self.white)

    @property
    def summary(self) -> str:
        """Size and kind in words: 512 x 512 RGB 8-bit."""
        height, width, channels = self.pixels.shape
        colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
        depth = str(self.pixels.dtype) if self.white is None else f"{8 * self.pixels.itemsize}-bit"
        return f"{width} x {height} {colour}{'' if self.alpha is None else ' with alpha'} {depth}"

    def noting(self, *notices: str) -> "Image":
        """A copy with more notices."""
        return replace(self, notices=(*self.notices, *notices))

    def losing(self, *lost: str) -> "Image":
        """A copy with more words for what is lost."""
        return replace(self, lost=(*self.lost, *lost))

    def using_first(self, used: int, count: int, what: str) -> "Image":
        """A copy that says that only the first frames or channels of the file are used, where there are more."""
        if count <= used:
            return self
        notice = f"has {count} {what}; the first {'is' if used == 1 else f'{used} are'} used"
        return self.noting(notice).losing(f"{count - used} further {what if count - used > 1 else what[:-1]}")


@dataclass(frozen=True)
class Header:
    """Rows, columns, channels (alpha among them) and bytes a number of an image that is yet to be read.

    ``reading`` is the bytes that the reader takes beside those of the image.
    """

    height: int
    width: int
    channels: int
    itemsize: int
    reading: int


Admit: TypeAlias = Callable[[Header], None]
"""Is called when a header has been read, before its pixels are; raises what it likes."""


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture by the size in its header."""
    if width < 1 or height < 1:
        raise ImageError(f"is {width} x {height}: it holds no pixels")
    if width * height > max_pixels:
        raise ImageError(
            f"is {width} x {height}, {width * height} pixels; the limit is {max_pixels}; raise it with --max-pixels"
        )


def itemsize_of(dtype: "np.dtype[Any]") -> int:
    """Bytes of each number that ``as_levels`` makes of such an array."""
    return as_levels(np.zeros(1, dtype))[0].itemsize


def as_levels(array: Array) -> tuple[Array, int | None]:
    """An array of any real type as pixels of a type that is kept, and the level of white.

    bool becomes 0 and 255. Integers other than uint8 and uint16, and float16, become real numbers wide enough for them.
    """
    if array.dtype == bool:
        return np.where(array, np.uint8(255), np.uint8(0)), 255
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(array.dtype.newbyteorder("=")), 255 if array.dtype.itemsize == 1 else 65535
    small = array.dtype.itemsize <= (4 if array.dtype.kind == "f" else 2)
    return array.astype(np.float32 if small else np.float64), None
