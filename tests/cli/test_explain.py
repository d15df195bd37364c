"""--method, --explain and convcli cache on the command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from convcli.engine.jit import disk_cache


def test_explain_gives_the_method_and_reason_of_each_kernel(run, samples, tmp_path):
    """On standard error during a run; with -n on standard output."""
    kernels = ["-k", "gaussian:sigma=3", "-k", "average:size=15", "-k", "sharpen", "-k", "sobel"]
    arguments = ["apply", samples / "astronaut.png", *kernels, "-o", tmp_path / "maps.npz", "--explain"]
    planned, done = run(*arguments, "-n"), run(*arguments)
    assert (planned.status, done.status) == (0, 0)
    for text in (planned.out, done.err):
        lines = [line.strip() for line in text.splitlines() if line.startswith("  ")]
        assert lines[0].startswith(
            "gaussian:sigma=3: separable (the kernel is a column times a row); rank 1, 50 multiply-adds per sample instead of "
            "625, 39.3 million in all, "
        )
        assert lines[1].startswith("average:size=15: box (all weights are the same); rank 1, 8 multiply-adds")
        assert lines[2].startswith("sharpen: direct (")
        assert [line.split(":")[0] for line in lines[3:]] == ["sobel-x", "sobel-y"]
        assert "kB per thread, error at most 3.8e-06 of its range" in lines[0]
        assert all(line.endswith("kB per thread, exact sums") for line in lines[1:])


def test_explain_is_in_json(run, samples, tmp_path):
    """JSON contains the figures; without --explain there are none."""
    arguments = ["apply", samples / "astronaut.png", "-k", "gaussian:sigma=3", "-o", tmp_path / "x.png", "--json", "-q"]
    (choice,) = json.loads(run(*arguments, "--explain", "--method", "direct").out.splitlines()[0])["outputs"][0]["ways"]
    assert (choice["kernel"], choice["method"], choice["reason"], choice["rank"]) == (
        "gaussian:sigma=3",
        "direct",
        "asked for",
        1,
    )
    assert choice["multiply_adds"] == 625 * 512 * 512 * 3
    assert 0 < choice["memory"] < 1e6
    assert 0 < choice["error"] <= 1e-5
    assert "ways" not in json.loads(run(*arguments).out.splitlines()[0])["outputs"][0]


def test_a_method_is_used_or_refused(run, samples, tmp_path):
    """The pictures are equal within rounding; a method that does not suit the kernel is an error."""
    pictures = []
    for method in ("direct", "separable"):
        out = tmp_path / f"{method}.png"
        assert (
            run("apply", samples / "astronaut.png", "-k", "gaussian:sigma=3", "--method", method, "-q", "-o", out).status == 0
        )
        pictures.append(np.asarray(PIL.Image.open(out)).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert (pictures[0] != pictures[1]).mean() <= 1e-4
    refused = run("apply", samples / "astronaut.png", "-k", "sharpen", "--method", "box", "-o", tmp_path / "x.png")
    assert (refused.status, len(refused.lines)) == (2, 1)
    assert "method box cannot be used: the kernel has weights that differ; leave the method out" in refused.err


def test_another_method_makes_an_output_again(run, samples, tmp_path):
    """Outputs of another method differ by rounding: --skip-existing makes them again."""
    arguments = ["apply", samples / "horse.png", "-k", "blur", "-q", "--json", "--skip-existing", "-o", f"{tmp_path}/out/"]
    for options, status in (([], "done"), ([], "skipped"), (["--method", "direct"], "done")):
        assert json.loads(run(*arguments, *options).out.splitlines()[0])["status"] == status


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for compiled code."""
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "cache"))
    disk_cache.code_folder.cache_clear()
    yield tmp_path / "cache"
    disk_cache.code_folder.cache_clear()


def test_the_cache_is_printed_and_cleared(run, folder):
    """Compiled loops of every version are removed, other files are not."""
    code_folder = disk_cache.code_folder()
    disk_cache.keep_code("a-loop", b"code")
    other = folder / f"other-{'0' * 16}"
    other.mkdir()
    (other / "b-loop").write_bytes((code_folder / "a-loop").read_bytes())
    for unrelated in (code_folder / "mine", folder / "mine.txt", folder / "data" / "a-loop"):
        unrelated.parent.mkdir(exist_ok=True)
        unrelated.write_bytes(b"mine" * 20)
    info = json.loads(run("cache", "info", "--json").out)
    assert info == {"folder": str(code_folder), "loops": 1, "bytes": 36, "others": 1, "bytes_of_others": 36}
    assert run("cache", "info").lines == []
    cleared = run("cache", "clear")
    assert (cleared.status, cleared.lines) == (0, ["2 loops removed"])
    remaining = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert remaining == sorted([f"{code_folder.name}/mine", "data/a-loop", "mine.txt"])
    assert not other.exists()


