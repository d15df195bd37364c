"""Maps whose values are moved or mixed, without weights: padding, pixel shuffles and bilinear interpolation."""

import numpy as np
from numpy.typing import ArrayLike

from ..engine.layout import Layout
from ..engine.padded_copy import padded_copy
from ..engine.simd.reference import Array
from ..errors import ArgumentError
from ..geometry.axes import make_axes
from ..geometry.borders import Border, check_border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair, as_count, as_pair
from .validation import MAPS, as_flag, as_real, check_array

ORDERS = ("crd", "dcr")
"""The orders of the channels of a pixel shuffle in ONNX: columns and rows of a block inside a channel, or outside of it."""


def pad2d(x: ArrayLike, padding: Padding, border: Border = "zero") -> Array:
    """Return maps (N, C, H, W) or (C, H, W) with pixels added around them: padding and border as in :func:`conv2d`.

    The result is float32 or float64. Equal to ``numpy.pad``. Raises ArgumentError.

    >>> pad2d([[[1, 2]]], ((0, 0), (1, 2)), border="edge").tolist()
    [[[1.0, 1.0, 2.0, 2.0, 2.0]]]
    """
    maps = as_real("x", x, MAPS)
    axes = make_axes(maps.shape[-2:], (1, 1), 1, padding, 1)
    return padded_copy(maps, Layout(*axes, pixel=1, depth=1), check_border(border))


def pixel_shuffle(x: ArrayLike, upscale_factor: int, order: str = "crd") -> Array:
    """Make blocks of r x r pixels from r * r channels: (N, C * r * r, H, W) gives (N, C, H * r, W * r), or without N.

    Equal to PyTorch's ``pixel_shuffle``, and to ONNX's ``DepthToSpace`` with mode CRD; order "dcr" is its other mode. The
    result has the dtype of x. Shi et al., https://arxiv.org/abs/1609.05158. Raises ArgumentError.

    >>> pixel_shuffle([[[1]], [[2]], [[3]], [[4]]], 2).tolist()
    [[[1, 2], [3, 4]]]
    """
    maps, side = check_array("x", x, MAPS, batched=True), as_count("upscale_factor", upscale_factor)
    if order not in ORDERS:
        raise ArgumentError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    *outer, channels, height, width = maps.shape
    if channels % side**2:
        raise ArgumentError(f"upscale_factor must have a square that divides the {channels} channels of x, got {side}")
    count = channels // side**2
    if order == "crd":
        blocks = maps.reshape(*outer, count, side, side, height, width)
    else:
        blocks = np.moveaxis(maps.reshape(*outer, side, side, count, height, width), -3, -5)
    ordered = np.moveaxis(blocks, (-4, -3), (-3, -1))  # channel, row, row in the block, column, column in the block
    return ordered.reshape(*outer, count, height * side, width * side)


def resize_bilinear(x: ArrayLike, size: Pair, align_corners: bool = False) -> Array:
    """Interpolate maps (N, C, H, W) or (C, H, W) between the four nearest pixels, without a filter against aliasing.

    Equal to PyTorch's ``interpolate`` with mode bilinear, and to ONNX's ``Resize`` with mode linear and half_pixel, or
    align_corners: the centres of the first and the last pixel then stay where they are. ``size`` is (H', W'), or an int for
    both. The result is float32 or float64. Raises ArgumentError.

    >>> resize_bilinear([[[0, 4]]], (1, 4)).tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    maps, sizes = as_real("x", x, MAPS), as_pair("size", size, least=1)
    aligned = as_flag("align_corners", align_corners)
    for axis, count in zip((-2, -1), sizes, strict=True):
        maps = _interpolated(maps, axis, count, aligned)
    return maps


def _interpolated(maps: Array, axis: int, count: int, align_corners: bool) -> Array:
    """Return ``count`` values between those along an axis."""
    size = maps.shape[axis]
    if align_corners:
        places = np.arange(count) * ((size - 1) / max(count - 1, 1))
    else:
        places = np.clip((np.arange(count) + 0.5) * (size / count) - 0.5, 0, size - 1)
    before = places.astype(np.intp)
    after = np.minimum(before + 1, size - 1)
    shares = (places - before).astype(maps.dtype).reshape(-1, *(1 for _ in range(-1 - axis)))
    first, second = (np.take(maps, indices, axis) for indices in (before, after))
    with np.errstate(all="ignore"):
        mixed: Array = first * (1 - shares) + second * shares
    return np.where(shares == 0, first, mixed)
