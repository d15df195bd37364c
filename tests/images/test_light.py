"""Curves, profiles, and the tables of linear light: each level comes back, and light is that of the published formulas."""

import struct

import numpy as np
import PIL.ImageCms
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convcli.errors import ImageError
from convcli.images.image import Image, Metadata
from convcli.images.light import light_of


def srgb_light(x):
    """IEC 61966-2-1, as published."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def srgb_samples(light):
    """The inverse, as published."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def make_profile(*tags, space=b"RGB "):
    """An ICC profile of these (signature, data) tags."""
    begin = 132 + 12 * len(tags)
    table, data = b"", b""
    for name, content in tags:
        table += struct.pack(">4sII", name, begin + len(data), len(content))
        data += content
    header = bytearray(128)
    header[12:20], header[36:40] = b"mntr" + space, b"acsp"
    return bytes(header) + struct.pack(">I", len(tags)) + table + data


def curv(*entries):
    """A tag of the type curveType."""
    return struct.pack(f">4sII{len(entries)}H", b"curv", 0, len(entries), *entries)


def para(function, *parameters):
    """A tag of the type parametricCurveType."""
    numbers = [round(number * 65536) for number in parameters]
    return struct.pack(f">4sIHH{len(numbers)}i", b"para", 0, function, 0, *numbers)


