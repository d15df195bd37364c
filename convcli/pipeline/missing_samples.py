"""Which samples of a picture are missing: NaN, those of the value of --nodata, and those where the picture of --mask is 0."""

import functools

import numpy as np

from ..errors import ArgumentError
from ..images.image import Array, Image
from ..images.nodata import as_sample, stated_nodata
from ..ops.missing import has_nan
from .apply_request import ApplyRequest


def absent_samples_of(request: ApplyRequest, image: Image) -> Array | None:
    """Return which samples of an image are missing: (H, W, C) bool, (H, W, 1) if they are whole pixels, None if none is.

    In an image with alpha they are pixels: one sample that is missing makes its pixel missing, with its alpha. NaN is not among
    them where missing samples spread, as NaN does that by itself.

    Raises ArgumentError for a mask of another size, and for a value of --nodata that the dtype of the image cannot hold.
    """
    found: list[Array] = []
    if request.mask is not None:
        seen = request.mask.seen
        if seen.shape != image.size[:2]:
            (height, width), (rows, columns) = seen.shape, image.size[:2]
            raise ArgumentError(f"--mask must have its size, {columns} x {rows}, and {request.mask.name} is {width} x {height}")
        found.append(~seen[:, :, None])
    if request.nodata is not None:
        found.append(image.pixels == _nodata_as(image.pixels.dtype, request.nodata))
    if request.missing_rule != "spread":
        samples = [image.pixels] if image.alpha is None else [image.pixels, image.alpha[:, :, None]]
        found += [np.isnan(array) for array in samples if has_nan(array)]
    if image.alpha is not None:
        found = [np.any(array, axis=2, keepdims=True) for array in found]
    found = [array for array in found if array.any()]
    return functools.reduce(np.logical_or, found) if found else None


def nodata_hint(request: ApplyRequest, image: Image) -> tuple[str, ...]:
    """Return a notice where the file states a value of missing samples and no option takes it into account."""
    if request.nodata is not None or request.missing == "spread":
        return ()
    stated = stated_nodata(image.metadata)
    if not stated or stated.lower() == "nan":
        return ()
    return (f"states that {stated} stands for missing samples, and it is used as any other; see --nodata",)


def _nodata_as(dtype: np.dtype, value: float) -> float:
    """Return the value of --nodata as a sample of a dtype, rounded to it. Raises ArgumentError where it cannot be one."""
    sample = as_sample(value, dtype)
    if sample is not None:
        return sample
    shown = repr(value).removesuffix(".0")
    if dtype.kind == "u":
        white = int(np.iinfo(dtype).max)
        raise ArgumentError(f"--nodata must be one of its levels, whole numbers from 0 to {white}, got {shown}")
    raise ArgumentError(f"--nodata must be a number that its samples can be, which are {dtype}, got {shown}")
