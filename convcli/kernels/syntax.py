"""Parses the text after ``-k``, a name, a matrix or a file, to frozen values. Names are looked up elsewhere.

sharpen                      a name
gaussian:sigma=2             a name with parameters
sobel-x@90                   a name, rotated counter-clockwise by 90, 180 or 270 degrees
0 -1 0; -1 5 -1; 0 -1 0      a matrix: rows end with ; or a new line, numbers are separated by spaces or commas
3x3: 0,-1,0 -1,5,-1 0,-1,0   the same in ImageMagick's syntax, width x height; 3x1: is one row
[[0, -1, 0], [-1, 5, -1]]    the same in the syntax of JSON and NumPy
@weights.npz#conv1           a file, and the array in it
@w.npz#conv1:layout=hwio,index=7   with the order of its axes, and one of its filters

A number may be an expression without spaces, such as 1/9 or sqrt(2)/4.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import KernelError
from .expressions import parse_angle, parse_number, shortened
from .generators import ANGLES
from .kernel import Matrix
from .weight_files import file_name_hint
from .weight_layouts import as_layout
from .weights import WeightsError, WeightsFile

NAME = re.compile(r"[a-z][a-z0-9_.-]*", re.ASCII | re.IGNORECASE)
REFERENCE = re.compile(rf"({NAME.pattern})(?::([^@]*))?(?:@(.*))?", re.ASCII | re.IGNORECASE | re.DOTALL)

FILE = re.compile(r"@([^#]*?)(?:#(.*?))?(?::(\s*[a-z]+\s*=[^:]*))?", re.DOTALL | re.IGNORECASE)
SIZED = re.compile(r"(\d{1,5})(?:[xX](\d{1,5}))?((?:[+-]\d{1,5}){0,2})([@<>]?)\s*:(.*)", re.ASCII | re.DOTALL)
NESTED = re.compile(r"(?:\[[^\[\]]*\][\s,]*)+")


@dataclass(frozen=True)
class Reference:
    """A kernel or bank by its name, with changed parameters, rotated by ``turn`` degrees counter-clockwise."""

    name: str
    parameters: tuple[tuple[str, float], ...] = ()
    turn: int = 0


@dataclass(frozen=True)
class Inline:
    """A matrix in the text itself."""

    matrix: Matrix


KernelText: TypeAlias = Reference | Inline | WeightsFile


def parse_kernel(text: str) -> KernelText:
    """Parse the text after ``-k``. Raises KernelError.

    >>> parse_kernel("gaussian:sigma=2@90")
    Reference(name='gaussian', parameters=(('sigma', 2.0),), turn=90)
    >>> parse_kernel("1/4 1/2; 0 .25")
    Inline(matrix=((0.25, 0.5), (0.0, 0.25)))
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        return parse_file(stripped)
    if not stripped[:1].isalpha() and not file_name_hint(stripped):
        return Inline(_parse_inline(stripped))
    match = REFERENCE.fullmatch(stripped)
    if match is None:
        rule = "is neither a name, a matrix such as '0 1 0; 1 -4 1; 0 1 0', nor @FILE"
        raise KernelError(f"kernel {text!r} {rule}{file_name_hint(stripped)}")
    name, parameters, turn = match.groups()
    return Reference(name, _parse_parameters(name, parameters), _parse_turn(stripped, turn))


def _parse_inline(text: str) -> Matrix:
    """Parse a matrix in any syntax. Raises KernelError."""
    if text.startswith("["):
        return _parse_nested(text)
    sized = SIZED.fullmatch(text)
    if sized is not None:
        return _parse_sized(text, *sized.groups())
    matrix = parse_matrix(text)
    count = len(matrix[0])
    side = math.isqrt(count)
    if side > 1 and side * side == count and not re.search(r"[;\n]", text):
        raise KernelError(
            f"matrix {shortened(text)}: {count} numbers in a row are as many as {side} x {side} has; write ; between the rows, "
            f"or '{side}x{side}:' before the numbers, or '{count}x1:' for one row"
        )
    return matrix


def _parse_nested(text: str) -> Matrix:
    """Parse rows in nested brackets, or one row in brackets, which is parsed without them."""
    inner = text[1:-1].strip() if text.endswith("]") else "["
    if not set(inner) & set("[]"):
        return _parse_inline(inner)
    if not NESTED.fullmatch(inner):
        raise KernelError(f"matrix {shortened(text)}: must be rows in brackets, such as [[0, 1, 0], [1, -4, 1], [0, 1, 0]]")
    return parse_matrix(";".join(re.findall(r"\[([^\[\]]*)\]", inner)))


