"""Networks from ONNX files: each node becomes a layer, a constant, or nothing where it changes no numbers.

Operators: https://onnx.ai/onnx/operators. ``onnx_nodes`` says how each becomes a layer.
"""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..errors import KernelError
from ..networks.layer import INPUT
from ..networks.network import Input, Network
from .onnx_builder import GraphBuilder
from .onnx_file import read_model
from .onnx_fold import attributes_of, fold
from .onnx_nodes import convert
from .onnx_values import Constant, Missing, Node, Output, Unsupported


def read_onnx(path: Path, input_: Input | None = None) -> Network:
    """Return the network of an ONNX file. Weights are read when it runs.

    ``input_`` says the range, the mean and the standard deviation of its input, which a file does not. Nodes that are no
    layers, and all that depends on them, are left out: then ``unfinished`` of the network says why. Raises KernelError.
    """
    try:
        return _read(path, input_)
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None
    except OSError as error:
        raise KernelError(f"{path}: {error.strerror or error}") from None


def _read(path: Path, input_: Input | None) -> Network:
    model = read_model(path)
    graph = model.graph
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    builder = GraphBuilder(path, path.stem, graph, opset)
    for tensor in graph.initializer:
        builder.values[tensor.name] = Constant(tensor.name)
    entries = [value for value in graph.input if value.name not in builder.tensors]
    if len(entries) != 1:
        raise KernelError(f"must have one input, a picture, got {len(entries)}: {', '.join(value.name for value in entries)}")
    shape, channels_last = _input_shape(entries[0])
    builder.values[entries[0].name] = Output(INPUT, shape, channels_last)
    first_missing = ""
    for proto in graph.node:
        reason = _add_node(builder, proto)
        first_missing = first_missing or reason
    if not builder.layers:
        raise KernelError(first_missing or "has no layers")
    outputs = [builder.values.get(output.name) for output in graph.output]
    names = tuple(dict.fromkeys(found.layer for found in outputs if isinstance(found, Output) and found.layer != INPUT))
    complete = bool(names) and all(isinstance(found, Output) for found in outputs)
    if not names and not first_missing:
        raise KernelError("gives its input unchanged")
    unfinished = "" if complete else f"{first_missing}; layers before it can be computed: name one with --tap"
    return Network(path.stem, _entered(input_ or Input(0), shape), tuple(builder.layers), outputs=names, unfinished=unfinished)


def _entered(given: Input, shape: tuple[int | None, ...]) -> Input:
    """Return the input of a file, with what a config says about it. Raises KernelError where they differ."""
    channels, size = shape[0] or 1, tuple(length for length in shape[1:] if length is not None)
    if given.channels not in (0, channels):
        raise KernelError(f"takes {channels} channels, and its input in the config says {given.channels}")
    if len(size) == 2 and given.size not in (None, size):
        raise KernelError(f"takes pictures of {size[1]} x {size[0]} pixels, and its input in the config says another size")
    numbers = {"mean": given.mean, "std": given.std}
    for name, values in numbers.items():
        if len(values) not in (0, 1, channels):
            raise KernelError(f"takes {channels} channels, and its input in the config has {len(values)} in {name}")
        numbers[name] = values * channels if len(values) == 1 else values
    return replace(given, channels=channels, size=(size[0], size[1]) if len(size) == 2 else given.size, **numbers)


def _input_shape(value: Any) -> tuple[tuple[int | None, ...], bool]:
    """Return (C, H, W) of the input, in which None is unknown, and whether the file has the channels last."""
    tensor = value.type.tensor_type
    lengths = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(lengths) != 4:
        raise KernelError(f"must have maps (N, C, H, W) as input, got {len(lengths)} axes")
    channels_last = lengths[1] not in (1, 3, 4) and lengths[3] in (1, 3, 4)
    shape = (lengths[3], *lengths[1:3]) if channels_last else tuple(lengths[1:])
    if shape[0] is None:
        raise KernelError("must say how many channels its input has")
    return shape, channels_last


def _add_node(builder: GraphBuilder, proto: Any) -> str:
    """Add what a node gives to the values. Return why it is missing, for the first node of a chain of missing ones."""
    name = proto.name or (proto.output[0] if proto.output else "")
    inputs: list[Output | Constant | None] = []
    reason = own = ""
    for given in proto.input:
        value = builder.values.get(given) if given else None
        if given and value is None:
            raise KernelError(f"node {name!r} takes {given!r}, which no node before it gives")
        if isinstance(value, Missing):
            reason = reason or value.reason
        else:
            inputs.append(value)
    if not reason:
        node = Node(name, proto.op_type, tuple(proto.input), tuple(inputs), attributes_of(proto), builder.opset)
        try:
            if proto.domain not in ("", "ai.onnx"):
                raise Unsupported(f"is of the domain {proto.domain!r}")
            folded = fold(builder, node, proto)
            builder.values[proto.output[0]] = folded if folded is not None else convert(builder, node)
            for unused in proto.output[1:]:
                if builder.readers[unused]:
                    raise Unsupported(f"has a second output, {unused!r}, that is used")
            return ""
        except Unsupported as error:
            reason = own = f"node {name!r} ({proto.op_type}) {error}"
    for output in proto.output:
        builder.values[output] = Missing(reason)
    return own
