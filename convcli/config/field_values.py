"""Reads values of a config file. Each function returns a valid value, or raises a ValueError with the rule and the value."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..errors import nearest, nearest_name
from ..geometry.borders import check_border
from ..geometry.padding import PADDINGS, resolve_padding
from ..geometry.whole_numbers import MAX_EXTENT, as_pair
from ..kernels.expressions import MAX_WEIGHT, is_plain, parse_number
from ..kernels.foreign_names import parameter_meant
from ..kernels.generator_call import ANGLES
from ..kernels.generators import NORMS
from ..kernels.kernel import MAX_SIDE
from ..kernels.parameters import Value
from ..kernels.syntax import NAME, PAIR
from ..ops.option_parsers import pair_reader, read_border, read_padding
from ..range_rules import parse_range
from .diagnostics import MAX_FAULTS, Diagnostics
from .foreign_names import FOREIGN_NAMES
from .toml_positions import Keys

T = TypeVar("T")
NO_TAGS: tuple[str, ...] = ()


class ItemsError(ValueError):
    """Some values of a list are invalid: ``errors`` holds (index, message) of each."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__(errors[0][1])
        self.errors = errors


def read_each(values: list[Any], read: Callable[[Any], T], word: str) -> tuple[T, ...]:
    """Return what ``read`` returns for each value. Raises ItemsError, whose messages begin with ``word`` and a number."""
    accepted: list[T] = []
    errors: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        try:
            accepted.append(read(value))
        except ValueError as error:
            errors.append((index, f"{word} {index + 1} {error}"))
    if errors:
        raise ItemsError(errors)
    return tuple(accepted)


class Table:
    """A table of a config file. Methods return checked values; for an invalid one they record a fault and return a default."""

    def __init__(self, values: dict[str, Any], keys: Keys, diagnostics: Diagnostics) -> None:
        self.values = values
        self.keys = keys
        self.diagnostics = diagnostics
        self.name = str(keys[-1])

    def fault(self, message: str, *subkeys: str | int) -> None:
        """Record a fault of this table, or of the value at ``subkeys`` in it."""
        self.diagnostics.add_unreadable((*self.keys, *subkeys), message)

    def check_keys(self, allowed: Iterable[str], also: Iterable[str] = ()) -> bool:
        """Record a fault for each unknown key; return whether there is one. Messages list ``allowed``, but not ``also``."""
        allowed = tuple(allowed)
        known = {*allowed, *also}
        unknown = [key for key in self.values if key not in known]
        for key in unknown:
            if self.diagnostics.full:
                break
            meant = FOREIGN_NAMES.get(key.lower())
            near = meant if meant in allowed else parameter_meant(key, allowed) or nearest(key, allowed)
            question = f"; did you mean {near!r}?" if near else ""
            message = f"unknown key; there are {', '.join(allowed)}{question}"
            self.diagnostics.add_unreadable((*self.keys, key), message, meant=(*self.keys, near or key))
        return bool(unknown)

    def read(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """Return what ``read`` returns for the value of a key, or the default.

        The default is returned if the key is missing, or if ``read`` raises ValueError, which records a fault.
        """
        if key not in self.values:
            return default
        try:
            return read(self.values[key])
        except ItemsError as error:
            for index, message in error.errors[:MAX_FAULTS]:
                self.fault(message, key, index)
        except ValueError as error:
            self.fault(str(error), key)
        return default

    def text(self, key: str) -> str:
        """Return the text of a key; empty if the key is missing."""
        return self.read(key, as_text, "")

    def number(self, key: str, default: float) -> float:
        """Return the number of a key, or the default if the key is missing or invalid."""
        return self.read(key, as_number, default)

    def choice(self, key: str, choices: tuple[Any, ...]) -> Any:
        """Return the value of a key, which must be one of ``choices``; None if the key is missing."""

        def read(value: Any) -> Any:
            if value not in choices or isinstance(value, bool):
                known = [choice for choice in choices if isinstance(choice, str)]
                meant = FOREIGN_NAMES.get(value.lower()) if isinstance(value, str) else None
                near = nearest_name(meant if meant in known else value, known) if isinstance(value, str) else ""
                what = "" if known or not isinstance(value, str) else "the text "
                raise ValueError(f"must be one of {', '.join(map(str, choices))}, got {what}{short_text(value)}{near}")
            return choices[choices.index(value)]  # 90 for 90.0

        return self.read(key, read, None)

    def description(self) -> dict[str, Any]:
        """Return the values that describe the kernel or bank."""
        return {
            "about": self.text("about"),
            "source": self.text("source"),
            "tags": self.read("tags", as_tags, NO_TAGS),
            "range": self.read("range", as_range, None),
        }

    def weight_changes(self) -> dict[str, Any]:
        """Return the values that say how the weights are changed."""
        if "divisor" in self.values and "normalize" in self.values:
            self.fault("cannot be combined with divisor; leave one of them out", "normalize")
        return {
            "divisor": self.read("divisor", as_divisor, 1.0),
            "normalize": self.choice("normalize", NORMS),
            "rotate": self.choice("rotate", (0, 90, 180, 270)) or 0,
            "offset": self.number("offset", 0.0),
            "anchor": self.read("anchor", as_anchor, None),
        }


def as_text(value: Any) -> str:
    """Return the value, which must be text."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {short_text(value)}")
    return value


def as_name(value: Any) -> str:
    """Return the value, which must be a valid name."""
    if not re.fullmatch(NAME, as_text(value)):
        raise ValueError(f"must begin with a letter and have only letters, digits, and . _ -, got {short_text(value)}")
    return as_text(value)


def as_tags(value: Any) -> tuple[str, ...]:
    """Return a list of words as a tuple."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list of words, got {short_text(value)}")
    return read_each(value, as_text, "word")


