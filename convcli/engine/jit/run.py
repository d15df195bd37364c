"""Runs a loop as machine code: from the folder where that is kept, else compiled and kept there.

Each combination of types has a file of its own, so that many processes can begin at once. What does not match in any way,
such as another processor, version or source, is compiled anew; what cannot be kept or loaded is run by Numba itself.
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

_lock = threading.Lock()
_compiled: dict[tuple[Any, ...], Loop] = {}
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
    """Call a function of ``engine.loops``, compiled for the types of these arguments.

    Raises Stopped after ``stop_loops``.
    """
    if _stopped.is_set():
        raise Stopped
    key = (loop, *map(type_of, arguments))
    machine_code = _compiled.get(key)
    if machine_code is None:
        with _lock:
            machine_code = _compiled.get(key) or _find(loop, arguments)
            _compiled[key] = machine_code
    machine_code(*arguments)


def _file_name(loop: Loop, arguments: tuple[Any, ...]) -> str:
    """Module and function of a loop, the types of its arrays in words, and a digest of all types, those in tuples too."""
    types = [type_of(value) for value in arguments]
    words = "-".join(word for word in types if isinstance(word, str) and "_" in word)
    digest = hashlib.sha256(repr(types).encode()).hexdigest()[:12]
    return f"{loop.__module__.rpartition('.')[2]}.{loop.__name__}-{words}-{digest}"


def _taking_plain(loop: Loop) -> Loop:
    """A loop that is no machine code of ours."""

    @functools.wraps(loop)
    def run(*arguments: Any) -> Any:
        return loop(*native.plain(arguments))

    return run


def _find(loop: Loop, arguments: tuple[Any, ...]) -> Loop:
    """The machine code of a loop, kept or new."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return _taking_plain(loop)
    name = _file_name(loop, arguments)
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
