"""From a float response to stored levels: the ``--range`` rules, and an exact account of what they cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import measure, scale_to_levels
from ..engine.simd.reference import VECTOR_BYTES
from ..errors import ArgumentError
from ..range_rules import Range
from .image import Array

TOLERANCE = 16
"""Units in the last place, of the range, that are taken for rounding: 0.0005 of 255 in float32. Sums of a million taps lost
a third of it."""


PART = 1 << 18
"""Numbers of which there may be a copy."""


@dataclass(frozen=True)
class RangeStatistics:
    """What a response held, and how much of it lay below ``low`` and above ``high``. It counts numbers, not pixels.

    A number within TOLERANCE of the range counts as inside: a mean of white pixels may come out as 255.00003.
    """

    minimum: float
    maximum: float
    below: int
    above: int
    unknown: int
    count: int
    low: float
    high: float


def total_of(accounts: Sequence[RangeStatistics]) -> RangeStatistics:
    """The account of a whole whose parts were accounted for under one rule."""
    counts = {name: sum(getattr(part, name) for part in accounts) for name in ("below", "above", "unknown", "count")}
    known = [part for part in accounts if part.count > part.unknown]
    if not known:
        return replace(accounts[0], **counts)
    smallest, largest = min(part.minimum for part in known), max(part.maximum for part in known)
    return replace(known[0], minimum=smallest, maximum=largest, **counts)


def spread_of(response: Array, visible: Array | None = None) -> tuple[float, float] | None:
    """The least and the largest finite number of a response (H, W, C), or of its visible pixels; None if there is none."""
    seen = response if visible is None else response[visible]
    statistics = statistics_of(seen)
    if not np.isfinite((statistics.minimum, statistics.maximum)).all():
        statistics = statistics_of(seen[np.isfinite(seen)])
    return (statistics.minimum, statistics.maximum) if statistics.count > statistics.unknown else None


def store(
    response: Array,
    rule: Range,
    response_white: int | None,
    white: int,
    visible: Array | None = None,
    spread: tuple[float, float] | None = None,
) -> tuple[Array, RangeStatistics]:
    """Turn a response (H, W, C) real into levels 0..white, uint8 or uint16, and account for what was cut.

    ``response_white`` is white in the response's own scale, None where nobody knows it: only stretch and LO..HI, which
    bring a scale of their own, can store such a response. ``visible`` (H, W) bool leaves pixels out of the account, and of
    what stretch measures; ``spread`` is what it measured already, of a whole of which this is a part.
    """
    seen = response if visible is None else response[visible]
    low, high = spread or _limits(seen, rule, response_white)
    statistics = statistics_of(seen, -high if rule.name == "abs" else low, high)
    noise = TOLERANCE * float(np.finfo(response.dtype).eps) * (response_white or 0) if rule.name == "stretch" else 0.0
    scale = white / (high - low) if high - low > noise else 0.0  # a spread that is nothing but rounding is flat
    return to_levels(response, np.uint8 if white == 255 else np.uint16, scale, low, absolute=rule.name == "abs"), statistics


def statistics_of(response: Array, low: float = -np.inf, high: float = np.inf) -> RangeStatistics:
    """Measure a response: minimum, maximum, and how many numbers lie outside low..high."""
    real = response.dtype.type
    spare = (high - low) * TOLERANCE * float(np.finfo(real).eps)
    values = np.ascontiguousarray(response).reshape(-1)
    found, line = np.empty(5), np.empty(2 * VECTOR_BYTES // values.itemsize, values.dtype)
    run_loop(measure, values, real(low - spare), real(high + spare), line, found)
    smallest, largest, *counts = found
    nothing = smallest > largest  # or nothing but NaN
    extremes = (np.nan, np.nan) if nothing else (float(smallest), float(largest))
    below, above, unknown = map(int, counts)
    return RangeStatistics(*extremes, below, above, unknown, values.size, low, high)


def to_levels(response: Array, dtype: DTypeLike, scale: float = 1.0, zero: float = 0.0, absolute: bool = False) -> Array:
    """(response - zero) * scale, rounded half to even and saturated to an integer type; NaN becomes 0.

    ``absolute`` takes the numbers without their signs.
    """
    values = np.ascontiguousarray(response).reshape(-1)
    out = np.empty(values.shape, dtype)
    limits: Any = np.iinfo(out.dtype)
    real, level = values.dtype.type, out.dtype.type
    for begin in range(0, values.size, PART if absolute else max(values.size, 1)):
        part = np.abs(values[begin : begin + PART]) if absolute else values
        levels = out[begin : begin + part.size]
        run_loop(scale_to_levels, part, real(zero), real(scale), level(limits.min), level(limits.max), levels)
    return out.reshape(response.shape)


def check_scale(rule: Range, white: int | None) -> None:
    """Raise ArgumentError for a response of unknown scale under a rule that needs one."""
    if white is None and not rule.sets_scale:
        raise ArgumentError(
            f"its maps hold numbers without a known white, so --range {rule.name} cannot store them as levels; "
            "give --range stretch or --range LO..HI, or write .npy, .npz or .tif"
        )


def _limits(response: Array, rule: Range, white: int | None) -> tuple[float, float]:
    """The numbers that become 0 and white."""
    check_scale(rule, white)
    if rule.limits is not None:
        return rule.limits
    if rule.name == "stretch":
        return spread_of(response) or (0.0, 0.0)
    assert white is not None
    return (-(white + 1) / 2, white - (white + 1) / 2) if rule.name == "center" else (0.0, float(white))
