"""--frames and {frame} on the command line: which frames are written, where, and what is refused."""

import io
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
from numpy.testing import assert_array_equal

from convcli.pipeline import input_frames, output_conflicts

RNG = np.random.default_rng(8)
BLUR = np.ones((3, 3)) / 9


@pytest.fixture
def film(tmp_path):
    """An APNG of twelve frames of noise in grey, and the frames."""
    frames = RNG.integers(0, 256, (12, 9, 11)).astype(np.uint8)
    first, *others = map(PIL.Image.fromarray, frames)
    first.save(tmp_path / "film.png", save_all=True, append_images=others, duration=[30 + index for index in range(12)], loop=4)
    return tmp_path / "film.png", frames


def frames_of(path):
    """The frames of an animation, and their durations, by Pillow."""
    frames, durations = [], []
    with PIL.Image.open(path) as picture:
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            frames.append(np.asarray(picture.convert("L")))
            durations.append(picture.info.get("duration"))
    return np.stack(frames), durations


def blurred(frames):
    """What 3 x 3 averages store of each frame."""
    return np.stack([np.rint(scipy.ndimage.correlate(frame * 1.0, BLUR, mode="mirror")) for frame in frames]).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".apng", ".webp", ".gif"])
def test_each_frame_is_filtered_and_written(run, film, tmp_path, suffix):
    """All of them, as SciPy filters them, with their durations; GIF rounds these, with a notice."""
    path, frames = film
    lossless = ["--quality", "100"] if suffix == ".webp" else []
    result = run("apply", path, "-k", "average", "-o", tmp_path / f"out{suffix}", *lossless)
    assert result.status == 0
    written, durations = frames_of(tmp_path / f"out{suffix}")
    assert_array_equal(written, blurred(frames))
    rounds = suffix == ".gif"
    assert durations == [round((30 + index) / 10) * 10 if rounds else 30 + index for index in range(12)]
    assert ("film.png: durations rounded to hundredths of a second: gif holds no others" in result.err) == rounds
    assert ", 12 frames min " in result.err


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("all", range(12)),
        ("first", [0]),
        ("3", [3]),
        ("-1", [11]),
        ("2:9:3", [2, 5, 8]),
        ("::-4", [11, 7, 3]),
        ("10:99", [10, 11]),
    ],
)
def test_frames_are_selected(run, film, tmp_path, selection, expected):
    """As Python slices a list; names have numbers of one length."""
    path, frames = film
    assert run("apply", path, "-k", "average", "-o", tmp_path / "o.npy", "--frames", selection).status == 0
    array = np.load(tmp_path / "o.npy")
    assert array.shape == (len(expected), 9, 11)
    assert_array_equal(np.rint(array), blurred(frames)[list(expected)])
    assert run("apply", path, "-k", "1", "-o", tmp_path / "f" / "{stem}_{frame}.jpg", "--frames", selection).status == 0
    assert sorted(file.name for file in (tmp_path / "f").iterdir()) == sorted(f"film_{index:02d}.jpg" for index in expected)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (
            ["-o", "o.jpg"],
            1,
            "has 12 frames, and jpeg holds one; give --frames first, or write each to a file, with {frame} in",
        ),
        (["-o", "o.png", "--frames", "12"], 1, "has 12 frames, 0 to 11; --frames 12 selects none of them"),
        (["-o", "o.png", "--frames", "5:2"], 1, "has 12 frames, 0 to 11; --frames 5:2 selects none of them"),
        (["-o", "o.png", "--frames", "0:10:0"], 2, "frames must be all, first, a number such as 3, or A:B[:STEP]"),
        (["-o", "o.png", "--frames", "fisrt"], 2, "got 'fisrt'; did you mean 'first'?"),
        (
            ["-o", "o.png", "--max-memory", "1k"],
            1,
            "of memory with its maps, and 1 kB may be taken; raise that with --max-memory",
        ),
    ],
)
def test_wrong_frames_are_one_line(run, film, tmp_path, monkeypatch, options, status, message):
    """The file, the rule, the value and a remedy; nothing is written."""
    path, _ = film
    monkeypatch.chdir(tmp_path)
    result = run("apply", path, "-k", "blur", *options)
    assert (result.status, len(result.lines)) == (status, 1)
    assert message in result.lines[0]
    assert [file.name for file in tmp_path.iterdir()] == ["film.png"]


