"""Images to bytes: levels encoded by Pillow or tifffile, stacks of numbers."""

import io
import select
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.PngImagePlugin

from ..errors import ArgumentError, OutputError
from . import array_files, tiff
from .exif import block_with, patched
from .exif_block import BrokenExif
from .exif_tiff import check_values
from .formats import Format
from .image import Array, Image, Metadata
from .provenance import Provenance

WORDS = {"icc": "colour profile", "exif": "EXIF", "dpi": "resolution", "text": "text", "comment": "comment"}


@dataclass(frozen=True)
class Encoding:
    """How hard to compress: PNG's level 0..9, and the quality 1..100 of JPEG and WebP.

    Level 1 looks for runs alone: a photograph of a megapixel takes 61 ms and 1,182 kB, where Pillow's own default, level 6,
    takes 342 ms and 1,205 kB, and its level 1 66 ms and 1,366 kB. Its edges are as large as at level 6, its blur is 7 %
    larger; of patterns that repeat, such as text, level 6 makes 14 % less (Pillow 13 with zlib 1.2.13). JPEG takes 4 ms.
    Quality 90 and above keeps JPEG's colours at full resolution; quality 100 makes WebP lossless.
    """

    png_level: int = 1
    quality: int = 92


def stored_white(form: Format, image: Image, channels: int) -> int:
    """Level of white that a format stores a map of this image with: 65535 where both have 16 bits, else 255.

    Raises ArgumentError where the map cannot be stored without loss: the number of channels is no picture, the picture is
    partly transparent and the format has no alpha, or it has 16-bit colour and the format, which could hold it, is not
    written with that yet.
    """
    if channels not in (1, 3):
        raise ArgumentError(
            f"{channels} channels are no picture; use --channels sum, or write .npy, .npz or a .tif with --depth float"
        )
    if image.alpha is not None and not form.alpha and np.any(image.alpha != image.opaque):
        raise ArgumentError(f"{form.name} holds no alpha, and the picture is partly transparent; write .png, .webp or .tif")
    if image.white != 65535:
        return 255
    if form.deep_colour or (form.deep_grey and channels == 1 and image.alpha is None):
        return 65535
    if form.deep_grey:
        raise ArgumentError(f"16-bit colour or alpha is not written as {form.name}, only cut to 8 bits; write .tif")
    return 255


@dataclass(frozen=True)
class Encoded:
    """The bytes of a picture; sentences about what its format could not hold, and words for what is lost by that."""

    data: bytes
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def encode(image: Image, form: Format, encoding: Encoding, provenance: Provenance | None = None) -> Encoded:
    """Encode levels, uint8 or uint16, with their metadata and a mark.

    Raises ArgumentError as stored_white does, and OutputError where the format has other limits, such as 65,535 pixels a
    side for JPEG.
    """
    height, width, channels = image.pixels.shape
    stored_white(form, image, channels)
    notices = []
    alpha = image.alpha
    if alpha is not None and not form.alpha:
        alpha = None
        notices.append(f"alpha, opaque everywhere, not kept: {form.name} holds none")
    metadata, lost = _kept_metadata(image.metadata, form)
    if lost:
        notices.append(f"{' and '.join(lost)} not kept in this {form.name}")
    if metadata.icc and channels == 1 and metadata.icc[16:20] == b"RGB ":  # which is not valid
        metadata = replace(metadata, icc=None)
        notices.append("colour profile not kept: it is one for colour, and the picture is grey")
    if metadata.exif and form.name == "tiff" and (broken := _fault_of(metadata.exif)):
        metadata = replace(metadata, exif=None)
        notices.append(f"EXIF is broken and not kept in this tiff: it {broken}")
        lost.append("its broken EXIF")
    if metadata.exif:
        metadata = replace(metadata, exif=patched(metadata.exif, width, height, provenance, form.longest))
    elif provenance is not None and "exif" in form.keeps:
        metadata = replace(metadata, exif=block_with(provenance))
    data = _encoded(image.pixels, alpha, form, encoding, metadata)
    return Encoded(data, tuple(notices), tuple(lost))


