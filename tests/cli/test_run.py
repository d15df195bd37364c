"""convcli run: pictures through networks, from the command line to files, against NumPy and SciPy."""

import gc
import json
import re
import shutil
import threading
import tomllib
import weakref

import numpy as np
import PIL.Image
import pytest
import safetensors.numpy
import scipy.ndimage
import scipy.signal
from numpy.testing import assert_allclose, assert_array_equal

import convcli
import naive
from convcli.config import layer_weights, network_spec
from convcli.networks.convolutions import Conv
from convcli.networks.op_registry import OPS
from convcli.pipeline import network_maps
from convcli.pipeline.loaded_network import LoadedNetwork
from nets import network

LUMA = np.array([0.299, 0.587, 0.114])


def edge_energy(grey):
    """The maps of each layer of the built-in network, by SciPy: edges, rectified, pooled, pooled again."""
    directions = ["n", "ne", "e", "se", "s", "sw", "w", "nw"]
    kernels = [convcli.kernel(f"robinson-{direction}").weights for direction in directions]
    edges = np.stack([scipy.ndimage.correlate(grey.astype(float), kernel, mode="mirror") for kernel in kernels])
    maps = {"edges": edges, "rectified": np.maximum(edges, 0)}
    maps["pooled"] = max_pooled(maps["rectified"])
    maps["pooled-again"] = max_pooled(maps["pooled"])
    return maps


