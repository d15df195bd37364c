"""Whole numbers and pairs of them, as the public functions take them."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ..errors import ArgumentError

Pair: TypeAlias = int | Sequence[int]
Sides: TypeAlias = tuple[int, int]

FARTHEST = 65_535
"""Largest stride, dilation, padding and extent in pixels: beyond any use, and small enough that a slip costs nothing."""


def as_pair(name: str, value: Pair, least: int) -> Sides:
    """Read an int or (rows, columns) as a pair; raise ArgumentError below ``least`` and above FARTHEST.

    >>> as_pair("stride", 2, least=1)
    (2, 2)
    """
    parts = parts_of(value) or (value, value)
    numbers = [as_whole(part) for part in parts]
    if len(numbers) != 2 or None in numbers:
        raise ArgumentError(f"{name} must be a whole number or (rows, columns), got {value!r}")
    first, second = (number for number in numbers if number is not None)
    if min(first, second) < least:
        raise ArgumentError(f"{name} must be at least {least}, got {value!r}")
    if max(first, second) > FARTHEST:
        raise ArgumentError(f"{name} must be at most {FARTHEST}, got {value!r}")
    return first, second


def parts_of(value: object) -> tuple[Any, ...]:
    """The parts of a list, a tuple or an array; none of a number, of a word, or of what has no order."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__getitem__"):
        return ()
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:  # an array of no dimensions
        return ()


def as_count(name: str, value: object) -> int:
    """Read a whole number of at least 1; raise ArgumentError."""
    number = as_whole(value)
    if number is None or number < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def as_whole(value: object) -> int | None:
    """A whole number of any type, but no bool; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
