"""Reads the frames of a TIFF file with tifffile, and with imagecodecs where it is compressed.

Pillow reads no TIFF here. Of 1,202 files of a matrix of compressions, predictors, sample types, colours and byte orders that it
opened, it read 677 wrongly or not at all: it cuts 16-bit colour to 8 bits, and ignores the predictor of PackBits, the sign of
8-bit samples and the byte order of some floats. Its libtiff also prints to standard error.
"""

import functools
import io
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
from msgspec.structs import replace

from ...errors import ImageError
from .. import alpha
from ..compression import compression_of_tiff
from ..exif_block import ORIENTATION
from ..file_parts import LOST_TIFF_TAGS, TAGS_OF_MICROSCOPES
from ..frames import Frames
from ..geotiff import rescaled_block
from ..image import REMEDY, Admit, Array, Header, Image, check_pixels, itemsize_of
from ..jp2_boxes import check_pixels_per_byte
from ..metadata import (
    DESCRIPTION,
    ICC_PROFILE,
    IMAGEJ_METADATA,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    FileMetadata,
    imagej_kinds,
    metadata_of_tiff,
)
from ..orientation import upright
from . import tiff_colour
from .jpeg_scans import is_whole
from .pillow import pillow_settings, truncated_is_allowed
from .tiff_directories import codes_of
from .tiff_fax import GROUP_4, has_all_rows, rows_of_segment
from .tiff_series import UNCOMPRESSED, Layout, holds_alpha, layout_of

