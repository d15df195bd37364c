"""Processes one picture, or the frames of one file: read, convolve, merge, store, write."""

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ConvcliError, ImageError
from ..images.atomic_write import Times, remove_leftovers
from ..images.compression import inherits_compression
from ..images.frames import Series
from ..images.image import Header, Image
from ..images.provenance import Provenance, digest_of
from ..images.quantize import check_scale
from ..images.read import open_frames, open_input
from ..images.write import check_size, stored_white
from .input_frames import InputFrames, OnFrame, OutputFrames, indices_of, no_report
from .memory_budget import Budget
from .memory_estimate import estimate
from .output_conflicts import FrameOutputs
from .report_losses import report_series
from .request_base import BaseRequest
from .tasks import Target, Task
from .write_output import Output, Pipes, UnfinishedOutput, is_up_to_date
from .write_pictures import write_pictures
from .write_stack import write_stack
from .written import Written, explanations_of

if TYPE_CHECKING:  # imported where a page is asked for
    from .illustration import Illustration


class Outcome(Struct, frozen=True):
    """The result of processing one picture: its outputs and notices, or an error."""

    task: Task
    image: str = ""  # its size and kind
    written: tuple[Written, ...] = ()
    skipped: tuple[Target, ...] = ()  # up to date already
    notices: tuple[str, ...] = ()
    error: ConvcliError | None = None
    illustration: "Illustration | None" = None  # where --html asks for it
    unfinished: tuple[UnfinishedOutput, ...] = ()

    def finished(self) -> "Outcome":
        """Sync and rename the outputs. Return the outcome of that: without those that failed, and with the first error."""
        error, failed = self.error, set[Target]()
        for output in self.unfinished:
            try:
                output.finish()
            except ConvcliError as reason:
                error = error or reason
                failed.add(output.target)
        written = tuple(part for part in self.written if part.target not in failed)
        return replace(self, written=written, error=error, unfinished=())

    @property
    def status(self) -> str:
        """``"done"``, ``"skipped"`` (all outputs were up to date) or ``"failed"``."""
        return "failed" if self.error else "skipped" if self.skipped and not self.written else "done"

    def with_written(self, written: Iterable[Written], notices: Iterable[str]) -> "Outcome":
        """Return a copy with more outputs and notices, each notice once."""
        all_notices = tuple(dict.fromkeys((*self.notices, *notices)))
        return replace(self, written=(*self.written, *written), notices=all_notices)


class Reading(Struct, frozen=True):
    """The frames of a file that is open, and the outputs that remain to be written, each with its provenance.

    ``frames`` is None where all outputs are up to date. ``times`` are those of the file before it was read, for --keep-times.
    """

    outcome: Outcome
    frames: InputFrames | None = None
    remaining: tuple[tuple[Target, Provenance], ...] = ()
    times: Times | None = None


class Shared(Struct, frozen=True):
    """What the pictures of a run share. ``on_frame`` is called for each frame that is read."""

    pipes: Pipes
    budget: Budget
    frame_outputs: FrameOutputs
    on_frame: OnFrame = no_report


def run_task(request: BaseRequest, task: Task, shared: Shared) -> Outcome:
    """Read one picture, compute its maps and write them. Raises ConvcliError if it cannot be read.

    If a map fails, the outcome has the error and the maps that were written before. ``Outcome.finished`` gives the outputs
    their names.
    """
    unfinished: list[UnfinishedOutput] = []
    try:
        return replace(_write_all(request, task, shared, unfinished), unfinished=tuple(unfinished))
    except BaseException:  # an interrupt too: files without names are removed
        for output in unfinished:
            output.file.discard()
        raise


def _write_all(request: BaseRequest, task: Task, shared: Shared, unfinished: list[UnfinishedOutput]) -> Outcome:
    with _read(request, task, shared) as reading:
        outcome, frames = reading.outcome, reading.frames
        for target in outcome.skipped:
            remove_leftovers(target.path.parent if target.path else Path())
        if frames is None:
            return outcome
        try:
            for target, provenance in reading.remaining:
                output = Output(shared.pipes, provenance, unfinished, reading.times)
                is_last = target is reading.remaining[-1][0]
                written, notices = _write(request, frames.of_output(target, is_last), target, output)
                outcome = outcome.with_written(written, (*frames.notices, *notices))
        except ConvcliError as error:
            outcome = replace(outcome, error=error)
        return replace(outcome, illustration=frames.illustration)


