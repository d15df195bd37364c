"""The input of a slide: a text of numbers, or a part of a picture, reduced, in the channels that are shown."""

import io
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from ..errors import ArgumentError, ImageError
from ..images.image import Array, Image
from ..images.provenance import digest_of
from ..images.read import open_frames, open_input
from ..images.resize import resized
from .kernel_maps import LUMA
from .slide_request import MAX_SIDE, Crop, SlideRequest

COLOURS = {"red": 0, "green": 1, "blue": 2}

MOST_WINDOWS = 4
"""Channels whose windows are shown side by side, at most."""


def read_slide_input(request: SlideRequest, standard_input: BinaryIO | None) -> tuple[Image, str]:
    """Return the input of a slide, at most MAX_SIDE rows and columns without alpha, and the digest of its source.

    Raises ImageError where the picture cannot be read or is too large, ArgumentError where an option does not fit it.
    """
    if request.grid is not None:
        digest = digest_of(io.BytesIO(repr(request.grid).encode()))
        image = Image(np.array(request.grid, np.float64)[:, :, None], None)
    else:
        with open_input(request.input.source, standard_input, allow_pipe=True) as file:
            digest = digest_of(file)
            file.seek(0)
            frames = open_frames(file, request.max_pixels, request.axes)
            image = frames.read(0, lambda header: None).with_first_used(1, frames.series.count, "frames")
    if image.alpha is not None:
        image = replace(image, alpha=None).with_notices("alpha is not shown: the kernel sees the picture as if it were opaque")
    if request.crop is not None:
        image = replace(image, pixels=_cropped(image.pixels, request.crop))
    image = _in_channels(image, request)
    if request.resize is not None:
        image = _reduced(image, request.resize)
    height, width, _ = image.size
    if max(height, width) > MAX_SIDE:
        raise ImageError(
            f"is {width} x {height}, and a slide shows at most {MAX_SIDE} x {MAX_SIDE}; take a part of it with --crop X,Y,WxH, "
            f"such as --crop {width // 2},{height // 2},8x8, or reduce it with --resize N, such as --resize 12"
        )
    return image, digest


def _cropped(pixels: Array, crop: Crop) -> Array:
    height, width = pixels.shape[:2]
    if crop.x + crop.width > width or crop.y + crop.height > height:
        raise ArgumentError(
            f"crop {crop.x},{crop.y},{crop.width}x{crop.height} reaches outside of the picture, which is {width} x {height}: "
            f"X + W is {crop.x + crop.width}, and Y + H is {crop.y + crop.height}"
        )
    return pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]


def _in_channels(image: Image, request: SlideRequest) -> Image:
    """Return the channels that --channels names; of a picture in colour, its grey levels."""
    channels, asked = image.size[2], request.channels
    if request.kernel is not None and len(request.kernel.shape) == 3:
        if asked not in (None, "sum"):
            raise ArgumentError(f"kernel {request.kernel.name!r} sums over the channels itself; leave out --channels {asked}")
        asked = "sum"
    if asked == "sum" and request.pool is not None:
        raise ArgumentError("pooling does not sum over channels; give --channels gray, red, green or blue")
    if asked == "sum":
        if channels > MOST_WINDOWS:
            raise _too_many_channels(image)
        return image
    if asked in COLOURS:
        if channels != len(COLOURS):
            raise ArgumentError(f"--channels {asked} needs a picture of 3 channels, and this one has {channels}")
        return replace(image, pixels=image.pixels[:, :, COLOURS[asked], None])
    if channels == 1:
        return image
    if channels != len(LUMA):
        if channels > MOST_WINDOWS:
            raise _too_many_channels(image)
        raise ArgumentError(f"the picture has {channels} channels, and no grey; give --channels sum")
    grey = _as_levels(image.pixels @ np.array(LUMA), image)[:, :, None]
    notice = "is shown in grey, in whole levels; --channels sum shows three channels, red, green or blue one"
    return replace(image, pixels=grey).with_notices(
        notice if image.white is not None else notice.replace(", in whole levels", "")
    )


def _too_many_channels(image: Image) -> ArgumentError:
    text = f"a slide shows at most {MOST_WINDOWS} channels, and the picture has {image.size[2]}"
    is_array = image.format == "NPY"
    return ArgumentError(f"{text}; --axes zyx reads an array as frames, of which the first is shown" if is_array else text)


def _reduced(image: Image, size: tuple[int, int] | int) -> Image:
    """Return an image at a smaller size (rows, columns), or with the longer side. Raises ArgumentError for a larger one."""
    height, width, _ = image.size
    if isinstance(size, int):
        longest = max(height, width)
        size = max(1, round(height * size / longest)), max(1, round(width * size / longest))
    if size[0] > height or size[1] > width:
        raise ArgumentError(f"--resize reduces, and {size[1]} x {size[0]} is larger than {width} x {height}; leave it out")
    maps = resized(image.pixels.transpose(2, 0, 1).astype(np.float64), size).transpose(1, 2, 0)
    return replace(image, pixels=_as_levels(maps, image))


def _as_levels(samples: Array, image: Image) -> Array:
    """Return samples in the dtype of an image: whole levels where it has levels."""
    levels: Array = np.rint(samples).astype(image.pixels.dtype) if image.white is not None else samples
    return levels
