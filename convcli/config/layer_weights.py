"""Reads the arrays of layers from files: up to LARGEST_TENSOR bytes and four axes, in the axis order that a layer uses."""

import math
from typing import TYPE_CHECKING, Any

from ..errors import KernelError
from ..kernels.weight_arrays import read_array, read_array_header
from ..kernels.weight_files import naming_file
from ..kernels.weight_layouts import check_layout_is_clear, usual_layout
from ..kernels.weight_suffixes import ARRAY_SUFFIXES
from ..kernels.weights import WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

LARGEST_TENSOR = 1 << 30
"""Largest size of a layer's array in bytes; the first dense layer of VGG-16 takes 411 million."""


def tensor_header(
    file: WeightsFile, order: str, size: tuple[int, int] | None = None, inputs: int | None = None
) -> tuple[tuple[int, ...], int]:
    """Return the shape of an array with its axes in this order, and its item size after reading.

    Raises WeightsError, also if the order of the axes is ambiguous and ``size`` or ``inputs`` of the kernel does not settle it.
    """
    with naming_file(file, ARRAY_SUFFIXES):
        stored, dtype = read_array_header(file, _check, LARGEST_TENSOR)
        letters = _letters(stored, order)
        if len(letters) == len(stored) > 1:
            check_layout_is_clear(file, stored, letters, size, inputs)
        shape = tuple(stored[axis] for axis in _axes(file, stored, order))
        return shape + (1,) * (len(order) - len(shape)), 8 if _is_double(dtype) else 4


def load_tensor(file: WeightsFile, order: str) -> "np.ndarray[Any, Any]":
    """Return an array with its axes in this order, as float64 if it is stored so or as integers, else as float32.

    Raises WeightsError.
    """
    import numpy as np

    with naming_file(file, ARRAY_SUFFIXES):
        array, _ = read_array(file, _check, LARGEST_TENSOR)
        array = array.transpose(_axes(file, array.shape, order))
        array = array.reshape(array.shape + (1,) * (len(order) - array.ndim))
        array = np.array(array, np.float64 if _is_double(array.dtype) else np.float32, order="C", copy=None)
        if not np.isfinite(array).all():
            raise KernelError("must hold finite numbers")
        return array


def _is_double(dtype: "np.dtype[Any]") -> bool:
    """Whether an array is read as float64: float64 and integers are."""
    return dtype.kind in "iu" or dtype.itemsize == 8


def _axes(file: WeightsFile, shape: tuple[int, ...], order: str) -> list[int]:
    """Return the axis in the file for each axis of the layer. An array of two axes instead of four lacks the last two."""
    letters = _letters(shape, order)
    layout = file.layout or usual_layout(file.path, letters)
    if len(shape) != len(letters) or len(layout) != len(letters):
        axes = "one axis" if len(layout) == 1 else f"{len(layout)} axes"
        raise WeightsError(f"has shape {shape}, and must have {axes}: {' '.join(layout)}", "layout")
    return [layout.index(letter) for letter in letters]


def _letters(shape: tuple[int, ...], order: str) -> str:
    """Return the letters of the axes in ``order``, where 11 becomes hw, or is omitted if the array has only two axes."""
    return order.replace("11", "" if len(shape) == 2 else "hw")


def _check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise KernelError(f"must hold numbers, got dtype {dtype}")
    if not 1 <= len(shape) <= 4:
        raise KernelError(f"must have one to four axes, got shape {shape}")
    if 0 in shape:
        raise KernelError(f"must not be empty, got shape {shape}")
    if math.prod(shape) * dtype.itemsize > LARGEST_TENSOR:
        raise KernelError(f"has shape {shape}, more than the limit of {LARGEST_TENSOR} bytes")
