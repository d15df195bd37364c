"""convcli apply on pictures with alpha."""

import re

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

import naive
from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.images.image import Image
from convcli.kernels.kernel import Kernel
from convcli.pipeline.apply_request import ApplyRequest
from convcli.pipeline.inputs import Input
from convcli.pipeline.kernel_maps import KernelMaps
from pictures import TRANSPARENT_RED_BESIDE_WHITE, pixels


def test_transparent_colours_never_bleed(run, tmp_path):
    """Three white pixels beside transparent red: the next pixel is white at a third of the alpha, as with ImageMagick."""
    PIL.Image.fromarray(TRANSPARENT_RED_BESIDE_WHITE).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", "average", "-o", tmp_path / "b.png").status == 0
    result = pixels(tmp_path / "b.png")
    assert result[1, 3].tolist() == [255, 255, 255, 85]
    assert result[1, 2].tolist() == [255, 255, 255, 170]
    assert result[1, 5].tolist() == [0, 0, 0, 0]


def test_borders_of_pictures_with_alpha_are_transparent_or_opaque(run, tmp_path):
    """zero is transparent, a number is an opaque level."""
    PIL.Image.fromarray(np.full((3, 3, 4), (90, 90, 90, 255), np.uint8)).save(tmp_path / "a.png")
    for border, corner in (("zero", [90, 90, 90, 113]), ("0", [40, 40, 40, 255])):  # 4 of 9 pixels lie inside
        run("apply", tmp_path / "a.png", "-k", "average", "--border", border, "-o", tmp_path / "b.png")
        assert pixels(tmp_path / "b.png")[0, 0].tolist() == corner


@pytest.mark.parametrize("opaque", [False, True])
def test_alpha_follows_the_border_linear_ramp(run, tmp_path, rng, opaque):
    """With linear-ramp, colours outside are those of the edge, and alpha falls to 0."""
    levels = rng.integers(1, 256, (20, 30, 4), dtype=np.uint8)
    if opaque:
        levels[:, :, 3] = 255
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    options = ["-k", "gaussian:sigma=2", "--border", "linear-ramp"]
    assert run("apply", tmp_path / "a.png", *options, "-o", tmp_path / "b.png").status == 0
    weights = load_registry([ConfigLocation(built_in_file(), "built in")]).find("gaussian:sigma=2").weights
    half = len(weights) // 2
    alpha = np.pad(levels[:, :, 3].astype(float), half, mode="linear_ramp")
    expected_alpha = naive.correlate(alpha, weights / weights.sum())
    edge = np.pad(levels[:, :, :3].astype(float), ((half, half), (half, half), (0, 0)), mode="edge")
    colours = naive.filter2d(edge * alpha[:, :, None], weights / weights.sum()) / expected_alpha[:, :, None]
    result = pixels(tmp_path / "b.png")
    assert_allclose(result[:, :, 3], expected_alpha, atol=0.501)
    assert_allclose(result[:, :, :3], colours, atol=0.501)


@pytest.mark.parametrize(("kernel", "row"), [("1 1; 1 1", [1, 1]), ("binomial:size=3", [1, 2, 1])])
def test_alpha_is_rounded_half_to_even(run, tmp_path, rng, kernel, row):
    """Sums are divided by powers of two, so that ties are exact; SciPy in float64 gives the expected values."""
    levels = rng.integers(0, 256, (60, 80, 4), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", kernel, "-o", tmp_path / "b.png").status == 0
    weights = np.outer(row, row) / sum(row) ** 2
    shift = -(1 - len(row) % 2)  # SciPy puts the spare row of an even kernel first
    expected = scipy.ndimage.correlate(levels[:, :, 3].astype(float), weights, mode="mirror", origin=shift)
    assert np.sum(expected % 1 == 0.5) > 10
    assert_array_equal(pixels(tmp_path / "b.png")[:, :, 3], np.rint(expected))


def test_colours_with_low_16_bit_alpha_are_kept(run, tmp_path):
    """Down to one level of alpha. Levels below 129 of 65535 are 0 in 8 bits, which would make the colours black."""
    levels = np.zeros((4, 300, 4), np.uint16)
    levels[..., :3], levels[..., 3] = [40_000, 20_000, 60_000], np.arange(300)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb", extrasamples=["unassalpha"])
    assert run("apply", tmp_path / "a.tif", "-k", "identity", "-o", tmp_path / "b.tif", "-q").status == 0
    levels[:, 0] = 0
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), levels)
    assert "40000" in run("at", "3,2", tmp_path / "a.tif", "-k", "identity").out


