"""Layers without a sliding window: activations, normalisation, flatten, dense and radial basis functions."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from .layer import Array, ArraySource, Layer, Op, Parameter, Shape, as_maps, as_vector


class Activation(Layer, frozen=True, kw_only=True):
    """A function of each value."""

    op: ClassVar[str] = "activation"

    function: str

    @property
    def kind(self) -> str:
        return self.function.replace("_", "-")

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops import activations

        result: Array = getattr(activations, self.function)(x)
        return result


class LeakyRelu(Layer, frozen=True, kw_only=True):
    """x where it is positive, else x times the slope."""

    op: ClassVar[str] = "leaky-relu"

    slope: float = 0.01

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.activations import leaky_relu

        return leaky_relu(x, self.slope)


class Elu(Layer, frozen=True, kw_only=True):
    """x where it is positive, else alpha * (exp(x) - 1)."""

    op: ClassVar[str] = "elu"

    alpha: float = 1.0

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.activations import elu

        return elu(x, self.alpha)


class PRelu(Layer, frozen=True, kw_only=True):
    """x where it is positive, else x times a learned slope: one for all, or one for each channel."""

    op: ClassVar[str] = "prelu"
    needs: ClassVar[tuple[str, ...]] = ("weight",)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        count = next((source.shape[0] for source in self.sources if source.shape == (1,)), shape[0])
        return (Parameter.full("weight", count),)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.activations import prelu

        return prelu(x, arrays["weight"])


class Gelu(Layer, frozen=True, kw_only=True):
    """x times the share of a standard normal distribution below x; ``approximate`` tanh is the form by a hyperbolic tangent."""

    op: ClassVar[str] = "gelu"

    approximate: str = "none"

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.activations import gelu

        return gelu(x, self.approximate)


class Clip(Layer, frozen=True, kw_only=True):
    """x, but at least ``low`` and at most ``high``: the ReLU6 of MobileNets by default."""

    op: ClassVar[str] = "clip"

    low: float = 0.0
    high: float = 6.0

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.activations import clip

        return clip(x, self.low, self.high)


class Softmax(Layer, frozen=True, kw_only=True):
    """exp(x) divided by the sum of exp(x) over the channels."""

    op: ClassVar[str] = "softmax"

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.activations import softmax

        return softmax(x, axis=0)


class LocalResponseNorm(Layer, frozen=True, kw_only=True):
    """Each value divided by (k + alpha / size * the sum of squares over ``size`` neighbouring channels) ** beta."""

    op: ClassVar[str] = "local-response-norm"

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def out(self, shape: Shape) -> Shape:
        return as_maps(shape)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.normalization import local_response_norm

        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)


class Affine(Layer, frozen=True, kw_only=True):
    """Each channel times a weight, plus a bias."""

    op: ClassVar[str] = "affine"
    needs: ClassVar[tuple[str, ...]] = ("weight",)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return Parameter.full("weight", shape[0]), Parameter.full("bias", shape[0])

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(shape)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.normalization import affine

        maps = x if x.ndim == 3 else x[:, None, None]
        return affine(maps, arrays["weight"], arrays.get("bias")).reshape(x.shape)


class Scale(Layer, frozen=True, kw_only=True):
    """Each value times ``scale``, plus ``shift``: two numbers that are not learned."""

    op: ClassVar[str] = "scale"

    scale: float = 1.0
    shift: float = 0.0

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        import numpy as np

        with np.errstate(all="ignore"):
            scaled: Array = x * x.dtype.type(self.scale)
            scaled += x.dtype.type(self.shift)
        return scaled


class BatchNorm(Layer, frozen=True, kw_only=True):
    """Normalises each channel with the mean and variance from training, then applies a weight and a bias as ``affine`` does.

    It counts no multiply-adds: once learned, it is part of the weights of the layer before.
    """

    op: ClassVar[str] = "batch-norm"
    needs: ClassVar[tuple[str, ...]] = ("mean", "variance")

    epsilon: float = 1e-5

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return two learned numbers per channel, and two that were measured in training."""
        learned = (Parameter.full("weight", shape[0]), Parameter.full("bias", shape[0]))
        measured = (Parameter.full(role, shape[0], learned=False) for role in ("mean", "variance"))
        return *learned, *measured

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.normalization import batch_norm

        maps = x if x.ndim == 3 else x[:, None, None]
        scales = (arrays["mean"], arrays["variance"], arrays.get("weight"), arrays.get("bias"))
        return batch_norm(maps, *scales, self.epsilon).reshape(x.shape)


class InstanceNorm(Layer, frozen=True, kw_only=True):
    """Normalises each map with its own mean and variance, then applies a weight and a bias as ``affine`` does."""

    op: ClassVar[str] = "instance-norm"

    epsilon: float = 1e-5

    def out(self, shape: Shape) -> Shape:
        return as_maps(shape)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return Parameter.full("weight", shape[0]), Parameter.full("bias", shape[0])

    def input_taps(self, shape: Shape) -> None:
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.normalization import instance_norm

        return instance_norm(x, arrays.get("weight"), arrays.get("bias"), self.epsilon)


