"""Operations of networks other than pools: activations, normalization, dense, depthwise and connected layers."""

import warnings

import numpy as np
import pytest
import scipy.special
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import convcli
import naive
import strategies as ours
from convcli import ArgumentError, conv2d

ODD = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1, -1, 1e-45, 3e38, -3e38, 88.8, -104], np.float32)
ACTIVATIONS = {
    "relu": lambda x: np.where(x < 0, 0, x),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
    "abs": np.fabs,
    "square": lambda x: x * x,
}
any_array = hnp.arrays(
    st.sampled_from(ours.DTYPES),
    hnp.array_shapes(min_dims=0, max_dims=5, max_side=4),
    elements={"allow_nan": True, "allow_infinity": True},
)


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(x=any_array)
def test_activations_equal_their_formulas(name, x):
    """They equal their formulas in float64 for every shape and value, without a warning, and do not change the input."""
    before = x.copy()
    result = getattr(convcli, name)(x)
    real = np.result_type(x.dtype, np.float32)
    with np.errstate(all="ignore"):
        expected = ACTIVATIONS[name](x.astype(real).astype(np.float64)).astype(real)
    assert result.shape == x.shape
    assert result.dtype == real
    assert_allclose(result, expected, rtol=1e-6 if real == np.float32 else 1e-14, atol=1e-45)
    assert_array_equal(x, before)


