"""TIFF as it is written: compressions, strips, and what readers of other projects make of it."""

import io
import itertools

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.errors import OutputError
from convcli.images.encoding import TIFF_COMPRESSIONS, Encoding
from convcli.images.formats import format_named
from convcli.images.image import Image, Metadata
from convcli.images.read import read_image
from pictures import encode

ORDERS = {"<": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", ">": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}
NUMBERS = {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}


def encoded(pixels, white, compression=None, alpha=None, exif=None):
    """The bytes of a TIFF file."""
    image = Image(pixels, white, alpha, metadata=Metadata(exif=exif))
    return encode(image, format_named("tiff"), Encoding(compression=compression))


def compression_of(path):
    """The number of the compression of a file."""
    with tifffile.TiffFile(path) as file:
        return int(file.pages[0].compression)


@pytest.mark.parametrize(("name", "white"), list(itertools.product(TIFF_COMPRESSIONS, (255, 65535))))
def test_every_compression_is_lossless_for_other_readers(name, white, rng):
    """tifffile and libtiff read the levels, in both byte orders, in one strip and in many, with and without alpha."""
    dtype = np.uint8 if white == 255 else np.uint16
    cases = itertools.product(ORDERS, (1, 3), (False, True), ((1, 1), (7, 5), (300, 211)))
    for order, channels, has_alpha, shape in cases:
        smooth = np.add.outer(np.arange(shape[0]), np.arange(shape[1]))[:, :, None] * 37
        pixels = ((smooth + rng.integers(0, 50, (*shape, channels))) % (white + 1)).astype(dtype)
        alpha = rng.integers(0, white + 1, shape).astype(dtype) if has_alpha else None
        data = encoded(pixels, white, name, alpha, ORDERS[order])
        levels = pixels if alpha is None else np.dstack([pixels, alpha])
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            assert (file.byteorder, page.compression, page.predictor) == (order, NUMBERS[name], 1 if name == "none" else 2)
            assert_array_equal(np.atleast_3d(page.asarray()).reshape(levels.shape), levels)
            strip_bytes = page.rowsperstrip * levels[0].nbytes
            assert page.rowsperstrip == shape[0] if name == "none" or levels.nbytes <= 1 << 17 else strip_bytes <= 1 << 17
        assert_array_equal(imagecodecs.tiff_decode(data).reshape(levels.shape), levels)
        again = read_image(None, io.BytesIO(data))
        assert again.compression.options == {"compression": name}
        assert_array_equal(again.pixels, pixels)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("none", 1), ("lzw", 5), ("deflate", 8), ("zstd", 50000), ("packbits", 8), ("jpeg", 8), ("lzma", 8), ("lerc", 8)],
)
def test_a_tiff_is_compressed_as_its_input(run, tmp_path, source, expected):
    """Compressions that are not written become deflate; --compression overrides both."""
    path, out = tmp_path / "a.tif", tmp_path / "b.tif"
    levels = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    tifffile.imwrite(path, levels, compression=None if source == "none" else source)
    run("apply", path, "-k", "1", "-o", out)
    assert compression_of(out) == expected
    assert_array_equal(tifffile.imread(out), levels)
    run("apply", path, "-k", "1", "-o", out, "--compression", "lzw")
    assert compression_of(out) == 5


def test_other_formats_become_deflate(run, samples, tmp_path, monkeypatch):
    """A photograph takes less than 70 % of its levels; the bytes are the same each time, and other with another option."""
    for name in ("a.tif", "b.tif"):
        assert run("apply", samples / "chelsea.png", "-k", "1", "-o", tmp_path / name).status == 0
    data = (tmp_path / "a.tif").read_bytes()
    assert (tmp_path / "b.tif").read_bytes() == data
    assert compression_of(tmp_path / "a.tif") == 8
    assert len(data) < 0.7 * tifffile.imread(tmp_path / "a.tif").nbytes
    written = []
    for options in ([], ["--compression", "zstd"], ["--compression", "zstd"], ["--compression", "none"]):
        out = ["-o", tmp_path / "c.tif", "--skip-existing", *options]
        written.append(" min " in run("apply", samples / "chelsea.png", "-k", "1", *out).err)
    assert written == [True, True, False, True]
    monkeypatch.setenv("CONVCLI_COMPRESSION", "lzw")
    run("apply", samples / "chelsea.png", "-k", "1", "-o", tmp_path / "d.tif")
    monkeypatch.delenv("CONVCLI_COMPRESSION")
    (tmp_path / "k.toml").write_text('[defaults]\ncompression = "zstd"\n')
    config = ["-k", "1", "--config", tmp_path / "k.toml"]
    run("apply", samples / "chelsea.png", *config, "-o", tmp_path / "e.tif")
    assert [compression_of(tmp_path / name) for name in ("d.tif", "e.tif")] == [5, 50000]
    for command in (["apply", samples / "chelsea.png", "-o", tmp_path / "e.png"], ["at", "0,0", samples / "chelsea.png"]):
        assert run(*command, *config).status == 0  # the default is for TIFF


