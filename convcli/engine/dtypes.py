"""The dtypes that loops read, and those of their sums."""

import functools
from typing import Any

import numpy as np

from .simd.reference import Array

LOADED = {np.dtype(name) for name in ("uint8", "uint16", "float32", "float64")}
"""Dtypes that the loops read directly; every other real dtype is converted first."""


def loadable(array: Array) -> Array:
    """Return a C-contiguous array of the same values, in a dtype that the loops read."""
    return np.ascontiguousarray(array, dtype=array.dtype if array.dtype in LOADED else real_of(array.dtype))


@functools.cache
def real_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the sums over samples of a dtype: float32 where that holds every value, else float64.

    >>> real_of(np.dtype(np.int16)), real_of(np.dtype(np.int32))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float32 if np.can_cast(dtype, np.float32) else np.float64)
