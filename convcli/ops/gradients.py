"""Gradients of convolutions and pooling of batches (N, C, H, W): derivatives of a loss before them, from those after them."""

from typing import NamedTuple

import numpy as np

from ..engine.jit.run import run_loop
from ..engine.loops.gradients import add_to_largest, fold, unfold
from ..engine.simd.reference import Array
from ..geometry.axes import make_axes, make_pool_axes
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Sides
from .pooling import averaged_counts


class ConvGradients(NamedTuple):
    """The gradients of the input of a convolution, None where it was not asked for, of its weights and of its biases."""

    x: Array | None
    weight: Array
    bias: Array


class BatchConv:
    """A convolution of a batch (N, C, H, W) with zeros in the padding, as training needs it: its maps, and then its gradients.

    Windows are copied to the columns of one matrix for the whole batch, which the weights multiply: ``conv2d`` is faster for a
    picture, but takes 0.1 ms for each. The gradient of the weights is the product of that of the maps and these columns.
    """

    def __init__(
        self,
        x: Array,
        size: Sides,
        *,
        stride: Sides = (1, 1),
        padding: Padding = 0,
        dilation: Sides = (1, 1),
        groups: int = 1,
    ) -> None:
        self.rows, self.columns = make_axes((x.shape[2], x.shape[3]), size, stride, padding, dilation)
        self.groups, self.shape = groups, x.shape
        self._window = (size, (self.rows.stride, self.columns.stride), (self.rows.dilation, self.columns.dilation))
        rows, columns = self.rows, self.columns
        pads = [(0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after)]
        padded = np.ascontiguousarray(np.pad(x, pads) if any(map(any, pads)) else x)
        unfolded = np.empty((x.shape[1] * size[0] * size[1], len(x), rows.out, columns.out), x.dtype)
        run_loop(unfold, padded, *self._window, unfolded)
        self.taps = unfolded.reshape(groups, -1, len(x) * rows.out * columns.out)

    def maps(self, weight: Array, bias: Array | None = None) -> Array:
        """Return the maps (N, O, H', W') of weights (O, C / groups, kh, kw), as ``conv2d`` does."""
        by_map = np.matmul(self._by_group(weight), self.taps).reshape(len(weight), -1)
        if bias is not None:
            by_map += bias[:, None]
        whole = by_map.reshape(len(weight), self.shape[0], self.rows.out, self.columns.out)
        return np.ascontiguousarray(whole.swapaxes(0, 1))

    def gradients(self, weight: Array, gradient: Array, with_x: bool = True) -> ConvGradients:
        """Return the gradients, from that of the maps (N, O, H', W')."""
        by_map = np.ascontiguousarray(gradient.swapaxes(0, 1)).reshape(self.groups, -1, self.taps.shape[2])
        of_weight = np.matmul(by_map, self.taps.swapaxes(1, 2)).reshape(weight.shape)
        of_bias = by_map.reshape(len(weight), -1).sum(axis=1)
        return ConvGradients(self._input_gradient(weight, by_map) if with_x else None, of_weight, of_bias)

    def _by_group(self, weight: Array) -> Array:
        return weight.reshape(self.groups, len(weight) // self.groups, -1)

    def _input_gradient(self, weight: Array, by_map: Array) -> Array:
        """Return the gradient of the input: each value of the gradient, spread over the window that it came from."""
        count, channels, height, width = self.shape
        rows, columns = self.rows, self.columns
        spread = np.matmul(self._by_group(weight).swapaxes(1, 2), by_map)
        padded = np.zeros((count, channels, rows.padded, columns.padded), by_map.dtype)
        run_loop(fold, spread.reshape(-1, count, rows.out, columns.out), *self._window, padded)
        return padded[:, :, rows.before : rows.before + height, columns.before : columns.before + width]


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
