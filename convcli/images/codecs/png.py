"""PNG: written with imagecodecs, in half the time of Pillow, and read with it where Pillow would cut 16 bits to 8.

https://www.w3.org/TR/png-3/. libpng is given the chunks of the pixels alone: it prints its warnings about others. The metadata
are read and written by Pillow, in a picture of one pixel that has the same chunks.
"""

import io
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ...errors import ImageError
from ..chunks import PNG_HEADER_END, PNG_SIGNATURE, png_chunk
from ..frames import Frames, LevelsOfFrame, Series
from ..image import REMEDY, Admit, Array, Header, Image, Metadata, check_pixels, image_of_samples
from ..orientation import upright
from ..storage import Storage
from .apng import AnimationReader, read_animation, write_animation
from .pillow import PillowCodec
from .png_chunks import PIXEL_CHUNKS, TYPES_WITH_ALPHA, Chunk, file_metadata_of, read_chunks

SAMPLES = {2: 3, 4: 2, 6: 4}
"""Samples per pixel of the colour types RGB, grey with alpha, and RGBA."""

TRANSPARENT_RGB_SIZE = 6
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""The passes of interlacing: first row and column, steps of rows and columns (section 8.1)."""

RUNS, FILTERED, DEFAULT = 3, 1, 0
PAETH, NO_FILTER = 128, 8
"""Strategies of zlib and filters of libpng, by their numbers."""

CODINGS = ((RUNS, PAETH), (RUNS, NO_FILTER), (DEFAULT, PAETH), (DEFAULT, NO_FILTER), (FILTERED, PAETH))
"""Strategies and filters, of which the one that is smallest in a few rows is taken, or at level 9 in the whole picture.
FILTERED, the last, is DEFAULT below MIN_FILTERED_LEVEL.

kB and milliseconds at level 1 for 512 x 512 x 3, text for 1024 x 768, beside Pillow with its defaults and with runs alone:

                  RUNS, PAETH    RUNS, NO_FILTER    DEFAULT, PAETH    DEFAULT, NO_FILTER    Pillow    its runs
    photograph    423  10        666   9            468  19           618  22               469  27   424  23
    its blur      262  12        677  11            290  11           524  15               292  21   265  17
    its edges     525  11        377  12            564  19           432  14               436  34   381  21
    text          631  15        536  12            205  11           166  11               176  24   544  34
    grey as RGB   390  11        470  10            246  12           267  13               245  22   385  21
