"""Weights as integers over a common denominator, such as 1 2 1 over 4."""

from collections.abc import Sequence

MAX_DENOMINATOR = 1024
"""Largest common denominator that is found."""


def common_denominator(weights: Sequence[float]) -> int:
    """Return the number that makes integers of all weights: 1 where they are integers already, and where there is none.

    >>> common_denominator([0.25, -0.5]), common_denominator([1.0, 2.0]), common_denominator([0.3, 0.7])
    (4, 1, 1)
    """
    least = min((abs(weight) for weight in weights if weight), default=1.0)
    denominator = round(1 / max(least, 1 / MAX_DENOMINATOR))
    if denominator > 1 and all(abs(weight * denominator - round(weight * denominator)) < 1e-9 for weight in weights):
        return denominator
    return 1
