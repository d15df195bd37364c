"""Radiance HDR: floats of linear light, decoded by imagecodecs; the header here.

https://radsite.lbl.gov/radiance/refer/filefmts.pdf: lines of text, an empty line, the size, and pixels of three mantissas with
one exponent.
"""

import math
import re
from typing import BinaryIO

import numpy as np

from ...errors import ImageError
from ..image import Admit, Array, Header, Image, check_pixels
from .codec import Codec

HEADER_BYTES = 65_536
HEADER = re.compile(rb"\A(#\?.*?\n)\n([-+][XY]) (\d{1,9}) ([-+][XY]) (\d{1,9})\n", re.DOTALL)
VARIABLE = re.compile(rb"^([A-Z]+)=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
KIND = b"32-bit_rle_rgbe"
START = b"#?RADIANCE\nFORMAT=" + KIND + b"\n\n"
UPRIGHT = (b"-Y", b"+X")
RUNS = b"\2\2"
"""The first bytes of a row in runs, before its length."""

PIXEL_BYTES = 4


class HdrCodec(Codec):
    """Radiance HDR, which is only read."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read a picture. Raises ImageError, and whatever imagecodecs raises on damaged data."""
        import imagecodecs

        header = HEADER.match(file.read(HEADER_BYTES))
        if header is None:
            raise ValueError("its header has no size")
        height, width = int(header[3]), int(header[5])
        variables = VARIABLE.findall(header[1])
        kind = dict(variables).get(b"FORMAT", KIND)
        if kind != KIND or (header[2], header[4]) != UPRIGHT:
            what = f"of the kind {kind.decode('latin-1')}" if kind != KIND else "whose rows do not begin at the top left"
            raise ImageError(f"is Radiance HDR {what}, which is not read; convert it to 32-bit_rle_rgbe, -Y H +X W, or OpenEXR")
        check_pixels(width, height, max_pixels)
        size = file.seek(0, 2) - header.end()
        admit(Header(height, width, 3, 4, 2 * size + 12 * width * height))
        file.seek(header.end())
        data = file.read()
        if not data.startswith(RUNS) and size != PIXEL_BYTES * width * height:
            raise ImageError("is truncated, or Radiance HDR with runs of an old kind; convert it to OpenEXR")
        start = START + b"-Y %d +X %d\n" % (height, width)
        pixels: Array = np.asarray(imagecodecs.rgbe_decode(start + data))
        return _with_notices(pixels / _exposure(variables), variables)


def _exposure(variables: list[tuple[bytes, bytes]]) -> np.float32:
    """Return the product of all exposures, by which the pixels were multiplied. Raises ValueError."""
    exposure = math.prod(float(value) for name, value in variables if name == b"EXPOSURE")
    if not (math.isfinite(exposure) and exposure > 0):
        raise ValueError(f"its exposure is {exposure}")
    return np.float32(exposure)


def _with_notices(pixels: Array, variables: list[tuple[bytes, bytes]]) -> Image:
    lost = [f"its {name.decode()}" for name in dict.fromkeys(name for name, _ in variables) if name not in KEPT]
    return Image(pixels, None, None, "HDR").with_unkept(*lost)


KEPT = (b"FORMAT", b"EXPOSURE", b"SOFTWARE")
"""Variables that are applied, or are true of this file alone."""
