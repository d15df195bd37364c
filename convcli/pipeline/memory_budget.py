"""How much memory a picture and its feature maps take, told by its header, and how much there is for all that are under way."""

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConvcliError, ImageError
from ..kernels.kernel import Bank
from .apply_request import ApplyRequest
from .outputs import Target

if TYPE_CHECKING:
    from ..images.image import Header

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
SHARE = 0.75
"""Part of the free memory that may be taken."""

ROWS = 6_000_000
"""Bytes of the response that is stored as levels: some rows at a time."""


def estimate(request: ApplyRequest, targets: Sequence[Target], header: "Header") -> int:
    """Bytes that one picture takes from reading to writing these outputs of it, beside the process itself.

    That is within a quarter of what tests/test_memory.py measures, on 4 megapixels of several kinds.
    """
    pixels, real = header.height * header.width, max(header.itemsize, 4)
    image = pixels * header.channels * header.itemsize
    written = [_estimate_output(request, target, header, real) for target in targets]
    explained = _premultiplied(header, real) if request.explain or request.method is not None else 0
    return max(image + header.reading, image + max(explained, *written, 0))


def _estimate_output(request: ApplyRequest, target: Target, header: "Header", real: int) -> int:
    if not request.stacks_in(target.form):  # levels, a copy of them but for TIFF without alpha, and the file
        copies = 2 if target.form.name == "tiff" and header.channels in (1, 3) else 3
        numbers = sum(_count(request, index, header, header.channels) for index in target.maps)
        return copies * header.itemsize * numbers + min(ROWS, numbers * real)
    colours = header.channels - (header.channels in (2, 4))  # a stack holds no alpha
    maps = sum(_count(request, index, header, colours) for index in target.maps)
    merging = sum(_count(request, index, header, colours) for index in target.maps if isinstance(request.maps[index], Bank))
    copied = maps * 4 if target.form.name == "tiff" else 0
    return maps * real + max(_premultiplied(header, real) + merging * real, copied)


def _premultiplied(header: "Header", real: int) -> int:
    """Bytes of the colours of a picture multiplied by its alpha."""
    return header.height * header.width * (header.channels - 1) * real if header.channels in (2, 4) else 0


def _count(request: ApplyRequest, index: int, header: "Header", channels: int) -> int:
    """Numbers in a feature map; none where there will be an error instead."""
    try:
        return math.prod(request.map_shape((header.height, header.width, channels), request.maps[index], strict=False))
    except ConvcliError:
        return 0


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
