"""Losses of a batch, and their gradients: what training makes small."""

from collections.abc import Callable

import numpy as np

from ..engine.simd.reference import Array

Loss = Callable[[Array, Array], tuple[float, Array]]
"""A function of outputs (N, classes) and labels (N,): the mean loss, and its gradient (N, classes)."""

MARGIN = 1.0
"""The j of the loss of LeNet-5: penalties of wrong classes beyond it count little."""


def cross_entropy(shares: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean of -log(share of the right class), for shares that a softmax gives.

    >>> loss, gradient = cross_entropy(np.array([[0.5, 0.5]]), np.array([0]))
    >>> round(loss, 4), gradient.tolist()
    (0.6931, [[-2.0, 0.0]])
    """
    rows = np.arange(len(labels))
    right = np.maximum(shares[rows, labels], np.finfo(shares.dtype).tiny)
    gradient = np.zeros_like(shares)
    gradient[rows, labels] = -1 / (right * len(labels))
    return float(-np.log(right).mean()), gradient


def cross_entropy_of_sums(sums: Array, labels: Array) -> tuple[float, Array]:
    """Return the cross-entropy of the softmax of sums (N, classes): both at once, as their gradient is exact and simple.

    >>> loss, gradient = cross_entropy_of_sums(np.array([[0.0, 0.0]]), np.array([0]))
    >>> round(loss, 4), gradient.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    rows = np.arange(len(labels))
    shifted = sums - sums.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    totals = powers.sum(axis=1)
    loss = float((np.log(totals) - shifted[rows, labels]).mean())
    gradient = powers / totals[:, None]
    gradient[rows, labels] -= 1
    return loss, gradient / len(labels)


def distance_loss(distances: Array, labels: Array) -> tuple[float, Array]:
    """Return the loss of LeNet-5 for squared distances (N, classes): that to the right class, and a penalty for near others.

    The mean of y(right) + log(exp(-j) + sum of exp(-y)), with j = MARGIN: LeCun et al. 1998, equation 9.

    >>> loss, gradient = distance_loss(np.array([[0.0, 100.0]]), np.array([0]))
    >>> round(loss, 4), gradient.round(4).tolist()
    (0.3133, [[0.2689, -0.0]])
    """
    rows = np.arange(len(labels))
    least = np.minimum(distances.min(axis=1), MARGIN)
    powers = np.exp(least[:, None] - distances)
    totals = powers.sum(axis=1) + np.exp(least - MARGIN)
    loss = float((distances[rows, labels] - least + np.log(totals)).mean())
    gradient = -powers / totals[:, None]
    gradient[rows, labels] += 1
    return loss, gradient / len(labels)