class Flatten(Layer, frozen=True, kw_only=True):
    """All values of the maps in one vector: channel after channel, row after row; hwc is the order of Keras.

    In the order hwc, all channels of a pixel stand together.
    """

    op: ClassVar[str] = "flatten"

    order: str = "chw"

    def channels(self, before: int | None) -> None:
        return

    def out(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def input_taps(self, shape: Shape) -> None:
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        maps = x.transpose(1, 2, 0) if self.order == "hwc" and x.ndim == 3 else x
        return maps.reshape(-1)


class Dense(Layer, frozen=True, kw_only=True):
    """The dense (fully connected) layer: ``units`` weighted sums of all values of a vector."""

    op: ClassVar[str] = "dense"
    family: ClassVar[str] = "dense"
    needs: ClassVar[tuple[str, ...]] = ("weight",)

    units: int
    bias: bool = True

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        return {"units": array.shape[0]} if array.role == "weight" else {}

    def channels(self, before: int | None) -> None:
        return

    def out(self, shape: Shape) -> Shape:
        as_vector(shape)
        return (self.units,)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the weights (units, inputs), and a bias for each unit."""
        weight = Parameter.full("weight", self.units, as_vector(shape))
        return weight, *((Parameter.full("bias", self.units),) if self.bias else ())

    def multiply_adds(self, shape: Shape) -> int:
        return self.units * as_vector(shape)

    def input_taps(self, shape: Shape) -> None:
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        from ..ops.dense import dense

        return dense(x.reshape(-1), arrays["weight"], arrays.get("bias"))


class Rbf(Layer, frozen=True, kw_only=True):
    """Radial basis functions: the squared distance between a vector and each of ``units`` patterns, not learned.

    The last layer of LeNet-5: LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition"
    (Proceedings of the IEEE 86, 1998), section II.B.
    """

    op: ClassVar[str] = "rbf"
    needs: ClassVar[tuple[str, ...]] = ("weight",)

    units: int

    @classmethod
    def fields_from(cls, array: ArraySource, groups: int) -> dict[str, Any]:
        return {"units": array.shape[0]} if array.role == "weight" else {}

    def channels(self, before: int | None) -> None:
        return

    def out(self, shape: Shape) -> Shape:
        as_vector(shape)
        return (self.units,)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """Return the patterns (units, inputs)."""
        return (Parameter.full("weight", self.units, as_vector(shape), learned=False),)

    def multiply_adds(self, shape: Shape) -> int:
        return self.units * as_vector(shape)

    def input_taps(self, shape: Shape) -> None:
        return

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        result: Array = ((arrays["weight"].astype(x.dtype) - x.reshape(-1)) ** 2).sum(axis=1)
        return result


def _activation(function: str, about: str) -> Op:
    return Op(Activation, fixed={"function": function}, about=about)


CHANNELWISE = {"weight": ("key", "o"), "bias": ("bias", "o")}
OPS = {
    "relu": _activation("relu", "The larger of x and 0."),
    "leaky-relu": Op(LeakyRelu, ("slope",)),
    "prelu": Op(PRelu, arrays={"weight": ("key", "o")}),
    "elu": Op(Elu, ("alpha",)),
    "gelu": Op(Gelu, ("approximate",)),
    "silu": _activation("silu", "x / (1 + exp(-x))."),
    "hard-swish": _activation("hard_swish", "x times hard-sigmoid."),
    "hard-sigmoid": _activation("hard_sigmoid", "x / 6 + 1 / 2, between 0 and 1."),
    "clip": Op(Clip, ("low", "high")),
    "erf": _activation("erf", "The error function of x."),
    "sigmoid": _activation("sigmoid", "1 / (1 + exp(-x))."),
    "tanh": _activation("tanh", "The hyperbolic tangent of x."),
    "scaled-tanh": _activation("scaled_tanh", "1.7159 tanh(2 x / 3), that of LeNet-5."),
    "abs": _activation("abs", "The absolute value of x."),
    "square": _activation("square", "x times x."),
    "softmax": Op(Softmax),
    "local-response-norm": Op(LocalResponseNorm, ("size", "alpha", "beta", "k")),
    "affine": Op(Affine, arrays=CHANNELWISE),
    "scale": Op(Scale, ("scale", "shift")),
    "batch-norm": Op(BatchNorm, ("epsilon",), {**CHANNELWISE, "mean": ("mean", "o"), "variance": ("variance", "o")}),
    "instance-norm": Op(InstanceNorm, ("epsilon",), CHANNELWISE),
    "flatten": Op(Flatten, ("order",)),
    "dense": Op(Dense, ("units",), {"weight": ("key", "oi"), "bias": ("bias", "o")}),
    "rbf": Op(Rbf, ("units",), {"weight": ("key", "oi")}),
}
