"""convcli learn kernel: the kernel that turns one picture into another."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config.field_values import as_name
from ..errors import ArgumentError
from . import kernel_view, options, output, sliding_options
from .messages import Messages
from .naming_picture import naming_picture

if TYPE_CHECKING:
    from ..pipeline.learn_kernel import LearnedKernel

CHANNELS = ("shared", "each", "sum")


def read_kernel_name(text: str) -> str:
    """Parse the name of a kernel. Raises ArgumentError."""
    try:
        return as_name(text)
    except ValueError as error:
        raise ArgumentError(f"name {error}") from None


@click.command("kernel", cls=options.NumbersCommand, short_help="The kernel that turns one picture into another.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--size", type=options.PAIR["stride"], default="3", show_default=True, help="Size of the kernel: 7, or 7x5.")
@click.option("--stride", type=options.PAIR["stride"], default="1", show_default=True, help="Step of the kernel in pixels.")
@click.option(
    "--border",
    type=options.BORDER,
    help="What the padding holds.  [default: pixels whose window reaches beyond the picture are left out]",
)
@sliding_options.FLIP
@click.option("--offset", is_flag=True, help="Fit a number too that is added to all sums.")
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    help="shared: one kernel for all channels. each: one for each. sum: one over all channels of BEFORE, for each of AFTER."
    "  [default: sum where AFTER alone is grey, else shared]",
)
@click.option("--nonnegative", is_flag=True, help="No weight below 0, as lenses and averages have it.")
@click.option("--sum", "total", type=float, metavar="S", help="The sum of the weights: 1 keeps the brightness.")
@click.option(
    "--ridge",
    type=click.FloatRange(0),
    metavar="V",
    default=0.0,
    show_default=True,
    help="Prefer small weights, as if BEFORE had noise of this variance, in squared levels.",
)
@click.option(
    "--name", type=options.ParsedText("NAME", read_kernel_name), help="Write the kernel into a config under this name."
)
@click.option(
    "-o",
    "--output",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The config that --name writes to; other kernels in it stay.  [default: kernels.toml in this folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    before: Path, after: Path, name: str | None, config_file: Path | None, as_json: bool, quiet: bool, **values: Any
) -> None:
    """
    \b
    convcli learn kernel before.png after.png --size 5
    convcli learn kernel sharp.png blurred.png --size 7 --nonnegative --sum 1 --name lens
    convcli learn kernel photo.png grey.png --size 1                        # the weights of the channels

    Finds by least squares the kernel that turns BEFORE into AFTER, and prints it with the error of its weights. The size of
    AFTER says the padding: valid, same or full. Levels that AFTER may have clipped, black and white, are left out. --name
    writes the kernel into a config, from which -k takes it by that name.

    Exit status: 0 found; 1 a picture cannot be read; 2 wrong usage, or pictures that do not determine the kernel.
    """
    if config_file is not None and name is None:
        raise click.UsageError("-o is a config that a kernel is written to; give it a --name too")
    from ..pipeline.learn_kernel import LearnRequest, add_to_config, learn_kernel, read_picture  # they import NumPy

    messages = Messages(quiet=quiet or as_json, verbose=False)
    images = []
    for path in (before, after):
        with naming_picture(str(path)):
            images.append(read_picture(path))
        for notice in images[-1].notices:
            if not notice.endswith("not kept"):
                messages.note(f"{path}: {notice}")
    learned = learn_kernel(LearnRequest(**values), images[0], images[1], name or "learned")
    with output.printing():
        if as_json:
            click.echo(json.dumps([_facts_of(item) for item in learned], indent=2, allow_nan=False))
        elif not quiet:
            for item in learned:
                kernel_view.show_kernels(item.kernel, (item.kernel,), {}, full=False)
                output.print_wrapped(_quality_of(item), in_pipes=True)
    if name is not None:
        target = config_file or Path("kernels.toml")
        add_to_config(target, learned, f"learned from {before.name} and {after.name}")
        names = ", ".join(item.kernel.name for item in learned)
        messages.note(f"{target}: {names} added; apply it with -k {learned[0].kernel.name}")


def _quality_of(item: "LearnedKernel") -> str:
    """Return how well a kernel fits, as a sentence."""
    fit = item.fit
    clipped = f", {fit.clipped:,} clipped ones left out" if fit.clipped else ""
    unit = " levels" if item.white > 1 else ""
    share = f" ({100 * fit.explained:.5g} % of the variance explained)" if fit.explained > 0 else " (nothing explained)"
    quality = f"standard error of the weights at most {fit.errors.max():.2g}; residual {fit.residual:.3g}{unit}"
    quality += "" if math.isnan(fit.explained) else share
    return f"{quality}; condition {fit.condition:.3g}; {fit.samples:,} samples{clipped}"


def _facts_of(item: "LearnedKernel") -> dict[str, Any]:
    fit = item.fit
    return {
        "name": item.kernel.name,
        "matrix": item.kernel.matrix,
        "offset": item.kernel.offset,
        "errors": fit.errors.tolist(),
        "residual": fit.residual,
        "explained": None if math.isnan(fit.explained) else fit.explained,
        "condition": fit.condition,
        "samples": fit.samples,
        "clipped": fit.clipped,
    }
