"""Gradients of layers and losses equal finite differences in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import naive
from convcli.errors import ArgumentError
from convcli.learning import losses
from convcli.learning.differentiable import Differentiable
from convcli.learning.trained_network import TrainedNetwork
from convcli.networks.op_registry import OPS
from convcli.ops import gradients
from nets import network

STEP = 1e-6

FIRST = "{ op = 'conv', name = 'first', filters = 4, size = 3, padding = 1 }"
END = ["{ op = 'flatten' }", "{ op = 'dense', units = 3 }", "{ op = 'softmax' }"]
CASES = {
    "conv": ["{ op = 'conv', filters = 6, size = [3, 2], stride = [2, 1], padding = [[1, 0], [2, 1]], dilation = [1, 2] }"],
    "same": ["{ op = 'conv', filters = 3, size = 4, padding = 'same-upper', stride = 3 }"],
    "wide": ["{ op = 'conv', filters = 3, size = 2, padding = 3, stride = 2 }"],
    "short": ["{ op = 'conv', filters = 2, size = 2, stride = 3 }"],
    "groups": ["{ op = 'conv', filters = 6, size = 3, groups = 2, bias = false }"],
    "table": ["{ op = 'conv', size = 3, connections = [[0, 1], [1, 2, 3], [3]] }"],
    "pointwise": ["{ op = 'pointwise', filters = 5, stride = 2 }"],
    "depthwise": ["{ op = 'depthwise', size = 3, stride = 2, padding = 1, multiplier = 2 }"],
    "max-pool": ["{ op = 'max-pool', size = 2 }", "{ op = 'max-pool', size = 2, stride = 1, padding = 1, dilation = 2 }"],
    "max-pool-ceil": ["{ op = 'max-pool', size = [2, 3], stride = 2, ceil = true }"],
    "avg-pool": ["{ op = 'avg-pool', size = 2 }", "{ op = 'avg-pool', size = 3, stride = 2, padding = 1 }"],
    "avg-pool-ceil": ["{ op = 'avg-pool', size = 3, stride = 2, padding = 1, ceil = true, count-padding = false }"],
    "global-avg-pool": ["{ op = 'global-avg-pool' }"],
    "upsample": ["{ op = 'upsample', factor = [2, 1] }"],
    "affine": ["{ op = 'affine' }"],
    "batch-norm": ["{ op = 'batch-norm' }"],
    "relu": ["{ op = 'relu' }"],
    "leaky-relu": ["{ op = 'leaky-relu', slope = 0.2 }"],
    "prelu": ["{ op = 'prelu' }"],
    "elu": ["{ op = 'elu', alpha = 0.7 }"],
    "gelu": ["{ op = 'gelu' }", "{ op = 'gelu', approximate = 'tanh' }"],
    "clip": ["{ op = 'clip', low = -0.5, high = 0.5 }"],
    "scale": ["{ op = 'scale', scale = -2, shift = 1 }"],
    **{
        name: [f"{{ op = '{name}' }}"]
        for name in ("sigmoid", "tanh", "scaled-tanh", "silu", "hard-swish", "hard-sigmoid", "erf")
    },
    "abs": ["{ op = 'abs' }", "{ op = 'square' }"],
    "hwc": ["{ op = 'max-pool', size = 2 }", "{ op = 'flatten', order = 'hwc' }"],
    "residual": [
        "{ op = 'tanh', name = 't' }",
        "{ op = 'conv', name = 'c', filters = 4, size = 3, padding = 1 }",
        "{ op = 'add', name = 's', input = ['t', 'c', 'first'] }",
        "{ op = 'global-avg-pool', name = 'g' }",
        "{ op = 'multiply', name = 'm', input = ['s', 'g', 't'] }",
        "{ op = 'concat', input = ['m', 's'] }",
    ],
}


def trained(folder, layers, size=(7, 8), end=END):
    """A network in float64, whose parameters are all random."""
    net = TrainedNetwork(network(folder, [FIRST, *layers, *end], channels=2, size=size), 0, np.float64)
    rng = np.random.default_rng(5)
    for name, array in net.parameters.items():
        if name.split(".")[1] != "variance" and not name.startswith("output"):
            array += rng.normal(0, 0.3, array.shape) * (array != 0 if array.ndim == 4 else 1)
    return net


def assert_gradients(net, x, labels):
    """Assert that the gradients of up to 12 numbers of each parameter are those of differences."""
    _, _, found = net.gradients(x, labels)
    rng = np.random.default_rng(1)
    for name, gradient in found.items():
        array = net.parameters[name]
        for place in rng.permutation(np.flatnonzero(array))[:12]:  # not weights that are not part of a kernel
            index = np.unravel_index(place, array.shape)
            kept, values = array[index], []
            for change in (STEP, -STEP):
                array[index] = kept + change
                values.append(net.loss(net.outputs(x, training=True), labels)[0])
            array[index] = kept
            difference = (values[0] - values[1]) / (2 * STEP)
            assert gradient[index] == pytest.approx(difference, rel=1e-4, abs=1e-8), (name, index)


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_layers_are_differences(tmp_path, rng, name):
    """Of all parameters, those of the layer before too: through the gradient of the layer's input."""
    net = trained(tmp_path, CASES[name])
    assert_gradients(net, rng.normal(size=(3, 2, 7, 8)), np.array([0, 2, 1]))


