"""Arrays of maps as parts of a sheet: .npy, of which each map is read when it is drawn, .npz and .safetensors."""

import contextlib
import functools
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..drawing.tile import Tile
from ..errors import ImageError, KernelError
from ..images.formats import MAX_PIXELS
from ..images.image import REMEDY, Array, as_levels, check_pixels
from ..images.read import open_input
from ..kernels.weight_arrays import array_names, read_array, read_array_header
from ..kernels.weight_files import naming_file
from ..kernels.weight_layouts import other_layouts
from ..kernels.weight_suffixes import ARCHIVE_SUFFIXES
from ..kernels.weights import WeightsFile
from ..npy_reader import read_header
from .frame_slice import ALL, FrameSlice
from .memory_budget import Budget, in_words
from .viewed import DrawnIn, Part, Viewed, image_of_array, most_parts, tiles_of_array, tiles_of_image, without_alpha

"""Suffixes of files that hold arrays by name."""

LEAST_SIDE = 5
"""Rows and columns from which three or four numbers at each place are taken as a colour, and not as columns."""


def axes_of(shape: tuple[int, ...]) -> str:
    """Return the axes that an array is taken to have: maps Z, rows Y, columns X, channels C. Raises ImageError.

    >>> [axes_of(shape) for shape in ((9,), (9, 8), (64, 9, 8), (90, 80, 3), (64, 90, 80, 3), (64, 3, 7, 7))]
    ['X', 'YX', 'ZYX', 'YXC', 'ZYXC', 'ZCYX']
    """
    if len(shape) > 4:
        raise ImageError(f"has {len(shape)} axes, shape {shape}; at most 4 are shown: maps, channels, rows and columns")
    has_colours = len(shape) > 2 and shape[-1] in (1, 3, 4) and min(shape[-3:-1]) >= LEAST_SIDE
    return ("X", "X", "YX", "YXC" if has_colours else "ZYX", "ZYXC" if has_colours else "ZCYX")[len(shape)]


def as_maps(array: Array, axes: str | None) -> Array:
    """Return an array with the axes of ``--axes``, or those of ``axes_of``, as maps (N, H, W, C), without a copy.

    Raises ImageError.
    """
    shape, letters = _with_axes(array.shape, axes)
    ordered = array.reshape(shape).transpose([letters.index(letter) for letter in "ZYXC" if letter in letters])
    return ordered[tuple(slice(None) if letter in letters else None for letter in "ZYXC")]


def _with_axes(shape: tuple[int, ...], axes: str | None) -> tuple[tuple[int, ...], str]:
    """Return the shape without a first axis of length 1 that is too many, and the letters of its axes. Raises ImageError."""
    shape = shape or (1,)
    if axes is not None and len(shape) == len(axes) + 1 and shape[0] == 1:
        shape = shape[1:]
    letters = axes or axes_of(shape)
    if len(letters) != len(shape):
        raise ImageError(f"must have {len(letters)} axes, {' '.join(letters)} as --axes says, got shape {shape}")
    return shape, letters


def _size_of(shape: tuple[int, ...], letters: str) -> tuple[int, int, int, int]:
    """Return the shape (N, H, W, C) of maps in an array with these axes."""
    count, height, width, channels = (shape[letters.index(letter)] if letter in letters else 1 for letter in "ZYXC")
    return count, height, width, channels


