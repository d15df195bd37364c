"""convcli apply and at with --missing, --mask and --nodata, against an oracle in plain loops."""

import json

import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

import naive
from convcli.images import mask
from convcli.ops import filter as filter_module
from convcli.pipeline import kernel_maps
from pictures import clipped, pixels

BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
KERNELS = {"blur": BLUR, "sharpen": SHARPEN, "sobel-x": SOBEL}
SAME = ((1, 1), (1, 1))
LUMA = np.array([0.299, 0.587, 0.114])


def to_light(levels):
    """Light by IEC 61966-2-1, of levels from 0 to 255."""
    x = levels / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def to_levels(light):
    """The inverse of ``to_light``."""
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def expected(levels, absent, kernel, rule, **options):
    """The responses (H, W, C) of the oracle for levels (H, W, C), of which absent (H, W, C) are missing."""
    options = {"pads": SAME, "border": "reflect"} | options
    return naive.filter2d_missing(levels.astype(float), absent, kernel, rule, **options)


def holes(rng, shape, share=0.1):
    """Which of (H, W, ...) are missing: some at random, and a block in which a kernel sees nothing."""
    absent = rng.random(shape) < share
    absent[5:11, 7:13] = True
    return absent


def raw(run, source, *options):
    """The only raw map of a run, (H, W) or (H, W, C)."""
    path = source.parent / "raw.npy"
    result = run("apply", source, "-o", path, *options)
    assert result.status == 0, result.err
    return np.load(path)[0]


