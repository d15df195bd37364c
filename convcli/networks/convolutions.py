"""The convolution layer, the transposed convolution, and the operations of all convolution layers."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ..errors import ArgumentError
from ..geometry.axes import TransposedAxis, make_transposed_axes
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .depthwise import Depthwise, Separable
from .layer import Array, ArraySource, InputTaps, Layer, Op, Parameter, Shape, as_maps
from .sliding import Sliding

Connections = tuple[tuple[int, ...], ...]


class Conv(Sliding, frozen=True, kw_only=True):
    """The convolution layer: each filter reads all channels of its group, or those listed in ``connections``."""

    op: ClassVar[str] = "conv"

    filters: int
    groups: int = 1
    connections: Connections | None = None

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        return {"filters": array.shape[0], "size": array.shape[-2:]} if array.role == "weight" else {}

    @property
    def kind(self) -> str:
        return "pointwise" if self.size == (1, 1) else self.op

    def channels(self, before: int | None) -> int | None:
        return self.filters

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the weights (filters, channels / groups, rows, columns), and a bias for each filter."""
        channels = as_maps(shape)[0]
        if channels % self.groups or self.filters % self.groups:
            rule = f"groups must divide its {self.filters} filters and the {channels} channels that it gets"
            raise ArgumentError(f"{rule}, got {self.groups}")
        taps = math.prod(self.size)
        count = self.filters * taps * (channels // self.groups)
        if self.connections is not None:
            farthest = max(map(max, self.connections))
            if farthest >= channels:
                raise ArgumentError(f"its connections name channel {farthest}, and it gets the channels 0 to {channels - 1}")
            count = sum(map(len, self.connections)) * taps
        if self.is_shared:
            count = self.filters * taps
        weight = Parameter("weight", (self.filters, channels // self.groups, *self.size), count)
        return weight, *self.biases(self.filters)

    @property
    def is_standard(self) -> bool:
        """Whether every filter has separate weights for each channel, on more than one pixel."""
        return self.groups == 1 and self.connections is None and self.size != (1, 1) and not self.is_shared

    @property
    def is_shared(self) -> bool:
        """Whether all channels share the weights of a filter."""
        return any(source.shared for source in self.sources)

    def multiply_adds(self, shape: Shape) -> int:
        _, height, width = self.out(shape)
        planes = self.filters * (shape[0] // self.groups) if self.connections is None else sum(map(len, self.connections))
        return height * width * planes * math.prod(self.size)

    def scratch(self, shape: Shape) -> int:
        """Count the sums of channels with shared weights, and copies of what is convolved."""
        _, height, width = as_maps(shape)
        if not self.is_shared or self.connections is not None:
            return self.copied(shape)
        return self.groups * height * width + self.copied((self.groups, height, width))

    def prepared(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """Set the weights of channels that a filter does not read to 0."""
        weight = arrays["weight"]
        if self.connections is None or self.is_shared:
            return arrays
        for kernel, channels in zip(weight, self.connections, strict=True):
            kernel[[channel for channel in range(len(kernel)) if channel not in channels]] = 0
        return arrays

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        import numpy as np

        from ..ops.conv import conv2d

        weight, options = arrays["weight"], self.options()
        if self.is_shared and self.connections is not None:
            full = np.zeros((len(weight), len(x), *weight.shape[1:]), weight.dtype)
            for kernel, channels, plane in zip(full, self.connections, weight, strict=True):
                kernel[list(channels)] = plane
            weight = full
        elif self.is_shared:  # the sum of the channels is convolved, and the constant border summed too
            group_size = len(x) // self.groups
            x = x.reshape(self.groups, group_size, *x.shape[1:]).sum(axis=1, dtype=np.float64).astype(x.dtype)
            weight = weight[:, None]
            options["border"] = self.border if isinstance(self.border, str) else self.border * group_size
        return conv2d(x, weight, arrays.get("bias"), groups=self.groups, threads=threads, **options)


class Transposed(Layer, frozen=True, kw_only=True):
    """The transposed convolution, which enlarges maps by its stride."""

    op: ClassVar[str] = "transposed"
    family: ClassVar[str] = "conv"
    needs: ClassVar[tuple[str, ...]] = ("weight",)

    filters: int
    size: Sides
    stride: Sides = (1, 1)
    padding: Padding = 0
    output_padding: Sides = (0, 0)
    dilation: Sides = (1, 1)
    groups: int = 1
    bias: bool = True

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        return {"filters": array.shape[1] * groups, "size": array.shape[-2:]} if array.role == "weight" else {}

    def channels(self, before: int | None) -> int | None:
        return self.filters

    def axes(self, shape: Shape) -> tuple[TransposedAxis, TransposedAxis]:
        """Return the row axis and the column axis."""
        sizes = as_maps(shape)[1:]
        return make_transposed_axes(sizes, self.size, self.stride, self.padding, self.output_padding, self.dilation)

    def out(self, shape: Shape) -> Shape:
        rows, columns = self.axes(shape)
        return self.filters, rows.out, columns.out

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the weights (channels, filters / groups, rows, columns), and a bias for each filter."""
        channels = as_maps(shape)[0]
        if channels % self.groups or self.filters % self.groups:
            rule = f"groups must divide its {self.filters} filters and the {channels} channels that it gets"
            raise ArgumentError(f"{rule}, got {self.groups}")
        weight = Parameter.full("weight", channels, self.filters // self.groups, *self.size)
        return weight, *((Parameter.full("bias", self.filters),) if self.bias else ())

    def multiply_adds(self, shape: Shape) -> int:
        _, height, width = as_maps(shape)
        return height * width * self.parameters(shape)[0].count

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps]:
        """Return the inverse of a sliding kernel: input i adds tap k to output i * stride + k * dilation - before."""
        axes = self.axes(shape)
        rows, columns = (InputTaps(a.kernel, first=a.before, dilation=-a.dilation, upsampling=a.stride) for a in axes)
        return rows, columns

    def scratch(self, shape: Shape) -> int:
        """Count all phases of the output, before they are interleaved."""
        return math.prod(self.out(shape))

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.transposed import conv_transpose2d

        names = ("stride", "padding", "output_padding", "dilation", "groups")
        options: dict[str, Any] = {name: getattr(self, name) for name in names}
        return conv_transpose2d(x, arrays["weight"], arrays.get("bias"), threads=threads, **options)


SLIDING = ("size", "stride", "padding", "dilation", "border", "flip")
BIAS = {"bias": ("bias", "o")}
WEIGHTS = {"weight": ("key", "oihw"), **BIAS}
OPS = {
    "conv": Op(Conv, ("filters", *SLIDING, "groups", "connections"), WEIGHTS, takes_kernels=True),
    "depthwise": Op(Depthwise, (*SLIDING, "multiplier"), WEIGHTS, takes_kernels=True),
    "pointwise": Op(
        Conv,
        ("filters", "stride", "groups"),
        {"weight": ("key", "oi11"), **BIAS},
        fixed={"size": (1, 1)},
        about="The convolution with kernels of 1 x 1, which mixes channels.",
    ),
    "separable": Op(Separable, ("filters", *SLIDING, "multiplier"), {**WEIGHTS, "pointwise": ("pointwise", "oi11")}),
    "transposed": Op(
        Transposed,
        ("filters", "size", "stride", "padding", "dilation", "output-padding", "groups"),
        {"weight": ("key", "iohw"), **BIAS},
    ),
}
