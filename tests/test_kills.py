"""Kills and errors at every step of a save, and at any moment of a batch."""

import os
import random
import re
import shutil
import subprocess

import pytest

from batches import CONVCLI, contents, convcli, make_pictures
from convcli.images import place


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
    result, lines = traced(tmp_path, None, name)
    assert result.returncode == 0, result.stderr
    whole = contents(out)
    before = {}
    if old:
        convcli("apply", tmp_path / "in.png", "-k", "sharpen", "-o", out / name, "--skip-existing", "-q")
        before = contents(out)
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
            place._swept.clear()  # as in a new process
            again = run("apply", tmp_path / "in.png", "-k", "blur", "-k", "edge", "-o", out / name, "--skip-existing", "-q")
            assert (again.status, again.err) == (0, "")
            assert contents(out) == whole, (call, step)
            steps += 1
    assert steps >= 6
    assert mute <= 2


def test_fifty_kills(tmp_path, rng):
    """At any moment: every name holds a whole file; running the same line again ends the work, and leaves nothing else."""
    make_pictures(tmp_path / "in", 24, rng, side=160)
    words = ["apply", tmp_path / "in", "-k", "gaussian:sigma=8", "--skip-existing", "-q", "-o"]
    assert convcli(*words, f"{tmp_path}/whole/").returncode == 0
    whole = contents(tmp_path / "whole")
    out = tmp_path / "out"
    chance = random.Random(50)
    finished = killed = 0
    while killed < 50:
        process = subprocess.Popen([*CONVCLI, *map(str, words), f"{out}/"])
        if finished == len(whole):
            finished = 0
            shutil.rmtree(out)
        try:
            process.wait(chance.uniform(0.2, 0.75))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        left = {name: data for name, data in contents(out).items() if not name.startswith(".")} if out.exists() else {}
        assert left.items() <= whole.items()
        finished = len(left)
    assert convcli(*words, f"{out}/").returncode == 0
    assert contents(out) == whole
