"""Reads the layers of a network in a config file: which operations there are, and what each of them may say."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..kernels.kernel import MAX_SIDE
from ..kernels.weight_files import WeightsFile
from ..networks import convolutions, elementwise, pooling
from ..networks.layer import Layer
from .diagnostics import Keys
from .field_values import (
    Table,
    as_border,
    as_count,
    as_flag,
    as_name,
    as_number,
    as_padding,
    as_sides,
    as_text,
    described,
    read_each,
)
from .kernel_parser import relative

MOST_LAYERS = 500
"""Layers of one network at most."""

Reader = Callable[[Any], Any]

WAYS = ("kernel", "bank", "file")
"""Where weights come from."""


def _size(value: Any) -> tuple[int, int]:
    sides = as_sides("size", value)
    if max(sides) > MAX_SIDE:
        raise ValueError(f"must be at most {MAX_SIDE}, got {described(value)}")
    return sides


def _connections(value: Any) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list) or not value:
        rule = "must be a list of the channels that each filter sees, such as [[0, 1], [1, 2]]"
        raise ValueError(f"{rule}, got {described(value)}")
    return read_each(value, _channels, "filter")


def _channels(row: Any) -> tuple[int, ...]:
    if not isinstance(row, list) or not row:
        raise ValueError(f"must name the channels that it sees, such as [0, 1], got {described(row)}")
    for channel in row:
        if isinstance(channel, bool) or not isinstance(channel, int) or not 0 <= channel <= 65_535:
            raise ValueError(f"must name channels by whole numbers from 0, got {described(channel)}")
    if len(set(row)) < len(row):
        raise ValueError("names a channel twice")
    return tuple(row)


STEPS: Mapping[str, Reader] = {
    "stride": functools.partial(as_sides, "stride"),
    "padding": as_padding,
    "dilation": functools.partial(as_sides, "dilation"),
}
SLIDING: Mapping[str, Reader] = {"size": _size, **STEPS, "border": as_border, "flip": as_flag}
POOLING: Mapping[str, Reader] = {"size": _size, "stride": STEPS["stride"], "padding": as_padding, "ceil": as_flag}
NOTHING: Mapping[str, Reader] = {}


@dataclass(frozen=True)
class Op:
    """An operation: its kind of layer, the keys that it may say and those that it must unless weights tell, and the arrays that
    it takes from a file: for the role of each the key that names it, and its axes, of which those called 1 may be left out.
    ``preset`` is what it says of itself.
    """

    make: type[Layer]
    keys: Mapping[str, Reader] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    arrays: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    kernels: bool = False
    preset: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_bias(self) -> bool:
        """Whether the layer may have a bias or not."""
        return any(one.name == "bias" for one in fields(self.make))


def _activation(function: str) -> Op:
    return Op(elementwise.Activation, preset={"function": function})


BIAS = {"bias": ("bias", "o")}
CONV = {"weight": ("key", "oihw"), **BIAS}
CHANNELWISE = {"weight": ("key", "o"), **BIAS}
OPS: Mapping[str, Op] = {
    "conv": Op(
        convolutions.Conv,
        {"filters": as_count, **SLIDING, "groups": as_count, "connections": _connections},
        ("filters", "size"),
        CONV,
        kernels=True,
    ),
    "depthwise": Op(convolutions.Depthwise, {**SLIDING, "multiplier": as_count}, ("size",), CONV, kernels=True),
    "pointwise": Op(
        convolutions.Conv,
        {"filters": as_count, "stride": STEPS["stride"], "groups": as_count},
        ("filters",),
        {"weight": ("key", "oi11"), **BIAS},
        preset={"size": (1, 1)},
    ),
    "separable": Op(
        convolutions.Separable,
        {"filters": as_count, **SLIDING, "multiplier": as_count},
        ("filters", "size"),
        {**CONV, "pointwise": ("pointwise", "oi11")},
    ),
    "transposed": Op(
        convolutions.Transposed,
        {
            "filters": as_count,
            "size": _size,
            **STEPS,
            "output-padding": functools.partial(as_sides, "output-padding", least=0),
            "groups": as_count,
        },
        ("filters", "size"),
        {"weight": ("key", "iohw"), **BIAS},
    ),
    "max-pool": Op(pooling.MaxPool, {**POOLING, "dilation": STEPS["dilation"]}, ("size",)),
    "avg-pool": Op(pooling.AvgPool, {**POOLING, "count-padding": as_flag}, ("size",)),
    "global-avg-pool": Op(pooling.GlobalAvgPool),
    "upsample": Op(pooling.Upsample, {"factor": functools.partial(as_sides, "factor")}, ("factor",)),
    "relu": _activation("relu"),
    "leaky-relu": Op(elementwise.LeakyRelu, {"slope": as_number}),
    "sigmoid": _activation("sigmoid"),
    "tanh": _activation("tanh"),
    "abs": _activation("abs"),
    "square": _activation("square"),
    "softmax": Op(elementwise.Softmax),
    "local-response-norm": Op(
        elementwise.LocalResponseNorm, {"size": as_count, "alpha": as_number, "beta": as_number, "k": as_number}, ("size",)
    ),
    "affine": Op(elementwise.Affine, arrays=CHANNELWISE),
    "batch-norm": Op(
        elementwise.BatchNorm,
        {"epsilon": as_number},
        arrays={**CHANNELWISE, "mean": ("mean", "o"), "variance": ("variance", "o")},
    ),
    "flatten": Op(elementwise.Flatten),
    "dense": Op(elementwise.Dense, {"units": as_count}, ("units",), {"weight": ("key", "oi"), **BIAS}),
    "rbf": Op(elementwise.Rbf, {"units": as_count}, ("units",), {"weight": ("key", "oi")}),
}
"""Every operation by its name in a config file."""


@dataclass(frozen=True)
class LayerSpec:
    """A layer as a config file describes it: its operation, what it says of it, and where its weights come from."""

    keys: Keys
    name: str
    op: Op
    said: Mapping[str, Any]
    kernel: str | WeightsFile | None = None
    arrays: Mapping[str, WeightsFile] = field(default_factory=dict)
    merges: bool = False  # the maps of its bank are merged after it


def read_layers(table: Table, folder: Path) -> tuple[LayerSpec, ...]:
    """The layers of a network."""
    values = table.values.get("layers")
    example = '{ op = "conv", filters = 4, size = 5 }'
    if not isinstance(values, list) or not values:
        table.fault(f"must be a list of tables, such as [{example}], got {described(values)}", "layers")
        return ()
    for place, value in enumerate(values):
        if not isinstance(value, dict):
            table.fault(f"must be a table, such as {example}, got {described(value)}", "layers", place)
            return ()
    if len(values) > MOST_LAYERS:
        table.fault(f"has {len(values)} layers; the limit is {MOST_LAYERS}", "layers")
        return ()
    counts: dict[str, int] = {}
    layers: list[LayerSpec] = []
    for place, value in enumerate(values):
        layer = _read_layer(Table(value, (*table.keys, "layers", place), table.faults), folder, counts)
        if layer is None:
            continue
        if layer.name in {one.name for one in layers}:
            table.fault(f"has the name {layer.name!r} of another layer; give it a name of its own", "layers", place)
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
    own_name = table.read("name", as_name, f"{name}{counts[name]}")
    table.check_keys(("op", "name", *op.keys, *_sources(op)))
    explanations = [key for key in WAYS if key in table.values and key in _sources(op)]
    if len(explanations) > 1:
        table.fault(f"takes its weights from one place, got {' and '.join(explanations)}", explanations[1])
    _check_needed(table, op, explanations)
    said = {**op.preset, **_read_said(table, op)}
    if "connections" in said:
        _check_connections(table, said)
    arrays = _read_arrays(table, folder, op) if "file" in explanations else {}
    if op.has_bias:
        said["bias"] = _read_bias(table, explanations, arrays)
    kernel = relative(table.text(explanations[0]), folder) if explanations and explanations[0] != "file" else None
    return LayerSpec(table.keys, own_name, op, said, kernel, arrays)


def _read_said(table: Table, op: Op) -> dict[str, Any]:
    """What a layer says of itself, by the names of its fields."""
    values = {key: table.read(key, read, None) for key, read in op.keys.items()}
    return {key.replace("-", "_"): value for key, value in values.items() if value is not None}


def _read_bias(table: Table, explanations: list[str], arrays: Mapping[str, WeightsFile]) -> bool:
    """Whether a layer has biases: those of its file, or, without weights, some unless it says that it has none."""
    if not explanations:
        return table.read("bias", _as_bias, True)
    if table.values.get("bias") is True or (explanations[0] != "file" and isinstance(table.values.get("bias"), str)):
        table.fault("must be the key of an array in the layer's file, or left out", "bias")
    return "bias" in arrays


def _sources(op: Op) -> tuple[str, ...]:
    """The keys that tell where weights come from."""
    if not op.arrays:
        return ()
    layout = ("layout",) if len(op.arrays["weight"][1]) > 1 else ()
    return (*(("kernel", "bank") if op.kernels else ()), "file", *(key for key, _ in op.arrays.values()), *layout)


def _check_needed(table: Table, op: Op, given: list[str]) -> None:
    missing = [key for key in op.needed if key not in table.values]
    if "filters" in missing and "connections" in table.values:
        missing.remove("filters")
    if missing and not given:
        explanations = " or ".join(key for key in WAYS if key in _sources(op))
        instead = f", or take its weights from {explanations}" if explanations else ""
        table.fault(f"must say its {' and '.join(missing)}{instead}")
    if "file" not in given:
        for key in ("layout", *(key for key, _ in op.arrays.values() if key != "bias")):
            if key in table.values and key in _sources(op):
                table.fault("belongs to a file, and there is none", key)


def _check_connections(table: Table, said: dict[str, Any]) -> None:
    count = len(said["connections"])
    if said.get("filters", count) != count:
        table.fault(f"must have a list for each of the {said['filters']} filters, got {count}", "connections")
    if said.get("groups", 1) != 1:
        table.fault("cannot stand beside groups; leave one of them out", "connections")
    said["filters"] = count


def _as_bias(value: Any) -> bool:
    if isinstance(value, str):
        raise ValueError("is the key of an array in a file, and there is none; true or false says whether there are biases")
    return as_flag(value)


def _read_arrays(table: Table, folder: Path, op: Op) -> dict[str, WeightsFile]:
    """The file of each array that is named."""
    path = folder / table.text("file")
    order = op.arrays["weight"][1]
    layout = table.read("layout", lambda value: as_text(value).lower(), None)
    full = order.replace("11", "hw")
    if layout is not None and sorted(layout) not in (sorted(full), sorted(order.replace("11", ""))):
        table.fault(f"must name each axis once, by {', '.join(full)}, such as {full}, got {layout!r}", "layout")
        layout = None
    arrays: dict[str, WeightsFile] = {}
    for role, (key, _) in op.arrays.items():
        if key in table.values and not isinstance(table.values[key], bool):
            arrays[role] = WeightsFile(path, table.read(key, as_text, None), layout if role == "weight" else None)
        elif role == "weight" and role in op.make.needs:
            arrays[role] = WeightsFile(path, None, layout)
        elif role in op.make.needs:
            table.fault(f"must name its {key}, an array of the file")
    return arrays
