"""The tables that the loop ``correlate`` reads, and its scratch memory."""

from typing import NamedTuple

from ..simd.reference import Array

FIRST, BOTH, SECOND = 0, 1, 2
"""The rows of a pair for which the taps of a run have a weight: the first, both, the second."""


class RowTable(NamedTuple):
    """The image row of each padded row, and the line of scratch memory that holds it.

    Output rows are computed in pairs, ``pair_step`` apart.
    """

    source: Array  # (padded rows,) int64: image row, -1 for the constant
    slot: Array  # (padded rows,) int64: one of the lines of a plane
    slots: int  # lines of a plane
    window_rows: int  # rows under the kernel at either row of a pair, plus ``above``
    above: int  # rows above the kernel that running sums subtract
    first_window_rows: int  # rows under the kernel at the first row of a pair, plus ``above``
    gap: int  # rows between those and the ones under the second row alone, in steps of the dilation
    stride: int
    dilation: int
    pair_step: int


class ColumnTable(NamedTuple):
    """How an image row becomes a padded row that taps read without gaps."""

    left: Array  # (left,) int64: image column of each padded column, -1 for the constant
    right: Array  # (right,) int64
    middle: int  # samples between them, copied from the start of the image row
    pixel: int  # samples in a pixel
    group: int  # neighbouring samples that share their taps
    step: int  # groups from one output pixel to the next
    sorted_source: Array  # (line,) int32: index in the image row of each sample of a sorted row; (0,) where none is sorted
    sorted_constant: Array  # (n,) int32: positions in a sorted row of the constant


class TapPrograms(NamedTuple):
    """The sums, in order. Each computes two rows: of a map, or of lines that later sums read."""

    row: Array  # (taps,) int64: row under the kernel, or row of an earlier sum: an index into ``row_line``
    start: Array  # (taps,) int64: offset in that row
    first_weight: Array  # (taps,) number: for the first row of a pair
    second_weight: Array  # (taps,) number
    run_rows: Array  # (runs,) int64: FIRST, BOTH or SECOND
    run_start: Array  # (runs + 1,) int64: first tap of each run
    first_runs: Array  # (sums, 2) int64: runs of the sum, from .. to, at the first pair of a band
    later_runs: Array  # (sums, 2) int64: the same at the other pairs
    compensated: Array  # (sums,) int64: 1 where its runs are added with Kahan's compensation
    line: Array  # (sums,) int64: the first of its two lines, -1 for a map
    map: Array  # (sums,) int64
    size: Array  # (sums,) int64: samples in each of its two rows
    lookahead: Array  # (sums,) int64: samples that it must be ahead of its map
    unit: Array  # (maps,) real: factor of a map's sum, before its bias is added
    unit_error: Array  # (maps,) real: the rounding error of unit
    bias: Array  # (maps,) float64
    weight_sum: Array  # (maps,) float64: sum of the weights of a map
    min_sum: Array  # (maps,) int64: the least possible sum, for int16 sums: these may overflow, as they span less than 2**16


class Scratch(NamedTuple):
    """Memory of one band."""

    lines: Array  # (lines * width,) number: padded rows recently used, then the lines of sums
    width: int
    levels: Array  # (n * width,) int16: a padded row of uint8 samples, where rows are summed first, and 256 - these; else n = 0
    loaded_row: Array  # (planes * slots,) int64: image row in each line, -1 for the constant, -2 for none yet
    row_line: Array  # (rows,) int64: line of each row under the kernel, then of each row of a sum
    tap_offset: Array  # (taps,) int64: index in ``lines`` that each tap reads
    filled: Array  # (sums,) int64: samples of its two rows that a sum has computed
    edge_rows: Array  # (2, output row or vector) of the output's dtype
