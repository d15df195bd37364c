"""convcli slide: from the command line to the frames of the file."""

import base64
import contextlib
import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_array_equal

import naive
from convcli.drawing.number_grid import OUTLINE
from convcli.images.provenance import find_provenance
from convcli.images.read import open_frames

GRID = "0 1 1 0; 1 0 0 1; 0 1 1 1; 1 0 1 0"
VALUES = np.array([[float(word) for word in row.split()] for row in GRID.split(";")])
KERNEL = "1 0; 0 1"


@pytest.fixture
def slide(run, tmp_path, monkeypatch):
    """Run ``convcli slide`` in an empty folder, and return its result."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = run("slide", *arguments)
        assert result.status == 0, result.err
        return result

    return call


def frames_of(path):
    """The frames of an animation, and their durations in milliseconds, by Pillow."""
    with PIL.Image.open(path) as picture:
        frames, durations = [], []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            frames.append(np.asarray(picture.convert("RGB")))
            durations.append(picture.info.get("duration"))
        return frames, durations


@pytest.mark.parametrize("suffix", ["gif", "webp", "apng"])
def test_an_animation_has_a_frame_for_each_position(slide, tmp_path, suffix):
    """Each is shown for 1 / fps seconds, the last for three times as long; it begins again; it carries its provenance."""
    path = tmp_path / f"x.{suffix}"
    result = slide(GRID, "-k", KERNEL, "--padding", "valid", "-o", path, "--fps", "4")
    assert result.lines == [f"{path}: 9 frames, 699 x 535; map 3 x 3, min 0, max 2"]
    frames, durations = frames_of(path)
    assert {frame.shape for frame in frames} == {(535, 699, 3)}
    assert durations == [250.0] * 8 + [750.0]
    for index, frame in enumerate(frames):
        rows, columns = np.nonzero((frame == OUTLINE).all(axis=2))
        assert columns[columns < 275].min() == 14 - 1 + 64 * (index % 3)  # of the window on the input
        assert rows.min() - 64 * (index // 3) == np.nonzero((frames[0] == OUTLINE).all(axis=2))[0].min()
    with path.open("rb") as file:
        series = open_frames(file).series
    assert (series.count, series.loop) == (9, 0)
    assert find_provenance(path.read_bytes().decode("latin-1"))


def test_all_formats_show_the_same_pixels(slide, tmp_path):
    """Losslessly, but for GIF, where some shades of letters are replaced."""
    found = {}
    for suffix in ("gif", "webp", "apng", "html"):
        path = tmp_path / f"x.{suffix}"
        slide(GRID, "-k", KERNEL, "--padding", "valid", "-o", path, "--frames", "first:3")
        if suffix == "html":
            data = re.findall(r'\["data:image/webp;base64,([^"]+)"', path.read_text("utf-8"))
            found[suffix] = [frames_of(io.BytesIO(base64.b64decode(text)))[0][0] for text in data]
        else:
            found[suffix] = frames_of(path)[0]
    for index in range(3):
        slide(GRID, "-k", KERNEL, "--padding", "valid", "-o", tmp_path / "one.png", "--frames", str(index))
        (expected,), _ = frames_of(tmp_path / "one.png")
        for suffix, frames in found.items():
            assert len(frames) == 3
            difference = np.abs(frames[index].astype(int) - expected).max(axis=2)
            if suffix == "gif":  # 256 colours, without dithering
                assert (difference > 8).mean() < 0.001
                difference[difference <= 16] = 0
            assert not difference.any(), suffix


def test_json_describes_frames_shapes_and_scales(slide, tmp_path):
    """Of each part."""
    arguments = (GRID, "-k", KERNEL, "--padding", "1", "--border", "zero", "-o", "x.gif", "--frames", "::2", "--json")
    result = slide(*arguments)
    facts = json.loads(result.out)
    expected = naive.plane(VALUES, np.eye(2), pads=((1, 1), (1, 1)))
    assert result.err == ""
    assert (facts["positions"], facts["frames"]) == (25, list(range(0, 25, 2)))
    assert facts["durations"] == [500.0] * 12 + [1500.0]
    assert facts["parts"] == [
        {"name": "input", "shape": [1, 6, 6], "scale": {"low": 0, "high": 1, "signed": False}, "colormap": "grey"},
        {
            "name": "map",
            "shape": [5, 5],
            "scale": {"low": 0, "high": expected.max(), "signed": False},
            "colormap": "sequential",
        },
        {"name": "kernel", "shape": [1, 2, 2], "scale": {"low": -1, "high": 1, "signed": True}, "colormap": "diverging"},
        {"name": "products", "shape": [1, 2, 2], "scale": {"low": -1, "high": 1, "signed": True}, "colormap": "diverging"},
    ]
    with PIL.Image.open(tmp_path / "x.gif") as picture:
        assert picture.size == (facts["size"]["width"], facts["size"]["height"])
        assert picture.n_frames == 13


def test_durations_are_those_that_the_file_can_hold(slide, tmp_path):
    """GIF has hundredths of a second; WebP and APNG have thousandths, which Pillow rounds."""
    for suffix, expected in (("gif", 30.0), ("apng", 1000 / 30)):
        facts = json.loads(slide("1 0; 0 1", "-k", "1 1", "-o", f"x.{suffix}", "--fps", "30", "--json").out)
        assert facts["durations"] == [expected] * 3 + [3 * expected]
        _, durations = frames_of(tmp_path / f"x.{suffix}")
        assert durations == pytest.approx(facts["durations"], abs=0.5)


def captions_of(path):
    """The captions of a page."""
    return [caption for _, caption in json.loads(re.search(r"const frames = (.*);", path.read_text("utf-8"))[1])]


def values_of(path):
    """The values that the captions of a page say."""
    return [float(caption.rpartition("= ")[2]) for caption in captions_of(path)]


def test_captions_say_the_values_of_the_oracle(slide, tmp_path, rng):
    """With stride, padding, border, dilation and flip; transposed; pooled."""
    values = rng.integers(-9, 10, (5, 6))
    text = "; ".join(" ".join(map(str, row)) for row in values)
    kernel = np.array([[1, -2], [0, 3]])
    page = tmp_path / "x.html"
    options = ("--stride", "2x1", "--padding", "1,2x2,1", "--border", "reflect", "--dilation", "1x2", "--flip")
    slide(text, "-k", "1 -2; 0 3", *options, "-o", page)
    how = {"stride": (2, 1), "pads": ((1, 2), (2, 1)), "border": "reflect", "dilation": (1, 2), "flip": True}
    assert_array_equal(values_of(page), naive.plane(values, kernel, **how).ravel())
    slide(text, "-k", "1 -2; 0 3", "--transposed", "--stride", "2", "-o", page)
    expected = naive.conv_transpose2d(values[None, None], kernel[None, None], [0.0], (2, 2), ((0, 0), (0, 0)), (0, 0), (1, 1))
    assert_array_equal(values_of(page), expected.ravel())
    slide(text, "--pool", "max:2", "-o", page)
    assert_array_equal(values_of(page), values[:4].reshape(2, 2, 3, 2).max(axis=(1, 3)).ravel())
    slide(text, "--pool", "avg:2x3", "--stride", "1", "-o", page)
    means = [values[y : y + 2, x : x + 3].mean() for y in range(4) for x in range(4)]
    assert values_of(page) == pytest.approx(means, rel=1e-5)
    assert captions_of(page)[0].startswith("position 0 of 0 to 15, row 0, column 0 of the map: sum ")


def test_the_sum_of_fractions_has_their_common_factor(slide, tmp_path):
    """The sum of integers is theirs times 1/9; an offset is added to what that is."""
    page = tmp_path / "x.html"
    slide("20 18 20; 9 18 9; 7 7 7", "-k", "1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9", "--padding", "valid", "-o", page)
    assert captions_of(page)[0].endswith("of the map: sum of the products = 1/9 x 115 = 12.7778")
    slide("3 6", "-k", "1 2:divisor=3,offset=4", "--padding", "valid", "-o", page)
    assert captions_of(page)[0].endswith("sum of the products; = 1/3 x 15 = 5; and the offset 4 = 9".replace("; =", " =", 1))


def test_a_photo_is_cropped_and_shown_in_grey_or_in_three_windows(slide, samples, tmp_path):
    """The sums are those of the oracle on that part."""
    page = tmp_path / "x.html"
    with PIL.Image.open(samples / "astronaut.png") as picture:
        part = np.asarray(picture.convert("RGB"))[100:106, 200:207].astype(float)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    result = slide(samples / "astronaut.png", "--crop", "200,100,7x6", "-k", "sobel-x", "-o", page)
    assert "is shown in grey, in whole levels" in result.err
    pads = {"pads": ((1, 1), (1, 1)), "border": "reflect"}
    assert_array_equal(values_of(page), naive.plane(np.rint(part @ [0.299, 0.587, 0.114]), sobel, **pads).ravel())
    slide(samples / "astronaut.png", "--crop", "200,100,7x6", "-k", "sobel-x", "--channels", "sum", "-o", page)
    assert_array_equal(values_of(page), naive.plane(part.sum(axis=2), sobel, **pads).ravel())
    assert re.search(r"map: red -?\d+; green -?\d+; blue -?\d+; sum of the channels = ", captions_of(page)[0])


def test_a_picture_is_the_frame_in_the_middle_or_a_figure(slide, tmp_path):
    """Several frames are side by side."""
    slide(GRID, "-k", KERNEL, "--padding", "valid", "-o", "middle.png")
    slide(GRID, "-k", KERNEL, "--padding", "valid", "-o", "four.png", "--frames", "4")
    slide(GRID, "-k", KERNEL, "--padding", "valid", "-o", "two.png", "--frames", "4:6")
    (middle,), _ = frames_of("middle.png")
    assert (tmp_path / "middle.png").stat().st_size == (tmp_path / "four.png").stat().st_size
    (two,), _ = frames_of("two.png")
    assert middle.shape[0] * middle.shape[1] * 2 == two.shape[0] * two.shape[1]
    assert_array_equal(two[: middle.shape[0], : middle.shape[1]], middle)
    assert find_provenance((tmp_path / "two.png").read_bytes().decode("latin-1"))


def test_files_are_the_same_each_time_and_other_options_have_another_provenance(slide, tmp_path):
    """To the byte."""
    found = []
    for name, more in [("a.gif", ()), ("b.gif", ()), ("c.gif", ("--fps", "3"))]:
        slide(GRID, "-k", KERNEL, "-o", name, *more)
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]
    first, other = (find_provenance(data.decode("latin-1")) for data in found[::2])
    assert (first.source == other.source, first.asked == other.asked) == (True, False)


def test_pictures_come_from_pipes_and_go_to_pipes(shell, samples):
    """With --format; messages go to standard error."""
    data = (samples / "camera.png").read_bytes()
    result = shell("slide", "-", "--crop", "9,9,4x4", "-k", "blur", "-o", "-", "--format", "gif", input=data)
    assert (result.returncode, result.stderr.count(b"\n")) == (0, 1), result.stderr
    frames, _ = frames_of(io.BytesIO(result.stdout))
    assert len(frames) == 16


def test_alpha_and_further_frames_are_told(slide, tmp_path):
    """The first frame is shown, as if it were opaque."""
    frames = [PIL.Image.new("L", (3, 2), level) for level in (10, 20)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    result = slide("film.gif", "-k", "1", "-o", "x.html")
    assert "film.gif: has 2 frames; the first is used" in result.err
    assert values_of(tmp_path / "x.html") == [10] * 6
    PIL.Image.new("LA", (3, 2), (10, 99)).save(tmp_path / "clear.png")
    assert "clear.png: alpha is not shown" in slide("clear.png", "-k", "1", "-o", "x.html").err
    assert values_of(tmp_path / "x.html") == [10] * 6


def test_of_a_stack_the_first_frame_is_shown(slide, run, tmp_path):
    """With --axes zyx, and a notice; without, the error names that option, whatever the kernel and the channels."""
    stack = np.arange(5 * 9 * 30, dtype=np.uint8).reshape(5, 9, 30)
    np.save(tmp_path / "stack.npy", stack)
    assert "stack.npy: has 5 frames; the first is used" in slide("stack.npy", "--axes", "zyx", "-k", "1", "-o", "x.html").err
    assert values_of(tmp_path / "x.html") == stack[0].ravel().tolist()
    for more in ((), ("--channels", "sum")):
        result = run("slide", "stack.npy", "-k", "1", "-o", "y.html", *more)
        assert (result.status, len(result.lines)) == (1, 1)
        assert "at most 4 channels, and the picture has 30; --axes zyx reads an array as frames" in result.err


def test_convcli_reads_its_own_gif(slide, run, tmp_path):
    """Pixels that do not change are transparent in the file, and not in the frames."""
    slide(GRID, "-k", KERNEL, "-o", "x.gif")
    assert run("apply", "x.gif", "-k", "1", "-o", "copy.apng").status == 0
    with PIL.Image.open(tmp_path / "copy.apng") as picture:
        assert picture.mode == "RGB"
    for ours, expected in zip(frames_of("copy.apng")[0], frames_of("x.gif")[0], strict=True):
        assert_array_equal(ours, expected)


def test_text_grids_may_begin_with_a_negative_number(slide, tmp_path):
    """As matrices of -k; a file of that name goes first."""
    slide("-1 2; 3 -4", "-k", "1", "-o", "x.html")
    assert values_of(tmp_path / "x.html") == [-1, 2, 3, -4]
    PIL.Image.new("L", (1, 1), 7).save(tmp_path / "5", "PNG")
    slide("5", "-k", "1", "-o", "x.html")
    assert values_of(tmp_path / "x.html") == [7]
    slide("6", "-k", "1", "-o", "x.html")
    assert values_of(tmp_path / "x.html") == [6]


def test_pooling_and_transposed_convolutions_have_the_defaults_of_layers(slide, tmp_path, monkeypatch):
    """Not those of apply, from the environment or from a config file."""
    monkeypatch.setenv("CONVCLI_STRIDE", "3")
    (tmp_path / "kernels.toml").write_text("[defaults]\npadding = 'full'\n")
    assert "map 2 x 2" in slide(GRID, "-k", KERNEL, "-o", "x.png").err
    assert "map 2 x 2" in slide(GRID, "--pool", "max:2", "-o", "x.png").err
    assert "map 5 x 5" in slide(GRID, "-k", KERNEL, "--transposed", "-o", "x.png").err


def test_numbers_of_any_kind_are_drawn(slide, tmp_path):
    """NaN and infinities, large and small."""
    np.save(tmp_path / "x.npy", np.array([[np.nan, 1e30, -np.inf, 0], [1e-9, 65535, 0.1, -7]]))
    for suffix in ("gif", "html"):
        slide("x.npy", "-k", "1 -1", "-o", f"x.{suffix}")
    assert len(frames_of(tmp_path / "x.gif")[0]) == 8
    np.save(tmp_path / "nan.npy", np.full((2, 2), np.nan))
    assert "nothing finite" in slide("nan.npy", "-k", "1 -1", "-o", "x.gif").err
    np.save(tmp_path / "large.npy", np.full((2, 2), 1e308))  # the sums overflow, which is no warning
    assert "nothing finite" in slide("large.npy", "-k", "9 9", "-o", "x.gif").err
    assert "nothing finite" in slide("large.npy", "--pool", "avg:2", "-o", "x.gif").err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("camera.png", "-k", "blur", "-o", "x.gif"), 1, "is 512 x 512, and a slide shows at most 32 x 32; .*--crop.*--resize"),
        (("camera.png", "--crop", "500,0,20x1", "-k", "blur", "-o", "x.gif"), 1, "reaches outside of the picture"),
        (("camera.png", "--crop", "5,0,0x1", "-k", "blur", "-o", "x.gif"), 2, "crop must be X,Y,WxH"),
        (("1 2; 3 4", "--resize", "4", "-k", "blur", "-o", "x.gif"), 1, "--resize reduces, and 4 x 4 is larger than 2 x 2"),
        (
            ("camera.png", "--crop", "5,0,8x9", "--resize", "8x10", "-k", "blur", "-o", "x.gif"),
            1,
            "8 x 10 is larger than 8 x 9",
        ),
        (("camera.png", "--resize", "33", "-k", "blur", "-o", "x.gif"), 2, "resize must be N, .* from 1 to 32"),
        (("none.png", "-k", "blur", "-o", "x.gif"), 1, "none.png: no such file"),
        (("1 2; 3", "-k", "blur", "-o", "x.gif"), 2, "row 2 has 1 numbers"),
        (("1 2", "-k", "average:size=5", "--padding", "valid", "-o", "x.gif"), 1, "does not fit an image of 1 x 2"),
        (("1 2", "-k", "blur", "--padding", "20", "-o", "x.gif"), 1, "positions, .* at most 1024"),
        (("1 2", "-k", "sobel", "-o", "x.gif"), 2, "bank 'sobel' has 2; give one of them, such as -k sobel-x"),
        (("1 2", "-k", "blur", "-k", "blur", "-o", "x.gif"), 2, "a slide shows one kernel; .* got 2 -k"),
        (("1 2", "-o", "x.gif"), 2, "a slide shows one kernel; .* got 0 -k"),
        (("1 2", "-k", "blur", "--pool", "max:1", "-o", "x.gif"), 2, "without a kernel; leave out -k"),
        (("1 2", "--pool", "maxx:1", "-o", "x.gif"), 2, "pool must be max:N or avg:N.*did you mean 'max'"),
        (("1 2", "--pool", "max", "-o", "x.gif"), 2, r"such as max:2, got 'max'$"),
        (("1 2", "--pool", "avg", "-o", "x.gif"), 2, r"such as avg:2, got 'avg'$"),
        (("1 2", "--pool", "max:9", "-o", "x.gif"), 1, "a window that covers 9 x 9 does not .* or a smaller window"),
        (("", "-k", "blur", "-o", "x.gif"), 2, "an input has an empty name"),
        (("1 nan; inf 2", "-k", "blur", "-o", "x.gif"), 2, "must be finite, got '1 nan; inf 2'"),
        (("Inf,2", "-k", "blur", "-o", "x.gif"), 2, "must be finite"),
        (("nan", "-k", "blur", "-o", "x.gif"), 1, "nan: no such file"),
        (("1 2", "--pool", "avg:1", "--dilation", "2", "-o", "x.gif"), 1, "--dilation does not apply to --pool avg"),
        (("1 2", "--pool", "max:1", "--flip", "-o", "x.gif"), 2, "--flip does not apply"),
        (("1 2", "-k", "blur", "--transposed", "--border", "edge", "-o", "x.gif"), 2, "--border does not apply"),
        (("1 2", "-k", "blur", "--fps", "nan", "-o", "x.gif"), 2, "fps must be a number"),
        (("1 2", "-k", "blur", "--fps", "51", "-o", "x.gif"), 2, "from 0.1 to 50, got '51'"),
        (("1 2", "-k", "blur", "--frames", "9", "-o", "x.gif"), 2, "the slide has 2 frames, 0 to 1; --frames 9 selects none"),
        (("1 2", "-k", "blur", "--frames", "first:0", "-o", "x.gif"), 2, "frames must be all, first, last, first:N"),
        (
            ("camera.png", "--resize", "32", "-k", "blur", "--cell", "200", "-o", "x.gif"),
            2,
            "more than 16000000 pixels; .*--cell",
        ),
        (("1 2", "-k", "blur", "-o", "x.jpg"), 2, "output 'x.jpg': a slide is written as .gif, .webp"),
        (("1 2", "-k", "blur", "-o", "-"), 2, "needs --format"),
        (("1 2", "-k", "blur", "-o", "-", "--format", "gif", "--json"), 2, "both write to standard output"),
        (("1 2", "-k", "blur", "-o", "camera.png/x.gif"), 1, "cannot be written"),
        (("camera.png", "--resize", "4", "-k", "blur", "-o", "camera.png"), 2, "the output is an input; give another name"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(run, samples, tmp_path, monkeypatch, arguments, status, message):
    """Thing, rule, value, remedy; nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "camera.png").write_bytes((samples / "camera.png").read_bytes())
    result = run("slide", *arguments)
    assert (result.status, len(result.lines)) == (status, 1), result.err
    assert re.search(message, result.err), result.err
    assert [path.name for path in tmp_path.iterdir()] == ["camera.png"]
    assert (tmp_path / "camera.png").read_bytes() == (samples / "camera.png").read_bytes()


