"""convcli apply from the command line to files, with real pictures."""

import json

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose, assert_array_equal

import naive
from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.kernels.kernel import kernels_of
from convcli.ops import filter as filter_module
from pictures import SOBEL_X, clipped, pixels


def test_a_sharpened_photograph_equals_scipy(run, samples, tmp_path):
    """Every channel with reflected borders equals SciPy, and one line reports the statistics."""
    out = tmp_path / "sharp.png"
    result = run("apply", samples / "astronaut.png", "-k", "sharpen", "-o", out)
    assert (result.status, result.out) == (0, "")
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    photo = pixels(samples / "astronaut.png").astype(float)
    response = np.dstack([scipy.ndimage.correlate(photo[:, :, c], kernel, mode="mirror") for c in range(3)])
    assert_array_equal(pixels(out), clipped(response))
    below, above = 100 * (response < 0).mean(), 100 * (response > 255).mean()
    expected = f"sharpen min {response.min():.0f}, max {response.max():.0f}; range clip"
    assert result.lines[-1] == f"{out}: {expected}, {below:.4g} % below 0, {above:.4g} % above 255"


def test_geometry_options_equal_the_oracle(run, samples, tmp_path):
    """Stride, dilation, padding and border of the command line equal the oracle's."""
    small = tmp_path / "small.png"
    photo = pixels(samples / "chelsea.png")[100:109, 200:212]
    PIL.Image.fromarray(photo).save(small)
    arguments = [
        "--stride",
        "2x1",
        "--dilation",
        "1x2",
        "--padding",
        "1,2x0,3",
        "--border",
        "7",
        "--flip",
        "--range",
        "-1000..1000",
    ]
    assert run("apply", small, "-k", "1 2 -3; 0 1 1", "-o", tmp_path / "out.npy", *arguments).status == 0
    kernel = np.array([[1, 2, -3], [0, 1, 1]])
    options = {"stride": (2, 1), "dilation": (1, 2), "pads": ((1, 2), (0, 3)), "border": 7, "flip": True}
    assert_array_equal(np.load(tmp_path / "out.npy")[0], naive.filter2d(photo, kernel, **options))


@pytest.mark.parametrize(
    ("alias", "border_name"),
    [
        ("replicate", "edge"),
        ("nearest", "edge"),
        ("circular", "wrap"),
        ("periodic", "wrap"),
        ("0", "zero"),
    ],
)
def test_border_names_of_other_systems_are_accepted(run, samples, tmp_path, alias, border_name):
    """Names of other systems are accepted."""
    for border, name in ((alias, "a.npy"), (border_name, "b.npy")):
        assert run("apply", samples / "camera.png", "-k", "box:size=9", "--border", border, "-o", tmp_path / name).status == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_values_may_begin_with_a_minus(run, samples, tmp_path):
    """They are values, not options."""
    arguments = ["-k", "-1 0 1", "--border", "-5", "--range", "-255..255"]
    assert run("apply", samples / "camera.png", *arguments, "-o", tmp_path / "x.png").status == 0
    response = scipy.ndimage.correlate(pixels(samples / "camera.png").astype(float), [[-1, 0, 1]], mode="constant", cval=-5)
    assert np.abs(pixels(tmp_path / "x.png") - clipped((response + 255) / 2)).max() <= 1


def test_stride_gives_every_second_pixel(run, samples, tmp_path):
    """The output has half the size and the same first pixel."""
    run("apply", samples / "camera.png", "-k", "blur", "-o", tmp_path / "whole.png")
    run("apply", samples / "camera.png", "-k", "blur", "--stride", "2", "-o", tmp_path / "half.png")
    assert_array_equal(pixels(tmp_path / "half.png"), pixels(tmp_path / "whole.png")[::2, ::2])


def test_padding_changes_the_size(run, samples, tmp_path):
    """For 3 x 3, valid removes two pixels and full adds two."""
    for padding, size in (("valid", 510), ("same", 512), ("full", 514), ("0", 510), ("2x1", (514, 512))):
        run("apply", samples / "camera.png", "-k", "blur", "--padding", padding, "-o", tmp_path / "x.png")
        assert pixels(tmp_path / "x.png").shape == (size if isinstance(size, tuple) else (size, size))


def test_onnx_paddings_equal_their_pads(run, samples, tmp_path):
    """At stride 2, a 3 x 3 kernel needs one pixel more than 300 rows: same-upper adds it after them, same-lower before."""
    for word, pads in (("same-upper", "0,1x1,1"), ("same-lower", "1,0x1,1")):
        for padding, name in ((word, "a.png"), (pads, "b.png")):
            arguments = ["-k", "blur", "--stride", "2", "--padding", padding, "-o", tmp_path / name]
            assert run("apply", samples / "chelsea.png", *arguments).status == 0
        assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_channels_are_combined_as_requested(run, samples, tmp_path):
    """Each channel on its own; summed; converted to grey first."""
    photo = pixels(samples / "chelsea.png").astype(float)
    gray = photo @ [0.299, 0.587, 0.114]
    for channels, expected in (("sum", photo.sum(axis=2)), ("gray", gray), ("grey", gray)):
        run("apply", samples / "chelsea.png", "-k", "identity", "--channels", channels, "-o", tmp_path / "x.npy")
        assert np.abs(np.load(tmp_path / "x.npy") - expected).max() < 1e-3
    run("apply", samples / "chelsea.png", "-k", "identity", "-o", tmp_path / "x.npy")
    assert_array_equal(np.load(tmp_path / "x.npy")[0], photo)


