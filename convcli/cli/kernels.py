"""convcli kernels: lists, shows and checks kernels and banks."""

import json
from pathlib import Path

import click

from ..config.kernel_spec import KernelSpec
from ..config.load import load_registry
from ..config.reader import ConfigFile
from ..config.search_path import find_locations
from ..errors import ArgumentError, nearest_name
from ..kernels.kernel import Bank, Kernel, kernels_of
from ..kernels.weight_files import list_arrays
from ..kernels.weights import WeightsFile
from . import kernel_view, options, output
from .command_group import CommandGroup

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


@click.group(cls=CommandGroup)
def command() -> None:
    """
    \b
    convcli kernels list
    convcli kernels show gaussian:sigma=2
    convcli kernels check kernels.toml

    Lists, shows and checks kernels and banks.
    """


@command.command("list", short_help="List all kernels and banks.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--tag", help="Only those with this tag.")
@options.with_config
@JSON
def list_kernels(file: Path | None, tag: str | None, config: tuple[str, ...], no_config: bool, as_json: bool) -> None:
    """
    \b
    convcli kernels list
    convcli kernels list --tag edge
    convcli kernels list --json | jq -r '.[].name'
    convcli kernels list weights.pt

    Prints every kernel and bank with its size, its sum and its description. A bank gives one map for each of its kernels, or
    a single one if it merges them. With a FILE of weights, prints the arrays in it, which -k '@FILE#KEY' and the key of a
    layer name.
    """
    if file is not None:
        if tag is not None:
            raise click.UsageError("--tag does not apply to the arrays of a file")
        _list_arrays(file, as_json)
        return
    registry = options.read_registry(config, no_config)
    known = sorted({word for entry in registry.entries.values() for word in entry.tags})
    if tag is not None and tag not in known:
        raise ArgumentError(f"tag {tag!r} is unknown; there are {', '.join(known)}{nearest_name(tag, known)}")
    rows = [
        _describe(registry.find(name)) | {"parameters": registry.parameters_of(name)}
        for name in registry
        if tag is None or tag in registry.entries[name].tags
    ]
    with output.printing():
        if as_json:
            click.echo(json.dumps(rows, indent=2))
        else:
            kernel_view.show_table(rows)


def _list_arrays(file: Path, as_json: bool) -> None:
    """Print the arrays of a file of weights: key, shape and dtype."""
    headers = list_arrays(WeightsFile(file))
    with output.printing():
        if as_json:
            click.echo(json.dumps([header._asdict() for header in headers], indent=2))
            return
        cells = [[header.key, " x ".join(map(str, header.shape)), header.dtype] for header in headers]
        output.show_columns({"key": "left", "shape": "right", "dtype": "left"}, cells)


@command.command("show", cls=options.NumbersCommand, short_help="Show the numbers of a kernel.", no_args_is_help=True)
@click.argument("kernel", type=options.KernelText())
@options.with_config
@click.option(
    "--full", is_flag=True, help="All weights of a matrix that is wider than the terminal, or than 80 columns in a pipe."
)
@JSON
def show_kernel(kernel: str, config: tuple[str, ...], no_config: bool, full: bool, as_json: bool) -> None:
    """
    \b
    convcli kernels show sharpen
    convcli kernels show gabor:theta=45,wavelength=6
    convcli kernels show '1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9'

    Prints the numbers of a kernel, or of each kernel of a bank, with their sum, absolute sum and rank. Takes whatever -k of
    'convcli apply' takes. Of a matrix that is too wide, the middle is printed.
    """
    registry = options.read_registry(config, no_config)
    kernel_or_bank = registry.find(kernel)
    kernels = kernels_of(kernel_or_bank)
    with output.printing():
        if as_json:
            click.echo(json.dumps({**_describe(kernel_or_bank), "kernels": [_numbers(member) for member in kernels]}, indent=2))
        else:
            kernel_view.show_kernels(kernel_or_bank, kernels, registry.parameters_in(kernel), full)


@command.command("check", short_help="Find every fault of config files.")
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")
@options.with_config
def check_kernels(files: tuple[str, ...], config: tuple[str, ...], no_config: bool) -> None:
    """
    \b
    convcli kernels check
    convcli kernels check kernels.toml

    Reads each FILE, or every config file that is found, and the files of weights that it names. Prints every fault with its
    line; the exit status is then 2. Where a FILE is named, those that are found are read too, for the names that it uses.
    """
    locations = find_locations((*config, *reversed(files)), search=not no_config)
    checked = [Path(name) for name in files] or [location.path for location in locations]
    registry = load_registry(locations, thorough=not files)
    with output.printing():
        for file in registry.files:
            if file.path in checked:
                click.echo(output.escaped(f"{file.path}: {count_entries(file)}, no faults"))
                for network in file.networks.values():
                    if network.input.doubt:
                        click.echo(output.escaped(f"{file.path}: note: network {network.name!r}: {network.input.doubt}"))


def count_entries(file: ConfigFile) -> str:
    """Return a phrase with the numbers of kernels, banks and networks that a file defines."""
    kernels = sum(isinstance(entry, KernelSpec) for entry in file.entries.values())
    banks = len(file.entries) - kernels
    counts = ((kernels, "kernel"), (banks, "bank"), (len(file.network_tables), "network"))
    words = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n]
    return ", ".join(words[:-1]) + (" and " if words[1:] else "") + words[-1] if words else "defines no kernels"


def _describe(entry: Kernel | Bank) -> dict[str, object]:
    facts: dict[str, object] = {"name": entry.name, "about": entry.about, "source": entry.source, "tags": list(entry.tags)}
    if isinstance(entry, Bank):
        members = [kernel.name for kernel in entry.kernels]
        return facts | {"maps": 1 if entry.merge else len(members), "merge": entry.merge, "members": members}
    return facts | {"size": list(entry.shape), "sum": entry.sum}


def _numbers(kernel: Kernel) -> dict[str, object]:
    return {
        "name": kernel.name,
        "matrix": kernel.matrix,
        "sum": kernel.sum,
        "absolute_sum": kernel.absolute_sum,
        "rank": kernel.rank if len(kernel.shape) == 2 else None,
        "offset": kernel.offset,
        "anchor": kernel.anchor,
        "range": kernel.range,
    }
