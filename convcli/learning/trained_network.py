"""A network while it is trained: its parameters, and the gradients of a loss for a batch."""

import math
from collections.abc import Mapping

import numpy as np

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..networks.analysis import LayerAnalysis, analyse
from ..networks.elementwise import Activation, LeakyRelu, PRelu, Rbf, Softmax
from ..networks.network import Network
from .differentiable import Differentiable, differentiable
from .digit_patterns import patterns_for
from .losses import Loss, cross_entropy_of_sums, distance_loss

LECUN = 2.4
"""Weights are uniform in +-2.4 / fan-in: LeCun et al. 1998, appendix A."""


class TrainedNetwork:
    """The layers of a network with arrays that change. Arrays are float32, or ``dtype``, and named LAYER.ROLE.

    Raises ArgumentError for a layer whose gradient is not defined, and where the network does not end in a vector of classes.
    """

    def __init__(
        self, network: Network, seed: int, dtype: type = np.float32, weights: Mapping[str, Array] | None = None
    ) -> None:
        if network.input.size is None:
            raise ArgumentError(f"network {network.name!r} takes pictures of any size; give its input a size to train it")
        self.network = network
        self.links = network.links()
        analyses = list(analyse(network, network.shape_for(network.input.size)))
        last = analyses[-1]
        if math.prod(last.output_shape) != last.output_shape[0]:
            raise ArgumentError(f"network {network.name!r} must end in a number for each class, and gives {last.output_shape}")
        self.classes = last.output_shape[0]
        self.parameters: dict[str, Array] = {}
        rng = np.random.default_rng(seed)
        self.layers: list[Differentiable] = []
        for index, analysis in enumerate(analyses):
            arrays = _initial(analysis, _is_rectified(network, index), rng, dtype)
            for role in arrays:
                name = f"{analysis.layer.name}.{role}"
                if weights is not None and name in weights:
                    arrays[role] = _fitting(name, weights[name], arrays[role])
            self.layers.append(differentiable(analysis.layer, arrays))
        self._learned_count = sum(row.weights + row.biases for row in analyses)
        self._learned = {
            f"{analysis.layer.name}.{parameter.role}"
            for analysis in analyses
            for parameter in analysis.parameters
            if parameter.learned
        }
        for layer in self.layers:
            self.parameters |= {f"{layer.layer.name}.{role}": array for role, array in layer.arrays.items()}
        ends_in_softmax = isinstance(last.layer, Softmax)
        self._count = len(self.layers) - ends_in_softmax  # a softmax is part of the loss
        is_rbf = isinstance(last.layer, Rbf)
        self.loss: Loss = distance_loss if is_rbf else cross_entropy_of_sums
        self.prefers_least = is_rbf

    @property
    def count(self) -> int:
        """The number of learned parameters."""
        return self._learned_count

    def outputs(self, x: Array, training: bool = False) -> Array:
        """Return the numbers that the loss compares (N, classes), for a batch (N, C, H, W)."""
        outputs: dict[int, Array] = {-1: x}
        for index in range(self._count):
            self.layers[index].is_training = training
            outputs[index] = self.layers[index].forward([outputs[link] for link in self.links[index]])
        self._last_shape = outputs[self._count - 1].shape
        found: Array = outputs[self._count - 1].reshape(len(x), -1)
        return found

    def gradients(self, x: Array, labels: Array) -> tuple[float, Array, dict[str, Array]]:
        """Return the loss of a batch, the outputs, and the gradients of the learned parameters."""
        found = self.outputs(x, training=True)
        loss, gradient = self.loss(found, labels)
        waiting: dict[int, Array] = {self._count - 1: gradient.astype(x.dtype, copy=False).reshape(self._last_shape)}
        gradients: dict[str, Array] = {}
        for index in reversed(range(self._count)):
            if index not in waiting:
                continue
            layer, links = self.layers[index], self.links[index]
            before = layer.backward(waiting.pop(index), any(link >= 0 for link in links))
            for link, value in zip(links, before, strict=True):
                if link >= 0 and value is not None:
                    waiting[link] = waiting[link] + value if link in waiting else value
            names = ((f"{layer.layer.name}.{role}", value) for role, value in layer.gradients.items())
            gradients |= {name: value for name, value in names if name in self._learned}
        return loss, found, gradients

    def classes_of(self, outputs: Array) -> Array:
        """Return the class of each row: that of the least distance, or of the largest number."""
        return np.asarray(outputs.argmin(axis=1) if self.prefers_least else outputs.argmax(axis=1))


def _fitting(name: str, given: Array, initial: Array) -> Array:
    if given.shape != initial.shape:
        raise ArgumentError(f"{name} has shape {given.shape}, and must have {initial.shape}")
    return given.astype(initial.dtype)


def _is_rectified(network: Network, index: int) -> bool:
    """Whether the first activation after a layer is a ReLU or one of its kind, for which weights are larger."""
    for layer in network.layers[index + 1 :]:
        if isinstance(layer, Activation | LeakyRelu | PRelu):
            return layer.kind not in ("tanh", "scaled-tanh", "sigmoid")
    return False


def _initial(analysis: LayerAnalysis, rectified: bool, rng: np.random.Generator, dtype: type) -> dict[str, Array]:
    """Return the first arrays of a layer.

    Weights are normal with variance 2 / fan-in before ReLUs (He et al., https://arxiv.org/abs/1502.01852), else uniform in
    +-2.4 / fan-in (LeCun et al. 1998, appendix A). Biases are 0, the factors of normalisations 1.
    """
    arrays: dict[str, Array] = {}
    for parameter in analysis.parameters:
        if parameter.role in ("weight", "variance") and len(parameter.shape) == 1:
            arrays[parameter.role] = np.full(parameter.shape, 0.25 if analysis.layer.kind == "prelu" else 1.0, dtype)
        elif parameter.role in ("bias", "mean"):
            arrays[parameter.role] = np.zeros(parameter.shape, dtype)
        elif not parameter.learned:
            arrays[parameter.role] = patterns_for(parameter.shape, rng).astype(dtype)
        else:
            fan_in = parameter.count / parameter.shape[0]
            spread = math.sqrt(2 / fan_in) if rectified else LECUN / fan_in
            shape = parameter.shape
            drawn = rng.normal(0, spread, shape) if rectified else rng.uniform(-spread, spread, shape)
            arrays[parameter.role] = drawn.astype(dtype)
    return arrays
