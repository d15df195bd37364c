"""The rules of ``--range``: how a float response becomes stored levels. ``images.quantize`` applies them."""

import re

from msgspec import Struct

from .errors import ArgumentError, nearest_name

MAX_LIMIT = 1e30
"""Largest absolute value of LO and HI: differences of them are finite in float32."""

NUMBER = r"(?a)[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
"""A decimal number. Python's ``float`` would also accept 1_000 and nan."""

RANGES = ("auto", "clip", "abs", "center", "stretch")


class Range(Struct, frozen=True):
    """A rule that maps responses to levels 0..white. All rules round half to even and clip to that range.

    clip keeps values; abs takes absolute values; center maps 0 to mid-grey; stretch maps minimum..maximum to 0..white;
    ``limits`` (LO, HI) maps LO..HI to 0..white. auto is abs for signed kernels, else clip.
    """

    name: str = "auto"
    limits: tuple[float, float] | None = None

    def resolve(self, signed: bool) -> "Range":
        """Return the rule, with auto replaced by abs or clip."""
        return Range("abs" if signed else "clip") if self.name == "auto" else self

    @property
    def sets_scale(self) -> bool:
        """Whether the rule works for responses without a known white."""
        return self.limits is not None or self.name == "stretch"


def parse_range(text: str) -> Range:
    """Read auto, clip, abs, center, stretch or LO..HI. Raises ArgumentError.

    >>> parse_range("-1..1.5").limits
    (-1.0, 1.5)
    """
    if text in RANGES:
        return Range(text)
    low, _, high = text.partition("..")
    limits = (float(low), float(high)) if re.fullmatch(NUMBER, low) and re.fullmatch(NUMBER, high) else None
    if limits is None or not all(abs(limit) <= MAX_LIMIT for limit in limits):
        raise ArgumentError(
            f"range must be one of {', '.join(RANGES)}, or LO..HI such as -255..255, got {text!r}{nearest_name(text, RANGES)}"
        )
    if limits[0] >= limits[1]:
        raise ArgumentError(f"range LO..HI must rise from LO to HI, got {text!r}")
    return Range(text, limits)
