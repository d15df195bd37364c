"""The request of ``run``. Imports no NumPy, so that start-up is fast."""

import functools
from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ..images.file_format import Format
from ..networks.network import Network
from ..range_rules import Range
from .loaded_network import LayerMap, LoadedNetwork
from .request_base import BaseRequest


class NetworkRequest(BaseRequest, frozen=True, kw_only=True, dict=True):
    """A request of ``run``. Its maps are those of the tapped layers."""

    maps: tuple[LayerMap, ...]
    model: LoadedNetwork
    resize: bool = False  # resize each picture to the input size of the network
    invert: str = "auto"  # whether the ink of digits is darker than the paper

    @property
    def network(self) -> Network:
        """The network whose layers are tapped."""
        return self.model.network

    @property
    def resident_bytes(self) -> int:
        """Bytes of the weights, also as they are prepared."""
        return self.model.weight_bytes + self.model.prepared_bytes

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """For each map, its name and its rule for levels."""
        return tuple(repr((map_.name, self.rule_for(map_))) for map_ in self.maps)

    @functools.cached_property
    def settings(self) -> tuple[Any, ...]:
        """The layers of the network, the digest of their weights, and the options that all maps depend on."""
        self.model.load(self.max_memory)
        given, layers = (_Verbatim(_text_of(value)) for value in (self.network.input, self.model.layers))
        prepared = (self.invert,) if self.network.input.prepare else ()
        return given, layers, self.model.weights_digest, self.resize, *prepared

    @property
    def tokens(self) -> tuple[str, ...]:
        """The layer, and the index of the map in it."""
        return "layer", "index"

    @property
    def distinguishing_tokens(self) -> str:
        """Both are needed."""
        return "{layer} and {index}"

    def token_values(self, index: int) -> dict[str, str]:
        """Return the values of ``tokens`` for a map. Indices have leading zeros, so that names sort."""
        map_ = self.maps[index]
        return {"layer": map_.layer, "index": str(map_.index or 0).zfill(self.model.index_digits[map_.layer])}

    def suffix_in(self, file_format: Format) -> str:
        """Return the tokens of layer and index where each map has its own output, the layer where each layer has."""
        if not self.stacks_in(file_format):
            return "_{layer}-{index}" if len(self.maps) > 1 else ""
        return "_{layer}" if len(self._layers(range(len(self.maps)))) > 1 and not file_format.holds_named_maps else ""

    def stack_name(self, map_: LayerMap) -> str:
        """Return the layer, as its maps are one array."""
        return map_.layer

    def refuse_together(self, file_format: Format, maps: Sequence[int]) -> None:
        """Raise ArgumentError where one output cannot hold these maps."""
        super().refuse_together(file_format, maps)
        layers = self._layers(maps)
        if self.sheet is None and len(layers) > 1 and not file_format.holds_named_maps:
            raise ArgumentError(
                f"{file_format.name} holds the maps of one layer, and there are {len(layers)}: {', '.join(layers)}; "
                "write .npz, or give a folder or a template with {layer}"
            )

    def _layers(self, maps: Sequence[int]) -> list[str]:
        return list(dict.fromkeys(self.maps[index].layer for index in maps))

    def rule_for(self, map_: LayerMap) -> Range:
        """Return the rule by which a map becomes levels. Auto maps the minimum and maximum of the layer to black and white."""
        return Range("stretch") if self.range.name == "auto" else self.range

    def size_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size that a picture (H, W) is resized to."""
        return self.network.input.size or size if self.resize or self.network.input.prepare else size

    @property
    def preparation(self) -> str:
        """What the input of the network asks for."""
        return self.network.input.prepare

    @property
    def is_of_grey(self) -> bool:
        """Whether a picture in colour becomes grey before its maps are computed."""
        return self.network.input.channels == 1

    def map_shape(self, size: tuple[int, int, int], map_: LayerMap, strict: bool = True) -> tuple[int, int, int]:
        """Return (H', W', 1) of a map of a picture (H, W, C), or (1, n, 1) of a vector. Raises ArgumentError."""
        if strict and size[2] not in (1, self.network.input.channels) and (size[2], self.network.input.channels) != (3, 1):
            raise ArgumentError(
                f"network {self.network.name!r} takes {self.network.input.channels} channels, and the picture has {size[2]}"
            )
        shape = self.model.shape_of(map_.layer, self.size_for(size[:2]))
        height, width = shape[1:] if len(shape) == 3 else (1, shape[0])
        self.check_memory(height, width)
        return height, width, 1


class _Verbatim(str):
    """A text that is its own repr, as digests are made of."""

    __repr__ = str.__str__


RENAMED = {"sources=(": "given=(", "ArraySource(": "Given(", ", inputs=()": "", ", prepare=''": ""}
"""Names in the text of layers, and those of version 0.1.0; fields that it did not have are left out where they are empty."""


def _text_of(value: Any) -> str:
    """Return an input or layers as digests have them: a class or field that is renamed must not make outputs out of date."""
    text = repr(value)
    for name, earlier in RENAMED.items():
        text = text.replace(name, earlier)
    return text
