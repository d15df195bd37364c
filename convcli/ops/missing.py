"""Missing samples: which they are, and the rules that decide what they do to responses."""

import math

import numpy as np
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError, nearest_name
from ..geometry.borders import Border, check_border
from .option_parsers import MISSING
from .validation import check_array

LEAST_SHARE = 1e-6
"""Weights whose sum is at most this share of the sum of the absolute weights of their kernel count as summing to zero."""


def check_missing(missing: str | None, mask: ArrayLike | None, kernel: Array) -> str:
    """Return the rule for missing samples; None is "ignore" with a mask, else "spread". Raises ArgumentError.

    >>> check_missing(None, None, np.ones((3, 3))), check_missing(None, [[1]], np.ones((3, 3)))
    ('spread', 'ignore')
    """
    rule = missing if missing is not None else "spread" if mask is None else "ignore"
    if rule not in MISSING:
        raise ArgumentError(
            f"missing must be one of {', '.join(MISSING)}, got {missing!r}{nearest_name(str(missing), MISSING)}"
        )
    if rule == "ignore" and sums_to_zero(kernel):
        raise ArgumentError(
            f"kernel sums to {kernel.sum():.3g}, and missing='ignore' divides by the sum of weights; use missing='zero'"
        )
    return rule


def sums_to_zero(kernel: Array) -> bool:
    """Whether weights sum to zero, within LEAST_SHARE.

    >>> sums_to_zero(np.array([[-1, 0, 1]])), sums_to_zero(np.array([[1, 2, 1]]))
    (True, False)
    """
    numbers = kernel.astype(np.float64).ravel().tolist()
    if not all(map(math.isfinite, numbers)):
        return False
    return abs(math.fsum(numbers)) <= LEAST_SHARE * math.fsum(map(abs, numbers))


def absent_samples(pixels: Array, rule: str, mask: ArrayLike | None) -> Array | None:
    """Return which samples of an image (H, W) or (H, W, C) are missing, of its shape or (H, W, 1), bool; None where none is.

    They are those where the mask (H, W) or (H, W, C) is 0 and, unless they spread anyway, NaN. Raises ArgumentError.

    >>> absent_samples(np.array([[1.0, np.nan]]), "ignore", None).tolist()
    [[False, True]]
    """
    absent = None
    if mask is not None:
        seen = check_array("mask", mask)
        if seen.shape not in (pixels.shape[:2], pixels.shape):
            allowed = " or ".join(dict.fromkeys(str(shape) for shape in (pixels.shape[:2], pixels.shape)))
            raise ArgumentError(f"mask must have the shape of the image, {allowed}, got {seen.shape}")
        absent = (seen[:, :, None] if seen.ndim < pixels.ndim else seen) == 0
    if rule != "spread" and has_nan(pixels):
        absent = np.isnan(pixels) if absent is None else absent | np.isnan(pixels)
    return absent if absent is not None and absent.any() else None


def has_nan(samples: Array) -> bool:
    """Whether a sample is NaN. The minimum is NaN then, and takes no memory."""
    return samples.dtype.kind == "f" and bool(np.isnan(samples.min()))


def border_of_absent(border: Border) -> Border:
    """Return the border of an array that is 1 where samples of an image are missing, and 0 elsewhere.

    A padded sample is missing where the sample that it copies is, at any gain. A constant is not missing.

    >>> border_of_absent(7), border_of_absent("linear-ramp"), border_of_absent("wrap")
    ('zero', 'edge', 'wrap')
    """
    mode = check_border(border)
    if mode.is_constant:
        return "zero"
    return "edge" if mode.needs_copy else mode.name
