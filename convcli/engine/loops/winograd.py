"""Loops of Winograd's convolution: tiles of 6 x 6 samples, which give 4 x 4 outputs of a 3 x 3 kernel, or 2 x 2 of a 5 x 5 one.

Samples and weights are transformed as in Lavin and Gray, CVPR 2016 (https://arxiv.org/abs/1509.09308), so that each of 36
numbers of a tile is a product of matrices, and the sums are transformed back. The points are 0, 1, -1, 1/2, -2 and infinity:
with 2 in place of 1/2 the error is twice as large (Barabasz et al. 2020, https://doi.org/10.1145/3412380). Half a vector holds
the same number of neighbouring tiles. The rules of ``correlate`` hold here too.
"""

from typing import NamedTuple

from ..simd.reference import (
    VECTOR_BYTES,
    Array,
    add,
    broadcast,
    broadcast_half,
    half,
    interleave,
    item,
    maximum_or_nan,
    multiply,
    multiply_add,
    quarter,
    store,
    subtract,
)
from .im2col import MAPS_TOGETHER, LayerTables, addend, copy_block, multiply_tile, set_tap_offsets

SIDE, POINTS = 6, 36
"""Samples along a side of a tile, and in a tile."""


class WinogradTables(NamedTuple):
    """The tables of a layer, and those by which planes are copied: as for a layer whose outputs are the tiles."""

    tiles: LayerTables  # taps are those of one plane; ``weight`` is ordered by point, six of maps, plane and map
    planes: int
    side: int  # outputs along a side of a tile
    rows: int  # of the result
    columns: int


class WinogradBuffers(NamedTuple):
    """Memory for a block of tiles. ``samples``, ``rows``, ``line`` and ``tap_offset`` as in ``im2col.Buffers``."""

    samples: Array
    rows: int
    line: Array
    tap_offset: Array
    tile: Array  # (72 half vectors + one,) real: the tiles of a panel, of one plane or map
    packed: Array  # (36 * packed_gap,) real: transformed samples, by point, panel and plane
    packed_gap: (
        int  # numbers from one point to the next: a cache line more, or all points would use the same lines of the L1 cache
    )
    total: Array  # (36 * total_gap,) real: sums, by point, panel and map
    total_gap: int


def transform_weights(weight, matrix, depth, lines, out):
    """Transform weights (maps, planes, r * r) by a matrix (6 * r,) from both sides, to 36 equal parts of out.

    They are ordered as by ``im2col.pack_weights``, by ``depth`` planes, six of maps, plane and map. A quarter vector is stored
    for six maps, and the next plane overwrites the rest: each part ends with unused numbers.
    """
    maps, planes, taps = weight.shape
    gap, lanes, r = out.size // POINTS, VECTOR_BYTES // 4 // lines.itemsize, matrix.size // SIDE
    target, down = 0, taps * lanes
    for begin in range(0, planes, depth):
        for first in range(0, maps, MAPS_TOGETHER):
            for p in range(begin, min(begin + depth, planes)):
                for t in range(taps):
                    for m in range(first, first + MAPS_TOGETHER):
                        lines[t * lanes + m - first] = weight[m, p, t] if m < maps else 0
                for j in range(r):
                    weigh(lines, j * lanes, r * lanes, matrix, lines, down + j * lanes, r * lanes)
                for i in range(SIDE):
                    weigh(lines, down + i * r * lanes, lanes, matrix, out, i * SIDE * gap + target, gap)
                target += MAPS_TOGETHER


def weigh(lines, x, step, matrix, target, y, target_step):
    """Multiply a matrix (6 * r,) by r quarter vectors, 3 or 5, from x on."""
    a, b, c = quarter(lines, x), quarter(lines, x + step), quarter(lines, x + 2 * step)
    r = matrix.size // SIDE
    for i in range(SIDE):
        total = multiply_add(
            c, item(matrix, i * r + 2), multiply_add(b, item(matrix, i * r + 1), multiply(a, item(matrix, i * r)))
        )
        if r == 5:
            total = multiply_add(quarter(lines, x + 3 * step), item(matrix, i * r + 3), total)
            total = multiply_add(quarter(lines, x + 4 * step), item(matrix, i * r + 4), total)
        store(total, target, y + i * target_step)


