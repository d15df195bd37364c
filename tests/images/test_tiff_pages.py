"""Tags of each page of a TIFF file: the position on a map, GDAL's tags, and directories of EXIF."""

import io
import struct
import tracemalloc
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from convcli.images.codecs import tiff_page_writer, tiff_stack
from convcli.images.encoding import Encoding
from convcli.images.formats import format_named
from convcli.images.frames import LevelsOfFrame, Series
from convcli.images.image import Metadata
from convcli.images.read import open_frames
from convcli.images.storage import MapStorage, Storage

SCALE, TIEPOINT, NODATA, EXIF, MAKER = 33550, 33922, 42113, 34665, 271


def position(scale):
    """Tags of a scale and of a tiepoint at the first pixel."""
    return [(SCALE, 12, 3, (scale, scale, 0.0)), (TIEPOINT, 12, 6, (0.0, 0.0, 0.0, 500.0, 900.0, 0.0))]


def nodata(text):
    """A tag of GDAL."""
    return [(NODATA, 2, len(text) + 1, text)]


def write_pages(path, pages, order="<"):
    """Write pages, each (levels, tags)."""
    with tifffile.TiffWriter(path, byteorder=order) as file:
        for levels, tags in pages:
            extra = [(*tag, True) for tag in tags]
            file.write(levels, photometric="minisblack", metadata=None, software=False, contiguous=False, extratags=extra)


def tags_of(path):
    """Return the tags of each page, as tifffile reads them."""
    with tifffile.TiffFile(path) as file:
        return [{tag.code: tag.value for tag in page.aspage().tags} for page in file.pages]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_each_page_has_its_own_position_and_nodata(run, tmp_path, order, dtype):
    """GDAL reads each page with its own tags; a stride of 2 doubles the scale. What is not seen is the value of the page."""
    levels = np.full((8, 10), 9, dtype)
    pages = [(levels, []), (levels, [*position(30.0), *nodata("7")]), (levels, nodata("3")), (levels, position(5.0))]
    write_pages(tmp_path / "a.tif", pages, order)
    arguments = ["-k", "1", "--stride", "2", "--nodata", "9"]
    result = run("apply", tmp_path / "a.tif", *arguments, "-o", tmp_path / "b.tif")
    assert (result.status, "not kept" in result.err) == (0, False), result.err
    after = tags_of(tmp_path / "b.tif")
    assert [page.get(SCALE) for page in after] == [None, (60, 60, 0), None, (10, 10, 0)]
    assert [page.get(NODATA) for page in after] == [None, "7", "3", None]
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        corners = [page.asarray()[0, 0] for page in file.pages]
    assert_array_equal(corners, [np.nan, 7, 3, np.nan] if dtype == np.float32 else [0, 7, 3, 0])


def test_a_notice_names_what_a_further_page_loses(run, tmp_path):
    """No level of 8 bits is -9999; in place that is no loss of the picture, a position that is not known is one."""
    levels = np.zeros((8, 10), np.uint8)
    write_pages(tmp_path / "a.tif", [(levels, []), (levels, [*nodata("-9999"), (50844, 12, 92, (1.0,) * 92)])])
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--stride", "2", "-o", tmp_path / "b.tif")
    assert "GDAL_NODATA -9999 not kept: no uint8 sample can be it" in result.err
    assert "its position on a map (GeoTIFF) not kept: the pixels of the output lie elsewhere" in result.err
    assert not set(tags_of(tmp_path / "b.tif")[1]) & {NODATA, 50844}
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--stride", "2", "--in-place")
    assert (result.status, "would lose its position on a map (GeoTIFF) in place" in result.err) == (1, True)