def test_the_largest_value_of_a_pooling_window_is_outlined(slide):
    """Of equal values the first; in the input and in the window below."""
    slide("1 5 2; 5 4 9", "--pool", "max:2", "--stride", "1", "--cell", "40", "-o", "x.png", "--frames", "0")
    (frame,), _ = frames_of("x.png")
    marked = (frame == OUTLINE).all(axis=2)
    top, left = (found.min() + 1 for found in np.nonzero(marked))  # of the input, at whose start the window is
    assert marked[top + 40, left + 60]  # below 5
    assert marked[top + 20, left + 40]  # left of it
    assert not marked[top + 40, left + 20]  # below 1
    assert not marked[top + 60, left + 40]  # left of 4


def test_the_kernel_that_an_error_names_can_be_given(slide, run, tmp_path):
    """Of a bank, and of a file of several kernels, which have an index."""
    np.save(tmp_path / "w.npy", np.array([[[[1, 2]]], [[[3, 4]]]]))
    for bank in ("compass", "@w.npy", "@w.npy:layout=oihw"):
        error = run("slide", "1 2", "-k", bank, "-o", "x.html").err
        kernel = shlex.split(re.search("such as (-k .*)", error)[1])[1]
        assert kernel != bank
        slide("1 2", "-k", kernel, "-o", "x.html")


