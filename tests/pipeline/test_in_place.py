"""--in-place: a loss is an error before anything is written; owner, permissions and attributes of the file are kept."""

import io
import os
import stat
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.testing import assert_array_equal


@pytest.fixture
def frame(rng):
    """A function that makes pictures of noise."""
    return lambda: PIL.Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))


def chunk(kind, data):
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_segment(data, marker, content):
    """Add a segment to a JPEG."""
    return data[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def encoded(picture, form, **options):
    """Encode a picture."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def encoded_tiff(pixels, **options):
    """Encode an array as TIFF."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def with_chunk(frame, *parts):
    """A PNG with additional chunks: name, data, name, data."""
    data = encoded(frame(), "PNG")
    return data[:33] + b"".join(map(chunk, parts[::2], parts[1::2])) + data[33:]


def with_riff(data, name, content):
    """Add a chunk to a WebP."""
    body = data[8:] + struct.pack("<4sI", name, len(content)) + content
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_with_profile(picture):
    """A BMP of version 5, whose colour profile is stored after the pixels."""
    data = encoded(picture, "BMP")
    pixels, profile = data[54:], b"a profile"
    header = struct.pack("<IiiHHIIiiII", 124, *picture.size, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    header += bytes(16) + b"DEBM" + bytes(48) + struct.pack("<III", 124 + len(pixels), len(profile), 0)
    size = 14 + len(header) + len(pixels) + len(profile)
    return struct.pack("<2sIHHI", b"BM", size, 0, 0, 14 + len(header)) + header + pixels + profile


def between_scans(picture, segment):
    """A progressive JPEG with a segment between two of its scans."""
    data = encoded(picture, "JPEG", progressive=True)
    offset = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    return data[:offset] + segment + data[offset:]


def with_tag(frame, tag, dtype=np.uint8):
    """A TIFF with an additional tag."""
    grey = np.array(frame())[..., 0].astype(dtype)
    return encoded_tiff(grey, photometric="minisblack", metadata=None, software=False, extratags=[tag])


def three_greys(frame):
    """Three grey pictures."""
    return np.stack([np.array(frame())[..., 0] for _ in range(3)])


GAIN_MAP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/' hdrgm:Version=\"1.0\"></x:xmpmeta>"
LOSSES = {
    "five.tif": (lambda f: encoded_tiff(np.dstack([f(), f()])[..., :5], photometric="rgb"), "2 further channels"),
    "deep.tif": (
        lambda f: encoded_tiff(np.dstack([f(), f()])[..., :5].astype(np.uint16), photometric="rgb"),
        "2 further channels",
    ),
    "mpo.jpg": (lambda f: encoded(f(), "MPO", save_all=True, append_images=[f()]), "1 further frame"),
    "ultra.jpg": (
        lambda f: with_segment(encoded(f(), "MPO", save_all=True, append_images=[f()]), 0xE1, GAIN_MAP),
        "XMP and 1 further frame",
    ),
    "index.jpg": (
        lambda f: with_segment(encoded(f(), "JPEG"), 0xE2, b"MPF\0broken") + encoded(f(), "JPEG"),
        "further pictures after it, such as a gain map",
    ),
    "xmp.jpg": (lambda f: encoded(f(), "JPEG", xmp=b"<x:xmpmeta xmpNote:HasExtendedXMP='a'/>"), "XMP"),
    "comments.jpg": (lambda f: with_segment(encoded(f(), "JPEG", comment=b"a"), 0xFE, b"b"), "all comments but the last"),
    "iptc.jpg": (lambda f: with_segment(encoded(f(), "JPEG"), 0xED, b"Photoshop 3.0\0rest"), "Photoshop's and IPTC's data"),
    "other.jpg": (lambda f: with_segment(encoded(f(), "JPEG"), 0xE5, b"something"), "its segment APP5"),
    "ink.jpg": (lambda f: encoded(f().convert("CMYK"), "JPEG"), "its CMYK colour"),
    "gamma.png": (lambda f: with_chunk(f, b"gAMA", b"short"), "its chunk gAMA"),
    "behind.png": (lambda f: with_chunk(f, b"bKGD", bytes(6)), "its background colour"),
    "where.png": (lambda f: with_chunk(f, b"oFFs", struct.pack(">iiB", 5, 5, 0)), "its chunk oFFs"),
    "own.png": (lambda f: with_chunk(f, b"prVt", b"abc"), "its chunk prVt"),
    "texts.png": (lambda f: with_chunk(f, b"tEXt", b"Author\0a", b"tEXt", b"Author\0b"), "all texts Author but the last"),
    "xmp.png": (lambda f: with_chunk(f, b"tEXt", b"Raw profile type xmp\0\nxmp\n 4\n3c782f3e\n"), "XMP"),
    "longer.png": (lambda f: encoded(f(), "PNG") + b"and more", "8 bytes after its end"),
    "xmp.webp": (lambda f: encoded(f(), "WEBP", xmp="<x:xmpmeta/>".encode("utf-16")), "XMP"),
    "longer.webp": (lambda f: encoded(f(), "WEBP") + b"and more", "8 bytes after its end"),
    "own.webp": (lambda f: with_riff(encoded(f(), "WEBP"), b"prVt", b"abcd"), "its chunk prVt"),
    "profile.bmp": (lambda f: bmp_with_profile(f()), "its colour profile"),
    "longer.bmp": (lambda f: encoded(f(), "BMP") + b"and more", "8 bytes after its end"),
    "roi.tif": (
        lambda f: encoded_tiff(three_greys(f)[0], imagej=True, metadata={"ROI": b"Iout" + bytes(60)}),
        "ImageJ's properties",
    ),
    "invalid.png": (lambda f: with_chunk(f, b"iTXt", b"Author\0\0\0\0\0\xff\xfe"), "its text Author"),
    "damaged.png": (lambda f: with_chunk(f, b"iCCP", b"name\0\0no deflate"), "its colour profile, which is damaged"),
    "half.jpg": (
        lambda f: with_segment(encoded(f(), "JPEG"), 0xE2, b"ICC_PROFILE\0\1\2part"),
        "its colour profile, which is damaged",
    ),
    "between.jpg": (lambda f: between_scans(f(), b"\xff\xe5\0\x06\xff\xd9\0\0"), "its segment APP5"),
    "xmp.avif": (lambda f: encoded(f(), "AVIF", xmp=b"<x:xmpmeta hdrgm:Version='1.0'/>"), "XMP"),
    "longer.avif": (lambda f: encoded(f(), "AVIF") + b"and more", "8 bytes after its end"),
    "own.avif": (lambda f: encoded(f(), "AVIF") + b"\0\0\0\x0cprVtabcd", "its box prVt"),
    "space.avif": (
        lambda f: encoded(f(), "AVIF").replace(b"nclx\0\x01\0\x0d", b"nclx\0\x09\0\x10"),  # BT.2020 and PQ
        "its colour space",
    ),
    "motion.jpg": (lambda f: encoded(f(), "JPEG") + b"\0\0\0\x18ftypmp42" + bytes(50), "62 bytes after its end"),
    "twice.jpg": (lambda f: 2 * encoded(f(), "JPEG", progressive=True), "bytes after its end"),
    "wide.jpg": (lambda f: (d := encoded(f(), "JPEG"))[:13] + struct.pack(">BHH", 0, 2, 1) + d[18:], "the shape of its pixels"),
    "comments.ppm": (lambda f: b"P6\n# a word\n2 1\n255\n" + bytes(6), "its comments"),
    "longer.ppm": (lambda f: encoded(f(), "PPM") + encoded(f(), "PPM"), "1453 bytes after its end"),
    "density.tif": (
        lambda f: encoded_tiff(three_greys(f)[0], imagej=True, metadata={"unit": "um", "vunit": "OD"}, resolution=(5, 5)),
        "ImageJ's calibration of levels and frames",
    ),
    "info.tif": (lambda f: encoded_tiff(three_greys(f)[0], imagej=True, metadata={"Info": "mine"}), "ImageJ's properties"),
    "layers.tif": (lambda f: with_tag(f, (37724, 7, None, b"8BIM", True)), "Photoshop's layers"),
    "xmp.tif": (lambda f: with_tag(f, (700, 1, None, b"<x:xmpmeta hdrgm:Version='1.0'/>", True)), "XMP"),
    "whole.tif": (lambda f: with_tag(f, (284, 3, 1, 1, True), np.int32), "what 32 bits cannot hold"),
    "fine.tif": (lambda f: with_tag(f, (284, 3, 1, 1, True), np.float64), "what 32 bits cannot hold"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_refused(run, tmp_path, frame, name):
    """One line and status 1; the file stays as it is, and the other inputs are processed. With -o a notice reports it."""
    make, message = LOSSES[name]
    path, other = tmp_path / name, tmp_path / "plain.png"
    path.write_bytes(make(frame))
    frame().save(other)
    before = path.read_bytes(), path.stat().st_mtime_ns, other.read_bytes()
    result = run("apply", path, other, "-k", "blur", "--in-place", "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    assert result.err.startswith(f"Error: {path}: would lose ")
    assert message in result.err
    assert result.err.endswith(" in place; write another file, with -o\n")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before[:2]
    assert other.read_bytes() != before[2]
    copy = run("apply", path, "-k", "blur", "-o", tmp_path / "out.tif")
    assert copy.status == 0
    assert f"{path}: " in copy.err


STACKS = {
    "pages.tif": lambda f: encoded(f(), "TIFF", save_all=True, append_images=[f()]),
    "imagej.tif": lambda f: encoded_tiff(np.array(f())[..., 0][None].repeat(5, 0), imagej=True, metadata={"axes": "ZYX"}),
    "a.ome.tif": lambda f: encoded_tiff(np.uint16(three_greys(f)), ome=True, metadata={"axes": "TYX"}),
    "shaped.tif": lambda f: encoded_tiff(three_greys(f), photometric="minisblack", truncate=True),
    "shaped16.tif": lambda f: encoded_tiff(np.uint16(three_greys(f)), photometric="minisblack", truncate=True),
    "cut.tif": lambda f: encoded_tiff(three_greys(f), imagej=True, truncate=True, metadata={"axes": "ZYX"}),
    "volume.tif": lambda f: encoded_tiff(np.zeros((16, 32, 32), "u1"), volumetric=True, tile=(16, 16, 16)),
}
"""TIFF files of several frames."""


@pytest.mark.parametrize("name", STACKS)
def test_all_frames_of_tiff_are_kept(run, tmp_path, frame, name):
    """A stack is replaced by the stack of its maps."""
    path = tmp_path / name
    path.write_bytes(STACKS[name](frame))
    before = tifffile.imread(path)
    result = run("apply", path, "-k", "1", "--in-place")
    assert result.status == 0, result.err
    assert f"{before.shape[0]} frames" in result.err
    assert_array_equal(tifffile.imread(path), before)


def test_a_frame_of_several_is_refused(run, tmp_path, frame):
    """With --frames, the others would be lost."""
    path = tmp_path / "a.tif"
    path.write_bytes(STACKS["imagej.tif"](frame))
    result = run("apply", path, "-k", "blur", "--in-place", "--frames", "1:3")
    assert (result.status, "would lose 3 of its frames in place" in result.err) == (1, True)


def test_tags_of_bigtiff_are_kept(run, tmp_path, frame):
    """The output is TIFF, with the same description."""
    path, levels = tmp_path / "a.tif", np.array(frame())
    path.write_bytes(encoded_tiff(levels, bigtiff=True, photometric="rgb", metadata=None, description="of mine"))
    result = run("apply", path, "-k", "1", "--in-place")
    assert result.status == 0, result.err
    with tifffile.TiffFile(path) as file:
        assert (file.is_bigtiff, file.pages.first.description) == (False, "of mine")
        assert_array_equal(file.asarray(), levels)


@pytest.mark.parametrize("form", ["png", "jpg", "tif", "webp", "avif", "bmp"])
def test_metadata_is_kept_in_place(run, tmp_path, frame, form):
    """EXIF, profile, comment and alpha are kept where the format stores them."""
    exif = PIL.Image.Exif()
    exif[271], exif[274] = "maker", 6
    picture = frame()
    if form in ("png", "tif", "webp", "avif"):
        picture.putalpha(picture.convert("L"))
    options = {} if form == "bmp" else {"exif": exif, "icc_profile": b"a profile"}
    options |= {"comment": b"a word"} if form == "jpg" else {}
    picture.save(tmp_path / f"a.{form}", **options)
    assert run("apply", tmp_path / f"a.{form}", "-k", "1", "--in-place", "-q").status == 0
    with PIL.Image.open(tmp_path / f"a.{form}") as after:
        assert after.size == ((24, 20) if form == "bmp" else (20, 24))
        assert after.mode == picture.mode
        if form != "bmp":
            assert after.info["icc_profile"] == b"a profile"
            assert after.getexif()[271] == "maker"
        assert after.info.get("comment") == options.get("comment")


@pytest.mark.parametrize("padding", [b"\0\0\0", b"\xff\xff\n"])
def test_padding_after_a_jpeg_is_no_loss(run, tmp_path, frame, padding):
    """Cameras write padding after the end."""
    (tmp_path / "a.jpg").write_bytes(encoded(frame(), "JPEG") + padding)
    assert run("apply", tmp_path / "a.jpg", "-k", "1", "--in-place", "-q").status == 0


def test_an_srgb_chunk_is_no_loss(run, tmp_path, frame):
    """sRGB is the default of every reader, and the gamma beside it follows from it."""
    data = encoded(frame(), "PNG")
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 45455)) + data[33:])
    assert run("apply", tmp_path / "a.png", "-k", "1", "--in-place", "-q").status == 0


@pytest.mark.skipif(not hasattr(os, "chown") or os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("options", [["--in-place"], ["-o", "a.png"]])
def test_owner_and_group_are_kept(run, tmp_path, frame, monkeypatch, options):
    """When root replaces a file, in place or as an output, its owner and group are kept."""
    monkeypatch.chdir(tmp_path)
    frame().save("a.png")
    frame().save("b.png")
    os.chown("a.png", 1234, 2345)
    os.chmod("a.png", 0o2640)  # noqa: PTH101
    source = "a.png" if options == ["--in-place"] else "b.png"
    before = (tmp_path / "a.png").read_bytes()
    assert run("apply", source, "-k", "blur", *options, "-q").status == 0
    after = (tmp_path / "a.png").stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (1234, 2345, 0o2640)
    assert (tmp_path / "a.png").read_bytes() != before


@pytest.mark.parametrize("options", [["--in-place"], ["-o", "a.png"]])
def test_extended_attributes_are_kept(run, tmp_path, frame, monkeypatch, options):
    """Attributes of the user namespace are kept."""
    monkeypatch.chdir(tmp_path)
    frame().save("a.png")
    frame().save("b.png")
    try:
        os.setxattr("a.png", "user.comment", b"kept")
    except (OSError, AttributeError):
        pytest.skip("this file system has no extended attributes")
    assert run("apply", "a.png" if options == ["--in-place"] else "b.png", "-k", "blur", *options, "-q").status == 0
    assert os.getxattr("a.png", "user.comment") == b"kept"


@pytest.mark.skipif(not hasattr(os, "chown") or os.geteuid() != 0, reason="only root may give files away")
def test_a_file_whose_owner_cannot_be_kept_is_not_replaced(run, tmp_path, frame, monkeypatch):
    """A file whose owner cannot be kept is not replaced."""
    frame().save(tmp_path / "a.png")
    os.chown(tmp_path / "a.png", 1234, 2345)
    before = (tmp_path / "a.png").read_bytes()

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)
    result = run("apply", tmp_path / "a.png", "-k", "blur", "--in-place", "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "cannot be written: it belongs to user 1234 and group 2345, and the new file could not" in result.err
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("options", "lost"),
    [(["--depth", "float"], "alpha"), (["--range", "0..255"], "its real numbers")],
)
def test_losses_by_the_depth_or_range_are_refused(run, tmp_path, frame, options, lost):
    """Alpha cannot be kept with floats, nor float samples as levels."""
    data = {
        "alpha": lambda: encoded(frame().convert("RGBA"), "TIFF"),
        "its real numbers": lambda: with_tag(frame, (284, 3, 1, 1, True), np.float32),
    }[lost]()
    (tmp_path / "a.tif").write_bytes(data)
    result = run("apply", tmp_path / "a.tif", "-k", "1", "--in-place", "-q", *options)
    assert (result.status, f"would lose {lost} in place" in result.err) == (1, True)
    assert (tmp_path / "a.tif").read_bytes() == data


def test_tags_are_kept_when_levels_become_floats(run, tmp_path, frame):
    """One map in TIFF has the metadata of its picture."""
    (tmp_path / "a.tif").write_bytes(with_tag(frame, (315, 2, None, "me", True)))
    assert run("apply", tmp_path / "a.tif", "-k", "1", "--in-place", "-q", "--depth", "float").status == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (file.pages[0].tags[315].value, file.pages[0].dtype) == ("me", np.float32)


def test_float_samples_can_be_filtered_in_place(run, tmp_path, frame):
    """They can be filtered repeatedly: the provenance mark of convcli is no loss."""
    (tmp_path / "a.tif").write_bytes(with_tag(frame, (284, 3, 1, 1, True), np.float32))
    before = tifffile.imread(tmp_path / "a.tif")
    for _ in range(2):
        assert run("apply", tmp_path / "a.tif", "-k", "2", "--in-place", "-q").status == 0
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), 4 * before)


