"""Elementwise loops over feature maps: statistics, conversion to levels, merging, alpha, light. ``out`` is changed in place.

The rules of ``correlate`` hold here too.
"""

import numpy as np

from ..simd.reference import VECTOR_BYTES, broadcast, count_above, count_below, count_nan, load, maximum, minimum, store


def measure(values, low, high, line, out):
    """Write to out (5,) float64: minimum and maximum of values (n,), and the counts below low, above high, and of NaN.

    The minimum, the maximum and the other counts ignore NaN. line (2 vectors,) is scratch memory.
    """
    size = VECTOR_BYTES // values.itemsize
    whole = values.size // size * size
    infinity = values.dtype.type(np.inf)
    least, most = broadcast(infinity), broadcast(-infinity)
    below = above = nan_count = 0
    for x in range(0, whole, size):
        vector = load(values, x)
        least, most = minimum(vector, least), maximum(vector, most)
        below += count_below(vector, low)
        above += count_above(vector, high)
        nan_count += count_nan(vector)
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
        nan_count += value != value
    out[0], out[1], out[2], out[3], out[4] = smallest, largest, below, above, nan_count


def scale_to_levels(values, zero, scale, low, high, out):
    """Write (values - zero) * scale to out (n,), rounded half to even and saturated at low and high. NaN becomes 0."""
    bottom, top, real_zero = values.dtype.type(low), values.dtype.type(high), values.dtype.type(0)
    for x in range(values.size):
        value = np.rint((values[x] - zero) * scale)
        level = out.dtype.type(value if bottom < value < top else real_zero)
        level = high if value >= top else level
        out[x] = low if value <= bottom else level


def make_square(out):
    """Square out (n,), in place."""
    for x in range(out.size):
        out[x] = out[x] * out[x]


def make_root(out):
    """Take the square root of out (n,), in place."""
    for x in range(out.size):
        out[x] = np.sqrt(out[x])


def scale_by(factor, out):
    """Multiply out (n,) by a factor, in place."""
    for x in range(out.size):
        out[x] = out[x] * factor


def scale_and_shift(planes, scales, shifts, out):
    """Write planes (P, n) * scales (C,) + shifts (C,) to out (P, n). Plane p is of channel p % C.

    Scales, shifts and the sum are float64: in float32 a shift that cancels the product would leave the product's rounding.
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
    """Replace out (n,) by the larger of values (n,) and out."""
    for x in range(out.size):
        out[x] = values[x] if values[x] > out[x] else out[x]


def premultiply(pixels, alpha, white, out):
    """Write pixels (n, C) * alpha (n,) / white to out (n, C), real. Pixels and alpha may be views with gaps."""
    for i in range(alpha.size):
        opacity = alpha[i] / white
        for c in range(pixels.shape[1]):
            out[i, c] = pixels[i, c] * opacity


def unpremultiply(alpha, white, least, out):
    """Divide out (n, C) by alpha (n,) / white, in place; where that is at most ``least``, the colour is 0."""
    for i in range(alpha.size):
        opacity = alpha[i] / white
        for c in range(out.shape[1]):
            out[i, c] = out[i, c] / opacity if opacity > least else 0


def look_up(pixels, tables, out):
    """Write the entries of tables (1 or C, n) at the levels pixels (n, C) to out (n, C), real."""
    for c in range(pixels.shape[1]):
        table = tables[c]
        for i in range(pixels.shape[0]):
            out[i, c] = table[pixels[i, c]]


def interpolate(bits, shift, first, lines, out):
    """Replace out (n, C) float32 by a function of its absolute values, with its signs, in place.

    The function is a line in each interval: lines (C, m, 2) hold start and slope. bits (n, C) int32 is the memory of out: the
    upper bits of a float are its exponent and the begin of its fraction, so that bits >> shift numbers intervals whose width
    doubles with each power of two. Number ``first`` is that of line 0; a value below the first interval is in the first, above
    the last in the last.
    """
    last = np.int32(lines.shape[1] - 1)
    for c in range(out.shape[1]):
        line = lines[c]
        for i in range(out.shape[0]):
            index = ((bits[i, c] & np.int32(0x7FFFFFFF)) >> shift) - first
            place = np.uint32(min(max(index, np.int32(0)), last))
            value = out[i, c]
            result = line[place, 0] + line[place, 1] * abs(value)
            out[i, c] = -result if value < 0 else result
