"""Measures whole batches: 1,000 JPEGs, against ImageMagick under xargs and a script with OpenCV on a pool of threads.

    python -m pip install opencv-python-headless
    apt-get install imagemagick
    python tests/benchmarks/batch.py [--count 1000] [--side 512] [--jobs 2] [--suffix .png] [--folder /dev/shm]
        [--peers OpenCV,ImageMagick] [--runs 3] [--json FILE]

Each picture is decoded, blurred by a Gaussian of sigma 2 (17 x 17, reflected borders), and encoded, two pictures at a time:
JPEGs to JPEGs of quality 92 without chroma subsampling, JPEGs to PNGs of compression level 1, or TIFFs of 16 bits to such,
without compression. OpenCV writes its default PNG: level 1 with one filter takes 19 ms, and 36 ms where level 1 is asked for.
Prints pictures per second and the peak memory of the largest process, the best of three alternating runs. The results are
compared before a time counts.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from machine import magick
from measuring import CONVCLI, alternate, crops, levels, print_machine, require_same, save_picture, save_rows, watch

WITH_OPENCV = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import cv2
cv2.setNumThreads(1)
source, target = map(Path, sys.argv[1:3])
options = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    ".png": [],
    ".tif": [cv2.IMWRITE_TIFF_COMPRESSION, 1],
}[sys.argv[4]]
def work(path):
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    blurred = cv2.GaussianBlur(picture, (17, 17), 2, borderType=cv2.BORDER_REFLECT_101)
    assert cv2.imwrite(str((target / path.name).with_suffix(sys.argv[4])), blurred, options)
with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    list(pool.map(work, sorted(source.iterdir())))
"""

WITH_MAGICK = {
    ".jpg": "-sampling-factor 1x1 -quality 92",
    ".png": "-define png:compression-level=1",
    ".tif": "-compress none",
}
"""Options of ImageMagick for each suffix of outputs."""


def make_pictures(folder, count, side, suffix):
    """Write different crops of the sample pictures. Return the suffix of the inputs for outputs of this suffix."""
    folder.mkdir()
    suffix = ".tif" if suffix == ".tif" else ".jpg"
    for i, picture in enumerate(crops(count, side, side)):
        save_picture(picture, folder / f"{i:05}{suffix}")
    return suffix


def commands(source, target, options, input_suffix):
    """The command line of each program. That of convcli is given twice, also without waiting for the disk."""
    jobs, suffix = str(options.jobs), options.suffix
    blur = f"-virtual-pixel Mirror -gaussian-blur 8x2 {WITH_MAGICK[suffix]}"
    each = f'{magick()} -limit thread 1 "$1" {blur} "{target}/$(basename "$1" {input_suffix}){suffix}"'
    listed = f"find {source} -name '*{input_suffix}' -print0 | xargs -0 -n 1 -P {jobs} sh -c '{each}' sh"
    ours = [*CONVCLI, "apply", source, "-k", "gaussian:sigma=2", "-j", jobs, "-q", "-o", f"{target}/{{stem}}{suffix}"]
    programs = {"convcli": ours, "convcli --no-sync": [*ours, "--no-sync"]}
    if "OpenCV" in options.peers:
        programs["OpenCV, threads"] = [sys.executable, "-c", WITH_OPENCV, source, target, jobs, suffix]
    if "ImageMagick" in options.peers and magick():
        programs["ImageMagick, xargs"] = ["sh", "-c", listed]
    return programs


def call_of(name, command, target, count, expected):
    """A function that runs a command, checks its results, and returns the seconds and the memory."""

    def run():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        measured = watch(command, OMP_NUM_THREADS="1")
        files = sorted(target.iterdir())
        if len(files) != count:
            sys.exit(f"{name}: pictures are missing")
        result = levels(files[0])
        require_same(name, result, expected.setdefault("result", result))
        return measured

    return run


def main():
    """Print one row for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--suffix", choices=tuple(WITH_MAGICK), default=".jpg")
    parser.add_argument("--peers", default="OpenCV,ImageMagick", help="which of the two take part; ImageMagick is slow")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", help="where pictures are written, such as a file system in memory")
    parser.add_argument("--json", help="where the figures go")
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        input_suffix = make_pictures(source, options.count, options.side, options.suffix)
        programs, expected = commands(source, target, options, input_suffix), {}
        calls = {name: call_of(name, command, target, options.count, expected) for name, command in programs.items()}
        best = {name: min(runs) for name, runs in alternate(calls, options.runs).items()}
    sizes = f"{options.side} x {options.side}, {options.jobs} at a time"
    sys.stdout.write(f"{options.count} pictures from {input_suffix} to {options.suffix}, {sizes}\n")
    rows = []
    for name, (seconds, memory) in best.items():
        rate = options.count / seconds
        rows.append({"program": name, "seconds": seconds, "rate": rate, "memory": memory})
        sys.stdout.write(f"{name:<20} {seconds:>7.2f} s {rate:>7.1f} pictures/s {memory / 1e6:>7.0f} MB\n")
    save_rows(options.json, rows, **vars(options))


if __name__ == "__main__":
    main()
