"""Reads .npy arrays from untrusted files: no pickles, and no memory is allocated before the header is checked."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Check: TypeAlias = "Callable[[tuple[int, ...], np.dtype[Any]], None]"


PARSER_WORDS = ("Cannot parse header", "malformed node", "source code")
"""Starts of messages that repeat the header."""

MAX_HEADER_BYTES = 10_000
"""Largest header, as in NumPy, which would read the whole of a longer one before it checks the length."""


def read_npy(file: BinaryIO, check: Check) -> "np.ndarray[Any, Any]":
    """Read an array after ``check(shape, dtype)`` has accepted its header.

    Raises ValueError with a message of one line if the file does not hold a complete .npy array of numbers or text, and what
    ``check`` raises.
    """
    import numpy as np

    start = file.tell()
    shape, _, dtype = read_header(file)
    check(shape, dtype)
    file.seek(start)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(str(error).splitlines()[0]) from None


def read_header(file: BinaryIO) -> "tuple[tuple[int, ...], bool, np.dtype[Any]]":
    """Return shape, whether the order is Fortran's, and dtype of an array, which begins where the file then is.

    Raises ValueError with a message of one line.
    """
    import numpy as np

    try:
        version = np.lib.format.read_magic(file)
        _check_header(file, version)
        read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(file)
    # Python's own parsers read the header: they raise ValueError, SyntaxError, TokenError, MemoryError and more.
    except Exception as error:
        text = str(error).splitlines()[0][:200] if isinstance(error, ValueError) and str(error) else ""
        names_cause = text and not text.startswith(PARSER_WORDS)
        raise ValueError(text if names_cause else "its header is not valid") from None
    if any(isinstance(length, bool) or length < 0 for length in shape):
        raise ValueError(f"its header has the shape {shape}")
    return shape, is_fortran, dtype


def _check_header(file: BinaryIO, version: tuple[int, int]) -> None:
    """Raise ValueError for a header that is too long."""
    start = file.tell()
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes")
    file.seek(start)
