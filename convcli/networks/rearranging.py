"""Layers that move or mix pixels without weights: padding, up-sampling, resizing and pixel shuffles."""

from collections.abc import Mapping
from typing import ClassVar

from ..errors import ArgumentError
from ..geometry.axes import Axis, make_axes
from ..geometry.borders import Border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .layer import Array, InputTaps, Layer, Op, Shape, as_maps


class Pad(Layer, frozen=True, kw_only=True):
    """Pixels added around the maps."""

    op: ClassVar[str] = "pad"

    padding: Padding
    border: Border = "zero"

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """Return the row axis and the column axis."""
        return make_axes(as_maps(shape)[1:], (1, 1), 1, self.padding, 1)

    def out(self, shape: Shape) -> Shape:
        rows, columns = self.axes(shape)
        return shape[0], rows.out, columns.out

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps]:
        rows, columns = map(InputTaps.sliding, self.axes(shape))
        return rows, columns

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.rearrange import pad2d

        return pad2d(x, self.padding, self.border)


class Upsample(Layer, frozen=True, kw_only=True):
    """Repeats every pixel ``factor`` times along each axis."""

    op: ClassVar[str] = "upsample"

    factor: Sides

    def out(self, shape: Shape) -> Shape:
        channels, height, width = as_maps(shape)
        return channels, height * self.factor[0], width * self.factor[1]

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps]:
        rows, columns = (InputTaps(factor, dilation=-1, upsampling=factor) for factor in self.factor)
        return rows, columns

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.pooling import upsample_nearest

        return upsample_nearest(x, self.factor)


class Resize(Layer, frozen=True, kw_only=True):
    """Bilinear interpolation between the four nearest pixels, to ``size``, or by ``factor``."""

    op: ClassVar[str] = "resize"

    size: Sides | None = None
    factor: Sides | None = None
    align_corners: bool = False

    def out(self, shape: Shape) -> Shape:
        channels, height, width = as_maps(shape)
        if (self.size is None) == (self.factor is None):
            raise ArgumentError("needs either a size or a factor")
        factor = self.factor or (1, 1)
        return channels, *(self.size or (height * factor[0], width * factor[1]))

    def input_taps(self, shape: Shape) -> None:
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.rearrange import resize_bilinear

        _, height, width = self.out(x.shape)
        return resize_bilinear(x, (height, width), self.align_corners)


class PixelShuffle(Layer, frozen=True, kw_only=True):
    """Makes blocks of factor x factor pixels from factor * factor channels; ``order`` dcr is ONNX's other order of channels."""

    op: ClassVar[str] = "pixel-shuffle"

    factor: Sides
    order: str = "crd"

    def channels(self, before: int | None) -> int | None:
        return before and before // (self.factor[0] * self.factor[1])

    def out(self, shape: Shape) -> Shape:
        channels, height, width = as_maps(shape)
        rows, columns = self.factor
        if rows != columns:
            raise ArgumentError(f"takes one factor for rows and columns, got {rows} x {columns}")
        if channels % (rows * columns):
            raise ArgumentError(f"must have a factor whose square divides its {channels} channels, got {rows}")
        return channels // (rows * columns), height * rows, width * columns

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps]:
        rows, columns = (InputTaps(factor, dilation=-1, upsampling=factor) for factor in self.factor)
        return rows, columns

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.rearrange import pixel_shuffle

        return pixel_shuffle(x, self.factor[0], self.order)


OPS = {
    "pad": Op(Pad, ("padding", "border")),
    "upsample": Op(Upsample, ("factor",)),
    "resize": Op(Resize, ("size", "factor", "align-corners")),
    "pixel-shuffle": Op(PixelShuffle, ("factor", "order")),
}
