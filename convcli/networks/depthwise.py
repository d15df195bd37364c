"""Convolution layers with filters of their own for every channel: depthwise and depthwise separable."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from .layer import Array, ArraySource, Parameter, Shape, as_maps
from .sliding import Sliding


class Channelwise(Sliding, frozen=True, kw_only=True):
    """A convolution with filters of their own for every channel: ``multiplier`` of them, or as many as the weights have."""

    multiplier: int | None = None

    def filters_per_channel(self, channels: int) -> int:
        """Return the multiplier, or that of the weights, or 1."""
        weights = [source for source in self.sources if source.role == "weight" and not source.shared]
        return self.multiplier or (max(weights[0].shape[0] // channels, 1) if weights else 1)


class Depthwise(Channelwise, frozen=True, kw_only=True):
    """A convolution of each channel with its own filters."""

    op: ClassVar[str] = "depthwise"

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        if array.role != "weight":
            return {}
        return {"size": array.shape[-2:]} | ({"multiplier": array.shape[0]} if array.shared else {})

    def channels(self, before: int | None) -> int | None:
        return before and before * self.filters_per_channel(before)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the weights (channels * multiplier, 1, rows, columns), and a bias for each map."""
        multiplier = self.filters_per_channel(shape[0])
        maps = as_maps(shape)[0] * multiplier
        weight = Parameter.full("weight", maps, 1, *self.size)
        if any(source.shared for source in self.sources):
            weight = Parameter("weight", (multiplier, 1, *self.size), multiplier * math.prod(self.size))
        return weight, *self.biases(maps)

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(self.out(shape)) * math.prod(self.size)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.conv import conv2d
        from ..ops.depthwise import depthwise_conv2d

        weight = arrays["weight"]
        if weight.ndim == 3:  # the same for every channel
            maps = conv2d(x[:, None], weight[:, None], threads=threads, **self.options())
            return maps.reshape(-1, *maps.shape[2:])
        return depthwise_conv2d(x, weight, arrays.get("bias"), threads=threads, **self.options())


class Separable(Channelwise, frozen=True, kw_only=True):
    """A depthwise convolution, then a 1 x 1 convolution that mixes the channels into maps."""

    op: ClassVar[str] = "separable"
    needs: ClassVar[tuple[str, ...]] = ("weight", "pointwise")

    filters: int

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        fields: dict[str, dict[str, Any]] = {"weight": {"size": array.shape[-2:]}, "pointwise": {"filters": array.shape[0]}}
        return fields.get(array.role, {})

    def channels(self, before: int | None) -> int | None:
        return self.filters

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the weights (channels * multiplier, 1, rows, columns), the pointwise weights, and a bias for each map."""
        channels = as_maps(shape)[0] * self.filters_per_channel(shape[0])
        first = Parameter.full("weight", channels, 1, *self.size)
        return first, Parameter.full("pointwise", self.filters, channels, 1, 1), *self.biases(self.filters)

    def multiply_adds(self, shape: Shape) -> int:
        _, height, width = self.out(shape)
        return height * width * sum(parameter.count for parameter in self.parameters(shape)[:2])

    def scratch(self, shape: Shape) -> int:
        """Count the output of the first convolution, and the copies of its input, or of it where they are more."""
        maps, height, width = self.out(shape)
        first = shape[0] * self.filters_per_channel(shape[0]) * height * width
        return first + max(self.copied(shape) - maps * height * width, first)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.depthwise import separable_conv2d

        weights = (arrays["weight"], arrays["pointwise"])
        return separable_conv2d(x, *weights, arrays.get("bias"), threads=threads, **self.options())
