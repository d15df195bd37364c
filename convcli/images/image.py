"""An image in memory, which every reader returns and every writer takes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..errors import ImageError, listed
from ..geometry.axes import Placement
from .compression import Compression

if TYPE_CHECKING:
    from fractions import Fraction

Array: TypeAlias = np.ndarray[Any, Any]


REMEDY = "get it again, or save it anew from its source"
"""The end of a message about a damaged file."""


LIGHT_FORMATS = ("HDR", "EXR")
"""Formats whose samples are linear light: 1 is the white of a display."""


class Calibration(Struct, frozen=True):
    """The size of pixels in a unit that is not the inch, as microscopes store it.

    ``per_unit`` is the number of pixels (x, y) in a unit; ``words`` are ImageJ's, such as ``("unit", "um")``.
    """

    per_unit: tuple["Fraction", "Fraction"]
    words: tuple[tuple[str, str], ...] = ()

    def moved(self, placement: Placement) -> "Calibration":
        """Return the calibration of an output."""
        x, y = (number / stride for number, stride in zip(self.per_unit, reversed(placement.strides), strict=True))
        row, column = zip(placement.first, placement.strides, strict=True)
        origins = {"xorigin": column, "yorigin": row}
        return Calibration((x, y), tuple((key, moved_origin(text, *origins.get(key, (0, 1)))) for key, text in self.words))


def moved_origin(value: Any, first: int, stride: int) -> Any:
    """Return the position on an output, as a text, of a position in pixels. Other values stay."""
    return value if (first, stride) == (0, 1) else f"{(float(value) - first) / stride:.10g}"


class Metadata(Struct, frozen=True):
    """What a file says about its pixels, apart from their levels."""

    icc: bytes | None = None
    exif: bytes | None = None  # without the orientation, which is applied on reading
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()  # PNG's keywords and texts
    comment: bytes | None = None  # of JPEG and GIF
    xmp: bytes | None = None
    iptc: bytes | None = None  # of JPEG, as resources of Photoshop
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()  # names and data of chunks that say what levels mean
    gamma: float | None = None  # of a chunk gAMA that no other replaces, or of JPEG XL
    cicp: tuple[int, int, int, int] | None = None  # of PNG, AVIF and JPEG XL: primaries, transfer, matrix, full range
    calibration: Calibration | None = None  # of TIFF, in place of dpi
    label: str = ""  # the name of a map, in TIFF of floats


class Image(Struct, frozen=True):
    """Pixels (H, W, C) with C = 1 for grey, 3 for colour, or any number from an array file; alpha is never among them.

    ``white`` is the level of white: 255 for uint8, 65535 for uint16, None for floats of unknown scale.
    ``alpha`` is (H, W) of the dtype of the pixels; opaque is white, or 1 where white is None. ``notices`` report to the user
    what reading changed. ``lost`` describes what of the file no output can hold that is made from this image.
    ``metadata_losses`` are those notices and losses that concern metadata. ``compression`` is how the file was compressed,
    where an output can be compressed alike.
    """

    pixels: Array
    white: int | None
    alpha: Array | None = None
    format: str = ""
    metadata: Metadata = Metadata()
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    metadata_losses: frozenset[str] = frozenset()
    compression: Compression | None = None

    @property
    def size(self) -> tuple[int, int, int]:
        """(H, W, C), without alpha."""
        height, width, channels = self.pixels.shape
        return height, width, channels

    @property
    def opaque(self) -> float:
        """Level of opaque alpha."""
        return 1.0 if self.white is None else float(self.white)

    @property
    def summary(self) -> str:
        """Size and kind, such as ``512 x 512 RGB 8-bit``."""
        height, width, channels = self.pixels.shape
        colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
        depth = str(self.pixels.dtype) if self.white is None else f"{8 * self.pixels.itemsize}-bit"
        return f"{width} x {height} {colour}{'' if self.alpha is None else ' with alpha'} {depth}"

    def with_notices(self, *notices: str) -> "Image":
        """Return a copy with more notices."""
        return replace(self, notices=(*self.notices, *notices))

    def with_losses(self, *lost: str) -> "Image":
        """Return a copy with more entries in ``lost``."""
        return replace(self, lost=(*self.lost, *lost))

    def with_unkept(self, *lost: str) -> "Image":
        """Return a copy with more entries in ``lost``, and a notice of them."""
        return self.with_notices(f"{listed(lost)} not kept").with_losses(*lost) if lost else self

    def without_metadata_losses(self) -> "Image":
        """Return a copy without the notices and losses that concern metadata, for outputs that have none."""
        notices, lost = (
            tuple(text for text in texts if text not in self.metadata_losses) for texts in (self.notices, self.lost)
        )
        return replace(self, notices=notices, lost=lost)

    def with_first_used(self, used: int, count: int, what: str) -> "Image":
        """Return a copy with a notice that only the first frames or channels are used, where the file has more."""
        if count <= used:
            return self
        notice = f"has {count} {what}; the first {'is' if used == 1 else f'{used} are'} used"
        return self.with_notices(notice).with_losses(f"{count - used} further {what if count - used > 1 else what[:-1]}")


def image_of_samples(samples: Array, white: int | None, kind: str, metadata: Metadata | None = None) -> Image:
    """Return samples (H, W, 1 to 4) as an image: grey or RGB, of two and of four samples the last one is alpha."""
    colours = 1 if samples.shape[2] < 3 else 3
    alpha = np.ascontiguousarray(samples[:, :, colours]) if samples.shape[2] > colours else None
    return Image(np.ascontiguousarray(samples[:, :, :colours]), white, alpha, kind, metadata or Metadata())


class Header(Struct, frozen=True):
    """Size of an image whose pixels are not read yet: rows, columns, channels with alpha, bytes per sample.

    ``reading`` is the memory in bytes that the reader takes in addition to the image, ``held`` is what it holds until the last
    frame is read.
    """

    height: int
    width: int
    channels: int
    itemsize: int
    reading: int
    held: int = 0


Admit: TypeAlias = Callable[[Header], None]
"""Called with the header before the pixels are read. An error that it raises stops the reading."""


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError for a picture without pixels, or with more than ``max_pixels``."""
    if width < 1 or height < 1:
        raise ImageError(f"is {width} x {height}: it holds no pixels")
    if width * height > max_pixels:
        raise ImageError(
            f"is {width} x {height}, {width * height} pixels; the limit is {max_pixels}; raise it with --max-pixels"
        )


