"""--in-place: what a picture cannot keep is an error before anything is touched; whose file it is stays."""

import io
import os
import stat
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import tifffile


@pytest.fixture
def frame(rng):
    """Makes pictures."""
    return lambda: PIL.Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))


def chunk(kind, data):
    """A chunk of PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_segment(data, marker, held):
    """A JPEG with one segment more."""
    return data[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(held) + 2) + held + data[2:]


def encoded(picture, form, **options):
    """The bytes of a file."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def stacked(pixels, **options):
    """The bytes of a TIFF."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


GAIN_MAP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/' hdrgm:Version=\"1.0\"></x:xmpmeta>"
LOSSES = {
    "apng.png": (lambda f: encoded(f(), "PNG", save_all=True, append_images=[f(), f()]), "2 further frames"),
    "film.webp": (lambda f: encoded(f(), "WEBP", save_all=True, append_images=[f()]), "1 further frame"),
    "pages.tif": (lambda f: encoded(f(), "TIFF", save_all=True, append_images=[f()]), "1 further frame"),
    "imagej.tif": (lambda f: stacked(np.array(f())[..., 0][None].repeat(5, 0), imagej=True), "4 further frames"),
    "a.ome.tif": (lambda f: stacked(np.array(f())[..., 0][None].repeat(3, 0).astype(np.uint16), ome=True), "2 further frames"),
    "five.tif": (lambda f: stacked(np.dstack([f(), f()])[..., :5], photometric="rgb"), "2 further channels"),
    "deep.tif": (lambda f: stacked(np.dstack([f(), f()])[..., :5].astype(np.uint16), photometric="rgb"), "2 further channels"),
    "mpo.jpg": (lambda f: encoded(f(), "MPO", save_all=True, append_images=[f()]), "1 further frame"),
    "ultra.jpg": (
        lambda f: with_segment(encoded(f(), "MPO", save_all=True, append_images=[f()]), 0xE1, GAIN_MAP),
        "XMP and further pictures behind it, such as a gain map",
    ),
    "xmp.jpg": (lambda f: encoded(f(), "JPEG", xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"), "XMP"),
    "comments.jpg": (lambda f: with_segment(encoded(f(), "JPEG", comment=b"a"), 0xFE, b"b"), "all comments but the last"),
    "iptc.jpg": (lambda f: with_segment(encoded(f(), "JPEG"), 0xED, b"Photoshop 3.0\0rest"), "Photoshop's and IPTC's data"),
    "other.jpg": (lambda f: with_segment(encoded(f(), "JPEG"), 0xE5, b"something"), "its segment APP5"),
    "ink.jpg": (lambda f: encoded(f().convert("CMYK"), "JPEG"), "its CMYK colour"),
    "gamma.png": (lambda f: (d := encoded(f(), "PNG"))[:33] + chunk(b"gAMA", struct.pack(">I", 100000)) + d[33:], "gamma"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_would_be_lost_is_refused(run, tmp_path, frame, name):
    """With one line and status 1; the file stays as it is, and the others go on. With -o there is a notice."""
    make, words = LOSSES[name]
    path, other = tmp_path / name, tmp_path / "plain.png"
    path.write_bytes(make(frame))
    frame().save(other)
    before = path.read_bytes(), path.stat().st_mtime_ns, other.read_bytes()
    result = run("apply", path, other, "-k", "blur", "--in-place", "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    assert result.err.startswith(f"Error: {path}: would lose ")
    assert words in result.err
    assert result.err.endswith(" in place; write another file, with -o\n")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before[:2]
    assert other.read_bytes() != before[2]
    told = run("apply", path, "-k", "blur", "-o", tmp_path / "out.tif")
    assert told.status == 0
    assert f"{path}: " in told.err


def test_big_tiff_is_read_and_its_tags_are_told(run, tmp_path, frame):
    """They are not carried over; one without any is no loss."""
    for name, options in (("plain.tif", {"metadata": None, "software": False}), ("told.tif", {"description": "of mine"})):
        (tmp_path / name).write_bytes(stacked(np.array(frame()), bigtiff=True, photometric="rgb", **options))
        result = run("apply", tmp_path / name, "-k", "1", "--in-place")
        told = "would lose the tags of BigTIFF in place" in result.err
        assert (result.status, told) == ((1, True) if name == "told.tif" else (0, False)), result.err


@pytest.mark.parametrize("form", ["png", "jpg", "tif", "webp", "bmp"])
def test_what_can_be_kept_is_replaced(run, tmp_path, frame, form):
    """With EXIF, a profile, a resolution, and alpha, as far as the format has them."""
    exif = PIL.Image.Exif()
    exif[271], exif[274] = "maker", 6
    picture = frame()
    if form in ("png", "tif", "webp"):
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


def test_an_srgb_chunk_is_no_loss(run, tmp_path, frame):
    """It says what every reader takes for granted; so does the gamma beside it."""
    data = encoded(frame(), "PNG")
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 45455)) + data[33:])
    assert run("apply", tmp_path / "a.png", "-k", "1", "--in-place", "-q").status == 0


@pytest.mark.skipif(not hasattr(os, "chown") or os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("words", [["--in-place"], ["-o", "a.png"]])
def test_whose_file_it_is_stays(run, tmp_path, frame, monkeypatch, words):
    """As root owner and group became root's: in place, and of an output that is replaced."""
    monkeypatch.chdir(tmp_path)
    frame().save("a.png")
    frame().save("b.png")
    os.chown("a.png", 1234, 2345)
    os.chmod("a.png", 0o2640)  # noqa: PTH101
    source = "a.png" if words == ["--in-place"] else "b.png"
    before = (tmp_path / "a.png").read_bytes()
    assert run("apply", source, "-k", "blur", *words, "-q").status == 0
    after = (tmp_path / "a.png").stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (1234, 2345, 0o2640)
    assert (tmp_path / "a.png").read_bytes() != before


@pytest.mark.parametrize("words", [["--in-place"], ["-o", "a.png"]])
def test_extended_attributes_stay(run, tmp_path, frame, monkeypatch, words):
    """Those of the user."""
    monkeypatch.chdir(tmp_path)
    frame().save("a.png")
    frame().save("b.png")
    try:
        os.setxattr("a.png", "user.comment", b"kept")
    except (OSError, AttributeError):
        pytest.skip("this file system has no extended attributes")
    assert run("apply", "a.png" if words == ["--in-place"] else "b.png", "-k", "blur", *words, "-q").status == 0
    assert os.getxattr("a.png", "user.comment") == b"kept"


@pytest.mark.skipif(not hasattr(os, "chown") or os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_could_not_stay_its_owners(run, tmp_path, frame, monkeypatch):
    """Is not replaced."""
    frame().save(tmp_path / "a.png")
    os.chown(tmp_path / "a.png", 1234, 2345)
    before = (tmp_path / "a.png").read_bytes()

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)
    result = run("apply", tmp_path / "a.png", "-k", "blur", "--in-place", "-q")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "cannot be written: it belongs to user 1234 and group 2345, and its successor could not" in result.err
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
