"""Sums along rows of uint8 first, then down columns, against the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import naive
import rounding
from convcli import filter2d
from convcli.engine import parallel_tasks
from convcli.engine.offset import BOUND

SMOOTH = np.array([0.1, 0.23, 0.41, 0.23, 0.1])
LEVELS = np.arange(80 * 9 * 3, dtype=np.uint8).reshape(9, 80, 3)


@pytest.fixture
def loops(monkeypatch):
    """The names of the loops that are bound, in order."""
    names = []
    bound_call = parallel_tasks.BoundCall

    def bind(loop, arguments, **options):
        names.append(loop.__name__)
        return bound_call(loop, arguments, **options)

    monkeypatch.setattr(parallel_tasks, "BoundCall", bind)
    return names


@pytest.mark.parametrize(
    ("image", "column", "row", "options"),
    [
        (LEVELS, SMOOTH, SMOOTH, {}),
        (LEVELS[:, :, 0], [-1.0, 0, 1], SMOOTH, {"border": 255}),
        (LEVELS, SMOOTH, SMOOTH[[0, 1, 1, 0]], {"dilation": 2, "padding": "full"}),
        (LEVELS, [100, 207, 301], [9, 0, 9], {"method": "separable"}),
        (LEVELS, SMOOTH, SMOOTH * [-2, -1, 0, 1, 2], {}),
        (LEVELS[:, :, 0], SMOOTH, [-0.1, 0.1], {"border": 255}),
    ],
)
def test_symmetric_rows_of_uint8_are_summed_first(image, column, row, options, loops):
    """Each of these kernels, with any column, is summed along rows first."""
    filter2d(image, np.outer(column, row) / 1.01, threads=1, **options)
    assert loops == ["correlate_rows_first"]


@pytest.mark.parametrize(
    ("image", "column", "row", "options"),
    [
        (LEVELS, SMOOTH, SMOOTH * [-2, -1, 0.01, 1, 2], {}),  # the middle is not a pair
        (LEVELS, SMOOTH, SMOOTH, {"stride": (1, 2)}),
        (LEVELS, SMOOTH, SMOOTH, {"stride": (2, 1)}),
        (LEVELS, SMOOTH, SMOOTH, {"border": 256}),  # a pair of levels would not fit in 16 bits for any constant
        (LEVELS, SMOOTH, SMOOTH, {"border": -1}),
        (LEVELS, SMOOTH, SMOOTH, {"border": 0.5}),
        (LEVELS, SMOOTH, SMOOTH, {"border": "linear-ramp"}),
        (LEVELS, SMOOTH, SMOOTH, {"dtype": np.float64}),
        (LEVELS, np.hanning(35), np.hanning(35), {"method": "separable"}),  # longer than a run
        (LEVELS, [1, 2, 1], [1, 2, 1], {"method": "separable"}),  # sums in 16 bits
        (LEVELS.astype(np.uint16), SMOOTH, SMOOTH, {}),
        (LEVELS.astype(np.float32), SMOOTH, SMOOTH, {}),
    ],
)
def test_all_else_is_summed_down_columns_first(image, column, row, options, loops):
    """Each of these could not be summed along rows first."""
    filter2d(image, np.outer(column, row), threads=1, **options)
    assert loops == ["correlate"]


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 80), st.integers(1, 4)),
    half=st.lists(st.integers(0, 99), min_size=1, max_size=5),
    odd=st.booleans(),
    sign=st.sampled_from([1, -1]),
    column=st.lists(st.integers(-99, 99), min_size=1, max_size=9),
    least=st.sampled_from([0, 0, 200]),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    border=st.sampled_from(["edge", "wrap", "reflect", "zero", 255]),
    seed=st.integers(0, 999),
)
def test_rows_first_equals_the_oracle(shape, half, odd, sign, column, least, dilation, border, seed):
    """The error is within the bound, and levels differ only where a sum lies half way between two."""
    image = np.random.default_rng(seed).integers(least, 256, shape).astype(np.uint8)
    left = np.array(half) + 0.3
    row = np.concatenate([left, [0.0] * (odd and sign < 0), sign * left[::-1][odd and sign > 0 :]])
    kernel = np.outer(np.array(column) + 0.7, row)
    kernel /= np.abs(kernel).sum()
    pads = tuple((d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for d, k in zip(dilation, kernel.shape, strict=True))
    options = {"border": border, "dilation": dilation}
    expected = naive.filter2d(image.astype(float), kernel, pads=pads, **options)
    constant = {"zero": 0}.get(border, border)
    extremes = [image.min(), image.max(), *([constant] if isinstance(constant, int) else [])]
    extent = float(max(extremes)) - float(min(extremes))
    for threads in (1, 2):
        difference = np.abs(filter2d(image, kernel, threads=threads, method="separable", **options) - expected).max()
        assert difference <= BOUND * extent + np.spacing(np.float32(np.abs(expected).max()))
    levels = filter2d(image, kernel, dtype=np.uint8, method="separable", **options)
    assert np.abs(levels - np.clip(expected, 0, 255)).max() <= 0.5 + BOUND * 256


@pytest.mark.parametrize(("column", "row"), [([1, 6, 15, 20, 15, 6, 1], [1, 6, 15, 20, 15, 6, 1]), ([3, 5], [300, 7, 300])])
def test_sums_of_integers_are_exact(column, row, loops, rng):
    """Sums of more than 16 bits, whose middle tap is a pair with half its weight."""
    image = rng.integers(0, 256, (20, 90, 1)).astype(np.uint8)
    kernel, padding = np.outer(column, row), ((0, len(column) - 1), (len(row) // 2, len(row) // 2))
    expected = naive.filter2d(image.astype(float), kernel, pads=padding, border="edge")
    assert_array_equal(filter2d(image, kernel, padding=padding, border="edge", method="separable", threads=1), expected)
    assert loops == ["correlate_rows_first"]


def test_an_offset_keeps_the_bound_for_bright_images(rng):
    """Levels 250 .. 253 differ from 0 by 84 times their extent: without the offset the error is 1.7e-5 of the extent."""
    image = rng.integers(250, 254, (200, 300)).astype(np.uint8)
    line = np.exp(-0.5 * (np.arange(-12, 13) / 4) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    assert rounding.error_of(filter2d(image, kernel, border="edge"), image, kernel, "edge") <= BOUND / 10


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_are_rounded_half_to_even_and_saturate(real, dtype):
    """NaN becomes 0, and numbers beyond all integers the nearest level."""
    white = np.iinfo(dtype).max
    halves = np.array([-0.5, -0.0, 0.5, 1.5, 2.5, white - 0.5, white + 0.5, 254.5, 255.5])
    values = np.concatenate([halves, [np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9]]).astype(real)
    image = np.concatenate([values, [np.nan], np.arange(100)]).astype(real)[None]
    expected = np.clip(np.rint(np.nan_to_num(image, nan=0, posinf=white, neginf=0)), 0, white)
    assert_array_equal(filter2d(image, [[1.0]], dtype=dtype), expected, strict=False)
