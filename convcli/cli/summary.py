"""convcli summary: parameters and costs of the layers of a network, a kernel or a bank."""

import json
import re
from typing import Any

import click

from ..config.network_spec import NetworkSpec
from ..config.registry import Registry, is_model_file
from ..errors import ArgumentError, KernelError, nearest_name
from ..geometry.whole_numbers import MAX_EXTENT
from ..kernels.foreign_names import kernel_meant
from ..kernels.kernel import kernels_of
from ..kernels.syntax import Reference, parse_kernel
from ..networks.analysis import LayerAnalysis, ReceptiveField, Totals, analyse, receptive_fields, separable_cost, sum_totals
from ..networks.layer import Shape, shape_text
from ..networks.network import Network
from . import options, output, report_options, sliding_options
from .layer_table import SEPARABLE, LayerTable, layer_table, notes_of, separable_table, total_lines
from .run_batch import STANDARD_OUTPUT


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
@click.option("--list", "lists", is_flag=True, help="List all networks.")
@click.option("--input", "shape", type=options.ParsedText("HxWxC", read_shape), help="Height, width and channels of the input.")
@sliding_options.SIZING
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@report_options.HTML
def command(
    name: str | None,
    lists: bool,
    shape: Shape | None,
    config: tuple[str, ...],
    no_config: bool,
    as_json: bool,
    html: str | None,
    **sizing: Any,
) -> None:
    """
    \b
    convcli summary --list
    convcli summary alexnet
    convcli summary alexnet --input 224x224x3
    convcli summary gabor:theta=45 --input 480x640x3 --stride 2
    convcli summary @conv1.npy --input 227x227x3 --json | jq .totals

    Prints one line per layer: the output shape, the learned weights and biases, the multiply-adds for one input, the receptive
    field of one output value in pixels of the input, the distance between the fields of neighbouring values (step), and the
    memory of the output in float32. Then prints the totals, the shares of convolutions and of dense layers, and the cost of
    each standard convolution if a depthwise separable one replaced it. Multiply-adds are products with weights. batch-norm
    counts none, because it can be merged into the layer before it.

    Exit status: 0 success; 2 wrong usage, such as an input shape that a layer does not accept.
    """
    if html is not None and (lists or as_json) and (lists or html in STANDARD_OUTPUT):
        other = "--list has no page" if lists else "--json writes to standard output too; use --html FILE"
        raise click.UsageError(f"--html does not apply: {other}")
    registry = options.read_registry(config, no_config)
    if lists or name is None:
        _print_list(registry, name, lists, as_json)
        return
    is_network = name in registry.networks or is_model_file(name)
    if is_network:
        options.refuse_options(sizing, f"{name} is a network, whose layers define their own options")
        network = registry.network(name)
    else:
        defaults = options.read_defaults(registry, {})
        sizing |= {key: value for key, value in defaults.items() if key in sizing}
        network = _one_layer_network(name, registry, shape, sizing)
        shape = shape and (network.input.channels, *shape[1:])
    analyses = list(analyse(network, _shape_for(network, shape)))
    fields = receptive_fields(analyses)
    if html is not None:
        from .html_report import write_summary_page  # it draws, which is rare

        kernels = () if is_network else kernels_of(registry.find(name))
        write_summary_page("-" if html in STANDARD_OUTPUT else html, network, analyses, kernels)
        if html in STANDARD_OUTPUT:
            return
    with output.printing():
        if as_json:
            click.echo(json.dumps(_summary_json(network, analyses, fields), indent=2))
        else:
            _print_summary(network, analyses, fields)


def _print_list(registry: Registry, name: str | None, lists: bool, as_json: bool) -> None:
    """Print every network with its input size, its number of layers and its description."""
    if name is not None or not lists:
        raise click.UsageError("name a network, a kernel or a bank, or give --list, and not both")
    networks = [network for network, _ in registry.networks.values()]
    with output.printing():
        if as_json:
            click.echo(json.dumps([_network_json(network) for network in networks], indent=2))
            return
        cells = []
        for network in networks:
            size = network.input.size or ("any",)
            cells.append(
                [network.name, " x ".join(map(str, (*size, network.input.channels))), str(len(network.layers)), network.about]
            )
        headings = {"name": "left", "input": "right", "layers": "right", "description": "left"}
        output.show_columns(headings, cells, wraps=True)


def _network_json(network: NetworkSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": network.name,
        "about": network.about,
        "source": network.source,
        "layers": len(network.layers),
    }
    return facts | {"size": network.input.size, "channels": network.input.channels}


