"""The patterns of radial basis functions that are not learned: drawings of the ten digits, or random signs."""

import numpy as np

from ..engine.simd.reference import Array

WIDTH, HEIGHT = 7, 12
"""The size of the drawings of LeNet-5: LeCun et al. 1998, section II.B. The drawings are this project's own."""

DIGITS = (
    """
.......
..###..
.##.##.
##...##
##...##
##...##
##...##
##...##
##...##
.##.##.
..###..
.......
""",
    """
.......
...##..
..###..
.####..
...##..
...##..
...##..
...##..
...##..
.######
.######
.......
""",
    """
.......
.#####.
##...##
.....##
.....##
....##.
...##..
..##...
.##....
#######
#######
.......
""",
    """
.......
######.
.....##
.....##
.....##
..####.
..####.
.....##
.....##
.....##
######.
.......
""",
    """
.......
##...##
##...##
##...##
##...##
#######
#######
.....##
.....##
.....##
.....##
.......
""",
    """
.......
#######
##.....
##.....
##.....
######.
.....##
.....##
.....##
##...##
.#####.
.......
""",
    """
.......
..####.
.##....
##.....
##.....
######.
###..##
##...##
##...##
##...##
.#####.
.......
""",
    """
.......
#######
#######
.....##
....##.
....##.
...##..
...##..
..##...
..##...
..##...
.......
""",
    """
.......
.#####.
##...##
##...##
##...##
.#####.
.#####.
##...##
##...##
##...##
.#####.
.......
""",
    """
.......
.#####.
##...##
##...##
##...##
##..###
.######
.....##
.....##
....##.
.####..
.......
""",
)


def digit_patterns() -> Array:
    """Return the drawings as rows of numbers (10, 84): 1 for ink, -1 for paper.

    >>> digit_patterns().shape, int(digit_patterns()[1].reshape(12, 7)[2, 3])
    ((10, 84), 1)
    """
    rows = [[1.0 if letter == "#" else -1.0 for letter in drawing if letter in "#."] for drawing in DIGITS]
    return np.array(rows)


def patterns_for(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return fixed patterns of a shape: the drawings where they fit, else random signs."""
    if shape == (len(DIGITS), WIDTH * HEIGHT):
        return digit_patterns()
    return rng.choice([-1.0, 1.0], shape)
