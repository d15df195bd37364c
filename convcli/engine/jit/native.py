"""Machine code made callable with arrays: llvmlite alone, in a few milliseconds, where importing Numba takes 150."""

import ctypes
import functools
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import llvmlite.binding as llvm
import numpy as np

from ..simd.reference import VECTOR_BYTES

Loop: TypeAlias = Callable[..., Any]


class Unfit(Exception):
    """Machine code that cannot be used here."""


_lock = threading.Lock()


@functools.cache
def machine() -> Any:
    """The processor, as LLVM makes code for it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        llvm.get_host_cpu_name(), features, opt=3, reloc="default", codemodel="jitdefault", jit=True
    )


@functools.cache
def vector_bytes() -> int:
    """Bytes in a vector: half as many where there are 16 vector registers, or narrow ones."""
    return VECTOR_BYTES if llvm.get_host_cpu_features().get("avx512f") else VECTOR_BYTES // 2


@functools.cache
def _engine() -> Any:
    machine()
    own = llvm.Target.from_default_triple().create_target_machine()  # belongs to the engine from then on
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), own)


class Ready:
    """An argument that is the same for many calls: its type, and what the machine code takes of it, are found once."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        self.value, self.words, self.type = value, words([value]), type_of(value)


def type_of(value: Any) -> Any:
    """What machine code depends on: dtype, dimensions and order of an array, and the same of all parts of a tuple.

    >>> type_of((np.zeros((2, 3), np.uint8), (0, 1), np.float32(1), np.zeros((2, 3), np.uint8)[:, 0]))
    ('uint8_2', ('int', 'int'), 'float32_0', 'uint8_1a')
    """
    if isinstance(value, np.ndarray | np.generic):
        return f"{_name(value.dtype)}_{value.ndim}{_order(value)}"
    if isinstance(value, Ready):
        return value.type
    if isinstance(value, tuple):
        return tuple(map(type_of, value))
    return type(value).__name__


@functools.cache
def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name  # NumPy makes it up anew each time, in a microsecond


def _order(array: Any) -> str:
    """How an array lies in memory, as Numba names it: in C order, in Fortran order (f), or with gaps (a)."""
    return "" if array.flags.c_contiguous else "f" if array.flags.f_contiguous else "a"


def plain(arguments: Iterable[Any]) -> list[Any]:
    """The arguments themselves."""
    return [value.value if isinstance(value, Ready) else value for value in arguments]


def load(code: bytes, symbol: str) -> Loop:
    """The function of an object file made by ``compile.build``. Raises Unfit."""
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
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p)(address)

    def call(*arguments: Any) -> None:
        found = words(arguments)
        if function(struct.pack(f"{len(found)}q", *found)):
            raise RuntimeError(f"{symbol} failed")

    return call


def words(arguments: Iterable[Any]) -> list[int]:
    """What Numba's machine code takes of each argument, as words of 64 bits.

    Of an array its owner and its parent, none here, its size, itemsize, address, sides and strides; of a tuple its parts.
    (https://numba.readthedocs.io/en/stable/extending/low-level.html, https://numba.readthedocs.io/en/stable/developer/numba-runtime.html)
    """
    found: list[int] = []
    for value in arguments:
        if isinstance(value, np.ndarray):
            address = value.__array_interface__["data"][0]
            found += (0, 0, value.size, value.itemsize, address, *value.shape, *value.strides)
        elif isinstance(value, tuple):
            found += words(value)
        elif isinstance(value, Ready):
            found += value.words
        elif isinstance(value, np.generic):
            found.append(int.from_bytes(value.tobytes().ljust(8, b"\0"), sys.byteorder, signed=True))
        else:
            found.append(value)
    return found
