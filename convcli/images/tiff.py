"""TIFF beyond 8 bits through tifffile: 16-bit colour, real numbers, and the float stacks that ImageJ reads."""

import importlib.util
import io
import logging
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
import PIL.TiffTags

from ..errors import ImageError
from . import alpha
from .exif import Block
from .image import Admit, Array, Header, Image, Metadata, as_levels, check_pixels, itemsize_of
from .levels import to_levels
from .mark import Mark

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it finds wrong becomes our one line

ASSOCIATED, UNASSOCIATED, STRIP_OFFSETS = 1, 2, 273
MINISWHITE, MINISBLACK, RGB = 0, 1, 2
SIGNED, FLOATING_POINT = 2, 3
PHOTOMETRIC, SAMPLE_FORMAT = 262, 339
BITS_PER_SAMPLE, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION, ICC_PROFILE = 258, 282, 283, 296, 274, 34675
PER_INCH = {2: 1.0, 3: 2.54}
PLAIN_CODECS = (1, 8, 32773, 32946)
"""Compressions that tifffile decodes by itself: none, deflate, PackBits, old deflate. Others need imagecodecs, 78 MB."""

UPRIGHT: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What each orientation asks of pixels (row, column, ...)."""


def needs_tifffile(picture: PIL.Image.Image) -> bool:
    """Whether Pillow would lose bits or turn signs: signed samples; beyond 8 bits, colour, alpha, wide integers, white as 0."""
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    bits = tags.get(BITS_PER_SAMPLE, (1,))
    bits = bits if isinstance(bits, tuple) else (bits,)
    signed = SIGNED in tags.get(SAMPLE_FORMAT, ())
    return signed or (max(bits) > 8 and (len(bits) > 1 or picture.mode == "I" or tags.get(PHOTOMETRIC) == MINISWHITE))


def read_tiff(file: BinaryIO, max_pixels: int, metadata: Metadata, admit: Admit) -> Image:
    """Read the first page. Metadata is what Pillow found; the profile and the resolution are looked up if it found none."""
    import tifffile  # 10 ms, wanted for such files only

    with tifffile.TiffFile(file) as pages:
        page: Any = pages.pages[0]
        check_pixels(page.imagewidth, page.imagelength, max_pixels)
        _check_readable(page)
        height, width, channels, itemsize = page.imagelength, page.imagewidth, page.samplesperpixel, itemsize_of(page.dtype)
        admit(Header(height, width, channels, itemsize, height * width * channels * itemsize))
        pixels: Array = page.asarray()
        if pixels.ndim not in (2, 3) or pixels.size < page.imagewidth * page.imagelength:
            raise ImageError("is truncated or corrupt: its pixels do not fill its size")
        count = len(pages.pages)
        notices = [f"has {count} frames; the first is used"] if count > 1 else []
        lost = [other_frames(count)] if count > 1 else []
        if metadata == Metadata():
            metadata = Metadata(_tag(page, ICC_PROFILE), None, _resolution(page))
        orientation = _tag(page, ORIENTATION) or 1
    if pixels.ndim == 3 and page.axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, 2)
    turn = UPRIGHT.get(orientation)
    levels, white = as_levels(np.atleast_3d(turn(pixels) if turn else pixels))
    if page.photometric == MINISWHITE:
        if white is None:
            raise ImageError("is TIFF in real numbers with white as 0, which is not read; store it with black as 0")
        levels = to_levels(levels.astype(np.float32), levels.dtype, scale=-1, zero=white)
    colours = 3 if page.photometric == RGB else 1
    extra = page.extrasamples[0] if levels.shape[2] > colours and page.extrasamples else 0
    used = colours + (extra in (ASSOCIATED, UNASSOCIATED))
    if levels.shape[2] > used:
        notices.append(f"has {levels.shape[2]} channels; the first {used} are used")
        lost.append(other_channels(levels.shape[2], used))
    image = Image(np.ascontiguousarray(levels[:, :, :colours]), white, None, "TIFF", metadata, tuple(notices), tuple(lost))
    if used == colours:
        return image
    return alpha.with_alpha(image, np.ascontiguousarray(levels[:, :, colours]), associated=extra == ASSOCIATED)


def other_frames(count: int) -> str:
    """Words for the frames that are not used."""
    return f"{count - 1} further frame{'s' if count > 2 else ''}"


def other_channels(count: int, used: int) -> str:
    """Words for the channels that are not used."""
    return f"{count - used} further channel{'s' if count - used > 1 else ''}"


def write_stack(file: BinaryIO, maps: Sequence[Array], names: Sequence[str], mark: Mark | None = None) -> None:
    """Write maps, each (H, W, C) real, as float32 pages that ImageJ opens as a hyperstack with the names as labels.

    N maps of one channel are N channels (axes CYX); N maps of C channels are N slices of C channels (ZCYX).
    """
    height, width, channels = maps[0].shape
    planes = np.empty((len(maps), channels, height, width), np.float32)
    for plane, one in zip(planes, maps, strict=True):
        plane[...] = np.moveaxis(one, 2, 0)
    if channels == 1:
        labels, axes, planes = list(names), "CYX", planes[:, 0]
    else:
        letters = "RGB" if channels == 3 else [str(c) for c in range(channels)]
        labels, axes = [f"{name} {letter}" for name in names for letter in letters], "ZCYX"
    described = {"axes": axes, "Labels": labels, "mode": "grayscale"}
    import tifffile

    tifffile.imwrite(file, planes, imagej=True, metadata=described, software=str(mark or ""))


def write_deep(
    file: BinaryIO, levels: Array, metadata: Metadata, alpha_last: bool, add_tags: Callable[[BinaryIO], list[str]]
) -> list[str]:
    """Write 16-bit levels (H, W, C), C with alpha, as one strip, with their profile and resolution, and what ``add_tags`` adds.

    Returns what that says. Pillow cannot encode such pixels, but its directory of tags can be written by itself. The strip is
    written last: a file in memory that grows behind it takes as much again.
    """
    height, width, samples = levels.shape
    tags = PIL.TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    data = levels.astype("<u2").tobytes()
    tags[256], tags[257], tags[258], tags[259] = width, height, (16,) * samples, 1
    tags[262] = RGB if samples - alpha_last == 3 else MINISBLACK
    tags[273], tags[277], tags[278], tags[279], tags[284] = 0, samples, height, len(data), 1
    if metadata.dpi:
        tags[X_RESOLUTION], tags[Y_RESOLUTION], tags[RESOLUTION_UNIT] = *metadata.dpi, 2
    if alpha_last:
        tags[338] = UNASSOCIATED
    if metadata.icc:
        tags.tagtype[ICC_PROFILE] = PIL.TiffTags.UNDEFINED
        tags[ICC_PROFILE] = metadata.icc
    tags.save(file)
    told = add_tags(file)
    end = file.seek(0, io.SEEK_END)
    block = Block.of(file)
    (strip,) = (entry for entry in block.directory(block.first) if entry.tag == STRIP_OFFSETS)
    file.seek(strip.at)
    file.write(struct.pack("<I", end + end % 2))
    file.seek(end)
    file.write(bytes(end % 2))
    file.write(data)
    return told


def is_whole(path: Path) -> bool:
    """Whether all that the directories of a TIFF name lies in the file, and each plane of a stack has one."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if len(file.pages) < (file.imagej_metadata or {}).get("images", 1):
            return False
        ends = [0]
        for page in file.pages:
            described: Any = page
            ends.append(described.offset + 12 * len(described.tags) + 6)  # a count, 12 bytes a tag, where the next one is
            ends += (tag.valueoffset + tag.valuebytecount for tag in described.tags)
            ends += map(sum, zip(described.dataoffsets, described.databytecounts, strict=True))
        return max(ends) <= file.filehandle.size


def _check_readable(page: Any) -> None:
    if page.photometric not in (MINISWHITE, MINISBLACK, RGB):
        raise ImageError(f"is TIFF of kind {page.photometric.name} beyond 8 bits, which is not read; convert it to RGB")
    hard = page.compression not in PLAIN_CODECS or page.predictor == FLOATING_POINT
    if hard and importlib.util.find_spec("imagecodecs") is None:
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
