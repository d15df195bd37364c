"""Vector operations in NumPy: what ``llvm`` does in machine code, for loops that run as plain Python.

A vector is a number of neighbouring samples that are computed at once, in a few vector registers.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

VECTOR_BYTES = 256
"""Bytes in a vector: four of the widest registers there are. Two accumulators and one input then fit in 32 registers."""

MAX_LANES = VECTOR_BYTES // 2
"""Numbers in the vectors that have most, those of int16."""


def load(line: Array, x: int) -> Array:
    """The vector of a line (n,) that begins at x."""
    return line[x : x + VECTOR_BYTES // line.itemsize].copy()


def half(line: Array, x: int) -> Array:
    """Half a vector, two registers: for sums of twice as many rows."""
    return line[x : x + VECTOR_BYTES // 2 // line.itemsize].copy()


def quarter(line: Array, x: int) -> Array:
    """A quarter of a vector, one register: for work on so many numbers at once that vectors would not fit."""
    return line[x : x + VECTOR_BYTES // 4 // line.itemsize].copy()


def deinterleave(source: Array, x: int, line: Array, one: int, other: int, group: int) -> int:
    """Deal groups of neighbouring numbers, those from x on, by turns to two places of a line; return how many to each.

    The source is of levels or of the line's type.
    """
    count = VECTOR_BYTES // 4 // group * group
    pairs = source[x : x + 2 * count].reshape(-1, 2, group)
    line[one : one + count] = pairs[:, 0].ravel()
    line[other : other + count] = pairs[:, 1].ravel()
    return count


def store(vector: Array, line: Array, x: int) -> None:
    """Write a vector to a line from x on: uint8 and uint16 take it rounded half to even and saturated, NaN as 0."""
    if line.dtype.kind == "u":
        vector = np.clip(np.rint(np.nan_to_num(vector, nan=0.0)), 0, np.iinfo(line.dtype).max)
    line[x : x + vector.size] = vector


def stream(vector: Array, line: Array, x: int) -> None:
    """Write a vector past the caches, which need not read first what is overwritten; both begin where a line of them does."""
    store(vector, line, x)


def item(line: Array, i: int) -> Any:
    """Number i of a line; i is not negative, which Numba cannot know and asks each time."""
    return line[i]


def broadcast(number: Any) -> Array:
    """A vector of one number, of its type."""
    return np.full(VECTOR_BYTES // number.itemsize, number)


def broadcast_half(number: Any) -> Array:
    """Half a vector of one number, of its type."""
    return np.full(VECTOR_BYTES // 2 // number.itemsize, number)


def multiply_add(vector: Array, other: Any, total: Array) -> Array:
    """Vector * other + total, with one rounding where the processor can; the other is a number or a vector."""
    product: Array = vector * other
    return product + total


def scale_and_add(vector: Array, unit: Any, bias: Any, low: int) -> Array:
    """Vector * unit + bias, real numbers of the type of these. One of int16 has 16 bits of whole numbers from low on."""
    if vector.dtype == np.int16:
        vector = (vector.astype(np.int64) - low) % (1 << 16) + low
    result: Array = vector.astype(unit.dtype) * unit + bias
    return result


def scale_and_add_precisely(vector: Array, unit: Any, rest: Any, bias: Any, low: int) -> Array:
    """Vector * (unit + rest) + bias, the rest being what the type does not hold of the unit; else as ``scale_and_add``."""
    if vector.dtype == np.int16:
        vector = (vector.astype(np.int64) - low) % (1 << 16) + low
    real = vector.astype(unit.dtype)
    result: Array = real * unit + (real * rest + bias)
    return result


def multiply(vector: Array, other: Any) -> Array:
    """Vector * other, a number or a vector."""
    product: Array = vector * other
    return product


def add(one: Array, other: Any) -> Array:
    """The sum of two vectors, or of a vector and a number."""
    total: Array = one + other
    return total


def subtract(one: Array, other: Array) -> Array:
    """The difference of two vectors."""
    return one - other


def rint(vector: Array) -> Array:
    """The nearest whole numbers, of two the even one."""
    return np.rint(vector)


def transpose_block(source: Array, x: int, stride: int, target: Array, y: int, target_stride: int) -> None:
    """Transpose a square block, as high and wide as a quarter vector: rows at x, x + stride .. become columns of target."""
    size = VECTOR_BYTES // 4 // source.itemsize
    for i in range(size):
        for j in range(size):
            target[y + j * target_stride + i] = source[x + i * stride + j]


def minimum(vector: Array, other: Array) -> Array:
    """The smaller numbers; of NaN in the first, those of the other."""
    return np.where(vector < other, vector, other)


def maximum(vector: Array, other: Array) -> Array:
    """The larger numbers; of NaN in the first, those of the other."""
    return np.where(vector > other, vector, other)


def maximum_or_nan(vector: Array, other: Array) -> Array:
    """The larger numbers, NaN where either is NaN."""
    return np.where((vector > other) | np.isnan(vector), vector, other)


def count_below(vector: Array, number: Any) -> int:
    """How many numbers are below one."""
    return int((vector < number).sum())


def count_above(vector: Array, number: Any) -> int:
    """How many numbers are above one."""
    return int((vector > number).sum())


def count_unknown(vector: Array) -> int:
    """How many are NaN."""
    return int(np.isnan(vector).sum())


def finite_or_zero(vector: Array) -> Array:
    """A vector with 0 in place of infinities and NaN."""
    return np.where(np.abs(vector) < np.inf, vector, vector.dtype.type(0))