def max_pooled(maps):
    """The maximum of each 2 x 2 window, without a last odd row and column."""
    even = maps[:, : maps.shape[1] // 2 * 2, : maps.shape[2] // 2 * 2]
    return even.reshape(len(maps), even.shape[1] // 2, 2, even.shape[2] // 2, 2).max(axis=(2, 4))


def test_every_layer_of_the_built_in_network_can_be_tapped(run, samples, tmp_path):
    """All taps are in one .npz, an array per layer by its name, and one line reports each."""
    out = tmp_path / "maps.npz"
    taps = [argument for name in ("pooled", "edges", "rectified", "pooled-again") for argument in ("--tap", name)]
    result = run("run", "edge-energy", samples / "camera.png", *taps, "-o", out, "--strip")
    assert result.status == 0
    expected = edge_energy(np.asarray(PIL.Image.open(samples / "camera.png")))
    with np.load(out) as arrays:
        assert list(arrays) == list(expected)  # the order is that of the layers
        for name, maps in expected.items():
            assert arrays[name].dtype == np.float32
            assert_allclose(arrays[name], maps, atol=1e-3)
    edges = expected["edges"]
    assert result.lines[0] == f"{out}: edges, 8 maps min {edges.min():.0f}, max {edges.max():.0f}; stored raw"
    assert len(result.lines) == 4


def test_colour_becomes_grey_and_the_last_layer_is_written(run, samples, tmp_path):
    """Colour becomes grey as with --channels gray; without --tap the last layer is written, in .npy as (C, H, W)."""
    out = tmp_path / "maps.npy"
    assert run("run", "edge-energy", samples / "chelsea.png", "-o", out).status == 0
    grey = np.asarray(PIL.Image.open(samples / "chelsea.png")) @ LUMA
    assert_allclose(np.load(out), edge_energy(grey)["pooled-again"], atol=1e-2)


def test_maps_as_pictures_share_one_scale(run, samples, tmp_path):
    """One file per map, named by layer and index; the smallest response of the layer is black, the largest white."""
    out = tmp_path / "maps"
    assert run("run", "edge-energy", samples / "camera.png", "--tap", "edges", "--tap", "pooled", "-o", f"{out}/").status == 0
    expected = edge_energy(np.asarray(PIL.Image.open(samples / "camera.png")))
    assert len(list(out.iterdir())) == 16
    for name in ("edges", "pooled"):
        maps = expected[name]
        levels = np.rint((maps - maps.min()) * 255 / (maps.max() - maps.min()))
        for index in range(8):
            with PIL.Image.open(out / f"camera_{name}-{index}.png") as picture:
                assert picture.mode == "L"
                assert np.abs(np.asarray(picture) - levels[index]).max() <= 1


def test_ranges_templates_and_stacks_are_as_in_apply(run, samples, tmp_path):
    """LO..HI and clip as in apply; {layer} and {index} in a template; one .npy for each of two layers; TIFF pages."""
    camera = samples / "camera.png"
    expected = edge_energy(np.asarray(PIL.Image.open(camera)))["pooled"]
    arguments = ["run", "edge-energy", camera, "--tap", "pooled"]
    assert run(*arguments, "--range", "0..891", "-o", tmp_path / "{layer}" / "{index}.png").status == 0
    with PIL.Image.open(tmp_path / "pooled" / "3.png") as picture:
        assert np.abs(np.asarray(picture) - np.clip(np.rint(expected[3] * 255 / 891), 0, 255)).max() <= 1
    assert run(*arguments, "--range", "clip", "-o", tmp_path / "c{index}.png").status == 0
    with PIL.Image.open(tmp_path / "c3.png") as picture:
        assert_array_equal(np.asarray(picture), np.clip(np.rint(expected[3]), 0, 255))
    assert run(*arguments, "--tap", "edges", "--format", "npy", "-o", f"{tmp_path}/").status == 0
    assert np.load(tmp_path / "camera_edges.npy").shape == (8, 512, 512)
    assert_allclose(np.load(tmp_path / "camera_pooled.npy"), expected, atol=1e-3)
    assert run(*arguments, "-o", tmp_path / "maps.tif").status == 0
    with PIL.Image.open(tmp_path / "maps.tif") as picture:
        assert picture.n_frames == 8


ALL_OPERATIONS = """
[networks.all]
input = { channels = 3, size = [20, 23], range = "-1..1", mean = [0.1, 0.2, 0.3], std = 0.5 }
layers = [
  { op = "conv", file = "w.npz", key = "c1", bias = "b1", stride = 2, padding = "same-upper", dilation = [1, 2] },
  { op = "leaky-relu", slope = 0.1 },
  { op = "conv", file = "w.npz", key = "c2", layout = "hwio", border = "wrap", padding = 1, flip = true, connections = [
    [0, 2], [1], [0, 1, 2, 3],
  ] },
  { op = "max-pool", size = 3, stride = 2, padding = 1, ceil = true },
  { op = "batch-norm", file = "w.npz", key = "scale", bias = "shift", mean = "mean", variance = "variance", epsilon = 1e-3 },
  { op = "transposed", file = "w.npz", key = "t1", bias = "bt", stride = 2, padding = 1, output-padding = [1, 0] },
  { op = "tanh" },
  { op = "depthwise", file = "w.npz", key = "d1", padding = 1 },
  { op = "avg-pool", size = 2, padding = 1, count-padding = false },
  { op = "upsample", factor = [2, 1] },
  { op = "lp-pool", size = [3, 2], stride = 1, padding = [[1, 1], [1, 0]], p = 3 },
  { op = "pointwise", file = "w.npz", key = "p1", groups = 2 },
  { op = "square" },
  { op = "affine", file = "w.npz", key = "scale2", bias = "shift2" },
  { op = "local-response-norm", size = 3, alpha = 0.3, beta = 0.5, k = 2 },
  { op = "separable", file = "w.npz", key = "s1", pointwise = "s2", bias = "bs", padding = 1 },
  { op = "abs" },
  { op = "sigmoid" },
  { op = "flatten" },
  { op = "dense", file = "w.npz", key = "fc", layout = "io", bias = "bf" },
  { op = "relu" },
  { op = "rbf", file = "w.npz", key = "patterns" },
  { op = "softmax" },
]
"""


def weights(rng):
    """Random arrays for ALL_OPERATIONS."""
    shapes = {"c1": (4, 3, 3, 2), "b1": (4,), "c2": (3, 3, 4, 3), "t1": (3, 2, 3, 4), "bt": (2,), "d1": (2, 1, 3, 3),
              "p1": (4, 1, 1, 1), "s1": (4, 1, 3, 3), "s2": (5, 4), "bs": (5,), "patterns": (3, 7), "bf": (7,)}  # fmt: skip
    shapes |= {"scale": (3,), "shift": (3,), "mean": (3,), "scale2": (4,), "shift2": (4,)}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return arrays | {"variance": rng.uniform(0.5, 2, 3)}


def oracle_maps(x, w):
    """The maps of some layers of ALL_OPERATIONS, in float64, by the oracles."""
    maps = {}
    x = naive.conv2d(x[None], w["c1"], w["b1"], stride=(2, 2), pads=((0, 1), (1, 1)), dilation=(1, 2))[0]
    x = np.where(x > 0, x, 0.1 * x)
    dense = w["c2"].transpose(3, 2, 0, 1) * np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 1, 1]])[:, :, None, None]
    x = naive.conv2d(x[None], dense, np.zeros(3), pads=((1, 1), (1, 1)), border="wrap", flip=True)[0]
    maps["conv2"] = x
    rows, columns = (naive.windows(n, 3, 2, (1, 1), 1, True) for n in x.shape[1:])
    x = naive.pool(x, rows, columns, lambda samples, count: samples.max())
    maps["max-pool1"] = x
    w_ = {name: array[:, None, None] for name, array in w.items() if array.ndim == 1}
    x = (x - w_["mean"]) / np.sqrt(w_["variance"] + 1e-3) * w_["scale"] + w_["shift"]
    x = naive.conv_transpose2d(x[None], w["t1"], w["bt"], (2, 2), ((1, 1), (1, 1)), (1, 0), (1, 1))[0]
    maps["transposed1"] = x
    x = np.tanh(x)
    x = naive.conv2d(x[None], w["d1"], np.zeros(2), groups=2, pads=((1, 1), (1, 1)))[0]
    rows, columns = (naive.windows(n, 2, 2, (1, 1), 1, False) for n in x.shape[1:])
    x = naive.pool(x, rows, columns, lambda samples, count: samples.mean())
    x = x.repeat(2, axis=1)
    maps["upsample1"] = x
    rows, columns = (
        naive.windows(n, k, 1, pads, 1, False) for n, k, pads in zip(x.shape[1:], (3, 2), ((1, 1), (1, 0)), strict=True)
    )
    x = naive.pool(x, rows, columns, lambda samples, count: naive.lp_norm(samples, 3))
    maps["lp-pool1"] = x
    x = (naive.conv2d(x[None], w["p1"], np.zeros(4), groups=2)[0]) ** 2 * w_["scale2"] + w_["shift2"]
    maps["affine1"] = x
    squares = np.pad(x**2, ((1, 1), (0, 0), (0, 0)))
    x = x / (2 + 0.3 / 3 * (squares[:-2] + squares[1:-1] + squares[2:])) ** 0.5
    x = naive.conv2d(x[None], w["s1"], np.zeros(4), groups=4, pads=((1, 1), (1, 1)))[0]
    x = np.tensordot(w["s2"], x, 1) + w_["bs"]
    maps["separable1"] = x
    x = 1 / (1 + np.exp(-np.abs(x))).reshape(-1)
    x = np.maximum(x @ w["fc"] + w["bf"], 0)
    maps["relu1"] = x
    x = ((x - w["patterns"]) ** 2).sum(axis=1)
    maps["rbf1"] = x
    maps["softmax1"] = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
    return maps


TESTED_ELSEWHERE = {
    "global-avg-pool", "global-max-pool", "adaptive-avg-pool", "adaptive-max-pool", "pad", "resize", "pixel-shuffle",
    "elu", "gelu", "silu", "hard-swish", "hard-sigmoid", "clip", "prelu", "erf", "scale", "scaled-tanh", "instance-norm",
    "concat", "add", "multiply",
}  # fmt: skip
"""Operations that are compared with the reference of ONNX, in tests/ops/test_onnx_operators.py and tests/models."""


