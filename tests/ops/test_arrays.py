"""Arrays of every dtype, masked and empty arrays, and tensors; arguments as NumPy and PyTorch write them."""

import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.signal
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

import convcli
from convcli import ArgumentError, conv2d, conv_transpose2d, filter2d

LARGE = {np.int32: 2**24 + 1, np.uint32: 2**32 - 1, np.int64: 2**24 + 1, np.uint64: 2**40 + 1}
LARGEST = {np.int64: 2**63 - 1, np.uint64: 2**64 - 1, np.longdouble: np.longdouble(2) ** 63 + 1, **LARGE, np.bool_: True}
LARGEST |= {np.float16: 65504.0, np.int8: -128, np.float64: 2.0**53 + 2}
MAPS = np.arange(2 * 3 * 5 * 6).reshape(2, 3, 5, 6)
ONE = np.ones((1, 1, 1, 1))


@pytest.mark.parametrize("dtype", LARGE)
def test_large_integers_are_computed_in_float64(dtype):
    """They are computed in float64, as NumPy promotes them with float32. In float32, 2**24 + 1 becomes 2**24."""
    x = np.full((1, 3, 3), LARGE[dtype], dtype)
    results = {
        "filter2d": filter2d(x[0], [[1]]),
        "conv2d": conv2d(x, ONE),
        "conv_transpose2d": conv_transpose2d(x, ONE),
        "depthwise_conv2d": convcli.depthwise_conv2d(x, ONE),
        "pointwise_conv2d": convcli.pointwise_conv2d(x, ONE),
        "separable_conv2d": convcli.separable_conv2d(x, ONE, ONE),
        "avg_pool2d": convcli.avg_pool2d(x, 2),
        "lp_pool2d": convcli.lp_pool2d(x, 1),
        "global_avg_pool2d": convcli.global_avg_pool2d(x),
        "relu": convcli.relu(x),
        "leaky_relu": convcli.leaky_relu(x),
        "abs": convcli.abs(x),
        "affine": convcli.affine(x, [1]),
        "batch_norm": convcli.batch_norm(x, [0], [1], epsilon=0),
        "local_response_norm": convcli.local_response_norm(x, 1, alpha=0),
        "dense": convcli.dense(x[0], np.eye(3)),
    }
    for name, result in results.items():
        assert result.dtype == np.float64 == np.result_type(dtype, np.float32), name
        assert_array_equal(result, np.full(result.shape, LARGE[dtype], np.float64), err_msg=name)
    assert_array_equal(filter2d(x[0], [[1]], dtype=dtype), x[0])


@pytest.mark.parametrize("dtype", LARGEST)
def test_operations_without_arithmetic_keep_the_dtype(dtype):
    """Max pools, up-sampling and flattening keep every dtype, also 2**63 - 1, which float64 cannot represent."""
    x = np.zeros((1, 4, 6), dtype)
    x[0, 1::2, 1::2] = LARGEST[dtype]
    if dtype == np.int8:
        x[:] = LARGEST[dtype]
    pooled = convcli.max_pool2d(x, 2)
    assert (pooled.dtype, pooled.shape) == (dtype, (1, 2, 3))
    assert (pooled == x[0, 1, 1]).all()
    padded = convcli.max_pool2d(x, (3, 2), stride=2, padding=1, dilation=(1, 2), ceil_mode=True)
    assert padded.dtype == dtype
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (2, 2))[::2, ::2]
    assert_array_equal(pooled[0], windows.max(axis=(2, 3)))
    for result, expected in (
        (convcli.upsample_nearest(x, (2, 3)), x.repeat(2, axis=1).repeat(3, axis=2)),
        (convcli.flatten(x), x.ravel()),
    ):
        assert result.dtype == dtype
        assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_max_pools_of_64_bit_integers_are_exact(dtype, rng):
    """A max pool with every option equals the maximum of each window."""
    x = rng.integers(2**62, 2**63 - 1, (2, 3, 9, 8)).astype(dtype)
    options = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "ceil_mode": True}
    result = convcli.max_pool2d(x, (3, 2), **options)
    assert result.shape[2:] == (5, 6)
    for i, j in np.ndindex(5, 6):
        rows = [row for row in range(2 * i - 1, 2 * i + 2) if 0 <= row < 9]
        assert_array_equal(result[:, :, i, j], x[:, :, rows][..., [j, j + 2]].max(axis=(2, 3)))


