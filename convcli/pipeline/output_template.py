"""Templates of output names.

A template names its parts in braces; anything else in braces is an error, and nothing in it is run:

    {stem} photo   {ext} .jpg   {name} photo.jpg   {parent} trip   {relpath} 2026/trip

and those of the map: {kernel} sobel-x and {index} 0, or {layer} conv1 and {index} 0. ``relpath`` is the folders between the
one that was searched and the picture, nothing for a picture that was named by itself.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath

from ..errors import ArgumentError, nearest_name
from .inputs import Input

TOKENS = ("stem", "ext", "name", "parent", "relpath")


BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def tokens_in(template: str) -> set[str]:
    """Return the names in braces."""
    return {token for token in BRACES.findall(template) if token}


def fill_template(template: str, one: Input, of_map: dict[str, str], known: Sequence[str]) -> str:
    """Return a template with its tokens replaced. Raises ArgumentError for an unknown token and for a single brace."""
    source = one.source
    values = {
        "stem": source.stem if source else "stdin",
        "ext": source.suffix if source else "",
        "name": source.name if source else "stdin",
        "parent": source.absolute().parent.name if source else "",
        "relpath": "" if one.below == PurePath() else str(one.below),
        **of_map,
    }
    tokens = (*TOKENS, *known)

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None:
            raise ArgumentError(f"output {template!r}: {match[0]} stands alone; write {match[0] * 2} for the character")
        if match[1] not in values:
            raise ArgumentError(
                f"output {template!r}: {{{match[1]}}} is unknown; there are {' '.join(f'{{{t}}}' for t in tokens)}"
                f"{nearest_name(match[1], tokens)}"
            )
        return values[match[1]]

    return BRACES.sub(value, template)


def escape_braces(text: str) -> str:
    """Return text that stands for itself in a template."""
    return text.replace("{", "{{").replace("}", "}}")


def safe_name(name: str) -> str:
    """A kernel's name as part of a file name on any system."""
    return re.sub(r"[^A-Za-z0-9_.+=,@-]", "-", name)
