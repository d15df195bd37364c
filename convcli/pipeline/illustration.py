"""Tiles of a picture and of its maps for a page, made while the maps are computed for its outputs."""

import math
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ..drawing.reduction import Reduction
from ..drawing.thumbnail import detail_for
from ..drawing.tile import Tile, drawn_size, of_channels
from ..images.image import Array, Image
from ..images.quantize import finite_extremes
from .map_source import Explanation, MapSource, Response, Rows
from .request_base import BaseRequest
from .sheet_tiles import entering_tile, facts_of_map


class Illustration(Struct, frozen=True, eq=False):
    """The tiles of a picture, and of those of its maps that are shown, by their index in the request."""

    input: Tile
    maps: dict[int, Tile]


class Illustrator:
    """Makes the tiles of a picture and of the maps of its first frame."""

    def __init__(self, request: BaseRequest, image: Image) -> None:
        detail = detail_for(len(request.inputs), len(request.maps))
        self.request = request
        self.side = detail.side
        self.input = entering_tile(request, image, detail.side, None)
        self._indices = {id(map_): index for index, map_ in enumerate(request.maps[: detail.maps])}
        self._maps: dict[int, _MapTile] = {}

    def watched(self, source: MapSource) -> MapSource:
        """Return a source of the same maps, which become tiles when they are computed."""
        return _WatchedMaps(source, self)

    def add(self, source: MapSource, map_: Any, first_row: int, rows: Array) -> None:
        """Add rows of a map, if they were not computed before."""
        index = self._indices.get(id(map_))
        if index is None:
            return
        if index not in self._maps:
            self._maps[index] = _MapTile(self.request.map_shape(source.image.size, map_), self.side)
        self._maps[index].add(first_row, rows, source, map_)

    def illustration(self) -> Illustration:
        """Return the tiles of maps that were computed whole."""
        tiles = {index: tile for index, part in sorted(self._maps.items()) if (tile := part.tile(self.request, index))}
        return Illustration(self.input, tiles)


class _MapTile:
    """The parts of the tile of a map."""

    def __init__(self, shape: tuple[int, int, int], side: int) -> None:
        self._shape = shape
        self._reduction = Reduction(shape[0], drawn_size(shape, side).samples)
        self._extremes: tuple[float, float] | None = None
        self._facts: dict[str, Any] = {}

    def add(self, first_row: int, rows: Array, source: MapSource, map_: Any) -> None:
        if not self._reduction.add(first_row, rows):
            return
        ends = [pair for pair in (self._extremes, finite_extremes(rows)) if pair is not None]
        self._extremes = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
        self._facts = facts_of_map(source, map_, self._extremes)

    def tile(self, request: BaseRequest, index: int) -> Tile | None:
        if not self._reduction.is_complete:
            return None
        low, high = self._extremes or (math.nan, math.nan)
        facts = {"index": index, "further": of_channels(self._shape[2]), **self._facts}
        return Tile(request.maps[index].name, "map", self._reduction.means(), self._shape, low, high, **facts)


class _WatchedMaps(MapSource):
    """The maps of another source, whose rows an illustrator gets as they are computed."""

    def __init__(self, source: MapSource, illustrator: Illustrator) -> None:
        super().__init__(source.image)
        self.picture = source.picture
        self.notices, self.is_light, self.may_be_light = source.notices, source.is_light, source.may_be_light
        self._watched = source
        self._illustrator = illustrator

    def rows_of(self, map_: Any) -> Iterator[Rows]:
        return self._watched.rows_of(map_)

    def compute_map(self, map_: Any, rows: Rows | None = None) -> Response:
        response = self._watched.compute_map(map_, rows)
        self._illustrator.add(self._watched, map_, 0 if rows is None else rows[0], response.colour)
        return response

    def check(self, map_: Any) -> None:
        self._watched.check(map_)

    def explanations(self, map_: Any) -> tuple[Explanation, ...]:
        return self._watched.explanations(map_)

    def stretch_limits(self, map_: Any) -> tuple[float, float] | None:
        return self._watched.stretch_limits(map_)
