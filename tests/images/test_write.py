"""Pictures and stacks on disk: round trips, metadata, and atomic writes."""

import io
import os
import stat
import struct
import zlib

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageDraw
import png as pypng
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.engine.jit.run import Stopped
from convcli.errors import ArgumentError, OutputError
from convcli.images.atomic_write import write_atomically
from convcli.images.encoding import Encoding
from convcli.images.formats import FORMATS, format_named, format_of
from convcli.images.frames import Series
from convcli.images.image import Image, Metadata
from convcli.images.provenance import Provenance
from convcli.images.read import read_image
from convcli.images.storage import MapStorage
from convcli.images.write import fit, stored_white, write_maps
from pictures import encode

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def exif():
    """EXIF with a maker and an exposure time."""
    block = PIL.Image.Exif()
    block[0x010F] = "a maker"
    block.get_ifd(0x8769)[0x829A] = 0.01
    block[0x8769] = block.get_ifd(0x8769)
    return block.tobytes()


def round_trip(image, name, encoding=None):
    """Encode and read again. Return the image and the notices of encoding."""
    fitted = fit(image, format_named(name), encoding or Encoding())
    return read_image(None, io.BytesIO(fitted.encode(image))), list(fitted.notices)


@pytest.mark.parametrize("name", ["png", "tiff", "bmp", "ppm", "webp", "jp2", "jxl"])
@pytest.mark.parametrize("channels", [1, 3])
def test_levels_are_the_same_after_a_round_trip(name, channels, rng):
    """The formats are lossless; WebP, JPEG 2000 and JPEG XL at quality 100."""
    pixels = rng.integers(0, 256, (6, 5, channels), dtype=np.uint8)
    reread, notices = round_trip(Image(pixels, 255), name, Encoding(quality=100))
    assert_array_equal(reread.pixels, pixels if name != "webp" else np.broadcast_to(pixels, (6, 5, 3)))
    assert notices == []


@pytest.mark.parametrize("name", ["png", "tiff", "webp", "jp2", "jxl"])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_the_same_after_a_round_trip(name, channels, rng):
    """Alpha and the unassociated colours are the same."""
    pixels = rng.integers(0, 256, (6, 5, channels), dtype=np.uint8)
    alpha = rng.integers(1, 256, (6, 5), dtype=np.uint8)
    reread, _ = round_trip(Image(pixels, 255, alpha), name, Encoding(quality=100))
    assert_array_equal(reread.alpha, alpha)
    assert_array_equal(reread.pixels, pixels if name != "webp" else np.broadcast_to(pixels, (6, 5, 3)))


@pytest.mark.parametrize("channels", [1, 3])
def test_avif_is_close_to_the_picture(samples, channels):
    """AVIF is never lossless, but grey stays grey, alpha is exact at quality 100, and the bytes are the same each time."""
    image = read_image(samples / "chelsea.png")
    pixels = image.pixels[:90, :120, :channels]
    alpha = np.ascontiguousarray(image.pixels[100:190, :120, 0])
    reread, notices = round_trip(Image(pixels, 255), "avif")
    assert reread.pixels.shape == pixels.shape
    assert np.sqrt(np.mean((reread.pixels.astype(float) - pixels) ** 2)) < 3
    assert notices == []
    reread, _ = round_trip(Image(pixels, 255, alpha), "avif", Encoding(quality=100))
    assert_array_equal(reread.alpha, alpha)
    first, second = (encode(Image(pixels, 255), format_named("avif"), Encoding()) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("name", "channels", "alpha"), [("png", 1, False), ("ppm", 1, False), ("tiff", 1, False),
                                                         ("png", 3, False), ("png", 3, True), ("png", 1, True),
                                                         ("ppm", 3, False),
                                                         ("tiff", 3, False), ("tiff", 3, True), ("tiff", 1, True)])  # fmt: skip
