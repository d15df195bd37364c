"""Processes one picture: read, convolve, merge, store, write."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

from ..errors import ConvcliError, ImageError
from ..images.atomic_write import sweep
from ..images.formats import Encoding
from ..images.image import Array, Image
from ..images.provenance import Provenance, digest_of
from ..images.quantize import RangeStatistics, check_scale, statistics_of, total_of
from ..images.read import decode, opened
from ..images.write import WORDS, encode, stored_white, write_maps
from .map_source import Explanation, MapSource
from .map_sources import map_source_for
from .memory_budget import Budget
from .memory_estimate import estimate
from .request_base import BaseRequest
from .store_map import picture_of_map
from .tasks import Target, Task
from .write_output import Output, Pipes, is_up_to_date, write_output


@dataclass(frozen=True)
class Written:
    """A map that was written, or all maps of one layer. Without statistics it is yet to be written.

    ``maps`` are indices into the maps of the request, ``explanations`` say how their kernels were computed (--explain).
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
    """What became of one picture."""

    task: Task
    image: str = ""  # size and kind of the input
    written: tuple[Written, ...] = ()
    skipped: tuple[Target, ...] = ()  # up to date already
    notices: tuple[str, ...] = ()
    error: ConvcliError | None = None

    @property
    def status(self) -> str:
        """In a word: done, skipped (nothing was left to do) or failed."""
        return "failed" if self.error else "skipped" if self.skipped and not self.written else "done"


Reading: TypeAlias = tuple[Outcome, Image | None, str, list[Target]]


def run_task(request: BaseRequest, task: Task, pipes: Pipes, budget: Budget) -> Outcome:
    """Read one picture, compute its maps and write them. Raises ConvcliError if it cannot be read.

    What was written before a later map failed is in the outcome, beside the error.
    """
    with _read(request, task, pipes, budget) as (outcome, image, source, left):
        for target in outcome.skipped:
            sweep(target.path.parent if target.path else Path())
        if image is None:
            return outcome
        map_source = map_source_for(request, image)
        outcome = replace(outcome, notices=(*outcome.notices, *map_source.notices))
        for target in left:
            provenance = Provenance(request.digest_for(target.form, target.maps), source)
            try:
                explanations = {index: map_source.explanations(request.maps[index]) for index in target.maps}
                written, notices = _write(request, map_source, target, Output(pipes, provenance))
            except ConvcliError as error:
                return replace(outcome, error=error)
            written = [
                replace(one, explanations=tuple(way for index in one.maps for way in explanations[index])) for one in written
            ]
            every_notice = tuple(dict.fromkeys((*outcome.notices, *notices)))
            outcome = replace(outcome, written=(*outcome.written, *written), notices=every_notice)
        return outcome


@contextlib.contextmanager
def _read(request: BaseRequest, task: Task, pipes: Pipes, budget: Budget) -> Iterator[Reading]:
    """The picture of a task, None where all its outputs are up to date, the digest of its file, and what is left to write.

    While the block lasts, the memory that the picture and its maps take is kept from other pictures.
    """
    if task.fault:
        raise ImageError(task.fault)
    with opened(task.source, pipes.input) as file, budget.lease() as take:
        source = _digest(file) if request.skip_existing else ""
        left = [target for target in task.targets if not is_up_to_date(request, target, source)]
        skipped = tuple(target for target in task.targets if target not in left)
        if not left:
            yield Outcome(task, skipped=skipped), None, source, left
            return
        image = decode(file, request.max_pixels, lambda header: take(estimate(request, left, header)), request.axes)
        _refuse_loss(request, image.lost)
        if request.in_place and (links := os.fstat(file.fileno()).st_nlink) > 1:
            image = image.noting(f"has {links} hard links; the others keep the old picture")
        source = source or _digest(file)
        yield Outcome(task, image.summary, skipped=skipped, notices=image.notices), image, source, left


