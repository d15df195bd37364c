"""The base class of the convolution layers whose kernel slides over the input."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ..geometry.axes import Axis, make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .layer import Layer, Look, Parameter, Shape, as_maps, uneven


@dataclass(frozen=True, kw_only=True)
class Sliding(Layer):
    """What all convolutions have: a kernel of that size, and how it slides."""

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
        """The kernel laid over the rows and over the columns."""
        return make_axes(as_maps(shape)[1:], self.size, self.stride, self.padding, self.dilation)

    def looks(self, shape: Shape) -> tuple[Look, Look]:
        """The taps of the kernel, which slides."""
        rows, columns = map(Look.along, self.axes(shape))
        return rows, columns

    def note(self, shape: Shape) -> str:
        """Where the stride does not divide what it steps over."""
        return uneven(self.axes(shape))

    def out(self, shape: Shape) -> Shape:
        """As many maps as there are filters."""
        rows, columns = self.axes(shape)
        return self.channels(shape[0]) or 0, rows.out, columns.out

    def options(self) -> dict[str, Any]:
        """How it slides, as ``conv2d`` takes it."""
        names = ("stride", "padding", "border", "dilation", "flip")
        return {name: getattr(self, name) for name in names}

    def copied(self, shape: Shape) -> int:
        """Numbers in the padded copy of what it takes, where the border needs one."""
        rows, columns = self.axes(shape)
        return shape[0] * rows.padded * columns.padded if check_border(self.border).over(rows, columns).needs_copy else 0

    def scratch(self, shape: Shape) -> int:
        """The padded copy."""
        return self.copied(shape)

    def biases(self, maps: int) -> tuple[Parameter, ...]:
        """One for each map, where it has any."""
        return (Parameter.full("bias", maps),) if self.bias else ()
