"""Keeps lines that a C library prints off standard error, for libraries without a switch for that."""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

STANDARD_ERROR = 2
_lock = threading.Lock()


@contextlib.contextmanager
def lines_dropped(pattern: bytes) -> Iterator[None]:
    """Drop the lines of standard error, the file descriptor, that begin with a regular expression during the block.

    Standard error is that of the whole process. So what else is written meanwhile, by other threads too, is held, and written
    after the block; nothing of it is lost.
    """
    with _lock, tempfile.TemporaryFile() as held:
        try:
            saved = os.dup(STANDARD_ERROR)
        except OSError:  # it is closed: nothing can be printed
            yield
            return
        os.dup2(held.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            with contextlib.suppress(AttributeError, OSError, ValueError):  # None, closed, or not writable
                sys.stderr.flush()
            os.dup2(saved, STANDARD_ERROR)
            os.close(saved)
            held.seek(0)
            with contextlib.suppress(OSError):  # a pipe that nobody reads
                os.write(STANDARD_ERROR, b"".join(line for line in held if not re.match(pattern, line)))
