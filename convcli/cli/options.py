"""The words of the shared options, each read in one place."""

import re
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..core.geometry import BORDERS, PADDINGS, Border, Padding, as_pair, check_border
from ..errors import ArgumentError, ConvcliError
from ..images.formats import NAMES, format_named
from ..images.ranges import RANGES, parse_range
from ..kernels.catalogue import load_catalogue

ALIASES = {"replicate": "edge", "nearest": "edge", "circular": "wrap", "periodic": "wrap"}
"""What other systems call the borders."""


class Word(click.ParamType[Any]):
    """A word that one of our readers turns into a value; its error text is shown as it is."""

    def __init__(self, metavar: str, read: Any, choices: tuple[str, ...] = ()) -> None:
        self.name = metavar
        self.read = read
        self.choices = choices

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The metavar as it is written, not in capitals."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the word."""
        return self.read(value) if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the words that begin so."""
        return [CompletionItem(word) for word in self.choices if word.startswith(incomplete)]


class KernelText(click.ParamType[str]):
    """The text after -k, completed with the names of kernels and banks; looked up later, when the config is known."""

    name = "KERNEL"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin so, with what each is for."""
        config = ctx.params.get("config")
        try:
            catalogue = load_catalogue(Path(config) if config else None)
        except ConvcliError:
            return []
        return [
            CompletionItem(name, help=entry.about) for name, entry in catalogue.entries.items() if name.startswith(incomplete)
        ]


def read_pair(name: str) -> Any:
    """A reader of 2 or 2x1 as (rows, columns)."""

    def read(text: str) -> tuple[int, int]:
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", text, re.ASCII | re.IGNORECASE)
        numbers = () if match is None else (int(match[1]), int(match[2] or match[1]))
        if not numbers or min(numbers) < 1:
            raise ArgumentError(f"{name} must be a whole number of at least 1, or ROWSxCOLUMNS such as 2x1, got {text!r}")
        return as_pair(name, numbers, least=1)

    return read


def read_padding(text: str) -> Padding:
    """Read valid, same, full, 2, 2x1, or 1,2x0,3 (top,bottom x left,right)."""
    if text in PADDINGS:
        return text
    match = re.fullmatch(r"(\d+)(?:,(\d+))?(?:x(\d+)(?:,(\d+))?)?", text, re.ASCII | re.IGNORECASE)
    if match is None or (match[2] and not match[3]):
        raise ArgumentError(
            f"padding must be one of {', '.join(PADDINGS)}, a whole number, ROWSxCOLUMNS such as 2x1, "
            f"or TOP,BOTTOMxLEFT,RIGHT such as 1,2x0,3, got {text!r}"
        )
    top, left = int(match[1]), int(match[3] or match[1])
    return ((top, int(match[2] or top)), (left, int(match[4] or left)))


def read_border(text: str) -> Border:
    """Read a border word, another system's word for one, or a number."""
    if text == "mirror":
        raise ArgumentError(
            "border mirror means reflect (d c b|a b c d|c b a) to SciPy and symmetric (c b a|a b c d|d c b) to ImageMagick; "
            "say which"
        )
    try:
        border: Border = float(text)
    except ValueError:
        border = ALIASES.get(text, text)
    check_border(border)
    return border


PAIR = {name: Word("N|ROWSxCOLS", read_pair(name)) for name in ("stride", "dilation")}
PADDING = Word("WORD|N|ROWSxCOLS", read_padding, PADDINGS)
BORDER = Word("WORD|NUMBER", read_border, (*BORDERS, *ALIASES))
RANGE = Word("RULE", parse_range, RANGES)
FORMAT = Word("FORMAT", format_named, NAMES)
