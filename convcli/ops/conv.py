"""The convolutions: check, plan, run."""

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..engine.buffers import aligned
from ..engine.dtypes import loadable, real_of
from ..engine.fft import correlate_by_spectrum
from ..engine.im2col import correlate_dense, correlate_depthwise, is_deep, is_depthwise, volume_of, with_totals
from ..engine.jit.run import run_loop
from ..engine.kernel_tables import Tables, tables_for
from ..engine.layout import BESIDES, Plan, cut
from ..engine.loops.correlate import correlate
from ..engine.loops.elementwise import scale_to_levels
from ..engine.loops.im2col import Volume
from ..engine.offset import Offset
from ..engine.planner import SMALLEST, Choice, Work
from ..engine.simd.reference import Array
from ..engine.threads import run_all
from ..errors import ArgumentError
from ..geometry.axes import make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .option_parsers import METHODS
from .validation import as_flag, check_array, check_bias, check_groups, limits_of, out_dtype, workers_for

UNEVEN = 256
"""Times that the largest sample may be farther from the offset than most are, for spectra."""

PART = 1 << 20
"""Numbers in the rows that are made at a time."""

FUSED = {np.dtype(name) for name in ("uint8", "uint16")}
"""Types of results that each row is rounded to as it is done; other integers are rounded at the end."""


def filter2d(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    stride: Pair = 1,
    padding: Padding = "same",
    border: Border = "reflect",
    dilation: Pair = 1,
    flip: bool = False,
    dtype: DTypeLike | None = None,
    threads: int | None = None,
    method: str | None = None,
    rows: tuple[int, int] | None = None,
) -> Array:
    """Slide one kernel over an image.

    Parameters
    ----------
    image : (H, W) or (H, W, C), any real dtype
        Not changed. Computed in float32 where that holds every value of the dtype; in float64 for float64, and for integers of
        32 bits and more, as NumPy promotes them.
    kernel : (kh, kw) or (kh, kw, C)
        A (kh, kw) kernel filters every channel on its own; a (kh, kw, C) kernel sums over the channels. A weight of 0
        is no part of the kernel: a NaN under it does not spread.
    stride, dilation : int or (rows, columns)
        Pixels from one position of the kernel to the next; pixels from one tap to the next. Each, and what the dilated
        kernel covers, is at most 65535.
    padding : "valid", "same", "same-upper", "same-lower", "full", int, (rows, columns) or ((top, bottom), (left, right))
        Pixels added around the image. "same" adds extent - 1 in all, the smaller half first, whatever the stride.
        "same-upper" and "same-lower" add what ceil(size / stride) positions need, the odd pixel behind or before, as ONNX's
        SAME_UPPER and SAME_LOWER do; those words are taken too.
    border : "zero", a number, "edge", "reflect", "symmetric" or "wrap"
        What the padding holds, in NumPy's words: ``reflect`` is d c b|a b c d|c b a, ``symmetric`` c b a|a b c d|d c b.
        The padding may be wider than the image. Words of other systems that mean one of these are taken too: "zeros",
        "replicate", "nearest", "circular", "periodic" and more.
    flip : bool
        False slides the kernel as it is written (cross-correlation); True turns it by 180 degrees first
        (mathematical convolution).
    dtype : real dtype, optional
        None gives the float result, unclipped. An integer dtype rounds half to even and saturates; NaN becomes 0. float16 and
        float32 round that float result, float64 is computed in float64.
    threads : int, optional
        Bands of rows computed at once; None takes the processors this process may use. The result is the same for any.
    method : "direct", "separable", "box" or "fft", optional
        How the sums are made; None takes the one that costs least. ``separable`` sums down columns, then along rows; ``box``
        does so with running sums, for weights that are all the same; ``fft`` multiplies spectra. All give the same within
        rounding: at most 1e-5 of the sum of the absolute weights times the extent of the image, its largest less its least
        sample, beside the rounding of the result itself.
    rows : (from, to), optional
        Rows of the result to compute; None is all of them. They are those of the whole bit by bit; by spectra, within rounding.

    Returns
    -------
    (H', W') or (H', W', C), the channels only where each was filtered on its own

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or word cannot be used; it names the argument, the rule and the value.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> x = np.arange(25, dtype=np.uint8).reshape(5, 5)
    >>> convcli.filter2d(x, np.ones((3, 3)) / 9, padding="valid", dtype=np.uint8).tolist()
    [[6, 7, 8], [11, 12, 13], [16, 17, 18]]
    >>> convcli.filter2d(np.zeros((480, 640, 3)), np.ones((5, 5, 3)), stride=2).shape
    (240, 320)
    """
    pixels = loadable(check_array("image", image, dimensions=(2, 3)))
    weights = check_array("kernel", kernel, dimensions=(2, 3))
    plan = _plan_image(pixels, weights, stride, padding, dilation)
    wanted = out_dtype(dtype, real_of(pixels))
    if wanted == np.float64:
        pixels = loadable(pixels.astype(np.float64, copy=False))
    begin, end = _check_rows(rows, plan)
    first = begin - begin % (2 * plan.hop)  # a row stands in the same pair, whatever rows are asked for
    out = aligned((1, 1, end - first, plan.out_row), wanted if wanted in FUSED else real_of(pixels))
    planes = pixels.reshape(1, 1, pixels.shape[0], -1)
    taps = weights.reshape(1, 1, *weights.shape[:2], plan.depth)
    _run(plan, [_Layer(planes, taps, np.zeros(1), out)], border, flip, threads, method, first)
    out = out[:, :, begin - first :]
    if out.dtype != wanted and wanted.kind == "f":
        with np.errstate(over="ignore"):  # a number beyond float16 is infinite
            out = out.astype(wanted)
    elif out.dtype != wanted:
        values, out = out.reshape(-1), np.empty(out.size, wanted)
        low, high = limits_of(wanted)
        run_loop(scale_to_levels, values, values.dtype.type(0), values.dtype.type(1), low, high, out)
    per_channel = pixels.ndim == 3 and weights.ndim == 2
    shape = (end - begin, plan.columns.out)
    return out.reshape((*shape, plan.pixel) if per_channel else shape)


