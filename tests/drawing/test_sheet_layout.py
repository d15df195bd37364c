"""Boxes of sheets: none overlaps another, and all lie on the sheet."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import assert_apart
from convcli.drawing.layout import WIDTH, GroupSize, arrange, block_grid, grid_for
from convcli.drawing.options import SheetOptions
from convcli.errors import ArgumentError

SIDES = st.integers(1, 300)
GROUPS = st.builds(
    lambda cells, tile, more, caption, inset, heading, legend: GroupSize(
        tuple(cells), tile, max(tile[1], *(cell or 0 for cell in cells)) + more, caption, inset, heading, tuple(legend)
    ),
    st.lists(st.sampled_from([0, None, 7, 30, 60]), min_size=1, max_size=40),
    st.tuples(SIDES, SIDES),
    st.integers(0, 50),
    st.integers(0, 60),
    st.integers(0, 90),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 400)), max_size=5),
)


@given(st.lists(GROUPS, min_size=1, max_size=3), st.integers(1, 20))
def test_no_boxes_overlap(groups, columns):
    """Whatever the sizes of the parts."""
    assert_apart(arrange(groups, columns))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 17, 33, 65, 129, 513, 601])
@pytest.mark.parametrize("shape", [(512, 512), (427, 640), (640, 427), (7, 7), (1, 1), (1, 1000), (1000, 1)])
def test_the_grid_fits_the_width(count, shape):
    """Of a sheet as wide as WIDTH at most; tiles stay large enough to be seen."""
    grid = grid_for([count], [shape], SheetOptions())
    assert grid.side >= 40
    assert grid.columns * (grid.side * shape[1] / max(shape) + 4) <= WIDTH
    assert grid.columns <= count


def test_the_shape_of_a_sheet_is_about_four_to_three():
    """For counts of maps that can be arranged so."""
    for count in (4, 6, 12, 20, 30, 64):
        grid = grid_for([count], [(512, 512)], SheetOptions(labels=False))
        rows = -(-count // grid.columns)
        assert 0.7 <= grid.columns / rows / (4 / 3) <= 1.7, count


@pytest.mark.parametrize("count", [4, 6, 8])
@pytest.mark.parametrize("shape", [(3, 3), (512, 512)])
def test_rows_are_full_where_they_can_be(count, shape):
    """Not five and three of eight, or three and one of four."""
    assert count % grid_for([count], [shape], SheetOptions()).columns == 0


def test_small_maps_are_enlarged():
    """Two layers of 16 maps of 32 x 32: so that a tile fills most of its cell, and the sheet its width."""
    grid = grid_for([16, 16], [(32, 32)] * 32, SheetOptions(), further=360)
    drawn = grid.side // 32 * 32
    assert drawn >= 64
    assert drawn >= 0.75 * grid.side
    assert 600 < grid.columns * grid.side <= WIDTH


def test_given_sizes_are_kept():
    """--columns, --tile, --scale, and two of them."""
    assert grid_for([9], [(50, 60)], SheetOptions(columns=2)).columns == 2
    assert grid_for([9], [(50, 60)], SheetOptions(tile=77)).side == 77
    assert grid_for([9], [(50, 60)], SheetOptions(scale=3)).side == 180
    grid = grid_for([9], [(50, 60)], SheetOptions(columns=20, tile=77))
    assert (grid.columns, grid.side) == (20, 77)
    with pytest.raises(ArgumentError, match="--tile and --scale both set"):
        SheetOptions(tile=3, scale=2)


@pytest.mark.parametrize(("count", "size"), list(itertools.product([1, 2, 3, 4, 7, 8, 16], [(60, 60), (60, 120), (30, 7)])))
def test_blocks_of_kernels_fit_their_box(count, size):
    """In rows and columns with gaps."""
    rows, columns, side = block_grid(count, size)
    assert rows * columns >= count
    assert side == 1 or (rows * (side + 2) <= size[0] + 2 and columns * (side + 2) <= size[1] + 2)
