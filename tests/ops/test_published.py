"""Published figures, reproduced exactly."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from convcli import conv2d, filter2d
from convcli.config.load import load_registry

ONES = np.ones((1, 1, 3, 3))


def weights(text):
    """The weights of a built-in kernel."""
    return load_registry().find(text).weights


# The response of each x kernel, away from the border, to a ramp that rises by 1 per pixel to the right.
@pytest.mark.parametrize(("name", "slope"), [("sobel-x", 8), ("prewitt-x", 6), ("scharr-x", 32)])
def test_derivatives_of_a_ramp_give_their_slope(name, slope):
    """The response is the sum of |column| times the distance of the outer taps."""
    ramp = np.tile(np.arange(9.0), (9, 1))
    assert_array_equal(filter2d(ramp, weights(name), padding="valid"), np.full((7, 7), slope))
    assert_array_equal(filter2d(ramp.T, weights(name[:-1] + "y"), padding="valid"), np.full((7, 7), slope))


def test_differences_of_a_ramp_are_one():
    """The central difference, and G'MIC's rotation-invariant kernel: a = (2 - sqrt 2) / 4, b = (sqrt 2 - 1) / 2."""
    ramp = np.tile(np.arange(9.0), (9, 1))
    assert_array_equal(filter2d(ramp, [[-0.5, 0, 0.5]], padding="valid"), np.ones((9, 7)))
    a, b = (2 - np.sqrt(2)) / 4, (np.sqrt(2) - 1) / 2
    assert_allclose(filter2d(ramp, [[-a, 0, a], [-b, 0, b], [-a, 0, a]], padding="valid"), 1, rtol=1e-12)


def test_prewitt_compass_of_a_constant_is_zero():
    """The rotations of 1 1 1 / 1 -2 1 / -1 -1 -1 sum to zero; the north kernel on a bright upper row gives 3 times the step."""
    north = [[1, 1, 1], [1, -2, 1], [-1, -1, -1]]
    step = np.repeat([[1.0], [0.0], [0.0]], 3, axis=1)
    assert filter2d(np.ones((3, 3)), north, padding="valid")[0, 0] == 0
    assert filter2d(step, north, padding="valid")[0, 0] == 3


def test_laplacian_equals_kornia():
    """get_laplacian_kernel2d(3): ones, and -8 in the middle."""
    expected = np.ones((3, 3))
    expected[1, 1] = -8
    assert_array_equal(weights("laplacian-8"), expected)


def test_farid_slope_is_near_one():
    """0.9918 on a ramp, as scikit-image's farid_v gives."""
    ramp = np.tile(np.arange(9.0), (9, 1))
    assert_allclose(filter2d(ramp, weights("farid-x"), padding="valid"), 0.9918, atol=5e-5)


@pytest.mark.parametrize("border", ["edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("kernel", [load_registry().find(name) for name in load_registry()], ids=lambda kernel: kernel.name)
def test_response_to_a_constant_is_the_sum_of_the_kernel(kernel, border):
    """The response to a constant is the constant times the sum of the kernel; exactly 0 for a zero-sum kernel of integers."""
    for member in getattr(kernel, "kernels", (kernel,)):
        response = filter2d(np.full((9, 9), 100.0), member.weights, border=border)
        assert_allclose(response, 100 * member.sum, rtol=1e-12, atol=1e-11)
        if member.sum == 0 and all(w == round(w) for w in member.numbers):
            assert_array_equal(response, 0)


def test_figures_of_the_convolution_guide_are_reproduced():
    """Dumoulin and Visin, figures 1.1 and 1.2, and the average of figure 1.5."""
    image = np.array([[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]])
    kernel = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
    assert_array_equal(filter2d(image, kernel, padding="valid"), [[12, 12, 17], [10, 17, 19], [9, 6, 14]])
    strided = filter2d(image, kernel, padding=1, border="zero", stride=2)
    assert_array_equal(strided, [[6, 17, 3], [8, 17, 13], [6, 4, 4]])
    average = filter2d(image, np.full((3, 3), 1 / 9), padding="valid")
    assert_allclose(average, [[1.7, 1.7, 1.7], [1.0, 1.2, 1.8], [1.1, 0.8, 1.3]], atol=0.051)


# The node tests of ONNX, onnx.backend.test.case.node.conv: all weights 1.
ONNX = [
    ((5, 5), 1, 1, [[12, 21, 27, 33, 24], [33, 54, 63, 72, 51], [63, 99, 108, 117, 81], [93, 144, 153, 162, 111],
                    [72, 111, 117, 123, 84]]),
    ((5, 5), 0, 1, [[54, 63, 72], [99, 108, 117], [144, 153, 162]]),
    ((7, 5), 1, 2, [[12, 27, 24], [63, 108, 81], [123, 198, 141], [112, 177, 124]]),
    ((7, 5), 0, 2, [[54, 72], [144, 162], [234, 252]]),
    ((7, 5), ((1, 1), (0, 0)), 2, [[21, 33], [99, 117], [189, 207], [171, 183]]),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "padding", "stride", "expected"), ONNX)
def test_conv2d_equals_onnx(shape, padding, stride, expected):
    """conv2d equals the reference results of ONNX."""
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(1, 1, *shape)
    assert_array_equal(conv2d(x, ONES, padding=padding, stride=stride)[0, 0], expected)


@pytest.mark.parametrize("padding", ["same", "same-lower", "same-upper"])
def test_same_with_a_stride_equals_onnx(padding):
    """SAME_LOWER at stride 2 on 5 x 5 pads one pixel on each side."""
    x = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    expected = [[12, 27, 24], [63, 108, 81], [72, 117, 84]]
    assert_array_equal(conv2d(x, ONES, padding=padding, stride=2)[0, 0], expected)


def test_examples_of_scipy_convolve_are_reproduced():
    """The examples on the page of scipy.ndimage.convolve."""
    a = np.array([[1, 2, 0, 0], [5, 3, 0, 4], [0, 0, 0, 7], [9, 3, 0, 0]])
    k = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]])
    zero = [[11, 10, 7, 4], [10, 3, 11, 11], [15, 12, 14, 7], [12, 3, 7, 0]]
    border_of_one = [[13, 11, 8, 7], [11, 3, 11, 14], [16, 12, 14, 10], [15, 6, 10, 5]]
    assert_array_equal(filter2d(a, k, border="zero", flip=True), zero)
    assert_array_equal(filter2d(a, k, border=1, flip=True), border_of_one)
    b = np.array([[2, 0, 0], [1, 0, 0], [0, 0, 0]])
    column, diagonal = [[0, 1, 0]] * 3, np.eye(3)
    assert_array_equal(filter2d(b, column, border="symmetric", flip=True), [[5, 0, 0], [3, 0, 0], [1, 0, 0]])
    assert_array_equal(filter2d(b, diagonal, border="symmetric", flip=True), [[4, 2, 0], [3, 2, 0], [1, 1, 0]])
    c = np.array([[2, 0, 1], [1, 0, 0], [0, 0, 0]])
    tall = [[0, 1, 0]] * 5
    assert_array_equal(filter2d(c, tall, border="edge", flip=True), [[7, 0, 3], [5, 0, 2], [3, 0, 1]])


