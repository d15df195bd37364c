"""Frames of slides: the window is outlined where it is, the map grows, and nothing overlaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from boxes import assert_boxes_apart
from convcli.drawing.captions import number
from convcli.drawing.colormaps import UNKNOWN, colormap
from convcli.drawing.layout import MARGIN, WIDTH
from convcli.drawing.number_grid import OUTLINE
from convcli.drawing.scale import Scale
from convcli.drawing.slide import Slide, figure_of
from convcli.drawing.slide_layout import SlideSizes, arrange_slide
from convcli.drawing.sliding_window import PADDING, PIXEL, SlidingWindow, Step
from convcli.drawing.text import width_of
from convcli.errors import ArgumentError

SHAPES = st.tuples(st.integers(1, 96), st.integers(1, 96))


def slide_of(planes, weights, out, cell=None, stride=(1, 1), dilation=(1, 1), scale=None, padded=0, written=False):
    """The slide of planes (C, H, W) with ``padded`` cells of padding on each side, and weights (C, kh, kw)."""
    planes, weights = np.asarray(planes, float), np.asarray(weights, float)
    sources = np.full(planes.shape[1:], PADDING, np.uint8)
    sources[padded : planes.shape[1] - padded, padded : planes.shape[2] - padded] = PIXEL

    def explain(values):
        return Step(values, values * weights, ("sum of the products",))

    names = ("",) if len(planes) == 1 else tuple(f"channel {index}" for index in range(len(planes)))
    grid = SlidingWindow(
        "title", "facts", planes, sources, names, ("input", "map"), weights, weights if written else None, np.zeros(out), scale,
        False, (0, 0), stride, dilation, weights.shape[1:], explain,
    )  # fmt: skip
    sums = [grid.step(index).products.sum() for index in range(grid.positions)]
    grid.map[:] = np.reshape(sums, out)
    return Slide(grid, cell)


def pixels_in(frame, box):
    """The pixels of a box."""
    return frame[box.y : box.y + box.height, box.x : box.x + box.width]


def outlined(frame, panel, margin=1):
    """The rows and columns of a panel's grid, from .. to, that are outlined, in pixels of the panel."""
    box = panel.grid
    part = frame[box.y - margin : box.y + box.height + margin, box.x - margin : box.x + box.width + margin]
    rows, columns, _ = np.nonzero((part == OUTLINE).all(axis=2)[:, :, None])
    return rows.min() - margin, rows.max() - margin, columns.min() - margin, columns.max() - margin


@given(
    count=st.integers(1, 4),
    input_shape=SHAPES,
    map_shape=SHAPES,
    window=SHAPES,
    parts=st.sampled_from(
        [("window",), ("kernel", "products"), ("window", "kernel", "products"), ("window", "kernel", "products", "written")]
    ),
    lines=st.integers(1, 6),
    cell=st.one_of(st.none(), st.integers(8, 60)),
)
def test_no_boxes_overlap(count, input_shape, map_shape, window, parts, lines, cell):
    """Whatever the sizes; headings are as wide as their text."""
    headings = tuple((name, f"the heading of {name}") for name in parts)
    factor, legend = "1/9 x" if lines % 2 else "", (41, 180) if lines > 3 else (0, 0)
    texts = ("t", "f" * 300)
    sizes = SlideSizes(
        ("a heading of an input",) * count, "map", input_shape, map_shape, window, headings, lines, texts, cell, factor, legend
    )
    layout = arrange_slide(sizes)
    assert_boxes_apart(layout.boxes, layout.width, layout.height)
    assert layout.inputs[0].heading.width == width_of("a heading of an input", 13)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (9, 9), (9, 4), (34, 34)])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (5, 5), (1, 7)])
def test_usual_slides_have_a_largest_width(count, shape, window):
    """1,000 pixels, or 1,600 with three channels of up to 11 columns, as a cell has at least 6 pixels."""
    parts = tuple((name, name) for name in ("window", "kernel", "products")[count > 1 :])
    sizes = SlideSizes(("input",) * count, "map", shape, shape, window, parts, 2, ("title", "facts"))
    assert arrange_slide(sizes).width <= (1000 if count == 1 else 1600)