def _refuse_loss(request: BaseRequest, lost: tuple[str, ...]) -> None:
    """Raise ImageError where a picture that is replaced would lose more than its map takes from it."""
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
    """Read one picture and say which maps it would give; write nothing. Raises ConvcliError where that would fail."""
    with _read(request, task, pipes, budget) as (outcome, image, _, left):
        return (
            outcome if image is None else replace(outcome, written=tuple(_plan(request, map_source_for(request, image), left)))
        )


def _plan(request: BaseRequest, map_source: MapSource, targets: Iterable[Target]) -> Iterator[Written]:
    image = map_source.image
    for target in targets:
        for index in target.maps:
            one = request.maps[index]
            map_source.check(one)
            shape = request.map_shape(image.size, one)
            rule = request.rule_for(one)
            raw = _is_raw(request, image, target)
            if not raw:
                check_scale(rule, image.white)
                stored_white(target.form, image, shape[2])
            yield Written(
                target, one.name, shape, "raw" if raw else rule.name, maps=(index,), explanations=map_source.explanations(one)
            )


def _is_raw(request: BaseRequest, image: Image, target: Target) -> bool:
    """Whether float numbers are stored: in a stack, and in TIFF where the picture itself is of real numbers."""
    unscaled = image.white is None and not request.rule_for(request.maps[target.maps[0]]).sets_scale
    return request.stacks_in(target.form) or (target.form.stack and unscaled)


def _write(request: BaseRequest, map_source: MapSource, target: Target, output: Output) -> tuple[list[Written], list[str]]:
    image = map_source.image
    if _is_raw(request, image, target):
        return _write_stack(request, map_source, target, output)
    one = request.maps[target.maps[0]]
    rule = request.rule_for(one)
    picture, statistics = picture_of_map(request, map_source, one, rule, target.form)
    encoded = encode(picture, target.form, Encoding(request.png_level, request.quality), output.provenance)
    notices, lost = list(encoded.notices), list(encoded.lost)
    if picture.white == 255 and image.white == 65535:
        notices.append(f"16-bit levels stored with 8 bits: {target.form.name} holds no more")
        lost.append("16-bit levels")
    if image.white is None:
        lost.append("its real numbers")
    _refuse_loss(request, tuple(lost))
    write_output(
        request, target, output, lambda file: file.write(encoded.data), str(output.provenance).encode() in encoded.data
    )
    return [Written(target, one.name, picture.pixels.shape, rule.name, statistics, target.maps)], notices


def _write_stack(
    request: BaseRequest, map_source: MapSource, target: Target, output: Output
) -> tuple[list[Written], list[str]]:
    image = map_source.image
    notices = []
    lost = [word for name, word in WORDS.items() if getattr(image.metadata, name)] + ["alpha"] * (image.alpha is not None)
    if lost and target.form.picture:  # of arrays nobody expects that
        notices.append(f"{' and '.join(lost)} not written: a stack holds the feature maps alone")
    if request.range.name != "auto":
        notices.append(f"--range {request.range.name} not applied: float numbers are stored raw")
    wanted = [request.maps[index] for index in target.maps]
    names = [one.name if target.form.picture else request.stack_name(one) for one in wanted]
    maps = [map_source.compute_map(one).colour for one in wanted]
    if maps[0].itemsize * 8 > target.form.float_bits:
        notices.append("stored as float32, which ImageJ reads; .npy and .npz hold all 64 bits")
        lost.append("what 32 bits cannot hold")
    _refuse_loss(request, tuple(lost))
    write_output(
        request,
        target,
        output,
        lambda file: write_maps(file, target.form, maps, names, output.provenance),
        target.form.holds_provenance,
    )
    return list(_stacked(request, target, maps)), notices


def _stacked(request: BaseRequest, target: Target, maps: Sequence[Array]) -> Iterator[Written]:
    """What was written of each array of a stack: of one map, or of all that have its name there."""
    held: dict[str, list[int]] = {}
    for place, index in enumerate(target.maps):
        held.setdefault(request.stack_name(request.maps[index]), []).append(place)
    for name, places in held.items():
        statistics = total_of([statistics_of(maps[place]) for place in places])
        indices = tuple(target.maps[place] for place in places)
        yield Written(target, name, maps[places[0]].shape, "raw", statistics, indices)
