"""The keys of layers in a config file: how each is read, its part of the JSON schema, and its meaning.

A key has one meaning for all operations. An exception has its own entry in ``KEYS``, named after the operation and a dot.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ..geometry.whole_numbers import MAX_EXTENT
from ..kernels.kernel import MAX_SIDE
from ..networks.op_registry import OPS
from .field_values import as_border, as_count, as_flag, as_number, as_padding, as_sides, read_each, short_text


class Key(Struct, frozen=True):
    """``read`` returns the value, or raises ValueError with the rule that is broken; ``schema`` accepts the same values."""

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    about: str


def _size(value: Any) -> tuple[int, int]:
    sides = as_sides("size", value)
    if max(sides) > MAX_SIDE:
        raise ValueError(f"must be at most {MAX_SIDE}, got {short_text(value)}")
    return sides


def _connections(value: Any) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list) or not value:
        rule = "must be a list of the channels that each filter sees, such as [[0, 1], [1, 2]]"
        raise ValueError(f"{rule}, got {short_text(value)}")
    return read_each(value, _channels, "filter")


def _channels(row: Any) -> tuple[int, ...]:
    if not isinstance(row, list) or not row:
        raise ValueError(f"must name the channels that it sees, such as [0, 1], got {short_text(row)}")
    for channel in row:
        if isinstance(channel, bool) or not isinstance(channel, int) or not 0 <= channel <= MAX_EXTENT:
            raise ValueError(f"must name channels by whole numbers from 0, got {short_text(channel)}")
    if len(set(row)) < len(row):
        raise ValueError("names a channel twice")
    return tuple(row)


def _whole(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": MAX_EXTENT}


def _sides(name: str, about: str) -> Key:
    return Key(functools.partial(as_sides, name), _defined("pair"), about)


def _count(about: str) -> Key:
    return Key(as_count, _whole(1), about)


def _number(about: str) -> Key:
    return Key(as_number, _defined("number"), about)


def _word(words: tuple[str, ...], about: str) -> Key:
    return Key(functools.partial(_one_of, words), {"enum": list(words)}, about)


def _one_of(words: tuple[str, ...], value: Any) -> str:
    if value not in words:
        raise ValueError(f"must be one of {', '.join(words)}, got {short_text(value)}")
    return str(value)


def _flag(about: str) -> Key:
    return Key(as_flag, {"type": "boolean"}, about)


def _defined(name: str) -> dict[str, Any]:
    """Return a reference to a definition in the schema."""
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}


_CHANNELS = {"type": "array", "minItems": 1, "uniqueItems": True, "items": _whole(0)}
_OUTPUT_PADDING = {
    "anyOf": [*_defined("pair")["allOf"], _whole(0), {"type": "array", "minItems": 2, "maxItems": 2, "items": _whole(0)}]
}

KEYS: Mapping[str, Key] = {
    "filters": _count("number of feature maps"),
    "size": Key(_size, _defined("side"), "size of the kernel or window: 3 or [rows, columns]"),
    "stride": _sides("stride", "pixels from one position to the next; for pooling, the window size by default"),
    "padding": Key(as_padding, _defined("padding"), "pixels, or valid, same, same-upper, same-lower, full"),
    "dilation": _sides("dilation", "distance between taps in pixels: 1 for adjacent taps"),
    "border": Key(as_border, _defined("border"), "what the padding holds"),
    "flip": _flag("rotate the kernels by 180 degrees"),
    "groups": _count("number of groups; must divide channels and filters"),
    "connections": Key(
        _connections,
        {"type": "array", "minItems": 1, "items": _CHANNELS},
        "the channels that each filter reads, such as [[0, 1], [1, 2]]; all by default",
    ),
    "multiplier": _count("filters per channel; by default the number that the weights have, or 1"),
    "output-padding": Key(
        functools.partial(as_sides, "output-padding", least=0),
        _OUTPUT_PADDING,
        "rows added at the bottom, columns added at the right",
    ),
    "ceil": _flag("also use a last window that is only partly filled"),
    "count-padding": _flag("whether zeros of the padding count in the mean"),
    "p": _count("the exponent of the norm: 1 for the sum of absolute values, 2 for the root of the sum of squares"),
    "adaptive-avg-pool.size": _sides("size", "number of windows along each axis"),
    "adaptive-max-pool.size": _sides("size", "number of windows along each axis"),
    "resize.size": _sides("size", "rows and columns of the result"),
    "factor": _sides("factor", "number of times that each pixel is repeated along an axis"),
    "align-corners": _flag("whether the centres of the first and the last pixel stay where they are"),
    "pixel-shuffle.order": _word(("crd", "dcr"), "order of the channels: PyTorch's, crd, or the other one of ONNX"),
    "slope": _number("factor for negative values"),
    "elu.alpha": _number("factor for negative values"),
    "approximate": _word(("none", "tanh"), "none for the exact function, or tanh"),
    "scale": _number("the factor of each value"),
    "shift": _number("added to each product"),
    "low": _number("least value"),
    "high": _number("largest value"),
    "flatten.order": _word(("chw", "hwc"), "chw: channel after channel; hwc: pixel after pixel, as in Keras"),
    "local-response-norm.size": _count("number of neighbouring channels"),
    "alpha": _number("weight of the neighbours' squares, divided by size"),
    "beta": _number("the exponent"),
    "k": _number("added before the exponent is applied"),
    "epsilon": _number("added to the variance"),
    "units": _count("number of outputs"),
}
"""All keys except those that name weights."""


def keys_of(op: str) -> dict[str, Key]:
    """Return the keys of an operation, in its order."""
    return {name: KEYS.get(f"{op}.{name}") or KEYS[name] for name in OPS[op].keys}
