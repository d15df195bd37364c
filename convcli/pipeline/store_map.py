"""Quantizes a feature map, some rows at a time."""

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..images.file_format import Format
from ..images.image import Array, Image
from ..images.nodata import stored_nodata
from ..images.quantize import RangeStatistics, check_scale, combine_statistics, finite_extremes, quantize, to_levels
from ..images.write import check_size, stored_white
from ..range_rules import Range
from .map_source import MapSource, Response, Rows
from .request_base import BaseRequest, Map


def quantize_map(
    request: BaseRequest,
    map_source: MapSource,
    map_: Map,
    rule: Range,
    file_format: Format,
    limits: tuple[float, float] | None = None,
) -> tuple[Image, RangeStatistics]:
    """Return a map as an image of levels, and its statistics. It is computed some rows at a time.

    ``limits`` are those of stretch where they are not those of the map alone.
    """
    image = map_source.image
    shape = request.map_shape(image.size, map_)
    check_size(file_format, *shape[:2])
    white = stored_white(file_format, image, shape[2])
    check_scale(rule, map_source.white, map_source.may_be_light)
    dtype = np.dtype(np.uint8 if white == 255 else np.uint16)
    pixels = np.empty(shape, dtype)
    alpha = None if image.alpha is None else np.empty(shape[:2], dtype)
    if rule.name == "stretch" and limits is None:
        limits = stretch_limits(map_source, map_, white)
    unseen = stored_nodata(image.metadata, dtype) if file_format.name == "tiff" and not request.strip else None
    statistics = []
    for begin, end in map_source.rows_of(map_):
        rows = store_rows(map_source, map_, (begin, end), rule, white, limits, unseen, request.is_illustrated)
        pixels[begin:end] = rows.levels
        if alpha is not None and rows.alpha is not None:
            alpha[begin:end] = rows.alpha
        statistics.append(rows.statistics)
    return replace(image, pixels=pixels, white=white, alpha=alpha), combine_statistics(statistics)


class StoredRows(Struct, frozen=True):
    """Some rows of a map: the response, the levels (H, W, C) and alpha (H, W) or None that are stored, and their statistics."""

    response: Response
    levels: Array
    alpha: Array | None
    statistics: RangeStatistics


def store_rows(
    map_source: MapSource,
    map_: Map,
    rows: Rows,
    rule: Range,
    white: int,
    limits: tuple[float, float] | None,
    unseen: float | None = None,
    with_histogram: bool = False,
) -> StoredRows:
    """Return some rows of a map as levels 0..white. ``limits`` are those of ``stretch_limits`` where the rule is stretch.

    ``unseen`` is the level of NaN, 0 where it is None. ``with_histogram`` is whether the statistics have one.
    """
    response = map_source.compute_map(map_, rows)
    alpha = _alpha_of(response, map_source.image, white)
    visible = None if alpha is None else alpha > 0
    encoded = _encoded(map_source, response)
    levels, statistics = quantize(encoded, rule, map_source.white, white, visible, limits, with_histogram)
    if unseen and statistics.unknown:
        levels[np.isnan(response.colour)] = unseen
    return StoredRows(response, levels, alpha, statistics)


def stretch_limits(map_source: MapSource, map_: Map, white: int) -> tuple[float, float]:
    """Return the responses that ``--range stretch`` maps to black and white: the smallest and the largest of visible pixels.

    The map is computed an extra time for this. Computing it by chunks takes a seventh of the memory.
    """
    given_limits = map_source.stretch_limits(map_)
    if given_limits is not None:
        return given_limits
    extremes = []
    for rows in map_source.rows_of(map_):
        response = map_source.compute_map(map_, rows)
        alpha = _alpha_of(response, map_source.image, white)
        extremes.append(finite_extremes(_encoded(map_source, response), None if alpha is None else alpha > 0))
    known = [pair for pair in extremes if pair]
    return min((low for low, _ in known), default=0.0), max((high for _, high in known), default=0.0)


def _encoded(map_source: MapSource, response: Response) -> Array:
    """Return the colours of a response as levels are made of them."""
    if not map_source.is_light:
        return response.colour
    from ..images.light import srgb_of_light  # here, as it is rare

    return srgb_of_light(response.colour)


def _alpha_of(response: Response, image: Image, white: int) -> Array | None:
    """Return the alpha of a response as levels 0..white."""
    if response.alpha is None or image.alpha is None:
        return None
    return to_levels(response.alpha, np.uint8 if white == 255 else np.uint16, white / image.opaque)
