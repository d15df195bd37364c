"""XMP (ISO 16684-1): metadata as XML text. Only the numbers that a new picture makes untrue are changed.

The orientation becomes 1, and the sizes are those of the new picture. XMP that describes more than this is not carried over.
"""

import re

TIFF_NAMESPACE, EXIF_NAMESPACE = b"http://ns.adobe.com/tiff/1.0/", b"http://ns.adobe.com/exif/1.0/"
WIDTHS = (b"tiff:ImageWidth", b"exif:PixelXDimension")
HEIGHTS = (b"tiff:ImageLength", b"exif:PixelYDimension")
ORIENTATION = b"tiff:Orientation"

OF_THIS_FILE = (b"xmpNote:HasExtendedXMP", b"hdrgm:", b"xmpGImg:image", b"Container:Directory", b"GCamera:M", b"GContainer:")
"""What describes other parts of its file: further XMP, gain maps, films, and thumbnails, which show the old picture."""

OF_ITS_ORIENTATION = (b"mwg-rs:", b"MPReg:", b"GPano:", b"crs:Crop")
"""Positions in the picture before it was turned."""

DECLARATION = rb"""xmlns:([\w.-]+)\s*=\s*["']([^"']*)["']"""


def is_adjustable(xmp: bytes, is_turned: bool) -> bool:
    """Return whether ``adjusted`` makes all of it true of a new picture. ``is_turned``: an orientation was applied."""
    if (
        b"\0" in xmp
        or any(name in xmp for name in OF_THIS_FILE)
        or (is_turned and any(name in xmp for name in OF_ITS_ORIENTATION))
    ):
        return False  # with NUL bytes it is UTF-16 or UTF-32
    prefixes = {(prefix, uri) for prefix, uri in re.findall(DECLARATION, xmp) if uri in (TIFF_NAMESPACE, EXIF_NAMESPACE)}
    if prefixes - {(b"tiff", TIFF_NAMESPACE), (b"exif", EXIF_NAMESPACE)}:
        return False
    return all(
        len(re.findall(rb"(?<![\w/:-])" + name + rb"(?![\w-])", xmp)) == len(_pattern(name).findall(xmp))
        for name in (ORIENTATION, *WIDTHS, *HEIGHTS)
    )


def adjusted(xmp: bytes, width: int, height: int) -> bytes:
    """Return the XMP of an upright picture of a size, where ``is_adjustable`` is true."""
    numbers = {ORIENTATION: 1, **dict.fromkeys(WIDTHS, width), **dict.fromkeys(HEIGHTS, height)}
    for name, number in numbers.items():
        xmp = _pattern(name).sub(rb"\g<1>%d\g<2>" % number, xmp)
    return xmp


def _pattern(name: bytes) -> "re.Pattern[bytes]":
    """Return a pattern for a property with a whole number: an attribute or an element. Its groups surround the number."""
    attribute, element = rb"(?<![\w/:-])NAME\s*=\s*[\"']\s*", rb"<NAME(?:\s[^<>]*)?>\s*"
    pattern = rb"(" + attribute + rb"|" + element + rb")[0-9]+(\s*[\"']|\s*</NAME\s*>)"
    return re.compile(pattern.replace(b"NAME", name))
