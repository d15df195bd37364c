"""Sheets as pages of HTML that load nothing: the sheet as SVG, and a table of its tiles."""

import math

from ..images.provenance import Provenance
from .captions import number, rows_and_columns
from .html_page import FOOT, head_of, table, text
from .sheet import ArrangedSheet, TileFacts
from .svg import svg_element

STYLE = """body{font:14px/1.45 Aileron,Helvetica,Arial,sans-serif;color:#202020;background:#fff}
body{margin:24px auto;padding:0 16px;max-width:1000px}
.wide{overflow-x:auto}
svg{min-width:640px;max-width:100%;height:auto}
h1{font-size:20px;font-weight:600;margin:0 0 8px;overflow-wrap:anywhere}
table{border-collapse:collapse;margin-top:16px}
th,td{padding:3px 14px 3px 0;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td:first-child{overflow-wrap:anywhere;min-width:120px;max-width:320px}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"""

HEADINGS = ("name", "what", "size", "minimum", "maximum", "scale", "colour map", "clipped", "NaN")
FIRST_NUMBER = 2
"""The first column that is aligned to the right."""


def html_page(sheet: ArrangedSheet, title: str, provenance: Provenance | None) -> str:
    """Return a page with a sheet, and with the sizes, ranges and scales of its tiles as a table."""
    generator = "" if provenance is None else str(provenance)
    tiles = table(HEADINGS, map(_cells, sheet.tiles), FIRST_NUMBER)
    body = f"<h1>{text(title)}</h1>\n<div class='wide'>{svg_element(sheet)}</div>\n{tiles}\n"
    return head_of(title, STYLE, generator) + body + FOOT


def _cells(tile: TileFacts) -> tuple[str, ...]:
    scale, counts = tile.scale, tile.counts
    return (
        f"{tile.group.rpartition(': ')[0]} {tile.name}" if tile.group else tile.name,
        tile.kind,
        _size_of(tile),
        "" if math.isnan(tile.minimum) else number(tile.minimum),
        "" if math.isnan(tile.maximum) else number(tile.maximum),
        "" if scale is None else f"{number(scale.low)} to {number(scale.high)}",
        tile.colormap or "",
        str(counts.below + counts.above or ""),
        str(counts.unknown or ""),
    )


def _size_of(tile: TileFacts) -> str:
    """Return the size as captions have it: rows x columns of kernels, width x height of others."""
    height, width, channels = tile.shape
    size = rows_and_columns(height, width) if tile.kind == "kernel" and height != width else f"{width} x {height}"
    return f"{size} x {channels}" if channels > 1 else size
