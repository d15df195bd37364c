"""``conv2d``: the convolution layer of the deep-learning frameworks."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from ..engine.dtypes import loadable
from ..engine.simd.reference import Array
from ..geometry.borders import Border
from ..geometry.padding import Padding
from ..geometry.whole_numbers import Pair
from .conv_plan import NO_FLOOR, ConvOptions, ConvPlan, make_plan, plan_of
from .validation import check_array


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    border: Border = "zero",
    flip: bool = False,
    threads: int | None = None,
    method: str | None = None,
) -> Array:
    """The convolution layer of the deep-learning frameworks, on NumPy arrays.

    Equal to PyTorch's ``conv2d`` and ONNX's ``Conv`` within float32 rounding, with PyTorch's order of arguments. It differs
    from PyTorch in this: a weight of 0 is not part of the kernel, so that a NaN or an infinity under it does not spread;
    "same" works with any stride; padding may differ before and after, and may hold any border; x may hold integers; float16
    is computed in float32.

    Parameters
    ----------
    x : (N, Cin, H, W) or (Cin, H, W), any real dtype
        Not changed. Computed in float32 or float64 as by :func:`filter2d`. N may be 0.
    weight : (Cout, Cin / groups, kh, kw)
        Each group of output channels sees its own group of input channels; groups = Cin is a depthwise convolution.
    bias : (Cout,), optional
    stride, padding, dilation, border, flip, threads
        As in :func:`filter2d`.
    method : "direct", "separable", "box", "fft" or "winograd", optional
        As in :func:`filter2d`; "separable", "box" and "fft" need weights of one input channel. "winograd" computes tiles of
        4 x 4 outputs of 3 x 3 kernels, and of 2 x 2 outputs of 5 x 5 kernels, with a quarter to a third of the multiplications
        (Lavin and Gray, CVPR 2016, https://arxiv.org/abs/1509.09308). It needs x of float32 or float16, stride 1, dilation 1,
        and samples and weights that are finite and not huge: a NaN would spread over its tile. None uses it if this holds,
        channels and outputs are many, and no sample is 256 times as far from the mean as most, whose rounding error would show
        in its tile. Its error is larger than that of "direct", about 3e-6 of the largest absolute response instead of 3e-7 for
        random weights, and at most 2e-5 of the sum of the absolute weights times the extent of the samples.
    groups : int
        Divides Cin and Cout.

    Returns
    -------
    (N, Cout, H', W') or (Cout, H', W'), float32 or float64

    Raises
    ------
    ArgumentError (a ValueError)
        If a shape, value or name cannot be used; the message names the argument, the rule and the value.

    Examples
    --------
    Four filters of 5 x 5 x 3 give four feature maps:

    >>> import numpy as np, convcli
    >>> convcli.conv2d(np.zeros((3, 32, 32)), np.zeros((4, 3, 5, 5))).shape
    (4, 28, 28)
    """

    def plan_for(batch: Array, whole: bool) -> ConvPlan:
        weights = check_array("weight", weight, dimensions=(4,))
        biases = None if bias is None else check_array("bias", bias, dimensions=(1,))
        options = ConvOptions(stride, padding, dilation, groups, border, flip, threads, method, whole)
        return plan_of(batch, weights, biases, options)

    return _run(x, plan_for)


def _run(x: ArrayLike, plan_for: Callable[[Array, bool], ConvPlan]) -> Array:
    """Convolve x, as ``conv2d``, by the plan for a batch (N, C, H, W) that may hold integers."""
    array = check_array("x", x, dimensions=(3, 4), batched=True)
    pixels = loadable(array)
    batch = pixels if pixels.ndim == 4 else pixels[None]
    out = plan_for(batch, array.dtype.kind != "f").run(batch)
    return out if pixels.ndim == 4 else out[0]


KEPT_SHAPES, SMALL_WEIGHTS = 4, 1 << 18
"""Shapes of images, such as pictures upright and across, for which so many weights at most are kept: 16 MB with Winograd's."""


class FixedConv:
    """``conv2d`` with weights that never change, such as those of a network.

    They are prepared in the first call and kept for images of the same shape, few weights for several shapes. Comparing them,
    as ``conv2d`` does, takes up to half the time of a layer. With ``rectified``, negative results are replaced by 0 as they are
    written.
    """

    def __init__(self, weight: Array, bias: Array | None = None, *, rectified: bool = False, **options: Any) -> None:
        """Take the arguments of ``conv2d``. The arrays must not be changed."""
        self.weight, self.bias = weight, bias
        self.options = ConvOptions(floor=0.0 if rectified else NO_FLOOR, **options)
        self._kept: dict[Any, ConvPlan] = {}  # replaced as a whole, as several threads may call
        self._count = KEPT_SHAPES if weight.size <= SMALL_WEIGHTS else 1

    def __call__(self, x: Array, threads: int | None = None) -> Array:
        """Return the maps of x. Raises ArgumentError."""
        return _run(x, lambda batch, whole: self._plan_for(batch, whole, threads))

    def _plan_for(self, batch: Array, whole: bool, threads: int | None) -> ConvPlan:
        key, kept = (batch.shape, batch.dtype, whole, threads), self._kept
        if key not in kept:
            options = self.options._replace(threads=threads, whole=whole)
            plan = make_plan(batch.shape, batch.dtype, self.weight, self.bias, options)
            self._kept = kept = dict([*kept.items(), (key, plan)][-self._count :])
        return kept[key]
