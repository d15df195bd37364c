"""Memory: the estimate for a picture from its header, and the limit."""

import compileall
import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

import convcli
from convcli.cli.options import read_size
from convcli.config.load import kernel, load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.drawing.options import SheetOptions
from convcli.engine.jit.disk_cache import kept_code
from convcli.errors import ImageError
from convcli.images.read import decode
from convcli.kernels.kernel import feature_maps
from convcli.networks import steps
from convcli.pipeline import memory_budget
from convcli.pipeline.apply_request import ApplyRequest
from convcli.pipeline.inputs import Search, find_inputs
from convcli.pipeline.loaded_network import LoadedNetwork
from convcli.pipeline.memory_budget import Budget, free_memory
from convcli.pipeline.memory_estimate import estimate
from convcli.pipeline.network_request import NetworkRequest
from convcli.pipeline.outputs import make_tasks
from convcli.range_rules import parse_range
from nets import network

SIDE = 2000


# The peak of a child includes the memory of its parent at the fork, so a small process starts it.
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def peak_of(*arguments):
    """The peak memory of any command, in bytes."""
    command = [sys.executable, "-m", "convcli", *arguments, "-q", "-j", "1"]
    result = subprocess.run([sys.executable, "-S", "-c", WATCH, *command], capture_output=True, check=True, timeout=60)
    return int(result.stdout)


@pytest.fixture(scope="module", autouse=True)
def compiled_modules():
    """Keep the bytecode of the package: without it each process compiles the modules, which takes 4 MB more than imports do."""
    compileall.compile_dir(Path(convcli.__file__).parent, quiet=2)


def base_peak_of(*arguments):
    """The peak memory of a command on a tiny picture, which compiles no loops: it is run again if it did."""
    count = len(list(kept_code()))
    base = peak_of(*arguments)
    return base if len(list(kept_code())) == count else peak_of(*arguments)


def make_picture(path, kind, side, rng):
    """Write a square picture of noise."""
    shape = {"L": (), "RGB": (3,), "RGBA": (4,), "deep": (3,)}[kind]
    levels = rng.integers(0, 256, (side, side, *shape), dtype=np.uint8)
    if kind == "deep":
        tifffile.imwrite(path, levels.astype(np.uint16) * 257, photometric="rgb")
    else:
        if kind == "RGBA":
            levels[:, :, 3] |= 128
        PIL.Image.fromarray(levels).save(path, compress_level=1)


FOUR_KERNELS = ("gaussian", "blur", "sobel-x", "edge")
OUTPUTS = [
    (("gaussian",), ".tif", "auto", "reflect"),
    (("gaussian",), ".tif", "stretch", "reflect"),
    (("sobel",), ".npy", "auto", "reflect"),
    (FOUR_KERNELS, ".npz", "auto", "reflect"),
    (FOUR_KERNELS, ".tif", "auto", "reflect"),
    (("gaussian",), ".tif", "auto", "linear-ramp"),
    (("gaussian",), ".npy", "auto", "linear-ramp"),
    (("sobel",), ".npy", "auto", "linear-ramp"),
    (FOUR_KERNELS, ".npz", "auto", "linear-ramp"),
]


CASES = [("RGB", *output) for output in OUTPUTS]
CASES += [(kind, *output) for first, kind in enumerate(("L", "RGBA", "deep")) for output in OUTPUTS[first::3]]
"""Each output from RGB and from one other kind of picture: a case takes two processes."""


def estimated_and_measured(tmp_path, rng, kind, kernels, out, options, **fields):
    """The estimate of a picture under kernels, and the measured peak, less that of a tiny picture."""
    paths = [tmp_path / f"{side}{'.tif' if kind == 'deep' else '.png'}" for side in (16, SIDE)]
    for path, side in zip(paths, (16, SIDE), strict=True):
        make_picture(path, kind, side, rng)
    options = [*(argument for kernel_text in kernels for argument in ("-k", kernel_text)), "-o", out, *options]
    base, measured = base_peak_of("apply", paths[0], *options), peak_of("apply", paths[1], *options)
    maps = tuple(feature_map for text in kernels for feature_map in feature_maps(kernel(text)))
    request = ApplyRequest(find_inputs([str(paths[1])], Search()), maps, out, **fields)
    (task,) = make_tasks(request)
    estimates = []
    with paths[1].open("rb") as file:
        decode(file, admit=lambda header: estimates.append(estimate(request, task.targets, header)))
    return estimates[0], measured - base


