"""The tables that the loop ``correlate`` reads, and its scratch memory."""

from typing import NamedTuple

from ..simd.reference import Array

FIRST, BOTH, SECOND = 0, 1, 2
"""Which rows of a pair the taps of a run have a weight for: the first, both, the second."""


class RowTable(NamedTuple):
    """Which image row stands at each padded row, and which line of scratch memory holds it.

    Output rows are made in pairs, ``pair_step`` apart.
    """

    source: Array  # (padded rows,) int64: image row, -1 for the constant
    slot: Array  # (padded rows,) int64: line, of those that each plane has
    slots: int  # lines that each plane has
    window_rows: int  # rows under the kernel at either row of a pair, and ``above``
    above: int  # rows above the kernel that running sums subtract
    first_window_rows: int  # rows under the kernel at the first row of a pair, and ``above``
    gap: int  # rows between those and the ones under the second row alone, in steps of the dilation
    stride: int
    dilation: int
    pair_step: int


class ColumnTable(NamedTuple):
    """How an image row becomes a padded row that the taps can slide along without gaps."""

    left: Array  # (left,) int64: image column that stands at each padded one, -1 for the constant
    right: Array  # (right,) int64
    middle: int  # numbers between them, from the image row's first on
    pixel: int  # numbers in a pixel
    group: int  # neighbouring numbers that share their taps
    step: int  # groups from one output pixel to the next
    sorted_source: Array  # (line,) int32: index in the image row of each number of a sorted row; (0,) where none is sorted
    sorted_constant: Array  # (n,) int32: numbers of a sorted row that are the constant


class TapPrograms(NamedTuple):
    """What is summed, one after the other: each sum gives two rows, to lines that later sums read, or of a map."""

    row: Array  # (taps,) int64: row under the kernel, or that a sum gave: an index into ``row_line``
    start: Array  # (taps,) int64: offset in it
    first_weight: Array  # (taps,) number: for the first row of a pair
    second_weight: Array  # (taps,) number
    run_rows: Array  # (runs,) int64: FIRST, BOTH or SECOND
    run_start: Array  # (runs + 1,) int64: where each run of taps begins
    first_runs: Array  # (sums, 2) int64: its runs, from .. to, at the first pair of a band
    later_runs: Array  # (sums, 2) int64: and at the others
    compensated: Array  # (sums,) int64: 1 where its runs are added with Kahan's compensation
    line: Array  # (sums,) int64: the first of its two lines, -1 for a map
    map: Array  # (sums,) int64
    size: Array  # (sums,) int64: numbers in each of its two rows
    lookahead: Array  # (sums,) int64: by how many numbers it must be ahead of its map
    unit: Array  # (maps,) real: what a map's sum is multiplied by, before its bias is added
    rest: Array  # (maps,) real: and what that misses of it
    bias: Array  # (maps,) float64
    total: Array  # (maps,) float64: what the weights of a map sum to
    low: Array  # (maps,) int64: the least that a sum of int16 can be


class Scratch(NamedTuple):
    """Memory of one band."""

    lines: Array  # (lines * width,) number: padded rows recently used, then what sums gave
    width: int
    held_row: Array  # (planes * slots,) int64: image row in each line, -1 for the constant, -2 for none yet
    row_line: Array  # (rows,) int64: line of each row under the kernel, then of each row that sums gave
    tap_offset: Array  # (taps,) int64: where in ``lines`` each tap reads
    filled: Array  # (sums,) int64: numbers of its two rows that a sum has given
    edge_rows: Array  # (2, output row or vector) of the output's type
    streamed: int  # 1 where maps are too large to stay in the cache, and their rows begin where a line of it does
