"""Sums of windows, for kernels of equal weights, against the oracle."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
import rounding
from convcli import conv2d, filter2d
from convcli.engine import parallel_tasks
from convcli.engine.box_sums import block_rows
from convcli.engine.offset import BOUND

LEVELS = np.arange(80 * 9 * 3, dtype=np.uint8).reshape(9, 80, 3)
BORDERS = ["edge", "wrap", "reflect", "symmetric", "zero", "linear-ramp", 200]


@pytest.fixture
def bound(monkeypatch):
    """The name of each loop that is bound, and the dtypes of its sums down columns and of windows, in order."""
    calls = []
    bound_call = parallel_tasks.BoundCall

    def bind(loop, arguments, **options):
        scratch = arguments[7]
        dtypes = (scratch.line.dtype.name, scratch.sums.dtype.name) if loop.__name__.startswith("box") else ()
        calls.append((loop.__name__, *dtypes))
        return bound_call(loop, arguments, **options)

    monkeypatch.setattr(parallel_tasks, "BoundCall", bind)
    return calls


@pytest.mark.parametrize(
    ("dtype", "sides", "options", "expected"),
    [
        (np.uint8, (1, 257), {}, ("box_sums_of_levels", "int16", "int16")),  # 257 * 255 is 2**16 - 1
        (np.uint8, (257, 1), {}, ("box_sums_of_levels", "int16", "int16")),
        (np.uint8, (1, 257), {"border": 256}, ("box_sums_of_levels", "int16", "int32")),
        (np.uint8, (3, 3), {"border": -1}, ("box_sums_of_levels", "int16", "int32")),  # a sum may be negative
        (np.uint8, (128, 3), {}, ("box_sums_of_levels", "int16", "int32")),  # 128 * 255 is below 2**15
        (np.uint8, (129, 3), {}, ("box_sums_of_levels", "int32", "int32")),
        (np.uint16, (3, 3), {}, ("box_sums_of_levels", "int32", "int32")),
        (np.uint16, (181, 181), {}, ("box_sums_of_levels", "int32", "int32")),  # 181**2 * 65535 is below 2**31
        (np.uint16, (182, 182), {}, ("correlate",)),
        (np.uint8, (3, 3), {"border": 0.5}, ("box_sums_of_reals", "float32", "float32")),
        (np.uint8, (3, 3), {"border": "linear-ramp"}, ("box_sums_of_reals", "float32", "float32")),
        (np.uint8, (3, 3), {"dtype": np.float64}, ("box_sums_of_reals", "float64", "float64")),
        (np.float32, (51, 51), {}, ("box_sums_of_reals", "float32", "float32")),
        (np.int16, (3, 3), {}, ("box_sums_of_reals", "float32", "float32")),
        (np.uint8, (2, 4), {}, ("correlate",)),  # so few taps are summed one by one
        (np.float32, (9, 9), {"stride": (2, 1)}, ("correlate",)),
        (np.float32, (9, 9), {"dilation": (1, 2)}, ("correlate",)),
        (np.uint8, (9, 9), {"method": "separable"}, ("correlate",)),
    ],
)
def test_the_loop_and_its_dtypes_depend_on_the_largest_sum(dtype, sides, options, expected, bound, rng):
    """Levels at the ends of their range, so that a sum that is too large for its dtype would be another number."""
    white = np.iinfo(dtype).max if dtype in (np.uint8, np.uint16) else 1
    image = (white * (rng.random((6, 7)) < 0.9)).astype(dtype)
    result = filter2d(image, np.ones(sides), threads=1, padding="full", **{"border": "edge", **options})
    assert bound == [expected]
    border = options.get("border", "edge")
    if not {"stride", "dilation"} & set(options) and border != "linear-ramp":
        down, along = np.ones((sides[0], 1)), np.ones((1, sides[1]))  # in two steps, as the oracle takes long
        pads = [((side - 1, side - 1), (0, 0)) for side in sides]
        sums = naive.filter2d(image[:, :, None].astype(float), down, pads=pads[0], border=border)
        outside = border if isinstance(border, str) else border * sides[0]
        expected_sums = naive.filter2d(sums, along, pads=pads[1][::-1], border=outside)
        assert_allclose(result, expected_sums[:, :, 0], rtol=1e-6)


@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 90), st.integers(1, 5)),
    sides=st.tuples(st.integers(1, 20), st.integers(1, 40)),
    pads=st.tuples(*[st.tuples(st.integers(0, 20), st.integers(0, 40))] * 2),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    weight=st.sampled_from([1.0, -0.3, 1 / 7]),
    border=st.sampled_from(BORDERS),
    seed=st.integers(0, 999),
)
def test_sums_of_windows_equal_the_oracle(shape, sides, pads, dtype, weight, border, seed):
    """Windows of any size, also larger than the image, and their padding; levels are rounded half to even."""
    image = (np.random.default_rng(seed).normal(0, 40, shape) + 120).clip(0, 255).astype(dtype)
    kernel = np.full(sides, weight)
    expected = naive.filter2d(image.astype(float), kernel, pads=pads, border=border)
    assume(expected.size)
    result = filter2d(image, kernel, padding=pads, border=border, method="box", threads=1)
    assert_allclose(result, expected, rtol=2e-7, atol=1e-6 * kernel.size * 255 * abs(weight))
    levels = filter2d(image, kernel, padding=pads, border=border, method="box", dtype=np.uint8)
    assert np.abs(levels - expected.clip(0, 255)).max() <= 0.5 + BOUND * kernel.size * 255 * abs(weight)
    if dtype.startswith("u") and weight == 1 and border != "linear-ramp":
        assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("sides", [(1, 31), (31, 1), (7, 7), (20, 13), (64, 3)])
def test_rounding_depends_neither_on_rows_nor_on_threads(dtype, sides, rng, monkeypatch):
    """Parts of the result, and bands of many threads, equal the whole bit by bit."""
    image = (rng.normal(size=(150, 40)) * 1000 + 30000).astype(dtype)
    whole = filter2d(image, np.full(sides, 0.1), threads=1)
    for rows in ((0, 1), (1, 2), (17, 60), (149, 150)):
        assert_array_equal(filter2d(image, np.full(sides, 0.1), threads=1, rows=rows), whole[slice(*rows)])
    monkeypatch.setattr("convcli.engine.layout.SMALLEST_BAND", 1)
    assert_array_equal(filter2d(image, np.full(sides, 0.1), threads=4), whole)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("sides", [(3, 3), (12, 15), (31, 1), (1, 31)])
def test_a_value_is_in_the_sums_of_its_windows_alone(value, sides, rng):
    """A sum from which it is subtracted again would stay NaN, or lose all smaller samples."""
    image = rng.normal(size=(60, 70)).astype(np.float32)
    plain, marked = filter2d(image, np.ones(sides)), image.copy()
    marked[30, 40] = value
    inside = filter2d((image != marked).astype(np.uint8), np.ones(sides)) > 0
    assert inside.sum() == np.prod(sides)
    result = filter2d(marked, np.ones(sides))
    assert_array_equal(result[~inside], plain[~inside])
    assert_allclose(result[inside], value, rtol=1e-6)


def test_levels_far_from_zero_keep_the_bound(rng):
    """The sums of 65530 .. 65533 exceed 2**24: without an offset, they would be rounded to float32 before the division."""
    image = rng.integers(65530, 65534, (150, 200)).astype(np.uint16)
    for side in (17, 63, 101):
        kernel = np.full((side, side), 1 / side**2)
        assert rounding.error_of(filter2d(image, kernel, border="edge"), image, kernel, "edge") <= BOUND / 10


def test_the_largest_samples_do_not_overflow():
    """Samples are multiplied by the weight before they are summed."""
    image = np.full((20, 30), 3e38, np.float32)
    assert_allclose(filter2d(image, np.full((9, 9), 1 / 81), border="edge"), image, rtol=1e-5)


def test_a_layer_of_one_channel_has_a_bias(rng):
    """``conv2d`` with one map uses the same loops; several maps have their sums in common."""
    x = rng.integers(0, 256, (1, 40, 50), dtype=np.uint8)
    for maps in (1, 2):
        weight = np.full((maps, 1, 5, 5), 1 / 25)
        expected = naive.conv2d(x[None].astype(float), weight, np.full(maps, 0.5), pads=((0, 0), (0, 0)))[0]
        assert_allclose(conv2d(x, weight, np.full(maps, 0.5)), expected, rtol=1e-6)


@pytest.mark.parametrize("height", [*range(1, 200), 1000])
def test_a_block_is_no_higher_than_a_window(height):
    """Else a window would be neither the end of a block nor the beginning of one."""
    assert 1 <= block_rows(height) <= height
