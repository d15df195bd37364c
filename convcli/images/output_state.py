"""What stands under the name of an output before it is written."""

import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from .formats import Format
from .provenance import SOFTWARE, Provenance, digest_of, find_provenance, needs_sidecar, read_sidecar
from .read import DECODERS, set_aside


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
    provenance = None if needs_sidecar(form) else _read_mark(path, form)
    if provenance is None:
        return _look_beside(path)
    whole = _is_whole(path, form)
    return OutputState(exists=True, ours=True, provenance=provenance if whole else None, whole=whole)


def _is_whole(path: Path, form: Format) -> bool:
    """Whether a file has its end, by the few bytes that tell."""
    if form.name in ("npz", "webp"):  # which are not opened at all without their end
        return True
    try:
        if form.name == "tiff":
            from .tiff import is_whole  # slow to import

            return is_whole(path)
        with path.open("rb") as file:
            file.seek(-12, os.SEEK_END)
            tail = file.read()
    except Exception:  # whatever is in it, it is no picture that was finished here
        return False
    return tail.endswith((b"IEND\xaeB\x60\x82", b"\xff\xd9"))


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


def _read_mark(path: Path, form: Format) -> Provenance | None:
    try:
        if form.name == "npz":
            with zipfile.ZipFile(path) as archive:
                return find_provenance(archive.comment.decode("latin-1"))
        with set_aside, PIL.Image.open(path, formats=DECODERS) as picture:
            # Pillow loads all pixels of a PNG to look for EXIF behind them; ours stands before.
            tags = picture.getexif() if picture.format != "PNG" or "exif" in picture.info else {}
            return find_provenance(tags.get(SOFTWARE))
    except Exception:  # whatever is in it, it is no picture that was finished here
        return None