def _parse_sized(text: str, width: str, height: str | None, origin: str, turned: str, body: str) -> Matrix:
    """Parse ImageMagick's WIDTHxHEIGHT: NUMBERS (https://imagemagick.org/Usage/morphology/#user); nan and - are 0."""
    if origin or turned:
        rule = "a kernel that it turns" if turned else "an origin; in a config file that is anchor = [row, column]"
        raise KernelError(f"matrix {shortened(text)}: takes sizes and numbers, not {rule}")
    columns, rows = int(width), int(height or width)
    if not columns or not rows:
        raise KernelError(f"matrix {shortened(text)}: sides must be at least 1, got {columns} x {rows}")
    words = ["0" if word.lower() in ("nan", "-") else word for word in re.split(r"[\s,;]+", body.strip(" ,;\n\t")) if word]
    if len(words) != rows * columns:
        raise KernelError(f"matrix {shortened(text)}: {columns} x {rows} has {rows * columns} numbers, and {len(words)} follow")
    return parse_matrix(";".join(" ".join(words[i : i + columns]) for i in range(0, len(words), columns)))


def parse_matrix(text: str) -> Matrix:
    """Parse rows of numbers. Raises KernelError with row and column.

    >>> parse_matrix("1, 2; 3, 4")
    ((1.0, 2.0), (3.0, 4.0))
    """
    lines = re.split(r"[;\n]", text.rstrip().removesuffix(";"))
    rows = tuple(tuple(_parse_row(line, number)) for number, line in enumerate(lines, start=1))
    if not any(rows):
        raise KernelError("kernel is empty; give a name, a matrix such as '0 1 0; 1 -4 1; 0 1 0', or @FILE")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise KernelError(f"matrix {text!r}: row {number} has {len(row)} numbers, row 1 has {len(rows[0])}")
    return rows


def _parse_row(line: str, number: int) -> list[float]:
    row = []
    for column, word in enumerate(re.split(r"\s*,\s*|\s+", line.strip()) if line.strip() else [], start=1):
        try:
            row.append(parse_number(word))
        except ValueError as error:
            raise KernelError(f"matrix: row {number}, column {column}: {word!r} {error}") from None
    return row


def _parse_parameters(name: str, text: str | None) -> tuple[tuple[str, float], ...]:
    if text is None:
        return ()
    parameters: dict[str, float] = {}
    for item in text.split(","):
        key, equals, value = (piece.strip() for piece in item.partition("="))
        if not key or not equals:
            raise KernelError(f"parameters of {name} must be written NAME=NUMBER, such as gaussian:sigma=2, got {item!r}")
        if key in parameters:
            raise KernelError(f"parameter {key!r} of {name} is given twice")
        try:
            parameters[key] = (parse_angle if key in ANGLES else parse_number)(value)
        except ValueError as error:
            raise KernelError(f"parameter {key} of {name}: {value!r} {error}") from None
    return tuple(parameters.items())


def _parse_turn(text: str, degrees: str | None) -> int:
    if degrees is None:
        return 0
    if degrees.strip() not in ("0", "90", "180", "270"):
        raise KernelError(f"kernel {text!r} can be turned by 90, 180 or 270 degrees, not by {degrees!r}")
    return int(degrees)


def parse_file(text: str) -> WeightsFile:
    """Parse @FILE or @FILE#KEY, optionally followed by :layout=AXES, :index=N or both. Raises KernelError.

    Other colons are part of the name or of the key, as in TensorFlow's names of variables.

    >>> parse_file("@w.npz#conv/kernel:0:layout=HWIO,index=7").index
    7
    """
    match = FILE.fullmatch(text)
    assert match is not None
    path, key, option_text = match.groups()
    if not path:
        raise KernelError("@ must be followed by the name of a file, such as @weights.npy or @weights.npz#conv1")
    pairs = [item.partition("=") for item in option_text.split(",")] if option_text else []
    options = {name.strip().lower(): value.strip() for name, _, value in pairs}
    layout, index = options.get("layout"), options.get("index")
    if len(options) < (option_text or "").count("=") or not set(options) <= {"layout", "index"}:
        raise KernelError(f"{text} may have layout=AXES and index=N after its name, each once, such as :layout=hwio,index=7")
    if index is not None and not re.fullmatch(r"\d{1,9}", index, re.ASCII):
        raise KernelError(f"{text}: index must be a whole number from 0, got {index!r}")
    try:
        axes = None if layout is None else as_layout(layout)
    except WeightsError as error:
        raise KernelError(f"{text}: layout {error}") from None
    return WeightsFile(Path(path), key or None, axes, None if index is None else int(index))
