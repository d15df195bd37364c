"""XMP, IPTC and the PNG chunks that say what levels mean are carried over, as Pillow, exiftool and an XML parser read them."""

import io
import json
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import PIL.Image
import PIL.IptcImagePlugin
import pytest
import tifffile

from convcli.images.xmp import adjusted, is_adjustable

XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="6" exif:PixelXDimension = '1024' tiff:Make="a maker">
<tiff:ImageLength>768</tiff:ImageLength><exif:PixelYDimension> 768 </exif:PixelYDimension>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">\xc3\x84 title</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
NUMBERS = {"Orientation": "1", "PixelXDimension": "6", "PixelYDimension": "8", "ImageLength": "8"}
"""What an upright picture of 6 x 8 has instead."""

NAMES = ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"]
XML_PNG_KEY = b"XML:com.adobe.xmp\0\0\0\0\0"


def chunk(name, data):
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def chunks_of(path):
    """The chunks of a PNG by name."""
    data, position, chunks = path.read_bytes(), 8, {}
    while position < len(data):
        (size,) = struct.unpack_from(">I", data, position)
        content = data[position + 8 : position + 8 + size]
        assert struct.unpack_from(">I", data, position + 8 + size)[0] == zlib.crc32(data[position + 4 : position + 8 + size])
        chunks[data[position + 4 : position + 8]] = content
        position += size + 12
    return chunks