def test_weights_that_a_filter_does_not_read_have_no_gradient(tmp_path, rng):
    """So that they stay 0."""
    net = trained(tmp_path, CASES["table"])
    _, _, found = net.gradients(rng.normal(size=(3, 2, 7, 8)), np.array([0, 2, 1]))
    assert not found["conv2.weight"][0, 2:].any()
    assert found["conv2.weight"][0, :2].all()


def test_the_loss_of_lenet_5(tmp_path, rng):
    """Radial basis functions, with LeCun's equation 9; the patterns are not learned."""
    end = [
        "{ op = 'flatten' }",
        "{ op = 'dense', units = 12 }",
        "{ op = 'scaled-tanh' }",
        "{ op = 'rbf', name = 'output', units = 4 }",
    ]
    net = trained(tmp_path, [], end=end)
    x = rng.normal(size=(3, 2, 7, 8))
    assert_gradients(net, x, np.array([0, 3, 1]))
    assert "output.weight" not in net.gradients(x, np.array([0, 3, 1]))[2]
    distances = net.outputs(x)
    expected = np.mean(
        [d[label] + np.log(np.exp(-1) + np.exp(-d).sum()) for d, label in zip(distances, (0, 3, 1), strict=True)]
    )
    assert net.loss(distances, np.array([0, 3, 1]))[0] == pytest.approx(expected)
    assert net.classes_of(np.array([[3.0, 1.0, 2.0]])).tolist() == [1]


def test_cross_entropy_of_shares_and_of_sums_agree(rng):
    """The gradient through a softmax is that of both at once."""
    sums, labels = rng.normal(size=(4, 5)) * 3, np.array([0, 4, 2, 2])
    shares = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
    loss, gradient = losses.cross_entropy(shares, labels)
    both, expected = losses.cross_entropy_of_sums(sums, labels)
    assert loss == pytest.approx(both)
    assert_allclose(gradients.softmax_gradient(shares, gradient), expected, atol=1e-12)
    assert np.isfinite(losses.cross_entropy_of_sums(np.array([[1e4, 0.0]]), np.array([1]))[0])
    assert np.isfinite(losses.distance_loss(np.array([[1e4, 5e3]]), np.array([1]))[0])


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_convolutions_equal_the_naive_sums(rng, groups):
    """All products, one by one."""
    x, weight = rng.normal(size=(2, 4, 6, 5)), rng.normal(size=(4, 4 // groups, 3, 2))
    options = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 2)}
    out = naive.conv2d(x, weight, np.zeros(4), groups, stride=(2, 1), pads=((1, 0), (1, 1)), dilation=(1, 2))
    gradient = rng.normal(size=out.shape)
    convolution = gradients.BatchConv(x, (3, 2), groups=groups, **options)
    assert_allclose(convolution.maps(weight, np.ones(4)), out + 1, atol=1e-12)
    found = convolution.gradients(weight, gradient)
    of_x, of_weight = np.zeros_like(x), np.zeros_like(weight)
    per_group, kept = len(weight) // groups, weight.shape[1]
    for n, o, i, j in np.ndindex(*out.shape):
        for c, ky, kx in np.ndindex(*weight.shape[1:]):
            y, column, channel = 2 * i - 1 + ky, j - 1 + 2 * kx, o // per_group * kept + c
            if 0 <= y < 6 and 0 <= column < 5:
                of_x[n, channel, y, column] += gradient[n, o, i, j] * weight[o, c, ky, kx]
                of_weight[o, c, ky, kx] += gradient[n, o, i, j] * x[n, channel, y, column]
    assert_allclose(found.x, of_x, atol=1e-12)
    assert_allclose(found.weight, of_weight, atol=1e-12)
    assert_allclose(found.bias, gradient.sum(axis=(0, 2, 3)), atol=1e-12)


def test_the_first_of_equal_samples_gets_the_gradient():
    """As in PyTorch; NaN is the largest."""
    x = np.array([[[[1.0, 3.0, 3.0], [3.0, 2.0, np.nan]]]])
    found = gradients.max_pool2d_gradient(x, np.array([[[[5.0, 7.0]]]]), (2, 2), (1, 1))
    assert found.tolist() == [[[[0.0, 5.0, 0.0], [0.0, 0.0, 7.0]]]]


def test_layers_without_a_gradient_are_named(tmp_path):
    """Before anything is trained."""
    for layer, message in (
        (
            "{ op = 'local-response-norm', size = 3 }",
            "'local-response-norm1' .* cannot be trained: its gradient is not defined",
        ),
        (
            "{ op = 'conv', filters = 2, size = 3, padding = 1, border = 'reflect' }",
            "'conv2' cannot be trained: it is flipped",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            trained(tmp_path, [layer])
    with pytest.raises(ArgumentError, match="must end in a number for each class, and gives"):
        TrainedNetwork(network(tmp_path, [FIRST], channels=2, size=(5, 5)), 0)
    with pytest.raises(ArgumentError, match="takes pictures of any size; give its input a size to train it"):
        TrainedNetwork(network(tmp_path, [FIRST], channels=2), 0)


def test_most_operations_have_a_gradient():
    """All that the networks of a course need."""
    trainable = {layer for kind in Differentiable.__subclasses__() for layer in kind.layers}
    missing = {name for name, op in OPS.items() if op.layer not in trainable}
    assert missing == {
        "separable", "transposed", "lp-pool", "global-max-pool", "adaptive-avg-pool", "adaptive-max-pool", "pad", "resize",
        "pixel-shuffle", "local-response-norm", "instance-norm",
    }  # fmt: skip
