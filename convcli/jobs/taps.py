"""What ``run`` asks for: a network, and the layers whose maps are wanted. Light: nothing here imports NumPy."""

import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ConvcliError
from ..images.formats import Format
from ..networks.layer import Given, Layer, Shape
from ..networks.network import Network
from ..networks.trace import Row, trace
from ..ranges import Range
from .memory import Budget, in_words
from .wishes import Wishes

if TYPE_CHECKING:
    from ..images.image import Header, Image
    from ..networks.layer import Array
    from .forward import NetworkResponder
    from .naming import Target

REAL = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Tap:
    """A feature map of a layer, or the vector that it gives (index None)."""

    layer: str
    index: int | None

    @property
    def name(self) -> str:
        """The layer, and which of its maps."""
        return self.layer if self.index is None else f"{self.layer}-{self.index}"


def taps_on(network: Network, names: Sequence[str]) -> tuple[Tap, ...]:
    """The maps of these layers, or of the last one, in the order of the layers. Raises ArgumentError."""
    places = {network.layer_named(name) for name in names} or {len(network.layers) - 1}
    taps: list[Tap] = []
    channels: int | None = network.input.channels
    for place, layer in enumerate(network.layers):
        channels = layer.channels(channels)
        if place in places:
            taps += [Tap(layer.name, index) for index in ([None] if channels is None else range(channels))]
    return tuple(taps)


@dataclass(frozen=True, kw_only=True)
class NetworkRequest(Wishes):
    """One ``run``. Raises ArgumentError when two wishes do not go together, or a layer that is wanted has no weights."""

    maps: tuple[Tap, ...]
    network: Network
    resize: bool = False  # bring each picture to the size that the network takes

    def __post_init__(self) -> None:
        super().__post_init__()
        for layer in self.wanted:
            if layer.lacks_weights:
                raise ArgumentError(
                    f"network {self.network.name!r} can be counted, and not run: layer {layer.name!r} has no weights; give "
                    "each layer a kernel, a bank or a file in a config"
                )

    @functools.cached_property
    def wanted(self) -> tuple[Layer, ...]:
        """The layers up to the last that is tapped."""
        return self.network.layers[: self.network.layer_named(self.maps[-1].layer) + 1]

    @functools.cached_property
    def arrays(self) -> Mapping[str, "Mapping[str, Array]"]:
        """The weights of every wanted layer by role, loaded once. Raises KernelError; ArgumentError where they are too many."""
        given = [array for layer in self.wanted for array in layer.given]
        limit, needed = Budget(self.max_memory).limit, REAL * sum(math.prod(array.shape) for array in given)
        if limit is not None and needed > limit:
            raise ArgumentError(
                f"the weights of network {self.network.name!r} take {in_words(needed)} of memory, and {in_words(limit)} may be "
                "taken; raise that with --max-memory"
            )
        return {layer.name: {array.role: _loaded(array) for array in layer.given} for layer in self.wanted}

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """What tells each map: its place, and the rule that makes levels of it."""
        return tuple(repr((tap.name, self.rule_for(tap))) for tap in self.maps)

    @functools.cached_property
    def facts(self) -> tuple[Any, ...]:
        """The network, and the digest of all its weights."""
        digest = hashlib.sha256()
        for arrays in self.arrays.values():
            for array in arrays.values():
                digest.update(array.astype("<f8").tobytes())
        return self.network.input, self.wanted, digest.hexdigest(), self.resize

    @property
    def tokens(self) -> tuple[str, ...]:
        """The layer, and which of its maps."""
        return "layer", "index"

    def token_values(self, index: int) -> dict[str, str]:
        """Those of one map."""
        tap = self.maps[index]
        return {"layer": tap.layer, "index": str(tap.index or 0)}

    def suffix_in(self, form: Format) -> str:
        """The layer where there are several, and the map where each has an output of its own."""
        if not self.stacks_in(form):
            return "_{layer}-{index}" if len(self.maps) > 1 else ""
        return "_{layer}" if len(self._layers(range(len(self.maps)))) > 1 and form.name != "npz" else ""

    def stack_name(self, one: Tap) -> str:
        """The layer: its maps are one array."""
        return one.layer

    def refuse_together(self, form: Format, maps: Sequence[int]) -> None:
        """Raise ArgumentError where one output cannot hold these maps."""
        super().refuse_together(form, maps)
        layers = self._layers(maps)
        if len(layers) > 1 and form.name != "npz":
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

    def trace(self, size: tuple[int, int]) -> list[Row]:
        """What each wanted layer makes of a picture (H, W). Raises ArgumentError."""
        rows: list[Row] = []
        for row in trace(self.network, self.network.shape_for(self.size_for(size))):
            rows.append(row)
            if len(rows) == len(self.wanted):
                break
        return rows

    def map_shape(self, size: tuple[int, int, int], one: Tap, strict: bool = True) -> tuple[int, int, int]:
        """(H', W', 1) of a map of a picture (H, W, C), (1, n, 1) of a vector. Raises ArgumentError where there can be none."""
        if strict and size[2] not in (1, self.network.input.channels) and (size[2], self.network.input.channels) != (3, 1):
            raise ArgumentError(
                f"network {self.network.name!r} takes {self.network.input.channels} channels, and the picture has {size[2]}"
            )
        shape = self._shapes(size[:2])[one.layer]
        height, width = shape[1:] if len(shape) == 3 else (1, shape[0])
        self.refuse_large(height, width)
        return height, width, 1

    def _shapes(self, size: tuple[int, int]) -> dict[str, Shape]:
        return _shapes(self, size)

    def responder(self, image: "Image") -> "NetworkResponder":
        """What computes the maps of a picture."""
        from .forward import NetworkResponder  # what it needs is heavy to import

        return NetworkResponder(self, image)

    def memory(self, targets: "Sequence[Target]", header: "Header") -> int:
        """Bytes that one picture takes: itself, what a layer takes and gives, and what is kept of the layers before."""
        size = (header.height, header.width)
        image = header.height * header.width * header.channels * header.itemsize
        try:
            rows = self.trace(size)
        except ConvcliError:  # which the picture is told
            return image + header.reading
        tapped = {tap.layer for tap in self.maps}
        kept = most = 0
        passing = math.prod(rows[0].taken)  # what is held for the next layer alone
        for row in rows:
            given = math.prod(row.given)
            most = max(most, kept + passing + given)
            kept, passing = (kept + given, 0) if row.layer.name in tapped else (kept, given)
        return image + max(header.reading, max(most, kept) * max(header.itemsize, REAL))


@functools.lru_cache(maxsize=8)
def _shapes(request: NetworkRequest, size: tuple[int, int]) -> dict[str, Shape]:
    """What each layer gives for a picture of that size."""
    return {row.layer.name: row.given for row in request.trace(size)}


def _loaded(array: Given) -> "Array":
    found = array.load()
    found.flags.writeable = False
    return found
