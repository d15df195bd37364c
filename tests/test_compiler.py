"""Compiled loops on disk: read-only installs, no home, damaged files, first runs at once. Real processes."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli.core import compiler

PROGRAM = """
import numpy as np, convcli, sys
from convcli.core import compiler
told = []
compiler.on_compiling(lambda: told.append(1))
assert convcli.filter2d(np.ones((4, 4), np.uint8), np.ones((3, 3)))[1, 1] == 9
(loop,) = compiler._compiled.values()
loaded = sum(loop.stats.cache_hits.values())
assert loaded + len(told) <= 1
sys.stdout.write(f"{compiler.cache_folder()}|{loaded}")
"""


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


@pytest.mark.parametrize("variable", ["CONVCLI_CACHE_DIR", "NUMBA_CACHE_DIR"])
@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "other types"])
def test_damaged_files_are_made_anew(tmp_path, damage, variable):
    """Whatever is in them, the result is right, and the next run is sound. Files that are not ours stay."""
    env = {variable: str(tmp_path / "cache")}
    finish(start(env))
    files = [path for path in (tmp_path / "cache").rglob("*.nb*")]
    assert len(files) == 2
    stranger = tmp_path / "cache" / "stranger.nbi"
    stranger.write_bytes(b"")
    for path in files:
        data = path.read_bytes()
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "garbage": b"\x80garbage" * 99}.get(damage, b"I1\n."))
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
    compiler.cache_folder.cache_clear()
    assert compiler.cache_folder() is None
    compiler.cache_folder.cache_clear()


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
    assert len(list((tmp_path / "cache").rglob("*.nbi"))) == 4, "an index for each combination of types"


def test_numba_cache_dir_is_respected(tmp_path):
    """Where the user keeps Numba's caches, ours goes too."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "CONVCLI_CACHE_DIR": str(tmp_path / "ours")}
    finish(start(env))
    assert list((tmp_path / "numba").rglob("*.nbc"))
    assert not list((tmp_path / "ours").rglob("*.nbc"))


def test_numbas_own_setting_is_left_alone():
    """Other users of Numba in the process see no change."""
    import numba

    from convcli import filter2d

    before = numba.config.CACHE_DIR
    filter2d(np.ones((4, 4), np.float32), np.ones((3, 3)))
    assert before == numba.config.CACHE_DIR


def test_a_full_disk_does_not_stop_the_work(tmp_path):
    """Compiled code that cannot be stored is used all the same, and nothing is removed."""
    env = {"CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + PROGRAM
    finish(start(env, program))
    assert finish(start(env))[1] is True
    shutil.rmtree(tmp_path / "cache")
