"""Measures filter2d against OpenCV, libvips, SciPy and Pillow, alternating in one process with the same number of threads.

    python -m pip install -e '.[bench]'
    python tests/benchmarks/grid.py [--kinds random] [--sizes 3,31] [--all] [--json FILE] [--readme]

A cell is a kernel size, a kind of kernel (random, gaussian, box, sobel), a pair of dtypes (u8 to u8, u8 to f32, f32 to f32),
one or three channels, a side of the picture (random levels, edge border), a stride, and one or two threads. By default the
cells of 2048 x 2048 x 3, stride 1 and one thread are measured, and those that differ from them in one property; --all takes
hours. --readme writes the table of README.md from the file of --json.

A peer takes part where it computes the same: float results differ by at most 0.002, levels by at most one, and no more than
one level in 1,000 differs. Peers with more levels that differ by one have rounded the kernel to a few bits; they are listed
apart, as "coarser". The time of a peer is that of its fastest function. Prints medians in milliseconds, and the time of the
fastest peer divided by convcli's: above 1, convcli is faster. Results are released at once: from 8 MB on convcli reuses their
memory, where the others allocate again, which takes 3.7 ms for 50 MB.
"""

import argparse
import functools
import itertools
import json
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pyvips
import scipy.ndimage
from PIL import ImageFilter

import convcli

AXES = {
    "kind": ("random", "gaussian", "box", "sobel"),
    "type": ("u8-u8", "u8-f32", "f32-f32"),
    "side": ("2048", "512", "4000x3000"),
    "channel": (3, 1),
    "stride": (1, 2),
    "thread": (1, 2),
    "size": (3, 5, 7, 9, 11, 15, 21, 31, 63),
}
USUAL = {"side": "2048", "channel": "3", "stride": "1", "thread": "1"}
LONGEST, LEAST_RUNS, MOST_RUNS = 0.6, 4, 15
"""Seconds per cell, and the least and the largest number of runs of each function."""

MARKERS = "<!-- speed -->", "<!-- end of speed -->"


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


def time_all(calls):
    """Median milliseconds of each call, alternating. Calls that are first five times slower than the fastest run once."""
    times = {name: [milliseconds(call)] for name, call in calls.items()}
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
    options = {"dtype": np.uint8 if to_levels else None, "border": "edge", "stride": cell["stride"], "threads": cell["threads"]}
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
    """Parse the command line."""
    parser = argparse.ArgumentParser()
    for name, values in AXES.items():
        parser.add_argument(f"--{name}s", default=",".join(map(str, values)))
    parser.add_argument("--all", action="store_true", help="every cell: hours")
    parser.add_argument("--json", default="grid.json", help="where the figures go, and --readme finds them")
    parser.add_argument("--readme", action="store_true", help="only write the table of README.md")
    return parser.parse_args()


def list_cells(options):
    """Yield the cells to measure."""
    texts = {name: getattr(options, f"{name}s").split(",") for name in AXES}
    every_cell = [dict(zip(AXES, values, strict=True)) for values in itertools.product(*texts.values())]
    for cell in every_cell:
        others = [name for name, usual in USUAL.items() if cell[name] != usual and usual in texts[name]]
        if options.all or len(others) < 2:
            numbers = {name: int(cell[name]) for name in ("size", "channel", "stride", "thread")}
            yield cell | numbers | {"threads": numbers["thread"]}


def best_of(times):
    """The shortest time, and its name; infinity if there are none."""
    return min(((time, name) for name, time in times.items()), default=(float("inf"), ""))


def main():
    """Print a line for each cell, and the geometric mean."""
    options = parse_options()
    if options.readme:
        write_readme(json.loads(Path(options.json).read_text()))
        return
    cells = sorted(list_cells(options), key=lambda cell: cell["threads"])
    pyvips.cache_set_max(0)
    write = sys.stdout.write
    write(f"{'kernel':<17} {'type':<8} {'picture':<12} stride threads  convcli  fastest peer            peer / convcli\n")
    for cell in cells:
        cv2.setNumThreads(cell["threads"])
        pyvips.concurrency_set(cell["threads"])
        width, _, height = cell["side"].partition("x")
        shape = (int(height or width), int(width), *((3,) if cell["channel"] == 3 else ()))
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        image = image if cell["type"].startswith("u8") else image.astype(np.float32)
        times, coarse = compare(image, cell)
        ours = times.pop("convcli")
        (best, name), (best_coarse, name_coarse) = best_of(times), best_of(coarse)
        cell |= {"convcli": ours, "peers": times, "coarser": coarse, "ratio": best / ours if name else None}
        result = f"{name:<12} {best:8.2f} {best / ours:14.2f}" if name else "nobody does the same"
        if name_coarse and best_coarse < best:
            result += f"   coarser: {name_coarse} {best_coarse:.2f} {best_coarse / ours:.2f}"
        size = cell["size"]
        write(
            f"{cell['kind']:<9}{size:>2} x {size:<2} {cell['type']:<8} {'x'.join(map(str, shape)):<12} {cell['stride']:>6} "
            f"{cell['threads']:>7} {ours:>8.2f}  {result}\n"
        )
        sys.stdout.flush()
    write(f"{summary_of(cells)}\n")
    Path(options.json).write_text(json.dumps(cells, indent=1))


def summary_of(cells):
    """The number of cells, their geometric mean, and how many are slower."""
    ratios = [cell["ratio"] for cell in cells if cell["ratio"]]
    mean, slower = statistics.geometric_mean(ratios), sum(ratio < 1 for ratio in ratios)
    return f"{len(ratios)} cells, geometric mean {mean:.2f}, {slower} of them slower than the fastest peer"


def write_readme(cells):
    """Write the table between its markers in README.md."""
    sizes = sorted({cell["size"] for cell in cells})
    usual = [cell for cell in cells if all(str(cell[name]) == value for name, value in USUAL.items())]
    lines = [f"| kernel | {' | '.join(f'{size} x {size}' for size in sizes)} |", "|---" * (len(sizes) + 1) + "|"]
    for kind, types in itertools.product(AXES["kind"], AXES["type"]):
        row = {cell["size"]: cell["ratio"] for cell in usual if (cell["kind"], cell["type"]) == (kind, types)}
        numbers = " | ".join("" if row.get(size) is None else f"{row[size]:.1f}" for size in sizes)
        lines.append(f"| {kind} {types.replace('-', ' to ')} | {numbers} |")
    lines += ["", f"In all: {summary_of(usual)}.", ""]
    for name, value in USUAL.items():
        for other in (str(choice) for choice in AXES[name] if str(choice) != value):
            changed = [cell for cell in cells if str(cell[name]) == other]
            if changed:
                lines.append(f"- {name} {other} in place of {value}: {summary_of(changed)}")
    path = Path(__file__).parents[2] / "README.md"
    before, _, rest = path.read_text().partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    path.write_text(f"{before}{MARKERS[0]}\n" + "\n".join(lines) + f"\n{MARKERS[1]}{after}")


if __name__ == "__main__":
    main()
