"""convcli at: the explained pixel equals the pixel that apply stores, with any options."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

import naive
from convcli.images.read import read_image
from convcli.ops import filter as filter_module

CONFIG = """
[kernels.relief]
matrix = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2.5]]
offset = 28
[kernels.corner]
matrix = [[1, 2, 0, -1], [0.5, 0, 3, 1]]
anchor = [1, 3]
range = "center"
[banks.largest]
kernels = ["relief", "sobel-x", "corner"]
merge = "max"
[banks.average]
kernels = ["kirsch-n", "relief@90"]
merge = "mean"
"""
KERNELS = ("relief", "corner", "largest", "average", "roberts-1", "roberts", "sobel", "kirsch", "sharpen", "emboss", "edge")
KERNELS += ("gaussian:sigma=0.8", "average:size=9", "disk:radius=2", "log:sigma=1", "1/3 -1; 0 2", "-1 0 2", "@w.npy", "@c.npy")
RANGES = ("auto", "auto", "clip", "abs", "center", "stretch", "-300..500", "0.25..1")


def make_pictures(folder, rng):
    """Write a picture of every kind, and return their names."""
    levels = rng.integers(0, 256, (9, 11, 4), dtype=np.uint8)
    with_holes = levels.copy()
    with_holes[2:7, 3:8, 3] = 0
    opaque = levels.copy()
    opaque[:, :, 3] = 255
    for name, array in (
        ("rgba", levels),
        ("holes", with_holes),
        ("solid", opaque),
        ("rgb", levels[:, :, :3]),
        ("grey", levels[:, :, 0]),
    ):
        PIL.Image.fromarray(array).save(folder / f"{name}.png")
    PIL.Image.fromarray(np.ascontiguousarray(levels[:, :, 1:3]), "LA").save(folder / "la.png")
    PIL.Image.fromarray(rng.integers(0, 65536, (9, 11), dtype=np.uint16)).save(folder / "deep.png")
    tifffile.imwrite(folder / "deep.tif", rng.integers(0, 65536, (9, 11, 3), dtype=np.uint16), photometric="rgb")
    np.save(folder / "real.npy", rng.normal(size=(9, 11)))
    np.save(folder / "single.npy", rng.normal(size=(9, 11, 3)).astype(np.float32))
    np.save(folder / "five.npy", rng.integers(0, 256, (9, 11, 5), dtype=np.uint8))
    np.save(folder / "w.npy", rng.normal(size=(3, 2, 3)))
    np.save(folder / "c.npy", rng.integers(-3, 4, (2, 3, 1)))
    (folder / "k.toml").write_text(CONFIG)
    return ("rgba.png", "holes.png", "solid.png", "rgb.png", "grey.png", "la.png", "deep.png", "deep.tif") + (
        "real.npy",
        "single.npy",
        "five.npy",
    )


def any_options(rng):
    """Random values for every option that ``at`` shares with ``apply``."""
    pick = lambda *values: str(rng.choice(values))  # noqa: E731
    options = ["--stride", pick("1", "2", "2x3"), "--padding", pick("same", "same", "valid", "full", "2", "1,3x0,2")]
    options += [
        "--border",
        pick("zero", "7", "edge", "reflect", "symmetric", "wrap", "linear-ramp"),
        "--dilation",
        pick("1", "1", "2", "1x3"),
    ]
    options += ["--channels", pick("each", "sum", "gray"), "--range", pick(*RANGES), pick("--flip", "--no-flip")]
    return [*options, "--config", "k.toml"]


def parse_json(result):
    """The JSON output of a successful run."""
    assert result.status == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize("seed", range(12))
def test_the_pixel_equals_that_of_apply(run, tmp_path, monkeypatch, seed):
    """Level, alpha and raw response, for random pictures and options. Both commands refuse the same."""
    rng = np.random.default_rng(seed)
    monkeypatch.chdir(tmp_path)
    pictures = make_pictures(tmp_path, rng)
    explained = 0
    while explained < 12:
        name, options = str(rng.choice(pictures)), ["-k", str(rng.choice(KERNELS)), *any_options(rng)]
        raw = run("apply", name, *options, "-o", "x.npy", "-q")
        if raw.status:
            explanation = run("at", "0,0", name, *options)
            assert (explanation.status, explanation.lines[-1:]) == (raw.status, raw.lines[-1:]), options
            continue
        maps = np.load("x.npy")[0]
        maps = maps if maps.ndim == 3 else maps[:, :, None]
        x, y = int(rng.integers(maps.shape[1])), int(rng.integers(maps.shape[0]))
        point = parse_json(run("at", f"{x},{y}", name, *options, "--json"))
        assert (point["x"], point["y"]) == (x, y)
        assert point["map"] == {"height": maps.shape[0], "width": maps.shape[1], "channels": maps.shape[2]}
        np.testing.assert_allclose(point["responses"], maps[y, x], rtol=1e-5, atol=1e-5)
        check_levels(run, name, options, point, (x, y))
        for kernel in point["kernels"]:
            check_sums(kernel)
        explained += 1


def check_levels(run, name, options, point, position):
    """Assert that the levels equal those of a TIFF; maps that are no picture, or have no white level, are raw."""
    stored = run("apply", name, *options, "-o", "x.tif", "-q")
    if point["levels"] is None:
        assert stored.status == 1 or read_image(Path("x.tif")).white is None, (name, options)
        return
    assert stored.status == 0, stored.err
    image = read_image(Path("x.tif"))
    assert (image.white, image.pixels[position[1], position[0]].tolist()) == (point["white"], point["levels"]), (name, options)
    assert point["alpha"] == (None if image.alpha is None else int(image.alpha[position[1], position[0]])), (name, options)


def check_sums(kernel):
    """Assert that the figures add up: levels times weights, over the taps, divided by alpha, plus the offset."""
    sums, size = [], 0.0
    for channel in kernel["channels"]:
        summed, weights, products = (np.array(channel[key]) for key in ("summed", "weights", "products"))
        np.testing.assert_allclose(products, summed * weights, rtol=1e-12)
        assert channel["sum"] == pytest.approx(products.sum(), rel=1e-9, abs=1e-9)
        sums.append(channel["sum"])
        size += np.abs(products).sum()
    sums = [sum(sums)] if kernel["summed_over_channels"] else sums
    assert kernel["sums"] == pytest.approx(sums, rel=1e-9, abs=1e-9)
    alpha = kernel["alpha"]
    divisor = 1.0 if alpha is None or alpha["divisor"] is None else alpha["divisor"]
    if alpha is not None and alpha["weights"] is not None:
        assert alpha["seen"] == pytest.approx(np.sum(np.multiply(alpha["levels"], alpha["weights"])), rel=1e-4, abs=1e-3)
    for total, response in zip(sums, kernel["responses"], strict=True):
        expected = kernel["offset"] + (total / divisor if divisor else 0.0)
        assert response == pytest.approx(expected, abs=1e-5 * (size / (divisor or 1.0) + abs(kernel["offset"]) + 1))


@pytest.mark.parametrize("kernel", ["gaussian:sigma=9", "box:size=31", "disk:radius=12", "sobel"])
def test_pixels_of_large_kernels_and_pictures_equal_those_of_apply(run, samples, tmp_path, monkeypatch, kernel):
    """By FFT, by running sums, and in pictures that are computed in parts; stretch uses the range of all parts."""
    monkeypatch.setattr(filter_module, "CHUNK_SIZE", 100_000)
    for rule in ("auto", "stretch"):
        options = ["-k", kernel, "--range", rule]
        assert run("apply", samples / "astronaut.png", *options, "-q", "-o", tmp_path / "x.tif").status == 0
        stored = read_image(tmp_path / "x.tif").pixels
        for x, y in ((0, 0), (511, 511), (200, 411), (37, 256)):
            point = parse_json(run("at", f"{x},{y}", samples / "astronaut.png", *options, "--json"))
            assert point["levels"] == stored[y, x].tolist()
            check_sums(point["kernels"][0])


@pytest.mark.parametrize("border", ["zero", "7", "edge", "reflect", "symmetric", "wrap"])
def test_the_window_equals_numpy_pad(run, tmp_path, rng, border):
    """Coordinates, border flags and values for an array of indices, further out than the picture is wide."""
    size, pads = (4, 5), ((7, 3), (6, 8))
    np.save(tmp_path / "index.npy", np.arange(20.0).reshape(size))
    constant = border if border != "7" else 7.0
    padded = naive.pad(np.arange(20).reshape(size), pads, constant)
    outside = np.pad(np.zeros(size, bool), pads, constant_values=True)
    options = ["--padding", "7,3x6,8", "--dilation", "2x3", "--stride", "3x2", "--border", border]
    rows, columns = (14 - 5) // 3 + 1, (19 - 7) // 2 + 1
    for _ in range(8):
        x, y = int(rng.integers(columns)), int(rng.integers(rows))
        (kernel,) = parse_json(run("at", f"{x},{y}", tmp_path / "index.npy", "-k", "1 2 3; 4 5 6; 7 8 9", *options, "--json"))[
            "kernels"
        ]
        taps = np.ix_(3 * y + 2 * np.arange(3), 2 * x + 3 * np.arange(3))
        assert kernel["rows"] == (taps[0].ravel() - 7).tolist()
        assert kernel["columns"] == (taps[1].ravel() - 6).tolist()
        assert kernel["border"] == outside[taps].tolist()
        assert kernel["channels"][0]["levels"] == padded[taps].tolist()
        for i, row in enumerate(kernel["shown_rows"]):
            for j, column in enumerate(kernel["shown_columns"]):
                if row is not None and column is not None:
                    assert padded[taps][i, j] == 5 * row + column
                else:
                    assert border in ("zero", "7")


def test_the_window_of_a_ramp_equals_numpy_pad(run, tmp_path, rng):
    """The window contains the values of the ramp."""
    size, pads = (4, 5), ((7, 3), (6, 8))
    image = rng.normal(size=size)
    np.save(tmp_path / "real.npy", image)
    padded = np.pad(image, pads, mode="linear_ramp")
    options = ["-k", "1 2 3; 4 5 6; 7 8 9", "--padding", "7,3x6,8", "--dilation", "2x3", "--border", "linear_ramp", "--json"]
    for x, y in ((0, 0), (12, 0), (0, 9), (12, 9), (5, 6), (6, 3)):
        point = parse_json(run("at", f"{x},{y}", tmp_path / "real.npy", *options))
        taps = padded[np.ix_(y + 2 * np.arange(3), x + 3 * np.arange(3))]
        np.testing.assert_allclose(point["kernels"][0]["channels"][0]["levels"], taps, rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(point["responses"], [(taps * np.arange(1, 10).reshape(3, 3)).sum()], rtol=1e-12)


@pytest.mark.parametrize("name", ["rgba.png", "solid.png", "rgb.png"])
def test_the_window_of_a_ramp_with_alpha_equals_numpy_pad(run, tmp_path, rng, name):
    """With alpha, also opaque, alpha fades and the colours are those of the edge; without alpha the colours fade."""
    make_pictures(tmp_path, rng)
    image = read_image(tmp_path / name)
    (kernel,) = parse_json(run("at", "0,0", tmp_path / name, "-k", "gaussian:sigma=1", "--border", "linear-ramp", "--json"))[
        "kernels"
    ]
    half = len(kernel["rows"]) // 2
    window = (slice(2 * half + 1), slice(2 * half + 1))
    if image.alpha is not None:
        alpha = np.pad(image.alpha.astype(float), half, mode="linear_ramp")[window]
        np.testing.assert_allclose(kernel["alpha"]["levels"], alpha, rtol=1e-14)
    for c, channel in enumerate(kernel["channels"]):
        colours = image.pixels[:, :, c].astype(float)
        edge, faded = (np.pad(colours, half, mode=mode)[window] for mode in ("edge", "linear_ramp"))
        np.testing.assert_allclose(channel["levels"], faded if image.alpha is None else edge, rtol=1e-14)
        summed = faded if image.alpha is None else edge * alpha / 255
        np.testing.assert_allclose(channel["summed"], summed, rtol=1e-14)


def write_gimp_picture(tmp_path):
    """Write the picture of the worked example in GIMP's manual, "Convolution Matrix"."""
    PIL.Image.fromarray(np.array([[40, 42, 46], [46, 50, 55], [52, 56, 58]], np.uint8)).save(tmp_path / "gimp.png")
    return tmp_path / "gimp.png"


