"""One pixel as text: windows, kernels and products side by side, and what they come to; or all of it as JSON."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from .output import number

if TYPE_CHECKING:
    from ..images.image import Array, Image
    from ..pipeline.apply_request import ApplyRequest
    from ..pipeline.pixel_trace import Cover, Look, Plane, Point, Taps

MOST_COLUMNS, MOST_ROWS = 15, 31
"""Of a kernel that is drawn; of a wider one each row is told in a line, of a higher one all of it."""

MOST_PARTS = 1024
"""Of which a kernel may be a whole number, to be drawn as that."""

COLOURS = ("red", "green", "blue")

Block: TypeAlias = list[str]
"""Lines of one width, a heading first."""


def lines_of(point: "Point", request: "ApplyRequest", width: int) -> Iterator[str]:
    """The pixel in lines of at most so many columns, as far as names allow."""
    height, across, channels = point.shape
    yield f"{point.one.name} at column {point.x}, row {point.y} of {across} x {height}"
    if not point.merge:
        yield f"over {_span(point.looks[0])}"
    if any(look.outside.any() for look in point.looks):
        border = request.border if isinstance(request.border, str) else number(request.border)
        yield f"[ ] lies outside the picture: --border {border}"
    if request.flip:
        yield "the kernel is turned by 180 degrees: --flip"
    if request.channels == "gray" and len(point.looks[0].planes) > 1:
        yield "grey first: the kernel is multiplied by 0.299, 0.587 and 0.114"
    for look in point.looks:
        yield ""
        if point.merge:
            yield f"{look.kernel.name}, over {_span(look)}"
        yield from _lines_of_look(look, point, width)
    if point.merge:
        yield ""
        for channel in range(channels):
            parts = ", ".join(_plain(look.responses[channel]) for look in point.looks)
            told = f"{_prefix(channel, channels)}{point.merge} of {parts}: {_plain(point.responses[channel])}"
            yield from _joined(told, _stored(point, channel), width)
    if point.alpha is not None:
        yield f"alpha stored {point.alpha} of {point.white}"


def _lines_of_look(look: "Look", point: "Point", width: int) -> Iterator[str]:
    """One kernel: each channel, its alpha where the picture is seen through, and what comes of it."""
    several = len(look.planes) > 1
    if look.cover is not None:
        yield from (*_lines_of_cover(look, look.cover, width), "")
    for channel, plane in enumerate(look.planes):
        if several:
            yield from ("",) * (channel > 0)
            yield _channel(channel, len(look.planes))
        yield from _drawn(look, plane, width)
        if not look.summing:
            yield from _come_to(look, point, channel, width)
        elif several:
            yield f"  sum {_plain(plane.sum)}"
    if look.summing:
        if several:
            yield from ("", "all channels")
        yield from _come_to(look, point, 0, width)


def _come_to(look: "Look", point: "Point", channel: int, width: int) -> Iterator[str]:
    """The sum of the products, what is done with it, and what is stored."""
    total, response, offset = look.sums[channel], look.responses[channel], look.kernel.offset
    steps = [f"  sum {_plain(total)}"]
    divisor = look.cover.divisor if look.cover is not None else None
    if divisor is not None and _plain(divisor) != "1":
        steps.append(f"divided by alpha {_plain(divisor)}" if divisor else "under no alpha: 0")
    if offset:
        steps.append(f"offset {offset:+.8g}")
    if len(steps) > 1 or _plain(response) != _plain(total):
        steps.append(f"response {_plain(response)}")
    yield from _joined(", ".join(steps), "" if point.merge else _stored(point, channel), width)


def _joined(told: str, stored: str, width: int) -> Iterator[str]:
    """What is told and what is stored, in a line if it holds both."""
    if stored and len(told) + len(stored) + 2 <= width:
        yield f"{told}; {stored}"
    else:
        yield from (told, f"  {stored}") if stored else (told,)


def _stored(point: "Point", channel: int) -> str:
    """What ``apply`` stores."""
    if point.white is None or point.limits is None:
        return "stored raw"
    rule = point.rule.name
    if rule in ("stretch", "center"):
        rule += ", {}..{}".format(*map(_plain, point.limits))
    return f"stored {point.levels[channel]} of {point.white} (range {rule})"


def _lines_of_cover(look: "Look", cover: "Cover", width: int) -> Iterator[str]:
    """Alpha, where not all is opaque."""
    seen = f"{_plain(cover.seen)} of {_plain(cover.opaque)}"
    if (cover.levels == cover.opaque).all():
        yield f"  alpha {seen}, opaque under all of the kernel"
        return
    if _is_small(look):
        blocks = [_block("alpha", cover.levels, look.outside)]
        blocks += [] if cover.weights is None else [_block("kernel / its sum", cover.weights)]
        if _fit(blocks, width):
            yield from _fitted(blocks, "x", width)
    yield f"  alpha {seen}" + (", that of the pixel, as the kernel sums to 0" if cover.weights is None else "")


def _drawn(look: "Look", plane: "Plane", width: int) -> Iterator[str]:
    """The window, the kernel and the products of one channel; of a large kernel a line a row, or one in all."""
    word = "levels" if plane.summed is plane.levels else "levels x alpha"
    if _is_small(look):
        blocks = [
            _block(word, plane.summed, look.outside),
            _block(*_weights_of(plane)),
            _block("products", plane.products),
        ]
        if _fit(blocks, width):
            yield from _fitted(blocks, "x=", width)
            return
    if len(look.rows.at) <= MOST_ROWS:
        rows = zip(look.rows.at, look.rows.outside, plane.summed, plane.weights, plane.products, strict=True)
        table = [("row", word, "kernel's sum", "products' sum")]
        for at, outside, *numbers in rows:
            levels, weights, products = numbers
            place = f"[{at}]" if outside else f"{at} "
            table.append((place, _extent(levels), f"{weights.sum():.4g}", f"{products.sum():.4g}"))
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        yield from ("  " + "   ".join(f"{cell:>{wide}}" for cell, wide in zip(row, widths, strict=True)) for row in table)
    else:
        outside = int(look.outside.sum())
        yield f"  {plane.levels.size} taps, {outside} of them outside the picture; {word} {_extent(plane.summed)}"
        yield f"  kernel {_extent(plane.weights)}, products {_extent(plane.products)}"
    yield "  --json tells every number"


def _is_small(look: "Look") -> bool:
    return len(look.columns.at) <= MOST_COLUMNS and len(look.rows.at) <= MOST_ROWS


def _fit(blocks: list[Block], width: int) -> bool:
    return max(len(block[0]) for block in blocks) + 2 <= width


def _fitted(blocks: list[Block], signs: str, width: int) -> Iterator[str]:
    """Blocks side by side with signs between them in the middle row; as many in a line as it holds."""
    for gap in (5, 3):
        if 2 + sum(len(block[0]) for block in blocks) + gap * (len(blocks) - 1) <= width:
            break
    else:
        if len(blocks) > 1:
            yield from _fitted(blocks[:-1], signs[:-1], width)
            heading, *rows = blocks[-1]
            yield from _fitted([[f"{signs[-1]} {heading}", *rows]], "", width)
            return
    middle = 1 + (len(blocks[0]) - 2) // 2
    for index, parts in enumerate(zip(*blocks, strict=True)):
        line = parts[0]
        for sign, part in zip(signs, parts[1:], strict=False):
            line += (sign if index == middle else "").center(gap) + part
        yield "  " + line.rstrip()


def _weights_of(plane: "Plane") -> "tuple[str, Array]":
    """The kernel, and its heading: whole numbers, where it is a whole number of parts, such as sixteenths."""
    weights = plane.weights
    parts = round(1 / max(min((abs(w) for w in weights.ravel().tolist() if w), default=1.0), 1 / MOST_PARTS))
    whole = (weights * parts).round()
    if parts > 1 and abs(weights * parts - whole).max() < 1e-9:
        return f"kernel 1/{parts}", whole
    return "kernel", weights


def _block(heading: str, numbers: "Array", outside: "Array | None" = None) -> Block:
    """Numbers under a heading, those that are outside in brackets."""
    texts = _aligned(numbers.tolist())
    if outside is not None and outside.any():
        texts = [
            [f"[{text}]" if out else f"{text} " for text, out in zip(row, outs, strict=True)]
            for row, outs in zip(texts, outside.tolist(), strict=True)
        ]
    wide = max(len(text) for row in texts for text in row)
    lines = [" ".join(text.rjust(wide) for text in row) for row in texts]
    across = max(len(heading), len(lines[0]))
    return [line.ljust(across) for line in (heading, *lines)]


def _aligned(rows: list[list[float]]) -> list[list[str]]:
    """Whole numbers as they are; others with as many decimals as give the largest four digits. Only 0 is written 0."""
    known = [abs(value) for row in rows for value in row if math.isfinite(value)]
    largest = max(known, default=0.0)
    if largest >= 1e7 or 0 < largest < 1e-3:
        return [[f"{value:.4g}" for value in row] for row in rows]
    whole = all(value.is_integer() for value in known)
    decimals = 0 if whole else max(3 - math.floor(math.log10(largest)), 0)
    return [[f"{value:.{decimals}f}" if value else "0" for value in row] for row in rows]


def _extent(numbers: "Array") -> str:
    """The smallest and the largest."""
    return f"{numbers.min() + 0.0:.4g}..{numbers.max() + 0.0:.4g}"


def _plain(value: float) -> str:
    """A number as reports write it; 0 has no sign."""
    return number(value + 0.0)


def _span(look: "Look") -> str:
    """The rows and columns that the kernel lies over: rows 1..3, columns 2..6 by 2."""

    def words(one: str, taps: "Taps") -> str:
        first, last = taps.at[0], taps.at[-1]
        if first == last:
            return f"{one} {first}"
        step = taps.at[1] - first
        return f"{one}s {first}..{last}" + (f" by {step}" if step > 1 else "")

    return f"{words('row', look.rows)}, {words('column', look.columns)}"


def _channel(index: int, channels: int) -> str:
    return COLOURS[index] if channels == len(COLOURS) else f"channel {index}"


def _prefix(index: int, channels: int) -> str:
    return f"{_channel(index, channels)}: " if channels > 1 else ""


def facts_of(point: "Point", image: "Image") -> dict[str, Any]:
    """All that is known of the pixel, as JSON holds it: whole numbers without a point, NaN and infinity as null."""
    height, width, channels = image.size
    high, wide, maps = point.shape
    low, white = point.limits or (None, None)
    return {
        "size": {"width": width, "height": height, "channels": channels},
        "kernel": point.one.name,
        "x": point.x,
        "y": point.y,
        "map": {"width": wide, "height": high, "channels": maps},
        "kernels": [_facts_of_look(look) for look in point.looks],
        "merge": point.merge,
        "responses": _jsonable(list(point.responses)),
        "range": {"rule": point.rule.name, "low": _jsonable(low), "high": _jsonable(white)} if point.limits else None,
        "white": point.white,
        "levels": list(point.levels) if point.white is not None else None,
        "alpha": point.alpha,
    }


def _facts_of_look(look: "Look") -> dict[str, Any]:
    cover = look.cover
    alpha = cover and {
        "levels": _jsonable(cover.levels.tolist()),
        "weights": None if cover.weights is None else _jsonable(cover.weights.tolist()),
        "seen": _jsonable(cover.seen),
        "opaque": _jsonable(cover.opaque),
        "divisor": _jsonable(cover.divisor),
    }
    names = ("levels", "summed", "weights", "products")
    planes = [{name: _jsonable(getattr(plane, name).tolist()) for name in names} for plane in look.planes]
    return {
        "name": look.kernel.name,
        "rows": list(look.rows.at),
        "columns": list(look.columns.at),
        "shown_rows": [None if i < 0 else i for i in look.rows.shown],
        "shown_columns": [None if i < 0 else i for i in look.columns.shown],
        "border": look.outside.tolist(),
        "channels": [facts | {"sum": _jsonable(plane.sum)} for facts, plane in zip(planes, look.planes, strict=True)],
        "alpha": alpha,
        "summed_over_channels": look.summing,
        "sums": _jsonable(list(look.sums)),
        "offset": _jsonable(look.kernel.offset),
        "responses": _jsonable(list(look.responses)),
    }


def _jsonable(value: Any) -> Any:
    """Numbers in lists of any depth."""
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 1 << 53 else value
