"""Loops for layers of many channels: six maps share each vector that is loaded, or every plane has maps of its own.

The padded rows of a plane are stored one after the other. With a stride, rows and columns are split into stride * stride planes
by their phase, each of which is read without gaps. Layers of many maps are products of matrices (im2col): the samples under
each tap, at neighbouring outputs, are packed one after the other, a panel of half a vector of outputs at a time, which may
extend over the end of an output row. Depthwise layers read the padded rows directly; a vector may run over the end of a row
into the next, and the sums there are discarded. The rules of ``correlate`` hold here too.
"""

from typing import Any, NamedTuple

from ..simd.reference import (
    VECTOR_BYTES,
    Array,
    add,
    broadcast,
    broadcast_half,
    half,
    item,
    load,
    maximum_or_nan,
    multiply_add,
    split_quarters,
    store,
)
from .correlate import split

MAPS_TOGETHER = 6
"""Maps summed together: twelve registers of sums, two of samples and one of a weight fit in the 16 of AVX2."""

PANELS = 8
"""Panels of outputs that are packed together, so that the weights are read from the L3 cache once for all of them."""


class LayerTables(NamedTuple):
    """How image planes are copied into scratch planes, one for each phase of the stride, and the taps that read them."""

    image_rows: int
    image_columns: int
    row: Array  # (padded rows,) int64: image row, -1 for the constant
    column: Array  # (padded columns,) int64
    before: int  # padded columns before those of the image
    copies_border: int  # whether some of the others are not the constant
    row_stride: int
    column_stride: int
    extent: int  # padded rows under the kernel at one output row
    width: int  # samples in a row of a scratch plane
    out_columns: int
    plane: Array  # (taps,) int64: scratch plane that a tap reads
    down: Array  # (taps,) int64: rows below the row of the output
    along: Array  # (taps,) int64: samples to the right of the output
    weight: Array  # (maps * taps,) real, or as ``pack_weights`` orders them
    depth: int  # taps summed before the next ones
    bias: Array  # (maps,) float64
    weight_sum: Array  # (maps,) float64: sum of the weights of a map
    in_place: int  # whether taps read the image planes themselves, each one row, and no copies
    floor: Any  # real: results below are replaced by it: 0 for rectified maps, else -inf


class Buffers(NamedTuple):
    """Memory for a block of outputs."""

    samples: Array  # (scratch planes * rows * width + a vector,) real
    rows: int  # of each scratch plane
    line: Array  # (width * stride + four vectors,) real: a padded row before it is split by the phases of the stride
    tap_offset: Array  # (taps,) int64: index in ``samples`` that each tap reads
    packed: Array  # (depth * panels * lanes + lanes,) real: samples in the order in which they are multiplied
    total: Array  # (maps * panels * lanes,) real: sums


def copy_row(planes, source, tables, constant, target, start, lanes):
    """Copy an image row, from sample ``source`` of the planes on, with its padding to a padded row at ``start``.

    Half a vector, ``lanes``, is stored at a time. What it writes beyond the end, up to the next row, is replaced by the
    constant, which is there already on the other side.
    """
    column, before = tables.column, tables.before
    inside, begin = min(tables.image_columns, column.size - before), start + before
    x = 0
    while x < inside:  # a range with a step divides, which takes as long as a row of 14 samples
        if source + x + lanes <= planes.size:  # nothing beyond the last plane is read
            store(half(planes, source + x), target, begin + x)
        else:
            for i in range(x, inside):
                target[begin + i] = item(planes, source + i)
        x += lanes
    store(broadcast_half(constant), target, begin + inside)
    if tables.copies_border:
        for i in range(column.size - inside):
            x = i if i < before else i + inside
            source_x = column[x]
            target[start + x] = item(planes, source + source_x) if source_x >= 0 else constant


def split_row(line, width, stride, samples, start, step):
    """Copy every stride-th number of a line to ``width`` samples at start, from the next number on to start + step, and so on.

    Up to a quarter vector is written beyond each end: a later row, or an unused one, is there.
    """
    lanes = VECTOR_BYTES // 4 // line.itemsize
    if stride == 2:
        for x in range(0, width, lanes):
            split_quarters(line, 2 * x, 2, samples, start + x, step)
    elif stride == 4:
        for x in range(0, width, lanes):
            split_quarters(line, 4 * x, 4, samples, start + x, step)
    else:
        for phase in range(stride):
            phase_of_line, target = line[phase:], samples[start + phase * step : start + phase * step + width]
            for x in range(width):
                target[x] = item(phase_of_line, x * stride)


