"""Quantization: responses to stored levels, and the statistics of clipping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from convcli.errors import ArgumentError
from convcli.images.quantize import quantize, statistics_of, to_levels
from convcli.range_rules import Range, parse_range

TOLERANCE = 16 * 2**-23  # 16 units in the last place of float32
EDGE_TOLERANCE = 255 * TOLERANCE  # the tolerance for rounding at the ends of 0 .. 255
responses = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.floats(-1000, 1000, width=32)
)


def by_numpy(response, low, high, white):
    """Map low..high to 0..white in float64, round half to even, clip."""
    return np.clip(np.rint((response.astype(np.float64) - low) * (white / (high - low))), 0, white)


@given(response=responses)
def test_clip_keeps_values(response):
    """Responses are rounded half to even and clipped to black and white; the input is unchanged."""
    before = response.copy()
    levels, statistics = quantize(response, Range("clip"), 255, 255)
    assert levels.dtype == np.uint8
    assert_array_equal(levels, np.clip(np.rint(response), 0, 255))
    assert_array_equal(response, before)
    assert (statistics.below, statistics.above) == ((response < -EDGE_TOLERANCE).sum(), (response > 255 + EDGE_TOLERANCE).sum())


@given(response=responses)
def test_abs_drops_signs(response):
    """The statistics are those of the signed response."""
    levels, statistics = quantize(response, Range("abs"), 255, 255)
    assert_array_equal(levels, np.clip(np.rint(np.abs(response)), 0, 255))
    assert (statistics.minimum, statistics.maximum) == (response.min(), response.max())
    assert (statistics.below, statistics.above) == (
        (response < -255 - 2 * EDGE_TOLERANCE).sum(),
        (response > 255 + 2 * EDGE_TOLERANCE).sum(),
    )


@given(response=responses)
def test_center_puts_zero_at_128(response):
    """Differences are kept."""
    levels, _ = quantize(response, Range("center"), 255, 255)
    shifted = response + np.float32(128)
    assert_array_equal(levels, np.clip(np.rint(shifted), 0, 255))


@given(response=responses)
def test_limits_map_low_to_black_and_high_to_white(response):
    """-500..300, within one level of float64 arithmetic."""
    levels, statistics = quantize(response, parse_range("-500..300"), 255, 255)
    assert np.all(np.abs(levels - by_numpy(response, -500, 300, 255)) <= 1)
    assert (statistics.low, statistics.high) == (-500, 300)
    assert statistics.below == (response < -500 - 800 * TOLERANCE).sum()


def test_stretch_uses_every_level(rng):
    """The minimum becomes black, the maximum white; nothing is clipped."""
    response = rng.normal(size=(20, 20, 3)).astype(np.float32)
    levels, statistics = quantize(response, Range("stretch"), None, 255)
    assert (levels.min(), levels.max()) == (0, 255)
    assert (statistics.below, statistics.above) == (0, 0)


def test_narrow_ranges_are_exact(rng):
    """A range of seven levels at 40003 and at a million is mapped to 0..255 exactly."""
    for low in (40003, 1_000_000):
        response = (low + np.arange(8, dtype=np.float32)).reshape(2, 4, 1)
        levels, _ = quantize(response, Range("stretch"), 65535, 255)
        assert_array_equal(levels.ravel(), np.rint(np.arange(8) * 255 / 7))


def test_stretch_measures_finite_samples_only():
    """An infinite sample does not make the others black."""
    response = np.array([[[0.0], [1.0], [np.inf], [np.nan]]], np.float32)
    levels, statistics = quantize(response, Range("stretch"), None, 255)
    assert levels.ravel().tolist() == [0, 255, 255, 0]
    assert (statistics.above, statistics.unknown) == (1, 1)


def test_masked_samples_are_not_counted():
    """Masked samples count neither in the statistics nor in the limits of stretch."""
    response = np.array([[[0.0], [100.0], [1e8]]], np.float32)
    levels, statistics = quantize(response, Range("stretch"), 255, 255, np.array([[True, True, False]]))
    assert levels.ravel().tolist() == [0, 255, 255]
    assert (statistics.maximum, statistics.above, statistics.count) == (100, 0, 2)


def test_stretch_of_a_flat_response_is_black():
    """All levels are 0."""
    assert_array_equal(quantize(np.full((2, 2, 1), 7.0, np.float32), Range("stretch"), 255, 255)[0], 0)


def test_16_bit_levels_are_kept_or_scaled(rng):
    """16-bit levels are kept, and scaled to 8 bits where the format cannot store more."""
    response = np.array([[[-3.0], [0.5], [1.5], [65535.4], [70000.0]]], np.float32)
    levels, _ = quantize(response, Range("clip"), 65535, 65535)
    assert levels.dtype == np.uint16
    assert levels.ravel().tolist() == [0, 0, 2, 65535, 65535]
    levels, statistics = quantize(response, Range("clip"), 65535, 255)
    assert levels.ravel().tolist() == [0, 0, 0, 255, 255]
    assert statistics.above == 2
    assert quantize(np.zeros((1, 1, 1), np.float32), Range("center"), 65535, 65535)[0][0, 0, 0] == 32768


@pytest.mark.parametrize("name", ["clip", "abs", "center"])
def test_float_samples_without_a_white_level_need_a_range(name):
    """Without a white level, only a range that gives the scale is accepted."""
    response = np.ones((2, 2, 1), np.float32)
    with pytest.raises(ArgumentError, match=f"--range {name} cannot store them as levels; give --range stretch or --range LO"):
        quantize(response, Range(name), None, 255)
    assert quantize(response, parse_range("0..2"), None, 255)[0][0, 0, 0] == 128


def test_nan_is_counted_and_stored_as_black():
    """NaN counts neither as below nor as above, nor for the minimum and maximum."""
    response = np.array([[[np.nan], [np.inf], [-np.inf], [5.0]]], np.float32)
    levels, statistics = quantize(response, Range("clip"), 255, 255)
    assert levels.ravel().tolist() == [0, 255, 0, 5]
    assert (statistics.unknown, statistics.below, statistics.above, statistics.count) == (1, 1, 1, 4)
    assert (statistics.minimum, statistics.maximum) == (-np.inf, np.inf)
    assert np.isnan(statistics_of(np.full((1, 1, 1), np.nan)).minimum)


@given(response=responses)
def test_statistics_equal_numpy(response):
    """Minimum, maximum and counts are exact."""
    statistics = statistics_of(response, -10, 10)
    assert (statistics.minimum, statistics.maximum) == (response.min(), response.max())
    assert (statistics.below, statistics.above) == (
        (response < -10 - 20 * TOLERANCE).sum(),
        (response > 10 + 20 * TOLERANCE).sum(),
    )


def test_rounding_is_not_counted_as_clipping():
    """255.00003 is a rounding error of float32 and is not counted as clipped; 255.01 is."""
    response = np.array([[[255.00003], [255.01], [-0.00003], [-0.01]]], np.float32)
    statistics = quantize(response, Range("clip"), 255, 255)[1]
    assert (statistics.below, statistics.above) == (1, 1)


def test_to_levels_does_not_change_its_input():
    """The loop works on a copy."""
    response = np.ones((2, 2), np.float32)
    to_levels(response, np.uint8, 5, -1)
    assert_array_equal(response, 1)


@pytest.mark.parametrize(("signed", "name"), [(True, "abs"), (False, "clip")])
def test_auto_depends_on_the_sign_of_the_kernel(signed, name):
    """auto is abs for signed kernels, clip for others."""
    assert Range().resolve(signed).name == name
    assert Range("center").resolve(signed).name == "center"


@pytest.mark.parametrize("text", ["", "loud", "1", "..", "1..", "a..b", "nan..1", "0..inf", "1..2..3", "-1e300..1e300"])
def test_unknown_ranges_are_refused(text):
    """The error lists the valid words."""
    with pytest.raises(ArgumentError, match="range must be one of auto, clip, abs, center, stretch, or LO..HI"):
        parse_range(text)


@pytest.mark.parametrize("text", ["1..1", "2..1"])
def test_limits_must_rise(text):
    """An empty or reversed range is refused."""
    with pytest.raises(ArgumentError, match="must rise from LO to HI"):
        parse_range(text)


def test_rounding_is_not_stretched():
    """A range that is nothing but rounding, relative to a white of 255, is flat."""
    noise = np.float32([[[77.0]], [[77.000015]], [[76.999985]]])
    levels, statistics = quantize(noise, parse_range("stretch"), 255, 255)
    assert (levels.max(), statistics.below, statistics.above) == (0, 0, 0)
    levels, _ = quantize(noise - 77, parse_range("stretch"), None, 255)  # without a white level, the range is stretched
    assert levels.max() == 255
