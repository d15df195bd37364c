"""JPEG 2000, JPEG XL, deep AVIF, HEIC, Radiance HDR and OpenEXR, against Pillow and the libraries that write them."""

import io
import os
import struct
import subprocess
import sys

import imagecodecs
import numpy as np
import OpenEXR
import PIL.Image
import PIL.ImageCms
import pillow_heif
import pytest
import tifffile
from numpy.testing import assert_array_equal

from convcli.errors import ImageError
from convcli.images.boxes import box_of
from convcli.images.codecs.library_lines import lines_dropped
from convcli.images.encoding import Encoding
from convcli.images.formats import format_named
from convcli.images.image import Image, Metadata, scaled_levels
from convcli.images.jxl_header import read_header
from convcli.images.light import light_of
from convcli.images.read import decode
from pictures import encode

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
CODESTREAM = {"codecformat": "j2k", "level": 0, "reversible": True}
WHITE = {np.uint8: 255, np.uint16: 65535}


def read(data):
    """Read a picture."""
    return decode(io.BytesIO(data))


def levels_of(image):
    """All levels of an image, alpha last."""
    return image.pixels if image.alpha is None else np.dstack([image.pixels, image.alpha])


def image_of(levels):
    """An image of levels (H, W, C), alpha last where C is even."""
    white = WHITE[levels.dtype.type]
    if levels.shape[2] % 2:
        return Image(levels, white)
    return Image(np.ascontiguousarray(levels[:, :, :-1]), white, np.ascontiguousarray(levels[:, :, -1]))


def written(levels, name, quality=100, metadata=None):
    """The bytes of a picture with these levels."""
    image = image_of(levels)
    image = image if metadata is None else Image(image.pixels, image.white, image.alpha, "", metadata)
    return encode(image, format_named(name), Encoding(quality=quality))


def photo(samples, dtype=np.uint8):
    """A part of a photograph, (90, 120, 3); as uint16, each level 257 times."""
    with PIL.Image.open(samples / "chelsea.png") as picture:
        levels = np.asarray(picture.convert("RGB"))[:90, :120].astype(dtype)
    return levels if dtype == np.uint8 else levels * np.uint16(257)


def noise_of(levels, decoded):
    """The ratio of white to the noise in decibels."""
    error = np.mean((levels.astype(float) - decoded) ** 2)
    return 10 * np.log10(WHITE[levels.dtype.type] ** 2 / error)


def exif(**tags):
    """EXIF with a maker, and an orientation."""
    block = PIL.Image.Exif()
    block[271] = "a maker"
    block[274] = tags.get("orientation", 1)
    return block.tobytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["jp2", "jxl"])
def test_a_lossless_file_has_the_levels(rng, name, channels, dtype):
    """imagecodecs reads the levels that were written, and so does convcli; what is made from them is lossless too."""
    levels = rng.integers(0, WHITE[dtype] + 1, (7, 9, channels)).astype(dtype)
    data = written(levels, name)
    decoder = imagecodecs.jpeg2k_decode if name == "jp2" else imagecodecs.jpegxl_decode
    assert_array_equal(np.atleast_3d(decoder(data)), levels)
    image = read(data)
    assert_array_equal(levels_of(image), levels)
    assert (image.white, image.notices, image.lost) == (WHITE[dtype], (), ())
    assert_array_equal(levels_of(read(encode(image, format_named(name), Encoding()))), levels)
    assert read(encode(image, format_named(name), Encoding(quality=50))).compression is None


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_jpeg_2000_of_pillow(rng, mode):
    """Pillow's files are read, in tiles and without boxes too, and Pillow reads those that are written."""
    channels = 1 if mode == "I;16" else len(mode)
    levels = rng.integers(0, 65536 if mode == "I;16" else 256, (70, 90, channels))
    levels = levels.astype(np.uint16 if mode == "I;16" else np.uint8)
    picture = PIL.Image.fromarray(levels[:, :, 0] if channels == 1 else levels)
    assert picture.mode == mode
    tiles = {} if mode == "I;16" else {"tile_size": (32, 32), "progression": "RPCL"}  # Pillow 13 mixes tiles of 16 bits
    for options in ({}, tiles, {"no_jp2": True}):
        file = io.BytesIO()
        picture.save(file, "JPEG2000", **options)
        assert_array_equal(levels_of(read(file.getvalue())), levels)
    with PIL.Image.open(io.BytesIO(written(levels, "jp2"))) as reread:
        assert reread.mode == mode
        assert_array_equal(np.atleast_3d(np.asarray(reread)), levels)