def explain_filter2d(
    image: Array,
    kernel: Array,
    *,
    stride: Pair = 1,
    padding: Padding = "same",
    border: Border = "reflect",
    dilation: Pair = 1,
    method: str | None = None,
) -> tuple[Plan, Choice, int]:
    """How ``filter2d`` would compute this: its plan, the way that it chooses, and the bytes of scratch memory for each thread.

    Raises ArgumentError as that does.
    """
    plan = _plan_image(image, kernel, stride, padding, dilation)
    word, constant = check_border(border)
    work = _work_on(image[None], plan, constant, Offset(image[None]), method)
    tables = tables_for(plan, word, work, method, kernel.reshape(1, 1, *kernel.shape[:2], plan.depth), np.zeros(1))
    choice = tables.choices[0]
    if choice.tiling is not None:
        scratch: tuple[Any, ...] = choice.tiling.field(plan.pixel, work.real, work.real)
    else:
        scratch = plan.scratch(tables.rows, 1, tables.sums, np.empty((1, 1, 0), work.real))
    return plan, choice, sum(part.nbytes for part in scratch if isinstance(part, np.ndarray))


def rows_at_once(image: Array, kernel: Array, **options: Any) -> int:
    """How many rows of ``filter2d`` are best asked for at a time, by who wants little memory: about 4 MB of float32.

    The options are those of ``explain_filter2d``.
    """
    plan, choice, _ = explain_filter2d(image, kernel, **options)
    together = 2 * plan.hop
    if choice.tiling is not None:
        together *= max(2 * choice.tiling.high // plan.rows.stride // together, 1)
    return together * max(PART // (plan.out_row * together), 1)


def _check_rows(rows: tuple[int, int] | None, plan: Plan) -> tuple[int, int]:
    """The rows that are asked for: from .. to."""
    if rows is None:
        return 0, plan.rows.out
    try:
        begin, end = (operator.index(row) for row in rows)
    except (TypeError, ValueError):
        begin, end = -1, -1
    if not 0 <= begin < end <= plan.rows.out:
        raise ArgumentError(f"rows must be two whole numbers, from .. to, within the {plan.rows.out} of the result, got {rows}")
    return begin, end


def _plan_image(pixels: Array, weights: Array, stride: Pair, padding: Padding, dilation: Pair) -> Plan:
    """The plan for an image (H, W) or (H, W, C) under a kernel (kh, kw) or (kh, kw, C)."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if weights.ndim == 3 and weights.shape[2] != channels:
        raise ArgumentError(
            f"kernel has {weights.shape[2]} channels, the image has {channels}; they must agree for a (kh, kw, C) kernel"
        )
    rows, columns = make_axes(pixels.shape[:2], weights.shape[:2], stride, padding, dilation)
    return Plan(rows, columns, pixel=channels, depth=1 if weights.ndim == 2 else channels)


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

    Equal to PyTorch's ``conv2d`` and ONNX's ``Conv`` within float32 rounding, with PyTorch's order of arguments. What differs
    from PyTorch: a weight of 0 is no part of the kernel, so that a NaN or an infinity under it does not spread, which it does
    there; "same" goes with any stride; a padding may have two sizes an axis, and a border of any kind; integers are taken, and
    what is float16 is computed in float32.

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
        If a shape, value or word cannot be used; it names the argument, the rule and the value.

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
    plan = Plan(rows, columns, pixel=1, depth=1)
    out = aligned((count, maps, rows.out, columns.out), real_of(batch))
    if method is None and groups == channels and is_depthwise(plan, weights, batch):
        layers = [_Layer(batch, weights[..., None], biases, out, each=True)]
    else:
        parts = [np.split(part, groups, axis) for part, axis in ((batch, 1), (weights[..., None], 0), (biases, 0), (out, 1))]
        layers = [_Layer(*group) for group in zip(*parts, strict=True)]
    _run(plan, layers, border, flip, threads, method)
    return out if pixels.ndim == 4 else out[0]


@dataclass(frozen=True)
class _Layer:
    """Images (N, P, H, numbers) of P planes under weights (M, P, kh, kw, depth), with bias (M,), into (N, M, H', numbers).

    With ``each``, every plane has M / P maps of its own: the weights are (M, 1, kh, kw, 1).
    """

    images: Array
    weights: Array
    bias: Array
    out: Array
    each: bool = False


def _run(
    plan: Plan, layers: list[_Layer], border: Border, flip: bool, threads: int | None, method: str | None, first: int = 0
) -> None:
    """Cut every image into bands and compute them, on threads where there is enough to do: the output rows from the first
    one on, as far as there is room for them.
    """
    word, constant = check_border(border)
    workers = workers_for(threads)
    if method is not None and method not in METHODS:
        raise ArgumentError(f"method must be one of {', '.join(METHODS)}, or None, got {method!r}")
    flip = as_flag("flip", flip)

    def tasks() -> Iterator[Callable[[], None]]:
        for layer in layers:
            weights = layer.weights[:, :, ::-1, ::-1] if flip else layer.weights
            volume = last = None  # what is made for one image serves the next: most of a batch are alike
            for planes, out in zip(layer.images, layer.out, strict=True):
                offset = Offset(planes)
                if layer.each or (method is None and is_deep(plan, weights, planes)):
                    volume = volume or volume_of(plan, word, weights, layer.bias, real_of(planes))
                    if offset.needed and not volume.total.any():  # a millisecond for a million weights
                        volume = with_totals(volume, weights)
                    yield from _deep_tasks_on(plan, volume, layer.each, planes, constant, offset, workers, out)
                else:
                    work = _work_on(planes, plan, constant, offset, method)
                    if work != last:
                        last, tables = work, tables_for(plan, word, work, method, weights, layer.bias)
                    yield from _tasks_on(plan, tables.below(first), layer.bias, planes, constant, offset, workers, out)

    run_all(list(tasks()), workers)


def _deep_tasks_on(
    plan: Plan, volume: Volume, each: bool, planes: Array, constant: float, offset: Offset, workers: int, out: Array
) -> Iterator[Callable[[], None]]:
    """The work on one image (P, H, W) with a table of all maps, or with that of ``each`` plane, in parts for the workers."""
    several = volume.plane.size > 1  # one product is rounded as the result is
    taken = offset.mean if several and offset.needed and np.isfinite(volume.total).all() else 0.0
    bands = plan.bands(plan.rows.out, volume.weight.size, workers)
    if each:
        bands = cut(len(planes), out.size * (volume.weight.size // len(out) + BESIDES), workers)
    run_band = correlate_depthwise if each else correlate_dense
    yield from (partial(run_band, plan, volume, planes, constant, taken, band, out) for band in bands)


def _tasks_on(
    plan: Plan, tables: Tables, bias: Array, planes: Array, constant: float, offset: Offset, workers: int, out: Array
) -> Iterator[Callable[[], None]]:
    """The work on one image (P, H, numbers), into maps (M, H', numbers), in parts for the workers."""
    taken = offset.mean if tables.takes_offset and offset.needed else 0.0

    def run_band(band: tuple[int, int]) -> None:
        scratch = plan.scratch(tables.rows, len(planes), tables.sums, out)
        number = tables.sums.first_weight.dtype.type
        run_loop(correlate, planes, *tables.ready, number(constant), number(taken), band, scratch, out)

    if any(spectrum is None for spectrum in tables.spectra):
        for band in plan.bands(out.shape[1], tables.work, workers):
            yield partial(run_band, band)
    for m, spectrum in enumerate(tables.spectra):
        if spectrum is not None:
            for pairs in spectrum.tiling.parts(out.shape[1], workers):
                yield partial(correlate_by_spectrum, spectrum, planes[0], constant, offset.mean, float(bias[m]), pairs, out[m])


def _work_on(planes: Array, plan: Plan, constant: float, offset: Offset, method: str | None) -> Work:
    """What sums of an image (P, H, numbers) are: those of whole numbers below 2**24 are exact in float32."""
    if planes.dtype.kind == "u":
        whole = constant == int(constant)
        white = float(np.iinfo(planes.dtype).max)
        largest = max(white, abs(constant))
        exact = whole and plan.rows.kernel * largest < 1 << 24
        return Work(real_of(planes), True, whole, 0 <= constant <= white, exact, largest, min(constant, 0.0))
    asked = method in ("fft", "separable") or (method is None and plan.rows.kernel * plan.columns.kernel >= SMALLEST)
    extremes = np.array([planes.min(), planes.max(), constant], np.float64) if asked else np.full(3, np.inf)
    finite, largest = bool(np.isfinite(extremes).all()), float(np.abs(extremes).max())
    even = finite and float(np.abs(extremes - offset.mean).max()) <= UNEVEN * offset.deviation
    rounded = 2.0 ** (32 * math.ceil(math.log2(largest) / 32)) if finite and largest else largest  # the same for most parts
    return Work(real_of(planes), finite, False, even, False, rounded, -rounded)
