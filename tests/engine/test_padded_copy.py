"""The border linear-ramp: its padding holds values that no pixel has, so every operation runs on a padded copy."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import convcli
import naive
import strategies as ours
from convcli import ArgumentError, conv2d, filter2d

RAMP = "linear-ramp"
DTYPES = (*ours.DTYPES, np.float16)
BOUND = 2e-6
"""Rounding in float32, relative to the sum of the absolute weights times the largest sample."""


def fits(side, kernel, dilation, pads):
    """Whether the kernel fits the padded image."""
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    return all(length + sum(pad) >= extent for length, pad, extent in zip(side, pads, extents, strict=True))


def assert_near(result, expected, weights):
    """Assert equality within the rounding of the result's dtype, for samples below 256."""
    scale = 1e-13 if result.dtype == np.float64 else BOUND
    assert_allclose(result, expected, rtol=0, atol=scale * 256 * np.abs(weights).sum())


@given(
    side=ours.sides,
    channels=st.integers(1, 4),
    kernel=ours.kernel_sides,
    dtype=st.sampled_from(DTYPES),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    flip=st.booleans(),
    summed=st.booleans(),
    method=st.sampled_from([None, "direct", "fft"]),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=150)
def test_filter2d_equals_the_oracle(side, channels, kernel, dtype, stride, dilation, pads, flip, summed, method, threads, seed):
    """Every combination of options, for every dtype and method."""
    assume(fits(side, kernel, dilation, pads))
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*side, channels)).astype(dtype)
    weights = rng.normal(size=(*kernel, channels) if summed else kernel)
    options = {"stride": stride, "dilation": dilation, "border": RAMP, "flip": flip}
    expected = naive.filter2d(image.astype(float), weights, pads=pads, **options)
    method = None if summed else method
    result = filter2d(image, weights, padding=pads, threads=threads, method=method, **options)
    assert result.dtype == np.result_type(image.dtype, np.float32)
    assert_near(result.astype(np.float32) if method == "fft" else result, expected, weights)


@given(
    groups=st.integers(1, 3),
    ins=st.integers(1, 4),
    outs=st.integers(1, 6),
    count=st.integers(0, 2),
    side=ours.sides,
    kernel=ours.kernel_sides,
    dtype=st.sampled_from(DTYPES),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    flip=st.booleans(),
    method=st.sampled_from([None, "direct"]),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=100)
def test_conv2d_equals_the_oracle(
    groups, ins, outs, count, side, kernel, dtype, stride, dilation, pads, flip, method, threads, seed
):
    """Layers of few and of many channels, groups, batches and bias; an empty batch too."""
    assume(fits(side, kernel, dilation, pads))
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, groups * ins, *side)).astype(dtype)
    weight, bias = rng.normal(size=(groups * outs, ins, *kernel)), rng.normal(size=groups * outs)
    options = {"stride": stride, "dilation": dilation, "border": RAMP, "flip": flip, "groups": groups}
    result = conv2d(x, weight, bias, padding=pads, method=method, threads=threads, **options)
    assert len(result) == count
    if count:
        assert_near(result, naive.conv2d(x.astype(float), weight, bias, pads=pads, **options), weight)


@pytest.mark.parametrize("dtype", DTYPES)
def test_depthwise_and_separable_layers_equal_the_oracle(dtype, rng):
    """With strides and dilation; a 1 x 1 kernel is never padded."""
    x = rng.integers(0, 256, (2, 3, 9, 8)).astype(dtype)
    weight, mixing, bias = rng.normal(size=(6, 1, 3, 2)), rng.normal(size=(4, 6)), rng.normal(size=4)
    pads, options = ((3, 1), (0, 4)), {"stride": (2, 1), "dilation": (1, 2), "border": RAMP}
    depthwise = naive.conv2d(x.astype(float), weight, np.zeros(6), groups=3, pads=pads, **options)
    assert_near(convcli.depthwise_conv2d(x, weight, padding=pads, **options), depthwise, weight)
    mixed = np.einsum("om,nmhw->nohw", mixing, depthwise) + bias[:, None, None]
    result = convcli.separable_conv2d(x, weight, mixing, bias, padding=pads, **options)
    assert_near(result, mixed, np.abs(mixing).sum() * np.abs(weight).sum())
    pointwise = conv2d(x, mixing[:, :3, None, None], padding="same", border=RAMP)
    assert_array_equal(pointwise, convcli.pointwise_conv2d(x, mixing[:, :3]))