class NpyFile(Struct, frozen=True):
    """An array in a file: where its numbers begin, and how they are stored. ``source`` is a path, or a file in memory."""

    source: Path | BinaryIO
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool
    axes: str

    @property
    def size(self) -> tuple[int, int, int, int]:
        """The shape (N, H, W, C) of its maps."""
        return _size_of(self.shape, self.axes)

    def read(self, index: int) -> Array:
        """Return a map (H, W, C). The file is opened for each, as more may be viewed than can be open. Raises ImageError."""
        if self.is_fortran or self.axes[0] != "Z":
            found: Array = as_maps(self._numbers(0, self.shape), self.axes)[index]
        else:
            found = as_maps(self._numbers(index, (1, *self.shape[1:])), self.axes)[0]
        return found

    def _numbers(self, index: int, shape: tuple[int, ...]) -> Array:
        count = math.prod(shape)
        opened = contextlib.nullcontext(self.source) if not isinstance(self.source, Path) else open_input(self.source)
        with opened as file:
            file.seek(self.start + index * count * self.dtype.itemsize)
            data = file.read(count * self.dtype.itemsize)
        if len(data) < count * self.dtype.itemsize:
            raise ImageError(f"has become shorter while it was read; {REMEDY}")
        return np.frombuffer(data, self.dtype).reshape(shape, order="F" if self.is_fortran else "C")


def view_npy(
    name: str, file: BinaryIO, source: Path | None, frames: FrameSlice | None, axes: str | None, max_pixels: int
) -> Viewed:
    """Return the maps of an open .npy file, of which each is read when it is drawn. Raises ImageError."""
    try:
        shape, is_fortran, dtype = read_header(file)
    except ValueError as error:
        raise ImageError(f"is not a readable .npy file: {error}; {REMEDY}") from None
    if reason := _refusal(shape, dtype):
        raise ImageError(reason)
    start, needed = file.tell(), math.prod(shape) * dtype.itemsize
    present = file.seek(0, io.SEEK_END) - start
    if present < needed:
        raise ImageError(f"is truncated: its numbers take {needed} bytes, and it holds {present}; {REMEDY}")
    notices, (shape, axes) = _notices(shape, axes), _with_axes(shape, axes)
    if is_fortran and needed > _largest():
        raise ImageError(f"takes {in_words(needed)} of memory in Fortran order; save it with numpy.ascontiguousarray")
    maps = NpyFile(source or file, start, shape, dtype, is_fortran, axes)
    parts, count = _parts(name, maps.read, maps.size, dtype, frames, max_pixels)
    return Viewed(name, parts, count, "maps", "", notices)


def view_array(name: str, array: Array, axes: str | None = None) -> Viewed:
    """Return the maps of an array. Raises ImageError."""
    if reason := _refusal(array.shape, array.dtype):
        raise ImageError(reason)
    maps = as_maps(array, axes)
    parts, count = _parts(name, maps.__getitem__, maps.shape, maps.dtype, None, MAX_PIXELS)
    return Viewed(name, parts, count, "maps", "", _notices(array.shape, axes))


def view_archive(
    path: Path, key: str | None, frames: FrameSlice | None, axes: str | None, max_pixels: int
) -> Iterator[Viewed | ImageError]:
    """Yield the maps of each array of a file that holds several, or of the one of a key; an error for one without numbers.

    Raises ImageError where the file cannot be read.
    """
    is_weights = path.suffix.lower() != ".npz"
    with _as_image_error(path):
        names = [key] if key is not None else array_names(WeightsFile(path))
    if not names:
        raise ImageError("holds no arrays")
    for name in names:
        file = WeightsFile(path, name)
        try:
            with _as_image_error(path):
                shape, dtype = _header_of(file, axes)
            read = functools.partial(_read_map, file, axes)
            parts, count = _parts(name, read, shape, dtype, frames, max_pixels, is_weights)
        except ImageError as error:
            yield error
            continue
        yield Viewed(name, parts, count, "kernels" if is_weights else "maps", "")


@contextlib.contextmanager
def _as_image_error(path: Path) -> Iterator[None]:
    """Turn errors about a weights file into ImageError."""
    try:
        with naming_file(WeightsFile(path), ARCHIVE_SUFFIXES):
            yield
    except KernelError as error:
        raise ImageError(str(error).removeprefix(f"@{path}: ")) from None


