"""The interface of what computes the maps of one picture."""

import abc
from collections.abc import Iterator
from typing import Any, TypeAlias

from msgspec import Struct

from ..engine.planner import Choice
from ..images.image import Array, Image

Rows: TypeAlias = tuple[int, int]


class Response(Struct, frozen=True):
    """A feature map: colour (H, W, C) float, and alpha (H, W) float in the levels of the image, or None."""

    colour: Array
    alpha: Array | None


class Explanation(Struct, frozen=True):
    """How a kernel is computed on a picture.

    ``rank`` is that of the kernel, 0 for a kernel over several channels. ``multiply_adds`` are those of the whole map.
    ``memory`` is in bytes per thread, without the picture and the map. A part of a picture with alpha, or of floats, may be
    computed by another method.
    """

    kernel: str
    choice: Choice
    rank: int
    multiply_adds: int
    memory: int


class MapSource(abc.ABC):
    """Computes the maps of one image on demand, whole or some rows. Raises no error but ArgumentError.

    ``image`` is the picture as it was decoded; its white, alpha and metadata decide how maps are stored. Alpha is applied while
    maps are computed, in ``compute_map``: kernels see colours times alpha, and their response is divided by the alpha that they
    saw. A network sees an image without alpha, and of unknown white where it scales its input. ``picture`` is drawn as the
    input, with its white and its alpha in any case.
    """

    notices: tuple[str, ...] = ()
    """Notices about the picture."""

    is_light: bool = False
    """Whether responses are linear light, which levels store by the curve of sRGB."""

    may_be_light: bool = False
    """Whether they are with --light linear."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.picture = image

    @property
    def white(self) -> int | None:
        """Level of white in responses when they become levels; None where it is unknown."""
        return 1 if self.is_light else self.image.white

    @abc.abstractmethod
    def rows_of(self, map_: Any) -> Iterator[Rows]:
        """Yield (begin, end) of consecutive rows of a map, in chunks that are efficient to compute."""

    @abc.abstractmethod
    def compute_map(self, map_: Any, rows: Rows | None = None) -> Response:
        """Compute a feature map, or its rows (begin, end): what is stored, and what ``at`` traces for each kernel of a bank."""

    @abc.abstractmethod
    def check(self, map_: Any) -> None:
        """Raise ArgumentError for a map that cannot be computed, without computing it."""

    def explanations(self, map_: Any) -> tuple[Explanation, ...]:
        """Return how each kernel of a map is computed, for --explain; empty without it."""
        return ()

    def stretch_limits(self, map_: Any) -> tuple[float, float] | None:
        """Return the minimum and maximum that ``--range stretch`` uses for a map; None for those of the map itself."""
        return None