@pytest.mark.parametrize("bits", [1, 4, 9, 12, 15])
def test_samples_of_other_depths_are_scaled(rng, bits):
    """The highest sample is white, in JPEG 2000 and JPEG XL: 4095 of 12 bits is 65535; to the nearest level."""
    samples = rng.integers(0, 2**bits, (8, 9, 3)).astype(np.uint8 if bits <= 8 else np.uint16)
    samples[0, 0] = 2**bits - 1, 0, 1
    white = 255 if bits <= 8 else 65535
    expected = np.floor(samples.astype(float) * white / (2**bits - 1) + 0.5)
    assert_array_equal(read(imagecodecs.jpeg2k_encode(samples, bitspersample=bits, **CODESTREAM)).pixels, expected)
    assert_array_equal(read(imagecodecs.jpegxl_encode(samples, bitspersample=bits, lossless=True)).pixels, expected)
    assert_array_equal(scaled_levels(samples, 2**bits - 1), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("quality", [60, 92])
def test_quality_of_jpeg_2000(samples, quality, dtype):
    """The noise is 20 + quality / 4 decibels below white, within 1.5, with 16 bits too."""
    levels = photo(samples, dtype)
    decoded = imagecodecs.jpeg2k_decode(written(levels, "jp2", quality))
    assert abs(noise_of(levels, decoded) - 20 - quality / 4) < 1.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_quality_of_jpeg_xl(samples, dtype):
    """imagecodecs reads levels close to the picture, which the file states to be sRGB, and quality costs bytes."""
    levels = photo(samples, dtype)
    data = written(levels, "jxl", 92)
    decoded = imagecodecs.jpegxl_decode(data)
    assert noise_of(levels, decoded) > 37
    assert read_header(data[data.index(b"\xff\x0a") :]).is_srgb
    assert len(written(levels, "jxl", 20)) < len(written(levels, "jxl", 60)) < len(data) < len(written(levels, "jxl"))


def test_lossless_16_bit_jpeg_xl_states_srgb(rng):
    """imagecodecs states linear light for 16 bits, which other programs would show too bright."""
    levels = rng.integers(0, 65536, (7, 9, 3)).astype(np.uint16)
    for data, is_srgb in ((written(levels, "jxl"), True), (imagecodecs.jpegxl_encode(levels, lossless=True), False)):
        header = read_header(data[data.index(b"\xff\x0a") :])
        assert (header.is_srgb, header.transfer) == (is_srgb, 13 if is_srgb else 8)
    linear = read(imagecodecs.jpegxl_encode(levels, lossless=True))
    assert linear.metadata.cicp == (1, 8, 0, 1)
    assert linear.lost == ("its colour space",)


@pytest.mark.parametrize(
    "shape", [(1, 1), (7, 9), (8, 16, 3), (256, 256, 2), (300, 451, 4), (90, 160, 3), (2000, 3), (9000, 1)]
)
def test_headers_of_jpeg_xl(rng, shape):
    """The header says what imagecodecs encoded: sizes in all their codes, samples, and whether colours are XYB."""
    for dtype, is_lossy in ((np.uint8, False), (np.uint16, True), (np.float32, False)):
        samples = (rng.random(shape) * (1 if dtype == np.float32 else 255)).astype(dtype)
        data = imagecodecs.jpegxl_encode(samples, **({"distance": 1.0} if is_lossy else {"lossless": True}))
        header = read_header(data[data.index(b"\xff\x0a") :])
        channels = shape[2] if len(shape) == 3 else 1
        assert (header.height, header.width, header.colours + header.has_alpha) == (*shape[:2], channels)
        assert (header.bits, header.is_float) == (8 * samples.itemsize, dtype == np.float32)
        assert (header.is_lossy, header.is_animation, header.orientation) == (is_lossy, False, 1)


def test_floats_films_and_photographs_in_jpeg_xl(rng, samples):
    """Floats are raw, an animation gives its first frame, and a JPEG in JPEG XL is close to what Pillow reads of it."""
    values = rng.random((7, 9, 3)).astype(np.float32)
    image = read(imagecodecs.jpegxl_encode(values, lossless=True))
    assert image.white is None
    assert_array_equal(image.pixels, values)
    film = rng.integers(0, 256, (3, 8, 9, 3), dtype=np.uint8)
    image = read(imagecodecs.jpegxl_encode(film, lossless=True))
    assert_array_equal(image.pixels, film[0])
    assert image.notices == ("is an animation; the first frame is used",)
    assert image.lost == ("further frames",)
    jpeg = (samples / "rocket.jpg").read_bytes()
    image = read(imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True))
    with PIL.Image.open(io.BytesIO(jpeg)) as picture:
        assert np.abs(image.pixels.astype(int) - np.asarray(picture)).mean() < 1


