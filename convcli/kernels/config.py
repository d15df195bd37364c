"""Reads a kernels.toml: text in, entries out, every fault of the file in one error."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import KernelError, nearest_name
from .grammar import NAME
from .kernel import LARGEST, MAX_SIDE, MERGES, Kernel, Matrix
from .library import GENERATORS, Recipe

LARGEST_FILE = 1 << 20
"""Bytes of a config file that are read at most."""

ABOUT = ("about", "source")
SHAPES = {"matrix": ("matrix", "divisor"), "column": ("column", "row"), "generator": ("generator",)}
"""The key that tells how a kernel is given, and the keys that go with it."""


@dataclass(frozen=True)
class BankRecipe:
    """A bank as written: the texts of its kernels, yet to be looked up."""

    name: str
    kernels: tuple[str, ...]
    merge: str | None = None
    about: str = ""
    source: str = ""


Entry: TypeAlias = Kernel | Recipe | BankRecipe


class Fault(Exception):
    """Something wrong with one table; collected, never seen outside this file."""


def read_config(path: Path) -> dict[str, Entry]:
    """Read every kernel and bank of a file, by name. Raises KernelError with a line for each fault."""
    tables = _read_tables(path)
    entries: dict[str, Entry] = {}
    faults = []
    readers = {"kernels": _read_kernel, "banks": _read_bank}
    for section, body in tables.items():
        if section not in readers:
            near = nearest_name(section, readers)
            faults.append(f"unknown table [{section}]; there are [kernels.NAME] and [banks.NAME]{near}")
            continue
        for name, table in body.items() if isinstance(body, dict) else [("", None)]:
            try:
                if not isinstance(table, dict):
                    raise Fault(f"must be a table, [{section}.NAME]")
                if not NAME.fullmatch(name):
                    raise Fault("must have a name of letters, digits, and . _ - that begins with a letter")
                if name in entries:
                    raise Fault("has the name of a kernel; give it another")
                entries[name] = readers[section](name, table)
            except (Fault, KernelError) as fault:
                faults.append(f"[{section}.{name}] {fault}" if name else f"[{section}] {fault}")
    if faults:
        raise KernelError("\n".join(f"{path}: {fault}" for fault in faults))
    return entries


def _read_tables(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise KernelError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise KernelError(f"{path}: is larger than {LARGEST_FILE >> 20} MiB, the limit for a config file")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise KernelError(f"{path}: is not valid TOML: {error}") from None


def _read_kernel(name: str, table: dict[str, Any]) -> Kernel | Recipe:
    given = [key for key in SHAPES if key in table]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise Fault(f"must have one of matrix, generator, or column with row; found {found}")
    about = _read_texts(table)
    if given == ["generator"]:
        return _read_recipe(name, table, about)
    _check_keys(table, (*SHAPES[given[0]], *ABOUT))
    if given == ["column"]:
        column, row = (_read_numbers(key, table.get(key)) for key in ("column", "row"))
        return Kernel(name, tuple(tuple(a * b for b in row) for a in column), *about)
    return Kernel(name, _read_matrix(table), *about)


def _read_recipe(name: str, table: dict[str, Any], about: tuple[str, str]) -> Recipe:
    generator = table["generator"]
    if not isinstance(generator, str) or generator not in GENERATORS:
        raise Fault(f"generator {generator!r} is unknown{nearest_name(str(generator), GENERATORS)}")
    parameters = {key: value for key, value in table.items() if key not in ("generator", *ABOUT)}
    values = tuple((key, _read_number(key, value)) for key, value in parameters.items())
    recipe = Recipe(name, generator, (), *about).change(values)
    recipe.make()
    return recipe


def _read_bank(name: str, table: dict[str, Any]) -> BankRecipe:
    _check_keys(table, ("kernels", "merge", *ABOUT))
    kernels = table.get("kernels")
    if not isinstance(kernels, list) or not kernels or not all(isinstance(text, str) for text in kernels):
        raise Fault("kernels must be a list of kernel names")
    merge = table.get("merge")
    if merge is not None and merge not in MERGES:
        raise Fault(f"merge must be one of {', '.join(MERGES)}, got {merge!r}")
    return BankRecipe(name, tuple(kernels), merge, *_read_texts(table))


def _read_matrix(table: dict[str, Any]) -> Matrix:
    rows = table["matrix"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise Fault("matrix must be a list of rows, such as [[0, 1, 0], [1, -4, 1], [0, 1, 0]]")
    divisor = _read_number("divisor", table.get("divisor", 1))
    if divisor == 0:
        raise Fault("divisor must not be 0")
    numbers = [_read_numbers(f"row {i}", row) for i, row in enumerate(rows, start=1)]
    for i, row in enumerate(numbers, start=1):
        if len(row) != len(numbers[0]):
            raise Fault(f"row {i} has {len(row)} numbers, row 1 has {len(numbers[0])}")
    if len(rows) > MAX_SIDE:
        raise Fault(f"matrix has {len(rows)} rows; the largest kernel is {MAX_SIDE} high")
    return tuple(tuple(number / divisor for number in row) for row in numbers)


def _read_numbers(what: str, row: object) -> list[float]:
    if not isinstance(row, list) or not row:
        raise Fault(f"{what} must be a list of numbers, got {row!r}")
    if len(row) > MAX_SIDE:
        raise Fault(f"{what} has {len(row)} numbers; the largest kernel is {MAX_SIDE} wide")
    return [_read_number(f"{what}, column {i}", cell) for i, cell in enumerate(row, start=1)]


def _read_number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"{what} must be a number, got {value!r}")
    if not abs(value) <= LARGEST or math.isnan(value):
        found = f"one of {value.bit_length()} bits" if isinstance(value, int) else repr(value)
        raise Fault(f"{what} must be a finite number of at most {LARGEST:g}, got {found}")
    return float(value)


def _read_texts(table: dict[str, Any]) -> tuple[str, str]:
    about, source = (table.get(key, "") for key in ABOUT)
    if not isinstance(about, str) or not isinstance(source, str):
        raise Fault("about and source must be text")
    return about, source


def _check_keys(table: dict[str, Any], allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            raise Fault(f"unknown key {key!r}; it may hold {', '.join(allowed)}{nearest_name(key, allowed)}")
