"""Tasks for one image, which threads may run in any order: bands of rows, pairs of tiles, planes."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .fft import correlate_by_spectrum
from .im2col import correlate_dense, correlate_depthwise
from .jit.run import run_loop
from .kernel_tables import KernelTables
from .layout import SAMPLE_OVERHEAD, Layout, cut
from .loops.correlate import correlate
from .loops.im2col import LayerTables
from .offset import Offset
from .simd.reference import Array


def tap_tasks(
    layout: Layout, tables: KernelTables, bias: Array, planes: Array, constant: float, offset: Offset, workers: int, out: Array
) -> Iterator[Callable[[], None]]:
    """Yield the tasks that compute maps ``out`` (M, H', samples) of one image (P, H, samples)."""
    subtracted = offset.mean if tables.takes_offset and offset.needed else 0.0

    def run_band(band: tuple[int, int]) -> None:
        scratch = layout.scratch(tables.rows, len(planes), tables.sums, out)
        number = tables.sums.first_weight.dtype.type
        run_loop(correlate, planes, *tables.ready, number(constant), number(subtracted), band, scratch, out)

    if any(spectrum is None for spectrum in tables.spectra):
        for band in layout.bands(out.shape[1], tables.cost, workers):
            yield partial(run_band, band)
    for m, spectrum in enumerate(tables.spectra):
        if spectrum is not None:
            for pairs in spectrum.tiling.pair_ranges(out.shape[1], workers):
                yield partial(correlate_by_spectrum, spectrum, planes[0], offset.mean, float(bias[m]), pairs, out[m])


def layer_tasks(
    layout: Layout,
    tables: LayerTables,
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
    sums = tables.plane.size > 1  # a single product is rounded once, with or without an offset
    subtracted = offset.mean if sums and offset.needed and np.isfinite(tables.weight_sum).all() else 0.0
    bands = layout.bands(layout.rows.out, tables.weight.size, workers)
    if depthwise:
        bands = cut(len(planes), out.size * (tables.weight.size // len(out) + SAMPLE_OVERHEAD), workers)
    run_band = correlate_depthwise if depthwise else correlate_dense
    yield from (partial(run_band, layout, tables, planes, constant, subtracted, band, out) for band in bands)