def test_every_operation_equals_the_oracle(run, samples, tmp_path, rng):
    """A network with all operations, with weights in a file, equals the oracles layer by layer."""
    used = {layer["op"] for layer in tomllib.loads(ALL_OPERATIONS)["networks"]["all"]["layers"]}
    assert used == set(OPS) - TESTED_ELSEWHERE
    parameters = weights(rng) | {"fc": rng.normal(size=(560, 7)) / 20}
    np.savez(tmp_path / "w.npz", **parameters)
    (tmp_path / "all.toml").write_text(ALL_OPERATIONS)
    photo = np.asarray(PIL.Image.open(samples / "chelsea.png"))[100:120, 200:223]
    PIL.Image.fromarray(photo).save(tmp_path / "photo.png")
    x = (photo.transpose(2, 0, 1) / 127.5 - 1 - np.array([0.1, 0.2, 0.3])[:, None, None]) / 0.5
    expected = oracle_maps(x, parameters)
    taps = [argument for name in expected for argument in ("--tap", name)]
    result = run("run", "all", tmp_path / "photo.png", "--config", tmp_path / "all.toml", *taps, "-o", tmp_path / "maps.npz")
    assert result.status == 0, result.err
    with np.load(tmp_path / "maps.npz") as outputs:
        for name, maps in expected.items():
            shape = maps.shape if maps.ndim == 3 else (1, maps.size)
            assert outputs[name].shape == shape, name
            assert_allclose(outputs[name], maps.reshape(shape), rtol=2e-3, atol=2e-3 * np.abs(maps).max(), err_msg=name)


def test_float64_arrays_are_computed_in_float64(run, tmp_path, rng):
    """An .npy of float64 keeps its precision; floats without a white level are not scaled."""
    np.save(tmp_path / "x.npy", rng.normal(size=(9, 9)))
    (tmp_path / "n.toml").write_text(
        "[networks.n]\ninput = { channels = 1, range = '0..1' }\n"
        "layers = [{ op = 'conv', kernel = 'gaussian' }, { op = 'tanh' }]"
    )
    assert run("run", "n", tmp_path / "x.npy", "--config", tmp_path / "n.toml", "-o", tmp_path / "y.npy").status == 0
    kernel = convcli.kernel("gaussian").weights
    expected = np.tanh(naive.correlate(np.load(tmp_path / "x.npy"), kernel))
    assert np.load(tmp_path / "y.npy").dtype == np.float64
    assert_allclose(np.load(tmp_path / "y.npy")[0], expected, atol=1e-14)


def test_kernels_are_summed_over_channels_or_applied_to_each(run, samples, tmp_path):
    """In a conv layer a (kh, kw) kernel is summed over the channels; in a depthwise layer it gives a map per channel."""
    layers = {
        "sum": "op = 'conv', bank = 'compass', padding = 'same', border = 'edge'",
        "each": "op = 'depthwise', bank = 'compass', stride = 2",
        "anchored": "op = 'depthwise', kernel = 'roberts-1', padding = 'same'",
    }
    tables = (f"[networks.{name}]\ninput = {{ channels = 3 }}\nlayers = [{{ {layer} }}]\n" for name, layer in layers.items())
    (tmp_path / "n.toml").write_text("".join(tables))
    photo = np.asarray(PIL.Image.open(samples / "chelsea.png"))
    kernels = convcli.kernel("compass").weights
    for name in ("sum", "each", "anchored"):
        arguments = ["run", name, samples / "chelsea.png", "--config", tmp_path / "n.toml", "-o", tmp_path / f"{name}.npy"]
        assert run(*arguments).status == 0
    summed = [convcli.filter2d(photo, np.repeat(kernel[:, :, None], 3, axis=2), border="edge") for kernel in kernels]
    assert_allclose(np.load(tmp_path / "sum.npy"), summed, atol=1e-3)
    each = [convcli.filter2d(photo[:, :, c], kernel, padding="valid", stride=2) for c in range(3) for kernel in kernels]
    assert_allclose(np.load(tmp_path / "each.npy"), each, atol=1e-3)
    arguments = ["apply", samples / "chelsea.png", "-k", "roberts-1", "--border", "zero", "-o", tmp_path / "r.npy"]
    assert run(*arguments).status == 0
    assert_allclose(np.load(tmp_path / "anchored.npy"), np.load(tmp_path / "r.npy")[0].transpose(2, 0, 1), atol=1e-3)


