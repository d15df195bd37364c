"""Weights from files: numbers only, never code. The suffix says which kind of file it is.

.npy .npz        NumPy's arrays
.safetensors     read by the safetensors library, which is an extra
.mat             a matrix as libvips writes it: a line of width, height and perhaps scale and offset, then the rows
.txt .csv .dat   rows of numbers, apart by spaces or commas; # begins a comment
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import KernelError
from .expressions import LARGEST
from .kernel import MAX_SIDE
from .weight_arrays import LARGEST_ARRAY, read_array
from .weight_layouts import LAYOUTS, check_meaning
from .weight_text import LONGEST_EXPRESSIONS, read_text
from .weights import ARRAY_COST, EXPRESSION_COST, FILE_COST, TEXT_COST, Weights, WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

MOST_FILTERS = 4096
"""Filters of one file at most; the widest layers of the known networks have 2,048."""

TEXTS = (".mat", ".txt", ".csv", ".dat")
ARRAYS = (".npy", ".npz", ".safetensors")
SUFFIXES = (*ARRAYS, *TEXTS)

PYTORCH = "save its state dictionary by safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
KERAS = "save it by numpy.savez('weights.npz', **{w.path: w.numpy() for w in model.weights}), with layout = 'hwio'"
ONNX = "save it by numpy.savez('weights.npz', **{i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer})"
TENSORFLOW = "save it by numpy.savez('weights.npz', **{v.name: v.numpy() for v in model.variables}), with layout = 'hwio'"
OTHERS = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), PYTORCH),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), KERAS),
    **dict.fromkeys((".onnx",), ONNX),
    **dict.fromkeys((".pb", ".tflite", ".index"), TENSORFLOW),
}
"""What turns the weights of other systems into a file that is read, by its suffix."""


def load_weights(file: WeightsFile) -> Weights:
    """Read a file of weights. Raises WeightsError, a KernelError, which names the file.

    (kw,) and (kh, kw) are one kernel; (kh, kw, C) one kernel summed over C channels; (N, C, kh, kw), the order of PyTorch and
    ONNX, N of those; a layout says otherwise.
    """
    with reporting(file):
        suffix = file.path.suffix.lower()
        weights = read_text(file, suffix) if suffix in TEXTS else _arranged(file, *read_array(file))
        if not weights.largest <= LARGEST:
            raise KernelError(f"must hold finite numbers of at most {LARGEST:g}")
        return weights


def hint_of_file(text: str) -> str:
    """How weights in a file are written, where a text that is no kernel looks like the name of one."""
    suffix = Path(text.partition("#")[0]).suffix.lower()
    return f"; weights in a file are written '@{text}'" if suffix in (*SUFFIXES, *OTHERS) else ""


@contextmanager
def reporting(file: WeightsFile, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[None]:
    """What goes wrong with a file in this block is a WeightsError that names it; so is a file that cannot hold weights."""
    suffix = file.path.suffix.lower()
    if suffix not in suffixes:
        remedy = f"; {OTHERS[suffix]}" if suffix in OTHERS else ""
        raise WeightsError(f"@{file}: the file must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}{remedy}")
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):
            raise KernelError("is no regular file")
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
    """What reading a file counted that could not be read: as if all that may be had been."""
    try:
        size = file.path.stat().st_size
    except (OSError, ValueError):
        return FILE_COST
    text = file.path.suffix.lower() in TEXTS
    return FILE_COST + (
        EXPRESSION_COST * min(size, LONGEST_EXPRESSIONS) + TEXT_COST * size if text else min(size, LARGEST_ARRAY)
    )


def _arranged(file: WeightsFile, array: "np.ndarray[Any, Any]", beside: int) -> Weights:
    """An array with its axes in the order of Weights."""
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
    if len(filters) > MOST_FILTERS:
        raise KernelError(f"has shape {array.shape}, {len(filters)} filters; the limit is {MOST_FILTERS}")
    return Weights(file, filters, several, cost=FILE_COST + array.nbytes + ARRAY_COST * beside)
