"""The methods of summation against the oracle and against each other."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import convcli
import naive
import strategies as ours
from convcli import ArgumentError, conv2d, filter2d
from convcli.engine import parallel_tasks
from convcli.engine.layout import nested_counts
from convcli.engine.low_rank import factorise
from convcli.engine.offset import BOUND
from convcli.ops import filter_plan
from convcli.ops.filter import explain_filter2d


def vectors(least=1, most=9):
    """Integers for a column or a row; some are 0."""
    return st.lists(st.integers(-4, 4), min_size=least, max_size=most).map(np.array)


@st.composite
def products(draw):
    """Kernels of rank 1, of rank 2, of equal weights, and of any rank."""
    column, row = draw(vectors()), draw(vectors())
    kind = draw(st.sampled_from(["product", "flat", "flat column", "flat row", "two", "any"]))
    flat_column, flat_row = np.ones_like(column), np.ones_like(row)
    scale = draw(st.sampled_from([1, 0.25, 1 / 9]))
    if kind == "two":
        second = np.outer(draw(vectors(column.size, column.size)), draw(vectors(row.size, row.size)))
        return (np.outer(column, row) + second) * scale
    matrices = {
        "product": np.outer(column, row),
        "flat": np.outer(flat_column, flat_row),
        "flat column": np.outer(flat_column, row),
        "flat row": np.outer(column, flat_row),
    }
    return matrices[kind] * scale if kind in matrices else draw(ours.kernels())


@given(
    image=ours.images(),
    kernel=products(),
    stride=ours.pairs,
    dilation=ours.pairs,
    pads=ours.pads,
    border=ours.borders,
    flip=st.booleans(),
    threads=st.integers(1, 3),
    method=st.sampled_from([None, None, "separable", "box", "fft"]),
)
def test_every_method_equals_the_oracle(image, kernel, stride, dilation, pads, border, flip, threads, method):
    """The error is within 1e-5 of the range, for every combination of options."""
    options = {"stride": stride, "dilation": dilation, "border": border, "flip": flip}
    expected = naive.filter2d(image.astype(float), kernel, pads=pads, **options)
    assume(expected.size)
    if method == "box" and (len(set(kernel.flat)) > 1 or kernel[0, 0] == 0):
        with pytest.raises(ArgumentError, match="method box cannot be used: the kernel"):
            filter2d(image, kernel, padding=pads, method=method, **options)
        return
    if method == "separable" and not kernel.any():
        return
    try:
        result = filter2d(image, kernel, padding=pads, threads=threads, method=method, **options)
    except ArgumentError as error:  # integers that are no sum of products of integers, or of much larger products
        rule = "has no columns and rows that would be faster|is a sum of products so large that rounding could be"
        assert re.search(f"method separable cannot be used: the kernel ({rule})", str(error))  # noqa: PT017
        return
    assert_allclose(result, expected, rtol=0, atol=1e-5 * 255 * max(np.abs(kernel).sum(), 1e-9))
    levels = filter2d(image, kernel, padding=pads, threads=threads, method=method, dtype=np.int32, **options)
    assert np.abs(levels - np.rint(expected)).max() <= 1


@given(image=ours.images(), side=st.tuples(st.integers(1, 40), st.integers(1, 40)), border=ours.borders, stride=ours.pairs)
def test_boxes_of_any_size_are_exact(image, side, border, stride):
    """Sums of integers are exact, with running sums and without."""
    kernel = np.ones(side, int)
    pads = ((side[0] // 2, side[0] - 1), (side[1] - 1, side[1] // 2))
    expected = naive.filter2d(image.astype(float), kernel, pads=pads, border=border, stride=stride)
    assume(expected.size)
    for method in (None, "box", "separable"):
        assert_array_equal(
            filter2d(image, kernel, padding=pads, border=border, stride=stride, method=method), expected, strict=False
        )


@pytest.mark.parametrize(
    "kernel", [np.ones((5, 5)), np.outer([1, 2, 0, -1, 3.0], [1, -4, 0, 2, 7.0]), np.arange(25.0).reshape(5, 5)]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_spread_as_with_the_direct_method(kernel, value, rng):
    """NaN and infinity spread no further than with the direct method, and not under weights of 0."""
    image = rng.normal(size=(20, 20)).astype(np.float32)
    image[[4, 10, 10], [5, 9, 13]] = value
    image[15, 9] = -value
    direct, chosen = filter2d(image, kernel, method="direct"), filter2d(image, kernel)
    assert_array_equal(np.isnan(direct), np.isnan(chosen))
    assert_array_equal(np.isposinf(direct), np.isposinf(chosen))
    assert_allclose(direct, chosen, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_differ_from_the_direct_method_by_one_at_most(samples_pixels, dtype):
    """For all built-in kernels levels differ by one at most; of uint8 levels, in at most one pixel of 10,000."""
    image = samples_pixels.astype(dtype) * (257 if dtype == np.uint16 else 1)
    methods = set()
    for name, entry in convcli.load_kernels().items():
        for kernel in getattr(entry, "kernels", (entry,)):
            if kernel.weights.ndim == 2:
                levels = [
                    filter2d(image, kernel.weights, dtype=dtype, method=method).astype(int) for method in ("direct", None)
                ]
                differ = levels[0] != levels[1]
                assert np.abs(levels[0] - levels[1]).max() <= 1, name
                assert dtype == np.uint16 or differ.mean() <= 1e-4, name
                methods.add(explain_filter2d(image, kernel.weights)[1].method)
    assert {"direct", "separable"} <= methods <= {"direct", "separable", "box", "fft"}


@given(ours.images(), st.integers(1, 12), st.integers(1, 12))
def test_means_are_rounded_half_to_even(image, rows, columns):
    """Every method rounds half to even: sums of integers are exact, and are divided once at the end."""
    if image.dtype.kind not in "u":
        image = image.astype(np.uint8)
    sums = naive.filter2d(image.astype(float), np.ones((rows, columns)), pads=((rows, rows), (columns, columns)), border="zero")
    expected = np.rint(np.array(sums) / (rows * columns))
    for method in ("direct", "separable", "box", None):
        kernel = np.full((rows, columns), 1 / (rows * columns))
        options = {"padding": ((rows, rows), (columns, columns)), "border": "zero", "method": method}
        assert_array_equal(filter2d(image, kernel, dtype=np.uint16, **options), expected)


@pytest.fixture
def samples_pixels(samples):
    """A photograph, (H, W, 3) uint8."""
    import PIL.Image

    return np.asarray(PIL.Image.open(samples / "astronaut.png").convert("RGB"))[100:300, 100:300].copy()


TWO = np.outer(np.sqrt(range(1, 10)), np.sin(range(9))) + np.outer(np.cos(range(9)), np.sqrt(range(9)))
CHOICES = [
    (np.ones((3, 3)) / 9, {}, "box", 1),
    (np.ones((9, 9)), {}, "box", 1),
    (np.outer([1, 2, 1], [1, 0, -1]), {}, "direct", 0),
    (np.outer([1, 2, 1], [1, 0, 0]), {}, "direct", 0),
    (np.outer(np.arange(1.0, 8), np.arange(1.0, 8)), {}, "separable", 1),
    (np.outer(np.arange(1.0, 8), np.arange(1.0, 8)) + np.eye(7) * 0.001, {}, "direct", 0),
    (np.outer(np.arange(1.0, 10), np.arange(1.0, 10)) + np.outer(np.arange(9.0) ** 2, np.ones(9)), {}, "separable", 2),
    (np.outer([1, 6, 15, 20, 15, 6, 1], [1, 6, 15, 20, 15, 6, 1]) / 4096 - np.pad([[2]], 3), {}, "separable", 2),
    (TWO / np.abs(TWO).sum(), {}, "separable", 2),
    (TWO, {}, "direct", 0),
    (np.arange(81.0).reshape(9, 9), {"float": True}, "direct", 0),
    (np.ones((9, 9, 3)), {}, "direct", 0),
    (np.zeros((9, 9)), {}, "direct", 0),
]


@pytest.mark.parametrize(("kernel", "options", "method", "rank"), CHOICES)
def test_the_planner_chooses_the_method(kernel, options, method, rank):
    """The planner chooses the method by the kernel and the dtype."""
    image = np.zeros((40, 40, 3), np.float32 if options else np.uint8)
    _, choice, _ = explain_filter2d(image, kernel)
    assert (choice.method, choice.rank) == (method, rank)
    assert choice.cost <= choice.direct_cost == np.count_nonzero(kernel)
    assert choice.reason
    assert choice.error <= BOUND


@pytest.mark.parametrize(
    ("kernel", "rank"),
    [
        (np.outer([3, 6, 9], [2, 4, 6]), 1),
        (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256, 1),
        (np.ones((4, 6)) / 24, 1),
        (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) - np.pad([[512]], 2), 2),
    ],
)
def test_integers_are_factorised_into_integers(kernel, rank):
    """Multiples of a unit are factorised into integers, without an error."""
    factors = factorise(kernel.astype(float), 1e-7, 2)
    assert (factors.rank, factors.error) == (rank, 0)
    assert_array_equal(factors.rows, np.rint(factors.rows))
    assert_array_equal(np.einsum("ry,rx->yx", factors.columns, factors.rows), kernel)


def test_integers_without_an_exact_factorisation_are_not_factorised():
    """Factors of the singular value decomposition would change how ties are rounded."""
    kernel = np.outer([2, 3, 5.0], [3, 5, 7]) + np.outer([1, 4, 2], [5, 2, 3])
    assert factorise(kernel, 1e-6, 2) is None
    assert factorise(kernel + np.outer([1, 4, 2], [np.pi, 2, np.e]), 1e-6, 3).rank == 2


@given(st.integers(1, 2000))
def test_nested_counts_add_up(count):
    """side * times + rest == count."""
    side, times, rest = nested_counts(count)
    assert side * times + rest == count
    assert side + times + rest <= 3 * count**0.5 + 1


def test_unknown_and_unsuitable_methods_are_refused():
    """The error names the rule."""
    with pytest.raises(ArgumentError, match="method must be one of direct, separable, box, fft, or None, got 'fast'"):
        filter2d(np.zeros((4, 4)), np.ones((3, 3)), method="fast")
    with pytest.raises(ArgumentError, match="method separable cannot be used: the kernel sums over channels; leave the"):
        conv2d(np.zeros((2, 4, 4)), np.ones((1, 2, 3, 3)), method="separable")


@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize("shape", [(9, 3), (12, 12), (5, 9)])
def test_running_sums_with_strides_and_dilation_are_exact(rng, dilation, stride, shape):
    """Boxes high enough for running sums, with dilation and strides."""
    image, kernel = rng.integers(0, 256, (40, 33, 1), dtype=np.uint8), np.ones(shape, int)
    pads = ((7, 9), (4, 5))
    expected = naive.filter2d(image.astype(float), kernel, pads=pads, border="reflect", dilation=dilation, stride=stride)
    assert_array_equal(filter2d(image, kernel, padding=pads, dilation=dilation, stride=stride), expected, strict=False)


def test_a_bias_is_added_to_a_mean(rng):
    """The bias is added after the sum is multiplied by its unit."""
    x = rng.integers(0, 256, (1, 8, 9), dtype=np.uint8)
    weight = np.full((2, 1, 3, 3), 1 / 9)
    mean = filter2d(x[0], weight[0, 0], padding="valid")
    assert_allclose(conv2d(x, weight, [0.5, -3]), np.stack([mean + 0.5, mean - 3]), rtol=0, atol=1e-4)


def test_integers_are_not_factorised_into_fractions():
    """[[3, 4], [4, 7]] is a sum of two products, but elimination finds no integers for it."""
    assert factorise(np.array([[3.0, 4], [4, 7]]), 1e-7, 2) is None


@given(
    shape=st.tuples(st.integers(1, 200), st.integers(1, 200), st.integers(1, 4)),
    sides=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    dtype=st.sampled_from(ours.DTYPES),
    stride=ours.pairs,
    dilation=ours.pairs,
    border=ours.borders,
    flip=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_fft_equals_the_direct_method(shape, sides, dtype, stride, dilation, border, flip, threads, seed):
    """Over several tiles and within one, with every combination of options."""
    rng = np.random.default_rng(seed)
    image, kernel = rng.integers(0, 256, shape).astype(dtype), rng.normal(size=sides)
    kernel /= np.abs(kernel).sum()
    pads = tuple((side // 2, side // 3) for side in sides)
    extents = [(side - 1) * step + 1 for side, step in zip(sides, dilation, strict=True)]
    assume(all(side + sum(pad) >= extent for side, pad, extent in zip(shape, pads, extents, strict=False)))
    options = {"stride": stride, "dilation": dilation, "border": border, "flip": flip, "padding": pads}
    direct = filter2d(image.astype(float), kernel, method="direct", **options)
    spectra = filter2d(image, kernel, method="fft", threads=threads, **options)
    assert_allclose(spectra, direct, rtol=0, atol=1e-5 * 255)


@pytest.mark.parametrize("unit", [1, 1 / 64, 1 / 30])
def test_fft_of_integers_gives_integers(rng, unit):
    """Sums of integers are exact integers, so ties are rounded as with the direct method."""
    image, kernel = rng.integers(0, 256, (150, 140, 3), dtype=np.uint8), rng.integers(-3, 4, (13, 11)) * unit
    for dtype in (None, np.uint8):
        results = [filter2d(image, kernel, dtype=dtype, method=method) for method in ("fft", "direct")]
        assert_array_equal(*results)
    assert explain_filter2d(image, rng.integers(0, 99, (40, 40)))[1].method == "direct"


def test_fft_is_chosen_for_large_kernels(rng):
    """Method fft is chosen for large kernels of full rank on finite samples, where its rounding errors are small enough."""
    kernel = rng.normal(size=(31, 31)) / 31
    image = rng.random((200, 200)).astype(np.float32)
    assert explain_filter2d(image, kernel)[1].method == "fft"
    assert explain_filter2d((image * 255).astype(np.uint8), kernel)[1].method == "fft"
    assert explain_filter2d((image * 255).astype(np.uint8), kernel * 9)[1].method == "direct"
    assert explain_filter2d(image, kernel[:5, :5])[1].method == "direct"
    image[3, 3] = np.nan
    assert explain_filter2d(image, kernel)[1].method == "direct"
    with pytest.raises(ArgumentError, match="method fft cannot be used: the kernel is slid over NaN or infinity"):
        filter2d(image, kernel, method="fft")
    with pytest.raises(ArgumentError, match="method fft cannot be used: the kernel is larger than any tile"):
        filter2d(np.zeros((9, 9)), np.ones((1025, 1)), method="fft")


@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 40), st.integers(1, 3)),
    sides=st.tuples(st.integers(1, 15), st.integers(1, 15)),
    kind=st.sampled_from(["box", "any"]),
    dtype=st.sampled_from([np.uint8, np.float32]),
    method=st.sampled_from([None, "fft"]),
    stride=ours.pairs,
    dilation=ours.pairs,
    border=st.one_of(ours.borders, st.just("linear-ramp")),
    data=st.data(),
)
@settings(max_examples=100)
def test_rows_equal_those_of_the_whole(shape, sides, kind, dtype, method, stride, dilation, border, data):
    """Rows computed on their own equal those of the whole: bit by bit, except with fft, whose tiles lie elsewhere."""
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    image, kernel = rng.integers(0, 256, shape).astype(dtype), np.ones(sides) if kind == "box" else rng.normal(size=sides)
    options = {"stride": stride, "dilation": dilation, "border": border, "padding": "full", "method": method}
    full = filter2d(image, kernel, **options)
    start = data.draw(st.integers(0, len(full) - 1))
    end = data.draw(st.integers(start + 1, len(full)))
    part = filter2d(image, kernel, rows=(start, end), **options)
    assert_allclose(part, full[start:end], rtol=0, atol=0 if method is None else 1e-5 * 255 * np.abs(kernel).sum())


@pytest.mark.parametrize("rows", [(0, 0), (-1, 2), (3, 2), (0, 10), 3, slice(0, 2), "x", (0.5, 3), (1, 2, 3)])
def test_rows_outside_the_result_are_refused(rows):
    """The error names the rule."""
    with pytest.raises(ArgumentError, match=r"rows must be two whole numbers, from \.\. to, within the 9 of the result, got"):
        filter2d(np.zeros((9, 9)), np.ones((3, 3)), rows=rows)


@pytest.mark.parametrize("large", [1e34, 1e35, 3e35])
def test_samples_too_large_for_fft_are_summed_directly(rng, large):
    """Their spectrum would overflow."""
    kernel = rng.random((31, 31))
    kernel /= kernel.sum()
    image = np.full((300, 300), large, np.float32)
    assert_allclose(filter2d(image, kernel), image, rtol=1e-5)
    with pytest.raises(ArgumentError, match="the kernel is slid over numbers so large that their spectrum would overflow"):
        filter2d(image, kernel, method="fft")


def test_one_huge_sample_does_not_change_distant_pixels(rng):
    """Pixels far from a huge sample are as exact as with the direct method."""
    kernel = rng.random((31, 31))
    kernel /= kernel.sum()
    image = rng.random((300, 300)).astype(np.float32)
    image[10, 10] = 1e7
    assert_allclose(filter2d(image, kernel)[60:, 60:], filter2d(image, kernel, method="direct")[60:, 60:], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 1e-310])
@pytest.mark.filterwarnings("error")
def test_nan_infinite_and_tiny_weights_equal_the_direct_method(rng, value):
    """NaN, infinite, huge and tiny weights do not stop the factorisation."""
    kernel, image = rng.random((12, 12)), rng.random((40, 40)).astype(np.float32)
    kernel[0, 0] = value
    with np.errstate(over="ignore", under="ignore"):
        assert_array_equal(filter2d(image, kernel), filter2d(image, kernel, method="direct"))


def test_separable_is_refused_where_it_would_spread_nan(rng):
    """The kernel has a single weight of 0, and the factors of a rank-1 kernel have 0 in whole rows or columns only."""
    image, kernel = np.ones((9, 9), np.float32), rng.random((3, 3))
    image[4, 4], kernel[1, 1] = np.nan, 0
    with pytest.raises(ArgumentError, match="method separable cannot be used: the kernel is not a column times a row"):
        filter2d(image, kernel, method="separable")
    results = [filter2d(image, np.outer([1, 0, 2], [3, 0, 1.5]), method=method) for method in ("separable", "direct")]
    assert_array_equal(*results)


@pytest.mark.parametrize(
    "options",
    [{"stride": 65535}, {"stride": 5000, "dilation": 4999}, {"stride": 65535, "dilation": 65534}, {"stride": (64, 1)}],
)
def test_long_strides_take_little_memory(options):
    """Memory is allocated for the samples that are read, not for those between."""
    import tracemalloc

    image, layer = np.zeros((8, 8), np.uint8), np.zeros((4, 8, 8), np.float32)
    tracemalloc.start()
    try:
        side = 1 if "dilation" in options else 3
        assert filter2d(image, np.ones((side, side)), **options).shape == (1, 8 if options["stride"] == (64, 1) else 1)
        conv2d(layer, np.ones((4, 4, 3, 3)), stride=options["stride"], padding=1)
        conv2d(layer, np.ones((4, 4, 3, 3)), dilation=20000, padding=20000)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stride", [4, 5, 9, (7, 1)])
@pytest.mark.parametrize("dilation", [1, 2, 5])
def test_strides_longer_than_the_kernel_equal_the_oracle(rng, stride, dilation):
    """No input row is shared between two output rows."""
    image, kernel = rng.integers(0, 256, (40, 31, 2), dtype=np.uint8), rng.integers(-4, 5, (3, 2))
    steps = [stride] * 2 if isinstance(stride, int) else stride
    expected = naive.filter2d(
        image.astype(float), kernel, pads=((3, 2), (1, 4)), border="wrap", stride=steps, dilation=(dilation,) * 2
    )
    result = filter2d(image, kernel, padding=((3, 2), (1, 4)), border="wrap", stride=stride, dilation=dilation)
    assert_array_equal(result, expected, strict=False)


def test_tables_of_a_large_kernel_are_made_once(rng, monkeypatch):
    """The tables are made once, not once for each part."""
    kernel = rng.normal(size=(101, 101)) / 101
    image = rng.random((300, 40)).astype(np.float32)
    image[200:] *= 3  # the largest sample differs from part to part
    filter2d(image, kernel, rows=(0, 100))
    monkeypatch.delattr(filter_plan, "make_kernel_tables")
    filter2d(image, kernel, rows=(100, 300))


@pytest.mark.parametrize("method", [None, "separable", "box"])
def test_nearly_integer_weights_are_not_integers(method):
    """Rounded to integers, the sums could leave the range of 16 bits."""
    kernel = -np.ones((3, 3))
    kernel[1, 1] += 1e-8
    if method != "box":
        for level in (0, 1, 255):
            result = filter2d(np.full((6, 8), level, np.uint8), kernel, method=method)
            assert_allclose(result, -9.0 * level, atol=1e-3)


@pytest.mark.parametrize("weights", [[[np.inf, 1.0]], [[1e308, 1e308]], [[1e307, 0.0]], [[np.nan, 1.0]]])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_weights_beyond_float32_give_infinity(weights, dtype):
    """The response is infinite or NaN, as with sums in float32."""
    with np.errstate(over="ignore"):
        expected = np.float32(np.sum(weights))
    assert_array_equal(filter2d(np.ones((6, 8), dtype), weights), np.full((6, 8), expected))


@pytest.mark.parametrize("border", [0, 255, -5, 260, 32767, 32768, 40000, -40000, 7.5])
@pytest.mark.parametrize(("kernel", "short"), [
    (np.full((1, 257), 1), True),
    (np.full((257, 1), -1), True),
    (np.array([[128, 0], [0, -129]]), True),
    (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]), True),
    (np.full((1, 258), 1), False),
    (np.array([[129, -130]]), False),
    (np.array([[1]]), True),
])  # fmt: skip
def test_sums_at_the_ends_of_16_bits_are_exact(kernel, short, border, monkeypatch):
    """Black, white and chequered pictures; with the border 0 the sums are made in 16 bits where they stay within that range."""
    chequered = np.indices((9, 12, 1)).sum(axis=0) % 2 * 255
    options = {"padding": tuple((side // 2 + 1, side // 2) for side in kernel.shape), "border": border}
    for image in (np.zeros((9, 12, 1), np.uint8), np.full((9, 12, 1), 255, np.uint8), chequered.astype(np.uint8)):
        expected = naive.filter2d(image.astype(float), kernel, pads=options["padding"], border=border)
        assert_allclose(
            filter2d(image, kernel / 3, **options),
            expected / 3,
            rtol=0,
            atol=1e-7 * np.abs(kernel).sum() * max(255, abs(border)),
        )
        for method in ("direct", "separable"):
            if np.linalg.matrix_rank(kernel) == 1:
                assert_array_equal(filter2d(image, kernel, method=method, **options), expected)
    called = []
    bound_call = parallel_tasks.BoundCall
    monkeypatch.setattr(
        parallel_tasks, "BoundCall", lambda *call, **options: called.append(call[1]) or bound_call(*call, **options)
    )
    filter2d(chequered.astype(np.uint8), kernel, method="direct", threads=1, **options)
    if border == 0:
        assert {arguments[-2].lines.dtype for arguments in called} == {np.dtype(np.int16 if short else np.float32)}
