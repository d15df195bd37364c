"""Sizes, pads and borders of a sliding kernel: integers only, no arrays.

One axis at a time: rows and columns follow the same rules. The formulas are those of Dumoulin & Visin, "A guide to
convolution arithmetic for deep learning" (https://arxiv.org/abs/1603.07285), with an extent in place of the kernel size.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any, TypeAlias

from ..errors import ArgumentError, nearest_name

BORDERS = ("zero", "edge", "reflect", "symmetric", "wrap")
BORDER_ALIASES = {
    "zeros": "zero",
    "constant": "zero",
    "grid-constant": "zero",
    "replicate": "edge",
    "nearest": "edge",
    "circular": "wrap",
    "periodic": "wrap",
    "grid-wrap": "wrap",
    "grid-mirror": "symmetric",
}
"""What NumPy, SciPy, PyTorch, ONNX and TensorFlow call the borders, where that cannot mean two of them."""

PADDINGS = ("valid", "same", "same-upper", "same-lower", "full")
PADDING_ALIASES = {"VALID": "valid", "SAME_UPPER": "same-upper", "SAME_LOWER": "same-lower"}
"""What ONNX and TensorFlow call the paddings."""

Pair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
Border: TypeAlias = str | float
Sides: TypeAlias = tuple[int, int]

FARTHEST = 65_535
"""Largest stride, dilation, padding and extent in pixels: beyond any use, and small enough that a slip costs nothing."""

LARGEST = 1e30
"""Largest number to pad with: sums of it under any kernel stay finite in float32."""

BRACKETS = str.maketrans("()", "[]")
"""As a config file has them."""

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
    parts = _parts_of(value) or (value, value)
    numbers = [_whole(part) for part in parts]
    if len(numbers) != 2 or None in numbers:
        raise ArgumentError(f"{name} must be a whole number or (rows, columns), got {value!r}")
    first, second = (number for number in numbers if number is not None)
    if min(first, second) < least:
        raise ArgumentError(f"{name} must be at least {least}, got {value!r}")
    if max(first, second) > FARTHEST:
        raise ArgumentError(f"{name} must be at most {FARTHEST}, got {value!r}")
    return first, second


def _parts_of(value: object) -> tuple[Any, ...]:
    """The parts of a list, a tuple or an array; none of a number, of a word, or of what has no order."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__getitem__"):
        return ()
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:  # an array of no dimensions
        return ()


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


def resolve_padding(padding: Padding, extents: Sides, sizes: Sides = (1, 1), strides: Sides = (1, 1)) -> tuple[Sides, Sides]:
    """Padding as ((top, bottom), (left, right)) in pixels for a kernel that covers ``extents``.

    ``"same"`` adds extent - 1 in all, the smaller half first, whatever the stride; ``"full"`` adds extent - 1 on each side.
    ``"same-upper"`` and ``"same-lower"`` are ONNX's SAME_UPPER and SAME_LOWER (https://onnx.ai/onnx/operators/onnx__Conv.html):
    the output is ceil(size / stride), and the odd pixel stands behind or before. These alone need sizes and strides.

    >>> resolve_padding("same", (3, 4))
    ((1, 1), (1, 2))
    >>> resolve_padding("same-lower", (3, 3), sizes=(5, 6), strides=(2, 2))
    ((1, 1), (1, 0))
    """
    if isinstance(padding, str):
        word = padding_word(padding)
        rows, columns = (_named_padding(word, *axis) for axis in zip(extents, sizes, strides, strict=True))
        return rows, columns
    sides = _parts_of(padding)
    inner = [_parts_of(side) for side in sides]
    if len(inner) == 2 and all(len(parts) == 2 for parts in inner):
        top_bottom, left_right = (as_pair("padding", parts, least=0) for parts in inner)
        return top_bottom, left_right
    if any(inner) or len(sides) not in (0, 2):
        rule = "padding must be a whole number, (rows, columns) or ((top, bottom), (left, right))"
        text = f"{rule}, got {padding!r}{_four_sides(sides)}"
        raise ArgumentError(text.translate(BRACKETS) if isinstance(padding, list) else text)
    above, left = as_pair("padding", padding, least=0)  # type: ignore[arg-type]
    return (above, above), (left, left)


def _four_sides(sides: tuple[Any, ...]) -> str:
    """What four numbers may mean: other systems have them in two orders."""
    if len(sides) != 4 or any(map(_parts_of, sides)):
        return ""
    a, b, c, d = sides
    return f"; ONNX's top, left, bottom, right are {((a, c), (b, d))}, PyTorch's left, right, top, bottom {((c, d), (a, b))}"