@pytest.mark.parametrize("name", ["softmax", *ACTIVATIONS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_value_causes_a_warning(name, dtype):
    """No value causes a warning of NumPy's."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in [*ODD, np.finfo(dtype).max]:
            getattr(convcli, name)(np.array([number, 1, -2], dtype))


def test_activations_of_nan_and_infinity_are_their_limits():
    """NaN gives NaN, infinity gives the limit of the function, and softmax of only -inf is NaN, as in PyTorch."""
    for name in ACTIVATIONS:
        assert np.isnan(getattr(convcli, name)(np.nan))
    assert convcli.relu([np.inf, -np.inf]).tolist() == [np.inf, 0]
    assert convcli.leaky_relu([np.inf, -np.inf]).tolist() == [np.inf, -np.inf]
    assert np.isnan(convcli.softmax([np.nan, 0])).all()
    assert np.isnan(convcli.softmax([-np.inf, -np.inf])).all()
    assert convcli.softmax([0, -np.inf]).tolist() == [1, 0]


@given(
    x=hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5), elements=st.floats(-1e3, 1e3)),
    data=st.data(),
)
def test_softmax_equals_scipy(x, data):
    """Softmax equals SciPy's along every axis."""
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    assert_allclose(convcli.softmax(x, axis), scipy.special.softmax(x, axis), rtol=1e-12, atol=1e-300)


def test_activations_equal_onnx():
    """The node tests of ONNX for Softmax and LeakyRelu."""
    assert_allclose(convcli.softmax([[-1, 0, 1]]), [[0.09003058, 0.24472848, 0.66524094]], rtol=1e-6)
    large = convcli.softmax([[0, 1, 2, 3], [10000, 10001, 10002, 10003]])
    assert_allclose(large, [[0.032058604, 0.08714432, 0.23688284, 0.6439143]] * 2, rtol=1e-6)
    assert_allclose(convcli.leaky_relu([-1, 0, 1], 0.1), [-0.1, 0, 1], rtol=1e-6)


@given(
    x=hnp.arrays(
        np.float64, st.tuples(st.integers(1, 2), st.integers(1, 7), st.just(2), st.just(3)), elements=st.floats(-9, 9)
    ),
    size=st.integers(1, 9),
    alpha=st.floats(1e-4, 2),
    beta=st.floats(0.1, 2),
    k=st.floats(0.5, 2),
)
def test_local_response_norm_equals_its_formula(x, size, alpha, beta, k):
    """Channel c sums channels c - size // 2 to c - size // 2 + size - 1."""
    expected = np.empty_like(x)
    for c in range(x.shape[1]):
        start = c - size // 2
        neighbours = x[:, max(start, 0) : start + size]
        expected[:, c] = x[:, c] / (k + alpha / size * (neighbours**2).sum(axis=1)) ** beta
    assert_allclose(convcli.local_response_norm(x, size, alpha, beta, k), expected, rtol=1e-12)
    assert_array_equal(
        convcli.local_response_norm(x[0], size, alpha, beta, k), convcli.local_response_norm(x, size, alpha, beta, k)[0]
    )


def test_batch_norm_equals_its_formula(rng):
    """(x - mean) / sqrt(variance + epsilon) * scale + shift; without scale and shift, (x - mean) / sqrt(variance)."""
    x = rng.normal(3, 2, (4, 3, 8, 9))
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    scale, shift = rng.normal(size=3), rng.normal(size=3)
    column = (slice(None), None, None)
    expected = (x - mean[column]) / np.sqrt(variance[column] + 1e-3) * scale[column] + shift[column]
    assert_allclose(convcli.batch_norm(x, mean, variance, scale, shift, 1e-3), expected, rtol=1e-10, atol=1e-12)
    plain = convcli.batch_norm(x[0], mean, variance, epsilon=0)
    assert_allclose(plain, (x[0] - mean[column]) / np.sqrt(variance[column]), rtol=1e-10, atol=1e-12)
    assert convcli.affine(np.ones((3, 1, 1), np.uint8), [1, 2, 3]).dtype == np.float32


def test_dense_after_flatten_equals_a_convolution_of_the_whole_map(rng):
    """A kernel as large as the map has one position."""
    x, weight, bias = rng.normal(size=(5, 3, 4, 6)), rng.normal(size=(7, 3, 4, 6)), rng.normal(size=7)
    expected = conv2d(x, weight, bias)[:, :, 0, 0]
    result = convcli.dense(convcli.flatten(x), weight.reshape(7, -1), bias)
    assert_allclose(result, expected, rtol=1e-10, atol=1e-12)
    assert_allclose(convcli.dense(convcli.flatten(x[0]), weight.reshape(7, -1), bias), expected[0], rtol=1e-10, atol=1e-12)
    assert convcli.flatten(x.astype(np.uint8)).dtype == np.uint8


@given(
    channels=st.integers(2, 5),
    multiplier=st.integers(1, 3),
    count=st.integers(1, 2),
    side=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dtype=st.sampled_from(ours.DTYPES),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    border=ours.borders,
    flip=st.booleans(),
    threads=st.integers(1, 3),
    special=st.sampled_from([None, np.nan, np.inf]),
    seed=st.integers(0, 99),
)
def test_depthwise_equals_conv2d_of_each_channel(
    channels, multiplier, count, side, kernel, dtype, stride, dilation, pads, border, flip, threads, special, seed
):
    """Equal to conv2d of each channel, exactly, with every option; a weight of 0 keeps NaN and infinity out."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (count, channels, *side)).astype(dtype)
    if special is not None and x.dtype.kind == "f":
        x[0, 0, 0, 0] = special
    weight, bias = rng.integers(-2, 3, (channels * multiplier, *kernel)), rng.integers(-9, 9, channels * multiplier)
    options = {"stride": stride, "padding": pads, "dilation": dilation, "border": border, "flip": flip}
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    assume(all(length + sum(pad) >= extent for length, pad, extent in zip(side, pads, extents, strict=True)))
    maps = [
        conv2d(x[:, m // multiplier][:, None], weight[m][None, None], bias[m : m + 1], **options) for m in range(len(weight))
    ]
    result = convcli.depthwise_conv2d(x, weight, bias, threads=threads, **options)
    assert_array_equal(result, np.concatenate(maps, axis=1))
    assert_array_equal(convcli.depthwise_conv2d(x[0], weight[:, None], bias, **options), result[0])


def test_separable_equals_depthwise_then_pointwise(rng):
    """The result equals one convolution with the outer product of both weights (Howard 2017, section 3.1)."""
    x, depthwise, pointwise, bias = (
        rng.normal(size=(3, 9, 8)),
        rng.normal(size=(6, 3, 3)),
        rng.normal(size=(4, 6)),
        rng.normal(size=4),
    )
    product = np.einsum("oim,imhw->oihw", pointwise.reshape(4, 3, 2), depthwise.reshape(3, 2, 3, 3))
    options = {"padding": 1, "stride": 2, "border": "reflect"}
    expected = conv2d(x, product, bias, **options)
    assert_allclose(convcli.separable_conv2d(x, depthwise, pointwise, bias, **options), expected, rtol=1e-10, atol=1e-12)
    assert_array_equal(convcli.pointwise_conv2d(x, np.ones((2, 3))), convcli.pointwise_conv2d(x, np.ones((2, 3, 1, 1))))


# The input planes of each of the 16 maps: LeCun et al. 1998, Gradient-based learning applied to document recognition, table I.
LENET = [[m, (m + 1) % 6, (m + 2) % 6] for m in range(6)] + [[(m + i) % 6 for i in range(4)] for m in range(6)]
LENET += [[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], list(range(6))]


def test_connected_maps_depend_on_their_planes_only(rng):
    """C3 of LeNet-5: 1516 weights and biases in 16 maps of 10 x 10, each the sum over its own planes."""
    weights = [rng.integers(-4, 5, (len(planes), 5, 5)) for planes in LENET]
    bias = rng.integers(-9, 9, 16)
    assert sum(kernel.size for kernel in weights) + bias.size == 1516
    x = rng.integers(0, 9, (6, 14, 14))
    weight = convcli.connected_weight(weights, LENET, channels=6)
    maps = conv2d(x, weight, bias)
    assert maps.shape == (16, 10, 10)
    for m, planes in enumerate(LENET):
        expected = sum(naive.correlate(x[plane], weights[m][i]) for i, plane in enumerate(planes)) + bias[m]
        assert_array_equal(maps[m], expected)
    full = rng.integers(1, 5, (16, 6, 5, 5))
    masked = convcli.connected_weight(full, LENET, channels=6)
    mask = np.array([[plane in planes for plane in range(6)] for planes in LENET])
    assert_array_equal(masked, full * mask[:, :, None, None])


X = np.ones((3, 4, 5))
K = np.ones((2, 3, 3))
BAD = [
    (lambda: convcli.relu("a"), "x must hold real numbers"),
    (lambda: convcli.relu([]), r"x must not be empty, got shape \(0,\)"),
    (lambda: convcli.leaky_relu(1, np.nan), "negative_slope must be a finite number, got nan"),
    (lambda: convcli.softmax(X, 3), "axis must be a whole number, one of the 3 dimensions of x, got 3"),
    (lambda: convcli.softmax(X, 0.5), "axis must be a whole number"),
    (lambda: convcli.local_response_norm(X, 0), "size must be a whole number of at least 1, got 0"),
    (lambda: convcli.local_response_norm(X, 5, beta="1"), "beta must be a finite number, got '1'"),
    (lambda: convcli.affine(X, [1, 2]), "scale must have one value for each of the 3 channels of x, got 2"),
    (lambda: convcli.batch_norm(X, [1, 2, 3], [1, 2, 3], shift=[1]), "shift must have one value for each of the 3 channels"),
    (lambda: convcli.flatten(X[0]), r"x must have 3 or 4 dimensions, got shape \(4, 5\)"),
    (lambda: convcli.dense([1, 2], [[1, 2, 3]]), r"weight must have shape \(out, in\) with in = 2, got \(1, 3\)"),
    (lambda: convcli.dense([1, 2], [[1, 2]], [1, 2]), "bias must have one value for each of the 1 output channels, got 2"),
    (lambda: convcli.depthwise_conv2d(X, np.ones((4, 3, 3))), r"weight must have shape .* with C = 3, got \(4, 3, 3\)"),
    (lambda: convcli.depthwise_conv2d(X, np.ones((3, 2, 3, 3))), r"weight must have shape .* with C = 3, got \(3, 2, 3, 3\)"),
    (lambda: convcli.pointwise_conv2d(X, np.ones((3, 3, 3, 3))), r"weight must have shape .* or .*, got \(3, 3, 3, 3\)"),
    (
        lambda: convcli.connected_weight([K], [[0]], 3),
        r"weights of map 0 must have 1 or 3 planes of 3 x 3 .* got shape \(2, 3, 3\)",
    ),
    (lambda: convcli.connected_weight([K, K[:, 1:]], [[0, 1]] * 2, 3), "weights of map 1 must have 2 or 3 planes of 3 x 3"),
    (
        lambda: convcli.connected_weight([K], [[0, 3]], 3),
        r"connections of map 0 must be different planes from 0 to 2, got \[0, 3\]",
    ),
    (lambda: convcli.connected_weight([K], [[1, 1]], 3), "connections of map 0 must be different planes"),
    (lambda: convcli.connected_weight([K], [0], 3), "connections of map 0 must be different planes"),
    (lambda: convcli.connected_weight([K], [], 3), "connections must have a list for each of the 1 weights, got 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message):
    """Each error names the argument, the rule and the value."""
    with pytest.raises(ArgumentError, match=message):
        call()
