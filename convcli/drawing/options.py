"""How a sheet is drawn. Imports no NumPy."""

from msgspec import Struct

from ..errors import ArgumentError

DRAWING_VERSION = 4
"""Increased when the same options give another sheet, so that --skip-existing does not keep old ones."""

NUMBER_CELL = 38
"""Pixels of a sample with its number, at least: six characters fit."""


class SheetOptions(Struct, frozen=True):
    """The options of a sheet. ``tile``, ``scale`` and ``columns`` None are chosen for the number of tiles.

    ``tile`` is the longest side of a tile in pixels, ``scale`` makes N x N pixels of each sample of the input and of maps.
    ``normalize`` is "shared" where the maps of a group share a scale, "each" where each has its own.
    Raises ArgumentError where two options exclude each other, and for a percentile of 50 or less.
    """

    columns: int | None = None
    tile: int | None = None
    scale: int | None = None
    labels: bool = True
    normalize: str = "shared"
    percentile: float = 100.0
    colormap: str | None = None
    numbers: bool = False

    @property
    def version(self) -> str:
        """What identifies how these options are drawn."""
        return f"drawing {DRAWING_VERSION}"

    def __post_init__(self) -> None:
        if self.tile is not None and self.scale is not None:
            raise ArgumentError("--tile and --scale both set the size of tiles; give one of them")
        if not 50 < self.percentile <= 100:
            raise ArgumentError(f"percentile must be above 50 and at most 100, got {self.percentile:g}")

    def check_numbers(self) -> None:
        """Raise ArgumentError where a sample has too few pixels for its number. A terminal of characters needs no pixels."""
        if self.numbers and self.scale is not None and self.scale < NUMBER_CELL:
            raise ArgumentError(f"--numbers needs --scale of at least {NUMBER_CELL}, got {self.scale}")
