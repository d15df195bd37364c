"""The kernel that turns one picture into another, by least squares.

Every sample of the second picture is a sum of the samples of the first under a window, times the weights of the kernel, plus an
offset and an error. The normal equations of all samples are summed in float64.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..geometry.axes import Axis, make_axes
from ..geometry.borders import Border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair, Sides, as_pair
from ..ops.rearrange import pad2d
from ..ops.validation import as_flag, as_number, check_array

CHANNELS = ("shared", "each", "sum")
"""One kernel for all channels; one for each channel; one over all channels for each channel of the second picture."""

MAX_WEIGHTS = 2048
"""Weights that are fitted together, at most: the time grows with their square."""

CHUNK = 1 << 21
"""Numbers of the windows that are summed at a time."""

LEAST_EIGENVALUE = 1e-12
"""Share of the largest eigenvalue of the normal equations below which a combination of weights is taken as undetermined."""


class KernelFit(Struct, frozen=True, eq=False):
    """A kernel that was fitted: weights (kh, kw) or (kh, kw, C), and an offset, in the units of the pictures.

    ``errors`` are the standard errors of the weights, as the residuals say them; ``residual`` is their root of the mean square;
    ``explained`` the share of the variance of the second picture that is explained, NaN where it has none; ``condition`` the
    condition number of the samples under the window; ``samples`` the count of samples that were fitted, and ``clipped`` that of
    those left out.
    """

    weights: Array
    offset: float
    errors: Array
    residual: float
    explained: float
    condition: float
    samples: int
    clipped: int


class _Equations(NamedTuple):
    """Sums over all samples t and their windows p: of p p', p t, t * t and t; and the counts of samples used and left out."""

    products: Array
    targets: Array
    squares: float
    sum: float
    samples: int
    clipped: int


def fit_kernel(
    before: ArrayLike,
    after: ArrayLike,
    size: Pair,
    *,
    stride: Pair = 1,
    border: Border | None = None,
    flip: bool = False,
    offset: bool = False,
    channels: str = "shared",
    nonnegative: bool = False,
    total: float | None = None,
    ridge: float = 0.0,
    limits: tuple[float, float] | None = None,
) -> tuple[KernelFit, ...]:
    """Return the kernels of ``size`` that turn one picture into another: one, or one for each channel.

    Parameters
    ----------
    before, after : (H, W) or (H, W, C), any real dtype
        The size of the second one says the padding: valid, same or full, as in :func:`filter2d`.
    size, stride : int or (rows, columns)
    border : a border of :func:`filter2d`, optional
        None leaves out the samples whose window reaches beyond the first picture.
    flip : bool
        Whether the kernel is to be rotated by 180 degrees before it slides.
    offset : bool
        Whether a number is added to all sums.
    channels : "shared", "each" or "sum"
        One kernel for all channels; one for each channel; or one (kh, kw, C) for each channel of the second picture.
    nonnegative : bool
        Whether no weight may be negative.
    total : float, optional
        The sum of the weights.
    ridge : float
        Added to the mean square of the samples, as if the pictures had so much noise: small weights are preferred.
    limits : (float, float), optional
        The least and the largest level that the second picture can hold. Samples at or beyond them were clipped, and are left
        out.

    Raises
    ------
    ArgumentError (a ValueError)
        If the sizes do not fit, nothing is left to be fitted, or the pictures do not determine the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> import convcli
    >>> image = np.random.default_rng(0).normal(size=(64, 64))
    >>> (fit,) = fit_kernel(image, convcli.filter2d(image, [[1, 2, 1]]), (1, 3))
    >>> fit.weights.round(6).tolist()
    [[1.0, 2.0, 1.0]]
    """
    first, second = (_planes_of(name, value) for name, value in (("before", before), ("after", after)))
    sides, steps = as_pair("size", size, least=1), as_pair("stride", stride, least=1)
    if channels not in CHANNELS:
        raise ArgumentError(f"channels must be one of {', '.join(CHANNELS)}, got {channels!r}")
    if channels != "sum" and len(first) != len(second):
        raise ArgumentError(
            f"the pictures have {len(first)} and {len(second)} channels; "
            "with channels sum, a kernel sums over those of the first"
        )
    depth = len(first) if channels == "sum" else 1
    if math.prod(sides) * depth > MAX_WEIGHTS:
        raise ArgumentError(f"size {sides[0]} x {sides[1]} has more than {MAX_WEIGHTS} weights to be fitted together")
    padding = _padding_of(first.shape[1:], second.shape[1:], sides, steps)
    rows, columns = make_axes(first.shape[1:], sides, steps, padding, 1)
    with_offset, rest = as_flag("offset", offset), (as_flag("nonnegative", nonnegative), total, as_number("ridge", ridge))
    if channels == "shared":
        groups = [[(first[[channel]], second[channel]) for channel in range(len(first))]]
    elif channels == "each":
        groups = [[(first[[channel]], second[channel])] for channel in range(len(first))]
    else:
        groups = [[(first, plane)] for plane in second]
    fits = []
    for group in groups:
        equations = _summed(group, rows, columns, border, with_offset, limits)
        fits.append(_solved(equations, (*sides, depth), with_offset, *rest, as_flag("flip", flip)))
    return tuple(fits)


