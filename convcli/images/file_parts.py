"""Describes what a file holds in addition to its pixels that is not carried over to an output.

A file is a list of named parts: chunks of PNG (https://www.w3.org/TR/png-3/) and WebP, segments of JPEG, tags of TIFF. A part
is carried over, or is untrue of any other picture, or is reported as lost. Unknown parts are reported too, and what Pillow
left out of the ``info`` that it read.

Each ``unkept_..._parts`` function yields descriptions such as "gamma". An empty one is a part that is no loss.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TypeAlias

from .chunks import CHECKSUM_SIZE, data_of, png_chunks_in, riff_chunks_in, riff_end

Info: TypeAlias = Mapping[Any, Any]
"""``Image.info``: what Pillow read of a file in addition to its pixels."""

START_SIZE = 80
"""Bytes at the start of a part that are looked at."""

PHOTOSHOP = "Photoshop's and IPTC's data"
XMP, FURTHER_PICTURES, TRAILING = "XMP", "further pictures after it, such as a gain map", "bytes after its end"

PNG_CHUNKS = {
    **dict.fromkeys((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"sRGB", b"tEXt", b"zTXt", b"iTXt"), ""),
    **dict.fromkeys((b"acTL", b"fcTL", b"fdAT"), ""),  # reported as frames
    **dict.fromkeys((b"sBIT", b"hIST", b"tIME"), ""),  # untrue of outputs: bits and colours of old levels, last change
    **dict.fromkeys((b"gAMA", b"cHRM", b"cICP", b"pHYs"), ""),
    b"bKGD": "its background colour",
}
"""Descriptions of PNG chunks; empty for those that are no loss."""

PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
KEPT_CHUNKS = {
    b"cICP": "its colour space",
    b"gAMA": "gamma",
    b"cHRM": "its chromaticities",
    b"sRGB": "",
    b"pHYs": "the shape of its pixels",
}
"""Chunks that are carried over to PNG, and their descriptions for other formats. Other pictures count as sRGB."""

CHUNK_SIZES = {b"cICP": 4, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}

REPLACED_CHUNKS = (b"gAMA", b"cHRM", b"sRGB")
"""Chunks that a profile replaces, and sRGB the first two: for decoders that read neither. They are then no loss."""

DAMAGED_PROFILE = "its colour profile, which is damaged"
XMP_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type xmp")

WEBP_CHUNKS = {b"XMP ": XMP} | dict.fromkeys((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"), "")

PROFILE, INDEX = b"ICC_PROFILE\0", b"MPF\0"
JPEG_SEGMENTS = (
    *((0xE0, b"JFIF", ""), (0xE0, b"JFXX", ""), (0xE1, b"Exif\0", ""), (0xE2, PROFILE, ""), (0xEC, b"Ducky", "")),
    *((0xEE, b"Adobe", ""), (0xE2, INDEX, ""), (0xED, b"Photoshop 3.0", PHOTOSHOP)),
    *((0xE1, b"http://ns.adobe.com/xap/", XMP), (0xE1, b"http://ns.adobe.com/xmp/", XMP)),
)
"""JPEG segments: marker, first bytes, description; empty for those that are carried over, made anew, or part of the coding."""

APP0, APP2, APP15, COMMENT = 0xE0, 0xE2, 0xEF, 0xFE
START_OF_SCAN, END_OF_IMAGE, MARKERS_WITHOUT_DATA = 0xDA, 0xD9, (0x01, *range(0xD0, 0xD9))
MARKER = rb"(?s)\xff+([^\x00\xff])"
"""The next marker. Other bytes before it are skipped, as libjpeg does (next_marker in jdmarker.c)."""

END_OF_SCAN = rb"(?s)\xff(?=[^\x00\xd0-\xd7\xff])"
"""The first marker after a scan. In a scan, a byte 255 is followed by 0, by a restart marker, or by a fill byte."""
PADDING_BYTES = b"\0\xff\r\n "

BMP_V5_SIZE = 124
"""Size of the first header that may name a profile (BITMAPV5HEADER)."""

PPM_HEADER = rb"P4(?:(?:\s|#[^\n]*\n)+\d+){2}\s|P[56](?:(?:\s|#[^\n]*\n)+\d+){3}\s"
"""https://netpbm.sourceforge.net/doc/ppm.html: two or three numbers, and comments between them."""