def _write(request: BaseRequest, frames: OutputFrames, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    """Write an output: one map as pictures, or several as a stack of floats. Return what was written, and notices."""
    explanations = explanations_of(request, frames.first, target)  # now, as the first frame is not read again after the others
    if request.sheet is not None:
        from .write_sheet import write_sheet  # it draws, which is rare

        written, notices = write_sheet(request, frames, target, output)
        return [part.explained(explanations) for part in written], notices
    raw = _is_raw(request, frames.first.image, target)
    notices = report_series(request, frames.input.series, frames.series, target)
    if raw and not _is_float_picture(target):
        written, further = write_stack(request, frames, target, output)
    else:
        written, further = write_pictures(request, frames, target, output, raw)
    return [part.explained(explanations) for part in written], [*notices, *further]


def _is_raw(request: BaseRequest, image: Image, target: Target) -> bool:
    """Return whether floats are stored: in a stack, and in TIFF where the picture has floats whose white is not known."""
    unscaled = image.white is None and not request.rule_for(request.maps[target.maps[0]]).sets_scale
    return request.stacks_in(target.file_format) or (target.file_format.stack and unscaled)


def _is_float_picture(target: Target) -> bool:
    """Return whether the floats of an output are those of one map of a picture format, which then holds metadata."""
    return target.file_format.picture and len(target.maps) == 1


@contextlib.contextmanager
def _read(request: BaseRequest, task: Task, shared: Shared) -> Iterator[Reading]:
    """Read the first frame of a task. During the block, the memory of a frame and its maps is reserved."""
    if task.error:
        raise ImageError(task.error)
    with open_input(task.source, shared.pipes.input, task.is_pipe) as file, shared.budget.lease() as reserve:
        times = _times_of(file) if request.keep_times else None
        source = _digest(file) if request.skip_existing else ""
        frames = open_frames(file, request.max_pixels, request.axes)
        are_named = any(target.per_frame for target in task.targets)
        indices = indices_of(request, frames.series, are_named)
        selected_count = len(indices)
        if request.sheet is not None and not are_named:
            indices = indices[:1]
        targets = _targets(task, frames.series, indices, shared.frame_outputs)
        provenances = {target: _provenance(request, target, file, frames.series, indices, source) for target in targets}
        remaining = [target for target in targets if not is_up_to_date(request, target, provenances[target])]
        skipped = tuple(target for target in targets if target not in remaining)
        if not remaining:
            yield Reading(Outcome(task, skipped=skipped))
            return
        _rewind(file)

        def admit(header: Header) -> None:
            reserve(estimate(request, remaining, header, len(indices)))

        selected = InputFrames(request, frames, indices, admit, shared.on_frame)
        notices = [*selected.first.notices]
        if request.frames is not None and len(indices) < selected_count:
            notices.append(f"--sheet shows the first of {selected_count} selected frames")
        if request.in_place and (links := os.fstat(file.fileno()).st_nlink) > 1:
            notices.append(f"has {links} hard links; the others keep the old picture")
        source = source or _digest(file)
        outputs = tuple((target, replace(provenances[target], source=source)) for target in remaining)
        yield Reading(Outcome(task, selected.summary, skipped=skipped, notices=tuple(notices)), selected, outputs, times)


def _targets(task: Task, series: Series, indices: range, frame_outputs: FrameOutputs) -> list[Target]:
    """Return the targets of a file whose frames are known. Raises ImageError where an output cannot hold them."""
    for target in task.targets:
        if len(indices) > 1 and not target.per_frame and not target.file_format.holds_frames:
            raise ImageError(
                f"has {series.count} frames, and {target.file_format.name} holds one; give --frames first, or write each to a "
                "file, with {frame} in the name of the output"
            )
    by_frame = [target.for_frame(index, series.count) for index in indices for target in task.targets if target.per_frame]
    if by_frame:
        frame_outputs.add(task, by_frame)
    return [*by_frame, *(target for target in task.targets if not target.per_frame)]


def _provenance(
    request: BaseRequest, target: Target, file: BinaryIO, series: Series, indices: range, source: str
) -> Provenance:
    """Return the provenance of an output. The frames are a part of it where the file has several to choose from."""
    _rewind(file)
    is_first_version = series.are_alternates and request.frames is None and target.frame is None
    is_only_picture = series.count == 1 or is_first_version
    frames = "" if is_only_picture else str(indices if target.frame is None else [target.frame])
    inherits = inherits_compression(file, target.file_format.name)
    return Provenance(request.digest_for(target.file_format, target.maps, inherits, frames), source)


def _rewind(file: BinaryIO) -> None:
    """Go to the beginning of a file. Raises ImageError."""
    try:
        file.seek(0)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from None


def _times_of(file: BinaryIO) -> Times | None:
    """Return the access and modification time of a file; None for standard input and other streams."""
    if isinstance(file, io.BytesIO):
        return None
    status = os.fstat(file.fileno())
    return status.st_atime_ns, status.st_mtime_ns


def _digest(file: BinaryIO) -> str:
    try:
        file.seek(0)
        digest = digest_of(file)
        file.seek(0)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from None
    return digest


def plan_task(request: BaseRequest, task: Task, shared: Shared) -> Outcome:
    """Read one picture and plan its maps, for a dry run. Raises ConvcliError if it cannot be read.

    If a map would fail, the outcome has the error.

    Of a file whose frames have one output, the first is read: that others differ from it too much is not found.
    """
    with _read(request, task, shared) as reading:
        frames, outcome = reading.frames, reading.outcome
        if frames is None:
            return outcome
        try:
            for target, _ in reading.remaining:
                outcome = outcome.with_written(_plan(request, frames.of_output(target), target), ())
        except ConvcliError as error:
            outcome = replace(outcome, error=error)
        return replace(outcome, illustration=frames.illustration)


def _plan(request: BaseRequest, frames: OutputFrames, target: Target) -> Iterator[Written]:
    map_source = frames.first
    if request.sheet is not None:
        from .write_sheet import plan_written

        yield plan_written(request, frames, target)
        return
    image = map_source.image
    for index in target.maps:
        map_ = request.maps[index]
        map_source.check(map_)
        shape = request.map_shape(image.size, map_)
        rule = request.rule_for(map_)
        raw = _is_raw(request, image, target)
        if not raw:
            check_scale(rule, map_source.white, map_source.may_be_light)
            check_size(target.file_format, *shape[:2])
            stored_white(target.file_format, image, shape[2])
        name, explanations = "raw" if raw else rule.name, map_source.explanations(map_)
        yield Written(target, map_.name, shape, name, None, (index,), explanations, len(frames.indices))
