"""Builds the sums that ``correlate`` computes: the taps of a kernel, or the taps of its columns, then those of its rows.

Output rows are computed in pairs, because both rows read nearly the same samples. A tap has one weight for each row of a pair.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple

from .layout import Layout, nested_counts
from .loops.correlate_tables import BOTH, FIRST, SECOND, RowTable, TapPrograms
from .offset import totals_of
from .planner import MAX_RUN, MAX_RUN_OF_PRODUCTS, Choice, in_units, least_short_sum
from .sample_facts import SampleFacts
from .simd.reference import MAX_LANES, Array


class Taps(Struct, frozen=True):
    """Taps of one sum: the row and the start index that each tap reads, and its weights (taps, 2) for both rows of a pair."""

    row: Array
    start: Array
    weight: Array

    @classmethod
    def concatenate(cls, sequence: "Sequence[Taps]") -> "Taps":
        """Concatenate the taps of a sequence."""
        empty = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)))
        fields = zip(*(astuple(taps) for taps in (empty, *sequence)), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in fields))


class TapProgram(Struct, frozen=True):
    """One sum: two rows of ``size`` samples, of a map or in lines of scratch memory, ``lookahead`` samples ahead of the map."""

    taps: Taps  # for the first pair of a band
    later_taps: Taps | None  # for the other pairs; None if they are the same
    map: int
    size: int
    line: int = -1
    lookahead: int = 0
    max_run: int = MAX_RUN_OF_PRODUCTS


def make_tap_programs(
    layout: Layout, rows: RowTable, choices: Sequence[Choice], weights: Array, bias: Array, facts: SampleFacts, level_lines: int
) -> TapPrograms:
    """Build the sums for weights (maps, planes, kh, kw, depth), each map by the method chosen for it."""
    planes = weights.shape[1]
    sums: list[TapProgram] = []
    for m, choice in enumerate(choices):
        lines = 2 * sum(program.line >= 0 for program in sums)
        if choice.tiling is not None:
            continue
        if level_lines:
            sums = _rows_first(layout, rows, choice, level_lines)
        elif choice.box_sums is not None:
            weight = np.full((1, 2), 1.0 if facts.integer else weights[m, 0, 0, 0, 0])
            sums.append(TapProgram(Taps(np.zeros(1, np.int64), np.zeros(1, np.int64), weight), None, m, layout.out_row))
        elif choice.factors is None:
            taps = _all_taps(layout, rows, in_units(weights[m], choice.unit))
            sums.append(TapProgram(taps, None, m, layout.out_row, max_run=MAX_RUN))
        else:
            sums += _LowRankMap(layout, rows, choice, m, lines, planes * rows.window_rows).sums()
    least_sums = [least_short_sum(choice, kernel, facts) for choice, kernel in zip(choices, weights, strict=True)]
    min_sums = [] if None in least_sums else least_sums
    units = np.array([choice.unit for choice in choices])
    return _concatenate_programs(
        sums,
        planes * rows.slots,
        np.dtype(np.int16) if min_sums else facts.sum_dtype,
        unit=units.astype(facts.sum_dtype),
        unit_error=(units - units.astype(facts.sum_dtype)).astype(facts.sum_dtype),
        bias=bias.astype(np.float64),
        weight_sum=totals_of(weights, facts.sum_dtype),
        min_sum=np.array(min_sums or [0] * len(choices)),
    )


def lines_of_levels(layout: Layout, choices: Sequence[Choice], weights: Array, facts: SampleFacts) -> int:
    """Return the lines of levels that ``correlate_rows_first`` reads to compute the only map; 0 where it does not compute it.

    It takes levels of uint8, and a row of weights that reads the same from both ends, or whose sign differs there.

    For 2048 x 2048 levels with AVX2, calls with Gaussians of 3 x 3 to 11 x 11 take 0.73 to 0.84 of the time with ``correlate``.
    """
    choice = choices[0]
    if len(choices) > 1 or choice.factors is None or choice.rank > 1 or choice.running_columns or choice.nested_rows:
        return 0
    row, column = choice.factors.rows[0], choice.factors.columns[0]
    levels = facts.integer and facts.upper_bound < 256 and facts.lower_bound >= 0 and facts.sum_dtype == np.float32
    adjacent = layout.step == layout.rows.stride == 1 and max(row.size, column.size) <= MAX_RUN_OF_PRODUCTS
    if not levels or not adjacent or least_short_sum(choice, weights[0], facts) is not None:
        return 0
    return 1 if (row == row[::-1]).all() else 2 if (row == -row[::-1]).all() else 0


def _rows_first(layout: Layout, rows: RowTable, choice: Choice, level_lines: int) -> list[TapProgram]:
    """Return the sum along rows, whose taps are pairs with the same weight, and the sum down columns of those sums.

    The second tap of a pair reads the last line of levels.
    """
    assert choice.factors is not None
    row = choice.factors.rows[0]
    half = np.flatnonzero(row[: (row.size + 1) // 2])
    columns = np.stack([half, row.size - 1 - half], axis=1).ravel()
    weight = np.where(columns * 2 == row.size - 1, row[columns] / 2, row[columns])  # the middle is a pair with itself
    starts = layout.starts(columns)
    starts[1::2] += (level_lines - 1) * layout.line
    along = Taps(np.zeros_like(columns), starts, np.stack([weight, weight], axis=1))
    down = _all_taps(layout, rows, choice.factors.columns[0][None, :, None, None])
    return [TapProgram(taps, None, 0, layout.out_row) for taps in (along, down)]


def _all_taps(layout: Layout, rows: RowTable, weights: Array) -> Taps:
    """Return the taps of the weights (planes, kh, kw, depth) that are not 0, in the order of the weights."""
    planes, kh, kw, depth = weights.shape
    both = np.zeros((planes, rows.window_rows, kw, depth, 2))
    for i, first in enumerate((rows.above, rows.above + layout.extra_rows)):
        both[:, first : first + kh, ..., i] = weights
    used = both.any(axis=-1)
    row = np.broadcast_to(np.arange(planes * rows.window_rows).reshape(planes, -1, 1, 1), used.shape)
    start = np.broadcast_to(layout.starts(np.arange(kw)[:, None], np.arange(depth)), used.shape)
    return Taps(row[used], start[used], both[used])


class _LowRankMap(Struct, frozen=True):
    """A map whose kernel is a sum of outer products. Its lines start at ``line``, after the ``base`` rows under the kernel."""

    layout: Layout
    rows: RowTable
    choice: Choice
    map: int
    line: int
    base: int

    def sums(self) -> list[TapProgram]:
        """Build the sums down each column, sums of a few neighbours of these (``nested_rows``), and the sum along all rows."""
        factors = self.choice.factors
        assert factors is not None
        width = self.layout.step * self.layout.phase
        lookahead = width - self.layout.out_row + 2 * MAX_LANES if self.layout.step == 1 else width
        programs: list[TapProgram] = []
        along: list[Taps] = []
        for term, (column, row) in enumerate(zip(factors.columns, factors.rows, strict=True)):
            line = self.line + 2 * term
            if self.choice.running_columns:  # weights of 1 keep the sums integers; the weight of the column moves to the row
                column, row = np.ones_like(column), row * column[0]
            down = _all_taps(self.layout, self.rows, column[None, :, None, None])
            later_taps = self._running_sum_taps(line) if self.choice.running_columns else None
            programs.append(TapProgram(down, later_taps, self.map, width, line, lookahead))
            along.append(self._row_taps(line, np.flatnonzero(row), row[row != 0]))
        if self.choice.nested_rows:  # only for a single row of equal weights
            side, times, rest = nested_counts(row.size)
            neighbours = self._row_taps(line, np.arange(side), np.ones(side))
            reach = int(self.layout.starts(np.array([side - 1]))[0])
            programs.append(TapProgram(neighbours, None, self.map, width - reach, line + 2, lookahead - reach - MAX_LANES))
            side_columns, rest_columns = side * np.arange(times), side * times + np.arange(rest)
            along = [
                self._row_taps(line + 2, side_columns, np.full(times, row[0])),
                self._row_taps(line, rest_columns, np.full(rest, row[0])),
            ]
        return [*programs, TapProgram(Taps.concatenate(along), None, self.map, self.layout.out_row)]

    def _row_taps(self, line: int, columns: Array, weights: Array) -> Taps:
        """Return the taps along both lines of a pair: those of the first line, then those of the second."""
        zeros = np.zeros_like(weights)
        start = self.layout.starts(columns)
        row = np.full_like(start, self.base + line)
        first = Taps(row, start, np.stack([weights, zeros], axis=1))
        return Taps.concatenate([first, Taps(row + 1, start, np.stack([zeros, weights], axis=1))])

    def _running_sum_taps(self, line: int) -> Taps:
        """Return the taps of a running sum: the previous sum, plus rows that enter the kernel, minus rows that leave it."""
        stride, kernel = self.layout.rows.stride, self.layout.rows.kernel
        steps = np.arange(2 * stride)
        row = np.concatenate([[self.base + line + 1], kernel + steps, steps])
        first = np.concatenate([[1], steps < stride, -1 * (steps < stride)])
        second = np.concatenate([[1], np.ones(2 * stride), -np.ones(2 * stride)])
        order = np.argsort(first == 0, kind="stable")
        return Taps(row[order], np.zeros_like(row), np.stack([first, second], axis=1)[order])


def _concatenate_programs(
    sums: list[TapProgram], image_lines: int, accumulator_dtype: np.dtype, **map_arrays: Array
) -> TapPrograms:
    """Concatenate the taps and runs of all sums.

    The first ``image_lines`` lines of scratch memory hold image rows; the lines of sums follow. ``map_arrays`` are the fields
    of TapPrograms that have one value per map.
    """
    tap_lists: list[Taps] = []
    run_rows: list[int] = []
    run_start, first_runs, later_runs, compensated = [0], [], [], []
    for program in sums:
        spans = []
        for taps in (program.taps, program.later_taps):
            if taps is not None:
                first_run = len(run_rows)
                for rows, count in _runs_of(taps, program.max_run):
                    run_rows.append(rows)
                    run_start.append(run_start[-1] + count)
                tap_lists.append(taps)
                spans.append((first_run, len(run_rows)))
        first_runs.append(spans[0])
        later_runs.append(spans[-1])
        compensated.append(np.count_nonzero(program.taps.weight, axis=0).max() > program.max_run)
    all_taps = Taps.concatenate(tap_lists)
    return TapPrograms(
        row=all_taps.row,
        start=all_taps.start,
        first_weight=all_taps.weight[:, 0].astype(accumulator_dtype),
        second_weight=all_taps.weight[:, 1].astype(accumulator_dtype),
        run_rows=np.array(run_rows, np.int64),
        run_start=np.array(run_start),
        first_runs=np.array(first_runs),
        later_runs=np.array(later_runs),
        compensated=np.array(compensated, np.int64),
        line=np.array([-1 if program.line < 0 else program.line + image_lines for program in sums]),
        map=np.array([program.map for program in sums]),
        size=np.array([program.size for program in sums]),
        lookahead=np.array([program.lookahead for program in sums]),
        **map_arrays,
    )


def _runs_of(taps: Taps, max_run: int) -> Iterator[tuple[int, int]]:
    """Yield (FIRST, BOTH or SECOND, number of taps) of each run. A run has at most ``max_run`` taps."""
    rows = np.where(taps.weight[:, 1] == 0, FIRST, np.where(taps.weight[:, 0] == 0, SECOND, BOTH))
    for equal_rows in np.split(rows, np.flatnonzero(np.diff(rows)) + 1):
        for start in range(0, equal_rows.size, max_run):
            yield int(equal_rows[0]), min(max_run, equal_rows.size - start)
