"""Reads arrays of weights from .npy, .npz and .safetensors files: the header is checked before memory is allocated."""

import math
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import KernelError, nearest_name
from ..npy_reader import Check, read_npy
from .weight_layouts import LAYOUTS
from .weights import WeightsError, WeightsFile

if TYPE_CHECKING:
    import numpy as np

LARGEST_ARRAY = 64 << 20
"""Bytes of an array of weights that are read at most."""

MOST_WEIGHTS = 4_000_000
"""Numbers of one file at most: the largest layer of VGG-16's convolutions has 2.4 million."""

LARGEST_DIRECTORY = 1 << 20
"""Bytes of the list of what a file holds: some ten thousand arrays. zipfile takes 1.5 s for one of 200,000."""


def read_array(
    file: WeightsFile, check: "Check | None" = None, largest: int = LARGEST_ARRAY
) -> "tuple[np.ndarray[Any, Any], int]":
    """The array of a file that is no text, once ``check`` let its header pass, and how many there are."""
    check = check or _check
    suffix = file.path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensor(file, check)
    opened = _member if suffix == ".npz" else _whole
    with file.path.open("rb") as stream, opened(stream, file.key, largest) as (array, count):
        weights = read_npy(array, check)
        if array.read(1):
            raise KernelError("holds more behind the array")
        return weights, count


@contextmanager
def _whole(file: BinaryIO, key: str | None, largest: int) -> Iterator[tuple[BinaryIO, int]]:
    if key is not None:
        raise WeightsError(f"a .npy file holds one array without a name; leave out #{key}", "key")
    yield file, 1


@contextmanager
def _member(file: BinaryIO, key: str | None, largest: int) -> Iterator[tuple[BinaryIO, int]]:
    """One array of an .npz, unpacked no further than the limit."""
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if any(name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) for name in members):
            raise KernelError("holds a name that leads out of the file, which NumPy does not write")
        member = members[_wanted(key, list(members))]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise KernelError("is packed in a way that NumPy does not write")
        if member.file_size > largest:
            raise KernelError(f"is {member.file_size} bytes long; the limit is {largest}")
        with archive.open(member) as packed:  # no more of it is unpacked than the array's own header asks for
            array: Any = packed
            yield array, len(members)


def _check_directory(file: BinaryIO) -> None:
    """Refuse an archive by the length of its directory, which zipfile reads whole. What is no archive it refuses itself.

    The length stands in the record that ends the file, unless there is another record before that, for more than 4 GB or
    65,535 members (PKWARE, APPNOTE.TXT, 4.3.15 and 4.3.16).
    """
    size = file.seek(0, 2)
    file.seek(max(size - (1 << 16) - 42, 0))
    end = file.read()
    place = end.rfind(b"PK\5\6")
    if place < 0:
        return
    large = end[max(place - 20, 0) : place].startswith(b"PK\6\7")
    if large or int.from_bytes(end[place + 12 : place + 16], "little") > LARGEST_DIRECTORY:
        raise KernelError("holds more arrays than are looked at, some ten thousand")


def _wanted(key: str | None, names: list[str]) -> str:
    """The name of an array: the key, or the only one there is."""
    told = ", ".join(sorted(names)[:20]) + (", ..." if len(names) > 20 else "")
    if key is None and len(names) != 1:
        several = f"{len(names)} arrays{': ' if names else ''}{told}"
        raise KernelError(f"holds {several}; name one by its key, @FILE#KEY, or key = in a config file")
    wanted = names[0] if key is None else key
    if wanted not in names:
        raise WeightsError(f"there is no array of that name; the file holds {told}{nearest_name(wanted, names)}", "key")
    return wanted


def _read_safetensor(file: WeightsFile, check: Check) -> "tuple[np.ndarray[Any, Any], int]":
    try:
        import safetensors
    except ImportError:
        raise KernelError("needs the safetensors library; install it with: pip install 'convcli[safetensors]'") from None
    import numpy as np

    with file.path.open("rb") as start:
        if LARGEST_DIRECTORY < int.from_bytes(start.read(8), "little") < file.path.stat().st_size:
            raise KernelError("holds more arrays than are looked at, some ten thousand")
    try:
        opened: Any = safetensors.safe_open
        with opened(file.path, framework="numpy") as tensors:
            names = list(tensors.keys())
            name = _wanted(file.key, names)
            part = tensors.get_slice(name)
            kind = part.get_dtype()
            if kind not in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64"):
                raise KernelError(f"must hold numbers that NumPy knows, got dtype {kind}")
            check(tuple(part.get_shape()), np.dtype({"F": "f", "I": "i", "U": "u"}[kind[0]] + str(int(kind[1:]) // 8)))
            return np.asarray(tensors.get_tensor(name)), len(names)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Refuse by its header what is no array of weights."""
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise KernelError(f"must hold numbers, got dtype {dtype}")
    if len(shape) not in LAYOUTS or 0 in shape:
        raise KernelError(f"must have shape (kh, kw), (kh, kw, C) or (N, C, kh, kw), got {shape}")
    if math.prod(shape) > MOST_WEIGHTS:
        raise KernelError(f"has shape {shape}, more than the limit of {MOST_WEIGHTS} numbers")
