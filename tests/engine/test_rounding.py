"""Errors of responses against sums in float64: at most 1e-5 of the picture's range times the sum of absolute weights."""

import contextlib
import json
from fractions import Fraction

import numpy as np
import PIL.Image
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import rounding
from convcli import ArgumentError, conv2d, conv_transpose2d, filter2d
from convcli.engine import parallel_tasks
from convcli.engine.low_rank import factorise
from convcli.engine.offset import BOUND, Offset
from convcli.ops.filter import explain_filter2d

METHODS = (None, "direct", "separable", "box", "fft")


def largest_error(picture, kernel, border="edge"):
    """The largest error of all methods that accept the kernel."""
    errors = []
    for method in METHODS:
        with contextlib.suppress(*[ArgumentError] if method in ("separable", "box") else []):
            errors.append(rounding.error_of(filter2d(picture, kernel, border=border, method=method), picture, kernel, border))
    return max(errors)


@pytest.mark.parametrize("scale", rounding.SCALES)
@pytest.mark.parametrize("name", rounding.PICTURES)
def test_every_method_keeps_the_bound(name, scale, rng):
    """The bound holds for each kind of picture and each kind of kernel."""
    picture = rounding.PICTURES[name](rng, (70, 90))
    for kind, size in zip(rounding.KERNELS, (3, 5, 11, 12, 15, 21, 31, 63), strict=True):
        for border in ("edge", 0):
            kernel = rounding.SCALES[scale](rounding.KERNELS[kind](rng, size))
            assert largest_error(picture, kernel, border) <= BOUND, (kind, size, border)


@given(
    picture=st.sampled_from(sorted(rounding.PICTURES)),
    kind=st.sampled_from(sorted(rounding.KERNELS)),
    scale=st.sampled_from(sorted(rounding.SCALES)),
    size=st.integers(3, 40),
    shape=st.tuples(st.integers(2, 120), st.integers(2, 120)),
    border=st.sampled_from(["edge", "wrap", 0, 5]),
    seed=st.integers(0, 999),
)
@settings(max_examples=60)
def test_random_combinations_keep_the_bound(picture, kind, scale, size, shape, border, seed):
    """The bound holds for random combinations; tests/benchmarks/rounding.py measures 3,000 of them."""
    rng = np.random.default_rng(seed)
    kernel = rounding.SCALES[scale](rounding.KERNELS[kind](rng, size))
    assert largest_error(rounding.PICTURES[picture](rng, shape), kernel, border) <= BOUND


@pytest.mark.parametrize("size", [101, 301])
@pytest.mark.parametrize("name", ["mask", "dark frame", "stars", "constant", "offset"])
def test_large_kernels_keep_the_bound(name, size, rng):
    """The bound holds for kernels of sum 1, of sum 0, and of other sums."""
    picture = rounding.PICTURES[name](rng, (40, 70))
    for kind, scale in (("random", "as it is"), ("random, positive", "sum 1"), ("gaussian", "as it is"), ("box", "sum 1")):
        assert largest_error(picture, rounding.SCALES[scale](rounding.KERNELS[kind](rng, size))) <= BOUND, kind


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_mask_is_exact_to_float32(dtype, rng):
    """A mask with 1 % ones and a 15 x 15 kernel; with an offset of 32768, responses would be multiples of 1/256."""
    mask, kernel = (rng.random((300, 300)) < 0.01).astype(dtype), rng.random((15, 15))
    kernel /= kernel.sum()
    expected = scipy.signal.convolve2d(np.pad(mask.astype(float), 7), kernel[::-1, ::-1], mode="valid")
    assert np.abs(filter2d(mask, kernel, border=0) - expected).max() < 1e-7
    assert np.abs(conv2d(mask[None], kernel[None, None], padding=7)[0] - expected).max() < 1e-7


def test_counts_are_exact_to_their_deviation(rng):
    """Poisson(20) and a 15 x 15 kernel: the error is below 1e-4 of the deviation of the response."""
    counts, kernel = rng.poisson(20, (300, 300)).astype(np.uint16), rng.random((15, 15))
    kernel /= kernel.sum()
    expected = rounding.in_float64(counts, kernel, "edge")
    assert np.abs(filter2d(counts, kernel, border="edge") - expected).max() < 1e-4 * expected.std()


