"""Loops that convolve by multiplying spectra: two tiles of a picture at a time, the real and the imaginary part of one.

For large kernels: a tile costs the same for any kernel that fits in it. The same rules hold as for ``loops``. The transforms
are Cooley and Tukey's in steps of four (doi:10.1090/S0025-5718-1965-0178586-1), from natural order to that of reversed digits
and back, in which spectra are multiplied as well as in any. They run along columns, a register of neighbours at a time; for
those along rows the tile is turned.
"""

from typing import Any, NamedTuple

from ..simd.reference import (
    STRIP,
    Array,
    fill,
    load,
    minus,
    mul_add,
    plus,
    scaled,
    scaled_by_two,
    sliver,
    store,
    times,
    turn,
    whole,
)


class Tile(NamedTuple):
    """Sizes of a tile, and the waves that it is made of. Its sides are powers of 4."""

    rows: int
    columns: int  # pixels
    pixel: int  # numbers in a pixel
    stride: int  # numbers from one row to the next
    turned: int  # numbers from one column to the next when it is turned
    high: int  # rows where the kernel lies within it, a multiple of the stride of output rows
    wide: int  # and columns
    row_stride: int
    column_stride: int
    across: int  # tiles side by side
    row_cosine: Array  # (rows,) real: of 0, 1 / rows .. of a turn
    row_sine: Array
    column_cosine: Array  # (columns,) real
    column_sine: Array


class Borders(NamedTuple):
    """What stands at each padded row and column: its place in the image, -1 for the constant, -2 for what is not wanted."""

    row: Array  # int64, for all rows of all tiles
    column: Array


class Finish(NamedTuple):
    """What is done with each number at the end."""

    whole: int  # 1 where it must be a whole one, and only rounding of the transforms keeps it from that
    shift: Any  # real: this is added, a whole number then
    unit: Any  # real: it is multiplied by this
    rest: Any  # real: and what that misses of it
    bias: Any  # real: and this is added
    more: Any  # real: and what that misses of it


class Field(NamedTuple):
    """Memory for two tiles, as they lie in the picture and turned."""

    real: Array
    imaginary: Array
    turned_real: Array
    turned_imaginary: Array
    line: Array  # (strip or output row of a tile,) of the output's type


def rotated(real, imaginary, cosine, sine):
    """(real + i imaginary) * (cosine - i sine)."""
    return mul_add(imaginary, sine, times(real, cosine)), mul_add(real, -sine, times(imaginary, cosine))


