"""The frames of TIFF files, which tifffile writes and reads back."""

import io
import re
import struct
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.errors import ConvcliError, ImageError
from convcli.geometry.axes import Placement
from convcli.images.codecs import tiff_page_writer, tiff_stack
from convcli.images.codecs.tiff import TiffCodec
from convcli.images.encoding import Encoding
from convcli.images.formats import format_named
from convcli.images.frames import LevelsOfFrame, Series
from convcli.images.image import Metadata
from convcli.images.read import decode, open_frames
from convcli.images.storage import MapStorage, Storage
from convcli.images.write import fit, write_maps
from pictures import encode

TIFF = format_named("tiff")
WORDS = {"mode": "composite", "unit": "micron", "spacing": 0.5, "finterval": 2.0}
WORDS |= {"Labels": [f"plane {index}" for index in range(12)]}
NAMES = {"Channel": {"Name": ["DAPI", "GFP"]}}
SIZES = {"PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.2, "PhysicalSizeYUnit": "µm"}
DEPTH = {"PhysicalSizeZ": 500.0, "PhysicalSizeZUnit": "nm", "TimeIncrement": 3.0, "TimeIncrementUnit": "s"}


def stored(data, **options):
    """A file that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, data, **options)
    file.seek(0)
    return file


def levels_of(rng, *shape, dtype=np.uint16):
    """Random levels of all values."""
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def images_of(file):
    """The series of a file, and all its frames."""
    file.seek(0)
    frames = open_frames(file)
    return frames.series, [frames.read(index, lambda header: None) for index in range(frames.series.count)]


def written(images, series):
    """The frames as a file of convcli."""
    file = io.BytesIO()
    fit(images[0], TIFF, Encoding()).write_frames(file, images, series)
    file.seek(0)
    return file


def pages_of(file):
    """The file as tifffile opens it."""
    file.seek(0)
    return tifffile.TiffFile(file)


KINDS = {
    "hyperstack": ((2, 3, 2), {"imagej": True, "metadata": {"axes": "TZCYX", **WORDS}, "resolution": (10, 5)}),
    "ome": ((2, 3, 2), {"ome": True, "metadata": {"axes": "TZCYX", **SIZES, **DEPTH, **NAMES}}),
    "ome, z first": ((3, 2, 2), {"ome": True, "metadata": {"axes": "ZTCYX"}}),
    "tifffile": ((2, 3, 2), {"photometric": "minisblack", "metadata": {"axes": "TZCYX"}}),
    "volume of tifffile": ((6,), {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}),
    "one directory": ((6,), {"imagej": True, "metadata": {"axes": "ZYX"}, "truncate": True}),
    "one directory of tifffile": ((6,), {"photometric": "minisblack", "metadata": {"axes": "ZYX"}, "truncate": True}),
    "lzw": ((6,), {"photometric": "minisblack", "metadata": {"axes": "TYX"}, "compression": "lzw", "predictor": True}),
    "big": ((6,), {"photometric": "minisblack", "metadata": {"axes": "TYX"}, "bigtiff": True, "byteorder": ">"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_is_read_plane_by_plane_and_written_with_its_axes(kind, rng):
    """The planes of C are the channels of a frame; the other axes give the frames, the last of them first."""
    outer, options = KINDS[kind]
    data = levels_of(rng, *outer, 7, 9)
    file = stored(data, **options)
    axes = options["metadata"]["axes"][:-2]
    with pages_of(file) as pages:
        assert pages.series[0].get_axes() == axes + "YX"
    series, images = images_of(file)
    letters = axes.replace("C", "")
    assert (series.axes, series.shape, series.count) == (letters, outer[: len(letters)], int(np.prod(outer[: len(letters)])))
    channels = 2 if "C" in axes else 1
    frames = data.reshape(-1, channels, 7, 9)
    for image, frame in zip(images, frames, strict=True):
        assert_array_equal(image.pixels, np.moveaxis(frame, 0, 2))
        assert (image.white, image.lost) == (65535, ())
    output = written(images, series)
    with pages_of(file) as before, pages_of(output) as after:
        assert (after.is_imagej, after.is_ome) == (before.is_imagej, before.is_ome)
        assert after.series[0].get_axes() == axes + "YX"
        assert_array_equal(after.asarray(), data)
        words = (after.imagej_metadata or {}) | {}
        for name in options["metadata"].keys() & {"Labels", "unit", "spacing", "finterval", "mode"}:
            assert words[name] == options["metadata"][name]
        if "resolution" in options:
            assert [after.pages[0].tags[tag].value for tag in (282, 283)] == [(10, 1), (5, 1)]
    assert images_of(output)[0] == series


def test_ome_xml_keeps_sizes_and_names(rng):
    """A size in nanometres beside micrometres becomes micrometres; the XML is tifffile's, and the same for the same input."""
    series, images = images_of(stored(levels_of(rng, 2, 3, 2, 7, 9), **KINDS["ome"][1]))
    assert series.channels == ("DAPI", "GFP")
    assert dict(series.spacing) == {"T": 3.0, "Z": 0.5, "Y": 0.2, "X": 0.1}
    first, second = (written(images, series.moved(Placement(strides=(2, 4)))).getvalue() for _ in range(2))
    assert first == second
    with tifffile.TiffFile(io.BytesIO(first)) as pages:
        root = ElementTree.fromstring(pages.ome_metadata)
    (pixels,) = (element for element in root.iter() if element.tag.endswith("}Pixels"))
    facts = {name: pixels.get(name) for name in ("SizeT", "SizeZ", "SizeC", "PhysicalSizeXUnit", "PhysicalSizeZUnit")}
    assert facts == {"SizeT": "2", "SizeZ": "3", "SizeC": "2", "PhysicalSizeXUnit": "µm", "PhysicalSizeZUnit": "µm"}
    assert [float(pixels.get(f"PhysicalSize{axis}")) for axis in "XYZ"] == [0.4, 0.4, 0.5]
    assert [element.get("Name") for element in pixels if element.tag.endswith("}Channel")] == ["DAPI", "GFP"]


def test_the_table_of_ome_xml_says_where_planes_lie(rng):
    """Pages in the reverse order of their times."""
    data = levels_of(rng, 3, 7, 9)
    with tifffile.TiffFile(stored(data, ome=True, metadata={"axes": "TYX"})) as pages:
        text = pages.ome_metadata
    table = "".join(f'<TiffData FirstT="{time}" IFD="{2 - time}" PlaneCount="1"/>' for time in range(3))
    text = re.sub(r"<TiffData[^>]*/>", table, text)
    _, images = images_of(stored(data, photometric="minisblack", description=text, metadata=None))
    for image, frame in zip(images, data[::-1], strict=True):
        assert_array_equal(image.pixels[:, :, 0], frame)


def test_channels_of_imagej_in_another_order(rng):
    """Its description may say that slices change first: order=zct."""
    data = levels_of(rng, 2, 3, 7, 9)
    text = "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\norder=zct\n"
    series, images = images_of(stored(data, photometric="minisblack", description=text, metadata=None))
    assert (series.axes, series.shape) == ("Z", (3,))
    for index, image in enumerate(images):
        assert_array_equal(image.pixels, np.moveaxis(data[:, index], 0, 2))


def test_planes_along_c_alone_are_one_picture(run, tmp_path, rng):
    """As tifffile describes them; the picture keeps its tags, and three planes are no colour."""
    for channels in (2, 3, 4):
        data, tags = levels_of(rng, channels, 7, 9), [(315, 2, 10, "an artist", True)]
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", metadata={"axes": "CYX"}, extratags=tags)
        result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif", "--overwrite")
        assert (result.status, "frames" in result.err) == (0, False), result.err
        with tifffile.TiffFile(tmp_path / "b.tif") as pages:
            (series,) = pages.series
            assert (series.get_axes(), series.asarray().tolist()) == ("CYX", data.tolist())
            assert pages.pages[0].tags[315].value == "an artist"


def test_five_planes_are_five_channels(rng):
    """In one directory, and in five of ImageJ. A picture that is no series is written in planes that tifffile finds along C."""
    data = levels_of(rng, 5, 7, 9)
    separate = stored(data, photometric="minisblack", planarconfig="separate")
    contiguous = stored(np.moveaxis(data, 0, 2).copy(), photometric="minisblack", planarconfig="contig")
    for file in (separate, contiguous, stored(data, imagej=True, metadata={"axes": "CYX"})):
        image = decode(file)
        assert_array_equal(image.pixels, np.moveaxis(data, 0, 2))
        assert (image.notices, image.summary) == ((), "9 x 7 5 channels 16-bit")
        output = io.BytesIO(encode(image, TIFF, Encoding()))
        with pages_of(output) as pages:
            assert (len(pages.pages), pages.series[0].get_axes()) == (1, "CYX")
            assert_array_equal(pages.asarray(), data)
            assert pages.pages[0].tags[338].value == (0, 0, 0, 0)
        output.seek(0)
        assert_array_equal(decode(output).pixels, image.pixels)


def test_labels_of_colours_are_those_of_pages(rng):
    """Three samples of a page have one label."""
    labels = ["one", "two", "three"]
    file = stored(levels_of(rng, 3, 7, 9, 3, dtype=np.uint8), imagej=True, metadata={"axes": "ZYXS", "Labels": labels})
    series, images = images_of(file)
    with pages_of(written(images, series)) as pages:
        assert pages.imagej_metadata["Labels"] == labels
    assert series.selected(range(2, -1, -2)).labels == ("three", "one")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("options", [{"photometric": "rgb"}, {"photometric": "rgb", "planarconfig": "separate"},
                                     {"imagej": True, "metadata": {"axes": "TZYXS"}}])  # fmt: skip
def test_stacks_of_colour(options, dtype, rng):
    """ImageJ has colours of 8 bits only."""
    if options.get("imagej") and dtype == np.uint16:
        options = {"photometric": "rgb", "metadata": {"axes": "TZYXS"}}
    data = levels_of(rng, 2, 3, 7, 9, 3, dtype=dtype)
    planar = "planarconfig" in options
    file = stored(np.moveaxis(data, -1, -3).copy() if planar else data, **options)
    series, images = images_of(file)
    for image, frame in zip(images, data.reshape(6, 7, 9, 3), strict=True):
        assert_array_equal(image.pixels, frame)
    with pages_of(written(images, series)) as pages:
        assert_array_equal(pages.asarray().reshape(6, 7, 9, 3), data.reshape(6, 7, 9, 3))
        assert pages.series[0].get_axes().endswith("YXS")


def test_alpha_of_frames_is_kept(rng):
    """With axes and without."""
    for axes in ({"metadata": {"axes": "ZYXS"}}, {"metadata": None}):
        data = levels_of(rng, 3, 7, 9, 4)
        series, images = images_of(stored(data, photometric="rgb", extrasamples=["unassalpha"], **axes))
        assert_array_equal(images[2].alpha, data[2, :, :, 3])
        with pages_of(written(images, series)) as pages:
            assert pages.pages[0].tags[338].value == 2 or pages.pages[0].tags[338].value == (2,)
            assert_array_equal(pages.asarray(), data)


@pytest.mark.parametrize(("colours", "dtype"), [(3, np.uint8), (3, np.uint16), (1, np.uint16)])
def test_alpha_of_ome_tiff_leaves_its_sizes(colours, dtype, rng):
    """Its pixels have any number of samples."""
    data = levels_of(rng, 3, 7, 9, colours + 1, dtype=dtype)
    options = {"photometric": "rgb" if colours == 3 else "minisblack", "extrasamples": ["unassalpha"], "planarconfig": "contig"}
    series, images = images_of(stored(data, ome=True, metadata={"axes": "ZYXS", **SIZES}, **options))
    assert (images[0].alpha is not None, images[0].lost) == (True, ())
    output = written(images, series)
    with pages_of(output) as pages:
        assert_array_equal(pages.asarray(), data)
        assert (pages.is_ome, 'PhysicalSizeX="0.1"' in pages.ome_metadata) == (True, True)
    assert images_of(output)[0] == series


def test_alpha_of_imagej(rng):
    """It has colours of 8 bits with alpha; others lose what it says, with a notice."""
    options = {
        "photometric": "rgb",
        "extrasamples": ["unassalpha"],
        "description": "ImageJ=1.53t\nimages=3\nslices=3\nunit=um\n",
    }
    for dtype, lost in ((np.uint8, ()), (np.uint16, ("what its description says of the stack",))):
        data = levels_of(rng, 3, 7, 9, 4, dtype=dtype)
        series, images = images_of(stored(data, metadata=None, **options))
        assert (series.unit, images[0].lost) == ("um", lost)
        with pages_of(written(images, series)) as pages:
            assert_array_equal(pages.asarray(), data)
            assert (pages.imagej_metadata or {}).get("unit") == (None if lost else "um")


def test_what_ome_xml_holds_beyond_the_series(rng):
    """Texts of the image and numbers of its channels are kept; anything else is told."""
    data = levels_of(rng, 3, 2, 7, 9)
    kept = {"Name": "a cell", "Description": "patient <7>", "AcquisitionDate": "2020-01-01T00:00:00"}
    channels = {"Name": ["DAPI", "GFP"], "Color": [255, -16776961], "EmissionWavelength": [461, 510]}
    words = {"axes": "ZCYX", **kept, **SIZES, "Channel": channels}
    series, images = images_of(stored(data, ome=True, metadata=words))
    assert images[0].lost == ()
    for series_of_output in (series, series.selected(range(1))):
        count = series_of_output.count
        with pages_of(written(images[:count], series_of_output)) as pages:
            root = ElementTree.fromstring(pages.ome_metadata)
        facts = {element.tag.rpartition("}")[2]: element for element in root.iter()}
        assert (facts["Image"].get("Name"), facts["Description"].text) == ("a cell", "patient <7>")
        assert facts["AcquisitionDate"].text == kept["AcquisitionDate"]
        assert [element.get("Color") for element in facts["Pixels"] if element.get("Color")] == ["255", "-16776961"]
        assert facts["Channel"].get("EmissionWavelength") == "510"
    for further in (
        {"Plane": {"ExposureTime": [0.1] * 6}},
        {"MapAnnotation": {"Namespace": "a", "key": "value"}},
        {"Channel": {**channels, "Fluor": ["a", "b"]}},
    ):
        image = images_of(stored(data, ome=True, metadata={**words, **further}))[1][0]
        assert image.lost == ("the rest of its OME-XML",)
        assert image.notices == ("the rest of its OME-XML not kept",)
        assert image.without_metadata_losses().lost == ()


def test_what_imagej_says_of_levels_is_told(rng):
    """They are others in the output; how fast it is shown is kept."""
    data = levels_of(rng, 3, 7, 9)
    words = {"axes": "ZYX", "unit": "um", "yunit": "mm", "fps": 7.0}
    series, images = images_of(stored(data, imagej=True, metadata=words))
    assert images[0].lost == ()
    with pages_of(written(images, series)) as pages:
        assert [pages.imagej_metadata[name] for name in ("unit", "yunit", "fps")] == ["um", "mm", 7.0]
    image = images_of(stored(data, imagej=True, metadata={**words, "vunit": "OD", "cf": 0, "c0": 1.0, "c1": 2.0}))[1][0]
    assert image.lost == ("ImageJ's calibration of levels",)
    assert image.notices == ("ImageJ's calibration of levels not kept",)


def test_pages_of_different_sizes_and_types_are_frames(rng):
    """They are written page by page."""
    pages = [levels_of(rng, 5, 7), levels_of(rng, 9, 4, 3, dtype=np.uint8), levels_of(rng, 3, 3)]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
    series, images = images_of(file)
    assert (series.count, series.axes) == (3, "")
    with pages_of(written(images, series)) as output:
        for page, expected in zip(output.pages, pages, strict=True):
            assert_array_equal(page.asarray(), expected)


def test_smaller_pages_and_masks_are_no_frames(rng):
    """As in a file with overviews; also those that a page points to. What is not kept is told."""
    data, file = levels_of(rng, 2, 16, 16), io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in data:
            writer.write(page, photometric="minisblack", metadata=None)
            writer.write(page[::2, ::2].copy(), photometric="minisblack", subfiletype=1, metadata=None)
        writer.write(np.ones((16, 16), bool), photometric="minisblack", subfiletype=4, metadata=None)
    series, images = images_of(file)
    assert series.count == 2
    assert_array_equal(images[1].pixels[:, :, 0], data[1])
    assert images[0].lost == ("its smaller images", "its transparency mask")
    assert images[0].notices == ("its smaller images and its transparency mask not kept",)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(data, photometric="minisblack", subifds=1, metadata={"axes": "ZYX"})
        writer.write(data[:, ::2, ::2].copy(), photometric="minisblack", subfiletype=1)
    series, images = images_of(file)
    assert (series.count, images[1].lost) == (2, ("its smaller images",))


def test_a_volume_is_frames_along_z(rng):
    """In tiles of several planes, and uncompressed without tiles."""
    data = levels_of(rng, 6, 16, 16)
    for options in ({"tile": (4, 16, 16), "compression": "zlib"}, {}):
        series, images = images_of(stored(data, photometric="minisblack", volumetric=True, **options))
        assert (series.axes, series.shape) == ("Z", (6,))
        for image, frame in zip(images, data, strict=True):
            assert_array_equal(image.pixels[:, :, 0], frame)


def test_the_first_frame_alone_is_decoded_with_a_notice(rng):
    """As by ``at`` and for --mask."""
    image = decode(stored(levels_of(rng, 3, 7, 9), imagej=True, metadata={"axes": "ZYX"}))
    assert image.notices == ("has 3 frames; the first is used",)
    assert image.lost == ("2 further frames",)


def test_a_description_of_another_file_is_not_believed(rng):
    """Programs that save one page copy descriptions of stacks."""
    text = "ImageJ=1.53t\nimages=600\nslices=600\n"
    for description in (text, '{"shape": [600, 7, 9], "axes": "ZYX"}'):
        series, _ = images_of(stored(levels_of(rng, 7, 9), photometric="minisblack", description=description, metadata=None))
        assert (series.count, series.axes) == (1, "")


def test_damage_names_the_frame(rng):
    """The others can be read."""
    file = stored(levels_of(rng, 4, 64, 64), photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})
    with pages_of(file) as pages:
        begin = pages.pages[2].dataoffsets[0]
    data = bytearray(file.getvalue())
    data[begin : begin + 400] = bytes(400)
    frames = open_frames(io.BytesIO(data))
    frames.read(3, lambda header: None)
    with pytest.raises(ImageError, match=r"^its frame 2 is truncated or corrupt: its TIFF data cannot be decoded"):
        frames.read(2, lambda header: None)


