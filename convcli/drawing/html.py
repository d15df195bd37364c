"""Sheets as pages of HTML that load nothing: the sheet as SVG, and a table of its tiles."""

import math
from html import escape

from ..images.provenance import Provenance
from .captions import number
from .sheet import ArrangedSheet, TileFacts
from .svg import printable, svg_element

STYLE = """body{font:14px/1.45 Aileron,Helvetica,Arial,sans-serif;color:#202020;background:#fff}
body{margin:24px auto;max-width:1000px}
svg{max-width:100%;height:auto}
h1{font-size:20px;font-weight:600;margin:0 0 8px;overflow-wrap:anywhere}
table{border-collapse:collapse;margin-top:16px}
th,td{padding:3px 14px 3px 0;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td:first-child{overflow-wrap:anywhere;max-width:320px}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"""

HEADINGS = ("name", "what", "size", "minimum", "maximum", "scale", "colour map", "clipped", "NaN")
FIRST_NUMBER = 2
"""The first column that is aligned to the right."""


def html_page(sheet: ArrangedSheet, title: str, provenance: Provenance | None) -> str:
    """Return a page with a sheet, and with the sizes, ranges and scales of its tiles as a table."""
    shown = escape(printable(title))
    mark = f'\n<meta name="generator" content="{provenance}">' if provenance is not None else ""
    rows = "\n".join(_row(tile) for tile in sheet.tiles)
    head = "".join(f"<th{_class(column)}>{heading}</th>" for column, heading in enumerate(HEADINGS))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">{mark}
<title>{shown}</title>
<style>
{STYLE}
</style>
</head>
<body>
<h1>{shown}</h1>
{svg_element(sheet)}
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _row(tile: TileFacts) -> str:
    height, width, channels = tile.shape
    scale, counts = tile.scale, tile.counts
    cells = (
        f"{tile.group.rpartition(': ')[0]} {tile.name}" if tile.group else tile.name,
        tile.kind,
        f"{width} x {height}" + (f" x {channels}" if channels > 1 else ""),
        "" if math.isnan(tile.minimum) else number(tile.minimum),
        "" if math.isnan(tile.maximum) else number(tile.maximum),
        "" if scale is None else f"{number(scale.low)} to {number(scale.high)}",
        tile.colormap or "",
        str(counts.below + counts.above or ""),
        str(counts.unknown or ""),
    )
    return "<tr>" + "".join(f"<td{_class(i)}>{escape(printable(cell))}</td>" for i, cell in enumerate(cells)) + "</tr>"


def _class(column: int) -> str:
    return ' class="n"' if column >= FIRST_NUMBER else ""
