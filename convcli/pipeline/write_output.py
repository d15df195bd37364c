"""Writes one output under its name, with what it was made from, and says whether it is up to date already."""

import functools
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import OutputError
from ..images.atomic_write import ExistsError, write_atomically
from ..images.output_state import OutputState, look_at
from ..images.provenance import Provenance, Sidecar, digest_of, read_sidecar, sidecar_of
from ..images.write import write_whole
from .request_base import BaseRequest
from .tasks import Target


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


def is_up_to_date(request: BaseRequest, target: Target, source: str) -> bool:
    """Whether --skip-existing leaves an output as it is. Raises OutputError as _look_at does."""
    state = _look_at(request, target)
    asked = request.digest_for(target.form, target.maps)
    if request.in_place:  # the output stands in the place of its input, whose digest nobody has any more
        return state.provenance is not None and state.provenance.asked == asked
    return state.provenance == Provenance(asked, source)


def write_output(
    request: BaseRequest, target: Target, output: Output, write: Callable[[BinaryIO], object], carries: bool
) -> None:
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
