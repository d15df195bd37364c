"""The loops that sum, store and measure, and nothing else. ``waves`` and ``volume`` have those of spectra and of deep layers.

Written as plain Python, compiled by ``build`` when ``compiler.run_loop`` calls one. A loop checks nothing: shapes and
types are the promise of the room that calls it. Arrays lie in C's order, ``out`` comes last, and nothing is allocated here.
``real`` below means float32, or float64 for float64 images; ``number`` the type of the weights, of the scratch memory and of
every sum: real, or int16, where no two sums differ by more than 16 bits can tell.

Compiled code is kept until one of the rooms that it is made from changes (``codefolder.MAKERS``). Sums are made strip by
strip; elsewhere arrays are sliced before a loop and indexed by the plain loop variable in it: an index such as ``x + 3`` may be
negative for all Numba knows, and becomes a gather, five times slower.
"""

from typing import NamedTuple

from ..simd.reference import (
    STRIP,
    Array,
    deal,
    fill,
    finite,
    load,
    minus,
    mul_add,
    pick,
    plus,
    scaled,
    scaled_by_two,
    store,
    stream,
)

CHUNK = 1024
"""Numbers of an output row that are done before the next ones: what lies between two sums stays in the nearest memory."""

FIRST, BOTH, SECOND = 0, 1, 2
"""Which rows of a pair a run of taps belongs to."""


class Rows(NamedTuple):
    """Which image row stands at each padded row, and which line keeps it. Output rows are made in pairs, ``hop`` apart."""

    source: Array  # (padded rows,) int64: image row, -1 for the constant
    slot: Array  # (padded rows,) int64: line, of those that each plane has
    slots: int  # lines that each plane has
    under: int  # rows under the kernel at one row of a pair or the other, and ``above``
    above: int  # rows that running sums leave behind
    near: int  # rows under the kernel at the first, and ``above``
    skipped: int  # rows between those and the others, in steps of the dilation
    stride: int
    dilation: int
    hop: int


class Columns(NamedTuple):
    """How an image row becomes a padded row that the taps can slide along without gaps."""

    left: Array  # (left,) int64: image column that stands at each padded one, -1 for the constant
    right: Array  # (right,) int64
    middle: int  # numbers between them, from the image row's first on
    pixel: int  # numbers in a pixel
    group: int  # neighbouring numbers that share their taps
    step: int  # groups from one output pixel to the next
    number: Array  # (line,) int32: where each number is found in an image row, if they do not stand side by side; else (0,)
    blank: Array  # (blanks,) int32: those that are the constant


class Sums(NamedTuple):
    """What is summed, one after the other: each sum gives two rows, to lines that later sums read, or of a map."""

    row: Array  # (taps,) int64: row under the kernel, or line
    start: Array  # (taps,) int64: offset in it
    first_weight: Array  # (taps,) number: for the first row of a pair
    second_weight: Array  # (taps,) number
    kind: Array  # (runs,) int64: FIRST, BOTH or SECOND
    tap: Array  # (runs + 1,) int64: where each run of taps begins
    opening: Array  # (sums, 2) int64: its runs, from .. to, at the first pair of a band
    going: Array  # (sums, 2) int64: and at the others
    compensated: Array  # (sums,) int64: 1 where its runs are added with Kahan's compensation
    line: Array  # (sums,) int64: the first of its two lines, -1 for a map
    map: Array  # (sums,) int64
    size: Array  # (sums,) int64: numbers in its rows
    ahead: Array  # (sums,) int64: by how many numbers it must be ahead of its map
    unit: Array  # (maps,) real: what a map's sum is multiplied by, before its bias is added
    rest: Array  # (maps,) real: and what that misses of it
    bias: Array  # (maps,) float64
    total: Array  # (maps,) float64: what the weights of a map sum to
    low: Array  # (maps,) int64: the least that a sum of int16 can be


