"""How the work on one image is laid out: index tables, taps, and bands of rows for the threads.

A Plan depends on sizes alone. Every loop in ``loops`` reads the tables made here, so that stride, dilation, padding, flip
and channel sums are all one thing to it: a list of taps, each a weight and an offset.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from . import loops
from .geometry import Axis, source_index
from .loops import Array

if TYPE_CHECKING:
    from .method import Choice

SMALLEST_BAND = 200_000
"""Multiply-adds below which a second thread costs more than it saves: about 10 microseconds of work."""

STRIP = 64
"""Numbers that a vectorised loop takes at a time; what is left over it takes one by one, at the price of some strips."""

NEAREST_MEMORY = 128_000
"""Numbers of float32 that are kept near: 28 of the 32 kB of a usual level 1 cache."""

NARROWEST = 6_000
"""Numbers in a row of a tile: narrower ones cost more in calls than they save."""

LARGEST_BAND = 4_000_000_000
"""Multiply-adds after which Python may look for Ctrl-C: about a tenth of a second of work."""


@dataclass(frozen=True)
class Plan:
    """An image of given size under a kernel of given size.

    ``depth`` is the number of kernel columns' worth of numbers that stand side by side in a pixel and are summed: the
    channels of a (kh, kw, C) kernel, else 1.
    """

    rows: Axis
    columns: Axis
    pixel: int
    depth: int
    window: tuple[int, int] | None = None  # the output columns of a tile, from .. to; None is all of them

    @property
    def group(self) -> int:
        """Neighbouring numbers that share their taps."""
        return self.pixel // self.depth

    @property
    def step(self) -> int:
        """Groups from one output pixel to the next."""
        return self.columns.stride * self.depth

    @property
    def padded(self) -> int:
        """Numbers in a padded row, as far as the kernel reads it."""
        return ((self.width - 1) * self.columns.stride + self.columns.extent) * self.pixel

    @property
    def width(self) -> int:
        """Output columns."""
        begin, end = self.window or (0, self.columns.out)
        return end - begin

    @property
    def phase(self) -> int:
        """Numbers in each phase of a padded row: one of every ``step`` groups, rounded up."""
        return -(-self.padded // self.group // self.step) * self.group

    @property
    def out_row(self) -> int:
        """Numbers in an output row."""
        return self.width * self.group

    def row_table(self, border: str) -> loops.Rows:
        """Source of each padded row. The ring has a place for each row that the kernel covers or has just left, or for each
        image row.
        """
        axis = self.rows
        source = _source_table(axis, border)
        if axis.extent + axis.stride <= axis.size:
            slots = axis.extent + axis.stride
            slot = np.arange(source.size) % slots
        else:
            slots, slot = axis.size + 1, np.where(source < 0, axis.size, source)
        return loops.Rows(source, slot, slots, axis.kernel, axis.stride, axis.dilation)

    def column_table(self, border: str) -> loops.Columns:
        """Source of the padding left and right, and how a padded row is sorted."""
        begin, _ = self.window or (0, 0)
        first = begin * self.columns.stride
        source = _source_table(self.columns, border)[first : first + self.padded // self.pixel]
        inside = slice(max(self.columns.before - first, 0), max(self.columns.before + self.columns.size - first, 0))
        left, right, middle = source[: inside.start].copy(), source[inside.stop :].copy(), source[inside]
        start = int(middle[0]) * self.pixel if middle.size else 0
        out = begin * self.group
        return loops.Columns(
            left, right, start, start + middle.size * self.pixel, self.pixel, self.group, self.step, self.phase, out
        )

    def tiles(self, slots: int) -> "list[Plan]":
        """Cut the output columns into tiles whose rows under the kernel stay in the processor's nearest memory.

        There are ``slots`` such rows. A tile is no narrower than four times what its neighbours share with it, and than what
        the loops have to do for each row anyway.
        """
        shared = (self.columns.extent - 1) * self.pixel
        wanted = max(NEAREST_MEMORY // (slots + 3), NARROWEST, 4 * shared)
        count = max(round(self.padded / wanted), 1)
        side = -(-self.width // count // STRIP) * STRIP if count > 1 else self.width
        edges = [*range(0, self.width, side), self.width]
        return [replace(self, window=window) for window in zip(edges[:-1], edges[1:], strict=True)]

    def taps(self, weights: Array, units: Array, bias: Array) -> loops.Taps:
        """List the taps of weights (maps, planes, kh, kw, depth) in units (maps,), with bias (maps,); zeros are left out."""
        maps, planes, kh, kw, depth = weights.shape
        offset = np.arange(kw)[:, None] * self.columns.dilation * depth + np.arange(depth)  # in groups
        start = offset % self.step * self.phase + offset // self.step * self.group
        row = np.arange(planes)[:, None] * kh + np.arange(kh)
        used = weights != 0
        first = np.concatenate([[0], np.cumsum(used.reshape(maps, -1).sum(axis=1))])
        everywhere = (planes, kh, kw, depth)
        all_rows = np.broadcast_to(row[:, :, None, None], everywhere)
        all_starts = np.broadcast_to(start, everywhere)
        return loops.Taps(
            first.astype(np.int64),
            np.concatenate([all_rows[used[m]] for m in range(maps)]),
            np.concatenate([all_starts[used[m]] for m in range(maps)]),
            weights[used],
            units,
            bias,
        )

    def terms(self, choices: "Sequence[Choice]", real: np.dtype) -> loops.Terms:
        """The columns and rows of each map, where it has any: the tables of its ``choices``."""
        chosen = [choice for choice in choices if choice.factors is not None]
        parts = [choice for choice in chosen for _ in range(choice.rank)]
        columns = [column for choice in chosen if choice.factors for column in choice.factors.columns]
        rows = [row for choice in chosen if choice.factors for row in choice.factors.rows]
        few: list[_Vector] = []
        across: list[_Vector] = []
        for term, choice in enumerate(parts):
            if choice.running:  # sums of whole numbers stay whole: the weight goes to the row
                columns[term], rows[term] = np.ones_like(columns[term]), rows[term] * columns[term][0]
            taps = np.flatnonzero(rows[term])
            own = _Vector(np.full(taps.size, term), self._starts(taps), rows[term][taps])
            few.append(_Vector.none())
            if choice.halves:
                few[-1], own = self._in_halves(term, len(parts), rows[term])
            across.append(own)
        down = [_Vector(k, np.zeros_like(k), column[k]) for column in columns for k in [np.flatnonzero(column)]]
        longest = max((int(vector.start[-1]) for vector in few if vector.start.size), default=0)
        ranks = [choice.rank for choice in choices]
        return loops.Terms(
            first=np.cumsum([0, *ranks]),
            down=_listed(down, real),
            part=_listed(few, real),
            part_size=self.step * self.phase - longest,
            across=_listed(across, real),
            running=np.array([choice.running for choice in parts], np.int64),
            runs=sum(choice.running for choice in parts),
        )

    def _starts(self, taps: Array) -> Array:
        """Where in a padded row each kernel column reads, for a depth of 1."""
        offsets = taps * self.columns.dilation
        starts: Array = offsets % self.step * self.phase + offsets // self.step * self.group
        return starts

    def _in_halves(self, term: int, terms: int, row: Array) -> "tuple[_Vector, _Vector]":
        """A row of equal weights: sums of a few neighbours, and sums of those."""
        side, times, rest = halves(row.size)
        near, far, last = np.arange(side), side * np.arange(times), side * times + np.arange(rest)
        few = _Vector(np.full(side, term), self._starts(near), np.ones(side))
        places = np.concatenate([np.full(times, terms + term), np.full(rest, term)])
        return few, _Vector(places, self._starts(np.concatenate([far, last])), np.full(times + rest, row[0]))

    def scratch(self, planes: int, slots: int, terms: int, real: np.dtype) -> loops.Scratch:
        """Memory for one band."""
        width = -(-self.step * self.phase // STRIP) * STRIP
        return loops.Scratch(
            ring=np.zeros((planes * slots, width), real),
            held=np.empty(planes * slots, np.int64),
            at=np.empty(planes * self.rows.kernel, np.int64),
            line=np.empty(self.padded, real),
            column=np.zeros((2 * terms, width), real),
            top=np.empty(1, np.int64),
            zero=np.arange(2 * terms),
            total=np.empty(self.out_row, real),
            part=np.empty(self.out_row, real),
            lost=np.empty(self.out_row, real),
        )

    def scratch_size(self, slots: int, terms: int) -> int:
        """Numbers in that memory, for one plane; the tables are small beside it."""
        return sum(array.size for array in self.scratch(1, slots, terms, np.dtype(np.float32)) if array.dtype == np.float32)

    def bands(self, taps: float, threads: int) -> list[tuple[int, int]]:
        """Cut the output rows into bands: two a thread, so that a slow thread does not hold up the rest, and none too long.

        >>> Plan(Axis(9, 3, 1, 1, 1, 1), Axis(9, 3, 1, 1, 1, 1), pixel=1, depth=1).bands(taps=9, threads=2)
        [(0, 9)]
        """
        work = int(self.rows.out * self.out_row * max(taps, 1))
        shared = min(2 * threads, 1 + work // SMALLEST_BAND) if threads > 1 else 1
        count = min(max(shared, -(-work // LARGEST_BAND)), self.rows.out)
        edges = [self.rows.out * i // count for i in range(count + 1)]
        return list(zip(edges[:-1], edges[1:], strict=True))


@dataclass(frozen=True)
class _Vector:
    """Taps of one sum: the row that each reads, where in it, and its weight."""

    row: Array
    start: Array
    weight: Array

    @classmethod
    def none(cls) -> "_Vector":
        """No taps."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def _listed(vectors: "list[_Vector]", real: np.dtype) -> loops.Taps:
    """The taps of several sums, one after the other."""
    none = _Vector.none()
    return loops.Taps(
        np.cumsum([0, *(vector.row.size for vector in vectors)]),
        np.concatenate([none.row, *(vector.row for vector in vectors)]),
        np.concatenate([none.start, *(vector.start for vector in vectors)]),
        np.concatenate([none.weight, *(vector.weight for vector in vectors)]).astype(real),
        np.empty(0, real),
        np.empty(0, real),
    )


def halves(count: int) -> tuple[int, int, int]:
    """A number as side * times + rest, with the smallest sum of the three.

    >>> halves(31)
    (5, 6, 1)
    """
    return min(((side, count // side, count % side) for side in range(1, math.isqrt(count) + 1)), key=sum)


def usable_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _source_table(axis: Axis, border: str) -> Array:
    """Image index at each padded position, -1 where the constant stands: (before + size + after,) int64."""
    before = [source_index(i, axis.size, border) for i in range(-axis.before, 0)]
    after = [source_index(axis.size + i, axis.size, border) for i in range(axis.after)]
    return np.concatenate([before, np.arange(axis.size), after]).astype(np.int64)
