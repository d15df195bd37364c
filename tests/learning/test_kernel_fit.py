"""The kernel that turns one picture into another: built-in kernels are found again, and what does not determine one is told."""

import json
import tomllib

import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import nnls

import convcli
from convcli.errors import ArgumentError
from convcli.kernels.kernel import Kernel
from convcli.learning.kernel_fit import fit_kernel

SMALL = sorted(
    name
    for name, kernel in convcli.load_kernels().items()
    if isinstance(kernel, Kernel) and len(kernel.shape) == 2 and max(kernel.shape) <= 7 and not kernel.offset
)


NOISE = np.random.default_rng(1).normal(size=(20, 20))


@pytest.fixture
def photo(samples):
    """A grey photo, 8 bits."""
    return np.asarray(PIL.Image.open(samples / "camera.png"))


@pytest.mark.parametrize("name", SMALL)
def test_built_in_kernels_are_found_from_8_bit_pairs(photo, name):
    """Within 0.005, from levels that are rounded and clipped; the stated errors are of the right size."""
    weights = convcli.kernel(name).weights
    after = convcli.filter2d(photo, weights, dtype=np.uint8)
    (fit,) = fit_kernel(photo, after, weights.shape, limits=(0, 255))
    assert np.abs(fit.weights - weights).max() < 0.005
    assert fit.clipped == (((after == 0) | (after == 255))[tuple(slice(k // 2, s - k // 2) for k, s in zip(
        weights.shape, photo.shape, strict=True))]).sum() or any(side % 2 == 0 for side in weights.shape)  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": (2, 3)},
        {"flip": True},
        {"padding": "valid"},
        {"padding": "full", "border": "zero"},
        {"border": "wrap"},
        {"stride": 2, "padding": "valid", "flip": True},
    ],
)
def test_all_ways_of_sliding(rng, options):
    """Exactly, from floats: with a border the pixels at the edges are used too."""
    image, kernel = rng.normal(size=(40, 50)), rng.normal(size=(4, 3))
    after = convcli.filter2d(image, kernel, **options) + 0.25
    known = {name: value for name, value in options.items() if name != "padding"}
    (fit,) = fit_kernel(image, after, kernel.shape, offset=True, **known)
    assert_allclose(fit.weights, kernel, atol=1e-10)
    assert fit.offset == pytest.approx(0.25)
    assert fit.residual < 1e-5  # the root of a difference of sums of squares
    assert fit.explained == pytest.approx(1)
    assert fit.samples == (after.size if "border" in options else fit.samples)


def test_channels(rng):
    """One kernel for all, one for each, one over all of them."""
    image, kernels = rng.normal(size=(30, 40, 3)), rng.normal(size=(3, 3, 3))
    each = np.stack([convcli.filter2d(image[..., c], kernels[c]) for c in range(3)], axis=2)
    assert_allclose([fit.weights for fit in fit_kernel(image, each, 3, channels="each")], kernels, atol=1e-10)
    (shared,) = fit_kernel(image, convcli.filter2d(image, kernels[0]), 3)
    assert_allclose(shared.weights, kernels[0], atol=1e-10)
    (over,) = fit_kernel(image, convcli.filter2d(image, kernels.transpose(1, 2, 0)), 3, channels="sum")
    assert_allclose(over.weights, kernels.transpose(1, 2, 0), atol=1e-10)
    with pytest.raises(ArgumentError, match="have 3 and 1 channels; with channels sum, a kernel sums over those of the first"):
        fit_kernel(image, each[..., 0], 3)


@pytest.mark.parametrize("total", [None, 1.0, 3.0])
def test_nonnegative_weights_and_sums_equal_scipy(rng, total):
    """By SciPy's nnls on all samples; a sum as a row of great weight."""
    for _ in range(20):
        image, kernel = rng.normal(size=(12, 14)), rng.normal(size=(3, 3))
        after = convcli.filter2d(image, kernel, padding="valid") + rng.normal(size=(10, 12))
        (fit,) = fit_kernel(image, after, 3, nonnegative=True, total=total)
        rows = np.lib.stride_tricks.sliding_window_view(image, (3, 3)).reshape(-1, 9)
        wanted = after.ravel()
        if total is not None:
            rows, wanted = np.vstack([rows, np.full(9, 1e5)]), np.append(wanted, 1e5 * total)
        expected, _ = nnls(rows, wanted)
        assert_allclose(fit.weights.ravel(), expected, atol=1e-6)
        (free,) = fit_kernel(image, after, 3, total=total)
        assert total is None or free.weights.sum() == pytest.approx(total)


def test_errors_of_weights_are_what_repetitions_show(rng):
    """The standard errors equal the spread of the weights over 200 draws of the noise, within a fifth."""
    image, kernel = rng.normal(size=(40, 40)), rng.normal(size=(3, 3))
    clean = convcli.filter2d(image, kernel, padding="valid")
    fits = [fit_kernel(image, clean + rng.normal(0, 0.5, clean.shape), 3)[0] for _ in range(200)]
    spread = np.std([fit.weights for fit in fits], axis=0)
    assert_allclose(np.mean([fit.errors for fit in fits], axis=0), spread, rtol=0.2)
    assert np.mean([fit.residual for fit in fits]) == pytest.approx(0.5, rel=0.02)