def test_a_file_of_one_frame_has_number_0(run, samples, tmp_path):
    """Pictures are files of one frame."""
    assert run("apply", samples / "horse.png", "-k", "1", "-o", tmp_path / "{stem}-{frame}.png").status == 0
    assert (tmp_path / "horse-0.png").exists()
    result = run("apply", samples / "horse.png", "-k", "1", "-o", tmp_path / "b.png", "--frames", "1")
    assert (result.status, "has one frame, 0; --frames 1 selects none of them" in result.err) == (1, True)


def test_names_of_frames_replace_nothing(run, film, tmp_path):
    """Neither files that exist, nor inputs, even with --overwrite."""
    path, _ = film
    PIL.Image.new("L", (4, 4)).save(tmp_path / "film_03.png")
    before = (tmp_path / "film_03.png").read_bytes()
    template = tmp_path / "{stem}_{frame}.png"
    result = run("apply", path, "-k", "1", "-o", template)
    assert result.status == 1
    assert f"{tmp_path}/film_03.png exists already; replace it with --overwrite" in result.err
    result = run("apply", path, tmp_path / "film_03.png", "-k", "1", "-o", template, "--overwrite")
    assert f"{tmp_path}/film_03.png: the output is an input" in result.err
    assert (tmp_path / "film_03.png").read_bytes() == before
    assert run("apply", path, "-k", "1", "-o", template, "--overwrite", "-q").status == 0
    assert (tmp_path / "film_03.png").read_bytes() != before


def save_gif(path, count):
    """A GIF of frames of noise."""
    first, *others = (PIL.Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)) for _ in range(count))
    first.save(path, save_all=True, append_images=others, duration=100)


@pytest.mark.parametrize("dry", [(), ("-n",)])
def test_two_frames_do_not_have_one_name(run, tmp_path, dry):
    """Frame 00 of a.gif, and frame 0 of a0.gif; the second file fails."""
    save_gif(tmp_path / "a.gif", 11)
    save_gif(tmp_path / "a0.gif", 5)
    inputs = tmp_path / "a.gif", tmp_path / "a0.gif"
    result = run("apply", *inputs, "-k", "1", "-o", tmp_path / "o" / "{stem}{frame}.png", "--overwrite", "-j1", "-q", *dry)
    assert (result.status, len(result.lines)) == (1, 1)
    assert f"o/a00.png, of {inputs[0]} and {inputs[1]}; separate the tokens of the template" in result.err
    if not dry:
        assert len(list((tmp_path / "o").iterdir())) == 11


@pytest.mark.parametrize("template", ["{stem}_{frame}.png", "{frame}{stem}.png", "{frame}/{stem}_{frame}.png"])
def test_frames_of_an_earlier_run_are_no_inputs(run, tmp_path, template):
    """Of a search of the folder that they are written to."""
    save_gif(tmp_path / "a0.gif", 11)
    arguments = ("apply", "-r", tmp_path, "-k", "1", "-o", tmp_path / template)
    assert run(*arguments).status == 0
    names = sorted(path.name for path in tmp_path.rglob("*.*"))
    assert len(names) == 12
    assert run(*arguments, "--overwrite").status == 0
    assert run(*arguments, "--skip-existing").err == "1 of 1 inputs skipped\n"
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == names


def test_inputs_are_looked_at_once(run, tmp_path, monkeypatch):
    """Not once per input, to see whether an output is one of them."""
    for name in "abcdefgh":
        save_gif(tmp_path / f"{name}.gif", 2)
    arguments = (
        "apply",
        *sorted(tmp_path.glob("*.gif")),
        "-k",
        "1",
        "-o",
        tmp_path / "o" / "{stem}_{frame}.png",
        "--overwrite",
    )
    looked, file_id = [], output_conflicts._file_id
    monkeypatch.setattr(output_conflicts, "_file_id", lambda path: looked.append(path) or file_id(path))
    assert run(*arguments).status == 0
    first = len(looked)
    assert run(*arguments).status == 0
    assert len(looked) - 2 * first < 16


@pytest.mark.parametrize("output", ["{stem}_{frame}.png", "o.webp", "o.gif", "o.npz"])
def test_frames_that_are_up_to_date_are_kept(run, film, tmp_path, output):
    """Whole animations, and the files of single frames; another selection is another output."""
    path, _ = film
    arguments = ("apply", path, "-k", "blur", "-o", tmp_path / "out" / output, "--skip-existing")
    assert run(*arguments).status == 0
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    assert "1 of 1 inputs skipped" in run(*arguments).err
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()} == times
    if output != "{stem}_{frame}.png":
        assert "skipped" not in run(*arguments, "--frames", "0:5").err
        return
    (tmp_path / "out" / "film_07.png").unlink()
    assert [line.split(": ")[0] for line in run(*arguments).lines] == [f"{tmp_path}/out/film_07.png"]


