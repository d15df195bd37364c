"""convcli learn network: training from files to weights, and what run does with them."""

import functools
import gzip
import json
import re
import struct

import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_array_equal

from convcli.errors import ArgumentError, ImageError
from convcli.learning import datasets
from convcli.learning.augmentation import Changes, changed
from convcli.learning.optimizers import Adam, Momentum
from convcli.learning.trained_network import TrainedNetwork
from convcli.learning.training import Training, TrainingOptions, error_of
from nets import network

LAYERS = """{ op = "conv", name = "c", filters = 4, size = 3 }
{ op = "relu" }
{ op = "max-pool", size = 2 }
{ op = "flatten" }
{ op = "dense", name = "d", units = 3 }
{ op = "softmax" }""".splitlines()
CONFIG = (
    "[networks.bars]\ninput = { channels = 1, size = 10, range = '0..1' }\nlabels = ['across', 'down', 'dot']\nlayers = [\n"
)
CONFIG += ",\n".join(LAYERS) + "\n]\n"


def bars(rng, count):
    """Pictures of bars across, bars down and dots, with noise, as 8-bit levels; and their classes."""
    pictures, classes = rng.integers(0, 60, (count, 10, 10)).astype("u1"), rng.integers(0, 3, count)
    for picture, kind in zip(pictures, classes, strict=True):
        y, x = rng.integers(2, 8, 2)
        picture[(slice(y, y + 1), slice(1, 9)) if kind == 0 else (slice(1, 9), slice(x, x + 1)) if kind == 1 else (y, x)] = 255
    return pictures, classes


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    """A folder with a config and data, which is the working folder."""
    x, y = bars(rng, 400)
    np.savez(tmp_path / "bars.npz", x=x, y=y)
    (tmp_path / "kernels.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_network_learns_and_reads(run, folder, rng):
    """It finds the classes of pictures that it never saw; the same seed gives the same bytes."""
    arguments = ("learn", "network", "bars", "bars.npz", "--epochs", "8", "--rate", "0.01", "--batch", "16")
    result = run(*arguments, "-o", "w.npz")
    assert result.status == 0, result.err
    lines = result.err.splitlines()
    assert lines[0] == "360 pictures to learn from, 40 held out; 235 parameters"
    assert lines[1].startswith("epoch 1/8: loss ")
    assert "across  down  dot" in result.out
    run(*arguments, "-o", "again.npz", "-q")
    assert (folder / "w.npz").read_bytes() == (folder / "again.npz").read_bytes()
    x, y = bars(rng, 60)
    names = [f"{index}.png" for index in range(60)]
    for name, picture in zip(names, x, strict=True):
        PIL.Image.fromarray(picture).save(name)
    found = run("run", "bars", *names, "--weights", "w.npz", "--top", "1", "--json")
    assert found.status == 0, found.err
    labels = [json.loads(line)["classes"][0]["label"] for line in found.out.splitlines()]
    assert np.mean([label == ("across", "down", "dot")[kind] for label, kind in zip(labels, y, strict=True)]) > 0.9
    line = run("run", "bars", "0.png", "--weights", "w.npz").out
    assert line.startswith("0.png: ")
    assert line.count("(") == 3


def test_a_run_that_is_resumed_ends_as_one_that_was_not(run, folder):
    """From the state after the epochs that were done."""
    arguments = ("learn", "network", "bars", "bars.npz", "-q", "--schedule", "constant")
    run(*arguments, "-o", "whole.npz", "--epochs", "4", "--resume", "a.npz")
    run(*arguments, "-o", "part.npz", "--epochs", "2", "--resume", "b.npz")
    run(*arguments, "-o", "part.npz", "--epochs", "4", "--resume", "b.npz")
    with np.load("a.npz") as whole, np.load("b.npz") as parts:
        assert set(whole) == set(parts)
        for name in whole:
            assert_array_equal(whole[name], parts[name])


def test_folders_and_idx_files_hold_the_same_pictures(folder, rng):
    """Class folders, .npz, IDX files, gzipped ones: the same arrays."""
    from convcli.pipeline.learn_network import read_dataset

    net = network(folder, LAYERS, size=(10, 10), range="'0..1'")
    x, y = bars(rng, 12)
    y[:3] = [0, 1, 2]
    np.savez(folder / "d.npz", x=x, y=y)
    for number in range(12):
        place = folder / "classes" / str(y[number])
        place.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(x[number]).save(place / f"{number}.png")
    idx = folder / "idx"
    idx.mkdir()
    (idx / "train-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *x.shape) + x.tobytes())
    labels = struct.pack(">4BI", 0, 0, 8, 1, 12) + y.astype("u1").tobytes()
    (idx / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    whole = read_dataset(folder / "d.npz", net)
    assert whole.pictures.shape == (12, 1, 10, 10)
    assert (whole.pictures.dtype, whole.pictures.max()) == (np.float32, 1.0)
    for path in (idx, idx / "train-images-idx3-ubyte"):
        found = read_dataset(path, net)
        assert_array_equal(found.pictures, whole.pictures)
        assert_array_equal(found.classes, y)
    order = np.argsort(y, kind="stable")
    found = read_dataset(folder / "classes", net)
    assert found.labels == ("0", "1", "2")
    assert_array_equal(found.pictures, whole.pictures[order])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file or folder"),
        (lambda path: path.mkdir(), "must hold a folder of pictures for each of two or more classes, and holds 0"),
        (lambda path: [(path / name).mkdir(parents=True) for name in "ab"], "no pictures in the folders of its classes, a, b"),
        (lambda path: path.write_bytes(b"x"), "is not a readable .npz file"),
        (lambda path: np.savez(path, x=np.zeros((3, 10, 10))), "must hold the arrays x and y, and there is no y.npy"),
        (lambda path: np.savez(path, x=np.zeros((3, 10, 10)), y=np.zeros(2)), "a class for each of the 3 pictures, got shape"),
        (
            lambda path: np.savez(path, x=np.zeros((3, 10, 10)), y=np.zeros(3)),
            "whole numbers from 0, or texts, got dtype",
        ),
        (lambda path: np.savez(path, x=np.zeros((3, 99, 10), "u1"), y=np.arange(3)), "and the pictures have 1 of 10 x 99"),
        (lambda path: np.savez(path, x=np.zeros(3), y=np.arange(3)), "must hold pictures .N, H, W. or"),
        (lambda path: np.savez(path, x=np.zeros((9, 9, 9), object), y=np.arange(9)), "is not a readable .npz file"),
    ],
)
def test_data_that_cannot_be_used_are_told(folder, make, message):
    """In one line that names the file or folder."""
    from convcli.pipeline.learn_network import read_dataset

    path = folder / "data.npz"
    make(path)
    with pytest.raises((ImageError, ArgumentError), match=message):
        read_dataset(path, network(folder, LAYERS, size=(10, 10)))


def test_text_labels_and_one_of_several(rng):
    """Classes may be texts, or rows of which one number is 1."""
    found = datasets.dataset_of(np.zeros((3, 4, 4)), np.array(["dog", "cat", "dog"]))
    assert (found.labels, found.classes.tolist()) == (("cat", "dog"), [1, 0, 1])
    assert datasets.dataset_of(np.zeros((2, 4, 4)), np.eye(3)[[2, 0]]).classes.tolist() == [2, 0]
    learn, held = datasets.split(datasets.dataset_of(np.zeros((100, 4, 4)), np.arange(100) % 4), 0.2, 3)
    assert np.bincount(held.classes).tolist() == [5] * 4
    assert len(learn.classes) == 80


def test_optimisers_take_the_published_steps(rng):
    """Adam by its algorithm 1, written down; momentum as PyTorch's documentation says."""
    for optimizer in (Adam(), Momentum(0.9)):
        value, mean, square, velocity = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2), np.zeros(2)
        parameters = {"w": value.copy()}
        for step in range(1, 6):
            gradient = rng.normal(size=2)
            optimizer.step(parameters, {"w": gradient}, 0.1)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            velocity = 0.9 * velocity + gradient
            adam = 0.1 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            value -= adam if isinstance(optimizer, Adam) else 0.1 * velocity
            np.testing.assert_allclose(parameters["w"], value, rtol=1e-9)


