"""Reads one bank of a config file: a list of kernels, or a template for several kernels."""

import functools
import math
from pathlib import Path

from ..kernels.generator_call import GeneratorCall
from ..kernels.generators import GENERATORS
from ..kernels.kernel import MERGES
from ..kernels.parameters import Value
from .bank_spec import BankSpec, Grid
from .field_values import Table, as_list, parameter_reader, short_text
from .kernel_parser import CHANGING, DESCRIBING, every_parameter, read_body, read_given, read_parts
from .kernel_spec import KernelSpec, Part
from .limits import MAX_MAPS


def read_bank(table: Table, folder: Path) -> BankSpec:
    """Read a [banks.NAME] table."""
    others = ("merge", *DESCRIBING)
    parts: tuple[Part, ...] = ()
    template: KernelSpec | None = None
    grid: Grid = ()
    given = [key for key in ("kernels", "generator", "file") if key in table.values]
    if len(given) != 1:
        known = ("kernels", "generator", "grid", "file", "key", "layout", *others, *CHANGING)
        misspelt = table.check_keys(known, also=every_parameter())
        if given or not misspelt:
            found = " and ".join(given) or "none of them"
            table.fault(f"must have one of kernels, generator with grid, or file; found {found}")
        if "kernels" in given:
            parts = read_parts(table, "kernels", folder, ("name",))
        for body in [read_given(table, kind, folder) for kind in given if kind != "kernels"]:
            if isinstance(body, GeneratorCall) and "grid" in table.values:
                _read_grid(table, body)
        table.weight_changes()
    elif given == ["kernels"]:
        table.check_keys(("kernels", *others))
        parts = read_parts(table, "kernels", folder, ("name",))
    else:
        grids = ("grid",) if given == ["generator"] else ()
        body = read_body(table, folder, (*others, *CHANGING, *grids), all_filters=True)
        template = KernelSpec(table.name, table.keys, body, **table.weight_changes())
        if isinstance(body, GeneratorCall) and table.values["generator"] in tuple(GENERATORS):
            grid = _read_grid(table, body)
    merge = table.choice("merge", MERGES)
    duplicated = tuple(key for key, _ in grid if key in table.values)
    return BankSpec(table.name, table.keys, parts, template, grid, merge, duplicated=duplicated, **table.description())


def _read_grid(table: Table, generator_call: GeneratorCall) -> Grid:
    """Read the grid of a bank: each parameter with its values."""
    values = table.values.get("grid")
    if not isinstance(values, dict) or not values:
        table.fault(f"must be a table of lists, such as {{ theta = [0, 45, 90] }}, got {short_text(values)}", "grid")
        return ()
    inner = Table(values, (*table.keys, "grid"), table.diagnostics)
    inner.check_keys(generator_call.all_parameters)
    known = [key for key in values if key in generator_call.all_parameters]
    readers = {key: functools.partial(as_list, read=parameter_reader(key)) for key in known}
    default: list[Value] = [1.0]
    grid = tuple((key, tuple(inner.read(key, read, default))) for key, read in readers.items())
    count = math.prod(len(numbers) for _, numbers in grid)
    if count > MAX_MAPS:
        table.fault(f"makes {count} kernels; the limit is {MAX_MAPS}", "grid")
        return ()
    return grid
