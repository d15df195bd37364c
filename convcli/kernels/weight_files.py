"""Weights from files: numbers only, never code. The suffix says which kind of file it is.

.npy .npz        NumPy's arrays
.safetensors     read by the safetensors library, which is an extra
.mat             a matrix as libvips writes it: a line of width, height and perhaps scale and offset, then the rows
.txt .csv .dat   rows of numbers, apart by spaces or commas; # begins a comment
"""

import functools
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import KernelError, nearest_name
from ..npy_reader import Check, read_npy
from .expressions import LARGEST, parse_number
from .kernel import MAX_SIDE, Kernel

if TYPE_CHECKING:
    import numpy as np

LARGEST_ARRAY = 64 << 20
"""Bytes of an array of weights that are read at most."""

MOST_WEIGHTS = 4_000_000
"""Numbers of one file at most: the largest layer of VGG-16's convolutions has 2.4 million."""

LARGEST_TEXT = 4 << 20
"""Bytes of a text file that are read at most."""

FILE_COST, ARRAY_COST, TEXT_COST, EXPRESSION_COST = 20_000, 300, 12, 48
"""What opening a file counts, an array beside the wanted one, a character of text and one of an expression: bytes of an
array that are read in that time."""

MOST_FILTERS = 4096
"""Filters of one file at most; the widest layers of the known networks have 2,048."""

LONGEST_EXPRESSIONS = 300_000
"""Characters of all expressions of a text file at most: a third of a second."""

LAYOUTS = {1: "w", 2: "hw", 3: "hwi", 4: "oihw"}
"""The meaning of an array's axes where nobody says: o counts filters, i the channels each of them sums, h and w its taps."""

PLAIN = frozenset("0123456789.eE+-")
"""What decimal numbers are written with."""

LARGEST_USUAL = 11
"""The largest side of the kernels of most networks: AlexNet's first layer has 11 x 11."""

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


LARGEST_DIRECTORY = 1 << 20
"""Bytes of the list of what a file holds: some ten thousand arrays. zipfile takes 1.5 s for one of 200,000."""


class WeightsError(KernelError):
    """A file holds no weights as they are asked for; ``about`` is what of that is wrong: "file", "key" or "layout"."""

    def __init__(self, message: str, about: str = "file") -> None:
        super().__init__(message)
        self.about = about


@dataclass(frozen=True)
class WeightsFile:
    """Weights in a file, under a key where it holds several arrays, with the meaning of the axes where it is not the usual."""

    path: Path
    key: str | None = None
    layout: str | None = None
    index: int | None = None  # of one filter, where that is all that is wanted

    def __str__(self) -> str:
        return f"{self.path}" + (f"#{self.key}" if self.key else "")


@dataclass(frozen=True, eq=False)
class Weights:
    """What a file holds: one filter or ``several``, (N, kh, kw) or (N, kh, kw, C), and the offset that it asks for.

    ``cost`` is what reading it counted.
    """

    file: WeightsFile
    filters: "np.ndarray[Any, Any]"
    several: bool = False
    offset: float = 0.0
    cost: int = FILE_COST

    @functools.cached_property
    def largest(self) -> float:
        """The largest absolute value of all, NaN where one is no number."""
        return max(abs(float(self.filters.min())), abs(float(self.filters.max())))

    def kernel(self, name: str, index: int = 0, about: str = "") -> Kernel:
        """One of the filters."""
        return Kernel(name, _nested(self.filters[index].astype(float)), about, offset=self.offset)

    def one(self, index: int | None) -> int:
        """Which filter is meant, where one is. Raises KernelError."""
        count = len(self.filters)
        if not self.several and index is not None:
            raise KernelError(f"@{self.file}: holds one kernel, not several filters; leave out index")
        if self.several and index is None:
            raise KernelError(f"@{self.file}: holds {count} filters; choose one by index, 0 to {count - 1}, or make it a bank")
        if index is not None and index >= count:
            raise KernelError(f"@{self.file}: holds the filters 0 to {count - 1}, and index is {index}")
        return index or 0


