"""Loops for layers of many channels: six maps share each vector that is loaded, or every plane has maps of its own.

The padded rows of a plane are stored one after the other, so that a vector may run over the end of a row into the next; the
sums there are discarded. With a stride, rows and columns are split into stride * stride planes by their phase, each of which
is read without gaps. The rules of ``correlate`` hold here too.
"""

from typing import NamedTuple

from ..simd.reference import VECTOR_BYTES, Array, add, broadcast, broadcast_half, half, item, load, multiply_add, store
from .correlate import split

MAPS_TOGETHER = 6
"""Maps summed together: twelve registers of sums, two of samples and one of a weight fit in the 16 of AVX2."""


class LayerTables(NamedTuple):
    """How image planes are copied into scratch planes, one for each phase of the stride, and the taps that read them."""

    row: Array  # (padded rows,) int64: image row, -1 for the constant
    column: Array  # (padded columns,) int64
    before: int  # padded columns before those of the image
    row_stride: int
    column_stride: int
    extent: int  # padded rows under the kernel at one output row
    width: int  # samples in a row of a scratch plane
    plane: Array  # (taps,) int64: scratch plane that a tap reads
    down: Array  # (taps,) int64: rows below the row of the output
    along: Array  # (taps,) int64: samples to the right of the output
    weight: Array  # (maps * taps,) real
    depth: int  # taps summed for all positions of a block before the next ones
    bias: Array  # (maps,) float64
    weight_sum: Array  # (maps,) float64: sum of the weights of a map


class Buffers(NamedTuple):
    """Memory for a block of output rows."""

    samples: Array  # (scratch planes * rows * width,) real
    rows: int  # of each scratch plane
    tap_offset: Array  # (taps,) int64: index in ``samples`` that each tap reads
    total: Array  # (6 * positions,) real: sums


def copy_row(source, column, before, stride, phase, constant, offset, line):
    """Copy every stride-th sample of a padded image row, from ``phase`` on, minus the offset (the constant has it already)."""
    count = (column.size - phase + stride - 1) // stride
    inside = 0
    if stride == 1:  # all samples between the borders are contiguous
        inside = min(source.size, count - before)
        middle, samples = line[before : before + inside], source[:inside]
        for x in range(inside):
            middle[x] = samples[x] - offset
    for i in range(count - inside):
        x = i if i < before else i + inside
        source_x = column[x * stride + phase]
        line[x] = source[source_x] - offset if source_x >= 0 else constant


