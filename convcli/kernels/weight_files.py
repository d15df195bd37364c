"""Reads weights from files, which can hold numbers only and never code. The suffix decides the format.

.npy .npz        NumPy's arrays
.safetensors     read by the safetensors library, an optional dependency
.mat             libvips' matrix format: a line of width, height and optionally scale and offset, then the rows
.txt .csv .dat   rows of numbers separated by spaces or commas; # starts a comment
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import KernelError
from .expressions import MAX_WEIGHT
from .kernel import MAX_SIDE
from .weight_arrays import MAX_ARRAY_BYTES, read_array
from .weight_layouts import LAYOUTS, check_meaning
from .weight_text import MAX_EXPRESSION_CHARACTERS, read_text
from .weights import ARRAY_COST, EXPRESSION_COST, FILE_COST, TEXT_COST, Weights, WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

MAX_FILTERS = 4096
"""Filters of one file at most; the widest layers of well-known networks have 2,048."""

TEXTS = (".mat", ".txt", ".csv", ".dat")
ARRAYS = (".npy", ".npz", ".safetensors")
SUFFIXES = (*ARRAYS, *TEXTS)

PYTORCH = "save its state dictionary by safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
KERAS = "save it by numpy.savez('weights.npz', **{w.path: w.numpy() for w in model.weights}), with layout = 'hwio'"
ONNX = "save it by numpy.savez('weights.npz', **{i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer})"
TENSORFLOW = "save it by numpy.savez('weights.npz', **{v.name: v.numpy() for v in model.variables}), with layout = 'hwio'"
CONVERSIONS = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), PYTORCH),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), KERAS),
    **dict.fromkeys((".onnx",), ONNX),
    **dict.fromkeys((".pb", ".tflite", ".index"), TENSORFLOW),
}
"""Instructions to convert the weights of other systems, by suffix."""


def load_weights(file: WeightsFile) -> Weights:
    """Read a file of weights. Raises WeightsError, a KernelError, which names the file.

    (kw,) and (kh, kw) are one kernel; (kh, kw, C) is one kernel summed over C channels; (N, C, kh, kw), the order of PyTorch
    and ONNX, is N of those. A layout overrides this.
    """
    with reporting(file):
        suffix = file.path.suffix.lower()
        weights = read_text(file, suffix) if suffix in TEXTS else _arranged(file, *read_array(file))
        if not weights.largest <= MAX_WEIGHT:
            raise KernelError(f"must hold finite numbers of at most {MAX_WEIGHT:g}")
        return weights


def hint_of_file(text: str) -> str:
    """Return the end of an error message for an invalid kernel that looks like a file name; empty for another text."""
    suffix = Path(text.partition("#")[0]).suffix.lower()
    return f"; weights in a file are written '@{text}'" if suffix in (*SUFFIXES, *CONVERSIONS) else ""


@contextmanager
def reporting(file: WeightsFile, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[None]:
    """Raise errors in this block as WeightsErrors that name the file; raise one for another suffix or a missing file."""
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


def cost_of_failing(file: WeightsFile) -> int:
    """Return the cost of an unsuccessful attempt to read a file: that of reading as much as the limits allow."""
    try:
        size = file.path.stat().st_size
    except (OSError, ValueError):
        return FILE_COST
    text = file.path.suffix.lower() in TEXTS
    return FILE_COST + (
        EXPRESSION_COST * min(size, MAX_EXPRESSION_CHARACTERS) + TEXT_COST * size if text else min(size, MAX_ARRAY_BYTES)
    )


def _arranged(file: WeightsFile, array: "np.ndarray[Any, Any]", count: int) -> Weights:
    """Return an array, of ``count`` in its file, with its axes in the order of Weights."""
    check_meaning(file, array.shape, LAYOUTS[array.ndim])
    axes = file.layout or LAYOUTS[array.ndim]
    if len(axes) != array.ndim:
        rule = f"has {array.ndim} dimensions, shape {array.shape}, which the layout {axes!r} does not name"
        raise WeightsError(rule, "layout")
    ordered = array.transpose([axes.index(letter) for letter in "ohwi" if letter in axes])
    several = "o" in axes
    filters = ordered if several else ordered[None]
    if "h" not in axes:
        filters = filters[:, None]
    if max(filters.shape[1:3]) > MAX_SIDE:
        raise KernelError(f"has shape {array.shape}; the largest kernel side is {MAX_SIDE}")
    if several and "i" in axes and filters.shape[3] == 1:
        filters = filters[..., 0]
    if len(filters) > MAX_FILTERS:
        raise KernelError(f"has shape {array.shape}, {len(filters)} filters; the limit is {MAX_FILTERS}")
    return Weights(file, filters, several, cost=FILE_COST + array.nbytes + ARRAY_COST * count)
