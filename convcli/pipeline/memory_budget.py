"""How much memory there is for all pictures that are processed at once."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ImageError

if TYPE_CHECKING:
    pass

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
SHARE = 0.75
"""Part of the free memory that may be taken."""


class Budget:
    """Memory for the pictures that are under way: one may have to wait for others, and fails where it alone takes too much."""

    def __init__(self, limit: int | None = None) -> None:
        free = free_memory() if limit is None else None
        self.limit = limit if free is None else int(SHARE * free)
        self.used = 0
        self.change = threading.Condition()

    @contextlib.contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Gives what takes so many bytes, to be called once at most; they are given back at the end of the block.

        It raises ImageError where there will never be so many.
        """
        taken = 0

        def take(amount: int) -> None:
            nonlocal taken
            if self.limit is None:
                return
            if amount > self.limit:
                raise ImageError(
                    f"takes about {in_words(amount)} of memory with its maps, and {in_words(self.limit)} may be taken; "
                    "raise that with --max-memory"
                )
            limit = self.limit
            with self.change:
                self.change.wait_for(lambda: self.used + amount <= limit)
                self.used += amount
                taken = amount

        try:
            yield take
        finally:
            with self.change:
                self.used -= taken
                self.change.notify_all()


def in_words(count: int) -> str:
    """Bytes as people say them.

    >>> in_words(411_041_792), in_words(40)
    ('411 MB', '40 bytes')
    """
    for unit, word in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {word}"
    return f"{count} byte" + ("s" if count != 1 else "")


def free_memory() -> int | None:
    """Bytes that may be taken before the system swaps or a limit on the process's group ends it; None if nobody tells."""
    counts = [count for count in (_free_in_system(), *_free_in_groups()) if count is not None]
    return max(min(counts), 0) if counts else None


def _free_in_system() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _free_in_groups() -> Iterator[int | None]:
    """What the control groups of this process leave, the innermost first; the files are those of version 2 and of version 1."""
    try:
        groups = dict(line.split(":", 2)[1:] for line in OWN_GROUPS.read_text().splitlines())
    except (OSError, ValueError):
        return
    if "" in groups:
        yield from _free_below(CGROUPS, groups[""], "memory.max", "memory.current", "inactive_file")
    if "memory" in groups:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        yield from _free_below(CGROUPS / "memory", groups["memory"], *names)


def _free_below(root: Path, group: str, limit: str, usage: str, cache: str) -> Iterator[int | None]:
    folder = root / group.lstrip("/")
    for place in (folder, *folder.parents):
        if not place.is_relative_to(root):
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            kept = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
            yield int((place / limit).read_text()) - int((place / usage).read_text()) + int(kept[cache])
