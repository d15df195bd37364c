"""Times filter2d beside OpenCV, libvips, SciPy and Pillow: one process, in turn, same threads, results compared before.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/grid.py [--threads 1] [--sides 2048] [--sizes 3,5,9,15,31] [--all] [--json FILE]

Each cell is a size of kernel, a kind of kernel (random, gaussian, box, sobel), a type (u8 to u8, u8 to f32, f32 to f32), one or
three channels, a side of the picture (random levels; the edge repeated outside) and a stride. A peer takes part where it
does the same work: its result differs from ours by one level at most, or by 0.002 of float. Its time is that of the fastest of
its functions. Prints milliseconds, medians, and the fastest peer's divided by ours: above 1, convcli is faster.
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import scipy.ndimage
from PIL import ImageFilter

import convcli

TYPES = ("u8-u8", "u8-f32", "f32-f32")
KINDS = ("random", "gaussian", "box", "sobel")
ALL_SIZES = (3, 5, 7, 9, 11, 15, 21, 31, 63)
LONGEST = 1.5
"""Seconds for a contender in a cell, after three runs."""


def make_kernel(kind, size):
    """(kh, kw) float64, and its column and row where it has them."""
    if kind == "random":
        return np.random.default_rng(size).normal(size=(size, size)) / size, None
    if kind == "box":
        line = np.full(size, 1 / size)
        return np.outer(line, line), (line, line)
    places = np.arange(size) - size // 2
    smooth = np.exp(-0.5 * (places / (size / 6)) ** 2)
    smooth /= smooth.sum()
    if kind == "gaussian":
        return np.outer(smooth, smooth), (smooth, smooth)
    slope = places * smooth
    return np.outer(smooth, slope), (smooth, slope)


def opencv_calls(cv2, image, kernel, lines, kind, whole):
    """What OpenCV has for this."""
    size, border, depth = kernel.shape[0], cv2.BORDER_REPLICATE, cv2.CV_8U if whole else cv2.CV_32F
    yield lambda: cv2.filter2D(image, depth, kernel.astype(np.float32), borderType=border)
    if lines:
        column, row = (line.astype(np.float32) for line in lines)
        yield lambda: cv2.sepFilter2D(image, depth, row, column, borderType=border)
    if kind == "gaussian" and (image.dtype == np.float32 or whole):
        yield lambda: cv2.GaussianBlur(image, (size, size), size / 6, borderType=border)
    if kind == "box":
        yield lambda: cv2.boxFilter(image, depth, (size, size), borderType=border)


def scipy_calls(ndimage, image, kernel, lines, kind, whole):
    """SciPy's: each channel on its own, in float32."""
    flat = kernel[:, :, None] if image.ndim == 3 else kernel

    def levels(result):
        return np.clip(np.rint(result), 0, 255).astype(np.uint8) if whole else result

    if kernel.shape[0] <= 9:
        yield lambda: levels(ndimage.correlate(image, flat, output=np.float32, mode="nearest"))
    if lines:
        column, row = lines

        def separable():
            down = ndimage.correlate1d(image, column, axis=0, output=np.float32, mode="nearest")
            return levels(ndimage.correlate1d(down, row, axis=1, output=np.float32, mode="nearest"))

        yield separable


def vips_calls(pyvips, image, kernel, lines, kind, whole):
    """libvips in float; its whole numbers round the kernel, which is other work."""
    source = pyvips.Image.new_from_array(image)
    mask = pyvips.Image.new_from_list(kernel.tolist())

    def finish(result):
        result = result.rint().cast("uchar") if whole else result.cast("float")
        return result.numpy()

    if kernel.shape[0] <= 15:
        yield lambda: finish(source.conv(mask, precision="float"))
    if lines and np.array_equal(*lines):
        line = pyvips.Image.new_from_list([lines[0].tolist()])
        yield lambda: finish(source.convsep(line, precision="float"))


def pillow_calls(pil, image, kernel, lines, kind, whole):
    """Pillow has kernels of 3 x 3 and 5 x 5, and boxes, for levels; at the edge it copies, so the middle is compared."""
    if not whole or kernel.shape[0] not in (3, 5):
        return
    picture = pil.fromarray(image)
    if image.ndim == 3 or image.dtype == np.uint8:
        text = ImageFilter.Kernel(kernel.shape, kernel[::-1].ravel().tolist(), scale=1)
        yield lambda: np.asarray(picture.filter(text))


