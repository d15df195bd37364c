"""Linear light: decodes the levels of an image, and encodes responses as levels, by the curve of the image."""

import functools
import math

import numpy as np
from msgspec import Struct

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import interpolate, look_up
from ..errors import ImageError
from .curves import CICP_CURVES, SRGB, Curve, power_curve
from .icc_curves import BrokenProfile, curves_of_profile
from .image import Array, Image

FRACTION_BITS, LEAST_EXPONENT = 23, -100
"""Bits of a float32 after the leading one; exponent of two of the smallest light that is told from black."""

STEPS_PER_OCTAVE = (8, 10, 12)
"""Base-2 logarithms of the number of intervals in a power of two: the first with errors below LARGEST_ERROR is used."""

LARGEST_ERROR = 0.25
"""Largest error of a level that is decoded and encoded, in levels."""

REMEDY = "use --light encoded, or convert the picture to sRGB first"


class LinearLight(Struct, frozen=True, eq=False, dict=True):
    """Light of levels 0..white: 0 is black, 1 is white. There is one curve, or one for each channel.

    A curve is continued as an odd function below black. Above white, levels are proportional to light. So responses of any
    size and sign have levels, and a response is above white in light where it is above white in levels.
    """

    curves: tuple[Curve, ...]
    white: int

    @functools.cached_property
    def tables(self) -> Array:
        """Light of each level: (curves, white + 1) float32."""
        samples = np.arange(self.white + 1) / self.white
        return np.array([curve.decode(samples) for curve in self.curves], np.float32)

    @functools.cached_property
    def _encoder(self) -> tuple[np.int32, np.int32, Array]:
        """Shift, first interval and lines of ``interpolate``. All levels come back if the curves allow it."""
        levels = np.arange(self.white + 1)
        for bits in STEPS_PER_OCTAVE:
            encoder = _make_encoder(self.curves, self.white, self.tables, bits)
            light = self.tables.T.copy()
            _encode(light, *encoder)
            if np.abs(light - levels[:, None]).max() < LARGEST_ERROR:
                break
        return encoder

    def decode(self, pixels: Array, out: Array) -> None:
        """Write the light of pixels (..., C), uint8 or uint16, to ``out`` (..., C), float32 or float64."""
        channels = len(self.curves)
        run_loop(look_up, np.ascontiguousarray(pixels).reshape(-1, channels), self.tables, out.reshape(-1, channels))

    def encode(self, light: Array) -> Array:
        """Replace light (..., C) float32 by levels, not rounded, in place. Return it."""
        _encode(light.reshape(-1, len(self.curves)), *self._encoder)
        return light

    def decode_numbers(self, levels: Array) -> Array:
        """Return the light of levels (..., C), real numbers of any size and sign."""
        values = np.abs(levels).reshape(-1, len(self.curves)) / self.white
        light = np.column_stack([curve.decode(column) for curve, column in zip(self.curves, values.T, strict=True)])
        light = np.where(values > 1, values, light).reshape(levels.shape)
        signed: Array = np.copysign(light, levels).astype(levels.dtype)
        return signed


def _encode(light: Array, shift: np.int32, first: np.int32, lines: Array) -> None:
    run_loop(interpolate, light.view(np.int32), shift, first, lines, light)


def _make_encoder(curves: tuple[Curve, ...], white: int, tables: Array, bits: int) -> tuple[np.int32, np.int32, Array]:
    """Return the lines between exact points of the inverse curves, 2 ** bits of them in each power of two."""
    least = min(float(table[table > 0].min()) for table in tables)
    bottom = max(math.floor(math.log2(least)), LEAST_EXPONENT)
    octaves = 2.0 ** np.arange(bottom, 0)
    points = np.append((octaves[:, None] * (1 + np.arange(1 << bits) / (1 << bits))).ravel(), 1.0)
    shift = FRACTION_BITS - bits
    first = (int(points[:1].astype(np.float32).view(np.int32)[0]) >> shift) - 1
    return np.int32(shift), np.int32(first), np.array([_lines(points, curve.encode(points) * white, white) for curve in curves])


def _lines(points: Array, values: Array, white: int) -> Array:
    """Return start and slope of the lines below, between and above points: (n + 1, 2) float32."""
    slopes = np.diff(values) / np.diff(points)
    below, above = (0.0, values[0] / points[0]), (0.0, white)
    return np.array([below, *zip(values[:-1] - slopes * points[:-1], slopes, strict=True), above], np.float32)


@functools.lru_cache(maxsize=8)
def _light(curves: tuple[Curve, ...], white: int) -> LinearLight:
    return LinearLight(curves, white)


def srgb_of_light(light: Array) -> Array:
    """Return linear light as samples of sRGB, of which 1 is white, in float32. Light above 1 stays as it is.

    The errors are below a quarter of a level of 16 bits.

    >>> np.rint(255 * srgb_of_light(np.array([0.0, 0.0031308, 0.5, 1.0, 2.0]))).tolist()
    [0.0, 10.0, 188.0, 255.0, 510.0]
    """
    encoder = _light((SRGB,), 65535)
    return encoder.encode(np.array(light, np.float32, order="C")) / np.float32(encoder.white)


def light_of(image: Image) -> LinearLight | None:
    """Return the light of an image by the curve that its file states, else sRGB's; None where white is not known.

    As in PNG, cICP takes precedence over a profile, and that over gAMA. Raises ImageError for a curve that cannot be used.
    """
    if image.white is None:
        return None
    metadata, channels = image.metadata, image.pixels.shape[2]
    if metadata.cicp is not None:
        return _light(
            (_curve_of_cicp(metadata.cicp, "its file" if image.format in ("AVIF", "JXL") else "its chunk cICP"),), image.white
        )
    if metadata.icc is not None:
        try:
            curves = curves_of_profile(metadata.icc)
        except BrokenProfile as error:
            raise ImageError(f"its colour profile {error}, so --light linear cannot use it; {REMEDY}") from None
        if len(curves) not in (1, channels):
            raise ImageError(f"its colour profile has {len(curves)} curves for {channels} channels; {REMEDY}")
        return _light(curves, image.white)
    return _light((SRGB if metadata.gamma is None else power_curve(1 / metadata.gamma),), image.white)


def _curve_of_cicp(cicp: tuple[int, int, int, int], where: str) -> Curve:
    _, transfer, _, full_range = cicp
    if transfer not in CICP_CURVES or not full_range:
        what = f"transfer characteristics {transfer}" if full_range else "narrow range"
        known = ", ".join(map(str, sorted(CICP_CURVES)))
        raise ImageError(f"{where} states {what}; --light linear knows {known} of full range; {REMEDY}")
    return CICP_CURVES[transfer]
