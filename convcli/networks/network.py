"""A network: its input and its layers in order."""

from msgspec import Struct

from ..drawn import Drawn
from ..errors import ArgumentError, nearest_name
from .layer import Layer, Shape


class Input(Struct, frozen=True):
    """The input of a network: maps of ``channels`` channels, of one size (H, W) or of any (None).

    ``range`` is the value of black and white; None keeps the levels. Then ``mean`` is subtracted from each channel, and the
    result is divided by ``std``.
    """

    channels: int
    size: tuple[int, int] | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def doubt(self) -> str:
        """A warning for mean and std that were measured in another range than the input has, or an empty text.

        >>> Input(3, mean=(0.485, 0.456, 0.406)).doubt
        "its mean is of numbers from 0 to 1, but levels range from 0 to 255 or more; write range = '0..1' there"
        >>> Input(3, range=(0, 1), mean=(0.485, 0.456, 0.406)).doubt
        ''
        """
        names = " and std are" if self.mean and self.std else " is" if self.mean else ""
        subject = f"mean{names}" if self.mean else "std is"
        largest = max((abs(number) for number in (*self.mean, *self.std) if number != 1), default=0.0)
        if self.range is None and 0 < largest < 1:
            return f"its {subject} of numbers from 0 to 1, but levels range from 0 to 255 or more; write range = '0..1' there"
        if self.range is not None and largest > 2 * max(map(abs, self.range)):
            low, high = self.range
            return (
                f"its {subject} of larger numbers than its range {low:g}..{high:g} gives; leave the range out, or write 0..255"
            )
        return ""


class Network(Drawn, Struct, frozen=True):
    """Layers in order: each takes the output of the one before."""

    name: str
    input: Input
    layers: tuple[Layer, ...]
    about: str = ""
    source: str = ""

    def shape_for(self, size: tuple[int, int]) -> Shape:
        """Return (C, H, W) for an input of that size. Raises ArgumentError where the network takes another size."""
        if self.input.size not in (None, size):
            height, width = self.input.size
            raise ArgumentError(
                f"network {self.name!r} takes pictures of {width} x {height} pixels, and gets {size[1]} x {size[0]}; "
                "resize it, or let --resize do so"
            )
        return self.input.channels, *size

    def layer_named(self, name: str) -> int:
        """Return the index of a layer. Raises ArgumentError, with the nearest name."""
        names = [layer.name for layer in self.layers]
        if name not in names:
            hint = nearest_name(name, names) or f"; there are {', '.join(names)}"
            raise ArgumentError(f"network {self.name!r} has no layer {name!r}{hint}")
        return names.index(name)