def test_16_bit_levels_are_the_same_after_a_round_trip(name, channels, alpha, rng):
    """In every format that stores 16 bits."""
    pixels = rng.integers(0, 65536, (6, 5, channels)).astype(np.uint16)
    alpha_levels = rng.integers(1, 65536, (6, 5)).astype(np.uint16) if alpha else None
    image = Image(pixels, 65535, alpha_levels)
    assert stored_white(format_named(name), image, channels) == 65535
    reread, _ = round_trip(image, name)
    assert_array_equal(reread.pixels, pixels)
    assert_array_equal(reread.alpha, alpha_levels)


def test_16_bits_are_stored_where_the_format_holds_them():
    """JPEG holds 8 bits."""
    for channels in (1, 3):
        image = Image(np.zeros((2, 2, channels), np.uint16), 65535)
        whites = [stored_white(format_named(name), image, channels) for name in ("png", "ppm", "tiff", "jpeg")]
        assert whites == [65535, 65535, 65535, 255]


@pytest.mark.parametrize("level", [0, 1, 6])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_png_is_written_as_other_libraries_read_it(level, channels, rng):
    """pypng gives the levels; the chunks of metadata are before the pixels, where Pillow and read_provenance look for them."""
    levels = (np.indices((40, 30)).sum(0)[:, :, None] * 700 + rng.integers(0, 99, (40, 30, channels))).astype(np.uint16)
    metadata = Metadata(SRGB, exif(), (300.0, 150.0), (("Title", "a title"),))
    image = Image(levels[:, :, :3], 65535, levels[:, :, 3] if channels == 4 else None, "", metadata)
    fitted = fit(image, format_named("png"), Encoding(png_level=level), Provenance("a" * 32, "b" * 32))
    data = fitted.encode(image)
    width, height, rows, info = pypng.Reader(bytes=data).asDirect()
    written = np.array([list(row) for row in rows]).reshape(height, width, info["planes"])
    assert (info["bitdepth"], fitted.notices) == (16, ())
    assert_array_equal(written, levels)
    reread = read_image(None, io.BytesIO(data))
    assert reread.metadata.icc == SRGB
    assert reread.metadata.text == (("Title", "a title"),)
    assert reread.metadata.dpi == pytest.approx((300, 150), rel=1e-3)
    names = [name for name, _ in pypng.Reader(bytes=data).chunks()]
    assert set(names[1 : names.index(b"IDAT")]) == {b"iCCP", b"pHYs", b"tEXt", b"eXIf"}
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert picture.getexif()[305].endswith(f"convcli:1:{'a' * 32}:{'b' * 32}")


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp", "avif", "jp2"])
def test_metadata_is_the_same_after_a_round_trip(name, rng):
    """Profile, EXIF and resolution are kept where the format stores them; a notice reports what is lost."""
    pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    metadata = Metadata(SRGB, exif(), (300.0, 150.0), (("Title", "a title"),))
    reread, notices = round_trip(Image(pixels, 255, None, "", metadata), name)
    assert reread.metadata.icc == SRGB
    block = PIL.Image.Exif()
    block.load(reread.metadata.exif)
    assert block[0x010F] == "a maker"
    assert float(block.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
    if name in ("webp", "avif"):
        assert reread.metadata.dpi is None
    else:
        assert reread.metadata.dpi == pytest.approx((300, 150), rel=1e-3)
    assert reread.metadata.text == ((("Title", "a title"),) if name == "png" else ())
    lost = {"png": [], "jpeg": ["text"], "tiff": ["text"], "jp2": ["text"]}.get(name, ["resolution", "text"])
    assert notices == ([f"{' and '.join(lost)} not kept in this {name}"] if lost else [])


def test_16_bit_colour_tiff_keeps_profile_resolution_and_exif(rng):
    """These files are written by tifffile."""
    pixels = rng.integers(0, 65536, (6, 5, 3)).astype(np.uint16)
    image = Image(pixels, 65535, None, "", Metadata(SRGB, exif(), (300.0, 150.0)))
    reread, notices = round_trip(image, "tiff")
    assert_array_equal(reread.pixels, pixels)
    assert reread.metadata.icc == SRGB
    assert reread.metadata.dpi == pytest.approx((300, 150))
    block = PIL.Image.Exif()
    block.load(reread.metadata.exif)
    assert block[0x010F] == "a maker"
    assert float(block.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
    assert notices == []


def test_a_colour_profile_is_dropped_from_grey_pictures():
    """A grey file with an RGB profile is not valid."""
    reread, notices = round_trip(Image(np.zeros((2, 2, 1), np.uint8), 255, None, "", Metadata(SRGB)), "png")
    assert reread.metadata.icc is None
    assert notices == ["colour profile not kept: it is for colour, and the picture is grey"]


@pytest.mark.parametrize("name", ["jpeg", "bmp", "ppm"])
def test_formats_without_alpha_refuse_transparency(name):
    """Transparent pictures are refused; a notice reports that opaque alpha is dropped."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    notices = fit(Image(pixels, 255, np.full((2, 2), 255, np.uint8)), format_named(name), Encoding()).notices
    assert "alpha, opaque everywhere, not kept" in notices[0]
    with pytest.raises(ArgumentError, match=f"{name} holds no alpha, and the picture is partly transparent"):
        encode(Image(pixels, 255, np.full((2, 2), 254, np.uint8)), format_named(name), Encoding())


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_of_channels_are_refused(channels):
    """The error names --channels sum and arrays."""
    with pytest.raises(ArgumentError, match=f"{channels} channels are not a picture; use --channels sum"):
        encode(Image(np.zeros((2, 2, channels), np.uint8), 255), format_named("png"), Encoding())


@pytest.mark.parametrize(
    ("name", "shape", "metadata"),
    [
        ("png", (2, 2, 3), Metadata(dpi=(4e9, 4e9))),
        ("bmp", (2, 2, 3), Metadata(dpi=(4e9, 4e9))),
    ],
)
def test_pictures_beyond_the_limits_of_a_format_are_refused(name, shape, metadata):
    """Resolutions beyond the limits of the format."""
    with pytest.raises(OutputError, match=rf"{shape[1]} x {shape[0]} with its metadata cannot be encoded as {name}: ."):
        encode(Image(np.zeros(shape, np.uint8), 255, None, "", metadata), format_named(name), Encoding())


@pytest.mark.parametrize(("name", "limit"), [("jpeg", 65_500), ("webp", 16_383), ("avif", 65_536)])
def test_sides_beyond_the_limit_of_a_format_are_refused(name, limit):
    """The limits are those of libjpeg, libwebp and libaom: the longest side is written, and one pixel more is refused."""
    for shape in ((1, limit, 1), (limit, 1, 1)):
        assert encode(Image(np.zeros(shape, np.uint8), 255), format_named(name), Encoding())
    for shape in ((1, limit + 1, 1), (limit + 1, 1, 1)):
        picture = PIL.Image.new("L", shape[1::-1])
        with pytest.raises((OSError, ValueError, RuntimeError)):
            picture.save(io.BytesIO(), name)
        message = f"{name} holds at most {limit} pixels a side, got {shape[1]} x {shape[0]}; write .png or .tif"
        with pytest.raises(ArgumentError, match=f"^{message}$"):
            encode(Image(np.zeros(shape, np.uint8), 255), format_named(name), Encoding())


def test_compression_and_quality_have_an_effect(samples):
    """A higher PNG level gives a smaller file, a higher quality a larger file."""
    grey = Image(np.repeat(read_image(samples / "gravel.png").pixels, 3, axis=2), 255)
    sizes = [len(encode(grey, format_named("png"), Encoding(png_level=n))) for n in (0, 1, 6, 9)]
    assert sizes == sorted(set(sizes), reverse=True)
    image = read_image(samples / "astronaut.png")
    for name in ("jpeg", "webp", "avif", "jp2", "jxl"):
        sizes = [len(encode(image, format_named(name), Encoding(quality=n))) for n in (10, 92)]
        assert sizes[0] < sizes[1]


@pytest.mark.parametrize("level", [1, 6])
def test_the_coding_of_png_suits_the_picture(samples, level):
    """No file is 3 % larger than by Pillow, which looks for repetitions, or 15 % than by runs alone, for photographs."""
    page = PIL.Image.new("L", (600, 400), 255)
    for y in range(0, 400, 12):
        PIL.ImageDraw.Draw(page).text((5, y), f"{y * 7919} is the number of this line of text, {y} its place")
    with PIL.Image.open(samples / "astronaut.png") as photograph, PIL.Image.open(samples / "gravel.png") as gravel:
        stones = gravel.convert("L")
        pictures = [page, page.convert("RGB"), photograph.convert("RGB"), stones.convert("RGB"), stones.convert("RGBA")]
    for picture in pictures:
        levels = np.atleast_3d(np.asarray(picture))
        alpha = levels[:, :, 3] if levels.shape[2] == 4 else None
        encoded = encode(Image(levels[:, :, :3], 255, alpha), format_named("png"), Encoding(png_level=level))
        assert_array_equal(np.atleast_3d(np.asarray(PIL.Image.open(io.BytesIO(encoded)))), levels)
        for strategy, bound in ((zlib.Z_DEFAULT_STRATEGY, 1.03), (zlib.Z_RLE, 1.15)):
            file = io.BytesIO()
            picture.save(file, "PNG", compress_level=level, compress_type=strategy)
            assert len(encoded) < bound * len(file.getvalue())


def test_level_9_of_deep_colour_is_the_smallest(rng):
    """Of waves whose channels differ by a constant, and of noise, for which different strategies are best."""
    y, x = np.mgrid[:200, :300]
    waves = 32000 + 25000 * np.sin(x / 60)[:, :, None] * np.cos(y / 45)[:, :, None] + [0, 1285, 2570]
    noise = rng.normal(32000, 800, (200, 300, 3))
    for pixels in (waves, noise):
        image = Image(pixels.astype(np.uint16), 65535)
        encoded = [encode(image, format_named("png"), Encoding(png_level=level)) for level in range(10)]
        assert len(encoded[9]) == min(map(len, encoded))
        decoded = list(pypng.Reader(bytes=encoded[9]).read()[2])
        assert_array_equal(np.array(decoded).reshape(200, 300, 3), image.pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_stacks_of_maps_are_written(channels, tmp_path, rng):
    """N maps: (N, H, W) or (N, H, W, C) in .npy, named arrays in .npz, planes with labels in an ImageJ TIFF."""
    maps = list(rng.normal(size=(4, 6, 5, channels)).astype(np.float32))
    names = ["sobel-x", "gaussian:sigma=2", "matrix-3x3", "file"]
    for name in ("npy", "npz", "tiff"):
        with (tmp_path / f"maps.{name}").open("wb") as file:
            write_maps(file, [maps], MapStorage(format_named(name), names))
    expected = np.array(maps)[..., 0] if channels == 1 else np.array(maps)
    assert_array_equal(np.load(tmp_path / "maps.npy"), expected)
    with np.load(tmp_path / "maps.npz") as arrays:
        assert list(arrays) == names
        for name, array in zip(names, expected, strict=True):
            assert_array_equal(arrays[name], array)
    with tifffile.TiffFile(tmp_path / "maps.tiff") as pages:
        assert pages.is_imagej
        assert pages.series[0].axes == ("CYX" if channels == 1 else "ZCYX")
        assert_array_equal(pages.asarray(), expected if channels == 1 else np.moveaxis(expected, 3, 1))
        labels = pages.imagej_metadata["Labels"]
        assert labels == (names if channels == 1 else [f"{name} {c}" for name in names for c in "RGB"])


def test_one_map_is_a_stack_of_one(tmp_path):
    """N = 1 has no special shape, and the file can be read again."""
    grey = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    with (tmp_path / "m.npy").open("wb") as file:
        write_maps(file, [[grey]], MapStorage(format_named("npy"), ["k"]))
    assert np.load(tmp_path / "m.npy").shape == (1, 3, 4)
    colour = np.zeros((3, 4, 3), np.float32)
    with (tmp_path / "c.npy").open("wb") as file:
        write_maps(file, [[colour]], MapStorage(format_named("npy"), ["k"]))
    assert read_image(tmp_path / "c.npy").pixels.shape == (3, 4, 3)


def test_maps_of_different_sizes_stack_only_in_npz(tmp_path):
    """The error gives every size."""
    maps = [np.zeros((3, 4, 1), np.float32), np.zeros((2, 3, 1), np.float32)]
    for name in ("npy", "tiff"):
        with pytest.raises(ArgumentError, match="a 3 x 4 x 1, b 2 x 3 x 1; write .npz"):
            write_maps(io.BytesIO(), [maps], MapStorage(format_named(name), ["a", "b"]))
    write_maps(io.BytesIO(), [maps], MapStorage(format_named("npz"), ["a", "b"]))


@pytest.mark.parametrize("name", ["npy", "npz", "tiff"])
def test_frames_whose_maps_differ_do_not_stack(name):
    """The error names both frames and a remedy. float32 and float64 stack in TIFF, which stores all as float32."""
    frames = [[np.zeros((3, 4, 1), np.float32)] * 2, [np.zeros((3, 4, 1), np.float64)] * 2, [np.zeros((2, 3, 1))] * 2]
    storage, remedy = MapStorage(format_named(name), ["a", "b"], Series(2)), r"write each frame to a file, with \{frame\}"
    shapes = f"maps of different shapes .* frame 0 gives 3 x 4 x 1, 3 x 4 x 1, frame 1 2 x 3 x 1, 2 x 3 x 1; {remedy}"
    with pytest.raises(ArgumentError, match=shapes):
        write_maps(io.BytesIO(), [frames[0], frames[2]], storage)
    if name == "tiff":
        write_maps(io.BytesIO(), frames[:2], storage)
        return
    with pytest.raises(ArgumentError, match=f"maps of different dtypes .* frame 0 gives float32, frame 1 float64; {remedy}"):
        write_maps(io.BytesIO(), frames[:2], storage)


def test_atomic_writes_make_folders_and_keep_permissions(tmp_path):
    """A new file has the permissions of the umask, an existing file keeps its own."""
    path = tmp_path / "a" / "b" / "c.bin"
    with write_atomically(path) as file:
        file.write(b"new")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o600)
    with write_atomically(path) as file:
        file.write(b"newer")
    assert path.read_bytes() == b"newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    """An exception of any kind leaves the old file, and no other file."""
    path = tmp_path / "old.bin"
    path.write_bytes(b"old")

    def fail(error):
        with write_atomically(path) as file:
            file.write(b"half")
            raise error

    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            fail(error)
    with pytest.raises(OutputError, match="old.bin: cannot be written: disk on fire"):
        fail(OSError(5, "disk on fire"))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_writes_follow_links_and_write_to_devices(tmp_path):
    """A link stays a link; /dev/null stays a device."""
    target, link = tmp_path / "target.bin", tmp_path / "link.bin"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with write_atomically(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    with write_atomically(tmp_path.joinpath("/dev/null")) as file:
        file.write(b"gone")


@pytest.mark.parametrize("name", ["tiff", "npy", "npz"])
def test_stacks_are_written_to_devices(run, tmp_path, name):
    """Though encoders of stacks go back in their files, which a device does not."""
    np.save(tmp_path / "frame.npy", np.zeros((8, 9), np.uint8))
    np.save(tmp_path / "frames.npy", np.zeros((3, 8, 9), np.uint8))
    for options in (("-k", "blur"), ("-k", "blur", "-k", "average")):
        for source in (("frame.npy",), ("frames.npy", "--axes", "ZYX")):
            assert run("apply", tmp_path / source[0], *source[1:], *options, "--format", name, "-o", "/dev/null").status == 0


@pytest.mark.parametrize("count", [1, 2])
def test_errors_of_encoders_of_stacks_are_one_line(count, monkeypatch):
    """Whatever they raise; an interrupt is none."""
    raised = []

    def fail(*_):
        raise raised[-1]

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", fail)
    for error, expected in ((struct.error("too many"), OutputError), (Stopped(), Stopped), (OSError(28, "full"), OSError)):
        raised.append(error)
        frames = [[np.zeros((4, 5, 1))]] * count
        with pytest.raises(expected) as caught:
            write_maps(io.BytesIO(), frames, MapStorage(format_named("npy"), ["a"], Series(count)))
        if expected is OutputError:
            assert str(caught.value).endswith("5 x 4 with its metadata cannot be encoded as npy: too many")


@pytest.mark.parametrize("name", ["file/x.png", ".", "no\0name", "x" * 300, "loop/x.png", "loop"])
def test_writes_to_impossible_paths_are_refused(tmp_path, name):
    """A file as a folder, a folder as a file, and invalid names."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match="cannot be written"), write_atomically(tmp_path / name) as file:
        file.write(b"x")


@pytest.mark.parametrize(("path", "name"), [("a.PNG", "png"), ("x/y.jpeg", "jpeg"), ("a.b.tif", "tiff"), ("a.npz", "npz")])
def test_suffixes_name_the_format(path, name):
    """In upper or lower case."""
    assert format_of(path).name == name


@pytest.mark.parametrize("path", ["a", "a.ico", ".png", "a.png/b", ""])
def test_unknown_suffixes_are_refused(path):
    """The error lists the known ones."""
    with pytest.raises(
        ArgumentError, match="use one of .png .jpg .tif .webp .avif .jp2 .jxl .bmp .gif .ppm .npy .npz, or --format"
    ):
        format_of(path)


def test_formats_are_found_by_name_or_suffix():
    """Formats are found by name or suffix; the error suggests the nearest name."""
    assert {format_named(suffix[1:]).name for file_format in FORMATS for suffix in file_format.suffixes} == {
        file_format.name
        for file_format in FORMATS
        if file_format.name not in ("hdr", "heic", "exr", "ico")  # which are only read
    }
    with pytest.raises(ArgumentError, match=r"format 'pgn' is unknown; there are .*did you mean 'p"):
        format_named("pgn")


@pytest.mark.parametrize("arguments", [["-o", "b.pgm"], ["--format", "pgm", "-o", "out/"]])
def test_colour_is_refused_in_pgm(run, tmp_path, monkeypatch, arguments):
    """Before it is computed, with the remedy, which works; grey is P5."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (5, 4), (9, 8, 7)).save("a.png")
    result = run("apply", "a.png", "-k", "1", *arguments)
    assert (result.status, list(tmp_path.rglob("*.p[gp]m"))) == (1, [])
    assert ".pgm holds grey alone, and the map has colour; write .ppm, or use --channels gray" in result.err
    assert run("apply", "a.png", "-k", "1", *arguments, "-n").status == 1
    assert run("apply", "a.png", "-k", "1", *arguments, "--channels", "gray").status == 0
    (output,) = tmp_path.rglob("*.pgm")
    assert output.read_bytes().startswith(b"P5")
    assert run("apply", "a.png", "-k", "1", "-o", "b.pnm").status == 0
    assert (tmp_path / "b.pnm").read_bytes().startswith(b"P6")
