"""Weights read from a file, and the reference to them: frozen values."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import KernelError
from .kernel import Kernel

if TYPE_CHECKING:
    import numpy as np

FILE_COST, ARRAY_COST, TEXT_COST, EXPRESSION_COST = 20_000, 300, 12, 48
"""What opening a file counts, an array beside the wanted one, a character of text and one of an expression: bytes of an
array that are read in that time."""


class WeightsError(KernelError):
    """A file holds no weights as they are asked for; ``about`` is what of that is wrong: "file", "key" or "layout"."""

    def __init__(self, message: str, about: str = "file") -> None:
        super().__init__(message)
        self.about = about


@dataclass(frozen=True)
class WeightsFile:
    """Weights in a file, under a key where it holds several arrays, with the meaning of the axes where it is not the usual."""

    path: Path
    key: str | None = None
    layout: str | None = None
    index: int | None = None  # of one filter, where that is all that is wanted

    def __str__(self) -> str:
        return f"{self.path}" + (f"#{self.key}" if self.key else "")


@dataclass(frozen=True, eq=False)
class Weights:
    """What a file holds: one filter or ``several``, (N, kh, kw) or (N, kh, kw, C), and the offset that it asks for.

    ``cost`` is what reading it counted.
    """

    file: WeightsFile
    filters: "np.ndarray[Any, Any]"
    several: bool = False
    offset: float = 0.0
    cost: int = FILE_COST

    @functools.cached_property
    def largest(self) -> float:
        """The largest absolute value of all, NaN where one is no number."""
        return max(abs(float(self.filters.min())), abs(float(self.filters.max())))

    def kernel(self, name: str, index: int = 0, about: str = "") -> Kernel:
        """One of the filters."""
        return Kernel(name, _nested(self.filters[index].astype(float)), about, offset=self.offset)

    def one(self, index: int | None) -> int:
        """Which filter is meant, where one is. Raises KernelError."""
        count = len(self.filters)
        if not self.several and index is not None:
            raise KernelError(f"@{self.file}: holds one kernel, not several filters; leave out index")
        if self.several and index is None:
            raise KernelError(f"@{self.file}: holds {count} filters; choose one by index, 0 to {count - 1}, or make it a bank")
        if index is not None and index >= count:
            raise KernelError(f"@{self.file}: holds the filters 0 to {count - 1}, and index is {index}")
        return index or 0


def _nested(array: "np.ndarray[Any, Any]") -> Any:
    """Nested tuples of floats, as a Kernel holds them."""
    return tuple(_nested(part) for part in array) if array.ndim > 1 else tuple(array.tolist())
