"""Strips: the neighbouring numbers that are worked on at once, kept in a few vector registers.

Here they are NumPy arrays, as the loops see them in plain Python; ``vectors`` has the same functions in machine code.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

STRIP = 256
"""Bytes in a strip: four of the widest registers there are. Two strips of sums and one of numbers then fit in 32 of them."""


LANES = STRIP // 2
"""Numbers in the strips that have most, those of int16."""


def load(line: Array, x: int) -> Array:
    """The strip of a line (n,) that begins at x."""
    return line[x : x + STRIP // line.itemsize].copy()


def half(line: Array, x: int) -> Array:
    """Half a strip, two registers: for sums of twice as many rows."""
    return line[x : x + STRIP // 2 // line.itemsize].copy()


def sliver(line: Array, x: int) -> Array:
    """A quarter of a strip, one register: for work on so many numbers at once that strips would not fit."""
    return line[x : x + STRIP // 4 // line.itemsize].copy()


def deal(source: Array, x: int, line: Array, one: int, other: int, group: int) -> int:
    """Deal groups of neighbouring numbers, those from x on, by turns to two places of a line; return how many to each.

    The source is of levels or of the line's type.
    """
    count = STRIP // 4 // group * group
    pairs = source[x : x + 2 * count].reshape(-1, 2, group)
    line[one : one + count] = pairs[:, 0].ravel()
    line[other : other + count] = pairs[:, 1].ravel()
    return count


def store(strip: Array, line: Array, x: int) -> None:
    """Write a strip to a line from x on: uint8 and uint16 take it rounded half to even and saturated, NaN as 0."""
    if line.dtype.kind == "u":
        strip = np.clip(np.rint(np.nan_to_num(strip, nan=0.0)), 0, np.iinfo(line.dtype).max)
    line[x : x + strip.size] = strip


def stream(strip: Array, line: Array, x: int) -> None:
    """Write a strip past the caches, which need not read first what is overwritten; both begin where a line of them does."""
    store(strip, line, x)


def pick(line: Array, i: int) -> Any:
    """Number i of a line; i is not negative, which Numba cannot know and asks each time."""
    return line[i]


def fill(number: Any) -> Array:
    """A strip of one number, of its type."""
    return np.full(STRIP // number.itemsize, number)


def half_of(number: Any) -> Array:
    """Half a strip of one number, of its type."""
    return np.full(STRIP // 2 // number.itemsize, number)


def mul_add(strip: Array, other: Any, total: Array) -> Array:
    """Strip * other + total, with one rounding where the processor can; the other is a number or a strip."""
    product: Array = strip * other
    return product + total


def scaled(strip: Array, unit: Any, bias: Any, low: int) -> Array:
    """Strip * unit + bias, real numbers of the type of these. One of int16 has 16 bits of whole numbers from low on."""
    if strip.dtype == np.int16:
        strip = (strip.astype(np.int64) - low) % (1 << 16) + low
    result: Array = strip.astype(unit.dtype) * unit + bias
    return result


def scaled_by_two(strip: Array, unit: Any, rest: Any, bias: Any, low: int) -> Array:
    """Strip * (unit + rest) + bias, the rest being what the type does not hold of the unit; else as ``scaled``."""
    if strip.dtype == np.int16:
        strip = (strip.astype(np.int64) - low) % (1 << 16) + low
    real = strip.astype(unit.dtype)
    result: Array = real * unit + (real * rest + bias)
    return result


def times(strip: Array, other: Any) -> Array:
    """Strip * other, a number or a strip."""
    product: Array = strip * other
    return product


def plus(one: Array, other: Any) -> Array:
    """The sum of two strips, or of a strip and a number."""
    total: Array = one + other
    return total


def minus(one: Array, other: Array) -> Array:
    """The difference of two strips."""
    return one - other


def whole(strip: Array) -> Array:
    """The nearest whole numbers, of two the even one."""
    return np.rint(strip)


def turn(source: Array, x: int, stride: int, target: Array, y: int, turned: int) -> None:
    """Turn a block, as many slivers as there are numbers in one: rows at x, x + stride .. become columns at y, y + turned .."""
    size = STRIP // 4 // source.itemsize
    for i in range(size):
        for j in range(size):
            target[y + j * turned + i] = source[x + i * stride + j]


def smaller(strip: Array, other: Array) -> Array:
    """The smaller numbers; of NaN in the first, those of the other."""
    return np.where(strip < other, strip, other)


def larger(strip: Array, other: Array) -> Array:
    """The larger numbers; of NaN in the first, those of the other."""
    return np.where(strip > other, strip, other)


def largest(strip: Array, other: Array) -> Array:
    """The larger numbers, NaN where either is NaN."""
    return np.where((strip > other) | np.isnan(strip), strip, other)


def count_below(strip: Array, number: Any) -> int:
    """How many numbers are below one."""
    return int((strip < number).sum())


def count_above(strip: Array, number: Any) -> int:
    """How many numbers are above one."""
    return int((strip > number).sum())


def count_unknown(strip: Array) -> int:
    """How many are NaN."""
    return int(np.isnan(strip).sum())


def finite(strip: Array) -> Array:
    """A strip with 0 in place of infinities and NaN."""
    return np.where(np.abs(strip) < np.inf, strip, strip.dtype.type(0))
