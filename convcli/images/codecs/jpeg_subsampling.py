"""JPEG with numbers of samples of its colour differences that Pillow does not write: 4:4:0, 4:1:1 and others.

Each component is encoded as a grey picture. Their scans, one after the other, are those of a picture in colour whose components
are not interleaved (https://www.w3.org/Graphics/JPEG/itu-t81.pdf, A.2.2).
"""

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import PIL.Image

from ..file_parts import APP0, APP15, COMMENT, START_OF_SCAN, jpeg_segments_in

QUANTIZATION_TABLE, HUFFMAN_TABLE = 0xDB, 0xC4
FRAMES = (0xC0, 0xC1, 0xC2)
"""Those that libjpeg writes: with tables of 8 bits, with tables of 16 bits, with progressive scans."""

COMPONENTS = (
    (0.299, 0.587, 0.114, 0.0),
    (-0.168735892, -0.331264108, 0.5, 128.0),
    (0.5, -0.418687589, -0.081312411, 128.0),
)
"""Weights of red, green and blue, and offsets (JFIF: Rec. ITU-T T.871, 7). Pillow's own conversion cuts off fractions, so that
levels are 0.4 too low.
"""

METADATA = (*range(APP0, APP15 + 1), COMMENT)
START, END = b"\xff\xd8", b"\xff\xd9"
CONTENT = 4
"""Where the content of a segment begins, after its marker and its size."""


def encode_subsampled(picture: PIL.Image.Image, ratio: tuple[int, int], options: dict[str, Any]) -> bytes:
    """Encode a picture in RGB, each of whose colour differences has one sample for ``ratio`` columns and rows, their mean.

    ``options`` are those of Pillow's ``save``, with ``qtables`` for up to three components and without a subsampling.
    """
    tables, is_progressive = options["qtables"], options["progressive"]
    of_metadata = _saved(picture.crop((0, 0, 1, 1)), options)
    ratios = ((1, 1), ratio, ratio)
    numbers = [min(index, len(tables) - 1) for index in range(len(COMPONENTS))]  # those of the tables of the components
    encoded = [
        _saved(
            picture.convert("L", weights).reduce(columns_and_rows),
            {"qtables": [tables[number]], "progressive": is_progressive, "optimize": True},
        )
        for weights, columns_and_rows, number in zip(COMPONENTS, ratios, numbers, strict=True)
    ]
    frame = max(marker for data in encoded for marker, _ in _segments(data, FRAMES))
    return b"".join(
        [
            START,
            *(segment for _, segment in _segments(of_metadata, METADATA)),
            *(
                _with_byte(segment, CONTENT, segment[CONTENT] | index)
                for index, segment in _of_all(encoded[: len(tables)], QUANTIZATION_TABLE)
            ),
            _frame_header(frame, picture.size, (ratio, (1, 1), (1, 1)), numbers),
            *(
                _with_byte(segment, CONTENT + 1, index + 1) if segment[1] == START_OF_SCAN else segment
                for index, segment in _of_all(encoded, HUFFMAN_TABLE, START_OF_SCAN)
            ),
            END,
        ]
    )


def _saved(picture: PIL.Image.Image, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def _segments(data: bytes, markers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the segments of a file that have one of the markers, scans with their data."""
    return ((marker, data[begin - CONTENT : end]) for marker, begin, end in jpeg_segments_in(data) if marker in markers)


def _of_all(files: list[bytes], *markers: int) -> Iterator[tuple[int, bytes]]:
    """Yield the index of a file and a segment of it, for all that have one of the markers."""
    return ((index, segment) for index, data in enumerate(files) for _, segment in _segments(data, markers))


def _with_byte(segment: bytes, position: int, byte: int) -> bytes:
    return segment[:position] + bytes([byte]) + segment[position + 1 :]


def _frame_header(marker: int, size: tuple[int, int], factors: Iterable[tuple[int, int]], tables: Iterable[int]) -> bytes:
    """Return the header of a frame of components 1, 2 ... with these sampling factors and numbers of quantization tables."""
    of_components = enumerate(zip(factors, tables, strict=True), start=1)
    components = b"".join(bytes([name, x << 4 | y, table]) for name, ((x, y), table) in of_components)
    width, height = size
    content = struct.pack(">BHHB", 8, height, width, len(components) // 3) + components
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
