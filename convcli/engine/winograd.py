"""Winograd's convolution for layers of 3 x 3 or 5 x 5 kernels: the conditions, tables and memory.

Its transforms multiply rounding errors by about ten: with random weights, they are 3e-6 of the largest absolute response. As a
fraction of the sum of the absolute weights times the extent of the samples, random layers have at most 3.3e-6; a search for the
worst single tile and kernel of one weight found 1.4e-5, where the other methods are within BOUND in ``offset``.
"""

import math

import numpy as np

from ..geometry.borders import BorderMode
from .buffers import LINE, aligned
from .im2col import MAX_ROW_BYTES, copied_memory, depth_of, lanes_of
from .jit.native import Ready
from .jit.run import run_loop
from .layout import Layout, cut, source_table
from .loops.im2col import MAPS_TOGETHER, LayerTables
from .loops.winograd import POINTS, SIDE, WinogradBuffers, WinogradTables, convolve_tiles, transform_weights
from .simd.reference import Array

KERNELS = (3, 5)
"""Sides of kernels: with 6 samples along a side, tiles have 4 or 2 outputs."""

MIN_PLANES, MIN_MAPS, MIN_PRODUCTS, MIN_OUTPUTS = 16, 16, 1000, 100
"""With fewer, or fewer planes times maps, the transforms of samples, sums and weights take longer than is gained.

With 16 planes and maps of 56 x 56 they take 0.96 ms instead of 0.54, with 32 of 28 x 28 0.32 instead of 0.51.
"""

MAX_SAMPLE = 1e15
"""Root of the largest sum of squared samples: no transform is then infinite where the response is not."""

BLOCK_BYTES = 4_000_000
"""Bytes of the transformed samples and sums of a block of tiles."""

PANELS_PER_THREAD = 3
"""Panels of tiles for each thread, with fewer of which threads share the maps."""

FINITE_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
"""As in ``loops.winograd``."""


def refusal_of_layer(layout: Layout, weights: Array, real: np.dtype, whole: bool) -> str | None:
    """Return why a layer of weights (maps, planes, kh, kw, 1) cannot be computed by tiles, or None if it can.

    Samples that are ``whole`` are integers, whose sums other methods compute exactly.
    """
    axes = layout.rows, layout.columns
    if real != np.float32 or whole:
        return "needs samples of float32 or float16"
    if weights.shape[2:4] not in [(side, side) for side in KERNELS] or any(a.stride > 1 or a.dilation > 1 for a in axes):
        return "needs a kernel of 3 x 3 or 5 x 5, with stride and dilation 1"
    if not float(np.abs(weights).max()) <= MAX_SAMPLE:
        return "needs finite weights"
    if not depth_of(weights.shape[1], real):
        return f"sums {weights.shape[1]} channels, too many for its error"
    return None


def refusal_of_samples(images: Array) -> str | None:
    """Return why images cannot be computed by tiles, or None if they can: a NaN or an infinity would spread over a tile."""
    flat = images.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return None if np.dot(flat, flat) <= MAX_SAMPLE**2 else "needs finite samples, none of them huge"


def is_faster(layout: Layout, weights: Array) -> bool:
    """Whether there are so many planes, maps and outputs that tiles are faster than ``im2col``, of rows that fit in memory."""
    outputs, row_bytes = layout.rows.out * layout.columns.out, 4 * weights.shape[1] * 2 * SIDE * layout.columns.padded
    maps, planes = weights.shape[:2]
    enough = planes >= MIN_PLANES and maps >= MIN_MAPS and maps * planes >= MIN_PRODUCTS and outputs >= MIN_OUTPUTS
    return enough and row_bytes <= MAX_ROW_BYTES


def weight_matrix(kernel: int) -> Array:
    """Return the matrix (6, kernel) that transforms weights along an axis, float64: the Lagrange basis at the points."""
    points = np.array(FINITE_POINTS)
    scale = [np.prod(point - np.delete(points, i)) for i, point in enumerate(points)]
    finite = points[:, None] ** np.arange(kernel) / np.array(scale)[:, None]
    return np.vstack([finite, np.eye(kernel)[-1:]])


