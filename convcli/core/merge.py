"""Several feature maps of one size merged into one."""

from collections.abc import Iterable

import numpy as np

from . import loops
from .compiler import run_loop
from .loops import Array


def merge(maps: Iterable[Array], how: str) -> Array:
    """Merge real arrays of one shape: "l2" (root of the sum of squares), "max", "mean" or "sum".

    The maps are taken one by one and used up, so that only two are in memory at a time.

    >>> merge([np.float32([3, -1]), np.float32([4, 0])], "l2").tolist()
    [5.0, 1.0]
    """
    total: Array | None = None
    count = 0
    for one in maps:
        values = np.ascontiguousarray(one).reshape(-1)
        if how == "l2":
            run_loop(loops.make_square, values)
        if total is None:
            total, shape = values, one.shape
        else:
            run_loop(loops.take_larger if how == "max" else loops.add, values, total)
        count += 1
    assert total is not None
    if how == "l2":
        run_loop(loops.make_root, total)
    if how == "mean":
        run_loop(loops.scale_by, total.dtype.type(1 / count), total)
    return total.reshape(shape)
