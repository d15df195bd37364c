"""Options for files, which several commands share: inputs, outputs, how they are read and stored, and limits."""

from collections.abc import Callable
from typing import Any

import click

from ..images.encoding import DEFAULT_QUALITY, TIFF_COMPRESSIONS
from ..images.formats import MAX_PIXELS, NAMES
from ..pipeline.request_base import AXES, DEPTHS
from . import options
from .options import together


def output(template: str) -> Callable[..., Any]:
    """Options for the output. ``template`` is shown in the help text."""
    return together(
        click.option(
            "-o",
            "--output",
            default="",
            metavar="OUTPUT",
            help="A file, whose suffix gives the format; a folder, with / at its end; a template such as "
            "'out/{stem}_" + template + ".png'; or - for standard output. .npy, .npz and .tif hold stacks of float maps.",
        ),
        click.option(
            "--format",
            "file_format",
            type=options.FORMAT,
            help=f"{', '.join(NAMES[:-1])} or {NAMES[-1]}, whatever the suffix says.",
        ),
    )


STORING = together(
    click.option(
        "--depth",
        type=click.Choice(DEPTHS),
        default="same",
        show_default=True,
        help="float writes even a single map as raw 32-bit TIFF.",
    ),
    click.option(
        "--png-level",
        type=click.IntRange(0, 9),
        metavar="N",
        default=1,
        show_default=True,
        help="PNG compression: 0 none, 1 fast, 9 small and slow.",
    ),
    click.option(
        "--quality",
        type=click.IntRange(1, 100),
        metavar="N",
        help="JPEG, WebP, AVIF, JPEG 2000 and JPEG XL; 100 is lossless, but for JPEG and AVIF.  [default: a JPEG from a JPEG "
        "has the quality and chroma subsampling of its input, what is made from a lossless file of its format is lossless; "
        f"else {DEFAULT_QUALITY}]",
    ),
    click.option(
        "--compression",
        type=click.Choice(TIFF_COMPRESSIONS),
        envvar="CONVCLI_COMPRESSION",
        show_envvar=True,
        help="Compression of TIFF, lossless.  [default: as the input where it is TIFF; else deflate, and none for floats]",
    ),
    click.option(
        "--strip", is_flag=True, help="Write no metadata: no EXIF, colour profile, text, comment or resolution, no provenance."
    ),
    click.option(
        "--keep-times",
        is_flag=True,
        help="Give outputs the modification and access times of their inputs, with --in-place too.",
    ),
)
"""Options for how maps are stored."""

SEARCHING = together(
    click.option("--in-place", is_flag=True, help="Replace each picture by its feature map, instead of -o."),
    click.option("-r", "--recursive", is_flag=True, help="Search the subfolders of a folder too."),
    click.option("--hidden", is_flag=True, help="Include hidden files and folders in searches of folders and patterns."),
    click.option(
        "--files-from",
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help="Read more inputs from a file, one per line, or from standard input for -.",
    ),
    click.option("-0", "--null", is_flag=True, help="Names in --files-from end with NUL bytes, as find -print0 writes them."),
    click.option(
        "--base",
        type=click.Path(exists=True, file_okay=False),
        metavar="DIR",
        help="Mirror the folders between this one and each input, wherever it was named or found.",
    ),
    click.option(
        "--shard", type=options.SHARD, help="Process part I of N of the inputs; the parts are the same on any machine."
    ),
    click.option("--flat", is_flag=True, help="Write all outputs into one folder, without the folders of the inputs."),
)
"""Options for which pictures are inputs, and which folders the outputs mirror."""

READING = together(
    click.option(
        "--axes",
        type=click.Choice(AXES, case_sensitive=False),
        help="The axes of .npy inputs whose shape is ambiguous: frames Z, rows Y, columns X, channels C.",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        default=MAX_PIXELS,
        show_default=True,
        help="Refuse larger pictures by their header.",
    ),
    click.option(
        "--allow-truncated",
        is_flag=True,
        help="Use truncated PNG, JPEG, GIF, BMP and PPM as far as they go, with a notice; the rest is grey or black.",
    ),
)
"""Options for how a picture is read, and how large it may be."""

LIMIT = together(
    READING,
    click.option(
        "--frames",
        type=options.FRAMES,
        help="The frames of animations and stacks, from 0.  [default: all, and more than 10000 are an error; the first "
        "of versions of one picture, unless {frame} is in -o; in at, the first]",
    ),
)
"""The same, with the choice of frames."""

KEEPING = together(
    click.option(
        "--overwrite", is_flag=True, help="Replace files in a folder or of a template; a single named file is always replaced."
    ),
    click.option(
        "--skip-existing",
        is_flag=True,
        help="Keep outputs that were made from the same input with the same kernels and options.",
    ),
    LIMIT,
    click.option(
        "--max-memory",
        type=options.SIZE,
        help="Memory for pictures and their maps, such as 2G or 500M: larger pictures are refused by their header, and fewer "
        "are processed at a time.  [default: three quarters of the free memory]",
    ),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1),
        metavar="N",
        help="Pictures at a time, or bands of one picture.  [default: the processors that this process may use]",
    ),
    click.option(
        "--no-sync",
        is_flag=True,
        help="Do not wait until outputs are on the disk: they may be incomplete after a loss of power. For scratch files.",
    ),
)
"""Options for existing outputs, and for limits."""