def _header_of(file: WeightsFile, axes: str | None) -> tuple[tuple[int, ...], "np.dtype[Any]"]:
    """Return the shape (N, H, W, C) and the dtype of the maps of an array, from its header. Raises ImageError, KernelError."""

    def check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        if reason := _refusal(shape, dtype):
            raise KernelError(f"{file.key}: {reason}")

    shape, dtype = read_array_header(file, check, _largest())
    return _size_of(*_with_axes(shape, axes)), dtype


@functools.lru_cache(maxsize=1)
def _load(file: WeightsFile, axes: str | None) -> Array:
    """Return the maps of an array. The one that was read last is kept, as its maps are drawn one after the other."""
    with _as_image_error(file.path):
        return as_maps(read_array(file, lambda shape, dtype: None, _largest())[0], axes)


def _read_map(file: WeightsFile, axes: str | None, index: int) -> Array:
    found: Array = _load(file, axes)[index]
    return found


COPIES = 2
"""Copies of a map in memory while it is drawn."""


def _largest() -> int:
    """Return the bytes of the largest array that is read."""
    return Budget().limit or 1 << 32


def _parts(
    name: str,
    read: Callable[[int], Array],
    size: tuple[int, ...],
    dtype: "np.dtype[Any]",
    frames: FrameSlice | None,
    max_pixels: int,
    are_weights: bool = False,
) -> tuple[tuple[Part, ...], int]:
    """Return the first of N maps (N, H, W, C) as parts, and how many are asked for.

    They are pictures where they have levels, unless they are weights. ``read`` returns a map (H, W, C).
    """
    count, height, width, channels = size
    check_pixels(width, height, max_pixels)
    needed = COPIES * height * width * channels * dtype.itemsize
    if needed > _largest():
        raise ImageError(
            f"takes about {in_words(needed)} of memory, and {in_words(_largest())} may be taken; view a part of it"
        )
    indices = (frames or ALL).indices(count)

    def tiles(index: int, label: str, drawn_in: DrawnIn) -> Any:
        image = image_of_array(read(index))
        if not are_weights:
            pictures = tiles_of_image(label, image, drawn_in, index)
            return tuple(map(_as_booleans, pictures)) if dtype.kind == "b" else pictures
        weights = image.pixels.astype(np.float32) if image.white else image.pixels
        return tiles_of_array(label, "kernel", weights, drawn_in, index, shares_scale=True)

    labels = [(index, name if count == 1 else str(index)) for index in indices[: most_parts(channels)]]
    are_levels = not are_weights and as_levels(np.empty(0, dtype))[1] is not None
    shape = without_alpha((height, width, channels)) if are_levels else (height, width, channels)
    parts = (Part(label, shape, functools.partial(tiles, index, label)) for index, label in labels)
    return tuple(parts), len(indices)


def _as_booleans(tile: Tile) -> Tile:
    """Return the tile of black and white with the numbers that booleans have, 0 and 1."""
    numbers = None if tile.numbers is None else tile.numbers // 255
    return replace(tile, minimum=tile.minimum / 255, maximum=tile.maximum / 255, numbers=numbers)


def _refusal(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> str:
    """Return why an array cannot be shown, or an empty text."""
    if dtype.kind == "c":
        return "holds complex numbers; save their absolute values (numpy.abs) or their real parts"
    if dtype.kind not in "buif":
        return f"must hold real numbers, got dtype {dtype}"
    return f"has shape {shape}: there is no map in it" if 0 in shape else ""


def _notices(shape: tuple[int, ...], axes: str | None) -> tuple[str, ...]:
    """Return a notice where four axes may be those of TensorFlow's weights."""
    if axes is not None or len(shape) != 4 or axes_of(shape) != "ZCYX" or "hwio" not in other_layouts(shape):
        return ()
    read = f"shape {shape} is read as {shape[0]} maps of {shape[1]} channels"
    return (f"{read}; weights in the order of TensorFlow are shown by -k @FILE:layout=hwio",)
