"""Outputs of a batch are synced and renamed while other pictures are processed."""

import errno
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from batches import contents, make_pictures
from convcli.config.load import kernel
from convcli.images import atomic_write
from convcli.images.read import read_image
from convcli.kernels.kernel import feature_maps
from convcli.pipeline import process_batch
from convcli.pipeline.apply_request import ApplyRequest
from convcli.pipeline.inputs import Search, find_inputs
from convcli.pipeline.outputs import make_tasks
from convcli.pipeline.process_batch import FINISHING, run_tasks
from convcli.pipeline.write_output import Pipes

PICTURES = 24


def make_batch(folder, **options):
    """A request for the pictures in a folder, with one worker, and its tasks."""
    inputs = find_inputs([str(folder / "in")], Search())
    request = ApplyRequest(inputs, tuple(feature_maps(kernel("blur"))), f"{folder}/out/", threads=1, **options)
    return request, make_tasks(request)


@pytest.fixture
def batch(tmp_path, rng):
    """A request for some pictures, with one worker, and its tasks."""
    make_pictures(tmp_path / "in", PICTURES, rng, side=16)
    return make_batch(tmp_path)


def parts(folder):
    """Temporary files of a folder."""
    return [path.name for path in folder.iterdir() if path.name.endswith(atomic_write.SUFFIX)]


def test_several_outputs_are_synced_at_a_time(batch, tmp_path, monkeypatch):
    """One worker, which does not wait for them. All are whole in the end, and reported in order."""
    fsync, lock, busy, most = os.fsync, threading.Lock(), 0, 0

    def slow(number):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.05)
        fsync(number)
        with lock:
            busy -= 1

    monkeypatch.setattr(atomic_write.os, "fsync", slow)
    request, tasks = batch
    outcomes = list(run_tasks(request, tasks, Pipes()))
    assert [outcome.task for outcome in outcomes] == tasks
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert 1 < most <= FINISHING
    assert len(contents(tmp_path / "out")) == PICTURES
    for outcome in outcomes:
        (target,) = outcome.task.targets
        assert read_image(target.path).size == read_image(outcome.task.source).size


def test_an_output_that_cannot_be_synced_fails_alone(batch, tmp_path, monkeypatch):
    """Its outcome has the error and no output; its temporary file is removed, and the others are written."""
    fsync, calls = os.fsync, []

    def failing(number):
        calls.append(number)
        if len(calls) == 5:
            raise OSError(errno.EIO, "Input/output error")
        fsync(number)

    monkeypatch.setattr(atomic_write.os, "fsync", failing)
    request, tasks = batch
    outcomes = list(run_tasks(request, tasks, Pipes()))
    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert "cannot be written: Input/output error" in str(failed.error)
    assert failed.written == ()
    (target,) = failed.task.targets
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        task.targets[0].path.name for task in tasks if task.targets[0] != target
    }


def test_an_output_made_meanwhile_is_kept(batch, tmp_path, monkeypatch):
    """Another program makes a file of its name while it is synced."""
    fsync, request, tasks = os.fsync, *batch
    theirs = tasks[3].targets[0].path

    def late(number):
        theirs.write_bytes(b"theirs")
        fsync(number)

    monkeypatch.setattr(atomic_write.os, "fsync", late)
    failed = [outcome for outcome in run_tasks(request, tasks, Pipes()) if outcome.error]
    assert [outcome.task for outcome in failed] == [tasks[3]]
    assert "exists already, made since this run began" in str(failed[0].error)
    assert theirs.read_bytes() == b"theirs"
    assert not parts(tmp_path / "out")


def test_nothing_is_left_of_a_run_that_is_abandoned(batch, tmp_path, monkeypatch):
    """What is written when the run ends is finished, or removed; also what waits to be synced."""
    fsync = os.fsync
    monkeypatch.setattr(atomic_write.os, "fsync", lambda number: (time.sleep(0.05), fsync(number)))
    monkeypatch.setattr(process_batch, "FINISHING", 1)
    request, tasks = batch
    outcomes = run_tasks(request, tasks, Pipes())
    next(outcomes)
    outcomes.close()
    for thread in threading.enumerate():
        if thread.name.startswith("convcli-job"):
            thread.join(10)
    assert not parts(tmp_path / "out")
    assert 1 <= len(contents(tmp_path / "out")) < PICTURES


def test_nothing_is_synced_with_no_sync(run, tmp_path, rng, monkeypatch):
    """Neither outputs nor their sidecars; without the option both are."""
    make_pictures(tmp_path / "in", 2, rng, side=16)
    synced = []
    monkeypatch.setattr(atomic_write.os, "fsync", synced.append)
    for options, count in (([], 4), (["--no-sync"], 0)):
        synced.clear()
        out = f"{tmp_path}/out{count}"
        assert (
            run("apply", tmp_path / "in", "-k", "blur", "-o", f"{out}/{{stem}}.npy", "--skip-existing", "-q", *options).status
            == 0
        )
        assert (len(synced), len(contents(Path(out)))) == (count, 4)


def test_few_outputs_of_a_picture_are_open_at_a_time(run, tmp_path, rng, monkeypatch):
    """A bank of 64 maps is written with a limit of 40 open files, of which Python has some itself."""
    picture = make_pictures(tmp_path / "in", 1, rng, side=16)[0]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/dev/fd").iterdir()))
    kernels = [word for i in range(64) for word in ("-k", f"gaussian:sigma={1 + i / 64}")]
    run("apply", picture, "-k", "blur", "-o", tmp_path / "first.png")  # modules are imported, and files of code read
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, limits[1]))
    try:
        result = run("apply", picture, *kernels, "-o", f"{tmp_path}/out/{{index}}.png", "-q")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (result.status, result.err) == (0, "")
    assert len(contents(tmp_path / "out")) == 64
