"""filter2d and conv2d against the oracle, against SciPy, and against their algebraic laws."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
import strategies as ours
from convcli import ArgumentError, conv2d, filter2d
from convcli.engine.im2col import layer_tables_for, parts_of
from convcli.engine.layout import Layout
from convcli.engine.offset import BOUND
from convcli.geometry.axes import make_axes
from convcli.geometry.borders import ZERO

SCIPY_WORDS = {"zero": "constant", "edge": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "grid-wrap"}


def as_float64(image):
    """Convert to float64; bool images become 0 and 1."""
    return image.astype(np.float64)


@given(
    data=st.data(),
    image=ours.images(),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    border=ours.borders,
    flip=st.booleans(),
    summed=st.booleans(),
    threads=st.integers(1, 3),
)
def test_filter2d_equals_the_oracle(data, image, stride, dilation, pads, border, flip, summed, threads):
    """Every combination of options and every dtype gives exactly the oracle's result."""
    kernel = data.draw(ours.kernels(image.shape[2] if summed else None))
    options = {"stride": stride, "dilation": dilation, "border": border, "flip": flip}
    expected = naive.filter2d(as_float64(image), kernel, pads=pads, **options)
    assume(expected.size)
    result = filter2d(image, kernel, padding=pads, threads=threads, method="direct", **options)
    assert result.dtype == np.result_type(image.dtype, np.float32)
    assert_array_equal(result, expected, strict=False)


@given(
    data=st.data(),
    groups=st.integers(1, 3),
    ins=st.integers(1, 2),
    outs=st.integers(1, 2),
    count=st.integers(1, 2),
    side=ours.sides,
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    border=ours.borders,
    flip=st.booleans(),
)
def test_conv2d_equals_the_oracle(data, groups, ins, outs, count, side, stride, dilation, pads, border, flip):
    """Groups, batches, bias and every combination of options give exactly the oracle's result."""
    values = st.integers(-4, 4)
    x = data.draw(ours.hnp.arrays(np.int64, (count, groups * ins, *side), elements=values)).astype(np.float32)
    kernel = data.draw(ours.kernel_sides)
    weight = data.draw(ours.hnp.arrays(np.int64, (groups * outs, ins, *kernel), elements=values))
    bias = data.draw(ours.hnp.arrays(np.int64, groups * outs, elements=values))
    options = {"stride": stride, "dilation": dilation, "border": border, "flip": flip, "groups": groups}
    expected = naive.conv2d(x, weight, bias, pads=pads, **options)
    assume(expected.size)
    assert_array_equal(conv2d(x, weight, bias, padding=pads, method="direct", **options), expected)
    assert_allclose(conv2d(x, weight, bias, padding=pads, **options), expected, rtol=0, atol=1e-4)


@given(image=ours.images(), kernel=ours.kernels(), stride=ours.pairs, border=ours.borders)
def test_stride_takes_every_s_th_pixel(image, kernel, stride, border):
    """f(x, stride=s) == f(x)[::s, ::s], with the padding 'same'."""
    dense = filter2d(image, kernel, border=border)
    assert_array_equal(filter2d(image, kernel, border=border, stride=stride), dense[:: stride[0], :: stride[1]])


@given(image=ours.images(), kernel=ours.kernels(), dilation=ours.pairs, border=ours.borders)
def test_dilation_puts_zeros_between_taps(image, kernel, dilation, border):
    """f(x, k, dilation=d) == f(x, k with d - 1 zeros between its taps)."""
    assert_array_equal(
        filter2d(image, kernel, border=border, dilation=dilation),
        filter2d(image, naive.dilate(kernel, dilation), border=border),
    )