def test_means_of_samples_with_an_offset_are_exact(rng):
    """Means of samples near 1e6 are exact to float32. Sums of nine in float32 would be multiples of a half."""
    x = (rng.uniform(-1, 1, (1, 30, 30)) + 1e6).astype(np.float32)
    for result, expected in (
        (convcli.avg_pool2d(x, 3)[0], x[0].astype(float).reshape(10, 3, 10, 3).mean(axis=(1, 3))),
        (convcli.global_avg_pool2d(x), x.mean(axis=(1, 2), keepdims=True, dtype=np.float64)),
    ):
        assert_array_equal(result, expected.astype(np.float32))


FUNCTIONS = {
    "filter2d": lambda x: filter2d(x[0, 0], np.ones((2, 2))),
    "conv2d": lambda x: conv2d(x, np.ones((4, 3, 2, 2))),
    "conv2d in groups": lambda x: conv2d(x, np.ones((3, 1, 2, 2)), groups=3),
    "conv_transpose2d": lambda x: conv_transpose2d(x, np.ones((3, 4, 2, 2)), stride=2),
    "depthwise_conv2d": lambda x: convcli.depthwise_conv2d(x, np.ones((6, 1, 2, 2))),
    "pointwise_conv2d": lambda x: convcli.pointwise_conv2d(x, np.ones((4, 3))),
    "separable_conv2d": lambda x: convcli.separable_conv2d(x, np.ones((6, 1, 2, 2)), np.ones((4, 6))),
    "max_pool2d": lambda x: convcli.max_pool2d(x, 2),
    "avg_pool2d": lambda x: convcli.avg_pool2d(x, 2),
    "lp_pool2d": lambda x: convcli.lp_pool2d(x, 2),
    "lp_pool2d of cubes": lambda x: convcli.lp_pool2d(x, 2, norm_type=3),
    "global_avg_pool2d": convcli.global_avg_pool2d,
    "upsample_nearest": lambda x: convcli.upsample_nearest(x, 2),
    "relu": convcli.relu,
    "leaky_relu": convcli.leaky_relu,
    "sigmoid": convcli.sigmoid,
    "tanh": convcli.tanh,
    "abs": convcli.abs,
    "square": convcli.square,
    "softmax": convcli.softmax,
    "affine": lambda x: convcli.affine(x, np.ones(3)),
    "batch_norm": lambda x: convcli.batch_norm(x, np.ones(3), np.ones(3)),
    "local_response_norm": lambda x: convcli.local_response_norm(x, 3),
    "flatten": convcli.flatten,
    "dense": lambda x: convcli.dense(x.reshape(len(x), 90), np.ones((4, 90))),
}


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "filter2d"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_an_empty_batch_gives_an_empty_batch(name, dtype):
    """With N = 0, the result has the shape, except N, and the dtype of a batch of two."""
    batch, empty = FUNCTIONS[name](MAPS.astype(dtype)), FUNCTIONS[name](np.zeros((0, 3, 5, 6), dtype))
    assert (empty.shape, empty.dtype) == ((0, *batch.shape[1:]), batch.dtype)


def test_other_empty_arrays_are_refused():
    """An image without rows, or maps without channels, is an error."""
    for x in (np.zeros((0, 5, 6)), np.zeros((2, 0, 5, 6)), np.zeros((0, 3, 0, 6))):
        with pytest.raises(ArgumentError, match="x must not be empty, got shape"):
            conv2d(x, np.ones((1, 3, 1, 1)))
    with pytest.raises(ArgumentError, match="weight must not be empty, got shape"):
        conv2d(MAPS, np.ones((0, 3, 1, 1)))
    with pytest.raises(ArgumentError, match="image must not be empty, got shape"):
        filter2d(np.zeros((0, 5)), [[1]])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_masked_arrays_are_refused(name):
    """Masked values are refused in arrays and in lists; a masked array without masked values is accepted."""
    x = np.ma.masked_equal(MAPS.astype(np.float32), 7)
    with pytest.raises(ArgumentError, match=r"has masked values, and what is under the mask would be read; fill them"):
        FUNCTIONS[name](x)
    with pytest.raises(ArgumentError, match=r"has masked values"):
        convcli.conv2d(list(x), np.ones((1, len(x), 3, 3)))
    with pytest.raises(ArgumentError, match=r"has masked values"):
        convcli.conv2d([list(x)], np.ones((1, len(x), 3, 3)))
    with pytest.raises(ArgumentError, match=r"has masked values"):
        filter2d([[1, np.ma.masked], [2, 3]], [[1]])
    open_mask = np.ma.array(MAPS.astype(np.float32), mask=False)
    assert_array_equal(FUNCTIONS[name](open_mask), FUNCTIONS[name](open_mask.data))


