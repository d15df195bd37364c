"""Options for what a run tells and draws, which several commands share."""

import click

from ..pipeline.request_base import COLUMNS, NORMALIZE, SCALE, TILE
from .options import together

SHEET_LOOK = together(
    click.option(
        "--columns", type=click.IntRange(*COLUMNS), metavar="N", help="Tiles of a row.  [default: as many as look well]"
    ),
    click.option("--tile", type=click.IntRange(*TILE), metavar="PX", help="Longest side of a tile in pixels."),
    click.option(
        "--scale",
        type=click.IntRange(*SCALE),
        metavar="N",
        help="N x N pixels for each sample of the input and of maps, instead of --tile.",
    ),
    click.option("--labels/--no-labels", default=True, show_default=True, help="Write names, sizes and ranges below tiles."),
    click.option(
        "--normalize",
        type=click.Choice(NORMALIZE),
        default="shared",
        show_default=True,
        help="One scale for all maps that can be compared, or one for each map.",
    ),
    click.option(
        "--percentile",
        type=float,
        metavar="P",
        default=100,
        show_default=True,
        help="Colour the samples beyond this percentile, and below 100 - P, as clipped; 0 stays in the middle of signed maps.",
    ),
    click.option(
        "--colormap",
        metavar="NAME",
        help="diverging, sequential, grey, or a map of colorcet, such as fire or CET_D9."
        "  [default: diverging for signed maps, else sequential]",
    ),
    click.option("--numbers", is_flag=True, help="Write each value into tiles of at most 16 x 16 samples."),
)
"""Options for how sheets look."""

SHEET = together(
    click.option(
        "--sheet",
        is_flag=True,
        help="Draw the input, the kernels and all maps as one picture, with names, sizes, ranges and a legend.",
    ),
    SHEET_LOOK,
)
"""Options for sheets of a run."""

HTML = click.option(
    "--html",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write a page that shows what was asked and what came out, in one file that loads nothing; - is standard output.",
)

REPORTING = together(
    click.option("--fail-fast", is_flag=True, help="Stop at the first picture that fails."),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each picture, and a summary line."),
    click.option(
        "--report",
        type=click.Path(dir_okay=False, allow_dash=True),
        metavar="FILE",
        help="Write these JSON lines to a file, as soon as each picture is done; - is --json.",
    ),
    HTML,
    click.option("-n", "--dry-run", is_flag=True, help="Read the inputs and print what would be written; write nothing."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Print sizes, kernels and counts too."),
)
"""Options for reports, and for when a run stops."""
