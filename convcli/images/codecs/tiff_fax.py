"""CCITT group 4 in TIFF: tells whether the data of a strip or tile hold all its rows. imagecodecs fills others with white."""

import struct
from typing import Any

WIDTH, HEIGHT, BITS, COMPRESSION, INTERPRETATION, FILL_ORDER = 256, 257, 258, 259, 262, 266
OFFSETS, SAMPLES, ROWS_PER_STRIP, SIZES = 273, 277, 278, 279
GROUP_4, LONG = 4, 4
START_SIZE = 8


def has_all_rows(data: bytes, width: int, rows: int, fill_order: int) -> bool:
    """Return whether libtiff finds all rows in the data, which are given to it as a file of one strip."""
    import imagecodecs

    values = {WIDTH: width, HEIGHT: rows, BITS: 1, COMPRESSION: GROUP_4, INTERPRETATION: 0, FILL_ORDER: fill_order}
    values |= {OFFSETS: 0, SAMPLES: 1, ROWS_PER_STRIP: rows, SIZES: len(data)}
    values[OFFSETS] = START_SIZE + 2 + 12 * len(values) + 4
    tags = b"".join(struct.pack("<HHII", tag, LONG, 1, value) for tag, value in sorted(values.items()))
    file = b"".join((b"II*\0", struct.pack("<IH", START_SIZE, len(values)), tags, bytes(4), data))
    try:
        imagecodecs.tiff_decode(file)
    except imagecodecs.TiffError:
        return False
    return True


def rows_of_segment(page: Any, index: int) -> int:
    """Return the number of rows of a segment of a page; the last strip may have fewer."""
    if page.is_tiled:
        return int(page.tilelength)
    first = index * page.rowsperstrip
    return int(min(page.rowsperstrip, page.imagelength - first))
