"""Runs a loop as machine code: from the folder where that is kept, else compiled and kept there.

Each combination of types has a file of its own, so that many processes can begin at once. What does not match in any way,
such as another processor, version or source, is compiled anew; what cannot be kept or loaded is run by Numba itself.
"""

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from . import native
from .disk_cache import keep_code, read_code
from .native import Loop

_lock = threading.Lock()
_compiled: dict[tuple[str, str], Loop] = {}
_stopped = threading.Event()
_listeners: list[Callable[[], None]] = []


class Stopped(Exception):
    """The loops were stopped: the process is about to end."""


def stop_loops(stopped: bool = True) -> None:
    """Let every call of a loop, on any thread, raise Stopped from now on; or no longer."""
    (_stopped.set if stopped else _stopped.clear)()


def on_compiling(listener: Callable[[], None]) -> None:
    """Call ``listener`` once, before the first loop that is not kept is compiled: that takes seconds."""
    _listeners.append(listener)


def run_loop(loop: Loop, *arguments: Any) -> None:
    """Call a function of ``loops``, compiled for the types of these arguments.

    Raises Stopped after ``stop_loops``.
    """
    if _stopped.is_set():
        raise Stopped
    key = (loop.__name__, _types_of(arguments))
    machine_code = _compiled.get(key)
    if machine_code is None:
        with _lock:
            machine_code = _compiled.get(key) or _find(loop, key[1], arguments)
            _compiled[key] = machine_code
    machine_code(*arguments)


def _types_of(arguments: tuple[Any, ...]) -> str:
    """Name the types that differ from call to call: those of the arrays and numbers, not of the index tables.

    >>> _types_of((np.zeros((2, 3), np.uint8), (0, 1), np.float32(1), np.zeros((2, 3), np.uint8)[:, 0]))
    'uint8_2-float32_0-uint8_1a'
    """
    return "-".join(f"{_name(a.dtype)}_{a.ndim}{_layout(a)}" for a in arguments if isinstance(a, (np.ndarray, np.generic)))


@functools.cache
def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name  # NumPy makes it up anew each time, in a microsecond


def _layout(array: Any) -> str:
    """How an array lies in memory, as Numba tells it: in C's order, in Fortran's (f), or with gaps (a)."""
    return "" if array.flags.c_contiguous else "f" if array.flags.f_contiguous else "a"


def _taking_plain(loop: Loop) -> Loop:
    """A loop that is no machine code of ours."""

    @functools.wraps(loop)
    def run(*arguments: Any) -> Any:
        return loop(*native.plain(arguments))

    return run


def _find(loop: Loop, types: str, arguments: tuple[Any, ...]) -> Loop:
    """The machine code of a loop, kept or new."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return _taking_plain(loop)
    name = f"{loop.__name__}-{types}"
    code = read_code(name)
    if code is not None:
        try:
            return native.load(code, name)
        except native.Unfit:
            pass
    while _listeners:
        _listeners.pop()()

    from .compile import build, jitted  # Numba takes 150 ms to import, wanted only here

    try:
        code = build(loop, name, arguments)
        found = native.load(code, name)
    except native.Unfit:
        return _taking_plain(jitted(loop))
    keep_code(name, code)
    return found
