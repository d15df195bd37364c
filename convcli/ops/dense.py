"""The dense layer, and the flattening of maps before it."""

import math

import numpy as np
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from .validation import MAPS, as_real, check_array, check_bias


def flatten(x: ArrayLike) -> Array:
    """Reshape maps (N, C, H, W) to (N, C * H * W), or (C, H, W) to (C * H * W,), of the same dtype.

    The result may be a view of x, as from NumPy's ``reshape``. Raises ArgumentError for another number of dimensions.

    >>> flatten(np.zeros((2, 3, 4, 5))).shape
    (2, 60)
    """
    maps = check_array("x", x, MAPS, batched=True)
    return maps.reshape(*maps.shape[:-3], math.prod(maps.shape[-3:]))


def dense(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """Return x @ weight.T + bias: x is (N, in) or (in,), weight (out, in), bias (out,).

    The result is (N, out) or (out,), float32 or float64. Equal to PyTorch's ``linear`` within rounding. Raises ArgumentError.

    >>> dense([1, 2], [[3, 4], [5, 6]], bias=[0, 1]).tolist()
    [11.0, 18.0]
    """
    values, weights = as_real("x", x, (1, 2)), check_array("weight", weight, dimensions=(2,))
    if weights.shape[1] != values.shape[-1]:
        raise ArgumentError(f"weight must have shape (out, in) with in = {values.shape[-1]}, got {weights.shape}")
    biases = check_bias(bias, weights.shape[0])
    with np.errstate(all="ignore"):
        out = values @ weights.astype(values.dtype, copy=False).T
        out += biases.astype(values.dtype)
    return np.asarray(out)