@given(pads=ours.pads, side=ours.sides, seed=st.integers(0, 99))
def test_the_padding_equals_numpy_pad(pads, side, seed):
    """Equal to numpy.pad, corners included, to the last bits of float64."""
    image = np.random.default_rng(seed).normal(size=side)
    result = filter2d(image, [[1]], padding=pads, border="linear_ramp")
    assert_allclose(result, np.pad(image, pads, mode="linear_ramp"), rtol=1e-14, atol=1e-16)


def test_levels_are_not_rounded():
    """The ramp of integers is not rounded; NumPy rounds this one to 0 3 6."""
    result = filter2d(np.array([[10]], np.uint8), [[1]], padding=((0, 0), (3, 0)), border=RAMP)
    assert_allclose(result, [[0, 10 / 3, 20 / 3, 10]], rtol=1e-6)
    assert_array_equal(filter2d(np.array([[10]], np.uint8), [[1]], padding=((0, 0), (3, 0)), border=RAMP, dtype=np.uint8),
                       [[0, 3, 7, 10]])  # fmt: skip


@pytest.mark.parametrize(
    "kernel", [np.ones((2, 2)) / 4, np.ones((9, 9)) / 81, np.ones((1, 1)), np.arange(15).reshape(3, 5) / 7]
)
def test_without_padding_it_changes_nothing(kernel, rng):
    """Without padding the result equals that of any other border, bit by bit."""
    image = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for border in ("reflect", "zero"):
        expected = filter2d(image, kernel, padding="valid", border=border)
        assert_array_equal(filter2d(image, kernel, padding="valid", border=RAMP), expected)
        planes = image.transpose(2, 0, 1)
        weight = np.broadcast_to(kernel, (3, 1, *kernel.shape))
        expected = conv2d(planes, weight, groups=3, border=border)
        assert_array_equal(conv2d(planes, weight, groups=3, border=RAMP), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize(("side", "method"), [(5, None), (5, "separable"), (31, None), (31, "fft"), (31, "direct")])
def test_bands_and_tiles_equal_one_thread(dtype, side, method, rng):
    """Pictures that are cut into several bands or tiles equal one thread, and SciPy on NumPy's padding."""
    image = rng.integers(0, 256, (700, 640)).astype(dtype)
    kernel = np.outer(rng.normal(size=side), rng.normal(size=side)) if method == "separable" else rng.normal(size=(side, side))
    pads = ((side, 3), (0, 2 * side))
    padded = np.pad(image.astype(float), pads, mode="linear_ramp")
    expected = scipy.signal.oaconvolve(padded, kernel[::-1, ::-1], mode="valid")
    results = [filter2d(image, kernel, padding=pads, border=RAMP, method=method, threads=threads) for threads in (1, 3)]
    assert_array_equal(*results)
    assert_allclose(results[0], expected, rtol=0, atol=BOUND * 256 * np.abs(kernel).sum())


def test_infinite_pixels_equal_numpy_pad():
    """Infinity at the edge becomes NaN where the ramp reaches 0, without a warning; a weight of 0 keeps it out."""
    image = np.array([[np.inf, 1.0], [2.0, np.nan]])
    with np.errstate(invalid="ignore"):
        expected = np.pad(image, 2, mode="linear_ramp")
    assert np.isnan(expected).sum() > np.isinf(expected).sum() > 1
    assert_array_equal(filter2d(image, [[1]], padding=2, border=RAMP), expected)
    assert_array_equal(conv2d(image[None], [[[[1]]]], padding=2, border=RAMP)[0], expected)
    assert_array_equal(filter2d(image, [[0, 1], [0, 0]], padding=2, border=RAMP), expected[:-1, 1:])


def test_the_image_is_not_changed(rng):
    """The padded copy is not a view of the image."""
    image = rng.random((5, 6), np.float32)
    before = image.copy()
    filter2d(image, np.ones((5, 5)), border=RAMP)
    conv2d(image[None], np.ones((1, 1, 5, 5)), padding=2, border=RAMP)
    assert_array_equal(image, before)


def test_a_transposed_layer_refuses_the_border():
    """The error names the rule and the remedy."""
    with pytest.raises(ArgumentError, match="border of a transposed .* must be zero, .* got 'linear-ramp'; leave it out"):
        convcli.conv_transpose2d(np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), border=RAMP)
