"""Weights from files: numbers only, never code. The suffix says which kind of file it is.

.npy .npz        NumPy's arrays
.safetensors     read by the safetensors library, which is an extra
.mat             a matrix as libvips writes it: a line of width, height and perhaps scale and offset, then the rows
.txt .csv .dat   rows of numbers, apart by spaces or commas; # begins a comment
"""

import io
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..arrays import read_npy
from ..errors import KernelError
from .kernel import MAX_SIDE, Bank, Kernel, Matrix
from .numbers import LARGEST, parse_number

if TYPE_CHECKING:
    import numpy as np

LARGEST_ARRAY = 64 << 20
"""Bytes of an array of weights that are read at most."""

MOST_WEIGHTS = 4_000_000
"""Numbers of one file at most: the largest layer of VGG-16's convolutions has 2.4 million."""

LARGEST_TEXT = 4 << 20
"""Bytes of a text file that are read at most."""

LAYOUTS = {1: "w", 2: "hw", 3: "hwi", 4: "oihw"}
"""The meaning of an array's axes where nobody says: o counts filters, i the channels each of them sums, h and w its taps."""

TEXTS = (".mat", ".txt", ".csv", ".dat")
SUFFIXES = (".npy", ".npz", ".safetensors", *TEXTS)


@dataclass(frozen=True)
class WeightsFile:
    """Weights in a file, under a key where it holds several arrays, with the meaning of the axes where it is not the usual."""

    path: Path
    key: str | None = None
    layout: str | None = None

    def __str__(self) -> str:
        return f"{self.path}" + (f"#{self.key}" if self.key else "")


@dataclass(frozen=True)
class Weights:
    """What a file holds: one matrix, or as many as it has filters (``several``); and the offset that it asks for."""

    matrices: tuple[Matrix, ...]
    several: bool = False
    offset: float = 0.0


def load_file(file: WeightsFile) -> Kernel | Bank:
    """One kernel, or the bank of an array of filters, named after the key or the file. Raises KernelError."""
    weights = load_weights(file)
    about = f"from {file.path.name}" + (f", {file.key}" if file.key else "")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.key or file.path.stem)
    if not weights.several:
        return Kernel(name, weights.matrices[0], about, offset=weights.offset)
    return Bank(name, tuple(Kernel(f"{name}-{i}", one, about) for i, one in enumerate(weights.matrices)), None, about)