def test_a_terminal_shows_progress(tmp_path):
    """On standard error, while frames are drawn; it is gone at the end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "convcli", "slide", GRID, "-k", "blur", "-o", tmp_path / "x.gif"]
    shown = b""
    with subprocess.Popen(command, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"}) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"/16" in shown
    assert b"16 frames" in shown


def test_small_numbers_are_not_rounded_to_nothing(slide, tmp_path):
    """The common factor of a kernel does not make 0 of products; their error of rounding is still taken away."""
    page = tmp_path / "x.html"
    slide("1e-10 2e-10 3e-10", "-k", "1/9 1/9 1/9", "--padding", "valid", "-o", page)
    assert "= 1/9 x 6e-10" in captions_of(page)[0]
    slide("1 2 3", "-k", "1/9 1/9 1/9", "--padding", "valid", "-o", page)
    assert "= 1/9 x 6 =" in captions_of(page)[0]


def test_infinite_inputs_are_no_warning(slide, tmp_path):
    """Sums of infinities are NaN, and the line says how many values are not finite."""
    np.save(tmp_path / "inf.npy", np.array([[np.inf, 1], [-np.inf, 2]]))
    result = slide(tmp_path / "inf.npy", "-k", "sobel-x", "-o", tmp_path / "x.png")
    assert len(result.lines) == 1
    assert result.err.rstrip().endswith("2 not finite")


def test_the_figure_of_an_even_map_is_in_its_middle(slide, tmp_path):
    """Not at its left end."""
    facts = json.loads(slide("1 2 3 4; 5 6 7 8; 1 2 3 4; 5 6 7 8", "-k", "1", "-o", tmp_path / "x.png", "--json").out)
    assert facts["frames"] == [10]


def test_the_map_of_a_kernel_with_weights_below_0_is_signed(slide, tmp_path):
    """Whatever its values are, so that two slides of one kernel have the same colours."""
    facts = json.loads(slide("1 2 5", "-k", "-1 0 1", "--padding", "valid", "-o", tmp_path / "x.png", "--json").out)
    assert facts["parts"][1]["scale"] == {"low": -4, "high": 4, "signed": True}
    assert facts["parts"][0]["scale"] == {"low": 1, "high": 5, "signed": False}
