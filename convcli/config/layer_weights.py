"""The arrays of layers in files: of any size and up to four axes, in the order that a layer takes them."""

import math
from typing import TYPE_CHECKING, Any

from ..errors import KernelError
from ..kernels.weight_arrays import read_array
from ..kernels.weight_files import ARRAYS, reporting
from ..kernels.weight_layouts import check_meaning
from ..kernels.weights import WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

LARGEST_TENSOR = 1 << 30
"""Bytes of an array of a layer at most: the first dense layer of VGG-16 has 411 million."""


class _Seen(Exception):
    """The header was seen, and the rest of the file is not wanted."""

    def __init__(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        self.shape = shape
        self.dtype = dtype


def tensor_header(
    file: WeightsFile, order: str, size: tuple[int, int] | None = None, inputs: int | None = None
) -> tuple[tuple[int, ...], int]:
    """The shape of an array with its axes in this order, and the bytes of a number once it is read. Raises WeightsError, also
    where the axes may be meant in another order, which a known ``size`` or count of ``inputs`` of the kernel may decide.
    """

    def see(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        _check(shape, dtype)
        raise _Seen(shape, dtype)

    try:
        with reporting(file, ARRAYS):
            _read(file, see)
    except _Seen as seen:
        with reporting(file, ARRAYS):
            letters = _letters(seen.shape, order)
            if len(letters) == len(seen.shape) > 1:
                check_meaning(file, seen.shape, letters, size, inputs)
            shape = tuple(seen.shape[axis] for axis in _axes(file, seen.shape, order))
            return shape + (1,) * (len(order) - len(shape)), 8 if _is_double(seen.dtype) else 4
    raise AssertionError("a header was read and not checked")


def load_tensor(file: WeightsFile, order: str) -> "np.ndarray[Any, Any]":
    """An array as float32, or float64 where it is so stored, with its axes in this order. Raises WeightsError."""
    import numpy as np

    with reporting(file, ARRAYS):
        array = _read(file, _check)
        array = array.transpose(_axes(file, array.shape, order))
        array = array.reshape(array.shape + (1,) * (len(order) - array.ndim))
        array = np.array(array, np.float64 if _is_double(array.dtype) else np.float32, order="C", copy=None)
        if not np.isfinite(array).all():
            raise KernelError("must hold finite numbers")
        return array


def _is_double(dtype: "np.dtype[Any]") -> bool:
    """Whether numbers are read as float64: those, and whole numbers."""
    return dtype.kind in "iu" or dtype.itemsize == 8


def _read(file: WeightsFile, check: Any) -> "np.ndarray[Any, Any]":
    return read_array(file, check, LARGEST_TENSOR)[0]


def _axes(file: WeightsFile, shape: tuple[int, ...], order: str) -> list[int]:
    """Which axis of the file each axis of the layer is; of two axes in place of four, the others are 1."""
    letters = _letters(shape, order)
    layout = file.layout or letters
    if len(shape) != len(letters) or len(layout) != len(letters):
        axes = "one axis" if len(layout) == 1 else f"{len(layout)} axes"
        raise WeightsError(f"has shape {shape}, and must have {axes}: {' '.join(layout)}", "layout")
    return [layout.index(letter) for letter in letters]


def _letters(shape: tuple[int, ...], order: str) -> str:
    """The axes of a layer's array in their order, without those called 1 where an array has two."""
    return order.replace("11", "" if len(shape) == 2 else "hw")


def _check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise KernelError(f"must hold numbers, got dtype {dtype}")
    if not 1 <= len(shape) <= 4:
        raise KernelError(f"must have one to four axes, got shape {shape}")
    if 0 in shape:
        raise KernelError(f"must hold numbers, got shape {shape}, which is empty")
    if math.prod(shape) * dtype.itemsize > LARGEST_TENSOR:
        raise KernelError(f"has shape {shape}, more than the limit of {LARGEST_TENSOR} bytes")
