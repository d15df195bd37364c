"""Parameters of generators: numbers, or pairs of numbers where rows and columns differ, and the checks of their values."""

from typing import TypeAlias, TypeVar

from ..errors import KernelError
from .kernel import MAX_SIDE

Sides: TypeAlias = int | tuple[int, int]
"""A whole number of pixels, or (rows, columns)."""

Lengths: TypeAlias = float | tuple[float, float]
"""A length in pixels, or (rows, columns)."""

Value: TypeAlias = float | tuple[float, float]
"""The value of any parameter."""

N = TypeVar("N", int, float)


class ParameterError(KernelError):
    """Some parameters are unknown or out of range: ``errors`` holds (name, message) of each."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(message for _, message in errors))
        self.errors = errors


def pair(value: N | tuple[N, N]) -> tuple[N, N]:
    """Return (rows, columns): the value itself, or twice the number.

    >>> pair(2), pair((2, 1))
    ((2, 2), (2, 1))
    """
    return value if isinstance(value, tuple) else (value, value)


def spelled(value: Value, digits: int = 6) -> str:
    """Return a value in the syntax of -k.

    >>> spelled(2.5), spelled((2.0, 1.0))
    ('2.5', '2x1')
    """
    return "x".join(f"{number:.{digits}g}" for number in (value if isinstance(value, tuple) else (value,)))


def require_all(*rules: tuple[bool, str, str, Value]) -> None:
    """Raise ParameterError for every rule that does not hold: (holds, name, rule, value)."""
    errors = [(name, f"{name} must be {rule}, got {spelled(value)}") for holds, name, rule, value in rules if not holds]
    if errors:
        raise ParameterError(*errors)


def require(holds: bool, name: str, rule: str, value: Value) -> None:
    """Raise ParameterError if a rule does not hold."""
    require_all((holds, name, rule, value))


def side(name: str, value: Value, length: float) -> int:
    """Return the side of a kernel as an int. Raises ParameterError if it is too large."""
    if not length <= MAX_SIDE:
        raise ParameterError((name, f"{name}={spelled(value)} makes a kernel {length:.6g} wide; the largest is {MAX_SIDE}"))
    return int(length)
