"""convcli run of networks that end in a number for each class: what they print."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

DIGITS = [Path(__file__).parents[2] / "samples" / "digits" / f"{number}.jpg" for number in range(10)]


@pytest.mark.parametrize("network", ["lenet-5", "lenet-5-modern"])
def test_the_built_in_networks_read_digits(run, network):
    """Dark ink on light paper, of any size and anywhere; each is the digit of its name, with nearly the whole share."""
    result = run("run", network, *DIGITS, "--json", "--top", "2")
    assert (result.status, result.err) == (0, "")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [line["input"] for line in found] == [str(path) for path in DIGITS]
    assert [line["classes"][0]["label"] for line in found] == [*"0123456789"]
    assert all(len(line["classes"]) == 2 and line["classes"][0]["score"] > 0.5 for line in found)


def test_one_picture_is_a_line_several_are_a_table(run, tmp_path, monkeypatch):
    """Columns are as wide as the widest name; a picture that cannot be read is an error, and the exit status is 1."""
    monkeypatch.chdir(tmp_path)
    names = ["a.jpg", "a-longer-name.jpg"]
    for name, digit in zip(names, (DIGITS[3], DIGITS[8]), strict=True):
        Path(name).write_bytes(digit.read_bytes())
    assert run("run", "lenet-5-modern", "a.jpg").out.startswith("a.jpg: 3 (1.00), ")
    result = run("run", "lenet-5-modern", *names, "none.jpg", "--top", "1")
    assert result.out.splitlines() == ["a.jpg:             3 (1.00)", "a-longer-name.jpg: 8 (1.00)"]
    assert (result.status, result.err) == (1, "Error: none.jpg: no such file\n")


def test_a_dry_run_tells_how_a_picture_would_enter(run, tmp_path):
    """As a digit, or resized and in grey; nothing is computed."""
    ink = np.full((60, 40), 240, np.uint8)
    ink[10:50, 18:24] = 20
    PIL.Image.fromarray(ink).save(tmp_path / "one.png")
    result = run("run", "lenet-5", tmp_path / "one.png", "-n")
    assert result.out == f"{tmp_path}/one.png: dark ink on light paper, 6 x 40 at 18,10, brought to 20 x 20 in 28 x 28\n"
    assert run("run", "lenet-5", tmp_path / "one.png", "-n", "--invert", "no").out.startswith(
        f"{tmp_path}/one.png: light ink on"
    )
    (tmp_path / "k.toml").write_text("""
[networks.flat]
input = { channels = 1, size = 4 }
layers = [{ op = "flatten" }]
""")
    PIL.Image.new("RGB", (7, 5)).save(tmp_path / "colour.png")
    asked = ("run", "flat", tmp_path / "colour.png", "--config", tmp_path / "k.toml", "-n", "--resize", "--json")
    assert json.loads(run(*asked).out) == {"input": f"{tmp_path}/colour.png", "entered": "7 x 5, resized to 4 x 4, in grey"}


def test_view_shows_what_a_network_gets_of_a_picture(run, tmp_path):
    """Beside the picture, in the form of MNIST; without ink there is none, which is an error."""
    PIL.Image.new("L", (50, 50), 200).save(tmp_path / "blank.png")
    shown = run("view", DIGITS[7], "--prepare", "digit", "--json")
    assert shown.status == 0
    tiles = json.loads(shown.out)["tiles"]
    assert [(tile["name"], tile["shape"][:2]) for tile in tiles] == [("7.jpg", [163, 224]), ("7.jpg prepared", [28, 28])]
    blank = run("view", tmp_path / "blank.png", "--prepare", "digit", "-o", tmp_path / "sheet.png")
    assert (blank.status, (tmp_path / "sheet.png").exists()) == (1, True)
    assert "Error: blank.png prepared: holds no digit: all of it is paper" in blank.lines
    refused = run("view", DIGITS[7], "--invert", "no", "-o", tmp_path / "x.png")
    assert (refused.status, len(refused.lines)) == (2, 1)
    assert "--invert does not apply: it says how digits are prepared; give --prepare digit" in refused.err


@pytest.mark.parametrize(("ink", "name"), [(0, "black"), (255, "white")])
def test_ink_on_nothing_is_read(run, tmp_path, ink, name):
    """A drawing with a transparent background, as programs export it."""
    with PIL.Image.open(DIGITS[3]) as photo:
        alpha = np.where(np.asarray(photo.convert("L")) < 128, 255, 0).astype(np.uint8)
    PIL.Image.fromarray(np.dstack([np.full_like(alpha, ink)] * 3 + [alpha])).save(tmp_path / f"{name}.png")
    assert run("run", "lenet-5", tmp_path / f"{name}.png").out.startswith(f"{tmp_path}/{name}.png: 3 (")
