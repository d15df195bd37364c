"""What outputs keep of their inputs, and what they hold: --strip, --keep-times, limits of formats, notices of a batch."""

import PIL.Image
import pytest

from convcli.pipeline import store_map


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


def with_xmp(path):
    """Write a picture with XMP, which BMP does not hold."""
    PIL.Image.new("L", (6, 5)).save(path, xmp=b"<x/>")


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
    assert [line.startswith(f"Error: {tmp_path}/{name}: is not a picture") for line, name in zip(lines, ("a.png", "b.png"))] == [
        True
    ] * 2
