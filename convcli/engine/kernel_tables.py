"""All tables for one layout and its kernels: building them takes 0.3 ms."""

import functools
from collections.abc import Hashable

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from ..geometry.borders import BorderMode
from .box_sums import block_rows, box_scratch
from .fft import Spectrum, spectrum_of
from .jit.bound_call import BoundCall
from .jit.native import Loop, Ready
from .layout import Layout
from .loops.box_sums import BoxScratch, box_sums_of_levels, box_sums_of_reals
from .loops.correlate import correlate
from .loops.correlate_rows_first import correlate_rows_first
from .loops.correlate_tables import ColumnTable, RowTable, Scratch, TapPrograms
from .offset import can_be_shifted
from .planner import Choice, choose, in_units
from .sample_facts import SampleFacts
from .simd.reference import Array
from .tap_programs import lines_of_levels, make_tap_programs

MAX_KEPT_TABLES = 4
"""Tables of a plan that are kept."""


class KernelTables(Struct, frozen=True, eq=False, dict=True):
    """The tables that the loops read, and the method chosen for each map."""

    choices: tuple[Choice, ...]
    rows: RowTable
    columns: ColumnTable
    sums: TapPrograms
    spectra: tuple[Spectrum | None, ...]  # of each map
    level_lines: int  # lines of levels that ``correlate_rows_first`` reads, 0 where it does not compute the map
    calls: dict[Hashable, list[BoundCall]] = field(default_factory=dict)  # of ``correlate``, as they are made

    def between(self, top: int, bottom: int | None = None) -> "KernelTables":
        """Return the tables for padded rows top .. bottom. A tile may extend below the last of them."""
        if top == 0 and bottom is None:
            return self
        rows = self.rows._replace(source=self.rows.source[top:bottom], slot=self.rows.slot[top:bottom])
        spectra = tuple(spectrum and spectrum.between(top, bottom) for spectrum in self.spectra)
        return replace(self, rows=rows, spectra=spectra, calls={})

    @functools.cached_property
    def ready(self) -> tuple[Ready[RowTable], Ready[ColumnTable], Ready[TapPrograms]]:
        """Rows, columns and sums as prepared arguments of the loop: 270 words."""
        return Ready(self.rows), Ready(self.columns), Ready(self.sums)

    @functools.cached_property
    def takes_offset(self) -> bool:
        """Whether a sum is rounded, and an offset can be subtracted from the samples."""
        sums = self.sums
        weights = np.concatenate([sums.first_weight, sums.second_weight])
        rounded = weights.dtype.kind == "f" and any(choice.error for choice in self.choices)
        return rounded and can_be_shifted(weights, sums.weight_sum)

    @functools.cached_property
    def loop(self) -> Loop:
        """The loop that computes the maps without a spectrum."""
        box_sums = self.choices[0].box_sums
        if box_sums is not None:
            return box_sums_of_levels if box_sums.sums.kind == "i" else box_sums_of_reals
        return correlate_rows_first if self.level_lines else correlate

    def scratch(self, layout: Layout, planes: int, out: Array) -> tuple[Array, Scratch | BoxScratch]:
        """Allocate memory for one band of ``planes`` planes, whose maps are written to ``out``. Return it, and its arrays."""
        box_sums = self.choices[0].box_sums
        if box_sums is not None:
            return box_scratch(layout, self.columns.middle, box_sums, out)
        return layout.scratch(self.rows, planes, self.sums, self.level_lines, out)

    @functools.cached_property
    def row_multiple(self) -> int:
        """Rows of the result that are computed together, so that rounding does not depend on the first one."""
        blocks = self.loop is box_sums_of_reals
        return 2 * (block_rows(self.rows.first_window_rows) if blocks else self.rows.pair_step)

    @functools.cached_property
    def has_sums(self) -> bool:
        """Whether ``correlate`` computes any of the maps; spectra give the others."""
        return any(spectrum is None for spectrum in self.spectra)

    @functools.cached_property
    def cost(self) -> float:
        """Multiply-adds per sample, of all maps that ``correlate`` computes."""
        return sum(choice.cost for choice in self.choices if choice.tiling is None)


def keep_tables(kept: dict[SampleFacts, KernelTables], facts: SampleFacts, tables: KernelTables) -> None:
    """Add tables to those of a plan, of which there are few: most images have the facts of those before."""
    if len(kept) >= MAX_KEPT_TABLES:
        kept.clear()
    kept[facts] = tables


def make_kernel_tables(
    layout: Layout, border: BorderMode, facts: SampleFacts, method: str | None, weights: Array, bias: Array
) -> KernelTables:
    """Return the tables for maps of weights (maps, planes, kh, kw, depth) with bias (maps,). Raises as ``choose`` does."""
    maps = np.ascontiguousarray(weights, np.float64)
    choices = tuple(choose(layout, kernel, facts, method, alone=len(maps) == 1) for kernel in maps)
    spectra = [
        spectrum_of(c.tiling, border, in_units(kernel[0, :, :, 0], c.unit), c.unit, c.rounded_to_unit, facts.sum_dtype)
        if c.tiling
        else None
        for kernel, c in zip(maps, choices, strict=True)
    ]
    rows = layout.row_table(border, running=any(choice.running_columns for choice in choices))
    level_lines = lines_of_levels(layout, choices, maps, facts)
    with np.errstate(over="ignore"):  # a weight beyond float32 becomes infinite
        sums = make_tap_programs(layout, rows, choices, maps, bias.astype(np.float64), facts, level_lines)
    return KernelTables(choices, rows, layout.column_table(border), sums, tuple(spectra), level_lines)