def test_a_chain_that_leads_out_of_the_file_is_an_error_of_its_frame(rng):
    """The pages before it can be read."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder="<") as writer:
        for page in levels_of(rng, 3, 7, 9):
            writer.write(page, photometric="minisblack", metadata=None, contiguous=False)
    with pages_of(file) as pages:
        page = pages.pages[1]
        pointer = page.offset + 2 + 12 * len(page.tags)
    data = bytearray(file.getvalue())
    data[pointer : pointer + 4] = struct.pack("<I", len(data) + 1000)
    frames = open_frames(io.BytesIO(data))
    assert frames.series.count == 3
    frames.read(1, lambda header: None)
    with pytest.raises(ImageError, match="^its frame 2 is truncated or corrupt"):
        frames.read(2, lambda header: None)


def test_frames_of_a_series_that_differ_in_size_do_not_stack(rng):
    """The error names the frame and a remedy."""
    series, images = images_of(stored(levels_of(rng, 2, 7, 9), imagej=True, metadata={"axes": "ZYX"}))
    _, (other, _) = images_of(stored(levels_of(rng, 2, 3, 9), imagej=True, metadata={"axes": "ZYX"}))
    with pytest.raises(ConvcliError, match=r"frame 1 differs in size from the first: .* \{frame\}"):
        written([images[0], other], series)


def test_metadata_of_the_first_page(rng):
    """ICC on all pages, EXIF with its directories, XMP and resolution; tifffile reads them."""
    exif = tiff_exif()
    data = levels_of(rng, 3, 7, 9)
    series, images = images_of(stored(data, imagej=True, metadata={"axes": "ZYX"}))
    metadata = Metadata(icc=b"profile ".ljust(128, b"."), exif=exif, dpi=(300.0, 300.0), xmp=b"<x:xmpmeta/>")
    for with_series in (series, images_of(stored(data, photometric="minisblack", metadata=None))[0]):
        file = io.BytesIO()
        levels = [LevelsOfFrame(image.pixels, False, metadata) for image in images]
        tiff_stack.write_stack(file, levels, with_series, Storage(TIFF, metadata=metadata))
        with pages_of(file) as pages:
            first, last = pages.pages[0], pages.pages[2]
            assert first.tags[34665].value["ExposureTime"] == (1, 250)
            assert first.tags[271].value == "a camera"
            assert first.tags[700].value == b"<x:xmpmeta/>"
            assert last.tags[34675].value == metadata.icc
            assert 34665 not in last.tags
            assert (first.tags[282].value, first.tags[296].value) == ((300, 1), 2)
            assert_array_equal(pages.asarray(), data)


def test_metadata_of_further_pages_are_reported_after_other_losses(run, tmp_path):
    """The second page loses levels, the third a profile."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for dtype, profile in ((np.uint8, None), (np.uint16, None), (np.uint8, b"profile ".ljust(128, b"."))):
            writer.write(np.ones((8, 10), dtype), metadata=None, contiguous=False, iccprofile=profile)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.webp")
    assert "16-bit levels stored with 8 bits" in result.err
    assert "metadata of further frames, where they differ from those of the first, not kept" in result.err


