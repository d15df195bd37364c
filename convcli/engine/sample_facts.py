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
    """The samples, border included: sums are float32 or float64 (``real``); those down a column may be ``exact``.

    ``finite``: no sample is NaN or infinite. ``whole``: all are integers. ``even``: none is much larger than most. All lie
    between ``least``, which is read only where ``whole``, and ``largest``, which bounds spectra too.
    """

    real: np.dtype
    finite: bool
    whole: bool
    even: bool
    exact: bool
    largest: float
    least: float


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
