"""Weights read from a file, and the reference to them: frozen values."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..errors import KernelError
from .kernel import Kernel

if TYPE_CHECKING:
    import numpy as np

FILE_COST, ARRAY_COST, TEXT_COST, EXPRESSION_COST = 20_000, 300, 12, 48
"""Cost of opening a file, of each other array in it, of a character of text, and of a character of an expression.

The unit is the time to read one byte of an array.
"""


class WeightsError(KernelError):
    """A file does not hold the requested weights; ``about`` is the part of the request at fault: "file", "key" or "layout"."""

    def __init__(self, message: str, about: str = "file") -> None:
        super().__init__(message)
        self.about = about


class WeightsFile(Struct, frozen=True):
    """A reference to weights in a file: the key of an array, and the order of its axes, where they are not the default."""

    path: Path
    key: str | None = None
    layout: str | None = None
    index: int | None = None  # of one filter; None for all

    def __str__(self) -> str:
        return f"{self.path}" + (f"#{self.key}" if self.key else "")


class Weights(Struct, frozen=True, eq=False, dict=True):
    """The weights of a file: filters (N, kh, kw) or (N, kh, kw, C), and an offset. N is 1 without a filter axis.

    ``cost`` is the cost of reading it, in bytes.
    """

    file: WeightsFile
    filters: "np.ndarray[Any, Any]"
    has_filter_axis: bool = False
    offset: float = 0.0
    cost: int = FILE_COST

    @functools.cached_property
    def largest(self) -> float:
        """The largest absolute value, NaN if one is NaN."""
        return max(abs(float(self.filters.min())), abs(float(self.filters.max())))

    def kernel(self, name: str, index: int = 0, about: str = "") -> Kernel:
        """Return one of the filters as a kernel."""
        return Kernel(name, _nested(self.filters[index].astype(float)), about, offset=self.offset)

    def filter_index(self, index: int | None) -> int:
        """Return the index of the requested filter; None is the only one. Raises KernelError."""
        count = len(self.filters)
        if not self.has_filter_axis and index is not None:
            raise KernelError(f"@{self.file}: holds one kernel, not several filters; leave out index")
        if self.has_filter_axis and index is None:
            raise KernelError(f"@{self.file}: holds {count} filters; choose one by index, 0 to {count - 1}, or make it a bank")
        if index is not None and index >= count:
            raise KernelError(f"@{self.file}: holds the filters 0 to {count - 1}, and index is {index}")
        return index or 0


def _nested(array: "np.ndarray[Any, Any]") -> Any:
    """Return nested tuples of floats, as a Kernel holds them."""
    return tuple(_nested(row) for row in array) if array.ndim > 1 else tuple(array.tolist())
