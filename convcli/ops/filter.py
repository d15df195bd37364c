"""``filter2d``: filters an image with a kernel; and the explanation of how it does so."""

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
from ..engine.parallel_tasks import tap_tasks
from ..engine.planner import Choice
from ..engine.sample_facts import sample_facts_of
from ..engine.simd.reference import Array
from ..engine.threads import run_all
from ..errors import ArgumentError
from ..geometry.axes import make_axes
from ..geometry.borders import ZERO, Border, BorderMode, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .missing import LEAST_SHARE, absent_samples, border_of_absent, check_missing
from .validation import as_flag, check_array, check_method, limits_of, out_dtype, workers_for

CHUNK_SIZE = 1 << 20
"""Samples in the rows that are computed at a time."""

FUSED_DTYPES = {np.dtype(name) for name in ("uint8", "uint16")}
"""Dtypes of results to which the loop rounds each vector; other integers are rounded at the end."""


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
    missing: str | None = None,
    mask: ArrayLike | None = None,
) -> Array:
    """Slide one kernel over an image.

    Parameters
    ----------
    image : (H, W) or (H, W, C), any real dtype
        Not changed. Computed in float32 where that holds every value of the dtype; in float64 for float64, and for integers of
        32 bits and more, as NumPy promotes them.
    kernel : (kh, kw) or (kh, kw, C)
        A (kh, kw) kernel filters every channel on its own; a (kh, kw, C) kernel sums over the channels. A weight of 0
        is not part of the kernel: a NaN under it does not spread.
    stride, dilation : int or (rows, columns)
        Pixels from one position of the kernel to the next; pixels from one tap to the next. Each, and what the dilated
        kernel covers, is at most 65535.
    padding : "valid", "same", "same-upper", "same-lower", "full", int, (rows, columns) or ((top, bottom), (left, right))
        Pixels added around the image. "same" adds extent - 1 in all, the smaller half first, whatever the stride.
        "same-upper" and "same-lower" add what ceil(size / stride) positions need, the odd pixel after or before, as ONNX's
        SAME_UPPER and SAME_LOWER, which are accepted too.
    border : "zero", a number, "edge", "reflect", "symmetric", "wrap" or "linear-ramp"
        The values of the padding, by NumPy's names: ``reflect`` is d c b|a b c d|c b a, ``symmetric`` c b a|a b c d|d c b.
        The padding may be wider than the image. Unambiguous names of other systems are accepted too: "zeros", "replicate",
        "nearest", "circular", "periodic" and more. ``linear-ramp`` falls from the pixel at the edge to 0 at the last padded
        pixel of that side, so that it depends on the amount of padding: numpy.pad's "linear_ramp" with end_values=0, in real
        numbers, where NumPy rounds those of integers. It takes memory for a padded copy of the image in the dtype of the sums.
    flip : bool
        False slides the kernel as it is written (cross-correlation); True turns it by 180 degrees first
        (mathematical convolution).
    dtype : real dtype, optional
        None gives the float result, unclipped. An integer dtype rounds half to even and saturates; NaN becomes 0. float16 and
        float32 round the float result; float64 is computed in float64.
    threads : int, optional
        Bands of rows computed in parallel; None uses all processors of this process. The result does not depend on it.
    method : "direct", "separable", "box" or "fft", optional
        How sums are computed; None chooses the cheapest. ``separable`` sums down columns, then along rows; ``box`` does so
        with running sums, for equal weights; ``fft`` multiplies spectra. Results differ by rounding only: at most 1e-5 of the
        sum of the absolute weights times the extent of the image, its largest minus its least sample, and one unit in the last
        place of the result.
    rows : (from, to), optional
        Rows of the result to compute; None is all of them. They equal those of the whole result bit by bit; with spectra,
        within rounding.
    missing : "spread", "ignore" or "zero", optional
        What missing samples do: NaN, and those that ``mask`` marks. With "spread", the default without a mask, each response
        that a weight other than 0 reads one for is NaN. With "ignore", the default with a mask, they take no part, and the
        sum of the other products is multiplied by sum(kernel) / sum(weights that are seen): normalised convolution (Knutsson
        and Westin 1993, https://doi.org/10.1109/CVPR.1993.341081). The result is NaN where the weights that are seen sum to
        zero, within a millionth of the sum of the absolute weights: where nothing is seen, or where they cancel. With "zero",
        they count as 0. A padded sample is missing where the sample that it copies is; a constant is never missing. Responses
        without a missing sample are those of "spread", bit by bit; the others are summed in float64.
    mask : (H, W) or (H, W, C), any real dtype, optional
        0 or False marks missing samples, as in OpenCV and GDAL; masks of ``numpy.ma`` and astropy are the inverse.

    Returns
    -------
    (H', W') or (H', W', C), the channels only where each was filtered on its own

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used; the message names the argument, the rule and the value. So is a kernel that
        sums to zero with missing="ignore".

    Examples
    --------
    >>> import numpy as np, convcli
    >>> x = np.arange(25, dtype=np.uint8).reshape(5, 5)
    >>> convcli.filter2d(x, np.ones((3, 3)) / 9, padding="valid", dtype=np.uint8).tolist()
    [[6, 7, 8], [11, 12, 13], [16, 17, 18]]
    >>> convcli.filter2d(np.zeros((480, 640, 3)), np.ones((5, 5, 3)), stride=2).shape
    (240, 320)
    >>> convcli.filter2d([[1, np.nan, 3]], [[1 / 3, 1 / 3, 1 / 3]], missing="ignore", border="edge").round(3).tolist()
    [[1.0, 2.0, 3.0]]
    """
    pixels = loadable(check_array("image", image, dimensions=(2, 3)))
    weights = check_array("kernel", kernel, dimensions=(2, 3))
    layout = _layout_of_image(pixels, weights, stride, padding, dilation)
    result_dtype = out_dtype(dtype, real_of(pixels))
    if missing is not None or mask is not None:
        rule = check_missing(missing, mask, weights)
        absent = absent_samples(pixels, rule, mask)
        if absent is not None:
            sliding: dict[str, Any] = {
                "stride": stride,
                "padding": padding,
                "border": border,
                "dilation": dilation,
                "flip": flip,
            }
            sliding |= {"threads": threads, "rows": rows}
            real = np.float64 if result_dtype == np.float64 else real_of(pixels)
            response = filter2d(pixels, weights, method=method, dtype=real, **sliding)
            treat_missing(response, np.where(absent, 0, pixels), absent, weights, rule, **sliding)
            return _as_type(response, result_dtype).reshape(response.shape)
    if result_dtype == np.float64:
        pixels = loadable(pixels.astype(np.float64, copy=False))
    begin, end = _check_rows(rows, layout)
    mode = check_border(border).for_axes(layout.rows, layout.columns)
    check_method(method)
    workers = workers_for(threads)
    if as_flag("flip", flip):
        weights = weights[::-1, ::-1]

    planes = pixels.reshape(1, pixels.shape[0], -1)
    offset = Offset(planes)
    tables = _tables_for(layout, planes, weights, mode, offset, method)
    first = begin - begin % (2 * layout.pair_step)  # whole pairs, so that rounding does not depend on the requested rows
    top, bottom = first * layout.rows.stride, (end - 1) * layout.rows.stride + layout.rows.extent
    if mode.needs_copy:
        planes = padded_copy(planes, layout, mode, top, bottom)
        tables = tables.between(0, bottom - top)
    else:
        tables = tables.between(top)
    out = aligned((1, end - first, layout.out_row), result_dtype if result_dtype in FUSED_DTYPES else real_of(pixels))
    run_all(list(tap_tasks(layout, tables, NO_BIAS, planes, mode.constant, offset, workers, out)), workers)

    out = _as_type(out[:, begin - first :], result_dtype)
    shape = (end - begin, layout.columns.out)
    return out.reshape((*shape, layout.pixel) if pixels.ndim == 3 and weights.ndim == 2 else shape)


