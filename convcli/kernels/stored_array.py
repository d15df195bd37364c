"""An array in a file that holds several by name: what its header says, and the function that reads it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class StoredArray(NamedTuple):
    """The shape and the dtype of an array, which ``load`` returns. It raises KernelError where the file does not hold it."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    load: "Callable[[], np.ndarray[Any, Any]]"