@pytest.mark.parametrize(("kind", "kernels", "suffix", "rule", "border"), CASES, ids=str)
def test_the_estimate_is_near_the_measured_peak(tmp_path, rng, kind, kernels, suffix, rule, border):
    """The estimate is within 25 % of the peak, less that of a tiny picture."""
    options, fields = ("--range", rule, "--border", border), {"range": parse_range(rule), "border": border}
    estimated, measured = estimated_and_measured(
        tmp_path, rng, kind, kernels, str(tmp_path / f"out{suffix}"), options, **fields
    )
    assert estimated == pytest.approx(measured, rel=0.25)


@pytest.mark.parametrize(
    ("kind", "kernels"), [("L", FOUR_KERNELS), ("RGB", FOUR_KERNELS), ("RGB", ("sobel",)), ("RGBA", ("sobel",))]
)
def test_the_estimate_of_a_sheet_is_near_the_measured_peak(tmp_path, rng, kind, kernels):
    """Its maps are in memory one at a time."""
    out = str(tmp_path / "out.png")
    estimated, measured = estimated_and_measured(tmp_path, rng, kind, kernels, out, ("--sheet",), sheet=SheetOptions())
    assert estimated == pytest.approx(measured, rel=0.25)


LAYERS = {
    "back": "{ op = 'conv', bank = 'compass', stride = 2 }, { op = 'transposed', file = 'w.npz', key = 't', stride = 2 }",
    "apart": "{ op = 'separable', file = 'w.npz', key = 'd', pointwise = 'p', padding = 1 }, { op = 'avg-pool', size = 2 }",
    "edges": "{ op = 'conv', bank = 'compass', padding = 'same' }, { op = 'relu' }, { op = 'max-pool', size = 2 }",
    "soft": "{ op = 'depthwise', bank = 'compass' }, { op = 'sigmoid' }, { op = 'softmax' }, { op = 'avg-pool', size = 2 }",
    "thin": "{ op = 'conv', file = 'w.npz', key = 'f', padding = 2, stride = 2, border = 'linear-ramp' }, { op = 'relu' }",
    "norm": "{ op = 'conv', bank = 'compass', stride = 2 }, { op = 'local-response-norm', size = 5 }, "
    "{ op = 'upsample', factor = 2 }",
    "power": "{ op = 'conv', bank = 'compass', padding = 'same' }, { op = 'lp-pool', size = 2, p = 3 }",
}


CASES_OF_NETWORKS = [(LAYERS[name], ".npz") for name in LAYERS] + [(LAYERS[name], ".npy") for name in ("back", "soft", "thin")]


@pytest.mark.parametrize(("layers", "suffix"), CASES_OF_NETWORKS)
def test_the_estimate_of_a_network_is_near_the_measured_peak(tmp_path, rng, layers, suffix):
    """The estimate is within 25 % of the peak, with one layer or two tapped."""
    config, out = tmp_path / "n.toml", str(tmp_path / f"out{suffix}")
    arrays = {"d": rng.normal(size=(3, 1, 3, 3)), "p": rng.normal(size=(8, 3)), "t": rng.normal(size=(8, 8, 2, 2))}
    arrays["f"] = rng.normal(size=(2, 3, 5, 5))
    np.savez(tmp_path / "w.npz", **arrays)
    config.write_text(f"[networks.n]\ninput = {{ channels = 3 }}\nlayers = [{layers}]")
    for side in (16, SIDE):
        make_picture(tmp_path / f"{side}.png", "RGB", side, rng)
    registry = load_registry([ConfigLocation(config, "test"), ConfigLocation(built_in_file(), "built in")])
    network = registry.network("n")
    taps = [network.layers[0].name, network.layers[-1].name][suffix == ".npy" :]
    arguments = ["-o", out, "--config", str(config), *(argument for tap in taps for argument in ("--tap", tap))]
    commands = [("run", "n", str(tmp_path / f"{side}.png"), *arguments) for side in (16, SIDE)]
    base, measured = base_peak_of(*commands[0]), peak_of(*commands[1])
    inputs = find_inputs([str(tmp_path / f"{SIDE}.png")], Search())
    model = LoadedNetwork(network, taps)
    request = NetworkRequest(inputs=tuple(inputs), maps=model.maps, output=out, model=model)
    (task,) = make_tasks(request)
    estimates = []
    with (tmp_path / f"{SIDE}.png").open("rb") as file:
        decode(file, admit=lambda header: estimates.append(estimate(request, task.targets, header)))
    assert estimates[0] == pytest.approx(measured - base, rel=0.25)


