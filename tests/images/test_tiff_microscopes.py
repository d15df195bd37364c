"""TIFF of microscopes with axes in tags of their own, LSM and STK, which are made by hand; and OME-TIFF of several files."""

import io
import struct
import warnings

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.errors import ImageError
from convcli.images.read import open_frames

UIC1, UIC2, LSM_INFO = 33628, 33629, 34412
XYZ, TIME_SERIES_XYZ = 0, 6
"""Types of scans of an LSM file."""


def write_stk(path, planes, distances, times):
    """Write planes (N, H, W) of uint16 after the first directory; UIC2 has six numbers for each of them."""
    count, height, width = planes.shape
    numbers = [(int(1000 * z), 1000, 2_451_545, t, 2_451_545, t) for z, t in zip(distances, times, strict=True)]
    uic2 = b"".join(struct.pack("<6I", *row) for row in numbers)
    begin = 8 + 2 + 12 * 10 + 4
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)),
        *((273, 4, 1, begin + len(uic2)), (278, 4, 1, height), (279, 4, 1, 2 * height * width)),
        *((UIC1, 4, 1, begin), (UIC2, 5, count, begin)),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    header = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    path.write_bytes(header + entries + bytes(4) + uic2 + planes.astype("<u2").tobytes())


@pytest.mark.parametrize(
    ("distances", "times", "axes"), [((0.5,) * 3, (1, 2, 3), "ZYX"), ((0,) * 3, (1, 2, 3), "TYX"), ((0,) * 3, (1,) * 3, "IYX")]
)
def test_planes_of_stk(run, tmp_path, rng, distances, times, axes):
    """All planes, along the axis that tifffile finds, or none (I). The output is no STK: planes would follow its first page."""
    data = rng.integers(0, 1 << 16, (3, 8, 10), dtype=np.uint16)
    write_stk(tmp_path / "a.tif", data, distances, times)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (file.is_stk, file.series[0].axes) == (True, axes)
        assert_array_equal(file.asarray(), data)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert (result.status, "MetaMorph's metadata (STK) not kept" in result.err) == (0, True), result.err
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.is_stk, file.series[0].axes) == (False, axes)
        assert_array_equal(np.stack([page.asarray() for page in file.pages]), data)
    assert "would lose MetaMorph's metadata (STK) in place" in run("apply", tmp_path / "a.tif", "-k", "1", "--in-place").err
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-100])
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "c.tif")
    assert (result.status, "truncated or corrupt" in result.err) == (1, True), result.err


@pytest.mark.parametrize("count", [4, 30, 1000, (1 << 32) - 1])
def test_an_stk_that_announces_more_planes_than_it_has(tmp_path, count):
    """Without the values of UIC2, tifffile takes it for a single plane."""
    write_stk(tmp_path / "a.tif", np.zeros((3, 8, 10), np.uint16), (0.5,) * 3, (1, 2, 3))
    data, entry = (tmp_path / "a.tif").read_bytes(), struct.pack("<HHI", UIC2, 5, 3)
    assert open_frames(io.BytesIO(data)).series.count == 3
    with pytest.raises(ImageError, match="is truncated or corrupt: not all of its TIFF pixels are in the file"):
        open_frames(io.BytesIO(data.replace(entry, struct.pack("<HHI", UIC2, 5, count))))


def lsm_info(scan, z, times, channels):
    """The beginning of Zeiss's structure, as tifffile lists it."""
    sizes = struct.pack("<8i", 10, 8, z, channels, times, 1, 5, 4)
    return struct.pack("<Ii", 50350412, 92) + sizes + struct.pack("<6dHH", 1e-7, 1e-7, 5e-7, 0, 0, 0, scan, 0)


@pytest.mark.parametrize(("scan", "shape", "axes"), [(XYZ, (3,), "ZCYX"), (TIME_SERIES_XYZ, (2, 3), "TZCYX")])
def test_axes_of_lsm(run, tmp_path, rng, scan, shape, axes):
    """Each picture is followed by a smaller one; channels are samples in planes. tifffile reads the same axes."""
    data = rng.integers(0, 256, (*shape, 3, 8, 10), dtype=np.uint8)
    info = lsm_info(scan, shape[-1], 1 if len(shape) == 1 else shape[0], 3)
    tags = [(LSM_INFO, 1, len(info), info, True)]
    options = {"photometric": "rgb", "planarconfig": "separate", "metadata": None, "contiguous": False, "software": False}
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder="<") as file:
        for index, picture in enumerate(data.reshape(-1, 3, 8, 10)):
            file.write(picture, extratags=tags if index == 0 else [], **options)
            file.write(picture[:, ::2, ::2], subfiletype=1, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (file.is_lsm, file.series[0].axes) == (True, axes)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert result.status == 0, result.err
    assert "its smaller images not kept" in result.err
    assert "Zeiss's metadata (LSM)" in result.err
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.is_lsm, file.series[0].axes) == (False, axes.replace("C", "") + "S")
        assert_array_equal(file.asarray(), np.moveaxis(data, -3, -1))


def test_ome_tiff_of_several_files(run, tmp_path):
    """A notice says that the XML names planes that are not read; in place they would be lost."""
    text = (
        '<OME><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="10" SizeY="8" SizeZ="2" '
        'SizeC="1" SizeT="1"><TiffData FirstZ="0" IFD="0"><UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
        '<TiffData FirstZ="1" IFD="0"><UUID FileName="b.ome.tif">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
    )
    levels = np.arange(80, dtype=np.uint8).reshape(8, 10)
    tifffile.imwrite(tmp_path / "a.ome.tif", levels, description=text, metadata=None)
    lost = "the planes in other files that its OME-XML names"
    result = run("apply", tmp_path / "a.ome.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert (result.status, f"{lost} not kept" in result.err) == (0, True), result.err
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), levels)
    assert lost in run("apply", tmp_path / "a.ome.tif", "-k", "1", "--in-place").err


def test_tags_of_other_programs_are_no_damage(run, tmp_path):
    """A tag with the number of Zeiss's that holds something else, and distances of MetaMorph that divide by zero."""
    levels = np.arange(160, dtype=np.uint8).reshape(2, 8, 10)
    for code, kind, count, values in ((LSM_INFO, 1, 20, b"x" * 20), (UIC2, 5, 3, (0, 0) * 3)):
        with tifffile.TiffWriter(tmp_path / "a.tif", byteorder="<") as file:
            for page in levels:
                file.write(page, metadata=None, contiguous=False, extratags=[(code, kind, count, values, True)])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif", "--overwrite")
        assert (result.status, "2 frames" in result.err, caught) == (0, True, []), result.err
        assert_array_equal(tifffile.imread(tmp_path / "b.tif", key=range(2)), levels)
