"""Filters from patches: each method finds what is known, Gabor fits find what was drawn, and the command writes a bank."""

import json

import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_allclose

import convcli
from convcli.errors import ArgumentError
from convcli.kernels.weight_files import load_weights
from convcli.kernels.weights import WeightsFile
from convcli.learning import filter_methods
from convcli.learning.gabor_fit import bandwidth_of, fit_gabor
from convcli.learning.patches import Whitening, low_passed, sample_patches


def nothing(done, total):
    """Report nothing."""


def matched(found, true):
    """For each true direction, the largest absolute cosine with one that was found."""
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    return np.abs(unit @ (true / np.linalg.norm(true, axis=1, keepdims=True)).T).max(axis=0)


def test_independent_components_are_unmixed(rng):
    """Mixed Laplacian sources: FastICA finds each direction; scikit-learn's example of blind separation, in numbers."""
    sources = rng.laplace(size=(20_000, 6)) / np.sqrt(2)
    white = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    found = filter_methods.independent_components(sources @ white.T, 6, np.random.default_rng(0), nothing)
    assert_allclose(found @ found.T, np.eye(6), atol=1e-5)
    assert matched(found, white.T).min() > 0.99


def test_sparse_coding_finds_the_dictionary(rng):
    """Sums of 2 of 16 patterns in 8 dimensions: twice as many patterns as dimensions, and all are found."""
    patterns = rng.normal(size=(16, 8))
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    codes = np.zeros((12_000, 16))
    for row in codes:
        row[rng.choice(16, 2, replace=False)] = rng.choice([-1, 1], 2) * rng.uniform(2, 4, 2)
    found = filter_methods.sparse_dictionary(codes @ patterns, 16, np.random.default_rng(1), nothing)
    assert_allclose(np.linalg.norm(found, axis=1), 1)
    found_as = np.sort(matched(found, patterns))
    assert (found_as[0], found_as[4]) > (0.7, 0.93)


def test_sparse_codes_equal_the_conditions_of_optimality(rng):
    """Lasso: where a code is not 0, the correlation of the residual is the penalty; elsewhere it is at most that."""
    patterns, x = rng.normal(size=(12, 8)), rng.normal(size=(5, 8))
    codes = filter_methods.sparse_codes(x, patterns, 0.4, 3000)
    slopes = (x - codes @ patterns) @ patterns.T
    assert (np.abs(slopes) <= 0.4 + 1e-6).all()
    assert_allclose(slopes[codes != 0], 0.4 * np.sign(codes[codes != 0]), atol=1e-6)


def test_spherical_means_find_directions(rng):
    """Patches along one of four directions, of either sign."""
    directions = np.eye(5)[:4] + 0.2 * rng.normal(size=(4, 5))
    patches = directions[rng.integers(0, 4, 5000)] * rng.choice([-1, 1], (5000, 1)) * rng.uniform(1, 2, (5000, 1))
    patches += 0.05 * rng.normal(size=patches.shape)
    found = filter_methods.spherical_means(patches, 4, np.random.default_rng(3), nothing)
    assert np.sort(matched(found, directions))[1:].min() > 0.99


def test_whitened_patches_have_the_variance_1(rng):
    """And no correlations; ZCA is symmetric. The directions are NumPy's principal components."""
    mixing = np.eye(9) + 0.2 * rng.normal(size=(9, 9))
    patches = rng.normal(size=(4000, 9)) @ mixing
    whitening = Whitening(patches)
    white = whitening.white(patches)
    assert_allclose(white.T @ white / len(white), np.eye(9), atol=0.03)
    _, _, directions = np.linalg.svd(patches, full_matrices=False)
    assert_allclose(np.abs((whitening.directions.T * directions).sum(axis=1)), 1, atol=1e-6)
    zca = whitening.zca(np.eye(9))
    assert_allclose(zca, zca.T, atol=1e-10)


def test_patches_come_from_everywhere_in_proportion(rng):
    """Each without its mean; of pictures that say where they are."""
    first, second = np.full((20, 30, 1), 0.0), np.full((40, 30, 1), 100.0)
    for picture in (first, second):
        picture += rng.normal(size=picture.shape)
    patches = sample_patches([first, second], (4, 4), 3000, rng)
    assert patches.shape == (3000, 16)
    assert_allclose(patches.mean(axis=1), 0, atol=1e-12)
    with pytest.raises(ArgumentError, match="a picture of 30 x 20 has no patch of 4 x 21"):
        sample_patches([first], (21, 4), 10, rng)


def test_the_spectral_whitening_is_that_of_the_paper():
    """R(f) = f exp(-(f / f0)^4): a wave of 100 cycles on 512 pixels is multiplied by 100 / 512 exp(-(1 / 2)^4)."""
    wave = np.cos(2 * np.pi * 100 * np.arange(512) / 512) * np.ones((64, 1))
    assert_allclose(low_passed(wave), wave * (100 / 512) * np.exp(-(0.5**4)), atol=1e-12)