def test_alpha_is_composed_over_black(run, tmp_path, rng):
    """Colours are multiplied by alpha, and a notice reports it."""
    pixels = rng.integers(0, 256, (9, 9, 4), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    result = run("run", "edge-energy", tmp_path / "x.png", "--tap", "edges", "-o", tmp_path / "y.npy")
    assert result.status == 0
    assert result.lines[0] == f"{tmp_path}/x.png: alpha: the network sees the picture before black"
    grey = (pixels[:, :, :3] * (pixels[:, :, 3:] / 255)) @ LUMA
    assert_allclose(np.load(tmp_path / "y.npy"), edge_energy(grey)["edges"], atol=1e-2)


SMALL = """
[networks.small]
input = { channels = 1, size = [16, 12] }
layers = [{ op = "conv", name = "c", kernel = "blur" }]
"""


def test_a_picture_of_another_size_is_refused_or_resized(run, samples, tmp_path):
    """One line with both sizes, status 1; --resize resizes as Pillow does."""
    (tmp_path / "n.toml").write_text(SMALL)
    arguments = ["run", "small", samples / "camera.png", "--config", tmp_path / "n.toml", "-o", tmp_path / "y.npy"]
    result = run(*arguments)
    assert result.status == 1
    assert result.lines == [
        f"Error: {samples}/camera.png: network 'small' takes pictures of 12 x 16 pixels, and gets 512 x 512; resize it, or let "
        "--resize do so"
    ]
    assert not (tmp_path / "y.npy").exists()
    assert run(*arguments, "--resize").status == 0
    with PIL.Image.open(samples / "camera.png") as picture:
        small = np.asarray(picture.convert("F").resize((12, 16), PIL.Image.Resampling.BILINEAR))
    blur = convcli.kernel("blur").weights
    assert_allclose(np.load(tmp_path / "y.npy")[0], naive.correlate(small, blur), atol=1e-3)


@pytest.mark.parametrize(("arguments", "message"), [
    (["alexnet", "-o", "x.npy"], "network 'alexnet' can be counted, but not run: layer 'conv1' has no weights"),
    (["alexnt", "-o", "x.npy"], "network 'alexnt' is unknown; did you mean 'alexnet'?"),
    (["edge-energy", "--tap", "edge", "-o", "x.npy"], "network 'edge-energy' has no layer 'edge'; did you mean 'edges'?"),
    (["edge-energy", "--tap", "zzz", "-o", "x.npy"], "no layer 'zzz'; there are edges, rectified, pooled, pooled-again"),
    (["edge-energy", "-o", "x.png"], "png holds one feature map, and there are 8; "),
    (["edge-energy", "--tap", "edges", "--tap", "pooled", "-o", "x.npy"],
     "npy holds the maps of one layer, and there are 2: edges, pooled; write .npz, or give a folder or a template with"),
    (["edge-energy", "-o", "{kernel}.png"], "{kernel} is unknown; there are {stem} {ext} {name} {parent} {relpath} {frame}"),
    (["edge-energy", "--in-place"], "--in-place writes one map per picture, got 8"),
    (["edge-energy"], "Missing option '-o'"),
])  # fmt: skip
def test_wrong_usage_is_one_line(run, samples, arguments, message):
    """One line, status 2, before a picture is read."""
    result = run("run", arguments[0], samples / "camera.png", *arguments[1:])
    assert result.status == 2
    assert len(result.lines) == 1
    assert message in result.err


def test_layers_before_one_without_weights_can_be_tapped(run, samples, tmp_path):
    """Only layers up to the last tap need weights."""
    (tmp_path / "n.toml").write_text(
        "[networks.n]\ninput = { channels = 1 }\nlayers = [{ op = 'conv', kernel = 'blur', name = 'a' }, "
        "{ op = 'conv', filters = 2, size = 3, name = 'b' }]"
    )
    arguments = ["run", "n", samples / "camera.png", "--config", tmp_path / "n.toml", "-o", tmp_path / "y.npy"]
    assert run(*arguments, "--tap", "a").status == 0
    result = run(*arguments)
    assert (result.status, len(result.lines)) == (2, 1)
    assert "layer 'b' has no weights" in result.err


def test_memory_is_checked_before_it_is_allocated(run, samples, tmp_path):
    """Memory of maps is estimated from the header of a picture, memory of weights from their headers."""
    arguments = ["run", "edge-energy", samples / "camera.png", "-o", tmp_path / "y.npy", "--max-memory"]
    result = run(*arguments, "1M")
    assert result.status == 1
    assert "takes about 17 MB of memory with its maps, and 999 kB may be taken; raise that with --max-memory" in result.err
    assert run(*arguments, "30M").status == 0
    np.save(tmp_path / "w.npy", np.zeros((1000, 500)))
    (tmp_path / "n.toml").write_text(
        "[networks.n]\ninput = { channels = 1 }\nlayers = [{ op = 'flatten' }, { op = 'dense', file = 'w.npy' }]"
    )
    arguments = ["run", "n", samples / "camera.png", "--config", tmp_path / "n.toml", "-o", tmp_path / "y.npy"]
    result = run(*arguments, "--max-memory", "1M")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "the weights of network 'n' take 4 MB of memory, and 1 MB may be taken" in result.err


def test_changed_taps_and_weights_make_an_output_again(run, samples, tmp_path):
    """--skip-existing recognizes another tap, network and weights; --json and a dry run report the layers."""
    config = tmp_path / "n.toml"
    np.save(tmp_path / "w.npy", np.ones((2, 1, 3, 3)))
    config.write_text("[networks.n]\ninput = { channels = 1 }\nlayers = [{ op = 'conv', file = 'w.npy', name = 'c' }]")
    arguments = ["run", "n", samples / "camera.png", "--config", config, "-o", tmp_path / "y.npz", "--skip-existing", "--json"]
    first, second = run(*arguments), run(*arguments)
    line = json.loads(first.out.splitlines()[0])
    assert (line["status"], line["outputs"][0]["map"], line["outputs"][0]["shape"]) == ("done", "c", [510, 510, 1])
    assert json.loads(second.out.splitlines()[0])["status"] == "skipped"
    np.save(tmp_path / "w.npy", np.full((2, 1, 3, 3), 2.0))
    assert json.loads(run(*arguments).out.splitlines()[0])["status"] == "done"
    config.write_text(config.read_text().replace("name = 'c'", "name = 'c', stride = 2"))
    assert json.loads(run(*arguments).out.splitlines()[0])["outputs"][0]["shape"] == [255, 255, 1]
    planned = run(*arguments[:5], "-o", tmp_path / "z.npz", "-n")
    assert planned.out.splitlines()[0].endswith(f"{tmp_path}/z.npz (255 x 255) c-0, raw")
    assert not (tmp_path / "z.npz").exists()


def test_a_bad_picture_of_a_batch_fails_alone(run, shell, samples, tmp_path):
    """A bad picture fails alone, status 1; standard input and output."""
    (tmp_path / "bad.png").write_bytes(b"no picture")
    arguments = ["run", "edge-energy", samples / "camera.png", tmp_path / "bad.png", samples / "horse.png"]
    result = run(*arguments, "-o", f"{tmp_path}/{{stem}}_{{layer}}.npy", "-j", "2")
    assert result.status == 1
    assert result.lines[-1] == "1 of 3 inputs failed, 2 done"
    assert np.load(tmp_path / "horse_pooled-again.npy").ndim == 3
    with (samples / "camera.png").open("rb") as file:
        piped = shell("run", "edge-energy", "-", "--format", "npy", "-o", "-", stdin=file)
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "camera_pooled-again.npy").read_bytes()


