"""One picture on the page of --html: its tiles, range and histogram of each map, what was clipped, how it was computed."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..drawing.colouring import Colouring, colourings_of
from ..drawing.html_figures import figure, histogram_svg, legend, picture, size_and_range
from ..drawing.html_page import bidi_isolated, table, text
from ..drawing.options import SheetOptions
from ..drawing.sheet import legend_of
from ..drawing.thumbnail import FEW_ROWS, Detail
from ..drawing.tile import Tile
from ..pipeline.memory_budget import in_words
from ..pipeline.request_base import BaseRequest
from .json_report import outcome_facts
from .output import number, rounded, share, visible

if TYPE_CHECKING:
    from ..pipeline.process_image import Outcome
    from ..pipeline.written import Written

LONGEST = 300
"""Letters of a notice or an error that are shown, at most."""

MOST_NOTICES = 12
"""Notices and reasons of a picture that are listed, at most."""

METHOD_COLUMNS = ("kernel", "method", "why", "per sample", "multiply-adds", "memory per thread")


def article(request: BaseRequest, outcome: "Outcome", position: int, detail: Detail | None) -> str:
    """Return the element of a picture. Without ``detail`` it has no tiles."""
    facts = outcome_facts(outcome, explains=True)
    name = shortened(facts["input"] if outcome.task.source is not None else "standard input")
    lines = [f"<h3>{bidi_isolated(name)}</h3>"]
    if outcome.image:
        lines.append(f'<p class="soft">{text(shortened(outcome.image))}</p>')
    if facts["error"] is not None:
        reasons = outcome.error.lines if outcome.error is not None else ()
        lines += [f'<p class="bad">{text(shortened(reason))}</p>' for reason in reasons[:MOST_NOTICES]]
    lines += _listed("", [shortened(notice) for notice in facts["notices"]])
    lines += _listed("up to date, not written: ", [shortened(path) for path in facts["skipped"]])
    lines += _tiles(request, outcome, facts, detail)
    lines += _methods(facts, FEW_ROWS if detail is None else detail.rows)
    return f'<article id="p{position}" class="{outcome.status}">\n' + "\n".join(lines) + "\n</article>\n"


def shortened(value: str, longest: int = LONGEST) -> str:
    """Return a text of any origin as it is shown: without control characters, and cut in its middle where it is long."""
    seen = visible(value)
    return seen if len(seen) <= longest else f"{seen[: longest // 2]} … {seen[-longest // 2 :]}"


def _listed(label: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    more = [f"and {len(items) - MOST_NOTICES} more"] if len(items) > MOST_NOTICES else []
    parts = "".join(f"<li>{text(label)}{bidi_isolated(item)}</li>" for item in items[:MOST_NOTICES])
    return [f'<ul class="soft">{parts}{"".join(f"<li>{text(line)}</li>" for line in more)}</ul>']


def _tiles(request: BaseRequest, outcome: "Outcome", facts: dict[str, Any], detail: Detail | None) -> Iterator[str]:
    """Yield the figures of the input and of the maps, their legend, and a table of the maps that have no figure."""
    found = outcome.illustration
    if found is None or detail is None:
        yield from _rows(outcome.written, FEW_ROWS if detail is None else detail.rows)
        return
    groups = _groups(request, found.input, [*found.maps.values()])
    colourings = {tile: colouring for _, group in groups for tile, colouring in group.items()}

    def drawn(tile: Tile, written: "Written | None" = None, kind: str = "map") -> str:
        image = picture(tile, colourings.get(tile), detail.side, detail.tile_bytes)
        size, extremes = size_and_range(tile)
        if written is None:
            return figure(image, shortened(tile.name), [size, extremes], "", kind)
        lines = [size, _extremes(written) or extremes, *_stored(written)]
        return figure(image, shortened(tile.name), lines, _histogram(written), kind)

    figures, rest = [drawn(found.input, kind="input")], []
    further = dict(found.maps)
    for written in outcome.written:
        tiles = [further.pop(index) for index in written.maps if index in further]
        if not tiles:  # too many maps; or an output of a further frame
            rest.append(written)
        elif len(written.maps) == 1:
            figures.append(drawn(tiles[0], written))
        else:
            figures += [*map(drawn, tiles), _of_several(written, len(tiles))]
    yield f'<div class="tiles">\n{chr(10).join(figures)}\n</div>'
    yield "".join(legend(legend_of(group), layer) for layer, group in groups)
    yield from _rows(rest, detail.rows)


ROWS = ("map", "size", "minimum", "maximum", "stored", "file")


def _rows(outputs: Sequence["Written"], most: int) -> list[str]:
    """Return the table of outputs that have no figure: of a dry run, of further frames, and of too many maps."""
    if not outputs:
        return []
    more = f'<p class="soft">and {len(outputs) - most} more</p>' if len(outputs) > most else ""
    return [table(ROWS, map(_row, outputs[:most])), more]


def _row(written: "Written") -> list[str]:
    height, width, channels = written.shape
    *stored, path = _stored(written)
    size = f"{width} × {height}" + (f" × {channels}" if channels > 1 else "")
    size += f", {len(written.maps)} maps" if len(written.maps) > 1 else ""
    statistics = written.statistics
    ends = ("", "") if statistics is None else (number(statistics.minimum), number(statistics.maximum))
    return [shortened(written.map), size, *ends, "; ".join(stored), path]


def _groups(request: BaseRequest, given: Tile, maps: list[Tile]) -> list[tuple[str, dict[Tile, Colouring]]]:
    """Return the colourings of the tiles that share scales: the input, and each layer with its name, or all kernels."""
    options = request.sheet or SheetOptions()

    def layer(tile: Tile) -> str:
        return getattr(request.maps[tile.index or 0], "layer", "")

    layers = [(name, list(tiles)) for name, tiles in itertools.groupby(maps, layer)]
    return [(name, colourings_of(tiles, options)) for name, tiles in (("", [given]), *layers)]


def _of_several(written: "Written", count: int) -> str:
    """Return the figure of an output of several maps, of which some are shown before: their common range and histogram."""
    total = len(written.maps)
    first = f"{total} maps" if count == total else f"the first {count} of {total} maps are shown"
    return figure("", shortened(written.map), [first, _extremes(written), *_stored(written)], _histogram(written), "layer")


def _extremes(written: "Written") -> str:
    """Return the range of all samples of an output, of all its frames; empty where it has none, or was not computed."""
    statistics = written.statistics
    if statistics is None or math.isnan(statistics.minimum):
        return ""
    return " to ".join(dict.fromkeys((number(statistics.minimum), number(statistics.maximum))))


def _histogram(written: "Written") -> str:
    statistics = written.statistics
    if statistics is None or statistics.histogram is None:
        return ""
    return histogram_svg(statistics.histogram, statistics.low, statistics.high)


def _stored(written: "Written") -> list[str]:
    """Return how responses became levels, how many of them were clipped, and at last where the map is."""
    path = "standard output" if written.target.path is None else shortened(str(written.target.path))
    statistics, frames = written.statistics, f", {written.frames} frames" if written.frames > 1 else ""
    if statistics is None:
        return [f"would be written: {written.rule}{frames}", path]
    lines = []
    if statistics.count == 0:
        lines.append("all pixels are transparent")
    elif written.rule in ("raw", "sheet"):
        lines.append({"raw": "stored raw", "sheet": "drawn on a sheet"}[written.rule] + frames)
    else:
        lines.append(f"range {written.rule}: {number(statistics.low)} to {number(statistics.high)}{frames}")
        clipped = ((statistics.below, "below"), (statistics.above, "above"))
        parts = [f"{count:,} {word} ({share(count, statistics.count)})" for count, word in clipped if count]
        lines.append("clipped: " + ", ".join(parts) if parts else "nothing clipped")
    if statistics.unknown:
        lines.append(f"{statistics.unknown:,} not a number ({share(statistics.unknown, statistics.count)})")
    return [*lines, path]


def _methods(facts: dict[str, Any], most: int) -> list[str]:
    """Return how kernels were computed, as --explain says it."""
    ways = [way for output in facts["outputs"] for way in output.get("ways", ())]
    if not ways:
        return []
    rows = [_method(way) for way in ways[:most]]
    more = f'<p class="soft">and {len(ways) - most} more</p>' if len(ways) > most else ""
    return [f"<details><summary>Method and cost</summary>{table(METHOD_COLUMNS, rows, 3)}{more}</details>"]


def _method(way: dict[str, Any]) -> list[str]:
    cost, direct = f"{way['per_sample']:.4g}", f"{way['direct']:.4g}"
    per_sample = cost if cost == direct else f"{cost} instead of {direct}"
    exact = (
        f"{way['reason']}; error at most {way['error']:.2g} of its range" if way["error"] else f"{way['reason']}; exact sums"
    )
    return [shortened(way["kernel"]), way["method"], exact, per_sample, rounded(way["multiply_adds"]), in_words(way["memory"])]
