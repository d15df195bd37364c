"""Parsers of stride, padding and border as text: on the command line, in the environment and in a config file."""

import re
from collections.abc import Callable

from ..errors import ArgumentError, nearest_name
from ..geometry.borders import BORDER_ALIASES, BORDERS, Border, border_word, check_border
from ..geometry.padding import PADDING_ALIASES, PADDINGS, Padding, padding_word
from ..geometry.whole_numbers import Sides, as_pair
from ..range_rules import NUMBER

BORDER_WORDS = (*BORDERS, *BORDER_ALIASES)

METHODS = ("direct", "separable", "box", "fft")
"""How sums are computed: tap by tap; down columns, then along rows; the same with running sums; by spectra."""

LAYER_METHODS = (*METHODS, "winograd")
"""Those of ``conv2d``."""

MISSING = ("spread", "ignore", "zero")
"""What missing samples do: make responses NaN; take no part, the weights of the others being scaled up; count as 0."""


def pair_reader(name: str) -> Callable[[str], Sides]:
    """Return a parser of 2 or 2x1 as (rows, columns), each at least 1. It raises ArgumentError with this name.

    >>> pair_reader("stride")("2x1")
    (2, 1)
    """

    def read(text: str) -> Sides:
        match = re.fullmatch(r"(\d{1,99})(?:x(\d{1,99}))?", text, re.ASCII | re.IGNORECASE)
        numbers = () if match is None else (int(match[1]), int(match[2] or match[1]))
        if not numbers or min(numbers) < 1:
            raise ArgumentError(f"{name} must be a whole number of at least 1, or ROWSxCOLUMNS such as 2x1, got {text!r}")
        return as_pair(name, numbers, least=1)

    return read


def read_padding(text: str) -> Padding:
    """Read valid, same, same-upper, same-lower, full, 2, 2x1, or 1,2x0,3 (top,bottom x left,right). Raises ArgumentError.

    >>> read_padding("1,2x0,3")
    ((1, 2), (0, 3))
    """
    if text in PADDING_ALIASES or text in (*PADDINGS, "SAME"):
        return padding_word(text)
    match = re.fullmatch(r"(\d{1,99})(?:,(\d{1,99}))?(?:x(\d{1,99})(?:,(\d{1,99}))?)?", text, re.ASCII | re.IGNORECASE)
    if match is None or (match[2] and not match[3]):
        raise ArgumentError(
            f"padding must be one of {', '.join(PADDINGS)}, a whole number, ROWSxCOLUMNS such as 2x1, "
            f"or TOP,BOTTOMxLEFT,RIGHT such as 1,2x0,3, got {text!r}{nearest_name(text, PADDINGS)}"
        )
    top, left = int(match[1]), int(match[3] or match[1])
    return ((top, int(match[2] or top)), (left, int(match[4] or left)))


def read_border(text: str) -> Border:
    """Read the name of a border, in any system's words, or a number. Raises ArgumentError.

    >>> read_border("circular"), read_border("7")
    ('wrap', 7.0)
    """
    if not re.fullmatch(NUMBER, text):
        return border_word(text)
    check_border(float(text))
    return float(text)
