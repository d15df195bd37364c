"""Writes several frames as one TIFF file with tifffile, plane by plane, as the program of its input stores them.

    ImageJ     a hyperstack TZCYX, with labels, spacing and unit
    OME-TIFF   with new OME-XML: axes, physical sizes, names of channels
    else       pages; axes, where the input states them, in tifffile's description

Pages have metadata of their own; those of a series are in the first. A block of EXIF begins the file unchanged, so that the
offsets in it remain valid, and the first directory points into it. In BigTIFF, whose directories differ, and for further pages,
the directories of a block are written anew.
"""

import hashlib
import io
import math
import operator
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from ...errors import ArgumentError
from ..encoding import Encoding
from ..exif import text_in
from ..exif_block import BYTE, EXIF, GPS, LONG, LONG8, Block, in_order, write_at
from ..exif_tiff import NO_BLOCK, append_subdirectory, start_tiff
from ..frames import LevelsOfFrame, Series, TiffSeries, peek
from ..geotiff import PAGE_TAGS
from ..image import Array, Metadata
from ..metadata import DESCRIPTION, XMP_TAG
from ..storage import MapStorage, Storage
from .tiff_colour import UNSPECIFIED
from .tiff_ome import CHANNEL_NUMBERS
from .tiff_series import COMPOSITE, RGB_LETTERS, holds_alpha
from .tiff_writer import UNASSOCIATED, compression_of_floats, compression_of_pictures, imagej_text, tile_of

CLASSIC_BYTES = (1 << 32) - (1 << 25)
"""Most bytes of planes in a TIFF file whose offsets have 32 bits; the rest is for directories and metadata."""

DIRECTORY_BYTES = 512
COMPRESSION = ("compression", "compressionargs", "predictor")
"""Options of tifffile."""

POINTERS = (EXIF, GPS)
"""Tags that point to directories of EXIF, which tifffile does not write: the next number stands for one at first."""

WORDS_OF_CHANNELS = ("mode", "LUTs")
IMAGEJ_PLANES = (("images", "{}"), ("channels", "{}"), ("hyperstack", "true"), ("mode", "grayscale"))


def write_stack(file: BinaryIO, frames: Iterable[LevelsOfFrame], series: Series, storage: Storage) -> None:
    """Write frames, each its levels (H, W, C) and whether the last channel is alpha, one at a time.

    Those that are no series may differ in size. Raises ArgumentError where those of a series do, and whatever tifffile raises.
    """
    (first, has_alpha, _), frames = peek(frames)
    encoding, metadata = storage.encoding, storage.metadata
    shape, dtype = first.shape, first.dtype
    are_pages = series.are_pages(dtype.kind == "f")
    program = "" if are_pages else _program_of(series, shape[2] - has_alpha, has_alpha, dtype)
    series = _with_axis(series, "Z") if program else series
    size = first.nbytes * series.count
    del first  # the memory is that of one frame
    repeated = PAGE_TAGS if series.map_tags == "alike" else ()
    with _Writer(file, metadata, program, size + DIRECTORY_BYTES * series.count, encoding, repeated) as writer:
        if not series.axes and not program:
            for page in frames:
                writer.write_page(page, compression_of_pictures(encoding, dtype))
                del page
            return
        samples = shape[2]
        are_planes = not has_alpha and _are_planes(series, program, samples, dtype)
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
    with _Writer(file, storage.metadata, "", levels.nbytes, storage.encoding) as writer:
        options = compression_of_pictures(storage.encoding, levels.dtype)
        writer.write_page(LevelsOfFrame(levels, has_alpha, storage.metadata), options)
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
    planes = _planes_of_maps(frames)
    labels = series.labels if count * channels == 1 else labels_of_maps(names, channels) * series.count
    counts = inner.get("C", 1), math.prod(shape[:-2])
    described = _description(program, axes, series, counts, labels, names if count > 1 and not in_colour else ())
    size = (math.prod(shape) * dtype.itemsize) + DIRECTORY_BYTES * math.prod(shape[:-2])
    del first
    options = {"photometric": "minisblack", "software": str(storage.provenance or "")}
    repeated = PAGE_TAGS if series.count == 1 or series.map_tags == "alike" else ()
    with _Writer(file, storage.metadata, program, size, storage.encoding, repeated) as writer:
        writer.write_series(planes, shape, dtype, {**described, **options, **compression_of_floats(storage.encoding)})


