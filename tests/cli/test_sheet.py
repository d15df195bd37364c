"""apply --sheet and run --sheet: from the command line to the pixels of the picture."""

import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
from numpy.testing import assert_array_equal

from convcli.drawing.captions import lines_of
from convcli.drawing.colormaps import UNKNOWN, colormap
from convcli.drawing.sheet import draw_sheet
from convcli.pipeline import sheet_groups, write_sheet

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@pytest.fixture
def small(tmp_path, rng):
    """A grey picture of 7 x 7 pixels."""
    path = tmp_path / "small.png"
    PIL.Image.fromarray(rng.integers(0, 256, (7, 7), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def animation(tmp_path):
    """Three frames of one level each."""
    frames = [PIL.Image.new("L", (12, 9), level) for level in (10, 20, 30)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    return tmp_path / "film.gif"


def pixels_of(path):
    """The pixels of a sheet."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def tiles_of(result):
    """The tiles in the JSON lines of a run of one picture."""
    assert result.status == 0, result.err
    (output,) = json.loads(result.out.splitlines()[0])["outputs"]
    return output["tiles"]


def test_the_pixels_of_a_sheet_are_those_of_its_maps(run, small, tmp_path):
    """Input, kernel and map side by side, from 14 pixels on: each in squares of 20, or as large as fits."""
    out = tmp_path / "sheet.png"
    tiles = tiles_of(run("apply", small, "-k", "sobel-x", "-o", out, "--sheet", "--scale", "20", "--json"))
    levels = pixels_of(small)[..., 0]
    response = scipy.ndimage.correlate(levels.astype(float), SOBEL, mode="mirror")
    reach = np.abs(response).max()
    pixels = pixels_of(out)
    centres = 14 + 20 * np.arange(7) + 10
    assert_array_equal(pixels[np.ix_(centres, centres)], levels[:, :, None].repeat(3, axis=2))
    places = np.rint((response / reach + 1) * 128).astype(int)
    assert_array_equal(pixels[np.ix_(centres, centres + 2 * (140 + 14))], colormap("diverging")[places])
    kernel = 14 + 1 + 46 * np.arange(3) + 23
    assert_array_equal(pixels[np.ix_(kernel, kernel + 154)], colormap("diverging")[(SOBEL + 2) * 64])
    assert [(tile["kind"], tile["name"], tile["shape"]) for tile in tiles] == [
        ("input", "input", [7, 7, 1]),
        ("kernel", "sobel-x", [3, 3, 1]),
        ("map", "sobel-x", [7, 7, 1]),
    ]
    assert tiles[0]["scale"] is None
    assert tiles[1]["scale"] == {"low": -2, "high": 2, "signed": True}
    assert tiles[2]["scale"] == {"low": -reach, "high": reach, "signed": True}
    assert (tiles[2]["minimum"], tiles[2]["maximum"]) == (response.min(), response.max())


def test_a_sheet_of_a_bank_shows_each_map_with_its_kernel(run, samples, tmp_path):
    """All fits on a width of 1,000 pixels, and one line reports it."""
    out = tmp_path / "compass.png"
    result = run("apply", samples / "camera.png", "-k", "compass", "-o", out, "--sheet")
    assert (result.status, len(result.lines)) == (0, 1)
    assert "sheet, 8 maps min -891, max 891; drawn on " in result.err
    height, width, _ = pixels_of(out).shape
    assert width <= 1000
    assert 1.2 < width / height < 1.8


def test_layers_have_headings_scales_and_kernels_of_their_own(run, samples, tmp_path):
    """The maps of each tapped layer, signed or not, and the kernel of each map of a convolution, which share a scale."""
    arguments = ("--tap", "edges", "--tap", "pooled", "--sheet", "--json")
    tiles = tiles_of(run("run", "edge-energy", samples / "camera.png", "-o", tmp_path / "m.png", *arguments))
    assert [tile["kind"] for tile in tiles] == ["input"] + ["map", "kernel"] * 8 + ["map"] * 8
    maps, kernels = ([tile for tile in tiles if tile["kind"] == kind] for kind in ("map", "kernel"))
    assert [tile["name"] for tile in maps] == [*"01234567"] * 2
    assert {tile["group"] for tile in tiles} == {"", "edges: 8 maps of 512 x 512", "pooled: 8 maps of 256 x 256"}
    assert len({json.dumps(tile["scale"]) for tile in maps}) == 2
    assert [tile["colormap"] for tile in maps] == ["diverging"] * 8 + ["sequential"] * 8
    assert {(*tile["shape"], tile["minimum"], tile["maximum"]) for tile in kernels} == {(3, 3, 1, -2, 2)}
    assert {tuple(tile["scale"].values()) for tile in kernels} == {(-2, 2, True)}


def test_layers_without_kernels_or_room_have_none_on_a_sheet(run, samples, tmp_path):
    """Batch normalization and 1 x 1 weights are not drawn, kernels of several channels are blocks; small tiles have none."""
    config = tmp_path / "k.toml"
    rng = np.random.default_rng(5)
    arrays = {"a": rng.normal(size=(2, 1, 3, 3)), "b": rng.normal(size=(3, 2, 3, 3)), "c": rng.normal(size=(2, 3, 1, 1))}
    np.savez(tmp_path / "w.npz", **arrays, **dict.fromkeys(("n", "shift", "mean", "variance"), np.ones(2)))
    norm = ", ".join(f'{key} = "{name}"' for key, name in (("bias", "shift"), ("mean", "mean"), ("variance", "variance")))
    config.write_text(f"""
[networks.small]
input = {{ channels = 1 }}
layers = [
  {{ name = "a", op = "conv", filters = 2, size = 3, bias = false, file = "w.npz", key = "a" }},
  {{ name = "b", op = "conv", filters = 3, size = 3, bias = false, file = "w.npz", key = "b" }},
  {{ name = "c", op = "pointwise", filters = 2, bias = false, file = "w.npz", key = "c" }},
  {{ name = "n", op = "batch-norm", file = "w.npz", key = "n", {norm} }},
]
""")
    asked = (
        "run",
        "small",
        samples / "camera.png",
        "--config",
        config,
        *["--tap", "a", "--tap", "b", "--tap", "c", "--tap", "n", "--sheet", "--json"],
    )
    tiles = tiles_of(run(*asked, "-o", tmp_path / "s.png"))
    kernels = [(tile["group"][0], tile["name"]) for tile in tiles if tile["kind"] == "kernel"]
    assert kernels == [
        ("a", "0"),
        ("a", "1"),
        *(("b", f"{index} channel {channel}") for index in range(3) for channel in range(2)),
    ]
    ends = [tile["maximum"] for tile in tiles if tile["kind"] == "kernel"]
    assert_array_equal(ends, [*arrays["a"].max(axis=(1, 2, 3)), *arrays["b"].max(axis=(2, 3)).ravel()])
    small = tiles_of(run(*asked, "-o", tmp_path / "t.png", "--tile", "40"))
    assert "kernel" not in {tile["kind"] for tile in small}


def test_transparent_pixels_are_drawn_over_white(run, tmp_path):
    """The input is what is seen on the page; a notice says that maps are not."""
    pixels = np.zeros((9, 9, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, 85  # a third of red
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    result = run("apply", tmp_path / "x.png", "-k", "blur", "-o", tmp_path / "s.png", "--sheet")
    assert "alpha: the sheet shows maps as if they were opaque" in result.err
    assert tuple(pixels_of(tmp_path / "s.png")[60, 60]) == (round(200 / 3 + 170), 170, 170)


def test_a_merged_bank_shows_its_kernels_and_its_map(run, small, tmp_path):
    """Two kernels, one map."""
    tiles = tiles_of(run("apply", small, "-k", "sobel", "-o", tmp_path / "s.png", "--sheet", "--json"))
    assert [(tile["kind"], tile["name"]) for tile in tiles] == [
        ("input", "input"),
        ("kernel", "sobel-x"),
        ("kernel", "sobel-y"),
        ("map", "sobel"),
    ]
    assert not tiles[3]["scale"]["signed"]


def test_colour_pictures_give_colour_maps(run, samples, tmp_path):
    """A blurred photo has its levels, its edges are centred at grey."""
    arguments = ("-k", "sobel-x", "-k", "gaussian:sigma=2", "-o", tmp_path / "s.png", "--sheet", "--json")
    tiles = tiles_of(run("apply", samples / "rocket.jpg", *arguments))
    edges, blurred = (tile for tile in tiles if tile["kind"] == "map")
    assert (edges["shape"], edges["colormap"], edges["scale"]["signed"]) == ([427, 640, 3], "grey", True)
    assert blurred["scale"] == {"low": 0, "high": 255, "signed": False}


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg", "gif", "ppm"])
def test_every_picture_format_holds_a_sheet_that_can_be_resumed(run, small, tmp_path, suffix):
    """With its provenance: another run skips it, another option draws it again, to the same bytes as in a fresh file."""
    out = tmp_path / f"sheet.{suffix}"
    arguments = ("apply", small, "-k", "sobel-x", "-k", "blur", "--sheet", "--skip-existing", "-v")
    assert run(*arguments, "-o", out).status == 0
    first = out.read_bytes()
    assert "up to date" in run(*arguments, "-o", out).err
    assert "up to date" not in run(*arguments, "-o", out, "--normalize", "each").err
    assert out.read_bytes() != first
    assert "up to date" not in run(*arguments, "-o", out).err
    assert out.read_bytes() == first
    maps = tmp_path / "maps.tif"
    assert run("apply", small, "-k", "sobel-x", "-o", maps, "--skip-existing").status == 0
    assert "up to date" not in run("apply", small, "-k", "sobel-x", "-o", maps, "--skip-existing", "--sheet", "-v").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "x.npy", "--sheet"), "--sheet draws a picture, and npy holds numbers; write .png or .webp"),
        (("-o", "x.npz", "--sheet"), "--sheet draws a picture, and npz holds numbers"),
        (("-o", "x.pgm", "--sheet"), ".pgm holds grey alone"),
        (("-o", "x.png", "--columns", "3"), "--columns does not apply: it is about sheets; give --sheet too"),
        (("-o", "x.png", "--no-labels"), "--labels does not apply: it is about sheets; give --sheet too"),
        (("-o", "x.png", "--numbers"), "--numbers does not apply: it is about sheets; give --sheet too"),
        (("--in-place", "--sheet"), "--in-place would lose the picture; give -o"),
        (("-o", "x.tif", "--depth", "float", "--sheet"), "--depth float stores numbers, and --sheet draws them"),
        (("-o", "x.png", "--range", "clip", "--sheet"), "--range does not apply: the colours of a sheet follow --normalize"),
        (("-o", "x.png", "--sheet", "--tile", "90", "--scale", "2"), "--tile and --scale both set the size of tiles"),
        (("-o", "x.png", "--sheet", "--percentile", "3"), "percentile must be above 50 and at most 100, got 3"),
        (("-o", "x.png", "--sheet", "--percentile", "nan"), "percentile must be above 50 and at most 100, got nan"),
        (("-o", "x.png", "--sheet", "--colormap", "fir"), "colormap 'fir' is unknown; there are diverging, sequential, grey"),
        (("-o", "x.png", "--sheet", "--columns", "0"), "Invalid value for '--columns'"),
        (("-o", "x.png", "--sheet", "--numbers", "--scale", "9"), "--numbers needs --scale of at least 38, got 9"),
        (("-o", "x.png", "--sheet", "--numbers", "--tile", "60"), "--numbers needs tiles of at least 266 pixels here"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, small, tmp_path, monkeypatch, arguments, message):
    """Nothing is written."""
    monkeypatch.chdir(tmp_path)
    before = small.read_bytes()
    result = run("apply", small.name, "-k", "sobel-x", *arguments)
    assert result.status in (1, 2)
    assert message in result.err
    assert result.err.count("Error") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]
    assert small.read_bytes() == before


def test_a_scale_without_room_for_numbers_is_refused_before_pictures_are_read(run, small, tmp_path):
    """Once, not for each picture, as wrong usage."""
    (tmp_path / "other.png").write_bytes(small.read_bytes())
    result = run(
        "apply", small, tmp_path / "other.png", "-k", "blur", "-o", tmp_path / "out", "--sheet", "--numbers", "--scale", "9"
    )
    assert (result.status, result.lines) == (2, ["Error: --numbers needs --scale of at least 38, got 9"])


def test_numbers_are_written_where_there_is_room(run, small, samples, tmp_path):
    """In tiles of 16 x 16 samples at most; a photo has none, its kernel has; without any, it is an error."""
    plain, written = tmp_path / "plain.png", tmp_path / "written.png"
    base = ("apply", small, "-k", "sobel-x", "--sheet", "--tile", "400", "--columns", "3")
    assert run(*base, "-o", plain).err.count("\n") == 1
    assert run(*base, "-o", written, "--numbers").err.count("\n") == 1
    assert (pixels_of(plain) != pixels_of(written)).any()
    photo = ("apply", samples / "camera.png", "-o", written, "--sheet", "--numbers")
    assert (
        "--numbers is for tiles of one channel and at most 16 x 16 samples; others have none" in run(*photo, "-k", "blur").err
    )
    result = run(*photo, "-k", "gaussian:sigma=9")
    assert result.status == 1
    assert "--numbers writes into tiles of one channel and at most 16 x 16 samples, and there are none" in result.err


def test_the_first_frame_is_shown_unless_the_name_has_the_frame(run, animation, tmp_path):
    """With a notice; so it is with --frames."""
    out = tmp_path / "sheet.png"
    result = run("apply", animation, "-k", "blur", "-o", out, "--sheet")
    assert (result.status, "has 3 frames; the first is used" in result.err) == (0, True)
    result = run("apply", animation, "-k", "blur", "-o", out, "--sheet", "--frames", "1:3", "--json")
    assert "--sheet shows the first of 2 selected frames" in result.err
    assert tiles_of(result)[0]["maximum"] == 20
    assert run("apply", animation, "-k", "blur", "-o", tmp_path / "f{frame}.png", "--sheet", "-q").err == ""
    assert sorted(path.name for path in tmp_path.glob("f?.png")) == ["f0.png", "f1.png", "f2.png"]


def test_a_dry_run_writes_nothing(run, small, tmp_path):
    """It names the sheet and its maps, and finds what would fail."""
    out = tmp_path / "sheet.png"
    result = run("apply", small, "-k", "compass", "-o", out, "--sheet", "-n")
    assert (result.status, out.exists()) == (0, False)
    assert f"-> {out} (7 x 7, 8 maps) sheet of maps, shared scale" in result.out
    assert run("apply", small, "-k", "9 " * 20, "-o", out, "--sheet", "-n", "--numbers", "--tile", "30").status != 0


def test_folders_and_templates_have_sheets(run, small, samples, tmp_path):
    """A sheet for each picture, in PNG whatever the picture; {kernel} makes one for each map."""
    folder = f"{tmp_path}/out/"
    assert run("apply", small, samples / "rocket.jpg", "-k", "compass", "-o", folder, "--sheet", "-q").status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rocket.png", "small.png"]
    template = tmp_path / "{stem}_{kernel}.png"
    tiles = run("apply", small, "-k", "sobel-x", "-k", "sobel-y", "-o", template, "--sheet", "--json").out
    outputs = json.loads(tiles.splitlines()[0])["outputs"]
    assert [[tile["name"] for tile in output["tiles"]] for output in outputs] == [
        ["input", "sobel-x", "sobel-x"],
        ["input", "sobel-y", "sobel-y"],
    ]


def test_standard_output_and_strip(shell, small, tmp_path):
    """The same bytes in each process; --strip leaves out the provenance."""
    arguments = ("apply", small, "-k", "compass", "-o", "-", "--format", "png", "--sheet")
    first, second = (shell(*arguments) for _ in range(2))
    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert b"convcli" in first.stdout
    stripped = shell(*arguments, "--strip").stdout
    assert stripped.startswith(b"\x89PNG")
    assert b"convcli" not in stripped


def test_nan_is_drawn_and_counted(run, tmp_path):
    """Numbers of unknown white, one of them missing; then nothing but NaN."""
    numbers = np.linspace(-3, 3, 64).reshape(8, 8)
    numbers[0, 0] = np.nan
    for name, values, unknown in [("some", numbers, 1), ("all", np.full((8, 8), np.nan), 64)]:
        np.save(tmp_path / f"{name}.npy", values)
        out = tmp_path / f"{name}.png"
        tiles = tiles_of(run("apply", tmp_path / f"{name}.npy", "-k", "1", "-o", out, "--sheet", "--json"))
        assert [tiles[0]["unknown"], tiles[2]["unknown"]] == [unknown] * 2
        assert tuple(pixels_of(out)[16, 16]) == UNKNOWN
        assert (tiles[2]["scale"] is None) == (name == "all")


def test_the_percentile_is_that_of_maps(run, tmp_path, rng):
    """The input keeps its smallest and its largest number."""
    numbers = rng.normal(size=(20, 20))
    np.save(tmp_path / "x.npy", numbers)
    arguments = ("--sheet", "--json", "--percentile", "90")
    tiles = tiles_of(run("apply", tmp_path / "x.npy", "-k", "2", "-o", tmp_path / "x.png", *arguments))
    assert tiles[0]["scale"] == {"low": numbers.min(), "high": numbers.max(), "signed": False}
    assert tiles[2]["scale"]["high"] == pytest.approx(np.percentile(np.abs(2 * numbers), 90), rel=1e-6)
    assert (tiles[0]["above"], tiles[2]["above"] + tiles[2]["below"]) == (0, 40)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (4, 5, 4), (6, 7, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pictures_of_any_shape_have_a_sheet(run, tmp_path, rng, shape, dtype):
    """Alpha and other numbers of channels too."""
    np.save(tmp_path / "x.npy", (rng.random(shape) * 200).astype(dtype))
    axes = ("--axes", "YXC") if len(shape) == 3 else ()
    result = run("apply", tmp_path / "x.npy", "-k", "blur", "-k", "sobel-x", "-o", tmp_path / "x.png", "--sheet", *axes)
    assert result.status == 0, result.err
    assert pixels_of(tmp_path / "x.png").shape[1] <= 1000


@pytest.mark.parametrize("count", [3, 30, 600])
@pytest.mark.parametrize("name", ["w", "漢字" * 20, "σ-and-a-long-name-of-latin-letters" * 3])
def test_many_kernels_and_long_names(run, small, tmp_path, count, name, rng):
    """Up to a limit, which is told; the sheet stays 1,000 pixels wide."""
    path = tmp_path / f"{name}.npy"
    np.save(path, rng.normal(size=(count, 2, 3)))
    result = run("apply", small, "-k", f"@{path}:layout=ohw", "-o", tmp_path / "s.png", "--sheet")
    assert result.status == 0, result.err
    assert pixels_of(tmp_path / "s.png").shape[1] <= 1000


def test_more_maps_than_the_limit_are_told(run, small, tmp_path, monkeypatch):
    """The first are shown."""
    monkeypatch.setattr(sheet_groups, "MAX_MAPS", 5)
    result = run("apply", small, "-k", "compass", "-o", tmp_path / "s.png", "--sheet", "--json")
    assert sum(tile["kind"] == "map" for tile in tiles_of(result)) == 5
    assert "--sheet shows the first 5 of 8 maps" in result.err


def test_learned_kernels_of_three_channels_are_in_colour(run, tmp_path, rng):
    """Centred at grey: a weight of 0 is the level 128."""
    weights = rng.normal(size=(2, 5, 5, 3))
    weights[0, 0, 0], weights[0, 0, 1] = 0, [9, -9, 0]
    np.save(tmp_path / "w.npy", weights)
    PIL.Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).save(tmp_path / "x.png")
    out = tmp_path / "s.png"
    options = ("--sheet", "--scale", "30")
    assert run("apply", tmp_path / "x.png", "-k", f"@{tmp_path / 'w.npy'}:layout=ohwi", "-o", out, *options).status == 0
    row = pixels_of(out)[14 + 15, 14 + 164 + 15 + 30 * np.arange(2)]
    assert_array_equal(row, [[128] * 3, [255, 0, 128]])


def test_drawing_is_not_imported_without_a_sheet(samples, tmp_path):
    """Neither are colours and fonts."""
    program = """
import sys
from convcli.cli.main import main
status = main(["apply", sys.argv[1], "-k", "sobel-x", "-q", "-o", sys.argv[2]])
print(status, [name for name in sys.modules if name.startswith(("convcli.drawing", "colorcet", "PIL.ImageFont"))])
"""
    arguments = [sys.executable, "-c", program, samples / "camera.png", tmp_path / "y.png"]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == "0 []\n"


@pytest.mark.parametrize("arguments", [
    ("apply", "-k", "blur", "--channels", "gray"), ("apply", "-k", "blur"), ("run", "edge-energy", "--tap", "edges"),
])  # fmt: skip
def test_a_picture_that_becomes_grey_says_so(run, samples, tmp_path, monkeypatch, arguments):
    """Below it, as it is drawn in colour."""
    groups = []
    monkeypatch.setattr(write_sheet, "draw_sheet", lambda *given: groups.append(given[0]) or draw_sheet(*given))
    for name, is_told in (("chelsea", arguments != ("apply", "-k", "blur")), ("camera", False)):
        words = (samples / f"{name}.png", "-o", tmp_path / "s.png", "--sheet", "-q", "--overwrite")
        result = run(*arguments, *words)
        assert (result.status, result.err) == (0, "")
        lines = [text for text, _ in lines_of(groups[-1][0].cells[0].tiles, (), 200, 300)]
        assert any("filtered in grey" in text for text in lines) == is_told


def test_the_input_of_a_network_is_drawn_as_it_is(run, tmp_path, monkeypatch):
    """Its levels stay, whatever the network makes of them; over white where it is transparent, and with the size it gets."""
    config = tmp_path / "k.toml"
    config.write_text("""
[networks.scaled]
input = { channels = 1, size = 4, range = "0..1", std = 0.25 }
layers = [{ name = "edges", op = "conv", kernel = "sobel-x" }]
""")
    levels = np.arange(40, 104, dtype=np.uint8).reshape(8, 8)
    alpha = np.full_like(levels, 255)
    alpha[0] = 0
    PIL.Image.fromarray(np.dstack([levels, alpha])).save(tmp_path / "x.png")
    groups = []
    monkeypatch.setattr(write_sheet, "draw_sheet", lambda *given: groups.append(given[0]) or draw_sheet(*given))
    arguments = ("--config", config, "--tap", "edges", "--sheet", "--resize", "--tile", "200", "--json")
    tile, *_ = tiles_of(run("run", "scaled", tmp_path / "x.png", "-o", tmp_path / "s.png", *arguments))
    assert ["8 x 8, resized to 4 x 4" in text for text, _ in lines_of(groups[0][0].cells[0].tiles, (), 200, 300)] == [0, 1, 0]
    assert (tile["scale"], tile["minimum"], tile["maximum"]) == (None, 40, 103)
    centres = 14 + 12 + 25 * np.arange(8)
    expected = np.where(alpha == 0, 255, levels)
    assert_array_equal(pixels_of(tmp_path / "s.png")[np.ix_(centres, centres)], expected[:, :, None].repeat(3, axis=2))


@pytest.mark.parametrize(
    ("size", "kernels", "options"),
    [
        (
            8,
            "[banks.many]\ngenerator = 'gabor'\ngrid = { theta = [0, 45], wavelength = [4, 6, 8, 10, 12, 20] }",
            ("--numbers",),
        ),
        (512, "", ("--scale", "1")),
        (512, "", ("--tile", "500")),
    ],
)
def test_given_sizes_make_a_sheet_wider_and_not_one_column(run, samples, tmp_path, size, kernels, options):
    """About 4:3, also where two tiles are wider than 1,000 pixels; kernels beside captions need no room for numbers."""
    config = tmp_path / "k.toml"
    config.write_text(kernels)
    with PIL.Image.open(samples / "camera.png") as picture:
        picture.resize((size, size)).save(tmp_path / "x.png")
    bank = ("-k", "many", "--config", config) if kernels else ("-k", "compass")
    assert run("apply", tmp_path / "x.png", *bank, "-o", tmp_path / "s.png", "--sheet", *options).status == 0
    height, width, _ = pixels_of(tmp_path / "s.png").shape
    assert 0.8 < width / height < 2.2
    assert max(width, height) < 2600


@pytest.fixture
def grid(tmp_path):
    """A config with a bank of 2 x 3 kernels."""
    (tmp_path / "k.toml").write_text("[banks.g]\ngenerator = 'gabor'\ngrid = { theta = [0, 45], wavelength = [4, 6, 8] }")
    return tmp_path / "k.toml"


def test_a_grid_of_parameters_is_a_grid_of_maps(run, grid, samples, tmp_path, monkeypatch):
    """Its last axis is a row, and the input stands above, unless --columns are given; names are the parameters."""
    layouts = []
    monkeypatch.setattr(write_sheet, "draw_sheet", lambda *given: layouts.append(draw_sheet(*given)) or layouts[-1])
    base = ("apply", samples / "camera.png", "-k", "g", "--config", grid, "--sheet", "--json", "-o", tmp_path / "s.png")
    tiles = tiles_of(run(*base))
    above, maps = layouts[0].layout.groups
    assert len(above.cells) == 1
    assert len({cell.tile.x for cell in maps.cells}) == 3
    assert len({cell.tile.y for cell in maps.cells}) == 2
    assert [tile["name"] for tile in tiles if tile["kind"] == "map"][:2] == ["theta=0,wavelength=4", "theta=0,wavelength=6"]
    tiles_of(run(*base, "--columns", "2"))
    assert len({cell.tile.x for cell in layouts[1].layout.groups[-1].cells}) == 2
    drawn = json.loads(run("view", "-k", "g", "--config", grid, "--json").out)
    assert drawn["width"] > drawn["height"]


def test_maps_that_are_hard_to_see_are_told(run, small, tmp_path):
    """Where they share a scale with much larger ones."""
    out = tmp_path / "s.png"
    kernels = [argument for kernel in ("100 -100", "1 -1", "2 -2", "0 0 0") for argument in ("-k", kernel)]
    notice = "2 of 4 maps reach over less than 10% of the scale; --normalize each gives each map its own"
    assert notice in run("apply", small, *kernels, "-o", out, "--sheet").err
    assert "reach over" not in run("apply", small, *kernels, "-o", out, "--sheet", "--normalize", "each").err
    assert "reach over" not in run("apply", small, "-k", "compass", "-o", out, "--sheet").err
    np.save(tmp_path / "x.npy", np.array([np.eye(6), np.eye(6) * 50, -np.eye(6) * 40]))
    assert "1 of 3 maps reach over less than 10% of the scale" in run("view", tmp_path / "x.npy", "-o", out).err


def test_maps_without_kernels_are_told(run, samples, tmp_path):
    """Of a layer with many channels, kernels of the first maps are drawn, each with its first 16 channels."""
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "w.npz", a=rng.normal(size=(64, 1, 1, 1)), b=rng.normal(size=(80, 64, 3, 3)))
    config = tmp_path / "k.toml"
    config.write_text("""
[networks.wide]
input = { channels = 1 }
layers = [
  { name = "a", op = "conv", bias = false, file = "w.npz", key = "a" },
  { name = "b", op = "conv", bias = false, file = "w.npz", key = "b" },
]
""")
    asked = ("run", "wide", samples / "camera.png", "--config", config, "--tap", "b", "--sheet", "--tile", "64", "--json")
    result = run(*asked, "-o", tmp_path / "s.png")
    kernels = [tile["name"] for tile in tiles_of(result) if tile["kind"] == "kernel"]
    assert (len(kernels), kernels[-1]) == (64 * 16, "63 channel 15")
    assert "b: only the first 64 maps are shown with their kernels" in result.out