def test_fft_of_a_kernel_with_a_large_sum_is_accurate(rng):
    """A 63 x 63 kernel of integers with method fft has an error below 0.01."""
    mask, kernel = rounding.PICTURES["mask"](rng, (300, 300)), rng.integers(0, 9, (63, 63)).astype(float)
    expected = rounding.in_float64(mask, kernel, "edge")
    assert np.abs(filter2d(mask, kernel, border="edge", method="fft") - expected).max() < 0.01


@pytest.mark.parametrize(
    ("shape", "weights", "groups"),
    [
        ((2, 3, 40, 50), (6, 3, 5, 5), 1),
        ((2, 64, 12, 13), (8, 64, 3, 3), 1),
        ((2, 3, 40, 50), (3, 3, 5, 5), 1),
        ((2, 4, 40, 50), (4, 1, 7, 7), 4),
        ((2, 1, 40, 50), (1, 1, 21, 21), 1),
        ((1, 512, 7, 7), (6, 512, 3, 3), 1),
    ],
)
@pytest.mark.parametrize("offset", [0, 1e6])
def test_layers_keep_the_bound(shape, weights, groups, offset, rng):
    """The bound holds for every loop of layers; for the transposed layer away from its borders."""
    x, weight = (rng.uniform(-1, 1, shape) + offset).astype(np.float32), rng.normal(size=weights)
    centred, group_in = x.astype(np.float64) - offset, weights[1]
    for layer in (conv2d, conv_transpose2d):
        transposed = layer is conv_transpose2d
        swapped = weight.reshape(groups, -1, *weights[1:]).swapaxes(1, 2).reshape(-1, weights[0] // groups, *weights[2:])
        result = layer(x, swapped if transposed else weight, groups=groups)
        rows, columns = (slice(side - 1, 1 - side) if transposed else slice(None) for side in weights[2:])
        for m in (0, weights[0] - 1):
            start = m // (weights[0] // groups) * group_in
            sums = [
                scipy.signal.convolve(centred[1 % len(x), start + c], weight[m, c])
                if transposed
                else scipy.signal.correlate(centred[1 % len(x), start + c], weight[m, c], mode="valid")
                for c in range(group_in)
            ]
            expected = np.sum(sums, axis=0)[rows, columns] + offset * weight[m].sum()
            errors = np.abs(result[1 % len(x), m, rows, columns] - expected) - np.spacing(np.abs(expected).astype(np.float32))
            assert errors.size == 0 or errors.max() <= BOUND * 2 * np.abs(weight[m]).sum()


@pytest.mark.parametrize("shape", [(4, 1, 30, 31), (4, 3, 30, 31), (4, 3, 9, 9)])
def test_a_batch_equals_its_images(shape, rng):
    """The result of an image does not depend on the other images of the batch, bit by bit."""
    batch = rng.random(shape).astype(np.float32)
    batch[1] += 1e6
    batch[2] *= 1e30
    batch[3, 0, 5, 5] = np.nan
    for weights in ((2, shape[1], 3, 3), (6, shape[1], 5, 5), (1, shape[1], 9, 9)):
        weight = rng.normal(size=weights)
        result = conv2d(batch, weight)
        np.testing.assert_array_equal(result, np.stack([conv2d(image, weight) for image in batch]))


def test_rows_equal_those_of_the_whole_bit_by_bit(rng):
    """Rows computed on their own equal those of the whole, in a picture that grows brighter downwards."""
    picture = (np.arange(90)[:, None] * 100 + rng.random((90, 40)) + 30000).astype(np.float32)
    kernel = rng.random((5, 5))
    full = filter2d(picture, kernel)
    np.testing.assert_array_equal(filter2d(picture, kernel, rows=(33, 77)), full[33:77])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("level", [0.5, 1000, 1e37])
def test_nan_infinity_and_huge_samples_are_kept(value, level, rng):
    """NaN, infinity and huge samples give the same result in pictures from which an offset is subtracted."""
    picture = np.full((30, 31), level, np.float32)
    picture[7, 8] = value
    kernel = np.array([[0.1, 0.2, 0.1], [0, 0.5, 0.3], [0.1, 0.2, 0.4]]) / 4
    windows = [(i, j) for i in range(3) for j in range(3) if kernel[i, j]]
    with np.errstate(invalid="ignore"):
        expected = sum(kernel[i, j] * picture[i : i + 28, j : j + 29].astype(float) for i, j in windows)
    np.testing.assert_allclose(filter2d(picture, kernel, padding="valid"), expected, rtol=1e-5)


@pytest.mark.parametrize("weights", [[[np.inf, 1.0]], [[1e300, -1e300]], [[1e308, 1e308]]])
def test_infinite_weights_take_no_offset(weights):
    """Infinity times a sample less its offset could be NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.float32(np.array(weights, np.float32) * 7).sum()
    np.testing.assert_array_equal(filter2d(np.full((5, 6), 7, np.uint8), weights), np.full((5, 6), expected))


@pytest.mark.parametrize("level", [0, 0.5, 1e6])
def test_one_tap_takes_no_offset(level, rng):
    """No offset is subtracted for a single tap: the identity gives every sample back, in each kind of loop."""
    x = (rng.random((3, 20, 30)) + level).astype(np.float32)
    identity = np.pad([[1.0]], 2)
    np.testing.assert_array_equal(filter2d(x[0], identity), x[0])
    np.testing.assert_array_equal(filter2d(x.transpose(1, 2, 0), [[1]]), x.transpose(1, 2, 0))
    np.testing.assert_array_equal(conv2d(x, np.ones((3, 1, 1, 1)), groups=3), x)
    np.testing.assert_array_equal(conv2d(x[:1], [[[[3]]]]), x[:1] * np.float32(3))


def test_sums_of_integers_are_exact(rng):
    """Sums of integers are exact, also of a small range at a high level."""
    for picture in (rng.integers(200, 210, (40, 41)), rng.integers(5000, 5010, (40, 41)), rng.integers(-90, -80, (40, 41))):
        kernel = rng.integers(-3, 4, (5, 4))
        expected = scipy.signal.convolve2d(picture, kernel[::-1, ::-1], mode="valid")
        for dtype in (np.uint8, np.uint16, np.int16, np.float32, np.float64):
            if np.array_equal(picture.astype(dtype), picture):
                np.testing.assert_array_equal(filter2d(picture.astype(dtype), kernel, padding="valid"), expected)


def test_the_offset_lies_among_the_samples(rng):
    """The offset lies between the smallest and the largest sample, and is used for pictures far from 0 only."""
    for name, make in rounding.PICTURES.items():
        picture = make(rng, (50, 60))
        offset = Offset(picture[None])
        assert picture.min() <= offset.mean <= picture.max()
        far = np.abs(picture.astype(float)).min() > 0.2 * np.ptp(picture.astype(float))
        assert offset.needed or not far, name
        assert not offset.needed or name not in ("mask", "small mask", "few counts", "levels", "float mask", "float"), name
    assert Offset(np.full((1, 4, 4), np.nan, np.float32)).needed is False


def test_the_offset_is_that_of_numpy(rng):
    """The mean of every eighth or so sample: rounded for integers, the nearest sample of floats."""
    for dtype in (np.uint8, np.uint16, np.float32, np.float64):
        planes = (rng.random((1, 128, 120)) * 50 + 100).astype(dtype)
        probed = planes[:, ::8, ::8].astype(float)
        mean = probed.mean()
        nearest = probed.ravel()[np.abs(probed - mean).argmin()] if np.dtype(dtype).kind == "f" else np.rint(mean)
        offset = Offset(planes)
        assert (offset.needed, offset.mean) == (True, nearest)
        np.testing.assert_allclose(offset.deviation, np.abs(probed - nearest).mean(), rtol=1e-12)


def test_the_loop_finds_the_offset_of_its_planes(rng, monkeypatch):
    """The results have the bits of those with the offset passed."""
    pictures = [(rng.random((40, 50, 3)) + level).astype(np.float32) for level in (0, 1000)]
    kernel = rng.random((3, 4))
    found = [filter2d(picture, kernel) for picture in pictures]
    monkeypatch.setattr(parallel_tasks, "_subtracted", lambda tables, planes, offset: offset.mean if offset.needed else 0.0)
    for picture, expected in zip(pictures, found, strict=True):
        np.testing.assert_array_equal(filter2d(picture, kernel), expected)
    monkeypatch.setattr(parallel_tasks, "_subtracted", lambda tables, planes, offset: 0.0)
    assert (filter2d(pictures[1], kernel) != found[1]).any()


def test_products_that_round_too_much_are_refused():
    """A kernel of integers that is the sum of two products 100 times as large would lose too many bits of float samples."""
    rng = np.random.default_rng(0)
    while True:
        kernel = sum(np.outer(*rng.integers(-9, 10, (2, 17)) * (rng.random(17) < 0.6)) for _ in range(2)).astype(float)
        factors = factorise(kernel, 1e-7, 2) if kernel.any() else None
        if factors is not None and factors.error_growth > 100:
            break
    picture = rounding.PICTURES["float"](rng, (80, 90))
    assert explain_filter2d(picture, kernel)[1].method != "separable"
    levels = rng.integers(0, 256, (60, 70), dtype=np.uint8)  # the sums are integers, and those of the products exceed float32
    expected = scipy.signal.correlate2d(levels.astype(int), kernel.astype(int), mode="valid")
    np.testing.assert_array_equal(filter2d(levels, kernel, padding="valid"), expected)
    with pytest.raises(ArgumentError, match="method separable cannot be used: the kernel is a sum of products so large that"):
        filter2d(picture, kernel, method="separable")
    assert largest_error(picture, kernel) <= BOUND


def test_at_reports_zero_for_a_window_of_zeros(run, tmp_path, rng):
    """The response of a window of zeros is 0; it was -0.0078125."""
    mask, kernel = (rng.random((300, 300)) < 0.01).astype(np.uint16), rng.random((15, 15))
    mask[100:140, 100:140] = 0
    PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
    np.save(tmp_path / "kernel.npy", kernel / kernel.sum())
    output = json.loads(run("at", "120,120", tmp_path / "mask.png", "-k", f"@{tmp_path / 'kernel.npy'}", "--json").out)
    responses = output["kernels"][0]["responses"] if "kernels" in output else output["responses"]
    assert max(map(abs, responses)) < 1e-7


def test_the_reported_error_is_below_the_bound(rng):
    """The reported error is 0 for exact sums, and below the bound for others."""
    errors = {
        "exact": explain_filter2d(np.zeros((40, 40), np.uint8), np.ones((3, 3)))[1].error,
        "direct": explain_filter2d(np.zeros((40, 40), np.float32), rng.random((3, 3)))[1].error,
        "fft": explain_filter2d(np.zeros((40, 40), np.float32), rng.random((31, 31)), method="fft")[1].error,
        "float64": explain_filter2d(np.zeros((40, 40)), rng.random((3, 3)))[1].error,
    }
    assert errors["exact"] == 0
    assert 0 < errors["float64"] < 1e-14 < errors["direct"] < BOUND > errors["fft"] > 0


@pytest.mark.parametrize("level", [1e9, 1e13, 4e15])
@pytest.mark.parametrize("layer", [False, True])
def test_float64_at_a_high_level_is_accurate(level, layer, rng):
    """Against sums of fractions: the sum of the weights, near 0, must not be rounded before it is multiplied by the level."""
    image = level + rng.integers(0, 10, (12, 12)).astype(float)
    kernel = rng.standard_normal((5, 5))
    kernel -= kernel.mean()
    response = (
        conv2d(np.stack([image, image]), np.stack([kernel, np.zeros((5, 5))])[None])[0]
        if layer
        else filter2d(image, kernel, padding="valid")
    )
    for y, x in np.ndindex(8, 8):
        window = image[y : y + 5, x : x + 5]
        exact = sum(Fraction(a) * Fraction(b) for a, b in zip(window.ravel(), kernel.ravel(), strict=True))
        assert abs(response[y, x] - float(exact)) <= 1e-5 * np.abs(kernel).sum() * 9 + np.spacing(abs(float(exact)))
