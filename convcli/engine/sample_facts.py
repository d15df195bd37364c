"""Properties of the samples of an image that decide how its sums can be computed."""

import functools
import math

import numpy as np
from msgspec import Struct

from ..geometry.borders import BorderMode
from .dtypes import real_of
from .layout import Layout
from .offset import Offset
from .simd.reference import Array

SMALLEST_FOR_FFT = 100
"""Fewest taps for which spectra are faster."""

MAX_UNEVENNESS = 256
"""Largest ratio of the largest to the mean distance of samples from the offset, for spectra."""


class SampleFacts(Struct, frozen=True):
    """Properties of the samples, the border included.

    ``sum_dtype`` is float32 or float64. ``finite``: no sample is NaN or infinite. ``integer``: all samples are integers.
    ``no_outliers``: no sample is much larger than most. ``exact_column_sums``: sums down a column do not round. All samples lie
    between ``lower_bound``, which is read only if ``integer``, and ``upper_bound``, which also bounds the spectra.
    """

    sum_dtype: np.dtype
    finite: bool
    integer: bool
    no_outliers: bool
    exact_column_sums: bool
    upper_bound: float
    lower_bound: float


def sample_facts_of(planes: Array, layout: Layout, border: BorderMode, offset: Offset, method: str | None) -> SampleFacts:
    """Return the facts of an image (P, H, samples). Sums of integers below 2**24 are exact in float32."""
    size = layout.rows.kernel * layout.columns.kernel
    if planes.dtype.kind == "u" or not (method in ("fft", "separable") or (method is None and size >= SMALLEST_FOR_FFT)):
        return facts_of_any(planes.dtype, layout, border)
    extremes = np.array([planes.min(), planes.max(), border.constant], np.float64)
    if not np.isfinite(extremes).all():
        return SampleFacts(real_of(planes.dtype), False, False, False, False, math.inf, -math.inf)
    largest, even = float(np.abs(extremes).max()), _are_even(extremes, offset)
    # Rounded up to a power of 2**32, so that most images share their tables.
    rounded = 2.0 ** (32 * math.ceil(math.log2(largest) / 32)) if largest else largest
    return SampleFacts(real_of(planes.dtype), True, False, even, False, rounded, -rounded)


def have_no_outliers(planes: Array, constant: float, offset: Offset) -> bool:
    """Whether no sample of planes (P, H, samples), all of them finite, and no constant border is much larger than most."""
    return _are_even(np.array([planes.min(), planes.max(), constant], np.float64), offset)


def _are_even(extremes: Array, offset: Offset) -> bool:
    return float(np.abs(extremes - offset.mean).max()) <= MAX_UNEVENNESS * offset.deviation


def facts_of_any(dtype: np.dtype, layout: Layout, border: BorderMode) -> SampleFacts:
    """Return the facts that hold for all images of a dtype."""
    return _facts_without_reading(dtype, layout.rows.kernel, border.constant, border.needs_copy)


@functools.lru_cache
def _facts_without_reading(dtype: np.dtype, kernel_rows: int, constant: float, needs_copy: bool) -> SampleFacts:
    """Return the facts of all images of unsigned integers; of floats, those that hold for any samples."""
    if dtype.kind != "u":
        return SampleFacts(real_of(dtype), False, False, False, False, math.inf, -math.inf)
    whole = constant == int(constant) and not needs_copy
    white = float(np.iinfo(dtype).max)
    largest = max(white, abs(constant))
    exact = whole and kernel_rows * largest < 1 << 24
    return SampleFacts(real_of(dtype), True, whole, 0 <= constant <= white, exact, largest, min(constant, 0.0))
