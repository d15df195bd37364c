"""Networks whose layers take the outputs of any earlier layers: joins, steps, receptive fields, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convcli.errors import ArgumentError, KernelError
from convcli.networks.analysis import analyse, receptive_fields, sum_totals
from convcli.networks.layer import Layer
from convcli.networks.steps import compute_steps, make_steps
from nets import network, rows_of

RESIDUAL = """{ op = "conv", name = "a", file = "w.npz", key = "a", layout = "oihw", padding = 1 }
{ op = "relu", name = "r" }
{ op = "conv", name = "b", file = "w.npz", key = "b", padding = 2 }
{ op = "relu", name = "unused" }
{ op = "add", name = "s", input = ["r", "b", "input"] }
{ op = "relu", name = "t" }
{ op = "max-pool", name = "p", size = 2 }
{ op = "upsample", name = "u", factor = 2 }
{ op = "concat", name = "c", input = ["u", "s", "input"] }
{ op = "global-avg-pool", name = "g" }
{ op = "multiply", name = "m", input = ["c", "g"] }
{ op = "flatten", name = "f", order = "hwc" }""".splitlines()


@pytest.fixture
def residual(tmp_path, rng):
    """A network with branches, and its arrays."""
    np.savez(tmp_path / "w.npz", a=rng.normal(size=(3, 3, 3, 3)), b=rng.normal(size=(3, 3, 5, 5)))
    net = network(tmp_path, RESIDUAL, channels=3)
    return net, {layer.name: {array.role: array.load() for array in layer.sources} for layer in net.layers}


def expected_outputs(arrays, x):
    """What the layers give, written down without the network."""
    from scipy.signal import correlate

    def conv(maps, weight):
        pad = weight.shape[-1] // 2
        padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad)))
        return np.array([correlate(padded, kernel, "valid")[0] for kernel in weight])

    found = {"a": conv(x, arrays["a"]["weight"])}
    found["r"] = np.maximum(found["a"], 0)
    found["b"] = conv(found["r"], arrays["b"]["weight"])
    found["s"] = found["r"] + found["b"] + x
    found["t"] = np.maximum(found["s"], 0)
    found["p"] = found["t"].reshape(3, 4, 2, 5, 2).max(axis=(2, 4))
    found["u"] = found["p"].repeat(2, axis=1).repeat(2, axis=2)
    found["c"] = np.concatenate([found["u"], found["s"], x])
    found["g"] = found["c"].mean(axis=(1, 2), keepdims=True)
    found["m"] = found["c"] * found["g"]
    found["f"] = found["m"].transpose(1, 2, 0).ravel()
    return found


@pytest.mark.parametrize("tapped", ["f", "ar", "sp", "b", "gm", "tc"])
def test_a_graph_computes_what_its_layers_say(residual, rng, tapped):
    """Only layers that the tapped ones depend on are computed."""
    net, arrays = residual
    x = rng.normal(size=(3, 8, 10))
    expected = expected_outputs(arrays, x)
    steps = list(make_steps(net, arrays, tapped))
    found = compute_steps(steps, x, {net.layer_named(name) for name in tapped}, 1)
    for name in tapped:
        assert_allclose(found[net.layer_named(name)], expected[name], rtol=0, atol=1e-11)
    assert "unused" not in {net.layers[step.layer].name for step in steps}


def test_outputs_are_freed_after_their_last_reader(residual, rng, monkeypatch):
    """While a layer runs, only what it and later ones read is there."""
    import weakref

    net, arrays = residual
    alive = {}
    for index, step in enumerate(steps := list(make_steps(net, arrays, "f"))):

        def compute(inputs, threads, step=step):
            held = {name for name, reference in alive.items() if reference() is not None}
            out = np.array(step.compute(inputs, threads))
            alive[net.layers[step.layer].name] = weakref.ref(out)
            held_at[net.layers[step.layer].name] = held
            return out

        steps[index] = step._replace(compute=compute)
    held_at = {}
    compute_steps(steps, rng.normal(size=(3, 8, 10)), [len(net.layers) - 1], 1)
    assert held_at["b"] == {"r"}
    assert held_at["p"] == {"s", "t"}
    assert held_at["m"] == {"c", "g"}


def test_a_convolution_that_two_layers_read_is_a_step_of_its_own(tmp_path, rng):
    """It is joined with the ReLU after it only where nothing else takes its output."""
    np.savez(tmp_path / "w.npz", a=rng.normal(size=(3, 3, 3, 3)))
    conv = '{ op = "conv", name = "a", file = "w.npz", key = "a", layout = "oihw", padding = 1 }'
    layers = [conv, '{ op = "relu", name = "r" }', '{ op = "add", name = "s", input = ["a", "r"] }']
    for tables, expected in ((layers, ["a", "r", "s"]), (layers[:2], ["r"])):
        net = network(tmp_path, tables, channels=3)
        arrays = {layer.name: {array.role: array.load() for array in layer.sources} for layer in net.layers}
        steps = list(make_steps(net, arrays, [net.layers[-1].name]))
        assert [net.layers[step.layer].name for step in steps] == expected


def test_shapes_and_costs_of_a_residual_block(tmp_path):
    """The first block of ResNet-18 with a projection: He et al., https://arxiv.org/abs/1512.03385, table 1 and section 3.3."""
    layers = [
        "{ op = 'conv', name = 'c1', filters = 128, size = 3, stride = 2, padding = 1, bias = false }",
        "{ op = 'relu' }",
        "{ op = 'conv', name = 'c2', filters = 128, size = 3, padding = 1, bias = false }",
        "{ op = 'pointwise', name = 'projection', input = 'input', filters = 128, stride = 2, bias = false }",
        "{ op = 'add', name = 'sum', input = ['c2', 'projection'] }",
    ]
    rows = rows_of(network(tmp_path, layers, channels=64), (64, 56, 56))
    assert rows["sum"].output_shape == (128, 28, 28)
    assert sum_totals(list(rows.values())).learned == 64 * 128 * 9 + 128 * 128 * 9 + 64 * 128


