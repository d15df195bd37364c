"""Loops for layers of many channels: six maps at a time share what they read, or every plane has its own. The same rules hold
as for ``loops``.

The padded rows of a plane stand one after the other, so that a strip may run over the end of one row to the next: what it sums
there is thrown away. For a stride, rows and columns are dealt out to as many planes, each of which is read without gaps.
"""

from typing import NamedTuple

from ..simd.reference import STRIP, Array, fill, half, half_of, load, mul_add, pick, plus, store
from .correlate import split

SHARED = 6
"""Maps that share what they read: twelve registers of sums, two of numbers and one of a weight are within the 16 of AVX2."""


class Volume(NamedTuple):
    """How planes are laid, and the taps that read them."""

    row: Array  # (padded rows,) int64: image row, -1 for the constant
    column: Array  # (padded columns,) int64
    before: int  # padded columns before the image's
    row_stride: int
    column_stride: int
    high: int  # padded rows under the kernel at one output row
    width: int  # numbers in a row of a laid plane
    plane: Array  # (taps,) int64: which of the planes laid a tap reads
    down: Array  # (taps,) int64: rows below the output row's
    along: Array  # (taps,) int64: numbers beside the output's
    weight: Array  # (maps * taps,) real
    deep: int  # taps that are summed before the next strip
    bias: Array  # (maps,) float64
    total: Array  # (maps,) float64: what the weights of a map sum to


class Room(NamedTuple):
    """Memory for a block of output rows."""

    laid: Array  # (planes laid * rows * width,) real
    rows: int  # of each plane laid
    place: Array  # (taps,) int64: where each tap reads
    total: Array  # (6 * positions,) real: sums


def lay_row(source, column, before, stride, phase, constant, offset, line):
    """Deal out every so many-th number of a padded image row, less the offset; the constant is so already."""
    count = (column.size - phase + stride - 1) // stride
    inside = 0
    if stride == 1:  # what is not border is copied in one go
        inside = min(source.size, count - before)
        middle, numbers = line[before : before + inside], source[:inside]
        for x in range(inside):
            middle[x] = numbers[x] - offset
    for x in range(count - inside):
        to = x if x < before else x + inside
        at = column[to * stride + phase]
        line[to] = source[at] - offset if at >= 0 else constant


