"""Chooses what a sheet shows of a picture and how large, and makes the groups of its tiles."""

import itertools
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..drawing.layout import THREE_TILES, Grid, columns_of_grid, grid_for, tile_size
from ..drawing.options import NUMBER_CELL, SheetOptions
from ..drawing.sheet import Cell, Group, check_pixels, inset_side
from ..drawing.tile import Tile, can_be_numbered
from ..errors import ArgumentError
from ..images.quantize import RangeStatistics
from ..kernels.kernel import Kernel, kernels_of
from .apply_request import ApplyRequest
from .map_source import MapSource
from .network_request import NetworkRequest
from .request_base import BaseRequest
from .sheet_tiles import entering_tile, kernel_tile, map_tile
from .view_request import WeightsOfLayer, layers_with_weights
from .view_weights import view_layer
from .viewed import DrawnIn

MAX_MAPS = 1024
"""Maps of a sheet, at most: of more the first are shown."""

MAX_KERNELS = 16
"""Kernels of a merged bank, or channels of the kernel of a map, that are shown."""

LEAST_INPUT, LEAST_INSET = 110, 60
"""Sides of tiles in pixels from which the input stands among the maps, and kernels beside their captions."""

INPUT_SIDE = 200
"""Side of an input that stands above the maps."""

MAX_PAIRS = 2
"""Maps up to which each has a row, in which its kernel is as large as itself."""

PAIR_COLUMNS = 3


class SheetPlan(Struct, frozen=True, eq=False):
    """The indices of the maps of a sheet, their grid, whether each map is beside its kernel, and notices.

    ``is_grid`` is whether rows and columns are those of a grid of parameters, above which the input has a row of its own.
    """

    maps: tuple[int, ...]
    grid: Grid
    in_pairs: bool
    is_grid: bool
    notices: tuple[str, ...]


def plan_sheet(request: BaseRequest, options: SheetOptions, source: MapSource, maps: tuple[int, ...]) -> SheetPlan:
    """Return the plan of a sheet, before a map is computed.

    Raises ArgumentError where --numbers has no room, where tiles are too large, and where a map cannot be computed.
    """
    shown, notices = maps[:MAX_MAPS], list[str]()
    if len(maps) > MAX_MAPS:
        notices.append(f"--sheet shows the first {MAX_MAPS} of {len(maps)} maps")
    size = source.image.size
    shapes = [size, *(request.map_shape(size, request.maps[index]) for index in shown)]
    kernels: list[Kernel] = []
    if isinstance(request, ApplyRequest):
        kernels = [kernel for index in shown for kernel in kernels_of(request.maps[index])]
    in_pairs = bool(kernels) and len(shown) <= MAX_PAIRS
    if options.numbers:
        options = with_room(options, shapes, [kernel.shape for kernel in kernels if in_pairs], notices)
    columns = columns_of_grid([request.maps[index].name for index in shown]) if kernels and options.columns is None else None
    grid = _grid(request, options, shapes, shown, in_pairs, columns)
    height, width = tile_size(shapes, grid.side, options.scale)
    check_pixels(len(shapes) * height * width)
    return SheetPlan(shown, grid, in_pairs, columns is not None, tuple(notices))


def _grid(
    request: BaseRequest,
    options: SheetOptions,
    shapes: list[tuple[int, int, int]],
    maps: tuple[int, ...],
    in_pairs: bool,
    columns: int | None,
) -> Grid:
    if in_pairs:
        return grid_for([1 + 2 * len(maps)], [*shapes, (1, 1)], options, PAIR_COLUMNS)  # a kernel may be a square
    if isinstance(request, ApplyRequest):
        grid = grid_for([1 + len(maps)], shapes, options, columns)
        if grid.side >= LEAST_INPUT and columns is None:
            return grid
        groups = [len(maps)] * (1 if grid.side >= LEAST_INSET else 2)
    else:
        groups = [len(list(indices)) for _, indices in itertools.groupby(maps, key=lambda index: request.maps[index].layer)]
    return grid_for(groups, shapes[1:], options, columns, further=INPUT_SIDE + 80 * len(groups))


def with_room(
    options: SheetOptions, shapes: list[tuple[int, int, int]], kernels: list[tuple[int, ...]], notices: list[str]
) -> SheetOptions:
    """Return options whose tiles have room for numbers in pixels.

    Raises ArgumentError where no tile is small enough for them, and where the given size of tiles leaves no room.
    """
    options.check_numbers()
    numbered = refuse_without_room([*shapes, *kernels], notices)
    if options.scale is not None:
        return options
    needed = NUMBER_CELL * max(max(shape[:2]) for shape in numbered)
    if options.tile is not None and options.tile < needed:
        raise ArgumentError(f"--numbers needs tiles of at least {needed} pixels here, got --tile {options.tile}")
    return replace(options, tile=options.tile or max(needed, min(THREE_TILES, 2 * needed)))