def test_pages_have_their_own_metadata(run, tmp_path):
    """As GDAL reads pages one by one; nothing is made up, and nothing is taken from the first."""
    place = [(33550, 12, 3, (30.0, 20.0, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, 500.0, 900.0, 0.0), True)]
    shared = {"extratags": [*place, (315, 2, 10, "an artist", True)], "resolution": (300, 300), "resolutionunit": 2}
    calibrated = {"resolution": (5, 4), "resolutionunit": 1}
    pages = [{**shared, "iccprofile": b"profile ".ljust(128, b".")}, shared, {}, calibrated]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(np.ones((8, 10), np.uint8), metadata=None, software=False, contiguous=False, **page)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--stride", "2", "-o", tmp_path / "b.tif")
    assert (result.status, "not kept" in result.err) == (0, False), result.err
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = [{tag.code: tag.value for tag in page.tags} for page in file.pages]
    assert [page.get(33550) for page in tags] == [(60, 40, 0), (60, 40, 0), None, None]
    assert [page.get(315) for page in tags] == ["an artist", "an artist", None, None]
    assert [page[282] for page in tags] == [(300, 1), (300, 1), (1, 1), (5, 2)]
    assert [34675 in page for page in tags] == [True, False, False, False]
    with tifffile.TiffWriter(tmp_path / "c.tif") as writer:
        for _ in range(2):
            writer.write(np.ones((8, 10), np.uint8), metadata=None, software=False, contiguous=False, **calibrated)
    assert run("apply", tmp_path / "c.tif", "-k", "1", "-o", tmp_path / "d.tif").status == 0
    with tifffile.TiffFile(tmp_path / "d.tif") as file:
        assert [[page.tags[tag].value for tag in (282, 283, 296)] for page in file.pages] == [[(5, 1), (4, 1), 1]] * 2


