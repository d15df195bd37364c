"""Resizing of maps."""

import numpy as np
from PIL import Image as Pillow

from .image import Array


def resized(maps: Array, size: tuple[int, int]) -> Array:
    """Return maps (C, H, W) at another size (H', W'), of the same dtype.

    Bilinear interpolation as in Pillow, in float32: where the map shrinks, the filter is widened to all pixels that a new pixel
    covers.
    """
    out = np.empty((len(maps), *size), maps.dtype)
    for plane, resized_plane in zip(maps, out, strict=True):
        picture = Pillow.fromarray(plane.astype(np.float32, copy=False))
        resized_plane[:] = np.asarray(picture.resize(size[::-1], Pillow.Resampling.BILINEAR))
    return out
