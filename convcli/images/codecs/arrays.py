"""Arrays on disk: float maps as .npy and .npz, and an .npy array read as an image."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import ImageError
from ...npy_reader import read_npy
from ..formats import Encoding
from ..image import Admit, Array, Header, Image, as_levels, check_pixels, itemsize_of
from ..provenance import Provenance, find_provenance
from .codec import Codec

MAX_PLAIN_CHANNELS = 4
"""A longer last axis may be a width: (1, H, W) is then a stack of one grey map, and for (H, W, C) there is a notice."""


class NpyCodec(Codec):
    """One array: an image (H, W) or (H, W, C), or a stack of maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read an array (H, W) or (H, W, C), or a stack of one such map. ``axes`` names other axes, as ``--axes`` does.

        Raises ImageError.
        """

        def check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
            if dtype.kind not in "buif":
                raise ImageError(f"must hold real numbers to be an image, got dtype {dtype}")
            height, width, channels = _image_shape(shape, axes)
            check_pixels(width, height, max_pixels)
            itemsize = itemsize_of(dtype)
            admit(Header(height, width, channels, itemsize, height * width * channels * itemsize))

        try:
            array = read_npy(file, check)
        except ValueError as error:
            raise ImageError(f"is not a readable .npy file: {error}") from None
        shape = _image_shape(array.shape, axes)
        array = array.reshape(array.shape[-3:]).transpose(1, 2, 0) if axes == "CYX" else array.reshape(shape)
        levels, white = as_levels(np.ascontiguousarray(array))
        image = Image(levels, white, None, "NPY")
        channels = levels.shape[2]
        is_ambiguous = axes is None and channels > MAX_PLAIN_CHANNELS
        return image.with_notices(f"is read as (H, W, C) with {channels} channels") if is_ambiguous else image

    def write_maps(
        self,
        file: BinaryIO,
        maps: Sequence[Array],
        names: Sequence[str],
        provenance: Provenance | None,
        encoding: Encoding,
    ) -> None:
        """Write maps as one array (N, H, W), or (N, H, W, C) where C > 1, without their names."""
        map_ = squeezed(maps[0])
        _write_header(file, (len(maps), *map_.shape), map_.dtype)
        for map_ in maps:
            file.write(np.ascontiguousarray(map_).data)


class NpzCodec(Codec):
    """Maps by name, as arrays of any shapes."""

    def write_maps(
        self,
        file: BinaryIO,
        maps: Sequence[Array],
        names: Sequence[str],
        provenance: Provenance | None,
        encoding: Encoding,
    ) -> None:
        """Write maps as arrays (H, W), or (H, W, C) where C > 1. N maps of one name are an array (N, H, W) or (N, H, W, C)."""
        by_name: dict[str, list[Array]] = {}
        for name, map_ in zip(names, maps, strict=True):
            by_name.setdefault(name, []).append(squeezed(map_))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = str(provenance or "").encode()
            for name, members in by_name.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    count = (len(members),) if len(members) > 1 else ()
                    _write_header(member, (*count, *members[0].shape), members[0].dtype)
                    for map_ in members:
                        member.write(np.ascontiguousarray(map_).data)

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the comment of the archive. Raises whatever zipfile raises on damaged data."""
        with zipfile.ZipFile(path) as archive:
            return find_provenance(archive.comment.decode("latin-1"))


def _image_shape(shape: tuple[int, ...], axes: str | None) -> tuple[int, int, int]:
    """Return (H, W, C) of an array. A stack of one map, as ``--output x.npy`` writes for one kernel, counts as that map.

    Raises ImageError, also for a shape that may be (C, H, W) or (H, W, C), where no axes are named.
    """
    if axes is not None:
        inner = _without_unit_axis(shape, len(axes))
        if len(inner) != len(axes) or min(inner) < 1:
            raise ImageError(f"must have {len(axes)} axes, {' '.join(axes)} as --axes says, got shape {shape}")
        named = dict(zip(axes, inner, strict=True))
        return named["Y"], named["X"], named.get("C", 1)
    may_be_stack = len(shape) == 4 or (len(shape) == 3 and shape[2] > MAX_PLAIN_CHANNELS)
    inner = _without_unit_axis(shape, len(shape) - 1) if may_be_stack else shape
    if len(inner) == 3 and 1 < inner[0] <= MAX_PLAIN_CHANNELS < min(inner[1:]):
        first, second, third = inner
        raise ImageError(
            f"has shape {shape}, which may be {first} rows of {second} pixels of {third} channels (--axes YXC), or "
            f"{first} channels of {second} x {third} (--axes CYX); say which"
        )
    if len(inner) not in (2, 3) or min(inner) < 1:
        raise ImageError(f"must have shape (H, W) or (H, W, C) to be an image, got {shape}")
    height, width, channels = (*inner, 1) if len(inner) == 2 else inner
    return height, width, channels


def _without_unit_axis(shape: tuple[int, ...], dimensions: int) -> tuple[int, ...]:
    """Return a shape without its first axis, if that has length 1 and the shape has one axis more than ``dimensions``."""
    return shape[1:] if len(shape) == dimensions + 1 and shape[0] == 1 else shape


def _write_header(file: Any, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Write the header of a .npy array. NumPy's function for whole arrays hides why the disk refuses the data."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def squeezed(map_: Array) -> Array:
    """Return a map of one channel as (H, W), another as (H, W, C)."""
    return map_[:, :, 0] if map_.shape[2] == 1 else map_
