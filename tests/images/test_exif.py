"""EXIF as cameras write it: tags that are wrong for the new picture change, all others stay."""

import contextlib
import io
import json
import shutil
import struct
import subprocess
import warnings

import numpy as np
import piexif
import PIL.Image
import PIL.PngImagePlugin
import PIL.TiffImagePlugin
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convcli.images.exif import check_block, patched
from convcli.images.exif_block import PREFIX, BrokenExif
from convcli.images.exif_tiff import exif_of_tiff
from convcli.images.provenance import Provenance

MAKERS = ("canon", "casio", "olympus", "panasonic", "ricoh", "sigma", "sony")
MARK = Provenance("a" * 32, "0" * 32)
CHANGED = {40962, 40963, 305, 34665, 34853, 40965}  # the sizes, Software, and offsets of directories
NEEDS_READERS = pytest.mark.skipif(
    not (shutil.which("exiftool") and shutil.which("exiv2")), reason="exiftool and exiv2 are not installed"
)


@pytest.fixture
def cameras(request):
    """The folder of pictures by cameras."""
    return request.path.parent / "cameras"


def block_of(path):
    """The EXIF block of a picture, without its prefix, read by Pillow."""
    with PIL.Image.open(path) as picture:
        picture.load()
        return picture.info["exif"].removeprefix(PREFIX)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("maker", MAKERS)
