"""Reads ONNX files: checks what they say before memory is allocated, and returns their tensors when they are asked for.

The onnx package decodes the file; it is an optional dependency, imported when a file is opened.
"""

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import KernelError

if TYPE_CHECKING:
    import numpy as np

OPSETS = range(7, 27)
"""Versions of ONNX's operators that are read. Broadcasting is as today from 7 on."""

LARGEST_FILE = 1 << 31
"""Bytes of a file at most, as of all protocol buffers; larger models have external data."""

GRAPH_FIELD = 7
"""The field of a model that holds its graph (onnx.proto)."""

MAX_NODES = 20_000
"""Nodes of a graph at most; large published networks have some thousand."""

INSTALL = "needs the onnx library; install it with: pip install 'convcli[onnx]'"


def read_model(path: Path) -> Any:
    """Return the ``onnx.ModelProto`` of a file, without its external data. Raises KernelError, which does not name the file."""
    with path.open("rb") as file:
        _check_fields(file)
        try:
            import onnx
        except ImportError:
            raise KernelError(INSTALL) from None
        file.seek(0)
        try:
            model = onnx.load_model_from_string(file.read())
        except Exception as error:  # noqa: BLE001 - protobuf's DecodeError, which onnx does not export
            raise KernelError(f"is not a readable ONNX file: {str(error).splitlines()[0]}") from None
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions or max(versions) not in OPSETS:
        found = max(versions, default="none")
        raise KernelError(f"must have ONNX's operators of version {OPSETS[0]} to {OPSETS[-1]}, got {found}")
    if len(model.graph.node) > MAX_NODES:
        raise KernelError(f"has {len(model.graph.node)} nodes; the limit is {MAX_NODES}")
    return model


def _check_fields(file: BinaryIO) -> None:
    """Raise KernelError where the fields of a protocol buffer do not fill the file, or none of them is a graph.

    Only the headers of the fields are read: https://protobuf.dev/programming-guides/encoding/.
    """
    size = file.seek(0, 2)
    if size == 0:
        raise KernelError("is empty")
    if size > LARGEST_FILE:
        raise KernelError(f"is {size} bytes long; the limit is {LARGEST_FILE}, beyond which ONNX has external data")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        numbers = list(_fields_of(data, size))
    if GRAPH_FIELD not in numbers:
        raise KernelError("is not an ONNX file, or holds no graph")


def _fields_of(data: mmap.mmap, size: int) -> Iterator[int]:
    """Yield the number of each field of a message. Raises KernelError."""
    place = 0
    while place < size:
        key, place = _varint(data, place, size)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _, place = _varint(data, place, size)
        elif wire == 2:
            length, place = _varint(data, place, size)
            place += length
        else:
            place += {1: 8, 5: 4}.get(wire, size + 1)
        if place > size or number == 0:
            raise KernelError("is not an ONNX file, or is truncated")
        yield number


def _varint(data: mmap.mmap, place: int, size: int) -> tuple[int, int]:
    """Return a number of variable length, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= size:
            break
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise KernelError("is not an ONNX file, or is truncated")


class Tensors:
    """The constants of a graph by name. Their numbers are read when they are asked for."""

    def __init__(self, path: Path, graph: Any) -> None:
        self.path = path
        self._protos = {tensor.name: tensor for tensor in graph.initializer}

    def __contains__(self, name: str) -> bool:
        return name in self._protos

    def add(self, name: str, proto: Any) -> None:
        """Add the value of a Constant node."""
        self._protos[name] = proto

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor. Raises KernelError for one whose size its data have not."""
        proto = self._protos[name]
        shape = tuple(proto.dims)
        if any(length < 0 for length in shape):
            raise KernelError(f"tensor {name!r} has shape {shape}, and no length may be negative")
        _check_size(name, proto, math.prod(shape))
        return shape

    def itemsize(self, name: str) -> int:
        """Return the bytes of each number once it is loaded: 8 for float64 and integers, else 4."""
        return 8 if self._dtype(name).kind in "iu" or self._dtype(name).itemsize == 8 else 4

    def load(self, name: str) -> "np.ndarray[Any, Any]":
        """Return the numbers of a tensor: float32 or float64, integers and booleans unchanged. Raises KernelError."""
        import numpy as np
        import onnx

        proto, shape = self._protos[name], self.shape(name)
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            return self._external(name, proto, shape)
        try:
            array = onnx.numpy_helper.to_array(proto)
        except (ValueError, TypeError) as error:
            raise KernelError(f"tensor {name!r} cannot be read: {error}") from None
        return array if array.dtype.kind in "iub" else array.astype(np.float64 if array.dtype == np.float64 else np.float32)

    def _dtype(self, name: str) -> "np.dtype[Any]":
        import onnx

        try:
            return onnx.helper.tensor_dtype_to_np_dtype(self._protos[name].data_type)
        except KeyError:
            raise KernelError(f"tensor {name!r} has the unknown type {self._protos[name].data_type}") from None

    def _external(self, name: str, proto: Any, shape: tuple[int, ...]) -> "np.ndarray[Any, Any]":
        """Read numbers from a file beside the model."""
        import numpy as np

        entries = {entry.key: entry.value for entry in proto.external_data}
        folder = self.path.resolve().parent
        path = (folder / entries.get("location", "")).resolve()
        if not path.is_relative_to(folder) or path == folder:
            raise KernelError(f"tensor {name!r} is in {entries.get('location', '')!r}, outside of the folder of the model")
        dtype, count = self._dtype(name), math.prod(shape)
        try:
            offset = int(entries.get("offset", "0"))
            if offset < 0 or offset + count * dtype.itemsize > path.stat().st_size:
                raise KernelError(f"tensor {name!r} reaches beyond the end of {path.name!r}")
            array = np.fromfile(path, dtype, count, offset=offset).reshape(shape)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise KernelError(f"tensor {name!r}: {path.name!r} cannot be read: {reason}") from None
        return array if dtype.kind in "iub" else array.astype(np.float64 if dtype == np.float64 else np.float32)


def _check_size(name: str, proto: Any, count: int) -> None:
    """Raise KernelError where a tensor does not hold as many numbers as its shape says."""
    import onnx

    if proto.data_location == onnx.TensorProto.EXTERNAL:
        return
    fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
    if proto.HasField("raw_data"):
        try:
            itemsize = onnx.helper.tensor_dtype_to_np_dtype(proto.data_type).itemsize
        except KeyError:
            raise KernelError(f"tensor {name!r} has the unknown type {proto.data_type}") from None
        held = len(proto.raw_data) // itemsize
    else:
        held = sum(len(getattr(proto, field)) for field in fields)
    if held != count:
        raise KernelError(f"tensor {name!r} has shape {tuple(proto.dims)}, and holds {held} numbers")
