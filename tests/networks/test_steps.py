"""Steps: layers that are joined give what they give one by one."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from convcli.networks.steps import compute_steps, make_steps
from nets import network

LAYERS = """{ op = "conv", name = "a", file = "w.npz", key = "a.weight", bias = "a.bias", padding = 1 }
{ op = "batch-norm", name = "b", file = "w.npz", key = "b.weight", bias = "b.bias", mean = "b.mean", variance = "b.variance" }
{ op = "relu", name = "c" }
{ op = "depthwise", name = "d", file = "w.npz", key = "d.weight", stride = 2 }
{ op = "batch-norm", name = "e", file = "w.npz", key = "b.weight", bias = "b.bias", mean = "b.mean", variance = "b.variance" }
{ op = "leaky-relu", name = "f" }
{ op = "pointwise", name = "g", file = "w.npz", key = "g.weight", filters = 5 }
{ op = "relu", name = "h" }
{ op = "relu", name = "i" }""".splitlines()


@pytest.fixture
def net(tmp_path, rng):
    """A network, and its arrays."""
    arrays = {"a.weight": (16, 3, 3, 3), "a.bias": 16, "d.weight": (16, 1, 3, 3), "g.weight": (5, 16, 1, 1)}
    arrays |= {f"b.{role}": 16 for role in ("weight", "bias", "mean")}
    values = {name: rng.normal(size=shape) for name, shape in arrays.items()} | {"b.variance": rng.uniform(0.5, 2, 16)}
    np.savez(tmp_path / "w.npz", **values)
    loaded = network(tmp_path, LAYERS, channels=3)
    return loaded, {layer.name: {array.role: array.load() for array in layer.sources} for layer in loaded.layers}


def outputs_one_by_one(layers, arrays, x):
    """The output of every layer, computed on its own."""
    found = {}
    for layer in layers:
        found[layer.name] = x = layer.run(x, arrays[layer.name], 1)
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_steps_equal_layers_one_by_one(net, rng, dtype, tolerance):
    """For every pair of tapped layers, whose own outputs exist: of others, only those that end a step."""
    loaded, arrays = net
    x = rng.normal(size=(3, 11, 12)).astype(dtype)
    expected = outputs_one_by_one(loaded.layers, arrays, x)
    for tapped in itertools.combinations("abcdefghi", 2):
        steps = list(make_steps(loaded, arrays, tapped))
        found = compute_steps(steps, x, {step.layer for step in steps}, 1)
        for index, maps in found.items():
            assert maps.dtype == dtype
            assert_allclose(maps, expected[loaded.layers[index].name], rtol=0, atol=tolerance)
        assert set(tapped) <= {loaded.layers[index].name for index in found}
    assert names_of(loaded, make_steps(loaded, arrays, "i")) == ["c", "e", "f", "h", "i"]


def names_of(loaded, steps):
    """The names of the layers that end a step."""
    return [loaded.layers[step.layer].name for step in steps]


@pytest.mark.parametrize("scale", [0.0, 1e-45, 1e39])
def test_a_normalisation_that_would_lose_weights_is_a_step_of_its_own(net, rng, scale):
    """A weight that became 0 would be left out of its kernel, with the NaN under it; one that overflowed would be infinite."""
    loaded, arrays = net
    arrays["b"] = arrays["b"] | {"weight": np.full(16, scale)}
    assert names_of(loaded, make_steps(loaded, arrays, "i"))[:2] == ["a", "b"]
    x = rng.normal(size=(3, 11, 12)).astype(np.float32)
    x[0, 5, 5] = np.nan
    steps = list(make_steps(loaded, arrays, "c"))
    assert np.isnan(compute_steps(steps, x, [2], 1)[2]).sum() == 16 * 9
