"""What outputs keep of their inputs, and what they hold: --strip, --keep-times, limits of formats, notices of a batch."""

import PIL.Image
import pytest

from convcli.pipeline import process_image


@pytest.mark.parametrize("plan", [False, True])
def test_a_map_that_is_too_large_is_refused_before_it_is_computed(run, tmp_path, monkeypatch, plan):
    """In a dry run too; a stride that makes the map small enough is no error."""
    PIL.Image.new("L", (16_384, 2)).save(tmp_path / "long.png")
    arguments = ["apply", tmp_path / "long.png", "-k", "blur", "-o", tmp_path / "long.webp", *(["-n"] if plan else [])]
    monkeypatch.setattr(process_image, "encode", lambda *_: pytest.fail("the map is computed"))
    result = run(*arguments)
    message = "webp holds at most 16383 pixels a side, got 16384 x 2; write .png or .tif"
    assert (result.status, result.lines) == (1, [f"Error: {tmp_path}/long.png: {message}"])
    assert not (tmp_path / "long.webp").exists()
    monkeypatch.undo()
    assert run(*arguments, "--stride", 2).status == 0
