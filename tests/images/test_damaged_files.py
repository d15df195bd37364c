"""500 damaged pictures: each is refused by one line or read, in bounded time and memory.

What is read of PNG, JPEG, WebP and BMP equals what an independent decoder reads, where that accepts the file too.
"""

import io
import resource
import signal
import struct

import imagecodecs
import numpy as np
import PIL.Image
import png as pypng
import pytest
import tifffile
from numpy.testing import assert_array_equal
from test_png_files import decoded

from convcli.errors import ImageError
from convcli.images.boxes import box_of, contents_of
from convcli.images.codecs.pillow import truncated_allowed
from convcli.images.read import open_frames, read_image

MUTANTS = 11
SECONDS, BYTES = 10, 300_000_000
"""Limits for one file. A machine that does other work too is slow; a decoder that hangs exceeds any limit."""

rng = np.random.default_rng(7)
GREY = np.clip(np.add.outer(np.arange(40) * 3, np.arange(56) * 2) + rng.integers(0, 20, (40, 56)), 0, 255).astype(np.uint8)
COLOUR = np.dstack([GREY, GREY.T.copy().reshape(40, 56), 255 - GREY])


def by_pillow(pixels, name, **options):
    """The bytes of a file by Pillow."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, name, **options)
    return file.getvalue()


def by_tifffile(pixels, **options):
    """The bytes of a TIFF file by tifffile."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def by_pypng(pixels, **options):
    """The bytes of a PNG file by pypng."""
    file = io.BytesIO()
    height, width = pixels.shape[:2]
    pypng.Writer(width, height, **options).write(file, pixels.reshape(height, -1).tolist())
    return file.getvalue()


def npy(pixels):
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, pixels)
    return file.getvalue()


WORDS = COLOUR.astype(np.uint16) * 257
FILES = {
    "png-grey": lambda: by_pillow(GREY, "PNG"),
    "png-rgb": lambda: by_pillow(COLOUR, "PNG"),
    "png-rgba": lambda: by_pillow(np.dstack([COLOUR, GREY]), "PNG"),
    "png-interlaced": lambda: by_pypng(COLOUR, greyscale=False, interlace=True),
    "png-1-bit": lambda: by_pypng(GREY >> 7, greyscale=True, bitdepth=1),
    "png-grey16": lambda: by_pypng(WORDS[:, :, 0], greyscale=True, bitdepth=16),
    "png-rgb16": lambda: by_pypng(WORDS, greyscale=False, bitdepth=16),
    "png-la16": lambda: by_pypng(WORDS[:, :, :2], greyscale=True, alpha=True, bitdepth=16),
    "jpeg": lambda: by_pillow(COLOUR, "JPEG", quality=90),
    "jpeg-grey": lambda: by_pillow(GREY, "JPEG"),
    "jpeg-progressive": lambda: by_pillow(COLOUR, "JPEG", progressive=True, subsampling=2),
    "gif": lambda: by_pillow(GREY, "GIF"),
    "bmp": lambda: by_pillow(COLOUR, "BMP"),
    "bmp-grey": lambda: by_pillow(GREY, "BMP"),
    "webp": lambda: by_pillow(COLOUR, "WEBP"),
    "webp-lossless": lambda: by_pillow(COLOUR, "WEBP", lossless=True),
    "avif": lambda: by_pillow(COLOUR, "AVIF", speed=10),
    **{
        f"tiff-{name}": lambda options=options: by_tifffile(COLOUR, photometric="rgb", **options)
        for name, options in {
            "plain": {},
            "lzw": {"compression": "lzw", "predictor": 2},
            "deflate": {"compression": "zlib", "tile": (16, 16)},
            "zstd": {"compression": "zstd"},
            "packbits": {"compression": "packbits", "rowsperstrip": 7},
            "jpeg": {"compression": "jpeg"},
            "big": {"bigtiff": True},
        }.items()
    },
    "tiff-grey16": lambda: by_tifffile(WORDS[:, :, 0], compression="lzw", byteorder=">"),
    "tiff-float": lambda: by_tifffile(GREY.astype(np.float32), compression="zlib", predictor=3),
    "tiff-planar": lambda: by_tifffile(np.moveaxis(COLOUR, 2, 0), photometric="rgb", planarconfig="separate"),
    "tiff-imagej": lambda: by_tifffile(np.stack([GREY] * 4), imagej=True),
    "ppm": lambda: by_pillow(COLOUR, "PPM"),
    "pgm": lambda: by_pillow(GREY, "PPM"),
    "ppm-16": lambda: b"P6 56 40 65535\n" + WORDS.astype(">u2").tobytes(),
    "pam": lambda: b"P7\nWIDTH 56\nHEIGHT 40\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + COLOUR.tobytes(),
    "gif-animated": lambda: by_pillow(GREY, "GIF", save_all=True, append_images=[PIL.Image.fromarray(255 - GREY)]),
    "png-animated": lambda: by_pillow(COLOUR, "PNG", save_all=True, append_images=[PIL.Image.fromarray(255 - COLOUR)]),
    "ico": lambda: by_pillow(COLOUR[:32, :32], "ICO"),
    "avif-10": lambda: imagecodecs.avif_encode(WORDS >> 6, level=90, bitspersample=10, speed=9),
    "jp2": lambda: imagecodecs.jpeg2k_encode(COLOUR, level=0, codecformat="jp2"),
    "jp2-16": lambda: imagecodecs.jpeg2k_encode(WORDS, level=0, codecformat="jp2"),
    "jxl": lambda: imagecodecs.jpegxl_encode(COLOUR, lossless=True),
    "jxl-16": lambda: imagecodecs.jpegxl_encode(WORDS, distance=1.0),
    "hdr": lambda: imagecodecs.rgbe_encode(COLOUR.astype(np.float32), header=True),
    "npy": lambda: npy(COLOUR),
    "npy-float": lambda: npy(COLOUR.astype(np.float32)),
    "npy-16": lambda: npy(WORDS),
    "npy-fortran": lambda: npy(np.asfortranarray(GREY)),
    "npy-bool": lambda: npy(GREY > 100),
}


