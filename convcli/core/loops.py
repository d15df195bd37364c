"""Every loop over pixels, and nothing else.

Written as plain Python, compiled by ``build`` when ``compiler.run_loop`` calls one. A loop checks nothing: shapes and
types are the promise of the room that calls it. Arrays lie in C's order, ``out`` comes last, and nothing is allocated here.
``real`` below means float32, or float64 for float64 images; it is the type of the weights, of the scratch memory and of
every sum.

All loops stay in this one file: compiled code is kept until it changes. Arrays are sliced before a loop and indexed by the
plain loop variable in it: an index such as ``x + 3`` may be negative for all Numba knows, and becomes a gather, five times
slower.
"""

from typing import Any, NamedTuple

import numpy as np

POLICY: Any = {"fastmath": {"contract"}, "error_model": "numpy"}
"""contract: one rounding for a multiply-add; sums keep their order, NaN and infinity their meaning. numpy: no exceptions."""

BLOCK = 512
"""Taps summed without compensation: 64 eights, each rounded by half a unit in the last place, are 0.000002 of a sum."""

Array = np.ndarray[Any, Any]


class Rows(NamedTuple):
    """Which image row stands at each padded row, and where the ring keeps it."""

    source: Array  # (padded rows,) int64: image row, -1 for the constant
    slot: Array  # (padded rows,) int64: place in the ring
    slots: int  # places in the ring, for each plane
    kernel: int  # kernel rows
    stride: int
    dilation: int


class Columns(NamedTuple):
    """How an image row becomes a padded row that the taps can slide along without gaps."""

    left: Array  # (left,) int64: image column that stands at each padded one, -1 for the constant
    right: Array  # (right,) int64
    pixel: int  # numbers in a pixel
    group: int  # neighbouring numbers that share their taps
    step: int  # groups from one output to the next
    phase: int  # numbers in each of the ``step`` phases of a padded row


class Taps(NamedTuple):
    """The weights that are not zero, map after map."""

    first: Array  # (maps + 1,) int64: where each map's taps begin
    row: Array  # (taps,) int64: plane * kernel rows + kernel row
    start: Array  # (taps,) int64: offset within the padded row
    weight: Array  # (taps,) real
    bias: Array  # (maps,) real


class Scratch(NamedTuple):
    """Memory of one band."""

    ring: Array  # (planes * slots, step * phase) real: padded rows, recently used
    held: Array  # (planes * slots,) int64: image row in each place
    at: Array  # (planes * kernel rows,) int64: place of each row under the kernel
    line: Array  # (padded row,) real
    total: Array  # (output row,) real
    part: Array  # (output row,) real: the sum of one block of taps
    lost: Array  # (output row,) real: what rounding took from the total


def pad_row(source, columns, constant, line):
    """Convert one image row and lay its border around it."""
    pixel = columns.pixel
    start = columns.left.size * pixel
    end = start + source.size
    for i in range(columns.left.size):
        for c in range(pixel):
            line[i * pixel + c] = constant if columns.left[i] < 0 else source[columns.left[i] * pixel + c]
    middle = line[start:end]
    for x in range(source.size):
        middle[x] = source[x]
    for i in range(columns.right.size):
        for c in range(pixel):
            line[end + i * pixel + c] = constant if columns.right[i] < 0 else source[columns.right[i] * pixel + c]


