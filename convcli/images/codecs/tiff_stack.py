"""Writes several frames as one TIFF file with tifffile, plane by plane, as the program of its input stores them.

    ImageJ     a hyperstack TZCYX, with labels, spacing and unit
    OME-TIFF   with new OME-XML: axes, physical sizes, names of channels
    else       pages; axes, where the input states them, in tifffile's description

Pages have metadata of their own; those of a series are in the first.
"""

import io
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from msgspec.structs import replace

from ...errors import ArgumentError
from ..exif import text_in
from ..frames import LevelsOfFrame, Series, TiffSeries, peek
from ..geotiff import PAGE_TAGS
from ..image import Array
from ..metadata import DESCRIPTION
from ..nodata import stored_nodata, with_nodata
from ..storage import MapStorage, Storage
from .tiff_ome import CHANNEL_NUMBERS
from .tiff_page_writer import PageWriter, labels_of_maps
from .tiff_series import COMPOSITE, holds_alpha
from .tiff_writer import UNASSOCIATED, compression_of_floats, compression_of_pictures

DIRECTORY_BYTES = 512
WORDS_OF_CHANNELS = ("mode", "LUTs")


def write_stack(file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
    """Write frames, each its levels (H, W, C) and whether the last channel is alpha, one at a time.

    Those that are no series may differ in size. Raises ArgumentError where those of a series do, and whatever tifffile raises.
    """
    head, frames = peek(frames)
    first, has_alpha = head.levels, head.has_alpha
    encoding, metadata = storage.encoding, storage.metadata
    shape, dtype = first.shape, first.dtype
    program = "" if storage.are_pages else _program_of(series, shape[2] - has_alpha, has_alpha, dtype)
    series = _with_axis(series, "Z") if program else series
    size = first.nbytes * series.count
    del head, first  # the memory is that of one frame
    repeated = PAGE_TAGS if series.map_tags == "alike" else ()
    with PageWriter(file, metadata, program, size + DIRECTORY_BYTES * series.count, encoding, repeated) as writer:
        samples = shape[2]
        are_planes = not has_alpha and _are_planes(series, program, samples, dtype)
        has_axes = bool(series.axes or (are_planes and series.tiff and series.tiff.are_channels))
        if not has_axes and not program:
            for page in frames:
                writer.write_page(page)
                del page
            return
        inner = {"C": samples} if are_planes else {}
        pixels = {"S": samples} if samples > 1 and not are_planes else {}
        axes = f"{series.axes}{''.join(inner)}YX{''.join(pixels)}"
        sizes = (*series.shape, *inner.values(), *shape[:2], *pixels.values())
        options = {
            "photometric": "rgb" if pixels and samples - has_alpha == 3 else "minisblack",
            **compression_of_pictures(encoding, dtype),
        }
        options |= {"planarconfig": "contig"} if pixels else {}
        options |= {"extrasamples": [UNASSOCIATED]} if has_alpha else {}
        planes = _planes(map(operator.itemgetter(0), frames), shape, are_planes)
        counts = samples, math.prod((*series.shape, *inner.values()))
        labels = series.labels or (labels_of_maps([metadata.label], samples) * series.count if inner and metadata.label else ())
        described = _description(program, axes, series, counts, labels)
        if program == "imagej" and (text := text_in(metadata.exif or b"", DESCRIPTION)):
            described["metadata"].setdefault("Info", text)
        writer.write_series(planes, sizes, dtype, {**described, **options})


def encode_planes(levels: Array, has_alpha: bool, storage: Storage) -> bytes:
    """Encode a picture of other than 1 or 3 channels: samples in planes, which ImageJ finds by a description."""
    file = io.BytesIO()
    with PageWriter(file, storage.metadata, "", levels.nbytes, storage.encoding) as writer:
        writer.write_page(LevelsOfFrame(levels, has_alpha, storage.metadata, storage.encoding))
    return file.getvalue()


def write_map_stack(file: BinaryIO, frames: Iterable[Sequence[Array]], storage: MapStorage) -> None:
    """Write the float maps of frames, each (H, W, C), as float32 planes, which ImageJ opens with the names as labels.

    One map has the axes of the series; its channels, or the maps of one channel, lie along C. Several maps of several channels
    lie along Z, for frames along T. Raises ArgumentError for them where the frames have other axes.
    """
    names = storage.names
    first, frames = peek(frames)
    count, (height, width, channels) = len(first), first[0].shape
    in_colour = count > 1 and channels > 1
    series = _with_axis(storage.series, "T" if in_colour else "Z")
    if in_colour and series.axes not in ("", "T"):
        raise ArgumentError(
            f"{count} maps of {channels} channels, for frames along {' and '.join(series.axes)}, have too many axes for TIFF; "
            "write .npz, or a file for each kernel, with {kernel} in the name of the output"
        )
    inner = {"Z": count, "C": channels} if in_colour else {"C": count * channels} if count * channels > 1 else {}
    axes, shape = series.axes + "".join(inner) + "YX", (*series.shape, *inner.values(), height, width)
    dtype = np.dtype(np.float32)
    program = _program_of(series, channels, False, dtype)
    planes = _planes_of_maps(frames, stored_nodata(storage.metadata, dtype))
    labels = series.labels if count * channels == 1 else labels_of_maps(names, channels) * series.count
    counts = inner.get("C", 1), math.prod(shape[:-2])
    described = _description(program, axes, series, counts, labels, names if count > 1 and not in_colour else ())
    size = (math.prod(shape) * dtype.itemsize) + DIRECTORY_BYTES * math.prod(shape[:-2])
    del first
    options = {"photometric": "minisblack", "software": str(storage.provenance or "")}
    repeated = PAGE_TAGS if series.count == 1 or series.map_tags == "alike" else ()
    with PageWriter(file, storage.metadata, program, size, storage.encoding, repeated) as writer:
        writer.write_series(planes, shape, dtype, {**described, **options, **compression_of_floats(storage.encoding)})


def _planes_of_maps(frames: Iterable[Sequence[Array]], unseen: float | None) -> Iterator[Array]:
    """Yield each channel of each map of each frame, as float32, with ``unseen`` in place of NaN where it is not None.

    It keeps none while the next frame is computed.
    """
    for maps in frames:
        for map_ in maps:
            planes = (map_[:, :, channel].astype(np.float32, copy=False) for channel in range(map_.shape[2]))
            yield from (with_nodata(plane, unseen) for plane in planes)
            del planes
        del maps, map_


def _with_axis(series: Series, axis: str) -> Series:
    """Return the series with an axis for its frames, if it has several and they have none."""
    return series if series.axes or series.count == 1 else replace(series, axes=axis, shape=(series.count,))


def _program_of(series: Series, colours: int, has_alpha: bool, dtype: "np.dtype[Any]") -> str:
    """Return the program in whose way the frames are stored, for floats ImageJ; empty where it cannot."""
    program = (series.tiff.program if series.tiff else "") or ("imagej" if dtype.kind == "f" else "")
    is_held = set(series.axes) <= set("TZ") and (not has_alpha or holds_alpha(program, colours, dtype))
    return program if is_held else ""


def _are_planes(series: Series, program: str, channels: int, dtype: "np.dtype[Any]") -> bool:
    """Return whether channels are planes: as in the input, and where a program has no samples of this type or number."""
    if channels == 1:
        return False
    deep = dtype.kind == "f" or (program == "imagej" and dtype != np.uint8)
    return channels != 3 or deep or bool(series.tiff and series.tiff.are_channels)


def _planes(frames: Iterable[Array], shape: tuple[int, ...], are_planes: bool) -> Iterator[Array]:
    """Yield what tifffile writes as pages. Raises ArgumentError for a frame of another shape than the first."""
    index = 0  # enumerate would keep a frame while the next is computed
    for levels in frames:
        if levels.shape != shape:
            sizes = " and ".join(" x ".join(map(str, size)) for size in (shape, levels.shape))
            raise ArgumentError(
                f"frame {index} differs in size from the first: {sizes}; write each to a file, with {{frame}} in the name of "
                "the output"
            )
        if are_planes:
            yield from (np.ascontiguousarray(levels[:, :, channel]) for channel in range(shape[2]))
        else:
            yield levels[:, :, 0] if shape[2] == 1 else levels
        index += 1  # noqa: SIM113
        del levels


def _description(
    program: str, axes: str, series: Series, counts: tuple[int, int], labels: Sequence[str], names: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the options of tifffile that describe a series: axes, spacing, labels, and names of channels.

    ``counts`` are those of channels and of planes.
    """
    channels, planes = counts
    spacing, names = dict(series.spacing), names or series.channels
    if program == "ome":
        unit = {f"PhysicalSize{axis}Unit": series.unit for axis in "ZYX" if axis in spacing and series.unit}
        sizes = {f"PhysicalSize{axis}": spacing[axis] for axis in "ZYX" if axis in spacing}
        times = {"TimeIncrement": spacing["T"], "TimeIncrementUnit": "s"} if "T" in spacing else {}
        words = dict((series.tiff or TiffSeries()).words)
        channels = channels if "C" in axes else 1  # samples of a pixel are one channel
        named = {"Name": names, **{name: words.pop(name) for name in CHANNEL_NUMBERS if name in words}}
        by_channel = {name: list(values) for name, values in named.items() if len(values) == channels and any(values)}
        return {"metadata": {"axes": axes, **words, **sizes, **unit, **times, "Channel": by_channel}}
    if program != "imagej":
        return {"metadata": {"axes": axes}}
    words = {key: value for key, value in (series.tiff or TiffSeries()).words if key not in WORDS_OF_CHANNELS}
    words |= _words_of_channels(series, channels)
    words |= {"unit": series.unit} if series.unit else {}
    words |= {key: spacing[axis] for key, axis in (("spacing", "Z"), ("finterval", "T")) if axis in spacing}
    if texts := _labels_of_planes(labels, series.count, planes):
        words["Labels"] = texts
    resolution = {"resolution": (1 / spacing["X"], 1 / spacing["Y"])} if spacing.keys() >= set("XY") else {}
    return {"metadata": {"axes": axes, **words}, **resolution}


def _words_of_channels(series: Series, channels: int) -> dict[str, Any]:
    """Return how ImageJ displays the channels, unless there are others than in the input."""
    words = dict((series.tiff or TiffSeries()).words)
    mode, tables = words.get("mode"), words.get("LUTs")
    kept = {"mode": "grayscale" if channels == 1 and mode == COMPOSITE else mode} if mode else {}
    return kept | ({"LUTs": tables} if tables and len(tables) == channels else {})


def _labels_of_planes(labels: Sequence[str], frames: int, planes: int) -> list[str]:
    """Return a label for each plane: that of its own, or that of the first plane of its frame."""
    if not labels or len(labels) == planes:
        return list(labels)
    return [labels[plane * frames // planes * (len(labels) // frames)] for plane in range(planes)]
