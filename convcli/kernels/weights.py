"""Weights from .npy and .npz files: numbers only, never code."""

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import KernelError
from .grammar import LARGEST, WeightsFile
from .kernel import MAX_SIDE, Bank, Kernel

if TYPE_CHECKING:
    import numpy as np

LARGEST_ARRAY = 64 << 20
"""Bytes of an array of weights that are read at most."""


def load_weights(file: WeightsFile) -> Kernel | Bank:
    """Load one kernel, or the bank of a 4-D array. Raises KernelError.

    (kw,) and (kh, kw) are one kernel; (kh, kw, C) one kernel summed over C channels; (N, C, kh, kw), the order of PyTorch and
    ONNX, N of those.
    """
    path = Path(file.path)
    array = _check(_read(path, file.key), file)
    about = f"from {path.name}" + (f", {file.key}" if file.key else "")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.key or path.stem)
    if array.ndim < 4:
        return Kernel(name, _nested(array.reshape(1, -1) if array.ndim == 1 else array), about)
    tensors = array.transpose(0, 2, 3, 1)
    tensors = tensors[..., 0] if tensors.shape[3] == 1 else tensors
    kernels = tuple(Kernel(f"{name}-{i}", _nested(tensor), about) for i, tensor in enumerate(tensors))
    return Bank(name, kernels, None, about)


def _read(path: Path, key: str | None) -> "np.ndarray[Any, Any]":
    import numpy as np

    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        raise KernelError(f"@{path}: must end in .npy or .npz")
    try:
        if suffix == ".npy":
            if key is not None:
                raise KernelError(f"@{path}: a .npy file holds one array without a name; leave out #{key}")
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        return _read_member(path, key)
    except FileNotFoundError:
        raise KernelError(f"@{path}: no such file") from None
    except OSError as error:
        raise KernelError(f"@{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, TypeError, SyntaxError, NotImplementedError) as error:
        raise KernelError(f"@{path}: is not a readable {suffix} file: {str(error).splitlines()[0]}") from None


def _read_member(path: Path, key: str | None) -> "np.ndarray[Any, Any]":
    import numpy as np

    with zipfile.ZipFile(path) as members:
        sizes = {info.filename.removesuffix(".npy"): info.file_size for info in members.infolist()}
    if key is None and len(sizes) != 1:
        raise KernelError(f"@{path}: holds {len(sizes)} arrays; name one: @{path}#{next(iter(sizes), 'KEY')}")
    wanted = next(iter(sizes)) if key is None else key
    if wanted not in sizes:
        raise KernelError(f"@{path}: has no array {wanted!r}; it holds {', '.join(sorted(sizes))}")
    if sizes[wanted] > LARGEST_ARRAY:
        raise KernelError(f"@{path}#{wanted}: is {sizes[wanted]} bytes long; the limit is {LARGEST_ARRAY}")
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[wanted]  # type: ignore[no-any-return]


def _check(array: "np.ndarray[Any, Any]", file: WeightsFile) -> "np.ndarray[Any, Any]":
    """Refuse what is no array of weights; copy the rest into float64."""
    import numpy as np

    where = f"@{file.path}" + (f"#{file.key}" if file.key else "")
    if array.dtype.kind not in "iuf":
        raise KernelError(f"{where}: must hold numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2, 3, 4) or array.size == 0:
        raise KernelError(f"{where}: must have shape (kh, kw), (kh, kw, C) or (N, C, kh, kw), got {array.shape}")
    sides = array.shape[2:] if array.ndim == 4 else array.shape[:2]
    if max(sides) > MAX_SIDE or array.nbytes > LARGEST_ARRAY:
        raise KernelError(f"{where}: has shape {array.shape}; the largest kernel side is {MAX_SIDE}")
    weights = np.asarray(array, np.float64)
    if not np.all(np.abs(weights) <= LARGEST):
        raise KernelError(f"{where}: must hold finite numbers of at most {LARGEST:g}")
    return weights


def _nested(array: "np.ndarray[Any, Any]") -> Any:
    """Nested tuples of floats, as a Kernel holds them."""
    return tuple(_nested(part) for part in array) if array.ndim > 1 else tuple(array.tolist())