def split_row(line, columns, row):
    """Sort the groups of a padded row by their place within a step, so that strided taps read without gaps."""
    step, group = columns.step, columns.group
    groups = line.size // group
    for p in range(step):
        phase = row[p * columns.phase : (p + 1) * columns.phase]
        for i in range((groups - p + step - 1) // step):
            for c in range(group):
                phase[i * group + c] = line[(i * step + p) * group + c]


def load_rows(planes, y, rows, columns, constant, scratch):
    """Bring the rows under the kernel at output row y into the ring, unless they are there already."""
    for p in range(planes.shape[0]):
        for k in range(rows.kernel):
            padded = y * rows.stride + k * rows.dilation
            source = rows.source[padded]
            place = p * rows.slots + rows.slot[padded]
            scratch.at[p * rows.kernel + k] = place
            if scratch.held[place] == source:
                continue
            scratch.held[place] = source
            row = scratch.ring[place]
            if source < 0:
                row[:] = constant
            elif columns.step == 1:
                pad_row(planes[p, source], columns, constant, row)
            else:
                pad_row(planes[p, source], columns, constant, scratch.line)
                split_row(scratch.line, columns, row)


def add_taps(taps, t, end, ring, at, total):
    """Add taps t .. end to a whole output row.

    Eight taps at a time share one pass over the output row, and one rounding of it. More slices than that in one loop stop
    LLVM's vectoriser.
    """
    n = total.size
    row, start, weight = taps.row, taps.start, taps.weight
    while t + 8 <= end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        b = ring[at[row[t + 1]], start[t + 1] : start[t + 1] + n]
        c = ring[at[row[t + 2]], start[t + 2] : start[t + 2] + n]
        d = ring[at[row[t + 3]], start[t + 3] : start[t + 3] + n]
        e = ring[at[row[t + 4]], start[t + 4] : start[t + 4] + n]
        f = ring[at[row[t + 5]], start[t + 5] : start[t + 5] + n]
        g = ring[at[row[t + 6]], start[t + 6] : start[t + 6] + n]
        h = ring[at[row[t + 7]], start[t + 7] : start[t + 7] + n]
        wa, wb, wc, wd = weight[t], weight[t + 1], weight[t + 2], weight[t + 3]
        we, wf, wg, wh = weight[t + 4], weight[t + 5], weight[t + 6], weight[t + 7]
        for x in range(n):
            half = wa * a[x] + wb * b[x] + wc * c[x] + wd * d[x]
            total[x] += half + we * e[x] + wf * f[x] + wg * g[x] + wh * h[x]
        t += 8
    while t + 3 <= end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        b = ring[at[row[t + 1]], start[t + 1] : start[t + 1] + n]
        c = ring[at[row[t + 2]], start[t + 2] : start[t + 2] + n]
        wa, wb, wc = weight[t], weight[t + 1], weight[t + 2]
        for x in range(n):
            total[x] += wa * a[x] + wb * b[x] + wc * c[x]
        t += 3
    while t < end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        wa = weight[t]
        for x in range(n):
            total[x] += wa * a[x]
        t += 1


def sum_taps(taps, m, scratch, total):
    """Sum the taps of map m over a whole output row.

    Beyond a block of taps, blocks are summed by themselves and added with Kahan's compensation: a plain float32 sum of the
    1,046,529 taps of a mean over 1023 x 1023 pixels of level 254 comes out as 255.26.
    """
    first, end = taps.first[m], taps.first[m + 1]
    total[:] = taps.bias[m]
    if end - first <= BLOCK:
        add_taps(taps, first, end, scratch.ring, scratch.at, total)
        return
    part, lost = scratch.part, scratch.lost
    lost[:] = 0
    for t in range(first, end, BLOCK):
        part[:] = 0
        add_taps(taps, t, min(t + BLOCK, end), scratch.ring, scratch.at, part)
        for x in range(total.size):
            wanted = part[x] - lost[x]
            reached = total[x] + wanted
            slip = (reached - total[x]) - wanted
            lost[x] = slip if abs(slip) < np.inf else 0  # infinity minus infinity is no rounding
            total[x] = reached


def round_levels(values, low, high, out):
    """Round half to even and saturate at the levels low and high, which have the type of out. NaN becomes 0."""
    bottom, top, zero = values.dtype.type(low), values.dtype.type(high), values.dtype.type(0)
    for x in range(values.size):
        value = np.rint(values[x])
        level = out.dtype.type(value if bottom < value < top else zero)
        level = high if value >= top else level
        out[x] = low if value <= bottom else level


def correlate(planes, rows, columns, taps, constant, band, scratch, out):
    """Slide every map's taps over output rows band[0] .. band[1] of planes (P, H, numbers), into out (maps, H', n) real."""
    scratch.held[:] = -2
    for y in range(band[0], band[1]):
        load_rows(planes, y, rows, columns, constant, scratch)
        for m in range(out.shape[0]):
            sum_taps(taps, m, scratch, out[m, y])


def correlate_to_levels(planes, rows, columns, taps, constant, band, scratch, low, high, out):
    """The same, rounded to the integer type of out as each row is done."""
    scratch.held[:] = -2
    for y in range(band[0], band[1]):
        load_rows(planes, y, rows, columns, constant, scratch)
        for m in range(out.shape[0]):
            sum_taps(taps, m, scratch, scratch.total)
            round_levels(scratch.total, low, high, out[m, y])


def measure(values, low, high, out):
    """Minimum and maximum of values (n,), and how many are below low, above high, and NaN: out (5,) float64.

    NaN counts nowhere else.
    """
    smallest, largest = values.dtype.type(np.inf), values.dtype.type(-np.inf)
    below = above = unknown = 0
    for x in range(values.size):
        value = values[x]
        smallest = value if value < smallest else smallest
        largest = value if value > largest else largest
        below += value < low
        above += value > high
        unknown += value != value
    out[0], out[1], out[2], out[3], out[4] = smallest, largest, below, above, unknown


def scale_to_levels(values, zero, scale, low, high, out):
    """(values - zero) * scale as levels, out (n,). values (n,) is used up."""
    for x in range(values.size):
        values[x] = (values[x] - zero) * scale
    round_levels(values, low, high, out)


def make_absolute(out):
    """|out| in place, (n,)."""
    for x in range(out.size):
        out[x] = abs(out[x])


def make_square(out):
    """Out * out in place, (n,)."""
    for x in range(out.size):
        out[x] = out[x] * out[x]


def make_root(out):
    """Square root in place, (n,)."""
    for x in range(out.size):
        out[x] = np.sqrt(out[x])


def scale_by(factor, out):
    """Out * factor in place, (n,)."""
    for x in range(out.size):
        out[x] = out[x] * factor


def add_number(number, out):
    """Add one number to out (n,)."""
    for x in range(out.size):
        out[x] += number


def add(values, out):
    """Add values (n,) to out (n,)."""
    for x in range(out.size):
        out[x] += values[x]


def take_larger(values, out):
    """Keep the larger of values (n,) and out (n,) in out."""
    for x in range(out.size):
        out[x] = values[x] if values[x] > out[x] else out[x]


def premultiply(pixels, alpha, white, out):
    """Pixels (n, C) times alpha (n,) / white, into out (n, C) real."""
    for i in range(alpha.size):
        cover = alpha[i] / white
        for c in range(pixels.shape[1]):
            out[i, c] = pixels[i, c] * cover


def unpremultiply(alpha, white, least, out):
    """Divide out (n, C) by alpha (n,) / white; where no more than least of white covers, the colour is 0."""
    for i in range(alpha.size):
        cover = alpha[i] / white
        for c in range(out.shape[1]):
            out[i, c] = out[i, c] / cover if cover > least else 0
