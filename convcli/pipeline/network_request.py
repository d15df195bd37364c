"""What ``run`` asks for: a network, and the layers whose maps are wanted. Light: nothing here imports NumPy."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..images.formats import Format
from ..networks.network import Network
from ..range_rules import Range
from .loaded_network import LoadedNetwork, Tap
from .request_base import BaseRequest

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class NetworkRequest(BaseRequest):
    """One ``run``: its maps are those of tapped layers. Raises ArgumentError when two options exclude each other."""

    maps: tuple[Tap, ...]
    model: LoadedNetwork
    resize: bool = False  # bring each picture to the size that the network takes

    @property
    def network(self) -> Network:
        """Whose layers are tapped."""
        return self.model.network

    @property
    def held(self) -> int:
        """Bytes of the weights."""
        return self.model.size

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """What tells each map: its place, and the rule that makes levels of it."""
        return tuple(repr((tap.name, self.rule_for(tap))) for tap in self.maps)

    @functools.cached_property
    def facts(self) -> tuple[Any, ...]:
        """The network, and the digest of all its weights."""
        self.model.load(self.max_memory)
        return self.network.input, self.model.layers, self.model.digest, self.resize

    @property
    def tokens(self) -> tuple[str, ...]:
        """The layer, and which of its maps."""
        return "layer", "index"

    @property
    def apart(self) -> str:
        """Both together give each map an output of its own."""
        return "{layer} and {index}"

    def token_values(self, index: int) -> dict[str, str]:
        """Those of one map; the index with as many digits as the last of its layer has, so that names sort."""
        tap = self.maps[index]
        return {"layer": tap.layer, "index": str(tap.index or 0).zfill(self.model.digits[tap.layer])}

    def suffix_in(self, form: Format) -> str:
        """The layer where there are several, and the map where each has an output of its own."""
        if not self.stacks_in(form):
            return "_{layer}-{index}" if len(self.maps) > 1 else ""
        return "_{layer}" if len(self._layers(range(len(self.maps)))) > 1 and not form.holds_named_maps else ""

    def stack_name(self, one: Tap) -> str:
        """The layer: its maps are one array."""
        return one.layer

    def refuse_together(self, form: Format, maps: Sequence[int]) -> None:
        """Raise ArgumentError where one output cannot hold these maps."""
        super().refuse_together(form, maps)
        layers = self._layers(maps)
        if len(layers) > 1 and not form.holds_named_maps:
            raise ArgumentError(
                f"{form.name} holds the maps of one layer, and there are {len(layers)}: {', '.join(layers)}; write .npz, or "
                "give a folder or a template with {layer}"
            )

    def _layers(self, maps: Sequence[int]) -> list[str]:
        return list(dict.fromkeys(self.maps[index].layer for index in maps))

    def rule_for(self, one: Tap) -> Range:
        """How a map becomes levels: auto brings the least number of the whole layer to black, and the largest to white."""
        return Range("stretch") if self.range.name == "auto" else self.range

    def size_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size that a picture (H, W) is brought to."""
        return self.network.input.size or size if self.resize else size

    def map_shape(self, size: tuple[int, int, int], one: Tap, strict: bool = True) -> tuple[int, int, int]:
        """(H', W', 1) of a map of a picture (H, W, C), (1, n, 1) of a vector. Raises ArgumentError where there can be none."""
        if strict and size[2] not in (1, self.network.input.channels) and (size[2], self.network.input.channels) != (3, 1):
            raise ArgumentError(
                f"network {self.network.name!r} takes {self.network.input.channels} channels, and the picture has {size[2]}"
            )
        shape = self.model.shape_of(one.layer, self.size_for(size[:2]))
        height, width = shape[1:] if len(shape) == 3 else (1, shape[0])
        self.check_memory(height, width)
        return height, width, 1
