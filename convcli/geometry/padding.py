"""Padding, the pixels added around an image: names and numbers, resolved to ((top, bottom), (left, right))."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from ..errors import ArgumentError, nearest_name
from .whole_numbers import Sides, as_pair, items_of

PADDINGS = ("valid", "same", "same-upper", "same-lower", "full")
PADDING_ALIASES = {"VALID": "valid", "SAME_UPPER": "same-upper", "SAME_LOWER": "same-lower"}
"""The names of the paddings in ONNX and TensorFlow."""

Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
BRACKETS = str.maketrans("()", "[]")
"""Error messages about lists, which config files use, show brackets."""


def resolve_padding(padding: Padding, extents: Sides, sizes: Sides = (1, 1), strides: Sides = (1, 1)) -> tuple[Sides, Sides]:
    """Return padding as ((top, bottom), (left, right)) in pixels, for a kernel that covers ``extents``. Raises ArgumentError.

    ``"same"`` adds extent - 1 in all, the smaller half first, whatever the stride; ``"full"`` adds extent - 1 on each side.
    ``"same-upper"`` and ``"same-lower"`` are ONNX's SAME_UPPER and SAME_LOWER (https://onnx.ai/onnx/operators/onnx__Conv.html):
    the output size is ceil(size / stride), and the odd pixel is added after or before. Only these need sizes and strides.

    >>> resolve_padding("same", (3, 4))
    ((1, 1), (1, 2))
    >>> resolve_padding("same-lower", (3, 3), sizes=(5, 6), strides=(2, 2))
    ((1, 1), (1, 0))
    """
    if isinstance(padding, str):
        word = padding_word(padding)
        rows, columns = (_named_padding(word, *axis) for axis in zip(extents, sizes, strides, strict=True))
        return rows, columns
    sides = items_of(padding)
    inner = [items_of(side) for side in sides]
    if len(inner) == 2 and all(len(pair) == 2 for pair in inner):
        top_bottom, left_right = (as_pair("padding", pair, least=0) for pair in inner)
        return top_bottom, left_right
    if any(inner) or len(sides) not in (0, 2):
        rule = "padding must be a whole number, (rows, columns) or ((top, bottom), (left, right))"
        text = f"{rule}, got {padding!r}{_four_sides(sides)}"
        raise ArgumentError(text.translate(BRACKETS) if isinstance(padding, list) else text)
    vertical, horizontal = as_pair("padding", padding, least=0)  # type: ignore[arg-type]
    return (vertical, vertical), (horizontal, horizontal)


def _four_sides(sides: tuple[Any, ...]) -> str:
    """Return the end of an error message for four numbers, which ONNX and PyTorch order differently."""
    if len(sides) != 4 or any(map(items_of, sides)):
        return ""
    a, b, c, d = sides
    return f"; ONNX's top, left, bottom, right are {((a, c), (b, d))}, PyTorch's left, right, top, bottom {((c, d), (a, b))}"


def padding_word(text: str) -> str:
    """Return convcli's name for a padding that ONNX or TensorFlow may name differently. Raises ArgumentError.

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
    """Split padding in two halves; the larger one is before for "same-lower", else after."""
    smaller, larger = total // 2, total - total // 2
    return (larger, smaller) if padding == "same-lower" else (smaller, larger)
