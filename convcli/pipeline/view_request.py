"""What is asked to be viewed. Imports no NumPy, so that start-up is fast."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..errors import ArgumentError
from ..images.file_format import Format
from ..images.formats import MAX_PIXELS
from ..kernels.kernel import Bank, Kernel
from ..kernels.weight_suffixes import ARCHIVE_SUFFIXES
from ..networks.layer import ArraySource
from ..networks.network import Network
from .frame_slice import FrameSlice
from .inputs import Input

if TYPE_CHECKING:  # it is imported with the options of a sheet
    from ..drawing.options import SheetOptions

VIEW_VERSION = 1
"""Increased when the same request gives another picture."""

DOCUMENTS = {"svg": (".svg",), "html": (".html", ".htm")}
"""The files that are no pictures of pixels, by their suffixes."""


class WeightsOfLayer(Struct, frozen=True):
    """The source of the weights of a layer, (O, I, kh, kw), (N, kh, kw), (O, I) or (C,). ``op`` is what the layer does."""

    network: str
    layer: str
    op: str
    weights: ArraySource


def layers_with_weights(network: Network) -> dict[str, WeightsOfLayer]:
    """Return the weights of the layers that have any, by the name of the layer."""
    found = {}
    for layer in network.layers:
        weights = next((source for source in layer.sources if source.role == "weight"), None)
        if weights is not None:
            found[layer.name] = WeightsOfLayer(network.name, layer.name, layer.kind, weights)
    return found


def weights_of(network: Network, names: Sequence[str]) -> tuple[WeightsOfLayer, ...]:
    """Return the weights of layers, or those of the first layer that has any. Raises ArgumentError for a layer without."""
    found = layers_with_weights(network)
    if not found:
        raise ArgumentError(
            f"network {network.name!r} has no weights, so that there are no kernels to view; give its layers a kernel, a bank "
            "or a file in a config"
        )
    for name in names:
        network.layer_named(name)
        if name not in found:
            raise ArgumentError(f"layer {name!r} of network {network.name!r} has no weights; these have: {', '.join(found)}")
    return tuple(found[name] for name in names or list(found)[:1])


def split_key(input_: Input) -> tuple[Path | None, str | None]:
    """Return the path of an input, and the name of an array after #, where the path as a whole does not exist."""
    if input_.source is None or os.path.exists(input_.source):  # noqa: PTH110 - a name may be too long
        return input_.source, None
    path, hash_, key = input_.name.partition("#")
    return (Path(path), key) if hash_ and Path(path).suffix.lower() in ARCHIVE_SUFFIXES else (input_.source, None)


class ViewRequest(Struct, frozen=True, eq=False):
    """Pictures, stacks and arrays, kernels and banks, and layers, in this order, and how they are drawn as one sheet.

    With ``prepared``, the ``invert`` of ``prepare_digit``, the digit that a network gets of each picture is shown beside it.

    ``output`` is empty for a terminal, and "-" for standard output. ``file_format`` is a format of pictures, a key of
    DOCUMENTS, or None for a terminal.
    """

    inputs: tuple[Input, ...]
    kernels: tuple[Kernel | Bank, ...]
    layers: tuple[WeightsOfLayer, ...]
    sheet: "SheetOptions"
    output: str = ""
    file_format: Format | str | None = None
    prepared: str = ""
    axes: str | None = None
    frames: FrameSlice | None = None
    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    strip: bool = False

    def __post_init__(self) -> None:
        if not (self.inputs or self.kernels or self.layers):
            raise ArgumentError("there is nothing to view; name a picture, a stack or an array, or give -k or --network")
        if sum(input_.source is None for input_ in self.inputs) > 1:
            raise ArgumentError("- stands for standard input, which can be read only once")
