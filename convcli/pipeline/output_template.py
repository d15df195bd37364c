"""Templates of output names.

A template holds tokens in braces, which are replaced by text and never evaluated; an unknown token is an error:

    {stem} photo   {ext} .jpg   {name} photo.jpg   {parent} trip   {relpath} 2026/trip

{frame} is the number of a frame, from 0: each frame then has a file of its own.
Tokens of the map are {kernel} sobel-x and {index} 0, or {layer} conv1 and {index} 0. ``relpath`` is the folder of the picture
relative to the searched folder; it is empty for a picture that was named itself.
"""

import functools
import os
import re
from collections.abc import Sequence

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
    texts, tokens = _parts_of(template, (*TOKENS, *map_tokens))
    filled = [texts[0]]
    for token, text in zip(tokens, texts[1:], strict=True):
        filled += (map_values[token] if token in map_values else _value_of(token, input_), text)
    return "".join(filled)


@functools.lru_cache(16)
def _parts_of(template: str, known: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the texts of a template, and the token after each of them but the last. Raises ArgumentError."""
    texts, tokens, end = [""], list[str](), 0
    for match in re.finditer(BRACES, template):
        texts[-1] += template[end : match.start()]
        end = match.end()
        if match[0] in ("{{", "}}"):
            texts[-1] += match[0][0]
            continue
        if match[1] is None:
            raise ArgumentError(f"output {template!r}: {match[0]} stands alone; write {match[0] * 2} for the character")
        if match[1] not in known:
            raise ArgumentError(
                f"output {template!r}: {{{match[1]}}} is unknown; there are {' '.join(f'{{{t}}}' for t in known)}"
                f"{nearest_name(match[1], known)}"
            )
        tokens.append(match[1])
        texts.append("")
    texts[-1] += template[end:]
    return texts, tokens


def _value_of(token: str, input_: Input) -> str:
    """Return the text of a token of ``TOKENS`` for a picture."""
    source = input_.source
    if token == "frame":
        return FRAME
    if token == "relpath":
        folder = str(input_.relative_folder)
        return "" if folder == os.curdir else folder
    if token == "parent":
        return source.absolute().parent.name if source else ""
    if source is None:
        return "" if token == "ext" else "stdin"
    return source.name if token == "name" else source.stem if token == "stem" else source.suffix


def escape_braces(text: str) -> str:
    """Return text as a template that gives it unchanged."""
    return text.replace("{", "{{").replace("}", "}}")


def safe_name(name: str) -> str:
    """Return the name of a kernel as part of a file name that any system accepts."""
    return re.sub(r"[^A-Za-z0-9_.+=,@-]", "-", name)
