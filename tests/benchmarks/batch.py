"""Measures whole batches: 1,000 JPEGs, against ImageMagick under xargs and a script with OpenCV on a pool of threads.

    python -m pip install opencv-python-headless
    apt-get install imagemagick
    python tests/benchmarks/batch.py [--count 1000] [--side 512] [--jobs 2] [--suffix .png] [--folder /dev/shm]

Each picture is decoded, blurred by a Gaussian of sigma 2 (17 x 17, reflected borders), and encoded, as a JPEG of quality 92
without chroma subsampling or as another format; two pictures at a time. Prints pictures per second and the peak memory of the
largest process, the best of three alternating runs. The results are compared before a time counts.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image

SAMPLES = Path(__file__).parents[2] / "samples"

WITH_OPENCV = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import cv2
cv2.setNumThreads(1)
source, target = map(Path, sys.argv[1:3])
quality = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
def work(path):
    blurred = cv2.GaussianBlur(cv2.imread(str(path)), (17, 17), 2, borderType=cv2.BORDER_REFLECT_101)
    assert cv2.imwrite(str((target / path.name).with_suffix(sys.argv[4])), blurred, quality if sys.argv[4] == ".jpg" else [])
with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    list(pool.map(work, sorted(source.iterdir())))
"""

WATCH = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""


def make_pictures(folder, count, side):
    """Write different crops of the sample pictures."""
    folder.mkdir()
    pictures = []
    for name in ("astronaut.png", "chelsea.png"):
        with PIL.Image.open(SAMPLES / name) as picture:
            pictures.append(picture.convert("RGB").resize((side + 64, side + 64)))
    for i in range(count):
        left, above = i % 64, i // 64 % 64
        cut = pictures[i % 2].crop((left, above, left + side, above + side))
        cut.save(folder / f"{i:05}.jpg", quality=92, subsampling=0)


def commands(source, target, jobs, suffix):
    """The command line of each program. That of convcli is given twice, also without waiting for the disk."""
    magick = shutil.which("magick") or shutil.which("convert", path="/usr/bin")
    quality = "-virtual-pixel Mirror -gaussian-blur 8x2 -sampling-factor 1x1 -quality 92"
    each = f'{magick} -limit thread 1 "$1" {quality} "{target}/$(basename "$1" .jpg){suffix}"'
    listed = f"find {source} -name '*.jpg' -print0 | xargs -0 -n 1 -P {jobs} sh -c '{each}' sh"
    ours = [sys.executable, "-m", "convcli", "apply", str(source), "-k", "gaussian:sigma=2", "-j", str(jobs), "-q"]
    ours += ["-o", f"{target}/{{stem}}{suffix}"]
    programs = {
        "convcli": ours,
        "convcli --no-sync": [*ours, "--no-sync"],
        "OpenCV, threads": [sys.executable, "-c", WITH_OPENCV, str(source), str(target), str(jobs), suffix],
    }
    return programs | ({"ImageMagick, xargs": ["sh", "-c", listed]} if magick else {})


def run(command, target):
    """Run a command. Return the seconds, and the peak memory of the largest process in bytes."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-S", "-c", WATCH, *command], capture_output=True, check=True, env=env)
    return json.loads(result.stdout)


def levels(path):
    """Read the samples of a picture as floats."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture).astype(float)


def main():
    """Print one row for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--suffix", choices=(".jpg", ".png"), default=".jpg")
    parser.add_argument("--folder", help="where pictures are written, such as a file system in memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        make_pictures(source, arguments.count, arguments.side)
        programs = commands(source, target, arguments.jobs, arguments.suffix)
        best = {}
        first = None
        for run_number in range(3):
            for name, command in programs.items():
                start = time.perf_counter()
                seconds, memory = run(command, target)
                assert seconds <= time.perf_counter() - start
                if len(list(target.iterdir())) != arguments.count:
                    sys.exit(f"{name}: pictures are missing")
                result = levels(target / f"00000{arguments.suffix}")
                first = result if first is None else first
                if np.abs(result - first).mean() > 1:
                    sys.exit(f"{name}: the results differ by {np.abs(result - first).mean():.2f} levels")
                if run_number == 0 or seconds < best[name][0]:
                    best[name] = seconds, memory
    sys.stdout.write(
        f"{arguments.count} JPEGs of {arguments.side} x {arguments.side} to {arguments.suffix}, {arguments.jobs} at a time\n"
    )
    for name, (seconds, memory) in best.items():
        rate = arguments.count / seconds
        sys.stdout.write(f"{name:<20} {seconds:>7.2f} s {rate:>7.1f} pictures/s {memory / 1e6:>7.0f} MB\n")


if __name__ == "__main__":
    main()
