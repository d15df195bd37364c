"""The cells of filter2d that are measured: their kernels and pictures."""

import itertools

import numpy as np

AXES = {
    "kind": ("random", "gaussian", "box", "sobel"),
    "type": ("u8-u8", "u8-f32", "f32-f32"),
    "side": ("2048", "256", "512", "4000x3000"),
    "channel": (3, 1),
    "stride": (1, 2),
    "thread": (1, 2),
    "size": (3, 5, 7, 9, 11, 15, 21, 31, 63),
}
USUAL = {"side": "2048", "channel": 3, "stride": 1, "thread": 1}
SMALL = ("256", "512")
"""Sides that are measured in one and in three channels."""


def list_variants(axes, every=False):
    """Yield side, channel, stride and thread: of every combination, or of those that differ from the usual in one at most.

    Where an axis does not contain its usual value, all of its values are measured.
    """
    for values in itertools.product(*(axes[name] for name in USUAL)):
        variant = dict(zip(USUAL, values, strict=True))
        others = [name for name, usual in USUAL.items() if variant[name] != usual and usual in axes[name]]
        if every or len(others) < 2 or (others == ["side", "channel"] and variant["side"] in SMALL):
            yield variant


def list_cells(axes, every=False):
    """Yield the cells: each variant with every kind of kernel, pair of types and size."""
    names = [name for name in axes if name not in USUAL]
    for variant in list_variants(axes, every):
        for values in itertools.product(*(axes[name] for name in names)):
            yield variant | dict(zip(names, values, strict=True))


def make_kernel(kind, size):
    """Make a (kh, kw) float64 kernel. Return it with its column and row if it is separable."""
    if kind == "random":
        return np.random.default_rng(size).normal(size=(size, size)) / size, None
    if kind == "box":
        line = np.full(size, 1 / size)
        return np.outer(line, line), (line, line)
    positions = np.arange(size) - size // 2
    smooth = np.exp(-0.5 * (positions / (size / 6)) ** 2)
    smooth /= smooth.sum()
    if kind == "gaussian":
        return np.outer(smooth, smooth), (smooth, smooth)
    slope = positions * smooth
    return np.outer(smooth, slope), (smooth, slope)


def make_image(cell):
    """Make random levels (H, W) or (H, W, 3), uint8 or float32, of a cell's size and type."""
    width, _, height = cell["side"].partition("x")
    shape = (int(height or width), int(width), *((3,) if cell["channel"] == 3 else ()))
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return image if cell["type"].startswith("u8") else image.astype(np.float32)
