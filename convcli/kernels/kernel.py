"""Kernels and banks of kernels: frozen values, which need NumPy only for their ``weights``."""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..drawn import Drawn
from ..errors import KernelError
from ..geometry.padding import Padding
from .expressions import MAX_WEIGHT

if TYPE_CHECKING:
    import numpy as np

Cell: TypeAlias = "float | tuple[float, ...]"
Matrix: TypeAlias = tuple[tuple[Cell, ...], ...]
Anchor: TypeAlias = tuple[int, int]

MERGES = ("l2", "max", "mean", "sum")

CHANNELS = ("each", "sum", "gray")
LIGHTS = ("encoded", "linear")
"""How a (kh, kw) kernel is applied to an image of several channels: to each, to their sum, or to their luma."""

MAX_SIDE = 1023
"""Largest kernel side: far above any use, and small enough that a typing error such as sigma=1e9 is harmless."""


class Kernel(Drawn, Struct, frozen=True, dict=True):
    """A named matrix of weights, (kh, kw), or (kh, kw, C) to be summed over C channels.

    ``offset`` is added to every response, in levels of the image. ``anchor`` (row, column) is the tap at the output pixel
    with ``"same"`` padding; None is the middle tap, the first of the two on an even side. ``range`` replaces ``--range auto``
    for this kernel.

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
        # The sum is fast, and proves for nearly all kernels that no weight is too large or NaN.
        if not (sum(map(abs, numbers)) <= MAX_WEIGHT or all(abs(number) <= MAX_WEIGHT for number in numbers)):
            raise KernelError(f"kernel {self.name!r} must hold finite numbers of at most {MAX_WEIGHT:g}")

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """(kh, kw) or (kh, kw, C)."""
        cell = self.matrix[0][0]
        return (len(self.matrix), len(self.matrix[0]), *((len(cell),) if isinstance(cell, tuple) else ()))

    @property
    def anchor_or_middle(self) -> Anchor:
        """The tap at the output pixel with ``"same"`` padding."""
        return self.anchor or middle_of(self.shape)

    @property
    def numbers(self) -> Iterator[float]:
        """All weights, row after row."""
        cells: Iterator[Any] = itertools.chain.from_iterable(self.matrix)
        return itertools.chain.from_iterable(cells) if len(self.shape) == 3 else cells

    @property
    def sum(self) -> float:
        """Sum of the weights: the response to a constant image of level 1."""
        return math.fsum(self.numbers)

    @property
    def absolute_sum(self) -> float:
        """Sum of the absolute weights: the largest response to an image with levels from -1 to 1."""
        return math.fsum(map(abs, self.numbers))

    @property
    def sums_to_zero(self) -> bool:
        """Whether the weights sum to zero, within a millionth of their absolute sum."""
        return abs(self.sum) <= 1e-6 * self.absolute_sum

    @property
    def is_signed(self) -> bool:
        """Whether responses lie around 0: the weights sum to zero, some are negative, and the offset is 0."""
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
        """Rank of the matrix, for (kh, kw) kernels only; 1 means separable."""
        import numpy as np

        return int(np.linalg.matrix_rank(self.weights))

    def turn(self, degrees: int) -> "Kernel":
        """Return the kernel rotated counter-clockwise by a multiple of 90 degrees."""
        if degrees % 360 == 0:
            return self
        matrix = self.matrix
        for _ in range(degrees // 90 % 4):
            matrix = tuple(zip(*matrix, strict=True))[::-1]
        return replace(self, matrix=matrix, anchor=turned(self.shape, self.anchor, degrees)[1])

    def named(self, name: str) -> "Kernel":
        """Return a copy with another name."""
        return replace(self, name=name)


class Bank(Drawn, Struct, frozen=True, dict=True):
    """Several kernels: one feature map each, or one merged map with ``merge``."""

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
            raise KernelError(f"bank {self.name!r} holds kernels of different shapes, which do not fit one array: {sizes}")
        array = np.array([kernel.matrix for kernel in self.kernels], np.float64)
        array.flags.writeable = False
        return array

    @property
    def is_signed(self) -> bool:
        """Whether merged responses can lie on both sides of 0."""
        return self.merge != "l2" and all(kernel.is_signed for kernel in self.kernels)

    def turn(self, degrees: int) -> "Bank":
        """Return the bank with every kernel rotated counter-clockwise by a multiple of 90 degrees."""
        return replace(self, kernels=tuple(kernel.turn(degrees) for kernel in self.kernels))

    def named(self, name: str) -> "Bank":
        """Return a copy with another name."""
        return replace(self, name=name)


def middle_of(shape: tuple[int, ...]) -> Anchor:
    """Return the middle tap of a kernel, the first of the two on an even side."""
    return (shape[0] - 1) // 2, (shape[1] - 1) // 2


def turned(shape: tuple[int, ...], anchor: Anchor | None, degrees: int) -> tuple[tuple[int, ...], Anchor | None]:
    """Return shape and anchor of a kernel rotated counter-clockwise by a multiple of 90 degrees."""
    for _ in range(degrees // 90 % 4):
        anchor = anchor and (shape[1] - 1 - anchor[1], anchor[0])
        shape = (shape[1], shape[0], *shape[2:])
    return shape, anchor


def same_padding(shape: tuple[int, ...], anchor: Anchor | None, flip: bool, dilation: tuple[int, int]) -> Padding:
    """Return the "same" padding that places the anchor of a kernel at the output pixel."""
    if anchor is None:
        return "same"
    ends = [(tap, side - 1 - tap) for tap, side in zip(anchor, shape, strict=False)]
    turned = [(after, before) for before, after in ends] if flip else ends
    rows, columns = ((before * d, after * d) for (before, after), d in zip(turned, dilation, strict=True))
    return rows, columns


def kernels_of(kernel_or_bank: Kernel | Bank) -> tuple[Kernel, ...]:
    """Return the kernels of a bank, or the kernel alone."""
    return kernel_or_bank.kernels if isinstance(kernel_or_bank, Bank) else (kernel_or_bank,)


def feature_maps(kernel_or_bank: Kernel | Bank) -> list[Kernel | Bank]:
    """Return an item for each feature map: a kernel, a merged bank, or every kernel of another bank."""
    if isinstance(kernel_or_bank, Bank) and kernel_or_bank.merge is None:
        return list(kernel_or_bank.kernels)
    return [kernel_or_bank]


def unique_names(maps: list[Kernel | Bank]) -> list[Kernel | Bank]:
    """Number the maps whose names repeat: blur, blur-2, blur-3. No number makes the name of another map."""
    original = {map_.name for map_ in maps}
    used: set[str] = set()
    named = []
    for map_ in maps:
        name = map_.name
        count = 1
        while name in used:
            count += 1
            candidate = f"{map_.name}-{count}"
            name = candidate if candidate not in original else name
        used.add(name)
        named.append(map_.named(name))
    return named