def gather_tiles(tables, buffers, plane, row, x, count):
    """Copy the samples of ``count`` tiles of a plane, from tile x of a row of the block on, to ``buffers.tile``.

    As in ``im2col.pack_panel``, the next row overwrites what is beyond the end of a row.
    """
    lanes, samples = VECTOR_BYTES // 2 // buffers.tile.itemsize, buffers.samples
    first = (plane * tables.row_stride * tables.column_stride * buffers.rows + row) * tables.width
    for t in range(POINTS):
        source, target = first + item(buffers.tap_offset, t), t * lanes
        store(half(samples, source + x), buffers.tile, target)
        filled = tables.out_columns - x
        while filled < count:
            source += tables.width
            store(half(samples, source), buffers.tile, target + filled)
            filled += tables.out_columns


def transform_six(source, x, step, target, y, target_step):
    """Transform a quarter vector at each of six positions to the values of polynomials at six points."""
    a, b, c = quarter(source, x), quarter(source, x + step), quarter(source, x + 2 * step)
    d, e, f = quarter(source, x + 3 * step), quarter(source, x + 4 * step), quarter(source, x + 5 * step)
    odd, even = subtract(d, b), subtract(e, c)
    store(multiply_add(odd, 1.5, multiply_add(c, -2.0, add(e, a))), target, y)
    store(multiply_add(d, 2.5, multiply_add(c, 0.5, subtract(e, b))), target, y + target_step)
    store(multiply_add(c, -2.5, multiply_add(d, 0.5, add(e, b))), target, y + 2 * target_step)
    store(multiply_add(odd, 2.0, even), target, y + 3 * target_step)
    store(multiply_add(odd, -0.5, even), target, y + 4 * target_step)
    store(multiply_add(even, 1.5, multiply_add(d, -2.0, add(f, b))), target, y + 5 * target_step)


