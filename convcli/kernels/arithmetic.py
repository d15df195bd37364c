"""Quotients and weighted sums of kernels, in plain Python numbers."""

import math
from dataclasses import replace

from ..errors import KernelError
from .kernel import MAX_SIDE, Kernel, Matrix


def divided(matrix: Matrix, divisor: float) -> Matrix:
    """Every weight divided by a number."""
    return tuple(
        tuple(tuple(number / divisor for number in cell) if isinstance(cell, tuple) else cell / divisor for cell in row)
        for row in matrix
    )


def added(name: str, terms: list[tuple[float, Kernel]]) -> Kernel:
    """The sum of weight times kernel, each kernel with its anchor in the same place."""
    anchors = [kernel.anchor_or_middle for _, kernel in terms]
    above, left = (max(anchor[axis] for anchor in anchors) for axis in (0, 1))
    below, right = (
        max(kernel.shape[axis] - anchor[axis] for (_, kernel), anchor in zip(terms, anchors, strict=True)) for axis in (0, 1)
    )
    height, width, channels = above + below, left + right, terms[0][1].shape[2:]
    if max(height, width) > MAX_SIDE:
        raise KernelError(f"the sum is {height} x {width}; the largest kernel side is {MAX_SIDE}")
    depth = channels[0] if channels else 1
    total = [[[0.0] * depth for _ in range(width)] for _ in range(height)]
    for (weight, kernel), anchor in zip(terms, anchors, strict=True):
        for y, row in enumerate(kernel.matrix, start=above - anchor[0]):
            for x, cell in enumerate(row, start=left - anchor[1]):
                for c, number in enumerate(cell if isinstance(cell, tuple) else (cell,)):
                    total[y][x][c] += weight * number
    matrix = tuple(tuple(tuple(cell) if channels else cell[0] for cell in row) for row in total)
    anchor = (above, left)
    offset = math.fsum(weight * kernel.offset for weight, kernel in terms)
    summed = Kernel(name, matrix, offset=offset)
    anchored = any(kernel.anchor for _, kernel in terms) or summed.anchor_or_middle != anchor
    return replace(summed, anchor=anchor) if anchored else summed
