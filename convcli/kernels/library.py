"""Kernels that follow a formula: one generator each. Plain Python numbers; every parameter has a default.

Lengths are pixels, angles are degrees. Each generator looks at its parameters, raises ParameterError where one is out of range,
and returns a Formula: the sides of the matrix, and what computes it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import KernelError, nearest_name
from .kernel import MAX_SIDE, Matrix


@dataclass(frozen=True)
class Formula:
    """A matrix yet to be computed, and its sides."""

    shape: tuple[int, int]
    compute: Callable[[], Matrix]


def average(size: int = 3) -> Formula:
    """The mean of size x size pixels: 1 / size**2 everywhere.

    >>> average(2).compute()
    ((0.25, 0.25), (0.25, 0.25))
    """
    _require(size >= 1, "size", "at least 1", size)
    side = _side("size", size, size)
    return Formula((side, side), lambda: ((1 / side**2,) * side,) * side)


def binomial(size: int = 5) -> Formula:
    """A row of Pascal's triangle times itself, sum 1: the small-integer neighbour of a Gaussian of sigma sqrt(size - 1) / 2.

    >>> [w * 16 for row in binomial(3).compute() for w in row]
    [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0]
    """
    _require(size >= 1, "size", "at least 1", size)
    n = _side("size", size, size) - 1
    row = [math.comb(n, i) / 2**n for i in range(n + 1)]
    return _square(row)


def gaussian(sigma: float = 1.0, truncate: float = 4.0) -> Formula:
    """exp(-(x**2 + y**2) / (2 sigma**2)) sampled to floor(truncate * sigma + 1/2) pixels around, sum 1.

    Equal to the response of ``scipy.ndimage.gaussian_filter`` to an impulse.
    """
    return _square(_gaussian_row(sigma, truncate))


def disk(radius: float = 2.0) -> Formula:
    """The mean of the pixels whose centres lie within radius: a lens out of focus.

    >>> [[round(w * 5) for w in row] for row in disk(1).compute()]
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    _require(radius >= 0, "radius", "at least 0", radius)
    r = _side("radius", radius, 2 * radius + 1) // 2
    around = range(-r, r + 1)
    square = radius * radius
    return Formula(
        (len(around), len(around)),
        lambda: _normalised([[float(x * x + y * y <= square) for x in around] for y in around]),
    )


def motion(length: float = 9.0, angle: float = 0.0) -> Formula:
    """A camera that moves by length pixels at angle, counter-clockwise from the right.

    A weight falls from 1 on the line of movement to 0 at one pixel from it; the sum is 1. The rule is the one that
    MATLAB documents for ``fspecial("motion")``.

    >>> motion(3).compute()
    ((0.3333333333333333, 0.3333333333333333, 0.3333333333333333),)
    """
    _require(length >= 1, "length", "at least 1", length)
    half = (length - 1) / 2
    _side("length", length, length + 2)
    cosine, sine = round(math.cos(math.radians(angle)), 12), round(math.sin(math.radians(angle)), 12)
    across, up = (max(math.ceil(half * abs(part) + 1) - 1, 0) for part in (cosine, sine))

    def weight(x: int, y: int) -> float:
        along = min(max(x * cosine + y * sine, -half), half)
        return max(1 - math.hypot(x - along * cosine, y - along * sine), 0.0)

    xs, ys = range(-across, across + 1), range(up, -up - 1, -1)
    return Formula((len(ys), len(xs)), lambda: _normalised([[weight(x, y) for x in xs] for y in ys]))


def unsharp(amount: float = 1.0, size: int = 5) -> Formula:
    """The picture plus amount times what a binomial blur of that size takes away from it; sum 1."""
    _require(size % 2 == 1, "size", "odd, so that the blur has a centre", size)
    blur = binomial(size)
    centre = size // 2

    def sharpen() -> Matrix:
        return tuple(
            tuple((1 + amount) * (x == y == centre) - amount * w for x, w in enumerate(row))  # type: ignore[operator]
            for y, row in enumerate(blur.compute())
        )

    return Formula(blur.shape, sharpen)


def log(sigma: float = 1.4, truncate: float = 4.0) -> Formula:
    """Laplacian of a Gaussian, ((x**2 + y**2) / sigma**4 - 2 / sigma**2) * gaussian, shifted to sum exactly to zero.

    Negative in the centre, as ``laplacian`` and ``scipy.ndimage.gaussian_laplace`` are.
    """
    row = _gaussian_row(sigma, truncate)
    r = len(row) // 2
    around = range(-r, r + 1)

    def weight(x: int, y: int) -> float:
        return ((x * x + y * y) / sigma**4 - 2 / sigma**2) * row[x + r] * row[y + r]

    return Formula((len(row), len(row)), lambda: _centred([[weight(x, y) for x in around] for y in around]))


