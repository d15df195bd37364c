"""The size of an AVIF picture is that of its AV1 data, which a decoder allocates, not the one that its boxes state."""

import io
import struct
import tracemalloc

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_array_equal

from convcli.errors import ImageError
from convcli.images import av1_header
from convcli.images.av1_header import coded_sizes
from convcli.images.avif_items import check_coded_sizes
from convcli.images.boxes import box_of
from convcli.images.read import decode, open_frames

WIDTH, HEIGHT = 400, 304
ISPE = b"ispe" + bytes(4)


def pixels_of(channels, width=WIDTH, height=HEIGHT):
    """A smooth picture."""
    plane = np.add.outer(np.arange(height), np.arange(width)) * 100 // (height + width)
    return np.dstack([plane + 30 * channel for channel in range(channels)]).astype(np.uint8)


def avif(pixels, **options):
    """The bytes of a file by Pillow."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "AVIF", speed=10, **options)
    return file.getvalue()


def film():
    """The bytes of a sequence of three frames."""
    frames = [PIL.Image.fromarray(np.roll(pixels_of(3), 9 * index, axis=1)) for index in (1, 2)]
    return avif(pixels_of(3), save_all=True, append_images=frames)


FILES = {
    "colour": lambda: avif(pixels_of(3)),
    "alpha": lambda: avif(pixels_of(4)),
    "deep": lambda: bytes(imagecodecs.avif_encode(pixels_of(3).astype(np.uint16) * 4, bitspersample=10, speed=10)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [(16, 16), (WIDTH, HEIGHT + 1), (4000, 3040)])
def test_another_size_is_an_error(name, size):
    """The limit is for the size of the data. libavif would decode 400 x 304, and scale it."""
    data = FILES[name]()
    assert decode(io.BytesIO(data)).size[:2] == (HEIGHT, WIDTH)
    other = data.replace(ISPE + struct.pack(">II", WIDTH, HEIGHT), ISPE + struct.pack(">II", *size))
    with PIL.Image.open(io.BytesIO(other)) as picture:
        assert picture.size == size
    with pytest.raises(ImageError, match="states a picture of {} x {}, but its AV1 data hold 400 x 304; get it".format(*size)):
        decode(io.BytesIO(other))
    with pytest.raises(ImageError, match="^is 400 x 304, 121600 pixels; the limit is 121599; raise it with --max-pixels$"):
        decode(io.BytesIO(other), max_pixels=121_599)


def test_layers():
    """A picture that is a layer of its data may be smaller than these. All of them count."""
    data = FILES["colour"]()
    assert check_coded_sizes(io.BytesIO(data), WIDTH * HEIGHT) == 0
    stated = data.replace(ISPE + struct.pack(">II", WIDTH, HEIGHT), ISPE + struct.pack(">II", 16, 16))
    layer = stated.replace(b"pixi", b"lsel")  # a property of the only item
    assert check_coded_sizes(io.BytesIO(layer), WIDTH * HEIGHT) == WIDTH * HEIGHT - 16 * 16
    with pytest.raises(ImageError, match="the limit is 121599"):
        check_coded_sizes(io.BytesIO(layer), WIDTH * HEIGHT - 1)


def test_films():
    """A track states the size of its data in the entry of its box stsd."""
    data = film()
    frames = open_frames(io.BytesIO(data))
    assert (frames.series.count, frames.read(2, lambda _: None).size) == (3, (HEIGHT, WIDTH, 3))
    begin = data.index(b"av01", data.index(b"stsd")) + 4 + 24
    assert struct.unpack_from(">HH", data, begin) == (WIDTH, HEIGHT)
    other = data[:begin] + struct.pack(">HH", 16, 16) + data[begin + 4 :]
    with pytest.raises(ImageError, match="states a picture of 16 x 16, but its AV1 data hold 400 x 304"):
        open_frames(io.BytesIO(other))
    with pytest.raises(ImageError, match="the limit is 1000; raise it with --max-pixels"):
        open_frames(io.BytesIO(other), max_pixels=1000)


@pytest.mark.parametrize(("shown", "beyond"), [((200, 304), 200 * 304), ((800, 304), 0)])
def test_films_whose_pixels_are_not_square(shown, beyond):
    """libavif scales the frames to the size in tkhd, of 16.16 bits. The limit is for the larger of both sizes."""
    data = film()
    end = data.index(b"tkhd") - 4 + int.from_bytes(data[data.index(b"tkhd") - 4 :][:4], "big")
    assert struct.unpack(">II", data[end - 8 : end]) == (WIDTH << 16, HEIGHT << 16)
    other = data[: end - 8] + struct.pack(">II", *(side << 16 for side in shown)) + data[end:]
    frames = open_frames(io.BytesIO(other))
    assert (frames.series.count, frames.read(2, lambda _: None).size) == (3, (*shown[::-1], 3))
    pixels = max(shown[0] * shown[1], WIDTH * HEIGHT)
    assert check_coded_sizes(io.BytesIO(other), pixels) == beyond
    open_frames(io.BytesIO(other), max_pixels=pixels).read(0, lambda _: None)
    with pytest.raises(ImageError, match=f"the limit is {pixels - 1}; raise it with --max-pixels"):
        open_frames(io.BytesIO(other), max_pixels=pixels - 1).read(0, lambda _: None)


def test_samples_that_no_byte_lists():
    """Of one size, any number of them takes no more bytes in stsz and stsc than one: 2**32 - 1 would take all memory."""
    data, count = film(), 200_000
    begin = data.index(b"stsz") + 4
    many = data[: begin + 4] + struct.pack(">II", 1, count) + data[begin + 12 :]
    begin = many.index(b"stsc") + 4 + 8
    many = many[: begin + 4] + struct.pack(">I", count) + many[begin + 8 :]
    assert many_pictures_are_an_error(many, "the file ends before its pictures")


def test_extents_that_take_no_bytes():
    """With an offset and a length of no bytes each; 65,535 extents of many items would take all memory."""
    entries = b"".join(struct.pack(">HHH", item, 0, 0xFFFF) for item in range(4))
    iloc = box_of(b"iloc", bytes(4) + b"\0\0" + struct.pack(">H", 4) + entries)
    data = box_of(b"ftyp", b"avif\0\0\0\0avifmif1miaf") + box_of(b"meta", bytes(4) + iloc)
    assert many_pictures_are_an_error(data, "its boxes state an extent of a picture several times")


def many_pictures_are_an_error(data, message):
    """Whether reading raises an error of these words, and keeps no more than a megabyte of the pictures."""
    tracemalloc.start()
    with pytest.raises(ImageError, match=message):
        open_frames(io.BytesIO(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak < 1 << 20


def grid(tile, rows, columns, size, stated=None, has_two_ipma=False):
    """The bytes of a grid of one tile repeated. Its boxes are those of ISO/IEC 23008-12, section 6.6.2.3.

    Two boxes ipma have different versions, of which 1 has numbers of 32 bits (section 9.3.2).
    """
    source = avif(tile)
    data = source[source.index(b"mdat") + 4 :]
    begin = source.index(b"av1C") - 4
    configuration = source[begin : begin + int.from_bytes(source[begin : begin + 4], "big")]
    height, width = tile.shape[:2]
    count = rows * columns
    descriptor = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)

    def full(name, contents):
        return box_of(name, bytes(4) + contents)

    def ispe(width, height):
        return full(b"ispe", struct.pack(">II", width, height))

    def meta(mdat):
        kinds = [(1, b"grid"), *((2 + index, b"av01") for index in range(count))]
        entries = [box_of(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", item, 0, kind) + b"\0") for item, kind in kinds]
        places = [(1, mdat + len(data), 8), *((2 + index, mdat, len(data)) for index in range(count))]
        items = b"".join(struct.pack(">HHHII", item, 0, 1, *place) for item, *place in places)
        tiles = box_of(b"dimg", struct.pack(f">HH{count}H", 1, count, *range(2, 2 + count)))
        pixi = full(b"pixi", b"\3\10\10\10")
        properties = box_of(b"ipco", ispe(*size) + ispe(*(stated or (width, height))) + configuration + pixi)
        number = "I" if has_two_ipma else "H"
        of_grid = struct.pack(">HBBB", 1, 2, 1, 4)
        of_tiles = b"".join(struct.pack(f">{number}BBBB", 2 + index, 3, 2, 0x83, 4) for index in range(count))
        if has_two_ipma:
            tiles_ipma = box_of(b"ipma", b"\1\0\0\0" + struct.pack(">I", count) + of_tiles)
            ipma = full(b"ipma", struct.pack(">I", 1) + of_grid) + tiles_ipma
        else:
            ipma = full(b"ipma", struct.pack(">I", 1 + count) + of_grid + of_tiles)
        return full(
            b"meta",
            full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + full(b"pitm", b"\0\1")
            + full(b"iloc", b"\x44\0" + struct.pack(">H", 1 + count) + items)
            + full(b"iinf", struct.pack(">H", 1 + count) + b"".join(entries))
            + full(b"iref", tiles)
            + box_of(b"iprp", properties + ipma),
        )

    start = box_of(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    return start + meta(len(start) + len(meta(0)) + 8) + box_of(b"mdat", data + descriptor)


def test_grids():
    """A grid has the pixels of its tiles, as Pillow decodes one alone. A tile of another size is an error.

    Tiles beyond the grid take memory too: a decoder holds them alone and in the grid, in up to 2 bytes for each of 3 samples.
    """
    tile = pixels_of(3, 64, 128)
    with PIL.Image.open(io.BytesIO(avif(tile))) as picture:
        expected = np.asarray(picture)
    headers = []
    image = decode(io.BytesIO(grid(tile, 2, 3, (192, 256))), admit=headers.append)
    assert_array_equal(image.pixels, np.tile(expected, (2, 3, 1)))
    decode(io.BytesIO(grid(tile, 2, 3, (130, 130))), admit=headers.append)
    decoded, shown = 192 * 256, 130 * 130
    assert check_coded_sizes(io.BytesIO(grid(tile, 2, 3, (130, 130))), decoded) == decoded - shown
    assert headers[1].reading - headers[0].reading * shown / decoded >= (decoded - shown) * 3 * 2 * 2
    with pytest.raises(ImageError, match="states a picture of 64 x 64, but its AV1 data hold 64 x 128"):
        decode(io.BytesIO(grid(tile, 2, 3, (192, 128), stated=(64, 64))))
    with pytest.raises(ImageError, match="has tiles of 49152 pixels; the limit is 49151; raise it with --max-pixels"):
        decode(io.BytesIO(grid(tile, 2, 3, (130, 130))), max_pixels=49_151)


def test_grids_with_properties_in_two_boxes():
    """Each box ipma has those of other items."""
    tile = pixels_of(3, 64, 128)
    expected = decode(io.BytesIO(grid(tile, 2, 3, (192, 256)))).pixels
    data = grid(tile, 2, 3, (192, 256), has_two_ipma=True)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert_array_equal(np.asarray(picture), expected)
    assert_array_equal(decode(io.BytesIO(data)).pixels, expected)
    with pytest.raises(ImageError, match="states a picture of 64 x 64, but its AV1 data hold 64 x 128"):
        decode(io.BytesIO(grid(tile, 2, 3, (192, 128), stated=(64, 64), has_two_ipma=True)))


def test_tone_mapped_items_are_no_grids():
    """An item tmap (ISO/IEC 23008-12) is derived from a picture and its gain map, which do not lie side by side."""
    tile = pixels_of(3, 64, 128)
    data = grid(tile, 2, 1, (64, 128)).replace(b"grid", b"tmap").replace(b"pitm" + bytes(5) + b"\1", b"pitm" + bytes(5) + b"\2")
    with PIL.Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(picture)
    assert expected.shape == tile.shape
    assert_array_equal(decode(io.BytesIO(data), max_pixels=64 * 128).pixels, expected)
    assert check_coded_sizes(io.BytesIO(data), 64 * 128) == 0


def test_more_data_than_the_file_has(rng):
    """Items that lie in each other would be read many times."""
    data = grid(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8), 2, 2, (128, 128))
    (place,) = struct.unpack_from(">I", data, data.index(b"iloc") + 4 + 8 + 14 + 6)
    longer = data
    for item in range(2, 6):
        (length,) = struct.unpack_from(">I", data, data.index(struct.pack(">HHHI", item, 0, 1, place)) + 10)
        old = struct.pack(">HHHII", item, 0, 1, place, length)
        longer = longer.replace(old, struct.pack(">HHHII", item, 0, 1, place - item, length + item))
    with pytest.raises(ImageError, match="its pictures overlap, or the file ends before them"):
        decode(io.BytesIO(longer))


def bits_of(*fields):
    """Bytes of (value, number of bits) pairs, the highest bit first."""
    text = "".join(f"{value:0{count}b}" for value, count in fields)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


@pytest.mark.parametrize("has_model", [False, True])
@pytest.mark.parametrize("has_delay", [0, 1])
def test_sequence_headers_of_films(has_model, has_delay):
    """The fields before the size are those of section 5.5.1: three operating points, of which one has a tier."""
    timing = [(1, 1), (1000, 32), (30_000, 32), (1, 1), (0b00101, 5)]
    model = [(1, 1), (7, 5), (1, 32), (9, 5), (9, 5)] if has_model else [(0, 1)]
    points = []
    for level, has_parameters in ((5, 1), (8, 0), (7, 1)):
        tier = [(1, 1)] if level > 7 else []
        parameters = [(has_parameters, 1), *([(255, 8), (255, 8), (1, 1)] if has_parameters else [])] if has_model else []
        delay = [(1, 1), (15, 4)] if has_delay else []
        points += [(0xFFF, 12), (level, 5), *tier, *parameters, *delay]
    start = [(0, 3), (0, 1), (0, 1), *timing, *model, (has_delay, 1), (2, 5), *points]
    header = bits_of(*start, (11, 4), (9, 4), (4000 - 1, 12), (1000 - 1, 10))
    delimiter, padding = b"\x12\0", b"\x7a\x83\1" + bytes(131)
    sequence = bytes([0x0E, 0, len(header)]) + header  # with the byte of a layer
    assert coded_sizes(delimiter + padding + sequence + sequence) == {(4000, 1000)}
    assert coded_sizes(delimiter + b"\x08" + header) == {(4000, 1000)}  # without a size, up to the end
    for end in range(4, len(header) - 1):
        with pytest.raises(ValueError, match="truncated"):
            coded_sizes(b"\x0a" + bytes([end - 3]) + header[: end - 3])


def test_as_many_units_as_the_limit(monkeypatch):
    """One more is an error. A delimiter is two bytes."""
    monkeypatch.setattr(av1_header, "MAX_UNITS", 5)
    assert coded_sizes(b"\x12\0" * 5) == set()
    with pytest.raises(ValueError, match="its AV1 data have more than 5 units"):
        coded_sizes(b"\x12\0" * 6)
