"""Compares filters that are learned from patches with scikit-learn's: time, reconstruction, sparsity, in one run.

    python -m pip install -e '.[bench]' scikit-learn scikit-image
    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/learned_filters.py [--filters 100] [--size 12] [--patches 20000]

Both get the same white patches of the samples and of scikit-image's photos. Reconstruction is the mean squared error of
held-out patches by the codes of each dictionary, from the same solver, at the same penalty; sparsity the share of codes that
are not 0. For independent components, the mean of log cosh of the components is compared: less is less Gaussian. For
principal components, the variance that the first directions hold.
"""

import argparse
import sys
import time

import numpy as np
from machine import ROOT
from PIL import Image
from sklearn.decomposition import PCA, FastICA, MiniBatchDictionaryLearning

from convcli.learning import filter_methods
from convcli.learning.patches import Whitening, sample_patches

SAMPLES = ("astronaut", "camera", "chelsea", "gravel", "horse")
PHOTOS = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "moon", "rocket")


def load_pictures():
    """Return grey pictures (H, W, 1), 0 to 1."""
    pictures = [np.asarray(Image.open(ROOT / "samples" / f"{name}.png").convert("L")) for name in SAMPLES]
    try:
        from skimage import color, data

        photos = [getattr(data, name)() for name in PHOTOS if hasattr(data, name)]
        pictures += [photo if photo.ndim == 2 else 255 * color.rgb2gray(photo) for photo in photos]
    except ImportError:
        sys.stdout.write("without scikit-image's photos\n")
    return [picture.astype(float)[:, :, None] / 255 for picture in pictures]


def timed(function):
    """Return what a function gives, and the seconds that it took."""
    began = time.perf_counter()
    found = function()
    return found, time.perf_counter() - began


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=100)
    parser.add_argument("--size", type=int, default=12)
    parser.add_argument("--patches", type=int, default=20_000)
    options = parser.parse_args()
    count = options.filters
    rng = np.random.default_rng(0)
    patches = sample_patches(load_pictures(), (options.size, options.size), options.patches + 2000, rng)
    learned, held = patches[2000:], patches[:2000]
    whitening = Whitening(learned)
    white, white_held = whitening.white(learned), whitening.white(held)
    scaled, scaled_held = (values / np.sqrt(white.shape[1]) for values in (white, white_held))
    rows = []

    def quiet(done, total):
        return None

    ours, seconds = timed(lambda: filter_methods.sparse_dictionary(white, count, np.random.default_rng(1), quiet))
    theirs, their_seconds = timed(
        lambda: (
            MiniBatchDictionaryLearning(
                count, alpha=filter_methods.SPARSITY, batch_size=512, max_iter=3, fit_algorithm="cd", random_state=1
            )
            .fit(scaled)
            .components_
        )
    )
    for name, dictionary, taken in (("convcli", ours, seconds), ("scikit-learn", theirs, their_seconds)):
        unit = dictionary / np.linalg.norm(dictionary, axis=1, keepdims=True)
        codes = filter_methods.sparse_codes(scaled_held, unit, steps=400)
        error, share = ((scaled_held - codes @ unit) ** 2).sum(axis=1).mean(), (np.abs(codes) > 1e-6).mean()
        loss = error / 2 + filter_methods.SPARSITY * np.abs(codes).sum(axis=1).mean()
        rows.append(("sparse", name, taken, f"objective {loss:.4f}, error {error:.4f}, {100 * share:.1f} % of codes used"))
    ours, seconds = timed(lambda: filter_methods.independent_components(white, count, np.random.default_rng(1), quiet))
    theirs, their_seconds = timed(
        lambda: (
            FastICA(count, whiten=False, max_iter=filter_methods.ICA_ROUNDS, random_state=1).fit(white[:, :count]).components_
        )
    )
    for name, filters, taken in (("convcli", ours, seconds), ("scikit-learn", theirs, their_seconds)):
        unit = filters / np.linalg.norm(filters, axis=1, keepdims=True)
        rows.append(("ica", name, taken, f"log cosh {np.log(np.cosh(white_held[:, :count] @ unit.T)).mean():.4f}"))
    ours, seconds = timed(lambda: Whitening(learned))
    theirs, their_seconds = timed(lambda: PCA(count, random_state=1).fit(learned))
    shares = (ours.variances[:count].sum() / ours.variances.sum(), theirs.explained_variance_ratio_.sum())
    for name, share, taken in (("convcli", shares[0], seconds), ("scikit-learn", shares[1], their_seconds)):
        rows.append(("pca", name, taken, f"{100 * share:.3f} % of the variance"))
    for method, name, taken, quality in rows:
        sys.stdout.write(f"{method:8}{name:14}{taken:8.2f} s  {quality}\n")


if __name__ == "__main__":
    main()
