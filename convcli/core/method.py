"""How a kernel is summed: tap by tap, as columns times rows, or with running sums. The cheapest that gives the same result."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ArgumentError
from .factor import Factors, factorise, unit_of
from .loops import Array
from .plan import Plan, halves

RUN = 4
"""Rows of a column for each that is stepped over, above which running sums are faster: they go over a row once for each."""

WORTH = 0.75
"""Part of the direct multiply-adds below which columns times rows are faster: they go over a row once more."""


@dataclass(frozen=True)
class Work:
    """What is summed, and how exactly: in float32 or float64 (``real``), where a sum of whole numbers may be ``exact``.

    ``finite`` tells that no number is NaN or infinite.
    """

    real: np.dtype
    finite: bool
    exact: bool


@dataclass(frozen=True)
class Choice:
    """How one map is computed. ``work`` counts multiply-adds for each number of it, ``direct`` those of the direct way.

    ``running`` tells whether sums down the columns are kept from row to row, ``halves`` whether those along the rows are
    made of sums of a few.
    """

    method: str
    work: float
    direct: float
    reason: str
    factors: Factors | None = None
    running: bool = False
    halves: bool = False
    unit: float = 1.0  # what the sums are multiplied by at the end, and the weights divided by before

    @property
    def rank(self) -> int:
        """Columns times rows that are summed, 0 for the direct way."""
        return self.factors.rank if self.factors else 0

    @property
    def error(self) -> float:
        """By how much the sums miss the kernel, as a part of its absolute sum."""
        return self.factors.error if self.factors else 0.0


def choose(plan: Plan, weights: Array, work: Work, method: str | None = None) -> Choice:
    """The way for one map of weights (P, kh, kw, depth); ``method`` asks for one. Raises ArgumentError where it cannot be.

    Sums of several products are for finite numbers only: an infinity would meet its negative in them, a weight of 0 not.
    """
    taps = float(np.count_nonzero(weights))
    direct = Choice("direct", taps, taps, "asked for", unit=_unit_for(weights) if work.finite else 1.0)
    if method == "direct":
        return direct
    if weights.shape[0] > 1 or weights.shape[3] > 1:
        return _refused(direct, method, "sums over channels")
    kernel = in_units(weights[0, :, :, 0], direct.unit)
    most = min(kernel.shape) if work.finite or method == "separable" else 1
    if method is None:  # no more products than can be worth it
        most = min(most, max(int(WORTH * direct.work / sum(kernel.shape)), 1))
    factors = factorise(kernel, float(np.finfo(work.real).eps), most)
    if factors is None:
        rule = "has no columns and rows that would be a gain" if work.finite else "is no column times a row"
        return _refused(direct, method, rule)
    flat_column, flat_row = (_is_flat(part) for part in (factors.columns, factors.rows))
    flat = factors.rank == 1 and flat_column and flat_row
    if method == "box" and not flat:
        return _refused(direct, method, "has weights that differ")
    single = factors.rank == 1 and method != "separable"
    running = single and flat_column and work.exact and plan.rows.dilation == 1 and kernel.shape[0] > RUN * plan.rows.stride
    split = single and flat_row and plan.step == 1 and kernel.shape[1] > 3
    count = _work_of(plan, factors, running, split)
    name = "box" if method == "box" or (flat and (running or split)) else "separable"
    if method is None and count > WORTH * direct.work:
        return replace(direct, reason=f"{name} would take {count:.3g}, which is no gain")
    return Choice(name, count, taps, _reason(name, factors), factors, running, split, direct.unit)


def in_units(weights: Array, unit: float) -> Array:
    """Weights as multiples of their unit."""
    return weights if unit == 1 else np.rint(weights / unit)


def _unit_for(weights: Array) -> float:
    """What all weights are multiples of, where that makes sums of levels exact that were not: 1/9 does, and 1/16 was before.

    A mean of whole numbers that lies half way between two levels is then rounded by the rule, not by chance.
    """
    unit = unit_of(weights) if weights.any() else None
    exact = unit is not None and math.frexp(unit)[0] != 0.5 and np.abs(weights).sum() / unit < 1 << 16
    return unit if unit is not None and exact else 1.0


def _refused(direct: Choice, method: str | None, rule: str) -> Choice:
    if method is not None:
        raise ArgumentError(f"method {method} cannot be used: the kernel {rule}; use direct")
    return replace(direct, reason=f"the kernel {rule}")


def _reason(name: str, factors: Factors) -> str:
    if name == "box":
        return "all weights are the same"
    return "the kernel is " + ("a column times a row" if factors.rank == 1 else f"the sum of {factors.rank} columns times rows")


def _is_flat(parts: Array) -> bool:
    return bool((parts[0] == parts[0, 0]).all() and parts[0, 0] != 0)


def _work_of(plan: Plan, factors: Factors, running: bool, split: bool) -> float:
    """Multiply-adds for each number of the map: the sums down are made for every column, the sums along for those that stay."""
    down = 2 * plan.rows.stride if running else np.count_nonzero(factors.columns)
    across = sum(halves(factors.rows.shape[1])) if split else np.count_nonzero(factors.rows)
    return float(down * plan.step + across)
