"""TIFF whose planes lie along few axes: channels alone, one plane, and frames that are selected along one of two axes."""

from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

MICRON = "\N{MICRO SIGN}m"
CHANNELS = {
    "levels": ("CYX", (5,), np.uint16, {}),
    "colour": ("CYX", (3,), np.uint8, {"compression": "zlib"}),
    "floats": ("CYX", (2,), np.float32, {"bigtiff": True}),
    "one slice": ("CZYX", (3, 1), np.uint16, {"tile": (16, 32)}),
}


@pytest.mark.parametrize("kind", CHANNELS)
def test_planes_along_c_alone_are_one_frame(run, tmp_path, rng, kind):
    """tifffile reads the same planes along C again, also in place."""
    axes, shape, dtype, options = CHANNELS[kind]
    data = rng.integers(0, 256, (*shape, 40, 50)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, metadata={"axes": axes}, photometric="minisblack", **options)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-n", "-o", tmp_path / "b.tif")
    assert (result.status, "frames" in result.out + result.err) == (0, False), result.err
    result = run("at", "3,4", tmp_path / "a.tif", "-k", "1")
    assert (result.status, "frames" in result.err) == (0, False), result.err
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert (result.status, "frames" in result.err) == (0, False), result.err
    assert run("apply", tmp_path / "a.tif", "-k", "1", "--in-place").status == 0
    for name in ("a.tif", "b.tif"):
        with tifffile.TiffFile(tmp_path / name) as file:
            assert file.series[0].get_axes() == "CYX"
            assert_array_equal(file.asarray(), data.reshape(-1, 40, 50))


def pixels_of(path):
    """Return the name of the image, and the attributes of its pixels and channels, of the OME-XML of a file."""
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        root = ElementTree.fromstring(file.ome_metadata)
    space = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
    image, pixels = root.find("ome:Image", space), root.find("ome:Image/ome:Pixels", space)
    return image.get("Name"), pixels.attrib, [channel.attrib for channel in pixels.findall("ome:Channel", space)]


