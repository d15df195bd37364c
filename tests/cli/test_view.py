"""convcli view: from the command line to files, and to the screen of a terminal."""

import functools
import io
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import safetensors.numpy
import scipy.signal
import tifffile
from numpy.testing import assert_array_equal
from rich.cells import cell_len
from safetensors.numpy import save_file

from convcli.cli.terminal import read_answer
from convcli.drawing.colormaps import UNKNOWN, colormap
from convcli.images.provenance import find_provenance
from convcli.pipeline import view_sheet, viewed
from pages import Page
from terminals import iterm2_pictures, kitty_pictures, pixels_of_half_blocks, run_in_terminal, sixel_pixels

HALF_BLOCK = "▀"


@pytest.fixture
def maps(tmp_path, rng):
    """Three maps of 6 x 8, both signs."""
    np.save(tmp_path / "maps.npy", rng.integers(-9, 10, (3, 6, 8)).astype(np.float32))
    return tmp_path / "maps.npy"


def facts_of(result):
    """The JSON of a run that succeeded."""
    assert result.status == 0, result.err
    return json.loads(result.out)


def tiles_of(run, *arguments):
    """What the tiles of a command line are."""
    return facts_of(run("view", *arguments, "--json"))["tiles"]


def pixels_of(path):
    """The pixels of a picture."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def reduced(pixels, height, width):
    """The means of consecutive rows and columns, by a loop."""
    rows = [i * len(pixels) // height for i in range(height + 1)]
    columns = [i * pixels.shape[1] // width for i in range(width + 1)]
    out = np.zeros((height, width, 3))
    for i in range(height):
        for j in range(width):
            out[i, j] = pixels[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].mean(axis=(0, 1))
    return out


def picture_lines(text):
    """The lines that have half blocks in pairs of rows, without bars of legends."""
    return [line for line in text.splitlines() if line.startswith("\x1b[38;")]


# What is viewed


def test_maps_of_an_array_share_a_scale(run, maps, tmp_path):
    """Each sample is a square of the colour of its value, on one scale."""
    values = np.load(maps)
    result = run("view", maps, "-o", tmp_path / "v.png", "--scale", "20", "--columns", "3", "--no-labels", "--json")
    tiles, pixels = facts_of(result)["tiles"], pixels_of(tmp_path / "v.png")
    reach = float(np.abs(values).max())
    assert [tile["scale"] for tile in tiles] == [{"low": -reach, "high": reach, "signed": True}] * 3
    assert [tile["name"] for tile in tiles] == ["0", "1", "2"]
    places = np.rint((values / reach + 1) * 128).astype(int)
    for index in range(3):
        rows, columns = 14 + 10 + 20 * np.arange(6), 14 + 10 + index * (160 + 14) + 20 * np.arange(8)
        assert_array_equal(pixels[np.ix_(rows, columns)], colormap("diverging")[places[index]])


def test_options_of_sheets_apply(run, maps, tmp_path):
    """--normalize, --percentile, --colormap and --numbers."""
    each = tiles_of(run, maps, "--normalize", "each")
    assert [tile["scale"]["high"] for tile in each] == np.abs(np.load(maps)).max(axis=(1, 2)).tolist()
    assert all(tile["colormap"] == "fire" for tile in tiles_of(run, maps, "--colormap", "fire"))
    clipped = tiles_of(run, maps, "--percentile", "80")
    assert sum(tile["below"] + tile["above"] for tile in clipped) > 5
    kernels = tiles_of(run, "-k", "compass", "--percentile", "60")
    assert sum(tile["below"] + tile["above"] for tile in kernels) > 0
    plain, numbered = tmp_path / "a.png", tmp_path / "b.png"
    for path, option in ((plain, "--labels"), (numbered, "--numbers")):
        run("view", maps, "--tile", "320", "-o", path, option)
    differs = (pixels_of(plain) != pixels_of(numbered)).any(axis=2)
    assert 0.01 < differs.mean() < 0.2


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((9,), None, [(1, 9, 1)]),
        ((9, 8), None, [(9, 8, 1)]),
        ((1, 9, 8), None, [(9, 8, 1)]),
        ((4, 9, 8), None, [(9, 8, 1)] * 4),
        ((9, 8, 3), None, [(9, 8, 3)]),
        ((3, 9, 8), "CYX", [(9, 8, 3)]),
        ((9, 8, 3), "ZYX", [(8, 3, 1)] * 9),
        ((2, 9, 8, 3), None, [(9, 8, 3)] * 2),
        ((2, 3, 9, 8), None, [(9, 8, 3)] * 2),
        ((2, 5, 3, 3), None, [(3, 3, 1)] * 10),
        ((2, 3, 3, 5), "ZYXC", [(3, 3, 1)] * 10),
        ((), None, [(1, 1, 1)]),
        ((1, 1), None, [(1, 1, 1)]),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_of_arrays(run, tmp_path, rng, shape, axes, expected, order):
    """As they are guessed, or named; each tile has the values of its part."""
    values = np.asarray(rng.normal(size=shape), order=order)
    np.save(tmp_path / "x.npy", values)
    tiles = tiles_of(run, tmp_path / "x.npy", *(("--axes", axes) if axes else ()))
    assert [tuple(tile["shape"]) for tile in tiles] == expected
    assert min(tile["minimum"] for tile in tiles) == pytest.approx(values.min())
    assert max(tile["maximum"] for tile in tiles) == pytest.approx(values.max())
    if len(expected) == 4:
        assert [tile["maximum"] for tile in tiles] == values.max(axis=(1, 2)).tolist()
    if len(expected) == 10:
        by_channel = values.max(axis=(2, 3)) if axes is None else values.max(axis=(1, 2))
        assert [tile["maximum"] for tile in tiles] == by_channel.ravel().tolist()


def test_arrays_of_levels_are_pictures(run, tmp_path):
    """uint8 has white, uint16 too, booleans are black and white; alpha lies over white."""
    for name, array, level in (
        ("u8", np.full((6, 7), 100, np.uint8), 100),
        ("u16", np.full((6, 7), 25700, np.uint16), 100),
        ("bool", np.ones((6, 7), bool), 255),
        ("alpha", np.array([[[100, 100, 100, 0]] * 6] * 7, np.uint8), 255),
    ):
        np.save(tmp_path / "x.npy", array)
        (tile,) = tiles_of(run, tmp_path / "x.npy", "-o", tmp_path / "x.png")
        assert (tile["kind"], tile["scale"]) == ("picture", None), name
        assert tuple(pixels_of(tmp_path / "x.png")[60, 60]) == (level,) * 3, name


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_booleans_are_zero_and_one(run, shell, tmp_path, suffix):
    """In captions and as numbers; they are drawn black and white, and a mean of them is grey."""
    path = tmp_path / f"x.{suffix}"
    array = np.indices((6, 6)).sum(axis=0) % 2 == 0
    np.save(path, array) if suffix == "npy" else np.savez(path, array)
    (tile,) = tiles_of(run, path, "-o", tmp_path / "x.png", "--scale", "1")
    assert (tile["minimum"], tile["maximum"], tile["scale"]) == (0, 1, None)
    assert set(pixels_of(tmp_path / "x.png")[14:20, 14:20].ravel().tolist()) == {0, 255}
    printed = shell("view", path, "--protocol", "ascii", "--numbers").stdout.decode()
    assert set(printed.splitlines()[0].split()) == {"0", "1"}
    assert "0 to 1" in printed


@pytest.mark.parametrize("suffix", ["png", "npy", "npz"])
def test_pictures_with_alpha_stand_beside_others(run, tmp_path, rng, suffix):
    """Alpha is no channel that needs a place in a block: the tiles are as large as those of opaque pictures."""
    for channels in (3, 4):
        pixels = rng.integers(0, 256, (300, 400, channels), dtype=np.uint8)
        path = tmp_path / f"{channels}.{suffix}"
        if suffix == "png":
            PIL.Image.fromarray(pixels).save(path)
        else:
            np.save(path, pixels) if suffix == "npy" else np.savez(path, pixels)
    sizes = []
    for last in (3, 4):
        files = [tmp_path / f"3.{suffix}"] * 5 + [tmp_path / f"{last}.{suffix}"]
        assert run("view", *files, "-o", tmp_path / "v.png").status == 0
        sizes.append(pixels_of(tmp_path / "v.png").shape)
    assert sizes[0] == sizes[1]


def test_archives_have_a_section_for_each_array(run, tmp_path, rng):
    """In .npz and .safetensors; arrays of one map stand together; # names one array."""
    arrays = {"edges": rng.normal(size=(4, 9, 8)), "a": rng.random((5, 6)), "b": rng.random((5, 6))}
    np.savez(tmp_path / "m.npz", **arrays)
    tiles = tiles_of(run, tmp_path / "m.npz")
    assert [tile["name"] for tile in tiles] == ["0", "1", "2", "3", "a", "b"]
    assert [tile["group"] for tile in tiles] == ["edges: 4 maps of 8 x 9"] * 4 + [""] * 2
    assert len({json.dumps(tile["scale"]) for tile in tiles}) == 2
    assert [tile["name"] for tile in tiles_of(run, f"{tmp_path}/m.npz#b")] == ["b"]
    assert "did you mean 'edges'?" in run("view", f"{tmp_path}/m.npz#edge", "--json").err
    weights = {"conv.weight": rng.normal(size=(6, 3, 5, 5)).astype(np.float32), "fc": rng.normal(size=(4, 9))}
    save_file(weights, tmp_path / "m.safetensors")
    tiles = tiles_of(run, tmp_path / "m.safetensors")
    assert {tuple(tile["shape"]) for tile in tiles} == {(5, 5, 3), (4, 9, 1)}
    assert {tile["kind"] for tile in tiles} == {"kernel"}
    assert all(tile["scale"]["signed"] for tile in tiles)


