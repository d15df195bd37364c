"""What can be wrong with a config file, and what making its kernels may cost."""

import functools
from collections.abc import Callable, Iterable
from typing import TypeAlias

from ..errors import KernelError

ENOUGH_FAULTS = 100
"""Faults after which a file is read no further."""

Keys: TypeAlias = tuple[str | int, ...]


class Fault(KernelError):
    """Something wrong in a config file, and the keys that lead to it; ``tangled`` where it is as Tangled says.

    ``meant`` are the keys that a misspelt one stands for.
    """

    meant: Keys | None = None

    def __init__(self, keys: Keys, message: str, tangled: bool = False) -> None:
        super().__init__(message)
        self.keys = keys
        self.tangled = tangled


class Tangled(KernelError):
    """A kernel holds itself, or has too many within each other: the fault of each that holds it."""


class Told(KernelError):
    """Is no fault of the place that it passes: it is told elsewhere, or as it is."""


class Unread(Told):
    """A kernel is not drafted, as it has faults that are told already.

    ``depth`` counts the kernels from there, each within the next.
    """

    def __init__(self, depth: int = 1) -> None:
        super().__init__("is not looked at now")
        self.depth = depth


class TooMany(Exception):
    """There are more faults than anybody would read."""


class Faults(list[Fault]):
    """The faults of a file, as they are found, up to a limit."""

    def append(self, fault: Fault) -> None:
        """Note one more. Raises TooMany at the limit."""
        super().append(fault)
        if len(self) >= ENOUGH_FAULTS:
            raise TooMany


class Located(Told):
    """What is wrong in config files, a line each, with file and line: told as it is, wherever it comes up.

    ``find`` gives the lines when they are wanted: to find where something stands takes as long as to read the file.
    """

    def __init__(self, find: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self.find = find

    @functools.cached_property
    def lines(self) -> tuple[str, ...]:
        """One for each fault."""
        return tuple(self.find())

    def __str__(self) -> str:
        return "\n".join(self.lines)


class TooMuch(Told):
    """Making the kernels of a file takes more than it may."""


class Meter:
    """Counts up to a limit; ``rule`` says what is beyond it."""

    def __init__(self, limit: int, rule: str) -> None:
        self.left = limit
        self.rule = rule

    def spend(self, weights: int) -> None:
        """Count some more. Raises TooMuch."""
        self.left -= weights
        if self.left < 0:
            raise TooMuch(self.rule)
