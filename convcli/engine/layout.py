"""How the work on one image is laid out: index tables, taps, and bands of rows for the threads.

A Layout depends on sizes alone. The loop ``correlate`` reads the tables made here, so that stride, dilation, padding, flip
and channel sums are all one thing to it: a list of taps, each a weight and an offset.
"""

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..geometry.axes import Axis
from ..geometry.borders import BorderMode
from .buffers import LARGE, LINE, aligned
from .loops.correlate_tables import ColumnTable, RowTable, Scratch, TapPrograms
from .simd.reference import MAX_LANES, Array

SMALLEST_BAND = 40_000_000
"""Multiply-adds of which another band is made, for another thread: 0.7 milliseconds of work. A thread takes 0.2 to begin."""

BESIDES = 16
"""Multiply-adds that would take as long as the rest of the work on a number: to read, convert and store it."""

LARGEST_BAND = 4_000_000_000
"""Multiply-adds after which Python may look for Ctrl-C: less than a tenth of a second of work."""


@dataclass(frozen=True)
class Layout:
    """An image of given size under a kernel of given size.

    ``depth`` is the number of kernel columns' worth of numbers that stand side by side in a pixel and are summed: the
    channels of a (kh, kw, C) kernel, else 1.
    """

    rows: Axis
    columns: Axis
    pixel: int
    depth: int

    @cached_property
    def group(self) -> int:
        """Neighbouring numbers that share their taps."""
        return self.pixel // self.depth

    @cached_property
    def step(self) -> int:
        """Groups from one output pixel to the next."""
        return self.columns.stride * self.depth

    @cached_property
    def padded(self) -> int:
        """Numbers in a padded row, as far as the kernel reads it."""
        return ((self.columns.out - 1) * self.columns.stride + self.columns.extent) * self.pixel

    @cached_property
    def phase(self) -> int:
        """Numbers in each phase of a padded row: one of every ``step`` groups, rounded up."""
        return -(-self.padded // self.group // self.step) * self.group

    @cached_property
    def out_row(self) -> int:
        """Numbers in an output row."""
        return self.columns.out * self.group

    @cached_property
    def pair_step(self) -> int:
        """From the first output row of a pair to the second: the nearest whose taps fall on the same rows."""
        return self.rows.dilation // math.gcd(self.rows.stride, self.rows.dilation)

    @cached_property
    def row_shift(self) -> int:
        """Kernel rows by which the two rows of a pair differ."""
        return self.rows.stride // math.gcd(self.rows.stride, self.rows.dilation)

    @cached_property
    def extra_rows(self) -> int:
        """Rows under the kernel at the second row of a pair that are not under it at the first."""
        return min(self.row_shift, self.rows.kernel)

    @cached_property
    def line(self) -> int:
        """Numbers in a line of scratch memory: the last vector of it may be read from anywhere in it."""
        return (-(-self.step * self.phase // MAX_LANES) + 1) * MAX_LANES

    @cached_property
    def of_padded_copy(self) -> "Layout":
        """The layout of the image with its padding around it already."""
        rows, columns = (replace(axis, size=axis.padded, before=0, after=0) for axis in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns)

    def row_table(self, border: BorderMode, running: bool) -> RowTable:
        """Source of each padded row, and its line: there is one for each row that a pair covers, or for each image row."""
        axis, above = self.rows, self.rows.stride if running else 0
        source = source_table(axis, border)
        window_rows = above + axis.kernel + self.extra_rows
        gap = self.row_shift - self.extra_rows
        slots = (self.pair_step - 1) * axis.stride + (window_rows - 1 + gap) * axis.dilation + 1
        slot = np.arange(source.size) % slots
        if slots > axis.size:
            slots, slot = axis.size + 1, np.where(source < 0, axis.size, source)
        return RowTable(
            source=source,
            slot=slot,
            slots=slots,
            window_rows=window_rows,
            above=above,
            first_window_rows=above + axis.kernel,
            gap=gap,
            stride=axis.stride,
            dilation=axis.dilation,
            pair_step=self.pair_step,
        )

    def column_table(self, border: BorderMode) -> ColumnTable:
        """Source of the padding left and right, and how a padded row is sorted where outputs are more than a step apart."""
        source = source_table(self.columns, border)[: self.padded // self.pixel]
        before, after = self.columns.before, self.columns.before + self.columns.size
        middle = source[before:after].size * self.pixel
        number = np.empty(0, np.int32)
        if self.step > 1:
            numbers = (source[:, None] * self.pixel + np.arange(self.pixel)).astype(np.int32)
            numbers[source < 0] = -1
            steps = np.zeros(self.phase // self.group * self.step * self.group, np.int32)
            steps[: self.padded] = numbers.ravel()
            number = steps.reshape(-1, self.step, self.group).transpose(1, 0, 2).ravel()
        return ColumnTable(
            left=source[:before].copy(),
            right=source[after:].copy(),
            middle=middle,
            pixel=self.pixel,
            group=self.group,
            step=self.step,
            sorted_source=np.maximum(number, 0),
            sorted_constant=np.flatnonzero(number < 0).astype(np.int32),
        )

    def starts(self, kernel_columns: Array, parts: Array | int = 0) -> Array:
        """Where in a padded row taps read: of kernel columns, and of the parts of a pixel that are summed."""
        offsets = kernel_columns * self.columns.dilation * self.depth + parts  # in groups
        starts: Array = offsets % self.step * self.phase + offsets // self.step * self.group
        return starts

    def scratch(self, rows: RowTable, planes: int, sums: TapPrograms, out: Array) -> Scratch:
        """Memory for one band of ``planes``, of maps that go to ``out``."""
        own = 2 * int(np.count_nonzero(sums.line >= 0))
        kept = planes * rows.slots
        return Scratch(
            lines=aligned(((kept + own) * self.line,), sums.first_weight.dtype),
            width=self.line,
            held_row=np.empty(kept, np.int64),
            row_line=np.concatenate([np.zeros(planes * rows.window_rows, np.int64), np.arange(kept, kept + own)]),
            tap_offset=np.empty(sums.row.size, np.int64),
            filled=np.empty(sums.line.size, np.int64),
            edge_rows=aligned((2, max(self.out_row, MAX_LANES)), out.dtype),
            streamed=int(out.nbytes >= LARGE and out.itemsize >= 4 and out.strides[-2] % LINE == 0 == out.ctypes.data % LINE),
        )

    def bands(self, rows: int, taps: float, threads: int) -> list[tuple[int, int]]:
        """Cut output rows into bands: two a thread, so that a slow thread does not hold up the rest, and none too long.

        >>> Layout(Axis(9, 3, 1, 1, 1, 1), Axis(9, 3, 1, 1, 1, 1), pixel=1, depth=1).bands(9, taps=9, threads=2)
        [(0, 9)]
        """
        pairs = -(-rows // (2 * self.pair_step))  # a row stands in the same pair, however many threads there are
        cuts = cut(pairs, int(rows * self.out_row * (taps + BESIDES)), threads)
        return [(begin * 2 * self.pair_step, min(end * 2 * self.pair_step, rows)) for begin, end in cuts]


def cut(parts: int, cost: int, threads: int) -> list[tuple[int, int]]:
    """Cut so many parts into bands for so many threads, ``cost`` being the multiply-adds of them all.

    >>> cut(9, cost=LARGEST_BAND * 2, threads=1)
    [(0, 4), (4, 9)]
    """
    shared = min(2 * threads, 1 + cost // SMALLEST_BAND) if threads > 1 else 1
    count = min(max(shared, -(-cost // LARGEST_BAND)), parts)
    return list(itertools.pairwise(parts * i // count for i in range(count + 1)))


def nested_counts(count: int) -> tuple[int, int, int]:
    """How a sum of ``count`` neighbours is made of sums of ``side`` of them: count = side * times + rest, the least to add.

    >>> nested_counts(31)
    (5, 6, 1)
    """
    return min(((side, count // side, count % side) for side in range(1, math.isqrt(count) + 1)), key=sum)


def source_table(axis: Axis, border: BorderMode) -> Array:
    """Image index at each padded position, -1 where the constant stands: (before + size + after,) int64."""
    before = [border.source_index(i, axis.size) for i in range(-axis.before, 0)]
    after = [border.source_index(axis.size + i, axis.size) for i in range(axis.after)]
    return np.concatenate([before, np.arange(axis.size), after]).astype(np.int64)


def gain_table(axis: Axis, border: BorderMode) -> Array:
    """What the pixel at each padded position is multiplied by: (before + size + after,) float64."""
    before = [border.gain(i, axis) for i in range(-axis.before, 0)]
    after = [border.gain(axis.size + i, axis) for i in range(axis.after)]
    return np.concatenate([before, np.ones(axis.size), after])