def test_a_stack_whose_pixels_lie_at_unknown_places_loses_its_resolution(run, tmp_path):
    """As a picture does: kernels of several anchors are merged."""
    config = "[kernels.p]\nmatrix = [[1, 1, 1]]\n[kernels.q]\nmatrix = [[1, 1, 1]]\nanchor = [0, 0]\n"
    (tmp_path / "k.toml").write_text(config + '[banks.b]\nkernels = ["p", "q"]\nmerge = "max"\n')
    words = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    arguments = ["apply", tmp_path / "a.tif", "-k", "b", "--padding", "valid", "--config", tmp_path / "k.toml"]
    for options in ({"resolution": (5, 5)}, {"metadata": {**words, "xorigin": 3}}):
        tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 8, 10), np.uint8), imagej=True, **{"metadata": words, **options})
        for depth in ([], ["--depth", "float"]):
            result = run(*arguments, *depth, "-o", tmp_path / "b.tif", "--overwrite")
            assert "its resolution not kept: the pixels of the output lie elsewhere" in result.err
            with tifffile.TiffFile(tmp_path / "b.tif") as file:
                assert (file.pages[0].tags[282].value, file.imagej_metadata["spacing"]) == ((1, 1), 2)
        assert "would lose its resolution in place" in run(*arguments, "--in-place").err


