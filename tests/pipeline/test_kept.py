"""What outputs keep of their inputs, and what they hold: --strip, --keep-times, limits of formats, notices of a batch."""

import io
import json
import os
import shutil
import subprocess
import time

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin
import pytest

from convcli.pipeline import store_map
from pictures import pixels


@pytest.mark.parametrize("plan", [False, True])
def test_a_map_that_is_too_large_is_refused_before_it_is_computed(run, tmp_path, monkeypatch, plan):
    """In a dry run too; a stride that makes the map small enough is no error."""
    PIL.Image.new("L", (16_384, 2)).save(tmp_path / "long.png")
    arguments = ["apply", tmp_path / "long.png", "-k", "blur", "-o", tmp_path / "long.webp", *(["-n"] if plan else [])]
    monkeypatch.setattr(store_map, "store_rows", lambda *_: pytest.fail("the map is computed"))
    result = run(*arguments)
    message = "webp holds at most 16383 pixels a side, got 16384 x 2; write .png or .tif"
    assert (result.status, result.lines) == (1, [f"Error: {tmp_path}/long.png: {message}"])
    assert not (tmp_path / "long.webp").exists()
    monkeypatch.undo()
    assert run(*arguments, "--stride", 2).status == 0


def test_a_notice_of_a_batch_is_printed_once(run, tmp_path):
    """With the number of its pictures, after the maps; a notice of one picture has its name, and each its own with -v."""
    for name in ("a.png", "b.png", "c.png"):
        info = PIL.PngImagePlugin.PngInfo()
        info.add_text("Title", "t")
        PIL.Image.new("L", (6, 5)).save(tmp_path / name, pnginfo=info)
    PIL.Image.new("CMYK", (6, 5)).save(tmp_path / "d.jpg")
    arguments = ["apply", tmp_path, "-k", "blur", "--format", "bmp", "--overwrite", "-o", f"{tmp_path}/out/"]
    result = run(*arguments, "--report", tmp_path / "report.jsonl")
    assert result.lines[-2:] == ["text not kept in this bmp (3 pictures)", f"{tmp_path}/d.jpg: is CMYK; converted to RGB"]
    assert len(result.lines) == 6
    notices = [json.loads(line).get("notices") for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert notices == [["text not kept in this bmp"]] * 3 + [["is CMYK; converted to RGB"], None]
    verbose = run(*arguments, "-v").lines
    assert [f"{tmp_path}/{name}: text not kept in this bmp" in verbose for name in ("a.png", "b.png", "c.png")] == [True] * 3
    assert not [line for line in verbose if "pictures)" in line]
    assert "not kept" not in run(*arguments, "-q").err
    assert run(*arguments[:1], tmp_path / "a.png", *arguments[2:]).lines[0] == f"{tmp_path}/a.png: text not kept in this bmp"


def test_errors_of_a_batch_stay_one_line_each(run, tmp_path):
    """They are not collected."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    lines = run("apply", tmp_path, "-k", "blur", "-o", f"{tmp_path}/out/").lines
    assert len(lines) == 3  # the last one counts
    for line, name in zip(lines, ("a.png", "b.png"), strict=False):
        assert line.startswith(f"Error: {tmp_path}/{name}: is not a picture")


SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def encoded(picture, form, **options):
    """Encode a picture."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def rich_picture(path):
    """Write a picture with EXIF, a colour profile, a resolution, a comment or text, and XMP."""
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x0112] = "a maker", 6
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Title", "a title")
    picture = PIL.Image.linear_gradient("L").resize((8, 6)).convert("RGB")
    options = {"comment": b"a word"} if path.suffix == ".jpg" else {"pnginfo": info} if path.suffix == ".png" else {}
    xmp = {} if path.suffix == ".tif" else {"xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"}
    picture.save(path, exif=exif, icc_profile=SRGB, dpi=(300, 300), **options, **xmp)


def tags_of(path):
    """The groups of tags that exiftool finds in a file, apart from those that describe the file and its coding."""
    done = subprocess.run(["exiftool", "-j", "-G1", path], capture_output=True, check=True)
    (tags,) = json.loads(done.stdout)
    groups = {name.partition(":")[0] for name in tags if ":" in name}
    return {
        group
        for group in groups
        if group not in ("ExifTool", "System", "File", "Composite", "PNG", "RIFF", "JFIF", "Meta", "QuickTime")
    }


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.avif"])
def test_strip_leaves_no_metadata(run, tmp_path, name):
    """exiftool and Pillow find none, there is no notice and no provenance, and the levels are those of the upright picture."""
    rich_picture(tmp_path / name)
    if shutil.which("exiftool") and name == "a.jpg":
        assert {"IFD0", "ICC_Profile"} <= tags_of(tmp_path / name)
    arguments = ["apply", tmp_path / name, "-k", "1", "-o"]
    result = run(*arguments, tmp_path / f"out{name[1:]}", "--strip")
    assert (result.status, len(result.lines)) == (0, 1)
    with PIL.Image.open(tmp_path / f"out{name[1:]}") as stripped:
        assert stripped.size == (6, 8)
        assert {"icc_profile", "exif", "xmp", "comment", "Title", "photoshop"} & set(stripped.info) == set()
        assert "dpi" not in stripped.info or name == "a.tif"  # Pillow makes up 1 there
    if shutil.which("exiftool"):
        assert tags_of(tmp_path / f"out{name[1:]}") <= ({"IFD0"} if name == "a.tif" else set())
    data = (tmp_path / f"out{name[1:]}").read_bytes()
    assert not any(text in data for text in (b"a maker", b"a word", b"a title", b"xmpmeta", b"convcli", SRGB[:64]))
    run(*arguments, tmp_path / "with.png", "-q")
    run(*arguments, tmp_path / "without.png", "-q", "--strip")
    np.testing.assert_array_equal(pixels(tmp_path / "with.png"), pixels(tmp_path / "without.png"))


