"""Gradients of convolutions and pooling of batches (N, C, H, W): derivatives of a loss before them, from those after them."""

from typing import Any, NamedTuple

import numpy as np

from ..engine.jit.run import run_loop
from ..engine.loops.gradients import add_to_largest, unfold
from ..engine.simd.reference import Array
from ..geometry.axes import Axis, make_axes, make_pool_axes
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .pooling import averaged_counts
from .transposed import conv_transpose2d


class ConvGradients(NamedTuple):
    """The gradients of the input of a convolution, None where it was not asked for, of its weights and of its biases."""

    x: Array | None
    weight: Array
    bias: Array


def conv2d_gradients(
    x: Array,
    weight: Array,
    gradient: Array,
    *,
    stride: Sides = (1, 1),
    padding: Padding = 0,
    dilation: Sides = (1, 1),
    groups: int = 1,
    with_x: bool = True,
) -> ConvGradients:
    """Return the gradients of ``conv2d`` with zeros in the padding, from the gradient of its maps (N, O, H', W').

    x is (N, C, H, W), weight (O, C / groups, kh, kw), all of one dtype, float32 or float64. The gradient of x is a transposed
    convolution; that of the weights sums, over all positions, the products of gradients and of the samples under each tap.

    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> found = conv2d_gradients(x, np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))
    >>> found.weight.tolist(), found.bias.tolist(), found.x.tolist()
    ([[[[8.0, 12.0], [20.0, 24.0]]]], [4.0], [[[[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]]])
    """
    size = weight.shape[2], weight.shape[3]
    rows, columns = make_axes((x.shape[2], x.shape[3]), size, stride, padding, dilation)
    columns_of = unfolded(x, rows, columns)
    positions = gradient.shape[0] * gradient.shape[2] * gradient.shape[3]
    by_map = np.ascontiguousarray(gradient.swapaxes(0, 1)).reshape(groups, -1, positions)
    taps = columns_of.reshape(groups, -1, positions)
    of_weight = np.matmul(by_map, taps.swapaxes(1, 2)).reshape(weight.shape)
    of_bias = by_map.reshape(len(weight), -1).sum(axis=1, dtype=np.float64).astype(x.dtype)
    of_x = _input_gradient(weight, gradient, rows, columns, groups) if with_x else None
    return ConvGradients(of_x, of_weight, of_bias)


def unfolded(x: Array, rows: Axis, columns: Axis) -> Array:
    """Return the samples under each tap of a window (C * kh * kw, N, H', W') on batches (N, C, H, W), padded with zeros."""
    pads = [(0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after)]
    padded = np.ascontiguousarray(np.pad(x, pads) if any(map(any, pads)) else x)
    out = np.empty((x.shape[1] * rows.kernel * columns.kernel, x.shape[0], rows.out, columns.out), x.dtype)
    kernel, stride = (rows.kernel, columns.kernel), (rows.stride, columns.stride)
    run_loop(unfold, padded, kernel, stride, (rows.dilation, columns.dilation), out)
    return out


def _input_gradient(weight: Array, gradient: Array, rows: Axis, columns: Axis, groups: int) -> Array:
    """Return the gradient of the input: each value of the gradient, spread over the window that it came from."""
    options: dict[str, Any] = {"stride": (rows.stride, columns.stride), "dilation": (rows.dilation, columns.dilation)}
    whole = conv_transpose2d(gradient, weight, groups=groups, **options)
    found = np.zeros((*gradient.shape[:1], weight.shape[1] * groups, rows.size, columns.size), gradient.dtype)
    places = [_overlap(axis, length) for axis, length in zip((rows, columns), whole.shape[2:], strict=True)]
    found[:, :, places[0][0], places[1][0]] = whole[:, :, places[0][1], places[1][1]]
    return found


def _overlap(axis: Axis, length: int) -> tuple[slice, slice]:
    """Return which samples of an axis the windows of all positions cover, and which of these ``length`` samples they are."""
    first, last = max(0, -axis.before), min(axis.size, length - axis.before)
    return slice(first, last), slice(first + axis.before, last + axis.before)


def max_pool2d_gradient(
    x: Array,
    gradient: Array,
    size: Sides,
    stride: Sides | None = None,
    padding: Padding = 0,
    dilation: Sides = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """Return the gradient of the input of ``max_pool2d``: each value goes to the first of the largest samples of its window.

    >>> max_pool2d_gradient(np.array([[[[1.0, 3.0], [3.0, 2.0]]]]), np.array([[[[5.0]]]]), (2, 2)).tolist()
    [[[[0.0, 5.0], [0.0, 0.0]]]]
    """
    rows, columns = make_pool_axes((x.shape[2], x.shape[3]), size, stride, padding, dilation, ceil_mode)
    planes = np.ascontiguousarray(x).reshape(-1, *x.shape[2:])
    out = np.zeros(planes.shape, x.dtype)
    sides = ((axis.kernel, axis.stride, axis.dilation, axis.before) for axis in (rows, columns))
    facts = tuple(zip(*sides, strict=True))
    run_loop(add_to_largest, planes, np.ascontiguousarray(gradient).reshape(-1, rows.out, columns.out), *facts, out)
    return out.reshape(x.shape)


def avg_pool2d_gradient(
    shape: tuple[int, ...],
    gradient: Array,
    size: Sides,
    stride: Sides | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Return the gradient of the input (N, C, H, W) of ``avg_pool2d``: each value is divided among the samples of its window.

    >>> avg_pool2d_gradient((1, 1, 2, 2), np.array([[[[4.0]]]]), (2, 2)).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    rows, columns = make_pool_axes((shape[2], shape[3]), size, stride, padding, (1, 1), ceil_mode)
    counts = averaged_counts((rows, columns), padding, count_include_pad)
    shares = (gradient / np.outer(counts[0], counts[1])).astype(gradient.dtype)
    out = np.zeros((*shape[:2], rows.padded, columns.padded), gradient.dtype)
    for ky in range(rows.kernel):
        for kx in range(columns.kernel):
            below, right = ky + (rows.out - 1) * rows.stride + 1, kx + (columns.out - 1) * columns.stride + 1
            out[:, :, ky : below : rows.stride, kx : right : columns.stride] += shares
    return out[:, :, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]


def softmax_gradient(result: Array, gradient: Array) -> Array:
    """Return the gradient of the input of ``softmax`` over axis 1, from its result and the gradient of that.

    >>> softmax_gradient(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])).tolist()
    [[0.25, -0.25]]
    """
    products = result * gradient
    return np.asarray(products - result * products.sum(axis=1, keepdims=True))
