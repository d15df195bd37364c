"""The operations of slides: a kernel that slides, a transposed convolution, pooling. Their results are those of the engine."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from ..drawing.captions import number
from ..drawing.scale import Scale
from ..drawing.sliding_window import BETWEEN, PADDING, PIXEL, Explain, SlidingWindow, Step
from ..engine.padded_copy import padded_window
from ..errors import ArgumentError
from ..geometry.axes import Axis, TransposedAxis, make_pool_axes, make_transposed_axes
from ..geometry.borders import ZERO, BorderMode, check_border
from ..geometry.whole_numbers import Sides
from ..images.image import Array, Image
from ..kernels.fractions import common_denominator
from ..kernels.kernel import Kernel
from ..ops.pooling import avg_pool2d, max_pool2d
from ..ops.transposed import conv_transpose2d
from .apply_request import ApplyRequest
from .kernel_maps import KernelMaps, weights_for
from .pixel_trace import plane_of
from .sheet_tiles import keeps_levels
from .slide_request import MAX_POSITIONS, Pool, SlideRequest

MAX_CELLS = 96
"""Rows and columns of an input with its padding, at most."""

COLOURS = ("red", "green", "blue")

UNFILLED = "what has no value yet"


def sliding_window_of(request: SlideRequest, image: Image) -> SlidingWindow:
    """Return what the slide of a request shows. Raises ArgumentError where the window does not fit, and above the limits."""
    if request.pool is not None:
        return _pooling(request, image, request.pool)
    assert request.kernel is not None
    return _transposed(request, image, request.kernel) if request.transposed else _filtered(request, image, request.kernel)


def _filtered(request: SlideRequest, image: Image, kernel: Kernel) -> SlidingWindow:
    """Return a kernel that slides over an image, as ``apply`` computes it."""
    options = {name: getattr(request, name) for name in ("padding", "border", "dilation", "flip")}
    channels = "sum" if image.size[2] > 1 and len(kernel.shape) == 2 else "each"
    asked = ApplyRequest(inputs=(), maps=(kernel,), output="", stride=request.stride or (1, 1), channels=channels, **options)
    asked.map_shape(image.size, kernel)
    axes = asked.axes_for(kernel, image.size[:2])
    _check_limits(axes, (axes[0].out, axes[1].out))
    planes, sources = _padded(image, axes, check_border(request.border))
    written = _as_planes(weights_for(asked, image, kernel))
    weights = written[:, ::-1, ::-1] if request.flip else written
    border = request.border if isinstance(request.border, str) else number(request.border)
    return SlidingWindow(
        title=f"{'convolution' if request.flip else 'correlation'} with {kernel.name}",
        facts=_facts(
            _pair_text("stride", (axes[0].stride, axes[1].stride)),
            _padding_text(axes),
            f"border {border}" if (sources == PADDING).any() else "",
            _pair_text("dilation", request.dilation) if request.dilation != (1, 1) else "",
            "the kernel is rotated by 180 degrees" if request.flip else "the kernel slides as it is written",
            f"hatched: {'padding, and ' if (sources == PADDING).any() else ''}{UNFILLED}",
        ),
        planes=planes,
        sources=sources,
        names=_names_of(image),
        headings=(_input_heading(image, "padded to", planes), _map_heading((axes[0].out, axes[1].out))),
        weights=weights,
        written=written if request.flip else None,
        map=KernelMaps(asked, image).compute_map(kernel).colour[:, :, 0],
        input_scale=_scale_of(image),
        keeps_levels=keeps_levels(kernel),
        first=(0, 0),
        stride=(axes[0].stride, axes[1].stride),
        dilation=request.dilation,
        size=(axes[0].kernel, axes[1].kernel),
        explain=_weighing(weights, _names_of(image), kernel.offset),
    )


def _transposed(request: SlideRequest, image: Image, kernel: Kernel) -> SlidingWindow:
    """Return a transposed convolution, as a kernel that slides over the input, spread out by the stride.

    The kernel is rotated by 180 degrees: a pixel adds the kernel as it is written to the output, so that an output reads the
    pixels around it in the reverse order (Dumoulin & Visin, chapter 4).
    """
    size, stride, channels = (kernel.shape[0], kernel.shape[1]), request.stride or (1, 1), image.size[2]
    if len(kernel.shape) == 3 and kernel.shape[2] != channels:
        raise ArgumentError(f"kernel {kernel.name!r} has {kernel.shape[2]} channels, and the picture has {channels}")
    given = make_transposed_axes(image.size[:2], size, stride, request.padding, 0, request.dilation)
    axes = _spread(given[0]), _spread(given[1])
    out = given[0].out, given[1].out
    _check_limits(axes, out)
    written = np.broadcast_to(_as_planes(kernel.weights), (channels, *size))
    written = written[:, ::-1, ::-1] if request.flip else written
    x = image.pixels.transpose(2, 0, 1)
    sums = conv_transpose2d(x, written[:, None], None, stride, request.padding, dilation=request.dilation)[0]
    planes = np.zeros((channels, axes[0].padded, axes[1].padded))
    sources = np.full(planes.shape[1:], PADDING, np.uint8)
    (top, left), (rows, columns) = (axes[0].before, axes[1].before), (axes[0].size, axes[1].size)
    sources[top : top + rows, left : left + columns] = BETWEEN
    sources[top : top + rows : stride[0], left : left + columns : stride[1]] = PIXEL
    planes[:, top : top + rows : stride[0], left : left + columns : stride[1]] = x
    weights = written[:, ::-1, ::-1]
    return SlidingWindow(
        title=f"transposed convolution with {kernel.name}",
        facts=_facts(
            _pair_text("stride", stride) + ("" if stride == (1, 1) else ", by which pixels are spread out"),
            f"{_padding_text(given)}, which is cut off" if any(axis.before or axis.after for axis in given) else "no padding",
            _pair_text("dilation", request.dilation) if request.dilation != (1, 1) else "",
            "the kernel is rotated by 180 degrees",
            f"hatched: zeros {'between and ' if (sources == BETWEEN).any() else ''}around the pixels, and {UNFILLED}",
        ),
        planes=planes,
        sources=sources,
        names=_names_of(image),
        headings=(_input_heading(image, "spread out to", planes), _map_heading(out)),
        weights=weights,
        written=written,
        map=sums + kernel.offset,
        input_scale=_scale_of(image),
        keeps_levels=False,
        first=(max(given[0].before - given[0].extent + 1, 0), max(given[1].before - given[1].extent + 1, 0)),
        stride=(1, 1),
        dilation=request.dilation,
        size=size,
        explain=_weighing(weights, _names_of(image), kernel.offset),
    )


def _pooling(request: SlideRequest, image: Image, pool: Pool) -> SlidingWindow:
    """Return a pooling window, as the layers of networks compute it: padding is never the maximum, and counts as 0 in means."""
    is_max, x = pool.name == "max", image.pixels.transpose(2, 0, 1)
    if not is_max and request.dilation != (1, 1):
        raise ArgumentError("--dilation does not apply to --pool avg, as the layers of networks do not have it; leave it out")
    axes = make_pool_axes(image.size[:2], pool.size, request.stride, request.padding, request.dilation)
    out = axes[0].out, axes[1].out
    _check_limits(axes, out)
    if is_max:
        results = max_pool2d(x, pool.size, request.stride, request.padding, request.dilation)
    else:
        results = avg_pool2d(x, pool.size, request.stride, request.padding)
    planes, sources = _padded(image, axes, replace(ZERO, constant=-np.inf if is_max else 0.0))
    return SlidingWindow(
        title=f"{'maximum' if is_max else 'average'} pooling",
        facts=_facts(
            f"window {pool.size[0]} x {pool.size[1]}",
            _pair_text("stride", (axes[0].stride, axes[1].stride)),
            _padding_text(axes),
            _pair_text("dilation", request.dilation) if request.dilation != (1, 1) else "",
            f"hatched: {'padding, and ' if (sources == PADDING).any() else ''}{UNFILLED}",
        ),
        planes=planes,
        sources=sources,
        names=_names_of(image),
        headings=(_input_heading(image, "padded to", planes), _map_heading(out)),
        weights=None,
        written=None,
        map=results[0],
        input_scale=_scale_of(image),
        keeps_levels=True,
        first=(0, 0),
        stride=(axes[0].stride, axes[1].stride),
        dilation=request.dilation,
        size=pool.size,
        explain=_largest if is_max else _mean,
    )


def _weighing(weights: Array, names: tuple[str, ...], offset: float) -> Explain:
    """Return what multiplies the values under a window with weights (C, kh, kw), and sums them."""
    denominator = common_denominator(weights.ravel().tolist())

    def explain(window: Array) -> Step:
        with np.errstate(over="ignore", invalid="ignore"):
            planes = [plane_of(values, values, plane) for values, plane in zip(window, weights, strict=True)]
        lines = [f"{name} {number(plane.sum, 6)}" for name, plane in zip(names, planes, strict=True) if name]
        lines.append(f"sum of the {'channels' if lines else 'products'}")
        total = sum(plane.sum for plane in planes)
        if denominator > 1:
            largest = max(float(np.abs(plane.products).max()) for plane in planes) * denominator
            lines.append(f"= 1/{denominator} x {number(_nearly_whole(total * denominator, 1e-12 * largest), 6)}")
        if offset:
            lines[-1] += f" {number(total, 6)}" if denominator == 1 else f" = {number(total, 6)}"
            lines.append(f"and the offset {number(offset, 6)}")
        return Step(window, np.stack([plane.products for plane in planes]), tuple(lines))

    return explain


def _largest(window: Array) -> Step:
    row, column = np.unravel_index(np.argmax(window[0]), window.shape[1:])  # NaN is the largest, and of equal ones the first
    return Step(window, None, ("the largest of the window",), (int(row), int(column)))


def _mean(window: Array) -> Step:
    with np.errstate(over="ignore", invalid="ignore"):
        return Step(window, None, (f"sum {number(float(window.sum()), 6)}, divided by {window.size}",))


def _check_limits(axes: tuple[Axis, Axis], out: Sides) -> None:
    """Raise ArgumentError for more positions or cells than a slide shows."""
    if out[0] * out[1] > MAX_POSITIONS:
        raise ArgumentError(
            f"the window has {out[0] * out[1]} positions, {out[1]} x {out[0]}, and a slide shows at most {MAX_POSITIONS}; "
            "take a smaller input, less padding or a larger stride"
        )
    if max(axis.padded for axis in axes) > MAX_CELLS:
        raise ArgumentError(
            f"the input with its padding has {axes[1].padded} x {axes[0].padded} cells, and a slide shows at most "
            f"{MAX_CELLS} x {MAX_CELLS}; take a smaller input, less padding or a smaller kernel"
        )


def _padded(image: Image, axes: tuple[Axis, Axis], border: BorderMode) -> tuple[Array, Array]:
    """Return the channels of an image with their padding (C, H, W) float64, and what each cell is (H, W)."""
    whole = [replace(axis, kernel=axis.padded, stride=1, dilation=1) for axis in axes]
    planes = padded_window(image.pixels.__getitem__, whole[0], whole[1], border, (0, 0)).transpose(2, 0, 1)
    sources = np.full(planes.shape[1:], PADDING, np.uint8)
    rows, columns = axes
    sources[rows.before : rows.before + rows.size, columns.before : columns.before + columns.size] = PIXEL
    return planes, sources


def _spread(axis: TransposedAxis) -> Axis:
    """Return an axis with zeros between its pixels, with the padding that the first and the last window reach into."""
    size = axis.stride * (axis.size - 1) + 1
    before, after = max(axis.extent - 1 - axis.before, 0), max(axis.out + axis.before - size, 0)
    return Axis(size, axis.kernel, 1, axis.dilation, before, after)


def _as_planes(weights: Array) -> Array:
    """Return weights (kh, kw) or (kh, kw, C) as (C, kh, kw)."""
    return weights[None] if weights.ndim == 2 else weights.transpose(2, 0, 1)


def _scale_of(image: Image) -> Scale | None:
    return None if image.white is None else Scale(0.0, float(image.white), signed=False)


def _names_of(image: Image) -> tuple[str, ...]:
    count = image.size[2]
    return ("",) if count == 1 else COLOURS if count == len(COLOURS) else tuple(f"channel {index}" for index in range(count))


def _input_heading(image: Image, how: str, planes: Array) -> str:
    (height, width, _), (high, wide) = image.size, planes.shape[1:]
    return f"input {width} x {height}" + ("" if (height, width) == (high, wide) else f", {how} {wide} x {high}")


def _map_heading(out: Sides) -> str:
    return f"map {out[1]} x {out[0]}"


def _nearly_whole(value: float, tolerance: float) -> float:
    """Return a value without the error of rounding of a sum of fractions, which is at most ``tolerance``."""
    return float(round(value)) if math.isfinite(value) and abs(value - round(value)) <= tolerance else value


def _facts(*texts: str) -> str:
    return ", ".join(text for text in texts if text)


def _pair_text(name: str, pair: Sides) -> str:
    return f"{name} {pair[0]}" if pair[0] == pair[1] else f"{name} {pair[0]} x {pair[1]}"


def _padding_text(axes: Sequence[Axis | TransposedAxis]) -> str:
    (top, bottom), (left, right) = ((axis.before, axis.after) for axis in axes)
    if top == bottom == left == right:
        return f"padding {top}" if top else "no padding"
    return f"padding {top} above, {bottom} below, {left} left, {right} right"