def as_layout(text: str) -> str:
    """The meaning of the axes of an array, in either case. Raises WeightsError.

    >>> as_layout("HWIO")
    'hwio'
    """
    letters = text.lower()
    if "w" not in letters or set(letters) - set("oihw") or len(set(letters)) != len(letters):
        raise WeightsError(f"must name each axis once, by o, i, h and w, such as oihw or hwio, got {text!r}", "layout")
    return letters


def other_layouts(shape: tuple[int, ...], size: tuple[int, int] | None = None) -> tuple[str, ...]:
    """How the axes of an array may be meant, beside the usual order; none where its shape, or a known ``size``, decides it.

    Of four axes, TensorFlow's hwio is possible where the first two are as long as each other, as the sides of most kernels are,
    unless the last two are so too and the first are longer than the kernels of networks; and where the first two are those of a
    line, such as 1 x 7, and the last two of no kernel. Of three axes, (C, kh, kw) or N filters (kh, kw) are possible where the
    last two are as long as each other, and not longer than that.

    >>> other_layouts((3, 3, 3, 4)), other_layouts((64, 3, 7, 7)), other_layouts((6, 5, 5)), other_layouts((5, 5, 3))
    (('hwio',), (), ('ihw', 'ohw'), ())
    """
    if set(shape) == {1}:  # which is the same in any order
        return ()
    if len(shape) == 3:
        return ("ihw", "ohw") if shape[1] == shape[2] <= LARGEST_USUAL and size is None else ()
    if len(shape) != 4 or size not in (None, shape[:2]):
        return ()
    (first, second), last = shape[:2], shape[2:]
    if first == second:
        return ("hwio",) if first <= LARGEST_USUAL or last[0] != last[1] else ()
    line = min(first, second) == 1 and max(first, second) <= LARGEST_USUAL and first * second % 2
    usual = max(last) <= LARGEST_USUAL and (last[0] == last[1] or (min(last) == 1 and max(last) % 2))
    return ("hwio",) if line and not usual else ()


def meaning_of(shape: tuple[int, ...], layout: str) -> str:
    """An array in words.

    >>> meaning_of((3, 3, 3, 4), "oihw")
    '3 kernels of 3 x 4 over 3 channels (layout oihw)'
    """
    sizes = dict(zip(layout, shape, strict=True))
    count = f"{sizes['o']} kernels" if "o" in sizes else "a kernel"
    if "h" not in sizes:
        return f"{count} of {sizes['i']} numbers (layout {layout})"
    channels = f" over {sizes['i']} channels" if "i" in sizes else ""
    return f"{count} of {sizes['h']} x {sizes['w']}{channels} (layout {layout})"


def check_meaning(
    file: WeightsFile, shape: tuple[int, ...], usual: str, size: tuple[int, int] | None = None, inputs: int | None = None
) -> None:
    """Raise WeightsError where an array may be meant in two ways, and neither a layout nor the kind of the file decides.

    safetensors files are PyTorch's, whose order is the usual one. Another order is none where it has not so many ``inputs``.
    """
    if file.layout is not None or file.path.suffix.lower() == ".safetensors":
        return
    others = other_layouts(shape, size)
    if usual == "oi":
        others = ("io",) if shape[0] == shape[1] > 1 else ()
    elif usual == "iohw" and others:
        others = ("hwoi",)
    others = tuple(one for one in others if inputs in (None, shape[one.index("i")] if "i" in one else None))
    if others:
        told = ", or ".join(meaning_of(shape, layout) for layout in (usual, *others))
        remedy = f"@{file}:layout={others[0]}, or layout = {others[0]!r} in a config file"
        raise WeightsError(f"has shape {shape}, which may be {told}; say which: {remedy}", "layout")


def load_weights(file: WeightsFile) -> Weights:
    """Read a file of weights. Raises WeightsError, a KernelError, which names the file.

    (kw,) and (kh, kw) are one kernel; (kh, kw, C) one kernel summed over C channels; (N, C, kh, kw), the order of PyTorch and
    ONNX, N of those; a layout says otherwise.
    """
    with reporting(file):
        suffix = file.path.suffix.lower()
        weights = _read_text(file, suffix) if suffix in TEXTS else _arranged(file, *read_array(file))
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


