"""Arrays whose axes may have two orders: an ambiguous array is refused unless the order is given."""

import io
import json

import numpy as np
import pytest
import safetensors.numpy
from numpy.testing import assert_allclose, assert_array_equal

import convcli
from convcli.kernels.weight_layouts import other_layouts


@pytest.fixture
def weights(tmp_path, rng, monkeypatch):
    """A file of arrays in TensorFlow's order and in PyTorch's, in the current folder."""
    monkeypatch.chdir(tmp_path)
    arrays = {
        "tf": rng.normal(size=(3, 3, 3, 4)),
        "conv/kernel:0": rng.normal(size=(3, 3, 3, 4)),
        "torch": rng.normal(size=(8, 3, 5, 5)),
        "same": rng.normal(size=(3, 3, 4, 3)),
        "planes": rng.normal(size=(6, 5, 5)),
        "square": rng.normal(size=(7, 7)),
    }
    np.savez("w.npz", **arrays)
    return arrays


@pytest.mark.parametrize(("shape", "others"), [
    ((3, 3, 3, 4), ("hwio",)), ((3, 3, 3, 3), ("hwio",)), ((5, 5, 3, 64), ("hwio",)), ((3, 3, 64, 64), ("hwio",)),
    ((11, 11, 3, 96), ("hwio",)), ((1, 1, 3, 8), ("hwio",)), ((31, 31, 1, 8), ("hwio",)), ((16, 16, 3, 768), ("hwio",)),
    ((1, 7, 64, 32), ("hwio",)), ((5, 5, 3, 3), ("hwio",)),
    ((64, 3, 7, 7), ()), ((96, 3, 11, 11), ()), ((64, 64, 3, 3), ()), ((6, 1, 5, 5), ()), ((1, 3, 5, 5), ()),
    ((3, 1, 3, 3), ()),
    ((8, 1, 31, 31), ()), ((64, 32, 1, 7), ()), ((512, 512, 1, 1), ()), ((16, 6, 5, 5), ()),
    ((6, 5, 5), ("ihw", "ohw")), ((3, 3, 3), ("ihw", "ohw")), ((5, 5, 3), ()), ((7, 5, 3), ()), ((3, 3), ()), ((3,), ()),
    ((1, 1, 1, 1), ()), ((1, 1, 1), ()),
])  # fmt: skip
def test_ambiguous_shapes_are_recognized(shape, others):
    """Shapes of known layers of TensorFlow and PyTorch are recognized, or reported as ambiguous."""
    assert other_layouts(shape) == others


def test_a_kernel_size_resolves_the_order():
    """A layer that gives the size of its kernel rules out the other order."""
    assert other_layouts((5, 5, 3, 3), size=(3, 3)) == ()
    assert other_layouts((5, 5, 3, 3), size=(5, 5)) == ("hwio",)


def test_both_orders_are_reported(run, weights, samples):
    """Every command that takes weights names both."""
    message = (
        "@w.npz#tf: has shape (3, 3, 3, 4), which may be 3 kernels of 3 x 4 over 3 channels (layout oihw), or 4 kernels of "
        "3 x 3 over 3 channels (layout hwio); say which: @w.npz#tf:layout=hwio, or layout = 'hwio' in a config file"
    )
    for arguments in (
        ["apply", samples / "chelsea.png", "-k", "@w.npz#tf", "-o", "x.npy"],
        ["at", "3,3", samples / "chelsea.png", "-k", "@w.npz#tf"],
        ["kernels", "show", "@w.npz#tf"],
        ["summary", "@w.npz#tf", "--input", "9x9x3"],
    ):
        result = run(*arguments)
        assert (result.status, result.err) == (2, f"Error: {message}\n"), arguments
    assert "(6, 5, 5), which may be a kernel of 6 x 5 over 5 channels (layout hwi), or a kernel of 5 x 5 over 6 channels " in (
        run("kernels", "show", "@w.npz#planes").err
    )