@pytest.mark.parametrize("name", ["jp2", "jxl"])
def test_blocks_of_metadata(rng, name):
    """Profile, EXIF, XMP and resolution are in the file, and read; Pillow finds what it reads of JPEG 2000."""
    levels = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    metadata = Metadata(SRGB, exif(), (300.0, 150.0), xmp=XMP)
    data = written(levels, name, metadata=metadata)
    assert exif().removeprefix(b"Exif\0\0")[8:40] in data
    image = read(data)
    assert image.metadata.xmp == XMP
    tags = PIL.Image.Exif()
    tags.load(image.metadata.exif)
    assert tags[271] == "a maker"
    if name == "jp2":
        with PIL.Image.open(io.BytesIO(data)) as picture:
            assert picture.info["dpi"] == pytest.approx((300, 150))
        assert image.metadata.dpi == pytest.approx((300, 150))
        assert image.metadata.icc == SRGB
        assert SRGB in data
    for dpi in (0.5, 72.0, 99.7, 1234.56, 1e6):
        if name == "jp2":
            reread = read(written(levels, name, metadata=Metadata(dpi=(dpi, dpi))))
            assert reread.metadata.dpi == pytest.approx((dpi, dpi), rel=1e-3)


def test_orientations(rng):
    """That in EXIF turns JPEG 2000; in JPEG XL it only repeats that of the codestream, which a transcoded JPEG has."""
    levels = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    stream = imagecodecs.jpeg2k_encode(levels, **{**CODESTREAM, "codecformat": "jp2"})
    block = exif(orientation=6).removeprefix(b"Exif\0\0")
    position = stream.index(b"jp2c") - 4
    image = read(stream[:position] + box_of(b"uuid", b"JpgTiffExif->JP2" + block) + stream[position:])
    assert_array_equal(image.pixels, np.rot90(levels, -1))
    data = written(levels, "jxl") + box_of(b"Exif", bytes(4) + block)
    image = read(data)
    assert_array_equal(image.pixels, levels)
    tags = PIL.Image.Exif()
    tags.load(image.metadata.exif)
    assert (tags[271], tags[274]) == ("a maker", 1)


