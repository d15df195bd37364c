"""Faults of config files: their messages, their keys, and the lines that report them."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from ..errors import KernelError
from .toml_positions import Keys, find_lines

MAX_FAULTS = 100
"""Number of faults after which checking of a file stops."""

MAX_MESSAGE_CHARACTERS = 400
"""Largest length of a reported fault, as names in a file may have any length."""


class Document(Struct, frozen=True, eq=False):
    """The text of a config file."""

    path: Path
    text: str

    def report(self, faults: Iterable["Fault"]) -> list[str]:
        """Return a line for each fault, with file and line number, in the order of the lines.

        Finding the lines takes as long as reading the file, so it is done once for all faults, and only when they are shown.
        """
        faults = list(faults)
        numbers = find_lines(self.text, [fault.keys for fault in faults])
        faults.sort(key=lambda fault: numbers[fault.keys])
        return [f"{self.path}:{numbers[fault.keys]}: {_shortened(_dotted(fault.keys) + fault.message)}" for fault in faults]


class Fault(KernelError):
    """An error in a config file, with the keys that lead to it. It is shown with its line if the document is known."""

    def __init__(self, keys: Keys, message: str, document: Document | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.message = message
        self.document = document

    @functools.cached_property
    def lines(self) -> tuple[str, ...]:
        """The message, with file and line."""
        return tuple(self.document.report([self])) if self.document else (self.message,)

    def __str__(self) -> str:
        return self.lines[0]


class Diagnostics:
    """Collects the faults of a document, up to a limit."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[Fault] = []
        self.unreadable: set[Keys] = set()

    @property
    def full(self) -> bool:
        """Whether there are so many faults that no more are recorded."""
        return len(self.faults) >= MAX_FAULTS

    def add_unreadable(self, keys: Keys, message: str, meant: Keys | None = None) -> None:
        """Record a fault of a value that could not be read. The keys that were ``meant`` instead also count as unreadable."""
        if self.full:
            return
        self.faults.append(Fault(keys, message, self.document))
        for refused in (keys, meant or ()):
            self.unreadable.update(refused[:length] for length in range(len(refused) + 1))

    def add(self, keys: Keys, message: str) -> None:
        """Record a fault of a value that was read, unless its keys already have a fault."""
        if not self.full and all(fault.keys != keys for fault in self.faults):
            self.faults.append(Fault(keys, message, self.document))

    def report(self) -> list[str]:
        """Return a line for each fault, and a note if there may be more."""
        lines = self.document.report(self.faults) if self.faults else []
        return [*lines, f"{self.document.path}: and perhaps more; mend these first"] if self.full else lines


class ConfigError(KernelError):
    """The errors of config files: ``messages`` of those that cannot be read, and the faults of the others."""

    def __init__(self, diagnostics: Iterable[Diagnostics], messages: Sequence[str] = ()) -> None:
        super().__init__()
        self.diagnostics = tuple(diagnostics)
        self.messages = tuple(messages)

    @functools.cached_property
    def lines(self) -> tuple[str, ...]:
        """A line for each fault, with file and line number."""
        return (*self.messages, *(line for file in self.diagnostics for line in file.report()))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _shortened(text: str) -> str:
    """Return a message as one line of limited length."""
    line = text.replace("\n", "\\n").replace("\r", "\\r")
    if len(line) <= MAX_MESSAGE_CHARACTERS:
        return line
    return f"{line[: MAX_MESSAGE_CHARACTERS // 2]} ... {line[-MAX_MESSAGE_CHARACTERS // 2 :]}"


def _dotted(keys: Keys) -> str:
    """Return keys as the prefix of a message, such as kernels.soft.sigma or banks.b.kernels[1].

    An index into a list of numbers or words is left out, as the message has it; an index into kernels or layers is kept.
    """
    end = len(keys)
    while end and isinstance(keys[end - 1], int):
        end -= 1
    shown = keys if end and keys[end - 1] in ("kernels", "sum", "layers") else keys[:end]
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in shown).lstrip(".")
    return f"{text}: " if text else ""
