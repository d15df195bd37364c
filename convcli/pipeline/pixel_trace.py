"""One pixel of a feature map, explained: what each kernel lies over there, the products, their sum, and what is stored."""

from dataclasses import dataclass

import numpy as np

from ..geometry.axes import Axis, make_axes
from ..geometry.borders import CONSTANT, BorderMode, check_border
from ..images.alpha import border_of_alpha, least_visible_share
from ..images.formats import format_named
from ..images.image import Array, Image
from ..images.write import stored_white
from ..kernels.kernel import Bank, Kernel, kernels_of
from ..range_rules import Range
from .apply_request import ApplyRequest
from .kernel_maps import KernelMaps, weights_for
from .map_source import Response, Rows
from .store_map import store_rows, stretch_limits


@dataclass(frozen=True)
class Taps:
    """Where the taps of a kernel lie along one axis of a picture: ``at`` is negative, or not below ``size``, in the padding.
    ``shown`` is the row or column of the picture that is seen there, CONSTANT for a number, and ``gains`` what it is
    multiplied by.
    """

    at: tuple[int, ...]
    shown: tuple[int, ...]
    gains: tuple[float, ...]
    size: int

    @property
    def outside(self) -> Array:
        """Which of them lie in the padding."""
        places = np.array(self.at)
        return (places < 0) | (places >= self.size)


@dataclass(frozen=True)
class Plane:
    """One channel under a kernel, each array (kh, kw) float64: the levels, what is summed of them (where there is alpha,
    levels times alpha; a border that fades then fades alpha alone), the weights as they slide, and the products.
    """

    levels: Array
    summed: Array
    weights: Array
    products: Array

    @property
    def sum(self) -> float:
        """All products."""
        return float(self.products.sum())


@dataclass(frozen=True)
class Cover:
    """Alpha under a kernel: its levels (kh, kw), the weights (kh, kw) that it is summed with, and what that gives.

    The weights are None where the kernel sums to zero: alpha is then that of the pixel under its anchor.
    """

    levels: Array
    weights: Array | None
    seen: float
    opaque: float

    @property
    def divisor(self) -> float | None:
        """What a sum of levels times alpha is divided by; 0 where too little is seen, None where the sum stays as it is."""
        share = self.seen / self.opaque
        return None if self.weights is None else share if share > least_visible_share(self.opaque) else 0.0


@dataclass(frozen=True)
class Look:
    """One kernel at one position: its taps, and the channels under it, summed into one response where it is ``summing``.

    ``responses`` are what the loops give, one for each channel of the map, the kernel's offset in it.
    """

    kernel: Kernel
    rows: Taps
    columns: Taps
    planes: tuple[Plane, ...]
    summing: bool
    cover: Cover | None
    responses: tuple[float, ...]

    @property
    def outside(self) -> Array:
        """Which taps (kh, kw) lie in the padding."""
        return np.logical_or.outer(self.rows.outside, self.columns.outside)

    @property
    def sums(self) -> tuple[float, ...]:
        """The sum of the products, for each channel of the map."""
        each = tuple(plane.sum for plane in self.planes)
        return (sum(each),) if self.summing else each


@dataclass(frozen=True)
class Point:
    """The pixel in column x, row y of a map of ``shape`` (H, W, C). Without ``white`` it is stored raw, else as ``levels``
    0..white and alpha; ``limits`` are the responses that become 0 and white.
    """

    x: int
    y: int
    shape: tuple[int, int, int]
    one: Kernel | Bank
    looks: tuple[Look, ...]
    responses: tuple[float, ...]
    rule: Range
    limits: tuple[float, float] | None = None
    white: int | None = None
    levels: tuple[int, ...] = ()
    alpha: int | None = None

    @property
    def merge(self) -> str | None:
        """How the responses of a bank become one."""
        return getattr(self.one, "merge", None)


def explain(request: ApplyRequest, image: Image, x: int, y: int) -> Point:
    """Explain a pixel of the only map of a request. Raises ArgumentError as ``apply`` does.

    The rows about it are made as ``apply`` makes them, so that it is that pixel bit by bit.
    """
    (one,) = request.maps
    shape, rule, map_source = request.map_shape(image.size, one), request.rule_for(one), KernelMaps(request, image)
    white = _white_of(image, rule, shape[2])
    if white is None:
        response = map_source.compute_map(one)
        looks = _looks(map_source, one, (x, y), response, None)
        return Point(x, y, shape, one, looks, _numbers(response.colour[y, x]), rule)
    rows = next((begin, end) for begin, end in map_source.rows_of(one) if begin <= y < end)
    spread = stretch_limits(map_source, one, white) if rule.name == "stretch" else None
    part = store_rows(map_source, one, rows, rule, white, spread)
    row = y - rows[0]
    return Point(
        x,
        y,
        shape,
        one,
        _looks(map_source, one, (x, y), part.response, rows),
        _numbers(part.response.colour[row, x]),
        rule,
        limits=(0.0 if rule.name == "abs" else part.statistics.low, part.statistics.high),
        white=white,
        levels=tuple(map(int, part.levels[row, x])),
        alpha=None if part.alpha is None else int(part.alpha[row, x]),
    )


