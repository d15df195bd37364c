"""convcli apply on 16-bit and float pictures, and the metadata that it keeps."""

import numpy as np
import PIL.Image
import scipy.ndimage
import tifffile
from numpy.testing import assert_array_equal

from pictures import SOBEL_X, pixels


def test_16_bit_grey_is_kept(run, tmp_path, rng):
    """No level is lost."""
    levels = rng.integers(0, 65536, (20, 30)).astype(np.uint16)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    for name in ("b.png", "b.tif", "b.ppm"):
        assert run("apply", tmp_path / "a.png", "-k", "identity", "-o", tmp_path / name).status == 0
        assert_array_equal(pixels(tmp_path / name), levels)
    result = run("apply", tmp_path / "a.png", "-k", "identity", "-o", tmp_path / "b.jpg")
    assert "16-bit levels stored with 8 bits: jpeg holds only 8" in result.err


def test_16_bit_colour_is_kept(run, tmp_path, rng):
    """TIFF to TIFF, PNG and PPM, and back; --skip-existing and --in-place know the outputs."""
    levels = rng.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb", compression="zlib")
    for source, output in (("a.tif", "b.tif"), ("a.tif", "b.png"), ("a.tif", "b.ppm"), ("b.png", "c.tif"), ("b.ppm", "d.tif")):
        assert run("apply", tmp_path / source, "-k", "identity", "-o", tmp_path / output).status == 0
    for name in ("b.tif", "c.tif", "d.tif"):
        assert_array_equal(tifffile.imread(tmp_path / name), levels)
    before = (tmp_path / "b.png").stat().st_mtime_ns
    result = run("apply", tmp_path / "a.tif", "-k", "identity", "-o", tmp_path / "b.png", "--skip-existing")
    assert (result.status, (tmp_path / "b.png").stat().st_mtime_ns) == (0, before), result.err
    assert run("apply", tmp_path / "b.png", "-k", "identity", "--in-place").status == 0
    assert run("apply", tmp_path / "b.png", "-k", "identity", "-o", tmp_path / "e.tif").status == 0
    assert_array_equal(tifffile.imread(tmp_path / "e.tif"), levels)


def test_a_float_tiff_of_colours_comes_back_in_colour(run, samples, tmp_path):
    """Three planes of one kernel are a picture in colour; maps of two kernels are its two channels."""
    assert run("apply", samples / "astronaut.png", "-k", "blur", "--depth", "float", "-o", tmp_path / "a.tif").status == 0
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.npy")
    assert "3 frames" not in result.err
    assert_array_equal(np.load(tmp_path / "b.npy")[0], np.moveaxis(tifffile.imread(tmp_path / "a.tif"), 0, 2))
    run("apply", samples / "camera.png", "-k", "blur", "-k", "edge", "-o", tmp_path / "c.tif")
    assert "2 frames" not in run("apply", tmp_path / "c.tif", "-k", "1", "-o", tmp_path / "d.npy").err
    assert_array_equal(np.load(tmp_path / "d.npy")[0], np.moveaxis(tifffile.imread(tmp_path / "c.tif"), 0, 2))


def test_float_samples_need_a_range_for_a_picture(run, tmp_path, rng):
    """In arrays and TIFF they keep their precision."""
    values = rng.normal(size=(9, 11))
    np.save(tmp_path / "a.npy", values)
    result = run("apply", tmp_path / "a.npy", "-k", "identity", "-o", tmp_path / "b.png")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "its maps hold samples of unknown white" in result.err
    assert run("apply", tmp_path / "a.npy", "-k", "identity", "--range", "stretch", "-o", tmp_path / "b.png").status == 0
    assert run("apply", tmp_path / "a.npy", "-k", "identity", "-o", tmp_path / "b.npy").status == 0
    assert_array_equal(np.load(tmp_path / "b.npy")[0], values)
    result = run("apply", tmp_path / "a.npy", "-k", "identity", "-o", tmp_path / "b.tif")
    assert "stored as float32" in result.err
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), values.astype(np.float32))


def test_depth_float_writes_one_raw_map(run, samples, tmp_path):
    """Signed and not scaled."""
    run("apply", samples / "camera.png", "-k", "sobel-x", "--depth", "float", "-o", tmp_path / "x.tif")
    stored = tifffile.imread(tmp_path / "x.tif")
    assert stored.dtype == np.float32
    assert_array_equal(stored, scipy.ndimage.correlate(pixels(samples / "camera.png").astype(float), SOBEL_X, mode="mirror"))


def test_a_range_for_floats_is_reported_as_unused(run, samples, tmp_path):
    """A notice reports that floats are stored raw."""
    result = run("apply", samples / "camera.png", "-k", "blur", "--range", "stretch", "-o", tmp_path / "x.npy")
    assert "--range stretch not applied: floats are stored raw" in result.err


def test_metadata_is_kept(run, samples, tmp_path):
    """The profile and resolution of a JPEG are kept; the orientation is applied once."""
    run("apply", samples / "rocket.jpg", "-k", "blur", "-o", tmp_path / "x.jpg")
    with PIL.Image.open(samples / "rocket.jpg") as before, PIL.Image.open(tmp_path / "x.jpg") as after:
        assert after.info["icc_profile"] == before.info["icc_profile"]
        assert after.info["dpi"] == before.info["dpi"]
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker"
    photo = pixels(samples / "chelsea.png")
    PIL.Image.fromarray(np.rot90(photo)).save(tmp_path / "turned.png", exif=exif)  # orientation 6 rotates it back clockwise
    run("apply", tmp_path / "turned.png", "-k", "sobel-x", "-o", tmp_path / "a.png")
    run("apply", samples / "chelsea.png", "-k", "sobel-x", "-o", tmp_path / "b.png")
    assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    with PIL.Image.open(tmp_path / "a.png") as after:
        assert after.getexif()[0x010F] == "a maker"
        assert after.getexif()[0x0112] == 1
