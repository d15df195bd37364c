"""convcli config: the files that kernels and defaults come from."""

import importlib.resources
import json
from pathlib import Path

import click

from ..errors import ArgumentError, OutputError
from ..kernels.catalogue import load_catalogue
from ..kernels.places import NAME, find_places, user_file
from . import options, render
from .kernels import count_entries

SCHEMA = "kernels.schema.json"


@click.group(short_help="The files that kernels come from.")
def command() -> None:
    """
    \b
    convcli config path
    convcli config init
    convcli config schema > kernels.schema.json

    The config files, kernels.toml, that kernels, banks and defaults come from.
    """


@command.command("path", short_help="Show which config files are read.")
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def show_path(config: tuple[str, ...], no_config: bool, as_json: bool) -> None:
    """
    \b
    convcli config path
    convcli config path --config mine.toml

    Prints every config file that is read, the one that counts most first; then each name that several of them define, and
    which one counts; then each default, and where it comes from.
    """
    places = find_places(config, search=not no_config)
    catalogue = load_catalogue(places)
    rows = [
        {"path": str(place.path), "reason": place.reason, "holds": count_entries(catalogue, place.path)} for place in places
    ]
    files = catalogue.files
    owners = {name: [str(file.path) for file in files if name in file.entries] for name in catalogue.entries}
    shadows = [{"name": name, "from": paths[0], "hides": paths[1:]} for name, paths in owners.items() if len(paths) > 1]
    defaults = [
        {"name": key, "from": next(str(file.path) for file in files if key in file.defaults)} for key in catalogue.defaults
    ]
    with render.printing():
        if as_json:
            click.echo(json.dumps({"files": rows, "shadows": shadows, "defaults": defaults}, indent=2))
            return
        for row in rows:
            click.echo(render.escaped(f"{row['path']}  ({row['reason']}: {row['holds']})"))
        for shadow in shadows:
            hidden = " and ".join(map(str, shadow["hides"]))
            click.echo(render.escaped(f"{shadow['name']}: {shadow['from']} hides {hidden}"))
        for default in defaults:
            click.echo(render.escaped(f"default {default['name']}: {default['from']}"))


@command.command("init", short_help="Write a config file to start from.")
@click.argument("file", type=click.Path(path_type=Path), default=NAME, required=False)
@click.option("--user", is_flag=True, help="Write your own one, which is read everywhere.")
def write_starter(file: Path, user: bool) -> None:
    """
    \b
    convcli config init
    convcli config init --user

    Writes a commented kernels.toml to the working folder, or where you say, and beside it the schema that editors complete
    and check it with. A file that is there already is never replaced.
    """
    own = user_file()
    if user and own is None:
        raise ArgumentError("there is no home folder for your own kernels.toml; name a FILE instead")
    target = own if user and own is not None else file
    _write_new(target, _packaged("starter.toml"))
    click.echo(f"{render.escaped(str(target))}: written; convcli reads it from this folder and those below", err=True)
    schema = target.with_name(SCHEMA)
    if not schema.exists():
        _write_new(schema, _packaged(SCHEMA))
        click.echo(f"{render.escaped(str(schema))}: written; editors use it to complete and check", err=True)


@command.command("schema", short_help="Print the schema of config files.")
def show_schema() -> None:
    """
    \b
    convcli config schema > kernels.schema.json

    Prints the JSON schema of kernels.toml. Editors with Taplo or Tombi use it where line 1 of the file is
    '#:schema ./kernels.schema.json'.
    """
    with render.printing():
        click.echo(_packaged(SCHEMA), nl=False)


def _packaged(name: str) -> str:
    return (importlib.resources.files("convcli.kernels") / name).read_text("utf-8")


def _write_new(path: Path, text: str) -> None:
    """Write a file that must not be there yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ArgumentError(f"{path} exists already, and is never replaced; give another name") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