def test_weights_are_loaded_once_for_all_pictures(run, samples, tmp_path, monkeypatch):
    """With any number of threads. They are read-only, as a layer that wrote to them would change later pictures."""
    loads = []

    def load(*arguments):
        loads.append(arguments)
        return layer_weights.load_tensor(*arguments)

    monkeypatch.setattr(network_spec, "load_tensor", load)
    np.save(tmp_path / "w.npy", np.ones((2, 1, 3, 3)))
    pictures = [tmp_path / f"{name}.png" for name in "abc"]
    for picture in pictures:
        PIL.Image.open(samples / "camera.png").crop((0, 0, 40, 30)).save(picture)
    (tmp_path / "n.toml").write_text("[networks.n]\ninput = { channels = 1 }\nlayers = [{ op = 'conv', file = 'w.npy' }]")
    assert run("run", "n", *pictures, "--config", tmp_path / "n.toml", "-o", f"{tmp_path}/out/", "-j", "2").status == 0
    assert len(loads) == 1
    model = LoadedNetwork(network(tmp_path, ["{ op = 'conv', file = 'w.npy' }"]))
    array = model.load()["conv1"]["weight"]
    assert model.load()["conv1"]["weight"] is array
    assert not array.flags.writeable


def test_pictures_run_concurrently_and_are_released(run, samples, tmp_path, monkeypatch):
    """Two pictures are in a layer at the same time; none is referenced after the run."""
    barrier, references = threading.Barrier(2), []
    original = Conv.run

    def wait_and_run(self, *arguments):
        barrier.wait(30)
        return original(self, *arguments)

    class Watched(network_maps.NetworkMaps):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            references.append(weakref.ref(self))

    monkeypatch.setattr(Conv, "run", wait_and_run)
    monkeypatch.setattr(network_maps, "NetworkMaps", Watched)
    for name in "ab":
        shutil.copy(samples / "camera.png", tmp_path / f"{name}.png")
    arguments = ["run", "edge-energy", tmp_path / "a.png", tmp_path / "b.png", "-o", f"{tmp_path}/out/", "-j", "2"]
    assert run(*arguments).status == 0
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_kernels_of_different_sizes_in_one_layer_equal_apply(run, samples, tmp_path):
    """Each map equals that of apply: smaller kernels, and those with an anchor, have the same position.

    An even kernel without an anchor would be between two pixels if it is dilated, or beside them if it is rotated.
    """
    mixed = "['gabor:theta=30', 'blur', { matrix = [[1, 2, 3]], anchor = [0, 0], name = 'row' }"
    for name, keys, options in (("n", "", []), ("m", "flip = true, dilation = 2", ["--flip", "--dilation", "2"])):
        kernels = mixed + ("]" if keys else ", 'roberts-1']")
        (tmp_path / "n.toml").write_text(
            f"[banks.mixed]\nkernels = {kernels}\n[networks.{name}]\ninput = {{ channels = 1 }}\n"
            f"layers = [{{ op = 'conv', bank = 'mixed', padding = 'same', border = 'wrap'{', ' * bool(keys)}{keys} }}]"
        )
        config = ["--config", tmp_path / "n.toml"]
        assert run("run", name, samples / "camera.png", *config, "-o", tmp_path / "y.npy").status == 0
        options = ["-k", "mixed", "--border", "wrap", *options, "--method", "direct"]
        assert run("apply", samples / "camera.png", *options, *config, "-o", tmp_path / "z.npy").status == 0
        assert_allclose(np.load(tmp_path / "y.npy"), np.load(tmp_path / "z.npy"), atol=2e-3)
    (tmp_path / "n.toml").write_text((tmp_path / "n.toml").read_text().replace("'row' }", "'row' }, 'roberts-1'"))
    result = run("run", "m", samples / "camera.png", *config, "-o", tmp_path / "y.npy")
    assert result.status == 2
    assert "'mixed' holds kernels of different sizes, and 'roberts-1' has an even side; give it an anchor" in result.err


def run_layers(run, tmp_path, layers, picture, *options, channels=1):
    """Run a network of these layers on a picture. Return the maps and the result."""
    (tmp_path / "n.toml").write_text(f"[networks.n]\ninput = {{ channels = {channels} }}\nlayers = [{layers}]")
    result = run("run", "n", picture, "--config", tmp_path / "n.toml", "-o", tmp_path / "y.npy", *options)
    return (np.load(tmp_path / "y.npy") if result.status == 0 else None), result


def test_tensor_kernels_are_filters_of_a_layer(run, samples, tmp_path):
    """A bank of (kh, kw, C) kernels is a layer of such filters; grey is repeated in three channels."""
    bank = "{ op = 'conv', bank = 'b', padding = 'same', border = 'reflect' }]\n[banks.b]\nkernels = ["
    kernels = "{ name = 'a', tensor = [[[1, 2, 3], [0, -1, 4]]] }, { name = 'c', tensor = [[[5, 0, 0], [0, 0, 7]]] }"
    maps, _ = run_layers(run, tmp_path, bank + kernels, samples / "chelsea.png", channels=3)
    photo = np.asarray(PIL.Image.open(samples / "chelsea.png"))
    tensors = np.array([[[[1, 2, 3], [0, -1, 4]]], [[[5, 0, 0], [0, 0, 7]]]], float)
    assert_allclose(maps, [convcli.filter2d(photo, tensor) for tensor in tensors], atol=1e-3)
    maps, _ = run_layers(run, tmp_path, bank + kernels, samples / "camera.png", channels=3)
    grey = np.repeat(np.asarray(PIL.Image.open(samples / "camera.png"))[:, :, None], 3, axis=2)
    assert_allclose(maps, [convcli.filter2d(grey, tensor) for tensor in tensors], atol=1e-3)


