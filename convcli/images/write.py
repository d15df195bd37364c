"""Encodes images, frames and maps: how each is fitted to a format, and what the format refuses."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..engine.jit.run import Stopped
from ..errors import ArgumentError, ConvcliError, OutputError, listed
from .codecs import codec_of
from .encoding import Encoding
from .exif import block_with, patched
from .file_format import Format
from .formats import WRITTEN
from .frames import LevelsOfFrame, Series, peek
from .image import Array, Image, Metadata
from .losses import kept_metadata, losses_by_palette
from .provenance import Provenance
from .storage import MapStorage, Storage
from .xmp import adjusted

FLOAT32_BITS = 32
"""Bits of samples in formats whose writers convert all maps to float32."""


def stored_white(file_format: Format, image: Image, channels: int) -> int:
    """Return the level of white in a file: 65535 if both the image and the format have 16 bits, else 255.

    ``channels`` is the number of channels of the map. Raises ArgumentError if the map cannot be stored without loss: it does
    not have 1 or 3 channels, and the format holds no other numbers; it has 3, and the format is grey; or the image is partly
    transparent and the format has no alpha.
    """
    if channels not in (1, 3) and not file_format.any_channels:
        raise ArgumentError(f"{channels} channels are not a picture; use --channels sum, or write .tif, .npy or .npz")
    if file_format.is_grey and channels != 1:
        raise ArgumentError(
            f"{file_format.suffixes[0]} holds grey alone, and the map has colour; write .ppm, or use --channels gray"
        )
    if image.alpha is not None and not file_format.alpha and np.any(image.alpha != image.opaque):
        *others, last = [other.suffixes[0] for other in WRITTEN if other.alpha and not other.has_palette]
        remedy = f"write {', '.join(others)} or {last}"
        raise ArgumentError(f"{file_format.name} holds no alpha, and the picture is partly transparent; {remedy}")
    return 65535 if image.white == 65535 and file_format.deep else 255


def check_size(file_format: Format, height: int, width: int) -> None:
    """Raise ArgumentError for a picture with a side that is too long for a format."""
    limit = file_format.max_side
    if max(height, width) > limit:
        raise ArgumentError(
            f"{file_format.name} holds at most {limit} pixels a side, got {width} x {height}; write .png or .tif"
        )


class Fitted(Struct, frozen=True):
    """How a picture is stored in a format, notices about what the format cannot hold, and descriptions of the lost data."""

    storage: Storage
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def encode(self, image: Image) -> bytes:
        """Encode levels, uint8 or uint16, in TIFF float32 too. Raises OutputError."""
        file_format = self.storage.file_format
        with _as_output_error(image.size, file_format):
            return codec_of(file_format).encode(*_samples(image, file_format), self.storage)

    def write_frames(self, file: BinaryIO, images: Iterable[Image], series: Series) -> None:
        """Write the levels of images as frames of a file. They are computed one at a time. Raises OutputError, and OSError.

        The metadata of each image, which pages have, are those of its own ``Fitted``.
        """
        first, images = peek(images)
        size, file_format = first.size, self.storage.file_format
        del first

        def stored(image: Image) -> LevelsOfFrame:
            encoding = _inheriting(replace(self.storage.encoding, inherited=None), image, file_format)
            return LevelsOfFrame(*_samples(image, file_format), image.metadata, encoding)

        with _as_output_error(size, file_format, f"{series.count} frames of "):
            codec_of(file_format).write_frames(file, map(stored, images), series, self.storage)


def _samples(image: Image, file_format: Format) -> tuple[Array, bool]:
    """Return the levels (H, W, C) that a format holds of an image, and whether the last channel is alpha."""
    alpha = image.alpha if file_format.alpha else None
    return image.pixels if alpha is None else np.dstack([image.pixels, alpha]), alpha is not None


def fit(
    image: Image, file_format: Format, encoding: Encoding, provenance: Provenance | None = None, are_pages: bool = False
) -> Fitted:
    """Return how an image of uint8 or uint16 levels is stored, in TIFF of float32 too.

    ``are_pages`` is whether it is one of several pages of a TIFF file, which have metadata of their own.

    Raises ArgumentError as ``stored_white`` and ``check_size`` do.
    """
    height, width, channels = image.size
    check_size(file_format, height, width)
    stored_white(file_format, image, channels)
    notices = []
    if image.alpha is not None and not file_format.alpha:
        notices.append(f"alpha, opaque everywhere, not kept: {file_format.name} holds none")
    metadata, further_notices, lost = _fit_metadata(image, file_format, provenance)
    of_palette = losses_by_palette(image, file_format)
    notices += [*further_notices, *(loss.notice for loss in of_palette)]
    lost += [loss.lost for loss in of_palette]
    storage = Storage(file_format, _inheriting(encoding, image, file_format), metadata, are_pages)
    return Fitted(storage, tuple(notices), tuple(lost))


def _fit_metadata(image: Image, file_format: Format, provenance: Provenance | None) -> tuple[Metadata, list[str], list[str]]:
    """Return the metadata of an image as a format holds them, with provenance; notices, and what is lost."""
    height, width, channels = image.size
    metadata, lost = kept_metadata(image.metadata, file_format)
    notices = [f"{listed(lost)} not kept in this {file_format.name}"] if lost else []
    if metadata.icc and channels == 1 and metadata.icc[16:20] == b"RGB ":  # such a profile is not valid for grey
        metadata = replace(metadata, icc=None)
        notices.append("colour profile not kept: it is for colour, and the picture is grey")
    if metadata.exif and (reason := codec_of(file_format).exif_error(metadata.exif)):
        metadata = replace(metadata, exif=None)
        notices.append(f"EXIF is broken and not kept in this {file_format.name}: it {reason}")
        lost.append("its broken EXIF")
    return _updated(metadata, file_format, (width, height), provenance), notices, lost


def _updated(metadata: Metadata, file_format: Format, size: tuple[int, int], provenance: Provenance | None) -> Metadata:
    """Return metadata with the provenance, and with the size, width and height, where they state one."""
    if metadata.exif:
        metadata = replace(metadata, exif=patched(metadata.exif, *size, provenance, file_format.max_metadata))
    elif provenance is not None and "exif" in file_format.keeps:
        metadata = replace(metadata, exif=block_with(provenance))
    elif provenance is not None and file_format.holds_provenance and "comment" in file_format.keeps:
        comment = metadata.comment + b"; " if metadata.comment else b""
        metadata = replace(metadata, comment=comment + str(provenance).encode())
    return replace(metadata, xmp=adjusted(metadata.xmp, *size)) if metadata.xmp else metadata


def _inheriting(encoding: Encoding, image: Image, file_format: Format) -> Encoding:
    """Return the encoding with the compression of the file of the image, where its format has one and none is given."""
    compression = image.compression
    if compression is None or compression.format != file_format.name:
        return encoding
    if getattr(encoding, str(file_format.setting)) is not None:
        compression = compression.without_codec()
    return replace(encoding, inherited=compression.options) if compression.options else encoding


@contextlib.contextmanager
def _as_output_error(size: tuple[int, ...], file_format: Format, count: str = "") -> Iterator[None]:
    """Turn exceptions of encoders into OutputError. OSError of the file that is written has a number, and stays."""
    try:
        yield
    except (ConvcliError, MemoryError, Stopped):  # of frames that are computed while others are written
        raise
    # For data that a format cannot hold, encoders raise OSError, ValueError, OverflowError, struct.error and others.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        height, width, _ = size
        raise OutputError(
            f"{count}{width} x {height} with its metadata cannot be encoded as {file_format.name}: "
            f"{str(error) or type(error).__name__}"
        ) from error


def write_maps(file: BinaryIO, frames: Iterable[Sequence[Array]], storage: MapStorage) -> None:
    """Write the float maps (H, W, C) of one or several frames as one .npy, .npz or TIFF stack.

    Raises ArgumentError for maps or frames whose shapes do not stack, OutputError for another limit of the format, and OSError.
    """
    first, frames = peek(frames)
    file_format, count = storage.file_format, storage.series.count
    shapes = [map_.shape for map_ in first]
    del first
    if not file_format.holds_named_maps and len(set(shapes)) > 1:
        sizes = ", ".join(f"{name} {_size_text(shape)}" for name, shape in zip(storage.names, shapes, strict=True))
        raise ArgumentError(f"maps of different shapes do not stack in {file_format.name}: {sizes}; write .npz")
    with _as_output_error(shapes[0], file_format, f"{count} frames of " if count > 1 else ""):
        codec_of(file_format).write_maps(file, _equal_frames(frames, file_format), storage)


def _equal_frames(frames: Iterable[Sequence[Array]], file_format: Format) -> Iterator[Sequence[Array]]:
    """Yield the frames. Raises ArgumentError where the maps of one differ in shape or dtype from those of the first."""
    first, dtype = "", None
    index = 0  # enumerate would keep a frame while the next is computed
    for maps in frames:
        shapes = ", ".join(_size_text(map_.shape) for map_ in maps)
        first, dtype = first or shapes, dtype or maps[0].dtype
        differing = ("shapes", first, shapes) if shapes != first else None
        if maps[0].dtype != dtype and file_format.float_bits > FLOAT32_BITS:
            differing = differing or ("dtypes", dtype, maps[0].dtype)
        if differing:
            what, expected, got = differing
            raise ArgumentError(
                f"maps of different {what} do not stack in {file_format.name}: frame 0 gives {expected}, frame {index} {got}; "
                "write each frame to a file, with {frame} in the name of the output"
            )
        yield maps
        index += 1  # noqa: SIM113
        del maps


def _size_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
