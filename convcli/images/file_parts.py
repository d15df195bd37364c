"""What a file holds beside its pixels that no reader here carries over, in words.

Each format is a list of parts with names: chunks of PNG (https://www.w3.org/TR/png-3/) and WebP, segments of JPEG, tags of
TIFF. A part is carried over, or is untrue of any other picture, or is reported: what is unknown too, and what Pillow
left out of the ``info`` that it read.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TypeAlias

Info: TypeAlias = Mapping[Any, Any]
"""What Pillow read of a file beside its pixels: ``Image.info``."""

XMP, SOME_PICTURES = "XMP", "further pictures behind it, such as a gain map"

PNG_PARTS = {
    **dict.fromkeys((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"sRGB", b"tEXt", b"zTXt", b"iTXt"), ""),
    **dict.fromkeys((b"acTL", b"fcTL", b"fdAT"), ""),  # told as frames
    **dict.fromkeys((b"sBIT", b"hIST", b"tIME"), ""),  # true of this picture alone: its bits, its colours, its last change
    **{b"gAMA": "gamma", b"cHRM": "the colours of its screen", b"cICP": "its colour space", b"bKGD": "its background colour"},
}
"""Words for chunks of PNG, none for those that are no loss."""

PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
SCREEN = (b"gAMA", b"cHRM")
"""Chunks that say less than a profile or sRGB beside them."""

DAMAGED_PROFILE = "its colour profile, which is damaged"
XMP_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type xmp")

WEBP_PARTS = {b"XMP ": XMP} | dict.fromkeys((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"), "")

PROFILE = b"ICC_PROFILE\0"
JPEG_PARTS = (
    *((0xE0, b"JFIF", ""), (0xE0, b"JFXX", ""), (0xE1, b"Exif\0", ""), (0xE2, PROFILE, ""), (0xEC, b"Ducky", "")),
    *((0xEE, b"Adobe", ""), (0xE2, b"MPF\0", SOME_PICTURES), (0xED, b"Photoshop 3.0", "Photoshop's and IPTC's data")),
    *((0xE1, b"http://ns.adobe.com/xap/", XMP), (0xE1, b"http://ns.adobe.com/xmp/", XMP)),
)
"""Segments of JPEG by marker and first bytes; no words for those that are carried over, made anew, or say how it is packed."""

APP0, APP2, APP15, COMMENT = 0xE0, 0xE2, 0xEF, 0xFE
START_OF_SCAN, END_OF_IMAGE, ALONE = 0xDA, 0xD9, (0x01, *range(0xD0, 0xD9))
MARKER = re.compile(rb"\xff+([^\xff])", re.DOTALL)
BEHIND_SCAN = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])", re.DOTALL)
"""The first marker behind the bytes of a scan, whose bytes 255 are followed by 0, by a restart marker, or by a fill byte."""
PADDING = b"\0\xff\r\n "

BMP_V5_SIZE = 124
"""Bytes of the header that may name a profile (BITMAPV5HEADER)."""

PPM_HEADER = re.compile(rb"P4(?:(?:\s|#[^\n]*\n)+\d+){2}\s|P[56](?:(?:\s|#[^\n]*\n)+\d+){3}\s")
COLOUR_PPM_HEADER = re.compile(rb"P[36](?:(?:\s|#[^\n]*\n)+(\d+)){3}\s")
"""https://netpbm.sourceforge.net/doc/ppm.html: two or three numbers, and comments between them."""

TIFF_PARTS = {330: "its smaller images", 700: XMP, 37724: "Photoshop's layers"}
"""Tags that are not carried over: of other pictures, or of the pixels that were."""


def unkept_tags(tags: Iterable[int]) -> list[str]:
    """Words for the tags of a TIFF file that are not carried over."""
    held = set(tags)
    return [word for tag, word in TIFF_PARTS.items() if tag in held]


def of_png(file: BinaryIO, info: Info) -> Iterator[str]:
    """Words for the chunks of a PNG file that are not carried over, none for those that are no loss."""
    chunks = list(_png_chunks(file))
    names = {name for name, _ in chunks}
    for name, data in chunks:
        if not (name in SCREEN and names & {b"sRGB", b"iCCP"}):
            yield PNG_PARTS.get(name, "" if name == b"pHYs" else f"its chunk {name.decode('latin-1')}")
        if name == b"pHYs" and data[8:9] == b"\0" and data[:4] != data[4:8]:
            yield "the shape of its pixels"
    keywords = Counter(data.split(b"\0", 1)[0] for name, data in chunks if name in PNG_TEXTS)
    yield from (XMP for keyword in keywords if keyword in XMP_TEXTS)
    yield from (f"all texts {key.decode('latin-1')} but the last" for key, count in keywords.items() if count > 1)
    yield from (f"its text {key}" for key in _texts(keywords) if key not in info)
    yield DAMAGED_PROFILE if b"iCCP" in names and not info.get("icc_profile") else ""
    yield _behind(file)


