"""Histograms whose range is not known before: the same counts as NumPy's, whole and in parts."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from convcli.images import histogram as module
from convcli.images.histogram import BINS, combine_histograms, histogram_of
from convcli.images.quantize import combine_statistics, statistics_of


def counts_by_numpy(values, histogram):
    """The counts of NumPy in the bins of a histogram; its last bin is open, so that none ends with the largest sample."""
    edges = np.array(histogram.edges)
    finite = values[np.isfinite(values)].astype(np.float64)
    assert edges[0] <= finite.min() <= finite.max() < edges[-1]
    return np.histogram(finite, edges)[0]


@given(arrays(np.float32, st.integers(2, 99), elements=st.floats(-1e6, 1e6, width=32)), st.integers(1, 5))
def test_parts_are_counted_as_the_whole(values, pieces):
    """In every bin; each sample once."""
    whole = histogram_of(values)
    parts = combine_histograms([histogram_of(part) for part in np.array_split(values, pieces)])
    for histogram in (whole, parts):
        assert histogram.count == values.size
        assert len(histogram.counts) <= BINS
        if histogram.width:
            assert_array_equal(histogram.counts, counts_by_numpy(values, histogram))
        else:
            assert set(values.tolist()) == {histogram.value}


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1.0, 1e30, 1e306])
def test_all_magnitudes_have_many_bins(scale):
    """At least half of BINS, at most BINS, of a width that is a power of two."""
    values = np.random.default_rng(1).normal(size=10_000) * scale
    histogram = histogram_of(values)
    assert BINS / 2 <= len(histogram.counts) <= BINS
    assert np.frexp(histogram.width)[0] == 0.5
    assert_array_equal(histogram.counts, counts_by_numpy(values, histogram))


def test_what_is_not_finite_is_left_out(monkeypatch):
    """NaN and infinities; nothing is left of nothing else; constants have one count."""
    monkeypatch.setattr(module, "CHUNK", 3)
    values = np.array([np.nan, np.inf, 1, -np.inf, 2, 2, np.nan, np.nan, np.nan, 5], np.float32)
    histogram = histogram_of(values)
    assert histogram.count == 4
    assert_array_equal(histogram.counts, counts_by_numpy(values, histogram))
    assert histogram_of(values[6:9]).counts == ()
    assert histogram_of(values[:0]).counts == ()
    constant = histogram_of(np.full((4, 5, 1), -0.3))
    assert (constant.width, constant.value, constant.counts) == (0.0, -0.3, (20,))


def test_statistics_have_a_histogram_where_it_is_asked_for():
    """Also those of a whole, from its parts."""
    values = np.random.default_rng(2).normal(size=(40, 30, 1)).astype(np.float32)
    assert statistics_of(values).histogram is None
    parts = [statistics_of(values[rows], with_histogram=True) for rows in (slice(0, 11), slice(11, 40))]
    combined = combine_statistics(parts)
    assert_array_equal(combined.histogram.counts, counts_by_numpy(values, combined.histogram))
