"""Measures filter2d against OpenCV, libvips, SciPy and Pillow, alternating in one process with the same number of threads.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/grid.py [--kinds random] [--sizes 3,31] [--sides 256,512] [--all] [--json FILE]

A cell is a kernel size, a kind of kernel (random, gaussian, box, sobel), a pair of dtypes (u8 to u8, u8 to f32, f32 to f32),
one or three channels, a side of the picture (random levels, edge border), a stride, and one or two threads. By default the
cells of 2048 x 2048 x 3, stride 1 and one thread are measured, those that differ from them in one property, and sides of 256
and 512 in one channel too; --all takes hours. ``tables.py`` writes the tables of README.md and of the manual.

A peer takes part where it computes the same: float results differ by at most 0.002, levels by at most one, and no more than
one level in 1,000 differs. Peers with more levels that differ by one have rounded the kernel to a few bits; they are listed
apart, as "coarser". The time of a peer is that of its fastest function. Prints medians in milliseconds, and the time of the
fastest peer divided by convcli's: above 1, convcli is faster. Results are released at once: from 8 MB on convcli reuses their
memory, where the others allocate again, which takes 3.7 ms for 50 MB.
"""

import argparse
import functools
import statistics
import sys
import time

import cv2
import numpy as np
import PIL.Image
import pyvips
import scipy.ndimage
from grid_cells import AXES, list_cells, make_image, make_kernel
from measuring import print_machine, ratio_summary, save_rows
from PIL import ImageFilter

import convcli

LONGEST, LEAST_RUNS, MOST_RUNS = 0.6, 4, 100
"""Seconds per cell, and the least and the largest number of runs of each function."""


def opencv_calls(cv2, image, kernel, lines, kind, to_levels):
    """The functions of OpenCV that compute this."""
    size, border, depth = kernel.shape[0], cv2.BORDER_REPLICATE, cv2.CV_8U if to_levels else cv2.CV_32F
    yield lambda: cv2.filter2D(image, depth, kernel.astype(np.float32), borderType=border)
    if lines:
        column, row = (line.astype(np.float32) for line in lines)
        yield lambda: cv2.sepFilter2D(image, depth, row, column, borderType=border)
    if kind == "gaussian" and (image.dtype == np.float32 or to_levels):
        yield lambda: cv2.GaussianBlur(image, (size, size), size / 6, borderType=border)
    if kind == "box":
        yield lambda: cv2.boxFilter(image, depth, (size, size), borderType=border)


def scipy_calls(ndimage, image, kernel, lines, kind, to_levels):
    """The functions of SciPy: each channel on its own, in float32."""
    flat = kernel[:, :, None] if image.ndim == 3 else kernel

    def levels(result):
        return np.clip(np.rint(result), 0, 255).astype(np.uint8) if to_levels else result

    if kernel.shape[0] <= 9:
        yield lambda: levels(ndimage.correlate(image, flat, output=np.float32, mode="nearest"))
    if lines:
        column, row = lines

        def separable():
            down = ndimage.correlate1d(image, column, axis=0, output=np.float32, mode="nearest")
            return levels(ndimage.correlate1d(down, row, axis=1, output=np.float32, mode="nearest"))

        yield separable


def vips_calls(pyvips, image, kernel, lines, kind, to_levels):
    """The functions of libvips in float; its integer convolution rounds the kernel."""
    source = pyvips.Image.new_from_array(image)
    mask = pyvips.Image.new_from_list(kernel.tolist())

    def finish(result):
        result = result.rint().cast("uchar") if to_levels else result.cast("float")
        return result.numpy()

    if kernel.shape[0] <= 15:
        yield lambda: finish(source.conv(mask, precision="float"))
    if lines and np.array_equal(*lines):
        line = pyvips.Image.new_from_list([lines[0].tolist()])
        yield lambda: finish(source.convsep(line, precision="float"))


def pillow_calls(pil, image, kernel, lines, kind, to_levels):
    """Pillow has kernels of 3 x 3 and 5 x 5 for levels. It copies the edge, so only the inside is compared."""
    if not to_levels or kernel.shape[0] not in (3, 5):
        return
    picture = pil.fromarray(image)
    if image.ndim == 3 or image.dtype == np.uint8:
        text = ImageFilter.Kernel(kernel.shape, kernel[::-1].ravel().tolist(), scale=1)
        yield lambda: np.asarray(picture.filter(text))


PEERS = {
    "OpenCV": (opencv_calls, cv2),
    "SciPy": (scipy_calls, scipy.ndimage),
    "libvips": (vips_calls, pyvips),
    "Pillow": (pillow_calls, PIL.Image),
}