def _planes_of(name: str, value: ArrayLike) -> Array:
    """Return a picture as (C, H, W) float64."""
    array = check_array(name, value, (2, 3)).astype(np.float64)
    if not np.isfinite(array).all():
        raise ArgumentError(f"{name} must hold finite numbers")
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _padding_of(sizes: tuple[int, ...], out: tuple[int, ...], kernel: Sides, stride: Sides) -> Padding:
    """Return the padding by which a kernel gives the size of the second picture. Raises ArgumentError."""
    found = {}
    for padding in ("same", "valid", "full"):
        try:
            rows, columns = make_axes((sizes[0], sizes[1]), kernel, stride, padding, 1)
        except ArgumentError:
            continue
        found[padding] = rows.out, columns.out
        if found[padding] == out:
            return padding
    sizes_found = ", ".join(f"{columns} x {rows} for {name}" for name, (rows, columns) in found.items())
    raise ArgumentError(
        f"a kernel of {kernel[0]} x {kernel[1]} with stride {stride[0]} x {stride[1]} makes of {sizes[1]} x {sizes[0]} pixels "
        f"{sizes_found}; the second picture has {out[1]} x {out[0]}"
    )


def _summed(
    group: list[tuple[Array, Array]],
    rows: Axis,
    columns: Axis,
    border: Border | None,
    with_offset: bool,
    limits: tuple[float, float] | None,
) -> _Equations:
    """Return the normal equations of pairs of planes (C, H, W) and (H', W')."""
    count = group[0][0].shape[0] * rows.kernel * columns.kernel + with_offset
    total = _Equations(np.zeros((count, count)), np.zeros(count), 0.0, 0.0, 0, 0)
    for planes, target in group:
        for windows, values in _samples(planes, target, rows, columns, border):
            kept = np.ones(values.shape, bool) if limits is None else (values > limits[0]) & (values < limits[1])
            used, wanted = windows[kept], values[kept]
            if with_offset:
                used = np.concatenate([used, np.ones((len(used), 1))], axis=1)
            total = _Equations(
                total.products + used.T @ used,
                total.targets + used.T @ wanted,
                total.squares + float(wanted @ wanted),
                total.sum + float(wanted.sum()),
                total.samples + len(wanted),
                total.clipped + int((~kept).sum()),
            )
    return total


