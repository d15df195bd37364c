"""What a command line asked for: its words, and the options that were set, with where each is from."""

import importlib.metadata
import os
import shlex
from typing import Any

import click
from click.core import ParameterSource
from msgspec import Struct

from ..images.provenance import FORMAT_VERSION
from ..pipeline.request_base import PIXELS_VERSION
from .options import COMMAND_WORDS, CONFIG_DEFAULTS


class CommandLine(Struct, frozen=True):
    """The command line, its options (name, value, where it is set) in the order of the help text, and the versions."""

    command: str
    line: str
    options: tuple[tuple[str, str, str], ...]
    versions: tuple[str, ...]


def read_command_line() -> CommandLine:
    """Return what the current command line asked for."""
    context = click.get_current_context()
    words = context.meta.get(COMMAND_WORDS, ())
    raw = context.command.make_parser(context).parse_args(list(words))[0]
    defaults = context.meta.get(CONFIG_DEFAULTS, {})
    found = []
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if not isinstance(parameter, click.Option):
            continue
        if source is ParameterSource.COMMANDLINE:
            value, where = raw.get(name), "command line"
        elif source is ParameterSource.ENVIRONMENT:
            variable = parameter.envvar if isinstance(parameter.envvar, str) else ""
            value, where = os.environ.get(variable), f"environment variable {variable}"
        elif name in defaults:
            value, where = defaults[name], "config file"
        else:
            continue
        found.append((max(parameter.opts, key=len), _text_of(value), where))
    versions = (
        f"convcli {importlib.metadata.version('convcli')}",
        f"outputs of version {PIXELS_VERSION}",
        f"provenance of version {FORMAT_VERSION}",
    )
    typed = (word.removeprefix(" ") if word.startswith(" -") else word for word in words)  # as NumbersCommand has them
    return CommandLine(context.command_path, shlex.join([*context.command_path.split(), *typed]), tuple(found), versions)


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text_of, value))
    return str(getattr(value, "name", value))
