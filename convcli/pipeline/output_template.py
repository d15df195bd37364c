"""Templates of output names.

A template holds tokens in braces, which are replaced by text and never evaluated; an unknown token is an error:

    {stem} photo   {ext} .jpg   {name} photo.jpg   {parent} trip   {relpath} 2026/trip

{frame} is the number of a frame, from 0: each frame then has a file of its own.
Tokens of the map are {kernel} sobel-x and {index} 0, or {layer} conv1 and {index} 0. ``relpath`` is the folder of the picture
relative to the searched folder; it is empty for a picture that was named itself.
"""

import functools
import re
from collections.abc import Sequence
from pathlib import PurePath

from ..errors import ArgumentError, nearest_name
from .inputs import Input
from .tasks import FRAME

TOKENS = ("stem", "ext", "name", "parent", "relpath", "frame")


BRACES = r"\{\{|\}\}|\{([^{}]*)\}|[{}]"


@functools.lru_cache(16)  # one template names all outputs of a folder
def tokens_in(template: str) -> frozenset[str]:
    """Return the tokens that a template uses."""
    return frozenset(token for token in re.findall(BRACES, template) if token)


def fill_template(template: str, input_: Input, map_values: dict[str, str], map_tokens: Sequence[str]) -> str:
    """Return a template with its tokens replaced. Raises ArgumentError for an unknown token and for a single brace."""
    source = input_.source
    values = {
        "stem": source.stem if source else "stdin",
        "ext": source.suffix if source else "",
        "name": source.name if source else "stdin",
        "parent": source.absolute().parent.name if source and "parent" in tokens_in(template) else "",
        "relpath": "" if input_.relative_folder == PurePath() else str(input_.relative_folder),
        "frame": FRAME,
        **map_values,
    }
    tokens = (*TOKENS, *map_tokens)

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

    return re.sub(BRACES, value, template)


def escape_braces(text: str) -> str:
    """Return text as a template that gives it unchanged."""
    return text.replace("{", "{{").replace("}", "}}")


def safe_name(name: str) -> str:
    """Return the name of a kernel as part of a file name that any system accepts."""
    return re.sub(r"[^A-Za-z0-9_.+=,@-]", "-", name)
