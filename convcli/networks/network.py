"""A network: what it takes, and its layers one after the other."""

from dataclasses import dataclass

from ..errors import ArgumentError, nearest_name
from .layer import Layer, Shape


@dataclass(frozen=True)
class Input:
    """What a network takes: maps of so many channels, of one size or of any (None).

    ``range`` is what black and white become, None leaves levels as they are; then ``mean`` is taken off each channel, and
    what is left divided by ``std``.
    """

    channels: int
    size: tuple[int, int] | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class Network:
    """Layers, each of which takes what the one before gives."""

    name: str
    input: Input
    layers: tuple[Layer, ...]
    about: str = ""
    source: str = ""

    def shape_for(self, size: tuple[int, int]) -> Shape:
        """(C, H, W) of an input of that size. Raises ArgumentError where the network takes another."""
        if self.input.size not in (None, size):
            height, width = self.input.size
            raise ArgumentError(
                f"network {self.name!r} takes pictures of {width} x {height} pixels, and gets {size[1]} x {size[0]}; "
                "resize it, or let --resize do so"
            )
        return self.input.channels, *size

    def layer_named(self, name: str) -> int:
        """The place of a layer. Raises ArgumentError, with the nearest name."""
        names = [layer.name for layer in self.layers]
        if name not in names:
            near = nearest_name(name, names) or f"; there are {', '.join(names)}"
            raise ArgumentError(f"network {self.name!r} has no layer {name!r}{near}")
        return names.index(name)
