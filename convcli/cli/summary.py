"""convcli summary: parameters and costs of a network, a kernel or a bank."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import click

from ..config.network_spec import NetworkSpec
from ..config.registry import Registry
from ..errors import ArgumentError, KernelError, nearest_name
from ..geometry.whole_numbers import MAX_EXTENT
from ..kernels.syntax import Reference, parse_kernel
from ..networks.analysis import Field, Row, Totals, fields_of, separable_cost, total_of, trace
from ..networks.layer import Shape, shape_text
from ..networks.network import Network
from ..pipeline.memory_budget import in_words
from . import option_groups, options, output


def read_shape(text: str) -> Shape:
    """Parse HxWxC, or HxW for one channel, as (C, H, W). Raises ArgumentError.

    >>> read_shape("227x227x3")
    (3, 227, 227)
    """
    match = re.fullmatch(r"(\d{1,9})x(\d{1,9})(?:x(\d{1,9}))?", text, re.ASCII | re.IGNORECASE)
    height, width, channels = (int(match[1]), int(match[2]), int(match[3] or 1)) if match else (0, 0, 0)
    if not all(1 <= length <= MAX_EXTENT for length in (height, width, channels)):
        raise ArgumentError(f"input must be HxWxC such as 227x227x3, each from 1 to {MAX_EXTENT}, got {text!r}")
    return channels, height, width


@click.command(cls=options.NumbersCommand, no_args_is_help=True)
@click.argument("name", metavar="NETWORK|KERNEL|BANK", type=options.AnyText(), required=False)
@click.option("--list", "lists", is_flag=True, help="List the networks that there are.")
@click.option("--input", "shape", type=options.ParsedText("HxWxC", read_shape), help="Rows, columns and channels of the input.")
@option_groups.SIZING
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def command(
    name: str | None,
    lists: bool,
    shape: Shape | None,
    config: tuple[str, ...],
    no_config: bool,
    as_json: bool,
    **sizing: Any,
) -> None:
    """
    \b
    convcli summary --list
    convcli summary alexnet
    convcli summary alexnet --input 224x224x3
    convcli summary gabor:theta=45 --input 480x640x3 --stride 2
    convcli summary @conv1.npy --input 227x227x3 --json | jq .totals

    Prints a row for each layer: its output shape, the weights and biases that are learned, the multiply-adds for one input,
    the receptive field of one output in pixels of the input, its step from one output to the next, and the memory of the
    output in float32. Then totals, the share of convolutions and of dense layers, and what each standard convolution would
    cost as a depthwise separable one. Multiply-adds are products with weights; batch-norm counts none, as it becomes part of
    the layer before.

    Exit status: 0 counted; 2 wrong usage, such as an input that some layer cannot take.
    """
    registry = options.read_registry(config, no_config)
    if lists or name is None:
        _list(registry, name, lists, as_json)
        return
    if name in registry.networks:
        options.refuse_options(sizing, f"{name} is a network, whose layers say so themselves")
        network = registry.network(name)
    else:
        defaults = options.read_defaults(registry, {})
        sizing |= {key: value for key, value in defaults.items() if key in sizing}
        network = _network_of(name, registry, shape, sizing)
        shape = shape and (network.input.channels, *shape[1:])
    rows = list(trace(network, _shape_for(network, shape)))
    fields = fields_of(rows)
    with output.printing():
        if as_json:
            click.echo(json.dumps(_as_json(network, rows, fields), indent=2))
        else:
            _show(network, rows, fields)


def _list(registry: Registry, name: str | None, lists: bool, as_json: bool) -> None:
    """Print every network with its input size, its number of layers and its description."""
    if name is not None or not lists:
        raise click.UsageError("name a network, a kernel or a bank, or give --list, and not both")
    networks = [network for network, _ in registry.networks.values()]
    with output.printing():
        if as_json:
            click.echo(json.dumps([_listed(network) for network in networks], indent=2))
            return
        cells = []
        for network in networks:
            size = network.input.size or ("any",)
            cells.append(
                [network.name, " x ".join(map(str, (*size, network.input.channels))), str(len(network.layers)), network.about]
            )
        headings = {"name": "left", "takes": "right", "layers": "right", "what it is for": "left"}
        output.show_columns(headings, cells, wraps=("what it is for",))


def _listed(network: NetworkSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": network.name,
        "about": network.about,
        "source": network.source,
        "layers": len(network.layers),
    }
    return facts | {"size": network.input.size, "channels": network.input.channels}


def _network_of(text: str, registry: Registry, shape: Shape | None, sizing: dict[str, Any]) -> Network:
    """Return a kernel or a bank as a network of one layer. Raises KernelError or ArgumentError."""
    reference = parse_kernel(text)
    if isinstance(reference, Reference) and reference.name not in registry.entries:
        near = nearest_name(reference.name, [*registry.networks, *registry.entries])
        raise KernelError(f"{reference.name!r} is not a network, kernel or bank{near}")
    if shape is None:
        raise ArgumentError(f"{text} has no input size of its own; give one, such as --input 480x640x3")
    if sizing["channels"] == "gray" and shape[0] not in (1, 3):
        raise ArgumentError(f"--channels gray needs 1 or 3 channels, and --input has {shape[0]}")
    return registry.network_of(text, 1 if sizing["channels"] == "gray" else shape[0], **sizing)


def _shape_for(network: Network, shape: Shape | None) -> Shape:
    """Return (C, H, W) of the input: that of --input, or that of the network. Raises ArgumentError."""
    if shape is None and network.input.size is None:
        raise ArgumentError(f"network {network.name!r} takes pictures of any size; give one, such as --input 512x512x1")
    if shape is None:
        return network.shape_for(network.input.size or (0, 0))
    if shape[0] != network.input.channels:
        raise ArgumentError(f"network {network.name!r} takes {network.input.channels} channels, and --input has {shape[0]}")
    return shape


def _show(network: Network, rows: list[Row], fields: list[Field | None]) -> None:
    totals = total_of(rows)
    input_shape = rows[0].input_shape
    click.echo(output.escaped(f"{network.name}: {network.about}" if network.about else network.name))
    if network.source:
        click.echo(output.escaped(f"source: {network.source}"))
    click.echo(f"input {shape_text(input_shape)}")
    click.echo()
    _show_layers(rows, fields, bool(totals.fixed))
    click.echo()
    for line in (*_notes(network, rows), *_total_lines(rows, totals)):
        click.echo(output.escaped(line))
    costs = [(row, cost) for row in rows if (cost := separable_cost(row))]
    if costs:
        _show_separable(costs)


def _show_layers(rows: list[Row], fields: list[Field | None], with_fixed: bool) -> None:
    """Print a line per layer. On a terminal that is too narrow, counts have three digits, and memory is left out."""
    headings = ["layer", "gives", "weights", "biases", *(["fixed"] if with_fixed else []), "multiply-adds", "sees", "every"]
    cells = [_cells(row, field, with_fixed, exact=True) for row, field in zip(rows, fields, strict=True)]
    if output.fits([[*headings, "memory"], *cells]):
        headings.append("memory")
    else:
        headings[headings.index("multiply-adds")] = "products"
        cells = [_cells(row, field, with_fixed, exact=False) for row, field in zip(rows, fields, strict=True)]
    output.show_columns({heading: "left" if heading == "layer" else "right" for heading in headings}, cells)


def _cells(row: Row, field: Field | None, with_fixed: bool, exact: bool) -> list[str]:
    layer = row.layer
    numbers = [row.weights, row.biases, *([row.fixed] if with_fixed else []), row.multiply_adds]
    sees, every = (_sides(field.span), _sides(field.step)) if field else ("all", "")
    if not exact:
        short = (shape_text(row.output_shape), sees, every)
        gives, sees, every = (text.replace(" ", "") for text in short)
        return [layer.name, gives, *map(output.rounded, numbers), sees, every]
    name = layer.name if layer.name.rstrip("0123456789") == layer.kind else f"{layer.name} ({layer.kind})"
    return [name, shape_text(row.output_shape), *(f"{number:,}" for number in numbers), sees, every, in_words(row.memory)]


def _sides(sides: tuple[Fraction | int, Fraction | int] | None) -> str:
    return " x ".join(map(str, sides or ()))


def _notes(network: Network, rows: list[Row]) -> Iterator[str]:
    notes = [f"note: input: {network.input.doubt}"] if network.input.doubt else []
    notes += [f"note: {row.layer.name}: {row.note}" for row in rows if row.note]
    yield from (*notes, "") if notes else ()


def _total_lines(rows: list[Row], totals: Totals) -> Iterator[str]:
    fixed = f", and {totals.fixed:,} that are not learned" if totals.fixed else ""
    learned = f"{totals.learned:,} learned parameters: {totals.weights:,} weights and {totals.biases:,} biases{fixed}"
    yield f"{learned}; {totals.multiply_adds:,} multiply-adds"
    for plural, family in (("convolutions", "conv"), ("dense layers", "dense")):
        part_totals = total_of(rows, family)
        shares = (
            output.share(part_totals.learned, totals.learned),
            output.share(part_totals.multiply_adds, totals.multiply_adds),
        )
        if part_totals.learned or part_totals.multiply_adds:
            products = f"{part_totals.multiply_adds:,} multiply-adds ({shares[1]})"
            yield f"{plural}: {part_totals.learned:,} parameters ({shares[0]}), {products}"
    parameters = in_words(4 * (totals.learned + totals.fixed))
    yield f"memory in float32: parameters {parameters}, what all layers give {in_words(totals.memory)}"


def _show_separable(costs: list[tuple[Row, tuple[int, int]]]) -> None:
    click.echo()
    click.echo("each standard convolution as a depthwise separable one, k x k for each channel, then 1 x 1:")
    headings = {"layer": "left", "weights": "right", "multiply-adds": "right", "of the standard's": "right"}
    output.show_columns(
        headings,
        [
            [row.layer.name, f"{weights:,}", f"{products:,}", output.share(products, row.multiply_adds)]
            for row, (weights, products) in costs
        ],
    )


def _as_json(network: Network, rows: list[Row], fields: list[Field | None]) -> dict[str, Any]:
    """Return everything as JSON; shapes are [H, W, C]."""
    subtotals = {word: _totals(total_of(rows, family)) for word, family in (("convolutions", "conv"), ("dense", "dense"))}
    return {
        "name": network.name,
        "about": network.about,
        "source": network.source,
        "input": _ordered(rows[0].input_shape),
        "note": network.input.doubt,
        "layers": [_layer(row, field) for row, field in zip(rows, fields, strict=True)],
        "totals": _totals(total_of(rows)),
        **subtotals,
    }


def _layer(row: Row, field: Field | None) -> dict[str, Any]:
    cost = separable_cost(row)
    return {
        "name": row.layer.name,
        "op": row.layer.kind,
        "input": _ordered(row.input_shape),
        "output": _ordered(row.output_shape),
        "weights": row.weights,
        "biases": row.biases,
        "fixed": row.fixed,
        "multiply_adds": row.multiply_adds,
        "field": field and field.span,
        "stride": field and [float(side) for side in field.step],
        "memory": row.memory,
        "note": row.note,
        "separable": None if cost is None else {"weights": cost[0], "multiply_adds": cost[1]},
    }


def _totals(totals: Totals) -> dict[str, int]:
    return {
        "parameters": totals.learned,
        "weights": totals.weights,
        "biases": totals.biases,
        "fixed": totals.fixed,
        "multiply_adds": totals.multiply_adds,
        "memory": totals.memory,
    }


def _ordered(shape: Shape) -> list[int]:
    """Return (C, H, W) as [H, W, C]."""
    return [*shape[1:], shape[0]]
