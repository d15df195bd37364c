"""Layers that slide over maps: convolutions, pools, and what makes maps larger."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.geometry import (
    Axis,
    Border,
    Padding,
    Sides,
    extent,
    make_axes,
    make_pool_axes,
    make_transposed_axes,
)
from ..errors import ArgumentError
from .layer import Array, Given, Layer, Look, Parameter, Shape, as_maps

if TYPE_CHECKING:
    from ..core.geometry import TransposedAxis

Table = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Sliding(Layer):
    """What all convolutions have: a kernel of that size, and how it slides."""

    family: ClassVar[str] = "conv"

    size: Sides
    stride: Sides = (1, 1)
    padding: Padding = 0
    border: Border = "zero"
    dilation: Sides = (1, 1)
    flip: bool = False
    bias: bool = True

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """The kernel laid over the rows and over the columns."""
        return make_axes(as_maps(shape)[1:], self.size, self.stride, self.padding, self.dilation)

    def looks(self, shape: Shape) -> tuple[Look, Look]:
        """The kernel's extent, and the stride."""
        rows, columns = (Look(axis.extent, axis.stride) for axis in self.axes(shape))
        return rows, columns

    def note(self, shape: Shape) -> str:
        """Where the stride does not divide what it steps over."""
        return uneven(self.axes(shape))

    @property
    def lacks_weights(self) -> bool:
        """Whether no weights were given."""
        return not self.given

    def out(self, shape: Shape) -> Shape:
        """As many maps as there are filters."""
        rows, columns = self.axes(shape)
        return self.channels(shape[0]) or 0, rows.out, columns.out

    def options(self) -> dict[str, Any]:
        """How it slides, as ``conv2d`` takes it."""
        names = ("stride", "padding", "border", "dilation", "flip")
        return {name: getattr(self, name) for name in names}

    def biases(self, maps: int) -> tuple[Parameter, ...]:
        """One for each map, where it has any."""
        return (Parameter.full("bias", maps),) if self.bias else ()


