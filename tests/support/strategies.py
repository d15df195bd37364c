"""Hypothesis strategies: small pictures and kernels of integers, which float32 sums exactly in any order."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

BORDERS = ("zero", "edge", "reflect", "symmetric", "wrap")
DTYPES = (np.uint8, np.uint16, np.float32, np.float64, np.int16, np.int32, np.bool_)

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(*[st.tuples(st.integers(0, 11), st.integers(0, 11))] * 2)
borders = st.one_of(st.sampled_from(BORDERS), st.integers(-9, 9))
sides = st.tuples(st.integers(1, 8), st.integers(1, 8))
kernel_sides = st.tuples(st.integers(1, 5), st.integers(1, 5))
weights = st.integers(-4, 4)


@st.composite
def images(draw):
    """Images (H, W, C) of every supported dtype, with values from 0 to 255."""
    shape = (*draw(sides), draw(st.integers(1, 5)))
    levels = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 255)))
    return levels.astype(draw(st.sampled_from(DTYPES)))


def kernels(channels=None):
    """Kernels (kh, kw), or (kh, kw, C)."""
    extra = () if channels is None else (channels,)
    return kernel_sides.flatmap(lambda side: hnp.arrays(np.int64, (*side, *extra), elements=weights))