def rgb_profile(*curves):
    """A profile of three curves, or three times one."""
    return make_profile(*zip((b"rTRC", b"gTRC", b"bTRC"), curves * (3 // len(curves)), strict=True))


TABLE = tuple(np.rint(srgb_light(np.linspace(0, 1, 1024)) * 65535).astype(int).tolist())
CMS_SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
PROFILES = {
    "no profile": (None, srgb_light, 1e-7),
    "LittleCMS sRGB": (CMS_SRGB, srgb_light, 2e-5),
    "gamma 2.2": (rgb_profile(curv(round(2.2 * 256))), lambda x: x ** (round(2.2 * 256) / 256), 1e-7),
    "gamma 1.0": (rgb_profile(curv()), lambda x: x, 1e-7),
    "parametric 1.8": (rgb_profile(para(0, 1.8)), lambda x: x ** (round(1.8 * 65536) / 65536), 1e-7),
    "table": (rgb_profile(curv(*TABLE)), lambda x: np.interp(x, np.linspace(0, 1, 1024), np.array(TABLE) / 65535), 1e-7),
}


def light_of_levels(icc, white, channels=3, **facts):
    """The light of an image of all levels."""
    levels = np.repeat(np.arange(white + 1)[None, :, None], channels, axis=2).astype(np.uint8 if white == 255 else np.uint16)
    return levels, light_of(Image(levels, white, metadata=Metadata(icc, **facts)))


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("name", PROFILES)
def test_every_level_has_the_light_of_its_curve_and_comes_back(name, white):
    """Light is that of the formula within float32, and encoding it gives every level within a quarter."""
    icc, curve, tolerance = PROFILES[name]
    levels, light = light_of_levels(icc, white)
    decoded = np.empty(levels.shape, np.float32)
    light.decode(levels, decoded)
    assert_allclose(decoded, curve(levels / white), rtol=1e-7 if tolerance == 1e-7 else 2e-4, atol=tolerance)
    assert_allclose(light.encode(decoded), levels, rtol=0, atol=0.25)


@pytest.mark.parametrize(("white", "error"), [(255, 0.0003), (65535, 0.04)])
def test_any_light_is_encoded_by_the_odd_curve_and_above_white_in_proportion(rng, white, error):
    """Values of 15 powers of ten and both signs, 0, infinity and NaN."""
    _, light = light_of_levels(None, white)
    values = np.float32(rng.choice([-1, 1], 30_000) * 10 ** rng.uniform(-12, 3, 30_000)).reshape(1, -1, 3)
    size = np.abs(values.astype(float))
    expected = np.sign(values) * white * np.where(size > 1, size, srgb_samples(size))
    encoded = light.encode(values.copy())
    assert_allclose(encoded, expected, rtol=2e-7, atol=error)
    assert_allclose(light.decode_numbers(encoded.astype(float)), values, rtol=1e-4, atol=1e-7)
    special = light.encode(np.float32([[[0, np.inf, -np.inf], [np.nan, 1, -1]]]))
    assert_array_equal(special, [[[0, np.inf, -np.inf], [np.nan, white, -white]]])


def test_the_functions_of_parametric_curves():
    """Those of ICC.1:2022, table 68, in float64."""
    x = np.arange(256) / 255
    g, a, b, c, d, e, f = 2.5, 0.875, 0.125, 0.0625, 0.25, 0.0625, 0.03125  # exact in 16 bits after the point
    cases = (
        ((0, g), x**g),
        ((1, g, 1.125, -0.125), np.where(x >= 0.125 / 1.125, np.maximum(1.125 * x - 0.125, 0) ** g, 0)),
        ((2, g, 1.125, -0.25, e), np.where(x >= 0.25 / 1.125, np.maximum(1.125 * x - 0.25, 0) ** g + e, e)),
        ((3, g, a, b, c, d), np.where(x >= d, (a * x + b) ** g, c * x)),
        ((4, g, a, b, c, d, e, f), np.where(x >= d, (a * x + b) ** g + e, c * x + f)),
    )
    for parameters, expected in cases:
        levels, light = light_of_levels(rgb_profile(para(*parameters)), 255)
        assert_allclose(light.tables[0], np.clip(expected, 0, 1), rtol=1e-6, atol=1e-9)


def test_curves_of_png():
    """A chunk cICP takes precedence over a profile, that over gAMA; the codes are those of ITU-T H.273."""

    def bt709(x):
        return np.where(x < 4.5 * 0.018053968510807, x / 4.5, ((x + 0.099296826809442) / 1.099296826809442) ** (1 / 0.45))

    x = np.arange(256) / 255
    cases = [(code, bt709(x)) for code in (1, 6, 14, 15)]
    cases += [(4, x**2.2), (5, x**2.8), (8, x), (13, srgb_light(x))]
    for code, expected in cases:
        _, light = light_of_levels(CMS_SRGB, 255, gamma=0.5, cicp=(1, code, 0, 1))
        assert_allclose(light.tables[0], expected, rtol=1e-6)
    assert_allclose(light_of_levels(rgb_profile(curv()), 255, gamma=0.5)[1].tables[0], x, rtol=1e-6)
    assert_allclose(light_of_levels(None, 255, gamma=0.5)[1].tables[0], x**2, rtol=1e-6)


def pq_samples(light):
    """SMPTE ST 2084, 5.2: samples of light, of which 1 is 10,000 cd/m2."""
    power = light ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg_samples(light):
    """Rec. ITU-R BT.2100, table 5: samples of the light of a scene."""
    a = 0.17883277
    with np.errstate(invalid="ignore"):
        return np.where(light <= 1 / 12, np.sqrt(3 * light), a * np.log(12 * light - (1 - 4 * a)) + 0.5 - a * np.log(4 * a))


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize(
    ("code", "curve", "percent", "reference"), [(16, pq_samples, 58, 203 / 10_000), (18, hlg_samples, 75, 0.265)]
)
def test_light_of_high_dynamic_range(white, code, curve, percent, reference):
    """Samples of the light are the levels, which come back; Rec. ITU-R BT.2408, table 1, has those of diffuse white."""
    levels, light = light_of_levels(None, white, cicp=(9, code, 0, 1))
    decoded = np.empty(levels.shape, np.float32)
    light.decode(levels, decoded)
    assert_allclose(curve(decoded[0, :, 0].astype(float)), np.arange(white + 1) / white, atol=1e-6)  # PQ has 7e-7 for no light
    assert_allclose(curve(np.float64(reference)), percent / 100, atol=0.005)
    assert_allclose(light.encode(decoded), levels, rtol=0, atol=0.25)


def test_channels_have_curves_of_their_own():
    """Each channel is decoded and encoded by its own; equal ones are one curve, which serves a grey picture too."""
    gammas = (1.0, 1.5, 2.0)
    levels, light = light_of_levels(rgb_profile(*(curv(round(gamma * 256)) for gamma in gammas)), 255)
    decoded = np.empty(levels.shape, np.float32)
    light.decode(levels, decoded)
    assert_allclose(decoded, (levels / 255) ** gammas, rtol=1e-6)
    assert_allclose(light.encode(decoded), levels, atol=0.001)
    for icc in (rgb_profile(curv(512)), make_profile((b"kTRC", curv(512)), space=b"GRAY")):
        _, light = light_of_levels(icc, 255, channels=1)
        assert_allclose(light.tables, (np.arange(256) / 255)[None] ** 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"icc": make_profile((b"A2B0", bytes(40)))}, "has no curves (rTRC, gTRC, bTRC), only tables of colours"),
        ({"icc": make_profile((b"A2B0", bytes(40)), space=b"CMYK")}, "is for CMYK, not for RGB or grey"),
        ({"icc": b"not a profile"}, "its colour profile is damaged"),
        ({"icc": rgb_profile(curv(*TABLE)[:100])}, "its colour profile is damaged"),
        ({"icc": rgb_profile(b"para\0\0\0\0\0\7\0\0")}, "its colour profile is damaged"),
        ({"icc": rgb_profile(b"curv\0\0")}, "its colour profile is damaged"),
        ({"icc": rgb_profile(b"mft1" + bytes(40))}, "has curves of the kind mft1, not curv or para"),
        ({"icc": rgb_profile(curv(65535, 0))}, "has curves that do not grow from black to white"),
        ({"icc": rgb_profile(curv(0))}, "has curves that do not grow from black to white"),
        ({"icc": rgb_profile(para(1, 2.0, 0.0, 0.5))}, "has curves that do not grow from black to white"),
        ({"icc": rgb_profile(para(0, -1.0))}, "has curves that do not grow from black to white"),
        ({"cicp": (9, 17, 0, 1)}, "its chunk cICP states transfer characteristics 17; --light linear knows 1, 4, 5, 6, 8, 13"),
        ({"cicp": (1, 13, 0, 0)}, "its chunk cICP states narrow range"),
    ],
)
def test_what_cannot_be_used_is_refused(facts, reason):
    """In one line, with the remedy."""
    with pytest.raises(ImageError) as caught:
        light_of_levels(facts.pop("icc", None), 255, **facts)
    assert reason in str(caught.value)
    assert str(caught.value).endswith("use --light encoded, or convert the picture to sRGB first")
    assert "\n" not in str(caught.value)


def test_a_profile_of_other_channels_is_refused():
    """Three curves do not fit one channel."""
    with pytest.raises(ImageError, match="has 3 curves for 1 channels"):
        light_of_levels(rgb_profile(curv(256), curv(300), curv(512)), 255, channels=1)
