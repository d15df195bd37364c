"""The loops for kernels of equal weights: sums of windows, in a time that hardly depends on the size of the window.

``box_sums_of_levels`` sums integers exactly. Sums down the columns of the window, and sums along a row of those, are updated:
plus what enters the window, minus what leaves it.

``box_sums_of_reals`` never subtracts, as rounding errors would accumulate, and a NaN would stay. Down the columns, a window is
the end of a block of rows, some whole blocks, and the beginning of another (van Herk 1992, doi:10.1016/0167-8655(92)90069-C)::

    row           0 1 2 3 | 4 5 6 7 | 8 9 10 11 | 12
    window        . . 2 3 | 4 5 6 7 | 8 9             head 2 + 3, whole block 4 .. 7, tail 8 + 9

Along a row, the sums of 2, 4, 8 .. neighbours are sums of two sums of half as many. Blocks are counted from the first row of
the tables, so that rounding depends neither on bands nor on threads.
"""

from typing import NamedTuple

from ..simd.reference import SLID_PIXELS, VECTOR_BYTES, Array, add, broadcast_quarter, load, slide, store, stream
from .correlate import copy_narrow, last_step, pad_edges, rows_of_map, to_response
from .offset import offset_or_probed


class BoxScratch(NamedTuple):
    """Memory of one band. A number is int16 or int32 for levels, else float32 or float64."""

    line: Array  # (n,) number: sums down the columns, of a padded row; for levels, the zeros of a window are before it
    sums: Array  # (n,) number: sums of these along the row
    heads: Array  # (block rows, row) number: sums of the last rows of a block; (0, row) for levels
    blocks: Array  # (blocks, row) number: sums of whole blocks and of the first rows of one, by turns
    whole: Array  # (row,) number: the sum of all whole blocks
    block: int  # rows in a block
    edge_rows: Array  # (2, output row or vector) of the output's dtype
    streamed: int  # 1 where maps are too large for the cache and their rows begin at cache lines: non-temporal stores


def window_columns(columns, out):
    """Return how many columns a window has."""
    return columns.left.size + columns.right.size + (columns.middle - out.shape[2]) // columns.pixel + 1


def wrapped(number, line):
    """Return an integer modulo the range of a line's dtype."""
    half = 1 << (8 * line.itemsize - 1)
    return (number + half) % (2 * half) - half


def add_levels(planes, source, constant, sign, line):
    """Add an image row, times a sign, to sums down the columns."""
    if source < 0:
        number = wrapped(sign * constant, line)
        for x in range(line.size):
            line[x] += number
        return
    row = planes[0, source][: line.size]
    for x in range(line.size):
        line[x] += sign * line.dtype.type(row[x])


def move_down(planes, entering, leaving, constant, line):
    """Add an image row to sums down the columns, and subtract another."""
    if entering < 0 or leaving < 0:
        add_levels(planes, entering, constant, 1, line)
        add_levels(planes, leaving, constant, -1, line)
        return
    plus, minus = planes[0, entering][: line.size], planes[0, leaving][: line.size]
    for x in range(line.size):
        line[x] += line.dtype.type(plus[x]) - line.dtype.type(minus[x])


def slide_along(scratch, ahead, end, pixel):
    """Fill the sums 0 .. end with those along the line, each updated from the one before."""
    total = broadcast_quarter(scratch.sums.dtype.type(0))
    count = VECTOR_BYTES // scratch.sums.itemsize if pixel <= 2 else SLID_PIXELS * pixel
    for x in range(0, end, count):
        if pixel == 1:
            total = slide(scratch.line, x, ahead, scratch.sums, total, 1)
        elif pixel == 2:
            total = slide(scratch.line, x, ahead, scratch.sums, total, 2)
        elif pixel == 3:
            total = slide(scratch.line, x, ahead, scratch.sums, total, 3)
        else:
            total = slide(scratch.line, x, ahead, scratch.sums, total, 4)


def put(vector, out, x, last, streamed):
    """Store a vector at x of a row of a map, or at ``last``, where it ends with the row."""
    if streamed and x <= last:
        stream(vector, out, x)
    else:
        store(vector, out, min(x, last))


def levels_to_map(sums, window, offset, scratch, start, row_out, size):
    """Write the responses of sums, which begin at ``start``, to a row of the map."""
    lanes = VECTOR_BYTES // scratch.sums.itemsize
    last, step, shift = max(size - lanes, 0), last_step(sums, 0, offset), scratch.sums.dtype.type(-int(offset) * window)
    for x in range(0, size, lanes):
        total = add(load(scratch.sums, start + min(x, last)), shift)
        put(to_response(total, step, 0), row_out, x, last, scratch.streamed)


def box_sums_of_levels(planes, rows, columns, sums, constant, offset, band, scratch, out):
    """Do as ``correlate`` for one plane of uint8 or uint16 and equal weights, ``sums.unit``. Sums are below 2**31."""
    height, width, pixel, size = rows.first_window_rows, window_columns(columns, out), columns.pixel, out.shape[2]
    offset = sums.unit.dtype.type(offset_or_probed(planes, offset))
    ahead, level = width * pixel, int(constant)
    scratch.line[:] = 0
    padded = scratch.line[ahead:]
    inner = padded[columns.left.size * pixel :][: columns.middle]
    for row in range(band[0], band[0] + height - 1):
        add_levels(planes, rows.source[row], level, 1, inner)
    narrow, outside = size < VECTOR_BYTES // scratch.sums.itemsize, wrapped(height * level, scratch.line)
    for y in range(band[0], band[1]):
        if y == band[0]:
            add_levels(planes, rows.source[y + height - 1], level, 1, inner)
        else:
            move_down(planes, rows.source[y + height - 1], rows.source[y - 1], level, inner)
        pad_edges(inner, columns, outside, padded)
        slide_along(scratch, ahead, ahead - pixel + size, pixel)
        row_out, _ = rows_of_map(out, 0, y, -1, narrow, scratch)
        levels_to_map(sums, height * width, offset, scratch, ahead - pixel, row_out, size)
        if narrow:
            copy_narrow(out, 0, y, -1, scratch)