def test_the_example_of_gimp_is_reproduced(run, tmp_path):
    """The pixel of 50 becomes 42, the pixel above it: 0 1 0; 0 0 0; 0 0 0."""
    result = run("at", "1,1", write_gimp_picture(tmp_path), "-k", "0 1 0; 0 0 0; 0 0 0")
    assert result.status == 0
    assert result.err == ""
    assert result.out.splitlines()[1:] == [
        "matrix-3x3 at column 1, row 1 of 3 x 3",
        "over rows 0..2, columns 0..2",
        "",
        "  levels       kernel     products",
        "  40 42 46     0 1 0       0 42  0",
        "  46 50 55  x  0 0 0   =   0  0  0",
        "  52 56 58     0 0 0       0  0  0",
        "  sum 42; stored 42 of 255 (range clip)",
    ]


def test_padding_is_in_brackets_and_dilation_is_printed(run, tmp_path):
    """A flipped and dilated kernel at the corner, with a constant border."""
    options = ["--border", "7", "--dilation", "2", "--flip", "--range", "center"]
    result = run("at", "0,0", write_gimp_picture(tmp_path), "-k", "1 2 3; 4 5 6; 7 8 9", *options)
    assert result.out.splitlines()[1:] == [
        "matrix-3x3 at column 0, row 0 of 3 x 3",
        "over rows -2..2 by 2, columns -2..2 by 2",
        "[ ] lies outside the picture: --border 7",
        "the kernel is rotated by 180 degrees: --flip",
        "",
        "  levels          kernel     products",
        "  [7] [7] [7]     9 8 7       63  56  49",
        "  [7] 40  46   x  6 5 4   =   42 200 184",
        "  [7] 52  58      3 2 1       21 104  58",
        "  sum 777; stored 255 of 255 (range center, -128..127)",
    ]


