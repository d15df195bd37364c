"""Runs an image through a network: prepares the input, and returns the maps of the layers."""

from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from ..images import alpha as transparency
from ..images.image import Array, Image
from ..images.quantize import finite_extremes
from ..images.resize import resized
from ..networks.network import Input
from ..ops.normalization import scale_into
from .kernel_maps import LUMA
from .loaded_network import LayerMap
from .map_source import MapSource, Response, Rows
from .network_request import NetworkRequest

CHUNK_SIZE = 1 << 18
"""Samples of an image that are converted to the input of a network at a time."""


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
            self._outputs = request.model.compute(entering(request, self.picture), request.threads, request.max_memory)
        return self._outputs[name]


def entering(request: NetworkRequest, image: Image) -> Array:
    """Convert an image to the input of its network: (C, H, W), float32 or float64.

    Channels, size, range, mean and standard deviation are those of ``Input``.
    """
    network_input = request.network.input
    height, width, channels = image.size
    maps = np.empty((network_input.channels, height, width), transparency.float_dtype_of(image))
    step = max(CHUNK_SIZE // (width * channels), 1)
    for begin in range(0, height, step):
        rows = slice(begin, begin + step)
        pixels = image.pixels[rows]
        if image.alpha is not None:
            pixels = transparency.premultiplied(image, rows)
        _mix(pixels.transpose(2, 0, 1), maps[:, rows])
    size = request.size_for((height, width))
    return _scaled(maps if size == (height, width) else resized(maps, size), network_input, image.white)


def _mix(channels: Array, out: Array) -> None:
    """Convert channels (C, h, W) to those of out: unchanged, RGB to grey, or grey to equal channels."""
    if len(channels) == 3 and len(out) == 1:
        real = out.dtype.type
        out[0] = sum(real(share) * channel for share, channel in zip(LUMA, channels, strict=True))
    else:
        out[:] = channels


def _scaled(maps: Array, network_input: Input, white: int | None) -> Array:
    """Scale levels to the range of the network, subtract the mean and divide by std, in place, rounded once."""
    scales, shifts = np.ones(len(maps)), np.zeros(len(maps))
    if network_input.range is not None and white is not None:  # floats without a known white are not scaled
        low, high = network_input.range
        scales *= (high - low) / white
        shifts += low
    shifts -= network_input.mean or 0.0
    scales /= network_input.std or 1.0
    shifts /= network_input.std or 1.0
    if shifts.any() or (scales != 1).any():
        scale_into(maps, scales, shifts, maps)
    return maps
