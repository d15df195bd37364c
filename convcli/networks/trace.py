"""What each layer of a network makes of an input, holds, costs and sees; and the sums over all of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ArgumentError
from .convolutions import Conv
from .layer import Layer, Look, Parameter, Shape, described
from .network import Network

REAL = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Field:
    """How many pixels of the input one number of a layer covers, and how far apart those are that neighbours cover: along the
    rows and along the columns, None where it sees all. Behind a layer that makes maps larger, they may be fractions.
    """

    covered: tuple[Fraction, Fraction] | None
    step: tuple[Fraction, Fraction] | None

    @property
    def sees(self) -> tuple[int, int] | None:
        """Pixels that one number sees, or the most that any of them does."""
        return self.covered and (math.ceil(self.covered[0]), math.ceil(self.covered[1]))

    def through(self, looks: tuple[Look, Look] | None) -> "Field":
        """What the numbers of the next layer see."""
        if looks is None or self.covered is None or self.step is None:
            return Field(None, None)
        ahead = [self.covered[axis] + (looks[axis].covered - 1) * self.step[axis] for axis in (0, 1)]
        steps = [self.step[axis] * Fraction(looks[axis].step, looks[axis].parts) for axis in (0, 1)]
        return Field((ahead[0], ahead[1]), (steps[0], steps[1]))


ONE_PIXEL = Field((Fraction(1), Fraction(1)), (Fraction(1), Fraction(1)))


@dataclass(frozen=True)
class Row:
    """One layer on one input: the shapes that it takes and gives, what it holds and costs, what it sees, and a note."""

    layer: Layer
    taken: Shape
    given: Shape
    parameters: tuple[Parameter, ...]
    multiply_adds: int
    field: Field
    note: str

    @property
    def weights(self) -> int:
        """Numbers that are learned, but for biases."""
        return sum(one.count for one in self.parameters if one.learned and one.role != "bias")

    @property
    def biases(self) -> int:
        """Numbers that are learned and added."""
        return sum(one.count for one in self.parameters if one.role == "bias")

    @property
    def fixed(self) -> int:
        """Numbers that are not learned."""
        return sum(one.count for one in self.parameters if not one.learned)

    @property
    def memory(self) -> int:
        """Bytes of what it gives, in float32."""
        return REAL * math.prod(self.given)


def trace(network: Network, shape: Shape) -> Iterator[Row]:
    """What each layer makes of an input (C, H, W). Raises ArgumentError at the layer that cannot take what it gets."""
    field, before = ONE_PIXEL, "the input"
    for layer in network.layers:
        try:
            layer.check_given(shape)
            given = layer.out(shape)
            field = field.through(layer.looks(shape))
            parameters, products = layer.parameters(shape), layer.multiply_adds(shape)
            note = layer.note(shape)
        except ArgumentError as error:
            text = f"network {network.name!r}: layer {layer.name!r} after {before}, which gives {described(shape)}: {error}"
            raise ArgumentError(text) from None
        yield Row(layer, shape, given, parameters, products, field, note)
        shape, before = given, repr(layer.name)


@dataclass(frozen=True)
class Totals:
    """What all layers of a network hold and cost, and those of one family among them."""

    weights: int
    biases: int
    fixed: int
    multiply_adds: int
    memory: int

    @property
    def learned(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


def total_of(rows: Sequence[Row], family: str | None = None) -> Totals:
    """The sums over all rows, or over those of layers of one family."""
    counted = [row for row in rows if family in (None, row.layer.family)]
    names = ("weights", "biases", "fixed", "multiply_adds", "memory")
    return Totals(*(sum(getattr(row, name) for row in counted) for name in names))


def separable_cost(row: Row) -> tuple[int, int] | None:
    """Weights and multiply-adds of a standard convolution made depthwise separable; None for any other layer.

    Of ``filters`` filters of k x k, the multiply-adds are 1 / filters + 1 / k**2 of the standard's: Howard et al., MobileNets
    (https://arxiv.org/abs/1704.04861), section 3.1.
    """
    layer = row.layer
    if not isinstance(layer, Conv) or not layer.is_standard:
        return None
    channels, (maps, height, width) = row.taken[0], row.given
    weights = channels * layer.size[0] * layer.size[1] + channels * maps
    return weights, height * width * weights
