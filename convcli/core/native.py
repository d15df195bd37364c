"""Machine code made callable with arrays: llvmlite alone, in a few milliseconds, where importing Numba takes 150."""

import ctypes
import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import llvmlite.binding as llvm
import numpy as np

from .strips import STRIP

Loop: TypeAlias = Callable[..., Any]

WHOLE = (ctypes.c_int8, ctypes.c_int16, ctypes.c_int32, ctypes.c_int64)
UNSIGNED = (ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64)
SCALARS: dict[np.dtype[Any], Any] = {np.dtype(kind): kind for kind in (*WHOLE, *UNSIGNED, ctypes.c_float, ctypes.c_double)}
"""The C type of each NumPy type that a loop may take a number of."""


class Unfit(Exception):
    """Machine code that cannot be used here."""


_lock = threading.Lock()
_nowhere = ctypes.c_void_p(), ctypes.c_void_p()
"""Where a function that returns nothing may write what it returns and what it raises."""


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
def strip_bytes() -> int:
    """Bytes in a strip: half as many where there are 16 vector registers, or narrow ones."""
    return STRIP if llvm.get_host_cpu_features().get("avx512f") else STRIP // 2


@functools.cache
def _engine() -> Any:
    machine()
    own = llvm.Target.from_default_triple().create_target_machine()  # belongs to the engine from then on
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), own)


def load(code: bytes, symbol: str, arguments: tuple[Any, ...]) -> Loop:
    """The function of an object file made by ``build``, to be called with arguments of these types. Raises Unfit."""
    kinds = [type(word) if isinstance(word, ctypes._SimpleCData) else ctypes.c_ssize_t for word in words(arguments)]
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
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *kinds)(address)
    returned, raised = (ctypes.addressof(place) for place in _nowhere)

    def call(*arguments: Any) -> None:
        if function(returned, raised, *words(arguments)):
            raise RuntimeError(f"{symbol} failed")

    return call


def words(arguments: Iterable[Any]) -> list[Any]:
    """What Numba's machine code takes of each argument.

    Of an array its owner and its parent, none here, its size, itemsize, address, sides and strides; of a tuple its parts.
    (https://numba.readthedocs.io/en/stable/extending/low-level.html, https://numba.readthedocs.io/en/stable/developer/numba-runtime.html)
    """
    found: list[Any] = []
    for value in arguments:
        if isinstance(value, np.ndarray):
            address = value.__array_interface__["data"][0]
            found += (0, 0, value.size, value.itemsize, address, *value.shape, *value.strides)
        elif isinstance(value, tuple):
            found += words(value)
        elif isinstance(value, np.generic):
            found.append(SCALARS[value.dtype](value.item()))
        else:
            found.append(value)
    return found
