"""convcli run: pictures through a network."""

from typing import Any

import click

from ..pipeline.loaded_network import LoadedNetwork
from ..pipeline.network_request import NetworkRequest
from . import file_options, options, report_options, run_batch, sliding_options


@click.command(cls=options.SectionedCommand, no_args_is_help=True)
@click.argument("network", type=options.NetworkText())
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option(
    "--tap",
    "taps",
    multiple=True,
    type=options.LayerText(),
    help="Write the maps of this layer, by its name; several --tap write those of several.  [default: the last layer]",
)
@click.option("--resize", is_flag=True, help="Resize pictures to the input size of the network, whatever their shape.")
@file_options.output("{layer}-{index}")
@sliding_options.LAYER_RANGE
@file_options.STORING
@file_options.SEARCHING
@report_options.SHEET
@options.with_config
@file_options.KEEPING
@report_options.REPORTING
def command(network: str, taps: tuple[str, ...], resize: bool, config: tuple[str, ...], no_config: bool, **values: Any) -> None:
    """
    \b
    convcli run edge-energy photo.jpg -o maps/
    convcli run edge-energy photo.jpg --tap edges --tap pooled -o maps.npz
    convcli run edge-energy -r photos --tap pooled -o 'out/{relpath}/{stem}_{layer}-{index}.png'
    convcli run my-net photo.jpg --config nets.toml --resize -o - --format npy | python rank.py

    Sends each INPUT through a network of [networks.NAME] in a config file, and writes what layers give: a feature map a
    file, or all maps of a layer in one .npy, .npz or .tif. A vector is a map of one row. 'convcli summary NETWORK' lists the
    layers. In pictures, the minimum of a layer is black and the maximum white, unless --range is given.
    Inputs, outputs and the rest are those of 'convcli apply'.

    Exit status: 0 all done; 1 an input failed, the others are done; 2 wrong usage, nothing written.
    """
    reporting = run_batch.pop_report_options(values)
    values["sheet"] = run_batch.pop_sheet(values)
    registry = options.read_registry(config, no_config)
    defaults = options.read_defaults(registry, {"range": "rule"})
    values |= {name: value for name, value in defaults.items() if name in values}
    model = LoadedNetwork(registry.network(network), taps)
    fields = run_batch.pop_inputs(values)
    fields["other_inputs"] += tuple(map(str, registry.read_files(network=network)))
    request = NetworkRequest(
        **fields,
        model=model,
        maps=model.maps,
        resize=resize,
        file_format=values.pop("file_format"),
        range=values.pop("rule"),
        threads=values.pop("jobs"),
        **values,
    )
    run_batch.carry_out(request, reporting, lambda: model.load(request.max_memory))
