"""Writes an output with its provenance, and checks whether it is up to date."""

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from ..errors import OutputError
from ..images.atomic_write import ExistsError, Times, write_atomically
from ..images.output_state import OutputState, read_output_state
from ..images.provenance import Provenance, Sidecar, digest_of, read_sidecar, sidecar_path
from ..images.streams import is_stream, write_all, write_stream
from .request_base import BaseRequest
from .tasks import Target


class Pipes(Struct, frozen=True):
    """Standard input and output as binary files, None where the request does not use them."""

    input: BinaryIO | None = None
    output: BinaryIO | None = None


class Output(Struct, frozen=True):
    """The pipes of a run, the provenance of an output, and its access and modification times where they are given."""

    pipes: Pipes
    provenance: Provenance
    times: Times | None = None


def _state_of(request: BaseRequest, target: Target) -> OutputState:
    """Return the state of an output for --skip-existing. Raises OutputError for a file that convcli did not write."""
    if not request.skip_existing or target.path is None:
        return OutputState(exists=False)
    state = read_output_state(target.path, target.file_format)
    if request.in_place and not state.complete:  # it may be the input or its map, and must not be filtered twice
        raise OutputError(f"{target.path}: carries provenance of convcli, but is truncated or was changed since; restore it")
    if state.exists and not state.ours and not (request.overwrite or request.in_place):
        raise OutputError(
            f"{target.path}: exists already, and carries no provenance of convcli; replace it with --overwrite, or move it away"
        )
    return state


def is_up_to_date(request: BaseRequest, target: Target, provenance: Provenance) -> bool:
    """Return whether --skip-existing keeps an output. Raises OutputError for a file that convcli did not write.

    ``provenance`` is what a new output would have.
    """
    state = _state_of(request, target)
    if request.in_place:  # the output has replaced its input, whose digest is unknown
        known = (provenance.asked, *request.digests_of_versions(target.file_format, target.maps))
        return state.provenance is not None and state.provenance.asked in known  # a picture must not be filtered twice
    return state.provenance == provenance


def write_output(
    request: BaseRequest, target: Target, output: Output, write: Callable[[BinaryIO], object], carries_provenance: bool
) -> None:
    """Write an output. With --skip-existing a file gets a sidecar, unless it carries its provenance itself."""
    if target.path is None or is_stream(target.path):
        memory = io.BytesIO()
        write(memory)
        if target.path is not None:
            write_stream(target.path, memory.getvalue())
            return
        assert output.pipes.output is not None
        write_all(output.pipes.output, memory.getvalue())
        return
    replaces_ours = _state_of(request, target).ours  # checked again, as a picture can take minutes
    may_replace = request.overwrite or request.in_place or replaces_ours if request.skip_existing else target.replace
    write_sidecar = None
    if request.skip_existing and not carries_provenance:
        write_sidecar = functools.partial(_write_sidecar, target.path, output.provenance, replaces_ours)
    try:
        with write_atomically(target.path, may_replace, write_sidecar, output.times) as file:
            write(file)
    except ExistsError:
        if request.skip_existing and read_output_state(target.path, target.file_format).provenance == output.provenance:
            return  # another run has written the same output meanwhile
        if write_sidecar is not None:
            sidecar_path(target.path).unlink(missing_ok=True)
        raise


def _write_sidecar(path: Path, provenance: Provenance, replaces_ours: bool, finished: Path) -> None:
    """Write the sidecar before the output gets its name: without it, the output would count as a file of somebody else."""
    sidecar = sidecar_path(path)
    if os.path.lexists(sidecar) and read_sidecar(path) is None:
        raise OutputError(f"{sidecar}: exists already, and is not a sidecar of convcli; move it away")
    with finished.open("rb") as file:
        digest = digest_of(file)
    before = None
    if replaces_ours:
        with path.open("rb") as file:
            before = digest_of(file)
    with write_atomically(sidecar) as file:
        file.write(str(Sidecar(provenance, digest, before)).encode())
