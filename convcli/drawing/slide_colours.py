"""The colours of the parts of a slide."""

import math
from typing import NamedTuple

import numpy as np

from ..images.image import Array
from .captions import number
from .colouring import Colouring, colourings_of
from .options import SheetOptions
from .scale import Scale
from .sliding_window import PIXEL, SlidingWindow
from .tile import drawn_size, tile_of

MOST_DIFFERENT = 4096
"""Products with the longest texts whose width is measured, to find the font in which all fit."""

FADED = 0.6
"""Share of white in faded colours."""


class SlideColours(NamedTuple):
    """The colourings of the parts. Those of kernel and products are None for pooling."""

    input: Colouring
    map: Colouring
    kernel: Colouring | None = None
    products: Colouring | None = None


def products_of(window: SlidingWindow) -> list[float]:
    """Return the different products of all positions: those with the longest texts, with the least and the largest finite."""
    found: set[float] = set()
    ends: set[float] = set()
    for index in range(window.positions):
        products = window.step(index).products
        if products is None:
            return []
        found.update(products.ravel().tolist())
        if len(found) > 4 * MOST_DIFFERENT:
            ends |= _finite_ends(found)
            found = set(sorted(found, key=lambda value: len(number(value, 3)))[-MOST_DIFFERENT:])
    return [*found, *ends]


def _finite_ends(values: set[float]) -> set[float]:
    finite = [value for value in values if math.isfinite(value)]
    return {min(finite), max(finite)} if finite else set()


def colours_of(window: SlidingWindow, products: list[float]) -> SlideColours:
    """Return the colourings of the parts, as sheets have them: kernels and products have 0 in the middle."""
    options = SheetOptions()

    def colouring(kind: str, array: Array, scale: Scale | None = None, are_levels: bool = False, **more: bool) -> Colouring:
        values = array.reshape(-1, array.shape[-1], 1).astype(np.float64)
        finite = values[np.isfinite(values)]
        extremes = (float(finite.min()), float(finite.max())) if finite.size else None
        facts = {"scale": scale, "are_levels": are_levels, **more}
        tile = tile_of("", kind, values, drawn_size(values.shape, max(values.shape)), extremes, **facts)
        return colourings_of([tile], options)[tile]

    of_input = colouring("input", window.planes[:, window.sources == PIXEL], window.input_scale, signed=False)
    can_be_negative = window.weights is not None and bool((window.weights < 0).any())
    of_map_more = {"signed": True} if can_be_negative and not window.keeps_levels else {}  # where no value is below 0, too
    scale = of_input.scale if window.keeps_levels else None
    of_map = colouring("map", window.map, scale, window.keeps_levels, **of_map_more)
    if window.weights is None:
        return SlideColours(of_input, of_map)
    return SlideColours(of_input, of_map, colouring("kernel", window.weights), colouring("kernel", np.array([products])))


def painted(colouring: Colouring, values: Array) -> Array:
    """Return the colours of values (h, w); those beyond the scale have the colours of its ends, as their numbers tell more."""
    values = values.astype(np.float64)
    if colouring.scale is not None:
        values = np.clip(values, colouring.scale.low, colouring.scale.high)
    return colouring.painted(values[:, :, None])


def input_colours(colouring: Colouring, values: Array, white_is_known: bool) -> Array:
    """Return the colours of values of the input, padding and zeros between pixels as well: equal values have equal colours.

    Numbers of unknown white are faded, to be read better.
    """
    colours = painted(colouring, values)
    return colours if white_is_known else faded(colours)


def faded(colours: Array) -> Array:
    """Return colours between these and white."""
    mixed: Array = np.rint(colours * (1 - FADED) + 255 * FADED).astype(np.uint8)
    return mixed
