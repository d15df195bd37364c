"""Compiled loops on disk: read-only installs, no home, damaged files, first runs at once. Real processes."""

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
told = []
run.on_compiling(lambda: told.append(1))
assert convcli.filter2d(np.ones((4, 4), np.uint8), np.ones((3, 3)))[1, 1] == 9
assert ("numba" in sys.modules) == bool(told)
sys.stdout.write(f"{disk_cache.code_folder()}|{1 - len(told)}")
"""


def code_in(tmp_path):
    """The files of compiled code."""
    return list((tmp_path / "cache").rglob("correlate.correlate-*"))


def start(env, program=PROGRAM):
    """Start the program; env None removes a variable."""
    merged = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    return subprocess.Popen([sys.executable, "-c", program], env=merged, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """(cache folder, whether the loop was compiled anew) of a run that must succeed in silence."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b""), err.decode()
    folder, loaded = out.decode().split("|")
    return folder, loaded == "0"


def test_the_second_run_loads_what_the_first_compiled(tmp_path):
    """In the folder that was asked for."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    folder, compiled = finish(start(env))
    assert folder.startswith(str(tmp_path / "cache"))
    assert compiled
    assert finish(start(env)) == (folder, False)


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "one bit", "another loop"])
def test_damaged_files_are_made_anew(tmp_path, damage):
    """Whatever is in them, the result is right, and the next run is sound. Files that are not ours stay."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    finish(start(env))
    (path,) = code_in(tmp_path)
    stranger = tmp_path / "cache" / "stranger"
    stranger.write_bytes(b"")
    data = path.read_bytes()
    other = build(elementwise.add, "another", (np.ones(1), np.ones(1)))
    damaged = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "garbage": b"\x80garbage" * 99,
        "one bit": data[:-1] + bytes([data[-1] ^ 1]),
        "another loop": hashlib.sha256(other).digest() + other,
    }
    path.write_bytes(damaged[damage])
    finish(start(env))
    assert finish(start(env))[1] is False
    assert stranger.exists()


def test_no_home_and_read_only_everything(tmp_path):
    """Without any folder to write to, each run compiles and works. A file in place of each folder is unwritable to root too."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    nowhere = str(blocker / "x")
    env = {"CONVCLI_CACHE_DIR": None, "XDG_CACHE_HOME": nowhere, "HOME": nowhere, "TMPDIR": nowhere}
    program = "import tempfile; tempfile.tempdir = " + repr(nowhere) + "\n" + PROGRAM
    folder, compiled = finish(start(env, program))
    assert folder == "None"
    assert compiled


def test_no_home_falls_back_to_a_private_temporary_folder(tmp_path):
    """Named after the user, writable by nobody else."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    env = {"CONVCLI_CACHE_DIR": None, "XDG_CACHE_HOME": str(blocker), "HOME": str(blocker), "TMPDIR": str(tmp_path)}
    folder, _ = finish(start(env))
    assert folder.startswith(f"{tmp_path}/convcli-{os.getuid()}")
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700


def test_a_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    """Cache files are run as code."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "cache"))
    disk_cache.code_folder.cache_clear()
    assert disk_cache.code_folder() is None
    (told,) = disk_cache.refusals()
    assert told.startswith(f"{tmp_path}/cache: belongs to others, or others may write to it")
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").touch()
    (told,) = disk_cache.refusals()
    assert told.startswith(f"{tmp_path}/file/cache: cannot be written: ")
    disk_cache.code_folder.cache_clear()


def test_a_usual_umask_still_gives_a_private_folder(tmp_path):
    """Group-writable by default, as on Debian and Fedora for users."""
    cache = tmp_path / "home"
    cache.mkdir()
    program = "import os; os.umask(0o002)\n" + PROGRAM
    folder, _ = finish(start({"CONVCLI_CACHE_DIR": None, "XDG_CACHE_HOME": str(cache)}, program))
    assert folder.startswith(str(cache / "convcli"))


def test_eight_first_runs_at_once(tmp_path):
    """With different types each; every one is right, and so is every later run."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    types = ["uint8", "uint16", "float32", "float64"]
    programs = [PROGRAM.replace("np.uint8", f"np.{types[i % 4]}") for i in range(8)]
    for process in [start(env, program) for program in programs]:
        finish(process)
    for program in programs[:4]:
        assert finish(start(env, program))[1] is False
    assert len(code_in(tmp_path)) == 4, "a file for each combination of types"


def changed_in(path, name, read):
    """The bytes of a file, others if it has this name."""
    return read(path) + b"#" * (path.name == name)


@pytest.mark.parametrize("change", ["the loops", "the processor", "Numba"])
def test_code_of_another_making_is_not_taken(tmp_path, monkeypatch, change):
    """Its folder has another name."""
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path))
    names = []
    for changed in (False, True):
        for function in (disk_cache.code_folder, disk_cache._folder_name):
            function.cache_clear()
        if changed and change == "the processor":
            monkeypatch.setattr(disk_cache.llvm, "get_host_cpu_name", lambda: "another")
        if changed and change != "the processor":
            name = {"the loops": "correlate.py", "Numba": "_version.py"}[change]
            monkeypatch.setattr(Path, "read_bytes", functools.partialmethod(changed_in, name, Path.read_bytes))
        names.append(disk_cache.code_folder().name)
    assert len(set(names)) == 2
    for function in (disk_cache.code_folder, disk_cache._folder_name):
        function.cache_clear()


def make_root(out):
    """A loop that calls what a library outside must have."""
    out[0] = math.erf(out[0])


