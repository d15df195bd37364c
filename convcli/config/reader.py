"""Reads a kernels.toml file into specifications, and collects its faults."""

import functools
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..errors import KernelError, nearest, nearest_name
from ..images.encoding import TIFF_COMPRESSIONS
from ..kernels.kernel import CHANNELS, LIGHTS
from ..kernels.syntax import NAME
from ..ops.option_parsers import MISSING
from ..range_rules import parse_range
from .bank_parser import read_bank
from .bank_spec import Entry
from .diagnostics import Diagnostics, Document
from .field_values import Table, as_border, as_flag, as_padding, as_stride, as_text, short_text
from .kernel_parser import read_kernel
from .toml_positions import check_depth

if TYPE_CHECKING:
    from .network_spec import NetworkSpec

MAX_FILE_BYTES = 512 << 10
"""Largest size of a config file in bytes."""

MAX_ENTRIES = 5_000
"""Largest number of kernels, banks and networks in one file."""

SECTIONS = ("kernels", "banks", "networks", "defaults")


class ConfigFile(Struct, frozen=True, eq=False, dict=True):
    """One kernels.toml file: its kernels and banks by name, its networks, its default options, and its faults."""

    document: Document
    entries: dict[str, Entry]
    network_tables: dict[str, list[Table]]  # several for a name that a misspelt section has too
    defaults: dict[str, Any]
    diagnostics: Diagnostics

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.document.path

    @functools.cached_property
    def networks(self) -> dict[str, "NetworkSpec"]:
        """The networks by name, read when they are first needed: the classes of operations take 20 ms to import."""
        networks: dict[str, NetworkSpec] = {}
        if self.network_tables:
            from .network_spec import read_network

            for table in itertools.chain(*self.network_tables.values()):
                if not self.diagnostics.full:
                    networks.setdefault(table.name, read_network(table, self.path.parent))
        return networks


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML that is not too costly to parse. Raises ValueError with the line, RecursionError and MemoryError."""
    import tomllib  # here, as it takes 3 ms to import, and the built-in file is parsed already

    check_depth(text)
    return tomllib.loads(text)


def read_config(path: Path, parse: Callable[[str], dict[str, Any]] = parse_toml) -> ConfigFile:
    """Read all kernels, banks, networks and defaults of a file, and collect its faults. Raises KernelError if it is not TOML.

    This function does not check whether the names in the file are known, nor whether its kernels can be computed.
    """
    text, tables = _read_tables(path, parse)
    document = Document(path, text)
    file = ConfigFile(document, {}, {}, {}, Diagnostics(document))
    for section, body in tables.items():
        if file.diagnostics.full:
            break
        _read_section(section, body, file)
    return file


def _read_section(section: str, body: Any, file: ConfigFile) -> None:
    """Read one section. A section with a misspelt name is read as the section with the nearest name."""
    if section not in SECTIONS:
        hint = nearest_name(section, SECTIONS)
        known = "there are [kernels.NAME], [banks.NAME], [networks.NAME] and [defaults]"
        file.diagnostics.add_unreadable((section,), f"unknown table; {known}{hint}")
    elif not isinstance(body, dict):
        file.diagnostics.add_unreadable((section,), f"must be a table, got {short_text(body)}")
    nearest_section = nearest(section, SECTIONS)
    if nearest_section is None or not isinstance(body, dict):
        return
    table = Table(body, (section,), file.diagnostics)
    if nearest_section == "defaults":
        file.defaults.update(_read_defaults(table))
    else:
        _read_entries(table, nearest_section, file)


def _read_tables(path: Path, parse: Callable[[str], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the text of a file and its parsed tables. Raises KernelError."""
    try:
        if path.exists() and not path.is_file():
            raise KernelError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, KernelError):
            raise
        raise KernelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise KernelError(
            f"{path}: is larger than {MAX_FILE_BYTES >> 10} KiB, the limit for a config file; keep large weights in a .npy file"
        )
    try:
        text = data.decode().removeprefix("\ufeff").replace("\r\n", "\n")
        return text, parse(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise KernelError(f"{path}:{line}: is not valid TOML: byte 0x{data[error.start]:02x} is not UTF-8") from None
    except (ValueError, RecursionError, MemoryError) as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+)(?:, column (\d+))?|end of document)\)", str(error), re.DOTALL)
        line = int(match[2]) if match and match[2] else text.count("\n") + 1 if match else 1
        reason = (match[1] if match else str(error)) + (f", column {match[3]}" if match and match[3] else "")
        raise KernelError(f"{path}:{line}: is not valid TOML: {reason}{_quoting_hint(text, line)}") from None


MAX_LINE_CHARACTERS = 2000
"""Characters of a line that are searched for unquoted fractions."""


def _quoting_hint(text: str, line: int) -> str:
    """Return a hint to quote a fraction or an expression with pi, which TOML does not know; empty if the line has none."""
    bare = re.sub(r'"[^"]*"|\'[^\']*\'|#.*', "", text.split("\n")[line - 1][:MAX_LINE_CHARACTERS])
    match = re.search(r"(?<![\w.)])[\w.)]{1,20} ?[/*] ?[\w.(]{1,20}|\bpi\b", bare)
    return f'; write numbers such as {match[0]} as text: "{match[0]}"' if match else ""


def _read_entries(section: Table, kind: str, file: ConfigFile) -> None:
    """Read all kernels or all banks of a file, or collect the tables of its networks."""
    for name, value in section.values.items():
        if section.diagnostics.full:
            return
        if not isinstance(value, dict):
            section.fault(f"must be a table, [{section.name}.NAME], got {short_text(value)}", name)
            continue
        if len(file.entries) + len(file.network_tables) >= MAX_ENTRIES:
            section.fault(f"exceeds the limit of {MAX_ENTRIES} kernels, banks and networks in a file", name)
            return
        if not re.fullmatch(NAME, name):
            section.fault("must have a name that begins with a letter and has only letters, digits, and . _ -", name)
        elif name in file.entries or name in file.network_tables:
            section.fault("has the name of another kernel, bank or network; give it a name of its own", name)
        table = Table(value, (*section.keys, name), section.diagnostics)
        if kind == "networks":
            file.network_tables.setdefault(name, []).append(table)
        else:
            file.entries.setdefault(name, ENTRY_READERS[kind](table, file.path.parent))


ENTRY_READERS: dict[str, Callable[[Table, Path], Entry]] = {"kernels": read_kernel, "banks": read_bank}
"""Functions that read the tables of a section at once."""


def _read_defaults(table: Table) -> dict[str, Any]:
    """Read the default values of command-line options."""
    readers: dict[str, Callable[[Any], Any]] = {
        "stride": as_stride,
        "padding": as_padding,
        "border": as_border,
        "channels": lambda value: table.choice("channels", CHANNELS),
        "range": lambda value: parse_range(as_text(value)),
        "flip": as_flag,
        "light": lambda value: table.choice("light", LIGHTS),
        "compression": lambda value: table.choice("compression", TIFF_COMPRESSIONS),
        "missing": lambda value: table.choice("missing", MISSING),
    }
    table.check_keys(readers)
    return {key: table.read(key, readers[key], None) for key in table.values if key in readers}