@pytest.mark.parametrize(("stride", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 2), (2, 1)), ((1, 1), (2, 3))])
def test_the_window_is_outlined_where_it_lies(rng, stride, dilation):
    """In every channel: from one pixel before the first tap to one behind the last."""
    out = (3, 4)
    shape = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(out, stride, (2, 3), dilation, strict=True)]
    slide = slide_of(rng.integers(0, 9, (2, *shape)), np.ones((2, 2, 3)), out, cell=20, stride=stride, dilation=dilation)
    for index in range(12):
        row, column = divmod(index, 4)
        frame = slide.frame(index)
        top, left = row * stride[0] * 20, column * stride[1] * 20
        bottom, right = top + (dilation[0] + 1) * 20, left + (2 * dilation[1] + 1) * 20
        for panel in slide.layout.inputs:
            assert outlined(frame, panel) == (top - 1, bottom + 1, left - 1, right + 1)
        assert outlined(frame, slide.layout.map) == (row * 20 - 1, row * 20 + 21, column * 20 - 1, column * 20 + 21)


def test_each_tap_of_a_dilated_kernel_is_outlined():
    """Not what lies between them."""
    slide = slide_of(np.zeros((1, 3, 3)), np.ones((1, 2, 2)), (1, 1), cell=20, dilation=(2, 2))
    frame, box = slide.frame(0), slide.layout.inputs[0].grid
    for y in (0, 2):
        for x in range(3):
            below_the_line = frame[box.y + 20 * y + 1, box.x + 20 * x + 6 : box.x + 20 * x + 14]
            assert (below_the_line == OUTLINE).all() == (x != 1)
    assert not (frame[box.y + 26 : box.y + 34, box.x + 1 : box.x + 59] == OUTLINE).all(axis=2).any()


def test_the_map_grows_in_the_colours_of_its_values(rng):
    """Cells after the position are hatched white; those before have the colour of their value, and stay."""
    slide = slide_of(rng.integers(-5, 6, (1, 4, 6)), [[[1, -1], [2, 0]]], (3, 5), cell=20)
    reach = np.abs(slide.window.map).max()
    colours = colormap("diverging")[np.rint((slide.window.map / reach + 1) * 128).astype(int)]
    box = slide.layout.map.grid
    corners = np.ix_(box.y + 4 + 20 * np.arange(3), box.x + 4 + 20 * np.arange(5))
    for index in range(15):
        frame = slide.frame(index)
        assert_array_equal(frame[corners].reshape(-1, 3)[: index + 1], colours.reshape(-1, 3)[: index + 1])
        cells = pixels_in(frame, box)[:-1, :-1].reshape(3, 20, 5, 20, 3).swapaxes(1, 2).reshape(15, 20, 20, 3)
        for cell in cells[index + 2 :]:  # beside the one after the position there is its outline
            inside = cell[5:-5, 5:-5, 0]
            assert set(np.unique(inside)) == {round(255 * 0.7), 255}


