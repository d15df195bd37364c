"""Quotients and weighted sums of kernels, in plain Python numbers."""

import math
from collections.abc import Sequence

from ..errors import KernelError
from .kernel import MAX_SIDE, Anchor, Kernel, Matrix, middle_of


def divided(matrix: Matrix, divisor: float) -> Matrix:
    """Divide every weight by a number."""
    if isinstance(matrix[0][0], tuple):
        return tuple(tuple(tuple(number / divisor for number in cell) for cell in row) for row in matrix)  # type: ignore[union-attr]
    return tuple(tuple([cell / divisor for cell in row]) for row in matrix)  # type: ignore[operator]


def laid_over(shapes: Sequence[tuple[int, ...]], anchors: Sequence[Anchor | None]) -> tuple[tuple[int, ...], Anchor | None]:
    """Return shape and anchor of a sum of kernels whose anchors coincide. Raises KernelError if it is too large."""
    taps = [anchor or middle_of(shape) for shape, anchor in zip(shapes, anchors, strict=True)]
    above, left = (max(tap[axis] for tap in taps) for axis in (0, 1))
    below, right = (max(shape[axis] - tap[axis] for shape, tap in zip(shapes, taps, strict=True)) for axis in (0, 1))
    shape = (above + below, left + right, *shapes[0][2:])
    if max(shape[:2]) > MAX_SIDE:
        raise KernelError(f"the sum is {shape[0]} x {shape[1]}; the largest kernel side is {MAX_SIDE}")
    return shape, (above, left) if any(anchors) or middle_of(shape) != (above, left) else None


def added(name: str, terms: Sequence[tuple[float, Kernel]]) -> Kernel:
    """Return the sum of weight * kernel over the terms, with all anchors at the same tap. Raises KernelError."""
    (height, width, *channels), anchor = laid_over([k.shape for _, k in terms], [k.anchor for _, k in terms])
    above, left = anchor or middle_of((height, width))
    depth = channels[0] if channels else 1
    total = [[[0.0] * depth for _ in range(width)] for _ in range(height)]
    for weight, kernel in terms:
        tap = kernel.anchor_or_middle
        for y, row in enumerate(kernel.matrix, start=above - tap[0]):
            for x, cell in enumerate(row, start=left - tap[1]):
                for c, number in enumerate(cell if isinstance(cell, tuple) else (cell,)):
                    total[y][x][c] += weight * number
    matrix = tuple(tuple(tuple(cell) if channels else cell[0] for cell in row) for row in total)
    offset = math.fsum(weight * kernel.offset for weight, kernel in terms)
    return Kernel(name, matrix, offset=offset, anchor=anchor)
