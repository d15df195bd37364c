"""--allow-truncated: what there is of a picture is used, with a notice. Expected levels are those of the whole picture."""

import io
import os
import threading
import time

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
import tifffile

from convcli.errors import ImageError
from convcli.images.codecs.pillow import truncated_allowed
from convcli.images.read import decode
from pictures import pixels

NOTICE = "is truncated; the rest is grey or black"
FORMATS = {
    "a.png": {},
    "b.png": {"compress_level": 0},
    "a.jpg": {},
    "b.jpg": {"progressive": True},
    "a.gif": {"interlace": 0},
    "a.bmp": {},
    "a.ppm": {},
}


@pytest.fixture
def picture(samples):
    """A photograph of Pillow."""
    with PIL.Image.open(samples / "chelsea.png") as opened:
        return opened.convert("RGB").resize((120, 90))


def saved(picture, name, folder):
    """Save a picture by Pillow, and return its bytes."""
    (picture.quantize() if name.endswith("gif") else picture).save(folder / name, **FORMATS[name])
    return (folder / name).read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_rows_are_those_of_the_picture(run, picture, tmp_path, name):
    """From a third on, in apply and in at; the end is grey in JPEG, else black. Without the option it is an error."""
    data = saved(picture, name, tmp_path)
    with PIL.Image.open(tmp_path / name) as opened:
        whole = np.asarray(opened.convert("RGB"))
    path = tmp_path / f"cut-{name}"
    path.write_bytes(data[: len(data) // 2])
    arguments = ["apply", path, "-k", "1", "-o", tmp_path / "out.png"]
    refused = run(*arguments)
    assert (refused.status, len(refused.lines)) == (1, 1)
    kind = {"jpg": "JPEG"}.get(name[2:], name[2:].upper())
    assert refused.lines[0].startswith(
        f"Error: {path}: is truncated or corrupt: its {kind} data cannot be decoded (image file is truncated"
    )
    assert refused.lines[0].endswith("; --allow-truncated uses what is there")
    result = run(*arguments, "--allow-truncated")
    assert (result.status, result.lines[0]) == (0, f"{path}: {NOTICE}")
    read = pixels(tmp_path / "out.png")
    assert read.shape == whole.shape
    if name == "a.bmp":  # from the last row to the first
        read, whole = read[::-1], whole[::-1]
    if name != "b.jpg":  # its first scans hold the whole picture, less exactly
        np.testing.assert_array_equal(read[:30], whole[:30])
        end = read[-1]
        assert (end == end[0]).all()
        assert name.endswith("gif") or end[0].tolist() == [128 if name == "a.jpg" else 0] * 3
    at = run("at", "3,3", path, "-k", "1", "--allow-truncated")
    assert (at.status, at.lines) == (0, [f"{path}: {NOTICE}"])
    assert run("at", "3,3", path, "-k", "1").status == 1


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_has_a_notice_or_is_an_error(picture, tmp_path, name):
    """Never a wrong picture without one; a complete picture has none."""
    data = saved(picture.crop((0, 0, 40, 30)), name, tmp_path)
    with truncated_allowed(True):
        whole = decode(io.BytesIO(data))
        assert whole.notices == ()
        notices = 0
        for size in range(1, len(data), max(len(data) // 50, 1)):
            try:
                image = decode(io.BytesIO(data[:size]))
            except ImageError:
                continue
            assert image.size == whole.size
            assert NOTICE in image.notices or np.array_equal(image.pixels, whole.pixels)
            notices += NOTICE in image.notices
    assert notices > 10


def test_complete_pictures_have_no_notice(samples):
    """Of several cameras and programs."""
    cameras = (path for path in samples.parent.glob("tests/images/cameras/*") if path.suffix in (".jpg", ".png", ".tif"))
    paths = [*samples.glob("*.png"), *samples.glob("*.jpg"), *cameras]
    with truncated_allowed(True):
        for path in paths:
            with path.open("rb") as file:
                assert NOTICE not in decode(file).notices, path
    assert len(paths) > 8


def test_a_batch_notes_the_truncated_pictures_only(run, picture, tmp_path):
    """On several threads; the setting of Pillow is as before, and the next run refuses them."""
    for index in range(8):
        picture.rotate(index).save(tmp_path / f"{index}.png")
    cut = [tmp_path / f"{index}.png" for index in (1, 4, 6)]
    for path in cut:
        os.truncate(path, path.stat().st_size // 2)
    arguments = ["apply", tmp_path, "-k", "1", "-o", f"{tmp_path}/out/", "--overwrite", "-v", "-j", 4]
    result = run(*arguments, "--allow-truncated")
    assert result.status == 0
    assert [line for line in result.lines if NOTICE in line] == [f"{path}: {NOTICE}" for path in cut]
    assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is False
    again = run(*arguments)
    assert (again.status, sum("--allow-truncated" in line for line in again.lines)) == (1, 3)


def test_a_truncated_picture_is_not_replaced_in_place(run, picture, tmp_path):
    """What is there would be lost."""
    path = tmp_path / "a.png"
    path.write_bytes(saved(picture, "a.png", tmp_path)[:9000])
    result = run("apply", path, "-k", "1", "--in-place", "--allow-truncated")
    assert result.lines == [f"Error: {path}: would lose its partial data in place; write another file, with -o"]
    assert path.stat().st_size == 9000


def test_the_setting_is_restored_after_an_error():
    """As it was before, for all threads."""
    seen = []

    def fail():
        with truncated_allowed(True):
            thread = threading.Thread(target=lambda: seen.append(PIL.ImageFile.LOAD_TRUNCATED_IMAGES))
            thread.start()
            thread.join()
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert (seen, PIL.ImageFile.LOAD_TRUNCATED_IMAGES) == ([True], False)


COMPLETE_JPEGS = [
    (mode, size, {"subsampling": subsampling, "progressive": progressive, "restart_marker_blocks": restart})
    for mode, size in (("L", (97, 63)), ("RGB", (96, 64)), ("RGB", (9, 17)), ("RGB", (1, 1)), ("CMYK", (33, 40)))
    for subsampling in (0, 1, 2)
    for progressive in (False, True)
    for restart in (0, 3)
]


def jpeg(picture, **options):
    """The bytes of a JPEG by Pillow."""
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def test_complete_jpegs_are_read_as_by_pillow(picture):
    """Of all kinds, and with bytes before the marker of the end, which some cameras write."""
    for mode, size, options in COMPLETE_JPEGS:
        data = jpeg(picture.convert(mode).resize(size), **options)
        for whole in (data, data[:-2] + b"\1\2\3" + data[-2:], data + b"xyz"):
            with PIL.Image.open(io.BytesIO(whole)) as opened:
                expected = np.asarray(opened.convert("RGB" if mode == "CMYK" else mode))
            image = decode(io.BytesIO(whole))
            np.testing.assert_array_equal(np.squeeze(image.pixels), np.squeeze(expected), str((mode, size, options)))
            assert NOTICE not in image.notices


def cut_with_an_end(data):
    """JPEG data that end early, each with the marker of an end."""
    third = len(data) // 3
    yield data[:third].rstrip(b"\xff") + b"\xff\xd9"
    yield data[:-40].rstrip(b"\xff") + b"\xff\xd9"
    yield data[: 2 * third - 99] + data[2 * third :]


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0, "quality": 95}]
)
def test_a_jpeg_whose_data_end_before_its_marker_is_truncated(run, picture, tmp_path, options):
    """libjpeg fills the rest with grey, and only warns: "premature end of data segment"."""
    for data in cut_with_an_end(jpeg(picture, **options)):
        with pytest.raises(ImageError, match=r"its JPEG data cannot be decoded \(image file is truncated\); --allow-truncated"):
            decode(io.BytesIO(data))
        with truncated_allowed(True), PIL.Image.open(io.BytesIO(data)) as opened:
            image = decode(io.BytesIO(data))
            np.testing.assert_array_equal(image.pixels, np.asarray(opened))
        assert NOTICE in image.notices
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert run("apply", path, "-k", "1", "--in-place").status == 1
    assert path.read_bytes() == data


def test_a_jpeg_that_states_a_size_far_beyond_its_data_is_refused_at_once(picture):
    """Not after 169 megapixels of grey, which took 18 s."""
    data = bytearray(jpeg(picture))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (13000).to_bytes(2, "big") * 2
    before = time.process_time()
    with pytest.raises(ImageError, match="image file is truncated"):
        decode(io.BytesIO(data))
    assert time.process_time() - before < 2


def with_strip(data, change):
    """A TIFF whose only strip is changed, to the same size."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        begin, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    strip = change(data[begin : begin + size])
    assert len(strip) == size
    return data[:begin] + strip + data[begin + size :]


def saved_tiff(levels, folder, **options):
    """The bytes of a TIFF of one strip by libtiff, which Pillow calls, or by tifffile."""
    if levels.ndim == 2:
        PIL.Image.fromarray(levels).save(folder / "a.tif", **options)
        return (folder / "a.tif").read_bytes()
    file = io.BytesIO()
    tifffile.imwrite(file, levels, photometric="rgb", **options)
    return file.getvalue()


def test_jpeg_and_fax_strips_of_tiff_that_end_early_are_errors(picture, tmp_path):
    """JPEG with an end in its middle; CCITT group 4 whose last two thirds are zero, or of other data."""
    bits = np.asarray(picture.convert("L")) > 100
    colour = saved_tiff(np.asarray(picture), tmp_path, compression="jpeg")
    fax = saved_tiff(bits, tmp_path, compression="group4")
    np.testing.assert_array_equal(decode(io.BytesIO(fax)).pixels[:, :, 0], np.where(bits, 255, 0))
    assert decode(io.BytesIO(colour)).size == (90, 120, 3)
    damaged = [
        with_strip(colour, lambda strip: strip[: len(strip) * 2 // 3] + b"\xff\xd9" + strip[len(strip) * 2 // 3 + 2 :]),
        with_strip(fax, lambda strip: strip[: len(strip) // 3].ljust(len(strip), b"\0")),
        with_strip(fax, lambda strip: (b"\x55" * 9).ljust(len(strip), b"\0")),
    ]
    for data in damaged:
        with pytest.raises(
            ImageError, match=r"^is truncated or corrupt: a .*strip.* of its TIFF pixels ends early; get it again"
        ):
            decode(io.BytesIO(data))
