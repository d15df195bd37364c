"""Layers that join several inputs: concat, add and multiply, as networks with branches need them."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ..errors import ArgumentError
from .layer import Array, Layer, Op, Shape, shape_text


class Join(Layer, frozen=True, kw_only=True):
    """A layer of two inputs or more, which computes nothing but what they are together."""

    @classmethod
    def joined_channels(cls, channels: Sequence[int | None]) -> int | None:
        return max((count for count in channels if count is not None), default=None)

    def run(self, x: Array, arrays: Mapping[str, Array], threads: int | None) -> Array:
        return x


class Concat(Join, frozen=True, kw_only=True):
    """The maps of all inputs, one after the other; or their vectors."""

    op: ClassVar[str] = "concat"

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        if len({shape[1:] for shape in shapes}) > 1:
            raise ArgumentError(f"takes maps of one size, or vectors, and gets {_listed(shapes)}")
        return sum(shape[0] for shape in shapes), *shapes[0][1:]

    @classmethod
    def joined_channels(cls, channels: Sequence[int | None]) -> int | None:
        return None if None in channels else sum(count or 0 for count in channels)

    def join(self, inputs: Sequence[Array]) -> Array:
        import numpy as np

        return np.concatenate(inputs)


class Elementwise(Join, frozen=True, kw_only=True):
    """A join of inputs of one shape. A vector, or maps of a single pixel, are repeated over the maps of the others."""

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        largest = max(shapes, key=lambda shape: (len(shape), math.prod(shape)))
        if any(shape not in (largest, largest[:1], (largest[0], 1, 1)) for shape in shapes):
            raise ArgumentError(f"takes inputs of one shape, or some with one pixel, and gets {_listed(shapes)}")
        return largest

    def aligned(self, inputs: Sequence[Array]) -> list[Array]:
        """Return the inputs with as many axes as the largest has."""
        axes = max(x.ndim for x in inputs)
        return [x if x.ndim == axes else x[:, None, None] for x in inputs]


class Add(Elementwise, frozen=True, kw_only=True):
    """The sum of all inputs."""

    op: ClassVar[str] = "add"

    def join(self, inputs: Sequence[Array]) -> Array:
        first, second, *others = self.aligned(inputs)
        out = first + second
        for x in others:
            out = out + x
        return out


class Multiply(Elementwise, frozen=True, kw_only=True):
    """The product of all inputs."""

    op: ClassVar[str] = "multiply"

    def join(self, inputs: Sequence[Array]) -> Array:
        first, second, *others = self.aligned(inputs)
        out = first * second
        for x in others:
            out = out * x
        return out


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(shape_text, shapes))


OPS = {"concat": Op(Concat), "add": Op(Add), "multiply": Op(Multiply)}
