"""What the nodes of an ONNX graph take and give while it becomes a network."""

from typing import Any

from msgspec import Struct


class Output(Struct, frozen=True):
    """What a node gives: the output of a layer, and its shape (C, H, W) or (C,), in which None is an unknown length.

    ``channels_last``: the graph has the channels as the last axis of these maps, as TensorFlow does.
    """

    layer: str
    shape: tuple[int | None, ...]
    channels_last: bool = False

    @property
    def channels(self) -> int:
        """The number of channels, which is always known."""
        assert self.shape[0] is not None
        return self.shape[0]


class Constant(Struct, frozen=True, eq=False):
    """A constant of the graph: a tensor by its name, or an array that was computed; None in it is an unknown number."""

    tensor: str = ""
    array: Any = None


class Missing(Struct, frozen=True):
    """The output of a node that is no layer, or of one that depends on it. ``reason`` says which it is, and why."""

    reason: str


class Unsupported(Exception):
    """Raised for a node that cannot be a layer, with the reason."""


class Node(Struct, frozen=True, eq=False):
    """A node: its name in errors, its operator, the names and the values of what it takes, and its attributes.

    The value of an input that is left out is None.
    """

    name: str
    op: str
    names: tuple[str, ...]
    inputs: tuple["Output | Constant | None", ...]
    attributes: dict[str, Any]
    opset: int
