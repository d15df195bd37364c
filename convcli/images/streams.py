"""Files that are read and written once, from the first byte to the last: pipes, and open files of this process by number.

A shell replaces ``<(command)`` and ``>(command)`` by the name of an open pipe, such as /dev/fd/63.
"""

import os
import re
import select
import stat
from pathlib import Path
from typing import BinaryIO

from ..errors import OutputError

STANDARD_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
DESCRIPTOR_NAME = r"/dev/fd/(\d+)|/proc/(?:self|\d+)/fd/(\d+)"
MAX_LINKS = 40
"""Linux follows as many symbolic links."""


def descriptor_of(path: Path) -> int | None:
    """Return the number of the open file that a path names, such as 63 for /dev/fd/63 and for links to it; else None."""
    name = os.path.abspath(path)
    for _ in range(MAX_LINKS):
        if name in STANDARD_STREAMS:
            return STANDARD_STREAMS[name]
        if match := re.fullmatch(DESCRIPTOR_NAME, name):
            process = name.split("/")[2]
            return int(match[1] or match[2]) if name.startswith("/dev/") or process in ("self", str(os.getpid())) else None
        try:
            name = os.path.abspath(os.path.join(os.path.dirname(name), os.readlink(name)))  # noqa: PTH115, PTH118, PTH120
        except (OSError, ValueError):  # no link; a NUL byte
            return None
    return None


def is_pipe(path: Path) -> bool:
    """Return whether a path names a pipe: a named one, or one that is open already."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_stream(path: Path) -> bool:
    """Return whether an output is written directly: an open file of this process, or a pipe."""
    return descriptor_of(path) is not None or is_pipe(path)


def write_stream(path: Path, data: bytes) -> None:
    """Write to an open file of this process at its position, or to a pipe, once it has a reader. Raises OutputError."""
    descriptor = descriptor_of(path)
    try:
        opened = os.open(path, os.O_WRONLY) if descriptor is None else os.dup(descriptor)
        with open(opened, "wb", buffering=0) as stream:  # noqa: PTH123
            write_all(stream, data, f"{path}: ")
    except BrokenPipeError:
        raise OutputError(f"{path}: cannot be written: its reader has closed it") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


def write_all(stream: BinaryIO, data: bytes, name: str = "standard output ") -> None:
    """Write all of the data to a stream, in parts if it is unbuffered or a non-blocking pipe.

    ``name`` begins the text of an error. Raises OutputError, and BrokenPipeError if the reader has closed the pipe.
    """
    remaining = memoryview(data)
    try:
        stream.flush()
        raw = getattr(stream, "raw", stream)
        while remaining:
            written = raw.write(remaining)
            if written is None:
                select.select([], [raw], [])
            else:
                remaining = remaining[written:]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{name}cannot be written: {error.strerror or error}") from error
