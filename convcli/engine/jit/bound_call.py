"""A call of a loop that is repeated with other arrays of the same types and shapes: its arguments are packed once."""

import ctypes
import itertools
from typing import Any, NamedTuple

import numpy as np

from ..buffers import address_of, aligned
from ..simd.reference import Array
from .native import MachineCode, word_of, words
from .run import check_stopped, find_loop, run_loop

ADDRESS = 4
"""The word of an array that holds its address."""

MAX_KEPT_BYTES = 128 << 10
"""Scratch memory that is kept for the next call: that of 2,000 float32 samples in a row under a kernel of 9 rows."""


class PackedCall(NamedTuple):
    """The words of a call, at a fixed address, and the memory that some of them point to. One thread uses it at a time."""

    words: "ctypes.Array[ctypes.c_int64]"
    address: int
    memory: Array


class BoundCall:
    """A call of a loop with given arguments, of which some are replaced at each call.

    Packing 300 words takes 60 microseconds; replacing the addresses takes 2.

    Parameters
    ----------
    loop, arguments
        As for ``run_loop``.
    replaced
        Indices of the arguments, arrays or NumPy numbers, that each call passes.
    scratch
        Index of a named tuple of arrays in ``memory``, of other memory for each thread, so that threads may call at once.
    memory
        The memory of these arrays, as ``arrays_in_one`` returns it.
    """

    def __init__(self, loop: Any, arguments: tuple[Any, ...], replaced: tuple[int, ...], scratch: int, memory: Array) -> None:
        self.loop, self.replaced, self.scratch = loop, replaced, scratch
        self.arguments = list(arguments)  # without the arrays of this call, whose memory would be kept
        for index in replaced:
            self.arguments[index] = None
        self.arguments[scratch] = arguments[scratch]._make(map(_without_memory, arguments[scratch]))
        self.code, self.size = find_loop(loop, arguments), memory.nbytes
        starts = list(itertools.accumulate((len(words([argument])) for argument in arguments), initial=0))
        self.positions = [starts[i] + ADDRESS * isinstance(arguments[i], np.ndarray) for i in replaced]
        self.words = words(arguments)
        start = address_of(memory)
        self.offsets = {i: self.words[i] - start for i in _address_positions(arguments[scratch], starts[scratch])}
        self.free: list[PackedCall] = []

    def __call__(self, *values: Any) -> None:
        """Call the loop with other values of the replaced arguments. Raises Stopped as ``run_loop`` does."""
        if not isinstance(self.code, MachineCode):
            self._run_as_python(values)
            return
        check_stopped()
        try:
            packed = self.free.pop()
        except IndexError:
            packed = self._pack()
        for position, value in zip(self.positions, values, strict=True):
            packed.words[position] = address_of(value) if isinstance(value, np.ndarray) else word_of(value)
        self.code.run(packed.address)
        if self.size <= MAX_KEPT_BYTES:
            self.free.append(packed)

    def _pack(self) -> PackedCall:
        memory = aligned((self.size,), np.dtype(np.uint8))
        start = address_of(memory)
        packed = (ctypes.c_int64 * len(self.words))(*self.words)
        for position, offset in self.offsets.items():
            packed[position] = start + offset
        return PackedCall(packed, ctypes.addressof(packed), memory)

    def _run_as_python(self, values: tuple[Any, ...]) -> None:
        arguments = list(self.arguments)
        for index, value in zip(self.replaced, values, strict=True):
            arguments[index] = value
        template = arguments[self.scratch]
        items = [np.empty(item.shape, item.dtype) if isinstance(item, np.ndarray) else item for item in template]
        arguments[self.scratch] = template._make(items)
        run_loop(self.loop, *arguments)


def _without_memory(item: Any) -> Any:
    """Return an array of the shape and dtype of another, with one element in memory; any other item unchanged."""
    return np.broadcast_to(np.empty((), item.dtype), item.shape) if isinstance(item, np.ndarray) else item


def _address_positions(items: tuple[Any, ...], start: int) -> list[int]:
    """Return which words hold the addresses of the arrays of a tuple, whose words begin at ``start``."""
    positions = []
    for item in items:
        if isinstance(item, np.ndarray):
            positions.append(start + ADDRESS)
        start += len(words([item]))
    return positions