def test_code_that_cannot_stand_alone_is_run_by_numba(monkeypatch):
    """Nothing is kept of it."""
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


BESIDE = """
import numba, numpy as np, convcli
{before}
image, kernel = np.arange(72, dtype=np.uint8).reshape(8, 9), np.arange(6.0).reshape(2, 3) - 2
maps = [convcli.filter2d(image, kernel, method=method) for method in ("direct", "fft")]
assert np.allclose(*maps, atol=1e-3)

@numba.njit
def total(values, least):
    rest = np.empty(values.size)
    for i in range(values.size):
        rest[i] = min(values[i], least) + max(values[i], 2.0) + np.rint(values[i])
    return rest.sum(), np.sort(rest)[0], [rest, rest[1:]]

@numba.njit(parallel=True)
def count(values):
    found = 0
    for i in numba.prange(values.size):
        found += values[i] > 1
    return found

assert total(np.arange(4.0), 2.0)[:2] == (20, 2)
assert count(np.arange(9.0)) == 7
assert numba.config.OPT == 3
"""


@pytest.mark.parametrize("before", ["", "del numba.core.codegen.JITCodeLibrary"])
def test_numba_serves_a_program_as_before(tmp_path, before):
    """In the same process, after loops were compiled; and they are where Numba's inner parts have other names."""
    process = start({"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}, BESIDE.format(before=before))
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b""), err.decode()


UNTOUCHED = """
import threading
import numba, numpy as np, convcli
from numba.core import codegen, cpu, registry, runtime

OWNERS = [
    numba.config, codegen.CPUCodeLibrary, codegen.JITCodeLibrary, codegen.CPUCodegen, codegen.JITCPUCodegen, cpu.CPUContext,
    registry.CPUTarget, registry.CPUDispatcher,
]

def state():  # without what Python itself keeps in a class, as copy.copy does
    return [{{name: value for name, value in vars(owner).items() if name[:2] != "__"}} for owner in OWNERS]

def compiled():
    @numba.njit
    def total(values):
        found = 0
        for value in values:
            found += value * value
        return found, values.copy()

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
usual = compiled()
assert len(usual) > 50 and states and all(states) and state() == before
assert others and all(other == usual for other in others)
assert type(runtime.rtsys.library) is codegen.JITCodeLibrary
assert numba.core.registry.cpu_target.target_context.codegen().__class__ is codegen.JITCPUCodegen
"""


@pytest.mark.parametrize("first", ["", "compiled()"])
def test_nothing_of_numba_is_changed(tmp_path, first):
    """While a loop is compiled, other threads see Numba's classes as they are, and compile to the same code as ever."""
    process = start({"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}, UNTOUCHED.format(first=first))
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b""), err.decode()


@pytest.mark.parametrize("order", ["gaps", "backwards", "Fortran"])
def test_arrays_are_read_as_they_lie(order):
    """Each order in memory has code of its own."""
    cube = np.arange(60.0).reshape(4, 5, 3)
    values = {"gaps": cube[:, 0], "backwards": cube[::-1, 0], "Fortran": np.asfortranarray(cube[:, 0])}[order]
    for one in (np.ascontiguousarray(values), values):
        out = np.empty((4, 3))
        jit_run.run_loop(elementwise.premultiply, one, np.array([2.0, 3, 4, 5]), np.float64(2), out)
        np.testing.assert_array_equal(out, values * np.array([[1], [1.5], [2], [2.5]]))


def test_a_full_disk_does_not_stop_the_work(tmp_path):
    """Compiled code that cannot be stored is used all the same, and nothing is removed."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + PROGRAM
    finish(start(env, program))
    assert finish(start(env))[1] is True
    shutil.rmtree(tmp_path / "cache")


def scale_tables(tables, out):
    """A loop that reads a tuple of arrays."""
    out[0] = tables[0][0] + tables[1][0]


def other_tables(tables, out):
    """The same, and one more."""
    out[0] = tables[0][0] + tables[1][0] + 1


def test_a_loop_of_another_module_is_not_kept(monkeypatch):
    """Its source is no part of the cache folder's name: after a change, old code would be run. Those of ``loops`` are kept."""
    kept = []
    monkeypatch.setattr(jit_run, "keep_code", lambda name, code: kept.append(name))
    monkeypatch.setattr(jit_run, "read_code", lambda *_: None)
    monkeypatch.setattr(jit_run, "_compiled", {})
    out = np.zeros(1)
    jit_run.run_loop(scale_tables, (np.array([1.0]), np.array([2.5])), out)
    assert (out[0], kept) == (3.5, [])
    jit_run.run_loop(elementwise.add_number, np.float64(1), out)
    assert (out[0], [name.partition("-")[0] for name in kept]) == (4.5, ["elementwise.add_number"])


def test_the_key_of_compiled_code_names_all_types(monkeypatch):
    """The dtypes of tables in tuples too, and the module: a table of another dtype ran wrong machine code."""
    other_tables.__name__ = scale_tables.__name__
    monkeypatch.setattr(sys.modules[__name__], "scale_tables", scale_tables)
    for dtype in (np.int64, np.float32, np.float64, np.int32):
        out = np.zeros(1)
        jit_run.run_loop(scale_tables, (np.array([1], dtype), np.array([2.5])), out)
        assert out[0] == 3.5
    names = {jit_run._file_name(scale_tables, ((np.ones(1, dtype),), np.ones(1))) for dtype in (np.int64, np.float32)}
    assert len(names) == 2
    assert all(name.startswith("test_compiler.scale_tables-float64_1-") for name in names)
