"""Values of a config file: each is what it must be, or a ValueError says the rule and what was found."""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..errors import nearest, nearest_name
from ..geometry.borders import check_border
from ..geometry.padding import PADDINGS, resolve_padding
from ..geometry.whole_numbers import MAX_EXTENT, as_pair
from ..kernels.expressions import MAX_WEIGHT, is_plain, parse_number
from ..kernels.generators import ANGLES, NORMS
from ..kernels.kernel import MAX_SIDE
from ..kernels.syntax import NAME
from ..ops.option_parsers import pair_reader, read_border, read_padding
from ..range_rules import parse_range
from .diagnostics import ENOUGH_FAULTS, Diagnostics
from .foreign_names import FOREIGN_NAMES
from .toml_positions import Keys

T = TypeVar("T")
NO_TAGS: tuple[str, ...] = ()


class ItemsError(ValueError):
    """Values of a list break a rule: the index of each, and what is wrong with it."""

    def __init__(self, wrong: list[tuple[int, str]]) -> None:
        super().__init__(wrong[0][1])
        self.wrong = wrong


def read_each(values: list[Any], read: Callable[[Any], T], word: str) -> tuple[T, ...]:
    """Every value of a list as ``read`` gives it. Raises ItemsError, which names each wrong one by a word and its number."""
    found: list[T] = []
    wrong: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        try:
            found.append(read(value))
        except ValueError as error:
            wrong.append((index, f"{word} {index + 1} {error}"))
    if wrong:
        raise ItemsError(wrong)
    return tuple(found)


class Table:
    """A table that is being read: gives its values, checked; for a wrong one it collects a fault, and gives a default."""

    def __init__(self, values: dict[str, Any], keys: Keys, faults: Diagnostics) -> None:
        self.values = values
        self.keys = keys
        self.faults = faults
        self.name = str(keys[-1])

    def fault(self, message: str, *more: str | int) -> None:
        """Collect what is wrong with this table, or with something in it."""
        self.faults.refuse((*self.keys, *more), message)

    def check_keys(self, allowed: Iterable[str], also: Iterable[str] = ()) -> bool:
        """Whether there are keys that are not allowed, each of which is a fault; ``also`` are allowed, but not listed in it."""
        allowed = tuple(allowed)
        known = {*allowed, *also}
        unknown = [key for key in self.values if key not in known]
        for key in unknown:
            if self.faults.full:
                break
            meant = FOREIGN_NAMES.get(key.lower())
            near = meant if meant in allowed else nearest(key, allowed)
            question = f"; did you mean {near!r}?" if near else ""
            message = f"unknown key; there are {', '.join(allowed)}{question}"
            self.faults.refuse((*self.keys, key), message, meant=(*self.keys, near or key))
        return bool(unknown)

    def read(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The value of a key as ``read`` gives it; it raises ValueError with the rule that is broken."""
        if key not in self.values:
            return default
        try:
            return read(self.values[key])
        except ItemsError as error:
            for index, message in error.wrong[:ENOUGH_FAULTS]:
                self.fault(message, key, index)
        except ValueError as error:
            self.fault(str(error), key)
        return default

    def text(self, key: str) -> str:
        """A text, empty where there is none."""
        return self.read(key, as_text, "")

    def number(self, key: str, default: float) -> float:
        """A number."""
        return self.read(key, as_number, default)

    def choice(self, key: str, choices: tuple[Any, ...]) -> Any:
        """One of some words or numbers; None where there is none."""

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
        """What the table says of its kernel or bank."""
        return {
            "about": self.text("about"),
            "source": self.text("source"),
            "tags": self.read("tags", as_tags, NO_TAGS),
            "range": self.read("range", as_range, None),
        }

    def changes(self) -> dict[str, Any]:
        """What is done with the weights of its kernel."""
        if "divisor" in self.values and "normalize" in self.values:
            self.fault("cannot stand beside divisor; leave one of them out", "normalize")
        return {
            "divisor": self.read("divisor", as_divisor, 1.0),
            "normalize": self.choice("normalize", NORMS),
            "rotate": self.choice("rotate", (0, 90, 180, 270)) or 0,
            "offset": self.number("offset", 0.0),
            "anchor": self.read("anchor", as_anchor, None),
        }


def as_text(value: Any) -> str:
    """Text."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {short_text(value)}")
    return value