def test_a_ridge_prefers_small_weights(rng):
    """Equal to the closed formula; and pictures that do not determine a kernel do with it."""
    image = rng.normal(size=(20, 20))
    after = convcli.filter2d(image, [[1, 2, 1]], padding="valid")
    rows = np.lib.stride_tricks.sliding_window_view(image, (1, 3)).reshape(-1, 3)
    expected = np.linalg.solve(rows.T @ rows + 0.5 * len(rows) * np.eye(3), rows.T @ after.ravel())
    assert_allclose(fit_kernel(image, after, (1, 3), ridge=0.5)[0].weights[0], expected)
    (fit,) = fit_kernel(np.ones((9, 9)), np.ones((9, 9)), 3, ridge=0.01)
    assert_allclose(fit.weights, 1 / 9, atol=1e-3)


@pytest.mark.parametrize(
    ("before", "after", "size", "options", "message"),
    [
        (
            np.ones((9, 9)),
            np.ones((9, 9)),
            3,
            {},
            "determine the kernel: 8 of 9 combinations of its weights change nothing",
        ),
        (np.eye(9), np.ones((5, 5)), 3, {}, "a kernel of 3 x 3 with stride 1 x 1 makes of 9 x 9 pixels 9 x 9 for same, 7 x 7"),
        (np.eye(3), np.eye(3), 3, {}, "a kernel of 9 weights needs more samples than it has weights; there are 1"),
        (np.eye(9), np.full((9, 9), 255), 3, {"limits": (0, 255)}, "there are 0, and 49 were clipped"),
        (NOISE, NOISE, 3, {"total": -1, "nonnegative": True}, "must be above 0, got -1"),
        (np.eye(9), np.eye(9), 3, {"channels": "all"}, "channels must be one of shared, each, sum, got 'all'"),
        (np.full((9, 9), np.nan), np.eye(9), 3, {}, "before must hold finite numbers"),
        (np.eye(99), np.eye(99), 65, {}, "has more than 2048 weights to be fitted together"),
    ],
)
def test_what_determines_no_kernel_is_told(before, after, size, options, message):
    """In one line, with a remedy."""
    with pytest.raises(ArgumentError, match=message):
        fit_kernel(before, after, size, **options)


def test_the_command_prints_and_writes_a_kernel(run, samples, tmp_path, monkeypatch):
    """A kernel that is written is applied by its name; a name that is taken, and a broken file, are refused."""
    monkeypatch.chdir(tmp_path)
    run("apply", samples / "camera.png", "-k", "blur", "-o", "after.png")
    result = run("learn", "kernel", samples / "camera.png", "after.png")
    assert result.status == 0, result.err
    assert "learned  3 x 3" in result.out
    assert "residual 0.28" in result.out
    assert "99.998 % of the variance explained" in " ".join(result.out.split())
    (tmp_path / "kernels.toml").write_text("[kernels.mine]\nmatrix = [[1]]")
    written = run("learn", "kernel", samples / "camera.png", "after.png", "--sum", "1", "--nonnegative", "--name", "lens")
    assert written.err.splitlines()[-1] == "kernels.toml: lens added; apply it with -k lens"
    tables = tomllib.loads((tmp_path / "kernels.toml").read_text())["kernels"]
    assert tables["mine"] == {"matrix": [[1]]}
    assert_allclose(tables["lens"]["matrix"], np.outer([1, 2, 1], [1, 2, 1]) / 16, atol=0.005)
    assert run("kernels", "check", "kernels.toml").status == 0
    assert run("apply", samples / "camera.png", "-k", "lens", "-o", "again.png").status == 0
    again = run("learn", "kernel", samples / "camera.png", "after.png", "--name", "lens")
    assert (again.status, again.lines[-1]) == (2, "Error: kernels.toml: there is a kernel 'lens' already; give another --name")
    (tmp_path / "broken.toml").write_text("[kernels")
    assert run("learn", "kernel", samples / "camera.png", "after.png", "--name", "x", "-o", "broken.toml").status == 2
    assert (tmp_path / "broken.toml").read_text() == "[kernels"


def test_colours_to_grey_give_the_weights_of_the_channels(run, samples, tmp_path):
    """Those of --channels gray."""
    run("apply", samples / "astronaut.png", "-k", "identity", "--channels", "gray", "-o", tmp_path / "grey.png")
    result = run("learn", "kernel", samples / "astronaut.png", tmp_path / "grey.png", "--size", "1", "--json")
    (facts,) = json.loads(result.out)
    assert_allclose(facts["matrix"][0][0], [0.299, 0.587, 0.114], atol=0.001)


@pytest.mark.parametrize(
    "name", ["blur", "average", "gaussian:sigma=0.7", "sobel-x", "laplacian", "emboss", "kirsch-n", "disk"]
)
def test_jpeg_pairs(run, samples, tmp_path, name):
    """From a JPEG of quality 90, within 0.02: what JPEG loses is taken into account, beside clipped samples too."""
    run("apply", samples / "camera.png", "-k", name, "--range", "clip", "--quality", "90", "-o", tmp_path / "after.jpg")
    weights = convcli.kernel(name).weights
    size = "x".join(map(str, weights.shape))
    result = run("learn", "kernel", samples / "camera.png", tmp_path / "after.jpg", "--size", size, "--json")
    (facts,) = json.loads(result.out)
    assert np.abs(np.array(facts["matrix"]) - weights).max() < 0.02
