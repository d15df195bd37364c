"""Factorises a kernel into a sum of outer products. Each takes kh + kw multiply-adds per sample instead of kh * kw."""

import numpy as np
from msgspec import Struct

from .simd.reference import Array

MAX_EXACT_INTEGER = float(1 << 24)
"""Largest integer up to which float32 represents every integer."""


class Factors(Struct, frozen=True):
    """Columns (R, kh) and rows (R, kw), float64, whose outer products sum to the kernel within ``error``.

    ``error`` is the sum of the absolute differences divided by the sum of the absolute weights. The error of a response is at
    most that fraction of the largest possible response (for a mean, of white).
    """

    columns: Array
    rows: Array
    error: float

    @property
    def error_growth(self) -> float:
        """Sum of the absolute products divided by the sum of the absolute weights: the factor by which rounding errors grow."""
        column_sums, row_sums = (np.abs(vectors).sum(axis=1) for vectors in (self.columns, self.rows))
        return float(column_sums @ row_sums / np.abs(self.columns.T @ self.rows).sum())

    @property
    def rank(self) -> int:
        """Number of outer products."""
        return len(self.columns)


def factorise(kernel: Array, tolerance: float, max_rank: int) -> Factors | None:
    """Return the fewest outer products that sum to a kernel (kh, kw) within the tolerance; None if ``max_rank`` are too few.

    A kernel of integers, or of multiples of a unit, is factorised by elimination into factors of the same kind, or not at all.
    Sums of levels then stay exact, so that a sum half way between two levels is rounded half to even, whatever the method.
    Other kernels are factorised into one outer product, or into the first terms of their singular value decomposition, which
    is the best approximation of that rank (Eckart and Young 1936, doi:10.1007/BF02288367).

    >>> factorise(np.outer([1.0, 2, 1], [1.0, 0, -1]), 1e-7, 3).rank
    1
    """
    if not kernel.any():
        return None
    unit = common_unit(kernel)
    if unit is not None:
        return _eliminate(np.rint(kernel / unit), unit, max_rank)
    y, x = np.unravel_index(np.abs(kernel).argmax(), kernel.shape)
    u, s, vh = kernel[:, [x]], np.ones(1), kernel[[y]] / kernel[y, x]
    for rank in range(1, min(max_rank, *kernel.shape) + 1):
        if rank == 2:
            u, s, vh = np.linalg.svd(kernel, full_matrices=False)
        columns, rows = (u[:, :rank] * s[:rank]).T, vh[:rank]
        error = np.abs(kernel - columns.T @ rows).sum() / np.abs(kernel).sum()
        if error <= tolerance:
            return Factors(columns, rows, float(error))
    return None


def common_unit(kernel: Array) -> float | None:
    """Return the largest number found that all weights are multiples of, within their rounding; None if none is found.

    It is a multiple of the smallest absolute weight, of 2**-10 or of 2**-24.
    """
    smallest = float(np.abs(kernel[kernel != 0]).min())
    for unit in (smallest, 2.0**-10, 2.0**-24):
        multiples = kernel / unit
        largest = np.abs(multiples).max()
        if largest < MAX_EXACT_INTEGER and np.abs(multiples - np.rint(multiples)).max() <= 1e-12 * largest:
            return unit * int(np.gcd.reduce(np.rint(multiples).astype(np.int64), axis=None))
    return None


def _eliminate(integers: Array, unit: float, max_rank: int) -> Factors | None:
    """Factorise a kernel of integers into integers. Each step eliminates the row of the smallest absolute weight."""
    residual = integers
    columns: list[Array] = []
    rows: list[Array] = []
    while residual.any():
        if len(rows) == max_rank:
            return None
        y, x = np.unravel_index(np.where(residual, np.abs(residual), np.inf).argmin(), residual.shape)
        row = residual[y] / np.gcd.reduce(residual[y].astype(np.int64))
        column = residual[:, x] / row[x]
        if (column != np.rint(column)).any():
            return None
        columns.append(column * unit)
        rows.append(row)
        residual = residual - np.outer(column, row)
    return Factors(np.array(columns), np.array(rows), 0.0)