def dog(sigma1: float = 1.0, sigma2: float = 1.6, truncate: float = 4.0) -> Formula:
    """Difference of two Gaussians, narrow minus wide; the ratio 1.6 comes closest to a Laplacian of a Gaussian."""
    rows = [_gaussian_row(sigma, truncate, name) for sigma, name in ((sigma1, "sigma1"), (sigma2, "sigma2"))]
    side = max(len(row) for row in rows)
    narrow, wide = ([0.0] * ((side - len(row)) // 2) + row + [0.0] * ((side - len(row)) // 2) for row in rows)

    def weight(x: int, y: int) -> float:
        return narrow[y] * narrow[x] - wide[y] * wide[x]

    return Formula((side, side), lambda: _centred([[weight(x, y) for x in range(side)] for y in range(side)]))


def gabor(
    theta: float = 0.0, wavelength: float = 6.0, sigma: float = 0.0, gamma: float = 0.5, psi: float = 0.0, size: int = 0
) -> Formula:
    """A wave under a Gaussian: exp(-(x'**2 + gamma**2 y'**2) / (2 sigma**2)) * cos(2 pi x' / wavelength + psi).

    x', y' are turned by theta. sigma 0 means a bandwidth of one octave, 0.56 wavelengths; size 0 means three sigmas around.
    Equal to OpenCV's ``getGaborKernel``, whose samples run from the far corner to the near one.
    """
    _require(wavelength >= 1, "wavelength", "at least 1", wavelength)
    _require(sigma == 0 or sigma >= 0.01, "sigma", "at least 0.01, or 0 for one octave", sigma)
    _require(0.01 <= gamma <= 100, "gamma", "between 0.01 and 100", gamma)
    _require(size == 0 or (size > 0 and size % 2 == 1), "size", "odd, or 0 for three sigmas around", size)
    spread = sigma or wavelength * 3 / math.pi * math.sqrt(math.log(2) / 2)
    cosine, sine = math.cos(math.radians(theta)), math.sin(math.radians(theta))
    _side("size" if size else "sigma", size or spread, size or 6 * spread * max(1, 1 / gamma))
    across = size // 2 if size else round(3 * max(abs(spread * cosine), abs(spread / gamma * sine)))
    down = size // 2 if size else round(3 * max(abs(spread * sine), abs(spread / gamma * cosine)))

    def weight(x: int, y: int) -> float:
        along, beside = x * cosine + y * sine, y * cosine - x * sine
        envelope = math.exp(-(along**2 + (gamma * beside) ** 2) / (2 * spread**2))
        return envelope * math.cos(2 * math.pi * along / wavelength + math.radians(psi))

    xs, ys = range(across, -across - 1, -1), range(down, -down - 1, -1)
    return Formula((len(ys), len(xs)), lambda: tuple(tuple(weight(x, y) for x in xs) for y in ys))


GENERATORS: dict[str, Callable[..., Formula]] = {
    function.__name__: function for function in (average, binomial, gaussian, disk, motion, unsharp, log, dog, gabor)
}


class ParameterError(KernelError):
    """A parameter has no such value, or is none of the generator's; it is named."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True)
class Recipe:
    """A generator with its parameters: a matrix yet to be made."""

    generator: str
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def accepted(self) -> dict[str, float]:
        """Every parameter that the generator takes, with its value in this recipe."""
        function = GENERATORS[self.generator]
        code = function.__code__
        defaults = dict(zip(code.co_varnames[: code.co_argcount], function.__defaults__ or (), strict=True))
        return {**defaults, **dict(self.parameters)}

    def change(self, parameters: tuple[tuple[str, float], ...]) -> "Recipe":
        """The recipe with other values for some parameters. Raises ParameterError if the generator does not take them."""
        kinds = GENERATORS[self.generator].__annotations__
        for name, value in parameters:
            if name not in self.accepted:
                near = nearest_name(name, self.accepted)
                raise ParameterError(name, f"there is no parameter {name!r}; it takes {', '.join(self.accepted)}{near}")
            if kinds[name] is int and value != int(value):
                raise ParameterError(name, f"{name} must be a whole number, got {value:g}")
        merged = {**dict(self.parameters), **dict(parameters)}
        return replace(self, parameters=tuple(merged.items()))

    @property
    def largest(self) -> float:
        """What no weight exceeds: a Laplacian of a Gaussian of the least sigma, 0.01, has 2e4 in its centre."""
        return 1e5 * max(1.0, *(abs(value) for value in self.accepted.values()))

    def formula(self) -> Formula:
        """What computes the matrix. Raises ParameterError if a parameter is out of range."""
        kinds = GENERATORS[self.generator].__annotations__
        values = {name: int(value) if kinds[name] is int else float(value) for name, value in self.parameters}
        return GENERATORS[self.generator](**values)


def _require(holds: bool, name: str, rule: str, value: float) -> None:
    if not holds:
        raise ParameterError(name, f"{name} must be {rule}, got {value:g}")


def _side(name: str, value: float, length: float) -> int:
    """A kernel side as an int, unless it is too large to build."""
    if not length <= MAX_SIDE:
        raise ParameterError(name, f"{name}={value:g} makes a kernel {length:.6g} wide; the largest is {MAX_SIDE}")
    return int(length)


def _gaussian_row(sigma: float, truncate: float, name: str = "sigma") -> list[float]:
    _require(sigma >= 0.01, name, "at least 0.01", sigma)
    _require(truncate >= 0.01, "truncate", "at least 0.01", truncate)
    r = _side(name, sigma, 2 * truncate * sigma + 1) // 2
    samples = [math.exp(-0.5 * x * x / (sigma * sigma)) for x in range(-r, r + 1)]
    total = math.fsum(samples)
    return [sample / total for sample in samples]


def _square(row: list[float]) -> Formula:
    """A row times itself."""
    return Formula((len(row), len(row)), lambda: tuple(tuple(a * b for b in row) for a in row))


def _normalised(samples: list[list[float]]) -> Matrix:
    total = math.fsum(sample for row in samples for sample in row)
    return tuple(tuple(sample / total for sample in row) for row in samples)


def _centred(samples: list[list[float]]) -> Matrix:
    mean = math.fsum(sample for row in samples for sample in row) / (len(samples) * len(samples[0]))
    return tuple(tuple(sample - mean for sample in row) for row in samples)
