"""Generators: kernels computed from a formula with parameters, as plain Python numbers. Every parameter has a default.

Lengths are in pixels, angles in degrees. A size or sigma of the type Sides or Lengths may be (rows, columns). A generator
checks its parameters. It raises ParameterError if one is out of range; otherwise it returns a Formula: the shape of the matrix,
and the function that computes it.
"""

import math
from collections.abc import Callable

from msgspec import Struct

from .kernel import Matrix
from .parameters import Lengths, Sides, pair, require, require_all, side

NORMS = ("sum", "abs", "l2")
"""Norms to divide by: the sum of the weights, of their absolute values, and the root of the sum of squares."""


class Formula(Struct, frozen=True):
    """A matrix that is computed on demand: its shape, a bound of its absolute weights, and norms that are certainly not 0."""

    shape: tuple[int, int]
    compute: Callable[[], Matrix]
    weight_bound: float = 1.0
    nonzero_norms: tuple[str, ...] = NORMS


def average(size: Sides = 3) -> Formula:
    """Return the mean of size x size pixels: all weights are 1 / size**2.

    >>> average(2).compute()
    ((0.25, 0.25), (0.25, 0.25))
    >>> average((1, 2)).compute()
    ((0.5, 0.5),)
    """
    rows, columns = _sides(size)
    return Formula((rows, columns), lambda: ((1 / (rows * columns),) * columns,) * rows)


def binomial(size: Sides = 5) -> Formula:
    """Return the outer product of rows of Pascal's triangle, divided by its sum.

    It approximates a Gaussian with sigma = sqrt(size - 1) / 2.

    >>> [w * 16 for row in binomial(3).compute() for w in row]
    [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0]
    """
    return _separable(_sides(size), lambda _, length: [math.comb(length - 1, i) / 2 ** (length - 1) for i in range(length)])


