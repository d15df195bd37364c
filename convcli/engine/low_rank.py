"""A kernel as a sum of outer products of a column and a row: each takes kh + kw multiply-adds instead of kh * kw."""

from dataclasses import dataclass

import numpy as np

from .simd.reference import Array

EXACT = float(1 << 24)
"""float32 holds all integers up to this."""


@dataclass(frozen=True)
class Factors:
    """Columns (R, kh) and rows (R, kw), float64, whose outer products sum to the kernel within ``error``.

    ``error`` is the sum of the absolute differences over the sum of the absolute weights. The error of a response is at most
    that fraction of the largest possible response: of white, for a mean.
    """

    columns: Array
    rows: Array
    error: float

    @property
    def growth(self) -> float:
        """Sum of the absolute products over that of the absolute weights: the factor by which rounding errors grow."""
        sides = [np.abs(vectors).sum(axis=1) for vectors in (self.columns, self.rows)]
        return float(sides[0] @ sides[1] / np.abs(self.columns.T @ self.rows).sum())

    @property
    def rank(self) -> int:
        """Number of outer products."""
        return len(self.columns)


def factorise(kernel: Array, tolerance: float, most: int) -> Factors | None:
    """Return the fewest outer products, ``most`` at most, that equal a kernel (kh, kw) within the tolerance, or None.

    Integers, and multiples of a unit, are factorised into such by elimination, or not at all, so that sums of levels stay
    exact: a sum half way between two levels is then rounded by the rule and not by its rounding error. Other kernels are a
    column times a row, or the first terms of their singular value decomposition, which is the nearest sum of that many
    products (Eckart and Young 1936, doi:10.1007/BF02288367).

    >>> factorise(np.outer([1.0, 2, 1], [1.0, 0, -1]), 1e-7, 3).rank
    1
    """
    if not kernel.any():
        return None
    unit = unit_of(kernel)
    if unit is not None:
        return _eliminate(np.rint(kernel / unit), unit, most)
    y, x = np.unravel_index(np.abs(kernel).argmax(), kernel.shape)
    left, values, right = kernel[:, [x]], np.ones(1), kernel[[y]] / kernel[y, x]
    for rank in range(1, min(most, *kernel.shape) + 1):
        if rank == 2:
            left, values, right = np.linalg.svd(kernel, full_matrices=False)
        columns, rows = (left[:, :rank] * values[:rank]).T, right[:rank]
        error = np.abs(kernel - columns.T @ rows).sum() / np.abs(kernel).sum()
        if error <= tolerance:
            return Factors(columns, rows, float(error))
    return None


def unit_of(kernel: Array) -> float | None:
    """Return the number that all weights are multiples of, within their rounding, or None.

    It is a multiple of the smallest weight, of 2**-10 or of 2**-24.
    """
    smallest = float(np.abs(kernel[kernel != 0]).min())
    for unit in (smallest, 2.0**-10, 2.0**-24):
        times = kernel / unit
        if np.abs(times).max() < EXACT and np.abs(times - np.rint(times)).max() <= 1e-12 * np.abs(times).max():
            return unit * int(np.gcd.reduce(np.rint(times).astype(np.int64), axis=None))
    return None


def _eliminate(whole: Array, unit: float, most: int) -> Factors | None:
    """Factorise a kernel of integers into integers: each step subtracts a multiple of the row of the smallest weight."""
    rest = whole
    columns: list[Array] = []
    rows: list[Array] = []
    while rest.any():
        if len(rows) == most:
            return None
        y, x = np.unravel_index(np.where(rest, np.abs(rest), np.inf).argmin(), rest.shape)
        row = rest[y] / np.gcd.reduce(rest[y].astype(np.int64))
        column = rest[:, x] / row[x]
        if (column != np.rint(column)).any():
            return None
        columns.append(column * unit)
        rows.append(row)
        rest = rest - np.outer(column, row)
    return Factors(np.array(columns), np.array(rows), 0.0)
