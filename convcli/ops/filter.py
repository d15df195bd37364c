"""``filter2d``: filters an image with a kernel; and the explanation of how it does so."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..engine.dtypes import loadable, real_of
from ..engine.kernel_tables import KernelTables
from ..engine.layout import Layout
from ..engine.offset import Offset
from ..engine.planner import Choice
from ..engine.simd.reference import Array
from ..geometry.borders import Border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .filter_plan import FilterOptions, as_type, plan_of
from .missing import LEAST_SHARE, absent_samples, border_of_absent, check_missing
from .validation import check_array

CHUNK_SIZE = 1 << 20
"""Samples in the rows that are computed at a time."""


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
    plan = plan_of(pixels, weights, FilterOptions(stride, padding, border, dilation, flip, dtype, threads, method))
    if missing is None and mask is None:
        return plan.run(pixels, rows)
    rule = check_missing(missing, mask, weights)
    absent = absent_samples(pixels, rule, mask)
    if absent is None:
        return plan.run(pixels, rows)
    sliding: dict[str, Any] = {"stride": stride, "padding": padding, "border": border, "dilation": dilation, "flip": flip}
    sliding |= {"threads": threads, "rows": rows}
    real = np.float64 if plan.result_dtype == np.float64 else real_of(pixels.dtype)
    response = filter2d(pixels, weights, method=method, dtype=real, **sliding)
    treat_missing(response, np.where(absent, 0, pixels), absent, weights, rule, **sliding)
    return as_type(response, plan.result_dtype).reshape(response.shape)


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


def explain_filter2d(image: Array, kernel: Array, **options: Any) -> tuple[Layout, Choice, int]:
    """Return how ``filter2d`` computes this: layout, choice of method, and bytes of scratch memory per thread.

    The options are those of ``filter2d`` that its plan depends on. Raises ArgumentError as ``filter2d`` does.
    """
    layout, tables = _layout_and_tables(image, kernel, FilterOptions(**options))
    choice, real = tables.choices[0], real_of(image.dtype)
    if choice.tiling is not None:
        scratch: tuple[Any, ...] = choice.tiling.workspace(layout.pixel, real, real)
    else:
        _, scratch = tables.scratch(layout, 1, np.empty((1, 1, 0), real))
    return layout, choice, sum(array.nbytes for array in scratch if isinstance(array, np.ndarray))


def rows_at_once(image: Array, kernel: Array, **options: Any) -> int:
    """Return how many rows of ``filter2d`` to request at a time for little memory: about 4 MB of float32.

    The options are those of ``explain_filter2d``.
    """
    layout, tables = _layout_and_tables(image, kernel, FilterOptions(**options))
    multiple, choice = tables.row_multiple, tables.choices[0]
    if choice.tiling is not None:
        multiple *= max(2 * choice.tiling.valid_rows // layout.rows.stride // multiple, 1)
    return multiple * max(CHUNK_SIZE // (layout.out_row * multiple), 1)


def _layout_and_tables(image: Array, kernel: Array, options: FilterOptions) -> tuple[Layout, KernelTables]:
    plan = plan_of(image, kernel, options)
    planes = image.reshape(1, image.shape[0], -1)
    return plan.layout, plan.tables_of(planes, Offset(planes))