def gaussian(sigma: Lengths = 1.0, truncate: float = 4.0) -> Formula:
    """Return a Gaussian: exp(-(x**2 + y**2) / (2 sigma**2)), divided by its sum.

    It is sampled up to floor(truncate * sigma + 1/2) pixels from the centre. Equal to the response of
    ``scipy.ndimage.gaussian_filter`` to an impulse.
    """
    sigmas = pair(sigma)
    down, across = _gaussian_radii(sigma, truncate)
    return _separable((2 * down + 1, 2 * across + 1), lambda axis, length: _gaussian_row(sigmas[axis], length // 2))


def disk(radius: float = 2.0) -> Formula:
    """Return the mean of the pixels whose centres are at most radius from the centre, as in the blur of a defocused lens.

    >>> [[round(w * 5) for w in row] for row in disk(1).compute()]
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    require(radius >= 0, "radius", "at least 0", radius)
    r = side("radius", radius, 2 * radius + 1) // 2
    around = range(-r, r + 1)
    square = radius * radius
    return Formula(
        (len(around), len(around)),
        lambda: _normalised([[float(x * x + y * y <= square) for x in around] for y in around]),
    )


def motion(length: float = 9.0, angle: float = 0.0) -> Formula:
    """Return the blur of a camera that moves by length pixels in the direction angle, counter-clockwise from the right.

    Before they are divided by their sum, weights fall linearly from 1 on the line of movement to 0 at a distance of one pixel.
    This is the rule that MATLAB documents for ``fspecial("motion")``.

    >>> motion(3).compute()
    ((0.3333333333333333, 0.3333333333333333, 0.3333333333333333),)
    """
    require(length >= 1, "length", "at least 1", length)
    half = (length - 1) / 2
    side("length", length, length + 2)
    cosine, sine = round(math.cos(math.radians(angle)), 12), round(math.sin(math.radians(angle)), 12)
    across, up = (max(math.ceil(half * abs(component) + 1) - 1, 0) for component in (cosine, sine))

    def weight(x: int, y: int) -> float:
        along = min(max(x * cosine + y * sine, -half), half)
        return max(1 - math.hypot(x - along * cosine, y - along * sine), 0.0)

    xs, ys = range(-across, across + 1), range(up, -up - 1, -1)
    return Formula((len(ys), len(xs)), lambda: _normalised([[weight(x, y) for x in xs] for y in ys]))


def unsharp(amount: float = 1.0, size: Sides = 0, sigma: Lengths = 0.0, truncate: float = 4.0) -> Formula:
    """Return an unsharp mask: the image plus amount times its difference from a blur. The sum is 1.

    The blur is a Gaussian, or binomial if sigma is 0. A size of 0 means 5 for a binomial blur, and the size that ``gaussian``
    has for a Gaussian.

    >>> [w * 16 for row in unsharp(size=3).compute() for w in row]
    [-1.0, -2.0, -1.0, -2.0, 28.0, -2.0, -1.0, -2.0, -1.0]
    """
    require_all(
        (all(s == 0 or (s > 0 and s % 2 == 1) for s in pair(size)), "size", "odd, so that the blur has a centre", size),
        (all(s >= 0.01 for s in pair(sigma)) or sigma == 0, "sigma", "at least 0.01, or 0 for a binomial blur", sigma),
    )
    blur = gaussian(sigma, truncate) if sigma else binomial(size or 5)
    if sigma and size:
        sides, sigmas = _sides(size), pair(sigma)
        blur = _separable(sides, lambda axis, length: _gaussian_row(sigmas[axis], length // 2))
    middle, centre = (length // 2 for length in blur.shape)

    def sharpen() -> Matrix:
        return tuple(
            tuple((1 + amount) * (y == middle and x == centre) - amount * w for x, w in enumerate(row))  # type: ignore[operator]
            for y, row in enumerate(blur.compute())
        )

    weight_bound = 1 + 2 * abs(amount)
    return Formula(blur.shape, sharpen, weight_bound, NORMS if weight_bound < 1e6 else ())


def log(sigma: Lengths = 1.4, truncate: float = 4.0) -> Formula:
    """Return a Laplacian of Gaussian: ((x**2 + y**2) / sigma**4 - 2 / sigma**2) * gaussian, minus its mean.

    The sum is 0. The centre is negative, as in the kernel ``laplacian`` and in ``scipy.ndimage.gaussian_laplace``.
    """
    sigma_y, sigma_x = pair(sigma)
    down, across = _gaussian_radii(sigma, truncate)
    ratio = (sigma_x / sigma_y) ** 2  # exactly 1 if both are equal, so that the weights are those of the formula

    def samples() -> Matrix:
        column, row = _gaussian_row(sigma_y, down), _gaussian_row(sigma_x, across)
        power, middle = sigma_x**4, (1 + ratio) / sigma_x**2
        ys = [(y * y * ratio**2, b) for y, b in zip(range(-down, down + 1), column, strict=True)]
        xs = [(x * x, a) for x, a in zip(range(-across, across + 1), row, strict=True)]
        return _centred([[((x2 + y2) / power - middle) * a * b for x2, a in xs] for y2, b in ys])

    weight_bound = 4 / min(sigma_x, sigma_y) ** 2
    return Formula((2 * down + 1, 2 * across + 1), samples, weight_bound=weight_bound, nonzero_norms=())


def dog(sigma1: Lengths = 1.0, sigma2: Lengths = 1.6, truncate: float = 4.0) -> Formula:
    """Return the difference of two Gaussians, minus its mean. A ratio of 1.6 best approximates a Laplacian of Gaussian."""
    radii = [_gaussian_radii(sigma, truncate, name) for sigma, name in ((sigma1, "sigma1"), (sigma2, "sigma2"))]
    rows, columns = (2 * max(radius) + 1 for radius in zip(*radii, strict=True))

    def row(sigma: float, r: int, length: int) -> list[float]:
        zeros = [0.0] * (length // 2 - r)
        return [*zeros, *_gaussian_row(sigma, r), *zeros]

    def samples() -> Matrix:
        (narrow_y, narrow_x), (wide_y, wide_x) = (
            (row(sigma_y, down, rows), row(sigma_x, across, columns))
            for (sigma_y, sigma_x), (down, across) in zip((pair(sigma1), pair(sigma2)), radii, strict=True)
        )
        return _centred([[narrow_y[y] * narrow_x[x] - wide_y[y] * wide_x[x] for x in range(columns)] for y in range(rows)])

    return Formula((rows, columns), samples, weight_bound=2.0, nonzero_norms=())


def gabor(
    theta: float = 0.0, wavelength: float = 6.0, sigma: float = 0.0, gamma: float = 0.5, psi: float = 0.0, size: Sides = 0
) -> Formula:
    """Return a Gabor filter: exp(-(x'**2 + gamma**2 y'**2) / (2 sigma**2)) * cos(2 pi x' / wavelength + psi).

    x' and y' are the coordinates rotated by theta. A sigma of 0 means a bandwidth of one octave, 0.56 wavelengths; a size of 0
    means three sigmas on each side. Equal to OpenCV's ``getGaborKernel``, in which coordinates decrease from the first column
    and row to the last.
    """
    sides = pair(size)
    require_all(
        (wavelength >= 1, "wavelength", "at least 1", wavelength),
        (sigma == 0 or sigma >= 0.01, "sigma", "at least 0.01, or 0 for one octave", sigma),
        (0.01 <= gamma <= 100, "gamma", "between 0.01 and 100", gamma),
        (size == 0 or all(s > 0 and s % 2 == 1 for s in sides), "size", "odd, or 0 for three sigmas around", size),
    )
    deviation = sigma or wavelength * 3 / math.pi * math.sqrt(math.log(2) / 2)
    cosine, sine = math.cos(math.radians(theta)), math.sin(math.radians(theta))
    side("size" if size else "sigma", size or deviation, max(sides) if size else 6 * deviation * max(1, 1 / gamma))
    across = sides[1] // 2 if size else round(3 * max(abs(deviation * cosine), abs(deviation / gamma * sine)))
    down = sides[0] // 2 if size else round(3 * max(abs(deviation * sine), abs(deviation / gamma * cosine)))

    def weight(x: int, y: int) -> float:
        along, across_wave = x * cosine + y * sine, y * cosine - x * sine
        envelope = math.exp(-(along**2 + (gamma * across_wave) ** 2) / (2 * deviation**2))
        return envelope * math.cos(2 * math.pi * along / wavelength + math.radians(psi))

    xs, ys = range(across, -across - 1, -1), range(down, -down - 1, -1)
    compute = lambda: tuple(tuple(weight(x, y) for x in xs) for y in ys)  # noqa: E731
    return Formula((len(ys), len(xs)), compute, nonzero_norms=("abs", "l2"))  # no float64 has a cosine of exactly 0


GENERATORS: dict[str, Callable[..., Formula]] = {
    function.__name__: function for function in (average, binomial, gaussian, disk, motion, unsharp, log, dog, gabor)
}


def _sides(size: Sides) -> tuple[int, int]:
    """Return (rows, columns) of a size. Raises ParameterError if one is less than 1, or too large."""
    require(min(pair(size)) >= 1, "size", "at least 1", size)
    rows, columns = (side("size", size, length) for length in pair(size))
    return rows, columns


def _gaussian_radii(sigma: Lengths, truncate: float, name: str = "sigma") -> tuple[int, int]:
    """Return the rows and columns on each side of the centre of a Gaussian. Raises ParameterError."""
    require_all(
        (min(pair(sigma)) >= 0.01, name, "at least 0.01", sigma),
        (truncate >= 0.01, "truncate", "at least 0.01", truncate),
    )
    down, across = (side(name, sigma, 2 * truncate * deviation + 1) // 2 for deviation in pair(sigma))
    return down, across


def _gaussian_row(sigma: float, r: int) -> list[float]:
    samples = [math.exp(-0.5 * x * x / (sigma * sigma)) for x in range(-r, r + 1)]
    total = math.fsum(samples)
    return [sample / total for sample in samples]


def _separable(shape: tuple[int, int], make: Callable[[int, int], list[float]]) -> Formula:
    """Return the formula for a column times a row; ``make`` returns each for its axis (0 or 1) and its length."""

    def compute() -> Matrix:
        column, row = (make(axis, length) for axis, length in enumerate(shape))
        return tuple(tuple([a * b for b in row]) for a in column)

    return Formula(shape, compute)


def _normalised(samples: list[list[float]]) -> Matrix:
    total = math.fsum(sample for row in samples for sample in row)
    return tuple(tuple(sample / total for sample in row) for row in samples)


def _centred(samples: list[list[float]]) -> Matrix:
    mean = math.fsum(sample for row in samples for sample in row) / (len(samples) * len(samples[0]))
    return tuple(tuple(sample - mean for sample in row) for row in samples)
