"""The layer, or the layers, that each ONNX operator becomes.

A converter takes the builder of the graph and a node, adds layers, and returns the output. It raises Unsupported for what no
layer computes. A number beside maps, or one for each channel, becomes part of an ``affine`` or a ``scale`` layer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from ..networks.convolutions import Conv, Transposed
from ..networks.depthwise import Depthwise
from ..networks.elementwise import (
    Activation,
    Affine,
    BatchNorm,
    Clip,
    Dense,
    Elu,
    Flatten,
    Gelu,
    InstanceNorm,
    LeakyRelu,
    LocalResponseNorm,
    PRelu,
    Scale,
    Softmax,
)
from ..networks.joins import Add, Concat, Multiply
from ..networks.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, LpPool, MaxPool, Pool
from ..networks.rearranging import Pad, PixelShuffle, Resize, Upsample
from .onnx_builder import GraphBuilder
from .onnx_values import Constant, Node, Output, Unsupported

Convert = Callable[[GraphBuilder, Node], Output]
Rule = Callable[[Any], tuple[Any, Any]]

UNBOUNDED = 1e30
"""Limit of a Clip that has none on this side."""


def convert(builder: GraphBuilder, node: Node) -> Output:
    """Add the layers of a node, and return its output. Raises Unsupported."""
    converter = CONVERTERS.get(node.op)
    if converter is None:
        raise Unsupported("is an operator that is no layer here")
    return converter(builder, node)


def _maps(node: Node, place: int = 0) -> Output:
    """Return an input that must be maps, or a vector. Raises Unsupported."""
    value = node.inputs[place] if place < len(node.inputs) else None
    if not isinstance(value, Output):
        raise Unsupported("takes a constant where a layer takes maps")
    return value


def _first_channels(node: Node, place: int = 0) -> Output:
    """Return an input that must be maps with the channels first. Raises Unsupported."""
    value = _maps(node, place)
    if value.channels_last:
        raise Unsupported("takes maps with the channels last")
    return value


def _constant(node: Node, place: int, what: str) -> Constant:
    value = _optional(node, place)
    if value is None:
        raise Unsupported(f"takes its {what} from other nodes")
    return value


def _optional(node: Node, place: int) -> Constant | None:
    """Return an input that is a constant, or None where it is left out. Raises Unsupported."""
    value = node.inputs[place] if place < len(node.inputs) else None
    if isinstance(value, Output):
        raise Unsupported(f"takes input {place} from other nodes")
    return value


def _padding(node: Node) -> Any:
    """Return the padding of a window. Raises Unsupported."""
    word = node.attributes.get("auto_pad", "NOTSET")
    if word in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        return {"SAME_UPPER": "same-upper", "SAME_LOWER": "same-lower", "VALID": "valid"}[word]
    pads = node.attributes.get("pads", [0, 0, 0, 0])
    if len(pads) != 4 or min(pads) < 0:
        raise Unsupported(f"has the padding {list(pads)}, and two axes are padded by at least 0")
    return ((pads[0], pads[2]), (pads[1], pads[3]))


def _pair(node: Node, name: str, default: int = 1) -> tuple[int, int]:
    values = node.attributes.get(name, [default, default])
    if len(values) != 2:
        raise Unsupported(f"slides along {len(values)} axes")
    return values[0], values[1]


def _biases(builder: GraphBuilder, node: Node, place: int) -> dict[str, Any]:
    """Return the fields of a layer about its bias, without those of its weights."""
    bias = _optional(node, place)
    return {"bias": bias is not None, "sources": () if bias is None else (builder.source("bias", bias),)}


def _conv(builder: GraphBuilder, node: Node) -> Output:
    value, weight, fields = _first_channels(node), _constant(node, 1, "weights"), _biases(builder, node, 2)
    shape, groups = builder.constant_shape(weight), node.attributes.get("group", 1)
    if len(shape) != 4:
        raise Unsupported(f"slides along {len(shape) - 2} axes")
    fields |= {
        "size": shape[2:],
        "stride": _pair(node, "strides"),
        "padding": _padding(node),
        "dilation": _pair(node, "dilations"),
    }
    fields["sources"] = (builder.source("weight", weight), *fields["sources"])
    if groups == value.channels > 1 and shape[1] == 1:
        return builder.add(Depthwise, node, (value,), multiplier=shape[0] // groups, **fields)
    return builder.add(Conv, node, (value,), filters=shape[0], groups=groups, **fields)


def _conv_transpose(builder: GraphBuilder, node: Node) -> Output:
    value, weight, fields = _first_channels(node), _constant(node, 1, "weights"), _biases(builder, node, 2)
    shape, groups = builder.constant_shape(weight), node.attributes.get("group", 1)
    if (
        len(shape) != 4
        or "output_shape" in node.attributes
        or node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    ):
        raise Unsupported("has an output shape, automatic padding, or not two axes")
    fields |= {"size": shape[2:], "stride": _pair(node, "strides"), "dilation": _pair(node, "dilations")}
    fields |= {"padding": _padding(node), "output_padding": _pair(node, "output_padding", 0)}
    fields["sources"] = (builder.source("weight", weight), *fields["sources"])
    return builder.add(Transposed, node, (value,), filters=shape[1] * groups, groups=groups, **fields)


def _pool(layer: type[Pool], **facts: Callable[[Node], Any]) -> Convert:
    def converter(builder: GraphBuilder, node: Node) -> Output:
        if layer is AvgPool and _pair(node, "dilations") != (1, 1):
            raise Unsupported("is dilated")
        fields = {name: fact(node) for name, fact in facts.items()}
        fields |= {} if layer is AvgPool else {"dilation": _pair(node, "dilations")}
        sides = {"size": _pair(node, "kernel_shape"), "stride": _pair(node, "strides"), "padding": _padding(node)}
        return builder.add(
            layer, node, (_first_channels(node),), ceil=bool(node.attributes.get("ceil_mode", 0)), **sides, **fields
        )

    return converter


def _plain(layer: type[Any], **facts: Callable[[Node], Any]) -> Convert:
    """Return the converter of an operator that is one layer, with fields from its attributes."""

    def converter(builder: GraphBuilder, node: Node) -> Output:
        value = _maps(node)
        found = builder.add(layer, node, (value,), **{name: fact(node) for name, fact in facts.items()})
        return replace(found, channels_last=value.channels_last)

    return converter


def _activation(function: str) -> Convert:
    return _plain(Activation, function=lambda node: function)


def _prelu(builder: GraphBuilder, node: Node) -> Output:
    value, slope = _maps(node), _constant(node, 1, "slopes")
    shape = builder.constant_shape(slope)
    count = math.prod(shape)
    if count not in (1, value.channels) or max(shape, default=1) != count:
        raise Unsupported(f"has slopes of shape {shape}, and not one for each channel")
    source = builder.source("weight", slope, shape=(count,))
    return replace(builder.add(PRelu, node, (value,), sources=(source,)), channels_last=value.channels_last)


def _batch_norm(builder: GraphBuilder, node: Node) -> Output:
    if node.attributes.get("training_mode", 0):
        raise Unsupported("is in training")
    roles = ("weight", "bias", "mean", "variance")
    sources = tuple(builder.source(role, _constant(node, place, role)) for place, role in enumerate(roles, start=1))
    return builder.add(BatchNorm, node, (_first_channels(node),), sources=sources, epsilon=node.attributes.get("epsilon", 1e-5))


def _instance_norm(builder: GraphBuilder, node: Node) -> Output:
    sources = tuple(builder.source(role, _constant(node, place, role)) for place, role in ((1, "weight"), (2, "bias")))
    return builder.add(
        InstanceNorm, node, (_first_channels(node),), sources=sources, epsilon=node.attributes.get("epsilon", 1e-5)
    )


def _lrn(builder: GraphBuilder, node: Node) -> Output:
    size = node.attributes["size"]
    if size % 2 == 0:
        raise Unsupported(f"sums over {size} channels, and only odd numbers of them are centred here as in ONNX")
    defaults = (("alpha", "alpha", 1e-4), ("beta", "beta", 0.75), ("k", "bias", 1.0))
    fields = {name: node.attributes.get(attribute, default) for name, attribute, default in defaults}
    return builder.add(LocalResponseNorm, node, (_first_channels(node),), size=size, **fields)


def _softmax(builder: GraphBuilder, node: Node) -> Output:
    value, rank = _maps(node), len(_maps(node).shape) + 1
    axis = node.attributes.get("axis", -1 if node.opset >= 13 else 1) % rank
    channel_axis = rank - 1 if value.channels_last else 1
    single = all(length == 1 for length in value.shape[1:])
    if axis != channel_axis or (node.opset < 13 and not (single or axis == rank - 1)):
        raise Unsupported(f"is over axis {axis}, and not over the channels")
    return replace(builder.add(Softmax, node, (value,)), channels_last=value.channels_last)


def _hard_sigmoid(builder: GraphBuilder, node: Node) -> Output:
    slope, shift = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if math.isclose(slope, 1 / 6, rel_tol=1e-6) and shift == 0.5:
        return _activation("hard_sigmoid")(builder, node)
    scaled = builder.add(Scale, node, (_maps(node),), scale=slope, shift=shift)
    return replace(builder.add(Clip, node, (scaled,), low=0.0, high=1.0), channels_last=_maps(node).channels_last)


def _clip(builder: GraphBuilder, node: Node) -> Output:
    limits = [node.attributes.get("min"), node.attributes.get("max")]
    for place in (1, 2):
        constant = _optional(node, place)
        if constant is not None:
            limits[place - 1] = float(builder.array(constant).reshape(()))
    low, high = (default if limit is None else limit for limit, default in zip(limits, (-UNBOUNDED, UNBOUNDED), strict=True))
    low, high = max(low, -UNBOUNDED), min(high, UNBOUNDED)
    if (low, high) == (0, UNBOUNDED):
        return _activation("relu")(builder, node)
    return _plain(Clip, low=lambda _: low, high=lambda _: high)(builder, node)


def _gemm(builder: GraphBuilder, node: Node) -> Output:
    if node.attributes.get("transA", 0):
        raise Unsupported("transposes its input")
    alpha, beta = node.attributes.get("alpha", 1.0), node.attributes.get("beta", 1.0)
    return _dense(builder, node, turned=not node.attributes.get("transB", 0), factors=(alpha, beta), bias=_optional(node, 2))


def _matmul(builder: GraphBuilder, node: Node) -> Output:
    return _dense(builder, node, turned=True, factors=(1.0, 1.0), bias=None)


def _dense(builder: GraphBuilder, node: Node, *, turned: bool, factors: tuple[float, float], bias: Constant | None) -> Output:
    value, weight = _maps(node), _constant(node, 1, "weights")
    if len(value.shape) != 1 or len(builder.constant_shape(weight)) != 2:
        raise Unsupported("multiplies maps by a matrix, which is no layer here")
    sources = [builder.source("weight", weight, axes=(1, 0) if turned else (), factor=factors[0])]
    units = sources[0].shape[0]
    if bias is not None and math.prod(builder.constant_shape(bias)) == units:
        sources.append(builder.source("bias", bias, shape=(units,), factor=factors[1]))
    elif bias is not None:
        raise Unsupported(f"has a bias of shape {builder.constant_shape(bias)}, and not one number for each of {units} sums")
    return builder.add(Dense, node, (value,), units=units, bias=bias is not None, sources=tuple(sources))


def _join(layer: type[Any]) -> Convert:
    def converter(builder: GraphBuilder, node: Node) -> Output:
        values = [_maps(node, place) for place in range(len(node.inputs))]
        orders = {value.channels_last for value in values if len(value.shape) == 3}
        if len(orders) > 1:
            raise Unsupported("joins maps with the channels first and last")
        if layer is Concat:
            rank = len(values[0].shape) + 1
            axis = node.attributes.get("axis", 1) % rank
            if axis != (rank - 1 if orders == {True} else 1):
                raise Unsupported(f"joins along axis {axis}, and not along the channels")
        if len(values) == 1:
            return values[0]
        return replace(builder.add(layer, node, tuple(values)), channels_last=orders == {True})

    return converter


def _arithmetic(scaled: Rule, reverse: Rule | None, join: Convert | None) -> Convert:
    """Return the converter of x + c and the like: ``scaled`` and ``reverse`` give scale and shift of x for a constant c.

    ``reverse`` is for c + x; ``join`` is the converter for two maps. None: there is none.
    """

    def converter(builder: GraphBuilder, node: Node) -> Output:
        first, second = node.inputs[0], node.inputs[1]
        if isinstance(first, Output) and isinstance(second, Output):
            if join is None:
                raise Unsupported("takes two maps")
            return join(builder, node)
        value, constant, rule = (first, second, scaled) if isinstance(first, Output) else (second, first, reverse)
        if rule is None or not isinstance(constant, Constant) or not isinstance(value, Output):
            raise Unsupported("takes a constant first")
        if node.op == "Add" and (merged := _with_bias(builder, node, value, constant)) is not None:
            return merged
        return _scaled(builder, node, value, *rule(_per_channel(builder, value, constant)))

    return converter


def _per_channel(builder: GraphBuilder, value: Output, constant: Constant) -> Any:
    """Return a constant as a number, or as one for each channel (C,). Raises Unsupported."""
    shape = builder.constant_shape(constant)
    count = math.prod(shape)
    rank = len(value.shape)
    axis = 1 if value.channels_last or rank == 1 else rank  # of the channels, from the end
    fits = count == value.channels and len(shape) >= axis and shape[len(shape) - axis] == count
    if count != 1 and not fits:
        raise Unsupported(f"takes a constant of shape {shape}, and not one number for each of {value.channels} channels")
    array = builder.array(constant).astype(np.float64)
    return array.reshape(()) if count == 1 else array.reshape(-1)


def _scaled(builder: GraphBuilder, node: Node, value: Output, scale: Any, shift: Any) -> Output:
    scale, shift = np.asarray(scale, np.float64), np.asarray(shift, np.float64)
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        raise Unsupported("divides by 0, or takes a constant that is not finite")
    if not scale.ndim and not shift.ndim:
        found = builder.add(Scale, node, (value,), scale=float(scale), shift=float(shift))
    else:
        arrays = (np.broadcast_to(numbers, value.channels).copy() for numbers in (scale, shift))
        sources = tuple(builder.given(role, array) for role, array in zip(("weight", "bias"), arrays, strict=True))
        found = builder.add(Affine, node, (value,), sources=sources)
    return replace(found, channels_last=value.channels_last)


def _with_bias(builder: GraphBuilder, node: Node, value: Output, constant: Constant) -> Output | None:
    """Make an added constant the bias of the convolution or dense layer before, where nothing else reads that."""
    layer = builder.layer_of(value)
    shape = builder.constant_shape(constant)
    is_alone = builder.reader_count(node, value) == 1
    if (
        not isinstance(layer, Conv | Depthwise | Transposed | Dense)
        or layer.bias
        or not is_alone
        or math.prod(shape) != value.channels
    ):
        return None
    _per_channel(builder, value, constant)
    source = builder.source("bias", constant, shape=(value.channels,))
    return builder.change(value, bias=True, sources=(*layer.sources, source))


def _flatten(builder: GraphBuilder, node: Node) -> Output:
    value = _maps(node)
    if node.attributes.get("axis", 1) % (len(value.shape) + 1) != 1:
        raise Unsupported("flattens other axes than those of maps")
    return _flattened(builder, node, value)


def _flattened(builder: GraphBuilder, node: Node, value: Output) -> Output:
    if len(value.shape) == 1:
        return value
    return builder.add(Flatten, node, (value,), order="hwc" if value.channels_last else "chw")


def _reshape(builder: GraphBuilder, node: Node) -> Output:
    value = _maps(node)
    lengths = list(builder.array(_constant(node, 1, "shape")).ravel())
    whole = [*value.shape[1:], value.shape[0]] if value.channels_last else list(value.shape)
    if len(lengths) == 2 and lengths[0] in (1, 0, -1, None) and lengths[1] in (-1, None, _product(whole)):
        return _flattened(builder, node, value)
    copied = [whole[place - 1] if length == 0 and 0 < place <= len(whole) else length for place, length in enumerate(lengths)]
    if len(copied) == len(whole) + 1 and all(mine in (theirs, -1) for mine, theirs in zip(copied[1:], whole, strict=True)):
        return value
    if len(value.shape) == 1 and len(copied) == 4 and copied[1] in (value.shape[0], -1) and copied[2:] == [1, 1]:
        return value  # a vector, which joins take as maps of one pixel
    raise Unsupported(f"gives the shape {lengths}, which is neither that of maps nor that of a vector")


def _product(lengths: Sequence[int | None]) -> int | None:
    return None if None in lengths else math.prod(length for length in lengths if length is not None)


def _squeeze(builder: GraphBuilder, node: Node) -> Output:
    value = _maps(node)
    if len(value.shape) == 3 and value.shape[1:] == (1, 1):
        return _flattened(builder, node, value)
    raise Unsupported("removes axes of maps that are not of one pixel")


def _unsqueeze(builder: GraphBuilder, node: Node) -> Output:
    value = _maps(node)
    if len(value.shape) == 1:
        return value
    raise Unsupported("adds axes to maps")


def _transpose(builder: GraphBuilder, node: Node) -> Output:
    value, order = _maps(node), list(node.attributes.get("perm", []))
    if order == [0, 3, 1, 2] and value.channels_last:
        return replace(value, channels_last=False)
    if order == [0, 2, 3, 1] and not value.channels_last and len(value.shape) == 3:
        return replace(value, channels_last=True)
    if order == list(range(len(order))):
        return value
    raise Unsupported(f"orders the axes as {order}")


def _reduce_mean(builder: GraphBuilder, node: Node) -> Output:
    value = _maps(node)
    axes = node.attributes.get("axes")
    axes = builder.array(_constant(node, 1, "axes")).ravel().tolist() if axes is None else axes
    places = {1, 2} if value.channels_last else {2, 3}
    if len(value.shape) != 3 or {axis % 4 for axis in axes} != places:
        raise Unsupported("takes means over other axes than rows and columns")
    found = builder.add(GlobalAvgPool, node, (value,))
    if not node.attributes.get("keepdims", 1):
        return _flattened(builder, node, found)
    return replace(found, channels_last=value.channels_last)


def _pad(builder: GraphBuilder, node: Node) -> Output:
    value, mode = _maps(node), node.attributes.get("mode", "constant")
    pads = node.attributes.get("pads")
    pads = builder.array(_constant(node, 1, "padding")).ravel().tolist() if pads is None else list(pads)
    number = node.attributes.get("value", 0.0)
    if (given := _optional(node, 2)) is not None:
        number = float(builder.array(given).reshape(()))
    if len(node.inputs) > 3 or len(pads) != 8 or len(value.shape) != 3 or mode not in ("constant", "reflect", "edge", "wrap"):
        raise Unsupported("pads other axes than rows and columns, or in an unknown mode")
    rows, columns = (1, 2) if value.channels_last else (2, 3)
    others = [pads[axis + end] for axis in range(4) for end in (0, 4) if axis not in (rows, columns)]
    if any(others) or min(pads) < 0:
        raise Unsupported(f"pads by {pads}, and only rows and columns are padded, by at least 0")
    padding = ((pads[rows], pads[rows + 4]), (pads[columns], pads[columns + 4]))
    border = (number or "zero") if mode == "constant" else mode
    return replace(builder.add(Pad, node, (value,), padding=padding, border=border), channels_last=value.channels_last)


def _resize(builder: GraphBuilder, node: Node) -> Output:
    value, mode = _first_channels(node), node.attributes.get("mode", "nearest")
    old = node.op == "Upsample"
    place = 1 if old or len(node.inputs) == 2 else 2
    scales = _optional(node, place) if place < len(node.inputs) else None
    sizes = _optional(node, 3) if len(node.inputs) > 3 else None
    if scales is not None and 0 not in builder.constant_shape(scales):
        lengths = builder.array(scales).ravel().tolist()
        factors = [float(length) for length in lengths[2:]]
    elif sizes is not None and value.shape[1] and value.shape[2]:
        lengths = [1, 1, *builder.array(sizes).ravel().tolist()[2:]]
        factors = [length / size for length, size in zip(lengths[2:], value.shape[1:], strict=True) if length and size]
    else:
        raise Unsupported("has a size that other nodes compute")
    if len(factors) != 2 or list(lengths[:2]) != [1, 1]:
        raise Unsupported(f"enlarges by {lengths}, and only rows and columns can be")
    whole = all(factor.is_integer() and factor >= 1 for factor in factors)
    way = node.attributes.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    if mode == "nearest" and whole and way != "align_corners":
        rounding = node.attributes.get("nearest_mode", "floor" if old else "round_prefer_floor")
        if way == "asymmetric" and rounding != "floor":
            raise Unsupported(f"takes the nearest pixel by {rounding}")
        return builder.add(Upsample, node, (value,), factor=(int(factors[0]), int(factors[1])))
    if mode == "linear" and way in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        corners = way == "align_corners"
        if whole:
            return builder.add(Resize, node, (value,), factor=(int(factors[0]), int(factors[1])), align_corners=corners)
        if value.shape[1] and value.shape[2]:
            size = tuple(int(side * factor) for side, factor in zip(value.shape[1:], factors, strict=True) if side)
            return builder.add(Resize, node, (value,), size=size, align_corners=corners)
    raise Unsupported(f"resizes with mode {mode} and {way} by {factors}")


def _identity(builder: GraphBuilder, node: Node) -> Output:
    return _maps(node)


CONVERTERS: Mapping[str, Convert] = {
    "Add": _arithmetic(lambda c: (1.0, c), lambda c: (1.0, c), _join(Add)),
    "AveragePool": _pool(AvgPool, count_padding=lambda node: bool(node.attributes.get("count_include_pad", 0))),
    "BatchNormalization": _batch_norm,
    "Cast": _identity,
    "Clip": _clip,
    "Concat": _join(Concat),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": lambda builder, node: builder.add(
        PixelShuffle,
        node,
        (_first_channels(node),),
        factor=(node.attributes["blocksize"],) * 2,
        order=node.attributes.get("mode", "DCR").lower(),
    ),
    "Div": _arithmetic(lambda c: (1.0 / c, 0.0), None, None),
    "Dropout": _identity,
    "Elu": _plain(Elu, alpha=lambda node: node.attributes.get("alpha", 1.0)),
    "Erf": _activation("erf"),
    "Flatten": _flatten,
    "Gelu": _plain(Gelu, approximate=lambda node: node.attributes.get("approximate", "none")),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda builder, node: builder.add(GlobalAvgPool, node, (_first_channels(node),)),
    "GlobalMaxPool": lambda builder, node: builder.add(GlobalMaxPool, node, (_first_channels(node),)),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _activation("hard_swish"),
    "Identity": _identity,
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LeakyRelu": _plain(LeakyRelu, slope=lambda node: node.attributes.get("alpha", 0.01)),
    "LpPool": _pool(LpPool, p=lambda node: node.attributes.get("p", 2)),
    "MatMul": _matmul,
    "MaxPool": _pool(MaxPool),
    "Mul": _arithmetic(lambda c: (c, 0.0), lambda c: (c, 0.0), _join(Multiply)),
    "Neg": _plain(Scale, scale=lambda _: -1.0),
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": _activation("relu"),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _activation("sigmoid"),
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Sub": _arithmetic(lambda c: (1.0, -c), lambda c: (-1.0, c), None),
    "Tanh": _activation("tanh"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""The converter of each operator."""