def test_the_merged_value_is_printed_after_its_kernels(run, tmp_path):
    """Each kernel has its own sum."""
    lines = run("at", "1,1", write_gimp_picture(tmp_path), "-k", "sobel").out.splitlines()
    assert [line for line in lines if "sum" in line or "l2" in line] == [
        "  sum 30",
        "  sum 52",
        "l2 of 30, 52: 60.033325; stored 60 of 255 (range clip)",
    ]


def test_alpha_is_printed(run, tmp_path):
    """Levels times alpha are summed and divided by the filtered alpha; not with a zero-sum kernel."""
    levels = np.zeros((3, 3, 2), np.uint8)
    levels[1, 1] = 200, 255
    levels[0, 0] = 100, 51
    PIL.Image.fromarray(levels, "LA").save(tmp_path / "la.png")
    out = run("at", "1,1", tmp_path / "la.png", "-k", "average:size=3").out
    assert "levels x alpha" in out
    assert "  alpha 34 of 255\n" in out
    assert re.search(r"\n  sum 24.444444, divided by alpha 0.133333\d*, response 183.333\d*\n  stored 183 of 255 ", out)
    assert out.endswith("alpha stored 34 of 255\n")
    out = run("at", "1,1", tmp_path / "la.png", "-k", "edge").out
    assert "  alpha 255 of 255, that of the pixel, as the kernel sums to 0\n" in out
    assert out.endswith("  sum 1580; stored 255 of 255 (range abs)\nalpha stored 255 of 255\n")


