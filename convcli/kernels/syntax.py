"""Parses the text after ``-k``, a name, a matrix or a file, to frozen values. Names are looked up elsewhere.

sharpen                      a name
gaussian:sigma=2             a name with parameters, separated by commas or colons
gaussian:sigma=2x1           the same with a parameter that differs between rows and columns
sobel-x@90                   a name, rotated counter-clockwise by 90, 180 or 270 degrees
0 -1 0; -1 5 -1; 0 -1 0      a matrix: rows end with ; or a new line, numbers are separated by spaces or commas
3x3: 0,-1,0 -1,5,-1 0,-1,0   the same in ImageMagick's syntax, width x height; 3x1: is one row
[[0, -1, 0], [-1, 5, -1]]    the same in the syntax of JSON and NumPy
@weights.npz#conv1           a file, and the array in it
@w.npz#conv1:layout=hwio,index=7   with the order of its axes, and one of its filters
sobel-x:divisor=8,offset=128       a name whose weights are divided, and a number that is added to each response
-1 0 1:divisor=2,offset=128        the same with a matrix

A number may be an expression without spaces, such as 1/9 or sqrt(2)/4.
"""

import math
import re
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from ..errors import KernelError, nearest_name
from .arithmetic import divided
from .expressions import MAX_WEIGHT, parse_angle, parse_number, shortened
from .foreign_names import kernel_meant
from .generator_call import ANGLES, GeneratorCall, Parameters
from .generators import GENERATORS
from .kernel import Matrix
from .parameters import Value, spelled
from .weight_layouts import as_layout
from .weight_suffixes import file_name_hint
from .weights import WeightsError, WeightsFile

LETTERS = r"[a-z][a-z0-9_.-]*"
NAME = rf"(?ai){LETTERS}"
REFERENCE = rf"(?ais)({LETTERS})(?::([^@]*))?(?:@(.*))?"

FILE = r"(?is)@([^#]*?)(?:#(.*?))?(?::(\s*[a-z]+\s*=[^:]*))?"
SIZED = r"(?as)(\d{1,5})(?:[xX](\d{1,5}))?((?:[+-]\d{1,5}){0,2})([@<>]?)\s*:(.*)"
PAIR = r"([^xX]+)[xX]([^xX]+)"
CHANGES = r"(?ai):\s*(?=[a-z]+\s*=)"
NESTED = r"(?:\[[^\[\]]*\][\s,]*)+"


class Reference(Struct, frozen=True):
    """A kernel or bank by its name, with changed parameters, rotated by ``turn`` degrees counter-clockwise.

    Its weights are divided by ``divisor``, and ``offset`` is added to its response.
    """

    name: str
    parameters: Parameters = ()
    turn: int = 0
    divisor: float = 1.0
    offset: float = 0.0


class Inline(Struct, frozen=True):
    """A matrix in the text itself, and an offset that is added to its response."""

    matrix: Matrix
    offset: float = 0.0


KernelText: TypeAlias = Reference | Inline | WeightsFile


