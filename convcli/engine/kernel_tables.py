"""All tables for one layout and its kernels, kept for the next picture of the same size: making them takes 0.3 ms."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.borders import BorderMode
from .fft import Spectrum, spectrum_of
from .jit.native import Ready
from .layout import Layout
from .loops.correlate_tables import ColumnTable, RowTable, TapPrograms
from .offset import can_be_shifted
from .planner import Choice, choose, in_units
from .sample_facts import SampleFacts
from .simd.reference import Array
from .tap_programs import make_tap_programs

KEPT, LARGE_KEPT = 16, 1
"""Tables that are kept: those of the kernels of a run, for pictures of a few sizes; of large kernels the last, for the parts of
its map.
"""

LARGE = 10_000
"""Weights of a large kernel. A weight takes 40 bytes, a spectrum of 256 x 256 numbers 0.6 MB."""


@dataclass(frozen=True)
class KernelTables:
    """What the loops read beside the picture, and how each map is computed."""

    choices: tuple[Choice, ...]
    rows: RowTable
    columns: ColumnTable
    sums: TapPrograms
    spectra: tuple[Spectrum | None, ...]  # of each map

    def between(self, top: int, bottom: int | None = None) -> "KernelTables":
        """The tables for padded rows top .. bottom; a tile may then reach beyond the last of them."""
        if top == 0 and bottom is None:
            return self
        rows = self.rows._replace(source=self.rows.source[top:bottom], slot=self.rows.slot[top:bottom])
        return replace(self, rows=rows, spectra=tuple(one and one.between(top, bottom) for one in self.spectra))

    @functools.cached_property
    def ready(self) -> tuple[Ready, Ready, Ready]:
        """Rows, columns and sums, as the machine code takes them: 270 words."""
        return Ready(self.rows), Ready(self.columns), Ready(self.sums)

    @functools.cached_property
    def takes_offset(self) -> bool:
        """Whether any sum is rounded, and an offset can be taken from the samples."""
        sums = self.sums
        weights = np.concatenate([sums.first_weight, sums.second_weight])
        rounded = weights.dtype.kind == "f" and any(choice.error for choice in self.choices)
        return rounded and can_be_shifted(weights, sums.total)

    @property
    def cost(self) -> float:
        """Multiply-adds for each number of a map, of all maps together whose taps are summed."""
        return sum(choice.cost for choice in self.choices if choice.tiling is None)


def kernel_tables_for(
    layout: Layout, border: BorderMode, facts: SampleFacts, method: str | None, weights: Array, bias: Array
) -> KernelTables:
    """The tables for maps of weights (maps, planes, kh, kw, depth) with bias (maps,). Raises ArgumentError as choose does."""
    numbers = [np.ascontiguousarray(part, np.float64).tobytes() for part in (weights, bias)]
    make = _make if weights.size <= LARGE else _make_large
    return make(layout, border, facts, method, weights.shape, *numbers)


def _make_tables(
    layout: Layout,
    border: BorderMode,
    facts: SampleFacts,
    method: str | None,
    shape: tuple[int, ...],
    weights: bytes,
    bias: bytes,
) -> KernelTables:
    maps = np.frombuffer(weights).reshape(shape)
    choices = tuple(choose(layout, one, facts, method) for one in maps)
    spectra = [
        spectrum_of(c.tiling, border, in_units(one[0, :, :, 0], c.unit), c.unit, c.whole, facts.real) if c.tiling else None
        for one, c in zip(maps, choices, strict=True)
    ]
    rows = layout.row_table(border, running=any(choice.running_columns for choice in choices))
    with np.errstate(over="ignore"):  # a weight beyond float32 is infinite
        sums = make_tap_programs(layout, rows, choices, maps, np.frombuffer(bias), facts)
    return KernelTables(choices, rows, layout.column_table(border), sums, tuple(spectra))


_make, _make_large = functools.lru_cache(maxsize=KEPT)(_make_tables), functools.lru_cache(maxsize=LARGE_KEPT)(_make_tables)
