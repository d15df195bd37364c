"""The layout of one image under a kernel: index tables, tap offsets, and bands of rows for the threads.

A Layout depends on sizes alone. Stride, dilation, padding and sums over channels are resolved in its tables: the loop
``correlate`` only reads a list of taps, each a weight and an offset.
"""

import itertools
import math
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..geometry.axes import Axis
from ..geometry.borders import BorderMode
from .buffers import arrays_in_one
from .loops.correlate_tables import ColumnTable, RowTable, Scratch, TapPrograms
from .simd.reference import MAX_LANES, Array

SMALLEST_BAND = 40_000_000
"""Multiply-adds of a band for another thread at least: 0.7 ms of work, where starting a thread takes 0.2 ms."""

SAMPLE_OVERHEAD = 16
"""Cost of reading, converting and storing a sample, in multiply-adds."""

LARGEST_BAND = 4_000_000_000
"""Multiply-adds of a band at most, less than a tenth of a second of work: Python checks for Ctrl-C between bands."""


class Layout(Struct, frozen=True, dict=True):
    """An image of given size under a kernel of given size.

    ``pixel`` is the number of samples in a pixel. ``depth`` of them are summed: the channels of a (kh, kw, C) kernel, else 1.
    """

    rows: Axis
    columns: Axis
    pixel: int
    depth: int

    @cached_property
    def group(self) -> int:
        """Neighbouring samples that share their taps."""
        return self.pixel // self.depth

    @cached_property
    def step(self) -> int:
        """Groups from one output pixel to the next."""
        return self.columns.stride * self.depth

    @cached_property
    def is_padded(self) -> bool:
        """Whether there are samples around the image."""
        return any(axis.before or axis.after for axis in (self.rows, self.columns))

    @cached_property
    def padded(self) -> int:
        """Samples in a padded row, as far as the kernel reads it."""
        return ((self.columns.out - 1) * self.columns.stride + self.columns.extent) * self.pixel

    @cached_property
    def phase(self) -> int:
        """Samples in each phase of a padded row: one of every ``step`` groups, rounded up."""
        return -(-self.padded // self.group // self.step) * self.group

    @cached_property
    def out_row(self) -> int:
        """Samples in an output row."""
        return self.columns.out * self.group

    @cached_property
    def pair_step(self) -> int:
        """Distance of the two output rows of a pair: the least at which their taps fall on the same padded rows."""
        return self.rows.dilation // math.gcd(self.rows.stride, self.rows.dilation)

    @cached_property
    def row_shift(self) -> int:
        """Kernel rows by which the two rows of a pair differ."""
        return self.rows.stride // math.gcd(self.rows.stride, self.rows.dilation)

    @cached_property
    def extra_rows(self) -> int:
        """Padded rows under the kernel at the second row of a pair only."""
        return min(self.row_shift, self.rows.kernel)

    @cached_property
    def line(self) -> int:
        """Samples in a line of scratch memory: long enough to load a vector from any position of a padded row."""
        return (-(-self.step * self.phase // MAX_LANES) + 1) * MAX_LANES

    @cached_property
    def of_padded_copy(self) -> "Layout":
        """The layout of a copy of the image that includes the padding."""
        rows, columns = (replace(axis, size=axis.padded, before=0, after=0) for axis in (self.rows, self.columns))
        return replace(self, rows=rows, columns=columns)

    def row_table(self, border: BorderMode, running: bool) -> RowTable:
        """Return the source and the line of each padded row. There is a line for each row of a pair, or for each image row."""
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
        """Return the sources of the padding left and right and, with a step above 1, the order of samples by phase."""
        source = source_table(self.columns, border)[: self.padded // self.pixel]
        before, after = self.columns.before, self.columns.before + self.columns.size
        middle = source[before:after].size * self.pixel
        order = np.empty(0, np.int32)
        if self.step > 1:
            samples = (source[:, None] * self.pixel + np.arange(self.pixel)).astype(np.int32)
            samples[source < 0] = -1
            steps = np.zeros(self.phase // self.group * self.step * self.group, np.int32)
            steps[: self.padded] = samples.ravel()
            order = steps.reshape(-1, self.step, self.group).transpose(1, 0, 2).ravel()
        return ColumnTable(
            left=source[:before].copy(),
            right=source[after:].copy(),
            middle=middle,
            pixel=self.pixel,
            group=self.group,
            step=self.step,
            sorted_source=np.maximum(order, 0),
            sorted_constant=np.flatnonzero(order < 0).astype(np.int32),
        )

    def starts(self, kernel_columns: Array, channels: Array | int = 0) -> Array:
        """Return the index in a padded row that the taps of kernel columns read, for channels of the ``depth`` summed ones."""
        offsets = kernel_columns * self.columns.dilation * self.depth + channels  # in groups
        starts: Array = offsets % self.step * self.phase + offsets // self.step * self.group
        return starts

    def scratch(self, rows: RowTable, planes: int, sums: TapPrograms, level_lines: int, out: Array) -> tuple[Array, Scratch]:
        """Allocate memory for one band of ``planes`` planes, whose maps are written to ``out``. Return it, and its arrays."""
        sum_lines = 2 * int(np.count_nonzero(sums.line >= 0))
        row_lines = planes * rows.slots
        integer = np.dtype(np.int64)
        memory, (lines, levels, loaded_row, row_line, tap_offset, filled, edge_rows) = arrays_in_one(
            (((row_lines + sum_lines) * self.line,), sums.first_weight.dtype),
            ((self.line * level_lines,), np.dtype(np.int16)),
            ((row_lines,), integer),
            ((planes * rows.window_rows + sum_lines,), integer),
            ((sums.row.size,), integer),
            ((sums.line.size,), integer),
            ((2, max(self.out_row, MAX_LANES)), out.dtype),
        )
        return memory, Scratch(lines, self.line, levels, loaded_row, row_line, tap_offset, filled, edge_rows)

    def bands(self, rows: int, taps: float, threads: int) -> list[tuple[int, int]]:
        """Divide output rows into bands from .. to: two per thread, so that threads end together, each short enough for Ctrl-C.

        >>> Layout(Axis(9, 3, 1, 1, 1, 1), Axis(9, 3, 1, 1, 1, 1), pixel=1, depth=1).bands(9, taps=9, threads=2)
        [(0, 9)]
        """
        pairs = -(-rows // (2 * self.pair_step))  # whole pairs, so that rounding does not depend on the number of threads
        cuts = cut(pairs, int(rows * self.out_row * (taps + SAMPLE_OVERHEAD)), threads)
        return [(begin * 2 * self.pair_step, min(end * 2 * self.pair_step, rows)) for begin, end in cuts]


def cut(count: int, cost: int, threads: int, per_thread: int = 2) -> list[tuple[int, int]]:
    """Divide ``count`` items into bands from .. to for threads. ``cost`` is the multiply-adds of all items together.

    >>> cut(9, cost=LARGEST_BAND * 2, threads=1)
    [(0, 4), (4, 9)]
    """
    shared = min(per_thread * threads, 1 + cost // SMALLEST_BAND) if threads > 1 else 1
    shared = max(shared // threads, 1) * threads if shared > threads else shared  # 3 bands would take 2 threads as long as 4
    bands = min(max(shared, -(-cost // LARGEST_BAND)), count)
    return list(itertools.pairwise(count * i // bands for i in range(bands + 1)))


def nested_counts(count: int) -> tuple[int, int, int]:
    """Return (side, times, rest), count = side * times + rest, that need the fewest additions.

    A sum of ``count`` neighbours is computed from ``times`` sums of ``side`` neighbours and ``rest`` single samples.

    >>> nested_counts(31)
    (5, 6, 1)
    """
    return min(((side, count // side, count % side) for side in range(1, math.isqrt(count) + 1)), key=sum)


def source_table(axis: Axis, border: BorderMode) -> Array:
    """Return the image index at each padded position, -1 for the constant: (before + size + after,) int64."""
    before = [border.source_index(i, axis.size) for i in range(-axis.before, 0)]
    after = [border.source_index(axis.size + i, axis.size) for i in range(axis.after)]
    return np.concatenate([before, np.arange(axis.size), after]).astype(np.int64)


def gain_table(axis: Axis, border: BorderMode) -> Array:
    """Return the factor of the pixel at each padded position: (before + size + after,) float64."""
    before = [border.gain(i, axis) for i in range(-axis.before, 0)]
    after = [border.gain(axis.size + i, axis) for i in range(axis.after)]
    return np.concatenate([before, np.ones(axis.size), after])
