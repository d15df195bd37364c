"""Weights from .npy and .npz files: numbers only, never code."""

import io
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..arrays import read_npy
from ..errors import KernelError
from .grammar import WeightsFile
from .kernel import LARGEST, MAX_SIDE, Bank, Kernel

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
    array = _read(path, file.key)
    about = f"from {path.name}" + (f", {file.key}" if file.key else "")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.key or path.stem)
    if array.ndim < 4:
        return Kernel(name, _nested(array.reshape(1, -1) if array.ndim == 1 else array), about)
    tensors = array.transpose(0, 2, 3, 1)
    tensors = tensors[..., 0] if tensors.shape[3] == 1 else tensors
    kernels = tuple(Kernel(f"{name}-{i}", _nested(tensor), about) for i, tensor in enumerate(tensors))
    return Bank(name, kernels, None, about)


def _read(path: Path, key: str | None) -> "np.ndarray[Any, Any]":
    """The array of a file, as float64."""
    where = f"@{path}" + (f"#{key}" if key else "")
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        raise KernelError(f"{where}: the file must end in .npy or .npz")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise KernelError("is no regular file")
        with path.open("rb") as file, _member(file, key) if suffix == ".npz" else _whole(file, key) as array:
            import numpy as np  # here, so that a wrong name costs nothing

            weights = np.asarray(read_npy(array, _check), np.float64)
    except KernelError as error:
        raise KernelError(f"{where}: {error}") from None
    except FileNotFoundError:
        raise KernelError(f"{where}: no such file") from None
    except OSError as error:
        raise KernelError(f"{where}: cannot be read: {error.strerror or error}") from None
    except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        raise KernelError(f"{where}: is not a readable {suffix} file: {error}") from None
    if not np.all(np.abs(weights) <= LARGEST):
        raise KernelError(f"{where}: must hold finite numbers of at most {LARGEST:g}")
    return weights


@contextmanager
def _whole(file: BinaryIO, key: str | None) -> Iterator[BinaryIO]:
    if key is not None:
        raise KernelError(f"a .npy file holds one array without a name; leave out #{key}")
    yield file


@contextmanager
def _member(file: BinaryIO, key: str | None) -> Iterator[BinaryIO]:
    """One array of an .npz, unpacked no further than the limit."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if key is None and len(members) != 1:
            raise KernelError(f"holds {len(members)} arrays; name one, such as #{next(iter(members), 'KEY')}")
        wanted = next(iter(members)) if key is None else key
        if wanted not in members:
            raise KernelError(f"there is no array of that name; the file holds {', '.join(sorted(members))}")
        if members[wanted].file_size > LARGEST_ARRAY:
            raise KernelError(f"is {members[wanted].file_size} bytes long; the limit is {LARGEST_ARRAY}")
        yield io.BytesIO(archive.read(members[wanted]))


def _check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Refuse by its header what is no array of weights."""
    if dtype.kind not in "iuf":
        raise KernelError(f"must hold numbers, got dtype {dtype}")
    if len(shape) not in (1, 2, 3, 4) or 0 in shape:
        raise KernelError(f"must have shape (kh, kw), (kh, kw, C) or (N, C, kh, kw), got {shape}")
    if max(shape[2:] if len(shape) == 4 else shape[:2]) > MAX_SIDE:
        raise KernelError(f"has shape {shape}; the largest kernel side is {MAX_SIDE}")
    if math.prod(shape) * dtype.itemsize > LARGEST_ARRAY:
        raise KernelError(f"has shape {shape}, more than the limit of {LARGEST_ARRAY} bytes")


def _nested(array: "np.ndarray[Any, Any]") -> Any:
    """Nested tuples of floats, as a Kernel holds them."""
    return tuple(_nested(part) for part in array) if array.ndim > 1 else tuple(array.tolist())