def picture_with(path, xmp=None, orientation=6, **options):
    """Write a picture of 8 x 6, which is turned, with XMP."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    picture = PIL.Image.linear_gradient("L").resize((8, 6)).convert("RGB")
    if path.suffix == ".png" and xmp:
        picture.save(path, exif=exif, **options)
        data = path.read_bytes()
        path.write_bytes(data[:33] + chunk(b"iTXt", XML_PNG_KEY + xmp) + data[33:])
    elif path.suffix == ".tif" and xmp:
        exif[700] = xmp
        picture.save(path, exif=exif, **options)
    else:
        picture.save(path, exif=exif, **({"xmp": xmp} if xmp else {}), **options)


def xmp_of(path):
    """The XMP that Pillow reads."""
    with PIL.Image.open(path) as picture:
        return picture.info.get("xmp")


def facts(xmp):
    """All names, attributes and texts of XMP, with local names."""

    def local(name):
        return name.rpartition("}")[2]

    root = ET.fromstring(xmp.decode().partition("?>")[2].rpartition("<?xpacket")[0])
    return [
        (local(node.tag), sorted((local(name), value) for name, value in node.items()), (node.text or "").strip())
        for node in root.iter()
    ]


def expected_facts():
    """The facts of XMP with the numbers of the new picture."""
    return [
        (tag, [(name, NUMBERS.get(name, value)) for name, value in items], NUMBERS.get(tag, text))
        for tag, items, text in facts(XMP)
    ]


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_xmp_is_carried_over_and_put_right(run, tmp_path, source, target):
    """From each format to each: all but four numbers is the same. exiftool reads the new ones."""
    (tmp_path / "in").mkdir()
    picture_with(tmp_path / "in" / source, XMP)
    out = tmp_path / target
    result = run("apply", tmp_path / "in" / source, "-k", "1", "-o", out)
    assert (result.status, "XMP" in result.err) == (0, False)
    assert facts(xmp_of(out)) == expected_facts()
    if shutil.which("exiftool") and (source, target) == ("a.jpg", "a.jpg"):
        options = ["-j", "-n", "-XMP-tiff:Orientation", "-XMP-exif:ExifImageWidth", "-XMP-dc:Title"]
        (tags,) = json.loads(subprocess.run(["exiftool", *options, out], capture_output=True, check=True).stdout)
        assert (tags["Orientation"], tags["ExifImageWidth"], tags["Title"]) == (1, 6, "Ä title")


def test_xmp_is_kept_in_place(run, tmp_path):
    """It is no loss any more."""
    for name in NAMES:
        picture_with(tmp_path / name, XMP)
        assert run("apply", tmp_path / name, "-k", "1", "--in-place", "-q").status == 0
        assert facts(xmp_of(tmp_path / name)) == expected_facts()


@pytest.mark.parametrize(
    "xmp",
    [
        XMP.replace(b'"6"', b'"top"'),
        XMP.replace(b"tiff:Orientation", b"t:Orientation").replace(
            b"xmlns:tiff", b'xmlns:t="http://ns.adobe.com/tiff/1.0/" xmlns:tiff'
        ),
        XMP.replace(b"<dc:title>", b"<xmpGImg:image/><dc:title>"),
        XMP.replace(b"<dc:title>", b"<mwg-rs:Regions/><dc:title>"),
        XMP.replace(b" 768 ", b"<a>768</a>"),
        XMP.decode().encode("utf-16"),
    ],
)
def test_xmp_that_cannot_be_put_right_is_dropped(run, tmp_path, xmp):
    """With a notice; in place it is an error."""
    assert not is_adjustable(xmp, is_turned=True)
    picture_with(tmp_path / "a.jpg", xmp)
    result = run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "b.jpg")
    assert (result.status, result.lines[0]) == (0, f"{tmp_path}/a.jpg: XMP not kept")
    assert xmp_of(tmp_path / "b.jpg") is None
    assert "would lose XMP in place" in run("apply", tmp_path / "a.jpg", "-k", "1", "--in-place").err


def test_regions_stay_where_the_picture_is_not_turned():
    """Their positions are relative; the names of other properties that begin alike do not matter."""
    xmp = XMP.replace(b"<dc:title>", b"<mwg-rs:Regions/><exif:PixelXDimensionOther/><dc:title>")
    assert is_adjustable(xmp, is_turned=False)
    assert adjusted(b"<tiff:Orientation>8</tiff:Orientation> x:tiff:Orientation='8'", 1, 1) == (
        b"<tiff:Orientation>1</tiff:Orientation> x:tiff:Orientation='8'"
    )


def test_xmp_that_is_too_long_for_jpeg_is_dropped(run, tmp_path):
    """A segment holds 64 kB."""
    for count, kept in ((64_000, True), (66_000, False)):
        picture_with(tmp_path / "a.png", XMP + b" " * count)
        result = run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.jpg")
        assert result.status == 0
        assert (f"{len(XMP) + count} bytes of XMP not kept in this jpeg" in result.err) != kept
        assert bool(xmp_of(tmp_path / "b.jpg")) == kept


def test_formats_without_xmp_report_it(run, tmp_path):
    """BMP holds none."""
    picture_with(tmp_path / "a.png", XMP)
    assert "XMP not kept in this bmp" in run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.bmp").err


COLOURS = {
    b"gAMA": struct.pack(">I", 100_000),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"cICP": bytes([9, 16, 0, 1]),
    b"sRGB": b"\1",
    b"pHYs": struct.pack(">IIB", 2, 1, 0),
}


def png_with(path, names, mode="RGB", **options):
    """Write a PNG of 8 x 6 with these chunks."""
    picture = PIL.Image.linear_gradient("L").resize((8, 6)).convert(mode)
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    data = file.getvalue()
    path.write_bytes(data[:33] + b"".join(chunk(name, COLOURS[name]) for name in names) + data[33:])


@pytest.mark.parametrize("mode", ["I;16", "RGBA"])
@pytest.mark.parametrize("names", [[name] for name in COLOURS] + [[b"sRGB", b"gAMA", b"cHRM"], [b"gAMA", b"cHRM", b"pHYs"]])
def test_chunks_about_levels_are_kept_in_png(run, tmp_path, mode, names):
    """To another file and in place, without a notice; they come before the pixels."""
    png_with(tmp_path / "a.png", names, mode)
    result = run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.png")
    assert (result.status, len(result.lines)) == (0, 1)
    assert run("apply", tmp_path / "a.png", "-k", "1", "--in-place", "-q").status == 0
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        chunks = chunks_of(path)
        assert {name: chunks.get(name) for name in COLOURS} == {
            name: COLOURS[name] if name in names else None for name in COLOURS
        }
        assert all(list(chunks).index(name) < list(chunks).index(b"IDAT") for name in names)
        with PIL.Image.open(path) as picture:
            picture.load()


def test_chunks_beside_a_profile_are_kept(run, tmp_path):
    """A decoder that knows no profile reads them; other formats lose nothing by them. A resolution is written with its unit."""
    png_with(tmp_path / "a.png", [b"gAMA", b"cHRM", b"cICP"], icc_profile=b"a profile", dpi=(300, 150))
    assert len(run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.png").lines) == 1
    chunks = chunks_of(tmp_path / "b.png")
    assert {b"gAMA", b"cHRM", b"cICP", b"iCCP"} <= set(chunks)
    assert struct.unpack(">IIB", chunks[b"pHYs"]) == (11811, 5906, 1)
    png_with(tmp_path / "c.png", [b"gAMA", b"cHRM"], icc_profile=b"a profile")
    assert len(run("apply", tmp_path / "c.png", "-k", "1", "-o", tmp_path / "c.jpg").lines) == 1


def test_the_shape_of_pixels_is_turned_with_the_picture(run, tmp_path):
    """The numbers of rows and columns change places."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    png_with(tmp_path / "a.png", [b"pHYs"], exif=exif)
    run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.png")
    assert struct.unpack(">IIB", chunks_of(tmp_path / "b.png")[b"pHYs"]) == (1, 2, 0)


