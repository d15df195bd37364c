"""Compiled loops on disk: read-only installs, no home, damaged files, concurrent first runs. The tests start new processes."""

import functools
import hashlib
import math
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli.engine.jit import compile as build_module
from convcli.engine.jit import disk_cache
from convcli.engine.jit import run as jit_run
from convcli.engine.jit.compile import build
from convcli.engine.jit.native import Unfit
from convcli.engine.loops import elementwise

PROGRAM = """
import numpy as np, convcli, sys
from convcli.engine.jit import disk_cache, run
messages = []
run.on_compiling(lambda: messages.append(1))
assert convcli.filter2d(np.ones((4, 4), np.uint8), np.ones((2, 3)))[1, 1] == 6
assert ("numba" in sys.modules) == bool(messages)
sys.stdout.write(f"{disk_cache.code_folder()}|{1 - len(messages)}")
"""


def code_files(tmp_path):
    """The files of compiled code in the cache."""
    return list((tmp_path / "cache").rglob("correlate.correlate-*"))


def start(env, program=PROGRAM):
    """Start the program with changed environment variables; None removes a variable."""
    merged = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    return subprocess.Popen([sys.executable, "-c", program], env=merged, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """Wait for a run, which must succeed without messages. Return (cache folder, whether the loop was compiled)."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b""), err.decode()
    folder, loaded = out.decode().split("|")
    return folder, loaded == "0"


def test_the_second_run_loads_what_the_first_compiled(tmp_path):
    """The cache folder is the one of CONVCLI_CACHE_DIR."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    folder, compiled = finish(start(env))
    assert folder.startswith(str(tmp_path / "cache"))
    assert compiled
    assert finish(start(env)) == (folder, False)


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "one bit", "another loop"])
def test_damaged_files_are_compiled_again(tmp_path, damage):
    """The result is right whatever a file contains, and the next run loads again. Other files in the folder are left alone."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    finish(start(env))
    (path,) = code_files(tmp_path)
    unrelated = tmp_path / "cache" / "unrelated"
    unrelated.write_bytes(b"")
    data = path.read_bytes()
    other = build(elementwise.add, "another", (np.ones(1), np.ones(1)))
    damaged = {
        "empty": b"",
        "truncated": data[: len(data) // 2],
        "garbage": b"\x80garbage" * 99,
        "one bit": data[:-1] + bytes([data[-1] ^ 1]),
        "another loop": hashlib.sha256(other).digest() + other,
    }
    path.write_bytes(damaged[damage])
    finish(start(env))
    assert finish(start(env))[1] is False
    assert unrelated.exists()


def test_a_run_without_a_writable_folder_succeeds(tmp_path):
    """Without a writable folder, each run compiles. A file in place of a folder is unwritable for root too."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    nowhere = str(blocker / "x")
    env = {"CONVCLI_CACHE_DIR": None, "XDG_CACHE_HOME": nowhere, "HOME": nowhere, "TMPDIR": nowhere}
    program = "import tempfile; tempfile.tempdir = " + repr(nowhere) + "\n" + PROGRAM
    folder, compiled = finish(start(env, program))
    assert folder == "None"
    assert compiled


def test_no_home_falls_back_to_a_private_temporary_folder(tmp_path):
    """The folder is named after the user, and only the user can write to it."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    env = {"CONVCLI_CACHE_DIR": None, "XDG_CACHE_HOME": str(blocker), "HOME": str(blocker), "TMPDIR": str(tmp_path)}
    folder, _ = finish(start(env))
    assert folder.startswith(f"{tmp_path}/convcli-{os.getuid()}")
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    """Cache files are executed as code, so their folder must be private. The reason is reported."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "cache"))
    disk_cache.code_folder.cache_clear()
    assert disk_cache.code_folder() is None
    (message,) = disk_cache.refusals()
    assert message.startswith(f"{tmp_path}/cache: belongs to others, or others may write to it")
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").touch()
    (message,) = disk_cache.refusals()
    assert message.startswith(f"{tmp_path}/file/cache: cannot be written: ")
    disk_cache.code_folder.cache_clear()


def test_a_usual_umask_still_gives_a_private_folder(tmp_path):
    """A umask of 002, as Debian and Fedora set it for users, makes new folders group-writable."""
    cache = tmp_path / "home"
    cache.mkdir()
    program = "import os; os.umask(0o002)\n" + PROGRAM
    folder, _ = finish(start({"CONVCLI_CACHE_DIR": None, "XDG_CACHE_HOME": str(cache)}, program))
    assert folder.startswith(str(cache / "convcli"))