"""

MIN_FILTERED_LEVEL, MAX_LEVEL = 4, 9
SAMPLE_BANDS, SAMPLE_ROWS = 2, 8
"""Bands of rows that are encoded in each coding, and the rows of each: in 512 rows they take a tenth of the time."""


class DeepHeader(Struct, frozen=True):
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

    def open_frames(self, file: BinaryIO, max_pixels: int, axes: str | None) -> Frames:
        """Return the frames of an animation (APNG), or the only picture. Raises ImageError, and ValueError on damaged data."""
        animation = read_animation(file)
        if animation is None:
            return super().open_frames(file, max_pixels, axes)
        if animation.series.count == 1:
            still = super().open_frames(file, max_pixels, axes)
            return replace(still, read=lambda index, admit: _losing_animation(still.read(index, admit)))
        check_pixels(animation.width, animation.height, max_pixels)
        reader = AnimationReader(file, animation, lambda data, admit: self.read_picture(io.BytesIO(data), max_pixels, admit))
        return Frames(animation.series, reader.read)

    def write_frames(self, file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
        """Write an animation (APNG). Raises ArgumentError for frames of several kinds."""
        further = replace(storage, metadata=Metadata())

        def encode(levels: Array, has_alpha: bool, is_first: bool) -> bytes:
            return self.encode(levels, has_alpha, storage if is_first else further)

        write_animation(file, frames, series, encode)

    def read_picture(self, file: BinaryIO, max_pixels: int, admit: Admit) -> Image:
        """Read the picture that is shown where animations are not.

        Raises ImageError, and whatever Pillow and imagecodecs raise on damaged data.
        """
        file.seek(0)
        header = _deep_header(file)
        if header is None:
            return super().read_picture(file, max_pixels, admit)
        check_pixels(header.width, header.height, max_pixels)
        size, stored = file.seek(0, io.SEEK_END), 2 * header.width * header.height * header.samples
        reading = 2 * size + (2 if header.interlaced else 1) * stored
        admit(Header(header.height, header.width, header.samples + (header.colour_type == 2), 2, reading))
        file.seek(0)
        chunks = list(read_chunks(file.read()))
        return _read_deep(file, header, chunks)

    def encode(self, levels: Array, has_alpha: bool, storage: Storage) -> bytes:
        """Encode levels. Raises whatever Pillow and imagecodecs raise."""
        data = _encode_pixels(np.ascontiguousarray(levels), storage.encoding.png_level)
        one_pixel = super().encode(np.zeros((1, 1, 1), np.uint8), False, storage)
        chunks = read_chunks(one_pixel)
        parts = [chunk.raw for chunk in chunks if chunk.name not in PIXEL_CHUNKS]
        return b"".join((data[:PNG_HEADER_END], *parts, memoryview(data)[PNG_HEADER_END:]))


def _encode_pixels(levels: Array, level: int) -> bytes:
    """Return a file without metadata, in the coding that is likely to be the smallest."""
    import imagecodecs

    def encode(rows: Array, coding: tuple[int, int]) -> bytes:
        return bytes(imagecodecs.png_encode(rows, level, strategy=coding[0], filter=coding[1]))

    levels = levels[:, :, 0] if levels.shape[2] == 1 else levels
    if level == 0:
        return encode(levels, (DEFAULT, NO_FILTER))
    if level == MAX_LEVEL:
        return min((encode(levels, coding) for coding in CODINGS), key=len)
    height = len(levels)
    starts = ((2 * band + 1) * height // (2 * SAMPLE_BANDS) - SAMPLE_ROWS // 2 for band in range(SAMPLE_BANDS))
    sample = np.concatenate([levels[max(start, 0) : start + SAMPLE_ROWS] for start in starts])
    codings = CODINGS[:-1] if level < MIN_FILTERED_LEVEL else CODINGS
    return encode(levels, min(codings, key=lambda coding: len(encode(sample, coding))))


def _losing_animation(image: Image) -> Image:
    notice = "has a still picture and an animation of one frame; the still picture is used"
    return image.with_notices(notice).with_losses("its animation of one frame")


def _deep_header(file: BinaryIO) -> DeepHeader | None:
    """Return the header of a file that Pillow would cut to 8 bits, or None. The file is at its start, and is again."""
    start = file.read(PNG_HEADER_END).ljust(PNG_HEADER_END, b"\0")
    file.seek(0)
    name, width, height, bits, colour_type, *_, interlacing = struct.unpack_from(">4sIIBBBBB", start, 12)
    if name != b"IHDR" or bits != 16 or colour_type not in SAMPLES:
        return None
    return DeepHeader(width, height, colour_type, interlacing == 1)


def _read_deep(file: BinaryIO, header: DeepHeader, chunks: list[Chunk]) -> Image:
    """Return the image of a file with these chunks, upright."""
    file_metadata, orientation = file_metadata_of(file, chunks)
    levels = upright(_decode(header, chunks), orientation)
    return file_metadata.add_to(image_of_samples(levels, 65535, "PNG", file_metadata.metadata))


def _decode(header: DeepHeader, chunks: list[Chunk]) -> Array:
    """Return levels (H, W, samples). A transparent colour becomes alpha."""
    transparent = [chunk for chunk in chunks if chunk.name == b"tRNS" and header.colour_type not in TYPES_WITH_ALPHA]
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
            stored = png_chunk(b"IDAT", zlib.compress(scanlines[position : position + size], 0))
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
    data = b"".join((PNG_SIGNATURE, png_chunk(b"IHDR", start), pixel_chunks, png_chunk(b"IEND", b"")))
    levels = np.asarray(imagecodecs.png_decode(data))
    if levels.dtype != np.uint16 or levels.shape[:2] != (header.height, header.width) or levels.ndim != 3:
        raise ImageError("is truncated or corrupt: its PNG pixels do not fill its size; " + REMEDY)
    return levels
