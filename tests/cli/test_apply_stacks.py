"""``apply`` on stacks of TIFF; expected levels are those of SciPy for each frame."""

import io

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from numpy.testing import assert_array_equal

WEIGHTS = np.outer([1, 2, 1], [1, 2, 1])
KERNEL = "1/16 1/8 1/16; 1/8 1/4 1/8; 1/16 1/8 1/16"
"""Its sums are exact in float32, so that levels are exact too."""


def filtered(frame):
    """Levels of a frame (H, W) or (H, W, C) by SciPy."""
    planes = np.atleast_3d(frame)
    sums = [scipy.ndimage.correlate(planes[:, :, c].astype(np.int64), WEIGHTS, mode="mirror") for c in range(planes.shape[2])]
    return np.rint(np.stack(sums, axis=2) / 16).astype(frame.dtype).reshape(frame.shape)


def stack_of(path, rng, shape, dtype=np.uint16, **options):
    """A file of random levels; the levels are returned."""
    data = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    tifffile.imwrite(path, data, **options)
    return data


def apply(run, source, output, *options):
    """Run ``apply`` without an error, and return its messages."""
    result = run("apply", source, "-k", KERNEL, "-o", output, *options)
    assert result.status == 0, result.err
    return result.err


def test_a_hyperstack_gives_a_hyperstack(run, rng, tmp_path):
    """Axes, labels, unit, and distances stay, which the stride multiplies."""
    labels = [f"plane {index}" for index in range(12)]
    words = {"axes": "TZCYX", "unit": "micron", "spacing": 0.5, "finterval": 2.0, "Labels": labels, "mode": "composite"}
    data = stack_of(tmp_path / "a.tif", rng, (2, 3, 2, 20, 30), imagej=True, metadata=words, resolution=(10, 20))
    for stride, resolution in ((1, (10, 1)), (2, (5, 1))):
        message = apply(run, tmp_path / "a.tif", tmp_path / "b.tif", "--stride", f"{stride}")
        assert "6 frames" in message
        assert "not kept" not in message
        with tifffile.TiffFile(tmp_path / "b.tif") as pages:
            assert (pages.is_imagej, pages.series[0].get_axes()) == (True, "TZCYX")
            for name in words.keys() - {"axes"}:
                assert pages.imagej_metadata[name] == words[name]
            assert pages.pages[0].tags[282].value == resolution
            levels = pages.asarray()
        expected = np.stack([filtered(plane)[::stride, ::stride] for plane in data.reshape(12, 20, 30)])
        assert_array_equal(levels, expected.reshape(2, 3, 2, *expected.shape[1:]))


def test_an_ome_tiff_gives_an_ome_tiff(run, rng, tmp_path):
    """Its name may end with .ome.tif or .tif."""
    data = stack_of(tmp_path / "a.ome.tif", rng, (4, 20, 30), ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.1})
    for name in ("b.ome.tif", "b.tif"):
        apply(run, tmp_path / "a.ome.tif", tmp_path / name, "--stride", "3")
        with tifffile.TiffFile(tmp_path / name) as pages:
            assert (pages.is_ome, pages.series[0].get_axes()) == (True, "ZYX")
            assert 'PhysicalSizeX="0.3' in pages.ome_metadata
            assert_array_equal(pages.asarray(), np.stack([filtered(frame)[::3, ::3] for frame in data]))


