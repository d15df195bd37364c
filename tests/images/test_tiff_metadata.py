"""Metadata of TIFF through apply and run: positions on a map, resolutions, and descriptions of other pictures."""

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

SCALE, TIEPOINT, TRANSFORMATION, KEYS, NODATA = 33550, 33922, 34264, 34735, 42113
UTM = 32633
POINTS = (6.0, 2.0, 0.0, 440_720.0, 3_751_320.0, 5.0)


def keys(raster_type):
    """GTModelTypeGeoKey projected, GTRasterTypeGeoKey area (1) or point (2), and the projected system UTM 33N."""
    return (KEYS, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, raster_type, 3072, 0, 1, UTM))


def write(path, levels, *tags):
    """A GeoTIFF of these tags."""
    tifffile.imwrite(
        path, levels, photometric="minisblack", metadata=None, software=False, extratags=[(*tag, True) for tag in tags]
    )


def written(path):
    """GeoTIFF metadata of a file as tifffile reads it."""
    with tifffile.TiffFile(path) as file:
        return file.geotiff_metadata, {tag.code: tag.value for tag in file.pages[0].tags}


def map_of(geo, is_point):
    """Return the function from the index of a pixel, (column, row), to its centre on the map.

    It is the affine transformation that GDAL makes: areas have their centre at + 0.5, points at + 0.
    """
    half = 0.0 if is_point else 0.5
    if "ModelTransformation" in geo:
        matrix = np.array(geo["ModelTransformation"])
        return lambda column, row: matrix[:2, :2] @ (column + half, row + half) + matrix[:2, 3]
    (scale_x, scale_y, _), (i, j, _, x, y, _) = geo["ModelPixelScale"], geo["ModelTiepoint"]
    return lambda column, row: (x + (column + half - i) * scale_x, y - (row + half - j) * scale_y)


GEOMETRIES = [
    (["-k", "1"], (0, 0), (1, 1)),
    (["-k", "blur"], (0, 0), (1, 1)),
    (["-k", "1/4 1/4; 1/4 1/4"], (0, 0), (1, 1)),
    (["-k", "gaussian:sigma=1", "--stride", "2x3"], (0, 0), (2, 3)),
    (["-k", "average:size=3", "--padding", "valid"], (1, 1), (1, 1)),
    (["-k", "1/8 1/8 1/8 1/8; 1/8 1/8 1/8 1/8", "--padding", "valid"], (0, 1), (1, 1)),
    (["-k", "average:size=3", "--padding", "valid", "--stride", "2", "--dilation", "3x2"], (3, 2), (2, 2)),
    (["-k", "average:size=3", "--padding", "full"], (-1, -1), (1, 1)),
    (["-k", "average:size=3", "--padding", "2,0x1,0"], (-1, 0), (1, 1)),
]
"""Options, the input pixel (row, column) under the first output pixel, and the strides: counted by hand."""


@pytest.mark.parametrize(("options", "first", "strides"), GEOMETRIES)
@pytest.mark.parametrize("is_point", [False, True])
@pytest.mark.parametrize("kind", ["scale", "matrix"])
def test_pixels_stay_where_they_are_on_the_map(run, tmp_path, rng, options, first, strides, is_point, kind):
    """Each output pixel has the position of the input pixel under the anchor of its kernel."""
    tags = {
        "scale": [(SCALE, 12, 3, (30.0, 20.0, 0.0)), (TIEPOINT, 12, 6, POINTS)],
        "matrix": [(TRANSFORMATION, 12, 16, (9.0, 2.0, 0, 5e5, -3.0, -8.0, 0, 4e6, 0, 0, 0, 0, 0, 0, 0, 1.0))],
    }[kind]
    levels = rng.integers(0, 256, (23, 29), dtype=np.uint8)
    write(tmp_path / "a.tif", levels, *tags, keys(2 if is_point else 1), (NODATA, 2, 4, "255"))
    result = run("apply", tmp_path / "a.tif", *options, "-o", tmp_path / "b.tif")
    assert (result.status, "not kept" in result.err) == (0, False), result.err
    (before, _), (after, all_tags) = written(tmp_path / "a.tif"), written(tmp_path / "b.tif")
    place, moved = map_of(before, is_point), map_of(after, is_point)
    for row, column in ((0, 0), (4, 2)):
        source = first[0] + strides[0] * row, first[1] + strides[1] * column
        assert_allclose(moved(column, row), place(*source[::-1]), rtol=1e-13)
    assert (after["ProjectedCSTypeGeoKey"], all_tags[NODATA]) == (UTM, "255")
    if (first, strides) == ((0, 0), (1, 1)):
        assert after == before


