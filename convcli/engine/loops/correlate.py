"""The loop that slides kernels over an image.

Loops are plain Python, compiled by ``jit.compile`` when ``jit.run.run_loop`` calls one. A loop checks nothing: its caller
guarantees shapes and types. Arrays are in C order, ``out`` comes last, and nothing is allocated here. Below, ``real`` means
float32, or float64 for float64 images; ``number`` is the type of the weights, of the scratch memory and of all accumulators:
real, or int16 where all sums differ by less than 2**16.

Accumulators are vectors (``simd``). Elsewhere an array is sliced before a loop and indexed by the plain loop variable in it:
for all Numba knows, an index such as ``x + 3`` may be negative, and the loop becomes a gather, five times slower.
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
    stream,
    subtract,
)
from .correlate_tables import FIRST, SECOND

CHUNK = 1024
"""Numbers of an output row that are done before the next ones: what lies between two sums stays in the nearest memory."""


def pad_row(source, columns, constant, line):
    """Convert one image row and lay its border around it."""
    pixel = columns.pixel
    start = columns.left.size * pixel
    inside = source[: columns.middle]
    end = start + inside.size
    for i in range(columns.left.size):
        for c in range(pixel):
            line[i * pixel + c] = constant if columns.left[i] < 0 else source[columns.left[i] * pixel + c]
    middle = line[start:end]
    for x in range(inside.size):
        middle[x] = inside[x]
    for i in range(columns.right.size):
        for c in range(pixel):
            line[end + i * pixel + c] = constant if columns.right[i] < 0 else source[columns.right[i] * pixel + c]


def deinterleave_row(source, columns, line, size):
    """Deal groups of an image row by turns to the two places of a line; return which numbers of each are done."""
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
    """The same, sorted by the phase of each pixel, its position within a stride, so that strided taps read without gaps."""
    size = columns.sorted_source.size // columns.step  # numbers of each phase
    first, last = (0, 0) if columns.step != 2 else deinterleave_row(source, columns, line, size)
    for phase in range(columns.step):
        indices, target = columns.sorted_source[phase * size : (phase + 1) * size], line[phase * size :]
        for begin, end in ((0, first), (last, size)):
            number, part = indices[begin:end], target[begin:]
            for x in range(number.size):
                part[x] = item(source, item(number, x))
    for i in range(columns.sorted_constant.size):
        line[columns.sorted_constant[i]] = constant


def load_rows(planes, y, rows, columns, constant, offset, scratch):
    """Bring the rows under the kernel at output row y, and at the second of its pair, to their lines, less the offset."""
    padded = (columns.left.size + columns.right.size) * columns.pixel + columns.middle
    filled = columns.sorted_source.size if columns.sorted_source.size else padded
    for p in range(planes.shape[0]):
        for k in range(rows.window_rows):
            row = y * rows.stride + (k + (rows.gap if k >= rows.first_window_rows else 0)) * rows.dilation - rows.above
            if row < 0 or row >= rows.source.size:  # of a second row that there is not
                continue
            source = rows.source[row]
            line = p * rows.slots + rows.slot[row]
            scratch.row_line[p * rows.window_rows + k] = line
            if scratch.held_row[line] == source:
                continue
            scratch.held_row[line] = source
            numbers = scratch.lines[line * scratch.width : (line + 1) * scratch.width]
            if source < 0:
                numbers[:] = constant
            elif columns.sorted_source.size == 0:
                pad_row(planes[p, source], columns, constant, numbers)
            else:
                sort_row(planes[p, source], columns, constant, numbers)
            if offset != 0:
                for x in range(filled):
                    numbers[x] -= offset


def add_run(sums, r, scratch, x, first, second):
    """Add a run of taps to the vectors of both rows of a pair."""
    run_rows = item(sums.run_rows, r)
    for t in range(item(sums.run_start, r), item(sums.run_start, r + 1)):
        part = load(scratch.lines, item(scratch.tap_offset, t) + x)
        if run_rows != SECOND:
            first = multiply_add(part, item(sums.first_weight, t), first)
        if run_rows != FIRST:
            second = multiply_add(part, item(sums.second_weight, t), second)
    return first, second


def sum_vectors(sums, s, runs, scratch, x):
    """Both rows of sum s, the vectors at x.

    A plain float32 sum of the 1,046,529 taps of a mean over 1023 x 1023 pixels of level 254 comes out as 255.26. Long sums
    are made of short ones, added with Kahan's compensation (doi:10.1145/363707.363723).
    """
    zero = broadcast(scratch.lines.dtype.type(0))
    first = second = zero
    if sums.compensated[s]:
        lost_first = lost_second = zero
        for r in range(runs[0], runs[1]):
            more_first, more_second = add_run(sums, r, scratch, x, zero, zero)
            wanted = subtract(more_first, lost_first)
            reached = add(first, wanted)
            lost_first = finite_or_zero(subtract(subtract(reached, first), wanted))  # infinity minus infinity is no rounding
            first = reached
            wanted = subtract(more_second, lost_second)
            reached = add(second, wanted)
            lost_second = finite_or_zero(subtract(subtract(reached, second), wanted))
            second = reached
    else:
        for r in range(runs[0], runs[1]):
            first, second = add_run(sums, r, scratch, x, first, second)
    return first, second


def sum_to_lines(sums, s, runs, end, scratch):
    """Bring sum s to its lines, until so many numbers of its rows are done."""
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
    """A float64 as a real number, and what that misses of it."""
    nearest = real(number)
    rest = real(number - float(nearest))
    return nearest, rest if rest - rest == 0 else real(0)  # infinity has no rest


def sum_to_map(sums, s, runs, end, offset, scratch, first_out, second_out):
    """Bring sum s to two rows of its map, until so many numbers are done. The last vector ends with the row."""
    size = VECTOR_BYTES // scratch.lines.itemsize
    last = max(sums.size[s] - size, 0)
    bias, low = sums.bias[sums.map[s]], sums.low[sums.map[s]]
    if offset != 0:  # else the total may be infinite
        bias += offset * sums.total[sums.map[s]]
    unit, rest = sums.unit[sums.map[s]], sums.rest[sums.map[s]]
    bias, more = split(bias, sums.unit.dtype.type)
    begin = more if offset != 0 else bias
    x = scratch.filled[s]
    while x < end:
        first, second = sum_vectors(sums, s, runs, scratch, min(x, last))
        if rest != 0:
            first, second = (
                scale_and_add_precisely(first, unit, rest, begin, low),
                scale_and_add_precisely(second, unit, rest, begin, low),
            )
        else:
            first, second = scale_and_add(first, unit, begin, low), scale_and_add(second, unit, begin, low)
        if offset != 0:  # what it gives may be much larger than what the sum is
            first, second = add(first, bias), add(second, bias)
        if scratch.streamed and x <= last:
            stream(first, first_out, x)
            stream(second, second_out, x)
        else:
            store(first, first_out, min(x, last))
            store(second, second_out, min(x, last))
        x += size
    scratch.filled[s] = x


def sum_pair(sums, runs, y, second, offset, scratch, out):
    """All sums at output rows y and ``second``, which is -1 where there is none: its numbers are thrown away."""
    scratch.filled[:] = 0
    size = out.shape[2]
    narrow = size < VECTOR_BYTES // scratch.lines.itemsize
    for x in range(0, size, CHUNK):
        for s in range(sums.line.size):
            end = min(sums.size[s], x + CHUNK + sums.lookahead[s])
            if sums.line[s] >= 0:
                sum_to_lines(sums, s, runs[s], end, scratch)
                continue
            first_out = scratch.edge_rows[0] if narrow else out[sums.map[s], y]
            second_out = scratch.edge_rows[1] if narrow or second < 0 else out[sums.map[s], second]
            sum_to_map(sums, s, runs[s], end, offset, scratch, first_out, second_out)
            for i in range(size if narrow else 0):
                out[sums.map[s], y, i] = first_out[i]
                if second >= 0:
                    out[sums.map[s], second, i] = second_out[i]


def correlate(planes, rows, columns, sums, constant, offset, band, scratch, out):
    """Slide every map over output rows band[0] .. band[1] of planes (P, H, numbers), into out (maps, H', n).

    The offset is taken from every sample, so that rounding is small, and what it gives is added to every sum.
    out is real, or of an integer type that each vector is rounded to. band[0] is the first row of a pair.
    """
    scratch.held_row[:] = -2
    for base in range(band[0], band[1], 2 * rows.pair_step):
        for y in range(base, min(base + rows.pair_step, band[1])):
            load_rows(planes, y, rows, columns, constant, offset, scratch)
            for t in range(sums.row.size):
                scratch.tap_offset[t] = scratch.row_line[sums.row[t]] * scratch.width + sums.start[t]
            second = y + rows.pair_step if y + rows.pair_step < band[1] else -1
            sum_pair(sums, sums.first_runs if base == band[0] else sums.later_runs, y, second, offset, scratch, out)
