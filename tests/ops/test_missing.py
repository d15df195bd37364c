"""filter2d with missing samples, against the oracle, against astropy, and for bits that must not change."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import naive
import strategies as ours
from convcli import ArgumentError, filter2d
from convcli.ops import filter as filter_module

RULES = ("spread", "ignore", "zero")
borders = st.one_of(ours.borders, st.just("linear-ramp"))
PYRAMID = np.outer([1, 2, 1], [1, 2, 1])

HOLES = np.arange(1.0, 26.0).reshape(5, 5)
HOLES[[1, 2, 2, 3], [1, 2, 3, 2]] = np.nan

# astropy.convolution.convolve of astropy 8.0.2, nan_treatment="interpolate", of HOLES and PYRAMID.
ASTROPY = {
    "edge": """2.2 2.714286 4.066667 5.25 6;  6.142857 6.454545 6.727273 7.923077 9.466667
        11.533333 12.181818 12.142857 13.777778 14.857143;  16.25 17.153846 19.555556 20.636364 20.133333
        20 20.933333 22.285714 23.066667 23.5""",
    "wrap": """8.6 8.428571 9.4 10.25 10;  7.285714 6.454545 6.727273 7.923077 8.4
        12.6 12.181818 12.142857 13.777778 13.714286;  17.25 17.153846 19.555556 20.636364 19.066667
        16 15.6 16.571429 17.733333 17.5""",
    "zero": """1.333333 2.142857 3.266667 4.25 3.5625;  4.428571 6.454545 6.727273 7.923077 6.8
        8.6 12.181818 12.142857 13.777778 10.571429;  12.25 17.153846 19.555556 20.636364 14.8
        11.0625 15.066667 15.714286 16.666667 12.9375""",
}


@given(
    data=st.data(),
    image=ours.images(),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    border=borders,
    flip=st.booleans(),
    summed=st.booleans(),
    rule=st.sampled_from(RULES),
    with_nan=st.booleans(),
)
def test_missing_samples_equal_the_oracle(data, image, stride, dilation, pads, border, flip, summed, rule, with_nan):
    """Every combination of options and every dtype, with NaN and with masks of pixels and of samples."""
    kernel = data.draw(ours.kernels(image.shape[2] if summed else None))
    assume(rule != "ignore" or kernel.sum() != 0)
    absent = data.draw(hnp.arrays(bool, data.draw(st.sampled_from([image.shape, image.shape[:2]]))))
    arguments = {"mask": ~absent}
    if with_nan and image.dtype.kind == "f" and rule != "spread":
        image[absent if absent.ndim == 3 else np.repeat(absent[:, :, None], image.shape[2], 2)] = np.nan
        arguments = {}
    every = np.broadcast_to(absent if absent.ndim == 3 else absent[:, :, None], image.shape)
    options = {"stride": stride, "dilation": dilation, "border": border, "flip": flip}
    expected = naive.filter2d_missing(image, every, kernel, rule, pads=pads, **options)
    assume(expected.size)
    result = filter2d(image, kernel, padding=pads, missing=rule, **arguments, **options)
    assert result.dtype == np.result_type(image.dtype, np.float32)
    assert_allclose(result, expected, rtol=1e-6, atol=2e-4 if border == "linear-ramp" else 1e-5)


@pytest.mark.parametrize("border", ASTROPY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ignored_samples_equal_astropy(border, dtype):
    """Astropy divides by the kernel's sum, so that the sum of the kernel here must be 1."""
    expected = np.array(ASTROPY[border].replace(";", "").split(), float).reshape(5, 5)
    result = filter2d(HOLES.astype(dtype), PYRAMID / 16, border=border, missing="ignore")
    assert_allclose(result, expected, atol=2e-6)


@pytest.mark.parametrize("method", [None, "direct", "separable", "fft"])
@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.uint8, 0), (np.uint16, 0), (np.float32, 0), (np.float32, 1e6), (np.float64, 0)]
)
def test_where_all_is_seen_no_bit_changes(rng, dtype, method, offset):
    """Also far from zero, where an offset is subtracted before sums."""
    image = (rng.random((60, 50, 2)) * 200 + offset).astype(dtype)
    kernel = np.exp(-np.square(np.arange(-7, 8)) / 20)
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    mask = np.ones((60, 50), bool)
    mask[20:30, 30] = False
    plain, result = filter2d(image, kernel, method=method), filter2d(image, kernel, method=method, mask=mask)
    touched = filter2d(1.0 - mask, np.ones((15, 15))) > 0
    assert 0 < touched.sum() < touched.size / 2
    assert_array_equal(result[~touched], plain[~touched])
    assert (result[touched] != plain[touched]).any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_nothing_more_is_computed_where_nothing_is_missing(monkeypatch, rng, rule, dtype):
    """Neither with a mask that is nowhere 0 nor without NaN."""
    image, kernel = (rng.random((9, 8)) * 99).astype(dtype), np.ones((3, 3))
    expected = filter2d(image, kernel)
    monkeypatch.setattr(filter_module, "treat_missing", None)
    assert_array_equal(filter2d(image, kernel, missing=rule), expected)
    assert_array_equal(filter2d(image, kernel, missing=rule, mask=np.full((9, 8), 7)), expected)


