"""The work of a run: a task for each picture, a target for each output file."""

from dataclasses import dataclass
from pathlib import Path

from ..images.formats import Format


@dataclass(frozen=True)
class Target:
    """One file to write: its path (None for standard output), its format, and the indices of the maps that it holds.

    ``replace`` allows replacing an existing file.
    """

    path: Path | None
    file_format: Format
    maps: tuple[int, ...]
    replace: bool = True


@dataclass(frozen=True)
class Task:
    """One picture and its outputs. ``source`` None is standard input; ``error`` is why it cannot be processed.

    ``is_pipe`` allows reading the picture from a pipe.
    """

    name: str
    source: Path | None
    targets: tuple[Target, ...] = ()
    error: str = ""
    is_pipe: bool = False
