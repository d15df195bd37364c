"""A call of a loop that is repeated with other arrays of the same types and shapes: its arguments are packed once."""

from typing import Any

import numpy as np

from ..buffers import LINE, address_of
from ..simd.reference import Array
from .native import MachineCode, word_of, words
from .run import check_stopped, find_loop, run_loop

ADDRESS = 4
"""The word of an array that holds its address."""


class BoundCall:
    """A call of a loop with given arguments, of which some are replaced at each call.

    Packing 300 words takes 60 microseconds; replacing the addresses takes 3.

    Parameters
    ----------
    loop, arguments
        As for ``run_loop``.
    replaced
        Indices of the arguments, arrays or NumPy numbers, that each call passes.
    scratch
        Index of a named tuple of arrays in ``memory``, of other memory at each call, so that threads may call at once.
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
        starts = np.cumsum([0, *(len(words([argument])) for argument in arguments)])
        self.positions = [int(starts[i]) + ADDRESS * isinstance(arguments[i], np.ndarray) for i in replaced]
        self.words = np.array(words(arguments), np.int64)
        self.within = np.array(_address_positions(arguments[scratch], int(starts[scratch])))
        self.offsets = self.words[self.within] - address_of(memory)

    def __call__(self, *values: Any) -> None:
        """Call the loop with other values of the replaced arguments. Raises Stopped as ``run_loop`` does."""
        if not isinstance(self.code, MachineCode):
            self._run_as_python(values)
            return
        check_stopped()
        packed = self.words.copy()
        for position, value in zip(self.positions, values, strict=True):
            packed[position] = address_of(value) if isinstance(value, np.ndarray) else word_of(value)
        memory = np.empty(self.size + LINE, np.uint8)
        start = address_of(memory)
        packed[self.within] = self.offsets + (start - start % -LINE)
        self.code.run(packed.tobytes())

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