@pytest.mark.parametrize("place", [["-o", "out.jpg"], ["--in-place"]])
def test_a_stripped_output_is_skipped_by_its_sidecar(run, tmp_path, monkeypatch, place):
    """With the option and without it are two requests."""
    monkeypatch.chdir(tmp_path)
    rich_picture(tmp_path / "a.jpg")
    out = tmp_path / ("a.jpg" if place == ["--in-place"] else "out.jpg")
    arguments = ["apply", "a.jpg", "-k", "blur", "--skip-existing", "-v", *place]
    assert run(*arguments, "--strip").status == 0
    assert (out.with_name(f"{out.name}.convcli").exists(), b"convcli" in out.read_bytes()) == (True, False)
    assert "up to date" in run(*arguments, "--strip").err
    before = out.read_bytes()
    assert run(*arguments).status == 0
    assert b"convcli:1:" in out.read_bytes() != before


def test_stacks_have_no_provenance_with_strip(run, tmp_path):
    """Neither a TIFF nor an archive; each gets a sidecar with --skip-existing."""
    rich_picture(tmp_path / "a.png")
    for name in ("a.tif", "a.npz"):
        arguments = ["apply", tmp_path / "a.png", "-k", "sobel-x", "-k", "sobel-y", "-o", tmp_path / name, "-v"]
        assert "not written" not in run(*arguments, "--strip", "--skip-existing").err
        assert b"convcli" not in (tmp_path / name).read_bytes()
        assert "up to date" in run(*arguments, "--strip", "--skip-existing").err


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (lambda frame: encoded(frame, "JPEG", xmp=b"<x/>"), ""),
        (lambda frame: encoded(frame, "PNG")[:-12] + b"\0\0\0\3prVtabc\xdf\x0f\x0b\x2e" + encoded(frame, "PNG")[-12:], ""),
        (lambda frame: encoded(frame, "JPEG") + b"a film", "6 bytes after its end"),
        (lambda frame: encoded(frame, "MPO", save_all=True, append_images=[frame]), "1 further frame"),
        (
            lambda frame: encoded(frame, "PNG", save_all=True, append_images=[frame.rotate(90), frame], default_image=True),
            "its still picture",
        ),
        (lambda frame: encoded(frame.convert("CMYK"), "JPEG"), "its CMYK colour"),
    ],
)
def test_strip_in_place_loses_metadata_only(run, tmp_path, make, loss):
    """Metadata is what is to be lost; other pictures, other bytes and colours are refused as without it."""
    frame = PIL.Image.linear_gradient("L").resize((8, 8)).convert("RGB")
    data = make(frame)
    path = tmp_path / ("a.png" if data.startswith(b"\x89PNG") else "a.jpg")
    path.write_bytes(data)
    assert run("apply", path, "-k", "blur", "--in-place").status == 1 or not loss
    path.write_bytes(data)
    result = run("apply", path, "-k", "blur", "--in-place", "--strip")
    assert (result.status, loss in result.err, path.read_bytes() == data) == (bool(loss), True, bool(loss))


def test_run_strips_and_keeps_times_too(run, samples, tmp_path):
    """The options of apply."""
    source = tmp_path / "rocket.jpg"
    shutil.copyfile(samples / "rocket.jpg", source)
    os.utime(source, ns=(10**18, 10**18 + 5 * 10**8))
    arguments = ["run", "edge-energy", source, "--tap", "edges", "-o", f"{tmp_path}/maps/", "-q"]
    assert run(*arguments, "--strip", "--keep-times").status == 0
    for path in (tmp_path / "maps").iterdir():
        assert path.stat().st_mtime_ns == 10**18 + 5 * 10**8
        assert b"convcli" not in path.read_bytes()


@pytest.mark.parametrize("name", ["out.png", "out.tif", "out.npy", "out.bmp"])
def test_outputs_keep_the_times_of_their_inputs(run, tmp_path, name):
    """To the nanosecond, though reading changes the access time; without the option, an output is new."""
    source, out = tmp_path / "a.png", tmp_path / name
    PIL.Image.linear_gradient("L").save(source)
    for times in ((1_000_000_000_123_456_789, 1_200_000_000_987_654_321), (-(10**9), 0)):
        os.utime(source, ns=times)
        assert run("apply", source, "-k", "blur", "-o", out, "--keep-times", "-q").status == 0
        assert (out.stat().st_atime_ns, out.stat().st_mtime_ns) == times
    assert run("apply", source, "-k", "blur", "-o", out, "-q").status == 0
    assert time.time() - out.stat().st_mtime < 60


def test_times_are_kept_in_place_and_by_each_picture(run, tmp_path):
    """A picture that is skipped keeps its own; standard input has none."""
    for index, name in enumerate(("a.png", "b.png")):
        PIL.Image.linear_gradient("L").save(tmp_path / name)
        os.utime(tmp_path / name, ns=(10**18 + index, 10**18 + 7 + index))
    for _ in range(2):
        assert run("apply", tmp_path, "-k", "blur", "--in-place", "--skip-existing", "--keep-times", "-q").status == 0
        times = [((tmp_path / name).stat().st_atime_ns, (tmp_path / name).stat().st_mtime_ns) for name in ("a.png", "b.png")]
        assert [modified for _, modified in times] == [10**18 + 7, 10**18 + 8]