@pytest.mark.parametrize("picture", ["camera.png", "astronaut.png", "alpha.png"])
@pytest.mark.parametrize("position", ["0,0", "9,7"])
def test_nothing_is_wider_than_80_columns(run, samples, tmp_path, monkeypatch, picture, position):
    """Small kernels are side by side, larger ones below each other, large ones in a few lines."""
    monkeypatch.chdir(tmp_path)
    for name in ("camera.png", "astronaut.png"):
        shutil.copy(samples / name, name)
    grey_alpha = np.stack([pixels := read_image(samples / "camera.png").pixels[:, :, 0], pixels], axis=2)
    PIL.Image.fromarray(grey_alpha, "LA").save("alpha.png")
    for kernel in (
        "sobel-x",
        "binomial:size=5",
        "gaussian:sigma=0.8",
        "gaussian:sigma=1.4",
        "average:size=99",
        "motion:length=301",
    ):
        lines = run("at", position, picture, "-k", kernel).out.splitlines()
        assert max(map(len, lines)) <= 80, kernel
        assert len(lines) < 150
        side_by_side = any(re.search("levels.* kernel.* products$", line) for line in lines)
        if picture != "alpha.png" or kernel != "binomial:size=5":  # its width depends on the levels
            assert side_by_side == (kernel in ("sobel", "sobel-x", "binomial:size=5"))
        assert ("--json shows every number" in "".join(lines)) == (
            kernel in ("gaussian:sigma=1.4", "average:size=99", "motion:length=301")
        )