@dataclass(frozen=True, kw_only=True)
class Conv(Sliding):
    """The convolution layer: each filter sees all channels of its group, or those that a table of connections names."""

    op: ClassVar[str] = "conv"

    filters: int
    groups: int = 1
    connections: Table | None = None

    @classmethod
    def told_by(cls, array: Given, groups: int) -> dict[str, Any]:
        """How many filters of which size there are."""
        return {"filters": array.shape[0], "size": array.shape[-2:]} if array.role == "weight" else {}

    @property
    def kind(self) -> str:
        """What a config calls it."""
        return "pointwise" if self.size == (1, 1) else self.op

    def channels(self, before: int | None) -> int | None:
        """One for each filter."""
        return self.filters

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """The weights (filters, channels / groups, rows, columns), and a bias for each filter."""
        channels = as_maps(shape)[0]
        if channels % self.groups or self.filters % self.groups:
            rule = f"groups must divide its {self.filters} filters and the {channels} channels that it gets"
            raise ArgumentError(f"{rule}, got {self.groups}")
        weight = Parameter.full("weight", self.filters, channels // self.groups, *self.size)
        if self.connections is not None:
            farthest = max(map(max, self.connections))
            if farthest >= channels:
                raise ArgumentError(f"its connections name channel {farthest}, and it gets the channels 0 to {channels - 1}")
            weight = Parameter("weight", weight.shape, sum(map(len, self.connections)) * math.prod(self.size))
        elif any(one.shared for one in self.given):
            weight = Parameter("weight", weight.shape, self.filters * math.prod(self.size))
        return weight, *self.biases(self.filters)

    @property
    def is_standard(self) -> bool:
        """Whether every filter has weights of its own for each channel, on more than one pixel."""
        shared = any(one.shared for one in self.given)
        return self.groups == 1 and self.connections is None and self.size != (1, 1) and not shared

    def multiply_adds(self, shape: Shape) -> int:
        """Every weight at every position."""
        _, height, width = self.out(shape)
        weight = self.parameters(shape)[0]
        used = weight.count if self.connections is not None else math.prod(weight.shape)
        return height * width * used

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Convolve."""
        import numpy as np

        from ..core.conv import conv2d
        from ..core.separable import connected_weight

        weight = arrays["weight"]
        if weight.ndim == 3:
            weight = np.repeat(weight[:, None], len(x) // self.groups, axis=1)
        if self.connections is not None:
            weight = connected_weight(list(weight), self.connections, len(x))
        return conv2d(x, weight, arrays.get("bias"), groups=self.groups, threads=threads, **self.options())


@dataclass(frozen=True, kw_only=True)
class Depthwise(Sliding):
    """Every channel under filters of its own, ``multiplier`` of them."""

    op: ClassVar[str] = "depthwise"

    multiplier: int = 1

    @classmethod
    def told_by(cls, array: Given, groups: int) -> dict[str, Any]:
        """The size, and how many filters there are where each channel has the same."""
        if array.role != "weight":
            return {}
        return {"size": array.shape[-2:]} | ({"multiplier": array.shape[0]} if array.shared else {})

    def channels(self, before: int | None) -> int | None:
        """Those of the first channel, then those of the next."""
        return before and before * self.multiplier

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """The weights (channels * multiplier, 1, rows, columns), and a bias for each map."""
        maps = as_maps(shape)[0] * self.multiplier
        weight = Parameter.full("weight", maps, 1, *self.size)
        if any(one.shared for one in self.given):
            weight = Parameter("weight", (self.multiplier, 1, *self.size), self.multiplier * math.prod(self.size))
        return weight, *self.biases(maps)

    def multiply_adds(self, shape: Shape) -> int:
        """Every weight at every position."""
        return math.prod(self.out(shape)) * math.prod(self.size)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Convolve each channel."""
        import numpy as np

        from ..core.separable import depthwise_conv2d

        weight = arrays["weight"]
        if weight.ndim == 3:
            weight = np.tile(weight, (len(x), 1, 1))[:, None]
        return depthwise_conv2d(x, weight, arrays.get("bias"), threads=threads, **self.options())


@dataclass(frozen=True, kw_only=True)
class Separable(Sliding):
    """A depthwise convolution, then a 1 x 1 convolution that mixes the channels into maps."""

    op: ClassVar[str] = "separable"

    filters: int

    @classmethod
    def told_by(cls, array: Given, groups: int) -> dict[str, Any]:
        """The size from the first weights, how many filters there are from the second."""
        told: dict[str, dict[str, Any]] = {"weight": {"size": array.shape[-2:]}, "pointwise": {"filters": array.shape[0]}}
        return told.get(array.role, {})

    def channels(self, before: int | None) -> int | None:
        """One for each filter of the second."""
        return self.filters

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """The weights of the first (channels, 1, rows, columns) and of the second (filters, channels), and its biases."""
        channels = as_maps(shape)[0]
        first = Parameter.full("weight", channels, 1, *self.size)
        return first, Parameter.full("pointwise", self.filters, channels), *self.biases(self.filters)

    def multiply_adds(self, shape: Shape) -> int:
        """Every weight of both at every position of the result."""
        _, height, width = self.out(shape)
        return height * width * sum(one.count for one in self.parameters(shape)[:2])

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Convolve each channel, then mix."""
        from ..core.separable import separable_conv2d

        weights = (arrays["weight"], arrays["pointwise"])
        return separable_conv2d(x, *weights, arrays.get("bias"), threads=threads, **self.options())


@dataclass(frozen=True, kw_only=True)
class Transposed(Layer):
    """The transposed convolution, which makes maps larger by its stride."""

    op: ClassVar[str] = "transposed"
    family: ClassVar[str] = "conv"

    filters: int
    size: Sides
    stride: Sides = (1, 1)
    padding: Padding = 0
    output_padding: Sides = (0, 0)
    dilation: Sides = (1, 1)
    groups: int = 1
    bias: bool = True

    @classmethod
    def told_by(cls, array: Given, groups: int) -> dict[str, Any]:
        """How many filters of which size there are."""
        return {"filters": array.shape[1] * groups, "size": array.shape[-2:]} if array.role == "weight" else {}

    @property
    def lacks_weights(self) -> bool:
        """Whether no weights were given."""
        return not self.given

    def channels(self, before: int | None) -> int | None:
        """One for each filter."""
        return self.filters

    def axes(self, shape: Shape) -> "tuple[TransposedAxis, TransposedAxis]":
        """The rows and the columns."""
        sizes = as_maps(shape)[1:]
        return make_transposed_axes(sizes, self.size, self.stride, self.padding, self.output_padding, self.dilation)

    def out(self, shape: Shape) -> Shape:
        """As many maps as there are filters."""
        rows, columns = self.axes(shape)
        return self.filters, rows.out, columns.out

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """The weights (channels, filters / groups, rows, columns), and a bias for each filter."""
        channels = as_maps(shape)[0]
        if channels % self.groups or self.filters % self.groups:
            rule = f"groups must divide its {self.filters} filters and the {channels} channels that it gets"
            raise ArgumentError(f"{rule}, got {self.groups}")
        weight = Parameter.full("weight", channels, self.filters // self.groups, *self.size)
        return weight, *((Parameter.full("bias", self.filters),) if self.bias else ())

    def multiply_adds(self, shape: Shape) -> int:
        """Every weight at every position of the input."""
        _, height, width = as_maps(shape)
        return height * width * self.parameters(shape)[0].count

    def looks(self, shape: Shape) -> tuple[Look, Look]:
        """Of the taps that meet one output, every ``stride / gcd(stride, dilation)``-th, the first and the last."""
        rows, columns = (self._look(axis) for axis in self.axes(shape))
        return rows, columns

    def _look(self, axis: "TransposedAxis") -> Look:
        common = math.gcd(axis.stride, axis.dilation)
        taps = -(-axis.kernel * common // axis.stride)
        return Look(extent(taps, axis.dilation // common), parts=axis.stride)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Convolve."""
        from ..core.transposed import conv_transpose2d

        names = ("stride", "padding", "output_padding", "dilation", "groups")
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        return conv_transpose2d(x, arrays["weight"], arrays.get("bias"), threads=threads, **options)


@dataclass(frozen=True, kw_only=True)
class Pool(Layer):
    """What both pools have: a window of that size, which steps by its size unless a stride is given."""

    size: Sides
    stride: Sides | None = None
    padding: Padding = 0
    ceil: bool = False

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """The window laid over the rows and over the columns."""
        dilation = getattr(self, "dilation", 1)
        return make_pool_axes(as_maps(shape)[1:], self.size, self.stride, self.padding, dilation, self.ceil)

    def out(self, shape: Shape) -> Shape:
        """As many maps, smaller ones."""
        rows, columns = self.axes(shape)
        return shape[0], rows.out, columns.out

    def looks(self, shape: Shape) -> tuple[Look, Look]:
        """The window's extent, and the stride."""
        rows, columns = (Look(axis.extent, axis.stride) for axis in self.axes(shape))
        return rows, columns

    def note(self, shape: Shape) -> str:
        """Where the stride does not divide what it steps over."""
        return "" if self.ceil else uneven(self.axes(shape))


@dataclass(frozen=True, kw_only=True)
class MaxPool(Pool):
    """The largest number of each window."""

    op: ClassVar[str] = "max-pool"

    dilation: Sides = (1, 1)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Take the largest."""
        from ..core.pooling import max_pool2d

        options: dict[str, Any] = {"padding": self.padding, "dilation": self.dilation, "ceil_mode": self.ceil}
        return max_pool2d(x, self.size, stride=self.stride, threads=threads, **options)


@dataclass(frozen=True, kw_only=True)
class AvgPool(Pool):
    """The mean of each window; ``count_padding`` counts the zeros of the padding too."""

    op: ClassVar[str] = "avg-pool"

    count_padding: bool = True

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Take the mean."""
        from ..core.pooling import avg_pool2d

        options: dict[str, Any] = {"padding": self.padding, "ceil_mode": self.ceil, "count_include_pad": self.count_padding}
        return avg_pool2d(x, self.size, stride=self.stride, threads=threads, **options)


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool(Layer):
    """The mean of each map."""

    op: ClassVar[str] = "global-avg-pool"

    def out(self, shape: Shape) -> Shape:
        """One pixel of each map."""
        return as_maps(shape)[0], 1, 1

    def looks(self, shape: Shape) -> None:
        """It sees all."""
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Take the mean."""
        from ..core.pooling import global_avg_pool2d

        return global_avg_pool2d(x)


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Every pixel repeated, ``factor`` times each way."""

    op: ClassVar[str] = "upsample"

    factor: Sides

    def out(self, shape: Shape) -> Shape:
        """As many maps, larger ones."""
        channels, height, width = as_maps(shape)
        return channels, height * self.factor[0], width * self.factor[1]

    def looks(self, shape: Shape) -> tuple[Look, Look]:
        """One pixel, which the next one may see too."""
        return Look(parts=self.factor[0]), Look(parts=self.factor[1])

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Repeat."""
        from ..core.pooling import upsample_nearest

        return upsample_nearest(x, self.factor)


def uneven(axes: tuple[Axis, Axis]) -> str:
    """Where a stride does not divide what it steps over, the sum that shows it; else nothing.

    >>> uneven(make_axes((224, 224), (11, 11), 4, 0, 1))
    '(224 - 11) / 4 + 1 = 54.25 is taken as 54'
    """
    told = [_uneven(axis) for axis in axes]
    if told[0] == told[1]:
        return told[0]
    return "; ".join(f"{text} {word}" for text, word in zip(told, ("rows", "columns"), strict=True) if text)


def _uneven(axis: Axis) -> str:
    stepped = axis.size + axis.before + axis.after - axis.extent
    if stepped % axis.stride == 0:
        return ""
    pads = f" + {axis.before + axis.after}" if axis.before + axis.after else ""
    exact = f"{stepped / axis.stride + 1:.6g}"
    return f"({axis.size}{pads} - {axis.extent}) / {axis.stride} + 1 = {exact} is taken as {axis.out}"
