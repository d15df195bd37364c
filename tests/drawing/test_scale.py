"""Scales of values, and places on them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.drawing.scale import Scale, positions, scale_of


def test_a_signed_scale_has_zero_in_the_middle():
    """It reaches as far as the largest absolute value of all arrays."""
    scale = scale_of([np.array([-1.0, 3.0]), np.array([[-7.0]])])
    assert scale == Scale(-7.0, 7.0, signed=True)
    assert_array_equal(positions(np.array([-7.0, -3.5, 0.0, 3.5, 7.0]), scale), [0, 0.25, 0.5, 0.75, 1])


def test_an_unsigned_scale_reaches_from_minimum_to_maximum():
    """Whatever is not finite does not count."""
    assert scale_of([np.array([2.0, np.nan, 5.0]), np.array([9.0, np.inf])]) == Scale(2.0, 9.0, signed=False)


def test_a_percentile_is_that_of_numpy():
    """Of absolute values where the scale is signed, of both ends where it is not."""
    values = np.random.default_rng(1).normal(size=1000)
    scale = scale_of([values[:300], values[300:]], 99)
    assert scale.high == -scale.low == np.percentile(np.abs(values), 99)
    positive = np.exp(values)
    assert scale_of([positive], 90) == Scale(*np.percentile(positive, [10, 90]), signed=False)


@pytest.mark.parametrize(
    ("values", "low", "high"), [([5.0, 5.0], 0, 5), ([0.0], 0, 1), ([0.0, -0.0], 0, 1)], ids=["five", "zero", "zeros"]
)
def test_constants_are_measured_from_zero(values, low, high):
    """A scale never has the length 0."""
    assert scale_of([np.array(values)]) == Scale(low, high, signed=False)


def test_a_constant_below_zero_is_signed():
    """Zeros with a sign in the middle."""
    assert scale_of([np.array([-2.0])]) == Scale(-2.0, 2.0, signed=True)
    assert scale_of([np.array([0.0])], signed=True) == Scale(-1.0, 1.0, signed=True)
    mostly_zero = np.array([-4.0] + [0.0] * 999)
    assert scale_of([mostly_zero], 90) == Scale(-4.0, 4.0, signed=True)  # the percentile is 0


@pytest.mark.parametrize("arrays", [[], [np.empty((0, 3))], [np.array([np.nan, np.inf, -np.inf])]])
def test_nothing_finite_has_no_scale(arrays):
    """No number is invented."""
    assert scale_of(arrays) is None


def test_the_largest_floats_do_not_overflow():
    """The distance of the ends is beyond float64."""
    scale = scale_of([np.array([-1.7e308, 1.7e308])])
    assert_array_equal(positions(np.array([-1.7e308, 0, 1.7e308]), scale), [0, 0.5, 1])


def test_a_percentile_of_nothing_is_the_whole_range():
    """Where both percentiles are equal: no number is invented, and no sample is lost."""
    mostly_zero = np.array([0.0] * 398 + [0.01] * 2)
    assert scale_of([mostly_zero], 99) == Scale(0.0, 0.01, signed=False)
    assert scale_of([np.array([5.0] * 200 + [7.0])], 90) == Scale(5.0, 7.0, signed=False)
