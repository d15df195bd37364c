"""Shared fixtures: the sample pictures, the command line in this process and in its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from convcli.cli.main import main
from convcli.engine import layout
from convcli.engine.jit import run as jit_run

hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("steady")

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Result:
    """What a run of the command line left: exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def lines(self):
        """The lines of standard error."""
        return self.err.splitlines()


@pytest.fixture(scope="session", autouse=True)
def small_bands():
    """Small pictures are cut into bands for threads, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "SMALLEST_BAND", 3000)
        yield


@pytest.fixture
def samples():
    """The folder of sample pictures."""
    return ROOT / "samples"


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line in this process. It does not tell when it compiles: that depends on the tests before."""
    monkeypatch.setattr(jit_run, "on_compiling", lambda listener: None)

    def call(*words):
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def shell():
    """Run a command line in a process of its own; more keywords go to subprocess.run."""

    def call(*words, env=None, **options):
        options = {"capture_output": True, "timeout": 120, **options}
        command = [sys.executable, "-m", "convcli", *(os.fspath(w) if isinstance(w, Path) else w for w in words)]
        return subprocess.run(command, env={**os.environ, **(env or {})}, check=False, **options)

    return call


@pytest.fixture
def rng():
    """Random numbers, the same on every run."""
    return np.random.default_rng(20261121)
