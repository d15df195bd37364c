"""The compiled loops: the same as plain Python, and in vector registers."""

import os
import platform
import re
import subprocess
import sys

import numpy as np
import pytest

import convcli
from convcli.core import build, conv

PROGRAM = """
import sys, numpy as np, convcli
rng = np.random.default_rng(5)
image = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
kernel = rng.integers(-4, 5, (4, 5))
strided = {"stride": (2, 3), "dilation": 2, "border": "wrap"}
for options in ({}, strided, {"dtype": np.uint8, "flip": True}, {"dtype": np.int16}):
    sys.stdout.write(repr(convcli.filter2d(image, kernel, **options).tolist()))
"""


def test_compiled_and_plain_python_agree():
    """One body, run both ways: whole numbers, exact."""
    out = [
        subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, **env}, capture_output=True, check=True).stdout
        for env in ({}, {"NUMBA_DISABLE_JIT": "1"})
    ]
    assert out[0] == out[1]
    assert len(out[0]) > 1000


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the registers are those of x86-64")
@pytest.mark.parametrize("dtype", [None, np.uint8])
def test_sums_run_in_vector_registers(dtype, monkeypatch):
    """The multiply-adds of the tap loop, and the way to levels, work on packed numbers."""
    called = []
    monkeypatch.setattr(conv, "run_loop", lambda *call: called.append(call))
    convcli.filter2d(np.zeros((8, 64, 3), np.uint8), np.ones((3, 3)), dtype=dtype)
    ((loop, *arguments),) = called
    assembly = build.assembly(loop, tuple(arguments))
    assert len(re.findall(r"v(?:fmadd\d+|mul)ps\s.*[yz]mm", assembly)) >= 8
    assert dtype is None or len(re.findall(r"vminps\s.*[yz]mm", assembly)) >= 4