def test_eight_first_runs_at_once_succeed(tmp_path):
    """Concurrent first runs with different dtypes succeed, and later runs load their code."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    types = ["uint8", "uint16", "float32", "float64"]
    programs = [PROGRAM.replace("np.uint8", f"np.{types[i % 4]}") for i in range(8)]
    for process in [start(env, program) for program in programs]:
        finish(process)
    for program in programs[:4]:
        assert finish(start(env, program))[1] is False
    assert len(code_files(tmp_path)) == 4, "a file for each combination of types"


def read_changed(path, name, read):
    """Read a file, with other bytes if it has this name."""
    return read(path) + b"#" * (path.name == name)


@pytest.mark.parametrize("change", ["the loops", "the processor", "Numba"])
def test_code_of_another_version_is_not_loaded(tmp_path, monkeypatch, change):
    """The name of the cache folder depends on the loops, the processor and Numba."""
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path))
    names = []
    for changed in (False, True):
        for function in (disk_cache.code_folder, disk_cache._folder_name):
            function.cache_clear()
        if changed and change == "the processor":
            monkeypatch.setattr(disk_cache.llvm, "get_host_cpu_name", lambda: "another")
        if changed and change != "the processor":
            name = {"the loops": "correlate.py", "Numba": "_version.py"}[change]
            monkeypatch.setattr(Path, "read_bytes", functools.partialmethod(read_changed, name, Path.read_bytes))
        names.append(disk_cache.code_folder().name)
    assert len(set(names)) == 2
    for function in (disk_cache.code_folder, disk_cache._folder_name):
        function.cache_clear()


def make_root(out):
    """A loop that calls a function of an outside library."""
    out[0] = math.erf(out[0])


def test_code_that_needs_a_library_is_run_by_numba(monkeypatch):
    """Such code is not written to the cache."""
    monkeypatch.setattr(elementwise, "make_root", make_root)
    monkeypatch.setattr(elementwise, "math", math, raising=False)
    with pytest.raises(Unfit, match="loop needs erf"):
        build_module.build(make_root, "loop", (np.ones(3),))
    monkeypatch.setattr(jit_run, "keep_code", lambda *_: pytest.fail("was kept"))
    monkeypatch.setattr(jit_run, "read_code", lambda *_: None)
    monkeypatch.setattr(jit_run, "_compiled", {})
    values = np.ones(3)
    jit_run.run_loop(elementwise.make_root, values)
    assert values.tolist() == [math.erf(1), 1, 1]
    (loop,) = jit_run._compiled.values()
    assert type(loop.__wrapped__).__module__.startswith("numba")


NUMBA_PROGRAM = """
import numba, numpy as np, convcli
{before}
image, kernel = np.arange(72, dtype=np.uint8).reshape(8, 9), np.arange(6.0).reshape(2, 3) - 2
maps = [convcli.filter2d(image, kernel, method=method) for method in ("direct", "fft")]
assert np.allclose(*maps, atol=1e-3)

@numba.njit
def total(values, least):
    result = np.empty(values.size)
    for i in range(values.size):
        result[i] = min(values[i], least) + max(values[i], 2.0) + np.rint(values[i])
    return result.sum(), np.sort(result)[0], [result, result[1:]]

@numba.njit(parallel=True)
def count_above_one(values):
    count = 0
    for i in numba.prange(values.size):
        count += values[i] > 1
    return count

assert total(np.arange(4.0), 2.0)[:2] == (20, 2)
assert count_above_one(np.arange(9.0)) == 7
assert numba.config.OPT == 3
"""


@pytest.mark.parametrize("before", ["", "del numba.core.codegen.JITCodeLibrary"])
def test_numba_works_beside_convcli(tmp_path, before):
    """Numba works in the same process after convcli compiled its loops, also where internal classes of Numba are missing."""
    process = start({"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}, NUMBA_PROGRAM.format(before=before))
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b""), err.decode()


NUMBA_STATE_PROGRAM = """
import threading
import numba, numpy as np, convcli
from numba.core import codegen, cpu, registry, runtime

OWNERS = [
    numba.config, codegen.CPUCodeLibrary, codegen.JITCodeLibrary, codegen.CPUCodegen, codegen.JITCPUCodegen, cpu.CPUContext,
    registry.CPUTarget, registry.CPUDispatcher,
]

def state():  # without the attributes that Python itself stores in a class
    return [{{name: value for name, value in vars(owner).items() if name[:2] != "__"}} for owner in OWNERS]

