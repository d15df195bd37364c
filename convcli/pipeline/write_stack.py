"""Writes the maps of one picture: one map as levels, or several as a stack of floats."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeAlias

import numpy as np

from ..images.encoding import Encoding
from ..images.frames import Series
from ..images.image import Array, Image, Metadata
from ..images.nodata import stored_nodata, without_untrue_nodata
from ..images.positions import placed
from ..images.quantize import RangeStatistics, combine_statistics, statistics_of
from ..images.storage import MapStorage
from ..images.write import (
    NO_ALPHA,
    NOT_64_BITS,
    Fitted,
    Loss,
    fit,
    losses_of_frames,
    losses_of_samples,
    names_of_metadata,
    write_maps,
)
from .map_source import Explanation, MapSource
from .request_base import BaseRequest, Map
from .selected_frames import refuse_loss
from .store_map import quantize_map
from .tasks import Target
from .write_output import Output, write_output


@dataclass(frozen=True)
class Written:
    """A map, or all maps of a layer, in an output. ``statistics`` is None in a dry run.

    ``maps`` are indices into the maps of the request. ``explanations`` say how their kernels were computed (--explain).
    ``shape`` is (H, W, C); the output has it for each of ``frames``.
    """

    target: Target
    map: str
    shape: tuple[int, ...]
    rule: str
    statistics: RangeStatistics | None = None
    maps: tuple[int, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    frames: int = 1


def write_map(request: BaseRequest, map_source: MapSource, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    """Write the maps of an output. Return what was written, and notices. Raises ConvcliError."""
    image = map_source.image
    raw = is_raw(request, image, target)
    if raw and not is_float_picture(target):
        written, notices = _write_stack(request, map_source, target, output)
    else:
        written, notices = _write_picture(request, map_source, target, output, raw)
    return with_explanations(written, explanations_of(request, map_source, target)), notices


Explanations: TypeAlias = dict[int, tuple[Explanation, ...]]
"""How the kernels of maps are computed, by the indices of the maps."""


def explanations_of(request: BaseRequest, map_source: MapSource, target: Target) -> Explanations:
    """Return how the kernels of the maps of an output are computed."""
    return {index: map_source.explanations(request.maps[index]) for index in target.maps}


def with_explanations(written: list[Written], explanations: Explanations) -> list[Written]:
    """Return what was written with how its kernels were computed."""
    return [
        replace(output, explanations=tuple(itertools.chain(*(explanations[index] for index in output.maps))))
        for output in written
    ]


def is_raw(request: BaseRequest, image: Image, target: Target) -> bool:
    """Return whether floats are stored: in a stack, and in TIFF where the picture has floats whose white is not known."""
    unscaled = image.white is None and not request.rule_for(request.maps[target.maps[0]]).sets_scale
    return request.stacks_in(target.file_format) or (target.file_format.stack and unscaled)


def is_float_picture(target: Target) -> bool:
    """Return whether the floats of an output are those of one map of a picture format, which then holds metadata."""
    return target.file_format.picture and len(target.maps) == 1


def _write_picture(
    request: BaseRequest, map_source: MapSource, target: Target, output: Output, raw: bool
) -> tuple[list[Written], list[str]]:
    """Write one map as levels, or as floats where ``raw``, with the metadata of its image."""
    map_ = request.maps[target.maps[0]]
    rule = request.rule_for(map_)
    if raw:
        picture, statistics = float_picture(request, map_source, map_)
    else:
        picture, statistics = quantize_map(request, map_source, map_, rule, target.file_format)
    fitted, notices = fit_picture(request, picture, map_source.image, target, output)
    data = fitted.encode(picture)
    carries_provenance = str(output.provenance).encode() in data
    write_output(request, target, output, lambda file: file.write(data), carries_provenance)
    name = request.stack_name(map_) if raw else map_.name
    return [Written(target, name, picture.pixels.shape, "raw" if raw else rule.name, statistics, target.maps)], notices


def float_picture(request: BaseRequest, map_source: MapSource, map_: Map) -> tuple[Image, RangeStatistics]:
    """Return a map as an image of float32, and the statistics of its responses."""
    image, response = map_source.image, map_source.compute_map(map_).colour
    compression = image.compression if image.white is None else None  # that of levels is not one of floats
    metadata = replace(image.metadata, label=map_.name)
    pixels, statistics = response.astype(np.float32, copy=False), statistics_of(response)
    unseen = None if request.strip else stored_nodata(metadata, np.float32)
    if unseen is not None and statistics.unknown:
        pixels = np.where(np.isnan(pixels), np.float32(unseen), pixels)
    picture = replace(image, pixels=pixels, white=None, alpha=None, compression=compression, metadata=metadata)
    return picture, statistics


def fit_picture(request: BaseRequest, picture: Image, image: Image, target: Target, output: Output) -> tuple[Fitted, list[str]]:
    """Return how the levels or floats of a map of an image are stored, and notices. Raises ConvcliError."""
    metadata, misplaced = placed(picture.metadata, request.placement(image.size, request.maps[target.maps[0]]))
    if request.strip:
        metadata, misplaced = Metadata(label=metadata.label), ()
    metadata, untrue = without_untrue_nodata(metadata, picture.pixels.dtype)
    picture = replace(picture, metadata=metadata)
    fitted = fit(picture, target.file_format, encoding_of(request), None if request.strip else output.provenance)
    notices, lost = [*notices_of_misplaced(misplaced), *untrue, *fitted.notices], [*misplaced, *fitted.lost]
    of_samples = losses_of_samples(picture, image, target.file_format)
    lost_samples = [loss.lost for loss in of_samples]
    if picture.white is None:
        notices, lost = [*_raw_notices(request, of_samples), *notices], [*lost_samples, *lost]
    else:
        notices, lost = [*notices, *notices_of(of_samples)], [*lost, *lost_samples]
    refuse_loss(request, tuple(lost))
    return fitted, notices


def _raw_notices(request: BaseRequest, losses: Sequence[Loss]) -> Iterator[str]:
    """Yield notices about what one map of floats does not hold."""
    if NO_ALPHA in losses:
        yield NO_ALPHA.notice
    if request.range.name != "auto":
        yield f"--range {request.range.name} not applied: floats are stored raw"
    if NOT_64_BITS in losses:
        yield NOT_64_BITS.notice


def encoding_of(request: BaseRequest) -> Encoding:
    """Return the compression that a request asks for."""
    return Encoding(request.png_level, request.quality, request.compression)


def notices_of_misplaced(lost: tuple[str, ...]) -> list[str]:
    """Return a notice about positions that are not those of the output."""
    return [f"{' and '.join(lost)} not kept: the pixels of the output lie elsewhere"] if lost else []


def _write_stack(
    request: BaseRequest, map_source: MapSource, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    """Write maps of ``apply`` or ``run`` raw, as float32 or float64. Return what was written, and notices."""
    requested = [request.maps[index] for index in target.maps]
    names = stack_names(request, target)
    maps = [map_source.compute_map(map_).colour for map_ in requested]
    notices = notices_of_stack(request, map_source.image, maps[0], target)
    provenance = None if request.strip else output.provenance

    def write(file: BinaryIO) -> None:
        storage = MapStorage(target.file_format, names, Series(), encoding_of(request), provenance)
        write_maps(file, [maps], storage)

    write_output(request, target, output, write, target.file_format.holds_provenance and provenance is not None)
    statistics = [[statistics_of(map_)] for map_ in maps]
    return list(stacked(request, target, [map_.shape for map_ in maps], statistics)), notices


def stack_names(request: BaseRequest, target: Target) -> list[str]:
    """Return the names of the maps in a stack."""
    maps = [request.maps[index] for index in target.maps]
    return [map_.name if target.file_format.picture else request.stack_name(map_) for map_ in maps]


def notices_of_stack(request: BaseRequest, image: Image, map_: Array, target: Target) -> list[str]:
    """Return notices about what a stack does not hold, of the image and of a map. Raises ImageError for --in-place."""
    notices = []
    lost = [] if request.strip else names_of_metadata(image.metadata)
    lost += [] if image.alpha is None else ["alpha"]
    reported = [word for word in lost if target.file_format.picture or word == "alpha"]  # nobody expects metadata in arrays
    if reported:
        notices.append(f"{' and '.join(reported)} not written: a stack holds only the feature maps")
    if request.range.name != "auto":
        notices.append(f"--range {request.range.name} not applied: floats are stored raw")
    if map_.itemsize * 8 > target.file_format.float_bits:
        notices.append(NOT_64_BITS.notice)
        lost.append(NOT_64_BITS.lost)
    refuse_loss(request, tuple(lost))
    return notices


def notices_of_series(request: BaseRequest, series: Series, target: Target) -> list[str]:
    """Return notices about what an output does not hold of what a file of frames says about them, as ``report_losses`` does."""
    if request.strip or not target.file_format.picture:  # nobody expects metadata in arrays
        return []
    return report_losses(request, losses_of_frames(series, target.file_format))


def report_losses(request: BaseRequest, losses: Sequence[Loss]) -> list[str]:
    """Return the notices about losses. Raises ImageError for --in-place."""
    refuse_loss(request, tuple(loss.lost for loss in losses))
    return notices_of(losses)


def notices_of(losses: Sequence[Loss]) -> list[str]:
    """Return the notices about losses."""
    return [loss.notice for loss in losses if loss.notice]


def stacked(
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