def _nested(array: "np.ndarray[Any, Any]") -> Any:
    """Nested tuples of floats, as a Kernel holds them."""
    return tuple(_nested(part) for part in array) if array.ndim > 1 else tuple(array.tolist())


def _read_text(file: WeightsFile, suffix: str) -> Weights:
    """A matrix in a text file."""
    if file.key is not None:
        raise WeightsError(f"a {suffix} file holds one matrix without a name; leave out #{file.key}", "key")
    if file.layout not in (None, "hw"):
        raise WeightsError(f"a {suffix} file holds rows and columns; its layout is 'hw', got {file.layout!r}", "layout")
    with file.path.open("rb") as stream:
        data = stream.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise KernelError(f"is larger than the limit of {LARGEST_TEXT} bytes for text")
    if data.startswith(b"MATLAB"):
        raise KernelError("is a file of MATLAB; save the matrix as text, or as .npy")
    text = data.decode("utf-8-sig")
    rows, expressions = _rows(text)
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
    import numpy as np  # here, so that a wrong name costs nothing

    with np.errstate(all="ignore"):  # numbers that are none are refused after
        filters = np.array([[row for _, row in rows]]) / (scale or 1.0)
    cost = FILE_COST + TEXT_COST * len(data) + EXPRESSION_COST * expressions
    return Weights(file, filters, offset=offset or 0.0, cost=cost)


def _vips_header(values: list[float]) -> tuple[float, float, float, float]:
    """Width, height, scale and offset from the numbers of the first line."""
    if len(values) not in (2, 3, 4):
        raise KernelError(f"its first line must be WIDTH HEIGHT [SCALE [OFFSET]], got {len(values)} numbers")
    width, height, scale, offset = (*values, *(1.0, 0.0)[len(values) - 2 :])
    if scale == 0:
        raise KernelError("its first line divides by a scale of 0")
    return width, height, scale, offset


def _rows(text: str) -> tuple[list[tuple[int, list[float]]], int]:
    """Line number and numbers of each line that has some; and how many characters those have that are no plain decimals."""
    rows: list[tuple[int, list[float]]] = []
    expressions = 0
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].strip()
        if ";" in bare and re.search(r",|[^\s;]\s+[^\s;]", bare):
            rule = f"line {number} has semicolons, and commas or spaces too"
            raise KernelError(f"{rule}; write each row on a line of its own, and decimal points")
        if "," in bare and re.search(r"\d,\d", bare) and re.search(r"[^\s,;]\s+[^\s,;]", bare):
            raise KernelError(f"line {number} has numbers apart by commas and by spaces; write a decimal point, not a comma")
        words = re.split(r"\s*[,;]\s*|\s+", bare) if "," in bare or ";" in bare else bare.split() or [""]
        if number > 2 * MAX_SIDE or len(words) > MAX_SIDE:
            raise KernelError(f"line {number} is beyond the largest kernel, {MAX_SIDE} x {MAX_SIDE}")
        if words == [""]:
            continue
        numbers = _decimals(words)
        if numbers is None:
            expressions += len(bare)
            if expressions > LONGEST_EXPRESSIONS:
                raise KernelError(f"has more than {LONGEST_EXPRESSIONS} characters in rows that are no plain decimal numbers")
            numbers = [_number(word, number, column) for column, word in enumerate(words, start=1)]
        rows.append((number, numbers))
    return rows, expressions


def _decimals(words: list[str]) -> list[float] | None:
    """Plain decimal numbers within the limit, None where there are others."""
    if PLAIN.issuperset("".join(words)):
        with suppress(ValueError):  # float() is ten times as fast as our grammar, and reads the same from these characters
            numbers = list(map(float, words))
            if max(map(abs, numbers)) <= LARGEST:
                return numbers
    return None


def _number(word: str, line: int, column: int) -> float:
    try:
        return parse_number(word)
    except ValueError as error:
        raise KernelError(f"line {line}, column {column}: {word[:40]!r} {error}") from None
