"""The state of an output before it is written: absent, an output of convcli, or another file."""

import stat
from pathlib import Path

from msgspec import Struct

from .codecs import codec_of
from .file_format import Format
from .provenance import Provenance, digest_of, read_sidecar


class OutputState(Struct, frozen=True):
    """What exists under the name of an output. ``ours`` is a file that convcli wrote, as its provenance shows.

    Provenance in a sidecar counts only for the file that it was written for; the file before that is ours too. Provenance that
    a file carries itself counts only if the file is ``complete``, that is, not truncated.
    """

    exists: bool
    ours: bool = False
    provenance: Provenance | None = None
    complete: bool = True


def read_output_state(path: Path, file_format: Format) -> OutputState:
    """Read the state of an output of a format. A special file is not opened."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return OutputState(exists=False)
    if not stat.S_ISREG(mode):
        return OutputState(exists=True)
    provenance, complete = _read_provenance(path, file_format)
    if provenance is None:
        return _read_sidecar_state(path)
    return OutputState(exists=True, ours=True, provenance=provenance if complete else None, complete=complete)


def _read_provenance(path: Path, file_format: Format) -> tuple[Provenance | None, bool]:
    """Return the provenance that a file carries, and whether the file is complete."""
    if not file_format.holds_provenance:
        return None, True
    try:
        provenance = codec_of(file_format).read_provenance(path)
    except Exception:  # no complete picture, so no output either
        return None, True
    try:
        return provenance, codec_of(file_format).is_complete(path, file_format)
    except Exception:  # a truncated file can raise anything
        return provenance, False


def _read_sidecar_state(path: Path) -> OutputState:
    sidecar = read_sidecar(path)
    if sidecar is None:
        return OutputState(exists=True)
    try:
        with path.open("rb") as file:
            digest = digest_of(file)
    except OSError:
        return OutputState(exists=True)
    ours = digest in (sidecar.file, sidecar.before)
    return OutputState(exists=True, ours=ours, provenance=sidecar.provenance if digest == sidecar.file else None)
