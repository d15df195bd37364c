"""Plans of operations that are kept for the next call with the same arguments.

Checking the arguments of a call takes 60 microseconds and its tables 300; looking up its plan takes 2.
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from ..engine.simd.reference import Array

Plan = TypeVar("Plan")

COMPARED = {int, float, str, bool, type(None), type, *(type(np.dtype(name)) for name in ("u1", "u2", "f4", "f8"))}
"""Types of options that plans are looked up by."""

LARGE = 10_000
"""Weights of a large kernel. A weight takes 40 bytes of tables, a spectrum of 256 x 256 samples 0.6 MB."""


class KeptPlans(Generic[Plan]):
    """The last plans, at most ``count`` and ``large`` ones of large kernels, by the arguments that they were made from."""

    def __init__(self, count: int, large: int = 0) -> None:
        self.counts, self.lock = (count, large), threading.Lock()
        self.plans = dict[tuple[Any, ...], Plan](), dict[tuple[Any, ...], Plan]()

    def get(self, make: Callable[..., Plan], images: Array, arrays: tuple[Array | None, ...], options: tuple[Any, ...]) -> Plan:
        """Return ``make(shape, dtype, *arrays, options)`` for the shape and dtype of images, kept or new. Raises as ``make``.

        The arrays are compared by their values.
        """
        is_large = any(array is not None and array.size > LARGE for array in arrays)
        plans, count = self.plans[is_large], self.counts[is_large]
        key = _key(images, arrays, options) if count else None
        plan = None if key is None else plans.get(key)
        if plan is None:
            plan = make(images.shape, images.dtype, *arrays, options)
            if key is not None:
                with self.lock:
                    while len(plans) >= count:
                        del plans[next(iter(plans))]
                    plans[key] = plan
        return plan

    def clear(self) -> None:
        """Forget all plans."""
        for plans in self.plans:
            plans.clear()


def _key(images: Array, arrays: tuple[Array | None, ...], options: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return what a plan depends on, or None where it is not kept."""
    parts: list[Any] = [images.shape, images.dtype]
    for array in arrays:
        parts += (None,) if array is None else (array.shape, array.dtype, array.tobytes())
    try:
        return (*parts, *with_types(options))
    except TypeError:
        return None


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
