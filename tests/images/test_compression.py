"""A JPEG made from a JPEG is compressed alike, and a lossless WebP stays lossless. Pillow reads and writes the files."""

import io

import imagecodecs
import numpy as np
import PIL.Image
import PIL.JpegImagePlugin
import pytest
from msgspec.structs import replace

from convcli.images.encoding import DEFAULT_QUALITY, Encoding
from convcli.images.formats import format_named, format_of
from convcli.images.read import read_image
from convcli.kernels.kernel import Kernel
from convcli.pipeline import request_base
from convcli.pipeline.apply_request import ApplyRequest
from convcli.pipeline.inputs import Input
from pictures import encode


@pytest.fixture
def picture(samples):
    """A photograph of Pillow."""
    with PIL.Image.open(samples / "chelsea.png") as opened:
        return opened.convert("RGB").crop((0, 0, 160, 120))


def saved(picture, form, **options):
    """Encode a picture with Pillow."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def encoded_again(data, name, quality=None):
    """Read a file and encode its image as a format."""
    return encode(read_image(None, io.BytesIO(data)), format_named(name), Encoding(quality=quality))


def coding(data):
    """The quantization table of each component of a JPEG, its subsampling, and whether it is progressive."""
    with PIL.Image.open(io.BytesIO(data)) as jpeg:
        tables = [jpeg.quantization[component[3]] for component in jpeg.layer]
        return tables, PIL.JpegImagePlugin.get_sampling(jpeg), "progressive" in jpeg.info


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{"quality": 30}, {"quality": 97, "progressive": True}, {"qtables": "web_low"},
                                     {"qtables": [[3] * 64, [5] * 64, [7] * 64]}])  # fmt: skip
def test_a_jpeg_keeps_its_compression(picture, options, subsampling):
    """Tables, subsampling and scans are those of the input, whether its tables are those of a quality or not."""
    data = saved(picture, "JPEG", subsampling=subsampling, **options)
    again = encoded_again(data, "jpeg")
    assert coding(again) == coding(data)
    assert len(again) == pytest.approx(len(data), rel=0.05)


def with_rare_subsampling(picture, subsampling):
    """Encode a picture with libjpeg by imagecodecs, with a resolution and a comment."""
    data = imagecodecs.jpeg8_encode(np.asarray(picture), 85, subsampling=subsampling)
    metadata = saved(picture.crop((0, 0, 1, 1)), "JPEG", comment=b"of a camera", dpi=(300, 300))
    return metadata[: metadata.index(b"\xff\xdb")] + data[data.index(b"\xff\xdb") :]


@pytest.mark.parametrize("is_progressive", [False, True])
@pytest.mark.parametrize(("subsampling", "factors"), [("440", (1, 2)), ("411", (4, 1))])
def test_rare_subsampling_of_a_jpeg_is_kept(picture, subsampling, factors, is_progressive):
    """Levels are as near to those of the input as libjpeg's own, with the tables and metadata of the input."""
    data = with_rare_subsampling(picture.crop((0, 0, 157, 115)), subsampling)
    image = read_image(None, io.BytesIO(data))
    options = image.compression.options | {"progressive": is_progressive}
    again = encode(replace(image, compression=replace(image.compression, options=options)), format_named("jpeg"), Encoding())
    with PIL.Image.open(io.BytesIO(data)) as before, PIL.Image.open(io.BytesIO(again)) as after:
        assert [component[1:3] for component in after.layer] == [factors, (1, 1), (1, 1)]
        tables = [[opened.quantization[component[3]] for component in opened.layer] for opened in (before, after)]
        assert tables[0] == tables[1]
        assert ("progressive" in after.info, after.info["comment"], after.info["dpi"]) == (
            is_progressive,
            b"of a camera",
            (300, 300),
        )
        levels = np.asarray(before)
        difference = np.asarray(after, float) - levels
    peer = PIL.Image.open(io.BytesIO(imagecodecs.jpeg8_encode(levels, 85, subsampling=subsampling)))
    peers_difference = np.asarray(peer, float) - levels
    assert abs(difference.mean()) < 0.05
    assert np.abs(difference).mean() < 1.2 * np.abs(peers_difference).mean()
    assert len(again) <= 1.02 * len(data)


@pytest.mark.parametrize(("subsampling", "factors"), [("422", (1, 2)), ("411", (1, 4)), ("440", (2, 1))])
def test_the_subsampling_of_a_jpeg_is_turned_with_it(picture, subsampling, factors):
    """Its columns become rows; the error is not much above that of decoding and encoding the upright picture."""
    data = with_rare_subsampling(picture, subsampling)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    segment = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    turned = data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + data[2:]
    again = encoded_again(turned, "jpeg")
    upright = np.rot90(np.asarray(PIL.Image.open(io.BytesIO(data))), -1).astype(float)
    with PIL.Image.open(io.BytesIO(again)) as after:
        assert [component[1:3] for component in after.layer] == [factors, (1, 1), (1, 1)]
        assert np.abs(np.asarray(after) - upright).mean() < 2


def test_a_jpeg_of_rare_subsampling_repeats_no_table(picture):
    """One for luminance, one for both colour differences, by which other programs estimate its quality."""
    again = encoded_again(with_rare_subsampling(picture, "411"), "jpeg")
    with PIL.Image.open(io.BytesIO(again)) as after:
        assert (len(after.quantization), [component[3] for component in after.layer]) == (2, [0, 1, 1])


def test_a_grey_map_of_a_jpeg_of_rare_subsampling_is_a_grey_jpeg(picture):
    """Grey has no colour differences."""
    image = read_image(None, io.BytesIO(with_rare_subsampling(picture, "411")))
    data = encode(replace(image, pixels=image.pixels[:, :, :1]), format_named("jpeg"), Encoding())
    with PIL.Image.open(io.BytesIO(data)) as jpeg:
        assert [component[1:3] for component in jpeg.layer] == [(1, 1)]


