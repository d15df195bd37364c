"""Pooling: the maximum, the mean or a norm of each window; and up-sampling."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..engine.buffers import aligned
from ..engine.dtypes import real_of
from ..engine.jit.native import Ready
from ..engine.jit.run import run_loop
from ..engine.layout import SAMPLE_OVERHEAD, cut
from ..engine.loops.pooling import Windows, take_largest, take_means, take_norms
from ..engine.simd.reference import MAX_LANES, Array
from ..engine.threads import run_all
from ..errors import ArgumentError
from ..geometry.axes import Axis, count_taps_within, make_pool_axes
from ..geometry.padding import Padding, resolve_padding
from ..geometry.whole_numbers import Pair, as_count, as_pair
from .kept_plans import KeptPlans
from .validation import MAPS, as_flag, as_number, as_real, check_array, workers_for

KEPT_PLANS = 16
"""Plans that are kept: making one takes 50 microseconds, as long as pooling 10,000 samples."""


class PoolOptions(NamedTuple):
    """Options that a plan depends on."""

    kernel_size: Pair
    stride: Pair | None
    padding: Padding
    dilation: Pair = 1
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None


class PoolPlan(NamedTuple):
    """The windows on maps of one shape, and the counts of values (H',) and (W',), float64, that means are divided by."""

    rows: Axis
    columns: Axis
    windows: Ready[Windows]
    counts: tuple[Array, Array]


def _make_plan(shape: tuple[int, ...], _: np.dtype[Any], options: PoolOptions) -> PoolPlan:
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor = options
    sizes = shape[-2], shape[-1]
    rows, columns = make_pool_axes(sizes, kernel_size, stride, padding, dilation, as_flag("ceil_mode", ceil_mode))
    padded = columns.before + columns.size + columns.after
    row_fields = rows.size, rows.out, rows.kernel, rows.stride, rows.dilation, rows.before
    windows = Windows(*row_fields, columns.kernel, columns.stride, columns.dilation, columns.before, padded)
    counts = averaged_counts((rows, columns), padding, as_flag("count_include_pad", count_include_pad))
    if divisor is not None:
        counts = [np.full(rows.out, as_count("divisor_override", divisor), np.float64), np.ones(columns.out)]
    return PoolPlan(rows, columns, Ready(windows), (counts[0], counts[1]))


def averaged_counts(axes: tuple[Axis, Axis], padding: Padding, with_pads: bool) -> list[Array]:
    """Return the counts of samples (H',) and (W',), float64, that means are divided by: their products are those of windows.

    Zeros that ``padding`` adds count if ``with_pads``; those that a rounded-up size adds never do.
    """
    extents, sizes, strides = ((getattr(axes[0], name), getattr(axes[1], name)) for name in ("extent", "size", "stride"))
    counts = []
    for axis, (before, after) in zip(axes, resolve_padding(padding, extents, sizes, strides), strict=True):
        counted = (-before, axis.size + after) if with_pads else (0, axis.size)
        counts.append(np.array(count_taps_within(axis, *counted), np.float64))
    return counts


_plans: KeptPlans[PoolPlan] = KeptPlans(KEPT_PLANS)


def max_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    *,
    threads: int | None = None,
) -> Array:
    """Return the maximum of each window. Equal to PyTorch's ``max_pool2d`` and ONNX's ``MaxPool``, for any dtype.

    Padding is never the maximum; NaN always is.

    Parameters
    ----------
    x : (N, C, H, W) or (C, H, W), any real dtype
        Not changed. N may be 0.
    kernel_size, stride, dilation : int or (rows, columns)
        A stride of None is the size of the window.
    padding : as in :func:`conv2d`
    ceil_mode : bool
        Whether the output size is rounded up, so that pixels after the last full window have a window too.
    threads : int, optional
        As in :func:`filter2d`.

    Returns
    -------
    (N, C, H', W') or (C, H', W'), of the dtype of x

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used, or a window would lie on padding alone.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> convcli.max_pool2d(np.arange(16).reshape(1, 4, 4), 2).tolist()
    [[[5, 7], [13, 15]]]
    """
    values = check_array("x", x, MAPS, batched=True)
    plan = _plans.get(_make_plan, values, (), PoolOptions(kernel_size, stride, padding, dilation, ceil_mode))
    if values.dtype.itemsize > 8 or (values.dtype.itemsize == 8 and values.dtype.kind in "ui"):  # float64 does not hold them
        workers_for(threads)
        return _largest_of(values, plan.rows, plan.columns)
    maps = values.astype(real_of(values.dtype), copy=False)
    lowest = maps.dtype.type(-np.inf)

    def take(planes: Array, windows: Ready[Windows], *rest: Any) -> None:
        run_loop(take_largest, planes, windows, lowest, *rest)

    return _pool(maps, plan, take, threads, maps.dtype).astype(values.dtype, copy=False)


def _largest_of(maps: Array, rows: Axis, columns: Axis) -> Array:
    """Return the maximum of each window on maps of any dtype, tap by tap with NumPy."""
    integer = np.issubdtype(maps.dtype, np.integer)
    lowest = np.iinfo(maps.dtype).min if integer else -np.inf
    pads = [(0, 0)] * (maps.ndim - 2) + [(axis.before, axis.after) for axis in (rows, columns)]
    padded = np.pad(maps, pads, constant_values=lowest)
    out = np.full((*maps.shape[:-2], rows.out, columns.out), lowest, maps.dtype)
    for taps in itertools.product(range(rows.kernel), range(columns.kernel)):
        first = [tap * axis.dilation for tap, axis in zip(taps, (rows, columns), strict=True)]
        steps = [slice(i, i + (a.out - 1) * a.stride + 1, a.stride) for i, a in zip(first, (rows, columns), strict=True)]
        np.maximum(out, padded[..., steps[0], steps[1]], out=out)
    return out


def _pool(maps: Array, plan: PoolPlan, take: Callable[..., None], threads: int | None, line_dtype: np.dtype[Any]) -> Array:
    """Pool maps by ``take(planes, windows, band, line, out)``, in bands of output rows. ``line`` has the dtype line_dtype.

    The loops in ``engine.loops.pooling`` reduce the rows of a window to ``line``, then its columns: for reductions that are
    separable, as maxima and sums are, and take time for kernel rows plus columns. Others, such as a median, need a loop and
    memory for a whole window, and take time for rows times columns.
    """
    workers, (rows, columns, windows, _) = workers_for(threads), plan
    out = aligned((*maps.shape[:-2], rows.out, columns.out), maps.dtype)
    if out.size == 0:
        return out
    planes = np.ascontiguousarray(maps).reshape(-1, *maps.shape[-2:])
    lines, padded = out.reshape(-1, columns.out), windows.value.padded

    def take_band(band: tuple[int, int]) -> None:
        take(planes, windows, band, np.empty(padded + MAX_LANES, line_dtype), lines)

    work = len(lines) * (padded * (rows.kernel + columns.kernel) + SAMPLE_OVERHEAD * columns.out)
    run_all([partial(take_band, band) for band in cut(len(lines), work, workers)], workers)
    return out


def avg_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    threads: int | None = None,
) -> Array:
    """Return the mean of each window, summed in float64. Equal to PyTorch's ``avg_pool2d`` and ONNX's ``AveragePool``.

    Parameters
    ----------
    x, kernel_size, stride, padding, ceil_mode, threads
        As in :func:`max_pool2d`.
    count_include_pad : bool
        Whether the zeros of the padding count; those that ``ceil_mode`` adds never do. ONNX's default is False.
    divisor_override : int, optional
        The divisor of every sum, in place of the count of its values.

    Returns
    -------
    (N, C, H', W') or (C, H', W'), float32 or float64

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used, or a window would lie on padding alone.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> convcli.avg_pool2d(np.arange(16).reshape(1, 4, 4), 2).tolist()
    [[[2.5, 4.5], [10.5, 12.5]]]
    """
    maps = as_real("x", x, MAPS)
    options = PoolOptions(kernel_size, stride, padding, 1, ceil_mode, count_include_pad, divisor_override)
    plan = _plans.get(_make_plan, maps, (), options)

    def take(planes: Array, windows: Ready[Windows], *rest: Any) -> None:
        run_loop(take_means, planes, windows, *plan.counts, *rest)

    return _pool(maps, plan, take, threads, np.dtype(np.float64))


def lp_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    *,
    norm_type: float = 2,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    threads: int | None = None,
) -> Array:
    """Return the norm of each window, sum(|x| ** norm_type) ** (1 / norm_type), with zeros in the padding.

    Equal to ONNX's ``LpPool`` (https://onnx.ai/onnx/operators/onnx__LpPool.html) within rounding; norm_type is its p. PyTorch's
    ``LPPool2d`` raises x itself to the power: with odd powers values of both signs cancel, and from 3 on a negative sum gives
    NaN. With ceil_mode it also scales the sum of a window at the edge as if the window were full, which ONNX does not.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, threads
        As in :func:`max_pool2d`.
    norm_type : float
        The power, at least 1: 2 is the root of the sum of squares, 1 the sum of absolute values.

    Returns
    -------
    (N, C, H', W') or (C, H', W'), float32 or float64

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used, or a window would lie on padding alone.

    Notes
    -----
    Powers are summed in float64 without scaling. A power above 1.8e308 makes the norm infinite, and one below
    4.9e-324 is 0: with norm_type 2 for float64 values above 1.3e154 or below 1.6e-162, and never for float32. ONNX Runtime
    does the same in the dtype of x, so that its float32 squares overflow from 1.8e19 on.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> convcli.lp_pool2d([[[3, -4, 1], [0, 0, 1]]], (2, 2), stride=1).tolist()
    [[[5.0, 4.242640687119285]]]
    """
    maps, power = as_real("x", x, MAPS), as_number("norm_type", norm_type)
    if power < 1:
        raise ArgumentError(f"norm_type must be at least 1, got {norm_type!r}")
    plan = _plans.get(_make_plan, maps, (), PoolOptions(kernel_size, stride, padding, dilation, ceil_mode))

    def take(planes: Array, windows: Ready[Windows], *rest: Any) -> None:
        run_loop(take_norms, planes, windows, power == 2, *rest)

    if power in (1, 2):
        return _pool(maps, plan, take, threads, np.dtype(np.float64))
    with np.errstate(all="ignore"):
        powers = np.abs(maps, dtype=np.float64)
        np.power(powers, power, out=powers)
        sums = _pool(powers, plan, take, threads, powers.dtype)
        return np.power(sums, 1 / power, out=sums).astype(maps.dtype, copy=False)


def global_avg_pool2d(x: ArrayLike) -> Array:
    """Return the mean of each map, summed in float64: x (N, C, H, W) or (C, H, W) gives (N, C, 1, 1) or (C, 1, 1).

    Equal to ONNX's ``GlobalAveragePool`` within rounding. Raises ArgumentError for another number of dimensions.

    >>> global_avg_pool2d([[[1, 2], [3, 6]]]).tolist()
    [[[3.0]]]
    """
    maps = as_real("x", x, MAPS)
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Array = maps.mean(axis=(-2, -1), keepdims=True, dtype=np.float64).astype(maps.dtype)
    return mean


def global_max_pool2d(x: ArrayLike) -> Array:
    """Return the maximum of each map, of the dtype of x; shapes are those of ``global_avg_pool2d``.

    Equal to ONNX's ``GlobalMaxPool``. NaN is the maximum where there is one. Raises ArgumentError.

    >>> global_max_pool2d([[[1, 2], [3, 6]]]).tolist()
    [[[6]]]
    """
    largest: Array = check_array("x", x, MAPS, batched=True).max(axis=(-2, -1), keepdims=True)
    return largest


def adaptive_avg_pool2d(x: ArrayLike, output_size: Pair) -> Array:
    """Return the means of windows that cover maps (N, C, H, W) or (C, H, W), summed in float64: ``output_size`` of them.

    Window i of n along an axis of H pixels begins at floor(i H / n) and ends before ceil((i + 1) H / n), so that neighbours may
    share a pixel. Equal to PyTorch's ``adaptive_avg_pool2d`` within rounding. ``output_size`` is an int or (rows, columns).
    Raises ArgumentError.

    >>> adaptive_avg_pool2d([[[1, 2, 6]]], (1, 2)).tolist()
    [[[1.5, 4.0]]]
    """
    maps = as_real("x", x, MAPS)
    rows, columns = _adaptive_windows(maps, output_size)
    sums = _reduced(np.add.reduce, _reduced(np.add.reduce, maps.astype(np.float64), rows, -2), columns, -1)
    lengths = [np.array([stop - start for start, stop in windows]) for windows in (rows, columns)]
    counts = np.outer(lengths[0], lengths[1])
    means: Array = (sums / counts).astype(maps.dtype)
    return means


def adaptive_max_pool2d(x: ArrayLike, output_size: Pair) -> Array:
    """Return the maxima of the windows of ``adaptive_avg_pool2d``, of the dtype of x. Raises ArgumentError.

    >>> adaptive_max_pool2d([[[1, 2, 6]]], (1, 2)).tolist()
    [[[2, 6]]]
    """
    maps = check_array("x", x, MAPS, batched=True)
    rows, columns = _adaptive_windows(maps, output_size)
    return _reduced(np.maximum.reduce, _reduced(np.maximum.reduce, maps, rows, -2), columns, -1)


def _adaptive_windows(maps: Array, output_size: Pair) -> list[list[tuple[int, int]]]:
    """Return the first pixel of each window, and the one after its last, along rows and along columns."""
    counts = as_pair("output_size", output_size, least=1)
    sizes = zip(maps.shape[-2:], counts, strict=True)
    return [[(i * size // count, -(-(i + 1) * size // count)) for i in range(count)] for size, count in sizes]


def _reduced(reduce: Callable[..., Any], maps: Array, windows: Sequence[tuple[int, int]], axis: int) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([reduce(np.moveaxis(maps, axis, 0)[start:stop], axis=0) for start, stop in windows], axis=axis)


def upsample_nearest(x: ArrayLike, scale_factor: Pair) -> Array:
    """Repeat every pixel of maps (N, C, H, W) or (C, H, W) ``scale_factor`` times: an int or (rows, columns).

    Equal to PyTorch's ``interpolate`` and ONNX's ``Resize`` with mode nearest, for integer factors. The result has the dtype of
    x. Raises ArgumentError.

    >>> upsample_nearest([[[1, 2]]], 2).tolist()
    [[[1, 1, 2, 2], [1, 1, 2, 2]]]
    """
    maps = check_array("x", x, MAPS, batched=True)
    rows, columns = as_pair("scale_factor", scale_factor, least=1)
    *outer, height, width = maps.shape
    repeated = np.broadcast_to(maps[..., :, None, :, None], (*outer, height, rows, width, columns))
    return repeated.reshape(*outer, height * rows, width * columns)
