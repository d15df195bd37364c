"""Convolutions with restricted connections: depthwise, pointwise, separable, and by a table of connections."""

import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..geometry.borders import Border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair, as_count
from .conv import conv2d
from .validation import MAPS, check_array


def depthwise_conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    *,
    border: Border = "zero",
    flip: bool = False,
    threads: int | None = None,
    method: str | None = None,
) -> Array:
    """Convolve each channel with filters of its own: :func:`conv2d` with a group for each channel.

    x is (N, C, H, W) or (C, H, W); weight (C * multiplier, 1, kh, kw) or (C * multiplier, kh, kw); bias (C * multiplier,). The
    result has C * multiplier maps, those of the first channel first, float32 or float64. Options and errors are those of
    conv2d.

    >>> depthwise_conv2d([[[1, 2]], [[3, 4]]], [[[10]], [[100]]]).tolist()
    [[[10.0, 20.0]], [[300.0, 400.0]]]
    """
    pixels, weights = check_array("x", x, MAPS, batched=True), check_array("weight", weight, dimensions=(3, 4))
    if weights.ndim == 3:
        weights = weights[:, None]
    channels = pixels.shape[-3]
    if len(weights) % channels or weights.shape[1] != 1:
        raise ArgumentError(f"weight must have shape (C * multiplier, 1, kh, kw) with C = {channels}, got {np.shape(weight)}")
    return conv2d(
        pixels,
        weights,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=channels,
        border=border,
        flip=flip,
        threads=threads,
        method=method,
    )


def pointwise_conv2d(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, threads: int | None = None) -> Array:
    """Mix channels by a 1 x 1 convolution: weight is (Cout, Cin) or (Cout, Cin, 1, 1).

    x is (N, Cin, H, W) or (Cin, H, W), bias (Cout,). Results and errors are those of :func:`conv2d`.

    >>> pointwise_conv2d([[[1, 2]], [[3, 4]]], [[10, 100]]).tolist()
    [[[310.0, 420.0]]]
    """
    return _mixed(x, "weight", weight, bias, threads)


def _mixed(x: ArrayLike, name: str, weight: ArrayLike, bias: ArrayLike | None, threads: int | None) -> Array:
    """Mix channels by a weight; ``name`` is the name of the argument in error messages."""
    channels = check_array("x", x, MAPS, batched=True).shape[-3]
    weights = check_array(name, weight, dimensions=(2, 4))
    if weights.shape[2:] not in ((), (1, 1)) or weights.shape[1] != channels:
        raise ArgumentError(f"{name} must have shape (Cout, {channels}), or (Cout, {channels}, 1, 1), got {weights.shape}")
    return conv2d(x, weights.reshape(*weights.shape[:2], 1, 1), bias, threads=threads)


def separable_conv2d(
    x: ArrayLike,
    depthwise: ArrayLike,
    pointwise: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    *,
    border: Border = "zero",
    flip: bool = False,
    threads: int | None = None,
    method: str | None = None,
) -> Array:
    """Convolve each channel by ``depthwise``, with these options, then mix the channels by ``pointwise`` and add the bias.

    It is :func:`depthwise_conv2d` followed by :func:`pointwise_conv2d`. depthwise is (C * multiplier, 1, kh, kw) or (C *
    multiplier, kh, kw), and pointwise (Cout, C * multiplier) or (Cout, C * multiplier, 1, 1).

    >>> separable_conv2d([[[1, 2]], [[3, 4]]], np.ones((2, 1, 2)), [[10, 1]], bias=[5]).tolist()
    [[[42.0]]]
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "border": border, "flip": flip, "method": method}
    between = depthwise_conv2d(x, depthwise, threads=threads, **options)  # type: ignore[arg-type]
    return _mixed(between, "pointwise", pointwise, bias, threads)


def connected_weight(weights: Sequence[ArrayLike], connections: Sequence[Sequence[int]], channels: int) -> Array:
    """Return the weight (Cout, channels, kh, kw) of a :func:`conv2d` in which map m reads only the planes ``connections[m]``.

    weights[m] is (len(connections[m]), kh, kw), with a plane for each of them in that order, or (channels, kh, kw), of which
    the other planes are ignored. The maps of layer C3 of LeNet-5 are connected in this way (LeCun 1998, table I), which
    groups cannot express. Raises ArgumentError that names the map.

    >>> connected_weight([[[[1]]], [[[2]], [[3]]]], [[1], [0, 2]], channels=3)[:, :, 0, 0].tolist()
    [[0, 1, 0], [2, 0, 3]]
    """
    count = as_count("channels", channels)
    if len(weights) != len(connections) or not len(weights):
        raise ArgumentError(f"connections must have a list for each of the {len(weights)} weights, got {len(connections)}")
    kernels = [check_array(f"weights of map {m}", kernel, dimensions=(3,)) for m, kernel in enumerate(weights)]
    out = np.zeros((len(kernels), count, *kernels[0].shape[1:]), np.result_type(*kernels))
    for m, (kernel, planes) in enumerate(zip(kernels, connections, strict=True)):
        chosen = _as_planes(m, planes, count)
        if len(kernel) not in (len(chosen), count) or kernel.shape[1:] != out.shape[2:]:
            sides = " x ".join(map(str, out.shape[2:]))
            raise ArgumentError(
                f"weights of map {m} must have {len(chosen)} or {count} planes of {sides} as map 0, got shape {kernel.shape}"
            )
        out[m, chosen] = kernel if len(kernel) == len(chosen) else kernel[chosen]
    return out


def _as_planes(m: int, planes: Sequence[int], channels: int) -> list[int]:
    """Read the planes of one map, each once. Raises ArgumentError."""
    try:
        chosen = [operator.index(plane) for plane in planes]
    except TypeError:
        chosen = []
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= plane < channels for plane in chosen):
        raise ArgumentError(f"connections of map {m} must be different planes from 0 to {channels - 1}, got {planes!r}")
    return chosen
