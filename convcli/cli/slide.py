"""convcli slide: the animation of a window that slides over an input."""

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import ArgumentError
from ..kernels.kernel import Bank, Kernel
from ..pipeline.inputs import Input
from ..pipeline.output_conflicts import refuse_replacing
from ..pipeline.slide_request import (
    CHANNELS,
    FORMATS,
    SlideRequest,
    format_of_slide,
    read_crop,
    read_fps,
    read_grid,
    read_pool,
    read_resize,
    read_slide_frames,
)
from . import file_options, options, output, run_batch, sliding_options
from .messages import Messages
from .naming_picture import name_of, naming_picture

if TYPE_CHECKING:
    from ..config.registry import Registry
    from ..drawing.scale import Scale
    from ..drawing.slide import Slide

WINDOW = ("stride", "padding", "border", "dilation", "flip")
LAYER = {"stride": None, "padding": "valid", "border": "zero", "dilation": (1, 1), "flip": False}
"""Defaults of pooling and transposed convolutions, which are those of the layers of networks."""


@click.command(cls=options.NumbersCommand, no_args_is_help=True)
@click.argument("picture", metavar="IMAGE")
@click.option(
    "-k",
    "--kernel",
    "kernels",
    multiple=True,
    type=options.KernelText(),
    help="The kernel, as for -k of 'convcli apply'. One for 3 channels, (kh, kw, 3), has three windows and one sum.",
)
@click.option(
    "--pool",
    type=options.ParsedText("max:N|avg:N", read_pool),
    help="Pool instead: the maximum or the mean of a window of N or ROWSxCOLUMNS pixels, its size as stride, no padding.",
)
@click.option(
    "--transposed",
    is_flag=True,
    help="Show the transposed convolution: pixels are spread out by the stride, with zeros between them.",
)
@click.option("-o", "--output", required=True, metavar="OUTPUT", help="A file .gif, .webp, .apng, .png or .html; or -.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(tuple(FORMATS)),
    help="Whatever the suffix says: gif, webp and apng are animations, png is one picture, html a page with buttons.",
)
@sliding_options.WINDOW
@click.option(
    "--channels",
    type=options.ChannelsChoice(CHANNELS),
    help="What is shown of a picture in colour: its grey levels, three windows with one sum, or one channel.  [default: gray]",
)
@click.option(
    "--crop",
    type=options.ParsedText("X,Y,WxH", read_crop),
    help="Take this part of the picture: its upper left pixel, its size.",
)
@click.option(
    "--resize", type=options.ParsedText("N|WxH", read_resize), help="Reduce the picture, or its part, to N pixels or WxH."
)
@click.option(
    "--frames",
    type=options.ParsedText("FRAMES", read_slide_frames, ("all", "first", "last")),
    help="The positions that are shown: all, first:N, last:N, a number from 0, A:B or A:B:STEP.  "
    "[default: all; for png, that in the middle of the map]",
)
@click.option(
    "--fps",
    type=options.ParsedText("N", read_fps),
    default="2",
    show_default=True,
    help="Positions per second, from 0.1 to 50.",
)
@click.option(
    "--cell",
    type=click.IntRange(8, 200),
    metavar="PX",
    help="Side of a cell in pixels.  [default: as many as fit a width of 1000, up to 64]",
)
@file_options.READING
@options.with_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON: frames, shapes, and the scale of each part.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    picture: str,
    kernels: tuple[str, ...],
    config: tuple[str, ...],
    no_config: bool,
    file_format: str | None,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """
    \b
    convcli slide '0 1 1 0; 1 0 0 1; 0 1 1 1; 1 0 1 0' -k '1 0; 0 1' --padding valid -o slide.gif
    convcli slide photo.jpg --crop 300,200,7x7 -k sobel-x --stride 2 --border zero -o slide.html
    convcli slide photo.jpg --resize 8 -k '1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9' --frames first:9 -o figure.png
    convcli slide '1 2; 3 4' -k '1 2 1; 2 4 2; 1 2 1' --transposed --stride 2 -o transposed.webp
    convcli slide photo.jpg --resize 8 --pool max:2 -o pooling.gif

    Draws a kernel that slides over an input of at most 32 x 32, as textbooks do: its window, the padding, the products, their
    sum, and the map that grows. IMAGE is a picture, a .npy array, - for standard input, or rows of numbers.
    """
    output_name = "-" if values["output"] in run_batch.STANDARD_OUTPUT else values["output"]
    values["format"] = format_of_slide(output_name, file_format)
    if as_json and output_name == "-":
        raise click.UsageError("--json and -o - both write to standard output; give -o FILE")
    registry = options.read_registry(config, no_config)
    values["kernel"] = _kernel_of(registry, kernels, values)
    values |= _window_values(registry, values)
    grid = read_grid(picture.strip())
    name = "input" if grid is not None else picture
    given = Input(name, None if picture == "-" and grid is None else Path(picture))
    del values["output"]
    request = SlideRequest(input=given, grid=grid, **values)
    refuse_replacing(output_name, [*([] if grid is not None else [given.source]), *registry.read_files(kernels)])
    _make(request, output_name, Messages(quiet=quiet or as_json, verbose=False), as_json)