def _texts(keywords: Iterable[bytes]) -> Iterator[str]:
    """The keywords of texts that are carried over where Pillow reads them."""
    return (keyword.decode("latin-1") for keyword in keywords if keyword not in XMP_TEXTS)


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Names of chunks, and the first bytes of what they hold."""
    file.seek(8)
    while len(start := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", start)
        begin = file.tell()
        yield name, file.read(min(size, 80))
        file.seek(begin + size + 4)
        if name == b"IEND":
            return


def of_jpeg(file: BinaryIO, info: Info) -> Iterator[str]:
    """Words for the segments of a JPEG file that are not carried over, and for what stands behind it."""
    held = []
    comments = profiles = 0
    for marker, data in _jpeg_segments(file):
        if APP0 <= marker <= APP15:
            known = (word for number, start, word in JPEG_PARTS if marker == number and data.startswith(start))
            held.append(next(known, f"its segment APP{marker - APP0}"))
        comments += marker == COMMENT
        profiles += marker == APP2 and data.startswith(PROFILE)
        if marker == APP0 and data.startswith(b"JFIF") and data[7:8] == b"\0" and data[8:10] != data[10:12]:
            held.append("the shape of its pixels")
    yield from held
    yield "all comments but the last" if comments > 1 else ""
    yield DAMAGED_PROFILE if profiles and not info.get("icc_profile") else ""
    if SOME_PICTURES not in held:
        yield _behind(file)


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Markers of segments up to the end of the picture, those between scans too, and the first bytes of what they hold."""
    file.seek(0)
    data = file.read()
    place = 2
    while match := MARKER.match(data, place):
        marker, place = match[1][0], match.end()
        if marker == END_OF_IMAGE:
            break
        if marker in ALONE:
            continue
        size = int.from_bytes(data[place : place + 2], "big")
        yield marker, data[place + 2 : place + min(size, 80)]
        place += size
        if marker == START_OF_SCAN:
            scan = BEHIND_SCAN.search(data, place)
            place = scan.start() if scan else len(data)
    file.seek(place)


def of_webp(file: BinaryIO, info: Info) -> Iterator[str]:
    """Words for the chunks of a WebP file that are not carried over."""
    size = int.from_bytes(file.read(8)[4:], "little") + 8
    file.seek(12)
    while file.tell() + 8 <= size and len(start := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", start)
        yield WEBP_PARTS.get(name, f"its chunk {name.decode('latin-1')}")
        file.seek(length + length % 2, 1)
    file.seek(size)
    yield _behind(file)


def of_bmp(file: BinaryIO, info: Info) -> Iterator[str]:
    """Words for the profile of a BMP file, which Pillow does not read, and for what stands behind its end."""
    header = file.read(138).ljust(138, b"\0")
    (size,), (first_pixel, header_size) = struct.unpack_from("<I", header, 2), struct.unpack_from("<II", header, 10)
    if header_size >= BMP_V5_SIZE and header[70:74][::-1] in (b"MBED", b"LINK"):
        yield "its colour profile"
    width, height, _, bits, _, pixel_bytes = struct.unpack_from("<iiHHII", header, 18)
    row = (width * bits + 31) // 32 * 4
    file.seek(max(size, first_pixel + max(pixel_bytes, row * abs(height))) if header_size >= 40 else size)
    yield _behind(file)


def deep_kind_of_png(file: BinaryIO) -> str:
    """Which samples of 16 bits a PNG file holds that Pillow cuts to 8, in words."""
    bits, colour_type = file.read(26)[24:].ljust(2, b"\0")
    kinds = {2: "16-bit colour", 4: "16-bit grey with alpha", 6: "16-bit colour"}
    return kinds.get(colour_type, "") if bits == 16 else ""


def deep_kind_of_ppm(file: BinaryIO) -> str:
    """Which samples of 16 bits a PPM file holds that Pillow cuts to 8, in words."""
    header = COLOUR_PPM_HEADER.match(file.read(4096))
    return "16-bit colour" if header and int(header[1]) > 255 else ""


def of_ppm(file: BinaryIO, info: Info) -> Iterator[str]:
    """Words for comments, and for what stands behind the pixels."""
    header = PPM_HEADER.match(file.read(4096))
    if header is None:  # numbers that are written out, or real
        return
    kind, *numbers = header[0][:2], *map(int, re.findall(rb"\d+", re.sub(rb"#[^\n]*", b"", header[0][2:])))
    width, height, white = (*numbers, 1)[:3]
    row = -(-width // 8) if kind == b"P4" else width * (3 if kind == b"P6" else 1) * (2 if white > 255 else 1)
    yield "its comments" if b"#" in header[0] else ""
    file.seek(header.end() + row * height)
    yield _behind(file)


def _behind(file: BinaryIO) -> str:
    """Words for what stands behind the end of a picture, from here on, unless it is padding."""
    rest = file.read()
    return f"{len(rest)} bytes behind its end" if rest.strip(PADDING) else ""
