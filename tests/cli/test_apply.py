"""convcli apply, from words to files, with real pictures."""

import contextlib
import fcntl
import functools
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

import naive
from convcli.cli.json_report import Report
from convcli.config.registry import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.images.image import Image
from convcli.kernels.kernel import Kernel, kernels_of
from convcli.ops import filter as filter_module
from convcli.pipeline.apply_request import ApplyRequest
from convcli.pipeline.inputs import Input
from convcli.pipeline.kernel_maps import KernelMaps
from convcli.pipeline.process_image import Outcome
from convcli.pipeline.tasks import Task

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def pixels(path):
    """A picture as an array."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


def clipped(response, white=255):
    """Rounded half to even and cut."""
    return np.clip(np.rint(response), 0, white)


def test_sharpen_a_photograph(run, samples, tmp_path):
    """Every channel, mirrored borders, equal to SciPy; one line of report."""
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


def test_every_geometry_option(run, samples, tmp_path):
    """Stride, dilation, padding and border of the command line are those of the oracle."""
    small = tmp_path / "small.png"
    photo = pixels(samples / "chelsea.png")[100:109, 200:212]
    PIL.Image.fromarray(photo).save(small)
    words = [
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
    assert run("apply", small, "-k", "1 2 -3; 0 1 1", "-o", tmp_path / "out.npy", *words).status == 0
    kernel = np.array([[1, 2, -3], [0, 1, 1]])
    options = {"stride": (2, 1), "dilation": (1, 2), "pads": ((1, 2), (0, 3)), "border": 7, "flip": True}
    assert_array_equal(np.load(tmp_path / "out.npy")[0], naive.filter2d(photo, kernel, **options))


@pytest.mark.parametrize(
    ("word", "numpy_word"),
    [
        ("replicate", "edge"),
        ("nearest", "edge"),
        ("circular", "wrap"),
        ("periodic", "wrap"),
        ("0", "zero"),
    ],
)
def test_border_words(run, samples, tmp_path, word, numpy_word):
    """Other systems' words are accepted."""
    for border, name in ((word, "a.npy"), (numpy_word, "b.npy")):
        assert run("apply", samples / "camera.png", "-k", "box:size=9", "--border", border, "-o", tmp_path / name).status == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_values_that_begin_with_a_minus(run, samples, tmp_path):
    """Are values, not options."""
    words = ["-k", "-1 0 1", "--border", "-5", "--range", "-255..255"]
    assert run("apply", samples / "camera.png", *words, "-o", tmp_path / "x.png").status == 0
    response = scipy.ndimage.correlate(pixels(samples / "camera.png").astype(float), [[-1, 0, 1]], mode="constant", cval=-5)
    assert np.abs(pixels(tmp_path / "x.png") - clipped((response + 255) / 2)).max() <= 1


def test_stride_gives_every_second_pixel(run, samples, tmp_path):
    """Half the size, from the same first pixel."""
    run("apply", samples / "camera.png", "-k", "blur", "-o", tmp_path / "whole.png")
    run("apply", samples / "camera.png", "-k", "blur", "--stride", "2", "-o", tmp_path / "half.png")
    assert_array_equal(pixels(tmp_path / "half.png"), pixels(tmp_path / "whole.png")[::2, ::2])


def test_padding_sizes(run, samples, tmp_path):
    """valid loses two pixels, full adds two, for 3 x 3."""
    for padding, size in (("valid", 510), ("same", 512), ("full", 514), ("0", 510), ("2x1", (514, 512))):
        run("apply", samples / "camera.png", "-k", "blur", "--padding", padding, "-o", tmp_path / "x.png")
        assert pixels(tmp_path / "x.png").shape == (size if isinstance(size, tuple) else (size, size))


def test_onnx_paddings(run, samples, tmp_path):
    """At stride 2, 3 x 3 needs one pixel more than 300 rows have: same-upper adds it behind, same-lower before."""
    for word, pads in (("same-upper", "0,1x1,1"), ("same-lower", "1,0x1,1")):
        for padding, name in ((word, "a.png"), (pads, "b.png")):
            words = ["-k", "blur", "--stride", "2", "--padding", padding, "-o", tmp_path / name]
            assert run("apply", samples / "chelsea.png", *words).status == 0
        assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_channels(run, samples, tmp_path):
    """Each on its own; summed; grey first."""
    photo = pixels(samples / "chelsea.png").astype(float)
    for channels, expected in (("sum", photo.sum(axis=2)), ("gray", photo @ [0.299, 0.587, 0.114])):
        run("apply", samples / "chelsea.png", "-k", "identity", "--channels", channels, "-o", tmp_path / "x.npy")
        assert np.abs(np.load(tmp_path / "x.npy") - expected).max() < 1e-3
    run("apply", samples / "chelsea.png", "-k", "identity", "-o", tmp_path / "x.npy")
    assert_array_equal(np.load(tmp_path / "x.npy")[0], photo)


def test_four_filters_give_four_maps(run, samples, tmp_path, rng):
    """(4, 3, 5, 5) weights on a colour picture, valid: four maps, equal to einsum over windows."""
    weights = rng.normal(size=(4, 3, 5, 5))
    np.savez(tmp_path / "w.npz", conv1=weights)
    PIL.Image.fromarray(pixels(samples / "chelsea.png")[:32, :32]).save(tmp_path / "small.png")
    words = ["-k", f"@{tmp_path}/w.npz#conv1", "--padding", "valid"]
    assert run("apply", tmp_path / "small.png", *words, "-o", tmp_path / "maps.npy").status == 0
    maps = np.load(tmp_path / "maps.npy")
    assert maps.shape == (4, 28, 28)
    windows = np.lib.stride_tricks.sliding_window_view(pixels(tmp_path / "small.png").astype(float), (5, 5), axis=(0, 1))
    assert np.abs(maps - np.einsum("yxcij,ncij->nyx", windows, weights)).max() < 1e-2
    assert run("apply", tmp_path / "small.png", *words, "-o", tmp_path / "maps.npz").status == 0
    with np.load(tmp_path / "maps.npz") as arrays:
        assert list(arrays) == [f"conv1-{i}" for i in range(4)]
        assert_array_equal(arrays["conv1-2"], maps[2])


def test_a_summing_kernel_and_grey_first_do_not_go_together(run, samples, tmp_path):
    """Rather than one of them without a word."""
    np.save(tmp_path / "w.npy", np.ones((3, 3, 3)))
    words = ["-k", f"@{tmp_path}/w.npy:layout=hwi", "--channels", "gray", "-o", tmp_path / "x.npy"]
    result = run("apply", samples / "chelsea.png", *words)
    assert (result.status, len(result.lines)) == (2, 1)
    assert "kernel 'w' sums over the channels itself; leave out --channels gray" in result.err


