"""Times calls of the convcli that is imported, and prints the least milliseconds of each as JSON; ``compare.py`` starts it.

    PYTHONPATH=TREE python tests/benchmarks/compare_worker.py [WORD]

WORD chooses the cells whose names contain it.
"""

import json
import sys
import time

import numpy as np
from grid_cells import make_image, make_kernel

import convcli

CELLS = (  # kind of kernel, size, types, side, channels, threads
    ("random", 3, "u8-u8", "2048", 3, 1),
    ("random", 9, "u8-u8", "2048", 3, 1),
    ("random", 5, "f32-f32", "2048", 3, 1),
    ("random", 31, "f32-f32", "512", 3, 1),
    ("gaussian", 5, "u8-u8", "2048", 3, 1),
    ("gaussian", 15, "u8-f32", "2048", 3, 1),
    ("gaussian", 15, "f32-f32", "2048", 3, 2),
    ("box", 15, "u8-u8", "2048", 3, 1),
    ("box", 15, "f32-f32", "2048", 1, 1),
    ("sobel", 3, "u8-f32", "2048", 1, 1),
    ("random", 3, "u8-u8", "256", 1, 1),
    ("gaussian", 9, "u8-u8", "512", 3, 1),
)
LAYERS = (  # channels, maps, side, kernel, groups
    (96, 256, 27, 5, 2),
    (256, 384, 13, 3, 1),
    (256, 256, 56, 3, 1),
)
SECONDS, LEAST_RUNS = 0.3, 5
"""How long a call is repeated, and how often at least."""


def filter_call(kind, size, types, side, channels, threads):
    """A call of filter2d."""
    image, (kernel, _) = make_image({"side": side, "channel": channels, "type": types}), make_kernel(kind, size)
    options = {"dtype": np.uint8 if types == "u8-u8" else None, "border": "edge", "threads": threads}
    return lambda: convcli.filter2d(image, kernel, **options)


def layer_call(channels, maps, side, kernel, groups):
    """A call of conv2d."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, channels, side, side)).astype(np.float32)
    weight = rng.normal(size=(maps, channels // groups, kernel, kernel)).astype(np.float32)
    return lambda: convcli.conv2d(x, weight, padding=kernel // 2, groups=groups, threads=1)


def named_calls():
    """The functions that make calls, by name."""
    for cell in CELLS:
        kind, size, types, side, channels, threads = cell
        yield f"{kind} {size} x {size}, {types}, {side} x {channels}, {threads} threads", lambda cell=cell: filter_call(*cell)
    for layer in LAYERS:
        yield "conv2d {} to {}, side {}, kernel {}, {} groups".format(*layer), lambda layer=layer: layer_call(*layer)


def least_milliseconds(call):
    """The least time of a call, after one that is not counted."""
    call()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < LEAST_RUNS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


if __name__ == "__main__":
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    times = {name: least_milliseconds(make()) for name, make in named_calls() if word in name}
    sys.stdout.write(json.dumps({"package": convcli.__file__, "times": times}))