class Scratch(NamedTuple):
    """Memory of one band."""

    lines: Array  # (lines * width,) number: padded rows recently used, then what sums gave
    width: int
    held: Array  # (planes * slots,) int64: image row in each line
    at: Array  # (rows,) int64: line of each row under the kernel, then of each line that sums gave
    place: Array  # (taps,) int64: where in ``lines`` each tap reads
    done: Array  # (sums,) int64: numbers of its two rows that a sum has given
    spare: Array  # (2, output row or strip) of the output's type
    streamed: int  # 1 where maps are too large to stay in the cache, and their rows begin where a line of it does


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


def deal_middle(source, columns, line, size):
    """Deal groups of an image row by turns to the two places of a line; return which numbers of each are done."""
    group = columns.group
    before = columns.left.size * columns.pixel // group  # groups before the middle
    first = (before + 1) // 2 * group
    x, last = first * 2 - before * group, first
    while x + STRIP // 2 <= columns.middle:
        if group == 1:
            last += deal(source, x, line, last, last + size, 1)
        elif group == 3:
            last += deal(source, x, line, last, last + size, 3)
        elif group == 4:
            last += deal(source, x, line, last, last + size, 4)
        else:
            break
        x = last * 2 - before * group
    return first, last


def sort_row(source, columns, constant, line):
    """The same, sorted by the place of each pixel within a step, so that strided taps read without gaps."""
    size = columns.number.size // columns.step  # numbers of each place
    first, last = (0, 0) if columns.step != 2 else deal_middle(source, columns, line, size)
    for place in range(columns.step):
        for begin, end in ((0, first), (last, size)):
            number, target = columns.number[place * size + begin : place * size + end], line[place * size + begin :]
            for x in range(number.size):
                target[x] = pick(source, pick(number, x))
    for i in range(columns.blank.size):
        line[columns.blank[i]] = constant


def load_rows(planes, y, rows, columns, constant, offset, scratch):
    """Bring the rows under the kernel at output rows y and y + hop to their lines, less the offset, unless they are there."""
    padded = (columns.left.size + columns.right.size) * columns.pixel + columns.middle
    filled = columns.number.size if columns.number.size else padded
    for p in range(planes.shape[0]):
        for k in range(rows.under):
            row = y * rows.stride + (k + (rows.skipped if k >= rows.near else 0)) * rows.dilation - rows.above
            if row < 0 or row >= rows.source.size:  # of a second row that there is not
                continue
            source = rows.source[row]
            line = p * rows.slots + rows.slot[row]
            scratch.at[p * rows.under + k] = line
            if scratch.held[line] == source:
                continue
            scratch.held[line] = source
            numbers = scratch.lines[line * scratch.width : (line + 1) * scratch.width]
            if source < 0:
                numbers[:] = constant
            elif columns.number.size == 0:
                pad_row(planes[p, source], columns, constant, numbers)
            else:
                sort_row(planes[p, source], columns, constant, numbers)
            if offset != 0:
                for x in range(filled):
                    numbers[x] -= offset


def add_run(sums, r, scratch, x, first, second):
    """Add a run of taps to the strips of both rows of a pair."""
    kind = pick(sums.kind, r)
    for t in range(pick(sums.tap, r), pick(sums.tap, r + 1)):
        part = load(scratch.lines, pick(scratch.place, t) + x)
        if kind != SECOND:
            first = mul_add(part, pick(sums.first_weight, t), first)
        if kind != FIRST:
            second = mul_add(part, pick(sums.second_weight, t), second)
    return first, second


def sum_strips(sums, s, runs, scratch, x):
    """Both rows of sum s, the strips at x.

    A plain float32 sum of the 1,046,529 taps of a mean over 1023 x 1023 pixels of level 254 comes out as 255.26. Long sums
    are made of short ones, added with Kahan's compensation (doi:10.1145/363707.363723).
    """
    zero = fill(scratch.lines.dtype.type(0))
    first = second = zero
    if sums.compensated[s]:
        lost_first = lost_second = zero
        for r in range(runs[0], runs[1]):
            more_first, more_second = add_run(sums, r, scratch, x, zero, zero)
            wanted = minus(more_first, lost_first)
            reached = plus(first, wanted)
            lost_first = finite(minus(minus(reached, first), wanted))  # infinity minus infinity is no rounding
            first = reached
            wanted = minus(more_second, lost_second)
            reached = plus(second, wanted)
            lost_second = finite(minus(minus(reached, second), wanted))
            second = reached
    else:
        for r in range(runs[0], runs[1]):
            first, second = add_run(sums, r, scratch, x, first, second)
    return first, second


