"""Operations of networks that equal ONNX's operators, as the reference of the onnx package computes them in NumPy."""

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from onnx.reference import ReferenceEvaluator

import convcli
from convcli.errors import ArgumentError
from convcli.ops import activations, normalization, pooling, rearrange

SHAPES = [(1, 1, 1, 1), (2, 4, 5, 7), (1, 8, 1, 9)]
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, -1e-30, 88.0, -88.0, 200.0, -200.0, 1e30, -1e30])


def of_onnx(op, *inputs, opset=20, **attributes):
    """What the operator gives for these inputs; None is an input that is left out."""
    names = [f"i{index}" if value is not None else "" for index, value in enumerate(inputs)]
    node = onnx.helper.make_node(op, names, ["out"], **attributes)
    given = [name for name in names if name]
    values = [value for value in inputs if value is not None]
    types = [onnx.helper.np_dtype_to_tensor_dtype(value.dtype) for value in values]
    infos = [onnx.helper.make_tensor_value_info(name, dtype, None) for name, dtype in zip(given, types, strict=True)]
    outs = [onnx.helper.make_tensor_value_info("out", types[0], None)]
    graph = onnx.helper.make_graph([node], "g", infos, outs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(model).run(None, dict(zip(given, values, strict=True)))[0]


ACTIVATIONS = {
    "elu": (lambda x: activations.elu(x, 0.75), lambda x: of_onnx("Elu", x, alpha=0.75)),
    "hard_sigmoid": (activations.hard_sigmoid, lambda x: of_onnx("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    "hard_swish": (activations.hard_swish, lambda x: of_onnx("HardSwish", x)),
    "gelu": (activations.gelu, lambda x: of_onnx("Gelu", x)),
    "gelu_tanh": (lambda x: activations.gelu(x, "tanh"), lambda x: of_onnx("Gelu", x, approximate="tanh")),
    "erf": (activations.erf, lambda x: of_onnx("Erf", x)),
    "clip": (lambda x: activations.clip(x, -1, 2.5), lambda x: of_onnx("Clip", x, *np.array([-1, 2.5], x.dtype))),
    "silu": (activations.silu, lambda x: of_onnx("Mul", x, of_onnx("Sigmoid", x))),
    "prelu": (lambda x: activations.prelu(x, [0.25]), lambda x: of_onnx("PRelu", x, np.array([0.25], x.dtype))),
}


ROUNDED = {"hard_sigmoid": 1e-6, "hard_swish": 1e-6, "gelu": 1e-6, "gelu_tanh": 1e-6, "erf": 1e-6}
"""Differences to functions that have constants in float32, such as 1 / 6, or few digits, in ONNX or its reference."""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_onnx(rng, name, dtype):
    """Within rounding, for values from -8 to 8 and small ones."""
    ours, theirs = ACTIVATIONS[name]
    for shape in SHAPES:
        x = (rng.uniform(-8, 8, shape) * rng.choice([1, 1e-3], shape)).astype(dtype)
        found = ours(x)
        assert found.dtype == dtype
        assert_allclose(found, theirs(x), rtol=0, atol=max(ROUNDED.get(name, 0), 64 * float(np.finfo(dtype).eps)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_limits_and_keep_nan(name):
    """For infinities and numbers whose powers overflow, without a warning."""
    limits = {"erf": 1.0, "hard_sigmoid": 1.0, "clip": 2.5}
    lowest = {"elu": -0.75, "clip": -1.0, "erf": -1.0, "prelu": -np.inf}
    for dtype in (np.float32, np.float64):
        x = SPECIAL.astype(dtype)
        found = ACTIVATIONS[name][0](x)
        assert_array_equal(np.isnan(found), np.isnan(x))
        assert found[1] == np.float64(limits.get(name, np.inf)).astype(dtype)
        assert found[2] == np.float64(lowest.get(name, 0.0)).astype(dtype)


def test_gelu_is_exact_where_it_is_small():
    """1 + erf(x) has lost all digits at -6, where its half is 1e-9. Figures: SciPy."""
    from scipy.special import erfc

    x = np.linspace(-30, -1, 500)
    assert_allclose(activations.gelu(x), x * erfc(-x / np.sqrt(2)) / 2, rtol=1e-12)


def test_erf_equals_scipy():
    """To some units in the last place, at the places where one approximation takes over too."""
    from scipy import special

    from convcli.ops import error_function

    edges = np.array([0.46875, 4.0, 30.0])
    x = np.concatenate([np.linspace(-32, 32, 9001), edges, -edges, np.nextafter(edges, 99), np.nextafter(edges, 0), SPECIAL])
    assert_allclose(error_function.erf(x), special.erf(x), rtol=1e-15)
    assert_allclose(error_function.erfc(x), special.erfc(x), rtol=1e-13, atol=1e-307)


def test_prelu_has_a_slope_for_each_channel(rng):
    """Of maps with and without a batch, of vectors, and of batches of vectors."""
    slopes = np.array([0.5, 0.25, -1.0])
    for shape, slope_shape in (((3, 4, 5), (3, 1, 1)), ((2, 3, 4, 5), (3, 1, 1)), ((3,), (3,)), ((2, 3), (3,))):
        x = rng.normal(size=shape)
        assert_array_equal(activations.prelu(x, slopes), of_onnx("PRelu", x, slopes.reshape(slope_shape)))
    with pytest.raises(ArgumentError, match="one for each of the 4 channels of x, got 3"):
        activations.prelu(np.zeros((4, 2, 2)), slopes)


@pytest.mark.parametrize("shape", SHAPES)
def test_pools_and_norms_of_whole_maps_equal_onnx(rng, shape):
    """GlobalMaxPool and InstanceNormalization."""
    x = rng.normal(size=shape) * 5 + 3
    assert_array_equal(pooling.global_max_pool2d(x), of_onnx("GlobalMaxPool", x))
    scale, shift = rng.normal(size=(2, shape[1]))
    expected = of_onnx("InstanceNormalization", x, scale, shift, epsilon=2**-10)
    assert_allclose(normalization.instance_norm(x, scale, shift, 2**-10), expected, atol=1e-12)
    assert_allclose(normalization.instance_norm(x[0]), (x[0] - x[0].mean((1, 2), keepdims=True)) / np.sqrt(
        x[0].var((1, 2), keepdims=True) + 1e-5), atol=1e-12)  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, (4, 6)])
@pytest.mark.parametrize(("size"), [(5, 7), (6, 6), (1, 2), (7, 1)])
def test_adaptive_pools_cover_the_maps(rng, size, count):
    """Window i of n is floor(i H / n) to ceil((i + 1) H / n), as PyTorch's documentation and its C++ say."""
    x = rng.normal(size=(2, 3, *size))
    rows, columns = count if isinstance(count, tuple) else (count, count)

    def windows(reduce):
        out = np.empty((2, 3, rows, columns))
        for i in range(rows):
            for j in range(columns):
                top, bottom = i * size[0] // rows, -(-(i + 1) * size[0] // rows)
                left, right = j * size[1] // columns, -(-(j + 1) * size[1] // columns)
                out[..., i, j] = reduce(x[..., top:bottom, left:right], axis=(-2, -1))
        return out

    assert_allclose(pooling.adaptive_avg_pool2d(x, count), windows(np.mean), atol=1e-14)
    assert_array_equal(pooling.adaptive_max_pool2d(x, count), windows(np.max))


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffles_equal_onnx(rng, mode, factor):
    """In both orders of the channels, with and without a batch."""
    x = rng.normal(size=(2, 2 * factor**2, 3, 4))
    expected = of_onnx("DepthToSpace", x, blocksize=factor, mode=mode)
    assert_array_equal(rearrange.pixel_shuffle(x, factor, mode.lower()), expected)
    assert_array_equal(rearrange.pixel_shuffle(x[1], factor, mode.lower()), expected[1])


@pytest.mark.parametrize(("border", "mode"), [("zero", "constant"), ("edge", "edge"), ("reflect", "reflect"), ("wrap", "wrap")])
def test_padding_equals_onnx(rng, border, mode):
    """On four sides, of maps with a batch."""
    x = rng.normal(size=(2, 3, 5, 6))
    pads = np.array([0, 0, 1, 4, 0, 0, 3, 2])
    expected = of_onnx("Pad", x, pads, mode=mode)
    assert_array_equal(rearrange.pad2d(x, ((1, 3), (4, 2)), border), expected)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("size", [(10, 14), (3, 3), (5, 7), (1, 1), (9, 2)])
def test_bilinear_interpolation_equals_onnx(rng, size, corners):
    """Enlarged and reduced, by half pixels and with the corners kept."""
    x = rng.normal(size=(2, 3, 5, 7))
    if corners and 1 in size:
        return  # ONNX divides by size - 1
    mode = "align_corners" if corners else "half_pixel"
    sizes = np.array([2, 3, *size])
    expected = of_onnx("Resize", x, None, None, sizes, mode="linear", coordinate_transformation_mode=mode)
    assert_allclose(rearrange.resize_bilinear(x, size, corners), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activations.clip([1], 2, 1), "low must be at most high, got 2 and 1"),
        (lambda: activations.gelu([1], "erf"), "approximate must be 'none' or 'tanh', got 'erf'"),
        (lambda: rearrange.pixel_shuffle(np.zeros((3, 2, 2)), 2), "a square that divides the 3 channels of x, got 2"),
        (lambda: rearrange.pixel_shuffle(np.zeros((4, 2, 2)), 2, "x"), "order must be one of crd, dcr, got 'x'"),
        (lambda: rearrange.resize_bilinear(np.zeros((1, 2, 2)), 0), "size must be"),
        (lambda: rearrange.pad2d(np.zeros((1, 2, 2)), -1), "padding must be"),
        (lambda: pooling.adaptive_avg_pool2d(np.zeros((1, 2, 2)), 0), "output_size must be"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """In one line, with the rule and the value."""
    with pytest.raises(ArgumentError, match=message):
        call()


def test_public_names_are_exported():
    """As the other operations of networks are."""
    for name in ("elu", "gelu", "silu", "hard_swish", "hard_sigmoid", "prelu", "clip", "instance_norm", "pixel_shuffle"):
        assert callable(getattr(convcli, name))
