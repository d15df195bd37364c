"""Pooling against the oracle and published figures."""

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
import strategies as ours
from convcli import ArgumentError, avg_pool2d, global_avg_pool2d, lp_pool2d, max_pool2d, upsample_nearest
from convcli.geometry.axes import make_pool_axes

RAMP = np.arange(1, 26).reshape(1, 5, 5)
GUIDE = np.array([[[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]])
pools = {
    "side": st.tuples(st.integers(1, 9), st.integers(1, 40)),
    "kernel": st.tuples(st.integers(1, 5), st.integers(1, 5)),
    "stride": st.tuples(st.integers(1, 4), st.integers(1, 4)),
    "pads": st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2),
    "ceil_mode": st.booleans(),
    "dtype": st.sampled_from(ours.DTYPES),
    "threads": st.integers(1, 3),
    "seed": st.integers(0, 99),
}


def random_planes(seed, side, dtype):
    """Random planes of integers."""
    return np.random.default_rng(seed).integers(-9 * (np.dtype(dtype).kind in "if"), 9, (3, *side)).astype(dtype)


def windows_of(side, kernel, stride, pads, dilation, ceil_mode):
    """The oracle's windows along rows and columns; examples where a window has no pixel are skipped."""
    assume(all(n + sum(p) > (k - 1) * d for n, p, k, d in zip(side, pads, kernel, dilation, strict=True)))
    windows = [naive.windows(*axis, ceil_mode) for axis in zip(side, kernel, stride, pads, dilation, strict=True)]
    assume(all(inside for axis in windows for inside, _ in axis))
    return windows


@given(dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)), **pools)
def test_max_pool2d_equals_the_oracle(side, kernel, stride, pads, dilation, ceil_mode, dtype, threads, seed):
    """Every combination of options, exactly, for every dtype; NaN propagates."""
    x = random_planes(seed, side, dtype)
    if x.dtype.kind == "f":
        x[1, 0, seed % side[1]], x[2, 0, 0] = np.nan, -np.inf
    axes = windows_of(side, kernel, stride, pads, dilation, ceil_mode)
    expected = naive.pool(x.astype(np.float64), *axes, lambda samples, _: np.max(samples))
    options = {"stride": stride, "padding": pads, "dilation": dilation, "ceil_mode": ceil_mode, "threads": threads}
    result = max_pool2d(x, kernel, **options)
    assert result.dtype == dtype
    assert_array_equal(result, expected)
    assert_array_equal(max_pool2d(x[:, None], kernel, **options)[:, 0], expected)


@given(include=st.booleans(), **pools)
def test_avg_pool2d_equals_the_oracle(side, kernel, stride, pads, ceil_mode, dtype, threads, seed, include):
    """Every combination of options, for every dtype; exactly, as sums of integers are exact and the division rounds once."""
    x = random_planes(seed, side, dtype)
    axes = windows_of(side, kernel, stride, pads, (1, 1), ceil_mode)
    expected = naive.pool(
        x.astype(np.float64), *axes, lambda samples, count: samples.sum() / (count if include else samples.size)
    )
    options = {"stride": stride, "padding": pads, "ceil_mode": ceil_mode, "count_include_pad": include, "threads": threads}
    result = avg_pool2d(x, kernel, **options)
    assert result.dtype == np.result_type(dtype, np.float32)
    assert_array_equal(result, expected.astype(result.dtype))
    assert_array_equal(avg_pool2d(x[:, None], kernel, **options)[:, 0], result)


@given(norm_type=st.sampled_from([1, 2, 3, 2.5, 7]), dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)), **pools)
def test_lp_pool2d_equals_the_oracle(side, kernel, stride, pads, dilation, ceil_mode, dtype, threads, seed, norm_type):
    """Every combination of options, for every dtype; exactly where sums are exact and round once; NaN propagates."""
    x = random_planes(seed, side, dtype)
    if x.dtype.kind == "f":
        x[1, 0, seed % side[1]], x[2, 0, 0] = np.nan, -np.inf
    axes = windows_of(side, kernel, stride, pads, dilation, ceil_mode)
    expected = naive.pool(x, *axes, lambda samples, _: naive.lp_norm(samples, norm_type))
    options = {"stride": stride, "padding": pads, "dilation": dilation, "ceil_mode": ceil_mode, "threads": threads}
    result = lp_pool2d(x, kernel, norm_type=norm_type, **options)
    assert result.dtype == np.result_type(dtype, np.float32)
    if norm_type == 1:
        assert_array_equal(result, expected)
    assert_allclose(result, expected, rtol=2e-7 if result.dtype == np.float32 else 1e-14, atol=0)
    assert_array_equal(lp_pool2d(x[:, None], kernel, norm_type=norm_type, **options)[:, 0], result)


