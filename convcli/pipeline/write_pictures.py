"""Writes the maps of several frames to one file, frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..images.frames import Series, peek
from ..images.image import Array, Image, Metadata
from ..images.positions import placed_series
from ..images.quantize import RangeStatistics, combine_statistics, statistics_of
from ..images.storage import MapStorage
from ..images.write import (
    METADATA_NAMES,
    Loss,
    losses_by_palette,
    losses_of_samples,
    series_for,
    stored_white,
    write_maps,
)
from .map_source import MapSource
from .request_base import BaseRequest
from .selected_frames import SelectedFrames, refuse_loss
from .store_map import quantize_map, stretch_limits
from .tasks import Target
from .write_map import (
    Written,
    encoding_of,
    explanations_of,
    fit_picture,
    float_picture,
    is_float_picture,
    is_raw,
    notices_of_misplaced,
    notices_of_series,
    notices_of_stack,
    report_losses,
    stack_names,
    stacked,
    with_explanations,
)
from .write_output import Output, write_output

FURTHER_METADATA = "metadata of further frames"


@dataclass(frozen=True)
class Sources:
    """The sources of the maps of some frames, by the numbers of the frames."""

    frames: SelectedFrames
    indices: range

    @property
    def first(self) -> MapSource:
        """The source of the maps of the first frame."""
        return self.frames.map_source(self.indices[0])

    @property
    def series(self) -> Series:
        """What the file says about these frames."""
        return self.frames.series_of(self.indices)

    def __iter__(self) -> Iterator[MapSource]:
        return (self.frames.map_source(index) for index in self.indices)


def write_frames(
    request: BaseRequest, frames: SelectedFrames, indices: range, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    """Write the maps of frames to one output. Return what was written, and notices. Raises ConvcliError."""
    sources = Sources(frames, indices)
    raw = is_raw(request, sources.first.image, target)
    explanations = explanations_of(request, sources.first, target)  # now, as the first frame is not read again after the others
    notices = notices_of_series(request, sources.series, target)
    if raw and not is_float_picture(target):
        written, further = _write_stack(request, sources, target, output)
    else:
        written, further = _write_pictures(request, sources, target, output, raw)
    return with_explanations(written, explanations), [*notices, *further]


def _write_pictures(
    request: BaseRequest, sources: Sources, target: Target, output: Output, raw: bool
) -> tuple[list[Written], list[str]]:
    """Write one map of each frame as levels, or as floats where ``raw``, with the metadata of its image."""
    map_ = request.maps[target.maps[0]]
    rule = request.rule_for(map_)
    limits = _common_limits(request, sources, map_, target) if rule.name == "stretch" and not raw else None
    statistics: list[RangeStatistics] = []
    first_image = sources.first.image
    metadata = first_image.metadata
    notices: list[str] = []

    def stored(source: MapSource) -> Image:
        if _has_more(source.image.metadata, metadata) and not request.strip and not notices:
            refuse_loss(request, (FURTHER_METADATA,))
            notices.append(f"{FURTHER_METADATA}, where they differ from those of the first, not kept")
        if raw:
            picture, measured = float_picture(request, source, map_)
        else:
            picture, measured = quantize_map(request, source, map_, rule, target.file_format, limits)
        statistics.append(measured)
        if len(statistics) > 1:  # those of the first are found where it is fitted to the format
            of_samples = losses_of_samples(picture, source.image, target.file_format)
            notices.extend(report_losses(request, [*losses_by_palette(picture, target.file_format), *of_samples]))
        return picture

    first, pictures = peek(map(stored, sources))
    shape = first.pixels.shape
    fitted, fitted_notices = fit_picture(request, first, first_image, target, output)
    series, misplaced = _placed(request, sources, target)
    del first, first_image  # the memory is that of one frame

    def write(file: BinaryIO) -> None:
        fitted.write_frames(file, pictures, series)

    write_output(request, target, output, write, target.file_format.holds_provenance and not request.strip)
    measured = combine_statistics(statistics)
    name, applied = (request.stack_name(map_), "raw") if raw else (map_.name, rule.name)
    written = Written(target, name, shape, applied, measured, target.maps, (), len(statistics))
    return [written], [*fitted_notices, *misplaced, *notices]


def _has_more(metadata: Metadata, first: Metadata) -> bool:
    """Return whether the metadata of a frame hold anything that those of the first frame do not."""
    values = ((getattr(metadata, name), getattr(first, name)) for name in METADATA_NAMES)
    return any(value and value != kept for value, kept in values)


def _common_limits(request: BaseRequest, sources: Sources, map_: Any, target: Target) -> tuple[float, float]:
    """Return the limits of stretch for all frames, whose levels can then be compared. All maps are computed once for this."""
    limits = []
    for source in sources:
        channels = request.map_shape(source.image.size, map_)[2]
        limits.append(stretch_limits(source, map_, stored_white(target.file_format, source.image, channels)))
    return min(low for low, _ in limits), max(high for _, high in limits)


def _placed(request: BaseRequest, sources: Sources, target: Target) -> tuple[Series, list[str]]:
    """Return the series of outputs, whose pixels may lie elsewhere than those of the inputs, and notices of what is lost.

    Raises ImageError for --in-place.
    """
    size = sources.first.image.size
    placements = {request.placement(size, request.maps[index]) for index in target.maps}
    series, lost = placed_series(sources.series, placements.pop() if len(placements) == 1 else None)
    losses: list[Loss] = []
    if target.file_format.holds_series and not request.in_place:
        series, losses = series_for(series, str(target.path or ""))
    if request.strip or not target.file_format.picture:
        return series, []
    refuse_loss(request, lost)
    return series, [*notices_of_misplaced(lost), *(loss.notice for loss in losses)]


def _write_stack(request: BaseRequest, sources: Sources, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    statistics: list[list[RangeStatistics]] = [[] for _ in target.maps]

    notices: list[str] = []

    def computed(source: MapSource) -> list[Array]:
        maps = [source.compute_map(request.maps[index]).colour for index in target.maps]
        notices.extend(notices_of_stack(request, source.image, maps[0], target))
        for measured, computed_map in zip(statistics, maps, strict=True):
            measured.append(statistics_of(computed_map))
        return maps

    first, maps = peek(map(computed, sources))
    shapes = [map_.shape for map_ in first]
    provenance = None if request.strip else output.provenance
    names = stack_names(request, target)
    series, misplaced = _placed(request, sources, target)
    del first

    def write(file: BinaryIO) -> None:
        write_maps(file, maps, MapStorage(target.file_format, names, series, encoding_of(request), provenance))

    write_output(request, target, output, write, target.file_format.holds_provenance and provenance is not None)
    return list(stacked(request, target, shapes, statistics)), [*notices, *misplaced]
