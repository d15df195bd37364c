"""What is viewed: parts, each of which becomes one cell of a sheet, and the tiles of arrays and pictures."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ..drawing.layout import block_grid
from ..drawing.tile import Tile, drawn_size, tile_of
from ..images.image import Array, Image, as_levels, image_of_samples
from ..images.quantize import finite_extremes
from .sheet_tiles import picture_tile

MAX_PARTS = 1024
"""Cells of a sheet, at most: of more parts the first are shown."""

MAX_CHANNELS = 64
"""Channels of a map or a kernel that are shown side by side."""

MAX_BLOCKS = 4096
"""Channels of all maps or kernels that are shown side by side: of more maps the first are shown."""


class DrawnIn(Struct, frozen=True):
    """The longest side of tiles in pixels, and the factor of --scale."""

    side: int
    factor: int | None = None


class Part(Struct, frozen=True, eq=False):
    """A name, the shape (H, W, C) of what has it, and the function that reads it and returns its tiles.

    Tiles are several where the channels are neither grey nor red, green and blue. The function raises ImageError or
    KernelError. ``file`` is the file, or the layer, whose parts share a scale; empty for kernels.
    """

    name: str
    shape: tuple[int, int, int]
    tiles: Callable[[DrawnIn], tuple[Tile, ...]]
    file: str = ""


class Viewed(Struct, frozen=True, eq=False):
    """The first parts of a file, a bank or a layer, how many there are of which kind, such as "maps", and notices.

    ``digest`` identifies what was viewed.
    """

    name: str
    parts: tuple[Part, ...]
    count: int
    kind: str
    digest: str
    notices: tuple[str, ...] = ()


def without_alpha(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the shape (H, W, C) of the colours of a picture: of two and of four channels the last one is alpha."""
    height, width, channels = shape
    return height, width, {2: 1, 4: 3}.get(channels, channels)


def most_parts(channels: int) -> int:
    """Return how many parts of so many channels are shown."""
    blocks = 1 if channels in (1, 3) else min(channels, MAX_CHANNELS)
    return min(MAX_PARTS, MAX_BLOCKS // blocks)


def tiles_of_array(
    name: str, kind: str, array: Array, drawn_in: DrawnIn, index: int | None = None, shares_scale: bool = False
) -> tuple[Tile, ...]:
    """Return the tiles of numbers (H, W, C) on a scale: one, or one for each of the first channels."""

    def tile(part: Array, side: int, channel: int | None = None) -> Tile:
        drawn = drawn_size(part.shape, side, drawn_in.factor)
        facts = {"index": index, "shares_scale": shares_scale, "channel": channel}
        return tile_of(name, kind, part, drawn, finite_extremes(part), **facts)

    if array.shape[2] in (1, 3):
        return (tile(array, drawn_in.side),)
    side = _side_of_channels(array.shape[2], drawn_in)
    return tuple(tile(array[:, :, [channel]], side, channel) for channel in range(min(array.shape[2], MAX_CHANNELS)))


def tiles_of_image(name: str, image: Image, drawn_in: DrawnIn, index: int | None = None) -> tuple[Tile, ...]:
    """Return the tiles of a picture: in its colours, or one for each of its first channels; of numbers on a scale."""
    if image.white is None:
        return tiles_of_array(name, "map", image.pixels, drawn_in, index)
    if image.size[2] in (1, 3):
        return (picture_tile(name, "picture", image, drawn_in.side, drawn_in.factor),)
    side, channels = _side_of_channels(image.size[2], drawn_in), range(min(image.size[2], MAX_CHANNELS))
    planes = (Image(image.pixels[:, :, [channel]], image.white) for channel in channels)
    tiles = (picture_tile(name, "picture", plane, side, drawn_in.factor) for plane in planes)
    return tuple(replace(tile, channel=channel) for channel, tile in enumerate(tiles))


def _side_of_channels(count: int, drawn_in: DrawnIn) -> int:
    """Return the side of each channel in the square that they fill together."""
    return block_grid(min(count, MAX_CHANNELS), (drawn_in.side, drawn_in.side))[2]


def image_of_array(array: Array) -> Image:
    """Return an array (H, W, C) of any real dtype as an image: of levels where it has 8 or 16 bits, or is boolean."""
    levels, white = as_levels(np.ascontiguousarray(array))
    if white is not None and levels.shape[2] in (2, 4):
        return image_of_samples(levels, white, "NPY")
    return Image(levels, white)
