"""Layers of many channels: when their maps are computed several at a time, and what the loops need for that."""

import numpy as np

from ..engine.dtypes import real_of
from ..geometry.borders import BorderMode
from .buffers import aligned
from .jit.run import run_loop
from .layout import Layout, source_table
from .loops.im2col import SHARED, Buffers, LayerTables, correlate_each, correlate_maps
from .offset import BOUND, can_be_shifted, error_of, totals_of
from .sample_facts import SMALLEST_FOR_FFT
from .simd.reference import VECTOR_BYTES, Array

REALS = VECTOR_BYTES // 4
"""Numbers in a vector of float32."""

FEWEST_MAPS, FEWEST_TAPS = 4, 16
"""Below, laying the planes costs more than is gained."""

DEEPEST = 256
"""Taps that are summed before the next vector at most: their weights and numbers stay in the nearest memory."""

NEAR = 800_000
"""Bytes of laid rows that stay in the second level of cache."""

LARGEST = 32_000_000
"""Bytes of laid rows for one output row at most: long strides and dilations lay much that nobody reads."""


def is_deep(layout: Layout, weights: Array, images: Array) -> bool:
    """Whether maps of weights (maps, planes, kh, kw, 1) are computed several at a time, with the zeros that only some have.

    An infinite number times 0 is NaN, where taps of 0 are left out otherwise: so all numbers must be finite.
    """
    enough = weights.shape[0] >= FEWEST_MAPS and weights[0].size >= FEWEST_TAPS and weights.shape[1] > 1
    enough = enough and deep_of(weights[0].size, real_of(images)) > 0
    rows, columns = layout.rows.extent + layout.rows.stride, layout.columns.before + layout.columns.size + layout.columns.after
    small = 8 * weights.shape[1] * rows * (columns + layout.columns.stride) <= LARGEST
    return enough and small and (images.dtype.kind == "u" or bool(np.isfinite(images).all()))


def deep_of(taps: int, real: np.dtype) -> int:
    """How many of so many taps are summed before the next vector: as many as can be where rounding of these sums, and of
    the sum of those, keeps the bound; 0 where it does not for any.

    >>> [deep_of(taps, np.dtype(np.float32)) for taps in (27, 2304, 4608, 25_088)]
    [128, 112, 72, 0]
    """
    return next((deep for deep in range(DEEPEST, 0, -8) if error_of(deep + -(-taps // deep), real) <= BOUND), 0)


def is_depthwise(layout: Layout, weights: Array, images: Array) -> bool:
    """Whether maps of weights (maps, 1, kh, kw) are computed with one table, each over its own plane of images (N, P, H, W).

    A group takes 0.3 ms to prepare otherwise. As for ``is_deep``, all numbers must be finite where a weight is 0.
    """
    few = images.shape[1] > 1 == weights.shape[1] and weights[0].size < SMALLEST_FOR_FFT
    rows, columns = layout.rows.extent + layout.rows.stride, layout.columns.before + layout.columns.size + layout.columns.after
    small = 8 * rows * (columns + layout.columns.stride) <= LARGEST
    return few and small and (bool(weights.all()) or images.dtype.kind == "u" or bool(np.isfinite(images).all()))


def layer_tables_for(layout: Layout, border: BorderMode, weights: Array, bias: Array, real: np.dtype) -> LayerTables:
    """The tables for maps of weights (maps, planes, kh, kw, 1) with bias (maps,). Taps that are 0 in all maps are left out."""
    planes, kh, kw = shape = weights.shape[1:4]
    rows, columns = layout.rows, layout.columns
    down, along = np.arange(kh) * rows.dilation, np.arange(kw) * columns.dilation
    p, y, x = np.ix_(np.arange(planes), down, along)
    plane = (p * rows.stride + y % rows.stride) * columns.stride + x % columns.stride
    used = np.ones(shape, bool)
    if not weights[0].all():  # else none is 0 in all
        used = np.asarray(weights[..., 0].any(axis=0))
        weights = weights[..., 0][:, used]
    column = source_table(columns, border)
    if border.is_constant and columns.stride == 1 and columns.after <= columns.before:
        column = column[: columns.before + columns.size]  # what stands before the next row stands behind this one as well
    return LayerTables(
        source_table(rows, border),
        column,
        columns.before,
        rows.stride,
        columns.stride,
        rows.extent,
        -(-column.size // columns.stride),
        plane[used],
        np.broadcast_to(y // rows.stride, shape)[used],
        np.broadcast_to(x // columns.stride, shape)[used],
        np.ascontiguousarray(weights, real).reshape(-1),
        deep_of(plane[used].size, real) or DEEPEST,
        bias.astype(np.float64),
        np.zeros(len(bias)),
    )


def with_totals(tables: LayerTables, weights: Array) -> LayerTables:
    """The same with what the weights (maps, planes, kh, kw, 1) of each map sum to, for pictures that an offset is taken from.

    Where weights are not finite, NaN stands for all: then none can be taken.
    """
    totals = totals_of(weights, tables.weight.dtype)
    return tables._replace(total=totals if can_be_shifted(tables.weight, totals) else np.full(len(weights), np.nan))


def correlate_dense(
    layout: Layout, tables: LayerTables, planes: Array, constant: float, offset: float, band: tuple[int, int], out: Array
) -> None:
    """Slide all maps over planes (P, H, W), less the offset, into those rows of out (maps, H', W')."""
    block, buffers = _buffers_for(layout, tables, len(planes), SHARED, constant - offset, band[1] - band[0])
    numbers = (tables.weight.dtype.type(one) for one in (constant - offset, offset))
    run_loop(correlate_maps, planes, tables, *numbers, band, block, buffers, out)


def correlate_depthwise(
    layout: Layout, tables: LayerTables, planes: Array, constant: float, offset: float, band: tuple[int, int], out: Array
) -> None:
    """Slide the maps of each of these planes of (P, H, W) over it, less the offset, into theirs of out (maps, H', W')."""
    block, buffers = _buffers_for(layout, tables, 1, 1, constant - offset, layout.rows.out)
    numbers = (tables.weight.dtype.type(one) for one in (constant - offset, offset))
    run_loop(correlate_each, planes, tables, *numbers, band, block, buffers, out)


def _buffers_for(
    layout: Layout, tables: LayerTables, planes: int, maps: int, constant: float, rows: int
) -> tuple[int, Buffers]:
    """Output rows in a block of so many at most, and memory for that: planes laid together, maps summed together."""
    real, axis = tables.weight.dtype, layout.rows
    phases = planes * axis.stride * layout.columns.stride
    beyond = -(-axis.extent // axis.stride)
    block = min(max(NEAR // (phases * tables.width * real.itemsize) - beyond, 1), rows)
    positions = (block * tables.width // REALS + 2) * REALS
    laid = aligned((phases * (block + beyond) * tables.width + positions,), real)
    laid.fill(constant)
    total = aligned((maps * positions,), real)
    return block, Buffers(laid, block + beyond, np.empty(tables.plane.size, np.int64), total)
