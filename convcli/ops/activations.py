"""Activations: functions of real arrays of any shape, equal to PyTorch's functions of these names.

They return new arrays of the same shape: float64 for float64, float32 for every other dtype. NaN stays NaN, infinities give
the limits of the function, and overflow gives infinity without a warning. All raise ArgumentError if x is not an array of
real numbers, or is empty.
"""

import operator
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from . import error_function
from .validation import as_number, as_real, check_array

CHUNK_SIZE = 1 << 14
"""Values computed at a time by functions of several steps."""

TANH_AMPLITUDE, TANH_SLOPE = 1.7159, 2 / 3
"""The numbers of the scaled tanh of LeNet-5."""

GELU_FORMS = ("none", "tanh")
"""PyTorch's words for the exact GELU, and for the one by a hyperbolic tangent."""


def relu(x: ArrayLike) -> Array:
    """Replace negative values by 0.

    >>> relu([-2, 3]).tolist()
    [0.0, 3.0]
    """
    return np.asarray(np.maximum(as_real("x", x), 0))


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Array:
    """Multiply negative values by the slope.

    >>> leaky_relu([-2, 3], 0.5).tolist()
    [-1.0, 3.0]
    """
    slope = as_number("negative_slope", negative_slope)
    return _in_chunks(lambda values: np.maximum(values, 0) + values.dtype.type(slope) * np.minimum(values, 0), x)


def prelu(x: ArrayLike, weight: ArrayLike) -> Array:
    """Multiply negative values by a weight: one for all, or (C,), one for each channel of (C,), (N, C) or maps.

    He et al., "Delving Deep into Rectifiers", https://arxiv.org/abs/1502.01852.

    >>> prelu([[-2, 3], [-2, 3]], [0.5, 0.25]).tolist()
    [[-1.0, 3.0], [-1.0, 3.0]]
    """
    values, slopes = as_real("x", x), check_array("weight", weight, dimensions=(1,))
    axis = max(values.ndim - 3, 0) if values.ndim != 2 else 1
    channels = values.shape[axis] if values.ndim else 1
    if slopes.size not in (1, channels):
        raise ArgumentError(f"weight must have one value, or one for each of the {channels} channels of x, got {slopes.size}")
    slopes = slopes.astype(values.dtype)
    if slopes.size > 1:
        slopes = slopes.reshape(-1, *(1 for _ in values.shape[axis + 1 :]))
    with np.errstate(all="ignore"):
        return np.asarray(np.maximum(values, 0) + slopes * np.minimum(values, 0))


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Replace negative values by alpha * (exp(x) - 1).

    Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", https://arxiv.org/abs/1511.07289.

    >>> elu([-np.inf, 3], 0.5).tolist()
    [-0.5, 3.0]
    """
    factor = as_number("alpha", alpha)
    return _in_chunks(
        lambda values: np.where(values > 0, values, values.dtype.type(factor) * np.expm1(np.minimum(values, 0))), x
    )


def clip(x: ArrayLike, low: float, high: float) -> Array:
    """Replace values below ``low`` by it, and those above ``high``; 0 and 6 make the ReLU6 of MobileNets.

    >>> clip([-2, 3, 8], 0, 6).tolist()
    [0.0, 3.0, 6.0]
    """
    least, largest = as_number("low", low), as_number("high", high)
    if least > largest:
        raise ArgumentError(f"low must be at most high, got {low!r} and {high!r}")
    values = as_real("x", x)
    return np.asarray(np.clip(values, values.dtype.type(least), values.dtype.type(largest)))


def hard_sigmoid(x: ArrayLike) -> Array:
    """Return x / 6 + 1 / 2, between 0 and 1.

    Howard et al., "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244, section 5.2. ONNX's default slope is 1 / 5.

    >>> hard_sigmoid([-4, 0, 4]).tolist()
    [0.0, 0.5, 1.0]
    """
    return _in_chunks(_hard_sigmoid, x)


def hard_swish(x: ArrayLike) -> Array:
    """Return x * hard_sigmoid(x).

    >>> hard_swish([-4, 0, 1, 4]).tolist()
    [-0.0, 0.0, 0.6666666666666666, 4.0]
    """
    return _in_chunks(lambda values: _finite_below(values) * _hard_sigmoid(values), x)


def silu(x: ArrayLike) -> Array:
    """Return x * sigmoid(x), which is also called swish.

    >>> silu([-np.inf, 0, 1]).round(4).tolist()
    [-0.0, 0.0, 0.7311]
    """
    return _in_chunks(lambda values: _finite_below(values) * _sigmoid(values), x)


def gelu(x: ArrayLike, approximate: str = "none") -> Array:
    """Return x times the share of a standard normal distribution that is below x; "tanh" is PyTorch's approximation.

    Hendrycks and Gimpel, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415.

    >>> gelu([-1, 0, 1]).round(4).tolist()
    [-0.1587, 0.0, 0.8413]
    """
    if approximate not in GELU_FORMS:
        raise ArgumentError(f"approximate must be {' or '.join(map(repr, GELU_FORMS))}, got {approximate!r}")
    return _in_chunks(_gelu_by_tanh if approximate == "tanh" else _gelu, x)


def erf(x: ArrayLike) -> Array:
    """Return the error function, computed in float64.

    >>> erf([-np.inf, 0, 1]).round(4).tolist()
    [-1.0, 0.0, 0.8427]
    """
    return _in_chunks(lambda values: error_function.erf(values).astype(values.dtype), x)


def sigmoid(x: ArrayLike) -> Array:
    """Return 1 / (1 + exp(-x)), computed from exponentials of negative numbers, which cannot overflow.

    >>> sigmoid([-np.inf, 0, np.inf]).tolist()
    [0.0, 0.5, 1.0]
    """
    return _in_chunks(_sigmoid, x)


def tanh(x: ArrayLike) -> Array:
    """Return the hyperbolic tangent.

    >>> tanh([-np.inf, 0, np.inf]).tolist()
    [-1.0, 0.0, 1.0]
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.tanh(as_real("x", x)))