@pytest.mark.parametrize("kind", ["L", "RGB", "RGBA", "deep"])
def test_a_picture_too_large_is_refused_by_its_header(run, tmp_path, rng, kind):
    """Its pixels are not read: the file is truncated after its header. The other pictures are processed."""
    large, small = (tmp_path / f"{name}{'.tif' if kind == 'deep' else '.png'}" for name in ("large", "small"))
    make_picture(large, kind, 1000, rng)
    make_picture(small, kind, 50, rng)
    if kind != "deep":  # its directory is at the end
        large.write_bytes(large.read_bytes()[:200])
    result = run("apply", large, small, "-k", "blur", "-o", f"{tmp_path}/out/", "--max-memory", "3M", "-q")
    assert result.status == 1
    (line,) = result.lines
    assert line.startswith(f"Error: {large}: takes about ")
    assert line.endswith(" MB of memory with its maps, and 3 MB may be taken; raise that with --max-memory")
    assert [path.stem for path in (tmp_path / "out").iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("500", 500), ("2G", 2 * 10**9), ("1.5kb", 1500), ("2GiB", 2**31), ("1.5Mi", 3 * 2**19), ("1TB", 10**12), ("3b", 3)],
)
def test_sizes_are_parsed(text, size):
    """Units are powers of 1000, or of 1024 with an i."""
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "2X", "-1", "1e9", "G", "1 G", "0", "0.5", "1iB", "1i"])
def test_invalid_sizes_are_refused(run, samples, tmp_path, text):
    """They are wrong usage."""
    result = run("apply", samples / "horse.png", "-k", "blur", "-o", tmp_path / "x.png", f"--max-memory={text}")
    assert (result.status, result.lines) == (
        2,
        [f"Error: max-memory must be a number of bytes such as 500M or 2G, got {text!r}"],
    )


def test_pictures_wait_for_memory(run, tmp_path, rng, monkeypatch):
    """With room for two pictures, four jobs never take more, and the results equal those with room for all."""
    inputs = [tmp_path / f"{i}.png" for i in range(8)]
    for path in inputs:
        make_picture(path, "RGB", 300, rng)
    used = []
    lease = Budget.lease

    @contextlib.contextmanager
    def watched(budget):
        with lease(budget) as take:
            yield take
            used.append(budget.used)
            time.sleep(0.02)

    monkeypatch.setattr(Budget, "lease", watched)
    for size, name in (("2.5M", "tight"), ("1G", "wide")):
        result = run("apply", *inputs, "-k", "gaussian", "-j", 4, "--max-memory", size, "-o", f"{tmp_path}/{name}/", "-q")
        assert (result.status, result.err) == (0, "")
    assert max(used[:8]) <= 2.5e6 < max(used[8:])
    for path in inputs:
        assert (tmp_path / "tight" / path.name).read_bytes() == (tmp_path / "wide" / path.name).read_bytes()


def test_a_budget_is_never_overspent():
    """A request for more than is free waits until memory is released; one for more than the whole budget is refused."""
    budget = Budget(100)
    requested, granted = threading.Event(), threading.Event()

    def second():
        with budget.lease() as take:
            requested.set()
            take(50)
            granted.set()

    thread = threading.Thread(target=second)
    with budget.lease() as take:
        take(60)
        thread.start()
        assert requested.wait(60)
        assert not granted.wait(0.2)
        assert budget.used == 60
    assert granted.wait(60)
    thread.join(60)
    assert budget.used == 0
    with budget.lease() as take, pytest.raises(ImageError, match="takes about 101 bytes"):
        take(101)