def test_animations_are_replaced_in_place(run, film, tmp_path):
    """With all that they hold; what would be lost is refused, and the file stays."""
    path, frames = film
    assert run("apply", path, "-k", "average", "--in-place").status == 0
    written, durations = frames_of(path)
    assert_array_equal(written, blurred(frames))
    assert durations == [30 + index for index in range(12)]
    before = path.read_bytes()
    result = run("apply", path, "-k", "average", "--in-place", "--frames", "0:5")
    assert (result.status, "would lose 7 of its frames in place" in result.err, path.read_bytes()) == (1, True, before)
    colours = [PIL.Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).quantize(200) for _ in range(3)]
    colours[0].save(tmp_path / "a.gif", save_all=True, append_images=colours[1:])
    before = (tmp_path / "a.gif").read_bytes()
    result = run("apply", tmp_path / "a.gif", "-k", "average", "--in-place")
    assert (result.status, "would lose its further colours in place" in result.err) == (1, True)
    assert (tmp_path / "a.gif").read_bytes() == before
    still = tmp_path / "still.png"
    colours[0].save(still, save_all=True, append_images=colours[1:], default_image=True)
    result = run("apply", still, "-k", "average", "--in-place")
    assert (result.status, "would lose its still picture, which is no frame, in place" in result.err) == (1, True)
    result = run("apply", still, "-k", "average", "-o", tmp_path / "film.png")
    assert (result.status, "its still picture, which is no frame, not kept" in result.err) == (0, True)


def test_an_animation_of_one_frame_beside_a_still_picture(run, tmp_path):
    """The still picture is used, with a notice, and the frame is not lost in place."""
    still, frame = (PIL.Image.fromarray(RNG.integers(0, 256, (7, 9), dtype=np.uint8)) for _ in range(2))
    path = tmp_path / "still.png"
    still.save(path, save_all=True, append_images=[frame], default_image=True)
    before = path.read_bytes()
    assert b"fdAT" in before
    result = run("apply", path, "-k", "1", "--in-place", "--strip")
    assert (result.status, "would lose its animation of one frame in place" in result.err) == (1, True)
    assert path.read_bytes() == before
    result = run("apply", path, "-k", "1", "-o", tmp_path / "o.png")
    assert result.lines[0] == f"{path}: has a still picture and an animation of one frame; the still picture is used"
    assert_array_equal(frames_of(tmp_path / "o.png")[0], np.asarray(still)[None])


@pytest.mark.parametrize("output", ["o.png", "o.npy", "o{frame}.png"])
def test_each_frame_is_read_once(run, film, tmp_path, monkeypatch, output):
    """For each output, in order."""
    read, reader = [], input_frames.InputFrames._read
    monkeypatch.setattr(input_frames.InputFrames, "_read", lambda frames, index: read.append(index) or reader(frames, index))
    assert run("apply", film[0], "-k", "average", "-o", tmp_path / output, "--explain").status == 0
    assert read == list(range(12))


def test_what_is_reported(run, film, tmp_path):
    """The number of frames, in lines of JSON and in dry runs, which write nothing."""
    path, _ = film
    output = tmp_path / "o.webp"
    planned = run("apply", path, "-k", "blur", "-o", output, "-n")
    assert planned.out == f"{path} (11 x 9 grey 8-bit, 12 frames) -> {output} (11 x 9, 12 frames) blur, clip\n"
    assert not output.exists()
    line = json.loads(run("apply", path, "-k", "blur", "-o", output, "--json").out.splitlines()[0])
    assert [(written["frames"], written["count"]) for written in line["outputs"]] == [(12, 12 * 99)]


def test_frames_through_pipes(film):
    """An animation from standard input to standard output."""
    path, frames = film
    command = [sys.executable, "-m", "convcli", "apply", "-", "-k", "average", "-o", "-", "--format", "png", "-q"]
    result = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True)
    assert_array_equal(frames_of(io.BytesIO(result.stdout))[0], blurred(frames))


