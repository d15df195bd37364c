"""Reads weights from file formats that can hold only numbers, never code. The suffix determines the format.

.npy .npz        NumPy arrays
.safetensors     read by the safetensors library, an optional dependency
.pt .pth         PyTorch's state dictionaries, by an unpickler that knows tensors only
.h5 .keras       Keras's weights, read by the h5py library, an optional dependency
.mat             libvips' matrix format: a line of width, height and optionally scale and offset, then the rows
.txt .csv .dat   rows of numbers separated by spaces or commas; # starts a comment
"""

import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from ..errors import KernelError
from .expressions import MAX_WEIGHT
from .kernel import MAX_SIDE
from .weight_arrays import MAX_ARRAY_BYTES, array_names, read_array, read_array_header, sharing_archives
from .weight_layouts import LAYOUTS, check_layout_is_clear, usual_layout
from .weight_suffixes import ARRAY_SUFFIXES, CONVERSIONS, SUFFIXES, TEXT_SUFFIXES
from .weight_text import MAX_EXPRESSION_CHARACTERS, read_text
from .weights import ARRAY_COST, EXPRESSION_COST, FILE_COST, TEXT_COST, Weights, WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

MAX_FILTERS = 4096
"""Largest number of filters in one file. The widest layers of well-known networks have 2,048."""


def load_weights(file: WeightsFile) -> Weights:
    """Read a weights file. Raises WeightsError, a KernelError that names the file.

    An array (kw,) or (kh, kw) is one kernel. (kh, kw, C) is one kernel, summed over C channels. (N, C, kh, kw), the order of
    PyTorch and ONNX, is N such kernels. A layout overrides this.
    """
    with naming_file(file):
        suffix = file.path.suffix.lower()
        weights = read_text(file, suffix) if suffix in TEXT_SUFFIXES else _weights_from_array(file, *read_array(file))
        if not weights.largest <= MAX_WEIGHT:
            raise KernelError(f"must hold finite numbers of at most {MAX_WEIGHT:g}")
        return weights


class ArrayHeader(NamedTuple):
    """The key of an array in a file, empty where it is the only one, its shape and the name of its dtype."""

    key: str
    shape: tuple[int, ...]
    dtype: str


def list_arrays(file: WeightsFile) -> list[ArrayHeader]:
    """Return the headers of the arrays in a file. Their numbers are not read. Raises WeightsError."""
    with naming_file(file, ARRAY_SUFFIXES), sharing_archives():
        keys = [None] if file.path.suffix.lower() == ".npy" else array_names(file)
        found = []
        for key in keys:
            shape, dtype = read_array_header(replace(file, key=key), lambda shape, dtype: None, sys.maxsize)
            found.append(ArrayHeader(key or "", shape, str(dtype)))
        return found


@contextmanager
def naming_file(file: WeightsFile, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[None]:
    """Convert errors in this block to WeightsErrors that name the file. Raise one for a wrong suffix or a missing file."""
    suffix = file.path.suffix.lower()
    if suffix not in suffixes:
        remedy = f"; {CONVERSIONS[suffix]}" if suffix in CONVERSIONS else ""
        raise WeightsError(f"@{file}: the file must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}{remedy}")
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):
            raise KernelError("is not a regular file")
        yield
    except KernelError as error:
        raise WeightsError(f"@{file}: {error}", getattr(error, "about", "file")) from None
    except FileNotFoundError:
        raise WeightsError(f"@{file}: no such file") from None
    except OSError as error:
        raise WeightsError(f"@{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        raise WeightsError(f"@{file}: is not a readable {suffix} file: {error}") from None


def failed_read_cost(file: WeightsFile) -> int:
    """Return the cost of a failed attempt to read a file: the cost of reading as much as the limits allow."""
    try:
        size = file.path.stat().st_size
    except (OSError, ValueError):
        return FILE_COST
    is_text = file.path.suffix.lower() in TEXT_SUFFIXES
    return FILE_COST + (
        EXPRESSION_COST * min(size, MAX_EXPRESSION_CHARACTERS) + TEXT_COST * size if is_text else min(size, MAX_ARRAY_BYTES)
    )


def _weights_from_array(file: WeightsFile, array: "np.ndarray[Any, Any]", count: int) -> Weights:
    """Return the weights in an array, with the axes in the order of Weights. ``count`` is the number of arrays in the file."""
    check_layout_is_clear(file, array.shape, LAYOUTS[array.ndim])
    axes = file.layout or usual_layout(file.path, LAYOUTS[array.ndim])
    if len(axes) != array.ndim:
        rule = f"has {array.ndim} dimensions, shape {array.shape}, which the layout {axes!r} does not match"
        raise WeightsError(rule, "layout")
    ordered = array.transpose([axes.index(letter) for letter in "ohwi" if letter in axes])
    has_filter_axis = "o" in axes
    filters = ordered if has_filter_axis else ordered[None]
    if "h" not in axes:
        filters = filters[:, None]
    if max(filters.shape[1:3]) > MAX_SIDE:
        raise KernelError(f"has shape {array.shape}; the largest kernel side is {MAX_SIDE}")
    if has_filter_axis and "i" in axes and filters.shape[3] == 1:
        filters = filters[..., 0]
    if len(filters) > MAX_FILTERS:
        raise KernelError(f"has shape {array.shape}, {len(filters)} filters; the limit is {MAX_FILTERS}")
    return Weights(file, filters, has_filter_axis, cost=FILE_COST + array.nbytes + ARRAY_COST * count)
