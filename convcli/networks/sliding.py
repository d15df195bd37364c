"""The base class of the convolution layers whose kernel slides over the input."""

import math
from typing import Any, ClassVar

from ..geometry.axes import Axis, make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .layer import InputTaps, Layer, Parameter, Shape, as_maps, fractional_size


class Sliding(Layer, frozen=True, kw_only=True):
    """A convolution whose kernel slides over the input."""

    family: ClassVar[str] = "conv"
    needs: ClassVar[tuple[str, ...]] = ("weight",)

    size: Sides
    stride: Sides = (1, 1)
    padding: Padding = 0
    border: Border = "zero"
    dilation: Sides = (1, 1)
    flip: bool = False
    bias: bool = True

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """Return the row axis and the column axis of the kernel over the input."""
        return make_axes(as_maps(shape)[1:], self.size, self.stride, self.padding, self.dilation)

    def input_taps(self, shape: Shape) -> tuple[InputTaps, InputTaps]:
        rows, columns = map(InputTaps.sliding, self.axes(shape))
        return rows, columns

    def note(self, shape: Shape) -> str:
        return fractional_size(self.axes(shape))

    def out(self, shape: Shape) -> Shape:
        rows, columns = self.axes(shape)
        return self.channels(shape[0]) or 0, rows.out, columns.out

    def options(self) -> dict[str, Any]:
        """Return the arguments of ``conv2d`` about sliding."""
        names = ("stride", "padding", "border", "dilation", "flip")
        return {name: getattr(self, name) for name in names}

    def copied(self, shape: Shape) -> int:
        """Return the count of numbers in the copy of the input: padded where the border needs it, else less an offset."""
        rows, columns = self.axes(shape)
        needs_padded = check_border(self.border).for_axes(rows, columns).needs_copy
        return shape[0] * rows.padded * columns.padded if needs_padded else math.prod(shape)

    def scratch(self, shape: Shape) -> int:
        return self.copied(shape)

    def biases(self, maps: int) -> tuple[Parameter, ...]:
        """Return the bias of ``maps`` maps, if the layer has one."""
        return (Parameter.full("bias", maps),) if self.bias else ()
