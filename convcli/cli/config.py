"""convcli config: the files that kernels and defaults come from."""

import importlib.resources
import os
from pathlib import Path

import click

from ..config.load import check_registry, peek_registry
from ..config.search_path import NAME, find_locations, user_file
from ..errors import ArgumentError, OutputError
from . import options, output
from .command_group import CommandGroup
from .kernels import count_entries

SCHEMA = "kernels.schema.json"
ENVIRONMENT = {
    key: f"CONVCLI_{key.upper()}" for key in ("stride", "padding", "border", "channels", "range", "flip", "light", "missing")
}
"""The environment variable of each option that has a default in config files."""


@click.group(cls=CommandGroup)
def command() -> None:
    """
    \b
    convcli config path
    convcli config init
    convcli config schema > kernels.schema.json

    Shows and creates kernels.toml, the config file for kernels, banks, networks and defaults.
    """


@command.command("path", short_help="Show which config files are read.")
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def show_path(config: tuple[str, ...], no_config: bool, as_json: bool) -> None:
    """
    \b
    convcli config path
    convcli config path --config mine.toml

    Prints every config file that is read, in order of precedence. Then it prints each name that several of them define, with
    the file that has precedence, and each default of an option, with its origin. Errors in the files go to standard error.
    """
    locations = find_locations(config, search=not no_config)
    registry = peek_registry(locations)
    holds = {file.path: count_entries(file) for file in registry.files}
    rows = [
        {"path": str(location.path), "reason": location.reason, "holds": holds.get(location.path, "cannot be read")}
        for location in locations
    ]
    owners: dict[str, list[str]] = {}
    defaults: dict[str, tuple[str, object]] = {}
    for file in registry.files:
        for name in (*file.entries, *file.network_tables):
            owners.setdefault(name, []).append(str(file.path))
        for key, value in file.defaults.items():
            if value is not None:  # a fault, which is reported below
                defaults.setdefault(key, (str(file.path), value))
    defaults |= {key: (f"${env}", os.environ[env]) for key, env in ENVIRONMENT.items() if os.environ.get(env)}
    with output.printing():
        output.show_places(rows, {name: paths for name, paths in owners.items() if len(paths) > 1}, defaults, as_json)
    check_registry(registry)


@command.command("init", short_help="Write a config file to start from.")
@click.argument("file", type=click.Path(path_type=Path), default=NAME, required=False)
@click.option("--user", is_flag=True, help="Write your own one, which is read everywhere.")
def write_starter(file: Path, user: bool) -> None:
    """
    \b
    convcli config init
    convcli config init --user

    Writes a commented kernels.toml to the working folder, or to FILE (- for standard output), and next to it the schema that
    editors use to complete and check it. An existing file is never replaced.
    """
    if str(file) == "-":
        with output.printing():
            click.echo(_packaged("starter.toml"), nl=False)
        return
    if user:
        own = user_file()
        if own is None:
            raise ArgumentError("there is no home folder for your own kernels.toml; name a FILE instead")
        file = own
    scope = "in this folder and below" if file.name == NAME else f"with --config {file}"
    _write_new(file, _packaged("starter.toml"))
    output.print_error(f"{file}: written; convcli reads it {'everywhere' if user else scope}")
    schema = file.with_name(SCHEMA)
    if not schema.exists():
        _write_new(schema, _packaged(SCHEMA))
        output.print_error(f"{schema}: written; editors use it to complete and check")


@command.command("schema", short_help="Print the schema of config files.")
def show_schema() -> None:
    """
    \b
    convcli config schema > kernels.schema.json

    Prints the JSON schema of kernels.toml. Editors with Taplo or Tombi use it if the first line of the file is
    '#:schema ./kernels.schema.json'.
    """
    with output.printing():
        click.echo(_packaged(SCHEMA), nl=False)


def _packaged(name: str) -> str:
    return (importlib.resources.files("convcli.config") / name).read_text("utf-8")


def _write_new(path: Path, text: str) -> None:
    """Write a new file. Raises ArgumentError where it exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ArgumentError(f"{path} exists already and is not replaced; choose another name") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
