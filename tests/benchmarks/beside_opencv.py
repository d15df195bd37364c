"""Times filter2d beside OpenCV's filter2D, in one process, in turn, on the same picture and with the same threads.

    python -m pip install opencv-python-headless
    python tests/benchmarks/beside_opencv.py

2048 x 2048 x 3 random bytes, random kernels, mirrored borders; the results are checked before anything is timed.
"""

import os
import statistics
import sys
import time

import cv2
import numpy as np

import convcli

RUNS = 15


def milliseconds(call):
    """One run."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def main():
    """Print one row for each size, type and number of threads: medians, and theirs divided by ours."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    sys.stdout.write("kernel  result   threads  convcli ms  OpenCV ms  OpenCV / convcli\n")
    for size in (3, 5, 7, 11):
        kernel = (rng.normal(size=(size, size)) / size).astype(np.float32)
        for dtype, depth in ((np.uint8, cv2.CV_8U), (None, cv2.CV_32F)):
            for threads in sorted({1, os.cpu_count() or 1}):
                cv2.setNumThreads(threads)
                calls = (
                    lambda k=kernel, d=dtype, t=threads: convcli.filter2d(image, k, dtype=d, threads=t),
                    lambda k=kernel, d=depth: cv2.filter2D(image, d, k, borderType=cv2.BORDER_REFLECT_101),
                )
                ours, theirs = (call().astype(np.float64) for call in calls)
                if np.abs(ours - theirs).max() > (1 if dtype else 1e-2):
                    sys.exit(f"{size} x {size}: the results differ")
                times = [[milliseconds(call) for call in calls] for _ in range(RUNS)]
                a, b = (statistics.median(column) for column in zip(*times, strict=True))
                name = "uint8" if dtype else "float32"
                sys.stdout.write(f"{size:>2} x {size:<2} {name:<8} {threads:>7} {a:>11.1f} {b:>10.1f} {b / a:>17.2f}\n")


if __name__ == "__main__":
    main()