def test_affine_changes_equal_scipy(rng):
    """A rotation about the middle, and a shift, between four pixels; paper beyond the edges."""
    from scipy.ndimage import map_coordinates

    from convcli.engine.jit.run import run_loop
    from convcli.engine.loops.gradients import sample_affine

    picture = rng.uniform(size=(1, 1, 9, 12)).astype("f4")
    matrix = np.array([[0.9, 0.3, -1.2, -0.2, 1.1, 0.7]], "f4")
    out = np.empty_like(picture)
    run_loop(sample_affine, picture, matrix, np.float32(0.25), out)
    y, x = np.mgrid[:9, :12]
    places = [0.9 * y + 0.3 * x - 1.2, -0.2 * y + 1.1 * x + 0.7]
    expected = map_coordinates(picture[0, 0], places, order=1, mode="grid-constant", cval=0.25)
    np.testing.assert_allclose(out[0, 0], expected, atol=1e-5)
    same = changed(picture, Changes(), np.random.default_rng(0), 0.0)
    np.testing.assert_allclose(same, picture, atol=1e-6)
    moved = changed(np.tile(picture, (50, 1, 1, 1)), Changes(0.2, 0.1, 0.1, 0.1), np.random.default_rng(0), 0.0)
    assert np.ptp(moved, axis=0).max() > 0.1