def damaged(data, seed):
    """A file with a byte of its second half changed; or 1 to 5 bytes, often of its header, and perhaps cut off or longer."""
    random = np.random.default_rng(seed)
    changed = bytearray(data)
    if seed % 2:
        changed[random.integers(len(changed) // 2, len(changed))] ^= 1 << random.integers(8)
        return bytes(changed)
    for _ in range(random.integers(1, 6)):
        place = random.integers(min(200, len(changed)) if random.random() < 0.7 else len(changed))
        changed[place] = random.choice((0, 1, 127, 128, 255, random.integers(256)))
    kind, place = random.random(), int(random.integers(len(changed)))
    if kind < 0.2:
        return bytes(changed[:place])
    return bytes(changed[: place + 50] + changed[place:]) if kind < 0.33 else bytes(changed)


OTHER_DECODERS = {"jpeg": imagecodecs.jpeg8_decode, "webp": imagecodecs.webp_decode, "bmp": imagecodecs.bmp_decode}


def expected(name, data):
    """Colours by another decoder, None where it refuses the file or is none for this kind."""
    try:
        if name.startswith("png"):
            return decoded(data)[0]
        for start, decode in OTHER_DECODERS.items():
            if name.startswith(start):
                return np.atleast_3d(decode(data))
    except Exception:  # decoders raise anything on damaged files
        return None
    return None


def read_frames(data):
    """The first frames of a file."""
    frames = open_frames(io.BytesIO(data))
    return [frames.read(index, lambda header: None) for index in range(min(frames.series.count, 5))]


@pytest.fixture
def limited():
    """End a test that takes too long, and check the growth of memory."""

    def too_long(*_):
        raise AssertionError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024 < BYTES


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_one_error_or_are_read(name, limited):
    """No exception but ImageError with one line."""
    data = FILES[name]()
    assert read_image(None, io.BytesIO(data)).pixels.size
    for seed in range(MUTANTS):
        mutant = damaged(data, seed)
        try:
            image, *_ = read_frames(mutant)
        except ImageError as error:
            assert len(error.lines) == 1  # noqa: PT017
            continue
        other = expected(name, mutant)
        if other is not None and other.shape == image.pixels.shape:
            assert_array_equal(image.pixels, other)


def test_a_webp_of_another_size_than_it_states_takes_no_memory(limited):
    """64 x 96 pixels of noise that are said to be 13,000 x 13,000, of which Pillow would clear a canvas of 680 MB."""
    data = bytearray(by_pillow(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8), "WEBP", lossless=True))
    place, side = data.index(b"VP8L") + 9, 12_999
    bits = int.from_bytes(data[place : place + 4], "little") >> 28 << 28 | side << 14 | side
    data[place : place + 4] = struct.pack("<I", bits)
    with pytest.raises(ImageError, match="its WEBP data cannot be decoded"):
        read_image(None, io.BytesIO(data))


def test_a_blank_webp_is_read():
    """A picture of one colour, which has far more pixels than bytes, is what it was."""
    blank = np.full((3000, 2000, 3), (10, 20, 30), dtype=np.uint8)
    data = by_pillow(blank, "WEBP", lossless=True)
    assert len(data) < 1000
    assert_array_equal(read_image(None, io.BytesIO(data)).pixels, blank)


def jpeg_2000(height, width, stated):
    """The codestream of a black picture that states another size."""
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((height, width), dtype=np.uint8), codecformat="j2k", reversible=True))
    struct.pack_into(">II", data, 8, *stated)
    struct.pack_into(">II", data, 24, *stated)
    return bytes(data)


