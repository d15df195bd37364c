"""What the padding holds: which pixel of an image is shown at a position outside it, or which number."""

from numbers import Real
from typing import TypeAlias

from ..errors import ArgumentError, nearest_name

BORDERS = ("zero", "edge", "reflect", "symmetric", "wrap")
BORDER_ALIASES = {
    "zeros": "zero",
    "constant": "zero",
    "grid-constant": "zero",
    "replicate": "edge",
    "nearest": "edge",
    "circular": "wrap",
    "periodic": "wrap",
    "grid-wrap": "wrap",
    "grid-mirror": "symmetric",
}
"""What NumPy, SciPy, PyTorch, ONNX and TensorFlow call the borders, where that cannot mean two of them."""

Border: TypeAlias = str | float
LARGEST = 1e30
"""Largest number to pad with: sums of it under any kernel stay finite in float32."""

CONSTANT = -1
"""Stands where a padded position holds a constant and no pixel."""


def check_border(border: Border) -> tuple[str, float]:
    """Read a border as a word of NumPy's and the number it pads with, 0 where it does not pad with a number.

    >>> check_border("replicate"), check_border(7)
    (('edge', 0.0), ('constant', 7.0))
    """
    if isinstance(border, str):
        word = border_word(border)
        return ("constant" if word == "zero" else word), 0.0
    if isinstance(border, Real) and not isinstance(border, bool) and abs(border) <= LARGEST:
        return "constant", float(border)
    raise ArgumentError(f"border must be a number up to {LARGEST:g} or one of {', '.join(sorted(BORDERS))}, got {border!r}")


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
        names = ", ".join(sorted(BORDERS))
        raise ArgumentError(
            f"border must be a number up to {LARGEST:g} or one of {names}, got {text!r}"
            f"{nearest_name(lower, (*BORDERS, *BORDER_ALIASES))}"
        )
    return word


def source_index(position: int, size: int, border: str) -> int:
    """Pixel shown at a padded position, 0 being the first pixel: an index within the image, or CONSTANT.

    Works at any distance from the image, as if the border went on for ever.

    >>> [source_index(i, 4, "reflect") for i in range(-5, 8)]
    [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    """
    if 0 <= position < size:
        return position
    if border == "constant":
        return CONSTANT
    if border == "edge":
        return 0 if position < 0 else size - 1
    if border == "wrap":
        return position % size
    if border == "symmetric":
        folded = position % (2 * size)
        return folded if folded < size else 2 * size - 1 - folded
    if size == 1:
        return 0
    folded = position % (2 * size - 2)
    return folded if folded < size else 2 * size - 2 - folded
