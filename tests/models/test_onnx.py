"""ONNX files as networks: every operator equals ONNX Runtime's, and what cannot be a layer is named."""

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose

import convcli
from convcli.errors import ArgumentError, KernelError
from convcli.models.onnx_network import read_onnx
from convcli.models.onnx_nodes import CONVERTERS
from convcli.networks.network import Input
from onnx_models import make_model, node, outputs_of, save

RNG = np.random.default_rng(7)
KERNELS = {"w": RNG.normal(size=(6, 3, 3, 2)).astype("f4"), "b": RNG.normal(size=6).astype("f4")}
CHANNELS = {name: RNG.normal(size=3).astype("f4") for name in ("scale", "shift", "mean")}
CHANNELS["variance"] = RNG.uniform(0.5, 2, 3).astype("f4")
COLUMN = {"c": RNG.normal(size=(1, 3, 1, 1)).astype("f4")}


def number(value, dtype="f4"):
    """A constant of one number."""
    return np.array(value, dtype)


CASES = {
    "Conv": [
        ([node("Conv", ["x", "w", "b"], "y", strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2])], KERNELS),
        ([node("Conv", ["x", "w"], "y", auto_pad="SAME_LOWER", strides=[2, 2])], KERNELS),
        ([node("Conv", ["x", "w"], "y", group=3)], {"w": RNG.normal(size=(6, 1, 3, 3)).astype("f4")}),
        ([node("Conv", ["x", "w"], "c0"), node("Add", ["c0", "c"], "y")], KERNELS | {"c": KERNELS["b"].reshape(1, 6, 1, 1)}),
    ],
    "ConvTranspose": [
        (
            [node("ConvTranspose", ["x", "w", "b"], "y", strides=[2, 3], pads=[1, 0, 1, 1], output_padding=[1, 0])],
            {"w": RNG.normal(size=(3, 4, 3, 3)).astype("f4"), "b": KERNELS["b"][:4]},
        ),
        ([node("ConvTranspose", ["x", "w"], "y", group=3)], {"w": RNG.normal(size=(3, 2, 2, 2)).astype("f4")}),
    ],
    "MaxPool": [
        ([node("MaxPool", ["x"], "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])], {}),
        ([node("MaxPool", ["x"], "y", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], {}),
        ([node("MaxPool", ["x"], "y", kernel_shape=[2, 2])], {}),
    ],
    "AveragePool": [
        ([node("AveragePool", ["x"], "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {}),
        ([node("AveragePool", ["x"], "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)], {}),
    ],
    "LpPool": [([node("LpPool", ["x"], "y", kernel_shape=[2, 2], strides=[2, 2], p=2)], {})],
    "GlobalAveragePool": [([node("GlobalAveragePool", ["x"], "y")], {})],
    "GlobalMaxPool": [([node("GlobalMaxPool", ["x"], "y")], {})],
    "ReduceMean": [
        ([node("ReduceMean", ["x"], "y", axes=[2, 3])], {}),
        ([node("ReduceMean", ["x"], "y", axes=[-1, -2], keepdims=0)], {}),
    ],
    "BatchNormalization": [
        ([node("BatchNormalization", ["x", "scale", "shift", "mean", "variance"], "y", epsilon=2**-10)], CHANNELS)
    ],
    "InstanceNormalization": [([node("InstanceNormalization", ["x", "scale", "shift"], "y")], CHANNELS)],
    "LRN": [([node("LRN", ["x"], "y", size=3, alpha=0.5, beta=0.75, bias=2.0)], {})],
    "Relu": [([node("Relu", ["x"], "y")], {})],
    "LeakyRelu": [([node("LeakyRelu", ["x"], "y", alpha=0.25)], {})],
    "PRelu": [
        ([node("PRelu", ["x", "s"], "y")], {"s": RNG.normal(size=(3, 1, 1)).astype("f4")}),
        ([node("PRelu", ["x", "s"], "y")], {"s": number([0.5])}),
    ],
    "Elu": [([node("Elu", ["x"], "y", alpha=0.75)], {})],
    "Erf": [([node("Erf", ["x"], "y")], {})],
    "Sigmoid": [([node("Sigmoid", ["x"], "y")], {})],
    "Tanh": [([node("Tanh", ["x"], "y")], {})],
    "HardSigmoid": [
        ([node("HardSigmoid", ["x"], "y")], {}),
        ([node("HardSigmoid", ["x"], "y", alpha=1 / 6, beta=0.5)], {}),
    ],
    "HardSwish": [([node("HardSwish", ["x"], "y")], {})],
    "Neg": [([node("Neg", ["x"], "y")], {})],
    "Clip": [
        ([node("Clip", ["x", "low", "high"], "y")], {"low": number(-0.5), "high": number(1)}),
        ([node("Clip", ["x", "low"], "y")], {"low": number(0)}),
        ([node("Clip", ["x", "", "high"], "y")], {"high": number(0.25)}),
    ],
    "Softmax": [([node("Softmax", ["x"], "y", axis=1)], {}), ([node("Flatten", ["x"], "f"), node("Softmax", ["f"], "y")], {})],
    "Gemm": [
        (
            [node("Flatten", ["x"], "f"), node("Gemm", ["f", "m", "n"], "y", alpha=0.5, beta=2.0)],
            {"m": RNG.normal(size=(216, 5)).astype("f4"), "n": RNG.normal(size=5).astype("f4")},
        ),
        ([node("Flatten", ["x"], "f"), node("Gemm", ["f", "m"], "y", transB=1)], {"m": RNG.normal(size=(5, 216)).astype("f4")}),
    ],
    "MatMul": [
        (
            [node("Flatten", ["x"], "f"), node("MatMul", ["f", "m"], "g"), node("Add", ["g", "n"], "y")],
            {"m": RNG.normal(size=(216, 5)).astype("f4"), "n": RNG.normal(size=5).astype("f4")},
        )
    ],
    "Flatten": [([node("Flatten", ["x"], "y")], {})],
    "Reshape": [
        ([node("Reshape", ["x", "s"], "y")], {"s": number([1, -1], "i8")}),
        ([node("Reshape", ["x", "s"], "y")], {"s": number([0, 216], "i8")}),
        ([node("Reshape", ["x", "s"], "y")], {"s": number([0, 3, -1, 9], "i8")}),
    ],
    "Squeeze": [([node("GlobalAveragePool", ["x"], "g"), node("Squeeze", ["g", "a"], "y")], {"a": number([2, 3], "i8")})],
    "Unsqueeze": [
        (
            [
                node("ReduceMean", ["x"], "g", axes=[2, 3], keepdims=0),
                node("Unsqueeze", ["g", "a"], "u"),
                node("Mul", ["x", "u"], "y"),
            ],
            {"a": number([2, 3], "i8")},
        )
    ],
    "Transpose": [
        (
            [
                node("Transpose", ["x"], "t", perm=[0, 2, 3, 1]),
                node("Relu", ["t"], "r"),
                node("Flatten", ["r"], "f"),
                node("MatMul", ["f", "m"], "y"),
            ],
            {"m": RNG.normal(size=(216, 4)).astype("f4")},
        ),
        ([node("Transpose", ["x"], "t", perm=[0, 2, 3, 1]), node("Transpose", ["t"], "y", perm=[0, 3, 1, 2])], {}),
    ],
    "Concat": [([node("Relu", ["x"], "r"), node("Concat", ["r", "x", "r"], "y", axis=1)], {})],
    "Add": [
        ([node("Relu", ["x"], "r"), node("Add", ["r", "x"], "y")], {}),
        ([node("Add", ["x", "c"], "y")], COLUMN),
        ([node("Add", ["c", "x"], "y")], {"c": number(3.0)}),
    ],
    "Mul": [
        ([node("GlobalAveragePool", ["x"], "r"), node("Mul", ["r", "x"], "y")], {}),
        ([node("Mul", ["x", "c"], "y")], {"c": COLUMN["c"][0]}),
    ],
    "Sub": [([node("Sub", ["x", "c"], "y")], COLUMN), ([node("Sub", ["c", "x"], "y")], {"c": number([2.0])})],
    "Div": [([node("Div", ["x", "c"], "y")], {"c": COLUMN["c"]})],
    "Pad": [
        ([node("Pad", ["x", "p", "v"], "y")], {"p": number([0, 0, 1, 2, 0, 0, 3, 0], "i8"), "v": number(1.5)}),
        ([node("Pad", ["x", "p"], "y", mode="reflect")], {"p": number([0, 0, 1, 2, 0, 0, 3, 0], "i8")}),
    ],
    "Resize": [
        ([node("Resize", ["x", "", "f"], "y", mode="nearest")], {"f": number([1, 1, 2, 3])}),
        ([node("Resize", ["x", "", "f"], "y", mode="linear")], {"f": number([1, 1, 2, 2])}),
        ([node("Resize", ["x", "", "", "s"], "y", mode="linear")], {"s": number([1, 3, 5, 20], "i8")}),
    ],
    "DepthToSpace": [
        ([node("Concat", ["x"] * 4, "c", axis=1), node("DepthToSpace", ["c"], "y", blocksize=2, mode=mode)], {})
        for mode in ("DCR", "CRD")
    ],
    "Identity": [([node("Identity", ["x"], "i"), node("Relu", ["i"], "y")], {})],
    "Dropout": [([node("Dropout", ["x"], "i"), node("Relu", ["i"], "y")], {})],
    "Cast": [([node("Cast", ["x"], "i", to=1), node("Relu", ["i"], "y")], {})],
}


def after_first(given):
    """A node that takes what the first one gives, in place of the input."""
    copy = onnx.NodeProto.FromString(given.SerializeToString())
    copy.input[:] = ["first" if name == "x" else name for name in given.input]
    return copy


@pytest.mark.parametrize("op", CASES)
def test_operators_equal_onnx_runtime(tmp_path, rng, op):
    """Within rounding of float32, for an input of a known and of an unknown size."""
    for nodes, constants in CASES[op]:
        nodes = [node("Tanh", ["x"], "first"), *map(after_first, nodes)]  # a network needs a layer
        for known in (True, False):
            model = make_model(nodes, constants, (1, 3, 8, 9) if known else ("N", 3, "H", "W"))
            x = rng.normal(size=(1, 3, 8, 9)).astype("f4")
            expected = outputs_of(model, x)["y"]
            net = read_onnx(save(model, tmp_path / "m.onnx"))
            if net.unfinished and not known:
                assert "size" in net.unfinished or "shape" in net.unfinished, net.unfinished
                continue
            found = net(x[0])
            if found.ndim == 3 and expected.ndim == 2:
                found = found.ravel()
            assert_allclose(found, expected[0], rtol=0, atol=3e-5 * max(1, np.abs(expected).max()))


def test_every_converter_has_a_case():
    """Gelu and Upsample are of other versions of the operators than the other cases."""
    assert set(CONVERTERS) == set(CASES) | {"Gelu", "Upsample"}


@pytest.mark.parametrize(("op", "opset", "attributes"), [("Gelu", 20, {}), ("Gelu", 20, {"approximate": "tanh"})])
def test_operators_of_other_versions(tmp_path, rng, op, opset, attributes):
    """Gelu is an operator from version 20 on."""
    model = make_model([node(op, ["x"], "y", **attributes)], opset=opset)
    x = rng.normal(size=(1, 3, 8, 9)).astype("f4")
    assert_allclose(read_onnx(save(model, tmp_path / "m.onnx"))(x[0]), outputs_of(model, x)["y"][0], atol=1e-6)


def test_the_old_upsample(tmp_path, rng):
    """Version 9 of the operators; removed in 10."""
    model = make_model([node("Upsample", ["x", "f"], "y")], {"f": number([1, 1, 2, 2])}, opset=9)
    x = rng.normal(size=(1, 3, 8, 9)).astype("f4")
    assert_allclose(read_onnx(save(model, tmp_path / "m.onnx"))(x[0]), x[0].repeat(2, 1).repeat(2, 2))


def residual_model(rng, *, last=(), **facts):
    """A small network with a branch, a batch normalisation, and shape arithmetic before its dense end."""
    constants = {
        "w1": rng.normal(size=(4, 3, 3, 3)).astype("f4"),
        "w2": rng.normal(size=(4, 4, 3, 3)).astype("f4"),
        **{name: rng.uniform(0.5, 1.5, 4).astype("f4") for name in ("s", "b", "m", "v")},
        "zero": number(0, "i8"),
        "minus": number([-1], "i8"),
        "first": number([0], "i8"),
        "d": rng.normal(size=(10, 4)).astype("f4"),
        "e": rng.normal(size=10).astype("f4"),
    }
    nodes = [
        node("Conv", ["x", "w1"], "/stem/Conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["/stem/Conv", "s", "b", "m", "v"], "/stem/bn"),
        node("Relu", ["/stem/bn"], "/stem/relu"),
        node("Conv", ["/stem/relu", "w2"], "/block/Conv", pads=[1, 1, 1, 1]),
        node("Add", ["/block/Conv", "/stem/relu"], "/block/Add"),
        node("GlobalAveragePool", ["/block/Add"], "/pool"),
        node("Shape", ["/pool"], "shape"),
        node("Gather", ["shape", "zero"], "batch"),
        node("Unsqueeze", ["batch", "first"], "batch1"),
        node("Concat", ["batch1", "minus"], "target", axis=0),
        node("Reshape", ["/pool", "target"], "flat"),
        node("Gemm", ["flat", "d", "e"], "/fc/Gemm", transB=1),
        *last,
    ]
    return make_model(nodes, constants, **facts)


def test_a_residual_network_with_folded_shapes(tmp_path, rng):
    """Names of nodes become names of layers; batches give a result for each picture."""
    model = residual_model(rng, shape=("N", 3, "H", "W"))
    net = read_onnx(save(model, tmp_path / "resnet.onnx"))
    assert [layer.name for layer in net.layers] == [
        "stem.Conv", "stem.bn", "stem.relu", "block.Conv", "block.Add", "pool", "flat", "fc.Gemm",
    ]  # fmt: skip
    assert (net.name, net.outputs, net.unfinished) == ("resnet", ("fc.Gemm",), "")
    x = rng.normal(size=(2, 3, 9, 12)).astype("f4")
    expected = [outputs_of(model, picture[None])["/fc/Gemm"][0] for picture in x]
    assert_allclose(net(x), expected, rtol=0, atol=1e-4)
    maps = net.maps(x, ["stem.relu", "block.Add"])
    assert {name: found.shape for name, found in maps.items()} == {"stem.relu": (2, 4, 9, 12), "block.Add": (2, 4, 9, 12)}


def test_a_missing_operator_is_named_and_layers_before_it_work(tmp_path, rng):
    """Also through load_network and the command line."""
    last = [node("Sin", ["/fc/Gemm"], "sin"), node("Relu", ["sin"], "y")]
    net = convcli.load_network(str(save(residual_model(rng, last=last), tmp_path / "m.onnx")))
    with pytest.raises(ArgumentError, match="'sin' .Sin. is an operator that is no layer here; layers before it can"):
        net(np.zeros((3, 8, 9)))
    assert net.maps(np.zeros((3, 8, 9)), ["fc.Gemm"])["fc.Gemm"].shape == (10,)


def test_the_input_of_a_config_is_that_of_the_model(tmp_path, rng, monkeypatch):
    """Its range, mean and deviation; one number is for all channels."""
    save(residual_model(rng, shape=("N", 3, "H", "W")), tmp_path / "m.onnx")
    (tmp_path / "kernels.toml").write_text(
        "[networks.r]\nmodel = 'm.onnx'\nabout = 'a test'\ninput = { range = '0..1', mean = 0.5, std = [1, 2, 4], size = 32 }\n"
    )
    monkeypatch.chdir(tmp_path)
    net = convcli.load_network("r")
    assert net.input == Input(3, (32, 32), (0.0, 1.0), (0.5, 0.5, 0.5), (1.0, 2.0, 4.0))
    assert (net.name, net.about) == ("r", "a test")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("model = 'none.onnx'", "model: .*none.onnx: No such file or directory"),
        ("model = 'm.onnx'\ninput = { channels = 1 }", "takes 3 channels, and its input in the config says 1"),
        ("model = 'm.onnx'\ninput = { mean = [1, 2] }", "takes 3 channels, and its input in the config has 2 in mean"),
        ("model = 'm.onnx'\ninput = { size = 9 }", "takes pictures of 9 x 8 pixels, and its input in the config says another"),
        ("model = 'm.onnx'\nlayers = [{ op = 'relu' }]", "has layers of its own; leave them out, or the model"),
    ],
)
def test_configs_that_do_not_fit_a_model_are_refused(tmp_path, rng, table, message, monkeypatch):
    """At their line of the file."""
    save(residual_model(rng), tmp_path / "m.onnx")
    (tmp_path / "kernels.toml").write_text(f"[networks.r]\n{table}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KernelError, match=message):
        convcli.load_network("r")


def changed(model, change):
    """A model after a change."""
    change(model)
    return model


def external(location, offset=0):
    """A change that moves the first tensor to another file."""

    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", str(offset))):
            tensor.external_data.add(key=key, value=value)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.opset_import[0].__setattr__("version", 99), "operators of version 7 to 26, got 99"),
        (lambda model: model.opset_import[0].__setattr__("version", 3), "operators of version 7 to 26, got 3"),
        (lambda model: model.graph.initializer[0].dims.__setitem__(0, 1 << 40), "'w1' has shape .*, and holds 108 numbers"),
        (lambda model: model.graph.initializer[0].dims.__setitem__(0, -4), "no length may be negative"),
        (lambda model: model.graph.initializer[0].__setattr__("data_type", 77), "'w1' has the unknown type 77"),
        (
            lambda model: model.graph.node[0].input.__setitem__(0, "/block/Add"),
            "takes '/block/Add', which no node before it gives",
        ),
        (lambda model: model.graph.input[0].type.tensor_type.shape.dim.pop(), "maps .N, C, H, W. as input, got 3 axes"),
        (lambda model: model.graph.ClearField("input"), "must have one input, a picture, got 0"),
        (lambda model: model.graph.node[0].__setattr__("domain", "com.x"), "'/stem/Conv' .Conv. is of the domain 'com.x'"),
    ],
)
def test_files_that_lie_are_refused(tmp_path, rng, change, message):
    """By one line that names the file; nothing is allocated."""
    path = save(changed(residual_model(rng), change), tmp_path / "m.onnx")
    with pytest.raises(KernelError, match=f"m.onnx: .*{message}") as caught:
        read_onnx(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\0" * 99, "is not an ONNX file, or is truncated"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "is not an ONNX file, or is truncated"),
        (b"\x08\x07", "is not an ONNX file, or holds no graph"),
        (b"\x08\x07\x3a\xff\xff\xff\xff\x07", "is not an ONNX file, or is truncated"),
        (b"\x3a\x02\xff\xff", "is not a readable ONNX file"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    """By their first bytes."""
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(KernelError, match=message):
        read_onnx(tmp_path / "m.onnx")


def test_two_gigabytes_of_zeros_are_refused_at_once(tmp_path):
    """Only the headers of fields are read: the file is sparse, and its pages would count as memory."""
    import resource

    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate((1 << 31) - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(KernelError, match="is not an ONNX file, or is truncated"):
        read_onnx(tmp_path / "m.onnx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    ("location", "offset", "message"),
    [
        ("../secret.bin", 0, "is in '../secret.bin', outside of the folder of the model"),
        ("/etc/passwd", 0, "outside of the folder of the model"),
        ("link.bin", 0, "outside of the folder of the model"),
        ("", 0, "outside of the folder of the model"),
        ("short.bin", 0, "reaches beyond the end of 'short.bin'"),
        ("data.bin", -8, "reaches beyond the end"),
        ("none.bin", 0, "'none.bin' cannot be read: No such file"),
    ],
)
def test_external_data_are_read_from_the_folder_of_the_model_alone(tmp_path, rng, location, offset, message):
    """Also through links, and not beyond the end of a file."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(432))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "short.bin").write_bytes(bytes(431))
    (folder / "data.bin").write_bytes(bytes(432))
    net = read_onnx(save(changed(residual_model(rng), external(location, offset)), folder / "m.onnx"))
    with pytest.raises(KernelError, match=message):
        net(np.zeros((3, 8, 9)))


def test_external_data(tmp_path, rng):
    """As onnx.save writes them."""
    model = residual_model(rng)
    x = rng.normal(size=(1, 3, 8, 9)).astype("f4")
    expected = outputs_of(model, x)["/fc/Gemm"][0]
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").stat().st_size > 400
    assert_allclose(read_onnx(tmp_path / "m.onnx")(x[0]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE])
def test_weights_of_other_dtypes(tmp_path, rng, dtype):
    """float16 and bfloat16 become float32, without loss."""
    weight = np.array([0.5, -2.0, 1.25]).reshape(1, 3, 1, 1)
    model = make_model([node("Conv", ["x", "w"], "y")], {})
    model.graph.initializer.append(onnx.helper.make_tensor("w", dtype, weight.shape, weight.ravel()))
    x = rng.normal(size=(3, 8, 9)).astype("f4")
    expected = (x * weight[0]).sum(axis=0, keepdims=True)
    assert_allclose(read_onnx(save(model, tmp_path / "m.onnx"))(x), expected, rtol=0, atol=1e-5)


def test_commands_take_a_file_where_a_network_stands(tmp_path, rng, run, samples):
    """run, summary and view; an output that would replace the model is refused."""
    path = save(residual_model(rng, shape=("N", 3, "H", "W")), tmp_path / "m.onnx")
    summary = run("summary", path, "--input", "32x32x3")
    assert summary.status == 0
    assert "block.Add (add)" in summary.out
    result = run("run", path, samples / "astronaut.png", "--tap", "stem.relu", "-o", tmp_path / "maps.npy")
    assert result.status == 0, result.err
    assert np.load(tmp_path / "maps.npy").shape == (4, 512, 512)
    assert run("view", "--network", path, "-o", tmp_path / "v.png").status == 0
    refused = run("run", path, samples / "astronaut.png", "-o", path, "--format", "npy", "--overwrite")
    assert (refused.status, path.stat().st_size > 1000) == (2, True)
    assert run("run", tmp_path / "none.onnx", samples / "astronaut.png", "-o", tmp_path / "x.npy").status == 2