def test_weights_are_never_the_output(run, samples, tmp_path, monkeypatch):
    """However the name is written."""
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.ones((3, 3)))
    for text in ("@w.npy", " @w.npy ", "@./w.npy"):
        result = run("apply", samples / "camera.png", "-k", text, "-o", "w.npy")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "the output is an input" in result.err


def test_a_tensor_kernel_needs_its_channels(run, samples, tmp_path):
    """Both numbers are said; other inputs go on."""
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


def test_merged_banks(run, samples, tmp_path):
    """Sobel is the root of the sum of squares; Kirsch the largest of eight."""
    photo = pixels(samples / "camera.png").astype(float)
    x, y = (scipy.ndimage.correlate(photo, k, mode="mirror") for k in (SOBEL_X, SOBEL_X.T))
    run("apply", samples / "camera.png", "-k", "sobel", "-o", tmp_path / "x.npy")
    assert np.abs(np.load(tmp_path / "x.npy")[0] - np.hypot(x, y)).max() < 1e-3
    run("apply", samples / "camera.png", "-k", "kirsch", "-o", tmp_path / "x.npy")
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    responses = []
    for turn in range(8):
        kernel = np.full((3, 3), -3)
        kernel[1, 1] = 0
        for step in range(3):
            kernel[ring[(turn + step) % 8]] = 5
        responses.append(scipy.ndimage.correlate(photo, kernel, mode="mirror"))
    assert_array_equal(np.load(tmp_path / "x.npy")[0], np.max(responses, axis=0))


def test_roberts_is_the_cross(run, samples, tmp_path):
    """The two diagonals, not two rows as in FFmpeg."""
    photo = pixels(samples / "camera.png").astype(float)
    run("apply", samples / "camera.png", "-k", "roberts", "--padding", "valid", "-o", tmp_path / "x.npy")
    expected = np.hypot(photo[:-1, :-1] - photo[1:, 1:], photo[:-1, 1:] - photo[1:, :-1])
    assert np.abs(np.load(tmp_path / "x.npy")[0] - expected).max() < 1e-4


def test_ranges_on_a_picture(run, samples, tmp_path):
    """Each rule against its formula."""
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


TRANSPARENT_RED_BESIDE_WHITE = np.array([[[255, 255, 255, 255]] * 3 + [[255, 0, 0, 0]] * 3] * 3, np.uint8)


def test_transparent_colours_never_bleed(run, tmp_path):
    """Three white pixels, then transparent red: outside is white at a third of the alpha, as only ImageMagick does it."""
    PIL.Image.fromarray(TRANSPARENT_RED_BESIDE_WHITE).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", "average", "-o", tmp_path / "b.png").status == 0
    result = pixels(tmp_path / "b.png")
    assert result[1, 3].tolist() == [255, 255, 255, 85]
    assert result[1, 2].tolist() == [255, 255, 255, 170]
    assert result[1, 5].tolist() == [0, 0, 0, 0]


def test_what_lies_outside_a_picture_with_alpha(run, tmp_path):
    """zero is nothing at all, a number an opaque level."""
    PIL.Image.fromarray(np.full((3, 3, 4), (90, 90, 90, 255), np.uint8)).save(tmp_path / "a.png")
    for border, corner in (("zero", [90, 90, 90, 113]), ("0", [40, 40, 40, 255])):  # 4 of 9 pixels lie inside
        run("apply", tmp_path / "a.png", "-k", "average", "--border", border, "-o", tmp_path / "b.png")
        assert pixels(tmp_path / "b.png")[0, 0].tolist() == corner


@pytest.mark.parametrize(
    ("kernel", "method"), [("gaussian:sigma=3", None), ("gaussian:sigma=3", "fft"), ("sobel", "direct"), ("compass", None)]
)
@pytest.mark.parametrize("channels", ["each", "sum", "gray"])
def test_a_border_that_fades(run, samples, tmp_path, kernel, method, channels):
    """One kernel by several methods, a bank and a merged bank, over each channel and over sums, on NumPy's padding."""
    image = np.asarray(PIL.Image.open(samples / "chelsea.png"))[:90, :120]
    PIL.Image.fromarray(image).save(tmp_path / "a.png")
    words = ["--border", "linear_ramp", "--padding", "7,0x3,9", "--stride", "2x1", "--channels", channels]
    words += [] if method is None else ["--method", method]
    if method == "fft" and channels != "each":
        words[-1] = "direct"
    assert run("apply", tmp_path / "a.png", "-k", kernel, *words, "-o", tmp_path / "x.npy").status == 0
    found = np.load(tmp_path / "x.npy")
    padded = np.pad(image.astype(float), ((7, 0), (3, 9), (0, 0)), mode="linear_ramp")
    if channels != "each":
        padded = padded @ ([1, 1, 1] if channels == "sum" else [0.299, 0.587, 0.114])
    one = load_registry([ConfigLocation(built_in_file(), "built in")]).find(kernel)
    planes = np.moveaxis(np.atleast_3d(padded), 2, 0)
    maps = [np.stack([naive.correlate(plane, k.weights)[::2] for plane in planes], axis=2) for k in kernels_of(one)]
    expected = [np.hypot(*maps)] if kernel == "sobel" else maps
    assert_allclose(np.atleast_3d(found).reshape(np.shape(expected)), expected, rtol=0, atol=1e-2)


@pytest.mark.parametrize("opaque", [False, True])
def test_alpha_fades_as_the_border_does(run, tmp_path, rng, opaque):
    """Colours are those of what is seen: under the ramp those of the edge, ever less of them."""
    levels = rng.integers(1, 256, (20, 30, 4), dtype=np.uint8)
    if opaque:
        levels[:, :, 3] = 255
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    words = ["-k", "gaussian:sigma=2", "--border", "linear-ramp"]
    assert run("apply", tmp_path / "a.png", *words, "-o", tmp_path / "b.png").status == 0
    weights = load_registry([ConfigLocation(built_in_file(), "built in")]).find("gaussian:sigma=2").weights
    half = len(weights) // 2
    alpha = np.pad(levels[:, :, 3].astype(float), half, mode="linear_ramp")
    seen = naive.correlate(alpha, weights / weights.sum())
    edge = np.pad(levels[:, :, :3].astype(float), ((half, half), (half, half), (0, 0)), mode="edge")
    colours = naive.filter2d(edge * alpha[:, :, None], weights / weights.sum()) / seen[:, :, None]
    found = pixels(tmp_path / "b.png")
    assert_allclose(found[:, :, 3], seen, atol=0.501)
    assert_allclose(found[:, :, :3], colours, atol=0.501)


