"""Kernels, banks and the weights of layers as parts of a sheet."""

import hashlib

import numpy as np

from ..drawing.tile import Tile
from ..images.image import Array
from ..kernels.kernel import Bank, Kernel, kernels_of
from .view_request import WeightsOfLayer
from .viewed import DrawnIn, Part, Viewed, most_parts, tiles_of_array

INPUTS_LAST = {"transposed": (1, 2, 3, 0)}
"""The axes of weights by which they become (O, kh, kw, I), where these are not (O, I, kh, kw)."""


def view_kernel(kernel_or_bank: Kernel | Bank) -> Viewed:
    """Return a kernel, or the kernels of a bank, which share a scale."""
    kernels = kernels_of(kernel_or_bank)
    shares_scale = len(kernels) > 1
    digest = hashlib.sha256(repr(kernel_or_bank).encode()).hexdigest()
    shown = kernels[: most_parts(kernels[0].shape[2] if len(kernels[0].shape) == 3 else 1)]
    parts = tuple(_part(kernel.name, index, kernel.weights, shares_scale) for index, kernel in enumerate(shown))
    return Viewed(kernel_or_bank.name, parts, len(kernels), "kernels", digest)


def view_layer(layer: WeightsOfLayer) -> Viewed:
    """Return the kernels of a layer. Raises KernelError where its weights cannot be read.

    A dense layer is one matrix, with a row for each unit; weights of one axis are a row.
    """
    weights = layer.weights.load()
    digest = hashlib.sha256(np.ascontiguousarray(weights).data).hexdigest()
    name = f"{layer.network} {layer.layer}"
    if weights.ndim < 3:
        return Viewed(name, (_part(layer.layer, 0, np.atleast_2d(weights)),), 1, "kernels", digest)
    kernels = weights[..., None] if weights.ndim == 3 else weights.transpose(INPUTS_LAST.get(layer.op, (0, 2, 3, 1)))
    parts = tuple(_part(str(index), index, weights) for index, weights in enumerate(kernels[: most_parts(kernels.shape[3])]))
    return Viewed(name, parts, len(kernels), "kernels", digest)


def _part(name: str, index: int, weights: Array, shares_scale: bool = True) -> Part:
    filled = weights if weights.ndim == 3 else weights[:, :, None]
    height, width, channels = filled.shape

    def tiles(drawn_in: DrawnIn) -> tuple[Tile, ...]:
        return tiles_of_array(name, "kernel", filled, drawn_in, index, shares_scale)

    return Part(name, (height, width, channels), tiles)
