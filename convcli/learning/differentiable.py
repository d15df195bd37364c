"""Layers that are trained: for a batch, the output, and the gradients of the input and of the parameters.

A gradient is the derivative of the loss: that after a layer gives that before it, by the chain rule (back-propagation).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..networks.convolutions import Conv
from ..networks.depthwise import Depthwise
from ..networks.elementwise import (
    Activation,
    Affine,
    BatchNorm,
    Clip,
    Dense,
    Elu,
    Flatten,
    Gelu,
    LeakyRelu,
    PRelu,
    Rbf,
    Scale,
    Softmax,
)
from ..networks.joins import Add, Concat, Multiply
from ..networks.layer import Layer
from ..networks.pooling import AvgPool, GlobalAvgPool, MaxPool
from ..networks.rearranging import Upsample
from ..ops import activations, pooling
from ..ops.error_function import erf
from ..ops.gradients import BatchConv, avg_pool2d_gradient, max_pool2d_gradient, softmax_gradient
from ..ops.normalization import batch_norm

MOMENTUM = 0.1
"""Share of a batch in the mean and the variance that a batch normalisation keeps, PyTorch's default."""

Derivative = Callable[[Array, Array], Array]


class Differentiable:
    """A layer with its arrays. ``forward`` must precede ``backward``, which uses what it kept.

    ``gradients`` are those of the learned arrays, by role, after ``backward``. ``is_training`` is whether the statistics of a
    batch are used and kept, where a layer has any.
    """

    is_training = True

    layers: ClassVar[tuple[type[Layer], ...]] = ()
    """The layers that the class is for."""

    def __init__(self, layer: Any, arrays: dict[str, Array]) -> None:
        self.layer, self.arrays = layer, arrays
        self.gradients: dict[str, Array] = {}

    def forward(self, inputs: Sequence[Array]) -> Array:
        """Return the output for batches (N, ...), one for each input of the layer."""
        raise NotImplementedError

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        """Return the gradients of the inputs, None where they are not asked for."""
        raise NotImplementedError


class Convolution(Differentiable):
    """conv, pointwise and depthwise layers. Weights of channels that a filter does not read stay 0."""

    layers = (Conv, Depthwise)

    def __init__(self, layer: Any, arrays: dict[str, Array]) -> None:
        super().__init__(layer, arrays)
        if layer.border not in ("zero", 0) or layer.flip or any(source.shared for source in layer.sources):
            raise ArgumentError(f"layer {layer.name!r} cannot be trained: it is flipped, has a border, or shares a kernel")
        self.mask: Array | None = None
        if isinstance(layer, Conv) and layer.connections is not None:
            self.mask = np.zeros(arrays["weight"].shape[:2], arrays["weight"].dtype)[:, :, None, None]
            for row, channels in enumerate(layer.connections):
                self.mask[row, list(channels)] = 1
            arrays["weight"] *= self.mask

    def forward(self, inputs: Sequence[Array]) -> Array:
        layer, x = self.layer, inputs[0]
        groups = x.shape[1] if isinstance(layer, Depthwise) else layer.groups
        options = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        self.convolution = BatchConv(x, layer.size, groups=groups, **options)
        return self.convolution.maps(self.arrays["weight"], self.arrays.get("bias"))

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        found = self.convolution.gradients(self.arrays["weight"], gradient, with_input)
        weight = found.weight if self.mask is None else found.weight * self.mask
        self.gradients = {"weight": weight} | ({"bias": found.bias} if "bias" in self.arrays else {})
        return (found.x,)


class Pooling(Differentiable):
    """max-pool and avg-pool layers."""

    layers = (MaxPool, AvgPool)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.x, layer = inputs[0], self.layer
        if isinstance(layer, MaxPool):
            options: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
            return pooling.max_pool2d(self.x, layer.size, ceil_mode=layer.ceil, **options)
        options = {"stride": layer.stride, "padding": layer.padding, "count_include_pad": layer.count_padding}
        return pooling.avg_pool2d(self.x, layer.size, ceil_mode=layer.ceil, **options)

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        layer = self.layer
        if isinstance(layer, MaxPool):
            window = (layer.size, layer.stride, layer.padding, layer.dilation, layer.ceil)
            return (max_pool2d_gradient(self.x, gradient, *window),)
        counts = (layer.size, layer.stride, layer.padding, layer.ceil, layer.count_padding)
        return (avg_pool2d_gradient(self.x.shape, gradient, *counts),)