def _kernel_of(registry: "Registry", kernels: tuple[str, ...], values: dict[str, Any]) -> Kernel | None:
    """Return the kernel; None for pooling. Raises an error where there is not one."""
    if values["pool"] is not None:
        if kernels or values["transposed"]:
            raise click.UsageError(f"--pool slides a window without a kernel; leave out {'-k' if kernels else '--transposed'}")
        options.refuse_options(("border", "flip"), "pooling has no kernel, and its padding takes no part")
        return None
    if len(kernels) != 1:
        raise click.UsageError(f"a slide shows one kernel; give one -k, or --pool, got {len(kernels)} -k")
    if values["transposed"]:
        options.refuse_options(("border",), "the padding of a transposed convolution is cut off, not filled")
    found = registry.find(kernels[0])
    if isinstance(found, Bank):
        raise ArgumentError(
            f"a slide shows one kernel, and bank {kernels[0]!r} has {len(found.kernels)}; give one of them, "
            f"such as -k {_first_of(kernels[0], found)}"
        )
    return found


def _first_of(text: str, bank: Bank) -> str:
    """Return the text after -k for the first kernel of a bank. A file of weights has no names of kernels, but indices."""
    if not text.startswith("@"):
        return bank.kernels[0].name
    return f"'{text}{',' if re.search(r':[^:#=]*=[^:]*$', text) else ':'}index=0'"


def _window_values(registry: "Registry", values: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the window that are not on the command line: those of ``apply``, or of layers of networks."""
    if values["pool"] is None and not values["transposed"]:
        defaults = options.read_defaults(registry, {})
        return {name: defaults[name] for name in WINDOW if name in defaults}
    source = click.get_current_context().get_parameter_source
    return {name: LAYER[name] for name in WINDOW if source(name) is not ParameterSource.COMMANDLINE}


def _make(request: SlideRequest, output_name: str, messages: Messages, as_json: bool) -> None:
    """Compute, draw, write and report."""
    pipes = run_batch.open_pipes((request.input,) if request.grid is None else (), output_name)
    from ..drawing.slide import Slide  # these import NumPy, which is slow
    from ..images.codecs.pillow import truncated_allowed
    from ..images.provenance import Provenance
    from ..pipeline.slide_input import read_slide_input
    from ..pipeline.sliding_operations import sliding_window_of
    from ..pipeline.write_slide import frames_of, write_slide

    run_batch.report_compiling(messages)
    name = name_of(request.input)
    with naming_picture(name):
        with truncated_allowed(request.allow_truncated):
            image, digest = read_slide_input(request, pipes.input)
        window = sliding_window_of(request, image)
    for notice in image.notices:
        if not notice.endswith("not kept"):  # no metadata of the picture is written
            messages.note(f"{name}: {notice}")
    indices = frames_of(request, window.map.shape)
    slide = Slide(window, request.cell)
    target = None if output_name == "-" else Path(output_name)
    with output.Progress(messages.quiet) as bar:
        size = write_slide(request, slide, indices, Provenance(request.digest, digest), (target, pipes.output), bar.show)
    _report(request, slide, indices, size, output_name, messages, as_json)


def _report(
    request: SlideRequest,
    slide: "Slide",
    indices: range,
    size: tuple[int, int],
    output_name: str,
    messages: Messages,
    as_json: bool,
) -> None:
    from ..pipeline.write_slide import durations_of

    window = slide.window
    if as_json:
        still = request.format == "png"
        facts = {
            "path": output_name,
            "format": request.format,
            "size": {"width": size[1], "height": size[0]},
            "operation": window.title,
            "positions": window.positions,
            "frames": list(indices),
            "durations": [] if still or request.format == "html" else list(durations_of(request, len(indices))),
            "parts": [
                {"name": part.name, "shape": list(part.shape), "scale": _scale_facts(part.scale), "colormap": part.colormap}
                for part in slide.parts
            ],
        }
        with output.printing():
            click.echo(json.dumps(facts, allow_nan=False))
        return
    count = f"{len(indices)} frame{'s' if len(indices) > 1 else ''}"
    where = "standard output" if output_name == "-" else output_name
    of = "" if len(indices) == window.positions else f" of {window.positions}"
    finite = [float(value) for value in window.map.ravel() if math.isfinite(value)]
    values = f"min {output.number(min(finite))}, max {output.number(max(finite))}" if finite else "nothing finite"
    values += f", {window.map.size - len(finite)} not finite" if 0 < len(finite) < window.map.size else ""
    messages.note(f"{where}: {count}{of}, {size[1]} x {size[0]}; {window.headings[1]}, {values}")


def _scale_facts(scale: "Scale | None") -> dict[str, Any] | None:
    return None if scale is None else {"low": scale.low, "high": scale.high, "signed": scale.signed}
