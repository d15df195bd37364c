"""Times whole batches: 1,000 JPEGs beside ImageMagick under xargs and a script with OpenCV on a pool of threads.

    python -m pip install opencv-python-headless
    apt-get install imagemagick
    python tests/benchmarks/batch.py [--count 1000] [--side 512]

Each picture is decoded, blurred by a Gaussian of sigma 2 (17 x 17, mirrored borders), and encoded as a JPEG of quality 92 with
colours at full resolution; two at a time. Prints pictures a second and the peak memory of the largest process, the best of
three runs in turn. The results are compared before anything is timed.
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

JOBS = 2
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
    assert cv2.imwrite(str(target / path.name), blurred, quality)
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
    """Cuts from the sample pictures, each another."""
    folder.mkdir()
    pictures = []
    for name in ("astronaut.png", "chelsea.png"):
        with PIL.Image.open(SAMPLES / name) as picture:
            pictures.append(picture.convert("RGB").resize((side + 64, side + 64)))
    for i in range(count):
        left, above = i % 64, i // 64 % 64
        cut = pictures[i % 2].crop((left, above, left + side, above + side))
        cut.save(folder / f"{i:05}.jpg", quality=92, subsampling=0)


def commands(source, target):
    """How each does it."""
    found = shutil.which("magick") or shutil.which("convert", path="/usr/bin") or shutil.which("convert")
    quality = "-virtual-pixel Mirror -gaussian-blur 8x2 -sampling-factor 1x1 -quality 92"
    each = f'{found} -limit thread 1 "$1" {quality} "{target}/${{1##*/}}"'
    listed = f"find {source} -name '*.jpg' -print0 | xargs -0 -n 1 -P {JOBS} sh -c '{each}' sh"
    ours = [sys.executable, "-m", "convcli", "apply", source, "-k", "gaussian:sigma=2", "-j", JOBS, "-q", "-o", f"{target}/"]
    theirs = {
        "convcli": list(map(str, ours)),
        "OpenCV, threads": [sys.executable, "-c", WITH_OPENCV, str(source), str(target), str(JOBS)],
    }
    return theirs | ({"ImageMagick, xargs": ["sh", "-c", listed]} if found else {})


def run(command, target):
    """Seconds, and bytes of the largest process."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-S", "-c", WATCH, *command], capture_output=True, check=True, env=env)
    return json.loads(result.stdout)


def levels(path):
    """The pixels of a picture as numbers."""
    with PIL.Image.open(path) as picture:
        return np.asarray(picture).astype(float)


def main():
    """Print one row for each way."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--count", type=int, default=1000)
    reader.add_argument("--side", type=int, default=512)
    wishes = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in", Path(folder) / "out"
        make_pictures(source, wishes.count, wishes.side)
        ways = commands(source, target)
        best = {}
        first = None
        for turn in range(3):
            for name, command in ways.items():
                start = time.perf_counter()
                seconds, memory = run(command, target)
                assert seconds <= time.perf_counter() - start
                if len(list(target.iterdir())) != wishes.count:
                    sys.exit(f"{name}: pictures are missing")
                result = levels(target / "00000.jpg")
                first = result if first is None else first
                if np.abs(result - first).mean() > 1:
                    sys.exit(f"{name}: the results differ by {np.abs(result - first).mean():.2f} levels")
                if turn == 0 or seconds < best[name][0]:
                    best[name] = seconds, memory
    sys.stdout.write(f"{wishes.count} JPEGs of {wishes.side} x {wishes.side}, {JOBS} at a time\n")
    for name, (seconds, memory) in best.items():
        rate = wishes.count / seconds
        sys.stdout.write(f"{name:<20} {seconds:>7.2f} s {rate:>7.1f} pictures/s {memory / 1e6:>7.0f} MB\n")


if __name__ == "__main__":
    main()
