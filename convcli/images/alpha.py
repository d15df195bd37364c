"""Transparency. Colours are filtered multiplied by their alpha, so that what cannot be seen does not bleed into what can."""

from dataclasses import replace

import numpy as np

from ..core import loops
from ..core.compiler import run_loop
from .image import Array, Image
from .levels import to_levels


def premultiplied(image: Image) -> Array:
    """Pixels times alpha, (H, W, C) float32, float64 for float64 pixels; the pixels themselves where all of them are opaque."""
    if image.alpha is None or (image.alpha == image.opaque).all():
        return image.pixels
    real = np.dtype(np.float64 if image.pixels.dtype == np.float64 else np.float32)
    out = np.empty(image.pixels.shape, real)
    pixels = image.pixels.reshape(-1, image.pixels.shape[2])
    run_loop(loops.premultiply, pixels, image.alpha.reshape(-1), real.type(image.opaque), out.reshape(pixels.shape))
    return out


LEAST = 0.5 / 255
"""Cover that is stored as 0 with 8 bits. Colours under less are not divided by it: they would be noise, and cannot be seen."""


def straightened(colour: Array, alpha: Array, opaque: float, least: float = LEAST) -> Array:
    """Colours (H, W, C) real, multiplied by alpha (H, W) / opaque, as straight colours; 0 where no more than least covers."""
    out = np.array(colour)
    real = out.dtype.type
    flat = out.reshape(-1, out.shape[2])
    run_loop(loops.unpremultiply, np.ascontiguousarray(alpha, out.dtype).reshape(-1), real(opaque), real(least), flat)
    return out


def with_alpha(image: Image, alpha: Array, associated: bool) -> Image:
    """The image with this alpha; its colours are made straight if they come multiplied by it."""
    covered = replace(image, alpha=alpha)
    if not associated:
        return covered
    real = np.float64 if image.pixels.dtype == np.float64 else np.float32
    straight = straightened(image.pixels.astype(real), alpha, covered.opaque, least=0.0)
    return replace(covered, pixels=straight if image.white is None else to_levels(straight, image.pixels.dtype))