@pytest.mark.parametrize("name", ["a.png", "link.png"])
def test_a_file_on_standard_input_is_not_overwritten(shell, tmp_path, frame, name):
    """A file on standard input is not overwritten by its output. With a pipe the file is not known."""
    frame().save(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to("a.png")
    before = (tmp_path / "a.png").read_bytes()
    with (tmp_path / "a.png").open("rb") as file:
        result = shell("apply", "-", "-k", "blur", "-o", tmp_path / name, "--overwrite", stdin=file)
    assert (result.returncode, b"the output is an input" in result.stderr) == (2, True)
    assert (tmp_path / "a.png").read_bytes() == before
    piped = shell("apply", "-", "-k", "blur", "-o", tmp_path / name, "--overwrite", "-q", input=before)
    assert (piped.returncode, piped.stderr) == (0, b"")


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_private_file_is_private_while_it_is_written(run, tmp_path, frame, monkeypatch):
    """The temporary file beside it has mode 600."""
    from convcli.images import atomic_write

    statuses = []
    keep = atomic_write._keep_attributes
    monkeypatch.setattr(
        atomic_write, "_keep_attributes", lambda target, temporary: statuses.append(temporary.stat()) or keep(target, temporary)
    )
    frame().save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0o604)
    assert run("apply", tmp_path / "a.png", "-k", "blur", "--in-place", "-q").status == 0
    assert [stat.S_IMODE(status.st_mode) for status in statuses] == [0o600]
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o604


