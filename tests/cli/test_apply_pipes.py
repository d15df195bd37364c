"""Pipes that have a name: process substitution, /dev/stdout, /dev/fd/N and those of mkfifo, as inputs and as outputs."""

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import PIL.Image
import pytest

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs names of open files")  # noqa: PTH110


@pytest.fixture
def photo(samples, tmp_path):
    """A small picture, and the bytes of its blurred version."""
    with PIL.Image.open(samples / "camera.png") as picture:
        picture.crop((0, 0, 90, 70)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def blurred(run, photo, tmp_path):
    """The bytes of the blurred picture, as a regular file has them."""
    assert run("apply", photo, "-k", "blur", "-o", tmp_path / "expected.png", "-q").status == 0
    return (tmp_path / "expected.png").read_bytes()


class Reader(threading.Thread):
    """Reads all bytes of a pipe, given by its number or its name."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.data = pipe, b""
        self.start()

    def run(self):
        """Read to the end."""
        with open(self.pipe, "rb") as file:  # noqa: PTH123
            self.data = file.read()

    def result(self):
        """All bytes; the writer has closed its end."""
        self.join(20)
        return self.data


def write_later(pipe, data):
    """Write to a pipe, given by its number or its name, in a thread."""

    def write():
        with open(pipe, "wb") as file:  # noqa: PTH123
            file.write(data)

    threading.Thread(target=write, daemon=True).start()


def names_in(folder):
    """Names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_an_open_pipe_is_an_output(run, photo, blurred, tmp_path):
    """The bytes are those of a file, and nothing is made beside it; a stack, whose writer needs positions, too."""
    for form, check in (("png", lambda data: data == blurred), ("npz", lambda data: data.startswith(b"PK"))):
        read_end, write_end = os.pipe()
        reader = Reader(read_end)
        before = names_in(tmp_path)
        result = run("apply", photo, "-k", "blur", "--format", form, "-o", f"/dev/fd/{write_end}")
        os.close(write_end)
        assert (result.status, result.err.startswith(f"/dev/fd/{write_end}: blur min ")) == (0, True)
        assert check(reader.result())
        assert names_in(tmp_path) == before


def test_a_named_pipe_is_an_output(run, photo, blurred, tmp_path):
    """Its suffix gives the format; a link leads to it; it stays a pipe."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    for name in ("pipe.png", "link.png"):
        reader = Reader(tmp_path / "pipe.png")
        assert run("apply", photo, "-k", "blur", "-o", tmp_path / name, "-q").status == 0
        assert reader.result() == blurred
    assert (tmp_path / "pipe.png").is_fifo()
    assert names_in(tmp_path) == ["expected.png", "link.png", "photo.png", "pipe.png"]


def test_an_open_file_is_written_where_it_is(shell, photo, blurred, tmp_path):
    """Its earlier bytes stay, as with >>; an atomic write would replace them."""
    (tmp_path / "log").write_bytes(b"abc")
    for name in ("/dev/stdout", "/dev/fd/1"):
        with (tmp_path / "log").open("ab") as log:
            done = shell("apply", photo, "-k", "blur", "--format", "png", "-o", name, "-q", capture_output=False, stdout=log)
        assert done.returncode == 0
    assert (tmp_path / "log").read_bytes() == b"abc" + blurred + blurred


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("/dev/stdout", [], "Error: writing to standard output needs --format, such as --format png"),
        (
            "/dev/stdout",
            ["--format", "png", "--json"],
            "Error: --json and -o - both write to standard output; use --report FILE",
        ),
        ("/dev/fd/987", ["--format", "png"], ": /dev/fd/987: cannot be written: Bad file descriptor"),
        ("/dev/fd/987", [], "Error: output '/dev/fd/987' has no suffix that gives the format; use one of"),
        ("socket.png", [], "socket.png: cannot be written: it is a socket, which has no name to open"),
        ("{stem}.d.png", ["--overwrite"], "photo.d.png: cannot be written: it is a folder"),
        ("pipe.png", ["--skip-existing"], "pipe.png: exists already, and carries no provenance of convcli"),
    ],
)
def test_other_outputs_are_refused(run, photo, tmp_path, monkeypatch, output, options, message):
    """One line; a socket and a folder are no files, and an unopened file has no name."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    (tmp_path / "photo.d.png").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        result = run("apply", "photo.png", "-k", "blur", "-o", output, *options)
    assert (result.status > 0, len(result.lines), message in result.err) == (True, 1, True), result.err
    assert names_in(tmp_path) == ["photo.d.png", "photo.png", "pipe.png", "socket.png"]


def test_a_reader_that_leaves_is_an_error(run, photo):
    """One line and status 1."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = run("apply", photo, "-k", "blur", "--format", "png", "-o", f"/dev/fd/{write_end}")
    os.close(write_end)
    message = f"/dev/fd/{write_end}: cannot be written: its reader has closed it"
    assert (result.status, result.lines) == (1, [f"Error: {photo}: {message}"])


@pytest.mark.parametrize("plan", [False, True])
def test_open_pipes_are_inputs(run, photo, blurred, tmp_path, plan):
    """Two in one run, as of <(command) <(command); a dry run reads them too."""
    ends = [os.pipe() for _ in range(2)]
    for _, write_end in ends:
        write_later(write_end, photo.read_bytes())
    names = [f"/dev/fd/{read_end}" for read_end, _ in ends]
    result = run("apply", *names, "-k", "blur", "-o", f"{tmp_path}/out/", *(["-n"] if plan else ["--keep-times"]))
    for read_end, _ in ends:
        os.close(read_end)
    assert result.status == 0
    if plan:
        assert [line.split(" (")[0] for line in result.out.splitlines()] == names
        return
    for read_end, _ in ends:
        assert (tmp_path / "out" / f"{read_end}.png").read_bytes() == blurred  # with the same provenance


def test_a_single_named_pipe_is_an_input(run, photo, blurred, tmp_path):
    """For apply and at. Among other inputs it is an error, as no program may ever write to it; a search does not read it."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    write_later(pipe, photo.read_bytes())
    assert run("apply", pipe, "-k", "blur", "-o", tmp_path / "out.png", "-q").status == 0
    assert (tmp_path / "out.png").read_bytes() == blurred
    write_later(pipe, photo.read_bytes())
    assert run("at", "3,3", pipe, "-k", "blur").out == run("at", "3,3", photo, "-k", "blur").out.replace(
        "photo.png", "pipe.png"
    )
    message = f"Error: {pipe}: is not a regular file; use - to read a picture from standard input"
    for inputs in ([pipe, photo], [tmp_path], [f"{tmp_path}/*"]):
        result = run("apply", *inputs, "-k", "blur", "-o", f"{tmp_path}/out/", "-q", "--overwrite")
        assert (result.status, result.lines) == ((1, [message]) if "*" not in str(inputs[0]) else (0, []))
    assert run("apply", pipe, "-k", "blur", "--in-place").lines == [message]


def test_a_pipe_is_read_once(run, tmp_path):
    """Naming it twice would wait forever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    result = run("apply", tmp_path / "pipe", tmp_path / "link", "-k", "blur", "-o", f"{tmp_path}/out/")
    assert result.status == 2
    assert result.lines == ["Error: a pipe is an input twice, and can be read only once; save its picture to a file"]


@pytest.mark.parametrize("waits_for", ["writer", "reader"])
def test_an_interrupt_ends_the_wait_for_the_other_end(photo, tmp_path, waits_for):
    """Within two seconds, as everywhere."""
    os.mkfifo(tmp_path / "pipe.png")
    paths = (
        [tmp_path / "pipe.png", "-o", tmp_path / "out.png"] if waits_for == "writer" else [photo, "-o", tmp_path / "pipe.png"]
    )
    command = [sys.executable, "-m", "convcli", "apply", *map(str, paths), "-k", "blur", "-q"]
    accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell in the background ignores it
    with subprocess.Popen(command, preexec_fn=accept_sigint) as process:
        try:
            time.sleep(1.5)
            assert process.poll() is None
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        finally:
            process.kill()
    assert time.monotonic() - begin < 2.5


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_process_substitution(photo, blurred, tmp_path):
    """As bash does it, on both sides."""
    line = f"{sys.executable} -m convcli apply <(cat '{photo}') -k blur --format png -q -o >(cat > '{tmp_path}/out.png')"
    subprocess.run(["bash", "-c", line + "; status=$?; wait; exit $status"], check=True, timeout=60)
    end = time.monotonic() + 10
    while (
        not (tmp_path / "out.png").exists() or (tmp_path / "out.png").stat().st_size < len(blurred)
    ) and time.monotonic() < end:
        time.sleep(0.02)
    np.testing.assert_array_equal(PIL.Image.open(tmp_path / "out.png"), PIL.Image.open(tmp_path / "expected.png"))
