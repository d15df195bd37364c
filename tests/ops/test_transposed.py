"""The transposed convolution against the oracle, published figures, and its algebraic laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
import strategies as ours
from convcli import ArgumentError, conv2d, conv_transpose2d
from convcli.geometry.axes import make_axes, make_transposed_axes

ONES = np.ones((1, 1, 3, 3))
RAMP = np.arange(9, dtype=np.float32).reshape(1, 3, 3)


@given(
    data=st.data(),
    groups=st.integers(1, 3),
    ins=st.integers(1, 2),
    outs=st.integers(1, 3),
    count=st.integers(1, 2),
    side=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dilation=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    pads=st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2),
    dtype=st.sampled_from(ours.DTYPES),
    seed=st.integers(0, 99),
)
def test_every_option_equals_the_oracle(data, groups, ins, outs, count, side, kernel, stride, dilation, pads, dtype, seed):
    """Groups, batches, bias, every combination of options and every dtype give exactly the oracle's result."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (count, groups * ins, *side)).astype(dtype)
    weight, bias = rng.integers(-4, 5, (groups * ins, outs, *kernel)), rng.integers(-9, 9, groups * outs)
    extra = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    expected = naive.conv_transpose2d(x, weight, bias, stride, pads, extra, dilation, groups)
    assume(expected.size)
    options = {"stride": stride, "padding": pads, "output_padding": extra, "dilation": dilation, "groups": groups}
    result = conv_transpose2d(x, weight, bias, **options)
    assert result.dtype == np.result_type(dtype, np.float32)
    assert_array_equal(result, expected)
    assert_array_equal(conv_transpose2d(x[0], weight, bias, threads=1, **options), expected[0])


# The node tests of ONNX, onnx.backend.test.case.node.convtranspose: x = 0 .. 8, all weights 1.
def test_conv_transpose2d_equals_onnx():
    """Without options; with a stride and output_padding; with pads; and of one dimension."""
    without_options = [[0, 1, 3, 3, 2], [3, 8, 15, 12, 7], [9, 21, 36, 27, 15], [9, 20, 33, 24, 13], [6, 13, 21, 15, 8]]
    assert_array_equal(conv_transpose2d(RAMP, ONES)[0], without_options)
    with_output_padding = conv_transpose2d(RAMP, ONES, stride=(3, 2), output_padding=1)[0]
    assert with_output_padding.shape == (10, 8)
    assert_array_equal(with_output_padding[[0, 3]], [[0, 0, 1, 1, 3, 2, 2, 0], [3, 3, 7, 4, 9, 5, 5, 0]])
    with_pads = conv_transpose2d(RAMP, ONES, stride=(3, 2), padding=(1, 2))[0]
    assert with_pads.shape == (7, 3)
    assert_array_equal(with_pads[0], [1, 1, 3])
    assert_array_equal(conv_transpose2d([[[0, 1, 2]]], ONES[:, :, :1])[0, 0], [0, 1, 3, 3, 2])


# (size, kernel, stride, padding, output_padding) -> output: Dumoulin and Visin, chapter 4.
DUMOULIN_VISIN = [
    (2, 3, 1, 0, 0, 4),
    (6, 4, 1, 2, 0, 5),
    (5, 3, 1, 1, 0, 5),
    (7, 3, 1, 2, 0, 5),
    (2, 3, 2, 0, 0, 5),
    (3, 3, 2, 1, 0, 5),
    (3, 3, 2, 1, 1, 6),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "extra", "out"), DUMOULIN_VISIN)
def test_output_sizes_are_the_published_ones(size, kernel, stride, padding, extra, out):
    """Every transposed figure of the convolution arithmetic guide."""
    x, weight = np.zeros((1, size, size)), np.zeros((1, 1, kernel, kernel))
    assert conv_transpose2d(x, weight, stride=stride, padding=padding, output_padding=extra).shape == (1, out, out)


@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 1), (3, 2, 2), ((2, 4), (2, 1), 1)])
def test_transposed_is_the_adjoint_of_the_convolution(stride, dilation, groups, rng):
    """<conv(x, w), y> == <x, transposed(y, w)>, with output_padding for the pixels that the stride left over."""
    x, weight = rng.normal(size=(2, 4, 15, 15)), rng.normal(size=(6, 4 // groups, 3, 3))
    options = {"stride": stride, "dilation": dilation, "groups": groups, "padding": ((1, 2), (0, 1))}
    maps = conv2d(x, weight, **options)
    y = rng.normal(size=maps.shape)
    rows, columns = make_axes((15, 15), (3, 3), stride, options["padding"], dilation)
    output_padding = [(axis.size + axis.before + axis.after - axis.extent) % axis.stride for axis in (rows, columns)]
    transposed = conv_transpose2d(y, weight, output_padding=output_padding, **options)
    assert_allclose(np.sum(maps * y), np.sum(x * transposed), rtol=1e-10)


@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_gives_size_times_stride(kernel, stride, rng):
    """same-upper cuts the odd pixel at the end, same-lower at the start, as ONNX does."""
    x, weight = rng.normal(size=(1, 4, 5)), rng.normal(size=(1, 1, kernel, kernel))
    full = conv_transpose2d(x, weight, stride=stride)
    total = kernel - stride
    for word, before in (("same-upper", total // 2), ("same-lower", total - total // 2)):
        expected = full[:, before : before + 4 * stride, before : before + 5 * stride]
        assert_array_equal(conv_transpose2d(x, weight, stride=stride, padding=word), expected)


def test_nothing_is_cut_where_the_kernel_covers_less_than_the_stride():
    """As in ONNX Runtime: 2 pixels at stride 3 with one tap are 3 apart, and nothing follows the last."""
    rows, columns = make_transposed_axes((2, 2), (1, 4), 3, "same-upper", 0, 1)
    assert (rows.out, columns.out) == (4, 6)


def test_infinity_and_nan_reach_only_what_the_kernel_covers():
    """NaN and infinity reach the outputs that the kernel covers, and no others."""
    x = np.zeros((1, 5, 5), np.float32)
    x[0, 2, 2], x[0, 0, 0] = np.inf, np.nan
    result = conv_transpose2d(x, ONES, stride=2)[0]
    assert np.isposinf(result[4:7, 4:7]).all()
    assert np.isposinf(result).sum() == 9
    assert np.isnan(result[:3, :3]).all()
    assert np.isnan(result).sum() == 9


BAD = [
    ({"output_padding": 2}, "output_padding must be less than the stride or the dilation, got 2"),
    ({"padding": "same"}, "padding must be valid, same-upper, same-lower or pixels to cut off, got 'same'"),
    ({"padding": 4}, "maps of 3 x 3 under a kernel that covers 3 x 3 would become -1 x -1; use less padding"),
    ({"groups": 2}, "groups must divide the 1 channels of x, got 2"),
    ({"weight": np.ones((2, 1, 3, 3))}, r"weight must have shape .* with Cin = 1, got \(2, 1, 3, 3\)"),
    ({"bias": [1, 2]}, "bias must have one value for each of the 1 output channels, got 2"),
    ({"threads": 0}, "threads must be a whole number of at least 1, got 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_arguments_are_refused(change, message):
    """Each error names the argument, the rule and the value."""
    with pytest.raises(ArgumentError, match=message):
        conv_transpose2d(**{"x": RAMP, "weight": ONES, "stride": 2} | change)
