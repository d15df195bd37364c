"""Turns a loop into machine code, and keeps the code on disk between runs.

Three habits make the disk cache safe for many processes at once:

* Each combination of types is compiled under a name of its own. Two processes that first compile different types of one
  function can otherwise leave an index that maps one type to the other's code (seen with Numba 0.68).
* The folder is named after Numba's version and the processor, so that machines sharing a home do not share code.
* A file that cannot be read is removed and made anew; where none can be written, the loop is compiled for this run alone.
"""

import functools
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite.binding
import numba
import numpy as np

from . import loops

config: Any = numba.config

Loop = Callable[..., Any]

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
    """Call ``listener`` once, before the first loop that is not in the cache is compiled: that takes seconds."""
    _listeners.append(listener)


def run_loop(loop: Loop, *arguments: Any) -> Any:
    """Call a function of ``loops``, compiled for the types of these arguments.

    Arrays must be C-contiguous. Raises Stopped after ``stop_loops``.
    """
    if _stopped.is_set():
        raise Stopped
    key = (loop.__name__, _types_of(arguments))
    machine_code = _compiled.get(key)
    if machine_code is None:
        with _lock:
            machine_code = _compiled.get(key) or _compile(loop, key[1], arguments)
            _compiled[key] = machine_code
    return machine_code(*arguments)


def _types_of(arguments: tuple[Any, ...]) -> str:
    """Name the types that differ from call to call: those of the arrays and numbers, not of the index tables.

    >>> _types_of((np.zeros((2, 3), np.uint8), (0, 1), np.float32(1)))
    'uint8_2-float32_0'
    """
    typed = [a for a in arguments if isinstance(a, (np.ndarray, np.generic))]
    return "-".join(f"{a.dtype.name}_{a.ndim}" + ("" if _writable(a) else "_readonly") for a in typed)


def _writable(value: Any) -> bool:
    return not isinstance(value, np.ndarray) or value.flags.writeable


def _compile(loop: Loop, types: str, arguments: tuple[Any, ...]) -> Loop:
    assert isinstance(loop, FunctionType)
    named = FunctionType(loop.__code__, loop.__globals__, loop.__name__)
    named.__qualname__ = f"{loop.__name__}-{types}"
    if config.DISABLE_JIT:
        return named
    signature = tuple(numba.typeof(argument) for argument in arguments)  # type: ignore[no-untyped-call]
    folder = Path(config.CACHE_DIR) if config.CACHE_DIR else cache_folder()
    stored = [] if folder is None else list(folder.rglob(f"*.{named.__qualname__}-*"))
    if not any(path.suffix == ".nbc" for path in stored):
        while _listeners:
            _listeners.pop()()
    if folder is not None:
        for _ in ("read the cache", "make it anew"):
            try:
                return _compile_into(folder, named, signature)
            except OSError:  # a full disk, say: the cache is sound, but nothing can be added
                break
            except Exception:  # a damaged file raises anything, from EOFError to TypeError
                for path in stored:
                    path.unlink(missing_ok=True)
    return _dispatcher(named, signature, cache=False)


def _compile_into(folder: Path, function: Loop, signature: tuple[Any, ...]) -> Loop:
    """Point Numba's cache at a folder for one compilation, and leave its setting as it was for everyone else."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return _dispatcher(function, signature, cache=True)
    finally:
        config.CACHE_DIR = before


def _dispatcher(function: Loop, signature: tuple[Any, ...], cache: bool) -> Loop:
    dispatcher: Any = numba.njit(cache=cache, **loops.POLICY)(function)
    dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher  # type: ignore[no-any-return]


@functools.cache
def cache_folder() -> Path | None:
    """Folder for compiled loops: ``$CONVCLI_CACHE_DIR``, the user's cache, a private temporary folder, or None.

    Cache files are run as code, so a folder that another user could have filled is never used. ``$NUMBA_CACHE_DIR``, where
    set, takes the place of this folder.
    """
    name = f"numba-{numba.__version__}-{llvmlite.binding.get_host_cpu_name()}"
    for parent in _cache_parents():
        try:
            parent.parent.mkdir(parents=True, exist_ok=True)
            for folder in (parent, parent / name):
                folder.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            if _is_private(parent) and _is_private(folder):
                return folder
        except OSError:
            continue
    return None


def _cache_parents() -> list[Path]:
    chosen = os.environ.get("CONVCLI_CACHE_DIR")
    if chosen:
        return [Path(chosen).absolute()]
    temporary = Path(tempfile.gettempdir()) / f"convcli-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    try:
        return [_user_cache() / "convcli", temporary]
    except RuntimeError:  # Path.home() finds no home
        return [temporary]


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"


def _is_private(folder: Path) -> bool:
    """Whether only this user can write here. Windows keeps its own per-user rights on these folders."""
    if not hasattr(os, "getuid"):
        return True
    mine = {folder.lstat().st_uid, folder.stat().st_uid} == {os.getuid()}
    return mine and not folder.stat().st_mode & 0o022
