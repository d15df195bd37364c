"""The compiled loops equal plain Python and use vector registers."""

import os
import platform
import re
import subprocess
import sys

import numpy as np
import pytest

import convcli
from convcli.engine import parallel_tasks
from convcli.engine.jit import compile as jit_compile

PROGRAM = """
import itertools, sys, numpy as np, convcli
from convcli.images.quantize import statistics_of
{before}
rng = np.random.default_rng(5)
image = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
kernel = rng.integers(-4, 5, (4, 5))
strided = {{"stride": (2, 3), "dilation": 2, "border": "wrap"}}
results = [convcli.filter2d(image, kernel, **options) for options in (
    {{}}, strided, {{"dtype": np.uint8, "flip": True}}, {{"dtype": np.int16}}, {{"method": "fft", "stride": 2}},
)]
large = rng.integers(0, 9, (14, 12))
results += [convcli.filter2d(image, large), convcli.filter2d(image, np.ones((9, 7)))]
wide = rng.integers(0, 256, (5, 300, 4), dtype=np.uint8)
results += [convcli.filter2d(wide[..., :c].astype(t), kernel, stride=2) for c in (1, 3, 4) for t in (np.uint8, np.float32)]
results += [convcli.conv2d(rng.integers(0, 9, (2, 7, 8)), rng.integers(-3, 4, (8, 2, 3, 3)), padding=1, stride=(1, 2))]
results += [convcli.conv2d(rng.integers(0, 9, (3, 30, 40)), rng.integers(-3, 4, (9, 3, 5, 5)), stride=s) for s in (3, 4)]
planes = rng.integers(0, 9, (3, 9, 40))
for side in (3, 5):  # rounded, as the method is not exact
    maps = convcli.conv2d(planes.astype(np.float32), rng.integers(-3, 4, (8, 3, side, side)), padding=1, method="winograd")
    results += [np.rint(maps) + 0]
results += [convcli.conv2d(planes, rng.integers(-3, 4, (6, 1, 3, 2)), groups=3, padding=1, stride=s) for s in (1, 2)]
results += [convcli.filter2d(wide, np.outer([3, 5], [30, 50, 7, 50, 30]), dtype=t) for t in (None, np.uint8)]
results += [pool(planes, 3, stride=s, padding=1) for pool in (convcli.max_pool2d, convcli.avg_pool2d) for s in (1, 2, 3)]
results += [convcli.lp_pool2d(planes, 3, norm_type=p, stride=s, padding=1) for p in (1, 2) for s in (1, 2, 3)]
boxes = [np.ones((4, 9)), np.ones((9, 31)), np.ones((1, 9)), np.ones((9, 1))]
for c, t in itertools.product((1, 2, 3, 4), (np.uint8, np.uint16, np.float32)):
    results += [convcli.filter2d(wide[..., :c].astype(t), box, dtype=t) for box in boxes]
response = rng.integers(-99, 99, 300).astype(np.float32)
response[[5, 290]] = np.nan
sys.stdout.write(repr([result.tolist() for result in results]) + repr(statistics_of(response, 0, 50)))
"""
OTHER_VECTORS = """
from convcli.engine.jit import compile as build, native
size = {128: 256, 256: 128}[native.vector_bytes()]
native.vector_bytes = build.vector_bytes = lambda: size
"""


def run_program(before="", **env):
    """Run the program and return its output."""
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, check=True).stdout


def test_compiled_and_plain_python_agree(tmp_path):
    """Compiled loops, the same loops in plain Python, and vectors of another width give exactly equal results."""
    compiled = run_program()
    assert len(compiled) > 1000
    assert run_program(NUMBA_DISABLE_JIT="1") == compiled
    assert run_program(OTHER_VECTORS, CONVCLI_CACHE_DIR=str(tmp_path)) == compiled


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the registers are those of x86-64")
@pytest.mark.parametrize("dtype", [None, np.uint8])
@pytest.mark.parametrize(("weight", "instructions"), [(0.3, r"v(?:fmadd\d+|mul)ps"), (1, r"v(?:pmullw|paddw)")])
def test_sums_run_in_vector_registers(dtype, weight, instructions, monkeypatch):
    """The multiply-adds of the tap loop and the conversion to levels use packed vector instructions."""
    called = []
    bound_call = parallel_tasks.BoundCall
    monkeypatch.setattr(
        parallel_tasks, "BoundCall", lambda *call, **options: called.append(call) or bound_call(*call, **options)
    )
    convcli.filter2d(np.zeros((8, 64, 3), np.uint8), np.diag([1, weight, 1]), dtype=dtype, threads=1)
    ((loop, arguments),) = called
    assembly = jit_compile.assembly(loop, arguments)
    assert len(re.findall(instructions + r"\s.*[yz]mm", assembly)) >= 8
    assert dtype is None or len(re.findall(r"vminps\s.*[yz]mm", assembly)) >= 4