def as_name(value: Any) -> str:
    """The name of a kernel."""
    if not NAME.fullmatch(as_text(value)):
        raise ValueError(f"must be made of letters, digits, and . _ - and begin with a letter, got {short_text(value)}")
    return as_text(value)


def as_tags(value: Any) -> tuple[str, ...]:
    """A list of words."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list of words, got {short_text(value)}")
    return read_each(value, as_text, "word")


def as_range(value: Any) -> str:
    """A rule of --range."""
    return parse_range(as_text(value)).name


def as_flag(value: Any) -> bool:
    """Either true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {short_text(value)}")
    return value


def as_number(value: Any) -> float:
    """A number, or a text such as "1/9" that is an expression; no text that is just a number, for that is a slip."""
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
    """Degrees; a text with pi would be radians."""
    number = as_number(value)
    if isinstance(value, str) and "pi" in value:
        raise ValueError(f"takes degrees, and {value!r} is in radians; write {math.degrees(number):g}")
    return number


def parameter_reader(key: str) -> Callable[[Any], float]:
    """What reads a parameter of a generator."""
    return as_angle if key in ANGLES else as_number


def as_numbers(value: Any, read: Callable[[Any], float] = as_number) -> list[float]:
    """A list of numbers, each as it is read."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of numbers, got {short_text(value)}")
    if len(value) > MAX_SIDE:
        raise ValueError(f"has {len(value)} numbers; the limit is {MAX_SIDE}")
    return list(read_each(value, read, "number"))


def as_divisor(value: Any) -> float:
    """A number that is not 0."""
    number = as_number(value)
    if number == 0:
        raise ValueError("must not be 0")
    if abs(number) < 1 / MAX_WEIGHT:
        raise ValueError(f"must be at least {1 / MAX_WEIGHT:g}, got {number:g}")
    return number


def as_index(value: Any) -> int:
    """A whole number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_EXTENT:
        raise ValueError(f"must be a whole number from 0 to {MAX_EXTENT}, got {short_text(value)}")
    return value


def as_anchor(value: Any) -> tuple[int, int]:
    """[row, column], each at least 0."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"must be [row, column], counted from 0, got {short_text(value)}")
    row, column = read_each(value, as_index, "number")
    return row, column


def as_padding(value: Any) -> Any:
    """A padding in words, as text or in numbers."""
    _check_pixels(value)
    if isinstance(value, str) and value not in PADDINGS:
        return read_padding(value)
    resolve_padding(value, (1, 1))
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _frozen(part: Any) -> Any:
    """A pair within a padding."""
    return tuple(part) if isinstance(part, list) else part


def as_border(value: Any) -> Any:
    """A border by its word, or a number."""
    if isinstance(value, str):
        return read_border(value)
    check_border(as_number(value))
    return value


def _check_pixels(value: Any) -> None:
    """Raise ValueError for what is neither text, nor a number of pixels, nor lists of such."""
    if isinstance(value, list):
        for part in value:
            _check_pixels(part)
    elif not isinstance(value, str):
        as_index(value)


def short_text(value: Any) -> str:
    """A value as the user wrote it, or at least what kind of thing it is."""
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
    """2, [2, 1] or "2x1" as (rows, columns)."""
    return as_sides("stride", value)


def as_sides(name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """The same of any name."""
    _check_pixels(value)
    return pair_reader(name)(value) if isinstance(value, str) else as_pair(name, value, least=least)


def as_count(value: Any) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_EXTENT:
        raise ValueError(f"must be a whole number from 1 to {MAX_EXTENT}, got {short_text(value)}")
    return value
