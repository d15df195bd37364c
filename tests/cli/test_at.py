"""convcli at: one pixel explained is the pixel that apply stores, whatever the options."""

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
    """A picture of every kind that pixels are kept in, by name, with its channels."""
    levels = rng.integers(0, 256, (9, 11, 4), dtype=np.uint8)
    holes = levels.copy()
    holes[2:7, 3:8, 3] = 0
    solid = levels.copy()
    solid[:, :, 3] = 255
    for name, array in (
        ("rgba", levels),
        ("holes", holes),
        ("solid", solid),
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
    """Words for every option that ``at`` shares with ``apply``."""
    pick = lambda *words: str(rng.choice(words))  # noqa: E731
    words = ["--stride", pick("1", "2", "2x3"), "--padding", pick("same", "same", "valid", "full", "2", "1,3x0,2")]
    words += [
        "--border",
        pick("zero", "7", "edge", "reflect", "symmetric", "wrap", "linear-ramp"),
        "--dilation",
        pick("1", "1", "2", "1x3"),
    ]
    words += ["--channels", pick("each", "sum", "gray"), "--range", pick(*RANGES), pick("--flip", "--no-flip")]
    return [*words, "--config", "k.toml"]


def facts(result):
    """The JSON of a run."""
    assert result.status == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize("seed", range(12))
def test_the_pixel_is_the_one_that_apply_stores(run, tmp_path, monkeypatch, seed):
    """Level, alpha and raw response, of random pictures with all options at once. What apply refuses is refused alike."""
    rng = np.random.default_rng(seed)
    monkeypatch.chdir(tmp_path)
    pictures = make_pictures(tmp_path, rng)
    explained = 0
    while explained < 12:
        name, words = str(rng.choice(pictures)), ["-k", str(rng.choice(KERNELS)), *any_options(rng)]
        raw = run("apply", name, *words, "-o", "x.npy", "-q")
        if raw.status:
            told = run("at", "0,0", name, *words)
            assert (told.status, told.lines[-1:]) == (raw.status, raw.lines[-1:]), words
            continue
        maps = np.load("x.npy")[0]
        maps = maps if maps.ndim == 3 else maps[:, :, None]
        x, y = int(rng.integers(maps.shape[1])), int(rng.integers(maps.shape[0]))
        point = facts(run("at", f"{x},{y}", name, *words, "--json"))
        assert (point["x"], point["y"]) == (x, y)
        assert point["map"] == {"height": maps.shape[0], "width": maps.shape[1], "channels": maps.shape[2]}
        np.testing.assert_allclose(point["responses"], maps[y, x], rtol=1e-5, atol=1e-5)
        check_levels(run, name, words, point, (x, y))
        for kernel in point["kernels"]:
            check_sums(kernel)
        explained += 1


def check_levels(run, name, words, point, at):
    """The levels are those of a TIFF; a map that is no picture, or has no white, is raw."""
    stored = run("apply", name, *words, "-o", "x.tif", "-q")
    if point["levels"] is None:
        assert stored.status == 1 or read_image(Path("x.tif")).white is None, (name, words)
        return
    assert stored.status == 0, stored.err
    image = read_image(Path("x.tif"))
    assert (image.white, image.pixels[at[1], at[0]].tolist()) == (point["white"], point["levels"]), (name, words)
    assert point["alpha"] == (None if image.alpha is None else int(image.alpha[at[1], at[0]])), (name, words)


def check_sums(kernel):
    """What is told adds up: levels times weights, over the taps, over alpha, and the offset."""
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
def test_large_kernels_and_pictures(run, samples, tmp_path, monkeypatch, kernel):
    """By spectra, by running sums, and far down a picture, which is made in parts; stretch looks at all of them."""
    monkeypatch.setattr(filter_module, "CHUNK_SIZE", 100_000)
    for rule in ("auto", "stretch"):
        words = ["-k", kernel, "--range", rule]
        assert run("apply", samples / "astronaut.png", *words, "-q", "-o", tmp_path / "x.tif").status == 0
        stored = read_image(tmp_path / "x.tif").pixels
        for x, y in ((0, 0), (511, 511), (200, 411), (37, 256)):
            point = facts(run("at", f"{x},{y}", samples / "astronaut.png", *words, "--json"))
            assert point["levels"] == stored[y, x].tolist()
            check_sums(point["kernels"][0])


@pytest.mark.parametrize("border", ["zero", "7", "edge", "reflect", "symmetric", "wrap"])
def test_the_window_is_numpys_padding(run, tmp_path, rng, border):
    """Coordinates, border flags and what is shown there, of an array of indices, further out than the picture is wide."""
    size, pads = (4, 5), ((7, 3), (6, 8))
    np.save(tmp_path / "index.npy", np.arange(20.0).reshape(size))
    constant = border if border != "7" else 7.0
    padded = naive.pad(np.arange(20).reshape(size), pads, constant)
    inside = np.pad(np.zeros(size, bool), pads, constant_values=True)
    words = ["--padding", "7,3x6,8", "--dilation", "2x3", "--stride", "3x2", "--border", border]
    rows, columns = (14 - 5) // 3 + 1, (19 - 7) // 2 + 1
    for _ in range(8):
        x, y = int(rng.integers(columns)), int(rng.integers(rows))
        (kernel,) = facts(run("at", f"{x},{y}", tmp_path / "index.npy", "-k", "1 2 3; 4 5 6; 7 8 9", *words, "--json"))[
            "kernels"
        ]
        taps = np.ix_(3 * y + 2 * np.arange(3), 2 * x + 3 * np.arange(3))
        assert kernel["rows"] == (taps[0].ravel() - 7).tolist()
        assert kernel["columns"] == (taps[1].ravel() - 6).tolist()
        assert kernel["border"] == inside[taps].tolist()
        assert kernel["channels"][0]["levels"] == padded[taps].tolist()
        for i, row in enumerate(kernel["shown_rows"]):
            for j, column in enumerate(kernel["shown_columns"]):
                if row is not None and column is not None:
                    assert padded[taps][i, j] == 5 * row + column
                else:
                    assert border in ("zero", "7")


def test_the_window_of_a_ramp_is_numpys_padding(run, tmp_path, rng):
    """With the numbers that stand outside."""
    size, pads = (4, 5), ((7, 3), (6, 8))
    image = rng.normal(size=size)
    np.save(tmp_path / "real.npy", image)
    padded = np.pad(image, pads, mode="linear_ramp")
    words = ["-k", "1 2 3; 4 5 6; 7 8 9", "--padding", "7,3x6,8", "--dilation", "2x3", "--border", "linear_ramp", "--json"]
    for x, y in ((0, 0), (12, 0), (0, 9), (12, 9), (5, 6), (6, 3)):
        point = facts(run("at", f"{x},{y}", tmp_path / "real.npy", *words))
        taps = padded[np.ix_(y + 2 * np.arange(3), x + 3 * np.arange(3))]
        np.testing.assert_allclose(point["kernels"][0]["channels"][0]["levels"], taps, rtol=1e-14, atol=1e-16)
        np.testing.assert_allclose(point["responses"], [(taps * np.arange(1, 10).reshape(3, 3)).sum()], rtol=1e-12)


@pytest.mark.parametrize("name", ["rgba.png", "solid.png", "rgb.png"])
def test_the_window_of_a_ramp_over_alpha(run, tmp_path, rng, name):
    """Alpha fades under the colours of the edge, opaque pictures that have alpha, too; without alpha the colours fade."""
    make_pictures(tmp_path, rng)
    image = read_image(tmp_path / name)
    (kernel,) = facts(run("at", "0,0", tmp_path / name, "-k", "gaussian:sigma=1", "--border", "linear-ramp", "--json"))[
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


def gimp(tmp_path):
    """The picture of the worked example in GIMP's manual, "Convolution Matrix"."""
    PIL.Image.fromarray(np.array([[40, 42, 46], [46, 50, 55], [52, 56, 58]], np.uint8)).save(tmp_path / "gimp.png")
    return tmp_path / "gimp.png"


def test_the_example_of_gimp(run, tmp_path):
    """The red frame's pixel of 50 becomes 42, the pixel above it: 0 1 0; 0 0 0; 0 0 0."""
    result = run("at", "1,1", gimp(tmp_path), "-k", "0 1 0; 0 0 0; 0 0 0")
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


def test_padding_is_in_brackets_and_taps_that_are_apart_are_told(run, tmp_path):
    """A turned kernel, dilated, at the corner, with a constant."""
    words = ["--border", "7", "--dilation", "2", "--flip", "--range", "center"]
    result = run("at", "0,0", gimp(tmp_path), "-k", "1 2 3; 4 5 6; 7 8 9", *words)
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


def test_the_merged_value_is_told_after_its_kernels(run, tmp_path):
    """Each with its own sum."""
    lines = run("at", "1,1", gimp(tmp_path), "-k", "sobel").out.splitlines()
    assert [line for line in lines if "sum" in line or "l2" in line] == [
        "  sum 30",
        "  sum 52",
        "l2 of 30, 52: 60.033325; stored 60 of 255 (range clip)",
    ]


def test_alpha_is_told(run, tmp_path):
    """Levels times alpha are summed, and divided by the alpha that the kernel saw; not under a kernel that sums to zero."""
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
@pytest.mark.parametrize("at", ["0,0", "9,7"])
def test_nothing_is_wider_than_80_columns(run, samples, tmp_path, monkeypatch, picture, at):
    """Small kernels side by side, larger ones below each other, large ones in a few lines."""
    monkeypatch.chdir(tmp_path)
    for name in ("camera.png", "astronaut.png"):
        shutil.copy(samples / name, name)
    whites = np.stack([pixels := read_image(samples / "camera.png").pixels[:, :, 0], pixels], axis=2)
    PIL.Image.fromarray(whites, "LA").save("alpha.png")
    for kernel in (
        "sobel-x",
        "binomial:size=5",
        "gaussian:sigma=0.8",
        "gaussian:sigma=1.4",
        "average:size=99",
        "motion:length=301",
    ):
        lines = run("at", at, picture, "-k", kernel).out.splitlines()
        assert max(map(len, lines)) <= 80, kernel
        assert len(lines) < 150
        side_by_side = any(re.search("levels.* kernel.* products$", line) for line in lines)
        if picture != "alpha.png" or kernel != "binomial:size=5":  # which may fit or not
            assert side_by_side == (kernel in ("sobel", "sobel-x", "binomial:size=5"))
        assert ("--json shows every number" in "".join(lines)) == (
            kernel in ("gaussian:sigma=1.4", "average:size=99", "motion:length=301")
        )


def test_a_row_of_a_wide_kernel_is_a_line(run, tmp_path):
    """Its place, levels, weights and products."""
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


def test_json_tells_all_and_nothing_that_is_not_json(run, tmp_path):
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
    ranged = facts(run("at", "0,2", tmp_path / "x.npy", "-k", "identity", "--range", "0..14", "--json"))
    assert (ranged["range"], ranged["levels"], ranged["white"]) == ({"rule": "0..14", "low": 0, "high": 14}, [128], 255)


def test_a_weight_of_0_is_no_part_of_the_kernel(run, tmp_path):
    """Whatever lies under it."""
    np.save(tmp_path / "x.npy", np.array([[1, 2, 3], [4, np.nan, 6], [7, np.inf, 9]]))
    result = run("at", "1,1", tmp_path / "x.npy", "-k", "1 0 -1; 1 0 -1; 1 0 -1")
    assert "nan" in result.out
    assert result.out.endswith("  sum -6; stored raw\n")


def test_the_config_gives_defaults_that_flags_beat(run, tmp_path, monkeypatch):
    """As with apply; the environment is between them."""
    monkeypatch.chdir(tmp_path)
    gimp(tmp_path)
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
    """As apply does: the picture is looked at upright."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "turned.png", exif=exif)
    point = facts(run("at", "2,3", tmp_path / "turned.png", "-k", "identity", "--json"))
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


@pytest.mark.parametrize(("words", "status", "message"), WRONG, ids=lambda value: str(value)[:20])
def test_what_is_wrong_is_one_line(run, samples, monkeypatch, words, status, message):
    """With the status of apply."""
    monkeypatch.chdir(samples)
    result = run("at", words[0], "camera.png", "-k", "blur", *words[1:])
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
def test_pictures_and_kernels_that_cannot_be(run, samples, tmp_path, monkeypatch, name, kernel, status, message):
    """One line each."""
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("hello")
    Path("cut.png").write_bytes((samples / "camera.png").read_bytes()[:5000])
    result = run("at", "0,0", name, "-k", kernel)
    assert (result.status, result.out, len(result.lines)) == (status, "", 1), result.err
    assert message in result.err


def test_standard_input(shell, samples):
    """A picture, nothing, a closed one, a terminal."""
    words = ("at", "5,5", "-", "-k", "identity")
    result = shell(*words, input=(samples / "camera.png").read_bytes())
    assert result.returncode == 0
    assert result.stdout.startswith(b"standard input: 512 x 512 grey 8-bit\nidentity at column 5, row 5")
    result = shell(*words, input=b"")
    assert (result.returncode, result.stderr) == (1, b"Error: standard input: is empty\n")
    command = [sys.executable, "-m", "convcli", *words]
    closed = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (2, "Error: standard input is closed (see convcli at --help)\n")
    leader, follower = pty.openpty()
    shown = subprocess.run(command, stdin=follower, capture_output=True, text=True, timeout=60, check=False)
    os.close(leader)
    os.close(follower)
    assert shown.returncode == 2
    assert shown.stderr.startswith("Error: standard input is a terminal; send a picture to it")


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_reader_that_has_gone(samples, words):
    """141, and not a word."""
    command = [sys.executable, "-m", "convcli", "at", "3,3", samples / "astronaut.png", "-k", "average:size=15", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_names_cannot_command_the_terminal(run, tmp_path):
    """Neither the picture's nor the kernel's."""
    path = tmp_path / "a\x1b[2Jb.png"
    PIL.Image.fromarray(np.zeros((3, 3), np.uint8)).save(path)
    result = run("at", "1,1", path, "-k", "blur")
    assert result.status == 0
    assert "\x1b" not in result.out
    assert "a\\x1b[2Jb.png" in result.out


def test_kernel_names_are_completed(shell):
    """By the same type of option as in apply."""
    env = {"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": "convcli at 3,2 x.png -k sobel", "COMP_CWORD": "5"}
    result = shell(env=env, text=True)
    assert "plain,sobel-x" in result.stdout


def test_the_readme_shows_what_is_printed(run, samples, monkeypatch):
    """Word for word."""
    monkeypatch.chdir(samples)
    readme = (samples.parent / "convcli" / "manual" / "apply.md").read_text()
    ((line, shown),) = re.findall(r"^convcli (at .*camera.png.*)\n```\n\n```\n((?:.*\n)*?)```", readme, re.MULTILINE)
    assert run(*line.split()).out == shown
