"""What is slid over an image: a Kernel, or a Bank of them. Frozen values that need no NumPy to be made, listed or shown."""

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import KernelError
from ..geometry.padding import Padding
from .expressions import LARGEST

if TYPE_CHECKING:
    import numpy as np

Cell: TypeAlias = "float | tuple[float, ...]"
Matrix: TypeAlias = tuple[tuple[Cell, ...], ...]
Anchor: TypeAlias = tuple[int, int]

MERGES = ("l2", "max", "mean", "sum")

CHANNELS = ("each", "sum", "gray")
"""How a (kh, kw) kernel meets a picture of several channels: each on its own, all in one sum, or grey first."""

MAX_SIDE = 1023
"""Largest kernel side. Far above any use, and small enough that a slip such as sigma=1e9 costs nothing."""


@dataclass(frozen=True)
class Kernel:
    """A named matrix of weights, (kh, kw), or (kh, kw, C) to be summed over C channels.

    ``offset`` is added to every response, in levels of the picture. ``anchor`` (row, column) is the tap that ``"same"``
    padding lays over the pixel it is computed for; None is the middle, of an even side the first of the two. ``range`` is
    what ``--range auto`` means for this kernel, where it has one.

    >>> Kernel("average", ((0.25, 0.25), (0.25, 0.25))).sum
    1.0
    """

    name: str
    matrix: Matrix
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    offset: float = 0.0
    anchor: Anchor | None = None
    range: str | None = None

    def __post_init__(self) -> None:
        numbers = (*self.numbers, self.offset)
        # The sum is quick, and tells of nearly all kernels that no weight is too large or no number.
        if not (sum(map(abs, numbers)) <= LARGEST or all(abs(number) <= LARGEST for number in numbers)):
            raise KernelError(f"kernel {self.name!r} must hold finite numbers of at most {LARGEST:g}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(kh, kw) or (kh, kw, C)."""
        cell = self.matrix[0][0]
        return (len(self.matrix), len(self.matrix[0]), *((len(cell),) if isinstance(cell, tuple) else ()))

    @property
    def anchor_or_middle(self) -> Anchor:
        """The tap that ``"same"`` padding lays over the pixel."""
        return self.anchor or middle_of(self.shape)

    @property
    def numbers(self) -> Iterator[float]:
        """All weights, row after row."""
        cells: Iterator[Any] = itertools.chain.from_iterable(self.matrix)
        return itertools.chain.from_iterable(cells) if len(self.shape) == 3 else cells

    @property
    def sum(self) -> float:
        """Response to a flat image of level 1."""
        return math.fsum(self.numbers)

    @property
    def absolute_sum(self) -> float:
        """Largest response to an image with levels between -1 and 1."""
        return math.fsum(map(abs, self.numbers))

    @property
    def sums_to_zero(self) -> bool:
        """Whether a flat image gives 0, but for rounding: a millionth of the absolute sum."""
        return abs(self.sum) <= 1e-6 * self.absolute_sum

    @property
    def is_signed(self) -> bool:
        """Whether the responses of a picture lie around 0: the weights sum to zero, some are negative, nothing is added."""
        return self.sums_to_zero and self.offset == 0 and any(w < 0 for w in self.numbers)

    @functools.cached_property
    def weights(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """The weights as a read-only float64 array."""
        import numpy as np

        array = np.array(self.matrix, np.float64)
        array.flags.writeable = False
        return array

    @property
    def rank(self) -> int:
        """How many products of a column and a row make up the matrix; 1 means separable. (kh, kw) kernels only."""
        import numpy as np

        return int(np.linalg.matrix_rank(self.weights))

    def turn(self, degrees: int) -> "Kernel":
        """The kernel turned counter-clockwise by a multiple of 90 degrees."""
        if degrees % 360 == 0:
            return self
        matrix = self.matrix
        for _ in range(degrees // 90 % 4):
            matrix = tuple(zip(*matrix, strict=True))[::-1]
        return replace(self, matrix=matrix, anchor=turned(self.shape, self.anchor, degrees)[1])

    def named(self, name: str) -> "Kernel":
        """A copy under another name."""
        return replace(self, name=name)


@dataclass(frozen=True)
class Bank:
    """Several kernels side by side: one feature map each, or one in all when ``merge`` says how."""

    name: str
    kernels: tuple[Kernel, ...]
    merge: str | None = None
    about: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    range: str | None = None

    @functools.cached_property
    def weights(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """The weights of all kernels as one read-only array, (N, kh, kw) or (N, kh, kw, C), float64.

        Raises KernelError where the kernels have different shapes.
        """
        import numpy as np

        shapes = {kernel.shape for kernel in self.kernels}
        if len(shapes) > 1:
            sizes = ", ".join(f"{kernel.name} {' x '.join(map(str, kernel.shape))}" for kernel in self.kernels)
            raise KernelError(f"bank {self.name!r} holds kernels of different shapes, which make no one array: {sizes}")
        array = np.array([kernel.matrix for kernel in self.kernels], np.float64)
        array.flags.writeable = False
        return array

    @property
    def is_signed(self) -> bool:
        """Whether the merged responses of a picture can lie on both sides of 0."""
        return self.merge != "l2" and all(kernel.is_signed for kernel in self.kernels)

    def turn(self, degrees: int) -> "Bank":
        """Every kernel turned counter-clockwise by a multiple of 90 degrees."""
        return replace(self, kernels=tuple(kernel.turn(degrees) for kernel in self.kernels))

    def named(self, name: str) -> "Bank":
        """A copy under another name."""
        return replace(self, name=name)


def middle_of(shape: tuple[int, ...]) -> Anchor:
    """The middle tap of a kernel, of an even side the first of the two."""
    return (shape[0] - 1) // 2, (shape[1] - 1) // 2


def turned(shape: tuple[int, ...], anchor: Anchor | None, degrees: int) -> tuple[tuple[int, ...], Anchor | None]:
    """Shape and anchor of a kernel that is turned counter-clockwise by a multiple of 90 degrees."""
    for _ in range(degrees // 90 % 4):
        anchor = anchor and (shape[1] - 1 - anchor[1], anchor[0])
        shape = (shape[1], shape[0], *shape[2:])
    return shape, anchor


def same_padding(shape: tuple[int, ...], anchor: Anchor | None, flip: bool, dilation: tuple[int, int]) -> Padding:
    """The padding that lays the anchor of a kernel over the pixel."""
    if anchor is None:
        return "same"
    ends = [(tap, side - 1 - tap) for tap, side in zip(anchor, shape, strict=False)]
    turned = [(after, before) for before, after in ends] if flip else ends
    rows, columns = ((before * d, after * d) for (before, after), d in zip(turned, dilation, strict=True))
    return rows, columns


def kernels_of(found: Kernel | Bank) -> tuple[Kernel, ...]:
    """The kernels of a bank, or the kernel alone."""
    return found.kernels if isinstance(found, Bank) else (found,)


def feature_maps(found: Kernel | Bank) -> list[Kernel | Bank]:
    """What gives one feature map each: a kernel, a merged bank, or every kernel of another bank."""
    if isinstance(found, Bank) and found.merge is None:
        return list(found.kernels)
    return [found]


def unique_names(maps: list[Kernel | Bank]) -> list[Kernel | Bank]:
    """Number the maps whose names are taken: blur, blur-2, blur-3."""
    taken = {one.name for one in maps}
    used: set[str] = set()
    named = []
    for one in maps:
        name = one.name
        count = 1
        while name in used:
            count += 1
            candidate = f"{one.name}-{count}"
            name = candidate if candidate not in taken else name
        used.add(name)
        named.append(one.named(name))
    return named
