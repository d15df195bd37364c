"""Builds the layers of a network from the nodes of an ONNX graph, one by one."""

import functools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from ..errors import ArgumentError, KernelError
from ..networks.layer import INPUT, Array, ArraySource, Layer, Shape
from .onnx_file import Tensors
from .onnx_values import Constant, Missing, Node, Output, Unsupported

LARGE = 1 << 12
"""The rows and columns that stand for a picture of any size. It can be halved twelve times."""


class GraphBuilder:
    """Builds the layers of a network node by node."""

    def __init__(self, path: Path, name: str, graph: Any, opset: int) -> None:
        self.path, self.name, self.opset = path, name, opset
        self.tensors = Tensors(path, graph)
        self.layers: list[Layer] = []
        self.values: dict[str, Output | Constant | Missing] = {"": Missing("")}
        self.readers = Counter(name for node in graph.node for name in node.input)
        self.readers.update(output.name for output in graph.output)
        self._names: set[str] = {INPUT}
        self._by_name: dict[str, int] = {}

    def add(self, layer: type[Layer], node: Node, inputs: tuple[Output, ...], **fields: Any) -> Output:
        """Add a layer, and return its output. Raises Unsupported where it does not accept its inputs."""
        names = tuple(found.layer for found in inputs)
        before = self.layers[-1].name if self.layers else INPUT
        made = layer(name=self._new_name(node), inputs=() if names == (before,) else names, **fields)
        shape = self._shape_after(made, [found.shape for found in inputs])
        self._by_name[made.name] = len(self.layers)
        self.layers.append(made)
        return Output(made.name, shape)

    def change(self, output: Output, **fields: Any) -> Output:
        """Replace fields of the layer that gives an output."""
        place = self._by_name[output.layer]
        self.layers[place] = replace(self.layers[place], **fields)
        return output

    def layer_of(self, output: Output) -> Layer | None:
        """Return the layer that gives an output, None for the input of the network."""
        return self.layers[self._by_name[output.layer]] if output.layer in self._by_name else None

    def reader_count(self, node: Node, value: Output) -> int:
        """Return how many nodes take an input of a node, which has this value, and outputs of the graph that are it."""
        return sum(self.readers[name] for name, found in zip(node.names, node.inputs, strict=True) if found == value)

    def _new_name(self, node: Node) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]+", ".", node.name).strip(".-") or node.op.lower()
        base = base if base[0].isalpha() else f"{node.op.lower()}.{base}"
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base}.{count}"
        self._names.add(name)
        return name

    def _shape_after(self, layer: Layer, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the shape of the output: where sizes are unknown, for one size that stands for all."""
        known = [tuple(LARGE if length is None else length for length in shape) for shape in shapes]
        try:
            entering = layer.joined_shape(known)
            out = layer.out(entering)
            layer.check_sources(entering)
        except ArgumentError as error:
            if all(None not in shape for shape in shapes):
                raise Unsupported(str(error)) from None
            return self._channels_after(layer, shapes)
        if any(None in shape for shape in shapes) and len(out) == 3 and out[1:] != (1, 1):
            return out[0], None, None
        return out

    def _channels_after(self, layer: Layer, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        channels = layer.channels(layer.joined_channels([shape[0] for shape in shapes]))
        if channels is None:
            raise Unsupported("gives a vector whose length depends on the size of the picture")
        return channels, None, None

    def array(self, constant: Constant) -> Array:
        """Return the numbers of a constant."""
        found: Array = constant.array if constant.array is not None else self.tensors.load(constant.tensor)
        return found

    def constant_shape(self, constant: Constant) -> Shape:
        """Return the shape of a constant, whose numbers are not read."""
        return tuple(constant.array.shape) if constant.array is not None else self.tensors.shape(constant.tensor)

    def source(
        self, role: str, constant: Constant, *, axes: tuple[int, ...] = (), shape: Shape | None = None, factor: float = 1.0
    ) -> ArraySource:
        """Return a constant as an array of a layer: with its axes in another order, in a shape, times a factor."""
        stored = self.constant_shape(constant)
        turned = tuple(stored[axis] for axis in axes) if axes else stored
        load = functools.partial(_load, self, constant, axes, shape or turned, factor)
        itemsize = 8 if constant.array is not None else self.tensors.itemsize(constant.tensor)
        return ArraySource(role, shape or turned, f"{self.path.name}#{constant.tensor}", load, itemsize=itemsize)

    def given(self, role: str, values: Array) -> ArraySource:
        """Return numbers that are known already as an array of a layer."""
        return ArraySource(role, values.shape, self.path.name, lambda: values)


def _load(builder: GraphBuilder, constant: Constant, axes: tuple[int, ...], shape: Shape, factor: float) -> Array:
    array = builder.array(constant)
    array = array.astype(np.float64) if array.dtype.kind in "iub" else array
    array = array.transpose(axes) if axes else array
    array = np.array(array.reshape(shape) * factor if factor != 1 else array.reshape(shape), order="C")
    if not np.isfinite(array).all():
        raise KernelError(f"{builder.path.name}#{constant.tensor}: must hold finite numbers")
    return array