def test_frames_are_selected(run, rng, tmp_path):
    """A slice of one axis keeps it, and its distance grows with the step; each frame may have a file of its own."""
    words = {"axes": "ZYX", "spacing": 0.5, "unit": "um", "Labels": [f"z{index}" for index in range(12)]}
    data = stack_of(tmp_path / "a.tif", rng, (12, 20, 30), imagej=True, metadata=words)
    apply(run, tmp_path / "a.tif", tmp_path / "b.tif", "--frames", "1:9:3")
    with tifffile.TiffFile(tmp_path / "b.tif") as pages:
        assert_array_equal(pages.asarray(), np.stack([filtered(data[index]) for index in (1, 4, 7)]))
        assert (pages.imagej_metadata["Labels"], pages.imagej_metadata["spacing"]) == (["z1", "z4", "z7"], 1.5)
    apply(run, tmp_path / "a.tif", tmp_path / "f{frame}.tif", "--frames", "9:11")
    assert sorted(path.name for path in tmp_path.glob("f*")) == ["f09.tif", "f10.tif"]
    with tifffile.TiffFile(tmp_path / "f10.tif") as pages:
        assert_array_equal(pages.asarray(), filtered(data[10]))
        assert pages.imagej_metadata["Labels"] == "z10"
    message = apply(run, tmp_path / "a.tif", tmp_path / "g{frame}.png", "--frames", "-1")
    assert "labels of frames not kept in this png" in message
    result = run("apply", tmp_path / "a.tif", "-k", KERNEL, "-o", tmp_path / "h.jpg")
    assert result.status == 1
    assert "has 12 frames, and jpeg holds one; give --frames first, or write each to a file, with {frame}" in result.err


def test_pages_of_different_sizes(run, rng, tmp_path):
    """Each page is filtered as a picture of its own."""
    pages = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((20, 30), (9, 11, 3), (40, 8))]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
    apply(run, tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as output:
        for page, expected in zip(output.pages, pages, strict=True):
            assert_array_equal(page.asarray(), filtered(expected))
    result = run("apply", tmp_path / "a.tif", "-k", KERNEL, "--depth", "float", "-o", tmp_path / "c.tif")
    assert result.status == 1
    assert "frame 1 differs in size from the first: 20 x 30 x 1 and 9 x 11 x 3; write each to a file" in result.err
    assert not (tmp_path / "c.tif").exists()


def test_damage_in_the_middle_leaves_nothing(run, rng, tmp_path):
    """The error names the frame."""
    stack_of(tmp_path / "a.tif", rng, (5, 64, 64), photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "a.tif") as pages:
        begin = pages.pages[3].dataoffsets[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[begin : begin + 400] = bytes(400)
    (tmp_path / "a.tif").write_bytes(data)
    result = run("apply", tmp_path / "a.tif", "-k", KERNEL, "-o", tmp_path / "out" / "b.tif")
    assert result.status == 1
    assert "its frame 3 is truncated or corrupt" in result.err
    assert list((tmp_path / "out").glob("*")) == []
    apply(run, tmp_path / "a.tif", tmp_path / "c.tif", "--frames", "0:3")


def test_float_maps_of_a_stack(run, rng, tmp_path):
    """The maps of several kernels are the channels of a hyperstack."""
    data = stack_of(tmp_path / "a.tif", rng, (4, 20, 30), imagej=True, metadata={"axes": "ZYX"})
    apply(run, tmp_path / "a.tif", tmp_path / "b.tif", "--depth", "float")
    sums = np.stack([scipy.ndimage.correlate(frame.astype(np.float32), WEIGHTS / 16, mode="mirror") for frame in data])
    with tifffile.TiffFile(tmp_path / "b.tif") as pages:
        assert (pages.series[0].get_axes(), pages.series[0].dtype) == ("ZYX", np.float32)
        np.testing.assert_allclose(pages.asarray(), sums, rtol=1e-6)
    apply(run, tmp_path / "a.tif", tmp_path / "c.tif", "-k", "identity")
    with tifffile.TiffFile(tmp_path / "c.tif") as pages:
        assert pages.series[0].get_axes() == "ZCYX"
        assert pages.imagej_metadata["Labels"][1] == "identity"
        assert_array_equal(pages.asarray()[:, 1], data)


def test_five_channels(run, rng, tmp_path):
    """Planes of a microscope are channels, filtered on their own; PNG holds none such."""
    data = stack_of(
        tmp_path / "a.tif", rng, (5, 20, 30), imagej=True, metadata={"axes": "CYX", "unit": "um"}, resolution=(4, 4)
    )
    apply(run, tmp_path / "a.tif", tmp_path / "b.tif")
    np.save(tmp_path / "c.npy", np.moveaxis(data, 0, 2))
    apply(run, tmp_path / "c.npy", tmp_path / "d.tif")
    for name in ("b.tif", "d.tif"):
        with tifffile.TiffFile(tmp_path / name) as pages:
            assert pages.series[0].get_axes() == "CYX"
            assert_array_equal(pages.asarray(), np.stack([filtered(plane) for plane in data]))
    with tifffile.TiffFile(tmp_path / "b.tif") as pages:
        assert (pages.imagej_metadata["unit"], pages.pages[0].tags[282].value) == ("um", (4, 1))
    apply(run, tmp_path / "d.tif", tmp_path / "e.tif", "-k", "identity")
    result = run("apply", tmp_path / "a.tif", "-k", KERNEL, "-o", tmp_path / "f.png")
    assert result.status == 1
    assert "5 channels are not a picture; use --channels sum, or write .tif, .npy or .npz" in result.err


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}, {"photometric": "minisblack"}])
def test_stacks_are_skipped_and_replaced(run, rng, tmp_path, options):
    """They carry provenance; a truncated one is made again; --in-place filters a stack once."""
    data = stack_of(tmp_path / "a.tif", rng, (4, 20, 30), metadata={"axes": "ZYX"}, **options)
    apply(run, tmp_path / "a.tif", tmp_path / "b.tif", "--skip-existing")
    whole = (tmp_path / "b.tif").read_bytes()
    assert not (tmp_path / "b.tif.convcli").exists()
    assert "skipped" in run("apply", tmp_path / "a.tif", "-k", KERNEL, "-o", tmp_path / "b.tif", "--skip-existing", "-v").err
    for cut in (40, 1000):
        (tmp_path / "b.tif").write_bytes(whole[:-cut])
        apply(run, tmp_path / "a.tif", tmp_path / "b.tif", "--skip-existing", "--overwrite")
        assert (tmp_path / "b.tif").read_bytes() == whole
    for _ in range(2):
        result = run("apply", tmp_path / "a.tif", "-k", KERNEL, "--in-place", "--skip-existing")
        assert result.status == 0, result.err
        assert_array_equal(tifffile.imread(tmp_path / "a.tif"), np.stack([filtered(frame) for frame in data]))


