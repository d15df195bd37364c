"""Batches in processes of their own: bad files, full disks, concurrent runs, signals, and unusual names."""

import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batches import CONVCLI, contents, convcli, make_pictures
from convcli.images import atomic_write
from convcli.images.atomic_write import ExistsError, write_atomically
from convcli.pipeline.process_batch import INTERRUPT_WAIT_SECONDS

PART = ".convcli-*.part"


def test_bad_inputs_of_a_batch_fail_alone(run, tmp_path, rng):
    """The others are written as by single runs; each bad input gives one line, and one in the report."""
    paths = make_pictures(tmp_path / "in", 200, rng, side=24)
    good = paths[0].read_bytes()
    damages = [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no picture"),
        lambda path: path.write_bytes(good[: len(good) // 2]),
        lambda path: path.write_bytes(good[:40]),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        lambda path: path.write_bytes(good[:16] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + good[24:]),
    ]
    bad = random.Random(37).sample(paths, 37)
    for i, path in enumerate(bad):
        damages[i % len(damages)](path)
    options = ["-k", "gaussian:sigma=2", "-o", f"{tmp_path}/out/", "--report", tmp_path / "report.jsonl", "-q"]
    result = convcli("apply", *paths, *options)
    assert result.returncode == 1
    failed = [line.removeprefix("Error: ").partition(": ")[0] for line in result.stderr.splitlines()]
    assert failed == sorted(str(path) for path in bad)
    *lines, summary = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert sorted(line["input"] for line in lines if line["status"] == "failed") == failed
    assert (summary["done"], summary["failed"]) == (163, 37)
    written = contents(tmp_path / "out")
    assert len(written) == 163
    for path in set(paths) - set(bad):
        assert run("apply", path, "-k", "gaussian:sigma=2", "-o", tmp_path / "one.png", "-q").status == 0
        assert (tmp_path / "one.png").read_bytes() == written[path.name]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose reading fails, such as Linux has")
@pytest.mark.parametrize("resuming", [False, True])
def test_a_read_error_fails_alone(tmp_path, rng, resuming):
    """It gives one line, as a bad sector would; the others are processed."""
    first, last = make_pictures(tmp_path / "in", 2, rng)
    options = ["-k", "blur", "-q", "-o", f"{tmp_path}/out/", *(["--skip-existing"] if resuming else [])]
    result = convcli("apply", first, "/proc/self/mem", last, *options)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: /proc/self/mem: ")
    assert "Input/output error" in line
    assert sorted(contents(tmp_path / "out")) == [first.name, last.name]


def test_a_full_disk_fails_alone(tmp_path, rng):
    """Outputs that fit are written; each of the others gives one line and leaves no file."""
    small = make_pictures(tmp_path / "small", 5, rng, side=20)
    large = make_pictures(tmp_path / "large", 3, rng, side=200)

    def confine():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    inputs = [small[0], large[0], *small[1:], *large[1:]]
    options = ["-k", "identity", "-q", "-o", f"{tmp_path}/out/{{parent}}-{{name}}"]
    result = convcli("apply", *inputs, *options, preexec_fn=confine)
    assert result.returncode == 1
    assert [line.rpartition(": ")[2] for line in result.stderr.splitlines()] == ["File too large"] * 3
    assert sorted(contents(tmp_path / "out")) == sorted(f"small-{path.name}" for path in small)


@pytest.mark.parametrize("resuming", [False, True])
def test_concurrent_runs_write_each_output_once(tmp_path, rng, resuming):
    """Into one folder: each name is written once, completely; with --skip-existing no run fails."""
    make_pictures(tmp_path / "in", 40, rng)
    arguments = ["apply", tmp_path / "in", "-k", "gaussian:sigma=3", "-j", "1", "-q"]
    convcli(*arguments, "-o", f"{tmp_path}/whole/")
    arguments += ["--json", "-o", f"{tmp_path}/out/", *(["--skip-existing"] if resuming else [])]
    command = [*CONVCLI, *map(str, arguments)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    outputs = [process.communicate(timeout=120) for process in runs]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    lines = [json.loads(line) for out, _ in outputs for line in out.splitlines()]
    done = [line["input"] for line in lines if line.get("status") == "done"]
    if resuming:
        assert [process.returncode for process in runs] == [0] * 8
        assert set(done) == {str(path) for path in (tmp_path / "in").iterdir()}
    else:
        assert sorted(done) == sorted(str(path) for path in (tmp_path / "in").iterdir())
        failed = [line["error"] for line in lines if line.get("status") == "failed"]
        assert all("exists already, made since this run began" in error for error in failed)
        refused = [err for _, err in outputs if "exists already; replace it" in err]
        assert len(done) + len(failed) == 40 * (8 - len(refused))


NAMES = (
    *("a b", " ", "-k", "--help", "[red]x", "x[", "[bold]", "[link=file:x]y", "%s%n", "{stem}", "{{", "$HOME", "`id`"),
    *(
        "new\nline",
        "tab\t",
        "esc\x1b[31m",
        "bell\x07",
        "c1\x9b31m",
        "ü",
        "ü".encode("latin-1").decode("utf-8", "surrogateescape"),
    ),
    *("quote'\"", "a;b|c&d", "*", "\\", "\u202egnp", "x" * 240),
)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_unusual_names_are_processed(tmp_path, rng, encoding):
    """Each is processed under its name, and printed without control characters."""
    picture = make_pictures(tmp_path, 1, rng)[0].read_bytes()
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.png").write_bytes(picture)
    assert len(NAMES) >= 25
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    result = convcli("apply", folder, "-k", "blur", "-o", f"{tmp_path}/out/", text=False, env=env)
    assert result.returncode == 0, result.stderr
    assert sorted(contents(tmp_path / "out")) == sorted(f"{name}.png" for name in NAMES)
    assert len(result.stderr.splitlines()) == len(NAMES)
    shown = result.stderr.replace(b"\n", b"").decode(encoding)
    assert not re.search("[\x00-\x1f\x7f-\x9f]", shown)
    for text in ("[red]x.png", "[bold].png", "\\x1b[31m.png", "new\\nline" if "new\\nline" in shown else "new\\x0aline"):
        assert text in shown


def test_a_thousand_inputs_need_few_open_files(tmp_path, rng):
    """The number of open files does not grow with the number of pictures."""
    make_pictures(tmp_path / "in", 1000, rng, side=8)

    def confine():
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    result = convcli("apply", tmp_path / "in", "-k", "blur", "-q", "-o", f"{tmp_path}/out/", preexec_fn=confine)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(contents(tmp_path / "out")) == 1000


def test_temporary_files_of_dead_runs_are_removed(run, tmp_path, rng):
    """Temporary files of running processes stay, and those of other machines, whose locks may not be visible."""
    (path,) = make_pictures(tmp_path, 1, rng)
    out = tmp_path / "out"
    out.mkdir()
    dead, running = (out / f"{atomic_write.PREFIX}{name}.part" for name in ("dead", "mine"))
    dead.write_bytes(b"half")
    foreign = out / ".convcli-another.machine-dead.part"
    foreign.write_bytes(b"half")
    (out / ".convcli-notes").write_bytes(b"of the user")
    hold = "import fcntl, sys; f = open(sys.argv[1], 'xb'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold, running], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert run("apply", path, "-k", "blur", "-o", f"{out}/", "-q").status == 0
        process.stdin.close()
        process.wait(timeout=60)
    assert set(contents(out)) == {running.name, foreign.name, ".convcli-notes", "000.png"}


def test_a_temporary_file_removed_before_its_lock_is_made_again(tmp_path, monkeypatch):
    """The temporary file is created again."""
    lock, removed = atomic_write._lock, []

    def late(file):
        if not removed:
            removed.append(file.name)
            Path(file.name).unlink()
        lock(file)

    monkeypatch.setattr(atomic_write, "_lock", late)
    with write_atomically(tmp_path / "a") as file:
        file.write(b"whole")
    assert contents(tmp_path) == {"a": b"whole"}
    assert removed


@pytest.mark.parametrize("links", [True, False])
def test_a_file_created_meanwhile_is_kept(tmp_path, monkeypatch, links):
    """A file created meanwhile is kept if it must not be replaced; also on file systems without hard links."""
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError()))
    with write_atomically(tmp_path / "free", replace=False) as file:
        file.write(b"new")
    late = write_atomically(tmp_path / "a", replace=False)
    late.__enter__().write(b"new")
    (tmp_path / "a").write_bytes(b"theirs")
    with pytest.raises(ExistsError, match="exists already, made since this run began"):
        late.__exit__(None, None, None)
    assert contents(tmp_path) == {"free": b"new", "a": b"theirs"}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("gap", [0.01, 0.1])
def test_a_second_signal_ends_the_run_at_once(tmp_path, number, status, gap):
    """The program does not wait for the running picture, here one that never ends."""
    command = [*CONVCLI, "apply", "-", "-k", "identity", "-o", tmp_path / "b.png", "-q"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    process.stdin.write(bytes(100_000))  # more than the capacity of a pipe: returns when the process has started to read
    time.sleep(0.1)
    process.send_signal(number)
    time.sleep(gap)
    second = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=60) == status
    assert time.monotonic() - second < INTERRUPT_WAIT_SECONDS * 0.8
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    assert not list(tmp_path.iterdir())
