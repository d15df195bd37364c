"""Parameter types of options, each with its parser and completion; commands with sections; options about config files."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ..config.load import load_registry, peek_registry
from ..config.registry import Registry
from ..config.search_path import find_locations
from ..errors import ArgumentError
from ..geometry.padding import PADDINGS
from ..images.formats import NAMES, format_named
from ..ops.option_parsers import BORDER_WORDS, pair_reader, read_border, read_padding
from ..pipeline.frame_slice import WORDS, parse_frames
from ..range_rules import NUMBER, RANGES, parse_range


def together(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that adds all of these options, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


class ParsedText(click.ParamType[Any]):
    """Text that a parser of ours turns into a value. The message of its error is shown unchanged."""

    def __init__(self, metavar: str, read: Any, choices: tuple[str, ...] = ()) -> None:
        self.name = metavar
        self.read = read
        self.choices = choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the metavar unchanged; click would use capitals."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the text. The error for a value of an environment variable names the variable."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value.strip())
        except ArgumentError as error:
            if param and ctx and ctx.get_parameter_source(str(param.name)) is ParameterSource.ENVIRONMENT:
                raise ArgumentError(f"${param.envvar}: {error}") from None
            raise

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the choices that begin with the incomplete word."""
        return [CompletionItem(word) for word in self.choices if word.startswith(incomplete)]


class ChannelsChoice(click.Choice[str]):
    """The words of --channels, of which one has two spellings."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word, in the spelling of the Python functions."""
        return super().convert("gray" if value == "grey" else value, param, ctx)


NEGATIVE_NUMBERS = r"(?ai)-(?:[\d.(]|sqrt|pi)(?:[\d.,;:/*()+\-\s@]|sqrt|pi|e|(?:divisor|offset)\s*=)*"
"""Numbers of which the first is negative, perhaps with the divisor and offset of a matrix, or a position."""


SECTIONS = {
    "Input": "--list --input --recursive --hidden --files-from --null --base --shard --crop --resize --axes --frames "
    "--prepare --max-pixels --allow-truncated",
    "Kernel": "--kernel --pool --transposed --tap --network --layer --weights --invert --size --filters --config --no-config",
    "Sliding": "--stride --padding --border --dilation --flip --channels --light --missing --mask --nodata --method --offset",
    "Training": "--epochs --batch --optimizer --rate --schedule --momentum --decay --augment --held-out --seed --resume "
    "--sheets --patches --whitening --grey --nonnegative --sum --ridge",
    "Output": "--output --name --top --format --protocol --range --depth --png-level --quality --compression --strip "
    "--keep-times --in-place --flat --overwrite --skip-existing",
    "Sheet": "--sheet --columns --tile --scale --labels --normalize --percentile --colormap --numbers",
    "Slide": "--fps --cell",
    "Batch": "--jobs --max-memory --no-sync --fail-fast --dry-run",
    "Reporting": "--explain --json --report --html --quiet --verbose --help",
}
"""Headings of help texts, and the options under each of them."""

MIN_OPTIONS_FOR_SECTIONS = 8


COMMAND_WORDS, CONFIG_DEFAULTS = "convcli.words", "convcli.defaults"
"""Keys of what a context keeps in ``meta``: the words after the command, and the options that config files set."""


class SectionedCommand(click.Command):
    """A command whose help lists its options under headings. Its context keeps the words of the command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words after the command."""
        ctx.meta[COMMAND_WORDS] = tuple(args)  # a copy, as parsing takes them out of the list
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections that have options, or one section where there are few options."""
        option_params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        if len(option_params) < MIN_OPTIONS_FOR_SECTIONS:
            super().format_options(ctx, formatter)
            return
        for heading, names in SECTIONS.items():
            records = [param.get_help_record(ctx) for name in names.split() for param in option_params if name in param.opts]
            if records:
                with formatter.section(heading):
                    formatter.write_dl([record for record in records if record])


class NumbersCommand(SectionedCommand):
    """A command whose arguments may begin with a negative number, such as '-1 0 1', which is not an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a space before such arguments, so that click does not take them for options. The parsers of numbers ignore it."""
        options_with_value = {
            name for param in self.params if isinstance(param, click.Option) and not param.is_flag for name in param.opts
        }
        previous = ["", *args]
        numbers = [
            re.fullmatch(NEGATIVE_NUMBERS, arg) and previous[index] not in options_with_value for index, arg in enumerate(args)
        ]
        return super().parse_args(ctx, [f" {arg}" if number else arg for arg, number in zip(args, numbers, strict=True)])


class KernelText(click.ParamType[str]):
    """The text after -k, completed with the names of kernels and banks. It is parsed later, when the config is known."""

    name = "KERNEL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without spaces around it."""
        return value.strip()

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with the incomplete word, with their descriptions."""
        entries = _peek(ctx).entries.items()
        return [CompletionItem(name, help=entry.about) for name, entry in entries if name.startswith(incomplete)]


class AnyText(KernelText):
    """The name of a network, or the text after -k."""

    name = "NAME"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with the incomplete word, with their descriptions."""
        return [*NetworkText().shell_complete(ctx, param, incomplete), *super().shell_complete(ctx, param, incomplete)]