def sum_to_lines(sums, s, runs, end, scratch):
    """Bring sum s to its lines, until so many numbers of its rows are done."""
    first_line = scratch.lines[sums.line[s] * scratch.width :]
    second_line = first_line[scratch.width :]
    x = scratch.done[s]
    while x < end:
        first, second = sum_strips(sums, s, runs, scratch, x)
        store(first, first_line, x)
        store(second, second_line, x)
        x += STRIP // scratch.lines.itemsize
    scratch.done[s] = x


def split(number, real):
    """A float64 as a real number, and what that misses of it."""
    near = real(number)
    rest = real(number - float(near))
    return near, rest if rest - rest == 0 else real(0)  # infinity has no rest


def sum_to_map(sums, s, runs, end, offset, scratch, first_out, second_out):
    """Bring sum s to two rows of its map, until so many numbers are done. The last strip ends with the row."""
    size = STRIP // scratch.lines.itemsize
    last = max(sums.size[s] - size, 0)
    bias, low = sums.bias[sums.map[s]], sums.low[sums.map[s]]
    if offset != 0:  # else the total may be infinite
        bias += offset * sums.total[sums.map[s]]
    unit, rest = sums.unit[sums.map[s]], sums.rest[sums.map[s]]
    bias, more = split(bias, sums.unit.dtype.type)
    begin = more if offset != 0 else bias
    x = scratch.done[s]
    while x < end:
        first, second = sum_strips(sums, s, runs, scratch, min(x, last))
        if rest != 0:
            first, second = scaled_by_two(first, unit, rest, begin, low), scaled_by_two(second, unit, rest, begin, low)
        else:
            first, second = scaled(first, unit, begin, low), scaled(second, unit, begin, low)
        if offset != 0:  # what it gives may be much larger than what the sum is
            first, second = plus(first, bias), plus(second, bias)
        if scratch.streamed and x <= last:
            stream(first, first_out, x)
            stream(second, second_out, x)
        else:
            store(first, first_out, min(x, last))
            store(second, second_out, min(x, last))
        x += size
    scratch.done[s] = x


def sum_pair(sums, chosen, y, second, offset, scratch, out):
    """All sums at output rows y and ``second``, which is -1 where there is none: its numbers are thrown away."""
    scratch.done[:] = 0
    size = out.shape[2]
    narrow = size < STRIP // scratch.lines.itemsize
    for x in range(0, size, CHUNK):
        for s in range(sums.line.size):
            end = min(sums.size[s], x + CHUNK + sums.ahead[s])
            if sums.line[s] >= 0:
                sum_to_lines(sums, s, chosen[s], end, scratch)
                continue
            first_out = scratch.spare[0] if narrow else out[sums.map[s], y]
            second_out = scratch.spare[1] if narrow or second < 0 else out[sums.map[s], second]
            sum_to_map(sums, s, chosen[s], end, offset, scratch, first_out, second_out)
            for i in range(size if narrow else 0):
                out[sums.map[s], y, i] = first_out[i]
                if second >= 0:
                    out[sums.map[s], second, i] = second_out[i]


def correlate(planes, rows, columns, sums, constant, offset, band, scratch, out):
    """Slide every map over output rows band[0] .. band[1] of planes (P, H, numbers), into out (maps, H', n).

    The offset is taken from every sample, so that rounding is small, and what it gives is added to every sum.
    out is real, or of an integer type that each strip is rounded to. band[0] is the first row of a pair.
    """
    scratch.held[:] = -2
    for base in range(band[0], band[1], 2 * rows.hop):
        for y in range(base, min(base + rows.hop, band[1])):
            load_rows(planes, y, rows, columns, constant, offset, scratch)
            for t in range(sums.row.size):
                scratch.place[t] = scratch.at[sums.row[t]] * scratch.width + sums.start[t]
            second = y + rows.hop if y + rows.hop < band[1] else -1
            sum_pair(sums, sums.opening if base == band[0] else sums.going, y, second, offset, scratch, out)
