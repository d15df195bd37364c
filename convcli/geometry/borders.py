"""Borders: the values of the padding. This module alone defines them; all others use a BorderMode."""

from collections.abc import Callable
from numbers import Real
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ..errors import ArgumentError, nearest_name
from .axes import Axis

Border: TypeAlias = str | float
MAX_CONSTANT = 1e30
"""Largest constant to pad with: sums of it under any kernel stay finite in float32."""

CONSTANT = -1
"""The source index of a padded position that holds a constant instead of a pixel."""


class BorderMode(Struct, frozen=True):
    """The value of a padded position: a pixel of the image, a pixel times a gain, or a constant.

    ``picture`` shows a row a b c d with three pixels of padding on each side. ``aliases`` are the names in NumPy, SciPy,
    PyTorch, ONNX and TensorFlow, where they are unambiguous. ``outside(position, size)`` returns the image index for a
    position outside 0 .. size - 1, or CONSTANT. ``fade(distance, pads)`` returns the gain ``distance`` pixels outside the
    image, with ``pads`` pixels of padding on that side; the gains of the row and of the column are multiplied.

    The compiled loops use ``outside`` alone. All else needs a copy (``needs_copy``), which ``engine.padded_copy.pad`` makes for
    all operations; a rule of another kind is implemented there. ``engine.sample_facts`` and the bound of
    ``engine.offset`` assume that the padding lies between the least and the largest of 0, the constant and the samples.
    """

    name: str
    picture: str
    outside: Callable[[int, int], int]
    aliases: tuple[str, ...] = ()
    fade: Callable[[int, int], float] | None = None
    constant: float = 0.0

    @property
    def needs_copy(self) -> bool:
        """Whether the padding holds values that no pixel has: the loops, which read pixels by index, then get a padded copy."""
        return self.fade is not None

    def for_axes(self, rows: Axis, columns: Axis) -> "BorderMode":
        """Return the mode for an image of these axes: one that needs no copy where nothing is padded."""
        return self if rows.padded > rows.size or columns.padded > columns.size or not self.needs_copy else ZERO

    @property
    def is_constant(self) -> bool:
        """Whether the padding holds a constant, and no pixels."""
        return self.outside is _constant

    def source_index(self, position: int, size: int) -> int:
        """Return the image index for a position, or CONSTANT. Position 0 is the first pixel.

        Positions at any distance outside the image are valid.

        >>> [check_border("reflect").source_index(i, 4) for i in range(-5, 8)]
        [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
        """
        return position if 0 <= position < size else self.outside(position, size)

    def gain(self, position: int, axis: Axis) -> float:
        """Return the factor of the pixel at a position of an axis; 1 in the image.

        >>> axis = Axis(size=2, kernel=5, stride=1, dilation=1, before=4, after=1)
        >>> [check_border("linear-ramp").gain(i, axis) for i in range(-4, 3)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.0]
        """
        if self.fade is None or 0 <= position < axis.size:
            return 1.0
        return self.fade(-position, axis.before) if position < 0 else self.fade(position - axis.size + 1, axis.after)


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


def _linear(distance: int, pads: int) -> float:
    """Fall from 1 at the edge of the image to 0 at the last padded pixel, as ``numpy.pad`` does with ``end_values=0``."""
    return (pads - distance) / pads


ZERO = BorderMode("zero", "0 0 0|a b c d|0 0 0", _constant, ("zeros", "constant", "grid-constant"))
MODES = (
    ZERO,
    BorderMode("edge", "a a a|a b c d|d d d", _edge, ("replicate", "nearest")),
    BorderMode("reflect", "d c b|a b c d|c b a", _reflect),
    BorderMode("symmetric", "c b a|a b c d|d c b", _symmetric, ("grid-mirror",)),
    BorderMode("wrap", "b c d|a b c d|a b c", _wrap, ("circular", "periodic", "grid-wrap")),
    BorderMode("linear-ramp", "0 a/3 2a/3|a b c d|2d/3 d/3 0", _edge, ("linear_ramp",), fade=_linear),
)
"""All borders. A number is ZERO with that number as its constant."""

_BY_NAME = {mode.name: mode for mode in MODES}
BORDERS = tuple(_BY_NAME)
BORDER_ALIASES = {alias: mode.name for mode in MODES for alias in mode.aliases}
RULE = f"border must be a number up to {MAX_CONSTANT:g} or one of {', '.join(sorted(BORDERS))}"


def check_border(border: Border) -> BorderMode:
    """Return the mode for a border: a name, in NumPy's or another system's words, or a number. Raises ArgumentError.

    >>> check_border("replicate").name, check_border(7).constant
    ('edge', 7.0)
    """
    if isinstance(border, str):
        return _BY_NAME[border_word(border)]
    if isinstance(border, Real) and not isinstance(border, bool) and abs(border) <= MAX_CONSTANT:
        return replace(ZERO, constant=float(border))
    raise ArgumentError(f"{RULE}, got {border!r}")


def border_word(text: str) -> str:
    """Return convcli's name for a border that another system may name differently, in any case. Raises ArgumentError.

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
