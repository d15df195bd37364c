"""The lines below tiles, and numbers as they are written in pictures."""

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..kernels.fractions import common_denominator
from .text import cut, drawable, height_of, width_of
from .tile import Tile

NAME_ONLY, SHORT, FULL = 30, 90, 150
"""Sides of tiles in pixels from which captions have a name; a range; a size."""


def number(value: float, digits: int = 4, denominator: int = 1) -> str:
    """Return a number in a few significant digits, up to six of them before the point; or as a fraction.

    >>> number(-1020.0), number(0.33333), number(float("nan")), number(9999.6), number(1234567.0)
    ('-1020', '0.3333', 'NaN', '10000', '1.235e+06')
    >>> number(0.25, denominator=16), number(0.0, denominator=16)
    ('4/16', '0')
    """
    if denominator > 1 and value:
        return f"{round(value * denominator)}/{denominator}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 10**6:
        return str(int(value))
    rounded = f"{value:.{digits}g}"
    return f"{value:.0f}" if 10**digits <= abs(float(rounded)) and abs(value) < 999_999.5 else rounded


def size_of(tile: Tile) -> str:
    """Return the size of what a tile shows: width x height of pictures and maps, rows x columns of kernels, which says so."""
    height, width = tile.shape[:2]
    if tile.kind != "kernel":
        return f"{width} x {height}"
    return f"{height} x {width}" if height == width else rows_and_columns(height, width)


def rows_and_columns(rows: int, columns: int) -> str:
    """Return the size of a kernel in words, as pictures have the width first.

    >>> rows_and_columns(1, 9)
    '1 row x 9 columns'
    """
    return f"{rows} row{'s' if rows > 1 else ''} x {columns} column{'s' if columns > 1 else ''}"


def name_of(tiles: tuple[Tile, ...]) -> str:
    """Return the name of a tile, or the different names of several."""
    return ", ".join(dict.fromkeys(tile.name for tile in tiles))


def count_of(tiles: tuple[Tile, ...]) -> str:
    """Return how many tiles a block has: kernels of a merged bank, or the channels of a kernel, a map or a picture."""
    return f"{len(tiles)} {'kernels' if _are_kernels(tiles) else 'channels'}"


def _are_kernels(tiles: tuple[Tile, ...]) -> bool:
    return tiles[0].kind == "kernel" and tiles[0].name != tiles[-1].name


def range_of(*tiles: Tile) -> str:
    """Return minimum and maximum of what tiles show."""
    finite = [tile for tile in tiles if not math.isnan(tile.minimum)]
    if not finite:
        return "nothing finite"
    low, high = min(tile.minimum for tile in finite), max(tile.maximum for tile in finite)
    return " to ".join(dict.fromkeys((number(low), number(high))))  # one where they are equal


def sizes_for(side: int) -> tuple[int, ...]:
    """Return the sizes of the font in the lines below tiles of a side."""
    return (13, 11, 11) if side >= FULL else (12, 10) if side >= SHORT else (9,) if side >= NAME_ONLY else ()


def caption_height(side: int) -> int:
    """Return the height of the lines below tiles of a side."""
    return sum(map(height_of, sizes_for(side)))


def lines_of(
    tiles: tuple[Tile, ...], kernels: tuple[Tile, ...], side: int, width: int, label: str | None = None
) -> list[tuple[str, int]]:
    """Return the lines below a tile or a block of kernels, each with the size of its font.

    ``kernels`` are drawn beside the lines. A name that does not fit is cut; ``label`` stands in its place where it is given.
    Numbers are not cut: of each line the longest form is taken that fits.
    """
    sizes, tile = sizes_for(side), tiles[0]
    name = drawable(name_of(tiles) if label is None else label)
    lines = [[cut(name, sizes[0], width) if sizes else ""]]
    own_size, own_range = f"{size_of(tile)}{', ' + tile.further if tile.further else ''}", range_of(*tiles)
    if len(sizes) == 2:
        lines.append([own_range])
    elif kernels and len(sizes) == 3:
        first, count = kernels[0], f"{len(kernels)} kernels" if len(kernels) > 1 else "kernel"
        of_kernel = f"{count} {size_of(first)}"
        lines.append([f"{of_kernel}: {range_of(*kernels)}", of_kernel])
        lines.append([f"map {own_size}: {own_range}", f"{size_of(tile)}: {own_range}", own_range])
    else:
        what = "" if tile.kind in ("input", "picture") else f"{tile.kind} "
        if len(tiles) > 1:
            what = f"{count_of(tiles)} "
        lines += [[what + own_size, size_of(tile)], [own_range]]
    return [(_fitting(forms, size, width), size) for forms, size in zip(lines, sizes, strict=False)]


def _fitting(forms: list[str], size: int, width: int) -> str:
    return next((form for form in forms if width_of(form, size) <= width), "")


def values_of_parameters(names: Sequence[str]) -> list[str] | None:
    """Return the names of parameters, then for each name their values; None where the names do not all have the same.

    >>> values_of_parameters(["gabor:theta=0,sigma=2", "gabor:theta=45,sigma=2"])
    ['theta, sigma', '0, 2', '45, 2']
    """
    pairs = [[part.partition("=") for part in name.rpartition(":")[2].split(",")] for name in names]
    keys = {tuple(key for key, _, _ in parts) for parts in pairs}
    if len(keys) != 1 or not all(equals for parts in pairs for _, equals, _ in parts):
        return None
    return [", ".join(keys.pop()), *(", ".join(value for _, _, value in parts) for parts in pairs)]


class NumberFit(Struct, frozen=True):
    """How numbers are written into cells: significant digits, the size of the font, and the denominator of fractions."""

    digits: int
    size: int
    denominator: int = 1


def fit_of(numbers: Iterable[float], width: int, height: int, denominator: int = 1) -> NumberFit | None:
    """Return the fit for cells of a size with most digits, and the largest font with which all numbers fit; None without any.

    Cells of NUMBER_CELL pixels are large enough for any number that is not a fraction.
    """
    numbers = list(numbers)
    for digits in (3, 2, 1):
        texts = {number(value, digits, denominator) for value in numbers}
        longest = max(texts, key=lambda text: width_of(text, 20), default="")
        for size in range(min(22, height // 2), 6, -1):
            if width_of(longest, size) <= width - 6 and height_of(size) <= height:
                return NumberFit(digits, size, denominator)
    return None


def denominator_of(tile: Tile) -> int:
    """Return the common denominator of the weights of a kernel, as ``common_denominator`` does; 1 of other tiles."""
    return common_denominator(tile.numbers.ravel().tolist()) if tile.kind == "kernel" and tile.numbers is not None else 1


def texts_on(tile: Tile, width: int, height: int) -> tuple[list[list[str]], int] | None:
    """Return the texts of the numbers of a tile for cells of a size, and the size of the font; None where they do not fit.

    Weights of a kernel are fractions, such as 1/9, where these fit.
    """
    assert tile.numbers is not None
    values = tile.numbers.ravel().tolist()
    fits = (fit_of(values, width, height, denominator) for denominator in dict.fromkeys((denominator_of(tile), 1)))
    fit = next(filter(None, fits), None)
    if fit is None:
        return None
    return [[number(value, fit.digits, fit.denominator) for value in row] for row in tile.numbers.tolist()], fit.size
