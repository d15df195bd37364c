"""Generators: kernels computed from a formula with parameters, as plain Python numbers. Every parameter has a default.

Lengths are in pixels, angles in degrees. A generator checks its parameters. It raises ParameterError if one is out of range;
otherwise it returns a Formula: the shape of the matrix, and the function that computes it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import KernelError, nearest_name
from .kernel import MAX_SIDE, Matrix

NORMS = ("sum", "abs", "l2")
"""Norms to divide by: the sum of the weights, of their absolute values, and the root of the sum of squares."""


@dataclass(frozen=True)
class Formula:
    """A matrix that is computed on demand: its shape, a bound of its absolute weights, and norms that are certainly not 0."""

    shape: tuple[int, int]
    compute: Callable[[], Matrix]
    weight_bound: float = 1.0
    nonzero_norms: tuple[str, ...] = NORMS


def average(size: int = 3) -> Formula:
    """Return the mean of size x size pixels: all weights are 1 / size**2.

    >>> average(2).compute()
    ((0.25, 0.25), (0.25, 0.25))
    """
    _require(size >= 1, "size", "at least 1", size)
    side = _side("size", size, size)
    return Formula((side, side), lambda: ((1 / side**2,) * side,) * side)


def binomial(size: int = 5) -> Formula:
    """Return the outer product of a row of Pascal's triangle with itself, divided by its sum.

    It approximates a Gaussian with sigma = sqrt(size - 1) / 2.

    >>> [w * 16 for row in binomial(3).compute() for w in row]
    [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0]
    """
    _require(size >= 1, "size", "at least 1", size)
    n = _side("size", size, size) - 1
    return _square(n + 1, lambda: [math.comb(n, i) / 2**n for i in range(n + 1)])


def gaussian(sigma: float = 1.0, truncate: float = 4.0) -> Formula:
    """Return a Gaussian: exp(-(x**2 + y**2) / (2 sigma**2)), divided by its sum.

    It is sampled up to floor(truncate * sigma + 1/2) pixels from the centre. Equal to the response of
    ``scipy.ndimage.gaussian_filter`` to an impulse.
    """
    r = _gaussian_radius(sigma, truncate)
    return _square(2 * r + 1, lambda: _gaussian_row(sigma, r))


def disk(radius: float = 2.0) -> Formula:
    """Return the mean of the pixels whose centres are at most radius from the centre, as in the blur of a defocused lens.

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
    """Return the blur of a camera that moves by length pixels in the direction angle, counter-clockwise from the right.

    Before they are divided by their sum, weights fall linearly from 1 on the line of movement to 0 at a distance of one pixel.
    This is the rule that MATLAB documents for ``fspecial("motion")``.

    >>> motion(3).compute()
    ((0.3333333333333333, 0.3333333333333333, 0.3333333333333333),)
    """
    _require(length >= 1, "length", "at least 1", length)
    half = (length - 1) / 2
    _side("length", length, length + 2)
    cosine, sine = round(math.cos(math.radians(angle)), 12), round(math.sin(math.radians(angle)), 12)
    across, up = (max(math.ceil(half * abs(component) + 1) - 1, 0) for component in (cosine, sine))

    def weight(x: int, y: int) -> float:
        along = min(max(x * cosine + y * sine, -half), half)
        return max(1 - math.hypot(x - along * cosine, y - along * sine), 0.0)

    xs, ys = range(-across, across + 1), range(up, -up - 1, -1)
    return Formula((len(ys), len(xs)), lambda: _normalised([[weight(x, y) for x in xs] for y in ys]))


def unsharp(amount: float = 1.0, size: int = 5) -> Formula:
    """Return an unsharp mask: the image plus amount times its difference from a binomial blur of that size. The sum is 1."""
    _require(size % 2 == 1, "size", "odd, so that the blur has a centre", size)
    blur = binomial(size)
    centre = size // 2

    def sharpen() -> Matrix:
        return tuple(
            tuple((1 + amount) * (x == y == centre) - amount * w for x, w in enumerate(row))  # type: ignore[operator]
            for y, row in enumerate(blur.compute())
        )

    weight_bound = 1 + 2 * abs(amount)
    return Formula(blur.shape, sharpen, weight_bound, NORMS if weight_bound < 1e6 else ())