def test_a_warm_cache_needs_no_compiler(tmp_path, samples):
    """After ``cache warm``, pictures of every kind pass kernels and layers without Numba and without a message."""
    env = {**os.environ, "CONVCLI_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-m", "convcli", "cache", "warm", "-q"], env=env, check=True, timeout=300)
    rng = np.random.default_rng(0)
    PIL.Image.fromarray(rng.integers(0, 256, (20, 20, 4), dtype=np.uint8)).save(tmp_path / "alpha.png")
    PIL.Image.fromarray(rng.integers(0, 65536, (20, 20), dtype=np.uint16)).save(tmp_path / "deep.png")
    np.save(tmp_path / "real.npy", rng.normal(size=(20, 20)))
    program = "import sys; sys.argv[0] = 'convcli'; from convcli.cli.main import main; status = main(); "
    program += "assert 'numba' not in sys.modules; sys.exit(status)"
    shutil.copy(samples / "rocket.jpg", tmp_path)
    for name, out in (("alpha.png", "a.png"), ("deep.png", "d.png"), ("real.npy", "r.npy"), ("rocket.jpg", "h.jpg")):
        for kernel in ("sobel" if out != "r.npy" else "blur", "gaussian:sigma=1"):
            arguments = [
                "apply",
                tmp_path / name,
                "-k",
                kernel,
                "--range",
                "stretch",
                "-o",
                tmp_path / out,
                "-q",
                "--overwrite",
            ]
            result = subprocess.run(
                [sys.executable, "-c", program, *map(str, arguments)], env=env, capture_output=True, timeout=60
            )
            assert (result.returncode, result.stderr) == (0, b""), result.stderr.decode()
            assert Path(tmp_path / out).exists()
    layers = (
        "{ op = 'conv', bank = 'compass' }, { op = 'conv', bank = 'compass' }, { op = 'relu' }, { op = 'max-pool', size = 2 }, "
    )
    layers += "{ op = 'depthwise', bank = 'compass', stride = 2 }, { op = 'avg-pool', size = 2 }"
    (tmp_path / "n.toml").write_text(f"[networks.n]\ninput = {{ channels = 1 }}\nlayers = [{layers}]")
    for name in ("rocket.jpg", "real.npy", "alpha.png"):
        arguments = ["run", "n", tmp_path / name, "--config", tmp_path / "n.toml", "-o", tmp_path / "n.npy", "-q"]
        result = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], env=env, capture_output=True, timeout=60)
        assert (result.returncode, result.stderr) == (0, b""), result.stderr.decode()


@pytest.mark.parametrize(("folder", "notice"), [("new", "loops that this run is the first to need"), ("file", "on each run")])
def test_compilation_is_reported(samples, tmp_path, folder, notice):
    """The message says whether the loops will be compiled again."""
    (tmp_path / "file").write_text("mine")
    env = {**os.environ, "CONVCLI_CACHE_DIR": str(tmp_path / folder)}
    arguments = ["apply", samples / "horse.png", "-k", "blur", "-o", tmp_path / "o.png"]
    result = subprocess.run([sys.executable, "-m", "convcli", *map(str, arguments)], env=env, capture_output=True, timeout=60)
    assert notice in result.stderr.decode()


@pytest.mark.parametrize("options", [(), ("-n",)])
def test_an_unsuitable_method_is_refused_once(run, samples, tmp_path, options):
    """The error names the kernel, before a picture is read; in a dry run, too."""
    arguments = [
        "apply",
        samples / "horse.png",
        samples / "camera.png",
        "-k",
        "average:size=5",
        "-k",
        "gaussian:sigma=2",
        *options,
    ]
    result = run(*arguments, "--method", "box", "-o", f"{tmp_path}/out/")
    assert result.status == 2
    (line,) = result.lines
    assert "kernel 'gaussian:sigma=2': method box cannot be used: the kernel has weights that differ" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("method", "kernel"), [("fft", "gaussian:sigma=2"), ("box", "average"), ("separable", "sobel-x")])
@pytest.mark.parametrize("options", [(), ("--stride", "3"), ("--dilation", "2", "--padding", "full")])
def test_a_suitable_method_is_accepted(run, samples, tmp_path, method, kernel, options):
    """With any other options."""
    result = run("apply", samples / "horse.png", "-k", kernel, "--method", method, *options, "-o", tmp_path / "o.png")
    assert result.status == 0, result.err


def test_fft_of_weights_that_would_overflow_is_refused(run, tmp_path, rng):
    """They would overflow in float32, not in float64. Nothing is written then."""
    np.save(tmp_path / "large.npy", rng.random((31, 31)) * 1e30)
    for dtype, status in ((np.float64, 0), (np.float32, 1)):
        np.save(tmp_path / "in.npy", rng.random((40, 40)).astype(dtype) * 1e8)
        arguments = ["apply", tmp_path / "in.npy", "-k", f"@{tmp_path / 'large.npy'}", "--method", "fft", "--explain"]
        result = run(*arguments, "-o", tmp_path / f"{status}.npy")
        assert (result.status, (tmp_path / f"{status}.npy").exists()) == (status, status == 0), result.err
