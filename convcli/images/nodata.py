"""The value that a TIFF file states for missing samples, in the tag GDAL_NODATA (https://gdal.org/drivers/raster/gtiff.html).

In an output that has the tag, samples that are not a number are stored as its value, so that the tag is true of them.
"""

import contextlib
import io
import re
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import DTypeLike

from ..range_rules import NUMBER
from .exif import text_in
from .exif_block import PREFIX, Block, BrokenExif, drop_entries
from .geotiff import GDAL_NODATA
from .image import Array, Metadata


def stated_nodata(metadata: Metadata) -> str:
    """Return the text of the tag where it is a number or nan, else an empty text."""
    text = text_in(metadata.exif, GDAL_NODATA) if metadata.exif else ""
    return text if re.fullmatch(NUMBER, text) or text.lower() == "nan" else ""


def as_sample(value: float, dtype: DTypeLike) -> float | None:
    """Return a value as a sample of a dtype, rounded where that is one of floats; None where no sample can be it.

    >>> as_sample(-9999, np.uint16), as_sample(7, np.uint8), as_sample(0.1, np.float32)
    (None, 7.0, 0.10000000149011612)
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind == "u":
        return float(value) if float(value).is_integer() and 0 <= value <= np.iinfo(kind).max else None
    with np.errstate(over="ignore"):
        rounded = float(kind.type(value))
    return None if np.isinf(rounded) and not np.isinf(value) else rounded


def stored_nodata(metadata: Metadata, dtype: DTypeLike) -> float | None:
    """Return what an output with this metadata stores in place of NaN; None where it states nothing that its samples can be."""
    text = stated_nodata(metadata)
    return as_sample(float(text), dtype) if text else None


def with_nodata(samples: Array, unseen: float | None) -> Array:
    """Return float samples with ``unseen``, the value of ``stored_nodata``, in place of NaN: a copy where there is any."""
    missing = None if unseen is None else np.isnan(samples)
    return samples if missing is None or not missing.any() else np.where(missing, samples.dtype.type(unseen), samples)


def without_untrue_nodata(metadata: Metadata, dtype: DTypeLike) -> tuple[Metadata, tuple[str, ...]]:
    """Return the metadata of an output, without the tag where no sample of it can have the value, and then a notice."""
    text = stated_nodata(metadata)
    if not text or metadata.exif is None or stored_nodata(metadata, dtype) is not None:
        return metadata, ()
    file = io.BytesIO(metadata.exif.removeprefix(PREFIX))
    with contextlib.suppress(BrokenExif):
        block = Block.of(file)
        drop_entries(block, block.first_directory, (GDAL_NODATA,))
    metadata = replace(metadata, exif=PREFIX + file.getvalue())
    return metadata, (f"GDAL_NODATA {text} not kept: no {np.dtype(dtype)} sample can be it",)
