"""Files to images. The content decides the format, never the name.

Every mode that Pillow can open is handled by one written rule:

    1, L, P and the 2- and 4-bit kinds   widened to 8 bits; a palette becomes colour, with alpha where it has some
    LA, RGBA, La, RGBa                   8 bits and alpha, straight
    I;16 and its byte orders             16-bit grey
    F                                    32-bit real numbers
    CMYK, YCbCr, LAB, HSV                converted to RGB, with a notice; the profile, which no longer fits, is dropped
    16-bit colour or grey with alpha     PNG and PPM: refused, for Pillow would cut it to 8 bits; TIFF: read by tifffile
"""

import io
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..errors import ConvcliError, ImageError
from . import array_files, tiff
from .formats import MAX_PIXELS
from .image import Admit, Header, Image, Metadata, check_pixels
from .metadata import BIG_TIFF, SAMPLES, frames_in, metadata_of, metadata_of_tiff

DECODERS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""The formats whose decoders may see a file. Others would run more code on it, Ghostscript for one."""

WITH_ALPHA = ("LA", "RGBA", "La", "RGBa", "PA")
GREY = ("1", "L", "LA", "La")
CONVERTED = ("CMYK", "YCbCr", "LAB", "HSV")
TIFF = (b"II*\0", b"MM\0*", *BIG_TIFF)


def read_image(
    source: Path | None,
    standard_input: BinaryIO | None = None,
    max_pixels: int = MAX_PIXELS,
    axes: str | None = None,
) -> Image:
    """Read the first picture of a file, upright, or of standard input where source is None. Raises ImageError."""
    with opened(source, standard_input) as file:
        return decode(file, max_pixels, axes=axes)


def decode(
    file: BinaryIO,
    max_pixels: int = MAX_PIXELS,
    admit: Admit = lambda header: None,
    axes: str | None = None,
) -> Image:
    """Read the first picture of an open file, upright, once ``admit`` has let its header pass; ``axes`` are those of an array.

    Raises ImageError: the file is empty, no picture, truncated, corrupt, too large, or of a kind that cannot be read without
    loss.
    """
    try:
        start = file.read(32)
        file.seek(0)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from None
    if not start:
        raise ImageError("is empty")
    if start.startswith(array_files.MAGIC):
        return array_files.read_array(file, max_pixels, admit, axes)
    try:
        return _read_picture(file, start, max_pixels, admit)
    except (ConvcliError, MemoryError):
        raise
    # Pillow's decoders raise OSError, ValueError, IndexError, TypeError, SyntaxError, struct.error and more on bad files.
    except Exception as error:
        raise ImageError(_reason(error)) from error


@contextmanager
def opened(source: Path | None, standard_input: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """The bytes of a file, or of standard input where source is None, to be read from any place. Raises ImageError."""
    if source is None:
        assert standard_input is not None
        yield io.BytesIO(standard_input.read())
        return
    try:
        mode = source.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError("is a folder; name the files in it")
        if not stat.S_ISREG(mode):
            raise ImageError("is no regular file; use - to read a picture from standard input")
        file = source.open("rb")
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise ImageError("no such file" if missing else f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL byte in the name
        raise ImageError(f"cannot be read: {error}") from None
    with file:
        yield file


class _PillowsLimit:
    """Sets Pillow's own size limit, and its warnings, aside while any thread reads; ours is checked on the header.

    Both are settings of the whole process: the first reader keeps them, and the last one brings them back.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.readers = 0
        self.limit: int | None = None
        self.warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self.lock:
            if self.readers == 0:
                self.limit = PIL.Image.MAX_IMAGE_PIXELS
                self.warnings = warnings.catch_warnings()
                self.warnings.__enter__()
                warnings.simplefilter("ignore")
                PIL.Image.MAX_IMAGE_PIXELS = None
            self.readers += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.readers -= 1
            if self.readers == 0:
                PIL.Image.MAX_IMAGE_PIXELS = self.limit
                self.warnings.__exit__(None, None, None)


set_aside = _PillowsLimit()
"""Held while Pillow reads."""


