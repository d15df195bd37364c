"""Processes one picture: read, convolve, merge, store, write."""

import contextlib
import functools
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from ..errors import ConvcliError, ImageError, OutputError
from ..images.atomic_write import ExistsError, sweep, write_atomically
from ..images.formats import Encoding, Format
from ..images.image import Array, Image
from ..images.output_state import OutputState, look_at
from ..images.provenance import Provenance, Sidecar, digest_of, read_sidecar, sidecar_of
from ..images.quantize import RangeStatistics, check_scale, spread_of, statistics_of, store, to_levels, total_of
from ..images.read import decode, opened
from ..images.write import WORDS, encode, stored_white, write_maps, write_whole
from ..range_rules import Range
from .map_source import Explanation, MapSource, Response, Rows
from .map_sources import map_source_for
from .memory_budget import Budget
from .memory_estimate import estimate
from .request_base import BaseRequest, Map
from .tasks import Target, Task


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


@dataclass(frozen=True)
class Pipes:
    """Standard input and output as binary files, where the request uses them."""

    input: BinaryIO | None = None
    output: BinaryIO | None = None


@dataclass(frozen=True)
class Output:
    """Where the bytes of an output may go, and the mark that they carry."""

    pipes: Pipes
    provenance: Provenance


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
        left = [target for target in task.targets if not _is_up_to_date(request, target, source)]
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


def _look_at(request: BaseRequest, target: Target) -> OutputState:
    """What stands under the name of an output, where --skip-existing asks. Raises OutputError for a file that is not ours."""
    if not request.skip_existing or target.path is None:
        return OutputState(exists=False)
    state = look_at(target.path, target.form)
    if request.in_place and not state.whole:  # is it the input, or its map? It must not be filtered twice
        raise OutputError(f"{target.path}: carries a mark of convcli, but is cut short or was changed since; restore it")
    if state.exists and not state.ours and not (request.overwrite or request.in_place):
        raise OutputError(
            f"{target.path}: exists already, and carries no mark of convcli; replace it with --overwrite, or move it away"
        )
    return state


def _is_up_to_date(request: BaseRequest, target: Target, source: str) -> bool:
    """Whether --skip-existing leaves an output as it is. Raises OutputError as _look_at does."""
    state = _look_at(request, target)
    asked = request.digest_for(target.form, target.maps)
    if request.in_place:  # the output stands in the place of its input, whose digest nobody has any more
        return state.provenance is not None and state.provenance.asked == asked
    return state.provenance == Provenance(asked, source)


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
    picture, statistics = _picture(request, map_source, one, rule, target.form)
    encoded = encode(picture, target.form, Encoding(request.png_level, request.quality), output.provenance)
    notices, lost = list(encoded.notices), list(encoded.lost)
    if picture.white == 255 and image.white == 65535:
        notices.append(f"16-bit levels stored with 8 bits: {target.form.name} holds no more")
        lost.append("16-bit levels")
    if image.white is None:
        lost.append("its real numbers")
    _refuse_loss(request, tuple(lost))
    _put(request, target, output, lambda file: file.write(encoded.data), str(output.provenance).encode() in encoded.data)
    return [Written(target, one.name, picture.pixels.shape, rule.name, statistics, target.maps)], notices


def _picture(request: BaseRequest, map_source: MapSource, one: Map, rule: Range, form: Format) -> tuple[Image, RangeStatistics]:
    """A map as levels, and its account: some rows at a time."""
    image = map_source.image
    shape = request.map_shape(image.size, one)
    white = stored_white(form, image, shape[2])
    dtype = np.dtype(np.uint8 if white == 255 else np.uint16)
    pixels = np.empty(shape, dtype)
    covered = None if image.alpha is None else np.empty(shape[:2], dtype)
    spread = stretch_of(map_source, one, white) if rule.name == "stretch" else None
    accounts = []
    for begin, end in map_source.rows_of(one):
        part = store_rows(map_source, one, (begin, end), rule, white, spread)
        pixels[begin:end] = part.levels
        if covered is not None and part.alpha is not None:
            covered[begin:end] = part.alpha
        accounts.append(part.statistics)
    return replace(image, pixels=pixels, white=white, alpha=covered), total_of(accounts)


