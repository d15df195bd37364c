"""The reduction of an array of which some rows are there at a time."""

import numpy as np

from ..images.image import Array
from .tile import window_means, window_sums, windows


class Reduction:
    """The means (h, w, C) of consecutive rows and columns of an array (H, W, C), as ``tile.reduced`` computes them.

    Arrays of other than 1 or 3 channels become the mean of their channels. Rows that were added before are left out.
    """

    def __init__(self, height: int, size: tuple[int, int]) -> None:
        self.size = size
        self.next_row = 0
        self._firsts, self._heights = windows(height, size[0])
        self._sums: Array | None = None
        self._height = height

    @property
    def is_complete(self) -> bool:
        """Whether all rows were added."""
        return self.next_row == self._height

    def add(self, first_row: int, rows: Array) -> bool:
        """Add rows (n, W, C), the first of which is ``first_row``. Return whether they are the next ones, and were added."""
        if first_row != self.next_row:
            return False
        self.next_row = end = first_row + len(rows)
        first, last = np.searchsorted(self._firsts, (first_row, end - 1), side="right") - 1
        starts = np.maximum(self._firsts[first : last + 1] - first_row, 0)
        with np.errstate(invalid="ignore", over="ignore"):
            if rows.shape[2] not in (1, 3):
                rows = rows.mean(axis=2, keepdims=True, dtype=np.float64)
            means = window_means(window_sums(rows, starts), self.size[1])
            if self._sums is None:
                self._sums = np.zeros((*self.size, rows.shape[2]))
            self._sums[first : last + 1] += means
        return True

    def means(self) -> Array:
        """Return the means, float32; those of rows that were not added are 0."""
        assert self._sums is not None
        with np.errstate(invalid="ignore", over="ignore"):
            out: Array = (self._sums / self._heights[:, None, None]).astype(np.float32)
        return out
