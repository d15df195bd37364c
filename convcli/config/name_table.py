"""Looks up names of kernels and banks in config files, and checks how deeply kernels are nested by their names."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from ..errors import KernelError, nearest_name
from ..kernels.foreign_names import kernel_meant
from ..kernels.syntax import Reference
from ..kernels.weight_suffixes import file_name_hint
from .bank_spec import Entry
from .diagnostics import MAX_FAULTS
from .kernel_spec import KernelSpec, Part
from .limits import MAX_DEPTH
from .reader import ConfigFile

Key: TypeAlias = tuple[ConfigFile, str]
"""A kernel or bank: the file that defines it, and its name there."""


class NameTable:
    """The kernels and banks of some config files, the most specific first."""

    def __init__(self, files: Sequence[ConfigFile]) -> None:
        self.files = files
        self.entries: dict[str, Entry] = {}
        for file in reversed(files):
            self.entries |= file.entries
        self._unknown: set[str] = set()
        self._depths: dict[Key, float] = {}

    def find(self, name: str, scope: ConfigFile | None) -> Key:
        """Return the key of a kernel or bank by its name. Raises KernelError.

        A name in a file means the kernel of that file, else that of a less specific file, else that of a more specific one.
        """
        key = self._find(name, scope)
        if key is not None:
            return key
        if any(name in file.network_tables for file in self.files):
            raise KernelError(f"{name!r} is a network, which is no kernel; see convcli summary {name}")
        self._unknown.add(name)
        hint = kernel_meant(name)
        if not hint and len(self._unknown) <= MAX_FAULTS:
            hint = nearest_name(name, self.entries)  # it takes 10 ms
        raise KernelError(f"kernel {name!r} is unknown; 'convcli kernels list' shows all{hint or file_name_hint(name)}")

    def _find(self, name: str, scope: ConfigFile | None) -> Key | None:
        start = self.files.index(scope) if scope else 0
        return next(((file, name) for file in (*self.files[start:], *self.files[:start]) if name in file.entries), None)

    def check_depth(self, key: Key, holder: Key | None = None) -> None:
        """Raise KernelError if a kernel that ``holder`` names contains itself, or if kernels are nested too deeply."""
        if self._depth(key) + (holder is not None) <= MAX_DEPTH:
            return
        path = [holder, key] if holder else [key]
        while path[-1] not in path[:-1]:
            inner = (key for key in self._named_in(path[-1]) if self._depths[key] == math.inf)
            following = next(inner, None)
            if following is None or len(path) > 2 * MAX_DEPTH:
                raise KernelError(f"kernels within kernels, more than {MAX_DEPTH} deep")
            path.append(following)
        names = [name for _, name in path[path.index(path[-1]) :]]
        raise KernelError(f"{names[0]!r} holds itself: {' > '.join(names)}")

    def depth_of(self, spec: KernelSpec, holder: Key) -> float:
        """Return the nesting depth of a kernel that is defined inside ``holder``."""
        self._depth(holder)
        return self._depth_of(spec, holder[0])

    def _depth(self, start: Key) -> float:
        """Return the nesting depth of a kernel, infinite if a kernel in it contains itself.

        Visits all kernels in it, the innermost first, without recursion, as thousands may be nested. A kernel that is
        visited again before its depth is known contains itself.
        """
        entered: set[Key] = set()
        stack = [start]
        while stack:
            key = stack[-1]
            if key not in self._depths and key not in entered:
                entered.add(key)
                stack.extend(inner for inner in self._named_in(key) if inner not in self._depths and inner not in entered)
                continue
            file, name = stack.pop()
            if key not in self._depths:
                self._depths[key] = self._depth_of(file.entries[name], file)
        return self._depths[start]

    def _depth_of(self, entry: Entry, file: ConfigFile) -> float:
        """Return the depth of an entry from the known depths of the kernels that it names."""
        return 1 + max((self._depth_of_part(part, file) for part in entry.parts), default=0)

    def _depth_of_part(self, part: Part, file: ConfigFile) -> float:
        if isinstance(part.kernel, KernelSpec):
            return self._depth_of(part.kernel, file)
        key = self._named_by(part, file)
        return self._depths.get(key, math.inf) if key else 1

    def _named_in(self, key: Key) -> Iterator[Key]:
        """Return the kernels and banks that a kernel or bank names."""
        file, name = key
        found = (self._named_by(part, file) for part in _parts_within(file.entries[name].parts))
        return (inner for inner in found if inner is not None)

    def _named_by(self, part: Part, file: ConfigFile) -> Key | None:
        return self._find(part.kernel.name, file) if isinstance(part.kernel, Reference) else None


def _parts_within(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield parts, and the parts of kernels that are defined inside them."""
    for part in parts:
        yield part
        if isinstance(part.kernel, KernelSpec):
            yield from _parts_within(part.kernel.parts)