def test_batch_statistics_are_kept_for_evaluation(folder, rng):
    """A network with batch-norm gives the same alone as in a batch, once it is trained."""
    layers = [LAYERS[0], '{ op = "batch-norm" }', *LAYERS[1:]]
    net = TrainedNetwork(network(folder, layers, size=(10, 10)), 0)
    x, y = bars(rng, 64)
    data = datasets.dataset_of(x.astype("f4")[:, None] / 255, y)
    for _ in Training(net, data, data, TrainingOptions(epochs=20, rate=0.02)).run():
        pass
    outputs = net.outputs(data.pictures)
    np.testing.assert_allclose(net.outputs(data.pictures[3:4]), outputs[3:4], atol=1e-4)
    assert error_of(net, data) < 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bars", "bars.npz", "-o", "w.txt"), "weights are written as .npz or .safetensors"),
        (("bars", "bars.npz", "-o", "none/w.npz"), "its folder cannot be written"),
        (("bars", "bars.npz", "-o", "bars.npz"), "the output is an input"),
        (("edge-energy", "bars.npz", "-o", "w.npz"), "takes pictures of any size; give its input a size to train it"),
        (
            ("bars", "bars.npz", "-o", "w.npz", "--augment", "turn=2"),
            "augment must be none, digits, or some of rotation=",
        ),
        (("bars", "bars.npz", "-o", "w.npz", "--held-out", "1"), "held-out must be a share from 0 to less than 1"),
        (("bars", "bars.npz", "-o", "w.npz", "--rate", "1e30", "--optimizer", "sgd"), "the loss is .*; give a smaller --rate"),
        (("bars", "bars.npz", "-o", "w.npz", "--weights", "bars.npz"), "bars.npz: holds no array of network 'bars'"),
        (("bar", "bars.npz", "-o", "w.npz"), "network 'bar' is unknown; did you mean 'bars'"),
    ],
)
def test_wrong_usage_is_told(run, folder, arguments, message):
    """In one line, and nothing is written."""
    result = run("learn", "network", *arguments, "--epochs", "2")
    assert result.status == 2
    assert any(re.search(message, line) for line in result.lines), result.err
    assert not (folder / "w.npz").exists()


@pytest.mark.parametrize("arguments", [
    ("-o", "other.npz", "--held-out", "other.npz"),
    ("-o", "w.npz", "--resume", "bars.npz"),
    ("-o", "w.npz", "--held-out", "other.npz", "--resume", "other.npz"),
    ("-o", "other.npz", "--resume", "other.npz"),
    ("-o", "w.npz", "--resume", "./w.npz"),
])  # fmt: skip
def test_no_file_that_is_read_is_replaced(run, folder, arguments):
    """Neither by weights nor by the state, and neither of these by the other."""
    data = (folder / "bars.npz").read_bytes()
    (folder / "other.npz").write_bytes(data)
    result = run("learn", "network", "bars", "bars.npz", *arguments, "--epochs", "1", "-q")
    assert (result.status, len(result.lines)) == (2, 1)
    assert (folder / "other.npz").read_bytes() == (folder / "bars.npz").read_bytes() == data
    assert not (folder / "w.npz").exists()


def test_an_interrupt_keeps_the_best_weights(folder):
    """Ctrl-C after an epoch: the weights of the best one are in the file, and the exit status is 130."""
    import signal
    import subprocess
    import sys
    import time

    command = [sys.executable, "-m", "convcli", "learn", "network", "bars", "bars.npz", "-o", "w.npz", "--epochs", "4000"]
    accept_sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a job in the background ignores it
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=accept_sigint) as process:
        for _ in range(600):
            if (folder / "w.npz").exists():
                break
            time.sleep(0.1)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the best weights so far are in w.npz" in errors
    with np.load(folder / "w.npz") as weights:
        assert set(weights) == {"c.weight", "c.bias", "d.weight", "d.bias"}


def test_nothing_is_held_out_and_the_last_epoch_is_kept(run, folder):
    """All pictures are learned, no error is reported for none, and the weights are those after the last epoch."""
    arguments = ("learn", "network", "bars", "bars.npz", "-o", "w.npz", "--epochs", "3", "--held-out", "0")
    result = run(*arguments, "--resume", "state.npz")
    assert (result.status, result.out) == (0, "")
    assert result.err.splitlines()[0] == "400 pictures to learn from, 0 held out; 235 parameters"
    assert "held out" not in "".join(result.err.splitlines()[1:])
    with np.load("w.npz") as weights, np.load("state.npz") as state:
        for name in weights:
            assert_array_equal(weights[name], state[f"parameter/{name}"])
    (folder / "w.npz").unlink()
    lines = run(*arguments, "--json").out.splitlines()
    assert [json.loads(line)["held_out"] for line in lines] == [None] * 3


