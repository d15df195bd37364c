"""Kills and errors at every step of a save, and at any moment of a batch."""

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
"""What one save is made of, after its file is opened."""


def traced(folder, inject, name):
    """One save of a stack under strace; its status, what was said, and the calls of the thread that wrote it."""
    filters = ["-f", "-y", "-e", f"trace={','.join(CALLS)}", *(("-e", f"inject={inject}") if inject else ())]
    command = ["strace", "-o", folder / "trace", *filters, *CONVCLI, "apply", folder / "in.png"]
    words = ["-k", "blur", "-k", "edge", "-o", folder / "out" / name, "--skip-existing", "-q", "-j", "1"]
    result = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=False)
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
def test_every_step_of_a_save_may_be_the_last(run, tmp_path, rng, damage, name, old):
    """The name holds the old file, the whole new file or nothing, after a kill or an error in any call on the way.

    After an error, one line tells the cause and nothing half written is left; after a kill, the next run removes it and does
    what was to be done. The .npy has a sidecar.
    """
    make_pictures(tmp_path, 1, rng)[0].rename(tmp_path / "in.png")
    out = tmp_path / "out"
    before = {}
    if old:
        convcli("apply", tmp_path / "in.png", "-k", "sharpen", "-o", out / name, "--skip-existing", "-q")
        before = contents(out)
    result, lines = traced(tmp_path, None, name)
    assert result.returncode == 0, result.stderr
    calls = [re.search(r" (\w+)\(", line)[1] for line in lines if ".part" in line]
    assert calls.count("fsync") == calls.count("rename") + calls.count("link") == (2 if name.endswith("npy") else 1)
    assert all(calls[i - 1] == "write" for i, call in enumerate(calls) if call == "fsync")  # all is written, then synced
    whole = contents(out)
    steps = mute = 0
    for call in CALLS:
        for step in range(1, sum(f" {call}(" in line for line in lines) + 1):
            shutil.rmtree(out)
            out.mkdir()
            for path, data in before.items():
                (out / path).write_bytes(data)
            result, hit = traced(tmp_path, f"{call}:{damage}:when={step}", name)
            left = contents(out)
            parts = [path for path in left if path.endswith(".part")]
            assert left.get(name) in (before.get(name), whole[name]), (call, step)
            if "KILL" in damage:
                assert result.returncode != 0
            else:
                assert parts == [] or call == "unlink", (call, step)
                injected = any("INJECTED" in line and ".part" in line for line in hit)
                if injected and call != "unlink" and not (call == "link" and left.get(name) == whole[name]):
                    assert result.returncode == 1, (call, step, result.stderr)
                    cause = re.search("No space left on device|Input/output error", result.stderr)
                    mute += cause is None  # where the call of that number of the other thread was this line itself
            atomic_write._cleaned_folders.clear()  # as in a new process
            again = run("apply", tmp_path / "in.png", "-k", "blur", "-k", "edge", "-o", out / name, "--skip-existing", "-q")
            assert (again.status, again.err) == (0, "")
            left = contents(out)
            assert left.keys() == whole.keys(), (call, step)
            assert left[name] == whole[name], (call, step)
            steps += 1
    assert steps >= 6
    assert mute <= 2


def test_fifty_kills(tmp_path, rng):
    """At any moment of the work: every name holds a whole file; running the line again ends it, and leaves nothing else."""
    make_pictures(tmp_path / "in", 24, rng, side=300)
    words = ["apply", tmp_path / "in", "-k", "gaussian:sigma=2", "--skip-existing", "-q", "-o"]
    suffix = "/{stem}.npy"
    assert convcli(*words, f"{tmp_path}/whole{suffix}").returncode == 0
    whole = contents(tmp_path / "whole")
    out = tmp_path / "out"
    chance = random.Random(50)
    halves = progress = killed = 0
    while killed < 50:
        before = set(out.iterdir()) if out.exists() else set()
        if len(before) >= len(whole):
            shutil.rmtree(out)
            before = set()
        process = subprocess.Popen([*CONVCLI, *map(str, words), f"{out}{suffix}"])
        while process.poll() is None and (not out.exists() or set(out.iterdir()) == before):
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
        killed += process.poll() is None
        process.kill()
        process.wait()
        left = contents(out)
        halves += any(name.endswith(".part") for name in left)
        progress += len(left) > len(before)
        # A sidecar tells the file that is to come, and the one before.
        finished = {name: data for name, data in left.items() if name.endswith(".npy")}
        assert finished.items() <= whole.items()
    assert halves >= 5
    assert progress >= 25
    assert convcli(*words, f"{out}{suffix}").returncode == 0
    left = contents(out)
    assert {name for name in left} == set(whole)
    assert all(left[name] == whole[name] for name in whole if name.endswith(".npy"))
