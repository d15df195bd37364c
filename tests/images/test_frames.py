"""Frames of animations and arrays: read as independent decoders read them, and written so that these decode them exactly."""

import io
import itertools
import struct
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convcli.errors import ArgumentError, ImageError
from convcli.images.codecs.pillow import truncated_allowed
from convcli.images.encoding import Encoding
from convcli.images.formats import format_of
from convcli.images.frames import Series
from convcli.images.image import Image
from convcli.images.read import open_frames
from convcli.images.write import fit

RNG = np.random.default_rng(5)
DURATIONS = (20.0, 50.0, 0.0, 120.0, 30.0)


def read_frames(data, axes=None):
    """The series of a file, and its frames as levels with alpha."""
    frames = open_frames(io.BytesIO(data), axes=axes)
    return frames.series, [levels_of(frames.read(index, lambda header: None)) for index in range(frames.series.count)]


def levels_of(image):
    """Levels (H, W, C) of an image, alpha last."""
    return image.pixels if image.alpha is None else np.dstack([image.pixels, image.alpha])


def write_frames(name, frames, durations=DURATIONS, loop=3, quality=100):
    """The bytes of an animation. A frame of two or four channels has alpha."""
    images = []
    for levels in frames:
        has_alpha = levels.shape[2] in (2, 4)
        colours = levels[:, :, : levels.shape[2] - has_alpha]
        images.append(Image(colours, 255 if levels.itemsize == 1 else 65535, levels[:, :, -1] if has_alpha else None))
    file = io.BytesIO()
    fitted = fit(images[0], format_of(name), Encoding(quality=quality))
    fitted.write_frames(file, iter(images), Series(len(images), durations=tuple(durations[: len(images)]), loop=loop))
    return file.getvalue()


def film(channels, dtype=np.uint8, count=5):
    """Frames of which each differs from the one before in a rectangle; the third is equal to the second."""
    high = np.iinfo(dtype).max
    frame = RNG.integers(0, high + 1, (13, 10, channels)).astype(dtype)
    frames = []
    for index in range(count):
        frame = frame.copy()
        if index not in (0, 2):
            frame[3 + index : 7 + index, index : 5 + index] = RNG.integers(0, high + 1, (4, 5, channels))
        frames.append(frame)
    return frames


def by_pillow(frames, name, **options):
    """The bytes of an animation by Pillow."""
    first, *others = [PIL.Image.fromarray(frame.squeeze()) for frame in frames]
    file = io.BytesIO()
    first.save(file, name, save_all=True, append_images=others, **options)
    return file.getvalue()


@pytest.mark.parametrize(("channels", "dtype"), list(itertools.product((1, 2, 3, 4), (np.uint8, np.uint16))))
def test_apng_of_each_kind_is_exact(channels, dtype):
    """Read as it was encoded by imagecodecs, and decoded by imagecodecs as it was written. Equal frames stay apart."""
    frames = film(channels, dtype)
    _, read = read_frames(imagecodecs.apng_encode(np.stack(frames).squeeze()))
    assert_array_equal(read, frames)
    data = write_frames("a.apng", frames)
    assert_array_equal(imagecodecs.apng_decode(data).reshape(5, 13, 10, channels), frames)
    series, again = read_frames(data)
    assert (series.count, series.durations, series.loop) == (5, DURATIONS, 3)
    assert_array_equal(again, frames)
    assert len(data) < len(write_frames("a.apng", frames[:1] * 1)) * 4  # of five frames, four are stored as parts


