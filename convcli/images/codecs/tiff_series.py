"""The frames of a TIFF file: of which planes each is made, by the axes that the file states.

    ImageJ             TZCYX in the order of its description; above 4 GB all planes follow the first directory
    OME-TIFF           the first image of its OME-XML, by the table TiffData
    tifffile           the shape and axes in its description
    LSM                axes and lengths in the tag of Zeiss; smaller images lie between the pages
    STK                planes that follow the first directory, as many as the tag UIC2 has values
    volumes            the planes of one directory (ImageDepth) along Z
    any other file     each page is a frame of its own, of any size and type

Planes along C are the channels of a frame. A description whose planes are not in the file is that of another file: programs
copy them. Directories of smaller images and transparency masks (NewSubfileType) are no frames.

Sources: https://imagej.net/ij/developer/api/ij/ij/io/TiffDecoder.html, https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/.
"""

import json
import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ...errors import ImageError
from ..exif_block import RATIONAL
from ..file_parts import SMALLER_IMAGES
from ..frames import Series, TiffSeries
from ..image import REMEDY, Array
from .tiff_directories import MASK, REDUCED, directories_of, entries_of, map_tags_of
from .tiff_ome import names_other_files, read_ome

RGB_LETTERS = ("R", "G", "B")
COMPOSITE = "composite"
"""ImageJ's mode of display in which its first three channels are red, green and blue."""

IMAGEJ_WORDS = ("mode", "loop", "fps", "yunit", "zunit", "xorigin", "yorigin", "zorigin", "Info", "LUTs", "Properties")
"""Metadata of ImageJ that stay true of a filtered stack; those of levels, such as its display range, are left out."""

IMAGEJ_LEVELS = r"vunit|cf|c\d"
"""Keys of ImageJ for the meaning of levels."""

UNCOMPRESSED = 1
UIC2, UIC2_BYTES = 33629, 24
"""MetaMorph's tag with as many values as an STK file has planes, and the size of a value."""

FURTHER_MAP_TAGS = "the position on a map and GDAL's tags of its further pages"


