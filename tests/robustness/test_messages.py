"""What is said of words, keys and files as other systems have them: it leads to what is meant."""

import re

import numpy as np
import pytest
import scipy.ndimage

import convcli

TO_NPZ = "numpy.savez('weights.npz', **{"
LAYERS = [
    (
        'file = "w.npz", key = "conv1.weight", bias = "conv1.weight"',
        r"\.bias: @.*w\.npz#conv1\.weight: has shape \(4, 3",
    ),
    ('file = "w.npz", key = "conv1.bias"', r"\.key: @.*w\.npz#conv1\.bias: has shape \(4,\), and must have 4 axes: o i h w"),
    ('file = "w.txt"', r"\.file: @.*w\.txt: the file must end in \.npy, \.npz or \.safetensors$"),
    (
        'file = "w.pt"',
        r"the file must end in \.npy, \.npz or \.safetensors; save its state dictionary by safetensors",
    ),
    ('filters = 4, size = 3, padding_mode = "circular"', r"\.padding_mode: unknown key; .*; did you mean 'border'\?"),
    ("filters = 4, kernel_size = 3", r"\.kernel_size: unknown key; .*; did you mean 'size'\?"),
    ("out_channels = 4, size = 3", r"\.out_channels: unknown key; .*; did you mean 'filters'\?"),
    ("filters = 4, size = 3, pads = 1", r"\.pads: unknown key; .*; did you mean 'padding'\?"),
    ("filters = 4, size = 3, group = 1", r"\.group: unknown key; .*; did you mean 'groups'\?"),
    (
        "filters = 4, size = 3, padding = [1, 2, 3, 4]",
        r"\[\[top, bottom\], \[left, right\]\], got \[1, 2, 3, 4\]; ONNX's top",
    ),
]


@pytest.mark.parametrize(("said", "told"), LAYERS)
def test_layers_as_others_write_them(run, tmp_path, said, told):
    """One line with the key that is wrong, and the one that is meant."""
    np.savez(tmp_path / "w.npz", **{"conv1.weight": np.ones((4, 3, 3, 2)), "conv1.bias": np.ones(4)})
    (tmp_path / "w.txt").write_text("1 2\n3 4\n")
    text = f'[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{{ op = "conv", {said} }}]\n'
    (tmp_path / "kernels.toml").write_text(text)
    result = run("kernels", "check", tmp_path / "kernels.toml")
    assert result.status == 2
    assert any(re.search(told, line) for line in result.lines), result.lines


@pytest.mark.parametrize(("word", "meant"), [
    ("Linear", "dense"), ("ConvTranspose2d", "transposed"), ("BatchNorm2d", "batch-norm"),
    ("GlobalAveragePool", "global-avg-pool"),
    ("LPPool2d", "lp-pool"), ("LpPool", "lp-pool"),
    ("Conv2d", "conv"), ("LRN", "local-response-norm"),
])  # fmt: skip
def test_operations_as_others_call_them(run, tmp_path, word, meant):
    """The nearest name, or the known one."""
    (tmp_path / "kernels.toml").write_text(f'[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{{ op = "{word}" }}]\n')
    assert f"got {word!r}; did you mean {meant!r}?" in run("kernels", "check", tmp_path / "kernels.toml").err


@pytest.mark.parametrize(("suffix", "remedy"), [
    (".pt", "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"),
    (".PTH", "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"),
    (".h5", TO_NPZ + "w.path: w.numpy() for w in model.weights}), with layout = 'hwio'"),
    (".keras", TO_NPZ + "w.path: w.numpy() for w in model.weights}), with layout = 'hwio'"),
    (".onnx", TO_NPZ + "i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer})"),
    (".tflite", TO_NPZ + "v.name: v.numpy() for v in model.variables}), with layout = 'hwio'"),
])  # fmt: skip
def test_weights_of_other_systems(run, tmp_path, suffix, remedy):
    """How to have them in a file that is read, though the file is not there."""
    result = run("kernels", "show", f"@{tmp_path}/w{suffix}#conv1.weight")
    assert (result.status, len(result.lines)) == (2, 1)
    assert result.err.rstrip().endswith(remedy)


