"""``filter2d``: one kernel over one image; and what decides how it is computed."""

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..engine.buffers import aligned
from ..engine.dtypes import loadable, real_of
from ..engine.jit.run import run_loop
from ..engine.kernel_tables import KernelTables, kernel_tables_for
from ..engine.layout import Layout
from ..engine.loops.elementwise import scale_to_levels
from ..engine.offset import Offset
from ..engine.padded_copy import padded_copy
from ..engine.planner import Choice
from ..engine.sample_facts import sample_facts_of
from ..engine.simd.reference import Array
from ..engine.tasks import tap_tasks
from ..engine.threads import run_all
from ..errors import ArgumentError
from ..geometry.axes import make_axes
from ..geometry.borders import ZERO, Border, BorderMode, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .validation import as_flag, check_array, check_method, limits_of, out_dtype, workers_for

PART = 1 << 20
"""Numbers in the rows that are made at a time."""

FUSED = {np.dtype(name) for name in ("uint8", "uint16")}
"""Types of results that each row is rounded to as it is done; other integers are rounded at the end."""


NO_BIAS = np.zeros(1)


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
    border : "zero", a number, "edge", "reflect", "symmetric", "wrap" or "linear-ramp"
        What the padding holds, in NumPy's words: ``reflect`` is d c b|a b c d|c b a, ``symmetric`` c b a|a b c d|d c b.
        The padding may be wider than the image. Words of other systems that mean one of these are taken too: "zeros",
        "replicate", "nearest", "circular", "periodic" and more. ``linear-ramp`` falls from the pixel at the edge to 0 at the
        last padded pixel of that side, so that it depends on how much is padded: numpy.pad's "linear_ramp" with end_values=0,
        of real numbers, where NumPy rounds those of integers. It takes a padded copy of the image in the type of the sums.
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
        sample, and one unit in the last place of the result.
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
    layout = _layout_of_image(pixels, weights, stride, padding, dilation)
    wanted = out_dtype(dtype, real_of(pixels))
    if wanted == np.float64:
        pixels = loadable(pixels.astype(np.float64, copy=False))
    begin, end = _check_rows(rows, layout)
    mode = check_border(border).over(layout.rows, layout.columns)
    check_method(method)
    workers = workers_for(threads)
    if as_flag("flip", flip):
        weights = weights[::-1, ::-1]

    planes = pixels.reshape(1, pixels.shape[0], -1)
    offset = Offset(planes)
    tables = _tables_for(layout, planes, weights, mode, offset, method)
    first = begin - begin % (2 * layout.pair_step)  # a row stands in the same pair, whatever rows are asked for
    top, bottom = first * layout.rows.stride, (end - 1) * layout.rows.stride + layout.rows.extent
    if mode.needs_copy:
        planes = padded_copy(planes, layout, mode, top, bottom)
        tables = tables.between(0, bottom - top)
    else:
        tables = tables.between(top)
    out = aligned((1, end - first, layout.out_row), wanted if wanted in FUSED else real_of(pixels))
    run_all(list(tap_tasks(layout, tables, NO_BIAS, planes, mode.constant, offset, workers, out)), workers)

    out = _as_type(out[:, begin - first :], wanted)
    shape = (end - begin, layout.columns.out)
    return out.reshape((*shape, layout.pixel) if pixels.ndim == 3 and weights.ndim == 2 else shape)


def _as_type(out: Array, wanted: np.dtype[Any]) -> Array:
    """A result in the type that is wanted, where it was not computed in that."""
    if out.dtype == wanted:
        return out
    if wanted.kind == "f":
        with np.errstate(over="ignore"):  # a number beyond float16 is infinite
            return out.astype(wanted)
    values, levels = out.reshape(-1), np.empty(out.size, wanted)
    run_loop(scale_to_levels, values, values.dtype.type(0), values.dtype.type(1), *limits_of(wanted), levels)
    return levels


def _tables_for(
    layout: Layout, planes: Array, weights: Array, border: BorderMode, offset: Offset, method: str | None
) -> KernelTables:
    """The tables for weights (kh, kw) or (kh, kw, C) over the planes, or over their padded copy where the border needs one."""
    facts = sample_facts_of(planes, layout, border, offset, method)
    if border.needs_copy:
        layout, border = layout.of_padded_copy, ZERO
    maps = weights.reshape(1, 1, *weights.shape[:2], layout.depth)
    return kernel_tables_for(layout, border, facts, method, maps, NO_BIAS)


def explain_filter2d(
    image: Array,
    kernel: Array,
    *,
    stride: Pair = 1,
    padding: Padding = "same",
    border: Border = "reflect",
    dilation: Pair = 1,
    method: str | None = None,
) -> tuple[Layout, Choice, int]:
    """How ``filter2d`` would compute this: layout, choice of method, and bytes of scratch memory for each thread.

    Raises ArgumentError as that does.
    """
    layout = _layout_of_image(image, kernel, stride, padding, dilation)
    mode = check_border(border).over(layout.rows, layout.columns)
    tables = _tables_for(layout, image[None], kernel, mode, Offset(image[None]), method)
    choice, real = tables.choices[0], real_of(image)
    if choice.tiling is not None:
        scratch: tuple[Any, ...] = choice.tiling.workspace(layout.pixel, real, real)
    else:
        scratch = layout.scratch(tables.rows, 1, tables.sums, np.empty((1, 1, 0), real))
    return layout, choice, sum(part.nbytes for part in scratch if isinstance(part, np.ndarray))


def rows_at_once(image: Array, kernel: Array, **options: Any) -> int:
    """How many rows of ``filter2d`` are best asked for at a time, by who wants little memory: about 4 MB of float32.

    The options are those of ``explain_filter2d``.
    """
    layout, choice, _ = explain_filter2d(image, kernel, **options)
    together = 2 * layout.pair_step
    if choice.tiling is not None:
        together *= max(2 * choice.tiling.valid_rows // layout.rows.stride // together, 1)
    return together * max(PART // (layout.out_row * together), 1)


def _check_rows(rows: tuple[int, int] | None, layout: Layout) -> tuple[int, int]:
    """The rows that are asked for: from .. to."""
    if rows is None:
        return 0, layout.rows.out
    try:
        begin, end = (operator.index(row) for row in rows)
    except (TypeError, ValueError):
        begin, end = -1, -1
    if not 0 <= begin < end <= layout.rows.out:
        raise ArgumentError(
            f"rows must be two whole numbers, from .. to, within the {layout.rows.out} of the result, got {rows}"
        )
    return begin, end


def _layout_of_image(pixels: Array, weights: Array, stride: Pair, padding: Padding, dilation: Pair) -> Layout:
    """The layout of an image (H, W) or (H, W, C) under a kernel (kh, kw) or (kh, kw, C)."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if weights.ndim == 3 and weights.shape[2] != channels:
        raise ArgumentError(
            f"kernel has {weights.shape[2]} channels, the image has {channels}; they must agree for a (kh, kw, C) kernel"
        )
    rows, columns = make_axes(pixels.shape[:2], weights.shape[:2], stride, padding, dilation)
    return Layout(rows, columns, pixel=channels, depth=1 if weights.ndim == 2 else channels)