@pytest.mark.parametrize(("angle", "frequency", "along", "across", "phase"), [
    (0, 0.15, 2.5, 3.0, 0), (30, 0.2, 2.0, 3.5, 90), (90, 0.1, 3.0, 2.5, 200), (135, 0.25, 2.0, 2.0, 45),
    (170, 0.3, 1.8, 3.0, 300),
])  # fmt: skip
def test_gabor_fits_find_what_was_drawn(angle, frequency, along, across, phase):
    """All parameters, from 14 x 14 samples with a little noise."""
    y, x = np.mgrid[:14, :14] - 6.5
    x, y = x - 0.7, y + 0.4
    radians = np.radians(angle)
    u, v = x * np.cos(radians) + y * np.sin(radians), y * np.cos(radians) - x * np.sin(radians)
    wave = np.exp(-(u**2) / (2 * along**2) - v**2 / (2 * across**2)) * np.cos(2 * np.pi * frequency * u + np.radians(phase))
    fit = fit_gabor(wave + 0.002 * np.random.default_rng(0).normal(size=wave.shape))
    assert min(abs(fit.orientation - angle), 180 - abs(fit.orientation - angle)) < 2
    assert (fit.frequency, fit.width, fit.length) == pytest.approx((frequency, along, across), rel=0.05)
    assert (fit.x, fit.y) == pytest.approx((7.2, 6.1), abs=0.1)
    assert fit.explained > 0.99
    assert fit.is_localised(14)
    assert fit.is_oriented(14) == (fit.bandwidth <= 3)
    assert fit.bandwidth == pytest.approx(bandwidth_of(frequency, along), rel=0.1)


def test_noise_and_whole_waves_are_neither(rng):
    """White noise is no Gabor function; a wave over all of the filter is not localised; a blob is not oriented."""
    noise = fit_gabor(rng.normal(size=(12, 12)))
    assert not noise.is_localised(12)
    assert not noise.is_oriented(12)
    wave = fit_gabor(np.cos(np.arange(12) * 1.3)[None] * np.ones((12, 1)))
    assert not wave.is_localised(12)
    y, x = np.mgrid[:12, :12] - 5.5
    assert not fit_gabor(np.exp(-(x**2 + y**2) / 8)).is_oriented(12)


@pytest.mark.parametrize("method", ["sparse", "ica", "kmeans", "pca"])
def test_the_command_writes_a_bank(run, samples, tmp_path, monkeypatch, method):
    """That is applied as any other; the same seed gives the same bytes, another one others."""
    monkeypatch.chdir(tmp_path)
    photos = [samples / name for name in ("camera.png", "chelsea.png", "gravel.png")]
    arguments = ("learn", "bank", *photos, "--method", method, "--filters", "16", "--size", "8", "--patches", "4000")
    result = run(*arguments, "-o", "f.npz")
    assert result.status == 0, result.err
    assert "f.npz: 16 filters of 8 x 8; " in result.err
    loaded = load_weights(WeightsFile(tmp_path / "f.npz"))
    assert loaded.filters.shape == (16, 8, 8)
    assert_allclose(np.linalg.norm(loaded.filters.reshape(16, -1), axis=1), 1, rtol=1e-5)
    run(*arguments, "-o", "again.npz", "-q")
    assert (tmp_path / "f.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    if method == "sparse":
        run(*arguments, "-o", "other.npz", "--seed", "1", "-q")
        assert (tmp_path / "f.npz").read_bytes() != (tmp_path / "other.npz").read_bytes()
        assert run("apply", samples / "camera.png", "-k", "@f.npz", "-o", "maps.npy").status == 0
        assert np.load("maps.npy").shape == (16, 512, 512)
        facts = json.loads(run(*arguments, "-o", "f.npz", "--json").out)
        assert len(facts["filters"]) == 16


def test_colour_pictures_give_colour_filters(run, samples, tmp_path):
    """And grey ones with --grey."""
    arguments = ("learn", "bank", samples / "astronaut.png", "--filters", "8", "--size", "6", "--patches", "3000", "-q")
    run(*arguments, "-o", tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        assert archive["filters"].shape == (8, 3, 6, 6)
    run(*arguments, "--grey", "-o", tmp_path / "g.npz")
    with np.load(tmp_path / "g.npz") as archive:
        assert archive["filters"].shape == (8, 1, 6, 6)
    assert convcli.kernel(f"@{tmp_path}/c.npz").kernels[0].shape == (6, 6, 3)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("none.png", "-o", "f.npz"), 1, "none.png: no such file"),
        (("camera.png", "-o", "f.txt"), 2, "weights are written as .npz or .safetensors"),
        (("camera.png", "-o", "f.npz", "--method", "ica", "--filters", "99", "--size", "4"), 2, "ica gives at most 15 filters"),
        (("camera.png", "-o", "f.npz", "--size", "600"), 2, "a picture of 512 x 512 has no patch of 600 x 600"),
        (("-o", "f.npz"), 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_told(run, samples, tmp_path, monkeypatch, arguments, status, message):
    """In one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "camera.png").write_bytes((samples / "camera.png").read_bytes())
    result = run("learn", "bank", *arguments)
    assert result.status == status
    assert message in result.err
    assert not (tmp_path / "f.npz").exists()


def test_flat_pictures_teach_nothing(run, tmp_path):
    """One line, and no file."""
    PIL.Image.new("L", (40, 40), 90).save(tmp_path / "flat.png")
    result = run("learn", "bank", tmp_path / "flat.png", "-o", tmp_path / "b.npz")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "the pictures have no detail to learn from: all patches are flat" in result.err
    assert not (tmp_path / "b.npz").exists()
