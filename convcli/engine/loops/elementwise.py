"""Loops over single numbers of feature maps: measured, stored as levels, merged, multiplied by alpha.

The same rules hold as for ``correlate``. ``out`` is changed in place where nothing else is said.
"""

import numpy as np

from ..simd.reference import VECTOR_BYTES, broadcast, count_above, count_below, count_nan, load, maximum, minimum, store


def measure(values, low, high, line, out):
    """Minimum and maximum of values (n,), and how many are below low, above high, and NaN: out (5,) float64.

    NaN counts nowhere else. line (2 vectors,) is scratch memory.
    """
    size = VECTOR_BYTES // values.itemsize
    whole = values.size // size * size
    infinity = values.dtype.type(np.inf)
    least, most = broadcast(infinity), broadcast(-infinity)
    below = above = unknown = 0
    for x in range(0, whole, size):
        vector = load(values, x)
        least, most = minimum(vector, least), maximum(vector, most)
        below += count_below(vector, low)
        above += count_above(vector, high)
        unknown += count_nan(vector)
    store(least, line, 0)
    store(most, line, size)
    smallest, largest = infinity, -infinity
    for i in range(size):
        smallest, largest = min(smallest, line[i]), max(largest, line[size + i])
    for x in range(whole, values.size):
        value = values[x]
        smallest = value if value < smallest else smallest
        largest = value if value > largest else largest
        below += value < low
        above += value > high
        unknown += value != value
    out[0], out[1], out[2], out[3], out[4] = smallest, largest, below, above, unknown


def scale_to_levels(values, zero, scale, low, high, out):
    """(values - zero) * scale, rounded half to even and saturated at the levels low and high, out (n,). NaN becomes 0."""
    bottom, top, nothing = values.dtype.type(low), values.dtype.type(high), values.dtype.type(0)
    for x in range(values.size):
        value = np.rint((values[x] - zero) * scale)
        level = out.dtype.type(value if bottom < value < top else nothing)
        level = high if value >= top else level
        out[x] = low if value <= bottom else level


def make_square(out):
    """Out * out in place, (n,)."""
    for x in range(out.size):
        out[x] = out[x] * out[x]


def make_root(out):
    """Square root in place, (n,)."""
    for x in range(out.size):
        out[x] = np.sqrt(out[x])


def scale_by(factor, out):
    """Out * factor in place, (n,)."""
    for x in range(out.size):
        out[x] = out[x] * factor


def scale_and_shift(planes, scales, shifts, out):
    """Planes (P, n) times scales (C,) plus shifts (C,), float64 as their sum is, into out (P, n): plane p is of channel p % C.

    In float32, 240 less 240 would leave the rounding of 240.
    """
    for i in range(planes.shape[0]):
        line, scaled_line = planes[i], out[i]
        scale, shift = scales[i % scales.size], shifts[i % scales.size]
        for x in range(line.size):
            scaled_line[x] = line[x] * scale + shift


def add_number(number, out):
    """Add one number to out (n,)."""
    for x in range(out.size):
        out[x] += number


def add(values, out):
    """Add values (n,) to out (n,)."""
    for x in range(out.size):
        out[x] += values[x]


def take_larger(values, out):
    """Keep the larger of values (n,) and out (n,) in out."""
    for x in range(out.size):
        out[x] = values[x] if values[x] > out[x] else out[x]


def premultiply(pixels, alpha, white, out):
    """Pixels (n, C) times alpha (n,) / white, into out (n, C) real."""
    for i in range(alpha.size):
        cover = alpha[i] / white
        for c in range(pixels.shape[1]):
            out[i, c] = pixels[i, c] * cover


def unpremultiply(alpha, white, least, out):
    """Divide out (n, C) by alpha (n,) / white; where no more than least of white covers, the colour is 0."""
    for i in range(alpha.size):
        cover = alpha[i] / white
        for c in range(out.shape[1]):
            out[i, c] = out[i, c] / cover if cover > least else 0