def copy_block(planes, first_plane, count, tables, begin, end, constant, buffers):
    """Copy the padded rows of ``count`` planes that output rows begin .. end read. ``planes`` are flat: (P * H * W,)."""
    steps = tables.row_stride, tables.column_stride
    step, lanes = buffers.rows * tables.width, VECTOR_BYTES // 2 // buffers.samples.itemsize
    for p in range(count):
        phase, down = 0, 0
        for i in range((end - begin - 1) * steps[0] + tables.extent):
            row = tables.row[begin * steps[0] + i]
            start = (p * steps[0] + phase) * steps[1] * step + down * tables.width
            phase += 1
            if phase == steps[0]:
                phase, down = 0, down + 1
            target, first = (buffers.line, 0) if steps[1] > 1 else (buffers.samples, start)
            if row >= 0:
                source = ((first_plane + p) * tables.image_rows + row) * tables.image_columns
                copy_row(planes, source, tables, constant, target, first, lanes)
            else:
                target[first : first + tables.width * steps[1]] = constant
            if steps[1] > 1:
                split_row(buffers.line, tables.width, steps[1], buffers.samples, start, step)


def pack_weights(weight, depth, out):
    """Order weights (maps, taps): ``depth`` taps after the other, for six maps after the other; 0 where there is no map."""
    maps, taps = weight.shape
    i = 0
    for begin in range(0, taps, depth):
        for first in range(0, maps, MAPS_TOGETHER):
            for t in range(begin, min(begin + depth, taps)):
                for m in range(first, first + MAPS_TOGETHER):
                    out[i] = weight[m, t] if m < maps else 0
                    i += 1


def set_tap_offsets(tables, buffers):
    """Compute the index of the sample that each tap reads at the first output of a block."""
    for t in range(tables.plane.size):
        buffers.tap_offset[t] = (tables.plane[t] * buffers.rows + tables.down[t]) * tables.width + tables.along[t]


def pack_panel(tables, buffers, begin, end, row, x, count, start):
    """Pack the samples under taps begin .. end at ``count`` outputs from column x of a row of the block on.

    Half a vector is stored for each output row; the next row, or the next tap, overwrites what is beyond its end.
    """
    lanes, columns, samples = VECTOR_BYTES // 2 // buffers.packed.itemsize, tables.out_columns, buffers.samples
    for t in range(begin, end):
        source, target = item(buffers.tap_offset, t) + row * tables.width, start + (t - begin) * lanes
        store(half(samples, source + x), buffers.packed, target)
        filled = columns - x
        while filled < count:
            source += tables.width
            store(half(samples, source), buffers.packed, target + filled)
            filled += columns


def pack_in_place(tables, buffers, begin, end, x, start):
    """Pack the samples under taps begin .. end at half a vector of outputs from x on, of planes that are not copied.

    Beyond the end of a plane, its last sample is repeated: nothing beyond the last plane may be read.
    """
    lanes, samples, last = VECTOR_BYTES // 2 // buffers.packed.itemsize, buffers.samples, tables.out_columns - 1
    for t in range(begin, end):
        source, target = item(buffers.tap_offset, t), start + (t - begin) * lanes
        if x + lanes <= tables.out_columns:
            store(half(samples, source + x), buffers.packed, target)
        else:
            for i in range(lanes):
                buffers.packed[target + i] = item(samples, source + min(x + i, last))


def multiply_tile(weight, w, samples, x, depth, total, y, is_first):
    """Add the products of ``depth`` taps to the sums of six maps at a panel of outputs."""
    lanes = VECTOR_BYTES // 2 // total.itemsize
    a = b = c = d = e = f = broadcast_half(total.dtype.type(0))
    for t in range(depth):
        panel, i = half(samples, x + t * lanes), w + t * MAPS_TOGETHER
        a = multiply_add(panel, item(weight, i), a)
        b = multiply_add(panel, item(weight, i + 1), b)
        c = multiply_add(panel, item(weight, i + 2), c)
        d = multiply_add(panel, item(weight, i + 3), d)
        e = multiply_add(panel, item(weight, i + 4), e)
        f = multiply_add(panel, item(weight, i + 5), f)
    if not is_first:
        a = add(half(total, y), a)
        b = add(half(total, y + lanes), b)
        c = add(half(total, y + 2 * lanes), c)
        d = add(half(total, y + 3 * lanes), d)
        e = add(half(total, y + 4 * lanes), e)
        f = add(half(total, y + 5 * lanes), f)
    store(a, total, y)
    store(b, total, y + lanes)
    store(c, total, y + 2 * lanes)
    store(d, total, y + 3 * lanes)
    store(e, total, y + 4 * lanes)
    store(f, total, y + 5 * lanes)


def addend(tables, buffers, m, offset):
    """Return what is added to the finished sums of a map, as ``split``: its bias, and the offset times its weights."""
    bias = tables.bias[m]
    if offset != 0:  # else the total may be infinite
        bias += offset * tables.weight_sum[m]
    return split(bias, buffers.total.dtype.type)