class GlobalMean(Differentiable):
    """global-avg-pool."""

    layers = (GlobalAvgPool,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.shape = inputs[0].shape
        return pooling.global_avg_pool2d(inputs[0])

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        share = gradient / gradient.dtype.type(math.prod(self.shape[2:]))
        return (np.ascontiguousarray(np.broadcast_to(share, self.shape)),)


class Repetition(Differentiable):
    """upsample."""

    layers = (Upsample,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        return pooling.upsample_nearest(inputs[0], self.layer.factor)

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        rows, columns = self.layer.factor
        count, channels, height, width = gradient.shape
        blocks = gradient.reshape(count, channels, height // rows, rows, width // columns, columns)
        return (blocks.sum(axis=(3, 5)),)


class ChannelScale(Differentiable):
    """affine: a weight and a bias for each channel."""

    layers = (Affine,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.x = inputs[0]
        return np.asarray(self.x * _by_channel(self.arrays["weight"], self.x) + _by_channel(self.arrays["bias"], self.x))

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        self.gradients = {"weight": _sum_by_channel(gradient * self.x), "bias": _sum_by_channel(gradient)}
        return (gradient * _by_channel(self.arrays["weight"], self.x),)


class BatchNormalization(Differentiable):
    """batch-norm with the mean and the variance of the batch, of which moving averages are kept.

    Ioffe and Szegedy, https://arxiv.org/abs/1502.03167, algorithm 1.
    """

    layers = (BatchNorm,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        x = inputs[0]
        if not self.is_training:
            mean, variance, scale, shift = (self.arrays[role] for role in ("mean", "variance", "weight", "bias"))
            maps = x if x.ndim == 4 else x[:, :, None, None]
            return batch_norm(maps, mean, variance, scale, shift, self.layer.epsilon).reshape(x.shape)
        self.count = x.size // x.shape[1]
        mean, variance = (_by_channel(_statistic(x, np.mean), x), _by_channel(_statistic(x, np.var), x))
        self.scale = 1 / np.sqrt(variance + x.dtype.type(self.layer.epsilon))
        self.normalized = (x - mean) * self.scale
        unbiased = variance * (self.count / max(self.count - 1, 1))
        for role, value in (("mean", mean), ("variance", unbiased)):
            self.arrays[role] += MOMENTUM * (value.ravel() - self.arrays[role])
        return np.asarray(self.normalized * _by_channel(self.arrays["weight"], x) + _by_channel(self.arrays["bias"], x))

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        of_weight, of_bias = _sum_by_channel(gradient * self.normalized), _sum_by_channel(gradient)
        self.gradients = {"weight": of_weight, "bias": of_bias}
        mean, slope = (_by_channel(value / self.count, gradient) for value in (of_bias, of_weight))
        inner = gradient - mean - self.normalized * slope
        return (inner * self.scale * _by_channel(self.arrays["weight"], gradient),)


class ElementwiseFunction(Differentiable):
    """A function of each value."""

    layers = (Activation, LeakyRelu, Elu, Gelu, Clip, Scale)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.x = inputs[0]
        self.y = np.asarray(self.layer.run(self.x, {}, None))
        return self.y

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        return (gradient * _derivative_of(self.layer)(self.x, self.y).astype(gradient.dtype, copy=False),)


class LearnedSlope(Differentiable):
    """prelu."""

    layers = (PRelu,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.x = inputs[0]
        return activations.prelu(self.x, self.arrays["weight"])

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        below, slopes = np.minimum(self.x, 0) * gradient, self.arrays["weight"]
        self.gradients = {"weight": _sum_by_channel(below) if slopes.size > 1 else below.sum(keepdims=True).reshape(1)}
        slope = _by_channel(slopes, self.x) if slopes.size > 1 else slopes
        return (np.where(self.x > 0, gradient, gradient * slope),)


class Flattening(Differentiable):
    """flatten."""

    layers = (Flatten,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        x = inputs[0].transpose(0, 2, 3, 1) if self.layer.order == "hwc" and inputs[0].ndim == 4 else inputs[0]
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        found = gradient.reshape(self.shape)
        return (found.transpose(0, 3, 1, 2) if self.layer.order == "hwc" and found.ndim == 4 else found,)


class FullyConnected(Differentiable):
    """dense."""

    layers = (Dense,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.shape = inputs[0].shape
        self.x = inputs[0].reshape(len(inputs[0]), -1)
        out: Array = self.x @ self.arrays["weight"].T
        return out + self.arrays["bias"] if "bias" in self.arrays else out

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        bias = {"bias": gradient.sum(axis=0)} if "bias" in self.arrays else {}
        self.gradients = {"weight": gradient.T @ self.x, **bias}
        return ((gradient @ self.arrays["weight"]).reshape(self.shape) if with_input else None,)


class RadialBasis(Differentiable):
    """rbf, whose patterns are fixed."""

    layers = (Rbf,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.shape = inputs[0].shape
        self.difference: Array = inputs[0].reshape(len(inputs[0]), 1, -1) - self.arrays["weight"]
        return np.asarray((self.difference**2).sum(axis=2))

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        return ((2 * gradient[:, :, None] * self.difference).sum(axis=1).reshape(self.shape),)


class SoftmaxOutput(Differentiable):
    """softmax over the channels."""

    layers = (Softmax,)

    def forward(self, inputs: Sequence[Array]) -> Array:
        self.y = activations.softmax(inputs[0], axis=1)
        return self.y

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        return (softmax_gradient(self.y, gradient),)


class Joining(Differentiable):
    """add, multiply and concat."""

    layers = (Add, Multiply, Concat)

    def forward(self, inputs: Sequence[Array]) -> Array:
        if isinstance(self.layer, Concat):
            self.inputs = list(inputs)
            return np.concatenate(inputs, axis=1)
        axes = max(x.ndim for x in inputs)
        self.inputs = [x if x.ndim == axes else x[:, :, None, None] for x in inputs]
        self.shapes = [x.shape for x in inputs]
        out = self.inputs[0]
        for x in self.inputs[1:]:
            out = out + x if isinstance(self.layer, Add) else out * x
        return out

    def backward(self, gradient: Array, with_input: bool) -> Sequence[Array | None]:
        if isinstance(self.layer, Concat):
            ends = np.cumsum([x.shape[1] for x in self.inputs])[:-1]
            return np.split(gradient, ends, axis=1)
        if isinstance(self.layer, Add):
            found = [gradient] * len(self.inputs)
        else:
            found = [gradient * _product(self.inputs[:i] + self.inputs[i + 1 :]) for i in range(len(self.inputs))]
        return [
            _summed_to(value, x.shape).reshape(shape) for value, x, shape in zip(found, self.inputs, self.shapes, strict=True)
        ]


def differentiable(layer: Layer, arrays: dict[str, Array]) -> Differentiable:
    """Return a layer as one that can be trained. Raises ArgumentError for a layer that cannot."""
    for found in Differentiable.__subclasses__():
        if type(layer) in found.layers:
            return found(layer, arrays)
    raise ArgumentError(f"layer {layer.name!r} ({layer.kind}) cannot be trained: its gradient is not defined here")


def _by_channel(values: Array, x: Array) -> Array:
    """Return one value for each channel, as it is broadcast over a batch (N, C, ...)."""
    return values.reshape(1, -1, *(1 for _ in x.shape[2:]))


def _sum_by_channel(x: Array) -> Array:
    return np.asarray(x.sum(axis=tuple(axis for axis in range(x.ndim) if axis != 1)))


def _statistic(x: Array, function: Callable[..., Any]) -> Array:
    return np.asarray(function(x, axis=tuple(axis for axis in range(x.ndim) if axis != 1), dtype=np.float64), x.dtype)


def _product(values: Sequence[Array]) -> Array:
    out = values[0]
    for value in values[1:]:
        out = out * value
    return out


def _summed_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return the gradient of an input that was repeated over the maps of the others."""
    axes = tuple(axis for axis, length in enumerate(shape) if length == 1 and gradient.shape[axis] > 1)
    return np.asarray(gradient.sum(axis=axes, keepdims=True)) if axes else gradient


def _sigmoid_derivative(x: Array, y: Array) -> Array:
    return np.asarray(y * (1 - y))


def _scaled_tanh_derivative(x: Array, y: Array) -> Array:
    return activations.TANH_SLOPE * (activations.TANH_AMPLITUDE - y * y / activations.TANH_AMPLITUDE)


def _silu_derivative(x: Array, y: Array) -> Array:
    share = activations.sigmoid(x)
    return np.asarray(share + y * (1 - share))


def _hard_swish_derivative(x: Array, y: Array) -> Array:
    return np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5))


def _erf_derivative(x: Array, y: Array) -> Array:
    return np.asarray(2 / math.sqrt(math.pi) * np.exp(-x * x))


DERIVATIVES: Mapping[str, Derivative] = {
    "relu": lambda x, y: x > 0,
    "abs": lambda x, y: np.sign(x),
    "square": lambda x, y: 2 * x,
    "tanh": lambda x, y: 1 - y * y,
    "scaled_tanh": _scaled_tanh_derivative,
    "sigmoid": _sigmoid_derivative,
    "silu": _silu_derivative,
    "hard_sigmoid": lambda x, y: (np.abs(x) < 3) / 6,
    "hard_swish": _hard_swish_derivative,
    "erf": _erf_derivative,
}
"""The derivative of each activation, from its input and its output."""


def _derivative_of(layer: Layer) -> Derivative:
    if isinstance(layer, Activation):
        return DERIVATIVES[layer.function]
    if isinstance(layer, LeakyRelu):
        return lambda x, y: np.where(x > 0, 1, layer.slope)
    if isinstance(layer, Elu):
        return lambda x, y: np.where(x > 0, 1, y + layer.alpha)
    if isinstance(layer, Clip):
        return lambda x, y: (x > layer.low) & (x < layer.high)
    if isinstance(layer, Scale):
        return lambda x, y: np.asarray(layer.scale)
    assert isinstance(layer, Gelu)
    return _gelu_by_tanh_derivative if layer.approximate == "tanh" else _gelu_derivative


def _gelu_derivative(x: Array, y: Array) -> Array:
    return np.asarray(0.5 * (1 + erf(x / math.sqrt(2))) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def _gelu_by_tanh_derivative(x: Array, y: Array) -> Array:
    factor = math.sqrt(2 / math.pi)
    inner = np.tanh(factor * (x + 0.044715 * x**3))
    return np.asarray(0.5 * (1 + inner) + 0.5 * x * (1 - inner * inner) * factor * (1 + 3 * 0.044715 * x * x))