SERIES = {
    "axes": {"photometric": "minisblack", "metadata": {"axes": "TYX"}},
    "compressed": {"photometric": "minisblack", "metadata": {"axes": "TYX"}, "compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "TYX"}},
    "pages": {"photometric": "minisblack", "metadata": None},
}


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("depth", ["same", "float"])
@pytest.mark.parametrize("on_all", [True, False])
def test_pages_of_a_series_have_the_tags_that_they_had(run, tmp_path, kind, depth, on_all):
    """On all pages, or on the first alone."""
    tags = [(*tag, not on_all) for tag in (*position(30.0), *nodata("7"))]
    data = np.arange(3 * 8 * 10, dtype=np.uint16).reshape(3, 8, 10)
    tifffile.imwrite(tmp_path / "a.tif", data, software=False, extratags=tags, **SERIES[kind])
    arguments = ["-k", "1", "--stride", "2", "--depth", depth, "-o", tmp_path / "b.tif"]
    assert run("apply", tmp_path / "a.tif", *arguments).status == 0
    expected = [((60, 60, 0), "7")] * 3 if on_all else [((60, 60, 0), "7"), (None, None), (None, None)]
    assert [(page.get(SCALE), page.get(NODATA)) for page in tags_of(tmp_path / "b.tif")] == expected
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), data[:, ::2, ::2])


def test_a_series_does_not_hold_tags_that_differ(run, tmp_path):
    """All its pages lie on one place; a notice says that those of further pages are not kept."""
    data = np.zeros((2, 8, 10), np.uint8)
    text = '{"shape": [2, 8, 10], "axes": "TYX"}'
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for levels, scale in zip(data, (30.0, 31.0), strict=True):
            tags = [(*tag, True) for tag in position(scale)]
            file.write(levels, metadata=None, description=text, contiguous=False, extratags=tags, software=False)
            text = None
    lost = "the position on a map and GDAL's tags of its further pages"
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert (result.status, f"{lost} not kept" in result.err) == (0, True), result.err
    assert [page.get(SCALE) for page in tags_of(tmp_path / "b.tif")] == [(30, 30, 0), None]
    assert f"would lose {lost} in place" in run("apply", tmp_path / "a.tif", "-k", "1", "--in-place").err


@pytest.mark.parametrize("times", [1, 40])
def test_large_tags_of_many_pages_take_memory_once(times):
    """Directories that share values of a megabyte, and one that has a tag many times."""
    size, pages = 1 << 20, 40
    values = 8 + pages * (2 + 12 * (9 + times) + 4)
    data = struct.pack("<2sHI", b"II", 42, 8)
    for page in range(pages):
        tags = [(256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, values)]
        tags += [(277, 3, 1, 1), (278, 4, 1, 1), (279, 4, 1, 1), *[(42112, 2, size, values + page)] * times]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        following = len(data) + 2 + len(entries) + 4 if page < pages - 1 else 0
        data += struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    assert len(data) == values
    file = io.BytesIO(data + b"x" * (size + pages))
    tracemalloc.start()
    assert open_frames(file).series == Series(pages, map_tags="alike")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * size


def test_floats_are_a_stack_of_imagej_where_no_page_has_tags(run, tmp_path):
    """With --strip; else pages whose tags differ stay pages."""
    levels = np.ones((8, 10), np.uint8)
    write_pages(tmp_path / "a.tif", [(levels, position(30.0)), (levels, position(31.0))])
    for options, is_imagej, scales in (((), False, [30, 31]), (("--strip",), True, [None, None])):
        command = ["apply", tmp_path / "a.tif", "-k", "1", "--depth", "float", "--overwrite", *options]
        assert run(*command, "-o", tmp_path / "b.tif").status == 0
        assert [(page.get(SCALE) or [None])[0] for page in tags_of(tmp_path / "b.tif")] == scales
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            assert (bool(file.is_imagej), file.series[0].shape) == (is_imagej, (2, 8, 10))


def test_colour_of_floats_has_nodata_on_its_three_pages(run, tmp_path):
    """GDAL reads red, green and blue as pages."""
    tags = [(*tag, True) for tag in (*position(30.0), *nodata("7"))]
    tifffile.imwrite(tmp_path / "a.tif", np.ones((8, 10, 3), np.uint8), photometric="rgb", metadata=None, extratags=tags)
    assert run("apply", tmp_path / "a.tif", "-k", "1", "--depth", "float", "-o", tmp_path / "b.tif").status == 0
    assert [(page[SCALE], page[NODATA]) for page in tags_of(tmp_path / "b.tif")] == [((30, 30, 0), "7")] * 3


