"""Analysis of a network: output shapes, parameters, costs and receptive fields of its layers, and their totals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ArgumentError
from .convolutions import Conv
from .layer import InputTaps, Layer, Parameter, PixelError, Shape, shape_text
from .network import Network

REAL = 4
"""Bytes of a float32."""

MAX_LENGTH = 1 << 31
"""Largest rows, columns or channels of a shape: more than fits in memory, and small enough for all calculations."""

MAX_PERIOD = 1 << 16
"""Largest number of outputs after which the pattern of inputs that they see repeats."""


@dataclass(frozen=True)
class Row:
    """The analysis of one layer for one input shape."""

    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]
    multiply_adds: int
    input_taps: tuple[InputTaps, InputTaps] | None
    note: str

    @property
    def weights(self) -> int:
        """Count of learned numbers without biases."""
        return sum(parameter.count for parameter in self.parameters if parameter.learned and parameter.role != "bias")

    @property
    def biases(self) -> int:
        """Count of biases."""
        return sum(parameter.count for parameter in self.parameters if parameter.role == "bias")

    @property
    def fixed(self) -> int:
        """Count of numbers that are not learned."""
        return sum(parameter.count for parameter in self.parameters if not parameter.learned)

    @property
    def memory(self) -> int:
        """Bytes of the output in float32."""
        return REAL * math.prod(self.output_shape)


def trace(network: Network, shape: Shape, any_size: bool = False) -> Iterator[Row]:
    """Yield the analysis of each layer for an input (C, H, W). Raises ArgumentError at a layer that rejects its input.

    With ``any_size`` the shape stands for any image size: weights are not checked against a vector whose length depends on it.
    """
    before, unknown = "the input", False
    for layer in network.layers:
        try:
            if not unknown:
                layer.check_sources(shape)
            out = layer.out(shape)
            if max(out) > MAX_LENGTH:
                raise ArgumentError(f"would give {shape_text(out)}; the limit is {MAX_LENGTH} each way")
            input_taps, note = layer.input_taps(shape), layer.note(shape)
            row = Row(layer, shape, out, layer.parameters(shape), layer.multiply_adds(shape), input_taps, note)
        except ArgumentError as error:
            text = f"network {network.name!r}: layer {layer.name!r} after {before}, which gives {shape_text(shape)}: {error}"
            raise type(error)(text) from None
        yield row
        flattened = len(out) < len(shape) and shape[1:] != (1, 1)
        unknown = any_size and (flattened or (unknown and out == shape))
        shape, before = out, repr(layer.name)


def refusal(network: Network, size: tuple[int, int], any_size: bool = False) -> tuple[int, str] | None:
    """Return the index of the layer that does not accept its input, and the reason; None if all layers do.

    The input has a size (H, W), which with ``any_size`` stands for any size.
    """
    index = 0
    try:
        for _ in trace(network, (network.input.channels, *size), any_size):
            index += 1
    except PixelError as error:
        return None if any_size else (index, str(error))
    except ArgumentError as error:
        return index, str(error)
    return None


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer, along rows and columns.

    ``span`` is the largest number of input pixels from the first to the last that an output depends on. ``step`` is the mean
    distance, in input pixels, of the fields of neighbouring outputs.
    """

    span: tuple[int, int]
    step: tuple[Fraction, Fraction]


@dataclass(frozen=True)
class _Seen:
    """The first and the last input pixel that each output of a layer depends on, along one axis.

    ``ends`` holds those of outputs 0, 1 .. of a period, None for an output without inputs. Those of the next period lie
    ``shift`` pixels further.
    """

    ends: tuple[tuple[int, int] | None, ...] = ((0, 0),)
    shift: int = 1

    def of(self, output: int) -> tuple[int, int] | None:
        """Return the first and the last pixel of one output."""
        periods, phase = divmod(output, len(self.ends))
        ends = self.ends[phase]
        return ends and (ends[0] + periods * self.shift, ends[1] + periods * self.shift)

    def through(self, taps: InputTaps) -> "_Seen":
        """Return the pixels that the outputs of the next layer depend on, with the period after which the pattern repeats."""
        whole = taps.upsampling * len(self.ends)
        period = whole // math.gcd(taps.stride, whole)
        if period > MAX_PERIOD:
            raise ArgumentError(f"would see its input in {period} ways; the limit is {MAX_PERIOD}")
        ends = []
        for output in range(period):
            inputs = list(taps.inputs_of(output))
            if len(inputs) > 2 * len(self.ends):  # the first and the last period of inputs contain the extremes
                inputs = inputs[: len(self.ends)] + inputs[-len(self.ends) :]
            pixels = [pair for pair in map(self.of, inputs) if pair is not None]
            ends.append((min(pixels)[0], max(last for _, last in pixels)) if pixels else None)
        return _Seen(tuple(ends), self.shift * (period * taps.stride // whole))

    @property
    def span(self) -> int:
        """The largest number of pixels from the first to the last of an output."""
        return max((last - first + 1 for first, last in filter(None, self.ends)), default=0)


def fields_of(rows: Sequence[Row]) -> list[Field | None]:
    """Return the receptive field of each row, starting at the input of the network; None from a layer on that reads all of it.

    Raises ArgumentError for a field larger than MAX_LENGTH.
    """
    fields: list[Field | None] = []
    seen = (_Seen(), _Seen())
    for row in rows:
        if row.input_taps is None:
            break
        try:
            rows_seen, columns_seen = (axis.through(taps) for axis, taps in zip(seen, row.input_taps, strict=True))
            seen = rows_seen, columns_seen
            field = Field((rows_seen.span, columns_seen.span), (_step_of(rows_seen), _step_of(columns_seen)))
            if max(field.span) > MAX_LENGTH or max(field.step) > MAX_LENGTH:
                raise ArgumentError(f"would see more than {MAX_LENGTH} pixels of its input")
        except ArgumentError as error:
            raise ArgumentError(f"layer {row.layer.name!r} {error}") from None
        fields.append(field)
    return fields + [None] * (len(rows) - len(fields))


def _step_of(seen: _Seen) -> Fraction:
    """Return the mean distance of the pixels of neighbouring outputs."""
    return Fraction(seen.shift, len(seen.ends))


@dataclass(frozen=True)
class Totals:
    """Parameters, multiply-adds and memory of several layers."""

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
    """Return the totals of all rows, or of the layers of one family."""
    counted = [row for row in rows if family in (None, row.layer.family)]
    names = ("weights", "biases", "fixed", "multiply_adds", "memory")
    return Totals(*(sum(getattr(row, name) for row in counted) for name in names))


def separable_cost(row: Row) -> tuple[int, int] | None:
    """Return weights and multiply-adds of a standard convolution replaced by a depthwise separable one; else None.

    With N filters of k x k, the multiply-adds are 1 / N + 1 / k**2 of the standard convolution's: Howard et al., MobileNets
    (https://arxiv.org/abs/1704.04861), section 3.1.
    """
    layer = row.layer
    if not isinstance(layer, Conv) or not layer.is_standard:
        return None
    channels, (maps, height, width) = row.input_shape[0], row.output_shape
    weights = channels * layer.size[0] * layer.size[1] + channels * maps
    return weights, height * width * weights
