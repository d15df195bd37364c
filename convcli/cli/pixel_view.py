"""Formats the explanation of a pixel: as text, with window, kernel and products side by side, or for JSON."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from ..kernels.fractions import common_denominator
from .output import number

if TYPE_CHECKING:
    from ..images.image import Array, Image
    from ..pipeline.apply_request import ApplyRequest
    from ..pipeline.pixel_trace import AlphaTrace, KernelTrace, PixelTrace, Plane, Taps

MAX_COLUMNS, MAX_ROWS = 15, 31
"""Largest kernel of which all weights are shown. A wider one is summarised row by row, a taller one as a whole."""

MISSING_TEXTS = {"spread": "makes the sum nan", "ignore": "takes no part", "zero": "counts as 0"}
"""What a missing sample does, by the rules of --missing."""

COLOUR_NAMES = ("red", "green", "blue")

TextBlock: TypeAlias = list[str]
"""Lines of equal width. The first line is a heading."""


def format_lines(pixel: "PixelTrace", request: "ApplyRequest", width: int) -> Iterator[str]:
    """Yield the lines of the explanation. They have at most ``width`` characters, unless a name is longer."""
    height, map_width, channels = pixel.shape
    yield f"{pixel.map_.name} at column {pixel.x}, row {pixel.y} of {map_width} x {height}"
    if not pixel.merge:
        yield f"over {_format_span(pixel.traces[0])}"
    if any(trace.outside.any() for trace in pixel.traces):
        border = request.border if isinstance(request.border, str) else number(request.border)
        yield f"[ ] lies outside the picture: --border {border}"
    if request.flip:
        yield "the kernel is rotated by 180 degrees: --flip"
    if request.light == "linear":
        yield "light is from 0 to 1, by the curve " + ", ".join(pixel.curves) if pixel.curves else "levels are taken as light"
    if any(trace.absent is not None for trace in pixel.traces):
        yield f"nan is a missing sample, which {MISSING_TEXTS[request.missing_rule]}: --missing {request.missing_rule}"
    if request.channels == "gray" and len(pixel.traces[0].planes) > 1:
        yield "converted to grey: the kernel is multiplied by 0.299, 0.587 and 0.114"
    for trace in pixel.traces:
        yield ""
        if pixel.merge:
            yield f"{trace.kernel.name}, over {_format_span(trace)}"
        yield from _format_kernel(trace, pixel, width)
    if pixel.merge:
        yield ""
        for channel in range(channels):
            responses = ", ".join(_format_number(trace.responses[channel]) for trace in pixel.traces)
            result = ("encoded " if pixel.curves else "") + _format_number(pixel.responses[channel])
            merged = f"{_channel_prefix(channel, channels)}{pixel.merge} of {responses}: {result}"
            yield from _join_if_fits(merged, _format_stored(pixel, channel), width)
    if pixel.alpha is not None:
        yield f"alpha stored {pixel.alpha} of {pixel.white}"


def _format_kernel(trace: "KernelTrace", pixel: "PixelTrace", width: int) -> Iterator[str]:
    """Yield the lines of one kernel: alpha, if there is any, each channel, and the results."""
    several = len(trace.planes) > 1
    if trace.alpha_trace is not None:
        yield from (*_format_alpha(trace, trace.alpha_trace, width), "")
    for channel, plane in enumerate(trace.planes):
        if several:
            yield from ("",) * (channel > 0)
            yield _channel_name(channel, len(trace.planes))
        yield from _format_plane(trace, plane, "light" if pixel.curves else "levels", width)
        if not trace.summing:
            yield from _format_results(trace, pixel, channel, width)
        elif several:
            yield f"  sum {_format_number(plane.sum)}"
    if trace.summing:
        if several:
            yield from ("", "all channels")
        yield from _format_results(trace, pixel, 0, width)


def _format_results(trace: "KernelTrace", pixel: "PixelTrace", channel: int, width: int) -> Iterator[str]:
    """Yield the sum of the products, the later steps, and the stored level."""
    total, response, offset = trace.sums[channel], trace.responses[channel], trace.kernel.offset
    steps = [f"  sum {_format_number(total)}"]
    if trace.shares:
        share = trace.shares[channel]
        steps.append(
            f"divided by {_format_number(share)}, the share of the weights seen" if share else "the weights seen sum to 0"
        )
    divisor = trace.alpha_trace.divisor if trace.alpha_trace is not None else None
    if divisor is not None and _format_number(divisor) != "1":
        steps.append(f"divided by alpha {_format_number(divisor)}" if divisor else "under no alpha: 0")
    encoded = bool(pixel.curves) and not pixel.merge
    if encoded:
        steps.append(f"encoded {_format_number(response - offset)}")
    if offset:
        steps.append(f"offset {offset:+.8g}" + (" levels" if pixel.curves else ""))
    if pixel.curves:
        differs = bool(offset) if encoded else not math.isclose(response, total, rel_tol=1e-5)
    else:
        differs = len(steps) > 1 or _format_number(response) != _format_number(total)
    if differs:
        steps.append(f"response {_format_number(response)}")
    yield from _join_if_fits(", ".join(steps), "" if pixel.merge else _format_stored(pixel, channel), width)


def _join_if_fits(result: str, stored: str, width: int) -> Iterator[str]:
    """Yield a result and the stored level, in one line if both fit."""
    if stored and len(result) + len(stored) + 2 <= width:
        yield f"{result}; {stored}"
    else:
        yield from (result, f"  {stored}") if stored else (result,)


def _format_stored(pixel: "PixelTrace", channel: int) -> str:
    """Return the text for the level that ``apply`` stores."""
    if pixel.white is None or pixel.limits is None:
        return "stored raw"
    rule = pixel.rule.name
    if rule in ("stretch", "center"):
        rule += ", {}..{}".format(*map(_format_number, pixel.limits))
    return f"stored {pixel.levels[channel]} of {pixel.white} (range {rule})"


def _format_alpha(trace: "KernelTrace", alpha: "AlphaTrace", width: int) -> Iterator[str]:
    """Yield the lines that explain the filtered alpha."""
    seen = f"{_format_number(alpha.seen)} of {_format_number(alpha.opaque)}"
    if (alpha.levels == alpha.opaque).all():
        yield f"  alpha {seen}, opaque under all of the kernel"
        return
    if _is_small(trace):
        blocks = [_make_block("alpha", alpha.levels, trace.outside)]
        blocks += [] if alpha.weights is None else [_make_block("kernel / its sum", alpha.weights)]
        if _fits(blocks, width):
            yield from _side_by_side(blocks, "x", width)
    yield f"  alpha {seen}" + (", that of the pixel, as the kernel sums to 0" if alpha.weights is None else "")


def _format_plane(trace: "KernelTrace", plane: "Plane", unit: str, width: int) -> Iterator[str]:
    """Yield the window, kernel and products of one channel; for a large kernel, one line per row or two lines in all."""
    heading = unit if trace.alpha_trace is None or plane.summed is plane.levels else f"{unit} x alpha"
    if _is_small(trace):
        blocks = [
            _make_block(heading, plane.summed, trace.outside),
            _make_block(*_format_weights(plane)),
            _make_block("products", plane.products),
        ]
        if _fits(blocks, width):
            yield from _side_by_side(blocks, "x=", width)
            return
    if len(trace.rows.positions) <= MAX_ROWS:
        rows = zip(trace.rows.positions, trace.rows.outside, plane.summed, plane.weights, plane.products, strict=True)
        table = [("row", heading, "kernel's sum", "products' sum")]
        for position, outside, levels, weights, products in rows:
            row_name = f"[{position}]" if outside else f"{position} "
            levels = levels if trace.absent is None else _known(levels)
            table.append((row_name, _format_extent(levels), f"{weights.sum():.4g}", f"{products.sum():.4g}"))
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        yield from ("  " + "   ".join(f"{cell:>{size}}" for cell, size in zip(row, widths, strict=True)) for row in table)
    else:
        outside = int(trace.outside.sum())
        summed = plane.summed if trace.absent is None else _known(plane.summed)
        yield f"  {plane.levels.size} taps, {outside} of them outside the picture; {heading} {_format_extent(summed)}"
        yield f"  kernel {_format_extent(plane.weights)}, products {_format_extent(plane.products)}"
    yield "  --json shows every number"


def _known(numbers: "Array") -> "Array":
    """Return the numbers that are not NaN; all where all are NaN."""
    known = numbers == numbers  # noqa: PLR0124
    return numbers[known] if known.any() else numbers


def _is_small(trace: "KernelTrace") -> bool:
    return len(trace.columns.positions) <= MAX_COLUMNS and len(trace.rows.positions) <= MAX_ROWS


def _fits(blocks: list[TextBlock], width: int) -> bool:
    return max(len(block[0]) for block in blocks) + 2 <= width


def _side_by_side(blocks: list[TextBlock], signs: str, width: int) -> Iterator[str]:
    """Yield blocks side by side, with signs between them in the middle row. Blocks that do not fit are placed below."""
    for gap in (5, 3):
        if 2 + sum(len(block[0]) for block in blocks) + gap * (len(blocks) - 1) <= width:
            break
    else:
        if len(blocks) > 1:
            yield from _side_by_side(blocks[:-1], signs[:-1], width)
            heading, *rows = blocks[-1]
            yield from _side_by_side([[f"{signs[-1]} {heading}", *rows]], "", width)
            return
    middle = 1 + (len(blocks[0]) - 2) // 2
    for index, block_lines in enumerate(zip(*blocks, strict=True)):
        line = block_lines[0]
        for sign, block_line in zip(signs, block_lines[1:], strict=False):
            line += (sign if index == middle else "").center(gap) + block_line
        yield "  " + line.rstrip()


def _format_weights(plane: "Plane") -> "tuple[str, Array]":
    """Return a heading and the weights: integers, with their common denominator in the heading, if there is one."""
    denominator = common_denominator(plane.weights.ravel().tolist())
    if denominator > 1:
        return f"kernel 1/{denominator}", (plane.weights * denominator).round()
    return "kernel", plane.weights


def _make_block(heading: str, numbers: "Array", outside: "Array | None" = None) -> TextBlock:
    """Return values under a heading. Values outside the image are in brackets."""
    texts = _format_numbers(numbers.tolist())
    if outside is not None and outside.any():
        texts = [
            [f"[{text}]" if out else f"{text} " for text, out in zip(row, outs, strict=True)]
            for row, outs in zip(texts, outside.tolist(), strict=True)
        ]
    cell_width = max(len(text) for row in texts for text in row)
    lines = [" ".join(text.rjust(cell_width) for text in row) for row in texts]
    width = max(len(heading), len(lines[0]))
    return [line.ljust(width) for line in (heading, *lines)]


def _format_numbers(rows: list[list[float]]) -> list[list[str]]:
    """Format integers without decimals, other values so that the largest has four digits. Only 0 becomes "0"."""
    finite = [abs(value) for row in rows for value in row if math.isfinite(value)]
    largest = max(finite, default=0.0)
    if largest >= 1e7 or 0 < largest < 1e-3:
        return [[f"{value:.4g}" for value in row] for row in rows]
    whole = all(value.is_integer() for value in finite)
    decimals = 0 if whole else max(3 - math.floor(math.log10(largest)), 0)
    return [[f"{value:.{decimals}f}" if value else "0" for value in row] for row in rows]


def _format_extent(numbers: "Array") -> str:
    """Format the minimum and the maximum of an array."""
    return f"{numbers.min() + 0.0:.4g}..{numbers.max() + 0.0:.4g}"


def _format_number(value: float) -> str:
    """Format a number as in reports, without a sign for 0."""
    return number(value + 0.0)


def _format_span(trace: "KernelTrace") -> str:
    """Return the rows and columns under the kernel, such as "rows 1..3, columns 2..6 by 2"."""

    def axis_span(singular: str, taps: "Taps") -> str:
        first, last = taps.positions[0], taps.positions[-1]
        if first == last:
            return f"{singular} {first}"
        step = taps.positions[1] - first
        return f"{singular}s {first}..{last}" + (f" by {step}" if step > 1 else "")

    return f"{axis_span('row', trace.rows)}, {axis_span('column', trace.columns)}"


def _channel_name(index: int, channels: int) -> str:
    return COLOUR_NAMES[index] if channels == len(COLOUR_NAMES) else f"channel {index}"


def _channel_prefix(index: int, channels: int) -> str:
    return f"{_channel_name(index, channels)}: " if channels > 1 else ""


def as_json(pixel: "PixelTrace", image: "Image") -> dict[str, Any]:
    """Return the explanation for JSON. Integers have no decimal point; NaN and infinity become null."""
    height, width, channels = image.size
    map_height, map_width, map_channels = pixel.shape
    low, white = pixel.limits or (None, None)
    return {
        "size": {"width": width, "height": height, "channels": channels},
        "kernel": pixel.map_.name,
        "x": pixel.x,
        "y": pixel.y,
        "map": {"width": map_width, "height": map_height, "channels": map_channels},
        "kernels": [_kernel_as_json(trace) for trace in pixel.traces],
        "merge": pixel.merge,
        "responses": _jsonable(list(pixel.responses)),
        "range": {"rule": pixel.rule.name, "low": _jsonable(low), "high": _jsonable(white)} if pixel.limits else None,
        "white": pixel.white,
        "levels": list(pixel.levels) if pixel.white is not None else None,
        "alpha": pixel.alpha,
        **({"curves": list(pixel.curves)} if pixel.curves else {}),  # with --light linear
    }


def _kernel_as_json(trace: "KernelTrace") -> dict[str, Any]:
    alpha = trace.alpha_trace
    alpha_json = alpha and {
        "levels": _jsonable(alpha.levels.tolist()),
        "weights": None if alpha.weights is None else _jsonable(alpha.weights.tolist()),
        "seen": _jsonable(alpha.seen),
        "opaque": _jsonable(alpha.opaque),
        "divisor": _jsonable(alpha.divisor),
    }
    names = ("levels", "summed", "weights", "products")
    planes = [{name: _jsonable(getattr(plane, name).tolist()) for name in names} for plane in trace.planes]
    return {
        "name": trace.kernel.name,
        "rows": list(trace.rows.positions),
        "columns": list(trace.columns.positions),
        "shown_rows": [None if i < 0 else i for i in trace.rows.sources],
        "shown_columns": [None if i < 0 else i for i in trace.columns.sources],
        "border": trace.outside.tolist(),
        "channels": [facts | {"sum": _jsonable(plane.sum)} for facts, plane in zip(planes, trace.planes, strict=True)],
        "alpha": alpha_json,
        "summed_over_channels": trace.summing,
        "sums": _jsonable(list(trace.sums)),
        "offset": _jsonable(trace.kernel.offset),
        "responses": _jsonable(list(trace.responses)),
        **({} if trace.absent is None else {"missing": trace.absent.tolist()}),
        **({"shares": _jsonable(list(trace.shares))} if trace.shares else {}),  # with --missing ignore
    }


def _jsonable(value: Any) -> Any:
    """Convert the numbers in nested lists for JSON."""
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 1 << 53 else value
