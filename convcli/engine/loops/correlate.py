"""The loop that slides kernels over an image.

Below, ``real`` means float32, or float64 for float64 images; ``number`` is the type of the weights, of the scratch memory and
of all accumulators: real, or int16 where all sums differ by less than 2**16. Accumulators are vectors (``simd``).
"""

from ..simd.reference import (
    VECTOR_BYTES,
    add,
    broadcast,
    deinterleave,
    finite_or_zero,
    item,
    load,
    multiply_add,
    scale_and_add,
    scale_and_add_precisely,
    store,
    subtract,
)
from .correlate_tables import FIRST, SECOND
from .offset import offset_or_probed

CHUNK = 1024
"""Samples of an output row that all sums compute before the next ones: the lines between two sums stay in the L1 cache."""


def pad_row(source, columns, constant, line):
    """Convert one image row and add its border."""
    inside, middle = source[: columns.middle], line[columns.left.size * columns.pixel :]
    for x in range(inside.size):
        middle[x] = inside[x]
    pad_edges(source, columns, constant, line)


def pad_edges(source, columns, constant, line):
    """Write the border left and right of a row to a line."""
    pixel = columns.pixel
    end = columns.left.size * pixel + columns.middle
    for i in range(columns.left.size):
        for c in range(pixel):
            line[i * pixel + c] = constant if columns.left[i] < 0 else source[columns.left[i] * pixel + c]
    for i in range(columns.right.size):
        for c in range(pixel):
            line[end + i * pixel + c] = constant if columns.right[i] < 0 else source[columns.right[i] * pixel + c]


def deinterleave_row(source, columns, line, size):
    """Copy even and odd groups of an image row to the two phases of a line; return the range that is done in each."""
    group = columns.group
    before = columns.left.size * columns.pixel // group  # groups before the middle
    first = (before + 1) // 2 * group
    x, last = first * 2 - before * group, first
    while x + VECTOR_BYTES // 2 <= columns.middle:
        if group == 1:
            last += deinterleave(source, x, line, last, last + size, 1)
        elif group == 3:
            last += deinterleave(source, x, line, last, last + size, 3)
        elif group == 4:
            last += deinterleave(source, x, line, last, last + size, 4)
        else:
            break
        x = last * 2 - before * group
    return first, last


def sort_row(source, columns, constant, line):
    """Do as ``pad_row``, with pixels sorted by their phase, the position within a stride: strided taps read without gaps."""
    size = columns.sorted_source.size // columns.step  # samples of each phase
    first, last = (0, 0) if columns.step != 2 else deinterleave_row(source, columns, line, size)
    for phase in range(columns.step):
        indices, target = columns.sorted_source[phase * size : (phase + 1) * size], line[phase * size :]
        for begin, end in ((0, first), (last, size)):
            index, slice_of_target = indices[begin:end], target[begin:]
            for x in range(index.size):
                slice_of_target[x] = item(source, item(index, x))
    for i in range(columns.sorted_constant.size):
        line[columns.sorted_constant[i]] = constant


def load_rows(planes, y, rows, columns, constant, offset, scratch):
    """Load the rows under the kernel at output row y and at the second row of its pair into their lines, minus the offset."""
    padded = (columns.left.size + columns.right.size) * columns.pixel + columns.middle
    filled = columns.sorted_source.size if columns.sorted_source.size else padded
    for p in range(planes.shape[0]):
        for k in range(rows.window_rows):
            row = y * rows.stride + (k + (rows.gap if k >= rows.first_window_rows else 0)) * rows.dilation - rows.above
            if row < 0 or row >= rows.source.size:  # below the image: the pair has no second row
                continue
            source = rows.source[row]
            line = p * rows.slots + rows.slot[row]
            scratch.row_line[p * rows.window_rows + k] = line
            if scratch.loaded_row[line] == source:
                continue
            scratch.loaded_row[line] = source
            samples = scratch.lines[line * scratch.width : (line + 1) * scratch.width]
            if source < 0:
                samples[:] = constant
            elif columns.sorted_source.size == 0:
                pad_row(planes[p, source], columns, constant, samples)
            else:
                sort_row(planes[p, source], columns, constant, samples)
            if offset != 0:
                for x in range(filled):
                    samples[x] -= offset


def add_run(sums, r, scratch, x, first, second):
    """Add a run of taps to the accumulators of both rows of a pair."""
    run_rows = item(sums.run_rows, r)
    for t in range(item(sums.run_start, r), item(sums.run_start, r + 1)):
        samples = load(scratch.lines, item(scratch.tap_offset, t) + x)
        if run_rows != SECOND:
            first = multiply_add(samples, item(sums.first_weight, t), first)
        if run_rows != FIRST:
            second = multiply_add(samples, item(sums.second_weight, t), second)
    return first, second


def sum_vectors(sums, s, runs, scratch, x):
    """Return the vectors at x of both rows of sum s.

    A plain float32 sum of the 1,046,529 taps of a mean over 1023 x 1023 pixels of level 254 comes out as 255.26. So long sums
    are split into runs, which are added with Kahan's compensation (doi:10.1145/363707.363723).
    """
    zero = broadcast(scratch.lines.dtype.type(0))
    first = second = zero
    if sums.compensated[s]:
        lost_first = lost_second = zero
        for r in range(runs[0], runs[1]):
            more_first, more_second = add_run(sums, r, scratch, x, zero, zero)
            corrected = subtract(more_first, lost_first)
            total = add(first, corrected)
            lost_first = finite_or_zero(subtract(subtract(total, first), corrected))  # inf - inf is not a rounding error
            first = total
            corrected = subtract(more_second, lost_second)
            total = add(second, corrected)
            lost_second = finite_or_zero(subtract(subtract(total, second), corrected))
            second = total
    else:
        for r in range(runs[0], runs[1]):
            first, second = add_run(sums, r, scratch, x, first, second)
    return first, second


