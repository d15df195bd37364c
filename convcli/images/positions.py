"""Adjusts metadata about positions to an output whose pixels lie elsewhere than those of its input."""

import math
import struct

from msgspec.structs import replace

from ..geometry.axes import Placement
from .frames import ORIGINS, Series
from .geotiff import moved_block
from .image import Metadata

RESOLUTION, SHAPE = "its resolution", "the shape of its pixels"
MAX_PER_UNIT = 2**31 - 1
"""Of the chunk pHYs of PNG: https://www.w3.org/TR/png-3/#11pHYs."""


def moved_metadata(metadata: Metadata, placement: Placement | None) -> tuple[Metadata, tuple[str, ...]]:
    """Return the metadata of an output, and descriptions of what is lost.

    A placement of None is one that is not known: of maps of networks, and of kernels of several placements that are merged.
    """
    if placement == Placement():
        return metadata, ()
    lost: tuple[str, ...] = ()
    if metadata.exif:
        exif, lost = moved_block(metadata.exif, placement)
        metadata = replace(metadata, exif=exif)
    if any(name == b"pHYs" for name, _ in metadata.png_chunks):
        chunks = tuple((name, _moved_shape(data, placement) if name == b"pHYs" else data) for name, data in metadata.png_chunks)
        metadata = replace(metadata, png_chunks=tuple((name, data) for name, data in chunks if data))
        lost += (SHAPE,) if len(metadata.png_chunks) < len(chunks) else ()
    if metadata.calibration and placement is None:
        return replace(metadata, calibration=None), (*lost, RESOLUTION)
    if metadata.calibration and placement is not None:
        metadata = replace(metadata, calibration=metadata.calibration.moved(placement))
    return metadata, lost


def _moved_shape(data: bytes, placement: Placement | None) -> bytes:
    """Return a chunk pHYs without a unit for an output; empty where its shape is not known, or is more than 32 bits hold."""
    if placement is None:
        return b""
    from fractions import Fraction  # here, as it takes 2 ms to import

    rows, columns = placement.strides
    x, y = (Fraction(number, step) for number, step in zip(struct.unpack_from(">II", data), (columns, rows), strict=True))
    scale = math.lcm(x.denominator, y.denominator)
    numbers = int(x * scale), int(y * scale)
    return struct.pack(">IIB", *numbers, 0) if max(numbers) <= MAX_PER_UNIT else b""


def moved_series(series: Series, placement: Placement | None) -> tuple[Series, tuple[str, ...]]:
    """Return the series of outputs, and descriptions of what is lost, as ``moved_metadata`` does."""
    stated = {axis for axis, _ in series.spacing} | {key for key, _ in (series.tiff.words if series.tiff else ())}
    is_lost = placement is None and stated & {"Y", "X", *ORIGINS}
    return series.moved(placement), (RESOLUTION,) if is_lost else ()
