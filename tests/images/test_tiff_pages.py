"""Tags of each page of a TIFF file: the position on a map, GDAL's tags, and directories of EXIF."""

import io
import struct

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.images.codecs import tiff_stack
from convcli.images.encoding import Encoding
from convcli.images.formats import format_named
from convcli.images.frames import LevelsOfFrame, Series
from convcli.images.image import Metadata
from convcli.images.storage import Storage

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
    write_pages(tmp_path / "a.tif", [(data[0], position(30.0)), (data[1], position(31.0))])
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
    monkeypatch.setattr(tiff_stack, "CLASSIC_BYTES", 0 if is_big else 1 << 30)
    first, other = exif(orders[0], "a maker", (1, 250)), exif(orders[1], "another", (3, 10))
    levels, file = np.arange(80, dtype=np.uint16).reshape(8, 10, 1), io.BytesIO()
    pages = [LevelsOfFrame(levels, False, Metadata(exif=block)) for block in (first, other, first, None)]
    tiff_stack.write_stack(
        file, pages, Series(4), Storage(format_named("tiff"), Encoding(compression="none"), pages[0].metadata)
    )
    file.seek(0)
    with tifffile.TiffFile(file) as written:
        assert written.is_bigtiff == is_big
        tags = [{tag.code: tag.value for tag in page.aspage().tags} for page in written.pages]
        assert [page.get(MAKER) for page in tags] == ["a maker", "another", "a maker", None]
        assert [page.get(EXIF, {}).get("ExposureTime") for page in tags] == [(1, 250), (3, 10), None, None]
        assert_array_equal(written.pages[1].asarray(), levels[:, :, 0])
