"""Tasks for one image of a layer of several channels, which threads may run in any order: outputs, maps, planes, tiles.

A module of its own, as ``filter2d`` needs none of what it imports.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .im2col import correlate_dense, correlate_depthwise, dense_shares
from .jit.native import Ready
from .layout import SAMPLE_OVERHEAD, Layout, cut
from .loops.im2col import LayerTables
from .loops.winograd import WinogradTables
from .offset import Offset, without_offset
from .simd.reference import Array
from .winograd import correlate_tiles, winograd_shares


def layer_tasks(
    layout: Layout,
    ready: Ready[LayerTables],
    depthwise: bool,
    planes: Array,
    constant: float,
    offset: Offset,
    workers: int,
    out: Array,
) -> Iterator[Callable[[], None]]:
    """Yield the tasks that compute maps ``out`` (M, H', W') of one image (P, H, W).

    With ``depthwise``, every plane has maps of its own; else all maps sum all planes.
    """
    tables = ready.value
    sums = tables.plane.size > 1  # a single product is rounded once, with or without an offset
    subtracted = offset.mean if sums and offset.needed and np.isfinite(tables.weight_sum).all() else 0.0
    planes = without_offset(planes, subtracted, tables.weight.dtype)
    if depthwise:
        bands = cut(len(planes), out.size * (tables.weight.size // len(out) + SAMPLE_OVERHEAD), workers)
        yield from (partial(correlate_depthwise, layout, ready, planes, constant, subtracted, band, out) for band in bands)
    else:
        for outputs, sixes in dense_shares(layout, tables, workers):
            yield partial(correlate_dense, layout, ready, planes, constant, subtracted, outputs, sixes, out)


def tile_tasks(
    ready: Ready[WinogradTables], planes: Array, constant: float, offset: Offset, workers: int, out: Array
) -> Iterator[Callable[[], None]]:
    """Yield the tasks that compute maps ``out`` (M, H', W') of one image (P, H, W) by Winograd's method."""
    subtracted = offset.mean if offset.needed and np.isfinite(ready.value.tiles.weight_sum).all() else 0.0
    planes = without_offset(planes, subtracted, ready.value.tiles.weight.dtype)
    for tiles, sixes in winograd_shares(ready.value, workers):
        yield partial(correlate_tiles, ready, planes, constant, subtracted, tiles, sixes, out)