def test_an_archive_without_arrays_is_an_error(run, maps, tmp_path):
    """Alone and beside others."""
    np.savez(tmp_path / "empty.npz")
    for others in ([], [maps]):
        result = run("view", tmp_path / "empty.npz", *others, "-o", tmp_path / "s.png", "-q")
        assert (result.status, result.lines) == (1, [f"Error: {tmp_path / 'empty.npz'}: holds no arrays"])


def test_the_table_of_a_page_has_the_sizes_of_captions(run, tmp_path):
    """Rows x columns of kernels, width x height of maps."""
    np.save(tmp_path / "m.npy", np.zeros((20, 30)))
    assert run("view", tmp_path / "m.npy", "-k", "1 2 1", "-o", tmp_path / "v.html", "-q").status == 0
    page = Page((tmp_path / "v.html").read_text())
    assert [row["text"] for row in page.all("td") if " x " in row["text"]] == ["30 x 20", "1 row x 3 columns"]


def test_each_file_has_a_scale_of_its_own(run, tmp_path):
    """Also beside one with huge values, or with values below 0; arrays of one file share theirs."""
    arrays = {"ones": np.eye(6), "huge": np.eye(6) * 1e300, "signed": -np.eye(6), "unknown": np.full((6, 6), np.nan)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "two.npz", a=np.eye(6), b=np.eye(6) * 4)
    files = [tmp_path / f"{name}.npy" for name in arrays]
    tiles = tiles_of(run, *files, tmp_path / "two.npz", "-o", tmp_path / "v.png")
    scales = [tile["scale"] and (tile["scale"]["low"], tile["scale"]["high"]) for tile in tiles]
    assert scales == [(0, 1), (0, 1e300), (-1, 1), None, (0, 4), (0, 4)]
    assert tuple(pixels_of(tmp_path / "v.png")[20, 20]) == tuple(colormap("sequential")[-1])


def test_kernels_of_a_bank_share_a_scale_and_others_have_their_own(run, tmp_path):
    """The same grammar as in apply."""
    tiles = tiles_of(run, "-k", "compass", "-k", "gabor:theta=45", "-k", "3 0 -1")
    assert [tile["kind"] for tile in tiles] == ["kernel"] * 10
    assert {tile["scale"]["high"] for tile in tiles[:8]} == {2}
    assert [tile["scale"]["high"] for tile in tiles[8:]] == pytest.approx([1, 3])
    assert [tile["group"] for tile in tiles] == ["compass: 8 kernels of 3 x 3"] * 8 + [""] * 2
    np.save(tmp_path / "w.npy", np.array([[[1, -1, 0]], [[5, 0, 2]]]))
    arguments = ("-k", f"@{tmp_path}/w.npy:layout=ohw")
    assert [tile["scale"]["high"] for tile in tiles_of(run, *arguments)] == [5, 5]
    assert [tile["scale"]["high"] for tile in tiles_of(run, *arguments, "--normalize", "each")] == [1, 5]


