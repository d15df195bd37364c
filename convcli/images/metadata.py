"""Reads the metadata of a file that is carried over, and describes what is lost."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

import PIL.Image
import PIL.JpegImagePlugin
from msgspec import Struct
from msgspec.structs import replace

from ..errors import listed
from .avif_boxes import cicp_of
from .exif import check_block, holds_only_provenance, patched
from .exif_block import ORIENTATION, TIFF_LAYOUT, BrokenExif
from .exif_tiff import exif_of_tiff
from .file_format import Format
from .file_parts import (
    LOST_TIFF_TAGS,
    PHOTOSHOP,
    XMP,
    Info,
    cicp_of_png,
    is_picture_or_bytes,
    kept_png_chunks,
    unkept_tags,
)
from .geotiff import MAP_POSITION, MAP_TAGS, without_statistics
from .gif_blocks import xmp_of
from .image import Calibration, Image, Metadata
from .iptc import DIGEST, IPTC, OTHER_RESOURCES, STALE_RESOURCES, resource
from .provenance import SOFTWARE, without_provenance
from .xmp import is_adjustable

STALE_TEXTS = ("XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type xmp")
"""PNG texts that repeat the orientation, which is applied on reading, or that hold EXIF."""

EXIF_TEXT = "Raw profile type exif"
"""Where ImageMagick stored EXIF before PNG had a chunk for it: an empty line, a name, a length, and hexadecimal digits."""

MAX_DPI = 1e7
"""Highest resolution that is believed: a wavelength of light is about 1/50,000 inch. PNG cannot hold more."""

TRANSPOSED = (5, 6, 7, 8)
"""Orientations that swap rows and columns."""

"""Resources of Photoshop. The stale ones are the resolution, which is written anew, and thumbnails."""

T = TypeVar("T")

DESCRIPTION = 270
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, NO_UNIT = 282, 283, 296, 1
XMP_TAG, ICC_PROFILE = 700, 34675
IMAGEJ_SIZES, IMAGEJ_METADATA = 50838, 50839
IMAGEJ_LINE = r"(?m)^([a-z]+\d?)=(.*)$"
IMAGEJ_SIZES_OF_PIXELS = ("unit", "yunit", "zunit", "spacing", "xorigin", "yorigin", "zorigin")
IMAGEJ_UNKEPT = r"vunit|finterval|cf|c\d"
"""Keys of ImageJ's description: of the size of pixels, and of the meaning of levels and frames, which is not carried over."""

OME_XML = r"\A\s*(?:<\?xml|<!--|<OME)(?:.|\n){0,2000}?<(?:OME:)?OME\b|\A\s*<OME\b"
SHAPE_DESCRIPTIONS = ("ImageJ=", '{"shape"')
"""Starts of descriptions in which ImageJ and tifffile store the number and size of pages, untrue of any other file."""


class FileMetadata(Struct, frozen=True):
    """The metadata of a file, notices about what is not kept of it, and descriptions of what is lost."""

    metadata: Metadata
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def with_lost(self, *lost: str) -> "FileMetadata":
        """Return a copy with more that is lost, and a notice of it."""
        return replace(self, notices=(*self.notices, *_notices_of_lost([*lost])), lost=(*self.lost, *lost))

    def add_to(self, image: Image) -> Image:
        """Return the image with these notices and losses."""
        metadata_losses = frozenset((*self.notices, *(text for text in self.lost if not is_picture_or_bytes(text))))
        return replace(image.with_notices(*self.notices).with_losses(*self.lost), metadata_losses=metadata_losses)


