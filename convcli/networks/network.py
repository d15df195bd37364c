"""A network: what it takes, its layers one after the other, and what each of them makes of an input."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ArgumentError
from .layer import Layer, Look, Parameter, Shape, described
from .sliding import Conv

REAL = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Input:
    """What a network takes: maps of so many channels, of one size or of any (None).

    ``range`` is what black and white become, None leaves levels as they are; then ``mean`` is taken off each channel, and
    what is left divided by ``std``.
    """

    channels: int
    size: tuple[int, int] | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


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
        ahead = [
            covered + (look.covered - 1) * step for covered, step, look in zip(self.covered, self.step, looks, strict=True)
        ]
        steps = [step * look.step for step, look in zip(self.step, looks, strict=True)]
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
        return sum(one.count for one in self.parameters if one.learned and one.role == "bias")

    @property
    def fixed(self) -> int:
        """Numbers that are not learned."""
        return sum(one.count for one in self.parameters if not one.learned)

    @property
    def memory(self) -> int:
        """Bytes of what it gives, in float32."""
        return REAL * _count(self.given)


@dataclass(frozen=True)
class Network:
    """Layers, each of which takes what the one before gives."""

    name: str
    input: Input
    layers: tuple[Layer, ...]
    about: str = ""
    source: str = ""

    def shape_for(self, size: tuple[int, int]) -> Shape:
        """(C, H, W) of an input of that size. Raises ArgumentError where the network takes another."""
        if self.input.size not in (None, size):
            height, width = self.input.size
            raise ArgumentError(
                f"network {self.name!r} takes pictures of {width} x {height} pixels, and gets {size[1]} x {size[0]}; "
                "resize it, or let --resize do so"
            )
        return self.input.channels, *size

    def trace(self, shape: Shape) -> Iterator[Row]:
        """What each layer makes of an input (C, H, W). Raises ArgumentError at the layer that cannot take what it gets."""
        field, before = ONE_PIXEL, "the input"
        for layer in self.layers:
            try:
                layer.check_given(shape)
                given = layer.out(shape)
                field = field.through(layer.looks(shape))
                parameters, products = layer.parameters(shape), layer.multiply_adds(shape)
                note = layer.note(shape)
            except ArgumentError as error:
                text = f"network {self.name!r}: layer {layer.name!r} after {before}, which gives {described(shape)}: {error}"
                raise ArgumentError(text) from None
            yield Row(layer, shape, given, parameters, products, field, note)
            shape, before = given, repr(layer.name)

    def layer_named(self, name: str) -> int:
        """The place of a layer. Raises ArgumentError, with the nearest name."""
        from ..errors import nearest_name

        names = [layer.name for layer in self.layers]
        if name not in names:
            near = nearest_name(name, names) or f"; there are {', '.join(names)}"
            raise ArgumentError(f"network {self.name!r} has no layer {name!r}{near}")
        return names.index(name)


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


def _count(shape: Shape) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
