"""Writes the maps of one or several frames raw, as a stack of floats."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from ..errors import listed
from ..images.exif_tiff import block_of_tags
from ..images.frames import Series, peek
from ..images.geotiff import TAGS_OF_MAPS
from ..images.image import Array, Image, Metadata
from ..images.losses import NOT_64_BITS, names_of_metadata
from ..images.nodata import without_untrue_nodata
from ..images.positions import moved_metadata
from ..images.quantize import RangeStatistics, combine_statistics, statistics_of
from ..images.storage import MapStorage
from ..images.write import write_maps
from .input_frames import OutputFrames
from .map_source import MapSource
from .report_losses import losses_of_positions, refuse_loss, report_losses, series_of_output
from .request_base import BaseRequest
from .tasks import Target
from .write_output import Output, write_output
from .written import Written


def write_stack(request: BaseRequest, frames: OutputFrames, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    """Write the maps of ``apply`` or ``run`` as float32 or float64. Return what was written, and notices."""
    statistics: list[list[RangeStatistics]] = [[] for _ in target.maps]
    image = frames.first.image
    kept = _kept(request, image, frames.series, target)
    is_series = frames.are_series_in(target)
    reported = replace(kept, calibration=image.metadata.calibration) if is_series and len(frames.indices) == 1 else kept
    metadata, misplaced = moved_metadata(kept, request.common_placement(image.size, target.maps))
    metadata, untrue = without_untrue_nodata(metadata, np.float32)
    notices = [*report_losses(request, losses_of_positions(misplaced)), *untrue]
    del image  # the memory is that of one frame

    def computed(source: MapSource) -> list[Array]:
        maps = [source.compute_map(request.maps[index]).colour for index in target.maps]
        notices.extend(_report_image(request, source.image, maps[0], target, reported))
        for measured, computed_map in zip(statistics, maps, strict=True):
            measured.append(statistics_of(computed_map, with_histogram=request.is_illustrated))
        return maps

    first, maps = peek(map(computed, frames))
    shapes = [map_.shape for map_ in first]
    del first
    series, moved = Series(), list[str]()
    if is_series:
        series, moved = series_of_output(request, frames.series, frames.first.image, target)
    provenance = None if request.strip else output.provenance
    storage = MapStorage(target.file_format, _names(request, target), series, request.encoding, provenance, metadata)

    def write(file: BinaryIO) -> None:
        write_maps(file, maps, storage)

    write_output(request, target, output, write, target.file_format.holds_provenance and provenance is not None)
    return list(_written(request, target, shapes, statistics)), [*notices, *moved]


def _names(request: BaseRequest, target: Target) -> list[str]:
    """Return the names of the maps in a stack."""
    maps = [request.maps[index] for index in target.maps]
    return [map_.name if target.file_format.picture else request.stack_name(map_) for map_ in maps]


def _kept(request: BaseRequest, image: Image, series: Series, target: Target) -> Metadata:
    """Return what a stack of maps has of the metadata of its first image: its place on a map, its value of missing samples."""
    exif, has_one_place = image.metadata.exif, series.count == 1 or series.map_tags != "own"
    if exif is None or request.strip or not target.file_format.picture or not has_one_place:
        return Metadata()
    return Metadata(exif=block_of_tags(exif, TAGS_OF_MAPS))


def _report_image(request: BaseRequest, image: Image, map_: Array, target: Target, kept: Metadata) -> list[str]:
    """Return notices about what a stack does not hold, of a map, and of the image but for what is ``kept`` of its metadata.

    Raises ImageError for --in-place.
    """
    notices = []
    lost = [] if request.strip else [name for name in names_of_metadata(image.metadata) if name not in names_of_metadata(kept)]
    lost += [] if image.alpha is None else ["alpha"]
    if lost:
        notices.append(f"{listed(lost)} not written: a stack holds only the feature maps")
    if request.range.name != "auto":
        notices.append(f"--range {request.range.name} not applied: floats are stored raw")
    if map_.itemsize * 8 > target.file_format.float_bits:
        notices.append(NOT_64_BITS.notice)
        lost.append(NOT_64_BITS.lost)
    refuse_loss(request, lost)
    return notices


def _written(
    request: BaseRequest, target: Target, shapes: Sequence[tuple[int, ...]], statistics: Sequence[Sequence[RangeStatistics]]
) -> Iterator[Written]:
    """Yield what was written for each array of a stack: one map, or all maps that share a name.

    ``shapes`` and ``statistics`` are those of each map; there are statistics for each frame.
    """
    by_name: dict[str, list[int]] = {}
    for position, index in enumerate(target.maps):
        by_name.setdefault(request.stack_name(request.maps[index]), []).append(position)
    for name, positions in by_name.items():
        combined = combine_statistics([part for position in positions for part in statistics[position]])
        indices = tuple(target.maps[position] for position in positions)
        yield Written(target, name, shapes[positions[0]], "raw", combined, indices, frames=len(statistics[0]))
