"""What was written, or is planned, of an output."""

import itertools
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..images.quantize import RangeStatistics
from .map_source import Explanation, MapSource
from .request_base import BaseRequest
from .tasks import Target

if TYPE_CHECKING:  # imported where a sheet is drawn
    from ..drawing.sheet import TileFacts

Explanations: TypeAlias = dict[int, tuple[Explanation, ...]]
"""How the kernels of maps are computed, by the indices of the maps."""


class Written(Struct, frozen=True):
    """A map, or all maps of a layer, in an output. ``statistics`` is None in a dry run.

    ``maps`` are indices into the maps of the request. ``explanations`` say how their kernels were computed (--explain).
    ``shape`` is (H, W, C); the output has it for each of ``frames``. ``tiles`` are those of a sheet.
    """

    target: Target
    map: str
    shape: tuple[int, ...]
    rule: str
    statistics: RangeStatistics | None = None
    maps: tuple[int, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    frames: int = 1
    tiles: "tuple[TileFacts, ...]" = ()

    def explained(self, explanations: Explanations) -> "Written":
        """Return a copy with the explanations of its maps."""
        return replace(self, explanations=tuple(itertools.chain(*(explanations[index] for index in self.maps))))


def explanations_of(request: BaseRequest, map_source: MapSource, target: Target) -> Explanations:
    """Return how the kernels of the maps of an output are computed."""
    return {index: map_source.explanations(request.maps[index]) for index in target.maps}
