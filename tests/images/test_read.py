"""Pictures of every format are read exactly, and bad files are refused in one line."""

import contextlib
import io
import os
import struct
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.errors import ImageError
from convcli.images.chunks import png_chunk
from convcli.images.read import read_image


def encoded(picture, kind, **options):
    """Encode a Pillow picture."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def read(data):
    """Read bytes as standard input is read."""
    return read_image(None, io.BytesIO(data))


@pytest.fixture
def colours(rng):
    """An array of 5 x 7 RGB."""
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "PPM"])
def test_lossless_formats_give_the_pixels(kind, colours):
    """Colour samples as stored."""
    image = read(encoded(PIL.Image.fromarray(colours), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert_array_equal(image.pixels, colours)
    assert (image.white, image.alpha, image.format) == (255, None, kind)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_grey_has_one_channel(kind, colours):
    """In all formats but GIF, whose palette is converted to colour."""
    grey = colours[:, :, 0]
    image = read(encoded(PIL.Image.fromarray(grey), kind))
    assert image.pixels.shape == ((5, 7, 1) if kind != "GIF" else image.pixels.shape)
    assert_array_equal(image.pixels[:, :, 0], grey)


def test_jpeg_equals_pillow(colours):
    """The samples equal those of Pillow's decoder."""
    data = encoded(PIL.Image.fromarray(colours), "JPEG")
    assert_array_equal(read(data).pixels, np.asarray(PIL.Image.open(io.BytesIO(data))))


