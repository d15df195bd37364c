"""Transparency. Colours are multiplied by alpha before they are filtered, so that what is invisible does not bleed."""

import numpy as np
from msgspec.structs import replace

from ..engine.jit.run import run_loop
from ..engine.loops.elementwise import premultiply, unpremultiply
from ..geometry.borders import Border
from .image import Array, Image
from .quantize import to_levels


def is_opaque(image: Image) -> bool:
    """Return whether every pixel is opaque."""
    return image.alpha is None or bool((image.alpha == image.opaque).all())


def premultiplied(image: Image, rows: Array | slice) -> Array:
    """Return the pixels of some rows, multiplied by alpha: (n, W, C) float32, float64 for float64 pixels."""
    out = np.empty(image.pixels[rows].shape, float_dtype_of(image))
    premultiply_into(image, rows, out)
    return out


def premultiply_into(image: Image, rows: Array | slice, out: Array) -> None:
    """Write the pixels of some rows, multiplied by alpha, to ``out`` (n, W, C) of ``float_dtype_of`` the image."""
    multiply_by_alpha(image, rows, image.pixels[rows], out)


def multiply_by_alpha(image: Image, rows: Array | slice, colours: Array, out: Array) -> None:
    """Write colours (n, W, C) times the alpha of some rows of an image to ``out`` (n, W, C), real, which may be ``colours``."""
    assert image.alpha is not None
    channels, white = out.shape[2], out.dtype.type(image.opaque)
    alpha = image.alpha[rows].reshape(-1)
    run_loop(premultiply, colours.reshape(-1, channels), alpha, white, out.reshape(-1, channels))


def border_of_alpha(border: Border, opaque: float) -> Border:
    """Return the border of alpha for a border of colours: outside of the image, "zero" is transparent, a number opaque.

    >>> border_of_alpha("zero", 255), border_of_alpha(0, 255), border_of_alpha("wrap", 255)
    ('zero', 255, 'wrap')
    """
    return border if isinstance(border, str) else opaque


def float_dtype_of(image: Image) -> np.dtype:
    """Return the dtype of what is computed from an image: float64 for float64 pixels, else float32."""
    return np.dtype(np.float64 if image.pixels.dtype == np.float64 else np.float32)


def least_visible_share(opaque: float) -> float:
    """Return the share of alpha below which it is stored as 0, with 8 bits or with 16.

    Colours under less are invisible, and are not divided by alpha.
    """
    return 0.5 / (255 if opaque == 255 else 65_535)


def unpremultiplied(colour: Array, alpha: Array, opaque: float, least_share: float | None = None) -> Array:
    """Return straight colours (H, W, C) of colours that are multiplied by alpha (H, W) / opaque.

    They are 0 where the share of alpha is not above ``least_share``; None is ``least_visible_share``.
    """
    least_share = least_visible_share(opaque) if least_share is None else least_share
    out = np.array(colour)
    real = out.dtype.type
    flat = out.reshape(-1, out.shape[2])
    run_loop(unpremultiply, np.ascontiguousarray(alpha, out.dtype).reshape(-1), real(opaque), real(least_share), flat)
    return out


def with_alpha(image: Image, alpha: Array, associated: bool) -> Image:
    """Return the image with alpha. Colours of associated alpha, which are multiplied by it, become straight."""
    with_channel = replace(image, alpha=alpha)
    if not associated:
        return with_channel
    straight = unpremultiplied(image.pixels.astype(float_dtype_of(image)), alpha, with_channel.opaque, least_share=0.0)
    return replace(with_channel, pixels=straight if image.white is None else to_levels(straight, image.pixels.dtype))
