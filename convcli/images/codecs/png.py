"""PNG: 16 bits with colour or alpha with imagecodecs, which Pillow would cut to 8 bits; the rest with Pillow.

https://www.w3.org/TR/png-3/. libpng is given the chunks of the pixels alone: it prints its warnings about others. The metadata
are read and written by Pillow, in a picture of one pixel that has the same chunks.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import PIL.Image

from ...errors import ImageError
from ..exif_block import ORIENTATION
from ..formats import BY_NAME, Encoding, Format
from ..image import REMEDY, Admit, Array, Header, Image, Metadata, check_pixels
from ..metadata import metadata_of
from ..orientation import upright
from .pillow import PillowCodec, pillow_settings

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_END = 33
"""Position after the signature and the chunk IHDR."""

SAMPLES = {2: 3, 4: 2, 6: 4}
"""Samples per pixel of the colour types RGB, grey with alpha, and RGBA."""

WITH_ALPHA = (4, 6)
TRANSPARENT_RGB_SIZE = 6
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"IEND")
"""Chunks that are not metadata. A palette of a picture in colour is only a suggestion."""

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""The passes of interlacing: first row and column, steps of rows and columns (section 8.1)."""

RUNS, FILTERED, DEFAULT = 3, 1, 0
PAETH, NO_FILTER = 128, 8
"""Strategies of zlib and filters of libpng, by their numbers."""


@dataclass(frozen=True)
class Chunk:
    """A chunk: its name, its data, and all its bytes, with length and checksum."""

    name: bytes
    data: bytes
    raw: bytes


@dataclass(frozen=True)
class DeepHeader:
    """The header of a file with 16 bits and with colour or alpha."""

    width: int
    height: int
    colour_type: int
    interlaced: bool

    @property
    def samples(self) -> int:
        """Samples per pixel."""
        return SAMPLES[self.colour_type]


