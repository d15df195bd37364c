"""TIFF: up to 8 bits with Pillow; 16-bit colour, floats, and the float stacks that ImageJ reads with tifffile."""

import importlib.util
import io
import logging
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import PIL.Image

from ...errors import ImageError
from .. import alpha
from ..exif_block import Block, BrokenExif
from ..exif_tiff import NO_BLOCK, check_values, start_tiff
from ..formats import Encoding, Format
from ..image import Admit, Array, Header, Image, Metadata, as_levels, check_pixels, itemsize_of
from ..metadata import SAMPLES, XMP_TAG, frames_in, metadata_of_tiff
from ..provenance import SOFTWARE, Provenance, find_provenance
from ..quantize import to_levels
from .codec import Codec
from .pillow import WatchedFile, header_of, image_of, pillow_settings

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its warnings become one line of ours

ASSOCIATED, UNASSOCIATED, STRIP_OFFSETS = 1, 2, 273
BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
STRUCT_CODES = {SHORT: "H", LONG: "I"}
MINISWHITE, MINISBLACK, RGB = 0, 1, 2
SIGNED, FLOATING_POINT = 2, 3
PHOTOMETRIC, SAMPLE_FORMAT = 262, 339
BITS_PER_SAMPLE, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION, ICC_PROFILE = 258, 282, 283, 296, 274, 34675
PER_INCH = {2: 1.0, 3: 2.54}
BUILT_IN_COMPRESSIONS = (1, 8, 32773, 32946)
"""Compressions that tifffile decodes itself: none, deflate, PackBits, old deflate. Others need imagecodecs, 78 MB."""

ORIENTATION_TURNS: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""Functions that make pixels (row, column, ...) of each orientation upright."""


class TiffCodec(Codec):
    """TIFF, BigTIFF, and stacks of float maps."""

    def decode(self, file: BinaryIO, max_pixels: int, admit: Admit, axes: str | None) -> Image:
        """Read the first page. Raises ImageError, and whatever Pillow and tifffile raise on damaged data."""
        with pillow_settings:
            watched = WatchedFile(file)
            try:
                picture = PIL.Image.open(cast(BinaryIO, watched), formats=("TIFF",))
            except PIL.UnidentifiedImageError:
                return _read_by_tifffile(file, max_pixels, admit)
            with picture:
                check_pixels(*picture.size, max_pixels)
                if _needs_tifffile(picture):
                    return _read_by_tifffile(file, max_pixels, admit)
                admit(header_of(picture))
                tags: Any = picture.tag_v2  # type: ignore[attr-defined]
                frames = max(getattr(picture, "n_frames", 1), frames_in(file, tags))
                dpi = picture.info.get("dpi") if X_RESOLUTION in tags else None  # otherwise Pillow makes up one dot per inch
                file_metadata = metadata_of_tiff(file, tags, picture.info.get("icc_profile"), dpi)
                watched.was_read_at_end = False
                return watched.add_to(image_of(picture, file_metadata, frames, tags.get(SAMPLES, 1)))  # reads the pixels

    def encode(self, levels: Array, has_alpha: bool, file_format: Format, encoding: Encoding, metadata: Metadata) -> bytes:
        """Encode levels uncompressed in one strip, after their metadata.

        Pillow cannot encode 16-bit colour, and would write EXIF anew. The strip is written last: a file in memory that grows
        after it would be copied.
        """
        order = "<" if b"II" in (metadata.exif or NO_BLOCK)[:8] else ">"
        data = np.ascontiguousarray(levels, levels.dtype.newbyteorder(order)).data.cast("B")
        file = start_tiff(metadata.exif or NO_BLOCK, _pixel_fields(levels, has_alpha, metadata, order))
        begin = file.seek(0, io.SEEK_END)
        block = Block.of(file)
        (strip,) = (entry for entry in block.directory(block.first_directory) if entry.tag == STRIP_OFFSETS)
        file.seek(strip.value_position)
        file.write(struct.pack(f"{order}I", begin + begin % 2))
        file.seek(begin)
        file.write(bytes(begin % 2))
        file.write(data)
        return file.getvalue()

    def exif_error(self, exif: bytes) -> str:
        """Return what is wrong with a block whose directories become those of the file, or an empty string."""
        try:
            check_values(exif)
        except BrokenExif as error:
            return str(error)
        return ""

    def write_maps(self, file: BinaryIO, maps: Sequence[Array], names: Sequence[str], provenance: Provenance | None) -> None:
        """Write maps as float32 pages that ImageJ opens as a hyperstack with the names as labels.

        N maps of one channel are N channels (axes CYX); N maps of C channels are N slices of C channels (ZCYX).
        """
        import tifffile  # 10 ms, needed for stacks only

        height, width, channels = maps[0].shape
        planes = np.empty((len(maps), channels, height, width), np.float32)
        for plane, map_ in zip(planes, maps, strict=True):
            plane[...] = np.moveaxis(map_, 2, 0)
        if channels == 1:
            labels, axes, planes = list(names), "CYX", planes[:, 0]
        else:
            letters = "RGB" if channels == 3 else [str(c) for c in range(channels)]
            labels, axes = [f"{name} {letter}" for name in names for letter in letters], "ZCYX"
        description = {"axes": axes, "Labels": labels, "mode": "grayscale"}
        tifffile.imwrite(file, planes, imagej=True, metadata=description, software=str(provenance or ""))

    def read_provenance(self, path: Path) -> Provenance | None:
        """Return the provenance in the tag Software. Raises whatever Pillow raises on damaged data."""
        with pillow_settings, PIL.Image.open(path, formats=("TIFF",)) as picture:
            return find_provenance(picture.getexif().get(SOFTWARE))

    def is_complete(self, path: Path, file_format: Format) -> bool:
        """Return whether all data that the directories refer to lies in the file, and each plane of a stack has a directory."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            if len(file.pages) < (file.imagej_metadata or {}).get("images", 1):
                return False
            ends = [0]
            for tiff_page in file.pages:
                page: Any = tiff_page
                ends.append(page.offset + 12 * len(page.tags) + 6)  # a count, 12 bytes per tag, a pointer
                ends += (tag.valueoffset + tag.valuebytecount for tag in page.tags)
                ends += map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
            return max(ends) <= file.filehandle.size