def compiled():
    @numba.njit
    def total(values):
        squares = 0
        for value in values:
            squares += value * value
        return squares, values.copy()

    @numba.njit
    def factorial(n):
        return n * factorial(n - 1) if n > 1 else 1

    assert (total(np.arange(5))[0], factorial(np.int64(5))) == (30, 120)
    (assembly,) = total.inspect_asm().values()
    return [line.split()[0] for line in assembly.splitlines() if line[:1] == chr(9) and line[1] != "."]

def watch():
    while not done.wait(0.001):
        states.append(state() == before)

def compile_others():
    while not done.is_set():
        others.append(compiled())

{first}
before, states, others, done = state(), [], [], threading.Event()
threads = [threading.Thread(target=target) for target in (watch, compile_others)]
for thread in threads:
    thread.start()
convcli.filter2d(np.ones((4, 4), np.uint8), np.ones((3, 3)))
done.set()
for thread in threads:
    thread.join()
expected = compiled()
assert len(expected) > 50 and states and all(states) and state() == before
assert others and all(other == expected for other in others)
assert type(runtime.rtsys.library) is codegen.JITCodeLibrary
assert numba.core.registry.cpu_target.target_context.codegen().__class__ is codegen.JITCPUCodegen
"""


@pytest.mark.parametrize("first", ["", "compiled()"])
def test_numba_is_not_changed(tmp_path, first):
    """While a loop is compiled, other threads find Numba's classes unchanged and compile to the same code."""
    process = start({"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}, NUMBA_STATE_PROGRAM.format(first=first))
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b""), err.decode()


@pytest.mark.parametrize("order", ["gaps", "backwards", "Fortran"])
def test_arrays_of_every_memory_order_are_read(order):
    """Every memory order gives the right result: each has code of its own."""
    cube = np.arange(60.0).reshape(4, 5, 3)
    values = {"gaps": cube[:, 0], "backwards": cube[::-1, 0], "Fortran": np.asfortranarray(cube[:, 0])}[order]
    for array in (np.ascontiguousarray(values), values):
        out = np.empty((4, 3))
        jit_run.run_loop(elementwise.premultiply, array, np.array([2.0, 3, 4, 5]), np.float64(2), out)
        np.testing.assert_array_equal(out, values * np.array([[1], [1.5], [2], [2.5]]))


def test_a_full_disk_does_not_stop_a_run(tmp_path):
    """Compiled code that cannot be stored is used, and the next run compiles again."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + PROGRAM
    finish(start(env, program))
    assert finish(start(env))[1] is True
    shutil.rmtree(tmp_path / "cache")


def scale_tables(tables, out):
    """A loop that reads a tuple of arrays."""
    out[0] = tables[0][0] + tables[1][0]


def other_tables(tables, out):
    """The same, plus one."""
    out[0] = tables[0][0] + tables[1][0] + 1


def test_a_loop_of_another_module_is_not_kept(monkeypatch):
    """The cache folder's name does not depend on its source, so old code could run. Loops of ``loops`` are kept."""
    stored = []
    monkeypatch.setattr(jit_run, "keep_code", lambda name, code: stored.append(name))
    monkeypatch.setattr(jit_run, "read_code", lambda *_: None)
    monkeypatch.setattr(jit_run, "_compiled", {})
    out = np.zeros(1)
    jit_run.run_loop(scale_tables, (np.array([1.0]), np.array([2.5])), out)
    assert (out[0], stored) == (3.5, [])
    jit_run.run_loop(elementwise.add_number, np.float64(1), out)
    assert (out[0], [name.partition("-")[0] for name in stored]) == (4.5, ["elementwise.add_number"])


def test_the_key_of_compiled_code_contains_all_dtypes(monkeypatch):
    """Also those of tables in tuples, and the module; otherwise a table of another dtype runs wrong machine code."""
    other_tables.__name__ = scale_tables.__name__
    monkeypatch.setattr(sys.modules[__name__], "scale_tables", scale_tables)
    for dtype in (np.int64, np.float32, np.float64, np.int32):
        out = np.zeros(1)
        jit_run.run_loop(scale_tables, (np.array([1], dtype), np.array([2.5])), out)
        assert out[0] == 3.5
    names = {jit_run._file_name(scale_tables, ((np.ones(1, dtype),), np.ones(1))) for dtype in (np.int64, np.float32)}
    assert len(names) == 2
    assert all(name.startswith("test_compiler.scale_tables-float64_1-") for name in names)
