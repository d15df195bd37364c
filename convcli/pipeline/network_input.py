"""Converts a picture to the input of a network."""

import numpy as np

from ..images import alpha as transparency
from ..images.image import Array, Image
from ..images.resize import resized
from ..networks.network import Input
from ..ops.normalization import scale_into
from .kernel_maps import LUMA
from .prepare_digit import PreparedDigit, prepare_digit

CHUNK_SIZE = 1 << 18
"""Samples of an image that are converted at a time."""


def enter(image: Image, network_input: Input, size: tuple[int, int], invert: str = "auto") -> Array:
    """Convert an image to the input of a network: (C, H, W), float32 or float64, resized where it has another size.

    Channels, range, mean and standard deviation are those of ``Input``. A picture that is prepared is put in the middle of a
    larger input; ``invert`` is for digits. Raises ArgumentError where it cannot be prepared.
    """
    if network_input.prepare == "digit":
        return _scaled(_padded(prepared(image, invert).digit, size)[None], network_input, 1)
    height, width, channels = image.size
    maps = np.empty((network_input.channels, height, width), transparency.float_dtype_of(image))
    step = max(CHUNK_SIZE // (width * channels), 1)
    for begin in range(0, height, step):
        rows = slice(begin, begin + step)
        pixels = image.pixels[rows]
        if image.alpha is not None:
            pixels = transparency.premultiplied(image, rows)
        _mix(pixels.transpose(2, 0, 1), maps[:, rows])
    return _scaled(maps if size == (height, width) else resized(maps, size), network_input, image.white)


def prepared(image: Image, invert: str = "auto") -> PreparedDigit:
    """Return an image as a digit of MNIST. Raises ArgumentError where there is none in it.

    What is transparent is white or black, whichever the ink is seen on better.
    """
    white = image.white or max(float(np.abs(image.pixels).max()), 1.0)
    whole = image.pixels if image.alpha is None else transparency.premultiplied(image, slice(None))
    grey = np.empty((1, *image.size[:2]))
    _mix(whole.transpose(2, 0, 1), grey)
    over_black = grey[0] / white
    if image.alpha is None:
        return prepare_digit(over_black, invert)
    over_white = over_black + 1 - image.alpha / image.opaque
    return prepare_digit(max(over_black, over_white, key=np.std), invert)  # dark ink is seen on white, light ink on black


def _padded(plane: Array, size: tuple[int, int]) -> Array:
    """Return a plane in the middle of a larger one of zeros."""
    rows, columns = (whole - part for whole, part in zip(size, plane.shape, strict=True))
    return np.pad(plane, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)))


def _mix(channels: Array, out: Array) -> None:
    """Convert channels (C, h, W) to those of out: unchanged, RGB to grey, or grey to equal channels."""
    if len(channels) == 3 and len(out) == 1:
        real = out.dtype.type
        out[0] = sum(real(share) * channel for share, channel in zip(LUMA, channels, strict=True))
    else:
        out[:] = channels


def _scaled(maps: Array, network_input: Input, white: int | None) -> Array:
    """Scale levels to the range of the network, subtract the mean and divide by std, in place, rounded once."""
    scales, shifts = np.ones(len(maps)), np.zeros(len(maps))
    if network_input.range is not None and white is not None:  # floats without a known white are not scaled
        low, high = network_input.range
        scales *= (high - low) / white
        shifts += low
    shifts -= network_input.mean or 0.0
    scales /= network_input.std or 1.0
    shifts /= network_input.std or 1.0
    if shifts.any() or (scales != 1).any():
        scale_into(maps, scales, shifts, maps)
    return maps
