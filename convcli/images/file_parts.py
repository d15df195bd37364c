"""What a file holds beside its pixels that no reader here carries over, in words.

Each format is a list of parts with names: chunks of PNG (https://www.w3.org/TR/png-3/) and WebP, segments of JPEG, tags of
TIFF. A part is carried over, or is untrue of any other picture, or is reported: what is unknown is reported too.
"""

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

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

XMP_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type xmp")

WEBP_PARTS = {b"XMP ": XMP} | dict.fromkeys((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"ANMF"), "")

JPEG_PARTS = (
    *((0xE0, b"JFIF", ""), (0xE0, b"JFXX", ""), (0xE1, b"Exif\0", ""), (0xE2, b"ICC_PROFILE\0", ""), (0xEC, b"Ducky", "")),
    *((0xEE, b"Adobe", ""), (0xE2, b"MPF\0", SOME_PICTURES), (0xED, b"Photoshop 3.0", "Photoshop's and IPTC's data")),
    *((0xE1, b"http://ns.adobe.com/xap/", XMP), (0xE1, b"http://ns.adobe.com/xmp/", XMP)),
)
"""Segments of JPEG by marker and first bytes; no words for those that are carried over, made anew, or say how it is packed."""

APP0, APP15, COMMENT, START_OF_SCAN, ALONE = 0xE0, 0xEF, 0xFE, 0xDA, (0x01, *range(0xD0, 0xD9))
PADDING = b"\0\xff\r\n "

PPM_HEADER = re.compile(rb"P4(?:(?:\s|#[^\n]*\n)+\d+){2}\s|P[56](?:(?:\s|#[^\n]*\n)+\d+){3}\s")
COLOUR_PPM_HEADER = re.compile(rb"P[36](?:(?:\s|#[^\n]*\n)+(\d+)){3}\s")
"""https://netpbm.sourceforge.net/doc/ppm.html: two or three numbers, and comments between them."""

TIFF_PARTS = {330: "its smaller images", 700: XMP, 37724: "Photoshop's layers"}
"""Tags that are not carried over: of other pictures, or of the pixels that were."""


def unkept_tags(tags: Iterable[int]) -> list[str]:
    """Words for the tags of a TIFF file that are not carried over."""
    held = set(tags)
    return [word for tag, word in TIFF_PARTS.items() if tag in held]


def of_png(file: BinaryIO) -> Iterator[str]:
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
    yield _behind(file)


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


def of_jpeg(file: BinaryIO) -> Iterator[str]:
    """Words for the segments of a JPEG file that are not carried over, and for what stands behind it."""
    held = []
    comments = 0
    for marker, data in _jpeg_segments(file):
        if APP0 <= marker <= APP15:
            known = (word for number, start, word in JPEG_PARTS if marker == number and data.startswith(start))
            held.append(next(known, f"its segment APP{marker - APP0}"))
        comments += marker == COMMENT
        if marker == APP0 and data.startswith(b"JFIF") and data[7:8] == b"\0" and data[8:10] != data[10:12]:
            held.append("the shape of its pixels")
    yield from held
    yield "all comments but the last" if comments > 1 else ""
    if SOME_PICTURES not in held:
        yield _behind(file)


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Markers of segments up to the end of the picture, and the first bytes of what they hold."""
    file.seek(2)
    while len(start := file.read(2)) == 2 and start[0] == 0xFF:
        marker = start[1]
        if marker == 0xFF:  # a fill byte
            file.seek(-1, 1)
            continue
        if marker in ALONE:
            continue
        begin = file.tell()
        size = int.from_bytes(file.read(2), "big")
        yield marker, file.read(min(max(size - 2, 0), 80))
        file.seek(begin + size)
        if marker == START_OF_SCAN:  # whose bytes 255 are followed by 0, or by one of ALONE
            scan = file.read()
            end = scan.find(b"\xff\xd9")
            file.seek(begin + size + (end + 2 if end >= 0 else len(scan)))
            return


def of_webp(file: BinaryIO) -> Iterator[str]:
    """Words for the chunks of a WebP file that are not carried over."""
    size = int.from_bytes(file.read(8)[4:], "little") + 8
    file.seek(12)
    while file.tell() + 8 <= size and len(start := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", start)
        yield WEBP_PARTS.get(name, f"its chunk {name.decode('latin-1')}")
        file.seek(length + length % 2, 1)
    file.seek(size)
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


def of_ppm(file: BinaryIO) -> Iterator[str]:
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