def transform_samples(tables, buffers, first_row, begin, end):
    """Transform the samples of tiles begin .. end of all planes, into ``buffers.packed``."""
    lanes, tile = VECTOR_BYTES // 2 // buffers.tile.itemsize, buffers.tile
    line, down = SIDE * lanes, POINTS * lanes
    for p in range(begin, end, lanes):
        row = p // tables.tiles.out_columns
        x, count = p - row * tables.tiles.out_columns, min(lanes, end - p)
        for plane in range(tables.planes):
            gather_tiles(tables.tiles, buffers, plane, row - first_row, x, count)
            for i in range(0, line, lanes // 2):
                transform_six(tile, i, line, tile, down + i, line)
            target = ((p - begin) // lanes * tables.planes + plane) * lanes
            for i in range(SIDE):
                for half_panel in range(0, lanes, lanes // 2):
                    start = target + i * SIDE * buffers.packed_gap + half_panel
                    transform_six(tile, down + i * line + half_panel, lanes, buffers.packed, start, buffers.packed_gap)


def multiply_points(tables, buffers, panels, sixes):
    """Sum the products of transformed samples and weights over all planes, for each point of the tiles of some panels."""
    lanes, tiles = VECTOR_BYTES // 2 // buffers.total.itemsize, tables.tiles
    all_sixes = (tiles.bias.size + MAPS_TOGETHER - 1) // MAPS_TOGETHER
    weight_gap, tile = tiles.weight.size // POINTS, MAPS_TOGETHER * lanes
    for point in range(POINTS):
        for t in range(0, tables.planes, tiles.depth):
            depth = min(tiles.depth, tables.planes - t)
            for panel in range(panels):
                start = point * buffers.packed_gap + (panel * tables.planes + t) * lanes
                total = point * buffers.total_gap + panel * (sixes[1] - sixes[0]) * tile
                for six in range(sixes[0], sixes[1]):
                    w = point * weight_gap + (t * all_sixes + six * depth) * MAPS_TOGETHER
                    multiply_tile(tiles.weight, w, buffers.packed, start, depth, buffers.total, total, t == 0)
                    total += tile


def sum_back(source, x, step, target, y, target_step, side):
    """Transform a quarter vector of sums at each of six points to ``side`` outputs, 4 or 2."""
    a, b, c = quarter(source, x), quarter(source, x + step), quarter(source, x + 2 * step)
    d, e, f = quarter(source, x + 3 * step), quarter(source, x + 4 * step), quarter(source, x + 5 * step)
    even, odd = add(b, c), subtract(b, c)
    second = multiply_add(e, -2.0, multiply_add(d, 0.5, odd))
    store(add(add(a, even), add(d, e)), target, y)
    if side == 2:
        store(add(second, f), target, y + target_step)
    else:
        store(second, target, y + target_step)
        store(multiply_add(e, 4.0, multiply_add(d, 0.25, even)), target, y + 2 * target_step)
        store(multiply_add(e, -8.0, multiply_add(d, 0.125, add(odd, f))), target, y + 3 * target_step)


def transform_sums(tables, buffers, start, bias, bias_rest):
    """Transform the sums of one map at a panel, from ``start`` on, to rows of outputs at the start of ``buffers.tile``."""
    side, lanes, tile = tables.side, VECTOR_BYTES // 2 // buffers.tile.itemsize, buffers.tile
    line, down, size = SIDE * lanes, POINTS * lanes, lanes // 2
    floor = tables.tiles.floor
    for j in range(SIDE):
        for x in range(0, lanes, size):
            source = start + j * buffers.total_gap + x
            sum_back(buffers.total, source, SIDE * buffers.total_gap, tile, down + j * lanes + x, line, side)
    for i in range(side):
        for x in range(0, lanes, size):
            sum_back(tile, down + i * line + x, lanes, tile, down + i * line + x, lanes, side)
            a = add(add(quarter(tile, down + i * line + x), bias_rest), bias)
            b = add(add(quarter(tile, down + i * line + lanes + x), bias_rest), bias)
            if side == 2:
                store(maximum_or_nan(interleave(a, b), broadcast_half(floor)), tile, (i * lanes + x) * side)
            else:
                c = add(add(quarter(tile, down + i * line + 2 * lanes + x), bias_rest), bias)
                d = add(add(quarter(tile, down + i * line + 3 * lanes + x), bias_rest), bias)
                rows = interleave(interleave(a, c), interleave(b, d))
                store(maximum_or_nan(rows, broadcast(floor)), tile, (i * lanes + x) * side)


def write_tiles(tables, buffers, begin, end, sixes, offset, out):
    """Write the outputs of tiles begin .. end of some sixes of maps to out (maps, H', W')."""
    lanes, side, maps = VECTOR_BYTES // 2 // buffers.total.itemsize, tables.side, tables.tiles.bias.size
    across, first_map = tables.tiles.out_columns, sixes[0] * MAPS_TOGETHER
    for m in range(first_map, min(sixes[1] * MAPS_TOGETHER, maps)):
        bias, bias_rest = addend(tables.tiles, buffers, m, offset)
        for p in range(begin, end, lanes):
            panel = (p - begin) // lanes
            transform_sums(
                tables, buffers, (panel * (sixes[1] - sixes[0]) * MAPS_TOGETHER + m - first_map) * lanes, bias, bias_rest
            )
            done, count = 0, min(lanes, end - p)
            while done < count:  # each row of tiles
                row = (p + done) // across
                x = p + done - row * across
                together = min(across - x, count - done)
                size = min(together * side, tables.columns - x * side)
                for i in range(min(side, tables.rows - row * side)):
                    line = out[m, row * side + i, x * side : x * side + size]
                    source = buffers.tile[(i * lanes + done) * side : (i * lanes + done) * side + size]
                    for k in range(size):
                        line[k] = source[k]
                done += together


def convolve_tiles(planes, tables, constant, offset, band, sixes, block, buffers, out):
    """Compute tiles band[0] .. band[1] (row * tiles across + column) of some sixes of maps of planes (P * H * W,)."""
    across, lanes = tables.tiles.out_columns, VECTOR_BYTES // 2 // buffers.total.itemsize
    set_tap_offsets(tables.tiles, buffers)
    for begin in range(band[0], band[1], block):
        end = min(begin + block, band[1])
        first_row = begin // across
        copy_block(planes, 0, tables.planes, tables.tiles, first_row, (end + across - 1) // across, constant, buffers)
        transform_samples(tables, buffers, first_row, begin, end)
        multiply_points(tables, buffers, (end - begin + lanes - 1) // lanes, sixes)
        write_tiles(tables, buffers, begin, end, sixes, offset, out)
