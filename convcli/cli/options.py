"""The shared options: their words, each read in one place, and the config files."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ..config.registry import Registry, load_registry, peek_registry
from ..config.search_path import find_locations
from ..errors import ArgumentError
from ..geometry.padding import PADDINGS
from ..images.formats import NAMES, format_named
from ..ops.option_parsers import BORDER_WORDS, pair_reader, read_border, read_padding
from ..range_rules import RANGES, parse_range


class Word(click.ParamType[Any]):
    """A word that one of our readers turns into a value; its error text is shown as it is."""

    def __init__(self, metavar: str, read: Any, choices: tuple[str, ...] = ()) -> None:
        self.name = metavar
        self.read = read
        self.choices = choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The metavar as it is written, not in capitals."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the word; an error names the environment variable that it comes from."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value.strip())
        except ArgumentError as error:
            if param and ctx and ctx.get_parameter_source(str(param.name)) is ParameterSource.ENVIRONMENT:
                raise ArgumentError(f"${param.envvar}: {error}") from None
            raise

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the words that begin so."""
        return [CompletionItem(word) for word in self.choices if word.startswith(incomplete)]


NEGATIVE = re.compile(r"-(?:[\d.(]|sqrt|pi)(?:[\d.,;:/*()+\-\s@]|sqrt|pi|e)*", re.ASCII | re.IGNORECASE)
"""Numbers, the first of them negative, or a position."""


SECTIONS = {
    "Input": "--list --input --recursive --hidden --files-from --null --base --shard --resize --axes --max-pixels",
    "Kernel": "--kernel --tap --config --no-config",
    "Sliding": "--stride --padding --border --dilation --flip --channels --method",
    "Output": "--output --format --range --depth --png-level --quality --in-place --flat --overwrite --skip-existing",
    "Batch": "--jobs --max-memory --fail-fast --dry-run",
    "Reporting": "--explain --json --report --quiet --verbose --help",
}
"""Headings of help texts, and the options under each."""

FEW_OPTIONS = 8


class SectionedCommand(click.Command):
    """A command whose help text lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections that have options here, or one section where there are few."""
        found = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        if len(found) < FEW_OPTIONS:
            super().format_options(ctx, formatter)
            return
        for heading, names in SECTIONS.items():
            records = [param.get_help_record(ctx) for name in names.split() for param in found if name in param.opts]
            if records:
                with formatter.section(heading):
                    formatter.write_dl([record for record in records if record])


class NumbersCommand(SectionedCommand):
    """A command whose arguments may begin with a minus and a number, such as '-1 0 1': no option does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a blank before such arguments, which no reader of numbers minds; what an option takes stays as it is."""
        taking = {name for one in self.params if isinstance(one, click.Option) and not one.is_flag for name in one.opts}
        before = ["", *args]
        numbers = [NEGATIVE.fullmatch(arg) and before[place] not in taking for place, arg in enumerate(args)]
        return super().parse_args(ctx, [f" {arg}" if number else arg for arg, number in zip(args, numbers, strict=True)])


class KernelText(click.ParamType[str]):
    """The text after -k, completed with the names of kernels and banks; looked up later, when the config is known."""

    name = "KERNEL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text without blanks around it."""
        return value.strip()

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin so, with what each is for."""
        entries = _peek(ctx).entries.items()
        return [CompletionItem(name, help=entry.about) for name, entry in entries if name.startswith(incomplete)]


class AnyText(KernelText):
    """The name of a network, or the text after -k."""

    name = "NAME"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin so, with what each is for."""
        return [*NetworkText().shell_complete(ctx, param, incomplete), *super().shell_complete(ctx, param, incomplete)]


class NetworkText(click.ParamType[str]):
    """The name of a network, completed with those that there are; looked up later, when the config is known."""

    name = "NETWORK"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin so, with what each is for."""
        networks = _peek(ctx).networks.values()
        return [CompletionItem(one.name, help=one.about) for one, _ in networks if one.name.startswith(incomplete)]


class LayerText(click.ParamType[str]):
    """The name of a layer, completed with those of the network that is named."""

    name = "LAYER"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin so."""
        found = _peek(ctx).networks.get(ctx.params.get("network") or "")
        return [CompletionItem(one.name) for one in found[0].layers if one.name.startswith(incomplete)] if found else []


def _peek(ctx: click.Context) -> Registry:
    """What the config files hold that this command would read, unchecked."""
    return peek_registry(find_locations(ctx.params.get("config") or (), search=not ctx.params.get("no_config")), [])


def read_position(text: str) -> tuple[int, int]:
    """Read X,Y: column and row, from 0."""
    match = re.fullmatch(r"(\d{1,18}),(\d{1,18})", text, re.ASCII)
    if match is None:
        raise ArgumentError(f"position must be X,Y, a column and a row of the output from 0, such as 3,2, got {text!r}")
    return int(match[1]), int(match[2])


def read_shard(text: str) -> tuple[int, int]:
    """Read I/N, with I from 1 to N."""
    match = re.fullmatch(r"(\d{1,18})/(\d{1,18})", text, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ArgumentError(f"shard must be I/N with I from 1 to N, such as 2/8, got {text!r}")
    return int(match[1]), int(match[2])


def read_size(text: str) -> int:
    """Read a number of bytes: 500M, 2G, 1.5GB; K, M, G and T are powers of 1000, Ki, Mi, Gi and Ti of 1024."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)(?:([kmgt])(i?))?b?", text, re.ASCII | re.IGNORECASE)
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index((match[2] or " ").lower())) if match else 0
    if size < 1:
        raise ArgumentError(f"max-memory must be a number of bytes such as 500M or 2G, got {text!r}")
    return size


POSITION = Word("X,Y", read_position)
SHARD = Word("I/N", read_shard)
SIZE = Word("SIZE", read_size)
PAIR = {name: Word("N|ROWSxCOLS", pair_reader(name)) for name in ("stride", "dilation")}
PADDING = Word("WORD|N|ROWSxCOLS", read_padding, PADDINGS)
BORDER = Word("WORD|NUMBER", read_border, BORDER_WORDS)
RANGE = Word("RULE", parse_range, RANGES)
FORMAT = Word("FORMAT", format_named, NAMES)


def with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which config files are read."""
    chosen = click.option(
        "--config",
        multiple=True,
        type=click.Path(),
        metavar="FILE",
        help="A kernels.toml, before all that are found; of several, the last comes first.",
    )
    none = click.option(
        "--no-config",
        is_flag=True,
        envvar="CONVCLI_NO_CONFIG",
        show_envvar=True,
        help="Look for no config file: only the built-in kernels, and those of --config.",
    )
    return chosen(none(command))


def read_registry(config: tuple[str, ...], no_config: bool) -> Registry:
    """The kernels of all config files. Raises KernelError with every fault of every file."""
    return load_registry(find_locations(config, search=not no_config))


def refuse_set(names: Iterable[str], reason: str) -> None:
    """Raise click.UsageError for an option that was set on the command line, and means nothing here."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} means nothing here: {reason}")


def read_defaults(registry: Registry, names: dict[str, str]) -> dict[str, Any]:
    """What the [defaults] of the config files say of options that nobody set, by flag or by environment variable.

    ``names`` gives the parameter of each key that has another name.
    """
    context = click.get_current_context()
    parameters = {names.get(key, key): value for key, value in registry.defaults.items()}
    return {name: value for name, value in parameters.items() if context.get_parameter_source(name) is ParameterSource.DEFAULT}
