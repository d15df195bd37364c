"""Reads arrays of weights from files of NumPy, safetensors, PyTorch and Keras: headers are checked before memory is taken."""

import math
import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

from ..errors import KernelError, nearest_name
from ..npy_reader import Check, read_npy
from .stored_array import StoredArray
from .weight_layouts import LAYOUTS
from .weights import WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

Opened = TypeVar("Opened")

MAX_ARRAY_BYTES = 64 << 20
"""Largest array of weights that is read."""

MAX_WEIGHTS = 4_000_000
"""Weights of one array at most: the largest convolution of VGG-16 has 2.4 million."""

MAX_DIRECTORY_BYTES = 1 << 20
"""Largest directory of an archive, for some ten thousand arrays: zipfile takes 1.5 s to read one of 200,000."""


def read_array(
    file: WeightsFile, check: "Check | None" = None, largest: int = MAX_ARRAY_BYTES
) -> "tuple[np.ndarray[Any, Any], int]":
    """Read an array of a binary file after ``check`` has accepted its header; return it and the number of arrays."""
    check = check or _check
    suffix = file.path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensor(file, check)
    if suffix in OPENERS:
        with _archive(file.path, _opened_by_suffix) as arrays:
            stored = arrays[_array_name(file.key, arrays)]
            check(stored.shape, stored.dtype)
            return stored.load(), len(arrays)
    opened = _member if suffix == ".npz" else _whole
    with opened(file.path, file.key, largest) as (array, count):
        weights = read_npy(array, check)
        if array.read(1):
            raise KernelError("holds more data after the array")
        return weights, count


class _Header(Exception):
    """Raised with the shape and the dtype, to stop reading once they are known."""


def read_array_header(file: WeightsFile, check: Check, largest: int) -> "tuple[tuple[int, ...], np.dtype[Any]]":
    """Return the shape and the dtype of an array, whose numbers are not read. Raises as ``read_array`` does."""

    def stop(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        check(shape, dtype)
        raise _Header(shape, dtype)

    try:
        read_array(file, stop, largest)
    except _Header as header:
        shape, dtype = header.args
        return shape, dtype
    raise AssertionError("the header was not checked")


def array_names(file: WeightsFile) -> list[str]:
    """Return the names of the arrays of a file that holds several, in its order. Raises as ``read_array`` does."""
    suffix = file.path.suffix.lower()
    if suffix == ".safetensors":
        with _safetensors(file) as tensors:
            return list(tensors.keys())
    if suffix in OPENERS:
        with _archive(file.path, _opened_by_suffix) as arrays:
            return list(arrays)
    with _archive(file.path, _open_npz) as (_, members):
        return list(members)


@contextmanager
def _whole(path: Path, key: str | None, largest: int) -> Iterator[tuple[BinaryIO, int]]:
    with path.open("rb") as file:
        if key is not None:
            raise WeightsError(f"a .npy file holds one array without a name; leave out #{key}", "key")
        yield file, 1


MAX_OPEN = 16
"""Archives that stay open. A network has its weights in one or a few."""

Npz: TypeAlias = tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]
"""An open .npz file, and its members by the names of their arrays."""

OPENERS = {".pt": "torch", ".pth": "torch", ".h5": "keras", ".hdf5": "keras", ".keras": "keras"}
"""The suffixes of files that PyTorch and Keras write."""

_shared: "ContextVar[tuple[ExitStack, dict[Path, Any]] | None]" = ContextVar("_shared", default=None)


@contextmanager
def sharing_archives() -> Iterator[None]:
    """Open archives once in this block, and not again for each array: zipfile reads the whole directory each time.

    At most MAX_OPEN stay open.

    A run of a MobileNet, whose file has 137 arrays, takes 0.8 s in place of 1.3 s.
    """
    with ExitStack() as stack:
        token = _shared.set((stack, {}))
        try:
            yield
        finally:
            _shared.reset(token)


@contextmanager
def _archive(path: Path, opener: Callable[[Path, ExitStack], Opened]) -> Iterator[Opened]:
    """Open a file of several arrays for this block, or for that of ``sharing_archives``."""
    shared = _shared.get()
    if shared is None:
        with ExitStack() as stack:
            yield opener(path, stack)
        return
    stack, archives = shared
    if len(archives) >= MAX_OPEN and path not in archives:
        stack.close()
        archives.clear()
    if path not in archives:
        archives[path] = opener(path, stack)
    yield archives[path]