def test_arrays_of_frames(run, tmp_path):
    """--axes names the frames, of one map and of several, in .npy and .npz."""
    stack = RNG.integers(0, 256, (6, 9, 11, 3)).astype(np.uint8)
    np.save(tmp_path / "s.npy", stack)
    one, two = ("-k", "average"), ("-k", "average", "-k", "sobel-x")
    shapes = {("o.npy", one): (6, 9, 11, 3), ("p.npy", two): (6, 2, 9, 11, 3)}
    for (name, kernels), shape in shapes.items():
        assert run("apply", tmp_path / "s.npy", "--axes", "ZYXC", *kernels, "-o", tmp_path / name).status == 0
        assert np.load(tmp_path / name).shape == shape
    assert run("apply", tmp_path / "s.npy", "--axes", "ZYXC", *two, "-o", tmp_path / "o.npz").status == 0
    with np.load(tmp_path / "o.npz") as archive:
        both = np.load(tmp_path / "p.npy")
        assert_array_equal(archive["average"], both[:, 0])
        assert_array_equal(archive["sobel-x"], both[:, 1])
    expected = [[scipy.ndimage.correlate(frame[:, :, c] * 1.0, BLUR, mode="mirror") for c in range(3)] for frame in stack]
    assert np.abs(np.load(tmp_path / "o.npy") - np.moveaxis(expected, 1, 3)).max() < 1e-4
    np.save(tmp_path / "t.npy", stack[..., 0])
    result = run("apply", tmp_path / "t.npy", "-k", "blur", "-o", tmp_path / "t2.npy")
    assert result.lines[0] == f"{tmp_path}/t.npy: is read as (H, W, C) with 11 channels; --axes ZYX reads it as frames"


def test_axes_of_files_that_are_no_arrays(run, tmp_path, rng):
    """A batch may hold both kinds: a notice, once for all frames of a file."""
    first, second = (PIL.Image.fromarray(rng.integers(0, 256, (7, 8, 3)).astype(np.uint8)) for _ in range(2))
    first.save(tmp_path / "a.png", save_all=True, append_images=[second])
    np.save(tmp_path / "b.npy", np.zeros((3, 7, 8)))
    names = [tmp_path / "a.png", tmp_path / "b.npy"]
    result = run("apply", *names, "--axes", "CYX", "-k", "1", "-o", tmp_path / "o" / "{stem}.tif", "-v", "-j1")
    assert result.status == 0
    assert [line for line in result.lines if "--axes" in line] == [
        f"{tmp_path}/a.png: is PNG; --axes is for .npy arrays and is not used"
    ]
    result = run("at", "1,1", tmp_path / "a.png", "-k", "1", "--axes", "CYX")
    assert "is PNG; --axes is for .npy arrays and is not used" in result.out + result.err


def test_stretch_has_the_limits_of_all_frames(run, tmp_path):
    """So that frames can be compared: the darkest of all is black, the brightest white."""
    np.save(tmp_path / "s.npy", np.stack([np.full((4, 5), level, np.uint8) for level in (20, 40, 120)]))
    assert (
        run("apply", tmp_path / "s.npy", "--axes", "ZYX", "-k", "1", "--range", "stretch", "-o", tmp_path / "o.png").status == 0
    )
    frames, _ = frames_of(tmp_path / "o.png")
    assert [int(frame.mean()) for frame in frames] == [0, 51, 255]


def test_at_explains_a_pixel_of_one_frame(run, film):
    """The first, with a notice, or that of --frames."""
    path, frames = film
    first = run("at", "3,2", path, "-k", "1", "--json")
    assert (json.loads(first.out)["levels"], first.lines) == (
        [int(frames[0, 2, 3])],
        [f"{path}: has 12 frames; the first is used"],
    )
    seventh = run("at", "3,2", path, "-k", "1", "--json", "--frames", "7")
    assert (json.loads(seventh.out)["levels"], seventh.err) == ([int(frames[7, 2, 3])], "")
    result = run("at", "3,2", path, "-k", "1", "--frames", "0:3")
    assert (result.status, "explains a pixel of one frame, and --frames selects 3; give a number" in result.err) == (1, True)


