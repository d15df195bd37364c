"""The loop for kernels with symmetric rows over uint8: along each row first, then down the rows of those sums."""

from ..simd.reference import VECTOR_BYTES, add_pairs, add_taps, add_taps_to_both, broadcast, in_order, store
from .correlate import copy_narrow, last_step, pad_row, rows_of_map, to_responses
from .offset import offset_or_probed


def sum_along(planes, y, rows, columns, sums, constant, offset, scratch):
    """Fill the lines of the rows under the kernel with sums along these rows. Each row is summed once in a band.

    Of pairs whose weights differ in sign, one level is in the second line of levels. The sum of both is 256 + their difference,
    in which an offset does not remain.
    """
    end, width = sums.run_start[sums.first_runs[0, 1]], scratch.width
    differs = scratch.levels.size > width
    shift = scratch.lines.dtype.type(256 if differs else 2 * offset)
    zero = broadcast(scratch.lines.dtype.type(0))
    for k in range(rows.window_rows):
        row = y + k * rows.dilation
        if row >= rows.source.size:  # below the image: the pair has no second row
            continue
        source, line = rows.source[row], rows.slot[row]
        scratch.row_line[k] = line
        if scratch.loaded_row[line] == source:
            continue
        scratch.loaded_row[line] = source
        if source < 0:
            scratch.levels[:] = constant
        else:
            pad_row(planes[0, source], columns, constant, scratch.levels)
        if differs:
            for x in range(width):
                scratch.levels[width + x] = 256 - scratch.levels[x]
        target = scratch.lines[line * width :]
        for x in range(0, sums.size[0], VECTOR_BYTES // scratch.lines.itemsize):
            store(in_order(sum_pairs(sums, end, scratch.levels, x, shift, zero)), target, x)


def sum_pairs(sums, end, levels, x, shift, total):
    """Return the vector at x of the sum of a row of levels: taps 0 .. end, in pairs."""
    t = 0
    while t + 4 <= end:
        total = add_pairs(levels, sums.start, sums.first_weight, t, x, shift, total, 2)
        t += 4
    return add_pairs(levels, sums.start, sums.first_weight, t, x, shift, total, 1) if t < end else total


def add_to_both(sums, t, end, scratch, x, first, second):
    """Add taps t .. end to both accumulators. Two taps are one piece of code, as a loop over single taps takes longer."""
    lines, offsets, weights, others = scratch.lines, scratch.tap_offset, sums.first_weight, sums.second_weight
    while t + 2 <= end:
        first, second = add_taps_to_both(lines, offsets, weights, others, t, x, first, second, 2)
        t += 2
    if t < end:
        first, second = add_taps_to_both(lines, offsets, weights, others, t, x, first, second, 1)
    return first, second


def sum_down(sums, offset, scratch, first_out, second_out):
    """Sum the lines of the rows under the kernel into two rows of the map.

    The first tap is for the first row alone, and the last tap for the second row alone.
    """
    size = VECTOR_BYTES // scratch.lines.itemsize
    last, begin, end = max(sums.size[1] - size, 0), sums.run_start[sums.first_runs[1, 0]], sums.row.size - 1
    step, zero = last_step(sums, 0, offset), broadcast(scratch.lines.dtype.type(0))
    plain = step[0] == 1 and step[1] == 0 and step[2] == 0 and step[3] == 0
    for x in range(0, sums.size[1], size):
        at = min(x, last)
        first = add_taps(scratch.lines, scratch.tap_offset, sums.first_weight, begin, at, zero, 1)
        first, second = add_to_both(sums, begin + 1, end, scratch, at, first, zero)
        second = add_taps(scratch.lines, scratch.tap_offset, sums.second_weight, end, at, second, 1)
        if not plain:
            first, second = to_responses(first, second, step, 0)
        store(first, first_out, at)
        store(second, second_out, at)


def correlate_rows_first(planes, rows, columns, sums, constant, offset, band, scratch, out):
    """Do as ``correlate`` for one plane of uint8 and two sums: along each row, then down the rows of those sums.

    A vector of 16 levels begins anywhere within a cache line, and seldom crosses its end; half the vectors of floats do. Levels
    of equal weight are added as integers. The sums down columns then read whole cache lines.
    """
    narrow = out.shape[2] < VECTOR_BYTES // scratch.lines.itemsize
    offset = sums.first_weight.dtype.type(offset_or_probed(planes, offset))
    scratch.loaded_row[:] = -2
    scratch.row_line[:] = 0
    for base in range(band[0], band[1], 2 * rows.pair_step):
        for y in range(base, min(base + rows.pair_step, band[1])):
            sum_along(planes, y, rows, columns, sums, constant, offset, scratch)
            for t in range(sums.row.size):
                scratch.tap_offset[t] = scratch.row_line[sums.row[t]] * scratch.width + sums.start[t]
            second = y + rows.pair_step if y + rows.pair_step < band[1] else -1
            first_out, second_out = rows_of_map(out, 0, y, second, narrow, scratch)
            sum_down(sums, offset, scratch, first_out, second_out)
            if narrow:
                copy_narrow(out, 0, y, second, scratch)
