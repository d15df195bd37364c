"""Maps brought to another size."""

import numpy as np
from PIL import Image as Pillow

from .image import Array


def resized(maps: Array, size: tuple[int, int]) -> Array:
    """Maps (C, H, W) at another size (H', W'), in float32: bilinear, over all pixels that one of the result covers, as Pillow
    does.
    """
    planes = [Pillow.fromarray(plane.astype(np.float32)) for plane in maps]
    return np.stack([np.asarray(plane.resize(size[::-1], Pillow.Resampling.BILINEAR)) for plane in planes])