class PngCodec(PillowCodec):
    """PNG of all depths."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read a picture. Raises ImageError, and whatever Pillow and imagecodecs raise on damaged data."""
        header = _deep_header(file)
        if header is None:
            return super().decode(file, max_pixels, admit, axes)
        check_pixels(header.width, header.height, max_pixels)
        size, stored = file.seek(0, io.SEEK_END), 2 * header.width * header.height * header.samples
        reading = 2 * size + (2 if header.interlaced else 1) * stored
        admit(Header(header.height, header.width, header.samples + (header.colour_type == 2), 2, reading))
        file.seek(len(SIGNATURE))
        chunks = list(_chunks(file.read()))
        return _read_deep(file, header, chunks)

    def encode(self, levels: Array, has_alpha: bool, file_format: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Encode levels. Raises whatever Pillow and imagecodecs raise.

        A megapixel of 16-bit colour, 6.3 MB, takes, in a photograph with little noise, in one with much, and in the edges of
        the first:

            level 1: runs only, filter Paeth    0.18 s 5.06 MB    0.21 s 5.55 MB    0.17 s 5.65 MB
            runs only, filter chosen by row     0.31 s 5.09 MB    0.32 s 5.53 MB    0.33 s 5.60 MB
            runs only, filter Sub (OpenCV's)    0.19 s 5.25 MB    0.18 s 5.58 MB    0.16 s 5.76 MB
            level 6: FILTERED, filter Paeth     0.69 s 5.06 MB    0.49 s 5.56 MB    0.59 s 5.67 MB
            level 6, libpng's default           0.75 s 5.19 MB    0.63 s 5.57 MB    0.58 s 5.64 MB
        """
        if levels.dtype != np.uint16 or levels.shape[2] == 1:
            return super().encode(levels, has_alpha, file_format, encoding, metadata)
        import imagecodecs

        level = encoding.png_level
        strategy, row_filter = {0: (DEFAULT, NO_FILTER), 1: (RUNS, PAETH)}.get(level, (FILTERED, PAETH))
        pixels = np.ascontiguousarray(levels)
        data = bytes(imagecodecs.png_encode(pixels, level, strategy=strategy, filter=row_filter))
        one_pixel = super().encode(np.zeros((1, 1, 1), np.uint8), False, file_format, encoding, metadata)
        chunks = _chunks(one_pixel[len(SIGNATURE) :])
        parts = [chunk.raw for chunk in chunks if chunk.name not in PIXEL_CHUNKS]
        return b"".join((data[:HEADER_END], *parts, memoryview(data)[HEADER_END:]))


def _deep_header(file: BinaryIO) -> DeepHeader | None:
    """Return the header of a file that Pillow would cut to 8 bits, or None. The file is at its start, and is again."""
    start = file.read(HEADER_END).ljust(HEADER_END, b"\0")
    file.seek(0)
    name, width, height, bits, colour_type, *_, interlacing = struct.unpack_from(">4sIIBBBBB", start, 12)
    if name != b"IHDR" or bits != 16 or colour_type not in SAMPLES:
        return None
    return DeepHeader(width, height, colour_type, interlacing == 1)


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a file after its signature. Raises ValueError for one that is cut off, unknown or damaged."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        raw = data[position : position + size + 12]
        if len(raw) < size + 12:
            raise ValueError(f"it ends in its chunk {name.decode('latin-1')!r}")
        is_critical = not name[0] & 0x20
        if is_critical and zlib.crc32(raw[4:-4]) != int.from_bytes(raw[-4:], "big"):
            raise ValueError(f"the checksum of its chunk {name.decode('latin-1')!r} is wrong")
        if is_critical and name not in PIXEL_CHUNKS:
            raise ValueError(f"its chunk {name.decode('latin-1')!r} is unknown, and no picture can be shown without it")
        yield Chunk(name, raw[8:-4], raw)
        position += size + 12
        if name == b"IEND":
            return


def _read_deep(file: BinaryIO, header: DeepHeader, chunks: list[Chunk]) -> Image:
    """Return the image of a file with these chunks, upright."""
    file_format = BY_NAME["png"]
    with pillow_settings, PIL.Image.open(io.BytesIO(_one_pixel(chunks)), formats=("PNG",)) as picture:
        picture.load()
        file_metadata = metadata_of(picture, file, file_format)
        orientation = picture.getexif().get(ORIENTATION, 1)
    levels = upright(_decode(header, chunks), orientation)
    colours = 1 if header.colour_type == 4 else 3
    alpha = np.ascontiguousarray(levels[:, :, colours]) if levels.shape[2] > colours else None
    image = Image(np.ascontiguousarray(levels[:, :, :colours]), 65535, alpha, "PNG", file_metadata.metadata)
    frames = max((int.from_bytes(chunk.data[:4], "big") for chunk in chunks if chunk.name == b"acTL"), default=1)
    return file_metadata.add_to(image).with_first_used(1, frames, "frames")


def _one_pixel(chunks: list[Chunk]) -> bytes:
    """Return a PNG file of one pixel with the metadata of these chunks, in their order."""
    parts = [SIGNATURE, _packed(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    has_pixel = False
    for chunk in chunks:
        if chunk.name == b"IDAT" and not has_pixel:
            parts.append(_packed(b"IDAT", zlib.compress(bytes(2))))
            has_pixel = True
        if chunk.name not in PIXEL_CHUNKS:
            parts.append(chunk.raw)
    if not has_pixel:
        raise ValueError("it has no pixels")
    return b"".join((*parts, _packed(b"IEND", b"")))


def _decode(header: DeepHeader, chunks: list[Chunk]) -> Array:
    """Return levels (H, W, samples). A transparent colour becomes alpha."""
    transparent = [chunk for chunk in chunks if chunk.name == b"tRNS" and header.colour_type not in WITH_ALPHA]
    if any(len(chunk.data) != TRANSPARENT_RGB_SIZE for chunk in transparent):
        raise ValueError("its transparent colour does not have three samples")
    kept = b"".join(chunk.raw for chunk in transparent[:1])
    pixels = [chunk for chunk in chunks if chunk.name == b"IDAT"]
    if not header.interlaced:
        return _decode_plain(header, kept + b"".join(chunk.raw for chunk in pixels))
    levels: Array | None = None
    passes = [(pass_, _pass_size(header, pass_)) for pass_ in ADAM7]
    sizes = [height * (1 + 2 * width * header.samples) if width else 0 for _, (height, width) in passes]
    scanlines = zlib.decompressobj().decompress(b"".join(chunk.data for chunk in pixels), sum(sizes))
    if len(scanlines) < sum(sizes):
        raise ValueError("it ends before its last row")
    position = 0
    for ((row, column, rows, columns), (height, width)), size in zip(passes, sizes, strict=True):
        if size:
            stored = _packed(b"IDAT", zlib.compress(scanlines[position : position + size], 0))
            part = _decode_plain(DeepHeader(width, height, header.colour_type, False), kept + stored)
            if levels is None:
                levels = np.empty((header.height, header.width, part.shape[2]), np.uint16)
            levels[row::rows, column::columns] = part
        position += size
    assert levels is not None  # the first pass has the pixel (0, 0)
    return levels


def _pass_size(header: DeepHeader, pass_: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return the number of rows and columns of a pass."""
    row, column, rows, columns = pass_
    return -(-max(header.height - row, 0) // rows), -(-max(header.width - column, 0) // columns)


def _decode_plain(header: DeepHeader, pixel_chunks: bytes) -> Array:
    """Return levels (H, W, samples) of a picture without interlacing, from its chunks tRNS and IDAT."""
    import imagecodecs

    start = struct.pack(">IIBBBBB", header.width, header.height, 16, header.colour_type, 0, 0, 0)
    data = b"".join((SIGNATURE, _packed(b"IHDR", start), pixel_chunks, _packed(b"IEND", b"")))
    levels = np.asarray(imagecodecs.png_decode(data))
    if levels.dtype != np.uint16 or levels.shape[:2] != (header.height, header.width) or levels.ndim != 3:
        raise ImageError("is truncated or corrupt: its PNG pixels do not fill its size; " + REMEDY)
    return levels


def _packed(name: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))))
