"""Networks as a config file describes them, and their conversion to networks whose weights are found."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError, KernelError
from ..kernels.arithmetic import laid_over
from ..kernels.kernel import Anchor, middle_of, same_padding
from ..kernels.weight_arrays import array_names, sharing_archives
from ..kernels.weight_files import naming_file
from ..kernels.weight_layouts import DEPTHWISE_LAYOUT
from ..kernels.weight_suffixes import ARCHIVE_SUFFIXES
from ..kernels.weights import WeightsError, WeightsFile
from ..networks.depthwise import Channelwise
from ..networks.layer import INPUT, ArraySource, Layer
from ..networks.network import PREPARATIONS, Input, Network
from ..networks.op_registry import OPS
from ..networks.sliding import Sliding
from ..range_rules import parse_range
from .diagnostics import ConfigError, Fault
from .field_values import Table, as_count, as_number, as_sides, as_text, read_each, short_text
from .layer_spec import LayerSpec, read_layers
from .layer_weights import load_tensor, tensor_header
from .lazy_kernel import Lazy, LazyBank, LazyKernel
from .limits import LimitError
from .toml_positions import Keys

if TYPE_CHECKING:
    import numpy as np

Find = Callable[["str | WeightsFile"], Lazy]
ANY_INPUT = Input(1)

TRIALS = (1 << 10, (1 << 10) - 1, 1 << 24, (1 << 24) - 1, 33, 32)
"""Picture sides on which a network without an input size is tried; the largest have pixels left after 20 poolings."""


class NetworkSpec(Struct, frozen=True):
    """A network whose weights are not yet found. Its layers are its own, or those of a file, ``model``.

    ``weights`` is a file of arrays LAYER.ROLE, for layers that do not say where their weights come from.
    """

    name: str
    keys: Keys
    input: Input
    layers: tuple[LayerSpec, ...]
    about: str = ""
    source: str = ""
    model: Path | None = None
    weights: Path | None = None
    labels: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """The weights files that its layers name directly."""
        named = (layer.kernel for layer in self.layers if isinstance(layer.kernel, WeightsFile))
        own = (WeightsFile(path) for path in (self.weights,) if path is not None)
        return (*named, *(file for layer in self.layers for file in layer.arrays.values()), *own)

    def with_weights(self, path: Path) -> "NetworkSpec":
        """Return the network with all its weights from a file of arrays LAYER.ROLE."""
        layers = (replace(layer, kernel=None, arrays={}) if layer.op.arrays else layer for layer in self.layers)
        return replace(self, weights=path, layers=tuple(layers))

    def refuse_without_arrays(self) -> None:
        """Raise KernelError where the file of weights holds no array of a layer that has some."""
        names = self._weight_keys()
        for layer in self.layers:
            if layer.op.arrays and not any(f"{layer.name}.{role}" in names for role in layer.op.arrays):
                listed = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
                raise KernelError(
                    f"{self.weights}: has no array {layer.name}.{next(iter(layer.op.arrays))} for a layer of network "
                    f"{self.name!r}; it holds {listed or 'none'}"
                )

    def resolve(self, find: Find) -> Network:
        """Return the network. ``find`` looks up the kernels of its layers. Raises Fault, also if a layer rejects its input."""
        if self.model is not None:
            return self._resolve_model(self.model)
        layers: list[Layer] = []
        after: int | None = self.input.channels
        counts: dict[str, int | None] = {INPUT: self.input.channels}
        with sharing_archives():
            keys = self._weight_keys()
            for definition in self.layers:
                before = definition.op.layer.joined_channels([counts[name] for name in definition.inputs] or [after])
                if self.weights is not None:
                    definition = _with_weights(definition, self.weights, keys)  # noqa: PLW2901
                layers.append(resolve_layer(definition, find, before))
                counts[definition.name] = after = layers[-1].channels(before)
        network = Network(self.name, self.input, tuple(layers), self.about, self.source, labels=self.labels)
        self._check(network)
        return network

    def _weight_keys(self) -> frozenset[str]:
        """Return the names of the arrays of ``weights``. Raises Fault."""
        if self.weights is None:
            return frozenset()
        file = WeightsFile(self.weights)
        try:
            with naming_file(file, ARCHIVE_SUFFIXES):
                return frozenset(array_names(file))
        except KernelError as error:
            raise Fault((*self.keys, "weights"), str(error)) from None

    def _resolve_model(self, path: Path) -> Network:
        from ..models.onnx_network import read_onnx  # imports NumPy

        try:
            found = read_onnx(path, self.input)
        except KernelError as error:
            raise Fault((*self.keys, "model"), str(error)) from None
        return replace(found, name=self.name, about=self.about, source=self.source, labels=self.labels)

    def _check(self, network: Network) -> None:
        """Check that every layer accepts its input, as far as that does not depend on the size of the picture. Raises Fault."""
        from ..networks.analysis import first_rejection  # needed only to run a network

        if self.input.size is not None:
            rejection, where = first_rejection(network, self.input.size), ""
        else:  # a layer that rejects all of these sizes rejects any size
            trials = [first_rejection(network, (side, side), any_size=True) for side in TRIALS]
            rejection, where = (trials[0] if all(trials) else None), f"on a picture of {TRIALS[0]} x {TRIALS[0]}: "
        if rejection:
            place, text = rejection
            raise Fault((*self.keys, "layers", place), where + text)


def read_network(table: Table, folder: Path) -> NetworkSpec:
    """Read a [networks.NAME] table."""
    table.check_keys(("about", "source", "input", "layers", "model", "weights", "labels"))
    entry, about, source = _read_input(table), table.text("about"), table.text("source")
    labels: tuple[str, ...] = table.read("labels", _as_labels, tuple[str, ...]())
    if "model" not in table.values:
        weights = folder / table.text("weights") if "weights" in table.values else None
        return NetworkSpec(table.name, table.keys, entry, read_layers(table, folder), about, source, None, weights, labels)
    for key in ("layers", "weights"):
        if key in table.values:
            table.fault(f"has {key} of its own; leave them out, or the model", "model")
    path = folder / table.text("model")
    return NetworkSpec(table.name, table.keys, entry, (), about, source, path, None, labels)


def _as_labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of the names of the classes, such as ['cat', 'dog'], got {short_text(value)}")
    return read_each(value, as_text, "class")


def _read_input(table: Table) -> Input:
    is_model = "model" in table.values
    values = table.values.get("input", {} if is_model else None)
    if not isinstance(values, dict):
        table.fault(f"must be a table, such as {{ channels = 3, size = 227 }}, got {short_text(values)}", "input")
        return ANY_INPUT
    inner = Table(values, (*table.keys, "input"), table.diagnostics)
    inner.check_keys(("channels", "size", "range", "mean", "std", "prepare"))
    if "channels" not in values and not is_model:
        inner.fault("must say how many channels it has, 1 for grey and 3 for colour")
    channels = inner.read("channels", as_count, 0 if is_model else 1)
    each = functools.partial(_each_channel, channels)
    return Input(
        channels,
        inner.read("size", functools.partial(as_sides, "size"), None),
        inner.read("range", _as_limits, None),
        inner.read("mean", each, ()),
        inner.read("std", functools.partial(_scales, each), ()),
        inner.choice("prepare", PREPARATIONS) or "",
    )


def _as_limits(value: Any) -> tuple[float, float]:
    try:
        limits = parse_range(as_text(value)).limits
    except ArgumentError:
        limits = None
    if limits is None:
        raise ValueError(f"must be LO..HI, what black and white become, such as 0..1, got {short_text(value)}")
    return limits


def _each_channel(channels: int, value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    if channels == 0 and values:  # a model says later how many there are
        return read_each(values, as_number, "number")
    if len(values) not in (1, channels):
        raise ValueError(f"must be a number, or one for each of the {channels} channels, got {len(values)}")
    return read_each(values * (channels // len(values)), as_number, "number")


def _scales(each: Callable[[Any], tuple[float, ...]], value: Any) -> tuple[float, ...]:
    found = each(value)
    if not all(number > 0 for number in found):
        raise ValueError(f"must be above 0, got {min(found):g}")
    return found


def _with_weights(definition: LayerSpec, path: Path, keys: frozenset[str]) -> LayerSpec:
    """Return a layer with its arrays in a file of arrays LAYER.ROLE, where it has none of its own."""
    if definition.kernel is not None or definition.arrays:
        return definition
    arrays = {role: WeightsFile(path, f"{definition.name}.{role}") for role in definition.op.arrays}
    found = {role: file for role, file in arrays.items() if file.key in keys}
    said = {**definition.said} | ({"bias": "bias" in found} if "bias" in definition.op.defaults else {})
    return replace(definition, arrays=found, said=said) if found else definition


def resolve_layer(definition: LayerSpec, find: Find, channels: int | None = None) -> Layer:
    """Return a layer whose weights are found, but not loaded. ``channels`` are those of its input, if known. Raises Fault."""
    said = dict(definition.said)
    with _at(definition.keys):
        anchor = None
        if definition.kernel is not None:
            altered = said.get("flip", False) or said.get("dilation", (1, 1)) != (1, 1)
            weight, anchor = _from_kernel(definition, find, altered)
            given: tuple[ArraySource, ...] = (weight,)
        else:
            given = _from_files(definition, channels)
        for array in given:
            for key, value in definition.op.layer.fields_from(array, said.get("groups", 1)).items():
                if said.setdefault(key, value) != value:
                    raise KernelError(f"says {key} = {_spelled(said[key])}, and {array.origin} has {_spelled(value)}")
        layer = definition.op.layer(name=definition.name, sources=given, inputs=definition.inputs, **said)
        if anchor is None or not isinstance(layer, Sliding) or layer.padding != "same":
            return layer
        return replace(layer, padding=same_padding(layer.size, anchor, layer.flip, layer.dilation))


def one_layer(text: str, inputs: int, find: Find, *, channels: str, **sliding: Any) -> Network:
    """Return a network of one layer for a kernel or bank, which filters each channel on its own, or sums over channels.

    Raises KernelError.
    """
    lazy = find(text)
    merge = lazy.bank.merge if isinstance(lazy, LazyBank) else None
    shared = all(len(kernel.shape) == 2 for kernel in lazy.kernels)
    op = OPS["depthwise" if channels == "each" and shared and inputs > 1 else "conv"]
    definition = LayerSpec((), "conv", op, {**sliding, "bias": False}, text, merges=True)
    about = f"{len(lazy.kernels)} kernels, whose maps are merged by {merge} after this" if merge else ""
    return Network(text, Input(inputs), (resolve_layer(definition, find),), about)


def _from_files(definition: LayerSpec, channels: int | None) -> tuple[ArraySource, ...]:
    """Return the arrays of a layer that come from a file. Only their headers are read. Raises Fault."""
    found = []
    seen = 1 if issubclass(definition.op.layer, Channelwise) else channels and channels // definition.said.get("groups", 1)
    for role, file in definition.arrays.items():
        order = definition.op.arrays[role][1]
        try:
            size = (1, 1) if order.endswith("11") else definition.said.get("size")
            inputs = channels if order == "iohw" else seen
            shape, itemsize = tensor_header(file, order, size, inputs)
        except WeightsError as error:
            unsaid = error.about == "layout" and file.layout is None  # then the key names the wrong array
            key = definition.op.arrays[role][0] if file.key is not None else "file"
            about = key if unsaid or error.about == "key" else error.about
            raise Fault((*definition.keys, about), str(error)) from None
        load: Callable[[], Any] = functools.partial(load_tensor, file, order)
        if seen == 1 and file.layout == DEPTHWISE_LAYOUT:  # (channels, filters of each), which are one axis here
            shape = (shape[0] * shape[1], 1, *shape[2:])
            load = functools.partial(_reshaped, load, shape)
        found.append(ArraySource(role, shape, f"@{file}", load, itemsize=itemsize))
    return tuple(found)


def _reshaped(load: Callable[[], Any], shape: tuple[int, ...]) -> Any:
    return load().reshape(shape)


def _from_kernel(definition: LayerSpec, find: Find, altered: bool) -> tuple[ArraySource, Anchor | None]:
    """Return the weights and the anchor of a kernel, or of all kernels of a bank; smaller kernels are padded with zeros.

    Raises KernelError. If they are ``altered``, flipped or dilated, kernels of different sizes cannot be aligned where one
    with an even side has no anchor.
    """
    assert definition.kernel is not None
    lazy = find(definition.kernel)
    origin = str(definition.kernel).strip()
    if isinstance(lazy, LazyBank) and lazy.bank.merge and not definition.merges:
        raise KernelError(f"{origin!r} merges its kernels by {lazy.bank.merge}, and a layer gives a map for each; name those")
    kernels = lazy.kernels
    if len({kernel.shape[2:] for kernel in kernels}) > 1:
        raise KernelError(f"{origin!r} holds kernels of different channels, which make no one layer")
    if altered and len({kernel.shape for kernel in kernels}) > 1:
        even = [kernel.name for kernel in kernels if kernel.anchor is None and not all(side % 2 for side in kernel.shape[:2])]
        if even:
            raise KernelError(
                f"{origin!r} holds kernels of different sizes, and {even[0]!r} has an even side; give it an anchor"
            )
    shape, anchor = laid_over([kernel.shape for kernel in kernels], [kernel.anchor for kernel in kernels])
    load = functools.partial(_load_kernels, origin, kernels, shape, anchor)
    return ArraySource("weight", (len(kernels), *shape[2:], *shape[:2]), origin, load, shared=len(shape) == 2), anchor


def _load_kernels(
    origin: str, kernels: tuple[LazyKernel, ...], shape: tuple[int, ...], anchor: Anchor | None
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    import numpy as np

    weights = np.zeros((len(kernels), *shape))
    above, left = anchor or middle_of(shape)
    for laid, lazy in zip(weights, kernels, strict=True):
        kernel = lazy.compute()
        if kernel.offset:
            raise KernelError(f"{origin!r} adds an offset to its response, which the kernel of a layer cannot")
        (rows, columns), (top, start) = kernel.shape[:2], kernel.anchor_or_middle
        laid[above - top : above - top + rows, left - start : left - start + columns] = kernel.weights
    return np.moveaxis(weights, 3, 1) if weights.ndim == 4 else weights


@contextmanager
def _at(keys: Keys) -> Iterator[None]:
    """Convert a KernelError in this block to a Fault of this layer, or of its file, key or layout if that is wrong."""
    try:
        yield
    except (Fault, ConfigError, LimitError):
        raise
    except WeightsError as error:
        raise Fault((*keys, error.about), str(error)) from None
    except KernelError as error:
        raise Fault(keys, str(error)) from None


def _spelled(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)