def milliseconds(call):
    """Time one call."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def first_time(call):
    """Time a call that was not timed before; a short one three times, as a rival must not be lost to chance."""
    first = milliseconds(call)
    return min(first, milliseconds(call), milliseconds(call)) if first < 10 else first


def time_all(calls):
    """Median milliseconds of each call, alternating. Calls that are first five times slower than the fastest run once."""
    times = {name: [first_time(call)] for name, call in calls.items()}
    limit = 5 * min(runs[0] for runs in times.values())
    rivals = [name for name in calls if name == "convcli" or times[name][0] <= limit]
    for _ in range(MOST_RUNS):
        for name in rivals:
            times[name].append(milliseconds(calls[name]))
        if sum(map(sum, times.values())) > 1000 * LONGEST and len(times["convcli"]) > LEAST_RUNS:
            break
    return {name: statistics.median(runs[1:] or runs) for name, runs in times.items()}


def compare(image, cell):
    """Median milliseconds of convcli and of each peer's functions, by name; those of coarser peers in a second dictionary."""
    kernel, lines = make_kernel(cell["kind"], cell["size"])
    to_levels = cell["type"] == "u8-u8"
    options = {"dtype": np.uint8 if to_levels else None, "border": "edge", "stride": cell["stride"], "threads": cell["thread"]}
    calls, coarse = {"convcli": lambda: convcli.filter2d(image, kernel, **options)}, set()
    ours = calls["convcli"]().astype(np.float32)
    for name, (calls_of, library) in PEERS.items():
        inside = slice(cell["size"], -cell["size"]) if name == "Pillow" else slice(None)
        for number, function in enumerate(calls_of(library, image, kernel, lines, cell["kind"], to_levels), start=1):
            call = function if cell["stride"] == 1 else functools.partial(every, function, cell["stride"])
            difference = np.abs(call().reshape(ours.shape) - ours)[inside, inside]
            if difference.max() <= (1 if to_levels else 0.002):
                calls[f"{name} {number}"] = call
                if to_levels and (difference > 0).mean() > 1e-3:
                    coarse.add(f"{name} {number}")
    times = time_all(calls)
    return {name: time for name, time in times.items() if name not in coarse}, {name: times[name] for name in coarse}


def every(function, stride):
    """Call a function without a stride, and take every stride-th pixel of its result."""
    return function()[::stride, ::stride].copy()


def parse_options():
    """Parse the command line. Return the options and the axes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, values in AXES.items():
        parser.add_argument(f"--{name}s", default=",".join(map(str, values)))
    parser.add_argument("--all", action="store_true", help="every cell: hours")
    parser.add_argument("--json", help="where the figures go")
    options = parser.parse_args()
    return options, {name: [type(AXES[name][0])(text) for text in getattr(options, f"{name}s").split(",")] for name in AXES}


def best_of(times):
    """The shortest time, and its name; infinity if there are none."""
    return min(((time, name) for name, time in times.items()), default=(float("inf"), ""))


def describe_cell(cell, shape):
    """The line of a measured cell."""
    size, ours = cell["size"], cell["convcli"]
    (best, name), (best_coarse, name_coarse) = best_of(cell["peers"]), best_of(cell["coarser"])
    result = f"{name:<12} {best:8.3f} {best / ours:14.2f}" if name else "nobody does the same"
    if name_coarse and best_coarse < best:
        result += f"   coarser: {name_coarse} {best_coarse:.3f} {best_coarse / ours:.2f}"
    kernel = f"{cell['kind']:<9}{size:>2} x {size:<2} {cell['type']:<8}"
    return f"{kernel} {'x'.join(map(str, shape)):<12} {cell['stride']:>6} {cell['thread']:>7} {ours:>8.3f}  {result}\n"


def main():
    """Print a line for each cell, and the geometric mean."""
    options, axes = parse_options()
    cells = sorted(list_cells(axes, options.all), key=lambda cell: cell["thread"])
    pyvips.cache_set_max(0)
    print_machine()
    write = sys.stdout.write
    write(f"{'kernel':<17} {'type':<8} {'picture':<12} stride threads  convcli  fastest peer            peer / convcli\n")
    for cell in cells:
        cv2.setNumThreads(cell["thread"])
        pyvips.concurrency_set(cell["thread"])
        image = make_image(cell)
        times, coarse = compare(image, cell)
        ours = times.pop("convcli")
        cell |= {"convcli": ours, "peers": times, "coarser": coarse, "ratio": best_of(times)[0] / ours if times else None}
        write(describe_cell(cell, image.shape))
        sys.stdout.flush()
    write(f"{ratio_summary(cells)}\n")
    save_rows(options.json, cells)


if __name__ == "__main__":
    main()
