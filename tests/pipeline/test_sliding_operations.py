"""What slides show: every value is that of the oracle."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import naive
from convcli.drawing.sliding_window import BETWEEN, PADDING, PIXEL
from convcli.errors import ArgumentError, ImageError
from convcli.images.image import Image
from convcli.kernels.kernel import Kernel
from convcli.pipeline.inputs import Input
from convcli.pipeline.slide_input import read_slide_input
from convcli.pipeline.slide_request import Crop, Pool, SlideRequest
from convcli.pipeline.sliding_operations import sliding_window_of

BORDERS = ("zero", 7.0, "edge", "reflect", "symmetric", "wrap", "linear-ramp")


def kernel_of(weights, offset=0.0):
    """A kernel with weights (kh, kw) or (kh, kw, C)."""
    rows = [[tuple(cell) if np.ndim(cell) else float(cell) for cell in row] for row in np.asarray(weights, float).tolist()]
    return Kernel("k", tuple(map(tuple, rows)), offset=offset)


def window_of(image, kernel=None, **options):
    """The sliding window of an array (H, W, C)."""
    return sliding_window_of(SlideRequest(Input("x", None), kernel, **options), Image(image, None))


def assert_sums_are_the_map(window, offset=0.0):
    """The products of each position sum to the value of the map, and are those of the window and the weights."""
    for index in range(window.positions):
        step = window.step(index)
        assert_allclose(step.products, step.window * window.weights)
        assert step.products.sum() + offset == pytest.approx(window.map[window.position(index)], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_a_map_is_that_of_the_oracle_with_any_options(seed):
    """Stride, padding, border, dilation, flip, one and three channels, an offset."""
    rng = np.random.default_rng(seed)
    channels = int(rng.choice([1, 3]))
    image = rng.integers(-9, 10, (*rng.integers(3, 9, 2), channels)).astype(np.float64)
    weights = rng.integers(-3, 4, (*rng.integers(1, 4, 2), *([channels] if rng.random() < 0.5 else [])))
    offset = float(rng.choice([0, 5]))
    pads = ((1, 2), (2, 3)) if rng.random() < 0.5 else ((2, 2), (2, 2))
    options = {"stride": (int(rng.integers(1, 4)), int(rng.integers(1, 4))), "border": BORDERS[seed % len(BORDERS)]}
    options |= {"dilation": (int(rng.integers(1, 3)), 1), "flip": bool(rng.random() < 0.5)}
    window = window_of(image, kernel_of(weights, offset), padding=pads, **options)
    summed = weights if weights.ndim == 3 else np.repeat(weights[:, :, None], channels, axis=2)
    assert_allclose(window.map, naive.filter2d(image, summed, pads=pads, **options) + offset)
    for plane, padded in zip(np.moveaxis(image, 2, 0), window.planes, strict=True):
        assert_allclose(padded, naive.pad(plane, pads, options["border"]))
    assert_array_equal(window.sources, np.pad(np.zeros(image.shape[:2]), pads, constant_values=PADDING))
    assert_sums_are_the_map(window, offset)


@pytest.mark.parametrize("seed", range(30))
def test_a_transposed_map_is_that_of_the_oracle(seed):
    """As a rotated kernel that slides over the input, spread out; also where the padding cuts more than the kernel covers."""
    rng = np.random.default_rng(seed)
    channels = int(rng.choice([1, 2]))
    image = rng.integers(-9, 10, (*rng.integers(3, 6, 2), channels)).astype(np.float64)
    weights = rng.integers(-3, 4, (*rng.integers(1, 4, 2), channels))
    stride, dilation = (int(rng.integers(1, 4)), int(rng.integers(1, 4))), (int(rng.integers(1, 3)), 1)
    pads = ((int(rng.integers(0, 2)), 1), (0, int(rng.integers(0, 2))))
    window = window_of(image, kernel_of(weights), transposed=True, padding=pads, stride=stride, dilation=dilation)
    x, taps = image.transpose(2, 0, 1)[None], weights.transpose(2, 0, 1)[:, None]
    expected = naive.conv_transpose2d(x, taps, [0.0], stride, pads, (0, 0), dilation)[0, 0]
    assert_allclose(window.map, expected)
    assert_array_equal(window.planes[:, window.sources == PIXEL], image.reshape(-1, channels).T)
    assert not window.planes[:, window.sources != PIXEL].any()
    spread = [(size - 1) * step + 1 for size, step in zip(image.shape[:2], stride, strict=True)]
    assert (window.sources == BETWEEN).sum() == np.prod(spread) - np.prod(image.shape[:2])
    assert_array_equal(window.written, window.weights[:, ::-1, ::-1])
    assert_sums_are_the_map(window)


def test_the_facts_say_what_is_hatched():
    """Padding; of a transposed convolution zeros, which padding would cut off."""
    image, kernel = np.ones((4, 4, 1)), kernel_of(np.ones((3, 3, 1)))
    hatched = [
        window_of(image, kernel, padding="valid"),
        window_of(image, kernel, padding=1),
        window_of(image, pool=Pool("max", (2, 2)), padding=1),
        window_of(image, kernel, transposed=True, padding=0, stride=(2, 2)),
        window_of(image, kernel, transposed=True, padding=0),
    ]
    texts = [window.facts.partition("hatched: ")[2] for window in hatched]
    between, padding = "zeros between and around the pixels, and ", "padding, and "
    kinds = ["", padding, padding, between, between.replace("between and ", "")]
    assert texts == [f"{kind}what has no value yet" for kind in kinds]


@pytest.mark.parametrize("name", ["max", "avg"])
@pytest.mark.parametrize(("size", "stride", "padding"), [((2, 2), None, 0), ((3, 2), (2, 1), (1, 1)), ((3, 3), (2, 2), (1, 0))])
def test_a_pooled_map_is_that_of_the_oracle(rng, name, size, stride, padding):
    """Padding is never the largest, and counts as 0 in means."""
    image = rng.integers(-19, 0, (6, 7, 1)).astype(np.float64)  # all are less than the zeros of other padding
    window = window_of(image, pool=Pool(name, size), stride=stride, padding=padding)
    pads = [(side, side) for side in np.broadcast_to(padding, 2)]
    rows, columns = (
        naive.windows(image.shape[axis], size[axis], (stride or size)[axis], pads[axis], 1, False) for axis in (0, 1)
    )
    reduce = (lambda values, _: values.max()) if name == "max" else (lambda values, count: values.sum() / count)
    assert_allclose(window.map, naive.pool(image.transpose(2, 0, 1), rows, columns, reduce)[0])
    seen = [window.step(index).window for index in range(window.positions)]
    assert_allclose([part.max() if name == "max" else part.mean() for part in seen], window.map.ravel())


def test_nan_spreads_and_a_weight_of_zero_hides_it():
    """As in filter2d."""
    image = np.array([[1.0, np.nan, 2.0, 3.0]])[:, :, None]
    window = window_of(image, kernel_of([[1, 0]]), padding="valid")
    assert_array_equal(window.map, [[1, np.nan, 2]])
    assert_array_equal(window.step(0).products, [[[1, 0]]])


def test_limits_are_told():
    """Positions and cells."""
    image = np.zeros((32, 32, 1))
    assert window_of(image, kernel_of([[1]])).positions == 1024
    with pytest.raises(ArgumentError, match="has 1156 positions, 34 x 34, and a slide shows at most 1024"):
        window_of(image, kernel_of([[1]]), padding=1)
    with pytest.raises(ArgumentError, match="has 98 x 98 cells, and a slide shows at most 96 x 96"):
        window_of(image, kernel_of([[1]]), padding=33, stride=(50, 50))


def read(pixels, tmp_path, kernel=None, **options):
    """The input of a slide of a .npy picture."""
    np.save(tmp_path / "x.npy", pixels)
    request = SlideRequest(Input("x.npy", tmp_path / "x.npy"), kernel or kernel_of([[1]]), **options)
    return read_slide_input(request, None)[0]


def test_a_part_is_cropped_and_reduced(rng, tmp_path):
    """The part first; levels stay whole, and the mean level stays."""
    pixels = rng.integers(0, 256, (50, 60), dtype=np.uint8)
    assert_array_equal(read(pixels, tmp_path, crop=Crop(40, 20, 20, 30)).pixels[:, :, 0], pixels[20:50, 40:60])
    small = read(pixels, tmp_path, crop=Crop(0, 0, 40, 20), resize=4).pixels
    assert (small.shape, small.dtype) == ((2, 4, 1), np.uint8)
    assert small.mean() == pytest.approx(pixels[:20, :40].mean(), abs=6)
    assert read(pixels, tmp_path, resize=(3, 5)).size == (3, 5, 1)
    with pytest.raises(ArgumentError, match=r"crop 40,20,21x30 reaches outside of the picture, which is 60 x 50: X \+ W is 61"):
        read(pixels, tmp_path, crop=Crop(40, 20, 21, 30))
    with pytest.raises(ImageError, match="is 60 x 50, and a slide shows at most 32 x 32; .* --crop .* --resize"):
        read(pixels, tmp_path)


def test_channels_of_a_picture_in_colour(rng, tmp_path):
    """Grey in whole levels, one channel, or all."""
    pixels = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    grey = read(pixels, tmp_path)
    assert_array_equal(grey.pixels[:, :, 0], np.rint(pixels @ [0.299, 0.587, 0.114]))
    assert "is shown in grey, in whole levels" in grey.notices[-1]
    assert_array_equal(read(pixels, tmp_path, channels="green").pixels[:, :, 0], pixels[:, :, 1])
    assert_array_equal(read(pixels, tmp_path, channels="sum").pixels, pixels)
    assert_array_equal(read(pixels, tmp_path, kernel_of(np.ones((2, 2, 3)))).pixels, pixels)
    for options, message in [
        ({"kernel": kernel_of(np.ones((2, 2, 3))), "channels": "gray"}, "sums over the channels itself"),
        ({"pool": Pool("max", (2, 2)), "channels": "sum"}, "pooling does not sum over channels"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            read(pixels, tmp_path, **options)
    with pytest.raises(ArgumentError, match="at most 4 channels, and the picture has 5"):
        read(np.zeros((7, 6, 5), np.uint8), tmp_path, channels="sum")
    with pytest.raises(ArgumentError, match="at most 4 channels, and the picture has 5; --axes zyx reads an array as frames"):
        read(np.zeros((7, 6, 5), np.uint8), tmp_path)
