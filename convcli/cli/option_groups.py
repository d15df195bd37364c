"""Options that several commands share, each defined once. A group of options is one decorator."""

from collections.abc import Callable
from typing import Any

import click

from ..geometry.borders import MODES
from ..images.encoding import DEFAULT_QUALITY, TIFF_COMPRESSIONS
from ..images.formats import MAX_PIXELS, NAMES
from ..kernels.kernel import CHANNELS, LIGHTS
from ..ops.option_parsers import MISSING
from ..pipeline.request_base import AXES, COLUMNS, DEPTHS, NORMALIZE, SCALE, TILE
from . import options


def _together(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that adds all of these options, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def output(template: str) -> Callable[..., Any]:
    """Options for the output. ``template`` is shown in the help text."""
    return _together(
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


_STRIDE = click.option(
    "--stride",
    type=options.PAIR["stride"],
    default="1",
    envvar="CONVCLI_STRIDE",
    show_envvar=True,
    show_default=True,
    help="Step of the kernel in pixels.",
)
_PADDING = click.option(
    "--padding",
    type=options.PADDING,
    default="same",
    envvar="CONVCLI_PADDING",
    show_envvar=True,
    show_default=True,
    help="valid: none. same: the output has the size of the input. same-upper, same-lower: as ONNX pads for a stride, the "
    "odd pixel after or before. full: every overlap. Or pixels: 2, 2x1, or TOP,BOTTOMxLEFT,RIGHT.",
)
_BORDER = click.option(
    "--border",
    type=options.BORDER,
    default="reflect",
    envvar="CONVCLI_BORDER",
    show_envvar=True,
    show_default=True,
    help="What the padding holds: zero, a number, "
    + ", ".join(f"{mode.name} ({mode.picture})" for mode in MODES if not mode.is_constant)
    + ".",
)
_DILATION = click.option(
    "--dilation", type=options.PAIR["dilation"], default="1", show_default=True, help="Distance between taps, in pixels."
)
_FLIP = click.option(
    "--flip/--no-flip",
    default=False,
    envvar="CONVCLI_FLIP",
    show_envvar=True,
    show_default=True,
    help="Rotate the kernel by 180 degrees first: the mathematical convolution. Without it, a kernel slides as written.",
)
_CHANNELS = click.option(
    "--channels",
    type=options.ChannelsChoice(CHANNELS),
    default="each",
    envvar="CONVCLI_CHANNELS",
    show_envvar=True,
    show_default=True,
    help="Every channel on its own, one map summed over the channels, or grey (0.299 R + 0.587 G + 0.114 B) first.",
)

_LIGHT = click.option(
    "--light",
    type=click.Choice(LIGHTS),
    default="encoded",
    envvar="CONVCLI_LIGHT",
    show_envvar=True,
    show_default=True,
    help="What kernels sum. encoded: levels as they are stored. linear: light, which levels are decoded to by the curve of the "
    "picture; responses are encoded as levels again.",
)

_MISSING = _together(
    click.option(
        "--missing",
        type=click.Choice(MISSING),
        envvar="CONVCLI_MISSING",
        show_envvar=True,
        help="What missing samples do: NaN, and those of --mask and --nodata. spread: what a kernel computes from one is NaN. "
        "ignore: they take no part, and the weights of the others are scaled to the same sum. zero: they count as 0."
        "  [default: spread; with --mask or --nodata ignore]",
    ),
    click.option(
        "--mask",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="A picture of the same size that is 0 where pixels are missing.",
    ),
    click.option("--nodata", type=options.NODATA, help="The value of missing samples, such as 65535 or -9999."),
)

SLIDING = _together(_STRIDE, _PADDING, _BORDER, _DILATION, _FLIP, _CHANNELS, _LIGHT, _MISSING)
"""Options for how kernels slide."""

WINDOW = _together(_STRIDE, _PADDING, _BORDER, _DILATION, _FLIP)
"""Those that place the window and say what it sees."""

SIZING = _together(_STRIDE, _PADDING, _DILATION, _CHANNELS)
"""The options of SLIDING that change sizes and costs."""


def range_option(auto: str) -> Callable[..., Any]:
    """Return the decorator for --range. ``auto`` is the help text for its default."""
    return click.option(
        "--range",
        "rule",
        type=options.RANGE,
        default="auto",
        envvar="CONVCLI_RANGE",
        show_envvar=True,
        show_default=True,
        help="How responses become levels. clip: unchanged. abs: absolute values. center: 0 becomes mid-grey. "
        f"stretch: minimum to maximum becomes black to white. LO..HI: LO to HI becomes black to white. auto: {auto}. "
        "Float outputs are always raw.",
    )


RANGE = range_option("abs for kernels that sum to zero and have negative weights, else clip")
LAYER_RANGE = range_option("stretch, which measures all maps of a layer together")

STORING = _together(
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

SEARCHING = _together(
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

READING = _together(
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

LIMIT = _together(
    READING,
    click.option(
        "--frames",
        type=options.FRAMES,
        help="The frames of animations and stacks, from 0.  [default: all, and more than 10000 are an error; the first "
        "of versions of one picture, unless {frame} is in -o; in at, the first]",
    ),
)
"""The same, with the choice of frames."""

KEEPING = _together(
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

SHEET_LOOK = _together(
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

SHEET = _together(
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

REPORTING = _together(
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
