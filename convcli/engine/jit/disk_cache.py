"""The disk cache of compiled loops: a folder that only the user can write to, as its files are run as code.

The name of the folder contains a digest of the processor, the compiler and the source of the loops. Files are written whole
or not at all; each begins with a digest of its content, by which damage is detected.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

DIGEST = 32
"""Bytes of the digest at the start of a file."""


def read_code(name: str) -> bytes | None:
    """Read the code of a name; None where the cache has none, or it is damaged."""
    folder = code_folder()
    return None if folder is None else _code_in(folder / name)


def keep_code(name: str, code: bytes) -> None:
    """Write code to the cache under a name, if a folder is available."""
    folder = code_folder()
    if folder is None:
        return
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(hashlib.sha256(code).digest() + code)
                file.close()
                temporary.replace(folder / name)
            except OSError:
                temporary.unlink()
    except OSError:  # such as a full disk: the next run compiles again
        pass


def kept_code() -> Iterator[tuple[Path, int]]:
    """Yield all files of the cache and their sizes in bytes, those of other versions and processors too."""
    for parent in cache_folders():
        for path in sorted(parent.glob(f"*-{'[0-9a-f]' * 16}/*")):
            if _code_in(path) is not None:
                yield path, path.stat().st_size


def clear_code() -> int:
    """Remove all files of the cache, and the folders that are empty then. Return the number of files."""
    count = 0
    for path, _ in kept_code():
        path.unlink(missing_ok=True)
        count += 1
        with contextlib.suppress(OSError):  # it holds other files
            path.parent.rmdir()
    code_folder.cache_clear()
    return count


def _code_in(path: Path) -> bytes | None:
    """Read the code of a file; None where the file is damaged or not from this cache."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code = data[DIGEST:]
    return code if code and hashlib.sha256(code).digest() == data[:DIGEST] else None


@functools.cache
def code_folder() -> Path | None:
    """Return the folder in use, in ``$CONVCLI_CACHE_DIR``, the user's cache or a private temporary folder; or None."""
    return next((parent / _folder_name() for parent in cache_folders() if not _refusal(parent)), None)


def refusals() -> list[str]:
    """Return the name of each possible folder that cannot be used, and the reason."""
    reasons = [(parent, _refusal(parent)) for parent in cache_folders()]
    return [f"{parent}: {reason}" for parent, reason in reasons if reason]


def _refusal(parent: Path) -> str:
    """Return the reason why a folder cannot be used, or an empty text. Creates the folder."""
    try:
        parent.parent.mkdir(parents=True, exist_ok=True)
        for folder in (parent, parent / _folder_name()):
            folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(parent / _folder_name(), os.W_OK | os.X_OK):
            return "cannot be written"
        private = _is_private(parent) and _is_private(parent / _folder_name())
    except OSError as error:
        return f"cannot be written: {error.strerror}"
    return "" if private else "belongs to others, or others may write to it, and its files would be run as code"


SOURCES = ("loops/*.py", "simd/*.py", "jit/*.py", "buffers.py")
"""Source files of the engine that the code depends on."""


@functools.cache
def _folder_name() -> str:
    """Return a name from the versions, the processor and the sources, without importing Numba."""
    numba = importlib.util.find_spec("numba")
    version = Path(numba.origin).with_name("_version.py") if numba and numba.origin else Path()
    engine = Path(__file__).parent.parent
    sources = [path for pattern in SOURCES for path in sorted(engine.glob(pattern))]
    facts = [llvmlite.__version__, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), sys.byteorder]
    digest = hashlib.sha256(repr(facts).encode())
    for path in (version, *sources):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return f"{llvm.get_host_cpu_name()}-{digest.hexdigest()[:16]}"


def cache_folders() -> Iterator[Path]:
    """Yield the possible parent folders, in order of preference."""
    chosen = os.environ.get("CONVCLI_CACHE_DIR")
    if chosen:
        yield Path(chosen).absolute()
        return
    with contextlib.suppress(RuntimeError):  # Path.home() finds no home
        yield _user_cache() / "convcli"
    import tempfile  # here, as it takes 5 ms to import

    yield Path(tempfile.gettempdir()) / f"convcli-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"


def _is_private(folder: Path) -> bool:
    """Whether only this user can write to a folder. Windows itself restricts these folders to the user."""
    if not hasattr(os, "getuid"):
        return True
    mine = {folder.lstat().st_uid, folder.stat().st_uid} == {os.getuid()}
    return mine and not folder.stat().st_mode & 0o022