def test_control_points_move_in_the_raster(run, tmp_path):
    """Their positions on the map are facts; with stride 2 and valid, pixel (row 3, column 5) of areas is (1, 2)."""
    points = (5.5, 3.5, 0.0, 10.0, 20.0, 0.0, 0.5, 0.5, 0.0, 30.0, 40.0, 0.0, 9.5, 7.5, 0.0, 50.0, 60.0, 0.0)
    write(tmp_path / "a.tif", np.zeros((20, 20), np.uint16), (TIEPOINT, 12, 18, points), keys(1))
    run("apply", tmp_path / "a.tif", "-k", "average:size=3", "--padding", "valid", "--stride", "2", "-o", tmp_path / "b.tif")
    expected = [[2.5, 1.5, 0, 10, 20, 0], [0, 0, 0, 30, 40, 0], [4.5, 3.5, 0, 50, 60, 0]]
    assert_array_equal(written(tmp_path / "b.tif")[0]["ModelTiepoint"], expected)


def test_a_position_that_is_not_known_is_reported(run, tmp_path, samples):
    """A network, a picture that was turned, and a merged bank of kernels that lie elsewhere; in place it is an error."""
    tags = [(SCALE, 12, 3, (30.0, 20.0, 0.0)), (TIEPOINT, 12, 6, POINTS), keys(1)]
    write(tmp_path / "a.tif", np.zeros((20, 20), np.uint8), *tags)
    write(tmp_path / "turned.tif", np.zeros((20, 20), np.uint8), *tags, (274, 3, 1, 6))
    (tmp_path / "k.toml").write_text(
        "[kernels.p]\nmatrix = [[1, 1, 1]]\n[kernels.q]\nmatrix = [[1, 1, 1]]\nanchor = [0, 0]\n"
        "[banks.b]\nkernels = ['p', 'q']\nmerge = 'max'\n"
    )
    lost = "its position on a map (GeoTIFF) not kept"
    config = ["--config", tmp_path / "k.toml"]
    lines = [
        ["apply", tmp_path / "turned.tif", "-k", "1"],
        ["apply", tmp_path / "a.tif", "-k", "b", "--padding", "valid", *config],
    ]
    for line in lines:
        result = run(*line, "-o", tmp_path / "b.tif")
        assert (result.status, lost in result.err) == (0, True), result.err
        assert written(tmp_path / "b.tif")[0] is None
    result = run("apply", tmp_path / "turned.tif", "-k", "1", "--in-place")
    assert "would lose its position on a map (GeoTIFF) in place" in result.err
    result = run("run", "edge-energy", tmp_path / "a.tif", "-o", str(tmp_path / "maps/{index}.tif"))
    assert (result.status, lost in result.err) == (0, True), result.err
    assert written(tmp_path / "maps" / "0.tif")[0] is None


def test_coefficients_of_a_camera_are_dropped_when_pixels_move(run, tmp_path):
    """RPCCoefficientTag is kept by a kernel that moves nothing."""
    write(tmp_path / "a.tif", np.zeros((20, 20), np.uint8), (50844, 12, 92, tuple(map(float, range(92)))))
    run("apply", tmp_path / "a.tif", "-k", "blur", "-o", tmp_path / "b.tif")
    assert written(tmp_path / "b.tif")[1][50844] == tuple(range(92))
    result = run("apply", tmp_path / "a.tif", "-k", "blur", "--stride", "2", "-o", tmp_path / "b.tif")
    assert "its position on a map (GeoTIFF) not kept: the pixels of the output lie elsewhere" in result.err
    assert 50844 not in written(tmp_path / "b.tif")[1]


def test_microns_are_kept(run, tmp_path):
    """ImageJ's unit and resolution; a stride makes pixels larger. PNG holds inches only."""
    metadata = {"unit": r"\u00B5m", "spacing": 2.5, "xorigin": 6.0, "yorigin": 4.0, "axes": "YX"}
    levels = np.zeros((12, 14), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, imagej=True, metadata=metadata, resolution=(15.625, 7.5))
    assert "not kept" not in run("apply", tmp_path / "a.tif", "-k", "blur", "-o", tmp_path / "b.tif").err
    options = ["-k", "average:size=3", "--padding", "valid", "--stride", "2x4"]
    assert "not kept" not in run("apply", tmp_path / "a.tif", *options, "-o", tmp_path / "c.tif").err
    for name, resolution, origin in (("b.tif", (15.625, 7.5), (6, 4)), ("c.tif", (15.625 / 4, 7.5 / 2), (1.25, 1.5))):
        with tifffile.TiffFile(tmp_path / name) as file:
            words, page = file.imagej_metadata, file.pages[0]
            assert (words["unit"], words["spacing"]) == (r"\u00B5m", 2.5)
            assert (words["xorigin"], words["yorigin"]) == origin
            ratios = [page.tags[tag].value for tag in (282, 283)]
            assert ([x / y for x, y in ratios], page.tags[296].value) == (list(resolution), 1)
    result = run("apply", tmp_path / "a.tif", "-k", "blur", "-o", tmp_path / "b.png")
    assert "resolution in other units than inches not kept in this png" in result.err