class Layout(Struct, frozen=True):
    """The series of a file, the planes of each frame (frames, channels), and the positions of the directories.

    Each directory holds ``per_directory`` planes, which are numbered from 0 throughout the file. ``lost`` describes the parts
    of the file that are no frames, ``unkept`` what no output has of the description of the series. ``is_colour`` is whether the
    three planes of a frame are red, green and blue. ``is_whole`` is whether the first directory describes all frames.
    """

    series: Series
    planes: Array
    directories: tuple[int, ...]
    per_directory: int = 1
    lost: tuple[str, ...] = ()
    is_colour: bool = False
    unkept: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the metadata of the first directory are those of all frames."""
        return self.series.tiff is not None or self.per_directory > 1


def layout_of(file: Any, stream: BinaryIO) -> Layout:
    """Return the layout of an open ``tifffile.TiffFile``, which reads a stream.

    Raises ImageError, and whatever tifffile raises on damaged data.
    """
    directories, kinds, last_tags = zip(*directories_of(file, stream), strict=True)
    used = [index for index, kind in enumerate(kinds) if index == 0 or not kind & (REDUCED | MASK)]
    skipped = [kind for index, kind in enumerate(kinds) if index and kind & (REDUCED | MASK)]
    masks = sum(bool(kind & MASK) for kind in skipped)
    lost = [SMALLER_IMAGES] if len(skipped) > masks else []
    lost += [f"{masks} transparency masks" if masks > 1 else "its transparency mask"] if masks else []
    map_tags = map_tags_of(file, stream, [(directories[index], last_tags[index]) for index in used])
    found = _imagej(file, directories) or _ome(file, directories) or _lsm(file, used) or _stk(file, used)
    found = found or _shaped(file, used) or _volume(file, used)
    if found is None:
        if file.is_ome and names_other_files(file.ome_metadata):
            lost.append("the planes in other files that its OME-XML names")
        are_alternates = bool(file.is_svs or file.is_ndpi or file.is_scn or file.is_bif or file.is_qpi)
        series = Series(len(used), are_alternates=are_alternates, map_tags=map_tags)
        return Layout(series, np.array(used)[:, None], directories, 1, tuple(lost))
    if (further := len(used) * found.per_directory - found.planes.size) > 0:
        lost.append(f"{further} further {'page' if further == 1 else 'pages'}")
    series = replace(found.series, map_tags="alike" if map_tags == "alike" else "first")
    unkept = (*found.unkept, *([FURTHER_MAP_TAGS] if map_tags == "own" else []))
    return Layout(series, found.planes, directories, found.per_directory, tuple(lost), found.is_colour, unkept)


class Found(Struct, frozen=True):
    """A series, and what is known of it, as in ``Layout``."""

    series: Series
    planes: Array
    per_directory: int = 1
    is_colour: bool = False
    unkept: tuple[str, ...] = ()


def planes_per_directory(file: Any, count: int, planes: int) -> int:
    """Return how many of the planes each directory holds: 1, or all that follow the only one; 0 if they are not there."""
    page = file.pages.first
    if count >= planes:
        return int(count == planes)
    fits = page.nbytes and page.is_contiguous and page.dataoffsets[0] + planes * page.nbytes <= file.filehandle.size
    return planes if count == 1 and page.compression == UNCOMPRESSED and fits else 0


def _imagej(file: Any, directories: Sequence[int]) -> Found | None:
    words: Any = (file.is_imagej and file.imagej_metadata) or {}
    page, labels = file.pages.first, [str(label) for label in words.get("Labels") or ()]
    images, frames, slices, channels = (_count(words.get(name)) for name in ("images", "frames", "slices", "channels"))
    if page.samplesperpixel == channels and len(directories) != frames * slices * channels:
        channels = 1  # Bio-Formats declares samples as channels
    if frames * slices * channels == 1:
        slices = images
    total = frames * slices * channels
    per_directory = planes_per_directory(file, len(directories), total)
    if channels == 3 and is_rgb(labels) and not per_directory and len(directories) < total:
        raise ImageError("is truncated or corrupt: not all of its TIFF pixels are in the file; " + REMEDY)
    if total == 1 or not per_directory:
        return None
    order = str(words.get("order", "czt")).lower()
    axes = (order if sorted(order) == ["c", "t", "z"] else "czt").upper()[::-1]
    is_colour = channels == 3 and (words.get("mode") == COMPOSITE or is_rgb(labels))
    lengths = {"T": frames, "Z": slices, "C": channels}
    order_in_file = np.arange(total).reshape([lengths[axis] for axis in axes])
    series, planes = _arranged("TZC", order_in_file.transpose([axes.index(axis) for axis in "TZC"]), page.samplesperpixel)
    kept = tuple((name, words[name]) for name in IMAGEJ_WORDS if name in words)
    series = replace(
        series,
        labels=tuple(labels[plane] for plane in planes.ravel()) if len(labels) == total else (),
        spacing=tuple(_imagej_spacing(page, words)),
        unit=str(words.get("unit", "")),
        tiff=TiffSeries("imagej", planes.shape[1] > 1, kept),
    )
    levels = any(re.fullmatch(IMAGEJ_LEVELS, word) for word in words)
    unkept = ("ImageJ's calibration of levels",) if levels else ()
    return Found(series, planes, per_directory, is_colour and planes.shape[1] == 3, unkept)


def is_rgb(labels: Sequence[str]) -> bool:
    """Return whether labels end with R, G and B, as those of maps in colour do that are written here."""
    return tuple(label.rpartition(" ")[2] for label in labels[:3]) == RGB_LETTERS


def holds_alpha(program: str, colours: int, dtype: "np.dtype[Any]") -> bool:
    """Return whether stacks of a program have alpha beside colours of a number and type."""
    return program == "ome" or (program == "imagej" and colours == 3 and dtype == np.uint8)


def _imagej_spacing(page: Any, words: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if (finterval := _positive(words.get("finterval"))) is not None:
        yield "T", finterval
    if (spacing := _positive(words.get("spacing"))) is not None:
        yield "Z", spacing
    for axis, tag in (("Y", 283), ("X", 282)):
        value = getattr(page.tags.get(tag), "value", None)
        if isinstance(value, tuple) and all(value) and (value != (1, 1) or "unit" in words):
            yield axis, value[1] / value[0]


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 1


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < math.inf else None


def _ome(file: Any, directories: Sequence[int]) -> Found | None:
    text = file.ome_metadata if file.is_ome else None
    image = read_ome(text) if text else None
    if image is None or math.prod(image.sizes) > len(directories):
        return None
    if math.prod(image.sizes) == 1 < len(directories):  # pictures of their own, of which the XML may describe more
        return None
    table = image.plane_table(len(directories))
    if not len(table):
        return None
    series, order = _arranged(image.axes, np.arange(table.size).reshape(image.sizes), file.pages.first.samplesperpixel)
    planes = table[order]
    series = replace(
        series,
        channels=image.channels,
        spacing=image.spacing,
        unit=image.unit,
        tiff=TiffSeries("ome", planes.shape[1] > 1, image.words),
    )
    return Found(series, planes, unkept=("the rest of its OME-XML",) if image.has_more else ())


def _lsm(file: Any, used: Sequence[int]) -> Found | None:
    import tifffile

    words = file.lsm_metadata if file.is_lsm else None
    if not isinstance(words, dict):  # bytes where they are not those of Zeiss
        return None
    axes = tifffile.TIFF.CZ_LSMINFO_SCANTYPE.get(words.get("ScanType", -1), "")
    axes = "".join(axis for axis in axes if axis not in "CYX")
    lengths = [max(int(words.get(tifffile.TIFF.CZ_LSMINFO_DIMENSIONS[axis], 0)), 1) for axis in axes]
    if math.prod(lengths) != len(used) or len(used) < 2:
        return None
    series, planes = _arranged(axes, np.arange(len(used)).reshape(lengths), 1)
    return Found(replace(series, tiff=TiffSeries("")), np.array(used)[planes])


def _stk(file: Any, used: Sequence[int]) -> Found | None:
    entry = entries_of(file, file.filehandle, file.pages.first.offset, (UIC2,)).get(UIC2) if file.is_stk else None
    if entry is None or entry[0] != RATIONAL or entry[1] < 2 or len(used) > 1:
        return None
    planes, (position,) = entry[1], struct.unpack(file.tiff.offsetformat, entry[2])
    has_values = position + planes * UIC2_BYTES <= file.filehandle.size  # tifffile takes an STK file without them for one plane
    if not has_values or not planes_per_directory(file, 1, planes):
        raise ImageError("is truncated or corrupt: not all of its TIFF pixels are in the file; " + REMEDY)
    with np.errstate(all="ignore"):  # tifffile divides by numbers in the file
        axis = file.series[0].axes[0]
    series = Series(planes, axis, (planes,), tiff=TiffSeries("")) if axis in "TZ" else Series(planes)
    return Found(series, np.arange(planes)[:, None], planes)


def _shaped(file: Any, used: Sequence[int]) -> Found | None:
    page = file.pages.first
    if not page.is_shaped:
        return None
    try:
        words = json.loads(page.shaped_description)
        shape, axes = [int(size) for size in words["shape"]], str(words.get("axes", "")).upper()
        total = math.prod(shape) // page.size
    except (ValueError, TypeError, KeyError, ArithmeticError):
        return None
    outer = next((rank for rank in range(len(shape) + 1) if math.prod(shape[:rank]) == total), -1)
    per_directory = planes_per_directory(file, len(used), total) if total > 1 and outer > 0 else 0
    if not per_directory:
        return None
    letters = axes[:outer]
    # tifffile names axes that it is not told Q and I
    named = len(axes) == len(shape) and len(set(axes)) == len(axes) and not set(letters) & set("YXSQI")
    sizes = shape[:outer] if named else [total]
    series, planes = _arranged(letters if named else "", np.arange(total).reshape(sizes), page.samplesperpixel)
    has_channels = planes.shape[1] > 1
    series = replace(series, tiff=TiffSeries("", has_channels) if named else None)
    return Found(series, np.array(used)[planes] if per_directory == 1 else planes, per_directory)


def _volume(file: Any, used: Sequence[int]) -> Found | None:
    page, depth = file.pages.first, int(file.pages.first.imagedepth)
    if depth < 2 or len(used) > 1:
        return None
    plane_bytes = page.nbytes // depth if page.compression == UNCOMPRESSED else 1  # no compression is so good
    if depth * max(plane_bytes, 1) > file.filehandle.size:
        raise ImageError("is truncated or corrupt: not all of its TIFF pixels are in the file; " + REMEDY)
    return Found(Series(depth, "Z", (depth,)), np.arange(depth)[:, None], depth)


def _arranged(axes: str, planes: Array, samples: int) -> tuple[Series, Array]:
    """Return the series, and the planes (frames, channels), of an array of planes that has these axes.

    Axes of length 1 are left out. Planes of several samples are no channels.
    """
    if "C" in axes and samples == 1:
        planes = np.moveaxis(planes, axes.index("C"), -1)
        axes = axes.replace("C", "")
    else:
        planes = planes[..., None]
    lengths = planes.shape[:-1]
    kept = [(axis, size) for axis, size in zip(axes, lengths, strict=False) if size > 1]
    series = Series(math.prod(lengths), "".join(axis for axis, _ in kept), tuple(size for _, size in kept))
    return series, planes.reshape(-1, planes.shape[-1])
