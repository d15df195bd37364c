"""A network: its input and its layers, a chain or a graph."""

import functools
import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from ..drawn import Drawn
from ..errors import ArgumentError, nearest_name
from .layer import INPUT, Array, Layer, Shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


PREPARATIONS = ("digit",)
"""What can be done with a picture before it enters a network."""

INVERT = ("auto", "yes", "no")
"""Whether the ink of a digit is darker than the paper: auto finds out."""


class Input(Struct, frozen=True):
    """The input of a network: maps of ``channels`` channels, of one size (H, W) or of any (None).

    ``range`` is the value of black and white; None keeps the levels. Then ``mean`` is subtracted from each channel, and the
    result is divided by ``std``. ``prepare`` is what is done with a picture before all this: "digit" brings a handwritten digit
    to the form of MNIST.
    """

    channels: int
    size: tuple[int, int] | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    prepare: str = ""

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


class ChannelCounts(NamedTuple):
    """The number of maps that a layer gets, and of those that it gives; None is a vector."""

    before: int | None
    after: int | None


class Network(Drawn, Struct, frozen=True, dict=True):
    """Layers in order: each takes the output of the one before, or those of any earlier ones that it names.

    ``outputs`` are the layers that give the results; none of them: the last layer. ``unfinished`` says why the results cannot
    be computed where the layers are only the first ones of a file.

    ``labels`` are the names of the classes whose numbers it gives.

    A network whose layers have weights is a function: ``network(x)``. Weights are read by the first call, and kept.
    """

    name: str
    input: Input
    layers: tuple[Layer, ...]
    about: str = ""
    source: str = ""
    outputs: tuple[str, ...] = ()
    unfinished: str = ""
    labels: tuple[str, ...] = ()

    def __call__(self, x: "ArrayLike") -> Array:
        """Return the output of the network for maps (C, H, W), or for each of (N, C, H, W).

        x holds the numbers that the first layer gets: ``input.range``, ``mean`` and ``std`` are not applied. The result is
        (C', H', W') or (n,), with N in front where x has it; float64 where x is, else float32. Raises ArgumentError, and
        KernelError for weights that cannot be read.
        """
        names = self.output_layers()
        if len(names) > 1:
            raise ArgumentError(f"network {self.name!r} has several outputs, {', '.join(names)}; call maps(x, [layer, ...])")
        return self.maps(x, names)[names[0]]

    def output_layers(self) -> tuple[str, ...]:
        """Return the names of the layers that give the results. Raises ArgumentError where the network is unfinished."""
        if self.unfinished:
            raise ArgumentError(f"network {self.name!r}: {self.unfinished}")
        return self.outputs or (self.layers[-1].name,)

    def maps(self, x: "ArrayLike", layers: Sequence[str]) -> dict[str, Array]:
        """Return the outputs of layers by their names, each as that of the last layer is. Raises as a call does."""
        import numpy as np

        from ..ops.validation import MAPS, as_real

        pictures = as_real("x", x, MAPS)
        if pictures.shape[-3] != self.input.channels:
            raise ArgumentError(
                f"x must have {self.input.channels} channels for network {self.name!r}, (N, C, H, W) or (C, H, W), "
                f"got shape {pictures.shape}"
            )
        model = self._loaded(tuple(layers))
        model.analyses(pictures.shape[-2:])  # raises where a layer rejects its input
        if pictures.ndim == 3:
            found: dict[str, Array] = model.compute(pictures)
            return found
        outputs = [model.compute(picture) for picture in pictures]
        return {name: np.stack([output[name] for output in outputs]) for name in layers}

    def _loaded(self, layers: tuple[str, ...]) -> Any:
        """Return the layers with their weights. The package that loads them is above this one, and imported when needed."""
        if layers not in self._models:
            self._models[layers] = importlib.import_module("convcli.pipeline.loaded_network").LoadedNetwork(self, layers)
        return self._models[layers]

    @functools.cached_property
    def _models(self) -> dict[tuple[str, ...], Any]:
        return {}

    def shape_for(self, size: tuple[int, int]) -> Shape:
        """Return (C, H, W) for an input of that size. Raises ArgumentError where the network takes another size."""
        if self.input.size not in (None, size):
            height, width = self.input.size
            raise ArgumentError(
                f"network {self.name!r} takes pictures of {width} x {height} pixels, and gets {size[1]} x {size[0]}; "
                "resize it, or let --resize do so"
            )
        return self.input.channels, *size

    def links(self) -> tuple[tuple[int, ...], ...]:
        """Return for each layer the indices of those whose outputs it takes; -1 is the input of the network.

        Raises ArgumentError for a name that is not that of an earlier layer.
        """
        found: dict[str, int] = {INPUT: -1}
        links: list[tuple[int, ...]] = []
        for index, layer in enumerate(self.layers):
            missing = [name for name in layer.inputs if name not in found]
            if missing:
                raise ArgumentError(f"network {self.name!r}: layer {layer.name!r} {missing_input(missing[0], found)}")
            links.append(tuple(found[name] for name in layer.inputs) or (index - 1,))
            found[layer.name] = index
        return tuple(links)

    def channel_counts(self) -> list[ChannelCounts]:
        """Return the channels before and after each layer, which do not depend on the size of the picture."""
        counts: list[ChannelCounts] = []
        for layer, links in zip(self.layers, self.links(), strict=True):
            before = layer.joined_channels([self.input.channels if link < 0 else counts[link].after for link in links])
            counts.append(ChannelCounts(before, layer.channels(before)))
        return counts

    def needed_for(self, names: Iterable[str]) -> list[int]:
        """Return the indices of layers, and of all that they depend on, in order. Raises ArgumentError for an unknown name."""
        links, needed = self.links(), {self.layer_named(name) for name in names}
        for index in reversed(range(len(self.layers))):
            if index in needed:
                needed.update(link for link in links[index] if link >= 0)
        return sorted(needed)

    def layer_named(self, name: str) -> int:
        """Return the index of a layer. Raises ArgumentError, with the nearest name."""
        names = [layer.name for layer in self.layers]
        if name not in names:
            hint = nearest_name(name, names) or f"; there are {', '.join(names)}"
            raise ArgumentError(f"network {self.name!r} has no layer {name!r}{hint}")
        return names.index(name)


def missing_input(name: str, earlier: Iterable[str]) -> str:
    """Return why a layer cannot take the output of a layer of this name."""
    near = nearest_name(name, earlier) or f"; there are {', '.join(earlier)}"
    return f"takes the output of {name!r}, and no layer before it has that name{near}"
