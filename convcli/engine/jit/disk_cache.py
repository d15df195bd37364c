"""Where compiled loops are kept between runs: a folder that only the user can write to, as its files are run as code.

The folder is named after what the code was made from and for: this processor, the compiler, and the loops themselves. A
file is whole or not there; one that is damaged is known by its digest.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

DIGEST = 32
"""Bytes of the digest that a file begins with."""


def read_code(name: str) -> bytes | None:
    """The code that was kept under a name; None where there is none, or it is damaged."""
    folder = code_folder()
    return None if folder is None else _code_in(folder / name)


def keep_code(name: str, code: bytes) -> None:
    """Keep code under a name, where it can be kept."""
    folder = code_folder()
    if folder is None:
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
            part = Path(file.name)
            try:
                file.write(hashlib.sha256(code).digest() + code)
                file.close()
                part.replace(folder / name)
            except OSError:
                part.unlink()
    except OSError:  # a full disk, say: the code is used, and made anew next time
        pass


def kept_code() -> Iterator[tuple[Path, int]]:
    """All files of code, of other versions and processors too, and their sizes. They are known by their digest."""
    for parent in cache_folders():
        for path in sorted(parent.glob(f"*-{'[0-9a-f]' * 16}/*")):
            if _code_in(path) is not None:
                yield path, path.stat().st_size


def clear_code() -> int:
    """Remove all files of code, and the folders that are then empty; return how many."""
    count = 0
    for path, _ in kept_code():
        path.unlink(missing_ok=True)
        count += 1
        with contextlib.suppress(OSError):  # something else is in it
            path.parent.rmdir()
    code_folder.cache_clear()
    return count


def _code_in(path: Path) -> bytes | None:
    """The code of a file; None where it is damaged, or none of ours."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code = data[DIGEST:]
    return code if code and hashlib.sha256(code).digest() == data[:DIGEST] else None


@functools.cache
def code_folder() -> Path | None:
    """Folder for compiled loops: in ``$CONVCLI_CACHE_DIR``, the user's cache, or a private temporary folder; or None."""
    return next((parent / _maker() for parent in cache_folders() if not _refusal(parent)), None)


def refusals() -> list[str]:
    """Why each folder that the code could be kept in is not used: its name and the reason."""
    reasons = [(parent, _refusal(parent)) for parent in cache_folders()]
    return [f"{parent}: {reason}" for parent, reason in reasons if reason]


def _refusal(parent: Path) -> str:
    """Why code is not kept in a folder; nothing where it can be. The folder is made."""
    try:
        parent.parent.mkdir(parents=True, exist_ok=True)
        for folder in (parent, parent / _maker()):
            folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=parent / _maker()):
            pass
        private = _is_private(parent) and _is_private(parent / _maker())
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    return "" if private else "belongs to others, or others may write to it, and its files would be run as code"


SOURCES = ("loops/*.py", "simd/*.py", "jit/*.py", "buffers.py")
"""Files of the engine that the code is made from."""


@functools.cache
def _maker() -> str:
    """A name for what makes the code: versions, processor and sources. Found without importing Numba."""
    numba = importlib.util.find_spec("numba")
    version = Path(numba.origin).with_name("_version.py") if numba and numba.origin else Path()
    engine = Path(__file__).parent.parent
    sources = [path for pattern in SOURCES for path in sorted(engine.glob(pattern))]
    facts = [llvmlite.__version__, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), sys.byteorder]
    digest = hashlib.sha256(repr(facts).encode())
    for path in (version, *sources):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return f"{llvm.get_host_cpu_name()}-{digest.hexdigest()[:16]}"


def cache_folders() -> list[Path]:
    """Where the folder may be, the best place first."""
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
