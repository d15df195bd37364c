"""From the responses of a feature map to stored levels, some rows at a time."""

from dataclasses import dataclass, replace

import numpy as np

from ..images.formats import Format
from ..images.image import Array, Image
from ..images.quantize import RangeStatistics, spread_of, store, to_levels, total_of
from ..images.write import stored_white
from ..range_rules import Range
from .map_source import MapSource, Response, Rows
from .request_base import BaseRequest, Map


def picture_of_map(
    request: BaseRequest, map_source: MapSource, one: Map, rule: Range, form: Format
) -> tuple[Image, RangeStatistics]:
    """A map as levels, and its account: some rows at a time."""
    image = map_source.image
    shape = request.map_shape(image.size, one)
    white = stored_white(form, image, shape[2])
    dtype = np.dtype(np.uint8 if white == 255 else np.uint16)
    pixels = np.empty(shape, dtype)
    covered = None if image.alpha is None else np.empty(shape[:2], dtype)
    spread = stretch_of(map_source, one, white) if rule.name == "stretch" else None
    accounts = []
    for begin, end in map_source.rows_of(one):
        part = store_rows(map_source, one, (begin, end), rule, white, spread)
        pixels[begin:end] = part.levels
        if covered is not None and part.alpha is not None:
            covered[begin:end] = part.alpha
        accounts.append(part.statistics)
    return replace(image, pixels=pixels, white=white, alpha=covered), total_of(accounts)


@dataclass(frozen=True)
class Part:
    """Some rows of a map: the response, its levels (H, W, C) and alpha (H, W) or None, as they are stored, and an account."""

    response: Response
    levels: Array
    alpha: Array | None
    statistics: RangeStatistics


def store_rows(
    map_source: MapSource, one: Map, rows: Rows, rule: Range, white: int, spread: tuple[float, float] | None
) -> Part:
    """Some rows of a map as levels 0..white; ``spread`` is what ``stretch_of`` gave, where the rule is to stretch."""
    response = map_source.compute_map(one, rows)
    alpha = _alpha_of(response, map_source.image, white)
    visible = None if alpha is None else alpha > 0
    levels, statistics = store(response.colour, rule, map_source.image.white, white, visible, spread)
    return Part(response, levels, alpha, statistics)


def stretch_of(map_source: MapSource, one: Map, white: int) -> tuple[float, float]:
    """The responses that ``--range stretch`` makes black and white: the least and the largest that can be seen.

    A map is computed for it once more: a part at a time takes a seventh of the memory.
    """
    known = map_source.spread_of(one)
    if known is not None:
        return known
    spreads = []
    for rows in map_source.rows_of(one):
        response = map_source.compute_map(one, rows)
        alpha = _alpha_of(response, map_source.image, white)
        spreads.append(spread_of(response.colour, None if alpha is None else alpha > 0))
    found = [spread for spread in spreads if spread]
    return min((low for low, _ in found), default=0.0), max((high for _, high in found), default=0.0)


def _alpha_of(response: Response, image: Image, white: int) -> Array | None:
    """The alpha of a response as levels 0..white."""
    if response.alpha is None or image.alpha is None:
        return None
    return to_levels(response.alpha, np.uint8 if white == 255 else np.uint16, white / image.opaque)
