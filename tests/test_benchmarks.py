"""The tables that the benchmarks write, and the cells that they measure; the benchmarks themselves do not run here."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "benchmarks"))  # last: it has other modules of the names of those in support
import grid_cells
import table_text

ROOT = Path(__file__).parents[1]
AXES = grid_cells.AXES
TEXT = "before\n<!-- a -->\nold | table\n<!-- end of a -->\nafter <!-- b -->\n"


def cell(ratio, **properties):
    """A measured cell, usual where it is not said otherwise."""
    return {**grid_cells.USUAL, "kind": "box", "type": "u8-u8", "size": 3, "convcli": 2.0, "ratio": ratio, **properties}


def document(machine="A", commit="1", date="2026-01-02", **facts):
    """Figures of a benchmark, measured on a machine."""
    described = {"processor": machine, "architecture": "x", "vectors": "none", "processors": 2, "memory": 2**30, "system": "S"}
    return {"machine": described | {"peak": 1e9, "versions": {"convcli": commit, "NumPy": "2"}}, "date": date, **facts}


def test_only_what_is_between_the_markers_is_replaced():
    """Twice gives the same as once."""
    once = table_text.replace_between(TEXT, "a", ["new", "lines"])
    assert once == "before\n<!-- a -->\nnew\nlines\n<!-- end of a -->\nafter <!-- b -->\n"
    assert table_text.replace_between(once, "a", ["new", "lines"]) == once


@pytest.mark.parametrize("text", ["", TEXT + TEXT, TEXT.replace("<!-- end of a -->", ""), "<!-- end of a -->\n<!-- a -->\n"])
def test_markers_that_are_missing_or_repeated_are_refused(text):
    """The text would be lost or doubled."""
    with pytest.raises(ValueError, match="needs the markers <!-- a --> and <!-- end of a --> once"):
        table_text.replace_between(text, "a", [])


def test_the_readme_and_the_manual_have_their_markers():
    """``tables.py`` would measure for hours and then fail."""
    for name, path in (("speed", "README.md"), ("measured", "convcli/manual/performance.md")):
        assert "new table" in table_text.replace_between((ROOT / path).read_text(), name, ["new table"])


def test_variants_differ_in_one_property_and_small_pictures_in_their_channels_too():
    """Every combination on demand; an axis without its usual value is measured whole."""
    variants = [tuple(variant.values()) for variant in grid_cells.list_variants(AXES)]
    one_differs = [("2048", 3, 1, 1), ("2048", 3, 1, 2), ("2048", 3, 2, 1), ("2048", 1, 1, 1), ("4000x3000", 3, 1, 1)]
    small = [(side, channel, 1, 1) for side in ("256", "512") for channel in (3, 1)]
    assert sorted(variants) == sorted(one_differs + small)
    assert len(list(grid_cells.list_variants(AXES, every=True))) == 4 * 2**3
    assert len(list(grid_cells.list_variants(AXES | {"side": ["512"], "stride": [2]}))) == 2 + 1
    assert len(list(grid_cells.list_cells(AXES))) == 9 * 4 * 3 * 9


def test_the_readme_has_the_usual_cells_and_a_line_for_each_other_value():
    """A cell that differs in two properties is in neither."""
    cells = [cell(2.0), cell(None, size=5), cell(0.5, side="512"), cell(9.0, side="512", channel=1), cell(4.0, stride=2)]
    lines = table_text.readme_lines(cells)
    assert lines[:3] == ["| kernel | 3 x 3 | 5 x 5 |", "|---|---|---|", "| box u8 to u8 | 2.0 |  |"]
    assert lines[4] == "In all: 1 cells, geometric mean 2.00, 0 of them slower than the fastest peer."
    assert lines[6:] == [
        "- side 512 in place of 2048: 1 cells, geometric mean 0.50, 1 of them slower than the fastest peer",
        "- stride 2 in place of 1: 1 cells, geometric mean 4.00, 0 of them slower than the fastest peer",
    ]


def test_results_of_two_machines_are_not_mixed():
    """Those of two commits and days are, and both are named."""
    lines = table_text.machine_lines([document(), document(commit="2", date="2026-01-05")])
    assert lines[0] == "Measured on 2026-01-02 to 2026-01-05:"
    assert "convcli 1 and 2" in lines[-2]
    with pytest.raises(ValueError, match="different machines"):
        table_text.machine_lines([document(), document(machine="B")])


def test_layers_have_columns_for_each_number_of_threads():
    """Milliseconds of both, the part of the peak, and the ratio."""
    row = {"layer": "L", "work": 3e6, "ONNX Runtime": 1.2, "convcli": 2.4, "ratio": 0.5}
    rows = [row | {"threads": threads, "part": part} for threads, part in ((1, 0.75), (2, 0.5))]
    lines = list(table_text.layer_lines([document(rows=[row]) for row in rows]))
    assert lines[-1] == "| L | 3 | 1.2 | 2.4 | 75% | 0.50 | 1.2 | 2.4 | 50% | 0.50 |"


def test_networks_have_columns_for_threads_and_for_processes():
    """Milliseconds of both, and the ratio."""
    row = {"network": "N", "work": 3.3e5, "ONNX Runtime": 1.2, "convcli": 2.4, "ratio": 0.5}
    rows = [
        row | {"threads": 2},
        row | {"threads": 0, "ONNX Runtime": 300.0},
        row | {"network": "M", "threads": 2, "ratio": 2.0},
    ]
    assert list(table_text.network_lines(document(rows=rows)))[-4:] == [
        "| network | million multiply-adds | ONNX Runtime ms, 2 threads | convcli ms | ratio | ONNX Runtime ms, process "
        "| convcli ms | ratio |",
        "|---|---|---|---|---|---|---|---|",
        "| N | 0.3 | 1.2 | 2.4 | 0.50 | 300 | 2.4 | 0.50 |",
        "| M | 0.3 | 1.2 | 2.4 | 2.00 |",
    ]


def test_batches_have_a_column_for_each_place_and_number_of_jobs():
    """What was not measured is empty."""
    row = {"program": "convcli", "rate": 20.0, "memory": 1e8}
    batches = [
        document(suffix=".jpg", jobs=1, folder="disk", count=10, side=512, rows=[row]),
        document(suffix=".tif", jobs=2, folder="/dev/shm", count=10, side=512, rows=[row | {"rate": 30.0}]),
    ]
    assert list(table_text.batch_lines(batches))[-4:] == [
        "| to | program | disk, 1 job | memory, 2 jobs | peak MB |",
        "|---|---|---|---|---|",
        "| .jpg | convcli | 20.0 |  | 100 |",
        "| .tif | convcli |  | 30.0 | 100 |",
    ]
