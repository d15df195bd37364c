"""Where the loops for kernels of equal weights, ``loops.box_sums``, can be used, and their memory."""

import math
from typing import NamedTuple

import numpy as np

from .buffers import LINE, MIN_REUSED_BYTES, address_of, arrays_in_one
from .layout import Layout
from .loops.box_sums import BoxScratch
from .low_rank import MAX_EXACT_INTEGER
from .offset import BOUND, error_of
from .sample_facts import SampleFacts
from .simd.reference import MAX_LANES, Array

MAX_PIXEL = 4
"""Largest number of samples in a pixel for which sums along a row of levels are updated."""

BOX_COST = 8.0
"""Cost in multiply-adds of the direct method, for any size of the kernel. Measured."""

SMALLEST_BOX = 9
"""Fewest taps for which sums of windows are faster."""


def block_rows(height: int) -> int:
    """Return the rows of a block for windows of ``height`` rows: sums of whole blocks then take one addition for each row.

    >>> block_rows(1), block_rows(15), block_rows(101)
    (1, 5, 14)
    """
    return min(math.isqrt(2 * height), height)


def roundings_of(height: int, width: int) -> int:
    """Count the successive roundings of ``box_sums_of_reals``: of the product, of blocks, of their sum, and along a row."""
    block = block_rows(height)
    return block + height // block + 3 + 2 * width.bit_length()


class BoxSums(NamedTuple):
    """The dtypes of sums down the columns (``line``) and of all sums of a window, and a bound of their rounding errors."""

    line: np.dtype
    sums: np.dtype
    error: float  # as in Choice


def box_sums_of(layout: Layout, facts: SampleFacts) -> BoxSums | None:
    """Return how windows of a layout are summed, or None where these loops cannot."""
    rows, columns = layout.rows, layout.columns
    if layout.depth > 1 or any(axis.stride > 1 or axis.dilation > 1 for axis in (rows, columns)):
        return None
    if not facts.integer:
        error = error_of(roundings_of(rows.kernel, columns.kernel), facts.sum_dtype)
        return BoxSums(facts.sum_dtype, facts.sum_dtype, error) if error <= BOUND else None
    size, extent = rows.kernel * columns.kernel, facts.upper_bound - facts.lower_bound
    if layout.pixel > MAX_PIXEL or size * extent >= 1 << 31:
        return None
    error = error_of(1, facts.sum_dtype) if size * extent >= MAX_EXACT_INTEGER else 0.0
    short, long = np.dtype(np.int16), np.dtype(np.int32)
    if size * extent < 1 << 16 and facts.lower_bound >= 0:  # modulo 2**16
        return BoxSums(short, short, error)
    return BoxSums(short if rows.kernel * extent < 1 << 15 else long, long, error)


def box_scratch(layout: Layout, row: int, dtypes: BoxSums, out: Array) -> tuple[Array, BoxScratch]:
    """Allocate memory for one band, of an image with ``row`` samples in a row. Return it, and its arrays."""
    height = layout.rows.kernel
    block = block_rows(height)
    heads, blocks = (0, 0) if dtypes.sums.kind == "i" else (block, height // block + 2)
    width = layout.columns.kernel * layout.pixel + layout.line + MAX_LANES
    memory, (line, sums, head_sums, block_sums, whole, edge_rows) = arrays_in_one(
        ((width,), dtypes.line),
        ((width,), dtypes.sums),
        ((heads, row), dtypes.sums),
        ((blocks, row), dtypes.sums),
        ((row if heads else 0,), dtypes.sums),
        ((2, max(layout.out_row, MAX_LANES)), out.dtype),
    )
    return memory, BoxScratch(line, sums, head_sums, block_sums, whole, block, edge_rows, int(is_streamed(out)))


def is_streamed(out: Array) -> bool:
    """Whether maps are too large for the cache, and their rows begin at cache lines: non-temporal stores are faster then.

    They take 0.77 to 0.98 of the time with AVX2. Where two rows are written at once, as ``correlate`` does, they took up to 1.9
    of the time for rows of 8 or 16 KB, and 0.9 at best.
    """
    return out.nbytes >= MIN_REUSED_BYTES and out.itemsize >= 4 and out.strides[-2] % LINE == 0 == address_of(out) % LINE
