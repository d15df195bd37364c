"""convcli run: pictures through a network."""

from pathlib import Path
from typing import Any

import click

from ..networks.network import INVERT
from ..pipeline.loaded_network import LoadedNetwork
from ..pipeline.network_request import NetworkRequest
from . import classify, file_options, options, report_options, run_batch, sliding_options
from .classify import is_classifier


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
@click.option(
    "--top",
    type=click.IntRange(1),
    metavar="N",
    help="Without -o: print this many classes of each picture.  [default: 3]",
)
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take the weights of the layers from this file: arrays LAYER.ROLE, as 'convcli learn network' writes them.",
)
@click.option(
    "--invert",
    type=click.Choice(INVERT),
    default="auto",
    show_default=True,
    help="For networks that read digits: whether the ink is darker than the paper. auto finds out.",
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
def command(
    network: str,
    taps: tuple[str, ...],
    top: int | None,
    weights: Path | None,
    resize: bool,
    invert: str,
    config: tuple[str, ...],
    no_config: bool,
    **values: Any,
) -> None:
    """
    \b
    convcli run lenet-5 digit.png                                           # digit.png: 7 (0.98), 9 (0.01), 2 (0.00)
    convcli run edge-energy photo.jpg -o maps/
    convcli run edge-energy photo.jpg --tap edges --tap pooled -o maps.npz
    convcli run edge-energy -r photos --tap pooled -o 'out/{relpath}/{stem}_{layer}-{index}.png'
    convcli run my-net photo.jpg --config nets.toml --resize -o - --format npy | python rank.py

    Sends each INPUT through a network of [networks.NAME] in a config file, and writes what layers give: a feature map a
    file, or all maps of a layer in one .npy, .npz or .tif. A vector is a map of one row. 'convcli summary NETWORK' lists the
    layers. In pictures, the minimum of a layer is black and the maximum white, unless --range is given.
    Inputs, outputs and the rest are those of 'convcli apply'. Without -o, a network that ends in a number for each class
    prints the best of them.

    Exit status: 0 all done; 1 an input failed, the others are done; 2 wrong usage, nothing written.
    """
    registry = options.read_registry(config, no_config)
    found = registry.network(network, weights)
    if not (values["output"] or values["in_place"]) and not taps and is_classifier(found):
        classify.command(found, values, top or 3, resize=resize, invert=invert)
        return
    if top is not None:
        raise click.UsageError("--top is about classes that are printed; leave out -o, --in-place and --tap")
    reporting = run_batch.pop_report_options(values)
    values["sheet"] = run_batch.pop_sheet(values)
    defaults = options.read_defaults(registry, {"range": "rule"})
    values |= {name: value for name, value in defaults.items() if name in values}
    model = LoadedNetwork(found, taps)
    fields = run_batch.pop_inputs(values)
    fields["other_inputs"] += tuple(map(str, registry.read_files(network=network)))
    fields["other_inputs"] += () if weights is None else (str(weights),)
    request = NetworkRequest(
        **fields,
        model=model,
        maps=model.maps,
        resize=resize,
        invert=invert,
        file_format=values.pop("file_format"),
        range=values.pop("rule"),
        threads=values.pop("jobs"),
        **values,
    )
    run_batch.carry_out(request, reporting, lambda: model.load(request.max_memory))