def test_versions_are_used_once(run, tmp_path):
    """Of an icon the largest, with a notice; all with --frames all, and where the names of outputs have the frame."""
    PIL.Image.fromarray(RNG.integers(0, 256, (32, 32, 4), dtype=np.uint8)).save(tmp_path / "a.ico", sizes=[(16, 16), (32, 32)])
    result = run("apply", tmp_path / "a.ico", "-k", "1", "-o", tmp_path / "o.png")
    assert result.lines[0] == f"{tmp_path}/a.ico: has 2 frames; the first is used"
    assert frames_of(tmp_path / "o.png")[0].shape == (1, 32, 32)
    for number, options in enumerate(((), ("--frames", "all"))):
        assert run("apply", tmp_path / "a.ico", "-k", "1", "-o", tmp_path / f"{number}_{{frame}}.png", *options).status == 0
        assert frames_of(tmp_path / f"{number}_1.png")[0].shape == (1, 16, 16)


def test_more_frames_than_people_expect_are_an_error(run, film, tmp_path, monkeypatch):
    """Of a film of 12, where the limit is 11; the limit is none with --frames."""
    monkeypatch.setattr(input_frames, "MAX_FRAMES", 11)
    path, _ = film
    result = run("apply", path, "-k", "1", "-o", tmp_path / "o.png")
    assert (result.status, result.lines[0]) == (
        1,
        f"Error: {path}: has 12 frames, and without --frames at most 11 are processed; give --frames all, or a part, "
        "--frames 0:11",
    )
    assert run("apply", path, "-k", "1", "-o", tmp_path / "o.png", "--frames", "all").status == 0
    assert run("apply", path, "-k", "1", "-o", tmp_path / "p.png", "--frames", "0:11").status == 0


def test_a_long_stack_is_not_held(tmp_path):
    """80 MB of frames are filtered in less memory than they take, beyond that of one frame."""
    stack = np.lib.format.open_memmap(tmp_path / "s.npy", "w+", np.uint8, (320, 500, 500))
    stack[::7] = 9
    del stack
    program = f"""
import resource
from convcli.cli.main import main
peaks = []
for frames in ("0:2", "all"):
    arguments = ["apply", "{tmp_path}/s.npy", "--axes", "ZYX", "-k", "blur", "-o", "{tmp_path}/o.npy", "-q", "-j1"]
    main([*arguments, "--frames", frames])
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print((peaks[1] - peaks[0]) * 1024)
"""
    grown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(grown.splitlines()[-1]) < 8_000_000
    assert np.load(tmp_path / "o.npy", mmap_mode="r").shape == (320, 500, 500)


def test_an_interrupt_leaves_nothing(tmp_path):
    """While the frames of a file are written."""
    np.save(tmp_path / "s.npy", np.zeros((400, 300, 300), np.uint8))
    arguments = [
        "apply",
        tmp_path / "s.npy",
        "--axes",
        "ZYX",
        "-k",
        "gaussian:sigma=9",
        "-o",
        tmp_path / "o.png",
        "--png-level",
        "9",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "convcli", *map(str, arguments)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(300):
        if any(tmp_path.glob(".convcli-*")) or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert (process.wait(20), sorted(file.name for file in tmp_path.iterdir())) == (130, ["s.npy"])


@pytest.mark.parametrize("comment", [b"", b"mine", b"long" * 200])
def test_a_gif_carries_its_provenance_after_its_comment(run, tmp_path, comment):
    """Without a sidecar, and --skip-existing finds it; a copy, and JPEG, have the comment alone."""
    PIL.Image.linear_gradient("L").resize((9, 7)).save(tmp_path / "a.gif", **({"comment": comment} if comment else {}))
    arguments = ["apply", tmp_path / "a.gif", "-k", "1", "-o", tmp_path / "b.gif"]
    assert run(*arguments).status == 0
    before = (tmp_path / "b.gif").read_bytes()
    result = run(*arguments, "--skip-existing", "--json")
    assert (result.status, (tmp_path / "b.gif").read_bytes()) == (0, before)
    assert '"skipped"' in result.out
    assert not (tmp_path / "b.gif.convcli").exists()
    with PIL.Image.open(tmp_path / "b.gif") as picture:
        assert re.fullmatch(re.escape(comment + b"; " * bool(comment)) + rb"convcli:1:\w{32}:\w{32}", picture.info["comment"])
    for name in ("c.gif", "c.jpg"):
        assert run("apply", tmp_path / "b.gif", "-k", "1", "--skip-existing", "-o", tmp_path / name).status == 0
    with PIL.Image.open(tmp_path / "c.jpg") as picture:
        assert picture.info.get("comment", b"") == comment
    with PIL.Image.open(tmp_path / "c.gif") as picture:
        assert picture.info["comment"].count(b"convcli:") == 1
    assert [path.name for path in tmp_path.glob("*.convcli")] == []
