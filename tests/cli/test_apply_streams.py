"""convcli apply with terminals, pipes, full disks and unusual names."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest


def on_terminal(command, **env):
    """Run a command with a terminal of 100 columns as standard error. Return what it writes there, and the exit status."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(command, stderr=follower, stdout=subprocess.PIPE, env={**os.environ, **env})
    os.close(follower)
    data = b""
    with contextlib.suppress(OSError):  # the end: the other side is closed
        while part := os.read(leader, 65536):
            data += part
    os.close(leader)
    process.communicate(timeout=60)
    return data.decode(), process.returncode


def test_progress_is_shown_on_a_terminal(samples, tmp_path):
    """A bar counts, below the lines of the report; there is none with -q, on a dumb terminal, or for one picture."""
    for name in ("a.png", "b[red].png", "c.png"):
        (tmp_path / name).write_bytes((samples / "horse.png").read_bytes())
    command = [sys.executable, "-m", "convcli", "apply", str(tmp_path), "-k", "blur", "--overwrite", "-o", f"{tmp_path}/out/"]
    shown, status = on_terminal(command, TERM="xterm-256color", NO_COLOR="1")
    assert status == 0
    assert "3/3" in shown
    assert "b[red].png: blur min" in shown.replace("\r\n", "")
    # No line of the report is on the line of the bar.
    assert not [line for line in re.split(r"[\r\n]|\x1b\[2K", shown) if "blur min" in line and "/3" in line]
    for options, term in ((["-q"], "xterm"), ([], "dumb")):
        quiet, status = on_terminal([*command, *options], TERM=term)
        assert status == 0
        assert "3/3" not in quiet
        assert "\x1b" not in quiet
    single, _ = on_terminal([*command[:4], str(tmp_path / "a.png"), *command[5:]], TERM="xterm")
    assert "1/1" not in single


def test_a_full_standard_error_does_not_stop_the_run(samples, tmp_path):
    """Messages are lost, pictures are written."""
    command = (
        f"{sys.executable} -m convcli apply {samples}/camera.png {samples}/horse.png -k blur -o {tmp_path}/out/ 2>/dev/full"
    )
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_pictures_go_through_pipes(shell, samples, tmp_path):
    """Standard output contains the picture and nothing else."""
    data = (samples / "rocket.jpg").read_bytes()
    result = shell("apply", "-", "-k", "edge", "--format", "png", "-o", "-", input=data)
    assert result.returncode == 0
    with PIL.Image.open(io.BytesIO(result.stdout)) as picture:
        assert picture.size == (640, 427)
    assert b"standard output: edge min" in result.stderr
    result = shell("apply", "-", "-k", "edge", "-k", "blur", "--format", "npy", "-o", "-", "-q", input=data)
    assert np.load(io.BytesIO(result.stdout)).shape == (2, 427, 640, 3)
    assert result.stderr == b""
    result = shell("apply", "-", "-k", "edge", "-o", tmp_path / "x.png", input=b"")
    assert (result.returncode, result.stderr) == (1, b"Error: standard input: is empty\n")


def test_a_closed_pipe_ends_the_run(samples):
    """Status 141, and no message."""
    command = [
        sys.executable,
        "-m",
        "convcli",
        "apply",
        samples / "astronaut.png",
        "-k",
        "blur",
        "--format",
        "bmp",
        "-o",
        "-",
        "-q",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_slow_reader_gets_every_byte(samples, unbuffered):
    """Through an unbuffered pipe that does not block."""
    command = [
        sys.executable,
        "-m",
        "convcli",
        "apply",
        samples / "camera.png",
        "-k",
        "blur",
        "--format",
        "npy",
        "-o",
        "-",
        "-q",
    ]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = subprocess.Popen(command, stdout=writing, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    os.close(writing)
    time.sleep(1.5)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    assert process.wait(timeout=60) == 0
    assert np.load(io.BytesIO(data)).shape == (1, 512, 512)


@pytest.mark.parametrize(
    "arguments",
    ["apply {}/camera.png -k blur --format png -o - -q", "kernels list", "kernels show blur --json", "--help", "apply --help"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_reported(samples, arguments, unbuffered):
    """The error is one line, with status 1."""
    command = f"{sys.executable} -m convcli {arguments.format(samples)} > /dev/full"
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False, env=env, text=True)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith("standard output cannot be written: No space left on device")


def test_a_closed_standard_output_is_reported(samples):
    """The error is one line, with status 1."""
    for arguments in (f"apply {samples}/camera.png -k blur --format png -o -", "kernels list"):
        result = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m convcli {arguments} >&-"], capture_output=True, timeout=60, check=False
        )
        assert (result.returncode, result.stderr) == (1, b"Error: standard output is closed\n")


def test_a_full_disk_leaves_the_old_file(shell, samples, tmp_path):
    """One line with the file and the cause; no partial or temporary file."""
    out = tmp_path / "x.png"
    out.write_bytes(b"old")
    command = f"ulimit -f 20; exec {sys.executable} -m convcli apply {samples}/astronaut.png -k blur -o {out} -q"
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False, text=True)
    assert (result.returncode, result.stderr.splitlines()) == (
        1,
        [f"Error: {samples}/astronaut.png: {out}: cannot be written: File too large"],
    )
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]
    result = shell("apply", samples / "camera.png", "-k", "blur", "-q", "--format", "png", "-o", "/dev/full")
    assert result.returncode == 1
    assert b"No space left on device" in result.stderr


UNUSUAL_NAMES = [
    "a b.png",
    "[red]x.png",
    "x[",
    "new\nline.png",
    "esc\x1b[31m.png",
    "%s{stem}.png",
    "-dash.png",
    "quote'\".png",
    "ü.png",
    "\u202egnp.png",
    "line\u2028line.png",
]


@pytest.mark.parametrize("name", UNUSUAL_NAMES)
def test_unusual_names_are_processed(run, samples, tmp_path, monkeypatch, name):
    """Such files are processed, printed without control characters, and never read as patterns."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes((samples / "horse.png").read_bytes())
    result = run("apply", "-k", "blur", "-v", "-o", "out/", "--", name)
    assert result.status == 0
    assert [path.name for path in Path("out").iterdir()] == [name if "." in name else f"{name}.png"]
    assert not any(ord(c) < 32 or ord(c) in (0x2028, 0x202E) for c in result.err.replace("\n", ""))
    assert len(result.lines) == 2


def test_names_that_are_not_utf_8_are_kept(shell, samples, tmp_path):
    """Bytes that are not UTF-8 are kept in the output name."""
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Path(os.fsdecode(name)).write_bytes((samples / "horse.png").read_bytes())
    result = shell("apply", os.fsdecode(name), "-k", "blur", "-o", f"{tmp_path}/out/")
    assert result.returncode == 0, result.stderr
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"\xff\xfe.png"]
    assert b"/\\xff\\xfe.png" in result.stderr


def test_an_ascii_terminal_is_supported(shell, samples, tmp_path):
    """No escape codes, and no failure on a character that ASCII lacks."""
    path = tmp_path / "ü.png"
    path.write_bytes((samples / "horse.png").read_bytes())
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"}
    result = shell("apply", path, "-k", "blur", "-o", f"{tmp_path}/out/", env=env)
    assert result.returncode == 0, result.stderr
    assert shell("kernels", "list", env=env).returncode == 0
    assert shell("kernels", "show", "sobel", env=env).returncode == 0
