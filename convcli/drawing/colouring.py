"""Which scale and which colour map each tile of a group has."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..images.image import Array
from ..images.quantize import finite_extremes
from .colormaps import colormap, paint, paint_rgb
from .options import SheetOptions
from .scale import Scale, positions, scale_of
from .tile import Tile


class ScaleGroup(Struct, frozen=True):
    """What tiles that share a scale have in common.

    ``given`` is the scale of the tiles, where it is not that of their values. ``file`` is the one whose arrays share a scale,
    ``owner`` identifies a tile, or the channels of a kernel, that have a scale of their own; None where tiles share it.
    """

    kind: str
    is_rgb: bool
    signed: bool
    given: Scale | None
    are_levels: bool
    file: str = ""
    owner: Any = None


class Colouring(Struct, frozen=True, eq=False):
    """The scale of a tile, None where nothing is finite, the name of its colour map, and the group that shares them.

    ``of_means`` is whether a tile that shares them is reduced.
    """

    scale: Scale | None
    colormap: str
    group: ScaleGroup
    of_means: bool

    def painted(self, samples: Array) -> Array:
        """Return the colours of samples (h, w, C): (h, w, 3) uint8."""
        if samples.shape[2] == 3:
            return paint_rgb(samples, self.scale)
        return paint(samples[:, :, 0], self.scale, colormap(self.colormap))


FAINT = 0.1
"""Share of a scale that maps must reach over to be told apart from a constant one."""


def notice_of_faint(colourings: dict[Tile, Colouring]) -> str:
    """Return a notice where a quarter of the maps that share a scale reach over less than FAINT of it; else an empty text.

    Maps that are constant are not counted, as no scale shows more of them.
    """
    shared: dict[ScaleGroup, list[Tile]] = {}
    for tile, colouring in colourings.items():
        if tile.kind == "map" and tile.scale is None and colouring.group.owner is None and colouring.scale is not None:
            shared.setdefault(colouring.group, []).append(tile)
    for tiles in shared.values():
        ends = [finite_extremes(tile.samples) or (0.0, 0.0) for tile in tiles]
        low, high = positions(np.array(ends), colourings[tiles[0]].scale).T
        faint = np.count_nonzero((high - low < FAINT) & (high > low))
        if faint * 4 >= len(tiles) > 1:
            reach = f"reach over less than {FAINT:.0%} of the scale"
            return f"{faint} of {len(tiles)} maps {reach}; --normalize each gives each map its own"
    return ""


class Counts(Struct, frozen=True):
    """How many of the samples that are drawn are below the scale, above it, and NaN; and how many of the first are infinite."""

    below: int = 0
    above: int = 0
    unknown: int = 0
    infinite: int = 0


def counts_of(tile: Tile, scale: Scale | None) -> Counts:
    """Count the samples of a tile that are on no scale."""
    low, high = (scale.low, scale.high) if scale else (0.0, 0.0)
    values = tile.samples
    found = (values < low, values > high, np.isnan(values), np.isinf(values))
    return Counts(*(int(np.count_nonzero(samples)) for samples in found))


def colourings_of(tiles: Sequence[Tile], options: SheetOptions) -> dict[Tile, Colouring]:
    """Return the colourings of the tiles of a group that are not colours already.

    Each kernel has a scale of its own with 0 in the middle, and an input of unknown white has its own. Maps that are levels
    share one, and so do the other maps, which is signed if one of them is, and kernels that say so; with ``--normalize each``
    every map and every kernel has its own, which the channels of a kernel share. Maps of different files have
    scales of their own.
    """
    is_shared = options.normalize == "shared"
    signed_files = {tile.file for tile in tiles if tile.kind == "map" and tile.signed and is_shared}
    groups: dict[ScaleGroup, list[Tile]] = {}
    for index, tile in enumerate(tiles):
        if tile.is_picture:
            continue
        signed = (
            tile.signed or tile.kind == "kernel" or (tile.file in signed_files and tile.kind == "map" and not tile.are_levels)
        )
        group = ScaleGroup(tile.kind, tile.is_rgb, signed, tile.scale, tile.are_levels)
        shares = tile.kind == "map" or tile.shares_scale
        if shares and is_shared:
            group = replace(group, file=tile.file)
        elif not shares or tile.scale is None:
            is_of_kernel = tile.kind == "kernel" and tile.channel is not None
            group = replace(group, owner=(tile.file, tile.name, tile.index) if is_of_kernel else index)
        groups.setdefault(group, []).append(tile)
    return {tile: colouring for group, found in groups.items() for tile, colouring in _shared(group, found, options)}


def _shared(group: ScaleGroup, tiles: list[Tile], options: SheetOptions) -> Iterator[tuple[Tile, Colouring]]:
    kind, signed = group.kind, group.signed
    are_whole = kind == "input" or (kind == "kernel" and not tiles[0].shares_scale)
    percentile = 100.0 if are_whole else options.percentile
    scale = group.given or scale_of([tile.samples for tile in tiles], percentile, signed)
    name = options.colormap or ("grey" if group.are_levels else "diverging" if signed else "sequential")
    if group.is_rgb or kind == "input":
        name = "grey"
    of_means = any(tile.samples.shape[:2] != tile.shape[:2] for tile in tiles)
    colouring = Colouring(scale, name, group, of_means)
    return ((tile, colouring) for tile in tiles)