def test_a_lease_that_grows_waits_for_more():
    """It reserves the difference; two that grow do not wait for each other."""
    budget = Budget(100)
    done = []

    def grow(first):
        with budget.lease() as take:
            take(first)
            barrier.wait(60)
            take(90)
            take(20)
            done.append(budget.used)

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=grow, args=(first,)) for first in (30, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (done, budget.used) == ([90, 90], 0)


@pytest.mark.parametrize("output", ["o.tif", "o{frame}.png"])
def test_each_frame_is_admitted(run, tmp_path, output):
    """Also one that is larger than the first."""
    with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
        for side in (8, 1000):
            writer.write(np.zeros((side, side), np.uint8), metadata=None, compression="zlib")
    result = run("apply", tmp_path / "pages.tif", "-k", "blur", "-o", tmp_path / output, "--max-memory", "1M", "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "pages.tif: its frame 1 takes about " in result.err
    assert result.err.endswith("and 1 MB may be taken; raise that with --max-memory\n")


@pytest.mark.parametrize("command", [("apply", "-k", "blur"), ("run", "one", "--config", "one.toml")])
def test_frames_that_an_encoder_holds_are_counted(run, tmp_path, monkeypatch, command):
    """All levels of an animation in AVIF: 60 frames of 10 kB in four copies."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.toml").write_text(
        "[networks.one]\ninput = { channels = 1 }\nlayers = [{ op = 'conv', kernel = 'blur', padding = 'same' }]"
    )
    np.save("s.npy", np.zeros((60, 100, 100), np.uint8))
    name, *options = command
    place = options[:1] if name == "run" else []
    arguments = (name, *place, "s.npy", "--axes", "ZYX", *options[len(place) :], "-o", "o.avif", "-q", "--max-memory")
    result = run(*arguments, "2M")
    assert (result.status, "takes about 2." in result.err) == (1, True)
    assert run(*arguments, "4M").status == 0


def test_free_memory_is_at_most_the_total():
    """Free memory is above 0 and at most the total."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = free_memory()
    assert free is not None
    assert 0 < free <= total


def test_the_strictest_control_group_limits_memory(tmp_path, monkeypatch):
    """Version 2, with a limit on the parent group; the file cache counts as free."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "max", 5_000_000), (inner.parent, "30000000", 25_000_000)):
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text(str(used))
        (folder / "memory.stat").write_text("anon 1\ninactive_file 4000000\n")
    monkeypatch.setattr(memory_budget, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_budget, "CGROUPS_OF_PROCESS", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("0::/outer/inner\n")
    assert free_memory() == 30_000_000 - 25_000_000 + 4_000_000


def test_prepared_weights_are_counted(tmp_path, rng):
    """Those that Winograd's method reads and those of kernels of one pixel; of a kernel that channels share, none are kept."""
    np.savez(tmp_path / "w.npz", b=rng.normal(size=(30, 30, 3, 3)), c=rng.normal(size=(6, 30)))
    layers = ["{ op = 'depthwise', kernel = 'blur', padding = 1 }", "{ op = 'conv', file = 'w.npz', key = 'b', padding = 1 }"]
    layers += ["{ op = 'relu' }", "{ op = 'pointwise', file = 'w.npz', key = 'c', layout = 'oi' }"]
    model = LoadedNetwork(network(tmp_path, layers, channels=30))
    model.compute(rng.normal(size=(30, 20, 20)).astype(np.float32))
    parts = [part for step in model._steps for part in step.compute.args]
    plans = [plan for part in parts for plan in getattr(part, "_kept", {}).values()]
    first, second = (plan.parts[0][0] for plan in plans)
    prepared = first.winograd_tables.value.tiles.weight.nbytes + second.layer_tables.value.weight.nbytes
    assert model.prepared_bytes == pytest.approx(prepared, rel=0.05)


def test_a_network_whose_preparation_fails_is_prepared_for_the_next_picture(tmp_path, rng, monkeypatch):
    """The memory may suffice then."""
    np.savez(tmp_path / "w.npz", c=rng.normal(size=(6, 3)))
    model = LoadedNetwork(network(tmp_path, ["{ op = 'pointwise', file = 'w.npz', key = 'c', layout = 'oi' }"], channels=3))
    make_steps = steps.make_steps

    def fails_once(*arguments):
        monkeypatch.setattr(steps, "make_steps", make_steps)
        raise MemoryError

    monkeypatch.setattr(steps, "make_steps", fails_once)
    x = rng.normal(size=(3, 4, 4)).astype(np.float32)
    with pytest.raises(MemoryError):
        model.compute(x)
    assert [maps.shape for maps in model.compute(x).values()] == [(6, 4, 4)]
    assert model.weights_digest