INCH, PER_INCH = 2, {2: 1.0, 3: 2.54}
OLD_JPEG, JPEG = 6, 7
READ_COMPRESSIONS = {
    **{1: "none", 2: "CCITT RLE", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "JPEG of before 1995", 7: "JPEG"},
    **{8: "deflate", 32773: "PackBits", 32946: "deflate", 34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP"},
    **{33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000"},
}
"""Compressions whose decoders were tested with damaged files. That of JPEG XR prints, and ends the process."""

LERC, LERC_START = 34887, b"Lerc2 "
LERC_PARAMETERS, LERC_DEFLATE, LERC_ZSTD = 50674, 1, 2
"""The tag with the version of LERC and a further compression of its data."""

END_OF_JPEG = b"\xff\xd9"
CALIBRATION = (DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
IMAGEJ_START, KEPT_KINDS = "ImageJ=", {b"labl", b"info", b"luts", b"rang", b"prop"}
"""What begins a description whose contents a series has, and the kinds of ImageJ's metadata that it has."""

ASSOCIATED, UNASSOCIATED = (1,), (2, 999)
"""Values of ExtraSamples; 999 is written by Corel."""


def open_tiff_frames(file: BinaryIO, max_pixels: int) -> Frames:
    """Return the frames of a file. Raises ImageError, and whatever tifffile and imagecodecs raise on damaged data."""
    import tifffile  # 10 ms

    file.seek(0)
    pages = tifffile.TiffFile(file)
    layout = layout_of(pages, file)
    reader = FrameReader(file, pages, layout, max_pixels)
    return Frames(layout.series, reader.read)


class FrameReader:
    """Reads the frames of an open file by its layout, one at a time. ``pages`` is a ``tifffile.TiffFile``."""

    def __init__(self, file: BinaryIO, pages: Any, layout: Layout, max_pixels: int) -> None:
        self.file = file
        self.pages = pages
        self.layout = layout
        self.max_pixels = max_pixels

    def read(self, index: int, admit: Admit) -> Image:
        """Read a frame, upright."""
        numbers = [int(plane) for plane in self.layout.planes[index]]
        page = self._page(numbers[0])
        height, width = page.imagelength, page.imagewidth
        check_pixels(width, height, self.max_pixels)
        by_libtiff = _needs_libtiff(page)
        colour = self._colour_of(page, len(numbers))
        itemsize = itemsize_of(page.dtype)
        samples = page.samplesperpixel * (len(numbers) if page.imagedepth == 1 else page.imagedepth)
        stored = height * width * samples * itemsize
        admit(Header(height, width, _channels(page, colour), itemsize, stored * (1 + colour.working_copies)))
        if len(numbers) > 1:
            pixels = self._stacked(numbers, page)
        else:
            pixels = _decode_by_libtiff(self.file, page) if by_libtiff else self._plane(numbers[0], page)
        pixels = upright(pixels, _tag(page, ORIENTATION) or 1)
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
        image = _image_of(pixels, page, colour, self._metadata_of(page))
        image = replace(image, compression=compression_of_tiff(int(page.compression), tile))
        lost = [part for part in self.layout.lost if part not in image.lost]
        tiff = self.layout.series.tiff
        if image.alpha is not None and tiff and not holds_alpha(tiff.program, image.size[2], image.pixels.dtype):
            lost += ["what its description says of the stack"] if tiff.program else []
        return image.with_unkept(*lost)

    def _page(self, plane: int) -> Any:
        """Return the page of a plane. Only the first is kept in memory."""
        number = plane // self.layout.per_directory
        if number == 0:
            return self.pages.pages.first
        import tifffile

        self.pages.filehandle.seek(self.layout.directories[number])
        return tifffile.TiffPage(self.pages, number)

    def _colour_of(self, page: Any, planes: int) -> tiff_colour.Colour:
        if _needs_libtiff(page) or self.layout.is_colour:
            return tiff_colour.RGB
        return tiff_colour.of_planes(page, planes) if planes > 1 else tiff_colour.colour_of(page)

    def _stacked(self, planes: Sequence[int], first: Any) -> Array:
        """Return planes as channels (H, W, C)."""
        pixels: Array | None = None
        for channel, plane in enumerate(planes):
            page = self._page(plane)
            if (page.shape, page.dtype) != (first.shape, first.dtype):
                raise ImageError("has channels of different sizes or types; save each as a file of its own")
            samples = self._plane(plane, page)
            if pixels is None:
                pixels = np.empty((*samples.shape[:2], len(planes)), samples.dtype)
            pixels[:, :, channel] = samples[:, :, 0]
        assert pixels is not None
        return pixels

    def _plane(self, plane: int, page: Any) -> Array:
        """Return the samples (H, W, S) of a plane of a page."""
        handle, number = self.pages.filehandle, plane % self.layout.per_directory
        _check_segments(page, handle.size, self.max_pixels, _needs_libtiff(page))
        if page.imagedepth == 1 and self.layout.per_directory == 1:
            return _decode(page, page.asarray())
        if page.imagedepth > 1 and not (page.is_contiguous and page.compression == UNCOMPRESSED and page.axes[0] == "Z"):
            return _decode(page, page.asarray(), number)
        size = page.nbytes // page.imagedepth
        handle.seek(page.dataoffsets[0] + number * size)
        data = handle.read(size)
        if len(data) < size:
            raise ImageError("is truncated or corrupt: not all of its TIFF pixels are in the file; " + REMEDY)
        shape = tuple(length for length, axis in zip(page.shape, page.axes, strict=True) if axis != "Z")
        return _decode(page, np.frombuffer(data, page.dtype.newbyteorder(self.pages.byteorder)).reshape(shape))

    def _metadata_of(self, page: Any) -> FileMetadata:
        """Return the metadata of the page, or of the first one, which describes all frames where they are a series.

        What the series has is not counted as lost: ImageJ's labels and calibration, and what is read of OME-XML.
        """
        return self._metadata_of_first if self.layout.is_whole else self._read_metadata(page)

    @functools.cached_property
    def _metadata_of_first(self) -> FileMetadata:
        return self._read_metadata(self.pages.pages.first)

    def _read_metadata(self, page: Any) -> FileMetadata:
        read = [tag for tag in page.tags if tag.code not in TAGS_OF_MICROSCOPES]
        read.reverse()  # of two tags of a number, the first counts: tifffile writes a description before that of the shape
        tags = {tag.code: _raw_value(tag) if tag.code == IMAGEJ_METADATA else tag.value for tag in read}
        tags = {
            code: b"" for code in codes_of(page) if code in LOST_TIFF_TAGS
        } | tags  # tifffile leaves out what it cannot read
        tiff = self.layout.series.tiff
        if tiff and tiff.program:
            stale = {DESCRIPTION: IMAGEJ_START} if DESCRIPTION in tags else {}
            tags = {code: value for code, value in tags.items() if code not in CALIBRATION} | stale
            if IMAGEJ_METADATA in tags and imagej_kinds(tags) <= KEPT_KINDS:
                del tags[IMAGEJ_METADATA]
        found = metadata_of_tiff(self.file, tags, _tag(page, ICC_PROFILE), _resolution(page), page.offset)
        if found.metadata.exif and not tiff_colour.keeps_samples(page):
            exif, unscaled = rescaled_block(found.metadata.exif, None)
            found = replace(found, metadata=replace(found.metadata, exif=exif)).with_lost(*unscaled)
        return found.with_lost(*self.layout.unkept)


def _image_of(pixels: Array, page: Any, colour: tiff_colour.Colour, file_metadata: FileMetadata) -> Image:
    """Return the image of the samples (H, W, S) of a page: its colours, then alpha, then what is not used."""
    extra = _alpha_kind(page, colour)
    used = colour.samples + (extra is not None)
    levels, white = tiff_colour.widened(pixels, page, colour)
    image = colour.image_of(levels[:, :, : colour.samples], white, page, file_metadata)
    image = image.with_first_used(used, levels.shape[2], "channels")
    if extra is None:
        return image
    return alpha.with_alpha(image, np.ascontiguousarray(levels[:, :, colour.samples]), associated=extra in ASSOCIATED)


def _alpha_kind(page: Any, colour: tiff_colour.Colour) -> int | None:
    """Return the kind of alpha in the first sample after the colours, or None where it is no alpha.

    Four samples of RGB without a word about the fourth are taken as alpha, as by Pillow and libtiff.
    """
    if page.samplesperpixel <= colour.samples or (colour is tiff_colour.INDEXED and page.dtype.itemsize > 1):
        return None
    kinds = _tag(page, tiff_colour.EXTRA_SAMPLES)
    if kinds is None:
        return UNASSOCIATED[0] if colour is tiff_colour.RGB and page.samplesperpixel == 4 else None
    known = kinds if isinstance(kinds, tuple) else (kinds,)
    kind = int(known[max(colour.samples - page.samplesperpixel + len(known), 0)])
    return kind if kind in ASSOCIATED + UNASSOCIATED else None


def _channels(page: Any, colour: tiff_colour.Colour) -> int:
    return colour.channels + (_alpha_kind(page, colour) is not None)


def _decode(page: Any, pixels: Array, depth: int = 0) -> Array:
    """Return the samples (H, W, S) of the array of a page, at one depth of a volume."""
    if page.imagedepth > 1 and pixels.ndim == len(page.shape):
        pixels = pixels.take(depth, axis=page.axes.index("Z"))
    if pixels.ndim not in (2, 3) or pixels.size < page.imagewidth * page.imagelength:
        raise ImageError("is truncated or corrupt: its TIFF pixels do not fill its size; " + REMEDY)
    return np.atleast_3d(np.moveaxis(pixels, 0, 2) if page.axes.startswith("S") else pixels)


def _needs_libtiff(page: Any) -> bool:
    """Return whether tifffile does not decode a page that libtiff does: chroma of half resolution, and JPEG of before 1995."""
    return page.compression == OLD_JPEG or bool(page.is_subsampled and page.compression == UNCOMPRESSED)


def _decode_by_libtiff(file: BinaryIO, page: Any) -> Array:
    """Return a page as RGB of 8 bits. imagecodecs silences libtiff's messages, which Pillow lets through."""
    import imagecodecs

    file.seek(0)
    return np.asarray(imagecodecs.tiff_decode(file.read(), index=page.index, asrgb=True))[:, :, :3]


def _check_segments(page: Any, file_size: int, max_pixels: int, by_libtiff: bool) -> None:
    """Raise ImageError for a compression that is not read, and for segments that are missing, cut off or too large.

    tifffile fills missing segments with zeros, and libjpeg the rest of one that is cut off.
    """
    if page.compression not in READ_COMPRESSIONS:
        name = f"{page.compression.name} ({page.compression.value})" if hasattr(page.compression, "name") else page.compression
        raise ImageError(f"is TIFF compressed with {name}, which is not read; save it uncompressed, or with deflate or LZW")
    if page.is_tiled and page.tilewidth * page.tilelength > max(max_pixels, 1 << 20):
        size = f"{page.tilewidth} x {page.tilelength}"
        raise ImageError(f"has tiles of {size}; the limit is {max_pixels} pixels; raise it with --max-pixels")
    if page.compression == UNCOMPRESSED or by_libtiff:
        return
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if len(segments) < math.prod(page.chunked) or any(not 0 < count <= file_size - begin for begin, count in segments):
        raise ImageError("is truncated or corrupt: not all of its TIFF pixels are in the file; " + REMEDY)
    if page.compression not in (*tiff_colour.PICTURE_COMPRESSIONS, LERC, GROUP_4):
        return
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    for index, (begin, count) in enumerate(segments):
        page.parent.filehandle.seek(begin)
        data = page.parent.filehandle.read(count)
        if page.compression == GROUP_4:
            if not has_all_rows(data, columns, rows_of_segment(page, index), page.fillorder):
                raise ImageError("is truncated or corrupt: a strip or tile of its TIFF pixels ends early; " + REMEDY)
            continue
        if page.compression == LERC:
            data = _lerc_of(page, data, 2 * rows * columns * page.samplesperpixel * page.dtype.itemsize + 4096)
        width, height = _stated_size(data)
        if width * height > 2 * rows * columns + 4096:
            raise ImageError("is truncated or corrupt: a strip or tile of its TIFF pixels is larger than it says; " + REMEDY)
        if page.compression in tiff_colour.JPEG_2000 and not truncated_is_allowed():
            check_pixels_per_byte(width, height, count)
        if page.compression == JPEG and not (END_OF_JPEG in data[-64:] and is_whole(data, page.jpegtables)):
            raise ImageError("is truncated or corrupt: a JPEG strip of its TIFF pixels ends early; " + REMEDY)


def _lerc_of(page: Any, data: bytes, max_bytes: int) -> bytes:
    """Return the LERC data of a segment, or their beginning, which may be compressed again with deflate or ZSTD."""
    _, compression = _tag(page, LERC_PARAMETERS) or (0, 0)
    if compression == LERC_DEFLATE:
        return zlib.decompressobj().decompress(data, max_bytes)
    if compression == LERC_ZSTD:
        import imagecodecs

        return bytes(imagecodecs.zstd_decode(data, out=max_bytes))
    return data


def _stated_size(data: bytes) -> tuple[int, int]:
    """Return the size that the data of a segment state themselves; their decoders allocate it."""
    if data.startswith(LERC_START):
        rows, columns = struct.unpack_from("<ii", data.ljust(22, b"\0"), 14 if data[6] >= 3 else 10)
        return columns, rows
    with pillow_settings, PIL.Image.open(io.BytesIO(data), formats=("JPEG", "JPEG2000", "WEBP")) as picture:
        return picture.size


def _raw_value(tag: Any) -> bytes:
    """Return the bytes of a tag whose value tifffile interprets."""
    handle = tag.parent.filehandle
    handle.seek(tag.valueoffset)
    return bytes(handle.read(tag.valuebytecount))


def _tag(page: Any, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _resolution(page: Any) -> tuple[float, float] | None:
    unit = _tag(page, RESOLUTION_UNIT)
    per_inch = PER_INCH.get(INCH if unit is None else int(unit))
    values = [_tag(page, code) for code in (X_RESOLUTION, Y_RESOLUTION)]
    if per_inch is None or not all(isinstance(value, tuple) and value[0] and value[1] for value in values):
        return None
    if unit is None and values == [(1, 1), (1, 1)]:  # the default of libraries, not a resolution
        return None
    x, y = (value[0] / value[1] * per_inch for value in values)
    return x, y