def test_numpy_ma_may_be_half_imported(monkeypatch):
    """While another thread imports it, the module is known, and empty: nothing can be a masked array then."""
    monkeypatch.setitem(sys.modules, "numpy.ma", types.ModuleType("numpy.ma"))
    assert_array_equal(filter2d(MAPS[0], [[1]]), MAPS[0])


def test_kernels_in_place_of_arrays_are_refused():
    """A Kernel or a Bank in place of an array, or another value in place of a name, is refused with a remedy."""
    with pytest.raises(ArgumentError, match="kernel must be an array, got a Kernel; pass its weights, kernel.weights"):
        convcli.filter2d(np.ones((5, 5)), convcli.kernel("blur"))
    with pytest.raises(ArgumentError, match="got a Bank; pass its weights"):
        convcli.filter2d(np.ones((5, 5)), convcli.kernel("sobel"))
    for wrong in (5, None, np.ones((3, 3))):
        with pytest.raises(convcli.KernelError, match="kernel must be a text such as 'gaussian:sigma=2', got "):
            convcli.kernel(wrong)
    with pytest.raises(convcli.KernelError, match=r"path must be the name of a kernels.toml, got int"):
        convcli.load_kernels(5)


class Tensor:
    """Raises what a PyTorch tensor raises where NumPy cannot convert it."""

    def __init__(self, error, requires_grad=False):
        self.error, self.requires_grad = error, requires_grad

    def __array__(self, dtype=None, copy=None):
        raise self.error


