"""Runs an image through a network: prepares the input, and returns the maps of the layers."""

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from ..images.image import Array, Image
from ..images.quantize import finite_extremes
from .loaded_network import LayerMap
from .map_source import MapSource, Response, Rows
from .network_input import enter
from .network_request import NetworkRequest


class NetworkMaps(MapSource):
    """The maps of layers. The first request computes all tapped layers."""

    def __init__(self, request: NetworkRequest, image: Image) -> None:
        white = image.white if request.network.input.range is None and not request.network.input.std else None
        super().__init__(replace(image, alpha=None, white=white))
        self.request = request
        self.picture = image
        self._outputs: dict[str, Array] = {}  # of the tapped layers, by name
        self._stretch_limits: dict[str, tuple[float, float]] = {}
        if image.white is not None and request.network.input.doubt:
            self.notices = (f"network {request.network.name!r}: {request.network.input.doubt}",)
        if image.white is None and request.network.input.range is not None:
            self.notices = ("numbers without a known white are taken as they are, in no range",)
        if image.alpha is not None:
            self.notices = (*self.notices, "alpha: the network sees the picture before black")
        if image.pixels.dtype == np.float64 and request.size_for(image.size[:2]) != image.size[:2]:
            self.notices = (*self.notices, "resized in float32")

    def rows_of(self, map_: LayerMap) -> Iterator[Rows]:
        """Yield all rows at once, as they are computed together."""
        yield 0, self.request.map_shape(self.image.size, map_)[0]

    def check(self, map_: LayerMap) -> None:
        """Raise ArgumentError where a layer does not accept its input."""
        self.request.map_shape(self.image.size, map_)

    def compute_map(self, map_: LayerMap, rows: Rows | None = None) -> Response:
        """Return one map (H, W, 1), or a vector as one row."""
        self.check(map_)
        maps = self._maps_of(map_.layer)
        plane = maps[None] if map_.index is None else maps[map_.index]
        return Response(plane[slice(*rows or (None,)), :, None], None)

    def stretch_limits(self, map_: LayerMap) -> tuple[float, float]:
        """Return minimum and maximum of all maps of the layer, which makes them comparable."""
        if map_.layer not in self._stretch_limits:
            self._stretch_limits[map_.layer] = finite_extremes(self._maps_of(map_.layer)) or (0.0, 0.0)
        return self._stretch_limits[map_.layer]

    def _maps_of(self, name: str) -> Array:
        """Return the output of a tapped layer, (C, H, W) or (C,)."""
        if not self._outputs:
            request = self.request
            size = request.size_for(self.picture.size[:2])
            x = enter(self.picture, request.network.input, size, request.invert)
            self._outputs = request.model.compute(x, request.threads, request.max_memory)
        return self._outputs[name]
