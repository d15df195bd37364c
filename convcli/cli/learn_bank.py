"""convcli learn bank: filters from the patches of pictures."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ImageError
from ..pipeline.inputs import Search, find_inputs
from ..pipeline.output_conflicts import refuse_replacing
from . import options, output
from .messages import Messages
from .naming_picture import naming_picture

if TYPE_CHECKING:
    pass


@click.command("bank", cls=options.SectionedCommand, short_help="Filters from the patches of pictures.")
@click.argument("pictures", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The filters, as .npz or .safetensors: an array 'filters' (N, C, kh, kw), which -k @FILE takes as a bank.",
)
@click.option(
    "--method",
    type=click.Choice(("sparse", "pca", "ica", "kmeans")),
    default="sparse",
    show_default=True,
    help="Sparse coding, principal components, independent components, or spherical k-means.",
)
@click.option("--filters", type=click.IntRange(1, 4096), default=64, show_default=True, help="How many.")
@click.option("--size", type=options.PAIR["stride"], default="12", show_default=True, help="Their size: 12, or 12x8.")
@click.option("--patches", type=click.IntRange(100), default=50_000, show_default=True, help="Patches to learn from.")
@click.option(
    "--whitening",
    type=click.Choice(("zca", "spectrum")),
    default="zca",
    show_default=True,
    help="Of the patches; or of whole pictures, by the filter of Olshausen and Field, before patches are whitened.",
)
@click.option("--grey", is_flag=True, help="Learn from grey levels. Otherwise pictures in colour give filters in colour.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same bytes.")
@click.option("-r", "--recursive", is_flag=True, help="Search the subfolders of a folder too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the Gabor function of each filter.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each filter.")
def command(
    pictures: tuple[str, ...], target: Path, recursive: bool, as_json: bool, quiet: bool, verbose: bool, **values: Any
) -> None:
    """
    \b
    convcli learn bank photos/*.jpg -o filters.npz
    convcli learn bank photos -o filters.npz --method ica --filters 100 --size 10
    convcli apply photo.jpg -k @filters.npz -o maps.png --sheet
    convcli view -k @filters.npz -o filters.png

    Learns filters from patches of PICTURES: files, folders or patterns. Patches are taken at random, without their mean, and
    whitened. Says how many filters are localised, oriented and bandpass, as the Gabor function that is most like each of them
    is: it explains at least half of the energy, fades inside of the filter, and has a bandwidth of at most three octaves.

    Exit status: 0 learned; 1 a picture cannot be read; 2 wrong usage.
    """
    from ..pipeline.learn_bank import BankRequest, learn_bank  # they import NumPy
    from ..pipeline.learn_kernel import read_picture
    from ..pipeline.learn_network import check_written, write_weights

    messages = Messages(quiet=quiet or as_json, verbose=verbose)
    check_written(target)
    found = find_inputs(pictures, Search(recursive=recursive))
    refuse_replacing(str(target), [given.source for given in found])
    images = []
    for given in found:
        with naming_picture(given.name):
            if given.error or given.source is None:
                raise ImageError(given.error or "is standard input; name files")
            images.append(read_picture(given.source))
    with output.Progress(messages.quiet) as bar:
        learned = learn_bank(BankRequest(**values), images, bar.show)
    write_weights(target, {"filters": learned.filters})
    with output.printing():
        if as_json:
            facts = [
                {name: _finite(getattr(fit, name)) for name in fit.__struct_fields__}
                | {"localised": fit.is_localised(learned.side), "oriented": fit.is_oriented(learned.side)}
                for fit in learned.fits
            ]
            click.echo(json.dumps({"path": str(target), "shape": list(learned.filters.shape), "filters": facts}, indent=2))
        elif verbose:
            cells = [
                [str(index), f"{fit.orientation:.0f}", f"{fit.frequency:.3f}", f"{fit.bandwidth:.1f}", f"{fit.width:.1f}",
                 f"{fit.length:.1f}", f"{100 * fit.explained:.0f} %"]
                for index, fit in enumerate(learned.fits)
            ]  # fmt: skip
            headings = ("filter", "degrees", "cycles/pixel", "octaves", "width", "length", "explained")
            output.show_columns(dict.fromkeys(headings, "right"), cells)
    count, channels, height, width = learned.filters.shape
    colour = " in colour" if channels == 3 else ""
    messages.note(
        f"{target}: {count} filters of {height} x {width}{colour}; {learned.both} localised, oriented and bandpass "
        f"({learned.localised} localised, {learned.oriented} oriented); use them with -k @{target}"
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