def test_examples_of_scipy_correlate_are_reproduced():
    """The example on the page of scipy.ndimage.correlate: a plus of ones."""
    plus = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    expected = [[6, 10, 15, 20, 24], [26, 30, 35, 40, 44], [51, 55, 60, 65, 69], [76, 80, 85, 90, 94],
                [96, 100, 105, 110, 114]]  # fmt: skip
    assert_array_equal(filter2d(np.arange(25).reshape(5, 5), plus, border="symmetric"), expected)


BORDERS = [
    ("edge", [10, 10, 10, 20, 30]),
    ("symmetric", [20, 10, 10, 20, 30]),
    ("reflect", [30, 20, 10, 20, 30]),
    ("wrap", [40, 50, 10, 20, 30]),
    ("zero", [0, 0, 10, 20, 30]),
]


@pytest.mark.parametrize(("border", "expected"), BORDERS)
def test_borders_of_a_row_of_five_equal_other_systems(border, expected):
    """A tap two pixels to the left, as SciPy, OpenCV, ImageMagick and G'MIC compute it."""
    assert_array_equal(filter2d([[10, 20, 30, 40, 50]], [[1, 0, 0, 0, 0]], border=border), [expected])


def test_the_pixel_of_the_gimp_manual_is_reproduced():
    """The worked example of the GIMP manual's Convolution Matrix page: 42, moved down by one pixel."""
    window = [[40, 42, 46], [46, 50, 55], [52, 56, 58]]
    assert filter2d(window, [[0, 1, 0], [0, 0, 0], [0, 0, 0]], padding="valid")[0, 0] == 42


def test_impulse_equals_kornia():
    """An impulse and the kernel 1 .. 9 give 9 8 7 / 6 5 4 / 3 2 1, as in the documentation of filter2d; flipped, the kernel."""
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 1
    kernel = np.arange(1, 10).reshape(3, 3)
    assert_array_equal(filter2d(impulse, kernel)[1:4, 1:4], [[9, 8, 7], [6, 5, 4], [3, 2, 1]])
    assert_array_equal(filter2d(impulse, kernel, flip=True)[1:4, 1:4], kernel)


def test_even_kernels_are_placed_as_in_scipy_signal_and_torch():
    """'same' adds the smaller half first: a 2 x 2 kernel covers a pixel and its right and lower neighbours."""
    impulse = np.zeros((9, 9))
    impulse[4, 4] = 1
    positions = np.argwhere(filter2d(impulse, [[1, 2], [3, 4]], border="zero"))
    assert positions.min() == 3
    assert positions.max() == 4


def test_shape_of_the_first_layer_of_alexnet():
    """96 maps of 55 x 55 from 227 x 227 (Krizhevsky 2012)."""
    assert conv2d(np.zeros((3, 227, 227), np.float32), np.zeros((96, 3, 11, 11)), stride=4).shape == (96, 55, 55)