def load_weights(file: WeightsFile, index: int | None = None) -> Weights:
    """Read a file of weights, or the filter ``index`` of them alone. Raises KernelError, which names the file.

    (kw,) and (kh, kw) are one kernel; (kh, kw, C) one kernel summed over C channels; (N, C, kh, kw), the order of PyTorch and
    ONNX, N of those; a layout says otherwise.
    """
    suffix = file.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise KernelError(f"@{file}: the file must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):
            raise KernelError("is no regular file")
        if suffix in TEXTS and index is not None:
            raise KernelError("holds one kernel, not several filters; leave out index")
        return _read_text(file, suffix) if suffix in TEXTS else _arranged(_read_array(file, suffix), file.layout, index)
    except KernelError as error:
        raise KernelError(f"@{file}: {error}") from None
    except FileNotFoundError:
        raise KernelError(f"@{file}: no such file") from None
    except OSError as error:
        raise KernelError(f"@{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        raise KernelError(f"@{file}: is not a readable {suffix} file: {error}") from None


def _arranged(array: "np.ndarray[Any, Any]", layout: str | None, index: int | None) -> Weights:
    """An array as matrices (kh, kw), or (kh, kw, C)."""
    axes = layout or LAYOUTS[array.ndim]
    if len(axes) != array.ndim:
        raise KernelError(f"has {array.ndim} dimensions, shape {array.shape}, which the layout {axes!r} does not name")
    ordered = array.transpose([axes.index(letter) for letter in "ohwi" if letter in axes])
    several = "o" in axes
    filters = ordered if several else ordered[None]
    if "h" not in axes:
        filters = filters[:, None]
    if max(filters.shape[1:3]) > MAX_SIDE:
        raise KernelError(f"has shape {array.shape}; the largest kernel side is {MAX_SIDE}")
    if several and "i" in axes and filters.shape[3] == 1:
        filters = filters[..., 0]
    if index is not None and not several:
        raise KernelError("holds one kernel, not several filters; leave out index")
    if several and index is not None:
        if index >= len(filters):
            raise KernelError(f"holds the filters 0 to {len(filters) - 1}, and index is {index}")
        several, filters = False, filters[index : index + 1]
    return Weights(tuple(_nested(one) for one in filters), several)


def _read_array(file: WeightsFile, suffix: str) -> "np.ndarray[Any, Any]":
    """The array of a file, as float64."""
    import numpy as np  # here, so that a wrong name costs nothing

    if suffix == ".safetensors":
        found = _read_safetensor(file)
    else:
        opened = _member if suffix == ".npz" else _whole
        with file.path.open("rb") as stream, opened(stream, file.key) as array:
            found = read_npy(array, _check)
    weights = np.asarray(found, np.float64)
    if not np.all(np.abs(weights) <= LARGEST):
        raise KernelError(f"must hold finite numbers of at most {LARGEST:g}")
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
        if any(name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) for name in members):
            raise KernelError("holds a name that leads out of the file, which NumPy does not write")
        member = members[_wanted(key, list(members))]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise KernelError("is packed in a way that NumPy does not write")
        if member.file_size > LARGEST_ARRAY:
            raise KernelError(f"is {member.file_size} bytes long; the limit is {LARGEST_ARRAY}")
        yield io.BytesIO(archive.read(member))


def _wanted(key: str | None, names: list[str]) -> str:
    """The name of an array: the key, or the only one there is."""
    if key is None and len(names) != 1:
        several = f"{len(names)} arrays{': ' if names else ''}{', '.join(sorted(names))}"
        raise KernelError(f"holds {several}; name one by its key, @FILE#KEY, or key = in a config file")
    wanted = names[0] if key is None else key
    if wanted not in names:
        raise KernelError(f"there is no array of that name; the file holds {', '.join(sorted(names))}")
    return wanted


def _read_safetensor(file: WeightsFile) -> "np.ndarray[Any, Any]":
    try:
        import safetensors
    except ImportError:
        raise KernelError("needs the safetensors library; install it with: pip install 'convcli[safetensors]'") from None
    import numpy as np

    try:
        opened: Any = safetensors.safe_open
        with opened(file.path, framework="numpy") as tensors:
            name = _wanted(file.key, list(tensors.keys()))
            part = tensors.get_slice(name)
            kind = part.get_dtype()
            if kind not in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "U16", "U32", "U64"):
                raise KernelError(f"must hold numbers that NumPy knows, got dtype {kind}")
            _check(tuple(part.get_shape()), np.dtype(np.float64))
            return np.asarray(tensors.get_tensor(name))
    except safetensors.SafetensorError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _check(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
    """Refuse by its header what is no array of weights."""
    if dtype.kind not in "iuf":
        raise KernelError(f"must hold numbers, got dtype {dtype}")
    if len(shape) not in LAYOUTS or 0 in shape:
        raise KernelError(f"must have shape (kh, kw), (kh, kw, C) or (N, C, kh, kw), got {shape}")
    if math.prod(shape) > MOST_WEIGHTS:
        raise KernelError(f"has shape {shape}, more than the limit of {MOST_WEIGHTS} numbers")


def _nested(array: "np.ndarray[Any, Any]") -> Any:
    """Nested tuples of floats, as a Kernel holds them."""
    return tuple(_nested(part) for part in array) if array.ndim > 1 else tuple(array.tolist())


def _read_text(file: WeightsFile, suffix: str) -> Weights:
    """A matrix in a text file."""
    if file.key is not None:
        raise KernelError(f"a {suffix} file holds one matrix without a name; leave out #{file.key}")
    if file.layout not in (None, "hw"):
        raise KernelError(f"a {suffix} file holds rows and columns; its layout is 'hw', got {file.layout!r}")
    with file.path.open("rb") as stream:
        data = stream.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise KernelError(f"is larger than the limit of {LARGEST_TEXT} bytes for text")
    if data.startswith(b"MATLAB"):
        raise KernelError("is a file of MATLAB; save the matrix as text, or as .npy")
    rows = list(_rows(data.decode("utf-8-sig")))
    if not rows:
        raise KernelError("holds no numbers")
    scale = offset = None
    if suffix == ".mat":
        (width, height, scale, offset), rows = _vips_header(rows[0][1]), rows[1:]
        if (height, width) != (len(rows), len(rows[0][1]) if rows else 0):
            found = f"{len(rows[0][1]) if rows else 0} x {len(rows)}"
            raise KernelError(f"its first line promises {width:g} x {height:g} numbers, and {found} follow")
    for number, row in rows:
        if len(row) != len(rows[0][1]):
            raise KernelError(f"line {number} has {len(row)} numbers, line {rows[0][0]} has {len(rows[0][1])}")
    if len(rows) > MAX_SIDE:
        raise KernelError(f"has {len(rows)} rows; the largest kernel side is {MAX_SIDE}")
    return Weights((tuple(tuple(value / (scale or 1.0) for value in row) for _, row in rows),), offset=offset or 0.0)


def _vips_header(values: list[float]) -> tuple[float, float, float, float]:
    """Width, height, scale and offset from the numbers of the first line."""
    if len(values) not in (2, 3, 4):
        raise KernelError(f"its first line must be WIDTH HEIGHT [SCALE [OFFSET]], got {len(values)} numbers")
    width, height, scale, offset = (*values, *(1.0, 0.0)[len(values) - 2 :])
    if scale == 0:
        raise KernelError("its first line divides by a scale of 0")
    return width, height, scale, offset


def _rows(text: str) -> Iterator[tuple[int, list[float]]]:
    """Line number and numbers of each line that has some."""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].strip()
        if re.search(r"\d,\d", bare) and re.search(r"[^\s,;]\s+[^\s,;]", bare):
            raise KernelError(f"line {number} has numbers apart by commas and by spaces; write a decimal point, not a comma")
        words = re.split(r"\s*[,;]\s*|\s+", bare)
        if number > 2 * MAX_SIDE or len(words) > MAX_SIDE:
            raise KernelError(f"line {number} is beyond the largest kernel, {MAX_SIDE} x {MAX_SIDE}")
        if words != [""]:
            yield number, [_number(word, number, column) for column, word in enumerate(words, start=1)]


def _number(word: str, line: int, column: int) -> float:
    try:
        return parse_number(word)
    except ValueError as error:
        raise KernelError(f"line {line}, column {column}: {word[:40]!r} {error}") from None
