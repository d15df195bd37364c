"""convcli apply and at with --light linear, against a float64 oracle that decodes, filters with plain loops, and encodes."""

import json
import re
import struct
import zlib

import imagecodecs
import numpy as np
import OpenEXR
import PIL.Image
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

import naive
from pictures import pixels

KERNELS = {
    "blur": np.outer([1, 2, 1], [1, 2, 1]) / 16,
    "sobel-x": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "sobel-y": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
}
SAME = ((1, 1), (1, 1))


def to_light(levels, white=255):
    """Light by IEC 61966-2-1, continued as an odd function; above white in proportion."""
    x = np.abs(levels) / white
    return np.sign(levels) * np.where(x > 1, x, np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4))


def to_levels(light, white=255):
    """The inverse of ``to_light``."""
    x = np.abs(light)
    encoded = np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.sign(light) * white * np.where(x > 1, x, encoded)


def filtered(levels, kernel, white=255, **options):
    """The response of a kernel in linear light, in levels."""
    return to_levels(
        naive.filter2d(to_light(levels, white), KERNELS[kernel], **{"pads": SAME, "border": "reflect"} | options), white
    )


def raw(run, *arguments):
    """The raw maps of a run."""
    path = arguments[0].parent / "raw.npy"
    result = run("apply", *arguments, "--light", "linear", "-o", path)
    assert result.status == 0, result.err
    return np.load(path)[0]


def png_with(path, array, *chunks):
    """Write a PNG with chunks after its header."""
    PIL.Image.fromarray(array).save(path)
    data = path.read_bytes()
    extra = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    path.write_bytes(data[:33] + extra + data[33:])
    return path


def test_a_red_and_green_edge_has_no_dark_band(run, tmp_path):
    """Half red and half green light are 188 of 255, where levels would give 128."""
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, :4, 0] = picture[:, 4:, 1] = 255
    PIL.Image.fromarray(picture).save(tmp_path / "a.png")
    assert run("apply", tmp_path / "a.png", "-k", "1/2 1/2", "--light", "linear", "-o", tmp_path / "b.png").status == 0
    assert pixels(tmp_path / "b.png")[0, 3].tolist() == [188, 188, 0]
    run("apply", tmp_path / "a.png", "-k", "1/2 1/2", "-o", tmp_path / "b.png")
    assert pixels(tmp_path / "b.png")[0, 3].tolist() == [128, 128, 0]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("dtype", "white", "error"), [(np.uint8, 255, 0.01), (np.uint16, 65535, 2.0)])
def test_responses_equal_the_oracle(run, tmp_path, rng, kernel, dtype, white, error):
    """Of random pictures, raw: kernels of both signs, and responses above white. Near black the curve enlarges rounding."""
    levels = rng.integers(0, white + 1, (20, 30, 3)).astype(dtype)
    levels[5:15, 5:15] //= 64
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb")
    for border in ("reflect", "zero", "wrap"):
        maps = raw(run, tmp_path / "a.tif", "-k", kernel, "--border", border)
        assert_allclose(maps, filtered(levels, kernel, white, border=border), rtol=1e-5, atol=error)