def log(sigma: float = 1.4, truncate: float = 4.0) -> Formula:
    """Return a Laplacian of Gaussian: ((x**2 + y**2) / sigma**4 - 2 / sigma**2) * gaussian, minus its mean.

    The sum is 0. The centre is negative, as in the kernel ``laplacian`` and in ``scipy.ndimage.gaussian_laplace``.
    """
    r = _gaussian_radius(sigma, truncate)
    around = range(-r, r + 1)

    def samples() -> Matrix:
        row = _gaussian_row(sigma, r)
        return _centred(
            [[((x * x + y * y) / sigma**4 - 2 / sigma**2) * row[x + r] * row[y + r] for x in around] for y in around]
        )

    return Formula((len(around), len(around)), samples, weight_bound=4 / sigma**2, nonzero_norms=())


def dog(sigma1: float = 1.0, sigma2: float = 1.6, truncate: float = 4.0) -> Formula:
    """Return the difference of two Gaussians, minus its mean. A ratio of 1.6 best approximates a Laplacian of Gaussian."""
    radii = [_gaussian_radius(sigma, truncate, name) for sigma, name in ((sigma1, "sigma1"), (sigma2, "sigma2"))]
    side = 2 * max(radii) + 1

    def row(sigma: float, r: int) -> list[float]:
        zeros = [0.0] * ((side - 1) // 2 - r)
        return [*zeros, *_gaussian_row(sigma, r), *zeros]

    def samples() -> Matrix:
        narrow, wide = (row(sigma, r) for sigma, r in zip((sigma1, sigma2), radii, strict=True))
        return _centred([[narrow[y] * narrow[x] - wide[y] * wide[x] for x in range(side)] for y in range(side)])

    return Formula((side, side), samples, weight_bound=2.0, nonzero_norms=())


def gabor(
    theta: float = 0.0, wavelength: float = 6.0, sigma: float = 0.0, gamma: float = 0.5, psi: float = 0.0, size: int = 0
) -> Formula:
    """Return a Gabor filter: exp(-(x'**2 + gamma**2 y'**2) / (2 sigma**2)) * cos(2 pi x' / wavelength + psi).

    x' and y' are the coordinates rotated by theta. A sigma of 0 means a bandwidth of one octave, 0.56 wavelengths; a size of 0
    means three sigmas on each side. Equal to OpenCV's ``getGaborKernel``, in which coordinates decrease from the first column
    and row to the last.
    """
    _require_all(
        (wavelength >= 1, "wavelength", "at least 1", wavelength),
        (sigma == 0 or sigma >= 0.01, "sigma", "at least 0.01, or 0 for one octave", sigma),
        (0.01 <= gamma <= 100, "gamma", "between 0.01 and 100", gamma),
        (size == 0 or (size > 0 and size % 2 == 1), "size", "odd, or 0 for three sigmas around", size),
    )
    deviation = sigma or wavelength * 3 / math.pi * math.sqrt(math.log(2) / 2)
    cosine, sine = math.cos(math.radians(theta)), math.sin(math.radians(theta))
    _side("size" if size else "sigma", size or deviation, size or 6 * deviation * max(1, 1 / gamma))
    across = size // 2 if size else round(3 * max(abs(deviation * cosine), abs(deviation / gamma * sine)))
    down = size // 2 if size else round(3 * max(abs(deviation * sine), abs(deviation / gamma * cosine)))

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


ANGLES = ("angle", "theta", "psi")
"""Parameters in degrees."""


class ParameterError(KernelError):
    """Some parameters are unknown or out of range: ``errors`` holds (name, message) of each."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(message for _, message in errors))
        self.errors = errors


@dataclass(frozen=True)
class GeneratorCall:
    """A generator with its parameters."""

    generator: str
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def all_parameters(self) -> dict[str, float]:
        """All parameters of the generator, with their values in this call."""
        function = GENERATORS[self.generator]
        code = function.__code__
        defaults = dict(zip(code.co_varnames[: code.co_argcount], function.__defaults__ or (), strict=True))
        return {**defaults, **dict(self.parameters)}

    def change(self, parameters: tuple[tuple[str, float], ...]) -> "GeneratorCall":
        """Return a call with other values for some parameters. Raises ParameterError for unknown parameters."""
        kinds = GENERATORS[self.generator].__annotations__
        errors = []
        for name, value in parameters:
            if name not in self.all_parameters:
                hint = nearest_name(name, self.all_parameters) or generators_with(name)
                errors.append((name, f"there is no parameter {name!r}; it takes {', '.join(self.all_parameters)}{hint}"))
            elif kinds[name] is int and value != int(value):
                errors.append((name, f"{name} must be a whole number, got {value:g}"))
        if errors:
            raise ParameterError(*errors)
        merged = {**dict(self.parameters), **dict(parameters)}
        return replace(self, parameters=tuple(merged.items()))

    def formula(self) -> Formula:
        """Return the formula of the matrix. Raises ParameterError if a parameter is out of range."""
        kinds = GENERATORS[self.generator].__annotations__
        values = {name: int(value) if kinds[name] is int else float(value) for name, value in self.parameters}
        return GENERATORS[self.generator](**values)


def generators_with(name: str) -> str:
    """Return the end of an error message that names the generators with this parameter; empty if there are none.

    >>> generators_with("sigma")
    "; 'sigma' is a parameter of gaussian, log, gabor"
    """
    generators = [generator for generator in GENERATORS if name in GeneratorCall(generator).all_parameters]
    return f"; {name!r} is a parameter of {', '.join(generators)}" if generators else ""


def _require_all(*rules: tuple[bool, str, str, float]) -> None:
    errors = [(name, f"{name} must be {rule}, got {value:g}") for holds, name, rule, value in rules if not holds]
    if errors:
        raise ParameterError(*errors)


def _require(holds: bool, name: str, rule: str, value: float) -> None:
    _require_all((holds, name, rule, value))


def _side(name: str, value: float, length: float) -> int:
    """Return the side of a kernel as an int. Raises ParameterError if it is too large."""
    if not length <= MAX_SIDE:
        text = f"{name}={value:g} makes a kernel {length:.6g} wide; the largest is {MAX_SIDE}"
        raise ParameterError((name, text))
    return int(length)


def _gaussian_radius(sigma: float, truncate: float, name: str = "sigma") -> int:
    _require_all(
        (sigma >= 0.01, name, "at least 0.01", sigma),
        (truncate >= 0.01, "truncate", "at least 0.01", truncate),
    )
    return _side(name, sigma, 2 * truncate * sigma + 1) // 2


def _gaussian_row(sigma: float, r: int) -> list[float]:
    samples = [math.exp(-0.5 * x * x / (sigma * sigma)) for x in range(-r, r + 1)]
    total = math.fsum(samples)
    return [sample / total for sample in samples]


def _square(side: int, make_row: Callable[[], list[float]]) -> Formula:
    """Return the formula for the outer product of a row with itself."""

    def compute() -> Matrix:
        row = make_row()
        return tuple(tuple([a * b for b in row]) for a in row)

    return Formula((side, side), compute)


def _normalised(samples: list[list[float]]) -> Matrix:
    total = math.fsum(sample for row in samples for sample in row)
    return tuple(tuple(sample / total for sample in row) for row in samples)


def _centred(samples: list[list[float]]) -> Matrix:
    mean = math.fsum(sample for row in samples for sample in row) / (len(samples) * len(samples[0]))
    return tuple(tuple(sample - mean for sample in row) for row in samples)