def test_four_filters_give_four_maps(run, samples, tmp_path, rng):
    """(4, 3, 5, 5) weights on a colour picture give four maps, equal to einsum over windows."""
    weights = rng.normal(size=(4, 3, 5, 5))
    np.savez(tmp_path / "w.npz", conv1=weights)
    PIL.Image.fromarray(pixels(samples / "chelsea.png")[:32, :32]).save(tmp_path / "small.png")
    arguments = ["-k", f"@{tmp_path}/w.npz#conv1", "--padding", "valid"]
    assert run("apply", tmp_path / "small.png", *arguments, "-o", tmp_path / "maps.npy").status == 0
    maps = np.load(tmp_path / "maps.npy")
    assert maps.shape == (4, 28, 28)
    windows = np.lib.stride_tricks.sliding_window_view(pixels(tmp_path / "small.png").astype(float), (5, 5), axis=(0, 1))
    assert np.abs(maps - np.einsum("yxcij,ncij->nyx", windows, weights)).max() < 1e-2
    assert run("apply", tmp_path / "small.png", *arguments, "-o", tmp_path / "maps.npz").status == 0
    with np.load(tmp_path / "maps.npz") as arrays:
        assert list(arrays) == [f"conv1-{i}" for i in range(4)]
        assert_array_equal(arrays["conv1-2"], maps[2])


def test_a_summing_kernel_refuses_channels_gray(run, samples, tmp_path):
    """Neither of the two options is ignored."""
    np.save(tmp_path / "w.npy", np.ones((3, 3, 3)))
    arguments = ["-k", f"@{tmp_path}/w.npy:layout=hwi", "--channels", "gray", "-o", tmp_path / "x.npy"]
    result = run("apply", samples / "chelsea.png", *arguments)
    assert (result.status, len(result.lines)) == (2, 1)
    assert "kernel 'w' sums over the channels itself; leave out --channels gray" in result.err


def test_weights_are_never_the_output(run, samples, tmp_path, monkeypatch):
    """Such an output is refused, however its name is written."""
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.ones((3, 3)))
    for text in ("@w.npy", " @w.npy ", "@./w.npy"):
        result = run("apply", samples / "camera.png", "-k", text, "-o", "w.npy")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "the output is an input" in result.err


def test_a_tensor_kernel_needs_its_channels(run, samples, tmp_path):
    """The error gives both numbers; other inputs are processed."""
    np.save(tmp_path / "w.npy", np.ones((3, 3, 3)))
    result = run(
        "apply",
        samples / "camera.png",
        samples / "chelsea.png",
        "-k",
        f"@{tmp_path}/w.npy:layout=hwi",
        "-o",
        f"{tmp_path}/out/",
    )
    assert result.status == 1
    assert "camera.png: kernel 'w' sums over 3 channels, and the picture has 1" in result.lines[0]
    assert (tmp_path / "out" / "chelsea.png").exists()


def test_merged_banks_equal_their_formula(run, samples, tmp_path):
    """Sobel is the root of the sum of squares; Kirsch the largest of eight responses."""
    photo = pixels(samples / "camera.png").astype(float)
    x, y = (scipy.ndimage.correlate(photo, k, mode="mirror") for k in (SOBEL_X, SOBEL_X.T))
    run("apply", samples / "camera.png", "-k", "sobel", "-o", tmp_path / "x.npy")
    assert np.abs(np.load(tmp_path / "x.npy")[0] - np.hypot(x, y)).max() < 1e-3
    run("apply", samples / "camera.png", "-k", "kirsch", "-o", tmp_path / "x.npy")
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    responses = []
    for rotation in range(8):
        kernel = np.full((3, 3), -3)
        kernel[1, 1] = 0
        for step in range(3):
            kernel[ring[(rotation + step) % 8]] = 5
        responses.append(scipy.ndimage.correlate(photo, kernel, mode="mirror"))
    assert_array_equal(np.load(tmp_path / "x.npy")[0], np.max(responses, axis=0))


def test_roberts_is_the_cross(run, samples, tmp_path):
    """The differences are along the two diagonals, not along rows as in FFmpeg."""
    photo = pixels(samples / "camera.png").astype(float)
    run("apply", samples / "camera.png", "-k", "roberts", "--padding", "valid", "-o", tmp_path / "x.npy")
    expected = np.hypot(photo[:-1, :-1] - photo[1:, 1:], photo[:-1, 1:] - photo[1:, :-1])
    assert np.abs(np.load(tmp_path / "x.npy")[0] - expected).max() < 1e-4


