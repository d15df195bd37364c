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
from .validation import as_number, as_real

CHUNK_SIZE = 1 << 14
"""Values computed at a time by functions of several steps."""


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


def sigmoid(x: ArrayLike) -> Array:
    """Return 1 / (1 + exp(-x)), computed from exponentials of negative numbers, which cannot overflow.

    >>> sigmoid([-np.inf, 0, np.inf]).tolist()
    [0.0, 0.5, 1.0]
    """
    return _in_chunks(lambda values: np.exp(np.minimum(values, 0)) / (1 + np.exp(-np.abs(values))), x)


def tanh(x: ArrayLike) -> Array:
    """Return the hyperbolic tangent.

    >>> tanh([-np.inf, 0, np.inf]).tolist()
    [-1.0, 0.0, 1.0]
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.tanh(as_real("x", x)))


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


def _in_chunks(function: Callable[[Array], Array], x: ArrayLike) -> Array:
    """Apply an elementwise function chunk by chunk: its temporary arrays stay in the cache."""
    values = as_real("x", x)
    out = np.empty(values.shape, values.dtype)
    flat, flat_out = values.reshape(-1), out.reshape(-1)
    with np.errstate(all="ignore"):
        for begin in range(0, flat.size, CHUNK_SIZE):
            flat_out[begin : begin + CHUNK_SIZE] = function(flat[begin : begin + CHUNK_SIZE])
    return out