def test_an_anchor_in_a_layer_equals_apply(run, samples, tmp_path):
    """A layer places a kernel as apply does."""
    kernel = "]\n[kernels.k]\nmatrix = [[1, 2, 3]]\nanchor = [0, 2"
    layers = "{ op = 'conv', kernel = 'k', padding = 'same', border = 'reflect' }" + kernel
    maps, _ = run_layers(run, tmp_path, layers, samples / "camera.png")
    arguments = ["apply", samples / "camera.png", "-k", "k", "--config", tmp_path / "n.toml", "-o", tmp_path / "z.npy"]
    assert run(*arguments).status == 0
    assert_array_equal(maps, np.load(tmp_path / "z.npy"))


def test_softmax_of_maps_is_over_the_channels(run, samples, tmp_path):
    """The maps add up to 1 at each pixel."""
    layers = "{ op = 'conv', bank = 'compass' }, { op = 'softmax' }"
    maps, _ = run_layers(run, tmp_path, layers, samples / "camera.png")
    assert_allclose(maps.sum(axis=0), 1, atol=1e-5)


def test_layers_after_the_last_tap_need_not_fit(run, samples, tmp_path):
    """Layers after it are not run."""
    layers = "{ op = 'relu', name = 'a' }, { op = 'max-pool', size = 600 }"
    assert run_layers(run, tmp_path, layers, samples / "camera.png", "--tap", "a")[0].shape == (1, 512, 512)


@pytest.mark.parametrize("padding", ["[2, 1]", "[[0, 1], [2, 3]]", "'2x1'", "1"])
def test_every_form_of_padding_is_accepted(run, samples, tmp_path, padding):
    """Of a convolution and of a pool."""
    layers = f"{{ op = 'conv', kernel = 'blur', padding = {padding} }}, {{ op = 'max-pool', size = 5, padding = {padding} }}"
    maps, _ = run_layers(run, tmp_path, layers, samples / "camera.png", "--max-pixels", "300000")
    pads = {"[2, 1]": (2, 1), "[[0, 1], [2, 3]]": ((0, 1), (2, 3)), "'2x1'": (2, 1), "1": 1}[padding]
    photo = np.asarray(PIL.Image.open(samples / "camera.png"))[None]
    blurred = convcli.conv2d(photo, convcli.kernel("blur").weights[None, None], padding=pads)
    assert_allclose(maps, convcli.max_pool2d(blurred, 5, padding=pads), atol=1e-3)


def test_connections_limit_the_channels_of_kernels(run, samples, tmp_path):
    """A kernel is applied to the connected channels of its filter only; summary counts the same."""
    layers = "{ op = 'conv', bank = 'b', connections = [[2, 0], [1]] }]\n[banks.b]\nkernels = ['blur', 'sobel-x'"
    maps, _ = run_layers(run, tmp_path, layers, samples / "chelsea.png", channels=3)
    photo = np.asarray(PIL.Image.open(samples / "chelsea.png"))
    blur, edges = (convcli.kernel(name).weights for name in ("blur", "sobel-x"))
    first = convcli.filter2d(photo, blur, padding="valid")
    assert_allclose(maps[0], first[:, :, 0] + first[:, :, 2], atol=1e-3)
    assert_allclose(maps[1], convcli.filter2d(photo[:, :, 1], edges, padding="valid"), atol=1e-3)
    (layer,) = json.loads(run("summary", "n", "--config", tmp_path / "n.toml", "--input", "20x20x3", "--json").out)["layers"]
    assert (layer["weights"], layer["multiply_adds"]) == (18, 18 * 18 * 27)


def test_connections_may_be_in_any_order(run, samples, tmp_path):
    """The weight for a channel is that of the file, in whatever order the channels are listed."""
    weight = np.array([[10, 1], [3, 4], [5, 6]], float)[:, :, None, None]
    np.save(tmp_path / "w.npy", weight)
    layers = "{ op = 'conv', bank = 'two' }, { op = 'conv', file = 'w.npy', connections = [[1, 0], [1], [0]] }]\n"
    layers += "[banks.two]\nkernels = [{ name = 'a', matrix = [[1]] }, { name = 'b', matrix = [[5]] }"
    maps, _ = run_layers(run, tmp_path, layers, samples / "camera.png")
    photo = np.asarray(PIL.Image.open(samples / "camera.png")).astype(float)
    assert_allclose(maps, [photo * 15, photo * 20, photo * 5])


