"""Reads a kernels.toml: text in, definitions out, every fault of the file at once with its line."""

import contextlib
import functools
import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import KernelError, nearest, nearest_name
from ..kernels.generators import GENERATORS, Recipe
from ..kernels.kernel import CHANNELS, MERGES
from ..kernels.syntax import NAME
from ..range_rules import parse_range
from .bank_spec import BankSpec, Entry
from .diagnostics import ENOUGH_FAULTS, Fault, Faults, Keys, Located, TooMany
from .field_values import Table, as_border, as_flag, as_numbers, as_padding, as_stride, as_text, described, parameter_reader
from .kernel_parser import CHANGING, TELLING, every_parameter, read_body, read_given, read_kernel, read_parts
from .kernel_spec import MOST_MAPS, KernelSpec, Part
from .network_spec import NetworkSpec, read_network
from .toml_positions import check_depth, find_lines

LARGEST_FILE = 512 << 10
"""Bytes of a config file that are read at most."""

MOST_ENTRIES = 5_000
"""Kernels, banks and networks of one file at most."""

LONGEST_MESSAGE = 400
"""Characters of what is said of a fault; names in a file may be of any length."""

SECTIONS = ("kernels", "banks", "networks", "defaults")


@dataclass(frozen=True)
class ConfigFile:
    """One kernels.toml: its kernels and banks by name, its networks, and the defaults that it sets for options."""

    path: Path
    text: str = field(repr=False)
    entries: dict[str, Entry]
    networks: dict[str, NetworkSpec]
    defaults: dict[str, Any]
    faults: Faults

    def check(self, faults: list[Fault]) -> None:
        """Raise Located, a KernelError, with a line for each fault, if there are any."""
        if faults:
            raise Located(functools.partial(self.locate, faults))

    def locate(self, faults: list[Fault]) -> list[str]:
        """A line for each fault, with file and line."""
        lines = find_lines(self.text, [fault.keys for fault in faults])
        faults = sorted(faults, key=lambda fault: lines[fault.keys])
        told = [f"{self.path}:{lines[fault.keys]}: {_shortened(_dotted(fault.keys) + str(fault))}" for fault in faults]
        if len(told) >= ENOUGH_FAULTS:
            told.append(f"{self.path}: and perhaps more; mend these first")
        return told


def read_config(path: Path) -> ConfigFile:
    """Read every kernel, bank, network and default of a file, and collect its faults. Raises KernelError if it is no TOML.

    Whether names in it are known, and whether its kernels can be made, is checked by the registry.
    """
    text, tables = _read_tables(path)
    faults = Faults()
    file = ConfigFile(path, text, {}, {}, {}, faults)
    with contextlib.suppress(TooMany):
        _read_sections(tables, file, faults)
    return file


def _read_sections(tables: dict[str, Any], file: ConfigFile, faults: Faults) -> None:
    for section, body in tables.items():
        if section not in SECTIONS:
            near = nearest_name(section, SECTIONS)
            known = "there are [kernels.NAME], [banks.NAME], [networks.NAME] and [defaults]"
            faults.append(Fault((section,), f"unknown table; {known}{near}"))
        elif not isinstance(body, dict):
            faults.append(Fault((section,), f"must be a table, got {described(body)}"))
        meant = nearest(section, SECTIONS)
        if meant is None or not isinstance(body, dict):
            continue
        if meant == "defaults":
            file.defaults.update(_read_defaults(Table(body, (section,), faults)))
        else:
            _read_section(Table(body, (section,), faults), READERS[meant], file)


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
        raise KernelError(
            f"{path}: is larger than {LARGEST_FILE >> 10} KiB, the limit for a config file; keep large weights in a .npy file"
        )
    try:
        text = data.decode().removeprefix("\ufeff").replace("\r\n", "\n")
        check_depth(text)
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise KernelError(f"{path}:{line}: is not valid TOML: byte 0x{data[error.start]:02x} is not UTF-8") from None
    except (ValueError, RecursionError, MemoryError) as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+)(?:, column (\d+))?|end of document)\)", str(error), re.DOTALL)
        line = int(match[2]) if match and match[2] else text.count("\n") + 1 if match else 1
        reason = (match[1] if match else str(error)) + (f", column {match[3]}" if match and match[3] else "")
        raise KernelError(f"{path}:{line}: is not valid TOML: {reason}{_unquoted(text, line)}") from None


