"""Reads the layers of a network in a config file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from ..kernels.weight_layouts import DEPTHWISE_LAYOUT
from ..kernels.weight_suffixes import KERAS_SUFFIXES
from ..kernels.weights import WeightsFile
from ..networks.depthwise import Channelwise
from ..networks.joins import Join
from ..networks.layer import INPUT, Op
from ..networks.network import missing_input
from ..networks.op_registry import OPS
from .field_values import Table, as_flag, as_name, as_text, read_each, short_text
from .kernel_parser import relative
from .layer_keys import Key, keys_of
from .toml_positions import Keys

MAX_LAYERS = 500
"""Largest number of layers in one network."""

MAX_INPUTS = 64
"""Largest number of inputs of a layer; the concatenations of DenseNet-264 have 64."""

WAYS = ("kernel", "bank", "file")
"""Keys that say where weights come from."""


class LayerSpec(Struct, frozen=True):
    """A layer as a config file describes it: its operation, its settings (``said``), its inputs and its weights."""

    keys: Keys
    name: str
    op: Op
    said: Mapping[str, Any]
    kernel: str | WeightsFile | None = None
    arrays: Mapping[str, WeightsFile] = field(default_factory=dict)
    merges: bool = False  # whether the maps of its bank are merged after the layer
    inputs: tuple[str, ...] = ()  # the layers whose outputs it takes; none for the layer before


def read_layers(table: Table, folder: Path) -> tuple[LayerSpec, ...]:
    """Read the layers of a network."""
    values = table.values.get("layers")
    example = '{ op = "conv", filters = 4, size = 5 }'
    if not isinstance(values, list) or not values:
        table.fault(f"must be a list of tables, such as [{example}], got {short_text(values)}", "layers")
        return ()
    for place, value in enumerate(values):
        if not isinstance(value, dict):
            table.fault(f"must be a table, such as {example}, got {short_text(value)}", "layers", place)
            return ()
    if len(values) > MAX_LAYERS:
        table.fault(f"has {len(values)} layers; the limit is {MAX_LAYERS}", "layers")
        return ()
    counts: dict[str, int] = {}
    layers: list[LayerSpec] = []
    for place, value in enumerate(values):
        layer = _read_layer(Table(value, (*table.keys, "layers", place), table.diagnostics), folder, counts)
        if layer is None:
            continue
        earlier = [other.name for other in layers]
        if layer.name in earlier:
            table.fault(f"has the name {layer.name!r} of another layer; give it a name of its own", "layers", place)
        unknown = [name for name in layer.inputs if name not in (INPUT, *earlier)]
        if unknown:
            table.fault(missing_input(unknown[0], (INPUT, *earlier)), "layers", place, "input")
        layers.append(layer)
    return tuple(layers)


def _read_layer(table: Table, folder: Path, counts: dict[str, int]) -> LayerSpec | None:
    if "op" not in table.values:
        table.fault(f"must say its op, one of {', '.join(OPS)}")
        return None
    name = table.choice("op", tuple(OPS))
    if name is None:
        return None
    op = OPS[name]
    counts[name] = counts.get(name, 0) + 1
    own_name = table.read("name", _as_own_name, f"{name}{counts[name]}")
    table.check_keys(("op", "name", *op.keys, *weight_keys(op), "input"))
    explanations = [key for key in WAYS if key in table.values and key in weight_keys(op)]
    if len(explanations) > 1:
        table.fault(f"takes its weights from one place, got {' and '.join(explanations)}", explanations[1])
    _check_needed(table, op, explanations)
    said = {**op.fixed, **_read_said(table, keys_of(name))}
    if "connections" in said:
        _check_connections(table, said)
    arrays = _read_arrays(table, folder, op) if "file" in explanations else {}
    if "bias" in op.defaults:
        said["bias"] = _read_bias(table, explanations, arrays)
    kernel = relative(table.text(explanations[0]), folder) if explanations and explanations[0] != "file" else None
    return LayerSpec(table.keys, own_name, op, said, kernel, arrays, inputs=_read_inputs(table, op))


def _as_own_name(value: Any) -> str:
    name = as_name(value)
    if name == INPUT:
        raise ValueError(f"must not be {INPUT!r}, which is the input of the network")
    return name


def _read_inputs(table: Table, op: Op) -> tuple[str, ...]:
    """Return the names of the layers whose outputs a layer takes."""
    inputs: tuple[str, ...] = table.read("input", _as_inputs, tuple[str, ...]())
    is_join = issubclass(op.layer, Join)
    if is_join and len(inputs) < 2:
        table.fault('joins the outputs of two layers or more; name them, such as input = ["conv1", "conv2"]', "input")
    if not is_join and len(inputs) > 1:
        table.fault(f"takes one input, got {len(inputs)}; join them in a layer before, by concat, add or multiply", "input")
    return inputs


def _as_inputs(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return (as_text(value),)
    if not 1 <= len(value) <= MAX_INPUTS:
        raise ValueError(f"must name from 1 to {MAX_INPUTS} layers, got {len(value)}")
    return read_each(value, as_text, "layer")


def _read_said(table: Table, keys: Mapping[str, Key]) -> dict[str, Any]:
    """Read the settings of a layer, by the names of its fields."""
    values = {name: table.read(name, key.read, None) for name, key in keys.items()}
    return {key.replace("-", "_"): value for key, value in values.items() if value is not None}


def _read_bias(table: Table, explanations: list[str], arrays: Mapping[str, WeightsFile]) -> bool:
    """Return whether a layer has biases: if its file has weights for them; without weights, unless the layer says false."""
    if not explanations:
        return table.read("bias", _as_bias, True)
    if table.values.get("bias") is True or (explanations[0] != "file" and table.values.get("bias", False) is not False):
        table.fault("must be the key of an array in the layer's file, or left out", "bias")
    return "bias" in arrays


def weight_keys(op: Op) -> tuple[str, ...]:
    """Return the keys of an operation that say where its weights come from."""
    if not op.arrays:
        return ()
    layout = ("layout",) if len(op.arrays["weight"][1]) > 1 else ()
    return (*(("kernel", "bank") if op.takes_kernels else ()), "file", *(key for key, _ in op.arrays.values()), *layout)


def _check_needed(table: Table, op: Op, given: list[str]) -> None:
    missing = [key for key in op.required if key not in table.values]
    if "filters" in missing and "connections" in table.values:
        missing.remove("filters")
    if missing and not given:
        explanations = " or ".join(key for key in WAYS if key in weight_keys(op))
        instead = f", or take its weights from {explanations}" if explanations else ""
        table.fault(f"must say its {' and '.join(missing)}{instead}")
    if "file" not in given:
        for key in ("layout", *(key for key, _ in op.arrays.values() if key != "bias")):
            if key in table.values and key in weight_keys(op):
                table.fault("belongs to a file, and there is none", key)


def _check_connections(table: Table, said: dict[str, Any]) -> None:
    count = len(said["connections"])
    if said.get("filters", count) != count:
        table.fault(f"must have a list for each of the {said['filters']} filters, got {count}", "connections")
    if said.get("groups", 1) != 1:
        table.fault("cannot be combined with groups; leave one of them out", "connections")
    said["filters"] = count


def _as_bias(value: Any) -> bool:
    if isinstance(value, str):
        raise ValueError("is the key of an array in a file, and there is none; true or false says whether there are biases")
    return as_flag(value)


def _read_arrays(table: Table, folder: Path, op: Op) -> dict[str, WeightsFile]:
    """Read the file, key and layout of each array of a layer."""
    path = folder / table.text("file")
    order = op.arrays["weight"][1]
    layout = table.read("layout", lambda value: as_text(value).lower(), None)
    full = order.replace("11", "hw")
    if layout is not None and sorted(layout) not in (sorted(full), sorted(order.replace("11", ""))):
        table.fault(f"must name each axis once, by {', '.join(full)}, such as {full}, got {layout!r}", "layout")
        layout = None
    if layout is None and issubclass(op.layer, Channelwise) and path.suffix.lower() in KERAS_SUFFIXES:
        layout = DEPTHWISE_LAYOUT
    arrays: dict[str, WeightsFile] = {}
    for role, (key, _) in op.arrays.items():
        if key in table.values and (role != "bias" or not isinstance(table.values[key], bool)):
            arrays[role] = WeightsFile(path, table.read(key, as_text, None), layout if role == "weight" else None)
        elif role == "weight" and role in op.layer.needs:
            arrays[role] = WeightsFile(path, None, layout)
        elif role in op.layer.needs:
            table.fault(f"must name its {key}, an array of the file")
    return arrays