def test_first_layer_kernels_are_in_colour_and_deeper_ones_have_their_channels(run, tmp_path, rng):
    """A network whose weights are in a file; its channels share a scale, with --normalize each those of a kernel."""
    first, second = rng.normal(size=(4, 3, 5, 5)), rng.normal(size=(6, 4, 3, 3))
    np.savez(tmp_path / "w.npz", a=first, b=second)
    (tmp_path / "n.toml").write_text(
        "[networks.net]\ninput = { channels = 3 }\nlayers = [\n"
        "  { op = 'conv', name = 'one', file = 'w.npz', key = 'a', layout = 'oihw' }, { op = 'relu', name = 'cut' },\n"
        "  { op = 'conv', name = 'two', file = 'w.npz', key = 'b', layout = 'oihw' } ]\n"
    )
    options = ("--network", "net", "--config", tmp_path / "n.toml")
    tiles = tiles_of(run, *options)
    assert [tuple(tile["shape"]) for tile in tiles] == [(5, 5, 3)] * 4
    assert tiles[0]["scale"] == {"low": -np.abs(first).max(), "high": np.abs(first).max(), "signed": True}
    tiles = tiles_of(run, *options, "--layer", "two", "--normalize", "each")
    assert [tile["name"] for tile in tiles[:5]] == [*(f"0 channel {channel}" for channel in range(4)), "1 channel 0"]
    assert [tile["maximum"] for tile in tiles] == second.max(axis=(2, 3)).ravel().tolist()
    scales = np.array([tile["scale"]["high"] for tile in tiles]).reshape(6, 4)
    assert_array_equal(scales, np.abs(second).max(axis=(1, 2, 3))[:, None].repeat(4, axis=1))
    result = run("view", *options, "--layer", "cut", "--json")
    assert (result.status, result.out) == (2, "")
    assert "layer 'cut' of network 'net' has no weights; these have: one, two" in result.err


def test_frames_become_tiles(run, samples, tmp_path):
    """Of an animation, all or those of --frames; of a TIFF of floats, with the names of its maps where it has them."""
    frames = [PIL.Image.new("L", (12, 9), level) for level in (10, 20, 30)]
    frames[0].save(tmp_path / "f.gif", save_all=True, append_images=frames[1:])
    tiles = tiles_of(run, tmp_path / "f.gif")
    assert [(tile["name"], tile["maximum"]) for tile in tiles] == [("frame 0", 10), ("frame 1", 20), ("frame 2", 30)]
    assert [tile["maximum"] for tile in tiles_of(run, tmp_path / "f.gif", "--frames", "1:")] == [20, 30]
    tifffile.imwrite(tmp_path / "s.tif", np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 9, photometric="minisblack")
    tiles = tiles_of(run, tmp_path / "s.tif")
    assert [(tile["minimum"], tile["kind"]) for tile in tiles] == [(-9, "map"), (3, "map")]
    assert {tile["scale"]["high"] for tile in tiles} == {14}
    run("apply", samples / "camera.png", "-k", "sobel-x", "-k", "sobel-y", "-o", tmp_path / "m.tif", "-q")
    tiles = tiles_of(run, tmp_path / "m.tif")
    assert [(tile["name"], tile["kind"]) for tile in tiles] == [("sobel-x", "map"), ("sobel-y", "map")]
    run("apply", samples / "rocket.jpg", "-k", "sobel-x", "-k", "sobel-y", "-o", tmp_path / "m.tif", "-q")
    tiles = tiles_of(run, tmp_path / "m.tif")
    assert [(tile["name"], tile["shape"]) for tile in tiles] == [("sobel-x", [427, 640, 3]), ("sobel-y", [427, 640, 3])]


def test_the_output_of_apply_and_run_is_viewed_in_a_pipe(shell, samples):
    """The maps of a bank, without a file between."""
    maps = shell("apply", samples / "camera.png", "-k", "compass", "-o", "-", "--format", "npy", "-q").stdout
    result = shell("view", "-", "--json", input=maps)
    tiles = json.loads(result.stdout)["tiles"]
    with PIL.Image.open(samples / "camera.png") as picture:
        levels = np.pad(np.asarray(picture, float), 1, mode="reflect")
    north = scipy.signal.correlate2d(levels, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], mode="valid")
    assert len(tiles) == 8
    assert (north.min(), north.max()) in {(tile["minimum"], tile["maximum"]) for tile in tiles}


def test_named_pipes_are_read(shell, maps, samples, tmp_path):
    """Arrays and pictures, by the names that a shell gives them; archives are not."""
    for path, count in ((maps, 3), (samples / "rocket.jpg", 1)):
        reading, writing = os.pipe()
        with subprocess.Popen(["cat", path], stdout=writing):
            os.close(writing)
            result = shell("view", f"/dev/fd/{reading}", "-o", tmp_path / "v.png", "--json", pass_fds=[reading])
            os.close(reading)
        assert len(json.loads(result.stdout)["tiles"]) == count, result.stderr
    np.savez(tmp_path / "m.npz", a=np.zeros((2, 2)))
    result = shell("view", "-", "--json", input=(tmp_path / "m.npz").read_bytes())
    assert b"standard input: is an archive; an .npz is read from a file whose name ends so" in result.stderr


# Files


@pytest.mark.parametrize("suffix", ["png", "webp", "svg", "html", "jpg", "tif", "gif"])
def test_files_are_the_same_bytes_each_time(run, shell, maps, samples, tmp_path, suffix):
    """In this process and in another; with provenance, and without with --strip."""
    first, second, stripped = (tmp_path / f"{name}.{suffix}" for name in "abc")
    arguments = ("view", maps, samples / "rocket.jpg", "-k", "sobel-x", "-q", "-o")
    assert run(*arguments, first) == run(*arguments, second)
    assert shell(*arguments, second).returncode == 0
    assert first.read_bytes() == second.read_bytes()
    assert find_provenance(first.read_bytes().decode("latin-1"))
    assert run(*arguments, stripped, "--strip").status == 0
    assert find_provenance(stripped.read_bytes().decode("latin-1")) is None
    if suffix == "svg":
        ET.fromstring(first.read_text())
    elif suffix != "html":
        assert pixels_of(first).shape[1] <= 1000


def test_png_and_webp_are_equal(run, maps, tmp_path):
    """WebP is lossless."""
    for name in ("a.png", "a.webp"):
        run("view", maps, "-o", tmp_path / name)
    assert_array_equal(pixels_of(tmp_path / "a.png"), pixels_of(tmp_path / "a.webp"))


def test_standard_output_gets_bytes(shell, maps):
    """PNG unless another format is asked for."""
    result = shell("view", maps, "-o", "-")
    with PIL.Image.open(io.BytesIO(result.stdout)) as picture:
        assert picture.format == "PNG"
    assert b"standard output: 3 tiles drawn on " in result.stderr
    assert shell("view", maps, "-o", "-", "--format", "svg").stdout.startswith(b"<?xml")


