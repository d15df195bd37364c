"""Activations: real arrays of any shape in, new arrays of the same shape out. Equal to PyTorch's functions of these names.

float64 stays float64; every other type is computed in float32. What is NaN stays so, infinities have their limits, and what is
too large becomes infinite without a warning. All raise ArgumentError for what is no array of real numbers, or empty.
"""

import operator
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from .validation import as_number, as_real

PART = 1 << 14
"""Numbers that are worked on at a time where there are several steps."""


def relu(x: ArrayLike) -> Array:
    """What is negative becomes 0.

    >>> relu([-2, 3]).tolist()
    [0.0, 3.0]
    """
    return np.asarray(np.maximum(as_real("x", x), 0))


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Array:
    """What is negative is multiplied by the slope.

    >>> leaky_relu([-2, 3], 0.5).tolist()
    [-1.0, 3.0]
    """
    slope = as_number("negative_slope", negative_slope)
    return _in_parts(lambda values: np.maximum(values, 0) + values.dtype.type(slope) * np.minimum(values, 0), x)


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x)), from powers of negative numbers, which cannot overflow.

    >>> sigmoid([-np.inf, 0, np.inf]).tolist()
    [0.0, 0.5, 1.0]
    """
    return _in_parts(lambda values: np.exp(np.minimum(values, 0)) / (1 + np.exp(-np.abs(values))), x)


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent.

    >>> tanh([-np.inf, 0, np.inf]).tolist()
    [-1.0, 0.0, 1.0]
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.tanh(as_real("x", x)))


def abs(x: ArrayLike) -> Array:
    """The absolute value.

    >>> abs([-2, 3]).tolist()
    [2.0, 3.0]
    """
    return np.asarray(np.abs(as_real("x", x)))


def square(x: ArrayLike) -> Array:
    """X times x.

    >>> square([-2, 3]).tolist()
    [4.0, 9.0]
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.square(as_real("x", x)))


def softmax(x: ArrayLike, axis: int | None = None) -> Array:
    """exp(x) over its sum along an axis, the largest number being taken off first. ArgumentError where there is no such axis.

    None is the axis of the channels, as in a network: of (C,), (N, C), (C, H, W) and (N, C, H, W). PyTorch takes it where its
    ``dim`` is left out; SciPy takes all axes then. An infinite number, or nothing but its negative, makes NaN of its line.

    >>> softmax([[0, 0], [0, 1000]]).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    values = as_real("x", x)
    axis = int(values.ndim not in (0, 1, 3)) if axis is None else axis
    try:
        along = operator.index(axis)
    except TypeError:
        along = values.ndim
    if isinstance(axis, bool) or not -values.ndim <= along < values.ndim:
        raise ArgumentError(f"axis must be a whole number, one of the {values.ndim} dimensions of x, got {axis!r}")
    with np.errstate(all="ignore"):
        powers = np.asarray(values - values.max(axis=along, keepdims=True, initial=-np.inf))
        np.exp(powers, out=powers)
        powers /= powers.sum(axis=along, keepdims=True)
    return powers


def _in_parts(function: Callable[[Array], Array], x: ArrayLike) -> Array:
    """A function of each number, a part at a time: what it makes on the way stays in the cache, and takes no memory."""
    values = as_real("x", x)
    out = np.empty(values.shape, values.dtype)
    flat, into = values.reshape(-1), out.reshape(-1)
    with np.errstate(all="ignore"):
        for begin in range(0, flat.size, PART):
            into[begin : begin + PART] = function(flat[begin : begin + PART])
    return out