def lay_block(planes, volume, begin, end, constant, offset, room):
    """Lay what output rows begin .. end read."""
    steps = volume.row_stride, volume.column_stride
    for p in range(planes.shape[0]):
        for i in range((end - begin - 1) * steps[0] + volume.high):
            row = volume.row[begin * steps[0] + i]
            for phase in range(steps[1]):
                plane = (p * steps[0] + i % steps[0]) * steps[1] + phase
                at = (plane * room.rows + i // steps[0]) * volume.width
                line = room.laid[at : at + volume.width]
                if row >= 0:
                    lay_row(planes[p, row], volume.column, volume.before, steps[1], phase, constant, offset, line)
                else:
                    line[:] = constant


def sum_shared(volume, room, first, begin, end, x, size, maps):
    """Add taps begin .. end, at half a strip of positions, to the sums of maps first, first + 1 .. The last map stands in for
    those that there are not.
    """
    total, weight, taps, last = room.total, volume.weight, volume.plane.size, maps - 1
    wa = first * taps
    wb = min(first + 1, last) * taps
    wc = min(first + 2, last) * taps
    wd = min(first + 3, last) * taps
    we = min(first + 4, last) * taps
    wf = min(first + 5, last) * taps
    a = b = c = d = e = f = half_of(total.dtype.type(0))
    for t in range(begin, end):
        part = half(room.laid, pick(room.place, t) + x)
        a = mul_add(part, pick(weight, wa + t), a)
        b = mul_add(part, pick(weight, wb + t), b)
        c = mul_add(part, pick(weight, wc + t), c)
        d = mul_add(part, pick(weight, wd + t), d)
        e = mul_add(part, pick(weight, we + t), e)
        f = mul_add(part, pick(weight, wf + t), f)
    store(plus(half(total, x), a), total, x)
    store(plus(half(total, size + x), b), total, size + x)
    store(plus(half(total, 2 * size + x), c), total, 2 * size + x)
    store(plus(half(total, 3 * size + x), d), total, 3 * size + x)
    store(plus(half(total, 4 * size + x), e), total, 4 * size + x)
    store(plus(half(total, 5 * size + x), f), total, 5 * size + x)


def added(volume, room, m, offset):
    """What is added to the sums of a map, when they are small no more: its bias, and what the offset gives."""
    bias = volume.bias[m]
    if offset != 0:  # else the total may be infinite
        bias += offset * volume.total[m]
    return split(bias, room.total.dtype.type)


def sum_block(volume, room, begin, end, offset, out):
    """All maps at output rows begin .. end."""
    taps, lanes = volume.plane.size, STRIP // 2 // room.total.itemsize
    size = room.total.size // SHARED
    positions = (end - begin - 1) * volume.width + out.shape[2]
    for first in range(0, out.shape[0], SHARED):
        zero = fill(room.total.dtype.type(0))
        for i in range(SHARED):
            for x in range(0, positions, lanes):
                store(zero, room.total, i * size + x)
        for t in range(0, taps, volume.deep):
            for x in range(0, positions, lanes):
                sum_shared(volume, room, first, t, min(t + volume.deep, taps), x, size, out.shape[0])
        for m in range(first, min(first + SHARED, out.shape[0])):
            bias, more = added(volume, room, m, offset)
            for y in range(begin, end):
                at = (m - first) * size + (y - begin) * volume.width
                line, row = room.total[at : at + out.shape[2]], out[m, y]
                for x in range(row.size):
                    row[x] = line[x] + more + bias


def correlate_maps(planes, volume, constant, offset, band, block, room, out):
    """Slide all maps over output rows band[0] .. band[1] of planes (P, H, W), into out (maps, H', W'), in blocks of rows."""
    for t in range(volume.plane.size):
        room.place[t] = (volume.plane[t] * room.rows + volume.down[t]) * volume.width + volume.along[t]
    for begin in range(band[0], band[1], block):
        end = min(begin + block, band[1])
        lay_block(planes, volume, begin, end, constant, offset, room)
        sum_block(volume, room, begin, end, offset, out)


def sum_plane(volume, room, m, positions, offset):
    """The sums of one map at all positions of a block."""
    weights = volume.weight[m * volume.plane.size : (m + 1) * volume.plane.size]
    zero = fill(room.total.dtype.type(0))
    bias, more = added(volume, room, m, offset)
    for x in range(0, positions, STRIP // room.total.itemsize):
        total = zero
        for t in range(weights.size):
            total = mul_add(load(room.laid, pick(room.place, t) + x), pick(weights, t), total)
        if offset != 0:
            total = plus(total, more)
        store(plus(total, bias), room.total, x)


def correlate_each(planes, volume, constant, offset, band, block, room, out):
    """Slide the maps of each of the planes band[0] .. band[1] of (P, H, W) over that alone, into out (P * n, H', W')."""
    count, high = out.shape[0] // planes.shape[0], out.shape[1]
    for t in range(volume.plane.size):
        room.place[t] = (volume.plane[t] * room.rows + volume.down[t]) * volume.width + volume.along[t]
    for p in range(band[0], band[1]):
        for begin in range(0, high, block):
            end = min(begin + block, high)
            lay_block(planes[p : p + 1], volume, begin, end, constant, offset, room)
            for m in range(p * count, (p + 1) * count):
                sum_plane(volume, room, m, (end - begin - 1) * volume.width + out.shape[2], offset)
                for y in range(begin, end):
                    line, row = room.total[(y - begin) * volume.width :], out[m, y]
                    for x in range(row.size):
                        row[x] = line[x]
