"""Reads the arrays of Keras's .h5 and .keras files, by h5py, an optional dependency."""

import functools
import io
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import KernelError
from .stored_array import StoredArray

MEMBER = "model.weights.h5"
"""The file with the weights in a .keras archive."""

LARGEST = 1 << 30
"""Bytes of that file, which is unpacked in memory."""

HDF5 = b"\x89HDF\r\n\x1a\n"

INSTALL = "needs the h5py library; install it with: pip install 'convcli[keras]'"


def open_keras(path: Path, stack: ExitStack) -> dict[str, StoredArray]:
    """Return the arrays of a file by their paths in it. The stack closes the file. Raises KernelError.

    Links to other files, and arrays whose numbers are in other files, are left out.
    """
    try:
        import h5py
    except ImportError:
        raise KernelError(INSTALL) from None
    file = stack.enter_context(path.open("rb"))
    source: Any = file
    if zipfile.is_zipfile(file):
        source = _unpacked(file)
    else:
        file.seek(0)
        if file.read(8) != HDF5:
            raise KernelError("is no HDF5 file")
    try:
        opened = stack.enter_context(h5py.File(source, "r"))
        arrays: dict[str, StoredArray] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "iufb" and not item.external and not item.is_virtual:
                arrays[name] = StoredArray(tuple(item.shape), item.dtype, functools.partial(_load, name, item))

        opened.visititems(visit)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise KernelError(f"is not a readable HDF5 file: {str(error).splitlines()[0]}") from None
    return arrays


def _unpacked(file: Any) -> io.BytesIO:
    """Return the weights in a .keras archive."""
    with zipfile.ZipFile(file) as archive:
        info = next((info for info in archive.infolist() if info.filename == MEMBER), None)
        if info is None:
            raise KernelError(f"is an archive without {MEMBER}")
        if info.file_size > LARGEST:
            raise KernelError(f"has weights of {info.file_size} bytes; the limit is {LARGEST}")
        with archive.open(info) as member:
            return io.BytesIO(member.read(info.file_size))


def _load(name: str, dataset: Any) -> "np.ndarray[Any, Any]":
    if dataset.size * dataset.dtype.itemsize > LARGEST:
        raise KernelError(f"{name} takes more than {LARGEST} bytes")
    try:
        return np.asarray(dataset[()])
    except (OSError, RuntimeError, ValueError) as error:
        raise KernelError(f"{name} cannot be read: {str(error).splitlines()[0]}") from None
