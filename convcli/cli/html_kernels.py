"""Kernels and layers on the page of --html: drawn, as numbers, and as a table of shapes and costs."""

from collections.abc import Sequence

from ..drawing.captions import number
from ..drawing.colouring import colourings_of
from ..drawing.html_figures import figure, legend, picture
from ..drawing.html_page import table, text
from ..drawing.options import SheetOptions
from ..drawing.sheet import legend_of
from ..drawing.tile import can_be_numbered
from ..kernels.kernel import Kernel
from ..networks.analysis import LayerAnalysis, receptive_fields, sum_totals
from ..networks.network import Network
from ..pipeline.sheet_tiles import kernel_tile
from .html_picture import shown
from .layer_table import SEPARABLE, LayerTable, layer_table, notes_of, separable_table, total_lines

MOST_KERNELS = 64
"""Kernels that are drawn, at most."""

OPEN_SIDE = 7
"""Rows and columns up to which the numbers of a kernel are shown; those of larger kernels open when they are asked for."""

SIDE, TILE_BYTES = 112, 20_000


def kernels_section(kernels: Sequence[Kernel]) -> str:
    """Return the kernels, each as a picture and as numbers; empty without any."""
    if not kernels:
        return ""
    drawn = list(kernels[:MOST_KERNELS])
    tiles = [kernel_tile(kernel, index) for index, kernel in enumerate(drawn)]
    colourings = colourings_of(tiles, SheetOptions())
    figures = []
    for kernel, tile in zip(drawn, tiles, strict=True):
        image = picture(tile, colourings.get(tile), SIDE, TILE_BYTES)
        size = " × ".join(map(str, kernel.shape))
        lines = [size, f"sum {number(kernel.sum)}", *([f"offset {number(kernel.offset)}"] if kernel.offset else [])]
        figures.append(figure(image, shown(kernel.name), [*lines, shown(kernel.about)], _numbers(kernel)))
    more = f'<p class="soft">The first {len(drawn)} of {len(kernels)} are shown.</p>' if len(drawn) < len(kernels) else ""
    tiles_and_legend = f'<div class="tiles">\n{chr(10).join(figures)}\n</div>{legend(legend_of(colourings))}'
    return f'<section id="kernels"><h2>Kernels</h2>{more}{tiles_and_legend}</section>\n'


def _numbers(kernel: Kernel) -> str:
    """Return the weights of a small kernel as a table, channel by channel."""
    if not can_be_numbered((*kernel.shape[:2], 1)):
        return ""
    weights = kernel.weights[:, :, None] if kernel.weights.ndim == 2 else kernel.weights
    if weights.shape[2] > 4:
        return ""
    planes = [[[number(weight) for weight in row] for row in plane.tolist()] for plane in weights.transpose(2, 0, 1)]
    tables = "".join(table((), plane, name="weights") for plane in planes)
    if max(kernel.shape[:2]) <= OPEN_SIDE:
        return tables
    return f"<details><summary>Weights</summary>{tables}</details>"


def layers_section(network: Network, analyses: list[LayerAnalysis]) -> str:
    """Return the layers of a network as a table, their totals, and what separable convolutions would cost."""
    lines = [*notes_of(network, analyses), *total_lines(analyses, sum_totals(analyses))]
    parts = [_table(layer_table(analyses, receptive_fields(analyses))), *(f"<p>{text(line)}</p>" for line in lines)]
    separable = separable_table(analyses)
    if separable is not None:
        parts.append(f'<h3>Separable convolutions</h3><p class="soft">{text(SEPARABLE)}</p>{_table(separable)}')
    return f'<section id="layers"><h2>Layers</h2>\n{chr(10).join(parts)}\n</section>\n'


def _table(columns: LayerTable) -> str:
    return table(columns.headings, [[shown(cell) for cell in row] for row in columns.rows], 1)
