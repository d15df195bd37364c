"""How a large kernel is slid by its spectrum: tiles of the padded image, two at a time, and what they cost."""

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..geometry.borders import BorderMode
from .buffers import aligned
from .jit.run import run_loop
from .layout import Layout, source_table
from .loops.correlate import split
from .loops.fft import Borders, Finish, Tile, Workspace, correlate_spectra, kernel_spectrum
from .simd.reference import Array

SIDES = (64, 256, 1024)
"""Sides of tiles: the transforms go in steps of four."""

LARGEST = 1 << 20
"""Numbers in a tile at most, unless the kernel needs more: the memory for two of them, and for those turned, is 16 MB."""

STEP = 7.0
"""Multiply-adds that take as long as one step of one number, there or back, measured beside the direct way."""

LONGEST = 100
"""Pairs after which Python may look for Ctrl-C: about a tenth of a second of work."""

GAP = 16
"""Numbers between the rows of a tile: rows a power of two apart would all share a few lines of the caches."""


@dataclass(frozen=True)
class Tiling:
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
        """Pairs of tiles above each other, for so many output rows."""
        return -(-rows * self.layout.rows.stride // (2 * self.valid_rows)) * self.tiles_across

    @property
    def size(self) -> int:
        """Numbers in a tile."""
        return self.rows * self.columns * self.layout.pixel

    @cached_property
    def cost(self) -> float:
        """What all tiles cost, in multiply-adds for each number of the map."""
        steps = math.log(self.rows * self.columns, 4) + 3  # laying, turning, multiplying
        return self.pairs(self.layout.rows.out) * self.size * steps * STEP * 2 / (self.layout.rows.out * self.layout.out_row)

    def parts(self, rows: int, threads: int) -> list[tuple[int, int]]:
        """Cut the pairs for so many output rows into parts: two a thread, and none too long."""
        pairs = self.pairs(rows)
        count = min(max(2 * threads if threads > 1 else 1, -(-pairs // LONGEST)), pairs)
        edges = [pairs * i // count for i in range(count + 1)]
        return list(itertools.pairwise(edges))

    def tile(self, pixel: int, real: np.dtype) -> Tile:
        """What the loops must know of a tile with so many numbers in a pixel."""
        turns = [2 * np.pi * np.arange(side) / side for side in (self.rows, self.columns)]
        tables = [wave(turn).astype(real) for turn in turns for wave in (np.cos, np.sin)]
        stride, transposed_stride = self.columns * pixel + GAP, self.rows + GAP
        steps = self.layout.rows.stride, self.layout.columns.stride
        return Tile(
            self.rows,
            self.columns,
            pixel,
            stride,
            transposed_stride,
            self.valid_rows,
            self.valid_columns,
            *steps,
            self.tiles_across,
            *tables,
        )

    def workspace(self, pixel: int, real: np.dtype, out: np.dtype) -> Workspace:
        """Memory for two tiles."""
        flat, transposed = (self.rows * (self.columns * pixel + GAP),), (self.columns * pixel * (self.rows + GAP),)
        real_part, imaginary = aligned(flat, real), aligned(flat, real)
        line = np.empty(self.columns * pixel, out)
        return Workspace(real_part, imaginary, aligned(transposed, real), aligned(transposed, real), line)


@dataclass(frozen=True)
class Spectrum:
    """A kernel's spectrum, and what stands at each padded row and column."""

    tiling: Tiling
    tile: Tile
    borders: Borders
    real: Array
    imaginary: Array
    weight: float  # of all taps together, in units
    unit: float
    whole: bool

    def between(self, top: int, bottom: int | None) -> "Spectrum":
        """The spectrum for padded rows top .. bottom, followed by rows that are not wanted, for one more tile."""
        nothing = np.full(2 * self.tiling.valid_rows + self.tile.rows, -2)
        row = np.concatenate([self.borders.row[top:bottom], nothing])
        return replace(self, borders=self.borders._replace(row=row))


def best_tiling(layout: Layout) -> Tiling | None:
    """The tiles that cost least, or None where the kernel is too large for any."""
    tilings = [Tiling(layout, rows, columns) for rows in SIDES for columns in SIDES]
    fitting = [one for one in tilings if min(one.valid_rows, one.valid_columns) > 0]
    small = [one for one in fitting if one.size <= LARGEST] or fitting[:1]
    return min(small, key=lambda one: one.cost, default=None)


def spectrum_of(tiling: Tiling, border: BorderMode, kernel: Array, unit: float, whole: bool, real: np.dtype) -> Spectrum:
    """The spectrum of a kernel (kh, kw), over the numbers in a tile, by which the way back multiplies."""
    layout = tiling.layout
    tile, workspace = tiling.tile(1, real), tiling.workspace(1, real, real)
    run_loop(kernel_spectrum, kernel.astype(real), (layout.rows.dilation, layout.columns.dilation), tile, workspace)
    borders = Borders(
        _extended(
            source_table(layout.rows, border),
            tiling.pairs(layout.rows.out) // tiling.tiles_across * 2 * tiling.valid_rows + tile.rows,
        ),
        _extended(source_table(layout.columns, border), tiling.tiles_across * tiling.valid_columns + tile.columns),
    )
    both = workspace.transposed_real, workspace.transposed_imaginary
    return Spectrum(tiling, tiling.tile(layout.pixel, real), borders, *both, float(kernel.sum()), unit, whole)


def _extended(source: Array, size: int) -> Array:
    return np.pad(source[:size], (0, max(size - source.size, 0)), constant_values=-2)


def correlate_by_spectrum(
    spectrum: Spectrum, plane: Array, constant: float, offset: float, bias: float, pairs: tuple[int, int], out: Array
) -> None:
    """Slide the kernel over plane (H, numbers), into those pairs of tiles of out (H', numbers)."""
    real = spectrum.real.dtype
    workspace = spectrum.tiling.workspace(spectrum.tile.pixel, real, out.dtype)
    taken = offset * spectrum.weight
    shift, bias = (taken, bias) if spectrum.whole else (0.0, taken * spectrum.unit + bias)
    numbers = (part for one in (spectrum.unit, bias) for part in split(one, real.type))  # type: ignore[no-untyped-call]
    finish = Finish(int(spectrum.whole), real.type(shift), *numbers)
    kernel = real.type(constant), real.type(offset), spectrum.real, spectrum.imaginary
    run_loop(correlate_spectra, plane, spectrum.borders, spectrum.tile, *kernel, pairs, finish, workspace, out)
