"""What stands under the name of an output before it is written."""

import stat
from dataclasses import dataclass
from pathlib import Path

from .codecs import codec_of
from .formats import Format
from .provenance import Provenance, digest_of, read_sidecar


@dataclass(frozen=True)
class OutputState:
    """What stands under the name of an output: nothing, a file of ours with a mark, or a file of somebody else.

    The mark of a sidecar counts only if the file is the one that it was written for; the one before that is ours too. One that
    a file carries counts only if the file is ``whole``: has its end.
    """

    exists: bool
    ours: bool = False
    provenance: Provenance | None = None
    whole: bool = True


def look_at(path: Path, form: Format) -> OutputState:
    """What stands under the name of an output of this format. What is no regular file is not opened."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return OutputState(exists=False)
    if not stat.S_ISREG(mode):
        return OutputState(exists=True)
    provenance, whole = _look_inside(path, form)
    if provenance is None:
        return _look_beside(path)
    return OutputState(exists=True, ours=True, provenance=provenance if whole else None, whole=whole)


def _look_inside(path: Path, form: Format) -> tuple[Provenance | None, bool]:
    """What a file says that it was made from, and whether it has its end."""
    if not form.holds_provenance:
        return None, True
    try:
        provenance = codec_of(form).read_provenance(path)
    except Exception:  # whatever is in it, it is no picture that was finished here
        return None, True
    try:
        return provenance, codec_of(form).is_whole(path, form)
    except Exception:
        return provenance, False


def _look_beside(path: Path) -> OutputState:
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