@pytest.mark.parametrize(
    ("stride", "shape"), [("2x1", (3000, 1000)), ("1x2", (1500, 2000)), ("3x1", (9000, 2000)), ("2", (1500, 1000))]
)
def test_a_stride_changes_the_shape_of_pixels(run, tmp_path, stride, shape):
    """A stride of two rows halves the pixels of a unit along y; a third of 2000 is no whole number, so that x is tripled."""
    png_with(tmp_path / "a.png", [])
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"pHYs", struct.pack(">IIB", 3000, 2000, 0)) + data[33:])
    result = run("apply", tmp_path / "a.png", "-k", "1", "--stride", stride, "-o", tmp_path / "b.png")
    assert (result.status, len(result.lines)) == (0, 1)
    assert struct.unpack(">IIB", chunks_of(tmp_path / "b.png")[b"pHYs"]) == (*shape, 0)


def test_a_bmp_states_no_resolution_that_its_input_does_not(run, tmp_path):
    """BITMAPINFOHEADER has the pixels per metre at bytes 38 and 42, 0 for none; 300 per inch are 11,811."""
    for options, per_metre in (({}, 0), ({"dpi": (300, 300)}, 11811)):
        PIL.Image.new("RGB", (3, 2)).save(tmp_path / "a.png", **options)
        assert len(run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.bmp", "--overwrite").lines) == 1
        assert struct.unpack_from("<II", (tmp_path / "b.bmp").read_bytes(), 38) == (per_metre, per_metre)


def test_chunks_that_are_true_of_the_input_alone_are_left_out(run, tmp_path):
    """As the manual says, without a notice, also in place."""
    png_with(tmp_path / "a.png", [])
    data = (tmp_path / "a.png").read_bytes()
    own = chunk(b"sBIT", bytes([5, 6, 5])) + chunk(b"tIME", struct.pack(">H5B", 2020, 1, 2, 3, 4, 5))
    (tmp_path / "a.png").write_bytes(data[:33] + own + data[33:])
    result = run("apply", tmp_path / "a.png", "-k", "1", "--in-place")
    assert (result.status, len(result.lines)) == (0, 1)
    assert not {b"sBIT", b"tIME"} & set(chunks_of(tmp_path / "a.png"))
    assert "tIME (when the input was changed), sBIT" in run("help", "formats").out


def test_other_formats_report_the_chunks(run, tmp_path):
    """Each by its name; sRGB is what other formats mean."""
    png_with(tmp_path / "a.png", [b"gAMA", b"cICP"])
    line = run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.jpg").lines[0]
    assert line == f"{tmp_path}/a.png: its colour space and gamma not kept in this jpeg"
    png_with(tmp_path / "a.png", [b"gAMA", b"sRGB"])
    assert len(run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.jpg").lines) == 1


def resource(number, data):
    """A resource of Photoshop."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


IPTC = b"".join(b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(text)) + text
                for number, text in ((5, b"an object"), (25, b"a word"), (25, b"words"), (120, b"a caption!")))  # fmt: skip


def jpeg_with(path, *resources):
    """Write a JPEG with resources of Photoshop."""
    content = b"Photoshop 3.0\0" + b"".join(resources)
    PIL.Image.linear_gradient("L").resize((8, 6)).save(path, extra=b"\xff\xed" + struct.pack(">H", len(content) + 2) + content)


RESOLUTION, DIGEST, PATH = resource(0x03ED, bytes(16)), resource(0x0425, b"d" * 16), resource(0x07D0, b"a path")


@pytest.mark.parametrize(("others", "lost"), [([], ""), ([RESOLUTION], ""), ([DIGEST], ""), ([PATH], "Photoshop's data")])
def test_iptc_is_carried_from_jpeg_to_jpeg(run, tmp_path, others, lost):
    """Pillow and exiftool read it; its digest stays, its resolution is written anew, other data is reported."""
    jpeg_with(tmp_path / "a.jpg", resource(0x0404, IPTC), *others)
    result = run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "b.jpg")
    assert (result.status, result.lines[:-1]) == (0, [f"{tmp_path}/a.jpg: {lost} not kept"] if lost else [])
    with PIL.Image.open(tmp_path / "b.jpg") as picture:
        assert PIL.IptcImagePlugin.getiptcinfo(picture)[(2, 25)] == [b"a word", b"words"]
        assert picture.info["photoshop"][0x0404] == IPTC
        assert picture.info["photoshop"].get(0x0425) == (b"d" * 16 if b"d" * 16 in b"".join(others) else None)
    if shutil.which("exiftool") and not others:
        command = ["exiftool", "-j", "-IPTC:all", tmp_path / "b.jpg"]
        (tags,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        assert (tags["Keywords"], tags["Caption-Abstract"]) == (["a word", "words"], "a caption!")
    assert run("apply", tmp_path / "a.jpg", "-k", "1", "--in-place", "-q").status == bool(lost)
    assert "IPTC not kept in this png" in run("apply", tmp_path / "b.jpg", "-k", "1", "-o", tmp_path / "c.png").err


@pytest.mark.parametrize("junk", [b"\0\0", b"\0", b"\xff\0", b"\xff\xff", b"junk\xff\0\0"])
@pytest.mark.parametrize("marker", [b"\xff\xed", b"\xff\xdb", b"\xff\xda"])
def test_bytes_between_the_segments_of_a_jpeg_are_skipped(run, tmp_path, marker, junk):
    """As libjpeg does; what follows them is found, and is not after the end of the picture."""
    jpeg_with(tmp_path / "a.jpg", resource(0x0404, IPTC), PATH)
    data = (tmp_path / "a.jpg").read_bytes()
    at = data.index(marker)
    (tmp_path / "a.jpg").write_bytes(data[:at] + junk + data[at:])
    result = run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "b.jpg")
    assert (result.status, result.lines[:-1]) == (0, [f"{tmp_path}/a.jpg: Photoshop's data not kept"])
    with PIL.Image.open(tmp_path / "b.jpg") as picture:
        assert picture.info["photoshop"][0x0404] == IPTC


def test_iptc_of_tiff_is_carried_to_tiff(run, tmp_path):
    """It is a tag, copied with the others."""
    exif = PIL.Image.Exif()
    exif[33723] = IPTC
    PIL.Image.new("RGB", (8, 6)).save(tmp_path / "a.tif", exif=exif)
    assert len(run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif").lines) == 1
    with PIL.Image.open(tmp_path / "b.tif") as picture:
        assert picture.tag_v2[33723] == IPTC


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("tags", "lost"),
    [
        ({33723: (7, IPTC)}, ""),
        ({33723: (4, IPTC + bytes(-len(IPTC) % 4))}, ""),
        ({34377: (1, resource(0x0404, IPTC) + RESOLUTION)}, ""),
        ({33723: (7, IPTC), 34377: (7, PATH)}, "Photoshop's data"),
        ({34377: (7, resource(0x0404, IPTC) + b"8BIM junk")}, ""),
        ({33723: (7, b"junk"), 34377: (7, b"junk")}, "IPTC and Photoshop's data"),
    ],
)
def test_iptc_of_tiff_is_carried_to_jpeg(run, tmp_path, order, tags, lost):
    """From its tags to where JPEG has it; in other formats no program looks for it, and a notice says that it is not kept."""
    size = {1: 1, 4: 4, 7: 1}
    extratags = []
    for code, (kind, data) in tags.items():
        value = np.frombuffer(data, f"{order}u4") if kind == 4 else data
        extratags.append((code, kind, len(data) // size[kind], value, True))
    pixels = np.zeros((6, 8), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, extratags=extratags, byteorder=order, description="a word")
    notices = [f"{tmp_path}/a.tif: {lost} not kept in this jpeg"] if lost else []
    assert run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.jpg").lines[:-1] == notices
    with PIL.Image.open(tmp_path / "b.jpg") as picture:
        assert picture.info.get("photoshop", {}).get(0x0404) == (None if "IPTC" in lost else IPTC)
        assert (picture.getexif()[270], {33723, 34377} & {*picture.getexif()}) == ("a word", set())
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.png")
    assert (result.status, "IPTC" in result.lines[0], result.lines[0].endswith("not kept in this png")) == (0, True, True)
    with PIL.Image.open(tmp_path / "b.png") as picture:
        assert (picture.getexif()[270], {33723, 34377} & {*picture.getexif()}) == ("a word", set())


def test_the_first_of_two_descriptions_is_kept(run, tmp_path):
    """tifffile writes one of its own after that of the user."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((6, 8), np.uint8), description="hello")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages[0].tags.getall(270)) == 2
    assert len(run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif").lines) == 1
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert [tag.value for tag in file.pages[0].tags.getall(270)] == ["hello"]


def test_a_gain_map_that_is_lost_is_named(run, tmp_path):
    """The second picture of an Ultra HDR file, whose first has XMP about it."""
    first, second = (PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "grey"))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><hdrgm:a xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"/></x:xmpmeta>'
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second], xmp=xmp)
    lines = run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "b.jpg").lines
    assert f"{tmp_path}/a.jpg: its gain map, which makes it HDR, not kept" in lines
    first.save(tmp_path / "c.jpg", "MPO", save_all=True, append_images=[second])
    assert "gain map" not in run("apply", tmp_path / "c.jpg", "-k", "1", "-o", tmp_path / "b.jpg").err


