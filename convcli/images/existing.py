"""What stands under the name of an output before it is written."""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from .formats import Format
from .mark import SOFTWARE, Mark, digest_of, find_mark, needs_sidecar, sidecar_of
from .read import DECODERS, set_aside


@dataclass(frozen=True)
class Standing:
    """What stands under the name of an output: nothing, a file of ours with a mark, or a file of somebody else.

    The mark of a sidecar counts only if the file is the one that it was written for; the file is ours in any case.
    """

    exists: bool
    ours: bool = False
    mark: Mark | None = None


def look_at(path: Path, form: Format) -> Standing:
    """What stands under the name of an output of this format."""
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a name is too long
        return Standing(exists=False)
    if needs_sidecar(form):
        return _look_beside(path)
    try:
        mark = find_mark(_read_comment(path) if form.name == "npz" else _read_software(path))
    except Exception:  # whatever is in it, it is not a picture that was finished here
        mark = None
    return Standing(exists=True, ours=mark is not None, mark=mark)


def _look_beside(path: Path) -> Standing:
    try:
        held: Any = json.loads(sidecar_of(path).read_text("utf-8"))
        mark, digest = find_mark(held["mark"]), held["file"]
        with path.open("rb") as file:
            same = digest_of(file) == digest
    except (OSError, ValueError, TypeError, KeyError):
        return Standing(exists=True)
    return Standing(exists=True, ours=mark is not None, mark=mark if same else None)


def _read_comment(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.comment.decode("latin-1")


def _read_software(path: Path) -> object:
    with set_aside, PIL.Image.open(path, formats=DECODERS) as picture:
        return picture.getexif().get(SOFTWARE)
