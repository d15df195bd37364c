"""The work of a run: a task for each picture, a target for each output file."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ..images.file_format import Format

FRAME = "{frame}"
"""What stands for the number of a frame in the path of a target until the number of frames is known."""


class Target(Struct, frozen=True):
    """One file to write: its path (None for standard output), its format, and the indices of the maps that it holds.

    ``replace`` allows replacing an existing file. ``per_frame`` means that each frame of the picture has a file of its own;
    ``frame`` is the number of that frame, and None where one file holds all frames.
    """

    path: Path | None
    file_format: Format
    maps: tuple[int, ...]
    replace: bool = True
    per_frame: bool = False
    frame: int | None = None

    def for_frame(self, frame: int, count: int) -> "Target":
        """Return the target of a frame of a picture that has ``count``. Numbers have equal lengths, so that names sort."""
        number = str(frame).zfill(len(str(count - 1)))
        return replace(self, path=Path(str(self.path).replace(FRAME, number)), frame=frame)


class Task(Struct, frozen=True):
    """One picture and its outputs. ``source`` None is standard input; ``error`` is why it cannot be processed.

    ``is_pipe`` allows reading the picture from a pipe.
    """

    name: str
    source: Path | None
    targets: tuple[Target, ...] = ()
    error: str = ""
    is_pipe: bool = False
