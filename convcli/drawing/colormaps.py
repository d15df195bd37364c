"""Colours of numbers: colour maps, and the colours of samples that are on no scale.

colorcet's maps are Peter Kovesi's, "Good Colour Maps: How to Design Them", https://arxiv.org/abs/1509.03700, under CC BY 4.0;
its code is under the BSD licence.
"""

import functools

import numpy as np

from ..errors import ArgumentError, nearest_name
from ..images.image import Array
from .default_colormaps import DIVERGING, SEQUENTIAL
from .scale import Scale, positions

STEPS = 256
"""Steps of a colour map, which has a colour more, so that one of them is in the middle."""

DEFAULTS = {
    "diverging": DIVERGING,  # from blue over light grey to red, which the colour-blind tell apart
    "sequential": SEQUENTIAL,  # from black over blue and yellow to white, made for them
    "grey": "000000ffffff",  # the white of colorcet's is not neutral
}
"""The names of this program, and their colours."""

UNKNOWN = (255, 0, 220)
BELOW = (0, 245, 255)
ABOVE = (60, 255, 0)
"""Colours of NaN, and of samples below and above the scale. No map contains them."""


@functools.cache
def _colorcet() -> dict[str, list[str]]:
    """Return the maps of colorcet by name, but for its lists of unrelated colours: a list of #rrggbb each."""
    import colorcet  # takes 0.1 s, and most sheets have the maps of this program

    return {name: colours for name, colours in colorcet.palette.items() if "glasbey" not in name}


def names() -> tuple[str, ...]:
    """The names of all colour maps: those of DEFAULTS, then those of colorcet."""
    return (*DEFAULTS, *sorted(_colorcet()))


def _digits(name: str) -> str:
    """Return the colours of a map, six hexadecimal digits each. Raises ArgumentError for an unknown name."""
    if name in DEFAULTS:
        return DEFAULTS[name]
    if name not in _colorcet():
        raise ArgumentError(
            f"colormap {name!r} is unknown; there are {', '.join(DEFAULTS)} and those of colorcet{nearest_name(name, names())}"
        )
    return "".join(_colorcet()[name]).replace("#", "")


@functools.cache
def colormap(name: str) -> Array:
    """Return the colours of a map: (STEPS + 1, 3) uint8, read-only. Raises ArgumentError for an unknown name."""
    table = np.frombuffer(bytes.fromhex(_digits(name)), np.uint8).reshape(-1, 3)
    places = np.linspace(0, len(table) - 1, STEPS + 1)
    colours = np.stack([np.interp(places, np.arange(len(table)), channel) for channel in table.T], axis=1)
    rounded: Array = np.rint(colours).astype(np.uint8)
    rounded.flags.writeable = False
    return rounded


def paint(values: Array, scale: Scale | None, colours: Array) -> Array:
    """Return the colours of values (H, W): (H, W, 3) uint8. Without a scale, nothing is finite."""
    places = positions(values, scale)
    scale = scale or Scale(0.0, 0.0, signed=False)
    indices = np.rint(np.clip(np.nan_to_num(places), 0, 1) * STEPS).astype(np.intp)
    painted: Array = colours[indices]
    painted[values < scale.low] = BELOW
    painted[values > scale.high] = ABOVE
    painted[np.isnan(values)] = UNKNOWN
    return painted


def paint_rgb(values: Array, scale: Scale | None) -> Array:
    """Return values (H, W, 3) as red, green and blue: the scale is 0..255, so that 0 of a signed scale is grey.

    Samples outside are black or white in their channel. A pixel with NaN has the colour UNKNOWN.
    """
    places = np.zeros(values.shape) if scale is None else positions(values, scale)
    painted: Array = np.rint(np.clip(np.nan_to_num(places), 0, 1) * 255).astype(np.uint8)
    painted[np.isnan(values).any(axis=2)] = UNKNOWN
    return painted
