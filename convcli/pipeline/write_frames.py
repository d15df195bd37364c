"""Writes the maps of several frames to one file, frame by frame."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ..images.image import Array, Image
from ..images.quantize import RangeStatistics, combine_statistics, statistics_of
from ..images.write import Loss, losses_by_palette, losses_of_frames, stored_white, write_frame_maps
from .map_source import MapSource
from .request_base import BaseRequest
from .selected_frames import SelectedFrames, refuse_loss
from .store_map import quantize_map, stretch_limits
from .tasks import Target
from .write_map import (
    Written,
    encoding_of,
    fit_picture,
    is_raw,
    notices_of_stack,
    stack_names,
    stacked,
    with_explanations,
)
from .write_output import Output, write_output


def write_frames(
    request: BaseRequest, frames: SelectedFrames, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    """Write the maps of all frames to one output. Return what was written, and notices. Raises ConvcliError."""
    raw = is_raw(request, frames.first, target)
    written, notices = (_write_stack if raw else _write_levels)(request, frames, target, output)
    return with_explanations(request, frames.map_source(frames.indices[0]), written), notices


def _write_levels(
    request: BaseRequest, frames: SelectedFrames, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    map_ = request.maps[target.maps[0]]
    rule = request.rule_for(map_)
    limits = _common_limits(request, frames, map_, target) if rule.name == "stretch" else None
    statistics: list[RangeStatistics] = []

    def stored(source: MapSource) -> Image:
        picture, measured = quantize_map(request, source, map_, rule, target.file_format, limits)
        statistics.append(measured)
        return picture

    first = stored(frames.map_source(frames.indices[0]))
    fitted, notices = fit_picture(request, first, frames.first, target, output)

    def report(losses: Iterable[Loss]) -> None:
        notices.extend(loss.notice for loss in losses)
        refuse_loss(request, tuple(loss.lost for loss in losses))

    report(losses_of_frames(frames.series, target.file_format))

    def following() -> Iterator[Image]:
        for index in frames.indices[1:]:
            picture = stored(frames.map_source(index))
            report(losses_by_palette(picture, target.file_format))
            yield picture

    def write(file: BinaryIO) -> None:
        fitted.write_frames(file, itertools.chain([first], following()), frames.series)

    write_output(request, target, output, write, target.file_format.holds_provenance and not request.strip)
    written = Written(
        target, map_.name, first.pixels.shape, rule.name, combine_statistics(statistics), target.maps, (), len(statistics)
    )
    return [written], notices


def _common_limits(request: BaseRequest, frames: SelectedFrames, map_: Any, target: Target) -> tuple[float, float]:
    """Return the limits of stretch for all frames, whose levels can then be compared. All maps are computed once for this."""
    limits = []
    for source in frames.map_sources():
        channels = request.map_shape(source.image.size, map_)[2]
        limits.append(stretch_limits(source, map_, stored_white(target.file_format, source.image, channels)))
    return min(low for low, _ in limits), max(high for _, high in limits)


def _write_stack(
    request: BaseRequest, frames: SelectedFrames, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    statistics: list[list[RangeStatistics]] = [[] for _ in target.maps]

    def computed(source: MapSource) -> list[Array]:
        maps = [source.compute_map(request.maps[index]).colour for index in target.maps]
        for measured, computed_map in zip(statistics, maps, strict=True):
            measured.append(statistics_of(computed_map))
        return maps

    first = computed(frames.map_source(frames.indices[0]))
    shapes = [map_.shape for map_ in first]
    notices = notices_of_stack(request, frames.first, first[0], target)
    rest = (computed(frames.map_source(index)) for index in frames.indices[1:])
    provenance = None if request.strip else output.provenance
    names = stack_names(request, target)
    computed_frames = itertools.chain([first], rest)

    def write(file: BinaryIO) -> None:
        write_frame_maps(file, target.file_format, computed_frames, frames.series, names, provenance, encoding_of(request))

    write_output(request, target, output, write, target.file_format.holds_provenance and provenance is not None)
    return list(stacked(request, target, shapes, statistics)), notices