def analyse(real, imaginary, begin, stride, cosine, sine):
    """Transform ``cosine.size`` slivers that stand below each other, a stride apart, to their spectra, in place."""
    size = cosine.size
    span = size
    while span > 1:
        part = span // 4
        for j in range(part):
            t = j * (size // span)
            for i in range(j, size, span):
                a = begin + i * stride
                b, c, d = a + part * stride, a + 2 * part * stride, a + 3 * part * stride
                ar, ai, br, bi = sliver(real, a), sliver(imaginary, a), sliver(real, b), sliver(imaginary, b)
                cr, ci, dr, di = sliver(real, c), sliver(imaginary, c), sliver(real, d), sliver(imaginary, d)
                even_r, even_i, odd_r, odd_i = plus(ar, cr), plus(ai, ci), plus(br, dr), plus(bi, di)
                less_r, less_i, turn_r, turn_i = minus(ar, cr), minus(ai, ci), minus(bi, di), minus(dr, br)
                store(plus(even_r, odd_r), real, a)
                store(plus(even_i, odd_i), imaginary, a)
                yr, yi = rotated(plus(less_r, turn_r), plus(less_i, turn_i), cosine[t], sine[t])
                store(yr, real, b)
                store(yi, imaginary, b)
                yr, yi = rotated(minus(even_r, odd_r), minus(even_i, odd_i), cosine[2 * t], sine[2 * t])
                store(yr, real, c)
                store(yi, imaginary, c)
                yr, yi = rotated(minus(less_r, turn_r), minus(less_i, turn_i), cosine[3 * t], sine[3 * t])
                store(yr, real, d)
                store(yi, imaginary, d)
        span = part


def build_up(real, imaginary, begin, stride, cosine, sine):
    """The way back: from spectra to ``cosine.size`` times what they were made of."""
    size = cosine.size
    span = 4
    while span <= size:
        part = span // 4
        for j in range(part):
            t = j * (size // span)
            for i in range(j, size, span):
                a = begin + i * stride
                b, c, d = a + part * stride, a + 2 * part * stride, a + 3 * part * stride
                ar, ai = sliver(real, a), sliver(imaginary, a)
                br, bi = rotated(sliver(real, b), sliver(imaginary, b), cosine[t], -sine[t])
                cr, ci = rotated(sliver(real, c), sliver(imaginary, c), cosine[2 * t], -sine[2 * t])
                dr, di = rotated(sliver(real, d), sliver(imaginary, d), cosine[3 * t], -sine[3 * t])
                even_r, even_i, odd_r, odd_i = plus(ar, cr), plus(ai, ci), plus(br, dr), plus(bi, di)
                less_r, less_i, turn_r, turn_i = minus(ar, cr), minus(ai, ci), minus(bi, di), minus(dr, br)
                store(plus(even_r, odd_r), real, a)
                store(plus(even_i, odd_i), imaginary, a)
                store(minus(less_r, turn_r), real, b)
                store(minus(less_i, turn_i), imaginary, b)
                store(minus(even_r, odd_r), real, c)
                store(minus(even_i, odd_i), imaginary, c)
                store(plus(less_r, turn_r), real, d)
                store(plus(less_i, turn_i), imaginary, d)
        span *= 4


def turn_all(source, rows, columns, stride, target, turned):
    """Rows of a tile to columns. Sides are multiples of what a sliver holds, or there is room for that."""
    size = STRIP // 4 // source.itemsize
    for y in range(0, rows, size):
        for x in range(0, columns, size):
            turn(source, y * stride + x, stride, target, x * turned + y, turned)


def to_spectrum(tile, field):
    """Transform a tile along its columns, turn it, and transform it along its rows."""
    size = STRIP // 4 // field.real.itemsize
    numbers = tile.columns * tile.pixel
    for x in range(0, numbers, size):
        analyse(field.real, field.imaginary, x, tile.stride, tile.row_cosine, tile.row_sine)
    turn_all(field.real, tile.rows, numbers, tile.stride, field.turned_real, tile.turned)
    turn_all(field.imaginary, tile.rows, numbers, tile.stride, field.turned_imaginary, tile.turned)
    real, imaginary, step = field.turned_real, field.turned_imaginary, tile.pixel * tile.turned
    for c in range(tile.pixel):
        for y in range(0, tile.rows, size):
            analyse(real, imaginary, c * tile.turned + y, step, tile.column_cosine, tile.column_sine)


def from_spectrum(tile, field):
    """The way back."""
    size = STRIP // 4 // field.real.itemsize
    numbers = tile.columns * tile.pixel
    real, imaginary, step = field.turned_real, field.turned_imaginary, tile.pixel * tile.turned
    for c in range(tile.pixel):
        for y in range(0, tile.rows, size):
            build_up(real, imaginary, c * tile.turned + y, step, tile.column_cosine, tile.column_sine)
    turn_all(field.turned_real, numbers, tile.rows, tile.turned, field.real, tile.stride)
    turn_all(field.turned_imaginary, numbers, tile.rows, tile.turned, field.imaginary, tile.stride)
    for x in range(0, numbers, size):
        build_up(field.real, field.imaginary, x, tile.stride, tile.row_cosine, tile.row_sine)


def multiply(tile, field, kernel_real, kernel_imaginary):
    """Multiply the spectrum of a turned tile by that of the kernel, conjugated: the kernel slides as it is written."""
    size = STRIP // field.real.itemsize
    for x in range(tile.columns):
        for c in range(tile.pixel):
            for y in range(0, tile.rows, size):
                at = (x * tile.pixel + c) * tile.turned + y
                ar, ai = load(field.turned_real, at), load(field.turned_imaginary, at)
                kr, ki = load(kernel_real, x * tile.turned + y), load(kernel_imaginary, x * tile.turned + y)
                store(mul_add(ai, ki, times(ar, kr)), field.turned_real, at)
                store(minus(times(ai, kr), times(ar, ki)), field.turned_imaginary, at)


def lay(plane, borders, top, left, constant, offset, tile, numbers):
    """Lay a tile whose corner is at the padded row ``top`` and column ``left``, less the offset."""
    pixel = tile.pixel
    column = borders.column[left : left + tile.columns]
    unbroken = column[0] >= 0 and column[tile.columns - 1] - column[0] == tile.columns - 1
    for y in range(tile.rows):
        row = borders.row[top + y]
        line = numbers[y * tile.stride : y * tile.stride + tile.columns * pixel]
        if row < 0:
            line[:] = constant - offset if row == -1 else line.dtype.type(0)
        elif unbroken:
            source = plane[row, column[0] * pixel : (column[0] + tile.columns) * pixel]
            for x in range(line.size):
                line[x] = source[x] - offset
        else:
            for x in range(tile.columns):
                for c in range(pixel):
                    inside = plane[row, max(column[x], 0) * pixel + c]
                    number = inside if column[x] >= 0 else constant if column[x] == -1 else offset
                    line[x * pixel + c] = number - offset


def deliver(numbers, tile, top, left, finish, field, out):
    """Write what a tile gives to its place in out (H', numbers)."""
    size, pixel, stride = STRIP // numbers.itemsize, tile.pixel, tile.column_stride
    begin = left // stride * pixel
    wide = min(tile.wide // stride * pixel, out.shape[1] - begin)
    for y in range(min(tile.high // tile.row_stride, out.shape[0] - top // tile.row_stride)):
        line = numbers[y * tile.row_stride * tile.stride : (y * tile.row_stride + 1) * tile.stride]
        for x in range(pixel if stride > 1 else wide, wide):
            line[x] = line[x // pixel * stride * pixel + x % pixel]
        row = out[top // tile.row_stride + y, begin : begin + wide]
        target = row if wide >= size else field.line
        for x in range(0, wide, size):
            at = min(x, max(wide - size, 0))
            strip = load(line, at)
            if finish.whole:
                strip = whole(strip)
            strip = plus(strip, fill(finish.shift))
            if finish.rest != 0:
                strip = scaled_by_two(strip, finish.unit, finish.rest, finish.more, 0)
            else:
                strip = scaled(strip, finish.unit, finish.more, 0)
            store(plus(strip, finish.bias), target, at)
        for x in range(wide if wide < size else 0):
            row[x] = target[x]


def kernel_spectrum(kernel, dilation, tile, field):
    """Make the spectrum of a kernel (kh, kw) in the field, turned, divided by what the ways there and back multiply with."""
    field.real[:] = 0
    field.imaginary[:] = 0
    for y in range(kernel.shape[0]):
        for x in range(kernel.shape[1]):
            field.real[y * dilation[0] * tile.stride + x * dilation[1]] = kernel[y, x] / (tile.rows * tile.columns)
    to_spectrum(tile, field)


def correlate_waves(plane, borders, tile, constant, offset, kernel_real, kernel_imaginary, pairs, finish, field, out):
    """Slide a kernel over plane (H, numbers), into out (H', numbers): pairs[0] .. pairs[1] of tiles above each other."""
    for pair in range(pairs[0], pairs[1]):
        top, left = pair // tile.across * 2 * tile.high, pair % tile.across * tile.wide
        lay(plane, borders, top, left, constant, offset, tile, field.real)
        lay(plane, borders, top + tile.high, left, constant, offset, tile, field.imaginary)
        to_spectrum(tile, field)
        multiply(tile, field, kernel_real, kernel_imaginary)
        from_spectrum(tile, field)
        deliver(field.real, tile, top, left, finish, field, out)
        deliver(field.imaginary, tile, top + tile.high, left, finish, field, out)