LONGEST_LINE = 2000
"""Characters of a line that are looked at for what it may mean."""


def _unquoted(text: str, line: int) -> str:
    """What to do where a line has a fraction, or a number with pi, outside of quotes: TOML has none, and takes text."""
    bare = re.sub(r'"[^"]*"|\'[^\']*\'|#.*', "", text.split("\n")[line - 1][:LONGEST_LINE])
    match = re.search(r"(?<![\w.)])[\w.)]{1,20} ?[/*] ?[\w.(]{1,20}|\bpi\b", bare)
    return f'; write numbers such as {match[0]} as text: "{match[0]}"' if match else ""


def _read_section(section: Table, read: Callable[[Table, Path], Any], file: ConfigFile) -> None:
    """The kernels, the banks or the networks."""
    for name, value in section.values.items():
        if not isinstance(value, dict):
            section.fault(f"must be a table, [{section.name}.NAME], got {described(value)}", name)
            continue
        if len(file.entries) + len(file.networks) >= MOST_ENTRIES:
            section.fault(f"is one more than {MOST_ENTRIES} kernels, banks and networks, the limit of a file", name)
            return
        if not NAME.fullmatch(name):
            section.fault("must have a name of letters, digits, and . _ - that begins with a letter", name)
        elif name in file.entries or name in file.networks:
            section.fault("has the name of another kernel, bank or network; give it a name of its own", name)
        entry = read(Table(value, (*section.keys, name), section.faults), file.path.parent)
        entries: dict[str, Any] = file.networks if isinstance(entry, NetworkSpec) else file.entries
        entries.setdefault(name, entry)


def _read_bank(table: Table, folder: Path) -> BankSpec:
    others = ("merge", *TELLING)
    kernels: tuple[Part, ...] = ()
    each: KernelSpec | None = None
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()
    given = [key for key in ("kernels", "generator", "file") if key in table.values]
    if len(given) != 1:
        known = ("kernels", "generator", "grid", "file", "key", "layout", *others, *CHANGING)
        misspelt = table.check_keys(known, also=every_parameter())
        if given or not misspelt:
            found = " and ".join(given) or "none of them"
            table.fault(f"must have one of kernels, generator with grid, or file; found {found}")
        if "kernels" in given:
            kernels = read_parts(table, "kernels", folder, ("name",))
        for body in [read_given(table, kind, folder) for kind in given if kind != "kernels"]:
            if isinstance(body, Recipe) and "grid" in table.values:
                _read_grid(table, body)
        table.changes()
    elif given == ["kernels"]:
        table.check_keys(("kernels", *others))
        kernels = read_parts(table, "kernels", folder, ("name",))
    else:
        grids = ("grid",) if given == ["generator"] else ()
        body = read_body(table, folder, (*others, *CHANGING, *grids), all_filters=True)
        each = KernelSpec(table.name, table.keys, body, **table.changes())
        if isinstance(body, Recipe) and table.values["generator"] in tuple(GENERATORS):
            grid = _read_grid(table, body)
    merge = table.choice("merge", MERGES)
    doubled = tuple(key for key, _ in grid if key in table.values)
    return BankSpec(table.name, table.keys, kernels, each, grid, merge, doubled=doubled, **table.told())


def _read_grid(table: Table, recipe: Recipe) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The values of each parameter that a bank runs through."""
    values = table.values.get("grid")
    if not isinstance(values, dict) or not values:
        table.fault(f"must be a table of lists, such as {{ theta = [0, 45, 90] }}, got {described(values)}", "grid")
        return ()
    inner = Table(values, (*table.keys, "grid"), table.faults)
    inner.check_keys(recipe.accepted)
    readers = {key: functools.partial(as_numbers, read=parameter_reader(key)) for key in values if key in recipe.accepted}
    grid = tuple((key, tuple(inner.read(key, read, [1.0]))) for key, read in readers.items())
    count = math.prod(len(numbers) for _, numbers in grid)
    if count > MOST_MAPS:
        table.fault(f"makes {count} kernels; the limit is {MOST_MAPS}", "grid")
        return ()
    return grid


READERS: dict[str, Callable[[Table, Path], Any]] = {
    "kernels": read_kernel,
    "banks": _read_bank,
    "networks": read_network,
}
"""What reads each table of a section."""


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
    return keys if keys[end - 1] in ("kernels", "sum", "layers") else keys[:end]
