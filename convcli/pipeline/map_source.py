"""What computes the maps of one picture, whatever they are made of."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..engine.planner import Choice
from ..images.image import Array, Image

Rows: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Response:
    """A feature map: colour (H, W, C) real, and alpha (H, W) real in the image's levels, or None."""

    colour: Array
    alpha: Array | None


@dataclass(frozen=True)
class Explanation:
    """How one kernel is computed on a picture: the choice, the rank of the kernel (0 for one of several channels), and what
    it takes: multiply-adds in all, and bytes beside the picture and the map, for each thread.

    It is told of the whole. A part of a picture with alpha, or of real numbers, may be summed in another way.
    """

    kernel: str
    choice: Choice
    rank: int
    multiply_adds: int
    memory: int


class MapSource(abc.ABC):
    """The maps of one image, row by row as they are asked for. All that it raises is ArgumentError."""

    notices: tuple[str, ...] = ()
    """What is to be told of the picture."""

    def __init__(self, image: Image) -> None:
        self.image = image

    @abc.abstractmethod
    def rows_of(self, one: Any) -> Iterator[Rows]:
        """All rows of a map, as many at a time as are best made together."""

    @abc.abstractmethod
    def compute_map(self, one: Any, rows: Rows | None = None) -> Response:
        """Compute one feature map, or some rows of it."""

    @abc.abstractmethod
    def check(self, one: Any) -> None:
        """See, without computing it, that a map can be computed."""

    def explanations(self, one: Any) -> tuple[Explanation, ...]:
        """How each kernel of a map is computed, where that is to be told."""
        return ()

    def spread_of(self, one: Any) -> tuple[float, float] | None:
        """Minimum and maximum that ``--range stretch`` is to take for a map; None are its own."""
        return None