def test_a_jpeg_2000_of_another_size_than_it_states_takes_no_memory(limited):
    """64 x 96 pixels that are said to be 13,000 x 13,000: OpenJPEG decodes them in 18 s and 2.5 GB."""
    with pytest.raises(ImageError, match="for 13000 x 13000 pixels, .* a blank or a damaged picture .* --allow-truncated"):
        read_image(None, io.BytesIO(jpeg_2000(64, 96, (13_000, 13_000))))


def test_a_jpeg_2000_in_tiff_of_another_size_than_it_states_takes_no_memory(limited):
    """The same codestream as the tile of a TIFF of that size."""
    data = jpeg_2000(64, 96, (13_000, 13_000))
    file = io.BytesIO()
    tile = {"shape": (13_008, 13_008), "dtype": "u1", "tile": (13_008, 13_008), "compression": 34712, "photometric": 1}
    tifffile.imwrite(file, iter([data]), **tile)
    with pytest.raises(ImageError, match="of JPEG 2000 for 13000 x 13000 pixels"):
        read_image(None, io.BytesIO(file.getvalue()))


def test_a_blank_jpeg_2000_is_read():
    """A page that is not large is read, a larger one where truncated pictures are: nothing tells it from a damaged one."""
    page, poster = jpeg_2000(3508, 2480, (2480, 3508)), jpeg_2000(4000, 3000, (3000, 4000))
    assert not read_image(None, io.BytesIO(page)).pixels.any()
    with pytest.raises(ImageError, match="--allow-truncated"):
        read_image(None, io.BytesIO(poster))
    with truncated_allowed(True):
        assert_array_equal(read_image(None, io.BytesIO(poster)).pixels, np.zeros((4000, 3000, 1)))


def test_a_box_larger_than_its_file_takes_no_memory():
    """A box of JPEG 2000 that announces 64 GB."""
    header = box_of(b"ihdr", struct.pack(">IIHBBBB", 4, 4, 1, 7, 7, 0, 0)) + struct.pack(">I4sQ", 1, b"colr", 1 << 36)
    start = box_of(b"jP  ", b"\r\n\x87\n") + box_of(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    data = start + box_of(b"jp2h", header) + box_of(b"jp2c", bytes(100))
    with pytest.raises(ImageError, match="it ends in its box 'colr'"):
        read_image(None, io.BytesIO(data))
    with pytest.raises(ValueError, match="it ends in its box 'colr'"):
        contents_of(Endless(), (b"colr", 0, 1 << 36))


class Endless(io.BytesIO):
    """An empty file that must not be read."""

    def read(self, size=-1):
        """Fail as reading 64 GB does."""
        raise MemoryError
