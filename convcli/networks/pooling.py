"""Pooling layers."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ..geometry.axes import Axis, make_pool_axes
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .layer import Array, InputTaps, Layer, Op, Shape, as_maps, fractional_size


class Pool(Layer, frozen=True, kw_only=True):
    """A pooling layer: a window whose stride is its size by default."""

    size: Sides
    stride: Sides | None = None
    padding: Padding = 0
    dilation: Sides = (1, 1)
    ceil: bool = False

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """Return the row axis and the column axis of the window over the input."""
        return make_pool_axes(as_maps(shape)[1:], self.size, self.stride, self.padding, self.dilation, self.ceil)

    def out(self, shape: Shape) -> Shape:
        rows, columns = self.axes(shape)
        return shape[0], rows.out, columns.out

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps]:
        rows, columns = map(InputTaps.sliding, self.axes(shape))
        return rows, columns

    def note(self, shape: Shape) -> str:
        return fractional_size(self.axes(shape))


class MaxPool(Pool, frozen=True, kw_only=True):
    """The maximum of each window."""

    op: ClassVar[str] = "max-pool"

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import max_pool2d

        options: dict[str, Any] = {"padding": self.padding, "dilation": self.dilation, "ceil_mode": self.ceil}
        return max_pool2d(x, self.size, stride=self.stride, threads=threads, **options)


class AvgPool(Pool, frozen=True, kw_only=True):
    """The mean of each window."""

    op: ClassVar[str] = "avg-pool"

    count_padding: bool = True

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import avg_pool2d

        options: dict[str, Any] = {"padding": self.padding, "ceil_mode": self.ceil, "count_include_pad": self.count_padding}
        return avg_pool2d(x, self.size, stride=self.stride, threads=threads, **options)


class LpPool(Pool, frozen=True, kw_only=True):
    """The norm of each window: the sum of abs(x) ** p, to the power of 1 / p."""

    op: ClassVar[str] = "lp-pool"

    p: int = 2

    def scratch(self, shape: Shape) -> int:
        """Count powers and their sums, in float64. For 1 and 2 the loop sums powers without storing them."""
        return 0 if self.p in (1, 2) else 2 * (math.prod(shape) + math.prod(self.out(shape)))

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import lp_pool2d

        options: dict[str, Any] = {"padding": self.padding, "dilation": self.dilation, "ceil_mode": self.ceil}
        return lp_pool2d(x, self.size, norm_type=self.p, stride=self.stride, threads=threads, **options)


class GlobalAvgPool(Layer, frozen=True, kw_only=True):
    """The mean of each map."""

    op: ClassVar[str] = "global-avg-pool"

    def out(self, shape: Shape) -> Shape:
        return as_maps(shape)[0], 1, 1

    def input_taps(self, shape: Shape) -> None:
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import global_avg_pool2d

        return global_avg_pool2d(x)


class GlobalMaxPool(GlobalAvgPool, frozen=True, kw_only=True):
    """The maximum of each map."""

    op: ClassVar[str] = "global-max-pool"

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import global_max_pool2d

        return global_max_pool2d(x)


class AdaptiveAvgPool(Layer, frozen=True, kw_only=True):
    """The means of windows that cover the maps: ``size`` of them, whatever the size of the maps."""

    op: ClassVar[str] = "adaptive-avg-pool"

    size: Sides

    def out(self, shape: Shape) -> Shape:
        return as_maps(shape)[0], *self.size

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps] | None:
        """Return the taps where the windows are alike, as where ``size`` divides that of the maps."""
        sizes = as_maps(shape)[1:]
        if any(side % count for side, count in zip(sizes, self.size, strict=True)):
            return None
        rows, columns = (InputTaps(side // count, side // count) for side, count in zip(sizes, self.size, strict=True))
        return rows, columns

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import adaptive_avg_pool2d

        return adaptive_avg_pool2d(x, self.size)


class AdaptiveMaxPool(AdaptiveAvgPool, frozen=True, kw_only=True):
    """The maxima of the windows of adaptive-avg-pool."""

    op: ClassVar[str] = "adaptive-max-pool"

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import adaptive_max_pool2d

        return adaptive_max_pool2d(x, self.size)


WINDOW = ("size", "stride", "padding", "ceil")
OPS = {
    "max-pool": Op(MaxPool, (*WINDOW, "dilation")),
    "avg-pool": Op(AvgPool, (*WINDOW, "count-padding")),
    "lp-pool": Op(LpPool, (*WINDOW, "dilation", "p")),
    "global-avg-pool": Op(GlobalAvgPool),
    "global-max-pool": Op(GlobalMaxPool),
    "adaptive-avg-pool": Op(AdaptiveAvgPool, ("size",)),
    "adaptive-max-pool": Op(AdaptiveMaxPool, ("size",)),
}
