"""Pictures and kernels whose sums are hard to round, and the error of a response against sums in float64."""

import numpy as np
import scipy.signal

PICTURES = {
    "mask": lambda rng, shape: (rng.random(shape) < 0.01).astype(np.uint16),
    "small mask": lambda rng, shape: (rng.random(shape) < 0.3).astype(np.uint8),
    "counts": lambda rng, shape: rng.poisson(20, shape).astype(np.uint16),
    "few counts": lambda rng, shape: rng.poisson(0.2, shape).astype(np.uint16),
    "dark frame": lambda rng, shape: (rng.normal(1000, 3, shape)).round().astype(np.uint16),
    "stars": lambda rng, shape: np.where(rng.random(shape) < 2e-4, 65535, rng.poisson(8, shape)).astype(np.uint16),
    "nearly white": lambda rng, shape: rng.integers(254, 256, shape).astype(np.uint8),
    "nearly white, 16 bits": lambda rng, shape: rng.integers(65530, 65536, shape).astype(np.uint16),
    "constant": lambda rng, shape: np.full(shape, rng.integers(1, 65536), np.uint16),
    "levels": lambda rng, shape: rng.integers(0, 256, shape).astype(np.uint8),
    "all levels, 16 bits": lambda rng, shape: rng.integers(0, 65536, shape).astype(np.uint16),
    "negative": lambda rng, shape: rng.normal(-40, 3, shape).round().astype(np.int16),
    "float mask": lambda rng, shape: (rng.random(shape) < 0.01).astype(np.float32),
    "float": lambda rng, shape: rng.normal(size=shape).astype(np.float32),
    "offset": lambda rng, shape: rng.uniform(1e6 - 1, 1e6 + 1, shape).astype(np.float32),
    "negative offset": lambda rng, shape: rng.uniform(-1e5 - 1, -1e5 + 1, shape).astype(np.float32),
    "offset, float64": lambda rng, shape: rng.uniform(1e6 - 1, 1e6 + 1, shape),
}
"""Functions of (rng, shape) that make an (H, W) array, by name."""


def _smooth(size: int) -> np.ndarray:
    """A normalized Gaussian of one dimension."""
    line = np.exp(-0.5 * ((np.arange(size) - size // 2) / (size / 6)) ** 2)
    return line / line.sum()


def _log(size: int) -> np.ndarray:
    """The Laplacian of a Gaussian, with sum 0: a kernel of rank 2."""
    positions, sigma = np.arange(size) - size // 2, size / 6
    squares = np.add.outer(positions**2, positions**2) / sigma**2
    kernel = (squares - 2) * np.exp(-0.5 * squares)
    return kernel - kernel.mean()


KERNELS = {
    "random": lambda rng, size: rng.normal(size=(size, size)),
    "random, positive": lambda rng, size: rng.random((size, size)),
    "random, whole": lambda rng, size: rng.integers(-9, 10, (size, size)).astype(float),
    "product": lambda rng, size: np.outer(rng.normal(size=size), rng.random(size)),
    "two products": lambda rng, size: sum(np.outer(rng.normal(size=size), rng.random(size)) for _ in range(2)),
    "gaussian": lambda rng, size: np.outer(_smooth(size), _smooth(size)),
    "laplacian of gaussian": lambda rng, size: _log(size),
    "box": lambda rng, size: np.ones((size, size)),
}
"""Functions of (rng, size) that make a (size, size) kernel, by name."""

SCALES = {
    "as it is": lambda kernel: kernel,
    "sum 1": lambda kernel: kernel / kernel.sum() if abs(kernel.sum()) > 1e-3 * np.abs(kernel).sum() else kernel,
    "sum 0": lambda kernel: kernel - kernel.mean(),
    "large": lambda kernel: kernel * 1000 / np.abs(kernel).sum(),
}
"""Functions that scale a kernel, by name."""


def in_float64(image: np.ndarray, kernel: np.ndarray, border: int | str) -> np.ndarray:
    """Filter (H, W) with (kh, kw), padding "same", by SciPy in float64: the samples less their mean, then the mean."""
    pads = [((side - 1) // 2, side // 2) for side in kernel.shape]
    options = {"mode": "constant", "constant_values": border} if isinstance(border, int) else {"mode": border}
    padded = np.pad(image.astype(np.float64), pads, **options)
    mean = image.mean(dtype=np.float64)
    return scipy.signal.oaconvolve(padded - mean, kernel[::-1, ::-1], mode="valid") + mean * kernel.sum()


def error_of(response: np.ndarray, image: np.ndarray, kernel: np.ndarray, border: int | str) -> float:
    """The largest error of a response, relative to the sum of absolute weights times the range of the picture.

    The rounding of the result to its own dtype is not counted: half a unit in the last place, or one unit on processors that
    round a product before the addition.
    """
    expected = in_float64(image, kernel, border)
    samples = image.astype(np.float64)
    extremes = [samples.min(), samples.max(), *([border] if isinstance(border, int) else [])]
    errors = np.abs(response.astype(np.float64) - expected) - np.spacing(np.abs(expected).astype(response.dtype))
    reference = np.abs(kernel).sum() * (max(extremes) - min(extremes))
    largest = max(float(errors.max()), 0.0)
    return largest / reference if reference else np.inf if largest else 0.0