def test_tensors_that_numpy_cannot_convert_are_refused():
    """A tensor that NumPy cannot convert is refused in one line."""
    tensor = Tensor(RuntimeError("Can't call numpy() on Tensor that requires grad."), requires_grad=True)
    with pytest.raises(ArgumentError, match=r"x is a tensor that needs a gradient, which would be lost; pass x.detach\(\)$"):
        convcli.relu(tensor)
    with pytest.raises(ArgumentError, match=r"x must be an array: can't convert cuda:0 device type tensor to numpy\.$"):
        convcli.relu(Tensor(TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu().")))


@pytest.mark.parametrize("given", [np.uint8, np.uint16, np.int16, np.float16, np.float32, np.int64, np.float64])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_float_results_of_every_image_dtype_equal_scipy(given, dtype, rng):
    """dtype=float64 is computed in float64; results of other dtypes are rounded to them."""
    image, kernel = rng.integers(0, 99, (9, 8)).astype(given), rng.normal(size=(3, 3))
    result = filter2d(image, kernel, padding="valid", dtype=dtype)
    expected = scipy.signal.correlate2d(image.astype(float), kernel, mode="valid")
    assert result.dtype == np.dtype(dtype).newbyteorder("=")
    tolerance = {"float16": 1e-3, "float64": 1e-13}.get(dtype, 2e-7)
    assert_allclose(result, expected, rtol=0, atol=tolerance * 99 * np.abs(kernel).sum())


def test_float16_overflows_to_infinity():
    """As with NumPy's cast, and without a warning."""
    assert_array_equal(filter2d(np.full((2, 2), 70000.0), [[1]], dtype=np.float16), np.full((2, 2), np.inf))


BORDERS = {
    "zeros": "zero",
    "constant": "zero",
    "grid-constant": "zero",
    "replicate": "edge",
    "REPLICATE": "edge",
    "nearest": "edge",
    "circular": "wrap",
    "periodic": "wrap",
    "grid-wrap": "wrap",
    "grid-mirror": "symmetric",
    "SYMMETRIC": "symmetric",
    "REFLECT": "reflect",
    "linear_ramp": "linear-ramp",
    "LINEAR-RAMP": "linear-ramp",
}
NUMPY_MODES = {"zero": "constant", "linear-ramp": "linear_ramp"}


@pytest.mark.parametrize(("word", "meaning"), BORDERS.items())
def test_border_names_of_other_systems_are_accepted(word, meaning, run, samples, tmp_path):
    """In Python and on the command line, they equal NumPy's padding."""
    kernel = np.arange(25.0).reshape(5, 5)
    padded = np.pad(MAPS[0, 0].astype(float), 2, mode=NUMPY_MODES.get(meaning, meaning))
    expected = scipy.signal.correlate2d(padded, kernel, mode="valid")
    assert_array_equal(filter2d(MAPS[0, 0], kernel, border=word), expected)
    assert_array_equal(conv2d(MAPS[:, :1], kernel[None, None], padding=2, border=word)[0, 0], expected)
    out = [tmp_path / f"{name}.npy" for name in ("word", "meaning")]
    for border, path in zip((word, meaning), out, strict=True):
        assert run("apply", samples / "horse.png", "-k", "blur", "--border", border, "-o", path, "-q").status == 0
    assert_array_equal(*map(np.load, out))


def test_ambiguous_names_are_refused():
    """The error names both meanings."""
    with pytest.raises(ArgumentError, match="border mirror means reflect .* to SciPy and symmetric .* to ImageMagick"):
        conv2d(MAPS, np.ones((1, 3, 3, 3)), border="mirror")
    with pytest.raises(ArgumentError, match="padding SAME means same-upper to TensorFlow, which counts the stride"):
        conv2d(MAPS, np.ones((1, 3, 3, 3)), padding="SAME")
    with pytest.raises(ArgumentError, match="got 'replicat'; did you mean 'replicate'"):
        conv2d(MAPS, np.ones((1, 3, 3, 3)), border="replicat")


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_padding_names_of_onnx_are_accepted(size, stride, kernel, rng):
    """The formula of ONNX's specification: ceil(size / stride) positions, the odd pixel at the end or at the start."""
    x, weight = rng.normal(size=(1, size, size)), rng.normal(size=(1, 1, kernel, kernel))
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    for word, before in (("SAME_UPPER", total // 2), ("SAME_LOWER", total - total // 2)):
        padded = np.pad(x[0], (before, total - before))
        expected = scipy.signal.correlate2d(padded, weight[0, 0], mode="valid")[::stride, ::stride]
        assert_allclose(conv2d(x, weight, padding=word, stride=stride)[0], expected, rtol=1e-12, atol=1e-12)
    valid = scipy.signal.correlate2d(x[0], weight[0, 0], mode="valid")
    assert_allclose(conv2d(x, weight, padding="VALID")[0], valid, rtol=1e-12, atol=1e-12)


def test_numpy_numbers_are_accepted_as_arguments(rng):
    """NumPy arrays, 0-d arrays, integers and booleans are accepted like Python's; floats and wrong lengths are refused."""
    weight = rng.normal(size=(2, 3, 3, 2))
    expected = conv2d(MAPS, weight, stride=(2, 1), padding=((1, 0), (2, 1)), dilation=1, flip=True)
    for stride, padding, dilation in (
        (np.array([2, 1]), np.array([[1, 0], [2, 1]]), np.array(1)),
        ([np.int64(2), np.uint8(1)], [np.array([1, 0]), (2, 1)], np.int8(1)),
    ):
        result = conv2d(MAPS, weight, stride=stride, padding=padding, dilation=dilation, flip=np.True_)
        assert_array_equal(result, expected)
    pooled = convcli.avg_pool2d(
        MAPS, np.array([3, 2]), ceil_mode=np.True_, count_include_pad=np.False_, padding=np.array([1, 1])
    )
    assert_array_equal(pooled, convcli.avg_pool2d(MAPS, (3, 2), ceil_mode=True, count_include_pad=False, padding=1))
    assert_array_equal(convcli.max_pool2d(MAPS, 2, ceil_mode=np.bool_(True)), convcli.max_pool2d(MAPS, 2, ceil_mode=True))
    for wrong in (np.array([2.0, 1.0]), np.array([1, 2, 3]), {1: 2, 3: 4}, "22", {2, 1}, np.array([True, False])):
        with pytest.raises(ArgumentError, match="stride must be a whole number or"):
            conv2d(MAPS, weight, stride=wrong)
    for name in ("ceil_mode", "count_include_pad"):
        with pytest.raises(ArgumentError, match=f"{name} must be True or False, got 1"):
            convcli.avg_pool2d(MAPS, 2, **{name: 1})


def test_four_numbers_of_padding_are_refused_with_both_orders():
    """The error shows both orders: PyTorch's and ONNX's."""
    with pytest.raises(ArgumentError) as caught:
        conv2d(MAPS, np.ones((1, 3, 2, 2)), padding=(1, 2, 3, 4))
    assert str(caught.value) == (
        "padding must be a whole number, (rows, columns) or ((top, bottom), (left, right)), got (1, 2, 3, 4); ONNX's top, "
        "left, bottom, right are ((1, 3), (2, 4)), PyTorch's left, right, top, bottom ((3, 4), (1, 2))"
    )


@pytest.mark.parametrize("padding", [((1, 2), (3,)), ((1, 2), 3), ((1, 2), (3, 4), (5, 6)), (1, 2, 3)])
def test_paddings_of_wrong_shape_are_refused_with_all_forms(padding):
    """The error names all forms of padding and the whole value."""
    for given in (padding, list(padding)):
        with pytest.raises(ArgumentError) as caught:
            conv2d(MAPS, np.ones((1, 3, 2, 2)), padding=given)
        rule = "padding must be a whole number, (rows, columns) or ((top, bottom), (left, right)), got "
        message = f"{rule}{given!r}"
        assert str(caught.value) == (message if given is padding else message.translate(str.maketrans("()", "[]")))


def test_arguments_have_the_order_of_pytorch(rng):
    """Positional arguments have the order of torch.nn.functional: groups before dilation in conv_transpose2d."""
    weight, bias = rng.normal(size=(6, 1, 2, 2)), rng.normal(size=6)
    named = {"stride": 2, "padding": 1, "dilation": 3, "groups": 3}
    assert_array_equal(conv2d(MAPS, weight, bias, 2, 1, 3, 3), conv2d(MAPS, weight, bias, **named))
    wide, bias = rng.normal(size=(3, 2, 2, 2)), rng.normal(size=6)
    named = {"stride": 3, "padding": 1, "output_padding": 1, "groups": 3, "dilation": 2}
    assert_array_equal(conv_transpose2d(MAPS, wide, bias, 3, 1, 1, 3, 2), conv_transpose2d(MAPS, wide, bias, **named))
    named = {"stride": 1, "padding": 1, "dilation": 2, "ceil_mode": True}
    assert_array_equal(convcli.max_pool2d(MAPS, 2, 1, 1, 2, True), convcli.max_pool2d(MAPS, 2, **named))
    named = {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}
    assert_array_equal(convcli.avg_pool2d(MAPS, 3, 2, 1, True, False), convcli.avg_pool2d(MAPS, 3, **named))


def test_divisor_override_replaces_the_count():
    """Sums, padding included, are divided by divisor_override, as in PyTorch."""
    x = MAPS.astype(np.float32)
    sums = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))[:, :, :6, :8].reshape(2, 3, 3, 2, 4, 2).sum(axis=(3, 5))
    assert_array_equal(convcli.avg_pool2d(x, 2, padding=1, divisor_override=7), (sums / 7.0).astype(np.float32))
    assert_array_equal(convcli.avg_pool2d(x, 2, 2, 1, False, False, np.int64(1)), sums)
    with pytest.raises(ArgumentError, match="divisor_override must be a whole number of at least 1, got 0"):
        convcli.avg_pool2d(x, 2, divisor_override=0)


@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((2, 5), 1), ((3, 4, 5), 0), ((2, 3, 4, 5), 1)])
def test_softmax_is_over_the_channels_by_default(shape, axis, rng):
    """The default axis is that of the channels, as in a network."""
    x = rng.normal(size=shape)
    assert_allclose(convcli.softmax(x), scipy.special.softmax(x, axis), rtol=1e-12)
    assert_allclose(convcli.softmax(x, -1), scipy.special.softmax(x, -1), rtol=1e-12)


