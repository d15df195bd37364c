"""The exceptions for errors that a user can cause.

    ConvcliError                 the base class, never raised itself
    ├── ArgumentError        2   a name, shape or value that cannot be used (also a ValueError)
    ├── KernelError          2   an unknown or malformed kernel or kernels.toml (also a ValueError)
    ├── ImageError           1   an input that cannot be read
    └── OutputError          1   an output that cannot be written

The number is the exit status of the command line when the error stops the whole run. An error that concerns one
input of many fails that input alone, and the run ends with 1. All packages raise; only ``convcli.cli`` shows the text.
A message names the thing, the rule, the value and the remedy, in one line.
"""

from collections.abc import Iterable, Sequence


class ConvcliError(Exception):
    """The base class of all errors that convcli raises."""

    exit_status = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, one line for each fault."""
        return (str(self),)


class ArgumentError(ConvcliError, ValueError):
    """A name, shape or value breaks a rule."""

    exit_status = 2


class KernelError(ConvcliError, ValueError):
    """A kernel is unknown or malformed, or a config file is."""

    exit_status = 2


class ImageError(ConvcliError):
    """An input cannot be read."""


class OutputError(ConvcliError):
    """An output cannot be written; a file of the same name is unchanged."""


MAX_NAME_LENGTH, MAX_CANDIDATES = 60, 200
"""Only the start of longer names is compared; of more candidates, only those of the same first letter and a similar length."""


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    >>> [listed(["EXIF", "XMP", "alpha"][:count]) for count in range(4)]
    ['', 'EXIF', 'EXIF and XMP', 'EXIF, XMP and alpha']
    """
    return " and ".join([", ".join(words[:-1]), *words[-1:]][len(words) < 2 :])


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Return the end of an error message, "; did you mean 'sobel-x'?", or an empty text where no name is similar."""
    candidate = nearest(name, names)
    return f"; did you mean {candidate!r}?" if candidate else ""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar name, or None where none is similar."""
    candidates = list(names)
    if name in candidates:
        return name
    from difflib import get_close_matches  # here, as it takes 5 ms to import

    name = name.lower().replace("_", "-")[:MAX_NAME_LENGTH]
    if len(candidates) > MAX_CANDIDATES:
        similar = (known for known in candidates if known[:1] == name[:1] and abs(len(known) - len(name)) < 3)
        candidates = list(similar)[:MAX_CANDIDATES]
    return next(iter(get_close_matches(name, candidates, n=1)), None)
