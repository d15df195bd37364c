"""The error function and its complement, which NumPy has not: rational approximations, exact to some units in the last place.

The coefficients are those of W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation
23 (1969), 631-637, as his subroutine CALERF has them (https://www.netlib.org/specfun/erf). Their relative error is 6e-19.
"""

from typing import TypeAlias

import numpy as np

from ..engine.simd.reference import Array

Polynomial: TypeAlias = tuple[float, ...]
"""Coefficients, that of the highest power first."""

NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
"""erf(x) / x as polynomials of x * x, up to THRESHOLD."""

MIDDLE = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
"""erfc(x) * exp(x * x) as polynomials of x, up to FAR_THRESHOLD."""

FAR = (
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242,
        1.87295284992346725,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)
"""(1 / sqrt(pi) - x * erfc(x) * exp(x * x)) * x * x as polynomials of 1 / (x * x), beyond FAR_THRESHOLD."""

THRESHOLD = 0.46875
FAR_THRESHOLD = 4.0
"""The places where one approximation takes over from another."""

LARGEST = 30.0
"""Beyond it erfc is 0 in float64."""


def erf(x: Array) -> Array:
    """Return the error function of each value, in float64.

    >>> erf(np.array([-np.inf, 0, 0.5])).round(12).tolist()
    [-1.0, 0.0, 0.520499877813]
    """
    x = x.astype(np.float64)
    small = np.abs(x) <= THRESHOLD
    return np.where(small, _near(np.where(small, x, 0.0)), np.copysign(1.0 - erfc(np.abs(x)), x))


def erfc(x: Array) -> Array:
    """Return 1 - erf of each value, in float64, with small results as exact as large ones.

    >>> erfc(np.array([0.0, 5.0])).tolist()
    [1.0, 1.537459794428035e-12]
    """
    x = x.astype(np.float64)
    distance = np.minimum(np.abs(x), LARGEST)  # NaN stays NaN
    middle = np.clip(distance, THRESHOLD, FAR_THRESHOLD)
    far = np.maximum(distance, FAR_THRESHOLD)
    inverse = 1.0 / (far * far)
    tail = (1.0 / np.sqrt(np.pi) - inverse * _ratio(FAR, inverse)) / far
    scaled = np.where(distance <= FAR_THRESHOLD, _ratio(MIDDLE, middle), tail)
    coarse = np.trunc(distance * 16.0) / 16.0  # its square is exact, so that exp loses nothing
    result = np.exp(-coarse * coarse) * np.exp(-(distance - coarse) * (distance + coarse)) * scaled
    result = np.where(x < 0, 2.0 - result, result)
    small = np.abs(x) <= THRESHOLD
    return np.where(small, 1.0 - _near(np.where(small, x, 0.0)), result)


def _near(x: Array) -> Array:
    return x * _ratio(NEAR, x * x)


def _ratio(polynomials: tuple[Polynomial, Polynomial], x: Array) -> Array:
    """Return the quotient of two polynomials."""
    above, below = (np.polyval(coefficients, x) for coefficients in polynomials)
    quotient: Array = above / below
    return quotient