@pytest.mark.parametrize("shape", [(64, 80), (200, 300, 3)])
def test_noise_is_not_compressed(run, rng, tmp_path, shape):
    """Deflate would make it larger; a picture whose first quarter is black is compressed, and what is asked for."""
    noise = rng.integers(0, 256, shape, dtype=np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "a.tif").status == 0
    assert compression_of(tmp_path / "a.tif") == NUMBERS["none"]
    assert run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "b.tif", "--compression", "deflate").status == 0
    assert compression_of(tmp_path / "b.tif") == NUMBERS["deflate"]
    noise[: shape[0] // 4] = 0
    PIL.Image.fromarray(noise).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", "1", "-o", tmp_path / "c.tif").status == 0
    assert compression_of(tmp_path / "c.tif") == NUMBERS["deflate"]


def test_black_and_white_stays_small(tmp_path, samples, run):
    """A picture of CCITT group 4 becomes grey, which deflate stores in less than a tenth of its levels."""
    picture = PIL.Image.open(samples / "horse.png").convert("1").resize((800, 600))
    picture.save(tmp_path / "a.tif", compression="group4")
    run("apply", tmp_path / "a.tif", "-k", "1", "-o", tmp_path / "b.tif")
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), np.asarray(picture) * np.uint8(255))
    assert (tmp_path / "b.tif").stat().st_size < 480_000 / 10


def test_the_compression_of_other_formats_is_refused(run, samples, tmp_path):
    """Only where no output is TIFF."""
    result = run("apply", samples / "chelsea.png", "-k", "1", "-o", tmp_path / "a.png", "--compression", "lzw")
    assert (result.status, len(list(tmp_path.iterdir()))) == (2, 0)
    assert "--compression does not apply: it is that of TIFF, and the output is png" in result.err


@pytest.mark.parametrize(
    ("option", "name", "reason"),
    [
        ("--quality", "a.png", "it is that of JPEG, WEBP, AVIF, JP2, JXL, and the output is png"),
        ("--quality", "a.tif", "and the output is tiff"),
        ("--png-level", "a.jpg", "it is that of PNG, and the output is jpeg"),
        ("--png-level", "a.npy", "and the output is npy"),
    ],
)
def test_a_setting_that_no_output_has_is_refused(run, samples, tmp_path, monkeypatch, option, name, reason):
    """One that an output of a batch has is used there."""
    monkeypatch.chdir(tmp_path)
    result = run("apply", samples / "chelsea.png", "-k", "1", "-o", name, option, "5")
    assert (result.status, len(list(tmp_path.iterdir()))) == (2, 0)
    assert f"Error: {option} does not apply: it is that of" in result.err
    assert reason in result.err
    inputs = samples / "horse.png", samples / "rocket.jpg"
    assert run("apply", *inputs, "-k", "1", "--stride", "9", "-o", "out/", option, "5").status == 0


@pytest.mark.parametrize("name", [None, *TIFF_COMPRESSIONS])
@pytest.mark.parametrize("channels", [1, 3])
def test_floats_are_the_same_for_other_readers(name, channels, rng):
    """Bit for bit, in both byte orders, also infinity and NaN; colours are three pages of a hyperstack of ImageJ."""
    pixels = rng.normal(size=(211, 300, channels)).astype(np.float32)
    pixels[0, :3] = [[np.nan], [np.inf], [-0.0]]
    for order in ORDERS:
        image = Image(pixels, None, metadata=Metadata(exif=ORDERS[order], label="a kernel"))
        data = encode(image, format_named("tiff"), Encoding(compression=name))
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page, words = file.pages[0], file.imagej_metadata
            assert (file.byteorder, page.compression) == (order, NUMBERS[name or "none"])
            assert page.predictor == (1 if name in (None, "none") else 3)
            assert_array_equal(np.atleast_3d(np.moveaxis(file.asarray(), 0, -1) if channels == 3 else file.asarray()), pixels)
            assert (words["images"], words["mode"], file.is_imagej) == (channels, "grayscale", True)
            assert words["Labels"] == (["a kernel R", "a kernel G", "a kernel B"] if channels == 3 else "a kernel")
        again = read_image(None, io.BytesIO(data))
        assert again.pixels.tobytes() == pixels.tobytes()
        assert again.notices == ()