@given(image=ours.images(), kernel=ours.kernels(), pads=ours.pads, border=st.sampled_from(ours.BORDERS))
def test_padding_equals_numpy_pad(image, kernel, pads, border):
    """f(x, padding=p, border=b) == f(numpy.pad(x, p, b), padding='valid')."""
    padded = np.pad(image, (*pads, (0, 0)), mode=naive.NUMPY_WORDS[border])
    assume(all(n >= k for n, k in zip(padded.shape, kernel.shape, strict=False)))
    assert_array_equal(
        filter2d(image, kernel, padding=pads, border=border), filter2d(padded, kernel, padding="valid"), strict=False
    )


@given(image=ours.images(), kernel=ours.kernels(), factor=st.integers(-3, 3))
def test_filter2d_is_linear_in_image_and_kernel(image, kernel, factor):
    """f(a x + y, k) == a f(x, k) + f(y, k), and the same for the kernel."""
    x, y = image.astype(np.float32), image[::-1, ::-1].astype(np.float32)
    other = kernel[::-1]
    assert_array_equal(filter2d(factor * x + y, kernel), factor * filter2d(x, kernel) + filter2d(y, kernel))
    assert_array_equal(filter2d(x, factor * kernel + other), factor * filter2d(x, kernel) + filter2d(x, other))


@given(image=ours.images(), kernel=ours.kernels(), down=st.integers(-5, 5), right=st.integers(-5, 5))
def test_a_shifted_image_gives_a_shifted_map(image, kernel, down, right):
    """With the border 'wrap', a rolled image gives the rolled map."""
    rolled = np.roll(image, (down, right), axis=(0, 1))
    assert_array_equal(
        filter2d(rolled, kernel, border="wrap"), np.roll(filter2d(image, kernel, border="wrap"), (down, right), axis=(0, 1))
    )


@given(kernel=ours.kernels())
def test_an_impulse_gives_the_kernel(kernel):
    """With flip=True an impulse gives the kernel; without, the kernel rotated by 180 degrees."""
    impulse = np.zeros((1, 1), np.float32) + 1
    assert_array_equal(filter2d(impulse, kernel, padding="full", border="zero", flip=True), kernel)
    assert_array_equal(filter2d(impulse, kernel, padding="full", border="zero"), kernel[::-1, ::-1])


@pytest.mark.parametrize("border", ours.BORDERS)
@pytest.mark.parametrize("shape", [(7, 9), (1, 5), (2, 2), (1, 1)])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 1), (7, 11), (13, 3)])
def test_scipy_agrees_on_every_border(border, shape, kernel, rng):
    """scipy.ndimage.correlate gives the same for kernels of odd sides, also where the kernel is larger than the picture."""
    image, weights = rng.integers(0, 256, shape).astype(float), rng.normal(size=kernel)
    expected = scipy.ndimage.correlate(image, weights, mode=SCIPY_WORDS[border])
    assert_allclose(filter2d(image, weights, border=border), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("kernel", [(3, 5), (2, 4), (1, 1)])
def test_scipy_agrees_on_flip_and_padding(mode, kernel, rng):
    """flip=True equals scipy.signal.convolve2d; for even kernels, 'same' is another part of 'full'."""
    image, weights = rng.normal(size=(9, 8)), rng.normal(size=kernel)
    expected = scipy.signal.convolve2d(image, weights, mode=mode)
    if mode == "same":  # for even kernels filter2d starts one pixel later in the full result than SciPy
        full = scipy.signal.convolve2d(image, weights, mode="full")
        top, left = ((k - 1) - (k - 1) // 2 for k in kernel)
        expected = full[top : top + 9, left : left + 8]
    assert_allclose(filter2d(image, weights, padding=mode, border="zero", flip=True), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [5, 31, 101, 501, 1023])
@pytest.mark.parametrize("level", [1, 254, 255])
def test_the_mean_of_a_flat_picture_is_its_level(size, level):
    """The error is within a millionth, also where a million taps are summed in float32."""
    flat = np.full((24, 24), level, np.uint8)
    assert_allclose(filter2d(flat, np.full((size, size), 1 / size**2)), level, rtol=1e-6)


def test_float32_is_close_to_float64(rng):
    """The error of a large kernel stays within the float32 bound: n * eps * sum |w x|."""
    image, weights = rng.uniform(0, 255, (40, 40)), rng.normal(size=(31, 31))
    single, double = filter2d(image.astype(np.float32), weights), filter2d(image, weights)
    bound = weights.size * np.finfo(np.float32).eps * filter2d(image, np.abs(weights))
    assert np.all(np.abs(single - double) <= bound)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.uint64])
