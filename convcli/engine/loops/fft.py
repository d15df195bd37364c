"""Loops that convolve by multiplying spectra, for large kernels: a tile costs the same for any kernel that fits in it.

Two tiles of an image are transformed together, as the real and the imaginary part of one complex tile. The transforms are
Cooley and Tukey's, radix 4 (doi:10.1090/S0025-5718-1965-0178586-1), from natural to digit-reversed order and back; spectra
can be multiplied in either order. They run down columns, one register of neighbouring columns at a time. The tile is
transposed for those along rows. The rules of ``correlate`` hold here too.
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
    pixel: int  # samples in a pixel
    stride: int  # samples from one row to the next
    transposed_stride: int  # samples from one column to the next in the transposed tile
    valid_rows: int  # rows at which the kernel lies within the tile, a multiple of row_stride
    valid_columns: int  # the same for columns
    row_stride: int  # rows from one output row to the next
    column_stride: int
    tiles_across: int  # tiles side by side
    row_cosine: Array  # (rows,) real: cos(2 pi i / rows)
    row_sine: Array
    column_cosine: Array  # (columns,) real
    column_sine: Array


class Borders(NamedTuple):
    """The image row and column at each padded one: -1 for the constant, -2 for positions whose results are not used."""

    row: Array  # int64, for all rows of all tiles
    column: Array
    constant: Any  # real: the value at -1


class KernelSpectrum(NamedTuple):
    """The spectrum of a kernel, transposed as tiles are, and divided by the factor that the transforms introduce."""

    real: Array
    imaginary: Array


class Finish(NamedTuple):
    """How a sum becomes a response: (rint(sum) if is_integer else sum) + shift, times unit + rest, plus bias + bias_rest."""

    is_integer: int  # 1 where exact sums are integers, which differ from these by the rounding of the transforms alone
    shift: Any  # real: an integer if is_integer
    unit: Any  # real
    unit_error: Any  # real: the rounding error of unit
    bias: Any  # real
    bias_rest: Any  # real: the rounding error of bias


class Workspace(NamedTuple):
    """Memory for two tiles, in the order of the image and transposed."""

    real: Array
    imaginary: Array
    transposed_real: Array
    transposed_imaginary: Array
    line: Array  # (vector or output row of a tile,) of the output's type


def rotate(real, imaginary, cosine, sine):
    """Return (real + i imaginary) * (cosine - i sine)."""
    return multiply_add(imaginary, sine, multiply(real, cosine)), multiply_add(real, -sine, multiply(imaginary, cosine))


def forward_fft(real, imaginary, begin, stride, cosine, sine):
    """Transform a column of ``cosine.size`` quarter vectors, ``stride`` apart, to its spectrum, in place."""
    size = cosine.size
    span = size
    while span > 1:
        quarter_span = span // 4
        for j in range(quarter_span):
            t = j * (size // span)
            for i in range(j, size, span):
                a = begin + i * stride
                b, c, d = a + quarter_span * stride, a + 2 * quarter_span * stride, a + 3 * quarter_span * stride
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
        span = quarter_span


def inverse_fft(real, imaginary, begin, stride, cosine, sine):
    """Invert ``forward_fft``, in place. The result is ``cosine.size`` times the original."""
    size = cosine.size
    span = 4
    while span <= size:
        quarter_span = span // 4
        for j in range(quarter_span):
            t = j * (size // span)
            for i in range(j, size, span):
                a = begin + i * stride
                b, c, d = a + quarter_span * stride, a + 2 * quarter_span * stride, a + 3 * quarter_span * stride
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
    """Transpose a tile. The buffers have room for sides rounded up to whole quarter vectors."""
    size = VECTOR_BYTES // 4 // source.itemsize
    for y in range(0, rows, size):
        for x in range(0, columns, size):
            transpose_block(source, y * stride + x, stride, target, x * transposed_stride + y, transposed_stride)


def to_spectrum(tile, workspace):
    """Transform a tile along its columns, transpose it, and transform it along its rows."""
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
    """Invert ``to_spectrum``."""
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


def multiply_spectra(tile, workspace, kernel):
    """Multiply the spectrum of a transposed tile by the conjugate of the kernel's, which gives the cross-correlation."""
    size = VECTOR_BYTES // workspace.real.itemsize
    for x in range(tile.columns):
        for c in range(tile.pixel):
            for y in range(0, tile.rows, size):
                k = x * tile.transposed_stride + y
                i = (x * tile.pixel + c) * tile.transposed_stride + y
                ar, ai = load(workspace.transposed_real, i), load(workspace.transposed_imaginary, i)
                kr, ki = load(kernel.real, k), load(kernel.imaginary, k)
                store(multiply_add(ai, ki, multiply(ar, kr)), workspace.transposed_real, i)
                store(subtract(multiply(ai, kr), multiply(ar, ki)), workspace.transposed_imaginary, i)


