"""Loads machine code and calls it with arrays. It needs llvmlite alone: importing Numba would take 150 ms."""

import ctypes
import functools
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

import llvmlite.binding as llvm
import numpy as np

from ..buffers import address_of
from ..simd.reference import VECTOR_BYTES

Loop: TypeAlias = Callable[..., Any]


class Unfit(Exception):
    """Machine code that cannot be used here."""


_lock = threading.Lock()


@functools.cache
def machine() -> Any:
    """Return LLVM's target machine for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        llvm.get_host_cpu_name(), features, opt=3, reloc="default", codemodel="jitdefault", jit=True
    )


@functools.cache
def vector_bytes() -> int:
    """Return the bytes in a vector: VECTOR_BYTES with AVX-512, else half, for 16 registers or narrower ones."""
    return VECTOR_BYTES if llvm.get_host_cpu_features().get("avx512f") else VECTOR_BYTES // 2


@functools.cache
def _engine() -> Any:
    machine()
    target_machine = llvm.Target.from_default_triple().create_target_machine()  # owned by the engine from then on
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine)


Tables = TypeVar("Tables", bound=tuple[Any, ...])


class Ready(Generic[Tables]):
    """An argument of many calls: its type and its words are computed once."""

    def __init__(self, value: Tables) -> None:
        self.value, self.words, self.type = value, words([value]), type_of(value)


ARRAYS = np.ndarray, np.generic
"""What has a dtype. A union, made anew in each call, takes longer than all else there."""


def type_of(value: Any) -> Any:
    """Return what machine code depends on: dtype, dimensions and order of an array, and the same for each item of a tuple.

    >>> type_of((np.zeros((2, 3), np.uint8), (0, 1), np.float32(1), np.zeros((2, 3), np.uint8)[:, 0]))
    ('uint8_2', ('int', 'int'), 'float32_0', 'uint8_1a')
    """
    if isinstance(value, ARRAYS):
        return _name(value.dtype, value.ndim) + _order(value)
    if isinstance(value, Ready):
        return value.type
    if isinstance(value, tuple):
        return tuple(map(type_of, value))
    return type(value).__name__


@functools.cache
def _name(dtype: np.dtype[Any], dimensions: int) -> str:
    return f"{dtype.name}_{dimensions}"  # NumPy takes a microsecond to build the name


def _order(array: Any) -> str:
    """Return the memory order of an array in Numba's letters: empty for C order, f for Fortran order, a for any other."""
    return "" if array.flags.c_contiguous else "f" if array.flags.f_contiguous else "a"


def plain(arguments: Iterable[Any]) -> list[Any]:
    """Return the values of ``Ready`` arguments, and other arguments unchanged."""
    return [value.value if isinstance(value, Ready) else value for value in arguments]


class MachineCode:
    """The function of an object file."""

    def __init__(self, function: Callable[[bytes | int], int], symbol: str) -> None:
        self.function, self.symbol = function, symbol

    def __call__(self, *arguments: Any) -> None:
        """Call the function with arguments of the types that it was compiled for."""
        packed = words(arguments)
        self.run(struct.pack(f"{len(packed)}q", *packed))

    def run(self, packed: bytes | int) -> None:
        """Call the function with the ``words`` of its arguments, or with their address."""
        if self.function(packed):
            raise RuntimeError(f"{self.symbol} failed")


def load(code: bytes, symbol: str) -> MachineCode:
    """Return the function of an object file from ``compile.build``. Raises Unfit."""
    with _lock:
        engine = _engine()
        try:
            engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            engine.finalize_object()
            address = engine.get_function_address(symbol)
        except RuntimeError as error:
            raise Unfit(str(error)) from None
    if not address:
        raise Unfit(f"there is no {symbol} in its file")
    return MachineCode(ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(address), symbol)


def words(arguments: Iterable[Any]) -> list[int]:
    """Return the 64-bit words that Numba's calling convention passes for each argument.

    An array: owner and parent (0 here), size, itemsize, address, shape and strides. A tuple: the words of its items.
    (https://numba.readthedocs.io/en/stable/extending/low-level.html, https://numba.readthedocs.io/en/stable/developer/numba-runtime.html)
    """
    result: list[int] = []
    for value in arguments:
        if isinstance(value, np.ndarray):
            result += (0, 0, value.size, value.itemsize, address_of(value), *value.shape, *value.strides)
        elif isinstance(value, tuple):
            result += words(value)
        elif isinstance(value, Ready):
            result += value.words
        elif isinstance(value, np.generic):
            result.append(word_of(value))
        else:
            result.append(value)
    return result


def word_of(number: np.generic) -> int:
    """Return the 64-bit word of a NumPy number, which holds its bytes first."""
    return int.from_bytes(number.tobytes().ljust(8, b"\0"), sys.byteorder, signed=True)