def packed(name, data):
    """A chunk of PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def apng(size, controls, parts):
    """The bytes of an animation of parts (h, w, 4), each with (x, y, disposal, blending)."""
    high = np.iinfo(parts[0].dtype).bits
    chunks = [
        packed(b"IHDR", struct.pack(">IIBBBBB", *size, high, 6, 0, 0, 0)),
        packed(b"acTL", struct.pack(">II", len(parts), 0)),
    ]
    sequence = 0
    for (x, y, disposal, blending), part in zip(controls, parts, strict=True):
        place = part.shape[1], part.shape[0], x, y
        chunks.append(packed(b"fcTL", struct.pack(">IIIIIHHBB", sequence, *place, 1, 10, disposal, blending)))
        rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in part)
        if sequence == 0:
            chunks.append(packed(b"IDAT", zlib.compress(rows)))
        else:
            sequence += 1
            chunks.append(packed(b"fdAT", struct.pack(">I", sequence) + zlib.compress(rows)))
        sequence += 1
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks, packed(b"IEND", b"")])


def laid(size, controls, parts):
    """Yield what is shown of each frame, computed as the specification of PNG describes it, pixel by pixel."""
    white = np.iinfo(parts[0].dtype).max
    canvas = np.zeros((size[1], size[0], 4))
    for index, ((x, y, disposal, blending), part) in enumerate(zip(controls, parts, strict=True)):
        before = canvas.copy()
        for row, column in np.ndindex(part.shape[:2]):
            above, below = part[row, column] / white, canvas[y + row, x + column]
            if blending == 1:
                alpha = above[3] + below[3] * (1 - above[3])
                mixed = above[:3] * above[3] + below[:3] * below[3] * (1 - above[3])
                above = np.array([*(mixed / alpha if alpha else below[:3] * 0), alpha])
            canvas[y + row, x + column] = above
        yield canvas * white
        region = slice(y, y + part.shape[0]), slice(x, x + part.shape[1])
        if disposal == 1 or (disposal == 2 and index == 0):
            canvas[region] = 0
        elif disposal == 2:
            canvas = before


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_apng_frames_are_laid_on_each_other(dtype):
    """With all disposals and blendings, in rectangles, as the specification describes; equal but for rounding."""
    random = np.random.default_rng(3)
    high = np.iinfo(dtype).max
    for first_disposal in (0, 1, 2):
        controls = [(0, 0, first_disposal, 0)]
        parts = [random.integers(0, high + 1, (7, 7, 4)).astype(dtype)]
        for _ in range(12):
            height, width = random.integers(1, 6, 2)
            controls.append((*random.integers(0, 3, 2), *random.integers(0, (3, 2))))
            part = random.integers(0, high + 1, (height, width, 4)).astype(dtype)
            part[:, :, 3] = random.choice([0, high // 3, high], (height, width))
            parts.append(part)
        _, read = read_frames(apng((7, 7), controls, parts))
        for ours, expected in zip(read, laid((7, 7), controls, parts), strict=True):
            shown = expected[:, :, 3] > 0
            assert_allclose(ours[:, :, 3], expected[:, :, 3], atol=1)
            tolerance = 1 + 3 * high / expected[shown][:, 3:]  # what is hardly visible has been rounded more
            assert (np.abs(ours[shown][:, :3] - expected[shown][:, :3]) <= tolerance).all()


@pytest.mark.parametrize(("disposal", "mode"), [(0, "RGB"), (0, "RGBA"), (0, "L"), (0, "P"), (1, "RGB"), (1, "RGBA")])
def test_apng_of_pillow_is_read_as_libpng_reads_it(disposal, mode):
    """Colours with a palette too. What is cleared before a frame that covers it is not seen, and gives no alpha."""
    frames = [PIL.Image.fromarray(frame).convert(mode) for frame in film(3)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], disposal=disposal)
    _, read = read_frames(file.getvalue())
    expected = imagecodecs.apng_decode(file.getvalue())
    assert_array_equal(read, expected.reshape(np.shape(read)))


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp_is_exact(channels):
    """As Pillow and imagecodecs decode it; the number of frames, their durations and repetitions stay."""
    frames = film(channels)
    for frame in frames:
        frame[:, :, 3:] = np.where(frame[:, :, 3:] > 127, 255, 1)  # hidden colours are not stored
    data = write_frames("a.webp", frames)
    series, read = read_frames(data)
    assert (series.count, series.durations, series.loop) == (5, DURATIONS, 3)
    assert_array_equal(read, frames)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert (picture.n_frames, picture.info["loop"]) == (5, 3)
        for index, frame in enumerate(frames):
            picture.seek(index)
            picture.load()
            assert picture.info["duration"] == DURATIONS[index]
            assert_array_equal(np.asarray(picture.convert("RGBA"))[:, :, :channels], frame)


def few_colours(channels):
    """Frames of at most 200 colours, in which pixels become transparent and opaque again with four channels."""
    frames = film(channels)
    palette = RNG.integers(0, 256, (200, 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        frame[:, :, :3] = palette[frame[:, :, :1].squeeze() % 200]
        if channels == 4:
            hidden = RNG.random(frame.shape[:2]) < (0.3 if index in (1, 2, 4) else 0)
            frame[:, :, 3] = np.where(hidden, 0, 255)
            frame[hidden] = 0
    return frames


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gif_of_few_colours_is_exact(channels):
    """As giflib of imagecodecs and Pillow decode it."""
    frames = film(1) if channels == 1 else few_colours(channels)
    data = write_frames("a.gif", frames)
    series, read = read_frames(data)
    assert (series.count, series.durations, series.loop) == (5, DURATIONS, 3)
    assert_array_equal(read, frames)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert (picture.n_frames, picture.info["loop"]) == (5, 2)  # repeated twice, shown three times
    decoded = imagecodecs.gif_decode(data)
    for ours, theirs in zip(frames, decoded, strict=True):
        visible = ours[:, :, 3] > 0 if channels == 4 else np.ones(ours.shape[:2], bool)
        assert_array_equal(np.broadcast_to(ours[:, :, :3], (*ours.shape[:2], 3))[visible], theirs[:, :, :3][visible])


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.parametrize("channels", [3, 4])
def test_gif_frames_are_laid_on_each_other(disposal, channels):
    """With each disposal, as giflib lays them. Frames of an opaque film have no alpha."""
    frames = few_colours(channels)
    data = by_pillow(frames, "GIF", disposal=disposal, duration=[40, 50, 60, 70, 80], loop=0)
    series, read = read_frames(data)
    assert series.loop == 0
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert picture.n_frames == series.count
        for index, ours in enumerate(read):
            picture.seek(index)
            theirs = np.asarray(picture.convert("RGBA"))
            assert_array_equal(ours[:, :, 3] if ours.shape[2] == 4 else np.full(ours.shape[:2], 255), theirs[:, :, 3])
            assert_array_equal(ours[:, :, :3][theirs[:, :, 3] > 0], theirs[:, :, :3][theirs[:, :, 3] > 0])
    assert channels == 4 or disposal == 2 or read[0].shape[2] == 3


def test_gif_reduces_colours_and_alpha():
    """To a palette near the colours; alpha from 128 is visible."""
    ramp = np.dstack(np.meshgrid(np.arange(0, 256, 4), np.arange(0, 256, 4), indexing="ij")).astype(np.uint8)
    colours = np.dstack([ramp, ramp[:, :, :1]])
    alpha = np.resize(np.array([0, 127, 128, 255], np.uint8), ramp.shape[:2])
    _, (opaque,) = read_frames(write_frames("a.gif", [colours]))
    assert np.abs(opaque.astype(int) - colours).max() < 32
    _, (levels,) = read_frames(write_frames("a.gif", [np.dstack([colours, alpha])]))
    assert_array_equal(levels[:, :, 3], np.where(alpha >= 128, 255, 0))


def test_avif_sequences_are_near():
    """Frames, durations and alpha stay; the coding is lossy."""
    smooth = np.add.outer(np.arange(40) * 3, np.arange(48) * 2)
    frames = [np.dstack([(smooth + 9 * index) % 200] * 3).astype(np.uint8) for index in range(4)]
    data = write_frames("a.avif", frames, durations=(20.0, 50.0, 40.0, 120.0))
    series, read = read_frames(data)
    assert (series.count, series.durations) == (4, (20.0, 50.0, 40.0, 120.0))
    assert np.abs(np.stack(read).astype(int) - frames).mean() < 3
    by_pillows_own = by_pillow(frames, "AVIF", duration=[100, 200, 300, 400])
    assert read_frames(by_pillows_own)[0].durations == (100.0, 200.0, 300.0, 400.0)


@pytest.mark.parametrize(("name", "step"), [("a.apng", 1000 / 30), ("a.webp", 33), ("a.gif", 30)])
def test_durations_are_multiples_of_what_the_format_holds(name, step):
    """PNG holds thirtieths of a second, WebP thousandths, GIF hundredths."""
    series, _ = read_frames(write_frames(name, film(3, count=2), durations=(1000 / 30,) * 2))
    assert series.durations == pytest.approx((step, step), abs=1e-9)


@pytest.mark.parametrize(("name", "loop"), list(itertools.product(("a.apng", "a.webp", "a.gif"), (0, 1, 2, 60000))))
def test_repetitions_stay(name, loop):
    """Once, for ever, and counts."""
    assert read_frames(write_frames(name, film(3, count=2), loop=loop))[0].loop == loop


@pytest.mark.parametrize("name", ["a.apng", "a.webp", "a.gif", "a.avif"])
def test_frames_are_read_in_any_order(name):
    """As in order; each frame in order is decoded once."""
    data = write_frames(name, few_colours(3))
    _, expected = read_frames(data)
    frames = open_frames(io.BytesIO(data))
    for index in (3, 1, 4, 4, 0):
        assert_array_equal(levels_of(frames.read(index, lambda header: None)), expected[index])


def test_apng_is_blended_in_the_memory_that_is_admitted():
    """Some rows at a time: levels of 8 bits would take eleven times their size in float64."""
    side = 700
    below, above = (np.full((side, side, 4), levels, np.uint8) for levels in ((100, 0, 50, 255), (200, 100, 0, 51)))
    frames = open_frames(io.BytesIO(apng((side, side), [(0, 0, 0, 0), (0, 0, 0, 1)], [below, above])))
    admitted = []
    frames.read(0, admitted.append)
    tracemalloc.start()
    shown = frames.read(1, admitted.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < admitted[1].reading + admitted[1].held + side * side * 4
    assert_array_equal(levels_of(shown), np.broadcast_to(np.uint8([120, 20, 40, 255]), (side, side, 4)))


def test_frames_of_other_sizes_and_kinds_are_refused():
    """One line that names both frames and a remedy."""
    small, large = film(3, count=1)[0], np.zeros((14, 10, 3), np.uint8)
    for name in ("a.apng", "a.webp", "a.gif", "a.avif"):
        with pytest.raises(ArgumentError, match=r"frame 0 is 10 x 13, frame 1 10 x 14; write each .*\{frame\}"):
            write_frames(name, [small, large])
    with pytest.raises(ArgumentError, match="frame 0 has 3 channels of 8 bits, frame 1 3 channels of 16 bits; write"):
        write_frames("a.apng", [small, small.astype(np.uint16)])
    opaque = imagecodecs.apng_decode(write_frames("a.apng", [film(4, count=1)[0], small]))
    assert_array_equal(opaque[1], np.dstack([small, np.full(small.shape[:2], 255)]))


def stack(axes, order, dtype=np.uint8):
    """An array of frames with these axes."""
    lengths = {"Z": 5, "Y": 6, "X": 7, "C": 3}
    return np.asarray(RNG.integers(0, 200, [lengths[axis] for axis in axes]).astype(dtype), order=order)


@pytest.mark.parametrize(("axes", "order"), list(itertools.product(("ZYX", "ZYXC", "ZCYX"), "CF")))
@pytest.mark.parametrize("dtype", [np.uint8, ">f4", bool])
def test_frames_of_arrays_are_slices(axes, order, dtype):
    """In both orders of memory, of each byte order."""
    array = stack(axes, order, dtype)
    file = io.BytesIO()
    np.save(file, array)
    series, read = read_frames(file.getvalue(), axes)
    assert (series.count, series.axes) == (5, "Z")
    expected = np.moveaxis(array, 1, 3) if axes == "ZCYX" else array
    assert_array_equal(read, expected.reshape(5, 6, 7, -1) * (255 if dtype is bool else 1))


def test_arrays_that_are_no_stack_are_refused():
    """Other axes, other numbers, and a file that ends early."""
    file = io.BytesIO()
    np.save(file, stack("ZYX", "C"))
    with pytest.raises(ImageError, match=r"must have 4 axes, Z Y X C as --axes says, got shape \(5, 6, 7\)"):
        read_frames(file.getvalue(), "ZYXC")
    with pytest.raises(ImageError, match="its 5 frames take 210 bytes, and it holds 209"):
        read_frames(file.getvalue()[:-1], "ZYX")
    words = io.BytesIO()
    np.save(words, np.zeros((2, 3, 4), complex))
    with pytest.raises(ImageError, match="must hold real numbers"):
        read_frames(words.getvalue(), "ZYX")


def test_versions_of_a_picture_are_alternates():
    """MPO and ICO: the first or the largest is the picture, the others are read as they are."""
    views = [np.full((8, 9, 3), level, np.uint8) for level in (40, 200)]
    series, read = read_frames(by_pillow(views, "MPO"))
    assert (series.count, series.are_alternates) == (2, True)
    assert [int(frame.mean()) for frame in read] == [40, 200]
    frames = open_frames(io.BytesIO(by_pillow(views, "MPO")))
    assert [frames.read(index, lambda header: None).lost for index in range(2)] == [(), ()]  # all are there
    icon = PIL.Image.fromarray(film(4, count=1)[0]).resize((32, 32))
    for kind in ("png", "bmp"):
        file = io.BytesIO()
        icon.save(file, "ICO", sizes=[(16, 16), (32, 32)], bitmap_format=kind)
        series, (large, small) = read_frames(file.getvalue())
        assert (series.are_alternates, large.shape, small.shape) == (True, (32, 32, 4), (16, 16, 4))
        assert_array_equal(large, np.asarray(icon))


def test_icons_without_any_are_an_error():
    """Which does not speak of --frames."""
    with pytest.raises(ImageError, match="^holds no icons; get it again"):
        open_frames(io.BytesIO(b"\0\0\1\0\0\0"))


@pytest.mark.parametrize("name", ["a.apng", "a.gif"])
def test_a_damaged_frame_is_an_error_of_its_own(name):
    """Frames before it are read. Where truncated files are allowed, it is used as far as it goes."""
    frames = few_colours(3)
    frames[-1][:] = RNG.choice(frames[0].reshape(-1, 3), frames[0].shape[:2])
    data = write_frames(name, frames)[:-150]
    frames = open_frames(io.BytesIO(data)) if name == "a.gif" else None
    if frames is not None:
        assert frames.read(0, lambda header: None).pixels.size
        with pytest.raises(ImageError, match="is truncated or corrupt: its GIF data cannot be decoded"):
            frames.read(4, lambda header: None)
    with truncated_allowed(True):
        frames = open_frames(io.BytesIO(data))
        assert frames.series.count == 5
        assert frames.read(4, lambda header: None).notices == ("is truncated; the rest is grey or black",)


def chunk(name, data):
    """A chunk of WebP."""
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def test_sizes_that_are_not_true_are_refused():
    """Before memory is taken for them."""
    gif = bytearray(write_frames("a.gif", few_colours(3)))
    place = gif.rindex(b"\x00,", 0, len(gif) // 2) + 1
    gif[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(ImageError, match="the limit is 178956970"):
        open_frames(io.BytesIO(gif))
    webp = bytearray(write_frames("a.webp", film(3)))
    webp[24:30] = b"\xff\x3f\x00\xff\x3f\x00"
    with pytest.raises(ImageError, match="16384 x 16384"):
        open_frames(io.BytesIO(webp))
    apng = write_frames("a.apng", film(3)).replace(struct.pack(">II", 5, 3), struct.pack(">II", 5_000_000, 3))
    with pytest.raises(ImageError, match="it has 5 of the 5000000 frames that it announces"):
        open_frames(io.BytesIO(apng))
    outside = write_frames("a.apng", film(3)).replace(struct.pack(">IIII", 5, 4, 1, 4), struct.pack(">IIII", 5, 4, 9, 4))
    with pytest.raises(ImageError, match="a frame lies outside the picture"):
        open_frames(io.BytesIO(outside)).read(1, lambda header: None)


@pytest.mark.parametrize("name", ["a.apng", "a.webp", "a.gif", "a.avif", "a.mpo", "png.ico", "bmp.ico"])
def test_damaged_animations_raise_image_errors_only(name):
    """Of one line, whatever bytes are changed."""
    frames = few_colours(3)
    if name.endswith(".ico"):
        file = io.BytesIO()
        PIL.Image.fromarray(frames[0]).resize((32, 32)).save(file, "ICO", sizes=[(16, 16), (32, 32)], bitmap_format=name[:3])
        data = file.getvalue()
    else:
        data = by_pillow(frames, "MPO") if name == "a.mpo" else write_frames(name, frames, quality=90)
    refused = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        changed = bytearray(data)
        for _ in range(random.integers(1, 5)):
            changed[random.integers(min(len(data), 400) if seed % 2 else len(data))] = random.integers(256)
        changed = changed[: random.integers(len(data))] if seed % 4 == 0 else changed
        try:
            read_frames(bytes(changed))
        except ImageError as error:
            assert len(error.lines) == 1  # noqa: PT017
            refused += 1
    assert refused > 4


def test_very_many_frames_are_counted_quickly():
    """20,000 frames of a pixel, in a second."""
    gif = write_frames("a.gif", [np.zeros((1, 1, 3), np.uint8)])
    frames = open_frames(io.BytesIO(gif[:32] + gif[32:-1] * 20_000 + gif[-1:]))
    assert frames.series.count == 20_000
    assert levels_of(frames.read(3, lambda header: None)).tolist() == [[[0, 0, 0]]]
    part = np.zeros((1, 1, 4), np.uint8)
    png = apng((1, 1), [(0, 0, 0, 0)] * 2, [part] * 2)
    place = png.rindex(b"fcTL") - 4
    many = png[:place] + (png[place:-12]) * 19_999 + png[-12:]
    frames = open_frames(io.BytesIO(many.replace(struct.pack(">II", 2, 0), struct.pack(">II", 20_000, 0))))
    assert frames.series.count == 20_000
