"""Reads a matrix from a text file: .txt, .csv and .dat hold rows of numbers, .mat is libvips' matrix format."""

import re
from contextlib import suppress

from ..errors import KernelError
from .expressions import MAX_WEIGHT, parse_number
from .kernel import MAX_SIDE
from .weights import EXPRESSION_COST, FILE_COST, TEXT_COST, Weights, WeightsError, WeightsFile

MAX_TEXT_BYTES = 4 << 20
"""Largest text file that is read."""

MAX_EXPRESSION_CHARACTERS = 300_000
"""Characters of all expressions of a text file at most, which take a third of a second to evaluate."""

PLAIN = frozenset("0123456789.eE+-")
"""The characters of decimal numbers."""


def read_text(file: WeightsFile, suffix: str) -> Weights:
    """Read a matrix from a text file. Raises KernelError."""
    if file.key is not None:
        raise WeightsError(f"a {suffix} file holds one matrix without a name; leave out #{file.key}", "key")
    if file.layout not in (None, "hw"):
        raise WeightsError(f"a {suffix} file holds rows and columns; its layout is 'hw', got {file.layout!r}", "layout")
    with file.path.open("rb") as stream:
        data = stream.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise KernelError(f"is larger than the limit of {MAX_TEXT_BYTES} bytes for text")
    if data.startswith(b"MATLAB"):
        raise KernelError("is a MATLAB file; save the matrix as text, or as .npy")
    text = data.decode("utf-8-sig")
    rows, expressions = _rows(text)
    if not rows:
        raise KernelError("holds no numbers")
    scale = offset = None
    if suffix == ".mat":
        (width, height, scale, offset), rows = _vips_header(rows[0][1]), rows[1:]
        if (height, width) != (len(rows), len(rows[0][1]) if rows else 0):
            size = f"{len(rows[0][1]) if rows else 0} x {len(rows)}"
            raise KernelError(f"its first line promises {width:g} x {height:g} numbers, and {size} follow")
    for number, row in rows:
        if len(row) != len(rows[0][1]):
            raise KernelError(f"line {number} has {len(row)} numbers, line {rows[0][0]} has {len(rows[0][1])}")
    if len(rows) > MAX_SIDE:
        raise KernelError(f"has {len(rows)} rows; the largest kernel side is {MAX_SIDE}")
    import numpy as np  # here, as importing NumPy takes time that an error does not need

    with np.errstate(all="ignore"):  # NaN and infinities raise an error later
        filters = np.array([[row for _, row in rows]]) / (scale or 1.0)
    cost = FILE_COST + TEXT_COST * len(data) + EXPRESSION_COST * expressions
    return Weights(file, filters, offset=offset or 0.0, cost=cost)


def _vips_header(values: list[float]) -> tuple[float, float, float, float]:
    """Return width, height, scale and offset from the numbers of the first line."""
    if len(values) not in (2, 3, 4):
        raise KernelError(f"its first line must be WIDTH HEIGHT [SCALE [OFFSET]], got {len(values)} numbers")
    width, height, scale, offset = (*values, *(1.0, 0.0)[len(values) - 2 :])
    if scale == 0:
        raise KernelError("its first line divides by a scale of 0")
    return width, height, scale, offset


def _rows(text: str) -> tuple[list[tuple[int, list[float]]], int]:
    """Return line number and numbers of each line that has some, and the characters of lines with expressions."""
    rows: list[tuple[int, list[float]]] = []
    expressions = 0
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].strip()
        if ";" in bare and re.search(r",|[^\s;]\s+[^\s;]", bare):
            rule = f"line {number} has semicolons, and commas or spaces too"
            raise KernelError(f"{rule}; write each row on a line of its own, and decimal points")
        if "," in bare and re.search(r"\d,\d", bare) and re.search(r"[^\s,;]\s+[^\s,;]", bare):
            raise KernelError(
                f"line {number} has numbers separated by commas and by spaces; write a decimal point, not a comma"
            )
        words = re.split(r"\s*[,;]\s*|\s+", bare) if "," in bare or ";" in bare else bare.split() or [""]
        if number > 2 * MAX_SIDE or len(words) > MAX_SIDE:
            raise KernelError(f"line {number} is beyond the largest kernel, {MAX_SIDE} x {MAX_SIDE}")
        if words == [""]:
            continue
        numbers = _decimals(words)
        if numbers is None:
            expressions += len(bare)
            if expressions > MAX_EXPRESSION_CHARACTERS:
                raise KernelError(
                    f"has more than {MAX_EXPRESSION_CHARACTERS} characters in rows that are not plain decimal numbers"
                )
            numbers = [_number(word, number, column) for column, word in enumerate(words, start=1)]
        rows.append((number, numbers))
    return rows, expressions


def _decimals(words: list[str]) -> list[float] | None:
    """Parse plain decimal numbers up to MAX_WEIGHT; return None for other texts."""
    if PLAIN.issuperset("".join(words)):
        with suppress(ValueError):  # float() is ten times as fast as parse_number, and gives the same for these characters
            numbers = list(map(float, words))
            if max(map(abs, numbers)) <= MAX_WEIGHT:
                return numbers
    return None


def _number(word: str, line: int, column: int) -> float:
    try:
        return parse_number(word)
    except ValueError as error:
        raise KernelError(f"line {line}, column {column}: {word[:40]!r} {error}") from None
