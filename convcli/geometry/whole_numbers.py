"""Integers and pairs of integers, as arguments of the public functions."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ..errors import ArgumentError

Pair: TypeAlias = int | Sequence[int]
Sides: TypeAlias = tuple[int, int]

MAX_EXTENT = 65_535
"""Largest stride, dilation, padding and extent in pixels: beyond any use, and small enough that a typing error is harmless."""


def as_pair(name: str, value: Pair, least: int) -> Sides:
    """Read an int or (rows, columns) as a pair. Raises ArgumentError below ``least`` and above MAX_EXTENT.

    >>> as_pair("stride", 2, least=1)
    (2, 2)
    """
    items = items_of(value) or (value, value)
    numbers = [as_whole(item) for item in items]
    if len(numbers) != 2 or None in numbers:
        raise ArgumentError(f"{name} must be a whole number or (rows, columns), got {value!r}")
    first, second = (number for number in numbers if number is not None)
    if min(first, second) < least:
        raise ArgumentError(f"{name} must be at least {least}, got {value!r}")
    if max(first, second) > MAX_EXTENT:
        raise ArgumentError(f"{name} must be at most {MAX_EXTENT}, got {value!r}")
    return first, second


def items_of(value: object) -> tuple[Any, ...]:
    """Return the items of a list, a tuple or an array; an empty tuple for a number, a text or a mapping."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__getitem__"):
        return ()
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:  # an array of no dimensions
        return ()


def as_count(name: str, value: object) -> int:
    """Read an integer of at least 1. Raises ArgumentError."""
    number = as_whole(value)
    if number is None or number < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def as_whole(value: object) -> int | None:
    """Return an integer of any type as an int; None for a bool and anything else."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