def metadata_of(picture: PIL.Image.Image, file: BinaryIO, file_format: Format) -> FileMetadata:
    """Read the metadata of a file of any format but TIFF, whose pixels are loaded. Keeps the position in the file."""
    info = picture.info
    lost = _unkept_parts(file, file_format, info)
    notices, broken = [], []
    try:
        exif = _exif_of(picture)
    except BrokenExif as error:
        exif = None
        info.pop("exif", None)  # Pillow would look for an orientation in it, and refuse the picture
        info.pop(EXIF_TEXT, None)
        notices.append(_broken(error))
        broken.append("its broken EXIF")
    is_turned = picture.getexif().get(ORIENTATION, 1) != 1
    stated_xmp = _kept_position(file, xmp_of) if picture.format == "GIF" else info.get("xmp")
    xmp = _xmp_of(stated_xmp, lost, is_turned)
    iptc = _iptc_of(info.get("photoshop"), lost)
    chunks = _png_chunks_of(picture, file, is_turned)
    text = {key: value for key, value in getattr(picture, "text", {}).items() if key not in STALE_TEXTS}
    comment = info.get("comment")
    comment = comment.encode() if isinstance(comment, str) else comment or b""
    comment = without_provenance(comment.decode("latin-1")).encode("latin-1") or None
    notices = [*_notices_of_lost(lost), *notices]
    lost += broken
    icc, dpi = info.get("icc_profile") or None, resolution(_stated_dpi(picture))
    metadata = Metadata(icc, exif, dpi, tuple(text.items()), comment, xmp, iptc, chunks)
    if picture.format == "PNG":
        metadata = replace(metadata, gamma=_gamma_of(info), cicp=_kept_position(file, cicp_of_png))
    elif picture.format == "AVIF":
        metadata = replace(metadata, cicp=_kept_position(file, cicp_of))
    return FileMetadata(metadata, tuple(notices), tuple(lost))


def _xmp_of(xmp: object, lost: list[str], is_turned: bool) -> bytes | None:
    """Return XMP that can be adjusted to a new picture, and remove it from what is lost; else None."""
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    if not isinstance(xmp, bytes) or not xmp or not is_adjustable(xmp, is_turned):
        return None
    if XMP in lost:
        lost.remove(XMP)
    return xmp


def _iptc_of(resources: Mapping[int, Any] | None, lost: list[str]) -> bytes | None:
    """Return IPTC as a resource of Photoshop, with its digest, and remove it from what is lost; else None."""
    kept = {number: (resources or {}).get(number) for number in (IPTC, DIGEST)}
    if not isinstance(kept[IPTC], bytes) or not kept[IPTC]:
        return None
    if PHOTOSHOP in lost:
        lost[lost.index(PHOTOSHOP)] = OTHER_RESOURCES
        if not set(resources or {}) - {IPTC, DIGEST, *STALE_RESOURCES}:
            lost.remove(OTHER_RESOURCES)
    return b"".join(resource(number, data) for number, data in kept.items() if isinstance(data, bytes))