@pytest.mark.parametrize(("kernel", "row"), [("1 1; 1 1", [1, 1]), ("binomial:size=3", [1, 2, 1])])
def test_alpha_is_rounded_half_to_even(run, tmp_path, rng, kernel, row):
    """Powers of two divide the sums, so that halves are exact; SciPy in float64 says where they are."""
    levels = rng.integers(0, 256, (60, 80, 4), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", kernel, "-o", tmp_path / "b.png").status == 0
    weights = np.outer(row, row) / sum(row) ** 2
    shift = -(1 - len(row) % 2)  # SciPy puts the spare row of an even kernel first
    expected = scipy.ndimage.correlate(levels[:, :, 3].astype(float), weights, mode="mirror", origin=shift)
    assert np.sum(expected % 1 == 0.5) > 10
    assert_array_equal(pixels(tmp_path / "b.png")[:, :, 3], np.rint(expected))


def test_colours_under_little_alpha_of_16_bits(run, tmp_path):
    """Down to one level of alpha: below 129 of 65535, which 8 bits store as 0, they became black."""
    levels = np.zeros((4, 300, 4), np.uint16)
    levels[..., :3], levels[..., 3] = [40_000, 20_000, 60_000], np.arange(300)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb", extrasamples=["unassalpha"])
    assert run("apply", tmp_path / "a.tif", "-k", "identity", "-o", tmp_path / "b.tif", "-q").status == 0
    levels[:, 0] = 0
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), levels)
    assert "40000" in run("at", "3,2", tmp_path / "a.tif", "-k", "identity").out


def test_zero_sum_kernels_leave_alpha_as_it_was(run, tmp_path, rng):
    """Edges of a cut-out stay where they can be seen; with a stride, alpha follows."""
    levels = rng.integers(0, 256, (8, 10, 4), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    for kernel, stride, dilation in (("laplacian", 1, 1), ("laplacian", 2, 3), ("roberts", 1, 2), ("roberts", 1, 3)):
        words = ["-k", kernel, "--stride", stride, "--dilation", dilation]
        run("apply", tmp_path / "a.png", *words, "-o", tmp_path / "b.png")
        assert_array_equal(pixels(tmp_path / "b.png")[:, :, 3], levels[::stride, ::stride, 3])


def test_stretch_looks_at_what_can_be_seen(run, tmp_path):
    """A transparent pixel, whatever its colour, is neither minimum nor maximum."""
    levels = np.array([[[100, 100, 100, 255], [200, 200, 200, 255], [7, 7, 7, 0]]], np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    result = run("apply", tmp_path / "a.png", "-k", "identity", "--range", "stretch", "-o", tmp_path / "b.png")
    assert "identity min 100, max 200" in result.err
    assert pixels(tmp_path / "b.png")[0, :2, 0].tolist() == [0, 255]


def test_a_wholly_transparent_picture(run, tmp_path):
    """Has no minimum; it stays transparent."""
    PIL.Image.fromarray(np.full((4, 4, 4), (9, 9, 9, 0), np.uint8)).save(tmp_path / "a.png")
    result = run("apply", tmp_path / "a.png", "-k", "blur", "-o", tmp_path / "b.png")
    assert (result.status, result.lines) == (0, [f"{tmp_path}/b.png: blur, nothing to see: transparent everywhere"])
    assert not pixels(tmp_path / "b.png")[:, :, 3].any()


def test_soft_edges_of_a_cutout_do_not_explode(run, tmp_path):
    """Kernels of both signs on a soft mask: nothing that is stored as invisible is in the report."""
    y, x = np.mgrid[-20:20, -20:20]
    alpha = np.clip(255 * (1.5 - np.hypot(x, y) / 10), 0, 255)
    PIL.Image.fromarray(np.dstack([np.full((40, 40, 3), 128), alpha]).astype(np.uint8)).save(tmp_path / "a.png")
    for kernel in ("emboss", "unsharp", "sharpen"):
        result = run("apply", tmp_path / "a.png", "-k", kernel, "-o", tmp_path / "b.png")
        assert float(re.search(r"max ([\d.e+]+)", result.err)[1]) < 128 * 255
        opaque = pixels(tmp_path / "b.png")[18:22, 18:22]
        assert np.all(opaque == [128, 128, 128, 255])


@pytest.mark.parametrize("kernel", ["sharpen", "gaussian:sigma=2", "1 2 3; 4 5 6; 7 8 9", "emboss", "laplacian", "sobel"])
def test_opaque_alpha_changes_nothing(run, samples, tmp_path, kernel):
    """An opaque picture with alpha gives the colours of the picture without."""
    photo = pixels(samples / "chelsea.png")
    PIL.Image.fromarray(photo).save(tmp_path / "rgb.png")
    PIL.Image.fromarray(np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])).save(tmp_path / "rgba.png")
    for name in ("rgb", "rgba"):
        run("apply", tmp_path / f"{name}.png", "-k", kernel, "-o", f"{tmp_path}/{name}-out.png")
    with_alpha = pixels(tmp_path / "rgba-out.png")
    assert np.abs(with_alpha[:, :, :3].astype(int) - pixels(tmp_path / "rgb-out.png")).max() <= 1
    assert np.all(with_alpha[:, :, 3] == 255)


def test_16_bit_grey_end_to_end(run, tmp_path, rng):
    """No level is lost on the way."""
    levels = rng.integers(0, 65536, (20, 30)).astype(np.uint16)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    for name in ("b.png", "b.tif", "b.ppm"):
        assert run("apply", tmp_path / "a.png", "-k", "identity", "-o", tmp_path / name).status == 0
        assert_array_equal(pixels(tmp_path / name), levels)
    result = run("apply", tmp_path / "a.png", "-k", "identity", "-o", tmp_path / "b.jpg")
    assert "16-bit levels stored with 8 bits: jpeg holds no more" in result.err


def test_16_bit_colour_tiff_end_to_end(run, tmp_path, rng):
    """In, through a kernel, and out again; PNG is refused."""
    levels = rng.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb", compression="zlib")
    assert run("apply", tmp_path / "a.tif", "-k", "identity", "-o", tmp_path / "b.tif").status == 0
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), levels)
    result = run("apply", tmp_path / "a.tif", "-k", "identity", "-o", tmp_path / "b.png")
    assert result.status == 1
    assert "16-bit colour or alpha is not written as png" in result.err
    assert not (tmp_path / "b.png").exists()


def test_real_numbers_need_a_scale_for_a_picture(run, tmp_path, rng):
    """And keep their precision in arrays and TIFF."""
    values = rng.normal(size=(9, 11))
    np.save(tmp_path / "a.npy", values)
    result = run("apply", tmp_path / "a.npy", "-k", "identity", "-o", tmp_path / "b.png")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "its maps hold numbers without a known white" in result.err
    assert run("apply", tmp_path / "a.npy", "-k", "identity", "--range", "stretch", "-o", tmp_path / "b.png").status == 0
    assert run("apply", tmp_path / "a.npy", "-k", "identity", "-o", tmp_path / "b.npy").status == 0
    assert_array_equal(np.load(tmp_path / "b.npy")[0], values)
    result = run("apply", tmp_path / "a.npy", "-k", "identity", "-o", tmp_path / "b.tif")
    assert "stored as float32" in result.err
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), values.astype(np.float32))


