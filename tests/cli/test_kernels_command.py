"""convcli kernels list and show, and shell completion."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage


def test_kernels_list_is_a_table_and_json(run):
    """In a pipe, one line per kernel; JSON contains the same kernels."""
    table, rows = run("kernels", "list"), json.loads(run("kernels", "list", "--json").out)
    assert len(table.out.splitlines()) == len(rows) + 1
    assert {row["name"] for row in rows} == {line.split()[0] for line in table.out.splitlines()[1:]}
    gaussian = next(row for row in rows if row["name"] == "gaussian")
    assert gaussian["size"] == [9, 9]
    assert gaussian["sum"] == pytest.approx(1)
    assert gaussian["parameters"] == {"sigma": 1, "truncate": 4}
    assert next(row for row in rows if row["name"] == "sobel")["members"] == ["sobel-x", "sobel-y"]


def test_kernels_show_prints_the_weights(run):
    """The weights, the sums, and whether the kernel is separable."""
    text = run("kernels", "show", "sharpen").out
    assert [line.split() for line in text.splitlines()[3:6]] == [["0", "-1", "0"], ["-1", "5", "-1"], ["0", "-1", "0"]]
    assert "sum 1, absolute sum 9, not separable (rank 2)" in text
    assert "separable" in run("kernels", "show", "sobel-x").out
    assert "merged by l2" in run("kernels", "show", "sobel").out
    shown = json.loads(run("kernels", "show", "sobel-x@90", "--json").out)
    assert shown["kernels"][0]["matrix"] == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    assert shown["kernels"][0]["absolute_sum"] == 8
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [None, 60, 80, 200])
@pytest.mark.parametrize("kernel", ["gaussian:sigma=2", "gaussian:sigma=10", "gabor", "log", "farid-x", "motion:length=301",
                                    "frei-chen-basis", "1 2 3;-1/3 1e-9 7", "average:size=9x300"])  # fmt: skip
def test_no_line_of_a_kernel_is_wider_than_the_terminal(run, monkeypatch, width, kernel):
    """80 columns in a pipe, unless COLUMNS is set; every number that is shown is that of --json, in its place."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    text = run("kernels", "show", kernel).out
    assert max(map(len, text.splitlines())) <= (width or 80)
    shown = json.loads(run("kernels", "show", kernel, "--json").out)["kernels"]
    if len(shown) > 1:
        return
    rows = [line.split() for line in text.splitlines() if re.fullmatch(r"[-+.e0-9 ]+", line)]
    where = re.search(
        r"rows (\d+)\.\.(\d+), columns (\d+)\.\.(\d+) of (\d+) x (\d+), to (\d) digits;\s--full\sprints\sall", text
    )
    matrix = np.array(shown[0]["matrix"])
    top, bottom, left, right = map(int, where.groups()[:4]) if where else (0, len(matrix) - 1, 0, len(matrix[0]) - 1)
    part = matrix[top : bottom + 1, left : right + 1]
    assert np.array(rows, float).shape == part.shape
    np.testing.assert_allclose(np.array(rows, float), part, rtol=0.5 * 10 ** (1.0 - int(where[7] if where else 6)), atol=1e-12)
    if where and right - left + 1 < len(matrix[0]):  # the middle, or a weight next to it
        assert abs(left + right - len(matrix[0]) + 1) <= 1
        assert right - left + 1 >= 4


def test_a_wide_kernel_is_shown_in_full(run, monkeypatch):
    """With --full, all weights with six digits, in lines of any width."""
    monkeypatch.setenv("COLUMNS", "60")
    text = run("kernels", "show", "gaussian:sigma=2", "--full").out
    rows = [[float(word) for word in line.split()] for line in text.splitlines() if re.fullmatch(r"[-+.e0-9 ]+", line)]
    expected = scipy.ndimage.gaussian_filter(np.pad([[1.0]], 8), 2, truncate=4)
    np.testing.assert_allclose(rows, expected, rtol=5e-6, atol=1e-12)
    assert "--full" not in text


def test_a_description_is_whole_in_show_and_cut_in_list(run, monkeypatch):
    """In a pipe, list has one line of at most 80 columns per kernel, cut between words; show has it all."""
    for width in ("60", "80", "120"):
        monkeypatch.setenv("COLUMNS", width)
        lines = run("kernels", "list").out.splitlines()
        assert max(map(len, lines)) <= int(width)
        assert len(lines) == 1 + len(json.loads(run("kernels", "list", "--json").out))
        assert any(re.search(r"^gaussian +9x9 +1  sigma=1, truncate=4(\.\.\.|: Gaussian)", line) for line in lines)
    monkeypatch.delenv("COLUMNS")
    (cut,) = [line for line in run("kernels", "list").out.splitlines() if line.startswith("gabor ")]
    assert cut == "gabor            41x21   0.1305  theta=0, wavelength=6, sigma=0, gamma=0.5..."
    shown = " ".join(run("kernels", "show", "gabor:theta=45").out.split())
    assert "waves of one length and direction, as cells of the visual cortex prefer source: Daugman" in shown
    assert "parameters: theta=45, wavelength=6, sigma=0, gamma=0.5, psi=0, size=0" in shown
    monkeypatch.setenv("COLUMNS", "200")
    assert run("kernels", "list").out.splitlines()[0].split() == ["name", "size", "sum", "parameters", "description"]


