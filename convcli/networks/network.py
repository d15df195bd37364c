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

    @property
    def doubt(self) -> str:
        """What looks like a slip: a mean and a deviation measured in another range than levels have here; else nothing.

        >>> Input(3, mean=(0.485, 0.456, 0.406)).doubt
        "its mean is of numbers from 0 to 1, and levels are taken from 0 to 255 and more; say range = '0..1' there"
        >>> Input(3, range=(0, 1), mean=(0.485, 0.456, 0.406)).doubt
        ''
        """
        names = " and std are" if self.mean and self.std else " is" if self.mean else ""
        told = f"mean{names}" if self.mean else "std is"
        largest = max((abs(number) for number in (*self.mean, *self.std) if number != 1), default=0.0)
        if self.range is None and 0 < largest < 1:
            return f"its {told} of numbers from 0 to 1, and levels are taken from 0 to 255 and more; say range = '0..1' there"
        if self.range is not None and largest > 2 * max(map(abs, self.range)):
            low, high = self.range
            return f"its {told} of larger numbers than its range {low:g}..{high:g} gives; leave the range out, or say 0..255"
        return ""


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
