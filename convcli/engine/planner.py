"""How a kernel is summed: tap by tap, as columns times rows, with running sums, by spectra. The cheapest of the same result."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ArgumentError
from .fft import Tiling, best_tiling
from .layout import Layout, nested_counts
from .low_rank import EXACT, Factors, factorise, unit_of
from .offset import BOUND, FARTHEST, error_of
from .sample_facts import SMALLEST_FOR_FFT, SampleFacts
from .simd.reference import Array

LONGEST, LONGEST_OF_PRODUCTS = 64, 32
"""Taps that are summed one after the other, and of columns and of rows, whose roundings add up. Longer sums are made of such,
added with compensation.
"""

RUN = 4
"""Rows of a column for each that is stepped over, above which running sums are faster: they go over a row once for each."""

SLOWER = 1.7
"""Times that a multiply-add of columns and rows takes, beside one of the direct way."""

FINE = 1e-4
"""Units of weights so fine that sums come half way between two levels no more often than one in 10,000 times."""

WHOLEST = 1e6
"""Whole numbers that spectra give within 0.1: they miss by 0.00000005 of the largest, in the worst of 10 million."""

NOISE, NOISE_OF_PRODUCTS = 0.8, 2.1
"""Standard deviation of what spectra, and columns times rows, miss: over the root of the sum of squared weights, the largest
number and the precision. Measured on photographs."""

QUIET, QUIET_ENOUGH = 6e-5, 0.05
"""Noise in levels: so that one rounded level in 10,000 differs; so that none differs by two."""

SHORT = (1 << 16) - 1
"""The largest number of 16 bits."""

WORTH = 0.75
"""Part of the direct multiply-adds below which columns times rows are faster: they go over a row once more."""


@dataclass(frozen=True)
class Choice:
    """How one map is computed. ``cost`` counts multiply-adds for each number of it, ``direct`` those of the direct way.

    ``error`` bounds what rounding adds to a response before that is rounded to its own type, as a part of the sum of absolute
    weights times the extent of the picture; it is 0 where sums are exact.
    ``running_columns`` tells whether sums down the columns are kept from row to row, ``nested_rows`` whether those along the
    rows are made of sums of a few neighbours.
    """

    method: str
    cost: float
    direct: float
    reason: str
    factors: Factors | None = None
    running_columns: bool = False
    nested_rows: bool = False
    unit: float = 1.0  # what the sums are multiplied by at the end, and the weights divided by before
    tiling: Tiling | None = None
    error: float = 0.0
    whole: bool = False  # whether sums by spectra are rounded to whole numbers of the unit

    @property
    def rank(self) -> int:
        """Columns times rows that are summed, 0 for the direct way."""
        return self.factors.rank if self.factors else 0


def choose(layout: Layout, weights: Array, facts: SampleFacts, method: str | None = None) -> Choice:
    """The way for one map of weights (P, kh, kw, depth); ``method`` asks for one. Raises ArgumentError where it cannot be.

    Sums of several products are for finite numbers only: an infinity would meet its negative in them, a weight of 0 not.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return _choose(layout, weights, facts, method)


def _choose(layout: Layout, weights: Array, facts: SampleFacts, method: str | None) -> Choice:
    taps = float(np.count_nonzero(weights))
    if not np.isfinite(weights.astype(facts.real)).all():
        return _refused(Choice("direct", taps, taps, "asked for"), None if method == "direct" else method, "is not finite")
    direct = Choice("direct", taps, taps, "asked for", unit=_unit_for(weights) if facts.whole else 1.0)
    if taps > 1 and not _is_exact(in_units(weights, direct.unit), facts):  # one product is rounded as the result is
        direct = replace(direct, error=error_of(min(taps, LONGEST), facts.real))
    if method == "direct":
        return direct
    if method == "fft":
        return _by_fft(layout, weights, facts, direct, method)
    chosen = _by_low_rank(layout, weights, facts, direct, method)
    if method is None and taps >= SMALLEST_FOR_FFT:
        spectra = _by_fft(layout, weights, facts, chosen, method)
        if spectra.tiling and spectra.cost < chosen.cost * (SLOWER if chosen.factors else 1):
            return spectra
    return chosen


def _by_fft(layout: Layout, weights: Array, facts: SampleFacts, other: Choice, method: str | None) -> Choice:
    """The way by spectra, or the other where it does not fit."""
    if weights.shape[0] > 1 or weights.shape[3] > 1:
        return _refused(other, method, "sums over channels")
    if not facts.finite:
        return _refused(other, method, "is slid over NaN or infinity, which would spread in a spectrum")
    tiling = best_tiling(layout)
    if tiling is None:
        return _refused(other, method, "is larger than any tile")
    most = max(np.abs(weights).sum(), 1) * facts.largest * tiling.rows * tiling.columns
    if most > float(np.finfo(facts.real).max) / 100:
        return _refused(other, method, "is slid over numbers so large that their spectrum would overflow")
    if method is None and not facts.even:
        return other  # rounding of the largest would be seen beside most
    unit = unit_of(weights) if facts.whole and weights.any() else None
    coarse = unit is not None and unit > FINE
    whole = coarse and np.abs(weights).sum() / unit * facts.largest <= WHOLEST
    if method is None and not whole and (coarse or _noise_shows(NOISE, weights, facts)):
        return other  # rounding of the spectrum would be seen
    reason = f"tiles of {tiling.rows} x {tiling.columns} take as long as {tiling.cost:.3g} multiply-adds"
    error = 0.0 if whole else float(np.finfo(facts.real).eps) * math.log2(tiling.rows * tiling.columns)
    found = Choice("fft", tiling.cost, other.direct, reason, unit=unit if whole and unit else 1.0, tiling=tiling, whole=whole)
    return replace(found, error=error)


