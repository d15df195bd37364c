"""Networks: published figures, shapes, receptive fields and costs of layers, and layers that do not fit together."""

import numpy as np
import pytest

from convcli.errors import ArgumentError, KernelError
from convcli.networks.analysis import analyse, receptive_fields, separable_cost, sum_totals
from nets import BUILT_IN, built_in, network, rows_of


def learned(row):
    """The number of weights and biases."""
    return row.weights + row.biases


def test_lenet_5_equals_the_published_figures():
    """LeCun et al. 1998, II.B: parameters and connections of every layer, 60,000 learned in total, 84 x 10 fixed."""
    rows = built_in("lenet-5")
    published = {"C1": 156, "S2": 12, "C3": 1_516, "S4": 32, "C5": 48_120, "F6": 10_164, "output": 0}
    assert {name: learned(rows[name]) for name in published} == published
    totals = sum_totals(list(rows.values()))
    assert (totals.learned, totals.fixed) == (60_000, 840)
    shapes = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]
    assert [rows[name].output_shape for name in published] == shapes
    layers = {name: rows[name] for name in ("C1", "C3")}
    connections = {name: row.multiply_adds + row.biases * np.prod(row.output_shape[1:]) for name, row in layers.items()}
    assert connections == {"C1": 122_304, "C3": 151_600}