def _opened_by_suffix(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Open a file of PyTorch or Keras."""
    if OPENERS[path.suffix.lower()] == "torch":
        from .torch_arrays import open_torch  # imports NumPy

        return open_torch(path, stack)
    from .keras_arrays import open_keras  # imports NumPy

    return open_keras(path, stack)


def _open_npz(path: Path, stack: ExitStack) -> Npz:
    file = stack.enter_context(path.open("rb"))
    _check_directory(file)
    archive = stack.enter_context(zipfile.ZipFile(file))
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if any(name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) for name in members):
        raise KernelError("holds a name that points outside of the archive, which NumPy does not write")
    return archive, members


@contextmanager
def _member(path: Path, key: str | None, largest: int) -> Iterator[tuple[BinaryIO, int]]:
    """Open one array of an .npz file, and return it with the number of arrays."""
    with _archive(path, _open_npz) as (archive, members):
        member = members[_array_name(key, members)]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise KernelError("is compressed by a method that NumPy does not use")
        if member.file_size > largest:
            raise KernelError(f"is {member.file_size} bytes long; the limit is {largest}")
        with archive.open(member) as packed:  # no more of it is unpacked than the array's own header asks for
            array: Any = packed
            yield array, len(members)


def _check_directory(file: BinaryIO) -> None:
    """Raise KernelError for an archive with a large directory, which zipfile would read whole. Other files are left to zipfile.

    The length is in the record at the end of the file, unless a ZIP64 record precedes it, for more than 4 GB or 65,535 members
    (PKWARE, APPNOTE.TXT, 4.3.15 and 4.3.16).
    """
    size = file.seek(0, 2)
    file.seek(max(size - (1 << 16) - 42, 0))
    end = file.read()
    record = end.rfind(b"PK\5\6")
    if record < 0:
        return
    zip64 = end[max(record - 20, 0) : record].startswith(b"PK\6\7")
    if zip64 or int.from_bytes(end[record + 12 : record + 16], "little") > MAX_DIRECTORY_BYTES:
        raise KernelError("holds too many arrays; the limit is some ten thousand")


def _array_name(key: str | None, members: Collection[str]) -> str:
    """Return the key, or the only name. Raises KernelError."""
    if key is not None and key in members:
        return key
    names = list(members)
    listed = ", ".join(sorted(names)[:20]) + (", ..." if len(names) > 20 else "")
    if key is None and len(names) != 1:
        arrays = f"{len(names)} arrays{': ' if names else ''}{listed}"
        raise KernelError(f"holds {arrays}; name one by its key, @FILE#KEY, or key = in a config file")
    if key is None:
        return names[0]
    raise WeightsError(f"there is no array of that name; the file holds {listed or 'none'}{nearest_name(key, names)}", "key")


def _read_safetensor(file: WeightsFile, check: Check) -> "tuple[np.ndarray[Any, Any], int]":
    import numpy as np

    with _safetensors(file) as tensors:
        names = list(tensors.keys())
        name = _array_name(file.key, names)
        tensor = tensors.get_slice(name)
        kind = tensor.get_dtype()
        if kind not in ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64"):
            raise KernelError(f"must hold numbers that NumPy knows, got dtype {kind}")
        shape = tuple(tensor.get_shape())
        if kind == "BF16":  # which NumPy does not have, and the library does not convert
            check(shape, np.dtype(np.float32))
            return _bfloat16(file.path, name).reshape(shape), len(names)
        check(shape, np.dtype({"F": "f", "I": "i", "U": "u"}[kind[0]] + str(int(kind[1:]) // 8)))
        return np.asarray(tensors.get_tensor(name)), len(names)


def _bfloat16(path: Path, name: str) -> "np.ndarray[Any, Any]":
    """Return the numbers of a bfloat16 tensor as float32, of which they are the upper halves.

    The library has checked the file: 8 bytes of the length of the header, the header in JSON, then the numbers.
    """
    import json

    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        begin, end = json.loads(file.read(length))[name]["data_offsets"]
        file.seek(8 + length + begin)
        halves = np.frombuffer(file.read(end - begin), "<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32)


@contextmanager
def _safetensors(file: WeightsFile) -> Iterator[Any]:
    """Open a .safetensors file. Raises KernelError for one that is too large, and where the library is missing."""
    try:
        import safetensors
    except ImportError:
        raise KernelError("needs the safetensors library; install it with: pip install 'convcli[safetensors]'") from None
    with file.path.open("rb") as stream:
        if MAX_DIRECTORY_BYTES < int.from_bytes(stream.read(8), "little") < file.path.stat().st_size:
            raise KernelError("holds too many arrays; the limit is some ten thousand")
    try:
        opened: Any = safetensors.safe_open
        with opened(file.path, framework="numpy") as tensors:
            yield tensors
    except safetensors.SafetensorError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Raise KernelError for an array that cannot hold weights."""
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise KernelError(f"must hold numbers, got dtype {dtype}")
    if len(shape) not in LAYOUTS or 0 in shape:
        raise KernelError(f"must have shape (kh, kw), (kh, kw, C) or (N, C, kh, kw), got {shape}")
    if math.prod(shape) > MAX_WEIGHTS:
        raise KernelError(f"has shape {shape}, more than the limit of {MAX_WEIGHTS} numbers")
