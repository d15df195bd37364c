"""What each layer of a network makes of an input, holds, costs and sees; and the sums over all of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ArgumentError
from .convolutions import Conv
from .layer import Layer, Look, Parameter, PixelError, Shape, described
from .network import Network

REAL = 4
"""Bytes of a number in float32."""

LARGEST = 1 << 31
"""Rows, columns or channels of what a layer gives at most: more than any computer holds, and few enough to be counted with."""


@dataclass(frozen=True)
class Row:
    """One layer on one input: the shapes that it takes and gives, what it holds and costs, how it looks at it, and a note."""

    layer: Layer
    taken: Shape
    given: Shape
    parameters: tuple[Parameter, ...]
    multiply_adds: int
    looks: tuple[Look, Look] | None
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


def trace(network: Network, shape: Shape, any_size: bool = False) -> Iterator[Row]:
    """What each layer makes of an input (C, H, W). Raises ArgumentError at the layer that cannot take what it gets.

    Where the input stands for one of ``any_size``, weights are not compared with a vector that is as long as it makes it.
    """
    before, unknown = "the input", False
    for layer in network.layers:
        try:
            if not unknown:
                layer.check_given(shape)
            given = layer.out(shape)
            if max(given) > LARGEST:
                raise ArgumentError(f"would give {described(given)}; the limit is {LARGEST} each way")
            looks, note = layer.looks(shape), layer.note(shape)
            row = Row(layer, shape, given, layer.parameters(shape), layer.multiply_adds(shape), looks, note)
        except ArgumentError as error:
            text = f"network {network.name!r}: layer {layer.name!r} after {before}, which gives {described(shape)}: {error}"
            raise type(error)(text) from None
        yield row
        flattened = len(given) < len(shape) and shape[1:] != (1, 1)
        unknown = any_size and (flattened or (unknown and given == shape))
        shape, before = given, repr(layer.name)


def refusal(network: Network, size: tuple[int, int], any_size: bool = False) -> tuple[int, str] | None:
    """The place of the layer that cannot take what it gets, for an input of that size or of any, and why; None if each can."""
    place = 0
    try:
        for _ in trace(network, (network.input.channels, *size), any_size):
            place += 1
    except PixelError as error:
        return None if any_size else (place, str(error))
    except ArgumentError as error:
        return place, str(error)
    return None


@dataclass(frozen=True)
class Field:
    """What one number of a layer sees of the input, along the rows and along the columns.

    ``span`` is how many pixels there are from the first to the last that it sees, at most; ``step`` how far apart those are
    that neighbours see, on average.
    """

    span: tuple[int, int]
    step: tuple[Fraction, Fraction]


def field_of(rows: Sequence[Row]) -> Field | None:
    """The field of the last of these rows, from there back to the input; None where it sees all.

    Raises ArgumentError where it is larger than any picture.
    """
    spans, steps = [1, 1], [Fraction(1), Fraction(1)]
    for row in reversed(rows):
        if row.looks is None:
            return None
        for axis, look in enumerate(row.looks):
            spans[axis] = look.span(spans[axis])
            steps[axis] *= Fraction(look.step, look.parts)
            if spans[axis] > LARGEST or steps[axis] > LARGEST:
                raise ArgumentError(f"layer {rows[-1].layer.name!r} would see more than {LARGEST} pixels of its input")
    return Field((spans[0], spans[1]), (steps[0], steps[1]))


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
