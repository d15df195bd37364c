"""Convolutions with fixed weights, rectified as they are written; planes that are read in place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
from convcli import conv2d
from convcli.ops import conv_plan
from convcli.ops.conv import FixedConv

LAYERS = {  # channels, maps, side, kernel, groups
    "several maps": (8, 8, 9, 3, 1),
    "tap by tap": (1, 2, 9, 3, 1),
    "Winograd": (32, 32, 12, 3, 1),
    "Winograd, 5 x 5": (32, 32, 12, 5, 1),
    "depthwise": (6, 6, 9, 3, 6),
    "in place": (16, 7, 5, 1, 1),
    "in parts": (4700, 5, 3, 1, 1),
    "groups": (8, 8, 9, 3, 2),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_rectified_results_are_those_of_the_oracle(name, threads, rng):
    """Every method replaces negative results by 0, for each image of a batch and for other shapes after it, but not NaN."""
    channels, maps, side, kernel, groups = LAYERS[name]
    weight, bias = rng.integers(-4, 5, (maps, channels // groups, kernel, kernel)), rng.integers(-9, 9, maps)
    layer = FixedConv(weight.astype(float), bias.astype(float), groups=groups, padding=kernel // 2, rectified=True)
    for count, height in ((2, side), (1, side), (1, side + 3)):
        x = rng.integers(-3, 4, (count, channels, height, side)).astype(np.float32)
        pads = ((kernel // 2,) * 2,) * 2
        expected = np.maximum(naive.conv2d(x, weight, bias, groups, pads=pads), 0)
        assert (expected == 0).any()
        assert_allclose(layer(x, threads), expected, rtol=0, atol=2e-3)
        assert_allclose(layer(x[0], threads), expected[0], rtol=0, atol=2e-3)
    x[0, :, 0, 0] = np.nan
    with_centre = weight[:, :, kernel // 2, kernel // 2].any(axis=1)
    assert_array_equal(np.isnan(layer(x, threads)[0, :, 0, 0]), with_centre)


@given(
    groups=st.integers(1, 2),
    ins=st.integers(16, 20),
    outs=st.integers(4, 13),
    count=st.integers(1, 2),
    side=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    level=st.sampled_from([0, 100_000]),
    dtype=st.sampled_from([np.uint8, np.int32, np.float16, np.float32, np.float64]),
    step=st.sampled_from([1, 2, -1]),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_kernels_of_one_pixel_equal_the_oracle(groups, ins, outs, count, side, level, dtype, step, threads, seed):
    """Planes that are read in place: any number of samples, dtype and strides, and samples far from 0."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 9, (count, groups * ins, side[0], 2 * side[1])) + (level if dtype(0).itemsize > 2 else 0)
    x = samples.astype(dtype)[..., ::step]
    weight, bias = rng.integers(-4, 5, (groups * outs, ins, 1, 1)), rng.integers(-9, 9, groups * outs)
    result = conv2d(x, weight, bias, groups=groups, threads=threads)
    bound = 1e-5 * 9 * np.abs(weight).sum(axis=1).max() + 2e-7 * np.abs(x.astype(float)).max() * ins * 4
    assert_allclose(result, naive.conv2d(x, weight, bias, groups), rtol=0, atol=bound)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_sample_that_is_not_finite_leaves_layers_fast(value, kernel, rng, monkeypatch):
    """Without weights of 0, a product of matrices spreads it no further than a sum of taps, which takes 30 times as long."""
    monkeypatch.setattr(conv_plan, "tap_tasks", None)
    x, weight = rng.normal(size=(1, 16, 6, 7)).astype(np.float32), rng.normal(size=(7, 16, kernel, kernel))
    x[0, 3, 2, 2] = value
    with np.errstate(invalid="ignore"):
        assert_allclose(conv2d(x, weight), naive.conv2d(x, weight, np.zeros(7)), rtol=0, atol=1e-4)


def test_plans_are_kept_for_images_of_one_shape(rng):
    """The plan is made anew for another shape, dtype or number of threads, and weights are not copied."""
    weight = rng.normal(size=(5, 3, 3, 3))
    layer, x = FixedConv(weight), rng.normal(size=(3, 8, 9)).astype(np.float32)
    first = layer(x, 1)
    (plan,) = layer._kept.values()
    assert_array_equal(layer(x, 1), first)
    assert list(layer._kept.values()) == [plan]
    assert np.shares_memory(plan.parts[0][0].weights, weight)
    for count, (other, threads) in enumerate(((x[:, 1:], 1), (x.astype(float), 1), (x, 2), (x[:, 2:], 1)), start=2):
        assert_allclose(layer(other, threads), conv2d(other, weight), rtol=0, atol=1e-5)
        assert len(layer._kept) == min(count, 4)
    assert plan not in layer._kept.values()


@pytest.mark.parametrize(
    ("shape", "stride", "padding"),
    [
        ((1, 20, 1, 1), 2, 0),
        ((1, 20, 1, 7), (2, 1), 0),
        ((2, 20, 1, 3), (1, 2), ((0, 0), (1, 1))),
        ((2, 20, 1, 3), (2, 1), ((1, 0), (0, 0))),
        ((1, 20, 1, 100), (1900, 1), 0),
        ((2, 20, 5, 1), (1, 2), 0),
        ((2, 20, 3, 3), 2, ((0, 2), (0, 2))),
        ((2, 20, 4, 3), 1, ((0, 1), (0, 0))),
    ],
)
def test_strides_and_padding_of_kernels_of_one_pixel_equal_the_oracle(shape, stride, padding, rng):
    """Such planes are not read in place, even where there are as many outputs as samples."""
    x, weight = rng.integers(-9, 10, shape).astype(np.float32), rng.integers(-4, 5, (6, 20, 1, 1))
    pads = ((padding,) * 2,) * 2 if padding == 0 else padding
    strides = (stride, stride) if isinstance(stride, int) else stride
    result = conv2d(x, weight, stride=stride, padding=padding)
    assert_array_equal(result, naive.conv2d(x, weight, np.zeros(6), pads=pads, stride=strides))


@pytest.mark.parametrize("shape", [(0, 20, 3, 3), (0, 20, 1, 5)])
def test_an_empty_batch_has_no_maps(shape):
    """Its shape is that of the maps of others."""
    assert conv2d(np.zeros(shape, np.float32), np.ones((6, 20, 1, 1))).shape == (0, 6, *shape[2:])


def test_a_batch_is_copied_a_few_images_at_a_time(monkeypatch, rng):
    """Levels become real numbers for the images that are computed together."""
    monkeypatch.setattr(conv_plan, "COPIED_NUMBERS", 2 * 16 * 20 * 20)
    together = []
    monkeypatch.setattr(conv_plan, "run_all", lambda tasks, workers: together.append(len(tasks)) or [task() for task in tasks])
    x, weight = rng.integers(0, 9, (5, 16, 20, 20)).astype(np.uint8), rng.integers(-2, 3, (4, 16, 3, 3))
    assert_array_equal(conv2d(x, weight, threads=1), naive.conv2d(x.astype(float), weight, np.zeros(4)))
    assert together == [2, 2, 1]
