"""Config files: where they are found, what their kernels and defaults do to pictures, and the commands that show them."""

import json
import re
import sys
from pathlib import Path

import click
import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose, assert_array_equal

import convcli
import naive
from convcli.config.search_path import find_locations, user_file
from convcli.errors import KernelError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty working folder, an empty home, and no settings in the environment."""
    for name in ("CONVCLI_CONFIG", "CONVCLI_NO_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "deep")
    return tmp_path


def write(path, number, more=""):
    """Write a config file with a kernel ``k`` of one weight."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[kernels.k]\nmatrix = [[{number}]]\n{more}")
    return path


def pixels(path):
    """Read a picture as an array."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


def test_the_most_specific_file_has_priority(run, home, monkeypatch):
    """--config, the last first; $CONVCLI_CONFIG; the nearest file upward; the user's file."""

    def weight(*options):
        shown = json.loads(run("kernels", "show", "k", "--json", *options).out)
        return shown["kernels"][0]["matrix"][0][0]

    assert run("kernels", "show", "k").status == 2
    write(home / "home" / ".config" / "convcli" / "kernels.toml", 1)
    assert weight() == 1
    write(home / "kernels.toml", 2)
    assert weight() == 2
    write(home / "work" / "kernels.toml", 3)
    assert weight() == 3
    monkeypatch.setenv("CONVCLI_CONFIG", str(write(home / "env.toml", 4)))
    assert weight() == 4
    first, second = write(home / "a.toml", 5), write(home / "b.toml", 6)
    assert weight("--config", first) == 5
    assert weight("--config", first, "--config", second) == 6
    assert run("kernels", "show", "k", "--no-config").status == 2
    assert weight("--no-config", "--config", first) == 5
    monkeypatch.setenv("CONVCLI_NO_CONFIG", "1")
    assert run("kernels", "show", "k").status == 2


def test_the_user_folder_is_that_of_click(home, monkeypatch):
    """The platform's folder for settings, as click.get_app_dir returns it."""
    assert str(user_file().parent) == click.get_app_dir("convcli")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    assert str(user_file().parent) == click.get_app_dir("convcli")


def test_a_file_is_read_once(home, monkeypatch):
    """It may be found in several ways."""
    path = write(home / "work" / "kernels.toml", 1)
    monkeypatch.setenv("CONVCLI_CONFIG", "../kernels.toml")
    assert [place.reason for place in find_locations([str(path)])] == ["--config", "built in"]


def test_path_lists_every_file_and_hidden_names(run, home, monkeypatch):
    """In order, as text and as JSON."""
    near = write(home / "work" / "kernels.toml", 3, "[kernels.blur]\nmatrix = [[1]]\n[defaults]\nstride = 2\n")
    explicit = write(home / "own.toml", 5, "[banks.b]\nkernels = ['k']\n")
    lines = run("config", "path", "--config", explicit).out.splitlines()
    assert lines[0] == f"{explicit}  (--config: 1 kernel and 1 bank)"
    assert lines[1] == f"{near}  (nearest from here upward: 2 kernels)"
    assert lines[2].endswith("kernels.toml  (built in: 52 kernels, 9 banks and 8 networks)")
    assert f"k: {explicit} hides {near}" in lines
    assert f"blur: {near} hides {lines[2].split('  ')[0]}" in lines
    assert lines[-1] == f"default stride 2x2: {near}"
    output = json.loads(run("config", "path", "--json").out)
    assert [row["reason"] for row in output["files"]] == ["nearest from here upward", "built in"]
    assert [row["name"] for row in output["shadows"]] == ["blur"]
    assert output["defaults"] == [{"name": "stride", "from": str(near), "value": [2, 2]}]
    monkeypatch.setenv("CONVCLI_STRIDE", "3")
    (home / "work" / "deep" / "kernels.toml").write_text("[[")
    result = run("config", "path")
    assert result.status == 2
    assert result.out.splitlines()[0].endswith("deep/kernels.toml  (nearest from here upward: cannot be read)")
    assert result.out.splitlines()[-1] == "default stride 3: $CONVCLI_STRIDE"
    assert len(result.lines) == 1