def sum_to_lines(sums, s, runs, end, scratch):
    """Compute sum s into its lines, until ``end`` samples of its rows are done."""
    first_line = scratch.lines[sums.line[s] * scratch.width :]
    second_line = first_line[scratch.width :]
    x = scratch.filled[s]
    while x < end:
        first, second = sum_vectors(sums, s, runs, scratch, x)
        store(first, first_line, x)
        store(second, second_line, x)
        x += VECTOR_BYTES // scratch.lines.itemsize
    scratch.filled[s] = x


def split(number, real):
    """Return a float64 rounded to dtype ``real``, and the rounding error in that dtype."""
    nearest = real(number)
    rest = real(number - float(nearest))
    return nearest, rest if rest - rest == 0 else real(0)  # the error of an infinity is NaN


def last_step(sums, m, offset):
    """Return what ``to_responses`` does with the sums of map m: a unit, its error, an addend, and a bias that is added last."""
    bias, zero = sums.bias[m], sums.unit.dtype.type(0)
    if offset != 0:  # else the total may be infinite
        bias += offset * sums.weight_sum[m]
    bias, rest = split(bias, sums.unit.dtype.type)
    return sums.unit[m], sums.unit_error[m], rest if offset != 0 else bias, bias if offset != 0 else zero


def to_response(total, step, low):
    """Return the responses of a vector of sums."""
    unit, rest, addend, bias = step
    # In branches: a product that both share would be rounded before it is added.
    response = scale_and_add_precisely(total, unit, rest, addend, low) if rest != 0 else scale_and_add(total, unit, addend, low)
    if bias != 0:  # added last: the offset times the weights may be much larger than the sum
        response = add(response, bias)
    return response


def to_responses(first, second, step, low):
    """Return the responses of vectors of sums of both rows of a pair."""
    return to_response(first, step, low), to_response(second, step, low)


def sum_to_map(sums, s, runs, end, offset, scratch, first_out, second_out):
    """Compute sum s into two rows of its map, until ``end`` samples are done. The last vector ends with the row."""
    size = VECTOR_BYTES // scratch.lines.itemsize
    last = max(sums.size[s] - size, 0)
    step, low = last_step(sums, sums.map[s], offset), sums.min_sum[sums.map[s]]
    x = scratch.filled[s]
    while x < end:
        at = min(x, last)
        sums_at = sum_vectors(sums, s, runs, scratch, at)
        first, second = to_responses(sums_at[0], sums_at[1], step, low)
        store(first, first_out, at)
        store(second, second_out, at)
        x += size
    scratch.filled[s] = x


def sum_pair(sums, runs, y, second, offset, scratch, out):
    """Compute all sums at output rows y and ``second``. -1 is no second row: its sums are discarded."""
    scratch.filled[:] = 0
    size = out.shape[2]
    narrow = size < VECTOR_BYTES // scratch.lines.itemsize
    for x in range(0, size, CHUNK):
        for s in range(sums.line.size):
            end = min(sums.size[s], x + CHUNK + sums.lookahead[s])
            if sums.line[s] >= 0:
                sum_to_lines(sums, s, runs[s], end, scratch)
                continue
            first_out, second_out = rows_of_map(out, sums.map[s], y, second, narrow, scratch)
            sum_to_map(sums, s, runs[s], end, offset, scratch, first_out, second_out)
            if narrow:
                copy_narrow(out, sums.map[s], y, second, scratch)


def rows_of_map(out, m, y, second, narrow, scratch):
    """Return rows y and ``second`` of map m, or others in their place where they are narrow or missing."""
    if narrow:
        return scratch.edge_rows[0], scratch.edge_rows[1]
    return out[m, y], scratch.edge_rows[1] if second < 0 else out[m, second]


def copy_narrow(out, m, y, second, scratch):
    """Copy rows that are narrower than a vector to their map."""
    for i in range(out.shape[2]):
        out[m, y, i] = scratch.edge_rows[0, i]
        if second >= 0:
            out[m, second, i] = scratch.edge_rows[1, i]


def correlate(planes, rows, columns, sums, constant, offset, band, scratch, out):
    """Compute output rows band[0] .. band[1] of every map of planes (P, H, samples), into out (maps, H', samples').

    The offset is subtracted from every sample, so that rounding is small, and offset * total is added to every sum. out is
    real, or of an integer dtype that each vector is rounded to. band[0] is the first row of a pair. An offset of NaN is found
    here, by ``offset_or_probed``.
    """
    offset = sums.first_weight.dtype.type(offset_or_probed(planes, offset))
    scratch.loaded_row[:] = -2
    window, row_lines = planes.shape[0] * rows.window_rows, scratch.loaded_row.size
    scratch.row_line[:window] = 0  # a pair without a second row reads lines that are not loaded, for sums that are discarded
    for i in range(scratch.row_line.size - window):
        scratch.row_line[window + i] = row_lines + i
    for base in range(band[0], band[1], 2 * rows.pair_step):
        for y in range(base, min(base + rows.pair_step, band[1])):
            load_rows(planes, y, rows, columns, constant, offset, scratch)
            for t in range(sums.row.size):
                scratch.tap_offset[t] = scratch.row_line[sums.row[t]] * scratch.width + sums.start[t]
            second = y + rows.pair_step if y + rows.pair_step < band[1] else -1
            sum_pair(sums, sums.first_runs if base == band[0] else sums.later_runs, y, second, offset, scratch, out)