def test_a_resolution_without_a_unit_is_kept(run, tmp_path):
    """It is the shape of pixels."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), resolution=(2, 3), resolutionunit=1, metadata=None)
    assert "not kept" not in run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif").err
    tags = written(tmp_path / "b.tif")[1]
    assert (tags[282], tags[283], tags[296]) == ((2, 1), (3, 1), 1)
    assert 270 not in tags


def test_ome_xml_of_other_planes_is_replaced(run, tmp_path):
    """Readers would see five planes in a file of one."""
    tifffile.imwrite(tmp_path / "a.ome.tif", np.ones((5, 8, 9), np.uint8), ome=True, metadata={"axes": "ZYX"})
    assert run("apply", tmp_path / "a.ome.tif", "-k", "1", "--frames", "1", "-o", tmp_path / "b.tif").status == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as pages:
        assert (len(pages.pages), pages.series[0].shape) == (1, (8, 9))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_unspecified_samples_are_reported(run, tmp_path, dtype):
    """A sample of unknown meaning is not alpha, in 8 bits as in 16."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 4), dtype), photometric="rgb", extrasamples=[0])
    assert "has 4 channels; the first 3 are used" in run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif").err
    with PIL.Image.open(tmp_path / "b.tif") as picture:
        assert len(picture.getbands()) == 3 or dtype == np.uint16


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_one_map_of_floats_keeps_metadata(run, tmp_path, channels, dtype):
    """As a picture of levels does: EXIF, XMP, the profile, the resolution, and the position on a map."""
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    tags = [
        *((SCALE, 12, 3, (30.0, 20.0, 0.0)), (TIEPOINT, 12, 6, POINTS), keys(1), (NODATA, 2, 4, "255"), (271, 2, 8, "a maker")),
        *((700, 1, 14, b"<x:xmpmeta />\n"), (270, 2, 8, "a place")),
    ]
    icc = profile if channels == 3 else None
    levels = np.arange(12 * 14 * channels).reshape(12, 14, channels).astype(dtype).squeeze()
    photometric = "rgb" if channels == 3 else "minisblack"
    options = {"metadata": None, "software": False, "extratags": [(*tag, True) for tag in tags], "iccprofile": icc}
    resolution = {"resolution": (300, 150), "resolutionunit": 2}
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric=photometric, planarconfig="contig", **options, **resolution)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--stride", "2", "--depth", "float", "-o", tmp_path / "b.tif")
    assert (result.status, "not " in result.err) == (0, False), result.err
    geo, after = written(tmp_path / "b.tif")
    assert (geo["ModelPixelScale"], geo["ProjectedCSTypeGeoKey"]) == ([60, 40, 0], UTM)
    assert (after[271], after[NODATA], after[282], after[283], after[296]) == ("a maker", "255", (300, 1), (150, 1), 2)
    assert (bytes(after[700]), after.get(34675)) == (b"<x:xmpmeta />\n", icc)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.imagej_metadata["Info"] == "a place"
        assert file.asarray().dtype == np.float32
        assert [page.tags[SCALE].value for page in file.pages] == [(60, 40, 0)] * channels  # GDAL reads pages one by one
        planes = np.atleast_3d(levels)[::2, ::2]
        assert_array_equal(file.asarray(), np.moveaxis(planes, 2, 0) if channels == 3 else planes[:, :, 0])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_one_map_of_four_bands_is_one_page_with_metadata(run, tmp_path, dtype):
    """GDAL finds the bands of a float32 picture, and its position, in one directory; ImageJ finds names of the bands."""
    bands = np.arange(4 * 12 * 14).reshape(4, 12, 14).astype(dtype)
    tags = [(SCALE, 12, 3, (30.0, 20.0, 0.0)), (TIEPOINT, 12, 6, POINTS), keys(1), (NODATA, 2, 6, "-9999")]
    options = {"metadata": None, "software": False, "extratags": [(*tag, True) for tag in tags]}
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="minisblack", planarconfig="separate", **options)
    for more in ([], ["--compression", "zstd"]):
        arguments = ["-k", "1", "--stride", "2", "--depth", "float", "-o", tmp_path / "b.tif", "--overwrite", *more]
        result = run("apply", tmp_path / "a.tif", *arguments)
        assert (result.status, "not kept" in result.err, "not written" in result.err) == (0, False, False), result.err
        geo, after = written(tmp_path / "b.tif")
        assert (geo["ModelPixelScale"], geo["ProjectedCSTypeGeoKey"], after[NODATA]) == ([60, 40, 0], UTM, "-9999")
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            assert (len(file.pages), file.pages[0].compression) == (1, 50000 if more else 1)
            assert file.asarray().dtype == np.float32
            assert_array_equal(file.asarray(), bands[:, ::2, ::2])
            assert file.imagej_metadata["Labels"] == [f"matrix-1x1 {band}" for band in range(4)]


