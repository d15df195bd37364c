"""Builds the table of sums that ``correlate`` computes: a kernel as taps, or as taps down its columns, then along its rows.

Output rows are computed in pairs, which share most of the samples that they read. A tap has a weight for each row of a pair.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .layout import Layout, nested_counts
from .loops.correlate_tables import BOTH, FIRST, SECOND, RowTable, TapPrograms
from .offset import totals_of
from .planner import MAX_RUN, MAX_RUN_OF_PRODUCTS, Choice, in_units, least_short_sum
from .sample_facts import SampleFacts
from .simd.reference import MAX_LANES, Array


@dataclass(frozen=True)
class Taps:
    """Taps of one sum: the row that each reads, the start in it, and the weights (taps, 2) for both rows of a pair."""

    row: Array
    start: Array
    weight: Array

    @classmethod
    def joined(cls, sequence: "Sequence[Taps]") -> "Taps":
        """Concatenate taps."""
        empty = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)))
        fields = zip(*(vars(taps).values() for taps in (empty, *sequence)), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in fields))


@dataclass(frozen=True)
class TapProgram:
    """One sum: two rows of ``size`` samples of a map, or of lines, computed ``lookahead`` samples ahead of the map."""

    taps: Taps  # at the first pair of a band
    later_taps: Taps | None  # at the other pairs; None for the same
    map: int
    size: int
    line: int = -1
    lookahead: int = 0
    max_run: int = MAX_RUN_OF_PRODUCTS


def make_tap_programs(
    layout: Layout, rows: RowTable, choices: Sequence[Choice], weights: Array, bias: Array, facts: SampleFacts
) -> TapPrograms:
    """Build the sums for maps of weights (maps, planes, kh, kw, depth), each by the method chosen for it."""
    planes = weights.shape[1]
    sums: list[TapProgram] = []
    for m, choice in enumerate(choices):
        lines = 2 * sum(program.line >= 0 for program in sums)
        if choice.tiling is not None:
            continue
        if choice.factors is None:
            taps = _all_taps(layout, rows, in_units(weights[m], choice.unit))
            sums.append(TapProgram(taps, None, m, layout.out_row, max_run=MAX_RUN))
        else:
            sums += _Product(layout, rows, choice, m, lines, planes * rows.window_rows).sums()
    least = [least_short_sum(choice, kernel, facts) for choice, kernel in zip(choices, weights, strict=True)]
    low = [] if None in least else least
    units = np.array([choice.unit for choice in choices])
    return _joined_programs(
        sums,
        planes * rows.slots,
        np.dtype(np.int16) if low else facts.real,
        unit=units.astype(facts.real),
        rest=(units - units.astype(facts.real)).astype(facts.real),
        bias=bias.astype(np.float64),
        total=totals_of(weights, facts.real),
        low=np.array(low or [0] * len(choices)),
    )


def _all_taps(layout: Layout, rows: RowTable, weights: Array) -> Taps:
    """Return the taps of weights (planes, kh, kw, depth) that are not 0, in the order of the weights."""
    planes, kh, kw, depth = weights.shape
    both = np.zeros((planes, rows.window_rows, kw, depth, 2))
    for i, first in enumerate((rows.above, rows.above + layout.extra_rows)):
        both[:, first : first + kh, ..., i] = weights
    used = both.any(axis=-1)
    row = np.broadcast_to(np.arange(planes * rows.window_rows).reshape(planes, -1, 1, 1), used.shape)
    start = np.broadcast_to(layout.starts(np.arange(kw)[:, None], np.arange(depth)), used.shape)
    return Taps(row[used], start[used], both[used])


@dataclass(frozen=True)
class _Product:
    """A map whose kernel is a sum of columns times rows. Its lines start at ``line``, after ``base`` rows under the kernel."""

    layout: Layout
    rows: RowTable
    choice: Choice
    map: int
    line: int
    base: int

    def sums(self) -> list[TapProgram]:
        """Build the sums down each column, sums of a few neighbours of those (``nested_rows``), and the sum along all rows."""
        factors = self.choice.factors
        assert factors is not None
        width = self.layout.step * self.layout.phase
        lookahead = width - self.layout.out_row + 2 * MAX_LANES if self.layout.step == 1 else width
        programs: list[TapProgram] = []
        along: list[Taps] = []
        for term, (column, row) in enumerate(zip(factors.columns, factors.rows, strict=True)):
            line = self.line + 2 * term
            if self.choice.running_columns:  # with weights of 1 sums stay integers: the row gets the weight of the column
                column, row = np.ones_like(column), row * column[0]
            down = _all_taps(self.layout, self.rows, column[None, :, None, None])
            later_taps = self._running_sum(line) if self.choice.running_columns else None
            programs.append(TapProgram(down, later_taps, self.map, width, line, lookahead))
            along.append(self._along(line, np.flatnonzero(row), row[row != 0]))
        if self.choice.nested_rows:  # of one row, of equal weights
            side, times, rest = nested_counts(row.size)
            neighbours = self._along(line, np.arange(side), np.ones(side))
            reach = int(self.layout.starts(np.array([side - 1]))[0])
            programs.append(TapProgram(neighbours, None, self.map, width - reach, line + 2, lookahead - reach - MAX_LANES))
            side_columns, rest_columns = side * np.arange(times), side * times + np.arange(rest)
            along = [
                self._along(line + 2, side_columns, np.full(times, row[0])),
                self._along(line, rest_columns, np.full(rest, row[0])),
            ]
        return [*programs, TapProgram(Taps.joined(along), None, self.map, self.layout.out_row)]

    def _along(self, line: int, columns: Array, weights: Array) -> Taps:
        """Return the taps along both lines of a pair, those of the first line before those of the second."""
        zeros = np.zeros_like(weights)
        start = self.layout.starts(columns)
        row = np.full_like(start, self.base + line)
        first = Taps(row, start, np.stack([weights, zeros], axis=1))
        return Taps.joined([first, Taps(row + 1, start, np.stack([zeros, weights], axis=1))])

    def _running_sum(self, line: int) -> Taps:
        """Return the taps of a running sum: the row before, plus rows that enter the kernel, minus rows that leave it."""
        stride, kernel = self.layout.rows.stride, self.layout.rows.kernel
        steps = np.arange(2 * stride)
        row = np.concatenate([[self.base + line + 1], kernel + steps, steps])
        first = np.concatenate([[1], steps < stride, -1 * (steps < stride)])
        second = np.concatenate([[1], np.ones(2 * stride), -np.ones(2 * stride)])
        order = np.argsort(first == 0, kind="stable")
        return Taps(row[order], np.zeros_like(row), np.stack([first, second], axis=1)[order])


def _joined_programs(sums: list[TapProgram], before: int, number: np.dtype, **maps: Array) -> TapPrograms:
    """Join the taps and runs of all sums.

    ``before`` lines of scratch memory, those of image rows, precede the lines of sums.
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
    all_taps = Taps.joined(tap_lists)
    return TapPrograms(
        row=all_taps.row,
        start=all_taps.start,
        first_weight=all_taps.weight[:, 0].astype(number),
        second_weight=all_taps.weight[:, 1].astype(number),
        run_rows=np.array(run_rows, np.int64),
        run_start=np.array(run_start),
        first_runs=np.array(first_runs),
        later_runs=np.array(later_runs),
        compensated=np.array(compensated, np.int64),
        line=np.array([-1 if program.line < 0 else program.line + before for program in sums]),
        map=np.array([program.map for program in sums]),
        size=np.array([program.size for program in sums]),
        lookahead=np.array([program.lookahead for program in sums]),
        **maps,
    )


def _runs_of(taps: Taps, max_run: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of taps, ``max_run`` taps at most: FIRST, BOTH or SECOND, and the number of taps."""
    rows = np.where(taps.weight[:, 1] == 0, FIRST, np.where(taps.weight[:, 0] == 0, SECOND, BOTH))
    for alike in np.split(rows, np.flatnonzero(np.diff(rows)) + 1):
        for start in range(0, alike.size, max_run):
            yield int(alike[0]), min(max_run, alike.size - start)
