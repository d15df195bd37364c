"""What the padding holds. Every border is defined here, and here alone; the rest of the package asks a BorderMode."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import TypeAlias

from ..errors import ArgumentError, nearest_name

Border: TypeAlias = str | float
LARGEST = 1e30
"""Largest number to pad with: sums of it under any kernel stay finite in float32."""

CONSTANT = -1
"""Stands where a padded position holds a constant and no pixel."""


@dataclass(frozen=True)
class BorderMode:
    """What stands at a padded position: a pixel of the image, or a constant.

    ``picture`` is a row a b c d with three pixels of padding on each side, ``aliases`` are what NumPy, SciPy, PyTorch, ONNX and
    TensorFlow call the border, where that cannot mean two of them. ``outside`` gives the pixel for a position outside an axis
    of that size, 0 being the first pixel: an index within the image, or CONSTANT.
    """

    name: str
    picture: str
    outside: Callable[[int, int], int]
    aliases: tuple[str, ...] = ()
    constant: float = 0.0

    @property
    def is_constant(self) -> bool:
        """Whether the padding holds a number, and no pixels."""
        return self.outside is _constant

    def source_index(self, position: int, size: int) -> int:
        """Pixel shown at a position, 0 being the first pixel: an index within the image, or CONSTANT.

        Works at any distance from the image, as if the border went on for ever.

        >>> [check_border("reflect").source_index(i, 4) for i in range(-5, 8)]
        [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
        """
        return position if 0 <= position < size else self.outside(position, size)


def _constant(position: int, size: int) -> int:
    return CONSTANT


def _edge(position: int, size: int) -> int:
    return 0 if position < 0 else size - 1


def _reflect(position: int, size: int) -> int:
    if size == 1:
        return 0
    folded = position % (2 * size - 2)
    return folded if folded < size else 2 * size - 2 - folded


def _symmetric(position: int, size: int) -> int:
    folded = position % (2 * size)
    return folded if folded < size else 2 * size - 1 - folded


def _wrap(position: int, size: int) -> int:
    return position % size


ZERO = BorderMode("zero", "0 0 0|a b c d|0 0 0", _constant, ("zeros", "constant", "grid-constant"))
MODES = (
    ZERO,
    BorderMode("edge", "a a a|a b c d|d d d", _edge, ("replicate", "nearest")),
    BorderMode("reflect", "d c b|a b c d|c b a", _reflect),
    BorderMode("symmetric", "c b a|a b c d|d c b", _symmetric, ("grid-mirror",)),
    BorderMode("wrap", "b c d|a b c d|a b c", _wrap, ("circular", "periodic", "grid-wrap")),
)
"""All borders. A number is ZERO with that number as its constant."""

BORDERS = tuple(mode.name for mode in MODES)
BORDER_ALIASES = {alias: mode.name for mode in MODES for alias in mode.aliases}
RULE = f"border must be a number up to {LARGEST:g} or one of {', '.join(sorted(BORDERS))}"


def check_border(border: Border) -> BorderMode:
    """The mode for a border that is a word, whatever system it is from, or a number. Raises ArgumentError.

    >>> check_border("replicate").name, check_border(7).constant
    ('edge', 7.0)
    """
    if isinstance(border, str):
        return next(mode for mode in MODES if mode.name == border_word(border))
    if isinstance(border, Real) and not isinstance(border, bool) and abs(border) <= LARGEST:
        return replace(ZERO, constant=float(border))
    raise ArgumentError(f"{RULE}, got {border!r}")


def border_word(text: str) -> str:
    """The word for a border, whatever system it is from, in any case. Raises ArgumentError.

    >>> border_word("circular")
    'wrap'
    """
    lower = text.lower()
    if lower == "mirror":
        raise ArgumentError(
            "border mirror means reflect (d c b|a b c d|c b a) to SciPy and symmetric (c b a|a b c d|d c b) to ImageMagick; "
            "say which"
        )
    word = BORDER_ALIASES.get(lower, lower)
    if word not in BORDERS:
        raise ArgumentError(f"{RULE}, got {text!r}{nearest_name(lower, (*BORDERS, *BORDER_ALIASES))}")
    return word
