"""Options for what a kernel sums and where it slides, which several commands share."""

from collections.abc import Callable
from typing import Any

import click

from ..geometry.borders import MODES
from ..kernels.kernel import CHANNELS, LIGHTS
from ..ops.option_parsers import MISSING
from . import options
from .options import together

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
FLIP = click.option(
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

_MISSING = together(
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

SLIDING = together(_STRIDE, _PADDING, _BORDER, _DILATION, FLIP, _CHANNELS, _LIGHT, _MISSING)
"""Options for how kernels slide."""

WINDOW = together(_STRIDE, _PADDING, _BORDER, _DILATION, FLIP)
"""Those that place the window and say what it sees."""

SIZING = together(_STRIDE, _PADDING, _DILATION, _CHANNELS)
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
