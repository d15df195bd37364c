"""Gabor functions fitted to filters: orientation, frequency, bandwidth; and whether a filter is localised and oriented."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from ..engine.simd.reference import Array

ROUNDS = 60
"""Steps of the fit at most."""

EXPLAINED = 0.5
"""Share of the energy of a filter that a Gabor function explains at least where it is taken as one."""

WIDEST = 0.5
"""Largest standard deviation of a localised filter across its waves, as a share of its side."""

LEAST_FREQUENCY = 0.5
"""Waves on the side of a filter, at least, of one that lets no constant pass."""

LARGEST_BANDWIDTH = 3.0
"""Octaves of a bandpass filter, at most."""


class GaborFit(Struct, frozen=True):
    """A Gabor function: exp(-u^2 / 2 su^2 - v^2 / 2 sv^2) cos(2 pi f u + phase), u along the waves, v across.

    ``orientation`` is that of u in degrees from 0 to 180, 0 to the right and 90 downwards; ``frequency`` in cycles per pixel;
    ``bandwidth`` in octaves, between the frequencies of half the response (infinite where it reaches 0); ``length`` and
    ``width`` are sv and su in pixels; ``explained`` the share of the energy of the filter.
    """

    orientation: float
    frequency: float
    bandwidth: float
    length: float
    width: float
    x: float
    y: float
    phase: float
    explained: float

    def is_localised(self, side: float) -> bool:
        """Whether it fades inside of a filter of this side."""
        return bool(self.explained >= EXPLAINED and self.width <= WIDEST * side)

    def is_oriented(self, side: float) -> bool:
        """Whether it has a direction, and lets no constant pass: a bandpass of at most LARGEST_BANDWIDTH octaves."""
        waves = self.frequency * side >= LEAST_FREQUENCY
        return bool(self.explained >= EXPLAINED and waves and self.bandwidth <= LARGEST_BANDWIDTH)


def bandwidth_of(frequency: float, width: float) -> float:
    """Return the bandwidth in octaves of a Gabor function of a frequency and a standard deviation along its waves.

    Daugman, J. Opt. Soc. Am. A 2 (1985) 1160-1169.

    >>> round(bandwidth_of(0.25, 3.0), 2)
    0.74
    """
    half = math.sqrt(2 * math.log(2)) / (2 * math.pi * width)
    return math.log2((frequency + half) / (frequency - half)) if frequency > half else math.inf


def fit_gabor(weights: Array) -> GaborFit:
    """Return the Gabor function that is most like weights (kh, kw), by damped Gauss-Newton steps from several beginnings."""
    height, width = weights.shape
    scale = float(np.linalg.norm(weights))
    target = (weights / scale).ravel() if scale else weights.ravel()
    rows, columns = np.mgrid[:height, :width]
    grid = np.stack([columns.ravel() - (width - 1) / 2, rows.ravel() - (height - 1) / 2])
    fits = [_refined(start, target, grid) for start in _beginnings(target.reshape(height, width))]
    error, best = min(fits, key=lambda fit: fit[0])
    x, y, angle, frequency, along, across, cosine, sine = best
    along, across = abs(along), abs(across)
    if frequency < 0:
        frequency, sine = -frequency, -sine
    return GaborFit(
        orientation=float(math.degrees(angle) % 180),
        frequency=float(frequency),
        bandwidth=bandwidth_of(frequency, along),
        length=float(across),
        width=float(along),
        x=float(x + (width - 1) / 2),
        y=float(y + (height - 1) / 2),
        phase=math.degrees(math.atan2(-sine, cosine)) % 360,
        explained=float(max(0.0, 1 - error)),
    )


def _beginnings(weights: Array) -> Sequence[Array]:
    """Return parameters to begin with: the strongest frequencies of the weights, about the centre of their energy."""
    height, width = weights.shape
    size = 4 * max(height, width)
    power = np.abs(np.fft.fft2(weights, (size, size)))
    power[0, 0] = 0
    power[:, size // 2 + 1 :] = 0  # the other half is the same
    energy = weights**2 / max(float((weights**2).sum()), 1e-30)
    rows, columns = np.mgrid[:height, :width]
    x, y = float((energy * columns).sum()) - (width - 1) / 2, float((energy * rows).sum()) - (height - 1) / 2
    spread = max(
        math.sqrt(float((energy * ((columns - x - (width - 1) / 2) ** 2 + (rows - y - (height - 1) / 2) ** 2)).sum())), 0.7
    )
    found = []
    for _ in range(2):
        row, column = np.unravel_index(power.argmax(), power.shape)
        fy, fx = (np.fft.fftfreq(size)[index] for index in (row, column))
        frequency = max(math.hypot(fx, fy), 0.5 / max(height, width))
        for share in (0.6, 1.2):
            found.append(np.array([x, y, math.atan2(fy, fx), frequency, share * spread, spread, 1.0, 0.0]))
        near = slice(max(row - 4, 0), row + 5), slice(max(column - 4, 0), column + 5)
        power[near] = 0
    return found


def _refined(start: Array, target: Array, grid: Array) -> tuple[float, Array]:
    """Return the squared error of a fit, as a share, and its parameters. Amplitudes are solved exactly in every step."""
    parameters, damping = start.copy(), 1e-2
    error = _solve_amplitudes(parameters, target, grid)
    for _ in range(ROUNDS):
        values, slopes = _gabor(parameters, grid)
        residual = target - values
        products = slopes @ slopes.T
        step = np.linalg.solve(products + damping * np.diag(np.diag(products) + 1e-9), slopes @ residual)
        trial = parameters + step
        trial[4:6] = np.clip(np.abs(trial[4:6]), 0.4, 4 * math.sqrt(len(target)))
        trial_error = _solve_amplitudes(trial, target, grid)
        if trial_error < error:
            converged = error - trial_error < 1e-7
            parameters, error, damping = trial, trial_error, max(damping / 3, 1e-6)
            if converged:
                break
        else:
            damping *= 4
            if damping > 1e6:
                break
    return error, parameters


def _solve_amplitudes(parameters: Array, target: Array, grid: Array) -> float:
    """Set the amplitudes of cosine and sine to the best ones, in place. Return the squared error, as a share of the energy."""
    envelope, phase = _parts(parameters, grid)[:2]
    waves = np.stack([envelope * np.cos(phase), envelope * np.sin(phase)])
    products = waves @ waves.T + 1e-9 * np.eye(2)
    parameters[6:8] = np.linalg.solve(products, waves @ target)
    residual = target - parameters[6:8] @ waves
    return float(residual @ residual) / max(float(target @ target), 1e-30)


def _parts(parameters: Array, grid: Array) -> tuple[Array, Array, Array, Array]:
    """Return the envelope, the phase, and the places along and across the waves."""
    x, y, angle, frequency, along, across = parameters[:6]
    dx, dy = grid[0] - x, grid[1] - y
    u, v = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    return np.exp(-(u**2) / (2 * along**2) - v**2 / (2 * across**2)), 2 * math.pi * frequency * u, u, v


def _gabor(parameters: Array, grid: Array) -> tuple[Array, Array]:
    """Return the values of a Gabor function, and their derivatives by each parameter (8, n)."""
    envelope, phase, u, v = _parts(parameters, grid)
    angle, frequency, along, across, cosine, sine = parameters[2:]
    wave = cosine * np.cos(phase) + sine * np.sin(phase)
    slope = sine * np.cos(phase) - cosine * np.sin(phase)
    by_u = envelope * (-u / along**2 * wave + 2 * math.pi * frequency * slope)
    by_v = envelope * (-v / across**2) * wave
    c, s = math.cos(angle), math.sin(angle)
    slopes = [
        -by_u * c + by_v * s,
        -by_u * s - by_v * c,
        by_u * v - by_v * u,
        envelope * slope * 2 * math.pi * u,
        envelope * wave * u**2 / along**3,
        envelope * wave * v**2 / across**3,
        envelope * np.cos(phase),
        envelope * np.sin(phase),
    ]
    return envelope * wave, np.stack(slopes)