def test_by_default_nan_spreads_and_a_mask_ignores():
    """The defaults, and NaN and a mask together."""
    image = np.array([[1, np.nan, 3, 4, 5]])
    kernel = np.ones((1, 3))
    assert_array_equal(filter2d(image, kernel, border="edge"), [[np.nan, np.nan, np.nan, 12, 14]])
    assert_allclose(filter2d(image, kernel, border="edge", mask=[[1, 1, 1, 1, 0]]), [[3, 6, 10.5, 10.5, 12]])
    assert_array_equal(
        filter2d(image, kernel, border="edge", mask=[[1, 1, 1, 1, 0]], missing="spread"), np.full((1, 5), np.nan)
    )


def test_the_result_is_nan_where_nothing_is_seen_or_weights_cancel():
    """A sample under a weight of 0 is not seen. An integer dtype stores 0, as for any NaN."""
    image = np.array([[np.nan, np.nan, np.nan, 4, 5]])
    result = filter2d(image, [[1, 0, 1]], border="edge", missing="ignore")
    assert_array_equal(result, [[np.nan, np.nan, 8, 10, 9]])
    assert_array_equal(filter2d(image, [[1, 0, 1]], border="edge", missing="ignore", dtype=np.uint8), [[0, 0, 8, 10, 9]])
    result = filter2d([[7.0, np.nan, 7.0]], [[1, 2, -1]], border="zero", missing="ignore")  # 1 - 1 is left in the middle
    assert_allclose(result, [[14 * 2 / 3, np.nan, 28]])
    assert_array_equal(filter2d([[7, 0, 7]], [[0.1, 0.2, 0.3]], mask=[[0, 0, 0]]), np.full((1, 3), np.nan))
    small = filter2d([[7.0, 9.0, 7.0]], [[2e-6, 1, 0]], mask=[[1, 0, 1]], border="zero")
    assert_allclose(small[0, 1], 7 * (1 + 2e-6), rtol=1e-6)
    assert np.isnan(filter2d([[7.0, 9.0, 7.0]], [[5e-7, 1, 0]], mask=[[1, 0, 1]], border="zero")[0, 1])


def test_a_small_share_of_the_weights_is_divided_without_loss(rng):
    """In float32, at levels far from 0: heights of 2000 m, of which the kernel sees its faintest corner."""
    image = (2000 + 500 * rng.random((41, 41))).astype(np.float32)
    image[:, 1:] = np.nan
    kernel = np.exp(-np.square(np.arange(-20, 21)) / 2 / 5**2)
    result = filter2d(image, kernel[None], border="zero", padding="valid", missing="ignore")
    expected = image[:, 0] * kernel.sum()  # the first column alone is seen, with the weight kernel[0]
    assert kernel[0] / kernel.sum() < 3e-5
    assert_allclose(result[:, 0], expected, rtol=2e-7)


def test_infinity_stays_as_it_is():
    """Infinite samples are seen, and beside missing ones too."""
    image = np.array([[np.inf, np.nan, 3, 4, -np.inf, np.inf]])
    result = filter2d(image, np.ones((1, 3)), border="edge", missing="ignore")
    assert_array_equal(result, [[np.inf, np.inf, 10.5, -np.inf, np.nan, np.nan]])


@pytest.mark.parametrize("rule", RULES)
def test_rows_and_threads_give_the_same_bits(rng, rule):
    """Parts of the result, and several threads."""
    image = rng.random((40, 30, 3)).astype(np.float32)
    options = {"mask": rng.random((40, 30)) > 0.1, "missing": rule, "stride": (2, 1)}
    whole = filter2d(image, PYRAMID, **options)
    assert_array_equal(filter2d(image, PYRAMID, threads=3, **options), whole)
    assert_array_equal(filter2d(image, PYRAMID, rows=(5, 11), **options), whole[5:11])


def test_arguments_stay_unchanged(rng):
    """The image, the kernel and the mask."""
    image, kernel, mask = rng.random((5, 6)), np.ones((3, 3)), rng.integers(0, 2, (5, 6))
    image[2, 3] = np.nan
    copies = image.copy(), kernel.copy(), mask.copy()
    filter2d(image, kernel, mask=mask)
    for array, copy in zip((image, kernel, mask), copies, strict=True):
        assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"missing": "skip"}, "missing must be one of spread, ignore, zero, got 'skip'"),
        ({"missing": "ignored"}, "did you mean 'ignore'"),
        ({"mask": np.ones((4, 6))}, r"mask must have the shape of the image, \(5, 6\) or \(5, 6, 3\), got \(4, 6\)"),
        ({"mask": np.full((5, 6), "x")}, "mask must hold real numbers"),
        ({"missing": "ignore", "kernel": [[-1, 0, 1]]}, "kernel sums to 0, and missing='ignore' divides .* use missing='zero'"),
        ({"mask": np.ones((5, 6)), "kernel": [[1e-9, -1, 1]]}, "kernel sums to 1e-09, and missing='ignore' divides"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    """One line: the argument, the rule, the value, the remedy."""
    arguments = {"kernel": PYRAMID, **arguments}
    with pytest.raises(ArgumentError, match=message) as caught:
        filter2d(np.ones((5, 6, 3)), arguments.pop("kernel"), **arguments)
    assert len(caught.value.lines) == 1


def test_kernels_that_sum_to_zero_are_for_the_rule_zero():
    """Missing samples count as 0."""
    assert_array_equal(filter2d([[1, np.nan, 3]], [[-1, 0, 1]], missing="zero", border="edge"), [[-1, 2, 3]])
