"""The order of the axes of arrays of weights: ``oihw``, ``hwio`` and others, and where a shape leaves the order open."""

from pathlib import Path

from .weight_suffixes import KERAS_SUFFIXES, TORCH_SUFFIXES
from .weights import WeightsError, WeightsFile

LAYOUTS = {1: "w", 2: "hw", 3: "hwi", 4: "oihw"}
"""The default order of axes: o counts filters, i the channels that each of them sums, h and w its rows and columns."""

KERAS_LAYOUTS = {"oihw": "hwio", "iohw": "hwoi", "oi": "io"}
"""The orders of Keras, by those of PyTorch."""

DEPTHWISE_LAYOUT = "hwoi"
"""That of its depthwise layers: o counts channels, i the filters of each."""

MAX_COMMON_SIDE = 11
"""Largest side of the kernels of most networks: AlexNet's first layer has 11 x 11."""


def as_layout(text: str) -> str:
    """Return the order of the axes of an array, in lower case. Raises WeightsError.

    >>> as_layout("HWIO")
    'hwio'
    """
    letters = text.lower()
    if "w" not in letters or set(letters) - set("oihw") or len(set(letters)) != len(letters):
        raise WeightsError(f"must name each axis once, by o, i, h and w, such as oihw or hwio, got {text!r}", "layout")
    return letters


def usual_layout(path: Path, layout: str) -> str:
    """Return the order of the axes in a file, where it is not said: ``layout``, or what that is in a file of Keras.

    >>> usual_layout(Path("w.h5"), "oihw"), usual_layout(Path("w.pt"), "oihw"), usual_layout(Path("w.keras"), "o")
    ('hwio', 'oihw', 'o')
    """
    return KERAS_LAYOUTS.get(layout, layout) if path.suffix.lower() in KERAS_SUFFIXES else layout


def other_layouts(shape: tuple[int, ...], size: tuple[int, int] | None = None) -> tuple[str, ...]:
    """Return the orders that the axes of an array may have besides the default; none where its shape or a known size decides.

    With four axes, TensorFlow's hwio is possible where the first two have equal lengths, as most kernels have, unless these
    exceed MAX_COMMON_SIDE and the last two have equal lengths too. It is also possible where the first two are those of a line,
    such as 1 x 7, and the last two are not those of a kernel. With three axes, (C, kh, kw) and N filters (kh, kw) are possible
    where the last two have equal lengths up to MAX_COMMON_SIDE.

    >>> other_layouts((3, 3, 3, 4)), other_layouts((64, 3, 7, 7)), other_layouts((6, 5, 5)), other_layouts((5, 5, 3))
    (('hwio',), (), ('ihw', 'ohw'), ())
    """
    if set(shape) == {1}:  # the same in any order
        return ()
    if len(shape) == 3:
        return ("ihw", "ohw") if shape[1] == shape[2] <= MAX_COMMON_SIDE and size is None else ()
    if len(shape) != 4 or size not in (None, shape[:2]):
        return ()
    (first, second), last = shape[:2], shape[2:]
    if first == second:
        return ("hwio",) if first <= MAX_COMMON_SIDE or last[0] != last[1] else ()
    line = min(first, second) == 1 and max(first, second) <= MAX_COMMON_SIDE and first * second % 2
    common = max(last) <= MAX_COMMON_SIDE and (last[0] == last[1] or (min(last) == 1 and max(last) % 2))
    return ("hwio",) if line and not common else ()


def meaning_of(shape: tuple[int, ...], layout: str) -> str:
    """Return a description of an array with axes in an order.

    >>> meaning_of((3, 3, 3, 4), "oihw")
    '3 kernels of 3 x 4 over 3 channels (layout oihw)'
    """
    sizes = dict(zip(layout, shape, strict=True))
    count = f"{sizes['o']} kernels" if "o" in sizes else "a kernel"
    if "h" not in sizes:
        return f"{count} of {sizes['i']} numbers (layout {layout})"
    channels = f" over {sizes['i']} channels" if "i" in sizes else ""
    return f"{count} of {sizes['h']} x {sizes['w']}{channels} (layout {layout})"


def check_layout_is_clear(
    file: WeightsFile, shape: tuple[int, ...], usual: str, size: tuple[int, int] | None = None, inputs: int | None = None
) -> None:
    """Raise WeightsError where the order of the axes is ambiguous, and no layout is given.

    ``usual`` is the default order. Files of PyTorch, as safetensors are, and of Keras have that of their program. An order with
    another number of input channels than ``inputs`` is ruled out.
    """
    if file.layout is not None or file.path.suffix.lower() in (".safetensors", *TORCH_SUFFIXES, *KERAS_SUFFIXES):
        return
    others = other_layouts(shape, size)
    if usual == "oi":
        others = ("io",) if shape[0] == shape[1] > 1 else ()
    elif usual == "iohw" and others:
        others = ("hwoi",)
    others = tuple(axes for axes in others if inputs in (None, shape[axes.index("i")] if "i" in axes else None))
    if others:
        meanings = ", or ".join(meaning_of(shape, axes) for axes in (usual, *others))
        remedy = f"@{file}:layout={others[0]}, or layout = {others[0]!r} in a config file"
        raise WeightsError(f"has shape {shape}, which may be {meanings}; say which: {remedy}", "layout")
