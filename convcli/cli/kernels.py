"""convcli kernels: what there is to convolve with."""

import json
from pathlib import Path

import click

from ..kernels.catalogue import load_catalogue
from ..kernels.kernel import Bank, Kernel
from . import options, render

CONFIG = click.option("--config", type=click.Path(), help="A kernels.toml with more kernels and banks.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


@click.group(short_help="List and show kernels.")
def command() -> None:
    """
    \b
    convcli kernels list
    convcli kernels show gaussian:sigma=2

    What there is to convolve with.
    """


@command.command("list", short_help="List all kernels and banks.")
@CONFIG
@JSON
def list_kernels(config: str | None, as_json: bool) -> None:
    """
    \b
    convcli kernels list
    convcli kernels list --json | jq -r '.[].name'

    Prints every kernel and bank with its size, its sum and what it is for. A bank gives one map for each of its kernels, or
    one in all where it says how they are merged.
    """
    catalogue = load_catalogue(None if config is None else Path(config))
    rows = [_describe(one) | {"parameters": catalogue.parameters_of(one.name)} for one in catalogue]
    with render.printing():
        if as_json:
            click.echo(json.dumps(rows, indent=2))
        else:
            render.show_table(rows)


@command.command("show", short_help="Show the numbers of a kernel.", no_args_is_help=True)
@click.argument("kernel", type=options.KernelText())
@CONFIG
@JSON
def show_kernel(kernel: str, config: str | None, as_json: bool) -> None:
    """
    \b
    convcli kernels show sharpen
    convcli kernels show gabor:theta=45,wavelength=6
    convcli kernels show '1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9'

    Prints the numbers of a kernel, or of each kernel of a bank, with their sum, absolute sum and rank. Takes whatever -k of
    'convcli apply' takes.
    """
    found = load_catalogue(None if config is None else Path(config)).find(kernel)
    kernels = found.kernels if isinstance(found, Bank) else (found,)
    with render.printing():
        if as_json:
            click.echo(json.dumps({**_describe(found), "kernels": [_numbers(one) for one in kernels]}, indent=2))
        else:
            render.show_kernels(found, kernels)


def _describe(one: Kernel | Bank) -> dict[str, object]:
    facts: dict[str, object] = {"name": one.name, "about": one.about, "source": one.source}
    if isinstance(one, Bank):
        members = [kernel.name for kernel in one.kernels]
        return facts | {"maps": 1 if one.merge else len(members), "merge": one.merge, "members": members}
    return facts | {"size": list(one.shape), "sum": one.sum}


def _numbers(kernel: Kernel) -> dict[str, object]:
    return {
        "name": kernel.name,
        "matrix": kernel.matrix,
        "sum": kernel.sum,
        "absolute_sum": kernel.absolute_sum,
        "rank": kernel.rank if len(kernel.shape) == 2 else None,
    }
