"""``convcli.show``: what notebooks show of arrays, kernels, banks and networks."""

import base64
import io
import re

import colorcet
import numpy as np
import PIL.Image
import pytest
from numpy.testing import assert_array_equal

import convcli
from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.kernels.kernel import Kernel

BUILT_IN = ConfigLocation(built_in_file(), "built in")


def decoded(data):
    """The pixels of a PNG file."""
    return np.asarray(PIL.Image.open(io.BytesIO(data)))


def embedded(html):
    """The pixels of the only picture in an element of HTML."""
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return decoded(base64.b64decode(data))


def test_numbers_are_drawn_in_the_colours_of_the_scale():
    """Zeros and ones are the first and the last colour of colorcet's map, each sample 30 pixels wide."""
    pixels = convcli.show(np.eye(3), labels=False, tile=90, colormap="fire").pixels
    low, high = (np.array([int(colorcet.fire[i][j : j + 2], 16) for j in (1, 3, 5)]) for i in (0, -1))
    expected = np.where(np.kron(np.eye(3), np.ones((30, 30)))[..., None] == 1, high, low)
    places = np.argwhere((pixels[:-89, :-89] == high).all(axis=2))
    assert sum(np.array_equal(pixels[y : y + 90, x : x + 90], expected) for y, x in places) == 1


def test_levels_are_drawn_as_they_are(rng):
    """An array of uint8 is a picture."""
    photo = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    pixels = convcli.show(photo, labels=False, tile=40).pixels
    places = np.argwhere((pixels == photo[0, 0]).all(axis=2))
    assert any(np.array_equal(pixels[y : y + 40, x : x + 40], photo) for y, x in places)


@pytest.mark.parametrize("text", ["sobel-x", "compass", "0 1 0; 1 -4 1; 0 1 0"])
def test_kernels_and_banks_are_shown_as_they_are_written(text):
    """The file and the element of HTML hold the same picture, which is that of ``convcli.show`` with numbers."""
    kernel = convcli.kernel(text)
    pixels = decoded(kernel._repr_png_())
    assert_array_equal(pixels, embedded(kernel._repr_html_()))
    assert_array_equal(pixels, convcli.show(kernel, numbers=True).pixels)
    assert not np.array_equal(pixels, convcli.show(kernel).pixels)


def test_networks_show_the_first_layer_with_weights():
    """A network without weights is a table alone. conv1 of AlexNet: 96 filters of 11 x 11 x 3, and biases."""
    registry = load_registry([BUILT_IN])
    network = registry.network("edge-energy")
    assert_array_equal(decoded(network._repr_png_()), convcli.show(network, layer="edges").pixels)
    assert registry.network("alexnet")._repr_png_() is None
    html = registry.network("alexnet")._repr_html_()
    assert '<td>conv1</td><td>conv</td><td class="n">55 x 55 x 96</td><td class="n">34,944</td>' in html
    assert "<img" not in html
    with pytest.raises(convcli.ArgumentError, match="network 'alexnet' has no weights"):
        convcli.show(registry.network("alexnet"))
    with pytest.raises(convcli.ArgumentError, match=r"layer 'rectified' of network 'edge-energy' has no weights"):
        convcli.show(network, layer="rectified")


def test_a_network_whose_weights_are_gone_has_no_picture(tmp_path):
    """Its layers are shown all the same."""
    np.savez(tmp_path / "w.npz", conv=np.ones((2, 1, 3, 3)))
    network = "input = { channels = 1 }\nlayers = [{ op = 'conv', file = 'w.npz', key = 'conv' }]"
    (tmp_path / "kernels.toml").write_text(f"[networks.n]\n{network}\n")
    loaded = load_registry([ConfigLocation(tmp_path / "kernels.toml", "test")]).network("n")
    assert loaded._repr_png_() is not None
    (tmp_path / "w.npz").unlink()
    assert loaded._repr_png_() is None
    assert "<td>conv1</td>" in loaded._repr_html_()


def test_a_picture_has_a_short_text():
    """Notebooks keep the text beside the picture."""
    assert re.fullmatch(r"<Picture of array, \d+ x \d+ pixels>", repr(convcli.show(np.eye(3))))


def test_names_are_escaped():
    """A name is text, also where it is written like an element."""
    html = Kernel("<script>alert(1)</script>", ((1.0,),), about='"><img src=x onerror=alert(2)>')._repr_html_()
    assert re.findall(r"<(\w+)", html) == ["p", "img"]


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ([], {}, "what must not be empty"),
        (np.zeros((0, 3)), {}, "what must not be empty"),
        (np.zeros((2, 2, 2, 2, 2)), {}, "what has 5 axes"),
        (np.zeros((3, 3), complex), {}, "what must hold real numbers, got dtype complex128"),
        ([1, [2, 3]], {}, "what must be an array, got rows of different lengths"),
        (None, {}, "what must hold real numbers, got dtype object"),
        (np.eye(3), {"tile": -3}, "tile must be a whole number from 8 to 4096, got -3"),
        (np.eye(3), {"columns": 2.5}, "columns must be a whole number from 1 to 1000, got 2.5"),
        (np.eye(3), {"normalize": "all"}, "normalize must be shared or each, got 'all'"),
        (np.eye(3), {"colormap": "fir"}, "colormap 'fir' is unknown"),
        (np.eye(3), {"percentile": 20}, "percentile must be above 50"),
        (np.eye(3), {"axes": "zy"}, "axes must be one of YX, YXC"),
        (np.eye(3), {"axes": "zyx"}, "what must have 3 axes, Z Y X"),
        (np.eye(3), {"axes": 3}, "axes must be one of YX, YXC"),
        (np.eye(3), {"colormap": 3}, "colormap must be a name, got 3"),
        (np.eye(3), {"labels": "no"}, "labels must be True or False, got 'no'"),
        (np.eye(3), {"percentile": "a"}, "percentile must be a finite number, got 'a'"),
        (np.eye(3), {"layer": "conv1"}, "layer is one of a network, got a ndarray"),
        (np.eye(3), {"numbers": True, "scale": 3}, "numbers needs scale of at least 38, got 3"),
        ("sobel-x", {}, "convcli.kernel('sobel-x') is a kernel"),
    ],
)
def test_wrong_arguments_are_named(what, options, message):
    """The error names the argument, the rule and the value."""
    with pytest.raises(convcli.ArgumentError, match=re.escape(message)):
        convcli.show(what, **options)


def test_several_things_are_one_sheet(rng):
    """Each has its own heading and scale; the first 1,024 of many maps are shown, which is told."""
    maps = rng.normal(size=(3, 8, 8))
    sheet = convcli.show([convcli.kernel("compass"), maps, maps[0] * 1000]).sheet
    assert [len(group.cells) for group in sheet.groups] == [8, 3, 1]
    many = convcli.show(np.zeros((1100, 2, 2)))
    assert many.notices == ("array: shows the first 1024 of 1100 maps",)
    assert "<p>array: shows the first 1024 of 1100 maps</p>" in many._repr_html_()