def exif(order, maker, seconds):
    """A block with a maker of seven letters, and an exposure time in its directory."""
    inside = struct.pack(f"{order}HHHIII", 1, 33434, 5, 1, 64, 0) + struct.pack(f"{order}II", *seconds)
    first = struct.pack(f"{order}HHHII", 2, MAKER, 2, 8, 38) + struct.pack(f"{order}HHII", EXIF, 4, 1, 46) + bytes(4)
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    return b"Exif\0\0" + start + first + maker.encode() + b"\0" + inside


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("orders", ["<<", ">>", "<>", "><"])
def test_each_page_has_its_own_exif(monkeypatch, is_big, orders):
    """Directories too, also in BigTIFF, whose directories differ (https://www.awaresystems.be/imaging/tiff/bigtiff.html).

    A page without EXIF may begin a file of the other byte order.
    """
    monkeypatch.setattr(tiff_page_writer, "CLASSIC_BYTES", 0 if is_big else 1 << 30)
    first, other = exif(orders[0], "a maker", (1, 250)), exif(orders[1], "another", (3, 10))
    levels, file = np.arange(80, dtype=np.uint16).reshape(8, 10, 1), io.BytesIO()
    pages = [LevelsOfFrame(levels, False, Metadata(exif=block)) for block in (first, other, first, None)]
    storage = Storage(format_named("tiff"), Encoding(compression="none"), pages[0].metadata, are_pages=True)
    tiff_stack.write_stack(file, pages, Series(4), storage)
    file.seek(0)
    with tifffile.TiffFile(file) as written:
        assert written.is_bigtiff == is_big
        tags = [{tag.code: tag.value for tag in page.aspage().tags} for page in written.pages]
        assert [page.get(MAKER) for page in tags] == ["a maker", "another", "a maker", None]
        assert [page.get(EXIF, {}).get("ExposureTime") for page in tags] == [(1, 250), (3, 10), None, None]
        assert_array_equal(written.pages[1].asarray(), levels[:, :, 0])


def gdal_metadata(scale, offset):
    """The tag 42112 as GDAL writes it (https://gdal.org/drivers/raster/gtiff.html#metadata)."""
    items = f'<Item name="OFFSET" sample="0" role="offset">{offset}</Item>\n'
    items += f'<Item name="SCALE" sample="0" role="scale">{scale}</Item>\n'
    text = f'<GDALMetadata>\n{items}<Item name="UNITTYPE" sample="0" role="unittype">K</Item>\n</GDALMetadata>\n'
    return [(42112, 2, len(text) + 1, text)]


def values_of(path, page=0):
    """Return sample * scale + offset, as GDAL defines it, and the unit; None where nothing is stated."""
    with tifffile.TiffFile(path) as file:
        samples, tags = file.pages[page].asarray(), {tag.code: tag.value for tag in file.pages[page].aspage().tags}
    items = {item.get("role"): item.text for item in ElementTree.fromstring(tags[42112])}
    if not items.keys() >= {"scale", "offset"}:
        return None, items["unittype"]
    return samples * float(items["scale"]) + float(items["offset"]), items["unittype"]


@pytest.mark.parametrize(("scale", "is_true"), [(-0.5, False), (0.5, True)])
def test_absolute_values_have_no_negative_scale(run, tmp_path, scale, is_true):
    """A value is scale x difference: absolute differences have its sign only if the scale is positive. An offset is no -0."""
    levels = np.arange(99, dtype=np.uint16).reshape(9, 11) ** 2 % 97
    write_pages(tmp_path / "a.tif", [(levels, gdal_metadata(scale, -3))])
    result = run("apply", tmp_path / "a.tif", "-k", "0 -1 1", "--border", "edge", "-o", tmp_path / "b.tif")
    assert (result.status, "GDAL's scale and offset not kept" in result.err) == (0, not is_true), result.err
    values, _ = values_of(tmp_path / "b.tif")
    if is_true:
        assert_allclose(values, np.abs(np.diff(levels * scale - 3, axis=1, append=levels[:, -1:] * scale - 3)))
        assert b">0.0</Item>" in (tmp_path / "b.tif").read_bytes()
    else:
        assert values is None


