"""The memory for all pictures that are processed at the same time."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import ImageError

CGROUPS, CGROUPS_OF_PROCESS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
FREE_MEMORY_SHARE = 0.75
"""Share of the free memory that a run uses at most."""


class Budget:
    """Shares memory among pictures. One may have to wait for others; one that needs more than the limit fails.

    ``limit`` is in bytes; None is FREE_MEMORY_SHARE of the free memory.
    """

    def __init__(self, limit: int | None = None) -> None:
        free = free_memory() if limit is None else None
        self.limit = limit if free is None else int(FREE_MEMORY_SHARE * free)
        self.used = 0
        self.change = threading.Condition()

    @contextlib.contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that reserves a number of bytes until the end of the block, or more of them when called again.

        It waits until they are available, and raises ImageError for more than the limit. While it waits for more, it reserves
        nothing, so that two that grow do not wait for each other.
        """
        reserved = 0

        def reserve(amount: int) -> None:
            nonlocal reserved
            if self.limit is None or amount <= reserved:
                return
            if amount > self.limit:
                raise ImageError(
                    f"takes about {in_words(amount)} of memory with its maps, and {in_words(self.limit)} may be taken; "
                    "raise that with --max-memory"
                )
            limit = self.limit
            with self.change:
                self.used, reserved = self.used - reserved, 0
                self.change.notify_all()
                self.change.wait_for(lambda: self.used + amount <= limit)
                self.used += amount
                reserved = amount

        try:
            yield reserve
        finally:
            with self.change:
                self.used -= reserved
                self.change.notify_all()


def in_words(count: int) -> str:
    """Return a number of bytes with a unit.

    >>> in_words(411_041_792), in_words(40)
    ('411 MB', '40 bytes')
    """
    for unit, word in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {word}"
    return f"{count} byte" + ("s" if count != 1 else "")


def free_memory() -> int | None:
    """Return the bytes that can be used without swapping, and within the control groups of the process; None if unknown."""
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
    """Yield the free bytes of each control group of this process, the innermost first, of version 2 and of version 1."""
    try:
        groups = dict(line.split(":", 2)[1:] for line in CGROUPS_OF_PROCESS.read_text().splitlines())
    except (OSError, ValueError):
        return
    if "" in groups:
        yield from _free_below(CGROUPS, groups[""], "memory.max", "memory.current", "inactive_file")
    if "memory" in groups:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        yield from _free_below(CGROUPS / "memory", groups["memory"], *names)


def _free_below(root: Path, group: str, limit: str, usage: str, cache: str) -> Iterator[int | None]:
    folder = root / group.lstrip("/")
    for path in (folder, *folder.parents):
        if not path.is_relative_to(root):
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            statistics = dict(line.split() for line in (path / "memory.stat").read_text().splitlines())
            yield int((path / limit).read_text()) - int((path / usage).read_text()) + int(statistics[cache])