def test_depth_float_writes_one_raw_map(run, samples, tmp_path):
    """Signed, and unscaled."""
    run("apply", samples / "camera.png", "-k", "sobel-x", "--depth", "float", "-o", tmp_path / "x.tif")
    stored = tifffile.imread(tmp_path / "x.tif")
    assert stored.dtype == np.float32
    assert_array_equal(stored, scipy.ndimage.correlate(pixels(samples / "camera.png").astype(float), SOBEL_X, mode="mirror"))


def test_a_range_that_cannot_apply_is_said(run, samples, tmp_path):
    """Float numbers are raw."""
    result = run("apply", samples / "camera.png", "-k", "blur", "--range", "stretch", "-o", tmp_path / "x.npy")
    assert "--range stretch not applied: float numbers are stored raw" in result.err


def test_metadata_end_to_end(run, samples, tmp_path):
    """The profile and resolution of a real JPEG; orientation applied once."""
    run("apply", samples / "rocket.jpg", "-k", "blur", "-o", tmp_path / "x.jpg")
    with PIL.Image.open(samples / "rocket.jpg") as before, PIL.Image.open(tmp_path / "x.jpg") as after:
        assert after.info["icc_profile"] == before.info["icc_profile"]
        assert after.info["dpi"] == before.info["dpi"]
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker"
    photo = pixels(samples / "chelsea.png")
    PIL.Image.fromarray(np.rot90(photo)).save(tmp_path / "turned.png", exif=exif)  # orientation 6 turns it back clockwise
    run("apply", tmp_path / "turned.png", "-k", "sobel-x", "-o", tmp_path / "a.png")
    run("apply", samples / "chelsea.png", "-k", "sobel-x", "-o", tmp_path / "b.png")
    assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    with PIL.Image.open(tmp_path / "a.png") as after:
        assert after.getexif()[0x010F] == "a maker"
        assert after.getexif()[0x0112] == 1


def test_many_pictures_and_a_bad_one(run, samples, tmp_path):
    """The others are done; the status is 1; the bad one is named in one line."""
    (tmp_path / "bad.png").write_bytes((samples / "camera.png").read_bytes()[:5000])
    inputs = [samples / "camera.png", tmp_path / "bad.png", samples / "horse.png"]
    result = run("apply", *inputs, "-k", "blur", "-o", f"{tmp_path}/out/")
    assert result.status == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["camera.png", "horse.png"]
    errors = [line for line in result.lines if line.startswith("Error")]
    assert len(errors) == 1
    assert errors[0].startswith(f"Error: {tmp_path}/bad.png: is truncated or corrupt")
    assert result.lines[-1] == "1 of 3 inputs failed, 2 done"


def test_fail_fast_stops_at_the_first_that_fails(run, samples, tmp_path):
    """What is done stays; the rest is not tried."""
    inputs = [samples / "camera.png", tmp_path / "none.png", samples / "horse.png"]
    result = run("apply", *inputs, "-k", "blur", "-o", f"{tmp_path}/out/", "--fail-fast", "-j", 1)
    assert result.status == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["camera.png"]
    assert result.lines[-1] == "1 of 3 inputs failed, 1 done, 1 not tried"


def test_in_place_replaces_each_picture(run, samples, tmp_path):
    """With the same bytes as elsewhere, permissions kept; a picture that fails stays as it was, and so does all else."""
    for name in ("camera.png", "rocket.jpg", "horse.png"):
        (tmp_path / name).write_bytes((samples / name).read_bytes())
    (tmp_path / "camera.png").chmod(0o640)
    bad = (samples / "chelsea.png").read_bytes()[:9000]
    (tmp_path / "bad.png").write_bytes(bad)
    run("apply", samples / "camera.png", samples / "rocket.jpg", "-k", "blur", "-q", "-o", f"{tmp_path}/out/")
    result = run("apply", tmp_path / "camera.png", tmp_path / "rocket.jpg", tmp_path / "bad.png", "-k", "blur", "--in-place")
    assert result.status == 1
    for name in ("camera.png", "rocket.jpg"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert (tmp_path / "camera.png").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "bad.png").read_bytes() == bad
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    for words, message in [
        (["-", "-k", "blur"], "--in-place replaces files, and standard input is none"),
        ([tmp_path / "horse.png", "-k", "blur", "-o", "x.png"], "-o and --in-place exclude each other"),
        ([tmp_path / "horse.png", "-k", "blur", "-k", "edge"], "--in-place leaves one map of each picture, and there are 2"),
        ([tmp_path / "w.npy", "-k", f"@{tmp_path}/w.npy"], "the output is an input"),
    ]:
        refused = run("apply", *words, "--in-place")
        assert (refused.status, len(refused.lines)) == (2, 1)
        assert message in refused.err
    assert (tmp_path / "horse.png").read_bytes() == (samples / "horse.png").read_bytes()


def test_json_lines_tell_of_each_picture(run, samples, tmp_path):
    """On standard output, and in a file as they are done: files, maps, what was in them, errors, and the sums."""
    inputs = [samples / "camera.png", tmp_path / "none.png"]
    words = ["apply", *inputs, "-k", "sobel-x", "-q", "--json", "--report", tmp_path / "report.jsonl", "-o", f"{tmp_path}/out/"]
    result = run(*words)
    assert result.status == 1
    assert (tmp_path / "report.jsonl").read_text() == result.out
    good, bad, summary = map(json.loads, result.out.splitlines())
    response = scipy.ndimage.correlate(pixels(samples / "camera.png").astype(float), SOBEL_X, mode="mirror")
    expected = {
        "path": f"{tmp_path}/out/camera.png",
        "map": "sobel-x",
        "shape": [512, 512, 1],
        "maps": 1,
        "range": "abs",
        "low": -255,
        "high": 255,
        "minimum": response.min(),
        "maximum": response.max(),
        "below": int((response < -255).sum()),
        "above": int((response > 255).sum()),
        "unknown": 0,
        "count": 512 * 512,
    }
    assert good == {
        "input": f"{samples}/camera.png",
        "status": "done",
        "outputs": [expected],
        "skipped": [],
        "notices": [],
        "error": None,
    }
    assert (bad["status"], bad["outputs"], bad["error"]) == ("failed", [], "no such file")
    assert summary == {"inputs": 2, "done": 1, "skipped": 0, "failed": 1, "not_tried": 0}
    assert run(*words[:-1], "-").status == 2
    refused = run("apply", samples / "camera.png", "-k", "blur", "--report", samples / "camera.png", "-o", tmp_path / "x.png")
    assert "the output is an input" in refused.err
    photo = (samples / "camera.png").read_bytes()
    (tmp_path / "a.png").write_bytes(photo)
    refused = run("apply", tmp_path / "a.png", "-k", "blur", "--report", tmp_path / "a.png", "--in-place")
    assert (refused.status, len(refused.lines)) == (2, 1)
    assert "the output is an input" in refused.err
    assert (tmp_path / "a.png").read_bytes() == photo
    both = run("apply", tmp_path / "a.png", "-k", "blur", "--report", tmp_path / "x.png", "-o", tmp_path / "x.png")
    assert "x.png: the report is an output too" in both.err
    full = run("apply", samples / "camera.png", "-k", "blur", "-q", "--report", "/dev/full", "-o", tmp_path / "x.png")
    assert (full.status, full.lines) == (1, ["Error: /dev/full: cannot be written: No space left on device"])
    nowhere = run(
        "apply", samples / "camera.png", "-k", "blur", "--report", samples / "camera.png" / "r", "-o", tmp_path / "x.png"
    )
    assert (nowhere.status, len(nowhere.lines)) == (1, 1)