def test_receptive_fields_of_branches_are_what_a_nan_reaches(residual):
    """The field of a join holds those of its inputs; what depends on a global pool has none."""
    net, arrays = residual
    traced = list(analyse(net, (3, 40, 40)))
    fields = {row.layer.name: field for row, field in zip(traced, receptive_fields(traced), strict=True)}
    steps = list(
        make_steps(net, {name: {role: np.ones_like(a) for role, a in by.items()} for name, by in arrays.items()}, "abspuc")
    )
    reached = {name: set() for name in "abspuc"}
    for x in range(40):
        maps = np.zeros((3, 40, 40))
        maps[:, 20, x] = np.nan
        for index, found in compute_steps(steps, maps, {net.layer_named(name) for name in "abspuc"}, 1).items():
            name = net.layers[index].name
            middle = found.shape[2] // 2
            if np.isnan(found[:, found.shape[1] // 2, middle]).any():
                reached[name].add(x)
    for name in "abspc":
        assert fields[name].size[1] == max(reached[name]) - min(reached[name]) + 1, name
    assert fields["c"].stride == (1, 1)
    assert fields["g"] is fields["m"] is fields["f"] is None


def test_joins_of_maps_that_advance_differently_have_no_field(tmp_path):
    """Pooled by 2 and cropped by a kernel of half the size: the shapes agree, and no field moves with both."""
    layers = [
        "{ op = 'max-pool', name = 'p', size = 2 }",
        "{ op = 'conv', name = 'c', input = 'input', filters = 1, size = 5 }",
        "{ op = 'add', input = ['p', 'c'] }",
    ]
    traced = list(analyse(network(tmp_path, layers, size=(8, 8)), (1, 8, 8)))
    assert receptive_fields(traced)[-1] is None


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["{ op = 'relu', input = 'x' }"], "takes the output of 'x', and no layer before it has that name; there are input"),
        (["{ op = 'relu', name = 'ab' }", "{ op = 'relu', input = 'aB' }"], "'aB', .*; did you mean 'ab'"),
        (["{ op = 'relu', name = 'r', input = 'r' }"], "takes the output of 'r', and no layer before it"),
        (["{ op = 'relu', name = 'input' }"], "name: must not be 'input', which is the input of the network"),
        (["{ op = 'add' }"], "joins the outputs of two layers or more; name them, such as"),
        (["{ op = 'add', input = ['input'] }"], "joins the outputs of two layers or more"),
        (["{ op = 'relu', input = ['input', 'input'] }"], "takes one input, got 2; join them in a layer before"),
        (["{ op = 'relu', input = [] }"], "must name from 1 to 64 layers, got 0"),
        (["{ op = 'relu', input = 3 }"], "must be text, got 3"),
        (
            ["{ op = 'max-pool', name = 'p', size = 2 }", "{ op = 'concat', input = ['p', 'input'] }"],
            "after 'p', which gives 4 x 4 x 1 and the input, which gives 8 x 8 x 1: takes maps of one size, or vectors",
        ),
        (
            ["{ op = 'conv', name = 'c', filters = 2, size = 1 }", "{ op = 'add', input = ['c', 'input'] }"],
            "takes inputs of one shape, or some with one pixel, and gets 8 x 8 x 2 and 8 x 8 x 1",
        ),
    ],
)
def test_graphs_that_do_not_fit_are_refused(tmp_path, layers, message):
    """In one line, with the layer and its line in the file."""
    with pytest.raises(KernelError, match=message):
        network(tmp_path, layers, size=(8, 8))


def test_a_layer_that_takes_one_input_says_so():
    """Where a network is built in Python."""

    class Plain(Layer, frozen=True, kw_only=True):
        op = "plain"

        def run(self, x, arrays, threads):
            return x

    with pytest.raises(ArgumentError, match="takes one input, and gets 2; join them"):
        Plain(name="p").joined_shape([(1, 2, 2), (1, 2, 2)])


def test_one_pixel_is_repeated_over_maps():
    """As in squeeze-and-excitation blocks: Hu et al., https://arxiv.org/abs/1709.01507."""
    from convcli.networks.joins import Multiply

    layer = Multiply(name="m", inputs=("a", "b"))
    maps, weights = np.arange(8.0).reshape(2, 2, 2), np.array([2.0, 3.0]).reshape(2, 1, 1)
    assert layer.joined_shape([(2, 2, 2), (2, 1, 1)]) == (2, 2, 2)
    assert_array_equal(layer.join([maps, weights]), [[[0, 2], [4, 6]], [[12, 15], [18, 21]]])