def parse_kernel(text: str) -> KernelText:
    """Parse the text after ``-k``. Raises KernelError.

    >>> parse_kernel("gaussian:sigma=2@90")
    Reference(name='gaussian', parameters=(('sigma', 2.0),), turn=90, divisor=1.0, offset=0.0)
    >>> parse_kernel("1/4 1/2; 0 .25")
    Inline(matrix=((0.25, 0.5), (0.0, 0.25)), offset=0.0)
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        return parse_file(stripped)
    if not stripped[:1].isalpha() and not file_name_hint(stripped):
        return _parse_matrix_with_changes(stripped)
    match = re.fullmatch(REFERENCE, stripped)
    if match is None:
        rule = "is neither a name, a matrix such as '0 1 0; 1 -4 1; 0 1 0', nor @FILE"
        raise KernelError(f"kernel {text!r} {rule}{file_name_hint(stripped) or _list_hint(stripped)}")
    name, text_of_parameters, turn = match.groups()
    parameters = _parse_parameters(name, text_of_parameters)
    changes = _pop_changes(name, parameters)
    return Reference(name, tuple(parameters.items()), _parse_turn(stripped, turn), *changes)


def _list_hint(text: str) -> str:
    """Return a hint for several names in one text, or an empty one."""
    names = re.split(r"[,\s]+", text)
    is_list = len(names) > 1 and all(re.fullmatch(REFERENCE, name) for name in names)
    return f"; give each kernel its own -k: -k {' -k '.join(names[:3])}{' ...' if len(names) > 3 else ''}" if is_list else ""


def _parse_matrix_with_changes(text: str) -> Inline:
    """Parse a matrix, and a divisor and an offset after it. Raises KernelError."""
    numbers, *rest = re.split(CHANGES, text, maxsplit=1)
    matrix = _parse_inline(numbers)
    if not rest:
        return Inline(matrix)
    parameters = _parse_parameters("a matrix", rest[0], "divisor=16")
    divisor, offset = _pop_changes("a matrix", parameters)
    if parameters:
        unknown = next(iter(parameters))
        rule = f"takes divisor and offset, not {unknown}{nearest_name(unknown, ('divisor', 'offset'))}"
        raise KernelError(f"matrix {shortened(numbers)}: {rule}")
    return Inline(matrix if divisor == 1 else divided(matrix, divisor), offset)


def _pop_changes(name: str, parameters: dict[str, Value]) -> tuple[float, float]:
    """Remove divisor and offset from parameters, and return them. Raises KernelError."""
    divisor, offset = parameters.pop("divisor", 1.0), parameters.pop("offset", 0.0)
    if isinstance(divisor, tuple) or isinstance(offset, tuple):
        raise KernelError(f"divisor and offset of {name} must be one number each, got {spelled(divisor)} and {spelled(offset)}")
    if abs(divisor) < 1 / MAX_WEIGHT:
        rule = "must not be 0" if divisor == 0 else f"must be at least {1 / MAX_WEIGHT:g}, got {divisor:g}"
        raise KernelError(f"divisor of {name} {rule}")
    return divisor, offset


def _parse_inline(text: str) -> Matrix:
    """Parse a matrix in any syntax. Raises KernelError."""
    if text.startswith("["):
        return _parse_nested(text)
    sized = re.fullmatch(SIZED, text)
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
    if not re.fullmatch(NESTED, inner):
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
            raise KernelError(
                f"matrix {text!r}: row {number} has {len(row)} numbers, row 1 has {len(rows[0])}; all need the same number"
            )
    return rows


def _parse_row(line: str, number: int) -> list[float]:
    row = []
    for column, word in enumerate(re.split(r"\s*,\s*|\s+", line.strip()) if line.strip() else [], start=1):
        try:
            row.append(parse_number(word))
        except ValueError as error:
            raise KernelError(f"matrix: row {number}, column {column}: {word!r} {error}") from None
    return row


def _parse_parameters(name: str, text: str | None, example: str = "") -> dict[str, Value]:
    """Parse NAME=VALUE, separated by commas or colons. Raises KernelError."""
    parameters: dict[str, Value] = {}
    for item in re.split("[,:]", text) if text is not None else ():
        key, equals, value = (piece.strip() for piece in item.partition("="))
        if not key or not equals:
            shown = example or _example_of(name)
            rule = f"parameters of {name} must be written NAME=NUMBER, such as {shown}"
            raise KernelError(f"{rule}, got {item!r}{kernel_meant(name)}")
        if key in parameters:
            raise KernelError(f"parameter {key!r} of {name} is given twice")
        try:
            parameters[key] = _parse_value(key, value)
        except ValueError as error:
            raise KernelError(f"parameter {key} of {name}: {value!r} {error}") from None
    return parameters


def _parse_value(key: str, text: str) -> Value:
    """Parse a number, or ROWSxCOLUMNS. Raises ValueError with the end of a message."""
    if key in ANGLES:
        return parse_angle(text)
    sides = re.fullmatch(PAIR, text)
    return (parse_number(sides[1]), parse_number(sides[2])) if sides else parse_number(text)


def _example_of(name: str) -> str:
    """Return the text of a kernel with its first parameter; of gaussian, if the name is not that of a generator."""
    generator = name.lower() if name.lower() in GENERATORS else "gaussian"
    return f"{generator}:{next(iter(GeneratorCall(generator).all_parameters))}=2"


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
    match = re.fullmatch(FILE, text)
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
