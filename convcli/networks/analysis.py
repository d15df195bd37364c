"""Analyses a network: output shapes, parameters, costs and receptive fields of its layers, and their totals."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from msgspec import Struct

from ..errors import ArgumentError
from .convolutions import Conv
from .layer import InputTaps, Layer, Parameter, PixelError, Shape, shape_text
from .network import Network

FLOAT32_BYTES = 4
"""Size of a float32 in bytes."""

MAX_DIMENSION = 1 << 31
"""Largest number of rows, columns or channels of a shape: more than fits in memory."""

MAX_PERIOD = 1 << 16
"""Largest number of outputs after which the pattern of the inputs that they depend on repeats."""


class LayerAnalysis(Struct, frozen=True):
    """The analysis of one layer for one input shape. ``inputs`` are the layers that it reads, by index; -1 is the input."""

    layer: Layer
    inputs: tuple[int, ...]
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]
    multiply_adds: int
    input_taps: tuple[InputTaps, InputTaps] | None
    note: str

    @property
    def weights(self) -> int:
        """Number of learned parameters other than biases."""
        return sum(parameter.count for parameter in self.parameters if parameter.learned and parameter.role != "bias")

    @property
    def biases(self) -> int:
        """Number of biases."""
        return sum(parameter.count for parameter in self.parameters if parameter.role == "bias")

    @property
    def fixed(self) -> int:
        """Number of parameters that are not learned."""
        return sum(parameter.count for parameter in self.parameters if not parameter.learned)

    @property
    def memory(self) -> int:
        """Size of the output in float32, in bytes."""
        return FLOAT32_BYTES * math.prod(self.output_shape)


def analyse(network: Network, shape: Shape, any_size: bool = False) -> Iterator[LayerAnalysis]:
    """Yield the analysis of each layer for an input (C, H, W). Raises ArgumentError at a layer that rejects its input.

    With ``any_size`` the shape stands for any image size: weights are not checked for layers whose input is a vector with a
    length that depends on the image size.
    """
    shapes, names, varying = {-1: shape}, {-1: "the input"}, set[int]()  # varying: vectors whose length depends on the size
    for index, (layer, links) in enumerate(zip(network.layers, network.links(), strict=True)):
        length_varies = not varying.isdisjoint(links)
        try:
            entering = layer.joined_shape([shapes[link] for link in links])
            if not length_varies:
                layer.check_sources(entering)
            out = layer.out(entering)
            if max(out) > MAX_DIMENSION:
                raise ArgumentError(f"would give {shape_text(out)}; the limit is {MAX_DIMENSION} each way")
            facts = layer.parameters(entering), layer.multiply_adds(entering), layer.input_taps(entering), layer.note(entering)
        except ArgumentError as error:
            before = " and ".join(f"{names[link]}, which gives {shape_text(shapes[link])}" for link in dict.fromkeys(links))
            raise type(error)(f"network {network.name!r}: layer {layer.name!r} after {before}: {error}") from None
        yield LayerAnalysis(layer, links, entering, out, *facts)
        flattened = len(out) < len(entering) and entering[1:] != (1, 1)
        if any_size and (flattened or (length_varies and out == entering)):
            varying.add(index)
        shapes[index], names[index] = out, repr(layer.name)


def first_rejection(network: Network, size: tuple[int, int], any_size: bool = False) -> tuple[int, str] | None:
    """Return the index of the first layer that rejects its input, and the error message; None if all layers accept theirs.

    ``size`` is the size (H, W) of the input. With ``any_size`` it stands for any size.
    """
    index = 0
    try:
        for _ in analyse(network, (network.input.channels, *size), any_size):
            index += 1
    except PixelError as error:
        return None if any_size else (index, str(error))
    except ArgumentError as error:
        return index, str(error)
    return None


class ReceptiveField(Struct, frozen=True):
    """The receptive field of a layer, along rows and columns.

    ``size`` is the largest number of input pixels from the first to the last that one output depends on. ``stride`` is the mean
    distance, in input pixels, between the fields of neighbouring outputs.
    """

    size: tuple[int, int]
    stride: tuple[Fraction, Fraction]


class _InputBounds(Struct, frozen=True):
    """The first and the last input pixel that each output of a layer depends on, along one axis.

    ``bounds`` holds these pixels for each output of one period, None for an output without inputs. Those of the next period are
    ``shift`` pixels further.
    """

    bounds: tuple[tuple[int, int] | None, ...] = ((0, 0),)
    shift: int = 1

    def of(self, output: int) -> tuple[int, int] | None:
        """Return the first and the last pixel that one output depends on."""
        periods, phase = divmod(output, len(self.bounds))
        bounds = self.bounds[phase]
        return bounds and (bounds[0] + periods * self.shift, bounds[1] + periods * self.shift)

    def through(self, taps: InputTaps) -> "_InputBounds":
        """Return the bounds of the outputs of the next layer, whose period may differ."""
        inputs_per_period = taps.upsampling * len(self.bounds)
        period = inputs_per_period // math.gcd(taps.stride, inputs_per_period)
        if period > MAX_PERIOD:
            raise ArgumentError(f"has {period} different receptive fields; the limit is {MAX_PERIOD}")
        bounds = []
        for output in range(period):
            inputs = list(taps.inputs_of(output))
            if len(inputs) > 2 * len(self.bounds):  # the first and the last period of inputs contain the extremes
                inputs = inputs[: len(self.bounds)] + inputs[-len(self.bounds) :]
            pixels = [pair for pair in map(self.of, inputs) if pair is not None]
            bounds.append((min(pixels)[0], max(last for _, last in pixels)) if pixels else None)
        return _InputBounds(tuple(bounds), self.shift * (period * taps.stride // inputs_per_period))

    def joined(self, other: "_InputBounds") -> "_InputBounds | None":
        """Return the bounds of outputs that depend on those of two layers; None where these do not advance alike."""
        period = math.lcm(len(self.bounds), len(other.bounds))
        shifts = {bounds.shift * (period // len(bounds.bounds)) for bounds in (self, other)}
        if len(shifts) > 1 or period > MAX_PERIOD:
            return None
        pairs = [[pair for pair in (self.of(output), other.of(output)) if pair is not None] for output in range(period)]
        bounds = ((min(pair)[0], max(last for _, last in pair)) if pair else None for pair in pairs)
        return _InputBounds(tuple(bounds), shifts.pop())

    @property
    def size(self) -> int:
        """The largest number of pixels from the first to the last that one output depends on."""
        return max((last - first + 1 for first, last in filter(None, self.bounds)), default=0)

    @property
    def stride(self) -> Fraction:
        """The mean distance between the pixels of neighbouring outputs."""
        return Fraction(self.shift, len(self.bounds))


def receptive_fields(analyses: Sequence[LayerAnalysis]) -> list[ReceptiveField | None]:
    """Return the receptive field of each layer in the input of the network.

    It is None for a layer that reads all of its input, and for all layers that depend on it; and where layers are joined whose
    fields advance by different numbers of pixels.

    Raises ArgumentError for a field larger than MAX_DIMENSION.
    """
    bounds: dict[int, tuple[_InputBounds, _InputBounds] | None] = {-1: (_InputBounds(), _InputBounds())}
    fields: list[ReceptiveField | None] = []
    for index, analysis in enumerate(analyses):
        try:
            bounds[index] = found = _bounds_of(analysis, [bounds[link] for link in analysis.inputs])
            if found is None:
                fields.append(None)
                continue
            rows, columns = found
            field = ReceptiveField((rows.size, columns.size), (rows.stride, columns.stride))
            if max(field.size) > MAX_DIMENSION or max(field.stride) > MAX_DIMENSION:
                raise ArgumentError(f"has a receptive field of more than {MAX_DIMENSION} pixels")
        except ArgumentError as error:
            raise ArgumentError(f"layer {analysis.layer.name!r} {error}") from None
        fields.append(field)
    return fields


def _bounds_of(
    analysis: LayerAnalysis, before: Sequence[tuple[_InputBounds, _InputBounds] | None]
) -> tuple[_InputBounds, _InputBounds] | None:
    """Return the bounds of the outputs of a layer along rows and columns from those of its inputs, None as for the fields."""
    if analysis.input_taps is None or None in before:
        return None
    joined: list[_InputBounds] = []
    for taps, inputs in zip(analysis.input_taps, zip(*filter(None, before), strict=True), strict=True):
        together: _InputBounds | None = inputs[0]
        for other in inputs[1:]:
            together = together and together.joined(other)
        if together is None:
            return None
        joined.append(together.through(taps))
    return joined[0], joined[1]


class Totals(Struct, frozen=True):
    """Parameters, multiply-adds and memory of several layers."""

    weights: int
    biases: int
    fixed: int
    multiply_adds: int
    memory: int

    @property
    def learned(self) -> int:
        """Number of learned parameters: weights and biases."""
        return self.weights + self.biases


def sum_totals(analyses: Sequence[LayerAnalysis], family: str | None = None) -> Totals:
    """Return the totals of all layers, or of the layers of one family."""
    counted = [analysis for analysis in analyses if family in (None, analysis.layer.family)]
    names = ("weights", "biases", "fixed", "multiply_adds", "memory")
    return Totals(*(sum(getattr(analysis, name) for analysis in counted) for name in names))


def separable_cost(analysis: LayerAnalysis) -> tuple[int, int] | None:
    """Return the weights and multiply-adds of a depthwise separable convolution that replaces a standard one.

    None if the layer is not a standard convolution. With N filters of k x k, the multiply-adds are 1 / N + 1 / k**2 times those
    of the standard convolution (Howard et al., MobileNets, https://arxiv.org/abs/1704.04861, section 3.1).
    """
    layer = analysis.layer
    if not isinstance(layer, Conv) or not layer.is_standard:
        return None
    channels, (maps, height, width) = analysis.input_shape[0], analysis.output_shape
    weights = channels * layer.size[0] * layer.size[1] + channels * maps
    return weights, height * width * weights
