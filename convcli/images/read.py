"""Reads files as images. The content decides the format, never the name."""

import io
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import PIL
from msgspec.structs import replace

from ..errors import ConvcliError, ImageError
from .codecs import codec_of
from .file_format import Format
from .formats import MAX_PIXELS, format_beginning
from .frames import Frames
from .image import REMEDY, Admit, Image

MAX_REASON = 200
"""Longest text of a decoder that a message contains."""

MISLEADING_ERRORS = (PIL.UnidentifiedImageError, LookupError, TypeError, AttributeError, struct.error, AssertionError)
"""Errors of decoders whose text says nothing of the file, such as "index 0 out of range(0)"."""

PROGRAMMERS_WORDS = r"\w_\w|decoder object|[Uu]nable to run decoder|generator raised|reshape|^b['\"]"
DAMAGED = "the decoder finds errors in them"
"""Words that are told to programmers alone, such as IMCD_LZW_CORRUPT, a name in a library; and what is said instead."""

UNREAD = r" \(\d+ bytes not processed\)"
"""Of those that Pillow had, which says nothing of the file."""

TEXT_TOO_LARGE = "Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK"


def read_image(
    source: Path | None,
    standard_input: BinaryIO | None = None,
    max_pixels: int = MAX_PIXELS,
    axes: str | None = None,
    allow_pipe: bool = False,
) -> Image:
    """Read the first picture of a file, upright, or of standard input where source is None. Raises ImageError."""
    with open_input(source, standard_input, allow_pipe) as file:
        return decode(file, max_pixels, axes=axes)


def decode(
    file: BinaryIO,
    max_pixels: int = MAX_PIXELS,
    admit: Admit = lambda header: None,
    axes: str | None = None,
) -> Image:
    """Read the first picture of an open file, upright.

    ``admit`` is called with the header before the pixels are read. ``axes`` names the axes of an array, such as ``"CYX"``.

    Raises ImageError: the file is empty, not a picture, truncated, corrupt, too large, or of a kind that cannot be read without
    loss.
    """
    file_format = _format_of(file)
    with _as_image_error(file_format):
        image = codec_of(file_format).decode(file, max_pixels, admit, axes)
    return _noting_axes(image, file_format, axes)


def open_frames(file: BinaryIO, max_pixels: int = MAX_PIXELS, axes: str | None = None) -> Frames:
    """Return the frames of an open file. Raises ImageError as ``decode`` does, when the file is opened or a frame is read."""
    file_format = _format_of(file)
    with _as_image_error(file_format):
        frames = codec_of(file_format).open_frames(file, max_pixels, axes)

    def read(index: int, admit: Admit) -> Image:
        try:
            with _as_image_error(file_format):
                image = frames.read(index, admit)
        except ImageError as error:
            if frames.series.count == 1:
                raise
            raise ImageError(f"its frame {index} {error}") from error
        return _noting_axes(image, file_format, axes)

    return replace(frames, read=read)


def _noting_axes(image: Image, file_format: Format | None, axes: str | None) -> Image:
    """Return the image with a notice where axes are named and it is no array. Batches may have files of both kinds."""
    is_array = file_format is not None and file_format.name == "npy"
    return (
        image
        if axes is None or is_array
        else image.with_notices(f"is {image.format}; --axes is for .npy arrays and is not used")
    )


def _format_of(file: BinaryIO) -> Format | None:
    """Return the format of a file, None where it is unknown. Raises ImageError for an empty file."""
    try:
        start = file.read(32)
        file.seek(0)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from None
    if not start:
        raise ImageError("is empty")
    return format_beginning(start)


@contextmanager
def _as_image_error(file_format: Format | None) -> Iterator[None]:
    """Turn exceptions of decoders into ImageError."""
    try:
        yield
    except (ConvcliError, MemoryError):
        raise
    # Decoders raise OSError, ValueError, IndexError, TypeError, SyntaxError, struct.error and more on bad files.
    except Exception as error:
        raise ImageError(_reason(error, file_format)) from error


@contextmanager
def open_input(source: Path | None, standard_input: BinaryIO | None = None, allow_pipe: bool = False) -> Iterator[BinaryIO]:
    """Open a file, or the bytes of standard input where source is None, for random access. Raises ImageError.

    With ``allow_pipe``, a pipe is read to its end. Opening a named one waits until a program writes to it.
    """
    if source is None:
        assert standard_input is not None
        yield io.BytesIO(standard_input.read())
        return
    try:
        mode = source.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError("is a folder; name the files in it")
        is_pipe = allow_pipe and stat.S_ISFIFO(mode)
        if not (is_pipe or stat.S_ISREG(mode)):
            raise ImageError("is not a regular file; use - to read a picture from standard input")
        file: BinaryIO = io.BytesIO(source.read_bytes()) if is_pipe else source.open("rb")
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise ImageError("no such file" if missing else f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL byte in the name
        raise ImageError(f"cannot be read: {error}") from None
    with file:
        yield file


def _reason(error: Exception, file_format: Format | None) -> str:
    """Return the message for an exception of a decoder, whose own words alone would not say what is wrong."""
    kind = f"{file_format.name.upper()} data" if file_format else "data"
    text = re.sub(UNREAD, "", " ".join(str(error).split()))[:MAX_REASON] or type(error).__name__
    if isinstance(error, MISLEADING_ERRORS) or text.startswith("invalid literal"):
        text = "its header is not valid"
    elif text == TEXT_TOO_LARGE:
        text = "a compressed text or profile in it is larger than 1 MiB"
    elif re.search(PROGRAMMERS_WORDS, text):
        text = DAMAGED
    remedy = "--allow-truncated uses what is there" if text.startswith("image file is truncated") else REMEDY
    return f"is truncated or corrupt: its {kind} cannot be decoded ({text}); {remedy}"