def test_a_transposed_convolution_accepts_only_a_zero_border():
    """Only a zero border is accepted; the error says why."""
    x, weight = MAPS.astype(float), np.ones((3, 2, 2, 2))
    assert_array_equal(conv_transpose2d(x, weight, border="zeros"), conv_transpose2d(x, weight))
    with pytest.raises(ArgumentError, match="border of a transposed convolution must be zero, because its padding is cut"):
        conv_transpose2d(x, weight, border="wrap")


def test_no_tensor_library_is_imported():
    """The check for tensors imports neither torch nor jax."""
    code = "import convcli, sys; convcli.relu([1]); print([name for name in sys.modules if name in ('torch', 'jax')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_batch_norm_of_a_large_mean_is_accurate(rng):
    """A mean of 120 and a deviation of 0.5 give errors within one ulp: the mean is not folded into the shift in float32."""
    x = (120 + 0.5 * rng.normal(size=(1, 2, 40, 50))).astype(np.float32)
    mean, variance, scale, shift = [120.0, 119.5], [0.25, 0.3], [1.5, 1.0], [0.1, 0.0]
    factor = np.array(scale) / np.sqrt(np.array(variance) + 1e-5)
    columns = [np.reshape(part, (2, 1, 1)) for part in (mean, factor, shift)]
    expected = (x.astype(np.float64) - columns[0]) * columns[1] + columns[2]
    ulp = np.spacing(np.abs(expected).astype(np.float32))
    assert (np.abs(convcli.batch_norm(x, mean, variance, scale, shift) - expected) <= ulp).all()
    affine = convcli.affine(x, columns[1].ravel(), (columns[2] - columns[0] * columns[1]).ravel())
    assert (np.abs(affine - expected) <= ulp + 1e-13).all()
