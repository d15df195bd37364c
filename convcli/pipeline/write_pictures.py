"""Writes one map of one or several frames as pictures: as levels, or as float32 in TIFF, with the metadata of their images."""

import operator
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from ..images.frames import peek
from ..images.geotiff import rescaled_block
from ..images.image import Image, Metadata
from ..images.losses import METADATA_NAMES, Loss, losses_of_samples
from ..images.nodata import stored_nodata, with_nodata, without_untrue_nodata
from ..images.positions import moved_metadata
from ..images.provenance import Provenance
from ..images.quantize import RangeStatistics, combine_statistics, statistics_of
from ..images.write import Fitted, fit, stored_white
from .input_frames import OutputFrames
from .map_source import MapSource
from .report_losses import losses_of_positions, notices_of, refuse_loss, series_of_output
from .request_base import BaseRequest, Map
from .store_map import quantize_map, stretch_limits
from .tasks import Target
from .write_output import Output, write_output
from .written import Written

FURTHER_METADATA = Loss(
    "metadata of further frames, where they differ from those of the first, not kept", "metadata of further frames"
)


def write_pictures(
    request: BaseRequest, frames: OutputFrames, target: Target, output: Output, raw: bool
) -> tuple[list[Written], list[str]]:
    """Write the map of an output, as floats where ``raw``. Return what was written, and notices."""
    maker = _PictureMaker(request, frames, target, raw, output.provenance)
    (first, fitted), fitted_pictures = peek(map(maker.picture_of, frames))
    shape, moved = first.pixels.shape, list[str]()
    if frames.are_series_in(target):
        series, moved = series_of_output(request, frames.series, frames.first.image, target)
        del first  # the memory is that of one frame

        def write(file: BinaryIO) -> None:
            fitted.write_frames(file, map(operator.itemgetter(0), fitted_pictures), series)

        write_output(request, target, output, write, target.file_format.holds_provenance and not request.strip)
    else:
        if frames.is_last:
            frames.input.release()
        data = fitted.encode(first)
        write_output(request, target, output, lambda file: file.write(data), str(output.provenance).encode() in data)
    return [maker.written(shape)], [*maker.notices, *moved]


class _PictureMaker:
    """Makes a picture of the map of each frame, and keeps its statistics and notices."""

    def __init__(self, request: BaseRequest, frames: OutputFrames, target: Target, raw: bool, provenance: Provenance) -> None:
        self.request = request
        self.target = target
        self.raw = raw
        self.map = request.maps[target.maps[0]]
        self.rule = request.rule_for(self.map)
        self.provenance = None if request.strip else provenance
        self.statistics: list[RangeStatistics] = []
        self.notices: tuple[str, ...] = ()
        has_common_limits = self.rule.name == "stretch" and not raw and len(frames.indices) > 1
        self.limits = _common_limits(request, frames, self.map, target) if has_common_limits else None
        self.metadata = frames.first.image.metadata
        has_pages = target.file_format.holds_series and len(frames.indices) > 1
        self.are_pages = has_pages and frames.series.are_pages(raw)

    def picture_of(self, source: MapSource) -> tuple[Image, Fitted]:
        """Return the picture of a frame, with the metadata that the format holds, and how it is stored.

        Raises ArgumentError as ``fit`` does, and ImageError where --in-place would lose something of the frame.
        """
        request, image, file_format = self.request, source.image, self.target.file_format
        if self.raw:
            picture, measured = float_picture(request, source, self.map)
        else:
            picture, measured = quantize_map(request, source, self.map, self.rule, file_format, self.limits)
        if self.are_pages or not self.statistics:
            picture, losses = _with_true_metadata(request, picture, image, self.map)
            fitted = fit(picture, file_format, request.encoding, self.provenance, self.are_pages)
        else:  # the metadata are those of the first frame
            losses = [FURTHER_METADATA] if _has_more(image.metadata, self.metadata) and not request.strip else []
            picture = replace(picture, metadata=Metadata())
            fitted = fit(picture, file_format, request.encoding)
        losses += losses_of_samples(picture, image, file_format)
        if self.raw and request.range.name != "auto":
            losses.append(Loss(f"--range {request.range.name} not applied: floats are stored raw", ""))
        refuse_loss(request, [*(loss.lost for loss in losses if loss.lost), *fitted.lost])
        self.notices = tuple(dict.fromkeys((*self.notices, *notices_of(losses), *fitted.notices)))
        self.statistics.append(measured)
        return replace(picture, metadata=fitted.storage.metadata), fitted

    def written(self, shape: tuple[int, ...]) -> Written:
        """Return what was written, when all frames are. ``shape`` is that of the first picture."""
        name, rule = (self.request.stack_name(self.map), "raw") if self.raw else (self.map.name, self.rule.name)
        measured = combine_statistics(self.statistics)
        return Written(self.target, name, shape, rule, measured, self.target.maps, frames=len(self.statistics))


