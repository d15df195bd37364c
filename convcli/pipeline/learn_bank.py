"""Learns a bank of filters from pictures, and says what the filters are like."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from ..errors import ArgumentError
from ..geometry.whole_numbers import Sides
from ..images.image import Array, Image
from ..learning.filter_methods import OnRound, learn_filters
from ..learning.gabor_fit import GaborFit, fit_gabor
from ..learning.patches import Whitening, low_passed, sample_patches
from .kernel_maps import LUMA

WHITENINGS = ("zca", "spectrum")
"""Whitening of patches, or of whole pictures by their spectrum."""


class BankRequest(Struct, frozen=True):
    """What is to be learned."""

    method: str = "sparse"
    filters: int = 64
    size: Sides = (12, 12)
    patches: int = 50_000
    whitening: str = "zca"
    grey: bool = False
    seed: int = 0


class LearnedBank(Struct, frozen=True, eq=False):
    """Filters (N, C, kh, kw) float32 of length 1, and the Gabor functions that are most like them."""

    filters: Array
    fits: tuple[GaborFit, ...]

    @property
    def side(self) -> float:
        """The longer side of the filters."""
        return float(max(self.filters.shape[2:]))

    @property
    def localised(self) -> int:
        """How many of them fade inside of the filter."""
        return sum(fit.is_localised(self.side) for fit in self.fits)

    @property
    def oriented(self) -> int:
        """How many of them have a direction and a band of frequencies."""
        return sum(fit.is_oriented(self.side) for fit in self.fits)

    @property
    def both(self) -> int:
        """How many of them are localised, oriented and bandpass."""
        return sum(fit.is_localised(self.side) and fit.is_oriented(self.side) for fit in self.fits)


def learn_bank(request: BankRequest, pictures: Sequence[Image], on_round: OnRound) -> LearnedBank:
    """Return filters that are learned from pictures. Raises ArgumentError."""
    planes = _planes_of(pictures, request)
    rng = np.random.default_rng(request.seed)
    patches = sample_patches(planes, request.size, request.patches, rng)
    if not np.ptp(patches):
        raise ArgumentError("the pictures have no detail to learn from: all patches are flat; give others")
    whitening = Whitening(patches)
    white = whitening.white(patches)
    if request.method == "ica":
        white = white[:, : request.filters]
    found = learn_filters(request.method, white, request.filters, request.seed, on_round)
    whole = found @ whitening.directions[:, : found.shape[1]].T
    whole /= np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12)
    channels = planes[0].shape[2]
    filters = np.moveaxis(whole.reshape(-1, *request.size, channels), -1, 1)
    fits = tuple(fit_gabor(_strongest(kernel)) for kernel in filters)
    return LearnedBank(np.ascontiguousarray(filters, np.float32), fits)


def _planes_of(pictures: Sequence[Image], request: BankRequest) -> list[Array]:
    """Return pictures (H, W, C) float64, 0 to 1: all grey, unless all are in colour. Raises ArgumentError."""
    depths = {image.size[2] for image in pictures}
    if not depths <= {1, 3}:
        raise ArgumentError(f"pictures must be grey or RGB, got {', '.join(map(str, sorted(depths)))} channels")
    in_colour = depths == {3} and not request.grey
    planes = []
    for image in pictures:
        samples = image.pixels.astype(np.float64) / (image.white or max(float(np.abs(image.pixels).max()), 1e-30))
        if not in_colour and image.size[2] == 3:
            samples = (samples @ np.array(LUMA))[:, :, None]
        if request.whitening == "spectrum":
            samples = np.stack([low_passed(plane) for plane in np.moveaxis(samples, 2, 0)], axis=2)
            samples /= max(float(samples.std()), 1e-30)
        planes.append(samples)
    return planes


def _strongest(kernel: Array) -> Array:
    """Return a filter (C, kh, kw) as a plane: its first principal component over the channels."""
    if len(kernel) == 1:
        return np.asarray(kernel[0])
    flat = kernel.reshape(len(kernel), -1)
    _, vectors = np.linalg.eigh(flat @ flat.T)
    return np.asarray((vectors[:, -1] @ flat).reshape(kernel.shape[1:]))
