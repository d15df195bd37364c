"""Float maps on disk: .npy and .npz arrays, and reading an array as an image."""

import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from ..arrays import read_npy
from ..errors import ImageError
from .image import Array, Image, as_levels, check_pixels

MOST_CHANNELS = 64
"""A last axis longer than this is taken for a mistake: an axis order other than (H, W, C)."""


def read_array(file: BinaryIO, max_pixels: int) -> Image:
    """Read a .npy file as an image (H, W) or (H, W, C), or as a stack of one such map. Raises ImageError."""

    def check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        if dtype.kind not in "buif":
            raise ImageError(f"must hold real numbers to be an image, got dtype {dtype}")
        height, width, _ = _image_shape(shape)
        check_pixels(width, height, max_pixels)

    try:
        array = read_npy(file, check)
    except ValueError as error:
        raise ImageError(f"is not a readable .npy file: {error}") from None
    levels, white = as_levels(np.ascontiguousarray(array.reshape(_image_shape(array.shape))))
    return Image(levels, white, None, "NPY")


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(H, W, C) of an array. A stack of one map, as --output x.npy writes for one kernel, counts as that map."""
    one_map = len(shape) == 4 or (len(shape) == 3 and shape[2] > MOST_CHANNELS)
    inner = shape[1:] if one_map and shape[0] == 1 else shape
    height, width, channels = (*inner, 1) if len(inner) == 2 else inner if len(inner) == 3 else (0, 0, 0)
    if not 0 < channels <= MOST_CHANNELS or height < 1 or width < 1:
        raise ImageError(f"must have shape (H, W) or (H, W, C) with at most {MOST_CHANNELS} channels, got {shape}")
    return height, width, channels


def write_npy(file: BinaryIO, maps: Sequence[Array], names: Sequence[str]) -> None:
    """Write maps, each (H, W, C), as one array (N, H, W), or (N, H, W, C) where C > 1. A .npy file has no place for names."""
    np.lib.format.write_array(file, np.stack([squeezed(one) for one in maps]), allow_pickle=False)


def write_npz(file: BinaryIO, maps: Sequence[Array], names: Sequence[str]) -> None:
    """Write maps, each (H, W, C), as arrays (H, W), or (H, W, C) where C > 1, under their names."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, one in zip(names, maps, strict=True):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, squeezed(one), allow_pickle=False)


def squeezed(one: Array) -> Array:
    """(H, W) for a map of one channel, else (H, W, C)."""
    return one[:, :, 0] if one.shape[2] == 1 else one
