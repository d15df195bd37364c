"""convcli apply that is interrupted by a signal."""

import functools
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.cli.json_report import Report
from convcli.pipeline.process_image import Outcome
from convcli.pipeline.tasks import Task
from pictures import pixels


def test_an_interrupted_batch_leaves_whole_files(samples, tmp_path):
    """After SIGINT and SIGTERM, all outputs are whole, and no temporary file is left."""
    for i in range(60):
        (tmp_path / f"{i:02}.png").write_bytes((samples / "astronaut.png").read_bytes())
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        out = tmp_path / str(status)
        report = tmp_path / f"{status}.jsonl"
        arguments = ["apply", tmp_path, "-k", "gaussian:sigma=9", "-q", "-o", f"{out}/", "--report", report]
        command = [sys.executable, "-m", "convcli", *arguments]
        accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=accept_sigint)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (out.exists() and any(out.glob("*.png"))):
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err.strip()) == (status, b"")
        names = [path.name for path in out.iterdir()]
        assert 0 < len(names) < 60
        assert not [name for name in names if name.startswith(".")]
        for name in names:
            assert pixels(out / name).shape == (512, 512, 3)
        *outcomes, counts = [json.loads(line) for line in report.read_text().splitlines()]
        assert counts == {"inputs": 60, "done": len(names), "skipped": 0, "failed": 0, "not_tried": 60 - len(names)}
        assert sorted(Path(outcome["outputs"][0]["path"]).name for outcome in outcomes) == sorted(names)


@pytest.mark.parametrize("moment", ["during the report", "after the report"])
def test_a_run_interrupted_while_it_reports_has_a_whole_report(run, samples, tmp_path, monkeypatch, moment):
    """Every finished picture is in the report, once."""
    for i in range(6):
        shutil.copy(samples / "horse.png", tmp_path / f"{i}.png")
    write = Report._write

    def interrupted(report, *values):
        if moment == "after the report":
            write(report, *values)
        if not interruptions:
            interruptions.append(True)
            time.sleep(0.3)  # other pictures are finished meanwhile
            raise KeyboardInterrupt
        if moment != "after the report":
            write(report, *values)

    interruptions = []
    monkeypatch.setattr(Report, "_write", interrupted)
    arguments = ["apply", tmp_path, "-k", "blur", "-q", "-o", f"{tmp_path}/out/", "--report", tmp_path / "r.jsonl", "-j", "2"]
    assert run(*arguments).status == 130
    *lines, counts = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    reported = [Path(line["outputs"][0]["path"]).name for line in lines]
    assert (counts["done"], counts["not_tried"]) == (len(lines), 6 - len(lines))
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(written) >= 2
    assert sorted(set(reported)) == written
    assert len(reported) == len(written)


def test_an_outcome_interrupted_while_reported_is_reported_once(tmp_path, monkeypatch):
    """After a signal during the flush of a line, the same outcome is reported again without a second line."""
    outcome = Outcome(Task("a.png", None))
    with Report(False, tmp_path / "r.jsonl") as report:
        file = report.file
        report.file = SimpleNamespace(write=file.write, flush=lambda: signal.default_int_handler(0, None), close=file.close)
        with pytest.raises(KeyboardInterrupt):
            report.outcome(outcome)
        report.outcome(outcome)
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_no_partial_file(tmp_path, number, status):
    """The old file stays, and the temporary file is removed."""
    (tmp_path / "b.npy").write_bytes(b"old")
    for moment, side, kernel in (("summing", 3000, "gaussian:sigma=30"), ("writing", 12000, "identity")):
        np.save(tmp_path / "a.npy", np.zeros((side, side), np.uint8))
        arguments = ["a.npy", "-k", kernel, "--method", "direct", "-o", "b.npy", "-j", "1", "-q"]
        command = [sys.executable, "-m", "convcli", "apply", *arguments]
        # A shell that starts the tests in the background ignores SIGINT, and so would its children.
        accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=accept_sigint)
        deadline = time.monotonic() + 60
        while moment == "writing" and not list(tmp_path.glob(".convcli-*.part")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(2 if moment == "summing" else 0)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == status, (moment, err)
        assert b"Traceback" not in err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]
        if moment == "summing" or (tmp_path / "b.npy").stat().st_size == 3:
            assert (tmp_path / "b.npy").read_bytes() == b"old"
        else:  # the write was finished before the run ended
            assert_array_equal(np.load(tmp_path / "b.npy"), np.zeros((1, side, side), np.float32))


def test_an_interrupted_batch_says_how_far_it_is(samples, tmp_path):
    """The last line of standard error has the counts. A first picture that is written shows that the batch is at work."""
    for i in range(60):
        shutil.copy(samples / "astronaut.png", tmp_path / f"{i:02}.png")
    command = [sys.executable, "-m", "convcli", "apply", tmp_path, "-k", "gaussian:sigma=9", "-o", f"{tmp_path}/out/"]
    accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=accept_sigint)
    assert process.stderr is not None
    while ": gaussian" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    *_, last = process.communicate(timeout=60)[1].strip().splitlines()
    done = len(list((tmp_path / "out").iterdir()))
    assert (process.returncode, last) == (130, f"{done} of 60 inputs done, {60 - done} not tried")