def test_a_map_whose_numbers_have_no_room_has_a_legend():
    """From the lowest colour of its scale to the highest, below the map; one with numbers has none."""
    values = np.arange(16.0).reshape(1, 4, 4) - 20
    slide = slide_of(values, np.ones((1, 1, 1)), (4, 4), cell=8)
    box = slide.layout.legend
    bar = pixels_in(slide.background, box)[box.height // 2 - 2]
    assert_array_equal(bar[[0, -1]], colormap("diverging")[[0, -1]])
    assert box.y > slide.layout.map.grid.y + slide.layout.map.grid.height
    assert slide.legend.ends == ("-20", "0", "20")
    assert slide_of(values, np.ones((1, 1, 1)), (4, 4), cell=40).layout.legend.height == 0
    assert_boxes_apart(slide.layout.boxes, slide.layout.width, slide.layout.height)


@pytest.mark.parametrize("cell", [6, 13])
def test_small_cells_without_a_value_are_no_white_cells(cell):
    """As they are on a map of 32 x 32: white is the largest value of a map of one sign, and black none."""
    slide = slide_of(np.ones((1, 4, 4)), np.ones((1, 1, 1)), (4, 4), cell=cell)
    part = pixels_in(slide.frame(0), slide.layout.map.grid)[-cell:-1, -cell:-1, 0]
    assert len(np.unique(part)) == 2


def test_the_parts_have_their_colours(rng):
    """A picture is grey from black to white; kernel and products have 0 in the middle of scales of their own."""
    slide = slide_of([[[0, 255], [51, 102]]], [[[-2, 1], [0, 1]]], (1, 1), scale=Scale(0, 255, False))
    frame, (parts,) = slide.frame(0), slide.layout.parts
    cell, small = slide.layout.cell, slide.layout.small_cell
    grey = frame[
        np.ix_(slide.layout.inputs[0].grid.y + 4 + cell * np.arange(2), slide.layout.inputs[0].grid.x + 4 + cell * np.arange(2))
    ]
    assert_array_equal(grey, np.array([[0, 255], [51, 102]])[:, :, None].repeat(3, axis=2))
    for name, values, reach in [("kernel", [[-2, 1], [0, 1]], 2), ("products", [[0, 255], [0, 102]], 255)]:
        box = parts[name].grid
        seen = frame[np.ix_(box.y + 2 + small * np.arange(2), box.x + 2 + small * np.arange(2))]
        assert_array_equal(seen, colormap("diverging")[np.rint((np.array(values) / reach + 1) * 128).astype(int)], name)
    assert [(part.name, part.scale) for part in slide.parts] == [
        ("input", Scale(0, 255, False)),
        ("map", Scale(-357, 357, True)),  # the kernel has a weight below 0
        ("kernel", Scale(-2, 2, True)),
        ("products", Scale(-255, 255, True)),
    ]


def test_small_slides_take_the_room_of_a_slide():
    """Cells of 64 pixels and weights of more than 13 in their corners; with a larger input less."""
    small, large = (slide_of(np.ones((1, n, n)), np.ones((1, 3, 3)), (n - 2, n - 2)) for n in (5, 12))
    assert 800 <= small.layout.width <= WIDTH
    assert (small.layout.cell, small.layout.small_cell) == (64, 64)
    assert small.corner[1] > 13 >= large.corner[1]


def test_padding_is_hatched():
    """With darker lines on light cells, lighter ones on dark cells, on the colour of an equal pixel; pixels are not."""
    for level, end in ((240.0, 0), (7.0, 1)):
        slide = slide_of(np.full((1, 5, 5), level), np.ones((1, 3, 3)), (3, 3), cell=60, padded=1, scale=Scale(0, 255, False))
        box = slide.layout.inputs[0].grid
        padding, pixel = (slide.background[box.y + y + 1 : box.y + y + 60, box.x + 61 : box.x + 120, 0] for y in (0, 60))
        assert set(np.unique(pixel[:12])) == {int(level)}
        values, counts = np.unique(padding[:12], return_counts=True)
        assert len(values) == 2
        assert values[1 - end] == level
        assert counts[end] / counts.sum() == pytest.approx(1 / 6, abs=0.02)
        assert_array_equal(padding[0, 1:12], padding[1, :11])


def test_numbers_are_inside_of_their_cells(rng):
    """Also those of many digits, and weights in the corners: nothing is written on the lines of the grid."""
    for values in ([[-1.23e-5, 1e30], [123456.7, 1 / 3]], [[0, 255], [65535, -1020]]):
        slide = slide_of([values], [[[1 / 9, -2 / 9], [0, 1]]], (1, 1))
        plain = slide_of([values], [[[1 / 9, -2 / 9], [0, 1]]], (1, 1))
        plain.fits, plain.corner = plain.fits._replace(input=None), None
        box, cell = slide.layout.inputs[0].grid, slide.layout.cell
        written, blank = (pixels_in(each, box) for each in (slide.background, plain._draw_background()[0]))
        changed = (written != blank).any(axis=2)
        assert changed.any()
        assert not changed[::cell].any()
        assert not changed[:, ::cell].any()


def test_nan_has_its_colour():
    """In the input and in the map, and the caption says it."""
    slide = slide_of([[[np.nan, 1, 2]]], [[[1, 1]]], (1, 2), scale=Scale(0, 2, False))
    frame = slide.frame(1)
    box = slide.layout.map.grid
    assert tuple(frame[box.y + 4, box.x + 4]) == UNKNOWN
    assert slide.caption(0) == "position 0 of 0 to 1, row 0, column 0 of the map: sum of the products = NaN"
    assert slide.caption(1) == "position 1 of 0 to 1, row 0, column 1 of the map: sum of the products = 3"


def test_one_pixel_is_drawn():
    """The smallest slide."""
    slide = slide_of([[[5]]], [[[2]]], (1, 1))
    assert slide.window.positions == 1
    assert slide.frame(0).shape == (slide.layout.height, slide.layout.width, 3)


def test_frames_are_the_same_each_time_and_in_any_order(rng):
    """To the byte: each is drawn from the start."""
    slide = slide_of(rng.normal(size=(1, 5, 5)), rng.normal(size=(1, 3, 3)), (3, 3))
    forwards = [slide.frame(index) for index in range(9)]
    for index in reversed(range(9)):
        assert_array_equal(slide.frame(index), forwards[index])


def test_a_figure_has_frames_in_rows(rng):
    """Each as it is, from left to right."""
    slide = slide_of(rng.integers(0, 9, (1, 4, 4)), np.ones((1, 2, 2)), (3, 3))
    high, wide = slide.layout.height, slide.layout.width
    figure = figure_of(slide, range(2, 9))
    columns = figure.shape[1] // wide
    assert (figure.shape[0] % high, figure.shape[1] % wide) == (0, 0)
    for place, index in enumerate(range(2, 9)):
        y, x = place // columns * high, place % columns * wide
        assert_array_equal(figure[y : y + high, x : x + wide], slide.frame(index))
    with pytest.raises(ArgumentError, match="take fewer with --frames"):
        figure_of(slide, range(1000))


def test_fractions_have_their_common_factor_before_the_kernel_and_the_products():
    """1/9 is written as 1 behind 1/9 x, and so are the products: 9 x 1 and 18 x -2 are 9 and -36 of 1/9."""
    slide = slide_of([[[9, 18]]], [[[1 / 9, -2 / 9]]], (1, 1), written=True)
    signs = {name: panel.sign for name, panel in slide.layout.parts[0].items()}
    assert signs == {"window": "", "kernel": "x 1/9 x", "products": "= 1/9 x", "written": ""}
    texts = {name: panel.text for name, panel in slide.layout.parts[0].items()}
    assert (texts["kernel"], texts["written"]) == ("kernel, rotated", "1/9 x kernel as written")
    drawn = [slide._without_factor(slide.window.step(0).products), slide.window.weights * 9]
    assert_array_equal(drawn, [[[[9, -36]]], [[[1, -2]]]])
    assert sorted(slide.products) == [-4, 1]
    assert [part.scale.high for part in slide.parts if part.name == "products"] == [4]
    assert slide._corner_texts()[0] == [[["x1/9", "x-2/9"]]]
    assert number(float(slide.window.map[0, 0])) == "-3"


def test_the_common_factor_of_three_windows_is_in_their_headings():
    """There is no room for it before the grids."""
    slide = slide_of(np.ones((3, 5, 5)), np.full((3, 3, 3), 1 / 16), (3, 3))
    for parts in slide.layout.parts:
        assert {name: panel.text for name, panel in parts.items()} == {"kernel": "1/16 kernel", "products": "1/16 products"}
        assert [panel.sign for panel in parts.values()] == ["x", "="]
    assert slide.layout.width <= 1600


def test_a_rotated_kernel_is_shown_as_it_is_written_too():
    """Beside the calculation."""
    parts = slide_of([[[9, 18]]], [[[1, 2]]], (1, 1), written=True).layout.parts[0]
    assert {name: panel.text for name, panel in parts.items()} == {
        "window": "window",
        "kernel": "kernel, rotated",
        "products": "products",
        "written": "kernel as written",
    }
    assert parts["window"].grid.x == MARGIN
