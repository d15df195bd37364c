"""Layers of many channels: when their maps are computed four at a time, and what the loops need for that."""

import numpy as np

from . import volume
from .compiler import run_loop
from .plan import STRIP, Plan, aligned, source_table
from .strips import Array

FEWEST_MAPS, FEWEST_TAPS = 4, 16
"""Below, laying the planes costs more than is gained."""

NEAR = 400_000
"""Bytes of laid rows that stay in the second level of cache."""


def is_deep(plan: Plan, weights: Array, images: Array) -> bool:
    """Whether maps of weights (maps, planes, kh, kw, 1) are computed four at a time: as a whole, zeros and all.

    An infinite number times 0 is NaN, where taps of 0 are left out otherwise: so all numbers must be finite.
    """
    enough = weights.shape[0] >= FEWEST_MAPS and weights[0].size >= FEWEST_TAPS
    return enough and weights.shape[1] > 1 and (images.dtype.kind in "ub" or bool(np.isfinite(images).all()))


def volume_of(plan: Plan, border: str, weights: Array, bias: Array, real: np.dtype) -> volume.Volume:
    """The tables for maps of weights (maps, planes, kh, kw, 1) with bias (maps,)."""
    maps, planes, kh, kw = weights.shape[:4]
    rows, columns = plan.rows, plan.columns
    down, along = np.arange(kh) * rows.dilation, np.arange(kw) * columns.dilation
    p, y, x = np.ix_(np.arange(planes), down, along)
    plane = (p * rows.stride + y % rows.stride) * columns.stride + x % columns.stride
    shape = (planes, kh, kw)
    padded = np.zeros((-(-maps // volume.SHARED) * volume.SHARED, planes * kh * kw))
    padded[:maps] = weights.reshape(maps, -1)
    by_four = padded.reshape(-1, volume.SHARED, planes * kh * kw).transpose(0, 2, 1)
    return volume.Volume(
        source_table(rows, border),
        source_table(columns, border),
        rows.stride,
        columns.stride,
        rows.extent,
        columns.out + (columns.extent - 1) // columns.stride,
        plane.ravel(),
        np.broadcast_to(y // rows.stride, shape).ravel(),
        np.broadcast_to(x // columns.stride, shape).ravel(),
        np.ascontiguousarray(by_four, real).ravel(),
        bias.astype(real),
    )


def correlate_layer(
    plan: Plan, tables: volume.Volume, planes: Array, constant: float, band: tuple[int, int], out: Array
) -> None:
    """Slide all maps over planes (P, H, W), into those rows of out (maps, H', W')."""
    real = tables.weight.dtype
    rows, columns = plan.rows, plan.columns
    phases = len(planes) * rows.stride * columns.stride
    beyond = -(-rows.extent // rows.stride)
    block = min(max(NEAR // (phases * tables.width * real.itemsize) - beyond, 1), band[1] - band[0])
    positions = (block * tables.width // STRIP + 2) * STRIP
    laid = aligned((phases * (block + beyond) * tables.width + positions,), real)
    room = volume.Room(laid, block + beyond, np.empty(tables.plane.size, np.int64), aligned((volume.SHARED * positions,), real))
    run_loop(volume.correlate_maps, planes, tables, real.type(constant), band, block, room, out)
