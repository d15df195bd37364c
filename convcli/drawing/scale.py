"""Which value has which place on a colour map."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from ..images.image import Array


class Scale(Struct, frozen=True):
    """The values at the ends of a colour map. A signed scale has 0 in the middle."""

    low: float
    high: float
    signed: bool


def scale_of(arrays: Sequence[Array], percentile: float = 100.0, signed: bool | None = None) -> Scale | None:
    """Return the scale that arrays of real numbers share; None where they hold no finite value.

    It is signed where a value is below 0, unless ``signed`` says otherwise: then it reaches equally far to both sides, to the
    percentile of absolute values. Else it reaches from the percentile 100 - P to the percentile P: from minimum to maximum for
    100, and where these percentiles are equal. A constant is measured from 0, and a scale of nothing but 0 reaches to 1.

    >>> scale_of([np.array([-1.0, 3.0])])
    Scale(low=-3.0, high=3.0, signed=True)
    """
    values = np.concatenate([np.ravel(array[np.isfinite(array)]) for array in arrays] or [np.empty(0)]).astype(np.float64)
    if not values.size:
        return None
    if signed or (signed is None and values.min() < 0):
        reach = float(_percentile(np.abs(values), percentile)) or float(np.abs(values).max()) or 1.0
        return Scale(-reach, reach, signed=True)
    low, high = float(_percentile(values, 100 - percentile)), float(_percentile(values, percentile))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    return Scale(low, high if high > low else low + 1.0, signed=False)


def _percentile(values: Array, percentile: float) -> float:
    """Return a percentile, by linear interpolation; exact at 0 and 100."""
    if percentile in (0.0, 100.0):
        return float(values.min() if percentile == 0 else values.max())
    return float(np.percentile(values, percentile))


def positions(values: Array, scale: Scale | None) -> Array:
    """Return where values lie on a scale, float64: 0 at its low end, 1 at its high end, outside of 0..1 beyond them.

    The middle of a signed scale, 0, is exactly 0.5. Extremes near the largest float do not overflow. Without a scale, nothing
    is finite, and infinities lie beyond.
    """
    if scale is None:
        return np.where(np.isnan(values), np.nan, np.where(values > 0, np.inf, -np.inf))
    reach = max(abs(scale.low), abs(scale.high))
    low, high = scale.low / reach, scale.high / reach
    with np.errstate(over="ignore", invalid="ignore"):
        places: Array = (values.astype(np.float64) / reach - low) / (high - low)
    return places
