"""Reads one .npy array without trusting it: no pickles, and no memory before its header has been looked at."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Check: TypeAlias = "Callable[[tuple[int, ...], np.dtype[Any]], None]"


def read_npy(file: BinaryIO, check: Check) -> "np.ndarray[Any, Any]":
    """Read an array after ``check(shape, dtype)`` has let its header pass.

    Raises ValueError, in one line, if the bytes are not a whole .npy array of plain numbers or text; and what check raises.
    """
    import numpy as np

    start = file.tell()
    try:
        version = np.lib.format.read_magic(file)
        read_header: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    # The header is read by Python's own parsers, which raise ValueError, SyntaxError, TokenError, MemoryError and more.
    except Exception as error:
        raise ValueError((str(error) or type(error).__name__).splitlines()[0][:200]) from None
    if any(length < 0 for length in shape):
        raise ValueError(f"its header has the shape {shape}")
    check(shape, dtype)
    file.seek(start)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
