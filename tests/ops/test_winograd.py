"""Winograd's method: against the oracle, its error, and samples that it must not spread."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
import strategies as ours
from convcli import ArgumentError, conv2d
from convcli.engine.offset import BOUND

SAMPLES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "rectified": lambda rng, shape: np.maximum(rng.normal(size=shape), 0),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "far from zero": lambda rng, shape: rng.uniform(size=shape) + 1000,
    "two levels": lambda rng, shape: rng.integers(0, 2, shape) * 255.0,
    "sparse": lambda rng, shape: np.where(rng.uniform(size=shape) < 0.05, rng.normal(size=shape) * 100, 0),
}


@given(
    groups=st.integers(1, 2),
    ins=st.integers(1, 3),
    outs=st.integers(1, 8),
    count=st.integers(1, 2),
    side=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.sampled_from([3, 5]),
    pads=ours.pads,
    border=ours.borders,
    flip=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_winograd_equals_the_oracle(groups, ins, outs, count, side, kernel, pads, border, flip, threads, seed):
    """Every combination of sizes and options gives the oracle's result within rounding."""
    assume(all(length + sum(pad) >= kernel for length, pad in zip(side, pads, strict=True)))
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (count, groups * ins, *side)).astype(np.float32)
    weight, bias = rng.integers(-4, 5, (groups * outs, ins, kernel, kernel)), rng.integers(-9, 9, groups * outs)
    options = {"border": border, "flip": flip, "groups": groups}
    expected = naive.conv2d(x, weight, bias, pads=pads, **options)
    result = conv2d(x, weight, bias, padding=pads, threads=threads, method="winograd", **options)
    assert result.dtype == np.float32
    assert_allclose(result, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("planes", "kernel"), [(16, 3), (64, 3), (512, 3), (64, 5)])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_error_of_random_weights_is_below_a_hundred_thousandth_of_the_largest_response(planes, kernel, name, rng):
    """Against float64: at most 1e-5 of the largest absolute response of the map; and the bound of all methods."""
    x, weight = SAMPLES[name](rng, (planes, 21, 26)).astype(np.float32), rng.normal(size=(64, planes, kernel, kernel))
    weight = weight.astype(np.float32)
    exact = conv2d(x.astype(np.float64), weight, padding=1, border="edge")
    result = conv2d(x, weight, padding=1, border="edge")
    assert_array_equal(result, conv2d(x, weight, padding=1, border="edge", method="winograd"))
    errors = np.abs(result - exact).max(axis=(1, 2))
    assert (errors <= BOUND * np.abs(exact).max(axis=(1, 2))).all()
    unit = np.spacing(np.abs(exact).max().astype(np.float32))
    assert (errors <= BOUND * np.abs(weight).sum(axis=(1, 2, 3)) * np.ptp(x) + unit).all()