@pytest.mark.parametrize("norm_type", [1, 2, 3])
def test_lp_pool2d_of_float16_is_float32(norm_type):
    """The result is computed in float32, which represents the squares that float16 cannot."""
    x = np.array([[[300, -400]]], np.float16)
    result = lp_pool2d(x, (1, 2), norm_type=norm_type)
    assert result.dtype == np.float32
    assert result.item() == {1: 700, 2: 500, 3: np.float32(91e6 ** (1 / 3))}[norm_type]


def test_lp_pool2d_sums_huge_and_tiny_values_in_float64():
    """Squares are summed in float64: those of float32 are all representable, those of float64 overflow and underflow."""
    for number in (1.5e38, 1e-45):
        x = np.full((1, 1, 4), number, np.float32)
        assert lp_pool2d(x, (1, 4)).item() == np.float32(2 * np.float64(x[0, 0, 0]))
    assert lp_pool2d([[[1e155, 0]]], (1, 2)).item() == np.inf
    assert lp_pool2d([[[1e-163, 1e-163]]], (1, 2)).item() == 0
    assert lp_pool2d([[[1e155, -1e155]]], (1, 2), norm_type=1).item() == 2e155
    assert lp_pool2d([[[10, 0]]], (1, 2), norm_type=400).item() == np.inf


def test_lp_pool2d_takes_absolute_values_as_onnx_does():
    """In PyTorch (sum of x ** 3) ** (1 / 3) of 1 and -2 is NaN, and of 2 and -1 less than 2."""
    assert_allclose(lp_pool2d([[[1, -2, 2, -1]]], (1, 2), norm_type=3), [[[9 ** (1 / 3)] * 2]], rtol=1e-15)


def test_pools_equal_the_figures_of_the_convolution_guide():
    """Dumoulin and Visin, figures 1.5 and 1.6: 3 x 3 at stride 1."""
    assert_allclose(avg_pool2d(GUIDE, 3, stride=1)[0], [[1.7, 1.7, 1.7], [1.0, 1.2, 1.8], [1.1, 0.8, 1.3]], atol=0.051)
    assert_array_equal(max_pool2d(GUIDE, 3, stride=1)[0], [[3, 3, 3], [3, 3, 3], [3, 2, 3]])


# The node tests of ONNX, onnx.backend.test.case.node.maxpool and averagepool, on 1 .. 25 or 1 .. 16.
def test_max_pool2d_equals_onnx():
    """Pads, a stride, SAME_UPPER, dilations and ceil_mode."""
    padded = [[13, 14, 15, 15, 15], [18, 19, 20, 20, 20]] + [[23, 24, 25, 25, 25]] * 3
    assert_array_equal(max_pool2d(RAMP, 5, stride=1, padding=2)[0], padded)
    assert_array_equal(max_pool2d(RAMP, 2)[0], [[7, 9], [17, 19]])
    assert_array_equal(max_pool2d(RAMP, 3, stride=2, padding="same-upper")[0], [[7, 9, 10], [17, 19, 20], [22, 24, 25]])
    small = np.arange(1, 17).reshape(1, 4, 4)
    assert_array_equal(max_pool2d(small, 2, stride=1, dilation=2)[0], [[11, 12], [15, 16]])
    assert_array_equal(max_pool2d(small, 3, stride=2, ceil_mode=True)[0], [[11, 12], [15, 16]])


def test_lp_pool2d_equals_onnx():
    """The node test with dilations, onnx.backend.test.case.node.lppool."""
    small = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4)
    figures = [[14.560219778561036, 16.24807680927192], [21.633307652783937, 23.49468024894146]]
    assert_array_equal(lp_pool2d(small, 2, stride=1, dilation=2)[0], np.float32(figures))