def _png_chunks_of(picture: PIL.Image.Image, file: BinaryIO, is_turned: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Return the chunks of a PNG that are carried over. Keeps the position in the file."""
    if picture.format != "PNG":
        return ()
    position = file.tell()
    chunks = kept_png_chunks(file)
    file.seek(position)
    swaps = is_turned and picture.getexif().get(ORIENTATION) in TRANSPOSED
    return tuple((name, data[4:8] + data[:4] + data[8:] if swaps and name == b"pHYs" else data) for name, data in chunks)


def _gamma_of(info: Info) -> float | None:
    """Return the gamma of a PNG file, by which light becomes samples; None where a chunk sRGB replaces it, or it is 0."""
    return None if "srgb" in info else info.get("gamma") or None


def _stated_dpi(picture: PIL.Image.Image) -> Any:
    """Return the resolution that a file states. For a JPEG with EXIF that states none, Pillow makes up 72."""
    made_up = isinstance(picture, PIL.JpegImagePlugin.JpegImageFile) and picture.info.get("jfif_unit") not in (1, 2)
    return None if made_up and X_RESOLUTION not in picture.getexif() else picture.info.get("dpi")


def _unkept_parts(file: BinaryIO, file_format: Format, info: Info) -> list[str]:
    """Describe what of a file is not carried over. Keeps the position in the file."""
    return _kept_position(file, lambda file: list(dict.fromkeys(filter(None, file_format.unkept_parts(file, info)))))


def _kept_position(file: BinaryIO, read: Callable[[BinaryIO], T]) -> T:
    """Call a function that reads a file from its beginning. The position in the file is as before."""
    position = file.tell()
    file.seek(0)
    result = read(file)
    file.seek(position)
    return result


def metadata_of_blocks(
    exif: bytes | None, xmp: bytes | None, lost: Sequence[str], is_turned: bool, icc: bytes | None = None, dpi: Any = None
) -> FileMetadata:
    """Return the metadata of a file from its blocks, the XMP in ``lost`` too. ``is_turned``: an orientation was applied.

    The orientation in EXIF becomes 1, whatever it was.
    """
    lost = list(lost)
    kept_xmp = _xmp_of(xmp, lost, is_turned)
    notices, kept_exif = _notices_of_lost(lost), None
    try:
        kept_exif = _kept_exif(exif, (0, 0)) if exif else None  # ``write`` sets the sizes
    except BrokenExif as error:
        notices.append(_broken(error))
        lost.append("its broken EXIF")
    return FileMetadata(Metadata(icc, kept_exif, resolution(dpi), xmp=kept_xmp), tuple(notices), tuple(lost))


def metadata_of_tiff(
    file: BinaryIO, tags: Mapping[int, Any], icc: bytes | None, dpi: tuple[Any, Any] | None, directory: int
) -> FileMetadata:
    """Read the metadata of a page of a TIFF file, whose directory is given by its position. ``tags`` are by number.

    Keeps the position in the file.
    """
    position = file.tell()
    description, is_turned = str(tags.get(DESCRIPTION, "")), int(tags.get(ORIENTATION, 1)) != 1
    stale = {DESCRIPTION} if description.startswith(SHAPE_DESCRIPTIONS) or re.match(OME_XML, description) else set()
    stale |= LOST_TIFF_TAGS.keys()
    calibration = None if is_turned else _calibration_of(tags)
    lost = [
        *unkept_tags(tags),
        *_unkept_calibration(tags, calibration),
        *(["OME-XML"] if re.match(OME_XML, description) else []),
    ]
    if is_turned and set(tags) & set(MAP_TAGS):
        stale |= set(MAP_TAGS)
        lost.append(MAP_POSITION)
    xmp = _xmp_of(_bytes_of(tags.get(XMP_TAG)), lost, is_turned)
    notices = _notices_of_lost(lost)
    exif = None
    try:
        if set(tags) - TIFF_LAYOUT - stale == {SOFTWARE} and not without_provenance(str(tags[SOFTWARE])):
            stale.add(SOFTWARE)  # nothing but provenance, which is made anew
        exif, moved = exif_of_tiff(file, stale, directory)
        exif = exif and without_statistics(exif)
        if moved:
            notices.append("the maker note of its EXIF moves, and may hold offsets from its old position")
            lost.append("the position of its maker note")
    except BrokenExif as error:
        notices.append(_broken(error))
        lost.append("its broken EXIF")
    file.seek(position)
    metadata = Metadata(icc or None, exif, resolution(dpi), xmp=xmp, calibration=calibration)
    return FileMetadata(metadata, tuple(notices), tuple(lost))


def _bytes_of(value: object) -> bytes | None:
    """Return the value of a TIFF tag of bytes, which Pillow returns as bytes, and tifffile as bytes or numbers."""
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], bytes):
        return value[0]
    return bytes(value) if isinstance(value, bytes | tuple) else None


def _imagej_lines(tags: Mapping[int, Any]) -> dict[str, str]:
    """Return the keys and values of ImageJ's description."""
    description = str(tags.get(DESCRIPTION, ""))
    return dict(re.findall(IMAGEJ_LINE, description)) if description.startswith("ImageJ=") else {}


def _calibration_of(tags: Mapping[int, Any]) -> Calibration | None:
    """Return the size of pixels where the resolution has no unit of TIFF, as ImageJ stores it; None where it says nothing."""
    if int(tags.get(RESOLUTION_UNIT, 2)) != NO_UNIT:
        return None
    from fractions import Fraction  # here, as it takes 2 ms to import

    values = [tags.get(tag) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if not all(isinstance(value, tuple) and len(value) == 2 and all(value) for value in values):
        return None
    words = tuple((key, text) for key, text in _imagej_lines(tags).items() if key in IMAGEJ_SIZES_OF_PIXELS)
    x, y = (Fraction(*value) for value in values)  # type: ignore[misc]
    is_valid = all(key not in ("xorigin", "yorigin") or _is_number(text) for key, text in words)
    return Calibration((x, y), words) if is_valid and (words or x != 1 or y != 1) else None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _unkept_calibration(tags: Mapping[int, Any], calibration: Calibration | None) -> Iterator[str]:
    """Describe the calibration that is not carried over."""
    keys = _imagej_lines(tags).keys()
    if any(re.fullmatch(IMAGEJ_UNKEPT, key) for key in keys):
        yield "ImageJ's calibration of levels and frames"
    if calibration is None and keys & set(IMAGEJ_SIZES_OF_PIXELS):
        yield "ImageJ's calibration"
    if IMAGEJ_METADATA in tags and imagej_kinds(tags) != {b"labl"}:
        yield "ImageJ's properties"


def imagej_kinds(tags: Mapping[int, Any]) -> set[bytes]:
    """Return the kinds of metadata in a tag of ImageJ. An output has labels, which are the names of its maps.

    The tag begins with IJIJ, or JIJI in the other byte order, then four letters and a count for each kind. The first value
    of IMAGEJ_SIZES is the size of this list.
    """
    sizes = tags.get(IMAGEJ_SIZES) or (0,)
    kinds = bytes(tags[IMAGEJ_METADATA])[: int(sizes[0] if isinstance(sizes, tuple) else sizes)]
    step = -1 if kinds.startswith(b"JIJI") else 1
    return {kinds[position : position + 4][::step] for position in range(4, len(kinds), 8)}


def resolution(dpi: Iterable[Any] | None) -> tuple[float, float] | None:
    """Return the dots per inch (x, y), or None where they are implausible."""
    x, y = map(float, dpi) if dpi else (0.0, 0.0)
    return (x, y) if 1 / MAX_DPI <= min(x, y) <= max(x, y) <= MAX_DPI else None


def _notices_of_lost(lost: list[str]) -> list[str]:
    return [f"{listed(lost)} not kept"] if lost else []


def _broken(error: BrokenExif) -> str:
    return f"EXIF is broken and not kept: it {error}"


def _exif_of(picture: PIL.Image.Image) -> bytes | None:
    """Return the EXIF of a file without its orientation, which is applied, and its thumbnail. Raises BrokenExif."""
    exif = picture.info.get("exif")
    if not exif and EXIF_TEXT in picture.info:
        try:
            exif = bytes.fromhex("".join(picture.info[EXIF_TEXT].split("\n")[3:]))
        except ValueError:
            raise BrokenExif("is not hexadecimal text") from None
    if not exif:
        return None
    block = check_block(exif)  # first, as Pillow raises its own errors
    is_rotated = picture.getexif().get(ORIENTATION, 1) in TRANSPOSED
    return _kept_exif(block, picture.size[::-1] if is_rotated else picture.size)


def _kept_exif(exif: bytes, size: tuple[int, int]) -> bytes | None:
    """Return a block for an upright picture of a size, without its thumbnail. Raises BrokenExif."""
    block = check_block(exif)
    return None if holds_only_provenance(block) else patched(block, *size)  # provenance is made anew
