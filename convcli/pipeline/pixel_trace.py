"""Explains one pixel of a feature map: the levels under each kernel, the products, their sum, and the stored level."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..engine.padded_copy import padded_window
from ..geometry.axes import Axis
from ..geometry.borders import BorderMode, check_border
from ..images.alpha import border_of_alpha, least_visible_share
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.nodata import stored_nodata
from ..images.write import stored_white
from ..kernels.kernel import Bank, Kernel, kernels_of
from ..ops.missing import LEAST_SHARE, border_of_absent
from ..range_rules import Range
from .apply_request import ApplyRequest
from .kernel_maps import KernelMaps, weights_for
from .map_source import Response, Rows
from .samples import Samples
from .store_map import store_rows, stretch_limits


class Taps(Struct, frozen=True):
    """The taps of a kernel along one axis of an image.

    ``positions`` outside 0 .. ``size`` - 1 are in the padding. ``sources`` are the rows or columns of the image that are read,
    CONSTANT for the constant of the border.
    """

    positions: tuple[int, ...]
    sources: tuple[int, ...]
    size: int

    @property
    def outside(self) -> Array:
        """Whether each tap lies in the padding: (taps,) bool."""
        positions = np.array(self.positions)
        return (positions < 0) | (positions >= self.size)


class Plane(Struct, frozen=True):
    """One channel under a kernel: levels, the values that are summed, weights as they slide, and products, (kh, kw) float64.

    The values that are summed are the samples as kernels see them: the levels; or their light, from 0 to 1, with --light
    linear; and with alpha, these times alpha. A border fades what is summed. A missing sample is NaN in what is summed, and its
    product is 0, unless it spreads.
    """

    levels: Array
    summed: Array
    weights: Array
    products: Array

    @property
    def sum(self) -> float:
        """Sum of the products."""
        with np.errstate(invalid="ignore"):  # infinities of both signs have the sum NaN
            return float(self.products.sum())


class AlphaTrace(Struct, frozen=True):
    """Alpha under a kernel: its levels (kh, kw), their weights (kh, kw), and the sum ``seen``. ``opaque`` is full alpha.

    The weights are None where the kernel sums to zero: alpha is then that of the pixel under the anchor.
    """

    levels: Array
    weights: Array | None
    seen: float
    opaque: float

    @property
    def divisor(self) -> float | None:
        """Divisor of a sum of levels times alpha; 0 where alpha is too small, None where the sum is not divided."""
        share = self.seen / self.opaque
        return None if self.weights is None or math.isnan(share) else share if share > least_visible_share(self.opaque) else 0.0


class KernelTrace(Struct, frozen=True):
    """One kernel at one pixel: its taps and the channels under it, which are summed into one response with ``summing``.

    ``responses`` are the results of the loops, one for each channel of the map, the kernel's offset included, divided by alpha.
    They are in levels; those that a bank merges are in light, with --light linear. ``absent`` (kh, kw, C) bool says which
    samples under the kernel are missing, None if none is. ``shares`` are the sums of the weights that are seen over the sum of
    all, for each channel of the map, 0 where they cancel; empty where the sums are not divided by them.
    """

    kernel: Kernel
    rows: Taps
    columns: Taps
    planes: tuple[Plane, ...]
    summing: bool
    alpha_trace: AlphaTrace | None
    responses: tuple[float, ...]
    absent: Array | None = None
    shares: tuple[float, ...] = ()

    @property
    def outside(self) -> Array:
        """Whether each tap lies in the padding: (kh, kw) bool."""
        return np.logical_or.outer(self.rows.outside, self.columns.outside)

    @property
    def sums(self) -> tuple[float, ...]:
        """The sum of the products, for each channel of the map."""
        sums = tuple(plane.sum for plane in self.planes)
        return (sum(sums),) if self.summing else sums


class PixelTrace(Struct, frozen=True):
    """The pixel in column x, row y of a map of ``shape`` (H, W, C).

    It is stored as ``levels`` 0..white and alpha, or raw where ``white`` is None. ``limits`` are the responses that become 0
    and white. ``curves`` are the names of those by which levels are decoded to light, with --light linear.
    """

    x: int
    y: int
    shape: tuple[int, int, int]
    map_: Kernel | Bank
    traces: tuple[KernelTrace, ...]
    responses: tuple[float, ...]
    rule: Range
    limits: tuple[float, float] | None = None
    white: int | None = None
    levels: tuple[int, ...] = ()
    alpha: int | None = None
    curves: tuple[str, ...] = ()

    @property
    def merge(self) -> str | None:
        """How the responses of a bank are merged; None for a kernel."""
        return getattr(self.map_, "merge", None)


def explain(request: ApplyRequest, image: Image, x: int, y: int) -> PixelTrace:
    """Explain a pixel of the only map of a request. Raises ArgumentError as ``apply`` does.

    The rows around it are computed as ``apply`` computes them, so that the pixel is equal bit by bit.
    """
    (map_,) = request.maps
    shape, rule, map_source = request.map_shape(image.size, map_), request.rule_for(map_), KernelMaps(request, image)
    curves = tuple(curve.name for curve in map_source.samples.light.curves) if map_source.samples.light else ()
    white = _white_of(map_source, rule, shape[2])
    if white is None:
        response = map_source.compute_map(map_)
        traces = _trace_kernels(map_source, map_, (x, y), response, None)
        return PixelTrace(x, y, shape, map_, traces, _numbers(response.colour[y, x]), rule, curves=curves)
    rows = next((begin, end) for begin, end in map_source.rows_of(map_) if begin <= y < end)
    limits = stretch_limits(map_source, map_, white) if rule.name == "stretch" else None
    unseen = stored_nodata(image.metadata, np.uint8 if white == 255 else np.uint16)
    stored = store_rows(map_source, map_, rows, rule, white, limits, unseen)
    row = y - rows[0]
    return PixelTrace(
        x,
        y,
        shape,
        map_,
        _trace_kernels(map_source, map_, (x, y), stored.response, rows),
        _numbers(stored.response.colour[row, x]),
        rule,
        limits=(0.0 if rule.name == "abs" else stored.statistics.low, stored.statistics.high),
        white=white,
        levels=tuple(map(int, stored.levels[row, x])),
        alpha=None if stored.alpha is None else int(stored.alpha[row, x]),
        curves=curves,
    )


def _white_of(map_source: KernelMaps, rule: Range, channels: int) -> int | None:
    """Return white of the levels of a map, in TIFF, the format with the widest range; None for a map that has none."""
    if map_source.white is None and not rule.sets_scale:
        return None
    return stored_white(format_named("tiff"), map_source.image, channels)


def _trace_kernels(
    map_source: KernelMaps, map_: Kernel | Bank, pixel: tuple[int, int], response_of_map: Response, rows: Rows | None
) -> tuple[KernelTrace, ...]:
    """Trace each kernel of a map at pixel (x, y). The response of the map covers ``rows``; None is all rows."""
    x, row = pixel[0], pixel[1] - (rows[0] if rows else 0)
    traces = []
    for kernel in kernels_of(map_):
        response = response_of_map if kernel is map_ else map_source.compute_part(kernel, rows)
        seen = None if response.alpha is None else float(response.alpha[row, x])
        traces.append(_trace_kernel(map_source, kernel, pixel, _numbers(response.colour[row, x]), seen))
    return tuple(traces)


def _trace_kernel(
    map_source: KernelMaps, kernel: Kernel, pixel: tuple[int, int], responses: tuple[float, ...], seen: float | None
) -> KernelTrace:
    """Trace a kernel at pixel (x, y). ``responses`` and the alpha ``seen`` are results of the compiled loops."""
    request, image = map_source.request, map_source.image
    height, width, channels = image.size
    turn = slice(None, None, -1 if request.flip else None)
    border = check_border(request.border)
    axes = request.axes_for(kernel, (height, width))
    rows, columns = (_taps(axis, position, border) for axis, position in zip(axes, pixel[::-1], strict=True))

    def window(read: Callable[[Any], Array], mode: BorderMode) -> Array:
        return padded_window(read, *axes, mode, pixel[::-1])

    samples = map_source.samples
    summed = window(functools.partial(_samples_at, samples), check_border(samples.border))
    levels, alpha_trace = summed, None
    if not samples.are_pixels or (image.alpha is not None and border.needs_copy):
        levels = window(image.pixels.__getitem__, replace(border, fade=None))
    absent = _absent_under(map_source, axes, pixel)
    if absent is not None:
        summed = np.where(absent, np.nan, summed)
    if image.alpha is not None and seen is not None:
        border_of_shares = check_border(border_of_alpha(request.border, image.opaque))
        alpha = window(image.alpha[:, :, None].__getitem__, border_of_shares)[:, :, 0]
        alpha = alpha if absent is None else np.where(absent[:, :, 0], np.nan, alpha)
        weights_of_alpha = None if kernel.sums_to_zero else _shares(kernel)[turn, turn]
        alpha_trace = AlphaTrace(alpha, weights_of_alpha, seen, image.opaque)
    weights = weights_for(request, image, kernel)[turn, turn]
    summing = weights.ndim == 3
    planes = []
    for c in range(channels):
        plane_levels = levels[:, :, c]
        plane_summed = plane_levels if summed is levels else summed[:, :, c]
        counts = None if absent is None or request.missing_rule == "spread" else ~absent[:, :, c]
        planes.append(plane_of(plane_levels, plane_summed, weights[:, :, c] if summing else weights, counts))
    shares = () if absent is None or request.missing_rule != "ignore" else _seen_shares(weights, absent)
    return KernelTrace(kernel, rows, columns, tuple(planes), summing, alpha_trace, responses, absent, shares)


def _absent_under(map_source: KernelMaps, axes: tuple[Axis, Axis], pixel: tuple[int, int]) -> Array | None:
    """Return which samples are missing under a kernel at pixel (x, y): (kh, kw, C) bool; None if none is."""
    if map_source.samples.absent is None:
        return None
    absent = np.broadcast_to(map_source.samples.absent, map_source.image.size)
    border = check_border(border_of_absent(map_source.request.border))
    window: Array = padded_window(absent.__getitem__, *axes, border, pixel[::-1]) > 0
    return window if window.any() else None


def _seen_shares(weights: Array, absent: Array) -> tuple[float, ...]:
    """Return ``shares`` of weights (kh, kw), or (kh, kw, C) that sum over channels."""
    weights = weights if weights.ndim == 3 else weights[:, :, None]
    seen = np.where(absent, 0, weights).sum(axis=(0, 1))
    seen = seen.sum(keepdims=True) if weights.shape[2] > 1 else seen
    seen[np.abs(seen) <= LEAST_SHARE * np.abs(weights).sum()] = 0
    return _numbers(seen / weights.sum())


def _samples_at(samples: Samples, index: Any) -> Array:
    """Return the samples at an index of rows and columns, float64."""
    image = samples.image
    part = replace(image, pixels=image.pixels[index], alpha=None if image.alpha is None else image.alpha[index])
    out = np.empty(part.pixels.shape)
    replace(samples, image=part).read(slice(None), out)
    return out


def _taps(axis: Axis, output: int, border: BorderMode) -> Taps:
    """Return the taps of a kernel at one output position along an axis."""
    positions = tuple(output * axis.stride - axis.before + tap * axis.dilation for tap in range(axis.kernel))
    return Taps(positions, tuple(border.source_index(i, axis.size) for i in positions), axis.size)


def _shares(kernel: Kernel) -> Array:
    """Return the weights of alpha, with sum 1."""
    weights = kernel.weights if kernel.weights.ndim == 2 else kernel.weights.sum(axis=2)
    shares: Array = weights / weights.sum()
    return shares


def plane_of(levels: Array, summed: Array, weights: Array, counts: Array | None = None) -> Plane:
    """Return a plane with its products: 0 for weights of 0, even over NaN, and for samples that do not count.

    ``counts`` is (kh, kw) bool; None for all. Adding 0.0 turns -0 into 0.
    """
    used = weights != 0 if counts is None else counts & (weights != 0)
    with np.errstate(invalid="ignore"):
        return Plane(levels, summed, weights, np.where(used, summed * weights, 0.0) + 0.0)


def _numbers(pixel: Array) -> tuple[float, ...]:
    """Return the values of a pixel's channels as floats."""
    return tuple(map(float, pixel))
