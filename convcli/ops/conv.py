"""``conv2d``: the convolution layer of the deep-learning frameworks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..engine.buffers import aligned
from ..engine.dtypes import loadable, real_of
from ..engine.im2col import is_deep, is_depthwise, layer_tables_for, with_totals
from ..engine.kernel_tables import kernel_tables_for
from ..engine.layout import Layout
from ..engine.offset import Offset
from ..engine.padded_copy import padded_copy
from ..engine.parallel_tasks import layer_tasks, tap_tasks
from ..engine.sample_facts import sample_facts_of
from ..engine.simd.reference import Array
from ..engine.threads import run_all
from ..geometry.axes import make_axes
from ..geometry.borders import ZERO, Border, BorderMode, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .validation import as_flag, check_array, check_bias, check_groups, check_method, workers_for


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    border: Border = "zero",
    flip: bool = False,
    threads: int | None = None,
    method: str | None = None,
) -> Array:
    """The convolution layer of the deep-learning frameworks, on NumPy arrays.

    Equal to PyTorch's ``conv2d`` and ONNX's ``Conv`` within float32 rounding, with PyTorch's order of arguments. It differs
    from PyTorch in this: a weight of 0 is not part of the kernel, so that a NaN or an infinity under it does not spread;
    "same" works with any stride; padding may differ before and after, and may hold any border; x may hold integers; float16
    is computed in float32.

    Parameters
    ----------
    x : (N, Cin, H, W) or (Cin, H, W), any real dtype
        Not changed. Computed in float32 or float64 as by :func:`filter2d`. N may be 0.
    weight : (Cout, Cin / groups, kh, kw)
        Each group of output channels sees its own group of input channels; groups = Cin is a depthwise convolution.
    bias : (Cout,), optional
    stride, padding, dilation, border, flip, threads, method
        As in :func:`filter2d`.
    groups : int
        Divides Cin and Cout.

    Returns
    -------
    (N, Cout, H', W') or (Cout, H', W'), float32 or float64

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used; the message names the argument, the rule and the value.

    Examples
    --------
    Four filters of 5 x 5 x 3 give four feature maps:

    >>> import numpy as np, convcli
    >>> convcli.conv2d(np.zeros((3, 32, 32)), np.zeros((4, 3, 5, 5))).shape
    (4, 28, 28)
    """
    pixels = loadable(check_array("x", x, dimensions=(3, 4), batched=True))
    weights = check_array("weight", weight, dimensions=(4,))
    batch = pixels if pixels.ndim == 4 else pixels[None]
    count, channels, height, width = batch.shape
    maps = weights.shape[0]
    check_groups(groups, channels, weights.shape)
    biases = check_bias(bias, maps)
    rows, columns = make_axes((height, width), weights.shape[2:], stride, padding, dilation)
    layout = Layout(rows, columns, pixel=1, depth=1)
    out = aligned((count, maps, rows.out, columns.out), real_of(batch))
    mode = check_border(border).for_axes(rows, columns)
    if mode.needs_copy:
        batch, layout, mode = padded_copy(batch, layout, mode), layout.of_padded_copy, ZERO
    check_method(method)
    workers = workers_for(threads)
    weights = (weights[:, :, ::-1, ::-1] if as_flag("flip", flip) else weights)[..., None]
    if method is None and groups == channels and is_depthwise(layout, weights[..., 0], batch):
        layers = [_Layer(batch, weights, biases, out, depthwise=True)]
    else:
        split = [np.split(array, groups, axis) for array, axis in ((batch, 1), (weights, 0), (biases, 0), (out, 1))]
        layers = [_Layer(*arrays) for arrays in zip(*split, strict=True)]
    run_all([task for layer in layers for task in _tasks_of(layout, layer, mode, method, workers)], workers)
    return out if pixels.ndim == 4 else out[0]


@dataclass(frozen=True)
class _Layer:
    """Images (N, P, H, samples) of P planes, weights (M, P, kh, kw, depth), bias (M,), and out (N, M, H', samples).

    With ``depthwise``, every plane has M / P maps of its own: the weights are (M, 1, kh, kw, 1).
    """

    images: Array
    weights: Array
    bias: Array
    out: Array
    depthwise: bool = False


def _tasks_of(
    layout: Layout, layer: _Layer, border: BorderMode, method: str | None, workers: int
) -> Iterator[Callable[[], None]]:
    """Yield the tasks for all images of a layer. An image reuses the tables of the one before where their facts are equal."""
    layer_tables = last_facts = tables = None
    for planes, out in zip(layer.images, layer.out, strict=True):
        offset = Offset(planes)
        if layer.depthwise or (method is None and is_deep(layout, layer.weights, planes)):
            layer_tables = layer_tables or layer_tables_for(layout, border, layer.weights, layer.bias, real_of(planes))
            if offset.needed and not layer_tables.weight_sum.any():  # here, as it takes 1 ms for a million weights
                layer_tables = with_totals(layer_tables, layer.weights)
            yield from layer_tasks(layout, layer_tables, layer.depthwise, planes, border.constant, offset, workers, out)
            continue
        facts = sample_facts_of(planes, layout, border, offset, method)
        if tables is None or facts != last_facts:
            last_facts, tables = facts, kernel_tables_for(layout, border, facts, method, layer.weights, layer.bias)
        yield from tap_tasks(layout, tables, layer.bias, planes, border.constant, offset, workers, out)