def test_compressed_boxes_of_jpeg_xl(rng):
    """EXIF and XMP that cjxl compressed with Brotli are read; other boxes are reported, damaged ones too."""
    data = written(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), "jxl")
    packed = box_of(b"brob", b"xml " + imagecodecs.brotli_encode(XMP))
    image = read(data + packed)
    assert (image.metadata.xmp, image.lost) == (XMP, ())
    image = read(data + box_of(b"own ", b"abc") + box_of(b"brob", b"Exif" + b"no brotli"))
    assert image.lost[0] == "its box own "
    assert image.lost[1].startswith("its Exif data, which is damaged (")
    assert read(data + b"and more").lost == ("8 bytes after its end",)


def jp2(samples, *boxes):
    """A JP2 file of samples with further boxes in its header."""
    data = written(samples, "jp2")
    begin = data.index(b"jp2h") - 4
    (size,) = struct.unpack_from(">I", data, begin)
    return data[:begin] + box_of(b"jp2h", data[begin + 8 : begin + size] + b"".join(boxes)) + data[begin + size :]


def test_channels_of_jpeg_2000(rng):
    """The box cdef gives their order: here blue, green, red, and alpha first."""
    levels = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    order = box_of(b"cdef", struct.pack(">H9H", 3, 0, 0, 3, 1, 0, 2, 2, 0, 1))
    assert_array_equal(read(jp2(levels, order)).pixels, levels[:, :, ::-1])
    grey = np.ascontiguousarray(levels[:, :, :2])
    data = written(grey, "jp2")
    swapped = data.replace(struct.pack(">7H", 2, 0, 0, 1, 1, 1, 0), struct.pack(">7H", 2, 0, 1, 0, 1, 0, 1))
    assert_array_equal(levels_of(read(swapped)), grey[:, :, ::-1])


def bad_jpeg_2000(rng):
    """Files of kinds that are not read, and damaged ones, with their messages."""
    levels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = imagecodecs.jpeg2k_encode(levels, **CODESTREAM)
    file = io.BytesIO()
    PIL.Image.fromarray(levels).convert("YCbCr").save(file, "JPEG2000")
    yield file.getvalue(), "is JPEG 2000 with the colour space 18; read are grey and RGB, with and without alpha"
    yield stream[:42] + b"\x87" + stream[43:45] + b"\x87" + stream[46:48] + b"\x87" + stream[49:], "with signed samples; read"
    yield stream[:42] + b"\x10\1\1" * 3 + stream[51:], "with 17 bits; read are 1 to 16 bits"
    yield stream[:46] + b"\2\2" + stream[48:], "with components of different sizes or depths; convert it to RGB"
    yield jp2(levels, box_of(b"pclr", b"")), "with a palette, which is not read; convert it to RGB"
    multiplied = box_of(b"cdef", struct.pack(">H9H", 3, 0, 0, 1, 1, 0, 2, 2, 2, 0))
    yield jp2(levels, multiplied), "with channels that are neither colours nor alpha of its own"
    large = bytearray(stream)
    struct.pack_into(">8I", large, 8, 13_000, 13_000, 0, 0, 64, 64, 0, 0)
    yield bytes(large), "it has 1 of 41616 tiles"
    struct.pack_into(">8I", large, 8, 99_999, 99_999, 0, 0, 99_999, 99_999, 0, 0)
    yield bytes(large), "is 99999 x 99999, .* raise it with --max-pixels"
    yield stream[:-2], "it ends before its last tile"


def test_bad_jpeg_2000(rng):
    """Each error is one line."""
    for data, message in bad_jpeg_2000(rng):
        with pytest.raises(ImageError, match=message) as caught:
            read(data)
        assert "\n" not in str(caught.value)


