"""A picture through a network: what enters it, and what each layer makes of it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..images import alpha as transparency
from ..images.image import Array, Image
from ..images.quantize import finite_extremes
from ..images.resize import resized
from ..networks.network import Input
from ..ops.normalization import scale_into
from .kernel_maps import LUMA
from .loaded_network import Tap
from .map_source import MapSource, Response, Rows
from .network_request import NetworkRequest

PART = 1 << 18
"""Numbers of a picture that are brought to what a network takes at a time."""


class NetworkMaps(MapSource):
    """The maps of layers. All that are tapped are computed when the first is asked for."""

    def __init__(self, request: NetworkRequest, image: Image) -> None:
        white = image.white if request.network.input.range is None and not request.network.input.std else None
        super().__init__(replace(image, alpha=None, white=white))
        self.request = request
        self.source = image
        self._tapped: dict[str, Array] = {}
        self._stretch_limits: dict[str, tuple[float, float]] = {}
        if image.white is not None and request.network.input.doubt:
            self.notices = (f"network {request.network.name!r}: {request.network.input.doubt}",)
        if image.white is None and request.network.input.range is not None:
            self.notices = ("numbers without a known white are taken as they are, in no range",)
        if image.alpha is not None:
            self.notices = (*self.notices, "alpha: the network sees the picture before black")
        if image.pixels.dtype == np.float64 and request.size_for(image.size[:2]) != image.size[:2]:
            self.notices = (*self.notices, "resized in float32")

    def rows_of(self, one: Tap) -> Iterator[Rows]:
        """All rows at once, as they are computed together."""
        yield 0, self.request.map_shape(self.image.size, one)[0]

    def check(self, one: Tap) -> None:
        """See that every layer can take what it gets."""
        self.request.map_shape(self.image.size, one)

    def compute_map(self, one: Tap, rows: Rows | None = None) -> Response:
        """One map (H, W, 1), or a vector as one row."""
        self.check(one)
        found = self._maps_of(one.layer)
        plane = found[None] if one.index is None else found[one.index]
        return Response(plane[slice(*rows or (None,)), :, None], None)

    def stretch_limits(self, one: Tap) -> tuple[float, float]:
        """The minimum and the maximum of all maps of the layer, so that these can be compared."""
        if one.layer not in self._stretch_limits:
            self._stretch_limits[one.layer] = finite_extremes(self._maps_of(one.layer)) or (0.0, 0.0)
        return self._stretch_limits[one.layer]

    def _maps_of(self, layer: str) -> Array:
        """What a tapped layer gives, (C, H, W) or (C,)."""
        if not self._tapped:
            model = self.request.model
            arrays = model.load(self.request.max_memory)
            x = entering(self.request, self.source)
            for one in model.layers:
                x = one.run(x, arrays[one.name], self.request.threads)
                if one.name in model.tapped:
                    self._tapped[one.name] = x
        return self._tapped[layer]


def entering(request: NetworkRequest, image: Image) -> Array:
    """A picture as its network takes it: channels, size, range, mean and standard deviation; (C, H, W) float32 or float64."""
    taken = request.network.input
    height, width, channels = image.size
    maps = np.empty((taken.channels, height, width), transparency.float_dtype_of(image))
    step = max(PART // (width * channels), 1)
    for begin in range(0, height, step):
        rows = slice(begin, begin + step)
        part = image.pixels[rows]
        if image.alpha is not None:
            part = transparency.premultiplied(image, np.arange(begin, begin + len(part)), 0)
        _mix(part.transpose(2, 0, 1), maps[:, rows])
    size = request.size_for((height, width))
    return _scaled(maps if size == (height, width) else resized(maps, size), taken, image.white)


def _mix(channels: Array, out: Array) -> None:
    """Channels (C, h, W) as so many as are taken: the same, grey for three, or all the same for one."""
    if len(channels) == 3 and len(out) == 1:
        real = out.dtype.type
        out[0] = sum(real(share) * channel for share, channel in zip(LUMA, channels, strict=True))
    else:
        out[:] = channels


def _scaled(maps: Array, taken: Input, white: int | None) -> Array:
    """Levels in the range that the network takes, less the mean, by the standard deviation: rounded once. In place."""
    scales, shifts = np.ones(len(maps)), np.zeros(len(maps))
    if taken.range is not None and white is not None:  # real numbers of no known white are taken as they are
        low, high = taken.range
        scales *= (high - low) / white
        shifts += low
    shifts -= taken.mean or 0.0
    scales /= taken.std or 1.0
    shifts /= taken.std or 1.0
    if shifts.any() or (scales != 1).any():
        scale_into(maps, scales, shifts, maps)
    return maps