def add_reals(planes, source, constant, offset, weight, total, result):
    """Write the sum of an image row, less the offset and times the weight, and of another row to ``result``."""
    if source < 0:
        for x in range(result.size):
            result[x] = total[x] + (constant - offset) * weight
        return
    row = planes[0, source][: result.size]
    for x in range(result.size):
        result[x] = total[x] + (result.dtype.type(row[x]) - offset) * weight


def copy_reals(planes, source, constant, offset, weight, result):
    """Do as ``add_reals`` without another row."""
    if source < 0:
        result[:] = (constant - offset) * weight
        return
    row = planes[0, source][: result.size]
    for x in range(result.size):
        result[x] = (result.dtype.type(row[x]) - offset) * weight


def sum_heads(planes, y, rows, constant, offset, weight, scratch):
    """Fill the heads of a block, those of row y and of the rows below it."""
    first = y % scratch.block
    for i in range(scratch.block - 1, max(first, 1) - 1, -1):
        source = rows.source[y - first + i]
        if i == scratch.block - 1:
            copy_reals(planes, source, constant, offset, weight, scratch.heads[i])
        else:
            add_reals(planes, source, constant, offset, weight, scratch.heads[i + 1], scratch.heads[i])


def sum_whole(first, last, scratch):
    """Sum the whole blocks first .. last."""
    scratch.whole[:] = 0
    for block in range(first, last):
        total = scratch.blocks[block % scratch.blocks.shape[0]]
        for x in range(total.size):
            scratch.whole[x] += total[x]


def sum_parts(y, end, scratch, line):
    """Write the sums of the rows y .. end to a line."""
    whole, head = scratch.whole, scratch.heads[y % scratch.block]
    tail = scratch.blocks[end // scratch.block % scratch.blocks.shape[0]]
    if y % scratch.block == 0 and end % scratch.block == 0:
        for x in range(line.size):
            line[x] = whole[x]
    elif y % scratch.block == 0:
        for x in range(line.size):
            line[x] = whole[x] + tail[x]
    elif end % scratch.block == 0:
        for x in range(line.size):
            line[x] = head[x] + whole[x]
    else:
        for x in range(line.size):
            line[x] = head[x] + whole[x] + tail[x]


def sum_neighbours(source, line, x, half, odd):
    """Return the vector at x of sums of two sums of ``half`` samples each, and of one sample more where the width is odd."""
    total = add(load(source, x), load(source, x + half))
    return add(total, load(line, x + 2 * half)) if odd else total


def reals_to_map(sums, width, pixel, offset, scratch, row_out, size):
    """Sum ``width`` neighbours along the line, and write the responses to a row of the map."""
    lanes = VECTOR_BYTES // scratch.sums.itemsize
    last, step = max(size - lanes, 0), last_step(sums, 0, offset)
    bits = 0
    while width >> (bits + 1):
        bits += 1
    source, count = scratch.line, 1
    for bit in range(bits - 1, 0, -1):
        odd = (width >> bit) & 1
        end = size + (width - 2 * count - odd) * pixel
        for x in range(0, end, lanes):
            store(sum_neighbours(source, scratch.line, x, count * pixel, odd), scratch.sums, x)
        source, count = scratch.sums, 2 * count + odd
    for x in range(0, size, lanes):
        at = min(x, last)
        total = sum_neighbours(source, scratch.line, at, count * pixel, width & 1) if width > 1 else load(source, at)
        put(to_response(total, step, 0), row_out, x, last, scratch.streamed)


def box_sums_of_reals(planes, rows, columns, sums, constant, offset, band, scratch, out):
    """Do as ``correlate`` for one plane and equal weights, ``sums.first_weight``."""
    height, width, pixel, size = rows.first_window_rows, window_columns(columns, out), columns.pixel, out.shape[2]
    number, block = scratch.line.dtype.type, scratch.block
    offset, weight = number(offset_or_probed(planes, offset)), sums.first_weight[0]
    outside = (constant - offset) * weight * number(height)
    inner = scratch.line[columns.left.size * pixel :][: columns.middle]
    narrow = size < VECTOR_BYTES // scratch.sums.itemsize
    done = -(-band[0] // block) * block  # rows that are in the sums of blocks
    first, last = -1, -1
    for y in range(band[0], band[1]):
        if y % block == 0 or y == band[0]:
            sum_heads(planes, y, rows, constant, offset, weight, scratch)
        while done < y + height:
            total = scratch.blocks[done // block % scratch.blocks.shape[0]]
            if done % block == 0:
                copy_reals(planes, rows.source[done], constant, offset, weight, total)
            else:
                add_reals(planes, rows.source[done], constant, offset, weight, total, total)
            done += 1
        if -(-y // block) != first or (y + height) // block != last:
            first, last = -(-y // block), (y + height) // block
            sum_whole(first, last, scratch)
        sum_parts(y, y + height, scratch, inner)
        pad_edges(inner, columns, outside, scratch.line)
        row_out, _ = rows_of_map(out, 0, y, -1, narrow, scratch)
        reals_to_map(sums, width, pixel, offset, scratch, row_out, size)
        if narrow:
            copy_narrow(out, 0, y, -1, scratch)
