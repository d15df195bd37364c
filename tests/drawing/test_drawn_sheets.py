"""Sheets of tiles: what is drawn where."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from boxes import assert_apart
from convcli.drawing import colormaps
from convcli.drawing.canvas import PixelCanvas
from convcli.drawing.captions import lines_of, number, texts_on
from convcli.drawing.colormaps import colormap
from convcli.drawing.options import SheetOptions
from convcli.drawing.sheet import Cell, Group, arrange_sheet, draw_on, draw_sheet
from convcli.drawing.text import height_of, width_of
from convcli.drawing.tile import drawn_size, enlarged, reduced, tile_of
from convcli.errors import ArgumentError

NAMES = ["sobel-x", "漢字フィルタ" * 9, "σ" * 40, "x" * 300, "", "a b"]


def map_of(values, name="m", side=64, **facts):
    """The tile of a map (H, W) or (H, W, C)."""
    array = np.asarray(values, np.float32)
    array = array if array.ndim == 3 else array[:, :, None]
    finite = array[np.isfinite(array)]
    extremes = (float(finite.min()), float(finite.max())) if finite.size else None
    return tile_of(name, "map", array, drawn_size(array.shape, side), extremes, **facts)


def sheet_of(arrays, options=None, columns=3, side=64, **facts):
    """A sheet of maps."""
    cells = tuple(Cell((map_of(array, f"map-{index}", side, **facts),)) for index, array in enumerate(arrays))
    return draw_sheet([Group(cells, side)], columns, options or SheetOptions())


class WrittenCanvas(PixelCanvas):
    """Keeps the texts that are written."""

    def write(self, at, text, size, colour=(0, 0, 0)):
        """Keep a text."""
        self.texts = [*getattr(self, "texts", []), text]


def tile_pixels(sheet, index):
    """The pixels of a tile, cut out of a sheet by its box."""
    box = sheet.layout.groups[0].cells[index].tile
    return sheet.pixels[box.y : box.y + box.height, box.x : box.x + box.width]


def expected_pixels(values, low, high, name, factor):
    """The colours of values, computed independently."""
    places = np.rint((np.asarray(values, float) - low) / (high - low) * 256).astype(int)
    return colormap(name)[places].repeat(factor, axis=0).repeat(factor, axis=1)


def test_signed_maps_share_a_scale_with_zero_in_the_middle(rng):
    """Each sample is a square of the colour of its value."""
    first, second = rng.integers(-5, 6, (8, 8)), rng.integers(-9, 3, (8, 8))
    first[0, 0], second[0, 0] = 0, -9
    sheet = sheet_of([first, second])
    assert_array_equal(tile_pixels(sheet, 0), expected_pixels(first, -9, 9, "diverging", 8))
    assert_array_equal(tile_pixels(sheet, 1), expected_pixels(second, -9, 9, "diverging", 8))
    assert_array_equal(tile_pixels(sheet, 0)[0, 0], colormap("diverging")[128])


def test_unsigned_maps_share_a_scale_from_minimum_to_maximum(rng):
    """In the sequential map, or another one."""
    maps = [rng.integers(3, 40, (16, 16)) for _ in range(2)]
    low, high = np.min(maps), np.max(maps)
    for options, name in [(SheetOptions(), "sequential"), (SheetOptions(colormap="fire"), "fire")]:
        sheet = sheet_of(maps, options)
        for index, values in enumerate(maps):
            assert_array_equal(tile_pixels(sheet, index), expected_pixels(values, low, high, name, 4))


def test_each_map_can_have_its_own_scale(rng):
    """Signed or not."""
    maps = [rng.integers(3, 40, (8, 8)), rng.integers(-4, 4, (8, 8)), rng.integers(-90, 90, (8, 8))]
    sheet = sheet_of(maps, SheetOptions(normalize="each"))
    assert_array_equal(tile_pixels(sheet, 0), expected_pixels(maps[0], maps[0].min(), maps[0].max(), "sequential", 8))
    for index in (1, 2):
        reach = np.abs(maps[index]).max()
        assert_array_equal(tile_pixels(sheet, index), expected_pixels(maps[index], -reach, reach, "diverging", 8))


def test_levels_do_not_share_the_scale_of_signed_maps():
    """A blurred picture beside its edges."""
    cells = (Cell((map_of([[0, 200]], are_levels=True),)), Cell((map_of([[-1, 1]]),)), Cell((map_of([[0, 0.5]]),)))
    sheet = draw_sheet([Group(cells, 64)], 3, SheetOptions())
    assert [(facts.scale.low, facts.scale.high, facts.colormap) for facts in sheet.tiles] == [
        (0, 200, "grey"),
        (-1, 1, "diverging"),
        (-1, 1, "diverging"),
    ]


def test_nan_and_clipped_samples_have_their_colours_and_stand_in_the_legend():
    """Only where they occur."""
    values = np.zeros((8, 8))
    values[0], values[1, :4] = np.linspace(-1, 1, 8), [np.nan, np.inf, -np.inf, 0]
    pixels = tile_pixels(sheet_of([values]), 0)
    assert_array_equal(pixels[8, ::8][:3], [colormaps.UNKNOWN, colormaps.ABOVE, colormaps.BELOW])
    squares = [box for box in sheet_of([values]).layout.groups[0].legend if box.height < 20]
    assert len(squares) == 3
    assert len(sheet_of([values[2:]]).layout.groups[0].legend) == 1
    many = np.arange(-50.0, 51)[:, None] * np.ones((1, 4))
    facts = sheet_of([many], SheetOptions(percentile=90), side=202).tiles[0]
    limit = np.percentile(np.abs(many), 90)
    assert facts.scale.high == limit
    assert (facts.counts.below, facts.counts.above, facts.counts.unknown) == ((many < -limit).sum(), (many > limit).sum(), 0)


def test_a_map_of_nothing_but_nan_is_drawn():
    """It has the colour of NaN, no scale, and says so."""
    sheet = sheet_of([np.full((4, 4), np.nan)])
    assert np.all(tile_pixels(sheet, 0) == colormaps.UNKNOWN)
    assert sheet.tiles[0].scale is None
    assert lines_of((map_of(np.full((4, 4), np.nan)),), (), 200, 200)[2][0] == "nothing finite"


def test_three_channels_are_colours(rng):
    """Signed ones are centred at grey, unsigned ones reach from minimum to maximum."""
    signed = rng.integers(-4, 5, (8, 8, 3))
    signed[0, 0] = [0, -4, 4]
    pixels = tile_pixels(sheet_of([signed]), 0)
    assert_array_equal(pixels[0, 0], [128, 0, 255])
    assert_array_equal(pixels[::8, ::8], np.rint((signed + 4) / 8 * 255))
    levels = rng.integers(0, 256, (8, 8, 3))
    levels[0, 0], levels[0, 1] = 0, 255
    assert_array_equal(tile_pixels(sheet_of([levels]), 0)[::8, ::8], levels)


def test_large_maps_are_reduced_by_means(rng):
    """Of whole rows and columns; a NaN is not averaged away."""
    values = rng.normal(size=(100, 150, 1)).astype(np.float32)
    small = reduced(values, (30, 64))
    rows, columns = np.arange(31) * 100 // 30, np.arange(65) * 150 // 64
    for y, x in [(0, 0), (7, 33), (29, 63)]:
        part = values[rows[y] : rows[y + 1], columns[x] : columns[x + 1]]
        assert small[y, x, 0] == pytest.approx(part.mean(dtype=float), abs=1e-6)
    values[50, 70] = np.nan
    assert np.isnan(reduced(values, (30, 64))).sum() == 1
    levels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert_array_equal(reduced(levels, (20, 20)), np.rint(levels.reshape(20, 2, 20, 2, 3).mean(axis=(1, 3))))


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [
        ((3, 3), 64, (63, 63)),
        ((1, 1), 64, (64, 64)),
        ((1, 10), 64, (8, 60)),
        ((512, 256), 64, (64, 32)),
        ((1, 9000), 64, (8, 64)),
    ],
)
def test_sizes_of_tiles(shape, side, size):
    """Small arrays are enlarged by whole factors, vectors are strips."""
    assert drawn_size(shape, side).size == size


def test_enlarged_repeats_samples():
    """Nearest neighbours."""
    assert_array_equal(enlarged(np.arange(2).reshape(1, 2, 1), (2, 3))[..., 0], [[0, 0, 0, 1, 1, 1]] * 2)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12, 64, 100])
@pytest.mark.parametrize("side", [16, 40, 100, 160, 320])
def test_nothing_overlaps(count, side):
    """Tiles, kernels, captions and legends; each line fits its caption."""
    kernel = tile_of("k", "kernel", np.eye(3)[:, :, None], drawn_size((3, 3), 3), (0.0, 1.0))
    cells = tuple(
        Cell((map_of(np.eye(5) * 1e30 * (-1) ** index, NAMES[index % len(NAMES)], side),), (kernel,) * (index % 4))
        for index in range(count)
    )
    sheet = draw_sheet([Group(cells, side, "漢字 heading " * 30), Group(cells[:1], side)], 5, SheetOptions())
    assert_apart(sheet.layout)
    for cell, boxes in zip(cells, sheet.layout.groups[0].cells, strict=True):
        lines = lines_of(cell.tiles, cell.kernels, side, boxes.caption.width)
        assert all(width_of(text, size) <= boxes.caption.width for text, size in lines if text)
        assert sum(height_of(size) for _, size in lines) <= boxes.caption.height
        if side >= 160:
            assert lines[-1][0].endswith("0 to 1e+30" if cell.tiles[0].maximum else "-1e+30 to 0")


def test_a_row_of_equal_cuts_has_numbers_instead():
    """Names that differ only where they are cut do not stand below tiles."""
    tiles = tuple(map_of(np.eye(3), f"{'long' * 20}-{index}", 40, index=index) for index in range(3))
    sheets = [draw_sheet([Group(tuple(Cell((tile,)) for tile in some), 40)], 3, SheetOptions()) for some in (tiles, tiles[:1])]
    box = sheets[0].layout.groups[0].cells[1].caption
    one = draw_sheet([Group((Cell((map_of(np.eye(3), "1", 40),)),), 40)], 1, SheetOptions())
    place = one.layout.groups[0].cells[0].caption
    ours = sheets[0].pixels[box.y : box.y + box.height, box.x : box.x + 30]
    assert_array_equal(ours, one.pixels[place.y : place.y + place.height, place.x : place.x + 30])


def test_kernels_beside_captions_are_drawn_whole(rng):
    """One kernel where another cell has two, and kernels that are no squares."""
    weights = [rng.permutation(np.arange(-4, 5)).reshape(shape) for shape in [(3, 3), (1, 9), (9, 1)]]
    tiles = [
        tile_of("k", "kernel", array[:, :, None], drawn_size(array.shape, 9), (-4.0, 4.0)) for array in map(np.array, weights)
    ]
    cells = tuple(Cell((map_of(np.eye(4), side=320),), (tile,)) for tile in tiles)
    cells += (Cell((map_of(np.eye(4), side=320),), (tiles[0], tiles[0])),)
    sheet = draw_sheet([Group(cells, 320)], 2, SheetOptions())
    for array, places in zip(weights, sheet.layout.groups[0].cells, strict=False):
        box = places.inset
        part = sheet.pixels[box.y : box.y + box.height, box.x : box.x + box.width].reshape(-1, 3)
        seen = {
            tuple(colour)
            for colour, count in zip(*np.unique(part, axis=0, return_counts=True), strict=True)
            if count >= 49  # 8 x 8 pixels without lines
        }
        assert {tuple(colour) for colour in colormap("diverging")[(array.ravel() + 4) * 32]} <= seen


def test_kernels_of_a_merged_bank_have_a_range():
    """Also where each has a scale of its own: in a block, and beside the caption of their map."""
    kernels = tuple(
        tile_of(name, "kernel", array, drawn_size(array.shape, 9), (float(array.min()), float(array.max())))
        for name, array in (("a", np.array([[[-2.0], [1.0]]])), ("b", np.array([[[-1.0], [3.0]]])))
    )
    assert [text for text, _ in lines_of(kernels, (), 200, 300)] == ["a, b", "2 kernels 1 row x 2 columns", "-2 to 3"]
    assert lines_of((map_of(np.eye(4)),), kernels, 200, 300)[1][0] == "2 kernels 1 row x 2 columns: -2 to 3"


def test_tiles_begin_where_their_captions_do():
    """Also narrow ones in wide cells."""
    sheet = sheet_of([np.ones((60, 20)), np.ones((20, 60))], side=60)
    for cell in sheet.layout.groups[0].cells:
        lines = sheet.pixels[cell.tile.y : cell.tile.y + cell.tile.height]
        assert cell.tile.x == cell.caption.x
        assert (lines[30, cell.tile.x] == colormap("sequential")[-1]).all()


def test_numbers_stand_in_their_cells():
    """Dark on light, light on dark, and within the cell."""
    values = np.array([[0, -1020], [0.0625, 765]])
    plain, written = (sheet_of([values], SheetOptions(numbers=on), side=160) for on in (False, True))
    changed = (tile_pixels(plain, 0) != tile_pixels(written, 0)).any(axis=2)
    for y in (0, 80):
        for x in (0, 80):
            cell = changed[y : y + 80, x : x + 80]
            assert cell[2:-2, 2:-2].any()
            assert not cell[[0, -1]].any()
            assert not cell[:, [0, -1]].any()
    assert tile_pixels(written, 0)[:80, :80].min() < 32  # 0 is black on the light middle
    assert tile_pixels(written, 0)[:80, 80:].max() == 255  # white on the dark end


@pytest.mark.parametrize("value", [-1020.0, -1.23456e-5, 123456.0, 1e30, float("nan"), float("-inf"), 1 / 3])
def test_every_number_fits_the_smallest_cell(value):
    """Of 38 pixels."""
    ((text,),), size = texts_on(map_of(np.array([[value]])), 38, 38)
    assert width_of(text, size) <= 38
    assert size >= 7


def test_weights_are_fractions_where_these_fit():
    """Of one denominator, as textbooks write them; maps are not, nor are weights that have none or no room."""
    binomial = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[:, :, None] / 16

    def texts(kind, array, width):
        return texts_on(tile_of("k", kind, array, drawn_size(array.shape, 9), (0.0, 1.0)), width, 38)[0]

    assert texts("kernel", binomial, 60) == [["1/16", "2/16", "1/16"], ["2/16", "4/16", "2/16"], ["1/16", "2/16", "1/16"]]
    assert texts("kernel", np.array([[[1 / 9], [0], [-2 / 9]]]), 60) == [["1/9", "0", "-2/9"]]
    assert texts("map", binomial[:1], 60) == [["0.0625", "0.125", "0.0625"]]
    assert texts("kernel", np.array([[[0.3], [0.7]]]), 60) == [["0.3", "0.7"]]
    assert texts("kernel", np.array([[[1 / 1024], [-1020 / 1024]]]), 38) == [["0.000977", "-0.996"]]


def test_number_has_no_sign_of_zero():
    """-0.0 is 0."""
    assert [number(value) for value in (-0.0, 5.0, 0.5, 1e6, float("inf"))] == ["0", "5", "0.5", "1e+06", "inf"]
    assert [number(value) for value in (12345.6, -999999.7, 0.99996)] == ["12346", "-1e+06", "1"]
    assert [number(value, digits) for value, digits in ((9999.6, 4), (-999.7, 3), (99.6, 2), (9.7, 1))] == [
        "10000", "-1000", "100", "10",
    ]  # fmt: skip


def test_sheets_are_the_same_each_time(rng):
    """To the byte."""
    maps = rng.normal(size=(5, 30, 40))
    assert_array_equal(sheet_of(maps).pixels, sheet_of(maps.copy()).pixels)


def test_labels_can_be_left_out():
    """The sheet is lower, and the legend stays."""
    with_labels, without = (sheet_of([np.eye(4)], SheetOptions(labels=on), side=160) for on in (True, False))
    assert with_labels.layout.height - without.layout.height > 30
    assert len(without.layout.groups[0].legend) == 1


def test_no_maps_and_too_many_pixels_are_refused():
    """In one line."""
    with pytest.raises(ArgumentError, match="nothing to draw"):
        draw_sheet([Group((), 40)], 3, SheetOptions())
    with pytest.raises(ArgumentError, match="give a smaller --tile or --scale"):
        draw_sheet([Group((Cell((map_of(np.eye(2), side=20_000),)),), 20_000)], 1, SheetOptions())
    with pytest.raises(ArgumentError, match="percentile must be above 50 and at most 100, got 50"):
        SheetOptions(percentile=50)


def test_tiles_with_like_names_are_told_apart():
    """Tiles of one array have their indices; those of several, whose indices are alike, are numbered."""
    names = [f"gabor:theta=0,wavelength={number}" for number in range(3)]
    for indices, expected in (((4, 5, 6), ("4", "5", "6")), ((0, 0, 0), ("1. gab", "2. gab", "3. gab"))):
        tiles = [map_of(np.eye(6), name, 64, index=index) for name, index in zip(names, indices, strict=True)]
        sheet = arrange_sheet([Group(tuple(Cell((tile,)) for tile in tiles), 64)], 3, SheetOptions())
        canvas = WrittenCanvas(sheet.layout.height, sheet.layout.width)
        draw_on(canvas, sheet)
        for start in expected:
            assert sum(text.startswith(start) for text in canvas.texts) == 1
    sheet = arrange_sheet([Group(tuple(Cell((tile,)) for tile in tiles), 64, "Feature maps")], 3, SheetOptions())
    canvas = WrittenCanvas(sheet.layout.height, sheet.layout.width)
    draw_on(canvas, sheet)
    assert [text for text in canvas.texts if text][:4] == ["Feature maps: theta, wavelength", "0, 0", "0, 1", "0, 2"]


def test_a_note_is_on_the_sheet_where_maps_are_hard_to_see():
    """Below all tiles."""
    tiles = [map_of(np.eye(6) * factor, str(factor), 64) for factor in (1, 50, -40)]
    sheet = arrange_sheet([Group(tuple(Cell((tile,)) for tile in tiles), 64)], 3, SheetOptions())
    canvas = WrittenCanvas(sheet.layout.height, sheet.layout.width)
    draw_on(canvas, sheet)
    assert canvas.texts[-1] == "1 of 3 maps reach over less than 10% of the scale; --normalize each gives each map its own"
    assert sheet.layout.groups[0].legend[-1].y > sheet.layout.groups[0].cells[0].tile.y