def _read_picture(file: BinaryIO, start: bytes, max_pixels: int, admit: Admit) -> Image:
    with set_aside:
        try:
            picture = PIL.Image.open(file, formats=DECODERS)
        except PIL.UnidentifiedImageError:
            if start[:4] in TIFF:
                return tiff.read_tiff(file, max_pixels, admit)
            raise ImageError(f"is not a picture that can be read ({', '.join(DECODERS)} or .npy)") from None
        with picture:
            check_pixels(*picture.size, max_pixels)
            _refuse_cut_colour(picture, start)
            if picture.format == "TIFF" and tiff.needs_tifffile(picture):
                return tiff.read_tiff(file, max_pixels, admit)
            admit(_header_of(picture))
            tags = getattr(picture, "tag_v2", {})
            frames, samples = getattr(picture, "n_frames", 1), len(picture.getbands())
            if picture.format == "TIFF":
                dpi = picture.info.get("dpi") if tiff.X_RESOLUTION in tags else None  # Pillow makes up one dot an inch
                found = metadata_of_tiff(file, tags, picture.info.get("icc_profile"), dpi)
                frames, samples = max(frames, frames_in(file, tags)), tags.get(SAMPLES, 1)
            else:
                picture.load()  # here, for PNG's metadata loads the pixels too, and a second load would hide what is wrong
                found = metadata_of(picture, file)
            PIL.ImageOps.exif_transpose(picture, in_place=True)
            image = found.of(_to_image(picture, str(picture.format), found.metadata))
            used = min(len(picture.getbands()), 3 if picture.mode == "RGBX" else 4)
            return image.using_first(1, frames, "frames").using_first(used, samples, "channels")


def _header_of(picture: PIL.Image.Image) -> Header:
    """What ``_to_image`` will make of a picture."""
    mode = picture.mode
    itemsize = 2 if mode.startswith("I;16") else {"F": 4, "I": 8}.get(mode, 1)
    transparent = mode in WITH_ALPHA or "transparency" in picture.info
    grey = itemsize > 1 or mode in GREY
    channels = (1 if grey else 3) + transparent
    stored = picture.height * picture.width * (1 if channels == 1 else 4) * itemsize  # Pillow keeps colours in fours
    return Header(picture.height, picture.width, channels, itemsize, 2 * stored)


def _refuse_cut_colour(picture: PIL.Image.Image, start: bytes) -> None:
    """Raise where Pillow would hand 16-bit colour over as 8 bits, which it does without a word."""
    deep_png = picture.format == "PNG" and start[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06")
    tiles: Any = getattr(picture, "tile", ())
    ppm_levels = tiles[0][3][-1] if picture.format == "PPM" and isinstance(tiles[0][3], tuple) else 0
    deep_ppm = picture.mode == "RGB" and ppm_levels > 255
    if deep_png or deep_ppm:
        kind = "grey with alpha" if deep_png and start[25] == 4 else "colour"
        raise ImageError(
            f"is 16-bit {kind} in {picture.format}, which would be cut to 8 bits; convert it to TIFF, which is read in full"
        )


def _to_image(picture: PIL.Image.Image, kind: str, metadata: Metadata) -> Image:
    """Apply the rule for this mode."""
    mode = picture.mode
    if mode in CONVERTED:
        notices = (f"is {mode}; converted to RGB" + (", its colour profile dropped" if metadata.icc else ""),)
        kept = replace(metadata, icc=None)
        return Image(np.asarray(picture.convert("RGB")), 255, None, kind, kept, notices, (f"its {mode} colour",))
    if mode.startswith("I;16") or (mode == "I" and kind == "PPM"):
        levels = np.asarray(picture).astype(np.uint16)
        transparent = picture.info.get("transparency")
        alpha = None if transparent is None else np.where(levels == transparent, 0, 65535).astype(np.uint16)
        return Image(levels[:, :, None], 65535, alpha, kind, metadata)
    if mode in ("F", "I"):
        real = np.float32 if mode == "F" else np.float64
        return Image(np.asarray(picture)[:, :, None].astype(real), None, None, kind, metadata)
    if mode in WITH_ALPHA or "transparency" in picture.info:
        levels = np.asarray(_converted(picture, "RGBA"))
        return Image(levels[:, :, : 1 if mode in GREY else 3], 255, levels[:, :, 3], kind, metadata)
    levels = np.asarray(_converted(picture, "L" if mode in ("1", "L") else "RGB"))
    return Image(np.atleast_3d(levels), 255, None, kind, metadata)


def _converted(picture: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    """The picture in a mode; Pillow would copy one that is in that mode already."""
    return picture if picture.mode == mode else picture.convert(mode)


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return f"is truncated or corrupt: {text.splitlines()[0]}"