def sum_panels(tables, buffers, first_row, begin, end, groups):
    """Sum all taps at outputs begin .. end, for the sixes of maps groups[0] .. groups[1]."""
    taps, lanes = tables.plane.size, VECTOR_BYTES // 2 // buffers.total.itemsize
    tile, all_groups = MAPS_TOGETHER * lanes, (tables.bias.size + MAPS_TOGETHER - 1) // MAPS_TOGETHER
    for t in range(0, max(taps, 1), tables.depth):  # without taps, all sums are 0
        depth = min(tables.depth, taps - t)
        for p in range(begin, end, lanes):
            start = (p - begin) * depth
            row = p // tables.out_columns
            x = p - row * tables.out_columns
            if tables.in_place:
                pack_in_place(tables, buffers, t, t + depth, x, start)
            else:
                pack_panel(tables, buffers, t, t + depth, row - first_row, x, min(lanes, end - p), start)
            total = (p - begin) // lanes * (groups[1] - groups[0]) * tile
            for g in range(groups[0], groups[1]):
                w = (t * all_groups + g * depth) * MAPS_TOGETHER
                multiply_tile(tables.weight, w, buffers.packed, start, depth, buffers.total, total, t == 0)
                total += tile


def write_panels(tables, buffers, begin, end, groups, offset, out):
    """Write the sums at outputs begin .. end of some sixes of maps, with their bias, to out (maps * outputs,)."""
    lanes, maps = VECTOR_BYTES // 2 // buffers.total.itemsize, tables.bias.size
    outputs, floor = out.size // maps, broadcast_half(tables.floor)
    for m in range(groups[0] * MAPS_TOGETHER, min(groups[1] * MAPS_TOGETHER, maps)):
        bias, bias_rest = addend(tables, buffers, m, offset)
        for p in range(begin, end, lanes):
            start = ((p - begin) // lanes * (groups[1] - groups[0]) * MAPS_TOGETHER + m - groups[0] * MAPS_TOGETHER) * lanes
            sums = maximum_or_nan(add(add(half(buffers.total, start), bias_rest), bias), floor)
            if p + lanes <= end:
                store(sums, out, m * outputs + p)
            else:
                store(sums, buffers.total, start)
                line, rest = out[m * outputs + p : m * outputs + end], buffers.total[start : start + lanes]
                for x in range(line.size):
                    line[x] = rest[x]


def correlate_maps(planes, tables, constant, offset, band, groups, block, buffers, out):
    """Compute outputs band[0] .. band[1] (row * columns + column) of some sixes of maps of planes (P * H * W,), in blocks."""
    columns, panels = tables.out_columns, PANELS * (VECTOR_BYTES // 2 // buffers.total.itemsize)
    count = planes.size // (tables.image_rows * tables.image_columns)
    set_tap_offsets(tables, buffers)
    for begin in range(band[0], band[1], block):
        end = min(begin + block, band[1])
        first_row = begin // columns
        if not tables.in_place:
            copy_block(planes, 0, count, tables, first_row, (end + columns - 1) // columns, constant, buffers)
        for first in range(begin, end, panels):
            last = min(first + panels, end)
            sum_panels(tables, buffers, first_row, first, last, groups)
            write_panels(tables, buffers, first, last, groups, offset, out)


def sum_plane(tables, buffers, m, positions, offset):
    """Compute the sums of one map at all positions of a block."""
    weights = tables.weight[m * tables.plane.size : (m + 1) * tables.plane.size]
    zero, floor = broadcast(buffers.total.dtype.type(0)), broadcast(tables.floor)
    bias, bias_rest = addend(tables, buffers, m, offset)
    for x in range(0, positions, VECTOR_BYTES // buffers.total.itemsize):
        total = zero
        for t in range(weights.size):
            total = multiply_add(load(buffers.samples, item(buffers.tap_offset, t) + x), item(weights, t), total)
        if offset != 0:
            total = add(total, bias_rest)
        store(maximum_or_nan(add(total, bias), floor), buffers.total, x)


def write_row(total, start, out, y, end, size, lanes):
    """Copy ``size`` sums to out at y, half a vector at a time, as far as ``end``: the next row overwrites what is too much."""
    x = 0
    while x < size:
        if y + x + lanes <= end:
            store(half(total, start + x), out, y + x)
        else:
            for i in range(x, size):
                out[y + i] = item(total, start + i)
        x += lanes


def correlate_each(planes, tables, constant, offset, band, block, buffers, out):
    """Compute the n maps of each of planes band[0] .. band[1] of (P * H * W,), which read that plane alone.

    out is (P * n * H' * W',).
    """
    lanes, columns, size = VECTOR_BYTES // 2 // buffers.total.itemsize, tables.out_columns, out.size // tables.bias.size
    count, out_rows = tables.bias.size * tables.image_rows * tables.image_columns // planes.size, size // columns
    set_tap_offsets(tables, buffers)
    for p in range(band[0], band[1]):
        for begin in range(0, out_rows, block):
            end = min(begin + block, out_rows)
            copy_block(planes, p, 1, tables, begin, end, constant, buffers)
            for m in range(p * count, (p + 1) * count):
                sum_plane(tables, buffers, m, (end - begin - 1) * tables.width + columns, offset)
                for y in range(begin, end):
                    start = m * size + y * columns
                    write_row(buffers.total, (y - begin) * tables.width, out, start, (m + 1) * size, columns, lanes)