def treat_missing(response: Array, samples: Array, absent: Array, kernel: Array, missing: str, **sliding: Any) -> None:
    """Replace, in place, the elements of a response of ``filter2d`` for which the kernel lies over missing samples.

    ``samples`` (H, W) or (H, W, C) are 0 where they are missing, as ``absent``, bool, says for each channel or for all at once.
    ``missing`` is the rule, and ``sliding`` the options of ``filter2d``, without a method and a dtype. Sums are of float64, as
    the division by a small share of the weights magnifies their rounding errors.
    """
    gone, inner = absent.astype(np.uint8), sliding | {"border": border_of_absent(sliding["border"])}
    if kernel.ndim == 3:
        gone = np.broadcast_to(gone, samples.shape)
    touched = filter2d(gone, kernel != 0, **inner) > 1 / 2
    if missing == "spread":
        np.copyto(response, np.nan, where=touched)
    elif touched.any():
        sums = filter2d(samples, kernel, dtype=np.float64, **sliding)
        with np.errstate(all="ignore"):  # infinite samples, and values beyond float32
            if missing == "ignore":
                seen = kernel.sum(dtype=np.float64) - filter2d(gone, kernel, dtype=np.float64, **inner)
                seen[np.abs(seen) <= LEAST_SHARE * np.abs(kernel).sum(dtype=np.float64)] = np.nan
                sums *= kernel.sum(dtype=np.float64) / seen
            np.copyto(response, sums, where=touched, casting="same_kind")