@pytest.mark.parametrize("options", [["--depth", "float"], ["--range", "clip"]])
def test_kernels_with_an_offset_have_no_scale(run, tmp_path, options):
    """The offset is in levels, and is added to what was a weighted sum."""
    (tmp_path / "k.toml").write_text("[kernels.k]\nmatrix = [[2]]\noffset = 10\n")
    write_pages(tmp_path / "a.tif", [(np.ones((9, 11), np.uint16), gdal_metadata(0.5, -3))])
    arguments = ["-k", "k", "--config", tmp_path / "k.toml", *options]
    result = run("apply", tmp_path / "a.tif", *arguments, "-o", tmp_path / "b.tif")
    assert (result.status, "GDAL's scale and offset not kept" in result.err) == (0, True), result.err
    assert values_of(tmp_path / "b.tif") == (None, "K")


LINEAR = [["-k", "2"], ["-k", "1 1; 1 1"], ["-k", "-1 0 1"], ["-k", "1 -2"], ["-k", "0.1"], ["-k", "gaussian:sigma=1"]]


@pytest.mark.parametrize("kernel", LINEAR)
@pytest.mark.parametrize("border", ["reflect", "edge"])
def test_scale_and_offset_are_those_of_the_output(run, tmp_path, rng, kernel, border):
    """Filtering and then scaling gives what scaling and then filtering does: that of NumPy's values, filtered as floats."""
    levels = rng.integers(0, 1000, (9, 11), dtype=np.uint16)
    write_pages(tmp_path / "a.tif", [(levels, gdal_metadata(0.1, -273.15))])
    np.save(tmp_path / "values.npy", levels * 0.1 - 273.15)
    options = [*kernel, "--border", border]
    result = run("apply", tmp_path / "a.tif", *options, "--depth", "float", "-o", tmp_path / "b.tif")
    assert (result.status, "not kept" in result.err) == (0, False), result.err
    assert run("apply", tmp_path / "values.npy", *options, "-o", tmp_path / "b.npy").status == 0
    values, unit = values_of(tmp_path / "b.tif")
    assert_allclose(values, np.load(tmp_path / "b.npy")[0], atol=1e-3)
    assert unit == "K"


def test_levels_have_a_scale_where_they_are_responses(run, tmp_path):
    """clip, and abs of a kernel that sums to zero; the scale of a new range is not known, nor that of 12 bits, widened."""
    levels = np.arange(20, 119, dtype=np.uint16).reshape(9, 11)
    write_pages(tmp_path / "a.tif", [(levels, gdal_metadata(0.5, -3))])
    lost, arguments = "GDAL's scale and offset not kept", ["--overwrite", "-o", tmp_path / "b.tif"]
    for options, expected in (
        (["-k", "2"], (levels * 0.5 - 3) * 2),
        (["-k", "0 -1 1", "--border", "edge"], np.abs(np.diff(levels * 0.5 - 3, axis=1, append=levels[:, -1:] * 0.5 - 3))),
    ):
        result = run("apply", tmp_path / "a.tif", *options, *arguments)
        assert (result.status, lost in result.err) == (0, False), result.err
        assert_allclose(values_of(tmp_path / "b.tif")[0], expected)
    for options in (["-k", "1", "--range", "stretch"], ["-k", "1", "--range", "0..500"], ["-k", "-1 0 1", "--range", "center"]):
        result = run("apply", tmp_path / "a.tif", *options, *arguments)
        assert (result.status, lost in result.err) == (0, True), result.err
        assert values_of(tmp_path / "b.tif") == (None, "K")
    assert (
        f"would lose {lost[:-9]} in place"
        in run("apply", tmp_path / "a.tif", "-k", "1", "--range", "stretch", "--in-place").err
    )
    extra = [(*tag, True) for tag in gdal_metadata(0.5, -3)]
    tifffile.imwrite(tmp_path / "c.tif", levels, bitspersample=12, photometric="minisblack", metadata=None, extratags=extra)
    assert lost in run("apply", tmp_path / "c.tif", "-k", "1", *arguments).err
    assert values_of(tmp_path / "b.tif") == (None, "K")