def _fault_of(exif: bytes) -> str:
    """What is wrong with a block in a TIFF file, whose pixels stand behind it."""
    try:
        check_values(exif)
    except BrokenExif as error:
        return str(error)
    return ""


def _encoded(pixels: Array, alpha: Array | None, form: Format, encoding: Encoding, metadata: Metadata) -> bytes:
    """Levels as the bytes of a file. Raises OutputError."""
    levels = pixels if alpha is None else np.dstack([pixels, alpha])
    try:
        if form.name == "tiff":
            return tiff.encode_levels(levels, metadata, alpha is not None)
        file = io.BytesIO()
        picture = PIL.Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
        picture.save(file, form.name.upper(), **_save_options(form, encoding, metadata))
        return file.getvalue()
    except MemoryError:
        raise
    # Pillow's encoders raise OSError, ValueError, OverflowError, struct.error and more on what a format cannot hold.
    except Exception as error:
        size = f"{levels.shape[1]} x {levels.shape[0]}"
        raise OutputError(
            f"{size} with its metadata cannot be encoded as {form.name}: {str(error) or type(error).__name__}"
        ) from error


def _kept_metadata(metadata: Metadata, form: Format) -> tuple[Metadata, list[str]]:
    """What the format holds of the metadata, and the words for what it does not."""
    values = {name: getattr(metadata, name) for name in WORDS}
    kept = {name: value for name, value in values.items() if name in form.keeps}
    lost = [WORDS[name] for name, value in values.items() if value and name not in kept]
    if len(kept.get("exif") or b"") > form.longest:
        lost.append(f"{len(kept.pop('exif'))} bytes of EXIF")
    if len(kept.get("comment") or b"") > form.longest:
        lost.append(f"{len(kept.pop('comment'))} bytes of comment")
    return Metadata(**kept), lost


def _save_options(form: Format, encoding: Encoding, metadata: Metadata) -> dict[str, Any]:
    options: dict[str, Any] = {"icc_profile": metadata.icc, "exif": metadata.exif, "dpi": metadata.dpi}
    options["comment"] = metadata.comment
    options = {name: value for name, value in options.items() if value}
    if form.name == "png":
        options |= {"compress_level": encoding.png_level, "pnginfo": _png_text(metadata)}
        if encoding.png_level == 1:
            options["compress_type"] = zlib.Z_RLE
    elif form.name == "jpeg":
        options |= {"quality": encoding.quality, "subsampling": 0 if encoding.quality >= 90 else 2}
    elif form.name == "webp":
        options |= {"quality": encoding.quality, "lossless": encoding.quality == 100}
    return options


def _png_text(metadata: Metadata) -> PIL.PngImagePlugin.PngInfo:
    info = PIL.PngImagePlugin.PngInfo()
    for key, value in metadata.text:
        info.add_text(key, value, zip=len(value) > 1000)
    return info


def write_maps(
    file: BinaryIO, form: Format, maps: Sequence[Array], names: Sequence[str], provenance: Provenance | None = None
) -> None:
    """Write float maps, each (H, W, C), as one .npy, .npz or TIFF stack. Raises ArgumentError if their shapes differ."""
    writers: dict[str, Callable[[BinaryIO, Sequence[Array], Sequence[str], Provenance | None], None]] = {
        "npy": array_files.write_npy,
        "npz": array_files.write_npz,
        "tiff": tiff.write_stack,
    }
    shapes = {one.shape for one in maps}
    if form.name != "npz" and len(shapes) > 1:
        sizes = ", ".join(f"{name} {' x '.join(map(str, one.shape))}" for name, one in zip(names, maps, strict=True))
        raise ArgumentError(f"maps of different shapes do not stack in {form.name}: {sizes}; write .npz")
    writers[form.name](file, maps, names, provenance)


def write_whole(stream: BinaryIO, data: bytes) -> None:
    """Write all of the data to standard output, which may take less at a time: unbuffered, or a pipe that does not block.

    Raises OutputError; BrokenPipeError where the reader has gone.
    """
    rest = memoryview(data)
    try:
        stream.flush()
        raw = getattr(stream, "raw", stream)
        while rest:
            written = raw.write(rest)
            if written is None:
                select.select([], [raw], [])
            else:
                rest = rest[written:]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error