def test_zero_sum_kernels_keep_alpha(run, tmp_path, rng):
    """With a stride, alpha is taken at the same pixels."""
    levels = rng.integers(0, 256, (8, 10, 4), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    for kernel, stride, dilation in (("laplacian", 1, 1), ("laplacian", 2, 3), ("roberts", 1, 2), ("roberts", 1, 3)):
        options = ["-k", kernel, "--stride", stride, "--dilation", dilation]
        run("apply", tmp_path / "a.png", *options, "-o", tmp_path / "b.png")
        assert_array_equal(pixels(tmp_path / "b.png")[:, :, 3], levels[::stride, ::stride, 3])


def test_stretch_ignores_transparent_pixels(run, tmp_path):
    """A transparent pixel is neither the minimum nor the maximum."""
    levels = np.array([[[100, 100, 100, 255], [200, 200, 200, 255], [7, 7, 7, 0]]], np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    result = run("apply", tmp_path / "a.png", "-k", "identity", "--range", "stretch", "-o", tmp_path / "b.png")
    assert "identity min 100, max 200" in result.err
    assert pixels(tmp_path / "b.png")[0, :2, 0].tolist() == [0, 255]


def test_a_transparent_picture_stays_transparent(run, tmp_path):
    """It has no minimum and stays transparent."""
    PIL.Image.fromarray(np.full((4, 4, 4), (9, 9, 9, 0), np.uint8)).save(tmp_path / "a.png")
    result = run("apply", tmp_path / "a.png", "-k", "blur", "-o", tmp_path / "b.png")
    assert (result.status, result.lines) == (0, [f"{tmp_path}/b.png: blur, all pixels are transparent"])
    assert not pixels(tmp_path / "b.png")[:, :, 3].any()


def test_soft_edges_do_not_give_huge_responses(run, tmp_path):
    """With kernels of both signs on a soft mask, pixels stored as transparent are not in the statistics."""
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
    """The colours equal those of the picture without alpha."""
    photo = pixels(samples / "chelsea.png")
    PIL.Image.fromarray(photo).save(tmp_path / "rgb.png")
    PIL.Image.fromarray(np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])).save(tmp_path / "rgba.png")
    for name in ("rgb", "rgba"):
        run("apply", tmp_path / f"{name}.png", "-k", kernel, "-o", f"{tmp_path}/{name}-out.png")
    with_alpha = pixels(tmp_path / "rgba-out.png")
    assert np.abs(with_alpha[:, :, :3].astype(int) - pixels(tmp_path / "rgb-out.png")).max() <= 1
    assert np.all(with_alpha[:, :, 3] == 255)


@pytest.mark.parametrize("border", ["zero", "edge", "reflect", "symmetric", "wrap", "linear-ramp", 7.0])
def test_parts_of_pictures_with_alpha_equal_the_whole(border, rng):
    """Parts equal the whole; a zero-sum kernel is applied to colours times alpha."""
    pixels, alpha = rng.integers(0, 256, (11, 9, 3), dtype=np.uint8), rng.integers(0, 256, (11, 9), dtype=np.uint8)
    weights, pads = np.array([[1.5, -2.0], [0.0, 3.0], [-2.0, -0.5]]), ((5, 12), (4, 1))
    options = {"stride": (2, 1), "dilation": (1, 2), "border": border}
    kernel = Kernel("edges", tuple(map(tuple, weights.tolist())))
    request = ApplyRequest((Input("-", None),), (kernel,), "out.png", padding=pads, **options)
    map_source = KernelMaps(request, Image(pixels, 255, alpha=alpha))
    expected = naive.filter2d(pixels * (alpha / 255)[:, :, None], weights, pads=pads, **options)
    for rows in (None, (0, 3), (3, 10), (10, 13)):
        start, end = rows or (0, 13)
        assert_allclose(map_source.compute_map(kernel, rows).colour, expected[start:end], rtol=0, atol=1e-3)
    assert expected.shape[0] == 13