def test_a_row_of_a_wide_kernel_is_a_line(run, tmp_path):
    """Its row, levels, weights and products."""
    np.save(tmp_path / "ramp.npy", np.tile(np.arange(40, dtype=np.uint8), (5, 1)))
    kernel = "; ".join(["1 " * 19] * 3)
    lines = run("at", "20,0", tmp_path / "ramp.npy", "-k", kernel).out.splitlines()
    assert [line.split() for line in lines[-6:]] == [
        ["row", "levels", "kernel's", "sum", "products'", "sum"],
        ["[-1]", "11..29", "19", "380"],
        ["0", "11..29", "19", "380"],
        ["1", "11..29", "19", "380"],
        ["--json", "shows", "every", "number"],
        ["sum", "1140;", "stored", "255", "of", "255", "(range", "clip)"],
    ]


def test_json_contains_every_figure_and_is_valid(run, tmp_path):
    """NaN and infinity are null."""
    np.save(tmp_path / "x.npy", np.array([[1, np.nan, np.inf], [4, 5.5, 6], [7, 8, 9]]))
    result = run("at", "1,1", tmp_path / "x.npy", "-k", "1 1 1; 1 0 1; 1 1 2", "--json")
    point = json.loads(result.out, parse_constant=lambda word: pytest.fail(word))
    assert ".0" not in result.out
    assert list(point) == ["input", "size", "kernel", "x", "y", "map", "kernels", "merge", "responses", "range", "white"] + [
        "levels",
        "alpha",
    ]
    assert point["kernels"] == [
        {
            "name": "matrix-3x3",
            "rows": [0, 1, 2],
            "columns": [0, 1, 2],
            "shown_rows": [0, 1, 2],
            "shown_columns": [0, 1, 2],
            "border": [[False] * 3] * 3,
            "channels": [
                {
                    "levels": [[1, None, None], [4, 5.5, 6], [7, 8, 9]],
                    "summed": [[1, None, None], [4, 5.5, 6], [7, 8, 9]],
                    "weights": [[1, 1, 1], [1, 0, 1], [1, 1, 2]],
                    "products": [[1, None, None], [4, 0, 6], [7, 8, 18]],
                    "sum": None,
                }
            ],
            "alpha": None,
            "summed_over_channels": False,
            "sums": [None],
            "offset": 0,
            "responses": [None],
        }
    ]
    assert (point["responses"], point["levels"], point["range"], point["white"]) == ([None], None, None, None)
    ranged = parse_json(run("at", "0,2", tmp_path / "x.npy", "-k", "identity", "--range", "0..14", "--json"))
    assert (ranged["range"], ranged["levels"], ranged["white"]) == ({"rule": "0..14", "low": 0, "high": 14}, [128], 255)