def refuse_without_room(every: Sequence[tuple[int, ...]], notices: list[str]) -> list[tuple[int, ...]]:
    """Return the shapes of the tiles that numbers can be written into. Adds a notice where there are others.

    Raises ArgumentError where there is none.
    """
    numbered = [shape for shape in every if can_be_numbered(shape)]
    if not numbered:
        raise ArgumentError(
            "--numbers writes into tiles of one channel and at most 16 x 16 samples, and there are none; leave it out, "
            "or filter a smaller picture; 'convcli kernels show' prints the weights of any kernel"
        )
    if len(numbered) < len(every):
        notices.append("--numbers is for tiles of one channel and at most 16 x 16 samples; others have none")
    return numbered


class SheetGroups:
    """Makes the groups of a sheet, and keeps notices and the statistics of its maps. Each map is computed once, not kept."""

    def __init__(self, request: BaseRequest, options: SheetOptions, source: MapSource, plan: SheetPlan) -> None:
        self.request = request
        self.source = source
        self.plan = plan
        self.factor = options.scale
        self.statistics: list[RangeStatistics] = []
        self.notices: list[str] = []

    def groups(self) -> list[Group]:
        """Return the groups. Raises ArgumentError where a map cannot be computed."""
        if isinstance(self.request, NetworkRequest):
            return [self._input_group(), *self._layer_groups(layers_with_weights(self.request.network))]
        if self.plan.in_pairs:
            return [self._pairs()]
        side = self.plan.grid.side
        with_insets = side >= LEAST_INSET
        kernels = [self._kernels(index) for index in self.plan.maps]
        maps = [
            Cell((self._map(index, self._name_in_grid(index)),), tiles if with_insets else ())
            for index, tiles in zip(self.plan.maps, kernels, strict=True)
        ]
        if side >= LEAST_INPUT and not self.plan.is_grid:
            return [Group((self._input(side), *maps), side, factor=self.factor)]
        above = [] if with_insets else [Group(tuple(map(Cell, kernels)), side, "Kernels")]
        return [self._input_group(), *above, Group(tuple(maps), side, "Feature maps", self.factor)]

    def _pairs(self) -> Group:
        side = self.plan.grid.side
        cells: list[Cell | None] = [self._input(side)]
        for position, index in enumerate(self.plan.maps):
            if position and self.plan.grid.columns == PAIR_COLUMNS:
                cells.append(None)  # below the input
            cells += [Cell(self._kernels(index)), Cell((self._map(index),))]
        return Group(tuple(cells), side, factor=self.factor)

    def _layer_groups(self, weights: dict[str, WeightsOfLayer]) -> Iterator[Group]:
        maps = self.request.maps
        for layer, indices in itertools.groupby(self.plan.maps, key=lambda index: maps[index].layer):
            kernels = self._layer_kernels(weights.get(layer))
            cells = []
            for index in indices:
                tile = self._map(index, maps[index].name.removeprefix(f"{layer}-"))
                cells.append(Cell((tile,), kernels.get(maps[index].index, ())))
            height, width = cells[0].tiles[0].shape[:2]
            heading = f"{layer}: {len(cells)} {'map' if len(cells) == 1 else 'maps'} of {width} x {height}"
            yield Group(tuple(cells), self.plan.grid.side, heading, self.factor)

    def _layer_kernels(self, weights: WeightsOfLayer | None) -> dict[int, tuple[Tile, ...]]:
        """Return the kernels of the maps of a layer by their index; none where it has no kernels or its tiles have no room."""
        side = self.plan.grid.side
        if side < LEAST_INSET or weights is None or max(weights.weights.shape[2:], default=1) == 1:
            return {}
        drawn_in, viewed = DrawnIn(inset_side(side)), view_layer(weights)
        if len(viewed.parts) < viewed.count:
            self.notices.append(f"{weights.layer}: only the first {len(viewed.parts)} maps are shown with their kernels")
        return {index: part.tiles(drawn_in)[:MAX_KERNELS] for index, part in enumerate(viewed.parts)}

    def _input_group(self) -> Group:
        side = max(INPUT_SIDE, self.plan.grid.side)
        return Group((self._input(side),), side, factor=self.factor)

    def _input(self, side: int) -> Cell:
        return Cell((entering_tile(self.request, self.source.picture, side, self.factor),))

    def _kernels(self, index: int) -> tuple[Tile, ...]:
        kernels = kernels_of(self.request.maps[index])[:MAX_KERNELS]
        return tuple(kernel_tile(kernel, index) for kernel in kernels)

    def _name_in_grid(self, index: int) -> str:
        """Return the parameters of a map in a grid of one bank, as its name alone may be too long for a caption."""
        names = [self.request.maps[each].name.partition(":") for each in self.plan.maps]
        is_of_one = self.plan.is_grid and len({bank for bank, _, _ in names}) == 1
        name: str = self.request.maps[index].name
        return name.partition(":")[2] if is_of_one else name

    def _map(self, index: int, name: str = "") -> Tile:
        map_ = self.request.maps[index]
        drawn_in = self.plan.grid.side, self.factor
        counted = self.request.is_illustrated
        tile, statistics = map_tile(self.source, map_, drawn_in, counted, name=name or map_.name, index=index)
        self.statistics.append(statistics)
        return tile
