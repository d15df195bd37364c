"""Vector operations in NumPy, equal to those that ``llvm`` compiles: they let loops run as plain Python.

A vector holds neighbouring samples, which are computed together in a few vector registers.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

VECTOR_BYTES = 256
"""Bytes in a vector: four of the widest registers (AVX-512). Two accumulators and one input fit in its 32 registers."""

MAX_LANES = VECTOR_BYTES // 2
"""Lanes of a vector of int16, the smallest type: no vector has more."""


SLID_PIXELS = 8
"""Pixels of 3 or 4 channels that ``slide`` stores at a time."""


def load(line: Array, x: int) -> Array:
    """Load the vector that starts at index x of a line (n,)."""
    return line[x : x + VECTOR_BYTES // line.itemsize].copy()


def half(line: Array, x: int) -> Array:
    """Load half a vector, two registers: for loops that keep twice as many accumulators."""
    return line[x : x + VECTOR_BYTES // 2 // line.itemsize].copy()


def quarter(line: Array, x: int) -> Array:
    """Load a quarter of a vector, one register: for loops that hold many values at once."""
    return line[x : x + VECTOR_BYTES // 4 // line.itemsize].copy()


def deinterleave(source: Array, x: int, line: Array, even_start: int, odd_start: int, group: int) -> int:
    """Copy even groups of ``source`` from index x on to ``even_start`` of a line, odd ones to ``odd_start``.

    A group is ``group`` neighbouring numbers. Return how many numbers were copied to each. The source has the dtype of the
    line, or uint8 or uint16.
    """
    count = VECTOR_BYTES // 4 // group * group
    pairs = source[x : x + 2 * count].reshape(-1, 2, group)
    line[even_start : even_start + count] = pairs[:, 0].ravel()
    line[odd_start : odd_start + count] = pairs[:, 1].ravel()
    return count


def split_quarters(source: Array, x: int, count: int, line: Array, start: int, step: int) -> None:
    """Store ``count`` quarter vectors at start, start + step .. of a line: the numbers of a source from x on, in turn."""
    lanes = VECTOR_BYTES // 4 // source.itemsize
    for i in range(count):
        line[start + i * step : start + i * step + lanes] = source[x + i : x + count * lanes : count]


def store(vector: Array, line: Array, x: int) -> None:
    """Store a vector at index x of a line. In uint8 and uint16 lines, a vector of reals is rounded half to even and saturated.

    NaN becomes 0. A vector of integers is stored only in a line of its own dtype.
    """
    if line.dtype.kind == "u":
        vector = np.clip(np.rint(np.nan_to_num(vector, nan=0.0)), 0, np.iinfo(line.dtype).max)
    line[x : x + vector.size] = vector


def stream(vector: Array, line: Array, x: int) -> None:
    """Store a vector without loading its cache lines first (a non-temporal store); the address is a multiple of 64."""
    store(vector, line, x)


def item(line: Array, i: int) -> Any:
    """Return element i of a line. i is not negative: Numba would check that on every access."""
    return line[i]


def broadcast(number: Any) -> Array:
    """Return a vector filled with a number, of its dtype."""
    return np.full(VECTOR_BYTES // number.itemsize, number)


def broadcast_half(number: Any) -> Array:
    """Return half a vector filled with a number, of its dtype."""
    return np.full(VECTOR_BYTES // 2 // number.itemsize, number)


def broadcast_quarter(number: Any) -> Array:
    """Return a quarter vector filled with a number, of its dtype."""
    return np.full(VECTOR_BYTES // 4 // number.itemsize, number)


def slide(line: Array, x: int, ahead: int, sums: Array, total: Array, group: int) -> Array:
    """Store sums of ``ahead`` numbers of a line at x of ``sums``, from the sums before: plus one number, minus another.

    Each number is of a group of ``group`` neighbours, at most 4, and is added to the sum of the group before. ``total`` begins
    with the sums of the last group, repeated; return it for the next call. For groups of 1 or 2, a vector of sums is stored;
    for groups of 3 or 4, those of SLID_PIXELS groups, and a number without a meaning. Numbers of the line differ by less than
    2**15 where they have 16 bits and the sums have 32.
    """
    count = VECTOR_BYTES // sums.itemsize if group <= 2 else SLID_PIXELS * group
    more = line[x + ahead : x + ahead + count] - line[x : x + count]
    filled = total[np.arange(count) % group] + more.reshape(-1, group).cumsum(axis=0, dtype=sums.dtype).ravel()
    sums[x : x + count] = filled
    last: Array = filled[count - group + np.arange(total.size) % group]
    return last


def add_taps(line: Array, offsets: Array, weights: Array, t: int, x: int, total: Array, count: int) -> Array:
    """Add the products of ``count`` taps from tap t on: of weights, and of the vectors x after their offsets in a line."""
    for i in range(t, t + count):
        total = multiply_add(load(line, offsets[i] + x), weights[i], total)
    return total


def add_taps_to_both(
    line: Array, offsets: Array, weights: Array, others: Array, t: int, x: int, total: Array, other: Array, count: int
) -> tuple[Array, Array]:
    """Do as ``add_taps`` for two totals with weights of their own."""
    return add_taps(line, offsets, weights, t, x, total, count), add_taps(line, offsets, others, t, x, other, count)


def add_pairs(line: Array, starts: Array, weights: Array, t: int, x: int, shift: Any, total: Array, count: int) -> Array:
    """Add the products of ``count`` pairs of taps: of a weight, and of the sum of two vectors of a line of int16 - shift.

    The taps t and t + 1 are a pair. Sums of two samples are below 2**15. Lanes are in the order that ``in_order`` expects.
    """
    for i in range(t, t + 2 * count, 2):
        left, right = (line[start + x : start + x + total.size] for start in starts[i : i + 2])
        total = multiply_add((left + right).astype(total.dtype) - shift, weights[i], total)
    return total


def in_order(vector: Array) -> Array:
    """Order the lanes of a sum of ``add_pairs``, which are in another order in machine code."""
    return vector


def multiply_add(vector: Array, other: Any, total: Array) -> Array:
    """Return vector * other + total, rounded once where the processor can. ``other`` is a number or a vector."""
    product: Array = vector * other
    return product + total


def scale_and_add(vector: Array, unit: Any, bias: Any, low: int) -> Array:
    """Return vector * unit + bias in the real dtype of these. int16 lanes hold integers modulo 2**16, the least is ``low``."""
    if vector.dtype == np.int16:
        vector = (vector.astype(np.int64) - low) % (1 << 16) + low
    result: Array = vector.astype(unit.dtype) * unit + bias
    return result


def scale_and_add_precisely(vector: Array, unit: Any, rest: Any, bias: Any, low: int) -> Array:
    """Return vector * (unit + rest) + bias, as ``scale_and_add``. ``rest`` is the rounding error of ``unit`` in its dtype."""
    if vector.dtype == np.int16:
        vector = (vector.astype(np.int64) - low) % (1 << 16) + low
    real = vector.astype(unit.dtype)
    result: Array = real * unit + (real * rest + bias)
    return result


def multiply(vector: Array, other: Any) -> Array:
    """Return vector * other. ``other`` is a number or a vector."""
    product: Array = vector * other
    return product


def add(vector: Array, other: Any) -> Array:
    """Return vector + other. ``other`` is a number or a vector."""
    total: Array = vector + other
    return total


def subtract(vector: Array, other: Array) -> Array:
    """Return vector - other."""
    return vector - other


def rint(vector: Array) -> Array:
    """Round to the nearest integer, half to even."""
    return np.rint(vector)


def transpose_block(source: Array, x: int, stride: int, target: Array, y: int, target_stride: int) -> None:
    """Transpose a square block of n x n, n the lanes of a quarter vector: rows at x, x + stride .. become columns of target."""
    size = VECTOR_BYTES // 4 // source.itemsize
    for i in range(size):
        for j in range(size):
            target[y + j * target_stride + i] = source[x + i * stride + j]


def interleave(vector: Array, other: Array) -> Array:
    """Return a vector of twice as many lanes, taken from two vectors in turn."""
    return np.stack((vector, other), axis=1).reshape(-1)


def minimum(vector: Array, other: Array) -> Array:
    """Return the smaller lanes; where the first is NaN, those of the other."""
    return np.where(vector < other, vector, other)


def maximum(vector: Array, other: Array) -> Array:
    """Return the larger lanes; where the first is NaN, those of the other."""
    return np.where(vector > other, vector, other)


def maximum_or_nan(vector: Array, other: Array) -> Array:
    """Return the larger lanes, NaN where either is NaN."""
    return np.where((vector > other) | np.isnan(vector), vector, other)


def count_below(vector: Array, number: Any) -> int:
    """Count the lanes below a number."""
    return int((vector < number).sum())


def count_above(vector: Array, number: Any) -> int:
    """Count the lanes above a number."""
    return int((vector > number).sum())


def count_nan(vector: Array) -> int:
    """Count the lanes that are NaN."""
    return int(np.isnan(vector).sum())


def finite_or_zero(vector: Array) -> Array:
    """Replace infinities and NaN by 0."""
    return np.where(np.abs(vector) < np.inf, vector, vector.dtype.type(0))