def test_a_weight_of_0_is_ignored(run, tmp_path):
    """NaN and infinity under it do not change the sum."""
    np.save(tmp_path / "x.npy", np.array([[1, 2, 3], [4, np.nan, 6], [7, np.inf, 9]]))
    result = run("at", "1,1", tmp_path / "x.npy", "-k", "1 0 -1; 1 0 -1; 1 0 -1")
    assert "nan" in result.out
    assert result.out.endswith("  sum -6; stored raw\n")


def test_options_override_the_defaults_of_the_config(run, tmp_path, monkeypatch):
    """As with apply, the environment has a priority between them."""
    monkeypatch.chdir(tmp_path)
    write_gimp_picture(tmp_path)
    Path("kernels.toml").write_text('[defaults]\nborder = "wrap"\nrange = "center"\nflip = true\n')
    line = ["at", "2,0", "gimp.png", "-k", "1 2"]
    assert "the kernel is rotated by 180 degrees: --flip\n" in run(*line).out
    assert "[ ] lies outside the picture: --border wrap\n" in run(*line).out
    assert "range center" in run(*line).out
    monkeypatch.setenv("CONVCLI_RANGE", "abs")
    assert "range abs" in run(*line).out
    assert "range clip" in run(*line, "--range", "clip").out
    assert "turned" not in run(*line, "--no-config").out


