"""Memory for arrays: beginning where the processor likes it, and used again where there is much of it.

A system hands out large memory cleared, page by page as it is first written: 3.7 of the 11 milliseconds that a 3 x 3 kernel
takes over 2048 x 2048 x 3 numbers into float32. The memory of the last large array that nobody holds any more is kept for
the next.
"""

import contextlib
import math
import weakref
from typing import Any

import numpy as np

from .simd.reference import Array

LINE = 64
"""Bytes in a line of the processor's caches."""

LARGE, LARGEST = 8 << 20, 256 << 20
"""Bytes from which, and up to which, memory is kept. What is smaller the C library keeps by itself."""

_kept: list[Array] = []


class _Loan:
    """Memory on loan: NumPy's arrays in it hold this, and when the last is gone the memory comes back."""

    def __init__(self, memory: Array) -> None:
        self.__array_interface__ = memory.__array_interface__
        weakref.finalize(self, _take_back, memory).atexit = False


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of anything that begins where a line of the cache does: NumPy's own begin 16 bytes later, and each vector
    register is then written to two lines, at half the speed.
    """
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8) if size < LARGE else np.asarray(_Loan(_large(size + LINE)))
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + size].view(dtype).reshape(shape)


def _large(size: int) -> Array:
    """Memory for so many bytes: what is kept, if it fits and is no more than twice as large; else new, and none is kept."""
    with contextlib.suppress(IndexError):  # another thread may be faster
        memory = _kept.pop()
        if size <= memory.size <= 2 * size:
            return memory
    return np.empty(size, np.uint8)


def _take_back(memory: Array) -> None:
    if memory.size <= LARGEST:
        _kept[:] = [memory]