def test_a_report_goes_where_it_is_wanted(run, samples, tmp_path):
    """Into folders that are made for it; over a report, but over no other file; - is standard output; none in a dry run."""
    words = ["apply", samples / "horse.png", "-k", "blur", "-q", "-o", tmp_path / "x.png"]
    report = tmp_path / "new" / "folder" / "r.jsonl"
    for _ in range(2):
        assert run(*words, "--report", report).status == 0
        assert len(report.read_text().splitlines()) == 2
    assert run(*words, "--report", "-").out == report.read_text()
    before = report.read_text()
    dry = run(*words, "-n", "--report", report)
    assert (dry.status, len(dry.lines), report.read_text()) == (2, 1, before)
    assert "print the lines with --json" in dry.err
    for dry in (["--json"], ["--report", "-"], ["--json", "-v"]):
        planned = run(*words[:-3], "-o", tmp_path / "x.png", "-n", *dry)
        assert planned.status == 0
        assert json.loads(planned.out.splitlines()[0])["outputs"][0]["map"] == "blur"
    (tmp_path / "x.png").unlink()
    for mine in ("mine", "[" * 100_000, '{"input": 1, "exposure": 2}\nmine', "[]", "3"):
        (tmp_path / "notes.txt").write_text(mine)
        other = run(*words, "--report", tmp_path / "notes.txt")
        assert (other.status, (tmp_path / "notes.txt").read_text(), (tmp_path / "x.png").exists()) == (2, mine, False)
        told = f"Error: {tmp_path}/notes.txt: exists already and is no report; give another name for the report"
        assert other.lines == [told]


