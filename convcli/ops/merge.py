"""Merges several feature maps of one size into one."""

from collections.abc import Iterable

import numpy as np

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import add, make_root, make_square, scale_by, take_larger
from ..engine.simd.reference import Array
from ..errors import ArgumentError


def merge(maps: Iterable[Array], how: str) -> Array:
    """Merge real arrays of one shape: "l2" (root of the sum of squares), "max", "mean" or "sum".

    The maps are read one by one and overwritten, so that only two are in memory at a time. Raises ArgumentError if their
    shapes differ.

    >>> merge([np.float32([3, -1]), np.float32([4, 0])], "l2").tolist()
    [5.0, 1.0]
    """
    total: Array | None = None
    count = 0
    for count, map_ in enumerate(maps, start=1):  # noqa: B007 (the last count is used)
        values = np.ascontiguousarray(map_)
        if how == "l2":
            run_loop(make_square, values.reshape(-1))
        if total is None:
            total = values
        elif values.shape != total.shape:
            sizes = " and ".join(" x ".join(map(str, array.shape)) for array in (total, values))
            raise ArgumentError(f"maps of different shapes, {sizes}, cannot be merged; use --padding same")
        else:
            run_loop(take_larger if how == "max" else add, values.reshape(-1), total.reshape(-1))
    assert total is not None
    if how == "l2":
        run_loop(make_root, total.reshape(-1))
    if how == "mean":
        run_loop(scale_by, total.dtype.type(1 / count), total.reshape(-1))
    return total
