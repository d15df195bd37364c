"""Convolution by spectra, for large kernels: the tiles of the padded image, their cost, and the spectrum of a kernel."""

import itertools
import math
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..geometry.borders import BorderMode
from .buffers import aligned
from .jit.run import run_loop
from .layout import Layout, source_table
from .loops.correlate import split
from .loops.fft import Borders, Finish, KernelSpectrum, Tile, Workspace, correlate_spectra, kernel_spectrum
from .simd.reference import Array

TILE_SIDES = (64, 256, 1024)
"""Sides of tiles, powers of four: the transforms are radix 4."""

MAX_TILE_SAMPLES = 1 << 20
"""Samples in a tile at most, unless the kernel needs a larger one. Two tiles and their transposes then take 16 MB."""

STEP_COST = 7.0
"""Cost of one radix-4 step of one sample, in multiply-adds of the direct method. Measured."""

MAX_TASK_PAIRS = 100
"""Pairs of tiles in a task at most, about a tenth of a second of work: Python checks for Ctrl-C between tasks."""

ROW_GAP = 16
"""Samples between the rows of a tile: rows a power of two apart would all map to the same few cache lines."""


class Tiling(Struct, frozen=True, dict=True):
    """Tiles of ``rows`` x ``columns`` pixels for a layout."""

    layout: Layout
    rows: int
    columns: int

    @property
    def valid_rows(self) -> int:
        """Padded rows from one tile to the next."""
        return (self.rows - self.layout.rows.extent + 1) // self.layout.rows.stride * self.layout.rows.stride

    @property
    def valid_columns(self) -> int:
        """Padded columns from one tile to the next."""
        return (self.columns - self.layout.columns.extent + 1) // self.layout.columns.stride * self.layout.columns.stride

    @property
    def tiles_across(self) -> int:
        """Tiles side by side."""
        return -(-self.layout.columns.out * self.layout.columns.stride // self.valid_columns)

    def pairs(self, rows: int) -> int:
        """Count the pairs of tiles that ``rows`` output rows need. A pair is two tiles one above the other."""
        return -(-rows * self.layout.rows.stride // (2 * self.valid_rows)) * self.tiles_across

    @property
    def size(self) -> int:
        """Samples in a tile."""
        return self.rows * self.columns * self.layout.pixel

    @cached_property
    def cost(self) -> float:
        """Cost of all tiles, in multiply-adds per sample of the map."""
        steps = math.log(self.rows * self.columns, 4) + 3  # 3: copy, transpose, multiply
        samples = self.pairs(self.layout.rows.out) * self.size
        return samples * steps * STEP_COST * 2 / (self.layout.rows.out * self.layout.out_row)

    def pair_ranges(self, rows: int, threads: int) -> list[tuple[int, int]]:
        """Divide the pairs of tiles for ``rows`` output rows into ranges: two per thread, each short enough for Ctrl-C."""
        pairs = self.pairs(rows)
        count = min(max(2 * threads if threads > 1 else 1, -(-pairs // MAX_TASK_PAIRS)), pairs)
        edges = [pairs * i // count for i in range(count + 1)]
        return list(itertools.pairwise(edges))

    def tile(self, pixel: int, real: np.dtype) -> Tile:
        """Return the sizes and twiddle factors of a tile with ``pixel`` samples in a pixel, for the loops."""
        row_angle, column_angle = (2 * np.pi * np.arange(side) / side for side in (self.rows, self.columns))
        return Tile(
            rows=self.rows,
            columns=self.columns,
            pixel=pixel,
            stride=self.columns * pixel + ROW_GAP,
            transposed_stride=self.rows + ROW_GAP,
            valid_rows=self.valid_rows,
            valid_columns=self.valid_columns,
            row_stride=self.layout.rows.stride,
            column_stride=self.layout.columns.stride,
            tiles_across=self.tiles_across,
            row_cosine=np.cos(row_angle).astype(real),
            row_sine=np.sin(row_angle).astype(real),
            column_cosine=np.cos(column_angle).astype(real),
            column_sine=np.sin(column_angle).astype(real),
        )

    def workspace(self, pixel: int, real: np.dtype, out: np.dtype) -> Workspace:
        """Allocate memory for two tiles of dtype ``real``, and for an output row of dtype ``out``."""
        flat, transposed = (self.rows * (self.columns * pixel + ROW_GAP),), (self.columns * pixel * (self.rows + ROW_GAP),)
        real_part, imaginary = aligned(flat, real), aligned(flat, real)
        line = np.empty(self.columns * pixel, out)
        return Workspace(real_part, imaginary, aligned(transposed, real), aligned(transposed, real), line)


class Spectrum(Struct, frozen=True):
    """A kernel's spectrum, and the tables for the padded rows and columns that it slides over."""

    tiling: Tiling
    tile: Tile
    borders: Borders
    kernel: KernelSpectrum
    weight: float  # sum of the weights, in units
    unit: float
    rounded_to_unit: bool  # whether sums are rounded to whole numbers of the unit

    def between(self, top: int, bottom: int | None) -> "Spectrum":
        """Return the spectrum for padded rows top .. bottom, followed by unused rows for one more pair of tiles."""
        unused = np.full(2 * self.tiling.valid_rows + self.tile.rows, -2)
        row = np.concatenate([self.borders.row[top:bottom], unused])
        return replace(self, borders=self.borders._replace(row=row))


def best_tiling(layout: Layout) -> Tiling | None:
    """Return the tiles of least cost, or None where the kernel is too large for any tile."""
    tilings = [Tiling(layout, rows, columns) for rows in TILE_SIDES for columns in TILE_SIDES]
    fitting = [tiling for tiling in tilings if min(tiling.valid_rows, tiling.valid_columns) > 0]
    small = [tiling for tiling in fitting if tiling.size <= MAX_TILE_SAMPLES] or fitting[:1]
    return min(small, key=lambda tiling: tiling.cost, default=None)


def spectrum_of(
    tiling: Tiling, border: BorderMode, kernel: Array, unit: float, rounded_to_unit: bool, real: np.dtype
) -> Spectrum:
    """Compute the spectrum of a kernel (kh, kw) in units, and the tables of its borders."""
    layout = tiling.layout
    tile, workspace = tiling.tile(1, real), tiling.workspace(1, real, real)
    run_loop(kernel_spectrum, kernel.astype(real), (layout.rows.dilation, layout.columns.dilation), tile, workspace)
    borders = Borders(
        _extended(
            source_table(layout.rows, border),
            tiling.pairs(layout.rows.out) // tiling.tiles_across * 2 * tiling.valid_rows + tile.rows,
        ),
        _extended(source_table(layout.columns, border), tiling.tiles_across * tiling.valid_columns + tile.columns),
        real.type(border.constant),
    )
    spectrum = KernelSpectrum(workspace.transposed_real, workspace.transposed_imaginary)
    return Spectrum(tiling, tiling.tile(layout.pixel, real), borders, spectrum, float(kernel.sum()), unit, rounded_to_unit)


def _extended(source: Array, size: int) -> Array:
    """Cut a source table to a size, or extend it by unused positions."""
    return np.pad(source[:size], (0, max(size - source.size, 0)), constant_values=-2)


def correlate_by_spectrum(
    spectrum: Spectrum, plane: Array, offset: float, bias: float, pairs: tuple[int, int], out: Array
) -> None:
    """Slide the kernel over plane (H, samples), into the pairs of tiles pairs[0] .. pairs[1] of out (H', samples)."""
    real = spectrum.kernel.real.dtype
    workspace = spectrum.tiling.workspace(spectrum.tile.pixel, real, out.dtype)
    offset_sum = offset * spectrum.weight  # what subtracting the offset takes from every sum
    shift, bias = (offset_sum, bias) if spectrum.rounded_to_unit else (0.0, offset_sum * spectrum.unit + bias)
    unit, rest = split(spectrum.unit, real.type)  # type: ignore[no-untyped-call]
    finish = Finish(int(spectrum.rounded_to_unit), real.type(shift), unit, rest, *split(bias, real.type))  # type: ignore[no-untyped-call]
    tables = spectrum.tile, spectrum.borders, spectrum.kernel, finish
    run_loop(correlate_spectra, plane, *tables, real.type(offset), pairs, workspace, out)
