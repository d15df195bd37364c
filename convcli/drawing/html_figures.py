"""Tiles, kernels, histograms and legends as elements of HTML."""

import math

from ..images.histogram import Histogram
from .captions import number, range_of, size_of
from .colouring import Colouring
from .html_page import bidi_isolated, text
from .legend import Item
from .thumbnail import thumbnail_uri
from .tile import Tile, drawn_size

HISTOGRAM_HEIGHT = 100
"""Units of the height of a histogram, which is stretched to its place."""

STOPS = 17
"""Colours of a bar; those between them are mixed."""


def picture(tile: Tile, colouring: Colouring | None, side: int, most_bytes: int) -> str:
    """Return a tile as an element ``img``, with samples enlarged by a whole factor where it has fewer pixels than ``side``."""
    pixels = tile.samples if colouring is None else colouring.painted(tile.samples)
    if pixels.shape[2] == 1:
        pixels = pixels.repeat(3, axis=2)
    height, width = drawn_size(pixels.shape, side).size
    return (
        f'<img src="{thumbnail_uri(pixels, most_bytes)}" width="{width}" height="{height}" '
        f'alt="{text(tile.kind)} {text(tile.name)}">'
    )


def size_and_range(tile: Tile) -> list[str]:
    """Return the size and the range of a tile."""
    channels = " × 3" if tile.is_rgb and tile.kind != "input" else ""
    size = size_of(tile).replace(" x ", " × ") + channels
    return [", ".join(filter(None, (size, tile.further))), range_of(tile)]


def figure(image: str, name: str, lines: list[str], further: str = "", kind: str = "") -> str:
    """Return a figure with a name and lines of text below its picture, and ``further`` elements below these."""
    caption = "".join(f"<br>{text(line)}" for line in lines if line)
    label = f' class="{kind}"' if kind else ""
    return f"<figure{label}>{image}<figcaption><b>{bidi_isolated(name)}</b>{caption}</figcaption>{further}</figure>"


def histogram_svg(histogram: Histogram, low: float = -math.inf, high: float = math.inf) -> str:
    """Return a histogram as an element ``svg`` with the ends of its range below it; empty without samples.

    Heights are square roots of counts, so that few samples are seen beside many. Bins beyond low..high, which are clipped, have
    another class than the others.
    """
    if not histogram.counts:
        return ""
    most = max(histogram.counts)
    bars, clipped = list[str](), list[str]()
    for index, count in enumerate(histogram.counts):
        height = max(round(HISTOGRAM_HEIGHT * math.sqrt(count / most)), 1) if count else 0
        begin = (histogram.first + index) * histogram.width if histogram.width else histogram.value
        is_clipped = begin + histogram.width <= low or begin > high if histogram.width else not low <= begin <= high
        if height:
            (clipped if is_clipped else bars).append(f"M{index} {HISTOGRAM_HEIGHT}v-{height}h1v{height}z")
    paths = "".join(f'<path class="{name}" d="{"".join(d)}"/>' for name, d in (("in", bars), ("out", clipped)) if d)
    size = f"0 0 {len(histogram.counts)} {HISTOGRAM_HEIGHT}"
    zero = -histogram.first if histogram.width else 0
    line = f'<path class="zero" d="M{zero} 0v{HISTOGRAM_HEIGHT}"/>' if 0 < zero < len(histogram.counts) else ""
    ends = (histogram.edges[0], histogram.edges[-1]) if histogram.width else (histogram.value,)
    labels = "".join(f"<span>{text(number(end))}</span>" for end in ends)
    svg = f'<svg viewBox="{size}" preserveAspectRatio="none" role="img" aria-label="histogram">{paths}{line}</svg>'
    return f'<div class="histogram">{svg}<div class="ends">{labels}</div></div>'


def legend(items: list[Item], heading: str = "") -> str:
    """Return a legend, with a heading before each scale; empty without items."""
    parts = []
    for item in items:
        if item.is_square:
            colour = bytes(item.colours[0]).hex()
            parts.append(f'<span><i style="background:#{colour}"></i>{text(item.title)}</span>')
            continue
        stops = ",".join(f"#{bytes(colour).hex()}" for colour in item.colours_for(STOPS))
        ends = "".join(f"<span>{text(end)}</span>" for end in item.ends)
        bar = f'<div class="bar" style="background:linear-gradient(to right,{stops})"></div>'
        title = ": ".join(filter(None, (heading, item.title)))
        parts.append(f'<div>{text(title)}{bar}<div class="ends">{ends}</div></div>')
    return f'<div class="legend">{"".join(parts)}</div>' if parts else ""