@pytest.mark.parametrize("axes", [None, "ZYX", "ZCYX"])
def test_one_map_of_floats_of_a_stack_keeps_metadata(run, tmp_path, axes):
    """All frames, and one of them: EXIF, the position on a map, labels, and the description of the first page."""
    shape = (3, 2, 12, 14) if axes == "ZCYX" else (3, 12, 14)
    data = np.arange(np.prod(shape)).reshape(shape).astype(np.uint16)
    tags = [(SCALE, 12, 3, (30.0, 20.0, 0.0), True), (TIEPOINT, 12, 6, POINTS, True), (315, 2, 10, "an artist", True)]
    labels = [f"plane {index}" for index in range(data.size // 168)]
    words = {"axes": axes, "Labels": labels, "unit": "um"}
    if axes:
        tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata=words, extratags=tags, software=False)
    else:
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for page in data:
                file.write(page, metadata=None, description="a place", software=False, extratags=tags, contiguous=False)
    for frames, kept in (([], data), (["--frames", "1"], data[1])):
        arguments = ["-k", "1", "--stride", "2", "--depth", "float", *frames, "-o", tmp_path / "b.tif", "--overwrite"]
        result = run("apply", tmp_path / "a.tif", *arguments)
        assert (result.status, "EXIF" in result.err, "not written" in result.err) == (0, False, False), result.err
        after = written(tmp_path / "b.tif")[1]
        assert (after[315], after[SCALE]) == ("an artist", (60, 40, 0))
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            assert file.asarray().dtype == np.float32
            assert_array_equal(file.asarray(), kept[..., ::2, ::2])
            if axes:
                expected = labels if kept.ndim == data.ndim else labels[len(labels) // 3 : 2 * len(labels) // 3]
                assert file.imagej_metadata["Labels"] == (expected if len(expected) > 1 else expected[0])
            else:
                assert file.imagej_metadata["Info"] == "a place"


def test_a_map_of_floats_keeps_the_exif_of_a_photograph(run, samples, tmp_path):
    """From JPEG; --strip leaves it out, and several maps have none, with a notice."""
    exif = PIL.Image.Exif()
    exif[271] = "a maker"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    PIL.Image.new("RGB", (9, 8), (9, 200, 99)).save(tmp_path / "a.jpg", exif=exif, dpi=(72, 72))
    run("apply", tmp_path / "a.jpg", "-k", "1", "--depth", "float", "-o", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].tags[34665].value["ExposureTime"] == pytest.approx(0.01)
        assert (len(file.pages), file.pages[0].tags[271].value) == (3, "a maker")
    run("apply", tmp_path / "a.jpg", "-k", "1", "--depth", "float", "-o", tmp_path / "c.tif", "--strip")
    assert not set(written(tmp_path / "c.tif")[1]) & {271, 305, 34665}
    result = run("apply", tmp_path / "a.jpg", "-k", "1", "-k", "blur", "-o", tmp_path / "d.tif")
    assert "EXIF and resolution not written: a stack holds only the feature maps" in result.err


def test_several_maps_say_which_tags_they_do_not_hold(run, tmp_path):
    """A position on a map and GDAL's value of missing samples are kept, and are no EXIF."""
    place = [(SCALE, 12, 3, (30.0, 20.0, 0.0)), (TIEPOINT, 12, 6, POINTS), (NODATA, 2, 6, "-9999")]
    artist, text = (315, 2, 10, "an artist"), (42112, 2, 16, "<GDALMetadata />")
    for tags, expected in ((place, ""), ([*place, artist], "EXIF"), ([*place, artist, text], "EXIF and GDAL's metadata")):
        write(tmp_path / "a.tif", np.ones((8, 9), np.float32), *tags)
        result = run("apply", tmp_path / "a.tif", "-k", "1", "-k", "blur", "-o", tmp_path / "b.tif", "--overwrite")
        assert (f"a.tif: {expected} not written: a stack holds only" in result.err) == bool(expected), result.err
        assert ("not written" in result.err) == bool(expected)


def test_statistics_of_the_old_levels_are_removed(run, tmp_path):
    """GDAL would believe them; other items stay."""
    item, scale = b'<Item name="STATISTICS_MAXIMUM" sample="0">9</Item>', b'<Item name="SCALE" sample="0">2</Item>'
    text = b"<GDALMetadata>" + item + scale + b"</GDALMetadata>\0"
    write(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), (42112, 2, len(text), text))
    run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif")
    kept = written(tmp_path / "b.tif")[1][42112]
    assert ("STATISTICS" in kept, scale.decode() in kept) == (False, True)
