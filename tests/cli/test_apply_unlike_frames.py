"""Files whose frames differ: what an output does not hold of any of them is told, and refused with --in-place."""

import io
import struct

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin
import pytest
import tifffile

RNG = np.random.default_rng(12)
LEVELS = RNG.integers(0, 256, (16, 20), dtype=np.uint8)
DEEP = LEVELS.astype(np.uint16) * 200
FLOATS = LEVELS.astype(np.float32) / 7
WIDE = LEVELS / 3
WITH_ALPHA = np.dstack([LEVELS, LEVELS[::-1]])


def write_pages(path, *pages):
    """Write pages of TIFF; two samples are grey and alpha."""
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            alpha = {"extrasamples": ["unassalpha"], "planarconfig": "contig"} if page.shape[2:] == (2,) else {}
            writer.write(page, photometric="minisblack", metadata=None, software=False, **alpha)
    return path


@pytest.mark.parametrize(
    ("pages", "options", "lost"),
    [
        ((FLOATS, WITH_ALPHA), (), "alpha"),
        ((FLOATS, WIDE), (), "what 32 bits cannot hold"),
        ((LEVELS, FLOATS), ("--range", "0..255"), "its real numbers"),
    ],
)
def test_losses_of_later_pages_are_refused_in_place(run, tmp_path, pages, options, lost):
    """As those of the first are."""
    path = write_pages(tmp_path / "pages.tif", *pages)
    before = path.read_bytes()
    result = run("apply", path, "-k", "average", "--in-place", *options)
    assert (result.status, f"would lose {lost} in place" in result.err, path.read_bytes()) == (1, True, before)


def test_losses_of_later_pages_are_told_once(run, tmp_path):
    """With another output."""
    path = write_pages(tmp_path / "pages.tif", LEVELS, DEEP, DEEP)
    result = run("apply", path, "-k", "average", "-o", tmp_path / "o.webp")
    assert (result.status, result.err.count("16-bit levels stored with 8 bits: webp holds only 8")) == (0, 1)
    path = write_pages(tmp_path / "wide.tif", FLOATS, WIDE, WIDE)
    result = run("apply", path, "-k", "average", "-o", tmp_path / "o.tif")
    assert (result.status, result.err.count("stored as float32")) == (0, 1)


def test_metadata_that_later_pages_lose_are_told(run, tmp_path):
    """Text of the second icon, which TIFF does not hold, and a profile for colour where the output is grey."""
    icons = []
    for side, text in ((32, None), (16, "a title")):
        words, file = PIL.PngImagePlugin.PngInfo(), io.BytesIO()
        if text:
            words.add_text("Title", text)
        PIL.Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(file, "PNG", pnginfo=words)
        icons.append((side, file.getvalue()))
    places = np.cumsum([6 + 16 * len(icons), len(icons[0][1])]).tolist()
    heads = [
        struct.pack("<BBBBHHII", side, side, 0, 0, 1, 24, len(data), place)
        for (side, data), place in zip(icons, places, strict=True)
    ]
    (tmp_path / "a.ico").write_bytes(struct.pack("<HHH", 0, 1, 2) + b"".join([*heads, *(data for _, data in icons)]))
    result = run("apply", tmp_path / "a.ico", "--frames", "all", "-k", "1", "-o", tmp_path / "o.tif")
    assert (result.status, result.err.count("text not kept in this tiff")) == (0, 1), result.err
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for icc in (None, profile, profile):
            levels = np.zeros((16, 20, 3), np.uint8)
            writer.write(levels, photometric="rgb", metadata=None, software=False, contiguous=False, iccprofile=icc)
    result = run("apply", tmp_path / "a.tif", "--channels", "gray", "-k", "1", "-o", tmp_path / "o.tif", "--overwrite")
    assert (result.status, result.err.count("colour profile not kept: it is for colour")) == (0, 1), result.err


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_frames_of_two_dtypes_do_not_stack_in_arrays(run, tmp_path, suffix):
    """An array has one dtype."""
    path = write_pages(tmp_path / "pages.tif", FLOATS, WIDE)
    result = run("apply", path, "-k", "average", "-o", tmp_path / f"o{suffix}")
    assert (result.status, len(result.lines), (tmp_path / f"o{suffix}").exists()) == (1, 1, False)
    assert f"do not stack in {suffix[1:]}: frame 0 gives float32, frame 1 float64; write each frame to a file" in result.err
