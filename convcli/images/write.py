"""Encodes images and maps, with notices about what a format cannot hold."""

import select
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from ..errors import ArgumentError, OutputError
from .codecs import codec_of
from .exif import block_with, patched
from .formats import WRITTEN, Encoding, Format
from .image import Array, Image, Metadata
from .provenance import Provenance

METADATA_NAMES = {"icc": "colour profile", "exif": "EXIF", "dpi": "resolution", "text": "text", "comment": "comment"}


def stored_white(form: Format, image: Image, channels: int) -> int:
    """Return the level of white in a file: 65535 where the image and the format have 16 bits, else 255.

    ``channels`` is that of the map. Raises ArgumentError where the map cannot be stored without loss: it has not 1 or 3
    channels, the image is partly transparent and the format has no alpha, or the image has 16-bit colour and the format, which
    could hold it, is only written with 8 bits.
    """
    if channels not in (1, 3):
        raise ArgumentError(
            f"{channels} channels are not a picture; use --channels sum, or write .npy, .npz or a .tif with --depth float"
        )
    if image.alpha is not None and not form.alpha and np.any(image.alpha != image.opaque):
        *others, last = [other.suffixes[0] for other in WRITTEN if other.alpha]
        remedy = f"write {', '.join(others)} or {last}"
        raise ArgumentError(f"{form.name} holds no alpha, and the picture is partly transparent; {remedy}")
    if image.white != 65535:
        return 255
    if form.deep_colour or (form.deep_grey and channels == 1 and image.alpha is None):
        return 65535
    if form.deep_grey:
        raise ArgumentError(f"16-bit colour or alpha is not written as {form.name}, only cut to 8 bits; write .tif")
    return 255


@dataclass(frozen=True)
class Encoded:
    """The bytes of a picture, notices about what its format cannot hold, and descriptions of what is lost by that."""

    data: bytes
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def encode(image: Image, form: Format, encoding: Encoding, provenance: Provenance | None = None) -> Encoded:
    """Encode an image of uint8 or uint16 levels with its metadata and provenance.

    Raises ArgumentError as ``stored_white`` does, and OutputError where the format has other limits, such as 65,535 pixels per
    side in JPEG.
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
    if metadata.icc and channels == 1 and metadata.icc[16:20] == b"RGB ":  # such a profile is not valid for grey
        metadata = replace(metadata, icc=None)
        notices.append("colour profile not kept: it is one for colour, and the picture is grey")
    if metadata.exif and (reason := codec_of(form).exif_error(metadata.exif)):
        metadata = replace(metadata, exif=None)
        notices.append(f"EXIF is broken and not kept in this {form.name}: it {reason}")
        lost.append("its broken EXIF")
    if metadata.exif:
        metadata = replace(metadata, exif=patched(metadata.exif, width, height, provenance, form.max_metadata))
    elif provenance is not None and "exif" in form.keeps:
        metadata = replace(metadata, exif=block_with(provenance))
    data = _encoded(image.pixels, alpha, form, encoding, metadata)
    return Encoded(data, tuple(notices), tuple(lost))


def _encoded(pixels: Array, alpha: Array | None, form: Format, encoding: Encoding, metadata: Metadata) -> bytes:
    """Return levels as the bytes of a file. Raises OutputError."""
    levels = pixels if alpha is None else np.dstack([pixels, alpha])
    try:
        return codec_of(form).encode(levels, alpha is not None, form, encoding, metadata)
    except MemoryError:
        raise
    # Encoders raise OSError, ValueError, OverflowError, struct.error and more on what a format cannot hold.
    except Exception as error:
        size = f"{levels.shape[1]} x {levels.shape[0]}"
        raise OutputError(
            f"{size} with its metadata cannot be encoded as {form.name}: {str(error) or type(error).__name__}"
        ) from error


def _kept_metadata(metadata: Metadata, form: Format) -> tuple[Metadata, list[str]]:
    """Return the metadata that the format holds, and descriptions of what it does not hold."""
    values = {name: getattr(metadata, name) for name in METADATA_NAMES}
    kept = {name: value for name, value in values.items() if name in form.keeps}
    lost = [METADATA_NAMES[name] for name, value in values.items() if value and name not in kept]
    if len(kept.get("exif") or b"") > form.max_metadata:
        lost.append(f"{len(kept.pop('exif'))} bytes of EXIF")
    if len(kept.get("comment") or b"") > form.max_metadata:
        lost.append(f"{len(kept.pop('comment'))} bytes of comment")
    return Metadata(**kept), lost


def write_maps(
    file: BinaryIO, form: Format, maps: Sequence[Array], names: Sequence[str], provenance: Provenance | None = None
) -> None:
    """Write float maps, each (H, W, C), as one .npy, .npz or TIFF stack. Raises ArgumentError for shapes that differ."""
    shapes = {map_.shape for map_ in maps}
    if not form.holds_named_maps and len(shapes) > 1:
        sizes = ", ".join(f"{name} {' x '.join(map(str, map_.shape))}" for name, map_ in zip(names, maps, strict=True))
        raise ArgumentError(f"maps of different shapes do not stack in {form.name}: {sizes}; write .npz")
    codec_of(form).write_maps(file, maps, names, provenance)


def write_whole(stream: BinaryIO, data: bytes) -> None:
    """Write all of the data to standard output, which may accept less at a time where it is unbuffered or a non-blocking pipe.

    Raises OutputError, and BrokenPipeError where the reader has closed the pipe.
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
