"""Patches of pictures, and their whitening: what filters are learned from."""

from collections.abc import Sequence

import numpy as np

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..geometry.whole_numbers import Sides

FLATTEST = 0.1
"""Share of the patches whose contrast is least, which are left out: they are sky and walls, and mostly noise."""

LEAST_VARIANCE = 1e-3
"""Added to the variances that whitening divides by, as a share of their mean, so that noise is not raised without limit."""


def sample_patches(pictures: Sequence[Array], size: Sides, count: int, rng: np.random.Generator) -> Array:
    """Return patches (count, kh * kw * C) of pictures (H, W, C), from anywhere, in proportion to their areas; float64.

    Each has the mean 0 in each channel. The flattest tenth of what is drawn is left out. Raises ArgumentError for a picture
    that is smaller than a patch.
    """
    areas = []
    for picture in pictures:
        height, width = picture.shape[0] - size[0] + 1, picture.shape[1] - size[1] + 1
        if height < 1 or width < 1:
            raise ArgumentError(f"a picture of {picture.shape[1]} x {picture.shape[0]} has no patch of {size[1]} x {size[0]}")
        areas.append(height * width)
    drawn = int(np.ceil(count / (1 - FLATTEST)))
    shares = np.array(areas) / sum(areas)
    owners = rng.choice(len(pictures), drawn, p=shares)
    patches = np.empty((drawn, size[0], size[1], pictures[0].shape[2]))
    for index, picture in enumerate(pictures):
        places = np.flatnonzero(owners == index)
        tops = rng.integers(0, picture.shape[0] - size[0] + 1, len(places))
        lefts = rng.integers(0, picture.shape[1] - size[1] + 1, len(places))
        windows = np.lib.stride_tricks.sliding_window_view(picture, size, axis=(0, 1))
        patches[places] = np.moveaxis(windows[tops, lefts], 1, -1)
    patches -= patches.mean(axis=(1, 2), keepdims=True)
    whole = patches.reshape(drawn, -1)
    contrast = np.linalg.norm(whole, axis=1)
    kept = np.sort(np.argsort(contrast, kind="stable")[drawn - count :])
    return whole[kept]


class Whitening:
    """The directions and the variances of patches (n, d), and the changes that make all variances 1.

    ``zca`` changes patches as little as whitening can: Bell and Sejnowski, Vision Research 37 (1997) 3327-3338. Directions
    without variance, such as the means, are left out.
    """

    def __init__(self, patches: Array) -> None:
        covariance = patches.T @ patches / len(patches)
        variances, directions = np.linalg.eigh(covariance)
        order = np.argsort(-variances, kind="stable")
        variances, directions = variances[order], directions[:, order]
        used = variances > 1e-9 * variances[0]
        self.variances, self.directions = variances[used], _with_fixed_signs(directions[:, used])
        self._scales = 1 / np.sqrt(self.variances + LEAST_VARIANCE * self.variances.mean())

    def white(self, patches: Array, count: int | None = None) -> Array:
        """Return patches in the first directions, with variance 1 in each: (n, k)."""
        return np.asarray((patches @ self.directions[:, :count]) * self._scales[:count])

    def zca(self, patches: Array) -> Array:
        """Return whitened patches that look like patches: (n, d)."""
        return np.asarray(self.white(patches) @ self.directions.T)

    def filters_of(self, white_filters: Array) -> Array:
        """Return filters (k, d) for patches from filters (k, m) for what ``white`` gives of them."""
        count = white_filters.shape[1]
        return np.asarray((white_filters * self._scales[:count]) @ self.directions[:, :count].T)

    def patterns_of(self, white_filters: Array) -> Array:
        """Return the patches (k, d) that filters (k, m) for white patches stand for: what they are sums of."""
        count = white_filters.shape[1]
        return np.asarray((white_filters / self._scales[:count]) @ self.directions[:, :count].T)


def _with_fixed_signs(vectors: Array) -> Array:
    """Return columns of which the largest number is positive: an eigenvector may have either sign."""
    largest = np.abs(vectors).argmax(axis=0)
    return np.asarray(vectors * np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1, 1))


def low_passed(picture: Array) -> Array:
    """Return a grey picture (H, W) whitened by R(f) = f exp(-(f / f0)^4), which natural pictures make about flat.

    f0 is 0.4 of the sampling rate: 200 cycles in a picture of 512. Olshausen and Field, Nature 381 (1996) 607-609.
    """
    rows, columns = np.fft.fftfreq(picture.shape[0]), np.fft.rfftfreq(picture.shape[1])
    frequencies = np.hypot(rows[:, None], columns)
    response = frequencies * np.exp(-((frequencies / (200 / 512)) ** 4))
    return np.fft.irfft2(np.fft.rfft2(picture) * response, picture.shape)
