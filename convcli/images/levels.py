"""From a float response to stored levels: the ``--range`` rules, and an exact account of what they cut."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..core import loops
from ..core.compiler import run_loop
from ..errors import ArgumentError
from .image import Array
from .ranges import Range

TOLERANCE = 2e-6
"""Share of the range that is taken for rounding: 0.0005 of 255. Float32 sums of a million taps lost 0.0000007 of theirs."""


@dataclass(frozen=True)
class Account:
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


def store(response: Array, rule: Range, response_white: int | None, white: int) -> tuple[Array, Account]:
    """Turn a response (H, W, C) real into levels 0..white, uint8 or uint16, and account for what was cut.

    ``response_white`` is white in the response's own scale, None where nobody knows it: only stretch and LO..HI, which
    bring a scale of their own, can store such a response.
    """
    low, high = _limits(response, rule, response_white)
    account = account_for(response, -high if rule.name == "abs" else low, high)
    if rule.name == "abs":
        response = np.array(response, order="C")
        run_loop(loops.make_absolute, response.reshape(-1))
    scale = white / (high - low) if high > low else 0.0
    return to_levels(response, np.uint8 if white == 255 else np.uint16, scale, -low * scale), account


def account_for(response: Array, low: float = -np.inf, high: float = np.inf) -> Account:
    """Measure a response: minimum, maximum, and how many numbers lie outside low..high."""
    real, spare = response.dtype.type, (high - low) * TOLERANCE
    values = np.ascontiguousarray(response).reshape(-1).view()
    values.flags.writeable = False
    smallest, largest, below, above, unknown = run_loop(loops.measure, values, real(low - spare), real(high + spare))
    if smallest > largest:  # nothing but NaN
        smallest = largest = np.nan
    return Account(float(smallest), float(largest), below, above, unknown, values.size, low, high)


def to_levels(response: Array, dtype: DTypeLike, scale: float = 1.0, offset: float = 0.0) -> Array:
    """Response * scale + offset, rounded half to even and saturated to an integer type; NaN becomes 0."""
    values = np.array(response, order="C").reshape(-1)
    out = np.empty(values.shape, dtype)
    limits: Any = np.iinfo(out.dtype)
    real, level = values.dtype.type, out.dtype.type
    run_loop(loops.scale_to_levels, values, real(scale), real(offset), level(limits.min), level(limits.max), out)
    return out.reshape(response.shape)


def _limits(response: Array, rule: Range, white: int | None) -> tuple[float, float]:
    """The numbers that become 0 and white."""
    if rule.limits is not None:
        return rule.limits
    if rule.name == "stretch":
        account = account_for(response)
        return account.minimum, account.maximum
    if white is None:
        raise ArgumentError(
            f"holds numbers without a known white, so --range {rule.name} cannot store them as levels; "
            "give --range stretch or --range LO..HI, or write .npy, .npz or .tif"
        )
    return (-(white + 1) / 2, white - (white + 1) / 2) if rule.name == "center" else (0.0, float(white))
