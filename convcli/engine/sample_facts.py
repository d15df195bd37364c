"""Properties of the samples of an image that decide how its sums can be computed."""

import math
from dataclasses import dataclass

import numpy as np

from ..geometry.borders import BorderMode
from .dtypes import real_of
from .layout import Layout
from .offset import Offset
from .simd.reference import Array

SMALLEST_FOR_FFT = 100
"""Fewest taps for which spectra are faster."""

MAX_UNEVENNESS = 256
"""Largest ratio of the largest to the mean distance of samples from the offset, for spectra."""


@dataclass(frozen=True)
class SampleFacts:
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
    constant = border.constant
    if planes.dtype.kind == "u":
        whole = constant == int(constant) and not border.needs_copy
        white = float(np.iinfo(planes.dtype).max)
        largest = max(white, abs(constant))
        exact = whole and layout.rows.kernel * largest < 1 << 24
        return SampleFacts(real_of(planes), True, whole, 0 <= constant <= white, exact, largest, min(constant, 0.0))
    needs_extremes = method in ("fft", "separable") or (
        method is None and layout.rows.kernel * layout.columns.kernel >= SMALLEST_FOR_FFT
    )
    extremes = np.array([planes.min(), planes.max(), constant], np.float64) if needs_extremes else np.full(3, np.inf)
    finite, largest = bool(np.isfinite(extremes).all()), float(np.abs(extremes).max())
    even = finite and float(np.abs(extremes - offset.mean).max()) <= MAX_UNEVENNESS * offset.deviation
    # Rounded up to a power of 2**32, so that most images share their tables.
    rounded = 2.0 ** (32 * math.ceil(math.log2(largest) / 32)) if finite and largest else largest
    return SampleFacts(real_of(planes), finite, False, even, False, rounded, -rounded)