@pytest.mark.parametrize(("layers", "options", "status", "message"), [
    ("{ op = 'upsample', factor = 9 }", ["--max-pixels", "300000"], 1,
     "a map of 4608 x 4608 pixels is beyond the limit of 300000; raise it with --max-pixels"),
    ("{ op = 'conv', kernel = 'k' }]\n[kernels.k]\nmatrix = [[1]]\noffset = 3\ntags = [", [], 2,
     "'k' adds an offset to its response, which the kernel of a layer cannot"),
    ("{ op = 'conv', file = 'nan.npy', name = 'c' }", [], 2, "network 'n': layer 'c': @"),
    ("{ op = 'conv', file = 'nan.npy' }", [], 2, "nan.npy: must hold finite numbers"),
    ("{ op = 'depthwise', multiplier = 65535, kernel = 'blur' }", [], 2, "says multiplier = 65535, and blur has 1"),
    ("{ op = 'upsample', factor = 65535 }, { op = 'upsample', factor = 65535 }, { op = 'max-pool', size = 2 }", [], 2,
     "layer 'upsample2' after 'upsample1', which gives 67107840 x 67107840 x 1: would give "),
    ("{ op = 'separable', file = 'nan.npy' }", [], 2, "layers[0]: must name its pointwise, an array of the file"),
    ("{ op = 'batch-norm', file = 'nan.npy', mean = 'm' }", [], 2, "layers[0]: must name its variance, an array of the file"),
    ("{ op = 'conv', file = 'text.npy' }", [], 2, "text.npy: is not a readable .npy file"),
    ("{ op = 'conv', file = 'huge.npy' }", [], 2, "has shape (40000, 1, 100, 100), more than the limit of 1073741824 bytes"),
])  # fmt: skip
def test_impossible_layers_are_refused(run, samples, tmp_path, layers, options, status, message):
    """Maps too large, kernels that a layer cannot use, invalid weights: one line, nothing written."""
    np.save(tmp_path / "nan.npy", np.full((1, 1, 3, 3), np.nan))
    (tmp_path / "text.npy").write_text("no array")
    header = {"descr": "<f8", "fortran_order": False, "shape": (40000, 1, 100, 100)}
    with (tmp_path / "huge.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    _, result = run_layers(run, tmp_path, layers, samples / "camera.png", *options)
    assert (result.status, len(result.lines)) == (status, 1), result.err
    assert message in result.err
    assert not (tmp_path / "y.npy").exists()


def test_a_picture_with_other_channels_is_refused(run, tmp_path):
    """Two channels are neither grey nor colour."""
    np.save(tmp_path / "x.npy", np.zeros((9, 9, 2)))
    _, result = run_layers(run, tmp_path, "{ op = 'relu' }", tmp_path / "x.npy", channels=3)
    assert result.status == 1
    assert "network 'n' takes 3 channels, and the picture has 2" in result.err


def test_integer_weights_keep_all_their_digits(run, tmp_path):
    """They are read as float64, and computed in float64 if the picture is."""
    np.save(tmp_path / "w.npy", np.array([[[[2**40 + 1]]]]))
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    maps, _ = run_layers(run, tmp_path, "{ op = 'conv', file = 'w.npy' }", tmp_path / "x.npy")
    assert maps[0, 0, 0] == 2**40 + 1


def test_a_network_is_refused_as_a_kernel(run, samples, tmp_path):
    """The error of apply names the network."""
    result = run("apply", samples / "camera.png", "-k", "alexnet", "-o", tmp_path / "y.png")
    assert result.status == 2
    assert "'alexnet' is a network, which is no kernel; see convcli summary alexnet" in result.err


def test_floats_and_resizing_are_reported(run, tmp_path, rng):
    """Notices report floats without a white level, and resizing in float32."""
    np.save(tmp_path / "x.npy", rng.normal(size=(9, 9)))
    (tmp_path / "n.toml").write_text(
        "[networks.n]\ninput = { channels = 1, size = 4, range = '0..1' }\nlayers = [{ op = 'conv', kernel = 'identity' }]"
    )
    arguments = ["run", "n", tmp_path / "x.npy", "--config", tmp_path / "n.toml", "-o", tmp_path / "y.npy", "--resize"]
    result = run(*arguments)
    assert result.status == 0
    notices = ["numbers without a known white are taken as they are, in no range", "resized in float32"]
    assert result.lines[:2] == [f"{tmp_path}/x.npy: {notice}" for notice in notices]
    assert np.load(tmp_path / "y.npy").dtype == np.float64


def test_names_of_many_maps_sort(run, samples, tmp_path):
    """The index has as many digits as the last one."""
    (tmp_path / "n.toml").write_text(
        "[banks.b]\ngenerator = 'gaussian'\ngrid = { sigma = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5] }\n"
        "[networks.n]\ninput = { channels = 1 }\nlayers = [{ op = 'conv', bank = 'b', name = 'c' }]"
    )
    arguments = ["run", "n", samples / "camera.png", "--config", tmp_path / "n.toml", "-o", f"{tmp_path}/out/", "-q"]
    assert run(*arguments).status == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"camera_c-{index:02}.png" for index in range(11)]


def test_a_constant_border_holds_for_each_channel(run, samples, tmp_path):
    """Each channel has it as border."""
    layers = "{ op = 'conv', kernel = 'blur', padding = 2, border = 100 }"
    maps, _ = run_layers(run, tmp_path, layers, samples / "chelsea.png", channels=3)
    photo = np.asarray(PIL.Image.open(samples / "chelsea.png")).transpose(2, 0, 1)
    kernel = np.repeat(convcli.kernel("blur").weights[None, None], 3, axis=1)
    assert_allclose(maps, convcli.conv2d(photo, kernel, padding=2, border=100), atol=1e-2)


@pytest.mark.parametrize("op", ["conv", "conv of many maps", "depthwise", "separable", "kernel"])
def test_the_border_linear_ramp_equals_numpy_pad(run, samples, tmp_path, rng, op):
    """In every layer with a border, by NumPy's name, equal to NumPy's padding."""
    w = {"k": rng.normal(size=(2, 3, 5, 4)), "m": rng.normal(size=(8, 3, 3, 3)), "d": rng.normal(size=(6, 1, 3, 3))}
    w["p"] = rng.normal(size=(4, 6))
    np.savez(tmp_path / "w.npz", **w)
    image = np.asarray(PIL.Image.open(samples / "chelsea.png"))[:31, :42]
    PIL.Image.fromarray(image).save(tmp_path / "a.png")
    sources = {
        "conv": "op = 'conv', file = 'w.npz', key = 'k'",
        "conv of many maps": "op = 'conv', file = 'w.npz', key = 'm'",
        "depthwise": "op = 'depthwise', file = 'w.npz', key = 'd'",
        "separable": "op = 'separable', file = 'w.npz', key = 'd', pointwise = 'p'",
        "kernel": "op = 'conv', kernel = 'blur'",
    }
    layers = f"{{ {sources[op]}, padding = [[4, 1], [0, 6]], stride = [1, 2], border = 'linear_ramp' }}"
    maps, _ = run_layers(run, tmp_path, layers, tmp_path / "a.png", channels=3)
    kernel = {"conv": w["k"], "conv of many maps": w["m"], "kernel": np.tile(convcli.kernel("blur").weights, (1, 3, 1, 1))}
    groups = 1 if op in kernel else 3
    weight = kernel.get(op, w["d"])
    x, options = image.transpose(2, 0, 1)[None].astype(float), {"stride": (1, 2), "pads": ((4, 1), (0, 6))}
    (expected,) = naive.conv2d(x, weight, np.zeros(len(weight)), groups=groups, border="linear-ramp", **options)
    if op == "separable":
        expected = np.einsum("om,mhw->ohw", w["p"], expected)
    assert_allclose(maps, expected, rtol=0, atol=1e-2)