@pytest.mark.parametrize(("line", "told"), [
    ("matrix = [[1/9, 1/9], [1/9, 1/9]]", 'Unclosed array, column 13; write numbers such as 1/9 as text: "1/9"'),
    ("matrix = [[1]]\ndivisor = 1 / 9", 'write numbers such as 1 / 9 as text: "1 / 9"'),
    ('generator = "gabor"\ntheta = pi/4', 'write numbers such as pi/4 as text: "pi/4"'),
    ('matrix = [["1/9", 1],', "is not valid TOML: "),
])  # fmt: skip
def test_fractions_without_quotes(run, tmp_path, line, told):
    """TOML has none; where they are quoted, something else is wrong."""
    (tmp_path / "kernels.toml").write_text(f"[kernels.a]\n{line}\n")
    result = run("kernels", "check", tmp_path / "kernels.toml")
    assert (result.status, told in result.err, "as text" in result.err) == (2, True, "as text" in told)


@pytest.mark.parametrize(("kernel", "told"), [
    ("blur:sigma=3", "kernel 'blur' takes no parameters, got sigma; 'sigma' is a parameter of gaussian, log, gabor"),
    ("sobel:sigma=3", "bank 'sobel' takes no parameters, got sigma; 'sigma' is a parameter of gaussian, log, gabor"),
    ("gaussian:radius=3", "there is no parameter 'radius'; it takes sigma, truncate; 'radius' is a parameter of disk"),
    ("blur:nothing=3", "kernel 'blur' takes no parameters, got nothing"),
])  # fmt: skip
def test_parameters_of_other_kernels(run, kernel, told):
    """Those that take them."""
    result = run("kernels", "show", kernel)
    assert result.status == 2
    assert result.err.rstrip().endswith(told)


@pytest.mark.parametrize("size", [2, 4])
def test_where_even_kernels_stand(size, rng):
    """As the manual says: one pixel from SciPy's correlate, and with flip at its convolve."""
    image, kernel = rng.random((9, 8)), rng.random((size, size))
    theirs = scipy.ndimage.correlate(image, kernel, mode="mirror")
    np.testing.assert_allclose(convcli.filter2d(image, kernel)[:-1, :-1], theirs[1:, 1:])
    np.testing.assert_allclose(convcli.filter2d(image, kernel, flip=True), scipy.ndimage.convolve(image, kernel, mode="mirror"))


def test_an_anchor_puts_an_even_kernel_where_scipys_is(run, tmp_path, rng):
    """At half of each side."""
    image, kernel = rng.random((9, 8)), rng.integers(-9, 9, (4, 2))
    np.save(tmp_path / "x.npy", image)
    text = f"[kernels.k]\nmatrix = {kernel.tolist()}\nanchor = [2, 1]\n"
    (tmp_path / "kernels.toml").write_text(text)
    options = ["--config", tmp_path / "kernels.toml", "-o", tmp_path / "y.npy"]
    assert run("apply", tmp_path / "x.npy", "-k", "k", *options).status == 0
    np.testing.assert_allclose(
        np.load(tmp_path / "y.npy")[0], scipy.ndimage.correlate(image, kernel, mode="mirror"), atol=1e-12
    )


@pytest.mark.parametrize("line", ['theta = "pi/4"', 'grid = { theta = [0, "pi/4"] }'])
def test_angles_in_radians_in_a_config_file(run, tmp_path, line):
    """They are degrees there too."""
    kind = "banks" if "grid" in line else "kernels"
    (tmp_path / "kernels.toml").write_text(f'[{kind}.a]\ngenerator = "gabor"\n{line}\n')
    result = run("kernels", "check", tmp_path / "kernels.toml")
    assert (result.status, "must be in degrees, and 'pi/4' is in radians; write 45" in result.err) == (2, True)


def test_numbers_that_begin_with_a_minus(run, samples, tmp_path):
    """They are no options, wherever a kernel or a position is asked for; slips are still told."""
    for words in (
        ["-1 0 1"],
        ["-sqrt(2) 0 sqrt(2)"],
        ["-pi 0 pi"],
        ["--json", "-1 0 1"],
        ["-1/2 0 1/2", "--json"],
        ["--", "-1 0 1"],
    ):
        result = run("kernels", "show", *words)
        assert (result.status, result.err) == (0, ""), words
        assert "1 x 3" in result.out or '"size"' in result.out or '"matrix"' in result.out
    assert run("summary", "-1 0 1", "--input", "9x9x1").out.startswith("-1 0 1\n")
    assert "got '-1,2'" in run("at", "-1,2", samples / "horse.png", "-k", "-1 0 1").err
    assert run("apply", samples / "horse.png", "-k", "-1 0 1", "-o", tmp_path / "x.png").status == 0
    assert "o such option" in run("kernels", "show", "-x").err
