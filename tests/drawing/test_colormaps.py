"""Colour maps, and the colours that are on none."""

import colorcet
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convcli.drawing import colormaps
from convcli.drawing.colormaps import STEPS, colormap, paint, paint_rgb
from convcli.drawing.scale import Scale
from convcli.errors import ArgumentError

SIMULATED = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Linear RGB as the colour-blind see it: Machado, Oliveira & Fernandes (IEEE TVCG 15, 2009), severity 1."""


def lab(colours, matrix):
    """CIE L*a*b* of sRGB colours (n, 3) as they are seen through a matrix."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ np.array(matrix).T
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = np.clip(linear, 0, 1) @ to_xyz.T / [0.9505, 1, 1.089]
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("kind", SIMULATED)
def test_the_diverging_map_is_safe_for_colour_blind_readers(kind):
    """Values of opposite signs, from an eighth of the scale on, differ by 10 times what is just noticed (2.3)."""
    seen = lab(colormap("diverging").astype(float), SIMULATED[kind])
    middle = STEPS // 2
    for step in range(STEPS // 16, middle + 1):
        assert np.linalg.norm(seen[middle + step] - seen[middle - step]) > 23, step


@pytest.mark.parametrize("kind", SIMULATED)
def test_the_sequential_map_becomes_lighter_everywhere(kind):
    """Also for colour-blind readers."""
    lightness = lab(colormap("sequential").astype(float), SIMULATED[kind])[:, 0]
    assert np.all(lightness[8:] > lightness[:-8])
    assert lightness[-1] - lightness[0] > 80


def test_no_map_contains_the_colours_of_nan_and_clipped_samples():
    """None of the colours of any map, each with its middle colours."""
    own = np.array([colormaps.UNKNOWN, colormaps.BELOW, colormaps.ABOVE], int)
    for name in colormaps.names():
        distances = np.abs(colormap(name).astype(int)[:, None] - own).max(axis=2)
        assert distances.min() > 16, name


def test_maps_are_those_of_colorcet():
    """The ends are its ends; the middle is the mean of its two middle colours."""
    given = [tuple(bytes.fromhex(text[1:])) for text in colorcet.palette["CET_D9"]]
    ours = colormap("CET_D9")
    assert (tuple(ours[0]), tuple(ours[-1])) == (given[0], given[-1])
    assert_array_equal(ours[STEPS // 2], np.rint(np.mean(given[127:129], axis=0)))


@pytest.mark.parametrize(
    ("name", "of_colorcet"),
    [("diverging", "diverging_bwr_20_95_c54"), ("sequential", "linear_protanopic_deuteranopic_kbjyw_5_95_c25")],
)
def test_default_maps_are_those_of_colorcet_too(name, of_colorcet):
    """Their colours are written down, as colorcet takes long to import."""
    assert_array_equal(colormap(name), colormap(of_colorcet))


def test_grey_is_neutral():
    """From black to white; colorcet's own white has less red."""
    assert_array_equal(colormap("grey"), np.rint(np.arange(257) * 255 / 256)[:, None].repeat(3, axis=1))


def test_values_have_their_colours():
    """0 has the middle colour of a signed scale; NaN, and what is outside, have their own."""
    colours = colormap("diverging")
    painted = paint(np.array([[-2.0, 0.0, 2.0], [np.nan, -2.1, 2.1], [1.0, -np.inf, np.inf]]), Scale(-2, 2, True), colours)
    assert_array_equal(painted[0], [colours[0], colours[128], colours[256]])
    assert_array_equal(painted[1], [colormaps.UNKNOWN, colormaps.BELOW, colormaps.ABOVE])
    assert_array_equal(painted[2], [colours[192], colormaps.BELOW, colormaps.ABOVE])


def test_values_without_a_scale_are_nan_or_infinite():
    """Each has its colour."""
    painted = paint(np.array([[np.nan, -np.inf, np.inf]]), None, colormap("grey"))
    assert_array_equal(painted[0], [colormaps.UNKNOWN, colormaps.BELOW, colormaps.ABOVE])


def test_rgb_is_centred_at_grey():
    """0 of a signed scale is the level 128; channels saturate; a NaN makes the pixel unknown."""
    values = np.array([[[-3.0, 0.0, 3.0], [9.0, -9.0, 1.5], [0.0, np.nan, 0.0]]])
    assert_array_equal(paint_rgb(values, Scale(-3, 3, True))[0], [[0, 128, 255], [255, 0, 191], colormaps.UNKNOWN])
    levels = np.arange(256.0).repeat(3).reshape(1, 256, 3)
    assert_array_equal(paint_rgb(levels, Scale(0, 255, False)), levels)


def test_an_unknown_name_gives_the_nearest():
    """In one line."""
    with pytest.raises(ArgumentError, match="colormap 'divergin' is unknown; .* did you mean 'diverging'"):
        colormap("divergin")
