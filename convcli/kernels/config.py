"""Reads a kernels.toml: text in, definitions out, every fault of the file at once with its line."""

import contextlib
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import KernelError, nearest_name
from ..ranges import parse_range
from .definition import (
    ENOUGH_FAULTS,
    MOST_MAPS,
    BankDefinition,
    Body,
    Definition,
    Entry,
    Fault,
    Faults,
    Filter,
    Keys,
    Located,
    Part,
    Product,
    TooMany,
)
from .grammar import NAME
from .kernel import CHANNELS, MAX_SIDE, MERGES, Matrix
from .library import GENERATORS, Recipe
from .lines import check_depth, find_lines
from .values import (
    Table,
    as_border,
    as_flag,
    as_index,
    as_name,
    as_number,
    as_numbers,
    as_padding,
    as_stride,
    as_text,
    described,
)
from .weights import WeightsFile

LARGEST_FILE = 1 << 20
"""Bytes of a config file that are read at most."""

MOST_ENTRIES = 10_000
"""Kernels and banks of one file at most."""

LONGEST_MESSAGE = 400
"""Characters of what is said of a fault; names in a file may be of any length."""

SECTIONS = ("kernels", "banks", "defaults")
BODIES = {"matrix": (), "tensor": (), "column": ("row",), "generator": (), "file": ("key", "layout", "index"), "sum": ()}
"""The key that tells how a kernel is given, and the keys that go with it; a generator takes its parameters."""

TELLING = ("about", "source", "tags", "range")
CHANGING = ("divisor", "normalize", "rotate", "offset", "anchor")


@dataclass(frozen=True)
class ConfigFile:
    """One kernels.toml: its kernels and banks by name, and the defaults that it sets for options."""

    path: Path
    text: str = field(repr=False)
    entries: dict[str, Entry]
    defaults: dict[str, Any]
    faults: Faults

    def check(self, faults: Iterable[Fault]) -> None:
        """Raise Located, a KernelError, with a line for each fault, if there are any."""
        faults = list(faults)
        if not faults:
            return
        lines = find_lines(self.text, [fault.keys for fault in faults])
        faults.sort(key=lambda fault: lines[fault.keys])
        told = [f"{self.path}:{lines[fault.keys]}: {_shortened(_dotted(fault.keys) + str(fault))}" for fault in faults]
        if len(told) >= ENOUGH_FAULTS:
            told.append(f"{self.path}: and perhaps more; mend these first")
        raise Located(told)


def read_config(path: Path) -> ConfigFile:
    """Read every kernel, bank and default of a file, and collect its faults. Raises KernelError if it is no TOML.

    Whether names in it are known, and whether its kernels can be made, is seen by the catalogue.
    """
    text, tables = _read_tables(path)
    faults = Faults()
    file = ConfigFile(path, text, {}, {}, faults)
    with contextlib.suppress(TooMany):
        _read_sections(tables, file, faults)
    return file


def _read_sections(tables: dict[str, Any], file: ConfigFile, faults: Faults) -> None:
    for section, body in tables.items():
        if section not in SECTIONS:
            near = nearest_name(section, SECTIONS)
            faults.append(Fault((section,), f"unknown table; there are [kernels.NAME], [banks.NAME] and [defaults]{near}"))
        elif not isinstance(body, dict):
            faults.append(Fault((section,), f"must be a table, got {described(body)}"))
        elif section == "defaults":
            file.defaults.update(_read_defaults(Table(body, ("defaults",), faults)))
        else:
            _read_section(section, body, file, faults)


