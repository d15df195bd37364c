"""Loops for layers of many channels: six maps at a time share what they read, or every plane has its own. The same rules hold
as for ``correlate``.

The padded rows of a plane stand one after the other, so that a vector may run over the end of one row to the next: what it sums
there is thrown away. For a stride, rows and columns are dealt out to as many planes, each of which is read without gaps.
"""

from typing import NamedTuple

from ..simd.reference import VECTOR_BYTES, Array, add, broadcast, broadcast_half, half, item, load, multiply_add, store
from .correlate import split

SHARED = 6
"""Maps that share what they read: twelve registers of sums, two of numbers and one of a weight are within the 16 of AVX2."""


class LayerTables(NamedTuple):
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
    deep: int  # taps that are summed before the next vector
    bias: Array  # (maps,) float64
    total: Array  # (maps,) float64: what the weights of a map sum to


class Buffers(NamedTuple):
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


def lay_block(planes, tables, begin, end, constant, offset, buffers):
    """Lay what output rows begin .. end read."""
    steps = tables.row_stride, tables.column_stride
    for p in range(planes.shape[0]):
        for i in range((end - begin - 1) * steps[0] + tables.high):
            row = tables.row[begin * steps[0] + i]
            for phase in range(steps[1]):
                plane = (p * steps[0] + i % steps[0]) * steps[1] + phase
                at = (plane * buffers.rows + i // steps[0]) * tables.width
                line = buffers.laid[at : at + tables.width]
                if row >= 0:
                    lay_row(planes[p, row], tables.column, tables.before, steps[1], phase, constant, offset, line)
                else:
                    line[:] = constant


def sum_shared(tables, buffers, first, begin, end, x, size, maps):
    """Add taps begin .. end, at half a vector of positions, to the sums of maps first, first + 1 .. The last map stands in for
    those that there are not.
    """
    total, weight, taps, last = buffers.total, tables.weight, tables.plane.size, maps - 1
    wa = first * taps
    wb = min(first + 1, last) * taps
    wc = min(first + 2, last) * taps
    wd = min(first + 3, last) * taps
    we = min(first + 4, last) * taps
    wf = min(first + 5, last) * taps
    a = b = c = d = e = f = broadcast_half(total.dtype.type(0))
    for t in range(begin, end):
        part = half(buffers.laid, item(buffers.place, t) + x)
        a = multiply_add(part, item(weight, wa + t), a)
        b = multiply_add(part, item(weight, wb + t), b)
        c = multiply_add(part, item(weight, wc + t), c)
        d = multiply_add(part, item(weight, wd + t), d)
        e = multiply_add(part, item(weight, we + t), e)
        f = multiply_add(part, item(weight, wf + t), f)
    store(add(half(total, x), a), total, x)
    store(add(half(total, size + x), b), total, size + x)
    store(add(half(total, 2 * size + x), c), total, 2 * size + x)
    store(add(half(total, 3 * size + x), d), total, 3 * size + x)
    store(add(half(total, 4 * size + x), e), total, 4 * size + x)
    store(add(half(total, 5 * size + x), f), total, 5 * size + x)


def added(tables, buffers, m, offset):
    """What is added to the sums of a map, when they are small no more: its bias, and what the offset gives."""
    bias = tables.bias[m]
    if offset != 0:  # else the total may be infinite
        bias += offset * tables.total[m]
    return split(bias, buffers.total.dtype.type)


def sum_block(tables, buffers, begin, end, offset, out):
    """All maps at output rows begin .. end."""
    taps, lanes = tables.plane.size, VECTOR_BYTES // 2 // buffers.total.itemsize
    size = buffers.total.size // SHARED
    positions = (end - begin - 1) * tables.width + out.shape[2]
    for first in range(0, out.shape[0], SHARED):
        zero = broadcast(buffers.total.dtype.type(0))
        for i in range(SHARED):
            for x in range(0, positions, lanes):
                store(zero, buffers.total, i * size + x)
        for t in range(0, taps, tables.deep):
            for x in range(0, positions, lanes):
                sum_shared(tables, buffers, first, t, min(t + tables.deep, taps), x, size, out.shape[0])
        for m in range(first, min(first + SHARED, out.shape[0])):
            bias, more = added(tables, buffers, m, offset)
            for y in range(begin, end):
                at = (m - first) * size + (y - begin) * tables.width
                line, row = buffers.total[at : at + out.shape[2]], out[m, y]
                for x in range(row.size):
                    row[x] = line[x] + more + bias


def correlate_maps(planes, tables, constant, offset, band, block, buffers, out):
    """Slide all maps over output rows band[0] .. band[1] of planes (P, H, W), into out (maps, H', W'), in blocks of rows."""
    for t in range(tables.plane.size):
        buffers.place[t] = (tables.plane[t] * buffers.rows + tables.down[t]) * tables.width + tables.along[t]
    for begin in range(band[0], band[1], block):
        end = min(begin + block, band[1])
        lay_block(planes, tables, begin, end, constant, offset, buffers)
        sum_block(tables, buffers, begin, end, offset, out)


def sum_plane(tables, buffers, m, positions, offset):
    """The sums of one map at all positions of a block."""
    weights = tables.weight[m * tables.plane.size : (m + 1) * tables.plane.size]
    zero = broadcast(buffers.total.dtype.type(0))
    bias, more = added(tables, buffers, m, offset)
    for x in range(0, positions, VECTOR_BYTES // buffers.total.itemsize):
        total = zero
        for t in range(weights.size):
            total = multiply_add(load(buffers.laid, item(buffers.place, t) + x), item(weights, t), total)
        if offset != 0:
            total = add(total, more)
        store(add(total, bias), buffers.total, x)


def correlate_each(planes, tables, constant, offset, band, block, buffers, out):
    """Slide the maps of each of the planes band[0] .. band[1] of (P, H, W) over that alone, into out (P * n, H', W')."""
    count, high = out.shape[0] // planes.shape[0], out.shape[1]
    for t in range(tables.plane.size):
        buffers.place[t] = (tables.plane[t] * buffers.rows + tables.down[t]) * tables.width + tables.along[t]
    for p in range(band[0], band[1]):
        for begin in range(0, high, block):
            end = min(begin + block, high)
            lay_block(planes[p : p + 1], tables, begin, end, constant, offset, buffers)
            for m in range(p * count, (p + 1) * count):
                sum_plane(tables, buffers, m, (end - begin - 1) * tables.width + out.shape[2], offset)
                for y in range(begin, end):
                    line, row = buffers.total[(y - begin) * tables.width :], out[m, y]
                    for x in range(row.size):
                        row[x] = line[x]