def test_inputs_that_cannot_have_their_output_fail_alone(run, samples, tmp_path):
    """In place, where the format is not written or is another; by a template that takes the suffix of the input."""
    folder = tmp_path / "in"
    folder.mkdir()
    with PIL.Image.open(samples / "horse.png") as picture:
        for name in ("a.png", "b.gif", "c.pbm", "d.jpg"):
            picture.convert("1" if name == "c.pbm" else "L").save(folder / name)
        picture.convert("L").save(folder / "e", "png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run("apply", folder, folder / "e", "-k", "blur", "--in-place", "-q")
    assert result.status == 1
    assert result.lines == [
        f"Error: {folder}/b.gif: cannot be replaced, as .gif is not written; give -o",
        f"Error: {folder}/c.pbm: cannot be replaced, as .pbm is not written; give -o",
        f"Error: {folder}/e: cannot be replaced, as its name has no suffix that tells the format; give --format too",
    ]
    changed = {path.name for path in folder.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"a.png", "d.jpg"}
    result = run("apply", folder / "a.png", folder / "d.jpg", folder / "e", "-k", "blur", "--in-place", "--format", "png", "-q")
    told = "--in-place keeps its name, and .jpg is not png; leave out --format, or give -o"
    assert (result.status, result.lines) == (1, [f"Error: {folder}/d.jpg: {told}"])
    assert (folder / "e").read_bytes() != before["e"]
    result = run("apply", folder, "-k", "blur", "-q", "-o", f"{tmp_path}/out/{{name}}")
    assert result.status == 1
    assert [line.split(": ")[1] for line in result.lines] == [f"{folder}/b.gif", f"{folder}/c.pbm"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "d.jpg"]
    alone = run("apply", folder / "b.gif", "-k", "blur", "-q", "-o", f"{tmp_path}/two/{{name}}")
    assert (alone.status, len(alone.lines)) == (2, 1)


def test_quiet_excludes_verbose(run, samples, tmp_path):
    """Exclude each other."""
    result = run("apply", samples / "horse.png", "-k", "blur", "-o", tmp_path / "x.png", "-q", "-v")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "-q and -v exclude each other" in result.err


def test_dry_run_writes_nothing_and_tells_all(run, samples, tmp_path):
    """Sizes and names are those of the real run."""
    words = [
        "apply",
        samples / "chelsea.png",
        "-k",
        "sobel-x",
        "-k",
        "average:size=5",
        "--stride",
        "3",
        "-o",
        f"{tmp_path}/out/",
    ]
    planned = run(*words, "--dry-run")
    assert planned.status == 0
    assert not (tmp_path / "out").exists()
    source, target = f"{samples}/chelsea.png (451 x 300 RGB 8-bit)", f"{tmp_path}/out/chelsea_sobel-x.png"
    first = f"{source} -> {target} (151 x 100, 3 channels) sobel-x, abs"
    assert planned.out.splitlines()[0] == first
    assert run(*words).status == 0
    assert pixels(tmp_path / "out" / "chelsea_sobel-x.png").shape == (100, 151, 3)
    assert run("apply", tmp_path / "none.png", "-k", "blur", "-o", tmp_path / "x.png", "-n").status == 1


def test_quiet_and_verbose(run, samples, tmp_path):
    """Nothing but errors; sizes and counts."""
    words = ["apply", samples / "horse.png", "-k", "blur", "-o", tmp_path / "x.png"]
    assert run(*words, "-q").err == ""
    assert "XMP not kept" in run(*words).err
    verbose = run(*words, "-v").lines
    assert verbose[0] == f"{samples}/horse.png: 400 x 328 RGB with alpha 8-bit"
    assert re.search(rf"\(400 x 328, 3 channels; 0 \+ \d+ of {400 * 328 * 3} numbers outside\)$", verbose[-1])
    assert run("apply", tmp_path / "none.png", "-k", "blur", "-o", tmp_path / "y.png", "-q").lines == [
        f"Error: {tmp_path}/none.png: no such file"
    ]


def test_jobs_do_not_change_a_byte(run, samples, tmp_path):
    """One thread or five."""
    for jobs in (1, 5):
        run("apply", samples / "astronaut.png", "-k", "gaussian:sigma=3", "-j", jobs, "-o", tmp_path / f"{jobs}.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "5.png").read_bytes()


def test_many_pictures_at_a_time_are_the_same_bytes(run, samples, tmp_path, rng):
    """In the order of the inputs; two kinds of files between them fail alone."""
    inputs = []
    for i in range(24):
        path = tmp_path / f"{i:02}.png"
        if i % 8 == 5:
            path.write_bytes(b"bad")
        else:
            PIL.Image.fromarray(rng.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)).save(path)
        inputs.append(path)
    for jobs in (1, 2, 8):
        result = run("apply", *inputs, "-k", "gaussian:sigma=2", "-j", jobs, "-o", f"{tmp_path}/{jobs}/")
        assert result.status == 1
        names = [re.search(r"(\d\d)\.png: ", line)[1] for line in result.lines if ".png: " in line]
        assert names == sorted(names)
        assert len(names) == 24
        assert result.lines[-1] == "3 of 24 inputs failed, 21 done"
    single = {path.name: path.read_bytes() for path in (tmp_path / "1").iterdir()}
    assert len(single) == 21
    for jobs in ("2", "8"):
        assert {path.name: path.read_bytes() for path in (tmp_path / jobs).iterdir()} == single


def on_terminal(command, **env):
    """What a command writes to a terminal of 100 columns on its standard error, and its exit status."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(command, stderr=follower, stdout=subprocess.PIPE, env={**os.environ, **env})
    os.close(follower)
    data = b""
    with contextlib.suppress(OSError):  # a terminal that nobody holds open any more
        while part := os.read(leader, 65536):
            data += part
    os.close(leader)
    process.communicate(timeout=60)
    return data.decode(), process.returncode


def test_progress_on_a_terminal(samples, tmp_path):
    """A bar that counts, with every line of the report above it; nothing of it when quiet, on a dumb terminal or for one."""
    for name in ("a.png", "b[red].png", "c.png"):
        (tmp_path / name).write_bytes((samples / "horse.png").read_bytes())
    command = [sys.executable, "-m", "convcli", "apply", str(tmp_path), "-k", "blur", "--overwrite", "-o", f"{tmp_path}/out/"]
    shown, status = on_terminal(command, TERM="xterm-256color", NO_COLOR="1")
    assert status == 0
    assert "3/3" in shown
    assert "b[red].png: blur min" in shown.replace("\r\n", "")
    # No line of the report runs into the bar.
    assert not [line for line in re.split(r"[\r\n]|\x1b\[2K", shown) if "blur min" in line and "/3" in line]
    for words, term in ((["-q"], "xterm"), ([], "dumb")):
        quiet, status = on_terminal([*command, *words], TERM=term)
        assert status == 0
        assert "3/3" not in quiet
        assert "\x1b" not in quiet
    one, _ = on_terminal([*command[:4], str(tmp_path / "a.png"), *command[5:]], TERM="xterm")
    assert "1/1" not in one


def test_a_batch_that_is_interrupted(samples, tmp_path):
    """SIGINT and SIGTERM in the middle: what is there is whole, and nothing half written stays."""
    for i in range(60):
        (tmp_path / f"{i:02}.png").write_bytes((samples / "astronaut.png").read_bytes())
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        out = tmp_path / str(status)
        report = tmp_path / f"{status}.jsonl"
        words = ["apply", tmp_path, "-k", "gaussian:sigma=9", "-q", "-o", f"{out}/", "--report", report]
        command = [sys.executable, "-m", "convcli", *words]
        heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed)
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and not (out.exists() and any(out.glob("*.png"))):
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err.strip()) == (status, b"")
        names = [path.name for path in out.iterdir()]
        assert 0 < len(names) < 60
        assert not [name for name in names if name.startswith(".")]
        for name in names:
            assert pixels(out / name).shape == (512, 512, 3)
        told = [json.loads(line) for line in report.read_text().splitlines()]
        assert sorted(Path(one["outputs"][0]["path"]).name for one in told) == sorted(names)


@pytest.mark.parametrize("moment", ["amid the report", "behind it"])
def test_a_run_that_is_interrupted_while_it_tells(run, samples, tmp_path, monkeypatch, moment):
    """What is done by then is in the report, once."""
    for i in range(6):
        shutil.copy(samples / "horse.png", tmp_path / f"{i}.png")
    write = Report._write

    def interrupted(report, *values):
        if moment == "behind it":
            write(report, *values)
        if not interruptions:
            interruptions.append(True)
            time.sleep(0.3)  # others come to their end
            raise KeyboardInterrupt
        if moment != "behind it":
            write(report, *values)

    interruptions = []
    monkeypatch.setattr(Report, "_write", interrupted)
    words = ["apply", tmp_path, "-k", "blur", "-q", "-o", f"{tmp_path}/out/", "--report", tmp_path / "r.jsonl", "-j", "2"]
    assert run(*words).status == 130
    told = [Path(json.loads(line)["outputs"][0]["path"]).name for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(made) >= 2
    assert sorted(set(told)) == made
    assert len(told) == len(made)


def test_a_map_that_was_written_is_reported_beside_the_one_that_failed(run, samples, tmp_path):
    """Both lines, status 1."""
    words = ["-k", "blur", "-k", "box:size=401", "--padding", "valid", "-o", f"{tmp_path}/{{kernel}}.png"]
    result = run("apply", samples / "horse.png", *words, "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    result = run("apply", samples / "horse.png", *words, "--overwrite")
    assert any("blur min" in line for line in result.lines)
    assert [path.name for path in tmp_path.iterdir()] == ["blur.png"]


def test_a_dry_run_fails_where_the_run_would(run, tmp_path):
    """Alpha, 16 bits, and numbers without a scale."""
    PIL.Image.fromarray(TRANSPARENT_RED_BESIDE_WHITE).save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "deep.tif", np.zeros((4, 4, 3), np.uint16), photometric="rgb")
    np.save(tmp_path / "real.npy", np.zeros((4, 4)))
    for name, out in (("alpha.png", "x.jpg"), ("deep.tif", "x.png"), ("real.npy", "x.png")):
        for extra in ([], ["-n"]):
            result = run("apply", tmp_path / name, "-k", "blur", "-o", tmp_path / out, *extra)
            assert (result.status, len(result.lines)) == (1, 1), result.err
        assert not (tmp_path / out).exists()


def test_a_deaf_standard_error_does_not_stop_the_work(samples, tmp_path):
    """Messages are lost, pictures are not."""
    command = (
        f"{sys.executable} -m convcli apply {samples}/camera.png {samples}/horse.png -k blur -o {tmp_path}/out/ 2>/dev/full"
    )
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_pipes(shell, samples, tmp_path):
    """A picture in, a picture out, nothing else on standard output."""
    data = (samples / "rocket.jpg").read_bytes()
    result = shell("apply", "-", "-k", "edge", "--format", "png", "-o", "-", input=data)
    assert result.returncode == 0
    with PIL.Image.open(io.BytesIO(result.stdout)) as picture:
        assert picture.size == (640, 427)
    assert b"standard output: edge min" in result.stderr
    result = shell("apply", "-", "-k", "edge", "-k", "blur", "--format", "npy", "-o", "-", "-q", input=data)
    assert np.load(io.BytesIO(result.stdout)).shape == (2, 427, 640, 3)
    assert result.stderr == b""
    result = shell("apply", "-", "-k", "edge", "-o", tmp_path / "x.png", input=b"")
    assert (result.returncode, result.stderr) == (1, b"Error: standard input: is empty\n")


def test_a_reader_that_has_gone(samples):
    """141, and not a word."""
    command = [
        sys.executable,
        "-m",
        "convcli",
        "apply",
        samples / "astronaut.png",
        "-k",
        "blur",
        "--format",
        "bmp",
        "-o",
        "-",
        "-q",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_slow_or_unwilling_reader_gets_every_byte(samples, unbuffered):
    """Through an unbuffered pipe that does not block; the rest is never dropped."""
    command = [
        sys.executable,
        "-m",
        "convcli",
        "apply",
        samples / "camera.png",
        "-k",
        "blur",
        "--format",
        "npy",
        "-o",
        "-",
        "-q",
    ]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = subprocess.Popen(command, stdout=writing, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    os.close(writing)
    time.sleep(1.5)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    assert process.wait(timeout=60) == 0
    assert np.load(io.BytesIO(data)).shape == (1, 512, 512)


@pytest.mark.parametrize(
    "words",
    ["apply {}/camera.png -k blur --format png -o - -q", "kernels list", "kernels show blur --json", "--help", "apply --help"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output(samples, words, unbuffered):
    """One line and status 1."""
    command = f"{sys.executable} -m convcli {words.format(samples)} > /dev/full"
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False, env=env, text=True)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith("standard output cannot be written: No space left on device")


def test_closed_standard_output(samples):
    """One line."""
    for words in (f"apply {samples}/camera.png -k blur --format png -o -", "kernels list"):
        result = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m convcli {words} >&-"], capture_output=True, timeout=60, check=False
        )
        assert (result.returncode, result.stderr) == (1, b"Error: standard output is closed\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_no_half_written_file(tmp_path, number, status):
    """The old file stays, the temporary one goes."""
    (tmp_path / "b.npy").write_bytes(b"old")
    for moment, side, kernel in (("summing", 3000, "gaussian:sigma=30"), ("writing", 12000, "identity")):
        np.save(tmp_path / "a.npy", np.zeros((side, side), np.uint8))
        words = ["a.npy", "-k", kernel, "--method", "direct", "-o", "b.npy", "-j", "1", "-q"]
        command = [sys.executable, "-m", "convcli", "apply", *words]
        # A shell that starts the tests in the background ignores SIGINT, and so would its children.
        heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=heed)
        give_up = time.monotonic() + 60
        while moment == "writing" and not list(tmp_path.glob(".convcli-*.part")) and time.monotonic() < give_up:
            time.sleep(0.001)
        time.sleep(2 if moment == "summing" else 0)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == status, (moment, err)
        assert b"Traceback" not in err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]
        if moment == "summing" or (tmp_path / "b.npy").stat().st_size == 3:
            assert (tmp_path / "b.npy").read_bytes() == b"old"
        else:  # in the moment that it is given, the writing came to its end
            assert_array_equal(np.load(tmp_path / "b.npy"), np.zeros((1, side, side), np.float32))


def test_a_full_disk_leaves_the_old_file(shell, samples, tmp_path):
    """One line with the file and the cause; no stump, no temporary file."""
    out = tmp_path / "x.png"
    out.write_bytes(b"old")
    command = f"ulimit -f 20; exec {sys.executable} -m convcli apply {samples}/astronaut.png -k blur -o {out} -q"
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False, text=True)
    assert (result.returncode, result.stderr.splitlines()) == (
        1,
        [f"Error: {samples}/astronaut.png: {out}: cannot be written: File too large"],
    )
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]
    result = shell("apply", samples / "camera.png", "-k", "blur", "-q", "--format", "png", "-o", "/dev/full")
    assert result.returncode == 1
    assert b"No space left on device" in result.stderr


HOSTILE = [
    "a b.png",
    "[red]x.png",
    "x[",
    "new\nline.png",
    "esc\x1b[31m.png",
    "%s{stem}.png",
    "-dash.png",
    "quote'\".png",
    "ü.png",
    "\u202egnp.png",
    "line\u2028line.png",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(run, samples, tmp_path, monkeypatch, name):
    """Processed; shown without a byte that a terminal would obey; never read as a pattern."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes((samples / "horse.png").read_bytes())
    result = run("apply", "-k", "blur", "-o", "out/", "--", name)
    assert result.status == 0
    assert [path.name for path in Path("out").iterdir()] == [name if "." in name else f"{name}.png"]
    assert not any(ord(c) < 32 or ord(c) in (0x2028, 0x202E) for c in result.err.replace("\n", ""))
    assert len(result.lines) == 2


def test_names_that_are_not_text(shell, samples, tmp_path):
    """Bytes that are no UTF-8 come out as the same bytes."""
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Path(os.fsdecode(name)).write_bytes((samples / "horse.png").read_bytes())
    result = shell("apply", os.fsdecode(name), "-k", "blur", "-o", f"{tmp_path}/out/")
    assert result.returncode == 0, result.stderr
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"\xff\xfe.png"]
    assert b"/\\xff\\xfe.png" in result.stderr