def test_ranges_equal_their_formulas(run, samples, tmp_path):
    """Each range equals its formula."""
    photo = pixels(samples / "camera.png").astype(float)
    response = scipy.ndimage.correlate(photo, SOBEL_X, mode="mirror")
    expected = {
        "auto": np.abs(response),
        "clip": response,
        "abs": np.abs(response),
        "center": response + 128,
        "-510..510": (response + 510) / 1020 * 255,
    }
    for rule, values in expected.items():
        run("apply", samples / "camera.png", "-k", "sobel-x", "--range", rule, "-o", tmp_path / "x.png")
        assert np.abs(pixels(tmp_path / "x.png") - clipped(values)).max() <= (1 if ".." in rule else 0)


@pytest.mark.parametrize(
    ("kernel", "method"), [("gaussian:sigma=3", None), ("gaussian:sigma=3", "fft"), ("sobel", "direct"), ("compass", None)]
)
@pytest.mark.parametrize("channels", ["each", "sum", "gray"])
def test_the_border_linear_ramp_equals_numpy_pad(run, samples, tmp_path, kernel, method, channels):
    """Kernels with several methods, a bank and a merged bank, over each channel and over sums, equal NumPy's padding."""
    image = np.asarray(PIL.Image.open(samples / "chelsea.png"))[:30, :40]
    PIL.Image.fromarray(image).save(tmp_path / "a.png")
    options = ["--border", "linear_ramp", "--padding", "7,0x3,9", "--stride", "2x1", "--channels", channels]
    options += [] if method is None else ["--method", method]
    if method == "fft" and channels != "each":
        options[-1] = "direct"
    assert run("apply", tmp_path / "a.png", "-k", kernel, *options, "-o", tmp_path / "x.npy").status == 0
    result = np.load(tmp_path / "x.npy")
    padded = np.pad(image.astype(float), ((7, 0), (3, 9), (0, 0)), mode="linear_ramp")
    if channels != "each":
        padded = padded @ ([1, 1, 1] if channels == "sum" else [0.299, 0.587, 0.114])
    entry = load_registry([ConfigLocation(built_in_file(), "built in")]).find(kernel)
    planes = np.moveaxis(np.atleast_3d(padded), 2, 0)
    maps = [np.stack([naive.correlate(plane, k.weights)[::2] for plane in planes], axis=2) for k in kernels_of(entry)]
    expected = [np.hypot(*maps)] if kernel == "sobel" else maps
    assert_allclose(np.atleast_3d(result).reshape(np.shape(expected)), expected, rtol=0, atol=1e-2)


def test_one_pixel_pictures_are_filtered(run, tmp_path):
    """Also with a kernel much larger than the picture."""
    PIL.Image.fromarray(np.full((1, 1), 77, np.uint8)).save(tmp_path / "a.png")
    for kernel in ("gaussian:sigma=5", "average:size=31"):
        assert run("apply", tmp_path / "a.png", "-k", kernel, "-o", tmp_path / "b.png").status == 0
        assert pixels(tmp_path / "b.png").tolist() == [[77]]


def test_kernels_of_a_config_file_are_applied(run, samples, tmp_path):
    """--config adds kernels and banks."""
    (tmp_path / "k.toml").write_text("[kernels.mine]\nmatrix = [[2]]\n[banks.two]\nkernels = ['mine', 'blur']\n")
    arguments = ["apply", samples / "camera.png", "--config", tmp_path / "k.toml", "-k", "two", "-o", tmp_path / "x.npz"]
    assert run(*arguments).status == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert list(arrays) == ["mine", "blur"]
        assert_array_equal(arrays["mine"], 2 * pixels(samples / "camera.png").astype(float))


OPTIONS = [
    "-k sharpen",
    "-k sobel",
    "-k gabor --range stretch",
    "-k sobel --range stretch",
    "-k edge --stride 3x2",
    "-k emboss --dilation 2",
    "-k gaussian:sigma=2 --border linear-ramp",
    "-k laplacian --border linear-ramp --padding 5,0x9,3 --stride 2",
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_map_computed_in_parts_is_the_same(run, samples, tmp_path, monkeypatch, options, mode):
    """Levels and statistics are equal, also where the minimum and the maximum are in different parts."""
    pixels = np.asarray(PIL.Image.open(samples / "astronaut.png").convert("RGBA"))[:150, :200].copy()
    pixels[:, :, 3] |= 64
    pixels[5, 5], pixels[140, 140] = (0, 255, 0, 255), (255, 0, 255, 255)
    PIL.Image.fromarray(pixels).convert(mode).save(tmp_path / "in.png")
    out, results = tmp_path / "out.png", []
    for chunk_size in (1 << 20, 5000):
        monkeypatch.setattr(filter_module, "CHUNK_SIZE", chunk_size)
        result = run("apply", tmp_path / "in.png", *options.split(), "--json", "-o", out)
        results.append((result.status, json.loads(result.out.splitlines()[0])["outputs"], out.read_bytes()))
    assert results[0][0] == 0
    assert results[0] == results[1]
