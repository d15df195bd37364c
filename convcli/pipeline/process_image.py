"""Processes one picture: read, convolve, merge, store, write."""

import contextlib
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ConvcliError, ImageError
from ..images.atomic_write import Times, remove_leftovers
from ..images.compression import inherits_compression
from ..images.formats import Encoding
from ..images.image import Array, Image, Metadata
from ..images.positions import placed
from ..images.provenance import Provenance, digest_of
from ..images.quantize import RangeStatistics, check_scale, combine_statistics, statistics_of
from ..images.read import decode, open_input
from ..images.write import METADATA_NAMES, check_size, encode, stored_white, write_maps
from .map_source import Explanation, MapSource
from .map_sources import map_source_for
from .memory_budget import Budget
from .memory_estimate import estimate
from .request_base import BaseRequest, Map
from .store_map import quantize_map
from .tasks import Target, Task
from .write_output import Output, Pipes, is_up_to_date, write_output


@dataclass(frozen=True)
class Written:
    """A map, or all maps of a layer, in an output. ``statistics`` is None in a dry run.

    ``maps`` are indices into the maps of the request. ``explanations`` say how their kernels were computed (--explain).
    """

    target: Target
    map: str
    shape: tuple[int, ...]
    rule: str
    statistics: RangeStatistics | None = None
    maps: tuple[int, ...] = ()
    explanations: tuple[Explanation, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of processing one picture: its outputs and notices, or an error."""

    task: Task
    image: str = ""  # its size and kind
    written: tuple[Written, ...] = ()
    skipped: tuple[Target, ...] = ()  # up to date already
    notices: tuple[str, ...] = ()
    error: ConvcliError | None = None

    @property
    def status(self) -> str:
        """``"done"``, ``"skipped"`` (all outputs were up to date) or ``"failed"``."""
        return "failed" if self.error else "skipped" if self.skipped and not self.written else "done"


@dataclass(frozen=True)
class Reading:
    """A picture that was read, and the outputs that remain to be written, each with its provenance.

    ``image`` is None where all outputs are up to date. ``times`` are those of the file before it was read, for --keep-times.
    """

    outcome: Outcome
    image: Image | None = None
    remaining: tuple[tuple[Target, Provenance], ...] = ()
    times: Times | None = None


def run_task(request: BaseRequest, task: Task, pipes: Pipes, budget: Budget) -> Outcome:
    """Read one picture, compute its maps and write them. Raises ConvcliError if it cannot be read.

    If a map fails, the outcome has the error and the maps that were written before.
    """
    with _read(request, task, pipes, budget) as reading:
        outcome = reading.outcome
        for target in outcome.skipped:
            remove_leftovers(target.path.parent if target.path else Path())
        if reading.image is None:
            return outcome
        map_source = map_source_for(request, reading.image)
        outcome = replace(outcome, notices=(*outcome.notices, *map_source.notices))
        for target, provenance in reading.remaining:
            try:
                explanations = {index: map_source.explanations(request.maps[index]) for index in target.maps}
                written, notices = _write(request, map_source, target, Output(pipes, provenance, reading.times))
            except ConvcliError as error:
                return replace(outcome, error=error)
            written = [
                replace(output, explanations=tuple(itertools.chain(*(explanations[index] for index in output.maps))))
                for output in written
            ]
            all_notices = tuple(dict.fromkeys((*outcome.notices, *notices)))
            outcome = replace(outcome, written=(*outcome.written, *written), notices=all_notices)
        return outcome


@contextlib.contextmanager
def _read(request: BaseRequest, task: Task, pipes: Pipes, budget: Budget) -> Iterator[Reading]:
    """Read the picture of a task. During the block, the memory of the picture and its maps is reserved."""
    if task.error:
        raise ImageError(task.error)
    with open_input(task.source, pipes.input, task.is_pipe) as file, budget.lease() as reserve:
        times = _times_of(file) if request.keep_times else None
        source = _digest(file) if request.skip_existing else ""
        provenances = {target: Provenance(_digest_for(request, target, file), source) for target in task.targets}
        remaining = [target for target in task.targets if not is_up_to_date(request, target, provenances[target])]
        skipped = tuple(target for target in task.targets if target not in remaining)
        if not remaining:
            yield Reading(Outcome(task, skipped=skipped))
            return
        image = decode(file, request.max_pixels, lambda header: reserve(estimate(request, remaining, header)), request.axes)
        if request.strip:
            image = image.without_metadata_losses()
        _refuse_loss(request, image.lost)
        if request.in_place and (links := os.fstat(file.fileno()).st_nlink) > 1:
            image = image.with_notices(f"has {links} hard links; the others keep the old picture")
        source = source or _digest(file)
        outputs = tuple((target, replace(provenances[target], source=source)) for target in remaining)
        yield Reading(Outcome(task, image.summary, skipped=skipped, notices=image.notices), image, outputs, times)


def _digest_for(request: BaseRequest, target: Target, file: BinaryIO) -> str:
    try:
        inherits = inherits_compression(file, target.file_format.name)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from None
    return request.digest_for(target.file_format, target.maps, inherits)


def _times_of(file: BinaryIO) -> Times | None:
    """Return the access and modification time of a file; None for standard input and other streams."""
    if isinstance(file, io.BytesIO):
        return None
    status = os.fstat(file.fileno())
    return status.st_atime_ns, status.st_mtime_ns


def _refuse_loss(request: BaseRequest, lost: tuple[str, ...]) -> None:
    """Raise ImageError where --in-place would lose anything of a picture but its old levels."""
    if request.in_place and lost:
        listed = " and ".join(filter(None, (", ".join(lost[:-1]), lost[-1])))
        raise ImageError(f"would lose {listed} in place; write another file, with -o")


def _digest(file: BinaryIO) -> str:
    try:
        file.seek(0)
        digest = digest_of(file)
        file.seek(0)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from None
    return digest


def plan_task(request: BaseRequest, task: Task, pipes: Pipes, budget: Budget) -> Outcome:
    """Read one picture and plan its maps, for a dry run. Raises ConvcliError where ``run_task`` would fail."""
    with _read(request, task, pipes, budget) as reading:
        if reading.image is None:
            return reading.outcome
        targets = [target for target, _ in reading.remaining]
        return replace(reading.outcome, written=tuple(_plan(request, map_source_for(request, reading.image), targets)))


def _plan(request: BaseRequest, map_source: MapSource, targets: Iterable[Target]) -> Iterator[Written]:
    image = map_source.image
    for target in targets:
        for index in target.maps:
            map_ = request.maps[index]
            map_source.check(map_)
            shape = request.map_shape(image.size, map_)
            rule = request.rule_for(map_)
            raw = _is_raw(request, image, target)
            if not raw:
                check_scale(rule, image.white)
                check_size(target.file_format, *shape[:2])
                stored_white(target.file_format, image, shape[2])
            explanations = map_source.explanations(map_)
            yield Written(target, map_.name, shape, "raw" if raw else rule.name, None, (index,), explanations)


def _is_raw(request: BaseRequest, image: Image, target: Target) -> bool:
    """Return whether floats are stored: in a stack, and in TIFF where the picture has floats whose white is not known."""
    unscaled = image.white is None and not request.rule_for(request.maps[target.maps[0]]).sets_scale
    return request.stacks_in(target.file_format) or (target.file_format.stack and unscaled)


def _write(request: BaseRequest, map_source: MapSource, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    image = map_source.image
    map_ = request.maps[target.maps[0]]
    rule, raw = request.rule_for(map_).name, _is_raw(request, image, target)
    if raw and not _is_float_picture(request, image, target):
        return _write_stack(request, map_source, target, output)
    if raw:
        rule, (picture, statistics) = "raw", _float_picture(request, map_source, map_)
    else:
        picture, statistics = quantize_map(request, map_source, map_, request.rule_for(map_), target.file_format)
    metadata, misplaced = placed(picture.metadata, request.placement(image.size, map_))
    if request.strip:
        metadata, misplaced = Metadata(label=metadata.label), ()
    picture = replace(picture, metadata=metadata)
    encoding = encoding_of(request)
    encoded = encode(picture, target.file_format, encoding, None if request.strip else output.provenance)
    notices, lost = [*_misplaced(misplaced), *encoded.notices], [*misplaced, *encoded.lost]
    if raw:
        notices, lost = [*_raw_notices(request, image), *notices], [*_raw_losses(image), *lost]
    elif picture.white == 255 and image.white == 65535:
        notices.append(f"16-bit levels stored with 8 bits: {target.file_format.name} holds only 8")
        lost.append("16-bit levels")
    if image.white is None and not raw:
        lost.append("its real numbers")
    _refuse_loss(request, tuple(lost))
    carries_provenance = str(output.provenance).encode() in encoded.data
    write_output(request, target, output, lambda file: file.write(encoded.data), carries_provenance)
    name = request.stack_name(map_) if raw else map_.name
    return [Written(target, name, picture.pixels.shape, rule, statistics, target.maps)], notices


def _is_float_picture(request: BaseRequest, image: Image, target: Target) -> bool:
    """Return whether the floats of an output are those of one map of a picture format, which then holds metadata."""
    shapes = [request.map_shape(image.size, request.maps[index]) for index in target.maps]
    return target.file_format.picture and len(shapes) == 1 and shapes[0][2] in (1, 3)


def _float_picture(request: BaseRequest, map_source: MapSource, map_: Map) -> tuple[Image, RangeStatistics]:
    """Return a map as an image of float32, and the statistics of its responses."""
    image, response = map_source.image, map_source.compute_map(map_).colour
    compression = image.compression if image.white is None else None  # that of levels is not one of floats
    metadata = replace(image.metadata, label=map_.name)
    pixels = response.astype(np.float32, copy=False)
    picture = replace(image, pixels=pixels, white=None, alpha=None, compression=compression, metadata=metadata)
    return picture, statistics_of(response)


def _raw_notices(request: BaseRequest, image: Image) -> Iterator[str]:
    """Yield notices about what one map of floats does not hold."""
    if image.alpha is not None:
        yield "alpha not written: a stack holds only the feature maps"
    if request.range.name != "auto":
        yield f"--range {request.range.name} not applied: floats are stored raw"
    if image.pixels.dtype == np.float64:
        yield "stored as float32, which ImageJ reads; .npy and .npz hold all 64 bits"


def _raw_losses(image: Image) -> list[str]:
    is_wide = image.pixels.dtype == np.float64
    return [*(["alpha"] if image.alpha is not None else []), *(["what 32 bits cannot hold"] if is_wide else [])]


def encoding_of(request: BaseRequest) -> Encoding:
    """Return the compression that a request asks for."""
    return Encoding(request.png_level, request.quality, request.compression)


def _misplaced(lost: tuple[str, ...]) -> list[str]:
    return [f"{' and '.join(lost)} not kept: the pixels of the output lie elsewhere"] if lost else []


def _write_stack(
    request: BaseRequest, map_source: MapSource, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    """Write maps of ``apply`` or ``run`` raw, as float32 or float64. Return what was written, and notices."""
    image = map_source.image
    notices = []
    lost = [] if request.strip else [word for name, word in METADATA_NAMES.items() if getattr(image.metadata, name)]
    lost += [] if image.alpha is None else ["alpha"]
    reported = [word for word in lost if target.file_format.picture or word == "alpha"]  # nobody expects metadata in arrays
    if reported:
        notices.append(f"{' and '.join(reported)} not written: a stack holds only the feature maps")
    if request.range.name != "auto":
        notices.append(f"--range {request.range.name} not applied: floats are stored raw")
    requested = [request.maps[index] for index in target.maps]
    names = [map_.name if target.file_format.picture else request.stack_name(map_) for map_ in requested]
    maps = [map_source.compute_map(map_).colour for map_ in requested]
    if maps[0].itemsize * 8 > target.file_format.float_bits:
        notices.append("stored as float32, which ImageJ reads; .npy and .npz hold all 64 bits")
        lost.append("what 32 bits cannot hold")
    _refuse_loss(request, tuple(lost))

    provenance = None if request.strip else output.provenance

    def write(file: BinaryIO) -> None:
        write_maps(file, target.file_format, maps, names, provenance, encoding_of(request))

    write_output(request, target, output, write, target.file_format.holds_provenance and provenance is not None)
    return list(_stacked(request, target, maps)), notices


def _stacked(request: BaseRequest, target: Target, maps: Sequence[Array]) -> Iterator[Written]:
    """Yield what was written for each array of a stack: one map, or all maps that share a name."""
    by_name: dict[str, list[int]] = {}
    for position, index in enumerate(target.maps):
        by_name.setdefault(request.stack_name(request.maps[index]), []).append(position)
    for name, positions in by_name.items():
        statistics = combine_statistics([statistics_of(maps[position]) for position in positions])
        indices = tuple(target.maps[position] for position in positions)
        yield Written(target, name, maps[positions[0]].shape, "raw", statistics, indices)