def test_init_writes_a_valid_file(run, home):
    """The file is found at once, and never replaced."""
    result = run("config", "init")
    assert result.status == 0
    assert (home / "work" / "deep" / "kernels.toml").read_text().startswith("#:schema ./kernels.schema.json\n")
    assert json.loads((home / "work" / "deep" / "kernels.schema.json").read_text())["title"] == "convcli kernels.toml"
    checked = run("kernels", "check", "kernels.toml")
    assert (checked.status, checked.out) == (0, "kernels.toml: 6 kernels, 2 banks and 1 network, no faults\n")
    second = run("config", "init")
    assert (second.status, second.lines) == (2, ["Error: kernels.toml exists already and is not replaced; choose another name"])
    assert result.lines[0] == "kernels.toml: written; convcli reads it in this folder and below"
    named = run("config", "init", "sub/mine.toml").lines
    assert named[0] == "sub/mine.toml: written; convcli reads it with --config sub/mine.toml"
    assert run("config", "init", "-").out == (home / "work" / "deep" / "kernels.toml").read_text()
    assert run("config", "init", "--user").lines[0].endswith("kernels.toml: written; convcli reads it everywhere")
    assert user_file().is_file()
    assert run("config", "init", "/proc/none/x.toml").status == 1


def test_every_line_of_the_starter_is_valid_toml(run, home):
    """Also the lines that are commented out, once their weights exist."""
    run("config", "init")
    path = home / "work" / "deep" / "kernels.toml"
    lines = [
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    np.savez(path.with_name("weights.npz"), **{"conv1.weight": np.ones((8, 3, 5, 5))})
    checked = run("kernels", "check")
    assert checked.status == 0, checked.err
    assert "7 kernels, 2 banks and 1 network" in checked.out
    assert sum(line.startswith("# [") for line in lines) == 0


def test_every_command_reports_every_error(run, home, samples):
    """Errors of weight files are included, and nothing is written."""
    text = (
        "[kernels.w]\nfile = 'none.npy'\n[banks.f]\nfile = 'none.npz'\n[kernels.i]\nfile = 'four.npy'\nindex = 4\n"
        "[kernels.several]\nfile = 'four.npy'\n[kernels.l]\nfile = 'four.npy'\nlayout = 'hw'\n"
        "[kernels.n]\nfile = 'nan.npz'\n[kernels.x]\nfile = 'nan.npz'\nkey = 'x'\n"
        "[kernels.s]\nsum = ['@nan.npz#x', '@none.npy']\n"
    )
    path = write(home / "work" / "kernels.toml", 1, text)
    four, bad = f"@{path.parent}/four.npy", f"@{path.parent}/nan.npz"
    shape = (4, 3, 5, 5)
    np.save(path.parent / "four.npy", np.ones(shape))
    np.savez(path.parent / "nan.npz", k=np.array([[0, np.nan]]))
    result = run("kernels", "check")
    assert (result.status, result.out) == (2, "")
    assert result.lines == [
        f"Error: {path}:4: kernels.w.file: @{path.parent}/none.npy: no such file",
        f"Error: {path}:6: banks.f.file: @{path.parent}/none.npz: no such file",
        f"Error: {path}:9: kernels.i.index: {four}: holds the filters 0 to 3, and index is 4",
        f"Error: {path}:11: kernels.several.file: {four}: holds 4 filters; choose one by index, 0 to 3, or make it a bank",
        f"Error: {path}:14: kernels.l.layout: {four}: has 4 dimensions, shape {shape}, which the layout 'hw' does not match",
        f"Error: {path}:16: kernels.n.file: {bad}: must hold finite numbers of at most 1e+30",
        f"Error: {path}:19: kernels.x.key: {bad}#x: there is no array of that name; the file holds k",
        f"Error: {path}:21: kernels.s.sum[0]: {bad}#x: there is no array of that name; the file holds k",
        f"Error: {path}:21: kernels.s.sum[1]: @{path.parent}/none.npy: no such file",
    ]
    before = set(home.rglob("*"))
    for arguments in (
        ("kernels", "list"),
        ("kernels", "show", "k"),
        ("apply", samples / "camera.png", "-k", "k", "-o", "o.png"),
    ):
        repeated = run(*arguments)
        assert (repeated.status, repeated.out, repeated.lines) == (2, "", result.lines)
    shown = run("config", "path")
    assert (shown.status, shown.lines) == (2, result.lines)
    assert str(path) in shown.out
    with pytest.raises(KernelError) as caught:
        convcli.load_kernels()
    assert [f"Error: {line}" for line in caught.value.lines] == result.lines
    assert set(home.rglob("*")) == before
    assert run("kernels", "check", "none.toml").lines == [
        "Error: none.toml: cannot be read: No such file or directory",
        *result.lines,
    ]
    valid = write(home / "good.toml", 1, "[kernels.s]\nsum = ['k']\n")
    assert run("kernels", "check", valid).lines == result.lines  # its names may refer to the other file
    path.unlink()
    checked = run("kernels", "check", valid)
    assert (checked.status, checked.out) == (0, f"{valid}: 2 kernels, no faults\n")


def test_schema_is_printed(run):
    """The schema is the one that is shipped."""
    assert json.loads(run("config", "schema").out)["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_weights_are_relative_to_their_config(run, home, samples):
    """In any working folder; neither file is ever an output."""
    np.savez(home / "work" / "w.npz", conv=np.arange(36).reshape(2, 2, 3, 3))
    text = (
        "[kernels.w]\nfile = 'w.npz'\nkey = 'conv'\nlayout = 'ohwi'\nindex = 1\n[banks.all]\nfile = 'w.npz'\nlayout = 'ohwi'\n"
    )
    path = write(home / "work" / "kernels.toml", 1, text)
    shown = json.loads(run("kernels", "show", "w", "--json").out)["kernels"][0]["matrix"]
    assert_array_equal(shown, np.arange(18, 36).reshape(2, 3, 3))
    kernels = convcli.load_kernels()
    assert [kernel.name for kernel in kernels["all"].kernels] == ["all-0", "all-1"]
    with path.open("a") as file:
        file.write(
            "[kernels.t]\nsum = ['@t.txt']\n[banks.u]\nkernels = ['@w.npz:layout=oihw', { kernel = '@t.txt', name = 'own' }]\n"
        )
    (path.parent / "t.txt").write_text("7")
    kernels = convcli.load_kernels()
    assert kernels["t"].sum == 7
    assert [kernel.name for kernel in kernels["u"].kernels] == ["w-0", "w-1", "own"]
    for output in ("../w.npz", path, "../t.txt"):
        result = run("apply", samples / "camera.png", "-k", "k", "--format", "npz", "-o", output)
        assert (result.status, len(result.lines)) == (2, 1)
        assert "the output is an input" in result.err


def test_show_prints_offset_anchor_and_range(run, home):
    """Offset, anchor and range, where a kernel has them."""
    write(home / "work" / "kernels.toml", 1, "offset = 128\nanchor = [0, 0]\nrange = 'clip'\n")
    shown = run("kernels", "show", "k").out
    assert "sum 1, absolute sum 1, offset 128, anchor [0, 0], range clip, separable" in shown
    assert "offset" not in run("kernels", "show", "blur").out


def test_kernels_are_listed_by_tag(run, home):
    """Kernels of all files are listed."""
    write(home / "work" / "kernels.toml", 1, "tags = ['mine', 'edge']\n")
    assert [line.split()[0] for line in run("kernels", "list", "--tag", "mine").out.splitlines()[1:]] == ["k"]
    names = [row["name"] for row in json.loads(run("kernels", "list", "--tag", "edge", "--json").out)]
    assert {"k", "sobel-x", "laplacian"} < set(names)
    assert "blur" not in names


def test_each_variable_of_the_manual_is_read(run, home, samples, monkeypatch):
    """A value that cannot be is an error that names the variable or its option."""
    text = (Path(convcli.__file__).parent / "manual" / "config.md").read_text()
    names = set(re.findall(r"`(CONVCLI_[A-Z]+)`", text.split("An option on the command line overrides")[1].split("\n\n")[0]))
    assert len(names) == 9
    for name in names:
        monkeypatch.setenv(name, "nonsense")
        result = run("apply", samples / "camera.png", "-k", "blur", "-o", home / "m.png", "-q")
        assert result.status == 2
        assert f"--{name.removeprefix('CONVCLI_').lower()}" in result.err or name in result.err
        monkeypatch.delenv(name)


def test_options_environment_and_defaults_have_priorities(run, home, samples, monkeypatch):
    """Options override the environment, the environment overrides defaults of files, a nearer file overrides others."""
    write(home / "work" / "kernels.toml", 1, "[defaults]\nstride = 2\nchannels = 'gray'\nborder = 'circular'\n")
    write(home / "kernels.toml", 1, "[defaults]\nstride = 9\n")

    def planned(*options):
        result = run("apply", samples / "astronaut.png", "-k", "k", "-o", "x.png", "-n", *options)
        assert result.status == 0, result.err
        return result.out.partition("-> ")[2].strip()

    assert planned() == "x.png (256 x 256) k, clip"
    assert planned("--stride", "4", "--range", "center") == "x.png (128 x 128) k, center"
    assert planned("--no-config", "--config", home / "kernels.toml") == "x.png (57 x 57, 3 channels) k, clip"
    monkeypatch.setenv("CONVCLI_STRIDE", "8")
    monkeypatch.setenv("CONVCLI_RANGE", "stretch")
    monkeypatch.setenv("CONVCLI_CHANNELS", "sum")
    assert planned() == "x.png (64 x 64) k, stretch"
    assert planned("--stride", "4") == "x.png (128 x 128) k, stretch"
    monkeypatch.setenv("CONVCLI_STRIDE", "two")
    result = run("apply", samples / "astronaut.png", "-k", "k", "-o", "x.png")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "$CONVCLI_STRIDE: stride must be a whole number of at least 1" in result.err


def test_each_default_equals_its_option(run, home, samples):
    """Each default equals its option."""
    text = (
        "stride = '2x3'\npadding = [[0, 1], [2, 3]]\nborder = 'circular'\nchannels = 'sum'\nrange = '-9999..9999'\nflip = true"
    )
    options = [
        "--stride",
        "2x3",
        "--padding",
        "0,1x2,3",
        "--border",
        "wrap",
        "--channels",
        "sum",
        "--range",
        "-9999..9999",
        "--flip",
    ]
    arguments = ["apply", samples / "chelsea.png", "-k", "1 2 3; 4 5 6"]
    run(*arguments, *options, "-o", home / "flags.png")
    write(home / "kernels.toml", 1, f"[defaults]\n{text}\n")
    run(*arguments, "-o", home / "defaults.png")
    assert_array_equal(pixels(home / "flags.png"), pixels(home / "defaults.png"))
    run(*arguments, "--no-config", "-o", home / "none.png")
    assert pixels(home / "none.png").shape != pixels(home / "flags.png").shape


def test_an_offset_is_added_to_the_response(run, home, samples, tmp_path):
    """In levels, after the division by alpha; auto then keeps the sign."""
    path = write(home / "k.toml", 0, "[kernels.r]\nmatrix = [[-1, 0, 1]]\noffset = 100\n")
    assert run("apply", samples / "camera.png", "--config", path, "-k", "r", "-o", home / "x.png").status == 0
    photo = pixels(samples / "camera.png").astype(float)
    expected = scipy.ndimage.correlate(photo, [[-1, 0, 1]], mode="mirror") + 100
    assert_array_equal(pixels(home / "x.png"), np.clip(expected, 0, 255))
    grey = np.dstack([np.full((4, 4), 50, np.uint8), np.full((4, 4), 51, np.uint8)])
    PIL.Image.fromarray(grey).save(home / "a.png")
    (home / "blur.toml").write_text("[kernels.b]\ngenerator = 'average'\noffset = 25\n")
    run("apply", home / "a.png", "--config", home / "blur.toml", "-k", "b", "-o", home / "b.png")
    assert_array_equal(pixels(home / "b.png"), np.dstack([np.full((4, 4), 75), np.full((4, 4), 51)]))


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_the_anchor_is_over_the_output_pixel(run, home, flip, angle, alpha, rng):
    """A kernel whose only weight is at its anchor does not move the picture, with dilation, stride, rotation and flip."""
    levels = rng.integers(0, 256, (12, 15, 4 if alpha else 3), dtype=np.uint8)
    levels[:, :, -1] = 255 if alpha else levels[:, :, -1]
    PIL.Image.fromarray(levels).save(home / "a.png")
    (home / "k.toml").write_text(f"[kernels.k]\nmatrix = [[0, 0, 0, 1], [0, 0, 0, 0]]\nanchor = [0, 3]\nrotate = {angle}\n")
    options = ["--stride", "2x3", "--dilation", "2x3", "--flip" if flip else "--no-flip"]
    result = run("apply", home / "a.png", "--config", home / "k.toml", "-k", "k", *options, "-o", home / "b.png")
    assert result.status == 0, result.err
    assert_array_equal(pixels(home / "b.png"), levels[::2, ::3])


@pytest.mark.parametrize("flip", ["--flip", "--no-flip"])
@pytest.mark.parametrize("matrix", ["[[1, 0, -1]]", "[[1, 0, 0, -1]]"])
def test_zero_sum_kernels_take_alpha_at_the_anchor(run, home, rng, flip, matrix):
    """Alpha is taken at the anchor for any padding: valid is the inner part of same."""
    levels = rng.integers(0, 256, (9, 9, 4), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(home / "a.png")
    (home / "k.toml").write_text(f"[kernels.k]\nmatrix = {matrix}\nanchor = [0, 2]\n")
    arguments = ["apply", home / "a.png", "--config", home / "k.toml", "-k", "k", flip]
    run(*arguments, "-o", home / "same.png")
    assert_array_equal(pixels(home / "same.png")[:, :, 3], levels[:, :, 3])
    run(*arguments, "--padding", "valid", "-o", home / "valid.png")
    width = len(matrix.split(","))
    before = width - 1 - 2 if flip == "--flip" else 2
    assert_array_equal(pixels(home / "valid.png"), pixels(home / "same.png")[:, before : before + 10 - width])


def test_a_merged_bank_of_different_maps_is_refused_in_a_dry_run_too(run, home, samples):
    """The error gives the shapes."""
    bank = "[banks.m]\nkernels = ['blur', { tensor = [[[1, 1, 1]]] }]\nmerge = 'max'\n"
    path = write(home / "k.toml", 1, bank)
    for extra in ([], ["-n"]):
        result = run("apply", samples / "chelsea.png", "--config", path, "-k", "m", "-o", "x.npy", *extra)
        assert result.status == 1
        assert "bank 'm' merges maps of different shapes: 300 x 451 x 1 and 300 x 451 x 3" in result.err


def test_an_impossible_home_is_ignored(home, monkeypatch):
    """A path too long is ignored."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/" + "x" * 5000)
    assert [place.reason for place in find_locations()] == ["built in"]


def test_the_range_of_a_kernel_is_its_auto_range(run, home, samples):
    """The option overrides it."""
    path = write(
        home / "k.toml", 1, "range = '-255..255'\n[banks.m]\nkernels = ['k', 'blur']\nmerge = 'max'\nrange = 'stretch'\n"
    )
    arguments = ["apply", samples / "camera.png", "--config", path, "-n", "-o", "x.png"]
    assert run(*arguments, "-k", "k").out.strip().endswith("k, -255..255")
    assert run(*arguments, "-k", "k", "--range", "clip").out.strip().endswith("k, clip")
    assert run(*arguments, "-k", "m").out.strip().endswith("m, stretch")


def test_a_tensor_needs_its_channels(run, home, samples):
    """The error gives both numbers."""
    path = write(home / "k.toml", 1, "[kernels.t]\ntensor = [[[1, -1, 0]]]\n")
    result = run("apply", samples / "camera.png", "--config", path, "-k", "t", "-o", "x.npy")
    assert result.lines == [f"Error: {samples / 'camera.png'}: kernel 't' sums over 3 channels, and the picture has 1"]
    assert run("apply", samples / "chelsea.png", "--config", path, "-k", "t", "-o", "x.npy").status == 0


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif"])
def test_four_filters_of_a_bank_give_four_maps(run, home, rng, suffix):
    """32 x 32 RGB and four 5 x 5 x 3 kernels, valid, give four named maps of 28 x 28, equal to the oracle."""
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    PIL.Image.fromarray(image).save(home / "a.png")
    filters = rng.integers(-4, 5, (4, 3, 5, 5)).astype(np.float32)
    np.save(home / "w.npy", filters)
    (home / "k.toml").write_text("[banks.conv1]\nfile = 'w.npy'\n")
    options = ["--config", home / "k.toml", "-k", "conv1", "--padding", "valid", "-o", home / f"maps.{suffix}"]
    assert run("apply", home / "a.png", *options).status == 0
    expected = naive.conv2d(image.transpose(2, 0, 1)[None].astype(float), filters.astype(float), np.zeros(4))[0]
    names = [f"conv1-{i}" for i in range(4)]
    if suffix == "npz":
        with np.load(home / "maps.npz") as maps:
            assert list(maps) == names
            result = np.array([maps[name] for name in names])
    elif suffix == "npy":
        result = np.load(home / "maps.npy")
    else:
        import tifffile

        with tifffile.TiffFile(home / "maps.tif") as pages:
            assert pages.imagej_metadata["Labels"] == names
            result = pages.asarray()
    assert result.shape == (4, 28, 28)
    assert_array_equal(result, expected)


def test_load_kernels_gives_immutable_values(home):
    """load_kernels reads one file, or every file that a command would read, into immutable values."""
    path = write(
        home / "work" / "kernels.toml", 3, "about = 'one'\nsource = 'me'\n[banks.b]\nkernels = ['k', 'k']\nmerge = 'sum'\n"
    )
    entries = convcli.load_kernels(path)
    assert list(entries) == ["k", "b"]
    kernel, bank = entries["k"], entries["b"]
    assert isinstance(kernel, convcli.Kernel)
    assert isinstance(bank, convcli.Bank)
    assert (kernel.name, kernel.about, kernel.source) == ("k", "one", "me")
    assert (len(bank.kernels), bank.merge, bank.weights.shape) == (2, "sum", (2, 1, 1))
    for weights in (kernel.weights, bank.weights):
        with pytest.raises(ValueError, match="read-only"):
            weights[...] = 0
    with pytest.raises(AttributeError):
        kernel.name = "x"
    assert {"k", "b", "sobel-x", "frei-chen-basis"} < set(convcli.load_kernels())
    assert convcli.kernel("k").sum == 3
    assert_allclose(convcli.kernel("gaussian:sigma=2").weights.sum(), 1)
    with pytest.raises(KernelError, match="did you mean 'sobel-x'"):
        convcli.kernel("sobelx")
    with pytest.raises(ValueError, match="none.toml: cannot be read"):
        convcli.load_kernels("none.toml")


def test_listing_needs_no_numpy_with_a_config(shell, home):
    """Nor does listing the files; a check opens the weights of the built-in networks."""
    write(home / "work" / "kernels.toml", 1, "[kernels.g]\ngenerator = 'gabor'\n[kernels.s]\nsum = ['g', 'k']\n")
    program = (
        "import sys; from convcli.cli.main import main; s = main(sys.argv[1:]); "
        "sys.exit(s or bool({'numpy', 'numba', 'PIL'} & set(sys.modules)))"
    )
    import subprocess

    for arguments in (["kernels", "list"], ["config", "path"]):
        assert subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=False).returncode == 0
