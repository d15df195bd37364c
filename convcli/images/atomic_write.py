"""Atomic writes: a file gets its name only when it is complete.

The bytes go to a temporary file in the same folder, .convcli-HOST-RANDOM.part, which the writing process locks. The system
releases a lock when its process ends, so that a temporary file without a lock is a leftover of a run that died. Locks of
other machines are not always visible, so that each machine removes only its own leftovers.
"""

import contextlib
import errno
import io
import os
import platform
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

try:
    import fcntl
except ImportError:  # Windows has no such locks; leftovers stay there
    fcntl = None  # type: ignore[assignment]

from ..errors import OutputError

PREFIX, SUFFIX = f".convcli-{re.sub(r'[^A-Za-z0-9.]', '-', platform.node())[:60]}-", ".part"

Times: TypeAlias = tuple[int, int]
"""Access and modification time of a file, in nanoseconds since 1970."""

_unfinished: set[Path] = set()
"""Temporary files that are being written."""

_cleaned_folders: set[Path] = set()
"""Folders whose leftovers were removed."""


class ExistsError(OutputError):
    """A file of this name was made since the run checked for one."""


def discard_unfinished() -> None:
    """Remove temporary files, before an interrupted process ends without waiting for its threads."""
    for path in tuple(_unfinished):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def write_atomically(path: Path, *, replace: bool = True, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file that is renamed to ``path`` when the block ends without an error; otherwise ``path`` stays as it is.

    At any time ``path`` is the old file, the complete new file, or nothing. See ``UnfinishedFile``.
    """
    unfinished = UnfinishedFile(path)
    with unfinished.written() as file:
        yield file
    unfinished.finish(replace, sync=sync)


class UnfinishedFile:
    """An output whose bytes go to a temporary file in the same folder, which is locked, until it is finished or discarded.

    A missing folder is made. A link is followed. A device, such as /dev/null, gets all bytes at the end.
    """

    def __init__(self, path: Path) -> None:
        """Make the temporary file. Raises OutputError where ``path`` cannot be written."""
        self.path = path
        try:
            self.target = path.resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a name too long; a NUL byte; a loop of links
            raise OutputError(f"{path}: cannot be written: {error}") from None
        self.temporary: Path | None = None
        try:
            self.file = self._open()
        except OSError as error:
            raise _output_error(path, error) from error

    def _open(self) -> BinaryIO:
        target = self.target
        if target.exists() and not stat.S_ISREG(mode := target.stat().st_mode):
            if stat.S_ISSOCK(mode):
                raise OSError(errno.ENXIO, "it is a socket, which has no name to open")
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            return io.BytesIO()  # encoders seek, which a device does not
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")
        if target.parent.exists() and not target.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{target.parent} is not a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        self.temporary, file = _open_temporary(target)
        return file

    @contextlib.contextmanager
    def written(self) -> Iterator[BinaryIO]:
        """Give the temporary file to be written; it is discarded after an error. OSError becomes OutputError."""
        try:
            yield self.file
        except BaseException as error:  # an interrupt too: nothing is left of the file
            self.discard()
            if isinstance(error, OSError):
                raise _output_error(self.path, error) from error
            raise

    def finish(
        self,
        replace: bool = True,
        *,
        sync: bool = True,
        times: Times | None = None,
        before: Callable[[Path], object] | None = None,
    ) -> None:
        """Sync the file and rename it, or discard it where that fails.

        Without ``sync``, a loss of power may leave a file that is not complete. ``times`` become the times of the file.
        ``before`` is called with the path of the complete temporary file just before it is renamed.

        Raises OutputError, and ExistsError where ``path`` exists and ``replace`` is false.
        """
        try:
            if self.temporary is None:
                assert isinstance(self.file, io.BytesIO)
                self.target.write_bytes(self.file.getvalue())
                return
            self.file.flush()
            if times is not None:
                os.utime(self.temporary, ns=times)
            if sync:
                os.fsync(self.file.fileno())
            if before is not None:
                before(self.temporary)
            if self.target.exists():
                _keep_attributes(self.target, self.temporary)
            if replace:
                self.temporary.replace(self.target)
            else:
                _take_name(self.temporary, self.target)
        except FileExistsError:
            raise ExistsError(f"{self.path}: exists already, made since this run began; replace it with --overwrite") from None
        except OSError as error:
            raise _output_error(self.path, error) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file, and remove it unless it was renamed."""
        with contextlib.suppress(OSError):  # bytes that are not written any more
            self.file.close()
        if self.temporary is not None:
            self.temporary.unlink(missing_ok=True)
            _unfinished.discard(self.temporary)


def _output_error(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}")


def _keep_attributes(target: Path, temporary: Path) -> None:
    """Copy owner, group, mode and extended attributes of ``target`` to the file that replaces it. Raises OSError."""
    old, new = target.stat(), temporary.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.chown(temporary, old.st_uid, old.st_gid)
        except PermissionError:
            owner = f"user {old.st_uid} and group {old.st_gid}"
            raise PermissionError(errno.EPERM, f"it belongs to {owner}, and the new file could not") from None
    if hasattr(os, "listxattr"):
        attributes = {name: os.getxattr(target, name) for name in _own_attributes(target)}
        for name in _own_attributes(temporary):  # a folder may give new files an access list
            if name not in attributes:
                os.removexattr(temporary, name)
        for name, value in attributes.items():
            os.setxattr(temporary, name, value)
    temporary.chmod(stat.S_IMODE(old.st_mode))


def _own_attributes(path: Path) -> list[str]:
    """Return the names of extended attributes, without those of the system."""
    return [name for name in os.listxattr(path) if name.startswith(("user.", "system.posix_acl"))]


def _open_temporary(target: Path) -> tuple[Path, BinaryIO]:
    """Make and lock a temporary file in the folder of ``target``. Raises OSError."""
    while True:
        temporary = target.with_name(f"{PREFIX}{os.urandom(6).hex()}{SUFFIX}")
        _unfinished.add(temporary)
        try:
            file = open(temporary, "x+b", opener=_open_private if target.exists() else None)  # noqa: PTH123, SIM115
        except BaseException:  # an interrupt too: there is no such file
            _unfinished.discard(temporary)
            raise
        _lock(file)
        if os.fstat(file.fileno()).st_nlink:  # else another run removed it before it was locked
            return temporary, file
        file.close()
        _unfinished.discard(temporary)


def _open_private(name: str, flags: int) -> int:
    """Open a file that only its owner can read: the file that it replaces, whose mode it gets, may be private."""
    return os.open(name, flags, 0o600)


def _lock(file: BinaryIO) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks, where no leftovers are removed
            fcntl.flock(file, fcntl.LOCK_EX)


def _take_name(temporary: Path, target: Path) -> None:
    """Rename without replacing a file that another run has made meanwhile. Raises FileExistsError."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError from None
        temporary.replace(target)


def remove_leftovers(folder: Path) -> None:
    """Remove the leftovers of dead runs from a folder; at most once in a process."""
    if folder in _cleaned_folders or fcntl is None:
        return
    _cleaned_folders.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        leftovers = [entry.path for entry in entries if entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)]
        for name in leftovers:
            with contextlib.suppress(OSError), open(name, "rb") as file:  # noqa: PTH123
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name)  # noqa: PTH108
