"""Files that other libraries wrote are read exactly, by format, depth, colour and compression."""

import io
import itertools
import struct
import subprocess
import sys
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import png as pypng
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.errors import ImageError
from convcli.images.read import read_image

SIDES = (37, 45)


def ramps(channels, dtype):
    """Smooth levels with some noise, as arrays (H, W, C)."""
    y, x = np.indices(SIDES)
    planes = np.stack([(x * 3 + y * 5) * (c + 2) for c in range(channels)], axis=-1)
    noise = np.random.default_rng(channels).integers(0, 9, planes.shape)
    high = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 60000
    values = (planes + noise) * (1 if np.dtype(dtype).itemsize == 1 else 77) % min(high, 65535)
    return values.astype(dtype)


def read(file):
    """Read what was written to a file in memory."""
    return read_image(None, io.BytesIO(file.getvalue()))


def tiff(levels, **options):
    """The bytes of a TIFF file by tifffile."""
    file = io.BytesIO()
    planar = options.get("planarconfig") == "separate"
    tifffile.imwrite(file, np.moveaxis(levels, 2, 0) if planar else levels.squeeze(), metadata=None, **options)
    return file.getvalue()


KINDS = {
    "grey": (1, {"photometric": "minisblack"}),
    "white is 0": (1, {"photometric": "miniswhite"}),
    "rgb": (3, {"photometric": "rgb"}),
    "grey, alpha": (2, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    "rgba": (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
}
LAYOUTS = ({}, {"tile": (16, 32)}, {"planarconfig": "separate", "rowsperstrip": 8}, {"byteorder": ">", "rowsperstrip": 5})
COMPRESSIONS = [
    *itertools.product((None, "zlib", "lzw", "packbits", "zstd", "lzma"), (None, 2, 3)),
    *(("jpeg2000", None), ("lerc", None), ("webp", None)),
]
TIFFS = [
    (kind, dtype, compression, predictor, LAYOUTS[number % 4])
    for number, (dtype, (compression, predictor), kind) in enumerate(
        itertools.product(("u1", "u2", "i2", "u4", "f2", "f4", "f8"), COMPRESSIONS, KINDS)
    )
    if (predictor == 3) <= (dtype[0] == "f") and (predictor == 2) <= (dtype[0] in "ui") and (compression or not predictor)
    if dtype in {"webp": ("u1",), "jpeg2000": ("u1", "u2"), "lerc": ("u1", "u2", "f4", "f8")}.get(compression, (dtype,))
    if not (compression == "webp" and kind not in ("rgb", "rgba")) and not (kind == "white is 0" and dtype not in ("u1", "u2"))
    if not (compression == "lerc" and "alpha" in kind)
]
"""Six sample types by compressions and predictors by colours; the four layouts alternate."""


def check_tiff(kind, dtype, compression, predictor, layout):
    """Compare what is read with what was written."""
    channels, options = KINDS[kind]
    levels = ramps(channels, dtype)
    layout = {key: value for key, value in layout.items() if key != "planarconfig" or (channels > 1 and compression != "webp")}
    if compression in ("jpeg2000", "lerc"):  # tifffile encodes them in the byte order of the processor alone
        layout = {key: value for key, value in layout.items() if key != "byteorder"}
    data = tiff(levels, compression=compression, predictor=predictor, **options, **layout,
                **({"compressionargs": {"lossless": True, "level": 0} if compression == "webp" else {"level": 0}}
                   if compression in ("webp", "jpeg2000") else {}))  # fmt: skip
    image = read_image(None, io.BytesIO(data))
    colours = 3 if channels > 2 else 1
    expected = levels[:, :, :colours]
    assert_array_equal(image.pixels, np.iinfo(dtype).max - expected if kind == "white is 0" else expected)
    assert (image.alpha is None) == (channels == colours)
    if image.alpha is not None:
        assert_array_equal(image.alpha, levels[:, :, colours])
    assert image.white == {"u1": 255, "u2": 65535}.get(dtype)
    assert image.notices == ()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f2", "f4", "f8"])
def test_tiff_of_every_compression_is_read_exactly(dtype, capfd):
    """Predictors, tiles, strips, planes and byte orders; no library prints. Pillow reads a third of these wrongly."""
    cases = [case for case in TIFFS if case[1] == dtype]
    assert len(cases) >= 12
    for case in cases:
        try:
            check_tiff(*case)
        except AssertionError as error:
            raise AssertionError(f"{case}: {error}") from None
    assert capfd.readouterr() == ("", "")


def test_jpeg_in_tiff_equals_the_decoder_of_pillow():
    """With colours at half resolution, and in tiles."""
    levels = ramps(3, np.uint8)
    for options in ({"rowsperstrip": 16}, {"tile": (16, 16)}):
        data = tiff(
            levels, photometric="rgb", compression="jpeg", compressionargs={"level": 90, "subsampling": "420"}, **options
        )
        assert_array_equal(read_image(None, io.BytesIO(data)).pixels, np.asarray(PIL.Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_compressions_are_read(compression):
    """The decoder of libtiff gives the expected bits."""
    bits = ramps(1, np.uint8)[:, :, 0] > 99
    file = io.BytesIO()
    PIL.Image.fromarray(bits).save(file, "TIFF", compression=compression)
    assert_array_equal(read(file).pixels[:, :, 0], np.where(bits, 255, 0))


def test_chroma_of_half_resolution_without_jpeg_is_read(capfd):
    """Two by two pixels: four Y, one Cb, one Cr. Grey has Cb and Cr 128 (TIFF 6.0, section 21)."""
    values = np.arange(16, dtype=np.uint8).reshape(4, 4) * 15
    blocks = [bytes([*values[y : y + 2, x : x + 2].ravel(), 128, 128]) for y in (0, 2) for x in (0, 2)]
    data = b"".join(blocks)
    tags = [(256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 6), (273, 4, 1, 140),
            (277, 3, 1, 3), (278, 3, 1, 4), (279, 4, 1, len(data)), (530, 3, 2, 2 | 2 << 16)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    file = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    file = file.ljust(134, b"\0") + struct.pack("<3H", 8, 8, 8) + data
    image = read_image(None, io.BytesIO(file))
    assert_array_equal(image.pixels, np.repeat(values[:, :, None], 3, axis=2))
    assert capfd.readouterr() == ("", "")


def test_twelve_bits_become_sixteen():
    """4095 is white. The samples are packed by imagecodecs."""
    levels = np.array([[0, 1, 2048, 4095]], np.uint16)
    file = io.BytesIO()
    packed = bytes(imagecodecs.packints_encode(levels, 12))
    tags = [(256, 3, 1, 4), (257, 3, 1, 1), (258, 3, 1, 12), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 122), (277, 3, 1, 1),
            (278, 3, 1, 1), (279, 4, 1, len(packed))]  # fmt: skip
    file = io.BytesIO(
        b"MM\0*" + struct.pack(">IH", 8, 9)
        + b"".join(struct.pack(">HHIHH" if kind == 3 else ">HHII", tag, kind, count, *([value, 0] if kind == 3 else [value]))
                   for tag, kind, count, value in tags)
        + bytes(4) + packed
    )  # fmt: skip
    assert read(file).pixels.ravel().tolist() == [0, 16, 32776, 65535]


def test_palettes_and_cmyk_of_16_bits_become_rgb():
    """The high byte; (1 - ink) (1 - black)."""
    indices = ramps(1, np.uint8)
    table = np.random.default_rng(3).integers(0, 65536, (3, 256)).astype(np.uint16)
    image = read_image(None, io.BytesIO(tiff(indices, photometric="palette", colormap=table, compression="lzw")))
    assert_array_equal(image.pixels, (table >> 8).T[indices[:, :, 0]])
    inks = ramps(4, np.uint16)
    image = read_image(None, io.BytesIO(tiff(inks, photometric="separated", compression="zlib")))
    paper = 1 - inks.astype(np.float64) / 65535
    assert np.abs(image.pixels - 65535 * paper[:, :, :3] * paper[:, :, 3:]).max() <= 0.5 + 1e-6
    assert image.notices == ("is CMYK; converted to RGB",)


LAB_OF_SRGB = {
    (1, 1, 1): (100, 0, 0),
    (1, 0, 0): (54.29054, 80.80492, 69.89098),
    (0, 1, 0): (87.81854, -79.27108, 80.99459),
    (0, 0, 1): (29.56829, 68.28741, -112.02971),
    (0, 0, 0): (0, 0, 0),
}
"""L*a*b* of white, red, green, blue and black, with white D50: https://www.w3.org/TR/css-color-4/."""


@pytest.mark.parametrize(("kind", "highest", "offset"), [("cielab", 65535, 0), ("icclab", 65280, 128)])
def test_lab_of_16_bits_becomes_srgb(kind, highest, offset):
    """Published values, within 0.3 % of white."""
    lab = np.array(list(LAB_OF_SRGB.values()))
    stored = np.rint(np.column_stack([lab[:, 0] * highest / 100, (lab[:, 1:] + offset) * 256])).astype(np.int64)
    image = read_image(None, io.BytesIO(tiff((stored % 65536).astype(np.uint16)[None], photometric=kind)))
    assert np.abs(image.pixels[0] / 65535 - np.array(list(LAB_OF_SRGB))).max() < 3e-3


def test_lab_of_8_bits_is_converted_as_pillow_does():
    """CIELAB stores signed a* and b*, ICCLAB adds 128."""
    lab = ramps(3, np.uint8)
    expected = np.asarray(PIL.Image.frombytes("LAB", SIDES[::-1], lab.tobytes()).convert("RGB"))
    for kind, levels in (("cielab", lab), ("icclab", lab ^ np.array([0, 128, 128], np.uint8))):
        assert_array_equal(read_image(None, io.BytesIO(tiff(levels, photometric=kind))).pixels, expected)


PNG_KINDS = {"rgb": (3, False), "la": (2, True), "rgba": (4, True)}


@pytest.mark.parametrize("kind", PNG_KINDS)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("sides", [SIDES, (1, 1), (3, 2), (5, 9)])
def test_16_bit_png_is_read_exactly(kind, interlaced, sides, capfd):
    """Interlaced too, as pypng writes it."""
    channels, alpha = PNG_KINDS[kind]
    levels = ramps(channels, np.uint16)[: sides[0], : sides[1]]
    file = io.BytesIO()
    writer = pypng.Writer(sides[1], sides[0], greyscale=channels < 3, alpha=alpha, bitdepth=16, interlace=interlaced)
    writer.write(file, levels.reshape(sides[0], -1).tolist())
    image = read(file)
    colours = channels - alpha
    assert_array_equal(image.pixels, levels[:, :, :colours])
    assert_array_equal(image.alpha, levels[:, :, colours] if alpha else None)
    assert (image.white, image.format, image.notices) == (65535, "PNG", ())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("surplus", ["rows", "bytes"])
def test_surplus_data_of_16_bit_png_are_ignored_silently(surplus, tmp_path):
    """In another process, as pytest takes what imagecodecs logs: a library without a handler prints."""
    levels = ramps(3, np.uint16)
    scanlines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    data = zlib.compress(scanlines + bytes(1000)) if surplus == "rows" else zlib.compress(scanlines) + b"more"
    header = struct.pack(">IIBBBBB", SIDES[1], SIDES[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    packed = [struct.pack(">I4s", len(part), name) + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in chunks]
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    script = f"from pathlib import Path; from convcli.images.read import read_image; read_image(Path({str(path)!r}))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stderr == b""
    assert_array_equal(read_image(path).pixels, levels)


@pytest.mark.parametrize("interlaced", [False, True])
def test_the_transparent_colour_of_16_bit_png_becomes_alpha(interlaced):
    """Only where all 16 bits of the three samples are equal."""
    levels = ramps(3, np.uint16)
    levels[3, 4] = levels[7, 7] = (1000, 2000, 3000)
    levels[5, 5] = (1000, 2000, 3001)
    file = io.BytesIO()
    writer = pypng.Writer(*SIDES[::-1], greyscale=False, bitdepth=16, interlace=interlaced, transparent=(1000, 2000, 3000))
    writer.write(file, levels.reshape(SIDES[0], -1).tolist())
    image = read(file)
    expected = np.full(SIDES, 65535)
    expected[3, 4] = expected[7, 7] = 0
    assert_array_equal(image.alpha, expected)
    assert_array_equal(image.pixels, levels)


def test_16_bit_ppm_and_pam_are_read_exactly():
    """Binary and text; levels up to 1023 are scaled so that this is white."""
    levels = ramps(4, np.uint16)
    colour, big = np.ascontiguousarray(levels[:, :, :3]), levels.astype(">u2").tobytes()
    size = b"%d %d" % SIDES[::-1]
    binary = b"P6 " + size + b" # a comment\n65535\n" + colour.astype(">u2").tobytes()
    text = b"P3\n" + size + b"\n65535\n" + b"\n".join(b"%d # x" % v for v in colour.ravel())
    pam = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 65535\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % SIDES[::-1] + big
    for data in (binary, text, pam):
        image = read_image(None, io.BytesIO(data))
        assert_array_equal(image.pixels, colour)
        assert image.white == 65535
    assert_array_equal(image.alpha, levels[:, :, 3])
    ten_bits = read_image(None, io.BytesIO(b"P6 2 1 1023\n" + np.array([0, 1, 2, 511, 512, 1023], ">u2").tobytes()))
    assert ten_bits.pixels.ravel().tolist() == [0, 64, 128, 32735, 32800, 65535]  # round(v * 65535 / 1023)
    grey = read_image(None, io.BytesIO(b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n\0\1"))
    assert grey.pixels.ravel().tolist() == [0, 255]


@pytest.mark.parametrize("mode", ["composite", "grayscale"])
def test_planes_that_the_file_calls_colours_are_colours(mode):
    """ImageJ's mode composite, or labels that end with R, G and B; three maps of other names are three channels too."""
    levels = np.moveaxis(ramps(3, np.float32), 2, 0)
    for labels in (["a kernel R", "a kernel G", "a kernel B"], ["sobel-x", "sobel-y", "blur"]):
        file = io.BytesIO()
        tifffile.imwrite(file, levels, imagej=True, metadata={"axes": "CYX", "Labels": labels, "mode": mode})
        image = read(file)
        assert_array_equal(image.pixels, np.moveaxis(levels, 0, 2))
        assert image.notices == ()


def test_identity_gives_every_sample_of_every_file(run, tmp_path):
    """60 files in one batch, through the command."""
    (tmp_path / "in").mkdir()
    expected = {}
    for number, (kind, dtype, compression, predictor, layout) in enumerate(
        case for case in TIFFS if case[1] in ("u1", "u2") and case[2] not in ("webp", "jpeg2000") and case[0] != "white is 0"
    ):
        channels, options = KINDS[kind]
        layout = {key: value for key, value in layout.items() if key != "planarconfig" or channels > 1}
        expected[f"{number}"] = ramps(channels, dtype)
        data = tiff(expected[f"{number}"], compression=compression, predictor=predictor, **options, **layout)
        (tmp_path / "in" / f"{number}.tif").write_bytes(data)
    for name, channels in (("rgb", 3), ("la", 2), ("rgba", 4)):
        expected[name] = ramps(channels, np.uint16)
        (tmp_path / "in" / f"{name}.png").write_bytes(imagecodecs.png_encode(expected[name]))
    assert len(expected) >= 60
    result = run("apply", tmp_path / "in", "-k", "1", "-o", f"{tmp_path}/out/{{stem}}.png", "-q")
    assert result.status == 0, result.err
    for name, levels in expected.items():
        colours = levels.shape[2] - (levels.shape[2] in (2, 4))
        width, height, rows, info = pypng.Reader(bytes=(tmp_path / "out" / f"{name}.png").read_bytes()).asDirect()
        written = np.array([list(row) for row in rows]).reshape(height, width, info["planes"])
        assert info["bitdepth"] == 8 * levels.itemsize
        visible = np.ones(SIDES, bool) if colours == levels.shape[2] else levels[:, :, colours] > 0
        assert_array_equal(written[visible], levels[visible], err_msg=name)


@pytest.mark.parametrize("further", ["deflate", "zstd"])
def test_lerc_that_is_compressed_again(further):
    """LERC data may be compressed with deflate or ZSTD."""
    levels = ramps(1, np.uint8)
    data = tiff(levels, compression="lerc", compressionargs={"compression": further})
    assert_array_equal(read(io.BytesIO(data)).pixels, levels)


def test_lerc_in_deflate_of_a_lying_size():
    """The decoder would allocate the size that the data state."""
    data = tiff(ramps(1, np.uint8), compression="lerc", compressionargs={"compression": "deflate"})
    with tifffile.TiffFile(io.BytesIO(data)) as pages:
        begin, count = pages.pages[0].dataoffsets[0], pages.pages[0].databytecounts[0]
    blob = bytearray(imagecodecs.zlib_decode(data[begin : begin + count]))
    blob[14:22] = struct.pack("<ii", 60_000, 60_000)
    lying = imagecodecs.zlib_encode(bytes(blob))[:count].ljust(count, b"\0")
    with pytest.raises(ImageError, match="a strip or tile of its TIFF pixels is larger than it says"):
        read(io.BytesIO(data[:begin] + lying + data[begin + count :]))
