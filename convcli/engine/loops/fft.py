"""Loops that convolve by multiplying spectra: two tiles of a picture at a time, the real and the imaginary part of one.

They are for large kernels: a tile costs the same for any kernel that fits in it. The same rules hold as for ``correlate``.

The transforms are Cooley and Tukey's, radix 4 (doi:10.1090/S0025-5718-1965-0178586-1), from natural to digit-reversed order and
back; spectra can be multiplied in any order. They run along columns, a register of neighbours at a time. For those along rows
the tile is transposed.
"""

from typing import Any, NamedTuple

from ..simd.reference import (
    VECTOR_BYTES,
    Array,
    add,
    broadcast,
    load,
    multiply,
    multiply_add,
    quarter,
    rint,
    scale_and_add,
    scale_and_add_precisely,
    store,
    subtract,
    transpose_block,
)


class Tile(NamedTuple):
    """Sizes of a tile, and the twiddle factors of its transforms. Its sides are powers of 4."""

    rows: int
    columns: int  # pixels
    pixel: int  # numbers in a pixel
    stride: int  # numbers from one row to the next
    transposed_stride: int  # numbers from one column to the next when it is turned
    valid_rows: int  # rows where the kernel lies within it, a multiple of the stride of output rows
    valid_columns: int  # and columns
    row_stride: int
    column_stride: int
    tiles_across: int  # tiles side by side
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

    is_integer: int  # 1 where it must be a whole one, and only rounding of the transforms keeps it from that
    shift: Any  # real: this is added, a whole number then
    unit: Any  # real: it is multiplied by this
    rest: Any  # real: and what that misses of it
    bias: Any  # real: and this is added
    more: Any  # real: and what that misses of it


class Workspace(NamedTuple):
    """Memory for two tiles, as they lie in the picture and turned."""

    real: Array
    imaginary: Array
    transposed_real: Array
    transposed_imaginary: Array
    line: Array  # (vector or output row of a tile,) of the output's type


def rotate(real, imaginary, cosine, sine):
    """(real + i imaginary) * (cosine - i sine)."""
    return multiply_add(imaginary, sine, multiply(real, cosine)), multiply_add(real, -sine, multiply(imaginary, cosine))