class NetworkText(click.ParamType[str]):
    """The name of a network, completed with those of the config files. It is looked up later, when the config is known."""

    name = "NETWORK"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with the incomplete word, with their descriptions."""
        networks = _peek(ctx).networks.values()
        return [
            CompletionItem(network.name, help=network.about) for network, _ in networks if network.name.startswith(incomplete)
        ]


class LayerText(click.ParamType[str]):
    """The name of a layer, completed with those of the network in the same command line."""

    name = "LAYER"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin with the incomplete word."""
        entry = _peek(ctx).networks.get(ctx.params.get("network") or "")
        return [CompletionItem(layer.name) for layer in entry[0].layers if layer.name.startswith(incomplete)] if entry else []


def _peek(ctx: click.Context) -> Registry:
    """Return the contents of the config files of this command line, unchecked."""
    return peek_registry(find_locations(ctx.params.get("config") or (), search=not ctx.params.get("no_config")))


def read_position(text: str) -> tuple[int, int]:
    """Parse X,Y, a column and a row from 0. Raises ArgumentError."""
    match = re.fullmatch(r"(\d{1,18}),(\d{1,18})", text, re.ASCII)
    if match is None:
        raise ArgumentError(f"position must be X,Y, a column and a row of the output from 0, such as 3,2, got {text!r}")
    return int(match[1]), int(match[2])


def read_shard(text: str) -> tuple[int, int]:
    """Parse I/N, with I from 1 to N. Raises ArgumentError."""
    match = re.fullmatch(r"(\d{1,18})/(\d{1,18})", text, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ArgumentError(f"shard must be I/N with I from 1 to N, such as 2/8, got {text!r}")
    return int(match[1]), int(match[2])


def read_size(text: str) -> int:
    """Parse a number of bytes: 500M, 2G, 1.5GB; K, M, G, T are powers of 1000, Ki, Mi, Gi, Ti of 1024. Raises ArgumentError."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)(?:([kmgt])(i?))?b?", text, re.ASCII | re.IGNORECASE)
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index((match[2] or " ").lower())) if match else 0
    if size < 1:
        raise ArgumentError(f"max-memory must be a number of bytes such as 500M or 2G, got {text!r}")
    return size


def read_nodata(text: str) -> float:
    """Parse a number, also inf, -inf and nan. Raises ArgumentError."""
    if not (re.fullmatch(NUMBER, text) or re.fullmatch(r"nan|[+-]?inf", text, re.IGNORECASE)):
        raise ArgumentError(f"nodata must be a number, such as 65535 or -9999, got {text!r}")
    return float(text)


POSITION = ParsedText("X,Y", read_position)
SHARD = ParsedText("I/N", read_shard)
SIZE = ParsedText("SIZE", read_size)
NODATA = ParsedText("NUMBER", read_nodata)
PAIR = {name: ParsedText("N|ROWSxCOLS", pair_reader(name)) for name in ("stride", "dilation")}
PADDING = ParsedText("WORD|N|ROWSxCOLS", read_padding, PADDINGS)
BORDER = ParsedText("WORD|NUMBER", read_border, BORDER_WORDS)
FRAMES = ParsedText("FRAMES", parse_frames, WORDS)
RANGE = ParsedText("RULE", parse_range, RANGES)
FORMAT = ParsedText("FORMAT", format_named, NAMES)


def with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose config files to a command."""
    config_option = click.option(
        "--config",
        multiple=True,
        type=click.Path(),
        metavar="FILE",
        help="A kernels.toml, with precedence over those that are found. The last of several has the highest.",
    )
    no_config_option = click.option(
        "--no-config",
        is_flag=True,
        envvar="CONVCLI_NO_CONFIG",
        show_envvar=True,
        help="Do not search for config files: use only the built-in kernels, and those of --config.",
    )
    return config_option(no_config_option(command))


def read_registry(config: tuple[str, ...], no_config: bool) -> Registry:
    """Return the kernels of all config files. Raises KernelError with every fault of every file."""
    return load_registry(find_locations(config, search=not no_config))


def refuse_options(names: Iterable[str], reason: str) -> None:
    """Raise click.UsageError for an option that was set on the command line, and does not apply."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} does not apply: {reason}")


def read_defaults(registry: Registry, names: dict[str, str]) -> dict[str, Any]:
    """Return the [defaults] of the config files for options that are not set by flag or by environment variable.

    ``names`` maps keys to parameters that have another name.
    """
    context = click.get_current_context()
    parameters = {names.get(key, key): value for key, value in registry.defaults.items()}
    unset = {name: value for name, value in parameters.items() if context.get_parameter_source(name) is ParameterSource.DEFAULT}
    context.meta[CONFIG_DEFAULTS] = unset
    return unset
