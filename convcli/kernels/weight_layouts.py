"""The order of the axes of arrays of weights: ``oihw``, ``hwio`` and others, and where a shape leaves the order open."""

from .weights import WeightsError, WeightsFile

LAYOUTS = {1: "w", 2: "hw", 3: "hwi", 4: "oihw"}
"""The meaning of an array's axes where nobody says: o counts filters, i the channels each of them sums, h and w its taps."""

LARGEST_USUAL = 11
"""The largest side of the kernels of most networks: AlexNet's first layer has 11 x 11."""


def as_layout(text: str) -> str:
    """The meaning of the axes of an array, in either case. Raises WeightsError.

    >>> as_layout("HWIO")
    'hwio'
    """
    letters = text.lower()
    if "w" not in letters or set(letters) - set("oihw") or len(set(letters)) != len(letters):
        raise WeightsError(f"must name each axis once, by o, i, h and w, such as oihw or hwio, got {text!r}", "layout")
    return letters


def other_layouts(shape: tuple[int, ...], size: tuple[int, int] | None = None) -> tuple[str, ...]:
    """How the axes of an array may be meant, beside the usual order; none where its shape, or a known ``size``, decides it.

    Of four axes, TensorFlow's hwio is possible where the first two are as long as each other, as the sides of most kernels are,
    unless the last two are so too and the first are longer than the kernels of networks; and where the first two are those of a
    line, such as 1 x 7, and the last two of no kernel. Of three axes, (C, kh, kw) or N filters (kh, kw) are possible where the
    last two are as long as each other, and not longer than that.

    >>> other_layouts((3, 3, 3, 4)), other_layouts((64, 3, 7, 7)), other_layouts((6, 5, 5)), other_layouts((5, 5, 3))
    (('hwio',), (), ('ihw', 'ohw'), ())
    """
    if set(shape) == {1}:  # which is the same in any order
        return ()
    if len(shape) == 3:
        return ("ihw", "ohw") if shape[1] == shape[2] <= LARGEST_USUAL and size is None else ()
    if len(shape) != 4 or size not in (None, shape[:2]):
        return ()
    (first, second), last = shape[:2], shape[2:]
    if first == second:
        return ("hwio",) if first <= LARGEST_USUAL or last[0] != last[1] else ()
    line = min(first, second) == 1 and max(first, second) <= LARGEST_USUAL and first * second % 2
    usual = max(last) <= LARGEST_USUAL and (last[0] == last[1] or (min(last) == 1 and max(last) % 2))
    return ("hwio",) if line and not usual else ()


def meaning_of(shape: tuple[int, ...], layout: str) -> str:
    """An array in words.

    >>> meaning_of((3, 3, 3, 4), "oihw")
    '3 kernels of 3 x 4 over 3 channels (layout oihw)'
    """
    sizes = dict(zip(layout, shape, strict=True))
    count = f"{sizes['o']} kernels" if "o" in sizes else "a kernel"
    if "h" not in sizes:
        return f"{count} of {sizes['i']} numbers (layout {layout})"
    channels = f" over {sizes['i']} channels" if "i" in sizes else ""
    return f"{count} of {sizes['h']} x {sizes['w']}{channels} (layout {layout})"


def check_meaning(
    file: WeightsFile, shape: tuple[int, ...], usual: str, size: tuple[int, int] | None = None, inputs: int | None = None
) -> None:
    """Raise WeightsError where an array may be meant in two ways, and neither a layout nor the kind of the file decides.

    safetensors files are PyTorch's, whose order is the usual one. Another order is none where it has not so many ``inputs``.
    """
    if file.layout is not None or file.path.suffix.lower() == ".safetensors":
        return
    others = other_layouts(shape, size)
    if usual == "oi":
        others = ("io",) if shape[0] == shape[1] > 1 else ()
    elif usual == "iohw" and others:
        others = ("hwoi",)
    others = tuple(one for one in others if inputs in (None, shape[one.index("i")] if "i" in one else None))
    if others:
        told = ", or ".join(meaning_of(shape, layout) for layout in (usual, *others))
        remedy = f"@{file}:layout={others[0]}, or layout = {others[0]!r} in a config file"
        raise WeightsError(f"has shape {shape}, which may be {told}; say which: {remedy}", "layout")
