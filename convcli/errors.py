"""Every error a user can cause, in one small tree.

    ConvcliError                 never raised itself
    ├── ArgumentError        2   a word, shape or value that cannot be used (also a ValueError)
    ├── KernelError          2   an unknown or malformed kernel or kernels.toml (also a ValueError)
    ├── ImageError           1   an input that cannot be read
    └── OutputError          1   an output that cannot be written

The number is the exit status of the command line when the error stops the whole run. An error that concerns one
input of many fails that input alone, and the run ends with 1. All packages raise; only ``convcli.cli`` shows the text.
A message names the thing, the rule, the value and the remedy, in one line.
"""

from collections.abc import Iterable


class ConvcliError(Exception):
    """The root of all errors raised on purpose."""

    exit_status = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """What to tell, a line for each thing that is wrong."""
        return (str(self),)


class ArgumentError(ConvcliError, ValueError):
    """A word, shape or value breaks a rule."""

    exit_status = 2


class KernelError(ConvcliError, ValueError):
    """A kernel is unknown or malformed, or a config file is."""

    exit_status = 2


class ImageError(ConvcliError):
    """An input cannot be read."""


class OutputError(ConvcliError):
    """An output cannot be written; what had its name before is untouched."""


LONGEST_NAME, MOST_COMPARED = 60, 200
"""Of longer names the start is compared; of more names those that begin alike."""


def nearest_name(name: str, names: Iterable[str]) -> str:
    """A question that ends an error text: "; did you mean 'sobel-x'?", or nothing where no name is near."""
    near = nearest(name, names)
    return f"; did you mean {near!r}?" if near else ""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that is nearest, if one is near."""
    from difflib import get_close_matches  # 5 ms to import, wanted only here

    name = name.lower().replace("_", "-")[:LONGEST_NAME]
    known = list(names)
    if len(known) > MOST_COMPARED:
        known = [one for one in known if one[:1] == name[:1] and abs(len(one) - len(name)) < 3][:MOST_COMPARED]
    return next(iter(get_close_matches(name, known, n=1)), None)
