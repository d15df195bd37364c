"""Merging of maps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from convcli import ArgumentError
from convcli.ops.merge import merge


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_merges_equal_numpy(count, dtype, rng):
    """Every rule of merging equals the same reduction in NumPy."""
    maps = rng.normal(size=(count, 5, 6, 3)).astype(dtype)
    expected = {
        "l2": np.sqrt((maps.astype(np.float64) ** 2).sum(axis=0)),
        "max": maps.max(axis=0),
        "mean": maps.mean(axis=0, dtype=np.float64),
        "sum": maps.sum(axis=0, dtype=np.float64),
    }
    for rule, values in expected.items():
        merged = merge(maps.copy(), rule)
        assert merged.dtype == dtype
        assert_allclose(merged, values, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)


@pytest.mark.parametrize("rule", ["l2", "max", "mean", "sum"])
def test_maps_of_different_shapes_are_refused(rule):
    """Kernels of different sizes without padding give such maps."""
    with pytest.raises(ArgumentError, match="maps of different shapes, 3 x 4 and 2 x 4, cannot be merged"):
        merge([np.zeros((3, 4)), np.zeros((2, 4))], rule)