def scaled_tanh(x: ArrayLike) -> Array:
    """Return 1.7159 tanh(2 x / 3), which is 1 at 1 and steepest in its second derivative there.

    LeCun et al., Gradient-Based Learning Applied to Document Recognition (Proceedings of the IEEE 86, 1998), appendix A.

    >>> scaled_tanh([-np.inf, 0, 1]).round(4).tolist()
    [-1.7159, 0.0, 1.0]
    """
    values = as_real("x", x)
    with np.errstate(all="ignore"):
        out = np.tanh(values * values.dtype.type(TANH_SLOPE))
        out *= values.dtype.type(TANH_AMPLITUDE)
    return np.asarray(out)


def abs(x: ArrayLike) -> Array:
    """Return the absolute value.

    >>> abs([-2, 3]).tolist()
    [2.0, 3.0]
    """
    return np.asarray(np.abs(as_real("x", x)))


def square(x: ArrayLike) -> Array:
    """Return x * x.

    >>> square([-2, 3]).tolist()
    [4.0, 9.0]
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.square(as_real("x", x)))


def softmax(x: ArrayLike, axis: int | None = None) -> Array:
    """Return exp(x - max(x)) divided by its sum along an axis. Raises ArgumentError for an axis that x does not have.

    None is the axis of the channels in (C,), (N, C), (C, H, W) and (N, C, H, W), PyTorch's default for ``dim``; SciPy's
    default is all axes. Values along the axis become NaN where one is infinite, or all are negative infinity.

    >>> softmax([[0, 0], [0, 1000]]).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    values = as_real("x", x)
    axis = int(values.ndim not in (0, 1, 3)) if axis is None else axis
    try:
        index = operator.index(axis)
    except TypeError:
        index = values.ndim
    if isinstance(axis, bool) or not -values.ndim <= index < values.ndim:
        raise ArgumentError(f"axis must be a whole number, one of the {values.ndim} dimensions of x, got {axis!r}")
    with np.errstate(all="ignore"):
        powers = np.asarray(values - values.max(axis=index, keepdims=True, initial=-np.inf))
        np.exp(powers, out=powers)
        powers /= powers.sum(axis=index, keepdims=True)
    return powers


def _sigmoid(values: Array) -> Array:
    return np.asarray(np.exp(np.minimum(values, 0)) / (1 + np.exp(-np.abs(values))))


def _hard_sigmoid(values: Array) -> Array:
    return np.asarray(np.clip(values + values.dtype.type(3), 0, 6) / values.dtype.type(6))


def _gelu(values: Array) -> Array:
    """By erfc, whose small values are exact: 1 + erf would lose them below -5."""
    shares = error_function.erfc(values * -np.sqrt(0.5)) / 2
    return (_finite_below(values) * shares).astype(values.dtype)


def _gelu_by_tanh(values: Array) -> Array:
    low = _finite_below(values).astype(np.float64)
    inner = np.sqrt(2 / np.pi) * (low + 0.044715 * low**3)
    return np.asarray(low * (0.5 + 0.5 * np.tanh(inner)), values.dtype)


def _finite_below(values: Array) -> Array:
    """Replace negative infinity by the least finite number, whose product with 0 is 0, the limit of these functions."""
    return np.asarray(np.maximum(values, np.finfo(values.dtype).min))


def _in_chunks(function: Callable[[Array], Array], x: ArrayLike) -> Array:
    """Apply an elementwise function chunk by chunk: its temporary arrays stay in the cache."""
    values = as_real("x", x)
    out = np.empty(values.shape, values.dtype)
    flat, flat_out = values.reshape(-1), out.reshape(-1)
    with np.errstate(all="ignore"):
        for begin in range(0, flat.size, CHUNK_SIZE):
            flat_out[begin : begin + CHUNK_SIZE] = function(flat[begin : begin + CHUNK_SIZE])
    return out
