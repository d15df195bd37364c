"""Curves from stored samples to linear light. Both go from 0 (black) to 1 (white).

A picture stores its samples by a curve that is steep near white and flat near black, as the eye sees. Light adds linearly only
after it is decoded by this curve.
"""

import math

import numpy as np
from msgspec import Struct

from .image import Array

BISECTIONS = 60
"""Steps that find a stored sample: each halves the interval, and a float64 has 53 bits."""


class Curve(Struct, frozen=True):
    """A curve that grows."""

    name: str

    def decode(self, samples: Array) -> Array:
        """Return linear light of stored samples, float64. Values beyond 0 and 1 become 0 and 1."""
        raise NotImplementedError

    def encode(self, light: Array) -> Array:
        """Return the largest stored samples, float64, whose light is at most ``light``: the inverse of ``decode``."""
        low, high = np.zeros_like(light), np.ones_like(light)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self.decode(middle) <= light
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where(self.decode(high) <= light, high, low)

    @property
    def is_usable(self) -> bool:
        """Whether light is finite and grows from black to white: a decrease of less than 1/65535 is rounding of a profile."""
        light = self.decode(np.linspace(0, 1, 4097))
        return bool(np.isfinite(light).all() and (np.diff(light) > -1 / 65535).all() and light[-1] > light[0])


class ParametricCurve(Curve, frozen=True):
    """y = (a x + b) ** gamma + e where x is at least d, else c x + f; or, with a ``table``, the line through its entries.

    The parameters are those of the ICC type parametricCurveType, function 4 (ICC.1:2022, 10.18). The entries of a table are
    those of evenly spaced samples, from 0 to 1.

    >>> SRGB.decode(np.array([0, 0.5, 1])).round(4).tolist()
    [0.0, 0.214, 1.0]
    """

    gamma: float = 1.0
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0
    table: tuple[float, ...] = ()

    def decode(self, samples: Array) -> Array:
        """Return linear light of stored samples."""
        x = np.clip(np.asarray(samples, np.float64), 0, 1)
        if self.table:
            return np.interp(x, np.linspace(0, 1, len(self.table)), self.table)
        with np.errstate(all="ignore"):  # what is not finite is refused later
            power = np.maximum(self.a * x + self.b, 0) ** self.gamma + self.e
            return np.clip(np.where(x >= self.d, power, self.c * x + self.f), 0, 1)


class PerceptualQuantizer(Curve, frozen=True):
    """Light of a display, of which 1 is 10,000 cd/m2 (SMPTE ST 2084; Rec. ITU-R BT.2100, table 4).

    >>> (10_000 * PQ.decode(np.array([0, 0.50808, 1]))).round(1).tolist()
    [0.0, 100.0, 10000.0]
    """

    def decode(self, samples: Array) -> Array:
        """Return linear light of stored samples."""
        power = np.clip(np.asarray(samples, np.float64), 0, 1) ** (1 / PQ_M2)
        light: Array = (np.maximum(power - PQ_C1, 0) / (PQ_C2 - PQ_C3 * power)) ** (1 / PQ_M1)
        return light


class HybridLogGamma(Curve, frozen=True):
    """Light of the scene (ARIB STD-B67; Rec. ITU-R BT.2100, table 5).

    >>> HLG.decode(np.array([0, 0.5, 0.75, 1])).round(4).tolist()
    [0.0, 0.0833, 0.265, 1.0]
    """

    def decode(self, samples: Array) -> Array:
        """Return linear light of stored samples."""
        x = np.clip(np.asarray(samples, np.float64), 0, 1)
        return np.clip(np.where(x <= 0.5, x**2 / 3, (np.exp((x - HLG_C) / HLG_A) + HLG_B) / 12), 0, 1)


PQ_M1, PQ_M2, PQ_C1, PQ_C2, PQ_C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
HLG_A = 0.17883277
HLG_B, HLG_C = 1 - 4 * HLG_A, 0.5 - HLG_A * math.log(4 * HLG_A)
PQ, HLG = PerceptualQuantizer("PQ"), HybridLogGamma("HLG")

SRGB = ParametricCurve("sRGB", 2.4, a=1 / 1.055, b=0.055 / 1.055, c=1 / 12.92, d=0.04045)
"""IEC 61966-2-1."""

BT709 = ParametricCurve(
    "BT.709", 1 / 0.45, a=1 / 1.099296826809442, b=0.099296826809442 / 1.099296826809442, c=1 / 4.5, d=4.5 * 0.018053968510807
)
"""Rec. ITU-T H.273, transfer characteristics 1, 6, 14 and 15: the inverse of the curve of BT.709, BT.601 and BT.2020."""


def power_curve(gamma: float) -> Curve:
    """Return the curve y = x ** gamma."""
    return ParametricCurve(f"gamma {gamma:.6g}", gamma)


CICP_CURVES = dict.fromkeys((1, 6, 14, 15), BT709) | {
    4: power_curve(2.2),
    5: power_curve(2.8),
    8: power_curve(1.0),
    13: SRGB,
    16: PQ,
    18: HLG,
}
"""Curves by the code of transfer characteristics in Rec. ITU-T H.273, which a PNG chunk cICP holds."""
