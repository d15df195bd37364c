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

CALLED = ("add_taps",)
"""What is called; all else is made part of what calls it, as a call with all these tables takes 100 ns. It is long, and called
in five places: as a part of each, it takes 20 s to compile."""

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
    start: int  # where the numbers between them begin in the image row
    end: int  # and end
    pixel: int  # numbers in a pixel
    group: int  # neighbouring numbers that share their taps
    step: int  # groups from one output to the next
    phase: int  # numbers in each of the ``step`` phases of a padded row
    out: int  # where the numbers of this tile begin in an output row


class Taps(NamedTuple):
    """The weights that are not zero, map after map."""

    first: Array  # (maps + 1,) int64: where each map's taps begin
    row: Array  # (taps,) int64: plane * kernel rows + kernel row
    start: Array  # (taps,) int64: offset within the padded row
    weight: Array  # (taps,) real
    unit: Array  # (maps,) real: what a map's sum is multiplied by, before its bias is added
    bias: Array  # (maps,) real


class Terms(NamedTuple):
    """Kernels as sums of columns times rows; a map without terms is summed tap by tap."""

    first: Array  # (maps + 1,) int64: where each map's terms begin
    down: Taps  # each term's column: the ring's rows are summed to one
    part: Taps  # sums of a few neighbours in that, where a term's row is the same number all along
    part_size: int  # how many of them
    across: Taps  # each term's row: those two are summed along themselves
    running: Array  # (terms,) int64: 1 where the column is 1 all along and its sums are exact: they are kept from row to row
    runs: int  # how many are


class Scratch(NamedTuple):
    """Memory of one band."""

    ring: Array  # (planes * slots, step * phase) real: padded rows, recently used
    held: Array  # (planes * slots,) int64: image row in each place
    at: Array  # (planes * kernel rows,) int64: place of each row under the kernel
    line: Array  # (padded row,) real
    column: Array  # (2 * terms, step * phase) real: the rows under the kernel, summed; sums of a few neighbours in those
    top: Array  # (1,) int64: the output row that the running sums are of, -1 before the first
    zero: Array  # (2 * terms,) int64: 0, 1, 2, ...
    total: Array  # (output row,) real
    part: Array  # (output row,) real: the sum of one block of taps
    lost: Array  # (output row,) real: what rounding took from the total


def pad_row(source, columns, constant, line):
    """Convert one image row and lay its border around it."""
    pixel = columns.pixel
    start = columns.left.size * pixel
    inside = source[columns.start : columns.end]
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


def add_taps(taps, t, end, ring, at, keep, base, total):
    """Sum taps t .. end over a whole output row: to what it holds, where that is to be kept, else to a number, the base.

    As many taps as there are slices here share one pass over the output row, and one rounding of it. LLVM's vectoriser
    takes no more than ``build`` lets it compare.
    """
    n = total.size
    row, start, weight = taps.row, taps.start, taps.weight
    while t + 9 <= end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        b = ring[at[row[t + 1]], start[t + 1] : start[t + 1] + n]
        c = ring[at[row[t + 2]], start[t + 2] : start[t + 2] + n]
        d = ring[at[row[t + 3]], start[t + 3] : start[t + 3] + n]
        e = ring[at[row[t + 4]], start[t + 4] : start[t + 4] + n]
        f = ring[at[row[t + 5]], start[t + 5] : start[t + 5] + n]
        g = ring[at[row[t + 6]], start[t + 6] : start[t + 6] + n]
        h = ring[at[row[t + 7]], start[t + 7] : start[t + 7] + n]
        i = ring[at[row[t + 8]], start[t + 8] : start[t + 8] + n]
        wa, wb, wc, wd, we = weight[t], weight[t + 1], weight[t + 2], weight[t + 3], weight[t + 4]
        wf, wg, wh, wi = weight[t + 5], weight[t + 6], weight[t + 7], weight[t + 8]
        for x in range(n):
            half = wa * a[x] + wb * b[x] + wc * c[x] + wd * d[x] + we * e[x]
            total[x] = (total[x] if keep else base) + (half + wf * f[x] + wg * g[x] + wh * h[x] + wi * i[x])
        t += 9
        keep = True
    while t + 5 <= end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        b = ring[at[row[t + 1]], start[t + 1] : start[t + 1] + n]
        c = ring[at[row[t + 2]], start[t + 2] : start[t + 2] + n]
        d = ring[at[row[t + 3]], start[t + 3] : start[t + 3] + n]
        e = ring[at[row[t + 4]], start[t + 4] : start[t + 4] + n]
        wa, wb, wc, wd, we = weight[t], weight[t + 1], weight[t + 2], weight[t + 3], weight[t + 4]
        for x in range(n):
            total[x] = (total[x] if keep else base) + (wa * a[x] + wb * b[x] + wc * c[x] + wd * d[x] + we * e[x])
        t += 5
        keep = True
    while t + 3 <= end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        b = ring[at[row[t + 1]], start[t + 1] : start[t + 1] + n]
        c = ring[at[row[t + 2]], start[t + 2] : start[t + 2] + n]
        wa, wb, wc = weight[t], weight[t + 1], weight[t + 2]
        for x in range(n):
            total[x] = (total[x] if keep else base) + (wa * a[x] + wb * b[x] + wc * c[x])
        t += 3
        keep = True
    while t + 2 <= end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        b = ring[at[row[t + 1]], start[t + 1] : start[t + 1] + n]
        wa, wb = weight[t], weight[t + 1]
        for x in range(n):
            total[x] = (total[x] if keep else base) + (wa * a[x] + wb * b[x])
        t += 2
        keep = True
    while t < end:
        a = ring[at[row[t]], start[t] : start[t] + n]
        wa = weight[t]
        for x in range(n):
            total[x] = (total[x] if keep else base) + wa * a[x]
        t += 1
        keep = True
    if not keep:
        total[:] = base


