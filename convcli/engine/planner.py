"""Chooses the method for a kernel: direct, separable, box or fft; the cheapest whose rounding does not show."""

import math

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError
from .box_sums import BOX_COST, SMALLEST_BOX, BoxSums, box_sums_of
from .fft import Tiling, best_tiling
from .layout import Layout, nested_counts
from .loops.offset import MAX_DISTANCE
from .low_rank import MAX_EXACT_INTEGER, Factors, common_unit, factorise
from .offset import BOUND, error_of
from .sample_facts import SMALLEST_FOR_FFT, SampleFacts
from .simd.reference import Array

MAX_RUN, MAX_RUN_OF_PRODUCTS = 64, 32
"""Taps in a run at most; the second for separable sums, where the roundings of columns and rows add up.

Longer sums are split into runs, which are added with compensation.
"""

RUNNING_SUM_ROWS = 4
"""Kernel rows per row of stride above which running sums are faster: they read each row twice."""

SEPARABLE_SLOWDOWN = 1.7
"""Time of a multiply-add of the separable method, relative to the direct one."""

FINE_UNIT = 1e-4
"""Units of weights so fine that at most one sum in 10,000 lies half way between two levels."""

MAX_FFT_INTEGER = 1e6
"""Largest integer sums that spectra give within 0.1: their error is 5e-8 of the largest, in the worst of 10 million."""

NOISE, NOISE_OF_PRODUCTS = 0.8, 2.1
"""Standard deviation of the error of spectra, and of separable sums, measured on photographs.

It is relative to the root of the sum of squared weights, times the largest sample, times the eps of the dtype.
"""

MAX_NOISE_UINT8, MAX_NOISE_UINT16 = 6e-5, 0.05
"""Largest noise in levels: at most one rounded uint8 level in 10,000 differs; no uint16 level differs by two."""

MAX_UINT16 = (1 << 16) - 1
"""The largest 16-bit number."""

WORTHWHILE_COST = 0.75
"""Cost relative to the direct method below which the separable one is faster: it goes over each row once more."""

BOX_REASON = "all weights are the same"


class Choice(Struct, frozen=True):
    """The method for one map. ``cost`` is its multiply-adds per sample, ``direct`` those of the direct method.

    ``error`` bounds the rounding error of a response, before that is rounded to its own dtype, as a fraction of the sum of
    absolute weights times the extent of the image; it is 0 where sums are exact. ``running_columns``: sums down the columns
    are updated from row to row. ``nested_rows``: sums along the rows are computed from sums of a few neighbours.
    """

    method: str
    cost: float
    direct_cost: float
    reason: str
    factors: Factors | None = None
    running_columns: bool = False
    nested_rows: bool = False
    unit: float = 1.0  # weights are divided by it before, sums multiplied by it at the end
    tiling: Tiling | None = None
    error: float = 0.0
    rounded_to_unit: bool = False  # whether sums by spectra are rounded to whole numbers of the unit
    box_sums: BoxSums | None = None  # where ``loops.box_sums`` computes the map

    @property
    def rank(self) -> int:
        """Number of outer products that are summed, 0 for the direct method."""
        return self.factors.rank if self.factors else int(self.box_sums is not None)


