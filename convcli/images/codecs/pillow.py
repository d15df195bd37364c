"""Reads and writes pictures with Pillow. The content of a file decides its format, never its name.

Every mode of Pillow has a rule:

    1, L, P and the 2- and 4-bit kinds   widened to 8 bits; a palette becomes colour, with alpha where it has some
    LA, RGBA, La, RGBa                   8 bits and alpha, straight
    I;16 and its byte orders             16-bit grey; so is I, in which Pillow opens 16-bit PGM
    F                                    32-bit floats
    CMYK, YCbCr, LAB, HSV                converted to RGB, with a notice; the profile, which no longer applies, is dropped

Files whose samples Pillow would cut to 8 bits have codecs of their own.
"""

import contextlib
import io
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.PngImagePlugin
from msgspec.structs import replace

from ...errors import ImageError
from ..chunks import PNG_HEADER_END, png_chunk
from ..compression import compression_of
from ..exif_block import ORIENTATION
from ..file_format import Format
from ..formats import BY_PILLOW_NAME, DECODERS, FORMATS, format_beginning
from ..frames import Frames, Series
from ..image import Admit, Array, Header, Image, Metadata, check_pixels
from ..metadata import TRANSPOSED, FileMetadata, metadata_of
from ..provenance import SOFTWARE, Provenance, find_provenance
from ..storage import Storage
from .codec import Codec

WITH_ALPHA = ("LA", "RGBA", "La", "RGBa", "PA")
GREY = ("1", "L", "LA", "La")
CONVERTED = ("CMYK", "YCbCr", "LAB", "HSV")

BYTES_PER_PIXEL, BAND_BYTES = 4, 4_000_000
"""Memory that Pillow takes for a pixel of colour, and for the rows that are copied at a time."""

WIDENED_LEVELS = {"L;2": 3, "L;4": 15}
"""Pillow's names of grey of 2 and 4 bits, and their highest levels."""

TRUNCATED, PARTIAL_DATA = "is truncated; the rest is grey or black", "its partial data"


class _PillowSettings:
    """Context manager that disables Pillow's size limit and its warnings while any thread reads.

    Both are settings of the whole process: the first reader saves them, and the last one restores them. Sizes
    are checked by ``check_pixels``.
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


pillow_settings = _PillowSettings()
"""Entered by every function that reads with Pillow."""


class WatchedFile:
    """A file that notes whether something was read at its end, as Pillow does only for a truncated picture."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.was_read_at_end = False

    def read(self, size: int = -1) -> bytes:
        """Read bytes."""
        data = self.file.read(size)
        self.was_read_at_end |= size > 0 and not data
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def add_to(self, image: Image) -> Image:
        """Return the image, with a notice if the picture is truncated."""
        return image.with_notices(TRUNCATED).with_losses(PARTIAL_DATA) if self.was_read_at_end else image


@contextlib.contextmanager
def truncated_allowed(is_allowed: bool) -> Iterator[None]:
    """Let Pillow read truncated pictures as far as they go, in all threads, during the block. Their images have a notice.

    The setting is one of the whole process: it is set before any thread reads, and restored after a run.
    """
    before = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
    PIL.ImageFile.LOAD_TRUNCATED_IMAGES = before or is_allowed
    try:
        yield
    finally:
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = before


def truncated_is_allowed() -> bool:
    """Return whether truncated pictures are read as far as they go."""
    return PIL.ImageFile.LOAD_TRUNCATED_IMAGES


class _FinishedExif(PIL.Image.Exif):
    """EXIF that Pillow writes unchanged. From bytes with an orientation, its AVIF encoder would make a new block."""

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.block = block

    def __bool__(self) -> bool:
        return True

    def tobytes(self, offset: int = 8) -> bytes:
        return self.block


