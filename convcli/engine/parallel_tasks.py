"""Tasks for one image, which threads may run in any order: bands of rows, pairs of tiles."""

import math
from collections.abc import Callable, Iterator
from functools import partial

from .box_sums import is_streamed
from .fft import correlate_by_spectrum
from .jit.bound_call import BoundCall
from .kernel_tables import KernelTables
from .layout import Layout
from .offset import Offset
from .simd.reference import Array

MAX_KEPT_CALLS = 8
"""Calls that are kept with tables: one for each dtype of images and results, and each number of threads."""


def tap_tasks(
    layout: Layout, tables: KernelTables, bias: Array, planes: Array, constant: float, offset: Offset, workers: int, out: Array
) -> Iterator[Callable[[], None]]:
    """Yield the tasks that compute maps ``out`` (M, H', samples) of one image (P, H, samples)."""
    if tables.has_sums:
        number = tables.sums.first_weight.dtype.type(_subtracted(tables, planes, offset))
        yield from (partial(call, planes, number, out) for call in _band_calls(layout, tables, planes, constant, workers, out))
    for m, spectrum in enumerate(tables.spectra):
        if spectrum is not None:
            for pairs in spectrum.tiling.pair_ranges(out.shape[1], workers):
                yield partial(correlate_by_spectrum, spectrum, planes[0], offset.mean, float(bias[m]), pairs, out[m])


def _subtracted(tables: KernelTables, planes: Array, offset: Offset) -> float:
    """Return what ``correlate`` subtracts: NaN where it finds the offset of these planes itself, without a call for it."""
    if not tables.takes_offset:
        return 0.0
    if offset.planes is planes:
        return math.nan
    return offset.mean if offset.needed else 0.0


def _band_calls(
    layout: Layout, tables: KernelTables, planes: Array, constant: float, workers: int, out: Array
) -> list[BoundCall]:
    """Return the call of ``correlate`` for each band of rows; they are kept with the tables."""
    streamed = tables.choices[0].box_sums is not None and is_streamed(out)
    key = (planes.shape, planes.dtype, constant, workers, out.shape, out.dtype, streamed)
    calls = tables.calls.get(key)
    if calls is None:
        number = tables.sums.first_weight.dtype.type
        calls = []
        for band in layout.bands(out.shape[1], tables.cost, workers):
            memory, scratch = tables.scratch(layout, len(planes), out)
            arguments = (planes, *tables.ready, number(constant), number(0), band, scratch, out)
            calls.append(BoundCall(tables.loop, arguments, replaced=(0, 5, 8), scratch=7, memory=memory))
        if len(tables.calls) >= MAX_KEPT_CALLS:
            tables.calls.clear()
        tables.calls[key] = calls
    return calls