def test_kernels_are_drawn_after_each_epoch(run, folder):
    """As 'view' draws those of the weights that are kept; a network without kernels is refused before it is trained."""
    arguments = ("learn", "network", "bars", "bars.npz", "-q", "--held-out", "0", "--sheets", "sheets", "-o", "w.npz")
    assert run(*arguments, "--epochs", "2").status == 0
    assert sorted(path.name for path in (folder / "sheets").iterdir()) == ["c-1.png", "c-2.png"]
    (folder / "kernels.toml").write_text(CONFIG.replace("labels", 'weights = "w.npz"\nlabels'))
    run("view", "--network", "bars", "-o", "view.png")
    drawn = [np.asarray(PIL.Image.open(name)) for name in ("sheets/c-1.png", "sheets/c-2.png", "view.png")]
    assert_array_equal(drawn[1], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])
    before = (folder / "sheets" / "c-2.png").read_bytes()
    again = run(*arguments[:-1], "again.npz", "--epochs", "3")
    assert (again.status, again.lines) == (2, ["Error: sheets/c-1.png: exists already; give --sheets another folder"])
    assert (folder / "sheets" / "c-2.png").read_bytes() == before
    flat = "[networks.flat]\ninput = { channels = 1, size = 10 }\nlayers = [{ op = 'flatten' }, { op = 'dense', units = 3 }]\n"
    (folder / "kernels.toml").write_text(flat)
    refused = run("learn", "network", "flat", "bars.npz", "-o", "f.npz", "--sheets", "more")
    assert (refused.status, (folder / "f.npz").exists()) == (2, False)
    assert "network 'flat' has no kernels to draw; leave out --sheets" in refused.err


def test_a_state_of_another_training_is_refused(run, folder, rng):
    """Of other pictures, another seed or another share held out; more epochs may follow."""
    arguments = ("learn", "network", "bars", "-q", "-o", "w.npz", "--resume", "state.npz")
    assert run(*arguments, "bars.npz", "--epochs", "1").status == 0
    x, y = bars(rng, 90)
    np.savez("other.npz", x=x, y=y)
    for changed_arguments in (("other.npz",), ("bars.npz", "--seed", "7"), ("bars.npz", "--held-out", "0.3")):
        result = run(*arguments, *changed_arguments, "--epochs", "2")
        assert (result.status, len(result.lines)) == (2, 1)
        assert "the state to resume from is that of other pictures, another seed, batch or optimizer" in result.err
    assert run(*arguments, "bars.npz", "--epochs", "2").status == 0


def test_weights_and_data_that_do_not_fit_are_told(run, folder, rng):
    """Before training, with the file, what it must have, and what it holds."""
    x, y = bars(rng, 30)
    y[0] = 5
    np.savez("more.npz", x=x, y=y)
    np.savez("nan.npz", x=np.full((6, 10, 10), np.nan), y=np.arange(6) % 3)
    np.savez("bank.npz", filters=np.ones((2, 1, 3, 3)))
    PIL.Image.fromarray(x[0]).save("0.png")
    (folder / "one" / "a").mkdir(parents=True)
    learn = ("learn", "network", "bars", "-o", "w.npz", "--epochs", "1")
    cases = [
        ((*learn, "bars.npz", "--held-out", "more.npz"), 2, "have 6 classes, and network 'bars' gives 3 numbers"),
        ((*learn, "nan.npz"), 1, "nan.npz: x must hold finite numbers"),
        ((*learn, "one"), 1, "must hold a folder of pictures for each of two or more classes, and holds 1"),
        ((*learn, "bars.npz", "--weights", "bank.npz"), 2, "bank.npz: holds no array of network 'bars', such as c.weight"),
        (("run", "bars", "0.png", "--weights", "bank.npz"), 2, "bank.npz: has no array c.weight for a layer of network 'bars'"),
        (("run", "edge-energy", "0.png", "-o", "x.npy", "--weights", "bank.npz"), 2, "bank.npz: has no array edges.weight"),
    ]
    for arguments, status, message in cases:
        result = run(*arguments)
        assert (result.status, len(result.lines)) == (status, 1), arguments
        assert message in result.err
        assert not (folder / "w.npz").exists()


def test_names_of_classes_are_told_as_labels(run, folder, rng):
    """In the form that a config takes."""
    x, _ = bars(rng, 8)
    for number, name in enumerate(("dog", "cat") * 4):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(x[number]).save(folder / "data" / name / f"{number}.png")
    (folder / "kernels.toml").write_text(CONFIG.replace("labels = ['across', 'down', 'dot']\n", ""))
    result = run("learn", "network", "bars", "data", "-o", "w.npz", "--epochs", "1")
    assert 'labels = ["cat", "dog"]' in result.err