def test_the_name_of_an_output_asks_for_ome_tiff(run, tmp_path):
    """NAME.ome.tif, of levels and of maps; what it does not hold of a stack of ImageJ is told."""
    data = np.arange(3 * 8 * 10, dtype=np.uint8).reshape(3, 8, 10)
    words = {"axes": "ZYX", "unit": "micron", "spacing": 2.0, "Labels": ["a", "b", "c"], "Info": "a text"}
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata=words, resolution=(5, 4))
    for kernels in (["-k", "1"], ["-k", "1", "-k", "blur"]):
        result = run("apply", tmp_path / "a.tif", *kernels, "--depth", "float", "-o", tmp_path / "b.ome.tif", "--overwrite")
        assert "labels of frames not kept in OME-TIFF" in result.err
        assert "ImageJ's properties not kept in OME-TIFF" in result.err
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
            axes = "ZYX" if len(kernels) == 2 else "ZCYX"
            assert (file.is_ome, file.is_imagej, file.series[0].get_axes()) == (True, False, axes)
            assert_array_equal(file.asarray() if axes == "ZYX" else file.asarray()[:, 0], data)
        series, _ = images_of(io.BytesIO((tmp_path / "b.ome.tif").read_bytes()))
        assert (series.unit, dict(series.spacing)) == ("\N{MICRO SIGN}m", {"Z": 2.0, "Y": 0.25, "X": 0.2})
    (tmp_path / "c.ome.tif").write_bytes((tmp_path / "a.tif").read_bytes())
    assert run("apply", tmp_path / "c.ome.tif", "-k", "1", "--in-place").status == 0
    with tifffile.TiffFile(tmp_path / "c.ome.tif") as file:
        assert file.imagej_metadata["Labels"] == ["a", "b", "c"]