@pytest.mark.parametrize("options", [["--light", "linear"], ["--channels", "sum"], ["-k", "b", "--config"]])
def test_what_is_no_sum_of_samples_has_no_scale(run, tmp_path, options):
    """Linear light, sums over channels, and merged banks."""
    (tmp_path / "k.toml").write_text('[banks.b]\nkernels = ["sobel-x", "sobel-y"]\nmerge = "l2"\n')
    extra = [(*tag, True) for tag in gdal_metadata(0.5, -3)]
    levels = np.ones((9, 11, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb", metadata=None, extratags=extra)
    options = [*options, tmp_path / "k.toml"] if "b" in options else [*options, "-k", "1"]
    result = run("apply", tmp_path / "a.tif", *options, "-o", tmp_path / "b.tif")
    assert (result.status, "GDAL's scale and offset not kept" in result.err) == (0, True), result.err
    assert values_of(tmp_path / "b.tif") == (None, "K")


TWO = ["-k", "blur", "-k", "sobel-x"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("more", [[], ["--compression", "deflate"]])
def test_maps_of_several_kernels_lie_where_the_picture_does(run, tmp_path, order, channels, more):
    """On each page: valid with a stride of 2 begins at pixel (1, 1). NaN is stored as the value of the tag."""
    levels = np.zeros((9, 11, channels), np.float32)
    levels[4, 4] = np.nan
    tags = [*position(30.0), *nodata("-9999"), (315, 2, 10, "an artist"), *gdal_metadata(2, 3)]
    extra = {"extratags": [(*tag, True) for tag in tags], "software": False, "metadata": None, "byteorder": order}
    tifffile.imwrite(tmp_path / "a.tif", levels.squeeze(), photometric="rgb" if channels == 3 else "minisblack", **extra)
    arguments = ["-k", "average:size=3", "-k", "sobel-x", "--padding", "valid", "--stride", "2", *more]
    result = run("apply", tmp_path / "a.tif", *arguments, "-o", tmp_path / "b.tif")
    assert (result.status, "position" in result.err, "NODATA" in result.err) == (0, False, False), result.err
    assert "EXIF and GDAL's metadata not written: a stack holds only the feature maps" in result.err
    pages = tags_of(tmp_path / "b.tif")
    assert len(pages) == 2 * channels
    # areas: the centre of the first output pixel is at (45, 45) from the corner, and pixels are 60 wide
    assert [(page[SCALE], page[TIEPOINT], page[NODATA]) for page in pages] == [
        ((60, 60, 0), (0, 0, 0, 515, 885, 0), "-9999")
    ] * len(pages)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        maps = file.asarray()
        assert file.imagej_metadata["Labels"][0].startswith("average")
    assert (np.isnan(maps).sum(), np.sum(maps == -9999)) == (0, 4 * 2 * channels)
    result = run("apply", tmp_path / "a.tif", *arguments, "--strip", "-o", tmp_path / "c.tif")
    assert not set(tags_of(tmp_path / "c.tif")[0]) & {SCALE, NODATA}
    assert np.isnan(tifffile.imread(tmp_path / "c.tif")).any()


def test_maps_have_no_nodata_that_they_cannot_be(run, tmp_path):
    """The smallest float64 is no float32; a notice says that the tag is dropped."""
    lowest = repr(float(np.finfo(np.float64).min))
    write_pages(tmp_path / "a.tif", [(np.ones((9, 11)), [*position(30.0), *nodata(lowest)])])
    result = run("apply", tmp_path / "a.tif", *TWO, "-o", tmp_path / "b.tif")
    assert (result.status, f"GDAL_NODATA {lowest} not kept: no float32 sample can be it" in result.err) == (0, True), result.err
    assert [(page[SCALE][0], page.get(NODATA)) for page in tags_of(tmp_path / "b.tif")] == [(30, None)] * 2


def test_nodata_takes_the_memory_of_one_plane(tmp_path):
    """Of many maps, one plane at a time is copied to store the value in place of NaN; the maps stay as they are."""
    text = struct.pack("<HHI", NODATA, 2, 2) + b"7\0\0\0"
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + text + bytes(4)
    maps = [np.full((300, 400, 1), np.nan, np.float32) for _ in range(16)]
    storage = MapStorage(format_named("tiff"), [str(index) for index in range(16)], metadata=Metadata(exif=block))
    with (tmp_path / "a.tif").open("w+b") as file:
        tiff_stack.write_map_stack(file, [maps], storage)  # imports
        file.seek(0)
        tracemalloc.start()
        tiff_stack.write_map_stack(file, [maps], storage)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tifffile.imread(tmp_path / "a.tif") == 7).all()
    assert peak < 4 * maps[0].nbytes
    assert all(np.isnan(map_).all() for map_ in maps)


def test_maps_at_several_places_lose_their_position(run, tmp_path):
    """Of kernels whose anchors differ, and of a network. The value of missing samples stays true."""
    write_pages(tmp_path / "a.tif", [(np.ones((9, 11), np.uint8), [*position(30.0), *nodata("7")])])
    (tmp_path / "k.toml").write_text("[kernels.p]\nmatrix = [[1, 1, 1]]\n[kernels.q]\nmatrix = [[1, 1, 1]]\nanchor = [0, 0]\n")
    arguments = ["-k", "p", "-k", "q", "--padding", "valid", "--config", tmp_path / "k.toml"]
    for line in (["apply", tmp_path / "a.tif", *arguments], ["run", "edge-energy", tmp_path / "a.tif"]):
        result = run(*line, "-o", tmp_path / "b.tif", "--overwrite")
        assert result.status == 0, result.err
        assert "its position on a map (GeoTIFF) not kept: the pixels of the output lie elsewhere" in result.err
        assert [(page.get(SCALE), page.get(NODATA)) for page in tags_of(tmp_path / "b.tif")][:2] == [(None, "7")] * 2


@pytest.mark.parametrize("kind", ["axes", "pages"])
@pytest.mark.parametrize("on_all", [True, False])
def test_maps_of_frames_lie_where_the_frames_do(run, tmp_path, kind, on_all):
    """On all pages if all of the input have the tags, else on the first."""
    tags = [(*tag, not on_all) for tag in (*position(30.0), *nodata("7"))]
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 8, 10), np.uint8), software=False, extratags=tags, **SERIES[kind])
    assert run("apply", tmp_path / "a.tif", *TWO, "--stride", "2", "-o", tmp_path / "b.tif").status == 0
    expected = [((60, 60, 0), "7") if on_all or index == 0 else (None, None) for index in range(6)]
    assert [(page.get(SCALE), page.get(NODATA)) for page in tags_of(tmp_path / "b.tif")] == expected


def test_maps_of_frames_at_several_places_lose_their_position(run, tmp_path):
    """A stack of ImageJ has one place; a file for each frame has its own."""
    levels = np.ones((8, 10), np.uint8)
    write_pages(tmp_path / "a.tif", [(levels, position(30.0)), (levels, position(31.0))])
    result = run("apply", tmp_path / "a.tif", *TWO, "-o", tmp_path / "b.tif")
    assert "position on a map (GeoTIFF) not written: a stack holds only the feature maps" in result.err
    assert [page.get(SCALE) for page in tags_of(tmp_path / "b.tif")] == [None] * 4
    run("apply", tmp_path / "a.tif", *TWO, "-o", str(tmp_path / "b{frame}.tif"))
    scales = [[page[SCALE][0] for page in tags_of(tmp_path / f"b{index}.tif")] for index in range(2)]
    assert scales == [[30, 30], [31, 31]]