def _as_type(out: Array, result_dtype: np.dtype[Any]) -> Array:
    """Convert a result to a dtype, if it was not computed in that."""
    if out.dtype == result_dtype:
        return out
    if result_dtype.kind == "f":
        with np.errstate(over="ignore"):  # a value beyond float16 becomes infinite
            return out.astype(result_dtype)
    values, levels = out.reshape(-1), np.empty(out.size, result_dtype)
    run_loop(scale_to_levels, values, values.dtype.type(0), values.dtype.type(1), *limits_of(result_dtype), levels)
    return levels


def _tables_for(
    layout: Layout, planes: Array, weights: Array, border: BorderMode, offset: Offset, method: str | None
) -> KernelTables:
    """Return the tables for weights (kh, kw) or (kh, kw, C) over planes, or over their padded copy if the border needs one."""
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
    """Return how ``filter2d`` would compute this: layout, choice of method, and bytes of scratch memory per thread.

    Raises ArgumentError as ``filter2d`` does.
    """
    layout = _layout_of_image(image, kernel, stride, padding, dilation)
    mode = check_border(border).for_axes(layout.rows, layout.columns)
    tables = _tables_for(layout, image[None], kernel, mode, Offset(image[None]), method)
    choice, real = tables.choices[0], real_of(image)
    if choice.tiling is not None:
        scratch: tuple[Any, ...] = choice.tiling.workspace(layout.pixel, real, real)
    else:
        scratch = layout.scratch(tables.rows, 1, tables.sums, np.empty((1, 1, 0), real))
    return layout, choice, sum(array.nbytes for array in scratch if isinstance(array, np.ndarray))


def rows_at_once(image: Array, kernel: Array, **options: Any) -> int:
    """Return how many rows of ``filter2d`` to request at a time for little memory: about 4 MB of float32.

    The options are those of ``explain_filter2d``.
    """
    layout, choice, _ = explain_filter2d(image, kernel, **options)
    multiple = 2 * layout.pair_step
    if choice.tiling is not None:
        multiple *= max(2 * choice.tiling.valid_rows // layout.rows.stride // multiple, 1)
    return multiple * max(CHUNK_SIZE // (layout.out_row * multiple), 1)


def _check_rows(rows: tuple[int, int] | None, layout: Layout) -> tuple[int, int]:
    """Return the requested rows, from .. to. Raises ArgumentError."""
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
    """Return the layout of an image (H, W) or (H, W, C) under a kernel (kh, kw) or (kh, kw, C)."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if weights.ndim == 3 and weights.shape[2] != channels:
        raise ArgumentError(
            f"kernel has {weights.shape[2]} channels, the image has {channels}; they must agree for a (kh, kw, C) kernel"
        )
    rows, columns = make_axes(pixels.shape[:2], weights.shape[:2], stride, padding, dilation)
    return Layout(rows, columns, pixel=channels, depth=1 if weights.ndim == 2 else channels)