def test_avg_pool2d_equals_onnx():
    """Pads that are not counted and that are, a stride, SAME_UPPER and ceil_mode."""
    without_pads = avg_pool2d(RAMP, 5, stride=1, padding=2, count_include_pad=False)[0]
    assert_allclose(without_pads, np.arange(5) * 0.5 + np.arange(5)[:, None] * 2.5 + 7, rtol=1e-6)
    with_pads = avg_pool2d(RAMP, 5, stride=1, padding=2)[0]
    assert_allclose(with_pads[:2], [[2.52, 3.6, 4.8, 4.08, 3.24], [4.56, 6.4, 8.4, 7.04, 5.52]], rtol=1e-6)
    assert_array_equal(avg_pool2d(RAMP, 2)[0], [[4, 6], [14, 16]])
    same = avg_pool2d(RAMP, 3, stride=2, padding="same-upper", count_include_pad=False)[0]
    assert_array_equal(same, [[4, 5.5, 7], [11.5, 13, 14.5], [19, 20.5, 22]])
    small = np.arange(1, 17).reshape(1, 4, 4)
    assert_array_equal(avg_pool2d(small, 3, stride=2, ceil_mode=True)[0], [[6, 7.5], [12, 13.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_widths_do_not_change_a_bit(dtype, rng):
    """Rows longer than a vector register, cut into bands, equal their parts computed on their own."""
    x = rng.normal(size=(5, 61, 301)).astype(dtype)
    norms = [partial(lp_pool2d, norm_type=norm_type) for norm_type in (1, 2, 3)]
    for pool in (max_pool2d, avg_pool2d, *norms):
        single = pool(x, (5, 3), stride=(2, 1), padding=1, threads=1)
        assert_array_equal(pool(x, (5, 3), stride=(2, 1), padding=1, threads=3), single)
        parts = [pool(x[..., i : i + 3], (5, 3), stride=(2, 1), padding=((1, 1), (0, 0))) for i in range(299)]
        assert_array_equal(single[..., 1:-1], np.concatenate(parts, axis=2))


def test_inputs_of_any_layout_are_not_changed(rng):
    """Read-only views with steps and swapped bytes are accepted."""
    x = rng.integers(-9, 9, (3, 12, 16)).astype(">f4")
    x.flags.writeable = False
    before = x.copy()
    for pool in (max_pool2d, avg_pool2d, lp_pool2d, partial(lp_pool2d, norm_type=3)):
        assert_array_equal(pool(x[:, ::2, ::-1], 2), pool(np.ascontiguousarray(x[:, ::2, ::-1]), 2))
    assert_array_equal(x, before)


def test_global_avg_pool2d_is_the_mean_of_each_map():
    """The mean of 1 .. 9 is 5 (ONNX's node test), with and without a batch."""
    x = np.arange(1, 10).reshape(1, 1, 3, 3)
    assert global_avg_pool2d(x).tolist() == [[[[5]]]]
    assert global_avg_pool2d(np.concatenate([x[0], 2 * x[0]])).tolist() == [[[5]], [[10]]]


def test_upsampling_repeats_every_pixel(rng):
    """Equal to numpy.kron with ones."""
    x = rng.integers(0, 255, (2, 3, 4, 5))
    expected = np.kron(x, np.ones((1, 1, 2, 3)))
    assert_array_equal(upsample_nearest(x, (2, 3)), expected)
    assert_array_equal(upsample_nearest(x[0], (2, 3)), expected[0])


BAD = [
    (lambda: max_pool2d(RAMP, 0), "kernel_size must be at least 1, got 0"),
    (lambda: max_pool2d(RAMP, 2, stride=0), "stride must be at least 1, got 0"),
    (lambda: max_pool2d(RAMP, 7), "a window that covers 7 x 7 does not fit an image of 5 x 5 padded to 5 x 5"),
    (lambda: max_pool2d(RAMP, 2, padding=2), "padding must leave a pixel in every window, got 2 before and 2 after rows of 5"),
    (lambda: avg_pool2d(RAMP, 1, padding=((0, 0), (0, 1))), "every window, got 0 before and 1 after columns of 5 pixels"),
    (lambda: max_pool2d(RAMP[:, :1], 2, padding=((1, 1), (0, 0)), dilation=2), "every window, got 1 before and 1 after rows"),
    (lambda: max_pool2d(RAMP, 2, ceil_mode=1), "ceil_mode must be True or False, got 1"),
    (lambda: avg_pool2d(RAMP, 2, count_include_pad=0), "count_include_pad must be True or False, got 0"),
    (lambda: max_pool2d(RAMP[0], 2), r"x must have 3 or 4 dimensions, got shape \(5, 5\)"),
    (lambda: max_pool2d(RAMP, 2, threads=0), "threads must be a whole number of at least 1, got 0"),
    (lambda: lp_pool2d(RAMP, 2, norm_type=0.5), "norm_type must be at least 1, got 0.5"),
    (lambda: lp_pool2d(RAMP, 2, norm_type=np.inf), "norm_type must be a finite number, got inf"),
    (lambda: lp_pool2d(RAMP, 2, padding=2), "padding must leave a pixel in every window, got 2 before and 2 after rows of 5"),
    (lambda: lp_pool2d(RAMP, 2, ceil_mode=0), "ceil_mode must be True or False, got 0"),
    (lambda: upsample_nearest(RAMP, 1.5), "scale_factor must be a whole number or"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message):
    """Each error names the argument, the rule and the value."""
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize(("size", "padding", "out"), [(6, 0, 3), (5, 0, 2), (7, 0, 3), (6, 1, 4), (5, 1, 3)])
def test_ceil_mode_counts_as_pytorch_does(size, padding, out):
    """3 x 3 at stride 2: one more window where pixels are left over, if it begins within the map or the padding before it."""
    assert make_pool_axes((size, size), 3, 2, padding, ceil_mode=True)[0].out == out
    assert make_pool_axes((3, 3), 1, 3, 0, ceil_mode=True)[0].out == 1  # a second window would begin after the map