def test_more_maps_than_the_limit_are_refused(run, samples, tmp_path):
    """They are counted before they are named."""
    np.save(tmp_path / "w.npy", np.ones((40_000, 1, 1, 1), np.float32))
    np.save(tmp_path / "v.npy", np.ones((80_000, 1, 1, 1), np.float32))
    layers = "{ op = 'conv', file = 'w.npy' }, { op = 'depthwise', file = 'v.npy', name = 'd' }"
    _, result = run_layers(run, tmp_path, layers, samples / "camera.png")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "layer 'd' gives 80000 maps; a run writes at most 65536" in result.err


def test_weights_of_float32_take_half_of_float64(run, samples, tmp_path):
    """Memory is computed from the dtype in the header, in every kind of file."""
    for name, dtype, size in (("f", np.float32, "2 MB"), ("d", np.float64, "4 MB"), ("i", np.int8, "4 MB")):
        safetensors.numpy.save_file({"w": np.zeros((1000, 500), dtype)}, tmp_path / f"{name}.safetensors")
        layers = f"{{ op = 'flatten' }}, {{ op = 'dense', file = '{name}.safetensors', key = 'w' }}"
        _, result = run_layers(run, tmp_path, layers, samples / "camera.png", "--max-memory", "1M")
        assert f"the weights of network 'n' take {size} of memory" in result.err


def test_the_limit_of_an_array_is_in_bytes_of_its_dtype(run, samples, tmp_path, monkeypatch):
    """150 values of float32 are 600 bytes, in .npz and in .safetensors."""
    monkeypatch.setattr(layer_weights, "LARGEST_TENSOR", 1000)
    array = np.ones((150, 1, 1, 1), np.float32)
    np.savez(tmp_path / "w.npz", w=array)
    safetensors.numpy.save_file({"w": array}, tmp_path / "w.safetensors")
    for suffix in ("npz", "safetensors"):
        layers = f"{{ op = 'conv', file = 'w.{suffix}', key = 'w' }}"
        assert run_layers(run, tmp_path, layers, samples / "camera.png")[0].shape == (150, 512, 512)


@pytest.mark.parametrize("keys", ["", ", multiplier = 2"])
def test_separable_with_a_depth_multiplier_equals_scipy(run, tmp_path, rng, keys):
    """The weights give the multiplier: two maps per channel, then a pointwise convolution."""
    x = rng.random((9, 8, 3)).astype(np.float32)
    weights = {"d": rng.normal(size=(6, 1, 3, 3)), "p": rng.normal(size=(4, 6)), "b": rng.normal(size=4)}
    np.savez(tmp_path / "w.npz", **weights)
    np.save(tmp_path / "x.npy", x)
    layers = f"[{{ op = 'separable', file = 'w.npz', key = 'd', pointwise = 'p', bias = 'b', padding = 1{keys} }}]"
    (tmp_path / "kernels.toml").write_text(f"[networks.n]\ninput = {{ channels = 3 }}\nlayers = {layers}\n")
    config = ["--config", tmp_path / "kernels.toml"]
    assert run("run", "n", tmp_path / "x.npy", "-o", tmp_path / "y.npy", *config).status == 0
    padded = np.pad(x.astype(float), ((1, 1), (1, 1), (0, 0)))
    depthwise = [scipy.signal.correlate2d(padded[..., m // 2], weights["d"][m, 0], mode="valid") for m in range(6)]
    expected = np.tensordot(weights["p"], np.stack(depthwise), 1) + weights["b"][:, None, None]
    assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-5)
    totals = json.loads(run("summary", "n", *config, "--input", "9x8x3", "--json").out)["totals"]
    assert totals["parameters"] == 6 * 9 + 4 * 6 + 4


@pytest.mark.parametrize(("keys", "notice"), [
    ("mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]", "its mean and std are of numbers from 0 to 1, but levels"),
    ("std = 0.5", "its std is of numbers from 0 to 1, but levels range from 0 to 255 or more; write range = '0..1' there"),
    ("range = '0..1', mean = 123.7", "its mean is of larger numbers than its range 0..1 gives; leave the range out, or write"),
    ("range = '0..1', mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]", ""),
    ("mean = [123.7, 116.3, 103.5], std = 1", ""),
    ("mean = 0, std = 1", ""),
])  # fmt: skip
def test_a_mean_of_another_range_is_reported(run, samples, tmp_path, keys, notice):
    """check, summary and run report it; the figures stay as given."""
    text = f"[networks.n]\ninput = {{ channels = 3, {keys} }}\nlayers = [{{ op = 'relu' }}]\n"
    (tmp_path / "kernels.toml").write_text(text)
    config = ["--config", tmp_path / "kernels.toml"]
    results = (
        run("kernels", "check", tmp_path / "kernels.toml").out,
        run("summary", "n", "--input", "9x9x3", *config).out,
        run("run", "n", samples / "chelsea.png", "-o", tmp_path / "x.npy", *config).err,
    )
    for result in results:
        assert notice in result
        assert notice or not re.search("its (mean|std)", result)
