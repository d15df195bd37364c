"""Transparency. Colours are filtered multiplied by their alpha, so that what cannot be seen does not bleed into what can."""

from dataclasses import replace

import numpy as np

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import premultiply, unpremultiply
from ..geometry.borders import Border
from .image import Array, Image
from .quantize import to_levels


def is_opaque(image: Image) -> bool:
    """Whether nothing can be seen through any pixel."""
    return image.alpha is None or bool((image.alpha == image.opaque).all())


def premultiplied(image: Image, rows: Array, outside: float) -> Array:
    """Rows (n,) of the pixels times alpha, (n, W, C) float32, float64 for float64 pixels. A row -1 lies outside."""
    assert image.alpha is not None
    _, width, channels = image.pixels.shape
    out = np.empty((rows.size, width, channels), real_of(image))
    for begin in range(0, rows.size, FEW):
        few = rows[begin : begin + FEW]
        pixels, alpha, part = image.pixels[few], image.alpha[few], out[begin : begin + FEW]
        white = out.dtype.type(image.opaque)
        run_loop(premultiply, pixels.reshape(-1, channels), alpha.reshape(-1), white, part.reshape(-1, channels))
    out[rows < 0] = outside
    return out


def border_of_alpha(border: Border, opaque: float) -> Border:
    """What alpha holds beside an image whose colours have that border: "zero" is transparent there, a number opaque.

    >>> border_of_alpha("zero", 255), border_of_alpha(0, 255), border_of_alpha("wrap", 255)
    ('zero', 255, 'wrap')
    """
    return border if isinstance(border, str) else opaque


def real_of(image: Image) -> np.dtype:
    """The type of what is computed from the image."""
    return np.dtype(np.float64 if image.pixels.dtype == np.float64 else np.float32)


FEW = 64
"""Rows that are copied before they are multiplied."""


def least_cover(opaque: float) -> float:
    """Cover that is stored as alpha 0, with 8 bits or with 16. Colours under less cannot be seen, and are not divided by it."""
    return 0.5 / (255 if opaque == 255 else 65_535)


def straightened(colour: Array, alpha: Array, opaque: float, least: float | None = None) -> Array:
    """Colours (H, W, C) real, multiplied by alpha (H, W) / opaque, as straight colours; 0 where no more than least covers.

    That is ``least_cover`` if None.
    """
    least = least_cover(opaque) if least is None else least
    out = np.array(colour)
    real = out.dtype.type
    flat = out.reshape(-1, out.shape[2])
    run_loop(unpremultiply, np.ascontiguousarray(alpha, out.dtype).reshape(-1), real(opaque), real(least), flat)
    return out


def with_alpha(image: Image, alpha: Array, associated: bool) -> Image:
    """The image with this alpha; its colours are made straight if they come multiplied by it."""
    covered = replace(image, alpha=alpha)
    if not associated:
        return covered
    straight = straightened(image.pixels.astype(real_of(image)), alpha, covered.opaque, least=0.0)
    return replace(covered, pixels=straight if image.white is None else to_levels(straight, image.pixels.dtype))
