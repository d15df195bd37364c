"""BigTIFF, whose directories differ from those of EXIF (https://www.awaresystems.be/imaging/tiff/bigtiff.html)."""

import io
import struct

import numpy as np
import piexif
import PIL.Image
import PIL.ImageCms
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.images.exif_block import MAX_VALUE_BYTES, PREFIX, BrokenExif
from convcli.images.exif_tiff import exif_of_tiff
from convcli.images.read import read_image

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8, SLONG8, IFD8 = 2, 3, 4, 5, 7, 16, 17, 18
MAKER, EXIF, GPS, INTEROPERABILITY, MAKER_NOTE, OWN = 271, 34665, 34853, 40965, 37500, 65000
SCALE, TIEPOINT, KEYS, NODATA = 33550, 33922, 34735, 42113
ICC = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def map_tags(x):
    """The tags of GeoTIFF and GDAL: pixels of 30 x 20, whose first has this x."""
    place = [(SCALE, 12, 3, (30.0, 20.0, 0.0), True), (TIEPOINT, 12, 6, (0.0, 0.0, 0.0, x, 4e6, 0.0), True)]
    return [*place, (KEYS, SHORT, 8, (1, 1, 0, 1, 1025, 0, 1, 1), True), (NODATA, ASCII, 0, "7", True)]


def tags_of(path):
    """All tags of each page but Software, which names the input, and the positions of pixels."""
    with tifffile.TiffFile(path) as file:
        pages = [{tag.code: tag.value for tag in page.aspage().tags} for page in file.pages]
        assert not file.is_bigtiff
    return [{code: value for code, value in tags.items() if code not in (305, 273)} for tags in pages]


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_output_keeps_what_one_of_classic_tiff_keeps(run, tmp_path, rng, order):
    """Both are written by tifffile, with the same tags; read back by tifffile and Pillow."""
    levels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    own = [(MAKER, ASCII, 0, "maker", True), (OWN, SHORT, 5, (1, 2, 3, 4, 5), True), (700, 1, len(XMP), XMP, True)]
    options = {"photometric": "rgb", "description": "a text", "software": "a program", "iccprofile": ICC, "metadata": None}
    options |= {"resolution": (300, 150), "resolutionunit": "inch", "extratags": [*own, *map_tags(5e5)]}
    for name, is_big in (("big", True), ("classic", False)):
        tifffile.imwrite(tmp_path / f"{name}.tif", levels, byteorder=order, bigtiff=is_big, **options)
        for suffix in ("tif", "png", "jpg"):
            result = run("apply", tmp_path / f"{name}.tif", "-k", "1", "-o", tmp_path / f"of-{name}.{suffix}")
            assert (result.status, "not kept" in result.err) == (0, False), result.err
    (tags,) = tags_of(tmp_path / "of-big.tif")
    assert [tags] == tags_of(tmp_path / "of-classic.tif")
    assert (tags[270], tags[MAKER], tags[OWN], tags[700], tags[34675]) == ("a text", "maker", (1, 2, 3, 4, 5), XMP, ICC)
    assert (tags[282], tags[283], tags[TIEPOINT][3], tags[NODATA]) == ((300, 1), (150, 1), 5e5, "7")
    for suffix in ("png", "jpg"):
        with PIL.Image.open(tmp_path / f"of-big.{suffix}") as big, PIL.Image.open(tmp_path / f"of-classic.{suffix}") as classic:
            exif, expected = dict(big.getexif()), dict(classic.getexif())
            assert exif.pop(305).startswith("a program; ")
            expected.pop(305)
            assert exif == expected
            assert (exif[270], exif[MAKER], exif[OWN]) == ("a text", "maker", (1, 2, 3, 4, 5))
            assert (big.info["icc_profile"], big.info["xmp"]) == (ICC, XMP)
            assert big.info["dpi"] == pytest.approx((300, 150), rel=1e-3)


