"""The layers of a network as a table of texts: shapes, parameters, costs, receptive fields; and their totals as lines."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from msgspec import Struct

from ..networks.analysis import LayerAnalysis, ReceptiveField, Totals, separable_cost, sum_totals
from ..networks.layer import shape_text
from ..networks.network import Network
from ..pipeline.memory_budget import in_words
from . import output


class LayerTable(Struct, frozen=True):
    """The headings of a table, the first of which is that of a text and the others those of numbers, and its rows."""

    headings: list[str]
    rows: list[list[str]]


def layer_table(analyses: Sequence[LayerAnalysis], fields: Sequence[ReceptiveField | None], exact: bool = True) -> LayerTable:
    """Return a row for each layer. Where not ``exact``, counts have three digits, and the memory is left out."""
    with_fixed = any(analysis.fixed for analysis in analyses)
    with_inputs = any(analysis.layer.inputs for analysis in analyses)
    products = "multiply-adds" if exact else "products"
    counts = ["weights", "biases", *(["fixed"] if with_fixed else []), products]
    headings = ["layer", *(["input"] if with_inputs else []), "output", *counts, "field", "step"]
    rows = [_cells(analysis, field, with_fixed, with_inputs, exact) for analysis, field in zip(analyses, fields, strict=True)]
    return LayerTable([*headings, "memory"] if exact else headings, rows)


SEPARABLE = "each standard convolution replaced by a depthwise separable one, k x k for each channel, then 1 x 1:"


def separable_table(analyses: Sequence[LayerAnalysis]) -> LayerTable | None:
    """Return what separable convolutions would cost, None where there is no standard convolution."""
    costs = [(analysis, cost) for analysis in analyses if (cost := separable_cost(analysis))]
    rows = [
        [analysis.layer.name, f"{weights:,}", f"{products:,}", output.share(products, analysis.multiply_adds)]
        for analysis, (weights, products) in costs
    ]
    return LayerTable(["layer", "weights", "multiply-adds", "share of standard"], rows) if rows else None


def _cells(
    analysis: LayerAnalysis, field: ReceptiveField | None, with_fixed: bool, with_inputs: bool, exact: bool
) -> list[str]:
    layer = analysis.layer
    counts = [analysis.weights, analysis.biases, *([analysis.fixed] if with_fixed else []), analysis.multiply_adds]
    inputs = [", ".join(layer.inputs)] if with_inputs else []
    size, stride = (_format_pair(field.size), _format_pair(field.stride)) if field else ("all", "")
    if not exact:
        shape, size, stride = (text.replace(" ", "") for text in (shape_text(analysis.output_shape), size, stride))
        return [layer.name, *inputs, shape, *map(output.rounded, counts), size, stride]
    name = layer.name if layer.name.rstrip("0123456789") == layer.kind else f"{layer.name} ({layer.kind})"
    return [
        name,
        *inputs,
        shape_text(analysis.output_shape),
        *(f"{count:,}" for count in counts),
        size,
        stride,
        in_words(analysis.memory),
    ]


def _format_pair(sides: tuple[Fraction | int, Fraction | int] | None) -> str:
    return " x ".join(map(str, sides or ()))


def notes_of(network: Network, analyses: Sequence[LayerAnalysis]) -> list[str]:
    """Return what is said about the input and the layers of a network."""
    notes = [f"note: input: {network.input.doubt}"] if network.input.doubt else []
    notes += [f"note: {analysis.layer.name}: {analysis.note}" for analysis in analyses if analysis.note]
    return notes


def total_lines(analyses: Sequence[LayerAnalysis], totals: Totals) -> Iterator[str]:
    """Yield the totals of a network, and the shares of its convolutions and dense layers."""
    fixed = f", and {totals.fixed:,} that are not trainable" if totals.fixed else ""
    learned = f"{totals.learned:,} trainable parameters: {totals.weights:,} weights and {totals.biases:,} biases{fixed}"
    yield f"{learned}; {totals.multiply_adds:,} multiply-adds"
    for plural, family in (("convolutions", "conv"), ("dense layers", "dense")):
        part_totals = sum_totals(analyses, family)
        shares = (
            output.share(part_totals.learned, totals.learned),
            output.share(part_totals.multiply_adds, totals.multiply_adds),
        )
        if part_totals.learned or part_totals.multiply_adds:
            products = f"{part_totals.multiply_adds:,} multiply-adds ({shares[1]})"
            yield f"{plural}: {part_totals.learned:,} parameters ({shares[0]}), {products}"
    parameters = in_words(4 * (totals.learned + totals.fixed))
    yield f"memory in float32: parameters {parameters}, outputs of all layers {in_words(totals.memory)}"