def load_tile(plane, borders, top, left, offset, tile, samples):
    """Copy a tile whose corner is at the padded row ``top`` and column ``left``, minus the offset."""
    pixel = tile.pixel
    column = borders.column[left : left + tile.columns]
    contiguous = column[0] >= 0 and column[tile.columns - 1] - column[0] == tile.columns - 1
    for y in range(tile.rows):
        row = borders.row[top + y]
        line = samples[y * tile.stride : y * tile.stride + tile.columns * pixel]
        if row < 0:
            line[:] = borders.constant - offset if row == -1 else line.dtype.type(0)
        elif contiguous:
            source = plane[row, column[0] * pixel : (column[0] + tile.columns) * pixel]
            for x in range(line.size):
                line[x] = source[x] - offset
        else:
            for x in range(tile.columns):
                for c in range(pixel):
                    inside = plane[row, max(column[x], 0) * pixel + c]
                    sample = inside if column[x] >= 0 else borders.constant if column[x] == -1 else offset
                    line[x * pixel + c] = sample - offset


def store_tile(sums, tile, top, left, finish, workspace, out):
    """Write the responses of a tile to out (H', samples)."""
    size, pixel, stride = VECTOR_BYTES // sums.itemsize, tile.pixel, tile.column_stride
    begin = left // stride * pixel
    valid_columns = min(tile.valid_columns // stride * pixel, out.shape[1] - begin)
    for y in range(min(tile.valid_rows // tile.row_stride, out.shape[0] - top // tile.row_stride)):
        line = sums[y * tile.row_stride * tile.stride : (y * tile.row_stride + 1) * tile.stride]
        for x in range(pixel if stride > 1 else valid_columns, valid_columns):
            line[x] = line[x // pixel * stride * pixel + x % pixel]
        row = out[top // tile.row_stride + y, begin : begin + valid_columns]
        target = row if valid_columns >= size else workspace.line
        for x in range(0, valid_columns, size):
            start = min(x, max(valid_columns - size, 0))  # the last vector ends with the row
            vector = load(line, start)
            if finish.is_integer:
                vector = rint(vector)
            vector = add(vector, broadcast(finish.shift))
            if finish.unit_error != 0:
                vector = scale_and_add_precisely(vector, finish.unit, finish.unit_error, finish.bias_rest, 0)
            else:
                vector = scale_and_add(vector, finish.unit, finish.bias_rest, 0)
            store(add(vector, finish.bias), target, start)
        for x in range(valid_columns if valid_columns < size else 0):
            row[x] = target[x]


def kernel_spectrum(kernel, dilation, tile, workspace):
    """Compute the spectrum of a kernel (kh, kw) into the transposed workspace, divided by rows * columns of the tile."""
    workspace.real[:] = 0
    workspace.imaginary[:] = 0
    for y in range(kernel.shape[0]):
        for x in range(kernel.shape[1]):
            workspace.real[y * dilation[0] * tile.stride + x * dilation[1]] = kernel[y, x] / (tile.rows * tile.columns)
    to_spectrum(tile, workspace)


def correlate_spectra(plane, tile, borders, kernel, finish, offset, pairs, workspace, out):
    """Slide a kernel over plane (H, samples), into out (H', samples), for the pairs of tiles pairs[0] .. pairs[1].

    A pair is two tiles one above the other. The offset is subtracted from every sample; ``finish`` adds its sum back.
    """
    for pair in range(pairs[0], pairs[1]):
        top, left = pair // tile.tiles_across * 2 * tile.valid_rows, pair % tile.tiles_across * tile.valid_columns
        load_tile(plane, borders, top, left, offset, tile, workspace.real)
        load_tile(plane, borders, top + tile.valid_rows, left, offset, tile, workspace.imaginary)
        to_spectrum(tile, workspace)
        multiply_spectra(tile, workspace, kernel)
        from_spectrum(tile, workspace)
        store_tile(workspace.real, tile, top, left, finish, workspace, out)
        store_tile(workspace.imaginary, tile, top + tile.valid_rows, left, finish, workspace, out)
