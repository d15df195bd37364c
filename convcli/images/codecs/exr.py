"""OpenEXR with the package OpenEXR, an optional dependency: half and float samples of linear light."""

import io
from typing import Any, BinaryIO

import numpy as np

from ...errors import ImageError
from ..image import Admit, Array, Header, Image, as_levels, check_pixels, image_of_samples, itemsize_of
from .codec import Codec
from .library_lines import lines_dropped

RGB, GREY, ALPHA = ("R", "G", "B"), ("Y",), "A"
DTYPES = {"HALF": "<f2", "FLOAT": "<f4", "UINT": "<u4"}
COPIES = 2
"""Copies of the samples in memory while they are read, in addition to the image."""
LINES = rb"<Python Stream>: "
"""How the lines begin that the library prints for damaged data."""

KNOWN_ATTRIBUTES = (
    *("channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio", "screenWindowCenter"),
    *("screenWindowWidth", "type", "tiles", "chunkCount", "version", "name", "zipCompressionLevel", "dwaCompressionLevel"),
)
"""Attributes that describe how the pixels are stored."""


class ExrCodec(Codec):
    """OpenEXR, which is only read."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first part. Raises ImageError, and whatever OpenEXR raises on damaged data.

        The picture is the data window. Colours are divided by alpha, by which OpenEXR stores them multiplied.
        """
        try:
            import OpenEXR
        except ImportError:
            raise ImageError("is OpenEXR, which needs a further package: pip install 'convcli[exr]'") from None
        file.seek(0)
        data = file.read()
        with lines_dropped(LINES):
            parts = OpenEXR.File(io.BytesIO(data), header_only=True, num_threads=0).parts
        header = parts[0].header
        (left, top), (right, bottom) = (map(int, corner) for corner in header["dataWindow"])
        width, height = right - left + 1, bottom - top + 1
        check_pixels(width, height, max_pixels)
        names = _channels_of(header)
        with lines_dropped(LINES):
            reader = OpenEXR.InputFile(io.BytesIO(data))  # raises an error for damaged pixels, where File omits their part
        dtypes = [np.dtype(DTYPES[str(reader.header()["channels"][name].type)]) for name in names]
        itemsize = max(map(itemsize_of, dtypes))
        admit(Header(height, width, len(names), itemsize, 2 * len(data) + COPIES * itemsize * width * height * len(names)))
        with lines_dropped(LINES):
            planes = [np.frombuffer(reader.channel(name), dtype) for name, dtype in zip(names, dtypes, strict=True)]
        levels = np.dstack([as_levels(plane.reshape(height, width))[0] for plane in planes])
        return _image_of(levels, names, header, len(parts))


def _channels_of(header: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the colours, and of alpha last. Raises ImageError."""
    channels = {channel.name: channel for channel in header["channels"]}
    if "deep" in str(header["type"]):
        raise ImageError("is OpenEXR with deep pixels, which are not read; flatten it")
    colours = next((names for names in (RGB, GREY, tuple(channels)[:1]) if set(names) <= channels.keys()), ())
    if not colours or (colours not in (RGB, GREY) and len(channels) > 1):
        raise ImageError(
            f"is OpenEXR with the channels {', '.join(channels)}; read are R, G and B, or Y, each with A, or one channel; "
            "convert it"
        )
    if any((channel.xSampling, channel.ySampling) != (1, 1) for channel in channels.values()):
        raise ImageError("is OpenEXR with channels of different sizes, which are not read; convert it to RGB")
    return (*colours, ALPHA) if ALPHA in channels and colours != (ALPHA,) else colours


def _image_of(levels: Array, names: tuple[str, ...], header: dict[str, Any], parts: int) -> Image:
    image = image_of_samples(levels, None, "EXR")
    if image.alpha is not None:
        alpha = image.alpha[:, :, None]
        np.divide(image.pixels, alpha, out=image.pixels, where=alpha > 0)
    others = [channel.name for channel in header["channels"] if channel.name not in names]
    lost = [f"its channels {', '.join(others)}"] if others else []
    lost += [f"its attribute {name}" for name in header if name not in KNOWN_ATTRIBUTES]
    return image.with_unkept(*lost).with_first_used(1, parts, "parts")
