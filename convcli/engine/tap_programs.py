"""The tables of sums that the loops work through: each kernel as taps, or as columns, then rows of those.

Output rows are made in pairs, for the two share most of what they read. A tap has a weight for either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .layout import Layout, nested_counts
from .loops.correlate_tables import BOTH, FIRST, SECOND, RowTable, TapPrograms
from .offset import totals_of
from .planner import LONGEST, LONGEST_OF_PRODUCTS, Choice, in_units, least_short_sum
from .sample_facts import SampleFacts
from .simd.reference import MAX_LANES, Array


@dataclass(frozen=True)
class Taps:
    """Taps of one sum: the row or line that each reads, where in it, and its weights (taps, 2) for both rows of a pair."""

    row: Array
    start: Array
    weight: Array

    @classmethod
    def joined(cls, parts: "Sequence[Taps]") -> "Taps":
        """Those of all parts, one after the other."""
        none = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)))
        lists = zip(*(vars(part).values() for part in (none, *parts)), strict=True)
        return cls(*(np.concatenate(each) for each in lists))


@dataclass(frozen=True)
class TapProgram:
    """One sum: two rows of ``size`` numbers, of a map, or of lines that are made ``lookahead`` numbers ahead of the map."""

    taps: Taps  # at the first pair of a band, or at all
    later_taps: Taps | None  # at the others, None for the same
    map: int
    size: int
    line: int = -1
    lookahead: int = 0
    longest: int = LONGEST_OF_PRODUCTS


def make_tap_programs(
    layout: Layout, rows: RowTable, choices: Sequence[Choice], weights: Array, bias: Array, facts: SampleFacts
) -> TapPrograms:
    """All sums for maps of weights (maps, planes, kh, kw, depth), each in the way chosen for it."""
    planes = weights.shape[1]
    sums: list[TapProgram] = []
    for m, choice in enumerate(choices):
        lines = 2 * sum(one.line >= 0 for one in sums)
        if choice.tiling is not None:
            continue
        if choice.factors is None:
            taps = _all_taps(layout, rows, in_units(weights[m], choice.unit))
            sums.append(TapProgram(taps, None, m, layout.out_row, longest=LONGEST))
        else:
            sums += _Product(layout, rows, choice, m, lines, planes * rows.window_rows).sums()
    least = [least_short_sum(choice, one, facts) for choice, one in zip(choices, weights, strict=True)]
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
    """The taps of weights (planes, kh, kw, depth) that are not 0, in their order."""
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
    """A map whose kernel is a sum of columns times rows. Its first line is number ``line``, which follows ``base`` rows."""

    layout: Layout
    rows: RowTable
    choice: Choice
    map: int
    line: int
    base: int

    def sums(self) -> list[TapProgram]:
        """Sums down each column, sums of a few neighbours in those, and the sum along all rows."""
        factors = self.choice.factors
        assert factors is not None
        width = self.layout.step * self.layout.phase
        lookahead = width - self.layout.out_row + 2 * MAX_LANES if self.layout.step == 1 else width
        found: list[TapProgram] = []
        along: list[Taps] = []
        for term, (column, row) in enumerate(zip(factors.columns, factors.rows, strict=True)):
            line = self.line + 2 * term
            if self.choice.running_columns:  # sums of whole numbers stay whole: the weight goes to the row
                column, row = np.ones_like(column), row * column[0]
            down = _all_taps(self.layout, self.rows, column[None, :, None, None])
            later_taps = self._run_down(line) if self.choice.running_columns else None
            found.append(TapProgram(down, later_taps, self.map, width, line, lookahead))
            along.append(self._along(line, np.flatnonzero(row), row[row != 0]))
        if self.choice.nested_rows:  # of one row, of equal weights
            side, times, rest = nested_counts(row.size)
            few = self._along(line, np.arange(side), np.ones(side))
            reach = int(self.layout.starts(np.array([side - 1]))[0])
            found.append(TapProgram(few, None, self.map, width - reach, line + 2, lookahead - reach - MAX_LANES))
            far, last = side * np.arange(times), side * times + np.arange(rest)
            along = [
                self._along(line + 2, far, np.full(times, row[0])),
                self._along(line, last, np.full(rest, row[0])),
            ]
        return [*found, TapProgram(Taps.joined(along), None, self.map, self.layout.out_row)]

    def _along(self, line: int, columns: Array, weights: Array) -> Taps:
        """Taps along both lines of a pair: first those of the one, then of the other."""
        none = np.zeros_like(weights)
        start = self.layout.starts(columns)
        tap_offset = np.full_like(start, self.base + line)
        one = Taps(tap_offset, start, np.stack([weights, none], axis=1))
        return Taps.joined([one, Taps(tap_offset + 1, start, np.stack([none, weights], axis=1))])

    def _run_down(self, line: int) -> Taps:
        """A running sum: the row before, the rows that the kernel came upon since, and those that it left taken off."""
        stride, kernel = self.layout.rows.stride, self.layout.rows.kernel
        steps = np.arange(2 * stride)
        row = np.concatenate([[self.base + line + 1], kernel + steps, steps])
        first = np.concatenate([[1], steps < stride, -1 * (steps < stride)])
        second = np.concatenate([[1], np.ones(2 * stride), -np.ones(2 * stride)])
        order = np.argsort(first == 0, kind="stable")
        return Taps(row[order], np.zeros_like(row), np.stack([first, second], axis=1)[order])


def _joined_programs(sums: list[TapProgram], before: int, number: np.dtype, **maps: Array) -> TapPrograms:
    """All sums one after the other; so many lines of rows are ``before`` theirs."""
    taps: list[Taps] = []
    kinds: list[int] = []
    edges, first_runs, later_runs, compensated = [0], [], [], []
    for one in sums:
        spans = []
        for own in (one.taps, one.later_taps):
            if own is not None:
                begin = len(kinds)
                run_rows = np.where(own.weight[:, 1] == 0, FIRST, np.where(own.weight[:, 0] == 0, SECOND, BOTH))
                for part in np.split(np.arange(run_rows.size), np.flatnonzero(np.diff(run_rows)) + 1):
                    for cut in range(0, part.size, one.longest):
                        kinds.append(int(run_rows[part[0]]))
                        edges.append(edges[-1] + min(one.longest, part.size - cut))
                taps.append(own)
                spans.append((begin, len(kinds)))
        first_runs.append(spans[0])
        later_runs.append(spans[-1])
        compensated.append(np.count_nonzero(one.taps.weight, axis=0).max() > one.longest)
    all_taps = Taps.joined(taps)
    return TapPrograms(
        row=all_taps.row,
        start=all_taps.start,
        first_weight=all_taps.weight[:, 0].astype(number),
        second_weight=all_taps.weight[:, 1].astype(number),
        run_rows=np.array(kinds, np.int64),
        run_start=np.array(edges),
        first_runs=np.array(first_runs),
        later_runs=np.array(later_runs),
        compensated=np.array(compensated, np.int64),
        line=np.array([-1 if one.line < 0 else one.line + before for one in sums]),
        map=np.array([one.map for one in sums]),
        size=np.array([one.size for one in sums]),
        lookahead=np.array([one.lookahead for one in sums]),
        **maps,
    )