def padding_word(text: str) -> str:
    """The word for a padding, whatever system it is from. Raises ArgumentError.

    >>> padding_word("SAME_UPPER")
    'same-upper'
    """
    word = PADDING_ALIASES.get(text, text)
    if text == "SAME":
        raise ArgumentError("padding SAME means same-upper to TensorFlow, which counts the stride, and same here; say which")
    if word not in PADDINGS:
        raise ArgumentError(
            f"padding must be one of {', '.join(PADDINGS)}, a whole number, (rows, columns) "
            f"or ((top, bottom), (left, right)), got {text!r}{nearest_name(text, PADDINGS)}"
        )
    return word


def _named_padding(padding: str, covered: int, size: int, stride: int) -> Sides:
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return covered - 1, covered - 1
    if padding == "same":
        return _halves(covered - 1, padding)
    return _halves(max((-(-size // stride) - 1) * stride + covered - size, 0), padding)


def _halves(total: int, padding: str) -> Sides:
    """Padding in two halves, the larger one before for "same-lower", else behind."""
    less, more = total // 2, total - total // 2
    return (more, less) if padding == "same-lower" else (less, more)


def make_axes(sizes: Sides, kernel: Sides, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Axis, Axis]:
    """Lay a kernel over an image: the row axis and the column axis. Raises ArgumentError where it does not fit."""
    strides = as_pair("stride", stride, least=1)
    dilations = as_pair("dilation", dilation, least=1)
    pads = resolve_padding(padding, check_extents(kernel, dilations), sizes, strides)
    rows, columns = (Axis(sizes[i], kernel[i], strides[i], dilations[i], *pads[i]) for i in (0, 1))
    _check_fit(rows, columns)
    return rows, columns


def _check_fit(rows: Axis, columns: Axis) -> None:
    """Raise ArgumentError where a kernel does not fit an image."""
    if rows.out < 1 or columns.out < 1:
        padded = tuple(axis.size + axis.before + axis.after for axis in (rows, columns))
        raise ArgumentError(
            f"a kernel that covers {rows.extent} x {columns.extent} does not fit an image of {rows.size} x {columns.size} "
            f"padded to {padded[0]} x {padded[1]}; use a wider padding, such as 'same', or a smaller kernel"
        )


def make_pool_axes(
    sizes: Sides, kernel_size: Pair, stride: Pair | None, padding: Padding, dilation: Pair = 1, ceil_mode: bool = False
) -> tuple[Axis, Axis]:
    """Lay a window over maps: the row axis and the column axis. A stride of None is the size of the window.

    ``ceil_mode`` has one more window where the last one would leave pixels over, as long as it begins on the map or the
    padding before it: the padding behind then grows (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html).

    Raises ArgumentError where the window does not fit, or would somewhere hold nothing but padding.

    >>> rows, columns = make_pool_axes((6, 7), 3, 2, 0, ceil_mode=True)
    >>> (rows.out, rows.after), (columns.out, columns.after)
    ((3, 1), (3, 0))
    """
    window = as_pair("kernel_size", kernel_size, least=1)
    strides = window if stride is None else as_pair("stride", stride, least=1)
    dilations = as_pair("dilation", dilation, least=1)
    pads = resolve_padding(padding, check_extents(window, dilations), sizes, strides)
    rows, columns = (Axis(sizes[i], window[i], strides[i], dilations[i], *pads[i]) for i in (0, 1))
    if ceil_mode:
        rows, columns = _rounded_up(rows), _rounded_up(columns)
    _check_fit(rows, columns)
    for name, axis in (("row", rows), ("column", columns)):
        if not _sees_pixels(axis):
            raise ArgumentError(
                f"padding must leave a pixel in every window, got {axis.before} before and {axis.after} behind {name}s of "
                f"{axis.size} pixels under a window that covers {axis.extent}; use less padding"
            )
    return rows, columns


def _sees_pixels(axis: Axis) -> bool:
    """Whether every window has a tap on a pixel, and not on padding alone."""
    last = (axis.out - 1) * axis.stride - axis.before
    if last >= axis.size or axis.extent <= axis.before:
        return False
    before = range(-axis.before, min(last + 1, 0), axis.stride)  # windows that begin in the padding
    return axis.size >= axis.dilation or all(first % axis.dilation < axis.size for first in before)


def _rounded_up(axis: Axis) -> Axis:
    """The axis with as much padding behind as its windows need, counted as ``ceil_mode`` does."""
    out = -((axis.extent - axis.size - axis.before - axis.after) // axis.stride) + 1
    out -= (out - 1) * axis.stride >= axis.size + axis.before
    return replace(axis, after=max((out - 1) * axis.stride + axis.extent - axis.size - axis.before, 0))


def taps_within(axis: Axis, begin: int, end: int) -> list[int]:
    """How many taps lie on pixels ``begin`` .. ``end`` at each position of the kernel, 0 being the first pixel of the image.

    >>> taps_within(Axis(size=5, kernel=3, stride=2, dilation=1, before=1, after=1), 0, 5)
    [2, 3, 2]
    """
    counts = []
    for first in range(-axis.before, axis.out * axis.stride - axis.before, axis.stride):
        skipped = max(-((first - begin) // axis.dilation), 0)
        reached = min((end - 1 - first) // axis.dilation + 1, axis.kernel)
        counts.append(max(reached - skipped, 0))
    return counts


@dataclass(frozen=True)
class TransposedAxis:
    """A kernel laid along one axis by every pixel of a map: a convolution turned round (Dumoulin & Visin, chapter 4).

    ``before`` and ``after`` are cut from what it gives, and ``extra`` pixels are added behind.

    >>> TransposedAxis(size=3, kernel=3, stride=2, dilation=1, before=1, after=1, extra=1).out
    6
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    extra: int

    @property
    def extent(self) -> int:
        """Pixels from the first tap to the last, both included."""
        return extent(self.kernel, self.dilation)

    @property
    def out(self) -> int:
        """Pixels of the result, zero or less if all are cut."""
        return self.stride * (self.size - 1) + self.extent - self.before - self.after + self.extra


def make_transposed_axes(
    sizes: Sides, kernel: Sides, stride: Pair, padding: Padding, output_padding: Pair, dilation: Pair
) -> tuple[TransposedAxis, TransposedAxis]:
    """Lay the kernel of a transposed convolution: the row axis and the column axis. "valid" is a padding of 0.

    With "same-upper" and "same-lower" the output is size * stride, as ONNX has it, the odd pixel cut behind or before
    (https://onnx.ai/onnx/operators/onnx__ConvTranspose.html); where the kernel covers less than the stride, nothing is cut, as
    ONNX Runtime has it. Raises ArgumentError where nothing would be left.

    >>> [axis.out for axis in make_transposed_axes((2, 3), (3, 3), 2, "same-upper", 0, 1)]
    [4, 6]
    """
    strides, dilations = as_pair("stride", stride, least=1), as_pair("dilation", dilation, least=1)
    extras = as_pair("output_padding", output_padding, least=0)
    if any(extra >= max(step, spread) for extra, step, spread in zip(extras, strides, dilations, strict=True)):
        raise ArgumentError(f"output_padding must be less than the stride or the dilation, got {output_padding!r}")
    covered = check_extents(kernel, dilations)
    word = padding_word(padding) if isinstance(padding, str) else ""
    if word in ("same", "full"):
        raise ArgumentError(f"padding must be valid, same-upper, same-lower or pixels to cut off, got {padding!r}")
    if word.startswith("same-"):
        spare = [max(covered[i] + extras[i] - strides[i], 0) for i in (0, 1)]
        pads = _halves(spare[0], word), _halves(spare[1], word)
    else:
        pads = resolve_padding(padding, covered)
    rows, columns = (TransposedAxis(sizes[i], kernel[i], strides[i], dilations[i], *pads[i], extras[i]) for i in (0, 1))
    if rows.out < 1 or columns.out < 1:
        raise ArgumentError(
            f"maps of {sizes[0]} x {sizes[1]} under a kernel that covers {covered[0]} x {covered[1]} would become "
            f"{rows.out} x {columns.out}; use less padding"
        )
    return rows, columns


def check_border(border: Border) -> tuple[str, float]:
    """Read a border as a word of NumPy's and the number it pads with, 0 where it does not pad with a number.

    >>> check_border("replicate"), check_border(7)
    (('edge', 0.0), ('constant', 7.0))
    """
    if isinstance(border, str):
        word = border_word(border)
        return ("constant" if word == "zero" else word), 0.0
    if isinstance(border, Real) and not isinstance(border, bool) and abs(border) <= LARGEST:
        return "constant", float(border)
    raise ArgumentError(f"border must be a number up to {LARGEST:g} or one of {', '.join(sorted(BORDERS))}, got {border!r}")


def border_word(text: str) -> str:
    """The word for a border, whatever system it is from, in any case. Raises ArgumentError.

    >>> border_word("circular")
    'wrap'
    """
    lower = text.lower()
    if lower == "mirror":
        raise ArgumentError(
            "border mirror means reflect (d c b|a b c d|c b a) to SciPy and symmetric (c b a|a b c d|d c b) to ImageMagick; "
            "say which"
        )
    word = BORDER_ALIASES.get(lower, lower)
    if word not in BORDERS:
        names = ", ".join(sorted(BORDERS))
        raise ArgumentError(
            f"border must be a number up to {LARGEST:g} or one of {names}, got {text!r}"
            f"{nearest_name(lower, (*BORDERS, *BORDER_ALIASES))}"
        )
    return word


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
