"""convcli at: one pixel of a feature map, explained."""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ..errors import ArgumentError
from ..kernels.kernel import feature_maps
from ..pipeline.apply_request import ApplyRequest
from ..pipeline.frame_slice import FIRST
from ..pipeline.inputs import Input
from ..pipeline.mask_file import mask_file
from . import file_options, options, output, pixel_view, run_batch, sliding_options
from .messages import Messages
from .naming_picture import name_of, naming_picture

if TYPE_CHECKING:
    from ..images.image import Image
    from ..pipeline.pixel_trace import PixelTrace

DEFAULT_WIDTH = 80
"""Width in columns where standard output is not a terminal."""


@click.command(cls=options.NumbersCommand, no_args_is_help=True)
@click.argument("position", metavar="X,Y", type=options.POSITION)
@click.argument("picture", metavar="IMAGE")
@click.option(
    "-k",
    "--kernel",
    "kernels",
    multiple=True,
    required=True,
    type=options.KernelText(),
    help="The kernel, or a bank that merges its maps into one: what -k of 'convcli apply' takes.",
)
@sliding_options.SLIDING
@sliding_options.RANGE
@options.with_config
@file_options.LIMIT
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead: every number of kernels of any size.")
def command(
    position: tuple[int, int],
    picture: str,
    kernels: tuple[str, ...],
    config: tuple[str, ...],
    no_config: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """
    \b
    convcli at 3,2 photo.jpg -k sobel-x
    convcli at 0,0 photo.jpg -k gaussian:sigma=1 --border edge
    convcli at 3,2 photo.jpg -k sobel --json | jq .levels

    Explains the pixel in column X, row Y of the feature map, from 0: the levels that the kernel lies over, the kernel as it
    slides, the products, their sum, and the level that 'convcli apply' stores there with the same options. IMAGE is what
    an INPUT of that is, one picture, or - for standard input.
    """
    if len(kernels) > 1:
        raise click.UsageError(f"explains a pixel of one feature map; give one -k, got {len(kernels)}")
    registry = options.read_registry(config, no_config)
    values |= options.read_defaults(registry, {"range": "rule"})
    maps = feature_maps(registry.find(kernels[0]))
    if len(maps) > 1:
        raise ArgumentError(f"bank {kernels[0]!r} gives {len(maps)} feature maps; give one kernel, or a bank that merges them")
    input_ = Input(picture, None if picture == "-" else Path(picture))
    values["mask"] = mask_file(values["mask"], values["max_pixels"])
    request = ApplyRequest(inputs=(input_,), maps=tuple(maps), output="", range=values.pop("rule"), **values)
    _print(request, *_explain(request, position), as_json)


def _print(request: ApplyRequest, image: "Image", pixel: "PixelTrace", as_json: bool) -> None:
    name = name_of(request.inputs[0])
    for notice in image.notices:
        if not notice.endswith("not kept"):  # which does not matter where no file is written
            output.print_error(f"{name}: {notice}")
    with output.printing():
        if as_json:
            click.echo(json.dumps({"input": name, **pixel_view.as_json(pixel, image)}, allow_nan=False))
            return
        width = shutil.get_terminal_size((DEFAULT_WIDTH, 0)).columns if sys.stdout.isatty() else DEFAULT_WIDTH
        click.echo(output.escaped(f"{name}: {image.summary}"))
        for line in pixel_view.format_lines(pixel, request, width):
            click.echo(output.escaped(line).rstrip())


def _explain(request: ApplyRequest, position: tuple[int, int]) -> "tuple[Image, PixelTrace]":
    """Read the picture and explain the pixel. Raises ImageError where ``apply`` would fail, ArgumentError outside the map."""
    (input_,) = request.inputs
    pipes = run_batch.open_pipes(request.inputs, request.output)
    from ..images.codecs.pillow import truncated_allowed  # these import NumPy, which is slow
    from ..pipeline.pixel_trace import explain

    run_batch.report_compiling(Messages(quiet=False, verbose=False))
    if request.mask is not None:
        _ = request.mask.seen  # an error of the mask is none of the picture
    name = name_of(request.inputs[0])
    with naming_picture(name), truncated_allowed(request.allow_truncated):
        image = _read(request, pipes.input)
        height, width, _ = request.map_shape(image.size, request.maps[0])
    x, y = position
    if not (x < width and y < height):
        raise ArgumentError(
            f"position {x},{y} lies outside the map, which is {width} x {height}: X goes from 0 to {width - 1}, "
            f"Y from 0 to {height - 1}"
        )
    with naming_picture(name):
        return image, explain(request, image, x, y)


def _read(request: ApplyRequest, standard_input: BinaryIO | None) -> "Image":
    """Read one frame of the picture: the first, or that of --frames. Raises ImageError, ArgumentError for several frames."""
    from ..images.read import open_frames, open_input

    with open_input(request.inputs[0].source, standard_input, allow_pipe=True) as file:
        frames = open_frames(file, request.max_pixels, request.axes)
        count = frames.series.count
        selected = (request.frames or FIRST).indices(count)
        if len(selected) > 1:
            raise ArgumentError(
                f"explains a pixel of one frame, and --frames selects {len(selected)}; give a number, such as --frames 0"
            )
        image = frames.read(selected[0], lambda header: None)
        return image.with_first_used(1, count, "frames") if request.frames is None else image