def test_integer_output_rounds_half_to_even_and_saturates(dtype):
    """Halves round to even, values beyond the dtype saturate, NaN becomes 0; as numpy.rint and numpy.clip."""
    limits = np.iinfo(dtype)
    values = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 3.49, 126.5, 254.5, 300, -300, 1e30, -1e30, np.inf, -np.inf, np.nan]])
    result = filter2d(values, [[1]], dtype=dtype)
    expected = [
        0 if np.isnan(v) else min(max(limits.min, int(np.rint(v))), limits.max) if np.isfinite(v) else
        (limits.max if v > 0 else limits.min)
        for v in values[0]
    ]  # fmt: skip
    assert result.dtype == dtype
    assert result[0].tolist() == expected


def test_integer_output_equals_the_rounded_float_output(rng):
    """A result of uint8 equals the float result, rounded and clipped."""
    image, weights = rng.integers(0, 256, (33, 41, 3), dtype=np.uint8), rng.normal(size=(5, 5))
    response = filter2d(image, weights)
    assert_array_equal(filter2d(image, weights, dtype=np.uint8), np.clip(np.rint(response), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("shape", [(300, 70, 3), (3, 5000, 1)])
def test_threads_do_not_change_a_bit(shape, rng):
    """The result is the same to the last bit for any number of threads."""
    image, weights = rng.normal(size=shape).astype(np.float32), rng.normal(size=(7, 5))
    single = filter2d(image, weights, threads=1)
    for threads in (2, 3, 5, 64):
        assert_array_equal(filter2d(image, weights, threads=threads), single)


def test_inputs_are_never_changed(rng):
    """Read-only arrays are accepted and not written to."""
    image, weights = rng.normal(size=(9, 9)), rng.normal(size=(3, 3))
    image.flags.writeable = weights.flags.writeable = False
    before = image.copy(), weights.copy()
    filter2d(image, weights, flip=True, dtype=np.uint8)
    conv2d(image[None], weights[None, None])
    assert_array_equal(image, before[0])
    assert_array_equal(weights, before[1])


def test_every_memory_layout_is_accepted(rng):
    """Views with steps, Fortran order and swapped bytes give the same result."""
    image, weights = rng.integers(0, 256, (20, 24, 3)).astype(np.uint16), rng.integers(-3, 4, (3, 3))
    expected = filter2d(image[::2, ::-1].copy(), weights)
    assert_array_equal(filter2d(image[::2, ::-1], weights), expected)
    assert_array_equal(filter2d(np.asfortranarray(image[::2, ::-1]), weights), expected)
    assert_array_equal(filter2d(image[::2, ::-1].astype(">u2"), weights), expected)
    assert_array_equal(filter2d(image[::2, ::-1].tolist(), weights), expected.astype(np.float32))


def test_nan_spreads_as_far_as_the_kernel_reaches():
    """NaN does not spread under a weight of 0."""
    image = np.ones((7, 7), np.float32)
    image[3, 3] = np.nan
    plus = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    is_nan = np.isnan(filter2d(image, plus))
    assert_array_equal(is_nan, filter2d(np.isnan(image), plus) > 0)


def test_infinity_does_not_become_nan():
    """inf times a positive weight is inf, not NaN, in every block of taps."""
    image = np.full((9, 9), np.inf, np.float32)
    for size in (5, 31):
        assert np.all(np.isposinf(filter2d(image, np.ones((size, size)))))
    image = np.ones((70, 70), np.float32)
    image[35, 35] = np.inf
    response = filter2d(image, np.ones((31, 31)))
    assert np.isposinf(response).sum() == 31 * 31
    assert not np.isnan(response).any()


def test_all_zero_kernel_gives_zero():
    """A kernel whose weights are all 0 is accepted."""
    assert_array_equal(filter2d(np.ones((4, 4)), np.zeros((3, 3))), np.zeros((4, 4)))


def test_kernel_weights_are_not_rounded_for_float64():
    """Integer weights beyond float32 stay exact on a float64 picture."""
    assert filter2d(np.ones((1, 1)), [[2**24 + 1]])[0, 0] == 2**24 + 1


def test_shapes_follow_the_inputs():
    """A grey image gives a result without a channel axis, as does a (kh, kw, C) kernel; four 5 x 5 x 3 filters give 4 maps."""
    assert filter2d(np.zeros((8, 9)), np.ones((3, 3))).shape == (8, 9)
    assert filter2d(np.zeros((8, 9, 1)), np.ones((3, 3))).shape == (8, 9, 1)
    assert filter2d(np.zeros((8, 9, 3)), np.ones((3, 3, 3))).shape == (8, 9)
    assert filter2d(np.zeros((8, 9)), np.ones((3, 3, 1))).shape == (8, 9)
    assert conv2d(np.zeros((3, 32, 32)), np.zeros((4, 3, 5, 5))).shape == (4, 28, 28)
    assert conv2d(np.zeros((2, 3, 32, 32)), np.zeros((4, 3, 5, 5)), padding="same").shape == (2, 4, 32, 32)


def test_pointwise_convolution_mixes_channels(rng):
    """A 1 x 1 convolution is a matrix product at every pixel."""
    x, weight = rng.normal(size=(6, 5, 4)), rng.normal(size=(2, 6))
    assert_allclose(conv2d(x, weight[:, :, None, None]), np.einsum("oc,chw->ohw", weight, x), rtol=1e-12, atol=1e-12)


def test_depthwise_equals_filter2d_on_each_channel(rng):
    """groups = Cin equals filter2d on each channel."""
    x, weight = rng.normal(size=(3, 7, 8)), rng.normal(size=(3, 1, 3, 3))
    expected = [filter2d(x[c], weight[c, 0], border="zero") for c in range(3)]
    assert_allclose(conv2d(x, weight, groups=3, padding="same"), expected, rtol=1e-12, atol=1e-12)


IMAGE = np.zeros((4, 5, 3))
BAD = [
    (lambda: filter2d(np.zeros(3), np.ones((3, 3))), r"image must have 2 or 3 dimensions, got shape \(3,\)"),
    (lambda: filter2d(np.zeros((0, 3)), np.ones((3, 3))), r"image must not be empty, got shape \(0, 3\)"),
    (lambda: filter2d(IMAGE * 1j, np.ones((3, 3))), "image must hold real numbers, got dtype complex128"),
    (lambda: filter2d(np.array([["a"]]), [[1]]), "image must hold real numbers, got dtype <U1"),
    (lambda: filter2d(IMAGE, [[1, 2], [3]]), "kernel must be an array, got rows of different lengths"),
    (lambda: filter2d(IMAGE, np.ones((3, 3, 4))), "kernel has 4 channels, the image has 3"),
    (lambda: filter2d(np.zeros((4, 4)), np.ones((3, 3, 3))), "kernel has 3 channels, the image has 1"),
    (lambda: filter2d(IMAGE, [[1]], dtype=np.float64, border="edges"), "border must be"),
    (
        lambda: filter2d(np.zeros((4, 4), np.uint8), [[1]], dtype=complex),
        "dtype must be an integer type, float16, float32 or float64",
    ),
    (lambda: filter2d(IMAGE, [[1]], dtype="word"), "dtype must be an integer type, float16, float32 or float64, got 'word'"),
    (lambda: filter2d(IMAGE, [[1]], flip="yes"), "flip must be True or False, got 'yes'"),
    (lambda: filter2d(IMAGE, [[1]], threads=0), "threads must be a whole number of at least 1, got 0"),
    (lambda: filter2d(IMAGE, np.ones((9, 9)), padding="valid"), "a kernel that covers 9 x 9 does not fit an image of 4 x 5"),
    (lambda: conv2d(IMAGE, np.ones((3, 3))), r"weight must have 4 dimensions, got shape \(3, 3\)"),
    (lambda: conv2d(IMAGE, np.ones((2, 3, 1, 1))), r"weight must have shape .* with Cin / groups = 4, got \(2, 3, 1, 1\)"),
    (
        lambda: conv2d(IMAGE, np.ones((2, 4, 1, 1)), groups=3),
        "groups must divide the 4 channels of x and the 2 of weight, got 3",
    ),
    (lambda: conv2d(IMAGE, np.ones((2, 4, 1, 1)), groups=(1, 1)), r"groups must be a whole number of at least 1, got \(1, 1\)"),
    (lambda: filter2d(IMAGE, [[1]], threads=(1, 5)), "threads must be a whole number of at least 1"),
    (lambda: filter2d(IMAGE, [[1]], border=1e300), "border must be a number up to 1e.30"),
    (lambda: conv2d(IMAGE, np.ones((2, 4, 1, 1)), np.zeros(3)), "bias must have one value for each of the 2 output channels"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message):
    """Each error names the argument, the rule and the value, and is a ValueError too."""
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)


@given(
    groups=st.integers(1, 2),
    ins=st.integers(2, 5),
    outs=st.integers(4, 13),
    count=st.integers(1, 2),
    side=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dtype=st.sampled_from([np.uint8, np.int32, np.float32, np.float64]),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    border=ours.borders,
    flip=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=150)
def test_layers_of_many_channels_equal_the_direct_method(
    groups, ins, outs, count, side, kernel, dtype, stride, dilation, pads, border, flip, threads, seed
):
    """Layers whose maps are computed several at a time equal the direct method exactly."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 9, (count, groups * ins, *side)).astype(dtype)
    weight, bias = rng.integers(-4, 5, (groups * outs, ins, *kernel)), rng.integers(-9, 9, groups * outs)
    options = {"stride": stride, "dilation": dilation, "border": border, "flip": flip, "groups": groups}
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    assume(all(length + sum(pad) >= extent for length, pad, extent in zip(side, pads, extents, strict=True)))
    expected = conv2d(x, weight, bias, padding=pads, method="direct", **options)
    assert_array_equal(conv2d(x, weight, bias, padding=pads, threads=threads, **options), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_zero_weight_keeps_nan_and_infinity_out(value):
    """A weight of 0 keeps NaN and infinity out of a map, also in a layer of many channels."""
    x = np.ones((8, 6, 6), np.float32)
    x[2, 3, 3] = value
    weight = np.ones((8, 8, 3, 3))
    weight[:4, 2] = 0
    maps = conv2d(x, weight)
    assert np.isfinite(maps[:4]).all()
    assert not np.isfinite(maps[4:, 1:, 1:]).any()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_stride_2_of_wide_images_takes_every_second_pixel(channels, dtype, rng):
    """Stride 2 equals every second pixel of stride 1, where rows are long enough for vector instructions."""
    kernel = rng.integers(-4, 5, (2, 3, 3)).astype(float)
    for width in (126, 129, 200, 333):
        image = rng.integers(0, 256, (4, width, channels)).astype(dtype)
        for weights in (kernel[..., 0], np.repeat(kernel[..., :1], channels, axis=2), 0.37 * kernel[..., 1]):
            for pads in ((0, 0), (1, 2), (2, 1), (3, 0)):
                options = {"padding": ((1, 1), pads), "border": "wrap"}
                expected = filter2d(image, weights, **options)[:, ::2]
                assert_allclose(filter2d(image, weights, stride=(1, 2), **options), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_taps_without_a_weight_are_left_out_of_layers(count, rng):
    """Taps whose weight is 0 in every map are not in the tables, and the maps equal the oracle."""
    x, weight, bias = rng.integers(0, 9, (5, 8, 9)), rng.integers(1, 5, (8, 5, 3, 3)), rng.integers(0, 9, 8)
    mask = np.zeros(45, bool)
    mask[rng.permutation(45)[:count]] = True
    weight = weight * mask.reshape(5, 3, 3)
    weight[1:, :, 0, 0] *= 0  # a tap that only the first map has
    expected = naive.conv2d(x[None], weight, bias, pads=((1, 1), (1, 1)))[0]
    assert_array_equal(conv2d(x, weight, bias, padding=1), expected)
    axes = make_axes((8, 9), (3, 3), 1, 1, 1)
    tables = layer_tables_for(Layout(*axes, pixel=1, depth=1), ZERO, weight[..., None], bias, -np.inf, np.dtype(np.float32))
    assert tables.plane.size == np.count_nonzero(weight.any(axis=0))


@pytest.mark.parametrize(
    ("planes", "side", "kernel", "maps", "groups"),
    [(5000, 3, 1, 5, 1), (560, 6, 3, 8, 1), (1300, 5, 3, 10, 2), (25_088, 1, 1, 6, 1)],
)
def test_layers_of_many_taps_are_sums_of_parts(planes, side, kernel, maps, groups, rng):
    """Within the bound against float64; integers exactly, whatever the threads; an infinite bias is that of its map."""
    weight, bias = rng.normal(size=(maps, planes // groups, kernel, kernel)), rng.normal(size=maps)
    x, weight = rng.normal(size=(planes, side, side)).astype(np.float32), weight.astype(np.float32)
    assert parts_of(weight.shape, np.dtype(np.float32)) > 1

    def exact(samples, weights):
        windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), (kernel, kernel), axis=(1, 2))
        split = zip(np.split(windows, groups), np.split(weights.astype(np.float64), groups), strict=True)
        return np.concatenate([np.einsum("cyxij,mcij->myx", of_group, its_weights) for of_group, its_weights in split])

    bound = BOUND * np.abs(weight).sum(axis=(1, 2, 3)) * np.ptp(x)
    result = conv2d(x, weight, bias, groups=groups, threads=1)
    errors = np.abs(result - exact(x, weight) - bias[:, None, None]).max(axis=(1, 2))
    assert (errors <= bound).all()
    assert_array_equal(conv2d(x, weight, bias, groups=groups, threads=2), result)
    levels, whole = rng.integers(0, 9, x.shape).astype(np.uint8), rng.integers(-3, 4, weight.shape)
    expected, bias = exact(levels, whole), np.zeros(maps)
    expected[1], bias[1] = np.inf, np.inf
    assert_array_equal(conv2d(levels, whole, bias, groups=groups), expected)


@pytest.mark.parametrize("border", ["zero", "edge", "reflect", "linear-ramp"])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [(2, 1), (3, 1), (2, 2), (1, 1)])
def test_depthwise_layers_of_narrow_planes_equal_the_oracle(border, width, stride, rng):
    """Rows are copied half a vector at a time: what is written beyond a row is replaced, in whichever order rows are copied."""
    x, weight = rng.integers(0, 256, (4, 6, width)).astype(np.float32), rng.normal(size=(4, 1, 3, 1))
    options = {"stride": stride, "dilation": (1, 1), "groups": 4, "border": border, "flip": False}
    result = conv2d(x, weight, padding=((1, 2), (0, 0)), **options)
    expected = naive.conv2d(x[None].astype(float), weight, np.zeros(4), pads=((1, 2), (0, 0)), **options)
    assert_allclose(result[None], expected, rtol=0, atol=1e-3)
