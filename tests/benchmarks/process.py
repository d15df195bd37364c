"""Measures whole processes that filter one picture: convcli, libvips, scripts with OpenCV and Pillow, and ImageMagick.

    python -m pip install -e '.[bench]'
    apt-get install imagemagick libvips-tools
    python tests/benchmarks/process.py [--runs 7] [--tasks "JPEG 512",...] [--json FILE]

Each reads a picture, sharpens it with the unsharp mask of 5 x 5 whose weights are multiples of 1/256, repeats the edge, and
writes a JPEG of quality 92 without chroma subsampling, or a PNG of compression level 1 (OpenCV: its default, as in
``batch.py``). They run alternately, with as many threads as they like; libvips in float, as its integer convolution rounds the
kernel. The results are compared before a time counts: the inner pixels, as Pillow copies the edges. Prints the least and the
median seconds, the peak memory, and the least time divided by convcli's: above 1, convcli is faster. For reference: what the
imports of convcli take, and what ``convcli --help`` takes.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import magick
from measuring import (
    CONVCLI,
    alternate,
    crops,
    levels,
    print_machine,
    require_same,
    save_picture,
    save_rows,
    summary,
    watch,
)

TASKS = {"JPEG 512": (512, 512, ".jpg"), "JPEG 4000x3000": (4000, 3000, ".jpg"), "PNG 512": (512, 512, ".png")}
SMOOTH = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])
WEIGHTS = 512 * (np.arange(25).reshape(5, 5) == 12) - SMOOTH
"""The unsharp mask, in units of 1/256."""

WITH_OPENCV = f"""
import sys, cv2, numpy
kernel = numpy.array({WEIGHTS.tolist()}, numpy.float32) / 256
options = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
options = options if sys.argv[2].endswith(".jpg") else []
assert cv2.imwrite(sys.argv[2], cv2.filter2D(cv2.imread(sys.argv[1]), -1, kernel, borderType=cv2.BORDER_REPLICATE), options)
"""
WITH_PILLOW = f"""
import sys
from PIL import Image, ImageFilter
kernel = ImageFilter.Kernel((5, 5), {WEIGHTS.ravel().tolist()}, 256)
options = {{"quality": 92, "subsampling": 0}} if sys.argv[2].endswith(".jpg") else {{"compress_level": 1}}
with Image.open(sys.argv[1]) as picture:
    picture.filter(kernel).save(sys.argv[2], **options)
"""
WITH_VIPS = f"""
import sys, pyvips
kernel = pyvips.Image.new_from_list({WEIGHTS.tolist()}, scale=256)
picture = pyvips.Image.new_from_file(sys.argv[1], access="sequential").conv(kernel, precision="float")
options = {{"Q": 92, "subsample_mode": "off"}} if sys.argv[2].endswith(".jpg") else {{"compression": 1}}
picture.rint().cast("uchar").write_to_file(sys.argv[2], **options)
"""
IMPORTS = "import numpy, click, PIL.Image, PIL.JpegImagePlugin, llvmlite.binding"


def commands(source, target):
    """The command line of each program that is here. That of convcli is given twice, also without waiting for the disk."""
    ours = [*CONVCLI, "apply", source, "-k", "unsharp", "--border", "edge", "-q", "-o", target, "--overwrite"]
    programs = {"convcli": ours, "convcli --no-sync": [*ours, "--no-sync"]}
    for name, script in {"OpenCV": WITH_OPENCV, "Pillow": WITH_PILLOW, "pyvips": WITH_VIPS}.items():
        programs[name] = [sys.executable, "-c", script, source, target]
    if shutil.which("vips"):
        mask = source.with_suffix(".mat")
        mask.write_text("5 5 256 0\n" + "\n".join(" ".join(map(str, row)) for row in WEIGHTS))
        saved = f"{target}[Q=92,subsample_mode=off]" if target.suffix == ".jpg" else f"{target}[compression=1]"
        programs["vips"] = ["vips", "conv", source, saved, mask, "--precision", "float"]
    if magick():
        kernel = "5x5: " + " ".join(",".join(f"{weight / 256}" for weight in row) for row in WEIGHTS)
        written = ["-quality", "92", "-sampling-factor", "1x1"]
        written = written if target.suffix == ".jpg" else ["-define", "png:compression-level=1"]
        filtered = ["-virtual-pixel", "Edge", "-morphology", "Correlate", kernel]
        programs["ImageMagick"] = [magick(), source, *filtered, *written, target]
    return programs


def measure(task, folder, runs):
    """Measure a task. Return a row for each program."""
    width, height, suffix = TASKS[task]
    source, target = folder / f"in{suffix}", folder / f"out{suffix}"
    (picture,) = crops(1, width, height)
    save_picture(picture, source)
    programs, expected = commands(source, target), None
    for name, command in programs.items():  # also compiles the loops of convcli
        target.unlink(missing_ok=True)
        watch(command)
        result = levels(target)[2:-2, 2:-2]
        expected = result if expected is None else expected
        require_same(name, result, expected)
    times = alternate({name: lambda command=command: watch(command) for name, command in programs.items()}, runs)
    return [{"task": task, "program": name, **summary(results)} for name, results in times.items()]


def measure_starts(runs):
    """Measure what starts take that filter nothing."""
    programs = {"imports of convcli": [sys.executable, "-c", IMPORTS], "convcli --help": [*CONVCLI, "--help"]}
    times = alternate({name: lambda command=command: watch(command) for name, command in programs.items()}, runs)
    return [{"task": "start", "program": name, **summary(results)} for name, results in times.items()]


def main():
    """Print a line for each task and program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--json", help="where the figures go")
    options = parser.parse_args()
    print_machine()
    rows = []
    sys.stdout.write(f"{'task':<16} {'program':<20} {'least s':>8} {'median s':>8} {'MB':>6} {'least / convcli':>16}\n")
    for task in (*options.tasks.split(","), "start"):
        with tempfile.TemporaryDirectory() as folder:
            measured = measure_starts(options.runs) if task == "start" else measure(task, Path(folder), options.runs)
        for row in measured:
            row["ratio"] = row["least"] / measured[0]["least"] if task != "start" else None
            ratio = f"{row['ratio']:16.2f}" if row["ratio"] else ""
            figures = f"{row['least']:8.3f} {row['median']:8.3f} {row['memory'] / 1e6:6.0f} {ratio}"
            sys.stdout.write(f"{task:<16} {row['program']:<20} {figures}\n")
        sys.stdout.flush()
        rows += measured
    save_rows(options.json, rows, runs=options.runs)


if __name__ == "__main__":
    main()