def _noise_shows(noise: float, weights: Array, facts: SampleFacts) -> bool:
    """Whether levels would show what is missed."""
    amount = noise * math.sqrt(np.square(weights).sum()) * facts.largest * np.finfo(facts.real).eps
    return bool(facts.whole and amount > (QUIET if facts.largest < 256 else QUIET_ENOUGH))


def _by_low_rank(layout: Layout, weights: Array, facts: SampleFacts, direct: Choice, method: str | None) -> Choice:
    """Columns times rows, with running sums where they help; or the direct way."""
    if weights.shape[0] > 1 or weights.shape[3] > 1:
        return _refused(direct, method, "sums over channels")
    kernel = in_units(weights[0, :, :, 0], direct.unit)
    most = min(kernel.shape) if facts.finite else 1
    if method is None:  # no more products than can be worth it
        most = min(most, max(int(WORTH * direct.cost / sum(kernel.shape)), 1))
    factors = factorise(kernel, float(np.finfo(facts.real).eps), most)
    if factors is None:
        rule = "has no columns and rows that would be a gain" if facts.finite else "is no column times a row"
        return _refused(direct, method, rule)
    exact = _is_exact(kernel, facts, factors.growth)
    if method is None and not exact and _noise_shows(NOISE_OF_PRODUCTS, weights, facts):
        return _refused(direct, method, "is so large in all that rounding of sums between would be seen")
    error = 0.0 if exact else error_of(factors.growth * _roundings_of(factors), facts.real) + factors.error * FARTHEST
    if error > BOUND:
        return _refused(direct, method, f"is a sum of products so large that rounding could be {error:.2g} of what it gives")
    flat_column, flat_row = (_is_flat(part) for part in (factors.columns, factors.rows))
    flat = factors.rank == 1 and flat_column and flat_row
    if method == "box" and not flat:
        return _refused(direct, method, "has weights that differ")
    single = factors.rank == 1 and method != "separable"
    running = (
        single and flat_column and facts.exact and layout.rows.dilation == 1 and kernel.shape[0] > RUN * layout.rows.stride
    )
    split = single and flat_row and layout.step == 1 and kernel.shape[1] > 3
    count = _cost_of(layout, factors, running, split)
    name = "box" if method == "box" or (flat and (running or split)) else "separable"
    if method is None and count > WORTH * direct.cost:
        return replace(direct, reason=f"{name} would take {count:.3g}, which is no gain")
    return Choice(name, count, direct.direct, _reason(name, factors), factors, running, split, direct.unit, error=error)


def _is_exact(kernel: Array, facts: SampleFacts, growth: float = 1.0) -> bool:
    """Whether all sums of the kernel, as multiples of its unit, are whole numbers that ``real`` holds, though products grow."""
    if not facts.whole:
        return False
    unit = unit_of(kernel) if kernel.any() else None
    return unit is not None and bool(max(growth, 1.0) * np.abs(kernel).sum() / unit * facts.largest < EXACT)


def _roundings_of(factors: Factors) -> float:
    """Roundings one after the other: down the columns, then along all rows."""
    down, along = factors.columns.shape[1], factors.rows.size
    return float(min(down, LONGEST_OF_PRODUCTS) + min(along, LONGEST_OF_PRODUCTS))


def in_units(weights: Array, unit: float) -> Array:
    """Weights as multiples of their unit."""
    return weights if unit == 1 else np.rint(weights / unit)


def least_short_sum(choice: Choice, weights: Array, facts: SampleFacts) -> int | None:
    """The least sum that levels can give, in units, where 16 bits tell all sums apart; else None.

    Then twice as many are worked on at once, and whatever lies between is right but for multiples of 2**16.
    """
    if not facts.whole or facts.largest > SHORT // 2 or choice.tiling is not None:
        return None
    kernel = in_units(weights, choice.unit)
    parts = [kernel, *((choice.factors.columns, choice.factors.rows) if choice.factors else ())]
    if not all((part == np.rint(part)).all() and np.abs(part).max() <= SHORT // 2 for part in parts):
        return None
    more, less = float(kernel[kernel > 0].sum()), float(kernel[kernel < 0].sum())
    low, high = more * facts.least + less * facts.largest, more * facts.largest + less * facts.least
    return int(low) if high - low <= SHORT else None


def _unit_for(weights: Array) -> float:
    """What all weights are multiples of, where sums of levels are exact then.

    A mean of whole numbers that lies half way between two levels is then rounded by the rule, not by chance.
    """
    unit = unit_of(weights) if weights.any() else None
    exact = unit is not None and np.abs(weights).sum() / unit < 1 << 16
    return unit if unit is not None and exact else 1.0


def _refused(direct: Choice, method: str | None, rule: str) -> Choice:
    if method is not None:
        raise ArgumentError(f"method {method} cannot be used: the kernel {rule}; leave the method out")
    return replace(direct, reason=f"the kernel {rule}")


def _reason(name: str, factors: Factors) -> str:
    if name == "box":
        return "all weights are the same"
    return "the kernel is " + ("a column times a row" if factors.rank == 1 else f"the sum of {factors.rank} columns times rows")


def _is_flat(parts: Array) -> bool:
    return bool((parts[0] == parts[0, 0]).all() and parts[0, 0] != 0)


def _cost_of(layout: Layout, factors: Factors, running: bool, split: bool) -> float:
    """Multiply-adds for each number of the map: the sums down are made for every column, the sums along for those that stay."""
    down = 2 * layout.rows.stride if running else np.count_nonzero(factors.columns)
    across = sum(nested_counts(factors.rows.shape[1])) if split else np.count_nonzero(factors.rows)
    return float(down * layout.step + across)
