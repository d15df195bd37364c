"""How the work on one image is laid out: index tables, taps, and bands of rows for the threads.

A Plan depends on sizes alone. Every loop in ``loops`` reads the tables made here, so that stride, dilation, padding, flip
and channel sums are all one thing to it: a list of taps, each a weight and an offset.
"""

import os
from dataclasses import dataclass

import numpy as np

from . import loops
from .geometry import Axis, source_index
from .loops import Array

SMALLEST_BAND = 200_000
"""Multiply-adds below which a second thread costs more than it saves: about 10 microseconds of work."""

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
        """Numbers in a padded row."""
        return (self.columns.before + self.columns.size + self.columns.after) * self.pixel

    @property
    def phase(self) -> int:
        """Numbers in each phase of a padded row: one of every ``step`` groups, rounded up."""
        return -(-self.padded // self.group // self.step) * self.group

    @property
    def out_row(self) -> int:
        """Numbers in an output row."""
        return self.columns.out * self.group

    def row_table(self, border: str) -> loops.Rows:
        """Source of each padded row. The ring has a place for each row that the kernel covers, or for each image row."""
        axis = self.rows
        source = _source_table(axis, border)
        if axis.extent <= axis.size:
            slots, slot = axis.extent, np.arange(source.size) % axis.extent
        else:
            slots, slot = axis.size + 1, np.where(source < 0, axis.size, source)
        return loops.Rows(source, slot, slots, axis.kernel, axis.stride, axis.dilation)

    def column_table(self, border: str) -> loops.Columns:
        """Source of the padding left and right, and how a padded row is sorted."""
        source = _source_table(self.columns, border)
        left, right = source[: self.columns.before], source[self.columns.before + self.columns.size :]
        return loops.Columns(left.copy(), right.copy(), self.pixel, self.group, self.step, self.phase)

    def taps(self, weights: Array, bias: Array) -> loops.Taps:
        """List the taps of weights (maps, planes, kh, kw, depth) with bias (maps,); zero weights are left out."""
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
            bias,
        )

    def scratch(self, planes: int, slots: int, real: np.dtype) -> loops.Scratch:
        """Memory for one band."""
        return loops.Scratch(
            ring=np.empty((planes * slots, self.step * self.phase), real),
            held=np.empty(planes * slots, np.int64),
            at=np.empty(planes * self.rows.kernel, np.int64),
            line=np.empty(self.padded, real),
            total=np.empty(self.out_row, real),
            part=np.empty(self.out_row, real),
            lost=np.empty(self.out_row, real),
        )

    def bands(self, taps: int, threads: int) -> list[tuple[int, int]]:
        """Cut the output rows into bands: two a thread, so that a slow thread does not hold up the rest, and none too long.

        >>> Plan(Axis(9, 3, 1, 1, 1, 1), Axis(9, 3, 1, 1, 1, 1), pixel=1, depth=1).bands(taps=9, threads=2)
        [(0, 9)]
        """
        work = self.rows.out * self.out_row * max(taps, 1)
        shared = min(2 * threads, 1 + work // SMALLEST_BAND) if threads > 1 else 1
        count = min(max(shared, -(-work // LARGEST_BAND)), self.rows.out)
        edges = [self.rows.out * i // count for i in range(count + 1)]
        return list(zip(edges[:-1], edges[1:], strict=True))


def usable_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _source_table(axis: Axis, border: str) -> Array:
    """Image index at each padded position, -1 where the constant stands: (before + size + after,) int64."""
    before = [source_index(i, axis.size, border) for i in range(-axis.before, 0)]
    after = [source_index(axis.size + i, axis.size, border) for i in range(axis.after)]
    return np.concatenate([before, np.arange(axis.size), after]).astype(np.int64)
