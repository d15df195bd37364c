"""Arrays whose axes may be meant in two orders: neither is taken in silence."""

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
    """A file of arrays in TensorFlow's order and in PyTorch's, and the folder to be in."""
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
def test_which_shapes_may_be_meant_in_two_orders(shape, others):
    """Those of TensorFlow's and PyTorch's known layers are told apart, or asked about."""
    assert other_layouts(shape) == others


def test_a_size_decides():
    """Where a layer says how large its kernel is."""
    assert other_layouts((5, 5, 3, 3), size=(3, 3)) == ()
    assert other_layouts((5, 5, 3, 3), size=(5, 5)) == ("hwio",)


def test_both_readings_are_told(run, weights, samples):
    """By every command that takes weights."""
    told = (
        "@w.npz#tf: has shape (3, 3, 3, 4), which may be 3 kernels of 3 x 4 over 3 channels (layout oihw), or 4 kernels of "
        "3 x 3 over 3 channels (layout hwio); say which: @w.npz#tf:layout=hwio, or layout = 'hwio' in a config file"
    )
    for words in (
        ["apply", samples / "chelsea.png", "-k", "@w.npz#tf", "-o", "x.npy"],
        ["at", "3,3", samples / "chelsea.png", "-k", "@w.npz#tf"],
        ["kernels", "show", "@w.npz#tf"],
        ["summary", "@w.npz#tf", "--input", "9x9x3"],
    ):
        result = run(*words)
        assert (result.status, result.err) == (2, f"Error: {told}\n"), words
    assert "(6, 5, 5), which may be a kernel of 6 x 5 over 5 channels (layout hwi), or a kernel of 5 x 5 over 6 channels " in (
        run("kernels", "show", "@w.npz#planes").err
    )


