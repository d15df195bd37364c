"""Quantizes a float response to levels by the ``--range`` rules, and counts exactly what they clip."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import DTypeLike

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import measure, scale_to_levels
from ..engine.simd.reference import VECTOR_BYTES
from ..errors import ArgumentError
from ..range_rules import Range
from .histogram import Histogram, combine_histograms, histogram_of
from .image import Array

TOLERANCE_ULPS = 16
"""Distance outside of the range, in units in the last place of its width, that counts as a rounding error: 0.0005 of 255 in
float32. The error of sums of a million taps was a third of it."""

SAMPLES_PER_CHUNK = 1 << 18
"""Samples that ``to_levels`` copies at a time."""


class RangeStatistics(Struct, frozen=True):
    """Minimum and maximum of a response, and how many of its ``count`` samples are below ``low``, above ``high``, and NaN.

    ``unknown`` is the number of NaN. A sample within TOLERANCE_ULPS of the range counts as inside: the computed mean of white
    pixels may be 255.00003. ``histogram`` is there where it was asked for.
    """

    minimum: float
    maximum: float
    below: int
    above: int
    unknown: int
    count: int
    low: float
    high: float
    histogram: Histogram | None = None


def combine_statistics(parts: Sequence[RangeStatistics]) -> RangeStatistics:
    """Return the statistics of a whole from those of its parts, which were measured with the same limits."""
    counts: dict[str, Any] = {
        name: sum(getattr(part, name) for part in parts) for name in ("below", "above", "unknown", "count")
    }
    if parts[0].histogram is not None:
        counts["histogram"] = combine_histograms([part.histogram for part in parts if part.histogram is not None])
    known = [part for part in parts if part.count > part.unknown]
    if not known:
        return replace(parts[0], **counts)
    smallest, largest = min(part.minimum for part in known), max(part.maximum for part in known)
    return replace(known[0], minimum=smallest, maximum=largest, **counts)


def finite_extremes(response: Array, visible: Array | None = None) -> tuple[float, float] | None:
    """Return the smallest and the largest finite sample of a response (H, W, C), or of its visible pixels; None without any."""
    seen = response if visible is None else response[visible]
    statistics = statistics_of(seen)
    if not np.isfinite((statistics.minimum, statistics.maximum)).all():
        statistics = statistics_of(seen[np.isfinite(seen)])
    return (statistics.minimum, statistics.maximum) if statistics.count > statistics.unknown else None


def quantize(
    response: Array,
    rule: Range,
    response_white: int | None,
    white: int,
    visible: Array | None = None,
    stretch_limits: tuple[float, float] | None = None,
    with_histogram: bool = False,
) -> tuple[Array, RangeStatistics]:
    """Quantize a float response (H, W, C) to levels 0..white, uint8 or uint16. Return the levels and their statistics.

    ``response_white`` is the level of white in the response, None where it is unknown: only stretch and LO..HI, which set a
    scale, can quantize such a response. ``visible`` (H, W) bool excludes the other pixels from the statistics, and from what
    stretch measures. ``stretch_limits`` are the limits of stretch where the response is a part of a map that was measured.
    ``with_histogram`` is whether the statistics have one.

    Raises ArgumentError for an unknown white under a rule that needs one.
    """
    seen = response if visible is None else response[visible]
    low, high = stretch_limits or _limits(seen, rule, response_white)
    statistics = statistics_of(seen, -high if rule.name == "abs" else low, high, with_histogram)
    noise = TOLERANCE_ULPS * float(np.finfo(response.dtype).eps) * (response_white or 0) if rule.name == "stretch" else 0.0
    # A response whose extremes differ only by rounding errors counts as constant.
    scale = white / (high - low) if high - low > noise else 0.0
    return to_levels(response, np.uint8 if white == 255 else np.uint16, scale, low, absolute=rule.name == "abs"), statistics


def statistics_of(response: Array, low: float = -np.inf, high: float = np.inf, with_histogram: bool = False) -> RangeStatistics:
    """Measure a response of float32 or float64: minimum, maximum, and the number of samples outside low..high."""
    real = response.dtype.type
    margin = (high - low) * TOLERANCE_ULPS * float(np.finfo(real).eps)
    values = np.ascontiguousarray(response).reshape(-1)
    measured, workspace = np.empty(5), np.empty(2 * VECTOR_BYTES // values.itemsize, values.dtype)
    run_loop(measure, values, real(low - margin), real(high + margin), workspace, measured)
    smallest, largest, *counts = measured
    nothing = smallest > largest  # empty, or all NaN
    extremes = (np.nan, np.nan) if nothing else (float(smallest), float(largest))
    below, above, unknown = map(int, counts)
    histogram = histogram_of(values) if with_histogram else None
    return RangeStatistics(*extremes, below, above, unknown, values.size, low, high, histogram)


def to_levels(response: Array, dtype: DTypeLike, scale: float = 1.0, zero: float = 0.0, absolute: bool = False) -> Array:
    """Return (response - zero) * scale, rounded half to even and saturated to an integer dtype; NaN becomes 0.

    ``absolute`` takes the absolute values of the response first.
    """
    values = np.ascontiguousarray(response).reshape(-1)
    out = np.empty(values.shape, dtype)
    limits: Any = np.iinfo(out.dtype)
    real, level = values.dtype.type, out.dtype.type
    for begin in range(0, values.size, SAMPLES_PER_CHUNK if absolute else max(values.size, 1)):
        chunk = np.abs(values[begin : begin + SAMPLES_PER_CHUNK]) if absolute else values
        levels = out[begin : begin + chunk.size]
        run_loop(scale_to_levels, chunk, real(zero), real(scale), level(limits.min), level(limits.max), levels)
    return out.reshape(response.shape)


def check_scale(rule: Range, white: int | None, may_be_light: bool = False) -> None:
    """Raise ArgumentError for a response of unknown white under a rule that needs one.

    ``may_be_light`` is whether --light linear would give it one.
    """
    if white is None and not rule.sets_scale:
        light = "--light linear for HDR and EXR, " if may_be_light else ""
        raise ArgumentError(
            f"its maps hold samples of unknown white, so --range {rule.name} cannot store them as levels; "
            f"give --range stretch or --range LO..HI, {light}or write .npy, .npz or .tif, into a folder with --format"
        )


def _limits(response: Array, rule: Range, white: int | None) -> tuple[float, float]:
    """Return the responses that become 0 and white."""
    check_scale(rule, white)
    if rule.limits is not None:
        return rule.limits
    if rule.name == "stretch":
        return finite_extremes(response) or (0.0, 0.0)
    assert white is not None
    return (-(white + 1) / 2, white - (white + 1) / 2) if rule.name == "center" else (0.0, float(white))
