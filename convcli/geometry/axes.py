"""Sizes of a sliding kernel, one axis at a time: integers only, no arrays. Rows and columns follow the same rules.

The formulas are those of Dumoulin & Visin, "A guide to convolution arithmetic for deep learning"
(https://arxiv.org/abs/1603.07285), with an extent in place of the kernel size.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import ArgumentError
from .padding import Padding, padding_word, resolve_padding, split_in_halves
from .whole_numbers import FARTHEST, Pair, Sides, as_pair


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
    def padded(self) -> int:
        """Pixels with the padding."""
        return self.before + self.size + self.after

    @property
    def out(self) -> int:
        """Positions of the kernel: floor((size + pads - extent) / stride) + 1, zero or less if it does not fit."""
        return (self.padded - self.extent) // self.stride + 1


def extent(kernel: int, dilation: int) -> int:
    """Pixels that a dilated kernel covers.

    >>> extent(3, dilation=2)
    5
    """
    return dilation * (kernel - 1) + 1


def check_extents(kernel: Sides, dilation: Sides) -> Sides:
    """Pixels that a kernel covers in each direction. Raises ArgumentError beyond FARTHEST."""
    covered = (extent(kernel[0], dilation[0]), extent(kernel[1], dilation[1]))
    if max(covered) > FARTHEST:
        raise ArgumentError(f"a kernel may cover at most {FARTHEST} pixels a side, got {covered[0]} x {covered[1]}")
    return covered


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
        pads = split_in_halves(spare[0], word), split_in_halves(spare[1], word)
    else:
        pads = resolve_padding(padding, covered)
    rows, columns = (TransposedAxis(sizes[i], kernel[i], strides[i], dilations[i], *pads[i], extras[i]) for i in (0, 1))
    if rows.out < 1 or columns.out < 1:
        raise ArgumentError(
            f"maps of {sizes[0]} x {sizes[1]} under a kernel that covers {covered[0]} x {covered[1]} would become "
            f"{rows.out} x {columns.out}; use less padding"
        )
    return rows, columns
