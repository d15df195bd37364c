"""Sizes along one axis, rows or columns, of an image and of a kernel that slides over it.

The formulas are those of Dumoulin & Visin, "A guide to convolution arithmetic for deep learning"
(https://arxiv.org/abs/1603.07285), with the extent of a dilated kernel in place of the kernel size.
"""

from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError
from .padding import Padding, padding_word, resolve_padding, split_in_halves
from .whole_numbers import MAX_EXTENT, Pair, Sides, as_pair


class Axis(Struct, frozen=True, dict=True):
    """A kernel sliding along one axis of an image.

    ``size`` is the size of the image, ``before`` and ``after`` are the padding, in pixels. ``kernel`` is the number of taps.

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
    def is_identity(self) -> bool:
        """Whether each position of the kernel covers one pixel, in their order."""
        return self.kernel == self.stride == 1 and self.before == self.after == 0

    @property
    def padded(self) -> int:
        """Size of the image with its padding."""
        return self.before + self.size + self.after

    @property
    def out(self) -> int:
        """Output size: floor((padded - extent) / stride) + 1. It is zero or less if the kernel does not fit."""
        return (self.padded - self.extent) // self.stride + 1


def extent(kernel: int, dilation: int) -> int:
    """Return the number of pixels that a dilated kernel covers along an axis.

    >>> extent(3, dilation=2)
    5
    """
    return dilation * (kernel - 1) + 1


def kernel_extents(kernel: Sides, dilation: Sides) -> Sides:
    """Return the numbers of rows and columns that a kernel covers. Raises ArgumentError above MAX_EXTENT."""
    covered = (extent(kernel[0], dilation[0]), extent(kernel[1], dilation[1]))
    if max(covered) > MAX_EXTENT:
        raise ArgumentError(f"a kernel may cover at most {MAX_EXTENT} pixels a side, got {covered[0]} x {covered[1]}")
    return covered


def make_axes(sizes: Sides, kernel: Sides, stride: Pair, padding: Padding, dilation: Pair) -> tuple[Axis, Axis]:
    """Return the row axis and the column axis of a kernel over an image. Raises ArgumentError if it does not fit."""
    strides = as_pair("stride", stride, least=1)
    dilations = as_pair("dilation", dilation, least=1)
    pads = resolve_padding(padding, kernel_extents(kernel, dilations), sizes, strides)
    rows, columns = (Axis(sizes[i], kernel[i], strides[i], dilations[i], *pads[i]) for i in (0, 1))
    _check_fit(rows, columns)
    return rows, columns


def _check_fit(rows: Axis, columns: Axis, what: str = "kernel") -> None:
    if rows.out < 1 or columns.out < 1:
        padded = tuple(axis.size + axis.before + axis.after for axis in (rows, columns))
        raise ArgumentError(
            f"a {what} that covers {rows.extent} x {columns.extent} does not fit an image of {rows.size} x {columns.size} "
            f"padded to {padded[0]} x {padded[1]}; use more padding, such as 'same', or a smaller {what}"
        )


def make_pool_axes(
    sizes: Sides, kernel_size: Pair, stride: Pair | None, padding: Padding, dilation: Pair = 1, ceil_mode: bool = False
) -> tuple[Axis, Axis]:
    """Return the row axis and the column axis of a pooling window over maps. A stride of None means the size of the window.

    With ``ceil_mode`` the output size is rounded up: if pixels remain after the last window, there is one more window, provided
    that it starts on the map or on the padding before it. The padding after the map is then increased
    (https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html).

    Raises ArgumentError if the window does not fit, or if a window would contain only padding.

    >>> rows, columns = make_pool_axes((6, 7), 3, 2, 0, ceil_mode=True)
    >>> (rows.out, rows.after), (columns.out, columns.after)
    ((3, 1), (3, 0))
    """
    window = as_pair("kernel_size", kernel_size, least=1)
    strides = window if stride is None else as_pair("stride", stride, least=1)
    dilations = as_pair("dilation", dilation, least=1)
    pads = resolve_padding(padding, kernel_extents(window, dilations), sizes, strides)
    rows, columns = (Axis(sizes[i], window[i], strides[i], dilations[i], *pads[i]) for i in (0, 1))
    if ceil_mode:
        rows, columns = _with_ceil_mode(rows), _with_ceil_mode(columns)
    _check_fit(rows, columns, "window")
    for name, axis in (("row", rows), ("column", columns)):
        if not _sees_pixels(axis):
            raise ArgumentError(
                f"padding must leave a pixel in every window, got {axis.before} before and {axis.after} after {name}s of "
                f"{axis.size} pixels under a window that covers {axis.extent}; use less padding"
            )
    return rows, columns


def _sees_pixels(axis: Axis) -> bool:
    """Return whether every window has a tap on a pixel."""
    last_start = (axis.out - 1) * axis.stride - axis.before
    if last_start >= axis.size or axis.extent <= axis.before:
        return False
    starts = range(-axis.before, min(last_start + 1, 0), axis.stride)  # of the windows that begin in the padding
    return axis.size >= axis.dilation or all(start % axis.dilation < axis.size for start in starts)


def _with_ceil_mode(axis: Axis) -> Axis:
    """Return the axis with as much padding after it as its windows need with ``ceil_mode``."""
    out = -((axis.extent - axis.size - axis.before - axis.after) // axis.stride) + 1
    out -= (out - 1) * axis.stride >= axis.size + axis.before
    return replace(axis, after=max((out - 1) * axis.stride + axis.extent - axis.size - axis.before, 0))


def count_taps_within(axis: Axis, begin: int, end: int) -> list[int]:
    """Count the taps on the pixels from ``begin`` up to, but not including, ``end`` at each position of the kernel.

    Pixel 0 is the first pixel of the image.

    >>> count_taps_within(Axis(size=5, kernel=3, stride=2, dilation=1, before=1, after=1), 0, 5)
    [2, 3, 2]
    """
    counts = []
    for start in range(-axis.before, axis.out * axis.stride - axis.before, axis.stride):
        first_tap = max(-((start - begin) // axis.dilation), 0)
        stop_tap = min((end - 1 - start) // axis.dilation + 1, axis.kernel)
        counts.append(max(stop_tap - first_tap, 0))
    return counts


class Placement(Struct, frozen=True):
    """The pixel (row, column) of an image that the first output lies on, and the distance of two outputs, in pixels.

    ``first`` may be negative, as with the padding "full".
    """

    first: Sides = (0, 0)
    strides: Sides = (1, 1)


class TransposedAxis(Struct, frozen=True):
    """A transposed convolution along one axis: every input pixel adds a multiple of the kernel to the output.

    See Dumoulin & Visin, chapter 4. ``before`` and ``after`` pixels are cut from the output; then ``output_padding`` pixels are
    added after it.

    >>> TransposedAxis(size=3, kernel=3, stride=2, dilation=1, before=1, after=1, output_padding=1).out
    6
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    output_padding: int

    @property
    def extent(self) -> int:
        """Pixels from the first tap to the last, both included."""
        return extent(self.kernel, self.dilation)

    @property
    def out(self) -> int:
        """Output size. It is zero or less if all pixels are cut."""
        return self.stride * (self.size - 1) + self.extent - self.before - self.after + self.output_padding


