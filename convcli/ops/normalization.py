"""Normalisation of maps (N, C, H, W) or (C, H, W). float64 gives float64; every other dtype gives float32."""

import math

import numpy as np
from numpy.typing import ArrayLike

from ..engine.buffers import aligned
from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import scale_and_shift
from ..engine.simd.reference import Array
from ..geometry.whole_numbers import as_count
from .validation import MAPS, as_number, as_real, per_channel

CHUNK_SIZE = 1 << 19
"""Values in the rows that are computed at a time."""


def local_response_norm(x: ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Return x / (k + alpha / size * sum of squares over ``size`` neighbouring channels) ** beta.

    The formula is from Krizhevsky et al. 2012, section 3.3. Equal to PyTorch's function of this name within rounding: the
    window starts size // 2 channels before. In ONNX's ``LRN`` it starts (size - 1) // 2 before, which differs for even sizes.
    Raises ArgumentError.

    >>> local_response_norm(np.ones((2, 1, 1)), size=2, alpha=2, beta=1).ravel().tolist()
    [0.5, 0.3333333333333333]
    """
    maps, count = as_real("x", x, MAPS), as_count("size", size)
    alpha, beta, k = as_number("alpha", alpha), as_number("beta", beta), as_number("k", k)
    scale, power, bias = (maps.dtype.type(number) for number in (alpha / count, beta, k))
    channels = maps.shape[-3]
    out = np.empty(maps.shape, maps.dtype)
    step = max(CHUNK_SIZE // max(maps.size // maps.shape[-2], 1), 1)
    with np.errstate(all="ignore"):
        for row in range(0, maps.shape[-2], step):  # chunks of rows, whose squares stay in the cache
            chunk = maps[..., row : row + step, :]
            squares = np.square(chunk)
            sums = np.zeros(chunk.shape, chunk.dtype)
            for offset in range(max(-(count // 2), 1 - channels), min((count - 1) // 2, channels - 1) + 1):
                begin, end = max(-offset, 0), min(channels - offset, channels)
                sums[..., begin:end, :, :] += squares[..., begin + offset : end + offset, :, :]
            sums *= scale
            sums += bias
            np.power(sums, power, out=sums)
            np.divide(chunk, sums, out=out[..., row : row + step, :])
    return out


def affine(x: ArrayLike, scale: ArrayLike, shift: ArrayLike | None = None) -> Array:
    """Return x * scale + shift, computed in float64. scale and shift are (C,), one value per channel. Raises ArgumentError.

    >>> affine([[[1, 2]], [[3, 4]]], scale=[2, 10], shift=[0, 5]).tolist()
    [[[2.0, 4.0]], [[35.0, 45.0]]]
    """
    maps = as_real("x", x, MAPS)
    scales = per_channel("scale", scale, maps.shape[-3])
    shifts = np.zeros(scales.shape) if shift is None else per_channel("shift", shift, maps.shape[-3])
    out = aligned(maps.shape, maps.dtype)
    scale_into(np.ascontiguousarray(maps), scales, shifts, out)
    return out


def scale_into(maps: Array, scales: Array, shifts: Array, out: Array) -> None:
    """Write maps (..., C, H, W) * scales + shifts to ``out``, which may be the maps.

    Both are float64, one value per channel.
    """
    planes = maps.reshape(math.prod(maps.shape[:-2]), math.prod(maps.shape[-2:]))
    with np.errstate(all="ignore"):
        run_loop(scale_and_shift, planes, scales.ravel(), shifts.ravel(), out.reshape(planes.shape))


def batch_norm(
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    scale: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Return (x - mean) / sqrt(variance + epsilon) * scale + shift. All are (C,), one value per channel.

    Equal to PyTorch's ``batch_norm`` in inference and ONNX's ``BatchNormalization`` within rounding. Raises ArgumentError.

    >>> batch_norm([[[3, 5]]], mean=[1], variance=[4], epsilon=0).tolist()
    [[[1.0, 2.0]]]
    """
    maps = as_real("x", x, MAPS)
    return affine(maps, *batch_norm_factors(maps.shape[-3], mean, variance, scale, shift, epsilon))


def batch_norm_factors(
    channels: int, mean: ArrayLike, variance: ArrayLike, scale: ArrayLike | None, shift: ArrayLike | None, epsilon: float
) -> tuple[Array, Array]:
    """Return the scale and the shift (C,) of each channel that ``batch_norm`` applies, float64. Raises ArgumentError."""
    means, variances = per_channel("mean", mean, channels), per_channel("variance", variance, channels)
    scales = 1.0 if scale is None else per_channel("scale", scale, channels)
    shifts = 0.0 if shift is None else per_channel("shift", shift, channels)
    with np.errstate(all="ignore"):
        scales = scales / np.sqrt(variances + as_number("epsilon", epsilon))
        shifts = shifts - means * scales
    return scales.ravel(), shifts.ravel()


def instance_norm(x: ArrayLike, scale: ArrayLike | None = None, shift: ArrayLike | None = None, epsilon: float = 1e-5) -> Array:
    """Return (x - mean) / sqrt(variance + epsilon) * scale + shift, where each map has its own mean and variance.

    scale and shift are (C,). Equal to PyTorch's ``instance_norm`` and ONNX's ``InstanceNormalization`` within rounding; means
    and variances are computed in float64. Ulyanov et al., https://arxiv.org/abs/1607.08022. Raises ArgumentError.

    >>> instance_norm([[[1, 3]]], epsilon=0).tolist()
    [[[-1.0, 1.0]]]
    """
    maps = as_real("x", x, MAPS)
    channels = maps.shape[-3]
    scales = 1.0 if scale is None else per_channel("scale", scale, channels)
    shifts = 0.0 if shift is None else per_channel("shift", shift, channels)
    with np.errstate(all="ignore"):
        means = maps.mean(axis=(-2, -1), keepdims=True, dtype=np.float64)
        variances = maps.var(axis=(-2, -1), keepdims=True, dtype=np.float64)
        scales = scales / np.sqrt(variances + as_number("epsilon", epsilon))
        shifts = shifts - means * scales
    out = aligned(maps.shape, maps.dtype)
    scale_into(np.ascontiguousarray(maps), np.broadcast_to(scales, means.shape), np.broadcast_to(shifts, means.shape), out)
    return out
