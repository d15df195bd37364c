"""Reads the tensors of PyTorch's .pt and .pth files, without PyTorch, and without running code that is in them.

A file is a pickle beside the numbers of its tensors: a zip archive since PyTorch 1.6, and a sequence of pickles before
(``torch.serialization``). A pickle names functions that make its objects. The unpickler here knows those of tensors and of
dictionaries, and refuses all others: a file that names one is not read at all.
"""

import functools
import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ..errors import KernelError
from .stored_array import StoredArray

MAX_PICKLE = 16 << 20
"""Bytes of the pickle, which holds names and shapes; that of a ResNet-152 takes 200 kB."""

LARGEST = 1 << 30
"""Bytes of a tensor at most."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
"""The first two objects of a file from before PyTorch 1.6."""

REMEDY = "save its state dictionary by torch.save(model.state_dict(), 'weights.pt')"

MAX_DICTIONARIES = 1000
"""Dictionaries in a file of which the tensors are read."""

BFLOAT16 = "bfloat16"
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
"""The dtype of each kind of storage."""


class _Storage(NamedTuple):
    """The numbers of one or several tensors: the key in the file, the dtype and how many they are."""

    key: str
    dtype: str
    size: int

    @property
    def itemsize(self) -> int:
        """Bytes of each number."""
        return 2 if self.dtype == BFLOAT16 else np.dtype(self.dtype).itemsize


class _Tensor(NamedTuple):
    """A tensor: its storage, where it begins there, its shape and its strides, counted in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


UNREADABLE = (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError, ImportError)
"""What Python's unpickler raises for files that are no pickles, or end too soon."""

ReadStorage = Callable[[_Storage], bytes]


def open_torch(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the tensors of a file by name; those of nested dictionaries as outer.inner. The stack closes the file.

    Raises KernelError.
    """
    file = stack.enter_context(path.open("rb"))
    try:
        found, read = _read_archive(file, stack) if zipfile.is_zipfile(file) else _read_legacy(file)
    except (*UNREADABLE, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise KernelError(f"is not a readable PyTorch file: {reason}") from None
    return {name: _stored(name, tensor, read) for name, tensor in _tensors_in(found)}


def _read_archive(file: BinaryIO, stack: ExitStack) -> tuple[Any, ReadStorage]:
    """Return the object in a zip archive, and the function that reads a storage."""
    archive = stack.enter_context(zipfile.ZipFile(file))
    members = {info.filename: info for info in archive.infolist()}
    names = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1:
        raise KernelError("is an archive without the pickle of PyTorch")
    folder = names[0].rpartition("/")[0]
    order = members.get(f"{folder}/byteorder")
    if order is not None and archive.read(order)[:6] != b"little":
        raise KernelError("was written by a machine that stores the largest byte first")
    if members[names[0]].file_size > MAX_PICKLE:
        raise KernelError(f"has a pickle of {members[names[0]].file_size} bytes; the limit is {MAX_PICKLE}")
    found = _Unpickler(io.BytesIO(archive.read(names[0]))).load()

    def read(storage: _Storage) -> bytes:
        info = members.get(f"{folder}/data/{storage.key}")
        if info is None or info.file_size != storage.size * storage.itemsize:
            raise KernelError(f"does not hold the numbers of storage {storage.key!r}")
        with archive.open(info) as member:
            return member.read(info.file_size)

    return found, read


def _read_legacy(file: BinaryIO) -> tuple[Any, ReadStorage]:
    """Return the object in a file of several pickles, and the function that reads a storage."""
    file.seek(0)
    if _Unpickler(file).load() != LEGACY_MAGIC or _Unpickler(file).load() != LEGACY_VERSION:
        raise KernelError(f"is not a file of torch.save; {REMEDY}")
    _Unpickler(file).load()  # what the machine is like
    found = _Unpickler(file).load()
    keys, places = _Unpickler(file).load(), {}
    itemsizes = {tensor.storage.key: tensor.storage.itemsize for _, tensor in _tensors_in(found)}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        places[str(key)] = file.tell(), count
        file.seek(count * itemsizes.get(str(key), 1), 1)

    def read(storage: _Storage) -> bytes:
        place, count = places.get(storage.key, (0, -1))
        file.seek(place)
        data = file.read(storage.size * storage.itemsize) if count == storage.size else b""
        if len(data) != storage.size * storage.itemsize:
            raise KernelError(f"does not hold the numbers of storage {storage.key!r}")
        return data

    return found, read


class _Unpickler(pickle.Unpickler):
    """Makes tensors and containers of Python's own, and refuses every other class and function."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or a function that a pickle names. Raises KernelError for others."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in DTYPES:
            return functools.partial(str, DTYPES[name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if (module, name) == ("torch", "Size"):
            return tuple
        raise KernelError(f"holds {module}.{name}, which is neither a tensor nor a dictionary; {REMEDY}")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage of a tensor."""
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(dtype, functools.partial) or not isinstance(count, int) or count < 0:
            raise KernelError("holds a storage of an unknown kind")
        if len(pid) > 5 and pid[5] is not None:
            raise KernelError(f"holds views of storages, as PyTorch wrote them before 0.4; {REMEDY}")
        return _Storage(str(key), dtype(), count)


def _rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """Return a tensor whose numbers lie in its storage. Raises KernelError."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(isinstance(number, int) and 0 <= number < 1 << 60 for number in numbers):
        raise KernelError("holds a tensor of an unknown kind")
    tensor = _Tensor(storage, offset, tuple(shape), tuple(strides))
    last = offset + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True))
    if 0 not in tensor.shape and last >= storage.size:
        raise KernelError(f"holds a tensor of shape {tensor.shape} in a storage of {storage.size} numbers")
    return tensor


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _tensors_in(found: Any) -> list[tuple[str, _Tensor]]:
    """Return the tensors of an object, and their names. A dictionary that several others hold is named by the first."""
    tensors: list[tuple[str, _Tensor]] = []
    seen: set[int] = set()

    def visit(value: Any, name: str) -> None:
        if isinstance(value, _Tensor):
            tensors.append((name or "tensor", value))
        elif isinstance(value, dict) and id(value) not in seen and len(seen) < MAX_DICTIONARIES:
            seen.add(id(value))
            for key, inner in dict.items(value):  # a pickle can replace the method of an OrderedDict
                if isinstance(key, str | int):
                    visit(inner, f"{name}.{key}" if name else str(key))

    try:
        visit(found, "")
    except RecursionError:
        raise KernelError("holds dictionaries in dictionaries, too deep to read") from None
    return tensors


def _stored(name: str, tensor: _Tensor, read: ReadStorage) -> StoredArray:
    dtype = np.dtype("<f4" if tensor.storage.dtype == BFLOAT16 else tensor.storage.dtype)
    return StoredArray(tensor.shape, dtype, functools.partial(_load, name, tensor, dtype, read))


def _load(name: str, tensor: _Tensor, dtype: "np.dtype[Any]", read: ReadStorage) -> "np.ndarray[Any, Any]":
    storage = tensor.storage
    if max(storage.size, int(np.prod(tensor.shape, dtype=np.float64))) * dtype.itemsize > LARGEST:
        raise KernelError(f"{name} takes more than {LARGEST} bytes")
    data = read(storage)
    numbers = np.frombuffer(data, "<u2" if storage.dtype == BFLOAT16 else dtype)
    strides = tuple(stride * numbers.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides, writeable=False)
    if storage.dtype == BFLOAT16:  # the upper half of a float32
        return (view.astype(np.uint32) << 16).view(np.float32)
    return np.array(view)
