"""Writes TIFF: directories, strips and their compression.

The format is TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf).

Three photographs of 0.63 megapixel together, their edges, the photographs with noise in 16 bits, and blurred in
floats take, with differences in strips of 128 KB:

                    8 bits, 1.90 MB    edges, 1.90 MB    16 bits, 3.81 MB    floats, 7.61 MB
    deflate, 1        17 ms 1.01 MB     17 ms 1.47 MB       38 ms 3.15 MB      60 ms 5.17 MB
    deflate, 6        33 ms 0.99 MB     30 ms 1.46 MB       60 ms 3.20 MB     107 ms 5.14 MB
    lzw               25 ms 1.11 MB     25 ms 1.86 MB       50 ms 4.08 MB     107 ms 6.67 MB
    zstd, 1            8 ms 0.99 MB      7 ms 1.47 MB        8 ms 3.14 MB      34 ms 5.16 MB
    without differences, deflate, 1:
                      17 ms 1.30 MB     15 ms 1.35 MB       36 ms 3.64 MB      65 ms 6.36 MB

A black and white picture of 3.2 megapixels, 4 KB in CCITT group 4, takes 29 KB with deflate and 15 KB with zstd.
Strips of 8 KB are 1 to 30 % larger, those of a megabyte no more than 1 % smaller. zstd is younger: TIFF 6.0 and ImageJ
do not have it.
"""

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from msgspec import Struct

from ..compression import TILE
from ..encoding import Encoding
from ..exif import text_in
from ..exif_block import ASCII, BYTE, LONG, RATIONAL, SHORT, UNDEFINED, Block, Field, append, append_directory, write_at
from ..exif_tiff import NO_BLOCK, start_tiff
from ..geotiff import TAGS_OF_MAPS
from ..image import Array, Metadata
from ..metadata import DESCRIPTION, ICC_PROFILE, NO_UNIT, RESOLUTION_UNIT, X_RESOLUTION, XMP_TAG, Y_RESOLUTION
from ..storage import Storage
from .tiff_colour import MINISBLACK, RGB_PIXELS
from .tiff_series import RGB_LETTERS

UNASSOCIATED, STRIP_OFFSETS, STRIP_BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS = 2, 273, 279, 324, 325
STRUCT_CODES = {SHORT: "H", LONG: "I"}
PHOTOMETRIC, BITS_PER_SAMPLE, PREDICTOR = 262, 258, 317
SAMPLE_FORMAT, FLOAT = 339, 3
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
NUMBERS = {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}
"""The names of compressions, and their numbers in the tag Compression."""

STRIP_BYTES = 1 << 17
"""Size of the samples in a strip."""

MAX_LONG = (1 << 32) - 1
"""Largest position in a file, which has 32 bits."""


def encode_pages(levels: Array, has_alpha: bool, storage: Storage) -> bytes:
    """Encode levels or floats, in tiles as the input or in strips, after their metadata.

    Without a compression, floats are not compressed.

    Floats of three channels become three pages, which ImageJ opens; it opens no colours of more than 16 bits. Pillow cannot
    encode 16-bit colour, and would write EXIF anew. The strips are written last: a file in memory that grows after them
    would be copied.
    """
    is_float = levels.dtype.kind == "f"
    compression = name_of_compression(storage.encoding, "none" if is_float or not _pays(levels) else "deflate")
    metadata = storage.metadata
    exif = metadata.exif or NO_BLOCK
    order = "<" if b"II" in exif[:8] else ">"
    pages = np.split(levels, levels.shape[2], axis=2) if is_float else [levels]
    segments = Segments.of(pages[0], compression, tile_of(storage.encoding, pages[0].shape), len(pages) == 1)
    pixel_fields = _pixel_fields(pages[0], has_alpha, segments, order)
    labels = _label_fields(metadata, len(pages), order) if is_float else []
    file = start_tiff(exif, [*pixel_fields, *_metadata_fields(metadata, order), *labels])
    block = Block.of(file)
    directories = [block.first_directory]
    shared = [block.read(entry.position, 12) for entry in block.directory(directories[0]) if entry.tag in TAGS_OF_MAPS]
    for _ in pages[1:]:
        position = append_directory(block, shared, bytes(4), pixel_fields)
        write_at(file, block.next_pointer(directories[-1]), struct.pack(f"{order}I", position))
        directories.append(position)
    for directory, page in zip(directories, pages, strict=True):
        _write_segments(block, directory, page, segments)
    return file.getvalue()


