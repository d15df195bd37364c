"""Layers of many channels, computed from planes that are copied with their padding: the conditions, tables and memory."""

import functools
import math

import numpy as np

from ..geometry.borders import BorderMode
from .buffers import aligned
from .jit.native import Ready
from .jit.run import run_loop
from .layout import Layout, cut, source_table
from .loops.im2col import MAPS_TOGETHER, PANELS, Buffers, LayerTables, correlate_each, correlate_maps, pack_weights
from .offset import BOUND, can_be_shifted, error_of, totals_of
from .sample_facts import SMALLEST_FOR_FFT
from .simd.reference import VECTOR_BYTES, Array

FLOAT32_LANES = VECTOR_BYTES // 4
"""Samples in a vector of float32."""

MIN_MAPS, MIN_TAPS = 4, 16
"""With fewer, copying the planes costs more than is gained."""

MAX_DEPTH = 256
"""Taps summed before the next ones at most: their weights and samples stay in the L1 cache."""

BLOCK_BYTES, MIN_BLOCK = 256_000, 256
"""Bytes of the copied rows of a block, which fit in the L2 cache, and its least outputs: each block copies its rows."""

PANELS_PER_THREAD = 16
"""Panels of outputs for each thread, with fewer of which threads share the maps, and each packs all samples."""

MAX_ROW_BYTES = 32_000_000
"""Bytes copied for one output row at most: with long strides and dilations most of them are never read."""


PART_TAPS = 1024
"""Taps of a part of a layer of too many taps: 65,000 are 64 parts, whose roundings are 32 in sums of 32, and 64 of parts."""


