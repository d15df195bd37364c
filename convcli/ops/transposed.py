"""The transposed convolution, computed by phases: each is an ordinary convolution, so that no zeros are multiplied."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..engine.buffers import aligned
from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..geometry.axes import TransposedAxis, make_transposed_axes
from ..geometry.borders import ZERO, Border, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair, Sides
from .conv import conv2d
from .validation import MAPS, as_real, check_array, check_bias, check_transposed_groups, workers_for


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
    *,
    border: Border = "zero",
    threads: int | None = None,
) -> Array:
    """The transposed convolution: every pixel of x adds the kernel, times its value, to the result.

    Equal to PyTorch's ``conv_transpose2d`` and ONNX's ``ConvTranspose`` within rounding, with PyTorch's order of arguments. A
    weight of 0 is not part of the kernel, as in :func:`conv2d`.

    Parameters
    ----------
    x : (N, Cin, H, W) or (Cin, H, W), any real dtype
        Not changed. Computed in float32 or float64 as by :func:`filter2d`. N may be 0.
    weight : (Cin, Cout / groups, kh, kw)
    bias : (Cout,), optional
    stride, dilation : int or (rows, columns)
        Pixels of the result from one kernel to the next; from one tap to the next.
    padding : int, (rows, columns), ((top, bottom), (left, right)), "valid", "same-upper" or "same-lower"
        Pixels cut from the result. "valid" cuts none; with the others the result has the size of x times the stride.
    output_padding : int or (rows, columns)
        Pixels added below and on the right, less than the stride or the dilation.
    groups : int
        Divides Cin and Cout.
    border : "zero"
        No other border is possible: padding is cut from the result, and nothing is filled.
    threads : int, optional
        As in :func:`filter2d`.

    Returns
    -------
    (N, Cout, H', W') or (Cout, H', W'), float32 or float64

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used; the message names the argument, the rule and the value.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> convcli.conv_transpose2d(np.ones((1, 1, 2)), np.ones((1, 1, 1, 3)), stride=(1, 2)).tolist()
    [[[1.0, 1.0, 2.0, 1.0, 1.0]]]
    """
    maps, weights = as_real("x", x, MAPS), check_array("weight", weight, dimensions=(4,))
    if check_border(border) != ZERO:
        raise ArgumentError(
            f"border of a transposed convolution must be zero, for its padding is cut off, not filled; got {border!r}; "
            "leave it out"
        )
    check_transposed_groups(groups, maps.shape[-3], weights.shape)
    batch = maps if maps.ndim == 4 else maps[None]
    cin, group_maps, *kernel = weights.shape
    biases = check_bias(bias, group_maps * groups)
    workers_for(threads)
    rows, columns = make_transposed_axes(batch.shape[2:], (kernel[0], kernel[1]), stride, padding, output_padding, dilation)
    swapped = weights.reshape(groups, cin // groups, group_maps, *kernel).swapaxes(1, 2)  # conv2d's order: output, input
    out = aligned((len(batch), groups, group_maps, rows.out, columns.out), batch.dtype)
    biases = biases.reshape(groups, group_maps)
    for down, along in itertools.product(_phases(rows), _phases(columns)):
        offsets = itertools.product(down.firsts, along.firsts)
        targets = [out[..., top :: rows.stride, left :: columns.stride] for top, left in offsets]
        if down.unseen or along.unseen:
            for target in targets:
                target[:] = biases[..., None, None]
        else:
            _write_phases(batch, swapped, biases, down, along, threads, targets)
    out = out.reshape(len(batch), groups * group_maps, rows.out, columns.out)
    return out if maps.ndim == 4 else out[0]


def _write_phases(
    batch: Array, weights: Array, biases: Array, down: "_Phases", along: "_Phases", threads: int | None, targets: list[Array]
) -> None:
    """Compute all phases of ``down`` and ``along`` by one convolution, and write each to its target (N, groups, maps, h, w)."""
    groups, group_maps = biases.shape
    taps = np.stack([weights[..., i, j] for i, j in itertools.product(down.taps, along.taps)], axis=1)
    maps = conv2d(
        batch[:, :, down.pixels, along.pixels],
        taps.reshape(-1, *taps.shape[3:])[..., ::-1, ::-1],
        np.repeat(biases[:, None], len(targets), axis=1).ravel(),
        padding=(down.pads, along.pads),
        dilation=(down.dilation, along.dilation),
        groups=groups,
        threads=threads,
    )
    by_phase = maps.reshape(len(batch), groups, len(targets), group_maps, *maps.shape[2:])
    for i, target in enumerate(targets):
        target[:] = by_phase[:, :, i]


@dataclass(frozen=True)
class _Phases:
    """Phases of a result that read the same input pixels, each with taps of its own.

    A phase is every stride-th output pixel, starting at ``first``.
    """

    firsts: tuple[int, ...]
    taps: tuple[slice, ...]
    pixels: slice  # of the input
    pads: Sides
    dilation: int
    unseen: bool  # whether there are no taps, or all lie outside the input


def _phases(axis: TransposedAxis) -> list[_Phases]:
    """Return the phases of an axis that have pixels, grouped by the input pixels that they read.

    Output o = first + stride * t is summed from the taps j with j * dilation = o + before (mod stride). These are every
    (stride / g)-th tap, g being the greatest common divisor of both. Each such step moves dilation / g pixels back in the
    input.

    >>> axis = TransposedAxis(size=3, kernel=3, stride=2, dilation=1, before=0, after=0, extra=0)
    >>> [(phase.firsts, phase.taps, phase.pads) for phase in _phases(axis)]
    [((0,), (slice(0, None, 2),), (1, 1)), ((1,), (slice(1, None, 2),), (0, 0))]
    """
    common = math.gcd(axis.stride, axis.dilation)
    step, dilation = axis.stride // common, axis.dilation // common
    starts = {j * axis.dilation % axis.stride: j for j in range(min(step, axis.kernel))}
    by_pixels: dict[tuple[int, int, int], list[tuple[int, slice]]] = {}
    for first in range(min(axis.stride, axis.out)):
        position = first + axis.before
        start = starts.get(position % axis.stride, axis.kernel)
        count = len(range(start, axis.kernel, step))
        last = (position - start * axis.dilation) // axis.stride  # the pixel that the first tap reads
        begin, end = last - (count - 1) * dilation, last + len(range(first, axis.out, axis.stride))
        by_pixels.setdefault((count, begin, end), []).append((first, slice(start, None, step)))
    phases = []
    for (count, begin, end), members in by_pixels.items():
        pixels = slice(max(begin, 0), min(end, axis.size))
        pads = max(-begin, 0), max(end - axis.size, 0)
        unseen = count == 0 or pixels.start >= pixels.stop
        firsts, taps = zip(*members, strict=True)
        phases.append(_Phases(firsts, taps, pixels, pads, dilation, unseen))
    return phases