def _has_more(metadata: Metadata, first: Metadata) -> bool:
    """Return whether the metadata of a frame hold anything that those of the first frame do not."""
    values = ((getattr(metadata, name), getattr(first, name)) for name in METADATA_NAMES)
    return any(value and value != kept for value, kept in values)


def _common_limits(request: BaseRequest, frames: OutputFrames, map_: Map, target: Target) -> tuple[float, float]:
    """Return the limits of stretch for all frames, whose levels can then be compared. All maps are computed once for this."""
    limits = []
    for source in frames:
        channels = request.map_shape(source.image.size, map_)[2]
        limits.append(stretch_limits(source, map_, stored_white(target.file_format, source.image, channels)))
    return min(low for low, _ in limits), max(high for _, high in limits)


def float_picture(request: BaseRequest, map_source: MapSource, map_: Map) -> tuple[Image, RangeStatistics]:
    """Return a map as an image of float32, and the statistics of its responses."""
    image, response = map_source.image, map_source.compute_map(map_).colour
    compression = image.compression
    if compression and image.white is not None:  # that of levels is not one of floats
        compression = compression.without_codec()
    metadata = replace(image.metadata, label=map_.name)
    pixels = response.astype(np.float32, copy=False)
    statistics = statistics_of(response, with_histogram=request.is_illustrated)
    if statistics.unknown and not request.strip:
        pixels = with_nodata(pixels, stored_nodata(metadata, np.float32))
    picture = replace(image, pixels=pixels, white=None, alpha=None, compression=compression, metadata=metadata)
    return picture, statistics


def _with_true_metadata(request: BaseRequest, picture: Image, image: Image, map_: Map) -> tuple[Image, list[Loss]]:
    """Return the picture of a map of an image with metadata that are true of it, and what is lost of them."""
    if request.strip:
        return replace(picture, metadata=Metadata(label=picture.metadata.label)), []
    metadata, misplaced = moved_metadata(picture.metadata, request.placement(image.size, map_))
    metadata, untrue = without_untrue_nodata(metadata, picture.pixels.dtype)
    losses = [*losses_of_positions(misplaced), *(Loss(notice, "") for notice in untrue)]
    if metadata.exif:
        are_absolute = picture.white is not None and request.rule_for(map_).name == "abs"
        exif, unscaled = rescaled_block(metadata.exif, _stored_gain(request, picture, image, map_), are_absolute)
        metadata = replace(metadata, exif=exif)
        losses += [Loss(f"{name} not kept: they are not those of the output", name) for name in unscaled]
    return replace(picture, metadata=metadata), losses


def _stored_gain(request: BaseRequest, picture: Image, image: Image, map_: Map) -> float | None:
    """Return the gain of a map as it is stored: of floats, and of levels that are not scaled; else None."""
    gain = request.gain(image, map_)
    if picture.white is None:
        return gain
    rule = request.rule_for(map_).name
    is_kept = picture.white == image.white and (rule == "clip" or (rule == "abs" and gain == 0))
    return gain if is_kept else None
