"""Convolution layers with filters of their own for every channel: depthwise and depthwise separable."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .layer import Array, Given, Parameter, Shape, as_maps
from .sliding import Sliding


@dataclass(frozen=True, kw_only=True)
class Channelwise(Sliding):
    """What has filters for every channel on its own: ``multiplier`` of them, or as many as there are weights for."""

    multiplier: int | None = None

    def each(self, channels: int) -> int:
        """Filters of each channel: as many as it says, or as its weights have, or one."""
        weights = [one for one in self.given if one.role == "weight" and not one.shared]
        return self.multiplier or (max(weights[0].shape[0] // channels, 1) if weights else 1)


@dataclass(frozen=True, kw_only=True)
class Depthwise(Channelwise):
    """Every channel under filters of its own."""

    op: ClassVar[str] = "depthwise"

    @classmethod
    def told_by(cls, array: Given, groups: int) -> dict[str, Any]:
        """The size, and how many filters there are where each channel has the same."""
        if array.role != "weight":
            return {}
        return {"size": array.shape[-2:]} | ({"multiplier": array.shape[0]} if array.shared else {})

    def channels(self, before: int | None) -> int | None:
        """Those of the first channel, then those of the next."""
        return before and before * self.each(before)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """The weights (channels * multiplier, 1, rows, columns), and a bias for each map."""
        each = self.each(shape[0])
        maps = as_maps(shape)[0] * each
        weight = Parameter.full("weight", maps, 1, *self.size)
        if any(one.shared for one in self.given):
            weight = Parameter("weight", (each, 1, *self.size), each * math.prod(self.size))
        return weight, *self.biases(maps)

    def multiply_adds(self, shape: Shape) -> int:
        """Every weight at every position."""
        return math.prod(self.out(shape)) * math.prod(self.size)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Convolve each channel."""
        from ..ops.conv import conv2d
        from ..ops.depthwise import depthwise_conv2d

        weight = arrays["weight"]
        if weight.ndim == 3:  # the same for every channel
            maps = conv2d(x[:, None], weight[:, None], threads=threads, **self.options())
            return maps.reshape(-1, *maps.shape[2:])
        return depthwise_conv2d(x, weight, arrays.get("bias"), threads=threads, **self.options())


@dataclass(frozen=True, kw_only=True)
class Separable(Channelwise):
    """A depthwise convolution, then a 1 x 1 convolution that mixes the channels into maps."""

    op: ClassVar[str] = "separable"
    needs: ClassVar[tuple[str, ...]] = ("weight", "pointwise")

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
        """The weights of the first (channels * multiplier, 1, rows, columns), those of the second, and its biases."""
        channels = as_maps(shape)[0] * self.each(shape[0])
        first = Parameter.full("weight", channels, 1, *self.size)
        return first, Parameter.full("pointwise", self.filters, channels, 1, 1), *self.biases(self.filters)

    def multiply_adds(self, shape: Shape) -> int:
        """Every weight of both at every position of the result."""
        _, height, width = self.out(shape)
        return height * width * sum(one.count for one in self.parameters(shape)[:2])

    def scratch(self, shape: Shape) -> int:
        """What the first convolution gives, and the padded copy for it, which is gone before the second gives anything."""
        maps, height, width = self.out(shape)
        return shape[0] * self.each(shape[0]) * height * width + max(self.copied(shape) - maps * height * width, 0)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        """Convolve each channel, then mix."""
        from ..ops.depthwise import separable_conv2d

        weights = (arrays["weight"], arrays["pointwise"])
        return separable_conv2d(x, *weights, arrays.get("bias"), threads=threads, **self.options())
