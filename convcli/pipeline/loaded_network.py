"""A network and its weights, loaded once for all images. Nothing here imports NumPy before the weights are loaded."""

import functools
import hashlib
import itertools
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ArgumentError, KernelError
from ..networks.analysis import LayerAnalysis, analyse
from ..networks.layer import Layer, Shape
from ..networks.network import Network
from .memory_budget import Budget, in_words

if TYPE_CHECKING:
    from ..networks.layer import Array

MAX_TAPS = 1 << 16
"""Maps that a run writes for each image at most."""

CACHED_SIZES = 64
"""Image sizes for which the analysis of the network is cached."""


@dataclass(frozen=True)
class Tap:
    """A feature map of a layer, or its vector (index None)."""

    layer: str
    index: int | None

    @property
    def name(self) -> str:
        """The name of the layer, and the index of the map."""
        return self.layer if self.index is None else f"{self.layer}-{self.index}"


class LoadedNetwork:
    """The layers of a network up to the last tapped one, and their weights.

    Raises ArgumentError for an unknown layer, a layer without weights, and more than MAX_TAPS maps.
    """

    def __init__(self, network: Network, tapped: Sequence[str] = ()) -> None:
        indices = sorted({network.layer_named(name) for name in tapped} or {len(network.layers) - 1})
        self.network = network
        self.layers: tuple[Layer, ...] = network.layers[: indices[-1] + 1]
        self.tapped = tuple(network.layers[index].name for index in indices)
        for layer in self.layers:
            if layer.lacks_weights:
                raise ArgumentError(
                    f"network {network.name!r} can be counted, but not run: layer {layer.name!r} has no weights; give each "
                    "layer a kernel, a bank or a file in a config"
                )
        self.taps = tuple(self._find_taps())
        self._lock = threading.Lock()
        self._arrays: Mapping[str, Mapping[str, Array]] | None = None
        self._analyses: dict[tuple[int, int], list[LayerAnalysis]] = {}
        self.digest = ""  # of all weights, once they are loaded

    @functools.cached_property
    def digits(self) -> dict[str, int]:
        """The number of digits of the last index of each tapped layer."""
        return {tap.layer: len(str(tap.index or 0)) for tap in self.taps}

    def _find_taps(self) -> list[Tap]:
        """Return the maps of the tapped layers, in the order of the layers."""
        taps: list[Tap] = []
        channels: int | None = self.network.input.channels
        for layer in self.layers:
            channels = layer.channels(channels)
            if layer.name not in self.tapped:
                continue
            if len(taps) + (channels or 1) > MAX_TAPS:
                raise ArgumentError(f"layer {layer.name!r} gives {channels} maps; a run writes at most {MAX_TAPS}")
            taps += [Tap(layer.name, index) for index in ([None] if channels is None else range(channels))]
        return taps

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(math.prod(array.shape) * array.itemsize for layer in self.layers for array in layer.sources)

    def load(self, limit: int | None = None) -> Mapping[str, Mapping[str, "Array"]]:
        """Return the weights of every layer by role, read-only, loaded by the first call.

        Raises KernelError, and ArgumentError where they take more memory than the limit in bytes, or than is free.
        """
        with self._lock:
            if self._arrays is None:
                allowed = Budget(limit).limit
                if allowed is not None and self.size > allowed:
                    raise ArgumentError(
                        f"the weights of network {self.network.name!r} take {in_words(self.size)} of memory, and "
                        f"{in_words(allowed)} may be taken; raise that with --max-memory"
                    )
                self._arrays = {layer.name: self._loaded(layer) for layer in self.layers}
                self.digest = _digest_of(self._arrays)
            return self._arrays

    def _loaded(self, layer: Layer) -> Mapping[str, "Array"]:
        import numpy as np

        try:
            prepared = layer.prepared({array.role: array.load() for array in layer.sources})
        except KernelError as error:
            raise KernelError(f"network {self.network.name!r}: layer {layer.name!r}: {error}") from None
        arrays = {role: np.ascontiguousarray(array) for role, array in prepared.items()}
        for array in arrays.values():
            array.flags.writeable = False
        return arrays

    def analyses(self, size: tuple[int, int]) -> list[LayerAnalysis]:
        """Return the analysis of each layer for an image (H, W) after resizing. Raises ArgumentError."""
        analyses = self._analyses.get(size)  # only once, as another thread may clear the cache meanwhile
        if analyses is None:
            analyses = list(itertools.islice(analyse(self.network, self.network.shape_for(size)), len(self.layers)))
            if len(self._analyses) >= CACHED_SIZES:
                self._analyses.clear()
            self._analyses[size] = analyses
        return analyses

    def shape_of(self, layer: str, size: tuple[int, int]) -> Shape:
        """Return the output shape of a layer for an image (H, W). Raises ArgumentError."""
        return self.analyses(size)[self.network.layer_named(layer)].output_shape


def _digest_of(arrays: Mapping[str, Mapping[str, "Array"]]) -> str:
    """Return a digest of the values and dtypes of all weights."""
    digest = hashlib.sha256()
    for layer, by_role in arrays.items():
        for role, array in by_role.items():
            digest.update(f"{layer} {role} {array.dtype.name} {array.shape}".encode())
            digest.update(array.data)
    return digest.hexdigest()