def tiff_exif():
    """A block with the maker, and an exposure time in its directory, in the order MM."""
    inside = struct.pack(">HHHIII", 1, 33434, 5, 1, 80, 0) + struct.pack(">II", 1, 250)
    assert len(inside) == 26
    first = struct.pack(">HHHII", 2, 271, 2, 9, 46) + struct.pack(">HHII", 34665, 4, 1, 62) + bytes(4)
    block = b"MM\0*" + struct.pack(">I", 8) + first
    return b"Exif\0\0" + block.ljust(46, b"\0") + b"a camera\0".ljust(16, b"\0") + inside


def test_bigtiff_where_32_bits_are_too_few(rng, monkeypatch):
    """ImageJ's own way is one directory, which all planes follow."""
    monkeypatch.setattr(tiff_page_writer, "CLASSIC_BYTES", 3000)
    data = levels_of(rng, 30, 7, 9)
    for options, is_big, directories in (
        ({"photometric": "minisblack", "metadata": {"axes": "ZYX"}}, True, 30),
        ({"ome": True, "metadata": {"axes": "ZYX"}}, True, 30),
        ({"photometric": "minisblack", "metadata": None}, True, 30),
        ({"imagej": True, "metadata": {"axes": "ZYX"}}, False, 1),
    ):
        series, images = images_of(stored(data, **options))
        output = written(images, series)
        with pages_of(output) as pages:
            assert (pages.is_bigtiff, len(pages.pages)) == (is_big, directories)
            assert_array_equal(pages.asarray(), data)
        assert images_of(output)[0] == series


