"""The loops of pooling: the maximum, the mean or a norm of each window. The rules of ``correlate`` hold here too.

A window is reduced down its columns into one line, then along that line: 3 + 3 steps in place of 9 for a window of 3 x 3. A
line is computed in quarter vectors, as maps are often small: 14 samples a row.
"""

from typing import NamedTuple

import numpy as np

from ..simd.reference import VECTOR_BYTES, add, item, maximum_or_nan, quarter, store


class Windows(NamedTuple):
    """The windows on the rows and columns of planes."""

    size: int  # rows of a plane
    out: int  # output rows of a plane
    row_taps: int
    row_stride: int
    row_dilation: int
    above: int  # rows of padding before the first
    column_taps: int
    column_stride: int
    column_dilation: int
    left: int
    padded: int  # samples in a padded row


def keep_largest(values, out):
    """Replace out (n,) by the larger of values (n,) and out, NaN where either is NaN."""
    for x in range(out.size):
        value, largest = values[x], out[x]
        out[x] = value if (value > largest) | (value != value) else largest


def add_values(values, out):
    """Add values (n,) to out (n,)."""
    for x in range(out.size):
        out[x] += values[x]


def add_magnitudes(values, out):
    """Add the absolute values of values (n,) to out (n,)."""
    for x in range(out.size):
        out[x] += abs(values[x])


def add_squares(values, out):
    """Add the squares of values (n,) to out (n,), in the type of out."""
    for x in range(out.size):
        value = out.dtype.type(values[x])
        out[x] += value * value


def add_along(windows, count, line):
    """Sum the taps of ``count`` windows on a line, in place: a sum overwrites its first tap, which no later window reads."""
    for x in range(0, (count - 1) * windows.column_stride + 1, VECTOR_BYTES // 4 // line.itemsize):
        total = quarter(line, x)
        for k in range(1, windows.column_taps):
            total = add(total, quarter(line, x + k * windows.column_dilation))
        store(total, line, x)


def take_every(stride, line, out):
    """Copy every stride-th sample of a line to out (n,)."""
    if stride == 1:
        for x in range(out.size):
            out[x] = line[x]
    elif stride == 2:
        for x in range(out.size):
            out[x] = item(line, 2 * x)
    else:
        for x in range(out.size):
            out[x] = item(line, stride * x)


def take_largest(planes, windows, lowest, band, line, out):
    """Compute the maximum of each window on planes (P, H, W), into rows band[0] .. band[1] of out (P * H', W').

    ``line`` (padded width + a quarter vector,) is scratch memory of out's dtype. ``lowest`` is the least value of that dtype,
    the value of the padding.
    """
    padded = line[: windows.padded]
    middle = line[windows.left : windows.left + planes.shape[2]]
    for i in range(band[0], band[1]):
        padded[:] = lowest
        for k in range(windows.row_taps):
            row = i % windows.out * windows.row_stride - windows.above + k * windows.row_dilation
            if 0 <= row < windows.size:
                keep_largest(planes[i // windows.out, row], middle)
        for x in range(0, (out.shape[1] - 1) * windows.column_stride + 1, VECTOR_BYTES // 4 // line.itemsize):
            largest = quarter(line, x)
            for k in range(1, windows.column_taps):
                largest = maximum_or_nan(quarter(line, x + k * windows.column_dilation), largest)
            store(largest, line, x)  # no later window reads this sample
        take_every(windows.column_stride, line, out[i])


def take_means(planes, windows, row_counts, column_counts, band, line, out):
    """Compute the mean of each window, as ``take_largest``: its sum / (row_counts (H',) * column_counts (W',)), in float64."""
    padded = line[: windows.padded]
    middle = line[windows.left : windows.left + planes.shape[2]]
    for i in range(band[0], band[1]):
        padded[:] = 0
        for k in range(windows.row_taps):
            row = i % windows.out * windows.row_stride - windows.above + k * windows.row_dilation
            if 0 <= row < windows.size:
                add_values(planes[i // windows.out, row], middle)
        add_along(windows, out.shape[1], line)
        means, row_count = out[i], row_counts[i % windows.out]
        for x in range(means.size):
            means[x] = item(line, windows.column_stride * x) / (row_count * column_counts[x])


def take_norms(planes, windows, squared, band, line, out):
    """Compute the norm of each window, as ``take_largest``: the root of its sum of squares, or its sum of absolute values."""
    padded = line[: windows.padded]
    middle = line[windows.left : windows.left + planes.shape[2]]
    for i in range(band[0], band[1]):
        padded[:] = 0
        for k in range(windows.row_taps):
            row = i % windows.out * windows.row_stride - windows.above + k * windows.row_dilation
            if 0 <= row < windows.size and squared:
                add_squares(planes[i // windows.out, row], middle)
            elif 0 <= row < windows.size:
                add_magnitudes(planes[i // windows.out, row], middle)
        add_along(windows, out.shape[1], line)
        norms = out[i]
        for x in range(norms.size):
            total = item(line, windows.column_stride * x)
            norms[x] = np.sqrt(total) if squared else total
