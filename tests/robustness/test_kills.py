"""Kills and errors at every step of a write, and at random moments of a batch."""

import os
import random
import re
import shutil
import subprocess
import time

import pytest

from batches import CONVCLI, contents, convcli, make_pictures
from convcli.images import atomic_write


def can_trace():
    """Whether processes can be traced here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


needs_strace = pytest.mark.skipif(not can_trace(), reason="needs strace, and the right to trace processes")
CALLS = ("write", "fsync", "rename", "link", "unlink")
"""The system calls of one write, after its file is opened."""


def write_traced(folder, inject, name):
    """Write a stack under strace. Return the result, and the system calls of the thread that writes."""
    filters = ["-f", "-y", "-e", f"trace={','.join(CALLS)}", *(("-e", f"inject={inject}") if inject else ())]
    command = ["strace", "-o", folder / "trace", *filters, *CONVCLI, "apply", folder / "in.png"]
    arguments = ["-k", "blur", "-k", "edge", "-o", folder / "out" / name, "--skip-existing", "-q", "-j", "1"]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    lines = (folder / "trace").read_text().splitlines()
    writers = {line.split()[0] for line in lines if ".part" in line}
    return result, [line for line in lines if line.split()[0] in writers]


@needs_strace
@pytest.mark.parametrize(
    ("damage", "name", "old"),
    [
        ("signal=KILL", "out.npz", False),
        ("signal=KILL", "out.npy", True),
        ("error=ENOSPC", "out.npz", False),
        ("error=EIO", "out.npy", True),
    ],
)
def test_a_write_may_end_at_every_step(run, tmp_path, rng, damage, name, old):
    """The name holds the old file, the whole new file or nothing, after a kill or an error in any system call.

    After an error, one line gives the cause and no temporary file is left. After a kill, the next run removes the temporary
    file and finishes the work. The .npy has a sidecar.
    """
    make_pictures(tmp_path, 1, rng)[0].rename(tmp_path / "in.png")
    out = tmp_path / "out"
    before = {}
    if old:
        convcli("apply", tmp_path / "in.png", "-k", "sharpen", "-o", out / name, "--skip-existing", "-q")
        before = contents(out)
    result, lines = write_traced(tmp_path, None, name)
    assert result.returncode == 0, result.stderr
    calls = [re.search(r" (\w+)\(", line)[1] for line in lines if ".part" in line]
    assert calls.count("fsync") == calls.count("rename") + calls.count("link") == (2 if name.endswith("npy") else 1)
    assert all(
        calls[i - 1] == "write" for i, call in enumerate(calls) if call == "fsync"
    )  # all data is written before the sync
    expected = contents(out)
    steps = without_cause = 0
    for call in CALLS:
        for step in range(1, sum(f" {call}(" in line for line in lines) + 1):
            shutil.rmtree(out)
            out.mkdir()
            for path, data in before.items():
                (out / path).write_bytes(data)
            result, traced_lines = write_traced(tmp_path, f"{call}:{damage}:when={step}", name)
            files = contents(out)
            parts = [path for path in files if path.endswith(".part")]
            assert files.get(name) in (before.get(name), expected[name]), (call, step)
            if "KILL" in damage:
                assert result.returncode != 0
            else:
                assert parts == [] or call == "unlink", (call, step)
                injected = any("INJECTED" in line and ".part" in line for line in traced_lines)
                if injected and call != "unlink" and not (call == "link" and files.get(name) == expected[name]):
                    assert result.returncode == 1, (call, step, result.stderr)
                    cause = re.search("No space left on device|Input/output error", result.stderr)
                    without_cause += cause is None  # the failed call was that of the other thread, which writes the error line
            atomic_write._cleaned_folders.clear()  # as in a new process
            repeated = run("apply", tmp_path / "in.png", "-k", "blur", "-k", "edge", "-o", out / name, "--skip-existing", "-q")
            assert (repeated.status, repeated.err) == (0, "")
            files = contents(out)
            assert files.keys() == expected.keys(), (call, step)
            assert files[name] == expected[name], (call, step)
            steps += 1
    assert steps >= 6
    assert without_cause <= 2


def test_a_batch_survives_fifty_kills(tmp_path, rng):
    """After a kill at any moment every name holds a whole file; a repeated run finishes the work and leaves no other file."""
    make_pictures(tmp_path / "in", 24, rng, side=300)
    arguments = ["apply", tmp_path / "in", "-k", "gaussian:sigma=2", "--skip-existing", "-q", "-o"]
    suffix = "/{stem}.npy"
    assert convcli(*arguments, f"{tmp_path}/whole{suffix}").returncode == 0
    expected = contents(tmp_path / "whole")
    out = tmp_path / "out"
    generator = random.Random(50)
    interrupted = progress = killed = 0
    while killed < 50:
        before = set(out.iterdir()) if out.exists() else set()
        if len(before) >= len(expected):
            shutil.rmtree(out)
            before = set()
        process = subprocess.Popen([*CONVCLI, *map(str, arguments), f"{out}{suffix}"])
        sought = "*.npy" if killed % 2 else "*"  # the first output with a name, or the first file
        while process.poll() is None and not set(out.glob(sought)) - before:
            time.sleep(0.001)
        time.sleep(generator.uniform(0, 0.03))
        killed += process.poll() is None
        process.kill()
        process.wait()
        files = contents(out)
        interrupted += any(name.endswith(".part") for name in files)
        # A sidecar may describe the next file and the one before, so only the arrays are compared.
        finished = {name: data for name, data in files.items() if name.endswith(".npy")}
        progress += len(finished) > sum(path.suffix == ".npy" for path in before)
        assert finished.items() <= expected.items()
    assert interrupted >= 5
    assert progress >= 25
    assert convcli(*arguments, f"{out}{suffix}").returncode == 0
    files = contents(out)
    assert {name for name in files} == set(expected)
    assert all(files[name] == expected[name] for name in expected if name.endswith(".npy"))