def test_large_stacks_of_imagej_are_not_compressed(rng, monkeypatch, tmp_path):
    """One directory holds no compressed planes. Such a file is complete; compression that is asked for is an error."""
    monkeypatch.setattr(tiff_page_writer, "CLASSIC_BYTES", 3000)
    data, path = levels_of(rng, 30, 7, 9), tmp_path / "a.tif"
    series, images = images_of(stored(data, imagej=True, metadata={"axes": "ZYX"}))
    file = io.BytesIO()
    fit(images[0], TIFF, Encoding(inherited={"compression": "deflate"})).write_frames(file, images, series)
    path.write_bytes(file.getvalue())
    assert_array_equal(tifffile.imread(path), data)
    assert TiffCodec().is_complete(path, TIFF)
    path.write_bytes(file.getvalue()[:-100])
    assert not TiffCodec().is_complete(path, TIFF)
    maps = [[image.pixels.astype(np.float32)] for image in images]
    with pytest.raises(ConvcliError, match="more than 4 GB cannot be compressed; give --compression none"):
        fit(images[0], TIFF, Encoding(compression="lzw")).write_frames(io.BytesIO(), images, series)
    with pytest.raises(ConvcliError, match="more than 4 GB cannot be compressed; give --compression none"):
        write_maps(io.BytesIO(), maps, MapStorage(TIFF, ["a"], series, Encoding(compression="lzw")))


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16, 16), "compression": "zlib"}])
def test_a_depth_that_the_file_cannot_hold_is_damage(rng, options):
    """Nothing of that size is allocated."""
    data = bytearray(stored(levels_of(rng, 6, 16, 16), photometric="minisblack", volumetric=True, **options).getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as pages:
        tag = pages.pages[0].tags[32997]
    struct.pack_into("<HII", data, tag.offset + 2, 4, 1, 1 << 28)
    with pytest.raises(ImageError, match="truncated or corrupt: not all of its TIFF pixels are in the file"):
        open_frames(io.BytesIO(data))


def test_pages_of_no_width_are_no_stack():
    """A description may promise any number of them."""
    text = "ImageJ=1.53t\nimages=400000000\nslices=400000000\n"
    file = stored(np.zeros((7, 9), np.uint8), photometric="minisblack", description=text, metadata=None)
    data = bytearray(file.getvalue())
    with pages_of(file) as pages:
        tag = pages.pages[0].tags[256]
    struct.pack_into("<HII", data, tag.offset + 2, 4, 1, 0)
    assert open_frames(io.BytesIO(data)).series.count == 1


@pytest.mark.parametrize("value", ["99999999999999999999", "1e400", "-1"])
def test_numbers_of_ome_xml_that_no_file_has(rng, value):
    """The pages are frames of their own."""
    data = levels_of(rng, 3, 7, 9)
    with pages_of(stored(data, ome=True, metadata={"axes": "TYX"})) as pages:
        text = re.sub(r"<TiffData[^/>]*", f'<TiffData FirstZ="{value}" IFD="{value}"', pages.ome_metadata)
    series, _ = images_of(stored(data, photometric="minisblack", description=text, metadata=None))
    assert (series.count, series.axes) == (3, "")


@pytest.mark.parametrize("value", ["NaN", "0", "-1", "INF"])
def test_sizes_of_ome_xml_that_are_none(rng, value):
    """They are left out."""
    data = levels_of(rng, 3, 7, 9)
    with pages_of(stored(data, ome=True, metadata={"axes": "TYX", **SIZES, "TimeIncrement": 3.0})) as pages:
        text = pages.ome_metadata.replace('PhysicalSizeX="0.1"', f'PhysicalSizeX="{value}"')
        text = text.replace('TimeIncrement="3.0"', f'TimeIncrement="{value}"')
    series, _ = images_of(stored(data, photometric="minisblack", description=text.encode(), metadata=None))
    assert (series.axes, series.spacing) == ("T", (("Y", 0.2),))


@pytest.mark.parametrize(
    ("axes", "count", "channels", "expected"),
    [("Z", 1, 1, "ZYX"), ("TZ", 1, 2, "TZCYX"), ("TZ", 3, 1, "TZCYX"), ("T", 2, 3, "TZCYX"), ("", 2, 3, "TZCYX"),
     ("", 1, 1, "ZYX")],
)  # fmt: skip
def test_float_maps_of_frames(axes, count, channels, expected, rng):
    """One map has the axes of its series; maps of grey are channels; maps in colour lie along Z."""
    lengths = {"Z": (4,), "T": (4,), "TZ": (2, 2)}.get(axes, ())
    kind = {"imagej": True, "metadata": {"axes": axes + "YX"}} if axes else {"photometric": "minisblack", "metadata": None}
    series, _ = images_of(stored(np.zeros((*(lengths or (4,)), 7, 9), np.uint8), **kind))
    maps = rng.standard_normal((4, count, 7, 9, channels)).astype(np.float32)
    file = io.BytesIO()
    write_maps(file, iter(maps), MapStorage(TIFF, ["sobel-x", "blur", "edge"][:count], series))
    with pages_of(file) as pages:
        assert pages.series[0].get_axes() == expected
        assert_array_equal(pages.asarray().ravel(), np.moveaxis(maps, -1, 2).ravel())
        labels = pages.imagej_metadata.get("Labels", [])
        if count > 1 and channels == 1:
            assert labels[:4] == ["sobel-x", "blur", "edge", "sobel-x"]
        if channels == 3:
            assert labels[:7] == ["sobel-x R", "sobel-x G", "sobel-x B", "blur R", "blur G", "blur B", "sobel-x R"]


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "zstd"])
@pytest.mark.parametrize("count", [1, 3])
def test_maps_of_float64_are_stored_as_float32(count, compression, rng):
    """Of one frame and of several, compressed or not."""
    maps, file = rng.standard_normal((count, 2, 7, 9, 1)), io.BytesIO()
    write_maps(file, iter(maps), MapStorage(TIFF, ["a", "b"], Series(count), Encoding(compression=compression)))
    assert_array_equal(tifffile.imread(io.BytesIO(file.getvalue())).ravel(), maps.astype(np.float32).ravel())


def test_maps_in_colour_of_frames_along_z_have_too_many_axes(rng):
    """The error names two remedies."""
    series, _ = images_of(stored(np.zeros((4, 7, 9), np.uint8), imagej=True, metadata={"axes": "ZYX"}))
    maps = [rng.standard_normal((2, 7, 9, 3)).astype(np.float32)] * 4
    with pytest.raises(ConvcliError, match=r"2 maps of 3 channels, for frames along Z, .* write \.npz, .*\{kernel\}"):
        write_maps(io.BytesIO(), iter(maps), MapStorage(TIFF, ["a", "b"], series))


def test_only_directories_are_read_when_a_file_is_opened():
    """And each page when its frame is read: of 20,000 pages, one is decoded."""
    file, reads = stored(np.zeros((20000, 2, 2), np.uint8), photometric="minisblack", metadata=None), []

    class Counted(io.BytesIO):
        def read(self, size=-1):
            reads.append(size)
            return super().read(size)

    frames = open_frames(Counted(file.getvalue()))
    assert frames.series.count == 20000
    assert len(reads) < 2.1 * 20000
    reads.clear()
    frames.read(19999, lambda header: None)
    assert len(reads) < 200