def test_each_page_keeps_its_own_place(run, tmp_path, rng):
    """Pages of BigTIFF that lie at different places of a map; in place too."""
    levels = rng.integers(0, 256, (2, 8, 9), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=True) as writer:
        for x, page in zip((5e5, 6e5), levels, strict=True):
            writer.write(page, photometric="minisblack", metadata=None, extratags=map_tags(x))
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--in-place")
    assert result.status == 0, result.err
    assert [tags[TIEPOINT][3] for tags in tags_of(tmp_path / "a.tif")] == [5e5, 6e5]
    assert_array_equal(tifffile.imread(tmp_path / "a.tif", key=range(2)), levels)


def directory(entries, order, begin):
    """A directory of BigTIFF at a position: count, tag, type, number of values, values; then the values of more than 8 bytes.

    A value is its type and its bytes, and a position where its type has eight bytes.
    """
    sizes = {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1, LONG8: 8, SLONG8: 8, IFD8: 8}
    packed, values = struct.pack(f"{order}Q", len(entries)), b""
    end = begin + 8 + 20 * len(entries) + 8
    for tag, (kind, data) in sorted(entries.items()):
        packed += struct.pack(f"{order}HHQ", tag, kind, len(data) // sizes[kind])
        packed += data.ljust(8, b"\0") if len(data) <= 8 else struct.pack(f"{order}Q", end + len(values))
        values += data if len(data) > 8 else b""
    return packed + bytes(8) + values


def big_tiff(order="<", *, tags=None, exif=None, gps=None, inner=None, kinds=(LONG8, IFD8, LONG8)):
    """A grey picture of 4 x 3 with directories of EXIF, GPS and interoperability, at 1000, 2000 and 3000."""
    pixels = {256: 4, 257: 3, 258: 8, 259: 1, 262: 1, 277: 1, 278: 3}
    first = {tag: (SHORT, struct.pack(f"{order}H", value)) for tag, value in pixels.items()}
    numbers = {273: 4000, 279: 12} | ({EXIF: 1000} if exif else {}) | ({GPS: 2000} if gps else {})
    types = {273: LONG8, 279: LONG8, EXIF: kinds[0], GPS: kinds[1]}

    def number(value, kind):
        return kind, struct.pack(f"{order}{'I' if kind == LONG else 'Q'}", value)

    first |= {tag: number(value, types[tag]) for tag, value in numbers.items()} | (tags or {})
    exif = (exif or {}) | ({INTEROPERABILITY: number(3000, kinds[2])} if inner else {})
    file = io.BytesIO()
    file.write({"<": b"II+\0", ">": b"MM\0+"}[order] + struct.pack(f"{order}HHQ", 8, 0, 16))
    for begin, entries in ((16, first), (1000, exif), (2000, gps), (3000, inner)):
        file.seek(begin)
        file.write(directory(entries, order, begin) if entries else b"")
    file.seek(4000)
    file.write(bytes(range(12)))
    return file.getvalue()


@pytest.mark.parametrize("kinds", [(LONG8, IFD8, LONG8), (LONG, LONG, LONG)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_of_exif_are_kept(run, tmp_path, order, kinds):
    """As piexif reads them; integers of 64 bits that fit become those of 32, as EXIF has no others."""
    exposure, latitude = ((1, 250), ((12, 1), (34, 1), (56, 1)))
    data = big_tiff(
        order,
        tags={MAKER: (ASCII, b"maker\0"), OWN: (LONG8, struct.pack(f"{order}2Q", 1, 1 << 31))},
        exif={33434: (RATIONAL, struct.pack(f"{order}2I", *exposure)), 36864: (UNDEFINED, b"0231")},
        gps={1: (ASCII, b"N\0"), 2: (RATIONAL, struct.pack(f"{order}6I", *np.ravel(latitude)))},
        inner={1: (ASCII, b"R98\0"), 4096: (ASCII, b"a text of more than eight bytes\0")},
        kinds=kinds,
    )
    (tmp_path / "a.tif").write_bytes(data)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.jpg")
    assert (result.status, "kept" in result.err) == (0, False), result.err
    tags = piexif.load(str(tmp_path / "b.jpg"))
    assert (tags["0th"][MAKER], tags["Exif"][33434], tags["Exif"][36864]) == (b"maker", exposure, b"0231")
    assert (tags["GPS"], tags["Interop"][1]) == ({1: b"N", 2: latitude}, b"R98")
    assert run("apply", tmp_path / "a.tif", "-k", "1", "--in-place").status == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        written = file.pages[0].tags
        assert (written[OWN].dtype, written[OWN].value, file.is_bigtiff) == (LONG, (1, 1 << 31), False)
        assert_array_equal(file.asarray(), np.arange(12).reshape(3, 4))


def test_integers_that_need_64_bits_stay():
    """A negative number fits into 32 bits, 2 ** 32 does not."""
    tags = {OWN: (SLONG8, struct.pack("<q", -5)), OWN + 1: (LONG8, struct.pack("<Q", 1 << 32))}
    block, moved = exif_of_tiff(io.BytesIO(big_tiff(tags=tags)), set())
    with tifffile.TiffFile(io.BytesIO(block.removeprefix(PREFIX))) as file:
        read = {tag.code: (tag.dtype, tag.value) for tag in file.pages.first.tags}
    assert (read, moved) == ({OWN: (9, -5), OWN + 1: (LONG8, 1 << 32)}, False)


def test_a_directory_beyond_4_gb_is_kept(tmp_path):
    """Its position becomes one of 32 bits. The file has a hole of 5 GB."""
    data = bytearray(big_tiff(exif={36864: (UNDEFINED, b"0231")}, inner={1: (ASCII, b"R98\0")}))
    place, inner = data.index(struct.pack("<HHQQ", INTEROPERABILITY, LONG8, 1, 3000)) + 12, data[3000:4000]
    struct.pack_into("<Q", data, place, 5 << 30)
    with (tmp_path / "a.tif").open("wb+") as file:
        file.write(data)
        file.seek(5 << 30)
        file.write(inner)
        block, _ = exif_of_tiff(file, set())
    assert piexif.load(block)["Interop"] == {1: b"R98"}


def test_a_maker_note_moves(run, tmp_path):
    """A notice reports it; in place it is refused."""
    (tmp_path / "a.tif").write_bytes(big_tiff(exif={MAKER_NOTE: (UNDEFINED, b"a note of a maker")}))
    result = run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.jpg")
    assert (result.status, "the maker note of its EXIF moves" in result.err) == (0, True), result.err
    assert piexif.load(str(tmp_path / "b.jpg"))["Exif"][MAKER_NOTE] == b"a note of a maker"
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--in-place")
    assert (result.status, "would lose the position of its maker note in place" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("place", "number", "reason"),
    [
        (1000, 1 << 63, "has a directory of more than 65535 entries"),
        (1000, 65_535, "ends before its values do"),
        (1012, 1 << 62, "ends before its values do"),
        (1020, (1 << 63) - 1, "ends before its values do"),
        (1020, (1 << 64) - 1, "ends before its values do"),
    ],
    ids=["entries", "fewer entries", "values", "position", "highest position"],
)
def test_a_damaged_directory_is_reported(place, number, reason):
    """One line, without much memory: the number of entries, then the number of values and the position of the first entry."""
    data = bytearray(big_tiff(exif={33434: (RATIONAL, bytes(16))}))
    struct.pack_into("<Q", data, place, number)
    image = read_image(None, io.BytesIO(bytes(data)))
    assert image.notices == (f"EXIF is broken and not kept: it {reason}",)
    assert_array_equal(image.pixels[:, :, 0], np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("is_big", [True, False])
def test_values_that_lie_upon_each_other_take_no_memory(is_big):
    """Three entries of the same 12 MB, which would become 36 MB."""
    size = MAX_VALUE_BYTES * 3 // 8
    codes, start = (("Q", "Q"), b"II+\0\x08\0\0\0") if is_big else (("H", "I"), b"II*\0")
    entries = b"".join(struct.pack(f"<HH2{codes[1]}", tag, UNDEFINED, size, 200) for tag in (OWN, OWN + 1, OWN + 2))
    header = start + struct.pack(f"<{codes[1]}", 16) if is_big else start + struct.pack("<I", 16) + bytes(8)
    file = io.BytesIO((header + struct.pack(f"<{codes[0]}", 3) + entries).ljust(200, b"\0") + bytes(size))
    with pytest.raises(BrokenExif, match="ends before its values do"):
        exif_of_tiff(file, set())
