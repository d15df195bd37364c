"""Arrays on disk: float maps as .npy and .npz, and an .npy array read as an image, or as frames with --axes Z..."""

import contextlib
import io
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from msgspec.structs import replace

from ...errors import ImageError
from ...npy_reader import read_header, read_npy
from ..frames import Frames, Series, peek
from ..image import REMEDY, Admit, Array, Header, Image, as_levels, check_pixels, itemsize_of
from ..provenance import Provenance, find_provenance
from ..storage import MapStorage
from .codec import Codec

MAX_PLAIN_CHANNELS = 4
"""A longer last axis may be a width: (1, H, W) is then a stack of one grey map, and for (H, W, C) there is a notice."""

FRAMES = "Z"
"""The axis of --axes along which frames lie, always the first."""

COPY_BYTES = 1 << 24
"""Bytes of a file that are read or copied at a time."""


class NpyCodec(Codec):
    """One array: an image (H, W) or (H, W, C), or a stack of maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read an array (H, W) or (H, W, C), or a stack of one such map. ``axes`` names other axes, as ``--axes`` does.

        Raises ImageError.
        """
        try:
            array = read_npy(file, lambda shape, dtype: admit(_header_of(shape, dtype, axes, max_pixels)))
        except ValueError as error:
            raise ImageError(f"is not a readable .npy file: {error}; {REMEDY}") from None
        image = _image_of(array, axes)
        channels = image.size[2]
        is_ambiguous = axes is None and channels > MAX_PLAIN_CHANNELS
        notice = f"is read as (H, W, C) with {channels} channels; --axes ZYX reads it as frames"
        return image.with_notices(notice) if is_ambiguous else image

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames along the axis Z of ``axes``, each read from the file on its own; else the array as one.

        Raises ImageError.
        """
        if axes is None or axes[0] != FRAMES:
            return super().open_frames(file, max_pixels, axes)
        try:
            shape, is_fortran, dtype = read_header(file)
        except ValueError as error:
            raise ImageError(f"is not a readable .npy file: {error}; {REMEDY}") from None
        count, *frame_shape = _named_shape(shape, axes)
        header = _header_of(tuple(frame_shape), dtype, axes[1:], max_pixels)
        stack = _Stack(file, file.tell(), count, tuple(frame_shape), dtype, is_fortran)
        stack.check_complete()
        in_memory = len(file.getbuffer()) if isinstance(file, io.BytesIO) else 0  # standard input

        def read(index: int, admit: Admit) -> Image:
            admit(replace(header, reading=header.reading + in_memory, held=in_memory))
            return _image_of(stack.read(index), axes[1:])

        return Frames(Series(count, FRAMES, (count,)), read)

    def write_maps(self, file: BinaryIO, frames: Iterable[Sequence[Array]], storage: MapStorage) -> None:
        """Write F frames of N maps as one array (F, N, H, W[, C]), without their names. One frame is in memory.

        A length of 1 is left out, but of one frame of one map, which is an array (1, H, W[, C]).
        """
        first, frames = peek(frames)
        lengths = _lengths(storage.series.count, len(first)) or (1,)
        _write_header(file, (*lengths, *squeezed(first[0]).shape), first[0].dtype)
        del first
        for maps in frames:
            _write_data(file, maps)
            del maps


class NpzCodec(Codec):
    """Maps by name, as arrays of any shapes."""

    def write_maps(self, file: BinaryIO, frames: Iterable[Sequence[Array]], storage: MapStorage) -> None:
        """Write F frames of N maps of a name as an array (F, N, H, W[, C]), without lengths of 1.

        The maps of one frame are in memory, beside those of the first. An archive holds one array after the other, so that
        those of all names but the first, of further frames, wait in temporary files.
        """
        rest = iter(frames)
        first, count = next(rest), storage.series.count
        positions: dict[str, list[int]] = {}
        for position, name in enumerate(storage.names):
            positions.setdefault(name, []).append(position)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive, contextlib.ExitStack() as opened:
            archive.comment = str(storage.provenance or "").encode()
            folder = Path(file.name).parent if isinstance(getattr(file, "name", None), str) else None  # that of the output
            waiting_names = list(positions)[1:] if count > 1 else []
            waiting = {name: opened.enter_context(tempfile.TemporaryFile(dir=folder)) for name in waiting_names}
            for name, indices in positions.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    map_ = squeezed(first[indices[0]])
                    _write_header(member, (*_lengths(count, len(indices)), *map_.shape), map_.dtype)
                    _write_data(member, [first[index] for index in indices])
                    if name in waiting:
                        waiting[name].seek(0)
                        shutil.copyfileobj(waiting[name], member, COPY_BYTES)
                        waiting[name].close()  # frees the disk
                        continue
                    for maps in rest:
                        for other, other_indices in positions.items():
                            _write_data(waiting.get(other, member), [maps[index] for index in other_indices])

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the comment of the archive. Raises whatever zipfile raises on damaged data."""
        with zipfile.ZipFile(path) as archive:
            return find_provenance(archive.comment.decode("latin-1"))


