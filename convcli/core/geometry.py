"""Sizes, pads and borders of a sliding kernel: integers only, no arrays.

One axis at a time: rows and columns follow the same rules. The formulas are those of Dumoulin & Visin, "A guide to
convolution arithmetic for deep learning" (https://arxiv.org/abs/1603.07285), with an extent in place of the kernel size.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TypeAlias

from ..errors import ArgumentError, nearest_name

BORDERS = ("zero", "edge", "reflect", "symmetric", "wrap")
PADDINGS = ("valid", "same", "full")

Pair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
Border: TypeAlias = str | float
Sides: TypeAlias = tuple[int, int]

FARTHEST = 65_535
"""Largest stride, dilation, padding and extent in pixels: beyond any use, and small enough that a slip costs nothing."""

LARGEST = 1e30
"""Largest number to pad with: sums of it under any kernel stay finite in float32."""

CONSTANT = -1
"""Stands where a padded position holds a constant and no pixel."""


@dataclass(frozen=True)
class Axis:
    """A kernel sliding along one axis of an image.

    Lengths are pixels; ``kernel`` counts taps. ``before`` and ``after`` are the padding.

    >>> Axis(size=5, kernel=3, stride=2, dilation=1, before=1, after=1).out
    3
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @cached_property
    def extent(self) -> int:
        """Pixels from the first tap to the last, both included."""
        return extent(self.kernel, self.dilation)

    @property
    def out(self) -> int:
        """Positions of the kernel: floor((size + pads - extent) / stride) + 1, zero or less if it does not fit."""
        return (self.size + self.before + self.after - self.extent) // self.stride + 1


def extent(kernel: int, dilation: int) -> int:
    """Pixels that a dilated kernel covers.

    >>> extent(3, dilation=2)
    5
    """
    return dilation * (kernel - 1) + 1


def as_pair(name: str, value: Pair, least: int) -> Sides:
    """Read an int or (rows, columns) as a pair; raise ArgumentError below ``least`` and above FARTHEST.

    >>> as_pair("stride", 2, least=1)
    (2, 2)
    """
    parts = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    numbers = [_whole(part) for part in parts]
    if len(numbers) != 2 or None in numbers:
        raise ArgumentError(f"{name} must be a whole number or (rows, columns), got {value!r}")
    first, second = (number for number in numbers if number is not None)
    if min(first, second) < least:
        raise ArgumentError(f"{name} must be at least {least}, got {value!r}")
    if max(first, second) > FARTHEST:
        raise ArgumentError(f"{name} must be at most {FARTHEST}, got {value!r}")
    return first, second


def as_count(name: str, value: object) -> int:
    """Read a whole number of at least 1; raise ArgumentError."""
    number = _whole(value)
    if number is None or number < 1:
        raise ArgumentError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def _whole(value: object) -> int | None:
    """A whole number of any type, but no bool; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_extents(kernel: Sides, dilation: Sides) -> Sides:
    """Pixels that a kernel covers in each direction. Raises ArgumentError beyond FARTHEST."""
    covered = (extent(kernel[0], dilation[0]), extent(kernel[1], dilation[1]))
    if max(covered) > FARTHEST:
        raise ArgumentError(f"a kernel may cover at most {FARTHEST} pixels a side, got {covered[0]} x {covered[1]}")
    return covered


def resolve_padding(padding: Padding, extents: Sides) -> tuple[Sides, Sides]:
    """Padding as ((top, bottom), (left, right)) in pixels for a kernel that covers ``extents``.

    ``"same"`` adds extent - 1 in all, the smaller half first, whatever the stride; ``"full"`` adds extent - 1 on each side.

    >>> resolve_padding("same", (3, 4))
    ((1, 1), (1, 2))
    """
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ArgumentError(
                f"padding must be one of {', '.join(PADDINGS)}, a whole number, (rows, columns) "
                f"or ((top, bottom), (left, right)), got {padding!r}"
            )
        return tuple(_named_padding(padding, e) for e in extents)  # type: ignore[return-value]
    if isinstance(padding, Sequence) and len(padding) == 2 and all(isinstance(side, Sequence) for side in padding):
        top_bottom, left_right = (as_pair("padding", side, least=0) for side in padding)  # type: ignore[arg-type]
        return top_bottom, left_right
    rows, columns = as_pair("padding", padding, least=0)  # type: ignore[arg-type]
    return (rows, rows), (columns, columns)


def _named_padding(padding: str, covered: int) -> Sides:
    spare = covered - 1
    return {"valid": (0, 0), "same": (spare // 2, spare - spare // 2), "full": (spare, spare)}[padding]


def make_axes(sizes: Sides, kernel: Sides, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Axis, Axis]:
    """Lay a kernel over an image: the row axis and the column axis. Raises ArgumentError where it does not fit."""
    strides = as_pair("stride", stride, least=1)
    dilations = as_pair("dilation", dilation, least=1)
    covered = check_extents(kernel, dilations)
    pads = resolve_padding(padding, covered)
    rows, columns = (Axis(sizes[i], kernel[i], strides[i], dilations[i], *pads[i]) for i in (0, 1))
    if rows.out < 1 or columns.out < 1:
        padded = tuple(axis.size + axis.before + axis.after for axis in (rows, columns))
        raise ArgumentError(
            f"a kernel that covers {covered[0]} x {covered[1]} does not fit an image of {sizes[0]} x {sizes[1]} padded "
            f"to {padded[0]} x {padded[1]}; use a wider padding, such as 'same', or a smaller kernel"
        )
    return rows, columns


def check_border(border: Border) -> tuple[str, float]:
    """Read a border as a word of NumPy's and the number it pads with, 0 where it does not pad with a number.

    >>> check_border("edge"), check_border(7)
    (('edge', 0.0), ('constant', 7.0))
    """
    if isinstance(border, str) and border in BORDERS:
        return ("constant" if border == "zero" else border), 0.0
    if isinstance(border, Real) and not isinstance(border, bool) and abs(border) <= LARGEST:
        return "constant", float(border)
    near = nearest_name(border, BORDERS) if isinstance(border, str) else ""
    raise ArgumentError(
        f"border must be a number up to {LARGEST:g} or one of {', '.join(sorted(BORDERS))}, got {border!r}{near}"
    )


def source_index(position: int, size: int, border: str) -> int:
    """Pixel shown at a padded position, 0 being the first pixel: an index within the image, or CONSTANT.

    Works at any distance from the image, as if the border went on for ever.

    >>> [source_index(i, 4, "reflect") for i in range(-5, 8)]
    [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    """
    if 0 <= position < size:
        return position
    if border == "constant":
        return CONSTANT
    if border == "edge":
        return 0 if position < 0 else size - 1
    if border == "wrap":
        return position % size
    if border == "symmetric":
        folded = position % (2 * size)
        return folded if folded < size else 2 * size - 1 - folded
    if size == 1:
        return 0
    folded = position % (2 * size - 2)
    return folded if folded < size else 2 * size - 2 - folded