def test_the_orientation_is_applied(run, tmp_path):
    """As with apply, coordinates are those of the upright picture."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "turned.png", exif=exif)
    point = parse_json(run("at", "2,3", tmp_path / "turned.png", "-k", "identity", "--json"))
    assert (point["map"]["width"], point["map"]["height"], point["levels"]) == (3, 4, [3])


WRONG = [
    (["512,0"], 2, "position 512,0 lies outside the map, which is 512 x 512: X goes from 0 to 511, Y from 0 to 511"),
    (["0,256", "--stride", "2"], 2, "position 0,256 lies outside the map, which is 256 x 256: X goes from 0 to 255"),
    (["3"], 2, "position must be X,Y, a column and a row of the output from 0, such as 3,2, got '3'"),
    (["3,2,1"], 2, "position must be X,Y"),
    (["3.5,2"], 2, "position must be X,Y"),
    (["3,-2"], 2, "position must be X,Y"),
    (["9" * 5000 + ",1"], 2, "position must be X,Y"),
    (["-1,2"], 2, "got '-1,2'"),
    (["1,1", "-k", "blur"], 2, "explains a pixel of one feature map; give one -k, got 2 (see convcli at --help)"),
    (["1,1", "extra.png"], 2, "unexpected extra argument"),
    (["1,1", "--range", "loud"], 2, "range must be one of auto"),
    (["1,1", "--padding", "60000"], 1, "camera.png: a map of 120510 x 120510 pixels is beyond the limit of 178956970"),
    (["1,1", "--padding", "valid", "--dilation", "300"], 1, "camera.png: a kernel that covers 601 x 601 does not fit"),
    (["1,1", "--max-pixels", "1000"], 1, "camera.png: is 512 x 512, 262144 pixels; the limit is 1000"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), WRONG, ids=lambda value: str(value)[:20])
def test_wrong_usage_is_one_line(run, samples, monkeypatch, arguments, status, message):
    """The status is that of apply."""
    monkeypatch.chdir(samples)
    result = run("at", arguments[0], "camera.png", "-k", "blur", *arguments[1:])
    assert (result.status, result.out, len(result.lines)) == (status, "", 1), result.err
    assert message in result.err


@pytest.mark.parametrize(
    ("name", "kernel", "status", "message"),
    [
        ("none.png", "blur", 1, "none.png: no such file"),
        ("", "blur", 2, "an input has an empty name"),
        (".", "blur", 1, ".: is a folder; name the files in it"),
        ("text.png", "blur", 1, "text.png: is not a picture that can be read"),
        ("cut.png", "blur", 1, "cut.png: is truncated or corrupt"),
        (
            "text.png",
            "frei-chen-basis",
            2,
            "bank 'frei-chen-basis' gives 9 feature maps; give one kernel, or a bank that merges",
        ),
        ("text.png", "sobelx", 2, "did you mean 'sobel-x'?"),
    ],
)
def test_impossible_pictures_and_kernels_are_one_line(run, samples, tmp_path, monkeypatch, name, kernel, status, message):
    """Each error is one line."""
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("hello")
    Path("cut.png").write_bytes((samples / "camera.png").read_bytes()[:5000])
    result = run("at", "0,0", name, "-k", kernel)
    assert (result.status, result.out, len(result.lines)) == (status, "", 1), result.err
    assert message in result.err


def test_standard_input_is_read(shell, samples):
    """A picture, empty input, closed input, and a terminal."""
    arguments = ("at", "5,5", "-", "-k", "identity")
    result = shell(*arguments, input=(samples / "camera.png").read_bytes())
    assert result.returncode == 0
    assert result.stdout.startswith(b"standard input: 512 x 512 grey 8-bit\nidentity at column 5, row 5")
    result = shell(*arguments, input=b"")
    assert (result.returncode, result.stderr) == (1, b"Error: standard input: is empty\n")
    command = [sys.executable, "-m", "convcli", *arguments]
    closed = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (2, "Error: standard input is closed (see convcli at --help)\n")
    leader, follower = pty.openpty()
    shown = subprocess.run(command, stdin=follower, capture_output=True, text=True, timeout=60, check=False)
    os.close(leader)
    os.close(follower)
    assert shown.returncode == 2
    assert shown.stderr.startswith("Error: standard input is a terminal; send a picture to it")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_pipe_ends_the_run(samples, options):
    """Status 141, and no message."""
    command = [sys.executable, "-m", "convcli", "at", "3,3", samples / "astronaut.png", "-k", "average:size=15", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_names_are_printed_without_control_characters(run, tmp_path):
    """The name of the picture is printed without control characters."""
    path = tmp_path / "a\x1b[2Jb.png"
    PIL.Image.fromarray(np.zeros((3, 3), np.uint8)).save(path)
    result = run("at", "1,1", path, "-k", "blur")
    assert result.status == 0
    assert "\x1b" not in result.out
    assert "a\\x1b[2Jb.png" in result.out


def test_kernel_names_are_completed(shell):
    """As in apply."""
    env = {"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": "convcli at 3,2 x.png -k sobel", "COMP_CWORD": "5"}
    result = shell(env=env, text=True)
    assert "plain,sobel-x" in result.stdout


def test_the_manual_shows_the_output(run, samples, monkeypatch):
    """Character for character."""
    monkeypatch.chdir(samples)
    readme = (samples.parent / "convcli" / "manual" / "apply.md").read_text()
    ((line, shown),) = re.findall(r"^convcli (at .*camera.png.*)\n```\n\n```\n((?:.*\n)*?)```", readme, re.MULTILINE)
    assert run(*line.split()).out == shown


def test_floats_with_alpha_are_multiplied_in_float64(run, tmp_path):
    """Only the window is read: an infinity of alpha 0 beside it gives no warning."""
    rng = np.random.default_rng(0)
    pixels = rng.random((3, 5, 4), dtype=np.float32)
    pixels[1, 4] = np.inf, np.inf, np.inf, 0
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    result = run("at", "1,1", tmp_path / "a.tif", "-k", "1 2 3", "--json")
    assert (result.status, result.err) == (0, "")
    (first, *_) = json.loads(result.out)["kernels"][0]["channels"]
    window = pixels[1, 0:3].astype(np.float64)
    np.testing.assert_allclose(first["summed"], [window[:, 0] * window[:, 3]], rtol=1e-15)
