"""What kind of numbers an image holds, as far as that decides how its sums are made."""

import math
from dataclasses import dataclass

import numpy as np

from ..geometry.borders import BorderMode
from .dtypes import real_of
from .layout import Layout
from .offset import Offset
from .simd.reference import Array

SMALLEST_FOR_FFT = 100
"""Taps below which spectra are no gain."""

UNEVEN = 256
"""Times that the largest sample may be farther from the offset than most are, for spectra."""


@dataclass(frozen=True)
class SampleFacts:
    """What is summed, and how exactly: in float32 or float64 (``real``), where sums down a column may be ``exact``.

    ``finite`` tells that no number is NaN or infinite, ``whole`` that all are whole numbers, ``even`` that none is much larger
    than most are. None is larger than ``largest``, nor less than ``least``.
    """

    real: np.dtype
    finite: bool
    whole: bool
    even: bool
    exact: bool
    largest: float
    least: float


def sample_facts_of(planes: Array, layout: Layout, border: BorderMode, offset: Offset, method: str | None) -> SampleFacts:
    """What sums of an image (P, H, numbers) are: those of whole numbers below 2**24 are exact in float32."""
    constant = border.constant
    if planes.dtype.kind == "u":
        whole = constant == int(constant) and not border.needs_copy
        white = float(np.iinfo(planes.dtype).max)
        largest = max(white, abs(constant))
        exact = whole and layout.rows.kernel * largest < 1 << 24
        return SampleFacts(real_of(planes), True, whole, 0 <= constant <= white, exact, largest, min(constant, 0.0))
    asked = method in ("fft", "separable") or (
        method is None and layout.rows.kernel * layout.columns.kernel >= SMALLEST_FOR_FFT
    )
    extremes = np.array([planes.min(), planes.max(), constant], np.float64) if asked else np.full(3, np.inf)
    finite, largest = bool(np.isfinite(extremes).all()), float(np.abs(extremes).max())
    even = finite and float(np.abs(extremes - offset.mean).max()) <= UNEVEN * offset.deviation
    rounded = 2.0 ** (32 * math.ceil(math.log2(largest) / 32)) if finite and largest else largest  # the same for most parts
    return SampleFacts(real_of(planes), finite, False, even, False, rounded, -rounded)