def _white_of(image: Image, rule: Range, channels: int) -> int | None:
    """White of the file that holds the map best, as a TIFF does; None for a map that is no picture, and is stored raw."""
    if channels not in (1, 3) or (image.white is None and not rule.sets_scale):
        return None
    return stored_white(format_named("tiff"), image, channels)


def _looks(
    map_source: KernelMaps, one: Kernel | Bank, at: tuple[int, int], whole: Response, rows: Rows | None
) -> tuple[Look, ...]:
    """Each kernel of a map; ``whole`` is the response of the map in some rows, or in all of them."""
    x, row = at[0], at[1] - (rows[0] if rows else 0)
    looks = []
    for kernel in kernels_of(one):
        response = whole if kernel is one else map_source.compute_map(kernel, rows)
        seen = None if response.alpha is None else float(response.alpha[row, x])
        looks.append(_look(map_source, kernel, at, _numbers(response.colour[row, x]), seen))
    return tuple(looks)


def _look(
    map_source: KernelMaps, kernel: Kernel, at: tuple[int, int], responses: tuple[float, ...], seen: float | None
) -> Look:
    """``seen`` is the alpha that the loops give."""
    request, image = map_source.request, map_source.image
    height, width, channels = image.size
    turn = slice(None, None, -1 if request.flip else None)
    border = check_border(request.border)
    sliding = request.stride, request.padding_for(kernel), request.dilation
    axes = make_axes((height, width), (kernel.shape[0], kernel.shape[1]), *sliding)
    rows, columns = (_taps(axis, place, border) for axis, place in zip(axes, at[::-1], strict=True))
    levels = _under(image.pixels, rows, columns, border.constant)
    if image.alpha is None:
        levels = _faded(levels, rows, columns)
    summed, cover = levels, None
    if image.alpha is not None and seen is not None:
        outside = check_border(border_of_alpha(request.border, image.opaque)).constant
        alpha = _faded(_under(image.alpha, rows, columns, outside)[:, :, None], rows, columns)[:, :, 0]
        cover = Cover(alpha, None if kernel.sums_to_zero else _shares(kernel)[turn, turn], seen, image.opaque)
        if not map_source.opaque or border.needs_copy:
            summed = np.where(_blank(rows, columns)[:, :, None], border.constant, levels * (alpha / image.opaque)[:, :, None])
    weights = weights_for(request, image, kernel)[turn, turn]
    summing = weights.ndim == 3
    planes = []
    for c in range(channels):
        seen_as = levels[:, :, c]
        planes.append(
            _plane(seen_as, seen_as if summed is levels else summed[:, :, c], weights[:, :, c] if summing else weights)
        )
    return Look(kernel, rows, columns, tuple(planes), summing, cover, responses)


def _taps(axis: Axis, place: int, border: BorderMode) -> Taps:
    """The taps of a kernel at one position along an axis."""
    at = tuple(place * axis.stride - axis.before + tap * axis.dilation for tap in range(axis.kernel))
    shown, gains = (border.source_index(i, axis.size) for i in at), (border.gain(i, axis) for i in at)
    return Taps(at, tuple(shown), tuple(gains), axis.size)


def _blank(rows: Taps, columns: Taps) -> Array:
    """Where a number is shown in place of a pixel: (kh, kw) bool."""
    return np.logical_or.outer(np.equal(rows.shown, CONSTANT), np.equal(columns.shown, CONSTANT))


def _under(pixels: Array, rows: Taps, columns: Taps, constant: float) -> Array:
    """The pixels that are shown under the taps, or the constant, as float64."""
    window = pixels[np.ix_(rows.shown, columns.shown)].astype(np.float64)
    window[_blank(rows, columns)] = constant
    return window


def _faded(window: Array, rows: Taps, columns: Taps) -> Array:
    """A window (kh, kw, channels) as it fades outside the picture."""
    with np.errstate(invalid="ignore"):  # an infinity becomes NaN where it fades to 0
        faded: Array = window * np.outer(rows.gains, columns.gains)[:, :, None]
    return faded


def _shares(kernel: Kernel) -> Array:
    """The weights that alpha is summed with, 1 in all."""
    weights = kernel.weights if kernel.weights.ndim == 2 else kernel.weights.sum(axis=2)
    shares: Array = weights / weights.sum()
    return shares


def _plane(levels: Array, summed: Array, weights: Array) -> Plane:
    """A weight of 0 is no part of the kernel, whatever lies under it; adding 0.0 makes a 0 of -0."""
    with np.errstate(invalid="ignore"):
        return Plane(levels, summed, weights, np.where(weights == 0, 0.0, summed * weights) + 0.0)


def _numbers(pixel: Array) -> tuple[float, ...]:
    """The channels of a pixel."""
    return tuple(map(float, pixel))
