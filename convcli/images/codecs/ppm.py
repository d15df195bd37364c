"""PPM: 16-bit colour and PAM, which Pillow does not read; the rest with Pillow.

https://netpbm.sourceforge.net/doc/ppm.html and pam.html. Samples are scaled so that the highest, MAXVAL, is white.
"""

import re
from typing import BinaryIO

import numpy as np
from msgspec import Struct

from ...errors import ImageError
from ..file_parts import unkept_ppm_parts
from ..image import REMEDY, Admit, Array, Header, Image, check_pixels, image_of_samples, scaled_levels
from ..storage import Storage
from .pillow import PillowCodec

COLOUR_HEADER = re.compile(rb"P([36])" + rb"(?:\s|#[^\n]*\n)+(\d{1,10})" * 3 + rb"\s")
PAM_HEADER = re.compile(rb"P7\s*\n(.*?)^ENDHDR[ \t]*\r?\n", re.DOTALL | re.MULTILINE)
MAX_HEADER_BYTES = 4096
COMMENT = re.compile(rb"#[^\n]*")
BYTES_PER_WORD = 60
"""Memory of a sample written as text while it is read."""


class DeepHeader(Struct, frozen=True):
    """The size of a picture, its samples per pixel, its highest level, and the position of its samples in the file."""

    width: int
    height: int
    samples: int
    highest: int
    position: int
    is_text: bool = False

    @property
    def white(self) -> int:
        """The level of white of the image."""
        return 255 if self.highest <= 255 else 65535


class PpmCodec(PillowCodec):
    """PBM, PGM, PPM and PAM."""

    def read_picture(self, file: BinaryIO, max_pixels: int, admit: Admit) -> Image:
        """Read the first picture. Raises ImageError, and whatever Pillow raises on damaged data."""
        file.seek(0)
        start = file.read(MAX_HEADER_BYTES)
        file.seek(0)
        header = _pam_header(start) if start.startswith(b"P7") else _deep_header(start)
        if header is None:
            return super().read_picture(file, max_pixels, admit)
        check_pixels(header.width, header.height, max_pixels)
        if not 0 < header.highest < 65536:
            raise ImageError(f"is PPM whose highest level is {header.highest}; it must be 1..65535")
        count = header.width * header.height * header.samples
        itemsize = 1 if header.white == 255 else 2
        reading = count * (BYTES_PER_WORD if header.is_text else 8 + itemsize)
        admit(Header(header.height, header.width, header.samples, itemsize, reading))
        levels = _levels(file, header, count).reshape(header.height, header.width, header.samples)
        file.seek(0)
        lost = [] if start.startswith(b"P7") else list(filter(None, unkept_ppm_parts(file, {})))
        return image_of_samples(levels, header.white, "PPM").with_unkept(*lost)

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels. Raises whatever Pillow raises."""
        if levels.dtype != np.uint16 or levels.shape[2] == 1:
            return super().encode(levels, has_alpha, storage)
        height, width, _ = levels.shape
        return b"P6\n%d %d\n65535\n" % (width, height) + levels.astype(">u2").tobytes()


def _deep_header(start: bytes) -> DeepHeader | None:
    """Return the header of 16-bit colour, or None where Pillow reads the file in full."""
    match = COLOUR_HEADER.match(start)
    if match is None or int(match[4]) <= 255:
        return None
    kind, *numbers = (int(group) for group in match.groups())
    width, height, highest = numbers
    return DeepHeader(width, height, 3, highest, match.end(), kind == 3)


def _pam_header(start: bytes) -> DeepHeader:
    """Return the header of a PAM file. Raises ImageError."""
    match = PAM_HEADER.match(start)
    if match is None:
        raise ImageError("is PAM without a line ENDHDR")
    lines = [line.split(None, 1) for line in match[1].splitlines() if line.strip() and not line.startswith(b"#")]
    fields = {line[0].decode("latin-1"): line[1].strip() if len(line) > 1 else b"" for line in lines}
    numbers = [fields.get(name, b"") for name in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")]
    if not all(re.fullmatch(rb"\d{1,10}", number) for number in numbers):
        raise ImageError("is PAM whose header does not give WIDTH, HEIGHT, DEPTH and MAXVAL")
    width, height, samples, highest = map(int, numbers)
    kind = fields.get("TUPLTYPE", b"").decode("latin-1")
    expected = (2, 4) if kind.endswith("_ALPHA") else (1, 3)
    if samples not in expected:
        raise ImageError(f"is PAM of {samples} samples per pixel and type {kind!r}, which is not read; convert it to RGB")
    return DeepHeader(width, height, samples, highest, match.end())


def _levels(file: BinaryIO, header: DeepHeader, count: int) -> Array:
    """Return the samples, scaled. Raises ImageError where there are fewer, or one is above the highest level."""
    file.seek(header.position)
    if header.is_text:
        words = COMMENT.sub(b" ", file.read()).split(None, count)[:count]
        if not all(word.isdigit() and len(word) <= 5 for word in words):
            raise ImageError("is truncated or corrupt: its PPM samples are not all numbers of 0..65535; " + REMEDY)
        samples = np.array(words, dtype="S5").astype(np.int64) if words else np.zeros(0, np.int64)
    else:
        dtype = np.dtype(np.uint8 if header.highest <= 255 else ">u2")
        samples = np.frombuffer(file.read(count * dtype.itemsize)[: count * dtype.itemsize], np.uint8)
        samples = samples[: len(samples) // dtype.itemsize * dtype.itemsize].view(dtype)
    if len(samples) < count:
        raise ImageError(f"is truncated or corrupt: it has {len(samples)} of its {count} PPM samples; {REMEDY}")
    if samples.max() > header.highest:
        raise ImageError(
            f"is truncated or corrupt: its PPM sample {samples.max()} is above its MAXVAL, {header.highest}; {REMEDY}"
        )
    return scaled_levels(samples, header.highest)