def test_strip_leaves_none_of_them(run, tmp_path):
    """Without a notice."""
    jpeg_with(tmp_path / "a.jpg", resource(0x0404, IPTC), resource(0x07D0, b"a path"))
    png_with(tmp_path / "a.png", list(COLOURS))
    picture_with(tmp_path / "b.jpg", XMP)
    for name in ("a.jpg", "a.png", "b.jpg"):
        out = tmp_path / "out" / name
        assert len(run("apply", tmp_path / name, "-k", "1", "--strip", "-o", out).lines) == 1
        data = out.read_bytes()
        assert not [text for text in (b"Photoshop", b"a caption", b"xmpmeta", *COLOURS) if text in data]


GIF_XMP = b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>%s</x:xmpmeta>"
XMP_END = bytes([1, *range(255, -1, -1), 0])
"""The trailer that the XMP Specification, part 3, 1.1.2, asks for in GIF."""


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("length", [0, 40, 700])
def test_xmp_of_gif_is_kept(run, tmp_path, frames, length):
    """In GIF and in PNG; Pillow, which reads it as blocks, finds the frames behind it."""
    pictures = [PIL.Image.new("RGB", (9, 7), (80 * index, 0, 0)) for index in range(frames)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    xmp, data = GIF_XMP % (b"x" * length), (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:-1] + b"!\xff\x0bXMP DataXMP" + xmp + XMP_END + b";")
    for name in ("b.gif", "b.png"):
        result = run("apply", tmp_path / "a.gif", "-k", "1", "-o", tmp_path / name)
        assert (result.status, len(result.lines)) == (0, 1)
        with PIL.Image.open(tmp_path / name) as picture:
            assert picture.n_frames == frames
        assert xmp in (tmp_path / name).read_bytes()
    assert xmp + XMP_END in (tmp_path / "b.gif").read_bytes()


