"""How much is added around an image: words and numbers of pixels as ((top, bottom), (left, right)). Integers only."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from ..errors import ArgumentError, nearest_name
from .whole_numbers import Sides, as_pair, parts_of

PADDINGS = ("valid", "same", "same-upper", "same-lower", "full")
PADDING_ALIASES = {"VALID": "valid", "SAME_UPPER": "same-upper", "SAME_LOWER": "same-lower"}
"""What ONNX and TensorFlow call the paddings."""

Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
BRACKETS = str.maketrans("()", "[]")
"""As a config file has them."""


def resolve_padding(padding: Padding, extents: Sides, sizes: Sides = (1, 1), strides: Sides = (1, 1)) -> tuple[Sides, Sides]:
    """Padding as ((top, bottom), (left, right)) in pixels for a kernel that covers ``extents``.

    ``"same"`` adds extent - 1 in all, the smaller half first, whatever the stride; ``"full"`` adds extent - 1 on each side.
    ``"same-upper"`` and ``"same-lower"`` are ONNX's SAME_UPPER and SAME_LOWER (https://onnx.ai/onnx/operators/onnx__Conv.html):
    the output is ceil(size / stride), and the odd pixel stands behind or before. These alone need sizes and strides.

    >>> resolve_padding("same", (3, 4))
    ((1, 1), (1, 2))
    >>> resolve_padding("same-lower", (3, 3), sizes=(5, 6), strides=(2, 2))
    ((1, 1), (1, 0))
    """
    if isinstance(padding, str):
        word = padding_word(padding)
        rows, columns = (_named_padding(word, *axis) for axis in zip(extents, sizes, strides, strict=True))
        return rows, columns
    sides = parts_of(padding)
    inner = [parts_of(side) for side in sides]
    if len(inner) == 2 and all(len(parts) == 2 for parts in inner):
        top_bottom, left_right = (as_pair("padding", parts, least=0) for parts in inner)
        return top_bottom, left_right
    if any(inner) or len(sides) not in (0, 2):
        rule = "padding must be a whole number, (rows, columns) or ((top, bottom), (left, right))"
        text = f"{rule}, got {padding!r}{_four_sides(sides)}"
        raise ArgumentError(text.translate(BRACKETS) if isinstance(padding, list) else text)
    above, left = as_pair("padding", padding, least=0)  # type: ignore[arg-type]
    return (above, above), (left, left)


def _four_sides(sides: tuple[Any, ...]) -> str:
    """What four numbers may mean: other systems have them in two orders."""
    if len(sides) != 4 or any(map(parts_of, sides)):
        return ""
    a, b, c, d = sides
    return f"; ONNX's top, left, bottom, right are {((a, c), (b, d))}, PyTorch's left, right, top, bottom {((c, d), (a, b))}"


def padding_word(text: str) -> str:
    """The word for a padding, whatever system it is from. Raises ArgumentError.

    >>> padding_word("SAME_UPPER")
    'same-upper'
    """
    word = PADDING_ALIASES.get(text, text)
    if text == "SAME":
        raise ArgumentError("padding SAME means same-upper to TensorFlow, which counts the stride, and same here; say which")
    if word not in PADDINGS:
        raise ArgumentError(
            f"padding must be one of {', '.join(PADDINGS)}, a whole number, (rows, columns) "
            f"or ((top, bottom), (left, right)), got {text!r}{nearest_name(text, PADDINGS)}"
        )
    return word


def _named_padding(padding: str, covered: int, size: int, stride: int) -> Sides:
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return covered - 1, covered - 1
    if padding == "same":
        return split_in_halves(covered - 1, padding)
    return split_in_halves(max((-(-size // stride) - 1) * stride + covered - size, 0), padding)


def split_in_halves(total: int, padding: str) -> Sides:
    """Padding in two halves, the larger one before for "same-lower", else behind."""
    less, more = total // 2, total - total // 2
    return (more, less) if padding == "same-lower" else (less, more)
