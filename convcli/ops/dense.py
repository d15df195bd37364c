"""Layers without a place: every number of the input is a number of its own."""

import math

import numpy as np
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from .validation import MAPS, as_real, check_array, check_bias


def flatten(x: ArrayLike) -> Array:
    """Maps (N, C, H, W) as (N, C * H * W), or (C, H, W) as (C * H * W,), of the same dtype.

    It may be a view of x, as NumPy's ``reshape`` gives. Raises ArgumentError for what are no maps.

    >>> flatten(np.zeros((2, 3, 4, 5))).shape
    (2, 60)
    """
    maps = check_array("x", x, MAPS, batched=True)
    return maps.reshape(*maps.shape[:-3], math.prod(maps.shape[-3:]))


def dense(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """x (N, in) or (in,) times weight (out, in), plus bias (out,): (N, out) or (out,), float32 or float64.

    Equal to PyTorch's ``linear`` within rounding. Raises ArgumentError.

    >>> dense([1, 2], [[3, 4], [5, 6]], bias=[0, 1]).tolist()
    [11.0, 18.0]
    """
    numbers, weights = as_real("x", x, (1, 2)), check_array("weight", weight, dimensions=(2,))
    if weights.shape[1] != numbers.shape[-1]:
        raise ArgumentError(f"weight must have shape (out, in) with in = {numbers.shape[-1]}, got {weights.shape}")
    biases = check_bias(bias, weights.shape[0])
    with np.errstate(all="ignore"):
        out = numbers @ weights.astype(numbers.dtype, copy=False).T
        out += biases.astype(numbers.dtype)
    return np.asarray(out)