def choose(layout: Layout, weights: Array, facts: SampleFacts, method: str | None = None, *, alone: bool = True) -> Choice:
    """Choose the method for one map of weights (P, kh, kw, depth). Raises ArgumentError where ``method`` cannot be used.

    ``alone``: whether there is no other map, as ``loops.box_sums`` computes a single one. Sums of several outer products are
    for finite samples only: an infinity would meet its negative in them and become NaN.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return _choose(layout, weights, facts, method, alone)


def _choose(layout: Layout, weights: Array, facts: SampleFacts, method: str | None, alone: bool) -> Choice:
    taps = float(np.count_nonzero(weights))
    if not np.isfinite(weights.astype(facts.sum_dtype)).all():
        return _refused(Choice("direct", taps, taps, "asked for"), None if method == "direct" else method, "is not finite")
    direct = Choice("direct", taps, taps, "asked for", unit=_unit_for(weights) if facts.integer else 1.0)
    if taps > 1 and not _is_exact(in_units(weights, direct.unit), facts):  # a single product is rounded once
        direct = replace(direct, error=error_of(min(taps, MAX_RUN), facts.sum_dtype))
    if method == "direct":
        return direct
    if method == "fft":
        return _by_fft(layout, weights, facts, direct, method)
    chosen = _by_box_sums(layout, weights, facts, direct, method) if alone else None
    if chosen is not None:
        return chosen
    chosen = _by_low_rank(layout, weights, facts, direct, method)
    if method is None and taps >= SMALLEST_FOR_FFT:
        spectra = _by_fft(layout, weights, facts, chosen, method)
        if spectra.tiling and spectra.cost < chosen.cost * (SEPARABLE_SLOWDOWN if chosen.factors else 1):
            return spectra
    return chosen


def _by_fft(layout: Layout, weights: Array, facts: SampleFacts, other: Choice, method: str | None) -> Choice:
    """Return the choice of spectra, or ``other`` where they cannot be used."""
    if weights.shape[0] > 1 or weights.shape[3] > 1:
        return _refused(other, method, "sums over channels")
    if not facts.finite:
        return _refused(other, method, "is slid over NaN or infinity, which would spread in a spectrum")
    tiling = best_tiling(layout)
    if tiling is None:
        return _refused(other, method, "is larger than any tile")
    most = max(np.abs(weights).sum(), 1) * facts.upper_bound * tiling.rows * tiling.columns
    if most > float(np.finfo(facts.sum_dtype).max) / 100:
        return _refused(other, method, "is slid over numbers so large that their spectrum would overflow")
    if method is None and not facts.no_outliers:
        return other  # the rounding error of the largest samples would show in the others
    unit = common_unit(weights) if facts.integer and weights.any() else None
    coarse = unit is not None and unit > FINE_UNIT
    whole = coarse and np.abs(weights).sum() / unit * facts.upper_bound <= MAX_FFT_INTEGER
    if method is None and not whole and (coarse or _noise_shows(NOISE, weights, facts)):
        return other  # the rounding error of the spectrum would show
    reason = f"tiles of {tiling.rows} x {tiling.columns} take as long as {tiling.cost:.3g} multiply-adds"
    error = 0.0 if whole else float(np.finfo(facts.sum_dtype).eps) * math.log2(tiling.rows * tiling.columns)
    unit = unit if whole and unit else 1.0
    return Choice("fft", tiling.cost, other.direct_cost, reason, unit=unit, tiling=tiling, error=error, rounded_to_unit=whole)


def _noise_shows(noise: float, weights: Array, facts: SampleFacts) -> bool:
    """Whether stored levels would show the rounding errors of a method."""
    amount = noise * math.sqrt(np.square(weights).sum()) * facts.upper_bound * np.finfo(facts.sum_dtype).eps
    return bool(facts.integer and amount > (MAX_NOISE_UINT8 if facts.upper_bound < 256 else MAX_NOISE_UINT16))


def _by_low_rank(layout: Layout, weights: Array, facts: SampleFacts, direct: Choice, method: str | None) -> Choice:
    """Return the choice of a separable or box sum, or ``direct`` where they cannot be used or are slower."""
    if weights.shape[0] > 1 or weights.shape[3] > 1:
        return _refused(direct, method, "sums over channels")
    kernel = in_units(weights[0, :, :, 0], direct.unit)
    most = min(kernel.shape) if facts.finite else 1
    if method is None:  # more products would be slower
        most = min(most, max(int(WORTHWHILE_COST * direct.cost / sum(kernel.shape)), 1))
    factors = factorise(kernel, float(np.finfo(facts.sum_dtype).eps), most)
    if factors is None:
        rule = "has no columns and rows that would be faster" if facts.finite else "is not a column times a row"
        return _refused(direct, method, rule)
    exact = _is_exact(kernel, facts, factors.error_growth)
    if method is None and not exact and _noise_shows(NOISE_OF_PRODUCTS, weights, facts):
        return _refused(direct, method, "is so large that rounding of the intermediate sums would show")
    error = 0.0
    if not exact:
        roundings = factors.error_growth * _roundings_of(factors)
        error = error_of(roundings, facts.sum_dtype) + factors.error * MAX_DISTANCE
    if error > BOUND:
        return _refused(direct, method, f"is a sum of products so large that rounding could be {error:.2g} of what it gives")
    flat_column, flat_row = _is_flat(factors.columns), _is_flat(factors.rows)
    flat = factors.rank == 1 and flat_column and flat_row
    if method == "box" and not flat:
        return _refused(direct, method, "has weights that differ")
    single = factors.rank == 1 and method != "separable"
    many_rows = kernel.shape[0] > RUNNING_SUM_ROWS * layout.rows.stride
    running = single and flat_column and facts.exact_column_sums and layout.rows.dilation == 1 and many_rows
    nested = single and flat_row and layout.step == 1 and kernel.shape[1] > 3
    cost = _cost_of(layout, factors, running, nested)
    name = "box" if method == "box" or (flat and (running or nested)) else "separable"
    if method is None and cost > WORTHWHILE_COST * direct.cost:
        return replace(direct, reason=f"{name} would take {cost:.3g}, which is not faster")
    return Choice(name, cost, direct.direct_cost, _reason(name, factors), factors, running, nested, direct.unit, error=error)


def is_box(weights: Array, method: str | None) -> bool:
    """Whether all weights (1, kh, kw, 1) are equal, and so many that sums of windows are faster than other methods."""
    few = method is None and weights.size < SMALLEST_BOX
    return method in (None, "box") and not few and len(weights) == 1 and _is_flat(weights.reshape(1, -1))


def _by_box_sums(layout: Layout, kernel: Array, facts: SampleFacts, direct: Choice, method: str | None) -> Choice | None:
    """Return the choice of sums of windows, or None where they cannot be used or are slower."""
    sums = box_sums_of(layout, facts) if is_box(kernel, method) else None
    if sums is None:
        return None
    unit = float(kernel.flat[0]) if facts.integer else 1.0
    return replace(direct, method="box", cost=BOX_COST, reason=BOX_REASON, unit=unit, box_sums=sums, error=sums.error)


def _is_exact(kernel: Array, facts: SampleFacts, growth: float = 1.0) -> bool:
    """Whether all sums of the kernel, as multiples of its unit, are integers that float32 holds; ``growth`` as in Factors."""
    if not facts.integer:
        return False
    unit = common_unit(kernel) if kernel.any() else None
    return unit is not None and bool(max(growth, 1.0) * np.abs(kernel).sum() / unit * facts.upper_bound < MAX_EXACT_INTEGER)


def _roundings_of(factors: Factors) -> float:
    """Count the successive roundings: down the columns, then along all rows."""
    down, along = factors.columns.shape[1], factors.rows.size
    return float(min(down, MAX_RUN_OF_PRODUCTS) + min(along, MAX_RUN_OF_PRODUCTS))


def in_units(weights: Array, unit: float) -> Array:
    """Return weights as integer multiples of their unit; unchanged for a unit of 1."""
    return weights if unit == 1 else np.rint(weights / unit)


def least_short_sum(choice: Choice, weights: Array, facts: SampleFacts) -> int | None:
    """Return the least possible sum in units, where int16 accumulators can hold all sums; else None.

    Then a vector holds twice as many samples. Intermediate sums may overflow: all sums are exact modulo 2**16, and the final
    ones span less than that.
    """
    if not facts.integer or facts.upper_bound > MAX_UINT16 // 2 or choice.tiling is not None or choice.box_sums is not None:
        return None
    kernel = in_units(weights, choice.unit)
    arrays = [kernel, *((choice.factors.columns, choice.factors.rows) if choice.factors else ())]
    if not all((array == np.rint(array)).all() and np.abs(array).max() <= MAX_UINT16 // 2 for array in arrays):
        return None
    more, less = float(kernel[kernel > 0].sum()), float(kernel[kernel < 0].sum())
    low, high = more * facts.lower_bound + less * facts.upper_bound, more * facts.upper_bound + less * facts.lower_bound
    return int(low) if high - low <= MAX_UINT16 else None


def _unit_for(weights: Array) -> float:
    """Return the number that all weights are multiples of, if sums of levels in that unit are exact; else 1.

    An exact mean that lies half way between two levels is rounded by the rule, and not by its rounding error.
    """
    unit = common_unit(weights) if weights.any() else None
    exact = unit is not None and np.abs(weights).sum() / unit < 1 << 16
    return unit if unit is not None and exact else 1.0


def _refused(direct: Choice, method: str | None, rule: str) -> Choice:
    """Return ``direct`` with the reason; raise ArgumentError where the user asked for a method."""
    if method is not None:
        raise ArgumentError(f"method {method} cannot be used: the kernel {rule}; leave the method out")
    return replace(direct, reason=f"the kernel {rule}")


def _reason(name: str, factors: Factors) -> str:
    if name == "box":
        return BOX_REASON
    return "the kernel is " + ("a column times a row" if factors.rank == 1 else f"the sum of {factors.rank} columns times rows")


def _is_flat(vectors: Array) -> bool:
    """Whether the first of some columns or rows has equal weights, which are not 0."""
    return bool((vectors[0] == vectors[0, 0]).all() and vectors[0, 0] != 0)


def _cost_of(layout: Layout, factors: Factors, running: bool, nested: bool) -> float:
    """Return multiply-adds per sample of the map. Sums down are computed for every column, sums along for output columns."""
    down = 2 * layout.rows.stride if running else np.count_nonzero(factors.columns)
    along = sum(nested_counts(factors.rows.shape[1])) if nested else np.count_nonzero(factors.rows)
    return float(down * layout.step + along)
