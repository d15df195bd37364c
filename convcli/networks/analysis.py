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


MOST_PHASES = 1 << 16
"""Outputs of a layer at most that see the input each in its own way, before the next ones do as these, further on."""


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


@dataclass(frozen=True)
class _Seen:
    """The first and the last input pixel that the outputs of a layer see, along one axis: those of the outputs 0, 1 .. of a
    period. Those of the next period lie ``shift`` pixels further. An output that sees none has None.
    """

    ends: tuple[tuple[int, int] | None, ...] = ((0, 0),)
    shift: int = 1

    def of(self, output: int) -> tuple[int, int] | None:
        """What one output sees."""
        periods, phase = divmod(output, len(self.ends))
        ends = self.ends[phase]
        return ends and (ends[0] + periods * self.shift, ends[1] + periods * self.shift)

    def through(self, look: Look) -> "_Seen":
        """What the outputs of the next layer see. They see the same, further on, once they have gone on by whole periods."""
        whole = look.parts * len(self.ends)
        period = whole // math.gcd(look.step, whole)
        if period > MOST_PHASES:
            raise ArgumentError(f"would see its input in {period} ways; the limit is {MOST_PHASES}")
        ends = []
        for output in range(period):
            read = list(look.reads(output))
            if len(read) > 2 * len(self.ends):  # of those that see alike, the first and the last see farthest
                read = read[: len(self.ends)] + read[-len(self.ends) :]
            seen = [one for one in map(self.of, read) if one is not None]
            ends.append((min(seen)[0], max(last for _, last in seen)) if seen else None)
        return _Seen(tuple(ends), self.shift * (period * look.step // whole))

    @property
    def span(self) -> int:
        """Pixels from the first to the last that any output sees, at most."""
        return max((last - first + 1 for first, last in filter(None, self.ends)), default=0)


def fields_of(rows: Sequence[Row]) -> list[Field | None]:
    """The field of each of these rows, the first of which takes the input; None from where one sees all of it.

    Raises ArgumentError where one is larger than any picture.
    """
    fields: list[Field | None] = []
    seen = (_Seen(), _Seen())
    for row in rows:
        if row.looks is None:
            break
        try:
            down, along = (one.through(look) for one, look in zip(seen, row.looks, strict=True))
            seen = down, along
            field = Field((down.span, along.span), (_step_of(down), _step_of(along)))
            if max(field.span) > LARGEST or max(field.step) > LARGEST:
                raise ArgumentError(f"would see more than {LARGEST} pixels of its input")
        except ArgumentError as error:
            raise ArgumentError(f"layer {row.layer.name!r} {error}") from None
        fields.append(field)
    return fields + [None] * (len(rows) - len(fields))


def _step_of(seen: _Seen) -> Fraction:
    """How far apart the pixels are that neighbours see, on average."""
    return Fraction(seen.shift, len(seen.ends))


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