@pytest.mark.parametrize("rule", ["clip", "abs", "center", "stretch", "-300..400"])
def test_levels_are_those_of_the_encoded_response(run, tmp_path, rng, rule):
    """--range applies to responses in levels, and counts what it clips in them."""
    levels = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    options = ["-k", "sobel-x", "--range", rule, "--light", "linear", "--json", "-o", tmp_path / "b.png"]
    report = json.loads(run("apply", tmp_path / "a.png", *options).out.splitlines()[0])["outputs"][0]
    response = filtered(levels[:, :, None], "sobel-x")[:, :, 0]
    low, high = {"center": (-128, 127), "stretch": (response.min(), response.max()), "-300..400": (-300, 400)}.get(
        rule, (0, 255)
    )
    response = np.abs(response) if rule == "abs" else response
    expected = np.clip(np.rint((response - low) * 255 / (high - low)), 0, 255)
    assert_allclose(pixels(tmp_path / "b.png"), expected, atol=1)
    assert np.mean(pixels(tmp_path / "b.png") != expected) < 0.01
    assert report["below"] + report["above"] == np.sum((response < low - 1e-3) | (response > high + 1e-3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kernel", ["identity", "1"])
def test_identity_changes_no_level(run, tmp_path, dtype, kernel):
    """Every level, with and without alpha."""
    count = np.iinfo(dtype).max + 1
    levels = np.arange(count, dtype=dtype).reshape(-1, 256)
    colour = np.dstack([levels, levels[::-1], levels.T.reshape(levels.shape)])
    opacity = np.dstack([colour, np.full(levels.shape, 60_000 % count, dtype)])
    for samples in (colour, opacity):
        extra = {} if samples is colour else {"extrasamples": ["unassalpha"]}
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", **extra)
        assert run("apply", tmp_path / "a.tif", "-k", kernel, "--light", "linear", "-o", tmp_path / "b.tif").status == 0
        assert_array_equal(tifffile.imread(tmp_path / "b.tif"), samples)


@pytest.mark.parametrize("border", ["reflect", "zero", "90", "linear-ramp"])
def test_light_is_multiplied_by_alpha(run, tmp_path, rng, border):
    """And divided by the filtered alpha before it is encoded."""
    levels = rng.integers(0, 256, (12, 14, 4), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    options = ["-k", "blur", "--border", border, "--light", "linear"]
    assert run("apply", tmp_path / "a.png", *options, "-o", tmp_path / "b.png").status == 0
    alpha = levels[:, :, 3:] / 255
    pad = lambda array, level: np.stack(  # noqa: E731
        [naive.pad(array[:, :, c], SAME, level if border == "90" else border) for c in range(array.shape[2])], axis=2
    )
    weights = KERNELS["blur"]
    seen = naive.filter2d(pad(alpha, 1), weights)
    light = naive.filter2d(pad(to_light(levels[:, :, :3]) * alpha, to_light(90.0)), weights)
    result = pixels(tmp_path / "b.png")
    assert_allclose(result[:, :, 3], 255 * seen[:, :, 0], atol=0.501)
    assert_allclose(result[:, :, :3], to_levels(light / seen), atol=0.51)


def test_a_border_that_is_a_number_is_a_level(run, tmp_path):
    """The picture stays even where its padding has its level."""
    PIL.Image.fromarray(np.full((4, 4, 3), 90, np.uint8)).save(tmp_path / "a.png")
    assert_allclose(raw(run, tmp_path / "a.png", "-k", "blur", "--border", "90"), 90, atol=0.001)


def test_banks_are_merged_in_light_and_offsets_are_levels(run, tmp_path, rng):
    """The magnitude of a gradient is that of light. The offset of a kernel is added to its encoded response."""
    levels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    (tmp_path / "k.toml").write_text(
        "[kernels.o]\nmatrix = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\noffset = 28\n"
        '[banks.l2]\nkernels = ["sobel-x", "sobel-y"]\nmerge = "l2"\n'
        '[banks.mean]\nkernels = ["o", "sobel-x"]\nmerge = "mean"\n'
    )
    down, along, crisp = (to_light(filtered(levels, name)) for name in ("sobel-y", "sobel-x", "sharpen"))
    offset = to_levels(crisp) + 28
    expected = {"l2": to_levels(np.hypot(down, along)), "o": offset, "mean": to_levels((to_light(offset) + along) / 2)}
    for name, response in expected.items():
        assert_allclose(raw(run, tmp_path / "a.png", "-k", name, "--config", tmp_path / "k.toml"), response, atol=0.01)


@pytest.mark.parametrize(("channels", "weights"), [("sum", (1, 1, 1)), ("gray", (0.299, 0.587, 0.114))])
def test_channels_are_summed_in_light(run, tmp_path, rng, channels, weights):
    """With the weights that they have otherwise."""
    levels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    expected = to_levels(
        naive.filter2d(to_light(levels) @ np.array(weights)[:, None], KERNELS["blur"], pads=SAME, border="reflect")
    )
    assert_allclose(raw(run, tmp_path / "a.png", "-k", "blur", "--channels", channels), expected[:, :, 0], atol=0.01)


def test_the_file_states_its_curve(run, tmp_path):
    """PNG's gAMA, sRGB and cICP, through apply: a blur of black and white is the half of white by that curve."""
    picture = np.array([[0, 255]], np.uint8)
    gamma = (b"gAMA", struct.pack(">I", 50_000))
    cases = (
        ((gamma,), 0.5**0.5),
        ((gamma, (b"sRGB", b"\0")), to_levels(0.5) / 255),
        ((gamma, (b"cICP", bytes((1, 8, 0, 1)))), 0.5),
        ((), to_levels(0.5) / 255),
    )
    for chunks, expected in cases:
        maps = raw(run, png_with(tmp_path / "a.png", picture, *chunks), "-k", "1/2 1/2", "--border", "edge")
        assert_allclose(maps[0], [255 * expected, 255], atol=0.01)


def test_errors_are_one_line_and_the_batch_goes_on(run, tmp_path):
    """A picture whose curve is unknown fails in apply, in a dry run and in at; the other is done."""
    picture = np.zeros((3, 3, 3), np.uint8)
    png_with(tmp_path / "a.png", picture, (b"cICP", bytes((9, 17, 0, 1))))
    PIL.Image.fromarray(picture).save(tmp_path / "b.png")
    reason = "its chunk cICP states transfer characteristics 17; --light linear knows"
    options = ["-k", "blur", "--light", "linear"]
    for last in (["-n"], []):
        result = run("apply", tmp_path / "a.png", tmp_path / "b.png", *options, "-q", "-o", f"{tmp_path}/out/", *last)
        assert (result.status, len(result.lines)) == (1, 1)
        assert f"{tmp_path}/a.png: {reason}" in result.err
    assert (tmp_path / "out" / "b.png").exists()
    result = run("at", "0,0", tmp_path / "a.png", *options)
    assert (result.status, len(result.lines), reason in result.err) == (1, 1, True)


def test_channels_of_several_curves(run, tmp_path, rng):
    """Each is filtered by its own; sums over them and a level as border are refused, 0 is not."""
    levels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    gammas = (1.0, 1.5, 2.0)
    table, data = b"", b""
    for name, gamma in zip((b"rTRC", b"gTRC", b"bTRC"), gammas, strict=True):
        table += struct.pack(">4sII", name, 168 + len(data), 14)
        data += struct.pack(">4sIIH", b"curv", 0, 1, round(gamma * 256))
    icc = bytes(16) + b"RGB " + bytes(16) + b"acsp" + bytes(88) + struct.pack(">I", 3) + table + data
    PIL.Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=icc)
    response = naive.filter2d((levels / 255) ** gammas, KERNELS["blur"], pads=SAME, border="zero")
    maps = raw(run, tmp_path / "a.png", "-k", "blur", "--border", "0")
    assert_allclose(maps, 255 * response ** (1 / np.array(gammas)), atol=0.01)
    for options, reason in (
        (["--channels", "sum"], "cannot encode a sum over channels"),
        (["--border", "9"], "the level 9 of"),
    ):
        result = run("apply", tmp_path / "a.png", "-k", "blur", "--light", "linear", *options, "-o", tmp_path / "b.png")
        assert (result.status, len(result.lines)) == (1, 1)
        assert reason in result.err
        assert "3 curves; use --light encoded" in result.err


def test_real_numbers_are_taken_as_light(run, tmp_path, rng):
    """With a notice; the maps are those of --light encoded."""
    np.save(tmp_path / "a.npy", rng.normal(size=(9, 11)).astype(np.float32))
    result = run("apply", tmp_path / "a.npy", "-k", "blur", "--light", "linear", "-o", tmp_path / "b.npy")
    assert "has real numbers without a curve; they are taken as linear light, and stored as that" in result.err
    run("apply", tmp_path / "a.npy", "-k", "blur", "-o", tmp_path / "c.npy")
    assert_array_equal(np.load(tmp_path / "b.npy"), np.load(tmp_path / "c.npy"))
    assert "levels are taken as light" in run("at", "1,1", tmp_path / "a.npy", "-k", "blur", "--light", "linear").out


@pytest.mark.parametrize("kernel", ["blur", "sharpen", "sobel-x"])
@pytest.mark.parametrize("name", ["a.hdr", "a.exr"])
def test_levels_of_pictures_of_light_have_the_curve_of_srgb(run, tmp_path, rng, kernel, name):
    """1 is white, and what is above it is clipped; edges by their absolute value, as of other pictures. Floats stay light."""
    light = rng.uniform(0, 1.3, (9, 11, 3)) ** 3
    light[:4, :4] /= 300
    if name == "a.hdr":
        data = bytes(imagecodecs.rgbe_encode(light.astype(np.float32), header=True))
        (tmp_path / name).write_bytes(data)
        stored = np.asarray(imagecodecs.rgbe_decode(data), np.float64)
    else:
        stored = light.astype(np.float16).astype(np.float64)
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": light.astype(np.float16)}).write(str(tmp_path / name))
    response = naive.filter2d(stored, KERNELS[kernel], pads=SAME, border="reflect")
    samples = np.abs(to_levels(response, 1)) if kernel == "sobel-x" else to_levels(response, 1)
    command = ["apply", tmp_path / name, "-k", kernel, "--light", "linear"]
    result = run(*command, "-o", tmp_path / "b.png")
    assert result.status == 0, result.err
    assert np.abs(pixels(tmp_path / "b.png") - 255 * samples.clip(0, 1)).max() <= 0.5 + 1e-3
    assert f"{100 * np.mean(to_levels(response, 1) > 1):.4g} % above 1" in result.err
    assert run(*command, "--range", "-1..3", "-o", tmp_path / "c.tif").status == 0
    expected = 255 * (to_levels(response, 1) + 1).clip(0, 4) / 4
    assert np.abs(tifffile.imread(tmp_path / "c.tif") - expected).max() <= 0.5 + 1e-3
    assert run(*command, "--range", "stretch", "-o", tmp_path / "d.png").status == 0
    encoded = to_levels(response, 1)
    stretched = 255 * (encoded - encoded.min()) / (encoded.max() - encoded.min())
    assert np.abs(pixels(tmp_path / "d.png") - stretched).max() <= 0.5 + 1e-3
    assert_allclose(raw(run, tmp_path / name, "-k", kernel), response, atol=1e-5)
    seen = run("at", "5,6", tmp_path / name, "-k", kernel, "--light", "linear", "--range", "-1..3")
    levels = tifffile.imread(tmp_path / "c.tif")[6, 5].tolist()
    assert [int(text) for text in re.findall(r"stored (\d+) of 255", seen.out)] == levels
    seen = run("at", "5,6", tmp_path / name, "-k", kernel, "--light", "linear")
    assert [int(text) for text in re.findall(r"stored (\d+) of 255", seen.out)] == pixels(tmp_path / "b.png")[6, 5].tolist()


def test_pictures_of_light_as_they_are_stored(run, tmp_path):
    """Without --light linear a range is needed, which maps light to levels in proportion."""
    path = tmp_path / "a.exr"
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": np.full((4, 5, 3), 0.5, np.float16)}).write(str(path))
    result = run("apply", path, "-k", "1", "-o", tmp_path / "b.png")
    assert (result.status, len(result.lines)) == (1, 1)
    assert "give --range stretch or --range LO..HI, --light linear for HDR and EXR, or write .npy" in result.err
    assert "--light linear for HDR" in run("apply", path, "-k", "1", "-n", "-o", tmp_path / "b.png").err
    np.save(tmp_path / "a.npy", np.ones((4, 5), np.float32))
    for command in (("apply", tmp_path / "a.npy", "-k", "1"), ("run", "edge-energy", path, "--range", "clip")):
        for plan in ([], ["-n"]):
            result = run(
                *command, *plan, "-o", tmp_path / "out{layer}{index}.png" if command[0] == "run" else tmp_path / "b.png"
            )
            assert (result.status, "--range LO..HI, or write .npy" in result.err) == (1, True), result.err
    assert run("apply", path, "-k", "1", "--range", "0..1", "-o", tmp_path / "b.png").status == 0
    assert np.unique(pixels(tmp_path / "b.png")).tolist() == [128]
    assert run("apply", path, "-k", "1", "--light", "linear", "-o", tmp_path / "b.png").status == 0
    assert np.unique(pixels(tmp_path / "b.png")).tolist() == [188]


@pytest.mark.parametrize("kernel", ["blur", "emboss", "sobel", "laplacian", "1 2; 3 4"])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_at_equals_apply(run, tmp_path, rng, kernel, with_alpha):
    """Levels, alpha and responses; light, products and their sum are those of the oracle."""
    levels = rng.integers(0, 256, (9, 11, 4 if with_alpha else 3), dtype=np.uint8)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    (tmp_path / "k.toml").write_text("[kernels.emboss]\nmatrix = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]\noffset = 28\n")
    options = ["-k", kernel, "--config", tmp_path / "k.toml", "--light", "linear", "--border", "77"]
    run("apply", tmp_path / "a.png", *options, "-o", tmp_path / "b.png")
    maps = raw(run, tmp_path / "a.png", *options)
    for x, y in ((0, 0), (5, 4), (10, 8)):
        point = json.loads(run("at", f"{x},{y}", tmp_path / "a.png", *options, "--json").out)
        stored = [*point["levels"], *([point["alpha"]] if with_alpha else [])]
        assert stored == pixels(tmp_path / "b.png")[y, x].tolist()
        assert_allclose(point["responses"], maps[y, x], rtol=1e-6, atol=1e-5)
        assert point["curves"] == ["sRGB"]
        for part in point["kernels"]:
            alpha = np.array(part["alpha"]["levels"]) / 255 if with_alpha else 1
            for channel, response in zip(part["channels"], part["responses"], strict=True):
                assert_allclose(channel["summed"], to_light(np.array(channel["levels"], float)) * alpha, rtol=1e-5, atol=1e-7)
                assert_allclose(channel["sum"], np.sum(np.array(channel["summed"]) * channel["weights"]), atol=1e-9)
                divisor = part["alpha"]["divisor"] if with_alpha else None
                light = channel["sum"] if divisor is None else channel["sum"] / divisor if divisor else 0.0
                expected = light if point["merge"] else to_levels(light) + part["offset"]
                assert_allclose(response, expected, rtol=1e-4, atol=1e-4)
    text = run("at", "0,0", tmp_path / "a.png", *options).out
    assert "light is from 0 to 1, by the curve sRGB" in text
    assert "light x alpha" in text if with_alpha else "  light  " in text
    assert "encoded" in text


def test_config_environment_and_option(run, tmp_path, monkeypatch):
    """The option overrides the environment, which overrides the defaults of a file."""
    PIL.Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "k.toml").write_text('[defaults]\nlight = "linear"\n')

    def level(*options):
        arguments = ["0,0", tmp_path / "a.png", "-k", "1/2 1/2", *options]
        result = run("at", *arguments, "--json")
        assert result.status == 0, result.err
        return json.loads(result.out)["levels"][0]

    config = ("--config", tmp_path / "k.toml")
    assert (level(), level(*config), level(*config, "--light", "encoded")) == (128, 188, 128)
    monkeypatch.setenv("CONVCLI_LIGHT", "encoded")
    assert (level(*config), level(*config, "--light", "linear")) == (128, 188)
    monkeypatch.setenv("CONVCLI_LIGHT", "linear")
    assert (level(), level("--light", "encoded")) == (188, 128)
    assert "light" in run("config", "path").out
    (tmp_path / "k.toml").write_text('[defaults]\nlight = "linaer"\n')
    assert "light: must be one of encoded, linear, got 'linaer'; did you mean 'linear'?" in run("config", "path", *config).err


def test_skip_existing_tells_light(run, tmp_path):
    """An output of one light is not kept for the other."""
    PIL.Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "a.png")
    made = []
    for light in ("encoded", "encoded", "linear", "linear", "encoded"):
        options = ["-k", "1/2 1/2", "--light", light, "--skip-existing", "-o", tmp_path / "b.png"]
        made.append(" min " in run("apply", tmp_path / "a.png", *options).err)
    assert made == [True, False, True, False, True]
