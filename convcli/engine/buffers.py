"""Memory for arrays: aligned to cache lines, and reused where it is large.

The system clears large memory page by page on the first write: 3.7 of the 11 ms that a 3 x 3 kernel takes over
2048 x 2048 x 3 samples into float32. So the memory of the last large array that was freed is kept for the next.
"""

import contextlib
import ctypes
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
_NO_BYTES = ctypes.c_char * 0


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
    return np.ndarray(shape, dtype, memory, -address_of(memory) % LINE)  # a quarter of the time of slice, view and reshape


def arrays_in_one(*shapes: tuple[tuple[int, ...], np.dtype[Any]]) -> tuple[Array, list[Array]]:
    """Return uninitialised memory, and arrays of these shapes and dtypes in it, each of which starts at a cache line.

    >>> memory, (first, second) = arrays_in_one(((3,), np.dtype(np.int64)), ((2, 2), np.dtype(np.uint8)))
    >>> memory.nbytes, first.shape, second.ctypes.data - first.ctypes.data
    (68, (3,), 64)
    """
    starts, end = [], 0
    for shape, dtype in shapes:
        starts.append(-(-end // LINE) * LINE)
        end = starts[-1] + math.prod(shape) * dtype.itemsize
    memory = aligned((end,), np.dtype(np.uint8))
    return memory, [
        memory[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
        for start, (shape, dtype) in zip(starts, shapes, strict=True)
    ]


def address_of(array: Array) -> int:
    """Return the address of the first element. ``array.ctypes.data`` takes four times as long."""
    try:
        return ctypes.addressof(_NO_BYTES.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # an array that is read-only, or has gaps
        address: int = array.__array_interface__["data"][0]
        return address


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
