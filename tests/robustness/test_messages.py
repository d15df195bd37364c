"""Errors for names, keys and files of other systems suggest the equivalent of convcli."""

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
    (
        'file = "w.txt"',
        r"\.file: @.*w\.txt: the file must end in \.npy, \.npz, \.safetensors, \.pt, \.pth, \.h5, \.hdf5 or \.keras$",
    ),
    (
        'file = "w.ckpt"',
        r"the file must end in \.npy, .* or \.keras; save its state dictionary by safetensors",
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


@pytest.mark.parametrize(("keys", "message"), LAYERS)
def test_keys_of_other_systems_are_reported_with_the_right_key(run, tmp_path, keys, message):
    """The error names the wrong key and the right one."""
    np.savez(tmp_path / "w.npz", **{"conv1.weight": np.ones((4, 3, 3, 2)), "conv1.bias": np.ones(4)})
    (tmp_path / "w.txt").write_text("1 2\n3 4\n")
    text = f'[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{{ op = "conv", {keys} }}]\n'
    (tmp_path / "kernels.toml").write_text(text)
    result = run("kernels", "check", tmp_path / "kernels.toml")
    assert result.status == 2
    assert any(re.search(message, line) for line in result.lines), result.lines


@pytest.mark.parametrize(("name", "suggestion"), [
    ("Linear", "dense"), ("ConvTranspose2d", "transposed"), ("BatchNorm2d", "batch-norm"),
    ("GlobalAveragePool", "global-avg-pool"),
    ("LPPool2d", "lp-pool"), ("LpPool", "lp-pool"),
    ("Conv2d", "conv"), ("LRN", "local-response-norm"),
])  # fmt: skip
def test_operations_of_other_systems_are_reported_with_the_right_name(run, tmp_path, name, suggestion):
    """The error suggests the equivalent operation."""
    (tmp_path / "kernels.toml").write_text(f'[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{{ op = "{name}" }}]\n')
    assert f"got {name!r}; did you mean {suggestion!r}?" in run("kernels", "check", tmp_path / "kernels.toml").err


@pytest.mark.parametrize(("suffix", "remedy"), [
    (".ckpt", "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"),
    (".BIN", "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"),
    (".onnx", TO_NPZ + "i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer})"),
    (".tflite", TO_NPZ + "v.name: v.numpy() for v in model.variables}), with layout = 'hwio'"),
])  # fmt: skip
def test_weight_files_of_other_systems_are_reported_with_a_remedy(run, tmp_path, suffix, remedy):
    """The error shows how to convert the file, even if it does not exist."""
    result = run("kernels", "show", f"@{tmp_path}/w{suffix}#conv1.weight")
    assert (result.status, len(result.lines)) == (2, 1)
    assert result.err.rstrip().endswith(remedy)


@pytest.mark.parametrize(("line", "message"), [
    ("matrix = [[1/9, 1/9], [1/9, 1/9]]", 'Unclosed array, column 13; write numbers such as 1/9 as text: "1/9"'),
    ("matrix = [[1]]\ndivisor = 1 / 9", 'write numbers such as 1 / 9 as text: "1 / 9"'),
    ('generator = "gabor"\ntheta = pi/4', 'write numbers such as pi/4 as text: "pi/4"'),
    ('matrix = [["1/9", 1],', "is not valid TOML: "),
])  # fmt: skip
def test_fractions_without_quotes_are_reported(run, tmp_path, line, message):
    """TOML has no fractions; where they are quoted, the error is another one."""
    (tmp_path / "kernels.toml").write_text(f"[kernels.a]\n{line}\n")
    result = run("kernels", "check", tmp_path / "kernels.toml")
    assert (result.status, message in result.err, "as text" in result.err) == (2, True, "as text" in message)


@pytest.mark.parametrize(("kernel", "message"), [
    ("blur:sigma=3", "kernel 'blur' takes no parameters, got sigma; did you mean 'gaussian:sigma=3'?"),
    ("emboss:sigma=3", "takes no parameters, got sigma; 'sigma' is a parameter of gaussian, unsharp, log, gabor"),
    ("sobel:sigma=3", "bank 'sobel' takes no parameters, got sigma; 'sigma' is a parameter of gaussian, unsharp, log, gabor"),
    ("gaussian:radius=3", "there is no parameter 'radius'; it takes sigma, truncate; did you mean 'sigma'?"),
    ("average:radius=3", "there is no parameter 'radius'; it takes size; did you mean 'size'?"),
    ("average:wavelength=3", "there is no parameter 'wavelength'; it takes size; 'wavelength' is a parameter of gabor"),
    ("blur:nothing=3", "kernel 'blur' takes no parameters, got nothing"),
])  # fmt: skip
def test_parameters_of_other_kernels_are_reported(run, kernel, message):
    """The error lists the kernels that take the parameter."""
    result = run("kernels", "show", kernel)
    assert result.status == 2
    assert result.err.rstrip().endswith(message)


@pytest.mark.parametrize("size", [2, 4])
def test_even_kernels_are_placed_as_documented(size, rng):
    """As the manual states: one pixel from SciPy's correlate, and with flip equal to its convolve."""
    image, kernel = rng.random((9, 8)), rng.random((size, size))
    expected = scipy.ndimage.correlate(image, kernel, mode="mirror")
    np.testing.assert_allclose(convcli.filter2d(image, kernel)[:-1, :-1], expected[1:, 1:])
    np.testing.assert_allclose(convcli.filter2d(image, kernel, flip=True), scipy.ndimage.convolve(image, kernel, mode="mirror"))


def test_an_anchor_places_an_even_kernel_as_scipy_does(run, tmp_path, rng):
    """An anchor at half of each side."""
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
def test_angles_in_radians_in_a_config_file_are_refused(run, tmp_path, line):
    """Angles are degrees in config files, too."""
    kind = "banks" if "grid" in line else "kernels"
    (tmp_path / "kernels.toml").write_text(f'[{kind}.a]\ngenerator = "gabor"\n{line}\n')
    result = run("kernels", "check", tmp_path / "kernels.toml")
    assert (result.status, "must be in degrees, and 'pi/4' is in radians; write 45" in result.err) == (2, True)


def test_negative_numbers_are_not_taken_for_options(run, samples, tmp_path):
    """They are not taken for options; unknown options are still reported."""
    for arguments in (
        ["-1 0 1"],
        ["-sqrt(2) 0 sqrt(2)"],
        ["-pi 0 pi"],
        ["--json", "-1 0 1"],
        ["-1/2 0 1/2", "--json"],
        ["--", "-1 0 1"],
    ):
        result = run("kernels", "show", *arguments)
        assert (result.status, result.err) == (0, ""), arguments
        assert "1 x 3" in result.out or '"size"' in result.out or '"matrix"' in result.out
    assert run("summary", "-1 0 1", "--input", "9x9x1").out.startswith("-1 0 1\n")
    assert "got '-1,2'" in run("at", "-1,2", samples / "horse.png", "-k", "-1 0 1").err
    assert run("apply", samples / "horse.png", "-k", "-1 0 1", "-o", tmp_path / "x.png").status == 0
    assert "o such option" in run("kernels", "show", "-x").err