def _planes_of_maps(frames: Iterable[Sequence[Array]]) -> Iterator[Array]:
    """Yield each channel of each map of each frame, as float32. It keeps none while the next frame is computed."""
    for maps in frames:
        for map_ in maps:
            yield from (map_[:, :, channel].astype(np.float32, copy=False) for channel in range(map_.shape[2]))
        del maps, map_


def labels_of_maps(names: Sequence[str], channels: int) -> tuple[str, ...]:
    """Return a label for each plane of maps: the names, and letters or numbers of their channels."""
    parts = RGB_LETTERS if channels == 3 else [str(channel) for channel in range(channels)]
    return tuple(names) if channels == 1 else tuple(f"{name} {part}" for name in names for part in parts)


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


class _Writer:
    """Writes pages to a file whose first page has metadata, and points to the directories of a block that begins the file."""

    def __init__(
        self, file: BinaryIO, metadata: Metadata, program: str, size: int, encoding: Encoding, repeated: Sequence[int] = ()
    ) -> None:
        """``size`` is that of the file in bytes, ``repeated`` are tags that all pages of a series have."""
        import tifffile  # 10 ms, needed for stacks only

        self.file, self.metadata, self.program = file, metadata, program
        self.is_large = size > CLASSIC_BYTES
        self.is_big = self.is_large and program != "imagej"  # ImageJ reads one directory, which all planes follow
        if self.is_large and not self.is_big and encoding.compression not in (None, "none"):
            raise ArgumentError("a stack of ImageJ of more than 4 GB cannot be compressed; give --compression none")
        block = start_tiff(metadata.exif or NO_BLOCK, [])
        order: Any = "<" if block.getvalue()[:2] == b"II" else ">"
        self.order, self.repeated, self.encoding = order, repeated, encoding
        self.writer = tifffile.TiffWriter(
            file, bigtiff=self.is_big, byteorder=order, imagej=program == "imagej", ome=program == "ome", shaped=None
        )
        begins_with_block = metadata.exif and not self.is_big
        if begins_with_block:
            self.writer.filehandle.write(block.getvalue()[8:])
        self.tags = self._tags_of(Block.of(block), not begins_with_block) if metadata.exif else []
        self.pages, self.pages_of_pointers = 0, [0] if metadata.exif else []

    def _tags_of(self, block: Block, is_elsewhere: bool) -> list[tuple[int, int, int, bytes, bool]]:
        """Return the tags of the first directory of a block as tifffile takes them.

        Where the file does not begin with the block, the directories that they point to are written to its end.
        """
        entries = block.directory(block.first_directory)
        values = {
            entry.tag: (
                entry.type,
                entry.count,
                in_order(block.read(entry.value_position, entry.size), entry.type, block.byte_order, self.order),
            )
            for entry in entries
            if not (is_elsewhere and entry.tag in POINTERS) and not (entry.tag == DESCRIPTION and self.program)
        }
        for inner in block.subdirectories(entries) if is_elsewhere else ():
            position = append_subdirectory(block, inner, self.file, self.order, self.is_big)
            values[inner.tag] = LONG8 if self.is_big else LONG, 1, position
        return [
            (tag + (tag in POINTERS), *value, tag not in self.repeated)
            for tag, value in sorted(values.items(), key=operator.itemgetter(0))
        ]

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            return
        self.writer.close()
        if self.pages_of_pointers:
            self._name_pointers()

    def _name_pointers(self) -> None:
        """Give the pointers to directories of EXIF their numbers."""
        import tifffile

        self.file.seek(0)
        pages = tifffile.TiffFile(self.file).pages
        pointers = [tag for number in self.pages_of_pointers for tag in pages[number].aspage().tags if tag.code - 1 in POINTERS]
        for tag in pointers:
            write_at(self.file, tag.offset, struct.pack(f"{self.order}H", tag.code - 1))
        self.file.seek(0, 2)

    def _common(self, metadata: Metadata) -> dict[str, Any]:
        """Return the options that metadata give a page. Further pages do not repeat the directories of EXIF of the first."""
        tags: list[Any] = []
        if metadata.exif and metadata.exif == self.metadata.exif:
            tags = [tag for tag in self.tags if self.pages == 0 or tag[0] - 1 not in POINTERS]
        elif metadata.exif:
            tags = self._tags_of(Block.of(start_tiff(metadata.exif, [])), is_elsewhere=True)
            self.pages_of_pointers += [self.pages] if any(tag[0] - 1 in POINTERS for tag in tags) else []
        if metadata.xmp:
            tags.append((XMP_TAG, BYTE, len(metadata.xmp), metadata.xmp, True))
        self.pages += 1
        calibration = metadata.calibration
        resolution = {"resolution": metadata.dpi, "resolutionunit": "inch"} if metadata.dpi else {}
        if calibration and not metadata.dpi:
            resolution = {"resolution": tuple(map(float, calibration.per_unit)), "resolutionunit": "none"}
        return {"software": False, "extratags": tags, "iccprofile": metadata.icc, **resolution}

    def write_page(self, frame: LevelsOfFrame, options: dict[str, Any]) -> None:
        """Write levels (H, W, C) as a page of its own."""
        levels, has_alpha, metadata = frame
        samples, stored = levels.shape[2], levels[:, :, 0] if levels.shape[2] == 1 else levels
        colour, is_first, common = samples - has_alpha == 3, self.pages == 0, self._common(metadata)
        kinds = [UNSPECIFIED] * (samples - has_alpha - (3 if colour else 1)) + [UNASSOCIATED] * has_alpha
        planar: dict[str, Any] = {"extrasamples": kinds} if kinds else {}
        if samples - has_alpha not in (1, 3):
            stored, planar["planarconfig"] = np.moveaxis(levels, 2, 0), "separate"
            if is_first and not has_alpha and all(tag != DESCRIPTION for tag, *_ in self.tags):
                planar["description"] = imagej_text([(word, value.format(samples)) for word, value in IMAGEJ_PLANES])
                common["extratags"] += _label_tags(metadata.label, samples, self.writer.tiff.byteorder)
        tile = tile_of(self.encoding, levels.shape)
        options = {**common, "photometric": "rgb" if colour else "minisblack", "tile": tile, **planar, **options}
        self.writer.write(stored, contiguous=False, metadata=None, **options)

    def write_series(self, planes: Iterator[Array], shape: Sequence[int], dtype: Any, options: dict[str, Any]) -> None:
        """Write the planes of a series. ``options`` are those of ``tifffile.TiffWriter.write``."""
        if self.program == "ome":
            text = repr((shape, dtype, options, self.tags))
            options["metadata"]["UUID"] = _uuid(text)  # of the same input, the same bytes
        if self.is_large and self.program == "imagej":
            options = {name: value for name, value in options.items() if name not in COMPRESSION} | {"truncate": True}
        options = {**self._common(self.metadata), **options, "shape": tuple(shape), "dtype": dtype}
        if options.get("compression"):
            self.writer.write(planes, **options)
            return
        # tifffile would keep a plane while the next is computed, and copy it
        place, handle = self.writer.write(None, returnoffset=True, **options), self.writer.filehandle
        assert place is not None  # without compression, the planes lie at one place
        begin = place[0]
        end = handle.tell()
        handle.seek(begin)
        for plane in planes:
            handle.write(np.ascontiguousarray(plane, dtype.newbyteorder(self.writer.tiff.byteorder)).data)
            del plane
        handle.seek(end)


def _label_tags(label: str, samples: int, order: Any) -> list[Any]:
    """Return the tags with ImageJ's labels of the planes of a map; none for one without a label."""
    from tifffile.tifffile import imagej_metadata_tag

    return list(imagej_metadata_tag({"Labels": labels_of_maps([label], samples)}, order)) if label else []


def _uuid(text: str) -> str:
    digits = hashlib.sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], f"8{digits[13:16]}", f"8{digits[17:20]}", digits[20:32]))
