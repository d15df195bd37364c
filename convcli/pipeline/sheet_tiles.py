"""The tiles of a sheet: the input, kernels, and maps, each reduced to its size as soon as it is computed."""

import math
from typing import Any

import numpy as np
from msgspec.structs import replace

from ..drawing.scale import Scale
from ..drawing.tile import CHUNK, Tile, drawn_size, tile_of
from ..images.alpha import is_opaque
from ..images.image import Array, Image
from ..images.quantize import RangeStatistics, finite_extremes, statistics_of
from ..kernels.kernel import Bank, Kernel, kernels_of
from .map_source import MapSource
from .request_base import BaseRequest, Map


def input_tile(image: Image, side: int, factor: int | None) -> Tile:
    """Return the tile of a picture: its colours, over white where it is transparent; numbers of unknown white have a scale."""
    if image.white is not None:
        return picture_tile("input", "input", image, side, factor)
    pixels = image.pixels
    floats = pixels if pixels.dtype in (np.float32, np.float64) else pixels.astype(np.float64)
    drawn, extremes = drawn_size(floats.shape, side, factor), finite_extremes(floats)
    return tile_of("input", "input", floats, drawn, extremes, signed=False)


def entering_tile(request: BaseRequest, image: Image, side: int, factor: int | None) -> Tile:
    """Return the tile of the picture of a request, which says what becomes of it before it is filtered."""
    tile, size = input_tile(image, side, factor), request.size_for(image.size[:2])
    changes = ["filtered in grey"] if request.is_of_grey and image.size[2] == 3 else []
    changes += [f"resized to {size[1]} x {size[0]}"] if size != image.size[:2] else []
    if request.preparation:
        changes = [f"as a {request.preparation}"]
    return replace(tile, further=", ".join(filter(None, (tile.further, *changes))))


def picture_tile(name: str, kind: str, image: Image, side: int, factor: int | None) -> Tile:
    """Return the tile of a picture whose white is known: its colours, over white where it is transparent."""
    pixels = image.pixels
    tile = tile_of(name, kind, _over_white(image), drawn_size(pixels.shape, side, factor), _extremes(pixels))
    levels = np.rint(tile.samples.astype(np.float64) * (255 / (image.white or 1))).astype(np.uint8)
    return replace(tile, samples=levels, numbers=None if tile.numbers is None else pixels[:, :, 0])


def _extremes(pixels: Array) -> tuple[float, float]:
    return float(pixels.min()), float(pixels.max())


def _over_white(image: Image) -> Array:
    """Return the pixels of an image as they look on a white page, computed some rows at a time."""
    if image.alpha is None or is_opaque(image):
        return image.pixels
    out = np.empty_like(image.pixels)
    step = max(CHUNK // image.pixels[0].size, 1)
    for begin in range(0, len(out), step):
        rows = slice(begin, begin + step)
        cover = image.alpha[rows, :, None] / image.opaque
        out[rows] = np.rint(image.pixels[rows] * cover + image.opaque * (1 - cover))
    return out


def kernel_tile(kernel: Kernel, index: int) -> Tile:
    """Return the tile of the weights of a kernel, one sample a weight. ``index`` is that of its map."""
    weights = kernel.weights if kernel.weights.ndim == 3 else kernel.weights[:, :, None]
    drawn = drawn_size(weights.shape, max(weights.shape))
    return tile_of(kernel.name, "kernel", weights, drawn, (float(weights.min()), float(weights.max())), index=index)


def map_tile(
    source: MapSource, map_: Map, drawn_in: tuple[int, int | None], with_histogram: bool = False, **names: Any
) -> tuple[Tile, RangeStatistics]:
    """Compute a map, and return its tile and the statistics of all its samples.

    ``drawn_in`` are the side of the tile and the factor of --scale, ``names`` further fields of the tile.
    """
    colour = source.compute_map(map_).colour
    extremes = finite_extremes(colour)
    drawn = drawn_size(colour.shape, *drawn_in)
    facts = facts_of_map(source, map_, extremes) | names
    statistics = statistics_of(colour, with_histogram=with_histogram)
    return tile_of(facts.pop("name"), "map", colour, drawn, extremes, **facts), statistics


def facts_of_map(source: MapSource, map_: Map, extremes: tuple[float, float] | None) -> dict[str, Any]:
    """Return how a map of these finite extremes is drawn, as fields of its tile: signed, are_levels, scale.

    The responses of kernels that keep the mean level of a picture are levels, not signed, also where some lie below 0.
    """
    are_levels = isinstance(map_, Kernel | Bank) and keeps_levels(map_)
    white = source.white
    scale = Scale(0.0, float(white), signed=False) if are_levels and white is not None else None
    signed = extremes is not None and extremes[0] < 0 and not are_levels
    return {"signed": signed, "are_levels": are_levels, "scale": scale}


def keeps_levels(map_: Kernel | Bank) -> bool:
    """Return whether the responses are levels of a picture: the weights of each kernel sum to 1, or it has an offset."""
    return all(kernel.offset > 0 or math.isclose(kernel.sum, 1, rel_tol=1e-3) for kernel in kernels_of(map_))
