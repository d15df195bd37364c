"""The transposed convolution. Each phase is computed as an ordinary convolution, so that no zeros are multiplied."""

import itertools
import math

import numpy as np
from msgspec import Struct
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
    """Apply a transposed convolution: every pixel of x, times the kernel, is added to the result.

    Equal to PyTorch's ``conv_transpose2d`` and ONNX's ``ConvTranspose`` within rounding, with PyTorch's order of arguments. A
    weight of 0 is not part of the kernel, as in :func:`conv2d`.

    Parameters
    ----------
    x : (N, Cin, H, W) or (Cin, H, W), any real dtype
        Not changed. Computed in float32 or float64 as by :func:`filter2d`. N may be 0.
    weight : (Cin, Cout / groups, kh, kw)
    bias : (Cout,), optional
    stride, dilation : int or (rows, columns)
        Distance in pixels of the result between neighbouring kernels, and between neighbouring taps.
    padding : int, (rows, columns), ((top, bottom), (left, right)), "valid", "same-upper" or "same-lower"
        Pixels cut from the result. "valid" cuts none. With "same-upper" and "same-lower" the result has the size of x times
        the stride.
    output_padding : int or (rows, columns)
        Pixels added below and on the right. Must be less than the stride or less than the dilation.
    groups : int
        Number of groups. Must divide Cin and Cout.
    border : "zero"
        The only border allowed, because padding is cut from the result and not filled.
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
            f"border of a transposed convolution must be zero, because its padding is cut off, not filled; got {border!r}; "
            "leave it out"
        )
    check_transposed_groups(groups, maps.shape[-3], weights.shape)
    batch = maps if maps.ndim == 4 else maps[None]
    cin, group_maps, *kernel = weights.shape
    biases = check_bias(bias, group_maps * groups)
    workers_for(threads)
    rows, columns = make_transposed_axes(batch.shape[2:], (kernel[0], kernel[1]), stride, padding, output_padding, dilation)
    weights = weights.reshape(groups, cin // groups, group_maps, *kernel).swapaxes(1, 2)  # conv2d's order: output, input
    out = aligned((len(batch), groups, group_maps, rows.out, columns.out), batch.dtype)
    biases = biases.reshape(groups, group_maps)
    for row_phases, column_phases in itertools.product(_phases(rows), _phases(columns)):
        offsets = itertools.product(row_phases.first_outputs, column_phases.first_outputs)
        targets = [out[..., top :: rows.stride, left :: columns.stride] for top, left in offsets]
        if row_phases.is_bias_only or column_phases.is_bias_only:
            for target in targets:
                target[:] = biases[..., None, None]
        else:
            _write_phases(batch, weights, biases, row_phases, column_phases, threads, targets)
    out = out.reshape(len(batch), groups * group_maps, rows.out, columns.out)
    return out if maps.ndim == 4 else out[0]


def _write_phases(
    batch: Array,
    weights: Array,
    biases: Array,
    row_phases: "_Phases",
    column_phases: "_Phases",
    threads: int | None,
    targets: list[Array],
) -> None:
    """Compute all combinations of the phases by one convolution, and write each to a target (N, groups, maps, h, w)."""
    groups, group_maps = biases.shape
    taps = np.stack([weights[..., i, j] for i, j in itertools.product(row_phases.taps, column_phases.taps)], axis=1)
    maps = conv2d(
        batch[:, :, row_phases.input_pixels, column_phases.input_pixels],
        taps.reshape(-1, *taps.shape[3:])[..., ::-1, ::-1],
        np.repeat(biases[:, None], len(targets), axis=1).ravel(),
        padding=(row_phases.pads, column_phases.pads),
        dilation=(row_phases.dilation, column_phases.dilation),
        groups=groups,
        threads=threads,
    )
    by_phase = maps.reshape(len(batch), groups, len(targets), group_maps, *maps.shape[2:])
    for i, target in enumerate(targets):
        target[:] = by_phase[:, :, i]


class _Phases(Struct, frozen=True):
    """Phases of a result that read the same input pixels with different taps.

    A phase is every stride-th output pixel along an axis, starting at one of ``first_outputs``.
    """

    first_outputs: tuple[int, ...]  # the first output pixel of each phase
    taps: tuple[slice, ...]
    input_pixels: slice
    pads: Sides
    dilation: int
    is_bias_only: bool  # whether no tap lies on the input


def _phases(axis: TransposedAxis) -> list[_Phases]:
    """Return the phases of an axis that are not empty, grouped by the input pixels that they read.

    Output o = first + stride * t is the sum over the taps j with j * dilation = o + before (mod stride). These are every
    (stride / g)-th tap, where g is the greatest common divisor of stride and dilation. From one of these taps to the next, the
    input pixel moves back by dilation / g.

    >>> axis = TransposedAxis(size=3, kernel=3, stride=2, dilation=1, before=0, after=0, output_padding=0)
    >>> [(phase.first_outputs, phase.taps, phase.pads) for phase in _phases(axis)]
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
        input_pixels = slice(max(begin, 0), min(end, axis.size))
        pads = max(-begin, 0), max(end - axis.size, 0)
        is_bias_only = count == 0 or input_pixels.start >= input_pixels.stop
        first_outputs, taps = zip(*members, strict=True)
        phases.append(_Phases(first_outputs, taps, input_pixels, pads, dilation, is_bias_only))
    return phases