def _needs_tifffile(picture: PIL.Image.Image) -> bool:
    """Return whether Pillow would lose bits or signs.

    It would for signed samples, and above 8 bits for colour, alpha, wide integers, and white as 0.
    """
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    bits = tags.get(BITS_PER_SAMPLE, (1,))
    bits = bits if isinstance(bits, tuple) else (bits,)
    signed = SIGNED in tags.get(SAMPLE_FORMAT, ())
    return signed or (max(bits) > 8 and (len(bits) > 1 or picture.mode == "I" or tags.get(PHOTOMETRIC) == MINISWHITE))


def _read_by_tifffile(file: BinaryIO, max_pixels: int, admit: Admit) -> Image:
    """Read the first page with tifffile."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as pages:
        page: Any = pages.pages[0]
        check_pixels(page.imagewidth, page.imagelength, max_pixels)
        _check_readable(page)
        height, width, channels, itemsize = page.imagelength, page.imagewidth, page.samplesperpixel, itemsize_of(page.dtype)
        admit(Header(height, width, channels, itemsize, height * width * channels * itemsize))
        pixels: Array = page.asarray()
        if pixels.ndim not in (2, 3) or pixels.size < page.imagewidth * page.imagelength:
            raise ImageError("is truncated or corrupt: its pixels do not fill its size")
        tags = {tag.code: tag.value for tag in page.tags}
        frames = max(len(pages.pages), frames_in(file, tags))
        file_metadata = metadata_of_tiff(file, tags, _tag(page, ICC_PROFILE), _resolution(page))
        orientation = _tag(page, ORIENTATION) or 1
    if pixels.ndim == 3 and page.axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, 2)
    turn = ORIENTATION_TURNS.get(orientation)
    levels, white = as_levels(np.atleast_3d(turn(pixels) if turn else pixels))
    if page.photometric == MINISWHITE:
        if white is None:
            raise ImageError("is TIFF in real numbers with white as 0, which is not read; store it with black as 0")
        levels = to_levels(levels.astype(np.float32), levels.dtype, scale=-1, zero=white)
    colours = 3 if page.photometric == RGB else 1
    extra = page.extrasamples[0] if levels.shape[2] > colours and page.extrasamples else 0
    used = colours + (extra in (ASSOCIATED, UNASSOCIATED))
    image = file_metadata.add_to(
        Image(np.ascontiguousarray(levels[:, :, :colours]), white, None, "TIFF", file_metadata.metadata)
    )
    image = image.with_first_used(1, frames, "frames").with_first_used(used, levels.shape[2], "channels")
    if used == colours:
        return image
    return alpha.with_alpha(image, np.ascontiguousarray(levels[:, :, colours]), associated=extra == ASSOCIATED)


def _pixel_fields(levels: Array, has_alpha: bool, metadata: Metadata, order: str) -> list[tuple[int, int, bytes]]:
    """Return the fields of a directory for levels (H, W, C) in one strip, whose position is 0 until it is known."""
    height, width, samples = levels.shape
    photometric = RGB if samples - has_alpha == 3 else MINISBLACK
    sizes = ((256, width), (257, height), (STRIP_OFFSETS, 0), (278, height), (279, levels.nbytes))
    fields = [
        *((tag, LONG, (value,)) for tag, value in sizes),
        *((tag, SHORT, (value,)) for tag, value in ((259, 1), (PHOTOMETRIC, photometric), (277, samples), (284, 1))),
        (BITS_PER_SAMPLE, SHORT, (8 * levels.itemsize,) * samples),
        *([(338, SHORT, (UNASSOCIATED,))] if has_alpha else []),
    ]
    packed = [(tag, kind, struct.pack(f"{order}{len(values)}{STRUCT_CODES[kind]}", *values)) for tag, kind, values in fields]
    if metadata.dpi:
        per_inch = [Fraction(round(value * 400), 400).as_integer_ratio() for value in metadata.dpi]  # 1e7 * 400 has 32 bits
        ratios = zip((X_RESOLUTION, Y_RESOLUTION), per_inch, strict=True)
        packed += [(tag, RATIONAL, struct.pack(f"{order}II", *ratio)) for tag, ratio in ratios]
        packed.append((RESOLUTION_UNIT, SHORT, struct.pack(f"{order}H", 2)))
    if metadata.icc:
        packed.append((ICC_PROFILE, UNDEFINED, metadata.icc))
    if metadata.xmp:
        packed.append((XMP_TAG, BYTE, metadata.xmp))
    return packed


def _check_readable(page: Any) -> None:
    if page.photometric not in (MINISWHITE, MINISBLACK, RGB):
        raise ImageError(f"is TIFF of kind {page.photometric.name} beyond 8 bits, which is not read; convert it to RGB")
    needs_imagecodecs = page.compression not in BUILT_IN_COMPRESSIONS or page.predictor == FLOATING_POINT
    if needs_imagecodecs and importlib.util.find_spec("imagecodecs") is None:
        raise ImageError(
            f"is TIFF beyond 8 bits compressed with {page.compression.name}; save it uncompressed or with plain deflate, "
            "or install the Python package imagecodecs"
        )


def _tag(page: Any, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _resolution(page: Any) -> tuple[float, float] | None:
    per_inch = PER_INCH.get(int(_tag(page, RESOLUTION_UNIT) or 0))
    values = [_tag(page, code) for code in (X_RESOLUTION, Y_RESOLUTION)]
    if per_inch is None or not all(value and value[1] for value in values):
        return None
    x, y = (value[0] / value[1] * per_inch for value in values)
    return x, y
