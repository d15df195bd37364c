"""Feature maps of one image under a kernel or a merged bank, with alpha, missing samples, in linear light or not."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import DTypeLike

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import add_number
from ..engine.padded_copy import ReadLines, lines_of, pad
from ..errors import ArgumentError
from ..geometry.axes import Axis, kernel_extents, make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import resolve_padding
from ..images import alpha as transparency
from ..images.image import LIGHT_FORMATS, Array, Image
from ..kernels.kernel import Bank, Kernel, kernels_of
from ..ops.filter import explain_filter2d, filter2d, rows_at_once, treat_missing
from ..ops.merge import merge
from ..ops.missing import border_of_absent
from .apply_request import ApplyRequest
from .map_source import Explanation, MapSource, Response, Rows
from .missing_samples import nodata_hint
from .samples import samples_for

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey: Rec. ITU-R BT.601, as in Pillow and OpenCV."""

MISSING_CHUNK = 1 << 19
"""Samples that are searched for missing ones, and summed in float64, at a time."""


class KernelMaps(MapSource):
    """The feature maps of kernels and merged banks."""

    def __init__(self, request: ApplyRequest, image: Image) -> None:
        super().__init__(image)
        self.request = request
        self.samples = samples_for(request, image)
        self.notices = nodata_hint(request, image)
        self.may_be_light = image.format in LIGHT_FORMATS
        self.is_light = self.may_be_light and request.light == "linear"
        if request.light == "linear" and self.samples.light is None and not self.is_light:
            self.notices += ("has real numbers without a curve; they are taken as linear light, and stored as that",)

    def rows_of(self, map_: Kernel | Bank) -> Iterator[Rows]:
        """Yield the rows of a map in chunks, from .. to, of the best size to compute."""
        height = self.request.map_shape(self.image.size, map_)[0]
        step = max(self._rows_at_once(kernel) for kernel in kernels_of(map_))
        return ((begin, min(begin + step, height)) for begin in range(0, height, step))

    def compute_map(self, map_: Kernel | Bank, rows: Rows | None = None) -> Response:
        """Compute one feature map, or some rows of it."""
        self.request.map_shape(self.image.size, map_)
        if isinstance(map_, Kernel):
            response = self._convolve(map_, rows)
            return replace(response, colour=_plus(self.samples.as_levels(response.colour), map_.offset))
        alphas: list[Array] = []

        def colours() -> Iterator[Array]:
            for kernel in map_.kernels:
                response = self.compute_part(kernel, rows)
                if response.alpha is not None:
                    alphas.append(response.alpha)
                yield response.colour

        assert map_.merge is not None
        colour = self.samples.as_levels(merge(colours(), map_.merge))
        return Response(colour, merge(alphas, "max") if alphas else None)

    def compute_part(self, kernel: Kernel, rows: Rows | None = None) -> Response:
        """Compute the response of a kernel as its bank merges it: in light where levels are decoded, its offset included."""
        response, samples = self._convolve(kernel, rows), self.samples
        if not kernel.offset:
            return response
        return replace(response, colour=samples.as_light(_plus(samples.as_levels(response.colour), kernel.offset)))

    def check(self, map_: Kernel | Bank) -> None:
        """Raise ArgumentError where kernels do not fit the image, or --method cannot be used."""
        self.request.map_shape(self.image.size, map_)
        if self.request.method is not None:
            self._explanations(map_)

    def explanations(self, map_: Kernel | Bank) -> tuple[Explanation, ...]:
        """Return how each kernel of a feature map is computed, for --explain and --html."""
        return self._explanations(map_) if self.request.explain or self.request.is_illustrated else ()

    def _explanations(self, map_: Kernel | Bank) -> tuple[Explanation, ...]:
        return tuple(self._explanation(kernel) for kernel in kernels_of(map_))

    def _options(self, kernel: Kernel) -> dict[str, Any]:
        """Return the arguments of ``filter2d`` that decide how a kernel is computed."""
        request = self.request
        return {
            "stride": request.stride,
            "padding": request.padding_for(kernel),
            "dilation": request.dilation,
            "border": request.border,
            "flip": request.flip,
            "threads": request.threads,
            "method": request.method,
        }

    def _rows_at_once(self, kernel: Kernel) -> int:
        with _naming(kernel):
            return rows_at_once(self.image.pixels, weights_for(self.request, self.image, kernel), **self._options(kernel))

    def _explanation(self, kernel: Kernel) -> Explanation:
        image = self.image
        weights = weights_for(self.request, image, kernel)
        with _naming(kernel):
            pixels = image.pixels if self.samples.are_pixels else self.samples.whole()
            plan, choice, memory = explain_filter2d(pixels, weights, **self._options(kernel))
        rank = int(np.linalg.matrix_rank(weights)) if weights.ndim == 2 else 0
        return Explanation(kernel.name, choice, rank, int(choice.cost * plan.rows.out * plan.out_row), memory)

    def _convolve_colours(self, weights: Array, options: dict[str, Any]) -> Array:
        """Convolve the pixels, or the samples that the rows of the map need where they are not the pixels."""
        if self.samples.are_pixels:
            return filter2d(self.image.pixels, weights, **options)
        axis, inner = self._axis_of_rows(weights, options)
        rows, real = options["rows"] or (0, axis.out), transparency.float_dtype_of(self.image)
        return filter2d(_padded(self.samples.read, axis, rows, options["border"], self.image.size[1:], real), weights, **inner)

    def _axis_of_rows(self, weights: Array, options: dict[str, Any]) -> tuple[Axis, dict[str, Any]]:
        """Return the axis of rows, and the options of ``filter2d`` for rows that are padded already."""
        sliding = options["stride"], options["padding"], options["dilation"]
        axis, columns = make_axes(self.image.size[:2], weights.shape[:2], *sliding)
        return axis, options | {"padding": ((0, 0), (columns.before, columns.after)), "rows": None}

    def _treat_missing(self, response: Array, read: ReadLines, channels: int, weights: Array, options: dict[str, Any]) -> None:
        """Replace, in place, the elements of a response whose kernels lie over missing samples. ``read`` reads all samples."""
        absent = self.samples.absent
        if absent is None:
            return
        axis, inner = self._axis_of_rows(weights, options)
        del inner["method"]
        border = border_of_absent(options["border"])
        begin, end = options["rows"] or (0, axis.out)
        row = self.image.size[1], channels
        step = max(MISSING_CHUNK // (math.prod(row) * axis.stride), 1)
        for first in range(begin, end, step):
            rows = first, min(first + step, end)
            if _padded(lines_of(self.samples.absent_rows), axis, rows, border, (1, 1)).any():
                samples = _padded(read, axis, rows, options["border"], row)
                gone = _padded(lines_of(absent), axis, rows, border, absent.shape[1:]) > 0
                np.copyto(samples, 0, where=gone)
                part = response[rows[0] - begin : rows[1] - begin]
                treat_missing(part, samples, gone, weights, self.request.missing_rule, **inner)

    def _convolve(self, kernel: Kernel, rows: Rows | None) -> Response:
        """Convolve the colours with one kernel, without its offset, and alpha where there is one.

        Colours are multiplied by alpha before the convolution. The response is divided by the convolved alpha over the sum of
        the kernel, so that it equals that of an opaque image where the image is opaque. With a kernel that sums to zero there
        is no such division: the response stays multiplied, and alpha does not change. Missing samples do the same to alpha as
        to the colours, so that the quotient is that of what is seen.
        """
        request, image = self.request, self.image
        options = self._options(kernel) | {"rows": rows}
        weights = weights_for(request, image, kernel)
        with _naming(kernel):
            options["border"] = self.samples.border
            colour = self._convolve_colours(weights, options)
            self._treat_missing(colour, self.samples.read, image.size[2], weights, options)
        if weights.ndim == 3:
            colour = colour[:, :, None]
        if image.alpha is None:
            return Response(colour, None)
        alpha_kernel = kernel.weights if kernel.weights.ndim == 2 else kernel.weights.sum(axis=2)
        if kernel.sums_to_zero:
            covered = kernel_extents(alpha_kernel.shape, request.dilation)
            (above, _), (left, _) = resolve_padding(request.same_padding(kernel), covered)
            alpha_kernel = np.zeros(covered)
            alpha_kernel[above, left] = 1  # the pixel at the kernel's anchor with "same" padding
            options |= {"flip": False, "dilation": 1}
        options["method"] = None  # --method is for the kernel of the colours
        options["border"] = transparency.border_of_alpha(request.border, image.opaque)
        alpha_kernel = alpha_kernel / alpha_kernel.sum()
        alpha = filter2d(image.alpha, alpha_kernel, **options)
        self._treat_missing(alpha[:, :, None], lines_of(image.alpha[:, :, None]), 1, alpha_kernel, options)
        straight = colour if kernel.sums_to_zero else transparency.unpremultiplied(colour, alpha, image.opaque)
        if self.samples.absent is not None:
            np.copyto(straight, np.nan, where=np.isnan(alpha)[:, :, None])
        return Response(straight, alpha)


def check_method(request: ApplyRequest) -> None:
    """Raise ArgumentError for a kernel that cannot be computed by --method, whatever the image.

    With sums over channels that depends on the image, and nothing is checked here.
    """
    if request.channels != "each":
        return
    options: dict[str, Any] = {"stride": request.stride, "dilation": request.dilation, "method": request.method}
    options |= {"padding": "full", "border": "zero"}
    for kernel in dict.fromkeys(kernel for map_ in request.maps for kernel in kernels_of(map_)):
        pixel = np.zeros((1, 1, *kernel.weights.shape[2:]), np.uint8)
        with _naming(kernel):
            try:
                explain_filter2d(pixel, kernel.weights, **options)
            except ArgumentError as error:
                with contextlib.suppress(ArgumentError):
                    explain_filter2d(pixel.astype(np.float64), kernel.weights, **options)  # float64 has a larger range
                    continue
                raise error from None


def _padded(
    read: ReadLines, axis: Axis, rows: Rows, border: Border, row: tuple[int, ...], dtype: DTypeLike = np.float64
) -> Array:
    """Return the padded rows of an image from which rows of a map are computed: (n, *row)."""
    first, last = rows[0] * axis.stride, (rows[1] - 1) * axis.stride + axis.extent
    out = np.empty((last - first, *row), dtype)
    pad(read, axis, check_border(border), slice(first, last), out)
    return out


@contextlib.contextmanager
def _naming(kernel: Kernel) -> Iterator[None]:
    """Add the name of the kernel to errors."""
    try:
        yield
    except ArgumentError as error:
        raise ArgumentError(f"kernel {kernel.name!r}: {error}") from None


def _plus(response: Array, offset: float) -> Array:
    """Add the kernel's offset to a response, in place."""
    if offset:
        run_loop(add_number, response.dtype.type(offset), response.reshape(-1))
    return response


def weights_for(request: ApplyRequest, image: Image, kernel: Kernel) -> Array:
    """Return the kernel for ``--channels``: (kh, kw) for each channel, or (kh, kw, C) to sum over channels."""
    channels = image.pixels.shape[2]
    weights = kernel.weights
    if weights.ndim == 3:
        return weights
    if request.channels == "each":
        return weights
    if request.channels == "sum":
        return np.repeat(weights[:, :, None], channels, axis=2)
    return weights[:, :, None] * (np.ones(1) if channels == 1 else np.array(LUMA))