def _pays(levels: Array) -> bool:
    """Whether deflate makes any of three strips of levels (H, W, C) smaller, first, middle or last; of noise it does not."""
    import imagecodecs

    height = levels.shape[0]
    rows = min(max(STRIP_BYTES * height // levels.nbytes, 1), height)
    parts = (np.ascontiguousarray(levels[top : top + rows]) for top in (0, (height - rows) // 2, height - rows))
    encoded = ((part, imagecodecs.deflate_encode(imagecodecs.delta_encode(part, axis=1).tobytes(), 1)) for part in parts)
    return any(len(data) < part.nbytes for part, data in encoded)


def name_of_compression(encoding: Encoding, default: str) -> str:
    """Return the compression that is asked for, else that of the input, else a default."""
    return encoding.compression or str((encoding.inherited or {}).get("compression", default))


def tile_of(encoding: Encoding, shape: Sequence[int]) -> tuple[int, int] | None:
    """Return the rows and columns of the tiles of the input; None for strips, and where a picture (H, W, ...) is smaller.

    They are multiples of 16 (TIFF 6.0, section 15).
    """
    rows, columns = (encoding.inherited or {}).get(TILE, (0, 0))
    is_valid = rows and columns and rows % 16 == columns % 16 == 0
    return (rows, columns) if is_valid and rows <= shape[0] and columns <= shape[1] else None


def compression_of_pictures(encoding: Encoding, dtype: "np.dtype[Any]") -> dict[str, Any]:
    """Return the options of tifffile for planes of levels or floats."""
    if dtype.kind == "f":
        return _options(name_of_compression(encoding, "none"), FLOAT_DIFFERENCES)
    return _options(name_of_compression(encoding, "deflate"), DIFFERENCES)


def compression_of_floats(encoding: Encoding) -> dict[str, Any]:
    """Return the options of tifffile for planes of floats, which are compressed only if it is asked for."""
    return _options(encoding.compression or "none", FLOAT_DIFFERENCES)


def _options(name: str, predictor: int) -> dict[str, Any]:
    if name == "none":
        return {}
    level = {} if name == "lzw" else {"compressionargs": {"level": 1}}
    return {"compression": NUMBERS[name], "predictor": predictor, **level}


class Segments(Struct, frozen=True):
    """How samples are stored: the name of the compression, the rows and columns of a strip or tile, and the number of them.

    Compressed levels are differences of neighbours in a row (TIFF 6.0, section 14), floats those of Adobe's Technical Note 3.
    """

    compression: str
    rows: int
    columns: int
    count: int
    are_tiles: bool = False

    @classmethod
    def of(cls, samples: Array, compression: str, tile: tuple[int, int] | None, is_one_page: bool) -> "Segments":
        """Return the segments of samples (H, W, C): tiles, one strip, or many, each of them copied when it is written."""
        height, width, _ = samples.shape
        if tile:
            return cls(compression, *tile, -(-height // tile[0]) * -(-width // tile[1]), True)
        in_one = compression == "none" and is_one_page
        rows = height if in_one else min(max(STRIP_BYTES * height // samples.nbytes, 1), height)
        return cls(compression, rows, width, -(-height // rows))

    @property
    def tags(self) -> tuple[int, int]:
        """The tags with the positions and the sizes of the strips or tiles."""
        return (TILE_OFFSETS, TILE_BYTE_COUNTS) if self.are_tiles else (STRIP_OFFSETS, STRIP_BYTE_COUNTS)

    def parts_of(self, samples: Array) -> Iterator[Array]:
        """Yield the strips or tiles of samples (H, W, C). Those that exceed the picture repeat its edge."""
        for top in range(0, samples.shape[0], self.rows):
            for left in range(0, samples.shape[1], self.columns):
                part = samples[top : top + self.rows, left : left + self.columns]
                missing = (self.rows - part.shape[0], self.columns - part.shape[1]) if self.are_tiles else (0, 0)
                yield np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge") if any(missing) else part

    def encode(self, samples: Array, order: str) -> "bytes | memoryview":
        """Return the bytes of a strip or tile of samples (H, W, C) in a byte order."""
        if self.compression == "none":
            return np.ascontiguousarray(samples, samples.dtype.newbyteorder(order)).data.cast("B")
        import imagecodecs  # 15 ms

        stored = samples.dtype.newbyteorder(order)
        samples = np.ascontiguousarray(samples)
        if samples.dtype.kind == "f":  # the bytes of a row, from the highest ones of all samples to the lowest
            data = imagecodecs.floatpred_encode(samples, axis=1).tobytes()
        else:
            data = imagecodecs.delta_encode(samples, axis=1).astype(stored, copy=False).tobytes()
        if self.compression == "lzw":
            return bytes(imagecodecs.lzw_encode(data))
        return bytes(imagecodecs.zstd_encode(data, 1) if self.compression == "zstd" else imagecodecs.deflate_encode(data, 1))


def _write_segments(block: Block, directory: int, samples: Array, segments: Segments) -> None:
    """Write the strips or tiles of samples (H, W, C) at the end of a file, and their positions and sizes to a directory.

    Raises ValueError where the file becomes too long.
    """
    positions, sizes = [], []
    for part in segments.parts_of(samples):
        strip = segments.encode(part, block.byte_order)
        positions.append(append(block.file, strip))
        sizes.append(len(strip))
        if positions[-1] + sizes[-1] > MAX_LONG:
            raise ValueError(f"TIFF holds at most {MAX_LONG} bytes; write .png or .npy")
    for entry in block.directory(directory):
        numbers = dict(zip(segments.tags, (positions, sizes), strict=True)).get(entry.tag)
        if numbers:
            write_at(block.file, entry.value_position, struct.pack(f"{block.byte_order}{len(numbers)}I", *numbers))


def _pixel_fields(samples: Array, has_alpha: bool, segments: Segments, order: str) -> list[Field]:
    """Return the fields of a directory for samples (H, W, C). Those about strips or tiles are 0 until they are known."""
    height, width, count = samples.shape
    is_float = samples.dtype.kind == "f"
    photometric = RGB_PIXELS if count - has_alpha == 3 else MINISBLACK
    numbers = ((259, NUMBERS[segments.compression]), (PHOTOMETRIC, photometric), (277, count), (284, 1))
    rows = [(322, segments.columns), (323, segments.rows)] if segments.are_tiles else [(278, segments.rows)]
    fields = [
        *((tag, LONG, (value,)) for tag, value in ((256, width), (257, height), *rows)),
        *((tag, LONG, (0,) * segments.count) for tag in segments.tags),
        *((tag, SHORT, (value,)) for tag, value in numbers),
        (BITS_PER_SAMPLE, SHORT, (8 * samples.itemsize,) * count),
        *([(PREDICTOR, SHORT, (FLOAT_DIFFERENCES if is_float else DIFFERENCES,))] if segments.compression != "none" else []),
        *([(SAMPLE_FORMAT, SHORT, (FLOAT,) * count)] if is_float else []),
        *([(338, SHORT, (UNASSOCIATED,))] if has_alpha else []),
    ]
    return [(tag, kind, struct.pack(f"{order}{len(values)}{STRUCT_CODES[kind]}", *values)) for tag, kind, values in fields]


def _rational(number: Fraction) -> tuple[int, int]:
    """Return the nearest fraction of two 32-bit numbers."""
    return number.limit_denominator(max(int(MAX_LONG / max(number, Fraction(1))), 1)).as_integer_ratio()


def imagej_text(words: Sequence[tuple[str, str]]) -> bytes:
    """Return a description of ImageJ. It writes Unicode as \\u00b5."""
    text = "".join(f"{key}={value}\n" for key, value in (("ImageJ", "1.11a"), *words))
    return "".join(letter if letter.isascii() else f"\\u{ord(letter):04x}" for letter in text).encode()


def _imagej_description(words: Sequence[tuple[str, str]]) -> list[Field]:
    """Return the field of ImageJ's description of the size of pixels; none where there is nothing to say."""
    return [(DESCRIPTION, ASCII, imagej_text(words) + b"\0")] if words else []


def _label_fields(metadata: Metadata, pages: int, order: str) -> list[Field]:
    """Return ImageJ's description of pages of one map, with their labels. The description of a file moves to ImageJ's Info."""
    from tifffile.tifffile import imagej_metadata_tag

    size = [("images", str(pages)), *([("channels", str(pages))] if pages > 1 else []), ("hyperstack", "true")]
    words = metadata.calibration.words if metadata.calibration else ()
    own = text_in(metadata.exif or b"", DESCRIPTION)
    labels = [f"{metadata.label} {letter}" for letter in RGB_LETTERS] if pages > 1 else [metadata.label]
    tags = imagej_metadata_tag({"Labels": labels} | ({"Info": own} if own else {}), order)  # type: ignore[arg-type]
    description = _imagej_description((*size, ("mode", "grayscale"), *words))
    return [*description, *((tag, kind, values) for tag, kind, _, values, _ in tags)]


def _metadata_fields(metadata: Metadata, order: str) -> list[Field]:
    """Return the fields of metadata that EXIF does not have."""
    packed: list[Field] = []
    if metadata.dpi:
        per_inch = [Fraction(round(value * 400), 400).as_integer_ratio() for value in metadata.dpi]  # 1e7 * 400 has 32 bits
        ratios = zip((X_RESOLUTION, Y_RESOLUTION), per_inch, strict=True)
        packed += [(tag, RATIONAL, struct.pack(f"{order}II", *ratio)) for tag, ratio in ratios]
        packed.append((RESOLUTION_UNIT, SHORT, struct.pack(f"{order}H", 2)))
    elif metadata.calibration:
        packed += _imagej_description(metadata.calibration.words)
        ratios = zip((X_RESOLUTION, Y_RESOLUTION), map(_rational, metadata.calibration.per_unit), strict=True)
        packed += [(tag, RATIONAL, struct.pack(f"{order}II", *ratio)) for tag, ratio in ratios]
        packed.append((RESOLUTION_UNIT, SHORT, struct.pack(f"{order}H", NO_UNIT)))
    if metadata.icc:
        packed.append((ICC_PROFILE, UNDEFINED, metadata.icc))
    if metadata.xmp:
        packed.append((XMP_TAG, BYTE, metadata.xmp))
    return packed