@pytest.mark.parametrize("columns", [60, 80])
def test_a_table_on_a_terminal_is_complete(columns):
    """No word is cut: cells take several lines instead."""
    text = on_terminal(columns, "kernels", "list", "--tag", "smooth")
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    assert "sigma=1, truncate=4: Gaussian blur, sigma in pixels" in " ".join(text.split())
    summary = on_terminal(columns, "summary", "alexnet")
    assert max(map(len, summary.splitlines())) <= columns
    assert "…" not in summary
    assert "Deep Convolutional Neural Networks (NIPS 2012)" in " ".join(summary.split())


@pytest.mark.parametrize(("color", "count"), [("1", 15), ("", 0)])
def test_a_wide_kernel_on_a_terminal(color, count):
    """With colours, every weight is two columns on its colour; without, the numbers in the middle are printed."""
    text = on_terminal(
        60, "kernels", "show", "binomial:size=15", TERM="xterm-256color" if color else "xterm", NO_COLOR="" if color else "1"
    )
    lines = [line for line in text.splitlines() if line == " " * 30]
    assert len(lines) == count
    assert ("of 15 x 15" in text) == (not color)


def on_terminal(columns, *arguments, **env):
    """What a command prints on a terminal of this width, without control sequences."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm", **{name: value for name, value in env.items() if value}}
    command = [sys.executable, "-m", "convcli", *arguments]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment) as process:
        os.close(follower)
        output = b""
        with contextlib.suppress(OSError):  # the error of a terminal whose last process has ended
            while data := os.read(leader, 1 << 16):
                output += data
    os.close(leader)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.decode()).replace("\r", "")


@pytest.mark.parametrize(("tag", "end"), [("foo", "strength, texture"), ("edg", "texture; did you mean 'edge'?")])
def test_an_unknown_tag_is_refused(run, tag, end):
    """The error lists the tags, and prints no table."""
    result = run("kernels", "list", "--tag", tag)
    assert (result.status, result.out, len(result.lines)) == (2, "", 1)
    assert result.err.startswith(f"Error: tag '{tag}' is unknown; there are basis, compass, direction, edge, relief, ")
    assert result.err.rstrip().endswith(end)


def test_divisor_and_offset_after_a_kernel(run, samples, tmp_path):
    """The pixels of SciPy's correlation, divided and shifted; also of each kernel of a bank, turned, and written out."""
    source = np.asarray(PIL.Image.open(samples / "camera.png"), float)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    for text, matrix, divisor, offset in (
        ("sobel-x:divisor=8,offset=128", sobel, 8, 128),
        ("sobel-x:offset=100:divisor=4@90", np.rot90(sobel), 4, 100),
        ("-1 0 1; -2 0 2; -1 0 1:divisor=8:offset=128", sobel, 8, 128),
    ):
        assert run("apply", samples / "camera.png", "-k", text, "-o", tmp_path / "x.npy", "--overwrite").status == 0
        expected = scipy.ndimage.correlate(source, matrix, mode="mirror") / divisor + offset
        np.testing.assert_allclose(np.squeeze(np.load(tmp_path / "x.npy")), expected, atol=1e-4)
    assert run("apply", samples / "camera.png", "-k", "sobel:divisor=4", "-o", tmp_path / "l2.npy").status == 0
    both = [scipy.ndimage.correlate(source, matrix, mode="mirror") / 4 for matrix in (sobel, sobel.T)]
    np.testing.assert_allclose(np.squeeze(np.load(tmp_path / "l2.npy")), np.hypot(*both), atol=1e-3)
    shown = json.loads(run("kernels", "show", "frei-chen-basis:offset=5", "--json").out)["kernels"]
    assert [kernel["offset"] for kernel in shown] == [5] * 9
    assert "offset 128" in run("kernels", "show", "-1 0 1:divisor=2:offset=128").out


def test_kernels_show_draws_colours_on_a_terminal(shell):
    """Backgrounds by value, when FORCE_COLOR is set."""
    result = shell("kernels", "show", "sobel-x", env={"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"})
    assert b"\x1b[30;48;2" in result.stdout or b"48;2;255" in result.stdout


@pytest.mark.parametrize(("line", "name"), [("convcli apply -k sobel-", "sobel-x"), ("convcli kernels show gau", "gaussian"),
                                               ("convcli apply --border ci", "circular"), ("convcli ap", "apply"),
                                               ("convcli apply --range st", "stretch")])  # fmt: skip
def test_names_are_completed(shell, line, name):
    """Names of kernels, values of options, and commands."""
    arguments = line.split()
    env = {"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(arguments) - 1)}
    result = shell(env=env)
    assert f"plain,{name}".encode() in result.stdout


def test_names_are_completed_with_a_broken_config(shell, tmp_path):
    """A file with an error offers its names, an invalid TOML file none; other names are still offered."""
    (tmp_path / "a.toml").write_text("[kernels.sobel-mine]\nmatrix = [[1]]\n[kernels.b]\nfile = 'none.npy'\n")
    (tmp_path / "b.toml").write_text("[")
    line = f"convcli apply --config {tmp_path}/a.toml --config {tmp_path}/b.toml -k sobel-"
    result = shell(env={"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "7"})
    assert set(result.stdout.split()) >= {b"plain,sobel-mine", b"plain,sobel-x"}
    assert result.stderr == b""