def itemsize_of(dtype: "np.dtype[Any]") -> int:
    """Return the bytes per sample of what ``as_levels`` returns for such an array."""
    return as_levels(np.zeros(1, dtype))[0].itemsize


def as_levels(array: Array) -> tuple[Array, int | None]:
    """Return an array of any real dtype as pixels, and their level of white.

    uint8 and uint16 stay, bool becomes 0 and 255. Other integers and float16 become float32 or float64, whichever holds them.
    """
    if array.dtype == bool:
        return np.where(array, np.uint8(255), np.uint8(0)), 255
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(array.dtype.newbyteorder("="), copy=False), 255 if array.dtype.itemsize == 1 else 65535
    small = array.dtype.itemsize <= (4 if array.dtype.kind == "f" else 2)
    return array.astype(np.float32 if small else np.float64), None


def scaled_levels(samples: Array, highest: int) -> Array:
    """Return samples 0..highest as uint8 if they fit, else uint16, scaled so that the highest is white, rounded to nearest.

    >>> scaled_levels(np.array([0, 1, 4095]), 4095).tolist()
    [0, 16, 65535]
    """
    dtype, white = (np.uint8, 255) if highest <= 255 else (np.uint16, 65535)
    if highest == white:
        return samples.astype(dtype, copy=False)
    return ((samples.astype(np.uint32) * white + highest // 2) // highest).astype(dtype)