def copy_block(planes, tables, begin, end, constant, offset, buffers):
    """Copy the padded rows that output rows begin .. end read."""
    steps = tables.row_stride, tables.column_stride
    for p in range(planes.shape[0]):
        for i in range((end - begin - 1) * steps[0] + tables.extent):
            row = tables.row[begin * steps[0] + i]
            for phase in range(steps[1]):
                plane = (p * steps[0] + i % steps[0]) * steps[1] + phase
                start = (plane * buffers.rows + i // steps[0]) * tables.width
                line = buffers.samples[start : start + tables.width]
                if row >= 0:
                    copy_row(planes[p, row], tables.column, tables.before, steps[1], phase, constant, offset, line)
                else:
                    line[:] = constant


def sum_six_maps(tables, buffers, first, begin, end, x, size, maps):
    """Add taps begin .. end, at half a vector of positions, to the sums of maps first .. first + 5.

    Where there are fewer maps, the last one is summed again in place of the missing ones.
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
        samples = half(buffers.samples, item(buffers.tap_offset, t) + x)
        a = multiply_add(samples, item(weight, wa + t), a)
        b = multiply_add(samples, item(weight, wb + t), b)
        c = multiply_add(samples, item(weight, wc + t), c)
        d = multiply_add(samples, item(weight, wd + t), d)
        e = multiply_add(samples, item(weight, we + t), e)
        f = multiply_add(samples, item(weight, wf + t), f)
    store(add(half(total, x), a), total, x)
    store(add(half(total, size + x), b), total, size + x)
    store(add(half(total, 2 * size + x), c), total, 2 * size + x)
    store(add(half(total, 3 * size + x), d), total, 3 * size + x)
    store(add(half(total, 4 * size + x), e), total, 4 * size + x)
    store(add(half(total, 5 * size + x), f), total, 5 * size + x)


def addend(tables, buffers, m, offset):
    """Return what is added to the finished sums of a map, as ``split``: its bias, and the offset times its weights."""
    bias = tables.bias[m]
    if offset != 0:  # else the total may be infinite
        bias += offset * tables.weight_sum[m]
    return split(bias, buffers.total.dtype.type)


def sum_block(tables, buffers, begin, end, offset, out):
    """Compute output rows begin .. end of all maps."""
    taps, lanes = tables.plane.size, VECTOR_BYTES // 2 // buffers.total.itemsize
    size = buffers.total.size // MAPS_TOGETHER
    positions = (end - begin - 1) * tables.width + out.shape[2]
    for first in range(0, out.shape[0], MAPS_TOGETHER):
        zero = broadcast(buffers.total.dtype.type(0))
        for i in range(MAPS_TOGETHER):
            for x in range(0, positions, lanes):
                store(zero, buffers.total, i * size + x)
        for t in range(0, taps, tables.depth):
            for x in range(0, positions, lanes):
                sum_six_maps(tables, buffers, first, t, min(t + tables.depth, taps), x, size, out.shape[0])
        for m in range(first, min(first + MAPS_TOGETHER, out.shape[0])):
            bias, bias_rest = addend(tables, buffers, m, offset)
            for y in range(begin, end):
                start = (m - first) * size + (y - begin) * tables.width
                line, row = buffers.total[start : start + out.shape[2]], out[m, y]
                for x in range(row.size):
                    row[x] = line[x] + bias_rest + bias


def correlate_maps(planes, tables, constant, offset, band, block, buffers, out):
    """Compute output rows band[0] .. band[1] of all maps of planes (P, H, W), into out (maps, H', W'), in blocks of rows."""
    for t in range(tables.plane.size):
        buffers.tap_offset[t] = (tables.plane[t] * buffers.rows + tables.down[t]) * tables.width + tables.along[t]
    for begin in range(band[0], band[1], block):
        end = min(begin + block, band[1])
        copy_block(planes, tables, begin, end, constant, offset, buffers)
        sum_block(tables, buffers, begin, end, offset, out)


def sum_plane(tables, buffers, m, positions, offset):
    """Compute the sums of one map at all positions of a block."""
    weights = tables.weight[m * tables.plane.size : (m + 1) * tables.plane.size]
    zero = broadcast(buffers.total.dtype.type(0))
    bias, bias_rest = addend(tables, buffers, m, offset)
    for x in range(0, positions, VECTOR_BYTES // buffers.total.itemsize):
        total = zero
        for t in range(weights.size):
            total = multiply_add(load(buffers.samples, item(buffers.tap_offset, t) + x), item(weights, t), total)
        if offset != 0:
            total = add(total, bias_rest)
        store(add(total, bias), buffers.total, x)


def correlate_each(planes, tables, constant, offset, band, block, buffers, out):
    """Compute the n maps of each of planes band[0] ..

    band[1] of (P, H, W), which read that plane alone: out (P * n, H', W').
    """
    count, out_rows = out.shape[0] // planes.shape[0], out.shape[1]
    for t in range(tables.plane.size):
        buffers.tap_offset[t] = (tables.plane[t] * buffers.rows + tables.down[t]) * tables.width + tables.along[t]
    for p in range(band[0], band[1]):
        for begin in range(0, out_rows, block):
            end = min(begin + block, out_rows)
            copy_block(planes[p : p + 1], tables, begin, end, constant, offset, buffers)
            for m in range(p * count, (p + 1) * count):
                sum_plane(tables, buffers, m, (end - begin - 1) * tables.width + out.shape[2], offset)
                for y in range(begin, end):
                    line, row = buffers.total[(y - begin) * tables.width :], out[m, y]
                    for x in range(row.size):
                        row[x] = line[x]