def _samples(planes: Array, target: Array, rows: Axis, columns: Axis, border: Border | None) -> Iterator[tuple[Array, Array]]:
    """Yield windows (n, C * kh * kw) and what is wanted of them (n,), for some rows at a time."""
    places = np.arange(rows.out), np.arange(columns.out)
    if border is None:  # windows that lie in the picture
        places = _inside(rows), _inside(columns)
        padded, firsts = planes, (places[0] * rows.stride - rows.before, places[1] * columns.stride - columns.before)
    else:
        padded = pad2d(planes, ((rows.before, rows.after), (columns.before, columns.after)), border)
        firsts = places[0] * rows.stride, places[1] * columns.stride
    if not places[0].size or not places[1].size:
        return
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows.kernel, columns.kernel), axis=(1, 2))
    taps = planes.shape[0] * rows.kernel * columns.kernel
    step = max(CHUNK // (len(places[1]) * taps), 1)
    for begin in range(0, len(places[0]), step):
        part = slice(begin, begin + step)
        chosen = windows[:, firsts[0][part, None], firsts[1]].transpose(1, 2, 3, 4, 0)  # rows, columns, kh, kw, C
        yield chosen.reshape(-1, taps), target[np.ix_(places[0][part], places[1])].ravel()


def _inside(axis: Axis) -> Array:
    """Return the positions whose window lies inside of the picture."""
    firsts = np.arange(axis.out) * axis.stride - axis.before
    return np.flatnonzero((firsts >= 0) & (firsts + axis.kernel <= axis.size))


def _solved(
    equations: _Equations,
    shape: tuple[int, int, int],
    with_offset: bool,
    nonnegative: bool,
    total: float | None,
    ridge: float,
    flip: bool,
) -> KernelFit:
    """Return the kernel that solves the equations. Raises ArgumentError where they do not determine it."""
    samples, taps = equations.samples, math.prod(shape)
    if samples <= taps:
        clipped = f", and {equations.clipped} were clipped" if equations.clipped else ""
        raise ArgumentError(f"a kernel of {taps} weights needs more samples than it has weights; there are {samples}{clipped}")
    products, targets = equations.products.copy(), equations.targets.copy()
    products[range(taps), range(taps)] += ridge * samples
    eigenvalues = np.linalg.eigvalsh(products[:taps, :taps])
    undetermined = int((eigenvalues <= LEAST_EIGENVALUE * max(eigenvalues[-1], np.finfo(float).tiny)).sum())
    if undetermined:
        raise ArgumentError(
            f"the pictures do not determine the kernel: {undetermined} of {taps} combinations of its weights change nothing, "
            "as in flat pictures; take pictures with more detail, a smaller size, or a ridge such as 1"
        )
    bound = None if total is None else as_number("total", total)
    if nonnegative and bound is not None and bound <= 0:
        raise ArgumentError(f"the sum of weights that are not negative must be above 0, got {bound:g}")
    found = _nonnegative(products, targets, taps, bound) if nonnegative else _least(products, targets, taps, bound)
    squared = max(equations.squares - 2 * found @ equations.targets + found @ equations.products @ found, 0.0)
    residual = squared / max(samples - taps, 1)
    variance = equations.squares / samples - (equations.sum / samples) ** 2
    errors = np.sqrt(np.maximum(np.diag(np.linalg.inv(products))[:taps] * residual, 0))
    weights, errors = (values.reshape(shape)[:: -1 if flip else 1, :: -1 if flip else 1] for values in (found[:taps], errors))
    if shape[2] == 1:
        weights, errors = weights[..., 0], errors[..., 0]
    explained = 1 - squared / samples / variance if variance > 0 else math.nan
    condition = math.sqrt(float(eigenvalues[-1] / eigenvalues[0]))
    offset = float(found[taps]) if with_offset else 0.0
    return KernelFit(
        weights.copy(), offset, errors.copy(), math.sqrt(residual), explained, condition, samples, equations.clipped
    )


def _least(products: Array, targets: Array, taps: int, total: float | None, free: Array | None = None) -> Array:
    """Return the solution whose first ``taps`` numbers have the sum ``total``; those that are not ``free`` are 0."""
    chosen = np.arange(len(targets)) if free is None else np.flatnonzero(free)
    left, right = products[np.ix_(chosen, chosen)], targets[chosen]
    if total is not None:  # with a Lagrange multiplier, of the size of the products
        row = np.where(chosen < taps, float(np.abs(np.diag(left)).max()), 0.0)
        left = np.block([[left, row[:, None]], [row[None], np.zeros((1, 1))]])
        right = np.append(right, total * row.max())
    found = np.zeros(len(targets))
    found[chosen] = np.linalg.solve(left, right)[: len(chosen)]
    return found


def _nonnegative(products: Array, targets: Array, taps: int, total: float | None) -> Array:
    """Return the solution whose first ``taps`` numbers are not negative, by block principal pivoting.

    Weights that are negative become 0, and those at 0 whose growth would lower the error become free, until there are none;
    all at once, or where that does not help the last one alone: Kim and Park, "Fast Nonnegative Matrix Factorization: An
    Active-Set-Like Method and Comparisons", SIAM J. Sci. Comput. 33 (2011), section 3.
    """
    places = np.arange(len(targets))
    is_weight, free, fewest, trials = places < taps, np.ones(len(targets), bool), len(targets) + 1, 3
    while True:
        found = _least(products, targets, taps, total, free)
        slopes = targets - products @ found
        if total is not None:  # the multiplier is the slope of all free weights
            slopes -= slopes[free & is_weight].mean()
        wrong = is_weight & np.where(free, found < 0, slopes > 1e-9 * np.abs(targets).max())
        count = int(wrong.sum())
        if not count:
            return found
        if count < fewest:
            fewest, trials = count, 3
        elif trials:
            trials -= 1
        else:
            wrong = places == np.flatnonzero(wrong)[-1]
        free = free ^ wrong
        if not (free & is_weight).any():
            free[int(np.where(is_weight, targets, -np.inf).argmax())] = True