def test_an_ascii_terminal_without_colour(shell, samples, tmp_path):
    """No escape codes, no failure on a letter that ASCII lacks."""
    path = tmp_path / "ü.png"
    path.write_bytes((samples / "horse.png").read_bytes())
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"}
    result = shell("apply", path, "-k", "blur", "-o", f"{tmp_path}/out/", env=env)
    assert result.returncode == 0, result.stderr
    assert shell("kernels", "list", env=env).returncode == 0
    assert shell("kernels", "show", "sobel", env=env).returncode == 0


def test_one_pixel_pictures(run, tmp_path):
    """Under a kernel far larger than they are."""
    PIL.Image.fromarray(np.full((1, 1), 77, np.uint8)).save(tmp_path / "a.png")
    for kernel in ("gaussian:sigma=5", "average:size=31"):
        assert run("apply", tmp_path / "a.png", "-k", kernel, "-o", tmp_path / "b.png").status == 0
        assert pixels(tmp_path / "b.png").tolist() == [[77]]


def test_kernels_of_a_config_file(run, samples, tmp_path):
    """--config adds names."""
    (tmp_path / "k.toml").write_text("[kernels.mine]\nmatrix = [[2]]\n[banks.two]\nkernels = ['mine', 'blur']\n")
    words = ["apply", samples / "camera.png", "--config", tmp_path / "k.toml", "-k", "two", "-o", tmp_path / "x.npz"]
    assert run(*words).status == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert list(arrays) == ["mine", "blur"]
        assert_array_equal(arrays["mine"], 2 * pixels(samples / "camera.png").astype(float))


