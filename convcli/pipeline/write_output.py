"""Writes an output with its provenance, and checks whether it is up to date."""

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from ..errors import OutputError
from ..images.atomic_write import ExistsError, Times, UnfinishedFile, write_atomically
from ..images.output_state import OutputState, read_output_state
from ..images.provenance import Provenance, Sidecar, digest_of, read_sidecar, sidecar_path
from ..images.streams import is_stream, write_all, write_stream
from .request_base import BaseRequest
from .tasks import Target


class Pipes(Struct, frozen=True):
    """Standard input and output as binary files, None where the request does not use them."""

    input: BinaryIO | None = None
    output: BinaryIO | None = None


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


MAX_UNFINISHED = 8
"""Outputs of a picture that wait to be finished, each an open file; further ones are finished at once."""


class Output(Struct, frozen=True):
    """How an output is written: the pipes of a run, its provenance, and its times, where they are given.

    Files that are written, but have no name yet, are added to ``unfinished``.
    """

    pipes: Pipes
    provenance: Provenance
    unfinished: "list[UnfinishedOutput]"
    times: Times | None = None


class UnfinishedOutput(Struct, frozen=True, eq=False):
    """A file that is complete, but has no name yet. Syncing and renaming it takes time, but no processor."""

    request: BaseRequest
    target: Target
    output: Output
    needs_sidecar: bool
    file: UnfinishedFile

    def finish(self) -> None:
        """Sync the file, write its sidecar where it needs one, and rename it. Raises OutputError."""
        request, target, path = self.request, self.target, self.file.path
        try:
            replaces_ours = _state_of(request, target).ours  # checked again, as a picture can take minutes
        except BaseException:  # an interrupt too: nothing is left of the file
            self.file.discard()
            raise
        may_replace = request.overwrite or request.in_place or replaces_ours if request.skip_existing else target.replace
        sidecar = None
        if self.needs_sidecar:
            sidecar = functools.partial(_write_sidecar, path, self.output.provenance, replaces_ours, not request.no_sync)
        try:
            self.file.finish(may_replace, sync=not request.no_sync, times=self.output.times, before=sidecar)
        except ExistsError:
            if request.skip_existing and read_output_state(path, target.file_format).provenance == self.output.provenance:
                return  # another run has written the same output meanwhile
            if self.needs_sidecar:
                sidecar_path(path).unlink(missing_ok=True)
            raise


def write_output(
    request: BaseRequest, target: Target, output: Output, write: Callable[[BinaryIO], object], carries_provenance: bool
) -> None:
    """Write an output. Unless it is a stream, or MAX_UNFINISHED others wait, it is unfinished then.

    With --skip-existing a file gets a sidecar, unless it carries its provenance itself.
    """
    if target.path is None or is_stream(target.path):
        _write_to_stream(target.path, output.pipes.output, write)
        return
    file = UnfinishedFile(target.path)
    with file.written() as opened:
        write(opened)
    unfinished = UnfinishedOutput(request, target, output, request.skip_existing and not carries_provenance, file)
    if len(output.unfinished) < MAX_UNFINISHED:
        output.unfinished.append(unfinished)
    else:
        unfinished.finish()


def write_once(path: Path | None, standard_output: BinaryIO | None, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that is complete or absent, or a stream; standard output where ``path`` is None. Raises OutputError."""
    if path is None or is_stream(path):
        _write_to_stream(path, standard_output, write)
        return
    with write_atomically(path) as file:
        write(file)


def _write_to_stream(path: Path | None, standard_output: BinaryIO | None, write: Callable[[BinaryIO], object]) -> None:
    """Write all at once, as encoders seek."""
    memory = io.BytesIO()
    write(memory)
    if path is not None:
        write_stream(path, memory.getvalue())
        return
    assert standard_output is not None
    write_all(standard_output, memory.getvalue())


def _write_sidecar(path: Path, provenance: Provenance, replaces_ours: bool, sync: bool, finished: Path) -> None:
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
    with write_atomically(sidecar, sync=sync) as file:
        file.write(str(Sidecar(provenance, digest, before)).encode())