def winograd_tables_for(
    layout: Layout, border: BorderMode, weights: Array, bias: Array, floor: float, real: np.dtype
) -> WinogradTables:
    """Build the tables for maps of weights (maps, planes, r, r, 1) with bias (maps,), whose results are at least ``floor``."""
    maps, planes, kernel = weights.shape[:3]
    side = SIDE + 1 - kernel
    rows, columns = layout.rows, layout.columns
    tiles = [-(-axis.out // side) for axis in (rows, columns)]
    sources = []
    for axis, count in zip((rows, columns), tiles, strict=True):  # the last tile may end beyond the padding
        source, size = source_table(axis, border), (count - 1) * side + SIDE
        sources.append(np.pad(source[:size], (0, max(size - source.size, 0)), mode="edge"))
    y, x = np.divmod(np.arange(POINTS), SIDE)
    sixes, lanes = -(-maps // MAPS_TOGETHER), lanes_of(real)
    packed = aligned((POINTS * (sixes * MAPS_TOGETHER * planes + lanes),), real)
    packed.reshape(POINTS, -1)[:, -lanes:] = 0  # the unused numbers: all must be finite where an offset is subtracted
    flat = np.ascontiguousarray(weights, real).reshape(maps, planes, kernel * kernel)
    lines = np.zeros((kernel * kernel + SIDE * kernel + 1) * lanes, real)
    run_loop(transform_weights, flat, weight_matrix(kernel).astype(real).ravel(), depth_of(planes, real), lines, packed)
    tables = LayerTables(
        image_rows=rows.size,
        image_columns=columns.size,
        row=sources[0],
        column=sources[1],
        before=columns.before,
        copies_border=int(not border.is_constant),
        row_stride=side,
        column_stride=side,
        extent=SIDE,
        width=-(-sources[1].size // side),
        out_columns=tiles[1],
        plane=y % side * side + x % side,
        down=y // side,
        along=x // side,
        weight=packed,
        depth=depth_of(planes, real),
        bias=bias.astype(np.float64),
        weight_sum=np.zeros(maps),
        in_place=0,
        floor=real.type(floor),
    )
    return WinogradTables(tables, planes, side, rows.out, columns.out)


def winograd_shares(tables: WinogradTables, workers: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Divide a layer for threads: tiles from .. to, and sixes of maps from .. to, of each task."""
    across, maps = tables.tiles.out_columns, len(tables.tiles.bias)
    count, sixes, lanes = (
        -(-tables.rows // tables.side) * across,
        -(-maps // MAPS_TOGETHER),
        lanes_of(tables.tiles.weight.dtype),
    )
    panels, cost = -(-count // lanes), count * tables.tiles.weight.size
    if panels < PANELS_PER_THREAD * workers and sixes >= workers:  # each task transforms all samples
        return [((0, count), share) for share in cut(sixes, cost, workers, per_thread=1)]
    return [((begin * lanes, min(end * lanes, count)), (0, sixes)) for begin, end in cut(panels, cost, workers)]


def correlate_tiles(
    ready: Ready[WinogradTables],
    planes: Array,
    constant: float,
    offset: float,
    band: tuple[int, int],
    sixes: tuple[int, int],
    out: Array,
) -> None:
    """Compute tiles band[0] .. band[1] of maps 6 * sixes[0] .. 6 * sixes[1] of planes (P, H, W), minus the offset.

    ``out`` is (maps, H', W').
    """
    tables = ready.value
    tiles, real = tables.tiles, tables.tiles.weight.dtype
    lanes, maps = lanes_of(real), (sixes[1] - sixes[0]) * MAPS_TOGETHER
    panels = max(BLOCK_BYTES // (POINTS * (tables.planes + maps) * lanes * real.itemsize), 1)
    whole_rows = math.lcm(tiles.out_columns, lanes)  # blocks of whole rows copy fewer rows twice
    block = min(max(panels * lanes // whole_rows * whole_rows, panels * lanes), band[1] - band[0])
    panels = -(-block // lanes)
    rows = (block + tiles.out_columns - 2) // tiles.out_columns + 1
    copied = copied_memory(tiles, tables.planes, rows, lanes, constant - offset)
    packed_gap, total_gap = (panels * count * lanes + LINE // real.itemsize for count in (tables.planes, maps))
    packed, total = aligned((POINTS * packed_gap,), real), aligned((POINTS * total_gap,), real)
    tile = aligned(((2 * POINTS + 1) * lanes,), real)
    buffers = WinogradBuffers(*copied, tile, packed, packed_gap, total, total_gap)
    run_loop(
        convolve_tiles,
        planes.reshape(-1),
        ready,
        real.type(constant - offset),
        real.type(offset),
        band,
        sixes,
        block,
        buffers,
        out,
    )