def test_an_old_file_stays_where_nothing_can_be_drawn(run, tmp_path):
    """As for a missing input."""
    (tmp_path / "v.png").write_bytes(b"old")
    result = run("view", tmp_path / "no.npy", "-o", tmp_path / "v.png")
    assert (result.status, (tmp_path / "v.png").read_bytes()) == (1, b"old")
    assert result.err == f"Error: {tmp_path / 'no.npy'}: no such file\n"


def test_what_can_be_read_is_shown_beside_errors(run, maps, tmp_path):
    """The status is 1; a picture whose pixels are damaged is found when it is drawn."""
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(tmp_path / "bad.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "bad.png").read_bytes()[:9000])
    result = run("view", tmp_path / "bad.png", tmp_path / "no.png", maps, "-o", tmp_path / "v.png", "--json")
    assert result.status == 1
    assert len(json.loads(result.out)["tiles"]) == 3
    assert [line.partition(": ")[2].split()[0] for line in result.lines] == [f"{tmp_path / 'no.png'}:", "bad.png:"]


# Terminals


@pytest.mark.parametrize(
    ("variables", "has_true_colour"), [({"COLORTERM": "truecolor"}, True), ({}, False), ({"TERM": "xterm"}, False)]
)
@pytest.mark.parametrize("columns", [20, 80])
def test_half_blocks_are_the_reduced_picture(samples, variables, has_true_colour, columns):
    """As wide as the terminal, or as high as it; equal to a reduction by a loop, in the colours that there are."""
    status, text = run_in_terminal("view", samples / "rocket.jpg", columns=columns, lines=60, **variables)
    assert status == 0
    lines = picture_lines(text)
    shown = pixels_of_half_blocks(lines)
    height, width = round(427 * columns / 640), columns
    assert shown.shape == (height + height % 2, width, 3)
    expected = reduced(pixels_of(samples / "rocket.jpg").astype(float), height, width)
    error = np.abs(shown[:height] - expected)
    assert error.max() <= (0.51 if has_true_colour else 48)
    assert ("38;5;" in text) != has_true_colour
    assert [line.rstrip() for line in text.splitlines()[len(lines) : len(lines) + 3]] == ["rocket.jpg", "640 x 427", "0 to 255"]


@pytest.mark.parametrize("protocol", ["blocks", "ascii"])
@pytest.mark.parametrize("has_true_colour", [True, False])
def test_the_screen_is_not_exceeded(run, samples, tmp_path, monkeypatch, rng, protocol, has_true_colour):
    """No line has more columns than the terminal, whatever is shown: NaN, clipped samples, channels side by side."""
    values = rng.normal(size=(3, 6, 8)) * 1e-5
    np.save(tmp_path / "x.npy", values)
    np.save(tmp_path / "channels.npy", rng.normal(size=(4, 11, 3, 3)))
    np.save(tmp_path / "漢字漢字.npy", np.where(np.abs(values) > 2e-5, np.nan, values))
    monkeypatch.setenv("COLORTERM", "truecolor" if has_true_colour else "")
    arguments = (*sorted(tmp_path.iterdir()), samples / "rocket.jpg", "-k", "compass", "--protocol", protocol)
    for columns in (*range(1, 14), 20, 33, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        for options in (
            ("--percentile", "80"),
            ("--percentile", "80", "--no-labels", "--normalize", "each"),
            ("--numbers", "--columns", str((columns + 2) // 5 or 1)),
            ("--percentile", "80", "--tile", "8"),
        ):
            result = run("view", *arguments, *options)
            plain = re.sub(r"\x1b\[[\d;]*m", "", result.out)
            assert result.status == 0, result.err
            assert max(map(cell_len, plain.splitlines())) <= columns, (columns, options)
            if columns >= 9 and "--percentile" in options:
                assert all(title in plain for title in ("NaN", "bel", "abo")), (columns, options)


def test_the_width_of_a_screen_is_used(maps):
    """Its lines reach its last column, but not further, on a terminal that says its size."""
    for columns in (20, 33, 80):
        status, text = run_in_terminal("view", maps, "--columns", "1", columns=columns, lines=99, COLORTERM="truecolor")
        plain = re.sub(r"\x1b\[[\d;]*m", "", text)
        assert status == 0
        assert columns - 8 < max(map(len, plain.splitlines())) <= columns


def test_maps_have_captions_and_a_scale(maps):
    """As text, below the tiles; the bar has the colours of its ends."""
    status, text = run_in_terminal("view", maps, columns=80, COLORTERM="truecolor")
    values = np.load(maps)
    ranges = [f"{values[i].min():.0f} to {values[i].max():.0f}" for i in range(3)]
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert status == 0
    assert "maps.npy: 3 maps of 8 x 6" in plain
    assert re.search(r"\s+".join(ranges), plain)
    reach = f"{np.abs(values).max():.0f}"
    assert re.search(rf"maps  -{reach} {HALF_BLOCK}+ {reach}\n", plain)
    low, high = colormap("diverging")[[0, -1]].tolist()
    bar = next(line for line in text.splitlines() if line.startswith("maps  -"))
    assert f"38;2;{low[0]};{low[1]};{low[2]};48" in bar
    assert f"38;2;{high[0]};{high[1]};{high[2]};48" in bar


@pytest.mark.parametrize("protocol", ["blocks", "ascii"])
def test_signed_maps_whose_means_are_all_nan_have_a_legend(run, tmp_path, protocol):
    """A character shows the mean of 8 x 8 samples, of which one is NaN: with --normalize each, no map has a scale."""
    values = np.tile(np.float32([[-1, 1]]), (2, 160, 80))
    values[:, ::8, ::8] = np.nan
    np.save(tmp_path / "x.npy", values)
    options = ("--normalize", "each", "--columns", "2", "--tile", "20", "--protocol", protocol)
    result = run("view", tmp_path / "x.npy", *options)
    plain = re.sub(r"\x1b\[[\d;]*m", "", result.out)
    assert (result.status, result.err) == (0, "")
    shown = HALF_BLOCK if protocol == "blocks" else r"M=~-.*\*#"
    assert re.search(rf"^each map, each pixel a mean of samples +-max (?:{shown})+ max\n.* NaN$", plain, re.MULTILINE)


def test_the_legend_of_colours_has_the_characters_that_are_shown(run, tmp_path):
    """Those of luminance, from the low end of a signed scale to the high one."""
    np.save(tmp_path / "x.npy", np.linspace([-3] * 3, [3] * 3, 60)[None].repeat(60, axis=0))
    lines = run("view", tmp_path / "x.npy", "--protocol", "ascii").out.splitlines()
    shown = "".join(dict.fromkeys(lines[0]))
    assert len(shown) > 5
    assert lines[-1] == f"maps, each pixel a mean of samples: red, green, blue  -3 {shown} 3"


def test_small_maps_are_enlarged_by_whole_factors(tmp_path):
    """A map of 2 x 2 of which each sample is a square."""
    np.save(tmp_path / "x.npy", np.array([[0, 1], [2, np.nan]]))
    _, text = run_in_terminal("view", tmp_path / "x.npy", columns=40, lines=60, COLORTERM="truecolor")
    shown = pixels_of_half_blocks(picture_lines(text)[:20])
    assert shown.shape == (40, 40, 3)
    colours = colormap("sequential")
    assert_array_equal(shown[:20, :20], np.broadcast_to(colours[0], (20, 20, 3)))
    assert_array_equal(shown[20:, :20], np.broadcast_to(colours[-1], (20, 20, 3)))
    assert_array_equal(shown[20:, 20:], np.broadcast_to(UNKNOWN, (20, 20, 3)))


def test_numbers_are_printed_on_their_colours(tmp_path):
    """A cell of the terminal for each, in rows of one line."""
    np.save(tmp_path / "x.npy", np.array([[0, -10], [5, 10]], np.float32))
    _, text = run_in_terminal("view", tmp_path / "x.npy", "--numbers", columns=40, COLORTERM="truecolor")
    lines = [line for line in text.splitlines() if line.startswith("\x1b[") and HALF_BLOCK not in line]
    assert [re.sub(r"\x1b\[[\d;]*m", "", line).split() for line in lines[-2:]] == [["0", "-10"], ["5", "10"]]
    low = colormap("diverging")[0]
    assert f"48;2;{low[0]};{low[1]};{low[2]}m" in lines[-2]


@pytest.mark.parametrize("protocol", ["blocks", "ascii"])
def test_scale_counts_characters_of_numbers(run, tmp_path, protocol):
    """Cells of 8 columns are 4 lines high, as a character is twice as high as wide: the rule for pixels is none here."""
    np.save(tmp_path / "x.npy", np.array([[0, -10], [5, 10]], np.float32))
    result = run("view", tmp_path / "x.npy", "--numbers", "--scale", "8", "--protocol", protocol, "--no-labels")
    lines = re.sub(r"\x1b\[[\d;]*m", "", result.out).splitlines()[:-1]
    assert (result.status, result.err) == (0, "")
    assert [line.split() for line in lines] == [[], [], ["0", "-10"], [], [], [], ["5", "10"], []]
    assert [lines[6].index("5") // 8, lines[6].index("10") // 8] == [0, 1]


def test_numbers_in_narrow_tiles_are_on_their_colours(run, tmp_path, monkeypatch):
    """Of a map that has more rows than the tile has columns, none is reduced."""
    np.save(tmp_path / "x.npy", np.arange(16.0)[:, None])
    monkeypatch.setenv("COLORTERM", "truecolor")
    result = run("view", tmp_path / "x.npy", "--numbers", "--tile", "8", "--protocol", "blocks")
    lines = [line for line in result.out.splitlines() if line.startswith("\x1b[") and HALF_BLOCK not in line]
    assert [int(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in lines] == list(range(16))
    shown = [tuple(map(int, re.search(r"48;2;(\d+);(\d+);(\d+)m", line).groups())) for line in lines]
    places = np.rint(np.arange(16) / 15 * (len(colormap("sequential")) - 1)).astype(int)
    assert_array_equal(shown, colormap("sequential")[places])


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "COLORTERM": "truecolor"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_without_colours_there_are_characters(maps, variables):
    """And not one escape sequence."""
    status, text = run_in_terminal("view", maps, **variables)
    assert status == 0
    assert "\x1b" not in text
    assert text.isascii()
    assert "M=~-.:+*#" in text


def test_kitty_is_asked_and_gets_the_sheet(samples):
    """The terminal answers that it knows Kitty's protocol, and how large its cells are: the sheet has its width."""
    answers = b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62;4c"
    status, text = run_in_terminal("view", samples / "rocket.jpg", "-k", "compass", columns=70, answers=answers)
    assert status == 0
    ((png, keys),) = kitty_pictures(text)
    with PIL.Image.open(io.BytesIO(png)) as picture:
        assert 500 < picture.width <= 700
    assert "c" not in keys
    assert "?62" not in re.sub(r"\x1b_G.*?\x1b\\", "", text)  # its answer was not shown


@pytest.mark.parametrize(
    ("variables", "answers", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, b"", "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, b"", "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, b"", "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, b"", "iterm2"),
        ({}, b"\x1b[?62;4;22c", "sixel"),
        ({}, b"\x1b[?62;22c", "blocks"),
        ({}, b"", "blocks"),
        ({"TERM_PROGRAM": "iTerm.app", "TMUX": "/tmp/tmux"}, b"\x1b[?1;2c", "blocks"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, b"\x1b[?1;2;4c", "sixel"),
        ({"TERM": "linux", "KITTY_WINDOW_ID": ""}, b"\x1b[?4c", "blocks"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, b"\x1b[?4c", "ascii"),
    ],
)
def test_the_protocol_is_what_the_terminal_knows(maps, variables, answers, protocol):
    """By its environment, or by its answer."""
    status, text = run_in_terminal("view", maps, answers=answers, **variables)
    signs = {"kitty": "\x1b_Ga=T", "iterm2": "\x1b]1337;File=", "sixel": "\x1bP0;0;0q", "blocks": HALF_BLOCK, "ascii": "M=~-"}
    assert status == 0
    assert [name for name, sign in signs.items() if sign in text] == [protocol]


def test_answers_are_parsed():
    """Incomplete ones mean nothing."""
    assert not read_answer("").kitty
    assert read_answer("\x1b_Gi=31;OK\x1b\\\x1b[?62c").kitty
    assert not read_answer("\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?62c").kitty
    assert not read_answer("\x1b[?64;14;40c").sixel
    assert read_answer("\x1b[6;0;0t").cell is None
    assert read_answer("\x1b[6;40;19t").cell == (19, 40)


@pytest.mark.parametrize("protocol", ["kitty", "iterm2", "sixel"])
def test_each_protocol_shows_the_pixels_of_the_sheet(shell, run, maps, tmp_path, protocol):
    """The picture in a pipe of 80 columns of 10 pixels, decoded, is the sheet of the same width in a file."""
    text = shell("view", maps, "--scale", "20", "--protocol", protocol, env={"COLUMNS": "80"}).stdout.decode()
    run("view", maps, "--scale", "20", "-o", tmp_path / "v.png", "--columns", "3")
    expected = pixels_of(tmp_path / "v.png").astype(int)
    if protocol == "sixel":
        shown = sixel_pixels(text)
        assert shown.shape == expected.shape
        assert np.abs(shown - expected).mean() < 3
        return
    ((png, _),) = (kitty_pictures if protocol == "kitty" else iterm2_pictures)(text)
    assert_array_equal(pixels_of(io.BytesIO(png)), expected)


@pytest.mark.parametrize("protocol", ["kitty", "iterm2", "sixel"])
def test_sheets_wider_than_the_terminal_are_reduced_to_it(shell, maps, protocol):
    """By the terminal, which is told its columns, or before."""
    arguments = ("view", maps, "--scale", "60", "--columns", "3", "--protocol", protocol)
    text = shell(*arguments, env={"COLUMNS": "40"}).stdout.decode()
    if protocol == "sixel":
        assert sixel_pixels(text).shape[1] == 400
    else:
        ((_, keys),) = (kitty_pictures if protocol == "kitty" else iterm2_pictures)(text)
        assert keys["c" if protocol == "kitty" else "width"] == "40"


def test_cells_of_another_shape_keep_proportions(tmp_path):
    """Cells of 10 x 30 pixels: a square of 60 samples has two thirds as many rows of half blocks as columns."""
    np.save(tmp_path / "x.npy", np.arange(3600.0).reshape(60, 60))
    _, text = run_in_terminal("view", tmp_path / "x.npy", columns=30, lines=60, cell=(10, 30), COLORTERM="truecolor")
    assert pixels_of_half_blocks(picture_lines(text)).shape == (20, 30, 3)


@pytest.mark.parametrize("name", ["\x1b[31mred", "漢字" * 30, "a\nb"])
def test_hostile_names_do_not_control_the_terminal(tmp_path, name):
    """They are escaped and cut."""
    np.save(tmp_path / f"{name}.npy", np.zeros((3, 3)))
    status, text = run_in_terminal("view", tmp_path / f"{name}.npy", "--protocol", "ascii", columns=20)
    assert status == 0
    assert "\x1b" not in text
    assert "\x1b[31m" not in text


# What cannot be


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, ""),
        (("-q",), 2, "standard output is no terminal; give -o FILE, -o - for the bytes of a PNG, or a --protocol"),
        (("-o", "v.png"), 2, "there is nothing to view; name a picture, a stack or an array, or give -k or --network"),
        (("x.npy",), 2, "standard output is no terminal; give -o FILE"),
        (("x.npy", "-o", "v"), 2, "output 'v' has no suffix that gives the format; use .png, .webp, .svg or .html"),
        (("x.npy", "-o", "v.xyz"), 2, "output 'v.xyz' has the unknown suffix '.xyz'"),
        (("x.npy", "-o", "v.npy"), 2, "view draws a picture, and npy holds numbers; write .png, .webp, .svg or .html"),
        (("x.npy", "-o", "x.npy", "--format", "png"), 2, "x.npy: the output is an input; give another name"),
        (("x.npy", "--format", "svg", "--json"), 2, "--format is that of a file; give -o FILE"),
        (("x.npy", "-o", "v.png", "--format", "sgv"), 2, "did you mean 'svg'?"),
        (("x.npy", "-o", "v.png", "--protocol", "sixel"), 2, "--protocol does not apply: it is about terminals"),
        (("x.npy", "-o", "-", "--json"), 2, "--json and -o - both write to standard output; give a file"),
        (("x.npy", "--layer", "a", "--json"), 2, "--layer is one of a network; give --network too"),
        (("x.npy", "--tile", "9", "--scale", "2", "--json"), 2, "--tile and --scale both set the size of tiles"),
        (("x.npy", "--numbers", "--scale", "37", "-o", "v.png"), 2, "--numbers needs --scale of at least 38, got 37"),
        (("x.npy", "--numbers", "--scale", "9", "--protocol", "sixel"), 2, "--numbers needs --scale of at least 38, got 9"),
        (("x.npy", "--numbers", "--scale", "9", "--protocol", "ascii"), 0, ""),
        (("x.npy", "--axes", "ZCYX", "--json"), 1, "x.npy: must have 4 axes, Z C Y X as --axes says, got shape (3, 4)"),
        (("x.npy", "--max-pixels", "11", "--json"), 1, "x.npy: is 4 x 3, 12 pixels; the limit is 11"),
        (("x.npy#a", "--json"), 1, "x.npy#a: no such file"),
        (("", "-o", "x.png"), 2, "an input has an empty name"),
        (("complex.npy", "--json"), 1, "complex.npy: holds complex numbers; save their absolute values (numpy.abs)"),
        (("none.npy", "--json"), 1, "none.npy: has shape (0, 4, 4): there is no map in it"),
        (("five.npy", "--json"), 1, "five.npy: has 5 axes, shape (1, 1, 1, 1, 1); at most 4 are shown"),
        (("objects.npy", "--json"), 1, "objects.npy: must hold real numbers, got dtype object"),
        (("short.npy", "--json"), 1, "short.npy: is truncated: its numbers take 96 bytes, and it holds 12"),
        (("text.npz", "--json"), 1, "text.npz: is not a readable .npz file"),
        (("-k", "gabr", "--json"), 2, "did you mean 'gabor'?"),
        (("--network", "alexnet", "--json"), 2, "network 'alexnet' has no weights, so that there are no kernels to view"),
        (("--network", "edge-energy", "--layer", "edge", "--json"), 2, "has no layer 'edge'; did you mean 'edges'?"),
        (("--network", "edges", "--json"), 2, "network 'edges' is unknown"),
        (("x.npy", "--protocol", "blocks", "--columns", "40"), 0, ""),
        (("many.npy", "--protocol", "blocks", "--columns", "40"), 2, "--columns 40 does not fit into a terminal of 80 columns"),
        (("-", "-", "-o", "v.png"), 2, "- stands for standard input, which can be read only once"),
    ],
)
def test_what_cannot_be_is_one_line(shell, tmp_path, rng, arguments, status, message):
    """Nothing is written, and no traceback is shown."""
    np.save(tmp_path / "x.npy", rng.normal(size=(3, 4)))
    np.save(tmp_path / "complex.npy", np.ones((3, 3), complex))
    np.save(tmp_path / "none.npy", np.zeros((0, 4, 4)))
    np.save(tmp_path / "five.npy", np.zeros((1,) * 5))
    np.save(tmp_path / "many.npy", np.zeros((50, 4, 4)))
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    (tmp_path / "short.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:140])
    (tmp_path / "text.npz").write_text("no archive")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = shell("view", *arguments, cwd=tmp_path, env={"COLUMNS": "80"})
    error = result.stderr.decode()
    assert result.returncode == status, error
    assert message in error
    assert "Traceback" not in error
    if message:
        assert error.count("Error: ") == 1
        assert error.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_more_maps_than_the_limit_are_told(run, tmp_path, monkeypatch):
    """100,000 maps in a file: the first are read, and no others; further files are left out."""
    np.save(tmp_path / "x.npy", np.zeros((100_000, 2, 3), np.float32))
    facts = facts_of(run("view", tmp_path / "x.npy", "-k", "sobel-x", "--json"))
    assert len(facts["tiles"]) == 1024
    assert facts["notices"] == [
        "x.npy: shows the first 1024 of 100000 maps",
        "shows at most 1024 tiles; further files, kernels or layers are left out",
    ]
    monkeypatch.setattr(viewed, "MAX_CHANNELS", 9)
    monkeypatch.setattr(view_sheet, "MAX_CHANNELS", 9)
    np.save(tmp_path / "x.npy", np.zeros((2, 40, 3, 3), np.float32))
    facts = facts_of(run("view", tmp_path / "x.npy", "--json"))
    assert (len(facts["tiles"]), facts["notices"]) == (18, ["x.npy: shows the first 9 of 40 channels"])


def test_maps_of_a_huge_array_are_read_one_at_a_time(shell, tmp_path):
    """Of 8 GB, of which the first 1,024 maps are read."""
    array = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(1_000_000, 32, 32))
    array[3, 5, 7] = 9
    array.flush()
    del array
    result = shell("view", tmp_path / "x.npy", "--json")
    tiles = json.loads(result.stdout)["tiles"]
    assert [tile["maximum"] for tile in tiles[:5]] == [0, 0, 0, 9, 0]
    assert len(tiles) == 1024


@pytest.mark.parametrize("values", [np.full((4, 4), np.nan), np.array([[np.inf, -np.inf], [np.nan, np.inf]])])
def test_what_is_not_finite_has_its_colours(run, tmp_path, values):
    """And no scale; on a terminal too."""
    np.save(tmp_path / "x.npy", values)
    (tile,) = tiles_of(run, tmp_path / "x.npy", "-o", tmp_path / "x.png")
    assert (tile["minimum"], tile["scale"], tile["unknown"]) == (None, None, int(np.isnan(values).sum()))
    status, text = run_in_terminal("view", tmp_path / "x.npy", COLORTERM="truecolor")
    assert status == 0
    assert "nothing finite" in text
    assert "NaN" in text


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("view --network n -o w.npz --format png", "w.npz"),
        ("view -k f -o kernels.toml --format png", "kernels.toml"),
        ("view -k @k.npy -o k.npy --format png", "k.npy"),
        ("view -k f -o k.npy --format png", "k.npy"),
        ("view photo.png -o photo.png", "photo.png"),
        ("slide photo.png -k @k.npy -o k.npy --format gif", "k.npy"),
        ("slide '1 2; 3 4' -k f -o kernels.toml --format gif", "kernels.toml"),
        ("slide photo.png -k f -o photo.png", "photo.png"),
    ],
)
def test_no_file_that_is_read_is_replaced(run, tmp_path, monkeypatch, command, name):
    """Pictures, weights of kernels and of networks, and config files."""
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", np.eye(3))
    np.savez("w.npz", conv=np.ones((2, 1, 3, 3)))
    PIL.Image.new("L", (8, 8)).save("photo.png")
    network = "input = { channels = 1 }\nlayers = [{ op = 'conv', file = 'w.npz', key = 'conv' }]"
    Path("kernels.toml").write_text(f"[kernels.f]\nfile = 'k.npy'\n[networks.n]\n{network}\n")
    before = Path(name).read_bytes()
    result = run(*shlex.split(command))
    message = f"Error: {name}: the output is an input; give another name, as inputs are never changed"
    assert (result.status, result.lines) == (2, [message])
    assert Path(name).read_bytes() == before


@pytest.mark.parametrize("command", ["view NAME.png -o x.png", "view photo.png -o NAME.png", "slide NAME.png -k blur -o x.gif"])
def test_names_that_are_too_long_are_an_error(run, tmp_path, monkeypatch, command):
    """One line, no traceback."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("L", (8, 8)).save("photo.png")
    result = run(*command.replace("NAME", "n" * 300).split())
    assert result.status in (1, 2)
    assert (len(result.lines), "Traceback" in result.err) == (1, False), result.err


def test_a_file_that_becomes_shorter_is_an_error(run, tmp_path, monkeypatch):
    """It is no part of memory, which would end the process."""
    np.save(tmp_path / "x.npy", np.ones((9, 8, 8)))
    plan = view_sheet.plan_view

    def cut(*arguments, **options):
        with (tmp_path / "x.npy").open("r+b") as file:
            file.truncate(3000)
        return plan(*arguments, **options)

    monkeypatch.setattr(view_sheet, "plan_view", cut)
    result = run("view", tmp_path / "x.npy", "-o", tmp_path / "x.png")
    assert result.status == 1
    assert any("has become shorter while it was read" in line for line in result.lines)


def test_frames_choose_maps_of_arrays(run, tmp_path):
    """Of .npy and of .npz, as of animations."""
    maps = np.arange(5 * 64.0).reshape(5, 8, 8)
    np.save(tmp_path / "x.npy", maps)
    np.savez(tmp_path / "x.npz", a=maps, b=maps + 1)
    for name, expected in (("x.npy", [64, 128]), ("x.npz", [64, 128, 65, 129])):
        facts = facts_of(run("view", tmp_path / name, "--frames", "1:3", "--json"))
        assert [tile["minimum"] for tile in facts["tiles"]] == expected
    result = run("view", tmp_path / "x.npy", "--frames", "7", "--json")
    assert "has 5 frames, 0 to 4; --frames 7 selects none of them" in result.err


def test_maps_in_fortran_order_are_read(run, tmp_path):
    """Map after map, though each is spread over the file."""
    maps = np.arange(5 * 64.0).reshape(5, 8, 8)
    np.save(tmp_path / "x.npy", np.asfortranarray(maps))
    facts = facts_of(run("view", tmp_path / "x.npy", "--json"))
    assert [(tile["minimum"], tile["maximum"]) for tile in facts["tiles"]] == [(64 * i, 64 * i + 63) for i in range(5)]


def test_more_files_than_can_be_open_are_viewed(shell, tmp_path):
    """Arrays and stacks; one archive of many arrays, of which the first 1,024 are shown, is read in a moment."""
    frames = [PIL.Image.new("L", (2, 2), level) for level in (0, 9)]
    for i in range(300):
        np.save(tmp_path / f"a{i:03}.npy", np.full((2, 2), float(i)))
        frames[0].save(tmp_path / f"b{i:03}.gif", save_all=True, append_images=frames[1:])
    files = sorted(tmp_path.iterdir())
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (100, 100))
    result = shell("view", *files, "--json", preexec_fn=limit)
    facts = json.loads(result.stdout)
    assert (facts["errors"], len(facts["tiles"])) == ([], 900)
    assert [tile["minimum"] for tile in facts["tiles"][:3]] == [0, 1, 2]
    np.savez(tmp_path / "many.npz", **{f"w{i}": np.full((2, 2), float(i)) for i in range(1100)})
    facts = json.loads(shell("view", tmp_path / "many.npz", "--json").stdout)
    assert len(facts["tiles"]) == 1024
    assert facts["notices"] == ["shows at most 1024 tiles; further files, kernels or layers are left out"]


@pytest.mark.parametrize("command", ["view {}#edges -o {} --format png", "view - -o {}", "slide - --resize 4 -k blur -o {}"])
def test_arrays_by_name_and_standard_input_are_not_replaced(tmp_path, monkeypatch, command):
    """The file behind FILE#KEY, and that behind a redirection."""
    monkeypatch.chdir(tmp_path)
    is_archive = "#" in command
    name = "maps.npz" if is_archive else "photo.png"
    np.savez("maps.npz", edges=np.eye(9))
    PIL.Image.new("L", (8, 8)).save("photo.png")
    before = Path(name).read_bytes()
    words = shlex.split(command.format(name, name))
    with Path(name).open("rb") as file:
        result = subprocess.run(
            [sys.executable, "-m", "convcli", *words], stdin=file, capture_output=True, text=True, check=False
        )
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert f"{name}: the output is an input" in result.stderr
    assert Path(name).read_bytes() == before


def test_kernels_of_other_files_and_layers_have_scales_of_their_own(run, tmp_path, monkeypatch):
    """Shared or each; the channels of one kernel share theirs."""
    monkeypatch.chdir(tmp_path)
    for name, factor in (("a", 1), ("b", 100)):
        safetensors.numpy.save_file({"w": np.eye(4, dtype="f4") * factor}, f"{name}.safetensors")
    for options in ((), ("--normalize", "each")):
        tiles = tiles_of(run, "a.safetensors", "b.safetensors", *options)
        assert [tile["scale"]["high"] for tile in tiles] == [1, 100]
    np.savez("d.npz", f=np.eye(3, 9) * 2, g=np.eye(4, 3) * 200)
    Path("kernels.toml").write_text("""
[networks.n]
input = { channels = 1, size = 3 }
layers = [
  { op = "flatten" },
  { op = "dense", name = "f", file = "d.npz", key = "f", bias = false },
  { op = "dense", name = "g", file = "d.npz", key = "g", bias = false },
]
""")
    for options in ((), ("--normalize", "each")):
        tiles = tiles_of(run, "--network", "n", "--layer", "f", "--layer", "g", *options)
        assert [tile["scale"]["high"] for tile in tiles] == [2, 200]
    np.save("k.npy", np.ones((5, 5, 4)) * [1, 10, 100, 1000])
    tiles = tiles_of(run, "-k", "@k.npy:layout=hwi")
    assert [tile["scale"]["high"] for tile in tiles] == [1000] * 4


def test_legends_name_the_files_of_scales(run, tmp_path, monkeypatch):
    """Each scale has its ends, and the file whose maps share it; of more than four files, one bar stands for all."""
    monkeypatch.chdir(tmp_path)
    np.savez("two.npz", a=np.eye(9) * -1, b=np.eye(9) * 100)
    np.save("third.npy", np.eye(9) * 7)
    run("view", "two.npz", "third.npy", "-o", "x.svg")
    text = Path("x.svg").read_text()
    assert all(f">{part}<" in text for part in ("maps of two.npz", "-100", "100", "maps of third.npy", "7"))
    assert ">each map<" not in text
    for index in range(5):
        np.save(f"{index}.npy", np.eye(9) * index)
    run("view", *(f"{index}.npy" for index in range(5)), "-o", "x.svg")
    text = Path("x.svg").read_text()
    assert text.count("maps of each file") == 1
    assert ">max<" in text


def test_a_terminal_tells_what_a_file_tells(run, tmp_path, monkeypatch):
    """Where --numbers has no room, and where maps are hard to see."""
    monkeypatch.chdir(tmp_path)
    np.save("large.npy", np.eye(40))
    np.save("faint.npy", np.array([np.eye(6), np.eye(6) * 50]))
    refused = run("view", "large.npy", "--numbers", "--protocol", "ascii")
    assert (refused.status, refused.out) == (2, "")
    assert "one channel and at most 16 x 16 samples, and there are none" in refused.err
    mixed = run("view", "large.npy", "faint.npy", "--numbers", "--protocol", "ascii")
    assert mixed.status == 0
    assert "--numbers is for tiles of one channel and at most 16 x 16 samples; others have none" in mixed.err
    assert "1 of 2 maps reach over less than 10% of the scale" in run("view", "faint.npy", "--protocol", "blocks").err


def test_infinities_are_named(run, tmp_path):
    """They are beyond every scale."""
    np.save(tmp_path / "x.npy", np.array([[np.inf, 1], [-np.inf, 2]]))
    run("view", tmp_path / "x.npy", "-o", tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text()
    assert ">inf<" in text
    assert ">-inf<" in text
    assert "above" not in text


def test_a_map_that_takes_too_much_memory_is_refused(run, tmp_path, monkeypatch):
    """Before it is read, whatever --max-pixels says."""
    with (tmp_path / "huge.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (900_000, 900_000)})
        file.truncate(file.tell() + 4 * 900_000**2)
    result = run("view", tmp_path / "huge.npy", "-o", tmp_path / "x.png", "--max-pixels", str(10**12))
    assert (result.status, len(result.lines)) == (1, 1)
    assert "takes about 6.48 TB of memory, and " in result.err


def test_a_part_of_an_array_says_so_on_the_sheet(run, tmp_path):
    """Its heading has how many there are."""
    np.save(tmp_path / "many.npy", np.zeros((1100, 2, 2)))
    tiles = tiles_of(run, tmp_path / "many.npy")
    assert {tile["group"] for tile in tiles} == {"many.npy: the first 1024 of 1100 maps of 2 x 2"}


def test_names_cannot_turn_the_text_around_them(run, tmp_path):
    """Marks that change the direction of letters are shown as replaced, in SVG and HTML."""
    PIL.Image.new("L", (8, 8)).save(tmp_path / "a\u202egnp.exe.png")
    for name in ("x.svg", "x.html"):
        run("view", tmp_path / "a\u202egnp.exe.png", "-o", tmp_path / name)
        text = (tmp_path / name).read_text()
        assert "\u202e" not in text
        assert "a\ufffdgnp.exe.png" in text