SMALLER_IMAGES, LAYERS, DEPTH_MAP, CROP = "its smaller images", "Photoshop's layers", "its depth map", "its crop"
MORE_THAN_METADATA = (FURTHER_PICTURES, SMALLER_IMAGES, LAYERS, DEPTH_MAP, CROP)

TAGS_OF_MICROSCOPES = {**dict.fromkeys(range(33628, 33632), "MetaMorph's metadata (STK)"), 34412: "Zeiss's metadata (LSM)"}
"""Tags that say how many planes follow the first directory, or what every second directory is."""

LOST_TIFF_TAGS = {330: SMALLER_IMAGES, 700: XMP, 37724: LAYERS, **TAGS_OF_MICROSCOPES}
"""Tags that are not carried over, as they describe other pictures or the old pixels."""


def is_picture_or_bytes(description: str) -> bool:
    """Return whether a lost part is more than metadata: other pictures, or bytes of an unknown meaning."""
    return description in MORE_THAN_METADATA or description.endswith(TRAILING)


def unkept_tags(tags: Iterable[int]) -> list[str]:
    """Describe the tags of a TIFF file that are not carried over."""
    present = set(tags)
    return list(dict.fromkeys(description for tag, description in LOST_TIFF_TAGS.items() if tag in present))


def unkept_png_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe the chunks of a PNG file that are not carried over."""
    chunks = list(_png_chunks(file))
    names = {name for name, _ in chunks}
    for name, data in chunks:
        is_known = name in PNG_CHUNKS and len(data) == CHUNK_SIZES.get(name, len(data))
        yield PNG_CHUNKS[name] if is_known else f"its chunk {name.decode('latin-1')}"
    keywords = Counter(data.split(b"\0", 1)[0] for name, data in chunks if name in PNG_TEXTS)
    yield from (XMP for keyword in keywords if keyword in XMP_TEXTS)
    yield from (f"all texts {key.decode('latin-1')} but the last" for key, count in keywords.items() if count > 1)
    yield from (f"its text {key}" for key in _texts(keywords) if key not in info)
    yield DAMAGED_PROFILE if b"iCCP" in names and not info.get("icc_profile") else ""
    yield _trailing_bytes(file)


def cicp_of_png(file: BinaryIO) -> tuple[int, int, int, int] | None:
    """Return the four numbers of the chunk cICP of a PNG file: primaries, transfer, matrix, full range; None without it."""
    data = next((data for name, data in _png_chunks(file) if name == b"cICP"), b"")
    return (data[0], data[1], data[2], data[3]) if len(data) == 4 else None


def kept_png_chunks(file: BinaryIO) -> tuple[tuple[bytes, bytes], ...]:
    """Return names and data of the chunks of a PNG file that say what levels mean, and the shape of pixels without a unit."""
    all_chunks = dict(_png_chunks(file))
    chunks = {name: data for name, data in all_chunks.items() if len(data) == CHUNK_SIZES.get(name)}
    replaced = (b"sRGB",) if b"iCCP" in all_chunks else ()  # https://www.w3.org/TR/png-3/#11sRGB: not both
    shape = chunks.get(b"pHYs", b"")
    if shape[8:] != b"\0" or shape[:4] == shape[4:8]:
        chunks.pop(b"pHYs", None)
    return tuple((name, chunks[name]) for name in KEPT_CHUNKS if name in chunks and name not in replaced)


def lost_png_chunks(chunks: Iterable[tuple[bytes, bytes]], has_profile: bool) -> list[str]:
    """Describe the kept chunks of a PNG file, which may have a profile, that another format does not hold."""
    names = {name for name, _ in chunks}
    hidden = {*REPLACED_CHUNKS} if has_profile or b"sRGB" in names else set()
    return [description for name, description in KEPT_CHUNKS.items() if name in names - hidden]


def _texts(keywords: Iterable[bytes]) -> Iterator[str]:
    """Return the keywords of texts that are carried over if Pillow reads them."""
    return (keyword.decode("latin-1") for keyword in keywords if keyword not in XMP_TEXTS)


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each chunk, and the first bytes of its data. Leaves the file after the last."""
    for chunk in png_chunks_in(file):
        yield chunk[0], data_of(file, chunk, START_SIZE)
        file.seek(chunk[2] + CHECKSUM_SIZE)