@pytest.mark.parametrize(("name", "convolutions", "total"), [
    ("alexnet-one-tower", (34_944, 614_656, 885_120, 1_327_488, 884_992), 62_378_344),
    ("alexnet", (34_944, 307_456, 885_120, 663_936, 442_624), 60_965_224),
])  # fmt: skip
def test_alexnet_equals_the_published_figures(name, convolutions, total):
    """Krizhevsky et al. 2012: with two groups, and with every filter on all channels; 227 -> 55 -> 27 -> 13 -> 6."""
    rows = built_in(name)
    assert tuple(learned(rows[f"conv{i}"]) for i in range(1, 6)) == convolutions
    assert tuple(learned(rows[layer]) for layer in ("fc6", "fc7", "fc8")) == (37_752_832, 16_781_312, 4_097_000)
    assert sum_totals(list(rows.values())).learned == total
    sizes = [rows[layer].output_shape[1] for layer in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv5", "pool5")]
    assert sizes == [55, 27, 27, 13, 13, 13, 6]
    assert all(not row.note for row in rows.values())


def test_a_stride_that_does_not_divide_has_a_note():
    """(224 - 11) / 4 + 1 is 54.25; with padding 2 it would be 55.25. Layers where the stride divides have no note."""
    rows = rows_of(BUILT_IN.network("alexnet"), (3, 224, 224))
    assert rows["conv1"].note == "(224 - 11) / 4 + 1 = 54.25 is taken as 54"
    assert rows["conv1"].output_shape == (96, 54, 54)
    assert rows["conv2"].note == ""


def test_vgg_16_equals_the_published_figures():
    """Simonyan & Zisserman 2015, configuration D."""
    rows = built_in("vgg-16")
    counts = [1_792, 36_928, 73_856, 147_584, 295_168, 590_080, 590_080, 1_180_160, *[2_359_808] * 5]
    assert [learned(row) for row in rows.values() if row.layer.family == "conv"] == counts
    assert sum_totals(list(rows.values()), "conv").learned == 14_714_688
    assert [learned(rows[layer]) for layer in ("fc6", "fc7", "fc8")] == [102_764_544, 16_781_312, 4_097_000]
    assert sum_totals(list(rows.values())).learned == 138_357_544


def test_mobilenet_equals_the_published_figures():
    """Howard et al. 2017: parameters with and without batch norm, and multiply-adds."""
    rows = built_in("mobilenet")
    assert rows["conv"].weights == 864
    assert sum(row.weights for name, row in rows.items() if name.startswith("dw")) == 44_640
    assert sum(row.weights for name, row in rows.items() if name.startswith("pw")) == 3_139_584
    assert learned(rows["fc"]) == 1_025_000
    totals = sum_totals(list(rows.values()))
    norms = sum(learned(row) for row in rows.values() if row.layer.op == "batch-norm")
    assert (totals.learned - norms, totals.learned, totals.learned + totals.fixed) == (4_210_088, 4_231_976, 4_253_864)
    assert totals.multiply_adds == 568_740_352
    assert rows["pw13"].output_shape == (1024, 7, 7)


def test_totals_of_families_add_up():
    """The totals of convolutions, dense layers and other layers add up to the total."""
    rows = list(built_in("lenet-5").values())
    parts = [sum_totals(rows, family) for family in ("conv", "dense", "other")]
    assert sum(part.learned for part in parts) == 60_000
    assert sum(part.multiply_adds for part in parts) == sum_totals(rows).multiply_adds


def test_parameters_of_small_layers_are_counted(tmp_path):
    """Four 5 x 5 x 3 filters have 300 weights and 4 biases; 1 x 1 from 256 to 64 channels, 16,384 and 64."""
    (row,) = rows_of(network(tmp_path, ['{ op = "conv", filters = 4, size = 5 }'], channels=3), (3, 32, 32)).values()
    assert (row.weights, row.biases, row.output_shape) == (300, 4, (4, 28, 28))
    (row,) = rows_of(network(tmp_path, ['{ op = "pointwise", filters = 64 }'], channels=256), (256, 14, 14)).values()
    assert (row.weights, row.biases, row.multiply_adds) == (16_384, 64, 14 * 14 * 16_384)
    assert separable_cost(row) is None  # 1 x 1 cannot be separated
    (row,) = rows_of(network(tmp_path, ['{ op = "conv", filters = 6, size = 5, bias = false }']), (1, 9, 9)).values()
    assert (row.weights, row.biases) == (150, 0)


def test_the_cost_of_a_separable_convolution_is_the_published_one(tmp_path):
    """1 / N + 1 / k**2 of the standard one: 0.11502 for 256 filters of 3 x 3. A separable layer has the same cost."""
    standard = '{ op = "conv", filters = 256, size = 3, padding = 1, bias = false }'
    (row,) = rows_of(network(tmp_path, [standard], channels=256), (256, 14, 14)).values()
    weights, products = separable_cost(row)
    assert round(products / row.multiply_adds, 5) == 0.11502
    (other,) = rows_of(network(tmp_path, [standard.replace("conv", "separable")], channels=256), (256, 14, 14)).values()
    assert (other.weights, other.multiply_adds) == (weights, products)
    assert separable_cost(other) is None


@pytest.mark.parametrize(("size", "layer", "expected"), [
    (4, "op = 'conv', filters = 1, size = 3", 2),
    (5, "op = 'conv', filters = 1, size = 4, padding = 2", 6),
    (5, "op = 'conv', filters = 1, size = 3, padding = 1", 5),
    (5, "op = 'conv', filters = 1, size = 3, padding = 'full'", 7),
    (5, "op = 'conv', filters = 1, size = 3, stride = 2", 2),
    (5, "op = 'conv', filters = 1, size = 3, stride = 2, padding = 1", 3),
    (6, "op = 'conv', filters = 1, size = 3, stride = 2, padding = 1", 3),
    (7, "op = 'conv', filters = 1, size = 3, dilation = 2", 3),
    (5, "op = 'max-pool', size = 3, stride = 1", 3),
    (5, "op = 'avg-pool', size = 3, stride = 1", 3),
    (5, "op = 'lp-pool', size = 3, stride = 1", 3),
    (2, "op = 'transposed', filters = 1, size = 3", 4),
    (6, "op = 'transposed', filters = 1, size = 4, padding = 2", 5),
    (5, "op = 'transposed', filters = 1, size = 3, padding = 1", 5),
    (7, "op = 'transposed', filters = 1, size = 3, padding = 2", 5),
    (2, "op = 'transposed', filters = 1, size = 3, stride = 2", 5),
    (3, "op = 'transposed', filters = 1, size = 3, stride = 2, padding = 1", 5),
    (3, "op = 'transposed', filters = 1, size = 3, stride = 2, padding = 1, output-padding = 1", 6),
])  # fmt: skip
def test_sizes_of_dumoulin_and_visin_are_reproduced(tmp_path, size, layer, expected):
    """The examples of "A guide to convolution arithmetic for deep learning" (arXiv 1603.07285)."""
    (row,) = rows_of(network(tmp_path, [f"{{ {layer} }}"]), (1, size, size)).values()
    assert row.output_shape == (1, expected, expected)


FIELDS = [
    ["conv:3:1:1", "conv:3:1:1", "max-pool:2:2:1"],
    ["conv:5:2:1", "max-pool:3:2:1", "conv:3:1:1"],
    ["conv:3:1:2", "avg-pool:2:2:1", "conv:3:1:3"],
    ["upsample:2", "conv:3:1:1"],
    ["transposed:4:2:1"],
    ["transposed:3:2:2"],
    ["conv:3:2:1", "transposed:5:3:1", "conv:3:1:1"],
    ["avg-pool:4:4:1", "upsample:4", "conv:3:1:1"],
    ["avg-pool:3:3:1", "upsample:3", "conv:2:1:1"],
    ["lp-pool:3:2:2", "conv:3:1:1"],
]


@pytest.mark.parametrize("layers", FIELDS)
def test_receptive_fields_are_what_a_nan_reaches(tmp_path, layers):
    """A NaN at each pixel in turn reaches the samples whose field contains it: span and step equal those of the field."""
    weights = {}
    tables = []
    for index, text in enumerate(layers):
        op, *sizes = text.split(":")
        if op == "upsample":
            tables.append(f'{{ op = "upsample", factor = [{sizes[0]}, 1] }}')
            continue
        size, stride, dilation = map(int, sizes)
        weights[f"w{index}"] = np.ones((1, 1, size, 1), np.float32)
        window = f"size = [{size}, 1], stride = [{stride}, 1]"
        window += f", dilation = [{dilation}, 1]" if op != "avg-pool" else ""
        source = "" if op.endswith("pool") else f', file = "w.npz", key = "w{index}"'
        tables.append(f'{{ op = "{op}", {window}{source} }}')
    np.savez(tmp_path / "w.npz", **weights)
    net = network(tmp_path, tables)
    side = 40
    traced = list(analyse(net, (1, side, 1)))
    last, field = traced[-1], receptive_fields(traced)[-1]
    reached = np.zeros((side, last.output_shape[1]), bool)
    for y in range(side):
        maps = np.zeros((1, side, 1), np.float32)
        maps[0, y] = np.nan
        for layer in net.layers:
            maps = layer.run(maps, {array.role: array.load() for array in layer.sources}, 1)
        reached[y] = np.isnan(maps[0, :, 0])
    spans = {}
    for index in range(last.output_shape[1]):
        rows = np.flatnonzero(reached[:, index])
        if rows.size and rows[0] > 0 and rows[-1] < side - 1:  # a whole window
            spans[index] = (rows[0], rows[-1] - rows[0] + 1)
    (lowest, (start, _)), (highest, (stop, _)) = min(spans.items()), max(spans.items())
    widest = max(span for _, span in spans.values())
    assert widest == field.size[0]
    assert (stop - start) / (highest - lowest) == pytest.approx(float(field.stride[0]), abs=0.15)


def test_receptive_fields_of_random_stacks_are_exact(tmp_path, rng):
    """Random stacks of layers, each as the set of rows that it reads: the widest span of all is the reported field."""
    for _ in range(150):
        tables, steps = [], []
        for _ in range(rng.integers(1, 6)):
            op = rng.choice(["conv", "pool", "up", "transposed"])
            size, stride, dilation = (int(rng.integers(1, top)) for top in (5, 4, 4))
            padding = int(rng.integers(0, (size - 1) * dilation + 1)) if op in ("conv", "transposed") else 0
            steps.append((op, size, stride, dilation, padding))
            rows = f"size = [{size}, 1], stride = [{stride}, 1], padding = [{padding}, 0]"
            tables.append({
                "conv": f"{{ op = 'conv', filters = 1, {rows}, dilation = [{dilation}, 1] }}",
                "pool": f"{{ op = 'max-pool', {rows} }}",
                "up": f"{{ op = 'upsample', factor = [{size}, 1] }}",
                "transposed": f"{{ op = 'transposed', filters = 1, {rows}, dilation = [{dilation}, 1] }}",
            }[op])  # fmt: skip
        side = 600
        rows = list(analyse(network(tmp_path, tables), (1, side, 1)))
        sets = [{y} for y in range(side)]
        for op, size, stride, dilation, padding in steps:
            if op == "up":
                sets = [read for read in sets for _ in range(size)]
            elif op == "transposed":
                outputs = [set() for _ in range(stride * (len(sets) - 1) + dilation * (size - 1) + 1)]
                for position, read in enumerate(sets):
                    for tap in range(size):
                        outputs[position * stride + tap * dilation] |= {min(read), max(read)} if read else set()
                sets = outputs[padding : len(outputs) - padding]
            else:
                tap_step = dilation if op == "conv" else 1
                sets = [set()] * padding + sets + [set()] * padding
                count = (len(sets) - tap_step * (size - 1) - 1) // stride + 1
                sets = [set().union(*(sets[y * stride + tap * tap_step] for tap in range(size))) for y in range(count)]
        (*_, field) = receptive_fields(rows)
        assert max(max(read) - min(read) + 1 for read in sets if read) == field.size[0], steps


@pytest.mark.parametrize(("layers", "spans"), [
    (["{ op = 'transposed', filters = 1, size = 2, stride = 2, dilation = 3 }"], [1]),
    (["{ op = 'upsample', factor = 2 }", "{ op = 'conv', filters = 1, size = 2, stride = 2 }"], [1, 1]),
    (["{ op = 'upsample', factor = 2 }", "{ op = 'conv', filters = 1, size = 2 }"], [1, 2]),
    (["{ op = 'transposed', filters = 1, size = 1, stride = 3 }", "{ op = 'max-pool', size = 2, stride = 1 }"], [1, 1]),
])  # fmt: skip
def test_repeated_and_skipped_pixels_do_not_widen_the_field(tmp_path, layers, spans):
    """Worked by hand: up-sampling repeats one pixel, and taps that a stride skips read none."""
    fields = receptive_fields(list(analyse(network(tmp_path, layers), (1, 40, 40))))
    assert [field.size for field in fields] == [(span, span) for span in spans]


def test_too_many_phases_are_refused(tmp_path):
    """The error is one line with the limit."""
    layers = ["{ op = 'upsample', factor = [300, 1] }"] * 2
    with pytest.raises(ArgumentError, match="layer 'upsample2' has 90000 different receptive fields; the limit is 65536"):
        receptive_fields(list(analyse(network(tmp_path, layers), (1, 9, 9))))


def test_dense_layers_and_global_pools_have_no_field(tmp_path):
    """No field is reported for them."""
    net = network(tmp_path, ["{ op = 'global-avg-pool' }", "{ op = 'conv', filters = 2, size = 1 }", "{ op = 'flatten' }"])
    rows = list(analyse(net, (1, 9, 9)))
    assert receptive_fields(rows) == [None, None, None]


@pytest.mark.parametrize(("layers", "message"), [
    (["op = 'conv', filters = 4, size = 5, name = 'a'", "op = 'conv', filters = 2, size = 9, name = 'b'"],
     "layer 'b' after 'a', which gives 4 x 4 x 4: a kernel that covers 9 x 9 does not fit an image of 4 x 4"),
    (["op = 'conv', filters = 3, size = 3, groups = 3"],
     "layer 'conv1' after the input, which gives 8 x 8 x 1: groups must divide its 3 filters and the 1 channels"),
    (["op = 'conv', size = 3, connections = [[0], [0, 3]]"], "its connections name channel 3, and it gets the channels 0 to 0"),
    (["op = 'dense', units = 3"], "takes a vector, and gets maps of 8 x 8 x 1; put a flatten layer before it"),
    (["op = 'flatten'", "op = 'relu'", "op = 'max-pool', size = 2"], "'max-pool1' after 'relu1', which gives 64: takes maps,"),
    (["op = 'max-pool', size = 9"], "layer 'max-pool1' after the input, which gives 8 x 8 x 1: "),
    (["op = 'transposed', filters = 1, size = 2, padding = 9"], "layer 'transposed1' after the input, which gives 8 x 8 x 1: "),
    (["op = 'conv', file = 'w.npz', key = 'conv'"],
     "the weight of @{folder}/w.npz#conv has shape (2, 3, 3, 3), and must have (2, 1, 3, 3)"),
    (["op = 'flatten'", "op = 'dense', file = 'w.npz', key = 'dense'"],
     "the weight of @{folder}/w.npz#dense has shape (5, 7), and must have (5, 64)"),
    (["op = 'conv', file = 'w.npz', key = 'grey', bias = 'dense1'"],
     "the bias of @{folder}/w.npz#dense1 has shape (7,), and must have (2,)"),
    (["op = 'batch-norm', file = 'w.npz', mean = 'dense1', variance = 'dense1'"], "has shape (7,), and must have (1,)"),
])  # fmt: skip
def test_layers_that_do_not_fit_are_refused(tmp_path, layers, message):
    """The error names the layer, what it requires, what it gets, and the layer before."""
    arrays = {"conv": np.zeros((2, 3, 3, 3)), "grey": np.zeros((2, 1, 3, 3)), "dense": np.zeros((5, 7)), "dense1": np.zeros(7)}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(KernelError) as caught:
        network(tmp_path, [f"{{ {layer} }}" for layer in layers], size=(8, 8))
    line = 3 + len(layers)  # the line of the last layer
    assert str(caught.value).startswith(
        f"{tmp_path}/kernels.toml:{line}: networks.n.layers[{len(layers) - 1}]: network 'n': layer "
    )
    assert message.replace("{folder}", str(tmp_path)) in str(caught.value)


def test_weights_give_the_number_of_filters(tmp_path):
    """They do in any order of axes that a layout names; keys of the layer that differ from the weights are refused."""
    arrays = {
        "conv": np.zeros((5, 3, 2, 4)),
        "dense": np.zeros((6, 9)),
        "back": np.zeros((2, 4, 3, 3)),
        "mix": np.zeros((7, 2)),
    }
    arrays |= {"each": np.zeros((2, 1, 3, 3)), "twice": np.zeros((4, 1, 3, 3)), "mix4": np.zeros((7, 2, 1, 1))}
    np.savez(tmp_path / "w.npz", **arrays)
    layers = [(2, "op = 'conv', file = 'w.npz', key = 'conv', layout = 'hwio'"),
              (4, "op = 'transposed', file = 'w.npz', key = 'back', layout = 'oihw', groups = 2, stride = 2"),
              (6, "op = 'dense', file = 'w.npz', key = 'dense', layout = 'io'"),
              (2, "op = 'separable', file = 'w.npz', key = 'each', pointwise = 'mix'"),
              (3, "op = 'depthwise', bank = 'compass'"),
              (2, "op = 'depthwise', file = 'w.npz', key = 'twice'"),
              (2, "op = 'pointwise', file = 'w.npz', key = 'mix'"),
              (2, "op = 'pointwise', file = 'w.npz', key = 'mix4', layout = 'oihw'")]  # fmt: skip
    built = []
    for channels, layer in layers:
        first = "{ op = 'global-avg-pool' }" if "dense" in layer else "{ op = 'relu' }"
        built.append(network(tmp_path, [first, f"{{ {layer} }}"], channels=channels).layers[1])
    assert (built[0].filters, built[0].size) == (4, (5, 3))
    assert (built[1].filters, built[1].size) == (4, (3, 3))
    assert built[2].units == 9
    assert (built[3].filters, built[3].size) == (7, (3, 3))
    assert (built[4].multiplier, built[4].size) == (8, (3, 3))
    assert built[5].channels(2) == 4
    assert [layer.filters for layer in built[6:]] == [7, 7]
    with pytest.raises(KernelError, match="says filters = 3, and .*#conv has 5"):
        network(tmp_path, ["{ op = 'conv', file = 'w.npz', key = 'conv', filters = 3 }"])
    with pytest.raises(KernelError, match="says size = 1 x 1, and .*#each has 3 x 3"):
        network(tmp_path, ["{ op = 'pointwise', file = 'w.npz', key = 'each' }"])
    with pytest.raises(KernelError, match=r"has shape \(6, 9\), and must have 4 axes: o i h w"):
        network(tmp_path, ["{ op = 'conv', file = 'w.npz', key = 'dense' }"])


def test_a_pool_with_ceil_has_no_note(tmp_path):
    """With ceil the last window counts; without it a note reports that it does not."""
    pool = "{ op = 'max-pool', size = 2%s }"
    notes = [rows_of(network(tmp_path, [pool % ceil]), (1, 5, 5))["max-pool1"].note for ceil in (", ceil = true", "")]
    assert notes == ["", "(5 - 2) / 2 + 1 = 2.5 is taken as 2"]


def test_a_network_for_large_pictures_only_is_accepted(tmp_path):
    """After eleven pools a picture of 1024 has no pixel left; errors for every size are reported when the file is read."""
    pools = ["{ op = 'max-pool', size = 2 }"] * 11
    net = network(tmp_path, [*pools, "{ op = 'flatten' }", "{ op = 'dense', units = 3 }"])
    assert [row.output_shape for row in analyse(net, (1, 4096, 4096))][-1] == (3,)
    with pytest.raises(KernelError, match="on a picture of 1024 x 1024: network 'n': layer 'conv1' after the input"):
        network(tmp_path, ["{ op = 'conv', filters = 2, size = 3, groups = 2 }", *pools])
    padded = network(tmp_path, ["{ op = 'conv', kernel = 'blur', padding = [[0, 1], [2, 1]] }"])
    assert len({*net.layers, *padded.layers}) == 14  # values that can be hashed
    for layers in (
        ["{ op = 'conv', filters = 4, size = 32 }", "{ op = 'dense', units = 3 }"],  # of pictures of 32 pixels
        ["{ op = 'max-pool', size = 1, stride = 2, padding = [[0, 0], [0, 1]] }"],
    ):  # unusual but valid
        assert network(tmp_path, layers)


def test_layers_after_a_vector_of_unknown_length_are_checked(tmp_path):
    """A layer of maps after it is refused; dense layers after it are checked against each other."""
    with pytest.raises(KernelError, match="'max-pool1' after 'flatten1', which gives .*: takes maps, and gets a vector"):
        network(tmp_path, ["{ op = 'flatten' }", "{ op = 'max-pool', size = 2 }"])
    np.savez(tmp_path / "w.npz", first=np.zeros((5, 77)), second=np.zeros((3, 6)))
    first = "{ op = 'dense', file = 'w.npz', key = 'first' }"
    assert network(tmp_path, ["{ op = 'flatten' }", "{ op = 'relu' }", first])
    with pytest.raises(KernelError, match=r"the weight of .*#second has shape \(3, 6\), and must have \(3, 5\)"):
        network(tmp_path, ["{ op = 'flatten' }", first, "{ op = 'dense', file = 'w.npz', key = 'second' }"])
    with pytest.raises(KernelError, match=r"has shape \(5, 77\), and must have \(5, 1\)"):
        network(tmp_path, ["{ op = 'global-avg-pool' }", "{ op = 'flatten' }", first])


def test_a_field_larger_than_any_picture_is_refused(tmp_path):
    """The error replaces a number of hundreds of digits."""
    layer = "{ op = 'conv', filters = 1, size = 3, stride = 60000, padding = 60000 }"
    rows = list(analyse(network(tmp_path, [layer] * 9), (1, 9, 9)))
    with pytest.raises(ArgumentError, match="layer 'conv2' has a receptive field of more than 2147483648 pixels"):
        receptive_fields(rows)


def test_a_wrong_key_is_reported_at_its_place(tmp_path):
    """The error of a missing array of biases names the key ``bias``."""
    np.savez(tmp_path / "w.npz", w=np.zeros((2, 1, 3, 3)))
    layer = '{ op = "conv", file = "w.npz", key = "w", bias = "b" }'
    with pytest.raises(KernelError, match=r"networks\.n\.layers\[0\]\.bias: .*there is no array of that name"):
        network(tmp_path, [layer])


def test_an_unknown_network_is_reported_with_the_nearest_name():
    """The error suggests the nearest name, as for kernels."""
    with pytest.raises(KernelError, match="network 'lenet5' is unknown; did you mean 'lenet-5'?"):
        BUILT_IN.network("lenet5")
