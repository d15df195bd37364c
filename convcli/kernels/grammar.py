"""The text after ``-k``: a name, a matrix or a file. Text in, frozen values out; nothing is looked up here.

sharpen                      a name
gaussian:sigma=2             a name with parameters
sobel-x@90                   a name, turned counter-clockwise by 90, 180 or 270 degrees
0 -1 0; -1 5 -1; 0 -1 0      a matrix: rows end with ; or a new line, numbers stand apart with spaces or commas
@weights.npz#conv1           a file, and the array in it

A number may be an expression without spaces, such as 1/9 or sqrt(2)/4.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import KernelError
from .kernel import Matrix
from .numbers import parse_number
from .weights import WeightsFile

NAME = re.compile(r"[a-z][a-z0-9_.-]*", re.ASCII | re.IGNORECASE)
REFERENCE = re.compile(rf"({NAME.pattern})(?::([^@]*))?(?:@(.*))?", re.ASCII | re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Reference:
    """A kernel or bank by its name, with changed parameters, turned by ``turn`` degrees counter-clockwise."""

    name: str
    parameters: tuple[tuple[str, float], ...] = ()
    turn: int = 0


@dataclass(frozen=True)
class Inline:
    """A matrix written out."""

    matrix: Matrix


KernelText: TypeAlias = Reference | Inline | WeightsFile


def parse_kernel(text: str) -> KernelText:
    """Read the text after ``-k``. Raises KernelError.

    >>> parse_kernel("gaussian:sigma=2@90")
    Reference(name='gaussian', parameters=(('sigma', 2.0),), turn=90)
    >>> parse_kernel("1/4 1/2; 0 .25")
    Inline(matrix=((0.25, 0.5), (0.0, 0.25)))
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        return _parse_file(stripped)
    if not stripped[:1].isalpha():
        return Inline(parse_matrix(stripped))
    match = REFERENCE.fullmatch(stripped)
    if match is None:
        raise KernelError(f"kernel {text!r} is neither a name, a matrix such as '0 1 0; 1 -4 1; 0 1 0', nor @FILE")
    name, parameters, turn = match.groups()
    return Reference(name, _parse_parameters(name, parameters), _parse_turn(stripped, turn))


def parse_matrix(text: str) -> Matrix:
    """Read rows of numbers. Raises KernelError that says where.

    >>> parse_matrix("1, 2; 3, 4")
    ((1.0, 2.0), (3.0, 4.0))
    """
    lines = [line for line in re.split(r"[;\n]", text.rstrip().removesuffix(";"))]
    rows = tuple(tuple(_parse_row(line, number)) for number, line in enumerate(lines, start=1))
    if not rows[0]:
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
    found: dict[str, float] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not key or not equals:
            raise KernelError(f"parameters of {name} must be written NAME=NUMBER, such as gaussian:sigma=2, got {part!r}")
        if key in found:
            raise KernelError(f"parameter {key!r} of {name} is given twice")
        try:
            found[key] = parse_number(value)
        except ValueError as error:
            raise KernelError(f"parameter {key} of {name}: {value!r} {error}") from None
    return tuple(found.items())


def _parse_turn(text: str, degrees: str | None) -> int:
    if degrees is None:
        return 0
    if degrees.strip() not in ("0", "90", "180", "270"):
        raise KernelError(f"kernel {text!r} can be turned by 90, 180 or 270 degrees, not by {degrees!r}")
    return int(degrees)


def _parse_file(text: str) -> WeightsFile:
    path, _, key = text[1:].partition("#")
    if not path:
        raise KernelError("@ must be followed by the name of a file, such as @weights.npy or @weights.npz#conv1")
    return WeightsFile(Path(path), key or None)
