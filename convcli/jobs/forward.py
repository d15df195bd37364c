"""A picture through a network: what enters it, and what each layer makes of it."""

import functools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..images import alpha as transparency
from ..images.image import Array, Image
from ..images.levels import spread_of
from ..images.resize import resized
from ..networks.network import Input
from .respond import LUMA
from .responder import Responder, Response, Rows
from .taps import NetworkRequest, Tap


class NetworkResponder(Responder):
    """The maps of layers. All that are tapped are computed when the first is asked for."""

    def __init__(self, request: NetworkRequest, image: Image) -> None:
        white = image.white if request.network.input.range is None and not request.network.input.std else None
        super().__init__(replace(image, alpha=None, white=white))
        self.request = request
        self.source = image
        if image.alpha is not None:
            self.notices = ("alpha: the network sees the picture before black",)

    def rows_of(self, one: Tap) -> Iterator[Rows]:
        """All rows at once, as they are computed together."""
        yield 0, self.request.map_shape(self.image.size, one)[0]

    def check(self, one: Tap) -> None:
        """See that every layer can take what it gets."""
        self.request.map_shape(self.image.size, one)

    def respond(self, one: Tap, rows: Rows | None = None) -> Response:
        """One map (H, W, 1), or a vector as one row."""
        self.check(one)
        found = self._tapped[one.layer]
        plane = found[None] if one.index is None else found[one.index]
        return Response(plane[slice(*rows or (None,)), :, None], None)

    def spread_of(self, one: Tap) -> tuple[float, float] | None:
        """The minimum and the maximum of all maps of the layer, so that these can be compared."""
        return self._spread_of(one.layer)

    @functools.cache  # noqa: B019 - a responder lives as long as its picture
    def _spread_of(self, layer: str) -> tuple[float, float]:
        return spread_of(self._tapped[layer]) or (0.0, 0.0)

    @functools.cached_property
    def _tapped(self) -> dict[str, Array]:
        """What each tapped layer gives, (C, H, W) or (C,)."""
        request = self.request
        wanted = {tap.layer for tap in request.maps}
        x = entering(request, self.source)
        tapped: dict[str, Array] = {}
        for layer in request.wanted:
            x = layer.run(x, request.arrays[layer.name], request.threads)
            if layer.name in wanted:
                tapped[layer.name] = x
        return tapped


def entering(request: NetworkRequest, image: Image) -> Array:
    """A picture as its network takes it: channels, size, range, mean and standard deviation; (C, H, W) float32 or float64."""
    taken = request.network.input
    pixels = image.pixels
    real = np.float64 if pixels.dtype == np.float64 else np.float32
    if image.alpha is not None:
        pixels = transparency.premultiplied(image, np.arange(image.size[0]), 0)
    maps = np.ascontiguousarray(pixels.transpose(2, 0, 1), real)
    if len(maps) == 3 and taken.channels == 1:
        maps = sum(real(share) * plane for share, plane in zip(LUMA, maps, strict=True))[None]
    elif len(maps) == 1 and taken.channels > 1:
        maps = np.repeat(maps, taken.channels, axis=0)
    if maps.shape[1:] != request.size_for(maps.shape[1:]):
        maps = resized(maps, request.size_for(maps.shape[1:]))
    return _scaled(maps, taken, image.white)


def _scaled(maps: Array, taken: Input, white: int | None) -> Array:
    """Levels in the range that the network takes, less the mean, by the standard deviation. In place."""
    real = maps.dtype.type
    if taken.range is not None and white is not None:  # real numbers of no known white are taken as they are
        low, high = taken.range
        maps *= real((high - low) / white)
        maps += real(low)
    if taken.mean:
        maps -= np.array(taken.mean, maps.dtype)[:, None, None]
    if taken.std:
        maps /= np.array(taken.std, maps.dtype)[:, None, None]
    return maps