@dataclass(frozen=True)
class Part:
    """Some rows of a map: the response, its levels (H, W, C) and alpha (H, W) or None, as they are stored, and an account."""

    response: Response
    levels: Array
    alpha: Array | None
    statistics: RangeStatistics


def store_rows(
    map_source: MapSource, one: Map, rows: Rows, rule: Range, white: int, spread: tuple[float, float] | None
) -> Part:
    """Some rows of a map as levels 0..white; ``spread`` is what ``stretch_of`` gave, where the rule is to stretch."""
    response = map_source.compute_map(one, rows)
    alpha = _alpha_of(response, map_source.image, white)
    visible = None if alpha is None else alpha > 0
    levels, statistics = store(response.colour, rule, map_source.image.white, white, visible, spread)
    return Part(response, levels, alpha, statistics)


def stretch_of(map_source: MapSource, one: Map, white: int) -> tuple[float, float]:
    """The responses that ``--range stretch`` makes black and white: the least and the largest that can be seen.

    A map is computed for it once more: a part at a time takes a seventh of the memory.
    """
    known = map_source.spread_of(one)
    if known is not None:
        return known
    spreads = []
    for rows in map_source.rows_of(one):
        response = map_source.compute_map(one, rows)
        alpha = _alpha_of(response, map_source.image, white)
        spreads.append(spread_of(response.colour, None if alpha is None else alpha > 0))
    found = [spread for spread in spreads if spread]
    return min((low for low, _ in found), default=0.0), max((high for _, high in found), default=0.0)


def _alpha_of(response: Response, image: Image, white: int) -> Array | None:
    """The alpha of a response as levels 0..white."""
    if response.alpha is None or image.alpha is None:
        return None
    return to_levels(response.alpha, np.uint8 if white == 255 else np.uint16, white / image.opaque)


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
    _put(
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


def _put(request: BaseRequest, target: Target, output: Output, write: Callable[[BinaryIO], object], carries: bool) -> None:
    """Write an output; what it ``carries`` no mark of itself gets one beside, where there may be a run that looks for it."""
    if target.path is None:
        assert output.pipes.output is not None
        memory = io.BytesIO()
        write(memory)
        write_whole(output.pipes.output, memory.getvalue())
        return
    ours = _look_at(request, target).ours  # again, as a picture can take minutes
    replaces = request.overwrite or request.in_place or ours if request.skip_existing else target.replace
    beside = None
    if request.skip_existing and not carries:
        beside = functools.partial(_write_sidecar, target.path, output.provenance, ours)
    try:
        with write_atomically(target.path, replaces, beside) as file:
            write(file)
    except ExistsError:
        if request.skip_existing and look_at(target.path, target.form).provenance == output.provenance:
            return  # another run made the same meanwhile
        if beside is not None:
            sidecar_of(target.path).unlink(missing_ok=True)
        raise


def _write_sidecar(path: Path, provenance: Provenance, replaces_ours: bool, finished: Path) -> None:
    """Before the output has its name: an output without its sidecar would be taken for a file of somebody else."""
    sidecar = sidecar_of(path)
    if os.path.lexists(sidecar) and read_sidecar(path) is None:
        raise OutputError(f"{sidecar}: exists already, and is no sidecar of convcli; move it away")
    with finished.open("rb") as file:
        digest = digest_of(file)
    before = None
    if replaces_ours:
        with path.open("rb") as file:
            before = digest_of(file)
    with write_atomically(sidecar) as file:
        file.write(str(Sidecar(provenance, digest, before)).encode())