def test_stretch_has_common_limits(run, tmp_path):
    """Levels of frames can be compared."""
    data = (np.arange(1, 4)[:, None, None] * np.linspace(0, 5000, 600).reshape(20, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TYX"})
    result = run("apply", tmp_path / "a.tif", "-k", "identity", "--range", "stretch", "-o", tmp_path / "b.tif")
    assert result.status == 0, result.err
    assert_array_equal(tifffile.imread(tmp_path / "b.tif"), np.rint(data * (65535 / data.max())).astype(np.uint16))


def test_memory_is_that_of_one_frame(run, tmp_path):
    """Thirty frames of 1 MB under a limit of 20 MB."""
    frames = (np.full((700, 700), index, np.uint16) for index in range(30))
    tifffile.imwrite(tmp_path / "a.tif", frames, shape=(30, 700, 700), dtype=np.uint16, imagej=True, metadata={"axes": "ZYX"})
    assert "30 frames" in apply(run, tmp_path / "a.tif", tmp_path / "b.tif", "--max-memory", "20M")


def test_a_stack_goes_to_standard_output(shell, rng, tmp_path):
    """As bytes of a file."""
    data = stack_of(tmp_path / "a.tif", rng, (4, 20, 30), imagej=True, metadata={"axes": "ZYX"})
    output = shell("apply", tmp_path / "a.tif", "-k", KERNEL, "-o", "-", "--format", "tiff").stdout
    assert_array_equal(tifffile.imread(io.BytesIO(output)), np.stack([filtered(frame) for frame in data]))