def test_kernels_list_is_a_table_and_json(run):
    """One line a kernel in a pipe; the same facts as JSON."""
    table, rows = run("kernels", "list"), json.loads(run("kernels", "list", "--json").out)
    assert len(table.out.splitlines()) == len(rows) + 1
    assert {row["name"] for row in rows} == {line.split()[0] for line in table.out.splitlines()[1:]}
    gaussian = next(row for row in rows if row["name"] == "gaussian")
    assert gaussian["size"] == [9, 9]
    assert gaussian["sum"] == pytest.approx(1)
    assert gaussian["parameters"] == {"sigma": 1, "truncate": 4}
    assert next(row for row in rows if row["name"] == "sobel")["members"] == ["sobel-x", "sobel-y"]


def test_kernels_show(run):
    """The numbers, the sums, and whether it is separable."""
    text = run("kernels", "show", "sharpen").out
    assert [line.split() for line in text.splitlines()[3:6]] == [["0", "-1", "0"], ["-1", "5", "-1"], ["0", "-1", "0"]]
    assert "sum 1, absolute sum 9, not separable (rank 2)" in text
    assert "separable" in run("kernels", "show", "sobel-x").out
    assert "merged by l2" in run("kernels", "show", "sobel").out
    shown = json.loads(run("kernels", "show", "sobel-x@90", "--json").out)
    assert shown["kernels"][0]["matrix"] == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    assert shown["kernels"][0]["absolute_sum"] == 8
    assert "\x1b" not in text


def test_kernels_show_draws_colours_on_a_terminal(shell):
    """Backgrounds by value, where Rich is told that there is a terminal."""
    result = shell("kernels", "show", "sobel-x", env={"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"})
    assert b"\x1b[30;48;2" in result.stdout or b"48;2;255" in result.stdout


@pytest.mark.parametrize(("line", "offered"), [("convcli apply -k sobel-", "sobel-x"), ("convcli kernels show gau", "gaussian"),
                                               ("convcli apply --border ci", "circular"), ("convcli ap", "apply"),
                                               ("convcli apply --range st", "stretch")])  # fmt: skip
def test_completion(shell, line, offered):
    """Names of kernels, of options' words, and of commands."""
    words = line.split()
    env = {"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = shell(env=env)
    assert f"plain,{offered}".encode() in result.stdout


def test_completion_beside_a_broken_config(shell, tmp_path):
    """A file with a fault offers what it has, one that is no TOML nothing; the others are there all the same."""
    (tmp_path / "a.toml").write_text("[kernels.sobel-mine]\nmatrix = [[1]]\n[kernels.b]\nfile = 'none.npy'\n")
    (tmp_path / "b.toml").write_text("[")
    words = f"convcli apply --config {tmp_path}/a.toml --config {tmp_path}/b.toml -k sobel-"
    result = shell(env={"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "7"})
    assert set(result.stdout.split()) >= {b"plain,sobel-mine", b"plain,sobel-x"}
    assert result.stderr == b""


WAYS = [
    "-k sharpen",
    "-k sobel",
    "-k gabor --range stretch",
    "-k sobel --range stretch",
    "-k edge --stride 3x2",
    "-k emboss --dilation 2",
    "-k gaussian:sigma=2 --border linear-ramp",
    "-k laplacian --border linear-ramp --padding 5,0x9,3 --stride 2",
]


@pytest.mark.parametrize("words", WAYS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_map_that_is_made_in_parts_is_the_same(run, samples, tmp_path, monkeypatch, words, mode):
    """Its levels, and what is told of it: the smallest and the largest number stand in different parts."""
    pixels = np.asarray(PIL.Image.open(samples / "astronaut.png").convert("RGBA"))[:150, :200].copy()
    pixels[:, :, 3] |= 64
    pixels[5, 5], pixels[140, 140] = (0, 255, 0, 255), (255, 0, 255, 255)
    PIL.Image.fromarray(pixels).convert(mode).save(tmp_path / "in.png")
    out, told = tmp_path / "out.png", []
    for part in (1 << 20, 5000):
        monkeypatch.setattr(filter_module, "PART", part)
        result = run("apply", tmp_path / "in.png", *words.split(), "--json", "-o", out)
        told.append((result.status, json.loads(result.out.splitlines()[0])["outputs"], out.read_bytes()))
    assert told[0][0] == 0
    assert told[0] == told[1]


@pytest.mark.parametrize("border", ["zero", "edge", "reflect", "symmetric", "wrap", "linear-ramp", 7.0])
def test_transparent_pictures_are_multiplied_row_by_row(border, rng):
    """Only the rows that a part needs; where the kernel sums to zero the response is that of colours times alpha."""
    pixels, alpha = rng.integers(0, 256, (11, 9, 3), dtype=np.uint8), rng.integers(0, 256, (11, 9), dtype=np.uint8)
    weights, pads = np.array([[1.5, -2.0], [0.0, 3.0], [-2.0, -0.5]]), ((5, 12), (4, 1))
    options = {"stride": (2, 1), "dilation": (1, 2), "border": border}
    kernel = Kernel("edges", tuple(map(tuple, weights.tolist())))
    request = ApplyRequest((Input("-", None),), (kernel,), "out.png", padding=pads, **options)
    map_source = KernelMaps(request, Image(pixels, 255, alpha=alpha))
    expected = naive.filter2d(pixels * (alpha / 255)[:, :, None], weights, pads=pads, **options)
    for rows in (None, (0, 3), (3, 10), (10, 13)):
        begin, end = rows or (0, 13)
        assert_allclose(map_source.compute_map(kernel, rows).colour, expected[begin:end], rtol=0, atol=1e-3)
    assert expected.shape[0] == 13


def test_an_outcome_whose_telling_is_interrupted_is_told_once(tmp_path, monkeypatch):
    """A signal that comes while the line is flushed lets the outcome be reported again."""
    outcome = Outcome(Task("a.png", None))
    with Report(False, tmp_path / "r.jsonl") as report:
        file = report.file
        report.file = SimpleNamespace(write=file.write, flush=lambda: signal.default_int_handler(0, None), close=file.close)
        with pytest.raises(KeyboardInterrupt):
            report.outcome(outcome)
        report.outcome(outcome)
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 1
