"""Masks: pictures that are 0 where the pixels of other pictures are missing."""

from pathlib import Path

import numpy as np

from ..errors import ArgumentError, ConvcliError
from .image import Array
from .read import read_image


def read_mask(path: str, max_pixels: int) -> Array:
    """Return which pixels of the picture of --mask are not 0: (H, W) bool. Raises ArgumentError.

    A pixel is 0 where all its channels are 0 or NaN, or where it is transparent.
    """
    try:
        image = read_image(Path(path), max_pixels=max_pixels)
    except ConvcliError as error:
        raise ArgumentError(f"--mask {path}: {error}") from None
    seen: Array = ((image.pixels != 0) & ~np.isnan(image.pixels)).any(axis=2)
    return seen if image.alpha is None else seen & (image.alpha > 0)
