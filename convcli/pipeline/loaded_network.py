"""A network and its weights, loaded once for all images. Nothing here imports NumPy before the weights are loaded."""

import functools
import hashlib
import itertools
import math
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from ..errors import ArgumentError, KernelError
from ..networks.analysis import LayerAnalysis, analyse
from ..networks.layer import Layer, Shape
from ..networks.network import Network
from .memory_budget import Budget, in_words

if TYPE_CHECKING:
    from ..networks.layer import Array
    from ..networks.steps import Step

MAX_MAPS = 1 << 16
"""Largest number of maps that a run writes for each image."""

TRANSFORMED = 36
"""Numbers of each kernel of 3 x 3 or 5 x 5 as Winograd's method reads it."""

CACHED_SIZES = 64
"""Image sizes for which the analysis of the network is cached."""


class LayerMap(Struct, frozen=True):
    """A feature map of a layer, or its vector (index None)."""

    layer: str
    index: int | None

    @property
    def name(self) -> str:
        """The name of the layer, and the index of the map."""
        return self.layer if self.index is None else f"{self.layer}-{self.index}"


class LoadedNetwork:
    """The layers of a network that its tapped ones depend on, and their weights.

    Raises ArgumentError for an unknown layer, a layer without weights, and more than MAX_MAPS maps.
    """

    def __init__(self, network: Network, tapped: Sequence[str] = ()) -> None:
        indices = sorted({network.layer_named(name) for name in tapped or network.output_layers()})
        self.network = network
        self.tapped_layers = tuple(network.layers[index].name for index in indices)
        self.needed = network.needed_for(self.tapped_layers)
        self.layers: tuple[Layer, ...] = tuple(network.layers[index] for index in self.needed)
        for layer in self.layers:
            if layer.lacks_weights:
                raise ArgumentError(
                    f"network {network.name!r} can be counted, but not run: layer {layer.name!r} has no weights; give each "
                    "layer a kernel, a bank or a file in a config"
                )
        self.maps = tuple(self._find_maps())
        self._lock = threading.Lock()
        self._arrays: Mapping[str, Mapping[str, Array]] | None = None
        self._steps: tuple[Step, ...] = ()
        self._analyses: dict[tuple[int, int], list[LayerAnalysis]] = {}
        self.weights_digest = ""  # set when the weights are loaded

    @functools.cached_property
    def index_digits(self) -> dict[str, int]:
        """The number of digits of the last index of each tapped layer."""
        return {map_.layer: len(str(map_.index or 0)) for map_ in self.maps}

    def _find_maps(self) -> list[LayerMap]:
        """Return the maps of the tapped layers, in the order of the layers."""
        maps: list[LayerMap] = []
        counts = self.network.channel_counts()
        for name in self.tapped_layers:
            channels = counts[self.network.layer_named(name)].after
            if len(maps) + (channels or 1) > MAX_MAPS:
                raise ArgumentError(f"layer {name!r} gives {channels} maps; a run writes at most {MAX_MAPS}")
            maps += [LayerMap(name, index) for index in ([None] if channels is None else range(channels))]
        return maps

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(math.prod(array.shape) * array.itemsize for layer in self.layers for array in layer.sources)

    @property
    def prepared_bytes(self) -> int:
        """Bytes of the weights of convolutions that ``steps`` keeps, at most: in the order of loops, normalised in float64."""
        convolutions = (layer for layer in self.layers if layer.family == "conv")
        arrays = (array for layer in convolutions for array in layer.sources if array.role != "bias" and not array.shared)
        weights = [array.shape for array in arrays]
        packed = sum(math.prod(shape[:-2]) * max(math.prod(shape[-2:]), TRANSFORMED * (shape[-1] > 1)) for shape in weights)
        normalized = any(layer.op == "batch-norm" for layer in self.layers)
        return 4 * packed + 8 * normalized * sum(map(math.prod, weights))

    def load(self, limit: int | None = None) -> Mapping[str, Mapping[str, "Array"]]:
        """Return the weights of every layer by role, read-only, loaded by the first call.

        Raises KernelError, and ArgumentError where they take more memory than the limit in bytes, or than is free.
        """
        with self._lock:
            if self._arrays is None:
                allowed = Budget(limit).limit
                needed = self.weight_bytes + self.prepared_bytes
                if allowed is not None and needed > allowed:
                    raise ArgumentError(
                        f"the weights of network {self.network.name!r} take {in_words(needed)} of memory, and "
                        f"{in_words(allowed)} may be taken; raise that with --max-memory"
                    )
                from ..kernels.weight_arrays import sharing_archives
                from ..networks.steps import make_steps

                with sharing_archives():
                    arrays = {layer.name: self._load_layer(layer) for layer in self.layers}
                self._steps = tuple(make_steps(self.network, arrays, self.tapped_layers))
                self.weights_digest = _digest_of(arrays)
                self._arrays = arrays  # last: where a step before fails, the next picture tries again
            return self._arrays

    def compute(self, x: "Array", threads: int | None = None, limit: int | None = None) -> dict[str, "Array"]:
        """Return the outputs of the tapped layers, (C, H, W) or (C,), by name, for an input (C, H, W). Raises as ``load``."""
        self.load(limit)
        from ..networks.steps import compute_steps

        tapped = {self.network.layer_named(name): name for name in self.tapped_layers}
        outputs = compute_steps(self._steps, x, tapped, threads)
        return {name: outputs[index] for index, name in tapped.items()}

    def _load_layer(self, layer: Layer) -> Mapping[str, "Array"]:
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
        """Return the analysis of each layer up to the last needed one, for an image (H, W), resized. Raises ArgumentError."""
        analyses = self._analyses.get(size)  # one look-up, as another thread may clear the cache meanwhile
        if analyses is None:
            analyses = list(itertools.islice(analyse(self.network, self.network.shape_for(size)), self.needed[-1] + 1))
            if len(self._analyses) >= CACHED_SIZES:
                self._analyses.clear()
            self._analyses[size] = analyses
        return analyses

    def shape_of(self, layer: str, size: tuple[int, int]) -> Shape:
        """Return the output shape of a layer for an image of size (H, W) after resizing. Raises ArgumentError."""
        return self.analyses(size)[self.network.layer_named(layer)].output_shape


def _digest_of(arrays: Mapping[str, Mapping[str, "Array"]]) -> str:
    """Return a digest of the values and dtypes of all weights."""
    digest = hashlib.sha256()
    for layer, by_role in arrays.items():
        for role, array in by_role.items():
            digest.update(f"{layer} {role} {array.dtype.name} {array.shape}".encode())
            digest.update(array.data)
    return digest.hexdigest()