@pytest.mark.parametrize("method", [None, "winograd"])
def test_tiles_do_not_depend_on_threads_and_batch(method, rng):
    """Each image of a batch, with any number of threads, has the same bits."""
    batch, weight = rng.normal(size=(3, 20, 61, 47)).astype(np.float32), rng.normal(size=(55, 20, 3, 3))
    expected = [conv2d(image, weight, padding=1, threads=1, method=method) for image in batch]
    for threads in (1, 2, 3, 8):
        assert_array_equal(conv2d(batch, weight, padding=1, threads=threads, method=method), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_a_sample_spreads_no_further_than_under_its_kernel(value, rng):
    """NaN, infinity and huge samples are in the responses that read them and in no others."""
    x, weight = rng.normal(size=(32, 20, 20)).astype(np.float32), rng.normal(size=(32, 32, 3, 3))
    clean = conv2d(x, weight, padding=1)
    x[5, 9, 9] = value
    touched = np.zeros((20, 20), bool)
    touched[8:11, 8:11] = True
    result = conv2d(x, weight, padding=1)
    assert_allclose(result[:, ~touched], clean[:, ~touched], rtol=0, atol=1e-3)
    assert not np.isclose(result[:, touched], clean[:, touched]).any()
    with pytest.raises(ArgumentError, match="method winograd cannot be used: it needs finite samples"):
        conv2d(x, weight, padding=1, method="winograd")


@pytest.mark.parametrize("value", [1e4, 1e9])
@pytest.mark.parametrize("where", ["sample", "border"])
def test_the_error_of_a_large_sample_does_not_show_in_others(value, where, rng):
    """Another method is used where samples, or the border, are much larger than most."""
    x, weight = rng.normal(size=(32, 20, 20)).astype(np.float32), rng.normal(size=(32, 32, 3, 3))
    inner = conv2d(x.astype(np.float64), weight)
    options = {"padding": 1, "border": value} if where == "border" else {}
    untouched = np.ones((18, 18), bool)
    if where == "sample":
        x[5, 9, 9] = value
        untouched[7:10, 7:10] = False
    result = conv2d(x, weight, **options)
    result = result[:, 1:-1, 1:-1] if where == "border" else result
    assert_allclose(result[:, untouched], inner[:, untouched], rtol=0, atol=1e-4)


def test_the_bound_holds_for_the_worst_tiles_that_were_found():
    """Samples of +-0.7 to 1, kernels of one weight: a search reached 1.4e-5 of the weight times the extent; 2e-5 is stated."""
    rng = np.random.default_rng(3)
    signs, sizes = np.where(rng.random((2000, 1, 6, 6)) < 0.5, -1, 1), rng.uniform(0.7, 1, (2000, 1, 6, 6))
    x, weight = (signs * sizes).astype(np.float32), np.zeros((9, 1, 3, 3), np.float32)
    weight.reshape(9, 9)[:] = np.diag(rng.uniform(0.5, 1, 9))
    errors = np.abs(conv2d(x, weight, method="winograd") - conv2d(x.astype(np.float64), weight)).max(axis=(2, 3))
    bound = weight.sum(axis=(1, 2, 3)) * np.ptp(x, axis=(1, 2, 3))[:, None]
    assert 2e-6 < (errors / bound).max() < 2e-5


def test_more_channels_than_the_error_allows_are_summed_otherwise():
    """4,700 channels of ones."""
    x, weight = np.ones((4700, 12, 12), np.float32), np.ones((16, 4700, 3, 3), np.float32)
    assert_allclose(conv2d(x, weight), 4700 * 9, rtol=2e-6)
    with pytest.raises(ArgumentError, match="method winograd cannot be used: it sums 4700 channels, too many for its error"):
        conv2d(x, weight, method="winograd")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_an_infinite_weight_spreads_no_further(dtype, rng):
    """A weight that is not finite is in one map alone."""
    x, weight = rng.normal(size=(32, 20, 20)).astype(np.float32), rng.normal(size=(32, 32, 3, 3)).astype(dtype)
    weight[3, 0, 1, 1] = np.inf
    assert np.isinf(conv2d(x, weight)[3]).all()
    assert np.isfinite(conv2d(x, weight)).all(axis=(1, 2)).tolist() == [m != 3 for m in range(32)]


@pytest.mark.parametrize(
    ("dtype", "side", "options", "reason"),
    [
        (np.float64, 3, {}, "float32 or float16"),
        (np.uint8, 3, {}, "float32 or float16"),
        (np.float32, 4, {}, "3 x 3 or 5 x 5"),
        (np.float32, 3, {"stride": 2}, "stride and dilation 1"),
        (np.float32, 3, {"dilation": (1, 2)}, "stride and dilation 1"),
    ],
)
def test_what_tiles_cannot_compute_is_refused(dtype, side, options, reason):
    """The message has the reason; without a method, another one is used."""
    x, weight = np.ones((16, 20, 20), dtype), np.ones((16, 16, side, side))
    with pytest.raises(ArgumentError, match=f"method winograd cannot be used: it needs .*{reason}.*; leave the method out"):
        conv2d(x, weight, method="winograd", **options)
    assert_array_equal(conv2d(x, weight, **options), 16 * side * side)


def test_integers_stay_exact(rng):
    """Sums of integers are exact with every dtype of integers, also where tiles would be faster."""
    x, weight = rng.integers(0, 256, (32, 24, 24)), rng.integers(-4, 5, (32, 32, 3, 3))
    expected = conv2d(x.astype(np.float64), weight)
    for dtype in (np.uint8, np.int16, np.uint16):
        assert_array_equal(conv2d(x.astype(dtype), weight), expected)
