"""Files put in place whole or not at all.

What is being written has a name of its own beside the file that it is for, .convcli-HOST-RANDOM.part, and is locked by the
process that writes it. A lock ends with its process, however that ends: what is not locked was left by a dead run. Locks of
other machines are not always seen, so that each removes only what it has left itself.
"""

import contextlib
import errno
import os
import platform
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, what a dead run left stays
    fcntl = None  # type: ignore[assignment]

from ..errors import OutputError

PREFIX, SUFFIX = f".convcli-{re.sub(r'[^A-Za-z0-9.]', '-', platform.node())[:60]}-", ".part"

_unfinished: set[Path] = set()
"""Files that are being written, under names of their own."""

_swept: set[Path] = set()
"""Folders in which what dead runs left was removed."""


class ExistsError(OutputError):
    """The name was taken since it was looked at."""


def discard_unfinished() -> None:
    """Remove what is being written, before a process that is interrupted ends without waiting for its threads."""
    for path in tuple(_unfinished):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def write_atomically(path: Path, replace: bool = True, before: Callable[[Path], object] | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes its place under ``path`` when the block ends well; else nothing there changes.

    The bytes go to a new file beside, are synced, and are renamed: the name holds the old file, the whole new file, or
    nothing. A missing folder is made. A link is followed; what is no regular file, such as /dev/null, is written directly.
    ``before`` is called with the finished file just before it takes its place. Raises OutputError; ExistsError where there
    is a file already, unless ``replace``.
    """
    try:
        target = path.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long; a NUL byte; a loop of links
        raise OutputError(f"{path}: cannot be written: {error}") from None
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            with target.open("wb") as file:
                yield file
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")
        if target.parent.exists() and not target.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{target.parent} is no folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with _beside(target) as (beside, file):
            yield file
            file.flush()
            os.fsync(file.fileno())
            if before is not None:
                before(beside)
            if target.exists():
                _keep_attributes(target, beside)
            if replace:
                beside.replace(target)
            else:
                _take_name(beside, target)
    except FileExistsError:
        raise ExistsError(f"{path}: exists already, made since this run began; replace it with --overwrite") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _keep_attributes(target: Path, beside: Path) -> None:
    """Give a file the owner, group, mode and extended attributes of the one that it replaces. Raises OSError."""
    held, own = target.stat(), beside.stat()
    if (held.st_uid, held.st_gid) != (own.st_uid, own.st_gid):
        try:
            os.chown(beside, held.st_uid, held.st_gid)
        except PermissionError:
            owner = f"user {held.st_uid} and group {held.st_gid}"
            raise PermissionError(errno.EPERM, f"it belongs to {owner}, and its successor could not") from None
    if hasattr(os, "listxattr"):
        attributes = {name: os.getxattr(target, name) for name in _own_attributes(target)}
        for name in _own_attributes(beside):  # a folder may give its files an access list of its own
            if name not in attributes:
                os.removexattr(beside, name)
        for name, value in attributes.items():
            os.setxattr(beside, name, value)
    beside.chmod(stat.S_IMODE(held.st_mode))


def _own_attributes(path: Path) -> list[str]:
    """The extended attributes of a file, without the system's own."""
    return [name for name in os.listxattr(path) if name.startswith(("user.", "system.posix_acl"))]


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new, locked file beside another; it is gone at the end of the block, unless it was renamed."""
    while True:
        beside = target.with_name(f"{PREFIX}{secrets.token_hex(6)}{SUFFIX}")
        _unfinished.add(beside)
        try:
            with open(beside, "xb", opener=_open_private if target.exists() else None) as file:  # noqa: PTH123
                _lock(file)
                if os.fstat(file.fileno()).st_nlink:  # else another run swept it away before it was locked
                    yield beside, file
                    return
        finally:
            beside.unlink(missing_ok=True)
            _unfinished.discard(beside)


def _open_private(name: str, flags: int) -> int:
    """Open a file that nobody else may read: what it replaces may be as private, and gives it its own mode in the end."""
    return os.open(name, flags, 0o600)


def _lock(file: BinaryIO) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is ever swept
            fcntl.flock(file, fcntl.LOCK_EX)


def _take_name(beside: Path, target: Path) -> None:
    """Rename, but never over a file that another run has put there meanwhile. Raises FileExistsError."""
    try:
        os.link(beside, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError from None
        beside.replace(target)


def sweep(folder: Path) -> None:
    """Remove what dead runs left in a folder, once."""
    if folder in _swept or fcntl is None:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)]
        for name in left:
            with contextlib.suppress(OSError), open(name, "rb") as file:  # noqa: PTH123
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name)  # noqa: PTH108