def parts_of(shape: tuple[int, ...], real: np.dtype) -> int:
    """Return how many parts the planes of weights of this shape (maps, planes, kh, kw, ...) are divided into.

    One sum of all taps would exceed the error bound where there are more than one. There is one, too, where no number would do.

    >>> [parts_of((8, planes, 3, 3), np.dtype(np.float32)) for planes in (512, 513, 2048, 9000)]
    [1, 5, 18, 1]
    """
    planes, taps = shape[1], math.prod(shape[1:4])
    parts = min(-(-taps // PART_TAPS), planes)
    taps_of_part = -(-planes // parts) * math.prod(shape[2:4])
    return parts if not depth_of(taps, real) and depth_of(taps_of_part, real, parts) else 1


def is_deep(layout: Layout, weights: Array, real: np.dtype, parts: int = 1) -> bool:
    """Whether maps of weights (maps, planes, kh, kw, 1) are computed several at a time, over copied planes.

    These loops multiply weights of 0 that only some maps have, and infinity * 0 is NaN: where a weight is 0, they are for
    finite samples only, which the caller finds out.
    """
    enough = has_enough(weights.shape) and depth_of(weights[0].size, real, parts) > 0
    rows, columns = layout.rows.extent + layout.rows.stride, layout.columns.before + layout.columns.size + layout.columns.after
    small = 8 * weights.shape[1] * rows * (columns + layout.columns.stride) <= MAX_ROW_BYTES
    return enough and small


def has_enough(shape: tuple[int, ...]) -> bool:
    """Whether weights of this shape (maps, planes, kh, kw, ...) are enough to share what is copied."""
    return shape[0] >= MIN_MAPS and math.prod(shape[1:4]) >= MIN_TAPS and shape[1] > 1


def is_finite(images: Array) -> bool:
    """Whether no sample is NaN or infinite. The sum of squares, which may overflow, takes half the time of ``isfinite``."""
    if images.dtype.kind == "u":
        return True
    flat = images.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


@functools.cache
def depth_of(taps: int, real: np.dtype, parts: int = 1) -> int:
    """Return how many taps of ``taps`` are summed before the next ones; 0 where no number of them keeps the error bound.

    It is the largest for which the rounding of these partial sums, of the sum of them, and of the sum of several ``parts`` of
    a layer is within BOUND.

    >>> [depth_of(taps, np.dtype(np.float32)) for taps in (27, 2304, 4608, 25_088)]
    [128, 112, 72, 0]
    """
    return next(
        (depth for depth in range(MAX_DEPTH, 0, -8) if error_of(depth + -(-taps // depth) + parts - 1, real) <= BOUND), 0
    )


def is_depthwise(layout: Layout, weights: Array) -> bool:
    """Whether maps of weights (maps, 1, kh, kw, 1) are computed with one table, each over a plane of its own.

    Separate tables for each plane take 0.3 ms each. As in ``is_deep``, all samples must be finite where a weight is 0.
    """
    suitable = len(weights) > 1 == weights.shape[1] and weights[0].size < SMALLEST_FOR_FFT
    rows, columns = layout.rows.extent + layout.rows.stride, layout.columns.before + layout.columns.size + layout.columns.after
    small = 8 * rows * (columns + layout.columns.stride) <= MAX_ROW_BYTES
    return suitable and small


def layer_tables_for(
    layout: Layout, border: BorderMode, weights: Array, bias: Array, floor: float, real: np.dtype, parts: int = 1
) -> LayerTables:
    """Build the tables for maps of weights (maps, planes, kh, kw, 1) with bias (maps,), without taps that are 0 in all maps.

    Results below ``floor`` are replaced by it.
    """
    planes, kh, kw = shape = weights.shape[1:4]
    rows, columns = layout.rows, layout.columns
    down, along = np.arange(kh) * rows.dilation, np.arange(kw) * columns.dilation
    p, y, x = np.ix_(np.arange(planes), down, along)
    plane = (p * rows.stride + y % rows.stride) * columns.stride + x % columns.stride
    used = np.ones(shape, bool)
    if not weights[0].all():  # otherwise no tap is 0 in all maps
        used = np.asarray(weights[..., 0].any(axis=0))
        weights = weights[..., 0][:, used]
    column = source_table(columns, border)
    if border.is_constant and columns.stride == 1 and columns.after <= columns.before:
        column = column[: columns.before + columns.size]  # the padding before the next row serves as the one after this row
    return LayerTables(
        image_rows=rows.size,
        image_columns=columns.size,
        row=source_table(rows, border),
        column=column,
        before=columns.before,
        copies_border=int(not border.is_constant),
        row_stride=rows.stride,
        column_stride=columns.stride,
        extent=rows.extent,
        width=-(-column.size // columns.stride),
        out_columns=columns.out,
        plane=plane[used],
        down=np.broadcast_to(y // rows.stride, shape)[used],
        along=np.broadcast_to(x // columns.stride, shape)[used],
        weight=np.ascontiguousarray(weights, real).reshape(-1),
        depth=depth_of(plane[used].size, real, parts) or MAX_DEPTH,
        bias=bias.astype(np.float64),
        weight_sum=np.zeros(len(bias)),
        in_place=int(rows.is_identity and columns.is_identity and rows.size == 1),
        floor=real.type(floor),
    )


def with_totals(tables: LayerTables, weights: Array) -> LayerTables:
    """Return the tables with the sum of the weights (maps, planes, kh, kw, 1) of each map, which an offset needs.

    All sums are NaN where a weight is not finite: no offset can be subtracted then.
    """
    totals = totals_of(weights, tables.weight.dtype)
    return tables._replace(weight_sum=totals if can_be_shifted(tables.weight, totals) else np.full(len(weights), np.nan))


def with_packed_weights(tables: LayerTables) -> LayerTables:
    """Return the tables with the weights in the order in which ``correlate_dense`` reads them, which takes 1 ms per million."""
    maps = len(tables.bias)
    packed = aligned((-(-maps // MAPS_TOGETHER) * MAPS_TOGETHER * tables.plane.size,), tables.weight.dtype)
    run_loop(pack_weights, tables.weight.reshape(maps, tables.plane.size), tables.depth, packed)
    return tables._replace(weight=packed)


def dense_shares(layout: Layout, tables: LayerTables, workers: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Divide a layer for threads: outputs from .. to, and sixes of maps from .. to, of each task."""
    outputs, sixes = layout.rows.out * layout.columns.out, -(-len(tables.bias) // MAPS_TOGETHER)
    lanes = lanes_of(tables.weight.dtype)
    panels, cost = -(-outputs // lanes), outputs * tables.weight.size
    if panels < PANELS_PER_THREAD * workers and sixes >= workers:
        return [((0, outputs), share) for share in cut(sixes, cost, workers, per_thread=1)]
    return [((begin * lanes, min(end * lanes, outputs)), (0, sixes)) for begin, end in cut(panels, cost, workers)]


def lanes_of(real: np.dtype) -> int:
    """Return the outputs of a panel at most: half a vector."""
    return VECTOR_BYTES // 2 // real.itemsize


def correlate_dense(
    layout: Layout,
    ready: Ready[LayerTables],
    planes: Array,
    constant: float,
    offset: float,
    band: tuple[int, int],
    sixes: tuple[int, int],
    out: Array,
) -> None:
    """Compute outputs band[0] .. band[1] of maps 6 * sixes[0] .. 6 * sixes[1] of planes (P, H, W).

    The samples are real, and the offset is subtracted already. ``out`` is (maps, H', W'); the weights are packed.
    """
    tables = ready.value
    real, columns, lanes = tables.weight.dtype, layout.columns.out, lanes_of(tables.weight.dtype)
    if tables.in_place:
        block, empty = band[1] - band[0], np.empty(0, real)
        copied = planes.reshape(-1), 1, empty, np.empty(tables.plane.size, np.int64)
    else:
        block = min(max(rows_in_cache(tables, len(planes)) * columns, MIN_BLOCK) // lanes * lanes, band[1] - band[0])
        copied = copied_memory(tables, len(planes), (block + columns - 2) // columns + 1, lanes, constant - offset)
    packed = aligned(((tables.depth * PANELS + 1) * lanes,), real)
    total = aligned(((sixes[1] - sixes[0]) * MAPS_TOGETHER * PANELS * lanes,), real)
    numbers = real.type(constant - offset), real.type(offset)
    buffers = Buffers(*copied, packed, total)
    run_loop(correlate_maps, planes.reshape(-1), ready, *numbers, band, sixes, block, buffers, out.reshape(-1))


def rows_in_cache(tables: LayerTables, planes: int) -> int:
    """Return how many rows of outputs read copied rows of at most BLOCK_BYTES; 0 where one row reads more."""
    row_bytes = planes * tables.row_stride * tables.column_stride * tables.width * tables.weight.itemsize
    return max(BLOCK_BYTES // row_bytes + 1 - -(-tables.extent // tables.row_stride), 0)


def copied_memory(tables: LayerTables, planes: int, rows: int, extra: int, constant: float) -> tuple[Array, int, Array, Array]:
    """Return memory for the copied rows of ``rows`` rows of outputs: samples, rows of a plane, a line, and offsets of taps.

    They are the constant at first, as loops write no constant border. There are ``extra`` samples after the last row: the
    padding after that row may be the one before a next row.
    """
    real, lanes = tables.weight.dtype, lanes_of(tables.weight.dtype)
    rows += -(-tables.extent // tables.row_stride)
    # ``copy_row`` and ``split_row`` write beyond the last row of a phase, where the next one has its first row by then.
    rows += -(-lanes // tables.width) if max(tables.row_stride, tables.column_stride) > 1 else 0
    samples = aligned((planes * tables.row_stride * tables.column_stride * rows * tables.width + lanes + extra,), real)
    samples.fill(constant)
    line = np.full(tables.width * tables.column_stride + 8 * lanes, constant, real)
    return samples, rows, line, np.empty(tables.plane.size, np.int64)


def correlate_depthwise(
    layout: Layout, ready: Ready[LayerTables], planes: Array, constant: float, offset: float, band: tuple[int, int], out: Array
) -> None:
    """Compute the maps of the planes band[0] .. band[1] of (P, H, W), minus the offset, into out (maps, H', W')."""
    tables = ready.value
    real = tables.weight.dtype
    block = min(max(rows_in_cache(tables, 1), 1), layout.rows.out)
    positions = (block * tables.width // FLOAT32_LANES + 2) * FLOAT32_LANES
    copied = copied_memory(tables, 1, block, positions, constant - offset)
    buffers = Buffers(*copied, np.empty(0, real), aligned((positions,), real))
    numbers = real.type(constant - offset), real.type(offset)
    run_loop(correlate_each, planes.reshape(-1), ready, *numbers, band, block, buffers, out.reshape(-1))