def _read_tables(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a file, and what TOML makes of it. Raises KernelError."""
    try:
        if path.exists() and not path.is_file():
            raise KernelError(f"{path}: is no regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, KernelError):
            raise
        raise KernelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > LARGEST_FILE:
        raise KernelError(f"{path}: is larger than {LARGEST_FILE >> 20} MiB, the limit for a config file")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        check_depth(text)
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise KernelError(f"{path}:{line}: is not valid TOML: byte 0x{data[error.start]:02x} is not UTF-8") from None
    except (ValueError, RecursionError, MemoryError) as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+)(?:, column (\d+))?|end of document)\)", str(error), re.DOTALL)
        line = int(match[2]) if match and match[2] else text.count("\n") + 1 if match else 1
        reason = (match[1] if match else str(error)) + (f", column {match[3]}" if match and match[3] else "")
        raise KernelError(f"{path}:{line}: is not valid TOML: {reason}") from None


def _read_section(section: str, body: dict[str, Any], file: ConfigFile, faults: Faults) -> None:
    """The kernels or the banks."""
    for name, value in body.items():
        keys = (section, name)
        if not isinstance(value, dict):
            faults.append(Fault(keys, f"must be a table, [{section}.NAME], got {described(value)}"))
        elif not NAME.fullmatch(name):
            faults.append(Fault(keys, "must have a name of letters, digits, and . _ - that begins with a letter"))
        elif name in file.entries:
            faults.append(Fault(keys, "has the name of another kernel or bank; give it a name of its own"))
        elif len(file.entries) >= MOST_ENTRIES:
            faults.append(Fault(keys, f"is one more than {MOST_ENTRIES} kernels and banks, the limit of a file"))
            return
        else:
            table = Table(value, keys, faults)
            read: Callable[[Table, Path], Entry] = _read_kernel if section == "kernels" else _read_bank
            file.entries[name] = read(table, file.path.parent)


def _read_kernel(table: Table, folder: Path, extra: tuple[str, ...] = ()) -> Definition:
    """A kernel: [kernels.NAME], or a table in a bank or in a sum with its ``extra`` keys."""
    name = table.read("name", as_name, table.name) if "name" in extra else table.name
    body = _read_body(table, folder, (*TELLING, *CHANGING, *extra))
    return Definition(name, table.keys, body, **table.changes(), **table.told())


def _read_body(table: Table, folder: Path, others: tuple[str, ...]) -> Body:
    """What gives the weights; ``others`` are the keys that may stand beside it."""
    given = [key for key in BODIES if key in table.values]
    if len(given) != 1:
        beside = (key for keys in BODIES.values() for key in keys)
        parameters = (key for name in GENERATORS for key in Recipe(name).accepted)
        misspelt = table.check_keys((*BODIES, *beside, *others), also=parameters)
        if given or not misspelt:
            ways = ", ".join(BODIES).replace("column", "column with row")
            table.fault(f"must have one of {ways}; found {' and '.join(given) or 'none of them'}")
        return ((0.0,),)
    (kind,) = given
    if kind == "generator":
        return _read_recipe(table, others)
    table.check_keys((kind, *BODIES[kind], *others))
    if kind == "file":
        return _read_file(table, folder)
    if kind == "sum":
        return _read_parts(table, "sum", folder, ("weight",))
    if kind == "column":
        column, row = (tuple(table.read(key, as_numbers, [1.0])) for key in ("column", "row"))
        if "row" not in table.values:
            table.fault("needs a row beside it", "column")
        return Product(column, row)
    return _read_matrix(table, kind)


def _read_recipe(table: Table, others: tuple[str, ...]) -> Recipe:
    generator = table.choice("generator", tuple(GENERATORS))
    if generator is None:
        return Recipe("average")
    recipe = Recipe(generator)
    table.check_keys(("generator", *recipe.accepted, *others))
    parameters = tuple((key, table.number(key, value)) for key, value in recipe.accepted.items() if key in table.values)
    try:
        return recipe.change(parameters)
    except KernelError as error:
        table.fault(str(error), getattr(error, "parameter", "generator"))
        return recipe


def _read_file(table: Table, folder: Path) -> Filter:
    key, layout = (table.read(name, as_text, None) for name in ("key", "layout"))
    letters = "w" if layout is None else layout
    if "w" not in letters or set(letters) - set("oihw") or len(set(letters)) != len(letters):
        table.fault(f"must name each axis once, by o, i, h and w, such as oihw or hwio, got {letters!r}", "layout")
    index = table.read("index", as_index, None)
    return Filter(WeightsFile(folder / table.text("file"), key, layout), index)


def _read_parts(table: Table, key: str, folder: Path, extra: tuple[str, ...]) -> tuple[Part, ...]:
    """Kernels in a list, by the text after -k, or as tables with the keys of a kernel."""
    values = table.values[key]
    if not isinstance(values, list) or not values:
        table.fault(f"must be a list of kernels, got {described(values)}", key)
        return (Part((*table.keys, key), "identity"),)
    if len(values) > MOST_MAPS:
        table.fault(f"has {len(values)} kernels; the limit is {MOST_MAPS}", key)
        return (Part((*table.keys, key), "identity"),)
    return tuple(_read_part(table, key, index, value, folder, extra) for index, value in enumerate(values))


def _read_part(table: Table, key: str, index: int, value: Any, folder: Path, extra: tuple[str, ...]) -> Part:
    keys = (*table.keys, key, index)
    if isinstance(value, str):
        return Part(keys, _relative(value, folder))
    if not isinstance(value, dict):
        table.fault(f"must be the name of a kernel, or a table, got {described(value)}", key, index)
        return Part(keys, "identity")
    inner = Table(value, keys, table.faults)
    inner.name = f"{table.name}-{index}"
    weight = inner.number("weight", 1.0) if "weight" in extra else 1.0
    if "kernel" not in value:
        return Part(keys, _read_kernel(inner, folder, extra), weight)
    inner.check_keys(("kernel", *extra))
    name = inner.read("name", as_name, None)
    return Part(keys, _relative(inner.text("kernel"), folder), weight, name)


def _relative(text: str, folder: Path) -> str | WeightsFile:
    """The text after -k; a file of weights in it lies relative to the config file."""
    if not text.strip().startswith("@"):
        return text
    path, _, key = text.strip()[1:].partition("#")
    return WeightsFile(folder / path, key or None)


def _read_matrix(table: Table, kind: str) -> Matrix:
    """Rows of numbers, or of lists of numbers; each wrong cell is a fault of its own."""
    rows = table.values[kind]
    example = "[[0, 1, 0], [1, -4, 1], [0, 1, 0]]" if kind == "matrix" else "[[[1, -1, 0]]]: rows of cells of channels"
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        table.fault(f"must be a list of rows, such as {example}, got {described(rows)}", kind)
        return ((0.0,),)
    if len(rows) > MAX_SIDE or max(map(len, rows)) > MAX_SIDE:
        table.fault(f"has {len(rows)} rows of up to {max(map(len, rows))} numbers; the largest kernel side is {MAX_SIDE}", kind)
        return ((0.0,),)
    depth = len(rows[0][0]) if kind == "tensor" and isinstance(rows[0][0], list) else 0
    matrix = []
    for y, row in enumerate(rows):
        if len(row) != len(rows[0]):
            table.fault(f"row {y + 1} has {len(row)} numbers, row 1 has {len(rows[0])}", kind, y)
        matrix.append(tuple(_read_cell(table, cell, (kind, y, x), depth) for x, cell in enumerate(row)))
    return tuple(matrix)


def _read_cell(table: Table, cell: Any, place: tuple[str, int, int], depth: int) -> Any:
    kind, y, x = place
    where = f"row {y + 1}, column {x + 1}"
    try:
        if kind == "matrix":
            return as_number(cell)
        if not isinstance(cell, list) or not cell:
            raise ValueError(f"must be a list of the weights of each channel, got {described(cell)}")
        if len(cell) != depth:
            raise ValueError(f"has {len(cell)} channels, and the first cell has {depth}")
        return tuple(map(as_number, cell))
    except ValueError as error:
        table.fault(f"{where} {error}", kind, y, x)
        return 0.0 if kind == "matrix" else (0.0,)


def _read_bank(table: Table, folder: Path) -> BankDefinition:
    others = ("merge", *TELLING)
    kernels: tuple[Part, ...] = ()
    each: Definition | None = None
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()
    given = [key for key in ("kernels", "generator", "file") if key in table.values]
    if len(given) != 1:
        parameters = (key for name in GENERATORS for key in Recipe(name).accepted)
        known = ("kernels", "generator", "grid", "file", "key", "layout", *others, *CHANGING)
        misspelt = table.check_keys(known, also=parameters)
        if given or not misspelt:
            found = " and ".join(given) or "none of them"
            table.fault(f"must have one of kernels, generator with grid, or file; found {found}")
    elif given == ["kernels"]:
        table.check_keys(("kernels", *others))
        kernels = _read_parts(table, "kernels", folder, ("name",))
    else:
        body = _read_body(table, folder, (*others, *CHANGING, *(("grid",) if given == ["generator"] else ())))
        each = Definition(table.name, table.keys, body, **table.changes())
        if isinstance(body, Recipe) and table.values["generator"] in tuple(GENERATORS):
            grid = _read_grid(table, body)
        if isinstance(body, Filter) and "index" in table.values:
            table.fault("is for one kernel; a bank takes every filter of the file", "index")
    merge = table.choice("merge", MERGES)
    return BankDefinition(table.name, table.keys, kernels, each, grid, merge, **table.told())


def _read_grid(table: Table, recipe: Recipe) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The values of each parameter that a bank runs through."""
    values = table.values.get("grid")
    if not isinstance(values, dict) or not values:
        table.fault(f"must be a table of lists, such as {{ theta = [0, 45, 90] }}, got {described(values)}", "grid")
        return ()
    inner = Table(values, (*table.keys, "grid"), table.faults)
    inner.check_keys(recipe.accepted)
    grid = tuple((key, tuple(inner.read(key, as_numbers, [1.0]))) for key in values if key in recipe.accepted)
    count = 1
    for key, numbers in grid:
        count *= len(numbers)
        if key in table.values:
            inner.fault("stands in the table too; leave one of them out", key)
        elif len(set(numbers)) < len(numbers):
            inner.fault("holds a value twice", key)
    if count > MOST_MAPS:
        table.fault(f"makes {count} kernels; the limit is {MOST_MAPS}", "grid")
        return ()
    return grid


def _read_defaults(table: Table) -> dict[str, Any]:
    """What the options of the command line stand at where nobody says otherwise."""
    readers: dict[str, Callable[[Any], Any]] = {
        "stride": as_stride,
        "padding": as_padding,
        "border": as_border,
        "channels": lambda value: table.choice("channels", CHANNELS),
        "range": lambda value: parse_range(as_text(value)),
        "flip": as_flag,
    }
    table.check_keys(readers)
    return {key: table.read(key, readers[key], None) for key in table.values if key in readers}


def _shortened(text: str) -> str:
    """A message in one line, however long the names in it."""
    line = text.replace("\n", "\\n").replace("\r", "\\r")
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE // 2]} ... {line[-LONGEST_MESSAGE // 2 :]}"


def _dotted(keys: Keys) -> str:
    """kernels.soft.sigma or banks.b.kernels[1], as a prefix."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in _without_cells(keys)).lstrip(".")
    return f"{text}: " if text else ""


def _without_cells(keys: Keys) -> Keys:
    """Keys without the places in a list of numbers or words, which the message tells; not those in a list of kernels."""
    end = len(keys)
    while end and isinstance(keys[end - 1], int):
        end -= 1
    return keys if keys[end - 1] in ("kernels", "sum") else keys[:end]