class _Stack:
    """The frames of an array, whose first axis they are. Each is read from the file when it is needed."""

    def __init__(
        self, file: BinaryIO, start: int, count: int, shape: tuple[int, ...], dtype: "np.dtype[Any]", is_fortran: bool
    ) -> None:
        self.file = file
        self.start = start
        self.count = count
        self.shape = shape
        self.dtype = dtype
        self.is_fortran = is_fortran
        self.samples = math.prod(shape)

    def check_complete(self) -> None:
        """Raise ImageError for a file that ends before its last frame."""
        needed, present = self.count * self.samples * self.dtype.itemsize, self.file.seek(0, io.SEEK_END) - self.start
        if present < needed:
            raise ImageError(f"is truncated: its {self.count} frames take {needed} bytes, and it holds {present}; {REMEDY}")

    def read(self, index: int) -> Array:
        """Return a frame. In Fortran's order, the samples of all frames alternate: all of the file is read, part by part."""
        if not self.is_fortran:
            return self._read(index * self.samples, self.samples).reshape(self.shape)
        frame = np.empty(self.samples, self.dtype)
        step = max(COPY_BYTES // (self.count * self.dtype.itemsize), 1)
        for begin in range(0, self.samples, step):
            length = min(step, self.samples - begin)
            frame[begin : begin + length] = self._read(begin * self.count, length * self.count)[index :: self.count]
        return frame.reshape(self.shape, order="F")

    def _read(self, position: int, samples: int) -> Array:
        self.file.seek(self.start + position * self.dtype.itemsize)
        data = self.file.read(samples * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype, samples)


def _header_of(shape: tuple[int, ...], dtype: "np.dtype[Any]", axes: str | None, max_pixels: int) -> Header:
    """Return the size of the image that an array becomes. Raises ImageError."""
    if dtype.kind not in "buif":
        raise ImageError(f"must hold real numbers to be an image, got dtype {dtype}")
    height, width, channels = _image_shape(shape, axes)
    check_pixels(width, height, max_pixels)
    itemsize = itemsize_of(dtype)
    return Header(height, width, channels, itemsize, height * width * channels * itemsize)


def _image_of(array: Array, axes: str | None) -> Image:
    """Return an array as an image."""
    shape = _image_shape(array.shape, axes)
    array = array.reshape(array.shape[-3:]).transpose(1, 2, 0) if axes == "CYX" else array.reshape(shape)
    levels, white = as_levels(np.ascontiguousarray(array))
    return Image(levels, white, None, "NPY")


def _named_shape(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the lengths of the axes that --axes names. Raises ImageError."""
    inner = _without_unit_axis(shape, len(axes))
    if len(inner) != len(axes) or min(inner) < 1:
        raise ImageError(f"must have {len(axes)} axes, {' '.join(axes)} as --axes says, got shape {shape}")
    return inner


def _image_shape(shape: tuple[int, ...], axes: str | None) -> tuple[int, int, int]:
    """Return (H, W, C) of an array. A stack of one map, as ``--output x.npy`` writes for one kernel, counts as that map.

    Raises ImageError, also for a shape that may be (C, H, W) or (H, W, C), where no axes are named.
    """
    if axes is not None:
        named = dict(zip(axes, _named_shape(shape, axes), strict=True))
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
        raise ImageError(f"must have shape (H, W) or (H, W, C) without a length of 0 to be an image, got {shape}")
    height, width, channels = (*inner, 1) if len(inner) == 2 else inner
    return height, width, channels


def _without_unit_axis(shape: tuple[int, ...], dimensions: int) -> tuple[int, ...]:
    """Return a shape without its first axis, if that has length 1 and the shape has one axis more than ``dimensions``."""
    return shape[1:] if len(shape) == dimensions + 1 and shape[0] == 1 else shape


def _lengths(*lengths: int) -> tuple[int, ...]:
    """Return the lengths of axes without those of 1."""
    return tuple(length for length in lengths if length > 1)


def _write_header(file: Any, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Write the header of a .npy array. NumPy's function for whole arrays hides why the disk refuses the data."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _write_data(file: Any, maps: Iterable[Array]) -> None:
    for map_ in maps:
        file.write(np.ascontiguousarray(map_).data)


def squeezed(map_: Array) -> Array:
    """Return a map of one channel as (H, W), another as (H, W, C)."""
    return map_[:, :, 0] if map_.shape[2] == 1 else map_
