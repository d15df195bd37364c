"""Reads one kernel of a config file: the definition of its weights, and the changes made to them."""

import contextlib
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..errors import KernelError, nearest
from ..kernels.generator_call import GeneratorCall
from ..kernels.generators import GENERATORS
from ..kernels.kernel import MAX_SIDE, Matrix
from ..kernels.parameters import ParameterError
from ..kernels.syntax import parse_file, parse_kernel
from ..kernels.weight_layouts import as_layout
from ..kernels.weights import WeightsError, WeightsFile
from .field_values import (
    ItemsError,
    Table,
    as_index,
    as_name,
    as_number,
    as_numbers,
    as_text,
    parameter_reader,
    read_each,
    short_text,
)
from .kernel_spec import Body, FileFilter, KernelSpec, Part, Product, Sum
from .limits import MAX_MAPS
from .toml_positions import Keys

BODIES = {"matrix": (), "tensor": (), "column": ("row",), "generator": (), "file": ("key", "layout", "index"), "sum": ()}
"""The keys that define the weights of a kernel, and the keys allowed with each; a generator also takes its parameters."""

DESCRIBING = ("about", "source", "tags", "range")
CHANGING = ("divisor", "normalize", "rotate", "offset", "anchor")


def read_kernel(table: Table, folder: Path, extra: tuple[str, ...] = ()) -> KernelSpec:
    """Read a kernel: a [kernels.NAME] table, or a table in a bank or in a sum with its ``extra`` keys."""
    name = table.read("name", as_name, table.name) if "name" in extra else table.name
    within = ("kernel", *extra) if extra else ()
    body = read_body(table, folder, (*DESCRIBING, *CHANGING, *within))
    return KernelSpec(name, table.keys, body, **table.weight_changes(), **table.description())


def read_body(table: Table, folder: Path, others: tuple[str, ...], all_filters: bool = False) -> Body | None:
    """Read the keys that define the weights; return None if they are invalid.

    ``others`` are the other keys that are allowed. With ``all_filters``, the key ``index`` of a file is not allowed.
    """
    given = [key for key in BODIES if key in table.values]
    if len(given) != 1:
        beside = (key for keys in BODIES.values() for key in keys)
        misspelt = table.check_keys((*BODIES, *beside, *others), also=every_parameter())
        if given or not misspelt:
            explanations = ", ".join(BODIES).replace("column", "column with row")
            table.fault(f"must have one of {explanations}; found {' and '.join(given) or 'none of them'}")
        for kind in given:
            read_given(table, kind, folder)
        return None
    (kind,) = given
    if kind == "generator":
        generator = _meant(table)
        parameters = GeneratorCall(generator).all_parameters if generator else every_parameter()
        table.check_keys(("generator", *parameters, *others))
    else:
        beside = (key for key in BODIES[kind] if key != "index" or not all_filters)
        table.check_keys((kind, *beside, *others))
    return read_given(table, kind, folder)


def every_parameter() -> tuple[str, ...]:
    """Return the names of the parameters of all generators."""
    return tuple(dict.fromkeys(key for name in GENERATORS for key in GeneratorCall(name).all_parameters))


def read_given(table: Table, kind: str, folder: Path) -> Body | None:
    """Read the weights that the key ``kind`` defines; return None if they are invalid."""
    if kind == "generator":
        return _read_generator(table)
    if kind == "file":
        return _read_file(table, folder)
    if kind == "sum":
        return Sum(read_parts(table, "sum", folder, ("weight",)))
    if kind == "column":
        column, row = (tuple(table.read(key, as_numbers, [1.0])) for key in ("column", "row"))
        if "row" not in table.values:
            table.fault("needs a row beside it", "column")
        return Product(column, row)
    return _read_matrix(table, kind)


def _meant(table: Table) -> str | None:
    """Return the name of the generator, or of the most similar one if it is misspelt; None if none is similar."""
    name = table.values["generator"]
    return nearest(name, GENERATORS) if isinstance(name, str) else None


def _read_generator(table: Table) -> GeneratorCall:
    table.choice("generator", tuple(GENERATORS))
    generator = _meant(table)
    if generator is None:
        return GeneratorCall("average")
    generator_call = GeneratorCall(generator)
    given = ((key, value) for key, value in generator_call.all_parameters.items() if key in table.values)
    parameters = tuple((key, table.read(key, parameter_reader(key), value)) for key, value in given)
    try:
        return generator_call.change(parameters)
    except ParameterError as error:
        for name, text in error.errors:
            table.fault(text, name)
        return generator_call


def _read_file(table: Table, folder: Path) -> FileFilter:
    key, layout = table.read("key", as_text, None), table.read("layout", _as_layout, None)
    index = table.read("index", as_index, None)
    return FileFilter(WeightsFile(folder / table.text("file"), key, layout), index)


