"""Filters that are learned from patches: principal and independent components, k-means, sparse coding.

Each returns filters (k, m) for white patches (n, m), in an order that does not depend on chance: the most used ones first.
"""

from collections.abc import Callable

import numpy as np

from ..engine.simd.reference import Array
from ..errors import ArgumentError

OnRound = Callable[[int, int], object]
"""Called with the rounds that are done, and all of them."""

METHODS = ("sparse", "pca", "ica", "kmeans")

ICA_ROUNDS, ICA_TOLERANCE = 200, 1e-4
KMEANS_ROUNDS = 20
SPARSE_BATCH, SPARSE_PASSES, SPARSE_STEPS = 512, 3, 40
"""Patches at a time, passes over all patches, and steps to the codes of each batch."""

SPARSITY = 0.15
"""Weight of the sum of the absolute values of codes, for white patches divided by the root of their dimension."""


def principal_components(white: Array, count: int) -> Array:
    """Return the first directions of white patches, which are those of the largest variances before they were whitened."""
    return np.eye(count, white.shape[1])


def independent_components(white: Array, count: int, rng: np.random.Generator, on_round: OnRound) -> Array:
    """Return the directions in which white patches are least Gaussian: FastICA, all at once, with tanh.

    Hyvarinen, Fast and Robust Fixed-Point Algorithms for Independent Component Analysis, IEEE Trans. Neural Networks 10 (1999)
    626-634, equation 20 and the symmetric orthogonalisation of section VI.
    """
    white = white[:, :count].astype(np.float32)
    filters = _orthogonal(rng.normal(size=(count, white.shape[1]))).astype(np.float32)
    for done in range(ICA_ROUNDS):
        found, slopes = np.zeros(filters.shape), np.zeros(count)
        for part in np.array_split(white, max(len(white) // 8192, 1)):
            values = np.tanh(part @ filters.T)
            found += values.T @ part
            slopes += (1 - values * values).sum(axis=0)
        new = _orthogonal(found / len(white) - (slopes / len(white))[:, None] * filters).astype(np.float32)
        change = float(np.abs(np.abs((new * filters).sum(axis=1)) - 1).max())
        filters = new
        on_round(done + 1, ICA_ROUNDS)
        if change < ICA_TOLERANCE:
            break
    responses = np.log(np.cosh(np.clip(white @ filters.T, -30, 30))).mean(axis=0)  # least for the least Gaussian
    return filters[np.argsort(responses, kind="stable")].astype(np.float64)


def spherical_means(white: Array, count: int, rng: np.random.Generator, on_round: OnRound) -> Array:
    """Return means of white patches of length 1: each patch adds to the mean that it is most like, with its projection on it.

    Coates and Ng, Learning Feature Representations with K-Means (2012), section 3. A mean without patches begins anew.
    """
    white = white.astype(np.float32)
    means = _unit(rng.normal(size=(count, white.shape[1]))).astype(np.float32)
    uses = np.zeros(count)
    for done in range(KMEANS_ROUNDS):
        sums, uses = np.zeros(means.shape), np.zeros(count)
        for part in np.array_split(white, max(len(white) // 8192, 1)):
            products = part @ means.T
            best = np.abs(products).argmax(axis=1)
            values = products[np.arange(len(part)), best]
            codes = np.zeros(products.shape, np.float32)
            codes[np.arange(len(part)), best] = values
            sums += codes.T @ part
            uses += np.bincount(best, minlength=count)
        empty = uses == 0
        sums[empty] = white[rng.integers(0, len(white), int(empty.sum()))]
        means = _unit(sums + means).astype(np.float32)
        on_round(done + 1, KMEANS_ROUNDS)
    return means[np.argsort(-uses, kind="stable")].astype(np.float64)


def sparse_dictionary(white: Array, count: int, rng: np.random.Generator, on_round: OnRound) -> Array:
    """Return a dictionary of patterns of length 1, of which few at a time make up each white patch.

    It minimises |x - D a|^2 / 2 + SPARSITY |a|_1 as Olshausen and Field, Nature 381 (1996) 607-609, with an absolute value for
    their penalty: codes by FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2 (2009) 183-202), the dictionary by online block
    coordinate descent (Mairal et al., JMLR 11 (2010) 19-60, algorithm 2).
    """
    white = (white / np.sqrt(white.shape[1])).astype(np.float32)
    patterns = _unit(white[rng.choice(len(white), count, replace=len(white) < count)].astype(np.float64))
    products, targets = np.zeros((count, count)), np.zeros((count, white.shape[1]))
    batches = max(len(white) // SPARSE_BATCH, 1)
    total, uses = SPARSE_PASSES * batches, np.zeros(count)
    for done in range(total):
        if done % batches == 0:
            order = rng.permutation(len(white))
        batch = white[order[done % batches * SPARSE_BATCH :][:SPARSE_BATCH]]
        codes = sparse_codes(batch, patterns.astype(np.float32))
        kept = 1 - 1 / (1 + done) ** 0.7 if done else 0.0  # earlier codes are those of worse patterns
        products = kept * products + codes.T @ codes / len(batch)
        targets = kept * targets + codes.T @ batch / len(batch)
        uses = kept * uses + np.abs(codes).sum(axis=0)
        for index in range(count):
            if products[index, index] > 1e-8:
                changed = patterns[index] + (targets[index] - products[index] @ patterns) / products[index, index]
                patterns[index] = changed / max(np.linalg.norm(changed), 1.0)
            else:
                patterns[index] = _unit(batch[rng.integers(len(batch))][None].astype(np.float64))[0]
        on_round(done + 1, total)
    return _unit(patterns)[np.argsort(-uses, kind="stable")]


def sparse_codes(x: Array, patterns: Array, sparsity: float = SPARSITY, steps: int = SPARSE_STEPS) -> Array:
    """Return the codes (n, k) of x (n, m) by patterns (k, m): those that minimise |x - a D|^2 / 2 + sparsity |a|_1, nearly.

    >>> sparse_codes(np.array([[3.0, 0.1]]), np.eye(2), 0.5, 100).round(6).tolist()
    [[2.5, 0.0]]
    """
    gram, products = patterns @ patterns.T, x @ patterns.T
    step = gram.dtype.type(1 / np.linalg.eigvalsh(gram)[-1])
    threshold = gram.dtype.type(sparsity) * step
    codes = ahead = np.zeros_like(products)
    momentum = 1.0
    for _ in range(steps):
        moved = ahead - step * (ahead @ gram - products)
        new = np.sign(moved) * np.maximum(np.abs(moved) - threshold, 0)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + gram.dtype.type((momentum - 1) / following) * (new - codes)
        codes, momentum = new, following
    return codes


def learn_filters(method: str, white: Array, count: int, seed: int, on_round: OnRound) -> Array:
    """Return filters (k, m) for white patches (n, m), or patterns of length 1 for "sparse". Raises ArgumentError."""
    rng = np.random.default_rng(seed)
    if method not in METHODS:
        raise ArgumentError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method in ("pca", "ica") and count > white.shape[1]:
        raise ArgumentError(
            f"{method} gives at most {white.shape[1]} filters of patches with as many directions, got {count}; take fewer, "
            "larger patches, or the method sparse or kmeans"
        )
    if method == "pca":
        return principal_components(white, count)
    if method == "ica":
        return independent_components(white, count, rng, on_round)
    return (spherical_means if method == "kmeans" else sparse_dictionary)(white, count, rng, on_round)


def _orthogonal(matrix: Array) -> Array:
    """Return the orthogonal rows that are nearest: (W W')^-1/2 W."""
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-12))) @ vectors.T @ matrix)


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