class PillowCodec(Codec):
    """The formats whose samples Pillow reads and writes in full."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first picture. Raises ImageError, and whatever Pillow raises on damaged data."""
        frames = self.open_frames(file, max_pixels, axes)
        return frames.read(0, admit).with_first_used(1, frames.series.count, "frames")

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the only picture. Codecs of formats that hold several frames extend this."""
        return Frames(Series(), lambda index, admit: self.read_picture(file, max_pixels, admit))

    def read_picture(self, file: BinaryIO, max_pixels: int, admit: Admit) -> Image:
        """Read the first picture, without a notice that there are more. Raises as ``decode`` does."""
        file.seek(0)
        with pillow_settings:
            watched = WatchedFile(file)
            try:
                picture = PIL.Image.open(cast(BinaryIO, watched), formats=DECODERS)
            except PIL.UnidentifiedImageError:
                if _is_known(file):
                    raise
                *names, last = [file_format.name.upper() for file_format in FORMATS if file_format.is_read]
                raise ImageError(f"is not a picture that can be read ({', '.join(names)} or {last})") from None
            with picture:
                check_pixels(*picture.size, max_pixels)
                file_format = BY_PILLOW_NAME[str(picture.format)]
                admit(header_of(picture))
                _widen_transparent_level(picture)
                samples = len(picture.getbands())
                watched.was_read_at_end = False
                # Now, as reading the metadata of PNG loads the pixels too, and a second load would hide errors.
                self.load(picture, watched)
                metadata = metadata_of(picture, file, file_format)  # without EXIF that is broken
                is_transposed = picture.getexif().get(ORIENTATION) in TRANSPOSED
                image = image_of(picture, metadata, samples)
                return watched.add_to(replace(image, compression=compression_of(picture, file, is_transposed)))

    def load(self, picture: PIL.ImageFile.ImageFile, watched: WatchedFile) -> None:
        """Decode the pixels of an open picture. Raises whatever Pillow raises on damaged data."""
        picture.load()

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels. Raises OSError, ValueError, OverflowError, struct.error and more on what a format cannot hold."""
        data = saved(picture_of(levels), storage.file_format, self.save_options(storage, levels.shape[2]))
        return _with_png_chunks(data, storage.metadata) if storage.metadata.png_chunks else data

    def save_options(self, storage: Storage, samples: int) -> dict[str, Any]:
        """Return the options of Pillow's ``save`` for a picture of this number of samples per pixel."""
        metadata = storage.metadata
        options: dict[str, Any] = {"icc_profile": metadata.icc, "dpi": metadata.dpi, "comment": metadata.comment}
        options["exif"] = _FinishedExif(metadata.exif) if metadata.exif else None
        is_png = storage.file_format.name == "png"
        options["pnginfo"] = _png_text(metadata) if is_png and (metadata.text or metadata.xmp) else None
        options["xmp"] = None if is_png else metadata.xmp
        options["extra"] = _app13(metadata.iptc) if metadata.iptc else None
        present = {name: value for name, value in options.items() if value}
        if storage.file_format.name == "bmp":
            present.setdefault("dpi", (0, 0))  # no resolution; Pillow would make up 96
        return present | (storage.encoding.inherited or storage.file_format.save_options(storage.encoding, samples))

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the EXIF of a picture. Raises whatever Pillow raises on damaged data."""
        with pillow_settings, PIL.Image.open(path, formats=DECODERS) as picture:
            # Pillow would load all pixels of a PNG to look for EXIF after them; an output has it before them.
            tags = picture.getexif() if "exif" in picture.info else {}
            return find_provenance(tags.get(SOFTWARE))


def picture_of(levels: Array) -> PIL.Image.Image:
    """Return levels (H, W, C) as a picture of Pillow."""
    return PIL.Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)


def saved(picture: PIL.Image.Image, file_format: Format, options: dict[str, Any]) -> bytes:
    """Return the bytes of a file that Pillow writes with these options of ``save``."""
    with _file_in_memory() as file:
        picture.save(file, file_format.pillow_names[0], **options)
        file.seek(0)
        return file.read()


def _is_known(file: BinaryIO) -> bool:
    """Return whether a file begins as one of a format that is read."""
    file.seek(0)
    return format_beginning(file.read(32)) is not None


def _widen_transparent_level(picture: PIL.Image.Image) -> None:
    """Widen the transparent level of a PNG of 2 or 4 bits to 8. Pillow widens only the levels, so that it hits others."""
    rawmode = picture.tile[0].args if isinstance(picture, PIL.PngImagePlugin.PngImageFile) and picture.tile else None
    if rawmode in WIDENED_LEVELS and "transparency" in picture.info:
        highest = WIDENED_LEVELS[rawmode]
        picture.info["transparency"] = (picture.info["transparency"] & highest) * (255 // highest)


def header_of(picture: PIL.Image.Image) -> Header:
    """Return the size of what ``image_of`` makes of a picture."""
    mode = picture.mode
    itemsize = 4 if mode == "F" else 2 if mode.startswith("I") else 1
    transparent = mode in WITH_ALPHA or "transparency" in picture.info
    grey = itemsize > 1 or mode in GREY
    channels = (1 if grey else 3) + transparent
    pixels = picture.height * picture.width
    is_converted = itemsize == 1 and mode != ("RGBA" if transparent else "L" if grey else "RGB")
    converted = pixels * (1 if channels == 1 else BYTES_PER_PIXEL) if is_converted else 0
    stored = pixels * (1 if channels == 1 or mode == "P" else BYTES_PER_PIXEL) * itemsize
    return Header(picture.height, picture.width, channels, itemsize, converted + stored + min(stored, 2 * BAND_BYTES))


def image_of(picture: PIL.Image.Image, file_metadata: FileMetadata, samples: int) -> Image:
    """Return a picture, made upright, as an image. ``samples`` per pixel are those of its file."""
    if picture.getexif().get(ORIENTATION, 1) != 1:
        from PIL import ImageOps  # here, as it takes 2 ms to import

        ImageOps.exif_transpose(picture, in_place=True)
    image = file_metadata.add_to(to_image(picture, file_metadata.metadata))
    used = min(len(picture.getbands()), 3 if picture.mode == "RGBX" else 4)
    return image.with_first_used(used, samples, "channels")


def to_image(picture: PIL.Image.Image, metadata: Metadata) -> Image:
    """Convert a picture of Pillow to an image by the rule for its mode."""
    mode, kind = picture.mode, str(picture.format)
    if mode in CONVERTED:
        notices = (f"is {mode}; converted to RGB" + (", its colour profile dropped" if metadata.icc else ""),)
        without_profile = replace(metadata, icc=None)
        return Image(_array_of(picture.convert("RGB")), 255, None, kind, without_profile, notices, (f"its {mode} colour",))
    if mode.startswith("I"):
        levels = _array_of(picture).astype(np.uint16, copy=False)
        transparent = picture.info.get("transparency")
        alpha = None if transparent is None else np.where(levels == transparent, 0, 65535).astype(np.uint16)
        return Image(levels[:, :, None], 65535, alpha, kind, metadata)
    if mode == "F":
        return Image(_array_of(picture)[:, :, None], None, None, kind, metadata)
    if mode in WITH_ALPHA or "transparency" in picture.info:
        levels = _array_of(_converted(picture, "RGBA"))
        return Image(levels[:, :, : 1 if mode in GREY else 3], 255, levels[:, :, 3], kind, metadata)
    levels = _array_of(_converted(picture, "L" if mode in ("1", "L") else "RGB"))
    return Image(np.atleast_3d(levels), 255, None, kind, metadata)


def _array_of(picture: PIL.Image.Image) -> Array:
    """Return the samples of a picture, (H, W) or (H, W, C), copied in bands: Pillow would hold all bytes of them twice."""
    rows = max(BAND_BYTES // (BYTES_PER_PIXEL * picture.width), 1)
    if picture.height <= rows:
        return np.asarray(picture)
    bands = (picture.crop((0, y, picture.width, min(y + rows, picture.height))) for y in range(0, picture.height, rows))
    first = np.asarray(next(bands))
    out = np.empty((picture.height, *first.shape[1:]), first.dtype)
    out[:rows] = first
    for i, band in enumerate(bands, start=1):
        out[i * rows : (i + 1) * rows] = band
    return out


def _converted(picture: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    """Return the picture in a mode. Pillow would copy a picture that is in that mode already."""
    return picture if picture.mode == mode else picture.convert(mode)


def _png_text(metadata: Metadata) -> PIL.PngImagePlugin.PngInfo:
    info = PIL.PngImagePlugin.PngInfo()
    for key, value in metadata.text:
        info.add_text(key, value, zip=len(value) > 1000)
    if metadata.xmp:
        info.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)  # not compressed, as the specification of XMP asks
    return info


def _file_in_memory() -> BinaryIO:
    """Return a file in memory, if possible one with a descriptor: Pillow lets other threads run while it writes to that."""
    with contextlib.suppress(OSError, AttributeError):  # not on every system
        return os.fdopen(os.memfd_create("encoded"), "w+b")
    return io.BytesIO()


def _with_png_chunks(data: bytes, metadata: Metadata) -> bytes:
    """Return a PNG file with further chunks after its header. Pillow writes a resolution with a unit, or none."""
    kept = [(name, content) for name, content in metadata.png_chunks if name != b"pHYs" or metadata.dpi is None]
    chunks = [png_chunk(name, content) for name, content in kept]
    return b"".join((data[:PNG_HEADER_END], *chunks, data[PNG_HEADER_END:]))


def _app13(resources: bytes) -> bytes:
    """Return a JPEG segment of Photoshop."""
    content = b"Photoshop 3.0\0" + resources
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content