def _as_layout(value: Any) -> str:
    try:
        return as_layout(as_text(value))
    except WeightsError as error:
        raise ValueError(str(error)) from None


def read_parts(table: Table, key: str, folder: Path, extra: tuple[str, ...]) -> tuple[Part, ...]:
    """Read a list of kernels, each a text as after -k or a table with the keys of a kernel. Invalid kernels are left out."""
    values = table.values[key]
    if not isinstance(values, list) or not values:
        table.fault(f"must be a list of kernels, got {short_text(values)}", key)
        return ()
    if len(values) > MAX_MAPS:
        table.fault(f"has {len(values)} kernels; the limit is {MAX_MAPS}", key)
        return ()
    parts = (_read_part(table, key, index, value, folder, extra) for index, value in enumerate(values))
    return tuple(part for part in parts if part is not None)


def _read_part(table: Table, key: str, index: int, value: Any, folder: Path, extra: tuple[str, ...]) -> Part | None:
    keys = (*table.keys, key, index)
    if isinstance(value, str):
        return _read_text(table, keys, value, folder)
    if not isinstance(value, dict):
        table.fault(f"must be the name of a kernel, or a table, got {short_text(value)}", key, index)
        return None
    inner = Table(value, keys, table.diagnostics)
    inner.name = f"{table.name}-{index}"
    weight = inner.number("weight", 1.0) if "weight" in extra else 1.0
    if "kernel" not in value:
        return Part(keys, read_kernel(inner, folder, extra), weight=weight)
    inner.check_keys(("kernel", *extra))
    name = inner.read("name", as_name, None)
    text = inner.read("kernel", as_text, None)
    part = None if text is None else _read_text(table, keys, text, folder)
    return part and replace(part, weight=weight, name=name)


def _read_text(table: Table, keys: Keys, text: str, folder: Path) -> Part | None:
    """Read a kernel from a text as after -k; return None if it is invalid."""
    try:
        meaning = relative(text, folder)
        return Part(keys, parse_kernel(meaning) if isinstance(meaning, str) else meaning, text.strip())
    except KernelError as error:
        table.diagnostics.add_unreadable(keys, str(error))
        return None


def relative(text: str, folder: Path) -> str | WeightsFile:
    """Return the weights file of a text such as @FILE, with its path relative to ``folder``; any other text unchanged."""
    if text.strip().startswith("@"):
        with contextlib.suppress(KernelError):
            file = parse_file(text.strip())
            return replace(file, path=folder / file.path)
    return text


def _read_matrix(table: Table, kind: str) -> Matrix | None:
    """Read rows of numbers, or of lists of numbers. A fault is recorded for each invalid cell."""
    rows = table.values[kind]
    example = "[[0, 1, 0], [1, -4, 1], [0, 1, 0]]" if kind == "matrix" else "[[[1, -1, 0]]]: rows of cells of channels"
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        table.fault(f"must be a list of rows, such as {example}, got {short_text(rows)}", kind)
        return None
    if len(rows) > MAX_SIDE or max(map(len, rows)) > MAX_SIDE:
        table.fault(f"has {len(rows)} rows of up to {max(map(len, rows))} numbers; the largest kernel side is {MAX_SIDE}", kind)
        return None
    depth = len(rows[0][0]) if kind == "tensor" and isinstance(rows[0][0], list) else 0
    matrix = []
    for y, row in enumerate(rows):
        if table.diagnostics.full:
            break
        if len(row) != len(rows[0]):
            table.fault(f"row {y + 1} has {len(row)} numbers, row 1 has {len(rows[0])}", kind, y)
        matrix.append(tuple(_read_cell(table, cell, (kind, y, x), depth) for x, cell in enumerate(row)))
    return tuple(matrix)


def _read_cell(table: Table, cell: Any, position: tuple[str, int, int], depth: int) -> Any:
    kind, y, x = position
    where = f"row {y + 1}, column {x + 1}"
    try:
        if kind == "matrix":
            return as_number(cell)
        if not isinstance(cell, list) or not cell:
            raise ValueError(f"must be a list of the weights of each channel, got {short_text(cell)}")
        if len(cell) != depth:
            table.fault(f"{where} has {len(cell)} channels, and the first cell has {depth}", kind, y, x)
        return read_each(cell, as_number, "channel")
    except ItemsError as error:
        for channel, message in error.errors:
            table.fault(f"{where}, {message}", kind, y, x, channel)
        return (0.0,)
    except ValueError as error:
        table.fault(f"{where} {error}", kind, y, x)
        return 0.0 if kind == "matrix" else (0.0,)
