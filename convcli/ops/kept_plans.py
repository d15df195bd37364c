"""Plans of operations that are kept for the next call with the same arguments.

Checking the arguments of a call takes 60 microseconds and its tables 300; looking up its plan takes 2.
"""

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from ..engine.simd.reference import Array
from ..engine.threads import run_all

Plan = TypeVar("Plan")

COMPARED = {int, float, str, bool, type(None), type, *(type(np.dtype(name)) for name in ("u1", "u2", "f4", "f8"))}
"""Types of options that plans are looked up by."""

LARGE = 10_000
"""Elements of a large array: its values are compared, not looked up, which takes a tenth of the time of packing weights."""

BYTES_PER_THREAD = 4 << 20
"""Bytes that are compared in 0.5 ms, twice as long as another thread takes to start."""


class KeptPlans(Generic[Plan]):
    """The last plans that were made, at most ``count``, by the arguments that they were made from.

    Plans of large arrays are kept too, as long as all these arrays together have at most ``large_bytes``.
    """

    def __init__(self, count: int, large_bytes: int = 0) -> None:
        self.count, self.large_bytes, self.lock = count, large_bytes, threading.Lock()
        self.plans = dict[tuple[Any, ...], tuple[Plan, tuple[Array, ...]]]()  # each with the values of its large arrays

    def get(
        self,
        make: Callable[..., Plan],
        images: Array,
        arrays: tuple[Array | None, ...],
        options: tuple[Any, ...],
        workers: int = 1,
    ) -> Plan:
        """Return ``make(shape, dtype, *arrays, options)`` for the shape and dtype of images, kept or new. Raises as ``make``.

        The arrays are compared by their values, large ones on ``workers`` threads. The plan may keep those that ``make`` is
        called with: the caller of this method never changes them.
        """
        large = tuple(array for array in arrays if array is not None and array.size > LARGE)
        size = _bytes_of(large)
        key = self._key(images, arrays, options) if size <= self.large_bytes else None
        kept = None if key is None else self.plans.get(key)
        if kept is not None and all(are_equal(*pair, workers) for pair in zip(kept[1], large, strict=True)):
            return kept[0]
        copies = tuple(None if array is None else array.copy() for array in arrays)
        plan = make(images.shape, images.dtype, *copies, options)
        if key is not None:
            values = tuple(copy for copy in copies if copy is not None and copy.size > LARGE)
            with self.lock:
                self.plans.pop(key, None)
                while self.plans and (len(self.plans) >= self.count or self._large_size() + size > self.large_bytes):
                    del self.plans[self._oldest(size > 0 and len(self.plans) < self.count)]
                self.plans[key] = plan, values
        return plan

    def clear(self) -> None:
        """Forget all plans."""
        with self.lock:
            self.plans.clear()

    def _large_size(self) -> int:
        return sum(_bytes_of(values) for _, values in self.plans.values())

    def _oldest(self, large: bool) -> tuple[Any, ...]:
        """Return the key of the oldest plan, or of the oldest that has a large array."""
        return next(key for key, (_, values) in self.plans.items() if values or not large)

    @staticmethod
    def _key(images: Array, arrays: tuple[Array | None, ...], options: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return what the plan depends on, without the values of large arrays, or None where it is not kept."""
        parts: list[Any] = [images.shape, images.dtype]
        for array in arrays:
            if array is None:
                parts.append(None)
            else:
                parts += (array.shape, array.dtype, array.tobytes() if array.size <= LARGE else None)
        try:
            return (*parts, *with_types(options))
        except TypeError:
            return None


def _bytes_of(arrays: tuple[Array, ...]) -> int:
    """Return the bytes of arrays, at least four for each element: as many as its tables take."""
    return sum(array.size * max(array.itemsize, 4) for array in arrays)


def are_equal(array: Array, other: Array, workers: int) -> bool:
    """Whether two arrays of one shape have equal elements, none of them NaN."""
    count = min(workers, 1 + array.nbytes // BYTES_PER_THREAD, len(array))
    edges = [len(array) * i // count for i in range(count + 1)]
    different: list[int] = []

    def compare(begin: int, end: int) -> None:
        if not np.array_equal(array[begin:end], other[begin:end]):
            different.append(begin)

    run_all([functools.partial(compare, *part) for part in itertools.pairwise(edges)], workers)
    return not different


def with_types(values: Any) -> tuple[Any, ...]:
    """Return values to compare by: 1, 1.0 and True are equal, but only the first may be a stride.

    Raises TypeError where a value is of another type than those of ``COMPARED``, or lists and tuples of them.

    >>> with_types((1, "same")) == with_types((True, "same"))
    False
    """
    types = tuple(map(type, values))
    if COMPARED.issuperset(types):
        return (*types, *values)
    if not (COMPARED | {tuple, list}).issuperset(types):
        raise TypeError
    return (*types, *(with_types(value) if kind in (tuple, list) else value for value, kind in zip(values, types, strict=True)))