@pytest.mark.parametrize("text", ["@w.npz#tf:layout=hwio", "@w.npz#tf:layout=HWIO", "@w.npz#conv/kernel:0:layout=hwio"])
def test_a_layout_after_the_name_gives_the_order(run, weights, text):
    """Every filter is applied as in TensorFlow, (kh, kw, C)."""
    array = weights[text.removeprefix("@w.npz#").partition(":layout")[0]]
    picture = np.random.default_rng(1).random((9, 8, 3))
    np.save("x.npy", picture)
    assert run("apply", "x.npy", "-k", text, "--padding", "valid", "-o", "y.npy", "-q").status == 0
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3), axis=(0, 1))
    assert_allclose(np.load("y.npy"), np.einsum("yxcij,ijco->oyx", windows, array), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("text", "filter_of"), [
    ("@w.npz#tf:layout=hwio,index=2", lambda w: w["tf"][..., 2]),
    ("@w.npz#torch:index=7", lambda w: np.moveaxis(w["torch"][7], 0, 2)),
    ("@w.npz#planes:index=5,layout=ohw", lambda w: w["planes"][5]),
    ("@w.npz#planes:layout=ihw", lambda w: np.moveaxis(w["planes"], 0, 2)),
])  # fmt: skip
def test_an_index_after_the_name_selects_a_filter(run, weights, text, filter_of):
    """The text gives one kernel, also in a config file."""
    shown = json.loads(run("kernels", "show", text, "--json").out)
    assert_allclose(shown["kernels"][0]["matrix"], filter_of(weights))
    with open("kernels.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f'[banks.b]\nkernels = ["{text}"]\n')
    bank = json.loads(run("kernels", "show", "b", "--config", "kernels.toml", "--json").out)
    assert_allclose(bank["kernels"][0]["matrix"], filter_of(weights))


@pytest.mark.parametrize(("text", "message"), [
    ("@w.npz#torch:index=8", "holds the filters 0 to 7, and index is 8"),
    ("@w.npz#square:index=0", "holds one kernel, not several filters; leave out index"),
    ("@w.npz#torch:index=-1", "index must be a whole number from 0, got '-1'"),
    ("@w.npz#torch:index=1,index=2", "may have layout=AXES and index=N after its name, each once"),
    ("@w.npz#torch:layout=ohwx", "layout must name each axis once, by o, i, h and w, such as oihw or hwio, got 'ohwx'"),
    ("@w.npz#torch:layout=hw", "which the layout 'hw' does not match"),
    ("@w.npz:layout=hwio", "holds 6 arrays"),
])  # fmt: skip
def test_wrong_options_after_the_name_are_refused(run, weights, text, message):
    """The error is one line."""
    result = run("kernels", "show", text)
    assert (result.status, len(result.lines)) == (2, 1)
    assert message in result.err


def test_safetensors_have_the_order_of_pytorch(run, weights):
    """The order of a .safetensors file is not ambiguous."""
    safetensors.numpy.save_file({"tf": weights["tf"]}, "w.safetensors")
    assert "3 kernels, one map each" in run("kernels", "show", "@w.safetensors#tf").out


@pytest.mark.parametrize(("layer", "message"), [
    ("op = 'conv', key = 'tf'", r"@w.npz#tf: has shape (3, 3, 3, 4), which may be 3 kernels of 3 x 4 over 3 channels"),
    ("op = 'conv', key = 'tf', layout = 'HWIO'", ""),
    ("op = 'conv', key = 'tf', size = [3, 4]", ""),
    ("op = 'conv', key = 'torch'", ""),
    ("op = 'transposed', key = 'same'", "(layout iohw), or 4 kernels of 3 x 3 over 3 channels (layout hwoi)"),
    ("op = 'transposed', key = 'tf'", ""),  # read as hwoi it would take 4 channels
    ("op = 'transposed', key = 'tf', layout = 'hwoi'", "groups must divide"),
    ("op = 'pointwise', key = 'square'", "has shape (7, 7, 1, 1), and must have (7, 3, 1, 1)"),
    ("op = 'flatten' }, { op = 'dense', key = 'square'", "(7, 7), which may be 7 kernels of 7 numbers (layout oi), or 7"),
    ("op = 'flatten' }, { op = 'dense', key = 'square', layout = 'io'", ""),
    ("op = 'pointwise', key = 'square', layout = 'OI'", "has shape (7, 7, 1, 1), and must have (7, 3, 1, 1)"),
])  # fmt: skip
def test_ambiguous_weights_of_networks_are_refused(run, weights, layer, message):
    """Weights have the order of their layer, unless a layout is given."""
    with open("kernels.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{{ {layer}, file = 'w.npz' }}]\n")
    result = run("kernels", "check", "kernels.toml")
    if message == "groups must divide":  # hwoi takes 4 channels, and the input has 3
        message = "and must have"
    assert (result.status, message in result.err) == (2 if message else 0, True), result.err


def test_the_input_channels_of_a_layer_resolve_the_order(run, weights):
    """The order that fits the channels of the input is taken."""
    np.savez("v.npz", a=np.ones((1, 1, 3, 3)), b=np.ones((3, 3, 2, 2)), c=np.ones((4, 1, 3, 3)), d=np.ones((8, 8, 4, 4)))
    layers = ["op = 'conv', key = 'a'", "op = 'depthwise', key = 'c'", "op = 'conv', filters = 8, size = 1"]
    layers += ["op = 'transposed', key = 'd'", "op = 'conv', filters = 3, size = 1", "op = 'conv', key = 'b'"]
    files = ("file = 'v.npz', " if "key" in layer else "" for layer in layers)
    text = ", ".join(f"{{ {file}{layer} }}" for file, layer in zip(files, layers, strict=True))
    with open("kernels.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"[networks.n]\ninput = {{ channels = 1 }}\nlayers = [{text}]\n")
    result = run("kernels", "check", "kernels.toml")
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_a_picture_of_planes_needs_axes(run, tmp_path, rng, channels):
    """An array (C, H, W) could be C rows of W channels: it is refused unless --axes is given."""
    array = rng.random((channels, 20, 30)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    kernel = "0 0 0; 0 1 0; 0 0 0"
    refused = run("apply", tmp_path / "x.npy", "-k", kernel, "-o", tmp_path / "y.npy")
    assert (refused.status, len(refused.lines)) == (1, 1)
    assert (
        f"has shape ({channels}, 20, 30), which may be {channels} rows of 20 pixels of 30 channels (--axes YXC), or "
        f"{channels} channels of 20 x 30 (--axes CYX); say which"
    ) in refused.err
    for axes, expected in (("CYX", array.transpose(1, 2, 0)), ("yxc", array)):
        assert run("apply", tmp_path / "x.npy", "-k", kernel, "-o", tmp_path / "y.npy", "--axes", axes, "-q").status == 0
        assert_array_equal(np.load(tmp_path / "y.npy")[0], expected)
    assert run("at", "29,19", tmp_path / "x.npy", "-k", kernel, "--axes", "CYX").status == 0
    wrong = run("apply", tmp_path / "x.npy", "-k", kernel, "-o", tmp_path / "y.npy", "--axes", "YX")
    assert "must have 2 axes, Y X as --axes says, got shape" in wrong.err


def test_axes_hold_for_standard_input_and_networks(run, shell, tmp_path, rng):
    """--axes holds for standard input and for networks."""
    array = rng.random((3, 20, 30)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, array)
    arguments = ["-k", "1", "-o", tmp_path / "y.npy", "--axes", "CYX", "-q"]
    assert shell("apply", "-", *arguments, input=file.getvalue()).returncode == 0
    assert_array_equal(np.load(tmp_path / "y.npy")[0], array.transpose(1, 2, 0))
    np.save(tmp_path / "x.npy", array)
    (tmp_path / "kernels.toml").write_text("[networks.n]\ninput = { channels = 3 }\nlayers = [{ op = 'relu' }]\n")
    arguments = ["-o", tmp_path / "z.npy", "--axes", "CYX", "-q", "--config", tmp_path / "kernels.toml"]
    assert run("run", "n", tmp_path / "x.npy", *arguments).status == 0
    assert_array_equal(np.load(tmp_path / "z.npy"), array)


def test_a_batch_of_one_needs_axes(run, tmp_path, rng):
    """(1, 3, H, W), PyTorch's order, is refused unless --axes is given."""
    array = rng.random((1, 3, 20, 30)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    arguments = ["apply", tmp_path / "x.npy", "-k", "1", "-o", tmp_path / "y.npy", "-q"]
    result = run(*arguments)
    assert (result.status, "3 channels of 20 x 30 (--axes CYX); say which" in result.err) == (1, True)
    assert run(*arguments, "--axes", "CYX").status == 0
    assert_array_equal(np.load(tmp_path / "y.npy")[0], array[0].transpose(1, 2, 0))


@pytest.mark.parametrize("text", ["LAYOUT=hwio,index=2", " layout = hwio , index = 2", "Index=2,Layout=HWIO"])
def test_a_layout_may_have_capitals_and_spaces(tmp_path, rng, text):
    """Upper and lower case and spaces are accepted."""
    weights = rng.random((3, 3, 1, 8))
    np.savez(tmp_path / "w.npz", k=weights)
    assert_array_equal(convcli.kernel(f"@{tmp_path}/w.npz#k:{text}").weights, weights[:, :, 0, 2])


def test_small_arrays_need_no_axes(run, tmp_path, rng):
    """(H, W, 3), a stack of one map, and few columns are read without --axes."""
    for shape, read in (((3, 20, 3), (3, 20, 3)), ((1, 20, 30), (20, 30)), ((20, 30, 5), (20, 30, 5)), ((3, 3, 4), (3, 3, 4))):
        array = rng.random(shape).astype(np.float32)
        np.save(tmp_path / "x.npy", array)
        assert run("apply", tmp_path / "x.npy", "-k", "1", "-o", tmp_path / "y.npy", "-q").status == 0
        assert_array_equal(np.load(tmp_path / "y.npy")[0], array.reshape(read))