def test_every_tag_stays(run, cameras, tmp_path, maker, suffix):
    """By piexif: type, count and bytes of every directory are kept, and the maker note stays at its offset."""
    source, out = cameras / f"{maker}.jpg", tmp_path / f"out.{suffix}"
    assert run("apply", source, "-k", "1", "--stride", "3x2", "-o", out, "-q").status == 0
    before, after = block_of(source), block_of(out)
    tags, tags_after = piexif.load(PREFIX + before), piexif.load(PREFIX + after)
    with PIL.Image.open(source) as old, PIL.Image.open(out) as new:
        assert new.size == (-(-old.width // 2), -(-old.height // 3))
        assert [tags_after["Exif"][tag] for tag in (40962, 40963)] == list(new.size)
    for directory in ("0th", "Exif", "GPS", "Interop"):
        expected = {tag: value for tag, value in tags[directory].items() if tag not in CHANGED}
        assert {tag: value for tag, value in tags_after[directory].items() if tag not in CHANGED} == expected, directory
    assert tags_after["0th"].get(274, 1) == 1
    assert tags_after["0th"][305].split(b";")[0].strip(b"\0 ") in (
        tags["0th"].get(305, b"").strip(b"\0 "),
        tags_after["0th"][305],
    )
    maker_note = tags["Exif"][37500]
    assert after.find(maker_note) == before.find(maker_note) > 0


@NEEDS_READERS
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("maker", MAKERS)
def test_other_readers_find_every_tag(run, cameras, tmp_path, maker, suffix):
    """exiftool, which reads maker notes, and exiv2 find the same tags and no new warning."""
    source, out = cameras / f"{maker}.jpg", tmp_path / f"out.{suffix}"
    assert run("apply", source, "-k", "1", "-o", out, "-q").status == 0
    changed = {
        "ExifImageWidth",
        "ExifImageHeight",
        "Software",
        "PreviewImageStart",
        "OtherImageStart",
        "PreviewImage",
        "Warning",
    }
    tags_of_each = []
    for path in (source, out):
        command = ["exiftool", "-j", "-a", "-G1", "-s", "-EXIF:all", "-MakerNotes:all", "-validate", "-warning", path]
        (tags,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        tags_of_each.append({key: value for key, value in tags.items() if key.split(":")[-1] not in changed and ":" in key})
    before = {key: value for key, value in tags_of_each[0].items() if not key.startswith(("IFD1", "ExifTool", "File"))}
    after = {key: value for key, value in tags_of_each[1].items() if not key.startswith(("ExifTool", "File"))}
    assert after == before
    assert warnings_of(out) <= warnings_of(source) | {"[minor] Possibly incorrect maker notes offsets (fix by 0?)"}


def warnings_of(path):
    """The warnings of exiftool and exiv2 about a picture."""
    command = ["exiftool", "-validate", "-a", "-warning", "-s3", path]
    exiftool = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout.splitlines()
    command = ["exiv2", "-pa", path]
    exiv2 = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stderr.splitlines()
    return {line for line in exiftool if "Warning" not in line and "IFD1" not in line and "preview" not in line.lower()} | set(
        exiv2
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
def test_a_rotated_picture_has_orientation_1(run, tmp_path, rng, order, suffix):
    """After an orientation is applied the tag is 1, the sizes are swapped, and the old thumbnail is removed."""
    secret = rng.bytes(3000)
    block = exif_block(order, {274: (3, [6]), 256: (3, [40]), 257: (4, [30])}, {40962: (3, [40]), 40963: (3, [30])}, secret)
    picture = PIL.Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture.save(tmp_path / "in.jpg", exif=PREFIX + block)
    assert run("apply", tmp_path / "in.jpg", "-k", "1", "-o", tmp_path / f"out.{suffix}", "-q").status == 0
    after = block_of(tmp_path / f"out.{suffix}")
    tags = piexif.load(PREFIX + after)
    assert (tags["0th"][274], tags["0th"][256], tags["0th"][257]) == (1, 30, 40)
    assert (tags["Exif"][40962], tags["Exif"][40963]) == (30, 40)
    assert (tags["1st"], tags["thumbnail"]) == ({}, None)
    data = (tmp_path / f"out.{suffix}").read_bytes()
    assert not any(secret[i : i + 40] in data for i in range(0, 2900, 100))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("broken", ["next directory", "GPS", "EXIF", "Software", "thumbnail"])
def test_a_rotated_picture_with_broken_exif_has_orientation_1(run, tmp_path, rng, order, suffix, broken):
    """Otherwise viewers would rotate twice. A wrong thumbnail does not remove the other tags."""
    first = {271: (2, b"maker\0"), 274: (3, [6])}
    outside = [99_999]
    first |= {"GPS": {34853: (4, outside)}, "EXIF": {34665: (4, outside)}, "Software": {305: (2, outside)}}.get(broken, {})
    next_directory = {"next directory": outside[0]}.get(broken, 0)
    block = directory_block(order, first, next_directory, {513: (4, [8]), 514: (4, [40])} if broken == "thumbnail" else None)
    picture = PIL.Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture.save(tmp_path / f"in.{suffix}", exif=PREFIX + block)
    for name in ("in", "once", "twice"):
        out = {"in": "once", "once": "twice", "twice": "thrice"}[name]
        arguments = ["apply", tmp_path / f"{name}.{suffix}", "-k", "1", "-o", tmp_path / f"{out}.{suffix}", "-q"]
        assert run(*arguments).status == 0
        with PIL.Image.open(tmp_path / f"{out}.{suffix}") as after:
            assert after.size == (30, 40)
            assert after.info["exif"].find(b"maker") > 0
            orientation = struct.pack(f"{order}HHIH", 274, 3, 1, 1)
            assert orientation in after.info["exif"]


def directory_block(order, entries, next_directory, thumbnail=None):
    """A block with one directory {tag: (type, values)}, and optionally the directory of a thumbnail after it."""
    size = 8 + 2 + 12 * len(entries) + 4
    parts, extra = [], b""
    for tag, (kind, values) in sorted(entries.items()):
        if isinstance(values, bytes):
            count, value = len(values), struct.pack(f"{order}I", size + len(extra))
            extra += values
        else:  # a number, or an offset, also one outside of the block
            count, value = 20 if kind == 2 else 1, struct.pack(f"{order}{'H' if kind == 3 else 'I'}", *values).ljust(4, b"\0")
        parts.append(struct.pack(f"{order}HHI", tag, kind, count) + value)
    thumbnail_directory = b""
    if thumbnail:
        next_directory = size + len(extra)
        thumbnail_entries = [struct.pack(f"{order}HHII", tag, kind, 1, *values) for tag, (kind, values) in thumbnail.items()]
        thumbnail_directory = struct.pack(f"{order}H", len(thumbnail_entries)) + b"".join(thumbnail_entries) + bytes(4)
    header = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    return header + b"".join(parts) + struct.pack(f"{order}I", next_directory) + extra + thumbnail_directory


def test_software_tags_that_are_no_text_stay(tmp_path):
    """The provenance mark goes into a sidecar then. UTF-8 of EXIF 3.0 is text."""
    block = directory_block("<", {305: (3, [7])}, 0)
    assert patched(PREFIX + block, 4, 4, MARK) == PREFIX + block
    named = directory_block("<", {305: (2, "Künstler\0".encode())}, 0).replace(
        struct.pack("<HH", 305, 2), struct.pack("<HH", 305, 129)
    )
    marked = patched(PREFIX + named, 4, 4, MARK)
    assert f"Künstler; {MARK}\0".encode() in marked
    assert struct.pack("<HH", 305, 129) in marked


def exif_block(order, first, exif, thumbnail=b""):
    """A block with a directory {tag: (type, values)}, an EXIF directory, and optionally a thumbnail."""
    codes = {3: "H", 4: "I"}

    def directory(entries, next_offset):
        parts = [struct.pack(f"{order}H", len(entries))]
        for tag, (kind, values) in sorted(entries.items()):
            value = struct.pack(f"{order}{len(values)}{codes[kind]}", *values).ljust(4, b"\0")
            parts.append(struct.pack(f"{order}HHI", tag, kind, len(values)) + value)
        return b"".join(parts) + struct.pack(f"{order}I", next_offset)

    exif_offset = 8 + 2 + 12 * (len(first) + 1) + 4
    next_offset = exif_offset + 2 + 12 * len(exif) + 4
    thumbnail_offset = next_offset + 2 + 12 * 2 + 4
    header = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    thumbnail_part = directory({513: (4, [thumbnail_offset]), 514: (4, [len(thumbnail)])}, 0) + thumbnail if thumbnail else b""
    return (
        header
        + directory(first | {34665: (4, [exif_offset])}, next_offset if thumbnail else 0)
        + directory(exif, 0)
        + thumbnail_part
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_sizes_beyond_16_bits_are_stored(order):
    """A SHORT becomes a LONG in its place."""
    block = exif_block(order, {256: (3, [7])}, {40962: (3, [7]), 40963: (3, [8])})
    tags = piexif.load(patched(PREFIX + block, 70_000, 9))
    assert (tags["0th"][256], tags["Exif"][40962], tags["Exif"][40963]) == (70_000, 70_000, 9)
    assert len(patched(PREFIX + block, 70_000, 9)) == len(PREFIX + block)


@given(st.data())
def test_damaged_blocks_raise_no_exception(data):
    """Any damaged block is returned without an exception: as long or longer, or cut before its thumbnail."""
    order = data.draw(st.sampled_from("<>"))
    block = bytearray(exif_block(order, {274: (3, [6]), 305: (3, [1])}, {40962: (3, [4])}, b"thumbnail"))
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    block = bytes(block[: data.draw(st.integers(0, len(block)))])
    result = patched(PREFIX + block, 5, 6, MARK)
    assert result.startswith(PREFIX)
    assert len(result) >= len(block) - 9
    with contextlib.suppress(BrokenExif):  # the orientation of such a block is not applied, and the block is dropped
        check_block(PREFIX + block)
        assert orientation_of(result) not in range(2, 9)


def orientation_of(exif):
    """The orientation that Pillow reads; 1 where it cannot read the block."""
    parsed = PIL.Image.Exif()
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        parsed.load(exif)
        return parsed.get(274, 1)
    return 1


@pytest.mark.parametrize("block", [b"nothing", b"II*\0", b"II+\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\xff\xff"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_invalid_exif_is_reported_and_dropped(run, tmp_path, block, suffix):
    """The picture is read, and a notice reports the EXIF. Pillow does not open an AVIF with such a block at all."""
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / f"in.{suffix}", exif=PREFIX + block)
    result = run("apply", tmp_path / f"in.{suffix}", "-k", "1", "-o", tmp_path / "out.png")
    assert (result.status, "EXIF is broken and not kept: it " in result.err) == (0, True)


@pytest.mark.parametrize(
    ("kind", "stored"), [(1, b"\6"), (4, struct.pack("<I", 6)), (8, struct.pack("<h", 6)), (5, None), (11, None)]
)
def test_an_orientation_of_another_type_is_reset(run, tmp_path, rng, kind, stored):
    """The orientation is 1 after it was applied, so that no viewer rotates twice."""
    exif = PIL.Image.Exif()
    exif[274] = 6
    block = bytearray(exif.tobytes().removeprefix(PREFIX))
    if block[:2] == b"MM":
        block = bytearray(exif_block("<", {274: (3, [6])}, {}))
    offset = block.find(struct.pack("<HHI", 274, 3, 1))
    long = {5: struct.pack("<II", 6, 1), 11: struct.pack("<f", 6.0)}.get(kind)
    value = stored if stored is not None else struct.pack("<I", len(block)) if kind == 5 else long
    block[offset : offset + 12] = struct.pack("<HHI", 274, kind, 1) + value.ljust(4, b"\0")
    block += long if kind == 5 else b""
    PIL.Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(tmp_path / "in.png", exif=PREFIX + bytes(block))
    assert run("apply", tmp_path / "in.png", "-k", "1", "-o", tmp_path / "out.png", "-q").status == 0
    assert piexif.load(PREFIX + block_of(tmp_path / "out.png"))["0th"][274] == 1


def test_an_impossible_resolution_is_no_error(run, tmp_path):
    """The PNG writer of Pillow raises an error for it."""
    exif = piexif.dump({"0th": {282: (2**32 - 1, 1), 283: (2**32 - 1, 1), 296: 2}})
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "in.jpg", exif=exif, dpi=(0, 0))
    assert run("apply", tmp_path / "in.jpg", "-k", "1", "-o", tmp_path / "out.png", "-q").status == 0


def test_directories_that_contain_themselves_are_read_once(run, tmp_path):
    """They are read once."""
    block = bytearray(exif_block("<", {}, {40965: (4, [0])}))
    at = block.find(struct.pack("<HHI", 40965, 4, 1)) + 8
    block[at : at + 4] = struct.pack("<I", 8 + 2 + 12 + 4)
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "in.jpg", exif=PREFIX + bytes(block))
    for suffix in ("jpg", "tif"):
        assert run("apply", tmp_path / "in.jpg", "-k", "1", "-o", tmp_path / f"out.{suffix}", "-q").status == 0


@pytest.mark.parametrize("maker", MAKERS)
def test_tiff_keeps_the_exif_of_a_camera(run, cameras, tmp_path, maker):
    """All tags but those of JPEG alone are kept and given back, and the maker note stays at its offset."""
    first, second, jpeg = tmp_path / "a.tif", tmp_path / "b.tif", tmp_path / "c.jpg"
    assert "EXIF" not in run("apply", cameras / f"{maker}.jpg", "-k", "1", "-o", first).err
    assert "EXIF" not in run("apply", first, "-k", "1", "-o", second).err
    assert first.stat().st_size == second.stat().st_size
    assert run("apply", second, "-k", "1", "--in-place", "-q").status == 0
    assert run("apply", second, "-k", "1", "-o", jpeg, "-q").status == 0
    before, after = block_of(cameras / f"{maker}.jpg"), block_of(jpeg)
    tags, tags_after = piexif.load(PREFIX + before), piexif.load(PREFIX + after)
    changed = CHANGED | {37121, 37122, 274, 282, 283, 296, 531}
    for directory in ("0th", "Exif", "GPS", "Interop"):
        expected = {tag: value for tag, value in tags[directory].items() if tag not in changed}
        assert {tag: value for tag, value in tags_after[directory].items() if tag not in changed} == expected, directory
    offset = before.find(tags["Exif"][37500])
    for data in (first.read_bytes(), second.read_bytes(), after):
        assert data.find(tags["Exif"][37500]) == offset > 0
    assert_array_equal(tifffile.imread(first), tifffile.imread(second))
    with PIL.Image.open(cameras / f"{maker}.jpg") as picture:
        assert_array_equal(tifffile.imread(first), np.asarray(picture))


@NEEDS_READERS
@pytest.mark.parametrize("maker", MAKERS)
def test_other_readers_find_maker_notes_in_tiff(run, cameras, tmp_path, maker):
    """exiftool finds the same tags of the maker note."""
    out = tmp_path / "out.tif"
    assert run("apply", cameras / f"{maker}.jpg", "-k", "1", "-o", out, "-q").status == 0
    tags_of_each = []
    for path in (cameras / f"{maker}.jpg", out):
        command = ["exiftool", "-j", "-a", "-G1", "-s", "-MakerNotes:all", path]
        (tags,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        changed = ("PreviewImage", "PreviewImageStart", "OtherImageStart")
        tags_of_each.append(
            {key: value for key, value in tags.items() if key.split(":")[-1] not in changed and key != "SourceFile"}
        )
    assert tags_of_each[0] == tags_of_each[1]
    assert warnings_of(out) <= warnings_of(cameras / f"{maker}.jpg") | {
        "[minor] Possibly incorrect maker notes offsets (fix by 0?)",
        "[minor] InteropIFD tag 0x0001 InteropIndex is not allowed in TIFF",  # exiftool does not report it for the JPEG
        "Missing required TIFF GPS tag 0x001b GPSProcessingMethod",  # required in TIFF only
        "Invalid value for IFD0 tag 0x0103 Compression",  # EXIF knows none and JPEG, as for a TIFF of Pillow with deflate
    }


def test_a_maker_note_after_the_pixels_moves(run, tmp_path):
    """A notice reports it; in place it is refused, as a block that long would contain the pixels."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((20, 30), np.uint8), byteorder="<", metadata=None, software=False)
    data = path.read_bytes()
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    entries, end = data[first + 2 : first + 2 + 12 * count], len(data)
    note = struct.pack("<HHHIII", 1, 37500, 7, 6, end + 18, 0) + b"a note"
    pointer = struct.pack("<HHII", 34665, 4, 1, end)
    directory = struct.pack("<H", count + 1) + entries + pointer + bytes(4)
    path.write_bytes(data[:4] + struct.pack("<I", end + len(note)) + data[8:] + note + directory)
    before = path.read_bytes()
    copy = run("apply", path, "-k", "1", "-o", tmp_path / "b.tif")
    assert (copy.status, "the maker note of its EXIF moves" in copy.err) == (0, True)
    assert b"a note" in (tmp_path / "b.tif").read_bytes()
    result = run("apply", path, "-k", "1", "--in-place", "-q")
    assert (result.status, "would lose the position of its maker note in place" in result.err) == (1, True)
    assert path.read_bytes() == before


def test_a_maker_note_far_before_the_pixels_moves(tmp_path):
    """No space of more than a megabyte is reserved for its offset."""
    gap = bytes((1 << 20) + 8)
    note = 8 + len(gap)
    inner = note + 6
    first = inner + 18
    exif = struct.pack("<HHHIII", 1, 37500, 7, 6, note, 0)
    tags = struct.pack("<HHHIIHHIII", 2, 273, 4, 1, first + 40, 34665, 4, 1, inner, 0)
    data = struct.pack("<2sHI", b"II", 42, first) + gap + b"a note" + exif + tags + bytes(100)
    block, moved = exif_of_tiff(io.BytesIO(data), set())
    assert moved
    assert b"a note" in block
    assert len(block) < 200


def test_exif_as_text_in_png_is_read(run, tmp_path, rng):
    """Older ImageMagick writes EXIF as text. Its orientation is applied and its tags are kept."""
    block = piexif.dump({"0th": {271: b"maker", 274: 6}, "Exif": {36864: b"0231"}})
    lines = [block.hex()[at : at + 72] for at in range(0, 2 * len(block), 72)]
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\n".join(["", "exif", f"{len(block):8}", *lines, ""]))
    picture = PIL.Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture.save(tmp_path / "in.png", pnginfo=info)
    assert run("apply", tmp_path / "in.png", "-k", "1", "--in-place", "-q").status == 0
    with PIL.Image.open(tmp_path / "in.png") as after:
        assert after.size == (30, 40)
        assert "Raw profile type exif" not in after.text
    tags = piexif.load(PREFIX + block_of(tmp_path / "in.png"))
    assert (tags["0th"][271], tags["0th"][274], tags["Exif"][36864]) == (b"maker", 1, b"0231")


def test_broken_exif_as_text_in_png_is_reported(run, tmp_path):
    """The picture is written, and a notice reports the EXIF."""
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n  8\nnothing\n")
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "in.png", pnginfo=info)
    result = run("apply", tmp_path / "in.png", "-k", "1", "-o", tmp_path / "out.png")
    assert (result.status, "EXIF is broken and not kept: it is not hexadecimal text" in result.err) == (0, True)


@pytest.mark.parametrize(("size", "kept"), [(65_400, True), (66_000, False)])
def test_exif_too_long_for_jpeg_is_reported(run, tmp_path, size, kept):
    """A JPEG stores at most 65,533 bytes. Longer EXIF is left out with a notice; in place it is an error."""
    exif = piexif.dump({"0th": {271: b"maker"}, "Exif": {37510: b"x" * size}})
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "in.png", exif=exif)
    copy = run("apply", tmp_path / "in.png", "-k", "1", "-o", tmp_path / "out.jpg")
    assert copy.status == 0
    assert (f"{len(exif)} bytes of EXIF not kept in this jpeg" in copy.err) != kept
    with PIL.Image.open(tmp_path / "out.jpg") as picture:
        assert (picture.getexif().get(271) == "maker") == kept
    (tmp_path / "in.png").rename(tmp_path / "in.jpg")
    result = run("apply", tmp_path / "in.jpg", "-k", "1", "--in-place", "-q")
    assert (result.status, "would lose 66" in result.err) == ((0, False) if kept else (1, True))


def test_types_stay_in_tiff(run, tmp_path):
    """UNDEFINED does not become BYTE, nor SRATIONAL RATIONAL; also in 16-bit files and in both byte orders."""
    exif = piexif.dump({"0th": {271: b"maker"}, "Exif": {37380: (-1, 3), 36864: b"0231", 37386: (5, 2)}})
    for dtype, name in ((np.uint8, "a.png"), (np.uint16, "a.tif")):
        if dtype == np.uint8:
            PIL.Image.new("RGB", (5, 4)).save(tmp_path / name, exif=exif)
        else:
            assert run("apply", tmp_path / "a.png", "-k", "1", "--range", "0..255", "-o", tmp_path / name, "-q").status == 0
    with PIL.Image.open(tmp_path / "a.tif") as picture:
        inner = picture.tag_v2.get_ifd(34665) if hasattr(picture.tag_v2, "get_ifd") else picture.getexif().get_ifd(34665)
        assert float(inner[37380]) == pytest.approx(-1 / 3)
    data = (tmp_path / "a.tif").read_bytes()
    order = "<" if data[:2] == b"II" else ">"
    assert struct.pack(f"{order}HHI", 37380, 10, 1) in data
    assert struct.pack(f"{order}HHI", 36864, 7, 4) + b"0231" in data
    assert struct.pack(f"{order}HHI", 37386, 5, 1) in data


def test_exif_of_the_other_byte_order_is_converted(run, tmp_path):
    """Its values are converted."""
    block = exif_block(">", {269: (4, [1_000_000])}, {41990: (3, [2])})
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "in.png", exif=PREFIX + block)
    assert run("apply", tmp_path / "in.png", "-k", "1", "-o", tmp_path / "out.tif", "-q").status == 0
    with PIL.Image.open(tmp_path / "out.tif") as picture:
        assert picture.getexif().get_ifd(34665)[41990] == 2
        assert picture.tag_v2[269] in (1_000_000, "1000000") or 269 in picture.getexif()
        assert picture.size == (5, 4)


def test_broken_exif_is_not_written_to_tiff(run, tmp_path):
    """A value beyond the end of the block: the picture and its provenance mark are written."""
    block = bytearray(exif_block("<", {269: (4, [1])}, {}))
    offset = block.find(struct.pack("<HHI", 269, 4, 1))
    block[offset : offset + 12] = struct.pack("<HHII", 269, 4, 9, 5000)
    PIL.Image.new("RGB", (5, 4)).save(tmp_path / "in.png", exif=PREFIX + bytes(block))
    result = run("apply", tmp_path / "in.png", "-k", "1", "-o", tmp_path / "out.tif")
    assert (result.status, "EXIF is broken and not kept in this tiff: it ends before its values do" in result.err) == (0, True)
    with PIL.Image.open(tmp_path / "out.tif") as picture:
        assert picture.getexif()[305].startswith("convcli:1:")


def test_a_second_mark_replaces_the_first(run, tmp_path):
    """A second mark replaces the first; the camera's text before it stays."""
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "a.png", exif=piexif.dump({"0th": {305: b"Camera 1.0"}}))
    sizes = []
    for source, out in (("a.png", "b.png"), ("b.png", "c.png"), ("c.png", "d.png")):
        assert run("apply", tmp_path / source, "-k", "1", "-o", tmp_path / out, "-q").status == 0
        block = block_of(tmp_path / out)
        sizes.append(len(block))
        software = piexif.load(PREFIX + block)["0th"][305]
        assert software.startswith(b"Camera 1.0; convcli:1:")
        assert software.count(b"convcli") == 1
    assert sizes[0] == sizes[1] == sizes[2]
    assert io.BytesIO(block).read(2) in (b"II", b"MM")
