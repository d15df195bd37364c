"""A network and its weights, loaded once for all pictures. Light: nothing here imports NumPy before they are loaded."""

import functools
import hashlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ArgumentError, KernelError
from ..networks.analysis import Row, trace
from ..networks.layer import Layer, Shape
from ..networks.network import Network
from .memory_budget import Budget, in_words

if TYPE_CHECKING:
    from ..networks.layer import Array

MOST_TAPS = 1 << 16
"""Maps that a run writes of each picture at most."""

MOST_SIZES = 64
"""Sizes of pictures whose shapes are remembered."""


@dataclass(frozen=True)
class Tap:
    """A feature map of a layer, or the vector that it gives (index None)."""

    layer: str
    index: int | None

    @property
    def name(self) -> str:
        """The layer, and which of its maps."""
        return self.layer if self.index is None else f"{self.layer}-{self.index}"


class LoadedNetwork:
    """The layers of a network up to the last that is tapped, and their weights.

    Raises ArgumentError for a tap that is no layer, a layer that has no weights, and more maps than a run writes.
    """

    def __init__(self, network: Network, tapped: Sequence[str] = ()) -> None:
        places = sorted({network.layer_named(name) for name in tapped} or {len(network.layers) - 1})
        self.network = network
        self.layers: tuple[Layer, ...] = network.layers[: places[-1] + 1]
        self.tapped = tuple(network.layers[place].name for place in places)
        for layer in self.layers:
            if layer.lacks_weights:
                raise ArgumentError(
                    f"network {network.name!r} can be counted, and not run: layer {layer.name!r} has no weights; give each "
                    "layer a kernel, a bank or a file in a config"
                )
        self.taps = tuple(self._find_taps())
        self._lock = threading.Lock()
        self._arrays: Mapping[str, Mapping[str, Array]] | None = None
        self._rows: dict[tuple[int, int], list[Row]] = {}
        self.digest = ""  # of all weights, once they are loaded

    @functools.cached_property
    def digits(self) -> dict[str, int]:
        """Digits of the last index of each tapped layer."""
        return {tap.layer: len(str(tap.index or 0)) for tap in self.taps}

    def _find_taps(self) -> list[Tap]:
        """The maps of the tapped layers, in the order of the layers."""
        taps: list[Tap] = []
        channels: int | None = self.network.input.channels
        for layer in self.layers:
            channels = layer.channels(channels)
            if layer.name not in self.tapped:
                continue
            if len(taps) + (channels or 1) > MOST_TAPS:
                raise ArgumentError(f"layer {layer.name!r} gives {channels} maps; a run writes at most {MOST_TAPS}")
            taps += [Tap(layer.name, index) for index in ([None] if channels is None else range(channels))]
        return taps

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(math.prod(array.shape) * array.itemsize for layer in self.layers for array in layer.sources)

    def load(self, limit: int | None = None) -> Mapping[str, Mapping[str, "Array"]]:
        """The weights of every layer by role, read-only, loaded when they are first asked for.

        Raises KernelError, and ArgumentError where they take more memory than may be taken: the limit, or what is free.
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

    def rows(self, size: tuple[int, int]) -> list[Row]:
        """What each layer makes of a picture (H, W), as it enters. Raises ArgumentError."""
        known = self._rows.get(size)  # once, as another thread may forget it meanwhile
        if known is None:
            known = []
            for row in trace(self.network, self.network.shape_for(size)):
                known.append(row)
                if len(known) == len(self.layers):
                    break
            if len(self._rows) >= MOST_SIZES:
                self._rows.clear()
            self._rows[size] = known
        return known

    def shape_of(self, layer: str, size: tuple[int, int]) -> Shape:
        """What a layer gives for a picture (H, W). Raises ArgumentError."""
        return self.rows(size)[self.network.layer_named(layer)].output_shape


def _digest_of(arrays: Mapping[str, Mapping[str, "Array"]]) -> str:
    """A digest of the weights: of their values and types."""
    digest = hashlib.sha256()
    for layer, by_role in arrays.items():
        for role, array in by_role.items():
            digest.update(f"{layer} {role} {array.dtype.name} {array.shape}".encode())
            digest.update(array.data)
    return digest.hexdigest()