def test_several_maps_are_compressed_on_request(run, samples, tmp_path):
    """Without it they are as before, so that ImageJ opens them."""
    arguments = ["apply", samples / "camera.png", "-k", "blur", "-k", "edge", "-o"]
    for name, options, expected in (("a.tif", [], 1), ("b.tif", ["--compression", "zstd"], 50000)):
        assert run(*arguments, tmp_path / name, *options).status == 0
        assert compression_of(tmp_path / name) == expected
    assert_array_equal(tifffile.imread(tmp_path / "a.tif"), tifffile.imread(tmp_path / "b.tif"))


def test_floats_are_compressed_as_floats(run, tmp_path):
    """Not as the levels of their input."""
    levels = np.zeros((8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", levels, compression="lzw")
    tifffile.imwrite(tmp_path / "f.tif", levels.astype(np.float32), compression="lzw")
    for name, expected in (("a.tif", 1), ("f.tif", 5)):
        run("apply", tmp_path / name, "-k", "1", "--depth", "float", "-o", tmp_path / "b.tif")
        assert compression_of(tmp_path / "b.tif") == expected


def test_a_file_of_more_than_4_gib_is_an_error(monkeypatch):
    """Positions have 32 bits; here 1000 bytes are too many."""
    monkeypatch.setattr("convcli.images.codecs.tiff_writer.MAX_LONG", 1000)
    with pytest.raises(OutputError, match=r"64 x 64 .* cannot be encoded as tiff: TIFF holds at most 1000 bytes; write"):
        encoded(np.zeros((64, 64, 1), np.uint8), 255, "none")


@pytest.mark.parametrize("options", [["--depth", "float"], ["--depth", "float", "--compression", "deflate"], []])
def test_skip_existing_knows_a_file_that_was_cut_off(run, samples, tmp_path, options):
    """Of one page and of three; a complete one is kept."""
    for name in ("camera.png", "astronaut.png"):
        out = tmp_path / f"{name}.tif"
        arguments = ["apply", samples / name, "-k", "1", "--stride", "8", "-o", out, "--skip-existing", *options]
        written = [" min " in run(*arguments).err for _ in range(2)]
        data = out.read_bytes()
        out.write_bytes(data[:-10])
        result = run(*arguments, "--overwrite")
        assert (written, out.read_bytes() == data) == ([True, False], True), result.err


TILED = {
    "grey": ("<", np.uint8, 1, {"compression": "zlib", "predictor": True}),
    "deep colour": (">", np.uint16, 3, {"compression": "lzw", "predictor": True}),
    "floats": (">", np.float32, 1, {}),
    "float colour": ("<", np.float32, 3, {"compression": "zstd", "predictor": 3}),
    "bands": ("<", np.uint16, 5, {"planarconfig": "contig"}),
}


@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize("kind", TILED)
@pytest.mark.parametrize("options", [[], ["--compression", "zstd"], ["--depth", "float"]])
def test_tiles_are_kept(run, tmp_path, rng, pages, kind, options):
    """Their size, also with another compression; tifffile reads the samples. A map smaller than a tile has strips."""
    order, dtype, channels, stored = TILED[kind]
    data = rng.integers(0, 256, (pages, 70, 100, channels)).astype(dtype).squeeze(3 if channels == 1 else ())
    stored = {"photometric": "rgb" if channels == 3 else "minisblack", **stored}
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=order) as file:
        for page in data:
            file.write(page, tile=(32, 48), contiguous=False, metadata=None, software=False, **stored)
    arguments = ["apply", tmp_path / "a.tif", "-k", "1", *options]
    assert run(*arguments, "-o", tmp_path / "b.tif").status == 0
    assert run(*arguments, "--stride", "3", "-o", tmp_path / "c.tif").status == 0
    are_floats = dtype == np.float32 or "float" in options
    is_stack = pages > 1 and are_floats
    has_planes = channels == 5 or (channels == 3 and are_floats)
    expected = np.moveaxis(data, 3, 1) if has_planes else data
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tiles = [page.aspage().tile if page.aspage().is_tiled else None for page in file.pages]
        levels = np.stack([page.asarray() for page in file.pages])
    assert tiles == [None if is_stack else (32, 48)] * len(tiles)
    assert_array_equal(levels.reshape(expected.shape), expected)
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert not any(page.aspage().is_tiled for page in file.pages)
