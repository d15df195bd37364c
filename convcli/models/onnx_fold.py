"""Constants of ONNX graphs that are computed from others when a graph is read: the arithmetic of shapes above all."""

from typing import Any

import numpy as np

from .onnx_builder import GraphBuilder
from .onnx_values import Constant, Node, Output, Unsupported

MAX_FOLDED = 1 << 20
"""Numbers of the constants that another is computed from, at most: they are parts of shapes."""


def attributes_of(proto: Any) -> dict[str, Any]:
    """Return the attributes of a node by name; texts as str."""
    import onnx

    found = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        found[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return found


def fold(builder: GraphBuilder, node: Node, proto: Any) -> Constant | None:
    """Return the constant that a node gives, None where it is no constant. Raises Unsupported."""
    if node.op == "Constant":
        return _constant(builder, node, proto)
    if node.op == "Shape" and isinstance(node.inputs[0], Output):
        return Constant(array=_shape_of(node.inputs[0], node))
    if not node.inputs or not all(isinstance(value, Constant) for value in node.inputs if value is not None):
        return None
    arrays = [builder.array(value) if isinstance(value, Constant) else None for value in node.inputs]
    if sum(array.size for array in arrays if array is not None) > MAX_FOLDED:
        raise Unsupported("computes a large constant")
    if any(array is not None and array.dtype == object for array in arrays):
        return Constant(array=_moved(node, arrays))
    return Constant(array=_evaluated(proto, arrays))


def _constant(builder: GraphBuilder, node: Node, proto: Any) -> Constant:
    if "value" in node.attributes:
        builder.tensors.add(proto.output[0], node.attributes["value"])
        return Constant(proto.output[0])
    for name in ("value_float", "value_floats"):
        if name in node.attributes:
            return Constant(array=np.array(node.attributes[name], np.float32))
    for name in ("value_int", "value_ints"):
        if name in node.attributes:
            return Constant(array=np.array(node.attributes[name], np.int64))
    raise Unsupported("holds no numbers")


def _shape_of(value: Output, node: Node) -> Any:
    """Return (1, C, H, W), or (1, C), as the graph orders it; unknown lengths are None."""
    lengths = [*value.shape[1:], value.shape[0]] if value.channels_last else list(value.shape)
    whole = np.array([1, *lengths], object if None in lengths else np.int64)
    return whole[node.attributes.get("start", 0) : node.attributes.get("end", None)]


def _moved(node: Node, arrays: list[Any]) -> Any:
    """Return what an operator gives that moves numbers, some of which are unknown."""
    first, rest = arrays[0], arrays[1:]
    axis = int(node.attributes.get("axis", 0))
    if node.op in ("Cast", "Identity"):
        return first
    if node.op == "Concat":
        return np.concatenate([array.astype(object) for array in arrays], axis)
    if node.op == "Gather":
        return np.asarray(np.take(first, rest[0].astype(np.intp), axis), object)
    if node.op == "Slice":
        starts, ends = (
            node.attributes[name] if name in node.attributes else rest[i] for i, name in enumerate(("starts", "ends"))
        )
        return first[int(np.ravel(starts)[0]) : int(np.ravel(ends)[0])]
    if node.op in ("Squeeze", "Reshape") and first.size == 1:
        return first.reshape(() if node.op == "Squeeze" else (1,))
    if node.op == "Unsqueeze" and first.size == 1:
        return first.reshape(1)
    raise Unsupported("computes with the size of the picture, which is not known")


def _evaluated(proto: Any, arrays: list[Any]) -> Any:
    """Return what a node gives for constants, as the reference of the onnx package computes it."""
    from onnx.reference import ReferenceEvaluator

    names = [name for name in proto.input if name]
    values = [array for array in arrays if array is not None]
    try:
        with np.errstate(all="ignore"):
            evaluator: Any = ReferenceEvaluator(proto)
            found = evaluator.run(None, dict(zip(names, values, strict=True)))[0]
    except Exception as error:  # noqa: BLE001 - the reference raises many kinds, and the node is then a missing one
        raise Unsupported(f"computes a constant that cannot be computed: {str(error).splitlines()[:1]}") from None
    return np.asarray(found)