@pytest.mark.parametrize("text", ["@w.npz#tf:layout=hwio", "@w.npz#tf:layout=HWIO", "@w.npz#conv/kernel:0:layout=hwio"])
def test_a_layout_behind_the_name(run, weights, text):
    """Every filter as TensorFlow slides it, (kh, kw, C)."""
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
def test_an_index_behind_the_name(run, weights, text, filter_of):
    """One kernel, in a config file too."""
    shown = json.loads(run("kernels", "show", text, "--json").out)
    assert_allclose(shown["kernels"][0]["matrix"], filter_of(weights))
    with open("kernels.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f'[banks.b]\nkernels = ["{text}"]\n')
    bank = json.loads(run("kernels", "show", "b", "--config", "kernels.toml", "--json").out)
    assert_allclose(bank["kernels"][0]["matrix"], filter_of(weights))


@pytest.mark.parametrize(("text", "told"), [
    ("@w.npz#torch:index=8", "holds the filters 0 to 7, and index is 8"),
    ("@w.npz#square:index=0", "holds one kernel, not several filters; leave out index"),
    ("@w.npz#torch:index=-1", "index must be a whole number from 0, got '-1'"),
    ("@w.npz#torch:index=1,index=2", "may have layout=AXES and index=N after its name, each once"),
    ("@w.npz#torch:layout=ohwx", "layout must name each axis once, by o, i, h and w, such as oihw or hwio, got 'ohwx'"),
    ("@w.npz#torch:layout=hw", "which the layout 'hw' does not match"),
    ("@w.npz:layout=hwio", "holds 6 arrays"),
])  # fmt: skip
def test_wrong_words_behind_the_name(run, weights, text, told):
    """One line."""
    result = run("kernels", "show", text)
    assert (result.status, len(result.lines)) == (2, 1)
    assert told in result.err


def test_safetensors_are_pytorchs(run, weights):
    """The kind of the file decides."""
    safetensors.numpy.save_file({"tf": weights["tf"]}, "w.safetensors")
    assert "3 kernels, one map each" in run("kernels", "show", "@w.safetensors#tf").out


@pytest.mark.parametrize(("layer", "told"), [
    ("op = 'conv', key = 'tf'", r"@w.npz#tf: has shape (3, 3, 3, 4), which may be 3 kernels of 3 x 4 over 3 channels"),
    ("op = 'conv', key = 'tf', layout = 'HWIO'", ""),
    ("op = 'conv', key = 'tf', size = [3, 4]", ""),
    ("op = 'conv', key = 'torch'", ""),
    ("op = 'transposed', key = 'same'", "(layout iohw), or 4 kernels of 3 x 3 over 3 channels (layout hwoi)"),
    ("op = 'transposed', key = 'tf'", ""),  # whose hwoi would take 4 channels
    ("op = 'transposed', key = 'tf', layout = 'hwoi'", "groups must divide"),
    ("op = 'pointwise', key = 'square'", "has shape (7, 7, 1, 1), and must have (7, 3, 1, 1)"),
    ("op = 'flatten' }, { op = 'dense', key = 'square'", "(7, 7), which may be 7 kernels of 7 numbers (layout oi), or 7"),
    ("op = 'flatten' }, { op = 'dense', key = 'square', layout = 'io'", ""),
    ("op = 'pointwise', key = 'square', layout = 'OI'", "has shape (7, 7, 1, 1), and must have (7, 3, 1, 1)"),
])  # fmt: skip
def test_weights_of_networks(run, weights, layer, told):
    """In the order of their layer, or as they say."""
    with open("kernels.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{{ {layer}, file = 'w.npz' }}]\n")
    result = run("kernels", "check", "kernels.toml")
    if told == "groups must divide":  # 4 channels are asked for, and there are 3
        told = "and must have"
    assert (result.status, told in result.err) == (2 if told else 0, True), result.err


def test_the_channels_that_a_layer_gets_decide(run, weights):
    """Where only one order takes so many."""
    np.savez("v.npz", a=np.ones((1, 1, 3, 3)), b=np.ones((3, 3, 2, 2)), c=np.ones((4, 1, 3, 3)), d=np.ones((8, 8, 4, 4)))
    layers = ["op = 'conv', key = 'a'", "op = 'depthwise', key = 'c'", "op = 'conv', filters = 8, size = 1"]
    layers += ["op = 'transposed', key = 'd'", "op = 'conv', filters = 3, size = 1", "op = 'conv', key = 'b'"]
    files = ("file = 'v.npz', " if "key" in one else "" for one in layers)
    written = ", ".join(f"{{ {file}{one} }}" for file, one in zip(files, layers, strict=True))
    with open("kernels.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"[networks.n]\ninput = {{ channels = 1 }}\nlayers = [{written}]\n")
    result = run("kernels", "check", "kernels.toml")
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_a_picture_of_planes_is_asked_about(run, tmp_path, rng, channels):
    """(C, H, W) was read as C rows of W channels."""
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


def test_axes_of_standard_input_and_of_networks(run, shell, tmp_path, rng):
    """And a picture that is no array has its own."""
    array = rng.random((3, 20, 30)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, array)
    words = ["-k", "1", "-o", tmp_path / "y.npy", "--axes", "CYX", "-q"]
    assert shell("apply", "-", *words, input=file.getvalue()).returncode == 0
    assert_array_equal(np.load(tmp_path / "y.npy")[0], array.transpose(1, 2, 0))
    np.save(tmp_path / "x.npy", array)
    (tmp_path / "kernels.toml").write_text("[networks.n]\ninput = { channels = 3 }\nlayers = [{ op = 'relu' }]\n")
    words = ["-o", tmp_path / "z.npy", "--axes", "CYX", "-q", "--config", tmp_path / "kernels.toml"]
    assert run("run", "n", tmp_path / "x.npy", *words).status == 0
    assert_array_equal(np.load(tmp_path / "z.npy"), array)


def test_a_batch_of_one_is_asked_about_too(run, tmp_path, rng):
    """(1, 3, H, W), as PyTorch has it, was read as 3 rows with a notice."""
    array = rng.random((1, 3, 20, 30)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    words = ["apply", tmp_path / "x.npy", "-k", "1", "-o", tmp_path / "y.npy", "-q"]
    result = run(*words)
    assert (result.status, "3 channels of 20 x 30 (--axes CYX); say which" in result.err) == (1, True)
    assert run(*words, "--axes", "CYX").status == 0
    assert_array_equal(np.load(tmp_path / "y.npy")[0], array[0].transpose(1, 2, 0))


@pytest.mark.parametrize("text", ["LAYOUT=hwio,index=2", " layout = hwio , index = 2", "Index=2,Layout=HWIO"])
def test_spellings_of_a_layout(tmp_path, rng, text):
    """In any case, with blanks."""
    weights = rng.random((3, 3, 1, 8))
    np.savez(tmp_path / "w.npz", k=weights)
    assert_array_equal(convcli.kernel(f"@{tmp_path}/w.npz#k:{text}").weights, weights[:, :, 0, 2])


def test_small_arrays_of_pictures_are_as_they_were(run, tmp_path, rng):
    """(H, W, 3), a stack of one map, and few columns."""
    for shape, read in (((3, 20, 3), (3, 20, 3)), ((1, 20, 30), (20, 30)), ((20, 30, 5), (20, 30, 5)), ((3, 3, 4), (3, 3, 4))):
        array = rng.random(shape).astype(np.float32)
        np.save(tmp_path / "x.npy", array)
        assert run("apply", tmp_path / "x.npy", "-k", "1", "-o", tmp_path / "y.npy", "-q").status == 0
        assert_array_equal(np.load(tmp_path / "y.npy")[0], array.reshape(read))