def as_range(value: Any) -> str:
    """Return the name of the rule of --range that a text means."""
    return parse_range(as_text(value)).name


def as_flag(value: Any) -> bool:
    """Return the value, which must be true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {short_text(value)}")
    return value


def as_number(value: Any) -> float:
    """Return a number, given as such or as an expression such as "1/9". A text that is a plain number is an error."""
    if isinstance(value, str):
        if is_plain(value) and abs(float(value)) <= MAX_WEIGHT:
            raise ValueError(f"must be a number, got the text {value!r}; write {value.strip()} without quotes")
        try:
            return parse_number(value)
        except ValueError as error:
            raise ValueError(f"must be a number, or an expression such as '1/9' or 'sqrt(2)/4', got {short_text(value)}, "
                             f"which {error}") from None  # fmt: skip
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, got {short_text(value)}")
    if not abs(value) <= MAX_WEIGHT:
        raise ValueError(f"must be a finite number of at most {MAX_WEIGHT:g}, got {short_text(value)}")
    return float(value)


def as_angle(value: Any) -> float:
    """Return an angle in degrees. An expression with pi is an error, because it is in radians."""
    number = as_number(value)
    if isinstance(value, str) and "pi" in value:
        raise ValueError(f"must be in degrees, and {value!r} is in radians; write {math.degrees(number):g}")
    return number


def parameter_reader(key: str) -> Callable[[Any], Value]:
    """Return the function that reads a parameter of a generator."""
    return as_angle if key in ANGLES else as_number_or_pair


def as_number_or_pair(value: Any) -> Value:
    """Return a number, or [rows, columns] as a tuple."""
    sides = re.fullmatch(PAIR, value) if isinstance(value, str) else None
    if sides:
        raise ValueError(f"must be a number or [rows, columns], got {short_text(value)}; write [{sides[1]}, {sides[2]}]")
    if not isinstance(value, list):
        return as_number(value)
    if len(value) != 2:
        raise ValueError(f"must be a number or [rows, columns], got a list of {len(value)}")
    rows, columns = read_each(value, as_number, "number")
    return rows, columns


def as_numbers(value: Any) -> list[float]:
    """Return a list of numbers."""
    return as_list(value, as_number)


def as_list(value: Any, read: Callable[[Any], T]) -> list[T]:
    """Return a list of numbers, each read by ``read``."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of numbers, got {short_text(value)}")
    if len(value) > MAX_SIDE:
        raise ValueError(f"has {len(value)} numbers; the limit is {MAX_SIDE}")
    return list(read_each(value, read, "number"))


def as_divisor(value: Any) -> float:
    """Return a number that is not 0."""
    number = as_number(value)
    if number == 0:
        raise ValueError("must not be 0")
    if abs(number) < 1 / MAX_WEIGHT:
        raise ValueError(f"must be at least {1 / MAX_WEIGHT:g}, got {number:g}")
    return number


def as_index(value: Any) -> int:
    """Return an integer of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_EXTENT:
        raise ValueError(f"must be a whole number from 0 to {MAX_EXTENT}, got {short_text(value)}")
    return value


def as_anchor(value: Any) -> tuple[int, int]:
    """Return [row, column], each at least 0."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"must be [row, column], counted from 0, got {short_text(value)}")
    row, column = read_each(value, as_index, "number")
    return row, column


def as_padding(value: Any) -> Any:
    """Return a padding, given as a word, as text or as numbers."""
    _check_pixels(value)
    if isinstance(value, str) and value not in PADDINGS:
        return read_padding(value)
    resolve_padding(value, (1, 1))
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _as_tuple(part: Any) -> Any:
    """Return a list as a tuple, any other value unchanged."""
    return tuple(part) if isinstance(part, list) else part


def as_border(value: Any) -> Any:
    """Return a border, given as a word or as a number."""
    if isinstance(value, str):
        return read_border(value)
    check_border(as_number(value))
    return value


def _check_pixels(value: Any) -> None:
    """Raise ValueError for a value that is neither text, nor a number of pixels, nor a nested list of these."""
    if isinstance(value, list):
        for part in value:
            _check_pixels(part)
    elif not isinstance(value, str):
        as_index(value)


def short_text(value: Any) -> str:
    """Return a short description for error messages: the value as it was written, or its type."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "...")
    if isinstance(value, int):
        return str(value) if value.bit_length() < 200 else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "an empty list" if not value else "a list"
    return "a table" if isinstance(value, dict) else f"the date or time {value}"


def as_stride(value: Any) -> tuple[int, int]:
    """Return a stride such as 2, [2, 1] or "2x1" as (rows, columns)."""
    return as_sides("stride", value)


def as_sides(name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """Return a pair such as 2, [2, 1] or "2x1" as (rows, columns). ``name`` is for error messages."""
    _check_pixels(value)
    return pair_reader(name)(value) if isinstance(value, str) else as_pair(name, value, least=least)


def as_count(value: Any) -> int:
    """Return an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_EXTENT:
        raise ValueError(f"must be a whole number from 1 to {MAX_EXTENT}, got {short_text(value)}")
    return value
