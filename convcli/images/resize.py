"""Maps brought to another size."""

import numpy as np
from PIL import Image as Pillow

from .image import Array


def resized(maps: Array, size: tuple[int, int]) -> Array:
    """Maps (C, H, W) at another size (H', W'), of the same type: bilinear, over all pixels that one of the result covers, as
    Pillow does, in float32.
    """
    out = np.empty((len(maps), *size), maps.dtype)
    for plane, into in zip(maps, out, strict=True):
        picture = Pillow.fromarray(plane.astype(np.float32, copy=False))
        into[:] = np.asarray(picture.resize(size[::-1], Pillow.Resampling.BILINEAR))
    return out