def unkept_jpeg_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe the segments of a JPEG file that are not carried over, and bytes after its end."""
    descriptions = []
    comments = profiles = indices = 0
    for marker, data in _jpeg_segments(file):
        if APP0 <= marker <= APP15:
            known = (description for number, start, description in JPEG_SEGMENTS if marker == number and data.startswith(start))
            descriptions.append(next(known, f"its segment APP{marker - APP0}"))
        comments += marker == COMMENT
        profiles += marker == APP2 and data.startswith(PROFILE)
        indices += marker == APP2 and data.startswith(INDEX)
        if marker == APP0 and data.startswith(b"JFIF") and data[7:8] == b"\0" and data[8:10] != data[10:12]:
            descriptions.append("the shape of its pixels")
    yield from descriptions
    yield "all comments but the last" if comments > 1 else ""
    yield DAMAGED_PROFILE if profiles and not info.get("icc_profile") else ""
    if not indices:  # of pictures that follow, which are frames
        yield _trailing_bytes(file)


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the marker of each segment, and the first bytes of its data. Leaves the file at the end of the picture."""
    file.seek(0)
    data, position = file.read(), 2
    for marker, begin, end in jpeg_segments_in(data):
        position = end
        if marker != END_OF_IMAGE:
            yield marker, data[begin : min(begin + START_SIZE - 2, end)]
    file.seek(position)


def jpeg_segments_in(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment, and where its data begin and end, up to the end of the picture.

    Segments between scans are included. The data of a scan end before the next marker.
    """
    position, of_marker, of_scan_end = 2, re.compile(MARKER), re.compile(END_OF_SCAN)
    while match := of_marker.search(data, position):
        marker, position = match[1][0], match.end()
        if marker == END_OF_IMAGE:
            yield marker, position, position
            return
        if marker in MARKERS_WITHOUT_DATA:
            continue
        begin = position + 2
        position += max(int.from_bytes(data[position:begin], "big"), 2)
        if marker == START_OF_SCAN:
            scan_end = of_scan_end.search(data, position)
            position = scan_end.start() if scan_end else len(data)
        yield marker, begin, position


def unkept_webp_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe the chunks of a WebP file that are not carried over."""
    yield from (WEBP_CHUNKS.get(name, f"its chunk {name.decode('latin-1')}") for name, _, _ in riff_chunks_in(file))
    file.seek(riff_end(file))
    yield _trailing_bytes(file)


def unkept_bmp_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe the profile of a BMP file, which Pillow does not read, and bytes after its end."""
    header = file.read(138).ljust(138, b"\0")
    (size,), (first_pixel, header_size) = struct.unpack_from("<I", header, 2), struct.unpack_from("<II", header, 10)
    if header_size >= BMP_V5_SIZE and header[70:74][::-1] in (b"MBED", b"LINK"):
        yield "its colour profile"
    width, height, _, bits, _, pixel_bytes = struct.unpack_from("<iiHHII", header, 18)
    row = (width * bits + 31) // 32 * 4
    file.seek(max(size, first_pixel + max(pixel_bytes, row * abs(height))) if header_size >= 40 else size)
    yield _trailing_bytes(file)


def unkept_ppm_parts(file: BinaryIO, info: Info) -> Iterator[str]:
    """Describe the comments of a PPM file, and bytes after its pixels."""
    header = re.match(PPM_HEADER, file.read(4096))
    if header is None:  # samples as text, or floats
        return
    kind, *numbers = header[0][:2], *map(int, re.findall(rb"\d+", re.sub(rb"#[^\n]*", b"", header[0][2:])))
    width, height, white = (*numbers, 1)[:3]
    row = -(-width // 8) if kind == b"P4" else width * (3 if kind == b"P6" else 1) * (2 if white > 255 else 1)
    yield "its comments" if b"#" in header[0] else ""
    file.seek(header.end() + row * height)
    yield _trailing_bytes(file)


def _trailing_bytes(file: BinaryIO) -> str:
    """Describe the bytes from here to the end of the file, unless they are padding."""
    rest = file.read()
    return f"{len(rest)} {TRAILING}" if rest.strip(PADDING_BYTES) else ""
