"""The transposed convolution, by phases: each is an ordinary convolution, so that no zeros are multiplied."""

import itertools
import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from .arguments import MAPS, as_real, check_array, check_bias, check_transposed_groups, workers_for
from .buffers import aligned
from .conv import conv2d
from .geometry import Padding, Pair, Sides, TransposedAxis, make_transposed_axes
from .strips import Array


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    threads: int | None = None,
) -> Array:
    """The transposed convolution: every pixel of x lays down the kernel times itself.

    Equal to PyTorch's ``conv_transpose2d`` and ONNX's ``ConvTranspose`` within rounding. A weight of 0 is no part of the
    kernel, as in :func:`conv2d`.

    Parameters
    ----------
    x : (N, Cin, H, W) or (Cin, H, W), any real dtype
        Not changed. Computed in float32, in float64 when x is float64.
    weight : (Cin, Cout / groups, kh, kw)
    bias : (Cout,), optional
    stride, dilation : int or (rows, columns)
        Pixels of the result from one laid kernel to the next; from one tap to the next.
    padding : int, (rows, columns), ((top, bottom), (left, right)), "valid", "same-upper" or "same-lower"
        Pixels cut from the result. "valid" cuts none; with the others the result has the size of x times the stride.
    output_padding : int or (rows, columns)
        Pixels added below and on the right, less than the stride or the dilation.
    groups : int
        Divides Cin and Cout.
    threads : int, optional
        As in :func:`filter2d`.

    Returns
    -------
    (N, Cout, H', W') or (Cout, H', W'), float32 or float64

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or word cannot be used; it names the argument, the rule and the value.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> convcli.conv_transpose2d(np.ones((1, 1, 2)), np.ones((1, 1, 1, 3)), stride=(1, 2)).tolist()
    [[[1.0, 1.0, 2.0, 1.0, 1.0]]]
    """
    maps, weights = as_real("x", x, MAPS), check_array("weight", weight, dimensions=(4,))
    check_transposed_groups(groups, maps.shape[-3], weights.shape)
    batch = maps if maps.ndim == 4 else maps[None]
    cin, own, *kernel = weights.shape
    biases = check_bias(bias, own * groups)
    workers_for(threads)
    rows, columns = make_transposed_axes(batch.shape[2:], (kernel[0], kernel[1]), stride, padding, output_padding, dilation)
    turned = weights.reshape(groups, cin // groups, own, *kernel).swapaxes(1, 2).reshape(groups * own, cin // groups, *kernel)
    out = aligned((len(batch), groups * own, rows.out, columns.out), batch.dtype)
    for down, along in itertools.product(_phases(rows), _phases(columns)):
        part = out[:, :, down.first :: rows.stride, along.first :: columns.stride]
        taps = turned[:, :, down.taps, along.taps]
        if taps.size == 0 or 0 in (down.pixels.stop, along.pixels.stop):
            part[:] = biases.reshape(-1, 1, 1)
            continue
        part[:] = conv2d(
            batch[:, :, down.pixels, along.pixels],
            taps[:, :, ::-1, ::-1],
            biases,
            padding=(down.pads, along.pads),
            dilation=(down.dilation, along.dilation),
            groups=groups,
            threads=threads,
        )
    return out if maps.ndim == 4 else out[0]


@dataclass(frozen=True)
class _Phase:
    """Every so many-th pixel of a result, from the first one on: the taps that reach it, and the pixels that these read."""

    first: int
    taps: slice
    pixels: slice  # empty, up to 0, where all stand beside the maps
    pads: Sides
    dilation: int


def _phases(axis: TransposedAxis) -> list[_Phase]:
    """The phases of an axis that have pixels.

    Output o = first + stride * t comes from the taps j where j * dilation = o + before (mod stride): every (stride / g)-th,
    g being the greatest common divisor of both. Each such step moves dilation / g pixels back in the input.

    >>> axis = TransposedAxis(size=3, kernel=3, stride=2, dilation=1, before=0, after=0, extra=0)
    >>> [(phase.taps, phase.pads) for phase in _phases(axis)]
    [(slice(0, None, 2), (1, 1)), (slice(1, None, 2), (0, 0))]
    """
    common = math.gcd(axis.stride, axis.dilation)
    step, dilation = axis.stride // common, axis.dilation // common
    phases = []
    for first in range(min(axis.stride, axis.out)):
        place = first + axis.before
        start = next((j for j in range(step) if (place - j * axis.dilation) % axis.stride == 0), axis.kernel)
        count = len(range(start, axis.kernel, step))
        last = (place - start * axis.dilation) // axis.stride  # the pixel that the first tap reads
        begin = last - (count - 1) * dilation
        end = last + len(range(first, axis.out, axis.stride))
        inside = slice(max(begin, 0), max(min(end, axis.size), 0))
        if inside.start >= inside.stop:
            inside = slice(0, 0)
        pads = max(-begin, 0), max(end - axis.size, 0)
        phases.append(_Phase(first, slice(start, None, step), inside, pads, dilation))
    return phases