def test_xmp_of_gif_without_its_end_is_told(run, tmp_path):
    """Its bytes cannot be told from blocks."""
    PIL.Image.new("RGB", (9, 7)).save(tmp_path / "a.gif")
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:-1] + b"!\xff\x0bXMP DataXMP\x05<xmp>\0;")
    result = run("apply", tmp_path / "a.gif", "-k", "1", "-o", tmp_path / "b.gif")
    assert (result.status, "XMP not kept" in result.err) == (0, True)


def test_what_arrays_do_not_hold_is_told(run, tmp_path):
    """Of a picture, and of an animation."""
    PIL.Image.new("RGB", (9, 7)).save(tmp_path / "a.jpg", dpi=(300, 300), comment=b"a comment")
    result = run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "a.npy")
    assert result.lines[0] == f"{tmp_path}/a.jpg: resolution and comment not written: a stack holds only the feature maps"
    assert len(run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "b.npy", "--strip").lines) == 1
    png_with(tmp_path / "a.png", [b"cICP", b"pHYs"], dpi=None)
    result = run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "c.npy")
    words = "its colour space and the shape of its pixels not written: a stack holds only the feature maps"
    assert result.lines[0] == f"{tmp_path}/a.png: {words}"
    frames = [PIL.Image.new("RGB", (9, 7), (80 * index, 0, 0)) for index in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50, loop=0)
    result = run("apply", tmp_path / "a.gif", "-k", "1", "-o", tmp_path / "a.npz")
    assert result.lines[0] == f"{tmp_path}/a.gif: durations not kept in this npz"