def forward_fft(real, imaginary, begin, stride, cosine, sine):
    """Transform ``cosine.size`` quarter vectors that stand below each other, a stride apart, to their spectra, in place."""
    size = cosine.size
    span = size
    while span > 1:
        part = span // 4
        for j in range(part):
            t = j * (size // span)
            for i in range(j, size, span):
                a = begin + i * stride
                b, c, d = a + part * stride, a + 2 * part * stride, a + 3 * part * stride
                ar, ai, br, bi = quarter(real, a), quarter(imaginary, a), quarter(real, b), quarter(imaginary, b)
                cr, ci, dr, di = quarter(real, c), quarter(imaginary, c), quarter(real, d), quarter(imaginary, d)
                even_r, even_i, odd_r, odd_i = add(ar, cr), add(ai, ci), add(br, dr), add(bi, di)
                less_r, less_i, turn_r, turn_i = subtract(ar, cr), subtract(ai, ci), subtract(bi, di), subtract(dr, br)
                store(add(even_r, odd_r), real, a)
                store(add(even_i, odd_i), imaginary, a)
                yr, yi = rotate(add(less_r, turn_r), add(less_i, turn_i), cosine[t], sine[t])
                store(yr, real, b)
                store(yi, imaginary, b)
                yr, yi = rotate(subtract(even_r, odd_r), subtract(even_i, odd_i), cosine[2 * t], sine[2 * t])
                store(yr, real, c)
                store(yi, imaginary, c)
                yr, yi = rotate(subtract(less_r, turn_r), subtract(less_i, turn_i), cosine[3 * t], sine[3 * t])
                store(yr, real, d)
                store(yi, imaginary, d)
        span = part


def inverse_fft(real, imaginary, begin, stride, cosine, sine):
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
                ar, ai = quarter(real, a), quarter(imaginary, a)
                br, bi = rotate(quarter(real, b), quarter(imaginary, b), cosine[t], -sine[t])
                cr, ci = rotate(quarter(real, c), quarter(imaginary, c), cosine[2 * t], -sine[2 * t])
                dr, di = rotate(quarter(real, d), quarter(imaginary, d), cosine[3 * t], -sine[3 * t])
                even_r, even_i, odd_r, odd_i = add(ar, cr), add(ai, ci), add(br, dr), add(bi, di)
                less_r, less_i, turn_r, turn_i = subtract(ar, cr), subtract(ai, ci), subtract(bi, di), subtract(dr, br)
                store(add(even_r, odd_r), real, a)
                store(add(even_i, odd_i), imaginary, a)
                store(subtract(less_r, turn_r), real, b)
                store(subtract(less_i, turn_i), imaginary, b)
                store(subtract(even_r, odd_r), real, c)
                store(subtract(even_i, odd_i), imaginary, c)
                store(add(less_r, turn_r), real, d)
                store(add(less_i, turn_i), imaginary, d)
        span *= 4


def transpose_tile(source, rows, columns, stride, target, transposed_stride):
    """Transpose a tile. Its sides are multiples of a quarter vector, or the buffers are as large as if they were."""
    size = VECTOR_BYTES // 4 // source.itemsize
    for y in range(0, rows, size):
        for x in range(0, columns, size):
            transpose_block(source, y * stride + x, stride, target, x * transposed_stride + y, transposed_stride)


def to_spectrum(tile, workspace):
    """Transform a tile along its columns, turn it, and transform it along its rows."""
    size = VECTOR_BYTES // 4 // workspace.real.itemsize
    numbers = tile.columns * tile.pixel
    for x in range(0, numbers, size):
        forward_fft(workspace.real, workspace.imaginary, x, tile.stride, tile.row_cosine, tile.row_sine)
    transpose_tile(workspace.real, tile.rows, numbers, tile.stride, workspace.transposed_real, tile.transposed_stride)
    transpose_tile(workspace.imaginary, tile.rows, numbers, tile.stride, workspace.transposed_imaginary, tile.transposed_stride)
    real, imaginary, step = workspace.transposed_real, workspace.transposed_imaginary, tile.pixel * tile.transposed_stride
    for c in range(tile.pixel):
        for y in range(0, tile.rows, size):
            forward_fft(real, imaginary, c * tile.transposed_stride + y, step, tile.column_cosine, tile.column_sine)


def from_spectrum(tile, workspace):
    """The way back."""
    size = VECTOR_BYTES // 4 // workspace.real.itemsize
    numbers = tile.columns * tile.pixel
    real, imaginary, step = workspace.transposed_real, workspace.transposed_imaginary, tile.pixel * tile.transposed_stride
    for c in range(tile.pixel):
        for y in range(0, tile.rows, size):
            inverse_fft(real, imaginary, c * tile.transposed_stride + y, step, tile.column_cosine, tile.column_sine)
    transpose_tile(workspace.transposed_real, numbers, tile.rows, tile.transposed_stride, workspace.real, tile.stride)
    transpose_tile(workspace.transposed_imaginary, numbers, tile.rows, tile.transposed_stride, workspace.imaginary, tile.stride)
    for x in range(0, numbers, size):
        inverse_fft(workspace.real, workspace.imaginary, x, tile.stride, tile.row_cosine, tile.row_sine)


def multiply_spectra(tile, workspace, kernel_real, kernel_imaginary):
    """Multiply the spectrum of a turned tile by that of the kernel, conjugated: the kernel slides as it is written."""
    size = VECTOR_BYTES // workspace.real.itemsize
    for x in range(tile.columns):
        for c in range(tile.pixel):
            for y in range(0, tile.rows, size):
                at = (x * tile.pixel + c) * tile.transposed_stride + y
                ar, ai = load(workspace.transposed_real, at), load(workspace.transposed_imaginary, at)
                kr, ki = (
                    load(kernel_real, x * tile.transposed_stride + y),
                    load(kernel_imaginary, x * tile.transposed_stride + y),
                )
                store(multiply_add(ai, ki, multiply(ar, kr)), workspace.transposed_real, at)
                store(subtract(multiply(ai, kr), multiply(ar, ki)), workspace.transposed_imaginary, at)


def load_tile(plane, borders, top, left, constant, offset, tile, numbers):
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


def store_tile(numbers, tile, top, left, finish, workspace, out):
    """Write what a tile gives to its place in out (H', numbers)."""
    size, pixel, stride = VECTOR_BYTES // numbers.itemsize, tile.pixel, tile.column_stride
    begin = left // stride * pixel
    valid_columns = min(tile.valid_columns // stride * pixel, out.shape[1] - begin)
    for y in range(min(tile.valid_rows // tile.row_stride, out.shape[0] - top // tile.row_stride)):
        line = numbers[y * tile.row_stride * tile.stride : (y * tile.row_stride + 1) * tile.stride]
        for x in range(pixel if stride > 1 else valid_columns, valid_columns):
            line[x] = line[x // pixel * stride * pixel + x % pixel]
        row = out[top // tile.row_stride + y, begin : begin + valid_columns]
        target = row if valid_columns >= size else workspace.line
        for x in range(0, valid_columns, size):
            at = min(x, max(valid_columns - size, 0))
            vector = load(line, at)
            if finish.is_integer:
                vector = rint(vector)
            vector = add(vector, broadcast(finish.shift))
            if finish.rest != 0:
                vector = scale_and_add_precisely(vector, finish.unit, finish.rest, finish.more, 0)
            else:
                vector = scale_and_add(vector, finish.unit, finish.more, 0)
            store(add(vector, finish.bias), target, at)
        for x in range(valid_columns if valid_columns < size else 0):
            row[x] = target[x]


def kernel_spectrum(kernel, dilation, tile, workspace):
    """Make the spectrum of a kernel (kh, kw) in the field, turned, divided by what the ways there and back multiply with."""
    workspace.real[:] = 0
    workspace.imaginary[:] = 0
    for y in range(kernel.shape[0]):
        for x in range(kernel.shape[1]):
            workspace.real[y * dilation[0] * tile.stride + x * dilation[1]] = kernel[y, x] / (tile.rows * tile.columns)
    to_spectrum(tile, workspace)


def correlate_spectra(plane, borders, tile, constant, offset, kernel_real, kernel_imaginary, pairs, finish, workspace, out):
    """Slide a kernel over plane (H, numbers), into out (H', numbers): pairs[0] .. pairs[1] of tiles above each other."""
    for pair in range(pairs[0], pairs[1]):
        top, left = pair // tile.tiles_across * 2 * tile.valid_rows, pair % tile.tiles_across * tile.valid_columns
        load_tile(plane, borders, top, left, constant, offset, tile, workspace.real)
        load_tile(plane, borders, top + tile.valid_rows, left, constant, offset, tile, workspace.imaginary)
        to_spectrum(tile, workspace)
        multiply_spectra(tile, workspace, kernel_real, kernel_imaginary)
        from_spectrum(tile, workspace)
        store_tile(workspace.real, tile, top, left, finish, workspace, out)
        store_tile(workspace.imaginary, tile, top + tile.valid_rows, left, finish, workspace, out)
