"""Prints kernels: a table of several, or the weights and properties of one."""

from typing import TYPE_CHECKING, Any, TypeAlias

import click

from ..kernels.parameters import Value, spelled
from . import output

if TYPE_CHECKING:
    from ..kernels.kernel import Bank, Kernel

Window: TypeAlias = tuple[int, int]
"""Start and end of rows or columns."""

DIGITS = 6
"""Significant digits of weights."""

LEAST_DIGITS = 3
"""Digits at least where a matrix is wide."""


def show_table(rows: list[dict[str, Any]]) -> None:
    """Print kernels and banks as a table, one row each. Where it is too wide, parameters stand before the description."""
    cells = []
    for row in rows:
        if "maps" in row:
            size = f"{row['maps']} map" + ("s" if row["maps"] > 1 else "")
            total, parameters = "", f"{row['merge']} of {len(row['members'])}" if row["merge"] else ""
        else:
            size = "x".join(map(str, row["size"]))
            total, parameters = f"{round(row['sum'], 12):.4g}", parameters_text(row["parameters"])
        cells.append([row["name"], size, total, parameters, row["about"]])
    headings = {"name": "left", "size": "left", "sum": "right", "parameters": "left", "description": "left"}
    if output.width_of([list(headings), *cells]) > output.width():
        del headings["parameters"]
        cells = [[*cell[:3], ": ".join(filter(None, cell[3:]))] for cell in cells]
    output.show_columns(headings, cells, wraps=True)


def parameters_text(parameters: dict[str, Value]) -> str:
    """Return parameters with their values, such as sigma=2, truncate=4."""
    return ", ".join(f"{name}={spelled(value)}" for name, value in parameters.items())


def show_kernels(
    kernel_or_bank: "Kernel | Bank", kernels: "tuple[Kernel, ...]", parameters: dict[str, Value], full: bool
) -> None:
    """Print kernels, with weights on colours where the terminal has them, and their properties.

    Texts are wrapped. Of a matrix that is too wide, the middle is printed; all of it if ``full``.
    """
    merge = getattr(kernel_or_bank, "merge", None)
    if len(kernels) > 1 or merge:
        count = f"{len(kernels)} kernels, {f'merged by {merge}' if merge else 'one map each'}"
        output.print_wrapped(f"{kernel_or_bank.name}: {count}", in_pipes=True)
        output.print_wrapped(kernel_or_bank.about, in_pipes=True)
        click.echo()
    for index, kernel in enumerate(kernels):
        if index:
            click.echo()
        output.print_wrapped(f"{kernel.name}  {' x '.join(map(str, kernel.shape))}", in_pipes=True)
        for heading, text in (("", kernel.about), ("source: ", kernel.source), ("parameters: ", parameters_text(parameters))):
            if text:
                output.print_wrapped(heading + text, in_pipes=True)
        _show_matrix(kernel, full)
        output.print_wrapped(_facts(kernel), in_pipes=True)


def _facts(kernel: "Kernel") -> str:
    facts = f"sum {output.number(round(kernel.sum, 12))}, absolute sum {output.number(kernel.absolute_sum)}"
    facts += f", offset {output.number(kernel.offset)}" if kernel.offset else ""
    facts += f", anchor {list(kernel.anchor)}" if kernel.anchor else ""
    facts += f", range {kernel.range}" if kernel.range else ""
    if len(kernel.shape) == 3:
        return f"{facts}, summed over {kernel.shape[2]} channels"
    rank = kernel.rank
    return f"{facts}, " + ("separable" if rank == 1 else f"not separable (rank {rank})" if rank else "all zero")


def _show_matrix(kernel: "Kernel", full: bool) -> None:
    """Print a kernel (kh, kw), or the C channels of a kernel (kh, kw, C).

    If its numbers are too wide, a terminal with colours shows colours only. If these are too wide too, or if there are none,
    the weights around the middle are printed.
    """
    planes = [kernel.weights] if len(kernel.shape) == 2 else [kernel.weights[:, :, c] for c in range(kernel.shape[2])]
    largest = max(abs(weight) for weight in kernel.numbers) or 1.0
    shape, room = kernel.shape, output.width()
    rows, columns, digits = (0, shape[0]), (0, shape[1]), DIGITS
    if not (full or _numbers_fit(planes, rows, columns, digits, room)):
        if output.has_colours() and 2 * shape[1] <= room:
            digits = 0
        else:
            rows, columns, digits = _largest_window(planes, kernel.anchor_or_middle, room)
    for index, plane in enumerate(planes):
        if len(planes) > 1:
            click.echo(f"channel {index}")
        weights = plane[slice(*rows), slice(*columns)]
        output.print_shaded(_cells(weights, digits), weights / largest)
    if 0 < digits < DIGITS or columns[1] - columns[0] < shape[1]:
        where = f"rows {rows[0]}..{rows[1] - 1}, columns {columns[0]}..{columns[1] - 1} of {shape[0]} x {shape[1]}"
        output.print_wrapped(f"{where}, to {digits} digits; --full prints all", in_pipes=True)


def _cells(weights: Any, digits: int) -> list[list[str]]:
    """Return the texts of weights, each with a blank on both sides; two blanks each if there are no digits."""
    if not digits:
        return [["  "] * len(row) for row in weights]
    texts = [[f"{round(float(weight), 12):.{digits}g}" for weight in row] for row in weights]
    longest = max(len(text) for row in texts for text in row)
    return [[f"{text:>{longest + 1}} " for text in row] for row in texts]


def _numbers_fit(planes: list[Any], rows: Window, columns: Window, digits: int, room: int) -> bool:
    """Return whether the lines of these weights are at most as wide as ``room``, without the blank at their end."""
    if 3 * (columns[1] - columns[0]) - 1 > room:  # a weight has at least one digit
        return False
    lines = (_cells(plane[slice(*rows), slice(*columns)], digits)[0] for plane in planes)
    return all(sum(map(len, line)) - 1 <= room for line in lines)


def _largest_window(planes: list[Any], middle: tuple[int, int], room: int) -> tuple[Window, Window, int]:
    """Return rows, columns and digits of the largest window around the middle that fits.

    It has all rows if it has all columns; else it is square, if there are as many rows.
    """
    height, width = planes[0].shape
    for side in range(width, 0, -2):
        if 3 * side - 1 > room:
            continue
        rows, columns = _around(middle[0], height if side == width else side, height), _around(middle[1], side, width)
        for digits in range(DIGITS, LEAST_DIGITS - 1, -1):
            if _numbers_fit(planes, rows, columns, digits, room):
                return rows, columns, digits
    return _around(middle[0], 1, height), _around(middle[1], 1, width), DIGITS


def _around(tap: int, count: int, length: int) -> Window:
    """Return the start and end of ``count`` rows or columns around one of them."""
    start = min(max(tap - (count - 1) // 2, 0), max(length - count, 0))
    return start, min(start + count, length)
