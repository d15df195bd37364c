"""Parses numbers and expressions such as 0.5, 1/9, sqrt(2)/4 and -2*pi, without running any code."""

import math
import re

MAX_WEIGHT = 1e30
"""Largest absolute value of a weight: float32 sums over a kernel stay finite."""

MAX_LENGTH = 100
"""Characters of an expression at most, which also limits the depth of recursion."""

DECIMAL = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
PLAIN = rf"(?a)[+-]?{DECIMAL}"
TOKEN = rf"(?a)\s*({DECIMAL}|sqrt|pi|[-+*/()])"


def parse_number(text: str) -> float:
    """Parse a decimal number, or an expression of + - * / ( ) sqrt and pi. Raises ValueError with the end of a message.

    >>> parse_number("-1/8"), parse_number("sqrt(2)/4 * (1 + 3)")
    (-0.125, 1.4142135623730951)
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    if is_plain(text):
        return _checked(float(text))
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = re.compile(TOKEN).match(text, position)
        if match is None:
            raise ValueError("is not a number")
        tokens.append(match[1])
        position = match.end()
    tokens.reverse()
    value = _sum(tokens)
    if tokens:
        raise ValueError("is not a number")
    return value


def parse_angle(text: str) -> float:
    """Parse an angle in degrees as ``parse_number`` does. Raises ValueError also for pi, which implies radians.

    >>> parse_angle("45")
    45.0
    """
    value = parse_number(text)
    if "pi" in text:
        degrees = f"; write {math.degrees(value):g}" if abs(value) <= 2 * math.pi else ""
        raise ValueError(f"is in radians, and must be in degrees{degrees}")
    return value


def shortened(text: str) -> str:
    """Quote a text, or the start of a long one."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def is_plain(text: str) -> bool:
    """Whether a text is a decimal number and not an expression."""
    return re.fullmatch(PLAIN, text.strip()) is not None


def _sum(tokens: list[str]) -> float:
    """Evaluate sums and differences. Tokens are in reverse order, and are removed from the end as they are read."""
    value = _product(tokens)
    while tokens and tokens[-1] in "+-":
        value = _checked(value + _product(tokens) if tokens.pop() == "+" else value - _product(tokens))
    return value


def _product(tokens: list[str]) -> float:
    value = _factor(tokens)
    while tokens and tokens[-1] in "*/":
        if tokens.pop() == "*":
            value = _checked(value * _factor(tokens))
            continue
        divisor = _factor(tokens)
        if divisor == 0:
            raise ValueError("divides by 0")
        value = _checked(value / divisor)
    return value


def _factor(tokens: list[str]) -> float:
    """Evaluate a number with at most one sign, pi, a root, or an expression in parentheses."""
    token = tokens.pop() if tokens else ""
    if token in ("+", "-"):
        value = _factor(tokens) if tokens and tokens[-1] not in "+-" else math.nan
        if math.isnan(value):
            raise ValueError("is not a number")
        return -value if token == "-" else value
    if token == "pi":
        return math.pi
    if token == "sqrt":
        if not tokens or tokens[-1] != "(":
            raise ValueError("is not a number; sqrt needs parentheses, as in sqrt(2)")
        value = _factor(tokens)
        if value < 0:
            raise ValueError("takes the root of a negative number")
        return math.sqrt(value)
    if token == "(":
        value = _sum(tokens)
        if not tokens or tokens.pop() != ")":
            raise ValueError("is not a number; a ( is not closed")
        return value
    if not token or token in "+-*/)":
        raise ValueError("is not a number")
    return _checked(float(token))


def _checked(value: float) -> float:
    if not abs(value) <= MAX_WEIGHT:
        raise ValueError(f"is beyond {MAX_WEIGHT:g}")
    return value