def test_one_bit_becomes_black_and_white(colours):
    """The samples are 0 and 255."""
    bits = colours[:, :, 0] > 127
    image = read(encoded(PIL.Image.fromarray(bits), "PNG"))
    assert_array_equal(image.pixels[:, :, 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_depths_are_widened(bits):
    """Grey PNG of 1, 2 and 4 bits is scaled to 0..255."""
    levels = np.arange(2**bits, dtype=np.uint8)
    row = np.packbits(np.unpackbits(levels[:, None], axis=1)[:, -bits:])
    data = png(len(levels), 1, bits, 0, b"\0" + row.tobytes())
    assert_array_equal(read(data).pixels.ravel(), levels * (255 // (2**bits - 1)))


def png(width, height, depth, colour, scanlines, extra=b""):
    """Assemble a PNG file."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(scanlines)) + chunk(b"IEND", b"")
    )


def test_palettes_become_colour(colours):
    """A picture with a palette is read as RGB, not as indices."""
    picture = PIL.Image.fromarray(colours).quantize(8)
    image = read(encoded(picture, "PNG"))
    assert_array_equal(image.pixels, np.asarray(picture.convert("RGB")))
    assert image.alpha is None


def test_transparent_palette_entries_become_alpha(colours):
    """The tRNS chunk of a palette."""
    picture = PIL.Image.fromarray(colours).quantize(4)
    image = read(encoded(picture, "PNG", transparency=0))
    assert_array_equal(image.alpha == 0, np.asarray(picture) == 0)


def test_transparent_level_becomes_alpha():
    """The tRNS chunk of grey, 8 and 16 bits."""
    picture = PIL.Image.fromarray(np.array([[0, 7, 9]], np.uint8))
    image = read(encoded(picture, "PNG", transparency=7))
    assert image.pixels.ravel().tolist() == [0, 7, 9]
    assert image.alpha.ravel().tolist() == [255, 0, 255]
    deep = PIL.Image.fromarray(np.array([[0, 7000, 9]], np.uint16))
    image = read(encoded(deep, "PNG", transparency=7000))
    assert image.alpha.ravel().tolist() == [65535, 0, 65535]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_apart(kind, mode, rng):
    """Colours are not premultiplied, and alpha is an array of its own."""
    levels = rng.integers(1, 256, (4, 6, 4), dtype=np.uint8)
    if mode == "LA":
        levels[:, :, 1] = levels[:, :, 2] = levels[:, :, 0]
    data = encoded(PIL.Image.fromarray(levels).convert(mode), kind, **({"lossless": True} if kind == "WEBP" else {}))
    image = read(data)
    assert_array_equal(image.alpha, levels[:, :, 3])
    assert_array_equal(image.pixels[:, :, 0], levels[:, :, 0])
    assert image.pixels.shape[2] == (1 if mode == "LA" and kind != "WEBP" else 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_stays_16_bit(kind, rng):
    """All 65,536 levels are kept."""
    levels = rng.integers(0, 65536, (5, 7)).astype(np.uint16)
    image = read(encoded(PIL.Image.fromarray(levels), kind))
    assert image.pixels.dtype == np.uint16
    assert image.white == 65535
    assert_array_equal(image.pixels[:, :, 0], levels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_both_byte_orders_is_read(order, rng):
    """16-bit grey and colour in both byte orders."""
    for shape in ((5, 7), (5, 7, 3)):
        levels = rng.integers(0, 65536, shape).astype(np.uint16)
        file = io.BytesIO()
        tifffile.imwrite(file, levels, byteorder=order, photometric="rgb" if len(shape) == 3 else "minisblack")
        image = read(file.getvalue())
        assert image.pixels.dtype == np.uint16
        assert image.pixels.dtype.isnative
        assert_array_equal(np.squeeze(image.pixels), levels)


TIFF_KINDS = [
    ((5, 7), np.float32, None, np.float32),
    ((5, 7), np.float64, None, np.float64),
    ((5, 7), np.float16, None, np.float32),
    ((5, 7), np.int16, None, np.float32),
    ((5, 7), np.int8, None, np.float32),
    ((5, 7), np.uint32, None, np.float64),
    ((5, 7, 3), np.uint16, 65535, np.uint16),
    ((5, 7, 3), np.float32, None, np.float32),
    ((5, 7, 3), np.uint32, None, np.float64),
]


@pytest.mark.parametrize(("shape", "stored", "white", "expected_dtype"), TIFF_KINDS)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_deep_tiff_is_read_in_full(shape, stored, white, expected_dtype, compression, rng):
    """No bit is lost, and float samples have no white level."""
    samples = rng.integers(-100 if np.dtype(stored).kind in "if" else 0, 30000, shape).astype(stored)
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric="rgb" if len(shape) == 3 else "minisblack", compression=compression)
    image = read(file.getvalue())
    assert image.pixels.dtype == expected_dtype
    assert image.white == white
    assert_array_equal(np.squeeze(image.pixels), samples, strict=False)


def test_planar_and_min_is_white_tiff_are_read(rng):
    """Separate planes; white as 0, which is refused for floats."""
    levels = rng.integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, np.moveaxis(levels, 2, 0), photometric="rgb", planarconfig="separate")
    assert_array_equal(read(file.getvalue()).pixels, levels)
    file = io.BytesIO()
    tifffile.imwrite(file, levels[:, :, 0], photometric="miniswhite")
    assert_array_equal(read(file.getvalue()).pixels[:, :, 0], 65535 - levels[:, :, 0])
    file = io.BytesIO()
    tifffile.imwrite(file, levels[:, :, 0].astype(np.float32), photometric="miniswhite")
    with pytest.raises(ImageError, match="real numbers with white as 0, which is not read"):
        read(file.getvalue())


def test_both_kinds_of_alpha_in_16_bit_tiff_are_read():
    """Colours with associated alpha are divided by it; with unassociated alpha they are kept."""
    colour, alpha = np.full((1, 2, 3), 10000, np.uint16), np.array([[20000, 0]], np.uint16)
    for kind, expected in (("unassalpha", 10000), ("assocalpha", 32768)):
        file = io.BytesIO()
        tifffile.imwrite(file, np.dstack([colour, alpha]), photometric="rgb", extrasamples=[kind])
        image = read(file.getvalue())
        assert_array_equal(image.alpha, alpha)
        assert abs(int(image.pixels[0, 0, 0]) - expected) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "deep TIFF"])
def test_orientation_is_applied(orientation, kind):
    """The four corners are where a viewer shows them, and the tag is 1 or missing."""
    stored = np.zeros((16, 32), np.uint8)
    stored[:8, :16], stored[:8, 16:], stored[8:, :16], stored[8:, 16:] = 40, 100, 160, 220
    if kind == "deep TIFF":
        file = io.BytesIO()
        deep = np.repeat(stored[:, :, None].astype(np.uint16) * 257, 3, axis=2)
        tifffile.imwrite(file, deep, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
        data = file.getvalue()
    else:
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
        data = encoded(PIL.Image.fromarray(stored).convert("RGB"), kind, exif=exif, **options)
    image = read(data)
    corners = image.pixels[[2, 2, -3, -3], [2, -3, 2, -3], 0].astype(float) * 255 / image.white
    # EXIF 2.3, tag 0x0112: the side on which row 0 and column 0 of the stored pixels are shown.
    expected = {
        1: (40, 100, 160, 220),
        2: (100, 40, 220, 160),
        3: (220, 160, 100, 40),
        4: (160, 220, 40, 100),
        5: (40, 160, 100, 220),
        6: (160, 40, 220, 100),
        7: (220, 100, 160, 40),
        8: (100, 220, 40, 160),
    }[orientation]
    assert np.round(corners, -1).tolist() == [round(v, -1) for v in expected]
    if image.metadata.exif:
        reread = PIL.Image.Exif()
        reread.load(image.metadata.exif)
        assert reread.get(0x0112, 1) == 1


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colour_spaces_become_rgb_with_a_notice(mode, colours):
    """Their colour profile, which no longer fits, is dropped."""
    picture = PIL.Image.fromarray(colours)
    other = picture.convert(mode) if mode != "LAB" else PIL.Image.new("LAB", (7, 5), (128, 128, 128))
    image = read(encoded(other, "TIFF", icc_profile=b"x" * 200))
    assert image.pixels.shape == (5, 7, 3)
    assert image.metadata.icc is None
    assert f"is {mode}; converted to RGB, its colour profile dropped" in image.notices


def test_animations_give_their_first_frame(colours):
    """A notice reports it."""
    frames = [PIL.Image.fromarray(colours), PIL.Image.fromarray(255 - colours)]
    image = read(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    assert_array_equal(image.pixels, colours)
    assert "has 2 frames; the first is used" in image.notices
    assert "has 2 frames; the first is used" in read(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).notices


ARRAYS = [
    (np.uint8, 255, np.uint8),
    (np.bool_, 255, np.uint8),
    (np.uint16, 65535, np.uint16),
    (">u2", 65535, np.uint16),
    (np.int8, None, np.float32),
    (np.float16, None, np.float32),
    (np.float32, None, np.float32),
    (np.int32, None, np.float64),
    (np.float64, None, np.float64),
]


@pytest.mark.parametrize(("stored", "white", "expected_dtype"), ARRAYS)
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (7, 6, 5), (1, 6, 3), (1, 4, 23), (1, 4, 600), (1, 4, 6, 3)])
def test_arrays_are_read_as_images(stored, white, expected_dtype, shape, rng):
    """(H, W), (H, W, C), and a stack of one map; every real dtype without loss."""
    array = rng.integers(0, 2 if stored == np.bool_ else 100, shape).astype(stored)
    file = io.BytesIO()
    np.save(file, array)
    image = read(file.getvalue())
    inner = array[0] if shape in ((1, 4, 23), (1, 4, 600), (1, 4, 6, 3)) else array
    assert image.notices == (
        ("is read as (H, W, C) with 5 channels; --axes ZYX reads it as frames",) if shape == (7, 6, 5) else ()
    )
    assert (image.pixels.dtype, image.white) == (expected_dtype, white)
    assert_array_equal(np.squeeze(image.pixels), np.squeeze(inner) * (255 if stored == np.bool_ else 1), strict=False)


def npy(array):
    """The bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def huge(width, height):
    """A PNG whose header declares more pixels than it has."""
    return png(width, height, 8, 2, b"\0")


def icc_bomb():
    """A chunk iCCP that expands to 100 MB."""
    packer = zlib.compressobj(1)
    body = b"iCCPx\0\0" + b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


BAD = [
    (b"", "is empty"),
    (b"this is text\n" * 9, "is not a picture that can be read"),
    (b"%PDF-1.4 not a picture", "is not a picture"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
    (png(2, 1, 16, 2, b"\0" + b"\1" * 11), r"its PNG data cannot be decoded \(Not enough image data\); get it again"),
    (png(2, 1, 16, 6, b"\5" + b"\1" * 16), r"its PNG data cannot be decoded \(bad adaptive filter value\)"),
    (png(2, 1, 16, 2, b"\0" + b"\1" * 12, b"\0\0\0\1ABCDx" + struct.pack(">I", zlib.crc32(b"ABCDx"))), "'ABCD' is unknown"),
    (png(2, 1, 16, 2, b"\0" + b"\1" * 12, b"\0\0\0\1tRNSx" + struct.pack(">I", zlib.crc32(b"tRNSx"))), "transparent colour"),
    (png(2, 1, 16, 4, b"\0" + b"\1" * 8)[:-20], "its PNG data cannot be decoded .it ends in its chunk 'IDAT'."),
    (png(2, 1, 16, 4, b"\0" + b"\1" * 8).replace(b"IDAT", b"IDAS"), "the checksum of its chunk 'IDAS' is wrong"),
    (png(2, 1, 16, 4, b"")[:33] + b"\0\0\0\0IEND\xaeB`\x82", "it has no pixels"),
    (png(100000, 100000, 16, 6, b"\0"), "is 100000 x 100000, 10000000000 pixels; the limit is 178956970; raise it"),
    (png(2, 1, 16, 2, bytes(13), icc_bomb()), "its PNG data cannot be decoded"),
    (b"P6 2 1 65535\n" + bytes(11), "it has 5 of its 6 PPM samples; get it again"),
    (b"P6 2 1 1023\n" + b"\4\0" * 6, "its PPM sample 1024 is above its MAXVAL, 1023"),
    (b"P6 2 1 65536\n" + bytes(12), "is PPM whose highest level is 65536; it must be 1..65535"),
    (b"P6 100000 100000 65535\n" + bytes(12), "raise it with --max-pixels"),
    (b"P6 0 1 65535\n" + bytes(12), "is 0 x 1: it holds no pixels"),
    (b"P3 2 # a word\n1 1023\n" + b"1 " * 5, "it has 5 of its 6 PPM samples"),
    (b"P3 2 1 1023\n" + b"1 " * 5 + b"-1", "its PPM samples are not all numbers of 0..65535"),
    (b"P3 2 1 1023\n" + b"1 " * 5 + b"1024", "its PPM sample 1024 is above its MAXVAL, 1023"),
    (b"P7\nWIDTH 2\nHEIGHT 1\n", "is PAM without a line ENDHDR"),
    (b"P7\nWIDTH 2\nHEIGHT x\nENDHDR\n", "is PAM whose header does not give WIDTH, HEIGHT, DEPTH and MAXVAL"),
    (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 7\nMAXVAL 255\nENDHDR\n", "is PAM of 7 samples per pixel and type ''"),
    (b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n0", "it has 1 of its 2 PPM samples"),
    (b"\x89PNG\r\n\x1a\n" + bytes(40), "its PNG data cannot be decoded .its header is not valid."),
    (b"\xff\xd8\xff" + bytes(40), "its JPEG data cannot be decoded"),
    (b"GIF89a" + bytes(4), "its GIF data cannot be decoded"),
    (b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), "its WEBP data cannot be decoded"),
    (b"II*\0\xff\xff\xff\x7f", "its TIFF data cannot be decoded"),
    (b"BM" + bytes(60), "its BMP data cannot be decoded"),
    (huge(100000, 100000), "is 100000 x 100000, 10000000000 pixels; the limit is 178956970; raise it with --max-pixels"),
    (huge(2**31 - 1, 2**31 - 1), "raise it with --max-pixels"),
    (png(4, 4, 8, 2, b"\0" * 52)[:45], "is truncated or corrupt"),
    (npy(np.ones((3, 3)) * 1j), "must hold real numbers to be an image, got dtype complex128"),
    (npy(np.array([object()])), "must hold real numbers"),
    (npy(np.ones(5)), "must have shape"),
    (npy(np.ones((2, 3, 4, 3))), "must have shape"),
    (npy(np.ones((0, 3))), "must have shape"),
    (npy(np.ones((9, 9)))[:-9], "is not a readable .npy file"),
    (npy(np.ones((3, 9))).replace(b"(3, 9)", b"(-3,9)"), "is not a readable .npy file"),
    (b"\x93NUMPY\x01\x00", "is not a readable .npy file"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_bad_files_are_refused_in_one_line(data, message):
    """The error gives the reason, and the remedy where there is one."""
    with pytest.raises(ImageError, match=message) as caught:
        read(data)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "PPM"])
def test_a_truncated_file_is_refused_or_read_whole(kind, colours):
    """A truncated file gives an error, never a partial picture or another exception."""
    picture = PIL.Image.fromarray(np.tile(colours, (9, 9, 1)))
    data = encoded(picture, kind)
    expected = read(data).pixels
    for length in range(0, len(data) - 3, max(1, len(data) // 60)):
        try:
            image = read(data[:length])
        except ImageError:
            continue
        assert_array_equal(image.pixels, expected)


@pytest.mark.parametrize("offset", range(60, 2000, 97))
def test_a_damaged_png_is_never_read_as_a_picture(offset, samples):
    """Pillow's second attempt at a PNG with a wrong checksum succeeds, with wrong pixels."""
    data = bytearray((samples / "horse.png").read_bytes())
    data[len(data) // 3 + offset] ^= 0xFF
    with pytest.raises(ImageError, match="is truncated or corrupt"):
        read(bytes(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM"])
def test_damaged_files_raise_image_errors_only(kind, colours, rng):
    """A damaged file gives a picture or an ImageError."""
    data = bytearray(encoded(PIL.Image.fromarray(np.tile(colours, (5, 5, 1))), kind))
    for _ in range(60):
        damaged = bytearray(data)
        for offset in rng.integers(0, len(data), 3):
            damaged[offset] = rng.integers(0, 256)
        with contextlib.suppress(ImageError):
            assert read(bytes(damaged)).pixels.size


def test_pixel_bombs_are_refused_by_their_header():
    """Within a second, before memory is allocated for the pixels."""
    start = time.perf_counter()
    with pytest.raises(ImageError):
        read(huge(60000, 60000))
    assert time.perf_counter() - start < 1


def tiff_with(tag, value):
    """A TIFF of 5 x 7 RGB, 8 bits, whose tag has another value."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((5, 7, 3), np.uint8), photometric="rgb", metadata=None)
    data = bytearray(file.getvalue())
    entry = data.index(struct.pack("<HH", tag, 3))
    data[entry + 8 : entry + 10] = struct.pack("<H", value)
    return bytes(data)


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        (259, 32771, r"is TIFF compressed with CCIRLEW \(32771\), which is not read; save it uncompressed, or with deflate"),
        (259, 34934, "is TIFF compressed with JPEGXR"),
        (259, 12345, "is TIFF compressed with 12345, which is not read"),
        (259, 5, r"its TIFF data cannot be decoded \(.*\); get it again, or save it anew from its source"),
        (262, 32803, "is TIFF of kind CFA with 3 samples, which is not read; convert it to RGB"),
        (262, 3, "is TIFF of kind PALETTE without a palette"),
        (262, 5, "is TIFF of kind SEPARATED with 3 samples, which is not read"),
    ],
)
def test_tiff_that_is_not_read_is_refused_with_a_remedy(tag, value, message, capfd):
    """Compressions and kinds of colour; nothing else is printed."""
    with pytest.raises(ImageError, match=message):
        read(tiff_with(tag, value))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd", "lzma", "jpeg", "webp", "jpeg2000", "lerc"])
def test_truncated_tiff_is_never_a_partial_picture(compression, capfd, rng):
    """The pixels are cut off, in the file and in the size of a strip."""
    levels = np.repeat(rng.integers(0, 256, (40, 48, 1), dtype=np.uint8), 3, axis=2)
    file = io.BytesIO()
    tifffile.imwrite(file, levels, photometric="rgb", compression=compression, rowsperstrip=16, metadata=None)
    data = file.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as pages:
        begin, sizes = pages.pages[0].dataoffsets[0], pages.pages[0].tags[279]
    short = bytearray(data)
    short[sizes.valueoffset + 2 * (sizes.valuebytecount // 6) : sizes.valueoffset + sizes.valuebytecount // 3 * 2] = bytes(
        [20, *bytes(sizes.valuebytecount // 3 - 1)]
    )
    for damaged in (data[: (begin + len(data)) // 2], data[:-30], bytes(short)):
        with pytest.raises(ImageError, match=r"is truncated or corrupt: .*get it again") as caught:
            read(damaged)
        assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("compression", "marker", "skip"), [("jpeg", b"\xff\xc0", 5), ("jpeg2000", b"\xff\x51", 6)])
def test_a_strip_that_states_a_larger_size_is_refused(compression, marker, skip):
    """Its decoder would allocate 60000 x 60000 pixels."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((16, 16, 3), np.uint8), photometric="rgb", compression=compression)
    data = bytearray(file.getvalue())
    position = data.index(marker) + skip
    size = struct.pack(">HH" if compression == "jpeg" else ">II", 60000, 60000)
    data[position : position + len(size)] = size
    start = time.perf_counter()
    with pytest.raises(ImageError, match="a strip or tile of its TIFF pixels is larger than it says"):
        read(bytes(data))
    assert time.perf_counter() - start < 1


def test_paths_that_are_no_files_are_refused(tmp_path):
    """A missing file, a folder, a pipe, and an invalid name."""
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "is a folder; name the files in it"),
        (tmp_path / "pipe", "is not a regular file; use -"),
        (tmp_path / "a\0b", "cannot be read"),
    ]:
        with pytest.raises(ImageError, match=message):
            read_image(path)


def test_concurrent_reads_do_not_change_pillow(colours):
    """After concurrent reads, Pillow's limit and the warning filters are the same as before."""
    data = encoded(PIL.Image.fromarray(np.tile(colours, (50, 50, 1))), "PNG")
    before = PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert {image.pixels.shape for image in pool.map(read, [data] * 64)} == {read(data).pixels.shape}
    assert before == (PIL.Image.MAX_IMAGE_PIXELS, list(warnings.filters))


def test_the_limit_of_pillow_is_not_changed():
    """Reading does not change Pillow for the rest of the process."""
    before = PIL.Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError):
        read(huge(60000, 60000))
    assert before == PIL.Image.MAX_IMAGE_PIXELS


def test_metadata_is_read(samples):
    """The profile, the resolution and the texts of a photograph."""
    image = read_image(samples / "astronaut.png")
    assert image.metadata.icc[36:40] == b"acsp"
    with PIL.Image.open(samples / "astronaut.png") as picture:
        assert image.metadata.dpi == pytest.approx(picture.info["dpi"])
    assert dict(image.metadata.text)
    assert image.notices == ()
    rocket = read_image(samples / "rocket.jpg")
    assert rocket.metadata.comment.startswith(b"cmp3.10.3.2Lq3")
    assert (read_image(samples / "horse.png").metadata.xmp or b"").startswith(b"<x:xmpmeta ")
    assert read_image(samples / "horse.png").lost == ()
    assert (rocket.notices, rocket.lost) == ((), ())


def test_broken_exif_does_not_stop_reading(colours):
    """The pixels are read."""
    data = encoded(PIL.Image.fromarray(colours), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    image = read(data)
    assert_array_equal(image.pixels, colours)
    assert image.metadata.exif is None


def test_descriptions_of_the_shape_are_dropped(rng):
    """Those of ImageJ and tifffile are wrong for a filtered picture. Other texts are kept; no resolution is invented."""
    deep = rng.integers(0, 65536, (3, 8, 9)).astype(np.uint16)
    for options in ({"imagej": True, "metadata": {"axes": "ZYX"}}, {"photometric": "minisblack"}):
        file = io.BytesIO()
        tifffile.imwrite(file, deep, **options)
        exif = read(file.getvalue()).metadata.exif
        assert exif is None or b"images=" not in exif
        assert exif is None or b"shape" not in exif
    file = io.BytesIO()
    tifffile.imwrite(file, deep, photometric="minisblack", description="a description of its own", metadata=None)
    assert b"a description of its own" in read(file.getvalue()).metadata.exif
    assert read(encoded(PIL.Image.fromarray(deep[0]), "TIFF")).metadata.dpi is None


def test_errors_do_not_quote_names_in_libraries():
    """LZW, JPEG XL, JPEG 2000 and a text of PNG that becomes too large: words, and the remedy. No bytes of Python."""
    levels = np.repeat(np.arange(96, dtype=np.uint8).reshape(8, 12, 1), 3, axis=2)
    lzw = io.BytesIO()
    tifffile.imwrite(lzw, levels, compression="lzw", photometric="rgb")
    with tifffile.TiffFile(io.BytesIO(lzw.getvalue())) as file:
        begin, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    bad_lzw = lzw.getvalue()[:begin] + b"\xff" * size + lzw.getvalue()[begin + size :]
    jxl = imagecodecs.jpegxl_encode(levels, lossless=True)
    jp2 = imagecodecs.jpeg2k_encode(levels, level=0, codecformat="j2k")
    text = b"key\0\0" + zlib.compress(bytes(2 << 20))
    png_of = io.BytesIO()
    PIL.Image.fromarray(levels).save(png_of, "PNG")
    bad_png = png_of.getvalue()[:33] + png_chunk(b"zTXt", text) + png_of.getvalue()[33:]
    webp = io.BytesIO()
    PIL.Image.fromarray(levels).save(webp, "WEBP")
    for data, words in (
        (webp.getvalue()[:20] + bytes(len(webp.getvalue()) - 20), "the decoder finds errors in them"),
        (bad_lzw, "the decoder finds errors in them"),
        (jxl[: len(jxl) // 2], "the decoder finds errors in them"),
        (jp2.replace(b"\xff\x52", b"\xff\x53"), "the decoder finds errors in them"),
        (b"P2 4 4 255 " + b"7" * 100, "the decoder finds errors in them"),
        (bad_png, "a compressed text or profile in it is larger than 1 MiB"),
    ):
        with pytest.raises(ImageError, match=rf"data cannot be decoded \({words}\); get it again") as caught:
            read(data)
        assert "_" not in str(caught.value)


def test_a_truncated_picture_is_told_without_the_bytes_that_its_decoder_had():
    """Pillow adds "(12 bytes not processed)", also where it had all."""
    bmp = encoded(PIL.Image.new("RGB", (40, 30)), "BMP")
    with pytest.raises(
        ImageError, match=r"cannot be decoded \(image file is truncated\); --allow-truncated uses what is there"
    ):
        read(bmp[:-500])
