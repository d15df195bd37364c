"""Runs a loop as machine code, from the disk cache or compiled and cached.

Each combination of argument types has a file of its own, so that several processes can fill the cache at once. Code for another
processor, version or source is compiled anew. Numba itself runs a loop whose code cannot be built or loaded.
"""

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any

from . import native
from .disk_cache import keep_code, read_code
from .native import Loop, type_of

LOOPS_PACKAGE = __name__.removesuffix("jit.run") + "loops."
"""The modules whose loops are kept: the name of the cache folder contains a digest of their source."""

_lock = threading.Lock()
_compiled: dict[tuple[Any, ...], Loop] = {}
_stopped = threading.Event()
_listeners: list[Callable[[], None]] = []


class Stopped(Exception):
    """The loops were stopped: the process is about to end."""


def stop_loops(stopped: bool = True) -> None:
    """Make every later call of a loop, on any thread, raise Stopped; False allows calls again."""
    (_stopped.set if stopped else _stopped.clear)()


def on_compiling(listener: Callable[[], None]) -> None:
    """Call ``listener`` once, before the first loop that is not in the cache is compiled: that takes seconds."""
    _listeners.append(listener)


def run_loop(loop: Loop, *arguments: Any) -> None:
    """Call a function of ``engine.loops``, compiled for the types of these arguments.

    A function of another module is compiled in each process. Raises Stopped after ``stop_loops``.
    """
    check_stopped()
    find_loop(loop, arguments)(*arguments)


def check_stopped() -> None:
    """Raise Stopped after ``stop_loops``."""
    if _stopped.is_set():
        raise Stopped


def find_loop(loop: Loop, arguments: tuple[Any, ...]) -> Loop:
    """Return a loop as machine code for arguments of these types, loaded or compiled where it was not called before."""
    key = (loop, *map(type_of, arguments))
    machine_code = _compiled.get(key)
    if machine_code is None:
        with _lock:
            machine_code = _compiled.get(key) or _find(loop, arguments)
            _compiled[key] = machine_code
    return machine_code


def _file_name(loop: Loop, arguments: tuple[Any, ...]) -> str:
    """Join module and function of a loop, the types of its arrays, and a digest of all types, those in tuples too."""
    types = [type_of(value) for value in arguments]
    array_types = "-".join(name for name in types if isinstance(name, str) and "_" in name)
    digest = hashlib.sha256(repr(types).encode()).hexdigest()[:12]
    return f"{loop.__module__.rpartition('.')[2]}.{loop.__name__}-{array_types}-{digest}"


def _without_ready(loop: Loop) -> Loop:
    """Wrap a Python or Numba function to take the values of ``Ready`` arguments."""

    @functools.wraps(loop)
    def run(*arguments: Any) -> Any:
        return loop(*native.plain(arguments))

    return run


def _find(loop: Loop, arguments: tuple[Any, ...]) -> Loop:
    """Load or compile the machine code of a loop."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return _without_ready(loop)
    name = _file_name(loop, arguments)
    kept = loop.__module__.startswith(LOOPS_PACKAGE)
    code = read_code(name) if kept else None
    if code is not None:
        try:
            return native.load(code, name)
        except native.Unfit:
            pass
    while _listeners:
        _listeners.pop()()

    from .compile import build, jitted  # here, as Numba takes 150 ms to import

    try:
        code = build(loop, name, arguments)
        machine_code = native.load(code, name)
    except native.Unfit:
        return _without_ready(jitted(loop))
    if kept:
        keep_code(name, code)
    return machine_code
