"""Memory for arrays: aligned to cache lines, and reused where it is large.

The system clears large memory page by page on the first write: 3.7 of the 11 ms that a 3 x 3 kernel takes over
2048 x 2048 x 3 samples into float32. So the memory of the last large array that was freed is kept for the next.
"""

import contextlib
import math
import weakref
from typing import Any

import numpy as np

from .simd.reference import Array

LINE = 64
"""Bytes in a cache line."""

MIN_REUSED_BYTES, MAX_REUSED_BYTES = 8 << 20, 256 << 20
"""Sizes of the memory that is kept for reuse. The C library itself reuses smaller memory."""

_kept: list[Array] = []


class _Loan:
    """Memory that arrays refer to: when the last of them is freed, the memory is kept for the next."""

    def __init__(self, memory: Array) -> None:
        self.__array_interface__ = memory.__array_interface__
        weakref.finalize(self, _take_back, memory).atexit = False


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an uninitialised array that starts at a cache line.

    NumPy's arrays start 16 bytes after one, so that each vector register is stored to two lines, at half the speed.
    """
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8) if size < MIN_REUSED_BYTES else np.asarray(_Loan(_large(size + LINE)))
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def _large(size: int) -> Array:
    """Return the kept memory if it has at least ``size`` bytes and at most twice as many; else free it and allocate."""
    with contextlib.suppress(IndexError):  # another thread may take it first
        memory = _kept.pop()
        if size <= memory.size <= 2 * size:
            return memory
    return np.empty(size, np.uint8)


def _take_back(memory: Array) -> None:
    if memory.size <= MAX_REUSED_BYTES:
        _kept[:] = [memory]
