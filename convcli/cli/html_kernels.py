"""Kernels and layers on the page of --html: drawn, as numbers, and as a table of shapes and costs."""

import contextlib
from collections.abc import Sequence

from ..drawing.captions import number, range_of
from ..drawing.colouring import Colouring, colourings_of
from ..drawing.html_figures import figure, legend, picture
from ..drawing.html_page import table, text
from ..drawing.options import SheetOptions
from ..drawing.sheet import legend_of
from ..drawing.tile import Tile
from ..errors import ConvcliError
from ..images.image import Array
from ..kernels.fractions import common_denominator
from ..kernels.kernel import Kernel
from ..networks.analysis import LayerAnalysis, receptive_fields, sum_totals
from ..networks.network import Network
from ..pipeline.sheet_tiles import kernel_tile
from ..pipeline.view_request import weights_of
from ..pipeline.view_weights import view_layer
from ..pipeline.viewed import DrawnIn
from .html_picture import shortened
from .layer_table import SEPARABLE, LayerTable, layer_table, notes_of, separable_table, total_lines

MOST_KERNELS = 64
"""Kernels that are drawn, at most."""

MOST_WEIGHTS = 1100
"""Weights of a kernel that are written as numbers, at most."""

OPEN_SIDE = 7
"""Rows and columns up to which the numbers of a kernel are shown; those of larger kernels open when they are asked for."""

SIDE, TILE_BYTES = 112, 20_000


def kernels_section(kernels: Sequence[Kernel]) -> str:
    """Return the kernels of ``apply``, each as a picture and as numbers; empty without any."""
    drawn = kernels[:MOST_KERNELS]
    tiles = [kernel_tile(kernel, index) for index, kernel in enumerate(drawn)]
    colourings = colourings_of(tiles, SheetOptions())
    figures = []
    for kernel, tile in zip(drawn, tiles, strict=True):
        offset = f"offset {number(kernel.offset)}" if kernel.offset else ""
        lines = [" × ".join(map(str, kernel.shape)), f"sum {number(kernel.sum)}", offset, shortened(kernel.about)]
        weights = kernel.weights if kernel.weights.ndim == 3 else kernel.weights[:, :, None]
        figures.append(figure(_image(tile, colourings), shortened(kernel.name), lines, _numbers(weights)))
    return _section("Kernels", figures, len(kernels), colourings)


def layer_kernels_section(network: Network) -> str:
    """Return the kernels of the first layer of a network that has weights; empty where none has, or they cannot be read."""
    with contextlib.suppress(ConvcliError):  # a network without weights; files that a run reports
        layer = weights_of(network, ())[0]
        viewed = view_layer(layer)
        blocks = [part.tiles(DrawnIn(SIDE)) for part in viewed.parts[:MOST_KERNELS]]
        colourings = colourings_of([tile for block in blocks for tile in block], SheetOptions())
        figures = []
        for block, part in zip(blocks, viewed.parts, strict=False):
            images = "".join(_image(tile, colourings) for tile in block)
            lines = [" × ".join(map(str, part.shape)), *([range_of(*block)])]
            samples = block[0].numbers
            numbers = "" if samples is None or len(block) > 1 else _numbers(samples[:, :, None])
            figures.append(figure(f'<div class="block">{images}</div>', shortened(part.name), lines, numbers))
        return _section(f"Kernels of layer {layer.layer}", figures, viewed.count, colourings)
    return ""


def _image(tile: Tile, colourings: dict[Tile, Colouring]) -> str:
    return picture(tile, colourings.get(tile), max(tile.samples.shape[:2]) if tile.samples.size > SIDE**2 else SIDE, TILE_BYTES)


def _section(heading: str, figures: Sequence[str], count: int, colourings: dict[Tile, Colouring]) -> str:
    if not figures:
        return ""
    more = f'<p class="soft">The first {len(figures)} of {count} are shown.</p>' if len(figures) < count else ""
    tiles = f'<div class="tiles">\n{chr(10).join(figures)}\n</div>{legend(legend_of(colourings))}'
    return f'<section class="kernels"><h2>{text(shortened(heading))}</h2>{more}{tiles}</section>\n'


def _numbers(weights: Array) -> str:
    """Return the weights (kh, kw, C) of a small kernel as tables, channel by channel."""
    if weights.size > MOST_WEIGHTS:
        return ""
    denominator = common_denominator(weights.ravel().tolist())
    planes = [
        [[number(weight, 4, denominator) for weight in row] for row in plane.tolist()] for plane in weights.transpose(2, 0, 1)
    ]
    tables = "".join(table((), plane, name="weights") for plane in planes)
    if max(weights.shape[:2]) <= OPEN_SIDE:
        return tables
    return f"<details><summary>Weights</summary>{tables}</details>"


def layers_section(network: Network, analyses: list[LayerAnalysis], about: str = "") -> str:
    """Return the layers of a network as a table, their totals, and what separable convolutions would cost; ``about`` first."""
    lines = [*notes_of(network, analyses), *total_lines(analyses, sum_totals(analyses))]
    parts = [_table(layer_table(analyses, receptive_fields(analyses))), *(f"<p>{text(shortened(line))}</p>" for line in lines)]
    separable = separable_table(analyses)
    if separable is not None:
        parts.append(f'<h3>Separable convolutions</h3><p class="soft">{text(SEPARABLE)}</p>{_table(separable)}')
    above = f'<p class="soft">{text(about)}</p>\n' if about else ""
    return f'<section id="layers"><h2>Layers</h2>\n{above}{chr(10).join(parts)}\n</section>\n'


def _table(columns: LayerTable) -> str:
    return table(columns.headings, [[shortened(cell) for cell in row] for row in columns.rows], 1)
