"""Loops for layers of many channels: four maps at a time share what they read. The same rules hold as for ``loops``.

The padded rows of a plane stand one after the other, so that a strip may run over the end of one row to the next: what it sums
there is thrown away. For a stride, rows and columns are dealt out to as many planes, each of which is read without gaps.
"""

from typing import NamedTuple

from .strips import STRIP, Array, fill, load, mul_add, pick, store

SHARED = 4
"""Maps that share what they read: 16 registers of sums."""

DEEP = 256
"""Taps that are summed before the next strip: their weights and numbers stay in the nearest memory."""


class Volume(NamedTuple):
    """How planes are laid, and the taps that read them."""

    row: Array  # (padded rows,) int64: image row, -1 for the constant
    column: Array  # (padded columns,) int64
    row_stride: int
    column_stride: int
    high: int  # padded rows under the kernel at one output row
    width: int  # numbers in a row of a laid plane
    plane: Array  # (taps,) int64: which of the planes laid a tap reads
    down: Array  # (taps,) int64: rows below the output row's
    along: Array  # (taps,) int64: numbers beside the output's
    weight: Array  # (maps / 4 * taps * 4,) real: for each four maps, of each tap in turn
    bias: Array  # (maps,) real


class Room(NamedTuple):
    """Memory for a block of output rows."""

    laid: Array  # (planes laid * rows * width,) real
    rows: int  # of each plane laid
    place: Array  # (taps,) int64: where each tap reads
    total: Array  # (4 * positions,) real


def lay_row(source, column, stride, phase, constant, line):
    """Deal out every so many-th number of a padded image row."""
    for x in range((column.size - phase + stride - 1) // stride):
        at = column[x * stride + phase]
        line[x] = source[at] if at >= 0 else constant


def lay_block(planes, volume, begin, end, constant, room):
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
                    lay_row(planes[p, row], volume.column, steps[1], phase, constant, line)
                else:
                    line[:] = constant


def sum_four(volume, room, base, begin, end, x, total, last):
    """Add taps begin .. end, at a strip of positions, to the sums of four maps that begin at weight ``base``."""
    size = last
    a, b, c, d = load(total, x), load(total, size + x), load(total, 2 * size + x), load(total, 3 * size + x)
    for t in range(begin, end):
        part = load(room.laid, pick(room.place, t) + x)
        w = base + SHARED * t
        a = mul_add(part, pick(volume.weight, w), a)
        b = mul_add(part, pick(volume.weight, w + 1), b)
        c = mul_add(part, pick(volume.weight, w + 2), c)
        d = mul_add(part, pick(volume.weight, w + 3), d)
    store(a, total, x)
    store(b, total, size + x)
    store(c, total, 2 * size + x)
    store(d, total, 3 * size + x)


def sum_block(volume, room, begin, end, out):
    """All maps at output rows begin .. end."""
    taps, lanes = volume.plane.size, STRIP // room.total.itemsize
    size = room.total.size // SHARED
    positions = (end - begin) * volume.width
    for first in range(0, out.shape[0], SHARED):
        for i in range(SHARED):
            bias = fill(volume.bias[min(first + i, out.shape[0] - 1)])
            for x in range(0, positions, lanes):
                store(bias, room.total, i * size + x)
        for t in range(0, taps, DEEP):
            for x in range(0, positions, lanes):
                sum_four(volume, room, first * taps, t, min(t + DEEP, taps), x, room.total, size)
        for m in range(first, min(first + SHARED, out.shape[0])):
            for y in range(begin, end):
                at = (m - first) * size + (y - begin) * volume.width
                line, row = room.total[at : at + out.shape[2]], out[m, y]
                for x in range(row.size):
                    row[x] = line[x]


def correlate_maps(planes, volume, constant, band, block, room, out):
    """Slide all maps over output rows band[0] .. band[1] of planes (P, H, W), into out (maps, H', W'), in blocks of rows."""
    for t in range(volume.plane.size):
        room.place[t] = (volume.plane[t] * room.rows + volume.down[t]) * volume.width + volume.along[t]
    for begin in range(band[0], band[1], block):
        end = min(begin + block, band[1])
        lay_block(planes, volume, begin, end, constant, room)
        sum_block(volume, room, begin, end, out)