def test_truncated_files_are_errors(rng, capfd):
    """Wherever they end, in every format that is new here. Their libraries print nothing."""
    levels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    files = [written(levels, "jp2"), written(levels, "jxl"), imagecodecs.rgbe_encode(levels.astype(np.float32))]
    files += [heic(levels), exr({"RGB": levels.astype(np.float32)}), avif(levels.astype(np.uint16) * 4, 10)]
    for data in files:
        for end in (*range(24, len(data) - 1, len(data) // 9), len(data) - 1):
            with pytest.raises(ImageError) as caught:
                read(data[:end])
            assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_only_the_lines_of_a_library_are_dropped(capfd):
    """Lines of others stay, in order, also after an error; standard error may be closed."""

    @lines_dropped(rb"<lib>: ")
    def fail():
        for line in (b"first\n", b"<lib>: bad\n", b"a <lib>: last"):
            os.write(2, line)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    os.write(2, b" end\n<lib>: after\n")
    assert capfd.readouterr().err == "first\na <lib>: last end\n<lib>: after\n"
    program = (
        "import os; os.close(2); from convcli.images.codecs.library_lines import lines_dropped as d\nwith d(b''): print(1)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "1\n"


def avif(samples, bits):
    """A lossless AVIF: libavif stores RGB itself."""
    return imagecodecs.avif_encode(samples, level=100, bitspersample=bits, pixelformat="444")


@pytest.mark.parametrize("name", ["jp2", "jxl"])
def test_in_place(run, rng, tmp_path, name):
    """A lossless file stays lossless and keeps its metadata; the next run skips it; bytes after its end make it an error."""
    levels = rng.integers(0, 65536, (7, 9, 4)).astype(np.uint16)
    path = tmp_path / f"a.{name}"
    path.write_bytes(written(levels, name, metadata=Metadata(exif=exif(), xmp=XMP)))
    for status in ("done", "skipped"):
        result = run("apply", path, "-k", "1", "--in-place", "--skip-existing", "--json", "-q")
        assert (result.status, f'"{status}"' in result.out) == (0, True), result.err
        image = read(path.read_bytes())
        assert_array_equal(image.pixels[image.alpha > 0], levels[:, :, :3][levels[:, :, 3] > 0])
        assert (image.compression.format, image.metadata.xmp, b"a maker" in image.metadata.exif) == (name, XMP, True)
    path.write_bytes(written(levels, name) + b"and more")
    result = run("apply", path, "-k", "1", "--in-place")
    assert "would lose 8 bytes after its end in place; write another file, with -o" in result.err


def test_curves_of_other_formats(rng):
    """--light linear decodes by the codes of AVIF and JPEG XL; it refuses others, and leaves floats, which are light, alone."""
    levels = rng.integers(0, 1024, (8, 9, 3)).astype(np.uint16)
    for transfer, expected in ((8, levels / 1023), (13, None), (17, ImageError)):
        data = imagecodecs.avif_encode(levels, level=100, bitspersample=10, pixelformat="444", transfer=transfer, primaries=1)
        image = read(data)
        assert image.metadata.cicp == (None if transfer == 13 else (1, transfer, 0, 1))
        if expected is ImageError:
            with pytest.raises(ImageError, match="its file states transfer characteristics 17; --light linear knows"):
                light_of(image)
        elif expected is not None:
            light = np.empty(levels.shape, np.float32)
            light_of(image).decode(image.pixels, light)
            np.testing.assert_allclose(light, expected, atol=1e-4)
    assert light_of(read(exr({"RGB": levels.astype(np.float32)}))) is None


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_avif_of_more_than_8_bits(rng, bits, channels):
    """The highest sample is white, 65535. Pillow would cut them to 8 bits."""
    samples = rng.integers(0, 2**bits, (8, 9, channels)).astype(np.uint16)
    image = read(avif(samples[:, :, 0] if channels == 1 else samples, bits))
    assert image.white == 65535
    assert_array_equal(levels_of(image), np.floor(samples * 65535.0 / (2**bits - 1) + 0.5))
    assert image.notices == ()


def test_films_of_deep_avif_are_refused(rng):
    """imagecodecs would write beyond its memory."""
    film = imagecodecs.avif_encode(rng.integers(0, 1024, (3, 64, 64, 3)).astype(np.uint16), bitspersample=10)
    with pytest.raises(ImageError, match="is AVIF of 10 bits with several frames, which are not read; convert it to PNG"):
        read(film)


RGBE = b"\x80\x40\x20\x81" + b"\0\0\0\0" + b"\xff\x01\x80\x78"
VALUES = [[1, 0.5, 0.25], [0, 0, 0], [255 / 2**16, 1 / 2**16, 128 / 2**16]]
"""Mantissas times 2 ** (exponent - 136)."""


def test_radiance_hdr():
    """Pixels one by one and in runs, divided by the exposures, are as G. Ward's formula says."""
    header = b"#?RADIANCE\n# a comment\n%sFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X %d\n"
    image = read(header % (b"", 3) + RGBE)
    assert_array_equal(image.pixels[0], VALUES)
    assert (image.white, image.pixels.dtype, image.notices) == (None, np.float32, ())
    runs = b"\2\2\0\x09" + b"".join(bytes([128 + 9, level]) for level in b"\x80\x40\x20\x81")
    assert_array_equal(read(header % (b"", 9) + runs).pixels, np.tile(np.float32([1, 0.5, 0.25]), (1, 9, 1)))
    image = read(header % (b"EXPOSURE=4\nEXPOSURE=0.5\nVIEW= -vp 0\n", 3) + RGBE)
    assert_array_equal(image.pixels[0], np.array(VALUES) / 2)
    assert image.notices == ("its VIEW not kept",)
    for data, message in (
        (header.replace(b"rgbe", b"xyze") % (b"", 3) + RGBE, "of the kind 32-bit_rle_xyze, which is not read; convert it to"),
        (header.replace(b"-Y", b"+Y") % (b"", 3) + RGBE, "whose rows do not begin at the top left, which is not read"),
        (header % (b"", 4) + RGBE, "is truncated, or Radiance HDR with runs of an old kind"),
        (header % (b"EXPOSURE=0\n", 3) + RGBE, "its exposure is 0"),
        (header % (b"", 999_999_999) + RGBE, "raise it with --max-pixels"),
    ):
        with pytest.raises(ImageError, match=message):
            read(data)


def exr(*parts, **header):
    """An OpenEXR file of parts, each a dictionary of channels."""
    kinds = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION} | header
    names = [{"name": f"part {index}"} if len(parts) > 1 else {} for index in range(len(parts))]
    file = io.BytesIO()
    OpenEXR.File([OpenEXR.Part(kinds | name, channels) for name, channels in zip(names, parts, strict=True)]).write(file)
    return file.getvalue()


def heic(levels, **options):
    """A lossless HEIC: libheif stores RGB itself."""
    mode = "RGB;16" if levels.dtype == np.uint16 else {1: "L", 3: "RGB", 4: "RGBA"}[levels.shape[2]]
    container = pillow_heif.from_bytes(mode, levels.shape[1::-1], levels.tobytes())
    file = io.BytesIO()
    container.save(file, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return file.getvalue()


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_open_exr(rng, dtype, compression):
    """Half and float samples are the same, but for PXR24, which stores 24 bits of floats; NaN and infinity stay."""
    values = rng.random((24, 31, 3)).astype(dtype)
    values[0, 0], values[1, 1] = np.nan, np.inf
    image = read(exr({"RGB": values}, compression=getattr(OpenEXR, f"{compression}_COMPRESSION")))
    assert (image.white, image.pixels.dtype, image.notices) == (None, np.float32, ())
    np.testing.assert_allclose(image.pixels, values, rtol=2**-15 if compression == "PXR24" else 0)


def test_channels_of_open_exr(rng):
    """Y, or one channel of any name, is grey; colours are divided by alpha; tiles, other channels and parts have rules."""
    values = rng.random((24, 31, 4)).astype(np.float32)
    values[:, :, 3] = rng.choice([0.25, 0.5, 1], (24, 31))
    red, green, blue, alpha = (np.ascontiguousarray(values[:, :, channel]) for channel in range(4))
    multiplied = values.copy()
    multiplied[:, :, :3] *= values[:, :, 3:]
    multiplied[0, 0, 3] = 0  # light without coverage, which stays
    image = read(exr({"RGBA": multiplied}))
    assert_array_equal(image.alpha[1:], values[1:, :, 3])
    np.testing.assert_allclose(image.pixels[1:], values[1:, :, :3], rtol=1e-6)
    assert_array_equal(image.pixels[0, 0], multiplied[0, 0, :3])
    assert_array_equal(read(exr({"Z": red})).pixels[:, :, 0], red)
    image = read(exr({"Y": red, "Z": green}))
    assert_array_equal(image.pixels[:, :, 0], red)
    assert (image.notices, image.lost) == (("its channels Z not kept",), ("its channels Z",))
    image = read(exr({"R": red, "G": green, "B": blue}, type=OpenEXR.tiledimage, tiles=OpenEXR.TileDescription()))
    assert_array_equal(image.pixels, values[:, :, :3])
    image = read(exr({"RGB": np.ascontiguousarray(values[:, :, :3])}, {"Z": alpha}))
    assert_array_equal(image.pixels, values[:, :, :3])
    assert image.notices == ("has 2 parts; the first is used",)
    assert read(exr({"Y": red}, comments="mine")).notices == ("its attribute comments not kept",)
    numbers = (red * 2**32).astype(np.uint32)
    assert_array_equal(read(exr({"id": numbers})).pixels[:, :, 0], numbers)
    with pytest.raises(ImageError, match="is OpenEXR with the channels U, V; read are R, G and B, or Y, each with A, or one"):
        read(exr({"U": red, "V": green}))


def test_heic(rng):
    """8 bits are the same, 10 bits become 16; with alpha; and boxes turn the picture once, whatever EXIF repeats."""
    levels = rng.integers(0, 256, (64, 72, 3), dtype=np.uint8)
    image = read(heic(levels, exif=exif(orientation=6), xmp=XMP, icc_profile=SRGB))
    assert_array_equal(image.pixels, np.rot90(levels, -1))
    tags = PIL.Image.Exif()
    tags.load(image.metadata.exif)
    assert (tags[271], tags[274], image.metadata.xmp) == ("a maker", 1, XMP)
    assert image.notices == ()
    samples = rng.integers(0, 1024, (64, 72, 3)).astype(np.uint16)
    image = read(heic(samples << 6))
    assert image.white == 65535
    assert_array_equal(image.pixels, np.floor(samples * 65535.0 / 1023 + 0.5))
    opaque = np.dstack([levels, levels[:, :, 0]])
    assert_array_equal(levels_of(read(heic(opaque))), opaque)


def test_exr_in_a_folder_becomes_tiff_of_floats(run, tmp_path, rng):
    """A batch needs no option for it."""
    values = rng.normal(size=(6, 5, 3)).astype(np.float32)
    (tmp_path / "a.exr").write_bytes(exr({"RGB": values}))
    result = run("apply", tmp_path / "a.exr", "-k", "1", "-o", f"{tmp_path}/out/")
    assert result.status == 0, result.err
    assert_array_equal(tifffile.imread(tmp_path / "out" / "a.tif"), np.moveaxis(values, 2, 0))


@pytest.mark.parametrize(("package", "extra", "what"), [("pillow_heif", "heic", "HEIC"), ("OpenEXR", "exr", "OpenEXR")])
def test_missing_packages_are_named(monkeypatch, rng, package, extra, what):
    """The error says what to install."""
    levels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = heic(levels) if extra == "heic" else exr({"RGB": levels.astype(np.float32)})
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImageError, match=rf"is {what}, which needs a further package: pip install 'convcli\[{extra}\]'"):
        read(data)