def test_a_file_gets_no_access_list_from_its_folder(run, tmp_path, frame):
    """A file without an access list gets none from its folder's default."""
    access_list = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, bits, user)
        for tag, bits, user in [(1, 6, 2**32 - 1), (2, 6, 1), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1), (32, 4, 2**32 - 1)]
    )
    frame().save(tmp_path / "a.png")
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", access_list)
    except (OSError, AttributeError):
        pytest.skip("this file system has no access lists")
    frame().save(tmp_path / "new.png")
    assert "system.posix_acl_access" in os.listxattr(tmp_path / "new.png")
    mode = (tmp_path / "a.png").stat().st_mode
    assert run("apply", tmp_path / "a.png", "-k", "blur", "--in-place", "-q").status == 0
    assert "system.posix_acl_access" not in os.listxattr(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == mode


def test_hard_links_are_reported(run, tmp_path, frame):
    """The other links keep the old picture; the new one is a file of its own."""
    frame().save(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    before = (tmp_path / "b.png").read_bytes()
    result = run("apply", tmp_path / "a.png", "-k", "blur", "--in-place")
    assert (result.status, (tmp_path / "b.png").read_bytes()) == (0, before)
    assert f"{tmp_path}/a.png: has 2 hard links; the others keep the old picture" in result.err


def test_a_resolution_invented_by_pillow_is_not_written(run, tmp_path, frame):
    """For a JPEG with EXIF and no unit of its resolution Pillow reports 72 dots per inch."""
    exif = PIL.Image.Exif()
    exif[271] = "maker"
    (tmp_path / "a.jpg").write_bytes(encoded(frame(), "JPEG", exif=exif))
    assert run("apply", tmp_path / "a.jpg", "-k", "1", "-o", tmp_path / "a.png", "-q").status == 0
    with PIL.Image.open(tmp_path / "a.png") as picture:
        assert "dpi" not in picture.info
    (tmp_path / "b.jpg").write_bytes(encoded(frame(), "JPEG", exif=exif, dpi=(72, 72)))
    assert run("apply", tmp_path / "b.jpg", "-k", "1", "-o", tmp_path / "b.png", "-q").status == 0
    with PIL.Image.open(tmp_path / "b.png") as picture:
        assert picture.info["dpi"] == pytest.approx((72, 72), rel=1e-3)
