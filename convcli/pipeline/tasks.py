"""What is to be done: one task per picture, one target per file."""

from dataclasses import dataclass
from pathlib import Path

from ..images.formats import Format


@dataclass(frozen=True)
class Target:
    """One file to write: its path, None for standard output, its format, and which of the request's maps go into it.

    ``replace`` tells that whatever stands under the name is replaced.
    """

    path: Path | None
    form: Format
    maps: tuple[int, ...]
    replace: bool = True


@dataclass(frozen=True)
class Task:
    """One picture and what comes of it. ``source`` None is standard input; ``fault`` tells why nothing can come of it."""

    name: str
    source: Path | None
    targets: tuple[Target, ...] = ()
    fault: str = ""
