"""Shared fixtures: the sample pictures, and the command line in this process and in a new one."""

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
    """The result of a command line: exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def lines(self):
        """The lines of standard error."""
        return self.err.splitlines()


@pytest.fixture(scope="session", autouse=True)
def small_bands():
    """Lower the size from which pictures are cut into bands, so that small pictures use several threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "SMALLEST_BAND", 3000)
        yield


@pytest.fixture(scope="session", autouse=True)
def loops_are_kept():
    """Check at the end that all loops of the package that ran are in the modules whose machine code is cached."""
    yield
    modules = {loop.__module__ for loop, *_ in jit_run._compiled if loop.__module__.startswith("convcli.")}
    assert [module for module in modules if not module.startswith(jit_run.LOOPS_PACKAGE)] == []


@pytest.fixture(autouse=True)
def loops_run_again():
    """Allow loops after a test that interrupts a batch in this process: an interrupted process ends, and its loops stop."""
    yield
    jit_run.stop_loops(False)


@pytest.fixture
def samples():
    """The folder of sample pictures."""
    return ROOT / "samples"


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line in this process. Compilation is not reported, because it depends on the tests that ran before."""
    monkeypatch.setattr(jit_run, "on_compiling", lambda listener: None)

    def call(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def shell():
    """Run a command line in a new process. Further keywords go to subprocess.run."""

    def call(*arguments, env=None, **options):
        options = {"capture_output": True, "timeout": 120, **options}
        command = [
            sys.executable,
            "-m",
            "convcli",
            *(os.fspath(argument) if isinstance(argument, Path) else argument for argument in arguments),
        ]
        return subprocess.run(command, env={**os.environ, **(env or {})}, check=False, **options)

    return call


@pytest.fixture
def rng():
    """A random generator with a fixed seed."""
    return np.random.default_rng(20261121)