def sum_taps(taps, m, base, scratch, total):
    """Sum the taps of map m over a whole output row.

    Beyond a block of taps, blocks are summed by themselves and added with Kahan's compensation: a plain float32 sum of the
    1,046,529 taps of a mean over 1023 x 1023 pixels of level 254 comes out as 255.26.
    """
    first, end = taps.first[m], taps.first[m + 1]
    if end - first <= BLOCK:
        add_taps(taps, first, end, scratch.ring, scratch.at, False, base, total)
        return
    total[:] = base
    part, lost, zero = scratch.part, scratch.lost, total.dtype.type(0)
    lost[:] = 0
    for t in range(first, end, BLOCK):
        add_taps(taps, t, min(t + BLOCK, end), scratch.ring, scratch.at, False, zero, part)
        for x in range(total.size):
            wanted = part[x] - lost[x]
            reached = total[x] + wanted
            slip = (reached - total[x]) - wanted
            lost[x] = slip if abs(slip) < np.inf else 0  # infinity minus infinity is no rounding
            total[x] = reached


def sum_terms(terms, m, base, scratch, total):
    """Sum the terms of map m over a whole output row: each is a column, summed down the ring, and a row, along the sum."""
    down, part, across, zero = terms.down, terms.part, terms.across, total.dtype.type(0)
    for t in range(terms.first[m], terms.first[m + 1]):
        if terms.running[t] == 0:
            add_taps(down, down.first[t], down.first[t + 1], scratch.ring, scratch.at, False, zero, scratch.column[t])
        if part.first[t] < part.first[t + 1]:
            few = scratch.column[terms.running.size + t, : terms.part_size]
            add_taps(part, part.first[t], part.first[t + 1], scratch.column, scratch.zero, False, zero, few)
        keep = t > terms.first[m]
        add_taps(across, across.first[t], across.first[t + 1], scratch.column, scratch.zero, keep, base, total)


def run_down(terms, y, rows, scratch):
    """Bring the running sums to output row y: the rows that the kernel came upon are added, those that it left taken off."""
    top, down, zero = scratch.top[0], terms.down, scratch.ring.dtype.type(0)
    for t in range(terms.running.size):
        column = scratch.column[t]
        if terms.running[t] and top < 0:
            add_taps(down, down.first[t], down.first[t + 1], scratch.ring, scratch.at, False, zero, column)
        elif terms.running[t]:
            for padded in range(top * rows.stride, y * rows.stride):
                left, new = scratch.ring[rows.slot[padded]], scratch.ring[rows.slot[padded + rows.kernel]]
                for x in range(column.size):
                    column[x] += new[x] - left[x]
    scratch.top[0] = y


def sum_map(taps, terms, m, scratch, total):
    """Sum everything of map m over a whole output row."""
    unit, bias = taps.unit[m], taps.bias[m]
    base = bias if unit == 1 else total.dtype.type(0)
    if terms.first[m] == terms.first[m + 1]:
        sum_taps(taps, m, base, scratch, total)
    else:
        sum_terms(terms, m, base, scratch, total)
    if unit != 1:
        for x in range(total.size):
            total[x] = total[x] * unit + bias


def next_row(planes, y, rows, columns, terms, constant, scratch):
    """Bring everything under the kernel at output row y into the scratch memory."""
    load_rows(planes, y, rows, columns, constant, scratch)
    if terms.runs:
        run_down(terms, y, rows, scratch)


def round_levels(values, low, high, out):
    """Round half to even and saturate at the levels low and high, which have the type of out. NaN becomes 0."""
    bottom, top, zero = values.dtype.type(low), values.dtype.type(high), values.dtype.type(0)
    for x in range(values.size):
        value = np.rint(values[x])
        level = out.dtype.type(value if bottom < value < top else zero)
        level = high if value >= top else level
        out[x] = low if value <= bottom else level


def correlate(planes, rows, columns, taps, terms, constant, band, scratch, out):
    """Slide every map over output rows band[0] .. band[1] of planes (P, H, numbers), into out (maps, H', n) real."""
    scratch.held[:] = -2
    scratch.top[0] = -1
    for y in range(band[0], band[1]):
        next_row(planes, y, rows, columns, terms, constant, scratch)
        for m in range(out.shape[0]):
            sum_map(taps, terms, m, scratch, out[m, y, columns.out : columns.out + scratch.total.size])


def correlate_to_levels(planes, rows, columns, taps, terms, constant, band, scratch, low, high, out):
    """The same, rounded to the integer type of out as each row is done."""
    scratch.held[:] = -2
    scratch.top[0] = -1
    for y in range(band[0], band[1]):
        next_row(planes, y, rows, columns, terms, constant, scratch)
        for m in range(out.shape[0]):
            sum_map(taps, terms, m, scratch, scratch.total)
            round_levels(scratch.total, low, high, out[m, y, columns.out : columns.out + scratch.total.size])


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
