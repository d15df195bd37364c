"""Plans that are kept for the next call: results are those of a first call, whatever was called before."""

import concurrent.futures
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import convcli
import naive
from convcli.engine.simd.reference import Array
from convcli.errors import ArgumentError
from convcli.ops import conv_plan, filter_plan
from convcli.ops.kept_plans import LARGE, KeptPlans

KERNEL = np.array([[0.1, -0.3, 0.2], [0.4, 0.7, -0.5], [0.3, 0.2, 0.6]])


def forget() -> None:
    """Remove all plans."""
    filter_plan._plans.clear()
    conv_plan._plans.clear()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_later_calls_give_the_bits_of_a_first_call(dtype, rng):
    """Pictures follow whose sums need an offset, which are not finite, and which are none of both."""
    base = rng.integers(0, 200, (7, 9, 3)).astype(dtype)
    pictures = [base, base // 50 + 200 if base.dtype.kind == "u" else base / 50 + 1e6, base, np.zeros_like(base)]
    if base.dtype.kind == "f":
        broken = base.copy()
        broken[3, 4, 1] = np.nan
        pictures += [broken, base]
    first = []
    for picture in pictures:
        forget()
        first.append(convcli.filter2d(picture, KERNEL))
    forget()
    for picture, expected in zip(pictures, first, strict=True):
        assert_array_equal(convcli.filter2d(picture, KERNEL), expected)
    assert len(filter_plan._plans.plans) == 1


def test_a_plan_is_for_the_values_of_a_kernel(rng):
    """A kernel that is changed in place, or of another type of the same values, is another kernel."""
    picture, kernel = rng.normal(size=(6, 8)), KERNEL.copy()
    convcli.filter2d(picture, kernel)
    kernel[0, 0] = 5
    assert_allclose(convcli.filter2d(picture, kernel), naive.plane(picture, kernel, pads=((1, 1), (1, 1)), border="reflect"))
    convcli.conv2d(picture[None], kernel[None, None])
    kernel[0, 0] = 3
    assert_allclose(convcli.conv2d(picture[None], kernel[None, None])[0], naive.plane(picture, kernel, pads=((0, 0), (0, 0))))


@pytest.mark.parametrize("wrong", [True, 1.0, (True, 1), [1.0, 1]])
def test_what_equals_a_valid_option_is_not_valid(wrong):
    """True == 1 == 1.0, and a call with 1 came before."""
    picture = np.zeros((5, 5))
    for stride in (1, (1, 1), [1, 1]):
        convcli.filter2d(picture, KERNEL, stride=stride)
        convcli.conv2d(picture[None], KERNEL[None, None], stride=stride)
    with pytest.raises(ArgumentError, match="stride"):
        convcli.filter2d(picture, KERNEL, stride=wrong)
    with pytest.raises(ArgumentError, match="stride"):
        convcli.conv2d(picture[None], KERNEL[None, None], stride=wrong)


def test_threads_may_share_a_plan(rng):
    """Each of many calls at once has memory of its own."""
    pictures = rng.integers(0, 256, (64, 40, 50), dtype=np.uint8)
    expected = [convcli.filter2d(picture, KERNEL, dtype=np.uint8) for picture in pictures]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            results = list(threads.map(lambda picture: convcli.filter2d(picture, KERNEL, dtype=np.uint8), pictures))
            for result, wanted in zip(results, expected, strict=True):
                assert_array_equal(result, wanted)


def test_images_with_nan_share_their_tables(rng):
    """A NaN is not equal to itself, and so were what was known of two such images."""
    forget()
    image = rng.normal(size=(40, 50)).astype(np.float32)
    image[3, 4] = np.nan
    for _ in range(3):
        convcli.filter2d(image, rng.normal(size=(11, 11)) * 0 + KERNEL[0, 0])
    ((plan, _),) = filter_plan._plans.plans.values()
    assert len(plan.tables) == 1


def test_the_tables_of_a_plan_are_few():
    """Images of many ranges have tables of their own."""
    forget()
    for power in range(-96, 65, 32):
        image = np.full((40, 50), 2.0**power, np.float32)
        convcli.filter2d(image, np.ones((11, 11)), method="fft")
    ((plan, _),) = filter_plan._plans.plans.values()
    assert 1 < len(plan.tables) <= 4


def test_only_the_last_plans_are_kept():
    """The oldest goes first; large kernels are not kept where no bytes are allowed for them."""
    made = []

    def make(shape: tuple[int, ...], dtype: np.dtype, kernel: Array, options: tuple[int, ...]) -> int:
        made.append(options[0])
        return options[0]

    plans, image = KeptPlans[int](2), np.zeros((2, 2))
    for option in (1, 2, 2, 3, 1):
        assert plans.get(make, image, (np.ones(1),), (option,)) == option
    assert made == [1, 2, 3, 1]
    for _ in range(2):
        plans.get(make, image, (np.ones(LARGE + 1),), (9,))
    assert made[4:] == [9, 9]
    assert len(plans.plans) == 2
    plans.clear()
    assert not plans.plans


@pytest.mark.parametrize("operation", [convcli.filter2d, convcli.conv2d])
def test_a_plan_keeps_no_image(operation):
    """Neither the first image nor its result stays in memory: what is traced after the call is far less than either."""
    forget()
    tracemalloc.start()
    image = np.ones((1, 600, 700) if operation is convcli.conv2d else (600, 700))
    operation(image, KERNEL[None, None] if operation is convcli.conv2d else KERNEL, threads=1)
    size = image.nbytes
    del image
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < size / 2


@pytest.mark.parametrize("stride", [1, 2])
def test_large_weights_are_compared_by_their_values(stride, rng):
    """Weights changed in place, or in another order in memory, are other weights; the same values are found again."""
    forget()
    x, weight = rng.normal(size=(40, 12, 13)).astype(np.float32), rng.normal(size=(40, 40, 3, 3)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    assert weight.size > LARGE
    for change in (lambda: None, lambda: weight.__setitem__((7, 3, 1, 1), 9), lambda: weight.__imul__(2)):
        change()
        expected = np.einsum("cyxij,mcij->myx", windows, weight.astype(np.float64))
        for same in (weight, weight.copy(), np.asfortranarray(weight)):
            assert_allclose(convcli.conv2d(x, same, stride=stride), expected, rtol=0, atol=2e-3)
    assert len(conv_plan._plans.plans) == 1


def test_plans_of_large_arrays_have_a_limit():
    """The oldest large arrays are forgotten first, small plans stay, and what is larger than the limit is never kept."""
    made = []

    def make(shape: tuple[int, ...], dtype: np.dtype, kernel: Array, options: tuple[int, ...]) -> int:
        made.append(options[0])
        return options[0]

    plans, image, size = KeptPlans[int](9, large_bytes=20 * LARGE), np.zeros((2, 2)), 8 * (LARGE + 1)
    for option, count in ((0, 1), (1, LARGE + 1), (2, LARGE + 1), (0, 1), (1, LARGE + 1), (3, LARGE + 1), (1, LARGE + 1)):
        assert plans.get(make, image, (np.ones(count),), (option,)) == option
    assert made == [0, 1, 2, 3, 1]
    assert plans._large_size() == 2 * size
    for _ in range(2):
        plans.get(make, image, (np.ones(3 * LARGE),), (9,))
    assert made[5:] == [9, 9]