SIZES = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "um", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "um"}
ONE_PLANE = {
    "grey": ("YX", (40, 50), {"photometric": "minisblack"}),
    "colour": ("YXS", (40, 50, 3), {"photometric": "rgb"}),
    "alpha": ("YXS", (40, 50, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "channel": ("CYX", (1, 40, 50), {"photometric": "minisblack", "compression": "zstd"}),
    "five axes": ("TCZYX", (1, 1, 1, 40, 50), {"photometric": "minisblack"}),
    "tiles": ("YX", (40, 50), {"photometric": "minisblack", "tile": (16, 32), "compression": "lzw"}),
}


@pytest.mark.parametrize("kind", ONE_PLANE)
def test_ome_tiff_of_one_plane(run, tmp_path, rng, kind):
    """It keeps its name, and a stride of 2 doubles the sizes of its pixels, as in a stack."""
    axes, shape, options = ONE_PLANE[kind]
    data = rng.integers(0, 256, shape, dtype=np.uint8)
    data[..., 3:] = 255
    words = {"axes": axes, **SIZES, "Name": "cell", "Channel": {"Name": ["dapi"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata=words, **options)
    (tmp_path / "c.tif").write_bytes((tmp_path / "a.ome.tif").read_bytes())
    for name, stride, extra in (("b.ome.tif", 2, []), ("f.tif", 1, ["--depth", "float"]), ("c.tif", 1, [])):
        target = ["--in-place"] if name == "c.tif" else ["-o", tmp_path / name, "--stride", str(stride)]
        result = run("apply", tmp_path / ("c.tif" if name == "c.tif" else "a.ome.tif"), "-k", "1", *extra, *target)
        assert (result.status, "OME" in result.err) == (0, False), result.err
        title, pixels, channels = pixels_of(tmp_path / name)
        assert (title, channels[0].get("Name")) == ("cell", "dapi" if len(channels) == 1 else None)
        assert [float(pixels[f"PhysicalSize{axis}"]) for axis in "XY"] == [0.5 * stride, 0.25 * stride]
        with tifffile.TiffFile(tmp_path / name) as file:
            is_kept = kind == "tiles" and stride == 1
            assert file.pages.first.is_tiled == is_kept
            read = file.asarray() if not extra or "S" not in axes else np.moveaxis(file.asarray(), 0, 2)
        picture = data.reshape(shape[-3:] if "S" in axes else shape[-2:])
        assert_array_equal(read, picture[::stride, ::stride, : read.shape[2]] if "S" in axes else picture[::stride, ::stride])


def test_what_holds_no_ome_xml_says_so(run, tmp_path):
    """Of one plane and of a stack; --strip asks for it."""
    tifffile.imwrite(tmp_path / "a.ome.tif", np.ones((8, 10), np.uint8), metadata={"axes": "YX", "Name": "cell"})
    tifffile.imwrite(tmp_path / "b.ome.tif", np.ones((3, 8, 10), np.uint8), metadata={"axes": "ZYX"}, photometric="minisblack")
    for name in ("a", "b"):
        assert (
            "OME-XML not kept in this png"
            in run("apply", tmp_path / f"{name}.ome.tif", "-k", "1", "-o", tmp_path / "c.png", "--overwrite").err
        )
    result = run("apply", tmp_path / "a.ome.tif", "-k", "1", "--strip", "-o", tmp_path / "c.ome.tif")
    with tifffile.TiffFile(tmp_path / "c.ome.tif") as file:
        assert (result.status, "OME" in result.err, file.is_ome) == (0, False, False)


def test_single_pages_of_ome_xml_are_frames(run, tmp_path, rng):
    """Two images of one plane each: both are used, and a notice says that the XML is not."""
    data = rng.integers(0, 256, (2, 8, 10), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        for picture in data:
            file.write(picture, metadata={"axes": "YX"}, contiguous=False)
    result = run("apply", tmp_path / "a.ome.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert (result.status, "OME-XML not kept" in result.err) == (0, True), result.err
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert_array_equal(np.stack([page.asarray() for page in file.pages]), data)


@pytest.mark.parametrize("kernels", [["-k", "1"], ["-k", "1", "-k", "blur"]])
def test_one_picture_of_imagej_becomes_ome_tiff(run, tmp_path, rng, kernels):
    """By the name of the output: 2 and 4 pixels in a micron; rows and columns are twice as far from each other."""
    data = rng.integers(0, 256, (40, 50), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"unit": "um"}, resolution=(2, 4))
    result = run("apply", tmp_path / "a.tif", *kernels, "--stride", "2", "-o", tmp_path / "b.ome.tif")
    assert (result.status, "resolution" in result.err) == (0, False), result.err
    _, pixels, _ = pixels_of(tmp_path / "b.ome.tif")
    assert [pixels[f"PhysicalSize{axis}{end}"] for axis in "XY" for end in ("", "Unit")] == ["1.0", MICRON, "0.5", MICRON]
    assert_array_equal(tifffile.imread(tmp_path / "b.ome.tif").reshape(-1, 20, 25)[0], data[::2, ::2])
    result = run("apply", tmp_path / "a.tif", *kernels, "-o", tmp_path / "c.tif")
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert (file.is_imagej, file.is_ome) == (True, False)


def test_a_size_without_a_unit_of_ome_xml_is_told(run, tmp_path):
    """Furlongs of ImageJ."""
    tifffile.imwrite(
        tmp_path / "a.tif", np.ones((8, 10), np.uint8), imagej=True, metadata={"unit": "furlong"}, resolution=(2, 4)
    )
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.ome.tif")
    assert "distances between samples not kept in OME-TIFF" in result.err


SELECTED = {
    "0:3": ("Z", {"Z": 2.0}),
    "5:2:-2": ("Z", {"Z": 4.0}),
    "::3": ("T", {"T": 0.5}),
    "1::6": ("T", {"T": 1.0}),
    "::-1": ("", {}),
    "::5": ("", {}),
    "2:4": ("", {}),
}


@pytest.mark.parametrize("program", ["imagej", "ome"])
@pytest.mark.parametrize("frames", SELECTED)
def test_selected_frames_have_the_axis_along_which_they_lie(run, tmp_path, rng, program, frames):
    """Four times 0.5 s apart and three slices at 2 microns: frame 3 t + z is at time t and slice z."""
    axis, distances = SELECTED[frames]
    data = rng.integers(0, 256, (4, 3, 8, 10), dtype=np.uint16)
    sizes = {"spacing": 2.0, "finterval": 0.5} if program == "imagej" else {"PhysicalSizeZ": 2.0, "TimeIncrement": 0.5}
    options = {"imagej": True} if program == "imagej" else {"ome": True, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", data, metadata={"axes": "TZYX", "unit": "um", **sizes}, **options)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--frames", frames, "-o", tmp_path / "b.tif")
    assert (result.status, "distances between frames not kept" in result.err) == (0, not axis), result.err
    begin, end, step = ([*map(lambda text: int(text) if text else None, frames.split(":")), None])[:3]
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.series[0].get_axes() == f"{axis or 'Z'}YX"
        assert_array_equal(file.asarray(), data.reshape(-1, 8, 10)[begin:end:step])
        words = file.imagej_metadata if program == "imagej" else pixels_of(tmp_path / "b.tif")[1]
    names = {"Z": "spacing", "T": "finterval"} if program == "imagej" else {"Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    assert {key: float(words[name]) for key, name in names.items() if name in words} == distances


def test_one_frame_has_no_distances_to_lose(run, tmp_path):
    """Nothing is told where an output has one frame, or all frames; arrays have no distances at all."""
    data = np.ones((2, 3, 8, 10), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TZYX", "spacing": 2.0})
    for name, frames in (("b.tif", "4"), ("b{frame}.tif", "1::2"), ("d.tif", "all")):
        result = run("apply", tmp_path / "a.tif", "-k", "1", "--frames", frames, "-o", str(tmp_path / name))
        assert (result.status, "distances" in result.err) == (0, False), result.err
    for name, frames, what in (("e.gif", "::5", "frames"), ("c.npy", "1::2", "frames"), ("c.npz", "all", "samples")):
        result = run("apply", tmp_path / "a.tif", "-k", "1", "--frames", frames, "-o", tmp_path / name)
        assert f"distances between {what} not kept" in result.err


@pytest.mark.parametrize("more", [[], ["--compression", "lzw"]])
def test_each_page_is_compressed_as_its_own(run, tmp_path, rng, more):
    """So are its tiles."""
    data = rng.integers(0, 256, (4, 40, 50), dtype=np.uint8)
    stored = [(None, None), ("zstd", (16, 32)), ("lzw", None), (None, (32, 16))]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for picture, (compression, tile) in zip(data, stored, strict=True):
            file.write(picture, compression=compression, tile=tile, metadata=None, contiguous=False, photometric="minisblack")
    assert run("apply", tmp_path / "a.tif", "-k", "1", *more, "-o", tmp_path / "b.tif").status == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        pages = [page.aspage() for page in file.pages]
        assert_array_equal(np.stack([page.asarray() for page in pages]), data)
        found = [(page.compression.name, page.tile[-2:] if page.is_tiled else None) for page in pages]
    names = ["LZW"] * 4 if more else ["NONE", "ZSTD", "LZW", "NONE"]
    assert found == list(zip(names, [tile for _, tile in stored], strict=True))


def test_the_tag_software_is_no_exif(run, tmp_path):
    """tifffile writes it. A notice names what there is."""
    for name, options in (("a.tif", {}), ("b.tif", {"description": "a text"})):
        tifffile.imwrite(tmp_path / name, np.ones((8, 10), np.uint8), metadata=None, **options)
    for name, expected in (("a.tif", "the tag Software not written: a stack"), ("b.tif", "EXIF not written: a stack")):
        result = run("apply", tmp_path / name, "-k", "1", "-k", "blur", "-o", tmp_path / "c.tif", "--overwrite")
        assert expected in result.err
        assert "EXIF" not in expected or "Software" not in result.err