def _one_layer_network(text: str, registry: Registry, shape: Shape | None, sizing: dict[str, Any]) -> Network:
    """Return a kernel or a bank as a network of one layer. Raises KernelError or ArgumentError."""
    reference = parse_kernel(text)
    if isinstance(reference, Reference) and reference.name not in registry.entries:
        near = kernel_meant(reference.name) or nearest_name(reference.name, [*registry.networks, *registry.entries])
        networks = f"; 'convcli kernels list' shows kernels, networks are {', '.join(registry.networks)}"
        raise KernelError(f"{reference.name!r} is not a network, kernel or bank{near or networks}")
    if shape is None:
        raise ArgumentError(f"{text} has no input size of its own; give one, such as --input 480x640x3")
    if sizing["channels"] == "gray" and shape[0] not in (1, 3):
        raise ArgumentError(f"--channels gray needs 1 or 3 channels, and --input has {shape[0]}")
    return registry.network_of(text, 1 if sizing["channels"] == "gray" else shape[0], **sizing)


def _shape_for(network: Network, shape: Shape | None) -> Shape:
    """Return the input shape (C, H, W), from --input or else from the network. Raises ArgumentError."""
    if shape is None and network.input.size is None:
        size = f"512x512x{network.input.channels}"
        raise ArgumentError(f"network {network.name!r} takes pictures of any size; give one, such as --input {size}")
    if shape is None:
        return network.shape_for(network.input.size or (0, 0))
    if shape[0] != network.input.channels:
        raise ArgumentError(f"network {network.name!r} takes {network.input.channels} channels, and --input has {shape[0]}")
    return shape


def _print_summary(network: Network, analyses: list[LayerAnalysis], fields: list[ReceptiveField | None]) -> None:
    totals = sum_totals(analyses)
    input_shape = analyses[0].input_shape
    output.print_wrapped(f"{network.name}: {network.about}" if network.about else network.name)
    if network.source:
        output.print_wrapped(f"source: {network.source}")
    click.echo(f"input {shape_text(input_shape)}")
    click.echo()
    _print_layers(analyses, fields)
    click.echo()
    notes = notes_of(network, analyses)
    for line in (*notes, *([""] if notes else []), *total_lines(analyses, totals)):
        output.print_wrapped(line)
    separable = separable_table(analyses)
    if separable is not None:
        click.echo()
        output.print_wrapped(SEPARABLE)
        _print_table(separable)


def _print_layers(analyses: list[LayerAnalysis], fields: list[ReceptiveField | None]) -> None:
    """Print a line per layer. If the terminal is too narrow, round counts to three digits and leave out the memory."""
    table = layer_table(analyses, fields)
    if not output.fits([table.headings, *table.rows]):
        table = layer_table(analyses, fields, exact=False)
    _print_table(table)


def _print_table(table: LayerTable) -> None:
    words = table.headings[0], "input"
    output.show_columns({heading: "left" if heading in words else "right" for heading in table.headings}, table.rows)


def _summary_json(network: Network, analyses: list[LayerAnalysis], fields: list[ReceptiveField | None]) -> dict[str, Any]:
    """Return the whole summary for JSON. Shapes are [H, W, C]."""
    families = {"convolutions": "conv", "dense": "dense"}
    subtotals = {word: _totals_json(sum_totals(analyses, family)) for word, family in families.items()}
    return {
        "name": network.name,
        "about": network.about,
        "source": network.source,
        "input": _channels_last(analyses[0].input_shape),
        "note": network.input.doubt,
        "layers": [_layer_json(analysis, field) for analysis, field in zip(analyses, fields, strict=True)],
        "totals": _totals_json(sum_totals(analyses)),
        **subtotals,
    }


def _layer_json(analysis: LayerAnalysis, field: ReceptiveField | None) -> dict[str, Any]:
    cost = separable_cost(analysis)
    return {
        "name": analysis.layer.name,
        "op": analysis.layer.kind,
        "inputs": analysis.layer.inputs,
        "input": _channels_last(analysis.input_shape),
        "output": _channels_last(analysis.output_shape),
        "weights": analysis.weights,
        "biases": analysis.biases,
        "fixed": analysis.fixed,
        "multiply_adds": analysis.multiply_adds,
        "field": field and field.size,
        "stride": field and [float(side) for side in field.stride],
        "memory": analysis.memory,
        "note": analysis.note,
        "separable": None if cost is None else {"weights": cost[0], "multiply_adds": cost[1]},
    }


def _totals_json(totals: Totals) -> dict[str, int]:
    return {
        "parameters": totals.learned,
        "weights": totals.weights,
        "biases": totals.biases,
        "fixed": totals.fixed,
        "multiply_adds": totals.multiply_adds,
        "memory": totals.memory,
    }


def _channels_last(shape: Shape) -> list[int]:
    """Return (C, H, W) as [H, W, C]."""
    return [*shape[1:], shape[0]]