def make_transposed_axes(
    sizes: Sides, kernel: Sides, stride: Pair, padding: Padding, output_padding: Pair, dilation: Pair
) -> tuple[TransposedAxis, TransposedAxis]:
    """Return the row axis and the column axis of a transposed convolution. "valid" means a padding of 0.

    With "same-upper" and "same-lower" the output is size * stride, as in ONNX
    (https://onnx.ai/onnx/operators/onnx__ConvTranspose.html); an odd pixel is cut after or before it. If the kernel covers
    less than the stride, nothing is cut, as in ONNX Runtime. Raises ArgumentError if the output would be empty.

    >>> [axis.out for axis in make_transposed_axes((2, 3), (3, 3), 2, "same-upper", 0, 1)]
    [4, 6]
    """
    strides, dilations = as_pair("stride", stride, least=1), as_pair("dilation", dilation, least=1)
    output_paddings = as_pair("output_padding", output_padding, least=0)
    if any(output_paddings[i] >= max(strides[i], dilations[i]) for i in (0, 1)):
        raise ArgumentError(f"output_padding must be less than the stride or the dilation, got {output_padding!r}")
    covered = kernel_extents(kernel, dilations)
    word = padding_word(padding) if isinstance(padding, str) else ""
    if word in ("same", "full"):
        raise ArgumentError(f"padding must be valid, same-upper, same-lower or pixels to cut off, got {padding!r}")
    if word.startswith("same-"):
        cut = [max(covered[i] + output_paddings[i] - strides[i], 0) for i in (0, 1)]
        pads = split_in_halves(cut[0], word), split_in_halves(cut[1], word)
    else:
        pads = resolve_padding(padding, covered)
    rows, columns = (
        TransposedAxis(sizes[i], kernel[i], strides[i], dilations[i], *pads[i], output_paddings[i]) for i in (0, 1)
    )
    if rows.out < 1 or columns.out < 1:
        raise ArgumentError(
            f"maps of {sizes[0]} x {sizes[1]} under a kernel that covers {covered[0]} x {covered[1]} would become "
            f"{rows.out} x {columns.out}; use less padding"
        )
    return rows, columns
