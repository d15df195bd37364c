"""Output sizes, padding and borders."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from convcli import ArgumentError
from convcli.geometry.axes import Axis, make_axes
from convcli.geometry.borders import BORDERS, MODES, check_border
from convcli.geometry.padding import resolve_padding
from convcli.geometry.whole_numbers import as_pair
from naive import NUMPY_WORDS

# (size, kernel, stride, padding, dilation) -> output: the figures of Dumoulin and Visin, arXiv:1603.07285.
DUMOULIN_VISIN = [
    (4, 3, 1, 0, 1, 2),
    (5, 4, 1, 2, 1, 6),
    (5, 3, 1, 1, 1, 5),
    (5, 3, 1, 2, 1, 7),
    (5, 3, 2, 0, 1, 2),
    (5, 3, 2, 1, 1, 3),
    (6, 3, 2, 1, 1, 3),
    (7, 3, 1, 0, 2, 3),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "dilation", "out"), DUMOULIN_VISIN)
def test_output_sizes_are_the_published_ones(size, kernel, stride, padding, dilation, out):
    """Every figure of the convolution arithmetic guide."""
    rows, columns = make_axes((size, size), (kernel, kernel), stride, padding, dilation)
    assert (rows.out, columns.out) == (out, out)


def test_sizes_of_the_first_layer_of_alexnet():
    """227 gives 55; 224 without padding does not divide and is cut to 54 (Krizhevsky 2012)."""
    assert make_axes((227, 227), (11, 11), 4, 0, 1)[0].out == 55
    assert make_axes((224, 224), (11, 11), 4, 0, 1)[0].out == 54


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_gives_every_stride_th_pixel(kernel, dilation, stride):
    """Padding 'same' keeps the size at stride 1, and does not depend on the stride."""
    rows, _ = make_axes((10, 10), (kernel, kernel), stride, "same", dilation)
    assert rows.out == len(range(0, 10, stride))
    assert rows.after - rows.before in (0, 1)


def test_full_covers_every_overlap():
    """The output size is i + (k - 1)."""
    assert make_axes((5, 7), (3, 4), 1, "full", 1)[0].out == 7
    assert make_axes((5, 7), (3, 4), 1, "full", 1)[1].out == 10


@given(size=st.integers(1, 20), kernel=st.integers(1, 7), stride=st.integers(1, 5), dilation=st.integers(1, 3))
def test_onnx_same_gives_size_over_stride_rounded_up(size, kernel, stride, dilation):
    """ceil(size / stride) with the least padding; the odd pixel at the end for upper, at the start for lower."""
    sizes, kernels = (size, size + 1), (kernel, kernel)
    for upper, lower in zip(
        make_axes(sizes, kernels, stride, "same-upper", dilation),
        make_axes(sizes, kernels, stride, "same-lower", dilation),
        strict=True,
    ):
        assert upper.out == lower.out == len(range(0, upper.size, stride))
        assert (upper.before, upper.after) == (lower.after, lower.before)
        assert upper.after - upper.before in (0, 1)
        shorter = replace(upper, after=upper.after - 1)
        assert upper.after == 0 or shorter.out < upper.out


def test_every_form_of_padding_is_accepted():
    """A number, (rows, columns), and one number per side."""
    assert resolve_padding(2, (3, 3)) == ((2, 2), (2, 2))
    assert resolve_padding((1, 2), (3, 3)) == ((1, 1), (2, 2))
    assert resolve_padding(((1, 2), (3, 4)), (3, 3)) == ((1, 2), (3, 4))
    assert resolve_padding([[1, 2], [3, 4]], (3, 3)) == ((1, 2), (3, 4))


@given(size=st.integers(1, 6), before=st.integers(0, 20), after=st.integers(0, 20), border=st.sampled_from(BORDERS))
def test_borders_equal_numpy_pad(size, before, after, border):
    """source_index and gain give numpy.pad's values at any distance."""
    padded = np.pad(np.arange(1.0, size + 1), (before, after), mode=NUMPY_WORDS[border])
    mode, axis = check_border(border), Axis(size, 1, 1, 1, before, after)
    values = [(mode.source_index(i, size) + 1) * mode.gain(i, axis) for i in range(-before, size + after)]
    np.testing.assert_allclose(values, padded, rtol=1e-14)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_drawing_of_a_border_equals_numpy_pad(mode):
    """The drawing of each border in ``MODES`` holds for the values a, b, c, d = 3, 6, 12, 9."""
    left, row, right = (part.split() for part in mode.picture.split("|"))
    assert row == ["a", "b", "c", "d"]
    samples = dict(zip(row, (3.0, 6.0, 12.0, 9.0), strict=True))
    values = [eval(re.sub(r"(\d)([a-d])", r"\1*\2", term), {}, samples) for term in (*left, *row, *right)]
    np.testing.assert_allclose(values, np.pad(list(samples.values()), 3, mode=NUMPY_WORDS[mode.name]), rtol=1e-14)


BAD = [
    ({"stride": 0}, "stride must be at least 1, got 0"),
    ({"stride": (1, 2, 3)}, r"stride must be a whole number or \(rows, columns\), got \(1, 2, 3\)"),
    ({"stride": 1.5}, "stride must be a whole number"),
    ({"stride": True}, "stride must be a whole number"),
    ({"stride": "2"}, "stride must be a whole number"),
    ({"dilation": (1, 0)}, r"dilation must be at least 1, got \(1, 0\)"),
    ({"padding": -1}, "padding must be at least 0, got -1"),
    ({"padding": "some"}, "padding must be one of valid, same, same-upper, same-lower, full.*got 'some'"),
    ({"padding": ((1, -2), (0, 0))}, "padding must be at least 0"),
    ({"padding": 0, "kernel": (5, 5)}, "a kernel that covers 5 x 5 does not fit an image of 4 x 4"),
    ({"stride": 2**70}, "stride must be at most 65535"),
    ({"padding": 10**11}, "padding must be at most 65535"),
    ({"dilation": 65535}, "a kernel may cover at most 65535 pixels a side, got 131071 x 131071"),
    ({"padding": 0, "dilation": 3}, "a kernel that covers 7 x 7 does not fit"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_geometry_is_refused(change, message):
    """Each error names the argument, the rule and the value."""
    arguments = {"kernel": (3, 3), "stride": 1, "padding": "same", "dilation": 1} | change
    with pytest.raises(ArgumentError, match=message):
        make_axes((4, 4), arguments["kernel"], arguments["stride"], arguments["padding"], arguments["dilation"])


@pytest.mark.parametrize("border", ["mirrored", "near", None, True, [0], float("nan"), float("inf"), 10**400])
def test_unknown_borders_are_refused(border):
    """Only known names and finite numbers are accepted."""
    with pytest.raises(
        ArgumentError,
        match="border must be a number up to 1e.30 or one of edge, linear-ramp, reflect, symmetric, wrap, zero, got",
    ):
        check_border(border)


def test_numpy_integers_are_accepted():
    """A NumPy integer is accepted in place of an int."""
    assert as_pair("stride", np.int64(2), least=1) == (2, 2)