def milliseconds(call):
    """One run."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def time_all(calls):
    """Median milliseconds of each, in turn, until the slowest has had its time."""
    times = {name: [milliseconds(call)] for name, call in calls.items()}
    while any(len(runs) < 3 or (sum(runs) < 1000 * LONGEST / 3 and len(runs) < 15) for runs in times.values()):
        for name, call in calls.items():
            if len(times[name]) < 3 or sum(times[name]) < 1000 * LONGEST:
                times[name].append(milliseconds(call))
    return {name: statistics.median(runs[1:]) for name, runs in times.items()}


def compare(libraries, image, kind, size, whole, stride, threads):
    """Median milliseconds of convcli and of each peer's functions that do the same work, by name."""
    kernel, lines = make_kernel(kind, size)
    wanted = {"dtype": np.uint8 if whole else None, "border": "edge", "stride": stride, "threads": threads}
    calls = {"convcli": lambda: convcli.filter2d(image, kernel, **wanted)}
    ours = calls["convcli"]().astype(np.float64)
    for name, (calls_of, library) in libraries.items():
        inside = slice(size, -size) if name == "Pillow" else slice(None)
        for number, function in enumerate(calls_of(library, image, kernel, lines, kind, whole), start=1):
            call = function if stride == 1 else functools.partial(every, function, stride)
            difference = np.abs(call().reshape(ours.shape) - ours)[inside, inside]
            if difference.max() <= (1 if whole else 0.002):
                calls[f"{name} {number}"] = call
    return time_all(calls)


def every(function, stride):
    """Each so many-th pixel of a result, for those who have no stride."""
    return function()[::stride, ::stride].copy()


def parse_options():
    """What is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sides", default="2048", help="512,2048,4000x3000")
    parser.add_argument("--sizes", default="3,5,9,15,31")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--types", default=",".join(TYPES))
    parser.add_argument("--channels", default="3")
    parser.add_argument("--strides", default="1")
    parser.add_argument("--all", action="store_true", help="every cell: hours")
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.all:
        options.sides, options.channels, options.strides = "512,2048,4000x3000", "1,3", "1,2"
        options.sizes = ",".join(map(str, ALL_SIZES))
    return options


def main():
    """Print a line for each cell, and the geometric mean."""
    options = parse_options()
    os.environ["VIPS_CONCURRENCY"] = str(options.threads)
    import pyvips  # reads that variable

    cv2.setNumThreads(options.threads)
    pyvips.cache_set_max(0)
    libraries = {
        "OpenCV": (opencv_calls, cv2),
        "SciPy": (scipy_calls, scipy.ndimage),
        "libvips": (vips_calls, pyvips),
        "Pillow": (pillow_calls, PIL.Image),
    }
    axes = (options.sides, options.channels, options.types, options.strides, options.kinds, options.sizes)
    cells = []
    write = sys.stdout.write
    write(f"{'kernel':<17} {'type':<8} {'picture':<12} stride  convcli  fastest peer            peer / convcli\n")
    for side, channels, types, stride, kind, size in itertools.product(*(axis.split(",") for axis in axes)):
        width, _, height = side.partition("x")
        shape = (int(height or width), int(width), *((3,) if channels == "3" else ()))
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        image = image if types.startswith("u8") else image.astype(np.float32)
        times = compare(libraries, image, kind, int(size), types == "u8-u8", int(stride), options.threads)
        ours = times.pop("convcli")
        best = min(times, key=times.get, default=None)
        ratio = times[best] / ours if best else None
        cell = {
            "size": int(size),
            "kind": kind,
            "type": types,
            "shape": shape,
            "stride": int(stride),
            "threads": options.threads,
        }
        cells.append(cell | {"threads": options.threads, "convcli": ours, "peers": times, "ratio": ratio})
        told = f"{best:<12} {times[best]:8.1f} {ratio:14.2f}" if best else "nobody does the same"
        write(f"{kind:<9}{size:>2} x {size:<2} {types:<8} {'x'.join(map(str, shape)):<12} {stride:>6} {ours:>8.1f}  {told}\n")
        sys.stdout.flush()
    ratios = [cell["ratio"] for cell in cells if cell["ratio"]]
    mean, slower = statistics.geometric_mean(ratios), sum(ratio < 1 for ratio in ratios)
    write(f"{len(ratios)} cells, geometric mean {mean:.2f}, {slower} of them slower than the fastest peer\n")
    if options.json:
        Path(options.json).write_text(json.dumps(cells, indent=1))


if __name__ == "__main__":
    main()