@pytest.fixture
def case(tmp_path, rng):
    """A picture in colour, its mask as a picture, and which samples are missing."""
    levels = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    absent = holes(rng, (24, 20))
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    PIL.Image.fromarray(np.where(absent, 0, rng.integers(1, 256, absent.shape)).astype(np.uint8)).save(tmp_path / "m.png")
    return tmp_path / "a.png", tmp_path / "m.png", levels, np.repeat(absent[:, :, None], 3, axis=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("rule", ["ignore", "zero"])
def test_nan_takes_no_part(run, tmp_path, rng, dtype, rule):
    """In arrays of floats, for each channel on its own. It is reported what is not a number."""
    array = rng.random((24, 20, 2)).astype(dtype)
    absent = holes(rng, array.shape)
    array[absent] = np.nan
    np.save(tmp_path / "a.npy", array)
    response = expected(array, absent, BLUR, rule)
    assert_allclose(raw(run, tmp_path / "a.npy", "-k", "blur", "--missing", rule), response, atol=1e-6)
    result = run("apply", tmp_path / "a.npy", "-k", "blur", "--missing", rule, "-o", tmp_path / "b.npy", "--json")
    line = json.loads(result.out.splitlines()[0])
    assert f'"unknown": {np.isnan(response).sum()}' in json.dumps(line)
    assert np.isnan(response).any() == (rule == "ignore")


def test_by_default_nan_spreads(run, tmp_path, rng):
    """As before there was an option, and with it."""
    array = rng.random((24, 20)).astype(np.float32)
    array[holes(rng, array.shape, 0)] = np.nan
    np.save(tmp_path / "a.npy", array)
    plain = raw(run, tmp_path / "a.npy", "-k", "blur")
    assert np.isnan(plain).sum() == 8 * 8
    assert_array_equal(raw(run, tmp_path / "a.npy", "-k", "blur", "--missing", "spread"), plain)
    ignored = raw(run, tmp_path / "a.npy", "-k", "blur", "--missing", "ignore")
    assert_array_equal(ignored[~np.isnan(plain)], plain[~np.isnan(plain)])
    assert np.isnan(ignored).sum() == 4 * 4


@pytest.mark.parametrize(
    ("kernel", "rule", "options", "slides"),
    [
        ("blur", "ignore", (), {}),
        ("sharpen", "ignore", (), {}),
        ("sobel-x", "zero", (), {}),
        ("blur", "spread", (), {}),
        ("blur", "ignore", ("--border", "linear-ramp", "--padding", "2"), {"border": "linear-ramp", "pads": ((2, 2), (2, 2))}),
        ("blur", "ignore", ("--border", "edge", "--stride", "2x3"), {"border": "edge", "stride": (2, 3)}),
        ("blur", "ignore", ("--border", "9", "--flip"), {"border": 9, "flip": True}),
        ("blur", "ignore", ("--dilation", "2", "--padding", "valid"), {"dilation": (2, 2), "pads": ((0, 0), (0, 0))}),
        ("blur", "ignore", ("--border", "wrap", "--method", "fft"), {"border": "wrap"}),
    ],
)
def test_a_mask_excludes_pixels(run, case, monkeypatch, kernel, rule, options, slides):
    """With kernels of both signs and every option, also where rows are computed a few at a time."""
    source, mask, levels, absent = case
    monkeypatch.setattr(kernel_maps, "MISSING_CHUNK", 20 * 3 * 5)
    response = raw(run, source, "-k", kernel, "--mask", mask, "--missing", rule, *options)
    assert_allclose(response, expected(levels, absent, KERNELS[kernel], rule, **slides), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("channels", ["sum", "gray"])
def test_sums_over_channels_divide_by_what_is_seen_of_all(run, tmp_path, rng, channels):
    """NaN in one channel leaves the others."""
    array = rng.random((24, 20, 3)).astype(np.float32)
    absent = holes(rng, array.shape)
    array[absent] = np.nan
    np.save(tmp_path / "a.npy", array)
    kernel = BLUR[:, :, None] * (LUMA if channels == "gray" else np.ones(3))
    response = raw(run, tmp_path / "a.npy", "-k", "blur", "--channels", channels, "--missing", "ignore")
    assert_allclose(response, expected(array, absent, kernel, "ignore"), atol=1e-5)


def test_levels_are_stored_and_nan_is_0(run, case, tmp_path, monkeypatch):
    """A few rows at a time. The report says which share is not a number; --range stretch does not count it."""
    monkeypatch.setattr(filter_module, "CHUNK_SIZE", 20 * 3 * 6)
    source, mask, levels, absent = case
    response = expected(levels, absent, BLUR, "ignore")
    result = run("apply", source, "-k", "blur", "--mask", mask, "-o", tmp_path / "b.png")
    assert "3.333 % not a number" in result.err
    assert_allclose(pixels(tmp_path / "b.png"), clipped(np.nan_to_num(response)), atol=0.5001)
    assert (pixels(tmp_path / "b.png")[6:10, 8:12] == 0).all()
    run("apply", source, "-k", "blur", "--mask", mask, "-o", tmp_path / "b.png", "--range", "stretch")
    low, high = np.nanmin(response), np.nanmax(response)
    stretched = np.nan_to_num((response - low) * 255 / (high - low))
    assert_allclose(pixels(tmp_path / "b.png"), clipped(stretched), atol=0.5001)


@pytest.mark.parametrize(
    ("dtype", "nodata", "text"),
    [
        (np.uint16, 65535, "65535"),
        (np.uint8, 0, "0"),
        (np.float32, -9999, "-9999"),
        (np.float32, -3.4028234663852886e38, "-3.4028234663852886e+38"),
        (np.float64, -np.inf, "-inf"),
        (np.int16, -32768, "-32768"),
    ],
)
def test_nodata_is_a_value_of_missing_samples(run, tmp_path, rng, dtype, nodata, text):
    """In TIFF, of each sample on its own. Other values take part, however near."""
    array = rng.integers(1, 120, (24, 20, 3)).astype(dtype)
    absent = holes(rng, array.shape)
    array[absent] = nodata
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    response = raw(run, tmp_path / "a.tif", "-k", "blur", "--nodata", text)
    assert_allclose(response, expected(np.where(absent, 0, array.astype(float)), absent, BLUR, "ignore"), rtol=1e-6)


def test_nodata_that_samples_cannot_be_is_an_error(run, tmp_path):
    """One line for each picture; the others of a batch are done."""
    PIL.Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "f.npy", np.ones((4, 4), np.float32))
    rules = {
        "-9999": "--nodata must be one of its levels, whole numbers from 0 to 255, got -9999",
        "1.5": "from 0 to 255, got 1.5",
        "nan": "from 0 to 255, got nan",
    }
    for text, rule in rules.items():
        options = ("-k", "blur", "--nodata", text, "--range", "0..2", "-o", f"{tmp_path}/{text}/")
        result = run("apply", tmp_path / "a.png", tmp_path / "f.npy", *options)
        assert (result.status, (tmp_path / text / "f.png").exists()) == (1, True)
        assert rule in result.err
    result = run("apply", tmp_path / "f.npy", "-k", "blur", "--nodata", "1e39", "-o", tmp_path / "b.npy")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "--nodata must be a number that its samples can be, which are float32, got 1e+39" in result.err
    result = run("apply", tmp_path / "f.npy", "-k", "blur", "--nodata", "none", "-o", tmp_path / "b.npy")
    assert (result.status, len(result.lines)) == (2, 1)
    assert "nodata must be a number, such as 65535 or -9999, got 'none'" in result.err


def test_one_mask_is_for_all_pictures_of_a_batch(run, tmp_path, case):
    """A picture of another size fails, with both sizes, and the others are done."""
    source, mask, levels, absent = case
    PIL.Image.fromarray(levels[::-1].copy()).save(tmp_path / "b.png")
    PIL.Image.fromarray(levels[:, :9].copy()).save(tmp_path / "c.png")
    result = run(
        "apply", source, tmp_path / "b.png", tmp_path / "c.png", "-k", "blur", "--mask", mask, "-o", f"{tmp_path}/out/"
    )
    assert result.status == 1
    assert f"c.png: --mask must have its size, 9 x 24, and {mask} is 20 x 24" in result.err
    for name, array in (("a.png", levels), ("b.png", levels[::-1])):
        response = np.nan_to_num(expected(array, absent, BLUR, "ignore"))
        assert_allclose(pixels(tmp_path / "out" / name), clipped(response), atol=0.5001)


@pytest.mark.parametrize("kind", ["1", "RGB", "RGBA", "I;16", "npy", "bool"])
def test_every_kind_of_picture_is_a_mask(run, tmp_path, case, kind):
    """A pixel is 0 where all channels are, where it is transparent, and where it is NaN."""
    source, _, levels, absent = case
    seen = ~absent[:, :, 0]
    path = tmp_path / ("mask.npy" if kind in ("npy", "bool") else "mask.png")
    if kind == "npy":
        np.save(path, np.where(seen, 0.5, np.nan))
    elif kind == "bool":
        np.save(path, seen)
    elif kind == "1":
        PIL.Image.fromarray(seen).save(path)
    elif kind == "I;16":
        PIL.Image.fromarray(seen.astype(np.uint16)).save(path)
    else:
        mask = np.zeros((*seen.shape, len(kind)), np.uint8)
        mask[seen, 1], mask[:, :, 3:] = 1, 255
        if kind == "RGBA":
            mask[:, :, :3], mask[:, :, 3] = 200, seen
        PIL.Image.fromarray(mask).save(path)
    response = raw(run, source, "-k", "blur", "--mask", path)
    assert_allclose(response, expected(levels, absent, BLUR, "ignore"), atol=1e-3)


def test_errors_of_masks_are_one_line(run, tmp_path, case):
    """A mask that is missing or no picture stops the run before any picture; it cannot be an output either."""
    source, mask, _, _ = case
    (tmp_path / "text.png").write_text("no picture")
    output = tmp_path / "out.png"
    for path, message in (
        (tmp_path / "none.png", "does not exist"),
        (tmp_path / "text.png", f"--mask {tmp_path / 'text.png'}: "),
    ):
        for command in (["apply", source, "-o", output], ["at", "0,0", source]):
            result = run(*command, "-k", "blur", "--mask", path)
            assert (result.status, message in result.err, output.exists()) == (2, True, False)
            assert "Traceback" not in result.err
    result = run("apply", source, "-k", "blur", "--mask", mask, "-o", mask)
    assert (result.status, "the output is an input" in result.err) == (2, True)


def test_kernels_that_sum_to_zero_are_refused(run, case, tmp_path):
    """Before a picture is read; --missing zero and spread are for them."""
    source, mask, _, _ = case
    result = run("apply", source, "-k", "sobel-x", "--mask", mask, "-o", tmp_path / "b.png")
    assert (result.status, len(result.lines)) == (2, 1)
    message = "kernel 'sobel-x' sums to 0, and --missing ignore divides by the sum of weights; use --missing zero or spread"
    assert message in result.err
    assert run("apply", source, "-k", "sobel", "--missing", "ignore", "-o", tmp_path / "b.png").status == 2
    for rule in ("zero", "spread"):
        assert run("apply", source, "-k", "sobel", "--mask", mask, "--missing", rule, "-o", tmp_path / "b.png").status == 0


def with_alpha(levels, absent, alpha, rule, decode=np.array):
    """Colours and alpha of the oracle, colours times alpha: a missing pixel is missing with its alpha."""
    share = alpha[:, :, None] / 255
    colours = expected(decode(levels) * share, absent, BLUR, rule)
    shares = expected(share, absent[:, :, :1], BLUR, rule)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(shares > 0.5 / 255, colours / shares, 0), shares[:, :, 0] * 255


@pytest.mark.parametrize("light", ["encoded", "linear"])
@pytest.mark.parametrize("rule", ["ignore", "zero", "spread"])
def test_a_missing_pixel_is_missing_with_its_alpha(run, tmp_path, case, rng, rule, light):
    """And becomes transparent where nothing is seen."""
    _, mask, levels, absent = case
    alpha = rng.integers(0, 256, levels.shape[:2]).astype(np.uint8)
    PIL.Image.fromarray(np.dstack([levels, alpha])).save(tmp_path / "a.png")
    options = ("-k", "blur", "--mask", mask, "--missing", rule, "--light", light)
    assert run("apply", tmp_path / "a.png", *options, "-o", tmp_path / "b.png").status == 0
    decode, encode = (to_light, to_levels) if light == "linear" else (np.array, np.array)
    colours, shares = with_alpha(levels, absent, alpha, rule, decode)
    result = pixels(tmp_path / "b.png")
    assert_allclose(result[:, :, 3], np.nan_to_num(shares), atol=0.501)
    visible = result[:, :, 3] > 0
    assert_allclose(result[visible][:, :3], np.clip(encode(colours[visible]), 0, 255), atol=0.51)
    assert (result[6:10, 8:12, 3] == 0).all()


def test_light_is_divided_before_it_is_encoded(run, case):
    """Levels of --nodata are those of the file."""
    source, _, levels, _ = case
    absent = levels == levels[0, 0, 0]
    response = raw(run, source, "-k", "blur", "--light", "linear", "--nodata", levels[0, 0, 0])
    assert_allclose(response, to_levels(expected(to_light(levels), absent, BLUR, "ignore")), atol=0.02)


@pytest.mark.parametrize("rule", ["ignore", "zero", "spread"])
@pytest.mark.parametrize("source_of", ["mask", "nan", "alpha"])
def test_at_shows_the_numbers_of_apply(run, tmp_path, case, rng, rule, source_of):
    """Products and shares give the response; it is the one that apply stores."""
    source, mask, levels, absent = case
    options = ["-k", "blur", "--missing", rule, "--mask", mask]
    if source_of == "nan":
        source = tmp_path / "a.npy"
        np.save(source, np.where(absent, np.nan, levels).astype(np.float32))
        options = options[:-2]
    elif source_of == "alpha":
        PIL.Image.fromarray(np.dstack([levels, rng.integers(1, 256, levels.shape[:2]).astype(np.uint8)])).save(source)
    stored = raw(run, source, *options)
    for x, y in ((9, 8), (0, 0), (6, 5), (13, 11), (19, 23)):
        point = json.loads(run("at", f"{x},{y}", source, *options, "--json").out)
        (part,) = point["kernels"]
        under = np.array(part.get("missing", np.zeros((3, 3, 3), bool)))
        rows, columns = np.abs(np.arange(y - 1, y + 2)), np.abs(np.arange(x - 1, x + 2))
        rows, columns = np.where(rows > 23, 46 - rows, rows), np.where(columns > 19, 38 - columns, columns)
        if not (source_of == "nan" and rule == "spread"):
            assert_array_equal(under, absent[np.ix_(rows, columns)])
        for c, channel in enumerate(part["channels"]):
            response = np.nan if point["responses"][c] is None else point["responses"][c]
            assert_allclose(response, stored[y, x, c], rtol=1e-6)
            total = np.nan if channel["sum"] is None else channel["sum"]
            share = part.get("shares", [1] * 3)[c]
            alpha = (part["alpha"] or {}).get("divisor")
            divided = total / share if share else np.nan
            assert_allclose(response, divided if alpha is None else divided / alpha if alpha else 0, rtol=1e-4)
    text = run("at", "6,5", source, *options).out
    assert (f"--missing {rule}" in text) == (source_of != "nan" or rule != "spread")
    assert ("the share of the weights seen" in text) == (rule == "ignore")
    assert ("the weights seen sum to 0" in run("at", "9,8", source, *options).out) == (rule == "ignore")


def test_banks_merge_responses_that_are_divided(run, case):
    """Each kernel is divided by its own weights."""
    source, mask, levels, absent = case
    config = source.parent / "k.toml"
    config.write_text('[banks.both]\nkernels = ["blur", "sharpen"]\nmerge = "mean"\n')
    response = raw(run, source, "-k", "both", "--config", config, "--mask", mask)
    parts = [expected(levels, absent, KERNELS[name], "ignore") for name in ("blur", "sharpen")]
    assert_allclose(response, np.mean(parts, axis=0), rtol=1e-5, atol=1e-3)


def test_config_environment_and_option(run, tmp_path, monkeypatch):
    """The option overrides the environment, which overrides the defaults of a file."""
    np.save(tmp_path / "a.npy", np.array([[np.nan, 4, 8]], np.float32))
    config = tmp_path / "k.toml"
    config.write_text('[defaults]\nmissing = "ignore"\n')

    def responses(*options):
        return raw(run, tmp_path / "a.npy", "-k", "1/2 1/2", "--padding", "valid", *options)[0].tolist()

    options = ("--config", config)
    assert_array_equal(
        [responses(), responses(*options), responses(*options, "--missing", "zero")], [[np.nan, 6], [4, 6], [2, 6]]
    )
    monkeypatch.setenv("CONVCLI_MISSING", "zero")
    assert (responses(*options), responses(*options, "--missing", "ignore")) == ([2, 6], [4, 6])
    assert "missing" in run("config", "path").out
    config.write_text('[defaults]\nmissing = "ignored"\n')
    rule = "missing: must be one of spread, ignore, zero, got 'ignored'; did you mean 'ignore'?"
    assert rule in run("config", "path", *options).err


def test_skip_existing_tells_masks(run, case, tmp_path):
    """By their content. Without these options, outputs have the digest of earlier versions."""
    source, mask, _, _ = case
    output = tmp_path / "b.png"

    def made(*options):
        result = run("apply", source, "-k", "blur", *options, "--skip-existing", "-o", output)
        assert result.status == 0, result.err
        return " min " in result.err

    assert [made(), made("--missing", "spread"), made("--mask", mask), made("--mask", mask)] == [True, False, True, False]
    PIL.Image.fromarray(np.full((24, 20), 255, np.uint8)).save(mask)
    assert [made("--mask", mask), made("--mask", mask, "--missing", "zero"), made("--nodata", "3")] == [True, True, True]


def test_nodata_of_gdal_is_a_notice(run, tmp_path):
    """Only where no option takes it into account; other text in the tag is none."""
    for name, text in (("a.tif", "-9999"), ("b.tif", "[red]"), ("c.tif", "")):
        tags = [(42113, 2, 0, text, True)]
        tifffile.imwrite(tmp_path / name, np.ones((5, 5), np.float32), extratags=tags)

    def notice(name, *options):
        return (
            "stands for missing samples" in run("apply", tmp_path / name, "-k", "blur", "-o", tmp_path / "o.npy", *options).err
        )

    assert notice("a.tif")
    assert notice("a.tif", "--missing", "ignore")
    assert not notice("a.tif", "--missing", "spread")
    assert not notice("a.tif", "--nodata", "-9999")
    assert not notice("b.tif")
    assert not notice("c.tif")


def stated(path):
    """The tag GDAL_NODATA of a TIFF file and its samples, as tifffile reads them."""
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags.get(42113)
        return tag and tag.value, file.pages[0].asarray()


@pytest.mark.parametrize(
    ("dtype", "text", "options"),
    [
        (np.uint16, "65535", ["--nodata", "65535"]),
        (np.uint16, "65535", ["--nodata", "7"]),
        (np.uint8, "200", ["--mask", "mask.png"]),
        (np.uint16, "9", ["--nodata", "9", "--range", "0..70000"]),
        (np.int16, "-32768", ["--nodata", "-32768"]),
        (np.float32, "-9999", ["--nodata", "-9999", "--missing", "ignore"]),
        (np.float32, "-9999", ["--missing", "spread"]),
        (np.float32, "nan", ["--nodata", "7"]),
    ],
)
def test_what_is_still_missing_has_the_value_that_the_output_states(run, tmp_path, rng, dtype, text, options):
    """GDAL masks the samples of this value, here those over which the kernel sees nothing."""
    absent, levels = holes(rng, (24, 20), 0), rng.integers(20, 180, (24, 20)).astype(dtype)
    value = float(options[1]) if options[0] == "--nodata" else np.nan
    if options[0] != "--mask":
        levels[absent] = np.nan if np.isnan(value) else value
    PIL.Image.fromarray(np.where(absent, 0, 255).astype(np.uint8)).save(tmp_path / "mask.png")
    tifffile.imwrite(tmp_path / "a.tif", levels, extratags=[(42113, 2, 0, text, True)])
    options = [tmp_path / word if word == "mask.png" else word for word in options]
    result = run("apply", tmp_path / "a.tif", "-k", "blur", *options, "-o", tmp_path / "b.tif")
    assert result.status == 0, result.err
    kept, samples = stated(tmp_path / "b.tif")
    unseen = np.zeros((24, 20), bool)
    unseen[(slice(4, 12), slice(6, 14)) if "spread" in options else (slice(6, 10), slice(8, 12))] = True
    assert float(kept) == float(text) or kept == text == "nan"
    assert_array_equal(np.isnan(samples) if text == "nan" else samples == float(text), unseen)


@pytest.mark.parametrize(("dtype", "text", "options"), [(np.uint8, "-9999", []), (np.float32, "nan", ["--range", "0..255"])])
def test_nodata_that_no_sample_of_the_output_can_be_is_dropped(run, tmp_path, dtype, text, options):
    """With a notice; other tags stay."""
    tags = [(42113, 2, 0, text, True), (33432, 2, 0, "somebody", True)]
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 5), dtype), extratags=tags)
    result = run("apply", tmp_path / "a.tif", "-k", "blur", *options, "-o", tmp_path / "b.tif")
    assert f"GDAL_NODATA {text} not kept: no uint8 sample can be it" in result.err
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert 42113 not in file.pages[0].tags
        assert file.pages[0].tags[33432].value == "somebody"


def test_nodata_is_not_written_where_the_output_does_not_state_it(run, tmp_path):
    """As with --strip, and in PNG."""
    levels = np.full((9, 9), 7, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, extratags=[(42113, 2, 0, "7", True)])
    for name, options in (("b.tif", ["--strip"]), ("b.png", [])):
        assert run("apply", tmp_path / "a.tif", "-k", "blur", "--nodata", "7", *options, "-o", tmp_path / name).status == 0
        assert not pixels(tmp_path / name).any()


def test_a_mask_is_read_once(run, tmp_path, monkeypatch):
    """For all pictures of a run."""
    read, reader = [], mask.read_mask
    monkeypatch.setattr(mask, "read_mask", lambda *arguments: read.append(arguments) or reader(*arguments))
    for name in ("m.png", "a.png", "b.png"):
        PIL.Image.new("L", (9, 8), 7).save(tmp_path / name)
    pictures = tmp_path / "a.png", tmp_path / "b.png"
    result = run("apply", *pictures, "-k", "blur", "--mask", tmp_path / "m.png", "-o", f"{tmp_path}/o/")
    assert (result.status, len(read)) == (0, 1)