def test_a_quality_that_is_given_is_used(picture):
    """Tables and subsampling are those that Pillow has for it."""
    data = saved(picture, "JPEG", quality=30, progressive=True)
    for quality, subsampling in ((60, 2), (95, 0)):
        assert coding(encoded_again(data, "jpeg", quality)) == coding(
            saved(picture, "JPEG", quality=quality, subsampling=subsampling)
        )


def test_other_inputs_have_the_default_quality(picture):
    """A PNG becomes a JPEG of quality 92 without subsampling; a JPEG becomes the same WebP as a PNG of its levels."""
    assert coding(encoded_again(saved(picture, "PNG"), "jpeg")) == coding(
        saved(picture, "JPEG", quality=DEFAULT_QUALITY, subsampling=0)
    )
    jpeg = saved(picture, "JPEG", quality=30)
    png = saved(PIL.Image.open(io.BytesIO(jpeg)), "PNG")
    assert encoded_again(jpeg, "webp") == encoded_again(png, "webp")


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_keep_the_tables(picture, mode):
    """CMYK becomes RGB with full resolution of colours, and the tables of its first three components."""
    data = saved(picture.convert(mode), "JPEG", quality=40)
    (tables, _, _), (before, _, _) = coding(encoded_again(data, "jpeg")), coding(data)
    assert tables == before[:3]


def test_a_grey_map_of_a_colour_jpeg_has_its_luma_table(run, picture, tmp_path):
    """The second table of colour is not needed."""
    picture.save(tmp_path / "a.jpg", quality=40)
    assert run("apply", tmp_path / "a.jpg", "-k", "blur", "--channels", "gray", "-o", tmp_path / "b.jpg", "-q").status == 0
    before, _, _ = coding((tmp_path / "a.jpg").read_bytes())
    assert coding((tmp_path / "b.jpg").read_bytes()) == ([before[0]], -1, False)


@pytest.mark.parametrize("kind", ["plain", "alpha", "animated"])
def test_a_lossless_webp_stays_lossless(picture, kind):
    """Its levels are exact, as those of the first frame of an animation; with a quality they are not."""
    first = picture.convert("RGBA" if kind == "alpha" else "RGB")
    if kind == "alpha":
        first.putalpha(PIL.Image.linear_gradient("L").resize(first.size).point(lambda level: level // 2 + 100))
    frames = {"save_all": True, "append_images": [first.rotate(180)]} if kind == "animated" else {}
    data = saved(first, "WEBP", lossless=True, **frames)
    again = encoded_again(data, "webp")
    assert b"VP8L" in again[:40]
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(again))), np.asarray(first))
    assert b"VP8L" not in encoded_again(data, "webp", 80)
    assert b"VP8L" not in encoded_again(saved(first, "WEBP", quality=80, **frames), "webp")


def test_digests_change_only_where_bytes_change(monkeypatch):
    """With the pixels of version 0.1.0 the digests are those of it, but for outputs that inherit their compression."""
    monkeypatch.setattr(request_base, "PIXELS_VERSION", 3)
    kernel = Kernel("k", ((0.5, -0.25),), offset=3.0)
    fields = {"inputs": (Input("a.png", None),), "maps": (kernel,), "output": "b.png", "stride": (2, 1)}
    digests = {
        "b.jpg": "5a960affe58a733040f7e3a9eddfbb25",
        "b.webp": "7a01879ce01bce4a70077a2103bfc8cb",
        "b.avif": "84456afaf68f716747865d65783939a4",
    }
    for name, digest in digests.items():
        file_format = format_of(name)
        assert ApplyRequest(**fields).digest_for(file_format, [0]) == digest
        assert ApplyRequest(**fields, quality=92).digest_for(file_format, [0], inherits_compression=True) == digest
        assert ApplyRequest(**fields).digest_for(file_format, [0], inherits_compression=True) != digest


@pytest.mark.parametrize(("name", "inherits"), [("a.png", False), ("a.jpg", True)])
def test_outputs_of_earlier_versions_are_made_again_only_if_they_change(run, picture, tmp_path, name, inherits):
    """An output of quality 92 stands for that of an earlier version. Later runs skip what this version has written."""
    picture.save(tmp_path / name)
    arguments = ["apply", tmp_path / name, "-k", "blur", "-o", tmp_path / "out.jpg", "--skip-existing", "-v"]
    assert run(*arguments, "--quality", 92).status == 0
    before = (tmp_path / "out.jpg").read_bytes()
    again = run(*arguments)
    assert ("up to date" in again.err) == (not inherits)
    assert ((tmp_path / "out.jpg").read_bytes() == before) == (not inherits)
    assert "up to date" in run(*arguments).err


@pytest.mark.parametrize("version", [1, 3, 4])
def test_what_an_earlier_version_filtered_in_place_is_not_filtered_again(run, picture, tmp_path, monkeypatch, version):
    """Its quality was 92, which is that of its provenance; another kernel is another request."""
    path = tmp_path / "a.jpg"
    picture.save(path, quality=40)
    arguments = ["apply", path, "--in-place", "--skip-existing", "-v", "-k"]
    with monkeypatch.context() as earlier:
        earlier.setattr(request_base, "PIXELS_VERSION", version)
        assert run(*arguments, "blur", "--quality", 92).status == 0
    before = path.read_bytes()
    assert "up to date" in run(*arguments, "blur").err
    assert path.read_bytes() == before
    assert run(*arguments, "sharpen").status == 0
    assert path.read_bytes() != before
